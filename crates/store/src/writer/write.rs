//! The net effect of a batch as statements, in a fixed order of tables and by key within each.
//!
//! Invariants: prepared, cached statements only; the stream row, the audit link and the checkpoint go with the same COMMIT.

use super::{Stream, load::number_key};
use crate::audit::{
    CHECKPOINT_EVERY_US, Header, SALT_BYTES, body_digest, checkpoint_text, header_text, link_hash, merkle_root,
};
use crate::batch::{Batch, Run};
use crate::error::{Error, damaged};
use crate::secret::Keys;
use crate::{alert, case, question};
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use stdx::{Id, Time, Value};
use workflow::{Cause, Mode};

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(damaged("value"))
}

/// Writes everything; returns the stream after it.
pub(super) fn all(conn: &Connection, b: &Batch, keys: &Keys, before: &Stream, now: Time) -> Result<Stream, Error> {
    triage_rows(conn, b, now)?;
    records(conn, b, now)?;
    runs(conn, b)?;
    run_rows(conn, b)?;
    let mut statement = conn.prepare_cached(
        "INSERT INTO feed (n, stream, \"commit\", i, at, topic, space, id, version, kind, changed, execution, user) \
         VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for f in &b.feed {
        let changed = (!f.changed.is_null()).then(|| stdx::json::text(&f.changed));
        statement.execute(params![
            f.n,
            f.commit,
            f.index,
            f.at.0,
            &*f.topic,
            &*f.space,
            f.id.as_str(),
            f.version,
            f.kind as u8,
            changed,
            f.execution.as_ref().map(Id::as_str),
            &*f.by
        ])?;
    }
    for (at, by, change) in &b.envelope {
        change.write(conn, *at, by)?;
    }
    for a in &b.attempts {
        let mut statement = conn.prepare_cached(
            "INSERT INTO attempt (space, at, operation, target, workflow, execution, step) VALUES (?1,?2,?3,?4,?5,?6,?7)",
        )?;
        statement.execute(params![
            &*a.space,
            a.at.0,
            &*a.operation,
            &*a.target,
            a.workflow.as_str(),
            a.execution.as_str(),
            &*a.step
        ])?;
    }
    groups(conn, b)?;
    let mut stream = before.clone();
    stream.commits = b.commits;
    stream.feed = b.feed_n;
    audit(conn, b, &mut stream, now)?;
    let mut statement = conn
        .prepare_cached("UPDATE stream SET commits = ?1, feed = ?2, audit = ?3, link = ?4, head = ?5 WHERE id = 0")?;
    statement.execute(params![stream.commits, stream.feed, stream.audit, stream.link, stream.head])?;
    checkpoint(conn, keys, &mut stream, now)?;
    Ok(stream)
}

/// Groups are small and written whole.
fn groups(conn: &Connection, b: &Batch) -> Result<(), Error> {
    for ((space, key), group, _) in b.groups.dirty() {
        conn.prepare_cached("DELETE FROM slot WHERE space = ?1 AND key = ?2")?.execute([&**space, &**key])?;
        for row in group.into_iter().flat_map(|g| &g.rows) {
            let mut statement = conn.prepare_cached(
                "INSERT INTO slot (space, key, execution, state, n, root, max) VALUES (?1,?2,?3,?4,?5,?6,?7)",
            )?;
            let state = if row.held { "held" } else { "queued" };
            statement.execute(params![
                &**space,
                &**key,
                row.execution.as_str(),
                state,
                row.n,
                row.root.as_str(),
                row.max
            ])?;
        }
    }
    Ok(())
}

