//! What a case expects, compared with what the journal shows.
//!
//! Invariants: a key that is not known here is a failure, so that nothing is passed over in silence.

use super::run::{Child, Run};
use std::collections::BTreeSet;
use stdx::{Object, Time, Value};
use workflow::view::{ExecutionView, StepExecution};
use workflow::{Body, Cause, SlotState, Status};

/// Wrappers that the other engine records as executions of their own.
const WRAPPERS: [&str; 6] = ["retry", "step_level_timeout", "on-failure", "continue", "enter-continue", "fallback"];

type Test = fn(&Value, &Value) -> bool;

fn same(expected: &Value, actual: &Value) -> bool {
    match special(expected, actual) {
        Some(answer) => answer,
        None => match expected {
            Value::Object(o) => actual
                .as_object()
                .is_some_and(|a| a.len() == o.len() && o.iter().all(|(k, v)| a.get(k).is_some_and(|x| same(v, x)))),
            Value::Array(e) => {
                actual.as_array().is_some_and(|a| a.len() == e.len() && e.iter().zip(a).all(|(e, a)| same(e, a)))
            }
            other => other == actual || (other.as_f64().is_some() && other.as_f64() == actual.as_f64()),
        },
    }
}

/// `{"$any": true}`, `{"min", "max"}` and the like.
fn special(expected: &Value, actual: &Value) -> Option<bool> {
    let o = expected.as_object()?;
    if !o.is_empty() && o.iter().all(|(k, _)| matches!(&**k, "min" | "max")) {
        let n = actual.as_f64()?;
        let bound = |k: &str| o.get(k).and_then(Value::as_f64);
        return Some(bound("min").is_none_or(|m| n >= m) && bound("max").is_none_or(|m| n <= m));
    }
    let (key, value) = o.iter().next()?;
    match &**key {
        "$any" => Some(!actual.is_null()),
        "$string" => Some(actual.as_str().is_some()),
        "$falsy" | "$undefined" => Some(actual.is_null() || actual.as_str() == Some("")),
        "$notEmpty" => Some(!actual.is_null() && actual.as_str() != Some("")),
        "$array" => Some(actual.as_array().map(|a| Value::from(a.len())).as_ref() == Some(value)),
        _ => None,
    }
}

fn contains(expected: &Value, actual: &Value) -> bool {
    if let Some(answer) = special(expected, actual) {
        return answer;
    }
    match expected {
        Value::Object(o) => o.iter().all(|(k, v)| contains(v, actual.get(k).unwrap_or(&Value::Null))),
        Value::Array(e) => {
            actual.as_array().is_some_and(|a| a.len() == e.len() && e.iter().zip(a).all(|(e, a)| contains(e, a)))
        }
        other => same(other, actual),
    }
}

fn text(v: &Value) -> String {
    stdx::bounded::truncate(&stdx::json::text(v), 600).into_owned()
}

struct Check<'a> {
    run: &'a Run,
    view: ExecutionView,
    wrong: &'a mut Vec<String>,
}

pub(super) fn check(run: &Run, expect: &Value, wrong: &mut Vec<String>) {
    let view = workflow::view::execution(&run.memory.facts, Some(&run.memory.program));
    let mut check = Check { run, view, wrong };
    for (key, value) in expect.as_object().into_iter().flat_map(Object::iter) {
        check.one(key, value, expect);
    }
}

