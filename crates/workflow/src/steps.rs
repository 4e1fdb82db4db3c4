//! The step types that are code, and the one for operations that arrive as data; one file and one line in [`TABLE`] each.
//!
//! Invariants: a step performs nothing: it returns what should happen; its class is declared once; everything it needs again later is in
//! its memo.
//! Not here: flow (`if`, `foreach` … stand in `decide::flow`, because they move the machine itself), connectors by name.
//! Source: `design/engine.md` §1, §2.4; `reference/workflow-steps.md`.

mod ai;
mod ai_more;
mod alerts;
mod alerts_status;
mod cases;
mod cases_push;
mod cases_read;
mod connector;
mod console;
mod data_aggregate;
mod data_items;
mod data_join;
mod data_json;
mod data_regex;
mod data_set;
pub mod elasticsearch;
mod end;
pub mod endpoint;
mod entity_store;
mod execute;
mod http;
pub mod kibana;
mod kibana_request;
mod rerank;
mod security_exceptions;
mod security_graph;
mod security_rules;
mod wait;
mod wait_for_approval;
mod wait_for_input;

use crate::catalogue::{Catalogue, ConnectorView, OperationMeta, Vendor};
use crate::core::{Class, Decision, Fault, Start, Status, StepPath};
use crate::template::{Limits, Params, Root};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use stdx::{Id, Time, Value};

/// What a step type says about itself.
#[derive(Debug)]
pub struct StepMeta {
    /// `type`.
    pub name: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Group of the catalogue: `flow people data cases security ai connectors http elastic`.
    pub group: &'static str,
    /// Worst class.
    pub class: Class,
    /// JSON Schema of `with`.
    pub schema: &'static str,
    /// JSON Schema of the output.
    pub output: &'static str,
    /// Connector types it takes.
    pub connectors: &'static [&'static str],
    /// Step-level keys besides the envelope.
    pub config: &'static [&'static str],
    /// An example step.
    pub example: &'static str,
}

/// What a step may know when it starts or goes on.
pub struct StepCx<'a> {
    /// Where it stands.
    pub path: &'a StepPath,
    /// Step name.
    pub name: &'a Arc<str>,
    /// Step type as written.
    pub kind: &'a Arc<str>,
    /// What started the run.
    pub start: &'a Start,
    /// Now.
    pub now: Time,
    /// Operations and connectors.
    pub catalogue: &'a Catalogue,
    /// Rendered step-level keys of the type.
    pub config: &'a Value,
    /// The connector that `connector-id` names.
    pub connector: Option<&'a ConnectorView>,
    /// The operation's words, for operations that arrive as data.
    pub operation: Option<&'a OperationMeta>,
    /// Number of effects this start of the step has asked for.
    pub calls: u32,
    /// Step timeout, for steps that give it a meaning of their own.
    pub timeout: Option<&'a crate::program::Timeout>,
    /// What the parameters were rendered with; empty when the step goes on after an effect.
    pub root: &'a Root,
    /// The parameters as they were written.
    pub written: &'a Params,
    /// Limits of templates.
    pub limits: Limits,
}

/// Items of a list that one step works on at most.
pub(crate) const ITEMS_MAX: usize = 100_000;

impl StepCx<'_> {
    /// An id for something this step creates: same run, path, call and tag, same id.
    pub fn id(&self, tag: &str) -> Id {
        stdx::id::uuid_v8(self.start.at, &[&self.start.execution, &self.path.to_string(), &self.calls.to_string(), tag])
    }
}

/// What a step wakes up by.
#[derive(Clone, Debug)]
pub enum Wake {
    /// Its effect was answered.
    Answered(Result<Value, Fault>),
    /// Its time has come.
    Timer,
    /// A person decided.
    Decided(Box<Decision>),
}

/// A call as a step asks for it; the machine adds lane, deadline, caps.
#[derive(Clone, Debug)]
pub struct CallSpec {
    /// Operation.
    pub operation: Arc<str>,
    /// Connector id.
    pub connector: Option<Arc<str>>,
    /// Where it goes.
    pub target: Value,
    /// Parameters.
    pub params: Value,
    /// Class with these parameters.
    pub class: Class,
    /// Lane.
    pub lane: Arc<str>,
}

/// What a step wants to ask a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Message.
    pub message: Arc<str>,
    /// Yes.
    pub approve_label: Arc<str>,
    /// No.
    pub reject_label: Arc<str>,
    /// How long it may take, with the author's text.
    pub timeout: (stdx::Duration, Arc<str>),
    /// Asks for an object: its JSON Schema, `Null` takes any.
    pub input: Option<Value>,
}

