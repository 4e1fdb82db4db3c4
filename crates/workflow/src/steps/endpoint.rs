//! One algorithm from the flat parameters of a named API operation to a request: method, path template, query, body.
//!
//! Invariants: the first pattern whose placeholders are all given wins, else the one satisfied best; the body wins where a name could
//! go to body and query.
//! Not here: the tables (`elasticsearch`, `kibana`), who sends the request (`engine`).
//! Source: `reference/workflow-steps.md` §4.2, §5.2.

use crate::core::{Class, Fault};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Object, Value};

/// An operation of an API.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name without the family, for example `indices.create`.
    pub name: &'static str,
    /// Methods; the first counts.
    pub methods: Vec<&'static str>,
    /// Path patterns, those with more placeholders first.
    pub paths: Vec<&'static str>,
    /// Parameters that go into the query.
    pub query: Vec<&'static str>,
    /// Parameters that go into headers.
    pub headers: Vec<&'static str>,
}

/// A request as `elasticsearch.request` and `kibana.request` take it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// Upper-case method.
    pub method: Arc<str>,
    /// Path with the placeholders filled in.
    pub path: String,
    /// Query.
    pub query: Object,
    /// Headers.
    pub headers: Object,
    /// Body; `None` for none.
    pub body: Option<Value>,
}

/// Names of a placeholder pattern.
pub fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|p| p.split_once('}').map(|(name, _)| name))
}

/// Reads a table of lines `name, methods, paths, query, headers`, separated by tabs.
pub(super) fn table(text: &'static str) -> BTreeMap<&'static str, Endpoint> {
    let list = |s: Option<&'static str>, by: char| -> Vec<&'static str> {
        s.unwrap_or("").split(by).filter(|x| !x.is_empty()).collect()
    };
    text.lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
        .filter_map(|line| {
            let mut parts = line.split('\t');
            let name = parts.next()?;
            let endpoint = Endpoint {
                name,
                methods: list(parts.next(), ','),
                paths: list(parts.next(), ' '),
                query: list(parts.next(), ','),
                headers: list(parts.next(), ','),
            };
            (!endpoint.methods.is_empty() && !endpoint.paths.is_empty()).then_some((name, endpoint))
        })
        .collect()
}

/// A segment of a path: everything but what index expressions need is percent-encoded.
pub fn encode(segment: &str) -> String {
    const KEEP: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'*')
        .remove(b',')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(segment, &KEEP).to_string()
}

/// A parameter as text: lists are joined with commas.
pub(super) fn joined(value: &Value) -> String {
    match value {
        Value::Array(a) => a.iter().map(crate::json::scalar_text).collect::<Vec<_>>().join(","),
        Value::Object(_) => stdx::json::text(value),
        v => crate::json::scalar_text(v),
    }
}

/// Text as it is, everything else as JSON.
pub(super) fn joined_text(value: &Value) -> String {
    match value {
        Value::Str(s) => s.to_string(),
        v => stdx::json::text(v),
    }
}

