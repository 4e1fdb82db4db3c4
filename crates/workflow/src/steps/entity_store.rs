//! `entityStore.updateAssetCriticality`: how much an asset matters.
//!
//! Invariants: a level of null removes the record; the risk score is recalculated afterwards unless switched off, and a failure there
//! never fails the step.
//! Not here: the asset-criticality and risk APIs, which are not there yet: until then their 404 is the step's error.
//! Source: `reference/workflow-steps.md` §7; `reference/kibana-apis.md` §6.9.

use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use stdx::{Object, Value};

/// Longest id of an entity in characters.
const ID_CHARS_MAX: usize = 1000;

/// The step type.
#[derive(Debug)]
pub(super) struct Criticality;
pub(super) static CRITICALITY: Criticality = Criticality;

static META: StepMeta = StepMeta {
    name: "entityStore.updateAssetCriticality",
    title: "Set asset criticality",
    description: "says how much a user, host or service matters; null removes it",
    group: "security",
    class: Class::Write,
    schema: r#"{"type":"object","required":["entity_type","entity_id"],"additionalProperties":false,"properties":{"entity_type":{"type":"string","enum":["user","host","service"]},"entity_id":{"type":"string","description":"for example host:web-01"},"criticality_level":{"description":"low_impact, medium_impact, high_impact, extreme_impact, or null"}}}"#,
    output: r#"{"type":"object","required":["success","message"],"properties":{"success":{"const":true},"message":{"type":"string"}}}"#,
    connectors: &[],
    config: &["recalculate-risk-score"],
    example: "- name: crown\n  type: entityStore.updateAssetCriticality\n  with: { entity_type: host, entity_id: \"host:web-01\", criticality_level: high_impact }\n",
};

impl StepType for Criticality {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let request = match request(&params) {
            Ok(r) => r,
            Err(fault) => return Next::Fail(fault),
        };
        let again = cx.config.get("recalculate-risk-score");
        let again = !again.is_some_and(|v| v.as_bool() == Some(false) || v.as_str() == Some("false"));
        let memo = Value::object([("recalculate", Value::Bool(again)), ("phase", Value::from("set"))]);
        super::own_call("kibana.request", request, Class::Write, memo, false)
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let done = || {
            let message = Value::from("Successfully updated asset criticality");
            Next::Done(Value::object([("success", Value::Bool(true)), ("message", message)]))
        };
        let recalculates = memo.get("recalculate").and_then(Value::as_bool) == Some(true);
        match (memo.get("phase").and_then(Value::as_str), wake) {
            (Some("risk"), Wake::Answered(_)) => done(),
            (_, Wake::Answered(Ok(_))) if !recalculates => done(),
            (_, Wake::Answered(Ok(_))) => {
                let request = Value::object([
                    ("method", Value::from("POST")),
                    ("path", Value::from("/api/risk_score/engine/schedule_now")),
                ]);
                let memo = Value::object([("phase", Value::from("risk"))]);
                super::own_call("kibana.request", request, Class::Write, memo, false)
            }
            (_, Wake::Answered(Err(fault))) => Next::Fail(Fault { kind: "ApiError".into(), ..fault }),
            (_, Wake::Timer | Wake::Decided(_)) => Next::fail("Error", "the step does not wait"),
        }
    }
}

fn request(params: &Value) -> Result<Value, Fault> {
    let kind = super::required(params, "entity_type", META.name)?;
    let id = super::required(params, "entity_id", META.name)?;
    if !["user", "host", "service"].contains(&&*kind) {
        return Err(super::invalid(format!("`{kind}` is not an entity type: user, host or service")));
    }
    if id.chars().count() > ID_CHARS_MAX {
        return Err(super::invalid(format!("`with.entity_id` has at most {ID_CHARS_MAX} characters")));
    }
    let Some(level) = params.get("criticality_level") else {
        return Err(super::invalid(format!("`{}` needs `with.criticality_level`; null removes it", META.name)));
    };
    // An EUID is `host:web-01`; the record is kept by the plain name.
    let plain = id.strip_prefix(&format!("{kind}:")).unwrap_or(&id);
    let field = Value::from(format!("{kind}.name"));
    let mut request = Object::new();
    request.insert("path", "/api/asset_criticality");
    if level.is_null() {
        request.insert("method", "DELETE");
        request.insert("query", Value::object([("id_field", field), ("id_value", Value::from(plain))]));
        return Ok(request.into());
    }
    let level = crate::json::scalar_text(level);
    if !["low_impact", "medium_impact", "high_impact", "extreme_impact"].contains(&level.as_str()) {
        return Err(super::invalid(format!("`{level}` is not a criticality level")));
    }
    request.insert("method", "POST");
    request.insert(
        "body",
        Value::object([
            ("id_field", field),
            ("id_value", Value::from(plain)),
            ("criticality_level", Value::from(level)),
        ]),
    );
    Ok(request.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_removes() {
        let of = |text: &str| request(&stdx::json::parse(text).unwrap());
        assert_eq!(
            stdx::json::text(
                &of(r#"{"entity_type":"host","entity_id":"host:web-01","criticality_level":"high_impact"}"#).unwrap()
            ),
            r#"{"path":"/api/asset_criticality","method":"POST","body":{"id_field":"host.name","id_value":"web-01","criticality_level":"high_impact"}}"#
        );
        assert_eq!(
            stdx::json::text(&of(r#"{"entity_type":"user","entity_id":"ann","criticality_level":null}"#).unwrap()),
            r#"{"path":"/api/asset_criticality","method":"DELETE","query":{"id_field":"user.name","id_value":"ann"}}"#
        );
        assert!(of(r#"{"entity_type":"user","entity_id":"ann"}"#).unwrap_err().message.contains("null removes"));
        assert!(of(r#"{"entity_type":"car","entity_id":"x","criticality_level":null}"#).is_err());
    }
}
