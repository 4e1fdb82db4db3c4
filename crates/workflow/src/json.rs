//! Small questions about values that several modules ask.
//!
//! Invariants: measuring never allocates the text it measures.

use stdx::Value;

/// Bytes of the value's compact JSON text.
pub fn size(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(b) => 5 - usize::from(*b),
        Value::Int(i) => digits(*i),
        Value::Float(f) => f.to_string().len(),
        Value::Time(_) => 26,
        Value::Str(s) => text_size(s),
        Value::Array(a) => 2 + a.len().saturating_sub(1) + a.iter().map(size).sum::<usize>(),
        Value::Object(o) => {
            2 + o.len().saturating_sub(1) + o.iter().map(|(k, v)| text_size(k) + 1 + size(v)).sum::<usize>()
        }
    }
}

fn digits(i: i64) -> usize {
    usize::from(i < 0) + i.unsigned_abs().checked_ilog10().map_or(1, |d| d as usize + 1)
}

fn text_size(s: &str) -> usize {
    // Loops without branches, which compilers make wide; control characters are rare.
    let escaped = s.bytes().filter(|b| *b == b'"' || *b == b'\\').count();
    let control = if s.bytes().any(|b| b < 32) {
        s.bytes().map(|b| if matches!(b, 8..=10 | 12 | 13) { 1 } else { usize::from(b < 32) * 5 }).sum()
    } else {
        0
    };
    2 + s.len() + escaped + control
}

/// Text of a scalar for comparison and messages: what `String(value)` prints.
pub fn scalar_text(value: &Value) -> String {
    match value {
        Value::Str(s) => s.to_string(),
        Value::Null => String::new(),
        other => {
            let text = stdx::json::text(other);
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_the_length_of_the_text() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-120",
            "9007199254740993",
            r#""a\"\n\u0001ä""#,
            r#"{"a":[1,2,{"b":"c"}],"d":1.5}"#,
            "[]",
            "{}",
        ] {
            let v = stdx::json::parse(text).unwrap();
            assert_eq!(size(&v), stdx::json::text(&v).len(), "{text}");
        }
    }
}
