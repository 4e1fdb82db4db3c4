//! The world around one run: store, core, virtual clock, scripted transport, a ledger outside, and the moments at which it may crash.
//!
//! Invariants: what the core asks for is worked off one action at a time; a crash drops core, pending actions and calls in flight, the
//! store and the ledger stay; every check of `check` runs after each step.
//! Not here: what the person and the script do (`person`), which crashes are tried (`crash`).
//! Source: `design/engine.md` §13, §14.

use crate::golden::Golden;
use crate::invariant::{Invariant, Tally};
use crate::outcome::Outcome;
use crate::plant::Plant;
use crate::weather::Weather;
use anyhow::{Context as _, bail};
use engine::Programs;
use engine::core::{Core, Input, Output};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stdx::{Id, Rng, Time, Value};
use store::{Commit, Committed, Noun, RecordChange, Store};
use workflow::state::Phase;
use workflow::{Call, Class, Effect, EffectKey, Fact, FactKind, Fault, Start, State, Unbound};

/// Moves of one world at most; a run that needs more does not end.
const MOVES_MAX: usize = 4_000;
/// Actions and timer looks between two rests at most.
const ACTIONS_MAX: usize = 50_000;
/// The space of everything.
pub(crate) const SPACE: &str = "default";
/// The run that the world starts.
pub(crate) const RUN: &str = "e1";
/// Alerts that are there before the run.
const ALERTS: [&str; 4] = ["a1", "a2", "a3", "a4"];

/// How a world is run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Crash at this point (0 is the first).
    pub crash_at: Option<u64>,
    /// Work pending actions off in a shuffled order.
    pub seed: Option<u64>,
    /// Deliver every outcome of a read or write twice, and once more after its commit.
    pub duplicate: bool,
    /// No byte of any call leaves.
    pub refuse_all: bool,
    /// A planted bug.
    pub plant: Option<Plant>,
    /// Seed of the weather: what happens beside the script.
    pub weather: Option<u64>,
}

/// What came of a world.
#[derive(Clone, Debug)]
pub struct Report {
    /// What people see in the end.
    pub outcome: Outcome,
    /// Points passed, by what they are.
    pub points: Vec<&'static str>,
    /// Checks.
    pub tally: Tally,
    /// A person settled an outcome that the crash had left unknown.
    pub settled: bool,
    /// Lines of the script that found nothing to act on.
    pub idle_lines: u64,
    /// True when the planned crash took place.
    pub crashed: bool,
    /// Effects begun, in all attempts.
    pub effects: u64,
    /// What the weather did, by name.
    pub weather: BTreeMap<&'static str, u64>,
}

/// What waits to be worked off.
#[derive(Debug)]
pub(crate) enum Action {
    Commit { ticket: u64, commit: Box<Commit> },
    Perform(Flight),
}

/// A call that left and has no answer yet.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub key: EffectKey,
    pub attempt: u32,
    pub call: std::sync::Arc<Call>,
}

impl Flight {
    /// The step whose call this is.
    pub fn step(&self) -> &str {
        self.key.path.0.last().map_or("", |h| &h.name)
    }
}

/// An entry of the ledger: an attempt that began.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Key.
    pub key: EffectKey,
    /// n-th sending.
    pub attempt: u32,
    /// The bytes.
    pub bytes: String,
    /// Class.
    pub class: Class,
}

/// One run with everything around it.
pub struct World {
    pub(crate) golden: Golden,
    pub(crate) plan: Plan,
    pub(crate) store: Store,
    pub(crate) core: Core,
    pub(crate) now: Time,
    /// The run that is looked at is the last one; the others started it.
    pub(crate) runs: Vec<Id>,
    pending: VecDeque<Action>,
    rng: Option<Rng>,
    pub(crate) flying: Vec<Flight>,
    /// Attempts that began; outside the core, so it outlives a crash.
    pub ledger: Vec<Begun>,
    points: Vec<&'static str>,
    pub(crate) crashes: u32,
    pub(crate) weather: Option<Weather>,
    /// Destructive keys whose attempt had no answer when the world crashed.
    pub(crate) lost: BTreeSet<EffectKey>,
    /// Lines of the script that are done.
    pub(crate) used: BTreeSet<usize>,
    pub(crate) idle_lines: u64,
    /// Attempts whose answer is committed.
    pub(crate) answered: BTreeSet<(EffectKey, u32)>,
    pub(crate) settled: bool,
    /// The committed facts, folded one commit after the other.
    pub(crate) state: State,
    pub(crate) internal: BTreeMap<EffectKey, u32>,
    pub(crate) tally: Tally,
    dropped: bool,
    /// Timers that were ever set, and when they were due.
    pub(crate) seen_timers: BTreeMap<String, Time>,
    pub(crate) idle_moves: u32,
}

