//! The Kibana Query Language: one grammar, two evaluators (events, workflow context) and a translation to the query DSL.
//!
//! Invariants: printing a tree and parsing the text gives the same tree; a value list (`f: (a or b)`) is expanded to clauses while parsing.
//! Not here: field types (`types`), the meaning of leaves over events (`dsl`).
//! Source: the grammar and semantics of Kibana's KQL.

mod context;
mod dsl;
mod lint;
mod parse;
mod print;

pub use crate::span::At;
pub use context::{Scope, over_context};
pub use dsl::{over_event, to_dsl};
pub use lint::{Ground, lint};
pub use parse::parse;

use crate::pattern::Part;
use crate::predicate::CompareOp;

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub struct Ast {
    /// The query; [`Node::Everything`] for empty text.
    pub root: Node,
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Empty text: matches everything.
    Everything,
    /// All hold; at least two.
    And(Vec<Node>),
    /// One holds; at least two.
    Or(Vec<Node>),
    /// The inner one does not hold.
    Not(Box<Node>),
    /// `field: value`.
    Is {
        /// The field.
        field: Literal,
        /// The value.
        value: Literal,
    },
    /// `field >= value`.
    Range {
        /// The field.
        field: Literal,
        /// Never equality.
        op: CompareOp,
        /// The value.
        value: Literal,
    },
    /// `field: { … }`.
    Nested {
        /// The array of objects.
        field: Literal,
        /// The condition on one of them; field names count from the object.
        inner: Box<Node>,
    },
    /// A value without a field.
    Text(Literal),
}

/// A name or a value as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// The text with its wildcards; a quoted one has at most one part, a text. Empty text has no part.
    pub parts: Vec<Part>,
    /// True when it was written in quotes.
    pub quoted: bool,
    /// Where it was written.
    pub at: At,
}

impl Literal {
    /// The text, when it holds no wildcard.
    pub fn plain(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// True for a lone `*`.
    pub fn is_star(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|p| *p == Part::Any)
    }

    /// The text with `*` for wildcards; a literal star looks the same.
    pub fn text(&self) -> String {
        self.parts.iter().map(|p| if let Part::Text(t) = p { t } else { "*" }).collect()
    }

    /// True for the bare word `null`.
    pub fn is_null(&self) -> bool {
        !self.quoted && self.plain() == Some("null")
    }
}

#[cfg(test)]
mod tests;
