//! The context templates and conditions read: built of what they can read and nothing else.
//!
//! Invariants: values are shared, never copied; a payload that is not loaded stops the work with its number.
//! Source: `reference/workflow-language.md` §6.

use super::{Stop, Work, Work_};
use crate::core::{Body, Cause, Fault, Hop, Mode as StartMode, Role, Start};
use crate::template::{Refs, Root};
use std::sync::Arc;
use stdx::{Object, Value};

/// An error as workflows see it.
pub(super) fn error_value(fault: &Fault) -> Value {
    let mut error = Object::new();
    error.insert("type", fault.kind.clone());
    error.insert("message", fault.message.clone());
    if !fault.details.is_null() {
        error.insert("details", fault.details.clone());
        // Authors read both; nothing in the public engine fills them reliably.
        if let Some(status) = fault.details.get("status") {
            error.insert("status", status.clone());
            error.insert("statusCode", status.clone());
        }
    }
    Value::from(error)
}

/// What a context may have beside the state.
#[derive(Default)]
pub(super) struct Extra<'a> {
    /// `error`, where one is being handled.
    pub error: Option<&'a Fault>,
    /// Loops that are only imagined, for freezing: name, items, index.
    pub loops: Vec<(Arc<str>, Value, usize)>,
    /// The effect that is to be taken back.
    pub effect: Option<Happened<'a>>,
}

/// An effect as its undo sees it.
pub(super) struct Happened<'a> {
    /// Its step.
    pub step: &'a Arc<str>,
    /// What was sent.
    pub params: &'a Value,
    /// What was answered; null before that.
    pub output: &'a Value,
}

