//! A bell: threads sleep on it until somebody rings or a time has passed.
//!
//! Invariants: a ring between two waits is not lost.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A bell that remembers one ring.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    condvar: Condvar,
}

impl Bell {
    /// Wakes the waiter, or lets its next wait return at once.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condvar.notify_all();
    }

    /// Waits for a ring, at most `at_most`.
    pub fn wait(&self, at_most: Duration) {
        let guard = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut guard, _) =
            self.condvar.wait_timeout_while(guard, at_most, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *guard = false;
    }
}