impl Check<'_> {
    fn fail(&mut self, message: impl Into<String>) {
        self.wrong.push(message.into());
    }
    fn want(&mut self, what: &str, expected: &Value, actual: &Value) {
        self.want_by(what, expected, actual, same);
    }
    fn want_by(&mut self, what: &str, expected: &Value, actual: &Value, test: Test) {
        if !test(expected, actual) {
            self.fail(format!("{what}: {} expected {}", text(actual), text(expected)));
        }
    }
    fn value(&self, body: &Body) -> Value {
        self.run.memory.value(body)
    }
    fn error(&self) -> Value {
        self.view.error.as_ref().map(workflow::view::error_value).unwrap_or_default()
    }

    fn one(&mut self, key: &str, e: &Value, expect: &Value) {
        let view = &self.view;
        match key {
            "status" => {
                let actual = view.status.as_str();
                let also = expect.get("statusAlso").map(stdx::json::text).unwrap_or_default();
                if e.as_str() != Some(actual) && !also.contains(actual) {
                    let message = format!("status {actual}, expected {}; error {}", text(e), text(&self.error()));
                    self.fail(message);
                }
            }
            "error" if e.is_null() => self.want("error", e, &self.error()),
            "error" => self.want_by("error", e, &self.error(), contains),
            "errorMessage" => {
                let message = self.error().get("message").cloned().unwrap_or_default();
                self.want("errorMessage", e, &message);
            }
            "errorContains" => {
                let (part, error) = (e.as_str().unwrap_or(""), self.error());
                if !error.get("message").and_then(Value::as_str).is_some_and(|m| m.contains(part)) {
                    self.fail(format!("error {} lacks {part}", text(&error)));
                }
            }
            "output" => self.want("output", e, &self.value(&view.output)),
            "outputMatch" => self.want_by("outputMatch", e, &self.value(&view.output), contains),
            "finishedAt" => self.want("finishedAt", e, &view.finished_at.map_or(Value::Null, |t| Value::from(t.iso()))),
            "duration" | "durationMs" => {
                let ms = view.finished_at.zip(view.started_at).map(|(f, s)| Value::Int(f.since(s).ms()));
                self.want(key, e, &ms.unwrap_or_default());
            }
            "cancelRequested" => self.want(key, e, &Value::Bool(view.cancelled.is_some())),
            "cancellationReason" => {
                let why = view.cancelled.as_ref().and_then(|(_, why)| why.clone());
                self.want(key, e, &Value::from(why));
            }
            "context" => self.context(e),
            "steps" => e.as_array().unwrap_or_default().iter().for_each(|s| self.step(s)),
            "absent" => {
                for name in e.as_array().unwrap_or_default().iter().filter_map(Value::as_str) {
                    if self.ran().any(|s| &*s.step_id == name) {
                        self.fail(format!("step {name} ran"));
                    }
                }
            }
            "allStepsTerminal" | "allStepsIn" | "stepCount" | "order" | "peakConcurrent" | "resultsContainStatus" => {
                self.all_steps(key, e);
            }
            "calls" | "notCalls" | "callCount" | "callCountFor" => self.calls(key, e),
            "wakeups" => self.want(key, e, &Value::from(self.run.memory.stored_timers)),
            "wakeInMs" => {
                let due = self.run.memory.timers.values().map(|(t, _)| *t).min();
                let ms = due.map_or(Value::Null, |t| Value::Int(t.since(self.run.memory.now).ms()));
                self.want(key, e, &ms);
            }
            "start" => self.started(e),
            _ if key.starts_with("child") => self.children(key, e),
            // The stack is empty when nothing is open; where it is not, the steps say so.
            "scopeStack" | "statusAlso" => {
                if key == "scopeStack" && e.as_array().is_some_and(<[Value]>::is_empty) && !view.status.is_terminal() {
                    self.fail("the run has not ended, so scopes are open");
                }
            }
            other => self.fail(format!("`{other}` is not known")),
        }
    }

    fn context(&mut self, e: &Value) {
        for (path, expected) in e.as_object().into_iter().flat_map(Object::iter) {
            let inputs = self.value(&self.view.inputs);
            let event = self.value(&self.view.event);
            let root = Value::object([("inputs", inputs), ("event", event)]);
            let parts: Vec<&str> = path.split('.').collect();
            let actual = root.path(&parts).cloned().unwrap_or_default();
            self.want(&format!("context {path}"), expected, &actual);
        }
    }

    /// Executions of steps that ran.
    fn ran(&self) -> impl Iterator<Item = &StepExecution> {
        self.view.steps.iter().filter(|s| s.status != Status::Skipped)
    }

    fn all_steps(&mut self, key: &str, e: &Value) {
        match key {
            "allStepsTerminal" => {
                let open: Vec<_> = self.ran().filter(|s| !s.status.is_terminal()).map(|s| s.step_id.clone()).collect();
                if !open.is_empty() {
                    self.fail(format!("open steps: {open:?}"));
                }
            }
            "allStepsIn" => {
                let allowed: Vec<&str> = e.as_array().unwrap_or_default().iter().filter_map(Value::as_str).collect();
                let odd: Vec<_> =
                    self.ran().filter(|s| !allowed.contains(&s.status.as_str())).map(|s| s.step_id.clone()).collect();
                if !odd.is_empty() {
                    self.fail(format!("steps in another state: {odd:?}"));
                }
            }
            "stepCount" => self.want(key, e, &Value::from(self.ran().count())),
            "order" => {
                let wanted: BTreeSet<&str> =
                    e.as_array().unwrap_or_default().iter().filter_map(Value::as_str).collect();
                let mut actual: Vec<Value> = vec![];
                for s in self.ran().filter(|s| wanted.contains(&*s.step_id)) {
                    let name = Value::Str(s.step_id.clone());
                    if !actual.contains(&name) {
                        actual.push(name);
                    }
                }
                self.want(key, e, &Value::from(actual));
            }
            "peakConcurrent" => {
                for (name, limit) in e.as_object().into_iter().flat_map(Object::iter) {
                    let spans: Vec<(Time, Option<Time>)> =
                        self.ran().filter(|s| s.step_id == *name).map(|s| (s.started_at, s.finished_at)).collect();
                    let at = |t: Time| spans.iter().filter(|(a, b)| *a <= t && b.is_none_or(|b| b > t)).count();
                    // What begins and ends in one moment was there for that moment alone.
                    let peak = spans.iter().map(|(a, _)| at(*a)).max().unwrap_or(0).max(usize::from(!spans.is_empty()));
                    self.want(&format!("peak of {name}"), limit, &Value::from(peak));
                }
            }
            _ => {
                for (name, wanted) in e.as_object().into_iter().flat_map(Object::iter) {
                    let outputs: Vec<Value> =
                        self.ran().filter(|s| s.step_id == *name).map(|s| self.value(&s.output)).collect();
                    let has = outputs.iter().any(|o| {
                        let results = o.get("results").and_then(Value::as_array).unwrap_or_default();
                        results.iter().any(|r| r.get("status") == Some(wanted))
                    });
                    if !has {
                        self.fail(format!("no result of {name} is {}", text(wanted)));
                    }
                }
            }
        }
    }

    fn calls(&mut self, key: &str, e: &Value) {
        let calls = &self.run.calls;
        match key {
            "callCount" => self.want(key, e, &Value::from(calls.len())),
            "callCountFor" => {
                for (connector, n) in e.as_object().into_iter().flat_map(Object::iter) {
                    let actual = calls.iter().filter(|(c, _)| **c == **connector).count();
                    self.want(&format!("calls of {connector}"), n, &Value::from(actual));
                }
            }
            _ => {
                for c in e.as_array().unwrap_or_default() {
                    let connector = c.get("connector").and_then(Value::as_str);
                    let fits = |(id, p): &(String, Value)| {
                        connector.is_none_or(|x| x == id) && c.get("params").is_none_or(|e| same(e, p))
                    };
                    if calls.iter().any(fits) != (key == "calls") {
                        let made: Vec<_> = calls.iter().map(|(c, p)| format!("{c} {}", text(p))).collect();
                        self.wrong.push(format!("{key}: {}; calls {made:?}", text(c)));
                    }
                }
            }
        }
    }

    fn started(&mut self, e: &Value) {
        let started = &self.run.started;
        let proceeds = matches!(started.state, None | Some(SlotState::Held));
        let becomes = match started.state {
            Some(SlotState::Queued) => "queued",
            Some(SlotState::Full) => "skipped",
            _ => "running",
        };
        let cancels = Value::array(started.cancels.iter().map(|id| Value::from(id.clone())));
        let key = Value::from(started.key.clone());
        for (name, expected) in e.as_object().into_iter().flat_map(Object::iter) {
            match &**name {
                "groupKey" => self.want(name, expected, &key),
                "proceeds" => self.want(name, expected, &Value::Bool(proceeds)),
                "becomes" => self.want(name, expected, &Value::from(becomes)),
                "cancels" => self.want(name, expected, &cancels),
                other => self.fail(format!("`start.{other}` is not known")),
            }
        }
        let actual = self.view.status;
        if !proceeds && actual.as_str() != becomes {
            self.fail(format!("the run is {}", actual.as_str()));
        } else if proceeds && actual != Status::Completed {
            self.fail(format!("the run went on but is {}", actual.as_str()));
        }
    }

    fn children(&mut self, key: &str, e: &Value) {
        let run = self.run;
        let of = |id: &str| run.children.iter().filter(|c| &*c.start.workflow == id).collect::<Vec<_>>();
        let inputs = |c: &Child| match &c.start.inputs {
            Body::Inline(v) => (**v).clone(),
            _ => Value::Null,
        };
        match key {
            "childMode" => {
                let sync = |c: &Child| matches!(c.start.cause, Cause::Child { awaited: true, .. });
                if !run.children.iter().all(|c| sync(c) == (e.as_str() == Some("sync"))) {
                    self.fail(format!("children are not {}", text(e)));
                }
            }
            "childTriggeredBy" => {
                let all: Vec<_> = run.children.iter().map(|c| c.start.cause.triggered_by()).collect();
                all.iter().for_each(|t| self.want(key, e, &Value::Str(t.clone())));
            }
            "childParent" => {
                for c in &run.children {
                    let Cause::Child { parent, workflow, .. } = &c.start.cause else { continue };
                    let step = parent.path.0.last().map(|h| h.name.clone());
                    let actual = Value::object([
                        ("parentWorkflowId", Value::from(workflow.clone())),
                        ("parentWorkflowExecutionId", Value::from(parent.execution.clone())),
                        ("parentStepId", Value::from(step)),
                    ]);
                    let filled = stdx::json::text(e).replace("{this workflow}", "w").replace("{this execution}", "e1");
                    let filled = stdx::json::parse(&filled).unwrap_or_default();
                    self.want(key, &filled, &actual);
                }
            }
            _ => {
                for (id, expected) in e.as_object().into_iter().flat_map(Object::iter) {
                    let found = of(id);
                    match key {
                        "childStarts" => self.want(&format!("starts of {id}"), expected, &Value::from(found.len())),
                        "childCancels" => {
                            let n: usize = found.iter().map(|c| c.cancels).sum();
                            self.want(&format!("cancels of {id}"), expected, &Value::from(n));
                        }
                        "childInputs" => found.iter().for_each(|c| self.want(key, expected, &inputs(c))),
                        "childInputsMatch" => {
                            found.iter().for_each(|c| self.want_by(key, expected, &inputs(c), contains));
                        }
                        "children" => {
                            let ended = found.iter().filter_map(|c| c.run.as_deref()).next();
                            match ended {
                                Some(child) => {
                                    let mut wrong = vec![];
                                    check(child, expected, &mut wrong);
                                    self.wrong.extend(wrong.into_iter().map(|w| format!("child {id}: {w}")));
                                }
                                None => self.fail(format!("the child {id} did not run")),
                            }
                        }
                        other => self.fail(format!("`{other}` is not known")),
                    }
                    if found.is_empty() && key != "childStarts" {
                        self.fail(format!("no child {id}"));
                    }
                }
            }
        }
    }

    fn step(&mut self, s: &Value) {
        let kind = s.get("stepType").and_then(Value::as_str);
        let name = s.get("stepId").and_then(Value::as_str);
        if kind == Some("fallback") || (kind.is_some_and(|k| WRAPPERS.contains(&k))) {
            return self.wrapper(s, name, kind.unwrap_or(""));
        }
        let Some(name) = name else {
            let wanted = kind.unwrap_or("");
            let n = self.ran().filter(|x| &*x.step_type == wanted).count();
            if let Some(e) = s.get("count") {
                self.want(&format!("executions of type {wanted}"), e, &Value::from(n));
            }
            return;
        };
        // Guards and lists are records of their own in the other engine.
        if name.starts_with("if_") || name.starts_with("foreach_") {
            return;
        }
        let mut found: Vec<StepExecution> = self.ran().filter(|x| &*x.step_id == name).cloned().collect();
        if s.get("firstOnly").is_some() {
            found.truncate(1);
        }
        let wrapped = self.run.memory.program.step(name).is_some_and(|p| p.on_failure.is_some() || p.timeout.is_some());
        for (key, e) in s.as_object().into_iter().flat_map(Object::iter) {
            match &**key {
                "stepId" | "stepType" | "firstOnly" => {}
                "count" if wrapped && kind.is_none() => {}
                "count" => self.want(&format!("executions of {name}"), e, &Value::from(found.len())),
                _ => self.executions(name, key, e, &found),
            }
        }
    }

    /// A wrapper has no record of its own here: only that it was entered is seen.
    fn wrapper(&mut self, s: &Value, name: Option<&str>, kind: &str) {
        if kind != "fallback" {
            return;
        }
        let entered = self.run.memory.facts.iter().filter(|f| {
            matches!(&f.what, workflow::FactKind::Entered { path, kind, .. }
                if &**kind == "fallback" && name.is_none_or(|n| path.0.last().is_some_and(|h| &*h.name == n)))
        });
        if let Some(e) = s.get("count") {
            let n = Value::from(entered.count());
            self.want("fallbacks entered", e, &n);
        }
    }

    fn output(&self, x: &StepExecution) -> Value {
        let output = self.value(&x.output);
        match &*x.step_type {
            "waitForInput" if self.run.nine_four => output.get("response").cloned().unwrap_or_default(),
            _ => output,
        }
    }

    fn executions(&mut self, name: &str, key: &str, e: &Value, found: &[StepExecution]) {
        let list = |items: Vec<Value>| Value::from(items);
        let parsed = |v: &Value| v.as_str().and_then(|s| stdx::json::parse(s).ok()).unwrap_or_default();
        let outputs: Vec<Value> = found.iter().map(|x| self.output(x)).collect();
        let what = format!("step {name}: {key}");
        let error = |x: &StepExecution| x.error.as_ref().map(workflow::view::error_value).unwrap_or_default();
        let member = |x: &StepExecution, k: &str| error(x).get(k).cloned().unwrap_or_default();
        let holds = |v: &Value| e.as_str().is_some_and(|part| v.as_str().is_some_and(|t| t.contains(part)));
        match key {
            "inputs" => {
                let inputs = found.iter().map(|x| self.value(&x.input)).collect();
                return self.want(&what, e, &list(inputs));
            }
            "outputs" => return self.want(&what, e, &list(outputs)),
            "outputsSorted" => {
                let mut sorted = outputs;
                sorted.sort_by_key(stdx::json::text);
                return self.want(&what, e, &list(sorted));
            }
            "outputsJsonAnyOrder" => {
                let sort = |v: Vec<Value>| {
                    let mut texts: Vec<String> = v.iter().map(stdx::json::canonical).collect();
                    texts.sort();
                    texts
                };
                let actual = sort(outputs.iter().map(parsed).collect());
                if actual != sort(e.as_array().unwrap_or_default().to_vec()) {
                    self.fail(format!("{what}: {actual:?} expected {}", text(e)));
                }
                return;
            }
            "statuses" => {
                let sort = |mut v: Vec<Value>| {
                    v.sort_by_key(stdx::json::text);
                    Value::from(v)
                };
                let actual = found.iter().map(|x| Value::from(x.status.as_str())).collect();
                return self.want(&what, &sort(e.as_array().unwrap_or_default().to_vec()), &sort(actual));
            }
            "someError" => {
                if !found.iter().any(|x| x.error.is_none()) {
                    self.fail(format!("{what}: all executions failed"));
                }
                return;
            }
            "iterations" => {
                let mut actual: Vec<Value> =
                    found.iter().filter_map(innermost).map(|n| Value::from(n.to_string())).collect();
                actual.sort_by_key(stdx::json::text);
                return self.want(&what, e, &list(actual));
            }
            "gapMs" => {
                for pair in found.windows(2) {
                    let gap = pair[0].finished_at.map_or(Value::Null, |f| Value::Int(pair[1].started_at.since(f).ms()));
                    self.want(&what, e, &gap);
                }
                return;
            }
            _ => {}
        }
        if found.is_empty() {
            return self.fail(format!("{what}: the step did not run"));
        }
        for (x, output) in found.iter().zip(&outputs) {
            match key {
                "status" => self.want(&what, e, &Value::from(x.status.as_str())),
                "statusIn" => {
                    if !e.as_array().unwrap_or_default().iter().any(|s| s.as_str() == Some(x.status.as_str())) {
                        self.fail(format!("{what}: {}", x.status.as_str()));
                    }
                }
                "error" if e.is_null() => self.want(&what, e, &error(x)),
                "error" => self.want_by(&what, e, &error(x), contains),
                "errorType" => self.want(&what, e, &member(x, "type")),
                "errorMessage" => self.want(&what, e, &member(x, "message")),
                "errorContains" | "errorContainsIfFailed" => {
                    let failed = matches!(x.status, Status::Failed);
                    if (key == "errorContains" || failed) && !holds(&member(x, "message")) {
                        self.fail(format!("{what}: {} lacks {}", text(&error(x)), text(e)));
                    }
                }
                "finishedIfFailed" => {
                    if matches!(x.status, Status::Failed) && x.finished_at.is_none() {
                        self.fail(format!("{what}: no end"));
                    }
                }
                "input" => self.want(&what, e, &self.value(&x.input)),
                "output" => self.want(&what, e, output),
                "outputMatch" => self.want_by(&what, e, output, contains),
                "outputContains" => {
                    if !holds(output) {
                        self.fail(format!("{what}: {} lacks {}", text(output), text(e)));
                    }
                }
                "outputStartsWith" => {
                    let start = e.as_str().unwrap_or("");
                    if !output.as_str().is_some_and(|t| t.starts_with(start)) {
                        self.fail(format!("{what}: {} begins otherwise", text(output)));
                    }
                }
                "outputNotContains" => {
                    let parts = e.as_array().unwrap_or_default().iter().filter_map(Value::as_str);
                    for part in parts.filter(|p| output.as_str().is_some_and(|t| t.contains(p))) {
                        self.fail(format!("{what}: {} has {part}", text(output)));
                    }
                }
                "outputJson" => self.want(&what, e, &parsed(output)),
                "outputJsonMatch" => self.want_by(&what, e, &parsed(output), contains),
                "executionTimeMs" => {
                    let ms = x.execution_time_ms().map_or(Value::Null, Value::Int);
                    self.want(&what, e, &ms);
                }
                "stateMatch" => self.want_by(&what, e, &self.value(&x.state), contains),
                "scopePath" => {
                    let names = x.path.0[..x.path.0.len() - 1].iter();
                    let mut path: Vec<Value> = names.map(|h| Value::Str(h.name.clone())).collect();
                    path.dedup();
                    self.want(&what, e, &list(path));
                }
                other => return self.fail(format!("`steps[].{other}` is not known")),
            }
        }
    }
}

fn innermost(x: &StepExecution) -> Option<u32> {
    let hop = x.path.0.iter().rev().find(|h| matches!(h.role, workflow::Role::Loop | workflow::Role::Branch))?;
    Some(match hop.role {
        workflow::Role::Branch => {
            x.path.0.iter().rev().find(|h| h.role == workflow::Role::Loop).map_or(hop.index, |h| h.index)
        }
        _ => hop.index,
    })
}
