//! What comes of a commit: its facts are folded and its effects go out, or its command is kept and worked off again.
//!
//! Invariants: the state in memory is the committed one; there is one way back for a command whose commit failed, with pauses that grow;
//! a start that was never committed is refused, for its sender was promised nothing.
//! Not here: building commits (`core`), performing (`pump`).
//! Source: `design/engine.md` §3.

use super::io::Output;
use super::{COMMIT_RETRY, Core, Phase, Queued, Ticket};
use std::sync::Arc;
use stdx::{Duration, Time};
use store::Committed;
use workflow::{Command, Effect, ExecutionId, Fault, TimerChange, Turn};

/// Longest pause before the command of a failed commit is worked off again.
pub const COMMIT_RETRY_MAX: Duration = Duration::from_secs(60);
/// Failures in a row from which a run counts as stuck and is said to be.
pub const STUCK_AFTER: u32 = 4;

/// Pause after the n-th failure in a row: half a second, doubled up to [`COMMIT_RETRY_MAX`].
fn pause(failures: u32) -> Duration {
    Duration(COMMIT_RETRY.0.saturating_mul(1i64 << failures.saturating_sub(1).min(20))).min(COMMIT_RETRY_MAX)
}

impl Core {
    pub(super) fn committed(&mut self, ticket: u64, result: Result<Box<Committed>, store::Error>, now: Time) {
        let Some(Ticket { execution, queued, turn, admitted }) = self.tickets.remove(&ticket) else { return };
        if admitted {
            self.admitted(&execution, queued.reply, result);
            return;
        }
        let Some(run) = self.runs.get_mut(&execution) else { return };
        run.commit = None;
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => {
                self.commit_failed(&execution, queued, &error, now);
                return;
            }
        };
        if !self.troubles.is_empty() {
            self.troubles.remove(&execution);
        }
        if let Some(reply) = queued.reply {
            self.out.push(Output::Reply { reply, result: Ok(execution.clone()) });
        }
        let Some(turn) = turn else {
            self.step(&execution, now);
            return;
        };
        for fact in turn.facts.iter().chain(committed.answered.as_ref()) {
            workflow::evolve(&mut run.state, fact);
        }
        self.begun_or_settled(&execution, &queued.command, &turn, now);
        // The writer has let go of it: nothing is copied.
        let turn = Arc::try_unwrap(turn).unwrap_or_else(|shared| Turn::clone(&shared));
        self.after(&execution, turn, committed.answered.is_some(), now);
        for other in &committed.woken {
            if *other != execution {
                self.wake(other, now);
            } else if let Err(error) = self.read_mail_rows(&execution) {
                // A run that closes its own question sends itself the row's end.
                tracing::error!(%execution, %error, "mail could not be read; tried again");
                self.park(&execution, now + COMMIT_RETRY);
            }
        }
        self.step(&execution, now);
    }

    /// A start for which there was no room stands in the store now, or was refused.
    fn admitted(&mut self, execution: &ExecutionId, reply: Option<u64>, result: Result<Box<Committed>, store::Error>) {
        let result = match result {
            Ok(_) => {
                if let Err(error) = self.admit_later(execution) {
                    tracing::error!(%execution, %error, "an accepted run could not be read; tried again");
                    self.park(execution, Time(0));
                }
                Ok(execution.clone())
            }
            Err(error) => Err(Fault::new("StoreUnavailable", error.to_string())),
        };
        if let Some(reply) = reply {
            self.out.push(Output::Reply { reply, result });
        }
    }

    /// What a committed turn asks for.
    fn after(&mut self, execution: &ExecutionId, turn: Turn, answered: bool, now: Time) {
        for change in &turn.timers {
            match change {
                TimerChange::Set { id, due, .. } => self.timers.set(execution, id.clone(), *due),
                TimerChange::Clear { id } => self.timers.clear(execution, id),
            }
        }
        for key in &turn.done {
            self.held.forget(key);
            if let Some(run) = self.runs.get_mut(execution)
                && let Some(open) = run.calls.remove(key)
            {
                match open.phase {
                    Phase::Waiting => self.lanes.forget(&open.call.lane, key),
                    Phase::Beginning => self.lanes.release(&open.call.lane),
                    Phase::Sent => {
                        self.lanes.release(&open.call.lane);
                        self.out.push(Output::Abort { key: key.clone() });
                    }
                }
            }
        }
        for (key, effect) in turn.effects {
            if let Effect::Call(call) = effect {
                let attempts = self
                    .runs
                    .get(execution)
                    .and_then(|r| r.state.calls().iter().find(|c| c.key == key).map(|c| c.attempts));
                let attempt = attempts.unwrap_or(0) + 1;
                self.offer(execution, key, Arc::new(*call), attempt);
            }
        }
        if (answered || turn.more)
            && let Some(run) = self.runs.get_mut(execution)
        {
            // Waiting commands go before the `Continue` of a turn that ran out of fuel (§1); an internal answer is worked off at once.
            let queued = Queued { mail: None, reply: None, command: Command::Continue };
            if answered { run.queue.push_front(queued) } else { run.queue.push_back(queued) }
        }
        self.pump_lanes(now);
        if self.runs.get(execution).is_some_and(|r| r.state.summary().status.is_terminal()) {
            self.timers.clear_all(execution);
            self.out.push(Output::Ended { execution: execution.clone() });
        }
    }

    /// The one way back: the command and those behind it are kept, where somebody else wrote the journal is folded anew, and the
    /// run is tried again after a pause that doubles with each failure in a row.
    fn commit_failed(&mut self, execution: &ExecutionId, queued: Queued, error: &store::Error, now: Time) {
        if let Some(reply) = queued.reply {
            self.drop_run(execution);
            let kind = if matches!(error, store::Error::Guard { .. }) { "Conflict" } else { "StoreUnavailable" };
            self.out.push(Output::Reply { reply, result: Err(Fault::new(kind, error.to_string())) });
            return;
        }
        let failures = self.troubles.entry(execution.clone()).or_default();
        *failures = failures.saturating_add(1);
        let (failures, pause) = (*failures, pause(*failures));
        if failures < STUCK_AFTER {
            tracing::warn!(%execution, %error, failures, "a commit failed; its command is kept and worked off again");
        } else {
            tracing::error!(
                %execution, %error, failures, next_try_s = pause.0 / 1_000_000,
                "a run is stuck: its commit fails again and again; its command is kept"
            );
        }
        // The state in memory is still the committed one: facts are folded only after their commit. A failed guard means that somebody
        // else wrote: then the journal is folded anew, and mail comes from its rows.
        let anew = matches!(error, store::Error::Guard { .. });
        self.requeue(execution, queued, anew, now + pause);
    }

    /// Puts a command back at the head of its run, which rests until `until`.
    pub(super) fn requeue(&mut self, execution: &ExecutionId, queued: Queued, anew: bool, until: Time) {
        let mut keep = std::collections::VecDeque::from([queued]);
        if let Some(run) = self.runs.get_mut(execution) {
            keep.extend(run.queue.drain(..));
        }
        if anew && let Some(run) = self.runs.remove(execution) {
            keep.retain(|q| q.mail.is_none());
            let mut flying = run.calls;
            flying.retain(|key, open| {
                if open.phase == Phase::Waiting {
                    self.lanes.forget(&open.call.lane, key);
                }
                open.phase != Phase::Waiting
            });
            match self.fold(execution, flying, until) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%execution, %error, "a run could not be folded anew; tried again");
                    self.kept.insert(execution.clone(), keep);
                    self.park(execution, until);
                    return;
                }
            }
        }
        if let Some(run) = self.runs.get_mut(execution) {
            // What was kept stands before what the fold found.
            let found = std::mem::take(&mut run.queue);
            run.queue = keep;
            run.queue.extend(found);
            run.not_before = until;
        }
        self.park(execution, until);
    }

    /// A run leaves memory with everything it has under way here.
    fn drop_run(&mut self, execution: &ExecutionId) {
        let Some(run) = self.runs.remove(execution) else { return };
        self.timers.clear_all(execution);
        for reply in run.queue.iter().filter_map(|q| q.reply) {
            let fault = Fault::new("Conflict", "the start before this one was refused");
            self.out.push(Output::Reply { reply, result: Err(fault) });
        }
        for (key, open) in &run.calls {
            match open.phase {
                Phase::Waiting => self.lanes.forget(&open.call.lane, key),
                Phase::Beginning | Phase::Sent => self.lanes.release(&open.call.lane),
            }
        }
        self.make_room();
    }
}
