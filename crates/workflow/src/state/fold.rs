//! Folding: one fact onto the state.
//!
//! Invariants: total; no fact is ever skipped; what a fact says is taken as it is.

use super::{BranchResult, CallState, Closing, End, Frame, Jump, Last, Memory, Mode, Phase, QuestionState, State};
use crate::core::{
    Body, DecisionVerdict, Effect, Fact, FactKind, Fault, Hop, Outcome, Role, Settlement, Status, StepPath, TimerId,
    Wait,
};
use crate::slot::SlotState;
use std::sync::Arc;
use stdx::Time;

pub(super) fn fold(state: &mut State, fact: &Fact) {
    state.facts += 1;
    let at = fact.at;
    match &fact.what {
        FactKind::Started { start, name, inputs, deadline } => {
            state.start = Some(Arc::new((**start).clone()));
            state.name = name.clone();
            state.inputs = seen(state, inputs);
            seen(state, &start.event);
            seen(state, &start.inputs);
            state.started_at = Some(at);
            state.deadline = *deadline;
            state.frames.push(frame(StepPath(Arc::new([])), "workflow".into(), at));
        }
        FactKind::Entered { path, kind, input, about, deadline } => {
            entered(state, path, kind, input, about, *deadline, at)
        }
        FactKind::Left { path, status, output, error, kind, input } => {
            supersede(state, path);
            let output = seen(state, output);
            let input = seen(state, input);
            left(state, path, *status, output, error.clone(), kind, input, at);
        }
        FactKind::Asked { key, class, request, deadline, memo, closes, kind, input } => {
            supersede(state, &key.path);
            let (memo, input) = (seen(state, memo), seen(state, input));
            state.class = state.class.max(*class);
            if let Effect::Slot(command) = &**request {
                let crate::slot::SlotCommand::Take { key, .. } = &**command;
                state.slot = Some(key.clone());
            }
            let closing =
                matches!(&**request, Effect::Internal(c) if matches!(**c, triage::Command::QuestionClose { .. }));
            let frame = open(state, &key.path, kind, at);
            frame.calls = frame.calls.max(key.call + 1);
            if closing && let Mode::Waiting { closing, .. } = &mut frame.mode {
                *closing = Closing::Asked;
            } else {
                frame.mode = Mode::Calling;
            }
            state.calls.push(CallState {
                key: key.clone(),
                class: *class,
                effect: Arc::new((**request).clone()),
                phase: Phase::Asked,
                attempts: 0,
                asked_at: at,
                orphan: false,
                handle: None,
                deadline: *deadline,
                memo,
                closes: *closes,
                kind: kind.clone(),
                input,
                resend: None,
            });
        }
        FactKind::Attempting { key, attempt, not_after } => {
            if let Some(c) = state.calls.iter_mut().find(|c| c.key == *key) {
                c.phase = Phase::Attempting { attempt: *attempt, not_after: *not_after };
                c.attempts = c.attempts.max(*attempt);
                c.handle = None;
            }
        }
        FactKind::Detached { key, handle } => {
            if let Some(c) = state.calls.iter_mut().find(|c| c.key == *key) {
                c.handle = Some(handle.clone());
            }
        }
        FactKind::Held { key, why } => {
            if let Some(c) = state.calls.iter_mut().find(|c| c.key == *key) {
                c.phase = Phase::Held { why: why.clone() };
            }
        }
        FactKind::Answered { key, attempt, outcome } => answered(state, key, *attempt, outcome, at),
        FactKind::Settled { key, verdict, .. } => match verdict {
            Settlement::Again => {
                if let Some(c) = state.calls.iter_mut().find(|c| c.key == *key) {
                    c.phase = Phase::Asked;
                }
            }
            Settlement::Happened { .. } => {
                mark_used(state, key);
                state.calls.retain(|c| c.key != *key);
            }
            Settlement::Skip => state.calls.retain(|c| c.key != *key),
        },
        FactKind::Abandoned { key } => {
            state.calls.retain(|c| c.key != *key);
            if let Some(f) = state.frame_mut(&key.path.0)
                && matches!(f.mode, Mode::Calling)
            {
                f.mode = Mode::Body(None);
            }
        }
        FactKind::Waiting { path, wait, timer, memo } => {
            supersede(state, path);
            let memo = seen(state, memo);
            waiting(state, path, wait, timer.as_ref(), memo, at);
        }
        FactKind::Woke { path, decision, .. } => woke(state, path, decision.as_deref()),
        FactKind::Void { question } => {
            for q in state.questions.iter_mut().filter(|q| q.question.id == *question) {
                q.verdict = Some(DecisionVerdict::Void);
            }
            // Whoever waited for it starts anew.
            for f in &mut state.frames {
                let waits = match &f.mode {
                    Mode::Waiting { wait, .. } => matches!(&**wait, Wait::Approval(q) if q.id == *question),
                    _ => false,
                };
                if waits {
                    f.mode = Mode::Body(None);
                }
            }
        }
        FactKind::Ended { status, output, error, cancelled } => {
            let output = seen(state, output);
            state.ended = Some(End { status: *status, output, error: error.clone(), at, cancelled: cancelled.clone() });
            state.frames.clear();
            join(state, &[]);
            state.calls.retain(CallState::begun);
            for c in &mut state.calls {
                c.orphan = true;
            }
            for q in state.questions.iter_mut().filter(|q| q.verdict.is_none()) {
                q.verdict = Some(DecisionVerdict::Void);
            }
        }
        FactKind::Weighed { bytes } => state.bytes = state.bytes.saturating_add(*bytes),
        FactKind::Recalled { step, kind, input, output, error, about } => {
            let (input, output, about) = (seen(state, input), seen(state, output), seen(state, about));
            if &**kind == "data.set" && error.is_none() {
                state.memory.sets.retain(|(n, _)| n != step);
                state.memory.sets.push((step.clone(), output.clone()));
            }
            let memory = Memory { output, error: error.clone(), input, about, ran: true };
            state.memory.steps.insert(step.clone(), Arc::new(memory));
        }
        FactKind::Undoable { undo, .. } => {
            if let Some(v) = undo.call.as_ref().and_then(|c| c.params.value()) {
                state.bytes = state.bytes.saturating_add(crate::json::size(v) as u64);
            }
        }
        FactKind::Logged { .. } => {}
    }
}

