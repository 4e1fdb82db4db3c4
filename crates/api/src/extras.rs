//! What the page shows beside Kibana's objects: names behind ids, counts, the runs of an alert, the history of things.
//!
//! Invariants: reads only; a name that is gone is shown as its id.
//! Source: `docs/reference/ui-api.md` (the `watchfire` members).

use crate::error::Result;
use crate::http::Ctx;
use crate::records::Record;
use crate::run;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use store::{AlertFilter, AlertRow, AlertSort, AuditFilter, ExecutionFilter, ExecutionRow, Noun, QuestionFilter};
use triage::question::QuestionState;
use triage::{Actor, Case};
use workflow::Status;

const DAY_US: i64 = 86_400_000_000;
/// Runs of a workflow that its figures look at.
const RUNS_LOOKED_AT: u64 = 1_000;
/// Entries of an alert's history.
const HISTORY_MAX: u64 = 500;
/// Alerts shown with a question.
const ALERTS_SHOWN: usize = 10;
const EVIDENCE_MAX: usize = 5;
const EVIDENCE_BYTES_MAX: usize = 4 * 1024;

/// Who did something, as the page shows it.
pub(crate) fn actor(cx: &Ctx, by: &Actor) -> Result<Json> {
    if let Some(execution) = &by.execution
        && let Some(row) = cx.read(|r| r.execution_get(execution))?
    {
        return Ok(json!({"kind": "workflow", "id": row.workflow, "name": row.name}));
    }
    let kind = match &*by.channel {
        "system" => "system",
        "rule" => "rule",
        "workflow" => "workflow",
        _ => "person",
    };
    let id = if kind == "person" { triage::actor::profile_uid(&by.user) } else { by.user.to_string() };
    Ok(json!({"kind": kind, "id": id, "name": by.user}))
}

/// A case as a reference; null when it is gone.
pub(crate) fn case_ref(cx: &Ctx, id: &str) -> Result<Json> {
    let case = cx.read(|r| r.case_get(&cx.space, id))?;
    Ok(case.map_or(Json::Null, |c| json!({"id": c.id, "number": c.number, "title": c.title})))
}

/// A connector as a reference with its type; its id when it is gone.
pub(crate) fn connector_ref(cx: &Ctx, id: &str) -> Result<Json> {
    let record = cx.state.records.find(Noun::Connector, &cx.space, id)?;
    let member =
        |key: &str| record.as_ref().and_then(|r| r.body.get(key)).and_then(Value::as_str).unwrap_or(id).to_owned();
    Ok(
        json!({"id": id, "name": member("name"), "type": if record.is_some() { member("connector_type_id") } else { String::new() }}),
    )
}

/// `watchfire` of a case.
pub(crate) fn case(cx: &Ctx, case: &Case) -> Result<Json> {
    let open = QuestionFilter {
        space: cx.space.clone(),
        open: Some(true),
        about: Some(case.id.0.clone()),
        ..QuestionFilter::default()
    };
    let alerts: Vec<Id> =
        cx.read(|r| r.case_alerts(&case.id))?.into_iter().map(|(id, ..)| id).take(ALERTS_SHOWN).collect();
    let risk = if alerts.is_empty() {
        None
    } else {
        let filter = AlertFilter {
            space: cx.space.clone(),
            ids: alerts,
            sort: AlertSort::Severity,
            limit: ALERTS_SHOWN as u64,
            ..AlertFilter::default()
        };
        cx.read(|r| r.alert_list(&filter))?.iter().map(|a| a.risk).reduce(f64::max)
    };
    Ok(json!({
        "opened_by": actor(cx, &case.created.by)?, "updated_seq": cx.state.seq()?, "risk_score": risk,
        "executions": cx.read(|r| r.case_executions(&case.id))?.len(), "approvals_open": cx.read(|r| r.question_count(&open))?,
    }))
}

