//! Alert and case life cycles, observables, approvals, settlements: pure transitions.
//!
//! Invariants: a transition reads only what it declared and what was loaded; the same inputs give the same rows; no clock, no storage, no HTTP.
//! Not here: SQL (`store`), wire shapes (`api`), who may call (`api`, checked again by `store` at each internal effect).

pub mod actor;
pub mod command;
pub mod question;

pub use actor::Actor;
pub use command::{Command, Refusal, RefusalKind};
pub use question::{FrozenAction, Question, QuestionKind, Verdict};

/// The id of an execution; UUIDv7 when a person started it, else UUIDv8.
pub type ExecutionId = stdx::Id;
/// The id of an alert: `kibana.alert.uuid`, SHA-256 hex.
pub type AlertId = stdx::Id;
/// The id of a case: UUID.
pub type CaseId = stdx::Id;
/// The id of a row of the approvals inbox: UUID.
pub type QuestionId = stdx::Id;
