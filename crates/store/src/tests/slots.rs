//! Concurrency groups in the writer; blobs of large payloads; what the feed says of who changed what.

use super::*;
use workflow::slot::{SlotCommand, SlotState, Strategy, Taken};

fn take(id: &str, strategy: Strategy, max: u32) -> Commit {
    let command = SlotCommand::Take { key: "g".into(), strategy, max, queue_size: 2 };
    let mut turn = turn(0, vec![started(id)], Status::Running);
    turn.effects.push((key(id, "slot"), Effect::Slot(Box::new(command))));
    turn_commit(id, turn)
}

fn taken(w: &mut Writer, commit: Commit) -> Taken {
    let answered = w.apply_one(commit).unwrap().answered.expect("the writer answers");
    match answered.what {
        FactKind::Answered { outcome: Outcome::Answered(Ok(Body::Inline(v))), .. } => Taken::from_value(&v).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn leave(w: &mut Writer, id: &str) -> Vec<Id> {
    let facts = w.reader().execution_get(id).unwrap().unwrap().facts;
    let turn = Turn { release: Some("g".into()), ..turn(facts, vec![ended()], Status::Completed) };
    w.apply_one(turn_commit(id, turn)).unwrap().woken
}

fn group(w: &Writer) -> Vec<(String, bool)> {
    w.reader().slot_list("default").unwrap().into_iter().map(|(_, id, held)| (id.to_string(), held)).collect()
}

#[test]
fn slots_are_granted_in_the_order_of_arrival_and_never_beyond_the_maximum() {
    let mut w = Writer::memory().unwrap();
    let states: Vec<_> = (1..=5).map(|n| taken(&mut w, take(&format!("e{n}"), Strategy::Queue, 2)).state).collect();
    assert_eq!(states, [SlotState::Held, SlotState::Held, SlotState::Queued, SlotState::Queued, SlotState::Full]);
    assert_eq!(leave(&mut w, "e2"), [Id::from("e3")]);
    let mail = w.reader().mailbox_read("e3").unwrap();
    assert_eq!(mail.last().map(|m| &m.command), Some(&Command::SlotGranted));
    assert_eq!(group(&w), [("e1".into(), true), ("e3".into(), true), ("e4".into(), false)]);
    assert!(leave(&mut w, "e4").is_empty(), "whoever queues and ends is granted nothing");
    assert!(leave(&mut w, "e1").is_empty());
    assert!(leave(&mut w, "e3").is_empty());
    assert!(group(&w).is_empty(), "an empty group is no row");
}

#[test]
fn a_newcomer_that_cancels_waits_before_all_others() {
    let mut w = Writer::memory().unwrap();
    taken(&mut w, take("e1", Strategy::Queue, 1));
    taken(&mut w, take("e2", Strategy::Queue, 1));
    let newcomer = taken(&mut w, take("e3", Strategy::CancelInProgress, 1));
    assert_eq!((newcomer.state, newcomer.cancelled), (SlotState::Queued, vec![Id::from("e1"), Id::from("e2")]));
    for victim in ["e1", "e2"] {
        let mail = w.reader().mailbox_read(victim).unwrap();
        let reason = "Cancelled due to concurrency limit (max: 1)";
        let cancel = Command::Cancel { by: "system".into(), reason: Some(reason.into()) };
        assert_eq!(mail.last().map(|m| &m.command), Some(&cancel));
    }
    assert_eq!(
        leave(&mut w, "e1"),
        [Id::from("e3")],
        "the victim's end lets the newcomer in, not whoever queued first"
    );
}

#[test]
fn a_failed_commit_takes_no_slot() {
    let mut w = Writer::memory().unwrap();
    let mut bad = take("e1", Strategy::Queue, 1);
    bad.outbox_done.clear();
    bad.commands.push(request(Triage::CaseDelete { ids: vec![Id::from("nope")] }));
    let results = w.apply(vec![bad, take("e2", Strategy::Queue, 1)]);
    assert!(results[0].is_err() && results[1].is_ok());
    assert_eq!(group(&w), [("e2".into(), true)]);
}

#[test]
fn a_large_payload_is_a_file_and_the_chain_covers_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Options { ballast: false, pages_max: None }).unwrap();
    let large = Value::from("x".repeat(2 * crate::blob::BLOB_BYTES_MIN));
    let mut turn = turn(0, vec![started("e1")], Status::Running);
    turn.payloads.push((workflow::PayloadRef(0), std::sync::Arc::new(large.clone())));
    turn.payloads.push((workflow::PayloadRef(1), std::sync::Arc::new(Value::from("small"))));
    store.commit_blocking(turn_commit("e1", turn)).unwrap();
    let files: Vec<_> = std::fs::read_dir(dir.path().join(crate::blob::FOLDER)).unwrap().collect();
    assert_eq!(files.len(), 1);
    let read = |n| store.read(|r| r.payload_get("e1", workflow::PayloadRef(n))).unwrap();
    assert_eq!((read(0), read(1)), (Some(large), Some(Value::from("small"))));
    assert!(verify(dir.path()).unwrap().broken.is_none());
}

