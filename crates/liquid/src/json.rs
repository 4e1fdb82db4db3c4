//! Writes values as `JSON.stringify` does: numbers in JavaScript's notation, undefined left out, times as ISO text.
//!
//! Invariants: every value written is charged to the memory limit first; recursion is bounded by the depth of values.
//! Source: ECMAScript `JSON.stringify`.

use crate::Error;
use crate::chars::quote_into;
use crate::limits::Limits;
use crate::number::float_text;
use crate::value::{LoopState, V};
use std::fmt::Write as _;
use stdx::Value;

/// JSON of `v`, or `None` where `JSON.stringify` gives undefined.
///
/// - `indent`: text for one level; empty for the compact form.
pub(crate) fn write(v: &V, indent: &str, limits: &mut Limits) -> Result<Option<String>, Error> {
    if matches!(v, V::Undef) {
        return Ok(None);
    }
    let mut writer = Writer { out: String::new(), indent, limits };
    writer.any(v, 0)?;
    Ok(Some(writer.out))
}

/// JSON of a loop's own properties.
pub(crate) fn loop_text(l: &LoopState) -> String {
    stdx::json::text(&loop_value(l))
}

/// A loop's own properties.
pub(crate) fn loop_value(l: &LoopState) -> Value {
    Value::object([
        ("i", Value::from(l.at.get())),
        ("length", Value::from(l.length)),
        ("name", Value::from(l.name.as_str())),
    ])
}

struct Writer<'a> {
    out: String,
    indent: &'a str,
    limits: &'a mut Limits,
}

impl Writer<'_> {
    fn line(&mut self, depth: usize) {
        if !self.indent.is_empty() {
            self.out.push('\n');
            for _ in 0..depth {
                self.out.push_str(self.indent);
            }
        }
    }

    fn any(&mut self, v: &V, depth: usize) -> Result<(), Error> {
        match v {
            V::Val(v) => self.value(v, depth),
            V::Undef => {
                self.out.push_str("null");
                Ok(())
            }
            V::Nil | V::Empty | V::Blank => {
                self.out.push_str("{}");
                self.limits.memory(2)
            }
            V::Loop(l) => self.value(&loop_value(l), depth),
            V::List(l) => self.list(l.items.len(), depth, |w, at| w.any(&l.items[at], depth + 1)),
            V::Map(m) => {
                let pairs: Vec<_> = m.pairs.iter().filter(|(_, v)| !matches!(v, V::Undef)).collect();
                self.map(pairs.len(), depth, |w, at| {
                    w.key(&pairs[at].0);
                    w.any(&pairs[at].1, depth + 1)
                })
            }
        }
    }

    fn value(&mut self, v: &Value, depth: usize) -> Result<(), Error> {
        let start = self.out.len();
        match v {
            Value::Null => self.out.push_str("null"),
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Int(i) => {
                let _ = write!(self.out, "{i}");
            }
            Value::Float(f) if f.is_finite() => self.out.push_str(&float_text(*f)),
            Value::Float(_) => self.out.push_str("null"),
            Value::Time(t) => {
                let _ = write!(self.out, "\"{}\"", t.iso());
            }
            Value::Str(s) => quote_into(&mut self.out, s),
            Value::Array(a) => return self.list(a.len(), depth, |w, at| w.value(&a[at], depth + 1)),
            Value::Object(o) => {
                return self.map(o.len(), depth, |w, at| match o.0.get_index(at) {
                    Some((k, v)) => {
                        w.key(k);
                        w.value(v, depth + 1)
                    }
                    None => Ok(()),
                });
            }
        }
        let written = self.out.len() - start;
        self.limits.memory(if matches!(v, Value::Str(_)) { written.saturating_sub(2) } else { written })
    }

    fn key(&mut self, key: &str) {
        quote_into(&mut self.out, key);
        self.out.push_str(if self.indent.is_empty() { ":" } else { ": " });
    }

    fn list(
        &mut self,
        len: usize,
        depth: usize,
        item: impl Fn(&mut Self, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.limits.memory(len + 1)?;
        self.container('[', ']', len, depth, item)
    }

    fn map(
        &mut self,
        len: usize,
        depth: usize,
        item: impl Fn(&mut Self, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.limits.memory(2)?;
        self.container('{', '}', len, depth, item)
    }

    fn container(
        &mut self,
        open: char,
        close: char,
        len: usize,
        depth: usize,
        item: impl Fn(&mut Self, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        for at in 0..len {
            if at > 0 {
                self.out.push(',');
            }
            self.line(depth + 1);
            item(self, at)?;
        }
        if len > 0 {
            self.line(depth);
        }
        self.out.push(close);
        Ok(())
    }
}
