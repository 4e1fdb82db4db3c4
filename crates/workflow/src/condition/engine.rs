//! The one place that calls KQL.
//!
//! Invariants: nothing else in this crate names `lang`.

use crate::template::Root;
use lang::kql;
use stdx::{Diagnostic, Span};

/// A parsed query.
pub(super) type Query = kql::Ast;

/// The query and what it warns about, or the first mistake.
pub(super) fn parse(text: &str) -> Result<(Query, Vec<Diagnostic>), (String, Span)> {
    let (ast, mut found) = kql::parse(text);
    let error = found.iter().position(Diagnostic::is_error).map(|i| found.remove(i));
    match (error, ast) {
        (None, Some(ast)) => {
            found.extend(kql::lint(&ast, kql::Ground::Context));
            Ok((ast, found))
        }
        (Some(d), _) => Err((d.message, d.span)),
        (None, None) => Err(("the query cannot be read".into(), Span::new(0, text.len()))),
    }
}

/// Every field that `text` names, with its place in it; empty where it does not parse.
pub(super) fn fields(text: &str) -> Vec<(String, Span)> {
    let (Some(ast), _) = kql::parse(text) else { return vec![] };
    let (mut out, mut todo) = (vec![], vec![&ast.root]);
    while let Some(node) = todo.pop() {
        match node {
            kql::Node::And(parts) | kql::Node::Or(parts) => todo.extend(parts),
            kql::Node::Not(inner) => todo.push(inner),
            kql::Node::Is { field, .. } | kql::Node::Range { field, .. } | kql::Node::Nested { field, .. } => {
                out.push((field.text(), field.at.0));
            }
            kql::Node::Everything | kql::Node::Text(_) => {}
        }
    }
    out
}

pub(super) fn eval(query: &Query, root: &Root) -> bool {
    kql::over_context(query, &root.value, root.now)
}
