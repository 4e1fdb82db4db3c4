//! A job on another machine outlives the process: its handle brings the next process back to it, and nothing is sent twice.

use super::{Rig, ssh_step};
use crate::core::Input;
use stdx::Value;
use store::Commit;
use workflow::{FactKind, Fault, Outcome, Status};

fn handle() -> Value {
    Value::object([("shell", Value::from("S1")), ("command", Value::from("C1"))])
}

/// A command on its way that said what it goes by.
fn detached() -> Rig {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}{}", ssh_step("contain"), ssh_step("after")));
    rig.start("w", "e1");
    let sent = rig.sent[0].clone();
    assert_eq!(sent.attach, None);
    rig.input(Input::Detached { key: sent.key, attempt: sent.attempt, handle: handle() });
    assert!(matches!(rig.facts("e1").last(), Some(FactKind::Detached { handle: h, .. }) if *h == handle()));
    rig
}

fn questions(rig: &Rig) -> usize {
    let filter = store::QuestionFilter {
        space: super::SPACE.into(),
        open: Some(true),
        limit: 10,
        ..store::QuestionFilter::default()
    };
    rig.store.read(|r| r.question_list(&filter)).unwrap().len()
}

#[test]
fn a_restart_goes_on_with_the_same_attempt_and_asks_nobody() {
    let mut rig = detached();
    for _ in 0..3 {
        rig.restart();
        assert_eq!((rig.sent.len(), questions(&rig)), (1, 0));
        assert_eq!((rig.sent[0].attempt, rig.sent[0].attach.clone()), (1, Some(handle())));
    }
    rig.ok();
    // The next command is a new one, without the handle of the last.
    assert_eq!((rig.sent.len(), rig.sent[0].attach.clone()), (1, None));
    rig.ok();
    assert_eq!(rig.status("e1"), Status::Completed);
    let begun = rig.facts("e1").iter().filter(|f| matches!(f, FactKind::Attempting { .. })).count();
    assert_eq!(begun, 2, "one attempt for each command");
    assert!(store::verify(rig.store.dir()).unwrap().broken.is_none());
}

#[test]
fn without_a_handle_a_person_is_asked() {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}", ssh_step("contain")));
    rig.start("w", "e1");
    rig.restart();
    assert_eq!((rig.sent.len(), questions(&rig)), (0, 1));
}

#[test]
fn a_job_that_is_lost_after_all_is_settled_by_a_person_and_its_handle_is_of_no_use_any_more() {
    let mut rig = detached();
    rig.restart();
    rig.answer(Outcome::Unknown(Fault::new("WinrmFault", "the shell is gone")));
    assert_eq!((rig.sent.len(), questions(&rig)), (0, 1));
    rig.restart();
    assert_eq!((rig.sent.len(), questions(&rig)), (0, 1));
}

#[test]
fn a_run_that_was_cancelled_meanwhile_still_hears_of_its_job() {
    let mut rig = detached();
    let cancel = workflow::Command::Cancel { by: "ann".into(), reason: None };
    rig.commit(Commit { mailbox_add: vec![("e1".into(), cancel)], ..Commit::default() });
    assert_eq!(rig.status("e1"), Status::Cancelled);
    rig.restart();
    assert_eq!((rig.sent.len(), rig.sent[0].attach.clone()), (1, Some(handle())));
    rig.ok();
    assert!(rig.store.read(|r| r.outbox_of("e1")).unwrap().is_empty());
    assert_eq!(questions(&rig), 0);
}

#[test]
fn late_and_foreign_handles_are_dropped() {
    let mut rig = detached();
    let key = rig.sent[0].key.clone();
    let before = rig.facts("e1").len();
    rig.input(Input::Detached { key: key.clone(), attempt: 2, handle: handle() });
    let foreign = workflow::EffectKey { call: 7, ..key.clone() };
    rig.input(Input::Detached { key: foreign, attempt: 1, handle: handle() });
    assert_eq!(rig.facts("e1").len(), before);
    rig.ok();
    let after = rig.facts("e1").len();
    rig.input(Input::Detached { key, attempt: 1, handle: handle() });
    assert_eq!(rig.facts("e1").len(), after);
}