/// What happens next.
#[derive(Debug)]
pub enum Next {
    /// Completed with an output.
    Done(Value),
    /// A call; `closes`: its answer is the step's output.
    Call {
        /// The call.
        call: Box<CallSpec>,
        /// Its durable state.
        memo: Value,
        /// The answer is the output as it stands.
        closes: bool,
    },
    /// A change of our own records.
    Internal {
        /// The change.
        command: Box<triage::Command>,
        /// Its durable state.
        memo: Value,
    },
    /// Sleep.
    Until(Time),
    /// Sleep, with a durable state of the step: polling.
    Sleep {
        /// Until then.
        until: Time,
        /// Its durable state.
        memo: Value,
    },
    /// Ask a person.
    Ask(Box<Ask>),
    /// Run another workflow of the space.
    Child {
        /// Id or name.
        workflow: Arc<str>,
        /// Given inputs.
        inputs: Value,
        /// Wait for its end.
        awaited: bool,
    },
    /// Failed.
    Fail(Fault),
    /// The whole run ends.
    End {
        /// How.
        status: Status,
        /// Record of the run.
        output: Value,
        /// Error of the run.
        error: Option<Fault>,
    },
}

impl Next {
    /// Failed with a type and a message.
    pub fn fail(kind: &str, message: impl Into<Arc<str>>) -> Self {
        Self::Fail(Fault::new(kind, message))
    }
}

/// A step type.
pub trait StepType: Sync + std::fmt::Debug {
    /// What it says about itself.
    fn meta(&self) -> &'static StepMeta;
    /// Worst class with parameters as written, before they are rendered.
    fn class_written(&self, _params: &Params, operation: Option<&OperationMeta>) -> Class {
        operation.map_or(Class::None, |o| o.class).max(self.meta().class)
    }
    /// Schema of the output, where [`StepMeta::output`] does not hold it.
    fn output(&self) -> Option<Value> {
        None
    }
    /// Members of `with` that the step renders itself, item by item.
    fn unrendered(&self) -> &'static [&'static str] {
        &[]
    }
    /// Parameters in which a secret may stand.
    fn secret_params(&self) -> &'static [&'static str] {
        &[]
    }
    /// Starts.
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next;
    /// Goes on after an effect or a wait.
    fn resume(&self, _cx: &StepCx<'_>, _memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(v)) => Next::Done(v),
            Wake::Answered(Err(fault)) => Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => Next::Done(Value::Null),
        }
    }
}

/// All step types that are code, sorted by name; the families of the two APIs stand behind [`find`].
pub static TABLE: &[&dyn StepType] = &[
    &ai_more::AGENT,
    &ai_more::CLASSIFY,
    &ai::PROMPT,
    &ai::SUMMARIZE,
    &cases::ADD_ALERTS,
    &cases::ADD_ATTACHMENTS,
    &cases::ADD_COMMENT,
    &cases::ADD_EVENTS,
    &cases::ADD_OBSERVABLES,
    &cases::ADD_TAGS,
    &cases::ASSIGN_CASE,
    &cases::DELETE_OBSERVABLES,
    &cases::CLOSE_CASE,
    &cases::CREATE_CASE,
    &cases::FROM_TEMPLATE,
    &cases::DELETE_CASES,
    &cases::DELETE_OBSERVABLE,
    &cases_read::FIND_CASES,
    &cases_read::FIND_SIMILAR,
    &cases_read::ATTACHMENTS,
    &cases::GET_CASE,
    &cases_read::GET_CASES,
    &cases_read::BY_ALERT,
    &cases_push::PUSH_CASES,
    &cases::REMOVE_TAGS,
    &cases::SET_CATEGORY,
    &cases::SET_FIELD,
    &cases::SET_DESCRIPTION,
    &cases::SET_EXTENDED,
    &cases::SET_SEVERITY,
    &cases::SET_STATUS,
    &cases::SET_TITLE,
    &cases::UNASSIGN,
    &cases::UPDATE_CASE,
    &cases::UPDATE_CASES,
    &cases::UPDATE_OBSERVABLE,
    &console::CONSOLE,
    &data_aggregate::AGGREGATE,
    &data_join::CONCAT,
    &data_join::DEDUPE,
    &data_items::FILTER,
    &data_items::FIND,
    &data_items::MAP,
    &data_json::PARSE,
    &data_regex::EXTRACT,
    &data_regex::REPLACE,
    &data_set::DATA_SET,
    &data_json::STRINGIFY,
    &elasticsearch::REQUEST,
    &entity_store::CRITICALITY,
    &http::HTTP,
    &alerts::SET_ALERT_TAGS,
    &alerts_status::SET_ALERTS_STATUS,
    &kibana_request::KIBANA_REQUEST,
    &rerank::RERANK,
    &alerts::SECURITY_ASSIGN,
    &alerts::ATTACK_ASSIGN,
    &security_graph::GRAPH,
    &security_exceptions::OF_LIST,
    &security_exceptions::OF_RULE,
    &security_rules::DISABLE,
    &security_rules::ENABLE,
    &security_graph::NARRATIVE,
    &alerts_status::SECURITY_SET_ALERT_STATUS,
    &alerts::SECURITY_TAGS,
    &alerts::ATTACK_STATUS,
    &alerts::ATTACK_TAGS,
    &wait::WAIT,
    &wait_for_approval::WAIT_FOR_APPROVAL,
    &wait_for_input::WAIT_FOR_INPUT,
    &execute::EXECUTE,
    &execute::EXECUTE_ASYNC,
    &end::FAIL,
    &end::OUTPUT,
];

