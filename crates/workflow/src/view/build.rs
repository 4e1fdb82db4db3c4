//! From facts to the view, one fact after the other.

use super::{Attempt, ExecutionView, StepExecution, Waited};
use crate::core::{
    Body, Call, Class, Effect, EffectKey, Fact, FactKind, Fault, Hop, Outcome, Role, Status, StepPath, Wait,
};
use crate::program::Program;
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// Bytes of a request's text at most.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

struct Asked {
    key: EffectKey,
    closes: bool,
    internal: bool,
    since: Time,
    question: bool,
}

struct Builder<'a> {
    program: Option<&'a Program>,
    execution: Id,
    view: ExecutionView,
    open: Vec<usize>,
    asked: Vec<Asked>,
    counts: BTreeMap<Arc<str>, usize>,
    /// Where the step stands that was left last: what ends a run completes the scopes around it.
    last: Vec<Hop>,
}

pub(super) fn build(facts: &[Fact], program: Option<&Program>) -> ExecutionView {
    let mut b = Builder {
        program,
        execution: Id::from(""),
        view: ExecutionView { status: Status::Pending, ..ExecutionView::default() },
        open: vec![],
        asked: vec![],
        counts: BTreeMap::new(),
        last: vec![],
    };
    let mut state = crate::State::default();
    for fact in facts {
        crate::evolve(&mut state, fact);
        b.fact(fact);
    }
    b.view.status = state.summary().status;
    b.view.wait_ms = b.view.steps.iter().flat_map(|s| &s.waits).filter_map(|w| Some(w.to?.since(w.from).ms())).sum();
    b.view
}

