//! `Script`: an EQL expression in three-valued logic, for what is no plain test on a field.
//!
//! Invariants: true, false or null, never an error; only true holds; the first field with several values is tried value by value, other fields
//! give their first.
//! Not here: plain tests (`compile` turns those into leaves).

use super::Arithmetic;
use super::function::{self, Function};
use crate::pattern::Case;
use crate::predicate::{CompareOp, Number, Source, Test};
use event::{FieldPath, Scalar};
use std::borrow::Cow;
use stdx::Time;

/// Most values of one field that are tried.
const VALUES_MAX: usize = 1024;

/// An expression over fields.
#[derive(Clone, Debug)]
pub struct Script {
    /// The fields, each once.
    pub(super) fields: Vec<FieldPath>,
    /// The expression.
    pub(super) term: Term,
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Constant(Owned),
    /// Index into the script's fields.
    Field(usize),
    And(Vec<Term>),
    Or(Vec<Term>),
    Not(Box<Term>),
    IsNull(Box<Term>),
    Compare(CompareOp, Box<Term>, Box<Term>),
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
    Negative(Box<Term>),
    /// One of the values is equal.
    In(Box<Term>, Vec<Term>, Case),
    /// The text passes one of the tests.
    Match(Box<Term>, Vec<Test>),
    Call(Function, Case, Vec<Term>),
}

/// A value that owns its text.
pub(super) type Owned = Val<'static>;

/// A value while an expression is worked out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Cow<'a, str>),
}

impl Val<'_> {
    /// The text, only of a text.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Str(s) => Some(Cow::Borrowed(s)),
            _ => None,
        }
    }
    /// Any value but null as text.
    pub(super) fn shown<'s>(&self) -> Option<Cow<'s, str>> {
        Some(Cow::Owned(match self {
            Self::Null => return None,
            Self::Bool(b) => b.to_string(),
            Self::Int(i) => i.to_string(),
            Self::Float(f) if f.fract() == 0.0 && f.abs() < 1e15 => format!("{f:.1}"),
            Self::Float(f) => f.to_string(),
            Self::Str(s) => s.to_string(),
        }))
    }
    pub(super) const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(i) => Some(*i),
            _ => None,
        }
    }
    pub(super) const fn float(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Float(f) => Some(*f),
            _ => None,
        }
    }
    const fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }
}

impl Script {
    /// True when the expression is true.
    pub fn holds<S: Source>(&self, source: &S) -> bool {
        let mut values: Vec<Vec<Owned>> = self.fields.iter().map(|f| load(source, f)).collect();
        let now = source.now();
        let many = values.iter().position(|v| v.len() > 1);
        let mut row: Vec<Owned> =
            values.iter_mut().map(|v| if v.is_empty() { Val::Null } else { v[0].clone() }).collect();
        let Some(many) = many else { return self.term.eval(&row, now) == Val::Bool(true) };
        std::mem::take(&mut values[many]).into_iter().any(|value| {
            row[many] = value;
            self.term.eval(&row, now) == Val::Bool(true)
        })
    }

    /// Calls `visit` with every field.
    pub fn each_field(&self, visit: &mut dyn FnMut(&FieldPath)) {
        self.fields.iter().for_each(visit);
    }
}

fn load<S: Source>(source: &S, field: &FieldPath) -> Vec<Owned> {
    let mut out = Vec::new();
    source.any(field, &mut |value| {
        match value {
            Scalar::Null => {}
            Scalar::Bool(b) => out.push(Val::Bool(b)),
            Scalar::Int(i) => out.push(Val::Int(i)),
            Scalar::Float(f) => out.push(Val::Float(f)),
            Scalar::Str(s) => out.push(Val::Str(Cow::Owned(s.to_owned()))),
        }
        out.len() >= VALUES_MAX
    });
    out
}

impl Term {
    /// The value; `row` holds one value for each field.
    pub(super) fn eval<'a>(&'a self, row: &'a [Owned], now: Time) -> Val<'a> {
        let truth = |t: Option<bool>| t.map_or(Val::Null, Val::Bool);
        match self {
            Self::Constant(c) => borrow(c),
            Self::Field(i) => row.get(*i).map_or(Val::Null, borrow),
            Self::And(parts) => {
                let mut found = Some(true);
                for part in parts {
                    match part.eval(row, now).truth() {
                        Some(true) => {}
                        Some(false) => return Val::Bool(false),
                        None => found = None,
                    }
                }
                truth(found)
            }
            Self::Or(parts) => {
                let mut found = Some(false);
                for part in parts {
                    match part.eval(row, now).truth() {
                        Some(false) => {}
                        Some(true) => return Val::Bool(true),
                        None => found = None,
                    }
                }
                truth(found)
            }
            Self::Not(inner) => truth(inner.eval(row, now).truth().map(|b| !b)),
            Self::IsNull(inner) => Val::Bool(inner.eval(row, now) == Val::Null),
            Self::Compare(op, a, b) => truth(compare(*op, &a.eval(row, now), &b.eval(row, now))),
            Self::Arithmetic(op, a, b) => function::arithmetic(*op, &a.eval(row, now), &b.eval(row, now)),
            Self::Negative(inner) => function::arithmetic(Arithmetic::Subtract, &Val::Int(0), &inner.eval(row, now)),
            Self::In(value, list, case) => {
                let value = value.eval(row, now);
                if value == Val::Null {
                    return Val::Null;
                }
                let mut found = Some(false);
                for member in list {
                    match equal(&value, &member.eval(row, now), *case) {
                        Some(true) => return Val::Bool(true),
                        Some(false) => {}
                        None => found = None,
                    }
                }
                truth(found)
            }
            Self::Match(value, tests) => match value.eval(row, now).shown() {
                Some(text) => Val::Bool(tests.iter().any(|t| t.passes(Scalar::Str(&text), now))),
                None => Val::Null,
            },
            Self::Call(function, case, arguments) => {
                let values: Vec<Val<'a>> = arguments.iter().map(|a| a.eval(row, now)).collect();
                function::call(*function, *case, &values)
            }
        }
    }
}

fn borrow<'a>(value: &'a Owned) -> Val<'a> {
    match value {
        Val::Null => Val::Null,
        Val::Bool(b) => Val::Bool(*b),
        Val::Int(i) => Val::Int(*i),
        Val::Float(f) => Val::Float(*f),
        Val::Str(s) => Val::Str(Cow::Borrowed(s)),
    }
}

fn equal(a: &Val<'_>, b: &Val<'_>, case: Case) -> Option<bool> {
    match (a, b) {
        (Val::Str(a), Val::Str(b)) => Some(case.equal(a, &case.fold(b))),
        _ => compare(CompareOp::Eq, a, b),
    }
}

/// Null when either side is null or the types do not compare.
fn compare(op: CompareOp, a: &Val<'_>, b: &Val<'_>) -> Option<bool> {
    let number = |v: &Val<'_>| match v {
        Val::Int(i) => Some(Number::Int(*i)),
        Val::Float(f) => Some(Number::Float(*f)),
        Val::Str(s) => Number::parse(s),
        Val::Null | Val::Bool(_) => None,
    };
    let order = match (a, b) {
        (Val::Null, _) | (_, Val::Null) => return None,
        (Val::Bool(a), Val::Bool(b)) => a.cmp(b),
        (Val::Str(a), Val::Str(b)) => a.cmp(b),
        (a, b) => number(a)?.order(number(b)?)?,
    };
    Some(op.holds(order))
}
