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

pub(super) fn eval(query: &Query, root: &Root) -> bool {
    kql::over_context(query, &root.value, root.now)
}
