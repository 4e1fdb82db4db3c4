//! `Test`: what one value of a field must pass.
//!
//! Invariants: literals of case-insensitive tests are stored folded; sets are sorted and without repetitions; null passes nothing.
//! Not here: which field (`Leaf`), missing fields (`Predicate`).

use crate::analysis;
use crate::date::{DateMath, Round, parse_time};
use crate::net::{Cidr, parse_ip};
use crate::pattern::{Case, Pattern, Wildcard};
use event::{FieldPath, Scalar};
use std::cmp::Ordering;
use std::io::Write;
use stdx::Time;

/// What one value of a field must pass.
#[derive(Clone, Debug)]
pub enum Test {
    /// The field has a value.
    Exists,
    /// The whole text equals.
    Equals(TextEquals),
    /// The whole text is in a set.
    AnyOf(TextSet),
    /// The number equals; text is read as a number.
    Number(Number),
    /// A number as the author wrote it: equal as text or as a number. For fields of unknown type.
    Literal(TextEquals, Number),
    /// The boolean equals; the texts `true` and `false` count.
    Bool(bool),
    /// `*` and `?` over the whole text.
    Wildcard(Wildcard),
    /// A regular expression over the whole text.
    Regex(Pattern),
    /// An address in one of the blocks.
    Cidr(Vec<Cidr>),
    /// Between two ends.
    Range(Range),
    /// Analysed text: one of the words occurs.
    Words(WordSet),
    /// Analysed text: the words occur next to each other in this order.
    Phrase(Phrase),
    /// Analysed text: one word matches the pattern.
    WordWildcard(Wildcard),
    /// One of these text tests passes.
    OneOf(Vec<Test>),
    /// Compares with the values of another field.
    Compare {
        /// The comparison.
        op: CompareOp,
        /// The other field.
        other: FieldPath,
        /// For texts.
        case: Case,
    },
}

/// A text to be equal to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEquals {
    /// The text, folded when case does not count.
    pub value: Box<str>,
    /// Whether case counts.
    pub case: Case,
}

/// Texts of which one must be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextSet {
    /// Sorted, without repetitions, folded when case does not count.
    pub values: Vec<Box<str>>,
    /// Whether case counts.
    pub case: Case,
}

/// A number literal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Whole.
    Int(i64),
    /// Any other.
    Float(f64),
}

/// Words of which one (or all) must occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordSet {
    /// Lower-case words.
    pub words: Vec<Box<str>>,
    /// True when every word must occur.
    pub all: bool,
}

/// Words that must follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Lower-case words in order.
    pub words: Vec<Box<str>>,
    /// True when the last word need only be a prefix.
    pub open: bool,
}

/// A comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl CompareOp {
    /// True when an order satisfies the comparison.
    pub const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }
    /// `a op b` written as `b op' a`.
    #[must_use]
    pub const fn flip(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }
    /// The comparison that holds exactly when this one does not.
    #[must_use]
    pub const fn negate(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }
    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound<T> {
    /// Where the end lies.
    pub value: T,
    /// True when the end itself is inside.
    pub inclusive: bool,
}

/// Two ends, each optional.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits<T> {
    /// Lower end.
    pub lower: Option<Bound<T>>,
    /// Upper end.
    pub upper: Option<Bound<T>>,
}

impl<T> Limits<T> {
    /// The values `op value`; equality gives both ends.
    pub fn of(op: CompareOp, value: T) -> Self
    where
        T: Clone,
    {
        let bound = |inclusive| Some(Bound { value: value.clone(), inclusive });
        let (lower, upper) = match op {
            CompareOp::Lt => (None, bound(false)),
            CompareOp::Le => (None, bound(true)),
            CompareOp::Gt => (bound(false), None),
            CompareOp::Ge => (bound(true), None),
            CompareOp::Eq | CompareOp::Ne => (bound(true), bound(true)),
        };
        Self { lower, upper }
    }

