//! Text: cutting, joining, replacing, case, white space.
//!
//! Invariants: positions and lengths are JavaScript's (UTF-16 units or code points, each where LiquidJS uses it); pairs of units are
//! never split.

use super::arg;
use crate::chars::{is_space, trim, utf16_len};
use crate::number::Num;
use crate::render::Renderer;
use crate::value::V;
use crate::{Error, ErrorKind};
use std::cmp::Ordering;
use std::sync::Arc;
use stdx::Value;

/// The text of a value, paid for.
pub(super) fn paid(r: &mut Renderer<'_>, v: &V) -> Result<Arc<str>, Error> {
    let text = v.text(r.opts.date_text);
    r.limits.memory(text.len())?;
    Ok(text)
}

fn both(r: &mut Renderer<'_>, v: &V, args: &[V], name: &str) -> Result<(Arc<str>, Arc<str>), Error> {
    if args.len() != 1 {
        return Err(Error::new(ErrorKind::Render, format!("{name} expect 2 arguments")));
    }
    Ok((paid(r, v)?, paid(r, &args[0])?))
}
pub(super) fn append(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (left, right) = both(r, &v, args, "append")?;
    Ok(V::str([&*left, &*right].concat()))
}
pub(super) fn prepend(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (left, right) = both(r, &v, args, "prepend")?;
    Ok(V::str([&*right, &*left].concat()))
}
pub(super) fn downcase(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(paid(r, &v)?.to_lowercase()))
}
pub(super) fn upcase(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(paid(r, &v)?.to_uppercase()))
}
pub(super) fn capitalize(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    match chars.next() {
        // Beyond the basic plane JavaScript sees half a character, which has no upper case.
        Some(c) if c as u32 > 0xffff => out.push(c),
        Some(c) => out.extend(c.to_uppercase()),
        None => {}
    }
    out.push_str(&chars.as_str().to_lowercase());
    Ok(V::str(out))
}

/// The set of characters to strip, or `None` for white space.
fn strip_set(r: &mut Renderer<'_>, args: &[V]) -> Result<Option<Arc<str>>, Error> {
    match args.first() {
        Some(chars) if chars.js_truthy() => Ok(Some(paid(r, chars)?)),
        _ => Ok(None),
    }
}
fn strip_by(r: &mut Renderer<'_>, v: &V, args: &[V], left: bool, right: bool) -> Result<V, Error> {
    let text = paid(r, v)?;
    let set = strip_set(r, args)?;
    let drop = |c: char| set.as_ref().map_or_else(|| is_space(c), |set| set.contains(c));
    r.limits.operations(set.as_ref().map_or(0, |set| set.len() * text.len() / 64))?;
    let mut out = &*text;
    if left {
        out = out.trim_start_matches(drop);
    }
    if right {
        out = out.trim_end_matches(drop);
    }
    Ok(V::str(out))
}
pub(super) fn strip(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    strip_by(r, &v, args, true, true)
}
pub(super) fn lstrip(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    strip_by(r, &v, args, true, false)
}
pub(super) fn rstrip(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    strip_by(r, &v, args, false, true)
}
pub(super) fn strip_newlines(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(paid(r, &v)?.replace("\r\n", "").replace('\n', "")))
}

/// Runs of white space as one blank.
fn single_blanks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_space = false;
    for c in text.chars() {
        if !is_space(c) {
            out.push(c);
        } else if !in_space {
            out.push(' ');
        }
        in_space = is_space(c);
    }
    out
}
pub(super) fn normalize_whitespace(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(single_blanks(&paid(r, &v)?)))
}
pub(super) fn squish(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(trim(&single_blanks(&paid(r, &v)?))))
}

pub(super) fn remove(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (text, pattern) = (paid(r, &v)?, paid(r, &arg(args, 0))?);
    Ok(if pattern.is_empty() { V::str(text) } else { V::str(text.replace(&*pattern, "")) })
}
pub(super) fn remove_first(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (text, pattern) = (paid(r, &v)?, paid(r, &arg(args, 0))?);
    Ok(V::str(text.replacen(&*pattern, "", 1)))
}
pub(super) fn remove_last(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    replace_last(r, v, &[arg(args, 0), V::str("")])
}
pub(super) fn replace(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (text, pattern, with) = (paid(r, &v)?, paid(r, &arg(args, 0))?, paid(r, &arg(args, 1))?);
    let count = if pattern.is_empty() { text.chars().count() } else { text.matches(&*pattern).count() };
    r.limits.memory(count.saturating_mul(with.len()))?;
    if !pattern.is_empty() {
        return Ok(V::str(text.replace(&*pattern, &with)));
    }
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at > 0 {
            out.push_str(&with);
        }
        out.push(c);
    }
    Ok(V::str(out))
}
pub(super) fn replace_first(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (text, pattern, with) = (paid(r, &v)?, paid(r, &arg(args, 0))?, paid(r, &arg(args, 1))?);
    Ok(V::str(text.replacen(&*pattern, &with, 1)))
}
pub(super) fn replace_last(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (text, pattern, with) = (paid(r, &v)?, paid(r, &arg(args, 0))?, paid(r, &arg(args, 1))?);
    Ok(match text.rfind(&*pattern) {
        Some(at) => V::str([&text[..at], &with, &text[at + pattern.len()..]].concat()),
        None => V::str(text),
    })
}

