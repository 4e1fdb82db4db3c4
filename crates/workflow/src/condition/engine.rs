//! The one place that calls KQL.
//!
//! Invariants: nothing else in this crate names `lang`.

use crate::template::Root;
use lang::kql;
use stdx::Span;

/// A parsed query.
pub(super) type Query = kql::Ast;

pub(super) fn parse(text: &str) -> Result<Query, (String, Span)> {
    let (ast, found) = kql::parse(text);
    match (found.into_iter().find(stdx::Diagnostic::is_error), ast) {
        (None, Some(ast)) => Ok(ast),
        (Some(d), _) => Err((d.message, d.span)),
        (None, None) => Err(("the query cannot be read".into(), Span::new(0, text.len()))),
    }
}

pub(super) fn eval(query: &Query, root: &Root) -> bool {
    kql::over_context(query, &root.value, root.now)
}
