//! From a rule to what the dispatcher runs: index patterns and one predicate over an event.
//!
//! Invariants: a rule that cannot run gives an error finding and no `Compiled`; findings about the query carry its spans and the path `query`.
//! Not here: rule types with state.

use crate::indices::IndexPatterns;
use crate::rule::{Language, Rule};
use lang::{Ecs, FieldTypes, Predicate};
use std::sync::Arc;
use stdx::{Diagnostic, Span, Value};

/// A rule ready to run.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Which data streams it reads.
    pub indices: IndexPatterns,
    /// What an event must satisfy.
    pub predicate: Predicate,
}

/// Compiles with the field types of ECS.
pub fn compile(rule: &Arc<Rule>) -> (Option<Compiled>, Vec<Diagnostic>) {
    compile_with(rule, &Ecs)
}

/// Compiles a rule.
///
/// - `types`: the types of fields, usually ECS before the index mapping.
/// - returns: nothing for a type that this version cannot run, with the finding `ruleTypeUnsupported`.
pub fn compile_with(rule: &Arc<Rule>, types: &dyn FieldTypes) -> (Option<Compiled>, Vec<Diagnostic>) {
    if !rule.kind.is_supported() {
        let message = format!("unsupported type: rules of type `{}` are stored and do not run", rule.kind.text());
        return (None, vec![Diagnostic::error("ruleTypeUnsupported", Span::default(), message).at("type")]);
    }
    let (query, mut findings) = query(rule, types);
    for finding in &mut findings {
        finding.path.get_or_insert_with(|| "query".into());
    }
    let (filters, more) = filters(rule, types);
    findings.extend(more);
    let (Some(query), false) = (query, findings.iter().any(Diagnostic::is_error)) else {
        if !findings.iter().any(Diagnostic::is_error) {
            findings.push(Diagnostic::error("ruleQuery", Span::default(), "the query has no meaning").at("query"));
        }
        return (None, findings);
    };
    let predicate = Predicate::and(std::iter::once(query).chain(filters));
    let indices = IndexPatterns::new(&rule.index);
    (Some(Compiled { rule: Arc::clone(rule), indices, predicate }), findings)
}

fn query(rule: &Rule, types: &dyn FieldTypes) -> (Option<Predicate>, Vec<Diagnostic>) {
    let text = rule.query.as_deref().unwrap_or_default();
    match rule.language {
        Some(Language::Lucene) => {
            let (node, findings) = lang::lucene::parse(text);
            (node.map(|n| lang::lucene::over_event(&n, types)), findings)
        }
        Some(Language::Eql) => eql(rule, text, types),
        Some(Language::Esql) => {
            let message = "unsupported language: ES|QL does not run in a stream";
            (None, vec![Diagnostic::error("ruleTypeUnsupported", Span::default(), message).at("language")])
        }
        Some(Language::Kuery) | None => {
            let (tree, mut findings) = lang::kql::parse(text);
            if let Some(tree) = &tree {
                findings.extend(lang::kql::lint(tree, lang::kql::Ground::Events(types)));
            }
            (tree.map(|t| lang::kql::over_event(&t, types)), findings)
        }
    }
}

/// Kibana filters beside the query: each must hold unless it is disabled, negated ones must not.
fn filters(rule: &Rule, types: &dyn FieldTypes) -> (Vec<Predicate>, Vec<Diagnostic>) {
    let (mut out, mut findings) = (Vec::new(), Vec::new());
    for (i, filter) in rule.filters.iter().enumerate() {
        let path = format!("filters[{i}]");
        let flag = |name: &str| filter.path(&["meta", name]).and_then(Value::as_bool).unwrap_or(false);
        if flag("disabled") {
            continue;
        }
        // Older saved filters hold the clause beside `meta`, newer ones under `query`.
        let clause = match filter.get("query") {
            Some(query) if query.as_object().is_some_and(|o| !o.is_empty()) => query.clone(),
            _ => Value::object(
                filter
                    .as_object()
                    .into_iter()
                    .flat_map(stdx::Object::iter)
                    .filter(|(key, _)| !matches!(&***key, "meta" | "$state" | "query"))
                    .map(|(key, value)| (Arc::clone(key), value.clone())),
            ),
        };
        match lang::dsl::parse_value(&clause) {
            Ok(query) => {
                let predicate = query.to_predicate(types);
                out.push(if flag("negate") { predicate.negate() } else { predicate });
            }
            Err(errors) => findings.extend(errors.into_iter().map(|d| {
                let inner = d.path.clone().map_or_else(String::new, |p| format!(".{p}"));
                d.at(format!("{path}.query{inner}"))
            })),
        }
    }
    (out, findings)
}

/// EQL event queries; sequences, samples and pipes have no matcher yet.
fn eql(rule: &Rule, text: &str, types: &dyn FieldTypes) -> (Option<Predicate>, Vec<Diagnostic>) {
    let (tree, mut findings) = lang::eql::parse(text);
    let Some(tree) = tree else { return (None, findings) };
    let category_field = rule.event_category_override.as_deref().unwrap_or("event.category");
    match lang::eql::over_event(&tree, &lang::eql::Options { types, category_field }) {
        Ok(predicate) => (Some(predicate), findings),
        Err(errors) => {
            findings.extend(errors.into_iter().map(|d| match d.code {
                "eqlNotEvaluated" => Diagnostic { code: "ruleTypeUnsupported", ..d },
                _ => d,
            }));
            (None, findings)
        }
    }
}
