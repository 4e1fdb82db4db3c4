//! Alert documents: an event merged with `kibana.alert.*` fields, ready to be stored.
//!
//! Invariants: the id depends only on the event's identity, the rule's uuid and the space, so replay makes the same alert; an alert whose
//! ancestors hold its own rule is not built.
//! Not here: inserting (`store`), suppression, later changes of an alert (`triage`).
//! Source: Kibana alert schema, detection engine `buildAlert`.

mod fields;
mod reason;
mod source;

pub(crate) use fields::of_rule;
pub use source::{expanded, prepared};

use crate::rule::{Rule, Severity};
use event::{Event, FieldPath, Scalar, timestamp};
use std::sync::Arc;
use stdx::{Id, Object, Time, Value};

/// The alias that readers use, by space.
pub fn alias(space: &str) -> String {
    format!(".alerts-security.alerts-{space}")
}

/// The index that alerts of a space stand in.
pub fn index(space: &str) -> String {
    index_of(&alias(space))
}

/// The alias of an alert index, under which the event log files alerts, searches look and rules over alerts read; other names stay.
pub fn alias_of(name: &str) -> String {
    match name.strip_prefix(".internal.alerts-") {
        Some(rest) => format!(".alerts-{}", rest.strip_suffix("-000001").unwrap_or(rest)),
        None => name.to_owned(),
    }
}

/// The index behind an alias of alerts, as documents name it; other names stay.
pub fn index_of(name: &str) -> String {
    match name.strip_prefix(".alerts-") {
        Some(rest) => format!(".internal.alerts-{rest}-000001"),
        None => name.to_owned(),
    }
}

/// The producer and the consumer of every alert.
pub const PRODUCER: &str = "siem";
/// Most ancestors that an alert carries.
pub const ANCESTORS_MAX: usize = 1000;

/// The run of a rule that raises alerts.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub uuid: Id,
    /// When it began.
    pub timestamp: Time,
    /// True for a run that a person asked for.
    pub manual: bool,
}

/// What an alert needs beside the rule and the event.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// When the alert is written.
    pub now: Time,
    /// The run that raises it.
    pub run: &'a Run,
    /// The space's id.
    pub space: &'a str,
    /// The version of the product, as `kibana.version`.
    pub version: &'a str,
    /// The public address of the web UI, where one is configured.
    pub base_url: Option<&'a str>,
}

/// An alert to insert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The document id.
    pub id: Id,
    /// The document.
    pub document: Value,
}

/// The id of the alert that `rule_uuid` raises for an event.
pub fn id_of(event: &Event, rule_uuid: &str, space: &str) -> Id {
    // An alert changes its version when people work on it; as a source it counts as version 1.
    let version = if is_alert(event) { 1 } else { event.meta.version };
    let text = format!("{}{}{version}{space}:{rule_uuid}", event.meta.index, event.meta.id);
    Id::from(stdx::id::sha256_hex(text.as_bytes()))
}

fn is_alert(event: &Event) -> bool {
    event.exists(&FieldPath::new("kibana.alert.uuid"))
}

/// Texts and numbers under a field, as text, without empty ones and `-`.
fn texts(event: &Event, field: &str) -> Vec<String> {
    let mut out = Vec::new();
    event.any(&FieldPath::new(field), |s| {
        out.extend(text_of(s));
        false
    });
    out
}

fn text_of(scalar: Scalar<'_>) -> Option<String> {
    match scalar {
        Scalar::Null => None,
        Scalar::Bool(b) => Some(b.to_string()),
        Scalar::Int(i) => Some(i.to_string()),
        Scalar::Float(f) => Some(f.to_string()),
        Scalar::Str(s) => Some(s.to_owned()),
    }
    .filter(|t| !t.is_empty() && t != "-")
}

/// The severity for this event: the highest mapping that matches, else the rule's.
pub fn severity_of(rule: &Rule, event: &Event) -> Severity {
    let matches = |field: &str, wanted: &str| {
        event.any(&FieldPath::new(field), |s| match (field, s) {
            ("event.severity", s) => {
                let whole = |t: &str| t.trim().parse::<i64>().ok();
                whole(wanted).is_some() && text_of(s).as_deref().and_then(whole) == whole(wanted)
            }
            (_, Scalar::Str(t)) => t == wanted,
            (_, s) => text_of(s).as_deref() == Some(wanted),
        })
    };
    let mapped = rule.severity_mapping.iter().filter(|m| matches(&m.field, &m.value)).map(|m| m.severity).max();
    mapped.unwrap_or(rule.severity)
}

/// The risk score for this event: the largest number of 0 to 100 in the mapped field, else the rule's.
pub fn risk_score_of(rule: &Rule, event: &Event) -> f64 {
    let Some(field) = &rule.risk_score_field else { return rule.risk_score };
    let mut best = None::<f64>;
    event.any(&FieldPath::new(field), |s| {
        let number = match s {
            Scalar::Int(i) => Some(i as f64),
            Scalar::Float(f) => Some(f),
            Scalar::Str(t) => t.trim().parse().ok(),
            _ => None,
        };
        if let Some(n) = number.filter(|n| (0.0..=100.0).contains(n)) {
            best = Some(best.map_or(n, |b| b.max(n)));
        }
        false
    });
    best.unwrap_or(rule.risk_score)
}

/// The name for this event: the text of the override field, else the rule's.
pub fn name_of(rule: &Rule, event: &Event) -> Arc<str> {
    let over = rule.rule_name_override.as_ref().and_then(|field| event.text(&FieldPath::new(field)));
    over.filter(|t| !t.is_empty()).map_or_else(|| Arc::clone(&rule.name), Arc::from)
}

