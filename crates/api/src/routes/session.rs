//! Signing in and out with a cookie; who is signed in.
//!
//! Invariants: the cookie's token is stored as SHA-256 only; wrong name and wrong password have one message; too many wrong ones close the name.
//! Source: `docs/reference/ui-api.md` §1.

use crate::auth::{COOKIE, SESSION_FOR, Via, digest, token};
use crate::commit::Put;
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use crate::serve::DEFAULT_SPACE;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use stdx::{Id, Value};
use store::Noun;

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::change(Method::Post, "/internal/security/login", Access::Open, "Signs in", h!(login)),
    Route::change(Method::Post, "/internal/security/logout", Access::Open, "Signs out", h!(logout)),
    Route::read(Method::Get, "/internal/security/me", Access::SignedIn, "Says who is signed in", h!(me_kibana)),
    Route::read(
        Method::Get,
        "/api/watchfire/me",
        Access::SignedIn,
        "Says who is signed in and what the page may draw",
        h!(me),
    ),
    Route::read(
        Method::Get,
        "/api/watchfire/people",
        Access::SignedIn,
        "Lists who work can be assigned to",
        h!(people),
    ),
];

async fn login(mut cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let field =
        |key: &str| body.get(key).or_else(|| body.get("params").and_then(|p| p.get(key))).and_then(Json::as_str);
    let (Some(user), Some(password)) = (field("username"), field("password")) else {
        return Err(ApiError::invalid("[request body]: expected `username` and `password`"));
    };
    let throttle = &cx.state.auth.throttle;
    if let Some(seconds) = throttle.closed_s(user) {
        let error =
            ApiError::new(ErrorCode::TooMany, "Too many wrong passwords. Wait and try again.").retry_after(seconds);
        return Err(error.attributes(json!({"retry_after_s": seconds})));
    }
    let principal = match cx.state.auth.password(&cx.state.records, user, password.to_owned()).await {
        Ok(principal) => principal,
        Err(error) if error.code == ErrorCode::Unauthorized => {
            let left = throttle.wrong(user);
            return Err(
                crate::auth::unauthorized("The name or the password is wrong.").attributes(json!({"tries_left": left}))
            );
        }
        Err(error) => return Err(error),
    };
    throttle.right(user);
    let token = token::<32>();
    let id = digest(&token);
    let record = Value::object([
        ("user", Value::from(principal.user.clone())),
        ("created_at", cx.now.ms().into()),
        ("expires_at", (cx.now + SESSION_FOR).ms().into()),
    ]);
    cx.principal = principal;
    cx.principal.via = Via::Session { id: id.clone().into() };
    cx.put(Put {
        noun: Noun::Session,
        id: Id::from(id),
        expect: Some(0),
        body: Some(record),
        action: "session.create",
    })
    .await?;
    let secure = if cx.header("x-forwarded-proto") == Some("https") { "; Secure" } else { "" };
    let age = SESSION_FOR.0 / 1_000_000;
    Ok(Reply::no_content()
        .header("set-cookie", &format!("{COOKIE}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={age}{secure}")))
}

async fn logout(cx: Ctx) -> Result<Reply> {
    if let Via::Session { id } = &cx.principal.via {
        let id = Id::new(id.clone());
        cx.put(Put { noun: Noun::Session, id, expect: None, body: None, action: "session.delete" }).await?;
    }
    Ok(Reply::no_content().header("set-cookie", &format!("{COOKIE}=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0")))
}

async fn me_kibana(cx: Ctx) -> Result<Reply> {
    let p = &cx.principal;
    Ok(Reply::ok(json!({
        "username": p.user, "roles": p.roles, "full_name": p.full_name, "email": p.email, "enabled": true, "metadata": {},
        "profile_uid": p.uid, "authentication_type": if matches!(p.via, Via::ApiKey { .. }) { "api_key" } else { "realm" },
        "authentication_realm": {"name": "native1", "type": "native"}, "lookup_realm": {"name": "native1", "type": "native"},
    })))
}

async fn me(cx: Ctx) -> Result<Reply> {
    let p = &cx.principal;
    let model = cx
        .state
        .records
        .list(Noun::Connector, &cx.space)?
        .iter()
        .any(|c| c.body.get("connector_type_id").and_then(Value::as_str) == Some(".gen-ai"));
    Ok(Reply::ok(json!({
        "user": {"uid": p.uid, "username": p.user, "full_name": p.full_name},
        "roles": p.roles,
        "privileges": p.privileges(),
        "space": {"id": DEFAULT_SPACE, "name": "Default"},
        "organisation": Json::Null,
        "version": env!("CARGO_PKG_VERSION"),
        "demo": cx.state.config.demo,
        "features": {"undo": true, "undo_effects": true, "alert_history": true, "rule_check": true, "setup": true, "search": true, "model": model, "versions": true,
                     "dry_run": true, "step_test": true, "rerun": true, "input_forms": true, "conditions": true, "passkeys": true},
    })))
}

async fn people(cx: Ctx) -> Result<Reply> {
    let people: Vec<_> = super::user::all(&cx)?.iter().filter(|a| a.enabled).map(person).collect();
    Ok(Reply::ok(json!({"people": people})))
}

fn person(account: &crate::auth::principal::Account) -> Json {
    json!({"uid": triage::actor::profile_uid(&account.user), "username": account.user, "full_name": account.full_name})
}
