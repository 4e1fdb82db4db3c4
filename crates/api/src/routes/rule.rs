//! Detection rules: create, get, replace, change, delete, find, bulk actions, import and export.
//!
//! Invariants: a stored rule was decoded by `rule`; its workflow actions name existing workflows; `revision` rises with each change.
//! Not here: whether and when a rule fires (`engine`), what a rule means (`rule`).
//! Source: `reference/kibana-apis.md` §4.

use crate::commit::Put;
use crate::diagnostics;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, IMPORT_BYTES_MAX, Reply};
use crate::ids;
use crate::kql;
use crate::records::Record;
use crate::table::{Access, Method, Route, h};
use axum::http::StatusCode;
use rule::{Origin, Rule};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use stdx::{Diagnostic, Id, Value};
use store::Noun;

/// Rules of one page.
pub const PAGE_MAX: usize = 10_000;
/// Rules of one bulk action or import.
pub const BULK_MAX: usize = 10_000;

const READ: Access = Access::Needs("rules:read");
const WRITE: Access = Access::Needs("rules:write");
const RULES: &str = "/api/detection_engine/rules";

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::change(Method::Post, RULES, WRITE, "Creates a rule", h!(create)).detection(),
    Route::read(Method::Get, RULES, READ, "Gets a rule", h!(get)).detection(),
    Route::change(Method::Put, RULES, WRITE, "Replaces a rule", h!(replace)).detection(),
    Route::change(Method::Patch, RULES, WRITE, "Changes a rule", h!(patch)).detection(),
    Route::change(Method::Delete, RULES, WRITE, "Deletes a rule", h!(delete)).detection(),
    Route::read(Method::Get, "/api/detection_engine/rules/_find", READ, "Finds rules", h!(find)).detection(),
    Route::change(
        Method::Post,
        "/api/detection_engine/rules/_bulk_action",
        WRITE,
        "Changes many rules",
        h!(bulk_action),
    )
    .detection(),
    Route::change(Method::Post, "/api/detection_engine/rules/_import", WRITE, "Imports rules", h!(import))
        .detection()
        .body(IMPORT_BYTES_MAX),
    Route::read(Method::Post, "/api/detection_engine/rules/_export", READ, "Exports rules", h!(export)).detection(),
    Route::read(Method::Get, "/api/detection_engine/rules/prepackaged/_status", READ, "Counts rules", h!(prepackaged))
        .detection(),
    Route::read(Method::Get, "/api/detection_engine/tags", READ, "Lists the tags of rules", h!(tags)).detection(),
    Route::read(Method::Get, "/api/detection_engine/index", READ, "Names the alert index", h!(index)).detection(),
    Route::read(
        Method::Get,
        "/api/detection_engine/privileges",
        Access::SignedIn,
        "Says what the caller may",
        h!(privileges),
    )
    .detection(),
    Route::read(Method::Post, "/api/watchfire/rules/check", READ, "Checks a rule's query", h!(check)),
];

fn findings(found: &[Diagnostic]) -> ApiError {
    let errors: Vec<_> = found.iter().filter(|d| d.is_error()).collect();
    let message = errors
        .iter()
        .map(|d| d.path.as_ref().map_or_else(|| d.message.clone(), |p| format!("{p}: {}", d.message)))
        .collect::<Vec<_>>();
    let message = if message.is_empty() { "the rule is not valid".to_owned() } else { message.join(", ") };
    let wire: Vec<_> =
        errors.iter().map(|d| json!({"code": d.code, "message": d.message, "path": d.path, "hint": d.hint})).collect();
    ApiError::invalid(format!("[request body]: {message}")).attributes(json!({"diagnostics": wire}))
}

