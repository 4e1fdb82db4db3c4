//! `http`: one request.
//!
//! Invariants: the method decides the class (GET and HEAD read, DELETE destroys, the others write); a method that a template makes counts
//! as the worst until it is rendered.
//! Not here: sending, redirects, the egress guard (`engine`), what a connector adds (`connector`).
//! Source: `reference/workflow-steps.md` §10.1.

use super::{CallSpec, Next, StepCx, StepMeta, StepType};
use crate::catalogue::OperationMeta;
use crate::core::Class;
use crate::template::{Member, Params};
use std::sync::Arc;
use stdx::Value;

/// The step type.
#[derive(Debug)]
pub(super) struct Http;
pub(super) static HTTP: Http = Http;

static META: StepMeta = StepMeta {
    name: "http",
    title: "HTTP request",
    description: "sends one request; an answer that is not 2xx fails the step",
    group: "http",
    class: Class::Destructive,
    schema: r#"{"type":"object","additionalProperties":false,"properties":{"url":{"type":"string","description":"full URL; the connector's where one is named"},"path":{"type":"string"},"method":{"type":"string"},"headers":{"type":"object"},"query":{"type":"object"},"body":{},"form_data":{"type":"object"},"timeout":{"type":"number"},"fetcher":{"type":"object"}}}"#,
    output: r#"{"type":"object","properties":{"status":{"type":"integer"},"statusText":{"type":"string"},"headers":{"type":"object"},"data":{}}}"#,
    connectors: &[".http"],
    config: &[],
    example: "- name: lookup\n  type: http\n  timeout: 20s\n  with:\n    url: \"https://intel.example/ip/{{ inputs.ip }}\"\n",
};

/// Class of a method.
pub(super) fn method_class(method: &str) -> Class {
    match method.to_ascii_uppercase().as_str() {
        "GET" | "HEAD" | "OPTIONS" => Class::Read,
        "DELETE" => Class::Destructive,
        _ => Class::Write,
    }
}

impl StepType for Http {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn class_written(&self, params: &Params, _operation: Option<&OperationMeta>) -> Class {
        match params.member("method") {
            None => Class::Read,
            Some(Member::Const(v)) => method_class(v.as_str().unwrap_or("GET")),
            Some(Member::Templated(_)) => Class::Destructive,
        }
    }
    fn secret_params(&self) -> &'static [&'static str] {
        &["url", "headers", "query", "body", "form_data"]
    }
    fn start(&self, cx: &StepCx<'_>, mut params: Value) -> Next {
        let method = super::text(&params, "method").unwrap_or_else(|| "GET".into()).to_ascii_uppercase();
        if !["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"].contains(&method.as_str()) {
            return Next::fail("InvalidInput", format!("`{method}` is not an HTTP method"));
        }
        if let Some(o) = params.object_mut() {
            o.insert("method", method.as_str());
        }
        let (connector, target, lane) = match cx.connector {
            Some(c) => (Some(c.id.clone()), c.target.clone(), c.id.clone()),
            None => {
                let Some(url) = super::text(&params, "url").filter(|u| !u.trim().is_empty()) else {
                    return Next::fail("HttpRequestError", "URL is required");
                };
                let origin = origin(&url);
                let lane: Arc<str> = format!("http:{}", origin.1).into();
                (None, Value::object([("base_url", Value::from(format!("{}://{}", origin.0, origin.1)))]), lane)
            }
        };
        let call = CallSpec { operation: "http".into(), connector, target, params, class: method_class(&method), lane };
        Next::Call { call: Box::new(call), memo: Value::Null, closes: true }
    }
}

/// Scheme and `host:port` of a URL, without user and password.
pub(super) fn origin(url: &str) -> (&str, String) {
    let url = url.trim();
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("").to_ascii_lowercase();
    let has_port = host.rfind(':').is_some_and(|i| host[i + 1..].parse::<u16>().is_ok() && !host[..i].ends_with(':'));
    if has_port { (scheme, host) } else { (scheme, format!("{host}:{}", if scheme == "https" { 443 } else { 80 })) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_host_and_port() {
        assert_eq!(origin("https://A.example/x?y"), ("https", "a.example:443".into()));
        assert_eq!(origin("http://u:p@127.0.0.1:9100/x"), ("http", "127.0.0.1:9100".into()));
        assert_eq!(origin("http://[::1]:80/"), ("http", "[::1]:80".into()));
    }
}
