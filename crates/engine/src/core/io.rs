//! What goes into the core and what it wants done.
//!
//! Invariants: plain data; nothing here is worked off.
//! Not here: working it off (`core`), doing it (`pump`, `perform`).

use std::sync::Arc;
use stdx::{Time, Value};
use store::{Commit, Committed};
use workflow::{Call, EffectKey, ExecutionId, Fault, Outcome, Start};

/// What happens to the core.
#[derive(Debug)]
pub enum Input {
    /// A start from API, CLI or page; `reply` is answered when `Started` is committed.
    Start {
        /// The start.
        start: Box<Start>,
        /// Who waits for the answer.
        reply: u64,
    },
    /// Rows for this run were inserted by somebody else's commit.
    Wake(ExecutionId),
    /// A commit came back.
    Committed {
        /// Which.
        ticket: u64,
        /// How.
        result: Result<Box<Committed>, store::Error>,
    },
    /// A call ended.
    Outcome {
        /// Which.
        key: EffectKey,
        /// n-th sending.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// A job that goes on without us left a handle.
    Detached {
        /// Which call.
        key: EffectKey,
        /// n-th sending.
        attempt: u32,
        /// Handle.
        handle: Value,
    },
    /// Look at the timers.
    Tick,
    /// Connectors or workflows changed.
    Reload {
        /// Space.
        space: Arc<str>,
    },
    /// Rows of the containment envelope changed: what was held back is looked at again.
    Envelope {
        /// Space; `*` is all.
        space: Arc<str>,
    },
}

/// What the core wants done.
#[derive(Debug)]
pub enum Output {
    /// Commit this and come back with the ticket.
    Commit {
        /// Ticket.
        ticket: u64,
        /// What.
        commit: Box<Commit>,
    },
    /// Perform this call and come back with its outcome.
    Perform {
        /// Key.
        key: EffectKey,
        /// n-th sending.
        attempt: u32,
        /// The frozen call.
        call: Arc<Call>,
        /// Run's space and principal.
        space: Arc<str>,
        /// On whose behalf.
        principal: Arc<str>,
        /// The first byte may leave until then (destructive).
        not_after: Option<Time>,
        /// Handle of a job that an earlier process began: go on there, send nothing anew.
        attach: Option<Value>,
    },
    /// Abort a read or write in flight; its late answer is dropped.
    Abort {
        /// Key.
        key: EffectKey,
    },
    /// Answer a start.
    Reply {
        /// Who waits.
        reply: u64,
        /// The answer.
        result: Result<ExecutionId, Fault>,
    },
    /// A run ended.
    Ended {
        /// Which.
        execution: ExecutionId,
    },
}
