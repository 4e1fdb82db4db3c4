//! Versions of a workflow: list, look at, compare, restore.
//!
//! Invariants: a restore writes a new version whose text is the old one's; nothing that was is changed.
//! Source: `docs/reference/ui-api.md` §5.7.

use crate::commit::Put;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::routes::workflow::{body_of, load, seen, stored, text};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use stdx::{Id, Value};
use store::{ExecutionFilter, Noun, RecordVersion};
use workflow::Status;

/// Executions that the figures of versions are counted over.
const COUNTED_MAX: u64 = 10_000;
/// Versions of one answer.
const VERSIONS_MAX: usize = 1_000;

const READ: Access = Access::Needs("workflows:read");
const WRITE: Access = Access::Needs("workflows:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/api/workflows/workflow/{id}/versions", READ, "Lists versions", h!(list)).versioned(),
    Route::read(Method::Get, "/api/workflows/workflow/{id}/versions/{n}", READ, "Gets a version", h!(get)).versioned(),
    Route::read(Method::Get, "/api/workflows/workflow/{id}/diff", READ, "Compares two versions", h!(diff)).versioned(),
    Route::change(
        Method::Post,
        "/api/workflows/workflow/{id}/versions/{n}/restore",
        WRITE,
        "Makes a version the present one",
        h!(restore),
    )
    .versioned(),
];

fn member<'a>(version: &'a RecordVersion, key: &str) -> Option<&'a Value> {
    version.body.get(key)
}

fn yaml(version: &RecordVersion) -> &str {
    member(version, "yaml").and_then(Value::as_str).unwrap_or_default()
}

fn one(cx: &Ctx, id: &str, n: u64) -> Result<RecordVersion> {
    let found = cx.read(|r| r.record_version(Noun::Workflow, &cx.space, id, n))?;
    found.ok_or_else(|| ApiError::not_found(format!("Workflow \"{id}\" has no version {n}")))
}

fn number(cx: &Ctx, name: &str, given: Option<&str>) -> Result<Option<u64>> {
    let Some(word) = given else { return Ok(None) };
    let n = word.parse::<u64>().ok().filter(|n| *n >= 1);
    n.map(Some)
        .ok_or_else(|| ApiError::invalid(format!("[request {name}]: `{word}` is not a version of {}", cx.param("id"))))
}

async fn list(cx: Ctx) -> Result<Reply> {
    let record = stored(&cx, cx.param("id"))?;
    let history = cx.read(|r| r.record_history(Noun::Workflow, &cx.space, &record.id))?;
    let filter = ExecutionFilter {
        space: cx.space.clone(),
        workflow: Some(record.id.clone()),
        test: Some(false),
        limit: COUNTED_MAX,
        ..ExecutionFilter::default()
    };
    let mut runs: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for row in cx.read(|r| r.execution_list(&filter))? {
        let entry = runs.entry(row.version).or_default();
        entry.0 += 1;
        entry.1 += usize::from(matches!(row.status, Status::Failed | Status::TimedOut));
    }
    let versions: Vec<Json> = history
        .iter()
        .take(VERSIONS_MAX)
        .map(|v| {
            let (executions, failed) = runs.get(&v.version).copied().unwrap_or_default();
            json!({
                "version": v.version, "at": v.at.iso(), "by": v.by, "valid": member(v, "valid").and_then(Value::as_bool).unwrap_or(false),
                "name": member(v, "name").map(Json::from), "steps": v.body.path(&["summary", "steps"]).map(Json::from),
                "effect": v.body.path(&["summary", "effect"]).map(Json::from),
                "current": v.version == record.version, "executions": executions, "failed": failed,
            })
        })
        .collect();
    Ok(Reply::ok(json!({"versions": versions})))
}

async fn get(cx: Ctx) -> Result<Reply> {
    stored(&cx, cx.param("id"))?;
    let n = number(&cx, "path.n", Some(cx.param("n")))?.unwrap_or_default();
    let v = one(&cx, cx.param("id"), n)?;
    Ok(Reply::ok(json!({"version": v.version, "at": v.at.iso(), "by": v.by, "yaml": yaml(&v)})))
}

async fn diff(cx: Ctx) -> Result<Reply> {
    let record = stored(&cx, cx.param("id"))?;
    let from = number(&cx, "query.from", cx.query.get("from"))?
        .ok_or_else(|| ApiError::invalid("[request query.from]: expected the number of the older version"))?;
    let to = number(&cx, "query.to", cx.query.get("to"))?.unwrap_or(record.version);
    let (old, new) = (one(&cx, &record.id, from)?, one(&cx, &record.id, to)?);
    let (before, after) = (load(&cx, yaml(&old)).await?, load(&cx, yaml(&new)).await?);
    let steps = match (&before.program, &after.program) {
        (Some(a), Some(b)) => json!(workflow::diff::steps(a, b)),
        _ => Json::Null,
    };
    let effect = |l: &crate::routes::workflow::Loaded| l.program.as_ref().map(|p| p.class().as_str());
    let lines = workflow::diff::lines(yaml(&old), yaml(&new));
    let count = |op: char| lines.iter().filter(|l| l.op == op).count();
    Ok(Reply::ok(json!({
        "from": from, "to": to, "added": count('+'), "removed": count('-'), "lines": lines, "steps": steps,
        "effect": {"from": effect(&before), "to": effect(&after)},
    })))
}

async fn restore(cx: Ctx) -> Result<Reply> {
    let record = stored(&cx, cx.param("id"))?;
    let n = number(&cx, "path.n", Some(cx.param("n")))?.unwrap_or_default();
    let old = one(&cx, &record.id, n)?;
    let body = body_of(&cx, yaml(&old), Some(&record)).await?;
    let put = Put {
        noun: Noun::Workflow,
        id: Id::from(&*record.id),
        expect: Some(record.version),
        body: Some(body),
        action: "workflow.restore",
    };
    cx.put(put).await?;
    let new = stored(&cx, &record.id)?;
    debug_assert_eq!(text(&new, "yaml"), yaml(&old));
    Ok(Reply::ok(seen(&cx, &new)?))
}
