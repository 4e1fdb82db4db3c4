//! Configuration of cases: one document per owner and space.
//!
//! Invariants: a new configuration replaces the owner's old one; a change needs the current version.
//! Not here: what custom fields demand of a case (`triage::case`).
//! Source: `reference/kibana-apis.md` §2.14.

use crate::commit::Put;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::ids;
use crate::records::Record;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use stdx::Value;
use store::Noun;
use triage::rows::config_id;

/// Custom fields, templates and observable types of one configuration.
pub const LIST_MAX: usize = 10;

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(
        Method::Get,
        "/api/cases/configure",
        Access::Needs("cases:read"),
        "Lists the configurations of cases",
        h!(list),
    ),
    Route::change(
        Method::Post,
        "/api/cases/configure",
        Access::Needs("cases:write"),
        "Creates the configuration of an owner",
        h!(create),
    ),
    Route::change(
        Method::Patch,
        "/api/cases/configure/{id}",
        Access::Needs("cases:write"),
        "Changes a configuration",
        h!(patch),
    ),
];

fn all(cx: &Ctx) -> Result<Vec<Record>> {
    let all = cx.state.records.list(Noun::Setting, &cx.space)?;
    Ok(all.into_iter().filter(|r| r.id.starts_with("cases-configure-")).collect())
}

fn wire(record: &Record) -> Json {
    let mut wire = Json::from(&record.body);
    if let Some(o) = wire.as_object_mut() {
        o.insert("version".into(), json!(triage::version_text(record.version)));
    }
    wire
}

async fn list(cx: Ctx) -> Result<Reply> {
    let owners = cx.query.comma_list("owner");
    let owner = |r: &Record| r.body.get("owner").and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = all(&cx)?;
    Ok(Reply::ok(all.iter().filter(|r| owners.is_empty() || owners.contains(&owner(r))).map(wire).collect()))
}

/// Copies the members that a client may set, checked.
fn set(into: &mut stdx::Object, body: &Json) -> Result<()> {
    if let Some(kind) = body.get("closure_type") {
        let known = matches!(kind.as_str(), Some("close-by-user" | "close-by-pushing"));
        if !known {
            return Err(ApiError::invalid(format!("Invalid value {kind} supplied to \"closure_type\"")));
        }
        into.insert("closure_type", Value::from(kind.clone()));
    }
    for key in ["customFields", "templates", "observableTypes"] {
        let Some(items) = body.get(key) else { continue };
        let n =
            items.as_array().ok_or_else(|| ApiError::invalid(format!("Invalid value supplied to \"{key}\"")))?.len();
        if n > LIST_MAX {
            return Err(ApiError::invalid(format!(
                "The length of the field {key} is too long. Array must be of length <= {LIST_MAX}."
            )));
        }
        into.insert(key, Value::from(items.clone()));
    }
    for field in body.get("customFields").and_then(Json::as_array).into_iter().flatten() {
        let key = field.get("key").and_then(Json::as_str).unwrap_or_default();
        let plain = !key.is_empty()
            && key.len() <= 36
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
        if !plain {
            return Err(ApiError::invalid("Key must be lower case, a-z, 0-9, '_', and '-' are allowed"));
        }
    }
    if let Some(connector) = body.get("connector") {
        into.insert("connector", Value::from(connector.clone()));
    }
    Ok(())
}

fn user(cx: &Ctx) -> Value {
    triage::actor::user_object(&cx.actor())
}

async fn create(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    for key in ["connector", "closure_type", "owner"] {
        if body.get(key).is_none() {
            return Err(ApiError::invalid(format!("Invalid value \"undefined\" supplied to \"{key}\"")));
        }
    }
    let owner = body.get("owner").and_then(Json::as_str).unwrap_or_default();
    if owner.is_empty() || owner.len() > 64 {
        return Err(ApiError::invalid("Invalid value supplied to \"owner\""));
    }
    let mut record = Value::object([
        ("id", Value::from(ids::uuid())),
        ("owner", owner.into()),
        ("customFields", Value::array([])),
        ("templates", Value::array([])),
        ("observableTypes", Value::array([])),
        ("mappings", Value::array([])),
        ("error", Value::Null),
        ("created_at", cx.now.iso().into()),
        ("created_by", user(&cx)),
        ("updated_at", Value::Null),
        ("updated_by", Value::Null),
    ]);
    if let Some(fields) = record.object_mut() {
        set(fields, &body)?;
    }
    let id = config_id(owner);
    cx.put(Put { noun: Noun::Setting, id: id.clone(), expect: None, body: Some(record), action: "cases.configure" })
        .await?;
    let stored = cx.state.records.find(Noun::Setting, &cx.space, &id)?;
    stored.map(|r| Reply::ok(wire(&r))).ok_or_else(|| ApiError::internal("the configuration is gone"))
}

async fn patch(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let id = cx.param("id");
    let old = all(&cx)?.into_iter().find(|r| r.body.get("id").and_then(Value::as_str) == Some(id));
    let old = old.ok_or_else(|| ApiError::not_found(format!("Saved object [cases-configure/{id}] not found")))?;
    let stale =
        || ApiError::conflict("This configuration has been updated. Please refresh before saving additional updates.");
    if body.get("version").and_then(Json::as_str) != Some(&triage::version_text(old.version)) {
        return Err(stale());
    }
    let mut record = old.body.clone();
    if let Some(fields) = record.object_mut() {
        set(fields, &body)?;
        fields.insert("updated_at", cx.now.iso());
        fields.insert("updated_by", user(&cx));
    }
    cx.put(Put {
        noun: Noun::Setting,
        id: old.id.clone(),
        expect: Some(old.version),
        body: Some(record),
        action: "cases.configure",
    })
    .await?;
    let stored = cx.state.records.find(Noun::Setting, &cx.space, &old.id)?;
    stored.map(|r| Reply::ok(wire(&r))).ok_or_else(|| ApiError::internal("the configuration is gone"))
}
