//! `data.concat` and `data.dedupe`: lists put together, items told apart.
//!
//! Invariants: order is kept; equality is that of the JSON with sorted keys; at most [`ITEMS_MAX`] items.
//! Source: `reference/workflow-steps.md` §9.6, §9.7.

use super::data_aggregate::look_up;
use super::{ITEMS_MAX, Next, StepCx, StepMeta, StepType};
use crate::core::{Class, Fault};
use std::collections::BTreeMap;
use stdx::Value;

/// Lists of one `data.concat` at most.
const LISTS_MAX: usize = 50;
/// Levels that are flattened at most.
const FLATTEN_MAX: i64 = 10;

/// The step types.
#[derive(Debug)]
pub(super) struct DataJoin {
    meta: &'static StepMeta,
    run: fn(&StepCx<'_>, &Value) -> Result<Value, Fault>,
}
pub(super) static CONCAT: DataJoin = DataJoin { meta: &CONCAT_META, run: concat };
pub(super) static DEDUPE: DataJoin = DataJoin { meta: &DEDUPE_META, run: dedupe };

static CONCAT_META: StepMeta = StepMeta {
    name: "data.concat",
    title: "Join lists",
    description: "puts lists together",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","additionalProperties":false,"properties":{"dedupe":{"type":"boolean"},"flatten":{"type":["boolean","integer"],"description":"true for one level, or 1 to 10"}}}"#,
    output: r#"{"type":"array"}"#,
    connectors: &[],
    config: &["arrays"],
    example: "- name: all\n  type: data.concat\n  arrays: [\"${{ inputs.a }}\", \"${{ inputs.b }}\"]\n  with: { dedupe: true }\n",
};
static DEDUPE_META: StepMeta = StepMeta {
    name: "data.dedupe",
    title: "Drop repeated items",
    description: "keeps one item of those with the same keys",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","required":["keys"],"additionalProperties":false,"properties":{"keys":{"type":"array","items":{"type":"string"},"description":"fields that tell items apart, dotted"}}}"#,
    output: r#"{"type":"array"}"#,
    connectors: &[],
    config: &["items", "strategy"],
    example: "- name: once\n  type: data.dedupe\n  items: \"${{ event.alerts }}\"\n  strategy: keep_first\n  with: { keys: [host.name] }\n",
};

impl StepType for DataJoin {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        match (self.run)(cx, &params) {
            Ok(v) => Next::Done(v),
            Err(fault) => Next::Fail(fault),
        }
    }
}

fn concat(cx: &StepCx<'_>, params: &Value) -> Result<Value, Fault> {
    let arrays = super::list_like(cx.config.get("arrays").cloned().unwrap_or_default());
    let arrays = arrays.as_array().unwrap_or_default();
    if arrays.is_empty() || arrays.len() > LISTS_MAX {
        return Err(super::invalid(format!("`arrays` needs 1 to {LISTS_MAX} lists")));
    }
    let levels = match params.get("flatten") {
        None | Some(Value::Null | Value::Bool(false)) => 0,
        Some(Value::Bool(true)) => 1,
        Some(v) => v
            .as_i64()
            .filter(|n| (1..=FLATTEN_MAX).contains(n))
            .ok_or_else(|| super::invalid(format!("`with.flatten` is true, false or 1 to {FLATTEN_MAX}")))?,
    };
    let mut out = vec![];
    for (i, list) in arrays.iter().enumerate() {
        match super::list_like(list.clone()) {
            Value::Null => {}
            Value::Array(a) => {
                for item in a.iter() {
                    flatten(item, levels, &mut out)?;
                }
            }
            other => {
                return Err(super::error(format!(
                    "Input at index {i} is not an array. Expected an array, but received {}",
                    super::js_type(&other)
                )));
            }
        }
    }
    if params.get("dedupe").and_then(Value::as_bool) == Some(true) {
        let mut seen = std::collections::BTreeSet::new();
        out.retain(|v| seen.insert(stdx::json::canonical(v)));
    }
    Ok(Value::from(out))
}

fn flatten(item: &Value, levels: i64, out: &mut Vec<Value>) -> Result<(), Fault> {
    match item {
        Value::Array(a) if levels > 0 => a.iter().try_for_each(|v| flatten(v, levels - 1, out)),
        v => {
            if out.len() >= ITEMS_MAX {
                return Err(super::too_many(out.len() + 1));
            }
            out.push(v.clone());
            Ok(())
        }
    }
}

fn dedupe(cx: &StepCx<'_>, params: &Value) -> Result<Value, Fault> {
    let items = super::list_like(cx.config.get("items").cloned().unwrap_or_default());
    let Some(items) = items.as_array() else {
        return Err(super::error(format!("Expected items to be an array, but received {}", super::js_type(&items))));
    };
    if items.len() > ITEMS_MAX {
        return Err(super::too_many(items.len()));
    }
    let last = match super::text(cx.config, "strategy").as_deref() {
        None | Some("keep_first") => false,
        Some("keep_last") => true,
        Some(other) => {
            return Err(super::invalid(format!("`strategy` is keep_first or keep_last, not `{other}`")));
        }
    };
    let keys: Vec<String> = match params.get("keys") {
        Some(Value::Str(s)) => vec![s.to_string()],
        Some(Value::Array(a)) => a.iter().map(crate::json::scalar_text).collect(),
        _ => vec![],
    };
    if keys.is_empty() {
        return Err(super::invalid("`data.dedupe` needs a list in `with.keys`".into()));
    }
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut out: Vec<Value> = vec![];
    for item in items {
        let key = if item.as_object().is_some() {
            // A field that is missing and one that is null are told apart.
            let parts = keys.iter().map(|k| look_up(item, k).map_or_else(|| "-".into(), stdx::json::canonical));
            parts.collect::<Vec<_>>().join("\u{1}")
        } else {
            format!("={}", stdx::json::canonical(item))
        };
        match places.get(&key) {
            // The last value stands where the first one stood.
            Some(at) if last => out[*at] = item.clone(),
            Some(_) => {}
            None => {
                places.insert(key, out.len());
                out.push(item.clone());
            }
        }
    }
    Ok(Value::from(out))
}