/// Decodes a body, compiles its query, checks its workflows; gives the body with defaults and uuids of its actions.
fn decoded(cx: &Ctx, body: &Value, origin: Origin) -> Result<(Arc<Rule>, Value)> {
    let (rule, found) = rule::rule::load(body, origin);
    let rule =
        rule.map(Arc::new).filter(|_| !found.iter().any(Diagnostic::is_error)).ok_or_else(|| findings(&found))?;
    if rule.kind.is_supported() {
        let (compiled, found) = rule::compile(&rule);
        if compiled.is_none() || found.iter().any(Diagnostic::is_error) {
            let query = rule.query.as_deref().unwrap_or_default();
            let mut error = findings(&found);
            error = error.attributes(json!({"diagnostics": diagnostics::wire(query, &found)}));
            return Err(error);
        }
    }
    let actions = with_uuids(&rule, body.get("actions"));
    for action in &rule.actions {
        let record = cx.state.records.find(Noun::Workflow, &cx.space, &action.workflow_id)?;
        let record = record.ok_or_else(|| {
            ApiError::invalid(format!("[request body.actions]: workflow `{}` does not exist", action.workflow_id))
        })?;
        let on = |key: &str| record.body.get(key).and_then(Value::as_bool).unwrap_or(false);
        if !on("enabled") || !on("valid") {
            let why = if on("valid") { "disabled" } else { "not valid" };
            return Err(ApiError::invalid(format!(
                "[request body.actions]: workflow `{}` is {why}; only enabled workflows can be started",
                action.workflow_id
            )));
        }
    }
    let mut body = rule.body.clone();
    if let Some(o) = body.object_mut() {
        o.insert("actions", actions);
    }
    Ok((rule, body))
}

/// Each action keeps its uuid or gets one, so that a run's id stays the same however the list is ordered later.
fn with_uuids(rule: &Rule, given: Option<&Value>) -> Value {
    let items = rule.body.get("actions").or(given).and_then(Value::as_array).unwrap_or_default();
    let sent = given.and_then(Value::as_array).unwrap_or_default();
    Value::array(items.iter().enumerate().map(|(i, item)| {
        let mut item = item.clone();
        let own = sent.get(i).and_then(|s| s.get("uuid")).and_then(Value::as_str).filter(|u| !u.is_empty());
        if let Some(o) = item.object_mut() {
            o.insert("uuid", own.map_or_else(ids::uuid, Id::from));
        }
        item
    }))
}

fn by_rule_id(cx: &Ctx, rule_id: &str) -> Result<Option<Record>> {
    let some = cx.state.records.holding(Noun::Rule, &cx.space, "rule_id", rule_id)?;
    Ok(some.into_iter().find(|r| r.body.get("rule_id").and_then(Value::as_str) == Some(rule_id)))
}

/// The rule that `id` or `rule_id` names.
fn named(cx: &Ctx, id: Option<&str>, rule_id: Option<&str>) -> Result<Record> {
    match (id, rule_id) {
        (Some(id), _) => {
            let record = cx.state.records.find(Noun::Rule, &cx.space, id)?;
            record.ok_or_else(|| ApiError::not_found(format!("id: \"{id}\" not found")))
        }
        (None, Some(rule_id)) => {
            by_rule_id(cx, rule_id)?.ok_or_else(|| ApiError::not_found(format!("rule_id: \"{rule_id}\" not found")))
        }
        (None, None) => Err(ApiError::invalid("either \"id\" or \"rule_id\" must be set")),
    }
}

async fn create(cx: Ctx) -> Result<Reply> {
    let body = Value::from(cx.json()?);
    let made = create_one(&cx, &body, Origin::Api).await?;
    Ok(Reply::value(&made))
}

async fn create_one(cx: &Ctx, body: &Value, origin: Origin) -> Result<Value> {
    if let Some(rule_id) = body.get("rule_id").and_then(Value::as_str)
        && by_rule_id(cx, rule_id)?.is_some()
    {
        return Err(taken(rule_id));
    }
    let (put, made) = creation(cx, body, origin)?;
    cx.put(put).await?;
    Ok(made)
}

fn taken(rule_id: &str) -> ApiError {
    ApiError::conflict(format!("rule_id: \"{rule_id}\" already exists"))
}

/// The document of a new rule.
fn creation(cx: &Ctx, body: &Value, origin: Origin) -> Result<(Put, Value)> {
    let (_, body) = decoded(cx, body, origin)?;
    let id = ids::uuid();
    let made = Rule::created(&body, &id, &cx.principal.user, cx.now);
    Ok((Put { noun: Noun::Rule, id, expect: Some(0), body: Some(made.clone()), action: "rule.create" }, made))
}

async fn get(cx: Ctx) -> Result<Reply> {
    let record = named(&cx, cx.query.get("id"), cx.query.get("rule_id"))?;
    Ok(Reply::value(&record.body))
}

