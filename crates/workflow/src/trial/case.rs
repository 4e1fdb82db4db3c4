//! Test cases of a workflow as authors write them beside it, and their judgement.
//!
//! Invariants: a case names everything that comes from outside; a call without a mock fails the case by name, it is never made up; unknown
//! keys are errors, so that a misspelt expectation cannot pass.
//! Not here: files and JUnit (`watchfire`).
//! Source: `docs/reference/workflow-tests.md`.

use super::{Doubles, Rest, Said, Sent, Trial};
use crate::catalogue::{Catalogue, ConnectorView};
use crate::core::{Body, Class, DecisionVerdict, Fault, Outcome, Start, Status};
use crate::decide::Env;
use crate::program::{Body as StepBody, Program};
use crate::yaml::{self, Node};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Diagnostic, Duration, Id, Time, Value};

/// Cases of one file at most.
pub const CASES_MAX: usize = 500;
/// Lines that a failed case says at most.
const FAILURES_MAX: usize = 50;
/// Clock of a case that names none.
const NOW: &str = "2026-01-15T12:00:00Z";

/// A file of cases.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    /// Workflow file, beside the suite's; the suite's own name without `.test` where it is absent.
    pub workflow: Option<Arc<str>>,
    /// Connectors that the cases speak of.
    pub connectors: Vec<ConnectorView>,
    /// Cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name.
    pub name: Arc<str>,
    /// Line of the file.
    pub line: usize,
    now: Time,
    inputs: Value,
    event: Value,
    steps: BTreeMap<Arc<str>, Vec<Value>>,
    http: Vec<Value>,
    workflows: BTreeMap<Arc<str>, Value>,
    sample: bool,
    answers: BTreeMap<Arc<str>, Value>,
    expect: Value,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Name.
    pub name: Arc<str>,
    /// What does not hold; empty for a case that passed.
    pub failures: Vec<String>,
    /// Steps in the order of their start.
    pub path: Vec<Arc<str>>,
    /// How the run came to rest.
    pub rest: Rest,
    /// Every call: step, operation, target, parameters.
    pub calls: Vec<Value>,
    /// Cases that the run opened.
    pub cases: Vec<Value>,
    /// Its output.
    pub output: Value,
}

impl Suite {
    /// Reads a file of cases.
    pub fn read(text: &str) -> (Option<Self>, Vec<Diagnostic>) {
        let (root, mut found) = yaml::parse(text);
        let Some(root) = root else { return (None, found) };
        let lines = stdx::LineIndex::new(text);
        known(&root, "a test file", &["workflow", "connectors", "cases"], &mut found);
        let connectors = root.get("connectors").and_then(Node::seq).unwrap_or_default();
        let mut suite = Self {
            workflow: root.get("workflow").and_then(Node::str).cloned(),
            connectors: connectors.iter().filter_map(|n| connector(n, &mut found)).collect(),
            cases: vec![],
        };
        let cases = root.get("cases").and_then(Node::seq).unwrap_or_default();
        if cases.is_empty() || cases.len() > CASES_MAX {
            found.push(Diagnostic::error("testFile", root.span, format!("`cases` holds 1 to {CASES_MAX} cases")));
        }
        for node in cases.iter().take(CASES_MAX) {
            let line = lines.position(text, node.span.start).line;
            suite.cases.extend(case(node, line, &mut found));
        }
        (Some(suite), found)
    }
}

const CASE: [&str; 7] = ["name", "now", "inputs", "event", "mocks", "answers", "expect"];
const EXPECT: [&str; 10] = ["status", "path", "ran", "not-ran", "output", "error", "steps", "calls", "cases", "alerts"];

fn known(node: &Node, place: &str, keys: &[&str], found: &mut Vec<Diagnostic>) {
    for e in node.map().unwrap_or_default().iter().filter(|e| !keys.contains(&&*e.key)) {
        let d = Diagnostic::error("testFile", e.key_span, format!("`{}` is not a key of {place}", e.key));
        found.push(d.hint(format!("known keys: {}", keys.join(", "))));
    }
}

