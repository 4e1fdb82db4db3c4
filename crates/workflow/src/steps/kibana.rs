//! `kibana.<operation>`: the operations of the Kibana-compatible API by name.
//!
//! Invariants: every one is a `kibana.request` made by [`endpoint::Endpoint::map`]; outside the default space its path gets `/s/<space>`;
//! its class is that of its route.
//! Not here: the routes (`api`), `kibana.SetAlertsStatus` and `kibana.SetAlertTags`, which happen inside (`alerts_status`, `alerts`).
//! Source: `reference/workflow-steps.md` §5.2; operation ids, methods, paths and query names of `reference/kibana-openapi-subset.yaml`.

use super::endpoint::{self, Endpoint};
use super::kibana_request::{META_FLAGS, finish, request_next, route_class};
use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::catalogue::OperationMeta;
use crate::core::Class;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use stdx::Value;

/// The operations by name.
pub static OPERATIONS: LazyLock<BTreeMap<&'static str, Endpoint>> =
    LazyLock::new(|| endpoint::table(include_str!("kibana/operations.tsv")));

const CASE: &str = r#"{"type":"object","required":["id","version","title","status","severity","tags"],"properties":{"id":{"type":"string"},"version":{"type":"string"},"title":{"type":"string"},"description":{"type":"string"},"status":{"enum":["open","in-progress","closed"]},"severity":{"enum":["low","medium","high","critical"]},"owner":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},"totalComment":{"type":"integer"},"totalAlerts":{"type":"integer"}}}"#;
const RULE: &str = r#"{"type":"object","required":["id","rule_id","name","enabled"],"properties":{"id":{"type":"string"},"rule_id":{"type":"string"},"name":{"type":"string"},"enabled":{"type":"boolean"},"query":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},"exceptions_list":{"type":"array","items":{"type":"object"}}}}"#;
const ACTION: &str = r#"{"type":"object","required":["data"],"properties":{"data":{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"agents":{"type":"array","items":{"type":"string"}}}}}}"#;
const PAGE: &str = r#"{"type":"object","required":["data","total"],"properties":{"data":{"type":"array","items":{"type":"object"}},"total":{"type":"integer"},"page":{"type":"integer"}}}"#;
const CONVERSATION: &str = r#"{"type":"object","required":["conversation_id","response"],"properties":{"conversation_id":{"type":"string"},"response":{"type":"object","required":["message"],"properties":{"message":{"type":"string"}}}}}"#;
const BULK_ACTION: &str = r#"{"type":"object","required":["success","rules_count","attributes"],"properties":{"success":{"const":true},"rules_count":{"type":"integer"},"attributes":{"type":"object","required":["summary","errors"],"properties":{"summary":{"type":"object","required":["succeeded","failed","skipped","total"],"properties":{"succeeded":{"type":"integer"},"failed":{"const":0},"skipped":{"const":0},"total":{"type":"integer"}}},"errors":{"const":[]}}}}}"#;
const ITEM: &str = r#"{"type":"object","required":["id","item_id","list_id","namespace_type","name"],"properties":{"id":{"type":"string"},"item_id":{"type":"string"},"list_id":{"type":"string"},"namespace_type":{"enum":["single","agnostic"]},"name":{"type":"string"},"created_at":{"type":"string"},"created_by":{"type":"string"},"entries":{"type":"array","items":{"type":"object"}}}}"#;
const CHAT: &str = r#"{"type":"object","required":["data","response"],"properties":{"connector_id":{"type":"string"},"data":{"type":"string"},"response":{"type":"string"},"replacements":{"type":"object"}}}"#;

/// Outputs that authors read: method, path pattern, schema.
const OUTPUTS: [(&str, &str, &str); 20] = [
    ("POST", "/api/cases", CASE),
    ("GET", "/api/cases/{id}", CASE),
    ("POST", "/api/cases/{id}/comments", CASE),
    ("POST", "/api/endpoint/action/{action}", ACTION),
    ("GET", "/api/endpoint/action", PAGE),
    ("GET", "/api/endpoint/metadata", PAGE),
    ("GET", "/api/detection_engine/rules/_find", PAGE),
    ("POST", "/api/detection_engine/rules/_bulk_action", BULK_ACTION),
    ("GET", "/api/detection_engine/rules", RULE),
    ("POST", "/api/detection_engine/rules", RULE),
    ("PATCH", "/api/detection_engine/rules", RULE),
    (
        "POST",
        "/api/detection_engine/rules/{id}/exceptions",
        r#"{"type":"array","items":{"type":"object","required":["id","item_id","list_id"],"properties":{"id":{"type":"string"},"item_id":{"type":"string"},"list_id":{"type":"string"}}}}"#,
    ),
    ("GET", "/api/exception_lists/items/_find", PAGE),
    ("GET", "/api/exception_lists/items", ITEM),
    ("POST", "/api/exception_lists/items", ITEM),
    ("PUT", "/api/exception_lists/items", ITEM),
    ("POST", "/api/endpoint_list/items", ITEM),
    ("POST", "/api/agent_builder/converse", CONVERSATION),
    ("POST", "/api/security_ai_assistant/chat/complete", CHAT),
    (
        "GET",
        "/api/agent_builder/conversations/{id}",
        r#"{"type":"object","required":["id","rounds"],"properties":{"id":{"type":"string"},"title":{"type":"string"},"rounds":{"type":"array","items":{"type":"object"}}}}"#,
    ),
];

