//! Splits a template into text, outputs and tags, and applies white-space control.
//!
//! Invariants: tokens cover the source in order; a token's content is trimmed of blanks and of the `-` marks.
//! Not here: what tags mean (`parse`).
//! Source: LiquidJS 10.30, measured.

use crate::chars::is_blank;
use crate::scan::{Scanner, snapshot};
use crate::{Error, ErrorKind};
use stdx::Span;

/// A piece of a template.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    /// Text as it is printed, white space already taken off.
    Text(Piece),
    Output(Piece),
    Tag(Tag),
}

/// A token's extent and its content's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// With delimiters.
    pub(crate) span: Span,
    /// Without delimiters, marks and blanks.
    pub(crate) content: Span,
    trim_left: bool,
    trim_right: bool,
}

/// A tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    pub(crate) piece: Piece,
    /// The name's range; empty never.
    pub(crate) name: Span,
    /// Where the arguments begin.
    pub(crate) args: usize,
}

impl Tag {
    pub(crate) fn name<'a>(&self, src: &'a str) -> &'a str {
        &src[self.name.start..self.name.end]
    }
    /// A scanner over the arguments.
    pub(crate) fn scanner<'a>(&self, src: &'a str) -> Scanner<'a> {
        Scanner::new(src, self.args, self.piece.content.end)
    }
    pub(crate) fn args_text<'a>(&self, src: &'a str) -> &'a str {
        src.get(self.args..self.piece.content.end).unwrap_or("")
    }
}

/// All tokens of `src`.
pub(crate) fn tokens(src: &str) -> Result<Vec<Token>, Error> {
    let mut out = Vec::new();
    let mut p = 0;
    while p < src.len() {
        let rest = &src[p..];
        let token = if rest.starts_with("{%") {
            tag(src, p)?
        } else if rest.starts_with("{{") {
            output(src, p)?
        } else {
            text(src, p, next_open(src, p))
        };
        p = span_of(&token).end;
        let is_raw = matches!(&token, Token::Tag(t) if t.name(src) == "raw");
        let raw_start = span_of(&token).start;
        out.push(token);
        if is_raw && p < src.len() {
            p = raw(src, p, raw_start, &mut out)?;
        }
    }
    white_space(src, &mut out);
    Ok(out)
}

/// The lines of a `liquid` tag, each a tag without delimiters.
pub(crate) fn lines(src: &str, start: usize, end: usize) -> Result<Vec<Token>, Error> {
    let mut out = Vec::new();
    let mut scanner = Scanner::new(src, start, end);
    loop {
        scanner.skip_blank();
        if scanner.at_end() {
            return Ok(out);
        }
        let start = scanner.p;
        scanner.skip_to("\n");
        out.push(Token::Tag(tag_of(src, piece(src, start, scanner.p, 0), "illegal liquid tag syntax")?));
    }
}

fn span_of(token: &Token) -> Span {
    match token {
        Token::Text(p) | Token::Output(p) => p.span,
        Token::Tag(t) => t.piece.span,
    }
}

fn next_open(src: &str, p: usize) -> usize {
    let bytes = src.as_bytes();
    (p..bytes.len())
        .find(|at| bytes[*at] == b'{' && matches!(bytes.get(at + 1), Some(b'{' | b'%')))
        .unwrap_or(src.len())
}

fn text(_src: &str, start: usize, end: usize) -> Token {
    let span = Span::new(start, end);
    Token::Text(Piece { span, content: span, trim_left: false, trim_right: false })
}

fn not_closed(src: &str, what: &str, start: usize) -> Error {
    let message = format!("{what} {} not closed", snapshot(&src[start..]));
    Error::at(ErrorKind::Syntax, message, Span::new(start, src.len()))
}

fn tag(src: &str, start: usize) -> Result<Token, Error> {
    // The search begins behind the first byte, so `{%}` closes itself; its name is then missing.
    let Some(at) = src[start + 1..].find("%}") else { return Err(not_closed(src, "tag", start)) };
    let piece = piece(src, start, start + 1 + at + 2, 2);
    Ok(Token::Tag(tag_of(src, piece, "illegal tag syntax, tag name expected")?))
}