/// `watchfire` of a workflow.
pub(crate) fn workflow(cx: &Ctx, record: &Record) -> Result<Json> {
    let summary = |key: &str| record.body.path(&["summary", key]).map(Json::from);
    let last = ExecutionFilter {
        space: cx.space.clone(),
        workflow: Some(record.id.clone()),
        test: Some(false),
        limit: 1,
        ..ExecutionFilter::default()
    };
    let last = cx.read(|r| r.execution_list(&last))?.into_iter().next();
    let (mut runs, mut failed, mut p95) = (0, 0, None);
    let since = Time(cx.now.0 - DAY_US);
    if last.as_ref().is_some_and(|l| l.arrived >= since) {
        let day = ExecutionFilter {
            space: cx.space.clone(),
            workflow: Some(record.id.clone()),
            test: Some(false),
            since: Some(since),
            limit: RUNS_LOOKED_AT,
            ..ExecutionFilter::default()
        };
        runs = cx.read(|r| r.execution_count(&day))?;
        let rows = cx.read(|r| r.execution_list(&day))?;
        failed = rows.iter().filter(|r| matches!(r.status, Status::Failed | Status::TimedOut)).count();
        let mut took: Vec<i64> =
            rows.iter().filter_map(|r| Some(r.finished?.since(r.started?).0.max(0) / 1_000)).collect();
        took.sort_unstable();
        p95 = (!took.is_empty()).then(|| took[(took.len() * 95 / 100).min(took.len() - 1)]);
    }
    Ok(json!({
        "effect": summary("effect").unwrap_or_else(|| json!("none")), "triggers": summary("triggers").unwrap_or_else(|| json!([])),
        "steps": summary("steps").unwrap_or_else(|| json!(0)), "approvals": summary("approvals").unwrap_or_else(|| json!(0)),
        "used_by_rules": crate::routes::workflow::used_by(cx, &record.id)?.len(),
        "runs_24h": runs, "failed_24h": failed, "p95_ms": p95,
        "last_execution": last.map(|l| json!({"id": l.id, "status": l.status.as_str(), "startedAt": l.started.unwrap_or(l.arrived).iso()})),
    }))
}

/// Runs of the space by state.
pub(crate) fn execution_counts(cx: &Ctx) -> Result<Json> {
    let filter = ExecutionFilter { space: cx.space.clone(), ..ExecutionFilter::default() };
    let counts = cx.read(|r| r.execution_counts(&filter))?;
    Ok(json!({"total": counts.all, "active": counts.active, "waiting": counts.waiting, "failed": counts.failed}))
}

/// `watchfire` of a rule.
pub(crate) fn rule(cx: &Ctx, id: &Id) -> Result<Json> {
    let mut filter = AlertFilter {
        space: cx.space.clone(),
        rule: Some(id.0.clone()),
        sort: AlertSort::Newest,
        limit: 1,
        ..AlertFilter::default()
    };
    let last = cx.read(|r| r.alert_list(&filter))?.into_iter().next();
    filter.since = Some(Time(cx.now.0 - 30 * DAY_US));
    let n = if last.is_some() { cx.read(|r| r.alert_count(&filter))? } else { 0 };
    Ok(json!({"alerts_30d": n, "last_alert_at": last.map(|a| a.created.iso())}))
}

/// How many workflows name each connector, by id.
pub(crate) fn connectors_in_use(cx: &Ctx) -> Result<HashMap<String, usize>> {
    let connectors = cx.state.records.list(Noun::Connector, &cx.space)?;
    let workflows = cx.state.records.list(Noun::Workflow, &cx.space)?;
    let mut used = HashMap::new();
    for connector in &connectors {
        let name = connector.body.get("name").and_then(Value::as_str).unwrap_or_default();
        let names = |w: &&Record| {
            let yaml = w.body.get("yaml").and_then(Value::as_str).unwrap_or_default();
            let ids = yaml.lines().filter_map(|l| l.trim().trim_start_matches("- ").strip_prefix("connector-id:"));
            ids.map(|v| v.trim().trim_matches(['"', '\''])).any(|v| v == name || v == connector.id.as_str())
        };
        used.insert(connector.id.to_string(), workflows.iter().filter(names).count());
    }
    Ok(used)
}

