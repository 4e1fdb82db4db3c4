//! Connectors: types, list, get, create, change, delete, execute, test.
//!
//! Invariants: secrets are sealed before they reach the store and never leave it through an answer, a log or the audit trail.
//! Not here: what a connector type needs (`connector`), calling the outside (`engine`).
//! Source: `reference/kibana-apis.md` §3, `docs/reference/ui-api.md` §6.

use crate::commit::Put;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::ids;
use crate::records::Record;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use stdx::{Id, Value};
use store::Noun;

/// Longest name.
pub const NAME_CHARS_MAX: usize = 256;
/// Longest secret.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

const READ: Access = Access::Needs("connectors:read");
const WRITE: Access = Access::Needs("connectors:write");
const EXECUTE: Access = Access::Needs("connectors:execute");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/api/actions/connectors", READ, "Lists the connectors", h!(list)),
    Route::read(Method::Get, "/api/actions/connector_types", READ, "Lists the connector types", h!(types)),
    Route::change(Method::Post, "/api/actions/connector", WRITE, "Creates a connector", h!(create)),
    Route::change(Method::Post, "/api/actions/connector/{id}", WRITE, "Creates a connector of a given id", h!(create)),
    Route::read(Method::Get, "/api/actions/connector/{id}", READ, "Gets a connector", h!(get)),
    Route::change(Method::Put, "/api/actions/connector/{id}", WRITE, "Replaces a connector", h!(update)),
    Route::change(Method::Delete, "/api/actions/connector/{id}", WRITE, "Deletes a connector", h!(delete)),
    Route::change(
        Method::Post,
        "/api/actions/connector/{id}/_execute",
        EXECUTE,
        "Runs one operation of a connector",
        h!(execute),
    ),
    Route::change(
        Method::Post,
        "/api/watchfire/connectors/{id}/test",
        EXECUTE,
        "Tests a connector without writing",
        h!(test),
    ),
    Route::read(
        Method::Get,
        "/api/cases/configure/connectors/_find",
        READ,
        "Lists connectors that cases can be pushed to",
        h!(for_cases),
    ),
];

fn stored(cx: &Ctx, id: &str) -> Result<Record> {
    let record = cx.state.records.find(Noun::Connector, &cx.space, id)?;
    record.ok_or_else(|| ApiError::not_found(format!("Saved object [action/{id}] not found")))
}

fn member(record: &Record, key: &str) -> Json {
    record.body.get(key).map_or(Json::Null, Json::from)
}

/// The connector object; never with secrets.
fn wire(record: &Record) -> Json {
    json!({
        "id": record.id, "name": member(record, "name"), "connector_type_id": member(record, "connector_type_id"),
        "config": member(record, "config"), "is_preconfigured": false, "is_deprecated": false,
        "is_missing_secrets": record.body.get("is_missing_secrets").and_then(Value::as_bool).unwrap_or(false),
        "is_system_action": false, "is_connector_type_deprecated": false,
    })
}

async fn list(cx: Ctx) -> Result<Reply> {
    let mut all = cx.state.records.list(Noun::Connector, &cx.space)?;
    all.sort_by_key(|r| r.body.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase());
    let used = crate::extras::connectors_in_use(&cx)?;
    let mut items = Vec::new();
    for record in &all {
        let mut item = wire(record);
        if let Some(o) = item.as_object_mut() {
            let n = used.get(record.id.as_str()).copied().unwrap_or(0);
            o.insert("referenced_by_count".into(), json!(n));
            o.insert("watchfire".into(), crate::extras::connector(&cx, record, n)?);
        }
        items.push(item);
    }
    Ok(Reply::ok(Json::Array(items)))
}

async fn for_cases(cx: Ctx) -> Result<Reply> {
    let all = cx.state.records.list(Noun::Connector, &cx.space)?;
    let cases = [".cases-webhook", ".jira", ".resilient", ".servicenow", ".servicenow-sir", ".swimlane", ".thehive"];
    let fit = all
        .iter()
        .filter(|r| r.body.get("connector_type_id").and_then(Value::as_str).is_some_and(|k| cases.contains(&k)));
    let item = |r: &Record| {
        json!({
            "id": r.id, "name": member(r, "name"), "actionTypeId": member(r, "connector_type_id"), "config": member(r, "config"),
            "isPreconfigured": false, "isDeprecated": false, "isMissingSecrets": false, "isSystemAction": false, "referencedByCount": 0,
        })
    };
    Ok(Reply::ok(fit.map(item).collect()))
}

async fn types(cx: Ctx) -> Result<Reply> {
    let feature = cx.query.get("feature_id");
    let item = |t: &connector::ConnectorType| {
        json!({
            "id": t.id, "name": t.title, "enabled": true, "enabled_in_config": true, "enabled_in_license": true,
            "minimum_license_required": "basic", "supported_feature_ids": t.features, "is_system_action_type": false,
            "source": "stack", "is_deprecated": false, "description": "",
        })
    };
    let registry = cx.state.engine.programs().registry();
    let fits = |t: &&connector::ConnectorType| feature.is_none_or(|f| t.features.iter().any(|x| &**x == f));
    Ok(Reply::ok(registry.types().filter(fits).map(item).collect()))
}

