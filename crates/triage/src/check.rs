//! Checks of request bodies: presence, types, lengths, with Kibana's messages.
//!
//! Invariants: lengths count Unicode characters after trimming; a check never changes its input.
//! Source: `reference/kibana-apis.md` §2.2, §8.

use crate::command::{Refusal, RefusalKind};
use std::sync::Arc;
use stdx::{Object, Value};

/// A 400 with `message`.
pub fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Invalid, message)
}

/// The body as an object.
pub fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, Refusal> {
    value.as_object().ok_or_else(|| invalid(format!("[{what}]: expected an object but got [{}]", value.type_name())))
}

/// A member that must be there.
pub fn required<'a>(body: &'a Object, key: &str) -> Result<&'a Value, Refusal> {
    body.get(key).ok_or_else(|| invalid(format!("Invalid value \"undefined\" supplied to \"{key}\"")))
}

/// A member as text.
pub fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, Refusal> {
    value
        .as_str()
        .ok_or_else(|| invalid(format!("Invalid value \"{}\" supplied to \"{key}\"", stdx::json::text(value))))
}

/// Text of 1 to `max` characters after trimming; gives it trimmed.
pub fn bounded(value: &Value, key: &str, max: usize, empty_allowed: bool) -> Result<Arc<str>, Refusal> {
    let trimmed = text(value, key)?.trim();
    if trimmed.is_empty() && !empty_allowed {
        return Err(invalid(format!("The {key} field cannot be an empty string.")));
    }
    if trimmed.chars().count() > max {
        return Err(invalid(format!("The length of the {key} is too long. The maximum length is {max}.")));
    }
    Ok(trimmed.into())
}

/// A list of at most `max` elements.
pub fn list<'a>(value: &'a Value, key: &str, max: usize) -> Result<&'a [Value], Refusal> {
    let list = value
        .as_array()
        .ok_or_else(|| invalid(format!("Invalid value \"{}\" supplied to \"{key}\"", stdx::json::text(value))))?;
    if list.len() > max {
        return Err(invalid(format!("The length of the field {key} is too long. Array must be of length <= {max}.")));
    }
    Ok(list)
}

/// One of `words`.
pub fn one_of(value: &Value, key: &str, words: &[&str]) -> Result<Arc<str>, Refusal> {
    let word = text(value, key)?;
    if words.contains(&word) {
        return Ok(word.into());
    }
    Err(invalid(format!("Invalid value \"{word}\" supplied to \"{key}\"")))
}

/// A list of texts of 1 to `chars_max` characters, trimmed, each once, in order.
pub fn words(value: &Value, key: &str, item: &str, max: usize, chars_max: usize) -> Result<Vec<Arc<str>>, Refusal> {
    let mut out: Vec<Arc<str>> = Vec::new();
    for v in list(value, key, max)? {
        let word = bounded(v, item, chars_max, false)?;
        if !out.contains(&word) {
            out.push(word);
        }
    }
    Ok(out)
}
