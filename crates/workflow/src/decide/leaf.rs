//! Leaf steps: render, start, go on, leave.
//!
//! Invariants: what was frozen is never rendered again; input and output are measured against the step's cap.
//! Not here: what each type does (`steps`).
//! Source: `design/engine.md` §1; `reference/workflow-language.md` §3.7.

use super::approval::Permit;
use super::{Work, Work_};
use crate::catalogue::ConnectorView;
use crate::core::{
    Body, Call, Class, Decision, DecisionVerdict, Effect, FactKind, Fault, Hop, Status, StepPath, TimerId, Wait,
};
use crate::program::{self, Leaf, StepIx};
use crate::state::QuestionState;
use crate::steps::{self, CallSpec, Next, StepCx, Wake};
use std::sync::Arc;
use stdx::{Time, Value};

/// A rendered step.
pub(super) struct Ready {
    pub params: Value,
    pub config: Value,
    pub connector: Option<ConnectorView>,
    pub root: crate::template::Root,
}

impl Work<'_> {
    pub(super) fn start_leaf(&mut self, path: &StepPath, ix: StepIx, leaf: &Leaf) -> Work_<()> {
        let step = &self.program.steps[ix];
        if let Some(undo) = self.start().undo.as_ref().filter(|u| u.undo == step.name) {
            return self.start_undo(path, ix, undo);
        }
        if step.class() == Class::Destructive
            && !self.start().dry
            && let Permit::Frozen(question, at) = self.permit(path, ix)
        {
            return self.ask_frozen(path, ix, &question, at);
        }
        let base = &path.0[..path.0.len() - 1];
        let ready = match self.render(base, ix, leaf, &super::context::Extra::default())? {
            Ok(r) => r,
            Err(fault) => {
                self.leave_with(path, &step.kind, Err(fault), Value::Null);
                return Ok(());
            }
        };
        let limit = self.program.bytes_max(step);
        let size = crate::json::size(&ready.params) as u64;
        if size > limit {
            let fault = too_large(&step.name, "input", limit, size);
            self.leave_with(path, &step.kind, Err(fault), Value::Null);
            return Ok(());
        }
        let calls = self.state.frame(&path.0).map_or(0, |f| f.calls);
        let next = self.start_code(path, ix, leaf, &ready, calls);
        self.follow(path, ix, next, ready.params, &ready.config)
    }

    /// Calls the step type's code.
    pub(super) fn start_code(&self, path: &StepPath, ix: StepIx, leaf: &Leaf, ready: &Ready, calls: u32) -> Next {
        let start = self.start();
        let cx = self.step_cx(path, ix, leaf, &start, ready, calls);
        leaf.code.start(&cx, ready.params.clone())
    }

    fn step_cx<'a>(
        &'a self,
        path: &'a StepPath,
        ix: StepIx,
        leaf: &'a Leaf,
        start: &'a crate::core::Start,
        ready: &'a Ready,
        calls: u32,
    ) -> StepCx<'a> {
        let step = &self.program.steps[ix];
        StepCx {
            path,
            name: &step.name,
            kind: &step.kind,
            start,
            now: self.cx.now,
            catalogue: self.cx.catalogue,
            config: &ready.config,
            connector: ready.connector.as_ref(),
            operation: leaf.operation.as_deref(),
            calls,
            timeout: step.timeout.as_ref(),
            root: &ready.root,
            written: &leaf.params,
            limits: self.program.settings.liquid,
        }
    }

    /// Renders parameters, step-level keys and the connector's name.
    pub(super) fn render(
        &self,
        base: &[Hop],
        ix: StepIx,
        leaf: &Leaf,
        extra: &super::context::Extra<'_>,
    ) -> Work_<Result<Ready, Fault>> {
        let step = &self.program.steps[ix];
        let mut refs = leaf.params.refs();
        refs.merge(&leaf.config.refs());
        if let Some(c) = &leaf.connector {
            refs.merge(&c.refs);
        }
        let root = self.context_with(base, &refs, extra)?;
        let render = || -> Result<(Value, Value, Option<ConnectorView>), Fault> {
            let error = |message: String| Fault::new("Error", message);
            let keep = leaf.code.unrendered();
            let params = leaf.params.eval_except(&root, keep).map_err(error)?.unwrap_or_default();
            let config = leaf.config.eval(&root).map_err(error)?.unwrap_or_default();
            let schema = leaf.operation.as_ref().map_or_else(|| steps::schema(leaf.code.meta()), |o| o.schema.clone());
            let params = steps::coerce(&schema, params);
            let connector = match &leaf.connector {
                None => None,
                Some(text) => {
                    let wanted = text.render(&root).map_err(error)?;
                    if wanted.is_empty() {
                        return Err(Fault::new("ConnectorExecutionError", "Connector ID is required"));
                    }
                    let found = self.cx.catalogue.connector(&wanted);
                    Some(found.cloned().ok_or_else(|| {
                        Fault::new("ConnectorExecutionError", format!("Connector {wanted} not found"))
                    })?)
                }
            };
            Ok((params, config, connector))
        };
        let _ = step;
        Ok(render().map(|(params, config, connector)| Ready { params, config, connector, root }))
    }

    /// Turns what a step type wants into facts and effects.
    fn follow(&mut self, path: &StepPath, ix: StepIx, next: Next, input: Value, config: &Value) -> Work_<()> {
        let step = &self.program.steps[ix];
        let kind = step.kind.clone();
        if self.start().dry {
            match next {
                Next::Call { call, memo, closes } => return self.dry_call(path, ix, *call, memo, closes),
                Next::Internal { command, memo } => return self.dry_internal(path, ix, *command, memo, input),
                Next::Until(_) => {
                    self.enter_leaf(path, &kind, input);
                    self.dry_wait(path, Value::Null);
                    return Ok(());
                }
                Next::Sleep { memo, .. } => {
                    if self.state.frame(&path.0).is_none() {
                        self.enter_leaf(path, &kind, input);
                    }
                    self.dry_wait(path, memo);
                    return Ok(());
                }
                Next::Ask(ask) => return self.dry_ask(path, ix, &ask, input),
                Next::Child { workflow, inputs, .. } => return self.dry_child(path, ix, &workflow, &inputs, input),
                Next::Done(_) | Next::Fail(_) | Next::End { .. } => {}
            }
        }
        match next {
            Next::Done(output) => self.leave_with(path, &kind, Ok(output), input),
            Next::Fail(fault) => self.leave_with(path, &kind, Err(fault), input),
            Next::Call { call, memo, closes } => return self.ask_call(path, ix, *call, memo, closes, input),
            Next::Internal { command, memo } => self.ask_internal(path, *command, memo, input, &kind),
            Next::Until(until) => {
                self.enter_leaf(path, &kind, input);
                let timer = Some(TimerId(format!("wait:{path}").into()));
                self.emit(FactKind::Waiting {
                    path: path.clone(),
                    wait: Box::new(Wait::Until(until)),
                    timer,
                    memo: Body::Null,
                });
            }
            Next::Sleep { until, memo } => {
                if self.state.frame(&path.0).is_none() {
                    self.enter_leaf(path, &kind, input);
                }
                let memo = self.body(memo);
                let timer = Some(TimerId(format!("wait:{path}").into()));
                self.emit(FactKind::Waiting { path: path.clone(), wait: Box::new(Wait::Until(until)), timer, memo });
            }
            Next::Ask(ask) => {
                self.enter_leaf(path, &kind, input);
                return self.ask_person(path, ix, *ask, config);
            }
            Next::Child { workflow, inputs, awaited } => {
                return self.start_child(path, ix, &workflow, inputs, awaited, input);
            }
            Next::End { status, output, error } => return self.end_by_step(path, &kind, status, output, error, input),
        }
        Ok(())
    }

    pub(super) fn enter_leaf(&mut self, path: &StepPath, kind: &Arc<str>, input: Value) {
        let input = self.body(input);
        self.emit(FactKind::Entered {
            path: path.clone(),
            kind: kind.clone(),
            input,
            about: Body::Null,
            deadline: None,
        });
    }

    fn end_by_step(
        &mut self,
        path: &StepPath,
        kind: &Arc<str>,
        status: Status,
        output: Value,
        error: Option<Fault>,
        input: Value,
    ) -> Work_<()> {
        if status == Status::Completed
            && let Some(problem) = self.output_problem(&output)
        {
            let fault = Fault::new("Error", format!("Output validation failed: {problem}"));
            self.leave_with(path, kind, Err(fault.clone()), input);
            self.end_run(Status::Failed, Body::Null, Some(fault), None);
            return Ok(());
        }
        // The record of a failed end is the error's, `workflow.fail` is stored as an output step (Appendix D).
        self.leave_with(path, kind, Ok(output.clone()), input);
        let record = self.body(output);
        let cancelled = match (&error, status) {
            (Some(fault), Status::Cancelled) => Some((self.start().principal.clone(), Some(fault.message.clone()))),
            _ => None,
        };
        self.end_run(status, record, error.filter(|_| status == Status::Failed), cancelled);
        Ok(())
    }

    /// What is wrong with the record of `workflow.output`, by the declared `outputs`.
    fn output_problem(&self, output: &Value) -> Option<String> {
        self.program.outputs.as_object()?;
        let validator = jsonschema::validator_for(&(&self.program.outputs).into()).ok()?;
        let problems: Vec<String> = validator
            .iter_errors(&output.into())
            .take(8)
            .map(|e| {
                let field = e.instance_path().to_string().trim_start_matches('/').replace('/', ".");
                if field.is_empty() { e.to_string() } else { format!("{field}: {e}") }
            })
            .collect();
        (!problems.is_empty()).then(|| problems.join(", "))
    }

    /// Leaves a step with its result; an output over the cap is an error instead.
    pub(super) fn leave_with(&mut self, path: &StepPath, kind: &Arc<str>, result: Result<Value, Fault>, input: Value) {
        let step = path.0.last().and_then(|h| self.program.step(&h.name));
        let limit = step.map_or(u64::MAX, |s| self.program.bytes_max(s));
        let result = match result {
            Ok(output) => {
                let size = crate::json::size(&output) as u64;
                if size > limit {
                    Err(too_large(step.map_or("", |s| &s.name), "output", limit, size))
                } else {
                    Ok(output)
                }
            }
            Err(fault) => Err(fault),
        };
        let (status, output, error) = match result {
            Ok(output) => (Status::Completed, self.body(output), None),
            Err(fault) => (Status::Failed, Body::Null, Some(fault)),
        };
        // An `Entered` or `Asked` fact has shown the input already.
        let input = if self.state.frame(&path.0).is_some() { Body::Null } else { self.body(input) };
        self.emit(FactKind::Left { path: path.clone(), status, output, error, kind: kind.clone(), input });
    }

    fn ask_call(
        &mut self,
        path: &StepPath,
        ix: StepIx,
        spec: CallSpec,
        memo: Value,
        closes: bool,
        input: Value,
    ) -> Work_<()> {
        let mut call = self.call_of(path, ix, spec);
        if closes {
            let base = &path.0[..path.0.len() - 1];
            let extra = super::context::Extra::default();
            match self.undo_plan(base, ix, &call, &extra, &|_| false)? {
                Ok(undo) => call.undo = undo,
                // What could not be taken back as it is written is not begun.
                Err(fault) => {
                    self.leave_with(path, &self.program.steps[ix].kind, Err(fault), input);
                    return Ok(());
                }
            }
        }
        if call.class == Class::Destructive {
            match self.permit(path, ix) {
                Permit::Unguarded => {}
                Permit::Ask => return self.ask_alone(path, ix, call, input),
                // Class was raised by what rendered; the question covers it all the same.
                Permit::Frozen(question, at) => return self.ask_frozen(path, ix, &question, at),
            }
        }
        self.emit_call(path, ix, call, memo, closes);
        Ok(())
    }

    /// The call that a step asks for, with deadline and caps.
    pub(super) fn call_of(&self, path: &StepPath, ix: StepIx, spec: CallSpec) -> Call {
        let step = &self.program.steps[ix];
        Call {
            operation: spec.operation,
            connector: spec.connector,
            target: spec.target,
            params: crate::core::Rendered::plain(spec.params),
            class: spec.class.max(step.effect),
            lane: spec.lane,
            deadline: self.deadline_of(path),
            bytes_max: self.program.bytes_max(step),
            approved_by: None,
            undo: None,
        }
    }

    pub(super) fn emit_call(&mut self, path: &StepPath, ix: StepIx, call: Call, memo: Value, closes: bool) {
        let kind = self.program.steps[ix].kind.clone();
        let key = self.key(path);
        let memo = self.body(memo);
        if let Some(v) = call.params.value() {
            self.bytes += crate::json::size(v);
        }
        let (class, deadline) = (call.class, call.deadline);
        let effect = Effect::Call(Box::new(call));
        self.emit(FactKind::Asked {
            key: key.clone(),
            class,
            request: Box::new(effect.clone()),
            deadline,
            memo,
            closes,
            kind,
            input: Body::Null,
        });
        self.effects.push((key, effect));
    }

    /// The nearest deadline of the scopes around `path`.
    pub(super) fn deadline_of(&self, path: &StepPath) -> Option<Time> {
        self.state
            .frames
            .iter()
            .filter(|f| path.0.starts_with(&f.path.0))
            .filter_map(|f| f.deadline)
            .chain(self.state.deadline)
            .min()
    }

    /// Runs exactly the bytes a person approved.
    pub(super) fn ask_frozen(&mut self, path: &StepPath, ix: StepIx, question: &QuestionState, at: usize) -> Work_<()> {
        let step = &self.program.steps[ix];
        let action = &question.question.actions[at];
        let undo = match self.undo_after(&path.0[..path.0.len() - 1], ix, action.undo.clone())? {
            Ok(undo) => undo,
            Err(fault) => {
                self.leave_with(path, &step.kind, Err(fault), action.request.clone());
                return Ok(());
            }
        };
        let call = Call {
            operation: action.operation.clone(),
            connector: action.connector.clone(),
            target: action.target.clone(),
            params: crate::core::Rendered::plain(action.request.clone()),
            class: Class::of_word(&action.class),
            lane: super::approval::lane(action.connector.as_ref(), &action.target),
            deadline: self.deadline_of(path),
            bytes_max: self.program.bytes_max(step),
            approved_by: Some(question.question.id.clone()),
            undo,
        };
        self.emit_call(path, ix, call, Value::Null, true);
        Ok(())
    }

    /// An effect was answered and the step wants to see it.
    pub(super) fn leaf_answered(&mut self, path: &StepPath, result: Result<Body, Fault>, memo: &Body) -> Work_<()> {
        let result = match result {
            Ok(body) => {
                let value = self.load(&body)?;
                // The writer made this payload of an internal answer; nothing has counted it yet.
                if matches!(body, Body::Payload(_)) {
                    self.heavy += crate::json::size(&value) as u64;
                }
                Ok(value)
            }
            Err(fault) => Err(fault),
        };
        let memo = self.load(memo)?;
        self.resume(path, &memo, Wake::Answered(result))
    }

    pub(super) fn leaf_woken(&mut self, path: &StepPath, decision: Option<Box<Decision>>, memo: &Body) -> Work_<()> {
        let Some(ix) = path.0.last().and_then(|h| self.program.index_of(&h.name)) else { return Ok(()) };
        let step = &self.program.steps[ix];
        let Some(decision) = decision else {
            let memo = self.load(memo)?;
            return self.resume(path, &memo, Wake::Timer);
        };
        if steps::asks(&step.kind) {
            if decision.verdict == DecisionVerdict::Expired {
                return self.expired(path);
            }
            let decision = self.with_input_defaults(decision);
            return self.resume(path, &Value::Null, Wake::Decided(decision));
        }
        self.own_question_decided(path, ix, &decision)
    }

    /// The answer of a person with the defaults of its schema.
    fn with_input_defaults(&self, mut decision: Box<Decision>) -> Box<Decision> {
        let asked = self.state.questions().iter().find(|q| q.question.id == decision.question);
        if let (Some(q), Some(given)) = (asked, &decision.input) {
            let inputs = program::Inputs::of(q.question.schema.clone());
            if let Ok(whole) = inputs.with_defaults(given, &crate::template::Root::default()) {
                decision.input = Some(whole);
            }
        }
        decision
    }

    fn resume(&mut self, path: &StepPath, memo: &Value, wake: Wake) -> Work_<()> {
        let Some(ix) = path.0.last().and_then(|h| self.program.index_of(&h.name)) else { return Ok(()) };
        let program::Body::Leaf(leaf) = &self.program.steps[ix].body else { return Ok(()) };
        let calls = self.state.frame(&path.0).map_or(0, |f| f.calls);
        let ready =
            Ready { params: Value::Null, config: Value::Null, connector: None, root: crate::template::Root::default() };
        let start = self.start();
        let next = {
            let cx = self.step_cx(path, ix, leaf, &start, &ready, calls);
            leaf.code.resume(&cx, memo, wake)
        };
        self.follow(path, ix, next, Value::Null, &Value::Null)
    }
}

pub(super) fn too_large(step: &str, what: &str, limit: u64, size: u64) -> Fault {
    let mb = limit as f64 / (1024.0 * 1024.0);
    let shown = if limit >= 1024 * 1024 { format!("{mb:.0} MB") } else { format!("{limit} bytes") };
    Fault::new(
        "StepSizeLimitExceeded",
        format!("Step \"{step}\" {what} exceeded the {shown} size limit. Raise `max-step-size`, or fetch less."),
    )
    .details(Value::object([("limitBytes", Value::from(limit)), ("actualBytes", Value::from(size))]))
}
