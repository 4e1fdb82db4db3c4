//! Creating a case from a template of the owner's configuration.
//!
//! Invariants: what is given wins over the template, the template over the defaults; the owner is the configuration's.
//! Not here: templates with fields of their own ("v2" templates).
//! Source: `reference/workflow-steps.md` §3.4; `reference/kibana-apis.md` §2.14.

use crate::actor::Actor;
use crate::case::{create, fields};
use crate::check::object;
use crate::command::{Refusal, RefusalKind};
use crate::rows::{Rows, SpaceId};
use std::sync::Arc;
use stdx::{Object, Time, Value};

/// Creates the case.
pub(crate) fn create(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: SpaceId,
    template: &Arc<str>,
    owner: &Arc<str>,
    overwrites: &Value,
) -> Result<Value, Refusal> {
    let config = rows.configs.get(&(key.0.clone(), owner.clone())).cloned().flatten();
    let templates = config.as_ref().and_then(|c| c.get("templates")).and_then(Value::as_array).unwrap_or_default();
    let found = templates.iter().find(|t| t.get("key").and_then(Value::as_str) == Some(&**template));
    let Some(found) = found else {
        let message = format!("Case template not found for owner \"{owner}\": {template}");
        return Err(Refusal::new(RefusalKind::NotFound, message));
    };
    let mut body = Object::new();
    body.insert("title", found.get("name").cloned().unwrap_or_else(|| Value::from(template.clone())));
    body.insert("description", found.get("description").cloned().unwrap_or_else(|| Value::from("")));
    body.insert("tags", Value::from(Vec::new()));
    body.insert("connector", fields::connector_none());
    body.insert("settings", Value::object([("syncAlerts", Value::Bool(true))]));
    let of_template = found.get("caseFields").and_then(Value::as_object);
    let given = if overwrites.is_null() { None } else { Some(object(overwrites, "overwrites")?) };
    for (k, v) in of_template.into_iter().chain(given).flat_map(Object::iter).filter(|(_, v)| !v.is_null()) {
        body.insert(k.clone(), v.clone());
    }
    body.insert("owner", owner.clone());
    create::create(rows, now, by, key, &Value::from(body))
}
