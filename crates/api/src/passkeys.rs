//! Challenges for passkeys, and the site they are for.
//!
//! Invariants: a challenge is taken once, by the person it was made for, before it expires; a restart forgets all of them; a page elsewhere
//! than the configured one signs nothing.
//! Not here: what a signature must be (`triage::question::passkey`), the keys (`store`), routes (`routes::passkey`, `routes::approval`).
//! Source: `design/engine.md` §8; W3C Web Authentication Level 3 §5.1.3, §13.4.3.

use crate::auth;
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::Ctx;
use engine::envelope;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stdx::{Duration, Id, Time, Value};
use store::Noun;
use triage::question::passkey::{self, Algorithm, Credential, FIELD_BYTES_MAX, Signed, Site};
use triage::{QuestionRow, Verdict};

use crate::auth::EVERYWHERE;
use crate::commit::Put;

/// How long a challenge may be answered.
pub const CHALLENGE_FOR: Duration = Duration::from_secs(180);
/// Challenges that wait at most, of all people and of one.
const CHALLENGES_MAX: usize = 10_000;
const CHALLENGES_OF_ONE_MAX: usize = 16;
/// Passkeys of one person at most.
pub const KEYS_MAX: usize = 20;

/// What a challenge was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new passkey.
    Register,
    /// An answer.
    Answer {
        /// Question.
        question: Id,
        /// Hash that was shown.
        hash: Arc<str>,
        /// What the person says.
        verdict: Verdict,
    },
}

#[derive(Clone, Debug)]
struct Waiting {
    user: Arc<str>,
    nonce: Arc<str>,
    purpose: Purpose,
    until: Time,
}

/// Challenges that wait for their answer, by their text.
#[derive(Default)]
pub struct Challenges(Mutex<HashMap<String, Waiting>>);

impl Challenges {
    /// Makes a challenge; its text.
    ///
    /// - errors: 429 when too many wait.
    pub fn make(&self, user: &Arc<str>, purpose: Purpose, now: Time) -> Result<String> {
        let nonce: Arc<str> = auth::token::<32>().into();
        let bytes = match &purpose {
            Purpose::Register => passkey::registration_challenge(&nonce, user),
            Purpose::Answer { question, hash, verdict } => passkey::challenge(&nonce, question, hash, *verdict, user),
        };
        let text = passkey::text(&bytes);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, w| w.until > now);
        let own = all.values().filter(|w| w.user == *user).count();
        if all.len() >= CHALLENGES_MAX || own >= CHALLENGES_OF_ONE_MAX {
            return Err(ApiError::new(ErrorCode::TooMany, "too many challenges wait, try again").retry_after(10));
        }
        all.insert(text.clone(), Waiting { user: user.clone(), nonce, purpose, until: now + CHALLENGE_FOR });
        Ok(text)
    }

    /// Takes a challenge, which is gone then, whatever comes of it; its nonce.
    pub fn take(&self, text: &str, user: &str, purpose: &Purpose, now: Time) -> Option<Arc<str>> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(text)?;
        (*waiting.user == *user && waiting.purpose == *purpose && waiting.until > now).then_some(waiting.nonce)
    }
}

/// Relying party and origin of the page at `url`.
pub fn site(url: &str) -> (String, String) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host.to_owned(), Some(port.to_owned())),
        _ => (authority.clone(), None),
    };
    // Browsers have no passkeys for an address; the page is opened as `localhost` then.
    let loopback = host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[');
    let host = if loopback { "localhost".to_owned() } else { host };
    let usual = matches!((scheme, port.as_deref()), ("http", Some("80")) | ("https", Some("443")) | (_, None));
    let origin =
        if usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{}", port.unwrap_or_default()) };
    (host, origin)
}

fn forbidden(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, message).attributes(json!({"code": "passkey"}))
}

/// A member of a body that a browser made.
pub(crate) fn field(body: &Json, key: &str) -> Result<Arc<str>> {
    let text = body.get(key).and_then(Json::as_str).filter(|t| !t.is_empty() && t.len() <= FIELD_BYTES_MAX);
    text.map(Arc::from).ok_or_else(|| {
        ApiError::invalid(format!("[request body.{key}]: expected base64url of at most {FIELD_BYTES_MAX} bytes"))
    })
}

