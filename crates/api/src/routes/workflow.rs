//! Workflows: store, change, enable, validate, delete; what may be written in them.
//!
//! Invariants: a text that is not valid is stored disabled with its findings; a disabled or invalid workflow is never started except as a test;
//! each change keeps the version before it.
//! Not here: runs (`execution`), the language (`workflow`).
//! Source: `reference/workflow-language.md` §8, `docs/reference/ui-api.md` §5.

use crate::commit::Put;
use crate::diagnostics;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply, YAML_BODY_BYTES_MAX};
use crate::records::Record;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Diagnostic, Id, Value};
use store::Noun;
use workflow::Program;

/// Longest text of a workflow.
pub const YAML_BYTES_MAX: usize = 1024 * 1024;
/// Workflows of one bulk request.
pub const BULK_MAX: usize = 500;
/// Most workflows of one page.
pub const SIZE_MAX: usize = 10_000;
/// Ids of texts that were only tested begin with it.
pub(crate) const TEST_PREFIX: &str = "test-";
/// Suffixes tried for an id that is taken.
const FREE_TRIES_MAX: usize = 50;
/// Ids that belong to the system.
const RESERVED: [&str; 2] = ["system", "internal"];
/// Longest id.
pub const ID_CHARS_MAX: usize = 255;

const READ: Access = Access::Needs("workflows:read");
const WRITE: Access = Access::Needs("workflows:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/api/workflows", READ, "Finds workflows", h!(list)).versioned(),
    Route::change(Method::Post, "/api/workflows", WRITE, "Creates workflows", h!(bulk_create))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    Route::change(Method::Delete, "/api/workflows", WRITE, "Deletes workflows", h!(bulk_delete)).versioned(),
    Route::read(Method::Post, "/api/workflows/mget", READ, "Gets many workflows", h!(mget)).versioned(),
    Route::read(Method::Get, "/api/workflows/stats", READ, "Counts workflows and runs", h!(stats)).versioned(),
    Route::read(Method::Get, "/api/workflows/aggs", READ, "Lists the values of a field", h!(aggs)).versioned(),
    Route::read(
        Method::Get,
        "/api/workflows/connectors",
        READ,
        "Lists connector types with their connectors",
        h!(connectors),
    )
    .versioned(),
    Route::read(Method::Get, "/api/workflows/schema", READ, "JSON Schema of the language", h!(schema)).versioned(),
    Route::read(Method::Post, "/api/workflows/validate", READ, "Checks a text", h!(validate))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    Route::change(Method::Post, "/api/workflows/workflow", WRITE, "Creates a workflow", h!(create))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    Route::read(Method::Get, "/api/workflows/workflow/{id}", READ, "Gets a workflow", h!(get)).versioned(),
    Route::change(Method::Put, "/api/workflows/workflow/{id}", WRITE, "Changes a workflow", h!(update))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    Route::change(Method::Delete, "/api/workflows/workflow/{id}", WRITE, "Deletes a workflow", h!(delete)).versioned(),
    Route::change(Method::Post, "/api/workflows/workflow/{id}/clone", WRITE, "Copies a workflow", h!(copy)).versioned(),
    // Paths of 9.3 that library workflows still call.
    Route::read(Method::Post, "/api/workflows/search", READ, "Finds workflows", h!(list)).versioned(),
    Route::read(Method::Get, "/api/workflows/{id}", READ, "Gets a workflow", h!(get)).versioned(),
    Route::change(Method::Put, "/api/workflows/{id}", WRITE, "Changes a workflow", h!(update))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    Route::change(Method::Delete, "/api/workflows/{id}", WRITE, "Deletes a workflow", h!(delete)).versioned(),
];

/// A text, read.
pub(crate) struct Loaded {
    /// The program, where the text's shape can be read.
    pub program: Option<Program>,
    /// Every finding.
    pub found: Vec<Diagnostic>,
}

