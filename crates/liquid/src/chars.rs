//! Character classes of template source and of JavaScript's string functions.
//!
//! Invariants: pure tables; every delimiter of the language is ASCII, so byte offsets between delimiters are valid.
//! Source: LiquidJS 10.30 (measured), ECMAScript `WhiteSpace` and `LineTerminator`.

/// Blank inside delimiters and for `{%-` trimming.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{180e}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Part of an identifier: letters, digits, `_`, `-`, `?` and everything beyond ASCII that is neither blank nor a curly quote.
pub(crate) fn is_word(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '?')
    } else {
        !is_blank(c) && !matches!(c, '\u{201c}' | '\u{201d}')
    }
}

/// White space of JavaScript's `trim` and `\s`.
pub(crate) fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c != '\u{180e}' && is_blank(c))
}

/// The length of the text in UTF-16 units: what JavaScript calls its length.
pub(crate) fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// JavaScript's `trim`.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The text as a JSON string literal, as `JSON.stringify` writes it.
pub(crate) fn quote_into(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            8 => "\\b",
            12 => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        from = at + 1;
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// [`quote_into`] as a new string.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote_into(&mut out, text);
    out
}
