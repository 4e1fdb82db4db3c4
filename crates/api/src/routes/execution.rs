//! Runs: start, test, list, look at, logs, cancel, resume.
//!
//! Invariants: a start is answered after its commit; reading a run never changes it; `resume` answers the open question at its current hash.
//! Not here: the state machine (`workflow`), the fold for people (`run`).
//! Source: `reference/workflow-language.md` §8.2 – §8.5, `docs/reference/ui-api.md` §5.2, §5.3.

use crate::error::{ApiError, ErrorCode, Result};
use crate::extras;
use crate::http::{Ctx, Reply};
use crate::routes::{approval, execution_start, workflow as workflows};
use crate::run::{self, View};
use crate::table::{Access, Method, Route, h};
use engine::handle::RunRequest;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use store::{ExecutionFilter, ExecutionRow, QuestionFilter};
use triage::question::Verdict;
use triage::{Command, QuestionKind};
use workflow::{Body, Status};

/// Runs of one page.
pub const SIZE_MAX: usize = 1_000;
/// Bytes of the trigger's event that the detail shows at once.
pub const CONTEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a detail answer.
pub const DETAIL_BYTES_MAX: usize = 32 * 1024 * 1024;

const ACTIVE: [Status; 6] = [
    Status::Queued,
    Status::Pending,
    Status::Running,
    Status::Waiting,
    Status::WaitingForInput,
    Status::WaitingForChild,
];

const READ: Access = Access::Needs("executions:read");
const RUN: Access = Access::Needs("workflows:execute");
const CANCEL: Access = Access::Needs("executions:cancel");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::change(Method::Post, "/api/workflows/workflow/{id}/run", RUN, "Starts a run", h!(start)).versioned(),
    Route::change(Method::Post, "/api/workflows/{id}/run", RUN, "Starts a run", h!(start)).versioned(),
    Route::read(
        Method::Get,
        "/api/workflows/workflow/{id}/executions",
        READ,
        "Lists the runs of a workflow",
        h!(of_workflow),
    )
    .versioned(),
    Route::read(
        Method::Get,
        "/api/workflows/workflow/{id}/executions/steps",
        READ,
        "Lists step executions over runs",
        h!(steps),
    )
    .versioned(),
    Route::change(
        Method::Post,
        "/api/workflows/workflow/{id}/executions/cancel",
        CANCEL,
        "Cancels the runs of a workflow",
        h!(cancel_all),
    )
    .versioned(),
    Route::read(Method::Get, "/api/workflows/executions", READ, "Lists runs", h!(list)).versioned(),
    Route::read(Method::Get, "/api/workflows/executions/{id}", READ, "Gets a run", h!(get)).versioned(),
    Route::read(Method::Get, "/api/workflows/executions/{id}/step/{step}", READ, "Gets a step of a run", h!(step))
        .versioned(),
    Route::read(
        Method::Get,
        "/api/workflows/executions/{id}/children",
        READ,
        "Lists the runs that a run started",
        h!(children),
    )
    .versioned(),
    Route::read(Method::Get, "/api/workflows/executions/{id}/logs", READ, "Lists the log of a run", h!(logs))
        .versioned(),
    Route::change(Method::Post, "/api/workflows/executions/{id}/cancel", CANCEL, "Cancels a run", h!(cancel))
        .versioned(),
    Route::change(
        Method::Post,
        "/api/workflows/executions/{id}/resume",
        Access::Needs("approvals:decide"),
        "Answers the open question of a run",
        h!(resume),
    )
    .versioned(),
    // Paths of 9.3 that library workflows still call.
    Route::read(Method::Get, "/api/workflowExecutions", READ, "Lists runs", h!(list)).versioned(),
    Route::read(Method::Get, "/api/workflowExecutions/{id}", READ, "Gets a run", h!(get)).versioned(),
    Route::change(Method::Post, "/api/workflowExecutions/{id}/cancel", CANCEL, "Cancels a run", h!(cancel)).versioned(),
    Route::change(
        Method::Post,
        "/api/workflowExecutions/{id}/resume",
        Access::Needs("approvals:decide"),
        "Answers the open question of a run",
        h!(resume),
    )
    .versioned(),
];

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Workflow execution with id \"{id}\" not found"))
}

