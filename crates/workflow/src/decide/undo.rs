//! Taking effects back: what is frozen when, when it is scheduled, and how it is carried out.
//!
//! Invariants: an undo is frozen with the effect it takes back: in the question where one freezes the effect, else when the effect is asked
//! for; what reads the effect's answer is rendered in the turn in which the effect is known to have happened, and then, where a question
//! covered the effect, it asks a person when its time has come, as it does where somebody changed the effect's parameters; what cannot be
//! taken back as written is not begun; an undo is scheduled in the commit that says that the effect happened, and by nothing else; it is
//! a run of its own, so it outlives the effect's run and passes every gate of the envelope like any other effect.
//! Not here: when a person may ask for it or stop it (`api`), rows and timers (`store`), the gates (`engine::envelope`).
//! Source: `design/engine.md` §2.2, §8, §9.

use super::context::{Extra, Happened};
use super::flow::push;
use super::{Work, Work_};
use crate::core::{
    Body, Call, Class, Effect, EffectKey, FactKind, Fault, Hop, Rendered, Role, StepPath, TimerId, UndoStart, Wait,
    undo_start,
};
use crate::duration::undo_after;
use crate::program::{self, Leaf, StepIx};
use crate::state::{CallState, Mode};
use crate::steps::Next;
use crate::template::Refs;
use std::sync::Arc;
use stdx::{Duration, Time, Value};
use triage::question::{FrozenUndo, Policy};

/// The timer of an undo that waits.
const TIMER: &str = "undo";
/// Roots of a loop, or of a fallback, that are gone when the run has ended.
const SCOPED: [&str; 4] = ["foreach", "item", "while", "error"];

/// An effect that happened and can be taken back.
pub(super) struct Undoing {
    key: EffectKey,
    undo: UndoStart,
    error: Option<Fault>,
}

