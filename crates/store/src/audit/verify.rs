//! Verifying the audit chain, the journals and the checkpoints of a database.
//!
//! Invariants: reads only; the first break of the chain is named by its link, entry or journal row; erased bodies and removed runs
//! are no breaks.
//! Source: `design/engine.md` §12.

use crate::audit::{
    Header, body_digest, checkpoint_text, header_text, journal_digest, journal_seed, link_hash, merkle_root,
};
use crate::error::Error;
use crate::open::DATABASE;
use crate::schema;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::path::Path;
use stdx::Time;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Links that hold.
    pub links: u64,
    /// Entries that hold.
    pub entries: u64,
    /// Entries whose body was erased.
    pub erased: u64,
    /// Runs whose journal holds.
    pub journals: u64,
    /// Journal rows that hold.
    pub rows: u64,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// Passkey signatures of approvals that hold.
    pub signatures: u64,
    /// The first break, if there is one.
    pub broken: Option<Break>,
}

/// The first break of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// Where: `link 17`, `entry 40`, `journal of <id> at 12`, `checkpoint 3`.
    pub at: String,
    /// What is wrong.
    pub why: String,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} links, {} entries ({} erased), {} journals with {} rows, {} checkpoints, {} passkey signatures",
            self.links, self.entries, self.erased, self.journals, self.rows, self.checkpoints, self.signatures
        )?;
        match &self.broken {
            None => write!(f, "the chain holds"),
            Some(b) => write!(f, "broken at {}: {}", b.at, b.why),
        }
    }
}

/// Verifies the database of a data folder; the server may run meanwhile.
///
/// - errors: of opening and reading; a broken chain is no error, see [`Report::broken`].
pub fn verify(dir: &Path) -> Result<Report, Error> {
    let path = dir.join(DATABASE);
    if !path.exists() {
        return Err(Error::io(path)(std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(&path, flags)?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    let found = schema::version(&conn)?;
    if found > schema::SCHEMA_VERSION {
        return Err(Error::SchemaTooNew { found, known: schema::SCHEMA_VERSION });
    }
    verify_connection(&conn)
}

/// Verifies the database behind a connection, on one snapshot.
pub(crate) fn verify_connection(conn: &Connection) -> Result<Report, Error> {
    conn.execute_batch("BEGIN DEFERRED")?;
    let report = all(conn);
    conn.execute_batch("COMMIT")?;
    report
}

fn all(conn: &Connection) -> Result<Report, Error> {
    let mut report = Report::default();
    for part in [links, journals, checkpoints, super::signatures::verify] {
        if let Some(broken) = part(conn, &mut report)? {
            report.broken = Some(broken);
            break;
        }
    }
    Ok(report)
}

pub(super) fn broken(at: impl Into<String>, why: impl Into<String>) -> Result<Option<Break>, Error> {
    Ok(Some(Break { at: at.into(), why: why.into() }))
}

/// A column as text; what is not text reads as something no header ever had.
fn text(r: &rusqlite::Row<'_>, i: usize) -> rusqlite::Result<Option<String>> {
    use rusqlite::types::ValueRef;
    Ok(match r.get_ref(i)? {
        ValueRef::Null => None,
        ValueRef::Text(t) => Some(String::from_utf8_lossy(t).into_owned()),
        other => Some(format!("{other:?}")),
    })
}

fn blob(r: &rusqlite::Row<'_>, i: usize) -> rusqlite::Result<Option<Vec<u8>>> {
    use rusqlite::types::ValueRef;
    Ok(match r.get_ref(i)? {
        ValueRef::Null => None,
        ValueRef::Blob(b) | ValueRef::Text(b) => Some(b.to_vec()),
        _ => Some(Vec::new()),
    })
}

fn links(conn: &Connection, report: &mut Report) -> Result<Option<Break>, Error> {
    let mut previous = vec![0u8; 32];
    let (mut link, mut seq) = (0u64, 0u64);
    let mut statement =
        conn.prepare("SELECT n, first, count, root, hash FROM audit_link WHERE stream = 0 ORDER BY n")?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        let (n, first, count): (i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
        let (root, hash) = (blob(r, 3)?.unwrap_or_default(), blob(r, 4)?.unwrap_or_default());
        link += 1;
        if n != link as i64 {
            return broken(format!("link {link}"), "it is missing");
        }
        if first != seq as i64 + 1 || count < 1 {
            return broken(format!("link {link}"), format!("it names entries from {first}, expected {}", seq + 1));
        }
        let mut headers = Vec::new();
        if let Some(b) = entries(conn, link, seq + 1, count as u64, &mut headers, report)? {
            return Ok(Some(b));
        }
        if merkle_root(headers.iter().map(String::as_str)).as_slice() != root.as_slice() {
            return broken(
                format!("link {link}"),
                format!("an entry of {} to {} is not the one that was written", seq + 1, seq + count as u64),
            );
        }
        if link_hash(&previous, &root).as_slice() != hash.as_slice() {
            return broken(format!("link {link}"), "its hash does not follow from the link before");
        }
        seq += count as u64;
        previous = hash;
        report.links += 1;
        report.entries += count as u64;
    }
    let over: Option<i64> = conn.query_row("SELECT min(seq) FROM audit WHERE seq > ?1", [seq as i64], |r| r.get(0))?;
    if let Some(over) = over {
        return broken(format!("entry {over}"), "no link covers it");
    }
    let (audit, last, head): (i64, i64, Vec<u8>) =
        conn.query_row("SELECT audit, link, head FROM stream WHERE id = 0", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?))
        })?;
    if (audit, last) != (seq as i64, link as i64) || head != previous {
        return broken(
            format!("link {}", link + 1),
            format!("the stream's head is link {last}, the chain ends at link {link}"),
        );
    }
    Ok(None)
}