/// The head of a run of the space.
pub(crate) fn head(cx: &Ctx, id: &str) -> Result<ExecutionRow> {
    let head = cx.read(|r| r.execution_get(id))?;
    head.filter(|h| h.space == cx.space).ok_or_else(|| missing(id))
}

pub(crate) fn object(body: &Json, key: &str) -> Result<Value> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(Value::object::<&str>([])),
        Some(v @ Json::Object(_)) => Ok(Value::from(v.clone())),
        Some(_) => Err(ApiError::invalid(format!("[request body.{key}]: expected value of type [object]"))),
    }
}

/// `inputs` without its member `event`, and that.
pub(crate) fn inputs(body: &Json) -> Result<(Value, Value)> {
    let mut inputs = object(body, "inputs")?;
    let event = inputs.object_mut().and_then(|o| o.remove("event")).unwrap_or_default();
    Ok((inputs, event))
}

async fn start(cx: Ctx) -> Result<Reply> {
    let body = cx.json_or_empty()?;
    let (inputs, event) = inputs(&body)?;
    let request = RunRequest {
        space: cx.space.clone(),
        workflow: Id::from(cx.param("id")),
        inputs,
        event,
        metadata: object(&body, "metadata")?,
        by: cx.principal.user.clone(),
        test: false,
        execution: None,
    };
    let execution = run_once(&cx, request).await?;
    Ok(Reply::ok(json!({"workflowExecutionId": execution})))
}

/// Starts a run; a repeated request with the same key gets the run of its first attempt, started if that never came to it.
pub(crate) async fn run_once(cx: &Ctx, mut request: RunRequest) -> Result<Id> {
    if cx.key()?.is_some() {
        let chosen = stdx::id::uuid_v7(cx.now, crate::auth::random());
        let of = ("workflow".into(), request.workflow.clone());
        let details = Value::object([("execution", Value::from(chosen))]);
        let noted = cx.command(Command::Note { action: "workflow.run".into(), of, details }).await?;
        let execution = noted.get("execution").and_then(Value::as_str).map(Id::from);
        let execution = execution.ok_or_else(|| ApiError::internal("the first answer of a keyed run has no id"))?;
        if cx.read(|r| r.execution_get(&execution))?.is_some() {
            return Ok(execution);
        }
        request.execution = Some(execution);
    }
    Ok(cx.state.engine.run(request).await?)
}

// ---- lists ----

/// Runs looked at where a filter is not one of the store's.
const SCANNED_MAX: u64 = 10_000;

/// The values of a parameter; with several the last word decides nothing, all count.
fn ids(cx: &Ctx, key: &str) -> Vec<Id> {
    cx.query.comma_list(key).into_iter().map(Id::from).collect()
}

struct Paged {
    filter: ExecutionFilter,
    page: usize,
    size: usize,
    /// Filters beyond the store's: workflows, rules, who asked.
    workflows: Vec<Id>,
    rules: Vec<Id>,
    by: Vec<String>,
    /// Started and finished, each after and before.
    times: [Option<Time>; 4],
    parent: Option<String>,
    by_end: bool,
}

