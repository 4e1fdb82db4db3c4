//! Changing a case.
//!
//! Invariants: checks come in Kibana's order (404, 409, 406, owner, reason, custom fields); lists compare as sets; nothing left to
//! change is a refusal; alerts follow the status when sync was on before, or is switched on.
//! Source: `reference/kibana-apis.md` §2.7, §2.11.

use crate::actor::Actor;
use crate::alert;
use crate::case::{
    CATEGORY_CHARS_MAX, Case, Change, DESCRIPTION_CHARS_MAX, SEVERITIES, STATUSES, Stamp, TAG_CHARS_MAX, TAGS_MAX,
    TITLE_CHARS_MAX, alert_ids, fields,
};
use crate::check::{bounded, invalid, object, one_of, required, text, words};
use crate::command::{Refusal, RefusalKind};
use crate::rows::{Rows, SpaceId};
use std::sync::Arc;
use stdx::{Id, Object, Time, Value};

/// Cases of one change of many.
pub const PATCH_MAX: usize = 100;
/// Longest closing reason in characters.
const REASON_CHARS_MAX: usize = 1024;
/// Message of a change that changes nothing (406).
pub const UNCHANGED: &str = "All update fields are identical to current version.";

/// The case that a patch names.
pub(crate) fn id_of(body: &Value) -> Option<Id> {
    body.get("id").and_then(Value::as_str).map(Id::from)
}

/// True when the patch may touch alerts.
pub(crate) fn may_sync(body: &Value) -> bool {
    body.get("status").is_some() || body.get("settings").is_some()
}

/// What a patch would change.
struct Plan {
    next: Case,
    changes: Vec<Change>,
}

impl Plan {
    fn update(&mut self, kind: &'static str, key: &str, before: Value, after: Value) {
        self.changes.push(Change::update(kind, Value::object([(key, after)]), before));
    }
    /// `add` and `delete` user actions of a list.
    fn sets(
        &mut self,
        kind: &'static str,
        before: &[Arc<str>],
        after: &[Arc<str>],
        wrap: impl Fn(&[Arc<str>]) -> Value,
    ) {
        let added: Vec<_> = after.iter().filter(|x| !before.contains(x)).cloned().collect();
        let gone: Vec<_> = before.iter().filter(|x| !after.contains(x)).cloned().collect();
        for (action, list) in [("add", added), ("delete", gone)] {
            if !list.is_empty() {
                let payload = Value::object([(kind, wrap(&list))]);
                self.changes.push(Change { kind, action, payload, before: wrap(before), comment: None });
            }
        }
    }
}

fn same_set(a: &[Arc<str>], b: &[Arc<str>]) -> bool {
    a.len() == b.len() && a.iter().all(|x| b.contains(x))
}

fn strings(list: &[Arc<str>]) -> Value {
    Value::array(list.iter().cloned().map(Value::from))
}

/// Applies many elements, all or none: the first that cannot be applied refuses all and is named.
pub(crate) fn many(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    space: &Arc<str>,
    cases: &[Value],
) -> Result<Value, Refusal> {
    if cases.is_empty() || cases.len() > PATCH_MAX {
        return Err(invalid(format!("The length of the field cases must be between 1 and {PATCH_MAX}.")));
    }
    let mut out = Vec::with_capacity(cases.len());
    for body in cases {
        let changed = patch(rows, now, by, space, body).map_err(|refusal| {
            let id = id_of(body).unwrap_or_else(|| Id::from(""));
            let message = format!("Some cases could not be updated: {id}. Reason: {}", refusal.message);
            Refusal::new(refusal.kind, message)
        })?;
        out.push(changed);
    }
    Ok(Value::object([("cases", Value::from(out))]))
}

/// Applies one element of `PATCH /api/cases`.
pub(crate) fn patch(rows: &mut Rows, now: Time, by: &Actor, space: &Arc<str>, body: &Value) -> Result<Value, Refusal> {
    let o = object(body, "request body.cases")?;
    let id = Id::from(text(required(o, "id")?, "id")?);
    let key: SpaceId = (space.clone(), id.clone());
    let Some(case) = rows.cases.get(&key).cloned() else {
        return Err(Refusal::new(
            RefusalKind::NotFound,
            format!("These cases {id} do not exist. Please check you have the correct ids."),
        ));
    };
    if let Some(version) = fields::given(o, "version")
        && text(version, "version")? != crate::version_text(case.version)
    {
        return Err(Refusal::new(
            RefusalKind::Conflict,
            format!("These cases {id} have been updated. Please refresh before saving additional updates."),
        ));
    }
    let mut plan = Plan { next: case.touched(now, by), changes: Vec::new() };
    plain_fields(&case, o, &mut plan)?;
    list_fields(rows, &case, o, &mut plan)?;
    status_and_settings(&case, o, now, by, &mut plan)?;
    // A different owner is a change, so it is told before "nothing to change".
    if let Some(owner) = fields::given(o, "owner")
        && text(owner, "owner")? != &*case.owner
    {
        return Err(invalid(format!("Updating the owner of a case is not allowed ids: [{id}]")));
    }
    if plan.changes.is_empty() {
        // A step of a workflow gives no version and asks for a state, not for a change.
        if fields::given(o, "version").is_none() {
            return Ok(case.to_api(Some(Vec::new())));
        }
        return Err(Refusal::new(RefusalKind::Unchanged, UNCHANGED));
    }
    let reason = close_reason(&case, &plan.next, o)?;
    case.room_for_actions(plan.changes.len() as u64)?;
    let synced = sync(rows, now, &case, &plan.next, reason.as_deref());
    let Plan { mut next, changes } = plan;
    for mut change in changes {
        if change.kind == "status"
            && let Some(payload) = change.payload.object_mut()
        {
            if let Some(reason) = &reason {
                payload.insert("closeReason", reason.clone());
            }
            if synced > 0 {
                payload.insert("syncedAlertCount", synced);
            }
        }
        next.act(rows, now, by, change);
    }
    let mut api = next.to_api(Some(Vec::new()));
    if synced > 0
        && let Some(o) = api.object_mut()
    {
        o.insert("updateSummary", Value::object([("syncedAlertCount", Value::from(synced))]));
    }
    rows.cases.set(key, Some(next));
    Ok(api)
}