/// Whether the world goes on after a step or has to be restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Goes,
    Crashed,
}

fn programs(golden: &Golden) -> Programs {
    let allow = golden.setup.get("unbound").and_then(Value::as_str) == Some("allow");
    let unbound = if allow { Unbound::Allow } else { Unbound::Ask };
    let env = workflow::Env { kibana_url: "http://wf.example".into(), unbound, ..Default::default() };
    Programs::new(connector::Registry::built_in(), env)
}

/// The record of a connector.
pub(crate) fn connector_record(id: &str, kind: &str, config: Value) -> RecordChange {
    RecordChange {
        noun: Noun::Connector,
        space: SPACE.into(),
        id: Id::from(id),
        expect: None,
        body: Some(Value::object([
            ("name", Value::from(format!("{id} name"))),
            ("connector_type_id", Value::from(kind)),
            ("config", config),
            ("secret_names", Value::array([Value::from("token")])),
        ])),
        by: triage::Actor::person("ann", "api"),
        action: "connector.update".into(),
    }
}

/// Configuration of the SSH connector that a script's target stands for.
pub(crate) fn host_config(target: &Value) -> Value {
    let mut config = target.clone();
    if let Some(object) = config.object_mut() {
        object.insert("host_key", "SHA256:c2ltdWxhdGVkLWhvc3Qta2V5LW9mLW5vLWhvc3Q");
    }
    config
}

/// The bytes of a call as the other side sees them.
fn bytes(call: &Call) -> String {
    let call = Call { deadline: None, ..call.clone() };
    stdx::json::canonical(&stdx::json::to_value(&call))
}

impl World {
    /// A world with connectors, alerts and the workflow of a golden run in its store.
    pub fn new(golden: &Golden, plan: Plan) -> anyhow::Result<Self> {
        let store = Store::open_memory()?;
        let core = Core::new(store.clone(), programs(golden));
        let now = crate::memory::begin();
        let rng = plan.seed.map(Rng::new);
        let weather = plan.weather.map(Weather::new);
        let world = Self {
            golden: golden.clone(),
            plan,
            store,
            core,
            now,
            runs: vec![Id::from(RUN)],
            pending: VecDeque::new(),
            rng,
            flying: Vec::new(),
            ledger: Vec::new(),
            points: Vec::new(),
            crashes: 0,
            weather,
            lost: BTreeSet::new(),
            used: BTreeSet::new(),
            idle_lines: 0,
            answered: BTreeSet::new(),
            settled: false,
            state: State::default(),
            internal: BTreeMap::new(),
            tally: Tally::default(),
            dropped: false,
            seen_timers: BTreeMap::new(),
            idle_moves: 0,
        };
        world.furnish()?;
        Ok(world)
    }

