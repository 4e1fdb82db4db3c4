//! The synchronous core: owns the runs in memory, works commands off, says what to commit and what to perform.
//!
//! Invariants: an effect starts only after its own commit; a run has at most one commit under way; a command leaves memory only when
//! its facts are committed (a failed commit works it off again); a destructive first byte leaves only after `Attempting` is committed.
//! Not here: sockets and clocks (`pump`, `perform`), SQL (`store`), what a step means (`workflow`).
//! Source: `design/engine.md` §1–4, §7, §11, §14.

mod calls;
mod commits;
mod io;
mod load;
mod time;

pub use calls::HELD_LOOK_EVERY;
pub use commits::{COMMIT_RETRY_MAX, STUCK_AFTER};
pub use io::{Input, Output};

#[cfg(test)]
mod tests;

use crate::envelope::Ledger;
use crate::lanes::Lanes;
use crate::poison::Poison;
use crate::programs::Programs;
use crate::timers::Timers;
use crate::turns::Share;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use stdx::{Duration, Time, Value};
use store::{AttemptRow, Commit, Guard, NewStart, Store};
use workflow::state::Phase as CallPhase;
use workflow::{Call, Command, Decided, EffectKey, ExecutionId, Program, Start, State, Turn};

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
    /// When to look again if it is held back; `None`: now and then.
    retry: Option<Time>,
    /// What caps count, from `Begin` on.
    row: Option<AttemptRow>,
}

#[derive(Debug)]
struct Run {
    /// Space and workflow: with whom it takes turns.
    share: Share,
    principal: Arc<str>,
    program: Arc<Program>,
    state: State,
    queue: VecDeque<Queued>,
    commit: Option<u64>,
    mail_seen: u64,
    /// Mail stands in the store that found no room in the queue.
    mail_left: bool,
    calls: BTreeMap<EffectKey, Open>,
    dry: bool,
    /// Nothing is worked off before: its last commit failed.
    not_before: Time,
}

struct Ticket {
    execution: ExecutionId,
    queued: Queued,
    turn: Option<Arc<Turn>>,
    /// A start that only becomes rows, for want of room.
    admitted: bool,
}

