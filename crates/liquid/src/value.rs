//! The values that templates compute with: JSON values plus undefined, the literals `nil empty blank`, loops and lists that hold them.
//!
//! Invariants: cloning is O(1); lists and maps made by a template know their depth, which never passes `VALUE_DEPTH_MAX`, so every
//! recursion over a value is bounded.
//! Not here: filters (`filters`), writing JSON (`json`).
//! Source: LiquidJS 10.30 over ECMAScript's coercions, both measured.

use crate::chars::utf16_len;
use crate::number::{self, Num};
use crate::{DateText, date, json};
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use stdx::Value;

/// Deepest nesting of lists that templates themselves build.
pub(crate) const VALUE_DEPTH_MAX: usize = 100;

/// A value during rendering.
#[derive(Clone, Debug)]
pub(crate) enum V {
    /// Absent.
    Undef,
    /// The literal `nil` or `null`.
    Nil,
    /// The literal `empty`.
    Empty,
    /// The literal `blank`.
    Blank,
    /// The variable `forloop`.
    Loop(Rc<LoopState>),
    /// A list made by a filter.
    List(Rc<List>),
    /// A map made by a filter.
    Map(Rc<Map>),
    /// Anything of the context.
    Val(Value),
}

/// The state behind `forloop`.
#[derive(Debug)]
pub(crate) struct LoopState {
    pub(crate) at: Cell<usize>,
    pub(crate) length: usize,
    pub(crate) name: String,
}

/// A list and the depth of its nesting.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) items: Vec<V>,
    depth: usize,
}

/// A map and the depth of its nesting.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) pairs: Vec<(Arc<str>, V)>,
    depth: usize,
}

fn depth_of(v: &V) -> usize {
    match v {
        V::List(l) => l.depth,
        V::Map(m) => m.depth,
        _ => 0,
    }
}

/// The elements of a value seen as a list.
pub(crate) enum Items {
    Values(Arc<Vec<Value>>),
    List(Rc<List>),
    One(V),
    None,
}

