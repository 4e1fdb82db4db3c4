//! `kibana.alert.rule.*`: what an alert says about its rule, made once per rule.
//!
//! Invariants: keys are flat; values are shared with the rule's body, so an alert copies nothing.

use super::PRODUCER;
use crate::rule::Rule;
use stdx::{Object, Value};

/// Keys of the rule's body that stand in the alert under the same name.
const COPIED: &[&str] = &[
    "description",
    "author",
    "license",
    "note",
    "references",
    "false_positives",
    "tags",
    "version",
    "revision",
    "from",
    "to",
    "interval",
    "enabled",
    "immutable",
    "max_signals",
    "timestamp_override",
    "rule_name_override",
    "severity_mapping",
    "risk_score_mapping",
    "threat",
    "exceptions_list",
    "actions",
    "throttle",
    "timeline_id",
    "timeline_title",
    "namespace",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "severity",
    "risk_score",
    "building_block_type",
];

/// A whole number where it is one.
pub(super) fn number(n: f64) -> Value {
    if n.fract() == 0.0 && n.abs() < 1e15 { Value::Int(n as i64) } else { Value::Float(n) }
}

/// The fields of a rule.
pub(crate) fn of_rule(rule: &Rule) -> Object {
    let mut out = Object::new();
    let mut put = |key: &str, value: Value| {
        out.insert(format!("kibana.alert.rule.{key}"), value);
    };
    put("uuid", rule.id.clone().into());
    put("rule_id", rule.rule_id.clone().into());
    put("type", rule.kind.text().into());
    put("rule_type_id", rule.kind.rule_type_id().into());
    put("category", rule.kind.category().into());
    put("producer", PRODUCER.into());
    put("consumer", PRODUCER.into());
    put("indices", Value::array(rule.index.iter().cloned().map(Value::from)));
    put("parameters", rule.body.clone());
    for key in COPIED {
        if let Some(value) = rule.body.get(key).filter(|v| !v.is_null()) {
            put(key, value.clone());
        }
    }
    if let Some(meta) = rule.body.get("meta").and_then(Value::as_object) {
        for (key, value) in meta.iter() {
            put(&format!("meta.{key}"), value.clone());
        }
    }
    out
}
