//! Moving through the tree: bodies, branches, loops, wrappers.
//!
//! Invariants: wrappers stand in the order on-failure, if, timeout, foreach, step; every frame can be gone on with after any fact.
//! Not here: what a leaf does (`leaf`), retries and fallbacks (`policy`).
//! Source: `reference/workflow-language.md` §3.3, §3.6, §4.

use super::{Work, Work_, iteration};
use crate::core::{Body, FactKind, Fault, Hop, Mode as StartMode, Role, Status, StepPath};
use crate::program::{self, Block, Iterations, List, Parallel, Step, StepIx};
use crate::state::{Frame, Jump, Last, Mode};
use std::sync::Arc;
use stdx::{Object, Value};

/// Items of a dynamic `parallel` at most.
const PARALLEL_ITEMS_MAX: usize = 100;

/// The path with one more hop.
pub(super) fn push(path: &[Hop], name: &Arc<str>, role: Role, index: u32) -> StepPath {
    let hop = Hop { name: name.clone(), role, index, pass: 0 };
    StepPath(path.iter().cloned().chain([hop]).collect())
}

/// What a body runs.
enum Runs<'p> {
    Block(&'p Block),
    /// One step without its outer wrappers: an iteration of step-level `foreach`.
    Inner(StepIx),
    /// One step and nothing else.
    Only(StepIx),
}

