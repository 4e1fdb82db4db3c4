//! The sentence that says why there is an alert.
//!
//! Invariants: a part stands only where its field has a value; values of a list are joined with a comma.

use super::texts;
use event::Event;
use std::fmt::Write as _;

/// `process event with process a.exe, parent process b.exe, by eve on ws-7 created high alert Odd start.`
pub(super) fn sentence(event: &Event, severity: &str, name: &str) -> String {
    let get = |field: &str| {
        let values = texts(event, field);
        (!values.is_empty()).then(|| values.join(", "))
    };
    let address = |side: &str| {
        let ip = get(&format!("{side}.ip"))?;
        Some(get(&format!("{side}.port")).map_or_else(|| ip.clone(), |port| format!("{ip}:{port}")))
    };
    let parts = [
        ("process", get("process.name")),
        ("parent process", get("process.parent.name")),
        ("file", get("file.name")),
        ("source", address("source")),
        ("destination", address("destination")),
    ];
    let mut out = get("event.category").map_or_else(String::new, |c| c + " ");
    out.push_str("event");
    let mut with = " with";
    for (label, value) in parts {
        if let Some(value) = value {
            let _ = write!(out, "{with} {label} {value},");
            with = "";
        }
    }
    for (word, field) in [("by", "user.name"), ("on", "host.name")] {
        if let Some(value) = get(field) {
            let _ = write!(out, " {word} {value}");
        }
    }
    let _ = write!(out, " created {severity} alert {name}.");
    out
}
