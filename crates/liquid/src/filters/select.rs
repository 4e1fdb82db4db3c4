//! Choosing and grouping elements, by property or by expression.
//!
//! Invariants: an expression in a filter is parsed at render time, its nesting is bounded by `EXPRESSION_DEPTH_MAX`.

use super::arg;
use super::array::{Key, key};
use crate::ast::{Filtered, Operand};
use crate::render::Renderer;
use crate::scan::Scanner;
use crate::value::{Items, V};
use crate::{Error, parse};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::Value;

/// The path that a property argument names.
fn property(r: &mut Renderer<'_>, args: &[V]) -> Result<Option<Operand>, Error> {
    let text = arg(args, 0).text(r.opts.date_text);
    r.limits.memory(text.len())?;
    Scanner::whole(&text).scope_value()
}
fn value_of(r: &mut Renderer<'_>, path: &Option<Operand>, item: &V) -> Result<V, Error> {
    r.limits.operations(1)?;
    match path {
        Some(path) => r.within(item.clone(), path),
        None => Ok(V::Undef),
    }
}
fn matches(value: &V, expected: &V) -> bool {
    match expected {
        V::Undef => value.clone().plain().truthy(),
        expected => value.equals(expected),
    }
}
fn by_property(r: &mut Renderer<'_>, v: &V, args: &[V], include: bool) -> Result<V, Error> {
    let items = v.to_array();
    let path = property(r, args)?;
    let expected = arg(args, 1);
    let mut out = Vec::new();
    for item in items.iter() {
        if matches(&value_of(r, &path, &item)?, &expected) == include {
            out.push(item);
        }
    }
    r.list(out)
}
pub(super) fn where_(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    by_property(r, &v, args, true)
}
pub(super) fn reject(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    by_property(r, &v, args, false)
}

/// An expression over each element.
struct PerItem {
    name: Arc<str>,
    text: Arc<str>,
    expression: Filtered,
}

impl PerItem {
    fn new(r: &mut Renderer<'_>, args: &[V]) -> Result<Self, Error> {
        let name = arg(args, 0).plain().js_text(r.opts.date_text);
        let text = arg(args, 1).text(r.opts.date_text);
        r.limits.memory(text.len())?;
        let expression = parse::expression(&text).map_err(Error::without_span)?;
        Ok(Self { name, text, expression })
    }
    fn of(&self, r: &mut Renderer<'_>, item: V) -> Result<V, Error> {
        r.limits.operations(1)?;
        r.with_item(&self.name, item, &self.text, &self.expression)
    }
}
fn by_expression(r: &mut Renderer<'_>, v: &V, args: &[V], include: bool) -> Result<V, Error> {
    let each = PerItem::new(r, args)?;
    let mut out = Vec::new();
    for item in v.to_array().iter() {
        if matches!(each.of(r, item.clone())?, V::Val(Value::Bool(b)) if b == include) {
            out.push(item);
        }
    }
    r.list(out)
}
pub(super) fn where_exp(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    by_expression(r, &v, args, true)
}
pub(super) fn reject_exp(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    by_expression(r, &v, args, false)
}

fn search(r: &mut Renderer<'_>, v: &V, args: &[V]) -> Result<Option<(usize, V)>, Error> {
    let path = property(r, args)?;
    let expected = arg(args, 1);
    for (at, item) in v.to_array().iter().enumerate() {
        if matches(&value_of(r, &path, &item)?, &expected) {
            return Ok(Some((at, item)));
        }
    }
    Ok(None)
}
fn search_exp(r: &mut Renderer<'_>, v: &V, args: &[V]) -> Result<Option<(usize, V)>, Error> {
    let each = PerItem::new(r, args)?;
    for (at, item) in v.to_array().iter().enumerate() {
        if each.of(r, item.clone())?.js_truthy() {
            return Ok(Some((at, item)));
        }
    }
    Ok(None)
}
pub(super) fn has(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(V::bool(search(r, &v, args)?.is_some()))
}
pub(super) fn has_exp(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(V::bool(search_exp(r, &v, args)?.is_some()))
}
pub(super) fn find(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(search(r, &v, args)?.map_or(V::Undef, |(_, item)| item))
}
pub(super) fn find_exp(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(search_exp(r, &v, args)?.map_or(V::Undef, |(_, item)| item))
}
pub(super) fn find_index(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(search(r, &v, args)?.map_or(V::Undef, |(at, _)| V::int(at)))
}
pub(super) fn find_index_exp(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    Ok(search_exp(r, &v, args)?.map_or(V::Undef, |(at, _)| V::int(at)))
}

fn grouped(
    r: &mut Renderer<'_>,
    items: &Items,
    mut name_of: impl FnMut(&mut Renderer<'_>, V) -> Result<V, Error>,
) -> Result<V, Error> {
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    let mut groups: Vec<(V, Vec<V>)> = Vec::new();
    for item in items.iter() {
        let name = name_of(r, item.clone())?;
        let at = *places.entry(key(&name)).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(item);
    }
    let mut out = Vec::with_capacity(groups.len());
    for (name, members) in groups {
        let members = r.list(members)?;
        out.push(r.map(vec![("name".into(), name), ("items".into(), members)])?);
    }
    r.list(out)
}
pub(super) fn group_by(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let path = property(r, args)?;
    grouped(r, &v.to_enumerable(), |r, item| value_of(r, &path, &item))
}
pub(super) fn group_by_exp(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let each = PerItem::new(r, args)?;
    grouped(r, &v.to_enumerable(), |r, item| each.of(r, item))
}
