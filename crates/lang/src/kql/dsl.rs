//! KQL to the query DSL, and through it to predicates over events.
//!
//! Invariants: every tree has a translation; a quoted value is a phrase on analysed fields, an unquoted one any of its words.
//! Source: how Kibana translates KQL.

use super::{Ast, Literal, Node};
use crate::dsl::{BoolQuery, MatchKind, Query, RangeQuery};
use crate::pattern::{Case, escape_parts};
use crate::predicate::{Limits, Predicate};
use crate::types::FieldTypes;
use stdx::Value;

/// The predicate over an event, typed by `types`.
pub fn over_event(ast: &Ast, types: &dyn FieldTypes) -> Predicate {
    to_dsl(ast).to_predicate(types)
}

/// The query DSL of a query.
pub fn to_dsl(ast: &Ast) -> Query {
    node(&ast.root, "")
}

/// `base` is the path of the arrays around.
fn node(query: &Node, base: &str) -> Query {
    let name = |field: &Literal| match base {
        "" => field.text(),
        base => format!("{base}.{}", field.text()),
    };
    match query {
        Node::Everything => Query::MatchAll,
        Node::And(parts) => {
            Query::Bool(BoolQuery { filter: parts.iter().map(|p| node(p, base)).collect(), ..BoolQuery::default() })
        }
        Node::Or(parts) => Query::any(parts.iter().map(|p| node(p, base)).collect()),
        Node::Not(inner) => node(inner, base).negate(),
        Node::Is { field, value } if value.is_star() && !value.quoted => match field.is_star() && base.is_empty() {
            true => Query::MatchAll,
            false => Query::Exists { field: name(field) },
        },
        Node::Is { field, value } => is(name(field), value),
        Node::Range { field, op, value } => Query::Range(RangeQuery {
            field: name(field),
            limits: Limits::of(*op, Value::from(value.text())),
            format: None,
            time_zone: None,
        }),
        Node::Nested { field, inner } => {
            let path = name(field);
            Query::Nested { query: Box::new(node(inner, &path)), path }
        }
        Node::Text(value) if value.is_star() && !value.quoted => Query::MatchAll,
        Node::Text(value) => is(if base.is_empty() { "*".into() } else { format!("{base}.*") }, value),
    }
}

fn is(field: String, value: &Literal) -> Query {
    match value.plain() {
        // Nothing is equal to null.
        Some(_) if value.is_null() => Query::MatchNone,
        Some(text) => {
            let kind = if value.quoted { MatchKind::Phrase } else { MatchKind::Any };
            Query::Match { fields: vec![field], value: Value::from(text), kind }
        }
        None => Query::Wildcard { field, pattern: escape_parts(&value.parts), case: Case::Sensitive },
    }
}