impl Items {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Values(a) => a.len(),
            Self::List(l) => l.items.len(),
            Self::One(_) => 1,
            Self::None => 0,
        }
    }
    pub(crate) fn get(&self, at: usize) -> V {
        match self {
            Self::Values(a) => a.get(at).map_or(V::Undef, |v| V::Val(v.clone())),
            Self::List(l) => l.items.get(at).cloned().unwrap_or(V::Undef),
            Self::One(v) if at == 0 => v.clone(),
            Self::One(_) | Self::None => V::Undef,
        }
    }
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = V> + ExactSizeIterator {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl V {
    pub(crate) fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Val(Value::Str(text.into()))
    }
    pub(crate) fn bool(b: bool) -> Self {
        Self::Val(Value::Bool(b))
    }
    pub(crate) fn int(i: usize) -> Self {
        Self::Val(Value::from(i))
    }
    pub(crate) fn num(n: Num) -> Self {
        Self::Val(n.value())
    }
    /// A list; `None` when it would nest too deeply.
    pub(crate) fn list(items: Vec<V>) -> Option<Self> {
        let depth = 1 + items.iter().map(depth_of).max().unwrap_or(0);
        (depth <= VALUE_DEPTH_MAX).then(|| Self::List(Rc::new(List { items, depth })))
    }
    /// A map; `None` when it would nest too deeply.
    pub(crate) fn map(pairs: Vec<(Arc<str>, V)>) -> Option<Self> {
        let depth = 1 + pairs.iter().map(|(_, v)| depth_of(v)).max().unwrap_or(0);
        (depth <= VALUE_DEPTH_MAX).then(|| Self::Map(Rc::new(Map { pairs, depth })))
    }
    /// The literals and `forloop` as plain values; everything else unchanged.
    pub(crate) fn plain(self) -> Self {
        match self {
            Self::Nil => Self::Val(Value::Null),
            Self::Empty | Self::Blank => Self::str(""),
            Self::Loop(l) => Self::str(json::loop_text(&l)),
            other => other,
        }
    }
    /// True for undefined and a null value (not for the literal `nil`, see [`V::plain`]).
    pub(crate) fn is_nil(&self) -> bool {
        matches!(self, Self::Undef | Self::Val(Value::Null))
    }
    /// Liquid's truth: everything but undefined, null and false.
    pub(crate) fn truthy(&self) -> bool {
        !matches!(self, Self::Undef | Self::Nil | Self::Val(Value::Null | Value::Bool(false)))
    }
    /// JavaScript's truth: also 0, NaN and empty text are false; the literals are objects and so true.
    pub(crate) fn js_truthy(&self) -> bool {
        match self {
            Self::Undef | Self::Val(Value::Null | Value::Bool(false) | Value::Int(0)) => false,
            Self::Val(Value::Float(f)) => *f != 0.0 && !f.is_nan(),
            Self::Val(Value::Str(s)) => !s.is_empty(),
            _ => true,
        }
    }
    /// The text, if this is text.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Val(Value::Str(s)) => Some(s),
            _ => None,
        }
    }
    /// The elements, if this is a list.
    pub(crate) fn array(&self) -> Option<Items> {
        match self {
            Self::Val(Value::Array(a)) => Some(Items::Values(Arc::clone(a))),
            Self::List(l) => Some(Items::List(Rc::clone(l))),
            _ => None,
        }
    }
    /// A list as it is, nothing as no element, anything else as one element.
    pub(crate) fn to_array(&self) -> Items {
        let plain = self.clone().plain();
        match plain.array() {
            Some(items) => items,
            None if plain.is_nil() => Items::None,
            None => Items::One(plain),
        }
    }
    /// What `for` walks over: a list, non-empty text as one element, the pairs of an object.
    pub(crate) fn to_enumerable(&self) -> Items {
        let plain = self.clone().plain();
        if let Some(items) = plain.array() {
            return items;
        }
        let pair = |k: &Arc<str>, v: V| V::list(vec![V::str(Arc::clone(k)), v]).unwrap_or(V::Undef);
        let pairs: Vec<V> = match &plain {
            V::Val(Value::Str(s)) if !s.is_empty() => return Items::One(plain),
            V::Val(Value::Object(o)) => o.iter().map(|(k, v)| pair(k, V::Val(v.clone()))).collect(),
            V::Map(m) => m.pairs.iter().map(|(k, v)| pair(k, v.clone())).collect(),
            _ => Vec::new(),
        };
        match V::list(pairs).as_ref().and_then(V::array) {
            Some(items) => items,
            None => Items::None,
        }
    }

    /// The text that printing gives: lists without separators, null as nothing.
    pub(crate) fn text(&self, dates: DateText) -> Arc<str> {
        if let Self::Val(Value::Str(s)) = self {
            return Arc::clone(s);
        }
        let mut out = String::new();
        self.write_text(&mut out, dates);
        out.into()
    }
    /// [`V::text`] appended to `out`.
    pub(crate) fn write_text(&self, out: &mut String, dates: DateText) {
        match self {
            Self::Undef | Self::Nil | Self::Empty | Self::Blank => {}
            Self::Loop(l) => out.push_str(&json::loop_text(l)),
            Self::List(l) => l.items.iter().for_each(|v| v.write_text(out, dates)),
            Self::Map(_) => out.push_str("[object Object]"),
            Self::Val(v) => write_value_text(v, out, dates),
        }
    }
    /// JavaScript's `String(x)`: lists joined by commas, null by its name.
    pub(crate) fn js_text(&self, dates: DateText) -> Arc<str> {
        match self {
            Self::Undef => "undefined".into(),
            Self::Val(Value::Null) => "null".into(),
            Self::Nil | Self::Empty | Self::Blank | Self::Loop(_) => "[object Object]".into(),
            Self::List(_) | Self::Val(Value::Array(_)) => self.join(",", dates).into(),
            _ => self.text(dates),
        }
    }
    /// JavaScript's `join` of a list: null and undefined as nothing.
    pub(crate) fn join(&self, separator: &str, dates: DateText) -> String {
        join(&self.to_array(), separator, dates)
    }

    /// JavaScript's `Number(x)`.
    pub(crate) fn number(&self) -> Num {
        match self {
            Self::Undef | Self::Map(_) | Self::Loop(_) => Num::NAN,
            Self::Nil | Self::Empty | Self::Blank => Num::I(0),
            Self::List(_) => number::parse(&self.js_text(DateText::Js)),
            Self::Val(v) => match v {
                Value::Null => Num::I(0),
                Value::Bool(b) => Num::I((*b).into()),
                Value::Int(i) => Num::I(*i),
                Value::Float(f) => Num::F(*f),
                Value::Time(t) => Num::I(t.ms()),
                Value::Str(s) => number::parse(s),
                Value::Array(_) => number::parse(&self.js_text(DateText::Js)),
                Value::Object(_) => Num::NAN,
            },
        }
    }

    /// `self == other` of a template.
    pub(crate) fn equals(&self, other: &V) -> bool {
        match (self, other) {
            (Self::Nil, x) => x.clone().plain().is_nil(),
            (Self::Blank, x) => is_blank(x),
            (Self::Empty, x) => is_empty(x),
            (x, Self::Nil) => x.clone().plain().is_nil(),
            (x, Self::Blank) => is_blank(x),
            (x, Self::Empty) => is_empty(x),
            _ => {
                let (l, r) = (self.clone().plain(), other.clone().plain());
                match (l.array(), r.array()) {
                    (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(&b)),
                    (Some(_), None) => false,
                    _ => l.identical(&r),
                }
            }
        }
    }
    /// JavaScript's `===`: objects by identity.
    pub(crate) fn identical(&self, other: &V) -> bool {
        match (self, other) {
            (Self::Undef, Self::Undef)
            | (Self::Nil, Self::Nil)
            | (Self::Empty, Self::Empty)
            | (Self::Blank, Self::Blank) => true,
            (Self::Loop(a), Self::Loop(b)) => Rc::ptr_eq(a, b),
            (Self::List(a), Self::List(b)) => Rc::ptr_eq(a, b),
            (Self::Map(a), Self::Map(b)) => Rc::ptr_eq(a, b),
            (Self::Val(a), Self::Val(b)) => match (a, b) {
                (Value::Array(a), Value::Array(b)) => Arc::ptr_eq(a, b),
                (Value::Object(a), Value::Object(b)) => Arc::ptr_eq(a, b),
                _ => a == b,
            },
            _ => false,
        }
    }
    /// The order of two values for `<` and its kin; `None` when they do not compare.
    pub(crate) fn compare(&self, other: &V, dates: DateText) -> Option<Ordering> {
        match (self.primitive_text(dates), other.primitive_text(dates)) {
            (Some(a), Some(b)) => Some(compare_text(&a, &b)),
            (Some(a), None) => number::parse(&a).compare(other.number()),
            (None, Some(b)) => self.number().compare(number::parse(&b)),
            (None, None) => self.number().compare(other.number()),
        }
    }
    fn primitive_text(&self, dates: DateText) -> Option<Arc<str>> {
        match self {
            Self::Val(Value::Str(s)) => Some(Arc::clone(s)),
            Self::List(_) | Self::Map(_) | Self::Val(Value::Array(_) | Value::Object(_)) => Some(self.js_text(dates)),
            _ => None,
        }
    }

    /// `self[key]` of a template.
    pub(crate) fn property(&self, key: &V) -> V {
        let key = key.clone().plain();
        if self.is_nil() {
            return self.clone();
        }
        if let (Some(items), V::Val(Value::Int(at))) = (self.array(), &key) {
            return element(&items, *at);
        }
        let name = key.js_text(DateText::Iso);
        self.member(&name)
    }
    /// `self.name` of a template.
    pub(crate) fn member(&self, name: &str) -> V {
        match self {
            _ if self.is_nil() => self.clone(),
            Self::Undef | Self::Nil | Self::Empty | Self::Blank => V::Undef,
            Self::Loop(l) => loop_member(l, name),
            _ => {
                if let Some(own) = self.own(name) {
                    return own;
                }
                match (name, self) {
                    ("size", Self::Val(Value::Str(s))) => V::int(utf16_len(s)),
                    ("size", Self::Val(Value::Object(o))) => V::int(o.len()),
                    ("size", Self::Map(m)) => V::int(m.pairs.len()),
                    ("size", Self::Val(Value::Time(_))) => V::int(0),
                    ("size" | "first" | "last", _) => match (self.array(), name) {
                        (Some(items), "size") => V::int(items.len()),
                        (Some(items), "first") => element(&items, 0),
                        (Some(items), _) => element(&items, -1),
                        (None, _) => V::Undef,
                    },
                    _ => V::Undef,
                }
            }
        }
    }
    /// The value's own property, without the pseudo-properties.
    pub(crate) fn own(&self, name: &str) -> Option<V> {
        match self {
            Self::Val(Value::Object(o)) => o.get(name).map(|v| V::Val(v.clone())),
            Self::Map(m) => m.pairs.iter().find(|(k, _)| &**k == name).map(|(_, v)| v.clone()),
            Self::Val(Value::Str(s)) => match name {
                "length" => Some(V::int(utf16_len(s))),
                _ => index_name(name).and_then(|at| unit(s, at)).map(V::str),
            },
            _ => {
                let items = self.array()?;
                match name {
                    "length" => Some(V::int(items.len())),
                    _ => index_name(name).filter(|at| *at < items.len()).map(|at| items.get(at)),
                }
            }
        }
    }

    /// The value for the world outside; `None` for undefined.
    ///
    /// - `strict`: the literals become `{}`, which is what LiquidJS hands out, instead of null and empty text.
    pub(crate) fn into_value(self, strict: bool) -> Option<Value> {
        match self {
            Self::Undef => None,
            Self::Val(v) => Some(v),
            Self::Nil | Self::Empty | Self::Blank if strict => Some(Value::Object(Arc::default())),
            Self::Nil | Self::Empty | Self::Blank => self.plain().into_value(strict),
            Self::Loop(ref l) => Some(json::loop_value(l)),
            Self::List(l) => {
                Some(Value::array(l.items.iter().map(|v| v.clone().into_value(strict).unwrap_or(Value::Null))))
            }
            Self::Map(m) => Some(Value::object(
                m.pairs.iter().filter_map(|(k, v)| Some((Arc::clone(k), v.clone().into_value(strict)?))),
            )),
        }
    }
}

