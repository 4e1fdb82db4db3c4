//! Dry runs: everything is rendered, nothing leaves; each effect is answered here, from a mock or pin, else from a schema.
//!
//! Invariants: a turn of a dry run holds no effect; waits take no time; nobody is asked.
//! Not here: refusing effects of dry runs (`store`, `engine` do it again).
//! Source: `design/engine.md` §2.6.

use super::{Work, Work_};
use crate::core::{Body, Class, Effect, FactKind, Fault, Outcome, StepPath, Wait};
use crate::program::{self, StepIx};
use crate::sample::sample;
use crate::steps::{self, Ask, CallSpec};
use stdx::{Object, Value};

/// Who answers in a dry run.
const NOBODY: &str = "dry run";

impl Work<'_> {
    /// The mock or pin of a step: `mocks.steps.<name>`; `{"error": {type?, message}}` makes it fail, a list goes call by call.
    fn mocked(&self, name: &str, calls: u32) -> Work_<Option<Result<Value, Fault>>> {
        let mocks = self.load(&self.start().mocks)?;
        let Some(mock) = mocks.path(&["steps", name]) else { return Ok(None) };
        let mock = match mock {
            Value::Array(list) if mocks.get("sequences").is_some() => {
                list.get(calls as usize).or_else(|| list.last()).cloned().unwrap_or_default()
            }
            other => other.clone(),
        };
        Ok(Some(answer(mock)))
    }

    /// The mock of an HTTP request: the first of `mocks.http` whose method, URL and path are those of the request.
    fn mocked_http(&self, params: &Value) -> Work_<Option<Result<Value, Fault>>> {
        let mocks = self.load(&self.start().mocks)?;
        let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
        let method = text(params, "method").unwrap_or_else(|| "GET".into());
        let hit = mocks.get("http").and_then(Value::as_array).unwrap_or_default().iter().find(|m| {
            text(m, "method").is_none_or(|w| w.eq_ignore_ascii_case(&method))
                && ["url", "path"].iter().all(|k| text(m, k).is_none_or(|w| text(params, k) == Some(w)))
        });
        Ok(hit.map(|m| answer(m.get("answer").cloned().unwrap_or_default())))
    }

    pub(super) fn dry_call(
        &mut self,
        path: &StepPath,
        ix: StepIx,
        spec: CallSpec,
        memo: Value,
        closes: bool,
    ) -> Work_<()> {
        let step = &self.program.steps[ix];
        let calls = self.state.frame(&path.0).map_or(0, |f| f.calls);
        let mocked = match self.mocked(&step.name, calls)? {
            None => self.mocked_http(&spec.params)?,
            some => some,
        };
        let result = mocked.unwrap_or_else(|| Ok(self.sampled(ix)));
        let call = self.call_of(path, ix, spec);
        let key = self.key(path);
        let (memo, class, kind) = (self.body(memo), call.class, step.kind.clone());
        self.emit(FactKind::Asked {
            key: key.clone(),
            class,
            request: Box::new(Effect::Call(Box::new(call))),
            deadline: None,
            memo,
            closes,
            kind,
            input: Body::Null,
        });
        self.dry_answer(&key, result);
        Ok(())
    }

    pub(super) fn dry_internal(
        &mut self,
        path: &StepPath,
        ix: StepIx,
        command: triage::Command,
        memo: Value,
        input: Value,
    ) -> Work_<()> {
        let step = &self.program.steps[ix];
        let calls = self.state.frame(&path.0).map_or(0, |f| f.calls);
        let result = self.mocked(&step.name, calls)?.unwrap_or_else(|| Ok(self.sampled(ix)));
        let key = self.key(path);
        let (memo, input, kind) = (self.body(memo), self.body(input), step.kind.clone());
        self.emit(FactKind::Asked {
            key: key.clone(),
            class: Class::Internal,
            request: Box::new(Effect::Internal(Box::new(command))),
            deadline: None,
            memo,
            // The answer stands for what the step would have made of the record.
            closes: true,
            kind,
            input,
        });
        self.dry_answer(&key, result);
        Ok(())
    }

    fn dry_answer(&mut self, key: &crate::core::EffectKey, result: Result<Value, Fault>) {
        let outcome = match result {
            Ok(value) => Outcome::Dry(self.body(value)),
            Err(fault) => Outcome::Answered(Err(fault)),
        };
        self.emit(FactKind::Answered { key: key.clone(), attempt: 1, outcome });
    }

    /// A wait takes no time.
    pub(super) fn dry_wait(&mut self, path: &StepPath, memo: Value) {
        let now = self.cx.now;
        let memo = self.body(memo);
        self.emit(FactKind::Waiting { path: path.clone(), wait: Box::new(Wait::Until(now)), timer: None, memo });
        self.emit(FactKind::Woke { path: path.clone(), by: "dry run".into(), decision: None });
    }

    /// A person's answer: the mock (the response, or the whole envelope), else yes, else a sample of the schema.
    pub(super) fn dry_ask(&mut self, path: &StepPath, ix: StepIx, ask: &Ask, input: Value) -> Work_<()> {
        let step = &self.program.steps[ix];
        let (name, kind) = (step.name.clone(), step.kind.clone());
        let response = match self.mocked(&name, 0)? {
            Some(Ok(v)) => v.get("response").cloned().unwrap_or(v),
            Some(Err(fault)) => {
                self.leave_with(path, &kind, Err(fault), input);
                return Ok(());
            }
            None => match &ask.input {
                Some(schema) => sample(schema),
                None => Value::object([("approved", Value::Bool(true))]),
            },
        };
        let mut out = Object::new();
        out.insert("response", response);
        out.insert("respondedBy", NOBODY);
        out.insert("respondedAt", Value::from(self.cx.now.iso()));
        out.insert("channel", NOBODY);
        self.leave_with(path, &kind, Ok(Value::from(out)), input);
        Ok(())
    }

    /// A child is not started: its output is the mock, else a sample of its declared outputs.
    pub(super) fn dry_child(
        &mut self,
        path: &StepPath,
        ix: StepIx,
        wanted: &str,
        inputs: &Value,
        input: Value,
    ) -> Work_<()> {
        let step = &self.program.steps[ix];
        let (name, kind) = (step.name.clone(), step.kind.clone());
        let result = match self.mocked(&name, 0)? {
            Some(result) => result,
            None => self.callee(wanted, &name, inputs).map(|view| sample(&view.outputs)),
        };
        self.leave_with(path, &kind, result, input);
        Ok(())
    }

    /// A sample of what the step's operation answers.
    fn sampled(&self, ix: StepIx) -> Value {
        match &self.program.steps[ix].body {
            program::Body::Leaf(leaf) => match &leaf.operation {
                Some(operation) => sample(&operation.output),
                None => sample(&steps::output(leaf.code.meta())),
            },
            _ => Value::Null,
        }
    }
}

fn answer(mock: Value) -> Result<Value, Fault> {
    match mock.get("error") {
        Some(error @ Value::Object(_)) => {
            let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
            let kind = text("type").unwrap_or_else(|| "Error".into());
            let fault = Fault::new(&kind, text("message").unwrap_or_else(|| "mocked".into()));
            Err(fault.details(error.get("details").cloned().unwrap_or_default()))
        }
        Some(Value::Str(message)) => Err(Fault::new("Error", message.clone())),
        _ => Ok(mock),
    }
}
