//! `data.map`, `data.filter` and `data.find`: one expression per item of a list.
//!
//! Invariants: `fields` and `condition` are rendered once per item, with `item` and `index` beside the whole context; at most
//! [`ITEMS_MAX`] items, `$map` at most [`DEPTH_MAX`] deep.
//! Not here: grouping and joining (`data_aggregate`, `data_join`).
//! Source: `reference/workflow-steps.md` §9.2–9.4.

use super::{ITEMS_MAX, Next, StepCx, StepMeta, StepType};
use crate::condition::Condition;
use crate::core::{Class, Fault};
use crate::template::{Params, Root};
use std::borrow::Cow;
use std::sync::Arc;
use stdx::{Object, Value};

/// Deepest `fields`.
const DEPTH_MAX: usize = 10;

/// The step types.
#[derive(Debug)]
pub(super) struct DataItems {
    meta: &'static StepMeta,
    run: fn(&StepCx<'_>, &Value) -> Result<Value, Fault>,
    unrendered: &'static [&'static str],
}
pub(super) static MAP: DataItems = DataItems { meta: &MAP_META, run: map, unrendered: &["fields"] };
pub(super) static FILTER: DataItems = DataItems { meta: &FILTER_META, run: filter, unrendered: &["condition"] };
pub(super) static FIND: DataItems = DataItems { meta: &FIND_META, run: find, unrendered: &["condition"] };

static MAP_META: StepMeta = StepMeta {
    name: "data.map",
    title: "Shape items",
    description: "makes a new object of each item; `$map` shapes lists inside",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","required":["fields"],"additionalProperties":false,"properties":{"fields":{"type":"object","description":"members of the new object; templates read `item` and `index`"}}}"#,
    output: r#"{"description":"a list of objects; one object where `items` is one","type":["array","object"]}"#,
    connectors: &[],
    config: &["items"],
    example: "- name: slim\n  type: data.map\n  items: \"${{ event.alerts }}\"\n  with:\n    fields: { id: \"${{ item._id }}\", n: \"${{ index }}\" }\n",
};
static FILTER_META: StepMeta = StepMeta {
    name: "data.filter",
    title: "Keep items",
    description: "keeps the items for which a condition holds",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","required":["condition"],"additionalProperties":false,"properties":{"condition":{"type":"string","description":"KQL over `item` and `index`"},"limit":{"type":"integer","description":"stops after so many"}}}"#,
    output: r#"{"type":"array"}"#,
    connectors: &[],
    config: &["items"],
    example: "- name: loud\n  type: data.filter\n  items: \"${{ event.alerts }}\"\n  with:\n    condition: \"item.severity: high\"\n",
};
static FIND_META: StepMeta = StepMeta {
    name: "data.find",
    title: "Find an item",
    description: "gives the first item for which a condition holds, with its index",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","additionalProperties":false,"properties":{"condition":{"type":"string","description":"KQL over `item` and `index`; without one the first item"},"errorIfEmpty":{"type":"boolean"}}}"#,
    output: r#"{"type":"object","properties":{"item":{},"index":{"type":["integer","null"]}}}"#,
    connectors: &[],
    config: &["items"],
    example: "- name: first\n  type: data.find\n  items: \"${{ event.alerts }}\"\n  with:\n    condition: \"item.severity: critical\"\n",
};

impl StepType for DataItems {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn unrendered(&self) -> &'static [&'static str] {
        self.unrendered
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        match (self.run)(cx, &params) {
            Ok(v) => Next::Done(v),
            Err(fault) => Next::Fail(fault),
        }
    }
}

/// The context of one item.
fn with_item(root: &Root, names: (&str, &str), item: &Value, index: usize) -> Root {
    let mut root = root.clone();
    if let Some(o) = root.value.object_mut() {
        o.insert(names.0, item.clone());
        o.insert(names.1, index);
    }
    root
}

fn items_of(cx: &StepCx<'_>) -> Value {
    super::list_like(cx.config.get("items").cloned().unwrap_or_default())
}

fn list(cx: &StepCx<'_>) -> Result<Value, Fault> {
    match items_of(cx) {
        Value::Array(a) if a.len() > ITEMS_MAX => Err(super::too_many(a.len())),
        Value::Array(a) => Ok(Value::Array(a)),
        other => Err(super::error(format!("Expected items to be an array, but received {}", super::js_type(&other)))),
    }
}

fn map(cx: &StepCx<'_>, _params: &Value) -> Result<Value, Fault> {
    let fields = match cx.written.member("fields") {
        Some(crate::template::Member::Const(v)) => Shape::Value(v),
        Some(crate::template::Member::Templated(p)) => Shape::Params(p),
        None => return Err(super::invalid("`data.map` needs `with.fields`".into())),
    };
    let one = |item: &Value, index: usize| -> Result<Value, Fault> {
        let root = with_item(cx.root, ("item", "index"), item, index);
        Ok(expand(fields, &root, 0)?.unwrap_or_default())
    };
    match items_of(cx) {
        Value::Null => Err(super::error("Items cannot be null or undefined. Please provide an array or an object")),
        Value::Array(a) if a.len() > ITEMS_MAX => Err(super::too_many(a.len())),
        Value::Array(a) => {
            let mut out = Vec::with_capacity(a.len());
            for (i, item) in a.iter().enumerate() {
                out.push(one(item, i)?);
            }
            Ok(Value::from(out))
        }
        item @ Value::Object(_) => one(&item, 0),
        other => Err(super::error(format!(
            "Expected items to be an array or object, but received {}",
            super::js_type(&other)
        ))),
    }
}

/// A part of `fields`: compiled where it holds a template, else as it is.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Params(&'a Params),
    Value(&'a Value),
}

