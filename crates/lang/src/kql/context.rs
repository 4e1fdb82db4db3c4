//! KQL over the context of a workflow: plain values instead of typed fields.
//!
//! Invariants: total; a missing path makes a clause false; a bare value and a nested clause are false.
//! Not here: rendering of templates before, and `true`/`false` as whole conditions (`workflow`).
//! Source: conditions of Elastic workflows.

use super::{Ast, Literal, Node};
use crate::date::{DateMath, Round};
use crate::pattern::{Case, Wildcard};
use crate::predicate::{CompareOp, Number};
use stdx::{Time, Value};

/// Deepest array or object that a path fans out over.
const DEPTH_MAX: usize = 64;

/// Where the first key of a path is looked up.
pub trait Scope {
    /// The value of `name`, `None` when there is none.
    fn get(&self, name: &str) -> Option<Value>;
}

impl Scope for Value {
    fn get(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

impl<F: Fn(&str) -> Option<Value>> Scope for F {
    fn get(&self, name: &str) -> Option<Value> {
        self(name)
    }
}

/// Evaluates a query over the context; `now` is what date math counts from.
pub fn over_context(ast: &Ast, scope: &dyn Scope, now: Time) -> bool {
    holds(&ast.root, scope, now)
}

fn holds(node: &Node, scope: &dyn Scope, now: Time) -> bool {
    match node {
        Node::Everything => true,
        Node::And(parts) => parts.iter().all(|p| holds(p, scope, now)),
        Node::Or(parts) => parts.iter().any(|p| holds(p, scope, now)),
        Node::Not(inner) => !holds(inner, scope, now),
        Node::Is { field, value } => match test_of(value) {
            Some(test) => any(field, scope, &mut |v| test.passes(v)),
            None => false,
        },
        Node::Range { field, op, value } => {
            let literal = date_text(value.text(), *op, now);
            any(field, scope, &mut |v| in_range(v, *op, &literal))
        }
        Node::Nested { .. } | Node::Text(_) => false,
    }
}

enum Test<'a> {
    Exists,
    Equals(&'a str),
    Glob(Wildcard),
}

fn test_of(value: &Literal) -> Option<Test<'_>> {
    if value.is_star() && !value.quoted {
        return Some(Test::Exists);
    }
    match value.plain() {
        Some(_) if value.is_null() => None,
        Some(text) => Some(Test::Equals(text)),
        None => Some(Test::Glob(Wildcard::new(&value.parts, Case::Sensitive))),
    }
}

impl Test<'_> {
    fn passes(&self, value: &Value) -> bool {
        match self {
            Self::Exists => match value {
                Value::Null => false,
                // An array exists as a whole; it was given before its elements.
                _ => true,
            },
            Self::Equals(text) => match value {
                Value::Str(s) => &**s == *text,
                Value::Bool(b) => text.parse() == Ok(*b),
                Value::Int(_) | Value::Float(_) => float(text).is_some_and(|f| value.as_f64() == Some(f)),
                Value::Time(t) => t.iso() == *text,
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            },
            Self::Glob(pattern) => match value {
                Value::Null | Value::Array(_) | Value::Object(_) => false,
                other => crate::dsl::scalar_text(other).is_some_and(|t| pattern.matches(&t)),
            },
        }
    }
}

/// Reads the beginning of a text as a number, as JavaScript's `parseFloat` does.
fn float(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let mut end = 0;
    let mut seen = (false, false, false);
    for (i, c) in text.char_indices() {
        let after_exponent = i > 0 && matches!(text.as_bytes()[i - 1], b'e' | b'E');
        match c {
            '0'..='9' => {
                seen.0 = true;
                end = i + 1;
            }
            '+' | '-' if i == 0 || after_exponent => {}
            '.' if !seen.1 && !seen.2 => seen.1 = true,
            'e' | 'E' if seen.0 && !seen.2 => seen.2 = true,
            _ => break,
        }
    }
    text[..end].parse().ok()
}

/// Date math becomes ISO text, anything else stays.
fn date_text(text: String, op: CompareOp, now: Time) -> String {
    let is_math = text.starts_with("now") || text.contains("||");
    let round = if matches!(op, CompareOp::Gt | CompareOp::Le) { Round::Up } else { Round::Down };
    match DateMath::parse(&text).filter(|_| is_math) {
        Some(date) => date.resolve(now, round).iso(),
        None => text,
    }
}

fn in_range(value: &Value, op: CompareOp, literal: &str) -> bool {
    match value {
        Value::Int(_) | Value::Float(_) => {
            let (Some(v), Some(end)) = (value.as_f64(), float(literal)) else { return false };
            match (value, Number::parse(literal)) {
                (Value::Int(i), Some(end)) => Number::Int(*i).order(end).is_some_and(|o| op.holds(o)),
                _ => v.partial_cmp(&end).is_some_and(|o| op.holds(o)),
            }
        }
        Value::Str(s) => op.holds((**s).cmp(literal)),
        Value::Time(t) => op.holds(t.iso().as_str().cmp(literal)),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// True when `test` holds for a value at the path; arrays are tried as a whole, then element by element.
fn any(field: &Literal, scope: &dyn Scope, test: &mut dyn FnMut(&Value) -> bool) -> bool {
    let text = field.text();
    let keys = keys(&text);
    let Some((first, rest)) = keys.split_first() else { return false };
    scope.get(first).is_some_and(|root| walk(&root, rest, 0, test))
}

/// `a.b[0].c` as keys.
fn keys(path: &str) -> Vec<&str> {
    path.split(['.', '[']).map(|k| k.strip_suffix(']').unwrap_or(k)).filter(|k| !k.is_empty()).collect()
}

fn walk(value: &Value, keys: &[&str], depth: usize, test: &mut dyn FnMut(&Value) -> bool) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    let Some((key, rest)) = keys.split_first() else {
        return test(value) || value.as_array().is_some_and(|a| a.iter().any(|v| walk(v, keys, depth + 1, test)));
    };
    let length = |n: usize| Value::from(n);
    match value {
        Value::Object(o) => {
            if let Some(inner) = o.get(key) {
                return walk(inner, rest, depth + 1, test);
            }
            // A key that holds dots itself, as alert documents have.
            (1..keys.len())
                .any(|n| o.get(&keys[..=n].join(".")).is_some_and(|v| walk(v, &keys[n + 1..], depth + 1, test)))
        }
        Value::Array(a) => {
            if let Ok(index) = key.parse::<usize>() {
                return a.get(index).is_some_and(|v| walk(v, rest, depth + 1, test));
            }
            if rest.is_empty() && matches!(*key, "length" | "size") {
                return test(&length(a.len()));
            }
            a.iter().any(|v| matches!(v, Value::Object(_) | Value::Array(_)) && walk(v, keys, depth + 1, test))
        }
        Value::Str(s) if rest.is_empty() && matches!(*key, "length" | "size") => {
            test(&length(s.encode_utf16().count()))
        }
        _ => false,
    }
}
