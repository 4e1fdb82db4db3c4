//! Workflow YAML to graph, diagnostics, step types, and the execution state machine.
//!
//! Invariants: pure; `decide` works a command off and may evaluate, `evolve` folds facts and evaluates nothing.
//! Not here: connectors by name (their catalogue arrives as data), sockets, clocks, storage.
//! Source: `design/engine.md` §1–2, `reference/workflow-language.md`.

pub mod catalogue;
pub mod change;
pub mod condition;
pub mod core;
pub mod decide;
pub mod diff;
pub mod duration;
pub mod fix;
pub mod json;
pub mod program;
pub mod rerun;
pub mod sample;
pub mod schedule;
pub mod schema;
pub mod slot;
pub mod state;
pub mod steps;
pub mod template;
pub mod trial;
pub mod view;
pub mod yaml;

pub use catalogue::{Catalogue, ConnectorView, OperationMeta, WorkflowView};
pub use core::*;
pub use decide::{Cx, Decided, Env, Fuel, RunLimits, Unbound, decide};
pub use program::{Graph, Meta, Program};
pub use slot::{GroupKey, SlotCommand, SlotState, Strategy, Taken};
pub use state::{State, evolve};
pub use steps::catalogue as step_catalogue;
