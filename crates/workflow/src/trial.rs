//! A run in memory: the real `decide` and `evolve` with a virtual clock, cases and alerts worked off by `triage`, and every call answered by
//! doubles.
//!
//! Invariants: nothing leaves the process: this crate has no sockets, files or clock, and a call is data handed to [`Doubles`]; the same
//! workflow, start and doubles give the same run; commands and clock steps are bounded.
//! Not here: cases and mocks as authors write them (`trial::case`), durable runs (`engine`).

pub mod case;
mod records;

use crate::catalogue::Catalogue;
use crate::core::{
    Body, Call, Class, Command, Decision, DecisionVerdict, Effect, EffectKey, Fact, FactKind, Fault, Outcome,
    PayloadRef, Start, Status, TimerChange, TimerId, Turn,
};
use crate::decide::{Cx, Decided, Env, Fuel, decide};
use crate::program::Program;
use crate::state::{State, evolve};
use records::Records;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use stdx::{Duration, Time, Value};
use triage::question::QuestionState as RowState;

/// Commands of one run at most.
pub const COMMANDS_MAX: usize = 200_000;
/// Rounds in which a turn may ask for payloads.
const NEEDS_MAX: usize = 64;
/// How long a run may take by its own clock: waits for people and schedules included.
pub const SPAN_MAX: Duration = Duration::from_secs(400 * 86_400);

/// A call as the run made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Step name.
    pub step: Arc<str>,
    /// Its path.
    pub path: Arc<str>,
    /// What would be sent.
    pub call: Call,
    /// n-th sending of these bytes, from 1.
    pub attempt: u32,
    /// n-th call of this step in the run, from 1.
    pub nth: u32,
}

/// What a person says to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Approved, rejected; `Expired` lets the clock run.
    pub verdict: DecisionVerdict,
    /// Who.
    pub by: Arc<str>,
    /// Comment.
    pub comment: Option<Arc<str>>,
    /// The object that a `waitForInput` gets.
    pub input: Option<Value>,
    /// How long after the question.
    pub after: Duration,
}

/// What answers in place of the world.
pub trait Doubles {
    /// The answer to a call.
    fn answer(&mut self, sent: &Sent) -> Outcome;
    /// What a person says; `None` leaves the question open, and the run waits or expires.
    fn decide(&mut self, question: &triage::Question) -> Option<Said>;
    /// What a child run gives.
    fn child(&mut self, start: &Start) -> Result<Value, Fault>;
}

/// How a run came to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It ended.
    Ended(Status),
    /// Nobody answers its question.
    Person,
    /// It goes on and on.
    Endless,
    /// Nothing is left to do, and it has not ended: a mistake of the engine.
    Stuck,
}

/// A run in memory.
pub struct Trial<'a> {
    program: &'a Program,
    catalogue: &'a Catalogue,
    env: Env,
    state: State,
    facts: Vec<Fact>,
    payloads: BTreeMap<PayloadRef, Arc<Value>>,
    outbox: VecDeque<(EffectKey, Effect)>,
    attempts: BTreeMap<EffectKey, u32>,
    calls_of: BTreeMap<Arc<str>, u32>,
    timers: BTreeMap<Arc<str>, Time>,
    records: Records,
    questions: Vec<(triage::Question, RowState, Option<Option<Said>>)>,
    now: Time,
    /// Every call in order.
    pub sent: Vec<Sent>,
    /// Every change of our own records in order.
    pub changes: Vec<(Arc<str>, triage::Command)>,
    commands: usize,
}

impl<'a> Trial<'a> {
    /// A run that has not started; `alerts` are known to it.
    pub fn new(
        program: &'a Program,
        catalogue: &'a Catalogue,
        env: Env,
        space: &Arc<str>,
        alerts: &[Value],
        now: Time,
    ) -> Self {
        Self {
            program,
            catalogue,
            env,
            state: State::default(),
            facts: vec![],
            payloads: BTreeMap::new(),
            outbox: VecDeque::new(),
            attempts: BTreeMap::new(),
            calls_of: BTreeMap::new(),
            timers: BTreeMap::new(),
            records: Records::new(space, alerts, now),
            questions: vec![],
            now,
            sent: vec![],
            changes: vec![],
            commands: 0,
        }
    }

