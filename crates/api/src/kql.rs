//! KQL and EQL where the API itself evaluates or checks them.
//!
//! Not here: the languages (`lang`).

use crate::error::{ApiError, Result};
use serde_json::json;
use std::collections::BTreeSet;
use stdx::{Diagnostic, Id, Value};

/// A parsed KQL filter.
pub struct Filter(lang::Predicate);

impl Filter {
    /// True when the document matches.
    pub fn matches(&self, document: &Value) -> bool {
        self.0.matches(&event(document, None, ""))
    }
}

/// Parses a KQL filter.
///
/// - errors: 400 with `attributes.diagnostics`.
pub fn parse(text: &str) -> Result<Filter> {
    let (ast, found) = lang::kql::parse(text);
    match ast {
        Some(ast) if !found.iter().any(Diagnostic::is_error) => Ok(Filter(lang::kql::over_event(&ast, &lang::Ecs))),
        _ => {
            let why = found.first().map_or_else(|| "the query is not valid".to_owned(), |d| d.message.clone());
            Err(ApiError::invalid(format!("KQLSyntaxError: {why}"))
                .attributes(json!({"diagnostics": crate::diagnostics::wire(text, &found)})))
        }
    }
}

/// A document as the evaluators read it.
pub fn event(document: &Value, id: Option<&Id>, index: &str) -> event::Event {
    let meta = event::Meta {
        index: index.into(),
        id: id.cloned().unwrap_or_else(|| Id::from("")),
        version: 1,
        seq: 0,
        arrival: crate::clock::now(),
    };
    event::Event::new(meta, stdx::json::text(document).into_bytes().into())
}

/// Checks a rule's query: valid, findings, fields it reads.
pub fn check(kind: &str, language: &str, query: &str) -> Result<(bool, Vec<Diagnostic>, Vec<String>)> {
    let (predicate, found) = match language {
        "kuery" => {
            let (ast, found) = lang::kql::parse(query);
            (ast.map(|a| lang::kql::over_event(&a, &lang::Ecs)), found)
        }
        "eql" => {
            let (ast, mut found) = lang::eql::parse(query);
            let compiled = ast.map(|a| lang::eql::over_event(&a, &lang::eql::Options::default()));
            match compiled {
                Some(Ok(p)) => (Some(p), found),
                Some(Err(more)) => {
                    found.extend(more);
                    (None, found)
                }
                None => (None, found),
            }
        }
        other => {
            return Err(ApiError::invalid(format!(
                "[request body.language]: `{other}` cannot be checked for a rule of type `{kind}`"
            )));
        }
    };
    let mut fields = BTreeSet::new();
    if let Some(predicate) = &predicate {
        predicate.each_field(&mut |path| {
            fields.insert(path.text.to_string());
        });
    }
    let valid = predicate.is_some() && !found.iter().any(Diagnostic::is_error);
    Ok((valid, found, fields.into_iter().collect()))
}
