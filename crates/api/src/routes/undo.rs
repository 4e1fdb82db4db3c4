//! Taking effects back: what of a run can be undone, when that happens by itself, and a person's word on it: now, later, or not.
//!
//! Invariants: a run takes nothing back by this route, whoever started it; a word is one commit with its audit entry; what is sent was
//! frozen with the effect, this route changes no byte of it.
//! Not here: what an undo is and when it is frozen (`workflow::decide::undo`), the gates it passes (`engine::envelope`).
//! Source: `design/engine.md` §9; `docs/reference/containment.md`.

use crate::error::{ApiError, ErrorCode, Result};
use crate::extras;
use crate::http::{Ctx, Reply};
use crate::routes::{approval, execution};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use store::{Commit, ExecutionRow, Guard, NewStart};
use triage::command::{Command as Ask, Request};
use workflow::state::Phase;
use workflow::{Body, Command, Start, State, Status, UndoStart, Undoable};

/// Runs that one effect's undo may take: each after the one before it was kept or failed.
pub const RUNS_MAX: usize = 16;
/// Characters of a reason at most.
pub const REASON_CHARS_MAX: usize = 500;
/// Action of the audit entry of a person's word, at the effect's run.
pub(crate) const ACTION: &str = "effect.undo";

const READ: Access = Access::Needs("executions:read");
const DECIDE: Access = Access::Needs("approvals:decide");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(
        Method::Get,
        "/api/watchfire/executions/{id}/undo",
        READ,
        "Lists the effects of a run that can be undone",
        h!(list),
    ),
    Route::change(
        Method::Post,
        "/api/watchfire/executions/{id}/undo",
        DECIDE,
        "Undoes an effect now or later, or keeps it",
        h!(decide),
    ),
];

/// The undo of one effect as it stands.
pub(crate) struct Standing {
    /// As the journal of the effect's run says.
    pub undoable: Undoable,
    /// The run that carries it out, the last one where there were several.
    pub run: Option<(ExecutionRow, State)>,
    /// The id of the next run.
    next: Option<Id>,
}

impl Standing {
    /// Where it stands: `impossible`, `on_request`, `scheduled`, `asks`, `held`, `unknown`, `running`, `undone`, `failed`, `kept`.
    pub fn word(&self) -> &'static str {
        let Some((row, state)) = &self.run else {
            return if self.undoable.error.is_some() { "impossible" } else { "on_request" };
        };
        let phase = |f: fn(&Phase) -> bool| state.calls().iter().any(|c| f(&c.phase));
        match row.status {
            Status::Completed => "undone",
            Status::Cancelled => "kept",
            status if status.is_terminal() => "failed",
            _ if phase(|p| matches!(p, Phase::Settling)) => "unknown",
            Status::WaitingForInput => "asks",
            _ if phase(|p| matches!(p, Phase::Held { .. })) => "held",
            _ if self.due().is_some() => "scheduled",
            _ => "running",
        }
    }
    /// When it runs by itself, while it waits for that.
    pub fn due(&self) -> Option<Time> {
        let (row, state) = self.run.as_ref()?;
        if row.status.is_terminal() {
            return None;
        }
        // Not worked off yet: the time of its start.
        if !state.is_started() {
            return self.undoable.undo.due;
        }
        state.own_wait()
    }
    fn held(&self) -> Option<Arc<str>> {
        let (_, state) = self.run.as_ref()?;
        state.calls().iter().find_map(|c| match &c.phase {
            Phase::Held { why } => Some(why.clone()),
            _ => None,
        })
    }
}

/// The run whose effects are meant, with its start and inputs.
type Whole = (Option<(Start, Body)>, Vec<Standing>);

/// What of a run can be undone.
pub(crate) fn standings(cx: &Ctx, run: &Id) -> Result<Whole> {
    let rows = cx.read(|r| r.journal_read(run, 0))?;
    let facts: Vec<_> = rows.into_iter().flat_map(|row| row.facts).collect();
    let (start, found) = workflow::undoables(&facts);
    let mut all = Vec::with_capacity(found.len());
    for undoable in found {
        let (mut last, mut next) = (None, None);
        for n in 0..RUNS_MAX {
            let id = run_id(start.as_ref().map_or(Time(0), |(s, _)| s.at), &undoable.undo, n);
            match cx.read(|r| r.execution_get(&id))? {
                Some(row) => last = Some(row),
                None => {
                    next = Some(id);
                    break;
                }
            }
        }
        let run = match last {
            Some(row) => {
                let mut state = State::default();
                for row in cx.read(|r| r.journal_read(&row.id, 0))? {
                    row.facts.iter().for_each(|f| workflow::evolve(&mut state, f));
                }
                Some((row, state))
            }
            None => None,
        };
        all.push(Standing { undoable, run, next });
    }
    Ok((start, all))
}

