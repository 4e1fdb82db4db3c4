//! Tests of the writer and the reads over it.
//!
//! Not here: the thread (`store::tests`), verification (`audit::tests`).

mod compat;
mod crash;
mod full;
mod groups;
mod slots;

use crate::*;
use stdx::{Id, Time, Value};
use triage::command::{RefusalKind, Request};
use triage::question::{QuestionState, frozen_hash};
use triage::{Actor, Command as Triage, Question, QuestionKind, Verdict};
use workflow::{
    Body, Call, Cause, Class, Command, Effect, EffectKey, Fact, FactKind, Hop, Mode, Outcome, Rendered, Role, Start,
    Status, StepPath, Summary, TimerChange, TimerId, Turn,
};

pub(crate) const T0: Time = Time(1_764_000_000_000_000);

pub(crate) fn at(seconds: i64) -> Time {
    T0 + stdx::Duration::from_secs(seconds)
}

pub(crate) fn json(text: &str) -> Value {
    stdx::json::parse(text).unwrap()
}

pub(crate) fn start(id: &str) -> Start {
    Start {
        execution: Id::from(id),
        root: Id::from(id),
        space: "default".into(),
        workflow: Id::from("w1"),
        version: 1,
        mode: Mode::Whole,
        dry: false,
        test: false,
        principal: "ana".into(),
        cause: Cause::Manual,
        depth: 0,
        visited: Vec::new(),
        inputs: Body::Null,
        event: Body::Null,
        metadata: Body::Null,
        at: T0,
        ..Start::default()
    }
}

pub(crate) fn path(step: &str) -> StepPath {
    StepPath(vec![Hop { name: step.into(), role: Role::Step, index: 0, pass: 0 }].into())
}

pub(crate) fn key(id: &str, step: &str) -> EffectKey {
    EffectKey { execution: Id::from(id), path: path(step), call: 0 }
}

pub(crate) fn fact(what: FactKind) -> Fact {
    Fact { at: T0, what }
}

pub(crate) fn turn(base: u64, facts: Vec<FactKind>, status: Status) -> Turn {
    Turn {
        base,
        facts: facts.into_iter().map(fact).collect(),
        summary: Summary { status, ..Summary::default() },
        ..Turn::default()
    }
}

pub(crate) fn started(id: &str) -> FactKind {
    FactKind::Started { start: Box::new(start(id)), name: "triage".into(), inputs: Body::Null, deadline: None }
}

pub(crate) fn ended() -> FactKind {
    FactKind::Ended { status: Status::Completed, output: Body::Null, error: None, cancelled: None }
}

