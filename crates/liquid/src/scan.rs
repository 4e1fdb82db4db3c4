//! Reads expressions, filters and tag arguments from a range of the source.
//!
//! Invariants: never reads beyond its range; nesting beyond `DEPTH_MAX` is an error; spans are bytes of the source plus `offset`.
//! Not here: delimiters and white-space control (`token`), tags (`parse`).
//! Source: LiquidJS 10.30, measured, its tolerance of odd input included.

use crate::ast::{Arg, FilterCall, Filtered, Literal, Op, Operand, Term};
use crate::chars::{is_blank, is_word, quote};
use crate::number::Num;
use crate::{Error, ErrorKind, filters};
use std::sync::Arc;
use stdx::Span;

/// Deepest nesting of brackets in an expression and of tags in a template.
pub(crate) const DEPTH_MAX: usize = 64;

/// So many characters of the rest are quoted in a message.
const SNAPSHOT_CHARS: usize = 32;

const OPERATORS: [(&str, Op); 10] = [
    ("==", Op::Eq),
    ("!=", Op::Ne),
    (">=", Op::Ge),
    ("<=", Op::Le),
    (">", Op::Gt),
    ("<", Op::Lt),
    ("contains", Op::Contains),
    ("not", Op::Not),
    ("and", Op::And),
    ("or", Op::Or),
];

const LITERALS: [(&str, Literal); 6] = [
    ("true", Literal::True),
    ("false", Literal::False),
    ("nil", Literal::Nil),
    ("null", Literal::Nil),
    ("empty", Literal::Empty),
    ("blank", Literal::Blank),
];