impl Work<'_> {
    /// Lets the frame at `path` go on by one step.
    pub(super) fn step(&mut self, path: &StepPath) -> Work_<()> {
        let Some(frame) = self.state.frame(&path.0) else { return Ok(()) };
        match frame.mode.clone() {
            Mode::Answered { result, .. } if path.0.is_empty() => self.slot_answered(result),
            Mode::Failed { error, woke, .. } => self.failed(path, &error, woke),
            Mode::Answered { result, memo } => self.leaf_answered(path, result, &memo),
            Mode::Woken { decision, memo } => self.leaf_woken(path, decision, &memo),
            Mode::Waiting { .. } => self.question_expired(path),
            Mode::Calling => Ok(()),
            Mode::Body(last) => self.body_step(path, last),
        }
    }

    fn body_step(&mut self, path: &StepPath, last: Option<Last>) -> Work_<()> {
        let Some(hop) = path.0.last().cloned() else {
            return if self.undo_waits() { Ok(()) } else { self.run_body(path, last) };
        };
        let Some(ix) = self.program.index_of(&hop.name) else { return self.lost(path) };
        let step = &self.program.steps[ix];
        match (hop.role, &step.body) {
            (Role::Timeout, _) if iteration::is_body(&path.0) => self.run_body(path, last),
            (Role::Loop, program::Body::Foreach { .. } | program::Body::While { .. })
                if step.each.is_none() && iteration::is_wrapped(step) =>
            {
                self.wrapped_iteration(path, ix, last)
            }
            (Role::Timeout, _) => self.after_timeout(&path.0, ix),
            (Role::Each, _) => self.next_iteration(path, ix, last),
            (Role::Step, program::Body::Foreach { .. } | program::Body::While { .. }) => {
                self.next_iteration(path, ix, last)
            }
            (Role::Step, program::Body::Parallel(p)) => self.parallel_step(path, ix, p),
            (Role::Step, program::Body::If { .. } | program::Body::Switch { .. })
            | (Role::Loop | Role::Branch | Role::Fallback, _) => self.run_body(path, last),
            // A leaf whose effect was given up, or whose question is void, starts anew.
            (Role::Step, _) => self.start_inner(&path.0[..path.0.len() - 1], ix),
            (Role::Retry | Role::Guard, _) => self.start_wrapped(&path.0, ix),
        }
    }

    /// The program no longer knows this step: versions never change under a run, so this is a broken journal.
    fn lost(&mut self, path: &StepPath) -> Work_<()> {
        let fault = Fault::new("Error", format!("the workflow has no step at `{path}`"));
        self.end_run(Status::Failed, Body::Null, Some(fault), None);
        Ok(())
    }

    fn runs(&self, path: &StepPath) -> Work_<Option<Runs<'_>>> {
        let Some(hop) = path.0.last() else {
            return Ok(match &self.start().mode {
                StartMode::Step(name, _) => self.program.index_of(name).map(Runs::Only),
                _ => Some(Runs::Block(&self.program.root)),
            });
        };
        let Some(step) = self.program.step(&hop.name) else { return Ok(None) };
        let branch = match self.state.frame(&path.0) {
            Some(f) => self.about(&f.about)?.get("branch").and_then(Value::as_i64).unwrap_or(0) as usize,
            None => 0,
        };
        Ok(match (hop.role, &step.body) {
            (Role::Fallback, _) if iteration::is_policy(self.program, &path.0[..path.0.len() - 1]) => {
                step.iteration_policy.as_ref().map(|p| Runs::Block(&p.fallback))
            }
            (Role::Timeout, program::Body::Foreach { body, .. } | program::Body::While { body, .. })
                if iteration::is_body(&path.0) =>
            {
                Some(Runs::Block(body))
            }
            (Role::Fallback, _) => self
                .program
                .policy(step, path.0[..path.0.len() - 1].iter().any(|h| h.role == Role::Fallback))
                .map(|p| Runs::Block(&p.fallback)),
            (Role::Loop, _) if path.0.len() > 1 && path.0[path.0.len() - 2].role == Role::Each => {
                self.program.index_of(&hop.name).map(Runs::Inner)
            }
            (Role::Loop, program::Body::Foreach { body, .. } | program::Body::While { body, .. }) => {
                Some(Runs::Block(body))
            }
            (Role::Step, program::Body::If { then, otherwise, .. }) => {
                Some(Runs::Block(if branch == 0 { then } else { otherwise }))
            }
            (Role::Step, program::Body::Switch { cases, default, .. }) => {
                Some(Runs::Block(cases.get(branch).map_or(default, |(_, block)| block)))
            }
            (Role::Branch, program::Body::Parallel(p)) => {
                let at = if p.list.is_some() { 0 } else { hop.index as usize };
                p.branches.get(at).map(|(_, block)| Runs::Block(block))
            }
            _ => None,
        })
    }

    /// The next step of a body, or its end.
    fn run_body(&mut self, path: &StepPath, last: Option<Last>) -> Work_<()> {
        if let Some(Last { error: Some(fault), .. }) = &last {
            return self.body_failed(path, fault.clone());
        }
        if last.as_ref().is_some_and(|l| l.jump != Jump::None) {
            return self.body_done(path);
        }
        let Some(runs) = self.runs(path)? else { return self.lost(path) };
        let next = match (&runs, &last) {
            (Runs::Inner(ix), None) => Some((*ix, true)),
            (Runs::Inner(_) | Runs::Only(_), Some(_)) => None,
            (Runs::Only(ix), None) => Some((*ix, false)),
            (Runs::Block(block), None) => block.0.first().map(|ix| (*ix, false)),
            (Runs::Block(block), Some(last)) => {
                let at = block.0.iter().position(|ix| self.program.steps[*ix].name == last.name);
                at.and_then(|at| block.0.get(at + 1)).map(|ix| (*ix, false))
            }
        };
        match next {
            Some((ix, true)) => self.start_inner(&path.0, ix),
            Some((ix, false)) => {
                let base = self.child_base(path)?;
                self.start_step(&base, ix)
            }
            None => self.body_done(path),
        }
    }

    /// Where the children of a body stand: branches of `if` and `switch` have a hop of their own and no frame.
    fn child_base(&self, path: &StepPath) -> Work_<StepPath> {
        let Some(hop) = path.0.last().filter(|h| h.role == Role::Step) else { return Ok(path.clone()) };
        let branch = match self.state.frame(&path.0) {
            Some(f) => self.about(&f.about)?.get("branch").and_then(Value::as_i64).unwrap_or(0),
            None => 0,
        };
        Ok(push(&path.0, &hop.name, Role::Branch, u32::try_from(branch).unwrap_or(0)))
    }

    /// Starts a step with all its wrappers.
    pub(super) fn start_step(&mut self, base: &StepPath, ix: StepIx) -> Work_<()> {
        let step = &self.program.steps[ix];
        let in_fallback = base.0.iter().any(|h| h.role == Role::Fallback);
        if self.program.policy(step, in_fallback).is_some() {
            let path = push(&base.0, &step.name, Role::Retry, 0);
            return self.start_wrapped(&path.0, ix);
        }
        self.start_wrapped(&base.0, ix)
    }

    /// Starts a step inside its on-failure: guard, timeout, list.
    pub(super) fn start_wrapped(&mut self, base: &[Hop], ix: StepIx) -> Work_<()> {
        let step = &self.program.steps[ix];
        if iteration::is_policy(self.program, base) {
            self.enter_iteration_body(base, ix);
            return Ok(());
        }
        if let Some(guard) = &step.guard {
            let path = push(base, &step.name, Role::Step, 0);
            let root = self.context(base, &guard.refs)?;
            match guard.eval(&root) {
                Ok(true) => {}
                Ok(false) => {
                    let kind = step.kind.clone();
                    self.emit(FactKind::Left {
                        path,
                        status: Status::Skipped,
                        output: Body::Null,
                        error: None,
                        kind,
                        input: Body::Null,
                    });
                    return Ok(());
                }
                Err(message) => {
                    self.leave_with(&path, &step.kind, Err(condition_fault(&message, &step.name)), Value::Null);
                    return Ok(());
                }
            }
        }
        if let Some(timeout) = step.timeout.as_ref().filter(|_| !crate::steps::asks(&step.kind)) {
            let path = push(base, &step.name, Role::Timeout, 0);
            let deadline = Some(self.cx.now + timeout.length);
            self.emit(FactKind::Entered {
                path: path.clone(),
                kind: "timeout".into(),
                input: Body::Null,
                about: Body::Null,
                deadline,
            });
            return self.after_timeout(&path.0, ix);
        }
        self.after_timeout(base, ix)
    }

    fn after_timeout(&mut self, base: &[Hop], ix: StepIx) -> Work_<()> {
        let step = &self.program.steps[ix];
        let Some(list) = &step.each else { return self.start_inner(base, ix) };
        match self.items(base, list)? {
            Ok(items) => {
                let path = push(base, &step.name, Role::Each, 0);
                self.enter_loop(&path, step, items, list)
            }
            Err(message) => {
                let path = push(base, &step.name, Role::Step, 0);
                self.leave_with(&path, &step.kind, Err(Fault::new("Error", message)), Value::Null);
                Ok(())
            }
        }
    }

    fn enter_loop(&mut self, path: &StepPath, step: &Step, items: Value, list: &List) -> Work_<()> {
        let total = items.as_array().map_or(0, <[Value]>::len);
        let about = Value::object([("items", items), ("total", Value::from(total))]);
        let about = self.body(about);
        let input = self.body(Value::object([("foreach", Value::from(list.source()))]));
        self.emit(FactKind::Entered { path: path.clone(), kind: "foreach".into(), input, about, deadline: None });
        let _ = step;
        Ok(())
    }

    /// The list of a loop, evaluated once and kept in the fact.
    pub(super) fn items(&self, base: &[Hop], list: &List) -> Work_<Result<Value, String>> {
        let root = self.context(base, &list.refs())?;
        Ok(resolve_list(list, &root))
    }

    /// Starts what a step does, inside all wrappers.
    pub(super) fn start_inner(&mut self, base: &[Hop], ix: StepIx) -> Work_<()> {
        let step = &self.program.steps[ix];
        let path = push(base, &step.name, Role::Step, 0);
        let entered = |about: Value, input: Value| FactKind::Entered {
            path: path.clone(),
            kind: step.kind.clone(),
            input: input.into(),
            about: about.into(),
            deadline: None,
        };
        match &step.body {
            program::Body::Leaf(leaf) => self.start_leaf(&path, ix, leaf),
            program::Body::If { condition, .. } => {
                let root = self.context(base, &condition.refs)?;
                match condition.eval(&root) {
                    Ok(result) => {
                        let about = Value::object([
                            ("branch", Value::from(i64::from(!result))),
                            ("conditionResult", Value::Bool(result)),
                        ]);
                        let input = [
                            ("condition", Value::Str(condition.source.clone())),
                            ("rendered", condition.rendered(&root)),
                        ];
                        self.emit(entered(about, Value::object(input)));
                    }
                    Err(message) => {
                        self.leave_with(&path, &step.kind, Err(condition_fault(&message, &step.name)), Value::Null)
                    }
                }
                Ok(())
            }
            program::Body::Switch { expression, cases, .. } => {
                let mut refs = expression.refs.clone();
                cases.iter().for_each(|(m, _)| refs.merge(&m.refs()));
                let root = self.context(base, &refs)?;
                let chosen = expression.eval(&root).map(Option::unwrap_or_default).and_then(|value| {
                    let text = crate::template::print(&value);
                    for (i, (wanted, _)) in cases.iter().enumerate() {
                        let wanted = wanted.eval(&root)?.unwrap_or_default();
                        if crate::template::print(&wanted) == text {
                            return Ok((i as i64, text));
                        }
                    }
                    Ok((-1, text))
                });
                match chosen {
                    Ok((at, text)) => {
                        let branch = if at < 0 { cases.len() as i64 } else { at };
                        let about = Value::object([
                            ("branch", Value::from(branch)),
                            ("matchedIndex", Value::from(at)),
                            ("matchedValue", Value::from(text.as_str())),
                        ]);
                        self.emit(entered(about, Value::object([("expression", Value::from(text))])));
                    }
                    Err(message) => self.leave_with(&path, &step.kind, Err(Fault::new("Error", message)), Value::Null),
                }
                Ok(())
            }
            program::Body::Foreach { list, .. } => match self.items(base, list)? {
                Ok(items) => self.enter_loop(&path, step, items, list),
                Err(message) => {
                    self.leave_with(&path, &step.kind, Err(Fault::new("Error", message)), Value::Null);
                    Ok(())
                }
            },
            program::Body::While { .. } => {
                self.emit(entered(Value::Null, Value::Null));
                Ok(())
            }
            program::Body::Parallel(p) => self.enter_parallel(&path, step, p),
            program::Body::Break | program::Body::Continue => {
                self.leave_with(&path, &step.kind, Ok(Value::Null), Value::Null);
                Ok(())
            }
            program::Body::Unsupported { .. } => {
                let fault =
                    Fault::new("UnsupportedStepType", format!("the step type `{}` is not there yet", step.kind));
                self.leave_with(&path, &step.kind, Err(fault), Value::Null);
                Ok(())
            }
        }
    }

    /// The next iteration of a loop, or its end.
    fn next_iteration(&mut self, path: &StepPath, ix: StepIx, _last: Option<Last>) -> Work_<()> {
        // A loop's frame moves by itself only before its first iteration: later ones follow from `body_done`.
        self.iterate(path, ix, 0)
    }

    fn iterate(&mut self, path: &StepPath, ix: StepIx, index: u64) -> Work_<()> {
        let step = &self.program.steps[ix];
        let Iterations { limit, fail } = step.iterations;
        let total = match (&step.body, path.0.last().map(|h| h.role)) {
            (program::Body::While { .. }, Some(Role::Step)) => u64::MAX,
            _ => match self.state.frame(&path.0) {
                Some(f) => self.about(&f.about)?.get("total").and_then(Value::as_i64).unwrap_or(0) as u64,
                None => 0,
            },
        };
        if index >= total {
            return self.loop_done(path, ix, "completed");
        }
        if index >= limit {
            if fail {
                let (word, name) = if total == u64::MAX { ("While", &step.name) } else { ("Foreach", &step.name) };
                let message = format!(
                    "{word} step \"{name}\" exceeded max-iterations limit of {limit}. Completed {index} iterations."
                );
                self.leave_with(path, &step.kind, Err(Fault::new("Error", message)), Value::Null);
                return Ok(());
            }
            let message = if total == u64::MAX {
                format!("the loop stopped at {limit} iterations")
            } else {
                format!("the loop stopped at {limit} of {total} items")
            };
            self.emit(FactKind::Logged { path: path.clone(), message: message.into(), level: "warn".into() });
            return self.loop_done(path, ix, "max-iterations");
        }
        let iteration = push(&path.0, &step.name, Role::Loop, u32::try_from(index).unwrap_or(u32::MAX));
        self.emit(FactKind::Entered {
            path: iteration,
            kind: "iteration".into(),
            input: Body::Null,
            about: Body::Null,
            deadline: None,
        });
        Ok(())
    }

    fn loop_done(&mut self, path: &StepPath, ix: StepIx, reason: &str) -> Work_<()> {
        let step = &self.program.steps[ix];
        let output = match &step.body {
            program::Body::While { .. } => {
                let reason = if reason == "completed" { "condition" } else { reason };
                Value::object([("exitReason", Value::from(reason))])
            }
            _ => Value::Null,
        };
        let kind =
            if path.0.last().is_some_and(|h| h.role == Role::Each) { "foreach".into() } else { step.kind.clone() };
        self.leave_with(path, &kind, Ok(output), Value::Null);
        Ok(())
    }

    /// All steps of a body are done.
    pub(super) fn body_done(&mut self, path: &StepPath) -> Work_<()> {
        let Some(hop) = path.0.last().cloned() else {
            // Only `workflow.output` gives a run an output.
            self.end_run(Status::Completed, Body::Null, None, None);
            return Ok(());
        };
        let Some(ix) = self.program.index_of(&hop.name) else { return self.lost(path) };
        let step = &self.program.steps[ix];
        match hop.role {
            Role::Loop => {
                let scope = StepPath(path.0[..path.0.len() - 1].into());
                let jump = match self.state.frame(&path.0).map(|f| &f.mode) {
                    Some(Mode::Body(Some(last))) => last.jump,
                    _ => Jump::None,
                };
                if jump == Jump::Break {
                    return self.loop_done(&scope, ix, "break");
                }
                let next = u64::from(hop.index) + 1;
                if let program::Body::While { condition, .. } = &step.body
                    && next < step.iterations.limit
                {
                    // The condition counts the iterations that are done: it sees the number of the next one.
                    let seen = push(&scope.0, &step.name, Role::Loop, u32::try_from(next).unwrap_or(u32::MAX));
                    let root = self.context(&seen.0, &condition.refs)?;
                    match condition.eval(&root) {
                        Ok(true) => {}
                        Ok(false) => return self.loop_done(&scope, ix, "completed"),
                        Err(message) => {
                            self.leave_with(
                                &scope,
                                &step.kind,
                                Err(condition_fault(&message, &step.name)),
                                Value::Null,
                            );
                            return Ok(());
                        }
                    }
                }
                self.iterate(&scope, ix, next)
            }
            Role::Fallback => self.fallback_done(path, ix),
            Role::Branch => {
                self.branch_left(path, ix, None);
                Ok(())
            }
            _ => {
                let about = match self.state.frame(&path.0) {
                    Some(f) => self.about(&f.about)?,
                    None => Value::Null,
                };
                let output = match &step.body {
                    program::Body::If { .. } => {
                        Value::object([("conditionResult", about.get("conditionResult").cloned().unwrap_or_default())])
                    }
                    _ => Value::Null,
                };
                self.leave_with(path, &step.kind, Ok(output), Value::Null);
                Ok(())
            }
        }
    }

    /// A step of a body failed and nothing caught it.
    pub(super) fn body_failed(&mut self, path: &StepPath, fault: Fault) -> Work_<()> {
        let Some(hop) = path.0.last().cloned() else {
            self.end_run(Status::Failed, Body::Null, Some(fault), None);
            return Ok(());
        };
        let Some(ix) = self.program.index_of(&hop.name) else { return self.lost(path) };
        let step = &self.program.steps[ix];
        match hop.role {
            Role::Loop => {
                let scope = StepPath(path.0[..path.0.len() - 1].into());
                let kind = step.kind.clone();
                self.leave_with(&scope, &kind, Err(fault), Value::Null);
            }
            Role::Branch => self.branch_left(path, ix, Some(fault)),
            // The policy's scope fails with what its fallback failed with.
            Role::Fallback => {
                let scope = StepPath(path.0[..path.0.len() - 1].into());
                self.leave_with(&scope, &"on-failure".into(), Err(fault), Value::Null);
            }
            _ => self.leave_with(path, &step.kind.clone(), Err(fault), Value::Null),
        }
        Ok(())
    }

    /// A scope's time is over.
    pub(super) fn scope_timed_out(&mut self, path: &StepPath) {
        let Some(hop) = path.0.last().cloned() else { return };
        self.abandon_below(&path.0);
        let withdrawn = self.open_questions(&path.0);
        self.close.extend(withdrawn.into_iter().map(|id| (id, triage::question::QuestionState::Withdrawn)));
        let step = self.program.step(&hop.name);
        let kind: Arc<str> = step.map_or_else(|| "step".into(), |s| s.kind.clone());
        let text = match (hop.role, step.map(|s| &s.body)) {
            _ if iteration::is_body(&path.0) => step.and_then(|s| s.iteration_timeout.as_ref()).map(|t| t.text.clone()),
            (Role::Branch, Some(program::Body::Parallel(p))) => p.branch_timeout.as_ref().map(|t| t.text.clone()),
            _ => step.and_then(|s| s.timeout.as_ref()).map(|t| t.text.clone()),
        };
        let fault = Fault::new(
            "TimeoutError",
            format!("Step execution exceeded the configured timeout of {}.", text.unwrap_or_else(|| "0s".into())),
        );
        if iteration::is_body(&path.0) {
            self.leave_with(path, &kind, Err(fault), Value::Null);
            return;
        }
        if hop.role == Role::Branch {
            let Some(ix) = self.program.index_of(&hop.name) else { return };
            self.branch_left_as(path, ix, Status::TimedOut, Some(fault));
            return;
        }
        let at = push(&path.0, &hop.name, Role::Step, 0);
        self.leave_with(&at, &kind, Err(fault), Value::Null);
    }
}

