//! The alert queue of the page: one request draws it, one decides many alerts, one takes a decision back.
//!
//! Invariants: numbers are over the whole view; a decision is per item and says of each what became of it; an undo token is good once, for
//! `UNDO_FOR`, and refuses what somebody else changed since.
//! Not here: transitions (`triage::alert`).
//! Source: `docs/reference/ui-api.md` §2.

use crate::auth::token;
use crate::error::{ApiError, Result};
use crate::extras;
use crate::http::{Ctx, Reply};
use crate::kql;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stdx::{Id, Time, Value};
use store::{AlertFilter, AlertRow, AlertSort};
use triage::Command;

/// Members of an answer.
pub const SIZE_MAX: usize = 500;
/// Members of one group in an answer.
pub const GROUP_MAX: usize = 50;
/// Members of an answer that asks for no number.
const SIZE_USUAL: usize = 200;
/// Bytes of the groups in such an answer; one that asks for more members may be larger by as much.
const ANSWER_BYTES_MAX: usize = 140_000;
/// Alerts of one decision.
pub const DECIDE_MAX: usize = 1_000;
/// How long a decision can be taken back.
pub const UNDO_FOR: Duration = Duration::from_secs(600);
/// Decisions that can be taken back at once; the oldest is forgotten first.
pub const UNDO_MAX: usize = 256;
/// Alerts that one view looks at; the newest beyond it are counted by status only.
pub const VIEW_MAX: u64 = 100_000;
const REASON_CHARS_MAX: usize = 300;
const COMMENT_CHARS_MAX: usize = 1_024;
const AGE_BUCKETS: usize = 24;

const READ: Access = Access::Needs("alerts:read");
const WRITE: Access = Access::Needs("alerts:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/api/watchfire/alerts/queue", READ, "The alert queue", h!(queue)),
    Route::change(Method::Post, "/api/watchfire/alerts/decide", WRITE, "Decides alerts", h!(decide)),
    Route::change(Method::Post, "/api/watchfire/alerts/undo", WRITE, "Takes a decision back", h!(undo)),
    Route::read(Method::Get, "/api/watchfire/alerts/{id}", READ, "Gets an alert with its document", h!(get)),
    Route::read(Method::Get, "/api/watchfire/alerts/{id}/history", READ, "What happened to an alert", h!(history)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Open,
    Mine,
    Acknowledged,
    Closed,
    All,
}

impl View {
    fn holds(self, row: &AlertRow, uid: &str) -> bool {
        match self {
            Self::Open => &*row.status == "open",
            Self::Mine => &*row.status != "closed" && row.assignees.iter().any(|a| &**a == uid),
            Self::Acknowledged => &*row.status == "acknowledged",
            Self::Closed => &*row.status == "closed",
            Self::All => true,
        }
    }
    fn statuses(self) -> Vec<Arc<str>> {
        match self {
            Self::Open => vec!["open".into()],
            Self::Mine => vec!["open".into(), "acknowledged".into()],
            Self::Acknowledged => vec!["acknowledged".into()],
            Self::Closed => vec!["closed".into()],
            Self::All => Vec::new(),
        }
    }
}

/// Parameters of the queue.
struct Asked {
    view: View,
    group: String,
    sort: AlertSort,
    size: usize,
    inside: Option<String>,
    cursor: Option<usize>,
}

fn asked(cx: &Ctx) -> Result<Asked> {
    let wrong = |key: &str, value: &str| {
        ApiError::invalid(format!("[request query.{key}]: `{value}` is not one of its values"))
    };
    let view = match cx.query.get("view").unwrap_or("open") {
        "open" => View::Open,
        "mine" => View::Mine,
        "acknowledged" => View::Acknowledged,
        "closed" => View::Closed,
        "all" => View::All,
        other => return Err(wrong("view", other)),
    };
    let sort = match cx.query.get("sort").unwrap_or("severity") {
        "severity" => AlertSort::Severity,
        "age" => AlertSort::Age,
        "newest" => AlertSort::Newest,
        other => return Err(wrong("sort", other)),
    };
    let group = cx.query.get("group").unwrap_or("entity");
    if !matches!(group, "entity" | "rule" | "none") {
        return Err(wrong("group", group));
    }
    let cursor = match cx.query.get("cursor") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| wrong("cursor", text))?),
    };
    let size = cx.query.number("size", 200, 1, SIZE_MAX)?;
    Ok(Asked { view, group: group.to_owned(), sort, size, inside: cx.query.get("in").map(str::to_owned), cursor })
}