fn connector(node: &Node, found: &mut Vec<Diagnostic>) -> Option<ConnectorView> {
    known(node, "a connector", &["id", "name", "type", "target"], found);
    let id = node.get("id").and_then(Node::str)?.clone();
    Some(ConnectorView {
        name: node.get("name").and_then(Node::str).cloned().unwrap_or_else(|| id.clone()),
        kind: node.get("type").and_then(Node::str).cloned().unwrap_or_else(|| ".http".into()),
        target: node.get("target").map(Node::to_value).unwrap_or_default(),
        secrets: vec![],
        id,
    })
}

fn case(node: &Node, line: usize, found: &mut Vec<Diagnostic>) -> Option<Case> {
    known(node, "a case", &CASE, found);
    let Some(name) = node.get("name").and_then(Node::str).cloned() else {
        found.push(Diagnostic::error("testFile", node.span, "a case needs a `name`"));
        return None;
    };
    let now = node.get("now").and_then(Node::str).map_or(NOW, |s| s);
    let Some(now) = Time::parse(now) else {
        found.push(Diagnostic::error("testFile", node.span, format!("`{now}` is not a time")));
        return None;
    };
    let mocks = node.get("mocks");
    if let Some(m) = mocks {
        known(m, "`mocks`", &["steps", "http", "workflows", "default"], found);
    }
    if let Some(e) = node.get("expect") {
        known(e, "`expect`", &EXPECT, found);
    } else {
        found.push(Diagnostic::error("testFile", node.span, format!("the case `{name}` expects nothing")));
    }
    let table = |key: &str| -> BTreeMap<Arc<str>, Value> {
        let members = mocks.and_then(|m| m.get(key)).and_then(Node::map).unwrap_or_default();
        members.iter().map(|e| (e.key.clone(), e.value.to_value())).collect()
    };
    let listed = |v: Value| if let Value::Array(a) = &v { a.to_vec() } else { vec![v] };
    Some(Case {
        now,
        line,
        inputs: node.get("inputs").map(Node::to_value).unwrap_or_default(),
        event: node.get("event").map(Node::to_value).unwrap_or_default(),
        steps: table("steps").into_iter().map(|(k, v)| (k, listed(v))).collect(),
        http: mocks.and_then(|m| m.get("http")).map_or_else(Vec::new, |n| listed(n.to_value())),
        workflows: table("workflows"),
        sample: mocks.and_then(|m| m.get("default")).and_then(Node::str).is_some_and(|s| &**s == "sample"),
        answers: node
            .get("answers")
            .and_then(Node::map)
            .unwrap_or_default()
            .iter()
            .map(|e| (e.key.clone(), e.value.to_value()))
            .collect(),
        expect: node.get("expect").map(Node::to_value).unwrap_or_default(),
        name,
    })
}

impl Case {
    /// A case that mocks everything from schemas, approves nothing and expects nothing: a dry run.
    pub fn dry(inputs: Value, event: Value, now: Time) -> Self {
        Self {
            name: "dry run".into(),
            line: 0,
            now,
            inputs,
            event,
            steps: BTreeMap::new(),
            http: vec![],
            workflows: BTreeMap::new(),
            sample: true,
            answers: BTreeMap::new(),
            expect: Value::Null,
        }
    }
    /// Answers every question *yes*.
    #[must_use]
    pub fn approving(mut self) -> Self {
        self.answers.insert("*".into(), Value::from("approve"));
        self
    }