fn plain_fields(case: &Case, o: &Object, plan: &mut Plan) -> Result<(), Refusal> {
    if let Some(v) = fields::given(o, "title") {
        let title = bounded(v, "title", TITLE_CHARS_MAX, false)?;
        if title != case.title {
            plan.update("title", "title", case.title.clone().into(), title.clone().into());
            plan.next.title = title;
        }
    }
    if let Some(v) = fields::given(o, "description") {
        let description = bounded(v, "description", DESCRIPTION_CHARS_MAX, true)?;
        if description != case.description {
            plan.update("description", "description", case.description.clone().into(), description.clone().into());
            plan.next.description = description;
        }
    }
    if let Some(v) = fields::given(o, "severity") {
        let severity = one_of(v, "severity", &SEVERITIES)?;
        if severity != case.severity {
            plan.update("severity", "severity", case.severity.clone().into(), severity.clone().into());
            plan.next.severity = severity;
        }
    }
    if let Some(v) = o.get("category") {
        let category = if v.is_null() { None } else { Some(bounded(v, "category", CATEGORY_CHARS_MAX, false)?) };
        if category != case.category {
            plan.update("category", "category", case.category.clone().into(), category.clone().into());
            plan.next.category = category;
        }
    }
    if let Some(v) = fields::given(o, "extended_fields") {
        let merged = crate::case::single::merged(&case.extended_fields, v)?;
        if merged != case.extended_fields {
            plan.update("extended_fields", "extended_fields", case.extended_fields.clone(), merged.clone());
            plan.next.extended_fields = merged;
        }
    }
    if let Some(v) = fields::given(o, "connector") {
        let connector = fields::connector(v)?;
        if connector != case.connector {
            plan.update("connector", "connector", case.connector.clone(), connector.clone());
            plan.next.connector = connector;
        }
    }
    Ok(())
}

fn list_fields(rows: &Rows, case: &Case, o: &Object, plan: &mut Plan) -> Result<(), Refusal> {
    if let Some(v) = fields::given(o, "tags") {
        let tags = words(v, "tags", "tag", TAGS_MAX, TAG_CHARS_MAX)?;
        if !same_set(&tags, &case.tags) {
            plan.sets("tags", &case.tags, &tags, strings);
            plan.next.tags = tags;
        }
    }
    if let Some(v) = fields::given(o, "assignees") {
        let assignees = fields::assignees(v)?;
        if !same_set(&assignees, &case.assignees) {
            plan.sets("assignees", &case.assignees, &assignees, fields::assignees_value);
            plan.next.assignees = assignees;
        }
    }
    if let Some(v) = fields::given(o, "customFields") {
        let config = rows.configs.get(&(case.space.clone(), case.owner.clone())).cloned().flatten();
        let custom = fields::custom_fields(Some(v), config.as_ref())?;
        if custom != case.custom_fields {
            plan.update("customFields", "customFields", case.custom_fields.clone().into(), custom.clone().into());
            plan.next.custom_fields = custom;
        }
    }
    Ok(())
}

fn status_and_settings(case: &Case, o: &Object, now: Time, by: &Actor, plan: &mut Plan) -> Result<(), Refusal> {
    if let Some(v) = fields::given(o, "settings") {
        let (sync, extract) = fields::settings(v)?;
        let extract = extract.or(case.extract_observables);
        if sync != case.sync_alerts || extract != case.extract_observables {
            plan.next.sync_alerts = sync;
            plan.next.extract_observables = extract;
            let after = plan.next.settings();
            plan.update("settings", "settings", case.settings(), after);
        }
    }
    let Some(v) = fields::given(o, "status") else { return Ok(()) };
    let status = one_of(v, "status", &STATUSES)?;
    if status == case.status {
        return Ok(());
    }
    plan.update("status", "status", case.status.clone().into(), status.clone().into());
    match &*status {
        "closed" => plan.next.closed = Some(Stamp { at: now, by: by.clone() }),
        "in-progress" => {
            plan.next.closed = None;
            plan.next.in_progress_at = Some(now);
        }
        _ => {
            plan.next.closed = None;
            plan.next.in_progress_at = None;
        }
    }
    plan.next.status = status;
    Ok(())
}

fn close_reason(case: &Case, next: &Case, o: &Object) -> Result<Option<Arc<str>>, Refusal> {
    let Some(v) = fields::given(o, "closeReason") else { return Ok(None) };
    let reason = bounded(v, "closeReason", REASON_CHARS_MAX, false)?;
    if !next.sync_alerts {
        return Err(invalid(format!(
            "Cannot provide a close reason for case {} when sync alerts is disabled.",
            case.id
        )));
    }
    Ok(Some(reason).filter(|_| &*next.status == "closed"))
}

fn sync(rows: &mut Rows, now: Time, case: &Case, next: &Case, reason: Option<&str>) -> u64 {
    let switched_on = next.sync_alerts && !case.sync_alerts;
    let status_changed = next.status != case.status;
    if !(switched_on || case.sync_alerts && status_changed) || next.alerts == 0 {
        return 0;
    }
    let ids = alert_ids(rows, &case.id);
    alert::sync(rows, now, &case.space, &ids, alert::of_case_status(&next.status), reason)
}
