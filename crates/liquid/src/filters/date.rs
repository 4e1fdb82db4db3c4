//! The date filters; what is no date comes back unchanged.
//!
//! Invariants: `now` and `today` are the time of the options, never a clock.

use super::arg;
use crate::date::{Shown, Zone, clip};
use crate::render::Renderer;
use crate::value::V;
use crate::{Error, date_parse};
use std::sync::Arc;
use stdx::Value;

/// Format of `date` without an argument.
const DEFAULT_FORMAT: &str = "%A, %B %-e, %Y at %-l:%M %P %z";

fn read(r: &mut Renderer<'_>, v: &V, zone: &V) -> Result<Option<Shown>, Error> {
    let v = v.clone().plain();
    if v.is_nil() {
        return Ok(None);
    }
    let ms = match &v {
        V::Val(Value::Str(s)) if matches!(&**s, "now" | "today") => Some(r.opts.now.ms()),
        V::Val(Value::Str(s)) if !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) => {
            clip(v.number().f64() * 1000.0)
        }
        V::Val(Value::Int(_) | Value::Float(_)) => clip(v.number().f64() * 1000.0),
        V::Val(Value::Bool(b)) => Some((*b).into()),
        V::Val(Value::Time(t)) => Some(t.ms()),
        _ => {
            let text = v.js_text(r.opts.date_text);
            r.limits.memory(text.len())?;
            date_parse::parse(&text)
        }
    };
    // A zone that does not exist is only noticed where there is a date to show.
    let Some(ms) = ms else { return Ok(None) };
    let zone = match (Zone::of(zone)?, &r.opts.timezone) {
        (Zone::Default, Some(name)) => Zone::named(name)?,
        (zone, _) => zone,
    };
    Ok(Shown::new(ms, &zone))
}
fn format(r: &mut Renderer<'_>, v: V, zone: &V, format: &str) -> Result<V, Error> {
    match read(r, &v, zone)? {
        Some(date) => Ok(V::str(date.strftime(format, &mut r.limits)?)),
        None => Ok(v),
    }
}
pub(super) fn date(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let wanted = arg(args, 0).plain();
    let text: Arc<str> = if wanted.is_nil() { DEFAULT_FORMAT.into() } else { wanted.text(r.opts.date_text) };
    r.limits.memory(text.len())?;
    format(r, v, &arg(args, 1), &text)
}
pub(super) fn date_to_xmlschema(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    format(r, v, &V::Undef, "%Y-%m-%dT%H:%M:%S%:z")
}
pub(super) fn date_to_rfc822(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    format(r, v, &V::Undef, "%a, %d %b %Y %H:%M:%S %z")
}
fn spoken(r: &mut Renderer<'_>, v: V, args: &[V], month: &str) -> Result<V, Error> {
    let Some(date) = read(r, &v, &V::Undef)? else { return Ok(v) };
    let day = date.day();
    let text = if arg(args, 0).as_str() != Some("ordinal") {
        format!("%d {month} %Y")
    } else if arg(args, 1).as_str() == Some("US") {
        format!("{month} {day}%q, %Y")
    } else {
        format!("{day}%q {month} %Y")
    };
    Ok(V::str(date.strftime(&text, &mut r.limits)?))
}
pub(super) fn date_to_string(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    spoken(r, v, args, "%b")
}
pub(super) fn date_to_long_string(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    spoken(r, v, args, "%B")
}
