//! `security.buildAlertEntityGraph` and `security.renderAlertNarrative`: alerts that share entities, and one alert in a sentence.
//!
//! Invariants: one search per round, bounded in rounds, alerts and terms; time bounds only grow; everything between rounds is in the memo.
//! Not here: the search (`index`).
//! Source: `reference/workflow-steps.md` §6.4; where it names no default, a shared field counts [`SCORE_DEFAULT`].

use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use crate::duration::duration;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use stdx::{Object, Time, Value};

/// Score of a shared field that names none: one shared entity makes an edge by default.
const SCORE_DEFAULT: f64 = 2.0;
/// Rounds at most.
const DEPTH_MAX: usize = 10;
/// Alerts at most.
const ALERTS_MAX: usize = 5_000;
/// Hits of one search at most.
const PAGE_MAX: usize = 1_000;
/// Entity fields at most.
const FIELDS_MAX: usize = 50;

/// The step types.
#[derive(Debug)]
pub(super) struct Graph;
pub(super) static GRAPH: Graph = Graph;
#[derive(Debug)]
pub(super) struct Narrative;
pub(super) static NARRATIVE: Narrative = Narrative;

static GRAPH_META: StepMeta = StepMeta {
    name: "security.buildAlertEntityGraph",
    title: "Graph of related alerts",
    description: "finds alerts that share hosts, users or other entities with one alert, round by round",
    group: "security",
    class: Class::Read,
    schema: r#"{"type":"object","required":["alertId","alertIndex"],"additionalProperties":false,"properties":{"alertId":{"type":"string"},"alertIndex":{"type":"string"},"entity_fields":{"type":"array","description":"[{field, score?, aliases?}]"},"seed_window":{"type":"string"},"expand_window":{"type":"string"},"max_depth":{"type":"integer"},"max_alerts":{"type":"integer"},"page_size":{"type":"integer"},"max_terms_per_query":{"type":"integer"},"max_entities_per_field":{"type":"integer"},"ignore_entities":{"type":"array"},"min_entity_score":{"type":"number"},"include_seed":{"type":"boolean"}}}"#,
    output: r#"{"type":"object","required":["nodes","edges","alerts"],"properties":{"nodes":{"type":"array","items":{"type":"object"}},"edges":{"type":"array","items":{"type":"object"}},"alerts":{"type":"array","items":{"type":"object"}},"stats":{"type":"object"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: graph\n  type: security.buildAlertEntityGraph\n  with: { alertId: \"{{ event.alerts[0]._id }}\", alertIndex: \"{{ event.alerts[0]._index }}\" }\n",
};
static NARRATIVE_META: StepMeta = StepMeta {
    name: "security.renderAlertNarrative",
    title: "Alert as a sentence",
    description: "composes one plain sentence from an alert",
    group: "security",
    class: Class::Read,
    schema: r#"{"type":"object","required":["alertId","alertIndex"],"additionalProperties":false,"properties":{"alertId":{"type":"string"},"alertIndex":{"type":"string"}}}"#,
    output: r#"{"type":"object","required":["alert_id","alert_index","timeline_string","message"],"properties":{"alert_id":{"type":"string"},"alert_index":{"type":"string"},"timeline_string":{"type":"string"},"message":{"type":"string"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: story\n  type: security.renderAlertNarrative\n  with: { alertId: \"{{ event.alerts[0]._id }}\", alertIndex: \"{{ event.alerts[0]._index }}\" }\n",
};

fn search(index: &str, body: Value, memo: Value) -> Next {
    let request = Value::object([
        ("method", Value::from("POST")),
        ("path", Value::from(format!("/{}/_search", super::endpoint::encode(index)))),
        ("body", body),
    ]);
    super::own_call("elasticsearch.request", request, Class::Read, memo, false)
}

fn one(id: &str) -> Value {
    let ids = Value::object([("values", Value::array([Value::from(id)]))]);
    Value::object([("query", Value::object([("ids", ids)])), ("size", Value::Int(1))])
}

fn hits(answer: &Value) -> &[Value] {
    answer.path(&["hits", "hits"]).and_then(Value::as_array).unwrap_or_default()
}

/// Texts of a field, whether one or a list.
fn texts(source: &Value, field: &str) -> Vec<String> {
    match source.field(field) {
        Some(Value::Array(a)) => a.iter().map(crate::json::scalar_text).filter(|s| !s.is_empty()).collect(),
        None | Some(Value::Null) => vec![],
        Some(v) => vec![crate::json::scalar_text(v)],
    }
}

