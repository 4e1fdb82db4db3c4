//! Verifying the passkey signatures of approvals, from the database alone.
//!
//! Invariants: each signature of the trail holds over the hash, the answer and the person of its entry, by a key that the trail saw that person
//! register; a row of the inbox that demands signatures was let go by none without one, over the hash of exactly its frozen actions.
//! Not here: the chain of the trail (`verify`), what a signature is (`triage::question::passkey`).
//! Source: `design/engine.md` §8.

use super::verify::{Break, Report, broken};
use crate::error::Error;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use stdx::{Id, Value};
use triage::QuestionRow;
use triage::question::frozen_hash;
use triage::question::passkey::Signed;

/// What the trail knows of keys: by person and credential the public keys, and credentials whose entry was erased.
#[derive(Default)]
struct Keys {
    registered: BTreeMap<(String, String), BTreeSet<String>>,
    erased: BTreeSet<String>,
}

impl Keys {
    fn read(conn: &Connection) -> Result<Self, Error> {
        let mut keys = Self::default();
        let mut statement = conn.prepare("SELECT user, id, body FROM audit WHERE action = 'passkey.register'")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (user, id, body): (String, String, Option<String>) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let body = body.and_then(|b| stdx::json::parse(&b).ok());
            match body.as_ref().and_then(|b| b.get("public_key")).and_then(Value::as_str) {
                Some(key) => drop(keys.registered.entry((user, id)).or_default().insert(key.to_owned())),
                None => drop(keys.erased.insert(id)),
            }
        }
        Ok(keys)
    }
    fn knows(&self, user: &str, signed: &Signed) -> bool {
        let key = (user.to_owned(), signed.credential.to_string());
        self.registered.get(&key).is_some_and(|keys| keys.contains(&*signed.public_key))
            || self.erased.contains(&*signed.credential)
    }
}

pub(super) fn verify(conn: &Connection, report: &mut Report) -> Result<Option<Break>, Error> {
    let keys = Keys::read(conn)?;
    if let Some(found) = entries(conn, &keys, report)? {
        return Ok(Some(found));
    }
    rows(conn, &keys)
}

/// What is wrong with a signature.
fn flaw(keys: &Keys, signed: &Signed, id: &str, hash: &str, verdict: triage::Verdict, user: &str) -> Option<String> {
    if let Err(flaw) = signed.verify(&Id::from(id), hash, verdict, user) {
        return Some(format!("the passkey signature of `{user}` is none: {flaw}"));
    }
    (!keys.knows(user, signed)).then(|| format!("the trail never saw `{user}` register the passkey that signed"))
}

fn entries(conn: &Connection, keys: &Keys, report: &mut Report) -> Result<Option<Break>, Error> {
    let sql =
        "SELECT seq, user, id, body FROM audit WHERE action = 'approval.decide' AND body IS NOT NULL ORDER BY seq";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        let (seq, user, id, body): (i64, String, String, String) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
        let at = format!("entry {seq}");
        let Ok(body) = stdx::json::parse(&body) else { return broken(at, "its body is no JSON") };
        let Some(signed) = body.get("signature") else { continue };
        let parts = (
            stdx::json::from_value::<Signed>(signed),
            body.get("verdict").map(stdx::json::from_value::<triage::Verdict>),
            body.get("hash").and_then(Value::as_str),
        );
        let (Ok(signed), Some(Ok(verdict)), Some(hash)) = parts else {
            return broken(at, "it holds no signature of an answer");
        };
        if let Some(why) = flaw(keys, &signed, &id, hash, verdict, &user) {
            return broken(at, why);
        }
        report.signatures += 1;
    }
    Ok(None)
}

fn rows(conn: &Connection, keys: &Keys) -> Result<Option<Break>, Error> {
    let mut statement = conn.prepare("SELECT id, body FROM question ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        let (id, body): (String, String) = (r.get(0)?, r.get(1)?);
        let at = format!("approval {id}");
        let Ok(row) = serde_json::from_str::<QuestionRow>(&body) else { return broken(at, "it cannot be read") };
        let q = &row.question;
        for answer in row.answers.iter().filter(|a| q.kind.lets_go(a.verdict)) {
            let Some(signed) = &answer.signature else {
                if q.policy.passkey {
                    return broken(at, format!("the answer of `{}` has no signature", answer.by.user));
                }
                continue;
            };
            if *q.hash != *frozen_hash(&q.actions) {
                return broken(at, "its hash does not cover its frozen actions");
            }
            if let Some(why) = flaw(keys, signed, &id, &q.hash, answer.verdict, &answer.by.user) {
                return broken(at, why);
            }
        }
    }
    Ok(None)
}
