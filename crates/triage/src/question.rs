//! A row of the approvals inbox: a question that guards frozen actions, or a settlement of an unknown outcome.
//!
//! Invariants: the hash covers exactly the frozen actions that are shown; the first decision that completes the row wins; what
//! ran under a question is byte for byte what the hash covers.
//! Source: `design/engine.md` §2.2, §8.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// What kind of row this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuestionKind {
    /// A workflow asks a person (`waitForApproval`), guarding destructive steps.
    Question,
    /// A destructive attempt ended with an unknown outcome: *happened / run again / skip*.
    Settlement,
}

/// State of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuestionState {
    /// Waits for a person.
    Open,
    /// Approved.
    Approved,
    /// Rejected.
    Rejected,
    /// Settled (settlements only).
    Settled,
    /// Nobody answered in time.
    Expired,
    /// The run ended or was cancelled before an answer.
    Withdrawn,
    /// The target changed; asked anew under another id.
    Void,
}

/// One action exactly as it will run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenAction {
    /// Step path as text (`workflow::StepPath`'s display form): the one place this may run.
    pub path: Arc<str>,
    /// Step name as in the YAML.
    pub step: Arc<str>,
    /// Step type, for example `ssh.run`.
    pub operation: Arc<str>,
    /// Effect class as text: `read write destructive internal`.
    pub class: Arc<str>,
    /// Connector id, if any.
    pub connector: Option<Arc<str>>,
    /// Where it goes: host, account, host key, base URL …; compared again at the decision and before the first byte.
    pub target: Value,
    /// The rendered request.
    pub request: Value,
    /// Names of secrets that the transport will add.
    pub secrets: Vec<Arc<str>>,
    /// Declared retries of this action.
    pub retries: u32,
}

/// A row of the approvals inbox as it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Id of the row.
    pub id: Id,
    /// What kind.
    pub kind: QuestionKind,
    /// The run that asks.
    pub execution: Id,
    /// Its workflow's id and name.
    pub workflow: Id,
    /// Workflow name.
    pub workflow_name: Arc<str>,
    /// Space.
    pub space: Arc<str>,
    /// Path of the asking step (question) or of the attempt (settlement), as text.
    pub path: Arc<str>,
    /// Step name.
    pub step: Arc<str>,
    /// Rendered message of the step, or the sentence of the settlement.
    pub message: Arc<str>,
    /// Label of the yes button.
    pub approve_label: Arc<str>,
    /// Label of the no button.
    pub reject_label: Arc<str>,
    /// What will run, frozen.
    pub actions: Vec<FrozenAction>,
    /// What is shown as template only, *not bound*: (step, template text).
    pub unbound: Vec<(Arc<str>, Arc<str>)>,
    /// Lower-case hex SHA-256 over `frozen_hash(actions)`.
    pub hash: Arc<str>,
    /// When it was asked.
    pub asked_at: Time,
    /// When it expires; settlements never do.
    pub expires_at: Option<Time>,
    /// Alerts and cases it is about, for links.
    pub about: Value,
    /// Settlement only: attempt may still be running until then.
    pub running_until: Option<Time>,
}

/// A person's word on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Question: run it.
    Approve,
    /// Question: do not.
    Reject,
    /// Settlement: it did happen; the step completes.
    Happened,
    /// Settlement: send the same bytes again under the same key.
    Again,
    /// Settlement: the step fails as not run.
    Skip,
}

/// The hash a question carries: SHA-256 over the canonical JSON of its frozen actions.
pub fn frozen_hash(actions: &[FrozenAction]) -> String {
    stdx::id::sha256_hex(stdx::json::canonical(&stdx::json::to_value(actions)).as_bytes())
}
