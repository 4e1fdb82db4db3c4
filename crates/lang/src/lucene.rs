//! Lucene query strings: text to tree, tree to query DSL and predicate.
//!
//! Invariants: clauses keep their marks (must, should, must not) as classic Lucene sets them; a query of negations only means *all but*;
//! white space is no operator, adjacent clauses combine with the default operator.
//! Not here: the meaning of leaves (`dsl`).
//! Source: the classic Lucene query parser as Elasticsearch's `query_string` uses it; fuzzy terms are refused.

mod parse;

pub use parse::parse;

use crate::dsl::{BoolQuery, MatchKind, Query, RangeQuery};
use crate::pattern::{Case, Part};
use crate::predicate::{Limits, Predicate};
use crate::types::FieldTypes;
use stdx::Value;

/// What adjacent clauses without an operator combine with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// One suffices.
    Or,
    /// All are needed.
    And,
}

/// The word or sign before a clause that joins it to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// Nothing.
    None,
    /// `AND`, `&&`.
    And,
    /// `OR`, `||`.
    Or,
}

/// The sign directly before a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// `+`.
    Must,
    /// `-`, `!`, `NOT`.
    Not,
}

/// One clause with what stands before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// How it is joined.
    pub joint: Joint,
    /// How it is marked.
    pub mark: Mark,
    /// The clause.
    pub node: Node,
}

/// A query or a part of one. `field` is `None` for the default fields; `*` in it stands for any run.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Clauses in parentheses, or the whole query; empty matches everything.
    Group(Vec<Clause>),
    /// A term, possibly with wildcards.
    Term {
        /// The field.
        field: Option<String>,
        /// The text with its wildcards.
        parts: Vec<Part>,
    },
    /// A quoted phrase.
    Phrase {
        /// The field.
        field: Option<String>,
        /// The text.
        text: String,
        /// How far the words may be apart.
        slop: u32,
    },
    /// `/…/`.
    Regex {
        /// The field.
        field: Option<String>,
        /// The Lucene expression.
        pattern: String,
    },
    /// `[a TO b]`, `{a TO b}`, `>=a`.
    Range {
        /// The field.
        field: Option<String>,
        /// The ends.
        limits: Limits<Box<str>>,
    },
    /// `_exists_:f`, `f:*`.
    Exists {
        /// The field.
        field: String,
    },
}

/// Lowers to the query DSL. `fields` are the default fields (patterns).
pub fn to_dsl(node: &Node, fields: &[String], default: Operator) -> Query {
    let names = |field: &Option<String>| field.as_ref().map_or_else(|| fields.to_vec(), |f| vec![f.clone()]);
    let each = |field: &Option<String>, make: &dyn Fn(String) -> Query| {
        Query::any(names(field).into_iter().map(make).collect())
    };
    match node {
        Node::Group(clauses) => group(clauses, fields, default),
        Node::Term { field, parts } => match &parts[..] {
            [Part::Text(text)] => Query::Match { fields: names(field), value: Value::from(text), kind: MatchKind::Any },
            [Part::Any] if field.is_none() => Query::MatchAll,
            parts => {
                let pattern = crate::pattern::escape_parts(parts);
                each(field, &|field| Query::Wildcard { field, pattern: pattern.clone(), case: Case::Sensitive })
            }
        },
        Node::Phrase { field, text, slop } => {
            let kind = if *slop == 0 { MatchKind::Phrase } else { MatchKind::All };
            Query::Match { fields: names(field), value: Value::from(text), kind }
        }
        Node::Regex { field, pattern } => {
            each(field, &|field| Query::Regexp { field, pattern: pattern.clone(), case: Case::Sensitive })
        }
        Node::Range { field, limits } => each(field, &|field| {
            let limits = limits.map(|t| Some(Value::from(&**t))).unwrap_or(Limits { lower: None, upper: None });
            Query::Range(RangeQuery { field, limits, format: None, time_zone: None })
        }),
        Node::Exists { field } if field == "*" => Query::MatchAll,
        Node::Exists { field } => Query::Exists { field: field.clone() },
    }
}

/// The classic parser's marking: `AND` makes both neighbours required, `OR` leaves them optional.
fn group(clauses: &[Clause], fields: &[String], default: Operator) -> Query {
    let mut marks: Vec<Mark> = Vec::with_capacity(clauses.len());
    let required = |yes: bool| if yes { Mark::Must } else { Mark::None };
    for clause in clauses {
        if let Some(before) = marks.last_mut().filter(|m| **m != Mark::Not) {
            match (clause.joint, default) {
                (Joint::And, _) => *before = Mark::Must,
                (Joint::Or, Operator::And) => *before = Mark::None,
                _ => {}
            }
        }
        marks.push(match (clause.mark, default) {
            (Mark::Not, _) => Mark::Not,
            (mark, Operator::Or) => required(mark == Mark::Must || clause.joint == Joint::And),
            (_, Operator::And) => required(clause.joint != Joint::Or),
        });
    }
    let mut out = BoolQuery::default();
    for (clause, mark) in clauses.iter().zip(&marks) {
        let query = to_dsl(&clause.node, fields, default);
        match mark {
            Mark::Must => out.must.push(query),
            Mark::Not => out.must_not.push(query),
            Mark::None => out.should.push(query),
        }
    }
    out.should_min = usize::from(out.must.is_empty() && !out.should.is_empty());
    match (&mut out, clauses.len()) {
        (_, 0) => Query::MatchAll,
        (BoolQuery { must, .. }, 1) if must.len() == 1 => must.remove(0),
        (BoolQuery { should, .. }, 1) if should.len() == 1 => should.remove(0),
        _ => Query::Bool(out),
    }
}

/// The predicate of a query string with the defaults of a rule: all fields, `OR`.
pub fn over_event(node: &Node, types: &dyn FieldTypes) -> Predicate {
    to_dsl(node, &["*".to_owned()], Operator::Or).to_predicate(types)
}

#[cfg(test)]
mod tests;
