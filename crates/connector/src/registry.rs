//! All connector types, and what the engine asks of them: checks, targets, classes, requests, answers.
//!
//! Invariants: pure: the same call gives the same bytes; whatever comes back is scrubbed of the connector's secrets.
//! Not here: sending (`engine::transport`), storing (`store`).

use crate::definition::{Class, ConnectorType, Need, Operation, Wire, load};
use crate::schema::{self, conform};
use crate::secrets::{SECRET_BYTES_MIN, Scrubber, Secrets};
use crate::template::Tree;
use crate::wire::{chat, data, http, slack, ssh, winrm};
use crate::{Error, Fault, HttpRequest, HttpResponse};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Diagnostic, Object, Value};

/// The files that are part of the program.
const BUILT_IN: &[&str] = &[
    include_str!("../../../content/connectors/cases-webhook.toml"),
    include_str!("../../../content/connectors/gen-ai.toml"),
    include_str!("../../../content/connectors/http.toml"),
    include_str!("../../../content/connectors/slack.toml"),
    include_str!("../../../content/connectors/slack_api.toml"),
    include_str!("../../../content/connectors/ssh.toml"),
    include_str!("../../../content/connectors/teams.toml"),
    include_str!("../../../content/connectors/webhook.toml"),
    include_str!("../../../content/connectors/winrm.toml"),
];

/// A stored connector with its secrets decrypted.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Type.
    pub kind: Arc<str>,
    /// Configuration as stored.
    pub config: Value,
    /// Secrets.
    pub secrets: Secrets,
}

/// A call to be made.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// Step type.
    pub operation: &'a str,
    /// Rendered parameters.
    pub params: &'a Value,
    /// The connector, where one is named.
    pub instance: Option<&'a Instance>,
    /// Key that all attempts share.
    pub idempotency_key: &'a str,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Over HTTP.
    Http(HttpRequest),
    /// Over SSH.
    Ssh(ssh::SshRequest),
    /// Over WinRM.
    Winrm(winrm::WinrmRequest),
}

/// A request, or an output that needs none.
#[derive(Clone, Debug, PartialEq)]
pub enum Prepared {
    /// Send this.
    Send(Request),
    /// Nothing to send: the output.
    Done(Value),
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Over HTTP.
    Http(HttpResponse),
    /// Over SSH.
    Ssh(ssh::SshAnswer),
    /// Over WinRM.
    Winrm(winrm::WinrmAnswer),
}

/// All connector types.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    types: BTreeMap<Arc<str>, Arc<ConnectorType>>,
    /// Operation to the type that has it.
    operations: BTreeMap<Arc<str>, Arc<str>>,
}

/// What goes into templates of a connector file.
struct Scope {
    config: Value,
    params: Value,
}

impl liquid::Context for Scope {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "config" => Some(self.config.clone()),
            "params" => Some(self.params.clone()),
            _ => None,
        }
    }
}

/// A type, an operation of it and the conformed values of one call.
pub(crate) struct Bound<'a> {
    pub(crate) kind: &'a ConnectorType,
    pub(crate) operation: &'a Operation,
    pub(crate) instance: Option<&'a Instance>,
    pub(crate) config: Value,
    pub(crate) params: Value,
    pub(crate) idempotency_key: &'a str,
}

impl Bound<'_> {
    pub(crate) fn scope(&self) -> impl liquid::Context {
        Scope { config: self.config.clone(), params: self.params.clone() }
    }
    pub(crate) fn text(&self, tree: &Tree) -> Result<String, Fault> {
        tree.text(&self.scope())
    }
    pub(crate) fn render(&self, tree: &Tree) -> Result<Value, Fault> {
        Ok(tree.render(&self.scope())?.unwrap_or_default())
    }
    pub(crate) fn param(&self, name: &str) -> Option<&Value> {
        self.params.as_object().and_then(|o| o.get(name)).filter(|v| !v.is_null())
    }
    pub(crate) fn param_text(&self, name: &str) -> Option<&str> {
        self.param(name).and_then(Value::as_str).filter(|s| !s.is_empty())
    }
    pub(crate) fn config_text(&self, name: &str) -> Option<&str> {
        self.config.path(&[name]).and_then(Value::as_str).filter(|s| !s.is_empty())
    }
    pub(crate) fn secret(&self, name: &str) -> Option<&str> {
        self.instance.and_then(|i| i.secrets.get(name))
    }
    pub(crate) fn class(&self) -> Result<Class, Fault> {
        if !self.operation.class_by_method {
            return Ok(self.operation.class);
        }
        Ok(Class::of_method(&self.text(&self.operation.method)?))
    }
}

