//! Arithmetic; whatever is no number counts as 0.
//!
//! Invariants: whole numbers stay exact up to 64 bits; nothing here fails.

use crate::Error;
use crate::number::{self, Num};
use crate::render::Renderer;
use crate::value::V;
use std::cmp::Ordering;

/// A present argument as a number; a missing one makes the result NaN, as in JavaScript.
fn number_arg(args: &[V], at: usize) -> Num {
    args.get(at).map_or(Num::NAN, |v| v.number().or_zero())
}
fn input(v: &V) -> Num {
    v.number().or_zero()
}
fn float(v: &V, f: fn(f64) -> f64) -> Result<V, Error> {
    Ok(V::num(match input(v) {
        Num::I(i) => Num::I(i),
        Num::F(x) => Num::F(f(x)),
    }))
}

pub(super) fn abs(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::num(match input(&v) {
        Num::I(i) => i.checked_abs().map_or(Num::F((i as f64).abs()), Num::I),
        Num::F(f) => Num::F(f.abs()),
    }))
}
pub(super) fn ceil(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    float(&v, f64::ceil)
}
pub(super) fn floor(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    float(&v, f64::floor)
}
fn extreme(v: &V, args: &[V], keep: Ordering) -> V {
    let mut best = input(v);
    for at in 0..args.len() {
        let other = number_arg(args, at);
        if other.compare(best) == Some(keep) {
            best = other;
        }
    }
    V::num(best)
}
pub(super) fn at_least(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(extreme(&v, args, Ordering::Greater))
}
pub(super) fn at_most(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(extreme(&v, args, Ordering::Less))
}
pub(super) fn plus(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(V::num(input(&v).add(number_arg(args, 0))))
}
pub(super) fn minus(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(V::num(input(&v).sub(number_arg(args, 0))))
}
pub(super) fn times(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(V::num(input(&v).mul(number_arg(args, 0))))
}
pub(super) fn modulo(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(V::num(input(&v).modulo(number_arg(args, 0))))
}
pub(super) fn divided_by(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let quotient = input(&v).div(number_arg(args, 0));
    let whole = args.get(1).is_some_and(|v| v.number().or_zero().f64() != 0.0);
    Ok(V::num(match quotient {
        Num::F(f) if whole => Num::F(f.floor()),
        other => other,
    }))
}

/// Rounds half away from zero on the decimal text, so that 1.005 to two places is 1.01.
pub(super) fn round(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let value = input(&v);
    let places = args.first().filter(|v| !matches!(v, V::Undef)).map_or(Num::I(0), |v| v.number().or_zero());
    let scaled = shift_decimal(Num::F(value.f64().abs()), places.f64());
    if scaled.is_nan() || scaled.f64() > 9_007_199_254_740_991.0 {
        return Ok(V::num(value));
    }
    let rounded = shift_decimal(Num::F((scaled.f64() + 0.5).floor()), -places.f64());
    Ok(V::num(if value.f64() < 0.0 { Num::F(-rounded.f64()) } else { rounded }))
}

fn shift_decimal(n: Num, places: f64) -> Num {
    let text = number::float_text(n.f64());
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power = number::parse(power).f64() + places;
    number::parse(&format!("{mantissa}e{}", number::float_text(power)))
}
