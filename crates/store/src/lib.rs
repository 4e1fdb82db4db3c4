//! The state store: SQLite behind one set of functions; journal, outbox, mailbox, timers, audit chain, migrations.
//!
//! Invariants: one writer thread; a commit is data, all or nothing; results are seen only after the commit; audit links without gaps.
//! Not here: decisions (`triage`, `workflow`), wire shapes (`api`).
//! Source: `design/engine.md` §3, §4, §12.

pub mod alert;
pub mod audit;
mod batch;
pub mod blob;
pub mod case;
pub mod commit;
mod disk;
pub mod envelope;
pub mod error;
pub mod execution;
pub mod feed;
pub mod open;
pub mod question;
pub mod reader;
pub mod record;
pub mod schema;
pub mod secret;
pub mod store;
#[cfg(test)]
mod tests;
mod words;
pub mod writer;

pub use alert::{AlertEntity, AlertFilter, AlertRow, AlertSort};
pub use audit::verify::{Break, Report, verify};
pub use batch::{Record, Window};
pub use case::ActionFilter;
pub use case::find::{CaseCounts, CaseFilter, CasePage, CaseSort};
pub use case::timeline::{TimelineEntry, TimelineItem};
pub use commit::*;
pub use envelope::{AttemptRow, EnvelopeChange, HaltRow};
pub use error::Error;
pub use execution::{ExecutionCounts, ExecutionFilter, ExecutionRow, JournalRow, MailRow, OutboxRow, TimerRow};
pub use feed::{AuditFilter, AuditRow};
pub use question::QuestionFilter;
pub use reader::Reader;
pub use record::{RecordVersion, SummaryRow};
pub use secret::Keys;
pub use store::{Done, Gauges, Options, PooledReader, Store};
pub use writer::upkeep::{EXECUTIONS_DAYS_DEFAULT, EXECUTIONS_DAYS_MAX, RETENTION};
pub use writer::{CONTINUE_ALL, Prepared, Writer, fault_of, partition_of};