async fn queue(cx: Ctx) -> Result<Reply> {
    // Tens of thousands of rows take tens of milliseconds: not on an async thread.
    tokio::task::spawn_blocking(move || draw(&cx)).await.map_err(ApiError::internal)?
}

fn draw(cx: &Ctx) -> Result<Reply> {
    let asked = asked(cx)?;
    let seq = cx.state.seq()?;
    let severities: Vec<Arc<str>> = cx.query.comma_list("severity").into_iter().map(Arc::from).collect();
    let filter = AlertFilter {
        space: cx.space.clone(),
        statuses: asked.view.statuses(),
        severities,
        assignee: (asked.view == View::Mine).then(|| cx.principal.uid.clone()),
        sort: asked.sort,
        limit: VIEW_MAX,
        ..AlertFilter::default()
    };
    let mut rows = cx.read(|r| r.alert_list(&filter))?;
    rows.retain(|r| asked.view.holds(r, &cx.principal.uid));
    if let Some(q) = cx.query.get("q").filter(|q| !q.trim().is_empty()) {
        rows = searched(cx, rows, q)?;
    }
    let total = rows.len();
    let ages = ages(&rows, cx.now);
    let [open, acknowledged, closed] = cx.read(|r| r.alert_status_counts(&cx.space))?;
    let mine = AlertFilter {
        space: cx.space.clone(),
        statuses: View::Mine.statuses(),
        assignee: Some(cx.principal.uid.clone()),
        ..AlertFilter::default()
    };
    let mine = cx.read(|r| r.alert_count(&mine))?;
    let (groups, cursor) = grouped(cx, &asked, rows)?;
    Ok(Reply::ok(json!({
        "total": total,
        "counts": {"open": open, "mine": mine, "acknowledged": acknowledged, "closed": closed, "all": open + acknowledged + closed},
        "ages": ages,
        "decided_24h": decided(cx)?,
        "groups": groups,
        "cursor": cursor,
        "seq": seq,
    })))
}

fn searched(cx: &Ctx, rows: Vec<AlertRow>, q: &str) -> Result<Vec<AlertRow>> {
    let filter = kql::parse(q)?;
    let mut kept = Vec::new();
    for slice in rows.chunks(256) {
        let ids: Vec<Id> = slice.iter().map(|r| r.id.clone()).collect();
        let documents: HashMap<Id, Value> =
            cx.read(|r| r.alert_documents(&cx.space, &ids))?.into_iter().map(|a| (a.id, a.document)).collect();
        kept.extend(slice.iter().filter(|r| documents.get(&r.id).is_some_and(|d| filter.matches(d))).cloned());
    }
    Ok(kept)
}

fn ages(rows: &[AlertRow], now: Time) -> Json {
    let open = || rows.iter().filter(|r| &*r.status == "open");
    let oldest = open().map(|r| r.time).min();
    // At least an hour, so that a new alert does not fill the whole axis.
    let span = oldest.map_or(0, |o| now.since(o).0).max(3_600_000_000);
    let mut buckets = [0u64; AGE_BUCKETS];
    for row in open() {
        let age = now.since(row.time).0.clamp(0, span);
        let at = (i128::from(age) * AGE_BUCKETS as i128 / (i128::from(span) + 1)) as usize;
        buckets[at.min(AGE_BUCKETS - 1)] += 1;
    }
    json!({"from": Time(now.0 - span).iso(), "to": now.iso(), "buckets": buckets, "oldest": oldest.map(Time::iso)})
}

/// Decisions looked at for the figure of the last day.
const DECIDED_MAX: u64 = 1_000;
/// How long that figure is kept: each decision is looked up in the audit trail.
const DECIDED_FOR: Duration = Duration::from_secs(10);

/// The figure of the last day, kept for a while.
#[derive(Default)]
pub struct Decided(Mutex<Option<(Instant, Json)>>);