pub(super) fn condition_fault(message: &str, step: &str) -> Fault {
    let message = if message.starts_with("Syntax error in condition") {
        format!("{message} (step {step})")
    } else {
        message.to_owned()
    };
    Fault::new("Error", message)
}

/// The list a `foreach` loops over.
pub(super) fn resolve_list(list: &List, root: &crate::template::Root) -> Result<Value, String> {
    let source = list.source();
    let value = match list {
        List::Items(params) => params.eval(root)?,
        List::Expression(text) => text.eval(root)?,
        List::Json(text) => {
            let rendered = text.render(root)?;
            return match stdx::json::parse(rendered.trim()) {
                Ok(v @ Value::Array(_)) => Ok(v),
                _ => Err(format!(
                    "Foreach expression must be a valid JSON array or a context path. Got: {}",
                    stdx::bounded::truncate(&rendered, 200)
                )),
            };
        }
        List::Path(text, path) => {
            let value = text.eval(root)?;
            if value.is_none() {
                return Err(format!("Expression \"{path}\" could not be found in the context"));
            }
            value
        }
    };
    match value {
        Some(v @ Value::Array(_)) => Ok(v),
        Some(Value::Str(s)) => match stdx::json::parse(&s) {
            Ok(v @ Value::Array(_)) => Ok(v),
            _ => Err(format!(
                "Foreach expression must be a valid JSON array or a context path. Got: {}",
                stdx::bounded::truncate(&s, 200)
            )),
        },
        other => Err(format!(
            "Foreach expression must evaluate to an array. Expression \"{source}\" resolved to {}",
            other.map_or("undefined", |v| v.type_name())
        )),
    }
}