    /// Runs until it ends or rests.
    pub fn run(&mut self, start: Start, doubles: &mut dyn Doubles) -> Rest {
        let until = self.now + SPAN_MAX;
        if self.send(Command::Start(Box::new(start)), doubles).is_none() {
            return Rest::Endless;
        }
        loop {
            if let Some(end) = self.state.ended() {
                return Rest::Ended(end.status);
            }
            if self.commands >= COMMANDS_MAX || self.now > until {
                return Rest::Endless;
            }
            let stepped = if let Some((key, effect)) = self.outbox.pop_front() {
                self.perform(key, effect, doubles)
            } else if let Some(at) = self.next_said(doubles) {
                self.said(at, doubles)
            } else if let Some((id, due)) = self.timers.iter().min_by_key(|(id, due)| (**due, (*id).clone())) {
                let (id, due) = (id.clone(), *due);
                let asks = self.questions.iter().any(|(q, s, _)| *s == RowState::Open && q.expires_at == Some(due));
                if asks && self.unanswered() {
                    return Rest::Person;
                }
                self.timers.remove(&id);
                self.now = self.now.max(due);
                self.send(Command::Timer(TimerId(id)), doubles)
            } else if self.questions.iter().any(|(_, s, _)| *s == RowState::Open) {
                return Rest::Person;
            } else {
                return Rest::Stuck;
            };
            if stepped.is_none() {
                return Rest::Endless;
            }
        }
    }

    /// True where a question is open to which nobody says a word, not even *let it expire*.
    fn unanswered(&self) -> bool {
        self.questions.iter().any(|(_, s, said)| *s == RowState::Open && matches!(said, Some(None)))
    }

    /// The question whose answer comes before every timer.
    fn next_said(&mut self, doubles: &mut dyn Doubles) -> Option<usize> {
        for (q, state, said) in &mut self.questions {
            if *state == RowState::Open && said.is_none() {
                *said = Some(doubles.decide(q));
            }
        }
        let due = self.timers.values().min().copied();
        let mut answers: Vec<(Time, usize)> = vec![];
        for (i, (q, state, said)) in self.questions.iter().enumerate() {
            if let (RowState::Open, Some(Some(said))) = (state, said)
                && said.verdict != DecisionVerdict::Expired
            {
                answers.push((q.asked_at + said.after, i));
            }
        }
        let (at, i) = answers.into_iter().min()?;
        due.is_none_or(|d| at <= d).then_some(i)
    }

    fn said(&mut self, i: usize, doubles: &mut dyn Doubles) -> Option<()> {
        let (question, _, said) = self.questions.get(i)?;
        let said = said.clone().flatten()?;
        let (id, at) = (question.id.clone(), question.asked_at + said.after);
        self.now = self.now.max(at);
        self.questions[i].1 = match (said.input.is_some(), said.verdict) {
            (true, _) => RowState::Answered,
            (false, DecisionVerdict::Approved) => RowState::Approved,
            _ => RowState::Rejected,
        };
        let decision = Decision {
            question: id,
            verdict: said.verdict,
            by: said.by,
            at: self.now,
            channel: "test".into(),
            comment: said.comment,
            input: said.input,
            actions: None,
        };
        self.send(Command::Decided(decision), doubles)
    }

    fn perform(&mut self, key: EffectKey, effect: Effect, doubles: &mut dyn Doubles) -> Option<()> {
        let call = match effect {
            Effect::Call(call) => *call,
            Effect::Child(start) => {
                let awaited = matches!(start.cause, crate::core::Cause::Child { awaited: true, .. });
                if !awaited {
                    let _ = doubles.child(&start);
                    return Some(());
                }
                let result = doubles.child(&start).map(Body::from);
                return self.send(Command::ChildEnded { key, result }, doubles);
            }
            Effect::Internal(_) | Effect::Slot(_) => return Some(()),
        };
        let step = key.path.0.last().map_or_else(|| "".into(), |h| h.name.clone());
        let attempt = self.attempts.entry(key.clone()).and_modify(|n| *n += 1).or_insert(1);
        let attempt = *attempt;
        let nth = self.calls_of.entry(step.clone()).and_modify(|n| *n += u32::from(attempt == 1)).or_insert(1);
        let sent = Sent { step, path: key.path.to_string().into(), call, attempt, nth: *nth };
        let outcome = doubles.answer(&sent);
        let begins = sent.call.class == Class::Destructive && !matches!(outcome, Outcome::NotSent(_));
        if begins {
            let connector = sent.call.connector.as_ref().and_then(|c| self.catalogue.connector(c));
            let target = connector.map_or_else(|| sent.call.target.clone(), |c| c.target.clone());
            let not_after = self.now + Duration::from_secs(30);
            self.send(Command::Begin { key: key.clone(), not_after, target, held: None }, doubles)?;
        }
        self.sent.push(sent);
        let sending = self.attempts.get(&key).copied().unwrap_or(1);
        self.send(Command::Outcome { key, attempt: sending, outcome }, doubles)
    }

