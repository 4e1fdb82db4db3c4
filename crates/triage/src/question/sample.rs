//! The question that tests of this module ask.
//!
//! Invariants: the same id, run and texts everywhere; a test says only what it is about.
//! Not here: who may answer (each test's own people).

use super::policy::Policy;
use super::{FrozenAction, Question, QuestionKind, frozen_hash};
use stdx::{Id, Time, Value};

/// A question `q` of the run `e` that guards `actions`.
pub(super) fn question(policy: Policy, actions: Vec<FrozenAction>, expires_at: Option<Time>) -> Question {
    Question {
        id: Id::from("q"),
        kind: QuestionKind::Question,
        execution: Id::from("e"),
        workflow: Id::from("w"),
        workflow_name: "w".into(),
        space: "default".into(),
        path: "ask".into(),
        step: "ask".into(),
        message: "go on?".into(),
        approve_label: "yes".into(),
        reject_label: "no".into(),
        hash: frozen_hash(&actions).into(),
        actions,
        unbound: vec![],
        asked_at: Time(0),
        expires_at,
        about: Value::Null,
        running_until: None,
        schema: Value::Null,
        policy,
    }
}
