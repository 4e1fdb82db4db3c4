//! The Elasticsearch query DSL: JSON to tree, tree to predicate.
//!
//! Invariants: a parsed tree holds only what this crate can evaluate; `query_string`, `simple_query_string` and `constant_score` are lowered
//! while parsing, so an executor never sees query text; boosts and names are accepted and dropped.
//! Not here: execution on an index, scores (`index`).
//! Source: query DSL of Elasticsearch 9.

mod parse;
mod predicate;
mod simple;

pub use parse::{CLAUSES_MAX, TERMS_MAX, parse, parse_value};

use crate::date::{DateMath, time_zone};
use crate::pattern::Case;
use crate::predicate::{Limits, Predicate};
use crate::types::FieldTypes;
use jiff::tz::TimeZone;
use stdx::{Time, Value};

/// A query. Where a field name is marked *pattern*, `*` in it stands for any run of characters and the query holds when one field does.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Every document.
    MatchAll,
    /// No document.
    MatchNone,
    /// The indexed term equals; on `ip` fields the value may be a CIDR block; on analysed fields it is compared with one token.
    Term {
        /// The field (pattern); also `_id` and `_index`.
        field: String,
        /// A scalar.
        value: Value,
        /// Whether case counts.
        case: Case,
    },
    /// One of the terms equals.
    Terms {
        /// The field.
        field: String,
        /// Scalars.
        values: Vec<Value>,
    },
    /// Between two ends.
    Range(RangeQuery),
    /// Any value that is not null.
    Exists {
        /// The field (pattern), or an object.
        field: String,
    },
    /// Analysed text; a term on other fields.
    Match {
        /// The fields (patterns); holds when one does.
        fields: Vec<String>,
        /// A scalar; text is analysed for text fields.
        value: Value,
        /// How its words combine.
        kind: MatchKind,
    },
    /// `*` and `?` over the whole term; a backslash takes the next character literally.
    Wildcard {
        /// The field (pattern).
        field: String,
        /// The pattern text.
        pattern: String,
        /// Whether case counts.
        case: Case,
    },
    /// The term starts with.
    Prefix {
        /// The field.
        field: String,
        /// The beginning.
        value: String,
        /// Whether case counts.
        case: Case,
    },
    /// A Lucene regular expression over the whole term.
    Regexp {
        /// The field (pattern).
        field: String,
        /// The expression.
        pattern: String,
        /// Whether case counts.
        case: Case,
    },
    /// The document id is one of these.
    Ids(Vec<String>),
    /// Clauses combined.
    Bool(BoolQuery),
    /// One object of the array satisfies the inner query, whose field names are full paths.
    Nested {
        /// The array of objects.
        path: String,
        /// The inner query.
        query: Box<Query>,
    },
}

/// How the words of a match query combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchKind {
    /// One word occurs.
    Any,
    /// Every word occurs.
    All,
    /// The words stand next to each other.
    Phrase,
    /// The same, the last word open.
    PhrasePrefix,
}

/// Clauses combined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoolQuery {
    /// All hold and score.
    pub must: Vec<Query>,
    /// All hold.
    pub filter: Vec<Query>,
    /// At least `should_min` hold.
    pub should: Vec<Query>,
    /// None holds.
    pub must_not: Vec<Query>,
    /// How many of `should` must hold; worked out from `minimum_should_match` and its default.
    pub should_min: usize,
}

/// A range with the options that its literals need.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeQuery {
    /// The field (pattern).
    pub field: String,
    /// The ends as written, scalars.
    pub limits: Limits<Value>,
    /// `format`, when given.
    pub format: Option<String>,
    /// `time_zone`, when given; checked by the parser.
    pub time_zone: Option<String>,
}

impl RangeQuery {
    /// The ends as dates; `None` when one of them is no date. Resolve them with [`Limits::contains`] or [`DateMath::resolve`].
    pub fn dates(&self) -> Option<Limits<DateMath>> {
        self.limits.map(|v| self.date(&scalar_text(v)?))
    }

    fn date(&self, text: &str) -> Option<DateMath> {
        let zone = self.time_zone.as_deref().and_then(time_zone).unwrap_or(TimeZone::UTC);
        if let Some(seconds) =
            self.format.as_deref().filter(|f| f.contains("epoch_second")).and_then(|_| text.parse().ok())
        {
            return Some(DateMath::at(Time::from_ms(i64::saturating_mul(seconds, 1000))));
        }
        DateMath::parse_in(text, &zone)
    }
}

impl Query {
    /// The predicate that holds for the documents which the query finds; scoring clauses only filter.
    pub fn to_predicate(&self, types: &dyn FieldTypes) -> Predicate {
        predicate::of(self, types, "")
    }

    /// Every clause in one `bool.filter`; nothing gives [`Query::MatchAll`].
    pub fn all(mut clauses: Vec<Self>) -> Self {
        match clauses.len() {
            0 => Self::MatchAll,
            1 => clauses.remove(0),
            _ => Self::Bool(BoolQuery { filter: clauses, ..BoolQuery::default() }),
        }
    }

    /// One of the clauses; nothing gives [`Query::MatchNone`].
    pub fn any(mut clauses: Vec<Self>) -> Self {
        match clauses.len() {
            0 => Self::MatchNone,
            1 => clauses.remove(0),
            _ => Self::Bool(BoolQuery { should: clauses, should_min: 1, ..BoolQuery::default() }),
        }
    }

    /// The clause does not hold.
    #[must_use]
    pub fn negate(self) -> Self {
        Self::Bool(BoolQuery { must_not: vec![self], ..BoolQuery::default() })
    }
}

/// A scalar as the text that a term is compared by; `None` for null, arrays and objects.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::Str(s) => Some(s.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Int(i) => Some(i.to_string()),
        Value::Float(f) => Some(f.to_string()),
        Value::Time(t) => Some(t.iso()),
    }
}

#[cfg(test)]
mod tests;
