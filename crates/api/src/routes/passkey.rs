//! Passkeys of whoever is signed in: list, add, remove.
//!
//! Invariants: adding one needs the password again, so that a stolen session cannot sign; a key or a run has no passkeys; what was added is
//! in the audit trail with its public key, so that signatures can be verified from the trail alone.
//! Not here: signing an answer (`routes::approval`), what a signature must be (`triage::question::passkey`).
//! Source: `design/engine.md` §8.

use crate::auth::Via;
use crate::commit::Put;
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use crate::passkeys::{KEYS_MAX, Purpose, Stored, of, registered, stored};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Id, Value};
use store::Noun;
use triage::Command;

/// Characters of a passkey's name at most.
pub const NAME_CHARS_MAX: usize = 64;

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/api/watchfire/passkeys", Access::SignedIn, "Lists one's own passkeys", h!(list)),
    Route::read(
        Method::Post,
        "/api/watchfire/passkeys/challenge",
        Access::SignedIn,
        "Begins to add a passkey; needs the password again",
        h!(challenge),
    ),
    Route::change(Method::Post, "/api/watchfire/passkeys", Access::SignedIn, "Adds a passkey", h!(add)),
    Route::change(
        Method::Delete,
        "/api/watchfire/passkeys/{id}",
        Access::SignedIn,
        "Removes one's own passkey",
        h!(remove),
    ),
];

/// A key of another program, or a run, is no person with an authenticator.
fn by_person(cx: &Ctx) -> Result<()> {
    match cx.principal.via {
        Via::Session { .. } | Via::Basic => Ok(()),
        _ => Err(ApiError::new(ErrorCode::Forbidden, "passkeys belong to a person who signed in")),
    }
}

fn wire(key: &Stored) -> Json {
    let member = |name: &str| key.body.get(name).map_or(Json::Null, Json::from);
    json!({"id": key.credential.id, "name": member("name"), "created_at": member("created_at"), "last_used_at": member("last_used_at")})
}

async fn list(cx: Ctx) -> Result<Reply> {
    let keys = of(&cx, &cx.principal.user)?;
    Ok(Reply::ok(json!({"rp_id": cx.state.site().0, "passkeys": keys.iter().map(wire).collect::<Vec<_>>()})))
}

async fn challenge(cx: Ctx) -> Result<Reply> {
    by_person(&cx)?;
    let body = cx.json_or_empty()?;
    let user = &cx.principal.user;
    let password = body.get("password").and_then(Json::as_str).filter(|p| !p.is_empty());
    let password =
        password.ok_or_else(|| ApiError::invalid("[request body.password]: the password is needed again"))?;
    let throttle = &cx.state.auth.throttle;
    if let Some(seconds) = throttle.closed_s(user) {
        return Err(
            ApiError::new(ErrorCode::TooMany, "Too many wrong passwords. Wait and try again.").retry_after(seconds)
        );
    }
    match cx.state.auth.password(&cx.state.records, user, password.to_owned()).await {
        Ok(_) => throttle.right(user),
        // No 401: the session itself is fine.
        Err(error) if error.code == ErrorCode::Unauthorized => {
            throttle.wrong(user);
            return Err(ApiError::new(ErrorCode::Forbidden, "the password is wrong"));
        }
        Err(error) => return Err(error),
    }
    let text = cx.state.challenges.make(user, Purpose::Register, cx.now)?;
    let uid = triage::actor::profile_uid(user);
    Ok(Reply::ok(json!({
        "challenge": text, "rp_id": cx.state.site().0, "rp_name": "Watchfire",
        "user_id": triage::question::passkey::text(uid.as_bytes()),
    })))
}

async fn add(cx: Ctx) -> Result<Reply> {
    by_person(&cx)?;
    let body = cx.json()?;
    let name = body.get("name").and_then(Json::as_str).map(str::trim).unwrap_or_default();
    if !(1..=NAME_CHARS_MAX).contains(&name.chars().count()) {
        return Err(ApiError::invalid(format!("[request body.name]: 1 to {NAME_CHARS_MAX} characters")));
    }
    let user = cx.principal.user.clone();
    if of(&cx, &user)?.len() >= KEYS_MAX {
        return Err(ApiError::invalid(format!("a person has at most {KEYS_MAX} passkeys")));
    }
    let key = registered(&cx, &body)?;
    let algorithm = stdx::json::to_value(&key.algorithm);
    let record = Value::object([
        ("user", Value::from(user.clone())),
        ("name", name.into()),
        ("algorithm", algorithm.clone()),
        ("public_key", key.public_key.clone().into()),
        ("counter", i64::from(key.counter).into()),
        ("created_at", cx.now.iso().into()),
    ]);
    let id = Id::from(&*key.id);
    let details = Value::object([
        ("user", Value::from(user)),
        ("algorithm", algorithm),
        ("public_key", key.public_key.clone().into()),
        ("name", name.into()),
    ]);
    let note = Command::Note { action: "passkey.register".into(), of: ("passkey".into(), id.clone()), details };
    let put = Put { noun: Noun::Passkey, id, expect: Some(0), body: Some(record), action: "passkey.create" };
    cx.commit(vec![note], vec![put]).await?;
    let kept = stored(&cx, &key.id)?.ok_or_else(|| ApiError::internal("the passkey is gone"))?;
    Ok(Reply::ok(wire(&kept)))
}

async fn remove(cx: Ctx) -> Result<Reply> {
    by_person(&cx)?;
    let id = cx.param("id");
    let own = stored(&cx, id)?.filter(|k| k.user == cx.principal.user);
    let key = own.ok_or_else(|| ApiError::not_found(format!("passkey `{id}` not found")))?;
    let id: Arc<str> = key.credential.id;
    cx.put(Put {
        noun: Noun::Passkey,
        id: Id::new(id),
        expect: Some(key.version),
        body: None,
        action: "passkey.delete",
    })
    .await?;
    Ok(Reply::no_content())
}
