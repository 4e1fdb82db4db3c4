//! Who does something: a person, a key, or a run on a person's behalf.
//!
//! Invariants: every change names an actor; a run's changes carry its principal and the run.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::Id;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// User name; the principal where a run acts.
    pub user: Arc<str>,
    /// How it came in: `ui`, `api`, `cli`, `workflow`, `system`, `slack`.
    pub channel: Arc<str>,
    /// The execution that acts, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Id>,
    /// The step of that execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Arc<str>>,
}

impl Actor {
    /// The product itself.
    pub fn system() -> Self {
        Self { user: "system".into(), channel: "system".into(), execution: None, step: None }
    }
    /// A person through `channel`.
    pub fn person(user: &str, channel: &str) -> Self {
        Self { user: user.into(), channel: channel.into(), execution: None, step: None }
    }
}

/// The `user` object of Kibana's API: `{username, full_name, email, profile_uid}`.
pub fn user_object(actor: &Actor) -> stdx::Value {
    use stdx::Value;
    Value::object([
        ("username", Value::from(actor.user.clone())),
        ("full_name", Value::Null),
        ("email", Value::Null),
        ("profile_uid", Value::from(profile_uid(&actor.user))),
    ])
}

/// The profile uid of a user name: `u_` and the name.
pub fn profile_uid(user: &str) -> String {
    format!("u_{user}")
}
