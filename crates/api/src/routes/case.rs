//! Cases: create, get, find, change, delete; what belongs to a case and is read with it.
//!
//! Invariants: every change is one commit; a `PATCH` of many cases changes all or none; answers have Kibana's status codes (create 200, delete 204).
//! Not here: validation and transitions (`triage::case`), comments (`comment`), configuration (`configure`), observables, files and push
//! (`case_parts`).
//! Source: `reference/kibana-apis.md` §2.

use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use crate::ids;
use crate::table::{Access, Method, Route, h};
use lang::date::{DateMath, Round};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use store::{ActionFilter, CaseFilter, CaseSort};
use triage::Command;

/// Cases or comments of one page.
pub const PAGE_MAX: usize = 100;
/// How deep pages reach.
pub const DOCUMENTS_MAX: usize = 10_000;
/// Values of one filter.
pub const FILTER_VALUES_MAX: usize = 100;

/// Cases of one `PATCH`.
pub const PATCH_MAX: usize = 100;
/// Cases of one `DELETE`.
pub const DELETE_MAX: usize = 100;
/// Cases of one `_bulk_get`.
pub const BULK_GET_MAX: usize = 1_000;

const READ: Access = Access::Needs("cases:read");
const WRITE: Access = Access::Needs("cases:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::change(Method::Post, "/api/cases", WRITE, "Creates a case", h!(create)),
    Route::change(Method::Patch, "/api/cases", WRITE, "Changes cases, all or none", h!(patch)),
    Route::change(Method::Delete, "/api/cases", WRITE, "Deletes cases", h!(delete)),
    Route::read(Method::Get, "/api/cases/_find", READ, "Finds cases", h!(find)),
    Route::read(Method::Get, "/api/cases/{id}", READ, "Gets a case", h!(get)),
    Route::read(Method::Get, "/api/cases/{id}/resolve", READ, "Gets a case with its outcome", h!(resolve)),
    Route::read(Method::Get, "/api/cases/{id}/alerts", READ, "Lists the alerts of a case", h!(alerts)),
    Route::read(Method::Get, "/api/cases/alerts/{alert}", READ, "Lists the cases of an alert", h!(of_alert)),
    Route::read(
        Method::Get,
        "/api/cases/{id}/user_actions/_find",
        READ,
        "Finds the changes of a case",
        h!(user_actions_find),
    ),
    Route::read(Method::Get, "/api/cases/{id}/user_actions", READ, "Lists the changes of a case", h!(user_actions)),
    Route::read(Method::Get, "/api/cases/tags", READ, "Lists the tags in use", h!(tags)),
    Route::read(Method::Get, "/api/cases/reporters", READ, "Lists who opened cases", h!(reporters)),
    Route::read(Method::Get, "/api/cases/status", READ, "Counts cases by status", h!(status)),
    Route::read(Method::Post, "/internal/cases/_bulk_get", READ, "Gets many cases", h!(bulk_get)),
];

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("Saved object [cases/{id}] not found"))
}

/// A case of the request's space.
pub(crate) fn load(cx: &Ctx, id: &str) -> Result<triage::Case> {
    cx.read(|r| r.case_get(&cx.space, id))?.ok_or_else(|| missing(id))
}

async fn create(cx: Ctx) -> Result<Reply> {
    let body = Value::from(cx.json()?);
    let case = cx.command(Command::CaseCreate { id: ids::uuid(), body }).await?;
    Ok(Reply::value(&case))
}

async fn get(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?;
    let with_comments = cx.query.flag("includeComments")? == Some(true);
    Ok(Reply::value(&with_extras(&cx, &case, with_comments)?))
}

fn with_extras(cx: &Ctx, case: &triage::Case, with_comments: bool) -> Result<Value> {
    let comments = if with_comments { Some(comments(cx, &case.id)?) } else { None };
    let mut api = case.to_api(comments);
    if let Some(object) = api.object_mut() {
        object.insert("watchfire", Value::from(crate::extras::case(cx, case)?));
    }
    Ok(api)
}

/// All attachments of a case, oldest first.
pub(crate) fn comments(cx: &Ctx, case: &Id) -> Result<Vec<Value>> {
    Ok(cx.read(|r| r.comment_list(case))?.iter().map(triage::Attachment::to_api).collect())
}

async fn resolve(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?;
    let with_comments = cx.query.flag("includeComments")?.unwrap_or(true);
    let case = with_extras(&cx, &case, with_comments)?;
    Ok(Reply::value(&Value::object([("case", case), ("outcome", "exactMatch".into())])))
}