    /// Converts both ends; `None` when one does not convert.
    pub fn map<U>(&self, mut f: impl FnMut(&T) -> Option<U>) -> Option<Limits<U>> {
        let mut end = |bound: &Option<Bound<T>>| match bound {
            None => Some(None),
            Some(b) => f(&b.value).map(|value| Some(Bound { value, inclusive: b.inclusive })),
        };
        Some(Limits { lower: end(&self.lower)?, upper: end(&self.upper)? })
    }

    /// True when the value lies between the ends; `order` compares the value with an end.
    fn hold(&self, mut order: impl FnMut(&T) -> Option<Ordering>) -> bool {
        let mut inside = |bound: &Option<Bound<T>>, outside: Ordering| match bound {
            None => true,
            Some(b) => order(&b.value).is_some_and(|o| o != outside && (b.inclusive || o != Ordering::Equal)),
        };
        inside(&self.lower, Ordering::Less) && inside(&self.upper, Ordering::Greater)
    }
}

/// A range, typed as the field is.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// Numeric order; text is read as a number.
    Number(Limits<Number>),
    /// Order of the text's bytes.
    Text(Limits<Box<str>>),
    /// Order of time.
    Date(Limits<DateMath>),
    /// Order of addresses.
    Ip(Limits<u128>),
    /// Numbers by number where the literals are numbers, text by text.
    Dynamic(Limits<Box<str>>, Option<Limits<Number>>),
}

impl Test {
    /// Equality with one text or a set of them.
    pub fn any_of(values: Vec<Box<str>>, case: Case) -> Self {
        let mut values: Vec<Box<str>> = values.into_iter().map(|v| case.fold(&v).into()).collect();
        values.sort_unstable();
        values.dedup();
        match <[Box<str>; 1]>::try_from(values) {
            Ok([value]) => Self::Equals(TextEquals { value, case }),
            Err(values) => Self::AnyOf(TextSet { values, case }),
        }
    }

    /// Equality with one text.
    pub fn equals(value: &str, case: Case) -> Self {
        Self::Equals(TextEquals { value: case.fold(value).into(), case })
    }

    /// The words of `text`, one of which must occur; `None` when it has no word.
    pub fn words(text: &str, all: bool) -> Option<Self> {
        let words = analysis::tokens(text);
        (!words.is_empty()).then_some(Self::Words(WordSet { words, all }))
    }

    /// The phrase `text`; `None` when it has no word.
    pub fn phrase(text: &str, open: bool) -> Option<Self> {
        let words = analysis::tokens(text);
        (!words.is_empty()).then_some(Self::Phrase(Phrase { words, open }))
    }

    pub(super) fn cost(&self) -> u32 {
        match self {
            Self::Equals(_) | Self::Number(_) | Self::Literal(..) | Self::Bool(_) => 1,
            Self::Exists => 2,
            Self::AnyOf(_) => 3,
            Self::Range(_) | Self::Cidr(_) => 6,
            Self::Wildcard(w) => 4 + u32::try_from(w.literals().len()).unwrap_or(u32::MAX) * 2,
            Self::Compare { .. } => 10,
            Self::OneOf(tests) => tests.iter().map(Self::cost).fold(1, u32::saturating_add),
            Self::Words(_) | Self::Phrase(_) | Self::WordWildcard(_) => 40,
            Self::Regex(_) => 30,
        }
    }

