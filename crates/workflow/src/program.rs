//! A workflow compiled once per version: an arena of steps with their wrappers, templates, conditions and places.
//!
//! Invariants: immutable and shared; a document whose shape can be read gives a program whatever else is wrong with it, so that a
//! stored version always compiles; step names lead to steps, positions never leave this module's readers.
//! Not here: reading the text (`yaml`), running (`decide`).
//! Source: `reference/workflow-language.md` §1–§4.

mod check;
mod graph;
mod inputs;
mod load;
pub mod trigger;

pub use graph::{Graph, GraphEdge, GraphNode, Range};
pub use inputs::{InputError, Inputs};
pub use trigger::Spec;

use crate::catalogue::OperationMeta;
use crate::condition::Condition;
use crate::core::Class;
use crate::steps::StepType;
use crate::template::{Limits, Params, Text};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Diagnostic, Duration, LineIndex, Span, Value};

/// Step size cap where neither step nor workflow sets one: 10 MiB.
pub const STEP_BYTES_DEFAULT: u64 = 10 * 1024 * 1024;
/// Iterations of a loop at most, unless `max-iterations` says less or more.
pub const ITERATIONS_MAX: u64 = 2000;

/// Index of a step in the arena; also its topological index.
pub type StepIx = usize;

/// Steps one after the other.
#[derive(Clone, Debug, Default)]
pub struct Block(pub Vec<StepIx>);

/// A compiled workflow.
#[derive(Debug)]
pub struct Program {
    /// `name`.
    pub name: Arc<str>,
    /// `description`.
    pub description: Arc<str>,
    /// `tags`.
    pub tags: Vec<Arc<str>>,
    /// `enabled`.
    pub enabled: bool,
    /// `triggers`.
    pub triggers: Vec<Trigger>,
    /// Inputs as one JSON Schema.
    pub inputs: Inputs,
    /// `consts`.
    pub consts: Value,
    /// `outputs` as JSON Schema, `Null` when not declared.
    pub outputs: Value,
    /// `settings`.
    pub settings: Settings,
    /// All steps in the order of the text.
    pub steps: Vec<Step>,
    /// The top level.
    pub root: Block,
    by_name: BTreeMap<Arc<str>, StepIx>,
    lines: LineIndex,
    source: Arc<str>,
}

/// What starts the workflow.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// `manual`, `scheduled`, `alert` …
    pub kind: Arc<str>,
    /// All its members.
    pub config: Value,
    /// Where it stands.
    pub span: Span,
    /// As its kind reads it.
    pub spec: Spec,
}

/// `settings.concurrency`, with key and strategy.
#[derive(Clone, Debug)]
pub struct Concurrency {
    /// Template over the start context.
    pub key: Text,
    /// When the group is full.
    pub strategy: crate::slot::Strategy,
    /// Slots.
    pub max: u32,
    /// Runs that may queue.
    pub queue_size: u32,
    /// How long a run may queue.
    pub queue_ttl: Duration,
}

/// `settings`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Wall clock of a run, with the author's text.
    pub timeout: Option<Timeout>,
    /// Zone of schedules.
    pub timezone: Option<Arc<str>>,
    /// Step size cap.
    pub max_step_size: Option<u64>,
    /// Policy of leaf steps without their own.
    pub on_failure: Option<Arc<OnFailure>>,
    /// `concurrency`; none without key and strategy.
    pub concurrency: Option<Concurrency>,
    /// Template limits.
    pub liquid: Limits,
}

/// A timeout with the text its message quotes.
#[derive(Clone, Debug)]
pub struct Timeout {
    /// How long.
    pub length: Duration,
    /// As written.
    pub text: Arc<str>,
}

/// A step with its wrappers.
#[derive(Debug)]
pub struct Step {
    /// `name`.
    pub name: Arc<str>,
    /// `type` as written.
    pub kind: Arc<str>,
    /// The whole step.
    pub span: Span,
    /// The container and the lane in it.
    pub parent: Option<(StepIx, Arc<str>)>,
    /// Stands in a `fallback`, where the workflow's policy does not apply.
    pub in_fallback: bool,
    /// Step-level `if`.
    pub guard: Option<Condition>,
    /// Step-level `foreach`.
    pub each: Option<List>,
    /// `max-iterations` of a loop or step-level `foreach`.
    pub iterations: Iterations,
    /// `iteration-timeout` of a loop.
    pub iteration_timeout: Option<Timeout>,
    /// `iteration-on-failure` of a loop.
    pub iteration_policy: Option<Arc<OnFailure>>,
    /// `timeout`.
    pub timeout: Option<Timeout>,
    /// `max-step-size`.
    pub max_step_size: Option<u64>,
    /// `on-failure`.
    pub on_failure: Option<Arc<OnFailure>>,
    /// `effect: destructive` and the like: raises the class, never lowers it.
    pub effect: Class,
    /// How its effect is taken back.
    pub undo: Option<Undo>,
    /// What it does.
    pub body: Body,
}

