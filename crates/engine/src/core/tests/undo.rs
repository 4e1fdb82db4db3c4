//! Taking effects back: scheduled with the effect, at its time and once, over restarts, through every gate of the envelope.

use super::{Rig, SPACE, record};
use crate::envelope::SETTING;
use stdx::{Duration, Id};
use store::{AuditFilter, Commit, EnvelopeChange, Noun};
use triage::question::Verdict;
use workflow::{Command, ExecutionId, FactKind, Fault, Outcome, Status};

const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

fn blocking(more: &str) -> String {
    format!(
        "steps:\n{more}  - name: block\n    type: ssh.run\n    connector-id: hosts\n    with: {{ command: \"block 203.0.113.7\" }}\n    \
         undo-after: 30m\n    undo: {{ type: ssh.run, connector-id: hosts, with: {{ command: \"unblock 203.0.113.7\" }} }}\n"
    )
}

fn change(rig: &mut Rig, change: EnvelopeChange) {
    rig.commit(Commit { envelope: vec![(triage::Actor::person("bob", "cli"), change)], ..Commit::default() });
}

/// The run that waits to undo.
fn child(rig: &Rig, execution: &str) -> Option<ExecutionId> {
    rig.facts(execution).into_iter().find_map(|f| match f {
        FactKind::Undoable { child, .. } => child,
        _ => None,
    })
}

fn command_sent(rig: &Rig) -> Vec<String> {
    let text = |s: &super::Sent| s.call.params.value().and_then(|p| p.get("command")?.as_str().map(str::to_owned));
    rig.sent.iter().filter_map(text).collect()
}

fn decide(rig: &mut Rig, verdict: Verdict, execution: &str) {
    let filter = store::QuestionFilter {
        space: SPACE.into(),
        open: Some(true),
        execution: Some(Id::from(execution)),
        limit: 10,
        ..Default::default()
    };
    let row = rig.store.read(|r| r.question_list(&filter)).unwrap().remove(0);
    let output = (verdict == Verdict::Happened).then(|| stdx::Value::from("seen in the log"));
    let command = triage::Command::QuestionDecide {
        id: row.question.id.clone(),
        verdict,
        hash: Some(row.question.hash.clone()),
        comment: Some("checked".into()),
        output,
        signature: None,
    };
    let by = triage::Actor::person("bob", "web");
    let request = triage::command::Request { space: SPACE.into(), by, key: None, command };
    rig.commit(Commit { commands: vec![request], ..Commit::default() });
}

#[test]
fn an_effect_is_undone_at_its_time_over_restarts_and_once() {
    let mut rig = Rig::new();
    rig.workflow("w", &blocking(""));
    rig.start("w", "e1");
    rig.ok();
    assert_eq!(rig.status("e1"), Status::Completed, "the run does not wait for its undo");
    let undo = child(&rig, "e1").expect("scheduled");
    assert_eq!(rig.status(&undo), Status::Waiting);
    assert_eq!(rig.core.load_figures().runs, 0, "what waits is rows");
    rig.restart();
    rig.pass(Duration::from_secs(1799));
    assert!(rig.sent.is_empty(), "not before its time");
    rig.restart();
    rig.pass(Duration::from_secs(1));
    assert_eq!(command_sent(&rig), ["unblock 203.0.113.7"]);
    let attempting = |f: &FactKind| matches!(f, FactKind::Attempting { .. });
    assert!(rig.facts(&undo).iter().any(attempting), "announced before the first byte");
    rig.ok();
    assert_eq!(rig.status(&undo), Status::Completed);
    rig.restart();
    rig.pass(Duration::from_secs(86_400));
    assert!(rig.sent.is_empty(), "once");
    let of = Some(("execution".into(), Id::from("e1")));
    let filter = AuditFilter { of, action: Some("effect.undoable".into()), limit: 10, ..AuditFilter::default() };
    assert_eq!(rig.store.read(|r| r.audit_list(&filter)).unwrap().len(), 1);
}

#[test]
fn an_attempt_lost_in_a_crash_is_undone_once_a_person_says_it_happened() {
    let mut rig = Rig::new();
    rig.workflow("w", &blocking(""));
    rig.start("w", "e1");
    rig.restart();
    assert!(child(&rig, "e1").is_none(), "unknown schedules nothing");
    rig.pass(HALF_AN_HOUR);
    assert!(rig.sent.is_empty());
    decide(&mut rig, Verdict::Happened, "e1");
    let undo = child(&rig, "e1").expect("scheduled by the settlement");
    rig.pass(HALF_AN_HOUR);
    assert_eq!(command_sent(&rig), ["unblock 203.0.113.7"]);
    // The undo itself is lost the same way, and nothing is sent twice unasked.
    rig.restart();
    assert!(rig.sent.is_empty());
    assert_eq!(rig.status(&undo), Status::WaitingForInput);
    decide(&mut rig, Verdict::Again, &undo);
    assert_eq!(command_sent(&rig), ["unblock 203.0.113.7"]);
    rig.ok();
    assert_eq!(rig.status(&undo), Status::Completed);
}

