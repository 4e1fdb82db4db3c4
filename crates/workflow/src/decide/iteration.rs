//! `iteration-timeout` and `iteration-on-failure`: the wrappers around each iteration's body.
//!
//! Invariants: below an iteration stands its policy's scope, below that its body with a clock of its own; each retry starts a fresh clock.
//! Not here: what a policy does (`policy`), the loop itself (`flow`).
//! Source: `reference/workflow-language.md` §4.3.

use super::flow::push;
use super::{Work, Work_};
use crate::core::{Body, FactKind, Hop, Role, StepPath};
use crate::program::{Program, Step, StepIx};
use crate::state::Last;

/// True where each iteration has wrappers.
pub(super) const fn is_wrapped(step: &Step) -> bool {
    step.iteration_timeout.is_some() || step.iteration_policy.is_some()
}

/// True for the body of an iteration: `…/loop#n[/retry]/timeout`, all of one loop.
pub(super) fn is_body(path: &[Hop]) -> bool {
    let Some((own, rest)) = path.split_last() else { return false };
    let outer = match rest.split_last() {
        Some((p, before)) if p.role == Role::Retry && p.name == own.name => before.last(),
        other => other.map(|(p, _)| p),
    };
    own.role == Role::Timeout && outer.is_some_and(|h| h.role == Role::Loop && h.name == own.name)
}

/// True for the policy's scope of an iteration: `…/loop#n/retry` of one loop step.
pub(super) fn is_policy(program: &Program, path: &[Hop]) -> bool {
    let [.., outer, own] = path else { return false };
    own.role == Role::Retry
        && outer.role == Role::Loop
        && outer.name == own.name
        && program.step(&own.name).is_some_and(|s| s.iteration_policy.is_some() && s.each.is_none())
}

/// Where the steps of an iteration stand.
pub(super) fn base(iteration: StepPath, step: &Step) -> StepPath {
    if !is_wrapped(step) || step.each.is_some() {
        return iteration;
    }
    let scope =
        if step.iteration_policy.is_some() { push(&iteration.0, &step.name, Role::Retry, 0) } else { iteration };
    push(&scope.0, &step.name, Role::Timeout, 0)
}

impl Work<'_> {
    /// The frame of a wrapped iteration moves: into its body, or on with the loop.
    pub(super) fn wrapped_iteration(&mut self, path: &StepPath, ix: StepIx, last: Option<Last>) -> Work_<()> {
        match last {
            None => {
                let step = &self.program.steps[ix];
                let scope = if step.iteration_policy.is_some() {
                    push(&path.0, &step.name, Role::Retry, 0)
                } else {
                    path.clone()
                };
                self.enter_iteration_body(&scope.0, ix);
                Ok(())
            }
            Some(Last { error: Some(fault), .. }) => self.body_failed(path, fault),
            Some(_) => self.body_done(path),
        }
    }

    pub(super) fn enter_iteration_body(&mut self, scope: &[Hop], ix: StepIx) {
        let step = &self.program.steps[ix];
        let deadline = step.iteration_timeout.as_ref().map(|t| self.cx.now + t.length);
        self.emit(FactKind::Entered {
            path: push(scope, &step.name, Role::Timeout, 0),
            kind: "iteration-body".into(),
            input: Body::Null,
            about: Body::Null,
            deadline,
        });
    }
}
