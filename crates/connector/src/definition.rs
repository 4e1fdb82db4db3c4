//! A connector type as its file says it.
//!
//! Invariants: loading never stops at the first mistake of templates; an operation's class comes from the file, and only a file or a step
//! can raise it.
//! Not here: rendering requests (`registry`, `wire`).

use crate::template::Tree;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Diagnostic, Object, Span, Value};

/// Operations of one file at most.
const OPERATIONS_MAX: usize = 500;
/// Bytes of one file at most.
const FILE_BYTES_MAX: usize = 1 << 20;

/// What an operation does to the world, in order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Asked again after a crash.
    Read,
    /// Sent again with the same key.
    Write,
    /// Never twice unasked.
    Destructive,
}

impl Class {
    /// The class of an HTTP method towards another system.
    pub fn of_method(method: &str) -> Self {
        match method.to_ascii_uppercase().as_str() {
            "GET" | "HEAD" | "OPTIONS" => Self::Read,
            "DELETE" => Self::Destructive,
            _ => Self::Write,
        }
    }
}

/// The code that a type needs beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Data says all.
    #[default]
    Data,
    /// Any HTTP request.
    Http,
    /// Slack's answers.
    Slack,
    /// OpenAI-compatible chat completions.
    Chat,
    /// Commands over SSH.
    Ssh,
    /// Commands over WinRM.
    Winrm,
}

/// Whether an operation can go without a stored connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// It cannot.
    #[default]
    Required,
    /// It can.
    Optional,
}

/// A secret that a type takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretField {
    /// Title for people.
    pub title: String,
    /// Whether a connector needs it.
    #[serde(default)]
    pub required: bool,
    /// True for what is no secret by itself, such as a user name: it may be short.
    #[serde(default)]
    pub short: bool,
}

/// A connector type.
#[derive(Clone, Debug)]
pub struct ConnectorType {
    /// Id, for example `.slack_api`.
    pub id: Arc<str>,
    /// Title for people.
    pub title: Arc<str>,
    /// Group in the catalogue.
    pub group: Arc<str>,
    /// Kibana's feature ids.
    pub features: Vec<Arc<str>>,
    /// Code it needs.
    pub wire: Wire,
    /// JSON Schema of the configuration.
    pub config: Value,
    /// Secrets by name.
    pub secrets: BTreeMap<Arc<str>, SecretField>,
    /// Operations by step type.
    pub operations: BTreeMap<Arc<str>, Operation>,
    /// Operation and parameters that show whether a connector works.
    pub test: Option<(Arc<str>, Value)>,
    pub(crate) auth: Auth,
    pub(crate) target: Tree,
    pub(crate) idempotency_header: Arc<str>,
}

/// An operation of a type.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Step type, for example `slack_api.postMessage`.
    pub name: Arc<str>,
    /// Title for people.
    pub title: Arc<str>,
    /// Worst class.
    pub class: Class,
    /// True where the class of a call is that of its method.
    pub class_by_method: bool,
    /// Whether it needs a stored connector.
    pub need: Need,
    /// True for operations that are no step types (tests, `_execute`).
    pub hidden: bool,
    /// JSON Schema of the parameters.
    pub schema: Value,
    /// JSON Schema of the output.
    pub output: Value,
    /// Seconds that a message waits out an outage.
    pub deliver_within_s: Option<u32>,
    /// Calls per minute that the service allows.
    pub rate_per_minute: Option<u32>,
    /// How a read can tell whether a call of unknown outcome happened.
    pub probe: Option<Probe>,
    /// What takes a call of it back.
    pub undo: Option<Undo>,
    pub(crate) method: Tree,
    pub(crate) url: Option<Tree>,
    pub(crate) headers: Tree,
    pub(crate) query: Tree,
    pub(crate) body: Option<Tree>,
    pub(crate) response: Response,
}

/// A read that may settle an unknown outcome.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Operation to ask.
    pub operation: String,
    /// Its parameters, templates over the original ones.
    #[serde(default)]
    pub params: Value,
    /// Expression over the answer: true when it happened.
    pub happened: String,
    /// Whether the answer settles the question without a person.
    #[serde(default)]
    pub conclusive: bool,
}