impl Loaded {
    fn valid(&self) -> bool {
        self.program.is_some() && !self.found.iter().any(Diagnostic::is_error)
    }
}

/// Reads a text against the operations and connectors of the space.
pub(crate) async fn load(cx: &Ctx, yaml: &str) -> Result<Loaded> {
    if yaml.len() > YAML_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "Invalid workflow yaml: the text has {} bytes, at most {YAML_BYTES_MAX} are allowed",
            yaml.len()
        )));
    }
    let catalogue = cx.state.engine.catalogue(&cx.space);
    let yaml = yaml.to_owned();
    let read = move || {
        let (program, found) = Program::load(&yaml, &catalogue);
        Loaded { program, found }
    };
    tokio::task::spawn_blocking(read).await.map_err(ApiError::internal)
}

/// The stored workflow.
pub(crate) fn stored(cx: &Ctx, id: &str) -> Result<Record> {
    let record = cx.state.records.find(Noun::Workflow, &cx.space, id)?;
    record.ok_or_else(|| ApiError::not_found(format!("Workflow with id \"{id}\" not found")))
}

pub(crate) fn text<'a>(record: &'a Record, key: &str) -> &'a str {
    record.body.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn flag(record: &Record, key: &str) -> bool {
    record.body.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The detail object.
pub(crate) fn detail(cx: &Ctx, record: &Record) -> Result<Json> {
    let mut wire = item(cx, record)?;
    if let Some(o) = wire.as_object_mut() {
        o.insert("yaml".into(), json!(text(record, "yaml")));
        o.insert("definition".into(), definition(text(record, "yaml")));
        o.insert("validationErrors".into(), member(record, "diagnostics"));
    }
    Ok(wire)
}

/// The detail object with what only the space's other records show; it looks at all of them, so not for lists.
pub(crate) fn seen(cx: &Ctx, record: &Record) -> Result<Json> {
    let mut wire = detail(cx, record)?;
    let beside = beside(cx, text(record, "yaml"), Some(&record.id))?;
    if let Some(found) = wire.get_mut("validationErrors") {
        match found.as_array_mut() {
            Some(all) => all.extend(beside),
            None => *found = Json::Array(beside),
        }
    }
    Ok(wire)
}

/// What only the other records of the space show: an alert trigger that no rule uses, a concurrency key that another workflow has too.
pub(crate) fn beside(cx: &Ctx, yaml: &str, id: Option<&str>) -> Result<Vec<Json>> {
    let Some(root) = workflow::yaml::parse(yaml).0 else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let key_of = |root: &workflow::yaml::Node| {
        root.get("settings").and_then(|s| s.get("concurrency")).and_then(|c| c.get("key")).cloned()
    };
    if let Some(id) = id {
        let triggers = root.get("triggers").and_then(workflow::yaml::Node::seq).unwrap_or_default();
        let kind = |t: &&workflow::yaml::Node| t.get("type").and_then(|n| n.str()).is_some_and(|s| &**s == "alert");
        if let Some(trigger) = triggers.iter().find(kind)
            && used_by(cx, id)?.is_empty()
        {
            let message = "no rule starts this workflow: an alert trigger does nothing alone";
            let d = Diagnostic::warning("alertTriggerUnused", trigger.span, message);
            found.push(d.hint("add the action *Workflows* with this workflow to a rule").at("triggers"));
        }
    }
    if let Some(node) = key_of(&root)
        && let Some(key) = node.str()
    {
        for other in shown(cx)?.iter().filter(|r| Some(&*r.id) != id) {
            let theirs = text(other, "yaml");
            let same = theirs.contains(&**key)
                && workflow::yaml::parse(theirs).0.as_ref().and_then(key_of).and_then(|n| n.str().cloned()).as_ref()
                    == Some(key);
            if same {
                let message = format!("the workflow `{}` has the same concurrency key: they share one limit", other.id);
                let d = Diagnostic::warning("sharedConcurrencyKey", node.span, message);
                found.push(
                    d.hint("put the workflow's name into the key where they should not meet")
                        .at("settings.concurrency.key"),
                );
                break;
            }
        }
    }
    Ok(diagnostics::wire(yaml, &found))
}

/// The text as data, `null` when it is no YAML.
fn definition(yaml: &str) -> Json {
    workflow::yaml::parse(yaml).0.map_or(Json::Null, |node| Json::from(&node.to_value()))
}

fn member(record: &Record, key: &str) -> Json {
    record.body.get(key).map_or(Json::Null, Json::from)
}

/// The list item.
fn item(cx: &Ctx, record: &Record) -> Result<Json> {
    Ok(json!({
        "id": record.id, "name": text(record, "name"), "description": member(record, "description"), "enabled": flag(record, "enabled"),
        "tags": member(record, "tags"), "valid": flag(record, "valid"), "version": record.version, "managed": false,
        "createdAt": member(record, "createdAt"), "createdBy": member(record, "createdBy"),
        "lastUpdatedAt": member(record, "lastUpdatedAt"), "lastUpdatedBy": member(record, "lastUpdatedBy"),
        "watchfire": crate::extras::workflow(cx, record)?,
    }))
}

/// The body of a record from its text; what is not valid is disabled.
pub(crate) async fn body_of(cx: &Ctx, yaml: &str, old: Option<&Record>) -> Result<Value> {
    let loaded = load(cx, yaml).await?;
    let meta = loaded.program.as_ref().map(Program::meta);
    let valid = loaded.valid();
    let name = meta.as_ref().map(|m| m.name.clone()).filter(|n| !n.is_empty());
    let name = name.or_else(|| old.map(|o| text(o, "name").into())).unwrap_or_else(|| "Untitled workflow".into());
    let summary = meta.as_ref().map_or(Value::Null, |m| {
        Value::object([
            ("effect", Value::from(m.effect.as_str())),
            ("triggers", Value::array(m.triggers.iter().cloned().map(Value::from))),
            ("steps", m.steps.into()),
            ("approvals", m.approvals.into()),
            ("inputs", m.inputs.clone()),
            ("outputs", m.outputs.clone()),
        ])
    });
    let kept = |key: &str, new: Value| old.and_then(|o| o.body.get(key).cloned()).unwrap_or(new);
    Ok(Value::object([
        ("name", Value::from(name)),
        ("description", meta.as_ref().map_or(Value::from(""), |m| m.description.clone().into())),
        ("enabled", (valid && meta.as_ref().is_some_and(|m| m.enabled)).into()),
        (
            "tags",
            meta.as_ref().map_or_else(|| Value::array([]), |m| Value::array(m.tags.iter().cloned().map(Value::from))),
        ),
        ("yaml", yaml.into()),
        ("valid", valid.into()),
        ("diagnostics", Value::array(diagnostics::wire(yaml, &loaded.found).into_iter().map(Value::from))),
        ("summary", summary),
        ("createdAt", kept("createdAt", cx.now.iso().into())),
        ("createdBy", kept("createdBy", cx.principal.user.clone().into())),
        ("lastUpdatedAt", cx.now.iso().into()),
        ("lastUpdatedBy", cx.principal.user.clone().into()),
    ]))
}

fn yaml_of(body: &Json) -> Result<&str> {
    let yaml = body.get("yaml").and_then(Json::as_str);
    yaml.ok_or_else(|| ApiError::invalid("[request body.yaml]: expected value of type [string] but got [undefined]"))
}

fn given_id(body: &Json) -> Result<Option<Id>> {
    let Some(id) = body.get("id").filter(|v| !v.is_null()) else { return Ok(None) };
    let plain = |id: &&str| {
        let chars = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let reserved = RESERVED.iter().any(|r| id.starts_with(r)) || id.starts_with(TEST_PREFIX);
        !id.is_empty() && id.len() <= ID_CHARS_MAX && chars && !reserved
    };
    let id = id.as_str().filter(plain);
    id.map(|id| Some(Id::from(id))).ok_or_else(|| {
        ApiError::invalid(format!("[request body.id]: use letters, digits and `-_.`, at most {ID_CHARS_MAX}, not beginning with system, internal or test-"))
    })
}

/// The name as an id, made free.
fn free_id(cx: &Ctx, name: &str) -> Result<Id> {
    let mut slug: String =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    while slug.contains("--") {
        slug = slug.replace("--", "-");
    }
    let slug: String = slug.trim_matches('-').chars().take(80).collect();
    let reserved = [
        "stats",
        "aggs",
        "connectors",
        "schema",
        "executions",
        "workflow",
        "validate",
        "search",
        "mget",
        "test",
        "export",
        "import",
        "step",
    ];
    if !slug.is_empty()
        && !reserved.contains(&slug.as_str())
        && cx.state.records.get(Noun::Workflow, &cx.space, &slug)?.is_none()
    {
        return Ok(Id::from(slug));
    }
    // Taken: `-2`, `-3` … as Kibana does.
    for n in 2..=FREE_TRIES_MAX {
        let id = format!("{slug}-{n}");
        if !slug.is_empty() && cx.state.records.get(Noun::Workflow, &cx.space, &id)?.is_none() {
            return Ok(Id::from(id));
        }
    }
    Ok(Id::from(format!("workflow-{}", crate::ids::uuid())))
}

async fn create(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let yaml = yaml_of(&body)?;
    let record = body_of(&cx, yaml, None).await?;
    let id = match given_id(&body)? {
        Some(id) => id,
        None => free_id(&cx, record.get("name").and_then(Value::as_str).unwrap_or_default())?,
    };
    let taken = || ApiError::conflict(format!("Workflow with id '{id}' already exists"));
    if cx.state.records.get(Noun::Workflow, &cx.space, &id)?.is_some() {
        return Err(taken());
    }
    cx.put(Put {
        noun: Noun::Workflow,
        id: id.clone(),
        expect: Some(0),
        body: Some(record),
        action: "workflow.create",
    })
    .await?;
    Ok(Reply::ok(seen(&cx, &stored(&cx, &id)?)?))
}

async fn bulk_create(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    // 9.3 created a single workflow here.
    if body.get("workflows").is_none() && body.get("yaml").is_some() {
        return create(cx).await;
    }
    let items = body.get("workflows").and_then(Json::as_array).filter(|w| w.len() <= BULK_MAX);
    let items = items.ok_or_else(|| {
        ApiError::invalid(format!("[request body.workflows]: expected an array of at most {BULK_MAX} workflows"))
    })?;
    let overwrite = cx.query.flag("overwrite")? == Some(true);
    let (mut created, mut failed) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match store_one(&cx, item, overwrite).await {
            Ok(id) => created.push(detail(&cx, &stored(&cx, &id)?)?),
            Err(error) => failed.push(json!({"index": index, "id": item.get("id"), "error": error.message})),
        }
    }
    Ok(Reply::ok(json!({"created": created, "failed": failed})))
}

