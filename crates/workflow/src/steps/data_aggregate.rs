//! `data.aggregate`: groups items and computes metrics.
//!
//! Invariants: rows come in the order their groups were first seen unless `order_by` says otherwise, nulls last; at most
//! [`ITEMS_MAX`] items; a group key is the literal dotted name.
//! Source: `reference/workflow-steps.md` §9.5.

use super::{ITEMS_MAX, Next, StepCx, StepMeta, StepType};
use crate::core::{Class, Fault};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Object, Value};

/// Group fields, metrics and ranges of one step at most.
const PARTS_MAX: usize = 50;

/// The step type.
#[derive(Debug)]
pub(super) struct Aggregate;
pub(super) static AGGREGATE: Aggregate = Aggregate;

static META: StepMeta = StepMeta {
    name: "data.aggregate",
    title: "Group items",
    description: "groups items by fields and computes count, sum, avg, min and max",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","required":["group_by","metrics"],"additionalProperties":false,"properties":{"group_by":{"type":"array","items":{"type":"string"},"description":"fields, dotted"},"metrics":{"type":"array","description":"[{name, operation: count|sum|avg|min|max, field?}]"},"buckets":{"type":"object","description":"{field, ranges: [{from?, to?, label?}]}"},"order_by":{"type":"string","description":"name of a metric"},"order":{"type":"string","enum":["asc","desc"]},"limit":{"type":"integer"}}}"#,
    output: r#"{"type":"array","items":{"type":"object"}}"#,
    connectors: &[],
    config: &["items"],
    example: "- name: per_host\n  type: data.aggregate\n  items: \"${{ event.alerts }}\"\n  with:\n    group_by: [host.name]\n    metrics: [{ name: alerts, operation: count }]\n    order_by: alerts\n    order: desc\n",
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

struct Metric {
    name: Arc<str>,
    operation: Operation,
    field: Option<Arc<str>>,
}

struct Range {
    from: Option<f64>,
    to: Option<f64>,
    label: Arc<str>,
}

struct Plan {
    group_by: Vec<Arc<str>>,
    metrics: Vec<Metric>,
    buckets: Option<(Arc<str>, Vec<Range>)>,
    order_by: Option<Arc<str>>,
    descending: bool,
    limit: usize,
}

#[derive(Clone, Default)]
struct Sums {
    n: usize,
    all: usize,
    sum: f64,
    whole: Option<i64>,
    fraction: bool,
    min: Option<Value>,
    max: Option<Value>,
}

impl StepType for Aggregate {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let items = super::list_like(cx.config.get("items").cloned().unwrap_or_default());
        let Some(items) = items.as_array() else {
            return Next::fail(
                "Error",
                format!("Expected items to be an array, but received {}", super::js_type(&items)),
            );
        };
        if items.len() > ITEMS_MAX {
            return Next::Fail(super::too_many(items.len()));
        }
        match plan(&params) {
            Ok(plan) => Next::Done(rows(items, &plan)),
            Err(fault) => Next::Fail(fault),
        }
    }
}

fn plan(params: &Value) -> Result<Plan, Fault> {
    let strings = |key: &str| -> Vec<Arc<str>> {
        match params.get(key) {
            Some(Value::Str(s)) => vec![s.clone()],
            Some(Value::Array(a)) => a.iter().map(|v| crate::json::scalar_text(v).into()).collect(),
            _ => vec![],
        }
    };
    let group_by = strings("group_by");
    if group_by.is_empty() || group_by.len() > PARTS_MAX {
        return Err(super::invalid(format!("`with.group_by` needs 1 to {PARTS_MAX} fields")));
    }
    let given = params.get("metrics").and_then(Value::as_array).unwrap_or_default();
    if given.is_empty() || given.len() > PARTS_MAX {
        return Err(super::invalid(format!("`with.metrics` needs 1 to {PARTS_MAX} metrics")));
    }
    let mut metrics = vec![];
    for m in given {
        let name = super::text(m, "name").ok_or_else(|| super::invalid("a metric needs `name`".into()))?;
        let word = super::text(m, "operation").unwrap_or_else(|| "".into());
        let operation = match &*word {
            "count" => Operation::Count,
            "sum" => Operation::Sum,
            "avg" => Operation::Avg,
            "min" => Operation::Min,
            "max" => Operation::Max,
            _ => return Err(super::invalid(format!("`{word}` is not an operation: count, sum, avg, min or max"))),
        };
        let field = super::text(m, "field");
        if field.is_none() && operation != Operation::Count {
            return Err(super::error(format!("Metric \"{name}\" with operation \"{word}\" requires a field")));
        }
        metrics.push(Metric { name, operation, field });
    }
    let buckets = match params.get("buckets").filter(|b| !b.is_null()) {
        None => None,
        Some(b) => Some((
            super::text(b, "field").ok_or_else(|| super::invalid("`with.buckets` needs `field`".into()))?,
            ranges(b)?,
        )),
    };
    let limit = match params.get("limit").filter(|v| !v.is_null()) {
        None => usize::MAX,
        Some(v) => v
            .as_i64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n > 0)
            .ok_or_else(|| super::invalid("`with.limit` must be a whole number above 0".into()))?,
    };
    let descending = match super::text(params, "order").as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(super::invalid(format!("`with.order` is asc or desc, not `{other}`"))),
    };
    Ok(Plan { group_by, metrics, buckets, order_by: super::text(params, "order_by"), descending, limit })
}

