//! Escaping, encoding and digests.
//!
//! Invariants: encoders never fail; decoders say what is wrong with their input.

use super::arg;
use super::text::paid;
use crate::chars::is_space;
use crate::render::Renderer;
use crate::value::V;
use crate::{Error, ErrorKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
pub(super) fn escape(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(escape_html(&paid(r, &v)?)))
}
pub(super) fn escape_once(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let mut plain = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&#34;", '"'), ("&#39;", '\'')]
            .into_iter()
            .find(|(entity, _)| rest.starts_with(entity));
        let (taken, c) = entity.map_or((1, '&'), |(entity, c)| (entity.len(), c));
        plain.push(c);
        rest = &rest[taken..];
    }
    plain.push_str(rest);
    Ok(V::str(escape_html(&plain)))
}
pub(super) fn newline_to_br(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    Ok(V::str(text.replace("\r\n", "\n").replace('\n', "<br />\n")))
}

/// Removes scripts, styles, comments and tags; an opener that is never closed stays.
pub(super) fn strip_html(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let mut open = [true; 4];
    const BLOCKS: [(&str, &str); 4] = [("<script", "</script>"), ("<style", "</style>"), ("<!--", "-->"), ("<", ">")];
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut end = None;
        for (kind, (opener, closer)) in BLOCKS.iter().enumerate() {
            if !open[kind] || !rest.starts_with(opener) {
                continue;
            }
            end = rest[opener.len()..].find(closer).map(|at| opener.len() + at + closer.len());
            if end.is_some() {
                break;
            }
            open[kind] = false;
        }
        match end {
            Some(end) => rest = &rest[end..],
            None => break,
        }
    }
    out.push_str(rest);
    Ok(V::str(out))
}

/// Percent-encodes every byte but letters, digits and those in `keep`.
fn percent(text: &str, keep: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)] as char);
            out.push(HEX[usize::from(byte & 15)] as char);
        }
    }
    out
}
pub(super) fn url_encode(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(percent(&paid(r, &v)?, b"-_.!~*'()").replace("%20", "+")))
}
pub(super) fn cgi_escape(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(percent(&paid(r, &v)?, b"-_.~").replace("%20", "+")))
}
pub(super) fn uri_escape(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(percent(&paid(r, &v)?, b"-_.!~*'();/?:@&=+$,#[]")))
}
pub(super) fn url_decode(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?.replace('+', " ");
    let malformed = || Error::new(ErrorKind::Render, "URI malformed");
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok()).ok_or_else(malformed)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        out.push(u8::from_str_radix(hex, 16).map_err(|_| malformed())?);
        at += 3;
    }
    String::from_utf8(out).map(V::str).map_err(|_| malformed())
}

pub(super) fn base64_encode(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(STANDARD.encode(paid(r, &v)?.as_bytes())))
}
pub(super) fn base64_decode(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let mut compact: String = text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ')).collect();
    if compact.len().is_multiple_of(4) {
        let bare = compact.strip_suffix("==").or_else(|| compact.strip_suffix('=')).unwrap_or(&compact).len();
        compact.truncate(bare);
    }
    let valid = compact.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    if !valid || compact.len() % 4 == 1 {
        return Err(Error::new(ErrorKind::Render, "invalid base64 provided to base64_decode"));
    }
    // The bits behind the last whole byte are ignored, as JavaScript does.
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
    );
    let bytes = lenient.decode(&compact).or_else(|_| STANDARD_NO_PAD.decode(&compact)).unwrap_or_default();
    Ok(V::str(String::from_utf8_lossy(&bytes)))
}

pub(super) fn sha256(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::str(hex::encode(Sha256::digest(paid(r, &v)?.as_bytes()))))
}
pub(super) fn hmac_sha256(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let (text, key) = (paid(r, &v)?, paid(r, &arg(args, 0))?);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map_err(|_| Error::new(ErrorKind::Render, "key of hmac_sha256 not usable"))?;
    mac.update(text.as_bytes());
    Ok(V::str(hex::encode(mac.finalize().into_bytes())))
}

/// Letters, marks and decimal digits: what a slug keeps.
fn slug_char(c: char) -> bool {
    use std::sync::LazyLock;
    static KEPT: LazyLock<Option<regex::Regex>> = LazyLock::new(|| regex::Regex::new(r"^[\p{M}\p{L}\p{Nd}]$").ok());
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    KEPT.as_ref().is_some_and(|kept| kept.is_match(c.encode_utf8(&mut [0; 4])))
}
fn accent(c: char) -> Option<&'static str> {
    Some(match c {
        'à'..='å' => "a",
        'æ' => "ae",
        'ç' => "c",
        'è'..='ë' => "e",
        'ì'..='ï' => "i",
        'ð' => "d",
        'ñ' => "n",
        'ò'..='ö' | 'ø' => "o",
        'ù'..='ü' => "u",
        'ý' | 'ÿ' => "y",
        'ß' => "ss",
        'œ' => "oe",
        'þ' => "th",
        'ẞ' => "SS",
        'Œ' => "OE",
        'Þ' => "TH",
        _ => return None,
    })
}
pub(super) fn slugify(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let text = paid(r, &v)?;
    let mode = match args.first() {
        None | Some(V::Undef) => "default".into(),
        Some(mode) => mode.js_text(r.opts.date_text),
    };
    let cased = args.get(1).is_some_and(V::js_truthy);
    let keep: fn(char) -> bool = match &*mode {
        "raw" => |c| !is_space(c),
        "default" | "latin" => slug_char,
        "pretty" => |c| slug_char(c) || "._~!$&'()+,;=@".contains(c),
        "ascii" => |c| c.is_ascii_alphanumeric(),
        _ => |_| true,
    };
    let mut out = String::with_capacity(text.len());
    let mut in_gap = false;
    for c in text.chars() {
        match accent(c).filter(|_| &*mode == "latin") {
            Some(plain) => out.push_str(plain),
            None if keep(c) => out.push(c),
            None if in_gap => continue,
            None => out.push('-'),
        }
        in_gap = !keep(c) && (&*mode != "latin" || accent(c).is_none());
    }
    if ["raw", "default", "latin", "pretty", "ascii"].contains(&&*mode) {
        let bare = out.strip_prefix('-').unwrap_or(&out);
        out = bare.strip_suffix('-').unwrap_or(bare).into();
    }
    Ok(V::str(if cased { out } else { out.to_lowercase() }))
}