fn triage_rows(conn: &Connection, b: &Batch, now: Time) -> Result<(), Error> {
    for (_, row, stored) in b.rows.alerts.dirty() {
        if let Some(alert) = row {
            alert::write(conn, alert, stored)?;
        }
    }
    // First what was deleted: a case may have been made again under the same id.
    for ((space, id), _) in &b.rows.erased {
        case::remove(conn, space, id)?;
    }
    for (_, row, stored) in b.rows.cases.dirty() {
        if let Some(case) = row {
            case::write(conn, case, stored)?;
        }
    }
    for ((case_id, n), row, stored) in b.rows.attachments.dirty() {
        case::attachment_write(conn, case_id, *n, row.map(|a| &**a), stored)?;
    }
    for (i, action) in b.rows.actions.iter().enumerate() {
        let erased = |((space, case), before): &(triage::rows::SpaceId, usize)| {
            *case == action.case && *space == action.space && i < *before
        };
        if !b.rows.erased.iter().any(erased) {
            case::action_write(conn, action)?;
        }
    }
    for (space, next, _) in b.rows.numbers.dirty() {
        if let Some(next) = next {
            let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
            statement.execute(params![number_key(space), next.to_string()])?;
        }
    }
    for (_, row, stored) in b.rows.questions.dirty() {
        if let Some(row) = row {
            question::write(conn, row, stored)?;
        }
    }
    for ((space, key), row, _) in b.answers.dirty() {
        if let Some(a) = row {
            let mut statement = conn.prepare_cached(
                "INSERT OR REPLACE INTO answer (space, key, execution, at, body) VALUES (?1,?2,?3,?4,?5)",
            )?;
            statement.execute(params![&**space, &**key, a.execution.as_ref().map(Id::as_str), a.at.0, &*a.body])?;
        }
    }
    for (id, row, _) in b.followers.dirty() {
        if let Some(p) = row {
            let mut statement =
                conn.prepare_cached("INSERT OR REPLACE INTO follower (id, lineage, number, at) VALUES (?1,?2,?3,?4)")?;
            statement.execute(params![&**id, &*p.lineage, p.number, now.0])?;
        }
    }
    Ok(())
}

