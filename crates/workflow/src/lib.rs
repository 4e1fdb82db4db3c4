//! Workflow YAML to graph, diagnostics, step types, and the execution state machine.
//!
//! Invariants: pure; `decide` works a command off and may evaluate, `evolve` folds facts and evaluates nothing.
//! Not here: connectors by name (their catalogue arrives as data), sockets, clocks, storage.
//! Source: `design/engine.md` §1–2, `reference/workflow-language.md`.

pub mod catalogue;
pub mod core;

pub use catalogue::{Catalogue, ConnectorView, OperationMeta};
pub use core::*;