pub(crate) async fn store_one(cx: &Ctx, item: &Json, overwrite: bool) -> Result<Id> {
    let given = given_id(item)?;
    let old = match &given {
        Some(id) => cx.state.records.find(Noun::Workflow, &cx.space, id)?,
        None => None,
    };
    if let (Some(old), false) = (&old, overwrite) {
        return Err(ApiError::conflict(format!("Workflow with id '{}' already exists", old.id)));
    }
    let record = body_of(cx, yaml_of(item)?, old.as_ref()).await?;
    let id = match given {
        Some(id) => id,
        None => free_id(cx, record.get("name").and_then(Value::as_str).unwrap_or_default())?,
    };
    let expect = Some(old.as_ref().map_or(0, |o| o.version));
    let action = if old.is_some() { "workflow.update" } else { "workflow.create" };
    // Each workflow of a bulk request stands for itself; a key would give all of them the first one's answer.
    let put = Put { noun: Noun::Workflow, id: id.clone(), expect, body: Some(record), action };
    for result in cx.commit_without_key(vec![put]).await?.records {
        result?;
    }
    Ok(id)
}

async fn get(cx: Ctx) -> Result<Reply> {
    let record = stored(&cx, cx.param("id"))?;
    Ok(Reply::ok(seen(&cx, &record)?))
}

