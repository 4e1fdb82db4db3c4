//! The time of an event: its `@timestamp`, or where formats that lack one keep it, or its arrival.
//!
//! Invariants: never fails; an event without a readable time gets its arrival and says so (`Source`).
//! Not here: clamping of times far in the future (windows do that), the clock.

use crate::event::{Event, Scalar};
use crate::path::FieldPath;
use bytes::Bytes;
use std::sync::LazyLock;
use stdx::Time;

/// Where an event's time came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Its own `@timestamp`.
    Field,
    /// `Event.System.TimeCreated`, a flat `TimeCreated` or the like.
    TimeCreated,
    /// There was none: the arrival.
    Arrival,
}

static TIMESTAMP: LazyLock<FieldPath> = LazyLock::new(|| FieldPath::new("@timestamp"));
static CREATED: LazyLock<[FieldPath; 5]> = LazyLock::new(|| {
    [
        "Event.System.TimeCreated.#attributes.SystemTime",
        "event.Event.System.TimeCreated.#attributes.SystemTime",
        "TimeCreated",
        "event.TimeCreated",
        "Event.System.TimeCreated_attributes.SystemTime",
    ]
    .map(FieldPath::new)
});

/// Reads one value as a time: ISO text, text or numbers of milliseconds since the epoch.
pub fn parse(scalar: Scalar<'_>) -> Option<Time> {
    match scalar {
        Scalar::Int(ms) => Some(Time::from_ms(ms)),
        Scalar::Float(ms) if ms.is_finite() => Some(Time((ms * 1000.0) as i64)),
        Scalar::Str(text) => match text.trim().parse::<i64>() {
            Ok(ms) if text.trim().len() > 4 => Some(Time::from_ms(ms)),
            _ => Time::parse(text),
        },
        _ => None,
    }
}

fn read(event: &Event, path: &FieldPath) -> Option<Time> {
    let mut found = None;
    event.any(path, |s| {
        found = parse(s);
        found.is_some()
    });
    found
}

/// The event's time and where it came from.
pub fn of(event: &Event) -> (Time, Source) {
    if let Some(time) = read(event, &TIMESTAMP) {
        return (time, Source::Field);
    }
    match CREATED.iter().find_map(|path| read(event, path)) {
        Some(time) => (time, Source::TimeCreated),
        None => (event.meta.arrival, Source::Arrival),
    }
}

/// The event with an `@timestamp`: itself when it has the field, otherwise with one put first.
///
/// - returns: also where the time came from; an event that is not a JSON object comes back as it is.
pub fn stamped(event: Event) -> (Event, Source) {
    let (time, source) = of(&event);
    if source == Source::Field || event.check().is_err() || event.exists(&TIMESTAMP) {
        return (event, source);
    }
    let Some(brace) = event.raw.iter().position(|b| *b == b'{') else { return (event, source) };
    let rest = &event.raw[brace + 1..];
    let comma = if rest.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'}') { "" } else { "," };
    let mut raw = Vec::with_capacity(event.raw.len() + 48);
    raw.extend_from_slice(format!("{{\"@timestamp\":\"{}\"{comma}", time.iso()).as_bytes());
    raw.extend_from_slice(rest);
    (Event::new(event.meta, Bytes::from(raw)), source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Meta;

    fn event(text: &str) -> Event {
        let meta = Meta { index: "x".into(), id: "1".into(), version: 1, seq: 0, arrival: Time::from_ms(5) };
        Event::new(meta, Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn time_is_taken_from_where_it_stands() {
        let of = |text: &str| {
            let (time, source) = of(&event(text));
            (time.ms(), source)
        };
        let ms = 1_736_942_400_123;
        assert_eq!(of(r#"{"@timestamp":"2025-01-15T12:00:00.123Z"}"#), (ms, Source::Field));
        assert_eq!(of(r#"{"@timestamp":1736942400123}"#), (ms, Source::Field));
        assert_eq!(of(r#"{"@timestamp":"1736942400123"}"#), (ms, Source::Field));
        assert_eq!(of(r#"{"TimeCreated":"2025-01-15 12:00:00.123"}"#), (ms, Source::TimeCreated));
        let system = r##"{"System":{"TimeCreated":{"#attributes":{"SystemTime":"2025-01-15T12:00:00.123Z"}}}}"##;
        assert_eq!(of(&format!(r#"{{"Event":{system}}}"#)), (ms, Source::TimeCreated));
        assert_eq!(of(&format!(r#"{{"event":{{"Event":{system}}}}}"#)), (ms, Source::TimeCreated));
        assert_eq!(of(r#"{"@timestamp":"soon","a":1}"#), (5, Source::Arrival));
        assert_eq!(of("{"), (5, Source::Arrival));
    }

    #[test]
    fn a_missing_timestamp_is_put_first() {
        let text = |raw: &str| String::from_utf8(stamped(event(raw)).0.raw.to_vec()).unwrap();
        assert_eq!(text(r#" { } "#), r#"{"@timestamp":"1970-01-01T00:00:00.005Z" } "#);
        assert_eq!(text(r#"{"a":1}"#), r#"{"@timestamp":"1970-01-01T00:00:00.005Z","a":1}"#);
        assert_eq!(text(r#"{"@timestamp":"2025-01-15"}"#), r#"{"@timestamp":"2025-01-15"}"#);
        assert_eq!(text(r#"{"@timestamp":"never"}"#), r#"{"@timestamp":"never"}"#);
        assert_eq!(text("broken"), "broken");
    }
}
