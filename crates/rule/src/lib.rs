//! Detection rules: loading, compiling, the dispatcher, alert documents.
//!
//! Invariants: pure (no clock, no files); loaders return what they understood and every finding; the dispatcher never loses a match that
//! evaluating each rule on each event would find.
//! Not here: schedules and suppression rows (`engine`), storage (`store`), query languages (`lang`).

pub mod action;
pub mod alert;
pub mod compile;
pub mod detect;
pub mod dispatch;
pub mod indices;
pub mod rule;
pub mod text;

pub use action::Action;
pub use alert::Alert;
pub use compile::{Compiled, compile};
pub use detect::Detector;
pub use dispatch::{Dispatcher, IndexMode, RuleIdx};
pub use indices::IndexPatterns;
pub use rule::{Language, Origin, Rule, RuleType, Severity};

/// Version byte that precedes any serialised matcher state; no rule type of this version keeps one.
pub const STATE_VERSION: u8 = 1;
