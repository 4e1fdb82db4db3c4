//! What people see of a run: the list of step executions, built from the journal.
//!
//! Invariants: the journal alone decides; a run that is read while it runs shows what is committed.
//! Not here: loading of payloads (the caller), routes (`api`).
//! Source: `docs/reference/ui-api.md` §5.3; `reference/workflow-language.md` §7.2.

mod build;

use crate::core::{Body, Class, Fault, Role, Status, StepPath};
use crate::program::Program;
use std::sync::Arc;
use stdx::{Id, Object, Time, Value};

/// A run.
#[derive(Clone, Debug, Default)]
pub struct ExecutionView {
    /// State.
    pub status: Status,
    /// Start.
    pub started_at: Option<Time>,
    /// End.
    pub finished_at: Option<Time>,
    /// Error.
    pub error: Option<Fault>,
    /// Output.
    pub output: Body,
    /// Inputs after defaults.
    pub inputs: Body,
    /// `event`.
    pub event: Body,
    /// Who cancelled and why.
    pub cancelled: Option<(Arc<str>, Option<Arc<str>>)>,
    /// Worst class of an effect asked for.
    pub class: Class,
    /// Milliseconds spent waiting for people, timers and settlements.
    pub wait_ms: i64,
    /// Times an effect was held back.
    pub held: u32,
    /// Open or last question.
    pub approval: Option<Id>,
    /// Lines of the run's log.
    pub log: Vec<(Time, Arc<str>, Arc<str>)>,
    /// Step executions in the order of their start.
    pub steps: Vec<StepExecution>,
}

/// One execution of a step.
#[derive(Clone, Debug)]
pub struct StepExecution {
    /// Id.
    pub id: Arc<str>,
    /// Where.
    pub path: StepPath,
    /// Step name.
    pub step_id: Arc<str>,
    /// Step type.
    pub step_type: Arc<str>,
    /// State.
    pub status: Status,
    /// Start.
    pub started_at: Time,
    /// End.
    pub finished_at: Option<Time>,
    /// Position in the text.
    pub topological_index: usize,
    /// Order of start.
    pub global_execution_index: usize,
    /// n-th execution of this step.
    pub step_execution_index: usize,
    /// Rendered input.
    pub input: Body,
    /// Output.
    pub output: Body,
    /// Error.
    pub error: Option<Fault>,
    /// Scope data: branch taken, list.
    pub state: Body,
    /// Class.
    pub class: Class,
    /// Connector id.
    pub connector: Option<Arc<str>>,
    /// Attempts; empty = one, without trouble.
    pub attempts: Vec<Attempt>,
    /// Waits.
    pub waits: Vec<Waited>,
    /// Its row in the inbox.
    pub approval: Option<Id>,
    /// What was sent, as text.
    pub request: Option<Arc<str>>,
    /// Idempotency key.
    pub key: Option<Arc<str>>,
    /// One line about delivery.
    pub delivery: Option<Arc<str>>,
}

/// One sending.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Number.
    pub n: u32,
    /// Start.
    pub started_at: Time,
    /// End.
    pub finished_at: Option<Time>,
    /// How it ended.
    pub status: Status,
    /// Error.
    pub error: Option<Fault>,
    /// When the next one follows.
    pub next_at: Option<Time>,
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// `person`, `timer`, `queue`, `settlement`.
    pub kind: &'static str,
    /// From.
    pub from: Time,
    /// To; open when `None`.
    pub to: Option<Time>,
}

/// What to put into the JSON of step executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// `input`.
    pub input: bool,
    /// `output`.
    pub output: bool,
}

/// Builds the view of a run from its facts.
pub fn execution(facts: &[crate::core::Fact], program: Option<&Program>) -> ExecutionView {
    build::build(facts, program)
}

/// The error object of the wire.
pub fn error_value(fault: &Fault) -> Value {
    let mut error = Object::new();
    error.insert("type", fault.kind.clone());
    error.insert("message", fault.message.clone());
    if !fault.details.is_null() {
        error.insert("details", fault.details.clone());
    }
    Value::from(error)
}