    /// Runs the case.
    pub fn run(&self, program: &Program, catalogue: &Catalogue) -> Verdict {
        let space: Arc<str> = "default".into();
        let alerts = self.event.get("alerts").and_then(Value::as_array).unwrap_or_default().to_vec();
        let env = Env { kibana_url: "https://watchfire.example".into(), ..Env::default() };
        let mut trial = Trial::new(program, catalogue, env, &space, &alerts, self.now);
        let mut world = World {
            case: self,
            catalogue,
            used: BTreeMap::new(),
            http_used: vec![0; self.http.len()],
            missing: vec![],
        };
        let rest = match inputs(program, &self.inputs) {
            Ok(()) => trial.run(self.start(), &mut world),
            Err(problem) => {
                world.missing.push(problem);
                Rest::Stuck
            }
        };
        let mut failures = std::mem::take(&mut world.missing);
        failures.extend(world.unused());
        let view = crate::view::execution(trial.facts(), Some(program));
        let leaf = |name: &str| program.step(name).is_some_and(|s| matches!(s.body, StepBody::Leaf(_)));
        let path = view
            .steps
            .iter()
            .filter(|s| leaf(&s.step_id) && s.status != Status::Skipped)
            .map(|s| s.step_id.clone())
            .collect();
        let calls = trial.sent.iter().map(call_value).collect();
        let output = trial.value(&view.output);
        let mut verdict =
            Verdict { name: self.name.clone(), failures: vec![], path, rest, calls, cases: trial.cases(), output };
        if !self.expect.is_null() {
            self.judge(&trial, &view, &verdict, &mut failures);
        }
        failures.truncate(FAILURES_MAX);
        verdict.failures = failures;
        verdict
    }

    fn start(&self) -> Start {
        let execution = Id::from("e1");
        let body = |v: &Value| Body::from(v.clone());
        let object = |v: &Value| if v.is_null() { Value::object::<&str>([]) } else { v.clone() };
        Start {
            execution: execution.clone(),
            root: execution,
            workflow: "w1".into(),
            version: 1,
            test: true,
            principal: "tester".into(),
            visited: vec!["w1".into()],
            inputs: body(&object(&self.inputs)),
            event: body(&object(&self.event)),
            at: self.now,
            ..Start::default()
        }
    }

    fn judge(
        &self,
        trial: &Trial<'_>,
        view: &crate::view::ExecutionView,
        verdict: &Verdict,
        failures: &mut Vec<String>,
    ) {
        let status = match &verdict.rest {
            Rest::Ended(s) => s.as_str(),
            Rest::Person => "waiting_for_input",
            Rest::Endless => "endless",
            Rest::Stuck => "stuck",
        };
        let want = self.expect.get("status").and_then(Value::as_str).unwrap_or("completed");
        if status != want {
            let why = view.error.as_ref().map_or_else(String::new, |e| format!(" ({}: {})", e.kind, e.message));
            failures.push(format!("status: wanted `{want}`, got `{status}`{why}"));
        }
        let names = |v: &Value| -> Vec<Arc<str>> {
            v.as_array().unwrap_or_default().iter().filter_map(|n| n.as_str().map(Arc::from)).collect()
        };
        if let Some(wanted) = self.expect.get("path").map(names)
            && wanted != verdict.path
        {
            failures.push(format!("path: wanted {}, got {}", wanted.join(" → "), verdict.path.join(" → ")));
        }
        for name in self.expect.get("ran").map(names).unwrap_or_default() {
            if !verdict.path.contains(&name) {
                failures.push(format!("ran: `{name}` did not run"));
            }
        }
        for name in self.expect.get("not-ran").map(names).unwrap_or_default() {
            if verdict.path.contains(&name) {
                failures.push(format!("not-ran: `{name}` ran"));
            }
        }
        if let Some(wanted) = self.expect.get("output") {
            differ("output", wanted, &verdict.output, failures);
        }
        if let Some(wanted) = self.expect.get("error") {
            let error = view.error.as_ref().map_or(Value::Null, crate::view::error_value);
            differ("error", wanted, &error, failures);
        }
        for (name, wanted) in
            self.expect.get("steps").and_then(Value::as_object).into_iter().flat_map(stdx::Object::iter)
        {
            let Some(step) = view.steps.iter().rev().find(|s| s.step_id == *name) else {
                failures.push(format!("steps.{name}: did not run"));
                continue;
            };
            let got = Value::object([
                ("status", Value::from(step.status.as_str())),
                ("input", trial.value(&step.input)),
                ("output", trial.value(&step.output)),
                ("error", step.error.as_ref().map_or(Value::Null, crate::view::error_value)),
                ("executions", view.steps.iter().filter(|s| s.step_id == *name).count().into()),
            ]);
            differ(&format!("steps.{name}"), wanted, &got, failures);
        }
        for key in ["calls", "cases"] {
            let got = if key == "calls" { &verdict.calls } else { &verdict.cases };
            let Some(wanted) = self.expect.get(key).and_then(Value::as_array) else { continue };
            if wanted.len() != got.len() {
                let seen: Vec<&str> = got
                    .iter()
                    .filter_map(|c| c.get(if key == "calls" { "step" } else { "title" }).and_then(Value::as_str))
                    .collect();
                failures.push(format!("{key}: wanted {}, got {}: {}", wanted.len(), got.len(), seen.join(", ")));
            }
            for (i, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                differ(&format!("{key}[{i}]"), wanted, got, failures);
            }
        }
        for (id, wanted) in
            self.expect.get("alerts").and_then(Value::as_object).into_iter().flat_map(stdx::Object::iter)
        {
            match trial.alert(id) {
                None => failures.push(format!("alerts.{id}: there is no such alert")),
                Some(alert) => {
                    for (field, wanted) in wanted.as_object().into_iter().flat_map(stdx::Object::iter) {
                        let path = if &**field == "status" { triage::alert::STATUS } else { field };
                        let got = alert.field(path).cloned().unwrap_or_default();
                        differ(&format!("alerts.{id}.{field}"), wanted, &got, failures);
                    }
                }
            }
        }
    }
}