/// The type of operations that arrive as data.
pub static CONNECTOR: &dyn StepType = &connector::CONNECTOR;

/// Flow types, for the catalogue and for advice: name, title, description, example.
pub const FLOW: [(&str, &str, &str, &str); 7] = [
    (
        "foreach",
        "For each",
        "runs its steps once per item of a list",
        "- name: each\n  type: foreach\n  foreach: \"${{ event.alerts }}\"\n  steps: []\n",
    ),
    (
        "if",
        "If",
        "takes one of two branches",
        "- name: gate\n  type: if\n  condition: 'inputs.mode: live'\n  steps: []\n",
    ),
    ("loop.break", "Break", "leaves the innermost loop", "- name: enough\n  type: loop.break\n"),
    ("loop.continue", "Continue", "goes on with the next iteration", "- name: next\n  type: loop.continue\n"),
    ("parallel", "Parallel", "runs branches at the same time", "- name: both\n  type: parallel\n  branches: []\n"),
    (
        "switch",
        "Switch",
        "takes the branch whose value matches",
        "- name: route\n  type: switch\n  expression: \"{{ inputs.kind }}\"\n  cases: []\n",
    ),
    (
        "while",
        "While",
        "repeats its steps while a condition holds, at least once",
        "- name: poll\n  type: while\n  condition: 'steps.check.output.more: true'\n  steps: []\n",
    ),
];

/// Old spellings of types that are code.
const ALIASES: [(&str, &str); 4] = [
    ("data.parse_json", "data.parseJson"),
    ("data.regex_extract", "data.regexExtract"),
    ("data.regex_replace", "data.regexReplace"),
    ("data.stringify_json", "data.stringifyJson"),
];

/// Types that still run and what to use instead; their output keeps its own shape.
const DEPRECATED: [(&str, &str); 8] = [
    ("kibana.addCaseComment", "cases.addComment"),
    ("kibana.addCaseCommentDefaultSpace", "cases.addComment"),
    ("kibana.createCase", "cases.createCase"),
    ("kibana.createCaseDefaultSpace", "cases.createCase"),
    ("kibana.getCase", "cases.getCase"),
    ("kibana.getCaseDefaultSpace", "cases.getCase"),
    ("kibana.updateCase", "cases.updateCase"),
    ("kibana.updateCaseDefaultSpace", "cases.updateCase"),
];

/// Connector types whose steps are old, and what to use instead.
const DEPRECATED_VENDORS: [(&str, &str); 5] = [
    ("bedrock", "ai.prompt"),
    ("gemini", "ai.prompt"),
    ("gen-ai", "ai.prompt"),
    ("inference", "ai.prompt"),
    ("slack_api", "slack2.sendMessage"),
];

/// What to use instead of an old step type.
pub fn deprecated(kind: &str) -> Option<&'static str> {
    let instead = |(old, new): &(&str, &'static str)| (*old == kind).then_some(*new);
    DEPRECATED.iter().chain(&ALIASES).find_map(instead).or_else(|| {
        let vendor = kind.split_once('.')?.0;
        DEPRECATED_VENDORS.iter().find(|(v, _)| *v == vendor).map(|(_, new)| *new)
    })
}

