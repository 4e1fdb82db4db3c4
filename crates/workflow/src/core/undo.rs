//! An undo as a run of its own: what it sends, when, and what the effect's run knew of it.
//!
//! Invariants: the call is frozen; its start says everything, so that the run needs nothing of the effect's run any more; members are
//! append-only, as facts carry them.
//! Not here: when it is scheduled and how it runs (`decide::undo`), rows and timers (`store`).
//! Source: `design/engine.md` §9.

use super::{Body, Call, Cause, EffectKey, ExecutionId, Fact, FactKind, Fault, Mode, Start};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Time, Value};
use triage::question::Policy;

/// An undo that can run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoStart {
    /// The effect that it takes back.
    pub of: EffectKey,
    /// The step whose effect that is.
    pub step: Arc<str>,
    /// Name of the undo's own step.
    pub undo: Arc<str>,
    /// What is sent; `None` where it could not be rendered.
    pub call: Option<Box<Call>>,
    /// After how long it was written to run by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Arc<str>>,
    /// When it runs by itself; `None`: when a person asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// No approval covers these bytes although one covered the effect: a person is asked when its time has come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ask: bool,
    /// Who may answer for it, as for the effect.
    #[serde(default, skip_serializing_if = "Policy::is_plain")]
    pub policy: Policy,
    /// Alerts and cases that the effect's run is about.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub about: Value,
}

impl UndoStart {
    /// True where the answer that approved the effect covers these bytes too.
    pub fn covered(&self) -> bool {
        self.call.as_ref().is_some_and(|c| c.approved_by.is_some())
    }
}

/// The start of the run that carries an undo out, on behalf of `parent`'s principal.
pub fn undo_start(parent: &Start, inputs: &Body, execution: ExecutionId, undo: UndoStart, at: Time) -> Start {
    // Values that are payloads of the effect's run stay there: they matter only to a fallback of the undo.
    let inline = |body: &Body| if matches!(body, Body::Inline(_)) { body.clone() } else { Body::Null };
    Start {
        execution,
        root: parent.root.clone(),
        space: parent.space.clone(),
        workflow: parent.workflow.clone(),
        version: parent.version,
        mode: Mode::Step(undo.undo.clone(), Body::Null),
        test: parent.test,
        principal: parent.principal.clone(),
        cause: Cause::Child {
            parent: undo.of.clone(),
            workflow: parent.workflow.clone(),
            awaited: false,
            depth: parent.cause.composition_depth() + 1,
        },
        depth: parent.depth,
        visited: parent.visited.clone(),
        inputs: inline(inputs),
        event: inline(&parent.event),
        at,
        undo: Some(Box::new(undo)),
        ..Start::default()
    }
}

/// An effect of a run that can be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Undoable {
    /// When it had happened.
    pub at: Time,
    /// The undo.
    pub undo: UndoStart,
    /// The run that waits to carry it out.
    pub child: Option<ExecutionId>,
    /// Why it cannot be carried out.
    pub error: Option<Fault>,
}

/// The effects of a journal that can be undone, in order, with the start and inputs of the run.
pub fn undoables(facts: &[Fact]) -> (Option<(Start, Body)>, Vec<Undoable>) {
    let mut start = None;
    let mut found = Vec::new();
    for fact in facts {
        match &fact.what {
            FactKind::Started { start: s, inputs, .. } => start = Some(((**s).clone(), inputs.clone())),
            FactKind::Undoable { undo, child, error } => {
                found.push(Undoable { at: fact.at, undo: (**undo).clone(), child: child.clone(), error: error.clone() })
            }
            _ => {}
        }
    }
    (start, found)
}