impl Paged {
    /// True when the store's filter says everything.
    fn plain(&self) -> bool {
        self.workflows.len() <= 1
            && self.rules.len() <= 1
            && self.by.is_empty()
            && self.times.iter().all(Option::is_none)
            && self.parent.is_none()
            && !self.by_end
    }
    fn holds(&self, row: &ExecutionRow) -> bool {
        (self.workflows.is_empty() || self.workflows.contains(&row.workflow))
            && (self.rules.is_empty() || row.rule.as_ref().is_some_and(|r| self.rules.contains(r)))
            && (self.by.is_empty() || self.by.iter().any(|b| **b == *row.principal))
            && self
                .parent
                .as_ref()
                .is_none_or(|p| row.parent.as_ref().is_some_and(|at| at.split('/').next() == Some(p.as_str())))
            && self.times[0].is_none_or(|t| row.started.is_some_and(|s| s >= t))
            && self.times[1].is_none_or(|t| row.started.is_some_and(|s| s < t))
            && self.times[2].is_none_or(|t| row.finished.is_some_and(|s| s >= t))
            && self.times[3].is_none_or(|t| row.finished.is_some_and(|s| s < t))
    }
    /// The page's rows and how many match.
    fn read(&self, cx: &Ctx) -> Result<(Vec<ExecutionRow>, u64)> {
        if self.plain() {
            let rows = cx.read(|r| r.execution_list(&self.filter))?;
            return Ok((rows, cx.read(|r| r.execution_count(&self.filter))?));
        }
        let all = ExecutionFilter { offset: 0, limit: SCANNED_MAX, ..self.filter.clone() };
        let mut rows: Vec<_> = cx.read(|r| r.execution_list(&all))?.into_iter().filter(|r| self.holds(r)).collect();
        if self.by_end {
            rows.sort_by_key(|r| r.finished.unwrap_or(cx.now));
            if !self.filter.ascending {
                rows.reverse();
            }
        }
        let total = rows.len() as u64;
        let from = usize::try_from(self.filter.offset).unwrap_or(usize::MAX);
        Ok((rows.into_iter().skip(from).take(self.size).collect(), total))
    }
}

fn one_of(cx: &Ctx, key: &str) -> Result<Option<Id>> {
    let mut all = ids(cx, key);
    match all.len() {
        0 | 1 => Ok(all.pop()),
        n => Err(ApiError::invalid(format!("[request query.{key}]: one value is possible, got {n}"))),
    }
}

fn paged(cx: &Ctx, workflow: Option<&str>) -> Result<Paged> {
    let page = cx.query.number("page", 1, 1, usize::MAX)?;
    let size = cx.query.number("size", 50, 0, SIZE_MAX)?;
    let from = match cx.query.get("from") {
        Some(_) => Some(cx.query.number("from", 0, 0, usize::MAX)?),
        None => None,
    };
    let kinds = cx.query.comma_list("executionTypes");
    if let Some(other) = kinds.iter().find(|k| !matches!(k.as_str(), "test" | "production")) {
        return Err(ApiError::invalid(format!("[request query.executionTypes]: `{other}` is not production or test")));
    }
    let mut times = [None; 4];
    for (slot, key) in times.iter_mut().zip(["startedAfter", "startedBefore", "finishedAfter", "finishedBefore"]) {
        if let Some(text) = cx.query.get(key) {
            let time = Time::parse(text);
            *slot = Some(time.ok_or_else(|| {
                ApiError::invalid(format!("[request query.{key}]: `{text}` is not a time such as 2026-01-15T12:00:00Z"))
            })?);
        }
    }
    let by_end = match cx.query.get("sortField") {
        None | Some("createdAt" | "startedAt") => false,
        Some("finishedAt") => true,
        Some(other) => {
            return Err(ApiError::invalid(format!(
                "[request query.sortField]: `{other}` is not createdAt or finishedAt"
            )));
        }
    };
    let mut workflows = ids(cx, "workflowId");
    workflows.extend(workflow.map(Id::from));
    let rules = ids(cx, "ruleId");
    let statuses = cx.query.comma_list("statuses").iter().map(|s| status(s)).collect::<Result<Vec<_>>>()?;
    let filter = ExecutionFilter {
        space: cx.space.clone(),
        workflow: workflows.first().filter(|_| workflows.len() == 1).cloned(),
        statuses,
        triggered: cx.query.comma_list("triggeredBy").into_iter().map(Arc::from).collect(),
        rule: rules.first().filter(|_| rules.len() == 1).cloned(),
        alert: one_of(cx, "alertId")?,
        case: one_of(cx, "caseId")?,
        // Both named is as if neither were.
        test: kinds.first().filter(|k| kinds.iter().all(|other| other == *k)).map(|k| k == "test"),
        since: None,
        ascending: cx.query.get("sortOrder") == Some("asc"),
        offset: from.unwrap_or_else(|| (page - 1).saturating_mul(size)) as u64,
        limit: size as u64,
    };
    Ok(Paged {
        filter,
        page,
        size,
        workflows,
        rules,
        by: cx.query.comma_list("executedBy"),
        times,
        parent: None,
        by_end,
    })
}

