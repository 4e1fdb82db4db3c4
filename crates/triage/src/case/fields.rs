//! Fields of a case as a body gives them: checked, trimmed, defaults filled in.
//!
//! Invariants: one check per field, for creation and change alike.
//! Source: `reference/kibana-apis.md` §2.2, §2.4, §2.5, §8.

use crate::case::{ASSIGNEES_MAX, CUSTOM_FIELDS_MAX};
use crate::check::{invalid, list, object, required, text};
use crate::command::Refusal;
use std::sync::Arc;
use stdx::{Object, Value};

/// Largest integer a custom number field takes.
const SAFE_INTEGER_MAX: i64 = 9_007_199_254_740_991;
/// Longest custom text value in characters.
const CUSTOM_TEXT_CHARS_MAX: usize = 160;
/// Types of case connectors.
const CONNECTOR_TYPES: [&str; 8] =
    [".none", ".cases-webhook", ".jira", ".resilient", ".servicenow", ".servicenow-sir", ".swimlane", ".thehive"];

/// The connector of a case without one.
pub fn connector_none() -> Value {
    Value::object([
        ("id", Value::from("none")),
        ("name", Value::from("none")),
        ("type", Value::from(".none")),
        ("fields", Value::Null),
    ])
}

/// `[{uid}]` of uids.
pub fn assignees_value(uids: &[Arc<str>]) -> Value {
    Value::array(uids.iter().map(|uid| Value::object([("uid", Value::from(uid.clone()))])))
}

/// Uids of `[{uid}]`, each once.
pub fn assignees(value: &Value) -> Result<Vec<Arc<str>>, Refusal> {
    let mut out: Vec<Arc<str>> = Vec::new();
    for item in list(value, "assignees", ASSIGNEES_MAX)? {
        let uid = match item.get("uid") {
            Some(uid) => text(uid, "assignees.uid")?,
            None => return Err(invalid("Invalid value \"undefined\" supplied to \"assignees.uid\"")),
        };
        if !out.iter().any(|u| &**u == uid) {
            out.push(uid.into());
        }
    }
    Ok(out)
}

/// `{id, name, type, fields}`; `fields: {}` of `.none` becomes null.
pub fn connector(value: &Value) -> Result<Value, Refusal> {
    let o = object(value, "request body.connector")?;
    let id = text(required(o, "id")?, "connector.id")?;
    let name = text(required(o, "name")?, "connector.name")?;
    let kind = text(required(o, "type")?, "connector.type")?;
    if !CONNECTOR_TYPES.contains(&kind) {
        return Err(invalid(format!("Invalid value \"{kind}\" supplied to \"connector.type\"")));
    }
    let fields = o.get("fields").cloned().unwrap_or_default();
    let fields = match fields {
        Value::Object(f) if f.is_empty() => Value::Null,
        f @ (Value::Null | Value::Object(_)) => f,
        other => {
            return Err(invalid(format!(
                "Invalid value \"{}\" supplied to \"connector.fields\"",
                stdx::json::text(&other)
            )));
        }
    };
    if matches!(kind, ".none" | ".cases-webhook") && !fields.is_null() {
        return Err(invalid("Invalid value supplied to \"connector.fields\""));
    }
    Ok(Value::object([
        ("id", Value::from(id)),
        ("name", Value::from(name)),
        ("type", Value::from(kind)),
        ("fields", fields),
    ]))
}

/// `(syncAlerts, extractObservables)`.
pub fn settings(value: &Value) -> Result<(bool, Option<bool>), Refusal> {
    let o = object(value, "request body.settings")?;
    let flag = |key: &str, v: &Value| {
        v.as_bool()
            .ok_or_else(|| invalid(format!("Invalid value \"{}\" supplied to \"settings,{key}\"", stdx::json::text(v))))
    };
    let sync = flag("syncAlerts", required(o, "syncAlerts")?)?;
    let extract = o.get("extractObservables").map(|v| flag("extractObservables", v)).transpose()?;
    Ok((sync, extract))
}

fn quoted(labels: &[String]) -> String {
    labels.iter().map(|l| format!("\"{l}\"")).collect::<Vec<_>>().join(", ")
}