async fn update(cx: Ctx) -> Result<Reply> {
    let old = stored(&cx, cx.param("id"))?;
    let body = cx.json()?;
    let known = ["name", "description", "enabled", "tags", "yaml"];
    if !known.iter().any(|k| body.get(k).is_some()) {
        return Err(ApiError::invalid(format!("[request body]: expected at least one of {}", known.join(", "))));
    }
    let mut yaml = match body.get("yaml") {
        Some(_) => yaml_of(&body)?.to_owned(),
        None => text(&old, "yaml").to_owned(),
    };
    for key in ["name", "description"] {
        match body.get(key) {
            None => {}
            Some(Json::String(text)) => yaml = set_top(&yaml, key, &json!(text).to_string()),
            Some(_) => return Err(ApiError::invalid(format!("[request body.{key}]: expected value of type [string]"))),
        }
    }
    match body.get("enabled") {
        None => {}
        Some(Json::Bool(enabled)) => yaml = set_top(&yaml, "enabled", if *enabled { "true" } else { "false" }),
        Some(_) => return Err(ApiError::invalid("[request body.enabled]: expected value of type [boolean]")),
    }
    if let Some(tags) = body.get("tags") {
        let strings = tags.as_array().is_some_and(|t| t.iter().all(Json::is_string));
        if !strings {
            return Err(ApiError::invalid("[request body.tags]: expected value of type [array]"));
        }
        yaml = set_top(&yaml, "tags", &tags.to_string());
    }
    let record = body_of(&cx, &yaml, Some(&old)).await?;
    if body.get("enabled") == Some(&Json::Bool(true)) && record.get("valid").and_then(Value::as_bool) != Some(true) {
        let found = record.get("diagnostics").map_or(Json::Null, Json::from);
        return Err(ApiError::invalid("Workflow is not valid.").attributes(json!({"validationErrors": found})));
    }
    let action = match (body.get("yaml"), body.get("enabled")) {
        (None, Some(Json::Bool(true))) => "workflow.enable",
        (None, Some(Json::Bool(false))) => "workflow.disable",
        _ => "workflow.update",
    };
    cx.put(Put { noun: Noun::Workflow, id: old.id.clone(), expect: Some(old.version), body: Some(record), action })
        .await?;
    let new = stored(&cx, &old.id)?;
    Ok(Reply::ok(json!({
        "id": new.id, "lastUpdatedAt": member(&new, "lastUpdatedAt"), "lastUpdatedBy": member(&new, "lastUpdatedBy"),
        "enabled": flag(&new, "enabled"), "valid": flag(&new, "valid"), "validationErrors": member(&new, "diagnostics"), "version": new.version,
    })))
}