impl Registry {
    /// The types that are part of the program.
    pub fn built_in() -> Self {
        Self::with(BUILT_IN.iter().copied()).0
    }
    /// Types of the given files; of two with the same id the later wins.
    ///
    /// - returns: what could be loaded without errors, and all that was found.
    pub fn with<'t>(files: impl IntoIterator<Item = &'t str>) -> (Self, Vec<Diagnostic>) {
        let mut registry = Self::default();
        let mut found = Vec::new();
        for text in files {
            let diagnostics = registry.add(text);
            found.extend(diagnostics);
        }
        (registry, found)
    }
    /// Adds the type of a file, in place of one with the same id, unless it has errors.
    pub fn add(&mut self, text: &str) -> Vec<Diagnostic> {
        let (kind, mut found) = load(text);
        let Some(kind) = kind.filter(|_| !found.iter().any(Diagnostic::is_error)) else { return found };
        for name in kind.operations.keys() {
            if let Some(other) = self.operations.get(name).filter(|other| **other != kind.id) {
                let at = stdx::Span::new(0, text.len());
                let message = format!("operation `{name}` already belongs to `{other}`");
                found.push(Diagnostic::error("connectorFileOperationTaken", at, message));
            }
        }
        if !found.iter().any(Diagnostic::is_error) {
            self.operations.retain(|_, owner| *owner != kind.id);
            for name in kind.operations.keys() {
                self.operations.insert(Arc::clone(name), Arc::clone(&kind.id));
            }
            self.types.insert(Arc::clone(&kind.id), Arc::new(kind));
        }
        found
    }
    /// All types, by id.
    pub fn types(&self) -> impl Iterator<Item = &ConnectorType> {
        self.types.values().map(AsRef::as_ref)
    }
    /// A type.
    pub fn get(&self, id: &str) -> Option<&ConnectorType> {
        self.types.get(id).map(AsRef::as_ref)
    }
    /// An operation and the type it belongs to.
    pub fn operation(&self, name: &str) -> Option<(&ConnectorType, &Operation)> {
        let kind = self.get(self.operations.get(name)?)?;
        Some((kind, kind.operations.get(name)?))
    }
    /// Judges a connector before it is stored; the configuration with its defaults.
    pub fn check(&self, kind: &str, config: &Value, secrets: &Secrets) -> Result<Value, Error> {
        let of = self.get(kind).ok_or_else(|| Error::UnknownType(kind.into()))?;
        let config = if config.is_null() { Value::from(Object::new()) } else { config.clone() };
        let (config, problems) = conform(&of.config, &config);
        if let Some(problem) = problems.into_iter().next() {
            return Err(Error::Config { path: problem.path, message: problem.message });
        }
        for (name, value) in secrets.iter() {
            let Some(field) = of.secrets.get(name) else {
                return Err(Error::UnknownSecret { kind: kind.into(), name: name.into() });
            };
            if value.len() < SECRET_BYTES_MIN && !field.short {
                return Err(Error::SecretTooShort { name: name.into() });
            }
        }
        for (name, field) in &of.secrets {
            if field.required && secrets.get(name).is_none() {
                return Err(Error::MissingSecret { name: name.to_string() });
            }
        }
        Ok(config)
    }
    /// Where a connector's calls go: what an approval freezes and an attempt compares.
    pub fn target(&self, kind: &str, config: &Value) -> Result<Value, Fault> {
        let of =
            self.get(kind).ok_or_else(|| Fault::connector(format!("connector type `{kind}` is not registered")))?;
        let (config, _) = conform(&of.config, config);
        Ok(of.target.render(&Scope { config, params: Value::Null })?.unwrap_or_default())
    }
    /// The class of a call with these parameters; the worst where they do not say.
    pub fn class(&self, operation: &str, params: &Value, instance_config: Option<&Value>) -> Option<Class> {
        let (kind, operation) = self.operation(operation)?;
        let (bound, _) = bind(kind, operation, params, instance_config.unwrap_or(&Value::Null));
        Some(bound.class().unwrap_or(operation.class))
    }

    fn bound<'a>(&'a self, call: &Invocation<'a>) -> Result<Bound<'a>, Fault> {
        let (kind, operation) = self
            .operation(call.operation)
            .ok_or_else(|| Fault::connector(format!("operation `{}` does not exist", call.operation)))?;
        if let Some(instance) = call.instance
            && instance.kind != kind.id
        {
            let message = format!("connector `{}` is of type `{}`, not `{}`", instance.name, instance.kind, kind.id);
            return Err(Fault::connector(message));
        }
        if call.instance.is_none() && operation.need == Need::Required {
            return Err(Fault::new(
                "Error",
                if kind.wire == Wire::Chat { "No default connector configured" } else { "Connector ID is required" },
            ));
        }
        let null = Value::Null;
        let (mut bound, problems) = bind(kind, operation, call.params, call.instance.map_or(&null, |i| &i.config));
        bound.instance = call.instance;
        bound.idempotency_key = call.idempotency_key;
        if let Some(problem) = problems.first() {
            let message = format!("error validating action params: [{}]: {}", problem.path, problem.message);
            return Err(Fault::connector(message));
        }
        Ok(bound)
    }

    /// The request of a call.
    pub fn request(&self, call: &Invocation<'_>) -> Result<Prepared, Fault> {
        let scrubber = scrubber(call);
        let prepare = || {
            let bound = self.bound(call)?;
            match bound.kind.wire {
                Wire::Ssh => ssh::request(&bound).map(|r| Prepared::Send(Request::Ssh(r))),
                Wire::Winrm => winrm::request(&bound).map(|r| Prepared::Send(Request::Winrm(r))),
                Wire::Chat if bound.instance.is_none() => chat::without_model(&bound).map(Prepared::Done),
                wire => {
                    let mut request = match wire {
                        Wire::Http => http::request(&bound)?,
                        Wire::Chat => chat::request(&bound)?,
                        Wire::Slack => slack::request(&bound)?,
                        Wire::Data | Wire::Ssh | Wire::Winrm => data::request(&bound)?,
                    };
                    finish(&bound, &mut request)?;
                    Ok(Prepared::Send(Request::Http(request)))
                }
            }
        };
        prepare().map_err(|fault| scrubber.fault(fault))
    }

    /// The output of a call, or why there is none.
    pub fn response(&self, call: &Invocation<'_>, answer: Answer) -> Result<Value, Fault> {
        let scrubber = scrubber(call);
        let read = || {
            let bound = self.bound(call)?;
            match (answer, bound.kind.wire) {
                (Answer::Ssh(answer), _) => ssh::response(&bound, answer),
                (Answer::Winrm(answer), _) => winrm::response(&bound, answer),
                (Answer::Http(answer), Wire::Http) => http::response(&bound, &answer),
                (Answer::Http(answer), Wire::Chat) => chat::response(&bound, &answer),
                (Answer::Http(answer), Wire::Slack) => slack::response(&bound, &answer),
                (Answer::Http(answer), Wire::Data | Wire::Ssh | Wire::Winrm) => data::response(&bound, &answer),
            }
        };
        match read() {
            Ok(value) => Ok(scrubber.value(value)),
            Err(fault) => Err(scrubber.fault(fault)),
        }
    }
}