impl Endpoint {
    /// The request that `params` mean; `skip` names members that are no parameters.
    ///
    /// - errors: a placeholder of the best pattern is missing.
    pub fn map(&self, params: &Value, skip: &[&str]) -> Result<Mapped, Fault> {
        let empty = Object::new();
        let given = params.as_object().unwrap_or(&empty);
        let present = |name: &str| given.get(name).is_some_and(|v| !v.is_null() && v.as_str() != Some(""));
        let method: Arc<str> = match given.get("method").and_then(Value::as_str) {
            Some(m) if !self.query.contains(&"method") => m.to_ascii_uppercase().into(),
            _ => self.methods.first().copied().unwrap_or("GET").into(),
        };
        let score = |path: &str| {
            let (have, all) = placeholders(path).fold((0u32, 0u32), |(h, n), p| (h + u32::from(present(p)), n + 1));
            if all == 0 { (true, 1.0) } else { (have == all, f64::from(have) / f64::from(all)) }
        };
        let mut best: Option<(&str, f64)> = None;
        for path in &self.paths {
            let (whole, ratio) = score(path);
            if whole {
                best = Some((path, 1.0));
                break;
            }
            if best.is_none_or(|(_, r)| ratio > r) {
                best = Some((path, ratio));
            }
        }
        let pattern = best.map_or("/", |(p, _)| p);
        let mut path = pattern.to_owned();
        let mut used: Vec<&str> = vec![];
        for name in placeholders(pattern) {
            let value = given
                .get(name)
                .filter(|_| present(name))
                .ok_or_else(|| super::invalid(format!("`{}` needs `with.{name}`", self.name)))?;
            path = path.replace(&format!("{{{name}}}"), &encode(&joined(value)));
            used.push(name);
        }
        let (mut query, mut headers, mut body) = (Object::new(), Object::new(), Object::new());
        let mut whole_body = None;
        for (k, v) in given.iter() {
            if used.contains(&&**k) || skip.contains(&&**k) || (&**k == "method" && v.as_str().is_some()) {
                continue;
            }
            if self.query.contains(&&**k) {
                query.insert(k.clone(), joined(v));
            } else if self.headers.iter().any(|h| h.eq_ignore_ascii_case(k)) {
                headers.insert(k.clone(), joined(v));
            } else if &**k == "body" {
                match v {
                    Value::Object(o) => o.iter().for_each(|(k, v)| drop(body.insert(k.clone(), v.clone()))),
                    Value::Null => {}
                    other => whole_body = Some(other.clone()),
                }
            } else {
                body.insert(k.clone(), v.clone());
            }
        }
        let body = whole_body.or_else(|| (!body.is_empty()).then(|| Value::from(body)));
        Ok(Mapped { method, path, query, headers, body })
    }

    /// Class of the operation: what can be read with GET reads, `reading` names those that only POST and read.
    pub(super) fn class(&self, reading: &[&str]) -> Class {
        let reads = self.methods.iter().any(|m| matches!(*m, "GET" | "HEAD")) || reading.contains(&self.name);
        if reads { Class::Read } else { Class::Write }
    }

    /// Schema of `with`: the placeholders that every pattern has are required, the query parameters are named.
    pub(super) fn schema(&self) -> Value {
        let mut required: Vec<&str> = self.paths.first().map(|p| placeholders(p).collect()).unwrap_or_default();
        required.retain(|name| self.paths.iter().all(|p| placeholders(p).any(|x| x == *name)));
        let mut properties = Object::new();
        for name in self.paths.iter().flat_map(|p| placeholders(p)) {
            properties.insert(name, Value::object([("description", Value::from("part of the path"))]));
        }
        for name in &self.query {
            properties.insert(*name, Value::object([("description", Value::from("query parameter"))]));
        }
        let mut schema = Object::new();
        schema.insert("type", "object");
        if !required.is_empty() {
            schema.insert("required", Value::array(required.into_iter().map(Value::from)));
        }
        schema.insert("properties", Value::from(properties));
        schema.into()
    }

    /// True when a request has this method and its path fits a pattern.
    pub fn fits(&self, method: &str, path: &str) -> bool {
        let path = path.split(['?', '#']).next().unwrap_or("").trim_matches('/');
        self.methods.iter().any(|m| m.eq_ignore_ascii_case(method))
            && self.paths.iter().any(|p| {
                let (mut a, mut b) = (p.trim_matches('/').split('/'), path.split('/'));
                loop {
                    match (a.next(), b.next()) {
                        (None, None) => return true,
                        (Some(a), Some(b)) if a == b || (a.starts_with('{') && !b.starts_with('_')) => {}
                        _ => return false,
                    }
                }
            })
    }
}

/// A mapped request as parameters of a raw request.
pub(super) fn params(mapped: Mapped) -> Value {
    let mut out = Object::new();
    out.insert("method", mapped.method);
    out.insert("path", mapped.path);
    if !mapped.query.is_empty() {
        out.insert("query", Value::from(mapped.query));
    }
    if !mapped.headers.is_empty() {
        out.insert("headers", Value::from(mapped.headers));
    }
    if let Some(body) = mapped.body {
        out.insert("body", body);
    }
    out.into()
}
