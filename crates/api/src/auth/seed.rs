//! The first user: the superuser `elastic`, made when the store has no user.
//!
//! Invariants: an existing user is never changed; a generated password is told once, to the caller, and stored as a hash only.

use super::{EVERYWHERE, PASSWORD_CHARS_MIN, hash_password, token};
use crate::state::State;
use stdx::{Id, Value};
use store::{Commit, Noun, RecordChange};

/// Name of the first user.
pub const FIRST_USER: &str = "elastic";

/// Why the first user could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The given password is too short.
    #[error("the password of `{FIRST_USER}` must have at least {PASSWORD_CHARS_MIN} characters")]
    Short,
    /// It could not be hashed.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Makes the superuser `elastic` where there is no user yet.
///
/// - `password`: as in `ELASTIC_PASSWORD`; one is generated when there is none.
/// - returns: the generated password, to be shown once.
pub async fn seed(state: &State, password: Option<&str>) -> Result<Option<String>, Error> {
    let store = state.engine.store();
    if !store.read(|r| r.record_list(Noun::User, EVERYWHERE))?.is_empty() {
        return Ok(None);
    }
    let generated = password.is_none();
    let password = password.map_or_else(token::<15>, str::to_owned);
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Error::Short);
    }
    let plain = password.clone();
    let hashed = tokio::task::spawn_blocking(move || hash_password(&plain)).await;
    let hash = hashed.map_err(|e| Error::Hash(e.to_string()))?.map_err(Error::Hash)?;
    let now = crate::clock::now();
    let body = Value::object([
        ("username", Value::from(FIRST_USER)),
        ("roles", Value::array([Value::from("superuser")])),
        ("enabled", true.into()),
        ("password_hash", hash.into()),
        ("created_at", now.iso().into()),
    ]);
    let change = RecordChange {
        noun: Noun::User,
        space: EVERYWHERE.into(),
        id: Id::from(FIRST_USER),
        expect: Some(0),
        body: Some(body),
        by: triage::Actor::system(),
        action: "user.create".into(),
    };
    state.engine.commit(Commit { now, records: vec![change], ..Commit::default() }).await?;
    Ok(generated.then_some(password))
}
