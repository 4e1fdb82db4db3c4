//! Child runs: finding the workflow, starting it, its end, its cancel.
//!
//! Invariants: a child starts in the commit that asks for it; an awaited child's end reaches its parent as mail of the child's last turn;
//! whoever ends a scope cancels the awaited children below it.
//! Not here: rows and mailboxes (`store`).
//! Source: `reference/workflow-language.md` §4.9, Appendix D; `design/engine.md` §1, §4.

use super::begin::input_fault;
use super::{Work, Work_};
use crate::catalogue::WorkflowView;
use crate::core::{
    Body, Cause, Class, Command, Effect, EffectKey, ExecutionId, FactKind, Fault, Outcome, Start, Status, StepPath,
    Wait,
};
use crate::program::{Block, Inputs, StepIx};
use std::sync::Arc;
use stdx::{Id, Value};

impl Work<'_> {
    /// Starts a run of `wanted`; an awaited one ends the step later.
    pub(super) fn start_child(
        &mut self,
        path: &StepPath,
        ix: StepIx,
        wanted: &str,
        inputs: Value,
        awaited: bool,
        input: Value,
    ) -> Work_<()> {
        let step = &self.program.steps[ix];
        let kind = step.kind.clone();
        let view = match self.callee(wanted, &step.name, &inputs) {
            Ok(view) => view,
            Err(fault) => {
                self.leave_with(path, &kind, Err(fault), input);
                return Ok(());
            }
        };
        let start = self.start();
        let key = self.key(path);
        let execution = self.id(&[&path.to_string(), "child"]);
        let mut slots = vec![];
        if awaited {
            slots = start.slots.iter().chain(&self.state.slot).cloned().collect();
        }
        let child = Start {
            execution: execution.clone(),
            root: start.root.clone(),
            space: start.space.clone(),
            workflow: Id::from(&*view.id),
            version: view.version,
            test: start.test,
            principal: start.principal.clone(),
            cause: Cause::Child {
                parent: key.clone(),
                workflow: start.workflow.clone(),
                awaited,
                depth: start.cause.composition_depth() + 1,
            },
            depth: start.depth,
            visited: start.visited.iter().cloned().chain([Id::from(&*view.id)]).collect(),
            inputs: inputs.into(),
            at: self.cx.now,
            slots,
            ..Start::default()
        };
        let effect = Effect::Child(Box::new(child));
        let input = self.body(input);
        self.emit(FactKind::Asked {
            key: key.clone(),
            class: Class::Internal,
            request: Box::new(effect.clone()),
            deadline: None,
            memo: Body::Null,
            closes: awaited,
            kind: kind.clone(),
            input,
        });
        self.effects.push((key, effect));
        if awaited {
            self.emit(FactKind::Waiting {
                path: path.clone(),
                wait: Box::new(Wait::Child(execution)),
                timer: None,
                memo: Body::Null,
            });
            return Ok(());
        }
        let output = Value::object([
            ("workflowId", Value::from(&*view.id)),
            ("executionId", Value::from(execution)),
            ("awaited", Value::Bool(false)),
            ("status", Value::from("pending")),
            ("startedAt", Value::from(self.cx.now.iso())),
        ]);
        self.leave_with(path, &kind, Ok(output), Value::Null);
        Ok(())
    }

    /// The workflow that a step calls, with everything that forbids it.
    pub(super) fn callee(&self, wanted: &str, step: &str, inputs: &Value) -> Result<WorkflowView, Fault> {
        let error = |message: String| Err(Fault::new("Error", message));
        let start = self.start();
        let Some(view) = self.cx.catalogue.workflow(wanted) else {
            return error(format!("Workflow not found: \"{wanted}\" (referenced by step \"{step}\")"));
        };
        if *view.id == *start.workflow {
            return error(format!(
                "Workflow \"{wanted}\" cannot call itself (self-referencing detected in step \"{step}\")"
            ));
        }
        if !view.enabled {
            return error(format!("Workflow \"{wanted}\" is disabled (referenced by step \"{step}\")"));
        }
        if !view.valid {
            return error(format!("Workflow \"{wanted}\" is not valid (referenced by step \"{step}\")"));
        }
        let limit = self.cx.env.limits.composition_depth;
        if start.cause.composition_depth() >= limit {
            return error(format!("Workflow composition depth limit ({limit}) exceeded at step \"{step}\""));
        }
        let declared = Inputs::of(view.inputs.clone());
        let has_default = |path: &str| view.inputs.path(&["properties", path, "default"]).is_some();
        let mut problems = declared.check(inputs);
        problems.retain(|p| p.code != "missingRequiredInput" || !has_default(&p.path));
        match input_fault(&problems) {
            Some(fault) => Err(fault),
            None => Ok(view.clone()),
        }
    }

    pub(super) fn child_ended(&mut self, key: &EffectKey, result: &Result<Body, Fault>) -> Work_<()> {
        let waits = self.state.call(key).is_some_and(|c| matches!(&*c.effect, Effect::Child(_)) && !c.orphan);
        if waits { self.outcome(key, 1, &Outcome::Answered(result.clone())) } else { Ok(()) }
    }

    /// Mail that tells a child to stop.
    pub(super) fn cancel_child(&mut self, key: &EffectKey) {
        let child: Option<ExecutionId> = self.state.call(key).and_then(|c| match &*c.effect {
            Effect::Child(start) => Some(start.execution.clone()),
            _ => None,
        });
        if let Some(child) = child {
            let (by, reason) = self.why.clone().unwrap_or_else(|| ("system".into(), None));
            let reason = reason.or_else(|| Some("the run that waited for it went on without it".into()));
            self.mail.push((child, Command::Cancel { by, reason }));
        }
    }

    /// Mail to the parent that awaits this run, when it has just ended.
    pub(super) fn report_end(&mut self) -> Work_<()> {
        let start = self.start();
        let Cause::Child { parent, awaited: true, .. } = &start.cause else { return Ok(()) };
        let Some(end) = self.state.ended().cloned() else { return Ok(()) };
        let result = match end.status {
            Status::Completed => Ok(match self.load(&end.output)? {
                Value::Null => self.last_output()?,
                output => output,
            }),
            status => Err(end.error.unwrap_or_else(|| {
                let why = end.cancelled.and_then(|(_, why)| why).map_or(String::new(), |w| format!(": {w}"));
                Fault::new("Error", format!("Sub-workflow execution {}{why}", status.as_str()))
            })),
        };
        self.mail
            .push((parent.execution.clone(), Command::ChildEnded { key: parent.clone(), result: result.map(inline) }));
        Ok(())
    }

    /// What a run without `workflow.output` gives its parent: the output of its last top-level step, of a scope those of its steps.
    fn last_output(&self) -> Work_<Value> {
        let Some(ix) = self.program.root.0.last() else { return Ok(Value::Null) };
        let step = &self.program.steps[*ix];
        if step.blocks().is_empty() {
            return self.output_of(&step.name);
        }
        let mut out = vec![];
        for (lane, block) in step.blocks() {
            if !lane.contains("fallback") {
                self.outputs_of(block, &mut out)?;
            }
        }
        Ok(Value::from(out))
    }

    fn outputs_of(&self, block: &Block, out: &mut Vec<Value>) -> Work_<()> {
        for ix in &block.0 {
            let step = &self.program.steps[*ix];
            if self.state.memory_of(&[], &step.name).is_some_and(|m| m.ran) {
                if step.blocks().is_empty() {
                    out.push(self.output_of(&step.name)?);
                } else {
                    for (_, inner) in step.blocks() {
                        self.outputs_of(inner, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn output_of(&self, name: &Arc<str>) -> Work_<Value> {
        match self.state.memory_of(&[], name) {
            Some(m) => self.load(&m.output),
            None => Ok(Value::Null),
        }
    }
}

fn inline(value: Value) -> Body {
    if value.is_null() { Body::Null } else { Body::Inline(Arc::new(value)) }
}
