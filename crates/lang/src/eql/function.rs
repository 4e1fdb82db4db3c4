//! The functions of EQL.
//!
//! Invariants: names are matched without regard to case; a null argument gives null; nothing fails: what cannot be computed is null.
//! Not here: arrays (`script`), functions turned into plain tests (`compile`).
//! Source: EQL function reference of Elasticsearch 9.

use super::Arithmetic;
use super::script::Val;
use crate::net::{Cidr, parse_ip};
use crate::pattern::{Case, fold};
use crate::predicate::Number;
use std::borrow::Cow;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `add(a, b)` and its like.
    Arithmetic(Arithmetic),
    /// `between(s, left, right[, greedy])`
    Between,
    /// `cidrMatch(ip, block, …)`
    CidrMatch,
    /// `concat(a, …)`
    Concat,
    /// `endsWith(s, suffix, …)`
    EndsWith,
    /// `indexOf(s, sub[, start])`
    IndexOf,
    /// `length(s)`
    Length,
    /// `number(s[, base])`
    Number,
    /// `startsWith(s, prefix, …)`
    StartsWith,
    /// `string(x)`
    String,
    /// `stringContains(s, sub, …)`
    StringContains,
    /// `substring(s, from[, to])`
    Substring,
}

/// A row of the table of functions.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name.
    pub name: &'static str,
    /// The function.
    pub function: Function,
    /// Fewest arguments.
    pub min: usize,
    /// Most arguments.
    pub max: usize,
    /// True when `name~` means something.
    pub folds: bool,
}

const MANY: usize = 1024;

const fn row(name: &'static str, function: Function, min: usize, max: usize, folds: bool) -> Row {
    Row { name, function, min, max, folds }
}

/// All functions, sorted by name.
pub const FUNCTIONS: &[Row] = &[
    row("add", Function::Arithmetic(Arithmetic::Add), 2, 2, false),
    row("between", Function::Between, 3, 4, true),
    row("cidrMatch", Function::CidrMatch, 2, MANY, false),
    row("concat", Function::Concat, 1, MANY, false),
    row("divide", Function::Arithmetic(Arithmetic::Divide), 2, 2, false),
    row("endsWith", Function::EndsWith, 2, MANY, true),
    row("indexOf", Function::IndexOf, 2, 3, true),
    row("length", Function::Length, 1, 1, false),
    row("modulo", Function::Arithmetic(Arithmetic::Modulo), 2, 2, false),
    row("multiply", Function::Arithmetic(Arithmetic::Multiply), 2, 2, false),
    row("number", Function::Number, 1, 2, false),
    row("startsWith", Function::StartsWith, 2, MANY, true),
    row("string", Function::String, 1, 1, false),
    row("stringContains", Function::StringContains, 2, MANY, true),
    row("substring", Function::Substring, 2, 3, false),
    row("subtract", Function::Arithmetic(Arithmetic::Subtract), 2, 2, false),
];

/// The row of a function.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    FUNCTIONS.iter().find(|r| r.name.eq_ignore_ascii_case(name))
}

/// Applies a function to values.
pub(super) fn call<'a>(function: Function, case: Case, arguments: &[Val<'a>]) -> Val<'a> {
    match function {
        Function::Arithmetic(op) => arithmetic(op, &arguments[0], &arguments[1]),
        Function::Length => arguments[0].text().map_or(Val::Null, |s| Val::Int(len(&s))),
        Function::String => arguments[0].shown().map_or(Val::Null, Val::Str),
        Function::Concat => concat(arguments),
        Function::Number => number(arguments),
        Function::CidrMatch => cidr(arguments),
        Function::Substring => substring(arguments).map_or(Val::Null, |s| Val::Str(Cow::Owned(s))),
        Function::Between => between(case, arguments).map_or(Val::Null, |s| Val::Str(Cow::Owned(s))),
        Function::IndexOf => index_of(case, arguments).map_or(Val::Null, Val::Int),
        Function::StartsWith => any(case, arguments, |s, p| s.starts_with(p)),
        Function::EndsWith => any(case, arguments, |s, p| s.ends_with(p)),
        Function::StringContains => any(case, arguments, |s, p| s.contains(p)),
    }
}

