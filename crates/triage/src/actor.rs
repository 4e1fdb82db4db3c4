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
