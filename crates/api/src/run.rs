//! A run as people look at it: the journal folded into step executions, log lines and waits.
//!
//! Invariants: reads facts only, evaluates nothing; unknown members are left out, never guessed; the same journal gives the same ids.
//! Not here: the state machine's own fold (`workflow::evolve`), routes (`routes::execution`).
//! Source: `docs/reference/ui-api.md` §5.3, `reference/workflow-language.md` §8.3.

use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use workflow::{
    Body, Class, Effect, EffectKey, Fact, FactKind, Fault, Hop, Outcome, Role, Settlement, Status, StepPath, Wait,
};

/// Log lines kept of one run.
pub const LOGS_MAX: usize = 10_000;
/// Step executions shown of one run.
pub const STEPS_MAX: usize = 20_000;

/// One sending, or one pass of `on-failure`.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// Began.
    pub started: Option<Time>,
    /// Ended.
    pub finished: Option<Time>,
    /// How it stands.
    pub status: Status,
    /// What went wrong.
    pub error: Option<Fault>,
    /// When the next one begins, where that is known.
    pub next: Option<Time>,
}

/// A stretch of waiting.
#[derive(Clone, Debug)]
pub struct Waited {
    /// `person`, `timer`, `queue`, `settlement`.
    pub kind: &'static str,
    /// From.
    pub from: Time,
    /// To.
    pub to: Option<Time>,
}

/// One step as it ran.
#[derive(Clone, Debug)]
pub struct Step {
    /// Id, from the run and the path.
    pub id: String,
    /// Path without retry passes, as text.
    pub path: String,
    /// Step name.
    pub name: Arc<str>,
    /// Step type.
    pub kind: Arc<str>,
    /// Enclosing scopes.
    pub scopes: Vec<Hop>,
    /// How it stands.
    pub status: Status,
    /// Began.
    pub started: Time,
    /// Ended.
    pub finished: Option<Time>,
    /// Rendered input.
    pub input: Body,
    /// Output.
    pub output: Body,
    /// Error.
    pub error: Option<Fault>,
    /// Worst class asked.
    pub class: Class,
    /// Connector id.
    pub connector: Option<Arc<str>>,
    /// What was sent, as text.
    pub request: Option<String>,
    /// Names of secrets that the transport adds.
    pub secrets: Vec<Arc<str>>,
    /// Idempotency key of the last effect.
    pub key: Option<String>,
    /// Row of the approvals inbox.
    pub approval: Option<Arc<str>>,
    /// One line on how the effect went.
    pub delivery: Option<String>,
    /// Attempts; one without trouble is not listed on the wire.
    pub attempts: Vec<Attempt>,
    /// Waits.
    pub waits: Vec<Waited>,
    /// Place among the step's own runs.
    pub nth: usize,
    /// The answer of its call is its result.
    closes: bool,
}

/// A line of the run's log.
#[derive(Clone, Debug)]
pub struct Line {
    /// When.
    pub at: Time,
    /// Step name.
    pub step: Arc<str>,
    /// Id of the step execution.
    pub step_execution: String,
    /// `info`, `warn`, `error`.
    pub level: Arc<str>,
    /// Text.
    pub message: Arc<str>,
}

/// A run, folded.
#[derive(Debug, Default)]
pub struct View {
    /// Steps in the order of their start.
    pub steps: Vec<Step>,
    /// Log lines.
    pub logs: Vec<Line>,
    /// Output of the run.
    pub output: Body,
    /// Inputs after defaults.
    pub inputs: Body,
    /// What triggered it.
    pub event: Body,
    /// The run it repeats.
    pub rerun_of: Option<Id>,
    /// True when somebody asked it to end.
    pub cancelled: bool,
    execution: String,
    by_path: HashMap<String, usize>,
    by_name: HashMap<Arc<str>, usize>,
}

/// The id of a step execution.
pub fn step_id(execution: &str, path: &str) -> String {
    hex::encode(&stdx::id::hash_parts(&[execution, path])[..16])
}