fn entries(
    conn: &Connection,
    link: u64,
    first: u64,
    count: u64,
    headers: &mut Vec<String>,
    report: &mut Report,
) -> Result<Option<Break>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT seq, link, space, at, user, channel, execution, step, action, noun, id, digest, run_base, run_digest, salt, body \
         FROM audit WHERE seq >= ?1 AND seq < ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![first as i64, (first + count) as i64])?;
    let mut expected = first;
    while let Some(r) = rows.next()? {
        let seq: i64 = r.get(0)?;
        if seq != expected as i64 {
            return broken(format!("link {link}"), format!("entry {expected} is missing"));
        }
        expected += 1;
        let strings: Vec<Option<String>> =
            [2, 4, 5, 6, 7, 8, 9, 10].into_iter().map(|i| text(r, i)).collect::<Result<_, _>>()?;
        let get = |i: usize| strings[i].as_deref().unwrap_or("");
        let digest = blob(r, 11)?.unwrap_or_default();
        let run = match (r.get::<_, Option<i64>>(12)?, blob(r, 13)?) {
            (Some(base), Some(digest)) => Some((base as u64, digest)),
            _ => None,
        };
        match (blob(r, 14)?, text(r, 15)?) {
            (Some(salt), Some(body)) => {
                if body_digest(&salt, &body).as_slice() != digest.as_slice() {
                    return broken(format!("entry {seq}"), format!("its body is not the one of link {link}"));
                }
            }
            (None, None) => report.erased += 1,
            _ => return broken(format!("entry {seq}"), "salt and body are erased only together"),
        }
        if r.get::<_, i64>(1)? != link as i64 {
            return broken(format!("entry {seq}"), format!("it stands under another link than {link}"));
        }
        headers.push(header_text(&Header {
            seq: seq as u64,
            space: get(0),
            at: Time(r.get(3)?),
            actor: (get(1), get(2), strings[3].as_deref(), strings[4].as_deref()),
            action: get(5),
            of: (get(6), get(7)),
            digest: &digest,
            run: run.as_ref().map(|(base, d)| (*base, d.as_slice())),
        }));
        if let (Some((base, digest)), Some(execution)) = (&run, strings[3].as_deref())
            && let Some(b) = anchored(conn, seq, execution, *base, digest)?
        {
            return Ok(Some(b));
        }
    }
    if expected != first + count {
        return broken(format!("link {link}"), format!("entry {expected} is missing"));
    }
    Ok(None)
}

/// The run's journal still holds the row that an entry names, unless the whole run was removed.
fn anchored(conn: &Connection, seq: i64, execution: &str, base: u64, digest: &[u8]) -> Result<Option<Break>, Error> {
    let mut statement = conn.prepare_cached("SELECT digest FROM journal WHERE execution = ?1 AND base = ?2")?;
    let found: Option<Vec<u8>> = statement.query_row(params![execution, base as i64], |r| r.get(0)).optional()?;
    match found {
        Some(found) if found == digest => Ok(None),
        Some(_) => {
            broken(format!("journal of {execution} at {base}"), format!("it is not the row that entry {seq} names"))
        }
        None => {
            let mut statement = conn.prepare_cached(
                "SELECT 1 FROM execution WHERE id = ?1 UNION ALL SELECT 1 FROM journal WHERE execution = ?1 LIMIT 1",
            )?;
            if statement.exists([execution])? {
                return broken(
                    format!("journal of {execution} at {base}"),
                    format!("the row that entry {seq} names is missing"),
                );
            }
            Ok(None)
        }
    }
}

