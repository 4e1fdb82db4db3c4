//! The approvals inbox: questions and settlements, shown whole, decided with the hash of what was shown.
//!
//! Invariants: reading never answers; an approval is taken only with the row's own hash; the first answer wins, later ones are 409 with the row.
//! Not here: transitions (`triage::question`), what runs afterwards (`workflow`).
//! Source: `docs/reference/ui-api.md` §4, `design/engine.md` §8.

use crate::error::{ApiError, ErrorCode, Result};
use crate::extras;
use crate::http::{Ctx, Reply};
use crate::passkeys::{self, Purpose};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Id, Value};
use store::QuestionFilter;
use triage::question::{Answer, QuestionState, Verdict};
use triage::{Command, QuestionKind, QuestionRow};

/// Rows of one page.
pub const SIZE_MAX: usize = 200;
/// Evidence texts shown with a question.
pub const EVIDENCE_MAX: usize = 5;
/// Bytes of one evidence text.
pub const EVIDENCE_BYTES_MAX: usize = 4 * 1024;

const READ: Access = Access::Needs("approvals:read");
const DECIDE: Access = Access::Needs("approvals:decide");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/api/watchfire/approvals", READ, "Lists the approvals inbox", h!(list)),
    Route::read(Method::Get, "/api/watchfire/approvals/{id}", READ, "Gets one approval whole", h!(get)),
    Route::change(Method::Post, "/api/watchfire/approvals/{id}/decide", DECIDE, "Approves or rejects", h!(decide)),
    Route::change(
        Method::Post,
        "/api/watchfire/approvals/{id}/remark",
        DECIDE,
        "Asks back, replies or hands an approval on",
        h!(remark),
    ),
    Route::read(
        Method::Post,
        "/api/watchfire/approvals/{id}/challenge",
        DECIDE,
        "Gives a challenge for a passkey to sign",
        h!(challenge),
    ),
    Route::change(
        Method::Post,
        "/api/watchfire/approvals/{id}/change",
        DECIDE,
        "Changes what will run: shown again under a new hash",
        h!(change),
    ),
    Route::change(
        Method::Post,
        "/api/watchfire/approvals/{id}/settle",
        DECIDE,
        "Settles an unknown outcome",
        h!(settle),
    ),
];

async fn list(cx: Ctx) -> Result<Reply> {
    let open = match cx.query.get("state").unwrap_or("waiting") {
        "waiting" => Some(true),
        "answered" => Some(false),
        "all" => None,
        other => {
            return Err(ApiError::invalid(format!(
                "[request query.state]: `{other}` is not one of waiting, answered, all"
            )));
        }
    };
    let size = cx.query.number("size", 50, 1, SIZE_MAX)?;
    let from = cx.query.number("cursor", 0, 0, usize::MAX)?;
    let base = QuestionFilter {
        space: cx.space.clone(),
        execution: cx.query.get("execution").map(Id::from),
        about: cx.query.get("case").map(Arc::from),
        ..QuestionFilter::default()
    };
    let page = QuestionFilter { open, offset: from as u64, limit: size as u64 + 1, ..base.clone() };
    let mut rows = cx.read(|r| r.question_list(&page))?;
    let more = rows.len() > size;
    rows.truncate(size);
    let count = |open| cx.read(|r| r.question_count(&QuestionFilter { open: Some(open), ..base.clone() }));
    let counts = json!({"waiting": count(true)?, "answered": count(false)?});
    let approvals = rows.iter().map(|row| wire(&cx, row, false)).collect::<Result<Vec<_>>>()?;
    Ok(Reply::ok(json!({"approvals": approvals, "cursor": more.then(|| (from + size).to_string()), "counts": counts})))
}

fn stored(cx: &Ctx, id: &str) -> Result<QuestionRow> {
    let row = cx.read(|r| r.question_get(id))?;
    row.filter(|r| r.question.space == cx.space)
        .ok_or_else(|| ApiError::not_found(format!("approval `{id}` not found")))
}

async fn get(cx: Ctx) -> Result<Reply> {
    let row = stored(&cx, cx.param("id"))?;
    Ok(Reply::ok(wire(&cx, &row, true)?))
}

const CLASSES: [&str; 5] = ["none", "internal", "read", "write", "destructive"];

