//! Concurrency groups and child runs over the store: slots granted, queued, cancelled; ends told to parents; cancels told to children.

use super::{Rig, SPACE, ssh_step};
use stdx::Duration;
use store::Commit;
use workflow::Status;

fn concurrency(strategy: &str, max: u32) -> String {
    format!("settings: {{ concurrency: {{ key: \"g\", strategy: {strategy}, max: {max} }} }}\n")
}

fn rig_with(strategy: &str, max: u32) -> Rig {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("{}steps:\n{}", concurrency(strategy, max), ssh_step("contain")));
    rig
}

fn slots(rig: &Rig) -> Vec<(String, bool)> {
    let rows = rig.store.read(|r| r.slot_list(SPACE)).unwrap();
    rows.into_iter().map(|(_, run, held)| (run.to_string(), held)).collect()
}

fn cancel(rig: &mut Rig, run: &str) {
    let command = workflow::Command::Cancel { by: "ann".into(), reason: None };
    rig.commit(Commit { mailbox_add: vec![(run.into(), command)], ..Commit::default() });
}

#[test]
fn a_queue_is_first_in_first_out_and_never_beyond_its_maximum() {
    let mut rig = rig_with("queue", 2);
    for run in ["e1", "e2", "e3", "e4"] {
        rig.start("w", run);
    }
    assert_eq!(rig.sent.len(), 2);
    assert_eq!(rig.status("e3"), Status::Queued);
    rig.ok();
    assert_eq!(rig.status("e1"), Status::Completed);
    assert_eq!(rig.sent.iter().map(|s| s.key.execution.as_str()).collect::<Vec<_>>(), ["e2", "e3"]);
    cancel(&mut rig, "e4");
    assert_eq!(rig.status("e4"), Status::Cancelled);
    rig.ok();
    rig.ok();
    assert!(slots(&rig).is_empty(), "{:?}", slots(&rig));
}

#[test]
fn a_queued_run_is_rows_and_is_granted_its_slot_after_a_restart() {
    let mut rig = rig_with("queue", 1);
    rig.start("w", "e1");
    rig.start("w", "e2");
    assert_eq!(slots(&rig), [("e1".into(), true), ("e2".into(), false)]);
    rig.restart();
    // The first command's end is not known: a person is asked, the second run still waits.
    assert_eq!(rig.status("e2"), Status::Queued);
    cancel(&mut rig, "e1");
    assert_eq!(rig.sent.len(), 1);
    assert_eq!(rig.sent[0].key.execution.as_str(), "e2");
}

#[test]
fn what_is_dropped_is_skipped() {
    let mut rig = rig_with("drop", 1);
    rig.start("w", "e1");
    rig.start("w", "e2");
    assert_eq!((rig.status("e1"), rig.status("e2")), (Status::Running, Status::Skipped));
    rig.ok();
    rig.start("w", "e3");
    assert_eq!(rig.status("e3"), Status::Running);
}

#[test]
fn a_newcomer_waits_for_the_end_of_whom_it_cancels() {
    let mut rig = rig_with("cancel-in-progress", 1);
    rig.start("w", "e1");
    rig.start("w", "e2");
    rig.pass(Duration::from_ms(1));
    assert_eq!(rig.status("e1"), Status::Cancelled);
    assert_eq!(rig.status("e2"), Status::Running);
    assert_eq!(slots(&rig), [("e2".into(), true)]);
}

#[test]
fn a_parent_goes_on_with_its_childs_output_and_takes_it_along_when_cancelled() {
    let mut rig = Rig::new();
    rig.workflow("child", &format!("steps:\n{}", ssh_step("contain")));
    let call = "  - name: call\n    type: workflow.execute\n    with: { workflow-id: child }\n";
    rig.workflow("parent", &format!("steps:\n{call}"));
    rig.start("parent", "p1");
    assert_eq!(rig.status("p1"), Status::WaitingForChild, "{:?}", rig.facts("p1").last());
    assert_eq!(rig.sent.len(), 1);
    let child = rig.sent[0].key.execution.clone();
    let head = rig.store.read(|r| r.execution_get(&child)).unwrap().unwrap();
    assert_eq!(head.root.as_str(), "p1");
    rig.restart();
    assert_eq!(rig.status("p1"), Status::WaitingForChild);
    cancel(&mut rig, "p1");
    assert_eq!(rig.status(&child), Status::Cancelled);
    rig.start("parent", "p2");
    rig.ok();
    assert_eq!(rig.status("p2"), Status::Completed);
}
