//! Field types: what mappings say, what the Elastic Common Schema says, what the values look like.
//!
//! Invariants: an explicit mapping wins; data streams follow the Elastic Common Schema, plain indices dynamic mapping (text with a `keyword`
//! sub-field); a value that does not fit its type stays in the source and is named in `_ignored`.
//! Source: `reference/elasticsearch-apis.md` §11.3–11.5.

use super::columns::{Columns, names};
use super::snapshot::{Part, Snapshot};
use crate::error::Error;
use crate::names::is_stream;
use bytes::Bytes;
use event::{Event, FieldPath, Scalar};
use lang::{Ecs, FieldType, FieldTypes};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use stdx::Value;

/// Most fields that a mapping may name; more are left to dynamic mapping.
pub const MAPPED_FIELDS_MAX: usize = 10_000;
/// Values looked at to see whether a text field holds dates.
const SAMPLES: usize = 3;

/// A field and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedField {
    /// Type name as Elasticsearch spells it: `keyword text long float boolean date ip …`.
    pub kind: &'static str,
    /// True when there is a `keyword` sub-field.
    pub keyword: bool,
}

/// What is known about types without looking at values.
pub(crate) struct Types {
    explicit: HashMap<String, FieldType>,
    /// True when only plain indices are searched.
    plain: bool,
}

impl Types {
    pub fn new(parts: &[Part], bodies: &[(Arc<str>, Bytes)]) -> Self {
        let mut explicit = HashMap::new();
        for (_, body) in bodies.iter().filter(|(_, b)| !b.is_empty()) {
            if let Ok(v) = stdx::json::parse_slice(body)
                && let Some(properties) = v.path(&["mappings", "properties"])
            {
                collect(properties, &mut String::new(), &mut explicit);
            }
        }
        Self { explicit, plain: !parts.is_empty() && parts.iter().all(|p| !is_stream(&p.index)) }
    }

    /// The type that is fixed before any value is seen.
    pub fn fixed(&self, field: &str) -> Option<FieldType> {
        if let Some(t) = self.explicit.get(field) {
            return Some(*t);
        }
        if self.plain && field != "@timestamp" { None } else { Ecs.field_type(field) }
    }

    /// With the values of a search's buckets.
    pub fn over<'a>(&'a self, parts: &'a [Part]) -> Over<'a> {
        Over { types: self, parts }
    }

    /// Path and type of a field.
    pub fn of<'f>(&self, parts: &[Part], field: &'f str) -> (&'f str, FieldType) {
        self.over(parts).resolve(field)
    }
}

fn collect(properties: &Value, path: &mut String, out: &mut HashMap<String, FieldType>) {
    for (k, v) in properties.as_object().into_iter().flat_map(stdx::Object::iter) {
        if out.len() >= MAPPED_FIELDS_MAX || path.len() > 4096 {
            return;
        }
        let before = path.len();
        if before > 0 {
            path.push('.');
        }
        path.push_str(k);
        if let Some(t) = v.get("type").and_then(Value::as_str).and_then(field_type) {
            out.insert(path.clone(), t);
        }
        for inner in ["properties", "fields"] {
            if let Some(inner) = v.get(inner) {
                collect(inner, path, out);
            }
        }
        path.truncate(before);
    }
}

fn field_type(name: &str) -> Option<FieldType> {
    Some(match name {
        "keyword" | "wildcard" | "constant_keyword" | "flattened" | "version" => FieldType::Keyword,
        "text" | "match_only_text" | "semantic_text" => FieldType::Text,
        "long" | "integer" | "short" | "byte" | "unsigned_long" => FieldType::Long,
        "double" | "float" | "half_float" | "scaled_float" => FieldType::Double,
        "date" | "date_nanos" => FieldType::Date,
        "ip" => FieldType::Ip,
        "boolean" => FieldType::Boolean,
        _ => return None,
    })
}

const fn name_of(t: FieldType) -> &'static str {
    match t {
        FieldType::Keyword | FieldType::Lowercase | FieldType::Dynamic => "keyword",
        FieldType::Text => "text",
        FieldType::Long => "long",
        FieldType::Double => "double",
        FieldType::Date => "date",
        FieldType::Ip => "ip",
        FieldType::Boolean => "boolean",
    }
}

/// [`Types`] that look at values where nothing is fixed.
pub(crate) struct Over<'a> {
    types: &'a Types,
    parts: &'a [Part],
}

impl FieldTypes for Over<'_> {
    fn field_type(&self, field: &str) -> Option<FieldType> {
        self.types.fixed(field).or_else(|| if self.types.plain { seen(self.parts, field) } else { None })
    }
}

