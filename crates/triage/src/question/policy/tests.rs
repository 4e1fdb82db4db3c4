//! Approvers, quorum, forbid-self, escalation, delegation over rows in memory.

use super::*;
use crate::command::{Command, Request};
use crate::question::{QuestionState, frozen_hash};
use crate::{apply, reads};
use stdx::{Id, Value};

struct Desk {
    rows: Rows,
    now: i64,
}

const PEOPLE: &[(&str, bool, &str)] = &[
    ("ann", true, "analyst"),
    ("bob", true, "lead"),
    ("cid", true, "lead"),
    ("dan", true, "ciso"),
    ("eve", false, "lead"),
];

impl Desk {
    fn new(policy: Policy) -> Self {
        let question = crate::question::sample::question(policy, vec![], None);
        let mut rows = Rows::default();
        rows.questions.load(Id::from("q"), None);
        let person = |enabled: bool, role: &str| Person { enabled, roles: vec![role.into()] };
        for (name, enabled, role) in PEOPLE {
            rows.people.insert((*name).into(), Some(person(*enabled, role)));
        }
        let mut desk = Self { rows, now: 0 };
        desk.ask_of("system", Command::QuestionAsk(Box::new(question))).unwrap();
        desk
    }

    fn ask_of(&mut self, user: &str, command: Command) -> Result<Value, Refusal> {
        let request = Request { space: "default".into(), by: Actor::person(user, "api"), key: None, command };
        for round in 0..crate::ROUNDS {
            for key in reads(&request, &self.rows, round) {
                if let (false, crate::Key::Person(name)) = (self.rows.known(&key), &key) {
                    self.rows.people.insert(name.clone(), None);
                }
            }
        }
        apply(&mut self.rows, Time(self.now * 1_000_000), &request)
    }

    fn say(&mut self, user: &str, verdict: Verdict) -> Result<QuestionState, RefusalKind> {
        let hash = Some(frozen_hash(&[]).into());
        let decide =
            Command::QuestionDecide { id: Id::from("q"), verdict, hash, comment: None, output: None, signature: None };
        self.ask_of(user, decide).map_err(|r| r.kind)?;
        Ok(self.row().state)
    }

    fn hand_on(&mut self, user: &str, to: &str) -> Result<Value, RefusalKind> {
        let remark =
            Command::QuestionRemark { id: Id::from("q"), kind: RemarkKind::Delegate, to: Some(to.into()), text: None };
        self.ask_of(user, remark).map_err(|r| r.kind)
    }

    fn row(&self) -> Arc<QuestionRow> {
        self.rows.questions.get(&Id::from("q")).unwrap().clone()
    }
}

fn leads(quorum: u32) -> Policy {
    Policy { roles: vec!["lead".into()], quorum, ..Policy::default() }
}

#[test]
fn a_quorum_needs_so_many_different_people_of_the_right_kind() {
    use RefusalKind::{Conflict, Forbidden};
    let mut desk = Desk::new(leads(2));
    assert_eq!(desk.say("ann", Verdict::Approve), Err(Forbidden));
    assert_eq!(desk.say("eve", Verdict::Approve), Err(Forbidden), "who is disabled answers nothing");
    assert_eq!(desk.say("bob", Verdict::Approve), Ok(QuestionState::Open));
    assert_eq!(desk.say("bob", Verdict::Approve), Err(Conflict), "one person is one voice");
    assert_eq!(desk.say("cid", Verdict::Approve), Ok(QuestionState::Approved));
    assert_eq!(desk.row().answers.len(), 2);
    assert_eq!(desk.say("cid", Verdict::Reject), Err(Conflict));
}

#[test]
fn one_rejection_is_enough() {
    let mut desk = Desk::new(leads(2));
    desk.say("bob", Verdict::Approve).unwrap();
    assert_eq!(desk.say("cid", Verdict::Reject), Ok(QuestionState::Rejected));
}

#[test]
fn whoever_has_lost_the_right_does_not_count_any_more() {
    let mut desk = Desk::new(leads(2));
    desk.say("bob", Verdict::Approve).unwrap();
    desk.rows.people.insert("bob".into(), Some(Person { enabled: true, roles: vec!["analyst".into()] }));
    assert_eq!(desk.say("cid", Verdict::Approve), Ok(QuestionState::Open), "bob is no lead any more");
    desk.rows.people.insert("bob".into(), Some(Person { enabled: true, roles: vec!["lead".into()] }));
    desk.rows.people.insert("fay".into(), Some(Person { enabled: true, roles: vec!["lead".into()] }));
    assert_eq!(desk.say("fay", Verdict::Approve), Ok(QuestionState::Approved));
}

#[test]
fn nobody_approves_their_own_doing() {
    let policy = Policy { forbid_self: true, involved: vec!["bob".into()], ..Policy::default() };
    let mut desk = Desk::new(policy);
    assert_eq!(desk.say("bob", Verdict::Approve), Err(RefusalKind::Forbidden));
    assert_eq!(desk.hand_on("cid", "bob"), Err(RefusalKind::Invalid));
    assert_eq!(desk.say("ann", Verdict::Approve), Ok(QuestionState::Approved));
}

#[test]
fn an_escalation_adds_people_when_its_time_has_come() {
    let tier = Tier { after_s: 3600, users: vec![], roles: vec!["ciso".into()] };
    let mut desk = Desk::new(Policy { tiers: vec![tier], ..leads(1) });
    desk.now = 3599;
    assert_eq!(desk.say("dan", Verdict::Approve), Err(RefusalKind::Forbidden));
    desk.now = 3600;
    assert_eq!(desk.say("dan", Verdict::Approve), Ok(QuestionState::Approved));
}

#[test]
fn only_who_may_answer_hands_on_and_only_to_somebody() {
    let mut desk = Desk::new(leads(1));
    assert_eq!(desk.hand_on("ann", "ann").unwrap_err(), RefusalKind::Forbidden);
    assert_eq!(desk.hand_on("bob", "nobody").unwrap_err(), RefusalKind::Invalid);
    desk.hand_on("bob", "ann").unwrap();
    let ask = Command::QuestionRemark {
        id: Id::from("q"),
        kind: RemarkKind::Ask,
        to: None,
        text: Some("which host?".into()),
    };
    desk.ask_of("ann", ask).unwrap();
    assert_eq!(desk.say("ann", Verdict::Approve), Ok(QuestionState::Approved));
    assert_eq!(desk.row().remarks.len(), 2, "the history stays");
}