fn write_value_text(v: &Value, out: &mut String, dates: DateText) {
    match v {
        Value::Null => {}
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => {
            let _ = write!(out, "{i}");
        }
        Value::Float(f) => out.push_str(&number::float_text(*f)),
        Value::Time(t) => out.push_str(&date::text(*t, dates)),
        Value::Str(s) => out.push_str(s),
        Value::Array(a) => a.iter().for_each(|v| write_value_text(v, out, dates)),
        Value::Object(_) => out.push_str("[object Object]"),
    }
}

/// JavaScript's `join`.
pub(crate) fn join(items: &Items, separator: &str, dates: DateText) -> String {
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        if !item.is_nil() {
            out.push_str(&item.js_text(dates));
        }
    }
    out
}

/// The element at `at`, counted from the end when negative.
pub(crate) fn element(items: &Items, at: i64) -> V {
    let at = if at < 0 { items.len() as i64 + at } else { at };
    usize::try_from(at).map_or(V::Undef, |at| items.get(at))
}

/// The character at UTF-16 position `at`.
pub(crate) fn unit(text: &str, at: usize) -> Option<String> {
    if text.is_ascii() {
        return text.get(at..=at).map(str::to_string);
    }
    let unit = text.encode_utf16().nth(at)?;
    Some(String::from_utf16_lossy(&[unit]))
}