fn is_date(text: &str) -> bool {
    text.len() >= 10
        && text.as_bytes()[0].is_ascii_digit()
        && text.as_bytes().get(4) == Some(&b'-')
        && lang::date::parse_time(text).is_some()
}

/// The type that dynamic mapping would have given to the values there are.
fn seen(parts: &[Part], field: &str) -> Option<FieldType> {
    let path = FieldPath::new(field);
    let mut found = None;
    let mut merge = |t: FieldType| {
        found = Some(match (found, t) {
            (None, t) => t,
            (Some(a), b) if a == b => a,
            (Some(FieldType::Long), FieldType::Double) | (Some(FieldType::Double), FieldType::Long) => {
                FieldType::Double
            }
            _ => FieldType::Text,
        });
    };
    for p in parts {
        for segment in p.searcher.iter().flat_map(|s| s.segment_readers()) {
            let Ok(c) = Columns::open(segment, field) else { continue };
            if let Some(text) = &c.text
                && let Ok(mut stream) = text.dictionary().stream()
            {
                let mut dates = true;
                for _ in 0..SAMPLES {
                    if !stream.advance() {
                        break;
                    }
                    dates &= std::str::from_utf8(stream.key()).is_ok_and(is_date);
                }
                merge(if dates { FieldType::Date } else { FieldType::Text });
            }
            if c.ints.is_some() {
                merge(FieldType::Long);
            }
            if c.floats.is_some() {
                merge(FieldType::Double);
            }
            if c.bools.is_some() {
                merge(FieldType::Boolean);
            }
        }
        for t in p.tail.iter().take(1_000) {
            t.doc().event.any(&path, |s| {
                match s {
                    Scalar::Null => {}
                    Scalar::Bool(_) => merge(FieldType::Boolean),
                    Scalar::Int(_) => merge(FieldType::Long),
                    Scalar::Float(_) => merge(FieldType::Double),
                    Scalar::Str(s) => merge(if is_date(s) { FieldType::Date } else { FieldType::Text }),
                }
                false
            });
        }
    }
    found
}

/// All fields of a snapshot with their types.
pub(crate) fn of(snapshot: &Snapshot) -> Result<BTreeMap<String, MappedField>, Error> {
    let mut paths: std::collections::BTreeSet<String> = snapshot.types.explicit.keys().cloned().collect();
    for p in &snapshot.parts {
        for segment in p.searcher.iter().flat_map(|s| s.segment_readers()) {
            paths.extend(names(segment)?.into_iter().map(|(n, _)| n));
            if segment.fast_fields().i64("_time").is_ok_and(|c| c.num_docs() > 0 && c.min_value() <= c.max_value()) {
                paths.insert("@timestamp".into());
            }
        }
        for t in p.tail.iter() {
            for (path, leaf) in t.doc().event.leaves() {
                if !matches!(leaf, Scalar::Null) && !paths.contains(path) {
                    paths.insert(path.to_owned());
                }
            }
        }
    }
    let over = snapshot.types.over(&snapshot.parts);
    Ok(paths
        .into_iter()
        .take(MAPPED_FIELDS_MAX)
        .map(|p| {
            let fixed = snapshot.types.fixed(&p);
            let kind = fixed
                .or_else(|| over.field_type(&p))
                .or_else(|| seen(&snapshot.parts, &p).filter(|t| *t != FieldType::Text));
            let keyword = fixed.is_none() && kind == Some(FieldType::Text);
            let kind = name_of(kind.unwrap_or(FieldType::Keyword));
            (p, MappedField { kind, keyword })
        })
        .collect())
}

/// Names of fields whose value does not fit their fixed type.
pub(crate) fn ignored(event: &Event, snapshot: &Snapshot) -> Vec<String> {
    let mut out = Vec::new();
    for (path, leaf) in event.leaves() {
        let Some(t) = snapshot.types.fixed(path) else { continue };
        let fits = match (t, leaf) {
            (_, Scalar::Null) => true,
            (FieldType::Long | FieldType::Double, Scalar::Str(s)) => s.trim().parse::<f64>().is_ok(),
            (FieldType::Long | FieldType::Double, Scalar::Bool(_)) => false,
            (FieldType::Date, Scalar::Str(s)) => lang::date::parse_time(s).is_some() || s.parse::<i64>().is_ok(),
            (FieldType::Date, Scalar::Bool(_)) => false,
            (FieldType::Ip, Scalar::Str(s)) => lang::net::parse_ip(s).is_some(),
            (FieldType::Ip, _) => false,
            (FieldType::Boolean, Scalar::Bool(_) | Scalar::Str("true" | "false" | "")) => true,
            (FieldType::Boolean, _) => false,
            _ => true,
        };
        if !fits && !out.iter().any(|p| p == path) {
            out.push(path.to_owned());
        }
    }
    out
}