async fn patch(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let items = match body.get("cases").and_then(Json::as_array) {
        Some(items) => items,
        None => return Err(ApiError::invalid("Invalid value \"undefined\" supplied to \"cases\"")),
    };
    if items.is_empty() {
        return Err(ApiError::invalid("The length of the field cases is too short. Array must be of length >= 1."));
    }
    if items.len() > PATCH_MAX {
        return Err(ApiError::invalid(format!(
            "The length of the field cases is too long. Array must be of length <= {PATCH_MAX}."
        )));
    }
    let changes = differing(&cx, items)?;
    let commands = changes.into_iter().map(|body| Command::CasePatch { body }).collect();
    let changed = cx.commands(commands).await?;
    Ok(Reply::value(&Value::array(changed)))
}

/// The items that change something, after the checks that concern the whole request: ids, versions, sameness.
fn differing(cx: &Ctx, items: &[Json]) -> Result<Vec<Value>> {
    let (mut gone, mut stale, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut cases = Vec::new();
    for item in items {
        let text = |key: &str| {
            let value = item.get(key).and_then(Json::as_str);
            value.ok_or_else(|| ApiError::invalid(format!("Invalid value \"undefined\" supplied to \"cases,{key}\"")))
        };
        let (id, version) = (text("id")?, text("version")?);
        if !seen.insert(id) {
            return Err(ApiError::invalid(format!("case `{id}` stands in the request twice")));
        }
        match cx.read(|r| r.case_get(&cx.space, id))? {
            None => gone.push(id),
            Some(case) if triage::version_text(case.version) != version => stale.push(id),
            Some(case) => cases.push((item, case)),
        }
    }
    if !gone.is_empty() {
        let message = format!("These cases {} do not exist. Please check you have the correct ids.", gone.join(", "));
        return Err(ApiError::not_found(message));
    }
    if !stale.is_empty() {
        let message = format!(
            "These cases {} have been updated. Please refresh before saving additional updates.",
            stale.join(", ")
        );
        let current = stale.first().map(|id| load(cx, id)).transpose()?.map(|c| Json::from(&c.to_api(None)));
        return Err(ApiError::conflict(message).attributes(json!({"current": current})));
    }
    if let [_] = items {
        return Ok(items.iter().map(|i| Value::from(i.clone())).collect());
    }
    // With many cases the unchanged ones are left out; the store says 406 where none is left.
    let different: Vec<Value> =
        cases.iter().filter(|(item, case)| differs(item, case)).map(|(item, _)| Value::from((*item).clone())).collect();
    if different.is_empty() {
        return Err(ApiError::new(ErrorCode::NotAcceptable, "All update fields are identical to current version."));
    }
    Ok(different)
}

fn differs(item: &Json, case: &triage::Case) -> bool {
    let now = Json::from(&case.to_api(None));
    let Some(item) = item.as_object() else { return true };
    item.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "version")).any(|(key, value)| {
        match (value, now.get(key)) {
            (Json::Array(a), Some(Json::Array(b))) => a.len() != b.len() || a.iter().any(|x| !b.contains(x)),
            (a, Some(b)) => a != b,
            (_, None) => true,
        }
    })
}

async fn delete(cx: Ctx) -> Result<Reply> {
    let ids: Vec<Id> = cx.query.comma_list("ids").into_iter().map(Id::from).collect();
    if ids.is_empty() {
        return Err(ApiError::invalid("[request query.ids]: expected value of type [array] but got [undefined]"));
    }
    if ids.len() > DELETE_MAX {
        return Err(ApiError::invalid(format!(
            "The length of the field ids is too long. Array must be of length <= {DELETE_MAX}."
        )));
    }
    cx.command(Command::CaseDelete { ids }).await?;
    Ok(Reply::no_content())
}

async fn find(cx: Ctx) -> Result<Reply> {
    let (page, size) = paging(&cx)?;
    let filter = filter(&cx, page, size)?;
    let found = cx.read(|r| r.case_find(&filter))?;
    let mut cases = Vec::with_capacity(found.cases.len());
    for case in &found.cases {
        let mut api = case.to_api(Some(Vec::new()));
        if let Some(object) = api.object_mut() {
            object.insert("watchfire", Value::from(crate::extras::case(&cx, case)?));
        }
        cases.push(api);
    }
    let counts = found.counts;
    Ok(Reply::value(&Value::object([
        ("cases", Value::from(cases)),
        ("page", page.into()),
        ("per_page", size.into()),
        ("total", found.total.into()),
        ("count_open_cases", counts.open.into()),
        ("count_in_progress_cases", counts.in_progress.into()),
        ("count_closed_cases", counts.closed.into()),
    ])))
}

