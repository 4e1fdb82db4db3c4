//! The heap of timers that fire soon.
//!
//! Invariants: a timer that was cleared or set anew does not fire at its old time; rows beyond the next minute stay in the store.
//! Not here: what firing means (`core`), the rows (`store`).
//! Source: `design/engine.md` §7.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use stdx::{Duration, Time};
use workflow::{ExecutionId, TimerId};

/// How far ahead rows are read into the heap.
pub const AHEAD: Duration = Duration::from_secs(60);

/// Timers of the next minute.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Time, ExecutionId, TimerId)>>,
    set: HashMap<ExecutionId, HashMap<TimerId, Time>>,
    read_until: Time,
}

impl Timers {
    /// Sets a timer; one of the same name is replaced.
    pub fn set(&mut self, execution: &ExecutionId, id: TimerId, due: Time) {
        let of_run = self.set.entry(execution.clone()).or_default();
        if of_run.insert(id.clone(), due) != Some(due) {
            self.heap.push(Reverse((due, execution.clone(), id)));
        }
    }

    /// Forgets a timer.
    pub fn clear(&mut self, execution: &ExecutionId, id: &TimerId) {
        if let Some(of_run) = self.set.get_mut(execution) {
            of_run.remove(id);
            if of_run.is_empty() {
                self.set.remove(execution);
            }
        }
    }

    /// Forgets all timers of a run.
    pub fn clear_all(&mut self, execution: &ExecutionId) {
        self.set.remove(execution);
    }

    /// Takes a timer that is due.
    pub fn pop(&mut self, now: Time) -> Option<(ExecutionId, TimerId)> {
        while let Some(Reverse((due, _, _))) = self.heap.peek() {
            if *due > now {
                return None;
            }
            let Reverse((due, execution, id)) = self.heap.pop()?;
            if self.set.get(&execution).and_then(|m| m.get(&id)) == Some(&due) {
                self.clear(&execution, &id);
                return Some((execution, id));
            }
        }
        None
    }

    /// When the next timer is due, or rows must be read.
    pub fn next_due(&self) -> Option<Time> {
        let heap = self.heap.peek().map(|Reverse((due, _, _))| *due);
        heap.into_iter().chain([self.read_until - Duration(AHEAD.0 / 2)]).min()
    }

    /// Until when rows are to be read, if it is time to.
    pub fn refill_until(&self, now: Time) -> Option<Time> {
        (now + Duration(AHEAD.0 / 2) >= self.read_until).then_some(now + AHEAD)
    }

    /// Rows until then were read.
    pub const fn refilled(&mut self, until: Time) {
        self.read_until = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_set_anew_fires_once_at_its_new_time() {
        let mut timers = Timers::default();
        let (run, id) = (ExecutionId::from("e"), TimerId("t".into()));
        timers.set(&run, id.clone(), Time(10));
        timers.set(&run, id.clone(), Time(20));
        assert_eq!(timers.pop(Time(15)), None);
        assert_eq!(timers.pop(Time(20)), Some((run.clone(), id.clone())));
        assert_eq!(timers.pop(Time(99)), None);
        timers.set(&run, id.clone(), Time(30));
        timers.clear(&run, &id);
        assert_eq!(timers.pop(Time(99)), None);
    }
}
