//! Test runs of unsaved text, single steps, dry runs and reruns.
//!
//! Invariants: a test run leaves no workflow behind; a dry run is marked as one in its `Start`, and writer and executor refuse its effects;
//! a rerun takes nothing but data of the earlier run, so every destructive step asks again.
//! Source: `reference/workflow-language.md` §8.2, `docs/reference/ui-api.md` §5.5, §5.6.

use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply, YAML_BODY_BYTES_MAX};
use crate::routes::execution::{head, inputs, object, value, view};
use crate::routes::workflow as workflows;
use crate::run::View;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use stdx::{Id, Value};
use store::{AuditFilter, ExecutionRow, Noun};
use workflow::{Body, Cause, Mode, Program, Start};

/// What the audit entry of a rerun says of itself; it stands at the run it repeats.
const RERUN: &str = "workflow.rerun";
/// Reruns of one run that it lists, newest first.
const RERUNS_MAX: u64 = 100;

const RUN: Access = Access::Needs("workflows:execute");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::change(Method::Post, "/api/workflows/test", RUN, "Starts a test run", h!(test))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    Route::change(Method::Post, "/api/workflows/step/test", RUN, "Runs one step", h!(step_test))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    // The path of 9.3.
    Route::change(Method::Post, "/api/workflows/testStep", RUN, "Runs one step", h!(step_test))
        .versioned()
        .body(YAML_BODY_BYTES_MAX),
    Route::change(Method::Post, "/api/workflows/executions/{id}/rerun", RUN, "Runs again from a step on", h!(rerun))
        .versioned(),
];

/// A start by the person who asks.
fn start_of(cx: &Ctx, workflow: Id, version: u64) -> Start {
    // Ids of runs stand in the order of their start: lists go by them.
    let execution = stdx::id::uuid_v7(cx.now, crate::auth::random());
    Start {
        execution: execution.clone(),
        root: execution,
        space: cx.space.clone(),
        visited: vec![workflow.clone()],
        workflow,
        version,
        principal: cx.principal.user.clone(),
        cause: Cause::Manual,
        at: cx.now,
        ..Start::default()
    }
}

/// Starts; a repeated request with the same key gets the run of its first attempt. A rerun is noted at the run it repeats, which is how
/// that one finds it.
async fn begin(cx: &Ctx, mut start: Start) -> Result<Reply> {
    let of = match &start.mode {
        Mode::From(earlier, _) => Some((RERUN, ("execution".into(), earlier.clone()))),
        _ => cx.key()?.map(|_| ("workflow.test", ("workflow".into(), start.workflow.clone()))),
    };
    if let Some((action, of)) = of {
        let details = Value::object([("execution", Value::from(start.execution.clone()))]);
        let noted = cx.command(triage::Command::Note { action: action.into(), of, details }).await?;
        let first = noted.get("execution").and_then(Value::as_str).map(Id::from);
        let first = first.ok_or_else(|| ApiError::internal("the first answer of a keyed run has no id"))?;
        if cx.read(|r| r.execution_get(&first))?.is_some() {
            return Ok(Reply::ok(json!({"workflowExecutionId": first})));
        }
        start.execution = first.clone();
        start.root = first;
    }
    let execution = cx.state.engine.start(start).await?;
    Ok(Reply::ok(json!({"workflowExecutionId": execution})))
}

/// The text of a request, kept for the run: the workflow and its version to stand on.
async fn standing(cx: &Ctx, body: &Json) -> Result<(Id, u64)> {
    let field = |key: &str| body.get(key).and_then(Json::as_str);
    match (field("workflowId"), field("workflowYaml")) {
        (None, None) => Err(ApiError::invalid("Either 'workflowId' or 'workflowYaml' or both must be provided")),
        (Some(id), None) => {
            let record = workflows::stored(cx, id)?;
            if record.body.get("valid").and_then(Value::as_bool) != Some(true) {
                return Err(ApiError::invalid("Workflow is not valid."));
            }
            Ok((record.id, record.version))
        }
        (id, Some(yaml)) => Ok((workflows::store_for_test(cx, id, yaml).await?, 1)),
    }
}

fn flag(body: &Json, key: &str) -> Result<bool> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(false),
        Some(Json::Bool(b)) => Ok(*b),
        Some(_) => Err(ApiError::invalid(format!("[request body.{key}]: expected value of type [boolean]"))),
    }
}

fn given(problems: &[workflow::program::InputError]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let text = problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join(", ");
    Err(ApiError::invalid(text))
}

async fn test(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let (inputs, event) = inputs(&body)?;
    let dry = flag(&body, "dryRun")?;
    let mocks = object(&body, "mocks")?;
    let (workflow, version) = standing(&cx, &body).await?;
    let program = program(&cx, &workflow, version)?;
    if event.is_null() {
        let root = workflow::template::Root::default();
        let filled = program.inputs.with_defaults(&inputs, &root).unwrap_or_else(|_| inputs.clone());
        given(&program.inputs.check(&filled))?;
    }
    let start = Start {
        dry,
        test: true,
        inputs: Body::from(inputs),
        event: Body::from(event),
        mocks: if dry { Body::from(mocks) } else { Body::Null },
        ..start_of(&cx, workflow, version)
    };
    begin(&cx, start).await
}