pub(crate) fn call(class: Class, lane: &str) -> Effect {
    Effect::Call(Box::new(Call {
        operation: "http".into(),
        connector: None,
        target: Value::Null,
        params: Rendered::plain(json(r#"{"url":"http://127.0.0.1:1/x"}"#)),
        class,
        lane: lane.into(),
        deadline: None,
        bytes_max: 1024,
        approved_by: None,
        undo: None,
    }))
}

pub(crate) fn asked(id: &str, step: &str, class: Class) -> FactKind {
    let request = Box::new(call(class, "http:a:1"));
    FactKind::Asked {
        key: key(id, step),
        class,
        request,
        deadline: None,
        memo: Body::Null,
        closes: true,
        kind: "http".into(),
        input: Body::Null,
    }
}

pub(crate) fn answered(id: &str, step: &str) -> FactKind {
    FactKind::Answered {
        key: key(id, step),
        attempt: 1,
        outcome: Outcome::Answered(Ok(Body::from(json(r#"{"status":200}"#)))),
    }
}

pub(crate) fn turn_commit(id: &str, turn: Turn) -> Commit {
    let guard = Guard::Turn { execution: Id::from(id), base: turn.base, epoch: 1 };
    Commit {
        now: T0,
        guards: smallvec::smallvec![guard],
        turn: Some((Id::from(id), std::sync::Arc::new(turn))),
        ..Commit::default()
    }
}

pub(crate) fn request(command: Triage) -> Request {
    Request { space: "default".into(), by: Actor::person("ana", "api"), key: None, command }
}

pub(crate) fn command(now: Time, command: Triage) -> Commit {
    Commit { now, commands: vec![request(command)], ..Commit::default() }
}

pub(crate) fn case_body(title: &str) -> Value {
    let mut v = json(
        r#"{"title":"","description":"d","tags":["a"],"owner":"securitySolution","settings":{"syncAlerts":true},
            "connector":{"id":"none","name":"none","type":".none","fields":null}}"#,
    );
    v.object_mut().unwrap().insert("title", title);
    v
}

pub(crate) fn create(w: &mut Writer, id: &str) -> Value {
    let out = w.apply_one(command(T0, Triage::CaseCreate { id: Id::from(id), body: case_body(id) })).unwrap();
    out.results[0].clone().unwrap()
}

pub(crate) fn raise(id: &str) -> Triage {
    let document = json(
        r#"{"@timestamp":"2025-11-24T16:00:00.000Z","kibana.alert.severity":"high","kibana.alert.risk_score":73,
            "kibana.alert.rule.uuid":"r1","kibana.alert.rule.name":"Rule","kibana.alert.reason":"because",
            "kibana.alert.workflow_status":"open","host":{"name":"h1"},"user":{"name":"u1"},"source":{"ip":"10.0.0.1"}}"#,
    );
    Triage::AlertRaise { id: Id::from(id), index: ".internal.alerts-security.alerts-default-000001".into(), document }
}

pub(crate) fn writer() -> Writer {
    Writer::memory().unwrap()
}

fn verified(w: &Writer) {
    let report = audit::verify::verify_connection(&w.reader().conn).unwrap();
    assert_eq!(report.broken, None, "{report}");
}

#[test]
fn a_run_in_three_commits() {
    let mut w = writer();
    let mut first = turn(0, vec![started("e1"), asked("e1", "look", Class::Write)], Status::Running);
    first.effects.push((key("e1", "look"), call(Class::Write, "http:a:1")));
    first.timers.push(TimerChange::Set { id: TimerId("t".into()), due: at(60), durable: true });
    let out = w.apply_one(turn_commit("e1", first)).unwrap();
    assert_eq!(out.number, 1);
    let outbox = w.reader().outbox_of("e1").unwrap();
    assert_eq!(outbox[0].key, key("e1", "look"));
    assert_eq!(w.reader().timer_due(at(60), 10).unwrap().len(), 1);
    let row = w.reader().execution_get("e1").unwrap().unwrap();
    assert_eq!((row.status, &*row.name, row.facts, row.class), (Status::Running, "triage", 2, Class::None));
    assert_eq!(w.reader().execution_running("", 10).unwrap().len(), 1);

    let mut second = turn(2, vec![answered("e1", "look"), ended()], Status::Completed);
    second.done.push(key("e1", "look"));
    w.apply_one(turn_commit("e1", second)).unwrap();
    assert!(w.reader().outbox_of("e1").unwrap().is_empty());
    assert!(w.reader().timers_of("e1").unwrap().is_empty(), "the end clears timers");
    assert!(w.reader().execution_running("", 10).unwrap().is_empty());
    let journal = w.reader().journal_read("e1", 0).unwrap();
    assert_eq!(journal.iter().map(|r| (r.base, r.facts.len())).collect::<Vec<_>>(), [(0, 2), (2, 2)]);
    assert_eq!(journal[0].facts[0].what, started("e1"));
    let actions: Vec<_> = w.reader().audit_list(&AuditFilter { limit: 10, ..Default::default() }).unwrap();
    let actions: Vec<_> = actions.iter().rev().map(|a| a.action.to_string()).collect();
    assert_eq!(actions, ["execution.start", "effect.ask", "execution.end"]);
    verified(&w);
}

#[test]
fn guards_take_a_commit_out() {
    let mut w = writer();
    w.apply_one(turn_commit("e1", turn(0, vec![started("e1")], Status::Running))).unwrap();
    let again = w.apply_one(turn_commit("e1", turn(0, vec![started("e1")], Status::Running))).unwrap_err();
    assert!(matches!(again, Error::Guard { guard: "turn", .. }), "{again}");
    let mut old = turn_commit("e1", turn(1, vec![ended()], Status::Completed));
    w.epoch_raise(partition_of("e1")).unwrap();
    let e = w.apply_one(old.clone()).unwrap_err();
    assert!(matches!(e, Error::Guard { guard: "epoch", .. }), "{e}");
    old.guards = smallvec::smallvec![Guard::Turn { execution: Id::from("e1"), base: 1, epoch: 2 }];
    w.apply_one(old).unwrap();
    let follower = |from: u64, to: u64| Commit {
        now: T0,
        guards: smallvec::smallvec![Guard::Follower {
            id: "detector".into(),
            from: LogPosition { lineage: "l".into(), number: from }
        }],
        position: Some(("detector".into(), LogPosition { lineage: "l".into(), number: to })),
        ..Commit::default()
    };
    w.apply_one(follower(0, 5)).unwrap();
    assert!(matches!(w.apply_one(follower(0, 5)), Err(Error::Guard { guard: "follower", .. })));
    w.apply_one(follower(5, 9)).unwrap();
    assert_eq!(w.reader().follower_get("detector").unwrap().number, 9);
}

#[test]
fn internal_effect_answers_in_the_same_row() {
    let mut w = writer();
    let body = case_body("from a run");
    let mut t = turn(0, vec![started("e1")], Status::Running);
    t.effects.push((key("e1", "open"), Effect::Internal(Box::new(Triage::CaseCreate { id: Id::from("c1"), body }))));
    let out = w.apply_one(turn_commit("e1", t)).unwrap();
    let Some(Fact { what: FactKind::Answered { outcome: Outcome::Answered(Ok(Body::Inline(case))), .. }, .. }) =
        &out.answered
    else {
        panic!("{:?}", out.answered)
    };
    assert_eq!(case.get("title").and_then(Value::as_str), Some("from a run"));
    let journal = w.reader().journal_read("e1", 0).unwrap();
    assert_eq!(journal[0].facts.len(), 2);
    assert_eq!(Some(&journal[0].facts[1]), out.answered.as_ref());
    assert_eq!(w.reader().execution_get("e1").unwrap().unwrap().facts, 2);
    assert_eq!(w.reader().case_get("default", "c1").unwrap().unwrap().created.by.user.as_ref(), "ana");
    assert_eq!(w.reader().execution_cases("e1").unwrap(), [Id::from("c1")]);

    let missing = Triage::CaseTags { case: Id::from("nope"), add: vec!["x".into()] };
    let mut t = turn(2, vec![], Status::Running);
    t.effects.push((key("e1", "tag"), Effect::Internal(Box::new(missing))));
    let out = w.apply_one(turn_commit("e1", t)).unwrap();
    let Some(FactKind::Answered { outcome: Outcome::Answered(Err(fault)), .. }) = out.answered.map(|f| f.what) else {
        panic!()
    };
    assert_eq!(&*fault.message, "Saved object [cases/nope] not found");
    assert_eq!(fault.details.get("status"), Some(&Value::Int(404)));
    verified(&w);
}

#[test]
fn large_answers_become_payloads() {
    let mut w = writer();
    let mut body = case_body("large");
    body.object_mut().unwrap().insert("description", "x".repeat(20_000));
    let mut t = turn(0, vec![started("e1")], Status::Running);
    t.effects.push((key("e1", "open"), Effect::Internal(Box::new(Triage::CaseCreate { id: Id::from("c1"), body }))));
    let out = w.apply_one(turn_commit("e1", t)).unwrap();
    let Some(FactKind::Answered { outcome: Outcome::Answered(Ok(Body::Payload(n))), .. }) =
        out.answered.map(|f| f.what)
    else {
        panic!()
    };
    assert_eq!(out.payload.unwrap().0, n);
    let value = w.reader().payload_get("e1", n).unwrap().unwrap();
    assert_eq!(value.get("id").and_then(Value::as_str), Some("c1"));
    verified(&w);
}

#[test]
fn disabled_principal_is_stopped() {
    let mut w = writer();
    let user = |enabled: bool| Commit {
        now: T0,
        records: vec![RecordChange {
            noun: Noun::User,
            space: "*".into(),
            id: Id::from("ana"),
            expect: None,
            body: Some(Value::object([("enabled", Value::from(enabled))])),
            by: Actor::system(),
            action: "user.update".into(),
        }],
        ..Commit::default()
    };
    w.apply_one(user(false)).unwrap();
    let mut t = turn(0, vec![started("e1")], Status::Running);
    t.effects.push((
        key("e1", "open"),
        Effect::Internal(Box::new(Triage::CaseCreate { id: Id::from("c1"), body: case_body("x") })),
    ));
    let out = w.apply_one(turn_commit("e1", t)).unwrap();
    let Some(FactKind::Answered { outcome: Outcome::Answered(Err(fault)), .. }) = out.answered.map(|f| f.what) else {
        panic!()
    };
    assert_eq!(fault.details.get("status"), Some(&Value::Int(403)));
    assert_eq!(w.reader().case_get("default", "c1").unwrap(), None);
}

#[test]
fn starts_and_mail() {
    let mut w = writer();
    let alerts = vec![request(raise("a1")), request(raise("a1"))];
    let begin = |e: &str, i: usize| {
        let mut s = start(e);
        s.cause = Cause::Alert { rule: Id::from("r1"), action: "act".into(), alerts: vec![Id::from("a1")] };
        NewStart { start: Box::new(s), if_inserted: Some(i) }
    };
    let commit = Commit {
        now: T0,
        commands: alerts,
        independent: true,
        starts: vec![begin("e1", 0), begin("e2", 1)],
        ..Commit::default()
    };
    let out = w.apply_one(commit).unwrap();
    assert_eq!(out.woken, [Id::from("e1")], "the second raise inserted nothing, so nothing starts");
    assert_eq!(w.reader().execution_get("e2").unwrap(), None);
    assert_eq!(w.reader().alert_executions("a1").unwrap(), [Id::from("e1")]);
    let mail = w.reader().mailbox_read("e1").unwrap();
    assert!(matches!(mail[..], [MailRow { n: 1, command: Command::Start(_), .. }]), "{mail:?}");
    assert_eq!(w.reader().execution_get("e1").unwrap().unwrap().status, Status::Pending);
    let mut c = turn_commit("e1", turn(0, vec![started("e1")], Status::Running));
    c.mailbox_done.push((Id::from("e1"), 1));
    w.apply_one(c).unwrap();
    let cancel = Command::Cancel { by: "ana".into(), reason: None };
    let c = Commit { now: T0, mailbox_add: vec![(Id::from("e1"), cancel.clone())], ..Commit::default() };
    assert_eq!(w.apply_one(c.clone()).unwrap().woken, [Id::from("e1")]);
    let mail = w.reader().mailbox_read("e1").unwrap();
    assert_eq!((mail.len(), mail[0].n, &mail[0].command), (1, 2, &cancel), "numbers are not used twice");
    let mut c2 = turn_commit("e1", turn(1, vec![ended()], Status::Cancelled));
    c2.mailbox_done.push((Id::from("e1"), 2));
    w.apply_one(c2).unwrap();
    assert!(w.apply_one(c).unwrap().woken.is_empty(), "an ended run gets no mail");
    assert!(w.reader().mailbox_waiting("", 10).unwrap().is_empty());
}

pub(crate) fn question(id: &str, kind: QuestionKind) -> Question {
    Question {
        id: Id::from(id),
        kind,
        execution: Id::from("e1"),
        workflow: Id::from("w1"),
        workflow_name: "triage".into(),
        space: "default".into(),
        path: match kind {
            QuestionKind::Question | QuestionKind::Input => "ask".into(),
            QuestionKind::Settlement => key("e1", "isolate").to_string().into(),
        },
        step: "ask".into(),
        message: "Isolate h1?".into(),
        approve_label: "Approve".into(),
        reject_label: "Reject".into(),
        actions: Vec::new(),
        unbound: Vec::new(),
        hash: frozen_hash(&[]).into(),
        asked_at: T0,
        expires_at: (kind == QuestionKind::Question).then(|| at(600)),
        about: json(r#"{"cases":["c1"]}"#),
        running_until: None,
        schema: Value::Null,
        policy: triage::question::Policy::default(),
    }
}

fn ask(w: &mut Writer, kind: QuestionKind) {
    let mut t = turn(0, vec![started("e1")], Status::WaitingForInput);
    t.effects.push((key("e1", "ask"), Effect::Internal(Box::new(Triage::QuestionAsk(Box::new(question("q1", kind)))))));
    w.apply_one(turn_commit("e1", t)).unwrap();
}

fn decide(verdict: Verdict, hash: Option<&str>) -> Triage {
    Triage::QuestionDecide {
        id: Id::from("q1"),
        verdict,
        hash: hash.map(Into::into),
        comment: Some("ok".into()),
        output: None,
        signature: None,
    }
}

#[test]
fn first_decision_wins() {
    let mut w = writer();
    ask(&mut w, QuestionKind::Question);
    let hash = frozen_hash(&[]);
    let refused = |w: &mut Writer, c: Triage, now: Time, kind: RefusalKind| match w.apply_one(command(now, c)) {
        Err(Error::Refused { refusal, .. }) => assert_eq!(refusal.kind, kind, "{refusal}"),
        other => panic!("{other:?}"),
    };
    refused(&mut w, decide(Verdict::Approve, None), at(1), RefusalKind::Invalid);
    refused(&mut w, decide(Verdict::Approve, Some("other")), at(1), RefusalKind::Conflict);
    refused(&mut w, decide(Verdict::Skip, Some(&hash)), at(1), RefusalKind::Invalid);
    refused(&mut w, decide(Verdict::Approve, Some(&hash)), at(600), RefusalKind::Conflict);
    // Both in one group: the first in the queue wins.
    let both =
        vec![command(at(2), decide(Verdict::Approve, Some(&hash))), command(at(2), decide(Verdict::Reject, None))];
    let results = w.apply(both);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Error::Refused { refusal, .. }) if refusal.kind == RefusalKind::Conflict));
    let mail = w.reader().mailbox_read("e1").unwrap();
    let [MailRow { command: Command::Decided(d), .. }] = &mail[..] else { panic!("{mail:?}") };
    assert_eq!((d.verdict, &*d.by, d.comment.as_deref()), (workflow::DecisionVerdict::Approved, "ana", Some("ok")));
    let mut expiring = turn(2, vec![], Status::Running);
    expiring.close.push((Id::from("q1"), QuestionState::Expired));
    let e = w.apply_one(turn_commit("e1", expiring)).unwrap_err();
    assert!(matches!(e, Error::Guard { guard: "question", .. }), "an answer is not overruled by the timer: {e}");
    let mut cancelled = turn(2, vec![ended()], Status::Cancelled);
    cancelled.close.push((Id::from("q1"), QuestionState::Withdrawn));
    w.apply_one(turn_commit("e1", cancelled)).unwrap();
    assert_eq!(w.reader().question_get("q1").unwrap().unwrap().state, QuestionState::Approved);
    verified(&w);
}

#[test]
fn settlement_outlives_its_run() {
    let mut w = writer();
    ask(&mut w, QuestionKind::Settlement);
    w.apply_one(turn_commit("e1", turn(2, vec![ended()], Status::Cancelled))).unwrap();
    let hash = frozen_hash(&[]);
    w.apply_one(command(at(9), decide(Verdict::Happened, Some(&hash)))).unwrap();
    let mail = w.reader().mailbox_read("e1").unwrap();
    let [MailRow { command: Command::Settled { key: k, verdict, by }, n, .. }] = &mail[..] else { panic!("{mail:?}") };
    assert_eq!((k, &**by), (&key("e1", "isolate"), "ana"));
    assert!(matches!(verdict, workflow::Settlement::Happened { .. }));
    let settled = FactKind::Settled { key: k.clone(), verdict: verdict.clone(), by: by.clone() };
    let mut c = turn_commit("e1", turn(3, vec![settled], Status::Cancelled));
    c.mailbox_done.push((Id::from("e1"), *n));
    w.apply_one(c).unwrap();
    let late = turn_commit("e1", turn(4, vec![asked("e1", "more", Class::Read)], Status::Running));
    assert!(matches!(w.apply_one(late), Err(Error::Guard { guard: "ended", .. })));
    assert_eq!(w.reader().execution_get("e1").unwrap().unwrap().status, Status::Cancelled);
}

#[test]
fn all_or_nothing_and_independent() {
    let mut w = writer();
    let two = vec![
        request(Triage::CaseCreate { id: Id::from("c1"), body: case_body("one") }),
        request(Triage::CaseTags { case: Id::from("none"), add: vec!["t".into()] }),
    ];
    let whole = Commit { now: T0, commands: two, ..Commit::default() };
    let e = w.apply_one(whole.clone()).unwrap_err();
    assert!(matches!(e, Error::Refused { index: 1, .. }), "{e}");
    assert_eq!(w.reader().case_get("default", "c1").unwrap(), None);
    let out = w.apply_one(Commit { independent: true, ..whole }).unwrap();
    assert!(out.results[0].is_ok() && out.results[1].is_err());
    assert_eq!(w.reader().case_get("default", "c1").unwrap().unwrap().number, 1, "the refused commit used no number");
    verified(&w);
}

#[test]
fn same_key_gives_the_first_answer() {
    let mut w = writer();
    let commit = |title: &str, id: &str| Commit {
        guards: smallvec::smallvec![Guard::Request { space: "default".into(), key: "ana k1".into(), execution: None }],
        ..command(T0, Triage::CaseCreate { id: Id::from(id), body: case_body(title) })
    };
    let first = w.apply_one(commit("one", "c1")).unwrap();
    let again = w.apply_one(commit("two", "c2")).unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(first.results, again.results);
    assert_eq!(w.reader().case_get("default", "c2").unwrap(), None);
    w.upkeep(at(23 * 3600)).unwrap();
    assert!(w.apply_one(commit("three", "c3")).unwrap().replayed);
    w.upkeep(at(25 * 3600)).unwrap();
    assert!(!w.apply_one(commit("four", "c4")).unwrap().replayed);
}

#[test]
fn records_have_versions_and_history() {
    let mut w = writer();
    let change = |expect, body: Option<&str>| Commit {
        now: T0,
        records: vec![RecordChange {
            noun: Noun::Workflow,
            space: "default".into(),
            id: Id::from("w1"),
            expect,
            body: body.map(|b| Value::object([("yaml", Value::from(b)), ("secret", Value::from("s3cret-s3cret"))])),
            by: Actor::person("ana", "api"),
            action: "workflow.save".into(),
        }],
        ..Commit::default()
    };
    assert_eq!(w.apply_one(change(Some(0), Some("a"))).unwrap().records, [Ok(1)]);
    assert!(
        matches!(w.apply_one(change(Some(0), Some("b"))), Err(Error::Refused { refusal, .. }) if refusal.kind == RefusalKind::Conflict)
    );
    let results = w.apply(vec![change(Some(1), Some("b")), change(None, Some("c")), change(Some(2), Some("d"))]);
    assert!(results[0].is_ok() && results[1].is_ok() && results[2].is_err());
    let history = w.reader().record_history(Noun::Workflow, "default", "w1").unwrap();
    assert_eq!(
        history.iter().map(|v| v.version).collect::<Vec<_>>(),
        [3, 2, 1],
        "versions inside one group are kept too"
    );
    let text = format!("{:?}", w.reader().audit_list(&AuditFilter { limit: 99, ..Default::default() }).unwrap());
    assert!(!text.contains("s3cret") && text.contains("yaml"), "the audit names members, not values: {text}");
    w.apply_one(change(Some(3), None)).unwrap();
    assert_eq!(w.reader().record_get(Noun::Workflow, "default", "w1").unwrap(), None);
    assert!(
        w.reader().record_version(Noun::Workflow, "default", "w1", 2).unwrap().is_some(),
        "runs still find their version"
    );
}

#[test]
fn summary_windows_collect() {
    let mut w = writer();
    let commit = |now: Time, alert: &str| Commit {
        now,
        commands: vec![request(raise(alert))],
        independent: true,
        summaries: vec![SummaryAdd {
            rule: Id::from("r1"),
            action: "act".into(),
            due: now + stdx::Duration::from_secs(1),
            template: Box::new(start("later")),
            alert: Id::from(alert),
            if_inserted: 0,
        }],
        ..Commit::default()
    };
    for (s, alert) in [(0, "a1"), (0, "a2"), (0, "a1")] {
        w.apply_one(commit(at(s), alert)).unwrap();
    }
    assert!(w.reader().summary_due(T0, 10).unwrap().is_empty());
    assert_eq!(w.reader().summary_next().unwrap(), Some(at(1)));
    let due = w.reader().summary_due(at(1), 10).unwrap();
    assert_eq!((due[0].window.count, due[0].window.alerts.len(), due[0].window.opened), (2, 2, T0));
    let close = Commit {
        now: at(1),
        summaries_done: vec![(Id::from("r1"), "act".into())],
        starts: vec![NewStart { start: Box::new(start("e9")), if_inserted: None }],
        ..Commit::default()
    };
    assert_eq!(w.apply_one(close).unwrap().woken, [Id::from("e9")]);
    assert!(w.reader().summary_due(at(9), 10).unwrap().is_empty());
}

#[test]
fn feed_has_no_gaps() {
    let mut w = writer();
    create(&mut w, "c1");
    w.apply_one(command(T0, raise("a1"))).unwrap();
    let close = Triage::AlertStatus { ids: vec![Id::from("a1")], status: "closed".into(), reason: None };
    let out = w.apply_one(command(T0, close)).unwrap();
    assert_eq!(out.feed[0].changed, json(r#"{"status":"closed","was":"open"}"#));
    w.apply_one(turn_commit("e1", turn(0, vec![started("e1"), asked("e1", "x", Class::Read)], Status::Running)))
        .unwrap();
    let progress = w.apply_one(turn_commit("e1", turn(2, vec![answered("e1", "x")], Status::Running))).unwrap();
    assert_eq!((progress.feed.len(), progress.feed[0].n), (1, 0), "progress is shown, not kept");
    w.apply_one(turn_commit("e1", turn(3, vec![ended()], Status::Completed))).unwrap();
    let feed = w.reader().feed_after(0, 100).unwrap();
    let list: Vec<_> = feed.iter().map(|f| (f.n, f.topic.to_string(), f.kind)).collect();
    use FeedKind::{Created, Updated};
    let expected =
        [("case", Created), ("alert", Created), ("alert", Updated), ("execution", Created), ("execution", Updated)];
    assert_eq!(
        list,
        expected.iter().enumerate().map(|(i, (t, k))| (i as u64 + 1, (*t).to_owned(), *k)).collect::<Vec<_>>()
    );
    assert_eq!(w.reader().feed_range().unwrap(), (1, 5));
}

#[test]
fn a_case_follows_the_papers() {
    let mut w = writer();
    w.apply_one(command(T0, raise("a1"))).unwrap();
    let case = create(&mut w, "c1");
    let version = case.get("version").and_then(Value::as_str).unwrap().to_owned();
    let attach = Triage::AlertsAttach {
        case: Id::from("c1"),
        id: Id::from("x1"),
        alerts: vec![json(r#"{"alertId":"a1","index":"i","rule":{"id":"r1","name":"R"}}"#)],
    };
    let out = w.apply_one(command(at(1), attach.clone())).unwrap().results.remove(0).unwrap();
    assert_eq!(out.get("totalAlerts"), Some(&Value::Int(1)));
    let again = w.apply_one(command(at(2), attach)).unwrap().results.remove(0).unwrap();
    assert_eq!(again.get("totalAlerts"), Some(&Value::Int(1)));
    let patch = |version: Option<&str>, status: &str| {
        let mut body = json(r#"{"id":"c1"}"#);
        let o = body.object_mut().unwrap();
        o.insert("status", status);
        if let Some(v) = version {
            o.insert("version", v);
        }
        Triage::CasePatch { body }
    };
    let e = w.apply_one(command(at(3), patch(Some(&version), "closed"))).unwrap_err();
    assert!(
        matches!(&e, Error::Refused { refusal, .. } if refusal.kind == RefusalKind::Conflict),
        "attaching changed the version"
    );
    let closed = w.apply_one(command(at(61), patch(None, "closed"))).unwrap().results.remove(0).unwrap();
    assert_eq!(closed.get("duration"), Some(&Value::Int(61)));
    let alert = w.reader().alert_get("default", "a1").unwrap().unwrap();
    assert_eq!((alert.status(), alert.case_ids().len()), ("closed", 1), "alerts follow the case");
    let v = closed.get("version").and_then(Value::as_str).unwrap().to_owned();
    let e = w.apply_one(command(at(62), patch(Some(&v), "closed"))).unwrap_err();
    assert!(matches!(&e, Error::Refused { refusal, .. } if refusal.kind == RefusalKind::Unchanged));
    let page = w.reader().case_find(&CaseFilter { space: "default".into(), limit: 20, ..Default::default() }).unwrap();
    assert_eq!((page.total, page.counts), (1, CaseCounts { open: 0, in_progress: 0, closed: 1 }));
    let (actions, total) =
        w.reader().user_action_list("c1", &ActionFilter { limit: 10, ..Default::default() }).unwrap();
    assert_eq!(total, 3);
    assert_eq!(actions.iter().map(|a| &*a.kind).collect::<Vec<_>>(), ["create_case", "comment", "status"]);
    assert_eq!(w.reader().timeline("default", "c1").unwrap().len(), 3);
    assert_eq!(w.reader().cases_of_alert("default", "a1").unwrap().len(), 1);
    w.apply_one(command(at(70), Triage::CaseDelete { ids: vec![Id::from("c1")] })).unwrap();
    assert!(w.reader().alert_get("default", "a1").unwrap().unwrap().case_ids().is_empty());
    assert!(w.reader().comment_list("c1").unwrap().is_empty());
    let next = create(&mut w, "c2");
    assert_eq!(next.get("incremental_id"), Some(&Value::Int(2)), "a number is not given twice");
    verified(&w);
}

#[test]
fn alert_lists_read_lifted_columns() {
    let mut w = writer();
    for i in 0..5 {
        w.apply_one(command(at(i), raise(&format!("a{i}")))).unwrap();
    }
    let assign = Triage::AlertAssignees { ids: vec![Id::from("a3")], add: vec!["u_bo".into()], remove: vec![] };
    w.apply_one(command(at(9), assign)).unwrap();
    let f = AlertFilter { space: "default".into(), assignee: Some("u_bo".into()), limit: 10, ..Default::default() };
    let rows = w.reader().alert_list(&f).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].severity, rows[0].risk, rows[0].host.as_deref()), ("high", 73.0, Some("h1")));
    assert_eq!(rows[0].version, 2);
    assert_eq!(w.reader().alert_count(&AlertFilter { space: "default".into(), ..Default::default() }).unwrap(), 5);
    assert_eq!(w.reader().alert_status_counts("default").unwrap(), [5, 0, 0]);
    assert_eq!(w.reader().alert_scan("default", 3, 10).unwrap().len(), 2);
}

#[test]
fn a_panic_takes_out_its_commit_alone() {
    let mut w = writer();
    // A command that reads what was not declared panics: a patch whose id is no text declares nothing.
    let odd = Commit { now: T0, mailbox_done: vec![], ..command(T0, Triage::CasePatch { body: json(r#"{"id":7}"#) }) };
    let results = w.apply(vec![odd, command(T0, Triage::CaseCreate { id: Id::from("c1"), body: case_body("x") })]);
    assert!(results[0].is_err());
    assert!(results[1].is_ok());
}

#[test]
fn a_store_in_threads() {
    let store = Store::open_memory().unwrap();
    let dir = store.dir().to_owned();
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let store = store.clone();
            std::thread::spawn(move || {
                for i in 0..50 {
                    let id = format!("{t}-{i}");
                    store
                        .commit_blocking(command(
                            T0,
                            Triage::CaseCreate { id: Id::from(id.as_str()), body: case_body("x") },
                        ))
                        .unwrap();
                    assert!(
                        store.read(|r| r.case_get("default", &id)).unwrap().is_some(),
                        "acknowledged means readable"
                    );
                }
            })
        })
        .collect();
    for t in threads {
        t.join().unwrap();
    }
    let page =
        store.read(|r| r.case_find(&CaseFilter { space: "default".into(), limit: 1, ..Default::default() })).unwrap();
    assert_eq!(page.total, 200);
    assert!(verify(&dir).unwrap().broken.is_none());
    assert!(matches!(Store::open(&dir, &Options::default()), Err(Error::Locked { .. })));
    drop(store);
    assert!(!dir.exists());
}