/// `watchfire` of a connector.
pub(crate) fn connector(cx: &Ctx, record: &Record, used: usize) -> Result<Json> {
    let filter = AuditFilter {
        of: Some(("connector".into(), record.id.clone())),
        action: Some("effect.".into()),
        limit: 200,
        ..AuditFilter::default()
    };
    let since = Time(cx.now.0 - DAY_US);
    let calls: Vec<_> = cx.read(|r| r.audit_list(&filter))?.into_iter().filter(|a| a.at >= since).collect();
    let fault = |a: &&store::AuditRow| a.body.as_ref().is_some_and(|b| b.get("error").is_some_and(|e| !e.is_null()));
    let last = calls.iter().find(fault);
    let text =
        last.and_then(|a| a.body.as_ref()).and_then(|b| b.get("error")).and_then(Value::as_str).map(str::to_owned);
    Ok(json!({
        "used_by_workflows": used, "calls_24h": calls.len(), "failed_24h": calls.iter().filter(fault).count(),
        "last_error": text, "last_error_at": last.map(|a| a.at.iso()),
    }))
}

/// The run of an alert that says most: waits for a person, then running, then failed, then newest; and how many there are.
pub(crate) fn telling_execution(cx: &Ctx, alert: &Id) -> Result<(Json, usize)> {
    let ids = cx.read(|r| r.alert_executions(alert))?;
    let mut best: Option<(u8, ExecutionRow)> = None;
    for id in &ids {
        let Some(row) = cx.read(|r| r.execution_get(id))? else { continue };
        let rank = match row.status {
            Status::WaitingForInput => 0,
            status if !status.is_terminal() => 1,
            Status::Failed | Status::TimedOut => 2,
            _ => 3,
        };
        if best.as_ref().is_none_or(|(r, _)| rank < *r) {
            best = Some((rank, row));
        }
    }
    let Some((_, row)) = best else { return Ok((Json::Null, 0)) };
    let approval = execution_approval(cx, &row.id)?;
    let wire = json!({
        "id": row.id, "workflow": {"id": row.workflow, "name": row.name}, "status": row.status.as_str(), "effect": row.class.as_str(),
        "approval": approval,
    });
    Ok((wire, ids.len()))
}

fn audits(cx: &Ctx, row: &AlertRow) -> Result<Vec<store::AuditRow>> {
    let filter =
        AuditFilter { of: Some(("alert".into(), row.id.clone())), limit: HISTORY_MAX, ..AuditFilter::default() };
    cx.read(|r| r.audit_list(&filter))
}

/// True when the last decision on an alert was a run's.
pub(crate) fn decided_by_run(cx: &Ctx, row: &AlertRow) -> Result<bool> {
    let last = audits(cx, row)?.into_iter().find(|a| &*a.action == "alert.status");
    Ok(last.is_some_and(|a| a.by.execution.is_some()))
}

