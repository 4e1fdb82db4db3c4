//! The language as one JSON Schema, for editors.
//!
//! Invariants: made from the step catalogue, so that a step type that exists is known to every editor; a document without findings fits it.
//! Not here: what a schema cannot say (`program::check`).
//! Source: `reference/workflow-language.md` §1.1–§1.5, §3, §4.

use crate::catalogue::Catalogue;
use crate::steps;
use serde_json::{Map, Value as Json, json};

/// Where the pages about diagnostics and steps begin.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a workflow document, draft 7 as editors read it.
pub fn json_schema(catalogue: &Catalogue) -> Json {
    let rows = steps::catalogue(catalogue);
    let names: Vec<Json> = rows.iter().map(|r| json!(r.kind)).collect();
    let mut cases: Vec<Json> = Vec::with_capacity(rows.len());
    for row in &rows {
        let config =
            steps::find(&row.kind, catalogue).map_or_else(Vec::new, |(code, _, _)| code.meta().config.to_vec());
        let mut properties: Map<String, Json> = config.iter().map(|k| ((*k).to_owned(), json!({}))).collect();
        let mut required = vec![];
        flow(&row.kind, &mut properties, &mut required);
        let with = Json::from(&row.schema);
        if !steps::FLOW.iter().any(|f| f.0 == &*row.kind) {
            if with.get("required").and_then(Json::as_array).is_some_and(|r| !r.is_empty()) {
                required.push("with");
            }
            properties.insert("with".into(), templated(&with));
        }
        let mut then = json!({"properties": properties, "description": row.description});
        if !required.is_empty() {
            then["required"] = json!(required);
        }
        cases.push(json!({"if": {"properties": {"type": {"const": row.kind}}, "required": ["type"]}, "then": then}));
    }
    let after = json!({"type": "string", "description": "takes the effect back by itself after this time, by `undo` or the connector's inverse"});
    let undo = undo();
    json!({
        "$schema": DRAFT,
        "title": "Workflow",
        "type": "object",
        "required": ["name", "triggers", "steps"],
        "properties": {
            "version": {"enum": ["1", 1], "description": "version of the language, the text \"1\""},
            "name": {"type": "string", "minLength": 1},
            "description": {"type": ["string", "null"]},
            "enabled": {"type": "boolean", "default": true},
            "tags": {"type": ["array", "null"], "items": {"type": ["string", "number", "boolean"]}},
            "triggers": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/trigger"}},
            "inputs": {"$ref": "#/definitions/inputs"},
            "outputs": {"$ref": "#/definitions/inputs"},
            "consts": {"type": ["object", "null"], "description": "literals; templates in them are not rendered"},
            "settings": {"$ref": "#/definitions/settings"},
            "steps": {"$ref": "#/definitions/steps"},
            "template-metadata": {"type": "object"},
        },
        "definitions": {
            "duration": {"type": "string", "pattern": "^\\s*([0-9]+(ms|[smhdw]))+\\s*$|\\{\\{", "description": "for example 1h30m"},
            "bytes": {"type": ["string", "integer"], "description": "for example 10mb"},
            "condition": {"type": ["string", "boolean"], "description": "KQL (`field: value`), or one `${{ }}` expression"},
            "trigger": {
                "type": "object", "required": ["type"],
                "properties": {
                    "type": {"type": "string", "description": "manual, alert, scheduled, or an event such as workflows.failed"},
                    "inputs": {"$ref": "#/definitions/inputs"},
                    "with": {"type": "object"},
                    "on": {"type": "object", "properties": {"condition": {"type": "string"}, "workflowEvents": {"enum": ["avoid-loop", "ignore", "allow-all"]}}},
                },
                "if": {"properties": {"type": {"const": "scheduled"}}},
                "then": {"required": ["with"]},
            },
            "inputs": {
                "anyOf": [
                    {"type": "null"},
                    {"type": "array", "items": {
                        "type": "object", "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "type": {"enum": ["string", "number", "integer", "boolean", "choice", "array", "object"]},
                            "description": {}, "required": {"type": "boolean"}, "default": {},
                            "options": {"type": "array"}, "minItems": {"type": "integer"}, "maxItems": {"type": "integer"},
                        },
                    }},
                    {"type": "object"},
                ],
            },
            "settings": {
                "type": ["object", "null"],
                "properties": {
                    "timeout": {"$ref": "#/definitions/duration"},
                    "timezone": {"type": "string"},
                    "max-step-size": {"$ref": "#/definitions/bytes"},
                    "on-failure": {"$ref": "#/definitions/on-failure"},
                    "concurrency": {
                        "type": "object",
                        "properties": {
                            "key": {"type": "string"}, "strategy": {"enum": ["cancel-in-progress", "drop", "queue"]},
                            "max": {"type": "integer", "minimum": 1}, "queue-size": {"type": "integer", "minimum": 1},
                            "queue-ttl": {"$ref": "#/definitions/duration"},
                        },
                    },
                    "liquid": {"type": "object", "properties": {"parseLimit": {"type": "integer", "maximum": 600_000}, "renderLimit": {"type": "integer", "maximum": 2000}, "memoryLimit": {"type": "integer", "maximum": 60_000_000}}},
                },
            },
            "on-failure": {
                "type": "object",
                "properties": {
                    "retry": {
                        "type": "object", "required": ["max-attempts"],
                        "properties": {
                            "max-attempts": {"type": "integer", "minimum": 1, "description": "runs after the first one"},
                            "delay": {"$ref": "#/definitions/duration"}, "strategy": {"enum": ["fixed", "exponential"]},
                            "multiplier": {"type": "number", "minimum": 1}, "max-delay": {"$ref": "#/definitions/duration"},
                            "jitter": {"type": "boolean"}, "condition": {"$ref": "#/definitions/condition"}, "on-status": {},
                        },
                    },
                    "fallback": {"$ref": "#/definitions/steps"},
                    "continue": {"$ref": "#/definitions/condition"},
                },
            },
            "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step"}},
            "step": {
                "type": "object",
                "required": ["name", "type"],
                "properties": {
                    "name": {"type": ["string", "number", "boolean"], "description": "how `steps.<name>.output` is read; unique in the workflow"},
                    "type": {"anyOf": [{"enum": names}, {"type": "string"}]},
                    "if": {"$ref": "#/definitions/condition"},
                    "foreach": {"description": "a list: `${{ … }}`"},
                    "timeout": {"$ref": "#/definitions/duration"},
                    "max-step-size": {"$ref": "#/definitions/bytes"},
                    "max-iterations": {},
                    "on-failure": {"$ref": "#/definitions/on-failure"},
                    "connector-id": {"type": "string"},
                    "effect": {"enum": ["read", "write", "destructive"]},
                    "undo-after": after,
                    "undo": undo,
                },
                "allOf": cases,
            },
        },
    })
}

