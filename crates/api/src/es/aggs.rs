//! Aggregations between their JSON and the store.
//!
//! Invariants: an aggregation that the store does not do is refused by name.
//! Source: `reference/elasticsearch-apis.md` §9.4.

use super::search::query;
use crate::error::{ApiError, Result};
use index::search::{Agg, AggKind, AggResult, Bucket, MetricKind};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use stdx::Time;

/// Deepest nesting of aggregations.
const DEPTH_MAX: usize = 8;

/// Reads `aggs`.
pub(super) fn parse(value: &Value) -> Result<IndexMap<String, Agg>> {
    level(value, 0)
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::invalid(message).kind("parsing_exception")
}

fn level(value: &Value, depth: usize) -> Result<IndexMap<String, Agg>> {
    if depth > DEPTH_MAX {
        return Err(bad("aggregations are nested too deeply"));
    }
    let object = value.as_object().ok_or_else(|| bad("[aggs] must be an object"))?;
    object.iter().map(|(name, body)| Ok((name.clone(), one(name, body, depth)?))).collect()
}

fn one(name: &str, body: &Value, depth: usize) -> Result<Agg> {
    let object = body.as_object().ok_or_else(|| bad(format!("aggregation [{name}] must be an object")))?;
    let (mut kind, mut aggs) = (None, IndexMap::new());
    for (key, v) in object {
        match key.as_str() {
            "aggs" | "aggregations" => aggs = level(v, depth + 1)?,
            "meta" => {}
            key if kind.is_some() => {
                return Err(bad(format!("found two aggregation type definitions in [{name}]: [{key}] is the second")));
            }
            key => kind = Some(parse_kind(key, v)?),
        }
    }
    Ok(Agg { kind: kind.ok_or_else(|| bad(format!("missing definition for aggregation [{name}]")))?, aggs })
}

fn field(v: &Value, kind: &str) -> Result<String> {
    let f = v.get("field").and_then(Value::as_str).map(str::to_owned);
    f.ok_or_else(|| bad(format!("[{kind}] needs a [field]; scripts are not supported")))
}

fn parse_kind(kind: &str, v: &Value) -> Result<AggKind> {
    let number = |key: &str, default: u64| v.get(key).and_then(Value::as_u64).unwrap_or(default);
    let metric = |m| Ok(AggKind::Metric { kind: m, field: field(v, kind)? });
    match kind {
        "min" => metric(MetricKind::Min),
        "max" => metric(MetricKind::Max),
        "sum" => metric(MetricKind::Sum),
        "avg" => metric(MetricKind::Avg),
        "value_count" => metric(MetricKind::Count),
        "cardinality" => metric(MetricKind::Cardinality),
        "stats" => metric(MetricKind::Stats),
        "missing" => Ok(AggKind::Missing(field(v, kind)?)),
        "filter" => Ok(AggKind::Filter(Box::new(query(v)?))),
        "filters" => {
            let named = v
                .get("filters")
                .and_then(Value::as_object)
                .ok_or_else(|| bad("[filters] needs an object of named filters"))?;
            Ok(AggKind::Filters(named.iter().map(|(n, q)| Ok((n.clone(), query(q)?))).collect::<Result<_>>()?))
        }
        "terms" => {
            let order = match v.get("order") {
                None => None,
                Some(Value::Object(o)) => o.iter().next().map(|(k, d)| (k.clone(), d.as_str() == Some("asc"))),
                Some(Value::Array(a)) => a
                    .first()
                    .and_then(Value::as_object)
                    .and_then(|o| o.iter().next())
                    .map(|(k, d)| (k.clone(), d.as_str() == Some("asc"))),
                Some(_) => return Err(bad("[terms] malformed [order]")),
            };
            let (by_key, ascending) = match &order {
                None => (false, false),
                Some((k, asc)) if k == "_key" || k == "_term" => (true, *asc),
                Some((k, asc)) if k == "_count" => (false, *asc),
                Some((k, _)) => {
                    return Err(bad(format!(
                        "[terms] ordering by the sub-aggregation [{k}] is not supported by this server"
                    )));
                }
            };
            if let Some(key) = ["include", "exclude", "script"].iter().find(|k| v.get(**k).is_some()) {
                return Err(bad(format!("[terms] the option [{key}] is not supported by this server")));
            }
            Ok(AggKind::Terms {
                field: field(v, kind)?,
                size: usize::try_from(number("size", 10)).unwrap_or(usize::MAX).min(index::search::aggs::BUCKETS_MAX),
                min_doc_count: number("min_doc_count", 1),
                by_key,
                ascending,
                missing: v.get("missing").cloned().map(stdx::Value::from),
            })
        }
        "date_histogram" => {
            let (interval_ms, months) = interval(v)?;
            Ok(AggKind::DateHistogram {
                field: field(v, kind)?,
                interval_ms,
                months,
                min_doc_count: number("min_doc_count", 0),
            })
        }
        other => Err(bad(format!("the aggregation type [{other}] is not supported by this server"))),
    }
}