/// `parallel`.
impl Work<'_> {
    pub(super) fn is_parallel(&self, frame: &Frame) -> bool {
        &*frame.kind == "parallel"
    }

    fn parallel_total(frame: &Frame) -> u32 {
        match &frame.about {
            Body::Inline(v) => v.get("total").and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            _ => 0,
        }
    }

    fn open_branches(&self, path: &StepPath) -> u32 {
        let n = path.0.len();
        let open = |f: &&Frame| f.path.0.len() == n + 1 && f.path.0.starts_with(&path.0);
        self.state.frames.iter().filter(open).count() as u32
    }

    /// Open branches in which everything waits.
    fn waiting_branches(&self, path: &StepPath) -> u32 {
        let n = path.0.len();
        let branches = self.state.frames.iter().filter(|f| f.path.0.len() == n + 1 && f.path.0.starts_with(&path.0));
        let waits = |b: &&Frame| {
            let mut inner =
                self.state.frames.iter().filter(|f| f.path.0.len() > n + 1 && f.path.0.starts_with(&b.path.0));
            let mut any = false;
            inner.all(|f| {
                let ends = !self.state.has_open_below(&f.path);
                any |= ends;
                !ends || matches!(f.mode, Mode::Waiting { .. } | Mode::Failed { timer: Some(_), woke: false, .. })
            }) && any
        };
        branches.filter(waits).count() as u32
    }

    /// Branches of all open `parallel` steps that have not finished.
    fn outstanding(&self) -> usize {
        let parallels = self.state.frames.iter().filter(|f| self.is_parallel(f));
        parallels.map(|f| (Self::parallel_total(f) as usize).saturating_sub(f.results.len())).sum()
    }

    pub(super) fn parallel_can_move(&self, frame: &Frame) -> bool {
        let Some(program::Body::Parallel(p)) =
            frame.last_hop().and_then(|h| self.program.step(&h.name)).map(|s| &s.body)
        else {
            return true;
        };
        let (open, done) = (self.open_branches(&frame.path), frame.results.len() as u32);
        let stopped = !p.settled && frame.results.iter().any(|r| r.error.is_some());
        let busy = if p.count_waiting { open } else { open - self.waiting_branches(&frame.path).min(open) };
        open == 0 || (!stopped && busy < p.concurrency && open + done < Self::parallel_total(frame))
    }

    fn enter_parallel(&mut self, path: &StepPath, step: &Step, p: &Parallel) -> Work_<()> {
        let names: Vec<Value> = match &p.list {
            None => p.branches.iter().map(|(n, _)| Value::Str(n.clone())).collect(),
            Some(list) => match self.items(&path.0[..path.0.len() - 1], list)? {
                Ok(items) if items.as_array().is_some_and(|a| a.len() > PARALLEL_ITEMS_MAX) => {
                    let fault = Fault::new("Error", format!("parallel runs at most {PARALLEL_ITEMS_MAX} items"));
                    self.leave_with(path, &step.kind, Err(fault), Value::Null);
                    return Ok(());
                }
                Ok(items) => items.as_array().unwrap_or_default().to_vec(),
                Err(message) => {
                    self.leave_with(path, &step.kind, Err(Fault::new("Error", message)), Value::Null);
                    return Ok(());
                }
            },
        };
        let (branches, limit) = (self.outstanding() + names.len(), self.cx.env.limits.branches);
        if branches > limit as usize {
            // The whole run is too wide; other branches of it would only try the same again.
            let message = format!("the run would have {branches} outstanding branches, at most {limit} are allowed");
            let fault = Fault::new("ParallelLimitExceeded", message);
            self.leave_with(path, &step.kind, Err(fault.clone()), Value::Null);
            self.end_run(Status::Failed, Body::Null, Some(fault), None);
            return Ok(());
        }
        // Items go into each branch's own fact, so that the count is read without loading them.
        let about = Value::object([("total", Value::from(names.len()))]);
        self.emit(FactKind::Entered {
            path: path.clone(),
            kind: "parallel".into(),
            input: Body::Null,
            about: about.into(),
            deadline: None,
        });
        Ok(())
    }

    fn parallel_step(&mut self, path: &StepPath, ix: StepIx, p: &Parallel) -> Work_<()> {
        let step = &self.program.steps[ix];
        let Some(frame) = self.state.frame(&path.0) else { return Ok(()) };
        let total = Self::parallel_total(frame);
        let started = self.open_branches(path) + frame.results.len() as u32;
        let stopped = !p.settled && frame.results.iter().any(|r| r.error.is_some());
        if started < total && !stopped {
            let branch = push(&path.0, &step.name, Role::Branch, started);
            let about = match &p.list {
                Some(list) => {
                    let items = self.items(&path.0[..path.0.len() - 1], list)?.unwrap_or_default();
                    Value::object([("items", items)])
                }
                None => Value::Null,
            };
            let about = self.body(about);
            let deadline = p.branch_timeout.as_ref().map(|t| self.cx.now + t.length);
            self.emit(FactKind::Entered { path: branch, kind: "branch".into(), input: Body::Null, about, deadline });
            return Ok(());
        }
        self.parallel_done(path, step, p)
    }

    fn branch_left(&mut self, path: &StepPath, ix: StepIx, error: Option<Fault>) {
        let status = if error.is_some() { Status::Failed } else { Status::Completed };
        self.branch_left_as(path, ix, status, error);
    }

    fn branch_left_as(&mut self, path: &StepPath, ix: StepIx, status: Status, error: Option<Fault>) {
        let step = &self.program.steps[ix];
        let last = match (&step.body, path.0.last()) {
            (program::Body::Parallel(p), Some(hop)) => {
                let at = if p.list.is_some() { 0 } else { hop.index as usize };
                p.branches.get(at).and_then(|(_, b)| b.0.last()).map(|ix| self.program.steps[*ix].name.clone())
            }
            _ => None,
        };
        let output = last
            .filter(|_| error.is_none())
            .and_then(|n| self.state.memory_of(&path.0, &n))
            .map(|m| m.output.clone())
            .unwrap_or_default();
        self.emit(FactKind::Left {
            path: path.clone(),
            status,
            output,
            error,
            kind: "branch".into(),
            input: Body::Null,
        });
    }

    fn parallel_done(&mut self, path: &StepPath, step: &Step, p: &Parallel) -> Work_<()> {
        let Some(frame) = self.state.frame(&path.0) else { return Ok(()) };
        let total = Self::parallel_total(frame);
        let mut results: Vec<_> = frame.results.clone();
        results.sort_by_key(|r| r.index);
        let mut list = vec![];
        let mut branches = Object::new();
        let mut first_error = None;
        for i in 0..total {
            let result = results.iter().find(|r| r.index == i);
            let mut row = Object::new();
            row.insert("index", i);
            let name = p.branches.get(i as usize).filter(|_| p.list.is_none()).map(|(n, _)| n.clone());
            row.insert("key", name.clone());
            match result {
                Some(r) => {
                    row.insert("status", r.status.as_str());
                    row.insert("startedAt", r.started.ms());
                    row.insert("finishedAt", r.finished.ms());
                    row.insert("durationMs", r.finished.since(r.started).ms());
                    row.insert("output", self.load(&r.output)?);
                    row.insert("error", r.error.as_ref().map(super::context::error_value));
                    first_error = first_error.or_else(|| r.error.clone());
                }
                None => {
                    row.insert("status", "skipped");
                    row.insert("output", Value::Null);
                    row.insert("error", Value::Null);
                }
            }
            if let Some(name) = name {
                let picked = ["status", "output", "error"].map(|k| (k, row.get(k).cloned().unwrap_or_default()));
                branches.insert(name, Value::object(picked));
            }
            list.push(Value::from(row));
        }
        let failed = results.iter().filter(|r| r.error.is_some()).count();
        let mut out = Object::new();
        out.insert("results", Value::from(list));
        out.insert("total", total);
        out.insert("succeeded", results.len() - failed);
        out.insert("failed", failed);
        out.insert("status", if failed > 0 { "failed" } else { "completed" });
        if p.list.is_none() {
            out.insert("branches", Value::from(branches));
        }
        let error = first_error.filter(|_| !p.settled);
        let output = self.body(Value::from(out));
        let status = if error.is_some() { Status::Failed } else { Status::Completed };
        self.emit(FactKind::Left {
            path: path.clone(),
            status,
            output,
            error,
            kind: step.kind.clone(),
            input: Body::Null,
        });
        Ok(())
    }
}