fn records(conn: &Connection, b: &Batch, _now: Time) -> Result<(), Error> {
    for ((noun, space, id), row, _) in b.records.dirty() {
        match row {
            Some(r) => {
                let mut statement = conn.prepare_cached(
                    "INSERT OR REPLACE INTO record (noun, space, id, version, created, created_by, updated, updated_by, body) \
                     VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                )?;
                statement.execute(params![
                    noun.as_str(),
                    &**space,
                    id.as_str(),
                    r.version,
                    r.created.0,
                    &*r.created_by,
                    r.updated.0,
                    &*r.updated_by,
                    stdx::json::text(&r.body)
                ])?;
            }
            None => {
                let mut statement =
                    conn.prepare_cached("DELETE FROM record WHERE noun = ?1 AND space = ?2 AND id = ?3")?;
                statement.execute([noun.as_str(), &**space, id.as_str()])?;
            }
        }
    }
    for v in &b.versions {
        let (noun, space, id) = &v.key;
        let mut statement = conn.prepare_cached(
            "INSERT OR REPLACE INTO record_version (noun, space, id, version, at, by, body) VALUES (?1,?2,?3,?4,?5,?6,?7)",
        )?;
        statement.execute(params![
            noun.as_str(),
            &**space,
            id.as_str(),
            v.record.version,
            v.record.updated.0,
            &*v.record.updated_by,
            stdx::json::text(&v.record.body)
        ])?;
    }
    for ((rule, action), row, _) in b.windows.dirty() {
        match row {
            Some(w) => {
                let mut statement = conn.prepare_cached(
                    "INSERT OR REPLACE INTO summary (rule, action, space, opened, due, count, alerts, template) \
                     VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
                )?;
                statement.execute(params![
                    rule.as_str(),
                    &**action,
                    &*w.space,
                    w.opened.0,
                    w.due.0,
                    w.count,
                    json(&w.alerts)?,
                    json(&*w.template)?
                ])?;
            }
            None => {
                let mut statement = conn.prepare_cached("DELETE FROM summary WHERE rule = ?1 AND action = ?2")?;
                statement.execute([rule.as_str(), &**action])?;
            }
        }
    }
    Ok(())
}

fn runs(conn: &Connection, b: &Batch) -> Result<(), Error> {
    for (id, row, stored) in b.runs.dirty() {
        let Some(run) = row else { continue };
        let current = if run.current.is_empty() { "[]".into() } else { json(&run.current)? };
        let error = run.error.as_ref().map(json).transpose()?;
        if stored {
            let mut statement = conn.prepare_cached(
                "UPDATE execution SET class = ?2, current = ?3, started = ?4, error = ?5, facts = ?6, last = ?7, digest = ?8, \
                 mail = ?9, name = coalesce(?10, name) WHERE id = ?1",
            )?;
            statement.execute(params![
                id.as_str(),
                run.class.as_str(),
                current,
                run.started.map(|t| t.0),
                error,
                run.facts,
                run.last,
                run.digest,
                run.mail,
                run.name.as_deref()
            ])?;
            if run.status != run.stored {
                let mut statement =
                    conn.prepare_cached("UPDATE execution SET status = ?2, finished = ?3 WHERE id = ?1")?;
                statement.execute(params![id.as_str(), run.status.as_str(), run.finished.map(|t| t.0)])?;
            }
        } else {
            run_insert(conn, id, run, &current, error.as_deref())?;
        }
    }
    Ok(())
}

fn run_insert(conn: &Connection, id: &Id, run: &Run, current: &str, error: Option<&str>) -> Result<(), Error> {
    let Some(start) = &run.new else { return Ok(()) };
    let (rule, parent) = match &start.cause {
        Cause::Alert { rule, .. } => (Some(rule.as_str()), None),
        Cause::Child { parent, .. } => (None, Some(parent.to_string())),
        Cause::Manual | Cause::Schedule { .. } | Cause::Event { .. } | Cause::Webhook { .. } => (None, None),
    };
    let triggered = match &start.cause {
        Cause::Manual => "manual",
        Cause::Event { trigger, .. } => trigger,
        Cause::Webhook { .. } => "webhook",
        Cause::Alert { .. } => "alert",
        Cause::Child { .. } => "workflow",
        Cause::Schedule { .. } => "scheduled",
    };
    let mode = match &start.mode {
        Mode::Whole => "whole",
        Mode::Step(..) => "step",
        Mode::From(..) => "from",
    };
    let visited = if start.visited.is_empty() { "[]".into() } else { json(&start.visited)? };
    let mut statement = conn.prepare_cached(
        "INSERT INTO execution (id, space, partition, root, workflow, name, version, status, mode, dry, test, principal, triggered, rule, \
         parent, depth, visited, arrived, started, finished, class, current, error, facts, last, digest, mail) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)",
    )?;
    statement.execute(params![
        id.as_str(),
        &*run.space,
        run.partition,
        start.root.as_str(),
        start.workflow.as_str(),
        run.name.as_deref().unwrap_or(""),
        start.version,
        run.status.as_str(),
        mode,
        start.dry,
        start.test,
        &*run.principal,
        triggered,
        rule,
        parent,
        start.depth,
        visited,
        start.at.0,
        run.started.map(|t| t.0),
        run.finished.map(|t| t.0),
        run.class.as_str(),
        current,
        error,
        run.facts,
        run.last,
        run.digest,
        run.mail
    ])?;
    Ok(())
}

fn run_rows(conn: &Connection, b: &Batch) -> Result<(), Error> {
    for (alert, execution, space) in &b.run_alerts {
        let mut statement =
            conn.prepare_cached("INSERT OR IGNORE INTO execution_alert (alert, execution, space) VALUES (?1,?2,?3)")?;
        statement.execute([alert.as_str(), execution.as_str(), &**space])?;
    }
    for r in &b.journal {
        let mut statement = conn.prepare_cached(
            "INSERT INTO journal (execution, base, count, at, digest, facts) VALUES (?1,?2,?3,?4,?5,?6)",
        )?;
        statement.execute(params![r.execution.as_str(), r.base, r.count, r.at.0, r.digest, &*r.facts])?;
    }
    for p in &b.payloads {
        let mut statement =
            conn.prepare_cached("INSERT INTO payload (execution, n, base, body) VALUES (?1,?2,?3,?4)")?;
        statement.execute(params![p.execution.as_str(), p.n, p.base, &*p.body])?;
    }
    for ((execution, n), row, _) in b.mailbox.dirty() {
        match row {
            Some(mail) => {
                let (space, at, command) = &**mail;
                let mut statement = conn
                    .prepare_cached("INSERT INTO mailbox (execution, n, space, at, command) VALUES (?1,?2,?3,?4,?5)")?;
                statement.execute(params![execution.as_str(), n, &**space, at.0, json(command)?])?;
            }
            None => {
                let mut statement = conn.prepare_cached("DELETE FROM mailbox WHERE execution = ?1 AND n = ?2")?;
                statement.execute(params![execution.as_str(), n])?;
            }
        }
    }
    for ((execution, path, call), row, _) in b.outbox.dirty() {
        match row {
            Some(o) => {
                let mut statement = conn.prepare_cached(
                    "INSERT INTO outbox (execution, path, call, space, lane, class, due, deadline, attempt, base) \
                     VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?11,?9) ON CONFLICT (execution, path, call) DO UPDATE SET \
                     due = excluded.due, deadline = excluded.deadline, \
                     attempt = iif(?10, ?11, attempt + ?11), base = iif(?10, excluded.base, base)",
                )?;
                statement.execute(params![
                    execution.as_str(),
                    &**path,
                    call,
                    &*o.space,
                    &*o.lane,
                    o.class.as_str(),
                    o.due.0,
                    o.deadline.map(|t| t.0),
                    o.base,
                    o.fresh,
                    o.again + 1
                ])?;
            }
            None => {
                let mut statement =
                    conn.prepare_cached("DELETE FROM outbox WHERE execution = ?1 AND path = ?2 AND call = ?3")?;
                statement.execute(params![execution.as_str(), &**path, call])?;
            }
        }
    }
    for ((execution, id), row, _) in b.timers.dirty() {
        match row {
            Some(timer) => {
                let mut statement = conn
                    .prepare_cached("INSERT OR REPLACE INTO timer (execution, id, space, due) VALUES (?1,?2,?3,?4)")?;
                statement.execute(params![execution.as_str(), &**id, &*timer.0, timer.1.0])?;
            }
            None => {
                let mut statement = conn.prepare_cached("DELETE FROM timer WHERE execution = ?1 AND id = ?2")?;
                statement.execute([execution.as_str(), &**id])?;
            }
        }
    }
    for execution in &b.timers_cleared {
        conn.prepare_cached("DELETE FROM timer WHERE execution = ?1")?.execute([execution.as_str()])?;
    }
    Ok(())
}

fn audit(conn: &Connection, b: &Batch, stream: &mut Stream, now: Time) -> Result<(), Error> {
    if b.audit.is_empty() {
        return Ok(());
    }
    let seed = super::random()?;
    let first = stream.audit + 1;
    let link = stream.link + 1;
    let mut headers = Vec::with_capacity(b.audit.len());
    let mut statement = conn.prepare_cached(
        "INSERT INTO audit (seq, stream, link, space, at, user, channel, execution, step, action, noun, id, digest, run_base, run_digest, \
         salt, body) VALUES (?1,0,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
    )?;
    for (i, e) in b.audit.iter().enumerate() {
        let seq = first + i as u64;
        // Unguessable and stored nowhere else, so that an erased body cannot be found again by trying.
        let salt = Sha256::new().chain_update(seed).chain_update(seq.to_le_bytes()).finalize();
        let salt = &salt[..SALT_BYTES];
        let body = match &e.body {
            Value::Null => "null".to_owned(),
            v => stdx::json::text(v),
        };
        let digest = body_digest(salt, &body);
        let execution = e.by.execution.as_ref().map(Id::as_str);
        headers.push(header_text(&Header {
            seq,
            space: &e.space,
            at: e.at,
            actor: (&e.by.user, &e.by.channel, execution, e.by.step.as_deref()),
            action: &e.action,
            of: (&e.noun, &e.id),
            digest: &digest,
            run: e.run.as_ref().map(|(base, d)| (*base, d.as_slice())),
        }));
        statement.execute(params![
            seq,
            link,
            &*e.space,
            e.at.0,
            &*e.by.user,
            &*e.by.channel,
            execution,
            e.by.step.as_deref(),
            &*e.action,
            &*e.noun,
            e.id.as_str(),
            digest,
            e.run.map(|r| r.0),
            e.run.map(|r| r.1),
            salt,
            body
        ])?;
    }
    let root = merkle_root(headers.iter().map(String::as_str));
    let hash = link_hash(&stream.head, &root);
    let mut statement = conn.prepare_cached(
        "INSERT INTO audit_link (stream, n, first, count, at, root, hash) VALUES (0,?1,?2,?3,?4,?5,?6)",
    )?;
    statement.execute(params![link, first, b.audit.len(), now.0, root, hash])?;
    stream.audit += b.audit.len() as u64;
    stream.link = link;
    stream.head = hash;
    Ok(())
}

/// A signed checkpoint when the last one is a minute old and something was linked since.
fn checkpoint(conn: &Connection, keys: &Keys, stream: &mut Stream, now: Time) -> Result<(), Error> {
    if stream.link == stream.checkpoint_link
        || stream.checkpoint > 0 && now.since(stream.checkpoint_at).0 < CHECKPOINT_EVERY_US
    {
        return Ok(());
    }
    let n = stream.checkpoint + 1;
    let heads = serde_json::json!([{ "stream": 0, "link": stream.link, "hash": hex::encode(stream.head) }]).to_string();
    let key = keys.audit_key();
    let text = checkpoint_text(n, now, &heads, &stream.checkpoint_digest, &key);
    let signature = keys.sign(&text);
    let mut statement = conn
        .prepare_cached("INSERT INTO checkpoint (n, at, heads, previous, key, signature) VALUES (?1,?2,?3,?4,?5,?6)")?;
    statement.execute(params![n, now.0, heads, stream.checkpoint_digest, key, signature.as_slice()])?;
    stream.checkpoint = n;
    stream.checkpoint_at = now;
    stream.checkpoint_digest = body_digest(&[], &text);
    stream.checkpoint_link = stream.link;
    Ok(())
}