/// The code of a step type, its operation if it has one, and the name to use instead where it is an old one.
pub fn find(
    kind: &str,
    catalogue: &Catalogue,
) -> Option<(&'static dyn StepType, Option<Arc<OperationMeta>>, &'static str)> {
    let name = ALIASES.iter().find(|(old, _)| *old == kind).map_or(kind, |(_, new)| new);
    if let Some(code) = TABLE.iter().find(|t| t.meta().name == name) {
        return Some((*code, None, code.meta().name));
    }
    if let Some(code) = catalogue.code.get(kind) {
        return Some((*code, None, ""));
    }
    let old = DEPRECATED.iter().find(|(old, _)| *old == kind).map_or("", |(_, new)| new);
    if let Some(endpoint) = elasticsearch::endpoint_of(kind) {
        return Some((&elasticsearch::NAMED, Some(Arc::new(elasticsearch::operation(endpoint))), old));
    }
    if let Some(endpoint) = kibana::endpoint_of(kind) {
        return Some((&kibana::NAMED, Some(Arc::new(kibana::operation(endpoint))), old));
    }
    if let Some(operation) = catalogue.operation(kind) {
        return Some((CONNECTOR, Some(Arc::new(operation.clone())), ""));
    }
    if let Some(family) = family(kind) {
        return Some((family, Some(Arc::new(unknown_of_family(kind))), ""));
    }
    let operation = match crate::catalogue::vendor(kind, catalogue)? {
        Vendor::Known(operation) => operation.clone(),
        Vendor::UnknownAction(operation) => *operation,
    };
    Some((CONNECTOR, Some(Arc::new(operation)), ""))
}

/// The family that a type belongs to by its prefix.
fn family(kind: &str) -> Option<&'static dyn StepType> {
    let named = |prefix: &str| kind.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    if named("elasticsearch.") {
        return Some(&elasticsearch::NAMED);
    }
    named("kibana.").then_some(&kibana::NAMED as &'static dyn StepType)
}

/// An action of a family that its table does not have: it may write, and it fails when it is reached unless it is given in the raw form.
fn unknown_of_family(kind: &str) -> OperationMeta {
    OperationMeta {
        name: kind.into(),
        title: words(kind).into(),
        group: "elastic".into(),
        class: Class::Write,
        schema: Value::object([("type", Value::from("object"))]),
        output: Value::object::<&str>([]),
        connector: None,
        deliver_within_s: None,
        inverse: None,
    }
}

/// True for an action that nobody knows of a type that is known: worth a warning, while an unknown type is an error.
pub fn unknown_action(kind: &str, catalogue: &Catalogue) -> bool {
    if TABLE.iter().any(|t| t.meta().name == kind) || catalogue.operation(kind).is_some() {
        return false;
    }
    if family(kind).is_some() {
        return elasticsearch::endpoint_of(kind).is_none() && kibana::endpoint_of(kind).is_none();
    }
    matches!(crate::catalogue::vendor(kind, catalogue), Some(Vendor::UnknownAction(_)))
}

/// True where no connector file of this server provides the operation although the language names it.
pub fn not_provided(kind: &str, catalogue: &Catalogue) -> bool {
    catalogue.operation(kind).is_none() && matches!(crate::catalogue::vendor(kind, catalogue), Some(Vendor::Known(_)))
}

/// True where a missing `connector-id` is no mistake.
pub fn connector_optional(meta: &StepMeta) -> bool {
    meta.name != "connector"
}

/// Scheme, and host and port, of a URL.
pub(crate) fn origin(url: &str) -> (&str, String) {
    http::origin(url)
}

/// True for the types that wait for a person: their `timeout` is how long they wait, and their row ends it.
pub fn asks(kind: &str) -> bool {
    matches!(kind, "waitForApproval" | "waitForInput")
}

/// All names that a workflow may use.
pub fn names(catalogue: &Catalogue) -> Vec<&str> {
    TABLE
        .iter()
        .map(|t| t.meta().name)
        .chain(FLOW.iter().map(|f| f.0))
        .chain(catalogue.operations.keys().map(|k| &**k))
        .chain(crate::catalogue::vendors().map(|o| &*o.name))
        .chain(FAMILY_NAMES.iter().map(|s| &**s))
        .collect()
}