/// A position in a range of the source.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    pub(crate) src: &'a str,
    pub(crate) p: usize,
    pub(crate) end: usize,
    /// Added to every span, for text that stands inside a larger one.
    pub(crate) offset: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    /// Over `[start, end)` of `src`.
    pub(crate) fn new(src: &'a str, start: usize, end: usize) -> Self {
        Self { src, p: start, end: end.max(start), offset: 0, depth: 0 }
    }
    /// Over all of `src`.
    pub(crate) fn whole(src: &'a str) -> Self {
        Self::new(src, 0, src.len())
    }

    /// The byte `ahead` of the position, 0 at the end.
    pub(crate) fn peek(&self, ahead: usize) -> u8 {
        if self.p + ahead < self.end { self.src.as_bytes()[self.p + ahead] } else { 0 }
    }
    fn char(&self) -> Option<char> {
        self.src.get(self.p..self.end)?.chars().next()
    }
    fn word_at(&self, at: usize) -> bool {
        self.src.get(at..self.end).and_then(|s| s.chars().next()).is_some_and(is_word)
    }
    pub(crate) fn at_end(&self) -> bool {
        self.p >= self.end
    }
    pub(crate) fn skip_blank(&mut self) {
        while let Some(c) = self.char().filter(|c| is_blank(*c)) {
            self.p += c.len_utf8();
        }
    }
    /// What is left.
    pub(crate) fn rest(&self) -> &'a str {
        self.src.get(self.p..self.end).unwrap_or("")
    }
    /// Steps over one character.
    pub(crate) fn step(&mut self) {
        self.p += self.char().map_or(1, char::len_utf8);
    }
    /// Moves behind the next `stop` that begins at or after the position; to the end when there is none.
    pub(crate) fn skip_to(&mut self, stop: &str) -> bool {
        match self.rest().find(stop) {
            Some(at) => {
                self.p += at + stop.len();
                true
            }
            None => {
                self.p = self.end;
                false
            }
        }
    }
    pub(crate) fn span(&self, start: usize) -> Span {
        Span::new(start, self.p.max(start)).shift(self.offset)
    }
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        let start = self.p.min(self.end);
        Error::at(ErrorKind::Syntax, message, Span::new(start, self.end.max(start)).shift(self.offset))
    }
    fn snapshot(&self) -> String {
        snapshot(self.rest())
    }

    /// An identifier; empty when there is none.
    pub(crate) fn identifier(&mut self) -> &'a str {
        self.skip_blank();
        let start = self.p;
        while let Some(c) = self.char().filter(|c| is_word(*c)) {
            self.p += c.len_utf8();
        }
        &self.src[start..self.p]
    }

    /// An expression with its filters; what follows them is left unread.
    pub(crate) fn filtered(&mut self) -> Result<Filtered, Error> {
        let start = self.p;
        let terms = self.expression()?;
        if terms.is_empty() {
            return Err(self.error(format!("invalid value expression: {}", self.snapshot())));
        }
        let mut filters = Vec::new();
        while let Some(filter) = self.filter()? {
            filters.push(filter);
        }
        Ok(Filtered { terms, filters, span: self.span(start) })
    }

    fn expression(&mut self) -> Result<Vec<Term>, Error> {
        let mut out = Vec::new();
        let mut waiting: Vec<Op> = Vec::new();
        while !self.at_end() {
            if let Some(op) = self.operator() {
                while let Some(top) = waiting.last().filter(|top| top.precedence() > op.precedence()) {
                    out.push(Term::Op(*top));
                    waiting.pop();
                }
                waiting.push(op);
            } else if let Some(operand) = self.value()? {
                out.push(Term::Operand(operand));
            } else {
                break;
            }
        }
        out.extend(waiting.into_iter().rev().map(Term::Op));
        Ok(out)
    }

    fn keyword<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        self.skip_blank();
        let rest = self.rest();
        for (word, value) in table {
            if rest.starts_with(word) {
                let after = self.p + word.len();
                if word.ends_with(is_word) && self.word_at(after) {
                    return None;
                }
                self.p = after;
                return Some(*value);
            }
        }
        None
    }
    fn operator(&mut self) -> Option<Op> {
        self.keyword(&OPERATORS)
    }

    fn filter(&mut self) -> Result<Option<FilterCall>, Error> {
        self.skip_blank();
        if self.at_end() || matches!(self.peek(0), b')' | b',') {
            return Ok(None);
        }
        if self.peek(0) != b'|' {
            return Err(self.error("expected \"|\" before filter"));
        }
        self.p += 1;
        let name = self.identifier();
        let start = self.p - name.len();
        if name.is_empty() {
            return if self.at_end() { Ok(None) } else { Err(self.error("expected filter name")) };
        }
        let mut args = Vec::new();
        self.skip_blank();
        match self.peek(0) {
            b':' => loop {
                self.p += 1;
                args.extend(self.filter_arg()?);
                self.skip_blank();
                if !(self.at_end() || matches!(self.peek(0), b',' | b'|' | b')')) {
                    return Err(self.error(format!("unexpected character {}", self.snapshot())));
                }
                if self.peek(0) != b',' {
                    break;
                }
            },
            b'|' | b')' | b',' => {}
            _ if self.at_end() => {}
            _ => return Err(self.error("expected \":\" after filter name")),
        }
        Ok(Some(FilterCall { name: name.into(), run: filters::find(name), args, span: self.span(start) }))
    }

    fn filter_arg(&mut self) -> Result<Option<Arg>, Error> {
        self.skip_blank();
        let start = self.p;
        let Some(first) = self.value()? else { return Ok(None) };
        let text = &self.src[start..self.p];
        self.skip_blank();
        if self.peek(0) != b':' {
            return Ok(Some(Arg { name: None, value: Some(first) }));
        }
        self.p += 1;
        Ok(Some(Arg { name: Some(text.into()), value: self.value()? }))
    }

    /// An operand, or nothing where none begins.
    pub(crate) fn value(&mut self) -> Result<Option<Operand>, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("expression nested too deeply"));
        }
        let value = self.value_inner();
        self.depth -= 1;
        value
    }

    fn value_inner(&mut self) -> Result<Option<Operand>, Error> {
        self.skip_blank();
        let start = self.p;
        let mut base = match self.keyword(&LITERALS) {
            Some(literal) => Some(Operand::Literal(literal)),
            None => match self.quoted() {
                Some(text) => Some(Operand::Text(text.into())),
                None => self.number(),
            },
        };
        if base.is_none() && self.peek(0) == b'(' {
            base = Some(self.range()?);
        }
        let segments = self.properties(base.is_none())?;
        if segments.is_empty() {
            return Ok(base);
        }
        Ok(Some(Operand::Path { base: base.map(Box::new), segments, span: self.span(start) }))
    }

    /// A path whose first segment names a root, as filters read their property argument.
    pub(crate) fn scope_value(&mut self) -> Result<Option<Operand>, Error> {
        self.skip_blank();
        let start = self.p;
        let segments = self.properties(true)?;
        Ok((!segments.is_empty()).then(|| Operand::Path { base: None, segments, span: self.span(start) }))
    }

    /// [`Scanner::value`] where one must stand.
    pub(crate) fn required_value(&mut self) -> Result<Operand, Error> {
        match self.value()? {
            Some(value) => Ok(value),
            None => Err(self.error(format!("unexpected token {}, value expected", self.snapshot()))),
        }
    }

    fn properties(&mut self, at_root: bool) -> Result<Vec<Operand>, Error> {
        let mut out = Vec::new();
        loop {
            if self.peek(0) == b'[' {
                self.p += 1;
                let key = self.value()?.unwrap_or_else(|| Operand::Text("".into()));
                if !self.skip_to("]") {
                    return Err(self.error("[ not closed"));
                }
                out.push(key);
                continue;
            }
            if at_root && out.is_empty() {
                let word = self.identifier();
                if !word.is_empty() {
                    out.push(Operand::Text(word.into()));
                    continue;
                }
            }
            if self.peek(0) != b'.' || self.peek(1) == b'.' {
                return Ok(out);
            }
            self.p += 1;
            let word = self.identifier();
            if word.is_empty() {
                return Ok(out);
            }
            out.push(Operand::Text(word.into()));
        }
    }

    fn number(&mut self) -> Option<Operand> {
        self.skip_blank();
        let mut n = usize::from(matches!(self.peek(0), b'+' | b'-'));
        let (mut digits, mut point) = (false, false);
        loop {
            match self.peek(n) {
                b'0'..=b'9' => digits = true,
                b'.' if self.peek(n + 1) != b'.' => {
                    if point || !digits {
                        return None;
                    }
                    point = true;
                }
                _ => break,
            }
            n += 1;
        }
        if !digits || self.word_at(self.p + n) {
            return None;
        }
        let text = &self.src[self.p..self.p + n];
        self.p += n;
        Some(Operand::Number(match crate::number::parse(text) {
            Num::I(i) => stdx::Value::Int(i),
            other => other.value(),
        }))
    }

    fn range(&mut self) -> Result<Operand, Error> {
        self.p += 1;
        let low = self.required_value()?;
        self.skip_blank();
        if self.peek(0) != b'.' || self.peek(1) != b'.' {
            return Err(self.error("invalid range syntax"));
        }
        self.p += 2;
        let high = self.required_value()?;
        self.skip_blank();
        if self.peek(0) != b')' {
            return Err(self.error("invalid range syntax"));
        }
        self.p += 1;
        Ok(Operand::Range(Box::new(low), Box::new(high)))
    }

    /// Text in quotes, its escapes resolved; text that is never closed reaches to the end and loses its last character.
    pub(crate) fn quoted(&mut self) -> Option<String> {
        self.skip_blank();
        let start = self.p;
        self.skip_quoted()?;
        Some(unescape(&self.src[start..self.p]))
    }
    /// Steps over text in quotes.
    pub(crate) fn skip_quoted(&mut self) -> Option<()> {
        let quote = self.peek(0);
        if !matches!(quote, b'"' | b'\'') {
            return None;
        }
        self.p += 1;
        let mut escaped = false;
        while !self.at_end() {
            let byte = self.peek(0);
            self.step();
            if byte == quote && !escaped {
                break;
            }
            escaped = !escaped && byte == b'\\';
        }
        Some(())
    }

    /// `name: value` pairs of a tag; a name without a value has `None`.
    pub(crate) fn hash(&mut self) -> Result<Vec<(Arc<str>, Option<Operand>)>, Error> {
        let mut out = Vec::new();
        loop {
            self.skip_blank();
            if self.peek(0) == b',' {
                self.p += 1;
            }
            let name = self.identifier();
            if name.is_empty() {
                return Ok(out);
            }
            self.skip_blank();
            let mut value = None;
            if self.peek(0) == b':' {
                self.p += 1;
                value = self.value()?;
            }
            out.push((Arc::from(name), value));
        }
    }
}

