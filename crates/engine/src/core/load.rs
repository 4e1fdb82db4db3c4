//! Bringing runs into memory: at start-up, on mail, for a timer; and taking over what their journals leave open.
//!
//! Invariants: a run comes into memory by folding its journal; calls that this process has sent stay sent when a run is folded anew;
//! with no room a run waits its turn as rows.
//! Not here: working commands off (`core`).
//! Source: `design/engine.md` §1, §4, §14.

use super::io::Output;
use super::{ACTIVE_PAGE, COMMIT_RETRY, CallPhase, Core, Open, Phase, Queued, RUN_QUEUE_MAX, RUNS_LIVE_MAX, Run};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use stdx::{Time, Value};
use store::Store;
use workflow::{Call, Command, Effect, EffectKey, ExecutionId, Fault, Outcome, State, TimerChange};

impl Core {
    /// Start-up: every `running` execution gets a `Continue`, destructive attempts without an answer become `Unknown`,
    /// outbox rows are performed, mail is read, timers of the next minute go to the heap.
    ///
    /// - errors: the store cannot be read.
    pub fn recover(&mut self, now: Time) -> Result<Vec<Output>, store::Error> {
        self.ledger = crate::envelope::Ledger::read(&self.store, now)?;
        self.read_lane_limits();
        for execution in active(&self.store)? {
            if self.runs.len() >= RUNS_LIVE_MAX {
                self.admit_later(&execution)?;
                continue;
            }
            if !self.load(&execution, now)? {
                continue;
            }
            self.enqueue(&execution, None, None, Command::Continue);
            self.step(&execution, now);
        }
        // What the outbox holds is sent even where the `Continue` of its run adds no facts.
        self.pump_lanes(now);
        self.refill_timers(now)?;
        self.store.with_writer(store::Writer::continued)??;
        Ok(std::mem::take(&mut self.out))
    }

    /// The run waits until there is room in memory; its workflow and the others take turns.
    pub(super) fn admit_later(&mut self, execution: &ExecutionId) -> Result<(), store::Error> {
        if let Some(head) = self.store.read(|r| r.execution_get(execution))? {
            self.admission.wait((head.space, head.workflow), execution.clone());
        }
        Ok(())
    }