fn status(word: &str) -> Result<Status> {
    let json = Json::String(word.to_owned());
    serde_json::from_value(json)
        .map_err(|_| ApiError::invalid(format!("[request query.statuses]: `{word}` is not a status")))
}

async fn list(cx: Ctx) -> Result<Reply> {
    answer(&cx, None)
}

async fn of_workflow(cx: Ctx) -> Result<Reply> {
    workflows::stored(&cx, cx.param("id"))?;
    answer(&cx, Some(cx.param("id")))
}

async fn children(cx: Ctx) -> Result<Reply> {
    let head = head(&cx, cx.param("id"))?;
    let paged = Paged { parent: Some(head.id.to_string()), ..paged(&cx, None)? };
    shown(&cx, &paged)
}

fn answer(cx: &Ctx, workflow: Option<&str>) -> Result<Reply> {
    let paged = paged(cx, workflow)?;
    shown(cx, &paged)
}

fn shown(cx: &Ctx, paged: &Paged) -> Result<Reply> {
    let (heads, total) = paged.read(cx)?;
    let results = heads.iter().map(|h| item(cx, h)).collect::<Result<Vec<_>>>()?;
    let counts = cx.read(|r| r.execution_counts(&paged.filter))?;
    Ok(Reply::ok(json!({
        "results": results, "page": paged.page, "size": paged.size, "total": total,
        "counts": {"all": counts.all, "active": counts.active, "waiting": counts.waiting, "failed": counts.failed},
    })))
}

/// A run as a list item.
pub(crate) fn item(cx: &Ctx, head: &ExecutionRow) -> Result<Json> {
    let end = head.finished.unwrap_or(cx.now);
    let started = head.started.unwrap_or(head.arrived);
    let ms = |us: i64| us.max(0) / 1_000;
    let total = ms(end.since(started).0);
    let waited = extras::waited_ms(cx, head)?.min(total);
    Ok(json!({
        "id": head.id, "workflowId": head.workflow, "workflowName": head.name, "spaceId": head.space, "status": head.status.as_str(),
        "isTestRun": head.test, "startedAt": started.iso(), "finishedAt": head.finished.map(stdx::Time::iso),
        "duration": head.finished.map(|_| total), "error": run::fault_wire(head.error.as_ref()), "executedBy": head.principal,
        "triggeredBy": head.triggered, "concurrencyGroupKey": Json::Null,
        "watchfire": {
            "effect": head.class.as_str(), "queue_ms": ms(started.since(head.arrived).0), "run_ms": total - waited, "wait_ms": waited,
            "cause": extras::cause_text(cx, head)?, "rule": extras::rule_ref(cx, head)?, "alerts": extras::execution_alerts(cx, &head.id)?,
            "case": extras::execution_case(cx, &head.id)?, "approval": extras::execution_approval(cx, &head.id)?, "held": 0,
            "dry_run": head.dry, "test_of": test_of(cx, head)?,
        },
    }))
}

/// The workflow whose text, unsaved, a test run tried; its own id is one of its own.
fn test_of(cx: &Ctx, head: &ExecutionRow) -> Result<Option<Arc<str>>> {
    if !head.test || !head.workflow.starts_with(workflows::TEST_PREFIX) {
        return Ok(None);
    }
    let kept = cx.read(|r| r.record_version(store::Noun::Workflow, &head.space, &head.workflow, head.version))?;
    Ok(kept.and_then(|v| v.body.get("test_of").and_then(Value::as_str).map(Arc::from)))
}

// ---- one run ----

/// The journal of a run, folded for people.
pub(crate) fn view(cx: &Ctx, id: &str) -> Result<View> {
    let rows = cx.read(|r| r.journal_read(id, 0))?;
    let facts: Vec<_> = rows.into_iter().flat_map(|row| row.facts).collect();
    Ok(View::fold(id, &facts))
}