async fn replace(cx: Ctx) -> Result<Reply> {
    let body = Value::from(cx.json()?);
    let field = |key: &str| body.get(key).and_then(Value::as_str);
    let old = named(&cx, field("id"), field("rule_id"))?;
    Ok(Reply::value(&change(&cx, &old, &body, "rule.update").await?))
}

async fn patch(cx: Ctx) -> Result<Reply> {
    let body = Value::from(cx.json()?);
    let field = |key: &str| body.get(key).and_then(Value::as_str);
    let old = named(&cx, field("id"), field("rule_id"))?;
    let mut merged = old.body.clone();
    if let (Some(into), Some(from)) = (merged.object_mut(), body.as_object()) {
        for (key, value) in from.iter().filter(|(k, _)| !matches!(&***k, "id" | "rule_id")) {
            into.insert(key.clone(), value.clone());
        }
    }
    Ok(Reply::value(&change(&cx, &old, &merged, "rule.update").await?))
}

/// Stores the new body of a rule with the next revision.
async fn change(cx: &Ctx, old: &Record, body: &Value, action: &'static str) -> Result<Value> {
    let (put, made) = changed(cx, old, body, action)?;
    cx.put(put).await?;
    Ok(made)
}

/// The document of a changed rule.
fn changed(cx: &Ctx, old: &Record, body: &Value, action: &'static str) -> Result<(Put, Value)> {
    let (new, body) = decoded(cx, body, Origin::Api)?;
    let before = rule::rule::load(&old.body, Origin::File).0.map_or(new, Arc::new);
    let made = before.updated(&body, &cx.principal.user, cx.now);
    let put = Put { noun: Noun::Rule, id: old.id.clone(), expect: Some(old.version), body: Some(made.clone()), action };
    Ok((put, made))
}

async fn delete(cx: Ctx) -> Result<Reply> {
    let old = named(&cx, cx.query.get("id"), cx.query.get("rule_id"))?;
    cx.put(Put { noun: Noun::Rule, id: old.id, expect: None, body: None, action: "rule.delete" }).await?;
    Ok(Reply::value(&old.body))
}

/// Rules that match `filter`, KQL over `alert.attributes.…`.
fn matching(cx: &Ctx, filter: Option<&str>) -> Result<Vec<Record>> {
    let mut all = cx.state.records.list(Noun::Rule, &cx.space)?;
    if let Some(filter) = filter {
        let filter = kql::parse(filter)?;
        all.retain(|r| filter.matches(&attributes(&r.body)));
    }
    Ok(all)
}

/// The rule as Kibana's saved object, which is what filters name.
fn attributes(body: &Value) -> Value {
    let mut attributes = stdx::Object::new();
    for key in ["name", "tags", "enabled", "severity", "interval"] {
        if let Some(value) = body.get(key) {
            attributes.insert(key, value.clone());
        }
    }
    let mut params = stdx::Object::new();
    for (key, value) in body.as_object().into_iter().flat_map(stdx::Object::iter) {
        params.insert(key.clone(), value.clone());
        params.insert(camel(key), value.clone());
    }
    attributes.insert("params", params);
    Value::object([("alert", Value::object([("attributes", Value::from(attributes))]))])
}

fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut up = false;
    for c in key.chars() {
        match c {
            '_' => up = true,
            c if up => {
                out.extend(c.to_uppercase());
                up = false;
            }
            c => out.push(c),
        }
    }
    out
}

