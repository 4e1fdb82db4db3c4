//! Time as the core sees it: timers, pauses that are over, calls to look at again.
//!
//! Invariants: a timer whose run has no room fires when the run comes into memory.
//! Not here: the heap (`timers`).
//! Source: `design/engine.md` §7.

use super::{COMMIT_RETRY, Core, RUNS_LIVE_MAX, TIMERS_READ_MAX};
use stdx::Time;
use workflow::{Command, ExecutionId, Status, TimerChange, Turn};

impl Core {
    pub(super) fn tick(&mut self, now: Time) {
        while let Some((at, _)) = self.parked.first_key_value() {
            if *at > now {
                break;
            }
            let Some((_, runs)) = self.parked.pop_first() else { break };
            for execution in runs {
                self.wake(&execution, now);
            }
        }
        if self.held.next_due().is_some_and(|due| due <= now) {
            self.look_at_held(now);
        }
        if self.lanes.next_due().is_some_and(|due| due <= now) {
            self.pump_lanes(now);
        }
        if let Err(error) = self.refill_timers(now) {
            tracing::error!(%error, "timers could not be read; tried again");
        }
        while let Some((execution, id)) = self.timers.pop(now) {
            let full = !self.runs.contains_key(&execution) && self.runs.len() >= RUNS_LIVE_MAX;
            // With no room the timer is set again when the run's journal is folded.
            let loaded = if full { self.admit_later(&execution).map(|()| false) } else { self.load(&execution, now) };
            match loaded {
                Ok(true) => {
                    self.enqueue(&execution, None, None, Command::Timer(id));
                    self.step(&execution, now);
                    self.pump_lanes(now);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%execution, %error, "a timer's run could not be loaded; tried again");
                    self.timers.set(&execution, id, now + COMMIT_RETRY);
                    break;
                }
            }
        }
    }

    /// Reads the timers of the next minute into the heap, once in half a minute.
    pub(super) fn refill_timers(&mut self, now: Time) -> Result<(), store::Error> {
        if let Some(until) = self.timers.refill_until(now) {
            for row in self.store.read(|r| r.timer_due(until, TIMERS_READ_MAX))? {
                self.timers.set(&row.execution, row.id, row.due);
            }
            self.timers.refilled(until);
        }
        Ok(())
    }

    /// The run is woken at `at`.
    pub(super) fn park(&mut self, execution: &ExecutionId, at: Time) {
        let runs = self.parked.entry(at).or_default();
        if !runs.contains(execution) {
            runs.push(execution.clone());
        }
    }

    /// A run that a turn lets rest is rows alone: its short timers, which else live in memory, become rows in the turn's commit.
    pub(super) fn make_timers_rows(&self, execution: &ExecutionId, turn: &mut Turn) {
        if !rests(turn.summary.status) {
            return;
        }
        let before = self.runs.get(execution).map(|r| r.state.timers()).unwrap_or_default();
        let named = |turn: &Turn, id: &workflow::TimerId| {
            turn.timers.iter().any(|t| match t {
                TimerChange::Set { id: i, .. } | TimerChange::Clear { id: i } => i == id,
            })
        };
        for change in &mut turn.timers {
            if let TimerChange::Set { durable, .. } = change {
                *durable = true;
            }
        }
        for change in before {
            if let TimerChange::Set { id, due, durable: false } = change
                && !named(turn, &id)
            {
                turn.timers.push(TimerChange::Set { id, due, durable: true });
            }
        }
    }
}

/// States in which a run is rows alone.
pub(super) const fn rests(status: Status) -> bool {
    matches!(status, Status::WaitingForInput | Status::Waiting | Status::WaitingForChild | Status::Queued)
}