/// Figures of the core, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Runs in memory.
    pub runs: usize,
    /// Calls that wait in lanes.
    pub calls: usize,
    /// Runs that wait for room in memory.
    pub admission: usize,
    /// Destructive calls that are held back.
    pub held: usize,
    /// Runs whose commits fail again and again.
    pub stuck: usize,
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
    /// Runs to wake, by when.
    parked: BTreeMap<Time, Vec<ExecutionId>>,
    /// Failed commits in a row, by run.
    troubles: HashMap<ExecutionId, u32>,
    /// Commands of runs that could not be folded anew.
    kept: HashMap<ExecutionId, VecDeque<Queued>>,
    held: calls::HeldCalls,
    ledger: Ledger,
    poison: Poison,
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
            parked: BTreeMap::new(),
            troubles: HashMap::new(),
            kept: HashMap::new(),
            held: calls::HeldCalls::default(),
            ledger: Ledger::default(),
            poison: Poison::default(),
            admission: crate::admission::Admission::default(),
            out: Vec::new(),
        }
    }

    /// Notes what it works off, and leaves alone what was found there at too many starts.
    pub fn set_poison(&mut self, poison: Poison) {
        self.poison = poison;
    }

    /// Works one input off.
    pub fn handle(&mut self, input: Input, now: Time) -> Vec<Output> {
        match input {
            Input::Start { start, reply } => self.start(start, reply, now),
            Input::Wake(execution) => self.wake(&execution, now),
            Input::Committed { ticket, result } => self.committed(ticket, result, now),
            Input::Outcome { key, attempt, outcome } => self.outcome(key, attempt, outcome, now),
            Input::Detached { key, attempt, handle } => self.detached(key, attempt, handle, now),
            Input::Tick => self.tick(now),
            Input::Reload { space } => self.programs.reload_space(&space),
            Input::Envelope { space } => {
                self.read_lane_limits();
                self.held.lift(&space, now);
                self.look_at_held(now);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is wanted next, if at all.
    pub fn next_due(&self) -> Option<Time> {
        let parked = self.parked.first_key_value().map(|(at, _)| *at);
        self.timers.next_due().into_iter().chain(parked).chain(self.held.next_due()).chain(self.lanes.next_due()).min()
    }

    /// Figures for metrics.
    pub fn load_figures(&self) -> Load {
        Load {
            runs: self.runs.len(),
            calls: self.lanes.waiting(),
            admission: self.admission.len(),
            held: self.held.len(),
            stuck: self.troubles.values().filter(|n| **n >= STUCK_AFTER).count(),
        }
    }

    /// The committed state of a run in memory: what simulation compares with the fold of the journal.
    pub fn state(&self, execution: &ExecutionId) -> Option<&State> {
        self.runs.get(execution).map(|run| &run.state)
    }

    fn start(&mut self, start: Box<Start>, reply: u64, now: Time) {
        let execution = start.execution.clone();
        let program = match self.programs.get(&self.store, &start.space, &start.workflow, start.version) {
            Ok(program) => program,
            Err(fault) => {
                self.out.push(Output::Reply { reply, result: Err(fault) });
                return;
            }
        };
        if self.runs.contains_key(&execution) {
            // The same start again: answered by the run that is here.
            self.enqueue(&execution, None, Some(reply), Command::Start(start));
            self.step(&execution, now);
            return;
        }
        if self.runs.len() >= RUNS_LIVE_MAX {
            // Accepted as rows: it comes into memory when it is its workflow's turn.
            let new = NewStart { start: start.clone(), if_inserted: None };
            let commit = Commit { now, starts: vec![new], ..Commit::default() };
            let queued = Queued { mail: None, reply: Some(reply), command: Command::Start(start) };
            self.submit(Ticket { execution, queued, turn: None, admitted: true }, commit);
            return;
        }
        let run = Run {
            share: (start.space.clone(), start.workflow.clone()),
            principal: start.principal.clone(),
            program,
            state: State::default(),
            queue: VecDeque::new(),
            commit: None,
            mail_seen: 0,
            mail_left: false,
            calls: BTreeMap::new(),
            dry: start.dry,
            not_before: Time(i64::MIN),
        };
        self.runs.insert(execution.clone(), run);
        self.enqueue(&execution, None, Some(reply), Command::Start(start));
        self.step(&execution, now);
    }

    /// Limits that cannot be read stay as they were.
    fn read_lane_limits(&mut self) {
        match crate::envelope::limits(&self.store, "default") {
            Ok(limits) => self.lanes.set_limits(limits.lanes),
            Err(error) => tracing::error!(error, "the limits of lanes could not be read; they stay as they were"),
        }
    }

    fn submit(&mut self, ticket: Ticket, commit: Commit) -> u64 {
        let number = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(number, ticket);
        self.out.push(Output::Commit { ticket: number, commit: Box::new(commit) });
        number
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
            if run.commit.is_some() || run.not_before > now {
                return;
            }
            if let Some(kept) = self.kept.remove(execution) {
                let found = std::mem::replace(&mut run.queue, kept);
                run.queue.extend(found);
            }
            let Some(queued) = run.queue.pop_front() else {
                if run.mail_left {
                    match self.read_mail_rows(execution) {
                        Ok(()) => continue,
                        Err(error) => {
                            tracing::error!(%execution, %error, "mail could not be read; tried again");
                            self.park(execution, now + COMMIT_RETRY);
                            return;
                        }
                    }
                }
                break;
            };
            let turn = match self.decide(execution, &queued.command, now) {
                Ok(turn) => turn,
                Err(error) => {
                    tracing::error!(%execution, %error, "a payload could not be read; the command waits");
                    self.requeue(execution, queued, false, now + COMMIT_RETRY);
                    return;
                }
            };
            self.propose(execution, queued, turn, now);
        }
        self.rest(execution);
    }

    /// Hands a turn over as a commit, or, where nothing changes, lets it be.
    fn propose(&mut self, execution: &ExecutionId, queued: Queued, mut turn: Turn, now: Time) {
        let empty = turn.facts.is_empty() && turn.effects.is_empty() && turn.close.is_empty() && turn.timers.is_empty();
        if empty && queued.mail.is_none() {
            self.begun_or_settled(execution, &queued.command, &turn, now);
            if let Some(reply) = queued.reply {
                self.out.push(Output::Reply { reply, result: Ok(execution.clone()) });
            }
            return;
        }
        let mut commit = Commit { now, ..Commit::default() };
        if !empty {
            commit.guards.push(Guard::Turn { execution: execution.clone(), base: turn.base, epoch: self.epoch });
            self.make_timers_rows(execution, &mut turn);
        }
        self.add_to_calls(execution, &queued.command, &turn, &mut commit);
        if let Some(n) = queued.mail {
            commit.mailbox_done.push((execution.clone(), n));
        }
        let turn = (!empty).then(|| Arc::new(turn));
        commit.turn = turn.clone().map(|t| (execution.clone(), t));
        let ticket = self.submit(Ticket { execution: execution.clone(), queued, turn, admitted: false }, commit);
        if let Some(run) = self.runs.get_mut(execution) {
            run.commit = Some(ticket);
        }
    }

    fn decide(&mut self, execution: &ExecutionId, command: &Command, now: Time) -> Result<Turn, store::Error> {
        let Some(run) = self.runs.get(execution) else { unreachable!("step checked that the run is here") };
        self.poison.note(&crate::poison::unit_of_run(execution));
        let catalogue = self.programs.catalogue(&self.store, &run.share.0);
        let mut payloads: HashMap<workflow::PayloadRef, Arc<Value>> = HashMap::new();
        loop {
            let read = |r: workflow::PayloadRef| payloads.get(&r).cloned();
            let cx = workflow::Cx {
                now,
                catalogue: &catalogue,
                env: self.programs.env_of(&self.store, &run.share.0, &run.share.1),
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

    /// A run with nothing under way leaves memory: waiting runs are rows.
    fn rest(&mut self, execution: &ExecutionId) {
        let Some(run) = self.runs.get(execution) else { return };
        let idle = run.queue.is_empty() && run.commit.is_none() && run.calls.is_empty();
        let status = run.state.summary().status;
        if idle && (status.is_terminal() || time::rests(status)) {
            self.runs.remove(execution);
            self.make_room();
        }
    }

    /// A place in memory is free: the next in turn comes.
    fn make_room(&mut self) {
        if let Some(next) = self.admission.next() {
            self.park(&next, Time(0));
        }
    }
}