/// Alerts closed or acknowledged in the last day, by whom.
fn decided(cx: &Ctx) -> Result<Json> {
    let mut kept = cx.state.decided.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, figure)) = &*kept
        && at.elapsed() < DECIDED_FOR
    {
        return Ok(figure.clone());
    }
    let since = Time(cx.now.0 - 86_400_000_000);
    let filter = AlertFilter {
        space: cx.space.clone(),
        statuses: vec!["acknowledged".into(), "closed".into()],
        sort: AlertSort::Newest,
        limit: DECIDED_MAX,
        ..AlertFilter::default()
    };
    let (mut workflows, mut people) = (0u64, 0u64);
    for row in cx.read(|r| r.alert_list(&filter))? {
        if row.status_at.is_some_and(|t| t >= since) {
            let by_run = row.workflow_user.is_none() || extras::decided_by_run(cx, &row)?;
            if by_run { workflows += 1 } else { people += 1 }
        }
    }
    let figure = json!({"by_workflow": workflows, "by_people": people});
    *kept = Some((Instant::now(), figure.clone()));
    Ok(figure)
}

fn key_of(group: &str, row: &AlertRow) -> (String, &'static str, String) {
    let rule = || {
        let name = row.rule_name.as_deref().unwrap_or("no rule");
        (format!("rule:{}", row.rule.as_deref().unwrap_or(name)), "rule", name.to_owned())
    };
    match group {
        "none" => ("all".into(), "all", "All".into()),
        "rule" => rule(),
        _ => {
            let named = [("host", &row.host), ("user", &row.user), ("source", &row.source)];
            let found = named.into_iter().find_map(|(kind, v)| v.as_deref().map(|v| (kind, v)));
            found.map_or_else(rule, |(kind, v)| (format!("{kind}:{v}"), kind, v.to_owned()))
        }
    }
}

struct Group {
    kind: &'static str,
    name: String,
    rows: Vec<AlertRow>,
}

fn grouped(cx: &Ctx, asked: &Asked, rows: Vec<AlertRow>) -> Result<(Vec<Json>, Option<String>)> {
    let mut order: Vec<String> = Vec::new();
    let mut groups: HashMap<String, Group> = HashMap::new();
    for row in rows {
        let (key, kind, name) = key_of(&asked.group, &row);
        groups
            .entry(key.clone())
            .or_insert_with(|| {
                order.push(key);
                Group { kind, name, rows: Vec::new() }
            })
            .rows
            .push(row);
    }
    let per_group = if asked.group == "none" || asked.inside.is_some() { asked.size } else { GROUP_MAX };
    if let Some(key) = &asked.inside {
        let Some(group) = groups.get(key) else { return Ok((Vec::new(), None)) };
        return Ok((vec![group_wire(cx, key, group, asked.cursor.unwrap_or(0), per_group)?], None));
    }
    let (mut shown, mut room, mut next) = (Vec::new(), asked.size, None);
    let (mut bytes, bytes_max) = (0, ANSWER_BYTES_MAX.max(room * ANSWER_BYTES_MAX / SIZE_USUAL));
    for (i, key) in order.iter().enumerate().skip(asked.cursor.unwrap_or(0)) {
        if room == 0 {
            next = Some(i.to_string());
            break;
        }
        let Some(group) = groups.get(key) else { continue };
        let n = per_group.min(room);
        let wire = group_wire(cx, key, group, 0, n)?;
        let size = wire.to_string().len();
        if bytes + size > bytes_max && !shown.is_empty() {
            next = Some(i.to_string());
            break;
        }
        bytes += size;
        room -= n.min(group.rows.len());
        shown.push(wire);
    }
    Ok((shown, next))
}

const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];

fn rank(severity: &str) -> usize {
    SEVERITIES.iter().position(|s| *s == severity).unwrap_or(0)
}