/// The step types.
#[derive(Debug)]
pub(super) struct Kibana;
/// The code of every named operation.
pub(super) static NAMED: Kibana = Kibana;

static META: StepMeta = StepMeta {
    name: "kibana.*",
    title: "API operation",
    description: "calls an operation of the Kibana-compatible API",
    group: "elastic",
    class: Class::None,
    schema: "{}",
    output: "{}",
    connectors: &[],
    config: &[],
    example: "",
};

/// The operation of a step type.
pub(super) fn endpoint_of(kind: &str) -> Option<&'static Endpoint> {
    OPERATIONS.get(kind.strip_prefix("kibana.")?)
}

/// What the catalogue says of an operation.
pub(super) fn operation(endpoint: &Endpoint) -> OperationMeta {
    let (method, path) = (endpoint.methods[0], endpoint.paths[0]);
    let output = output_of(method, path)
        .unwrap_or_else(|| stdx::json::parse(r#"{"description":"the body of the answer"}"#).unwrap_or_default());
    OperationMeta {
        name: format!("kibana.{}", endpoint.name).into(),
        title: super::words(endpoint.name).into(),
        group: "elastic".into(),
        class: route_class(method, path, &Value::Null, None),
        schema: endpoint.schema(),
        output,
        connector: None,
        deliver_within_s: None,
        inverse: None,
    }
}

/// The schema of the answer of a request, where it is known; the space prefix does not matter.
pub fn output_of(method: &str, path: &str) -> Option<Value> {
    let path = path.strip_prefix("/s/").and_then(|p| p.find('/').map(|i| &p[i..])).unwrap_or(path);
    let found = OUTPUTS.iter().find(|(m, pattern, _)| {
        let known = Endpoint { name: "", methods: vec![m], paths: vec![pattern], query: vec![], headers: vec![] };
        known.fits(method, path)
    })?;
    stdx::json::parse(found.2).ok()
}

impl StepType for Kibana {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        if let Some(request) = params.get("request").filter(|r| r.as_object().is_some()) {
            return request_next(cx, request, &params);
        }
        let Some(endpoint) = cx.operation.and_then(|o| endpoint_of(&o.name)) else {
            return Next::fail("Error", format!("No connector definition found for {}", cx.kind));
        };
        let mut mapped = match endpoint.map(&params, &META_FLAGS) {
            Ok(m) => m,
            Err(fault) => return Next::Fail(fault),
        };
        if &*cx.start.space != "default" && !mapped.path.starts_with("/s/") {
            mapped.path = format!("/s/{}{}", endpoint::encode(&cx.start.space), mapped.path);
        }
        request_next(cx, &endpoint::params(mapped), &params)
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        finish(memo, wake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_map_to_requests() {
        for (name, params, want) in [
            ("getCase", r#"{"caseId":"c1"}"#, r#"{"method":"GET","path":"/api/cases/c1"}"#),
            (
                "addCaseCommentDefaultSpace",
                r#"{"caseId":"c1","type":"user","comment":"x","owner":"cases"}"#,
                r#"{"method":"POST","path":"/api/cases/c1/comments","body":{"type":"user","comment":"x","owner":"cases"}}"#,
            ),
            (
                "EndpointIsolateAction",
                r#"{"endpoint_ids":["e1"],"debug":true}"#,
                r#"{"method":"POST","path":"/api/endpoint/action/isolate","body":{"endpoint_ids":["e1"]}}"#,
            ),
            (
                "FindRules",
                r#"{"filter":"alert.attributes.name: x","per_page":5}"#,
                r#"{"method":"GET","path":"/api/detection_engine/rules/_find","query":{"filter":"alert.attributes.name: x","per_page":"5"}}"#,
            ),
            (
                "streams.getSignificantEvents",
                r#"{"name":"logs","bucketSize":"1h"}"#,
                r#"{"method":"GET","path":"/api/streams/logs/significant_events","query":{"bucketSize":"1h"}}"#,
            ),
        ] {
            let endpoint = endpoint_of(&format!("kibana.{name}")).unwrap_or_else(|| panic!("{name}"));
            let mapped = endpoint.map(&stdx::json::parse(params).unwrap(), &META_FLAGS).unwrap();
            assert_eq!(stdx::json::text(&endpoint::params(mapped)), want, "{name}");
        }
    }

    #[test]
    fn the_family_is_whole_and_classed() {
        assert!(OPERATIONS.len() > 300, "{}", OPERATIONS.len());
        for (name, class) in [
            ("EndpointIsolateAction", Class::Destructive),
            ("CreateRule", Class::Write),
            ("DeleteRule", Class::Write),
            ("SearchAlerts", Class::Read),
            ("FindRules", Class::Read),
        ] {
            assert_eq!(operation(&OPERATIONS[name]).class, class, "{name}");
        }
        for (_, _, schema) in OUTPUTS {
            assert!(stdx::json::parse(schema).is_ok(), "{schema}");
        }
        assert!(output_of("GET", "/s/soc/api/cases/c1?x=1").is_some());
    }
}