/// Length in UTF-16 units, as Java counts.
fn len(text: &str) -> i64 {
    let n = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn any(case: Case, arguments: &[Val<'_>], test: impl Fn(&str, &str) -> bool) -> Val<'static> {
    let Some((Some(subject), rest)) = arguments.split_first().map(|(s, rest)| (s.text(), rest)) else {
        return Val::Null;
    };
    let subject = case.fold(&subject);
    let mut null = false;
    for argument in rest {
        match argument.text() {
            Some(part) if test(&subject, &case.fold(&part)) => return Val::Bool(true),
            Some(_) => {}
            None => null = true,
        }
    }
    if null { Val::Null } else { Val::Bool(false) }
}

fn cidr(arguments: &[Val<'_>]) -> Val<'static> {
    let Some(address) = arguments[0].text().and_then(|t| parse_ip(&t)) else { return Val::Null };
    let hit = arguments[1..].iter().filter_map(|a| Cidr::parse(&a.text()?)).any(|c| c.contains(address));
    Val::Bool(hit)
}

fn concat(arguments: &[Val<'_>]) -> Val<'static> {
    let mut out = String::new();
    for argument in arguments {
        match argument.shown() {
            Some(text) => out.push_str(&text),
            None => return Val::Null,
        }
    }
    Val::Str(Cow::Owned(out))
}

fn number(arguments: &[Val<'_>]) -> Val<'static> {
    let Some(text) = arguments[0].text() else { return Val::Null };
    let base = match arguments.get(1) {
        None => 10,
        Some(Val::Int(base @ 2..=36)) => u32::try_from(*base).unwrap_or(10),
        Some(_) => return Val::Null,
    };
    let digits = match base {
        16 => text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(&text),
        _ => &text,
    };
    match Number::parse(digits).filter(|_| base == 10) {
        Some(Number::Int(i)) => Val::Int(i),
        Some(Number::Float(f)) => Val::Float(f),
        None if digits.starts_with("0x") => i64::from_str_radix(&digits[2..], 16).map_or(Val::Null, Val::Int),
        None => i64::from_str_radix(digits, base).map_or(Val::Null, Val::Int),
    }
}

fn substring(arguments: &[Val<'_>]) -> Option<String> {
    let text = arguments[0].text()?;
    let units: Vec<u16> = text.encode_utf16().collect();
    let n = i64::try_from(units.len()).ok()?;
    let clamp = |i: i64| if i < 0 { n.saturating_add(i).max(0) } else { i.min(n) };
    let from = clamp(arguments[1].int()?);
    let to = match arguments.get(2) {
        Some(to) => clamp(to.int()?),
        None => n,
    };
    let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
    Some(String::from_utf16_lossy(units.get(from..to.max(from)).unwrap_or_default()))
}

fn between(case: Case, arguments: &[Val<'_>]) -> Option<String> {
    let (text, left, right) = (arguments[0].text()?, arguments[1].text()?, arguments[2].text()?);
    let greedy = match arguments.get(3) {
        None => false,
        Some(Val::Bool(b)) => *b,
        Some(_) => return None,
    };
    let found = (|| {
        let start = find_in(&text, &left, 0, case)? + left.len();
        let end = if greedy { find_last(&text, &right, start, case) } else { find_in(&text, &right, start, case) }?;
        text.get(start..end)
    })();
    Some(found.unwrap_or_default().to_owned())
}

fn index_of(case: Case, arguments: &[Val<'_>]) -> Option<i64> {
    let (text, part) = (arguments[0].text()?, arguments[1].text()?);
    let from = match arguments.get(2) {
        Some(from) => usize::try_from(from.int()?.max(0)).ok()?,
        None => 0,
    };
    let byte = byte_of_unit(&text, from)?;
    let at = find_in(&text, &part, byte, case)?;
    Some(len(&text[..at]))
}

/// The byte where the `unit`-th UTF-16 unit starts.
fn byte_of_unit(text: &str, unit: usize) -> Option<usize> {
    let mut seen = 0;
    for (at, c) in text.char_indices() {
        if seen >= unit {
            return Some(at);
        }
        seen += c.len_utf16();
    }
    (seen >= unit).then_some(text.len())
}

/// First place of `part` at or after byte `from`; lower and upper case of the same byte length only.
fn find_in(text: &str, part: &str, from: usize, case: Case) -> Option<usize> {
    places(text, part, from, case).next()
}

fn find_last(text: &str, part: &str, from: usize, case: Case) -> Option<usize> {
    places(text, part, from, case).last()
}

fn places<'t>(text: &'t str, part: &'t str, from: usize, case: Case) -> impl Iterator<Item = usize> + 't {
    let part = case.fold(part);
    (from..=text.len()).filter(move |at| {
        text.get(*at..at + part.len()).is_some_and(|t| match case {
            Case::Sensitive => t == part,
            Case::Insensitive => fold(t) == part,
        })
    })
}

/// Arithmetic on numbers; whole numbers stay whole, overflow and division by zero give null.
pub(super) fn arithmetic(op: Arithmetic, a: &Val<'_>, b: &Val<'_>) -> Val<'static> {
    if let (Val::Int(a), Val::Int(b)) = (a, b) {
        let found = match op {
            Arithmetic::Add => a.checked_add(*b),
            Arithmetic::Subtract => a.checked_sub(*b),
            Arithmetic::Multiply => a.checked_mul(*b),
            Arithmetic::Divide => a.checked_div(*b),
            Arithmetic::Modulo => a.checked_rem(*b),
        };
        return found.map_or(Val::Null, Val::Int);
    }
    let (Some(a), Some(b)) = (a.float(), b.float()) else { return Val::Null };
    let found = match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a % b,
    };
    if found.is_finite() { Val::Float(found) } else { Val::Null }
}