    /// Works a command off with all that follows in our own records; `None` when the run does not come to rest.
    fn send(&mut self, command: Command, doubles: &mut dyn Doubles) -> Option<()> {
        let mut waiting = VecDeque::from([command]);
        while let Some(command) = waiting.pop_front() {
            self.commands += 1;
            if self.commands >= COMMANDS_MAX {
                return None;
            }
            let turn = self.turn(&command)?;
            let more = turn.more;
            if self.commit(turn) || more {
                waiting.push_back(Command::Continue);
            }
        }
        let _ = doubles;
        Some(())
    }

    fn turn(&self, command: &Command) -> Option<Turn> {
        let loaded = RefCell::new(BTreeSet::new());
        for _ in 0..NEEDS_MAX {
            let payloads =
                |r: PayloadRef| loaded.borrow().contains(&r).then(|| self.payloads.get(&r).cloned()).flatten();
            let cx = Cx {
                now: self.now,
                catalogue: self.catalogue,
                env: &self.env,
                payloads: &payloads,
                fuel: Fuel::default(),
            };
            match decide(self.program, &self.state, command, &cx) {
                Decided::Turn(turn) => return Some(*turn),
                Decided::Need(refs) => loaded.borrow_mut().extend(refs),
            }
        }
        None
    }

    /// Folds a turn; true where a change of our own records was answered.
    fn commit(&mut self, turn: Turn) -> bool {
        self.payloads.extend(turn.payloads);
        for fact in turn.facts {
            self.fold(fact);
        }
        self.outbox.retain(|(k, _)| !turn.done.contains(k));
        for change in turn.timers {
            match change {
                TimerChange::Set { id, due, .. } => drop(self.timers.insert(id.0, due)),
                TimerChange::Clear { id } => drop(self.timers.remove(&id.0)),
            }
        }
        for (id, state) in turn.close {
            if let Some(row) = self.questions.iter_mut().find(|(q, s, _)| q.id == id && *s == RowState::Open) {
                row.1 = state;
            }
        }
        let mut internal = false;
        for (key, effect) in turn.effects {
            match effect {
                Effect::Internal(command) => {
                    internal = true;
                    let result = self.internal(&key, &command);
                    let outcome = Outcome::Answered(result.map(Body::from));
                    self.fold(Fact { at: self.now, what: FactKind::Answered { key, attempt: 1, outcome } });
                }
                // A run in memory is alone in its group.
                Effect::Slot(_) => {
                    internal = true;
                    let taken = crate::slot::Taken { state: crate::slot::SlotState::Held, cancelled: vec![] };
                    let outcome = Outcome::Answered(Ok(Body::from(taken.to_value())));
                    self.fold(Fact { at: self.now, what: FactKind::Answered { key, attempt: 1, outcome } });
                }
                other => self.outbox.push_back((key, other)),
            }
        }
        internal
    }

    fn fold(&mut self, fact: Fact) {
        evolve(&mut self.state, &fact);
        self.facts.push(fact);
    }

    fn internal(&mut self, key: &EffectKey, command: &triage::Command) -> Result<Value, Fault> {
        match command {
            triage::Command::QuestionAsk(q) => {
                self.questions.push(((**q).clone(), RowState::Open, None));
                return Ok(Value::Null);
            }
            triage::Command::QuestionClose { id, state } => {
                return match self.questions.iter_mut().find(|(q, s, _)| q.id == *id && *s == RowState::Open) {
                    Some(row) => {
                        row.1 = *state;
                        Ok(Value::Null)
                    }
                    None => Err(Fault::new("Conflict", "decided already")),
                };
            }
            _ => {}
        }
        let step: Arc<str> = key.path.0.last().map_or_else(|| "".into(), |h| h.name.clone());
        self.changes.push((step.clone(), command.clone()));
        self.records.apply(self.now, &key.execution, &step, command)
    }

    /// The journal.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }
    /// The folded state.
    pub const fn state(&self) -> &State {
        &self.state
    }
    /// The value of a body.
    pub fn value(&self, body: &Body) -> Value {
        match body {
            Body::Null | Body::Blob(_) => Value::Null,
            Body::Inline(v) => (**v).clone(),
            Body::Payload(r) => self.payloads.get(r).map_or(Value::Null, |v| (**v).clone()),
        }
    }
    /// Questions asked, with how they ended.
    pub fn questions(&self) -> impl Iterator<Item = (&triage::Question, RowState)> {
        self.questions.iter().map(|(q, s, _)| (q, *s))
    }
    /// Cases with their comments, in the order in which they were opened.
    pub fn cases(&self) -> Vec<Value> {
        self.records.cases()
    }
    /// The alert as the run left it.
    pub fn alert(&self, id: &str) -> Option<Value> {
        self.records.alert(id)
    }
    /// By its own clock.
    pub const fn now(&self) -> Time {
        self.now
    }
}
