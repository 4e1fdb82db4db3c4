//! Inputs of a workflow: three written forms, one JSON Schema; defaults and checks.
//!
//! Invariants: defaults never overwrite what was given; a schema with `$ref` loops cannot hang a check.
//! Not here: who may start a workflow (`api`).
//! Source: `reference/workflow-language.md` §1.3.

use crate::template::{Limits, Params, Root};
use crate::yaml::{Node, Yaml};
use std::sync::{Arc, OnceLock};
use stdx::{Diagnostic, Object, Value};

/// Deepest nesting of default objects.
const DEFAULTS_DEPTH_MAX: u32 = 16;

/// Declared inputs.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// One JSON Schema; `Null` when none are declared.
    pub schema: Value,
    /// Defaults that are templates, by input name.
    pub templated: Vec<(Arc<str>, Params)>,
    /// The compiled schema, made at the first check.
    validator: Arc<OnceLock<Option<jsonschema::Validator>>>,
}

/// One thing wrong with given inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// `missingRequiredInput` or `invalidInputType`.
    pub code: &'static str,
    /// Path of the input.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Inputs {
    /// Inputs of a schema that is known already, without templated defaults.
    pub fn of(schema: Value) -> Self {
        Self { schema, ..Self::default() }
    }
    /// Reads a declaration in array or schema form.
    pub(super) fn read(node: &Node, source: &str, limits: Limits, path: &str, found: &mut Vec<Diagnostic>) -> Self {
        let schema = match &node.value {
            Yaml::Seq(fields) => from_fields(fields, path, found),
            Yaml::Map(_) => {
                let mut schema = node.to_value();
                if let Some(o) = schema.object_mut()
                    && !o.contains_key("type")
                {
                    o.insert("type", "object");
                }
                schema
            }
            Yaml::Null => Value::Null,
            _ => {
                found.push(
                    Diagnostic::error(
                        "schemaViolation",
                        node.span,
                        format!("`inputs` must be a list or a schema, found a {}", node.kind()),
                    )
                    .at(path),
                );
                Value::Null
            }
        };
        let templated = default_nodes(node)
            .into_iter()
            .filter_map(|(name, default)| {
                match Params::compile(default, source, limits, &format!("{path}.{name}.default"), found) {
                    Params::Const(v) => {
                        check_default(&schema, &name, &v, default, path, found);
                        None
                    }
                    params => Some((name, params)),
                }
            })
            .collect();
        Self { schema, templated, validator: Arc::default() }
    }

    /// Fills defaults in; templated ones are rendered against `root`.
    pub fn with_defaults(&self, given: &Value, root: &Root) -> Result<Value, String> {
        let mut out = given.as_object().cloned().unwrap_or_default();
        let Some(properties) = self.schema.get("properties").and_then(Value::as_object) else {
            return Ok(Value::from(out));
        };
        for (name, schema) in properties.iter() {
            if out.contains_key(name) {
                if let Some(v) = out.get(name)
                    && v.as_object().is_some()
                {
                    let v = nested(schema, Some(v), 0).unwrap_or_default();
                    out.insert(name.clone(), v);
                }
                continue;
            }
            let templated = self.templated.iter().find(|(n, _)| n == name);
            let value = match templated {
                Some((_, params)) => params.eval(root)?,
                None => nested(schema, None, 0),
            };
            if let Some(v) = value {
                out.insert(name.clone(), v);
            }
        }
        Ok(Value::from(out))
    }

    /// Checks given inputs (after defaults) against the schema.
    pub fn check(&self, inputs: &Value) -> Vec<InputError> {
        let mut errors = vec![];
        let Some(schema) = self.schema.as_object() else { return errors };
        let required = schema.get("required").and_then(Value::as_array).unwrap_or_default();
        for name in required.iter().filter_map(Value::as_str) {
            if inputs.get(name).is_none() {
                errors.push(InputError {
                    code: "missingRequiredInput",
                    path: name.to_owned(),
                    message: format!("the input `{name}` is required"),
                });
            }
        }
        // Undeclared keys are accepted, as the run route of Kibana does (Appendix D).
        let validator = self.validator.get_or_init(|| {
            let mut open = schema.clone();
            open.remove("additionalProperties");
            open.remove("required");
            jsonschema::validator_for(&(&Value::from(open)).into()).ok()
        });
        let Some(validator) = validator else { return errors };
        for e in validator.iter_errors(&inputs.into()).take(16) {
            let path = e.instance_path().to_string().trim_start_matches('/').replace('/', ".");
            errors.push(InputError { code: "invalidInputType", message: format!("`{path}`: {e}"), path });
        }
        errors
    }
}

