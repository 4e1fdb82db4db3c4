//! API keys: create, list, invalidate; who am I; what may I.
//!
//! Invariants: the secret is shown once, at creation, and stored as SHA-256; a key is worth its owner at most.
//! Source: `reference/elasticsearch-apis.md` §7.

use crate::auth::{EVERYWHERE, Via, digest, token};
use crate::commit::Put;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::ids;
use crate::records::Record;
use crate::table::{Access, Method, Route, h};
use axum::http::StatusCode;
use base64::Engine as _;
use serde_json::{Value as Json, json};
use stdx::{Time, Value};
use store::Noun;

/// Longest name of a key.
pub const NAME_CHARS_MAX: usize = 256;
/// Most keys of one owner.
pub const KEYS_MAX: usize = 1_000;

const READ: Access = Access::SignedIn;

/// Rows of the Kibana port.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/internal/security/api_key", READ, "Lists API keys", h!(list)),
    Route::change(Method::Post, "/internal/security/api_key", READ, "Creates an API key", h!(create)),
    Route::change(Method::Delete, "/internal/security/api_key", READ, "Invalidates API keys", h!(invalidate)),
];

/// Rows of the Elasticsearch port.
pub const ELASTICSEARCH: &[Route] = &[
    Route::change(Method::Post, "/_security/api_key", READ, "Creates an API key", h!(create)).elasticsearch(),
    Route::change(Method::Put, "/_security/api_key", READ, "Creates an API key", h!(create)).elasticsearch(),
    Route::read(Method::Get, "/_security/api_key", READ, "Lists API keys", h!(list)).elasticsearch(),
    Route::change(Method::Delete, "/_security/api_key", READ, "Invalidates API keys", h!(invalidate)).elasticsearch(),
    Route::read(Method::Get, "/_security/_authenticate", READ, "Says who asks", h!(authenticate)).elasticsearch(),
    Route::read(Method::Get, "/_security/user/_privileges", READ, "Says what the caller may", h!(privileges))
        .elasticsearch(),
    Route::read(Method::Get, "/_security/user/_has_privileges", READ, "Checks privileges", h!(has_privileges))
        .elasticsearch(),
    Route::read(Method::Post, "/_security/user/_has_privileges", READ, "Checks privileges", h!(has_privileges))
        .elasticsearch(),
];

async fn create(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let name = body.get("name").and_then(Json::as_str).unwrap_or_default();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::invalid(format!(
            "api key name must not be null or empty and at most {NAME_CHARS_MAX} characters long"
        ))
        .kind("action_request_validation_exception"));
    }
    if matches!(cx.principal.via, Via::ApiKey { .. })
        && body.get("role_descriptors").is_none_or(|d| d.as_object().is_none_or(serde_json::Map::is_empty))
    {
        return Err(ApiError::invalid(
            "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
        ));
    }
    if keys(&cx)?.iter().filter(|k| owner(k) == &*cx.principal.user).count() >= KEYS_MAX {
        return Err(ApiError::invalid(format!(
            "user [{}] has {KEYS_MAX} API keys already; invalidate some first",
            cx.principal.user
        )));
    }
    let expiration = match body.get("expiration") {
        None | Some(Json::Null) => None,
        Some(text) => Some(expires(&cx, text)?),
    };
    let (id, secret) = (ids::document(), token::<16>());
    let record = Value::object([
        ("name", Value::from(name)),
        ("owner", cx.principal.user.clone().into()),
        ("hash", digest(&secret).into()),
        ("creation", cx.now.ms().into()),
        ("expiration", expiration.map(Time::ms).into()),
        ("invalidated", false.into()),
        ("metadata", Value::from(body.get("metadata").cloned().unwrap_or_else(|| json!({})))),
        ("role_descriptors", Value::from(body.get("role_descriptors").cloned().unwrap_or_else(|| json!({})))),
    ]);
    cx.put(Put { noun: Noun::ApiKey, id: id.clone(), expect: Some(0), body: Some(record), action: "api_key.create" })
        .await?;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    let mut answer = json!({"id": id, "name": name, "api_key": secret, "encoded": encoded});
    if let (Some(t), Some(o)) = (expiration, answer.as_object_mut()) {
        o.insert("expiration".into(), json!(t.ms()));
    }
    Ok(Reply::ok(answer))
}