impl<'a> Shape<'a> {
    fn members(self) -> Option<Vec<(&'a Arc<str>, Shape<'a>)>> {
        match self {
            Self::Params(Params::Object(m)) => Some(m.iter().map(|(k, p)| (k, Self::of(p))).collect()),
            Self::Params(Params::Const(v)) | Self::Value(v) => {
                v.as_object().map(|o| o.iter().map(|(k, v)| (k, Self::Value(v))).collect())
            }
            Self::Params(_) => None,
        }
    }
    const fn of(params: &'a Params) -> Self {
        match params {
            Params::Const(v) => Self::Value(v),
            p => Self::Params(p),
        }
    }
    fn render(self, root: &Root) -> Result<Option<Value>, Fault> {
        match self {
            Self::Params(p) => p.eval(root).map_err(super::error),
            Self::Value(v) => Ok(Some(v.clone())),
        }
    }
}

/// Renders a part of `fields`; a member that gives undefined disappears.
fn expand(shape: Shape<'_>, root: &Root, depth: usize) -> Result<Option<Value>, Fault> {
    if depth > DEPTH_MAX {
        return Err(super::error(format!("`fields` are nested more than {DEPTH_MAX} deep")));
    }
    if let Shape::Params(Params::Array(items)) = shape {
        let mut out = Vec::with_capacity(items.len());
        for p in items {
            out.push(expand(Shape::of(p), root, depth + 1)?.unwrap_or_default());
        }
        return Ok(Some(Value::from(out)));
    }
    let Some(members) = shape.members() else { return shape.render(root) };
    let Some((_, directive)) = members.iter().find(|(k, _)| &***k == "$map") else {
        return object(members.iter().copied(), root, depth).map(Some);
    };
    let directive = directive.render(root)?.unwrap_or_default();
    let name = |key: &str, default: &'static str| -> Result<Cow<'_, str>, Fault> {
        match directive.get(key).and_then(Value::as_str) {
            None => Ok(Cow::Borrowed(default)),
            Some(s) if identifier(s) => Ok(Cow::Owned(s.to_owned())),
            Some(s) => Err(super::error(format!("`{s}` is not a name for `$map.{key}`"))),
        }
    };
    let (item_name, index_name) = (name("item", "item")?, name("index", "index")?);
    let items = super::list_like(directive.get("items").cloned().unwrap_or_default());
    // Anything but a list gives an empty one.
    let items = items.as_array().unwrap_or_default();
    if items.len() > ITEMS_MAX {
        return Err(super::too_many(items.len()));
    }
    let mut out = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let root = with_item(root, (&item_name, &index_name), item, i);
        out.push(object(members.iter().copied().filter(|(k, _)| &***k != "$map"), &root, depth)?);
    }
    Ok(Some(Value::from(out)))
}

fn object<'a>(
    members: impl Iterator<Item = (&'a Arc<str>, Shape<'a>)>,
    root: &Root,
    depth: usize,
) -> Result<Value, Fault> {
    let mut out = Object::new();
    for (k, shape) in members {
        if let Some(v) = expand(shape, root, depth + 1)? {
            out.insert(k.clone(), v);
        }
    }
    Ok(Value::from(out))
}

fn identifier(s: &str) -> bool {
    let mut chars = s.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The condition as written; `None` when it is blank.
fn condition(cx: &StepCx<'_>, params: &Value) -> Result<Option<Condition>, Fault> {
    let text: Arc<str> = match params.get("condition") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Str(s)) => s.clone(),
        Some(Value::Bool(b)) => b.to_string().into(),
        Some(other) => {
            return Err(super::error(format!("Invalid KQL condition: it is of type {}", super::js_type(other))));
        }
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    match Condition::of_text(&text, cx.limits) {
        Ok(c) => Ok(Some(c)),
        Err(message) => Err(super::error(format!("Invalid KQL condition: {message}"))),
    }
}

/// True where the condition holds; an item for which it cannot be evaluated is left out.
fn holds(cx: &StepCx<'_>, condition: &Condition, item: &Value, index: usize) -> bool {
    condition.eval(&with_item(cx.root, ("item", "index"), item, index)).unwrap_or(false)
}

fn filter(cx: &StepCx<'_>, params: &Value) -> Result<Value, Fault> {
    let items = list(cx)?;
    let Some(condition) = condition(cx, params)? else {
        return Err(super::invalid("`data.filter` needs `with.condition`".into()));
    };
    let limit = match params.get("limit") {
        None | Some(Value::Null) => usize::MAX,
        Some(v) => match v.as_i64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0) {
            Some(n) => n,
            None => return Err(super::invalid("`with.limit` must be a whole number above 0".into())),
        },
    };
    let mut out = vec![];
    for (i, item) in items.as_array().unwrap_or_default().iter().enumerate() {
        if out.len() >= limit {
            break;
        }
        if holds(cx, &condition, item, i) {
            out.push(item.clone());
        }
    }
    Ok(Value::from(out))
}

fn find(cx: &StepCx<'_>, params: &Value) -> Result<Value, Fault> {
    let items = list(cx)?;
    let items = items.as_array().unwrap_or_default();
    let condition = condition(cx, params)?;
    let found = match &condition {
        None => items.first().map(|v| (0, v)),
        Some(c) => items.iter().enumerate().find(|(i, item)| holds(cx, c, item, *i)),
    };
    let strict = params.get("errorIfEmpty").and_then(Value::as_bool).unwrap_or(false);
    match found {
        Some((i, item)) => Ok(Value::object([("item", item.clone()), ("index", Value::from(i))])),
        None if strict && items.is_empty() => Err(super::error("No items found in the collection")),
        None if strict => Err(super::error("No item matching the condition was found")),
        None => Ok(Value::object([("item", Value::Null), ("index", Value::Null)])),
    }
}