/// The filter of `_find`: OR inside a parameter, AND between them.
fn filter(cx: &Ctx, page: usize, size: usize) -> Result<CaseFilter> {
    let list = |key: &str, split: bool| -> Result<Vec<Arc<str>>> {
        let mut values = cx.query.list(key);
        // Kibana takes `a,b` for one tag; clients mean two: the literal or any part.
        let parts = cx.query.comma_list(key);
        if split {
            values = parts
        } else {
            values.extend(parts)
        }
        values.dedup();
        if values.len() > FILTER_VALUES_MAX {
            return Err(ApiError::invalid(format!(
                "The length of the field {key} is too long. Array must be of length <= {FILTER_VALUES_MAX}."
            )));
        }
        Ok(values.into_iter().map(Arc::from).collect())
    };
    let known = |key: &str, words: &[&str]| -> Result<Vec<Arc<str>>> {
        let values = list(key, true)?;
        match values.iter().find(|v| !words.contains(&&***v)) {
            Some(other) => Err(ApiError::invalid(format!("Invalid value \"{other}\" supplied to \"{key}\""))),
            None => Ok(values),
        }
    };
    let time = |key: &str, round: Round| -> Result<Option<Time>> {
        let Some(text) = cx.query.get(key) else { return Ok(None) };
        let at = DateMath::parse(text).map(|d| d.resolve(cx.now, round));
        at.map(Some).ok_or_else(|| ApiError::invalid("Invalid \"from\" and/or \"to\" query parameters"))
    };
    let sort = match cx.query.get("sortField") {
        None => CaseSort::default(),
        Some(word) => CaseSort::of(word)
            .ok_or_else(|| ApiError::invalid(format!("Invalid value \"{word}\" supplied to \"sortField\"")))?,
    };
    let custom_fields = match cx.query.get("customFields").filter(|t| !t.is_empty()) {
        None => Vec::new(),
        Some(text) => {
            let wrong = || ApiError::invalid("Invalid value supplied to \"customFields\"");
            let given = stdx::json::parse(text).map_err(|_| wrong())?;
            let mut out = Vec::new();
            for (key, values) in given.as_object().ok_or_else(wrong)?.iter() {
                let values = values.as_array().ok_or_else(wrong)?;
                if values.len() > FILTER_VALUES_MAX || out.len() >= FILTER_VALUES_MAX {
                    return Err(wrong());
                }
                if !values.is_empty() {
                    out.push((key.clone(), values.to_vec()));
                }
            }
            out
        }
    };
    Ok(CaseFilter {
        custom_fields,
        space: cx.space.clone(),
        statuses: known("status", &triage::case::STATUSES)?,
        severities: known("severity", &triage::case::SEVERITIES)?,
        owners: list("owner", true)?,
        tags: list("tags", false)?,
        categories: list("category", false)?,
        assignees: list("assignees", true)?,
        reporters: list("reporters", true)?,
        search: cx.query.get("search").map(Arc::from),
        search_fields: list("searchFields", true)?,
        search_all: cx.query.get("defaultSearchOperator").is_some_and(|o| o.eq_ignore_ascii_case("and")),
        from: time("from", Round::Down)?,
        to: time("to", Round::Up)?,
        sort,
        ascending: cx.query.get("sortOrder") == Some("asc"),
        offset: (page - 1).saturating_mul(size) as u64,
        limit: size as u64,
    })
}

/// `page` and `perPage` of the cases API.
pub(crate) fn paging(cx: &Ctx) -> Result<(usize, usize)> {
    let page = cx.query.number("page", 1, 1, usize::MAX)?;
    let size = cx.query.number("perPage", 20, 0, usize::MAX)?;
    if size > PAGE_MAX {
        return Err(ApiError::invalid(format!(
            "The provided perPage value is too high. The maximum allowed perPage value is {PAGE_MAX}."
        )));
    }
    if page.saturating_mul(size) > DOCUMENTS_MAX {
        let message = format!(
            "The number of documents is too high. Paginating through more than {DOCUMENTS_MAX} documents is not possible."
        );
        return Err(ApiError::invalid(message));
    }
    Ok((page, size))
}