/// State as the page names it.
pub(crate) const fn state_word(state: QuestionState) -> &'static str {
    match state {
        QuestionState::Open => "waiting",
        other => other.as_str(),
    }
}

/// Highest class of the frozen actions.
pub(crate) fn effect(row: &QuestionRow) -> &'static str {
    if row.question.kind == QuestionKind::Settlement {
        return "destructive";
    }
    let rank = |class: &str| CLASSES.iter().position(|c| *c == class).unwrap_or(0);
    CLASSES[row.question.actions.iter().map(|a| rank(&a.class)).max().unwrap_or(0)]
}

pub(crate) fn answers(row: &QuestionRow) -> Vec<Json> {
    row.answers.iter().map(decision).collect()
}

fn decision(a: &Answer) -> Json {
    let channel = match &*a.by.channel {
        "ui" => "web",
        "cli" => "cli",
        "slack" => "chat",
        _ => "api",
    };
    json!({
        "by": {"uid": triage::actor::profile_uid(&a.by.user), "username": a.by.user, "full_name": Json::Null},
        "verdict": a.verdict, "at": a.at.iso(), "comment": a.comment, "channel": channel,
        "passkey": a.signature.as_ref().map(|s| &s.credential),
    })
}

fn actions(cx: &Ctx, row: &QuestionRow, whole: bool) -> Result<Vec<Json>> {
    let mut all = Vec::new();
    let open = whole && row.state == QuestionState::Open && row.question.kind == QuestionKind::Question;
    let catalogue = open.then(|| cx.state.engine.catalogue(&cx.space));
    for (i, action) in row.question.actions.iter().enumerate() {
        let connector = match &action.connector {
            Some(id) => extras::connector_ref(cx, id)?,
            None => Json::Null,
        };
        let target =
            |keys: &[&str]| keys.iter().find_map(|k| action.target.get(k)).filter(|v| !v.is_null()).map(Json::from);
        let request = if whole { request_text(&action.operation, &action.request) } else { String::new() };
        let changeable = catalogue.as_ref().filter(|_| triage::question::change::changeable(&action.request));
        let schema = changeable.and_then(|c| workflow::change::schema(c, action));
        all.push(json!({
            "parameters": changeable.map(|_| &action.request), "schema": schema,
            "index": i + 1, "step": action.step, "type": action.operation, "class": action.class, "connector": connector,
            "target": {
                "host": target(&["host"]), "port": target(&["port"]), "account": target(&["user", "username", "account"]),
                "host_key": target(&["host_key"]), "url": target(&["base_url", "url"]),
            },
            "request": request, "secrets": action.secrets, "undo": undo(cx, action)?,
            "hash": triage::question::frozen_hash(std::slice::from_ref(action)),
        }));
    }
    Ok(all)
}

/// How an action is undone: what would be sent when, and whether the answer covers it; null where nothing takes it back.
fn undo(cx: &Ctx, action: &triage::FrozenAction) -> Result<Json> {
    let Some(undo) = &action.undo else { return Ok(Json::Null) };
    let connector = match &undo.connector {
        Some(id) => extras::connector_ref(cx, id)?,
        None => Json::Null,
    };
    let fits = undo.fits(&action.request);
    Ok(json!({
        "type": undo.operation, "class": undo.class, "connector": connector, "after": undo.after, "after_ms": undo.after_ms,
        // Changed parameters no longer fit what takes them back: it is rendered anew and asks.
        "bound": undo.bound && fits, "changed": !fits,
        "request": undo.bound.then(|| request_text(&undo.operation, &undo.request)), "template": undo.template,
        "retries": undo.retries, "secrets": undo.secrets,
    }))
}

/// The rendered request as text; for a host command exactly the command, unless another host, input or shell goes with it: whoever approves
/// must see that too.
pub(crate) fn request_text(operation: &str, request: &Value) -> String {
    let alone = request.as_object().is_some_and(|o| o.iter().filter(|(_, v)| !v.is_null()).count() == 1);
    match (operation, request.get("command").and_then(Value::as_str)) {
        ("ssh.run" | "winrm.run", Some(command)) if alone => command.to_owned(),
        _ => serde_json::to_string_pretty(&Json::from(request)).unwrap_or_default(),
    }
}