fn inputs(program: &Program, given: &Value) -> Result<(), String> {
    let empty = Value::object::<&str>([]);
    let given = if given.is_null() { &empty } else { given };
    let root = crate::template::Root::default();
    let filled = program.inputs.with_defaults(given, &root).unwrap_or_else(|_| given.clone());
    let errors = program.inputs.check(&filled);
    // A workflow that also starts from alerts has no inputs then.
    if errors.is_empty() || !program.has_trigger("manual") {
        return Ok(());
    }
    if given.as_object().is_some_and(|o| o.is_empty()) && program.triggers.len() > 1 {
        return Ok(());
    }
    Err(format!("inputs: {}", errors.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(", ")))
}

fn call_value(sent: &Sent) -> Value {
    Value::object([
        ("step", Value::from(sent.step.clone())),
        ("operation", sent.call.operation.clone().into()),
        ("connector", sent.call.connector.clone().into()),
        ("class", sent.call.class.as_str().into()),
        ("target", sent.call.target.clone()),
        ("params", sent.call.params.value().cloned().unwrap_or_default()),
        ("attempt", i64::from(sent.attempt).into()),
        ("approved", sent.call.approved_by.is_some().into()),
    ])
}

/// Says where `got` does not hold what is wanted: objects are compared member by member and may hold more, lists have the same length,
/// `{$contains: text}`, `{$matches: regex}` and `{$exists: bool}` stand for what they say.
fn differ(at: &str, wanted: &Value, got: &Value, failures: &mut Vec<String>) {
    let show = |v: &Value| stdx::bounded::truncate(&stdx::json::text(v), 300).into_owned();
    if let Some(o) = wanted.as_object() {
        let text = || crate::json::scalar_text(got);
        if let Some(part) = o.get("$contains").and_then(Value::as_str) {
            let held = match got {
                Value::Array(items) => items.iter().any(|v| match v {
                    Value::Array(_) | Value::Object(_) => stdx::json::text(v).contains(part),
                    scalar => crate::json::scalar_text(scalar).contains(part),
                }),
                Value::Object(_) => stdx::json::text(got).contains(part),
                _ => text().contains(part),
            };
            if !held {
                failures.push(format!("{at}: wanted something with `{part}`, got {}", show(got)));
            }
            return;
        }
        if let Some(pattern) = o.get("$matches").and_then(Value::as_str) {
            match regex::Regex::new(pattern) {
                Ok(r) if r.is_match(&text()) => {}
                Ok(_) => failures.push(format!("{at}: wanted a match of `{pattern}`, got {}", show(got))),
                Err(_) => failures.push(format!("{at}: `{pattern}` is not a pattern")),
            }
            return;
        }
        if let Some(exists) = o.get("$exists").and_then(Value::as_bool) {
            if exists == got.is_null() {
                failures.push(format!("{at}: {}", if exists { "is missing" } else { "is there" }));
            }
            return;
        }
        if got.as_object().is_none() {
            failures.push(format!("{at}: wanted {}, got {}", show(wanted), show(got)));
            return;
        }
        for (key, value) in o.iter() {
            differ(&format!("{at}.{key}"), value, got.get(key).unwrap_or(&Value::Null), failures);
        }
        return;
    }
    if let (Value::Array(w), Value::Array(g)) = (wanted, got) {
        if w.len() != g.len() {
            failures.push(format!("{at}: wanted {} elements, got {}: {}", w.len(), g.len(), show(got)));
        }
        for (i, (w, g)) in w.iter().zip(g.iter()).enumerate() {
            differ(&format!("{at}[{i}]"), w, g, failures);
        }
        return;
    }
    if stdx::json::canonical(wanted) != stdx::json::canonical(got) {
        failures.push(format!("{at}: wanted {}, got {}", show(wanted), show(got)));
    }
}