/// The step that takes an effect back.
fn undo() -> Json {
    json!({
        "type": "object",
        "required": ["type"],
        "description": "the step that takes the effect back: by itself with `undo-after`, else when a person asks for it",
        "properties": {
            "type": {"type": "string"}, "with": {"type": "object"}, "connector-id": {"type": "string"},
            "timeout": {"$ref": "#/definitions/duration"}, "on-failure": {"$ref": "#/definitions/on-failure"},
            "effect": {"enum": ["read", "write", "destructive"]},
        },
    })
}

/// The keys of flow steps.
fn flow(kind: &str, properties: &mut Map<String, Json>, required: &mut Vec<&'static str>) {
    let steps = json!({"$ref": "#/definitions/steps"});
    match kind {
        "if" | "while" => {
            properties.insert("condition".into(), json!({"$ref": "#/definitions/condition"}));
            properties.insert("steps".into(), steps.clone());
            if kind == "if" {
                properties.insert("else".into(), steps);
            }
            required.extend(["condition", "steps"]);
        }
        "foreach" => {
            properties.insert("steps".into(), steps);
            required.extend(["foreach", "steps"]);
        }
        "switch" => {
            properties.insert("expression".into(), json!({"type": "string"}));
            let case = json!({"type": "object", "required": ["steps"], "properties": {"match": {}, "steps": steps}});
            properties.insert("cases".into(), json!({"type": "array", "minItems": 1, "items": case}));
            properties.insert("default".into(), json!({"$ref": "#/definitions/steps"}));
            required.extend(["expression", "cases"]);
        }
        "parallel" => {
            let branch = json!({"type": "object", "required": ["steps"], "properties": {"name": {}, "steps": steps}});
            properties.insert("branches".into(), json!({"type": "array", "items": branch}));
            properties.insert("steps".into(), json!({"$ref": "#/definitions/steps"}));
            properties.insert("mode".into(), json!({"enum": ["fail-fast", "settled"]}));
        }
        _ => {}
    }
}

/// The schema with every scalar also taking a template.
fn templated(schema: &Json) -> Json {
    match schema {
        Json::Object(o) => {
            let mut out = Map::new();
            for (k, v) in o {
                match (k.as_str(), v) {
                    ("type", Json::String(t))
                        if matches!(t.as_str(), "number" | "integer" | "boolean" | "array" | "object") =>
                    {
                        // The outermost object is the map itself.
                        out.insert(k.clone(), json!([t, "string"]));
                    }
                    ("enum", Json::Array(values)) => {
                        out.insert("anyOf".into(), json!([{"enum": values}, {"type": "string", "pattern": "\\{\\{"}]));
                    }
                    ("pattern" | "minLength" | "maxLength" | "format", _) => {}
                    ("properties", Json::Object(p)) => {
                        let all: Map<String, Json> = p.iter().map(|(n, s)| (n.clone(), templated(s))).collect();
                        out.insert(k.clone(), Json::Object(all));
                    }
                    ("items", s) => drop(out.insert(k.clone(), templated(s))),
                    _ => drop(out.insert(k.clone(), v.clone())),
                }
            }
            Json::Object(out)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_compiles_and_takes_a_sound_document_and_refuses_broken_ones() {
        let schema = json_schema(&Catalogue::default());
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let parse = |text: &str| Json::from(&crate::yaml::parse(text).0.expect("yaml").to_value());
        let sound = parse(include_str!("../tests/sound.yaml"));
        let problems: Vec<String> =
            validator.iter_errors(&sound).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(problems.is_empty(), "{problems:#?}");
        for broken in [
            "name: a\nsteps: [{ name: a, type: console }]",
            "name: a\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: wait }]",
            "name: a\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: if, condition: 'x: 1' }]",
            "name: a\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: wait, with: { duraton: 1s } }]",
            "name: a\ntriggers: [{ type: manual }]\nsettings: { concurrency: { strategy: first } }\nsteps: [{ name: a, type: console }]",
        ] {
            assert!(!validator.is_valid(&parse(broken)), "{broken}");
        }
    }

    #[test]
    fn every_step_type_is_in_it() {
        let schema = json_schema(&Catalogue::default());
        let cases = schema.pointer("/definitions/step/allOf").and_then(Json::as_array).map_or(0, Vec::len);
        assert_eq!(cases, steps::catalogue(&Catalogue::default()).len());
    }
}