#[test]
fn a_cancelled_run_whose_effect_happened_is_undone_all_the_same() {
    let mut rig = Rig::new();
    rig.workflow("w", &blocking(""));
    rig.start("w", "e1");
    let cancel = Command::Cancel { by: "bob".into(), reason: None };
    rig.commit(Commit { mailbox_add: vec![("e1".into(), cancel)], ..Commit::default() });
    assert_eq!(rig.status("e1"), Status::Cancelled);
    rig.ok();
    let undo = child(&rig, "e1").expect("scheduled after the end");
    rig.pass(HALF_AN_HOUR);
    assert_eq!(command_sent(&rig), ["unblock 203.0.113.7"]);
    rig.ok();
    assert_eq!(rig.status(&undo), Status::Completed);
}

#[test]
fn what_failed_or_was_never_sent_is_not_undone() {
    let mut rig = Rig::new();
    rig.workflow("w", &blocking(""));
    rig.start("w", "e1");
    rig.answer(Outcome::Answered(Err(Fault::new("ConnectorExecutionError", "exit code 1"))));
    rig.start("w", "e2");
    rig.answer(Outcome::NotSent(Fault::new("ConnectionRefused", "nobody listens")));
    assert!(child(&rig, "e1").is_none() && child(&rig, "e2").is_none());
    rig.pass(Duration::from_secs(86_400));
    assert!(rig.sent.is_empty());
}

#[test]
fn halt_never_touch_and_caps_hold_the_undo_and_a_shadow_sends_none() {
    let mut rig = Rig::new();
    rig.workflow("w", &blocking(""));
    rig.start("w", "e1");
    rig.ok();
    change(&mut rig, EnvelopeChange::Halt { space: "*".into(), reason: Some("incident 7".into()) });
    rig.pass(HALF_AN_HOUR);
    rig.restart();
    assert!(rig.sent.is_empty(), "held, also after a restart");
    change(&mut rig, EnvelopeChange::Lift { space: "*".into() });
    let limits = |rig: &mut Rig, text: &str| {
        let body = stdx::json::parse(text).unwrap();
        rig.commit(Commit { records: vec![record(Noun::Setting, SETTING, body)], ..Commit::default() });
    };
    assert_eq!(command_sent(&rig), ["unblock 203.0.113.7"]);
    rig.ok();
    limits(&mut rig, r#"{"caps":[{"action":"ssh.run","per_hour":0}]}"#);
    rig.start("w", "e2");
    assert!(rig.sent.is_empty());
    limits(&mut rig, r#"{"levels":{"w":"shadow"}}"#);
    rig.start("w", "e3");
    assert_eq!(rig.status("e3"), Status::Completed);
    assert!(child(&rig, "e3").is_none(), "what was not sent is not undone");
}

#[test]
fn a_person_prolongs_undoes_early_or_keeps() {
    let mut rig = Rig::new();
    rig.workflow("w", &blocking(""));
    let word = |rig: &mut Rig, run: &ExecutionId, command: Command| {
        rig.commit(Commit { mailbox_add: vec![(run.clone(), command)], ..Commit::default() });
    };
    rig.start("w", "e1");
    rig.ok();
    let undo = child(&rig, "e1").unwrap();
    let later = rig.now + Duration::from_secs(8 * 3600);
    word(&mut rig, &undo, Command::Undo { at: later, by: "bob".into() });
    rig.pass(Duration::from_secs(7 * 3600));
    rig.restart();
    assert!(rig.sent.is_empty(), "prolonged, also over a restart");
    let now = rig.now;
    word(&mut rig, &undo, Command::Undo { at: now, by: "bob".into() });
    assert_eq!(command_sent(&rig), ["unblock 203.0.113.7"]);
    // A second word finds nothing to do.
    word(&mut rig, &undo, Command::Undo { at: now, by: "bob".into() });
    rig.ok();
    assert_eq!(rig.status(&undo), Status::Completed);
    rig.start("w", "e2");
    rig.ok();
    let undo = child(&rig, "e2").unwrap();
    word(&mut rig, &undo, Command::Cancel { by: "bob".into(), reason: Some("still needed".into()) });
    assert_eq!(rig.status(&undo), Status::Cancelled);
    rig.pass(Duration::from_secs(86_400));
    assert!(rig.sent.is_empty());
}

#[test]
fn an_approval_of_the_effect_covers_its_undo_also_at_the_level_approval() {
    let mut rig = Rig::new();
    rig.workflow(
        "w",
        &blocking("  - { name: ok, type: waitForApproval, timeout: 4h, with: { message: \"Block?\" } }\n"),
    );
    let body = stdx::json::parse(r#"{"level":"approval"}"#).unwrap();
    rig.commit(Commit { records: vec![record(Noun::Setting, SETTING, body)], ..Commit::default() });
    rig.start("w", "e1");
    decide(&mut rig, Verdict::Approve, "e1");
    rig.ok();
    let undo = child(&rig, "e1").unwrap();
    rig.pass(HALF_AN_HOUR);
    assert_eq!(command_sent(&rig), ["unblock 203.0.113.7"], "nobody is asked twice about the same bytes");
    assert!(rig.sent[0].call.approved_by.is_some());
    rig.ok();
    assert_eq!(rig.status(&undo), Status::Completed);
}