/// The path without passes: retries of a step are attempts of one step execution.
fn steady(path: &StepPath) -> StepPath {
    StepPath(path.0.iter().map(|h| Hop { pass: 0, ..h.clone() }).collect())
}

/// The id of the step execution at a path.
pub fn step_id_of(execution: &str, path: &StepPath) -> String {
    step_id(execution, &steady(path).to_string())
}

/// The id of the step execution at a path that is text already.
pub fn step_id_of_text(execution: &str, path: &str) -> String {
    StepPath::parse(path).map_or_else(|| step_id(execution, path), |p| step_id_of(execution, &p))
}

impl View {
    /// Folds a journal.
    pub fn fold(execution: &str, facts: &[Fact]) -> Self {
        let mut view = Self { execution: execution.to_owned(), ..Self::default() };
        for fact in facts {
            view.take(fact);
        }
        view
    }

    fn at(&mut self, path: &StepPath) -> Option<&mut Step> {
        let at = *self.by_path.get(&steady(path).to_string())?;
        self.steps.get_mut(at)
    }

    fn take(&mut self, fact: &Fact) {
        let at = fact.at;
        match &fact.what {
            FactKind::Started { start, inputs, .. } => {
                self.inputs = inputs.clone();
                self.event = start.event.clone();
                self.rerun_of = match &start.mode {
                    workflow::Mode::From(earlier, _) => Some(earlier.clone()),
                    _ => None,
                };
            }
            FactKind::Entered { path, kind, input, .. } => self.entered(at, path, kind, input),
            FactKind::Left { path, status, output, error, kind, input } => {
                if self.at(path).is_none() && !kind.is_empty() {
                    self.entered(at, path, kind, input);
                }
                let Some(step) = self.at(path) else { return };
                step.status = *status;
                step.finished = Some(at);
                step.output = output.clone();
                step.error.clone_from(error);
                if let Some(last) = step.attempts.last_mut() {
                    last.status = *status;
                    last.finished.get_or_insert(at);
                    last.error.clone_from(error);
                }
                close(&mut step.waits, at);
                self.told(at, path, output, error.as_ref());
            }
            FactKind::Asked { key, class, request, closes, kind, input, .. } => {
                if !kind.is_empty() && self.at(&key.path).is_none_or(|s| s.status.is_terminal()) {
                    self.entered(at, &key.path, kind, input);
                }
                self.asked(key, *class, request);
                if let Some(step) = self.at(&key.path) {
                    step.closes = *closes;
                }
            }
            FactKind::Attempting { key, attempt, .. } => {
                let Some(step) = self.at(&key.path) else { return };
                if *attempt > 1 {
                    step.attempts.push(Attempt { started: Some(at), status: Status::Running, ..Attempt::default() });
                }
                step.delivery = Some("sent, waiting for the answer".into());
            }
            FactKind::Held { key, why } => {
                let Some(step) = self.at(&key.path) else { return };
                step.delivery = Some(format!("held back: {why}"));
            }
            FactKind::Detached { key, .. } => {
                let Some(step) = self.at(&key.path) else { return };
                step.delivery = Some("runs on the other side".into());
            }
            FactKind::Answered { key, attempt, outcome } => self.answered(at, key, *attempt, outcome),
            FactKind::Abandoned { key } => {
                let Some(step) = self.at(&key.path) else { return };
                step.delivery = Some("given up; a late answer is dropped".into());
            }
            FactKind::Settled { key, verdict, by } => {
                let Some(step) = self.at(&key.path) else { return };
                let word = match verdict {
                    Settlement::Happened { .. } => "happened",
                    Settlement::Again => "run again",
                    Settlement::Skip => "skipped",
                };
                step.delivery = Some(format!("settled as {word} by {by}"));
                close(&mut step.waits, at);
            }
            FactKind::Waiting { path, wait, .. } => self.waiting(at, path, wait),
            FactKind::Woke { path, .. } => {
                let Some(step) = self.at(path) else { return };
                close(&mut step.waits, at);
                step.status = Status::Running;
            }
            FactKind::Logged { path, message, level } => {
                if self.logs.len() < LOGS_MAX {
                    let step = path.0.last().map_or_else(|| "".into(), |h| h.name.clone());
                    let step_execution = step_id_of(&self.execution, path);
                    self.logs.push(Line { at, step, step_execution, level: level.clone(), message: message.clone() });
                }
            }
            FactKind::Ended { status, output, cancelled, .. } => {
                self.output = output.clone();
                self.cancelled |= cancelled.is_some();
                for step in self.steps.iter_mut().filter(|s| !s.status.is_terminal()) {
                    step.status =
                        if status.is_terminal() && *status != Status::Completed { *status } else { Status::Skipped };
                    step.finished = Some(at);
                    close(&mut step.waits, at);
                }
            }
            FactKind::Void { .. }
            | FactKind::Weighed { .. }
            | FactKind::Recalled { .. }
            | FactKind::Undoable { .. } => {}
        }
    }