/// Sets a member at the top of the text, keeping every other line.
fn set_top(yaml: &str, key: &str, value: &str) -> String {
    let mut out = String::with_capacity(yaml.len() + value.len() + key.len() + 4);
    let mut state = Place::Before;
    for line in yaml.split_inclusive('\n') {
        let own = line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
        match state {
            Place::Before if own => {
                out.push_str(&format!("{key}: {value}\n"));
                state = Place::Inside;
            }
            // Lines of the old value: indented, list items, or blank between them.
            Place::Inside if line.starts_with([' ', '\t']) || line.starts_with("- ") => {}
            Place::Inside => {
                out.push_str(line);
                state = Place::After;
            }
            _ => out.push_str(line),
        }
    }
    if state == Place::Before {
        let marker = if out.starts_with("---\n") { 4 } else { 0 };
        out.insert_str(marker, &format!("{key}: {value}\n"));
    }
    out
}

#[derive(PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    After,
}

/// Rules that start the workflow.
pub(crate) fn used_by(cx: &Ctx, workflow: &str) -> Result<Vec<Arc<str>>> {
    let mut names = Vec::new();
    for rule in cx.state.records.list(Noun::Rule, &cx.space)? {
        let actions = rule.body.get("actions").and_then(Value::as_array).unwrap_or_default();
        let starts =
            |a: &Value| a.path(&["params", "subActionParams", "workflowId"]).and_then(Value::as_str) == Some(workflow);
        if actions.iter().any(starts) {
            names.push(rule.body.get("name").and_then(Value::as_str).unwrap_or_default().into());
        }
    }
    Ok(names)
}

