//! The action catalogue: step types that leave the state machine, as data filled by `engine` from `connector`.
//!
//! Invariants: each operation declares its class once; a connector file or a step may raise it, nothing lowers it.
//! What the public language names and no connector file provides is known too ([`vendor`]): it loads, shows its forms and fails when it is
//! reached, because its connector is not there.
//! Not here: the flow and data step types, which are code (`steps`).
//! Source: `reference/workflow-steps.md` §2, §11, §13.

use crate::core::Class;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use stdx::{Object, Value};

/// One operation of the outside, for example `slack_api.postMessage`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationMeta {
    /// Step type.
    pub name: Arc<str>,
    /// Title for people.
    pub title: Arc<str>,
    /// Group in the catalogue, for example `Chat`.
    pub group: Arc<str>,
    /// Worst class.
    pub class: Class,
    /// JSON Schema of `with`.
    pub schema: Value,
    /// JSON Schema of the output.
    pub output: Value,
    /// Connector type this needs, for example `.slack_api`; `None` where no connector is needed.
    pub connector: Option<Arc<str>>,
    /// True where the operation tells people and waits out an outage (`deliver-within`), in seconds.
    pub deliver_within_s: Option<u32>,
    /// What takes it back, where its connector says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<Inverse>,
}

/// The operation that takes another one back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inverse {
    /// Step type.
    pub operation: Arc<str>,
    /// Its parameters: templates over `params` and `output` of what is taken back.
    #[serde(default)]
    pub with: Value,
}

/// What `decide` may know of a stored connector: never its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorView {
    /// Id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Type, for example `.slack_api`, `.ssh`, `.gen-ai`, `.http`.
    pub kind: Arc<str>,
    /// Where its calls go: `{base_url}` or `{host, port, user, host_key}`; frozen with an approval and compared before the first byte.
    pub target: Value,
    /// Names of its secrets.
    pub secrets: Vec<Arc<str>>,
}

/// What `decide` may know of another workflow of the space.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowView {
    /// Id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// May be started.
    pub enabled: bool,
    /// Has a valid definition.
    pub valid: bool,
    /// Version that a start now runs.
    pub version: u64,
    /// JSON Schema of its inputs; `Null` where it is not known: then the child checks them itself.
    pub inputs: Value,
    /// JSON Schema of its outputs; `Null` where none is declared or known.
    pub outputs: Value,
}

/// All operations, all stored connectors and all workflows of a space, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Operations by step type.
    pub operations: BTreeMap<Arc<str>, OperationMeta>,
    /// Connectors by id.
    pub connectors: BTreeMap<Arc<str>, ConnectorView>,
    /// Workflows by id; `None` where they were not loaded (the validator then says nothing about them).
    pub workflows: Option<BTreeMap<Arc<str>, WorkflowView>>,
    /// Step types beside the table, by name: those of a test.
    pub code: BTreeMap<Arc<str>, &'static dyn crate::steps::StepType>,
}

impl Catalogue {
    /// The operation of step type `name`.
    pub fn operation(&self, name: &str) -> Option<&OperationMeta> {
        self.operations.get(name)
    }
    /// A connector by id, else by exact name when just one has it.
    pub fn connector(&self, id_or_name: &str) -> Option<&ConnectorView> {
        self.connectors.get(id_or_name).or_else(|| {
            let mut named = self.connectors.values().filter(|c| &*c.name == id_or_name);
            named.next().filter(|_| named.next().is_none())
        })
    }
    /// A workflow by id, else by exact name when just one has it.
    pub fn workflow(&self, id_or_name: &str) -> Option<&WorkflowView> {
        let all = self.workflows.as_ref()?;
        all.get(id_or_name).or_else(|| {
            let mut named = all.values().filter(|w| &*w.name == id_or_name);
            named.next().filter(|_| named.next().is_none())
        })
    }
}

/// Connector types of the language of which no single action is listed; what they do cannot be known, so it may destroy.
const OTHER_VENDORS: [&str; 47] = [
    "1password",
    "ansible",
    "anyrun",
    "argocd",
    "aws_lambda",
    "azure_sql",
    "bitbucket",
    "box",
    "buildkite",
    "censys",
    "cribl",
    "databricks",
    "datadog",
    "dropbox",
    "dynamodb",
    "dynatrace",
    "exa",
    "figma",
    "github_mcp",
    "gitlab",
    "gmail",
    "google_threat_intelligence",
    "grafana",
    "graphql",
    "hashicorp_vault",
    "hubspot",
    "jenkins",
    "jina",
    "kubernetes",
    "linear",
    "mattermost",
    "misp",
    "monday",
    "mongodb",
    "mysql",
    "new_relic",
    "notion",
    "okta",
    "one_drive",
    "bigquery",
    "salesforce",
    "snowflake",
    "streams",
    "urlscan",
    "google_workspace",
    "servicenow_itsm",
    "teams_v2",
];

static VENDORS: LazyLock<BTreeMap<&'static str, OperationMeta>> = LazyLock::new(|| {
    include_str!("catalogue/vendors.tsv")
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
        .filter_map(|line| {
            let mut parts = line.split('\t');
            let (name, class) = (parts.next()?, parts.next()?);
            let class = match class {
                "read" => Class::Read,
                "write" => Class::Write,
                _ => Class::Destructive,
            };
            let (params, output) = (parts.next().unwrap_or(""), parts.next().unwrap_or("*"));
            Some((name, operation(name, class, shape(params, false), shape(output, true))))
        })
        .collect()
});

/// Step types of the language that need no connector although no code of ours stands behind them.
const WITHOUT_CONNECTOR: [&str; 3] = ["scripts.javaScript", "contextEngine.addEntry", "ai.guardrails"];