/// The value of a missing (or partly given) input from nested defaults; `None` stays absent.
fn nested(schema: &Value, given: Option<&Value>, depth: u32) -> Option<Value> {
    if depth > DEFAULTS_DEPTH_MAX {
        return given.cloned();
    }
    match given {
        Some(v) if v.as_object().is_none() => return Some(v.clone()),
        None => {
            if let Some(default) = schema.get("default") {
                return Some(default.clone());
            }
            if schema.get("type").and_then(Value::as_str) == Some("array") {
                return Some(Value::from(vec![]));
            }
        }
        Some(_) => {}
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return given.cloned() };
    let mut out = given.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut filled = given.is_some() || schema.get("required").and_then(Value::as_array).is_some_and(|r| !r.is_empty());
    for (name, inner) in properties.iter() {
        let present = out.get(name).filter(|v| !v.is_null()).cloned();
        if let Some(v) = nested(inner, present.as_ref(), depth + 1)
            && (present.is_some() || inner.get("default").is_some() || inner.get("properties").is_some())
        {
            out.insert(name.clone(), v);
            filled = true;
        }
    }
    filled.then(|| Value::from(out))
}

fn from_fields(fields: &[Node], path: &str, found: &mut Vec<Diagnostic>) -> Value {
    let mut properties = Object::new();
    let mut required = vec![];
    for (i, field) in fields.iter().enumerate() {
        let at = format!("{path}[{i}]");
        let Some(name) = field.get("name").and_then(Node::str) else {
            found.push(Diagnostic::error("schemaViolation", field.span, "an input needs a `name`").at(at));
            continue;
        };
        let kind = field.get("type").and_then(Node::str).map_or("string", |s| &**s);
        let mut schema = Object::new();
        match kind {
            "choice" => {
                schema.insert("type", "string");
                match field.get("options") {
                    Some(options) => drop(schema.insert("enum", options.to_value())),
                    None => found.push(
                        Diagnostic::error(
                            "schemaViolation",
                            field.span,
                            format!("the choice `{name}` needs `options`"),
                        )
                        .at(&at),
                    ),
                }
            }
            "array" => {
                schema.insert("type", "array");
                let scalars = ["string", "number", "boolean"].map(|t| Value::object([("type", Value::from(t))]));
                schema.insert("items", Value::object([("anyOf", Value::array(scalars))]));
                for key in ["minItems", "maxItems"] {
                    if let Some(n) = field.get(key) {
                        schema.insert(key, n.to_value());
                    }
                }
            }
            "string" | "number" | "boolean" | "object" | "integer" => drop(schema.insert("type", kind)),
            other => {
                let span = field.get("type").map_or(field.span, |n| n.span);
                found.push(
                    Diagnostic::error("schemaViolation", span, format!("`{other}` is not an input type"))
                        .hint("one of string, number, boolean, choice, array")
                        .at(&at),
                );
            }
        }
        for key in ["description", "default"] {
            if let Some(v) = field.get(key) {
                schema.insert(key, v.to_value());
            }
        }
        if matches!(field.get("required").map(|n| &n.value), Some(Yaml::Bool(true))) {
            required.push(Value::from(&**name));
        }
        properties.insert(name.clone(), Value::from(schema));
    }
    Value::object([
        ("type", Value::from("object")),
        ("properties", Value::from(properties)),
        ("required", Value::from(required)),
        ("additionalProperties", Value::Bool(false)),
    ])
}

fn default_nodes(node: &Node) -> Vec<(Arc<str>, &Node)> {
    match &node.value {
        Yaml::Seq(fields) => {
            fields.iter().filter_map(|f| Some((f.get("name")?.str()?.clone(), f.get("default")?))).collect()
        }
        Yaml::Map(_) => node
            .get("properties")
            .and_then(Node::map)
            .unwrap_or_default()
            .iter()
            .filter_map(|e| Some((e.key.clone(), e.value.get("default")?)))
            .collect(),
        _ => vec![],
    }
}

fn check_default(schema: &Value, name: &str, value: &Value, node: &Node, path: &str, found: &mut Vec<Diagnostic>) {
    let Some(property) = schema.path(&["properties", name]) else { return };
    let Ok(validator) = jsonschema::validator_for(&property.into()) else { return };
    if let Err(e) = validator.validate(&value.into()) {
        found.push(
            Diagnostic::error(
                "invalidDefaultValue",
                node.span,
                format!("the default of `{name}` does not fit its type: {e}"),
            )
            .hint("change the default or the type")
            .at(format!("{path}.{name}.default")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_object_keeps_what_was_given() {
        let schema = stdx::json::parse(
            r#"{"type": "object", "properties": {"alert": {"type": "object", "additionalProperties": true}}}"#,
        );
        let inputs = Inputs { schema: schema.unwrap(), ..Inputs::default() };
        let given = stdx::json::parse(r#"{"alert": {"severity": "high", "host": {"name": "h"}}}"#).unwrap();
        let root = Root::default();
        assert_eq!(inputs.with_defaults(&given, &root).unwrap(), given);
    }
}
