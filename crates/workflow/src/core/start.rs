//! How a run starts: on whose behalf, by what, with what.
//!
//! Invariants: a start says everything that the run will ever know of its cause; members are append-only, as facts carry them.
//! Not here: defaults of inputs (`program::inputs`), who may start (`api`).
//! Source: `design/engine.md` §1, §6.

use super::{Body, EffectKey, ExecutionId, UndoStart};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Time};

/// How much of the workflow runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All of it.
    #[default]
    Whole,
    /// One step with a given context.
    Step(Arc<str>, Body),
    /// From a step of an earlier execution on.
    From(ExecutionId, Arc<str>),
}

/// What started a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Cause {
    /// A person or a client through API, CLI or page.
    Manual,
    /// One alert through a rule's action.
    Alert {
        /// Rule id.
        rule: Id,
        /// The action's uuid.
        action: Arc<str>,
        /// Alert ids.
        alerts: Vec<Id>,
    },
    /// Another workflow.
    Child {
        /// Parent run.
        parent: EffectKey,
        /// The parent's workflow.
        #[serde(default = "no_id")]
        workflow: Id,
        /// The parent waits: its end sends [`Command::ChildEnded`].
        #[serde(default)]
        awaited: bool,
        /// Depth of composition, 1 for the child of a top run.
        #[serde(default)]
        depth: u32,
    },
    /// A schedule's occurrence.
    Schedule {
        /// Due time.
        due: Time,
        /// Occurrences before it that were missed and do not run.
        #[serde(default, skip_serializing_if = "is_none_missed")]
        missed: u64,
    },
    /// An event of the feed that an event-driven trigger listens to.
    Event {
        /// Trigger id, for example `workflows.failed`.
        trigger: Arc<str>,
        /// Id of the event.
        event: Id,
    },
    /// A delivery to a webhook trigger.
    Webhook {
        /// Its path.
        path: Arc<str>,
        /// Id of the delivery.
        delivery: Id,
    },
}

fn no_id() -> Id {
    Id::from("")
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none_missed(n: &u64) -> bool {
    *n == 0
}

impl Cause {
    /// `execution.triggeredBy`; an event's trigger id stands for itself.
    pub fn triggered_by(&self) -> Arc<str> {
        match self {
            Self::Manual => "manual".into(),
            Self::Alert { .. } => "alert".into(),
            Self::Child { .. } => "workflow-step".into(),
            Self::Schedule { .. } => "scheduled".into(),
            Self::Event { trigger, .. } => trigger.clone(),
            Self::Webhook { .. } => "webhook".into(),
        }
    }
    /// Depth of composition: 0 for runs that no workflow called.
    pub const fn composition_depth(&self) -> u32 {
        match self {
            Self::Child { depth, .. } => *depth,
            _ => 0,
        }
    }
}

/// Everything a new execution starts with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Its id, chosen by the sender.
    pub execution: ExecutionId,
    /// Root of the tree of runs; itself for a top run.
    pub root: ExecutionId,
    /// Space.
    pub space: Arc<str>,
    /// Workflow id.
    pub workflow: Id,
    /// Version of the workflow it runs; fixed for its life.
    pub version: u64,
    /// How much of it runs.
    pub mode: Mode,
    /// Dry run.
    pub dry: bool,
    /// Marked as a test run (`isTestRun`).
    pub test: bool,
    /// On whose behalf (user name).
    pub principal: Arc<str>,
    /// What started it.
    pub cause: Cause,
    /// Chain depth.
    pub depth: u32,
    /// Workflows visited by the chain.
    pub visited: Vec<Id>,
    /// Given inputs (before defaults).
    pub inputs: Body,
    /// `event` of the context.
    pub event: Body,
    /// Caller's metadata.
    pub metadata: Body,
    /// When the cause arrived.
    pub at: Time,
    /// Concurrency groups whose slot an awaiting ancestor holds: shared, never asked for again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Arc<str>>,
    /// Dry runs: `{steps: {name: output}, http: [{method?, url?, path?, answer}]}`; a step's `{"error": {…}}` makes it fail.
    #[serde(default, skip_serializing_if = "Body::is_null")]
    pub mocks: Body,
    /// Reruns (`Mode::From`): what [`crate::rerun::earlier`] took from the earlier run.
    #[serde(default, skip_serializing_if = "Body::is_null")]
    pub earlier: Body,
    /// The undo that this run carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<UndoStart>>,
}

impl Default for Start {
    /// A manual start of nothing; the sender fills in ids and time.
    fn default() -> Self {
        Self {
            execution: no_id(),
            root: no_id(),
            space: "default".into(),
            workflow: no_id(),
            version: 0,
            mode: Mode::Whole,
            dry: false,
            test: false,
            principal: "unknown".into(),
            cause: Cause::Manual,
            depth: 0,
            visited: vec![],
            inputs: Body::Null,
            event: Body::Null,
            metadata: Body::Null,
            at: Time(0),
            slots: vec![],
            mocks: Body::Null,
            earlier: Body::Null,
            undo: None,
        }
    }
}