    /// The line of the log that a step leaves: what `console` wrote, or why the step failed.
    fn told(&mut self, at: Time, path: &StepPath, output: &Body, error: Option<&Fault>) {
        let Some(step) = self.at(path) else { return };
        let (level, message) = match (error, &*step.kind, output) {
            (Some(fault), ..) => ("error", format!("step `{}` failed: {}", step.name, fault.message)),
            (None, "console", Body::Inline(text)) => {
                ("info", text.as_str().map_or_else(|| stdx::json::text(text), str::to_owned))
            }
            (None, "console", Body::Null) => ("info", String::new()),
            (None, "console", _) => ("info", "a long message: see the step's output".to_owned()),
            _ => return,
        };
        let (step, step_execution) = (step.name.clone(), step.id.clone());
        if self.logs.len() < LOGS_MAX {
            self.logs.push(Line { at, step, step_execution, level: level.into(), message: message.into() });
        }
    }

    fn entered(&mut self, at: Time, path: &StepPath, kind: &Arc<str>, input: &Body) {
        let Some((last, scopes)) = path.0.split_last() else { return };
        if !matches!(last.role, Role::Step | Role::Each) || self.steps.len() >= STEPS_MAX {
            return;
        }
        let text = steady(path).to_string();
        if let Some(step) = self.by_path.get(&text).and_then(|i| self.steps.get_mut(*i)) {
            // Another pass of `on-failure`.
            if let Some(before) = step.attempts.last_mut() {
                before.next = Some(at);
            }
            step.attempts.push(Attempt { started: Some(at), status: Status::Running, ..Attempt::default() });
            step.status = Status::Running;
            step.finished = None;
            step.error = None;
            step.input = input.clone();
            return;
        }
        let nth = self.by_name.entry(last.name.clone()).and_modify(|n| *n += 1).or_insert(0);
        let step = Step {
            id: step_id(&self.execution, &text),
            path: text.clone(),
            name: last.name.clone(),
            kind: kind.clone(),
            scopes: scopes.to_vec(),
            status: Status::Running,
            started: at,
            finished: None,
            input: input.clone(),
            output: Body::Null,
            error: None,
            class: Class::None,
            connector: None,
            request: None,
            secrets: Vec::new(),
            key: None,
            approval: None,
            delivery: None,
            attempts: vec![Attempt { started: Some(at), status: Status::Running, ..Attempt::default() }],
            waits: Vec::new(),
            nth: *nth,
            closes: false,
        };
        self.by_path.insert(text, self.steps.len());
        self.steps.push(step);
    }

