//! Observables of a case: addresses, hosts, hashes worth looking for elsewhere.
//!
//! Invariants: type and value together occur once per case; at most `OBSERVABLES_MAX`.
//! Source: `reference/kibana-apis.md` §2.2, §2.12.

use crate::actor::Actor;
use crate::case::{self, Change};
use crate::check::{invalid, object, required, text};
use crate::command::{Refusal, RefusalKind};
use crate::rows::{Rows, SpaceId};
use stdx::{Id, Time, Value};

/// Most observables of a case.
pub const OBSERVABLES_MAX: usize = 50;
/// Longest value in characters.
pub const VALUE_CHARS_MAX: usize = 2048;
/// Built-in types.
pub const TYPES: [&str; 8] = ["ipv4", "ipv6", "url", "hostname", "file-hash", "file-path", "email", "domain"];

/// Longest key of a type in characters.
const TYPE_KEY_CHARS_MAX: usize = 64;

/// Adds observables; those the case has already are left out. Result: the case object.
pub(crate) fn add(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    seed: &Id,
    given: &[Value],
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let mut list = case.observables.clone();
    let mut added = Vec::new();
    for (k, item) in given.iter().enumerate() {
        let o = object(item, "request body.observables")?;
        let kind = text(required(o, "typeKey")?, "typeKey")?.trim();
        let value = text(required(o, "value")?, "value")?.trim();
        if kind.is_empty() || kind.chars().count() > TYPE_KEY_CHARS_MAX {
            return Err(invalid(format!("Invalid observable type, key does not exist in configuration: {kind}")));
        }
        if value.is_empty() || value.chars().count() > VALUE_CHARS_MAX {
            return Err(invalid(format!("The value of an observable must have 1 to {VALUE_CHARS_MAX} characters.")));
        }
        let same = |v: &Value| {
            v.get("typeKey").and_then(Value::as_str) == Some(kind)
                && v.get("value").and_then(Value::as_str) == Some(value)
        };
        if list.iter().any(same) {
            continue;
        }
        let new = Value::object([
            ("id", Value::from(stdx::id::uuid_v8(now, &[seed, "observable", &k.to_string()]))),
            ("typeKey", Value::from(kind)),
            ("value", Value::from(value)),
            ("description", o.get("description").cloned().unwrap_or_default()),
            ("createdAt", Value::from(now.iso())),
            ("updatedAt", Value::Null),
        ]);
        list.push(new.clone());
        added.push(new);
    }
    if list.len() > OBSERVABLES_MAX {
        return Err(invalid(format!("Max {OBSERVABLES_MAX} observables per case is allowed.")));
    }
    if added.is_empty() {
        return Ok(case.to_api(Some(Vec::new())));
    }
    case.room_for_actions(1)?;
    let mut next = case.touched(now, by);
    next.observables = list;
    let payload = Value::object([(
        "observables",
        Value::object([
            ("count", Value::from(added.len())),
            ("actionType", Value::from("add")),
            ("added", Value::from(added)),
        ]),
    )]);
    next.act(rows, now, by, Change { kind: "observables", action: "add", payload, before: Value::Null, comment: None });
    let api = next.to_api(Some(Vec::new()));
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}

fn missing(case: &Id, id: &Id) -> Refusal {
    Refusal::new(RefusalKind::NotFound, format!("Failed to find observable {id} in case {case}"))
}

fn changed(action: &'static str, word: &'static str, count: usize, list: Value) -> Change {
    let payload = Value::object([(
        "observables",
        Value::object([("count", Value::from(count)), ("actionType", Value::from(action)), (word, list)]),
    )]);
    Change { kind: "observables", action, payload, before: Value::Null, comment: None }
}

/// Changes value and description of an observable; its type stays. Result: the case object.
pub(crate) fn update(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    id: &Id,
    body: &Value,
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let o = object(body, "request body.observable")?;
    let is = |v: &Value| v.get("id").and_then(Value::as_str) == Some(id);
    let Some(at) = case.observables.iter().position(is) else { return Err(missing(&case.id, id)) };
    let mut new = case.observables[at].as_object().cloned().unwrap_or_default();
    if let Some(value) = o.get("value") {
        let value = text(value, "value")?.trim();
        if value.is_empty() || value.chars().count() > VALUE_CHARS_MAX {
            return Err(invalid(format!("The value of an observable must have 1 to {VALUE_CHARS_MAX} characters.")));
        }
        let same = |(i, v): (usize, &Value)| {
            i != at && v.get("typeKey") == new.get("typeKey") && v.get("value").and_then(Value::as_str) == Some(value)
        };
        if case.observables.iter().enumerate().any(same) {
            return Err(invalid("Invalid duplicated observables in request."));
        }
        new.insert("value", value);
    }
    if let Some(description) = o.get("description") {
        if !description.is_null() {
            text(description, "description")?;
        }
        new.insert("description", description.clone());
    }
    if Value::from(new.clone()) == case.observables[at] {
        return Ok(case.to_api(Some(Vec::new())));
    }
    new.insert("updatedAt", now.iso());
    case.room_for_actions(1)?;
    let mut next = case.touched(now, by);
    next.observables[at] = Value::from(new);
    let list = Value::array([next.observables[at].clone()]);
    next.act(rows, now, by, changed("update", "updated", 1, list));
    let api = next.to_api(Some(Vec::new()));
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}

/// Removes observables; one that is missing refuses all. Result: the case object.
pub(crate) fn delete(rows: &mut Rows, now: Time, by: &Actor, key: &SpaceId, ids: &[Id]) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let id_of = |v: &Value| v.get("id").and_then(Value::as_str).map(Id::from);
    if let Some(gone) = ids.iter().find(|id| !case.observables.iter().any(|o| id_of(o).as_ref() == Some(*id))) {
        return Err(missing(&case.id, gone));
    }
    if ids.is_empty() {
        return Ok(case.to_api(Some(Vec::new())));
    }
    case.room_for_actions(1)?;
    let mut next = case.touched(now, by);
    let off = |o: &Value| id_of(o).is_some_and(|id| ids.contains(&id));
    let removed: Vec<Value> = next.observables.iter().filter(|o| off(o)).cloned().collect();
    next.observables.retain(|o| !off(o));
    next.act(rows, now, by, changed("delete", "deleted", removed.len(), Value::from(removed)));
    let api = next.to_api(Some(Vec::new()));
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}