async fn find(cx: Ctx) -> Result<Reply> {
    let page = cx.query.number("page", 1, 1, usize::MAX)?;
    let size = cx.query.number("per_page", 20, 0, PAGE_MAX)?;
    let mut all = matching(&cx, cx.query.get("filter"))?;
    let text = |r: &Record, key: &str| r.body.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let rank = |r: &Record| rule::Severity::parse(&text(r, "severity"));
    let score = |r: &Record| r.body.get("risk_score").and_then(Value::as_f64).unwrap_or(0.0);
    let enabled = |r: &Record| r.body.get("enabled").and_then(Value::as_bool).unwrap_or(false);
    match cx.query.get("sort_field") {
        None | Some("created_at" | "createdAt") => all.sort_by_key(|r| text(r, "created_at")),
        Some("updated_at" | "updatedAt") => all.sort_by_key(|r| text(r, "updated_at")),
        Some("name") => all.sort_by_key(|r| text(r, "name")),
        Some("enabled") => all.sort_by_key(enabled),
        Some("severity") => all.sort_by_key(rank),
        Some("risk_score" | "riskScore") => all.sort_by(|a, b| score(a).total_cmp(&score(b))),
        Some(other) if other.starts_with("execution_summary.") => {}
        Some(other) => {
            return Err(ApiError::invalid(format!("[request query.sort_field]: Invalid enum value `{other}`")));
        }
    }
    if cx.query.get("sort_order") != Some("asc") {
        all.reverse();
    }
    let total = all.len();
    let fields = cx.query.comma_list("fields");
    let mut data = Vec::new();
    for record in all.iter().skip((page - 1).saturating_mul(size)).take(size) {
        let mut wire = Json::from(&record.body);
        if let Some(o) = wire.as_object_mut() {
            if !fields.is_empty() {
                o.retain(|k, _| k == "id" || fields.contains(k));
            }
            o.insert("watchfire".into(), crate::extras::rule(&cx, &record.id)?);
        }
        data.push(wire);
    }
    Ok(Reply::ok(json!({"data": data, "page": page, "perPage": size, "total": total})))
}

/// What a bulk action does with one rule.
enum Step {
    Skip,
    Do(Put, Value),
}

fn step(cx: &Ctx, action: &str, old: &Record, request: &Json) -> Result<Step> {
    match action {
        "enable" | "disable" => {
            let on = action == "enable";
            if old.body.get("enabled").and_then(Value::as_bool).unwrap_or(false) == on {
                return Ok(Step::Skip);
            }
            let mut body = old.body.clone();
            if let Some(o) = body.object_mut() {
                o.insert("enabled", on);
            }
            let (put, made) = changed(cx, old, &body, if on { "rule.enable" } else { "rule.disable" })?;
            Ok(Step::Do(put, made))
        }
        "delete" => {
            let put = Put {
                noun: Noun::Rule,
                id: old.id.clone(),
                expect: Some(old.version),
                body: None,
                action: "rule.delete",
            };
            Ok(Step::Do(put, old.body.clone()))
        }
        "duplicate" => {
            let mut body = old.body.clone();
            let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(o) = body.object_mut() {
                o.remove("rule_id");
                o.insert("name", format!("{name} [Duplicate]"));
                o.insert("enabled", false);
            }
            let (put, made) = creation(cx, &body, Origin::Api)?;
            Ok(Step::Do(put, made))
        }
        "edit" => {
            let (put, made) = changed(cx, old, &edited(&old.body, request)?, "rule.update")?;
            Ok(Step::Do(put, made))
        }
        other => Err(ApiError::invalid(format!("[request body.action]: Invalid enum value `{other}`"))),
    }
}

async fn bulk_action(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let action = body.get("action").and_then(Json::as_str).unwrap_or_default().to_owned();
    if !matches!(action.as_str(), "enable" | "disable" | "delete" | "duplicate" | "edit" | "export") {
        return Err(ApiError::invalid(format!("[request body.action]: Invalid enum value `{action}`")));
    }
    let dry = cx.query.flag("dry_run")? == Some(true);
    let rules = selected(&cx, &body)?;
    if action == "export" {
        return Ok(ndjson(&rules, &[]));
    }
    let (mut skipped, mut errors, mut puts, mut made) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let failed = |old: &Record, error: &ApiError| {
        let status = error.code.status().as_u16();
        json!({"message": error.message, "status_code": status, "rules": [{"id": old.id, "name": old.body.get("name")}]})
    };
    for old in &rules {
        match step(&cx, &action, old, &body) {
            Ok(Step::Skip) => {
                skipped.push(json!({"id": old.id, "name": old.body.get("name"), "skip_reason": "RULE_NOT_MODIFIED"}))
            }
            Ok(Step::Do(put, after)) => {
                puts.push(put);
                made.push((old, Json::from(&after)));
            }
            Err(error) => errors.push(failed(old, &error)),
        }
    }
    let mut done = Vec::new();
    if dry {
        done.extend(made.into_iter().map(|(_, after)| after));
    } else {
        for (result, (old, after)) in cx.puts(puts).await?.into_iter().zip(made) {
            match result {
                Ok(_) => done.push(after),
                Err(refusal) => errors.push(failed(old, &refusal.into())),
            }
        }
    }
    Ok(bulk_reply(&action, done, skipped, errors, rules.len()))
}