async fn alerts(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?;
    let all = cx.read(|r| r.case_alerts(&case.id))?;
    Ok(Reply::ok(
        all.iter().map(|(id, index, at)| json!({"id": id, "index": index, "attached_at": at.iso()})).collect(),
    ))
}

async fn of_alert(cx: Ctx) -> Result<Reply> {
    let owners = cx.query.comma_list("owner");
    let cases = cx.read(|r| r.cases_of_alert(&cx.space, cx.param("alert")))?;
    let named = cases.iter().filter(|c| owners.is_empty() || owners.iter().any(|o| **o == *c.owner));
    let wire = |case: &triage::Case| {
        json!({
            "id": case.id, "title": case.title, "description": case.description, "status": case.status,
            "createdAt": case.created.at.iso(),
            "totals": {"alerts": case.alerts, "events": case.events, "userComments": case.comments},
        })
    };
    Ok(Reply::ok(named.map(wire).collect()))
}

/// User actions that match `types`, and how many there are in all.
fn actions(cx: &Ctx, offset: usize, limit: usize) -> Result<(Vec<triage::UserAction>, u64)> {
    let case = load(cx, cx.param("id"))?;
    let filter = ActionFilter {
        types: cx.query.comma_list("types"),
        newest_first: cx.query.get("sortOrder") == Some("desc"),
        offset: offset as u64,
        limit: limit as u64,
    };
    cx.read(|r| r.user_action_list(&case.id, &filter))
}

async fn user_actions_find(cx: Ctx) -> Result<Reply> {
    let (page, size) = paging(&cx)?;
    let (actions, total) = actions(&cx, (page - 1).saturating_mul(size), size)?;
    let shown: Vec<Json> = actions.iter().map(|a| Json::from(&a.to_api())).collect();
    Ok(Reply::ok(json!({"userActions": shown, "page": page, "perPage": size, "total": total})))
}

async fn user_actions(cx: Ctx) -> Result<Reply> {
    let old = |a: &triage::UserAction| {
        let mut api = Json::from(&a.to_api());
        if let Some(o) = api.as_object_mut() {
            o.remove("version");
            if let Some(id) = o.remove("id") {
                o.insert("action_id".into(), id);
            }
            o.insert("case_id".into(), json!(a.case));
        }
        api
    };
    let (all, _) = actions(&cx, 0, DOCUMENTS_MAX)?;
    Ok(Reply::ok(all.iter().map(old).collect()).header("warning", "299 Watchfire-9.4.0 \"use _find\""))
}

fn owners(cx: &Ctx) -> Vec<Arc<str>> {
    cx.query.comma_list("owner").into_iter().map(Arc::from).collect()
}

async fn tags(cx: Ctx) -> Result<Reply> {
    Ok(Reply::ok(json!(cx.read(|r| r.case_tags(&cx.space, &owners(&cx)))?)))
}

async fn reporters(cx: Ctx) -> Result<Reply> {
    let names = cx.read(|r| r.case_reporters(&cx.space, &owners(&cx)))?;
    let user = |name: &String| Json::from(&triage::actor::user_object(&triage::Actor::person(name, "api")));
    Ok(Reply::ok(names.iter().map(user).collect()))
}

async fn status(cx: Ctx) -> Result<Reply> {
    let filter = CaseFilter { space: cx.space.clone(), owners: owners(&cx), ..CaseFilter::default() };
    let counts = cx.read(|r| r.case_status_counts(&filter))?;
    let counts = json!({
        "count_open_cases": counts.open, "count_in_progress_cases": counts.in_progress, "count_closed_cases": counts.closed,
    });
    Ok(Reply::ok(counts).header("warning", "299 Watchfire-9.4.0 \"use _find\""))
}

async fn bulk_get(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let ids = body.get("ids").and_then(Json::as_array).filter(|i| !i.is_empty() && i.len() <= BULK_GET_MAX);
    let ids = ids.ok_or_else(|| {
        ApiError::invalid(format!("[request body.ids]: expected an array of 1 to {BULK_GET_MAX} ids"))
    })?;
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    for id in ids.iter().filter_map(Json::as_str) {
        match load(&cx, id) {
            Ok(case) => cases.push(Json::from(&case.to_api(None))),
            Err(e) => errors.push(json!({"error": e.code.reason(), "message": e.message, "status": e.code.status().as_u16(), "caseId": id})),
        }
    }
    Ok(Reply::ok(json!({"cases": cases, "errors": errors})))
}