fn index_name(name: &str) -> Option<usize> {
    let canonical = name == "0" || (!name.starts_with('0') && name.bytes().all(|b| b.is_ascii_digit()));
    if canonical { name.parse().ok() } else { None }
}

fn loop_member(l: &LoopState, name: &str) -> V {
    let at = l.at.get();
    match name {
        "index" => V::int(at + 1),
        "index0" | "i" => V::int(at),
        "rindex" => V::num(Num::I(l.length as i64 - at as i64)),
        "rindex0" => V::num(Num::I(l.length as i64 - at as i64 - 1)),
        "first" => V::bool(at == 0),
        "last" => V::bool(at + 1 == l.length),
        "length" => V::int(l.length),
        "name" => V::str(l.name.as_str()),
        _ => V::Undef,
    }
}

fn is_empty(v: &V) -> bool {
    match v {
        V::Empty | V::Blank | V::Undef => false,
        V::Val(Value::Str(s)) => s.is_empty(),
        V::Val(Value::Object(o)) => o.is_empty(),
        V::Map(m) => m.pairs.is_empty(),
        V::Val(Value::Time(_)) => true,
        _ => v.array().is_some_and(|items| items.len() == 0),
    }
}

fn is_blank(v: &V) -> bool {
    match v {
        V::Undef | V::Nil | V::Val(Value::Null | Value::Bool(false)) => true,
        V::Val(Value::Str(s)) => s.chars().all(crate::chars::is_space),
        _ => is_empty(v),
    }
}

/// Order by UTF-16 units, as JavaScript compares text.
pub(crate) fn compare_text(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}
