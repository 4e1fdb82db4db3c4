//! The containment envelope's rows: halts, never-touch entries, destructive attempts.
//!
//! Invariants: a change has its audit entry in the same commit; attempts stand as long as a cap may count them.
//! Not here: what they mean for a call (`engine::envelope`).
//! Source: `design/engine.md` §9.

use crate::error::Error;
use crate::reader::Reader;
use rusqlite::params;
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// How long attempts are kept for caps.
pub const ATTEMPTS_KEPT: stdx::Duration = stdx::Duration::from_secs(24 * 3600);
/// Never-touch entries of a space at most.
pub const NEVER_TOUCH_MAX: u64 = 10_000;

/// A change of the envelope's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeChange {
    /// No unsent destructive effect of the space (`*`: of all) starts any more.
    Halt {
        /// Space, or `*`.
        space: Arc<str>,
        /// Why.
        reason: Option<Arc<str>>,
    },
    /// The halt of the space (`*`: of all) ends.
    Lift {
        /// Space, or `*`.
        space: Arc<str>,
    },
    /// Something no destructive effect may touch.
    NeverTouch {
        /// Space, or `*`.
        space: Arc<str>,
        /// `host`, `user`, `url` …: the member of target or parameters that is compared.
        kind: Arc<str>,
        /// Its value; `*` at an end matches any text.
        value: Arc<str>,
        /// Why.
        reason: Option<Arc<str>>,
    },
    /// An entry goes.
    MayTouch {
        /// Space, or `*`.
        space: Arc<str>,
        /// Kind.
        kind: Arc<str>,
        /// Value.
        value: Arc<str>,
    },
}

impl EnvelopeChange {
    /// The space it is about.
    pub const fn space(&self) -> &Arc<str> {
        match self {
            Self::Halt { space, .. }
            | Self::Lift { space }
            | Self::NeverTouch { space, .. }
            | Self::MayTouch { space, .. } => space,
        }
    }
    /// What the audit trail says: action, noun, id, body.
    pub(crate) fn audit(&self) -> (&'static str, &'static str, Id, Value) {
        let entry = |kind: &Arc<str>, value: &Arc<str>| Id::from(format!("{kind}:{value}"));
        match self {
            Self::Halt { space, reason } => {
                ("halt.set", "halt", Id(space.clone()), Value::object([("reason", Value::from(reason.clone()))]))
            }
            Self::Lift { space } => ("halt.lift", "halt", Id(space.clone()), Value::Null),
            Self::NeverTouch { kind, value, reason, .. } => (
                "never_touch.set",
                "never_touch",
                entry(kind, value),
                Value::object([("reason", Value::from(reason.clone()))]),
            ),
            Self::MayTouch { kind, value, .. } => {
                ("never_touch.remove", "never_touch", entry(kind, value), Value::Null)
            }
        }
    }
    pub(crate) fn write(&self, conn: &rusqlite::Connection, at: Time, by: &str) -> Result<(), Error> {
        match self {
            Self::Halt { space, reason } => {
                let mut statement = conn.prepare_cached(
                    "INSERT OR REPLACE INTO halt (id, space, scope, at, by, reason) VALUES (?1, ?1, 'destructive', ?2, ?3, ?4)",
                )?;
                statement.execute(params![&**space, at.0, by, reason.as_deref()])?;
            }
            Self::Lift { space } => {
                conn.prepare_cached("DELETE FROM halt WHERE space = ?1")?.execute([&**space])?;
            }
            Self::NeverTouch { space, kind, value, reason } => {
                let mut statement = conn.prepare_cached(
                    "INSERT OR REPLACE INTO never_touch (space, kind, value, reason) VALUES (?1, ?2, ?3, ?4)",
                )?;
                statement.execute(params![&**space, &**kind, &**value, reason.as_deref()])?;
            }
            Self::MayTouch { space, kind, value } => {
                let mut statement =
                    conn.prepare_cached("DELETE FROM never_touch WHERE space = ?1 AND kind = ?2 AND value = ?3")?;
                statement.execute([&**space, &**kind, &**value])?;
            }
        }
        Ok(())
    }
}

/// A destructive attempt, as caps count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Space.
    pub space: Arc<str>,
    /// When it began.
    pub at: Time,
    /// Step type.
    pub operation: Arc<str>,
    /// Where it goes: connector, host, account, as one text.
    pub target: Arc<str>,
    /// Workflow.
    pub workflow: Id,
    /// Run.
    pub execution: Id,
    /// Step.
    pub step: Arc<str>,
}

/// A halt in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltRow {
    /// Space, or `*`.
    pub space: Arc<str>,
    /// Since when.
    pub at: Time,
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Option<Arc<str>>,
}

impl Reader {
    /// Halts in force, oldest first.
    pub fn halt_list(&self) -> Result<Vec<HaltRow>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT space, at, by, reason FROM halt ORDER BY at, space")?;
        let rows = statement.query_map([], |r| {
            Ok(HaltRow { space: r.get(0)?, at: Time(r.get(1)?), by: r.get(2)?, reason: r.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Destructive attempts that began after `since`, oldest first.
    pub fn attempts_since(&self, since: Time, limit: u64) -> Result<Vec<AttemptRow>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT space, at, operation, target, workflow, execution, step FROM attempt WHERE at > ?1 ORDER BY at, n LIMIT ?2",
        )?;
        let rows = statement.query_map(params![since.0, limit], |r| {
            Ok(AttemptRow {
                space: r.get(0)?,
                at: Time(r.get(1)?),
                operation: r.get(2)?,
                target: r.get(3)?,
                workflow: Id(r.get(4)?),
                execution: Id(r.get(5)?),
                step: r.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