fn group_wire(cx: &Ctx, key: &str, group: &Group, from: usize, n: usize) -> Result<Json> {
    let rows = &group.rows;
    let severity = rows.iter().map(|r| rank(r.severity)).max().unwrap_or(0);
    let risk = rows.iter().map(|r| r.risk).fold(0.0, f64::max);
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        let at = rules.entry(row.rule_name.as_deref().unwrap_or("no rule")).or_default();
        *at = (*at).max(rank(row.severity));
    }
    let rules_total = rules.len();
    let mut rules: Vec<_> = rules.into_iter().collect();
    rules.sort_by_key(|(name, severity)| (std::cmp::Reverse(*severity), *name));
    let mut cases: Vec<&Arc<str>> = rows.iter().filter_map(|r| r.cases.first()).collect();
    cases.dedup();
    let case = match cases.as_slice() {
        [one] => extras::case_ref(cx, one)?,
        _ => Json::Null,
    };
    let members = rows.iter().skip(from).take(n).map(|r| row_wire(cx, r)).collect::<Result<Vec<_>>>()?;
    let end = from + members.len();
    Ok(json!({
        "key": key, "kind": group.kind, "name": group.name, "count": rows.len(), "severity": SEVERITIES[severity], "risk_score": risk,
        "oldest": rows.iter().map(|r| r.time).min().map(Time::iso), "rules": rules.iter().take(3).map(|(name, _)| name).collect::<Vec<_>>(),
        "rules_total": rules_total, "case": case, "members": members,
        "cursor": (end < rows.len()).then(|| end.to_string()),
    }))
}

/// An alert as a row of the queue.
pub(crate) fn row_wire(cx: &Ctx, row: &AlertRow) -> Result<Json> {
    let (execution, executions) = extras::telling_execution(cx, &row.id)?;
    let case = match row.cases.first() {
        Some(id) => extras::case_ref(cx, id)?,
        None => Json::Null,
    };
    let reason = row.reason.as_deref().unwrap_or_default();
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    Ok(json!({
        "id": row.id, "index": row.index, "version": triage::version_text(row.version),
        "rule": {"id": row.rule.as_deref().unwrap_or_default(), "name": row.rule_name.as_deref().unwrap_or_default()},
        "severity": row.severity, "risk_score": row.risk, "reason": reason,
        "host": row.host, "user": row.user, "source": row.source, "status": row.status, "close_reason": row.close_reason,
        "assignees": row.assignees, "time": row.time.iso(), "start": row.start.iso(), "case": case,
        "execution": execution, "executions": executions,
    }))
}

fn one(cx: &Ctx, id: &str) -> Result<AlertRow> {
    let filter = AlertFilter { space: cx.space.clone(), ids: vec![Id::from(id)], limit: 1, ..AlertFilter::default() };
    let found = cx.read(|r| r.alert_list(&filter))?.into_iter().next();
    found.ok_or_else(|| ApiError::not_found(format!("alert `{id}` not found")))
}

async fn get(cx: Ctx) -> Result<Reply> {
    let row = one(&cx, cx.param("id"))?;
    let alert = cx.read(|r| r.alert_get(&cx.space, &row.id))?;
    let source = alert.map_or(Json::Null, |a| Json::from(&a.document));
    Ok(Reply::ok(json!({"row": row_wire(&cx, &row)?, "source": source})))
}

// ---- decisions ----

/// What an alert was before a decision.
struct Before {
    id: Id,
    version: u64,
    status: Arc<str>,
    reason: Option<Arc<str>>,
    assignees: Vec<Arc<str>>,
}

struct Undoable {
    token: String,
    user: Arc<str>,
    at: Instant,
    before: Vec<Before>,
}

/// Decisions that can still be taken back.
#[derive(Default)]
pub struct Undo(Mutex<VecDeque<Undoable>>);

impl Undo {
    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<Undoable>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn keep(&self, user: &Arc<str>, before: Vec<Before>) -> String {
        let token = format!("u_{}", token::<12>());
        let mut all = self.all();
        if all.len() >= UNDO_MAX {
            all.pop_front();
        }
        all.push_back(Undoable { token: token.clone(), user: user.clone(), at: Instant::now(), before });
        token
    }
    fn take(&self, user: &str, token: &str) -> Option<Vec<Before>> {
        let mut all = self.all();
        all.retain(|u| u.at.elapsed() < UNDO_FOR);
        let at = all.iter().position(|u| u.token == token && *u.user == *user)?;
        all.remove(at).map(|u| u.before)
    }
}

