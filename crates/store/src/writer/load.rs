//! Loading the rows that a commit reads, absence included.
//!
//! Invariants: a row that the batch knows already is never read again, so that a commit sees its predecessors' changes.
//! Not here: SQL of lists (`reader`).

use crate::batch::{Batch, Kept, Record, Run, Window};
use crate::commit::{LogPosition, Noun};
use crate::error::{Error, damaged};
use crate::words;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;
use stdx::{Id, Time};
use triage::Key;
use triage::rows::config_id;
use workflow::{Class, Status};

/// Most attachments that are loaded for one case: alerts, references and the comments that user actions allow.
const ATTACHMENTS_MAX: i64 = 11_200;

pub(super) fn run(conn: &Connection, b: &mut Batch, id: &Id) -> Result<(), Error> {
    if b.runs.known(id) {
        return Ok(());
    }
    let mut statement = conn.prepare_cached(
        "SELECT space, principal, partition, status, class, current, started, finished, error, facts, last, digest, mail, root \
         FROM execution WHERE id = ?1",
    )?;
    let row = statement
        .query_row([id.as_str()], |r| {
            Ok((
                Run {
                    space: r.get(0)?,
                    principal: r.get(1)?,
                    partition: r.get(2)?,
                    root: Id(r.get(13)?),
                    name: None,
                    status: words::status(r.get_ref(3)?.as_str()?),
                    class: Class::of_word(r.get_ref(4)?.as_str()?),
                    current: Vec::new(),
                    started: r.get::<_, Option<i64>>(6)?.map(Time),
                    finished: r.get::<_, Option<i64>>(7)?.map(Time),
                    error: None,
                    facts: r.get(9)?,
                    last: r.get(10)?,
                    digest: r.get(11)?,
                    mail: r.get(12)?,
                    stored: Status::Pending,
                    new: None,
                },
                r.get::<_, String>(5)?,
                r.get::<_, Option<String>>(8)?,
            ))
        })
        .optional()?;
    let row = match row {
        Some((mut run, current, error)) => {
            run.stored = run.status;
            run.current = serde_json::from_str(&current).map_err(damaged(format!("execution {id}")))?;
            run.error =
                error.map(|e| serde_json::from_str(&e)).transpose().map_err(damaged(format!("execution {id}")))?;
            Some(run)
        }
        None => None,
    };
    b.runs.load(id.clone(), row);
    Ok(())
}

pub(super) fn record(conn: &Connection, b: &mut Batch, noun: Noun, space: &Arc<str>, id: &Id) -> Result<(), Error> {
    let key = (noun, space.clone(), id.clone());
    if b.records.known(&key) {
        return Ok(());
    }
    let row = record_read(conn, noun, space, id)?;
    b.records.load(key, row);
    Ok(())
}

pub(crate) fn record_read(conn: &Connection, noun: Noun, space: &str, id: &str) -> Result<Option<Record>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT version, created, created_by, updated, updated_by, body FROM record WHERE noun = ?1 AND space = ?2 AND id = ?3",
    )?;
    let row = statement
        .query_row(params![noun.as_str(), space, id], |r| {
            Ok((
                Record {
                    version: r.get(0)?,
                    created: Time(r.get(1)?),
                    created_by: r.get(2)?,
                    updated: Time(r.get(3)?),
                    updated_by: r.get(4)?,
                    body: stdx::Value::Null,
                },
                r.get::<_, String>(5)?,
            ))
        })
        .optional()?;
    row.map(|(mut record, body)| {
        record.body = stdx::json::parse(&body).map_err(damaged(format!("{} {id}", noun.as_str())))?;
        Ok(record)
    })
    .transpose()
}

pub(super) fn follower(conn: &Connection, b: &mut Batch, id: &Arc<str>) -> Result<(), Error> {
    if b.followers.known(id) {
        return Ok(());
    }
    let mut statement = conn.prepare_cached("SELECT lineage, number FROM follower WHERE id = ?1")?;
    let row = statement.query_row([&**id], |r| Ok(LogPosition { lineage: r.get(0)?, number: r.get(1)? })).optional()?;
    b.followers.load(id.clone(), row);
    Ok(())
}

