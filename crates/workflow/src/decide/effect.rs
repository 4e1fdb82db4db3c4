//! Effects: asking, attempts, outcomes, settlements.
//!
//! Invariants: one key, the same bytes; a destructive attempt with an unknown outcome is never sent again unless a person says so; an
//! internal effect ends its turn.
//! Not here: performing (`engine`), the writer's `Answered` (`store`).
//! Source: `design/engine.md` §2.

use super::leaf::too_large;
use super::{Work, Work_};
use crate::core::{Body, Call, Class, Effect, EffectKey, FactKind, Fault, Outcome, Retry, StepPath, TimerId, Wait};
use crate::program;
use crate::state::Phase;
use std::sync::Arc;
use stdx::{Duration, Time, Value};
use triage::question::{Question, QuestionKind, frozen_hash};

/// Sendings of a read or write at most when outcomes stay unknown.
const SENDINGS_MAX: u32 = 5;
/// Longest delay before a message that waits out an outage is sent again.
const DELIVERY_DELAY_MAX: Duration = Duration::from_secs(30);

impl Work<'_> {
    /// Asks for a change of our own records; ends the turn.
    pub(super) fn ask_internal(
        &mut self,
        path: &StepPath,
        command: triage::Command,
        memo: Value,
        input: Value,
        kind: &Arc<str>,
    ) {
        let key = self.key(path);
        let (memo, input) = (self.body(memo), self.body(input));
        let effect = Effect::Internal(Box::new(command));
        self.emit(FactKind::Asked {
            key: key.clone(),
            class: Class::Internal,
            request: Box::new(effect.clone()),
            deadline: None,
            memo,
            closes: false,
            kind: kind.clone(),
            input,
        });
        self.effects.push((key, effect));
        self.internal = true;
    }

    pub(super) fn begin_attempt(
        &mut self,
        key: &EffectKey,
        not_after: Time,
        target: &Value,
        held: Option<Arc<str>>,
    ) -> Work_<()> {
        let Some(call) = self.state.call(key) else { return Ok(()) };
        if call.class != Class::Destructive || !matches!(call.phase, Phase::Asked | Phase::Held { .. }) {
            return Ok(());
        }
        let Effect::Call(frozen) = &*call.effect else { return Ok(()) };
        let (attempt, approved, orphan, same) =
            (call.attempts + 1, frozen.approved_by.clone(), call.orphan, frozen.target == *target);
        let settled_again = call.attempts > 0;
        if let Some(why) = held {
            if !matches!(&call.phase, Phase::Held { why: old } if *old == why) {
                self.emit(FactKind::Held { key: key.clone(), why });
            }
            return Ok(());
        }
        if same || orphan || settled_again {
            if same {
                self.emit(FactKind::Attempting { key: key.clone(), attempt, not_after });
            } else {
                // The target changed after an attempt that may have run: it must not go elsewhere.
                self.emit(FactKind::Held {
                    key: key.clone(),
                    why: "the connector's target has changed since this was approved".into(),
                });
            }
            return Ok(());
        }
        if let Some(question) = approved {
            self.emit(FactKind::Void { question });
        }
        // Rendered and asked anew with the connector as it is now.
        self.done.push(key.clone());
        self.emit(FactKind::Abandoned { key: key.clone() });
        Ok(())
    }

    pub(super) fn outcome(&mut self, key: &EffectKey, attempt: u32, outcome: &Outcome) -> Work_<()> {
        let Some(call) = self.state.call(key) else { return Ok(()) };
        if matches!(call.phase, Phase::Settling) && !matches!(outcome, Outcome::Answered(_)) || call.resend.is_some() {
            return Ok(());
        }
        let call = call.clone();
        let step = key.path.0.last().and_then(|h| self.program.step(&h.name));
        let limit = step.map_or(u64::MAX, |s| self.program.bytes_max(s));
        // Also where the answer is too large for the step: the effect has happened all the same.
        let undo = match outcome {
            Outcome::Answered(Ok(body)) => {
                let output = self.load(body)?;
                self.undoable(&call, &output)?
            }
            _ => None,
        };
        match outcome {
            Outcome::Answered(Ok(Body::Inline(v))) | Outcome::Dry(Body::Inline(v)) => {
                let size = crate::json::size(v) as u64;
                let outcome = if size > limit {
                    Outcome::Answered(Err(too_large(step.map_or("", |s| &s.name), "output", limit, size)))
                } else {
                    let body = self.body((**v).clone());
                    if matches!(outcome, Outcome::Dry(_)) { Outcome::Dry(body) } else { Outcome::Answered(Ok(body)) }
                };
                self.answer(key, attempt, outcome);
            }
            Outcome::Answered(_) | Outcome::Dry(_) => self.answer(key, attempt, outcome.clone()),
            Outcome::NotSent(fault) => self.not_sent(&call, attempt, fault),
            Outcome::Unknown(fault) if call.class == Class::Destructive => {
                self.unknown_destructive(&call, attempt, fault)
            }
            Outcome::Unknown(fault) => self.unknown(&call, attempt, fault),
        }
        self.schedule(undo);
        Ok(())
    }

    fn answer(&mut self, key: &EffectKey, attempt: u32, outcome: Outcome) {
        self.done.push(key.clone());
        self.emit(FactKind::Answered { key: key.clone(), attempt, outcome });
    }

    /// No byte left: the step fails, unless its operation waits out an outage.
    fn not_sent(&mut self, call: &crate::state::CallState, attempt: u32, fault: &Fault) {
        let key = &call.key;
        self.emit(FactKind::Answered { key: key.clone(), attempt, outcome: Outcome::NotSent(fault.clone()) });
        if call.orphan {
            // Nothing was sent and the run is over: the row may go.
            self.done.push(key.clone());
            self.emit(FactKind::Abandoned { key: key.clone() });
            return;
        }
        let operation = match &*call.effect {
            Effect::Call(c) => self.cx.catalogue.operation(&c.operation),
            _ => None,
        };
        let within = operation.and_then(|o| o.deliver_within_s).map(|s| Duration::from_secs(i64::from(s)));
        let until = within.map(|w| call.asked_at + w);
        let delay = backoff(attempt);
        // What no waiting mends (wrong parameters, a refused address) fails at once.
        if let Some(until) = until
            && fault.retry != Retry::Never
            && self.cx.now + delay <= until
            && call.deadline.is_none_or(|d| self.cx.now + delay < d)
        {
            self.resend_later(call, delay);
            return;
        }
        self.done.push(key.clone());
        let input = call_input(&call.effect);
        self.leave_call(&key.path, call, Err(fault.clone()), input);
    }

    fn resend_later(&mut self, call: &crate::state::CallState, delay: Duration) {
        let until = self.cx.now + delay;
        let timer = Some(TimerId(format!("resend:{}", call.key).into()));
        self.done.push(call.key.clone());
        self.emit(FactKind::Waiting {
            path: call.key.path.clone(),
            wait: Box::new(Wait::Until(until)),
            timer,
            memo: Body::Null,
        });
    }

    /// A read or write with an unknown outcome is sent again with the same key.
    fn unknown(&mut self, call: &crate::state::CallState, attempt: u32, fault: &Fault) {
        let key = call.key.clone();
        self.emit(FactKind::Answered { key: key.clone(), attempt, outcome: Outcome::Unknown(fault.clone()) });
        let late = call.deadline.is_some_and(|d| d <= self.cx.now);
        if attempt >= SENDINGS_MAX {
            self.done.push(key.clone());
            let input = call_input(&call.effect);
            self.leave_call(&key.path, call, Err(fault.clone()), input);
        } else if late {
            // The scope's deadline is over and ends it in this very turn.
            self.done.push(key);
        } else {
            self.resend_later(call, backoff(attempt));
        }
    }

    /// A person is asked: happened, run again, skip.
    fn unknown_destructive(&mut self, call: &crate::state::CallState, attempt: u32, fault: &Fault) {
        let key = call.key.clone();
        self.emit(FactKind::Answered { key: key.clone(), attempt, outcome: Outcome::Unknown(fault.clone()) });
        let Effect::Call(frozen) = &*call.effect else { return };
        let not_after = match call.phase {
            Phase::Attempting { not_after, .. } => Some(not_after),
            _ => None,
        };
        let question = self.settlement(&key, frozen, fault, call.deadline.or(not_after), attempt);
        self.emit(FactKind::Waiting {
            path: key.path.clone(),
            wait: Box::new(Wait::Settlement(key.clone())),
            timer: None,
            memo: Body::Null,
        });
        let ask = EffectKey {
            execution: key.execution.clone(),
            path: key.path.clone(),
            call: key.call.saturating_add(1_000_000 + attempt),
        };
        self.effects.push((ask, Effect::Internal(Box::new(triage::Command::QuestionAsk(Box::new(question))))));
        self.internal = true;
    }

    fn settlement(&self, key: &EffectKey, call: &Call, fault: &Fault, until: Option<Time>, attempt: u32) -> Question {
        let step: Arc<str> = key.path.0.last().map_or_else(|| "".into(), |h| h.name.clone());
        let action = self.action(&key.path, &step, call);
        let actions = vec![action];
        let start = self.start();
        let id = stdx::id::uuid_v8(start.at, &[&key.to_string(), &attempt.to_string(), "settlement"]);
        // Sending it again needs what sending it first needed.
        let asked = call.approved_by.as_ref().and_then(|id| {
            self.state.questions().iter().find(|q| q.question.id == *id && q.question.kind == QuestionKind::Question)
        });
        let policy = asked.map_or_else(|| self.undo_policy(), |q| q.question.policy.clone());
        let running = until.map_or(String::new(), |t| format!("; it may still be running until {}", t.iso()));
        let message =
            format!("`{step}` was sent and its outcome is unknown ({}){running}. Did it happen?", fault.message);
        Question {
            id,
            kind: QuestionKind::Settlement,
            execution: start.execution.clone(),
            workflow: start.workflow.clone(),
            workflow_name: self.program.name.clone(),
            space: start.space.clone(),
            path: key.to_string().into(),
            step,
            message: message.into(),
            approve_label: "It happened".into(),
            reject_label: "Skip".into(),
            hash: frozen_hash(&actions).into(),
            actions,
            unbound: vec![],
            asked_at: self.cx.now,
            expires_at: None,
            about: self.subjects(),
            running_until: until,
            schema: Value::Null,
            policy,
        }
    }

    fn leave_call(
        &mut self,
        path: &StepPath,
        call: &crate::state::CallState,
        result: Result<Value, Fault>,
        input: Value,
    ) {
        let known = path.0.last().and_then(|h| self.program.step(&h.name));
        debug_assert!(known.is_none_or(|s| matches!(s.body, program::Body::Leaf(_))), "calls belong to leaf steps");
        self.leave_with(path, &call.kind, result, input);
    }
}

/// Delay before sending number `attempt` + 1: 0.25 s, doubled up to [`DELIVERY_DELAY_MAX`].
fn backoff(attempt: u32) -> Duration {
    let ms = 250i64.saturating_mul(1i64 << attempt.saturating_sub(1).min(20));
    Duration::from_ms(ms).min(DELIVERY_DELAY_MAX)
}

fn call_input(effect: &Effect) -> Value {
    match effect {
        Effect::Call(c) => c.params.value().cloned().unwrap_or_default(),
        _ => Value::Null,
    }
}