    /// True when one value passes. [`Test::Exists`] passes for anything but null; [`Test::Compare`] is the caller's.
    pub fn passes(&self, value: Scalar<'_>, now: Time) -> bool {
        if value == Scalar::Null {
            return false;
        }
        match self {
            Self::Exists => true,
            Self::Equals(t) => text(value, |v| t.case.equal(v, &t.value)),
            Self::AnyOf(set) => text(value, |v| set.contains(v)),
            Self::Number(n) => number(value).is_some_and(|v| v.order(*n) == Some(Ordering::Equal)),
            Self::Literal(t, n) => match value {
                Scalar::Int(_) | Scalar::Float(_) => {
                    number(value).is_some_and(|v| v.order(*n) == Some(Ordering::Equal))
                }
                other => text(other, |v| t.case.equal(v, &t.value)),
            },
            Self::Bool(b) => boolean(value) == Some(*b),
            Self::Wildcard(w) => text(value, |v| w.matches(v)),
            Self::Regex(r) => text(value, |v| r.matches(v)),
            Self::Cidr(blocks) => address(value).is_some_and(|a| blocks.iter().any(|b| b.contains(a))),
            Self::Range(range) => range.passes(value, now),
            Self::Words(set) => text(value, |v| set.occur(v)),
            Self::Phrase(phrase) => text(value, |v| phrase.occurs(v)),
            Self::WordWildcard(w) => text(value, |v| analysis::words(v).any(|word| w.matches(word))),
            Self::OneOf(tests) => tests.iter().any(|t| t.passes(value, now)),
            Self::Compare { .. } => false,
        }
    }

    /// True for tests on text that [`Test::OneOf`] may hold.
    pub(super) const fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Equals(_)
                | Self::AnyOf(_)
                | Self::Wildcard(_)
                | Self::Regex(_)
                | Self::Words(_)
                | Self::Phrase(_)
                | Self::WordWildcard(_)
                | Self::OneOf(_)
        )
    }
}

impl TextSet {
    /// True when `value` is in the set.
    pub fn contains(&self, value: &str) -> bool {
        self.values.binary_search_by(|member| self.case.order(value, member).reverse()).is_ok()
    }
}

impl Number {
    /// Reads a whole text as a number; whole numbers keep 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(i) = text.parse::<i64>() {
            return Some(Self::Int(i));
        }
        if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E')) {
            return None;
        }
        text.parse::<f64>().ok().filter(|f| f.is_finite()).map(Self::Float)
    }

    /// As a float.
    pub const fn f64(self) -> f64 {
        match self {
            Self::Int(i) => i as f64,
            Self::Float(f) => f,
        }
    }

    /// Numeric order; whole numbers exactly. `None` only for NaN.
    pub fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.f64().partial_cmp(&b.f64()),
        }
    }
}

impl WordSet {
    fn occur(&self, value: &str) -> bool {
        let has = |word: &str| analysis::words(value).any(|w| Case::Insensitive.equal(w, word));
        if self.all { self.words.iter().all(|w| has(w)) } else { self.words.iter().any(|w| has(w)) }
    }
}

impl Phrase {
    fn occurs(&self, value: &str) -> bool {
        let Some((first, rest)) = self.words.split_first() else { return false };
        let same = |word: &str, i: usize, wanted: &str| {
            let last = i + 1 == self.words.len();
            if self.open && last {
                Case::Insensitive.fold(word).starts_with(wanted)
            } else {
                Case::Insensitive.equal(word, wanted)
            }
        };
        for word in analysis::words(value) {
            if !same(word, 0, first) {
                continue;
            }
            // The rest of the text after `word`, without collecting the words.
            let from = word.as_ptr() as usize - value.as_ptr() as usize + word.len();
            let mut following = analysis::words(&value[from..]);
            if rest.iter().enumerate().all(|(i, wanted)| following.next().is_some_and(|w| same(w, i + 1, wanted))) {
                return true;
            }
        }
        false
    }
}