fn target(params: &Value, kind: &str) -> Result<(String, String), Fault> {
    Ok((
        super::required(params, "alertId", kind)?.to_string(),
        super::required(params, "alertIndex", kind)?.to_string(),
    ))
}

impl StepType for Narrative {
    fn meta(&self) -> &'static StepMeta {
        &NARRATIVE_META
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        match target(&params, NARRATIVE_META.name) {
            Ok((id, index)) => search(&index, one(&id), params),
            Err(fault) => Next::Fail(fault),
        }
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(answer)) => {
                let id = memo.get("alertId").map(crate::json::scalar_text).unwrap_or_default();
                let Some(hit) = hits(&answer).first() else {
                    return Next::fail("Error", format!("Alert {id} not found"));
                };
                let text = narrative(hit.get("_source").unwrap_or(&Value::Null));
                Next::Done(Value::object([
                    ("alert_id", Value::from(id)),
                    ("alert_index", memo.get("alertIndex").cloned().unwrap_or_default()),
                    ("timeline_string", Value::from(text.clone())),
                    ("message", Value::from(text)),
                ]))
            }
            Wake::Answered(Err(fault)) => Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => Next::fail("Error", "a search does not wait for a person"),
        }
    }
}

/// One sentence: what happened, by whom, where, how, and which rule said so.
fn narrative(alert: &Value) -> String {
    let first = |field: &str| texts(alert, field).into_iter().next();
    let mut out = String::new();
    let what = ["event.action", "event.category", "event.type"].iter().find_map(|f| first(f));
    out.push_str(&what.unwrap_or_else(|| "event".into()));
    let mut part = |words: &str, fields: &[&str]| {
        if let Some(v) = fields.iter().find_map(|f| first(f)) {
            let _ = write!(out, " {words} {v}");
        }
    };
    part("by", &["user.name", "user.id"]);
    part("on", &["host.name", "host.hostname"]);
    part("with process", &["process.name", "process.executable"]);
    part("via parent process", &["process.parent.name"]);
    part("on file", &["file.name", "file.path"]);
    part("from", &["source.ip", "source.domain"]);
    part("to", &["destination.ip", "destination.domain"]);
    part("with result", &["event.outcome"]);
    let severity = first("kibana.alert.severity");
    let rule = first("kibana.alert.rule.name");
    match (severity, rule) {
        (Some(s), Some(r)) => drop(write!(out, " created {s} alert {r}")),
        (None, Some(r)) => drop(write!(out, " created alert {r}")),
        _ => {}
    }
    out.push('.');
    out
}

/// A field with its other spellings and what sharing it counts.
struct Field {
    name: String,
    spellings: Vec<(String, f64)>,
}

fn fields(params: &Value) -> Vec<Field> {
    let given = params.get("entity_fields").and_then(Value::as_array).unwrap_or_default();
    let score = |v: &Value, default: f64| v.get("score").and_then(Value::as_f64).unwrap_or(default);
    let mut out: Vec<Field> = given
        .iter()
        .take(FIELDS_MAX)
        .filter_map(|f| {
            let name = super::text(f, "field")?.to_string();
            let own = score(f, SCORE_DEFAULT);
            let mut spellings = vec![(name.clone(), own)];
            for alias in f.get("aliases").and_then(Value::as_array).unwrap_or_default().iter().take(FIELDS_MAX) {
                if let Some(field) = super::text(alias, "field") {
                    spellings.push((field.to_string(), score(alias, own)));
                }
            }
            Some(Field { name, spellings })
        })
        .collect();
    if out.is_empty() {
        out = ["host.name", "user.name", "service.name"]
            .iter()
            .map(|f| Field { name: (*f).into(), spellings: vec![((*f).into(), SCORE_DEFAULT)] })
            .collect();
    }
    out
}

fn number(params: &Value, key: &str, default: usize, max: usize) -> usize {
    params.get(key).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok()).unwrap_or(default).min(max)
}

