//! Warnings about queries that parse but hardly mean what their author thinks.
//!
//! Invariants: only warnings; the meaning of a query never depends on them.
//! Not here: mistakes of grammar (`parse`).

use super::{Ast, Literal, Node};
use crate::DIAGNOSTICS_MAX;
use crate::dsl::{MatchKind, Query, RangeQuery};
use crate::predicate::{Limits, Predicate};
use crate::types::FieldTypes;
use stdx::{Diagnostic, Value};

/// What the query is evaluated on.
#[derive(Clone, Copy)]
pub enum Ground<'a> {
    /// Events with these field types.
    Events(&'a dyn FieldTypes),
    /// The context of a workflow.
    Context,
}

/// Warnings; codes `kqlType`, `kqlNull`, `kqlSingleQuotes`, and over a context `kqlBareValue` and `kqlNested`.
pub fn lint(ast: &Ast, ground: Ground<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    node(&ast.root, ground, &mut found);
    found.truncate(DIAGNOSTICS_MAX);
    found
}

fn node(query: &Node, ground: Ground<'_>, found: &mut Vec<Diagnostic>) {
    match query {
        Node::Everything => {}
        Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|p| node(p, ground, found)),
        Node::Not(inner) => node(inner, ground, found),
        Node::Nested { field, inner } => match ground {
            // Names inside count from the object, so that types are not known.
            Ground::Events(_) => {}
            Ground::Context => {
                let message = "a nested clause is never true in a workflow";
                found.push(
                    Diagnostic::warning("kqlNested", field.at.0, message)
                        .hint("name the path: `items.id: 1` holds when any element has it"),
                );
                node(inner, ground, found);
            }
        },
        Node::Text(value) => {
            if matches!(ground, Ground::Context) && (value.quoted || !value.is_star()) {
                let message = format!("`{}` is a value without a field and never true in a workflow", value.text());
                found.push(
                    Diagnostic::warning("kqlBareValue", value.at.0, message)
                        .hint("write `field: value`; `${{ … }}` takes an expression with `==`"),
                );
            }
        }
        Node::Is { field, value } => {
            single_quotes(value, found);
            if value.is_null() {
                found.push(
                    Diagnostic::warning("kqlNull", value.at.0, "nothing is equal to `null`")
                        .hint(format!("write `not {field}: *` for a missing value, or quote the word")),
                );
                return;
            }
            if let (Ground::Events(types), Some(text)) = (ground, value.plain()) {
                let query =
                    Query::Match { fields: vec![field.text()], value: Value::from(text), kind: MatchKind::Phrase };
                typed(&query, field, value, types, found);
            }
        }
        Node::Range { field, op, value } => {
            single_quotes(value, found);
            if let Ground::Events(types) = ground {
                let limits = Limits::of(*op, Value::from(value.text()));
                let query = Query::Range(RangeQuery { field: field.text(), limits, format: None, time_zone: None });
                typed(&query, field, value, types, found);
            }
        }
    }
}

/// A literal that the field's type cannot hold makes the clause false.
fn typed(query: &Query, field: &Literal, value: &Literal, types: &dyn FieldTypes, found: &mut Vec<Diagnostic>) {
    if matches!(query.to_predicate(types), Predicate::False) {
        let (text, kind) = (value.text(), types.resolve(&field.text()).1);
        found.push(
            Diagnostic::warning(
                "kqlType",
                value.at.0,
                format!("`{text}` never equals a value of `{field}`, whose type is {}", kind.text()),
            )
            .hint("correct the value, or use another field"),
        );
    }
}

fn single_quotes(value: &Literal, found: &mut Vec<Diagnostic>) {
    let text = value.text();
    if !value.quoted && text.len() > 1 && text.starts_with('\'') && text.ends_with('\'') {
        let inner = &text[1..text.len() - 1];
        found.push(
            Diagnostic::warning(
                "kqlSingleQuotes",
                value.at.0,
                format!("the quotes of `{text}` are part of the text that is looked for"),
            )
            .hint(format!("write `\"{inner}\"`")),
        );
    }
}
