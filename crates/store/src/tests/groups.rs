//! A property: however commits are grouped, the results and the tables are those of one commit after the other.

use super::{answered, asked, at, case_body, ended, json, raise, request, start, started, turn, turn_commit};
use crate::*;
use rusqlite::types::Value as Sql;
use stdx::{Id, Rng, Value};
use triage::Command as Triage;
use workflow::{Class, Command, Effect, Status};

fn pick<'a>(rng: &mut Rng, list: &[&'a str]) -> &'a str {
    list[rng.below(list.len() as u64) as usize]
}

fn triage_command(rng: &mut Rng, n: u64) -> Triage {
    let case = Id::from(pick(rng, &["c1", "c2", "c3"]));
    let alert = pick(rng, &["a1", "a2", "a3", "a4"]);
    let status = pick(rng, &["open", "in-progress", "closed"]);
    let word = pick(rng, &["x", "y", "z", ""]);
    match rng.below(14) {
        0 | 1 => raise(alert),
        2 => Triage::AlertStatus { ids: vec![Id::from(alert)], status: status.into(), reason: None },
        3 => Triage::AlertTags { ids: vec![Id::from(alert)], add: vec![word.into()], remove: vec!["y".into()] },
        4 | 5 => Triage::CaseCreate { id: case, body: case_body(word) },
        6 => Triage::CasePatch { body: json(&format!(r#"{{"id":"{case}","status":"{status}"}}"#)) },
        7 => Triage::CasePatch { body: json(&format!(r#"{{"id":"{case}","version":"WzIsMV0=","title":"{word}"}}"#)) },
        8 => Triage::CaseTags { case, add: vec![word.into()] },
        9 => Triage::CaseDelete { ids: vec![case] },
        10 => Triage::CommentAdd {
            case,
            id: Id::from(format!("m{}", n % 7)),
            body: json(&format!(r#"{{"comment":"{word}"}}"#)),
        },
        11 => Triage::CommentDelete { case, comment: Id::from(format!("m{}", rng.below(7))) },
        12 => Triage::AlertsAttach {
            case,
            id: Id::from(format!("x{n}")),
            alerts: vec![json(&format!(r#"{{"alertId":"{alert}","index":"i"}}"#))],
        },
        _ => Triage::ObservablesAdd {
            case,
            id: Id::from(format!("o{n}")),
            observables: vec![json(&format!(r#"{{"typeKey":"k","value":"{word}"}}"#))],
        },
    }
}

fn commit(rng: &mut Rng, n: u64) -> Commit {
    let now = at(n as i64);
    let run = pick(rng, &["e1", "e2"]);
    let mut c = match rng.below(10) {
        0..=4 => Commit {
            commands: (0..1 + rng.below(3)).map(|_| request(triage_command(rng, n))).collect(),
            independent: rng.chance(0.3),
            ..Commit::default()
        },
        5 => Commit {
            records: vec![RecordChange {
                noun: Noun::Workflow,
                space: "default".into(),
                id: Id::from("w1"),
                expect: [None, Some(0), Some(1 + rng.below(3))][rng.below(3) as usize],
                body: rng.chance(0.8).then(|| Value::object([("n", Value::from(n))])),
                by: triage::Actor::system(),
                action: "workflow.save".into(),
            }],
            ..Commit::default()
        },
        6 => Commit {
            commands: vec![request(raise(&format!("b{}", rng.below(4))))],
            independent: true,
            starts: vec![NewStart { start: Box::new(start(&format!("s{}", rng.below(4)))), if_inserted: Some(0) }],
            mailbox_add: vec![(Id::from(run), Command::Continue)],
            ..Commit::default()
        },
        // Turns at a guessed base: most guards fail, some hold.
        _ => {
            let base = rng.below(6);
            let mut t = match rng.below(4) {
                0 => turn(0, vec![started(run)], Status::Running),
                1 => turn(base, vec![asked(run, "x", Class::Read)], Status::Running),
                2 => turn(base, vec![answered(run, "x")], Status::Running),
                _ => turn(base, vec![ended()], Status::Completed),
            };
            match rng.below(4) {
                0 => t.effects.push((super::key(run, "x"), super::call(Class::Read, "lane"))),
                1 => t.done.push(super::key(run, "x")),
                2 => t.effects.push((super::key(run, "y"), Effect::Internal(Box::new(triage_command(rng, n))))),
                _ => t.payloads.push((workflow::PayloadRef(n), std::sync::Arc::new(Value::from(n)))),
            }
            let mut c = turn_commit(run, t);
            if rng.chance(0.3) {
                c.mailbox_done.push((Id::from(run), 1 + rng.below(3)));
            }
            c
        }
    };
    if rng.chance(0.2) {
        c.guards.push(Guard::Request {
            space: "default".into(),
            key: format!("k{}", rng.below(5)).into(),
            execution: None,
        });
    }
    if let Some(r) = c.commands.first_mut().filter(|_| rng.chance(0.1)) {
        r.key = Some(format!("command {}", n % 5).into());
    }
    c.now = now;
    c
}

fn dump(w: &Writer) -> Vec<String> {
    let conn = &w.reader().conn;
    let tables: Vec<String> = conn
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut out = Vec::new();
    for table in tables {
        // Salts are random and links follow the groups; the entries themselves are compared by what they say.
        let columns = match table.as_str() {
            "audit_link" | "checkpoint" | "meta" => continue,
            // Rows of one group are inserted in the order of their ids, so their numbers differ.
            "alert" => "space, id, version, status, created, updated, status_at, workflow_user, assignees, tags, cases",
            "alert_document" => "document",
            "stream" => "commits, feed, audit",
            "audit" => "seq, space, at, user, channel, execution, step, action, noun, id, run_base, body",
            _ => "*",
        };
        let mut statement = conn.prepare(&format!("SELECT {columns} FROM \"{table}\"")).unwrap();
        let n = statement.column_count();
        let mut rows: Vec<String> = statement
            .query_map([], |r| Ok(format!("{:?}", (0..n).map(|i| r.get::<_, Sql>(i).unwrap()).collect::<Vec<_>>())))
            .unwrap()
            .map(|r| format!("{table} {}", r.unwrap()))
            .collect();
        rows.sort();
        out.extend(rows);
    }
    out
}

fn said(r: &Result<Committed, Error>) -> String {
    match r {
        Ok(c) => format!("{c:?}"),
        Err(e) => format!("{}: {e}", e.code()),
    }
}

#[test]
fn grouping_changes_nothing() {
    let (mut ok, mut refused) = (0, 0);
    let seeds = std::env::var("STORE_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
    for seed in 0..seeds {
        let mut rng = Rng::new(seed);
        let commits: Vec<Commit> = (0..60).map(|n| commit(&mut rng, n)).collect();
        let mut alone = super::writer();
        let one_by_one: Vec<String> = commits.iter().map(|c| said(&alone.apply_one(c.clone()))).collect();
        let mut grouped = super::writer();
        let mut results = Vec::new();
        let mut rest = &commits[..];
        while !rest.is_empty() {
            let (group, more) = rest.split_at(rest.len().min(1 + rng.below(20) as usize));
            results.extend(grouped.apply(group.to_vec()).iter().map(said));
            rest = more;
        }
        for (i, (a, b)) in one_by_one.iter().zip(&results).enumerate() {
            assert_eq!(a, b, "seed {seed}, commit {i}: {:?}", commits[i]);
        }
        let (a, b) = (dump(&alone), dump(&grouped));
        for (x, y) in a.iter().zip(&b) {
            assert_eq!(x, y, "seed {seed}");
        }
        assert_eq!(a.len(), b.len(), "seed {seed}");
        for w in [&alone, &grouped] {
            let report = audit::verify::verify_connection(&w.reader().conn).unwrap();
            assert_eq!(report.broken, None, "seed {seed}: {report}");
        }
        ok += one_by_one.iter().filter(|r| r.starts_with("Committed")).count();
        refused += one_by_one.iter().filter(|r| !r.starts_with("Committed")).count();
    }
    assert!(ok > 500 && refused > 300, "the sequences must hold both: {ok} and {refused}");
}