impl StepType for Graph {
    fn meta(&self) -> &'static StepMeta {
        &GRAPH_META
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        let (id, index) = match target(&params, GRAPH_META.name) {
            Ok(t) => t,
            Err(fault) => return Next::Fail(fault),
        };
        for key in ["seed_window", "expand_window"] {
            if let Some(text) = super::text(&params, key)
                && duration(&text).is_none()
            {
                return Next::Fail(super::invalid(format!("`{text}` is not a duration in `with.{key}`")));
            }
        }
        search(&index, one(&id), Value::object([("params", params)]))
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let answer = match wake {
            Wake::Answered(Ok(v)) => v,
            Wake::Answered(Err(fault)) => return Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => return Next::fail("Error", "a search does not wait for a person"),
        };
        let mut walk = Walk::of(memo);
        walk.queries += 1;
        if walk.alerts.is_empty() {
            let Some(hit) = hits(&answer).first() else {
                let id = walk.params.get("alertId").map(crate::json::scalar_text).unwrap_or_default();
                return Next::fail("Error", format!("Alert {id} not found"));
            };
            walk.seed(hit);
        } else {
            walk.take(hits(&answer));
        }
        walk.next()
    }
}

/// What is known so far.
struct Walk {
    params: Value,
    depth: usize,
    queries: usize,
    bounds: (Time, Time),
    /// `{id, index, timestamp, rule, severity, entities: {field: [value]}}`.
    alerts: Vec<Value>,
    edges: Vec<Value>,
    /// Values that were searched for, as `field=value`.
    asked: BTreeSet<String>,
}