fn operation(name: &str, class: Class, schema: Value, output: Value) -> OperationMeta {
    let vendor = name.split('.').next().unwrap_or(name);
    OperationMeta {
        name: name.into(),
        title: crate::steps::words(name).into(),
        group: "connectors".into(),
        class,
        schema,
        output,
        connector: (!WITHOUT_CONNECTOR.contains(&name)).then(|| format!(".{vendor}").into()),
        deliver_within_s: None,
        inverse: None,
    }
}

/// The step types that the language names beyond those of connector files, sorted.
pub fn vendors() -> impl Iterator<Item = &'static OperationMeta> {
    VENDORS.values()
}

/// What is known of a step type that no connector file provides.
#[derive(Clone, Debug)]
pub enum Vendor {
    /// The language names it.
    Known(&'static OperationMeta),
    /// Its connector type is known, this action of it is not.
    UnknownAction(Box<OperationMeta>),
}

/// Looks a step type up among those the language names; `catalogue` knows the connector types of this server.
pub fn vendor(kind: &str, catalogue: &Catalogue) -> Option<Vendor> {
    if let Some(known) = VENDORS.get(kind) {
        return Some(Vendor::Known(known));
    }
    let (vendor, action) = kind.split_once('.')?;
    if action.is_empty() || ["ai", "scripts", "contextEngine"].contains(&vendor) {
        return None;
    }
    let prefix = format!("{vendor}.");
    let known = VENDORS.keys().any(|k| *k == vendor || k.starts_with(&prefix))
        || OTHER_VENDORS.contains(&vendor)
        || catalogue.operations.keys().any(|k| &**k == vendor || k.starts_with(&prefix));
    // What cannot be looked up may destroy.
    known.then(|| {
        let (schema, output) = (shape("", false), Value::object::<&str>([]));
        Vendor::UnknownAction(Box::new(operation(kind, Class::Destructive, schema, output)))
    })
}

/// A schema of its short form: `name:type` with `!` for required (in `all`, every member is), dots for nesting, `[]` for lists.
fn shape(text: &str, all: bool) -> Value {
    if text == "*" {
        return Value::object::<&str>([]);
    }
    let mut root = Value::object::<&str>([]);
    for word in text.split_whitespace() {
        let Some((path, kind)) = word.rsplit_once(':') else { continue };
        let required = all || kind.ends_with('!');
        let leaf = match kind.trim_end_matches('!') {
            "s" => "string",
            "i" => "integer",
            "n" => "number",
            "b" => "boolean",
            "o" => "object",
            "a" => "array",
            _ => "",
        };
        let segments: Vec<&str> = path.split('.').collect();
        insert(&mut root, &segments, leaf, required);
    }
    if root.as_object().is_some_and(Object::is_empty)
        && let Some(o) = root.object_mut()
    {
        o.insert("type", "object");
    }
    root
}

fn insert(schema: &mut Value, path: &[&str], leaf: &str, required: bool) {
    let Some(object) = schema.object_mut() else { return };
    let Some((segment, rest)) = path.split_first() else {
        if !leaf.is_empty() {
            object.insert("type", leaf);
        }
        return;
    };
    let name = segment.trim_end_matches("[]");
    let list = segment.ends_with("[]");
    if name.is_empty() {
        object.insert("type", "array");
        let mut items = object.get("items").cloned().unwrap_or_default();
        insert(&mut items, rest, leaf, required);
        object.insert("items", items);
        return;
    }
    object.insert("type", "object");
    let mut properties = object.get("properties").cloned().unwrap_or_default();
    let mut inner = properties.get(name).cloned().unwrap_or_default();
    if list {
        let mut items = inner.get("items").cloned().unwrap_or_default();
        insert(&mut items, rest, leaf, required);
        if let Some(o) = inner.object_mut() {
            o.insert("type", "array");
            o.insert("items", items);
        }
    } else {
        insert(&mut inner, rest, leaf, required);
        inner.object_mut();
    }
    if let Some(p) = properties.object_mut() {
        p.insert(name, inner);
    }
    object.insert("properties", properties);
    if required {
        let mut names = object.get("required").and_then(Value::as_array).unwrap_or_default().to_vec();
        if !names.iter().any(|n| n.as_str() == Some(name)) {
            names.push(Value::from(name));
        }
        object.insert("required", names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_schemas() {
        assert_eq!(
            stdx::json::text(&shape("a:s! b:*", false)),
            r#"{"type":"object","properties":{"a":{"type":"string"},"b":{}},"required":["a"]}"#
        );
        assert_eq!(
            stdx::json::text(&shape("[].id:s x[].y:i", true)),
            r#"{"type":"object","items":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},"properties":{"x":{"type":"array","items":{"type":"object","properties":{"y":{"type":"integer"}},"required":["y"]}}},"required":["x"]}"#
        );
        for o in vendors() {
            for schema in [&o.schema, &o.output] {
                assert!(jsonschema::validator_for(&schema.into()).is_ok(), "{}: {}", o.name, stdx::json::text(schema));
            }
        }
        assert!(vendors().count() > 180);
    }

    #[test]
    fn unknown_actions_are_told_from_unknown_types() {
        let none = Catalogue::default();
        assert!(matches!(vendor("virustotal.scanFileHash", &none), Some(Vendor::Known(_))));
        assert!(
            matches!(vendor("virustotal.fly", &none), Some(Vendor::UnknownAction(o)) if o.class == Class::Destructive)
        );
        assert!(matches!(vendor("okta.clearSessions", &none), Some(Vendor::UnknownAction(_))));
        for wrong in ["consol", "virustotol.scanUrl", "ai.prompts", "slack."] {
            assert!(vendor(wrong, &none).is_none(), "{wrong}");
        }
    }
}
