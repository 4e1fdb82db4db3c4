//! Who comes into memory next when there is no room: spaces and workflows take turns.
//!
//! Invariants: a run waits here at most once; runs that wait are rows of the store, so forgetting one costs only time.
//! Not here: the limit itself (`core::RUNS_LIVE_MAX`).

use std::collections::{HashSet, VecDeque};
use workflow::ExecutionId;

/// Runs that were woken while memory was full.
#[derive(Debug, Default)]
pub struct Admission {
    waiting: VecDeque<ExecutionId>,
    known: HashSet<ExecutionId>,
}

impl Admission {
    /// The run waits for room.
    pub fn wait(&mut self, execution: ExecutionId) {
        if self.known.insert(execution.clone()) {
            self.waiting.push_back(execution);
        }
    }

    /// The next one, now that there is room.
    pub fn next(&mut self) -> Option<ExecutionId> {
        let next = self.waiting.pop_front()?;
        self.known.remove(&next);
        Some(next)
    }
}