impl Work<'_> {
    pub(super) fn context(&self, path: &[Hop], refs: &Refs) -> Work_<Root> {
        self.context_with(path, refs, &Extra::default())
    }

    pub(super) fn context_with(&self, path: &[Hop], refs: &Refs, extra: &Extra<'_>) -> Work_<Root> {
        let mut root = Object::new();
        if let Some(h) = &extra.effect {
            root.insert("params", h.params.clone());
            root.insert("output", h.output.clone());
        }
        if refs.is_empty() {
            return Ok(self.root(root));
        }
        let start = self.start();
        let mut missing = vec![];
        let mut put = |root: &mut Object, name: &str, value: Work_<Value>| match value {
            Ok(v) => drop(root.insert(name, v)),
            Err(Stop(needed)) => missing.extend(needed),
        };
        if refs.reads("inputs") {
            put(&mut root, "inputs", self.load(&self.state.inputs).map(object));
        }
        if refs.reads("event") {
            put(&mut root, "event", self.load(&start.event).map(object));
        }
        if refs.reads("metadata") && !start.metadata.is_null() {
            put(&mut root, "metadata", self.load(&start.metadata));
        }
        if refs.reads("consts") {
            root.insert("consts", object(self.program.consts.clone()));
        }
        if refs.reads("variables") {
            put(&mut root, "variables", self.variables(path));
        }
        if refs.reads("steps") {
            put(&mut root, "steps", self.steps(path, refs, extra));
        }
        if refs.reads("foreach") || refs.reads("item") {
            put(&mut root, "foreach", self.innermost_loop(path, extra));
            if let Some(item) = root.get("foreach").and_then(|f| f.get("item")).cloned() {
                root.insert("item", item);
            }
        }
        if refs.reads("while")
            && let Some(hop) = path.iter().rev().find(|h| h.role == Role::Loop)
        {
            root.insert("while", Value::object([("iteration", Value::from(hop.index))]));
        }
        if refs.reads("error")
            && let Some(error) = self.error(path, extra)?
        {
            root.insert("error", error);
        }
        if refs.reads("parent")
            && let Cause::Child { parent, workflow, depth, .. } = &start.cause
        {
            let mut about = Object::new();
            about.insert("workflowId", workflow.clone());
            about.insert("executionId", parent.execution.clone());
            about.insert("depth", *depth);
            root.insert("parent", Value::from(about));
        }
        self.about_the_run(&mut root, refs, &start);
        if missing.is_empty() {
            self.override_context(&mut root, refs, &start)?;
            Ok(self.root(root))
        } else {
            Err(Stop(missing))
        }
    }

    /// The given context of a single-step run: its members stand where the run has none of its own.
    fn override_context(&self, root: &mut Object, refs: &Refs, start: &Start) -> Work_<()> {
        let StartMode::Step(_, given) = &start.mode else { return Ok(()) };
        let given = self.load(given)?;
        for (name, value) in given.as_object().into_iter().flat_map(Object::iter).filter(|(name, _)| refs.reads(name)) {
            let merged = match (&**name, root.get(name)) {
                // What is given stands for what ran before; a retry's own outputs win.
                ("steps" | "variables", Some(own)) => over(value, own),
                ("inputs" | "event" | "consts", Some(own)) => over(own, value),
                ("execution" | "workflow" | "now", Some(_)) => continue,
                ("foreach" | "while" | "item" | "error", Some(own)) if !own.is_null() => continue,
                _ => value.clone(),
            };
            root.insert(name.clone(), merged);
        }
        if refs.reads("item")
            && !root.contains_key("item")
            && let Some(item) = given.path(&["foreach", "item"])
        {
            root.insert("item", item.clone());
        }
        Ok(())
    }

    fn root(&self, members: Object) -> Root {
        Root { value: Value::from(members), now: self.cx.now, timezone: self.program.settings.timezone.clone() }
    }

    /// The context of input defaults: nothing has run yet.
    pub(super) fn start_context(&self, start: &Start) -> Work_<Root> {
        let mut root = Object::new();
        root.insert("consts", object(self.program.consts.clone()));
        root.insert("event", object(self.load(&start.event)?));
        let mut all = Refs::default();
        ["execution", "workflow", "now", "kibanaUrl"].iter().for_each(|name| all.add(name));
        self.about_the_run(&mut root, &all, start);
        Ok(self.root(root))
    }

    fn about_the_run(&self, root: &mut Object, refs: &Refs, start: &Start) {
        if refs.reads("execution") {
            let url =
                format!("{}/app/workflows/{}?executionId={}", self.cx.env.kibana_url, start.workflow, start.execution);
            let mut execution = Object::new();
            execution.insert("id", start.execution.clone());
            execution.insert("isTestRun", start.test);
            execution.insert("url", url);
            execution.insert("executedBy", start.principal.clone());
            execution.insert("triggeredBy", start.cause.triggered_by());
            execution.insert("startedAt", self.state.started_at.unwrap_or(self.cx.now));
            if let Cause::Child { workflow, depth, .. } = &start.cause {
                execution.insert("compositionDepth", *depth);
                execution.insert("parentWorkflowId", workflow.clone());
            }
            root.insert("execution", Value::from(execution));
        }
        if refs.reads("workflow") {
            let mut workflow = Object::new();
            workflow.insert("id", start.workflow.clone());
            workflow.insert("name", self.program.name.clone());
            workflow.insert("enabled", self.program.enabled);
            workflow.insert("spaceId", start.space.clone());
            root.insert("workflow", Value::from(workflow));
        }
        if refs.reads("now") {
            root.insert("now", self.cx.now);
        }
        if refs.reads("kibanaUrl") {
            root.insert("kibanaUrl", self.cx.env.kibana_url.clone());
        }
    }

    fn variables(&self, path: &[Hop]) -> Work_<Value> {
        let mut out = Object::new();
        for (_, body) in self.state.scopes(path).flat_map(|s| &s.sets) {
            if let Value::Object(o) = self.load(body)? {
                for (k, v) in o.iter() {
                    out.insert(k.clone(), v.clone());
                }
            }
        }
        Ok(Value::from(out))
    }

    fn steps(&self, path: &[Hop], refs: &Refs, extra: &Extra<'_>) -> Work_<Value> {
        let mut out = Object::new();
        let mut missing = vec![];
        let names: std::collections::BTreeSet<&Arc<str>> = if refs.all_steps {
            self.state.scopes(path).flat_map(|s| s.steps.keys()).collect()
        } else {
            refs.steps.iter().collect()
        };
        for name in names {
            let Some(memory) = self.state.memory_of(path, name) else { continue };
            let mut step = Object::new();
            if let Ok(about) = self.load(&memory.about) {
                for (k, v) in about
                    .as_object()
                    .into_iter()
                    .flat_map(Object::iter)
                    .filter(|(k, _)| !matches!(&***k, "items" | "branch"))
                {
                    step.insert(k.clone(), v.clone());
                }
            }
            if memory.ran {
                for (key, body) in [("output", &memory.output), ("input", &memory.input)] {
                    match self.load(body) {
                        Ok(Value::Null) if memory.error.is_some() && key == "output" => {}
                        Ok(v)
                            if key == "output"
                                && self.program.step(name).is_some_and(|s| &*s.kind == "waitForInput") =>
                        {
                            step.insert(key, answered(v));
                        }
                        Ok(v) => drop(step.insert(key, v)),
                        Err(Stop(needed)) => missing.extend(needed),
                    }
                }
                if let Some(fault) = &memory.error {
                    step.insert("error", error_value(fault));
                }
            }
            out.insert(name.clone(), Value::from(step));
        }
        // Enclosing loops, by name.
        for (i, hop) in path.iter().enumerate().filter(|(_, h)| h.role == Role::Loop) {
            if refs.all_steps || refs.steps.contains(&hop.name) {
                match self.loop_at(&path[..i], hop) {
                    Ok(members) => merge(&mut out, &hop.name, members),
                    Err(Stop(needed)) => missing.extend(needed),
                }
            }
        }
        for (name, items, index) in &extra.loops {
            merge(&mut out, name, loop_members(items, *index));
        }
        if let Some(h) = &extra.effect
            && !h.output.is_null()
            && (refs.all_steps || refs.steps.contains(h.step))
        {
            merge(&mut out, h.step, Value::object([("output", h.output.clone()), ("input", h.params.clone())]));
        }
        if (refs.all_steps || refs.steps.contains("self"))
            && let Some(fault) = extra.error
        {
            out.insert("self", Value::object([("error", error_value(fault))]));
        }
        if missing.is_empty() { Ok(Value::from(out)) } else { Err(Stop(missing)) }
    }

    fn innermost_loop(&self, path: &[Hop], extra: &Extra<'_>) -> Work_<Value> {
        if let Some((_, items, index)) = extra.loops.last() {
            return Ok(loop_members(items, *index));
        }
        for (i, hop) in path.iter().enumerate().rev() {
            if hop.role == Role::Loop && self.has_items(&path[..i]) {
                return self.loop_at(&path[..i], hop);
            }
            // A branch of a dynamic `parallel` carries the list itself.
            if hop.role == Role::Branch
                && let Some(branch) = self.state.frame(&path[..=i])
                && let Some(items) = self.load(&branch.about)?.get("items")
            {
                return Ok(loop_members(items, hop.index as usize));
            }
        }
        Ok(Value::Null)
    }

    fn has_items(&self, path: &[Hop]) -> bool {
        self.state.frame(path).is_some_and(|f| &*f.kind != "while")
    }

    fn loop_at(&self, path: &[Hop], hop: &Hop) -> Work_<Value> {
        let Some(frame) = self.state.frame(path) else { return Ok(Value::Null) };
        if &*frame.kind == "while" {
            return Ok(Value::object([("iteration", Value::from(hop.index))]));
        }
        let about = self.load(&frame.about)?;
        Ok(loop_members(about.get("items").unwrap_or(&Value::Null), hop.index as usize))
    }

    fn error(&self, path: &[Hop], extra: &Extra<'_>) -> Work_<Option<Value>> {
        if let Some(fault) = extra.error {
            return Ok(Some(error_value(fault)));
        }
        for n in (1..=path.len()).rev().filter(|n| path[n - 1].role == Role::Fallback) {
            if let Some(frame) = self.state.frame(&path[..n]) {
                return Ok(self.load(&frame.about)?.get("error").cloned());
            }
        }
        Ok(None)
    }

    /// Small scope data of a frame.
    pub(super) fn about(&self, body: &Body) -> Work_<Value> {
        self.load(body)
    }
}