/// The value of a body; payloads are read beside the journal.
pub(crate) fn value(cx: &Ctx, execution: &str, body: &Body) -> Result<Json> {
    Ok(match body {
        Body::Null => Json::Null,
        Body::Inline(v) => Json::from(&**v),
        Body::Payload(p) => cx.read(|r| r.payload_get(execution, *p))?.map_or(Json::Null, |v| Json::from(&v)),
        Body::Blob(b) => json!({"blob": b.0}),
    })
}

fn step_wire(cx: &Ctx, head: &ExecutionRow, step: &run::Step, nth: (usize, usize), with: (bool, bool)) -> Result<Json> {
    let end = step.finished.unwrap_or(cx.now);
    let scopes: Vec<_> = step
        .scopes
        .iter()
        .map(|h| json!({"name": h.name, "kind": run::role_word(h.role), "index": (h.role == workflow::Role::Loop).then_some(h.index)}))
        .collect();
    let time = |t: Option<stdx::Time>| t.map(stdx::Time::iso);
    let plain = step.attempts.len() <= 1 && step.attempts.iter().all(|a| a.error.is_none());
    let attempts: Vec<_> = step
        .attempts
        .iter()
        .enumerate()
        .filter(|_| !plain)
        .map(|(i, a)| {
            json!({
                "n": i + 1, "startedAt": time(a.started), "finishedAt": time(a.finished), "status": a.status.as_str(),
                "error": a.error.as_ref().map(|f| json!({"type": f.kind, "message": f.message})), "next_at": time(a.next),
            })
        })
        .collect();
    let waits: Vec<_> =
        step.waits.iter().map(|w| json!({"kind": w.kind, "from": w.from.iso(), "to": time(w.to)})).collect();
    let connector = match &step.connector {
        Some(id) => extras::connector_ref(cx, id)?,
        None => Json::Null,
    };
    let approval = match &step.approval {
        Some(id) => Some(id.clone()),
        None => extras::settlement_of(cx, &head.id, &step.path)?,
    };
    let mut wire = json!({
        "id": step.id, "stepId": step.name, "stepType": step.kind, "workflowRunId": head.id, "workflowId": head.workflow,
        "status": step.status.as_str(), "scopeStack": scopes, "startedAt": step.started.iso(), "finishedAt": time(step.finished),
        "executionTimeMs": step.finished.map(|_| end.since(step.started).0.max(0) / 1_000), "topologicalIndex": nth.1,
        "globalExecutionIndex": nth.0, "stepExecutionIndex": step.nth, "error": run::fault_wire(step.error.as_ref()),
        "watchfire": {
            "effect": step.class.as_str(), "connector": connector, "attempts": attempts, "waits": waits, "approval": approval,
            "request": step.request, "secrets": step.secrets, "key": step.key, "delivery": step.delivery,
        },
    });
    if let Some(o) = wire.as_object_mut() {
        if with.0 {
            o.insert("input".into(), value(cx, &head.id, &step.input)?);
        }
        if with.1 {
            o.insert("output".into(), value(cx, &head.id, &step.output)?);
        }
    }
    Ok(wire)
}

/// Every step of a run on the wire, in the order of their start.
fn steps_wire(cx: &Ctx, head: &ExecutionRow, view: &View, with: (bool, bool)) -> Result<Vec<Json>> {
    let mut order: Vec<&str> = Vec::new();
    let mut all = Vec::with_capacity(view.steps.len());
    let mut bytes = 0usize;
    for (i, step) in view.steps.iter().enumerate() {
        let at = order.iter().position(|n| **n == *step.name).unwrap_or_else(|| {
            order.push(&step.name);
            order.len() - 1
        });
        let wire = step_wire(cx, head, step, (i, at + 1), with)?;
        if with.0 || with.1 {
            bytes += wire.to_string().len();
            if bytes > DETAIL_BYTES_MAX {
                let message = "Execution is too large to return with inputs and outputs. Get its steps one by one.";
                return Err(ApiError::new(ErrorCode::TooLarge, message));
            }
        }
        all.push(wire);
    }
    Ok(all)
}

