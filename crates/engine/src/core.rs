//! The synchronous core: owns the runs in memory, works commands off, says what to commit and what to perform.
//!
//! Invariants: an effect starts only after its own commit; a run has at most one commit under way; a command leaves memory only when
//! its facts are committed (a failed commit works it off again); a destructive first byte leaves only after `Attempting` is committed.
//! Not here: sockets and clocks (`pump`, `perform`), SQL (`store`), what a step means (`workflow`).
//! Source: `design/engine.md` §1–4, §7, §11, §14.

use crate::lanes::Lanes;
use crate::programs::Programs;
use crate::timers::Timers;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use stdx::{Duration, Time, Value};
use store::{Commit, Committed, Guard, Store};
use workflow::state::Phase as CallPhase;
use workflow::{
    Call, Class, Command, Decided, Effect, EffectKey, ExecutionId, Fault, Outcome, Program, Start, State, TimerChange,
    Turn,
};

/// Runs in memory at most; further ones wait in their mailbox rows.
pub const RUNS_LIVE_MAX: usize = 4096;
/// Commands that wait for one run at most; beyond it mail stays in the store.
pub const RUN_QUEUE_MAX: usize = 1024;
/// How long the first byte of a destructive attempt may be late after its commit.
pub const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(10);
/// Timers read from the store at once.
const TIMERS_READ_MAX: u64 = 10_000;
/// Runs read at once at start-up.
const ACTIVE_PAGE: u64 = 1_000;
/// Pause before a commit that failed for want of disk or by an I/O error is tried again.
pub const COMMIT_RETRY: Duration = Duration::from_ms(500);

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
    /// Look at the timers.
    Tick,
    /// Rows of halt or never-touch, connectors or workflows changed.
    Reload {
        /// Space.
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
        call: Box<Call>,
        /// Run's space and principal.
        space: Arc<str>,
        /// On whose behalf.
        principal: Arc<str>,
        /// The first byte may leave until then (destructive).
        not_after: Option<Time>,
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

#[derive(Debug)]
struct Queued {
    mail: Option<u64>,
    reply: Option<u64>,
    command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for room in its lane.
    Waiting,
    /// `Begin` is being worked off.
    Beginning,
    /// Sent; the outcome is awaited or being committed.
    Sent,
}

#[derive(Debug)]
struct Open {
    call: Arc<Call>,
    attempt: u32,
    phase: Phase,
}

#[derive(Debug)]
struct Run {
    space: Arc<str>,
    principal: Arc<str>,
    program: Arc<Program>,
    state: State,
    queue: VecDeque<Queued>,
    commit: Option<u64>,
    mail_seen: u64,
    calls: BTreeMap<EffectKey, Open>,
    dry: bool,
}

struct Ticket {
    execution: ExecutionId,
    queued: Queued,
    turn: Option<Turn>,
}

/// The core of one node.
pub struct Core {
    store: Store,
    /// Compiled programs and the catalogue of each space.
    pub programs: Programs,
    runs: HashMap<ExecutionId, Run>,
    tickets: HashMap<u64, Ticket>,
    next_ticket: u64,
    lanes: Lanes,
    timers: Timers,
    epoch: u64,
    parked: Vec<(Time, ExecutionId)>,
    admission: crate::admission::Admission,
    out: Vec<Output>,
}

impl Core {
    /// A core over an open store; call [`Core::recover`] next.
    pub fn new(store: Store, programs: Programs) -> Self {
        Self {
            store,
            programs,
            runs: HashMap::new(),
            tickets: HashMap::new(),
            next_ticket: 1,
            lanes: Lanes::default(),
            timers: Timers::default(),
            epoch: 1,
            parked: Vec::new(),
            admission: crate::admission::Admission::default(),
            out: Vec::new(),
        }
    }

    /// Start-up: every `running` execution gets a `Continue`, destructive attempts without an answer become `Unknown`,
    /// outbox rows are performed, mail is read, timers of the next minute go to the heap.
    ///
    /// - errors: the store cannot be read.
    pub fn recover(&mut self, now: Time) -> Result<Vec<Output>, store::Error> {
        for execution in active(&self.store)? {
            if !self.load(&execution, now)? {
                continue;
            }
            self.enqueue(&execution, None, None, Command::Continue);
            self.step(&execution, now);
        }
        // What the outbox holds is sent even where the `Continue` of its run adds no facts.
        self.pump_lanes(now);
        self.refill_timers(now)?;
        Ok(std::mem::take(&mut self.out))
    }

    /// Works one input off.
    pub fn handle(&mut self, input: Input, now: Time) -> Vec<Output> {
        match input {
            Input::Start { start, reply } => self.start(start, reply, now),
            Input::Wake(execution) => self.wake(&execution, now),
            Input::Committed { ticket, result } => self.committed(ticket, result, now),
            Input::Outcome { key, attempt, outcome } => self.outcome(key, attempt, outcome, now),
            Input::Tick => self.tick(now),
            Input::Reload { space } => self.programs.reload_space(&space),
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is wanted next, if at all.
    pub fn next_due(&self) -> Option<Time> {
        self.timers.next_due().into_iter().chain(self.parked.iter().map(|(t, _)| *t)).min()
    }

    /// Number of runs in memory and of calls waiting in lanes, for metrics.
    pub fn load_figures(&self) -> (usize, usize) {
        (self.runs.len(), self.lanes.waiting())
    }

    /// The committed state of a run in memory: what simulation compares with the fold of the journal.
    pub fn state(&self, execution: &ExecutionId) -> Option<&State> {
        self.runs.get(execution).map(|run| &run.state)
    }

    fn start(&mut self, start: Box<Start>, reply: u64, now: Time) {
        let execution = start.execution.clone();
        match self.programs.get(&self.store, &start.space, &start.workflow, start.version) {
            Ok(program) => {
                let run = Run {
                    space: start.space.clone(),
                    principal: start.principal.clone(),
                    program,
                    state: State::default(),
                    queue: VecDeque::new(),
                    commit: None,
                    mail_seen: 0,
                    calls: BTreeMap::new(),
                    dry: start.dry,
                };
                self.runs.insert(execution.clone(), run);
                self.enqueue(&execution, None, Some(reply), Command::Start(start));
                self.step(&execution, now);
            }
            Err(fault) => self.out.push(Output::Reply { reply, result: Err(fault) }),
        }
    }

    fn wake(&mut self, execution: &ExecutionId, now: Time) {
        if !self.runs.contains_key(execution) && self.runs.len() >= RUNS_LIVE_MAX {
            self.admission.wait(execution.clone());
            return;
        }
        match self.load(execution, now) {
            Ok(true) => {
                self.read_mail(execution, now);
                self.pump_lanes(now);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%execution, %error, "a run could not be loaded; tried again");
                self.parked.push((now + COMMIT_RETRY, execution.clone()));
            }
        }
    }

    /// Brings a run into memory by folding its journal; false when it does not exist or cannot be understood.
    fn load(&mut self, execution: &ExecutionId, now: Time) -> Result<bool, store::Error> {
        if self.runs.contains_key(execution) {
            return Ok(true);
        }
        let Some(head) = self.store.read(|r| r.execution_get(execution))? else { return Ok(false) };
        if head.status.is_terminal() && !self.has_business(execution)? {
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
            space: head.space.clone(),
            principal: head.principal.clone(),
            program,
            state,
            queue: VecDeque::new(),
            commit: None,
            mail_seen: 0,
            calls: BTreeMap::new(),
            dry: head.dry,
        };
        self.runs.insert(execution.clone(), run);
        self.adopt(execution, now);
        self.read_mail_rows(execution)?;
        Ok(true)
    }

    /// True when a run that has ended still has mail or a destructive attempt to answer for.
    fn has_business(&self, execution: &ExecutionId) -> Result<bool, store::Error> {
        self.store.read(|r| Ok(!r.mailbox_read(execution)?.is_empty() || !r.outbox_of(execution)?.is_empty()))
    }

    /// Takes over what the folded state has open: timers, calls to send, destructive attempts whose end nobody saw.
    fn adopt(&mut self, execution: &ExecutionId, _now: Time) {
        let Some(run) = self.runs.get_mut(execution) else { return };
        for change in run.state.timers() {
            if let TimerChange::Set { id, due, .. } = change {
                self.timers.set(execution, id, due);
            }
        }
        let mut lost = Vec::new();
        let mut lost_keys = Vec::new();
        let mut send = Vec::new();
        for open in run.state.calls() {
            let Effect::Call(call) = &*open.effect else { continue };
            let call = Arc::new((**call).clone());
            match open.phase {
                CallPhase::Asked => send.push((open.key.clone(), call, open.attempts + 1)),
                CallPhase::Attempting { attempt, .. } => lost.push((open.key.clone(), call, attempt)),
                // A timer sends it again, or a person is asked.
                CallPhase::Held { .. } | CallPhase::Unanswered { .. } | CallPhase::Settling => {}
            }
        }
        for (key, call, attempt) in lost {
            self.lanes.take(&call.lane);
            run.calls.insert(key.clone(), Open { call, attempt, phase: Phase::Sent });
            lost_keys.push((key, attempt));
        }
        for (key, attempt) in lost_keys {
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
    }

    fn read_mail_rows(&mut self, execution: &ExecutionId) -> Result<(), store::Error> {
        let after = self.runs.get(execution).map_or(0, |r| r.mail_seen);
        for mail in self.store.read(|r| r.mailbox_read(execution))?.into_iter().filter(|m| m.n > after) {
            let Some(run) = self.runs.get_mut(execution) else { break };
            if run.queue.len() >= RUN_QUEUE_MAX {
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
            self.parked.push((now + COMMIT_RETRY, execution.clone()));
        }
        self.step(execution, now);
    }

    fn enqueue(&mut self, execution: &ExecutionId, mail: Option<u64>, reply: Option<u64>, command: Command) {
        if let Some(run) = self.runs.get_mut(execution) {
            run.queue.push_back(Queued { mail, reply, command });
        }
    }

    /// Works off what waits for a run until a commit is under way or nothing waits.
    fn step(&mut self, execution: &ExecutionId, now: Time) {
        loop {
            let Some(run) = self.runs.get_mut(execution) else { return };
            if run.commit.is_some() {
                return;
            }
            let Some(queued) = run.queue.pop_front() else { break };
            let turn = match self.decide(execution, &queued.command, now) {
                Ok(turn) => turn,
                Err(error) => {
                    tracing::error!(%execution, %error, "a payload could not be read; the command waits");
                    self.park(execution, queued, now);
                    return;
                }
            };
            let Some(run) = self.runs.get_mut(execution) else { return };
            let empty =
                turn.facts.is_empty() && turn.effects.is_empty() && turn.close.is_empty() && turn.timers.is_empty();
            if empty && queued.mail.is_none() {
                if let Some(reply) = queued.reply {
                    self.out.push(Output::Reply { reply, result: Ok(execution.clone()) });
                }
                continue;
            }
            let mut commit = Commit { now, ..Commit::default() };
            if !empty {
                commit.guards.push(Guard::Turn { execution: execution.clone(), base: turn.base, epoch: self.epoch });
            }
            if let Some(n) = queued.mail {
                commit.mailbox_done.push((execution.clone(), n));
            }
            let ticket = self.next_ticket;
            self.next_ticket += 1;
            run.commit = Some(ticket);
            let turn = (!empty).then_some(turn);
            commit.turn = turn.clone().map(|t| (execution.clone(), t));
            self.tickets.insert(ticket, Ticket { execution: execution.clone(), queued, turn });
            self.out.push(Output::Commit { ticket, commit: Box::new(commit) });
            return;
        }
        self.rest(execution);
    }

    fn decide(&mut self, execution: &ExecutionId, command: &Command, now: Time) -> Result<Turn, store::Error> {
        let Some(run) = self.runs.get(execution) else { unreachable!("step checked that the run is here") };
        let catalogue = self.programs.catalogue(&self.store, &run.space);
        let mut payloads: HashMap<workflow::PayloadRef, Arc<Value>> = HashMap::new();
        loop {
            let read = |r: workflow::PayloadRef| payloads.get(&r).cloned();
            let cx = workflow::Cx {
                now,
                catalogue: &catalogue,
                env: &self.programs.env,
                payloads: &read,
                fuel: workflow::Fuel::default(),
            };
            match workflow::decide(&run.program, &run.state, command, &cx) {
                Decided::Turn(turn) => return Ok(*turn),
                Decided::Need(wanted) => {
                    for r in wanted {
                        let value = self.store.read(|reader| reader.payload_get(execution, r))?;
                        payloads.insert(r, Arc::new(value.unwrap_or_default()));
                    }
                }
            }
        }
    }

    /// A command that cannot be worked off now stays first in its run's queue; the run is tried again later.
    fn park(&mut self, execution: &ExecutionId, queued: Queued, now: Time) {
        if let Some(run) = self.runs.get_mut(execution) {
            run.queue.push_front(queued);
        }
        self.parked.push((now + COMMIT_RETRY, execution.clone()));
    }

    fn committed(&mut self, ticket: u64, result: Result<Box<Committed>, store::Error>, now: Time) {
        let Some(Ticket { execution, queued, turn }) = self.tickets.remove(&ticket) else { return };
        let Some(run) = self.runs.get_mut(&execution) else { return };
        run.commit = None;
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => {
                self.commit_failed(&execution, queued, &error, now);
                return;
            }
        };
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
        self.begun_or_settled(&execution, &queued.command, &turn);
        self.after(&execution, turn, committed.answered.is_some(), now);
        for other in &committed.woken {
            if *other != execution {
                self.wake(other, now);
            } else if let Err(error) = self.read_mail_rows(&execution) {
                // A run that closes its own question sends itself the row's end.
                tracing::error!(%execution, %error, "mail could not be read; tried again");
                self.parked.push((now + COMMIT_RETRY, execution.clone()));
            }
        }
        self.step(&execution, now);
    }

    /// After the commit of a `Begin`: perform it, or, where it was held, give its place in the lane back.
    fn begun_or_settled(&mut self, execution: &ExecutionId, command: &Command, turn: &Turn) {
        match command {
            Command::Begin { key, .. } => {
                let attempting = turn.facts.iter().find_map(|f| match &f.what {
                    workflow::FactKind::Attempting { key: k, attempt, not_after } if k == key => {
                        Some((*attempt, *not_after))
                    }
                    _ => None,
                });
                let Some(run) = self.runs.get_mut(execution) else { return };
                match (attempting, run.calls.get_mut(key)) {
                    (Some((attempt, not_after)), Some(open)) => {
                        open.phase = Phase::Sent;
                        open.attempt = attempt;
                        self.out.push(Output::Perform {
                            key: key.clone(),
                            attempt,
                            call: Box::new((*open.call).clone()),
                            space: run.space.clone(),
                            principal: run.principal.clone(),
                            not_after: Some(not_after),
                        });
                    }
                    (None, Some(_)) => {
                        if let Some(open) = run.calls.remove(key) {
                            self.lanes.release(&open.call.lane);
                        }
                    }
                    (_, None) => {}
                }
            }
            Command::Outcome { key, .. } => {
                if let Some(run) = self.runs.get_mut(execution)
                    && run.calls.get(key).is_some_and(|o| o.phase == Phase::Sent)
                    && let Some(open) = run.calls.remove(key)
                {
                    self.lanes.release(&open.call.lane);
                }
            }
            _ => {}
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

    fn commit_failed(&mut self, execution: &ExecutionId, queued: Queued, error: &store::Error, now: Time) {
        tracing::warn!(%execution, %error, "a commit failed; its command is kept and worked off again");
        // The state in memory is still the committed one: facts are folded only after their commit. A failed guard means somebody else
        // wrote: then the journal is folded anew.
        if matches!(error, store::Error::Guard { .. }) {
            let Some(run) = self.runs.remove(execution) else { return };
            for open in run.calls.values() {
                match open.phase {
                    Phase::Waiting => self.lanes.forget_run(&open.call.lane, execution),
                    Phase::Beginning | Phase::Sent => self.lanes.release(&open.call.lane),
                }
            }
            if let Some(reply) = queued.reply {
                self.out.push(Output::Reply { reply, result: Err(Fault::new("Conflict", error.to_string())) });
                return;
            }
            let mut keep: Vec<Queued> = vec![queued];
            keep.extend(run.queue);
            if matches!(self.load(execution, now), Ok(true)) {
                for q in keep {
                    if q.mail.is_none() {
                        self.enqueue(execution, None, q.reply, q.command);
                    }
                }
                // Not at once: a guard that fails again and again must not spin this thread.
                self.parked.push((now + COMMIT_RETRY, execution.clone()));
            }
            return;
        }
        match queued.reply {
            // A start that was never committed is refused: the caller was promised nothing yet.
            Some(reply) => {
                self.runs.remove(execution);
                let fault = Fault::new("StoreUnavailable", error.to_string());
                self.out.push(Output::Reply { reply, result: Err(fault) });
            }
            None => self.park(execution, queued, now),
        }
    }

    fn outcome(&mut self, key: EffectKey, attempt: u32, outcome: Outcome, now: Time) {
        let execution = key.execution.clone();
        let known = self.runs.get(&execution).and_then(|r| r.calls.get(&key)).is_some_and(|o| o.phase == Phase::Sent);
        if !known {
            return; // abandoned: the late answer is dropped
        }
        self.enqueue(&execution, None, None, Command::Outcome { key, attempt, outcome });
        self.step(&execution, now);
        self.pump_lanes(now);
    }

    /// Puts a call into its lane.
    fn offer(&mut self, execution: &ExecutionId, key: EffectKey, call: Arc<Call>, attempt: u32) {
        let Some(run) = self.runs.get_mut(execution) else { return };
        self.lanes.offer(&call.lane, key.clone());
        run.calls.insert(key, Open { call, attempt, phase: Phase::Waiting });
    }

    /// Sends what has room in its lane.
    fn pump_lanes(&mut self, now: Time) {
        while let Some(key) = self.lanes.next() {
            let execution = key.execution.clone();
            let Some(run) = self.runs.get_mut(&execution) else { continue };
            let Some(open) = run.calls.get_mut(&key) else { continue };
            if run.dry {
                open.phase = Phase::Sent;
                let attempt = open.attempt;
                let command = Command::Outcome { key, attempt, outcome: Outcome::Dry(workflow::Body::Null) };
                self.enqueue(&execution, None, None, command);
                self.step(&execution, now);
            } else if open.call.class == Class::Destructive {
                open.phase = Phase::Beginning;
                let catalogue = self.programs.catalogue(&self.store, &run.space);
                let target = open
                    .call
                    .connector
                    .as_deref()
                    .and_then(|id| catalogue.connector(id))
                    .map_or_else(|| open.call.target.clone(), |c| c.target.clone());
                let held = self.programs.held(&self.store, &run.space, &open.call);
                let command = Command::Begin { key, not_after: now + FIRST_BYTE_WITHIN, target, held };
                self.enqueue(&execution, None, None, command);
                self.step(&execution, now);
            } else {
                open.phase = Phase::Sent;
                let output = Output::Perform {
                    key: key.clone(),
                    attempt: open.attempt,
                    call: Box::new((*open.call).clone()),
                    space: run.space.clone(),
                    principal: run.principal.clone(),
                    not_after: None,
                };
                self.out.push(output);
            }
        }
    }

    fn tick(&mut self, now: Time) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.parked).into_iter().partition(|(t, _)| *t <= now);
        self.parked = later;
        for (_, execution) in due {
            self.wake(&execution, now);
        }
        if let Err(error) = self.refill_timers(now) {
            tracing::error!(%error, "timers could not be read; tried again");
        }
        while let Some((execution, id)) = self.timers.pop(now) {
            match self.load(&execution, now) {
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
    fn refill_timers(&mut self, now: Time) -> Result<(), store::Error> {
        if let Some(until) = self.timers.refill_until(now) {
            for row in self.store.read(|r| r.timer_due(until, TIMERS_READ_MAX))? {
                self.timers.set(&row.execution, row.id, row.due);
            }
            self.timers.refilled(until);
        }
        Ok(())
    }

    /// A run with nothing under way leaves memory: waiting runs are rows.
    fn rest(&mut self, execution: &ExecutionId) {
        let Some(run) = self.runs.get(execution) else { return };
        let idle = run.queue.is_empty() && run.commit.is_none() && run.calls.is_empty();
        let status = run.state.summary().status;
        let out_of_memory_safe = status.is_terminal()
            || matches!(
                status,
                workflow::Status::WaitingForInput | workflow::Status::Waiting | workflow::Status::WaitingForChild
            ) && !self.timers.has_volatile(&run.state.timers());
        if idle && out_of_memory_safe {
            self.runs.remove(execution);
            if let Some(next) = self.admission.next() {
                self.parked.push((Time(0), next));
            }
        }
    }
}

/// Runs that must be continued at start-up: running ones, those with mail, those with rows in the outbox.
fn active(store: &Store) -> Result<std::collections::BTreeSet<ExecutionId>, store::Error> {
    store.read(|r| {
        let mut all = std::collections::BTreeSet::new();
        let mut after = String::new();
        loop {
            let rows = r.execution_running(&after, ACTIVE_PAGE)?;
            let Some(last) = rows.last() else { break };
            after = last.id.to_string();
            all.extend(rows.into_iter().map(|row| row.id));
        }
        let mut after = String::new();
        loop {
            let ids = r.mailbox_waiting(&after, ACTIVE_PAGE)?;
            let Some(last) = ids.last() else { break };
            after = last.to_string();
            all.extend(ids);
        }
        all.extend(r.outbox_due(None, Time(i64::MAX), u64::from(u32::MAX))?.into_iter().map(|row| row.key.execution));
        Ok(all)
    })
}
