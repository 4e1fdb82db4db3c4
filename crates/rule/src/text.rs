//! Rule files: JSON lines, one JSON object or list, or TOML, told apart by the name's ending.
//!
//! Invariants: a broken rule fails alone and names its line; nothing here opens files.
//! Source: the TOML layout of Elastic's rule repository (`[rule]`, `[metadata]`).

use crate::rule::{Origin, Rule, load};
use stdx::{Diagnostic, Span, Value};

/// Longest rule file in bytes.
pub const FILE_BYTES_MAX: usize = 256 << 20;

/// One rule of a file, or why there is none.
#[derive(Debug)]
pub struct Loaded {
    /// Line of the file, from 1.
    pub line: usize,
    /// The rule.
    pub rule: Option<Rule>,
    /// What was found.
    pub findings: Vec<Diagnostic>,
}

/// True when a file of this name may hold rules.
pub fn is_rule_file(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".json", ".jsonl", ".ndjson", ".toml"].iter().any(|e| lower.ends_with(e))
}

/// Reads every rule of a file.
pub fn load_file(name: &str, text: &str) -> Vec<Loaded> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is longer than {FILE_BYTES_MAX} bytes");
        let findings = vec![Diagnostic::error("ruleLimit", Span::default(), message)];
        return vec![Loaded { line: 1, rule: None, findings }];
    }
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".toml") {
        return vec![toml_rule(text)];
    }
    if lower.ends_with(".json")
        && let Ok(value) = stdx::json::parse(text)
    {
        let items = match &value {
            Value::Array(items) => items.to_vec(),
            _ => vec![value],
        };
        return items.iter().map(|v| loaded(1, load(v, Origin::File))).collect();
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .filter(|(_, line)| !line.contains("\"exported_count\"") || line.contains("\"type\""))
        .map(|(i, line)| loaded(i + 1, Rule::from_json(line)))
        .collect()
}

fn loaded(line: usize, (rule, findings): (Option<Rule>, Vec<Diagnostic>)) -> Loaded {
    Loaded { line, rule, findings }
}

fn toml_rule(text: &str) -> Loaded {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(e) => {
            let e: toml::de::Error = e;
            let at = e.span().unwrap_or(0..0);
            let message = format!("malformed TOML: {}", e.message());
            let findings = vec![Diagnostic::error("ruleToml", Span { start: at.start, end: at.end }, message)];
            let line = stdx::LineIndex::new(text).position(text, at.start).line;
            return Loaded { line, rule: None, findings };
        }
    };
    let mut value = value_of(&toml::Value::Table(table));
    if let Some(rule) = value.get("rule") {
        value = rule.clone();
    }
    loaded(1, load(&value, Origin::File))
}

fn value_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(s) => s.into(),
        toml::Value::Integer(i) => Value::Int(*i),
        toml::Value::Float(f) => Value::Float(*f),
        toml::Value::Boolean(b) => Value::Bool(*b),
        toml::Value::Datetime(d) => d.to_string().into(),
        toml::Value::Array(a) => Value::array(a.iter().map(value_of)),
        toml::Value::Table(t) => Value::object(t.iter().map(|(k, v)| (k.as_str(), value_of(v)))),
    }
}

#[cfg(test)]
mod tests;