/// Notes payload numbers, so that the next one is free.
fn seen(state: &mut State, body: &Body) -> Body {
    match body {
        Body::Payload(r) => state.next_payload = state.next_payload.max(r.0 + 1),
        Body::Inline(v) => state.bytes = state.bytes.saturating_add(crate::json::size(v) as u64),
        Body::Null | Body::Blob(_) => {}
    }
    body.clone()
}

fn frame(path: StepPath, kind: Arc<str>, at: Time) -> Frame {
    Frame {
        path,
        kind,
        about: Body::Null,
        deadline: None,
        since: at,
        calls: 0,
        mode: Mode::Body(None),
        results: vec![],
    }
}

/// The frame at `path`, opened where it is not.
fn open<'a>(state: &'a mut State, path: &StepPath, kind: &Arc<str>, at: Time) -> &'a mut Frame {
    let ix = match state.frames.iter().position(|f| f.path == *path) {
        Some(ix) => ix,
        None => {
            state.frames.push(frame(path.clone(), kind.clone(), at));
            state.frames.len() - 1
        }
    };
    &mut state.frames[ix]
}

/// A later pass of a retry replaces the earlier one.
fn supersede(state: &mut State, path: &StepPath) {
    for (i, hop) in path.0.iter().enumerate().filter(|(_, h)| h.role == Role::Retry && h.pass > 0) {
        state.frames.retain(|f| {
            let old = f.path.0.get(i).is_some_and(|h| h.role == Role::Retry && h.name == hop.name && h.pass < hop.pass);
            !(old && f.path.0[..i] == path.0[..i])
        });
    }
}