fn on_expiry(row: &QuestionRow) -> &'static str {
    match (row.question.kind, row.question.expires_at) {
        (QuestionKind::Settlement, _) => "it waits; nothing goes on before somebody answers",
        (_, Some(_)) => "the step fails, nothing is run",
        (_, None) => "it waits; nothing is run",
    }
}

/// An approval as the page reads it.
pub(crate) fn wire(cx: &Ctx, row: &QuestionRow, whole: bool) -> Result<Json> {
    let q = &row.question;
    let open = row.state == QuestionState::Open;
    let may = cx.principal.may("approvals:decide");
    let user = &cx.principal.user;
    let person = cx.read(|r| r.record_get(store::Noun::User, crate::auth::EVERYWHERE, user))?.map(|r| person(&r.body));
    let why_not = match (open, may) {
        (false, _) => Some(format!("it is {}", state_word(row.state))),
        (_, false) => Some("you lack the privilege approvals:decide".to_owned()),
        // What became of an attempt may say whoever may decide at all.
        _ if q.kind == QuestionKind::Settlement => None,
        _ => row.may_not(user, person.as_ref(), cx.now),
    };
    let may = may && why_not.is_none();
    let approved = row.answers.iter().filter(|a| a.verdict == Verdict::Approve).count();
    let about = extras::about(cx, q, whole)?;
    let unbound: Vec<_> = q
        .unbound
        .iter()
        .filter(|_| whole)
        .map(|(step, template)| json!({"step": step, "class": "destructive", "template": template}))
        .collect();
    let settlement = if q.kind == QuestionKind::Settlement { settlement(q) } else { Json::Null };
    let mut wire = json!({
        "id": q.id, "kind": q.kind, "state": state_word(row.state), "version": triage::version_text(row.version), "question": q.message,
        "approve_label": q.approve_label, "reject_label": q.reject_label, "effect": effect(row),
        "hash": (q.kind != QuestionKind::Input).then_some(&q.hash),
        "passkey_needed": open && q.kind != QuestionKind::Input && passkeys::needed(cx, row),
        "actions": actions(cx, row, whole)?, "unbound": unbound,
        "workflow": {"id": q.workflow, "name": q.workflow_name, "version": about.version},
        "execution": q.execution, "step": q.step, "step_execution": crate::run::step_id_of_text(&q.execution, &q.path),
        "case": about.case, "alerts": about.alerts, "evidence": about.evidence,
        "asked_at": q.asked_at.iso(), "expires_at": q.expires_at.map(stdx::Time::iso), "on_expiry": on_expiry(row),
        "quorum": {"needed": q.policy.needed(), "given": approved},
        "approvers": {"users": q.policy.users, "roles": q.policy.roles, "forbid_self": q.policy.forbid_self,
                      "escalation": q.policy.tiers, "delegates": row.delegates().collect::<Vec<_>>()},
        "remarks": row.remarks.iter().map(remark_wire).collect::<Vec<_>>(),
        "may_decide": open && may, "may_not_because": why_not,
        "decisions": answers(row), "settlement": settlement,
    });
    if let (QuestionKind::Input, Some(o)) = (q.kind, wire.as_object_mut()) {
        let response = row.answers.iter().rev().find_map(|a| a.output.as_ref());
        o.insert("schema".into(), Json::from(&q.schema));
        o.insert("response".into(), response.map_or(Json::Null, Json::from));
    }
    Ok(wire)
}

/// Something said, or a change with what it replaced and made void.
fn remark_wire(r: &triage::question::Remark) -> Json {
    let mut wire = json!({"by": r.by.user, "at": r.at.iso(), "kind": r.kind, "to": r.to, "text": r.text});
    if let Some(before) = &r.before {
        let was = |(index, a): &(u32, triage::FrozenAction)| json!({"index": index, "step": a.step, "request": request_text(&a.operation, &a.request)});
        wire["before"] = json!({
            "hash": before.hash, "actions": before.actions.iter().map(was).collect::<Vec<_>>(), "decisions": before.answers.iter().map(decision).collect::<Vec<_>>(),
        });
    }
    wire
}

fn person(body: &Value) -> triage::question::Person {
    let roles = body.get("roles").and_then(Value::as_array).unwrap_or_default();
    triage::question::Person {
        enabled: body.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        roles: roles.iter().filter_map(|v| v.as_str().map(Arc::from)).collect(),
    }
}