/// How the effect of a step is taken back.
#[derive(Debug)]
pub struct Undo {
    /// The step that does it; it stands in no block and runs only in a run of its own.
    pub step: StepIx,
    /// After how long by itself; absent: only when a person asks for it.
    pub after: Option<Text>,
    /// It reads what the effect answered.
    pub needs_output: bool,
}

/// The lane of undo steps below their owner.
pub const UNDO_LANE: &str = "undo";

/// `max-iterations`.
#[derive(Clone, Copy, Debug)]
pub struct Iterations {
    /// How many.
    pub limit: u64,
    /// `on-limit: fail`.
    pub fail: bool,
}

impl Default for Iterations {
    fn default() -> Self {
        Self { limit: ITERATIONS_MAX, fail: false }
    }
}

/// What a step does.
#[derive(Debug)]
pub enum Body {
    /// A step type of `steps` or an operation of the catalogue.
    Leaf(Leaf),
    /// `if`.
    If {
        /// Condition.
        condition: Condition,
        /// `steps`.
        then: Block,
        /// `else`.
        otherwise: Block,
    },
    /// `switch`.
    Switch {
        /// Expression.
        expression: Text,
        /// Matches in order.
        cases: Vec<(Params, Block)>,
        /// `default`.
        default: Block,
    },
    /// `foreach`.
    Foreach {
        /// What it loops over.
        list: List,
        /// Body.
        body: Block,
    },
    /// `while`.
    While {
        /// Looked at after each iteration.
        condition: Condition,
        /// Body.
        body: Block,
    },
    /// `parallel`.
    Parallel(Parallel),
    /// `loop.break`.
    Break,
    /// `loop.continue`.
    Continue,
    /// A type that is not there: fails when it is reached.
    Unsupported {
        /// Inner blocks, kept for the graph.
        blocks: Vec<(Arc<str>, Block)>,
    },
}

/// `parallel`.
#[derive(Debug)]
pub struct Parallel {
    /// Dynamic: one branch per item.
    pub list: Option<List>,
    /// Names (static form) and blocks; the dynamic form has one.
    pub branches: Vec<(Arc<str>, Block)>,
    /// Branches at a time.
    pub concurrency: u32,
    /// Branches that wait count too.
    pub count_waiting: bool,
    /// `mode: settled`.
    pub settled: bool,
    /// `branch-timeout`.
    pub branch_timeout: Option<Timeout>,
}

/// A step that does something.
#[derive(Debug)]
pub struct Leaf {
    /// Its code.
    pub code: &'static dyn StepType,
    /// The catalogue's words about it, where it has some.
    pub operation: Option<Arc<OperationMeta>>,
    /// `with`.
    pub params: Params,
    /// Step-level keys of the type.
    pub config: Params,
    /// `connector-id`.
    pub connector: Option<Text>,
}

/// `on-failure`.
#[derive(Debug)]
pub struct OnFailure {
    /// `retry`.
    pub retry: Option<Retry>,
    /// `fallback`.
    pub fallback: Block,
    /// `continue`.
    pub go_on: GoOn,
}

/// `continue`.
#[derive(Debug)]
pub enum GoOn {
    /// The error goes to the enclosing scope.
    No,
    /// Forget the error.
    Yes,
    /// Forget it when this holds.
    When(Condition),
}

/// `retry`.
#[derive(Debug)]
pub struct Retry {
    /// Additional runs.
    pub max_attempts: u32,
    /// First delay.
    pub delay: Duration,
    /// `strategy: exponential`.
    pub exponential: bool,
    /// Factor.
    pub multiplier: f64,
    /// Cap.
    pub max_delay: Option<Duration>,
    /// Draw from `[d/2, d]`.
    pub jitter: bool,
    /// Retry only when this holds.
    pub condition: Option<Condition>,
    /// Retry only for these status codes.
    pub on_status: Vec<i64>,
}

/// What a loop loops over.
#[derive(Clone, Debug)]
pub enum List {
    /// A YAML list.
    Items(Params),
    /// One expression, evaluated as a value.
    Expression(Text),
    /// A text with templates, rendered, then parsed as JSON.
    Json(Text),
    /// A bare path (deprecated).
    Path(Text, Arc<str>),
}

impl List {
    /// As the author wrote it.
    pub fn source(&self) -> Arc<str> {
        match self {
            Self::Items(p) => stdx::json::text(&p.source()).into(),
            Self::Expression(t) | Self::Json(t) => t.source.clone(),
            Self::Path(_, path) => path.clone(),
        }
    }
    /// What it may read.
    pub fn refs(&self) -> crate::template::Refs {
        match self {
            Self::Items(p) => p.refs(),
            Self::Expression(t) | Self::Json(t) | Self::Path(t, _) => t.refs.clone(),
        }
    }
}