async fn get(cx: Ctx) -> Result<Reply> {
    let head = head(&cx, cx.param("id"))?;
    let with = (cx.query.flag("includeInput")? == Some(true), cx.query.flag("includeOutput")? == Some(true));
    let view = view(&cx, &head.id)?;
    let mut wire = item(&cx, &head)?;
    let yaml = extras::yaml_of(&cx, &head)?;
    let event = value(&cx, &head.id, &view.event)?;
    let inputs = value(&cx, &head.id, &view.inputs)?;
    let context = json!({"inputs": inputs, "event": event});
    let context = if context.to_string().len() <= CONTEXT_BYTES_MAX { context } else { Json::Null };
    let (rerun_of, reruns) = execution_start::links(&cx, &head, &view)?;
    if let Some(o) = wire.get_mut("watchfire").and_then(Json::as_object_mut) {
        o.insert("rerun_of".into(), json!(rerun_of));
        o.insert("reruns".into(), json!(reruns));
    }
    if let Some(o) = wire.as_object_mut() {
        o.insert("createdAt".into(), json!(head.arrived.iso()));
        o.insert("version".into(), json!(head.version));
        o.insert("yaml".into(), json!(yaml));
        o.insert("context".into(), context);
        o.insert(
            "output".into(),
            if with.1 || view.steps.len() < 50 { value(&cx, &head.id, &view.output)? } else { Json::Null },
        );
        o.insert("cancelRequested".into(), json!(view.cancelled));
        if cx.query.flag("omitStepExecutions")? != Some(true) {
            o.insert("stepExecutions".into(), Json::Array(steps_wire(&cx, &head, &view, with)?));
        }
    }
    Ok(Reply::ok(wire))
}

async fn step(cx: Ctx) -> Result<Reply> {
    let head = head(&cx, cx.param("id"))?;
    let view = view(&cx, &head.id)?;
    let id = cx.param("step");
    if id == "trigger" {
        return Ok(Reply::ok(json!({
            "id": "trigger", "stepId": "trigger", "workflowRunId": head.id,
            "input": value(&cx, &head.id, &view.inputs)?, "output": value(&cx, &head.id, &view.event)?,
        })));
    }
    let at = view.steps.iter().position(|s| s.id == id);
    let at = at.ok_or_else(|| ApiError::not_found(format!("Step execution with id \"{id}\" not found")))?;
    Ok(Reply::ok(step_wire(&cx, &head, &view.steps[at], (at, at + 1), (true, true))?))
}

async fn steps(cx: Ctx) -> Result<Reply> {
    workflows::stored(&cx, cx.param("id"))?;
    let paged = paged(&cx, Some(cx.param("id")))?;
    let with = (cx.query.flag("includeInput")? == Some(true), cx.query.flag("includeOutput")? == Some(true));
    let (heads, total) = paged.read(&cx)?;
    let mut results = Vec::new();
    for head in &heads {
        let view = view(&cx, &head.id)?;
        let all = steps_wire(&cx, head, &view, with)?;
        results.extend(all.into_iter().filter(|s| cx.query.get("stepId").is_none_or(|id| s["stepId"] == id)));
    }
    Ok(Reply::ok(json!({"results": results, "page": paged.page, "size": paged.size, "total": total})))
}

async fn logs(cx: Ctx) -> Result<Reply> {
    let head = head(&cx, cx.param("id"))?;
    let (page, size) = (cx.query.number("page", 1, 1, usize::MAX)?, cx.query.number("size", 100, 0, SIZE_MAX)?);
    let view = view(&cx, &head.id)?;
    let mut lines: Vec<_> =
        view.logs.iter().filter(|l| cx.query.get("stepExecutionId").is_none_or(|id| l.step_execution == id)).collect();
    if cx.query.get("sortOrder") == Some("desc") {
        lines.reverse();
    }
    let total = lines.len();
    let shown: Vec<_> = lines
        .into_iter()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|l| json!({"timestamp": l.at.iso(), "level": l.level, "message": l.message, "stepId": l.step, "stepExecutionId": l.step_execution}))
        .collect();
    Ok(Reply::ok(json!({"logs": shown, "total": total, "page": page, "size": size})))
}