/// The program of a kept version.
fn program(cx: &Ctx, workflow: &Id, version: u64) -> Result<Program> {
    let kept = cx.read(|r| r.record_version(Noun::Workflow, &cx.space, workflow, version))?;
    let yaml = kept.as_ref().and_then(|k| k.body.get("yaml")).and_then(Value::as_str).unwrap_or_default();
    let (program, _) = Program::load(yaml, &cx.state.engine.catalogue(&cx.space));
    program.ok_or_else(|| ApiError::invalid("Workflow is not valid."))
}

async fn step_test(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let step = body.get("stepId").and_then(Json::as_str);
    let step = step.ok_or_else(|| {
        ApiError::invalid("[request body.stepId]: expected value of type [string] but got [undefined]")
    })?;
    let context = object(&body, "contextOverride")?;
    let dry = flag(&body, "dryRun")?;
    let (workflow, version) = standing(&cx, &body).await?;
    if program(&cx, &workflow, version)?.step(step).is_none() {
        return Err(ApiError::invalid(format!("[request body.stepId]: the workflow has no step `{step}`")));
    }
    let member = |key: &str| context.get(key).cloned().unwrap_or_default();
    let start = Start {
        dry,
        test: true,
        inputs: Body::from(member("inputs")),
        event: Body::from(member("event")),
        mode: Mode::Step(step.into(), Body::from(context.clone())),
        ..start_of(&cx, workflow, version)
    };
    begin(&cx, start).await
}

async fn rerun(cx: Ctx) -> Result<Reply> {
    let head = head(&cx, cx.param("id"))?;
    if !head.status.is_terminal() {
        return Err(ApiError::conflict(format!("Workflow execution \"{}\" has not ended yet", head.id)));
    }
    if &*head.mode == "step" {
        return Err(ApiError::invalid("a test of one step is not rerun: test the step again"));
    }
    let body = cx.json_or_empty()?;
    let view = view(&cx, &head.id)?;
    let (inputs, event) = (value(&cx, &head.id, &view.inputs)?, value(&cx, &head.id, &view.event)?);
    let program = program(&cx, &head.workflow, head.version)?;
    let from = match body.get("from") {
        // From the first step on is the whole of it, with nothing kept.
        None | Some(Json::Null) => program.root.0.first().map(|ix| program.steps[*ix].name.clone()),
        Some(Json::String(from)) => {
            let step = view.steps.iter().find(|s| s.id == *from || *s.name == **from);
            Some(
                step.ok_or_else(|| ApiError::not_found(format!("Step execution with id \"{from}\" not found")))?
                    .name
                    .clone(),
            )
        }
        Some(_) => return Err(ApiError::invalid("[request body.from]: expected value of type [string]")),
    };
    let from = from.ok_or_else(|| ApiError::invalid("Workflow is not valid."))?;
    let rows = cx.read(|r| r.journal_read(&head.id, 0))?;
    let facts: Vec<_> = rows.into_iter().flat_map(|row| row.facts).collect();
    let load = |body: &Body| value(&cx, &head.id, body).map_or(Value::Null, Value::from);
    let start = Start {
        // What was tried without effect is tried again without one.
        dry: head.dry,
        test: head.test,
        inputs: Body::from(Value::from(inputs)),
        event: Body::from(Value::from(event)),
        earlier: Body::from(workflow::rerun::earlier(&facts, &program, &load)),
        mode: Mode::From(head.id.clone(), from),
        ..start_of(&cx, head.workflow.clone(), head.version)
    };
    begin(&cx, start).await
}

/// What a run repeats, and what repeated it: `rerun_of`, `reruns`.
pub(crate) fn links(cx: &Ctx, head: &ExecutionRow, view: &View) -> Result<(Option<Id>, Vec<Id>)> {
    if !head.status.is_terminal() {
        return Ok((view.rerun_of.clone(), Vec::new()));
    }
    let filter = AuditFilter {
        of: Some(("execution".into(), head.id.clone())),
        action: Some(RERUN.into()),
        limit: RERUNS_MAX,
        ..AuditFilter::default()
    };
    let mut reruns = Vec::new();
    for row in cx.read(|r| r.audit_list(&filter))? {
        let id = row.body.as_ref().and_then(|b| b.get("execution")).and_then(Value::as_str).map(Id::from);
        let Some(id) = id.filter(|id| !reruns.contains(id)) else { continue };
        // Noted before it is started, and kept after it is removed.
        if cx.read(|r| r.execution_get(&id))?.is_some_and(|e| e.space == head.space) {
            reruns.push(id);
        }
    }
    reruns.reverse();
    Ok((view.rerun_of.clone(), reruns))
}
