//! After a run's end: a destructive attempt that nobody saw the end of is settled, also by sending it again.

use super::{Rig, SPACE, ssh_step};
use crate::core::Input;
use store::{Commit, QuestionFilter};
use triage::command::{Command, Request};
use workflow::{FactKind, Fault, Outcome, Status};

fn settle(rig: &mut Rig, verdict: triage::Verdict) {
    let filter = QuestionFilter { space: SPACE.into(), open: Some(true), limit: 10, ..QuestionFilter::default() };
    let row = rig.store.read(|r| r.question_list(&filter)).unwrap().pop().expect("a settlement is open");
    let command = Command::QuestionDecide {
        id: row.question.id,
        verdict,
        hash: None,
        comment: None,
        output: None,
        signature: None,
    };
    let by = triage::Actor::person("bob", "api");
    let request = Request { space: SPACE.into(), by, key: None, command };
    rig.commit(Commit { commands: vec![request], ..Commit::default() });
}

/// A run that was cancelled while its command was on its way, and the answer never came.
fn cancelled_in_flight() -> Rig {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}", ssh_step("contain")));
    rig.start("w", "e1");
    assert_eq!(rig.sent.len(), 1);
    let cancel = workflow::Command::Cancel { by: "ann".into(), reason: None };
    rig.commit(Commit { mailbox_add: vec![("e1".into(), cancel)], ..Commit::default() });
    assert_eq!(rig.status("e1"), Status::Cancelled);
    rig.answer(Outcome::Unknown(Fault::new("Interrupted", "the line broke")));
    rig
}

#[test]
fn again_after_the_end_sends_the_same_bytes_once_more() {
    let mut rig = cancelled_in_flight();
    settle(&mut rig, triage::Verdict::Again);
    assert_eq!(rig.sent.len(), 1, "{:?}", rig.facts("e1").last());
    assert_eq!(rig.sent[0].attempt, 2);
    rig.ok();
    assert!(rig.sent.is_empty());
    assert_eq!(rig.status("e1"), Status::Cancelled, "the run has ended once");
    assert!(matches!(rig.facts("e1").last(), Some(FactKind::Answered { attempt: 2, .. })));
    assert!(rig.store.read(|r| r.outbox_of("e1")).unwrap().is_empty(), "nothing is left to send");
    assert!(store::verify(rig.store.dir()).unwrap().broken.is_none());
}

#[test]
fn again_after_the_end_survives_a_restart_before_the_answer() {
    let mut rig = cancelled_in_flight();
    settle(&mut rig, triage::Verdict::Again);
    rig.restart();
    assert!(rig.sent.is_empty(), "an attempt that began is not sent again unasked");
    settle(&mut rig, triage::Verdict::Again);
    assert_eq!(rig.sent.len(), 1);
    rig.ok();
    assert!(rig.store.read(|r| r.outbox_of("e1")).unwrap().is_empty());
}

#[test]
fn skip_after_the_end_closes_the_row() {
    let mut rig = cancelled_in_flight();
    settle(&mut rig, triage::Verdict::Skip);
    assert!(rig.sent.is_empty());
    assert!(rig.store.read(|r| r.outbox_of("e1")).unwrap().is_empty());
    rig.input(Input::Tick);
    assert_eq!(rig.status("e1"), Status::Cancelled);
}
