//! `on-failure`: retries, fallback, continue.
//!
//! Invariants: a retry takes the next pass and renders anew; jitter comes from the key, so that the same run waits the same.
//! Source: `reference/workflow-language.md` §3.4.

use super::context::{Extra, error_value};
use super::flow::push;
use super::{Work, Work_, iteration};
use crate::core::{Body, FactKind, Fault, Hop, Role, StepPath, TimerId, Wait};
use crate::program::{GoOn, OnFailure, Retry, StepIx};
use std::sync::Arc;
use stdx::{Duration, Rng, Value};

/// Longest delay between retries.
const DELAY_MAX: Duration = Duration::from_secs(7 * 86_400);

impl Work<'_> {
    /// The policy whose scope stands at `path`.
    fn policy_at(&self, path: &StepPath) -> Option<(StepIx, Arc<OnFailure>)> {
        let hop = path.0.last()?;
        let ix = self.program.index_of(&hop.name)?;
        if iteration::is_policy(self.program, &path.0) {
            return Some((ix, self.program.steps[ix].iteration_policy.clone()?));
        }
        let in_fallback = path.0[..path.0.len() - 1].iter().any(|h| h.role == Role::Fallback);
        Some((ix, self.program.policy(&self.program.steps[ix], in_fallback)?.clone()))
    }

    /// A step under `on-failure` failed, or the delay of its retry is over.
    pub(super) fn failed(&mut self, path: &StepPath, error: &Fault, woke: bool) -> Work_<()> {
        let Some((ix, policy)) = self.policy_at(path) else {
            self.leave_with(path, &"on-failure".into(), Err(error.clone()), Value::Null);
            return Ok(());
        };
        let pass = path.0.last().map_or(0, |h| h.pass);
        if woke {
            return self.next_pass(path, ix, pass);
        }
        if let Some(retry) = &policy.retry
            && pass < retry.max_attempts
            && &*error.kind != "NotApproved"
        {
            match self.retry_wanted(path, retry, error)? {
                Ok(false) => {}
                Err(message) => {
                    self.leave_with(path, &"on-failure".into(), Err(Fault::new("Error", message)), Value::Null);
                    return Ok(());
                }
                Ok(true) => {
                    let delay = delay(retry, pass, path);
                    if delay.0 <= 0 || self.start().dry {
                        return self.next_pass(path, ix, pass);
                    }
                    let until = self.cx.now + delay;
                    let timer = Some(TimerId(format!("retry:{path}").into()));
                    self.emit(FactKind::Waiting {
                        path: path.clone(),
                        wait: Box::new(Wait::Until(until)),
                        timer,
                        memo: Body::Null,
                    });
                    return Ok(());
                }
            }
        }
        if policy.fallback.0.is_empty() {
            return self.conclude(path, &policy, error);
        }
        let at = push(&path.0, &self.program.steps[ix].name, Role::Fallback, 0);
        let about = Value::object([("error", error_value(error)), ("fault", stdx::json::to_value(error))]);
        let about = self.body(about);
        self.emit(FactKind::Entered { path: at, kind: "fallback".into(), input: Body::Null, about, deadline: None });
        Ok(())
    }

    fn retry_wanted(&self, path: &StepPath, retry: &Retry, error: &Fault) -> Work_<Result<bool, String>> {
        if !retry.on_status.is_empty() {
            let status = error.details.get("status").and_then(Value::as_i64);
            if !status.is_some_and(|s| retry.on_status.contains(&s)) {
                return Ok(Ok(false));
            }
        }
        let Some(condition) = &retry.condition else { return Ok(Ok(true)) };
        let extra = Extra { error: Some(error), loops: vec![], ..Extra::default() };
        let root = self.context_with(&path.0, &condition.refs, &extra)?;
        Ok(condition.eval(&root))
    }

    fn next_pass(&mut self, path: &StepPath, ix: StepIx, pass: u32) -> Work_<()> {
        let Some((last, outer)) = path.0.split_last() else { return Ok(()) };
        let hop = Hop { pass: pass + 1, ..last.clone() };
        let next: Vec<Hop> = outer.iter().cloned().chain([hop]).collect();
        self.start_wrapped(&next, ix)
    }

    /// The fallback's steps are done.
    pub(super) fn fallback_done(&mut self, path: &StepPath, _ix: StepIx) -> Work_<()> {
        let scope = StepPath(path.0[..path.0.len() - 1].into());
        let about = match self.state.frame(&path.0) {
            Some(f) => self.about(&f.about)?,
            None => Value::Null,
        };
        let fault = about
            .get("fault")
            .and_then(|v| stdx::json::from_value::<Fault>(v).ok())
            .unwrap_or_else(|| Fault::new("Error", "failed"));
        let Some((_, policy)) = self.policy_at(&scope) else { return Ok(()) };
        self.conclude(&scope, &policy, &fault)
    }

    /// Goes on in spite of the error, or gives it to the enclosing scope.
    fn conclude(&mut self, path: &StepPath, policy: &OnFailure, error: &Fault) -> Work_<()> {
        let go_on = match &policy.go_on {
            GoOn::No => Ok(false),
            GoOn::Yes => Ok(true),
            GoOn::When(condition) => {
                let extra = Extra { error: Some(error), loops: vec![], ..Extra::default() };
                let root = self.context_with(&path.0, &condition.refs, &extra)?;
                condition.eval(&root)
            }
        };
        let result = match go_on {
            Ok(true) => Ok(Value::Null),
            Ok(false) => Err(error.clone()),
            Err(message) => Err(Fault::new("Error", message)),
        };
        self.leave_with(path, &"on-failure".into(), result, Value::Null);
        Ok(())
    }
}

/// Delay before the retry after pass `pass`.
fn delay(retry: &Retry, pass: u32, path: &StepPath) -> Duration {
    let base = retry.delay.0.max(0) as f64;
    let grown =
        if retry.exponential { base * retry.multiplier.powi(i32::try_from(pass).unwrap_or(i32::MAX)) } else { base };
    let cap = retry.max_delay.map_or(DELAY_MAX.0, |m| m.0).min(DELAY_MAX.0);
    let wait = if grown.is_finite() { (grown as i64).min(cap) } else { cap };
    if !retry.jitter {
        return Duration(wait);
    }
    let digest = stdx::id::hash_parts(&[&path.to_string(), "jitter"]);
    let seed =
        u64::from_le_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]]);
    Duration(wait / 2 + (Rng::new(seed).unit() * (wait - wait / 2) as f64) as i64)
}