    /// Somebody else's commit, or a pause that is over, gave the run something to do.
    pub(super) fn wake(&mut self, execution: &ExecutionId, now: Time) {
        let full = !self.runs.contains_key(execution) && self.runs.len() >= RUNS_LIVE_MAX;
        let loaded = if full { self.admit_later(execution).map(|()| false) } else { self.load(execution, now) };
        match loaded {
            Ok(true) => {
                self.read_mail(execution, now);
                self.pump_lanes(now);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%execution, %error, "a run could not be loaded; tried again");
                self.park(execution, now + COMMIT_RETRY);
            }
        }
    }

    /// Brings a run into memory by folding its journal; false when it does not exist or cannot be understood.
    pub(super) fn load(&mut self, execution: &ExecutionId, now: Time) -> Result<bool, store::Error> {
        if self.runs.contains_key(execution) {
            return Ok(true);
        }
        self.fold(execution, BTreeMap::new(), now)
    }

    /// Folds a run's journal; `flying` are calls of it that this process has sent and still waits for.
    pub(super) fn fold(
        &mut self,
        execution: &ExecutionId,
        flying: BTreeMap<EffectKey, Open>,
        now: Time,
    ) -> Result<bool, store::Error> {
        let Some(head) = self.store.read(|r| r.execution_get(execution))? else { return Ok(false) };
        if head.status.is_terminal() && !self.has_business(execution)? {
            return Ok(false);
        }
        if self.poison.holds(&crate::poison::unit_of_run(execution)) {
            tracing::error!(%execution, "the run is in quarantine and left alone; see `watchfire doctor`");
            return Ok(false);
        }
        let rows = match self.store.read(|r| r.journal_read(execution, 0)) {
            Ok(rows) => rows,
            Err(error @ store::Error::Damaged { .. }) => {
                tracing::error!(%execution, %error, "the journal holds what this version does not know; the run is left alone");
                return Ok(false);
            }
            Err(e) => return Err(e),
        };
        let program = match self.programs.get(&self.store, &head.space, &head.workflow, head.version) {
            Ok(program) => program,
            Err(fault) => {
                tracing::error!(%execution, message = %fault.message, "the workflow version of a run is missing");
                return Ok(false);
            }
        };
        let mut state = State::default();
        for fact in rows.iter().flat_map(|row| &row.facts) {
            workflow::evolve(&mut state, fact);
        }
        let run = Run {
            share: (head.space.clone(), head.workflow.clone()),
            principal: head.principal.clone(),
            program,
            state,
            queue: VecDeque::new(),
            commit: None,
            mail_seen: 0,
            mail_left: false,
            calls: BTreeMap::new(),
            dry: head.dry,
            not_before: Time(i64::MIN),
        };
        self.runs.insert(execution.clone(), run);
        self.adopt(execution, flying, now);
        self.read_mail_rows(execution)?;
        Ok(true)
    }

    /// True when a run that has ended still has mail or a destructive attempt to answer for.
    fn has_business(&self, execution: &ExecutionId) -> Result<bool, store::Error> {
        self.store.read(|r| Ok(!r.mailbox_read(execution)?.is_empty() || !r.outbox_of(execution)?.is_empty()))
    }

    /// Takes over what the folded state has open: timers, calls to send, destructive attempts whose end nobody saw.
    fn adopt(&mut self, execution: &ExecutionId, mut flying: BTreeMap<EffectKey, Open>, now: Time) {
        let Some(run) = self.runs.get_mut(execution) else { return };
        for change in run.state.timers() {
            if let TimerChange::Set { id, due, .. } = change {
                self.timers.set(execution, id, due);
            }
        }
        let mut lost: Vec<(EffectKey, Arc<Call>, u32)> = Vec::new();
        let mut going_on: Vec<(EffectKey, Arc<Call>, u32, Value)> = Vec::new();
        let mut send = Vec::new();
        for open in run.state.calls() {
            let Effect::Call(call) = &*open.effect else { continue };
            if matches!(open.phase, CallPhase::Asked | CallPhase::Attempting { .. })
                && let Some(sent) = flying.remove(&open.key)
            {
                run.calls.insert(open.key.clone(), sent);
                continue;
            }
            let call = Arc::new((**call).clone());
            match open.phase {
                CallPhase::Asked => send.push((open.key.clone(), call, open.attempts + 1)),
                CallPhase::Attempting { attempt, .. } => match open.handle.clone() {
                    Some(handle) => going_on.push((open.key.clone(), call, attempt, handle)),
                    None => lost.push((open.key.clone(), call, attempt)),
                },
                CallPhase::Held { .. } => self.held.put(open.key.clone(), run.share.0.clone(), now),
                // A timer sends it again, or a person is asked.
                CallPhase::Unanswered { .. } | CallPhase::Settling => {}
            }
        }
        for (key, call, attempt, handle) in going_on {
            self.lanes.take(&call.lane);
            let Some(run) = self.runs.get_mut(execution) else { break };
            let output = Output::Perform {
                key: key.clone(),
                attempt,
                call: std::sync::Arc::new((*call).clone()),
                space: run.share.0.clone(),
                principal: run.principal.clone(),
                not_after: None,
                attach: Some(handle),
            };
            run.calls.insert(key, Open { call, attempt, phase: Phase::Sent, retry: None, row: None });
            self.out.push(output);
        }
        for (key, call, attempt) in lost {
            self.lanes.take(&call.lane);
            if let Some(run) = self.runs.get_mut(execution) {
                run.calls.insert(key.clone(), Open { call, attempt, phase: Phase::Sent, retry: None, row: None });
            }
            let fault = Fault::new(
                "Interrupted",
                "the process ended between the first byte of the command and its committed result",
            );
            let command = Command::Outcome { key, attempt, outcome: Outcome::Unknown(fault) };
            self.enqueue(execution, None, None, command);
        }
        for (key, call, attempt) in send {
            self.offer(execution, key, call, attempt);
        }
        // What was sent and is not asked for any more.
        for (key, open) in flying {
            self.lanes.release(&open.call.lane);
            self.out.push(Output::Abort { key });
        }
    }

    pub(super) fn read_mail_rows(&mut self, execution: &ExecutionId) -> Result<(), store::Error> {
        let after = self.runs.get(execution).map_or(0, |r| r.mail_seen);
        let rows = self.store.read(|r| r.mailbox_read(execution))?;
        let Some(run) = self.runs.get_mut(execution) else { return Ok(()) };
        run.mail_left = false;
        for mail in rows.into_iter().filter(|m| m.n > after) {
            if run.queue.len() >= RUN_QUEUE_MAX {
                // Read when the queue is empty.
                run.mail_left = true;
                break;
            }
            run.mail_seen = mail.n;
            run.queue.push_back(Queued { mail: Some(mail.n), reply: None, command: mail.command });
        }
        Ok(())
    }

    fn read_mail(&mut self, execution: &ExecutionId, now: Time) {
        if let Err(error) = self.read_mail_rows(execution) {
            tracing::error!(%execution, %error, "mail could not be read; tried again");
            self.park(execution, now + COMMIT_RETRY);
        }
        self.step(execution, now);
    }
}

/// Runs that must be continued at start-up: running ones, those with mail, those with rows in the outbox. What waits is rows and is
/// not read: a person's answer is mail, a timer is a row.
fn active(store: &Store) -> Result<BTreeSet<ExecutionId>, store::Error> {
    store.read(|r| {
        let mut all = BTreeSet::new();
        let mut after = String::new();
        // Once after the change of versions: a run that waits may have a timer that is no row.
        if r.meta_get(store::CONTINUE_ALL)?.is_some() {
            loop {
                let rows = r.execution_running(&after, ACTIVE_PAGE)?;
                let Some(last) = rows.last() else { break };
                after = last.id.to_string();
                all.extend(rows.into_iter().map(|row| row.id));
            }
            after = String::new();
        }
        loop {
            let rows = r.execution_moving(&after, ACTIVE_PAGE)?;
            let Some(last) = rows.last() else { break };
            after = last.to_string();
            all.extend(rows);
        }
        let mut after = String::new();
        loop {
            let ids = r.mailbox_waiting(&after, ACTIVE_PAGE)?;
            let Some(last) = ids.last() else { break };
            after = last.to_string();
            all.extend(ids);
        }
        let mut after = String::new();
        loop {
            let ids = r.outbox_runs(&after, ACTIVE_PAGE)?;
            let Some(last) = ids.last() else { break };
            after = last.to_string();
            all.extend(ids);
        }
        Ok(all)
    })
}
