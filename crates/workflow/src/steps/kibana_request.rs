//! `kibana.request`: our own API, in process.
//!
//! Invariants: its class is that of the route; a run never answers a question of the approvals inbox.
//! Not here: the routes (`api`), who may call them (checked there under the run's principal).
//! Source: `reference/workflow-steps.md` §5.1; `design/engine.md` §2.4, §8.

use super::{CallSpec, Next, StepCx, StepMeta, StepType, Wake};
use crate::catalogue::{Catalogue, OperationMeta};
use crate::core::Class;
use crate::template::{Member, Params};
use stdx::Value;

/// The step type.
#[derive(Debug)]
pub(super) struct KibanaRequest;
pub(super) static KIBANA_REQUEST: KibanaRequest = KibanaRequest;

static META: StepMeta = StepMeta {
    name: "kibana.request",
    title: "Own API",
    description: "calls a route of this server under the run's account",
    group: "elastic",
    class: Class::Destructive,
    schema: r#"{"type":"object","required":["path"],"properties":{"method":{"type":"string"},"path":{"type":"string","description":"route, for example /api/cases/_find"},"body":{},"form_data":{"type":"object"},"query":{"type":"object"},"headers":{"type":"object"},"fetcher":{"type":"object"},"use_server_info":{"type":"boolean"},"use_localhost":{"type":"boolean"},"debug":{"type":"boolean"},"request":{"type":"object"}}}"#,
    output: r#"{"description":"the JSON body of the answer"}"#,
    connectors: &[],
    config: &[],
    example: "- name: open_cases\n  type: kibana.request\n  with:\n    method: GET\n    path: /api/cases/_find\n    query: { status: open }\n",
};

/// Routes that POST but only read, by the end of their path.
const READING: [&str; 9] = [
    "/_search",
    "/_query",
    "/signals/search",
    "/_find",
    "/_bulk_get",
    "/_count",
    "/_msearch",
    "/validate",
    "/_suggest",
];
/// Response actions that change a host.
const RESPONSE_ACTIONS: [&str; 9] =
    ["isolate", "unisolate", "kill_process", "suspend_process", "execute", "get_file", "upload", "scan", "runscript"];

/// Class of a route, whatever its space.
pub fn route_class(method: &str, path: &str, body: &Value, catalogue: Option<&Catalogue>) -> Class {
    let path = path.split(['?', '#']).next().unwrap_or("").trim_end_matches('/');
    match method.to_ascii_uppercase().as_str() {
        "GET" | "HEAD" => return Class::Read,
        "DELETE" | "PUT" | "PATCH" => return Class::Write,
        _ => {}
    }
    if let Some((_, action)) = path.split_once("/api/endpoint/action/") {
        return if RESPONSE_ACTIONS.contains(&action) { Class::Destructive } else { Class::Write };
    }
    if let Some((_, rest)) = path.split_once("/api/actions/connector/")
        && let Some(id) = rest.strip_suffix("/_execute")
    {
        let sub = body.path(&["params", "subAction"]).and_then(Value::as_str).unwrap_or("");
        let operation = catalogue.and_then(|c| {
            let kind = c.connector(id)?.kind.trim_start_matches('.').to_owned();
            c.operation(&format!("{kind}.{sub}")).or_else(|| c.operation(&kind))
        });
        // What cannot be looked up may destroy.
        return operation.map_or(Class::Destructive, |o| o.class);
    }
    if READING.iter().any(|end| path.ends_with(end)) { Class::Read } else { Class::Write }
}

/// True for routes on which people answer questions.
fn answers_a_question(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or("");
    (path.contains("/approvals/") && ["/decide", "/settle", "/change"].iter().any(|end| path.contains(end)))
        || path.trim_end_matches('/').ends_with("/resume")
}

/// The request of either form.
fn request(params: &Value) -> &Value {
    params.get("request").filter(|r| r.as_object().is_some()).unwrap_or(params)
}