impl Builder<'_> {
    fn fact(&mut self, fact: &Fact) {
        let at = fact.at;
        match &fact.what {
            FactKind::Started { start, inputs, .. } => {
                self.execution = start.execution.clone();
                self.view.started_at = Some(at);
                self.view.inputs = inputs.clone();
                self.view.event = start.event.clone();
            }
            FactKind::Entered { path, kind, input, about, .. } if is_step(path) => {
                let ix = self.record(path, kind, at);
                let step = &mut self.view.steps[ix];
                step.input = input.clone();
                step.state = about.clone();
            }
            FactKind::Left { path, status, output, error, kind, input } => {
                self.last = path.0.to_vec();
                if is_step(path) {
                    self.left(path, *status, output, error.as_ref(), kind, input, at);
                } else {
                    self.close_below(&path.0, *status, error.as_ref(), at);
                }
            }
            FactKind::Asked { key, class, request, closes, kind, input, .. } => {
                self.asked(key, *class, request, *closes, kind, input, at)
            }
            FactKind::Attempting { key, .. } => {
                if let Some(a) = self.asked.iter_mut().find(|a| a.key == *key) {
                    a.since = at;
                }
            }
            FactKind::Held { key, .. } => {
                self.view.held += 1;
                self.with(&key.path, |s| s.delivery = Some("held back".into()));
            }
            FactKind::Answered { key, attempt, outcome } => self.answered(key, *attempt, outcome, at),
            FactKind::Settled { key, by, .. } => {
                let text: Arc<str> = format!("settled by {by}").into();
                self.with(&key.path, |s| {
                    s.delivery = Some(text.clone());
                    end_wait(s, at);
                    if s.finished_at.is_none() {
                        s.status = Status::Running;
                    }
                });
            }
            FactKind::Abandoned { key } => {
                self.asked.retain(|a| a.key != *key);
                self.with(&key.path, |s| s.delivery = Some("given up".into()));
            }
            FactKind::Waiting { path, wait, .. } => self.waiting(path, wait, at),
            FactKind::Woke { path, .. } => {
                let path = step_of(path);
                self.with(&path, |s| {
                    end_wait(s, at);
                    if !s.status.is_terminal() {
                        s.status = Status::Running;
                    }
                });
            }
            FactKind::Ended { status, output, error, cancelled } => {
                self.view.finished_at = Some(at);
                self.view.output = output.clone();
                self.view.error = error.clone();
                self.view.cancelled = cancelled.clone();
                let (status, error) = match status {
                    Status::TimedOut => {
                        (Status::Failed, Some(Fault::new("TimeoutError", "Failed due to workflow timeout")))
                    }
                    other => (*other, error.clone()),
                };
                // A branch that ends the run early cuts its siblings off.
                let beside: Vec<usize> = self
                    .open
                    .iter()
                    .copied()
                    .filter(|ix| status == Status::Completed && !around(&self.view.steps[*ix].path.0, &self.last))
                    .collect();
                for ix in beside {
                    self.finish(ix, Status::Cancelled, &Body::Null, None, at);
                }
                self.close_below(&[], status, error.as_ref(), at);
            }
            FactKind::Logged { message, level, .. } => self.view.log.push((at, level.clone(), message.clone())),
            FactKind::Entered { .. }
            | FactKind::Detached { .. }
            | FactKind::Void { .. }
            | FactKind::Weighed { .. }
            | FactKind::Recalled { .. }
            | FactKind::Undoable { .. } => {}
        }
    }

    /// The open record at `path`, begun where there is none.
    fn record(&mut self, path: &StepPath, kind: &Arc<str>, at: Time) -> usize {
        if let Some(ix) = self.open.iter().find(|ix| self.view.steps[**ix].path == *path) {
            return *ix;
        }
        let name: Arc<str> = path.0.last().map_or_else(|| "".into(), |h| h.name.clone());
        let count = self.counts.entry(name.clone()).or_insert(0);
        let n = *count;
        *count += 1;
        let id = stdx::id::hash_parts(&[&self.execution, &path.to_string(), &n.to_string()]);
        let step = self.program.and_then(|p| p.step(&name));
        let ix = self.view.steps.len();
        self.view.steps.push(StepExecution {
            id: hex::encode(&id[..16]).into(),
            path: path.clone(),
            step_type: step.map_or_else(|| kind.clone(), |s| s.kind.clone()),
            status: Status::Running,
            started_at: at,
            finished_at: None,
            topological_index: self.program.and_then(|p| p.index_of(&name)).unwrap_or(0),
            global_execution_index: ix,
            step_execution_index: n,
            input: Body::Null,
            output: Body::Null,
            error: None,
            state: Body::Null,
            class: step.map_or(Class::None, crate::program::Step::class),
            connector: None,
            attempts: vec![],
            waits: vec![],
            approval: None,
            request: None,
            key: None,
            delivery: None,
            step_id: name,
        });
        self.open.push(ix);
        ix
    }

    fn with(&mut self, path: &StepPath, change: impl Fn(&mut StepExecution)) {
        // The latest execution at that place: a settlement may come after its scope has ended.
        if let Some(step) = self.view.steps.iter_mut().rev().find(|s| s.path == *path) {
            change(step);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the members of the fact")]
    fn left(
        &mut self,
        path: &StepPath,
        status: Status,
        output: &Body,
        error: Option<&Fault>,
        kind: &Arc<str>,
        input: &Body,
        at: Time,
    ) {
        if matches!(&**kind, "loop.break" | "loop.continue")
            && let Some(n) = path.0.iter().rposition(|h| h.role == Role::Loop)
        {
            let ix = self.record(path, kind, at);
            self.finish(ix, status, output, error, at);
            self.close_below(&path.0[..=n], Status::Completed, None, at);
            return;
        }
        let name = path.0.last().map(|h| h.name.clone());
        // A wrapper's timeout leaves the step although its inner path was another.
        let scope = path.0.iter().position(|h| Some(&h.name) == name.as_ref()).unwrap_or(path.0.len());
        let scope = path.0[..scope]
            .iter()
            .cloned()
            .chain(path.0[scope..].iter().take_while(|h| h.role == Role::Retry).cloned())
            .collect::<Vec<_>>();
        let timed_out = error.is_some_and(|e| &*e.kind == "TimeoutError");
        let has_own = self.open.iter().any(|ix| self.view.steps[*ix].path == *path);
        if timed_out
            && !has_own
            && self.open.iter().any(|ix| self.view.steps[*ix].path.0.starts_with(&scope) && scope.len() < path.0.len())
        {
            let inner = self
                .open
                .iter()
                .map(|ix| self.view.steps[*ix].path.clone())
                .find(|p| p.0.starts_with(&scope) && p.0.last().map(|h| &h.name) == name.as_ref());
            if let Some(inner) = inner {
                let ix = self.record(&inner, kind, at);
                self.finish(ix, status, output, error, at);
                self.close_below(&scope, status, error, at);
                return;
            }
        }
        let ix = self.record(path, kind, at);
        if !input.is_null() {
            self.view.steps[ix].input = input.clone();
        }
        self.close_below(&path.0, status, error, at);
        self.finish(ix, status, output, error, at);
    }

    fn finish(&mut self, ix: usize, status: Status, output: &Body, error: Option<&Fault>, at: Time) {
        self.open.retain(|i| *i != ix);
        let step = &mut self.view.steps[ix];
        step.status = status;
        step.finished_at = Some(at);
        step.output = output.clone();
        step.error = error.cloned();
        end_wait(step, at);
    }

    /// Closes open records strictly below `path`.
    fn close_below(&mut self, path: &[Hop], status: Status, error: Option<&Fault>, at: Time) {
        let below: Vec<usize> = self
            .open
            .iter()
            .copied()
            .filter(|ix| {
                self.view.steps[*ix].path.0.len() > path.len() && self.view.steps[*ix].path.0.starts_with(path)
            })
            .collect();
        let timed_out = error.is_some_and(|e| &*e.kind == "TimeoutError");
        for ix in below {
            // What a parallel's or a branch's timeout cuts off is `timed_out` itself.
            let hops = &self.view.steps[ix].path.0;
            let cut = |h: &Hop| {
                h.role == Role::Branch
                    && self.program.and_then(|p| p.step(&h.name)).is_some_and(|s| &*s.kind == "parallel")
            };
            let status =
                if timed_out && status == Status::Failed && hops[path.len().saturating_sub(1)..].iter().any(cut) {
                    Status::TimedOut
                } else {
                    status
                };
            self.finish(ix, status, &Body::Null, error, at);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the members of the fact")]
    fn asked(
        &mut self,
        key: &EffectKey,
        class: Class,
        request: &Effect,
        closes: bool,
        kind: &Arc<str>,
        input: &Body,
        at: Time,
    ) {
        let question = matches!(request, Effect::Internal(c) if matches!(**c, triage::Command::QuestionClose { .. }));
        self.asked.push(Asked {
            key: key.clone(),
            closes,
            internal: matches!(request, Effect::Internal(_) | Effect::Slot(_)),
            since: at,
            question,
        });
        // The slot is the run's, not a step's.
        if question || matches!(request, Effect::Slot(_)) {
            return;
        }
        let ix = self.record(&key.path, kind, at);
        let step = &mut self.view.steps[ix];
        step.class = step.class.max(class);
        self.view.class = self.view.class.max(class);
        if !input.is_null() {
            step.input = input.clone();
        }
        if let Effect::Child(start) = request {
            step.state = Body::from(Value::object([
                ("workflowId", Value::from(start.workflow.clone())),
                ("executionId", Value::from(start.execution.clone())),
                ("startedAt", Value::from(at.iso())),
            ]));
        }
        if let Effect::Call(call) = request {
            if let Some(v) = call.params.value() {
                step.input = Body::from(v.clone());
            }
            step.connector = call.connector.clone();
            step.request = Some(request_text(call));
            step.key = Some(key.idempotency_key().into());
            step.approval = call.approved_by.clone().or_else(|| step.approval.clone());
        }
    }

    fn answered(&mut self, key: &EffectKey, attempt: u32, outcome: &Outcome, at: Time) {
        let Some(i) = self.asked.iter().position(|a| a.key == *key) else { return };
        let since = self.asked[i].since;
        let trouble = |status: Status, error: Option<&Fault>| Attempt {
            n: attempt,
            started_at: since,
            finished_at: Some(at),
            status,
            error: error.cloned(),
            next_at: None,
        };
        match outcome {
            Outcome::NotSent(fault) | Outcome::Unknown(fault) => {
                let text: Arc<str> =
                    if matches!(outcome, Outcome::NotSent(_)) { "not sent".into() } else { "outcome unknown".into() };
                self.with(&key.path, |s| {
                    s.attempts.push(trouble(Status::Failed, Some(fault)));
                    s.delivery = Some(text.clone());
                });
            }
            Outcome::Answered(result) => {
                let asked = self.asked.remove(i);
                if asked.question {
                    return;
                }
                let (status, output, error) = match result {
                    Ok(body) => (Status::Completed, body.clone(), None),
                    Err(fault) => (Status::Failed, Body::Null, Some(fault)),
                };
                let delivery: Arc<str> =
                    if asked.internal { "inside: exactly once".into() } else { delivered(&output, error) };
                self.with(&key.path, |s| {
                    if !s.attempts.is_empty() {
                        s.attempts.push(trouble(status, error));
                    }
                    s.delivery = Some(delivery.clone());
                });
                if asked.closes
                    && let Some(ix) = self.open.iter().copied().find(|ix| self.view.steps[*ix].path == key.path)
                {
                    self.finish(ix, status, &output, error, at);
                }
            }
            Outcome::Dry(body) => {
                let asked = self.asked.remove(i);
                if asked.closes
                    && let Some(ix) = self.open.iter().copied().find(|ix| self.view.steps[*ix].path == key.path)
                {
                    self.finish(ix, Status::Completed, body, None, at);
                }
            }
        }
    }

    fn waiting(&mut self, path: &StepPath, wait: &Wait, at: Time) {
        let (kind, status) = match wait {
            Wait::Until(_) => ("timer", Status::Waiting),
            Wait::Approval(q) => {
                self.view.approval = Some(q.id.clone());
                ("person", Status::WaitingForInput)
            }
            Wait::Settlement(_) => ("settlement", Status::WaitingForInput),
            Wait::Child(_) => ("child", Status::WaitingForChild),
            Wait::Slot(_) => ("queue", Status::Queued),
        };
        let retry = path.0.last().is_some_and(|h| h.role == Role::Retry);
        let at_step = step_of(path);
        let (next, approval) = match wait {
            Wait::Until(t) => (Some(*t), None),
            Wait::Approval(q) => (None, Some(q.id.clone())),
            _ => (None, None),
        };
        self.with(&at_step, |s| {
            s.waits.push(Waited { kind, from: at, to: None });
            if !retry && s.finished_at.is_none() {
                s.status = status;
            }
            if let Some(last) = s.attempts.last_mut() {
                last.next_at = next;
            }
            if approval.is_some() {
                s.approval = approval.clone();
            }
        });
    }
}

/// True where the step at `scope` stands around the one at `inner`.
fn around(scope: &[Hop], inner: &[Hop]) -> bool {
    inner.starts_with(scope)
}

fn is_step(path: &StepPath) -> bool {
    path.0.last().is_some_and(|h| h.role == Role::Step)
}

/// The step a wrapper's wait is about.
fn step_of(path: &StepPath) -> StepPath {
    match path.0.last() {
        Some(hop) if hop.role == Role::Retry => {
            let step = Hop { name: hop.name.clone(), role: Role::Step, index: 0, pass: 0 };
            StepPath(path.0.iter().cloned().chain([step]).collect())
        }
        _ => path.clone(),
    }
}

fn end_wait(step: &mut StepExecution, at: Time) {
    if let Some(w) = step.waits.iter_mut().rev().find(|w| w.to.is_none()) {
        w.to = Some(at);
    }
}

fn delivered(output: &Body, error: Option<&Fault>) -> Arc<str> {
    let status = match (output, error) {
        (Body::Inline(v), None) => v.get("status").and_then(Value::as_i64),
        (_, Some(fault)) => fault.details.get("status").and_then(Value::as_i64),
        _ => None,
    };
    match status {
        Some(status) => format!("answered {status}").into(),
        None if error.is_some() => "answered with an error".into(),
        None => "answered".into(),
    }
}

/// What was sent, as text.
fn request_text(call: &Call) -> Arc<str> {
    let params = call.params.value().cloned().unwrap_or_default();
    let text = |key: &str| params.get(key).and_then(Value::as_str).map(str::to_owned);
    let line = match &*call.operation {
        "http" | "kibana.request" | "elasticsearch.request" => {
            let base =
                call.target.get("base_url").and_then(Value::as_str).filter(|_| call.connector.is_some()).unwrap_or("");
            let url = text("url").filter(|_| call.connector.is_none()).unwrap_or_default();
            let head = format!(
                "{} {base}{url}{}",
                text("method").unwrap_or_else(|| "GET".into()),
                text("path").unwrap_or_default()
            );
            match params.get("body") {
                Some(body) if !body.is_null() => format!("{head}\n{}", crate::json::scalar_text(body)),
                _ => head,
            }
        }
        "ssh.run" | "winrm.run" => text("command").unwrap_or_default(),
        _ => stdx::json::text(&params),
    };
    stdx::bounded::truncate(&line, REQUEST_BYTES_MAX).into()
}