impl Walk {
    fn of(memo: &Value) -> Self {
        let list = |key: &str| memo.get(key).and_then(Value::as_array).unwrap_or_default().to_vec();
        let n = |key: &str| memo.get(key).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let time = |key: &str| memo.get(key).and_then(Value::as_str).and_then(Time::parse).unwrap_or_default();
        Self {
            params: memo.get("params").cloned().unwrap_or_default(),
            depth: n("depth"),
            queries: n("queries"),
            bounds: (time("gte"), time("lte")),
            alerts: list("alerts"),
            edges: list("edges"),
            asked: list("asked").iter().map(crate::json::scalar_text).collect(),
        }
    }
    fn memo(&self) -> Value {
        Value::object([
            ("params", self.params.clone()),
            ("depth", Value::from(self.depth)),
            ("queries", Value::from(self.queries)),
            ("gte", Value::from(self.bounds.0.iso())),
            ("lte", Value::from(self.bounds.1.iso())),
            ("alerts", Value::from(self.alerts.clone())),
            ("edges", Value::from(self.edges.clone())),
            ("asked", Value::array(self.asked.iter().map(|s| Value::from(s.as_str())))),
        ])
    }
    fn window(&self, key: &str) -> stdx::Duration {
        let text = super::text(&self.params, key).unwrap_or_else(|| "1h".into());
        duration(&text).unwrap_or(stdx::Duration::from_secs(3600))
    }
    fn record(&self, hit: &Value) -> Value {
        let source = hit.get("_source").cloned().unwrap_or_default();
        let ignored = self.params.get("ignore_entities").and_then(Value::as_array).unwrap_or_default();
        let per_field = number(&self.params, "max_entities_per_field", 200, 10_000);
        let mut entities = Object::new();
        for field in fields(&self.params) {
            let mut values: Vec<String> = vec![];
            for (spelling, _) in &field.spellings {
                for v in texts(&source, spelling) {
                    let off = ignored.iter().any(|i| {
                        super::text(i, "field").is_some_and(|f| *f == *field.name)
                            && i.get("values")
                                .and_then(Value::as_array)
                                .unwrap_or_default()
                                .iter()
                                .any(|x| crate::json::scalar_text(x) == v)
                    });
                    if !off && !values.contains(&v) && values.len() < per_field {
                        values.push(v);
                    }
                }
            }
            if !values.is_empty() {
                entities.insert(field.name, Value::array(values.into_iter().map(Value::from)));
            }
        }
        let text = |f: &str| texts(&source, f).into_iter().next().map_or(Value::Null, Value::from);
        Value::object([
            ("id", hit.get("_id").cloned().unwrap_or_default()),
            ("index", hit.get("_index").cloned().unwrap_or_default()),
            ("timestamp", text("@timestamp")),
            ("rule", text("kibana.alert.rule.name")),
            ("severity", text("kibana.alert.severity")),
            ("entities", Value::from(entities)),
        ])
    }
    fn seed(&mut self, hit: &Value) {
        let record = self.record(hit);
        let at = record.get("timestamp").and_then(Value::as_str).and_then(Time::parse).unwrap_or_default();
        let window = self.window("seed_window");
        self.bounds = (Time(at.0 - window.0), at + window);
        self.alerts.push(record);
    }
    /// Adds hits with their edges to what was known before.
    fn take(&mut self, hits: &[Value]) {
        let max = number(&self.params, "max_alerts", 300, ALERTS_MAX);
        let least = self.params.get("min_entity_score").and_then(Value::as_f64).unwrap_or(2.0);
        let weights: BTreeMap<String, f64> = fields(&self.params)
            .into_iter()
            .map(|f| (f.name, f.spellings.iter().map(|s| s.1).fold(0.0, f64::max)))
            .collect();
        let before = self.alerts.len();
        for hit in hits {
            let record = self.record(hit);
            if self.alerts.len() >= max || self.alerts.iter().any(|a| a.get("id") == record.get("id")) {
                continue;
            }
            let mut linked = false;
            for known in &self.alerts[..before] {
                let mut labels = Object::new();
                let mut score = 0.0;
                for (field, values) in
                    record.get("entities").and_then(Value::as_object).into_iter().flat_map(Object::iter)
                {
                    let theirs = known.path(&["entities", field]).and_then(Value::as_array).unwrap_or_default();
                    if values.as_array().unwrap_or_default().iter().any(|v| theirs.contains(v)) {
                        let weight = weights.get(&**field).copied().unwrap_or(SCORE_DEFAULT);
                        labels.insert(field.clone(), weight);
                        score += weight;
                    }
                }
                if score >= least {
                    linked = true;
                    self.edges.push(Value::object([
                        ("from", known.get("id").cloned().unwrap_or_default()),
                        ("to", record.get("id").cloned().unwrap_or_default()),
                        ("score", Value::from(score)),
                        ("label_scores", Value::from(labels)),
                    ]));
                }
            }
            if linked {
                self.alerts.push(record);
            }
        }
        let expand = self.window("expand_window");
        for a in &self.alerts[before..] {
            if let Some(at) = a.get("timestamp").and_then(Value::as_str).and_then(Time::parse) {
                self.bounds = (self.bounds.0.min(Time(at.0 - expand.0)), self.bounds.1.max(at + expand));
            }
        }
        self.depth += 1;
    }
    /// The next round, or the result.
    fn next(mut self) -> Next {
        let max = number(&self.params, "max_alerts", 300, ALERTS_MAX);
        let depth = number(&self.params, "max_depth", 3, DEPTH_MAX);
        let terms_max = number(&self.params, "max_terms_per_query", 500, 10_000);
        let mut terms: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut n = 0;
        for a in &self.alerts {
            for (field, values) in a.get("entities").and_then(Value::as_object).into_iter().flat_map(Object::iter) {
                for v in values.as_array().unwrap_or_default() {
                    if n < terms_max && self.asked.insert(format!("{field}={}", crate::json::scalar_text(v))) {
                        terms.entry(field.to_string()).or_default().push(v.clone());
                        n += 1;
                    }
                }
            }
        }
        if self.depth >= depth || self.alerts.len() >= max || terms.is_empty() {
            return Next::Done(self.output());
        }
        let mut should = vec![];
        for field in fields(&self.params) {
            let Some(values) = terms.get(&field.name) else { continue };
            for (spelling, _) in &field.spellings {
                let terms = Value::object([(spelling.as_str(), Value::from(values.clone()))]);
                should.push(Value::object([("terms", terms)]));
            }
        }
        let range = Value::object([(
            "@timestamp",
            Value::object([("gte", Value::from(self.bounds.0.iso())), ("lte", Value::from(self.bounds.1.iso()))]),
        )]);
        let known = Value::array(self.alerts.iter().filter_map(|a| a.get("id").cloned()));
        let not = Value::object([("ids", Value::object([("values", known)]))]);
        let query = Value::object([(
            "bool",
            Value::object([
                ("filter", Value::array([Value::object([("range", range)])])),
                ("must_not", Value::array([not])),
                ("should", Value::from(should)),
                ("minimum_should_match", Value::Int(1)),
            ]),
        )]);
        let size = number(&self.params, "page_size", 200, PAGE_MAX).min(max - self.alerts.len()).max(1);
        let order = Value::object([("@timestamp", Value::from("asc"))]);
        let body = Value::object([("query", query), ("size", Value::from(size)), ("sort", Value::array([order]))]);
        let index = self.params.get("alertIndex").map(crate::json::scalar_text).unwrap_or_default();
        search(&index, body, self.memo())
    }
    fn output(&self) -> Value {
        let with_seed = self.params.get("include_seed").and_then(Value::as_bool) != Some(false);
        let shown: Vec<&Value> = self.alerts.iter().skip(usize::from(!with_seed)).collect();
        let alerts = shown.iter().map(|a| {
            let mut o = Object::new();
            for (from, to) in [
                ("id", "alert_id"),
                ("index", "alert_index"),
                ("timestamp", "timestamp"),
                ("rule", "rule_name"),
                ("severity", "severity"),
            ] {
                if let Some(v) = a.get(from).filter(|v| !v.is_null()) {
                    o.insert(to, v.clone());
                }
            }
            Value::from(o)
        });
        let nodes = shown.iter().map(|a| Value::object([("id", a.get("id").cloned().unwrap_or_default())]));
        let stats = Value::object([
            ("depth_reached", Value::from(self.depth)),
            ("nodes", Value::from(shown.len())),
            ("edges", Value::from(self.edges.len())),
            ("queries", Value::from(self.queries)),
            (
                "time_range",
                Value::object([("gte", Value::from(self.bounds.0.iso())), ("lte", Value::from(self.bounds.1.iso()))]),
            ),
        ]);
        Value::object([
            ("nodes", Value::array(nodes)),
            ("edges", Value::from(self.edges.clone())),
            ("alerts", Value::array(alerts)),
            ("stats", stats),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(id: &str, at: &str, host: &str, user: &str) -> Value {
        let text = format!(
            r#"{{"_id":"{id}","_index":"a","_source":{{"@timestamp":"{at}","host":{{"name":"{host}"}},"user":{{"name":"{user}"}},"kibana.alert.rule.name":"R"}}}}"#
        );
        stdx::json::parse(&text).unwrap()
    }

    #[test]
    fn rounds_grow_along_shared_entities() {
        let memo = stdx::json::parse(r#"{"params":{"alertId":"1","alertIndex":"a","max_depth":2}}"#).unwrap();
        let mut walk = Walk::of(&memo);
        walk.seed(&hit("1", "2026-01-01T10:00:00Z", "h1", "ann"));
        let Next::Call { call, memo, .. } = walk.next() else { panic!() };
        let body = stdx::json::text(call.params.get("body").unwrap());
        assert!(
            body.contains(r#""gte":"2026-01-01T09:00:00.000Z""#) && body.contains(r#"{"terms":{"host.name":["h1"]}}"#),
            "{body}"
        );
        let mut walk = Walk::of(&memo);
        walk.take(&[hit("2", "2026-01-01T10:30:00Z", "h2", "ann"), hit("3", "2026-01-01T10:30:00Z", "h9", "eve")]);
        assert_eq!((walk.alerts.len(), walk.edges.len()), (2, 1), "eve shares nothing");
        let Next::Call { call, memo, .. } = walk.next() else { panic!() };
        let body = stdx::json::text(call.params.get("body").unwrap());
        assert!(body.contains(r#"{"terms":{"host.name":["h2"]}}"#) && !body.contains("ann"), "only new values: {body}");
        assert!(body.contains(r#""lte":"2026-01-01T11:30:00.000Z""#), "{body}");
        let mut walk = Walk::of(&memo);
        walk.take(&[]);
        let Next::Done(out) = walk.next() else { panic!() };
        assert_eq!(out.path(&["stats", "nodes"]).and_then(Value::as_i64), Some(2));
        assert_eq!(out.path(&["edges", "0", "label_scores", "user.name"]).and_then(Value::as_f64), Some(2.0));
    }

    #[test]
    fn a_sentence() {
        let alert = stdx::json::parse(
            r#"{"event":{"action":"exec"},"user":{"name":"ann"},"host":{"name":"h1"},"process":{"name":"sh","parent":{"name":"sshd"}},"kibana.alert.severity":"high","kibana.alert.rule.name":"Odd"}"#,
        )
        .unwrap();
        assert_eq!(
            narrative(&alert),
            "exec by ann on h1 with process sh via parent process sshd created high alert Odd."
        );
    }
}