fn settlement(q: &triage::Question) -> Json {
    let member = |key: &str| q.about.get(key).and_then(Value::as_str);
    json!({
        "attempt_started_at": member("attempt_started_at").map_or_else(|| q.asked_at.iso(), str::to_owned),
        "may_run_until": q.running_until.map(stdx::Time::iso),
        "reason": member("reason").unwrap_or("the answer never came: whether the command ran is not known"),
        "probe": Json::Null,
    })
}

/// Adds the row as it stands now to a conflict.
fn conflict(cx: &Ctx, id: &str, error: ApiError) -> ApiError {
    if error.code != ErrorCode::Conflict {
        return error;
    }
    let Ok(row) = stored(cx, id) else { return error };
    let code = match row.state {
        QuestionState::Open => "hash",
        QuestionState::Expired => "expired",
        _ => "decided",
    };
    let expired = row.question.expires_at.is_some_and(|t| t <= cx.now) && row.state == QuestionState::Open;
    let code = if expired { "expired" } else { code };
    match wire(cx, &row, true) {
        Ok(current) => error.attributes(json!({"code": code, "current": current})),
        Err(_) => error,
    }
}

/// Answers a row; `ask` is what the person says, `signature` what their passkey does.
pub(crate) async fn answer(cx: &Ctx, id: &str, mut ask: Command, passkey: Option<&Json>) -> Result<QuestionRow> {
    if let crate::auth::Via::Run { .. } = cx.principal.via {
        // Else a workflow could approve its own destructive steps on behalf of whoever started it.
        return Err(ApiError::new(ErrorCode::Forbidden, "a run cannot answer a question; a person must"));
    }
    let row = stored(cx, id)?;
    let mut puts = Vec::new();
    if let Command::QuestionDecide { verdict, hash, signature, .. } = &mut ask
        && row.question.kind.lets_go(*verdict)
        && row.state == QuestionState::Open
    {
        match passkey.filter(|p| !p.is_null()) {
            Some(given) => {
                if hash.as_ref().is_some_and(|h| *h != row.question.hash) {
                    let other = ApiError::conflict("the hash is another one: what would run has changed");
                    return Err(conflict(cx, id, other));
                }
                let (signed, put) = passkeys::signed(cx, &row, *verdict, given)?;
                *signature = Some(Box::new(signed));
                puts.push(put);
            }
            None if passkeys::needed(cx, &row) => {
                let why = "this takes a passkey's signature over what will run: open it on the page";
                return Err(ApiError::new(ErrorCode::Forbidden, why).attributes(json!({"code": "passkey"})));
            }
            None => {}
        }
    }
    let done = cx.commit(vec![ask], puts).await.map_err(|e| conflict(cx, id, e))?;
    for result in done.results {
        result.map_err(|refusal| conflict(cx, id, refusal.into()))?;
    }
    stored(cx, id)
}

fn comment(body: &Json) -> Result<Option<Arc<str>>> {
    match body.get("comment") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(ApiError::invalid("[request body.comment]: expected value of type [string]")),
    }
}

/// A challenge over exactly what is shown now, for this person and this answer.
async fn challenge(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let id = cx.param("id");
    let row = stored(&cx, id)?;
    let verdict = match body.get("verdict").and_then(Json::as_str) {
        Some("approve") => Verdict::Approve,
        Some("again") => Verdict::Again,
        _ => return Err(ApiError::invalid("[request body.verdict]: expected `approve` or `again`")),
    };
    if !row.question.kind.lets_go(verdict) || row.state != QuestionState::Open {
        return Err(conflict(&cx, id, ApiError::conflict(format!("approval `{id}` takes no such answer now"))));
    }
    if body.get("hash").and_then(Json::as_str) != Some(&*row.question.hash) {
        return Err(conflict(&cx, id, ApiError::conflict("the hash is another one: what would run has changed")));
    }
    let purpose = Purpose::Answer { question: row.question.id.clone(), hash: row.question.hash.clone(), verdict };
    let text = cx.state.challenges.make(&cx.principal.user, purpose, cx.now)?;
    let keys = passkeys::of(&cx, &cx.principal.user)?;
    let keys: Vec<_> = keys.iter().map(|k| &k.credential.id).collect();
    let until = (cx.now + passkeys::CHALLENGE_FOR).iso();
    Ok(Reply::ok(json!({"challenge": text, "rp_id": cx.state.site().0, "credentials": keys, "expires_at": until})))
}