async fn get(cx: Ctx) -> Result<Reply> {
    Ok(Reply::ok(wire(&stored(&cx, cx.param("id"))?)))
}

/// The members of a request that make a connector.
struct Given {
    name: String,
    config: Value,
    secrets: BTreeMap<String, String>,
}

fn given(body: &Json) -> Result<Given> {
    let name = body.get("name").and_then(Json::as_str).map(str::trim).unwrap_or_default();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::invalid(format!("[request body.name]: expected 1 to {NAME_CHARS_MAX} characters")));
    }
    let object = |key: &str| match body.get(key) {
        None | Some(Json::Null) => Ok(serde_json::Map::new()),
        Some(Json::Object(o)) => Ok(o.clone()),
        Some(_) => Err(ApiError::invalid(format!("[request body.{key}]: expected value of type [object]"))),
    };
    let mut secrets = BTreeMap::new();
    for (key, value) in object("secrets")? {
        let text = match value {
            Json::Null => continue,
            Json::String(text) => text,
            _ => {
                return Err(ApiError::invalid(format!(
                    "[request body.secrets.{key}]: expected value of type [string]"
                )));
            }
        };
        if text.len() > SECRET_BYTES_MAX {
            return Err(ApiError::invalid(format!(
                "[request body.secrets.{key}]: at most {SECRET_BYTES_MAX} bytes are allowed"
            )));
        }
        secrets.insert(key, text);
    }
    Ok(Given { name: name.to_owned(), config: Value::from(Json::Object(object("config")?)), secrets })
}

fn refused(error: connector::Error, kind: &str) -> ApiError {
    match error {
        connector::Error::UnknownType(_) => ApiError::invalid(format!("Action type \"{kind}\" is not registered.")),
        connector::Error::Config { path, message } => {
            ApiError::invalid(format!("error validating action type config: [{path}]: {message}"))
        }
        secret => ApiError::invalid(format!("error validating action type secrets: {secret}")),
    }
}

/// The record of a connector: config in clear, secrets sealed for exactly this noun and id.
fn record(cx: &Ctx, id: &Id, kind: &str, given: &Given, old: Option<&Record>) -> Result<Value> {
    let registry = cx.state.engine.programs().registry();
    let secrets = connector::Secrets::new(given.secrets.clone());
    let config = registry.check(kind, &given.config, &secrets).map_err(|e| refused(e, kind))?;
    let sealed = if given.secrets.is_empty() {
        Value::Null
    } else {
        let text = serde_json::to_vec(&given.secrets).map_err(ApiError::internal)?;
        Value::from(cx.state.engine.seal((Noun::Connector.as_str(), id), &text)?)
    };
    let kept = |key: &str, new: Value| old.and_then(|o| o.body.get(key).cloned()).unwrap_or(new);
    Ok(Value::object([
        ("name", Value::from(given.name.as_str())),
        ("connector_type_id", kind.into()),
        ("config", config),
        ("secrets", sealed),
        ("secret_names", Value::array(given.secrets.keys().map(|k| Value::from(k.as_str())))),
        ("created_at", kept("created_at", cx.now.iso().into())),
        ("created_by", kept("created_by", cx.principal.user.clone().into())),
        ("updated_at", cx.now.iso().into()),
        ("updated_by", cx.principal.user.clone().into()),
    ]))
}

async fn create(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let kind = body.get("connector_type_id").and_then(Json::as_str);
    let kind = kind.ok_or_else(|| {
        ApiError::invalid("[request body.connector_type_id]: expected value of type [string] but got [undefined]")
    })?;
    if matches!(kind, ".cases" | ".workflows") {
        return Err(ApiError::invalid(format!("System action creation is forbidden. Action type: {kind}.")));
    }
    let id = match cx.param("id") {
        "" => ids::uuid(),
        id if id.len() <= 36 && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) => {
            Id::from(id)
        }
        id => return Err(ApiError::invalid(format!("[request params.id]: `{id}` is not an id of 1 to 36 characters"))),
    };
    if cx.state.records.find(Noun::Connector, &cx.space, &id)?.is_some() {
        return Err(ApiError::conflict(format!("Saved object [action/{id}] conflict")));
    }
    let record = record(&cx, &id, kind, &given(&body)?, None)?;
    cx.put(Put {
        noun: Noun::Connector,
        id: id.clone(),
        expect: Some(0),
        body: Some(record),
        action: "connector.create",
    })
    .await?;
    Ok(Reply::ok(wire(&stored(&cx, &id)?)))
}

