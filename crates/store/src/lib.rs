//! The state store: SQLite behind one set of functions; journal, outbox, mailbox, timers, audit chain, migrations.
//!
//! Invariants: one writer thread; a commit is data, all or nothing; results are seen only after the commit; audit links without gaps.
//! Not here: decisions (`triage`, `workflow`), wire shapes (`api`).
//! Source: `design/engine.md` §3, §4, §12.

pub mod commit;

pub use commit::*;