fn entered(
    state: &mut State,
    path: &StepPath,
    kind: &Arc<str>,
    input: &Body,
    about: &Body,
    deadline: Option<Time>,
    at: Time,
) {
    supersede(state, path);
    let (input, about) = (seen(state, input), seen(state, about));
    let Some(hop) = path.0.last() else {
        // The run itself: its turn in the queue has come.
        state.deadline = deadline;
        state.started_at = Some(at);
        return;
    };
    if hop.role == Role::Loop {
        let n = path.0.len() - 1;
        state.frames.retain(|f| {
            !(f.path.0.len() > n && f.path.0[..n] == path.0[..n] && f.path.0[n].role == Role::Loop && f.path != *path)
        });
    }
    let frame = open(state, path, kind, at);
    frame.about = about.clone();
    frame.deadline = deadline;
    frame.since = at;
    if hop.role == Role::Step {
        let old = state.memory_of(&path.0, &hop.name).cloned().unwrap_or_default();
        let next = Memory { input, about, ran: old.ran, output: old.output.clone(), error: old.error.clone() };
        state.scope_mut(&path.0).steps.insert(hop.name.clone(), Arc::new(next));
    } else if hop.role == Role::Branch && !state.branches.iter().any(|(p, _)| p == path) {
        state.branches.push((path.clone(), super::Scope::default()));
    }
}

#[allow(clippy::too_many_arguments, reason = "the members of the fact")]
fn left(
    state: &mut State,
    path: &StepPath,
    status: Status,
    output: Body,
    error: Option<Fault>,
    kind: &str,
    input: Body,
    at: Time,
) {
    let Some(hop) = path.0.last().cloned() else { return };
    match hop.role {
        Role::Step if status != Status::Skipped => {
            remember(state, path, &hop.name, output.clone(), error.clone(), input, kind)
        }
        Role::Branch => {
            let started = state.frame(&path.0).map_or(at, |f| f.since);
            let n = path.0.len() - 1;
            if let Some(parent) = state.frame_mut(&path.0[..n]) {
                parent.results.push(BranchResult {
                    index: hop.index,
                    status,
                    started,
                    finished: at,
                    output,
                    error: error.clone(),
                });
            }
        }
        _ => {}
    }
    let jump = match kind {
        "loop.break" if status == Status::Completed => Jump::Break,
        "loop.continue" if status == Status::Completed => Jump::Continue,
        _ => Jump::None,
    };
    close(state, &path.0, Last { name: hop.name, status, error, jump }, at);
}

fn remember(
    state: &mut State,
    path: &StepPath,
    name: &Arc<str>,
    output: Body,
    error: Option<Fault>,
    input: Body,
    kind: &str,
) {
    let old = state.memory_of(&path.0, name).cloned().unwrap_or_default();
    let input = if input.is_null() { old.input.clone() } else { input };
    let scope = state.scope_mut(&path.0);
    if kind == "data.set" && error.is_none() {
        scope.sets.retain(|(n, _)| n != name);
        scope.sets.push((name.clone(), output.clone()));
    }
    scope.steps.insert(name.clone(), Arc::new(Memory { output, error, input, about: old.about.clone(), ran: true }));
}

/// Ends the scopes of branches at and below `path`: what their steps left is seen from outside, their variables are not.
fn join(state: &mut State, path: &[Hop]) {
    while let Some(ix) = state.branches.iter().rposition(|(p, _)| p.0.starts_with(path)) {
        let (at, scope) = state.branches.remove(ix);
        state.scope_mut(&at.0).steps.extend(scope.steps);
    }
}