impl StepType for KibanaRequest {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn class_written(&self, params: &Params, _operation: Option<&OperationMeta>) -> Class {
        let member = |key: &str| match params.member("request") {
            Some(Member::Const(v)) => v.get(key).map(Member::Const),
            Some(Member::Templated(p)) => p.member(key),
            None => params.member(key),
        };
        let method = match member("method") {
            None => "GET",
            Some(Member::Const(v)) => v.as_str().unwrap_or("GET"),
            Some(Member::Templated(_)) => "POST",
        };
        let path = match member("path") {
            Some(Member::Const(v)) => v.as_str().unwrap_or("").to_owned(),
            // A template in the middle of a path leaves its ends to judge by.
            Some(Member::Templated(Params::Text(t))) => t.source.to_string(),
            _ => String::new(),
        };
        if path.is_empty() && method == "POST" {
            return Class::Destructive;
        }
        route_class(method, &path, &Value::Null, None)
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        request_next(cx, request(&params), &params)
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        finish(memo, wake)
    }
}

/// Members of `with` that say how to send and are no part of the request.
pub(super) const META_FLAGS: [&str; 4] = ["fetcher", "use_server_info", "use_localhost", "debug"];

/// The call of a request; `params` are all parameters of the step, for its flags.
pub(super) fn request_next(cx: &StepCx<'_>, request: &Value, params: &Value) -> Next {
    let mut request = request.clone();
    let flag = |key: &str| params.get(key).and_then(Value::as_bool) == Some(true);
    if flag("use_server_info") && flag("use_localhost") {
        return Next::fail("Error", "use_server_info and use_localhost cannot both be set");
    }
    let has = |key: &str| request.get(key).is_some_and(|v| !v.is_null());
    if has("body") && has("form_data") {
        return Next::fail("Error", "body and form_data cannot both be set");
    }
    let default = if has("form_data") { "POST" } else { "GET" };
    let method = super::text(&request, "method").unwrap_or_else(|| default.into()).to_ascii_uppercase();
    if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
        return Next::fail(
            "Error",
            format!("Invalid HTTP method \"{method}\". Valid values: GET, POST, PUT, PATCH, DELETE"),
        );
    }
    let path = match super::required(&request, "path", META.name) {
        Ok(p) => p,
        Err(fault) => return Next::Fail(fault),
    };
    if answers_a_question(&path) {
        return Next::fail("Forbidden", "a run cannot answer a question: people decide");
    }
    let path = if path.starts_with('/') { path } else { format!("/{path}").into() };
    let class = route_class(&method, &path, request.get("body").unwrap_or(&Value::Null), Some(cx.catalogue));
    let debug = flag("debug");
    if let Some(o) = request.object_mut() {
        META_FLAGS.iter().for_each(|key| drop(o.remove(key)));
        o.insert("method", method.as_str());
        o.insert("path", path.clone());
    }
    let memo = if debug {
        Value::object([("fullUrl", Value::Str(path)), ("method", Value::from(method))])
    } else {
        Value::Null
    };
    let call = CallSpec {
        operation: META.name.into(),
        connector: None,
        target: Value::Null,
        params: request,
        class,
        lane: "own".into(),
    };
    Next::Call { call: Box::new(call), memo, closes: !debug }
}

/// The end of a request with `debug`: output and error show what was asked.
pub(super) fn finish(memo: &Value, wake: Wake) -> Next {
    match wake {
        Wake::Answered(Ok(mut v)) => {
            if v.as_object().is_some()
                && let Some(o) = v.object_mut()
            {
                o.insert("_debug", memo.clone());
            }
            Next::Done(v)
        }
        Wake::Answered(Err(mut fault)) => {
            if let Some(o) = fault.details.object_mut() {
                o.insert("_debug", memo.clone());
            }
            Next::Fail(fault)
        }
        Wake::Timer | Wake::Decided(_) => Next::fail("Error", "a request does not wait for a person"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_one_class() {
        for (method, path, class) in [
            ("GET", "/api/cases/_find", Class::Read),
            ("POST", "/api/cases", Class::Write),
            ("DELETE", "/api/cases", Class::Write),
            ("POST", "/s/soc/api/endpoint/action/isolate", Class::Destructive),
            ("GET", "/api/endpoint/action", Class::Read),
            ("POST", "/api/detection_engine/signals/search", Class::Read),
            ("POST", "/api/actions/connector/x/_execute", Class::Destructive),
        ] {
            assert_eq!(route_class(method, path, &Value::Null, None), class, "{method} {path}");
        }
    }

    #[test]
    fn a_run_cannot_answer_a_question() {
        assert!(answers_a_question("/api/watchfire/approvals/x/decide"));
        assert!(answers_a_question("/s/default/api/workflows/executions/e/resume"));
        assert!(!answers_a_question("/api/watchfire/approvals"));
    }
}
