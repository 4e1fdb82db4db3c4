//! User actions: the change log of a case as Kibana's API shows it.
//!
//! Invariants: append-only; numbers grow within their case; at most `ACTIONS_MAX` per case.
//! Source: `reference/kibana-apis.md` §2.13.

use crate::actor::{Actor, user_object};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// Most user actions of one case.
pub const ACTIONS_MAX: u64 = 10_000;

/// One change of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserAction {
    /// Id.
    pub id: Id,
    /// Case.
    pub case: Id,
    /// Space of the case.
    pub space: Arc<str>,
    /// Number within the case, from 1.
    pub n: u64,
    /// `create_case`, `title`, `status`, `comment` …
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// `create`, `update`, `delete`, `add`, `push_to_service`.
    pub action: Arc<str>,
    /// What changed, in Kibana's shape.
    pub payload: Value,
    /// Value before the change, where one was; ours, not Kibana's.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// Owner of the case.
    pub owner: Arc<str>,
    /// Comment it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Id>,
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Time,
}

impl UserAction {
    /// The wire object of `user_actions/_find`.
    pub fn to_api(&self) -> Value {
        Value::object([
            ("id", Value::from(self.id.clone())),
            ("version", Value::from(crate::version_text(1))),
            ("type", Value::from(self.kind.clone())),
            ("action", Value::from(self.action.clone())),
            ("payload", self.payload.clone()),
            ("owner", Value::from(self.owner.clone())),
            ("created_at", Value::from(self.at.iso())),
            ("created_by", user_object(&self.by)),
            ("comment_id", Value::from(self.comment.clone())),
        ])
    }
}