/// Closes everything at and below `path` and tells the enclosing scope.
fn close(state: &mut State, path: &[Hop], last: Last, at: Time) {
    state.frames.retain(|f| !f.path.0.starts_with(path));
    join(state, path);
    state.calls.retain(|c| c.begun() || !c.key.path.0.starts_with(path));
    let Some((own, parent)) = path.split_last() else { return };
    if let Some(wrapper) = parent.last().filter(|p| p.name == own.name) {
        match wrapper.role {
            Role::Timeout | Role::Guard => return close(state, parent, last, at),
            Role::Retry if last.error.is_none() => return close(state, parent, last, at),
            Role::Retry => {
                let error = last.error.unwrap_or_else(|| Fault::new("Error", "failed"));
                let scope = open(state, &StepPath(parent.into()), &"on-failure".into(), at);
                scope.since = at;
                scope.mode = Mode::Failed { error, timer: None, woke: false };
                return;
            }
            _ => {}
        }
    }
    if last.jump != Jump::None
        && let Some(n) = (0..path.len())
            .rev()
            .find(|n| *n > 0 && path[n - 1].role == Role::Loop && state.frame(&path[..*n]).is_some())
    {
        state.frames.retain(|f| !(f.path.0.len() > n && f.path.0.starts_with(&path[..n])));
        join(state, &path[..n]);
        if let Some(f) = state.frame_mut(&path[..n]) {
            f.mode = Mode::Body(Some(last));
        }
        return;
    }
    for n in (0..path.len()).rev() {
        if let Some(f) = state.frame_mut(&path[..n]) {
            f.mode = Mode::Body(Some(last));
            return;
        }
    }
}

fn answered(state: &mut State, key: &crate::core::EffectKey, attempt: u32, outcome: &Outcome, at: Time) {
    if let Outcome::Answered(Ok(b)) | Outcome::Dry(b) = outcome {
        seen(state, b);
    }
    let Some(ix) = state.calls.iter().position(|c| c.key == *key) else {
        // A question the machine asked for a step: only a refusal matters.
        if let Outcome::Answered(Err(fault)) = outcome
            && let Some(f) = state.frame_mut(&key.path.0)
            && matches!(&f.mode, Mode::Waiting { wait, .. } if matches!(&**wait, Wait::Approval(_)))
        {
            f.mode = Mode::Answered { result: Err(fault.clone()), memo: Body::Null };
        }
        return;
    };
    let call = &mut state.calls[ix];
    call.attempts = call.attempts.max(attempt);
    call.resend = None;
    let result = match outcome {
        Outcome::NotSent(fault) | Outcome::Unknown(fault) => {
            call.phase = Phase::Unanswered { fault: fault.clone() };
            return;
        }
        Outcome::Answered(result) => result.clone(),
        Outcome::Dry(body) => Ok(body.clone()),
    };
    if result.is_ok() {
        mark_used(state, key);
    }
    if matches!(&*state.calls[ix].effect, Effect::Slot(_)) {
        state.calls.remove(ix);
        let held = match &result {
            Ok(Body::Inline(v)) => crate::slot::Taken::from_value(v).is_some_and(|t| t.state == SlotState::Held),
            _ => false,
        };
        if let Some(f) = state.frame_mut(&[]) {
            f.mode = if held { Mode::Body(None) } else { Mode::Answered { result, memo: Body::Null } };
        }
        return;
    }
    let call = state.calls.remove(ix);
    if call.orphan {
        return;
    }
    let closing = matches!(&*call.effect, Effect::Internal(c) if matches!(**c, triage::Command::QuestionClose { .. }));
    if closing {
        if let Some(Frame { mode: Mode::Waiting { closing, .. }, .. }) = state.frame_mut(&key.path.0) {
            *closing = if result.is_ok() { Closing::Closed } else { Closing::Refused };
        }
        return;
    }
    if call.closes {
        let (status, output, error) = match result {
            Ok(body) => (Status::Completed, body, None),
            Err(fault) => (Status::Failed, Body::Null, Some(fault)),
        };
        let input = match &*call.effect {
            Effect::Call(c) => c.params.value().cloned().map_or(Body::Null, Body::from),
            _ => call.input.clone(),
        };
        left(state, &key.path, status, output, error, &call.kind, input, at);
    } else if let Some(f) = state.frame_mut(&key.path.0) {
        f.mode = Mode::Answered { result, memo: call.memo };
        if let Some(name) = key.path.0.last().map(|h| h.name.clone())
            && !call.input.is_null()
        {
            let old = state.memory_of(&key.path.0, &name).cloned().unwrap_or_default();
            let next = Memory { input: call.input, ..(*old).clone() };
            state.scope_mut(&key.path.0).steps.insert(name, Arc::new(next));
        }
    }
}