fn journals(conn: &Connection, report: &mut Report) -> Result<Option<Break>, Error> {
    let mut statement = conn.prepare("SELECT id, facts, last, digest FROM execution ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        let id: String = r.get(0)?;
        let (facts, last): (i64, i64) = (r.get(1)?, r.get(2)?);
        let head = blob(r, 3)?.unwrap_or_default();
        if let Some(b) = journal(conn, &id, (facts, last, &head), report)? {
            return Ok(Some(b));
        }
    }
    let stray: Option<String> = conn
        .query_row("SELECT execution FROM journal WHERE execution NOT IN (SELECT id FROM execution) LIMIT 1", [], |r| {
            r.get(0)
        })
        .optional()?;
    if let Some(id) = stray {
        return broken(format!("journal of {id}"), "its run is missing");
    }
    Ok(None)
}

fn journal(conn: &Connection, id: &str, head: (i64, i64, &[u8]), report: &mut Report) -> Result<Option<Break>, Error> {
    let mut digest = journal_seed(id).to_vec();
    let mut next = 0i64;
    let mut statement =
        conn.prepare_cached("SELECT base, count, digest, facts FROM journal WHERE execution = ?1 ORDER BY base")?;
    let mut payloads =
        conn.prepare_cached("SELECT n, body FROM payload WHERE execution = ?1 AND base = ?2 ORDER BY n")?;
    let mut rows = statement.query([id])?;
    while let Some(r) = rows.next()? {
        let (base, count): (i64, i64) = (r.get(0)?, r.get(1)?);
        let at = format!("journal of {id} at {next}");
        if base != next || count < 1 {
            return broken(at, format!("a row is missing, the next begins at {base}"));
        }
        let facts = blob(r, 3)?.unwrap_or_default();
        let bodies: Vec<(u64, String)> = payloads
            .query_map(params![id, base], |p| Ok((p.get::<_, i64>(0)? as u64, text(p, 1)?.unwrap_or_default())))?
            .collect::<Result<_, _>>()?;
        let found =
            journal_digest(&digest, base as u64, count as u64, &facts, bodies.iter().map(|(n, t)| (*n, t.as_str())))
                .to_vec();
        if Some(&found) != blob(r, 2)?.as_ref() {
            return broken(at, "its facts or payloads are not the ones that were written");
        }
        digest = found;
        next = base + count;
        report.rows += 1;
    }
    if next != head.0 || digest != head.2 {
        return broken(
            format!("journal of {id} at {next}"),
            format!("the run has {} facts, its journal ends at {next}", head.0),
        );
    }
    report.journals += 1;
    Ok(None)
}

fn checkpoints(conn: &Connection, report: &mut Report) -> Result<Option<Break>, Error> {
    let known: Option<String> =
        conn.query_row("SELECT value FROM meta WHERE key = 'audit key'", [], |r| r.get(0)).optional()?;
    let mut previous = vec![0u8; 32];
    let mut expected = 0i64;
    let mut statement = conn.prepare("SELECT n, at, heads, previous, key, signature FROM checkpoint ORDER BY n")?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        let n: i64 = r.get(0)?;
        let at: i64 = r.get(1)?;
        let (heads, key) = (text(r, 2)?.unwrap_or_default(), text(r, 4)?.unwrap_or_default());
        let (before, signature) = (blob(r, 3)?.unwrap_or_default(), blob(r, 5)?.unwrap_or_default());
        expected += 1;
        let place = format!("checkpoint {expected}");
        if n != expected || before != previous {
            return broken(place, "it does not follow from the checkpoint before");
        }
        let signed = checkpoint_text(n as u64, Time(at), &heads, &before, &key);
        let verified = (|| {
            let key: [u8; 32] = hex::decode(&key).ok()?.try_into().ok()?;
            let signature: [u8; 64] = signature.try_into().ok()?;
            VerifyingKey::from_bytes(&key).ok()?.verify(signed.as_bytes(), &Signature::from_bytes(&signature)).ok()
        })();
        if verified.is_none() {
            return broken(place, "its signature does not verify");
        }
        if known.as_ref().is_some_and(|k| *k != key) {
            return broken(place, "it is signed by another key than this database names");
        }
        let heads: serde_json::Value = serde_json::from_str(&heads).unwrap_or_default();
        let (link, hash) =
            (heads[0]["link"].as_i64().unwrap_or(-1), heads[0]["hash"].as_str().unwrap_or("").to_owned());
        let found: Option<Vec<u8>> = conn
            .query_row("SELECT hash FROM audit_link WHERE stream = 0 AND n = ?1", [link], |r| r.get(0))
            .optional()?;
        if found.map(hex::encode) != Some(hash) {
            return broken(place, format!("link {link} is not the one that was signed"));
        }
        previous = body_digest(&[], &signed).to_vec();
        report.checkpoints += 1;
    }
    Ok(None)
}
