//! Alert and case life cycles, observables, approvals, settlements: pure transitions.
//!
//! Invariants: a transition reads only what it declared and what was loaded; the same inputs give the same rows; no clock, no storage, no HTTP.
//! Not here: SQL (`store`), wire shapes (`api`), who may call (`api`, checked again by `store` at each internal effect).

pub mod actor;
pub mod alert;
pub mod apply;
pub mod case;
pub mod check;
pub mod command;
pub mod comment;
pub mod observable;
pub mod push;
pub mod question;
pub mod rows;
#[cfg(test)]
mod tests;
pub mod user_action;

pub use actor::Actor;
pub use alert::Alert;
pub use apply::{ROUNDS, apply, audit, audits, reads};
pub use case::Case;
pub use command::{Command, Refusal, RefusalKind};
pub use comment::Attachment;
pub use question::{FrozenAction, Question, QuestionKind, QuestionRow, QuestionState, Verdict};
pub use rows::{Key, Rows};
pub use user_action::UserAction;

/// The id of an execution; UUIDv7 when a person started it, else UUIDv8.
pub type ExecutionId = stdx::Id;
/// The id of an alert: `kibana.alert.uuid`, SHA-256 hex.
pub type AlertId = stdx::Id;
/// The id of a case: UUID.
pub type CaseId = stdx::Id;
/// The id of a row of the approvals inbox: UUID.
pub type QuestionId = stdx::Id;

/// The opaque `version` that Kibana's API shows for row version `n`: base64 of `[n,1]`.
pub fn version_text(n: u64) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("[{n},1]"))
}

/// The row version of a `version` text; `None` when it is none.
pub fn version_number(text: &str) -> Option<u64> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix('[')?.strip_suffix(",1]")?.parse().ok()
}