/// A frozen request serves one success.
fn mark_used(state: &mut State, key: &crate::core::EffectKey) {
    if let Some(Effect::Call(call)) = state.calls.iter().find(|c| c.key == *key).map(|c| &*c.effect)
        && let Some(question) = call.approved_by.clone()
    {
        state.used.insert((question, super::normal(&key.path.0)));
    }
}

fn waiting(state: &mut State, path: &StepPath, wait: &Wait, timer: Option<&TimerId>, memo: Body, at: Time) {
    if let Wait::Settlement(key) = wait {
        if let Some(c) = state.calls.iter_mut().find(|c| c.key == *key) {
            c.phase = Phase::Settling;
        }
        return;
    }
    let due = match wait {
        Wait::Until(t) => Some(*t),
        Wait::Approval(q) => q.expires_at,
        Wait::Slot(_) => match &memo {
            Body::Inline(v) => v.get("until").and_then(stdx::Value::as_i64).map(Time),
            _ => None,
        },
        Wait::Child(_) | Wait::Settlement(_) => None,
    };
    let timer = timer.cloned().zip(due);
    if let Wait::Approval(q) = wait {
        state.questions.push(QuestionState { question: Arc::new((**q).clone()), path: path.clone(), verdict: None });
    }
    if let Some(c) = state.calls.iter_mut().find(|c| c.key.path == *path && matches!(c.phase, Phase::Unanswered { .. }))
    {
        c.resend = timer;
        return;
    }
    let frame = open(state, path, &"wait".into(), at);
    frame.since = at;
    if let Mode::Failed { timer: slot, .. } = &mut frame.mode {
        *slot = timer;
        return;
    }
    frame.mode = Mode::Waiting { wait: Box::new(wait.clone()), timer, memo, closing: Closing::No };
    if matches!(wait, Wait::Approval(_)) {
        frame.calls += 1;
    }
}

fn woke(state: &mut State, path: &StepPath, decision: Option<&crate::core::Decision>) {
    if let Some(d) = decision {
        for q in state.questions.iter_mut().filter(|q| q.question.id == d.question) {
            q.verdict = Some(d.verdict);
            if let Some(actions) = &d.actions {
                let question = Arc::make_mut(&mut q.question);
                question.actions.clone_from(actions);
                question.hash = triage::question::frozen_hash(actions).into();
            }
        }
    }
    if let Some(c) = state.calls.iter_mut().find(|c| c.key.path == *path && c.resend.is_some()) {
        c.resend = None;
        c.phase = Phase::Asked;
        return;
    }
    state.woken |= path.0.is_empty();
    if let Some(f) = state.frame_mut(&path.0) {
        f.mode = match std::mem::replace(&mut f.mode, Mode::Calling) {
            Mode::Failed { error, .. } => Mode::Failed { error, timer: None, woke: true },
            Mode::Waiting { .. } if path.0.is_empty() => Mode::Body(None),
            Mode::Waiting { memo, .. } => Mode::Woken { decision: decision.map(|d| Box::new(d.clone())), memo },
            other => other,
        };
    }
}
