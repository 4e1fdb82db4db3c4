//! The demo: the scenario's events and the story told about them.

pub mod scenario;
pub mod story;