impl StepExecution {
    /// Enclosing scopes, outermost first.
    pub fn scope_stack(&self) -> Vec<Value> {
        let hops = &self.path.0[..self.path.0.len().saturating_sub(1)];
        let own = self.path.0.last().map(|h| h.name.clone());
        hops.iter()
            .filter(|h| h.role != Role::Step)
            .filter_map(|h| {
                let kind = match h.role {
                    Role::Loop => "foreach",
                    Role::Branch => "branch",
                    Role::Fallback => "fallback",
                    Role::Retry if h.pass > 0 => "retry",
                    _ => return None,
                };
                // A step's own retry counts passes, its own list items.
                let index = match h.role {
                    Role::Retry => Some(h.pass),
                    Role::Loop | Role::Branch => Some(h.index),
                    _ => None,
                };
                let _ = &own;
                let index = index.map_or(Value::Null, Value::from);
                Some(Value::object([
                    ("name", Value::Str(h.name.clone())),
                    ("kind", Value::from(kind)),
                    ("index", index),
                ]))
            })
            .collect()
    }

    /// Milliseconds it took so far.
    pub fn execution_time_ms(&self) -> Option<i64> {
        self.finished_at.map(|f| f.since(self.started_at).ms())
    }

    /// The wire form; `load` reads bodies, payloads too.
    pub fn to_value(&self, run: &Id, workflow: &Id, include: Include, load: &dyn Fn(&Body) -> Value) -> Value {
        let time = |t: Option<Time>| t.map_or(Value::Null, |t| Value::from(t.iso()));
        let mut out = Object::new();
        out.insert("id", self.id.clone());
        out.insert("stepId", self.step_id.clone());
        out.insert("stepType", self.step_type.clone());
        out.insert("workflowRunId", run.clone());
        out.insert("workflowId", workflow.clone());
        out.insert("status", self.status.as_str());
        out.insert("scopeStack", Value::from(self.scope_stack()));
        out.insert("startedAt", self.started_at.iso());
        out.insert("finishedAt", time(self.finished_at));
        out.insert("executionTimeMs", self.execution_time_ms());
        out.insert("topologicalIndex", self.topological_index);
        out.insert("globalExecutionIndex", self.global_execution_index);
        out.insert("stepExecutionIndex", self.step_execution_index);
        if include.input {
            out.insert("input", load(&self.input));
        }
        if include.output {
            out.insert("output", load(&self.output));
            if let Body::Inline(state) = &self.state {
                out.insert("state", (**state).clone());
            }
        }
        out.insert("error", self.error.as_ref().map(error_value));
        let attempts = self.attempts.iter().map(|a| {
            let error = a.error.as_ref().map(|f| {
                Value::object([("type", Value::Str(f.kind.clone())), ("message", Value::Str(f.message.clone()))])
            });
            Value::object([
                ("n", Value::from(a.n)),
                ("startedAt", Value::from(a.started_at.iso())),
                ("finishedAt", time(a.finished_at)),
                ("status", Value::from(a.status.as_str())),
                ("error", error.unwrap_or_default()),
                ("next_at", time(a.next_at)),
            ])
        });
        let waits = self.waits.iter().map(|w| {
            Value::object([("kind", Value::from(w.kind)), ("from", Value::from(w.from.iso())), ("to", time(w.to))])
        });
        let mut own = Object::new();
        own.insert("effect", self.class.as_str());
        own.insert("connector", self.connector.clone());
        own.insert("attempts", Value::array(attempts));
        own.insert("waits", Value::array(waits));
        own.insert("approval", self.approval.clone());
        own.insert("request", self.request.clone());
        own.insert("secrets", Value::from(vec![]));
        own.insert("key", self.key.clone());
        own.insert("delivery", self.delivery.clone());
        out.insert("watchfire", Value::from(own));
        Value::from(out)
    }
}
