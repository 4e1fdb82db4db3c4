//! Who asks: Basic, `ApiKey`, Bearer and the session cookie become a principal with privileges.
//!
//! Invariants: a password is hashed with argon2 and verified off the async threads, at most two at a time; a verified one is remembered for
//! `VERIFIED_FOR`; keys and session tokens are stored as SHA-256 only; any change of users, keys or sessions empties what is remembered.
//! Not here: which route needs what (`table`), the routes of users, keys and sessions (`routes`).
//! Source: `design.md` (*Authentication*), `reference/kibana-apis.md` §1.4.

pub mod principal;
pub mod seed;
pub mod throttle;

pub use principal::{Principal, Via};
pub use seed::seed;

use crate::error::{ApiError, ErrorCode, Result};
use crate::records::Records;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use principal::Account;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stdx::{Time, Value};
use store::Noun;
use throttle::Throttle;
use tokio::sync::Semaphore;

/// How long a verified credential is believed without looking again.
pub const VERIFIED_FOR: Duration = Duration::from_secs(60);
/// How long a wrong password is refused without computing its hash again.
pub const WRONG_FOR: Duration = Duration::from_secs(10);
/// Credentials remembered at most; beyond it the memory is emptied.
const VERIFIED_MAX: usize = 4_096;
/// Password hashes computed at once: each takes 19 MiB and tens of milliseconds of one core.
const HASHES_AT_ONCE: usize = 2;
/// Password hashes that may wait for their turn; more are refused with 429.
const HASHES_WAITING_MAX: usize = 64;
/// Shortest password that a user may be given.
pub const PASSWORD_CHARS_MIN: usize = 6;
/// Longest password.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Name of the session cookie.
pub const COOKIE: &str = "sid";
/// How long a session of the web page lasts.
pub const SESSION_FOR: stdx::Duration = stdx::Duration::from_secs(24 * 3600);
/// Space of documents that belong to no space.
pub const EVERYWHERE: &str = "*";

type Fingerprint = [u8; 32];

/// Verifies credentials.
pub struct Auth {
    verified: Mutex<HashMap<Fingerprint, (Instant, Principal)>>,
    wrong: Mutex<HashMap<Fingerprint, (Instant, String)>>,
    hashing: Semaphore,
    waiting: Semaphore,
    /// Counts wrong passwords of the sign-in route.
    pub throttle: Throttle,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            verified: Mutex::default(),
            wrong: Mutex::default(),
            hashing: Semaphore::new(HASHES_AT_ONCE),
            waiting: Semaphore::new(HASHES_WAITING_MAX),
            throttle: Throttle::default(),
        }
    }
}

/// Credentials as they were sent.
enum Sent<'a> {
    Basic(String, String),
    Key { id: String, secret: String },
    Session(&'a str),
}

impl Auth {
    /// The principal of a request, or `None` when it carries no credentials.
    ///
    /// - errors: 401 when it carries wrong ones.
    pub async fn principal(&self, headers: &HeaderMap, records: &Records, now: Time) -> Result<Option<Principal>> {
        let raw = match headers.get(header::AUTHORIZATION) {
            Some(value) => value.as_bytes(),
            None => match cookie(headers) {
                Some(token) => token.as_bytes(),
                None => return Ok(None),
            },
        };
        let fingerprint: Fingerprint = Sha256::digest(raw).into();
        if let Some(principal) = self.remembered(&fingerprint, now) {
            return Ok(Some(principal));
        }
        let principal = match parse(headers)? {
            Sent::Basic(user, password) => {
                self.not_again(&fingerprint)?;
                let found = self.password(records, &user, password).await;
                found.inspect_err(|e| self.remember_wrong(fingerprint, e))?
            }
            Sent::Key { id, secret } => key(records, &id, &secret, now)?,
            Sent::Session(token) => session(records, token, now)?,
        };
        let mut verified = self.verified();
        if verified.len() >= VERIFIED_MAX {
            verified.clear();
        }
        verified.insert(fingerprint, (Instant::now(), principal.clone()));
        Ok(Some(principal))
    }

    /// A client that keeps sending the same wrong password must not keep a core busy.
    fn not_again(&self, fingerprint: &Fingerprint) -> Result<()> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match wrong.get(fingerprint) {
            Some((at, message)) if at.elapsed() < WRONG_FOR => Err(unauthorized(message.clone())),
            _ => Ok(()),
        }
    }

    fn remember_wrong(&self, fingerprint: Fingerprint, error: &ApiError) {
        if error.code != ErrorCode::Unauthorized {
            return;
        }
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= VERIFIED_MAX {
            wrong.clear();
        }
        wrong.insert(fingerprint, (Instant::now(), error.message.clone()));
    }

    /// Verifies a name and a password; one message for both kinds of mistake.
    pub async fn password(&self, records: &Records, user: &str, password: String) -> Result<Principal> {
        let account = records.get(Noun::User, EVERYWHERE, user)?.and_then(|body| Account::read(user, &body));
        let hash = account.as_ref().map_or_else(|| DECOY.to_owned(), |a| a.password_hash.clone());
        let right = self.hashing(move || verify(&hash, &password)).await?;
        match account {
            Some(account) if right && account.enabled => Ok(account.principal(Via::Basic)),
            _ => Err(unauthorized(format!("unable to authenticate user [{user}]"))),
        }
    }

    /// Hashes a new password.
    ///
    /// - errors: 400 when it is too short or too long.
    pub async fn hash(&self, password: String) -> Result<String> {
        if password.chars().count() < PASSWORD_CHARS_MIN {
            return Err(ApiError::invalid(format!(
                "passwords must be at least [{PASSWORD_CHARS_MIN}] characters long"
            )));
        }
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(ApiError::invalid(format!("passwords must be at most [{PASSWORD_BYTES_MAX}] bytes long")));
        }
        self.hashing(move || hash_password(&password)).await?.map_err(ApiError::internal)
    }

    /// Forgets what was verified; called after every change of users, keys and sessions.
    pub fn forget(&self) {
        self.verified().clear();
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || ApiError::new(ErrorCode::TooMany, "too many sign-ins at once, try again").retry_after(1);
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let _turn = self.hashing.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }

    fn remembered(&self, fingerprint: &Fingerprint, now: Time) -> Option<Principal> {
        let mut verified = self.verified();
        let (at, principal) = verified.get(fingerprint)?;
        if at.elapsed() < VERIFIED_FOR && principal.expires_at.is_none_or(|t| t > now) {
            return Some(principal.clone());
        }
        verified.remove(fingerprint);
        None
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, HashMap<Fingerprint, (Instant, Principal)>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash nobody's password has, so that an unknown name takes as long as a wrong password.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Zm9yYmlkZGVuZm9yYmlkZGVuZm9yYmlkZGVuZm9yYmk";

fn verify(hash: &str, password: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
}

pub(crate) fn hash_password(password: &str) -> std::result::Result<String, String> {
    let salt: [u8; 16] = random();
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(|e| e.to_string())?;
    Ok(hash.to_string())
}

/// Random bytes of the operating system.
///
/// Panics when the operating system has none: nothing can be kept secret then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new random token as URL-safe text.
pub fn token<const N: usize>() -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<N>())
}

