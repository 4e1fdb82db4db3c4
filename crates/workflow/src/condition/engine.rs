//! The one place that calls KQL.
//!
//! Invariants: nothing else in this crate names `lang`.

use stdx::{Span, Value};

/// A parsed query.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, Option<String>)>);

pub(super) fn parse(text: &str) -> Result<Query, (String, Span)> {
    let mut clauses = vec![];
    for part in text.split(" and ") {
        let (field, value) = part.split_once(':').ok_or_else(|| ("expected `:`".to_owned(), super::whole(text)))?;
        let value = value.trim().trim_matches('"');
        clauses.push((field.trim().to_owned(), (value != "*").then(|| value.to_owned())));
    }
    Ok(Query(clauses))
}

pub(super) fn eval(query: &Query, root: &Value) -> Result<bool, String> {
    Ok(query.0.iter().all(|(field, value)| {
        let found = root.path(&field.split('.').collect::<Vec<_>>());
        match (found, value) {
            (Some(f), None) => !f.is_null(),
            (Some(f), Some(v)) => crate::json::scalar_text(f) == *v,
            (None, _) => false,
        }
    }))
}