fn expires(cx: &Ctx, text: &Json) -> Result<Time> {
    let wrong =
        || ApiError::invalid(format!("failed to parse setting [expiration] with value [{text}] as a time value"));
    let text = text.as_str().ok_or_else(wrong)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let n: i64 = text[..digits].parse().map_err(|_| wrong())?;
    let seconds = match &text[digits..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let ms = n.checked_mul(seconds).and_then(|s| s.checked_mul(1_000)).ok_or_else(wrong)?;
    Ok(Time::from_ms(cx.now.ms().saturating_add(ms)))
}

fn keys(cx: &Ctx) -> Result<Vec<Record>> {
    cx.state.records.list(Noun::ApiKey, EVERYWHERE)
}

fn owner(key: &Record) -> &str {
    key.body.get("owner").and_then(Value::as_str).unwrap_or_default()
}

fn text<'a>(key: &'a Record, field: &str) -> &'a str {
    key.body.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn invalidated(key: &Record) -> bool {
    key.body.get("invalidated").and_then(Value::as_bool).unwrap_or(false)
}

/// Keys that the caller may see.
fn visible(cx: &Ctx) -> Result<Vec<Record>> {
    let all = cx.principal.may("users:write");
    Ok(keys(cx)?.into_iter().filter(|k| all || owner(k) == &*cx.principal.user).collect())
}

fn wire(key: &Record) -> Json {
    let member = |field: &str| key.body.get(field).map_or(Json::Null, Json::from);
    let mut wire = json!({
        "id": key.id, "name": member("name"), "type": "rest", "creation": member("creation"), "invalidated": invalidated(key),
        "username": owner(key), "realm": "native1", "realm_type": "native", "metadata": member("metadata"),
        "role_descriptors": member("role_descriptors"), "limited_by": [],
    });
    if let (Some(o), false) = (wire.as_object_mut(), member("expiration").is_null()) {
        o.insert("expiration".into(), member("expiration"));
    }
    wire
}

async fn list(cx: Ctx) -> Result<Reply> {
    let mut keys = visible(&cx)?;
    let active = cx.query.flag("active_only")? == Some(true);
    let own = cx.query.flag("owner")? == Some(true);
    keys.retain(|k| {
        let expired = k.body.get("expiration").and_then(Value::as_i64).is_some_and(|t| t <= cx.now.ms());
        cx.query.get("id").is_none_or(|id| *k.id == *id)
            && cx.query.get("name").is_none_or(|n| {
                n == text(k, "name") || n.strip_suffix('*').is_some_and(|p| text(k, "name").starts_with(p))
            })
            && cx.query.get("username").is_none_or(|u| u == owner(k))
            && (!own || owner(k) == &*cx.principal.user)
            && (!active || !(invalidated(k) || expired))
    });
    if keys.is_empty() && cx.query.get("id").is_some() {
        return Err(ApiError::not_found("api key not found"));
    }
    Ok(Reply::ok(json!({"api_keys": keys.iter().map(wire).collect::<Vec<_>>()})))
}

async fn invalidate(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let field = |key: &str| body.get(key).and_then(Json::as_str);
    let ids: Option<Vec<&str>> =
        body.get("ids").and_then(Json::as_array).map(|a| a.iter().filter_map(Json::as_str).collect());
    let ids = ids.or_else(|| field("id").map(|id| vec![id]));
    let own = body.get("owner").and_then(Json::as_bool).unwrap_or(false);
    if ids.is_none() && field("name").is_none() && field("username").is_none() && !own {
        return Err(ApiError::invalid("one of [ids, name, username, owner] must be specified"));
    }
    let (mut done, mut before, mut puts) = (Vec::new(), Vec::new(), Vec::new());
    for key in visible(&cx)? {
        let named = ids.as_ref().is_none_or(|ids| ids.contains(&key.id.as_str()))
            && field("name").is_none_or(|n| n == text(&key, "name"))
            && field("username").is_none_or(|u| u == owner(&key))
            && (!own || owner(&key) == &*cx.principal.user);
        if !named {
            continue;
        }
        if invalidated(&key) {
            before.push(key.id.clone());
            continue;
        }
        let mut record = key.body.clone();
        if let Some(fields) = record.object_mut() {
            fields.insert("invalidated", true);
            fields.insert("invalidation", cx.now.ms());
        }
        done.push(key.id.clone());
        puts.push(Put {
            noun: Noun::ApiKey,
            id: key.id,
            expect: None,
            body: Some(record),
            action: "api_key.invalidate",
        });
    }
    let unknown = ids.is_some_and(|ids| ids.iter().any(|id| !done.iter().chain(&before).any(|k| k.as_str() == *id)));
    if !puts.is_empty() {
        for result in cx.commit(Vec::new(), puts).await?.records {
            result?;
        }
    }
    let status = if unknown && done.is_empty() && before.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(Reply::ok(json!({"invalidated_api_keys": done, "previously_invalidated_api_keys": before, "error_count": 0}))
        .status(status))
}