    fn furnish(&self) -> anyhow::Result<()> {
        let url = |key: &str, url: &str| Value::object([(key.to_owned(), Value::from(url))]);
        let host = Value::object([("host", Value::from("h1")), ("port", Value::Int(22)), ("user", Value::from("ir"))]);
        let mut records = vec![
            connector_record("soc", ".slack_api", Value::object::<&str>([])),
            connector_record("hosts", ".ssh", host_config(&host)),
            connector_record("intel", ".http", url("url", "https://intel.example")),
        ];
        if self.golden.setup.get("model").is_some() {
            records.push(connector_record("model", ".gen-ai", url("apiUrl", "https://model.example")));
        }
        records.push(RecordChange {
            noun: Noun::Workflow,
            space: SPACE.into(),
            id: Id::from("w1"),
            expect: None,
            body: Some(Value::object([
                ("yaml", Value::from(self.golden.yaml.as_str())),
                ("enabled", Value::Bool(true)),
                ("valid", Value::Bool(true)),
            ])),
            by: triage::Actor::person("ann", "api"),
            action: "workflow.create".into(),
        });
        let raise = |id: &&str| triage::command::Request {
            space: SPACE.into(),
            by: triage::Actor::system(),
            key: None,
            command: triage::Command::AlertRaise {
                id: Id::from(*id),
                index: ".alerts-1".into(),
                document: Value::object([
                    ("@timestamp", Value::from(self.now.iso())),
                    ("kibana.alert.uuid", Value::from(*id)),
                    ("kibana.alert.workflow_status", Value::from("open")),
                ]),
            },
        };
        let commands = ALERTS.iter().map(raise).collect();
        self.store.commit_blocking(Commit { now: self.now, records, commands, ..Commit::default() })?;
        Ok(())
    }

    fn start(&self) -> Start {
        crate::memory::start("w1", &self.golden.start, self.now)
    }

    /// Runs the world to its end.
    ///
    /// - errors: the store cannot be used, or the script asks for what there is not.
    pub fn run(golden: &Golden, plan: Plan) -> anyhow::Result<Report> {
        let mut world = Self::new(golden, plan)?;
        world.drive().with_context(|| format!("{}: {:?}", golden.name, world.plan))?;
        world.check_end()?;
        let outcome = world.outcome()?;
        Ok(Report {
            outcome,
            points: world.points,
            settled: world.settled,
            idle_lines: world.idle_lines,
            crashed: world.crashes > 0,
            effects: world.ledger.len() as u64,
            weather: world.weather.map(|w| w.seen).unwrap_or_default(),
            tally: world.tally,
        })
    }

    fn drive(&mut self) -> anyhow::Result<()> {
        self.launch();
        for _ in 0..MOVES_MAX {
            self.rest()?;
            if !self.tally.broken.is_empty() {
                return Ok(());
            }
            if let Some(by) = self.weather.as_mut().and_then(Weather::jump) {
                self.now = Time(self.now.0 + by);
                self.rest()?;
            }
            if self.settle_lost()? || self.next_line()? {
                continue;
            }
            if self.finished()? {
                return Ok(());
            }
            if !self.free_move()? {
                let status = self.state.summary().status.as_str();
                self.tally.check(Invariant::Ends, false, || format!("the run is {status} and nothing moves it"));
                return Ok(());
            }
        }
        self.tally.check(Invariant::Ends, false, || format!("the run has not ended after {MOVES_MAX} moves"));
        Ok(())
    }

    /// Sends the start; a caller without an answer sends it again.
    fn launch(&mut self) {
        let input = Input::Start { start: Box::new(self.start()), reply: 1 };
        self.input(input);
    }

    /// Works everything off that does not need script, person or clock.
    pub(crate) fn rest(&mut self) -> anyhow::Result<()> {
        for _ in 0..ACTIONS_MAX {
            if !self.tally.broken.is_empty() {
                return Ok(());
            }
            if let Some(action) = self.take() {
                if self.act(action)? == After::Crashed {
                    self.restart()?;
                }
            } else if self.core.next_due().is_some_and(|due| due <= self.now) {
                self.input(Input::Tick);
            } else {
                return self.check_rest();
            }
        }
        bail!("the core never rests");
    }

    /// Gives the core an input and queues what it wants done.
    pub(crate) fn input(&mut self, input: Input) {
        let outputs = self.core.handle(input, self.now);
        self.queue(outputs);
    }