impl Step {
    /// True for steps the workflow's `on-failure` applies to.
    pub fn is_leaf(&self) -> bool {
        matches!(&self.body, Body::Leaf(l) if l.code.meta().name != "wait")
            || matches!(self.body, Body::Unsupported { .. })
    }
    /// The worst class this step can have, from what is written.
    pub fn class(&self) -> Class {
        match &self.body {
            Body::Leaf(l) => l.code.class_written(&l.params, l.operation.as_deref()).max(self.effect),
            _ => self.effect,
        }
    }
    /// Inner blocks with their lanes and branch numbers.
    pub fn blocks(&self) -> Vec<(Arc<str>, &Block)> {
        let lane = |s: &str| Arc::<str>::from(s);
        let mut out = match &self.body {
            Body::If { then, otherwise, .. } => vec![(lane("then"), then), (lane("else"), otherwise)],
            Body::Switch { cases, default, .. } => {
                let mut out: Vec<_> = cases
                    .iter()
                    .map(|(m, b)| (format!("case:{}", crate::json::scalar_text(&m.source())).into(), b))
                    .collect();
                out.push((lane("default"), default));
                out
            }
            Body::Foreach { body, .. } | Body::While { body, .. } => vec![(lane("body"), body)],
            Body::Parallel(p) => p.branches.iter().map(|(n, b)| (n.clone(), b)).collect(),
            Body::Unsupported { blocks } => blocks.iter().map(|(n, b)| (n.clone(), b)).collect(),
            Body::Leaf(_) | Body::Break | Body::Continue => vec![],
        };
        if let Some(p) = &self.on_failure {
            out.push((lane("fallback"), &p.fallback));
        }
        if let Some(p) = &self.iteration_policy {
            out.push((lane("iteration-fallback"), &p.fallback));
        }
        out.retain(|(_, b)| !b.0.is_empty());
        out
    }
}

impl Program {
    /// Compiles a document.
    ///
    /// - returns: a program whenever the document's shape can be read, and every finding; errors among them make the document invalid
    ///   (it may be stored disabled, it must not be enabled).
    pub fn load(yaml: &str, catalogue: &crate::Catalogue) -> (Option<Self>, Vec<Diagnostic>) {
        load::load(yaml, catalogue)
    }
    /// The step called `name`.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.by_name.get(name).map(|ix| &self.steps[*ix])
    }
    /// The place of the step called `name` in the order of the text.
    pub fn index_of(&self, name: &str) -> Option<StepIx> {
        self.by_name.get(name).copied()
    }
    /// True for an undo's step and the steps of its fallback.
    pub fn in_undo(&self, ix: StepIx) -> bool {
        let mut at = Some(ix);
        while let Some((parent, lane)) = at.and_then(|ix| self.steps.get(ix)).and_then(|s| s.parent.as_ref()) {
            if &**lane == UNDO_LANE {
                return true;
            }
            at = Some(*parent);
        }
        false
    }
    /// The policy of a step: its own, else the workflow's where that applies.
    pub fn policy<'a>(&'a self, step: &'a Step, in_fallback: bool) -> Option<&'a Arc<OnFailure>> {
        step.on_failure.as_ref().or_else(|| {
            self.settings.on_failure.as_ref().filter(|_| step.is_leaf() && !in_fallback && !step.in_fallback)
        })
    }
    /// The size cap of a step.
    pub fn bytes_max(&self, step: &Step) -> u64 {
        step.max_step_size.or(self.settings.max_step_size).unwrap_or(STEP_BYTES_DEFAULT)
    }
    /// The worst class of any step.
    pub fn class(&self) -> Class {
        self.steps.iter().map(Step::class).max().unwrap_or_default()
    }
    /// The text it was compiled from.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }
    /// Lines of the text.
    pub fn lines(&self) -> &LineIndex {
        &self.lines
    }
    /// True when a trigger of `kind` is declared.
    pub fn has_trigger(&self, kind: &str) -> bool {
        self.triggers.iter().any(|t| &*t.kind == kind)
    }
    /// What lists and routes show: name, description, tags, enabled, triggers, inputs, effect, counts.
    pub fn meta(&self) -> Meta {
        Meta {
            name: self.name.clone(),
            description: self.description.clone(),
            tags: self.tags.clone(),
            enabled: self.enabled,
            triggers: self.triggers.iter().map(|t| t.kind.clone()).collect(),
            inputs: self.inputs.schema.clone(),
            outputs: self.outputs.clone(),
            effect: self.class(),
            steps: (0..self.steps.len()).filter(|ix| !self.in_undo(*ix)).count(),
            approvals: self.steps.iter().filter(|s| &*s.kind == "waitForApproval").count(),
        }
    }
}

/// What lists and routes show of a workflow.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Meta {
    /// `name`.
    pub name: Arc<str>,
    /// `description`.
    pub description: Arc<str>,
    /// `tags`.
    pub tags: Vec<Arc<str>>,
    /// `enabled`.
    pub enabled: bool,
    /// Trigger types.
    pub triggers: Vec<Arc<str>>,
    /// JSON Schema of the inputs.
    pub inputs: Value,
    /// JSON Schema of the outputs; `Null` where none is declared.
    pub outputs: Value,
    /// Worst class.
    pub effect: Class,
    /// Number of steps.
    pub steps: usize,
    /// Number of `waitForApproval` steps.
    pub approvals: usize,
}