impl Range {
    fn passes(&self, value: Scalar<'_>, now: Time) -> bool {
        let numeric = |limits: &Limits<Number>| number(value).is_some_and(|v| limits.hold(|end| v.order(*end)));
        let lexical = |limits: &Limits<Box<str>>| text(value, |v| limits.hold(|end| Some(v.cmp(end))));
        match self {
            Self::Number(limits) => numeric(limits),
            Self::Text(limits) => lexical(limits),
            Self::Dynamic(limits, numbers) => match (value, numbers) {
                (Scalar::Int(_) | Scalar::Float(_), Some(numbers)) => numeric(numbers),
                (Scalar::Int(_) | Scalar::Float(_), None) => false,
                _ => lexical(limits),
            },
            Self::Ip(limits) => address(value).is_some_and(|a| limits.hold(|end| Some(a.cmp(end)))),
            Self::Date(limits) => time(value).is_some_and(|at| limits.contains(at, now)),
        }
    }
}

impl Limits<DateMath> {
    /// True when `at` lies between the ends, periods rounded as Elasticsearch does.
    pub fn contains(&self, at: Time, now: Time) -> bool {
        let lower = self.lower.as_ref().is_none_or(|b| match b.inclusive {
            true => at >= b.value.resolve(now, Round::Down),
            false => at > b.value.resolve(now, Round::Up),
        });
        lower
            && self.upper.as_ref().is_none_or(|b| match b.inclusive {
                true => at <= b.value.resolve(now, Round::Up),
                false => at < b.value.resolve(now, Round::Down),
            })
    }
}

/// Compares two values of an event: numbers by number, addresses and texts as text.
pub(super) fn compare(a: Scalar<'_>, op: CompareOp, b: Scalar<'_>, case: Case) -> bool {
    if let (Scalar::Int(_) | Scalar::Float(_), Scalar::Int(_) | Scalar::Float(_)) = (a, b) {
        return number(a).zip(number(b)).and_then(|(a, b)| a.order(b)).is_some_and(|o| op.holds(o));
    }
    if a == Scalar::Null || b == Scalar::Null {
        return false;
    }
    text(a, |a| text(b, |b| op.holds(case.order(a, &case.fold(b)))))
}

/// Shows a value as text without allocating: integers and usual floats through the stack.
pub fn text(value: Scalar<'_>, f: impl FnOnce(&str) -> bool) -> bool {
    let mut stack = [0_u8; 40];
    let total = stack.len();
    let mut out = &mut stack[..];
    let written = match value {
        Scalar::Null => return false,
        Scalar::Str(s) => return f(s),
        Scalar::Bool(b) => return f(if b { "true" } else { "false" }),
        Scalar::Int(i) => write!(out, "{i}"),
        Scalar::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 => write!(out, "{x:.1}"),
        Scalar::Float(x) => write!(out, "{x}"),
    };
    let used = total - out.len();
    match (written, value) {
        (Ok(()), _) => f(std::str::from_utf8(&stack[..used]).unwrap_or_default()),
        (Err(_), Scalar::Float(x)) => f(&x.to_string()),
        (Err(_), _) => false,
    }
}

/// The number a value is or spells.
pub fn number(value: Scalar<'_>) -> Option<Number> {
    match value {
        Scalar::Int(i) => Some(Number::Int(i)),
        Scalar::Float(f) => Some(Number::Float(f)),
        Scalar::Str(s) => Number::parse(s),
        Scalar::Null | Scalar::Bool(_) => None,
    }
}

fn boolean(value: Scalar<'_>) -> Option<bool> {
    match value {
        Scalar::Bool(b) => Some(b),
        Scalar::Str("true") => Some(true),
        Scalar::Str("false") => Some(false),
        _ => None,
    }
}

fn address(value: Scalar<'_>) -> Option<u128> {
    match value {
        Scalar::Str(s) => parse_ip(s),
        _ => None,
    }
}

/// The point in time a value is: ISO text, or a number of milliseconds.
pub fn time(value: Scalar<'_>) -> Option<Time> {
    match value {
        Scalar::Str(s) => parse_time(s),
        Scalar::Int(ms) => Some(Time::from_ms(ms)),
        Scalar::Float(ms) if ms.abs() < 9e15 => Some(Time((ms * 1000.0) as i64)),
        _ => None,
    }
}