async fn update(cx: Ctx) -> Result<Reply> {
    let old = stored(&cx, cx.param("id"))?;
    let kind = old.body.get("connector_type_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = cx.json()?;
    if body.get("connector_type_id").and_then(Json::as_str).is_some_and(|k| k != kind) {
        return Err(ApiError::invalid("[request body.connector_type_id]: the type of a connector cannot change"));
    }
    let record = record(&cx, &old.id, &kind, &given(&body)?, Some(&old))?;
    cx.put(Put {
        noun: Noun::Connector,
        id: old.id.clone(),
        expect: Some(old.version),
        body: Some(record),
        action: "connector.update",
    })
    .await?;
    Ok(Reply::ok(wire(&stored(&cx, &old.id)?)))
}

async fn delete(cx: Ctx) -> Result<Reply> {
    let old = stored(&cx, cx.param("id"))?;
    cx.put(Put { noun: Noun::Connector, id: old.id, expect: None, body: None, action: "connector.delete" }).await?;
    Ok(Reply::no_content())
}

/// The operation that `params` ask for: `subAction` by its last word, else the only one.
fn operation(kind: &connector::ConnectorType, params: &Json) -> Option<(String, Value)> {
    let inner = |key: &str| Value::from(params.get(key).cloned().unwrap_or_else(|| json!({})));
    if let Some(action) = params.get("subAction").and_then(Json::as_str) {
        let named =
            kind.operations.keys().find(|name| name.rsplit('.').next() == Some(action) || ***name == *action)?;
        return Some((named.to_string(), inner("subActionParams")));
    }
    let mut shown = kind.operations.values().filter(|o| !o.hidden);
    let only = shown.next()?;
    shown.next().is_none().then(|| (only.name.to_string(), Value::from(params.clone())))
}

/// Notes who runs what before anything leaves.
async fn note(cx: &Ctx, record: &Record, action: &'static str, operation: &str) -> Result<()> {
    let details = Value::object([("operation", Value::from(operation))]);
    let of = (Noun::Connector.as_str().into(), record.id.clone());
    cx.command(triage::Command::Note { action: action.into(), of, details }).await.map(drop)
}

async fn execute(cx: Ctx) -> Result<Reply> {
    let id = cx.param("id");
    if id.starts_with("system-connector-") {
        return Err(ApiError::invalid("Execution of system action is not allowed"));
    }
    let stored = stored(&cx, id)?;
    let body = cx.json()?;
    let params = body.get("params").filter(|p| p.is_object());
    let params = params.ok_or_else(|| ApiError::invalid("[request body.params]: expected value of type [object]"))?;
    let kind = stored.body.get("connector_type_id").and_then(Value::as_str).unwrap_or_default();
    let registry = cx.state.engine.programs().registry();
    let failed = |message: &str, service: Option<&str>, retry: bool| {
        let mut answer =
            json!({"connector_id": id, "status": "error", "message": message, "retry": retry, "error_source": "user"});
        if let (Some(service), Some(o)) = (service, answer.as_object_mut()) {
            o.insert("service_message".into(), json!(service));
        }
        Reply::ok(answer)
    };
    let Some((operation, params)) = registry.get(kind).and_then(|kind| operation(kind, params)) else {
        return Ok(failed("error validating action params: no such operation; name it with `subAction`", None, false));
    };
    note(&cx, &stored, "connector.execute", &operation).await?;
    match cx.state.engine.execute(&cx.space, id, &operation, &params).await {
        Ok(data) => Ok(Reply::ok(json!({"connector_id": id, "status": "ok", "data": data}))),
        Err(fault) if fault.message.starts_with("error validating action params") => {
            Ok(failed(&fault.message, None, false))
        }
        Err(fault) => Ok(failed(
            "an error occurred while running the action",
            Some(&fault.message),
            fault.retry != workflow::Retry::Never,
        )),
    }
}

async fn test(cx: Ctx) -> Result<Reply> {
    let stored = stored(&cx, cx.param("id"))?;
    let kind = stored.body.get("connector_type_id").and_then(Value::as_str).unwrap_or_default();
    let probe = cx.state.engine.programs().registry().get(kind).and_then(|k| Some((k.test.clone()?, k.title.clone())));
    let Some(((operation, params), title)) = probe else {
        return Err(ApiError::invalid(format!("connectors of type `{kind}` cannot be tested")));
    };
    note(&cx, &stored, "connector.test", &operation).await?;
    let began = std::time::Instant::now();
    let outcome = cx.state.engine.execute(&cx.space, &stored.id, &operation, &params).await;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (ok, detail, advice) = match outcome {
        Ok(_) => (true, format!("{title} answered"), None),
        Err(fault) => (false, fault.message.to_string(), Some(advice(&fault))),
    };
    Ok(Reply::ok(
        json!({"ok": ok, "checks": [{"name": operation, "ok": ok, "detail": detail, "ms": ms}], "advice": advice}),
    ))
}

fn advice(fault: &workflow::Fault) -> &'static str {
    let text = fault.message.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if any(&["host key"]) {
        "compare the key on the host, then pin the new one"
    } else if any(&["401", "403", "auth", "denied", "credential"]) {
        "the address answers; check the secrets"
    } else if any(&["egress", "not allowed"]) {
        "allow the address in [egress] of the configuration"
    } else if any(&["connect", "refused", "dns", "resolve", "timed out", "timeout"]) {
        "check the address and that this machine may reach it"
    } else {
        "check the configuration"
    }
}