/// The doubles of a case.
struct World<'a> {
    case: &'a Case,
    catalogue: &'a Catalogue,
    used: BTreeMap<Arc<str>, usize>,
    http_used: Vec<usize>,
    missing: Vec<String>,
}

impl World<'_> {
    fn unused(&self) -> Vec<String> {
        let steps = self.case.steps.keys().filter(|k| !self.used.contains_key(*k));
        let http = self.case.http.iter().zip(&self.http_used).filter(|(_, n)| **n == 0);
        steps
            .map(|k| format!("mocks.steps.{k}: was never asked"))
            .chain(http.map(|(m, _)| {
                let url = m.get("url").map_or_else(String::new, crate::json::scalar_text);
                format!("mocks.http: `{url}` was never asked")
            }))
            .collect()
    }
}

/// An answer as a mock says it: `{output}`, `{error}` or, for HTTP, `{status, headers, body}`.
fn outcome(mock: &Value, http: bool) -> Outcome {
    if let Some(error) = mock.get("error") {
        let text = |k: &str| error.get(k).and_then(Value::as_str);
        let message = error.as_str().or_else(|| text("message")).unwrap_or("mocked error");
        let mut fault = Fault::new(text("type").unwrap_or("ConnectorExecutionError"), message);
        let mut details = error.get("details").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(status) = error.get("status") {
            details.insert("status", status.clone());
        }
        if !details.is_empty() {
            fault = fault.details(Value::from(details));
        }
        return match text("outcome") {
            Some("unknown") => Outcome::Unknown(fault),
            Some("not-sent") => Outcome::NotSent(fault),
            _ => Outcome::Answered(Err(fault)),
        };
    }
    if !http {
        return Outcome::Answered(Ok(Body::from(mock.get("output").cloned().unwrap_or_default())));
    }
    let status = mock.get("status").and_then(Value::as_i64).unwrap_or(200);
    let answer = Value::object([
        ("status", Value::Int(status)),
        ("statusText", Value::from(if status == 200 { "OK" } else { "" })),
        ("headers", mock.get("headers").cloned().unwrap_or_else(|| Value::object::<&str>([]))),
        ("data", mock.get("body").cloned().unwrap_or_default()),
    ]);
    if (200..300).contains(&status) {
        return Outcome::Answered(Ok(Body::from(answer)));
    }
    let fault = Fault::new("HttpRequestError", format!("Request failed with status code {status}"));
    Outcome::Answered(Err(fault.details(answer)))
}