async fn remove(cx: &Ctx, id: &str) -> Result<()> {
    stored(cx, id)?;
    let rules = used_by(cx, id)?;
    if !rules.is_empty() && cx.query.flag("force")? != Some(true) {
        let names = rules.iter().map(|r| format!("`{r}`")).collect::<Vec<_>>().join(", ");
        return Err(ApiError::conflict(format!(
            "Workflow with id '{id}' is started by {names}; remove those actions first, or delete with force=true"
        )));
    }
    let put = Put { noun: Noun::Workflow, id: Id::from(id), expect: None, body: None, action: "workflow.delete" };
    for result in cx.commit_without_key(vec![put]).await?.records {
        result?;
    }
    Ok(())
}

async fn delete(cx: Ctx) -> Result<Reply> {
    remove(&cx, cx.param("id")).await?;
    // Terraform's provider takes 204 for an error here.
    Ok(Reply::ok(json!({})))
}

async fn bulk_delete(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let ids = body.get("ids").and_then(Json::as_array).filter(|i| i.len() <= BULK_MAX);
    let ids = ids
        .ok_or_else(|| ApiError::invalid(format!("[request body.ids]: expected an array of at most {BULK_MAX} ids")))?;
    let (mut deleted, mut failures) = (0, Vec::new());
    for id in ids.iter().filter_map(Json::as_str) {
        match remove(&cx, id).await {
            Ok(()) => deleted += 1,
            Err(error) => failures.push(json!({"id": id, "error": error.message})),
        }
    }
    Ok(Reply::ok(json!({"total": ids.len(), "deleted": deleted, "failures": failures})))
}

async fn copy(cx: Ctx) -> Result<Reply> {
    let old = stored(&cx, cx.param("id"))?;
    let name = format!("{} (copy)", text(&old, "name"));
    let yaml = set_top(&set_top(text(&old, "yaml"), "name", &json!(name).to_string()), "enabled", "false");
    let record = body_of(&cx, &yaml, None).await?;
    let id = free_id(&cx, &name)?;
    cx.put(Put {
        noun: Noun::Workflow,
        id: id.clone(),
        expect: Some(0),
        body: Some(record),
        action: "workflow.create",
    })
    .await?;
    Ok(Reply::ok(detail(&cx, &stored(&cx, &id)?)?))
}

