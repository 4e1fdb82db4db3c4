//! Syslog lines, both forms, as ECS fields.
//!
//! Invariants: a line without a priority is kept whole as `message`; the old form has no year, so its event has no `@timestamp`.
//! Source: RFC 5424, RFC 3164.

use super::lines::{Lines, text};
use super::{Decoder, Error, Input, Records, object};
use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) const SYSLOG: Decoder = Decoder { name: "syslog", extensions: &["log", "syslog"], open };

fn open(input: Input) -> Records {
    Box::new(Lines::new(input, |line| decode(&text(line)?).map(Some)))
}

/// The parts of a header and what follows it.
#[derive(Default)]
struct Header<'a> {
    time: Option<&'a str>,
    host: Option<&'a str>,
    app: Option<&'a str>,
    pid: Option<&'a str>,
    message_id: Option<&'a str>,
    rest: &'a str,
}

fn decode(line: &str) -> Result<Bytes, Error> {
    let (priority, rest) = priority(line);
    let header = match rest.strip_prefix("1 ") {
        Some(rest) if priority.is_some() => new_form(rest),
        _ => old_form(rest),
    };
    let mut out = Map::new();
    if let Some(time) = header.time {
        out.insert("@timestamp".into(), json!(time));
    }
    out.insert("message".into(), json!(header.rest.trim_start_matches('\u{feff}')));
    out.insert("event".into(), json!({ "original": line }));
    if let Some(host) = header.host {
        out.insert("host".into(), json!({ "name": host }));
    }
    if header.app.is_some() || header.pid.is_some() {
        let mut process = Map::new();
        process.extend(header.app.map(|v| ("name".to_owned(), json!(v))));
        process.extend(header.pid.and_then(|v| v.parse::<i64>().ok()).map(|v| ("pid".to_owned(), json!(v))));
        out.insert("process".into(), Value::Object(process));
    }
    if let Some(p) = priority {
        let mut syslog = Map::new();
        syslog.insert("priority".into(), json!(p));
        syslog.insert("facility".into(), json!({ "code": p / 8 }));
        syslog.insert("severity".into(), json!({ "code": p % 8 }));
        syslog.extend(header.message_id.map(|v| ("msgid".to_owned(), json!(v))));
        out.insert("log".into(), json!({ "syslog": syslog }));
    }
    Ok(object(out))
}

fn priority(line: &str) -> (Option<u16>, &str) {
    let inner = || {
        let (digits, rest) = line.strip_prefix('<')?.split_once('>')?;
        let p: u16 = digits.parse().ok().filter(|p| *p <= 191 && digits.len() <= 3)?;
        Some((p, rest))
    };
    inner().map_or((None, line), |(p, rest)| (Some(p), rest))
}

fn new_form(rest: &str) -> Header<'_> {
    let mut parts = rest.splitn(6, ' ');
    let mut next = || parts.next().filter(|p| *p != "-" && !p.is_empty());
    let (time, host, app, pid, message_id) = (next(), next(), next(), next(), next());
    let tail = parts.next().unwrap_or_default();
    Header { time, host, app, pid, message_id, rest: after_structured_data(tail) }
}

/// Skips `-` or `[id k="v" …]…`, minding `\"` and `\]` inside values.
fn after_structured_data(tail: &str) -> &str {
    if let Some(rest) = tail.strip_prefix('-') {
        return rest.trim_start_matches(' ');
    }
    let (mut quoted, mut escaped, mut open) = (false, false, false);
    for (at, c) in tail.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if open => quoted = !quoted,
            '[' if !quoted => open = true,
            ']' if !quoted => open = false,
            ' ' if !open => return &tail[at + 1..],
            _ if !open => return tail,
            _ => {}
        }
    }
    ""
}

fn old_form(rest: &str) -> Header<'_> {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let dated = rest.get(..16).is_some_and(|d| {
        let b = d.as_bytes();
        months.contains(&&d[..3]) && b[3] == b' ' && b[9] == b':' && b[12] == b':' && b[15] == b' '
    });
    if !dated {
        return Header { rest, ..Header::default() };
    }
    let Some((host, message)) = rest[16..].split_once(' ') else { return Header { rest, ..Header::default() } };
    let mut header = Header { host: Some(host), rest: message, ..Header::default() };
    if let Some((tag, text)) = message.split_once(": ")
        && !tag.is_empty()
        && !tag.contains(' ')
    {
        let (app, pid) = match tag.strip_suffix(']').and_then(|t| t.split_once('[')) {
            Some((app, pid)) => (app, Some(pid)),
            None => (tag, None),
        };
        header = Header { app: Some(app), pid, rest: text, ..header };
    }
    header
}