static FAMILY_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let elastic = elasticsearch::ENDPOINTS.keys().map(|n| format!("elasticsearch.{n}"));
    elastic.chain(kibana::OPERATIONS.keys().map(|n| format!("kibana.{n}"))).collect()
});

/// Words of a dotted name, for titles: `indices.put_mapping` is `indices put mapping`.
pub(crate) fn words(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    let mut lower = false;
    for c in name.chars() {
        if matches!(c, '.' | '_' | '-') {
            out.push(' ');
            lower = false;
        } else {
            if c.is_ascii_uppercase() && lower {
                out.push(' ');
            }
            lower = c.is_ascii_lowercase() || c.is_ascii_digit();
            out.push(c.to_ascii_lowercase());
        }
    }
    out
}

static SCHEMAS: LazyLock<BTreeMap<&'static str, (Value, Value)>> = LazyLock::new(|| {
    let parse = |text: &str| stdx::json::parse(text).unwrap_or_default();
    let output = |t: &dyn StepType| t.output().unwrap_or_else(|| parse(t.meta().output));
    TABLE.iter().map(|t| (t.meta().name, (parse(t.meta().schema), output(*t)))).collect()
});

/// The parsed schema of `with`.
pub fn schema(meta: &StepMeta) -> Value {
    SCHEMAS.get(meta.name).map(|(schema, _)| schema.clone()).unwrap_or_default()
}

/// The parsed schema of the output.
pub fn output(meta: &StepMeta) -> Value {
    SCHEMAS.get(meta.name).map(|(_, output)| output.clone()).unwrap_or_default()
}

/// One row of the catalogue as the page reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CatalogueRow {
    /// Step type.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// Title.
    pub title: Arc<str>,
    /// One sentence.
    pub description: Arc<str>,
    /// Group.
    pub group: Arc<str>,
    /// Worst class.
    pub effect: Class,
    /// JSON Schema of `with`.
    pub schema: Value,
    /// JSON Schema of the output.
    pub output: Value,
    /// Connector types.
    pub connector_types: Vec<Arc<str>>,
    /// Parameters in which a secret may stand.
    pub secret_params: Vec<Arc<str>>,
    /// False where the language names it and nothing on this server provides it yet.
    pub provided: bool,
    /// Example.
    pub example: Option<Arc<str>>,
}

/// All step types: code, flow, and the operations of `catalogue`, sorted by name.
pub fn catalogue(catalogue: &Catalogue) -> Vec<CatalogueRow> {
    let mut rows: BTreeMap<Arc<str>, CatalogueRow> = BTreeMap::new();
    let elastic = elasticsearch::ENDPOINTS.values().map(elasticsearch::operation);
    let kibana = kibana::OPERATIONS.values().map(kibana::operation);
    let vendors = crate::catalogue::vendors().cloned();
    for o in elastic.chain(kibana).chain(vendors).chain(catalogue.operations.values().cloned()) {
        let row = CatalogueRow {
            kind: o.name.clone(),
            title: o.title.clone(),
            description: o.title.clone(),
            group: if &*o.group == "elastic" { "elastic".into() } else { "connectors".into() },
            effect: o.class,
            schema: o.schema.clone(),
            output: o.output.clone(),
            connector_types: o.connector.iter().cloned().collect(),
            secret_params: vec![],
            provided: !not_provided(&o.name, catalogue),
            example: None,
        };
        rows.insert(o.name.clone(), row);
    }
    for t in TABLE {
        let m = t.meta();
        let (schema, output) = SCHEMAS.get(m.name).cloned().unwrap_or_default();
        let row = CatalogueRow {
            kind: m.name.into(),
            title: m.title.into(),
            description: m.description.into(),
            group: m.group.into(),
            effect: m.class,
            schema,
            output,
            connector_types: m.connectors.iter().map(|c| (*c).into()).collect(),
            secret_params: t.secret_params().iter().map(|p| (*p).into()).collect(),
            provided: true,
            example: Some(m.example.into()),
        };
        rows.insert(m.name.into(), row);
    }
    for (name, title, description, example) in FLOW {
        let row = CatalogueRow {
            kind: name.into(),
            title: title.into(),
            description: description.into(),
            group: "flow".into(),
            effect: Class::None,
            schema: Value::object([("type", Value::from("object"))]),
            output: Value::Null,
            connector_types: vec![],
            secret_params: vec![],
            provided: true,
            example: Some(example.into()),
        };
        rows.insert(name.into(), row);
    }
    rows.into_values().collect()
}