/// What takes a call of an operation back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// Operation of the same type that does it.
    pub operation: String,
    /// Its parameters: templates over `params` and `output` of the call.
    #[serde(default)]
    pub with: Value,
}

/// How a connector signs in; all parts are templates over the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    pub(crate) kind: Tree,
    pub(crate) when: Option<Tree>,
    pub(crate) user: Option<String>,
    pub(crate) secret: Tree,
    pub(crate) header: Tree,
    pub(crate) query: Tree,
    pub(crate) optional: bool,
}

/// How an answer is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    /// True for a good answer; 2xx where absent.
    pub(crate) success: Option<Tree>,
    /// Output; the data where absent.
    pub(crate) output: Option<Tree>,
    /// Message of a bad answer.
    pub(crate) error: Option<Tree>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAuth {
    kind: String,
    when: Option<Value>,
    user: Option<String>,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    header: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTest {
    operation: String,
    #[serde(default)]
    params: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileResponse {
    success: Option<Value>,
    output: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOperation {
    title: String,
    class: String,
    #[serde(default)]
    connector: Need,
    #[serde(default)]
    hidden: bool,
    #[serde(default = "get")]
    method: String,
    url: Option<String>,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    query: Value,
    body: Option<Value>,
    #[serde(default)]
    schema: Value,
    #[serde(default)]
    output: Value,
    #[serde(default)]
    response: FileResponse,
    deliver_within_s: Option<u32>,
    rate_per_minute: Option<u32>,
    probe: Option<Probe>,
    undo: Option<Undo>,
}

fn get() -> String {
    "GET".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    id: String,
    title: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    wire: Wire,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    secrets: BTreeMap<String, SecretField>,
    auth: Option<FileAuth>,
    #[serde(default)]
    target: Value,
    idempotency_header: Option<String>,
    test: Option<FileTest>,
    operations: BTreeMap<String, FileOperation>,
}

/// Reads a connector file, TOML or JSON.
///
/// - returns: the type unless the file cannot be read at all, and what is wrong with it; a type with errors is not to be used.
pub fn load(text: &str) -> (Option<ConnectorType>, Vec<Diagnostic>) {
    let whole = Span::new(0, text.len());
    if text.len() > FILE_BYTES_MAX {
        return (None, vec![Diagnostic::error("connectorFileTooLarge", whole, "the connector file is too large")]);
    }
    let parsed: Result<File, Diagnostic> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|e| Diagnostic::error("connectorFileSyntax", whole, e.to_string()))
    } else {
        toml::from_str(text).map_err(|e| {
            let span = e.span().map_or(whole, |s| Span::new(s.start, s.end));
            Diagnostic::error("connectorFileSyntax", span, e.message().to_string())
        })
    };
    match parsed {
        Ok(file) => compile(file, text),
        Err(diagnostic) => (None, vec![diagnostic]),
    }
}

struct Compiler<'a> {
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Compiler<'_> {
    /// A diagnostic at the first place where `near` stands in the file.
    fn say(&mut self, code: &'static str, near: &str, message: String) {
        let start = self.text.find(near).unwrap_or(0);
        self.found.push(Diagnostic::error(code, Span::new(start, start + near.len().min(self.text.len())), message));
    }
    fn tree(&mut self, near: &str, value: &Value) -> Tree {
        Tree::compile(value).unwrap_or_else(|e| {
            self.say("connectorFileTemplate", near, format!("`{near}`: {e}"));
            Tree::Fixed(Value::Null)
        })
    }
    fn text(&mut self, near: &str, text: &str) -> Tree {
        self.tree(near, &Value::from(text))
    }

    fn operation(&mut self, name: &str, o: FileOperation) -> Operation {
        let class_by_method = o.class == "method";
        let class = match o.class.as_str() {
            "read" => Class::Read,
            "write" => Class::Write,
            "destructive" | "method" => Class::Destructive,
            other => {
                self.say(
                    "connectorFileClass",
                    name,
                    format!("class `{other}` is none of read, write, destructive, method"),
                );
                Class::Destructive
            }
        };
        Operation {
            class,
            class_by_method,
            need: o.connector,
            hidden: o.hidden,
            method: self.text(name, &o.method),
            url: o.url.map(|url| self.text(name, &url)),
            headers: self.tree(name, &o.headers),
            query: self.tree(name, &o.query),
            body: o.body.map(|body| self.tree(name, &body)),
            response: Response {
                success: o.response.success.map(|t| self.tree(name, &t)),
                output: o.response.output.map(|t| self.tree(name, &t)),
                error: o.response.error.map(|t| self.tree(name, &t)),
            },
            schema: object_schema(o.schema),
            output: o.output,
            deliver_within_s: o.deliver_within_s,
            rate_per_minute: o.rate_per_minute,
            probe: o.probe,
            undo: o.undo,
            title: o.title.into(),
            name: name.into(),
        }
    }
}