async fn decide(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let verdict = match body.get("verdict").and_then(Json::as_str) {
        Some("approve") => Verdict::Approve,
        Some("reject") => Verdict::Reject,
        _ => return Err(ApiError::invalid("[request body.verdict]: expected `approve` or `reject`")),
    };
    let hash: Option<Arc<str>> = body.get("hash").and_then(Json::as_str).map(Arc::from);
    let id = cx.param("id");
    let ask = Command::QuestionDecide {
        id: Id::from(id),
        verdict,
        hash,
        comment: comment(&body)?,
        output: None,
        signature: None,
    };
    let row = answer(&cx, id, ask, body.get("passkey")).await?;
    Ok(Reply::ok(wire(&cx, &row, true)?))
}

async fn remark(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let kind = match body.get("kind").and_then(Json::as_str) {
        Some("ask") => triage::question::RemarkKind::Ask,
        Some("reply") => triage::question::RemarkKind::Reply,
        Some("delegate") => triage::question::RemarkKind::Delegate,
        _ => return Err(ApiError::invalid("[request body.kind]: expected `ask`, `reply` or `delegate`")),
    };
    let text = |key: &str| body.get(key).and_then(Json::as_str).map(str::trim).filter(|t| !t.is_empty()).map(Arc::from);
    let id = cx.param("id");
    let ask = Command::QuestionRemark { id: Id::from(id), kind, to: text("to"), text: text("text") };
    let row = answer(&cx, id, ask, None).await?;
    Ok(Reply::ok(wire(&cx, &row, true)?))
}

async fn change(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let id = cx.param("id");
    let hash = body.get("hash").and_then(Json::as_str);
    let hash = hash.ok_or_else(|| ApiError::invalid("[request body.hash]: the hash of what was shown is needed"))?;
    let why = comment(&body)?.ok_or_else(|| ApiError::invalid("[request body.comment]: a change says why"))?;
    let given = body.get("actions").and_then(Json::as_array).filter(|a| !a.is_empty());
    let given = given.ok_or_else(|| ApiError::invalid("[request body.actions]: expected what to change"))?;
    let row = stored(&cx, id)?;
    let catalogue = cx.state.engine.catalogue(&cx.space);
    let mut actions = Vec::new();
    for one in given {
        let index = one.get("index").and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let at = (index as usize).checked_sub(1).and_then(|i| row.question.actions.get(i));
        let frozen =
            at.ok_or_else(|| ApiError::invalid(format!("[request body.actions]: there is no action {index}")))?;
        let parameters = Value::from(one.get("parameters").cloned().unwrap_or_default());
        let request = workflow::change::changed(&catalogue, frozen, &parameters).map_err(|problems| {
            let said: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.pointer, p.message)).collect();
            let errors: Vec<_> =
                problems.iter().map(|p| json!({"index": index, "pointer": p.pointer, "message": p.message})).collect();
            ApiError::invalid(format!("the parameters of `{}` do not fit: {}", frozen.step, said.join("; ")))
                .attributes(json!({"errors": errors}))
        })?;
        actions.push(triage::question::Changed { index, request });
    }
    let ask = Command::QuestionChange { id: Id::from(id), hash: hash.into(), actions, comment: why };
    let row = answer(&cx, id, ask, None).await?;
    Ok(Reply::ok(wire(&cx, &row, true)?))
}

async fn settle(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let verdict = match body.get("verdict").and_then(Json::as_str) {
        Some("happened") => Verdict::Happened,
        Some("again") => Verdict::Again,
        Some("skip") => Verdict::Skip,
        _ => return Err(ApiError::invalid("[request body.verdict]: expected `happened`, `again` or `skip`")),
    };
    let output = body.get("output").filter(|v| !v.is_null()).map(|v| Value::from(v.clone()));
    let id = cx.param("id");
    // The settled bytes are named by the row itself: it shows one frozen action and its hash never changes.
    let hash = Some(stored(&cx, id)?.question.hash);
    let comment = comment(&body)?;
    let ask = Command::QuestionDecide { id: Id::from(id), verdict, hash, comment, output, signature: None };
    let row = answer(&cx, id, ask, body.get("passkey")).await?;
    Ok(Reply::ok(wire(&cx, &row, true)?))
}