async fn authenticate(cx: Ctx) -> Result<Reply> {
    let (realm, kind, by) = match &cx.principal.via {
        Via::ApiKey { .. } => ("_es_api_key", "_es_api_key", "api_key"),
        _ => ("native1", "native", "realm"),
    };
    let realm = json!({"name": realm, "type": kind});
    let mut answer = json!({
        "username": cx.principal.user, "roles": cx.principal.roles, "full_name": cx.principal.full_name, "email": cx.principal.email,
        "metadata": {}, "enabled": true, "authentication_realm": realm, "lookup_realm": realm, "authentication_type": by,
    });
    if let (Via::ApiKey { id, name }, Some(o)) = (&cx.principal.via, answer.as_object_mut()) {
        o.insert("api_key".into(), json!({"id": id, "name": name}));
    }
    Ok(Reply::ok(answer))
}

fn index_privilege(cx: &Ctx, word: &str) -> bool {
    let (read, write) = (cx.principal.may("events:read"), cx.principal.may("events:write"));
    match word {
        "read" | "view_index_metadata" | "monitor" => read,
        "write" | "create" | "create_doc" | "index" | "create_index" | "auto_configure" => write,
        _ => cx.principal.may("*"),
    }
}

fn cluster_privilege(cx: &Ctx, word: &str) -> bool {
    match word {
        "monitor" | "manage_own_api_key" => true,
        "manage_security" | "manage_api_key" => cx.principal.may("users:write"),
        "read_ilm" | "manage_ilm" | "manage_index_templates" | "manage_ingest_pipelines" => {
            cx.principal.may("events:write")
        }
        _ => cx.principal.may("*"),
    }
}

async fn privileges(cx: Ctx) -> Result<Reply> {
    let words = ["all", "read", "write", "create_doc", "auto_configure", "view_index_metadata"];
    let held: Vec<_> = words.into_iter().filter(|w| index_privilege(&cx, w)).collect();
    let cluster: Vec<_> = ["all", "monitor", "manage_security", "manage_own_api_key"]
        .into_iter()
        .filter(|w| cluster_privilege(&cx, w))
        .collect();
    let indices = json!([{"names": ["*"], "privileges": held, "allow_restricted_indices": cx.principal.may("*")}]);
    Ok(Reply::ok(json!({"cluster": cluster, "global": [], "indices": indices, "applications": [], "run_as": []})))
}

async fn has_privileges(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let strings = |v: Option<&Json>| -> Vec<String> {
        match v {
            Some(Json::Array(a)) => a.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            Some(Json::String(s)) => vec![s.clone()],
            _ => Vec::new(),
        }
    };
    let mut all = true;
    let mut note = |held: bool| {
        all &= held;
        Json::Bool(held)
    };
    let cluster: serde_json::Map<_, _> = strings(body.get("cluster"))
        .into_iter()
        .map(|w| {
            let held = note(cluster_privilege(&cx, &w));
            (w, held)
        })
        .collect();
    let mut index = serde_json::Map::new();
    for item in body.get("index").and_then(Json::as_array).into_iter().flatten() {
        for name in strings(item.get("names")) {
            let held = strings(item.get("privileges"))
                .into_iter()
                .map(|w| {
                    let held = note(index_privilege(&cx, &w));
                    (w, held)
                })
                .collect();
            index.insert(name, Json::Object(held));
        }
    }
    let mut application = serde_json::Map::new();
    for item in body.get("application").and_then(Json::as_array).into_iter().flatten() {
        let name = item.get("application").and_then(Json::as_str).unwrap_or_default();
        let resources: serde_json::Map<_, _> = strings(item.get("resources"))
            .into_iter()
            .map(|r| {
                let held = strings(item.get("privileges"))
                    .into_iter()
                    .map(|w| {
                        let held = note(cx.principal.may(&w));
                        (w, held)
                    })
                    .collect();
                (r, Json::Object(held))
            })
            .collect();
        application.insert(name.to_owned(), Json::Object(resources));
    }
    Ok(Reply::ok(json!({
        "username": cx.principal.user, "has_all_requested": all, "cluster": cluster, "index": index, "application": application,
    })))
}