fn bulk_reply(action: &str, done: Vec<Json>, skipped: Vec<Json>, errors: Vec<Json>, total: usize) -> Reply {
    let (failed, succeeded) = (errors.len(), done.len());
    let summary = json!({"failed": failed, "skipped": skipped.len(), "succeeded": succeeded, "total": total});
    let mut results = json!({"updated": [], "created": [], "deleted": [], "skipped": skipped});
    results[match action {
        "delete" => "deleted",
        "duplicate" => "created",
        _ => "updated",
    }] = Json::Array(done);
    let attributes = json!({"results": results, "summary": summary, "errors": errors});
    if failed > 0 {
        let message = if failed == total { "Bulk edit failed" } else { "Bulk edit partially failed" };
        let body = json!({"message": message, "status_code": 500, "attributes": attributes});
        return Reply::ok(body).status(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Reply::ok(json!({"success": true, "rules_count": total, "attributes": attributes}))
}

fn selected(cx: &Ctx, body: &Json) -> Result<Vec<Record>> {
    let query = body.get("query").and_then(Json::as_str);
    let ids = body.get("ids").and_then(Json::as_array);
    let rules = match (query, ids) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "Both query and ids are sent. Define either ids or query in request payload.",
            ));
        }
        (None, Some(ids)) => {
            ids.iter().filter_map(Json::as_str).map(|id| named(cx, Some(id), None)).collect::<Result<Vec<_>>>()?
        }
        (query, None) => matching(cx, query.filter(|q| !q.trim().is_empty()))?,
    };
    if rules.len() > BULK_MAX {
        return Err(ApiError::invalid(format!(
            "More than {BULK_MAX} rules matched the filter query. Try to narrow it down."
        )));
    }
    Ok(rules)
}

/// The body after the tag, index and action edits of a bulk request.
fn edited(body: &Value, request: &Json) -> Result<Value> {
    let edits = request
        .get("edit")
        .and_then(Json::as_array)
        .ok_or_else(|| ApiError::invalid("[request body.edit]: expected value of type [array]"))?;
    let mut body = body.clone();
    for edit in edits {
        let kind = edit.get("type").and_then(Json::as_str).unwrap_or_default();
        let value = edit.get("value").cloned().unwrap_or_default();
        let (verb, field) = match kind {
            "add_tags" | "delete_tags" | "set_tags" => (kind, "tags"),
            "add_index_patterns" | "delete_index_patterns" | "set_index_patterns" => (kind, "index"),
            "add_rule_actions" | "set_rule_actions" => (kind, "actions"),
            other => return Err(ApiError::invalid(format!("[request body.edit]: type `{other}` is not supported"))),
        };
        let value = if field == "actions" { value.get("actions").cloned().unwrap_or_default() } else { value };
        let given: Vec<Value> = Value::from(value).as_array().unwrap_or_default().to_vec();
        let old: Vec<Value> = body.get(field).and_then(Value::as_array).unwrap_or_default().to_vec();
        let new = if verb.starts_with("set_") {
            given
        } else if verb.starts_with("delete_") {
            old.into_iter().filter(|v| !given.contains(v)).collect()
        } else {
            let fresh: Vec<_> = given.into_iter().filter(|v| !old.contains(v)).collect();
            old.into_iter().chain(fresh).collect()
        };
        if let Some(o) = body.object_mut() {
            o.insert(field, new);
        }
    }
    Ok(body)
}

/// The bytes of the part `file` of a multipart body, or the body itself.
fn file(cx: &Ctx) -> Result<&[u8]> {
    let kind = cx.header("content-type").unwrap_or_default();
    let Some(boundary) =
        kind.split("boundary=").nth(1).map(|b| b.trim_matches('"').split(';').next().unwrap_or_default())
    else {
        return Ok(&cx.body);
    };
    let wrong = || ApiError::invalid("the multipart body has no part with a file");
    let mark = format!("--{boundary}");
    let find =
        |from: usize, what: &[u8]| cx.body[from..].windows(what.len().max(1)).position(|w| w == what).map(|i| from + i);
    let mut at = find(0, mark.as_bytes()).ok_or_else(wrong)? + mark.len();
    loop {
        let head_end = find(at, b"\r\n\r\n").ok_or_else(wrong)?;
        let end = find(head_end, format!("\r\n{mark}").as_bytes()).ok_or_else(wrong)?;
        if String::from_utf8_lossy(&cx.body[at..head_end]).contains("name=\"file\"") {
            return Ok(&cx.body[head_end + 4..end]);
        }
        at = end + 2 + mark.len();
    }
}