    fn queue(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Commit { ticket, commit } => self.pending.push_back(Action::Commit { ticket, commit }),
                Output::Perform { key, attempt, call, .. } => {
                    self.pending.push_back(Action::Perform(Flight { key, attempt, call }));
                }
                Output::Abort { key } => {
                    self.flying.retain(|f| f.key != key);
                    self.pending.retain(|a| !matches!(a, Action::Perform(f) if f.key == key));
                }
                Output::Reply { .. } | Output::Ended { .. } => {}
            }
        }
    }

    fn take(&mut self) -> Option<Action> {
        match &mut self.rng {
            Some(rng) => {
                let at = rng.below(self.pending.len() as u64);
                self.pending.remove(usize::try_from(at).unwrap_or_default())
            }
            None => self.pending.pop_front(),
        }
    }

    /// A moment at which the process may die; true when it does.
    pub(crate) fn point(&mut self, kind: &'static str) -> bool {
        let n = self.points.len() as u64;
        self.points.push(kind);
        match &mut self.weather {
            Some(weather) => weather.crash(),
            None => self.crashes == 0 && self.plan.crash_at == Some(n),
        }
    }

    fn act(&mut self, action: Action) -> anyhow::Result<After> {
        match action {
            Action::Commit { ticket, commit } => self.commit(ticket, &commit),
            Action::Perform(flight) => {
                if self.point("before an effect") {
                    return Ok(After::Crashed);
                }
                self.begin(&flight)?;
                if self.point("after an effect") {
                    return Ok(After::Crashed);
                }
                if self.plan.refuse_all {
                    let outcome = workflow::Outcome::NotSent(Fault::new("ConnectionRefused", "nothing leaves"));
                    self.input(Input::Outcome { key: flight.key, attempt: flight.attempt, outcome });
                } else {
                    self.flying.push(flight);
                }
                Ok(After::Goes)
            }
        }
    }

    fn commit(&mut self, ticket: u64, commit: &Commit) -> anyhow::Result<After> {
        if self.plan.plant == Some(Plant::EffectBeforeCommit) {
            for (key, effect) in commit.turn.iter().flat_map(|(_, t)| &t.effects) {
                if let Effect::Call(call) = effect {
                    self.begin(&Flight { key: key.clone(), attempt: 1, call: std::sync::Arc::new((**call).clone()) })?;
                }
            }
        }
        if self.plan.plant == Some(Plant::MailRemovedEarly) && !commit.mailbox_done.is_empty() && self.crashes == 0 {
            let mailbox_done = commit.mailbox_done.clone();
            self.store.commit_blocking(Commit { now: self.now, mailbox_done, ..Commit::default() })?;
            return Ok(After::Crashed);
        }
        if self.point("before a commit") {
            return Ok(After::Crashed);
        }
        self.check_commit(commit)?;
        let result = if self.plan.plant == Some(Plant::LostCommitAnswered)
            && !self.dropped
            && commit.turn.as_ref().is_some_and(|(_, t)| t.base > 0)
        {
            self.dropped = true;
            Ok(Committed::default())
        } else {
            let result = self.store.commit_blocking(commit.clone());
            if let Ok(committed) = &result {
                self.committed(commit, committed)?;
            }
            result
        };
        if self.point("after a commit") {
            return Ok(After::Crashed);
        }
        self.input(Input::Committed { ticket, result: result.map(Box::new) });
        self.check_fold()?;
        Ok(After::Goes)
    }

    /// What the world sees of a commit that is in the store.
    fn committed(&mut self, commit: &Commit, committed: &Committed) -> anyhow::Result<()> {
        self.idle_moves = 0;
        let Some((execution, turn)) = &commit.turn else { return Ok(()) };
        let looked_at = execution == self.run_id();
        for change in &turn.timers {
            if let workflow::TimerChange::Set { id, due, .. } = change
                && looked_at
            {
                self.seen_timers.insert(id.0.to_string(), *due);
            }
        }
        for fact in turn.facts.iter().chain(committed.answered.as_ref()) {
            if looked_at {
                workflow::evolve(&mut self.state, fact);
            }
            if let FactKind::Answered { key, attempt, outcome } = &fact.what
                && !matches!(outcome, workflow::Outcome::Unknown(f) if &*f.kind == "Interrupted")
            {
                self.answered.insert((key.clone(), *attempt));
            }
        }
        if let Some((key, Effect::Internal(command))) = turn.effects.last() {
            let n = self.internal.entry(key.clone()).or_default();
            *n += 1;
            let n = *n;
            self.tally.check(Invariant::InternalOnce, n == 1, || format!("`{key}` was committed {n} times"));
            if self.plan.plant == Some(Plant::InternalTwice)
                && let triage::Command::CommentAdd { case, id, body } = &**command
            {
                let command = triage::Command::CommentAdd {
                    case: case.clone(),
                    id: Id::from(format!("{id}-again")),
                    body: body.clone(),
                };
                // A case of another world is not here to be commented on.
                let _ = self.request("ann", command);
            }
        }
        Ok(())
    }

    /// An attempt begins: it goes into the ledger, whatever becomes of its answer.
    fn begin(&mut self, flight: &Flight) -> anyhow::Result<()> {
        self.check_begin(flight)?;
        let text = bytes(&flight.call);
        let before = self.ledger.iter().find(|b| b.key == flight.key).map(|b| b.bytes.clone());
        self.tally.check(Invariant::AsFrozen, before.is_none_or(|b| b == text), || {
            format!("`{}` was sent with other bytes under the same key", flight.key)
        });
        self.ledger.push(Begun {
            key: flight.key.clone(),
            attempt: flight.attempt,
            bytes: text,
            class: flight.call.class,
        });
        Ok(())
    }

    /// The process died: everything in memory is gone, a new core takes the store over.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.crashes += 1;
        self.pending.clear();
        self.flying.clear();
        let begun = |phase: &Phase| match phase {
            Phase::Attempting { attempt, .. } => Some(*attempt),
            _ => None,
        };
        let open: Vec<Flight> = self
            .state
            .calls()
            .iter()
            .filter_map(|c| {
                let (attempt, Effect::Call(call)) = (begun(&c.phase)?, &*c.effect) else { return None };
                Some(Flight { key: c.key.clone(), attempt, call: std::sync::Arc::new((**call).clone()) })
            })
            .collect();
        self.lost.extend(open.iter().map(|f| f.key.clone()));
        self.core = Core::new(self.store.clone(), programs(&self.golden));
        let outputs = self.core.recover(self.now)?;
        self.queue(outputs);
        if self.plan.plant == Some(Plant::DestructiveAgain) {
            let began = |f: &Flight| self.ledger.iter().any(|b| b.key == f.key && b.attempt == f.attempt);
            self.pending.extend(open.into_iter().filter(began).map(Action::Perform));
        }
        if self.store.read(|r| r.execution_get(RUN))?.is_none() {
            self.launch();
        }
        Ok(())
    }

    /// The run has ended and nothing of it is open any more.
    fn finished(&self) -> anyhow::Result<bool> {
        Ok(self.state.ended().is_some() && self.flying.is_empty() && self.open_questions()?.is_empty())
    }

    /// The run that is looked at.
    pub(crate) fn run_id(&self) -> &Id {
        self.runs.last().expect("the first one stays")
    }

    /// Its facts in the store.
    pub(crate) fn journal(&self) -> anyhow::Result<Vec<Fact>> {
        self.journal_of(self.run_id())
    }

    /// The facts of a run in the store.
    pub(crate) fn journal_of(&self, run: &Id) -> anyhow::Result<Vec<Fact>> {
        let rows = self.store.read(|r| r.journal_read(run, 0))?;
        Ok(rows.into_iter().flat_map(|row| row.facts).collect())
    }

    /// Looks at the run that the one so far has started to take its effect back; false where there is none.
    pub(crate) fn follow(&mut self) -> anyhow::Result<bool> {
        let child = self.journal()?.into_iter().rev().find_map(|f| match f.what {
            FactKind::Undoable { child, .. } => child,
            _ => None,
        });
        let Some(child) = child else { return Ok(false) };
        self.runs.push(child);
        self.state = State::default();
        for fact in self.journal()? {
            workflow::evolve(&mut self.state, &fact);
        }
        for change in self.state.timers() {
            if let workflow::TimerChange::Set { id, due, .. } = change {
                self.seen_timers.insert(id.0.to_string(), due);
            }
        }
        Ok(true)
    }
}