/// The event's ancestors followed by itself, and its depth; `None` when `rule_uuid` is among them.
fn ancestors(event: &Event, source: &Value, rule_uuid: &str) -> Option<(Vec<Value>, i64)> {
    let mut out = Vec::new();
    let alert = is_alert(event);
    let text = |key: &str| source.field(key).and_then(Value::as_str);
    let mut own_rule = None;
    if alert {
        let known = source.field("kibana.alert.ancestors").and_then(Value::as_array).unwrap_or_default();
        out.extend(known.iter().take(ANCESTORS_MAX).cloned());
        own_rule = text("kibana.alert.rule.uuid");
    }
    let by_rule = |a: &Value| a.get("rule").and_then(Value::as_str) == Some(rule_uuid);
    if own_rule == Some(rule_uuid) || out.iter().any(by_rule) {
        return None;
    }
    let depth = if alert { source.field("kibana.alert.depth").and_then(Value::as_i64).unwrap_or(1) } else { 0 };
    let mut me = Object::new();
    me.insert("id", event.meta.id.clone());
    me.insert("type", if alert { "signal" } else { "event" });
    me.insert("index", Arc::clone(&event.meta.index));
    me.insert("depth", depth);
    if let Some(rule) = own_rule {
        me.insert("rule", rule);
    }
    out.push(me.into());
    Some((out, depth))
}

/// Builds the alert of a rule for an event.
///
/// - returns: `None` when the event descends from an alert of the same rule, or does not parse.
pub fn build(rule: &Rule, event: &Event, ctx: &Context<'_>) -> Option<Alert> {
    event.check().ok()?;
    let source = event.to_value();
    let (ancestors, depth) = ancestors(event, &source, &rule.id)?;
    let id = id_of(event, &rule.id, ctx.space);
    let (severity, name) = (severity_of(rule, event), name_of(rule, event));
    let (mut out, original) = source::split(prepared(&source));

    let now = ctx.now.iso();
    out.insert("@timestamp", now.as_str());
    let mut put = |key: &str, value: Value| {
        out.insert(key, value);
    };
    put("kibana.version", ctx.version.into());
    put("kibana.space_ids", Value::array([ctx.space.into()]));
    put("kibana.alert.uuid", id.clone().into());
    put("kibana.alert.start", now.as_str().into());
    put("kibana.alert.last_detected", now.as_str().into());
    put("kibana.alert.intended_timestamp", now.as_str().into());
    put("kibana.alert.original_time", timestamp::of(event).0.iso().into());
    put("kibana.alert.status", "active".into());
    put("kibana.alert.workflow_status", "open".into());
    put("kibana.alert.workflow_tags", Value::array([]));
    put("kibana.alert.workflow_assignee_ids", Value::array([]));
    put("kibana.alert.severity", severity.text().into());
    put("kibana.alert.risk_score", fields::number(risk_score_of(rule, event)));
    put("kibana.alert.reason", reason::sentence(event, severity.text(), &name).into());
    put("kibana.alert.depth", (depth + 1).into());
    put("kibana.alert.ancestors", ancestors.into());
    if let Some(block) = &rule.building_block_type {
        put("kibana.alert.building_block_type", Arc::clone(block).into());
    }
    if let Some(base) = ctx.base_url {
        put("kibana.alert.url", format!("{}/app/security/alerts/redirect/{id}", base.trim_end_matches('/')).into());
    }
    for (key, value) in original {
        put(&key, value);
    }
    for (key, value) in rule.alert_fields.iter() {
        put(key, value.clone());
    }
    put("kibana.alert.rule.name", name.into());
    put("kibana.alert.rule.execution.uuid", ctx.run.uuid.clone().into());
    put("kibana.alert.rule.execution.timestamp", ctx.run.timestamp.iso().into());
    put("kibana.alert.rule.execution.type", if ctx.run.manual { "manual" } else { "scheduled" }.into());
    Some(Alert { id, document: out.into() })
}

/// One stored alert, for a workflow.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Document id.
    pub id: &'a str,
    /// Index it stands in.
    pub index: &'a str,
    /// The document.
    pub document: &'a Value,
}

/// The `event` that a workflow started by these alerts gets: alerts with dotted names expanded, the rule, the space.
pub fn trigger_event(alerts: &[Stored<'_>], rule: &Rule, space: &str, base_url: Option<&str>) -> Value {
    let alerts = alerts.iter().map(|alert| {
        let mut out = Object::new();
        out.insert("_id", alert.id);
        out.insert("_index", alert.index);
        if let Value::Object(o) = expanded(alert.document) {
            for (key, value) in o.iter() {
                out.insert(Arc::clone(key), value.clone());
            }
        }
        out.into()
    });
    let described = [
        ("id", Value::from(rule.id.clone())),
        ("name", Arc::clone(&rule.name).into()),
        ("tags", Value::array(rule.tags.iter().cloned().map(Value::from))),
        ("consumer", PRODUCER.into()),
        ("producer", PRODUCER.into()),
        ("ruleTypeId", rule.kind.rule_type_id().into()),
    ];
    let mut out = Object::new();
    out.insert("alerts", Value::array(alerts));
    out.insert("rule", Value::object(described));
    if let Some(base) = base_url {
        out.insert("ruleUrl", format!("{}/app/security/rules/id/{}", base.trim_end_matches('/'), rule.id));
    }
    out.insert("spaceId", space);
    out.into()
}

#[cfg(test)]
mod tests;