pub(super) fn answer(conn: &Connection, b: &mut Batch, space: &Arc<str>, key: &Arc<str>) -> Result<(), Error> {
    let k = (space.clone(), key.clone());
    if b.answers.known(&k) {
        return Ok(());
    }
    let mut statement = conn.prepare_cached("SELECT execution, at, body FROM answer WHERE space = ?1 AND key = ?2")?;
    let row = statement
        .query_row([&**space, &**key], |r| {
            Ok(Kept { execution: r.get::<_, Option<String>>(0)?.map(Id::from), at: Time(r.get(1)?), body: r.get(2)? })
        })
        .optional()?;
    b.answers.load(k, row);
    Ok(())
}

pub(super) fn window(conn: &Connection, b: &mut Batch, rule: &Id, action: &Arc<str>) -> Result<(), Error> {
    let key = (rule.clone(), action.clone());
    if b.windows.known(&key) {
        return Ok(());
    }
    let mut statement = conn.prepare_cached(
        "SELECT space, opened, due, count, alerts, template FROM summary WHERE rule = ?1 AND action = ?2",
    )?;
    let row = statement
        .query_row([rule.as_str(), &**action], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get::<_, String>(4)?, r.get::<_, String>(5)?))
        })
        .optional()?;
    let row = match row {
        Some((space, opened, due, count, alerts, template)) => Some(Window {
            space,
            opened: Time(opened),
            due: Time(due),
            count,
            alerts: serde_json::from_str(&alerts).map_err(damaged("summary"))?,
            template: Arc::new(serde_json::from_str(&template).map_err(damaged("summary"))?),
        }),
        None => None,
    };
    b.windows.load(key, row);
    Ok(())
}

/// Loads what a triage command declared.
pub(super) fn keys(conn: &Connection, b: &mut Batch, keys: Vec<Key>) -> Result<(), Error> {
    for key in keys {
        if b.rows.known(&key) {
            continue;
        }
        match key {
            Key::AlertExists(k) => {
                let mut statement = conn.prepare_cached("SELECT 1 FROM alert WHERE id = ?1 AND space = ?2")?;
                if statement.exists([k.1.as_str(), &*k.0])? {
                    b.rows.alerts_present.insert(k);
                } else {
                    b.rows.alerts.load(k, None);
                }
            }
            Key::Alert(k) => {
                let row = crate::alert::read(conn, &k.0, &k.1)?;
                b.rows.alerts.load(k, row);
            }
            Key::Case(k) => {
                let row = crate::case::read(conn, &k.0, &k.1)?;
                b.rows.cases.load(k, row);
            }
            Key::Attachments(case) => {
                for a in crate::case::attachments_read(conn, &case, ATTACHMENTS_MAX)? {
                    b.rows.attachments.load((case.clone(), a.n), Some(a));
                }
                b.rows.attachments_of.insert(case);
            }
            Key::CaseNumber(space) => {
                let mut statement = conn.prepare_cached("SELECT max(number) FROM cases WHERE space = ?1")?;
                let last: Option<u64> = statement.query_row([&*space], |r| r.get(0))?;
                // The highest number ever given: a deleted case's number is not given again.
                let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
                let kept: Option<String> = statement.query_row([number_key(&space)], |r| r.get(0)).optional()?;
                let kept = kept.and_then(|t| t.parse::<u64>().ok());
                let next = last.max(kept.map(|n| n.saturating_sub(1))).map_or(1, |n| n + 1);
                b.rows.numbers.load(space, Some(next));
            }
            Key::CasesConfig(space, owner) => {
                let row = record_read(conn, Noun::Setting, &space, &config_id(&owner))?;
                b.rows.configs.insert((space, owner), row.map(|r| r.body));
            }
            Key::Person(user) => {
                let record = record_read(conn, Noun::User, "*", &user)?;
                let person = record.map(|r| triage::question::Person {
                    enabled: r.body.get("enabled").and_then(stdx::Value::as_bool).unwrap_or(true),
                    roles: r
                        .body
                        .get("roles")
                        .and_then(stdx::Value::as_array)
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|v| v.as_str().map(Arc::from))
                        .collect(),
                });
                b.rows.people.insert(user, person);
            }
            Key::Envelope(space) => {
                let id = Id::from(triage::question::demand::ENVELOPE);
                self::record(conn, b, Noun::Setting, &space, &id)?;
                let body = b.records.get(&(Noun::Setting, space.clone(), id)).map(|r| r.body.clone());
                b.rows.envelopes.insert(space, body);
            }
            Key::Question(id) => {
                let row = crate::question::read(conn, &id)?;
                b.rows.questions.load(id, row);
            }
        }
    }
    Ok(())
}

/// Key of `meta` under which the next case number of a space stands.
pub(super) fn number_key(space: &str) -> String {
    format!("case number {space}")
}
