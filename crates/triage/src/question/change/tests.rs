//! Changed parameters over rows in memory.

use super::*;
use crate::command::{Command, Request};
use crate::question::{FrozenAction, Person, Policy, Verdict};
use crate::{apply, audits, reads};

fn json(text: &str) -> Value {
    stdx::json::parse(text).unwrap()
}

fn action(step: &str, request: &str) -> FrozenAction {
    FrozenAction {
        path: step.into(),
        step: step.into(),
        operation: "ssh.run".into(),
        class: "destructive".into(),
        connector: Some("c1".into()),
        target: json(r#"{"host":"h1"}"#),
        request: json(request),
        secrets: vec!["key".into()],
        retries: 0,
        undo: None,
    }
}

struct Desk {
    rows: Rows,
    last: Option<Request>,
}

impl Desk {
    fn new(policy: Policy) -> Self {
        let actions = vec![action("one", r#"{"command":"a"}"#), action("two", r#"{"command":"[secret:key] b"}"#)];
        let question = crate::question::sample::question(policy, actions, Some(Time(100)));
        let mut rows = Rows::default();
        rows.questions.load(Id::from("q"), None);
        for name in ["ann", "bob", "cid"] {
            rows.people.insert(name.into(), Some(Person { enabled: true, roles: vec!["lead".into()] }));
        }
        let mut desk = Self { rows, last: None };
        desk.send("system", 0, Command::QuestionAsk(Box::new(question))).unwrap();
        desk
    }
    fn send(&mut self, user: &str, at: i64, command: Command) -> Result<Value, RefusalKind> {
        let request = Request { space: "default".into(), by: Actor::person(user, "api"), key: None, command };
        for round in 0..crate::ROUNDS {
            for key in reads(&request, &self.rows, round) {
                if let (false, crate::Key::Person(name)) = (self.rows.known(&key), &key) {
                    self.rows.people.insert(name.clone(), None);
                }
            }
        }
        self.last = Some(request.clone());
        apply(&mut self.rows, Time(at), &request).map_err(|r| r.kind)
    }
    fn change(&mut self, user: &str, hash: &str, actions: &[(u32, &str)]) -> Result<Value, RefusalKind> {
        let actions = actions.iter().map(|(i, r)| Changed { index: *i, request: json(r) }).collect();
        let command =
            Command::QuestionChange { id: Id::from("q"), hash: hash.into(), actions, comment: "softer".into() };
        self.send(user, 1, command)
    }
    fn approve(&mut self, user: &str, hash: &str) -> Result<QuestionState, RefusalKind> {
        let hash = Some(hash.into());
        let verdict = Verdict::Approve;
        let command =
            Command::QuestionDecide { id: Id::from("q"), verdict, hash, comment: None, output: None, signature: None };
        self.send(user, 1, command).map(|_| self.row().state)
    }
    fn row(&self) -> Arc<QuestionRow> {
        self.rows.questions.get(&Id::from("q")).unwrap().clone()
    }
    fn hash(&self) -> String {
        self.row().question.hash.to_string()
    }
}

#[test]
fn a_change_makes_a_new_hash_without_answers_and_approves_nothing() {
    let mut desk = Desk::new(Policy { quorum: 2, ..Policy::default() });
    let first = desk.hash();
    desk.approve("ann", &first).unwrap();
    desk.change("bob", &first, &[(1, r#"{"command":"soft"}"#)]).unwrap();
    let row = desk.row();
    assert_eq!((row.state, row.answers.len()), (QuestionState::Open, 0));
    assert_eq!(*row.question.hash, *frozen_hash(&row.question.actions));
    let before = row.remarks[0].before.as_ref().unwrap();
    assert_eq!((&*before.hash, before.answers.len(), before.actions[0].0), (&*first, 1, 1));
    assert_eq!(before.actions[0].1.request, json(r#"{"command":"a"}"#));
    let said = audits(desk.last.as_ref().unwrap(), &desk.rows);
    assert_eq!((said[0].0, said[0].2.get("hash")), ("approval.change", Some(&Value::from(desk.hash()))));
    // An answer to what was shown before is none to what is shown now.
    assert_eq!(desk.approve("ann", &first), Err(RefusalKind::Conflict));
    let now = desk.hash();
    assert_eq!(desk.approve("bob", &now), Ok(QuestionState::Open), "one of two");
    assert_eq!(desk.approve("cid", &now), Ok(QuestionState::Approved));
    assert_eq!(desk.change("bob", &now, &[(1, r#"{"command":"x"}"#)]), Err(RefusalKind::Conflict), "it is closed");
}

#[test]
fn whoever_changes_is_involved_where_nobody_involved_may_answer() {
    let mut desk = Desk::new(Policy { forbid_self: true, involved: vec!["ann".into()], ..Policy::default() });
    let hash = desk.hash();
    assert_eq!(desk.change("ann", &hash, &[(1, r#"{"command":"x"}"#)]), Err(RefusalKind::Forbidden));
    desk.change("bob", &hash, &[(1, r#"{"command":"x"}"#)]).unwrap();
    let hash = desk.hash();
    assert_eq!(desk.approve("bob", &hash), Err(RefusalKind::Forbidden), "it is his own now");
    let hand = |to: &str| Command::QuestionRemark {
        id: Id::from("q"),
        kind: RemarkKind::Delegate,
        to: Some(to.into()),
        text: None,
    };
    assert_eq!(desk.send("cid", 1, hand("bob")), Err(RefusalKind::Invalid), "nor by delegation");
    assert_eq!(desk.approve("cid", &hash), Ok(QuestionState::Approved));
}

#[test]
fn only_who_may_answer_may_change() {
    let mut desk = Desk::new(Policy { users: vec!["ann".into()], ..Policy::default() });
    let hash = desk.hash();
    assert_eq!(desk.change("bob", &hash, &[(1, r#"{"command":"x"}"#)]), Err(RefusalKind::Forbidden));
    assert!(desk.change("ann", &hash, &[(1, r#"{"command":"x"}"#)]).is_ok());
}

#[test]
fn what_cannot_be_changed_is_refused_and_nothing_is_changed() {
    let mut desk = Desk::new(Policy::default());
    let hash = desk.hash();
    let cases: &[(&[(u32, &str)], RefusalKind)] = &[
        (&[(2, r#"{"command":"b"}"#)], RefusalKind::Invalid),
        (&[(1, r#"{"command":"[secret:key]"}"#)], RefusalKind::Invalid),
        (&[(3, "{}")], RefusalKind::Invalid),
        (&[(0, "{}")], RefusalKind::Invalid),
        (&[(1, r#""text""#)], RefusalKind::Invalid),
        (&[(1, r#"{"command":"x"}"#), (1, r#"{"command":"y"}"#)], RefusalKind::Invalid),
        (&[(1, r#"{"command":"a"}"#)], RefusalKind::Unchanged),
        (&[], RefusalKind::Unchanged),
    ];
    for (actions, kind) in cases {
        assert_eq!(desk.change("bob", &hash, actions), Err(*kind), "{actions:?}");
    }
    let long = format!(r#"{{"command":"{}"}}"#, "x".repeat(CHANGED_BYTES_MAX));
    assert_eq!(desk.change("bob", &hash, &[(1, &long)]), Err(RefusalKind::Invalid));
    assert_eq!(desk.change("bob", "00", &[(1, r#"{"command":"x"}"#)]), Err(RefusalKind::Conflict));
    let (id, actions) = (Id::from("q"), vec![Changed { index: 1, request: json("{}") }]);
    let late = Command::QuestionChange { id, hash: hash.as_str().into(), actions, comment: "late".into() };
    assert_eq!(desk.send("bob", 100, late), Err(RefusalKind::Conflict), "it is expired");
    assert_eq!((desk.hash(), desk.row().remarks.len()), (hash, 0));
    let remark =
        Command::QuestionRemark { id: Id::from("q"), kind: RemarkKind::Change, to: None, text: Some("x".into()) };
    assert_eq!(desk.send("bob", 1, remark), Err(RefusalKind::Invalid), "a change is no remark");
}

#[test]
fn a_question_is_changed_only_so_often() {
    let mut desk = Desk::new(Policy::default());
    for n in 0..CHANGES_MAX {
        let hash = desk.hash();
        desk.change("bob", &hash, &[(1, &format!(r#"{{"command":"{n}"}}"#))]).unwrap();
    }
    let hash = desk.hash();
    assert_eq!(desk.change("bob", &hash, &[(1, r#"{"command":"x"}"#)]), Err(RefusalKind::Invalid));
}