/// What happened to an alert, newest first.
pub(crate) fn alert_history(cx: &Ctx, row: &AlertRow) -> Result<Vec<Json>> {
    let rule = json!({"kind": "rule", "id": row.rule, "name": row.rule_name});
    let mut entries = vec![(
        row.created,
        json!({
            "at": row.created.iso(), "kind": "raised", "text": format!("raised by {}", row.rule_name.as_deref().unwrap_or("a rule")),
            "by": rule, "case": Json::Null, "execution": Json::Null,
        }),
    )];
    for entry in audits(cx, row)? {
        let body = entry.body.clone().unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let list = |key: &str| -> Vec<String> {
            body.get(key)
                .and_then(Value::as_array)
                .unwrap_or_default()
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        let change = |add: Vec<String>, remove: Vec<String>| {
            let add = add.into_iter().map(|w| format!("+{w}"));
            add.chain(remove.into_iter().map(|w| format!("−{w}"))).collect::<Vec<_>>().join(" ")
        };
        let (kind, line) = match &*entry.action {
            "alert.status" => {
                let reason = text("reason").map_or_else(String::new, |r| format!(", {}", r.replace('_', " ")));
                ("status", format!("{}{reason}", text("status").unwrap_or_default()))
            }
            "alert.tags" => ("tags", change(list("add"), list("remove"))),
            "alert.assignees" => ("assigned", change(list("add"), list("remove"))),
            _ => continue,
        };
        let execution = match &entry.by.execution {
            Some(id) => cx.read(|r| r.execution_get(id))?.map_or(Json::Null, |e| json!({"id": e.id, "name": e.name})),
            None => Json::Null,
        };
        let by = actor(cx, &entry.by)?;
        entries.push((entry.at, json!({"at": entry.at.iso(), "kind": kind, "text": line, "by": by, "case": Json::Null, "execution": execution})));
    }
    for case in cx.read(|r| r.cases_of_alert(&cx.space, &row.id))? {
        let at = cx
            .read(|r| r.case_alerts(&case.id))?
            .into_iter()
            .find(|(id, ..)| *id == row.id)
            .map_or(case.created.at, |(.., at)| at);
        let reference = json!({"id": case.id, "number": case.number, "title": case.title});
        entries.push((at, json!({
            "at": at.iso(), "kind": "case", "text": format!("added to case #{}", case.number), "by": Json::Null, "case": reference, "execution": Json::Null,
        })));
    }
    for id in cx.read(|r| r.alert_executions(&row.id))? {
        let Some(e) = cx.read(|r| r.execution_get(&id))? else { continue };
        let by = json!({"kind": "workflow", "id": e.workflow, "name": e.name});
        entries.push((e.arrived, json!({
            "at": e.arrived.iso(), "kind": "execution", "text": format!("{} started", e.name), "by": by, "case": Json::Null,
            "execution": {"id": e.id, "name": e.name},
        })));
    }
    entries.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Ok(entries.into_iter().map(|(_, e)| e).collect())
}

/// What a question is about.
pub(crate) struct About {
    pub version: Option<u64>,
    pub case: Json,
    pub alerts: Vec<Json>,
    pub evidence: Vec<Json>,
}

fn named(about: &Value, keys: [&str; 2]) -> Vec<Arc<str>> {
    keys.iter()
        .filter_map(|k| about.get(k))
        .flat_map(|v| match v {
            Value::Str(s) => vec![s.clone()],
            Value::Array(a) => a.iter().filter_map(|v| v.as_str().map(Arc::from)).collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// Case, alerts and evidence of a question.
pub(crate) fn about(cx: &Ctx, q: &triage::Question, whole: bool) -> Result<About> {
    let execution = cx.read(|r| r.execution_get(&q.execution))?;
    let case = match named(&q.about, ["cases", "case"]).first() {
        Some(id) => case_ref(cx, id)?,
        None => execution_case(cx, &q.execution)?,
    };
    let mut ids: Vec<Id> = named(&q.about, ["alerts", "alert"]).into_iter().map(Id).collect();
    if ids.is_empty() {
        ids = execution_alerts(cx, &q.execution)?;
    }
    ids.truncate(ALERTS_SHOWN);
    let alerts = if ids.is_empty() {
        Vec::new()
    } else {
        let filter = AlertFilter { space: cx.space.clone(), ids, limit: ALERTS_SHOWN as u64, ..AlertFilter::default() };
        let one = |a: &AlertRow| {
            json!({
                "id": a.id, "rule": a.rule_name.as_deref().unwrap_or_default(), "severity": a.severity, "risk_score": a.risk,
                "reason": a.reason.as_deref().unwrap_or_default(), "host": a.host,
            })
        };
        cx.read(|r| r.alert_list(&filter))?.iter().map(one).collect()
    };
    let evidence = if whole { evidence(cx, &q.execution)? } else { Vec::new() };
    Ok(About { version: execution.map(|e| e.version), case, alerts, evidence })
}

/// Latest outputs of a run's calls, newest first.
fn evidence(cx: &Ctx, execution: &Id) -> Result<Vec<Json>> {
    let view = crate::routes::execution::view(cx, execution)?;
    let mut all = Vec::new();
    let told = view
        .steps
        .iter()
        .rev()
        .filter(|s| s.status == Status::Completed && s.key.is_some() && !s.kind.starts_with("cases."));
    for step in told.take(EVIDENCE_MAX) {
        let output = crate::routes::execution::value(cx, execution, &step.output)?;
        let output = output.get("content").filter(|_| step.kind.starts_with("ai.")).cloned().unwrap_or(output);
        let text =
            output.as_str().map_or_else(|| serde_json::to_string_pretty(&output).unwrap_or_default(), str::to_owned);
        let text = stdx::bounded::truncate(&text, EVIDENCE_BYTES_MAX).into_owned();
        all.push(json!({"title": step.name, "at": step.finished.map(Time::iso), "text": text}));
    }
    Ok(all)
}

/// Alerts that started a run.
pub(crate) fn execution_alerts(cx: &Ctx, execution: &Id) -> Result<Vec<Id>> {
    let first = cx.read(|r| r.journal_read(execution, 0))?.into_iter().next();
    let started = first.and_then(|row| row.facts.into_iter().next());
    Ok(match started.map(|f| f.what) {
        Some(workflow::FactKind::Started { start, .. }) => match start.cause {
            workflow::Cause::Alert { alerts, .. } => alerts,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    })
}

/// The first case that a run changed.
pub(crate) fn execution_case(cx: &Ctx, execution: &Id) -> Result<Json> {
    match cx.read(|r| r.execution_cases(execution))?.first() {
        Some(id) => case_ref(cx, id),
        None => Ok(Json::Null),
    }
}

fn questions(cx: &Ctx, execution: &Id) -> Result<Vec<triage::QuestionRow>> {
    let filter = QuestionFilter {
        space: cx.space.clone(),
        execution: Some(execution.clone()),
        limit: 100,
        ..QuestionFilter::default()
    };
    cx.read(|r| r.question_list(&filter))
}

/// The open row of a run in the inbox.
pub(crate) fn execution_approval(cx: &Ctx, execution: &Id) -> Result<Option<Id>> {
    Ok(questions(cx, execution)?.into_iter().find(|q| q.state == QuestionState::Open).map(|q| q.question.id))
}

/// The settlement of a step.
pub(crate) fn settlement_of(cx: &Ctx, execution: &Id, path: &str) -> Result<Option<Arc<str>>> {
    let id = run::step_id(execution, path);
    let own = |q: &triage::QuestionRow| {
        q.question.kind == triage::QuestionKind::Settlement && run::step_id_of_text(execution, &q.question.path) == id
    };
    Ok(questions(cx, execution)?.into_iter().find(own).map(|q| q.question.id.0))
}

/// Milliseconds a run spent waiting for people.
pub(crate) fn waited_ms(cx: &Ctx, head: &ExecutionRow) -> Result<i64> {
    if head.finished.is_none() && head.status != Status::WaitingForInput && head.class == workflow::Class::None {
        return Ok(0);
    }
    let spans = questions(cx, &head.id)?;
    Ok(spans.iter().map(|q| q.closed_at.unwrap_or(cx.now).since(q.question.asked_at).0.max(0) / 1_000).sum())
}

/// The rule that started a run.
pub(crate) fn rule_ref(cx: &Ctx, head: &ExecutionRow) -> Result<Json> {
    let Some(id) = &head.rule else { return Ok(Json::Null) };
    let record = cx.state.records.find(Noun::Rule, &cx.space, id)?;
    let name = record.as_ref().and_then(|r| r.body.get("name")).and_then(Value::as_str).unwrap_or(id.as_str());
    Ok(json!({"id": id, "name": name}))
}

/// One line on what started a run.
pub(crate) fn cause_text(cx: &Ctx, head: &ExecutionRow) -> Result<Json> {
    Ok(match &*head.triggered {
        "alert" => rule_ref(cx, head)?.get("name").cloned().unwrap_or_default(),
        _ => json!(head.principal),
    })
}

/// The text of the version that ran.
pub(crate) fn yaml_of(cx: &Ctx, head: &ExecutionRow) -> Result<String> {
    let version = cx.read(|r| r.record_version(Noun::Workflow, &head.space, &head.workflow, head.version))?;
    Ok(version.and_then(|v| v.body.get("yaml").and_then(Value::as_str).map(str::to_owned)).unwrap_or_default())
}
