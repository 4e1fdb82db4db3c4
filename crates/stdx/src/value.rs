//! `Value`: the shared-string, insertion-ordered value that templates, query languages and workflows read.
//!
//! Invariants: cloning is O(1) for strings, arrays and objects; integers stay 64-bit; objects keep the order of insertion.
//! Not here: undefined (an absent value is `None`), parsing of JSON text (`json`).

use crate::time::Time;
use indexmap::IndexMap;
use std::sync::Arc;

/// A JSON-like value. Serialises times as ISO text with milliseconds in UTC.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// JSON `null`.
    #[default]
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// Any other number; never NaN when it came from JSON.
    Float(f64),
    /// A point in time; JSON has none, so it only appears through code (`now`, `execution.startedAt`).
    Time(Time),
    /// Text.
    Str(Arc<str>),
    /// A list.
    Array(Arc<Vec<Value>>),
    /// A map in order of insertion.
    Object(Arc<Object>),
}

/// A map from text to [`Value`] in order of insertion.
#[derive(Clone, Debug, Default)]
pub struct Object(pub IndexMap<Arc<str>, Value>);

impl Object {
    /// An empty object.
    pub fn new() -> Self {
        Self::default()
    }
    /// The value under `key`, exactly that key (no dots).
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
    /// Sets `key`, keeping its place if it was there.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(key.into(), value.into())
    }
    /// Removes `key`, keeping the order of the others.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(key)
    }
    /// True when `key` is present, whatever its value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True when there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Pairs in order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.0.iter()
    }
}

impl<K: Into<Arc<str>>> FromIterator<(K, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(iter: I) -> Self {
        Self(iter.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl PartialEq for Value {
    /// Structural equality; `Int` and `Float` of the same number are equal, as in JSON; object order does not matter.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Int(a), Self::Float(b)) | (Self::Float(b), Self::Int(a)) => *a as f64 == *b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            _ => false,
        }
    }
}

impl Value {
    /// An object of the given pairs.
    pub fn object<K: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Object(Arc::new(pairs.into_iter().collect()))
    }
    /// An array of the given values.
    pub fn array(values: impl IntoIterator<Item = Value>) -> Self {
        Self::Array(Arc::new(values.into_iter().collect()))
    }
    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(s) => Some(s),
            _ => None,
        }
    }
    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }
    /// The integer, also of a float without fraction that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(i) => Some(*i),
            Self::Float(f) if f.fract() == 0.0 && f.abs() < 9.2e18 => Some(*f as i64),
            _ => None,
        }
    }
    /// The number as a float.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Float(f) => Some(*f),
            _ => None,
        }
    }
    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(a) => Some(a),
            _ => None,
        }
    }
    /// The map, if this is an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(o) => Some(o),
            _ => None,
        }
    }
    /// True for `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object().and_then(|o| o.get(key))
    }
    /// Follows keys through nested objects (and decimal indices through arrays); no dotted keys.
    pub fn path(&self, keys: &[&str]) -> Option<&Value> {
        let mut at = self;
        for key in keys {
            at = match at {
                Self::Object(o) => o.get(key)?,
                Self::Array(a) => a.get(key.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(at)
    }
    /// Looks a dotted field up in nested **and** flattened spelling: `a.b.c` finds `{"a":{"b.c":1}}` too; nested first.
    pub fn field(&self, dotted: &str) -> Option<&Value> {
        let object = self.as_object()?;
        if let Some(found) = object.get(dotted) {
            return Some(found);
        }
        for (at, _) in dotted.match_indices('.') {
            if let Some(inner) = object.get(&dotted[..at])
                && let Some(found) = inner.field(&dotted[at + 1..])
            {
                return Some(found);
            }
        }
        None
    }
    /// A mutable object, made unique; `Null` becomes an empty object, anything else is `None`.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        if self.is_null() {
            *self = Self::Object(Arc::default());
        }
        match self {
            Self::Object(o) => Some(Arc::make_mut(o)),
            _ => None,
        }
    }
    /// A mutable array, made unique; `Null` becomes an empty array, anything else is `None`.
    pub fn array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if self.is_null() {
            *self = Self::Array(Arc::default());
        }
        match self {
            Self::Array(a) => Some(Arc::make_mut(a)),
            _ => None,
        }
    }
    /// The name of the JSON type, for messages: `null boolean number string array object`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) => "number",
            Self::Time(_) | Self::Str(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

macro_rules! from {
    ($($t:ty => |$v:ident| $e:expr;)*) => {$(
        impl From<$t> for Value { fn from($v: $t) -> Self { $e } }
    )*};
}
from! {
    bool => |v| Self::Bool(v);
    i64 => |v| Self::Int(v);
    i32 => |v| Self::Int(v.into());
    u32 => |v| Self::Int(v.into());
    u64 => |v| i64::try_from(v).map_or(Self::Float(v as f64), Self::Int);
    usize => |v| Self::from(v as u64);
    f64 => |v| Self::Float(v);
    &str => |v| Self::Str(v.into());
    String => |v| Self::Str(v.into());
    &String => |v| Self::Str(v.as_str().into());
    Arc<str> => |v| Self::Str(v);
    Time => |v| Self::Time(v);
    Vec<Value> => |v| Self::Array(Arc::new(v));
    Object => |v| Self::Object(Arc::new(v));
    crate::Id => |v| Self::Str(v.0);
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_reads_nested_and_flattened_spelling() {
        let v: Value = serde_json::from_str(r#"{"a":{"b":{"c":1}},"kibana.alert.uuid":"x","k":{"d.e":2}}"#).unwrap();
        assert_eq!(v.field("a.b.c"), Some(&Value::Int(1)));
        assert_eq!(v.field("kibana.alert.uuid").and_then(Value::as_str), Some("x"));
        assert_eq!(v.field("k.d.e"), Some(&Value::Int(2)));
        assert_eq!(v.field("a.x"), None);
    }
}