/// The beginning of `rest`, quoted, for a message.
pub(crate) fn snapshot(rest: &str) -> String {
    if rest.chars().count() > SNAPSHOT_CHARS {
        let head: String = rest.chars().take(SNAPSHOT_CHARS - 3).collect();
        quote(&format!("{head}..."))
    } else {
        quote(rest)
    }
}

/// Resolves the escapes of a literal whose first and last characters are quotes.
fn unescape(literal: &str) -> String {
    let mut chars: Vec<char> = literal.chars().collect();
    chars.pop();
    let mut units: Vec<u16> = Vec::with_capacity(literal.len());
    let mut at = 1;
    while at < chars.len() {
        let c = chars[at];
        at += 1;
        if c != '\\' {
            push(&mut units, c);
            continue;
        }
        // The closing quote counts as the character behind a last backslash.
        let Some(next) = chars.get(at).copied().or_else(|| literal.chars().last()) else { break };
        match next {
            'u' => {
                let (code, read) = digits(chars.get(at + 1..).unwrap_or(&[]), 16, 4);
                at += read;
                units.push(code as u16);
            }
            '0'..='7' if at < chars.len() => {
                let (code, read) = digits(&chars[at..], 8, 3);
                at += read - 1;
                units.push(code as u16);
            }
            _ => push(&mut units, escape(next)),
        }
        at += 1;
    }
    String::from_utf16_lossy(&units)
}

fn digits(chars: &[char], radix: u32, count_max: usize) -> (u32, usize) {
    let mut code = 0;
    let mut read = 0;
    while let Some(digit) = chars.get(read).and_then(|c| c.to_digit(radix)).filter(|_| read < count_max) {
        code = code * radix + digit;
        read += 1;
    }
    (code, read)
}

fn push(units: &mut Vec<u16>, c: char) {
    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
}

fn escape(c: char) -> char {
    match c {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    }
}