async fn list(cx: Ctx) -> Result<Reply> {
    let page = cx.query.number("page", 1, 1, usize::MAX)?;
    let size = cx.query.number("size", 100, 0, SIZE_MAX)?;
    let (enabled, words) = (cx.query.flag("enabled")?, cx.query.get("query").unwrap_or_default().to_lowercase());
    let (tags, by) = (cx.query.comma_list("tags"), cx.query.comma_list("createdBy"));
    let mut all = shown(&cx)?;
    all.retain(|r| {
        let has_tag = |t: &String| {
            r.body.get("tags").and_then(Value::as_array).unwrap_or_default().iter().any(|v| v.as_str() == Some(t))
        };
        let found =
            || [text(r, "name"), text(r, "description"), &r.id].iter().any(|t| t.to_lowercase().contains(&words));
        enabled.is_none_or(|e| e == flag(r, "enabled"))
            && (tags.is_empty() || tags.iter().any(has_tag))
            && (by.is_empty() || by.iter().any(|b| b == text(r, "createdBy")))
            && (words.is_empty() || found())
    });
    match cx.query.get("sortField") {
        Some("name") => all.sort_by_key(|r| text(r, "name").to_lowercase()),
        Some("enabled") => all.sort_by_key(|r| (!flag(r, "enabled"), text(r, "name").to_lowercase())),
        _ => all.sort_by(|a, b| text(b, "lastUpdatedAt").cmp(text(a, "lastUpdatedAt"))),
    }
    if cx.query.get("sortOrder") == Some("desc") && cx.query.get("sortField").is_some() {
        all.reverse();
    }
    let total = all.len();
    let shown = all.iter().skip((page - 1).saturating_mul(size)).take(size).map(|r| item(&cx, r));
    Ok(Reply::ok(json!({"page": page, "size": size, "total": total, "results": shown.collect::<Result<Vec<_>>>()?})))
}

async fn mget(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let ids = body.get("ids").and_then(Json::as_array).filter(|i| i.len() <= BULK_MAX);
    let ids = ids
        .ok_or_else(|| ApiError::invalid(format!("[request body.ids]: expected an array of at most {BULK_MAX} ids")))?;
    let source: Option<Vec<&str>> =
        body.get("source").and_then(Json::as_array).map(|s| s.iter().filter_map(Json::as_str).collect());
    let mut all = Vec::new();
    for id in ids.iter().filter_map(Json::as_str) {
        let Some(record) = cx.state.records.find(Noun::Workflow, &cx.space, id)? else { continue };
        let mut wire = detail(&cx, &record)?;
        if let (Some(keep), Some(o)) = (&source, wire.as_object_mut()) {
            o.retain(|k, _| k == "id" || keep.contains(&k.as_str()));
        }
        all.push(wire);
    }
    Ok(Reply::ok(Json::Array(all)))
}

async fn stats(cx: Ctx) -> Result<Reply> {
    let all = shown(&cx)?;
    let enabled = all.iter().filter(|r| flag(r, "enabled")).count();
    Ok(Reply::ok(json!({
        "workflows": {"enabled": enabled, "disabled": all.len() - enabled, "invalid": all.iter().filter(|r| !flag(r, "valid")).count()},
        "executions": crate::extras::execution_counts(&cx)?,
    })))
}

async fn aggs(cx: Ctx) -> Result<Reply> {
    let all = shown(&cx)?;
    let mut answer = serde_json::Map::new();
    for field in cx.query.comma_list("fields") {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for record in &all {
            match record.body.get(&field) {
                Some(Value::Array(items)) => {
                    items.iter().filter_map(Value::as_str).for_each(|v| *counts.entry(v.to_owned()).or_default() += 1)
                }
                Some(Value::Str(v)) => *counts.entry(v.to_string()).or_default() += 1,
                Some(Value::Bool(v)) => *counts.entry(v.to_string()).or_default() += 1,
                _ => {}
            }
        }
        let buckets = counts.into_iter().map(|(key, n)| json!({"key": key, "label": key, "doc_count": n})).collect();
        answer.insert(field, Json::Array(buckets));
    }
    Ok(Reply::ok(Json::Object(answer)))
}

async fn connectors(cx: Ctx) -> Result<Reply> {
    let catalogue = cx.state.engine.catalogue(&cx.space);
    let mut types = serde_json::Map::new();
    for operation in catalogue.operations.values() {
        let Some(kind) = &operation.connector else { continue };
        let entry = types.entry(kind.to_string()).or_insert_with(|| {
            let instances = catalogue.connectors.values().filter(|c| c.kind == *kind);
            let instances: Vec<_> = instances.map(|c| json!({"id": c.id, "name": c.name, "isPreconfigured": false, "isDeprecated": false})).collect();
            json!({"actionTypeId": kind, "displayName": kind, "enabled": true, "subActions": [], "instances": instances})
        });
        if let Some(actions) = entry.get_mut("subActions").and_then(Json::as_array_mut) {
            actions.push(json!({"name": operation.name, "displayName": operation.title}));
        }
    }
    let total: usize = catalogue.connectors.len();
    Ok(Reply::ok(json!({"connectorTypes": types, "totalConnectors": total})))
}