/// What a decision asks of one alert; nothing when it changes nothing.
fn commands(kind: &str, row: &AlertRow, reason: Option<&Arc<str>>, assignee: Option<&Arc<str>>) -> Vec<Command> {
    let ids = || vec![row.id.clone()];
    let status = |status: &str, reason: Option<&Arc<str>>| Command::AlertStatus {
        ids: ids(),
        status: status.into(),
        reason: reason.cloned(),
    };
    let mut out = Vec::new();
    match kind {
        "acknowledge" if &*row.status != "acknowledged" => out.push(status("acknowledged", None)),
        "close" if &*row.status != "closed" || row.close_reason.as_ref() != reason => {
            out.push(status("closed", reason))
        }
        "reopen" if &*row.status != "open" => out.push(status("open", None)),
        _ => {}
    }
    if let Some(uid) = assignee {
        let has = row.assignees.contains(uid);
        match kind {
            "assign" | "acknowledge" if !has => {
                out.push(Command::AlertAssignees { ids: ids(), add: vec![uid.clone()], remove: Vec::new() })
            }
            "unassign" if has => {
                out.push(Command::AlertAssignees { ids: ids(), add: Vec::new(), remove: vec![uid.clone()] })
            }
            _ => {}
        }
    }
    out
}

async fn decide(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let field = |key: &str| body.get(key).and_then(Json::as_str);
    let kind = field("kind").unwrap_or_default().to_owned();
    if !matches!(kind.as_str(), "acknowledge" | "close" | "reopen" | "assign" | "unassign") {
        return Err(ApiError::invalid(format!(
            "[request body.kind]: `{kind}` is not one of acknowledge, close, reopen, assign, unassign"
        )));
    }
    let items = body.get("items").and_then(Json::as_array).filter(|i| !i.is_empty() && i.len() <= DECIDE_MAX);
    let items =
        items.ok_or_else(|| ApiError::invalid(format!("[request body.items]: expected 1 to {DECIDE_MAX} items")))?;
    let assignee: Option<Arc<str>> = field("assignee").map(Arc::from);
    if matches!(kind.as_str(), "assign" | "unassign") && assignee.is_none() {
        return Err(ApiError::invalid("[request body.assignee]: expected value of type [string] but got [undefined]"));
    }
    let reason = match field("reason") {
        Some("other") => Some(field("comment").unwrap_or("other")),
        Some(r @ ("true_positive" | "benign_positive" | "false_positive" | "duplicate")) => Some(r),
        Some(other) => return Err(ApiError::invalid(format!("[request body.reason]: `{other}` is not a reason"))),
        None => None,
    };
    if reason.is_some_and(|r| r.chars().count() > COMMENT_CHARS_MAX) {
        return Err(ApiError::invalid(format!(
            "[request body.comment]: at most {COMMENT_CHARS_MAX} characters are allowed"
        )));
    }
    let reason: Option<Arc<str>> = reason.map(Arc::from);
    let wanted: Vec<(Id, Option<String>)> = items
        .iter()
        .map(|i| {
            let id = i
                .get("id")
                .and_then(Json::as_str)
                .ok_or_else(|| ApiError::invalid("[request body.items.id]: expected value of type [string]"))?;
            Ok((Id::from(id), i.get("version").and_then(Json::as_str).map(str::to_owned)))
        })
        .collect::<Result<_>>()?;
    let plan = |row: &AlertRow| commands(&kind, row, reason.as_ref(), assignee.as_ref());
    let (answer, before) = apply(&cx, &wanted, plan).await?;
    *cx.state.decided.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let token = (!before.is_empty()).then(|| cx.state.undo.keep(&cx.principal.user, before));
    Ok(Reply::ok(with(answer, "undo", json!(token))))
}

fn with(mut answer: Json, key: &str, value: Json) -> Json {
    if let Some(o) = answer.as_object_mut() {
        o.insert(key.to_owned(), value);
    }
    answer
}

async fn undo(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let token = body.get("token").and_then(Json::as_str).unwrap_or_default();
    let before = cx
        .state
        .undo
        .take(&cx.principal.user, token)
        .ok_or_else(|| ApiError::not_found("this can no longer be taken back"))?;
    let wanted: Vec<_> = before.iter().map(|b| (b.id.clone(), Some(triage::version_text(b.version)))).collect();
    let by_id: HashMap<&Id, &Before> = before.iter().map(|b| (&b.id, b)).collect();
    let plan = |row: &AlertRow| {
        let Some(old) = by_id.get(&row.id) else { return Vec::new() };
        let mut out = Vec::new();
        if row.status != old.status || row.close_reason != old.reason {
            let reason = old.reason.clone().filter(|_| &*old.status == "closed");
            out.push(Command::AlertStatus { ids: vec![row.id.clone()], status: old.status.clone(), reason });
        }
        let add: Vec<_> = old.assignees.iter().filter(|a| !row.assignees.contains(a)).cloned().collect();
        let remove: Vec<_> = row.assignees.iter().filter(|a| !old.assignees.contains(a)).cloned().collect();
        if !add.is_empty() || !remove.is_empty() {
            out.push(Command::AlertAssignees { ids: vec![row.id.clone()], add, remove });
        }
        out
    };
    let (answer, _) = apply(&cx, &wanted, plan).await?;
    Ok(Reply::ok(with(answer, "undo", Json::Null)))
}