async fn import(cx: Ctx) -> Result<Reply> {
    let overwrite = cx.query.flag("overwrite")? == Some(true);
    let as_new = cx.query.flag("as_new_list")? == Some(true);
    let text = std::str::from_utf8(file(&cx)?).map_err(|_| ApiError::invalid("the file is not valid UTF-8"))?;
    let mut known: HashMap<String, Record> = HashMap::new();
    for record in cx.state.records.list(Noun::Rule, &cx.space)? {
        let rule_id = record.body.get("rule_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        known.insert(rule_id, record);
    }
    let failed = |rule_id: &str, error: &ApiError| json!({"rule_id": rule_id, "error": {"status_code": error.code.status().as_u16(), "message": error.message}});
    let (mut errors, mut puts, mut named, mut seen) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
    let mut n = 0usize;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let body = match serde_json::from_str::<Json>(line) {
            // Exception lists, connectors and the summary line are told apart by what they lack.
            Ok(body) if body.get("exported_count").is_some() || body.get("list_id").is_some() => continue,
            Ok(body) if body.get("rule_id").is_none() && body.get("type").is_none() => continue,
            Ok(body) => Value::from(body),
            Err(_) => {
                n += 1;
                errors.push(failed("(unknown id)", &ApiError::invalid("the line is not valid JSON")));
                continue;
            }
        };
        n += 1;
        if n > BULK_MAX {
            return Err(ApiError::invalid(format!("Can't import more than {BULK_MAX} rules")));
        }
        let rule_id = body.get("rule_id").and_then(Value::as_str).unwrap_or("(unknown id)").to_owned();
        match imported(&cx, body, &known, overwrite, as_new) {
            Ok(_) if !as_new && !seen.insert(rule_id.clone()) => {
                errors.push(failed(
                    &rule_id,
                    &ApiError::invalid("More than one rule with this rule_id found in the file"),
                ));
            }
            Ok(put) => {
                puts.push(put);
                named.push(rule_id);
            }
            Err(error) => errors.push(failed(&rule_id, &error)),
        }
    }
    let mut good = 0usize;
    for (result, rule_id) in cx.puts(puts).await?.into_iter().zip(&named) {
        match result {
            Ok(_) => good += 1,
            Err(refusal) => errors.push(failed(rule_id, &refusal.into())),
        }
    }
    Ok(Reply::ok(json!({
        "success": errors.is_empty(), "success_count": good, "rules_count": n, "errors": errors,
        "exceptions_success": true, "exceptions_success_count": 0, "exceptions_errors": [],
        "action_connectors_success": true, "action_connectors_success_count": 0, "action_connectors_errors": [], "action_connectors_warnings": [],
    })))
}

/// The document of one imported rule.
fn imported(cx: &Ctx, mut body: Value, known: &HashMap<String, Record>, overwrite: bool, as_new: bool) -> Result<Put> {
    if as_new && let Some(o) = body.object_mut() {
        o.remove("rule_id");
    }
    let rule_id = body.get("rule_id").and_then(Value::as_str);
    match rule_id.and_then(|id| known.get(id).map(|r| (id, r))) {
        Some((_, old)) if overwrite => Ok(changed(cx, old, &body, "rule.update")?.0),
        Some((id, _)) => Err(taken(id)),
        None => Ok(creation(cx, &body, Origin::Api)?.0),
    }
}

fn ndjson(rules: &[Record], missing: &[String]) -> Reply {
    let mut out = String::new();
    for record in rules {
        out.push_str(&stdx::json::text(&record.body));
        out.push('\n');
    }
    let summary = json!({
        "exported_count": rules.len(), "exported_rules_count": rules.len(), "missing_rules": missing.iter().map(|m| json!({"rule_id": m})).collect::<Vec<_>>(),
        "missing_rules_count": missing.len(), "exported_exception_list_count": 0, "exported_exception_list_item_count": 0,
        "missing_exception_list_item_count": 0, "missing_exception_lists_count": 0, "exported_action_connector_count": 0,
        "missing_action_connection_count": 0, "missing_action_connections": [], "excluded_action_connection_count": 0,
    });
    out.push_str(&summary.to_string());
    out.push('\n');
    Reply::raw("application/ndjson", out.into())
}

