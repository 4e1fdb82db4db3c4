//! Room in memory, failed commits, and runs that rest.

use super::{Rig, SPACE, ssh_step};
use crate::core::{COMMIT_RETRY, Input, Output, RUNS_LIVE_MAX, STUCK_AFTER};
use stdx::{Duration, Time};
use store::Commit;
use workflow::{Outcome, Status};

#[test]
fn a_start_without_room_is_accepted_and_runs_when_there_is() {
    let mut rig = Rig::new();
    rig.workflow("busy", &format!("steps:\n{}", ssh_step("a")));
    rig.workflow("quiet", "steps:\n  - name: done\n    type: console\n    with: { message: hello }\n");
    for n in 0..RUNS_LIVE_MAX + 3 {
        rig.start("busy", &format!("b{n:05}"));
    }
    rig.start("quiet", "q1");
    assert_eq!(rig.core.load_figures().runs, RUNS_LIVE_MAX);
    assert_eq!(rig.core.load_figures().admission, 4);
    assert!(rig.replies.iter().all(|(_, r)| r.is_ok()), "every start was accepted");
    assert_eq!(rig.status("q1"), Status::Pending);
    // Two places are enough for the quiet workflow's turn, although three of the busy one came before.
    rig.ok();
    rig.ok();
    assert_eq!(rig.status("q1"), Status::Completed);
}

#[test]
fn the_command_of_a_failed_commit_is_kept_with_growing_pauses() {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}", ssh_step("a")));
    rig.start("w", "e1");
    let sent = rig.sent.remove(0);
    let outcome = Outcome::Answered(Ok(workflow::Body::Null));
    let mut outputs = rig.core.handle(Input::Outcome { key: sent.key, attempt: 1, outcome }, rig.now);
    let mut pauses = Vec::new();
    for _ in 0..STUCK_AFTER {
        let Some(Output::Commit { ticket, .. }) = outputs.pop() else { panic!("a commit was handed over") };
        let result = Err(store::Error::Guard { guard: "turn", found: "99".into() });
        assert!(rig.core.handle(Input::Committed { ticket, result }, rig.now).is_empty());
        let due = rig.core.next_due().unwrap();
        pauses.push(due.since(rig.now));
        rig.now = due;
        outputs = rig.core.handle(Input::Tick, rig.now);
    }
    assert_eq!(pauses, [0, 1, 2, 3].map(|n| Duration(COMMIT_RETRY.0 << n)));
    assert_eq!(rig.core.load_figures().stuck, 1);
    rig.work(outputs);
    assert_eq!(rig.status("e1"), Status::Completed, "the answer was not lost, and nobody was asked about it");
    assert_eq!(rig.core.load_figures().stuck, 0);
}

#[test]
fn a_waiting_run_with_a_short_deadline_is_rows_alone() {
    let mut rig = Rig::new();
    let steps = "steps:\n  - name: ask\n    type: waitForApproval\n    timeout: 30s\n    with: { message: ok }\n";
    rig.workflow("w", steps);
    rig.start("w", "e1");
    assert_eq!(rig.status("e1"), Status::WaitingForInput);
    assert_eq!(rig.core.load_figures().runs, 0, "a run that waits is rows");
    assert!(!rig.store.read(|r| r.timers_of("e1")).unwrap().is_empty());
    rig.restart();
    rig.pass(Duration::from_secs(31));
    assert!(rig.status("e1").is_terminal(), "{:?}", rig.status("e1"));
}

#[test]
fn a_hundred_runs_that_wait_are_not_read_at_start() {
    let mut rig = Rig::new();
    rig.workflow("w", "steps:\n  - name: ask\n    type: waitForApproval\n    with: { message: ok }\n");
    for n in 0..100 {
        rig.start("w", &format!("e{n:03}"));
    }
    rig.restart();
    assert_eq!(rig.core.load_figures().runs, 0);
    let cancel = workflow::Command::Cancel { by: "ann".into(), reason: None };
    rig.commit(Commit { mailbox_add: vec![("e042".into(), cancel)], ..Commit::default() });
    assert_eq!(rig.status("e042"), Status::Cancelled);
    assert!(rig.now > Time(0) && rig.store.read(|r| r.halt_get(SPACE)).unwrap().is_none());
}