/// The id of the n-th run of an undo; the first is the one that `decide` chose.
fn run_id(at: Time, undo: &UndoStart, n: usize) -> Id {
    let key = undo.of.to_string();
    if n == 0 { stdx::id::uuid_v8(at, &[&key, "undo"]) } else { stdx::id::uuid_v8(at, &[&key, "undo", &n.to_string()]) }
}

async fn list(cx: Ctx) -> Result<Reply> {
    let head = execution::head(&cx, cx.param("id"))?;
    Ok(Reply::ok(shown(&cx, &head)?))
}

fn shown(cx: &Ctx, head: &ExecutionRow) -> Result<Json> {
    let (start, all) = standings(cx, &head.id)?;
    let undos = all.iter().map(|s| wire(cx, head, s)).collect::<Result<Vec<_>>>()?;
    let of = start
        .and_then(|(s, _)| s.undo)
        .map(|u| json!({"execution": u.of.execution, "step": u.step, "key": u.of.to_string()}));
    Ok(json!({"undos": undos, "undo_of": of}))
}

fn wire(cx: &Ctx, head: &ExecutionRow, s: &Standing) -> Result<Json> {
    let undo = &s.undoable.undo;
    let call = undo.call.as_deref();
    let connector = match call.and_then(|c| c.connector.as_ref()) {
        Some(id) => extras::connector_ref(cx, id)?,
        None => Json::Null,
    };
    let error = s.undoable.error.as_ref().map(|f| f.message.clone());
    let error = error.or_else(|| s.run.as_ref().and_then(|(row, _)| row.error.as_ref()).map(|f| f.message.clone()));
    let approval = match s.run.as_ref() {
        Some((row, _)) => extras::execution_approval(cx, &row.id)?,
        None => None,
    };
    Ok(json!({
        "key": undo.of.to_string(), "step": undo.step, "step_execution": crate::run::step_id_of(&head.id, &undo.of.path),
        "happened_at": s.undoable.at.iso(), "after": undo.after, "state": s.word(), "due": s.due().map(Time::iso),
        "execution": s.run.as_ref().map(|(row, _)| &row.id), "finished_at": s.run.as_ref().and_then(|(row, _)| row.finished).map(Time::iso),
        "asks": undo.ask, "approved": undo.covered(), "approval": approval, "held": s.held(), "error": error,
        "type": call.map(|c| &c.operation), "class": call.map(|c| c.class.as_str()), "connector": connector,
        "target": call.map(engine::envelope::target_text),
        "request": call.and_then(|c| Some(approval::request_text(&c.operation, c.params.value()?))),
    }))
}

/// A run that took its own effects back on its word would be its own judge.
fn by_person(cx: &Ctx) -> Result<()> {
    match cx.principal.via {
        crate::auth::Via::Run { .. } => {
            Err(ApiError::new(ErrorCode::Forbidden, "a run has no word on undoing; a person must say it"))
        }
        _ => Ok(()),
    }
}

fn text<'b>(body: &'b Json, key: &str) -> Result<Option<&'b str>> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(t)) => Ok(Some(t.trim()).filter(|t| !t.is_empty())),
        Some(_) => Err(ApiError::invalid(format!("[request body.{key}]: expected value of type [string]"))),
    }
}

