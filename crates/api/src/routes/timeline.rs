//! The timeline of a case: alerts, comments, changes, questions, and what the runs of the case did outside.
//!
//! Invariants: one list, sorted by time; counts are over the whole case; host commands show what ran and what came back.
//! Source: `docs/reference/ui-api.md` §3.2.

use crate::error::{ApiError, Result};
use crate::extras;
use crate::http::{Ctx, Reply};
use crate::routes::approval;
use crate::routes::case::load;
use crate::routes::{execution, undo};
use crate::run::Step;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use stdx::{Id, Time, Value};
use store::{AlertFilter, AuditFilter, TimelineEntry, TimelineItem};
use triage::{Attachment, UserAction};
use workflow::{Class, Status};

/// Entries of one page.
pub const SIZE_MAX: usize = 500;
/// Runs whose steps are shown.
pub const RUNS_MAX: usize = 50;
/// Words of people on the undos of one run that are shown, newest first.
const WORDS_MAX: u64 = 100;
const KINDS: [&str; 7] = ["alert", "comment", "step", "approval", "command", "change", "summary"];
const LINE_CHARS_MAX: usize = 200;
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Rows.
pub const ROUTES: &[Route] = &[Route::read(
    Method::Get,
    "/api/watchfire/cases/{id}/timeline",
    Access::Needs("cases:read"),
    "The timeline of a case",
    h!(timeline),
)];

struct Entry {
    at: Time,
    kind: &'static str,
    wire: Json,
}

async fn timeline(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?;
    let size = cx.query.number("size", 100, 1, SIZE_MAX)?;
    let from = cx.query.number("cursor", 0, 0, usize::MAX)?;
    let kinds = cx.query.comma_list("kinds");
    if let Some(other) = kinds.iter().find(|k| !KINDS.contains(&k.as_str())) {
        return Err(ApiError::invalid(format!("[request query.kinds]: `{other}` is not one of {}", KINDS.join(", "))));
    }
    let mut entries = Vec::new();
    for entry in cx.read(|r| r.timeline(&cx.space, &case.id))? {
        entries.extend(shown(&cx, &entry)?);
    }
    for run in cx.read(|r| r.case_executions(&case.id))?.iter().rev().take(RUNS_MAX) {
        steps(&cx, run, &mut entries)?;
        undos(&cx, run, &mut entries)?;
    }
    entries.sort_by_key(|e| e.at);
    if cx.query.get("order") != Some("oldest") {
        entries.reverse();
    }
    let mut counts: BTreeMap<&str, usize> = KINDS.iter().map(|k| (*k, 0)).collect();
    for entry in &entries {
        *counts.entry(entry.kind).or_default() += 1;
    }
    entries.retain(|e| kinds.is_empty() || kinds.iter().any(|k| k == e.kind));
    let total = entries.len();
    let page: Vec<Json> = entries.into_iter().skip(from).take(size).map(|e| e.wire).collect();
    let end = from + page.len();
    Ok(Reply::ok(
        json!({"total": total, "counts": counts, "entries": page, "cursor": (end < total).then(|| end.to_string())}),
    ))
}

fn wire(cx: &Ctx, id: &str, entry: (Time, &triage::Actor), kind: &'static str, members: Json) -> Result<Entry> {
    let (at, by) = entry;
    let execution = match (&by.execution, &by.step) {
        (Some(run), step) => match cx.read(|r| r.execution_get(run))? {
            Some(row) => {
                let step_id = step.as_ref().map_or_else(String::new, |s| crate::run::step_id_of_text(run, s));
                let name = step.as_deref().map_or("", |s| s.rsplit('/').next().unwrap_or(s));
                json!({"id": run, "workflow": {"id": row.workflow, "name": row.name}, "step": name, "step_execution": step_id})
            }
            None => Json::Null,
        },
        _ => Json::Null,
    };
    let mut wire =
        json!({"id": id, "at": at.iso(), "by": extras::actor(cx, by)?, "kind": kind, "execution": execution});
    if let (Some(o), Json::Object(members)) = (wire.as_object_mut(), members) {
        o.extend(members);
    }
    Ok(Entry { at, kind, wire })
}

fn shown(cx: &Ctx, entry: &TimelineEntry) -> Result<Vec<Entry>> {
    let who = (entry.at, &entry.by);
    Ok(match &entry.item {
        TimelineItem::Change(action) => change(cx, who, action)?.into_iter().collect(),
        TimelineItem::Attachment(attachment) => attached(cx, who, attachment)?.into_iter().collect(),
        TimelineItem::Question(row) => {
            let q = &row.question;
            let members = json!({
                "approval": q.id, "question": q.message, "state": approval::state_word(row.state), "effect": approval::effect(row),
                "expires_at": q.expires_at.map(Time::iso), "decisions": approval::answers(row),
            });
            vec![wire(cx, &q.id, who, "approval", members)?]
        }
    })
}