/// Works the items off, each for itself; what they were before is given back for an undo.
async fn apply(
    cx: &Ctx,
    wanted: &[(Id, Option<String>)],
    plan: impl Fn(&AlertRow) -> Vec<Command>,
) -> Result<(Json, Vec<Before>)> {
    let ids: Vec<Id> = wanted.iter().map(|(id, _)| id.clone()).collect();
    let filter = AlertFilter { space: cx.space.clone(), ids, limit: DECIDE_MAX as u64, ..AlertFilter::default() };
    let rows: HashMap<Id, AlertRow> =
        cx.read(|r| r.alert_list(&filter))?.into_iter().map(|r| (r.id.clone(), r)).collect();
    let refused = |id: &Id, code: &str, message: String, row: Option<&AlertRow>| {
        let version = row.map(|r| triage::version_text(r.version));
        json!({"id": id, "ok": false, "version": version, "status": row.map(|r| &r.status), "error": message, "code": code})
    };
    let (mut results, mut commands, mut owners) = (vec![Json::Null; wanted.len()], Vec::new(), Vec::new());
    for (i, (id, version)) in wanted.iter().enumerate() {
        let Some(row) = rows.get(id) else {
            results[i] = refused(id, "not_found", format!("alert `{id}` not found"), None);
            continue;
        };
        if version.as_ref().is_some_and(|v| *v != triage::version_text(row.version)) {
            results[i] = refused(id, "conflict", "the alert was changed in the meantime".into(), Some(row));
            continue;
        }
        let asked = plan(row);
        if asked.is_empty() {
            results[i] = refused(id, "no_change", "nothing to change".into(), Some(row));
        }
        if !asked.is_empty() {
            // The version is looked at again by the commit itself: two people cannot both win.
            owners.push(i);
            commands.push(Command::AlertDecide { id: id.clone(), version: row.version, commands: asked });
        }
    }
    let outcomes = cx.independent(commands).await?;
    let mut before = Vec::new();
    for (i, outcome) in owners.into_iter().zip(outcomes) {
        let (id, _) = &wanted[i];
        let Some(row) = rows.get(id) else { continue };
        match outcome {
            Err(refusal) => {
                let error = ApiError::from(refusal);
                let code = if error.code == crate::ErrorCode::Forbidden { "forbidden" } else { "conflict" };
                results[i] = refused(id, code, error.message, Some(row));
            }
            Ok(value) => {
                let changed = value.get("alerts").and_then(Value::as_array).and_then(|a| a.first());
                let version = changed
                    .and_then(|a| a.get("version"))
                    .and_then(Value::as_i64)
                    .and_then(|v| u64::try_from(v).ok())
                    .unwrap_or(row.version + 1);
                results[i] =
                    json!({"id": id, "ok": true, "version": triage::version_text(version), "status": Json::Null});
                before.push(Before {
                    id: id.clone(),
                    version,
                    status: row.status.clone(),
                    reason: row.close_reason.clone(),
                    assignees: row.assignees.clone(),
                });
            }
        }
    }
    let now: HashMap<Id, AlertRow> =
        cx.read(|r| r.alert_list(&filter))?.into_iter().map(|r| (r.id.clone(), r)).collect();
    for result in results.iter_mut().filter(|r| r["ok"] == true) {
        let status = result["id"].as_str().and_then(|id| now.get(id)).map(|r| r.status.clone());
        result["status"] = json!(status);
    }
    let changed = results.iter().filter(|r| r["ok"] == true).count();
    Ok((json!({"results": results, "changed": changed, "refused": results.len() - changed}), before))
}

async fn history(cx: Ctx) -> Result<Reply> {
    let row = one(&cx, cx.param("id"))?;
    Ok(Reply::ok(json!({"entries": extras::alert_history(&cx, &row)?})))
}