async fn cancel(cx: Ctx) -> Result<Reply> {
    let head = head(&cx, cx.param("id"))?;
    let body = cx.json_or_empty()?;
    let reason = body.get("reason").and_then(Json::as_str);
    cx.state.engine.cancel(&head.id, &cx.principal.user, reason).await?;
    Ok(Reply::ok(json!({"success": true, "executionId": head.id})))
}

async fn cancel_all(cx: Ctx) -> Result<Reply> {
    workflows::stored(&cx, cx.param("id"))?;
    let filter = ExecutionFilter {
        space: cx.space.clone(),
        workflow: Some(Id::from(cx.param("id"))),
        statuses: ACTIVE.to_vec(),
        limit: SIZE_MAX as u64,
        ..ExecutionFilter::default()
    };
    let heads = cx.read(|r| r.execution_list(&filter))?;
    let mut cancelled = 0;
    for head in heads {
        match cx.state.engine.cancel(&head.id, &cx.principal.user, None).await {
            Ok(()) => cancelled += 1,
            // It ended in the meantime.
            Err(refusal) if refusal.kind == triage::RefusalKind::Conflict => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Ok(Reply::ok(json!({"success": true, "cancelled": cancelled})))
}

async fn resume(cx: Ctx) -> Result<Reply> {
    let head = head(&cx, cx.param("id"))?;
    let body = cx.json_or_empty()?;
    let input = body.get("input").cloned().unwrap_or_else(|| body.clone());
    let filter = QuestionFilter {
        space: cx.space.clone(),
        execution: Some(head.id.clone()),
        open: Some(true),
        limit: 100,
        ..QuestionFilter::default()
    };
    let open = cx.read(|r| r.question_list(&filter))?;
    let wanted = body.get("stepExecutionId").and_then(Json::as_str);
    let row = open.into_iter().find(|r| {
        let step = crate::run::step_id_of_text(&r.question.execution, &r.question.path);
        matches!(r.question.kind, QuestionKind::Question | QuestionKind::Input) && wanted.is_none_or(|w| w == step)
    });
    let row =
        row.ok_or_else(|| ApiError::conflict(format!("Workflow execution \"{}\" is not waiting for input", head.id)))?;
    if row.question.kind == QuestionKind::Input {
        let id = row.question.id.clone();
        let output = Some(Value::from(input));
        // The row judges again; here it is said by field, for the form that was filled in.
        let problems = triage::question::input_problems(&row.question.schema, output.as_ref());
        if let Some(why) = triage::question::input_problem(&problems) {
            let errors: Vec<_> = problems.iter().map(|p| json!({"pointer": p.pointer, "message": p.message})).collect();
            return Err(ApiError::invalid(why).attributes(json!({"errors": errors})));
        }
        let ask = Command::QuestionDecide {
            id: id.clone(),
            verdict: Verdict::Answer,
            hash: None,
            comment: None,
            output,
            signature: None,
        };
        approval::answer(&cx, &id, ask, None).await?;
        return Ok(Reply::ok(json!({"success": true, "executionId": head.id, "message": "Workflow resume scheduled"})));
    }
    let approved = match input.get("approved").or_else(|| input.get("response")) {
        Some(Json::Bool(yes)) => *yes,
        Some(Json::String(word)) if matches!(word.as_str(), "true" | "approve" | "approved" | "yes") => true,
        Some(Json::String(word)) if matches!(word.as_str(), "false" | "reject" | "rejected" | "no") => false,
        _ => return Err(ApiError::invalid("[request body.input.approved]: expected value of type [boolean]")),
    };
    let verdict = if approved { Verdict::Approve } else { Verdict::Reject };
    let comment = input.get("comment").or_else(|| input.get("reason")).and_then(Json::as_str).map(Arc::from);
    let id = row.question.id.clone();
    let ask = Command::QuestionDecide {
        id: id.clone(),
        verdict,
        hash: Some(row.question.hash),
        comment,
        output: None,
        signature: None,
    };
    approval::answer(&cx, &id, ask, None).await?;
    Ok(Reply::ok(json!({"success": true, "executionId": head.id, "message": "Workflow resume scheduled"})))
}