fn change(cx: &Ctx, who: (Time, &triage::Actor), action: &UserAction) -> Result<Option<Entry>> {
    let (field, to) = match &*action.kind {
        "create_case" => ("created", action.payload.get("title").cloned().unwrap_or_default()),
        // What was written is shown as the comment itself; only its end is a change.
        "comment" if &*action.action == "delete" => ("comment", Value::Null),
        "comment" => return Ok(None),
        kind => (kind, action.payload.get(kind).cloned().unwrap_or_else(|| action.payload.clone())),
    };
    let (from, to) = if &*action.action == "delete" {
        (action.payload.get(field).cloned().unwrap_or_default(), Value::Null)
    } else {
        (action.before.clone(), to)
    };
    let members = json!({"field": field, "from": from, "to": to});
    wire(cx, &action.id, who, "change", members).map(Some)
}

fn attached(cx: &Ctx, who: (Time, &triage::Actor), attachment: &Attachment) -> Result<Option<Entry>> {
    let text = attachment.body.get("comment").and_then(Value::as_str).unwrap_or_default();
    match &*attachment.kind {
        "alert" => {
            let ids = attachment.alert_ids();
            let filter = AlertFilter {
                space: cx.space.clone(),
                limit: ids.len() as u64,
                ids: ids.clone(),
                ..AlertFilter::default()
            };
            let rows = cx.read(|r| r.alert_list(&filter))?;
            let rule = attachment.body.path(&["rule", "name"]).and_then(Value::as_str).unwrap_or_default();
            let one = |id: &Id| {
                let row = rows.iter().find(|r| r.id == *id);
                json!({
                    "id": id, "rule": row.and_then(|r| r.rule_name.as_deref()).unwrap_or(rule), "severity": row.map_or("low", |r| r.severity),
                    "risk_score": row.map_or(0.0, |r| r.risk), "reason": row.and_then(|r| r.reason.as_deref()).unwrap_or_default(),
                })
            };
            let alerts: Vec<_> = ids.iter().map(one).collect();
            wire(cx, &attachment.id, who, "alert", json!({"alerts": alerts})).map(Some)
        }
        "user" if attachment.watchfire.get("kind").and_then(Value::as_str) == Some("summary") => {
            let member = |key: &str| attachment.watchfire.get(key).map_or(Json::Null, Json::from);
            let members = json!({"text": text, "model": member("model"), "tokens": member("tokens")});
            wire(cx, &attachment.id, who, "summary", members).map(Some)
        }
        "user" | "actions" => {
            let members = json!({
                "text": text, "comment_id": attachment.id, "version": triage::version_text(attachment.version),
                "edited_at": attachment.updated.as_ref().map(|s| s.at.iso()),
            });
            wire(cx, &attachment.id, who, "comment", members).map(Some)
        }
        _ => Ok(None),
    }
}

/// What a run did outside, and what its model said.
fn steps(cx: &Ctx, run: &Id, entries: &mut Vec<Entry>) -> Result<()> {
    let Some(row) = cx.read(|r| r.execution_get(run))? else { return Ok(()) };
    let view = execution::view(cx, run)?;
    for step in &view.steps {
        let by = triage::Actor {
            user: row.principal.clone(),
            channel: "workflow".into(),
            execution: Some(run.clone()),
            step: Some(step.path.as_str().into()),
        };
        let who = (step.finished.unwrap_or(step.started), &by);
        let id = format!("step:{}", step.id);
        if matches!(&*step.kind, "ssh.run" | "winrm.run") {
            entries.push(wire(cx, &id, who, "command", command(cx, run, step)?)?);
        } else if step.kind.starts_with("ai.") && step.status == Status::Completed {
            let output = execution::value(cx, run, &step.output)?;
            let text = output.get("content").and_then(Json::as_str).or_else(|| output.as_str()).unwrap_or_default();
            let meta = |key: &str| {
                output.get("metadata").and_then(|m| m.get(key)).or_else(|| output.get(key)).cloned().unwrap_or_default()
            };
            let tokens = meta("usage").get("total_tokens").cloned().unwrap_or_default();
            entries.push(wire(
                cx,
                &id,
                who,
                "summary",
                json!({"text": text, "model": meta("model"), "tokens": tokens}),
            )?);
        } else if step.class >= Class::Read {
            let result = match &step.error {
                Some(fault) => Some(fault.message.to_string()),
                None => Some(line(&execution::value(cx, run, &step.output)?)).filter(|l| !l.is_empty()),
            };
            let members = json!({
                "name": step.name, "type": step.kind, "effect": step.class.as_str(), "status": step.status.as_str(),
                "took_ms": step.finished.map(|f| f.since(step.started).0.max(0) / 1_000), "result": result,
            });
            entries.push(wire(cx, &id, who, "step", members)?);
        }
    }
    Ok(())
}

