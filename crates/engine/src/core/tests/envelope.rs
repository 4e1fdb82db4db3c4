//! The containment envelope at `Begin`: halts, never-touch, caps, first one then wait, levels; and over restarts.

use super::{Rig, SPACE, record, ssh_step};
use crate::core::{HELD_LOOK_EVERY, calls::SHADOW};
use crate::envelope::{SETTING, first_byte};
use stdx::Duration;
use store::{AuditFilter, Commit, EnvelopeChange, Noun};
use workflow::{FactKind, Status};

fn change(rig: &mut Rig, change: EnvelopeChange) {
    rig.commit(Commit { envelope: vec![(triage::Actor::person("bob", "cli"), change)], ..Commit::default() });
}

fn halt(rig: &mut Rig) {
    change(rig, EnvelopeChange::Halt { space: "*".into(), reason: Some("incident 7".into()) });
}

fn lift(rig: &mut Rig) {
    change(rig, EnvelopeChange::Lift { space: "*".into() });
}

fn limits(rig: &mut Rig, text: &str) {
    let body = stdx::json::parse(text).unwrap();
    rig.commit(Commit { records: vec![record(Noun::Setting, SETTING, body)], ..Commit::default() });
}

fn held(rig: &Rig, execution: &str) -> Vec<String> {
    rig.facts(execution)
        .into_iter()
        .filter_map(|f| match f {
            FactKind::Held { why, .. } => Some(why.to_string()),
            _ => None,
        })
        .collect()
}

/// A loop over `n` hosts, one destructive command each.
fn over_hosts(n: usize) -> String {
    let list: Vec<String> = (0..n).map(|i| format!("\"h{i}\"")).collect();
    format!(
        "steps:\n  - name: each\n    type: foreach\n    foreach: [{}]\n    steps:\n      - name: contain\n        type: ssh.run\n        \
         connector-id: hosts\n        with: {{ command: \"isolate\", host: \"{{{{ foreach.item }}}}\" }}\n",
        list.join(",")
    )
}

#[test]
fn under_a_halt_nothing_destructive_starts_also_after_a_restart() {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}", ssh_step("contain")));
    halt(&mut rig);
    for n in 0..200 {
        rig.start("w", &format!("e{n:03}"));
    }
    assert!(rig.sent.is_empty());
    assert_eq!(held(&rig, "e000"), ["effects are halted: incident 7"]);
    rig.restart();
    rig.pass(HELD_LOOK_EVERY);
    rig.pass(HELD_LOOK_EVERY);
    assert!(rig.sent.is_empty(), "a halt outlives the process");
    assert_eq!(held(&rig, "e000").len(), 1, "the same reason is said once");
    assert_eq!(rig.core.load_figures().held, 200);
    lift(&mut rig);
    assert_eq!(rig.sent.len(), crate::lanes::IN_FLIGHT_MAX, "what was held goes on, as far as its lane has room");
    while !rig.sent.is_empty() {
        rig.ok();
    }
    assert!((0..200).all(|n| rig.status(&format!("e{n:03}")) == Status::Completed));
    assert_eq!(rig.core.load_figures(), crate::core::Load::default());
}

#[test]
fn a_halt_after_the_attempt_was_committed_stops_it_before_the_first_byte() {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}", ssh_step("contain")));
    rig.start("w", "e1");
    let call = rig.sent[0].call.clone();
    assert!(first_byte(&rig.store, SPACE, &call).is_ok());
    halt(&mut rig);
    assert_eq!(&*first_byte(&rig.store, SPACE, &call).unwrap_err().kind, "Halted");
    lift(&mut rig);
    assert!(first_byte(&rig.store, SPACE, &call).is_ok());
    let of = Some(("halt".into(), "*".into()));
    let entries = rig.store.read(|r| r.audit_list(&AuditFilter { of, limit: 10, ..AuditFilter::default() })).unwrap();
    let actions: Vec<_> = entries.iter().map(|e| (&*e.action, &*e.by.user)).collect();
    assert_eq!(actions, [("halt.lift", "bob"), ("halt.set", "bob")]);
}