/// The schema with `type: object`, which may be left out.
fn object_schema(schema: Value) -> Value {
    let mut schema = schema;
    if let Some(o) = schema.object_mut()
        && !o.contains_key("type")
    {
        let mut whole = Object::new();
        whole.insert("type", "object");
        o.iter().for_each(|(k, v)| {
            whole.insert(Arc::clone(k), v.clone());
        });
        return whole.into();
    }
    schema
}

fn compile(file: File, text: &str) -> (Option<ConnectorType>, Vec<Diagnostic>) {
    let mut c = Compiler { text, found: Vec::new() };
    if !file.id.starts_with('.') || file.id.len() < 2 {
        c.say("connectorFileType", &file.id, format!("type `{}` must begin with a dot", file.id));
    }
    if file.operations.is_empty() || file.operations.len() > OPERATIONS_MAX {
        c.say("connectorFileOperations", "operations", format!("1 to {OPERATIONS_MAX} operations are allowed"));
    }
    let none = FileAuth {
        kind: "none".into(),
        when: None,
        user: None,
        secret: String::new(),
        header: String::new(),
        query: String::new(),
        optional: false,
    };
    let auth = file.auth.unwrap_or(none);
    for name in [auth.user.as_deref(), Some(&auth.secret)].into_iter().flatten() {
        if !name.is_empty() && !liquid::is_template(name) && !file.secrets.contains_key(name) {
            c.say("connectorFileSecret", name, format!("secret `{name}` is not declared"));
        }
    }
    let auth = Auth {
        kind: c.text("kind", &auth.kind),
        when: auth.when.map(|w| c.tree("when", &w)),
        user: auth.user,
        secret: c.text("secret", &auth.secret),
        header: c.text("header", &auth.header),
        query: c.text("query", &auth.query),
        optional: auth.optional,
    };
    let target = c.tree("target", &file.target);
    let mut operations = BTreeMap::new();
    for (name, operation) in file.operations {
        let compiled = c.operation(&name, operation);
        operations.insert(compiled.name.clone(), compiled);
    }
    if let Some(test) = &file.test
        && !operations.contains_key(test.operation.as_str())
    {
        c.say(
            "connectorFileTest",
            &test.operation,
            format!("operation `{}` of the test does not exist", test.operation),
        );
    }
    for operation in operations.values() {
        let Some(undo) = &operation.undo else { continue };
        let does = operations.get(undo.operation.as_str()).is_some_and(|o| !o.hidden && o.class != Class::Read);
        if !does || operation.class == Class::Read {
            let message = format!(
                "`{}` cannot be taken back by `{}`: both change something, and the second is an operation of this file",
                operation.name, undo.operation
            );
            c.say("connectorFileUndo", &undo.operation, message);
        }
        c.tree("undo", &undo.with);
    }
    let out = ConnectorType {
        id: file.id.into(),
        title: file.title.into(),
        group: file.group.into(),
        features: file.features.into_iter().map(Into::into).collect(),
        wire: file.wire,
        config: object_schema(file.config),
        secrets: file.secrets.into_iter().map(|(k, v)| (k.into(), v)).collect(),
        operations,
        test: file.test.map(|t| (t.operation.into(), t.params)),
        auth,
        target,
        idempotency_header: file.idempotency_header.unwrap_or_else(|| "Idempotency-Key".into()).into(),
    };
    (Some(out), c.found)
}
