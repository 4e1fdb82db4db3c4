//! The parsed form of templates and value expressions.
//!
//! Invariants: nesting never passes `scan::DEPTH_MAX`; every operand that the author wrote keeps its span.
//! Not here: parsing (`scan`, `parse`), evaluation (`render`).

use crate::filters::FilterFn;
use crate::value::V;
use std::sync::Arc;
use stdx::{Span, Value};

/// One operand of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Literal(Literal),
    /// Text in quotes, or an identifier used as a key.
    Text(Arc<str>),
    Number(Value),
    /// `base.a["b"]`; without a base the first segment names a root variable.
    Path {
        base: Option<Box<Operand>>,
        segments: Vec<Operand>,
        span: Span,
    },
    Range(Box<Operand>, Box<Operand>),
}

/// The words with a value of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    True,
    False,
    Nil,
    Empty,
    Blank,
}

impl Literal {
    pub(crate) fn value(self) -> V {
        match self {
            Self::True => V::bool(true),
            Self::False => V::bool(false),
            Self::Nil => V::Nil,
            Self::Empty => V::Empty,
            Self::Blank => V::Blank,
        }
    }
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Contains,
    Not,
    And,
    Or,
}

impl Op {
    /// Higher binds tighter; equal precedence groups to the right.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::And | Self::Or => 0,
            Self::Not => 1,
            _ => 2,
        }
    }
}

/// One item of an expression in postfix order.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    Operand(Operand),
    Op(Op),
}

/// An argument of a filter.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    /// `name:` before the value; the filter then sees the pair.
    pub(crate) name: Option<Arc<str>>,
    /// Absent when nothing readable follows `name:`.
    pub(crate) value: Option<Operand>,
}

/// One `| name: args`.
#[derive(Clone, Debug)]
pub(crate) struct FilterCall {
    pub(crate) name: Arc<str>,
    /// Absent when there is no filter of this name; checked where LiquidJS checks it.
    pub(crate) run: Option<FilterFn>,
    pub(crate) args: Vec<Arg>,
    pub(crate) span: Span,
}

/// An expression and its filters.
#[derive(Clone, Debug)]
pub(crate) struct Filtered {
    pub(crate) terms: Vec<Term>,
    pub(crate) filters: Vec<FilterCall>,
    pub(crate) span: Span,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a part of a template does.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text, as a range of the source.
    Text(Span),
    /// `{{ … }}` and `echo`.
    Output(Filtered),
    /// The text between `raw` and `endraw`.
    Raw(Box<str>),
    Assign(Arc<str>, Filtered),
    Capture(Arc<str>, Vec<Node>),
    If(Box<If>),
    Case(Box<Case>),
    For(Box<For>),
    Break,
    Continue,
    /// `increment` and `decrement`.
    Count {
        name: Arc<str>,
        up: bool,
    },
    Cycle(Box<Cycle>),
    /// The lines of a `liquid` tag.
    Block(Vec<Node>),
}

/// `if` and `unless`.
#[derive(Clone, Debug)]
pub(crate) struct If {
    /// The first condition is met when false.
    pub(crate) unless: bool,
    pub(crate) branches: Vec<(Filtered, Vec<Node>)>,
    pub(crate) otherwise: Vec<Node>,
}

/// `case`.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) value: Filtered,
    pub(crate) branches: Vec<(Vec<Operand>, Vec<Node>)>,
    pub(crate) otherwise: Vec<Node>,
}

/// `for`.
#[derive(Clone, Debug)]
pub(crate) struct For {
    pub(crate) variable: Arc<str>,
    pub(crate) collection: Operand,
    /// The collection as written.
    pub(crate) collection_text: Box<str>,
    pub(crate) offset: Modifier,
    pub(crate) limit: Modifier,
    pub(crate) reversed: bool,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// `limit` or `offset` of a loop.
#[derive(Clone, Debug, Default)]
pub(crate) enum Modifier {
    #[default]
    Absent,
    /// The bare word, which counts as `true`.
    Flag,
    Value(Operand),
}

/// `cycle`.
#[derive(Clone, Debug)]
pub(crate) struct Cycle {
    pub(crate) group: Option<Operand>,
    pub(crate) candidates: Vec<Filtered>,
    /// The candidates as written; cycles of the same text share their position.
    pub(crate) text: Box<str>,
}
