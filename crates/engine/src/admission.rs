//! Who comes into memory next when there is no room: workflows of all spaces take turns.
//!
//! Invariants: a run waits here at most once; runs that wait are rows of the store, so forgetting one costs only time.
//! Not here: the limit itself (`core::RUNS_LIVE_MAX`).

use crate::turns::{Share, Turns};
use std::collections::HashSet;
use workflow::ExecutionId;

/// Runs that were woken while memory was full.
#[derive(Debug, Default)]
pub struct Admission {
    waiting: Turns<Share, ExecutionId>,
    known: HashSet<ExecutionId>,
}

impl Admission {
    /// The run of this workflow waits for room.
    pub fn wait(&mut self, share: Share, execution: ExecutionId) {
        if self.known.insert(execution.clone()) {
            self.waiting.push(share, execution);
        }
    }

    /// The next one, now that there is room.
    pub fn next(&mut self) -> Option<ExecutionId> {
        let next = self.waiting.pop()?;
        self.known.remove(&next);
        Some(next)
    }

    /// Runs that wait.
    pub const fn len(&self) -> usize {
        self.waiting.len()
    }
}