#[test]
fn what_must_never_be_touched_is_not() {
    let mut rig = Rig::new();
    rig.workflow("w", &over_hosts(2));
    let entry = |value: &str| EnvelopeChange::NeverTouch {
        space: SPACE.into(),
        kind: "host".into(),
        value: value.into(),
        reason: Some("domain controller".into()),
    };
    change(&mut rig, entry("H0*"));
    rig.start("w", "e1");
    assert!(rig.sent.is_empty());
    assert_eq!(held(&rig, "e1"), ["`H0*` is on the never-touch list: domain controller"]);
    let gone = EnvelopeChange::MayTouch { space: SPACE.into(), kind: "host".into(), value: "H0*".into() };
    change(&mut rig, gone);
    assert_eq!(rig.sent.len(), 1);
}

#[test]
fn a_cap_holds_over_a_restart_and_ends_with_its_hour() {
    let mut rig = Rig::new();
    rig.workflow("w", &over_hosts(3));
    limits(&mut rig, r#"{"caps":[{"action":"ssh.run","per_hour":2}]}"#);
    rig.start("w", "e1");
    rig.ok();
    rig.pass(Duration::from_secs(60));
    rig.ok();
    assert!(rig.sent.is_empty());
    assert_eq!(held(&rig, "e1"), ["the cap of 2 `ssh.run` an hour in this space is reached"]);
    rig.restart();
    rig.pass(Duration::from_secs(600));
    assert!(rig.sent.is_empty(), "attempts before the restart count");
    rig.pass(Duration::from_secs(3600));
    assert_eq!(rig.sent.len(), 1);
    rig.ok();
    assert_eq!(rig.status("e1"), Status::Completed);
}

#[test]
fn a_cap_counts_what_is_about_to_begin() {
    let mut rig = Rig::new();
    limits(&mut rig, r#"{"caps":[{"action":"*","scope":"workflow","per_hour":3}]}"#);
    rig.workflow("w", &format!("steps:\n{}", ssh_step("contain")));
    rig.workflow("x", &format!("steps:\n{}", ssh_step("contain")));
    for n in 0..5 {
        rig.start("w", &format!("e{n}"));
    }
    assert_eq!(rig.sent.len(), 3);
    rig.start("x", "x1");
    assert_eq!(rig.sent.len(), 4, "another workflow has its own count");
}

#[test]
fn first_one_then_wait() {
    let mut rig = Rig::new();
    rig.workflow("w", &over_hosts(3));
    limits(&mut rig, r#"{"first_then_wait":[{"action":"ssh.run","wait_s":300}]}"#);
    rig.start("w", "e1");
    rig.ok();
    assert!(rig.sent.is_empty());
    assert!(held(&rig, "e1")[0].starts_with("first one, then wait"));
    rig.pass(Duration::from_secs(299));
    assert!(rig.sent.is_empty());
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.sent.len(), 1);
    rig.ok();
    rig.ok();
    assert_eq!(rig.status("e1"), Status::Completed);
}

#[test]
fn a_workflow_in_the_shadow_sends_nothing_and_leaves_a_record() {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}", ssh_step("contain")));
    limits(&mut rig, r#"{"levels":{"w":"shadow"}}"#);
    rig.start("w", "e1");
    assert!(rig.sent.is_empty());
    assert_eq!(rig.status("e1"), Status::Completed);
    let of = Some(("workflow".into(), "w".into()));
    let filter = AuditFilter { of, action: Some(SHADOW.into()), limit: 10, ..AuditFilter::default() };
    let entries = rig.store.read(|r| r.audit_list(&filter)).unwrap();
    assert_eq!(entries.len(), 1);
    let body = entries[0].body.clone().unwrap();
    assert_eq!(body.get("target").and_then(stdx::Value::as_str), Some("hosts h1 ir"));
    assert!(rig.store.read(|r| r.attempts_since(stdx::Time(0), 10)).unwrap().is_empty(), "nothing began");
}

#[test]
fn at_the_level_approval_every_destructive_step_asks() {
    let mut rig = Rig::new();
    rig.workflow("w", &format!("steps:\n{}", ssh_step("contain")));
    limits(&mut rig, r#"{"level":"approval"}"#);
    rig.start("w", "e1");
    assert!(rig.sent.is_empty());
    assert_eq!(rig.status("e1"), Status::WaitingForInput);
    limits(&mut rig, r#"{"level":"act"}"#);
    rig.start("w", "e2");
    assert_eq!(rig.sent.len(), 1, "without a level it runs as the YAML says");
}