#[test]
fn the_feed_says_who_changed_what() {
    let mut w = Writer::memory().unwrap();
    create(&mut w, "c1");
    let comment = json(r#"{"type":"user","owner":"securitySolution","comment":"seen"}"#);
    w.apply_one(command(T0, Triage::CommentAdd { case: Id::from("c1"), id: Id::from("m1"), body: comment })).unwrap();
    w.apply_one(command(T0, Triage::CasePatch { body: json(r#"{"id":"c1","title":"other","status":"closed"}"#) }))
        .unwrap();
    let feed = w.reader().feed_after(0, 10).unwrap();
    let cases: Vec<_> = feed.iter().filter(|f| &*f.topic == "case").collect();
    assert!(cases.iter().all(|f| &*f.by == "ana" && f.execution.is_none()));
    assert_eq!(cases[1].changed.get("comments").cloned(), Some(json(r#"["m1"]"#)));
    assert_eq!(cases[2].changed.get("status").and_then(Value::as_str), Some("closed"));
    assert_eq!(cases[2].changed.get("owner").and_then(Value::as_str), Some("securitySolution"));
    let fields = stdx::json::text(cases[2].changed.get("fields").unwrap());
    assert!(fields.contains("title") && fields.contains("status"), "{fields}");
}

#[test]
fn old_runs_go_whole_and_the_file_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    // A writer without the store's threads: their upkeep goes by the clock of the wall.
    let mut w = Writer::over(crate::open::writer(dir.path()).unwrap(), Keys::fixed(), None).unwrap();
    let id = |n: u32| stdx::id::uuid_v8(T0, &["run", &n.to_string()]);
    let of = |n: u32| {
        let start = Start { execution: id(n), root: id(n), ..start("x") };
        FactKind::Started { start: Box::new(start), name: "triage".into(), inputs: Body::Null, deadline: None }
    };
    for n in 0..300 {
        let mut facts = vec![of(n)];
        // The last one has not ended.
        let open = n == 299;
        facts.extend((!open).then(ended));
        let status = if open { Status::WaitingForInput } else { Status::Completed };
        let mut turn = turn(0, facts, status);
        turn.summary.finished_at = (!open).then_some(T0);
        turn.payloads.push((workflow::PayloadRef(0), std::sync::Arc::new(Value::from("x".repeat(40_000)))));
        w.apply_one(turn_commit(id(n).as_str(), turn)).unwrap();
    }
    let pages = |w: &Writer| w.reader().conn.pragma_query_value(None, "page_count", |r| r.get::<_, i64>(0)).unwrap();
    let before = pages(&w);
    let day = stdx::Duration::from_secs(86_400);
    let after_days = |days: i64| T0 + stdx::Duration(day.0 * days);
    assert!(!w.upkeep(after_days(89)).unwrap(), "nothing is old enough");
    // A look takes nothing away; it writes the planner's statistics.
    assert!((before..before + 8).contains(&pages(&w)));
    let mut rounds = 0;
    while w.upkeep(after_days(91)).unwrap() {
        rounds += 1;
        assert!(rounds < 50);
    }
    // The rest is given back by the next look.
    w.upkeep(after_days(91)).unwrap();
    let filter = ExecutionFilter { space: "default".into(), limit: 1000, ..ExecutionFilter::default() };
    let left = w.reader().execution_list(&filter).unwrap();
    assert_eq!(left.iter().map(|e| e.id.clone()).collect::<Vec<_>>(), [id(299)]);
    assert!(w.reader().payload_get(id(0).as_str(), workflow::PayloadRef(0)).unwrap().is_none());
    let after = pages(&w);
    assert!(after * 3 < before, "{before} pages became {after}");
    assert!(verify(dir.path()).unwrap().broken.is_none(), "the audit trail stands without the journals");
}