pub(super) fn split(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (text, separator) = (paid(r, &v)?, paid(r, &arg(args, 0))?);
    let mut parts: Vec<V> = if separator.is_empty() {
        r.limits.memory(text.len() * 4)?;
        text.chars().map(|c| V::str(c.encode_utf8(&mut [0; 4]) as &str)).collect()
    } else {
        text.split(&*separator).map(V::str).collect()
    };
    while parts.last().is_some_and(|p| p.as_str() == Some("")) {
        parts.pop();
    }
    r.list(parts)
}

/// The byte position of code point `count`; the end when there are fewer.
fn advance(text: &str, count: usize) -> usize {
    text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
}
fn count(n: Num) -> usize {
    // A loop `i < n` runs ceil(n) times; NaN never.
    match n {
        Num::I(i) => usize::try_from(i).unwrap_or(0),
        Num::F(f) => f.ceil().max(0.0) as usize,
    }
}

pub(super) fn slice(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let v = v.plain();
    if v.is_nil() {
        return r.list(Vec::new());
    }
    let items = v.array();
    let text = if items.is_some() { "".into() } else { v.text(r.opts.date_text) };
    let size = items.as_ref().map_or_else(|| text.chars().count(), |i| i.len());
    let begin = arg(args, 0).number();
    let length = args.get(1).filter(|v| !matches!(v, V::Undef)).map_or(Num::I(1), V::number);
    let begin = if begin.f64() < 0.0 { Num::I(size as i64).add(begin) } else { begin };
    let negative = begin.f64() < 0.0 || length.f64() < 0.0;
    if !negative {
        r.limits.memory(count(length).min(size))?;
    }
    match items {
        Some(items) => {
            let end = begin.add(length);
            let (from, to) = if begin.is_nan() { (0, end.whole()) } else { (begin.whole(), end.whole()) };
            let (from, to) = (from.clamp(0, size as i64) as usize, to.clamp(0, size as i64) as usize);
            let range = if negative || from >= to { 0..0 } else { from..to };
            r.list(range.map(|at| items.get(at)).collect())
        }
        None if negative => Ok(V::str("")),
        None => {
            let rest = &text[advance(&text, count(begin))..];
            Ok(V::str(&rest[..advance(rest, count(length))]))
        }
    }
}

pub(super) fn truncate(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let length = args.first().filter(|v| !matches!(v, V::Undef)).map_or(Num::I(50), V::number);
    let end = match args.get(1) {
        None | Some(V::Undef) => "...".into(),
        Some(end) => paid(r, end)?,
    };
    let fits = matches!(Num::I(utf16_len(&text) as i64).compare(length), Some(Ordering::Less | Ordering::Equal));
    if fits || advance(&text, count(length)) >= text.len() {
        return Ok(v);
    }
    let keep = count(length.sub(Num::I(end.chars().count() as i64)));
    Ok(V::str([&text[..advance(&text, keep)], &*end].concat()))
}

pub(super) fn truncatewords(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let words = args.first().filter(|v| !matches!(v, V::Undef)).map_or(Num::I(15), V::number);
    let end = match args.get(1) {
        None | Some(V::Undef) => "...".into(),
        Some(end) => paid(r, end)?,
    };
    let parts = split_space(text.trim_start_matches(is_space));
    let words = if words.f64() <= 0.0 { Num::I(1) } else { words };
    let keep = usize::try_from(words.whole()).unwrap_or(0).min(parts.len());
    let mut out = parts[..keep].join(" ");
    if parts.len() as f64 >= words.f64() {
        out.push_str(&end);
    }
    Ok(V::str(out))
}

/// Splits at runs of white space; text without any is one part, also when empty.
fn split_space(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_space) {
        parts.push(&rest[..at]);
        rest = rest[at..].trim_start_matches(is_space);
    }
    parts.push(rest);
    parts
}

fn is_cjk(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{3400}'..='\u{4dbf}' | '\u{3040}'..='\u{30ff}' | '\u{ac00}'..='\u{d7af}')
}
pub(super) fn number_of_words(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let text = trim(&text);
    if text.is_empty() {
        return Ok(V::Val(Value::Int(0)));
    }
    let cjk = || {
        let single = text.chars().filter(|c| is_cjk(*c)).count();
        let words = text.split(|c| is_cjk(c) || is_space(c)).filter(|w| !w.is_empty()).count();
        single + words
    };
    let mode = arg(args, 0);
    Ok(V::int(match mode.as_str() {
        Some("cjk") => cjk(),
        Some("auto") if text.contains(is_cjk) => cjk(),
        _ => split_space(text).len(),
    }))
}