async fn decide(cx: Ctx) -> Result<Reply> {
    by_person(&cx)?;
    let head = execution::head(&cx, cx.param("id"))?;
    let body = cx.json()?;
    let reason = text(&body, "reason")?;
    if reason.is_some_and(|r| r.chars().count() > REASON_CHARS_MAX) {
        return Err(ApiError::invalid(format!("[request body.reason]: at most {REASON_CHARS_MAX} characters")));
    }
    let action = text(&body, "action")?.unwrap_or("now");
    let at = match (action, text(&body, "at")?) {
        ("now", None) => Some(cx.now),
        ("keep", None) => None,
        ("at", Some(at)) => {
            let wrong =
                || ApiError::invalid("[request body.at]: expected a time to come, such as 2026-01-15T12:00:00Z");
            let at = Time::parse(at).filter(|t| *t > cx.now).ok_or_else(wrong)?;
            if at > cx.now + workflow::duration::UNDO_AFTER_MAX {
                return Err(ApiError::invalid("[request body.at]: at most 366 days from now"));
            }
            Some(at)
        }
        ("at", None) => return Err(ApiError::invalid("[request body.at]: expected value of type [string]")),
        ("now" | "keep", Some(_)) => return Err(ApiError::invalid("[request body.at]: only with the action `at`")),
        _ => return Err(ApiError::invalid("[request body.action]: expected now, at or keep")),
    };
    let (start, all) = standings(&cx, &head.id)?;
    let wanted = (text(&body, "key")?, text(&body, "step")?);
    let mut named = all.iter().filter(|s| match wanted {
        (Some(key), _) => s.undoable.undo.of.to_string() == key,
        (None, Some(step)) => &*s.undoable.undo.step == step,
        (None, None) => true,
    });
    let (first, more) = (named.next(), named.next().is_some());
    let Some(s) = first else {
        return Err(ApiError::not_found("this run has no such effect that can be undone"));
    };
    if more {
        return Err(ApiError::invalid("several effects can be undone: name one by its `key`"));
    }
    let conflict = |what: &str| ApiError::conflict(format!("the effect of `{}` {what}", s.undoable.undo.step));
    let mut commit = Commit { now: cx.now, ..Commit::default() };
    let run = s.run.as_ref().map(|(row, _)| row.id.clone());
    let state = s.word();
    let child = match (at, state, run) {
        (Some(at), "scheduled", Some(run)) => {
            commit.mailbox_add.push((run.clone(), Command::Undo { at, by: cx.principal.user.clone() }));
            run
        }
        (None, "scheduled" | "asks" | "held", Some(run)) => {
            let why = reason.map_or_else(|| "the effect is kept".to_owned(), |r| format!("the effect is kept: {r}"));
            let by = cx.principal.user.clone();
            commit.mailbox_add.push((run.clone(), Command::Cancel { by, reason: Some(why.into()) }));
            run
        }
        (Some(at), "on_request" | "kept" | "failed", _) => {
            let next = s.next.clone().ok_or_else(|| conflict("was undone too often"))?;
            let (parent, inputs) = start.as_ref().ok_or_else(|| ApiError::internal("a run without a start"))?;
            let undo = UndoStart { due: (at > cx.now).then_some(at), ..s.undoable.undo.clone() };
            let run = workflow::undo_start(parent, inputs, next.clone(), undo, cx.now);
            let run = Start { principal: cx.principal.user.clone(), ..run };
            commit.starts.push(NewStart { start: Box::new(run), if_inserted: None });
            next
        }
        (_, "undone", _) => return Err(conflict("is undone already")),
        (_, "impossible", _) => return Err(conflict("cannot be undone as it is written")),
        (_, "unknown", _) => return Err(conflict("may be undone already: settle what the undo did first")),
        (None, "on_request" | "kept" | "failed", _) => return Err(conflict("is not about to be undone")),
        _ => return Err(conflict("is being undone")),
    };
    let details = Value::object([
        ("action", Value::from(action)),
        ("key", Value::from(s.undoable.undo.of.to_string())),
        ("step", Value::from(s.undoable.undo.step.clone())),
        ("at", Value::from(at.map(Time::iso))),
        ("reason", Value::from(reason)),
        ("execution", Value::from(child)),
    ]);
    let command = Ask::Note { action: ACTION.into(), of: ("execution".into(), head.id.clone()), details };
    commit.commands.push(Request { space: cx.space.clone(), by: cx.actor(), key: None, command });
    let guard = |key| Guard::Request { space: cx.space.clone(), key, execution: None };
    commit.guards.extend(cx.key()?.map(guard));
    cx.state.engine.commit(commit).await?;
    Ok(Reply::ok(shown(&cx, &head)?))
}
