//! Counts wrong passwords per user name and closes the sign-in for a while.
//!
//! Invariants: at most `NAMES_MAX` names are remembered; a right password clears its name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong passwords within `WINDOW` after which the name is closed.
pub const TRIES_MAX: u32 = 10;
/// How long wrong passwords count, and how long the name stays closed after the last.
pub const WINDOW: Duration = Duration::from_secs(60);
const NAMES_MAX: usize = 10_000;

/// Wrong passwords by user name.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<String, (u32, Instant)>>);

impl Throttle {
    /// Seconds for which `name` is closed, if it is.
    pub fn closed_s(&self, name: &str) -> Option<u32> {
        let tries = self.tries();
        let (n, last) = tries.get(name)?;
        let left = WINDOW.checked_sub(last.elapsed())?;
        (*n >= TRIES_MAX).then(|| left.as_secs() as u32 + 1)
    }
    /// Notes a wrong password; gives the tries that are left.
    pub fn wrong(&self, name: &str) -> u32 {
        let mut tries = self.tries();
        if tries.len() >= NAMES_MAX {
            tries.retain(|_, (_, last)| last.elapsed() < WINDOW);
            if tries.len() >= NAMES_MAX {
                tries.clear();
            }
        }
        let entry = tries.entry(name.to_owned()).or_insert((0, Instant::now()));
        if entry.1.elapsed() >= WINDOW {
            entry.0 = 0;
        }
        *entry = (entry.0 + 1, Instant::now());
        TRIES_MAX.saturating_sub(entry.0)
    }
    /// Notes a right password.
    pub fn right(&self, name: &str) {
        self.tries().remove(name);
    }
    fn tries(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u32, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_after_too_many_and_opens_with_the_right_one() {
        let t = Throttle::default();
        assert_eq!(t.wrong("ada"), TRIES_MAX - 1);
        for _ in 1..TRIES_MAX {
            t.wrong("ada");
        }
        assert!(t.closed_s("ada").is_some_and(|s| s <= 61));
        assert_eq!(t.closed_s("bob"), None);
        t.right("ada");
        assert_eq!(t.closed_s("ada"), None);
    }
}