/// Custom fields against the owner's configuration; missing optional ones become null or their default.
pub fn custom_fields(given: Option<&Value>, config: Option<&Value>) -> Result<Vec<Value>, Refusal> {
    let defined = config.and_then(|c| c.get("customFields")).and_then(Value::as_array).unwrap_or_default();
    let given = match given {
        Some(v) => list(v, "customFields", CUSTOM_FIELDS_MAX)?,
        None => &[],
    };
    if defined.is_empty() {
        return if given.is_empty() { Ok(Vec::new()) } else { Err(invalid("No custom fields configured.")) };
    }
    let key_of = |v: &Value| v.get("key").and_then(Value::as_str).map(Arc::<str>::from);
    let mut seen: Vec<Arc<str>> = Vec::new();
    for field in given {
        let key =
            key_of(field).ok_or_else(|| invalid("Invalid value \"undefined\" supplied to \"customFields.key\""))?;
        if seen.contains(&key) {
            return Err(invalid(format!("Invalid duplicated customFields keys in request: {key}")));
        }
        seen.push(key);
    }
    let unknown: Vec<_> = seen
        .iter()
        .filter(|k| !defined.iter().any(|d| key_of(d).as_ref() == Some(*k)))
        .map(|k| k.to_string())
        .collect();
    if !unknown.is_empty() {
        return Err(invalid(format!("Invalid custom field keys: {}", unknown.join(","))));
    }
    let (mut wrong, mut missing, mut null) = (Vec::new(), Vec::new(), Vec::new());
    let mut out = Vec::new();
    for def in defined {
        let Some(key) = key_of(def) else { continue };
        let label = def.get("label").and_then(Value::as_str).unwrap_or(&key).to_owned();
        let kind = def.get("type").and_then(Value::as_str).unwrap_or("text");
        let needed = def.get("required").and_then(Value::as_bool) == Some(true);
        let default = def.get("defaultValue").cloned().unwrap_or_default();
        let found = given.iter().find(|f| key_of(f).as_ref() == Some(&key));
        let value = match found {
            Some(f) => {
                if f.get("type").and_then(Value::as_str) != Some(kind) {
                    wrong.push(label);
                    continue;
                }
                let v = f.get("value").cloned().unwrap_or_default();
                if v.is_null() && needed {
                    null.push(label);
                    continue;
                }
                v
            }
            None if needed && default.is_null() => {
                missing.push(label);
                continue;
            }
            None => default,
        };
        custom_value(kind, &value)?;
        out.push(Value::object([("key", Value::from(key)), ("type", Value::from(kind)), ("value", value)]));
    }
    if !wrong.is_empty() {
        return Err(invalid(format!(
            "The following custom fields have the wrong type in the request: {}",
            quoted(&wrong)
        )));
    }
    if !missing.is_empty() {
        return Err(invalid(format!(
            "Missing required custom fields without default value configured: {}",
            quoted(&missing)
        )));
    }
    if !null.is_empty() {
        return Err(invalid(format!(
            "Invalid value \"null\" supplied for the following required custom fields: {}",
            quoted(&null)
        )));
    }
    Ok(out)
}

fn custom_value(kind: &str, value: &Value) -> Result<(), Refusal> {
    match (kind, value) {
        (_, Value::Null) | ("toggle", Value::Bool(_)) => Ok(()),
        ("text", v @ Value::Str(_)) => crate::check::bounded(v, "value", CUSTOM_TEXT_CHARS_MAX, false).map(drop),
        ("number", v) if v.as_i64().is_some_and(|i| i.abs() <= SAFE_INTEGER_MAX) => Ok(()),
        ("number", _) => {
            Err(invalid("The value field should be an integer between -(2^53 - 1) and 2^53 - 1, inclusive."))
        }
        _ => Err(invalid(format!("Invalid value \"{}\" supplied to \"customFields.value\"", stdx::json::text(value)))),
    }
}

/// True when a member is present and not null.
pub fn given<'a>(body: &'a Object, key: &str) -> Option<&'a Value> {
    body.get(key).filter(|v| !v.is_null())
}
