//! Which part of a document a hit gives.
//!
//! Invariants: patterns are dotted names with `*`; excluding wins over including.
//! Source: `reference/elasticsearch-apis.md` §9.3 *_source*, *fields*.

use crate::names;
use event::{Event, Scalar};
use stdx::{Object, Value};

/// A source filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Select {
    /// All of it.
    #[default]
    All,
    /// Nothing.
    None,
    /// What patterns say.
    Some {
        /// Empty includes everything.
        includes: Vec<String>,
        /// What is left out.
        excludes: Vec<String>,
    },
}

impl Select {
    /// The part of the document; `None` when the source is not asked for.
    pub fn apply(&self, value: &Value) -> Option<Value> {
        match self {
            Self::All => Some(value.clone()),
            Self::None => None,
            Self::Some { includes, excludes } => {
                let kept = keep(value, &mut String::new(), includes, excludes, includes.is_empty());
                Some(kept.unwrap_or_else(|| Value::from(Object::new())))
            }
        }
    }
}

fn hit(patterns: &[String], path: &str) -> bool {
    // `a.b` also takes everything below `a.b`.
    patterns
        .iter()
        .any(|p| names::matches(p, path) || path.match_indices('.').any(|(at, _)| names::matches(p, &path[..at])))
}

/// True when something below `path` could be included.
fn leads(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|p| {
        p.starts_with('*') || p.strip_prefix(path).is_some_and(|r| r.starts_with('.')) || {
            let fixed = p.split('*').next().unwrap_or_default();
            fixed.len() < p.len() && (path.starts_with(fixed) || fixed.starts_with(&format!("{path}.")))
        }
    })
}

fn keep(value: &Value, path: &mut String, includes: &[String], excludes: &[String], inside: bool) -> Option<Value> {
    match value {
        Value::Object(o) => {
            let mut out = Object::new();
            for (k, v) in o.iter() {
                let before = path.len();
                if before > 0 {
                    path.push('.');
                }
                path.push_str(k);
                let now_inside = inside || hit(includes, path);
                if !hit(excludes, path)
                    && (now_inside || leads(includes, path))
                    && let Some(v) = keep(v, path, includes, excludes, now_inside)
                {
                    out.insert(k.clone(), v);
                }
                path.truncate(before);
            }
            (inside || !out.is_empty()).then(|| out.into())
        }
        Value::Array(a) => {
            let kept: Vec<Value> = a.iter().filter_map(|v| keep(v, path, includes, excludes, inside)).collect();
            (inside || !kept.is_empty()).then(|| kept.into())
        }
        other => inside.then(|| other.clone()),
    }
}

/// Values of fields as lists under their dotted names.
pub fn fields(event: &Event, patterns: &[String]) -> Value {
    let mut out = Object::new();
    for (path, leaf) in event.leaves() {
        if !patterns.iter().any(|p| names::matches(p, path)) {
            continue;
        }
        let value = match leaf {
            Scalar::Null => continue,
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Int(i) => Value::Int(i),
            Scalar::Float(f) => Value::Float(f),
            Scalar::Str(s) => s.into(),
        };
        match out.0.get_mut(path).and_then(Value::array_mut) {
            Some(list) => list.push(value),
            None => {
                out.insert(path, Value::array([value]));
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(includes: &[&str], excludes: &[&str]) -> String {
        let v = stdx::json::parse(r#"{"a":{"b":1,"c":{"d":2}},"a.x":3,"l":[{"m":1,"n":2},{"n":3}],"z":null}"#).unwrap();
        let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
        stdx::json::text(&Select::Some { includes: own(includes), excludes: own(excludes) }.apply(&v).unwrap())
    }

    #[test]
    fn patterns_pick_parts() {
        assert_eq!(apply(&["a.b"], &[]), r#"{"a":{"b":1}}"#);
        assert_eq!(apply(&["a"], &["a.c"]), r#"{"a":{"b":1},"a.x":3}"#);
        assert_eq!(apply(&["a.*"], &[]), r#"{"a":{"b":1,"c":{"d":2}},"a.x":3}"#);
        assert_eq!(apply(&["*.d"], &[]), r#"{"a":{"c":{"d":2}}}"#);
        assert_eq!(apply(&["l.m"], &[]), r#"{"l":[{"m":1}]}"#);
        assert_eq!(apply(&[], &["l.*", "a*"]), r#"{"l":[{},{}],"z":null}"#);
        assert_eq!(apply(&["nope"], &[]), "{}");
    }
}