fn interval(v: &Value) -> Result<(i64, Option<u32>)> {
    let text = |k: &str| v.get(k).and_then(Value::as_str);
    let (text, calendar) = match (text("fixed_interval"), text("calendar_interval"), text("interval")) {
        (Some(t), None, _) => (t, false),
        (None, Some(t), _) | (None, None, Some(t)) => (t, true),
        _ => return Err(bad("[date_histogram] needs exactly one of [fixed_interval] and [calendar_interval]")),
    };
    if calendar {
        match text {
            "month" | "1M" => return Ok((0, Some(1))),
            "quarter" | "1q" => return Ok((0, Some(3))),
            "year" | "1y" => return Ok((0, Some(12))),
            "minute" => return Ok((60_000, None)),
            "hour" => return Ok((3_600_000, None)),
            "day" => return Ok((86_400_000, None)),
            "week" | "1w" => {
                return Err(bad(
                    "[date_histogram] calendar weeks are not supported by this server; use [fixed_interval] 7d",
                ));
            }
            _ => {}
        }
    }
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let n: i64 = text[..at].parse().map_err(|_| bad(format!("failed to parse interval [{text}]")))?;
    let unit = match &text[at..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad(format!("failed to parse interval [{text}]"))),
    };
    match n.checked_mul(unit) {
        Some(ms) if ms > 0 => Ok((ms, None)),
        _ => Err(bad(format!("failed to parse interval [{text}]"))),
    }
}

fn bucket(b: &Bucket, typed: bool) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(t) = &b.key_text {
        out.insert("key_as_string".into(), json!(t));
    }
    if !b.key.is_null() {
        out.insert("key".into(), (&b.key).into());
    }
    out.insert("doc_count".into(), json!(b.count));
    if let Value::Object(inner) = render(&b.aggs, typed) {
        out.extend(inner);
    }
    out
}

/// Writes `aggregations`.
pub(super) fn render(aggs: &IndexMap<String, AggResult>, typed: bool) -> Value {
    let mut out = Map::new();
    for (name, a) in aggs {
        let (kind, value) = match a {
            AggResult::Buckets { buckets, other, terms } => {
                let list: Vec<Value> = buckets.iter().map(|b| bucket(b, typed).into()).collect();
                if *terms {
                    let kind = match buckets.first().map(|b| &b.key) {
                        Some(stdx::Value::Int(_)) => "lterms",
                        Some(stdx::Value::Float(_)) => "dterms",
                        _ => "sterms",
                    };
                    (kind, json!({"doc_count_error_upper_bound": 0, "sum_other_doc_count": other, "buckets": list}))
                } else {
                    ("date_histogram", json!({"buckets": list}))
                }
            }
            AggResult::Single(b) => ("filter", bucket(b, typed).into()),
            AggResult::Keyed(named) => {
                let named: Map<String, Value> =
                    named.iter().map(|(n, b)| (n.clone(), bucket(b, typed).into())).collect();
                ("filters", json!({"buckets": named}))
            }
            AggResult::Metric { kind, value, date } => {
                let name = match kind {
                    MetricKind::Min => "min",
                    MetricKind::Max => "max",
                    MetricKind::Sum => "sum",
                    MetricKind::Avg => "avg",
                    MetricKind::Count => "value_count",
                    MetricKind::Cardinality => "cardinality",
                    MetricKind::Stats => "stats",
                };
                let whole = matches!(kind, MetricKind::Count | MetricKind::Cardinality);
                let mut v = json!({"value": value.map(|n| if whole { json!(n as u64) } else { json!(n) })});
                if let (true, Some(ms)) = (*date, value) {
                    v["value_as_string"] = json!(Time::from_ms(*ms as i64).iso());
                }
                (name, v)
            }
            AggResult::Stats { count, min, max, sum } => {
                let avg = (*count > 0).then(|| sum / *count as f64);
                ("stats", json!({"count": count, "min": min, "max": max, "avg": avg, "sum": sum}))
            }
        };
        out.insert(if typed { format!("{kind}#{name}") } else { name.clone() }, value);
    }
    out.into()
}
