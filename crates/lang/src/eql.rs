//! EQL: text to tree; event queries to predicates.
//!
//! Invariants: the whole grammar parses (sequences, samples, pipes); what is not evaluated is reported by [`over_event`], never ignored;
//! printing a tree and parsing the text gives the same tree.
//! Not here: sequences and samples over time (`rule`).
//! Source: EQL as Elasticsearch 9 reads it.

mod compile;
mod function;
mod lexer;
mod parse;
mod print;
mod script;

pub use crate::span::At;
pub use compile::{Options, event_predicate, over_event};
pub use function::{FUNCTIONS, Function};
pub use parse::parse;
pub use script::Script;

use crate::pattern::Case;
use crate::predicate::CompareOp;
use stdx::Duration;

/// A parsed statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What is looked for.
    pub body: Body,
    /// What is done with the results.
    pub pipes: Vec<Pipe>,
}

/// What a statement looks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Single events.
    Event(EventQuery),
    /// Events in order.
    Sequence(Sequence),
    /// Events in any order that share keys.
    Sample(Sample),
}

/// `category where condition`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventQuery {
    /// The event category; `None` for `any`.
    pub category: Option<String>,
    /// The condition.
    pub condition: Expr,
    /// Where it was written.
    pub at: At,
}

/// `sequence by … with maxspan=… […] […] until […]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Keys of every step.
    pub by: Vec<Key>,
    /// Longest time from the first to the last event.
    pub maxspan: Option<Duration>,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// What ends a pending sequence.
    pub until: Option<Step>,
    /// Where it was written.
    pub at: At,
}

/// `sample by … […] […]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Keys of every step.
    pub by: Vec<Key>,
    /// The steps.
    pub steps: Vec<Step>,
    /// Where it was written.
    pub at: At,
}

/// One step of a sequence or sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The events.
    pub event: EventQuery,
    /// Keys of this step, after those of the whole.
    pub by: Vec<Key>,
    /// How many times in a row.
    pub runs: u32,
    /// True for `![…]`: no such event.
    pub missing: bool,
}

/// A join key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// True for `?field`: a missing value is a value.
    pub optional: bool,
    /// The field.
    pub field: String,
    /// Where it was written.
    pub at: At,
}

/// `| head 5`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipe {
    /// The name.
    pub name: String,
    /// The number, when given.
    pub count: Option<u64>,
    /// Where it was written.
    pub at: At,
}

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it was written.
    pub at: At,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A constant.
    Constant(Constant),
    /// A field.
    Field {
        /// The dotted name.
        name: String,
        /// True for `?name`.
        optional: bool,
    },
    /// All hold; at least two.
    And(Vec<Expr>),
    /// One holds; at least two.
    Or(Vec<Expr>),
    /// Does not hold.
    Not(Box<Expr>),
    /// A comparison.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// Arithmetic.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// A sign.
    Negative(Box<Expr>),
    /// `in`, `not in`, `in~`.
    In {
        /// What is looked up.
        value: Box<Expr>,
        /// Where.
        list: Vec<Expr>,
        /// `in~` ignores case.
        case: Case,
    },
    /// `:`, `like`, `regex` and their `~` forms.
    Match {
        /// What is compared.
        value: Box<Expr>,
        /// How.
        op: MatchOp,
        /// With what; one of them suffices.
        list: Vec<Expr>,
    },
    /// A call.
    Call {
        /// The function as it was written.
        name: String,
        /// `name~` ignores case.
        case: Case,
        /// The arguments.
        arguments: Vec<Expr>,
    },
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

/// A text comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `:`, wildcards, any case.
    Seq,
    /// `like`, wildcards.
    Like(Case),
    /// `regex`.
    Regex(Case),
}

#[cfg(test)]
mod tests;
