//! Changes of one part of a case that keep the rest of it: tags, assignees, one custom field, extended fields.
//!
//! Invariants: each is a patch of what the case holds now, so checks, user actions and versions are those of `patch`; a change that
//! changes nothing gives the case back.
//! Source: `reference/workflow-steps.md` §3.4; `reference/kibana-apis.md` §2.7.

use crate::actor::Actor;
use crate::case::{self, Case, EXTENDED_CHARS_MAX, EXTENDED_FIELDS_MAX, fields, patch};
use crate::check::{invalid, object};
use crate::command::Refusal;
use crate::rows::{Rows, SpaceId};
use std::sync::Arc;
use stdx::{Object, Time, Value};

fn with(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    case: &Case,
    version: Option<&str>,
    (member, value): (&str, Value),
) -> Result<Value, Refusal> {
    let mut body = Object::new();
    body.insert("id", case.id.clone());
    if let Some(version) = version {
        body.insert("version", version);
    }
    body.insert(member, value);
    patch::patch(rows, now, by, &case.space.clone(), &Value::from(body))
}

/// Removes tags.
pub(crate) fn untag(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    remove: &[Arc<str>],
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let left = case.tags.iter().filter(|t| !remove.contains(t)).cloned().map(Value::from);
    let left = Value::array(left);
    with(rows, now, by, &case, None, ("tags", left))
}

/// Removes assignees; without a list all of them.
pub(crate) fn unassign(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    remove: Option<&[Arc<str>]>,
    version: Option<&str>,
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let left: Vec<Arc<str>> = match remove {
        None | Some([]) => Vec::new(),
        Some(uids) => case.assignees.iter().filter(|u| !uids.contains(u)).cloned().collect(),
    };
    let left = fields::assignees_value(&left);
    with(rows, now, by, &case, version, ("assignees", left))
}

/// Sets one custom field.
pub(crate) fn field(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    (field, value): (&Arc<str>, &Value),
    version: Option<&str>,
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let config = rows.configs.get(&(case.space.clone(), case.owner.clone())).cloned().flatten();
    let defined = config.as_ref().and_then(|c| c.get("customFields")).and_then(Value::as_array).unwrap_or_default();
    let is = |v: &Value| v.get("key").and_then(Value::as_str) == Some(&**field);
    let Some(definition) = defined.iter().find(|d| is(d)) else {
        return Err(invalid(format!("Custom field \"{field}\" on case \"{}\" could not be updated.", case.id)));
    };
    let kind = definition.get("type").cloned().unwrap_or_else(|| Value::from("text"));
    let mut all: Vec<Value> = case.custom_fields.iter().filter(|f| !is(f)).cloned().collect();
    all.push(Value::object([("key", Value::from(field.clone())), ("type", kind), ("value", value.clone())]));
    with(rows, now, by, &case, version, ("customFields", Value::from(all)))
}

/// Merges extended fields; those that are not named stay.
pub(crate) fn extended(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    given: &Value,
    version: Option<&str>,
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    with(rows, now, by, &case, version, ("extended_fields", given.clone())).map_err(|refusal| {
        let message =
            format!("Extended fields on case \"{}\" could not be updated. Reason: {}", case.id, refusal.message);
        Refusal::new(refusal.kind, message)
    })
}

/// The extended fields `before` with those of `given`, checked.
pub(crate) fn merged(before: &Value, given: &Value) -> Result<Value, Refusal> {
    let mut out = before.as_object().cloned().unwrap_or_default();
    for (name, value) in object(given, "extended_fields")?.iter() {
        let typed = name.rsplit_once("_as_").is_some_and(|(n, kind)| !n.is_empty() && !kind.is_empty());
        let Some(text) = value.as_str().filter(|_| typed) else {
            return Err(invalid(format!(
                "extended field `{name}` must be called <name>_as_<type> and hold text, a list as JSON text"
            )));
        };
        if text.chars().count() > EXTENDED_CHARS_MAX {
            return Err(invalid(format!("extended field `{name}` is longer than {EXTENDED_CHARS_MAX} characters")));
        }
        out.insert(name.clone(), text);
    }
    if out.len() > EXTENDED_FIELDS_MAX {
        return Err(invalid(format!("a case has at most {EXTENDED_FIELDS_MAX} extended fields")));
    }
    Ok(out.into())
}