/// A passkey as it is stored.
pub(crate) struct Stored {
    /// The key.
    pub credential: Credential,
    /// Whose.
    pub user: Arc<str>,
    /// Version of the record.
    pub version: u64,
    /// The record.
    pub body: Value,
}

/// The stored passkey of an id.
pub(crate) fn stored(cx: &Ctx, id: &str) -> Result<Option<Stored>> {
    Ok(cx.state.records.find(Noun::Passkey, EVERYWHERE, id)?.and_then(read))
}

/// Passkeys of a person.
pub(crate) fn of(cx: &Ctx, user: &str) -> Result<Vec<Stored>> {
    let records = cx.state.records.holding(Noun::Passkey, EVERYWHERE, "user", user)?;
    Ok(records.into_iter().filter_map(read).filter(|k| *k.user == *user).collect())
}

fn read(record: crate::records::Record) -> Option<Stored> {
    let text = |key: &str| record.body.get(key).and_then(Value::as_str).map(Arc::<str>::from);
    let algorithm = match record.body.get("algorithm").and_then(Value::as_str)? {
        "ES256" => Algorithm::Es256,
        "EdDSA" => Algorithm::EdDsa,
        _ => return None,
    };
    let counter = record.body.get("counter").and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok())?;
    let credential = Credential { id: record.id.0.clone(), algorithm, public_key: text("public_key")?, counter };
    Some(Stored { credential, user: text("user")?, version: record.version, body: record.body })
}

/// True where an answer of that kind must be signed: the question was asked under that demand, or the envelope demands it now. The row itself
/// judges by the same rule; here it is said before a signature is asked for.
pub(crate) fn needed(cx: &Ctx, row: &QuestionRow) -> bool {
    // With limits that cannot be read nothing destructive is let go by a click alone.
    row.question.policy.passkey
        || envelope::limits(cx.state.engine.store(), &cx.space).map_or(true, |l| l.demands_passkey(&row.question))
}

/// The signature of a person's answer, and the record of the key with its new count.
///
/// - errors: 403 with code `passkey` for every way in which it is none.
pub(crate) fn signed(cx: &Ctx, row: &QuestionRow, verdict: Verdict, given: &Json) -> Result<(Signed, Put)> {
    let user = &cx.principal.user;
    let (question, hash) = (&row.question.id, &row.question.hash);
    let client_data = field(given, "client_data")?;
    let flaw = |flaw: passkey::Flaw| forbidden(format!("the passkey's signature is refused: {flaw}"));
    let challenge = passkey::challenge_of(&client_data).map_err(flaw)?;
    let purpose = Purpose::Answer { question: question.clone(), hash: hash.clone(), verdict };
    let nonce = cx.state.challenges.take(&challenge, user, &purpose, cx.now);
    let nonce = nonce.ok_or_else(|| {
        forbidden("the passkey signed a challenge that is used, too old, or was made for something else")
    })?;
    let id = field(given, "credential_id")?;
    let key = stored(cx, &id)?.filter(|k| k.user == *user);
    let key = key.ok_or_else(|| forbidden(format!("`{user}` has no such passkey")))?;
    let (rp_id, origin) = cx.state.site();
    let signed = Signed {
        credential: key.credential.id.clone(),
        algorithm: key.credential.algorithm,
        public_key: key.credential.public_key.clone(),
        rp_id: rp_id.into(),
        origin: origin.into(),
        nonce,
        authenticator_data: field(given, "authenticator_data")?,
        client_data,
        signature: field(given, "signature")?,
    };
    let counter = signed.verify(question, hash, verdict, user).map_err(flaw)?;
    if (counter > 0 || key.credential.counter > 0) && counter <= key.credential.counter {
        return Err(forbidden("the passkey's count went back: it may have been copied; remove it"));
    }
    let mut body = key.body;
    if let Some(o) = body.object_mut() {
        o.insert("counter", i64::from(counter));
        o.insert("last_used_at", cx.now.iso());
    }
    // With its version: of two answers that were signed at once one is refused.
    let id = Id::from(&*id);
    Ok((signed, Put { noun: Noun::Passkey, id, expect: Some(key.version), body: Some(body), action: "passkey.use" }))
}

