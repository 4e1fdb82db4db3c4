//! Workflow YAML to graph, diagnostics, step types, and the execution state machine.
