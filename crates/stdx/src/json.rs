//! JSON text and serde for `Value`: reading keeps order and 64-bit integers; writing never fails.
//!
//! Invariants: `parse(text(v)) == v` except that times come back as text; nesting beyond `DEPTH_MAX` is an error, never a stack overflow.

use crate::value::{Object, Value};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::sync::Arc;

/// Deepest nesting that [`parse`] accepts (serde_json's own recursion limit).
pub const DEPTH_MAX: usize = 128;

/// Parses JSON text.
///
/// - errors: the position and cause as serde_json words them.
pub fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// Parses JSON bytes.
pub fn parse_slice(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// Compact JSON text.
pub fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

/// Compact JSON text with the keys of every object sorted: the form that is hashed and compared.
pub fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(a) => Value::array(a.iter().map(sorted)),
            Value::Object(o) => {
                let mut pairs: Vec<_> = o.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                Value::object(pairs)
            }
            other => other.clone(),
        }
    }
    text(&sorted(value))
}

/// Converts anything serialisable; values that serde_json cannot hold become `Null`.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).map_or(Value::Null, Value::from)
}

/// Decodes a value into a typed struct.
pub fn from_value<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value.into())
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => s.serialize_unit(),
            Self::Bool(b) => s.serialize_bool(*b),
            Self::Int(i) => s.serialize_i64(*i),
            Self::Float(f) if f.is_finite() => s.serialize_f64(*f),
            Self::Float(_) => s.serialize_unit(),
            Self::Time(t) => s.collect_str(t),
            Self::Str(t) => s.serialize_str(t),
            Self::Array(a) => s.collect_seq(a.iter()),
            Self::Object(o) => o.serialize(s),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.len()))?;
        for (k, v) in self.iter() {
            map.serialize_entry(&**k, v)?;
        }
        map.end()
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        Value::deserialize(d)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(v) = seq.next_element()? {
            out.push(v);
        }
        Ok(Value::from(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Object::new();
        while let Some((k, v)) = map.next_entry::<String, Value>()? {
            out.0.insert(Arc::from(k), v);
        }
        Ok(Value::Object(Arc::new(out)))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Value::deserialize(d)? {
            Value::Object(o) => Ok(Arc::unwrap_or_clone(o)),
            other => Err(D::Error::custom(format!("expected an object, found {}", other.type_name()))),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(v: serde_json::Value) -> Self {
        match v {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(b) => Self::Bool(b),
            serde_json::Value::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(i), _) => Self::Int(i),
                (None, Some(f)) => Self::Float(f),
                (None, None) => Self::Null,
            },
            serde_json::Value::String(s) => Self::from(s),
            serde_json::Value::Array(a) => Self::array(a.into_iter().map(Self::from)),
            serde_json::Value::Object(o) => Self::object(o.into_iter().map(|(k, v)| (k, Self::from(v)))),
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(v: &Value) -> Self {
        match v {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(i) => Self::from(*i),
            Value::Float(f) => serde_json::Number::from_f64(*f).map_or(Self::Null, Self::Number),
            Value::Time(t) => Self::String(t.to_string()),
            Value::Str(s) => Self::String(s.to_string()),
            Value::Array(a) => Self::Array(a.iter().map(Self::from).collect()),
            Value::Object(o) => Self::Object(o.iter().map(|(k, v)| (k.to_string(), Self::from(v))).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_integers() {
        let t = r#"{"b":1,"a":9007199254740993,"c":[1.5,null,"x"],"d":2.0}"#;
        let v = parse(t).unwrap();
        assert_eq!(text(&v), t);
        assert_eq!(canonical(&v), r#"{"a":9007199254740993,"b":1,"c":[1.5,null,"x"],"d":2.0}"#);
    }

    #[test]
    fn deep_nesting_is_an_error() {
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
