//! Profiles of people, for assigning and mentioning.
//!
//! Invariants: only enabled users; a uid follows from the user's name.
//! Source: `reference/kibana-apis.md` §6.3, `reference/elasticsearch-apis.md` §7.

use crate::auth::principal::Account;
use crate::error::Result;
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};

/// Profiles of one answer.
pub const SIZE_MAX: usize = 100;

/// Rows of the Kibana port.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/internal/detection_engine/users/_find", Access::SignedIn, "Finds people", h!(find)),
    Route::read(
        Method::Post,
        "/internal/cases/_suggest_user_profiles",
        Access::SignedIn,
        "Suggests people for a case",
        h!(suggest),
    ),
    Route::read(
        Method::Post,
        "/internal/security/user_profile/_suggest",
        Access::SignedIn,
        "Suggests people",
        h!(suggest),
    ),
    Route::read(
        Method::Post,
        "/internal/security/user_profile/_bulk_get",
        Access::SignedIn,
        "Gets people by uid",
        h!(bulk_get),
    ),
];

/// Rows of the Elasticsearch port.
pub const ELASTICSEARCH: &[Route] = &[
    Route::read(Method::Post, "/_security/profile/_suggest", Access::SignedIn, "Suggests people", h!(es_suggest))
        .elasticsearch(),
    Route::read(Method::Get, "/_security/profile/_suggest", Access::SignedIn, "Suggests people", h!(es_suggest))
        .elasticsearch(),
];

fn wire(account: &Account) -> Json {
    json!({
        "uid": triage::actor::profile_uid(&account.user), "enabled": account.enabled, "labels": {}, "data": {},
        "user": {
            "username": account.user, "full_name": account.full_name, "email": account.email, "roles": account.roles, "realm_name": "native1",
        },
    })
}

fn matching(cx: &Ctx, text: &str, size: usize) -> Result<Vec<Json>> {
    let text = text.to_lowercase();
    let named = |a: &Account| {
        let words = [Some(&a.user), a.full_name.as_ref(), a.email.as_ref()];
        words.into_iter().flatten().any(|w| {
            let w = w.to_lowercase();
            w.starts_with(&text) || w.split_whitespace().any(|part| part.starts_with(&text))
        })
    };
    let all = super::user::all(cx)?;
    Ok(all.iter().filter(|a| a.enabled && (text.is_empty() || named(a))).take(size).map(wire).collect())
}

fn asked(body: &Json) -> (&str, usize) {
    let size = body.get("size").and_then(Json::as_u64).map_or(10, |n| usize::try_from(n).unwrap_or(SIZE_MAX));
    (body.get("name").and_then(Json::as_str).unwrap_or_default(), size.min(SIZE_MAX))
}

async fn find(cx: Ctx) -> Result<Reply> {
    let found = matching(&cx, cx.query.get("searchTerm").unwrap_or_default(), SIZE_MAX)?;
    Ok(Reply::ok(Json::Array(found)))
}

async fn suggest(cx: Ctx) -> Result<Reply> {
    let body = cx.json_or_empty()?;
    let (name, size) = asked(&body);
    Ok(Reply::ok(Json::Array(matching(&cx, name, size)?)))
}

async fn es_suggest(cx: Ctx) -> Result<Reply> {
    let body = cx.json_or_empty()?;
    let (name, size) = asked(&body);
    let found = matching(&cx, name, size)?;
    Ok(Reply::ok(json!({"took": 1, "total": {"value": found.len(), "relation": "eq"}, "profiles": found})))
}

async fn bulk_get(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let uids: Vec<&str> = body
        .get("uids")
        .and_then(Json::as_array)
        .map(|a| a.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let all = super::user::all(&cx)?;
    let named = |a: &&Account| uids.iter().any(|u| **u == triage::actor::profile_uid(&a.user));
    Ok(Reply::ok(all.iter().filter(named).map(wire).collect()))
}
