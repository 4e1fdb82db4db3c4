//! Creating a case.
//!
//! Invariants: a new case is open, has version 1, the next number of its space and one `create_case` user action.
//! Source: `reference/kibana-apis.md` §2.5.

use crate::actor::Actor;
use crate::case::{
    CATEGORY_CHARS_MAX, Case, Change, DESCRIPTION_CHARS_MAX, SEVERITIES, Stamp, TAG_CHARS_MAX, TAGS_MAX,
    TITLE_CHARS_MAX, fields,
};
use crate::check::{bounded, object, one_of, required, text, words};
use crate::command::{Refusal, RefusalKind};
use crate::rows::{Rows, SpaceId};
use std::sync::Arc;
use stdx::{Time, Value};

/// The owner a body names, for the reads of a creation.
pub(crate) fn owner_of(body: &Value) -> Option<Arc<str>> {
    body.get("owner").and_then(Value::as_str).map(Arc::from)
}

/// Creates a case from the body of `POST /api/cases`.
pub(crate) fn create(rows: &mut Rows, now: Time, by: &Actor, key: SpaceId, body: &Value) -> Result<Value, Refusal> {
    let o = object(body, "request body")?;
    let title = bounded(required(o, "title")?, "title", TITLE_CHARS_MAX, false)?;
    // An empty description is Kibana's 400; clients send it, so it is taken.
    let description = bounded(required(o, "description")?, "description", DESCRIPTION_CHARS_MAX, true)?;
    let tags = words(required(o, "tags")?, "tags", "tag", TAGS_MAX, TAG_CHARS_MAX)?;
    let connector = fields::connector(required(o, "connector")?)?;
    let (sync_alerts, extract_observables) = fields::settings(required(o, "settings")?)?;
    let owner: Arc<str> = text(required(o, "owner")?, "owner")?.into();
    let severity = fields::given(o, "severity").map_or(Ok("low".into()), |v| one_of(v, "severity", &SEVERITIES))?;
    let assignees = fields::given(o, "assignees").map_or(Ok(Vec::new()), fields::assignees)?;
    let category =
        fields::given(o, "category").map(|v| bounded(v, "category", CATEGORY_CHARS_MAX, false)).transpose()?;
    let extended_fields = match fields::given(o, "extended_fields") {
        Some(v) => crate::case::single::merged(&Value::Null, v)?,
        None => Value::Null,
    };
    let (space, id) = key.clone();
    let config = rows.configs.get(&(space.clone(), owner.clone())).cloned().flatten();
    let custom_fields = fields::custom_fields(fields::given(o, "customFields"), config.as_ref())?;
    if rows.cases.get(&key).is_some() {
        return Err(Refusal::new(RefusalKind::Conflict, format!("Saved object [cases/{id}] conflict")));
    }
    let number = rows.numbers.get(&space).map_or(1, |n| **n);
    rows.numbers.set(space.clone(), Some(number + 1));
    let mut case = Case {
        id,
        space,
        number,
        version: 1,
        title,
        description,
        tags,
        category,
        severity,
        status: "open".into(),
        owner,
        assignees,
        sync_alerts,
        extract_observables,
        connector,
        custom_fields,
        observables: Vec::new(),
        created: Stamp { at: now, by: by.clone() },
        updated: None,
        closed: None,
        in_progress_at: None,
        external_service: Value::Null,
        extended_fields,
        comments: 0,
        alerts: 0,
        events: 0,
        attachment_n: 0,
        action_n: 0,
    };
    let payload = Value::object([
        ("title", Value::from(case.title.clone())),
        ("description", Value::from(case.description.clone())),
        ("tags", Value::array(case.tags.iter().cloned().map(Value::from))),
        ("owner", Value::from(case.owner.clone())),
        ("settings", case.settings()),
        ("connector", case.connector.clone()),
        ("assignees", fields::assignees_value(&case.assignees)),
        ("severity", Value::from(case.severity.clone())),
        ("category", Value::from(case.category.clone())),
        ("customFields", Value::from(case.custom_fields.clone())),
        ("status", Value::from("open")),
    ]);
    case.act(
        rows,
        now,
        by,
        Change { kind: "create_case", action: "create", payload, before: Value::Null, comment: None },
    );
    let api = case.to_api(Some(Vec::new()));
    rows.cases.set(key, Some(case));
    Ok(api)
}