impl Work<'_> {
    /// How the effect `call` of a step is taken back, frozen as far as it can be; `unknown` says what is read too early.
    ///
    /// - returns: a fault where it could not be taken back as written: the effect must not begin.
    pub(super) fn undo_plan(
        &self,
        base: &[Hop],
        ix: StepIx,
        call: &Call,
        extra: &Extra<'_>,
        unknown: &dyn Fn(&Refs) -> bool,
    ) -> Work_<Result<Option<Box<FrozenUndo>>, Fault>> {
        let step = &self.program.steps[ix];
        let Some(undo) = &step.undo else { return Ok(Ok(None)) };
        let request = call.params.value().cloned().unwrap_or_default();
        if call.class < Class::Write {
            // A request that only reads, as it rendered: there is nothing to take back.
            return Ok(Ok(None));
        }
        let own = &self.program.steps[undo.step];
        let program::Body::Leaf(leaf) = &own.body else { return Ok(Ok(None)) };
        let mut plan = FrozenUndo {
            step: own.name.clone(),
            operation: own.kind.clone(),
            class: own.class().as_str().into(),
            connector: leaf.connector.as_ref().map(|c| c.source.clone()),
            target: Value::Null,
            request: Value::Null,
            bound: false,
            template: None,
            after: undo.after.as_ref().map(|t| t.source.clone()),
            after_ms: None,
            of: FrozenUndo::mark(&request),
            retries: own.on_failure.as_ref().and_then(|p| p.retry.as_ref()).map_or(0, |r| r.max_attempts),
            secrets: vec![],
        };
        if undo.after.as_ref().is_some_and(|text| !unknown(&text.refs)) {
            match self.undo_after_at(base, ix, extra)? {
                Ok((text, length)) => (plan.after, plan.after_ms) = (Some(text), Some(length.ms())),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        if undo.needs_output || unknown(&refs_of(leaf)) {
            plan.template = Some(stdx::json::text(&leaf.params.source()).into());
            return Ok(Ok(Some(Box::new(plan))));
        }
        let effect = Some(Happened { step: &step.name, params: &request, output: &Value::Null });
        let extra = Extra { error: extra.error, loops: extra.loops.clone(), effect };
        Ok(self.undo_call(base, undo.step, leaf, &extra)?.map(|frozen| {
            let secrets = frozen.connector.as_ref().and_then(|c| self.cx.catalogue.connector(c));
            plan.secrets = secrets.map_or_else(Vec::new, |c| c.secrets.clone());
            plan.operation = frozen.operation;
            plan.class = frozen.class.as_str().into();
            plan.connector = frozen.connector;
            plan.target = frozen.target;
            plan.request = frozen.params.value().cloned().unwrap_or_default();
            plan.bound = true;
            Some(Box::new(plan))
        }))
    }

    /// `undo-after` of a step, rendered.
    fn undo_after_at(&self, base: &[Hop], ix: StepIx, extra: &Extra<'_>) -> Work_<Result<(Arc<str>, Duration), Fault>> {
        let step = &self.program.steps[ix];
        let Some(text) = step.undo.as_ref().and_then(|u| u.after.as_ref()) else {
            return Ok(Err(Fault::new("UndoNotPossible", format!("`{}` has no `undo-after`", step.name))));
        };
        let root = self.context_with(base, &text.refs, extra)?;
        let rendered = text.render(&root).and_then(|t| undo_after(t.trim()).map(|length| (t.trim().into(), length)));
        Ok(rendered
            .map_err(|message| Fault::new("UndoNotPossible", format!("`{}` was not begun: {message}", step.name))))
    }

    /// The undo that a question froze, with the length of time that was not known then.
    pub(super) fn undo_after(
        &self,
        base: &[Hop],
        ix: StepIx,
        mut undo: Option<Box<FrozenUndo>>,
    ) -> Work_<Result<Option<Box<FrozenUndo>>, Fault>> {
        if let Some(plan) = undo.as_mut().filter(|u| u.after.is_some() && u.after_ms.is_none()) {
            match self.undo_after_at(base, ix, &Extra::default())? {
                Ok((text, length)) => (plan.after, plan.after_ms) = (Some(text), Some(length.ms())),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(undo))
    }

    /// The call of an undo's step.
    fn undo_call(&self, base: &[Hop], ix: StepIx, leaf: &Leaf, extra: &Extra<'_>) -> Work_<Result<Call, Fault>> {
        let step = &self.program.steps[ix];
        let ready = match self.render(base, ix, leaf, extra)? {
            Ok(ready) => ready,
            Err(fault) => return Ok(Err(fault)),
        };
        let path = push(&[], &step.name, Role::Step, 0);
        Ok(match self.start_code(&path, ix, leaf, &ready, 0) {
            Next::Call { call, closes: true, .. } => Ok(Call {
                operation: call.operation,
                connector: call.connector,
                target: call.target,
                params: Rendered::plain(call.params),
                class: call.class.max(step.effect),
                lane: call.lane,
                deadline: None,
                bytes_max: self.program.bytes_max(step),
                approved_by: None,
                undo: None,
            }),
            Next::Fail(fault) => Err(fault),
            _ => Err(Fault::new("UndoNotPossible", format!("`{}` is not one call", step.name))),
        })
    }

    /// What must be scheduled because the effect of `call` happened and was answered with `output`.
    pub(super) fn undoable(&self, call: &CallState, output: &Value) -> Work_<Option<Undoing>> {
        let Effect::Call(effect) = &*call.effect else { return Ok(None) };
        let Some(plan) = effect.undo.as_deref().filter(|_| call.closes && !self.start().dry) else { return Ok(None) };
        let step: Arc<str> = call.key.path.0.last().map_or_else(|| "".into(), |h| h.name.clone());
        let request = effect.params.value().cloned().unwrap_or_default();
        let fits = plan.fits(&request);
        let rendered = if plan.bound && fits {
            Ok(self.bound_call(plan))
        } else {
            self.late_call(call, plan, &step, &request, output)?
        };
        let approved = effect.approved_by.as_ref();
        let covered = approved.is_some() && plan.bound && fits;
        let (call_, error) = match rendered {
            Ok(found) => {
                let approved_by = approved.filter(|_| covered).cloned();
                (Some(Box::new(Call { approved_by, ..found })), None)
            }
            Err(fault) => (None, Some(fault)),
        };
        let destroys = call_.as_ref().is_some_and(|c| c.class == Class::Destructive);
        let asked = approved.and_then(|id| self.state.questions().iter().find(|q| q.question.id == *id));
        let undo = UndoStart {
            of: call.key.clone(),
            step,
            undo: plan.step.clone(),
            call: call_,
            after: plan.after.clone(),
            due: plan.after_ms.map(|ms| self.cx.now + Duration::from_ms(ms)),
            // Changed parameters are a person's; what takes them back is looked at by one too.
            ask: approved.is_some() && !covered && (destroys || !fits),
            policy: asked.map_or_else(Policy::default, |q| q.question.policy.clone()),
            about: self.subjects(),
        };
        Ok(Some(Undoing { key: call.key.clone(), undo, error }))
    }

    /// An undo that was frozen.
    fn bound_call(&self, plan: &FrozenUndo) -> Call {
        let step = self.program.step(&plan.step);
        Call {
            operation: plan.operation.clone(),
            connector: plan.connector.clone(),
            target: plan.target.clone(),
            params: Rendered::plain(plan.request.clone()),
            class: Class::of_word(&plan.class),
            lane: super::approval::lane(plan.connector.as_ref(), &plan.target),
            deadline: None,
            bytes_max: step.map_or(program::STEP_BYTES_DEFAULT, |s| self.program.bytes_max(s)),
            approved_by: None,
            undo: None,
        }
    }

    /// An undo that is rendered now, because it reads what the effect answered, or because its effect was changed.
    fn late_call(
        &self,
        call: &CallState,
        plan: &FrozenUndo,
        name: &Arc<str>,
        request: &Value,
        output: &Value,
    ) -> Work_<Result<Call, Fault>> {
        let fault = |why: &str| Ok(Err(Fault::new("UndoNotPossible", format!("`{name}` cannot be taken back: {why}"))));
        let owner = self.program.step(name).and_then(|s| s.undo.as_ref());
        let Some(ix) = self.program.index_of(&plan.step) else { return fault("the workflow has no such undo") };
        let program::Body::Leaf(leaf) = &self.program.steps[ix].body else { return fault("its undo does nothing") };
        if owner.is_some_and(|u| u.needs_output) && output.is_null() {
            return fault("its undo reads what it answered, and that is not known");
        }
        let refs = refs_of(leaf);
        if call.orphan && SCOPED.iter().any(|root| refs.reads(root)) {
            return fault("its undo reads a loop that had ended");
        }
        let effect = Some(Happened { step: name, params: request, output });
        let extra = Extra { effect, ..Extra::default() };
        let base = &call.key.path.0[..call.key.path.0.len() - 1];
        self.undo_call(base, ix, leaf, &extra)
    }

    /// Writes down that an effect can be taken back; where it has a time, its run starts with this commit.
    pub(super) fn schedule(&mut self, undoing: Option<Undoing>) {
        let Some(Undoing { key, undo, error }) = undoing else { return };
        let start = self.start();
        // One effect, one undo: the id says nothing but whose it is.
        let child =
            (error.is_none() && undo.due.is_some()).then(|| stdx::id::uuid_v8(start.at, &[&key.to_string(), "undo"]));
        self.bytes += undo.call.as_ref().and_then(|c| c.params.value()).map_or(0, crate::json::size);
        self.emit(FactKind::Undoable { undo: Box::new(undo.clone()), child: child.clone(), error });
        if let Some(execution) = child {
            let run = undo_start(&start, &self.state.inputs, execution, undo, self.cx.now);
            self.effects.push((key, Effect::Child(Box::new(run))));
        }
    }

    /// Lets an undo's run wait for its time; false when that has come.
    pub(super) fn undo_waits(&mut self) -> bool {
        let due = self.start().undo.as_ref().and_then(|u| u.due);
        let Some(due) = due.filter(|due| *due > self.cx.now && !self.state.woken) else { return false };
        self.undo_until(due);
        true
    }

    fn undo_until(&mut self, due: Time) {
        self.emit(FactKind::Waiting {
            path: StepPath(Arc::new([])),
            wait: Box::new(Wait::Until(due)),
            timer: Some(TimerId(TIMER.into())),
            memo: Body::Null,
        });
    }

    /// A person said when a waiting undo runs.
    pub(super) fn undo_at(&mut self, at: Time) {
        let waits = self.start().undo.is_some()
            && self.state.ended().is_none()
            && self.state.frame(&[]).is_some_and(|f| matches!(f.mode, Mode::Waiting { .. }));
        if !waits {
            return;
        }
        if at > self.cx.now {
            self.undo_until(at);
        } else {
            self.emit(FactKind::Woke { path: StepPath(Arc::new([])), by: "person".into(), decision: None });
        }
    }

    /// The time of an undo has come: its frozen call is asked for, or a person is.
    pub(super) fn start_undo(&mut self, path: &StepPath, ix: StepIx, undo: &UndoStart) -> Work_<()> {
        let kind = self.program.steps[ix].kind.clone();
        if let super::approval::Permit::Frozen(question, at) = self.permit(path, ix) {
            return self.ask_frozen(path, ix, &question, at);
        }
        let Some(frozen) = undo.call.as_deref() else {
            let fault = Fault::new("UndoNotPossible", format!("`{}` cannot be taken back as written", undo.step));
            self.leave_with(path, &kind, Err(fault), Value::Null);
            return Ok(());
        };
        let mut call = Call { deadline: self.deadline_of(path), ..frozen.clone() };
        let mut moved = false;
        if let Some(id) = &call.connector {
            let Some(connector) = self.cx.catalogue.connector(id) else {
                let fault = Fault::new("ConnectorExecutionError", format!("Connector {id} not found"));
                self.leave_with(path, &kind, Err(fault), Value::Null);
                return Ok(());
            };
            moved = connector.target != call.target;
            if moved {
                // The same bytes would go elsewhere: whoever may answer sees where.
                call.target = connector.target.clone();
                call.approved_by = None;
            }
        }
        let always = self.cx.env.unbound == super::Unbound::Always && !undo.covered();
        if undo.ask || moved || (always && call.class == Class::Destructive) {
            let input = call.params.value().cloned().unwrap_or_default();
            return self.ask_alone(path, ix, call, input);
        }
        self.emit_call(path, ix, call, Value::Null, true);
        Ok(())
    }

    /// Who answers for an undo: those who answered for its effect.
    pub(super) fn undo_policy(&self) -> Policy {
        self.start().undo.as_ref().map_or_else(Policy::default, |u| u.policy.clone())
    }
}

/// What an undo's step reads.
fn refs_of(leaf: &Leaf) -> Refs {
    let mut refs = leaf.params.refs();
    refs.merge(&leaf.config.refs());
    if let Some(c) = &leaf.connector {
        refs.merge(&c.refs);
    }
    refs
}