fn tag_of(src: &str, piece: Piece, missing_name: &str) -> Result<Tag, Error> {
    let mut scanner = Scanner::new(src, piece.content.start, piece.content.end);
    scanner.skip_blank();
    let start = scanner.p;
    if scanner.peek(0) == b'#' {
        scanner.p += 1;
    } else {
        scanner.identifier();
    }
    let name = Span::new(start, scanner.p);
    if name.start == name.end {
        return Err(scanner.error(missing_name));
    }
    scanner.skip_blank();
    Ok(Tag { piece, name, args: scanner.p })
}

fn output(src: &str, start: usize) -> Result<Token, Error> {
    let mut scanner = Scanner::new(src, start, src.len());
    while !scanner.at_end() {
        if scanner.skip_quoted().is_some() {
            continue;
        }
        scanner.step();
        if scanner.p >= start + 2 && src.as_bytes()[scanner.p - 2..scanner.p] == *b"}}" {
            return Ok(Token::Output(piece(src, start, scanner.p, 2)));
        }
    }
    Err(not_closed(src, "output", start))
}

/// The piece `[start, end)` whose delimiters are `delimiter` bytes long.
fn piece(src: &str, start: usize, end: usize, delimiter: usize) -> Piece {
    let bytes = src.as_bytes();
    let (inner_start, inner_end) = (start + delimiter, end - delimiter);
    let trim_left = bytes.get(inner_start) == Some(&b'-');
    let trim_right = inner_end > 0 && bytes[inner_end - 1] == b'-';
    let left = inner_start + usize::from(trim_left);
    let right = inner_end - usize::from(trim_right);
    let content = match src.get(left..right) {
        Some(text) if left < right => {
            let after = left + (text.len() - text.trim_start_matches(is_blank).len());
            Span::new(after, after + text.trim_matches(is_blank).len())
        }
        _ => Span::new(left, left),
    };
    Piece { span: Span::new(start, end), content, trim_left, trim_right }
}

/// Reads up to and including `endraw`; returns the position behind it.
fn raw(src: &str, start: usize, raw_start: usize, out: &mut Vec<Token>) -> Result<usize, Error> {
    let mut scanner = Scanner::new(src, start, src.len());
    loop {
        if !scanner.skip_to("{%") {
            return Err(not_closed(src, "raw", raw_start));
        }
        let open = scanner.p - 2;
        if scanner.identifier() != "endraw" {
            continue;
        }
        let close = src[scanner.p..].find("%}").map(|at| scanner.p + at + 2);
        let reopened = src[scanner.p..].find("{%").map(|at| scanner.p + at + 2);
        match (close, reopened) {
            (Some(close), Some(again)) if again < close => scanner.p = again - 2,
            (Some(close), _) => {
                if open > start {
                    out.push(text(src, start, open));
                }
                let piece = piece(src, open, close, 2);
                out.push(Token::Tag(tag_of(src, piece, "illegal tag syntax, tag name expected")?));
                return Ok(close);
            }
            (None, _) => return Err(not_closed(src, "raw", raw_start)),
        }
    }
}

fn white_space(src: &str, tokens: &mut [Token]) {
    let mut in_raw = false;
    for at in 0..tokens.len() {
        let piece = match &tokens[at] {
            Token::Text(_) => continue,
            Token::Output(p) => *p,
            Token::Tag(t) => t.piece,
        };
        if !in_raw
            && piece.trim_left
            && let Some(Token::Text(before)) = at.checked_sub(1).and_then(|at| tokens.get_mut(at))
        {
            let text = &src[before.content.start..before.content.end];
            before.content.end = before.content.start + text.trim_end_matches(is_blank).len();
        }
        if let Token::Tag(tag) = &tokens[at] {
            match tag.name(src) {
                "raw" => in_raw = true,
                "endraw" => in_raw = false,
                _ => {}
            }
        }
        if !in_raw
            && piece.trim_right
            && let Some(Token::Text(after)) = tokens.get_mut(at + 1)
        {
            let text = &src[after.content.start..after.content.end];
            after.content.start = after.content.end - text.trim_start_matches(is_blank).len();
        }
    }
}
