//! LEEF lines as ECS fields; every attribute also stands under `leef.attributes`.
//!
//! Invariants: a line without a `LEEF:` header is an error for that line; version 2 may name its own delimiter.
//! Source: QRadar Log Event Extended Format, 1.0 and 2.0.

use super::cef::{header, map};
use super::lines::{Lines, text};
use super::{Decoder, Error, Input, Records, object};
use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) const LEEF: Decoder = Decoder { name: "leef", extensions: &["leef"], open };

fn open(input: Input) -> Records {
    Box::new(Lines::new(input, |line| decode(&text(line)?).map(Some)))
}

fn decode(line: &str) -> Result<Bytes, Error> {
    let malformed = || Error::Malformed("not a LEEF line: expected `LEEF:1.0|vendor|product|version|id|`".into());
    let at = line.find("LEEF:").ok_or_else(malformed)?;
    let (mut head, mut rest) = header(&line[at + 5..], 5).ok_or_else(malformed)?;
    let mut delimiter = '\t';
    if head[0].starts_with('2')
        && let Some((named, after)) = rest.split_once('|')
        && named.chars().count() <= 6
        && !named.contains('=')
    {
        delimiter = delimiter_of(named).unwrap_or('\t');
        rest = after;
    }
    let mut out = Map::new();
    let code = head.pop().unwrap_or_default();
    for (field, value) in ["leef.version", "observer.vendor", "observer.product", "observer.version"].iter().zip(&head)
    {
        out.insert((*field).to_owned(), json!(value));
    }
    out.insert("event.code".into(), json!(code));
    out.insert("event.original".into(), json!(line));
    let mut attributes = Map::new();
    for (key, value) in rest.split(delimiter).filter_map(|pair| pair.split_once('=')) {
        let key = key.trim();
        map(key, value, &mut out);
        attributes.insert(key.to_owned(), json!(value));
    }
    out.insert("leef.attributes".into(), Value::Object(attributes));
    Ok(object(out))
}

/// A character, or its code as `x09` or `0x09`.
fn delimiter_of(named: &str) -> Option<char> {
    let mut chars = named.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Some(c),
        (Some(_), Some(_)) => {
            let hex = named.trim_start_matches('0').strip_prefix(['x', 'X'])?;
            char::from_u32(u32::from_str_radix(hex, 16).ok()?)
        }
        _ => None,
    }
}
