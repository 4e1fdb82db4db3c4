//! Text to tokens.
//!
//! Invariants: total; tokens cover the text in order; what is no token is reported and skipped.
//! Source: lexical rules of EQL.

use crate::DIAGNOSTICS_MAX;
use stdx::{Diagnostic, Span};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word: keyword, function or part of a field.
    Word(String),
    /// A name in backticks.
    Quoted(String),
    Int(i64),
    Float(f64),
    Text(String),
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

impl Token {
    /// For messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(w) => format!("`{w}`"),
            Self::Quoted(w) => format!("`{w}` in backticks"),
            Self::Int(i) => format!("`{i}`"),
            Self::Float(f) => format!("`{f}`"),
            Self::Text(_) => "a text".into(),
            Self::Sign(s) => format!("`{s}`"),
            Self::End => "the end".into(),
        }
    }
}

/// Longest first.
const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "<", ">", "=", "(", ")", "[", "]", ",", ".", ":", "+", "-", "*", "/", "%", "|", "!", "?",
    "~",
];

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    pub(super) found: Vec<Diagnostic>,
}

/// All tokens with their places, `End` last.
pub(super) fn lex(text: &str) -> (Vec<(Token, Span)>, Vec<Diagnostic>) {
    let mut lexer = Lexer { text, at: 0, found: Vec::new() };
    let mut out = Vec::new();
    while lexer.skip() {
        let start = lexer.at;
        if let Some(token) = lexer.next() {
            out.push((token, Span::new(start, lexer.at)));
        }
    }
    out.push((Token::End, Span::new(text.len(), text.len())));
    (out, lexer.found)
}

const fn starts_word(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '@')
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
    fn fail(&mut self, start: usize, message: impl Into<String>, hint: &str) {
        if self.found.len() < DIAGNOSTICS_MAX {
            self.found.push(Diagnostic::error("eqlSyntax", Span::new(start, self.at), message).hint(hint));
        }
    }

    /// Skips white space and comments; false at the end.
    fn skip(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace());
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.comment();
            } else {
                return !trimmed.is_empty();
            }
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else if let Some(c) = rest.chars().next() {
                self.at += c.len_utf8();
            } else {
                self.fail(start, "the comment is not closed", "add the missing `*/`");
                return;
            }
        }
    }

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let c = self.peek()?;
        match c {
            c if starts_word(c) => {
                let len = self
                    .rest()
                    .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '@'))
                    .unwrap_or(self.rest().len());
                self.at += len;
                Some(Token::Word(self.text[start..self.at].to_owned()))
            }
            '0'..='9' => self.number(),
            '"' => self.string(),
            '`' => self.backticks(),
            '\'' => {
                self.at += 1;
                let end = self.rest().find('\'').map_or(self.text.len(), |i| self.at + i + 1);
                self.at = end;
                self.fail(start, "texts in single quotes are not supported", "use double quotes");
                Some(Token::Text(String::new()))
            }
            _ => match SIGNS.iter().find(|s| self.rest().starts_with(**s)) {
                Some(sign) => {
                    self.at += sign.len();
                    Some(Token::Sign(sign))
                }
                None => {
                    self.at += c.len_utf8();
                    self.fail(start, format!("`{c}` is not expected here"), "remove the character or put it in quotes");
                    None
                }
            },
        }
    }

    fn number(&mut self) -> Option<Token> {
        let start = self.at;
        let digits = |l: &mut Self| {
            let n = l.rest().bytes().take_while(u8::is_ascii_digit).count();
            l.at += n;
            n
        };
        digits(self);
        let mut whole = true;
        if self.rest().starts_with('.') && self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
            whole = false;
            self.at += 1;
            digits(self);
        }
        let exponent = self.rest().strip_prefix(['e', 'E']).map(|r| r.strip_prefix(['+', '-']).unwrap_or(r));
        if let Some(tail) = exponent.filter(|t| t.starts_with(|c: char| c.is_ascii_digit())) {
            whole = false;
            self.at = self.text.len() - tail.len();
            digits(self);
        }
        let text = &self.text[start..self.at];
        let token = match whole {
            true => text.parse().map(Token::Int).ok(),
            false => text.parse().ok().filter(|f: &f64| f.is_finite()).map(Token::Float),
        };
        if token.is_none() {
            self.fail(start, "the number is too large", "numbers have 64 bits");
        }
        Some(token.unwrap_or(Token::Int(0)))
    }

    fn backticks(&mut self) -> Option<Token> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek().filter(|c| *c != '\n') else {
                self.fail(start, "the backtick is not closed", "add the missing backtick");
                break;
            };
            self.at += c.len_utf8();
            if c == '`' {
                if self.peek() != Some('`') {
                    break;
                }
                self.at += 1;
            }
            out.push(c);
        }
        Some(Token::Quoted(out))
    }

    fn string(&mut self) -> Option<Token> {
        let start = self.at;
        if self.rest().starts_with("\"\"\"") {
            return self.raw(start);
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek().filter(|c| !matches!(c, '\n' | '\r')) else {
                self.fail(start, "the quote is not closed", "add the missing `\"`; a text stands on one line");
                break;
            };
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\\' => self.escape(&mut out),
                other => out.push(other),
            }
        }
        Some(Token::Text(out))
    }

    fn escape(&mut self, out: &mut String) {
        let start = self.at - 1;
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        out.push(match c {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            '"' | '\'' | '\\' => c,
            'u' => {
                let rest = self.rest();
                let hex = rest.strip_prefix('{').and_then(|r| r.split_once('}')).map(|(hex, _)| hex);
                let code = hex
                    .filter(|h| (2..=8).contains(&h.len()) && h.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|h| u32::from_str_radix(h, 16).ok())
                    .and_then(char::from_u32);
                match (hex, code) {
                    (Some(hex), Some(code)) => {
                        self.at += hex.len() + 2;
                        code
                    }
                    _ => {
                        self.fail(
                            start,
                            "malformed Unicode escape",
                            "write `\\u{00e4}`, two to eight hexadecimal digits",
                        );
                        return;
                    }
                }
            }
            other => {
                self.fail(
                    start,
                    format!("unknown escape `\\{other}`"),
                    "write `\\\\` for a backslash, or use a raw text in three quotes",
                );
                return;
            }
        });
    }

    /// `"""…"""`: no escapes, one line, may end in up to two more quotes.
    fn raw(&mut self, start: usize) -> Option<Token> {
        self.at += 3;
        let line = self.rest().split('\n').next().unwrap_or_default();
        let Some(mut end) = line.find("\"\"\"") else {
            self.at += line.len();
            self.fail(start, "the raw text is not closed", "add the missing `\"\"\"`; a text stands on one line");
            return Some(Token::Text(String::new()));
        };
        for _ in 0..2 {
            if line[end + 3..].starts_with('"') {
                end += 1;
            }
        }
        let text = line[..end].to_owned();
        self.at += end + 3;
        Some(Token::Text(text))
    }
}