/// What of a run's effects is taken back: when, by whose word, and what that did.
fn undos(cx: &Ctx, run: &Id, entries: &mut Vec<Entry>) -> Result<()> {
    let (_, all) = undo::standings(cx, run)?;
    let said = |from: Option<&str>, to: String| json!({"field": "undo", "from": from, "to": to});
    for standing in &all {
        let (undoable, step) = (&standing.undoable, &standing.undoable.undo.step);
        let by = triage::Actor {
            user: "system".into(),
            channel: "workflow".into(),
            execution: Some(run.clone()),
            step: Some(undoable.undo.of.path.to_string().into()),
        };
        let text = match (&undoable.error, undoable.undo.due) {
            (Some(fault), _) => Some(fault.message.to_string()),
            (None, Some(due)) => Some(format!("`{step}` is undone by itself at {}", due.iso())),
            (None, None) => None,
        };
        if let Some(text) = text {
            let id = format!("undo:{}", undoable.undo.of);
            entries.push(wire(cx, &id, (undoable.at, &by), "change", said(None, text))?);
        }
        if let Some((row, _)) = &standing.run {
            steps(cx, &row.id, entries)?;
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    let of = Some(("execution".into(), run.clone()));
    let filter = AuditFilter { of, action: Some(undo::ACTION.into()), limit: WORDS_MAX, ..AuditFilter::default() };
    for row in cx.read(|r| r.audit_list(&filter))? {
        let member = |key: &str| row.body.as_ref().and_then(|b| b.get(key)).and_then(Value::as_str).unwrap_or_default();
        let step = member("step");
        let what = match member("action") {
            "keep" => format!("the effect of `{step}` is kept"),
            "at" => format!("`{step}` is undone at {}", member("at")),
            "now" => format!("`{step}` is undone now"),
            // That it is scheduled stands above already.
            _ => continue,
        };
        let why = Some(member("reason")).filter(|r| !r.is_empty()).map(|r| format!(": {r}")).unwrap_or_default();
        let id = format!("undo:{}", row.seq);
        entries.push(wire(cx, &id, (row.at, &row.by), "change", said(None, format!("{what}{why}")))?);
    }
    Ok(())
}

fn line(output: &Json) -> String {
    let text = match output {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().chars().take(LINE_CHARS_MAX).collect()
}

fn command(cx: &Ctx, run: &Id, step: &Step) -> Result<Json> {
    let input = execution::value(cx, run, &step.input)?;
    let mut output = execution::value(cx, run, &step.output)?;
    if output.is_null()
        && let Some(fault) = &step.error
    {
        output = Json::from(&fault.details);
    }
    let text = |v: &Json, key: &str| v.get(key).and_then(Json::as_str).map(str::to_owned);
    let (stdout, stderr) = (text(&output, "stdout").unwrap_or_default(), text(&output, "stderr").unwrap_or_default());
    let both = if stdout.is_empty() || stderr.is_empty() {
        format!("{stdout}{stderr}")
    } else {
        format!("{stdout}\n{stderr}")
    };
    let cut = both.len() > OUTPUT_BYTES_MAX;
    let target = match &step.connector {
        Some(id) => cx.state.engine.catalogue(&cx.space).connector(id).map(|c| c.target.clone()).unwrap_or_default(),
        None => Value::Null,
    };
    let named = |keys: &[&str]| keys.iter().find_map(|k| target.get(k)).and_then(Value::as_str).map(str::to_owned);
    let host = text(&input, "host").or_else(|| named(&["host"])).unwrap_or_default();
    Ok(json!({
        "host": host, "account": named(&["user", "username", "account"]), "channel": step.kind.strip_suffix(".run").unwrap_or_default(),
        "command": step.request.clone().or_else(|| text(&input, "command")).unwrap_or_default(),
        "exit_code": output.get("exit_code").cloned().unwrap_or_default(),
        "took_ms": step.finished.map(|f| f.since(step.started).0.max(0) / 1_000),
        "output": stdx::bounded::truncate(&both, OUTPUT_BYTES_MAX), "truncated": cut || output.get("truncated") == Some(&json!(true)),
        "sha256": (!both.is_empty()).then(|| stdx::id::sha256_hex(both.as_bytes())), "status": step.status.as_str(),
    }))
}
