//! CEF lines (with or without a syslog header) as ECS fields; every extension also stands under `cef.extensions`.
//!
//! Invariants: a line without a `CEF:` header is an error for that line; fields that ECS does not know are kept.
//! Source: ArcSight Common Event Format, version 0 and 1.

use super::lines::{Lines, text};
use super::{Decoder, Error, Input, Records, object};
use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) const CEF: Decoder = Decoder { name: "cef", extensions: &["cef"], open };

/// Extension key, ECS field, whether it is a whole number.
pub(super) const FIELDS: &[(&str, &str, bool)] = &[
    ("act", "event.action", false),
    ("app", "network.protocol", false),
    ("destinationDnsDomain", "destination.registered_domain", false),
    ("dhost", "destination.domain", false),
    ("dmac", "destination.mac", false),
    ("dpt", "destination.port", true),
    ("dst", "destination.ip", false),
    ("dstPort", "destination.port", true),
    ("duser", "destination.user.name", false),
    ("dvc", "observer.ip", false),
    ("dvchost", "observer.hostname", false),
    ("filePath", "file.path", false),
    ("fname", "file.name", false),
    ("fsize", "file.size", true),
    ("in", "source.bytes", true),
    ("msg", "message", false),
    ("out", "destination.bytes", true),
    ("outcome", "event.outcome", false),
    ("proto", "network.transport", false),
    ("request", "url.original", false),
    ("requestClientApplication", "user_agent.original", false),
    ("requestMethod", "http.request.method", false),
    ("rt", "@timestamp", false),
    ("shost", "source.domain", false),
    ("smac", "source.mac", false),
    ("sproc", "process.name", false),
    ("spt", "source.port", true),
    ("src", "source.ip", false),
    ("srcPort", "source.port", true),
    ("suser", "source.user.name", false),
    ("usrName", "user.name", false),
];

fn open(input: Input) -> Records {
    Box::new(Lines::new(input, |line| decode(&text(line)?).map(Some)))
}

/// Cuts at the first `count` bars that are not escaped; the last piece is what follows.
pub(super) fn header(text: &str, count: usize) -> Option<(Vec<String>, &str)> {
    let (mut out, mut piece, mut escaped) = (Vec::new(), String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                piece.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '|' => {
                out.push(std::mem::take(&mut piece));
                if out.len() == count {
                    return Some((out, &text[at + 1..]));
                }
            }
            c => piece.push(c),
        }
    }
    None
}

/// Puts a known extension where ECS has it.
pub(super) fn map(key: &str, value: &str, out: &mut Map<String, Value>) {
    let Ok(at) = FIELDS.binary_search_by(|(k, _, _)| (*k).cmp(key)) else { return };
    let (_, field, number) = FIELDS[at];
    let value = match (field, number.then(|| value.parse::<i64>())) {
        (_, Some(Ok(n))) => json!(n),
        (_, Some(Err(_))) => return,
        ("@timestamp", _) => match event_time(value) {
            Some(ms) => json!(ms),
            None => return,
        },
        ("network.transport" | "network.protocol", _) => json!(value.to_ascii_lowercase()),
        _ => json!(value),
    };
    out.insert(field.to_owned(), value);
}

fn event_time(text: &str) -> Option<i64> {
    crate::timestamp::parse(crate::Scalar::Str(text)).map(stdx::Time::ms)
}

fn decode(line: &str) -> Result<Bytes, Error> {
    let malformed =
        || Error::Malformed("not a CEF line: expected `CEF:0|vendor|product|version|id|name|severity|`".into());
    let at = line.find("CEF:").ok_or_else(malformed)?;
    let (head, rest) = header(&line[at + 4..], 7).ok_or_else(malformed)?;
    let mut out = Map::new();
    for (field, value) in
        ["cef.version", "observer.vendor", "observer.product", "observer.version", "event.code", "message"]
            .iter()
            .zip(&head)
    {
        out.insert((*field).to_owned(), json!(value));
    }
    out.insert("cef.severity".into(), json!(head[6]));
    if let Ok(n) = head[6].parse::<i64>() {
        out.insert("event.severity".into(), json!(n));
    }
    out.insert("event.original".into(), json!(line));
    let mut extensions = Map::new();
    for (key, value) in pairs(rest) {
        map(&key, &value, &mut out);
        extensions.insert(key, json!(value));
    }
    out.insert("cef.extensions".into(), Value::Object(extensions));
    Ok(object(out))
}

/// `key=value key=value`; a value runs to the space before the next key.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut starts = Vec::new();
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('=') {
        if at > 0 && bytes[at - 1] == b'\\' {
            continue;
        }
        let key = text[..at].rfind(|c: char| !(c.is_ascii_alphanumeric() || "_.-[]".contains(c))).map_or(0, |p| p + 1);
        if key < at && (key == 0 || bytes[key - 1] == b' ') {
            starts.push((key, at));
        }
    }
    let mut out = Vec::new();
    for (i, (key, eq)) in starts.iter().enumerate() {
        let end = starts.get(i + 1).map_or(text.len(), |(next, _)| *next);
        out.push((text[*key..*eq].to_owned(), unescape(text[eq + 1..end].trim_end())));
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(c) => out.push(c),
                None => {}
            },
            (c, _) => out.push(c),
        }
    }
    out
}