/// The URL of an HTTP call: its own, else the connector's base and the path.
fn url_of(sent: &Sent) -> (String, String) {
    let params = sent.call.params.value().cloned().unwrap_or_default();
    let text = |k: &str| params.get(k).and_then(Value::as_str);
    let method = text("method").unwrap_or("GET").to_ascii_uppercase();
    let base = sent.call.target.get("base_url").and_then(Value::as_str).unwrap_or("");
    let url = text("url").map_or_else(
        || {
            let path = text("path").unwrap_or("");
            format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
        },
        str::to_owned,
    );
    (method, url)
}

/// `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let all: Vec<&str> = parts.collect();
    for (i, part) in all.iter().enumerate() {
        if i + 1 == all.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

impl Doubles for World<'_> {
    fn answer(&mut self, sent: &Sent) -> Outcome {
        if let Some(mocks) = self.case.steps.get(&sent.step) {
            let n = self.used.entry(sent.step.clone()).or_insert(0);
            let mock = mocks.get(*n).or(mocks.last());
            *n += 1;
            // A mock says what the call answers; an HTTP step may be mocked by status and body as well.
            let http = &*sent.call.operation == "http" && mock.is_some_and(|m| m.get("output").is_none());
            return outcome(mock.unwrap_or(&Value::Null), http);
        }
        if &*sent.call.operation == "http" {
            let (method, url) = url_of(sent);
            for (i, mock) in self.case.http.iter().enumerate() {
                let of = |k: &str| mock.get(k).and_then(Value::as_str);
                let path = url.split_once("://").map_or(url.as_str(), |(_, r)| r.find('/').map_or("/", |i| &r[i..]));
                let address = of("url").is_none_or(|u| fits(u, &url)) && of("path").is_none_or(|p| fits(p, path));
                let once = mock.get("times").and_then(Value::as_i64).is_some_and(|n| self.http_used[i] as i64 >= n);
                if address && !once && of("method").is_none_or(|m| m.eq_ignore_ascii_case(&method)) {
                    self.http_used[i] += 1;
                    return outcome(mock, true);
                }
            }
            if !self.case.sample {
                self.missing.push(format!("`{}` asks {method} {url}, and no mock answers", sent.step));
            }
        } else if !self.case.sample {
            self.missing.push(format!("`{}` calls `{}`, and no mock answers", sent.step, sent.call.operation));
        }
        if self.case.sample {
            let schema = crate::steps::find(&sent.call.operation, self.catalogue).map(|(code, operation, _)| {
                operation
                    .map_or_else(|| stdx::json::parse(code.meta().output).unwrap_or_default(), |o| o.output.clone())
            });
            return Outcome::Answered(Ok(Body::from(crate::sample::sample(&schema.unwrap_or_default()))));
        }
        Outcome::NotSent(Fault::new("NoMock", format!("no mock answers `{}`", sent.step)))
    }

    fn decide(&mut self, question: &triage::Question) -> Option<Said> {
        let answer = self.case.answers.get(&question.step).or_else(|| self.case.answers.get("*"))?;
        if let Some(input) = answer.get("input") {
            let by = answer.get("by").and_then(Value::as_str).unwrap_or("tester").into();
            let after = Duration::from_secs(60);
            let verdict = DecisionVerdict::Approved;
            return Some(Said { verdict, by, comment: None, input: Some(input.clone()), after });
        }
        let word = answer.as_str().map(Arc::from).or_else(|| {
            let approved = answer.get("approved").and_then(Value::as_bool)?;
            Some(Arc::from(if approved { "approve" } else { "reject" }))
        });
        let verdict = match word.as_deref() {
            Some("approve") => DecisionVerdict::Approved,
            Some("reject") => DecisionVerdict::Rejected,
            Some("expire") => DecisionVerdict::Expired,
            _ => {
                self.missing.push(format!("answers.{}: write approve, reject or expire", question.step));
                return None;
            }
        };
        let text = |k: &str| answer.get(k).and_then(Value::as_str);
        let after = text("after").and_then(crate::duration::duration).unwrap_or(Duration::from_secs(60));
        Some(Said {
            verdict,
            by: text("by").unwrap_or("tester").into(),
            comment: text("comment").map(Into::into),
            input: None,
            after,
        })
    }

    fn child(&mut self, start: &Start) -> Result<Value, Fault> {
        match self.case.workflows.get(&*start.workflow) {
            Some(mock) => match outcome(mock, false) {
                Outcome::Answered(Ok(Body::Inline(v))) => Ok((*v).clone()),
                Outcome::Answered(Err(fault)) => Err(fault),
                _ => Ok(Value::Null),
            },
            None => {
                if !self.case.sample {
                    self.missing.push(format!(
                        "the workflow `{}` is started, and `mocks.workflows` has no answer",
                        start.workflow
                    ));
                }
                Ok(Value::Null)
            }
        }
    }
}

