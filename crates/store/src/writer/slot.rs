//! Slots of concurrency groups: taking and leaving, in the commit that starts or ends a run.
//!
//! Invariants: a group never grants beyond the limit of whom it grants to; first in, first out; who is granted hears of it by mail of the
//! same commit.
//! Not here: what a newcomer does to a full group (`workflow::slot::take`), keys (`workflow`).
//! Source: `design/engine.md` §4; `reference/workflow-language.md` §7.5.

use super::{Writer, load};
use crate::batch::{Batch, Group, SlotRow};
use crate::error::Error;
use rusqlite::Connection;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use workflow::Command;
use workflow::slot::{SlotCommand, SlotState, take};

/// Loads a group whole.
pub(super) fn group(conn: &Connection, b: &mut Batch, space: &Arc<str>, key: &Arc<str>) -> Result<(), Error> {
    let k = (space.clone(), key.clone());
    if b.groups.known(&k) {
        return Ok(());
    }
    let mut statement = conn
        .prepare_cached("SELECT execution, root, state, n, max FROM slot WHERE space = ?1 AND key = ?2 ORDER BY n")?;
    let rows = statement.query_map([&**space, &**key], |r| {
        Ok(SlotRow {
            execution: Id(r.get(0)?),
            root: Id(r.get(1)?),
            held: r.get_ref(2)?.as_str()? == "held",
            n: r.get(3)?,
            max: r.get(4)?,
        })
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    b.groups.load(k, (!rows.is_empty()).then_some(Group { rows }));
    Ok(())
}

impl Writer {
    /// Works a run's request for a slot off; the value is that of its `Answered` fact.
    pub(super) fn slot_take(
        &self,
        b: &mut Batch,
        now: Time,
        of: (&Arc<str>, &Id, &Id),
        command: &SlotCommand,
        woken: &mut Vec<Id>,
    ) -> Result<Value, Error> {
        let (space, execution, root) = of;
        let SlotCommand::Take { key, strategy, max, .. } = command;
        group(&self.db.conn, b, space, key)?;
        let mut rows = b.groups.get(&(space.clone(), key.clone())).map(|g| g.rows.clone()).unwrap_or_default();
        rows.retain(|r| r.execution != *execution);
        let of_state = |held: bool| -> Vec<Id> {
            rows.iter().filter(|r| r.held == held && r.root != *root).map(|r| r.execution.clone()).collect()
        };
        let taken = take(command, &of_state(true), &of_state(false));
        let first_queued = rows.iter().filter(|r| !r.held).map(|r| r.n).min();
        let last = rows.iter().map(|r| r.n).max().unwrap_or(0);
        let cancels = *strategy == workflow::slot::Strategy::CancelInProgress;
        let n = match first_queued {
            Some(first) if taken.state == SlotState::Queued && cancels => first - 1,
            _ => last + 1,
        };
        if taken.state != SlotState::Full {
            let held = taken.state == SlotState::Held;
            rows.push(SlotRow { execution: execution.clone(), root: root.clone(), held, n, max: (*max).max(1) });
            rows.sort_by_key(|r| r.n);
        }
        b.groups.set((space.clone(), key.clone()), (!rows.is_empty()).then_some(Group { rows }));
        for victim in &taken.cancelled {
            let reason = format!("Cancelled due to concurrency limit (max: {max})");
            let cancel = Command::Cancel { by: "system".into(), reason: Some(reason.into()) };
            self.mail(b, now, victim, cancel, woken)?;
        }
        Ok(taken.to_value())
    }

    /// The run leaves its group; whoever is next and has room is granted its slot.
    pub(super) fn slot_release(
        &self,
        b: &mut Batch,
        now: Time,
        space: &Arc<str>,
        execution: &Id,
        key: &Arc<str>,
        woken: &mut Vec<Id>,
    ) -> Result<(), Error> {
        group(&self.db.conn, b, space, key)?;
        let mut rows = b.groups.get(&(space.clone(), key.clone())).map(|g| g.rows.clone()).unwrap_or_default();
        rows.retain(|r| r.execution != *execution);
        let mut granted = Vec::new();
        loop {
            let held = rows.iter().filter(|r| r.held).count();
            let Some(next) = rows.iter_mut().find(|r| !r.held) else { break };
            if held >= next.max as usize {
                break;
            }
            next.held = true;
            granted.push(next.execution.clone());
        }
        b.groups.set((space.clone(), key.clone()), (!rows.is_empty()).then_some(Group { rows }));
        for execution in granted {
            load::run(&self.db.conn, b, &execution)?;
            self.mail(b, now, &execution, Command::SlotGranted, woken)?;
        }
        Ok(())
    }
}
