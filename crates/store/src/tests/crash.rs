//! A child process is killed in the middle of its groups, again and again: what it acknowledged is there, whole and chained.
//!
//! Invariants: the child is this test binary; it does nothing unless its folder is named by the environment.

use super::{T0, case_body, ended, request, started, turn, turn_commit};
use crate::{AlertFilter, CaseFilter, Commit, NewStart, Options, Store, verify};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use stdx::{Id, Rng};
use triage::Command as Triage;
use workflow::Status;

const DIR: &str = "WATCHFIRE_STORE_CRASH_DIR";
const ROUND: &str = "WATCHFIRE_STORE_CRASH_ROUND";
const KILLS: u64 = 6;
const THREADS: u64 = 6;

/// What one step of the child commits: a case with an alert attached, a run by mail, and a run of one turn.
fn commits(id: &str) -> Vec<Commit> {
    let case = Id::from(format!("c-{id}"));
    let alert = format!("a-{id}");
    let attach = serde_json::json!({ "alertId": alert, "index": "i" }).to_string();
    let whole = Commit {
        now: T0,
        commands: vec![
            request(super::raise(&alert)),
            request(Triage::CaseCreate { id: case.clone(), body: case_body("crash") }),
            request(Triage::AlertsAttach { case, id: Id::from(format!("x-{id}")), alerts: vec![super::json(&attach)] }),
        ],
        starts: vec![NewStart { start: Box::new(super::start(&format!("m-{id}"))), if_inserted: Some(0) }],
        ..Commit::default()
    };
    let run = format!("r-{id}");
    vec![whole, turn_commit(&run, turn(0, vec![started(&run), ended()], Status::Completed))]
}

#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let round = std::env::var(ROUND).unwrap();
    let store = Store::open(dir.as_ref(), &Options { ballast: false, pages_max: None }).unwrap();
    let threads: Vec<_> = (0..THREADS)
        .map(|t| {
            let (store, round) = (store.clone(), round.clone());
            std::thread::spawn(move || {
                for i in 0.. {
                    let id = format!("{round}-{t}-{i}");
                    for commit in commits(&id) {
                        store.commit_blocking(commit).unwrap();
                    }
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "done {id}").and_then(|()| out.flush()).unwrap();
                }
            })
        })
        .collect();
    for t in threads {
        t.join().unwrap();
    }
}

#[test]
fn killed_in_the_middle_of_groups() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(11);
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["tests::crash::child", "--exact", "--nocapture"])
            .env(DIR, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wanted = 1 + rng.below(60) as usize;
        let mut seen = 0;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while seen < wanted {
            let line = lines.next().expect("the child writes until it is killed").unwrap();
            if let Some((_, id)) = line.split_once("done ") {
                acknowledged.push(id.to_owned());
                seen += 1;
            }
        }
        child.kill().unwrap();
        // What the child wrote before the signal was acknowledged too.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|l| Some(l.split_once("done ")?.1.to_owned())));
        child.wait().unwrap();
        let report = verify(dir.path()).unwrap();
        assert_eq!(report.broken, None, "{report}");
    }
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    let reader = store.reader().unwrap();
    for id in &acknowledged {
        let case =
            reader.case_get("default", &format!("c-{id}")).unwrap().unwrap_or_else(|| panic!("case of {id} is lost"));
        assert_eq!(case.alerts, 1);
        assert_eq!(reader.case_alerts(&case.id).unwrap().len(), 1);
        assert_eq!(reader.alert_get("default", &format!("a-{id}")).unwrap().unwrap().case_ids().len(), 1);
        assert_eq!(reader.mailbox_read(&format!("m-{id}")).unwrap().len(), 1);
        assert_eq!(reader.journal_read(&format!("r-{id}"), 0).unwrap()[0].facts.len(), 2);
    }
    // A commit is all or nothing also where nobody was told: every case has its alert, every alert its case.
    let space = || "default".into();
    let cases = reader.case_find(&CaseFilter { space: space(), limit: 10_000, ..Default::default() }).unwrap();
    let alerts = reader.alert_list(&AlertFilter { space: space(), limit: 100_000, ..Default::default() }).unwrap();
    assert_eq!(cases.total, alerts.len() as u64);
    assert!(cases.total >= acknowledged.len() as u64);
    assert!(alerts.iter().all(|a| a.cases.len() == 1));
    let mut numbers: Vec<u64> = cases.cases.iter().map(|c| c.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=cases.total).collect::<Vec<_>>(), "numbers without gaps, none twice");
}
