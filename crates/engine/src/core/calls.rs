//! Calls: into their lane, through `Begin` where they destroy, out, and their outcomes; what was held back waits here.
//!
//! Invariants: a destructive first byte leaves only after `Attempting` is committed; what was held back keeps no place in its lane and is
//! tried again when its reason may have gone.
//! Not here: performing a call (`perform`), why one is held (`envelope`).
//! Source: `design/engine.md` §2, §9.

use super::io::Output;
use super::{Core, FIRST_BYTE_WITHIN, Open, Phase};
use crate::envelope::{Asker, Passage};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Duration, Time, Value};
use store::Commit;
use workflow::{Call, Class, Command, EffectKey, ExecutionId, FactKind, Outcome, Turn};

/// Action of the audit entry of a call that was not sent because of its workflow's level.
pub const SHADOW: &str = "effect.shadow";
/// How often a call that is held back is looked at without anything having been lifted.
pub const HELD_LOOK_EVERY: Duration = Duration::from_secs(30);

/// Calls that were held back, with when to look again.
#[derive(Debug, Default)]
pub(super) struct HeldCalls {
    calls: BTreeMap<EffectKey, (Arc<str>, Time)>,
}

impl HeldCalls {
    pub fn put(&mut self, key: EffectKey, space: Arc<str>, again: Time) {
        self.calls.insert(key, (space, again));
    }

    pub fn forget(&mut self, key: &EffectKey) {
        self.calls.remove(key);
    }

    pub fn len(&self) -> usize {
        self.calls.len()
    }

    pub fn next_due(&self) -> Option<Time> {
        self.calls.values().map(|(_, at)| *at).min()
    }

    /// Takes what is due.
    fn due(&mut self, now: Time) -> Vec<EffectKey> {
        let due: Vec<_> = self.calls.iter().filter(|(_, (_, at))| *at <= now).map(|(k, _)| k.clone()).collect();
        for key in &due {
            self.calls.remove(key);
        }
        due
    }

    /// Everything of a space (`*`: of all) is due at once.
    pub fn lift(&mut self, space: &str, now: Time) {
        for (of, at) in self.calls.values_mut() {
            if space == "*" || **of == *space {
                *at = now;
            }
        }
    }
}

impl Core {
    pub(super) fn outcome(&mut self, key: EffectKey, attempt: u32, outcome: Outcome, now: Time) {
        let execution = key.execution.clone();
        let known = self.runs.get(&execution).and_then(|r| r.calls.get(&key)).is_some_and(|o| o.phase == Phase::Sent);
        if !known {
            return; // abandoned: the late answer is dropped
        }
        self.enqueue(&execution, None, None, Command::Outcome { key, attempt, outcome });
        self.step(&execution, now);
        self.pump_lanes(now);
    }

    /// A job on another machine goes on without us from here: its handle is journaled, so that a restart finds it again.
    pub(super) fn detached(&mut self, key: EffectKey, attempt: u32, handle: Value, now: Time) {
        let execution = key.execution.clone();
        let open = self.runs.get(&execution).and_then(|r| r.calls.get(&key));
        if open.is_some_and(|o| o.phase == Phase::Sent && o.attempt == attempt) {
            self.enqueue(&execution, None, None, Command::Detached { key, handle });
            self.step(&execution, now);
        }
    }

    /// Puts a call into its lane.
    pub(super) fn offer(&mut self, execution: &ExecutionId, key: EffectKey, call: Arc<Call>, attempt: u32) {
        let Some(run) = self.runs.get_mut(execution) else { return };
        self.lanes.offer(&call.lane, run.share.clone(), key.clone());
        run.calls.insert(key, Open { call, attempt, phase: Phase::Waiting, retry: None, row: None });
    }