async fn export(cx: Ctx) -> Result<Reply> {
    let body = cx.json_or_empty()?;
    let (mut rules, mut missing) = (Vec::new(), Vec::new());
    match body.get("objects").and_then(Json::as_array) {
        None => rules = cx.state.records.list(Noun::Rule, &cx.space)?,
        Some(objects) => {
            for rule_id in objects.iter().filter_map(|o| o.get("rule_id").and_then(Json::as_str)) {
                match by_rule_id(&cx, rule_id)? {
                    Some(record) => rules.push(record),
                    None => missing.push(rule_id.to_owned()),
                }
            }
        }
    }
    let name: String = cx
        .query
        .get("file_name")
        .unwrap_or("export.ndjson")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .collect();
    Ok(ndjson(&rules, &missing).header("content-disposition", &format!("attachment; filename=\"{name}\"")))
}

async fn prepackaged(cx: Ctx) -> Result<Reply> {
    let n = cx.state.records.list(Noun::Rule, &cx.space)?.len();
    Ok(Reply::ok(json!({
        "rules_custom_installed": n, "rules_installed": 0, "rules_not_installed": 0, "rules_not_updated": 0,
        "timelines_installed": 0, "timelines_not_installed": 0, "timelines_not_updated": 0,
    })))
}

async fn tags(cx: Ctx) -> Result<Reply> {
    let all = cx.state.records.list(Noun::Rule, &cx.space)?;
    let tags: std::collections::BTreeSet<_> = all
        .iter()
        .flat_map(|r| r.body.get("tags").and_then(Value::as_array).unwrap_or_default())
        .filter_map(Value::as_str)
        .collect();
    Ok(Reply::ok(json!(tags)))
}

async fn index(cx: Ctx) -> Result<Reply> {
    Ok(Reply::ok(json!({"name": format!(".alerts-security.alerts-{}", cx.space), "index_mapping_outdated": false})))
}

async fn privileges(cx: Ctx) -> Result<Reply> {
    let (read, write) = (cx.principal.may("alerts:read"), cx.principal.may("alerts:write"));
    let name = format!(".alerts-security.alerts-{}", cx.space);
    Ok(Reply::ok(json!({
        "username": cx.principal.user, "has_all_requested": read && write,
        "cluster": {"monitor": true, "manage": cx.principal.may("*")},
        "index": {name: {"read": read, "write": write, "maintenance": write, "view_index_metadata": read}},
        "application": {}, "is_authenticated": true, "has_encryption_key": true,
    })))
}

async fn check(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let field = |key: &str| body.get(key).and_then(Json::as_str);
    let query = field("query").unwrap_or_default();
    let kind = field("type").unwrap_or("query");
    let language = field("language").unwrap_or(if kind == "eql" { "eql" } else { "kuery" });
    let (valid, found, fields) = kql::check(kind, language, query)?;
    Ok(Reply::ok(json!({"valid": valid, "diagnostics": diagnostics::wire(query, &found), "fields": fields})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_see_rules_as_saved_objects() {
        let body: Value = serde_json::from_str(
            r#"{"name":"n","tags":["key: value"],"enabled":false,"risk_score":47,"type":"query"}"#,
        )
        .unwrap();
        let seen = attributes(&body);
        assert_eq!(seen.path(&["alert", "attributes", "params", "riskScore"]).and_then(Value::as_i64), Some(47));
        assert_eq!(seen.path(&["alert", "attributes", "enabled"]).and_then(Value::as_bool), Some(false));
    }

    #[test]
    fn edits_add_set_and_take_away() {
        let body: Value = serde_json::from_str(r#"{"tags":["a","b"]}"#).unwrap();
        let edit = |kind: &str| json!({"edit": [{"type": kind, "value": ["b", "c"]}]});
        let tags = |kind: &str| Json::from(edited(&body, &edit(kind)).unwrap().get("tags").unwrap());
        assert_eq!(tags("add_tags"), json!(["a", "b", "c"]));
        assert_eq!(tags("delete_tags"), json!(["a"]));
        assert_eq!(tags("set_tags"), json!(["b", "c"]));
        assert!(edited(&body, &edit("fly")).is_err());
    }
}
