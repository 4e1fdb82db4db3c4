//! Workflow YAML to graph, diagnostics, step types, and the execution state machine.
//!
//! Invariants: pure; `decide` works a command off and may evaluate, `evolve` folds facts and evaluates nothing.
//! Not here: connectors by name (their catalogue arrives as data), sockets, clocks, storage.
//! Source: `design/engine.md` §1–2, `reference/workflow-language.md`.

pub mod catalogue;
pub mod condition;
pub mod core;
pub mod decide;
pub mod duration;
pub mod json;
pub mod program;
pub mod state;
pub mod steps;
pub mod template;
pub mod view;
pub mod yaml;

pub use catalogue::{Catalogue, ConnectorView, OperationMeta};
pub use core::*;
pub use decide::{Cx, Decided, Env, Fuel, Unbound, decide};
pub use program::{Graph, Meta, Program};
pub use state::{State, evolve};
pub use steps::catalogue as step_catalogue;