/// A new passkey of the person, from what the browser gave.
pub(crate) fn registered(cx: &Ctx, given: &Json) -> Result<Credential> {
    let client_data = field(given, "client_data")?;
    let flaw = |flaw: passkey::Flaw| forbidden(format!("the passkey is refused: {flaw}"));
    let challenge = passkey::challenge_of(&client_data).map_err(flaw)?;
    let nonce = cx.state.challenges.take(&challenge, &cx.principal.user, &Purpose::Register, cx.now);
    let nonce = nonce.ok_or_else(|| forbidden("the challenge is used, too old, or was made for something else"))?;
    let (rp_id, origin) = cx.state.site();
    let wanted = passkey::registration_challenge(&nonce, &cx.principal.user);
    let site = Site { rp_id, origin };
    let credential =
        passkey::register(&client_data, &field(given, "attestation_object")?, &wanted, site).map_err(flaw)?;
    if *field(given, "credential_id")? != *credential.id {
        return Err(forbidden("the passkey's id is another one than it says"));
    }
    Ok(credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_taken_once_in_time_by_its_person_for_its_purpose() {
        let all = Challenges::default();
        let (ann, now) = (Arc::<str>::from("ann"), Time(1_000_000));
        let answer =
            |hash: &str| Purpose::Answer { question: Id::from("q"), hash: hash.into(), verdict: Verdict::Approve };
        let make = |purpose: Purpose| all.make(&ann, purpose, now).unwrap();
        let text = make(answer("h"));
        assert!(all.take(&text, "ann", &answer("h"), now).is_some());
        assert!(all.take(&text, "ann", &answer("h"), now).is_none(), "used");
        let text = make(answer("h"));
        assert!(all.take(&text, "bob", &answer("h"), now).is_none(), "another person");
        assert!(all.take(&text, "ann", &answer("h"), now).is_none(), "and gone by that");
        assert!(all.take(&make(answer("h")), "ann", &answer("i"), now).is_none(), "other bytes");
        assert!(all.take(&make(answer("h")), "ann", &Purpose::Register, now).is_none(), "another purpose");
        assert!(all.take(&make(answer("h")), "ann", &answer("h"), now + CHALLENGE_FOR).is_none(), "too old");
        assert!(all.take("x", "ann", &answer("h"), now).is_none());
    }

    #[test]
    fn only_so_many_challenges_wait_and_old_ones_make_room() {
        let all = Challenges::default();
        let (ann, now) = (Arc::<str>::from("ann"), Time(1_000_000));
        for _ in 0..CHALLENGES_OF_ONE_MAX {
            all.make(&ann, Purpose::Register, now).unwrap();
        }
        assert_eq!(all.make(&ann, Purpose::Register, now).unwrap_err().code, ErrorCode::TooMany);
        assert!(all.make(&"bob".into(), Purpose::Register, now).is_ok());
        assert!(all.make(&ann, Purpose::Register, now + CHALLENGE_FOR).is_ok());
    }

    #[test]
    fn the_site_is_host_and_origin_of_the_page() {
        let of = |url: &str| {
            let (rp_id, origin) = site(url);
            format!("{rp_id} {origin}")
        };
        assert_eq!(of("https://soar.example/app/"), "soar.example https://soar.example");
        assert_eq!(of("https://SOAR.example:443"), "soar.example https://soar.example");
        assert_eq!(of("https://soar.example:8443"), "soar.example https://soar.example:8443");
        assert_eq!(of("http://127.0.0.1:5601"), "localhost http://localhost:5601");
        assert_eq!(of("http://[::1]:5601"), "localhost http://localhost:5601");
        assert_eq!(of("http://localhost"), "localhost http://localhost");
    }
}