    fn asked(&mut self, key: &EffectKey, class: Class, request: &Effect) {
        let Some(step) = self.at(&key.path) else { return };
        step.class = step.class.max(class);
        step.key = Some(key.idempotency_key());
        match request {
            Effect::Internal(command) => {
                if matches!(step.input, Body::Null) {
                    step.input = Body::from(stdx::json::to_value(&**command));
                }
                step.delivery = Some("inside: exactly once".into());
            }
            Effect::Child(_) => step.delivery = Some("a child run".into()),
            Effect::Slot(_) => step.delivery = Some("a slot of its concurrency group".into()),
            Effect::Call(call) => {
                if let (Body::Null, Some(params)) = (&step.input, call.params.value()) {
                    step.input = Body::from(params.clone());
                }
                step.connector.clone_from(&call.connector);
                step.request = Some(request_text(&call.operation, call.params.value()));
                step.delivery = Some("asked".into());
            }
        }
    }

    fn answered(&mut self, at: Time, key: &EffectKey, attempt: u32, outcome: &Outcome) {
        let Some(step) = self.at(&key.path) else { return };
        let internal = step.delivery.as_deref() == Some("inside: exactly once");
        let (line, status, error) = match outcome {
            Outcome::NotSent(fault) => ("not sent".to_owned(), Status::Failed, Some(fault.clone())),
            Outcome::Answered(Ok(_)) if internal => ("inside: exactly once".to_owned(), Status::Completed, None),
            Outcome::Answered(Ok(_)) => ("answered".to_owned(), Status::Completed, None),
            Outcome::Answered(Err(fault)) => {
                let code =
                    fault.details.get("status").and_then(Value::as_i64).map_or_else(String::new, |s| format!(" {s}"));
                (format!("answered{code} with an error"), Status::Failed, Some(fault.clone()))
            }
            Outcome::Unknown(fault) => ("outcome unknown".to_owned(), Status::WaitingForInput, Some(fault.clone())),
            Outcome::Dry(_) => ("not sent".to_owned(), Status::Completed, None),
        };
        step.delivery = Some(line);
        let resent = attempt > 1 && step.attempts.last().is_some_and(|a| a.finished.is_some());
        if resent {
            step.attempts.push(Attempt { started: Some(at), ..Attempt::default() });
        }
        if let Some(last) = step.attempts.last_mut() {
            last.finished = Some(at);
            last.status = status;
            last.error.clone_from(&error);
        }
        if let (true, Outcome::Dry(output)) = (step.closes, outcome) {
            step.status = status;
            step.finished = Some(at);
            step.output = output.clone();
        }
        if let (true, Outcome::Answered(result)) = (step.closes, outcome) {
            step.status = status;
            step.finished = Some(at);
            step.error = error;
            step.output = result.clone().unwrap_or_default();
            if let Err(fault) = result {
                let fault = fault.clone();
                self.told(at, &key.path, &Body::Null, Some(&fault));
            }
        }
    }

    fn waiting(&mut self, at: Time, path: &StepPath, wait: &Wait) {
        let Some(step) = self.at(path) else { return };
        close(&mut step.waits, at);
        let (kind, status) = match wait {
            Wait::Until(_) => ("timer", Status::Waiting),
            Wait::Approval(question) => {
                step.approval = Some(question.id.0.clone());
                ("person", Status::WaitingForInput)
            }
            Wait::Child(_) => ("queue", Status::WaitingForChild),
            Wait::Slot(_) => ("queue", Status::Queued),
            Wait::Settlement(_) => ("settlement", Status::WaitingForInput),
        };
        step.status = status;
        step.waits.push(Waited { kind, from: at, to: None });
    }

    /// Milliseconds spent waiting for people, timers and queues until `now`.
    pub fn waited_ms(&self, now: Time) -> i64 {
        let spans = self.steps.iter().flat_map(|s| &s.waits);
        spans.map(|w| w.to.unwrap_or(now).since(w.from).0.max(0) / 1_000).sum()
    }
}

fn close(waits: &mut [Waited], at: Time) {
    if let Some(open) = waits.last_mut().filter(|w| w.to.is_none()) {
        open.to = Some(at);
    }
}