    /// Sends what has room in its lane.
    pub(super) fn pump_lanes(&mut self, now: Time) {
        while let Some(key) = self.lanes.next(now) {
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
                self.begin(&execution, key, now);
            } else {
                open.phase = Phase::Sent;
                let output = Output::Perform {
                    key: key.clone(),
                    attempt: open.attempt,
                    call: open.call.clone(),
                    space: run.share.0.clone(),
                    principal: run.principal.clone(),
                    not_after: None,
                    attach: None,
                };
                self.out.push(output);
            }
        }
    }

    /// A destructive call has room: `Begin` is worked off, and its commit says whether it may leave.
    fn begin(&mut self, execution: &ExecutionId, key: EffectKey, now: Time) {
        let Some(run) = self.runs.get_mut(execution) else { return };
        let Some(open) = run.calls.get_mut(&key) else { return };
        open.phase = Phase::Beginning;
        let catalogue = self.programs.catalogue(&self.store, &run.share.0);
        let target = open
            .call
            .connector
            .as_deref()
            .and_then(|id| catalogue.connector(id))
            .map_or_else(|| open.call.target.clone(), |c| c.target.clone());
        let asker = Asker { space: &run.share.0, workflow: &run.share.1 };
        let held = match self.ledger.judge(&self.store, asker, &key, &open.call, now) {
            Passage::Go => {
                open.row = Some(self.ledger.reserve(&key, asker, &open.call, now));
                None
            }
            Passage::Hold(hold) => {
                open.retry = hold.until;
                Some(hold.why)
            }
            Passage::Shadow(level) => {
                open.phase = Phase::Sent;
                let attempt = open.attempt;
                let output = catalogue.operation(&open.call.operation).map(|o| workflow::sample::sample(&o.output));
                tracing::info!(key = %key, level = level.as_str(), "a destructive call was not sent: its workflow's level forbids it");
                let outcome = Outcome::Dry(output.map_or(workflow::Body::Null, workflow::Body::from));
                self.enqueue(execution, None, None, Command::Outcome { key, attempt, outcome });
                self.step(execution, now);
                return;
            }
        };
        let command = Command::Begin { key, not_after: now + FIRST_BYTE_WITHIN, target, held };
        self.enqueue(execution, None, None, command);
        self.step(execution, now);
    }

    /// What a commit says of calls besides its turn: an attempt for the caps, a call of a workflow in the shadow for its record.
    pub(super) fn add_to_calls(&self, execution: &ExecutionId, command: &Command, turn: &Turn, commit: &mut Commit) {
        let Some(run) = self.runs.get(execution) else { return };
        match command {
            Command::Begin { key, .. } => {
                let begins =
                    turn.facts.iter().any(|f| matches!(&f.what, FactKind::Attempting { key: k, .. } if k == key));
                let row = run.calls.get(key).and_then(|open| open.row.clone());
                commit.attempts.extend(row.filter(|_| begins));
            }
            Command::Outcome { key, outcome: Outcome::Dry(_), .. } if !run.dry => {
                let Some(open) = run.calls.get(key) else { return };
                let call = &open.call;
                let details = Value::object([
                    ("execution", Value::from(execution.clone())),
                    ("key", Value::from(key.to_string())),
                    ("operation", Value::from(call.operation.clone())),
                    ("target", Value::from(crate::envelope::target_text(call))),
                    ("request", call.params.value().cloned().unwrap_or_default()),
                    ("approval", Value::from(call.approved_by.clone())),
                ]);
                let by = triage::Actor {
                    user: run.principal.clone(),
                    channel: "workflow".into(),
                    execution: Some(execution.clone()),
                    step: key.path.0.last().map(|h| h.name.clone()),
                };
                let of = ("workflow".into(), run.share.1.clone());
                let command = triage::Command::Note { action: SHADOW.into(), of, details };
                // A principal who was disabled meanwhile costs the record, not the run.
                commit.independent = true;
                commit.commands.push(triage::command::Request { space: run.share.0.clone(), by, key: None, command });
            }
            _ => {}
        }
    }

    /// After a `Begin`: perform it, or, where it was held, give its place in the lane back. After an outcome: the place is free.
    pub(super) fn begun_or_settled(&mut self, execution: &ExecutionId, command: &Command, turn: &Turn, now: Time) {
        match command {
            Command::Begin { key, .. } => {
                let attempting = turn.facts.iter().find_map(|f| match &f.what {
                    FactKind::Attempting { key: k, attempt, not_after } if k == key => Some((*attempt, *not_after)),
                    _ => None,
                });
                self.ledger.settle(key, attempting.is_some());
                let Some(run) = self.runs.get_mut(execution) else { return };
                match (attempting, run.calls.get_mut(key)) {
                    (Some((attempt, not_after)), Some(open)) => {
                        open.phase = Phase::Sent;
                        open.attempt = attempt;
                        self.out.push(Output::Perform {
                            key: key.clone(),
                            attempt,
                            call: open.call.clone(),
                            space: run.share.0.clone(),
                            principal: run.principal.clone(),
                            not_after: Some(not_after),
                            attach: None,
                        });
                    }
                    (None, Some(_)) => {
                        let Some(open) = run.calls.remove(key) else { return };
                        self.lanes.release(&open.call.lane);
                        if run.state.calls().iter().any(|c| c.key == *key) {
                            let again = open.retry.unwrap_or(now + HELD_LOOK_EVERY);
                            self.held.put(key.clone(), run.share.0.clone(), again);
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

    /// Offers calls again whose hold may be over.
    pub(super) fn look_at_held(&mut self, now: Time) {
        for key in self.held.due(now) {
            let execution = key.execution.clone();
            match self.load(&execution, now) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::error!(%execution, %error, "the run of a call that is held back could not be loaded; tried again");
                    self.held.put(key, "*".into(), now + HELD_LOOK_EVERY);
                    continue;
                }
            }
            let Some(run) = self.runs.get(&execution) else { continue };
            if run.calls.contains_key(&key) {
                continue;
            }
            let open = run.state.calls().iter().find(|c| c.key == key);
            let call = open.and_then(|c| match (&*c.effect, &c.phase) {
                (workflow::Effect::Call(call), workflow::state::Phase::Held { .. }) => {
                    Some((Arc::new((**call).clone()), c.attempts + 1))
                }
                _ => None,
            });
            if let Some((call, attempt)) = call {
                self.held.forget(&key);
                self.offer(&execution, key, call, attempt);
            }
        }
        self.pump_lanes(now);
    }
}