/// Text of a member, coerced from scalars.
fn text(params: &Value, key: &str) -> Option<Arc<str>> {
    match params.get(key)? {
        Value::Null => None,
        Value::Str(s) => Some(s.clone()),
        v @ (Value::Array(_) | Value::Object(_)) => Some(stdx::json::text(v).into()),
        v => Some(crate::json::scalar_text(v).into()),
    }
}

/// Text of a member that must be there.
fn required(params: &Value, key: &str, kind: &str) -> Result<Arc<str>, Fault> {
    match text(params, key) {
        Some(s) if !s.trim().is_empty() => Ok(s),
        _ => Err(invalid(format!("`{kind}` needs `with.{key}`"))),
    }
}

fn invalid(message: String) -> Fault {
    Fault::new("InvalidInput", message)
}

fn error(message: impl Into<Arc<str>>) -> Fault {
    Fault::new("Error", message)
}

fn too_many(n: usize) -> Fault {
    error(format!("{n} items are more than the {ITEMS_MAX} that one step works on"))
}

/// The name of a value's type as JavaScript has it, for messages.
fn js_type(value: &Value) -> &'static str {
    if value.is_null() { "null" } else { value.type_name() }
}

/// JSON text of a list or object as that value, everything else as it is.
fn list_like(value: Value) -> Value {
    match value.as_str().map(str::trim) {
        Some(text) if text.starts_with(['[', '{']) => stdx::json::parse(text).unwrap_or(value),
        _ => value,
    }
}

/// A request to our own API.
fn own_call(operation: &str, request: Value, class: Class, memo: Value, closes: bool) -> Next {
    let call = CallSpec {
        operation: operation.into(),
        connector: None,
        target: Value::Null,
        params: request,
        class,
        lane: "own".into(),
    };
    Next::Call { call: Box::new(call), memo, closes }
}

/// Coerces scalar text to the declared type, as authors pass `"{{ inputs.flag }}"` where a boolean is declared.
pub fn coerce(schema: &Value, params: Value) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return params };
    let wanted = |value: &Value, property: &Value| -> Option<Value> {
        let text = value.as_str()?;
        match property.get("type").and_then(Value::as_str)? {
            "boolean" => text.parse::<bool>().ok().map(Value::Bool),
            "integer" => text.parse::<i64>().ok().map(Value::Int),
            "number" => text
                .parse::<i64>()
                .ok()
                .map(Value::Int)
                .or_else(|| text.parse::<f64>().ok().filter(|f| f.is_finite()).map(Value::Float)),
            "array" | "object" => {
                stdx::json::parse(text).ok().filter(|v| v.as_array().is_some() || v.as_object().is_some())
            }
            _ => None,
        }
    };
    let changes: Vec<(Arc<str>, Value)> = match params.as_object() {
        Some(o) => o.iter().filter_map(|(k, v)| Some((k.clone(), wanted(v, properties.get(k)?)?))).collect(),
        None => return params,
    };
    let mut params = params;
    if let Some(o) = params.object_mut().filter(|_| !changes.is_empty()) {
        for (k, v) in changes {
            o.insert(k, v);
        }
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_type_is_documented_sorted_and_has_schemas_that_parse() {
        let names: Vec<_> = TABLE.iter().map(|t| t.meta().name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted, "the table is sorted by name");
        for m in TABLE.iter().map(|t| t.meta()) {
            assert!(!m.title.is_empty() && !m.description.is_empty(), "{}", m.name);
            for text in [m.schema, m.output] {
                let v = stdx::json::parse(text).unwrap_or_else(|e| panic!("{}: {e}: {text}", m.name));
                assert!(jsonschema::validator_for(&(&v).into()).is_ok(), "{}: {text}", m.name);
            }
            assert!(jsonschema::validator_for(&(&output(m)).into()).is_ok(), "{}", m.name);
        }
    }

    #[test]
    fn the_example_of_every_step_type_loads_without_errors() {
        for m in TABLE.iter().map(|t| t.meta()) {
            let steps: String = m.example.lines().map(|l| format!("  {l}\n")).collect();
            let text = format!("name: x\ntriggers: [{{ type: manual }}]\nsteps:\n{steps}");
            let (program, found) = crate::Program::load(&text, &Catalogue::default());
            let errors: Vec<_> = found.iter().filter(|d| d.is_error()).collect();
            assert!(program.is_some() && errors.is_empty(), "{}: {errors:?}\n{text}", m.name);
        }
    }
}