/// The members of `low`, with those of `high` over them.
fn over(low: &Value, high: &Value) -> Value {
    let mut out = low.as_object().cloned().unwrap_or_default();
    for (k, v) in high.as_object().into_iter().flat_map(Object::iter) {
        out.insert(k.clone(), v.clone());
    }
    Value::from(out)
}

/// An answer's envelope in which the members of `response` are found too, as 9.4 wrote them.
fn answered(envelope: Value) -> Value {
    match envelope.get("response") {
        Some(response @ Value::Object(_)) => over(response, &envelope),
        _ => envelope,
    }
}

fn object(v: Value) -> Value {
    if v.is_null() { Value::from(Object::new()) } else { v }
}

fn merge(out: &mut Object, name: &Arc<str>, members: Value) {
    let mut step = out.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    for (k, v) in members.as_object().into_iter().flat_map(Object::iter) {
        step.insert(k.clone(), v.clone());
    }
    out.insert(name.clone(), Value::from(step));
}

fn loop_members(items: &Value, index: usize) -> Value {
    let list = items.as_array().unwrap_or_default();
    let mut out = Object::new();
    out.insert("item", list.get(index).cloned().unwrap_or_default());
    out.insert("index", index);
    out.insert("total", list.len());
    out.insert("items", items.clone());
    Value::from(out)
}