/// What is stored of a token.
pub fn digest(token: &str) -> String {
    stdx::id::sha256_hex(token.as_bytes())
}

pub(crate) fn unauthorized(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, message)
}

/// The session token of the cookie header.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = all.flat_map(|v| v.split(';')).filter_map(|p| p.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value)
}

fn parse(headers: &HeaderMap) -> Result<Sent<'_>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return cookie(headers).map(Sent::Session).ok_or_else(|| unauthorized("missing authentication credentials"));
    };
    let text = value.to_str().map_err(|_| unauthorized("the Authorization header is not text"))?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let malformed = || unauthorized(format!("the Authorization header is not a valid `{scheme}` credential"));
    let pair = || {
        let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).map_err(|_| malformed())?;
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        let (left, right) = text.split_once(':').ok_or_else(malformed)?;
        Ok((left.to_owned(), right.to_owned()))
    };
    if scheme.eq_ignore_ascii_case("basic") {
        pair().map(|(user, password)| Sent::Basic(user, password))
    } else if scheme.eq_ignore_ascii_case("apikey") || scheme.eq_ignore_ascii_case("bearer") {
        pair().map(|(id, secret)| Sent::Key { id, secret })
    } else {
        Err(unauthorized(format!("authentication scheme `{scheme}` is not supported")))
    }
}

fn key(records: &Records, id: &str, secret: &str, now: Time) -> Result<Principal> {
    let wrong = || unauthorized("unable to authenticate with the provided API key");
    let body = records.get(Noun::ApiKey, EVERYWHERE, id)?.ok_or_else(wrong)?;
    let stored = body.get("hash").and_then(Value::as_str).unwrap_or_default();
    if !same(stored.as_bytes(), digest(secret).as_bytes())
        || body.get("invalidated").and_then(Value::as_bool) == Some(true)
    {
        return Err(wrong());
    }
    let expires_at = body.get("expiration").and_then(Value::as_i64).map(Time::from_ms);
    if expires_at.is_some_and(|t| t <= now) {
        return Err(unauthorized("api key is expired"));
    }
    let owner = body.get("owner").and_then(Value::as_str).unwrap_or_default();
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut principal = records.account(owner)?.principal(Via::ApiKey { id: id.into(), name: name.into() });
    principal.expires_at = expires_at;
    principal.limit(body.get("role_descriptors"));
    Ok(principal)
}

fn session(records: &Records, token: &str, now: Time) -> Result<Principal> {
    let ended = || unauthorized("the session has ended, sign in again");
    let id = digest(token);
    let body = records.get(Noun::Session, EVERYWHERE, &id)?.ok_or_else(ended)?;
    let expires_at = body.get("expires_at").and_then(Value::as_i64).map(Time::from_ms);
    if expires_at.is_none_or(|t| t <= now) {
        return Err(ended());
    }
    let user = body.get("user").and_then(Value::as_str).unwrap_or_default();
    let mut principal = records.account(user)?.principal(Via::Session { id: Arc::from(id) });
    principal.expires_at = expires_at;
    Ok(principal)
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |acc, (x, y)| acc | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_is_a_hash_that_is_really_computed() {
        assert!(PasswordHash::new(DECOY).is_ok());
        assert!(!verify(DECOY, "changeme"));
    }

    #[test]
    fn a_hash_verifies_its_own_password_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(verify(&hash, "correct horse"));
        assert!(!verify(&hash, "correct hors"));
        assert!(!hash.contains("correct"));
    }

    #[test]
    fn credentials_are_read_in_every_spelling() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; sid=tok".parse().unwrap());
        assert!(matches!(parse(&headers), Ok(Sent::Session("tok"))));
        headers.insert(header::AUTHORIZATION, "basic ZWxhc3RpYzpwOnc=".parse().unwrap());
        assert!(matches!(parse(&headers), Ok(Sent::Basic(u, p)) if u == "elastic" && p == "p:w"));
        headers.insert(header::AUTHORIZATION, "ApiKey aWQ6a2V5".parse().unwrap());
        assert!(matches!(parse(&headers), Ok(Sent::Key { id, secret }) if id == "id" && secret == "key"));
        headers.insert(header::AUTHORIZATION, "Digest x".parse().unwrap());
        assert!(parse(&headers).is_err());
    }
}