/// What was sent, as a person reads it.
fn request_text(operation: &str, params: Option<&Value>) -> String {
    let Some(params) = params else { return "holds a secret".into() };
    let text = |key: &str| params.get(key).and_then(Value::as_str);
    match operation {
        "ssh.run" | "winrm.run" => text("command").unwrap_or_default().to_owned(),
        "http" | "kibana.request" | "elasticsearch.request" => {
            let line = format!(
                "{} {}",
                text("method").unwrap_or("GET"),
                text("url").or_else(|| text("path")).unwrap_or_default()
            );
            match params.get("body").filter(|b| !b.is_null()) {
                Some(Value::Str(body)) => format!("{line}\n\n{body}"),
                Some(body) => format!("{line}\n\n{}", stdx::json::text(body)),
                None => line,
            }
        }
        _ => stdx::json::text(params),
    }
}

/// The error object of runs and steps.
pub fn fault_wire(fault: Option<&Fault>) -> Json {
    fault.map_or(Json::Null, |f| {
        let mut wire = json!({"type": f.kind, "message": f.message});
        if let (false, Some(o)) = (f.details.is_null(), wire.as_object_mut()) {
            o.insert("details".into(), Json::from(&f.details));
        }
        wire
    })
}

/// Word of a scope.
pub const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Step => "step",
        Role::Guard => "if",
        Role::Loop | Role::Each => "foreach",
        Role::Timeout => "timeout",
        Role::Retry => "retry",
        Role::Fallback => "fallback",
        Role::Branch => "branch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(name: &str, role: Role, pass: u32) -> Hop {
        Hop { name: name.into(), role, index: 0, pass }
    }
    fn path(pass: u32) -> StepPath {
        StepPath(vec![hop("look", Role::Retry, pass), hop("look", Role::Step, 0)].into())
    }
    fn fact(s: i64, what: FactKind) -> Fact {
        Fact { at: Time::from_ms(s * 1_000), what }
    }
    fn entered(s: i64, pass: u32) -> Fact {
        fact(
            s,
            FactKind::Entered {
                path: path(pass),
                kind: "http".into(),
                input: Body::Null,
                about: Body::Null,
                deadline: None,
            },
        )
    }
    fn left(s: i64, pass: u32, status: Status, error: Option<Fault>) -> Fact {
        fact(
            s,
            FactKind::Left {
                path: path(pass),
                status,
                output: Body::Null,
                error,
                kind: "http".into(),
                input: Body::Null,
            },
        )
    }

    #[test]
    fn passes_of_on_failure_are_attempts_of_one_step() {
        let fault = Fault::new("HttpError", "429 too many requests");
        let view = View::fold(
            "e1",
            &[
                entered(1, 0),
                left(2, 0, Status::Failed, Some(fault)),
                entered(5, 1),
                left(6, 1, Status::Completed, None),
            ],
        );
        assert_eq!(view.steps.len(), 1);
        let step = &view.steps[0];
        assert_eq!((step.status, step.attempts.len()), (Status::Completed, 2));
        assert_eq!(step.attempts[0].status, Status::Failed);
        assert_eq!(step.attempts[0].next, Some(Time::from_ms(5_000)));
        assert!(step.error.is_none());
        assert_eq!(step.id, step_id_of("e1", &path(1)));
    }

    #[test]
    fn waits_are_measured_and_closed() {
        let waiting = fact(
            2,
            FactKind::Waiting { path: path(0), wait: Box::new(Wait::Until(Time(0))), timer: None, memo: Body::Null },
        );
        let mut view = View::fold("e1", &[entered(1, 0), waiting]);
        assert_eq!(view.steps[0].status, Status::Waiting);
        assert_eq!(view.waited_ms(Time::from_ms(7_000)), 5_000);
        view.take(&fact(4, FactKind::Woke { path: path(0), by: "timer".into(), decision: None }));
        assert_eq!(view.waited_ms(Time::from_ms(7_000)), 2_000);
    }
}