fn ranges(buckets: &Value) -> Result<Vec<Range>, Fault> {
    let given = buckets.get("ranges").and_then(Value::as_array).unwrap_or_default();
    if given.is_empty() || given.len() > PARTS_MAX {
        return Err(super::invalid(format!("`with.buckets.ranges` needs 1 to {PARTS_MAX} ranges")));
    }
    let shown = |v: Option<&Value>| v.filter(|v| !v.is_null()).map(crate::json::scalar_text);
    Ok(given
        .iter()
        .map(|r| {
            let (from, to) = (r.get("from").and_then(Value::as_f64), r.get("to").and_then(Value::as_f64));
            let label = super::text(r, "label").unwrap_or_else(|| match (shown(r.get("from")), shown(r.get("to"))) {
                (Some(a), Some(b)) => format!("{a}-{b}").into(),
                (Some(a), None) => format!("{a}+").into(),
                (None, Some(b)) => format!("<{b}").into(),
                (None, None) => "*".into(),
            });
            Range { from, to, label }
        })
        .collect())
}

/// The literal key first, then the nested path.
pub(super) fn look_up<'a>(item: &'a Value, dotted: &str) -> Option<&'a Value> {
    item.get(dotted).or_else(|| item.path(&dotted.split('.').collect::<Vec<_>>())).or_else(|| item.field(dotted))
}

fn rows(items: &[Value], plan: &Plan) -> Value {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<(Vec<Value>, Option<Arc<str>>, Vec<Sums>)> = vec![];
    for item in items {
        let bucket = match &plan.buckets {
            None => None,
            Some((field, ranges)) => {
                let Some(n) = look_up(item, field).and_then(Value::as_f64) else { continue };
                let hit = ranges.iter().find(|r| r.from.is_none_or(|f| n >= f) && r.to.is_none_or(|t| n < t));
                let Some(hit) = hit else { continue };
                Some(hit.label.clone())
            }
        };
        // A missing value groups as an empty text, an explicit null as null.
        let values: Vec<Value> =
            plan.group_by.iter().map(|f| look_up(item, f).cloned().unwrap_or_else(|| Value::from(""))).collect();
        let key = format!("{}{}", stdx::json::text(&Value::from(values.clone())), bucket.as_deref().unwrap_or(""));
        let at = *places.entry(key).or_insert_with(|| {
            groups.push((values, bucket, vec![Sums::default(); plan.metrics.len()]));
            groups.len() - 1
        });
        for (metric, sums) in plan.metrics.iter().zip(&mut groups[at].2) {
            let value = metric.field.as_ref().and_then(|f| look_up(item, f));
            sums.add(metric, value);
        }
    }
    let mut out: Vec<Value> = groups
        .into_iter()
        .map(|(values, bucket, sums)| {
            let mut row = Object::new();
            for (field, value) in plan.group_by.iter().zip(values) {
                row.insert(field.clone(), value);
            }
            if let Some(label) = bucket {
                row.insert("_bucket", label);
            }
            for (metric, sums) in plan.metrics.iter().zip(&sums) {
                row.insert(metric.name.clone(), sums.value(metric));
            }
            Value::from(row)
        })
        .collect();
    if let Some(by) = &plan.order_by {
        out.sort_by(|a, b| {
            let (a, b) = (a.get(by).filter(|v| !v.is_null()), b.get(by).filter(|v| !v.is_null()));
            match (a, b) {
                (None, None) => Ordering::Equal,
                (None, _) => Ordering::Greater,
                (_, None) => Ordering::Less,
                (Some(a), Some(b)) => {
                    if plan.descending {
                        compare(b, a)
                    } else {
                        compare(a, b)
                    }
                }
            }
        });
    }
    out.truncate(plan.limit);
    Value::from(out)
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        _ => crate::json::scalar_text(a).cmp(&crate::json::scalar_text(b)),
    }
}

/// A date as text, which min and max take too.
fn date(value: &Value) -> Option<stdx::Time> {
    match value {
        Value::Time(t) => Some(*t),
        Value::Str(s) if s.len() >= 10 => stdx::Time::parse(s),
        _ => None,
    }
}

impl Sums {
    fn add(&mut self, metric: &Metric, value: Option<&Value>) {
        if metric.operation == Operation::Count {
            self.all += usize::from(metric.field.is_none() || value.is_some_and(|v| !v.is_null()));
            return;
        }
        let Some(value) = value else { return };
        let smaller = |a: &Value, b: &Value| match (date(a), date(b)) {
            (Some(a), Some(b)) => a < b,
            _ => compare(a, b) == Ordering::Less,
        };
        match value {
            Value::Int(_) | Value::Float(_) => {}
            v if matches!(metric.operation, Operation::Min | Operation::Max) && date(v).is_some() => {}
            _ => return,
        }
        self.n += 1;
        if let Some(f) = value.as_f64() {
            self.sum += f;
            match value {
                Value::Int(i) if !self.fraction => match self.whole.unwrap_or(0).checked_add(*i) {
                    Some(sum) => self.whole = Some(sum),
                    None => self.fraction = true,
                },
                _ => self.fraction = true,
            }
        }
        if self.min.as_ref().is_none_or(|m| smaller(value, m)) {
            self.min = Some(value.clone());
        }
        if self.max.as_ref().is_none_or(|m| smaller(m, value)) {
            self.max = Some(value.clone());
        }
    }
    fn value(&self, metric: &Metric) -> Value {
        match metric.operation {
            Operation::Count => Value::from(self.all),
            _ if self.n == 0 => Value::Null,
            Operation::Sum if !self.fraction => Value::Int(self.whole.unwrap_or(0)),
            Operation::Sum => Value::Float(self.sum),
            Operation::Avg => {
                let avg = self.sum / self.n as f64;
                if avg.fract() == 0.0 && avg.abs() < 9e15 { Value::Int(avg as i64) } else { Value::Float(avg) }
            }
            Operation::Min => self.min.clone().unwrap_or_default(),
            Operation::Max => self.max.clone().unwrap_or_default(),
        }
    }
}