/// The language as JSON Schema, for editors.
async fn schema(cx: Ctx) -> Result<Reply> {
    let catalogue = cx.state.engine.catalogue(&cx.space);
    Ok(Reply::ok(workflow::schema::json_schema(&catalogue)))
}

/// Keeps the text of a test run as a version to stand on; no workflow is left behind.
pub(crate) async fn store_for_test(cx: &Ctx, id: Option<&str>, yaml: &str) -> Result<Id> {
    let loaded = load(cx, yaml).await?;
    if !loaded.valid() {
        let found = diagnostics::wire(yaml, &loaded.found);
        return Err(ApiError::invalid("Workflow is not valid.").attributes(json!({"validationErrors": found})));
    }
    let mut record = body_of(cx, yaml, None).await?;
    if let Some(fields) = record.object_mut() {
        fields.insert("enabled", false);
        fields.insert("test_of", id.map(str::to_owned));
    }
    let id = Id::from(format!("{TEST_PREFIX}{}", crate::ids::uuid()));
    let put = |body: Option<Value>, expect: u64| Put {
        noun: Noun::Workflow,
        id: id.clone(),
        expect: Some(expect),
        body,
        action: "workflow.test",
    };
    // The version stays for the run; the workflow itself goes in the same commit.
    for result in cx.commit_without_key(vec![put(Some(record), 0), put(None, 1)]).await?.records {
        result?;
    }
    Ok(id)
}

/// Workflows that people see: not the texts of test runs that older versions left.
fn shown(cx: &Ctx) -> Result<Vec<Record>> {
    let mut all = cx.state.records.list(Noun::Workflow, &cx.space)?;
    all.retain(|r| !r.id.starts_with(TEST_PREFIX));
    Ok(all)
}

async fn validate(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let yaml = yaml_of(&body)?;
    let loaded = load(&cx, yaml).await?;
    let graph = loaded.program.as_ref().map(|p| json!(p.graph()));
    let meta = loaded.program.as_ref().map(Program::meta);
    let mut found = diagnostics::wire(yaml, &loaded.found);
    found.extend(beside(&cx, yaml, body.get("workflowId").and_then(Json::as_str))?);
    Ok(Reply::ok(json!({
        "valid": loaded.valid(),
        "diagnostics": found,
        "parsedWorkflow": definition(yaml),
        "graph": graph,
        "watchfire": {
            "effect": meta.as_ref().map_or("none", |m| m.effect.as_str()),
            "triggers": meta.as_ref().map_or_else(Vec::new, |m| m.triggers.clone()),
            "name": meta.as_ref().map(|m| m.name.clone()),
        },
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_at_the_top_are_set_in_place() {
        let yaml = "# mine\nname: a\nenabled: true # on\ntags:\n  - x\nsteps: []\n";
        assert_eq!(set_top(yaml, "enabled", "false"), "# mine\nname: a\nenabled: false\ntags:\n  - x\nsteps: []\n");
        assert_eq!(set_top(yaml, "tags", "[\"y\"]"), "# mine\nname: a\nenabled: true # on\ntags: [\"y\"]\nsteps: []\n");
        assert_eq!(set_top("name: a\n", "enabled", "true"), "enabled: true\nname: a\n");
        assert_eq!(
            set_top("name: a\ndescription: |\n  two\n  lines\nsteps: []\n", "description", "\"d\""),
            "name: a\ndescription: \"d\"\nsteps: []\n"
        );
    }
}