fn scrubber(call: &Invocation<'_>) -> Scrubber {
    call.instance.map(|i| Scrubber::new(&i.secrets)).unwrap_or_default()
}

/// Config and parameters with defaults and coerced, and what is wrong with the parameters.
fn bind<'a>(
    kind: &'a ConnectorType,
    operation: &'a Operation,
    params: &Value,
    config: &Value,
) -> (Bound<'a>, Vec<schema::Problem>) {
    let object = |v: &Value| if v.is_null() { Value::from(Object::new()) } else { v.clone() };
    let (params, problems) = conform(&operation.schema, &object(params));
    let config = conform(&kind.config, &object(config)).0;
    (Bound { kind, operation, instance: None, config, params, idempotency_key: "" }, problems)
}

/// Signs in, adds the key of repeated attempts, and checks the whole.
fn finish(bound: &Bound<'_>, request: &mut HttpRequest) -> Result<(), Fault> {
    data::sign_in(bound, request)?;
    let class = bound.class()?;
    if class != Class::Read
        && !bound.idempotency_key.is_empty()
        && request.header(&bound.kind.idempotency_header).is_none()
    {
        request.set_header(&bound.kind.idempotency_header, bound.idempotency_key);
    }
    request.no_resend = class == Class::Destructive;
    request.check()
}