/// The catalogue with a connector for every id that the workflow names and nobody described.
pub fn with_connectors(text: &str, catalogue: &Catalogue, given: &[ConnectorView]) -> Catalogue {
    let mut out = catalogue.clone();
    for c in given {
        out.connectors.insert(c.id.clone(), c.clone());
    }
    let (Some(program), _) = Program::load(text, &out) else { return out };
    let mut made = vec![];
    for step in &program.steps {
        let StepBody::Leaf(leaf) = &step.body else { continue };
        let kind: Arc<str> = match (&leaf.operation, leaf.code.meta().connectors.first()) {
            (Some(o), _) if o.connector.is_some() => o.connector.clone().unwrap_or_default(),
            (_, Some(kind)) => (*kind).into(),
            _ => continue,
        };
        match &leaf.connector {
            Some(id) if id.is_literal() && out.connector(&id.source).is_none() => made.push((id.source.clone(), kind)),
            // Model steps take the only default.
            None if leaf.code.meta().group == "ai" && leaf.code.meta().class != Class::None => {
                made.push(("default-model".into(), kind));
            }
            _ => {}
        }
    }
    for (id, kind) in made {
        let target = if &*kind == ".ssh" {
            Value::object([
                ("host", Value::from(format!("{id}.example"))),
                ("port", 22.into()),
                ("user", "responder".into()),
            ])
        } else {
            Value::object([("base_url", Value::from(format!("https://{id}.example")))])
        };
        let view = ConnectorView { id: id.clone(), name: id.clone(), kind, target, secrets: vec![] };
        out.connectors.entry(id).or_insert(view);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_addresses() {
        assert!(fits("https://a/*", "https://a/b") && fits("*", "x") && fits("a*c*e", "abcde") && fits("abc", "abc"));
        assert!(!fits("a*c", "abd") && !fits("abc", "abcd") && !fits("b*", "ab"));
    }

    #[test]
    fn what_differs_is_said_by_path() {
        let v = |t: &str| stdx::json::parse(t).unwrap();
        let said = |wanted: &str, got: &str| {
            let mut out = vec![];
            differ("x", &v(wanted), &v(got), &mut out);
            out
        };
        assert!(said(r#"{"a":1}"#, r#"{"a":1,"b":2}"#).is_empty());
        assert!(
            said(
                r#"{"a":{"$contains":"b"},"c":{"$exists":false},"d":{"$matches":"^[a-z]+$"}}"#,
                r#"{"a":"abc","d":"xy"}"#
            )
            .is_empty()
        );
        assert_eq!(said(r#"{"a":[1,2]}"#, r#"{"a":[1,3]}"#), ["x.a[1]: wanted 2, got 3"]);
        assert_eq!(said("[1]", "[1,2]").len(), 1);
        assert_eq!(said(r#"{"a":{"$exists":true}}"#, "{}").len(), 1);
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        let (_, found) = Suite::read("cases:\n  - name: a\n    expect: { statsu: completed }\n");
        assert!(found.iter().any(|d| d.is_error() && d.message.contains("statsu")), "{found:?}");
        let (_, found) = Suite::read("cases:\n  - name: a\n");
        assert!(found.iter().any(|d| d.message.contains("expects nothing")), "{found:?}");
    }
}
