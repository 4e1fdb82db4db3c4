//! Text to tree, by recursive descent over characters: what a literal is depends on where it stands.
//!
//! Invariants: total over any text; after a mistake parsing goes on at the next operator; depth, length and number of findings are bounded;
//! a tree is given only when there is no error.
//! Source: the Kibana Query Language grammar, its quirks included (`not ` inside an unquoted literal ends it).

use super::{Ast, At, Literal, Node};
use crate::pattern::{Part, push_text};
use crate::predicate::CompareOp;
use crate::{DEPTH_MAX, DIAGNOSTICS_MAX, QUERY_BYTES_MAX};
use stdx::{Diagnostic, Span};

/// Parses a query.
///
/// - returns: the tree unless there is an error, and every finding; codes `kqlSyntax`, `kqlLimit`, and as a warning `kqlNoEquality`.
pub fn parse(text: &str) -> (Option<Ast>, Vec<Diagnostic>) {
    if text.len() > QUERY_BYTES_MAX {
        let message = format!("the query is longer than {QUERY_BYTES_MAX} bytes");
        return (None, vec![Diagnostic::error("kqlLimit", Span::new(0, text.len()), message).hint("split the query")]);
    }
    let mut parser = Parser { text, at: 0, found: Vec::new() };
    let root = parser.whole();
    let failed = parser.found.iter().any(Diagnostic::is_error);
    ((!failed).then_some(root).flatten().map(|root| Ast { root }), parser.found)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Diagnostic>,
}

/// What the leaves of a level are.
#[derive(Clone, Copy)]
enum Level<'f> {
    /// Clauses with a field, nested clauses, bare values.
    Clauses,
    /// Values of this field.
    Values(&'f Literal),
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{a0}')
}

const fn is_special(c: char) -> bool {
    matches!(c, '\\' | '(' | ')' | ':' | '<' | '>' | '"' | '*' | '{' | '}')
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
    }
    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }
    fn space(&mut self) {
        while let Some(c) = self.peek().filter(|c| is_space(*c)) {
            self.bump(c);
        }
    }

    fn fail<T>(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        // A mistake that two levels stumble over is told once.
        let told = self.found.last().is_some_and(|d| d.span.start == span.start);
        if self.found.len() < DIAGNOSTICS_MAX && !told {
            self.found.push(Diagnostic::error("kqlSyntax", span, message).hint(hint));
        }
        None
    }

    fn here(&self) -> Span {
        Span::new(self.at, self.at + self.peek().map_or(0, char::len_utf8))
    }

    fn whole(&mut self) -> Option<Node> {
        self.space();
        if self.rest().is_empty() {
            return Some(Node::Everything);
        }
        let mut node = self.or(Level::Clauses, 0);
        loop {
            self.space();
            if self.rest().is_empty() {
                return node;
            }
            node = self.leftover();
        }
    }

    /// Reports what no rule takes, skips it and goes on behind it.
    fn leftover(&mut self) -> Option<Node> {
        let span = self.here();
        let c = self.peek()?;
        let (message, hint) = match c {
            ')' => ("`)` without `(`".to_owned(), "remove it, or quote the text"),
            '}' => ("`}` without `{`".to_owned(), "remove it, or quote the text"),
            ':' => ("`:` is not expected here".to_owned(), "quote a value that holds `:`, or write `\\:`"),
            '<' | '>' => {
                (format!("`{c}` is not expected here"), "a range is written `field > value`; quote other text")
            }
            '"' => ("a quoted text is not expected here".to_owned(), "join it with `and` or `or`"),
            '\\' => ("a backslash before an ordinary character".to_owned(), "write `\\\\` for a backslash"),
            other => (format!("`{other}` is not expected here"), "join clauses with `and` or `or`"),
        };
        self.fail::<()>(span, message, hint);
        self.skip();
        if self.operator("or") || self.operator("and") {
            return self.or(Level::Clauses, 0);
        }
        None
    }

    /// Skips to the next place where a clause can start.
    fn skip(&mut self) {
        let start = self.at;
        while let Some(c) = self.peek() {
            if self.at > start && (self.operator_ahead("and") || self.operator_ahead("or") || matches!(c, ')' | '}')) {
                return;
            }
            self.bump(c);
            if c == '"' {
                while let Some(inner) = self.peek() {
                    self.bump(inner);
                    match inner {
                        '"' => break,
                        '\\' => {
                            if let Some(escaped) = self.peek() {
                                self.bump(escaped);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Length of `ws+ word ws+` ahead, zero when it is not there.
    fn operator_len(&self, word: &str) -> usize {
        let rest = self.rest();
        let body = rest.trim_start_matches(is_space);
        if body.len() == rest.len() {
            return 0;
        }
        let Some(tail) = strip_word(body, word) else { return 0 };
        let end = tail.trim_start_matches(is_space);
        if end.len() == tail.len() { 0 } else { rest.len() - end.len() }
    }
    fn operator_ahead(&self, word: &str) -> bool {
        self.operator_len(word) > 0
    }
    fn operator(&mut self, word: &str) -> bool {
        let len = self.operator_len(word);
        self.at += len;
        len > 0
    }

    fn or(&mut self, level: Level<'_>, depth: usize) -> Option<Node> {
        self.chain("or", level, depth, Self::and, Node::Or)
    }
    fn and(&mut self, level: Level<'_>, depth: usize) -> Option<Node> {
        self.chain("and", level, depth, Self::not, Node::And)
    }

    fn chain(
        &mut self,
        word: &str,
        level: Level<'_>,
        depth: usize,
        inner: fn(&mut Self, Level<'_>, usize) -> Option<Node>,
        join: fn(Vec<Node>) -> Node,
    ) -> Option<Node> {
        let mut parts = Vec::new();
        let mut sound = true;
        loop {
            match inner(self, level, depth) {
                Some(node) => parts.push(node),
                None => sound = false,
            }
            if !self.operator(word) {
                break;
            }
        }
        match (sound, parts.len()) {
            (false, _) | (_, 0) => None,
            (true, 1) => parts.pop(),
            (true, _) => Some(join(parts)),
        }
    }

    fn not(&mut self, level: Level<'_>, depth: usize) -> Option<Node> {
        let tail = strip_word(self.rest(), "not").filter(|t| t.starts_with(is_space));
        let Some(tail) = tail else { return self.sub(level, depth) };
        self.at = self.text.len() - tail.len();
        self.space();
        self.sub(level, depth).map(|n| Node::Not(Box::new(n)))
    }

    fn sub(&mut self, level: Level<'_>, depth: usize) -> Option<Node> {
        if self.peek() == Some('(') {
            return self.parenthesis(level, depth);
        }
        match level {
            Level::Values(field) => {
                let value = self.literal()?;
                Some(Node::Is { field: field.clone(), value })
            }
            Level::Clauses => self.clause(depth),
        }
    }

    fn parenthesis(&mut self, level: Level<'_>, depth: usize) -> Option<Node> {
        let open = self.at;
        self.at += 1;
        if self.too_deep(open, depth) {
            return None;
        }
        self.space();
        let node = self.or(level, depth + 1);
        self.close(open, ')', level, depth)?;
        node
    }

    fn too_deep(&mut self, open: usize, depth: usize) -> bool {
        let deep = depth >= DEPTH_MAX;
        if deep {
            let message = format!("nested deeper than {DEPTH_MAX}");
            self.found.push(Diagnostic::error("kqlLimit", Span::new(open, self.at), message).hint("split the query"));
            self.at = self.text.len();
        }
        deep
    }

    /// Takes the closing bracket; reports and skips what stands before it.
    fn close(&mut self, open: usize, bracket: char, level: Level<'_>, depth: usize) -> Option<()> {
        loop {
            self.space();
            match self.peek() {
                Some(c) if c == bracket => {
                    self.at += 1;
                    return Some(());
                }
                Some(')' | '}') | None => {
                    let name = if bracket == ')' { "(" } else { "{" };
                    let before = self.found.len();
                    if before == 0 || self.peek().is_none() {
                        self.fail::<()>(
                            Span::new(open, open + 1),
                            format!("`{name}` is not closed"),
                            format!("add the missing `{bracket}`"),
                        );
                    }
                    return None;
                }
                Some(_) => {
                    let span = self.here();
                    self.fail::<()>(
                        span,
                        format!("`{}` is not expected here", self.peek().unwrap_or(' ')),
                        "join clauses with `and` or `or`; quote values that hold special characters",
                    );
                    self.skip();
                    if self.operator("or") || self.operator("and") {
                        self.or(level, depth + 1);
                    }
                }
            }
        }
    }

    fn clause(&mut self, depth: usize) -> Option<Node> {
        let field = self.literal()?;
        let after = self.at;
        self.space();
        for (sign, op) in [("<=", CompareOp::Le), (">=", CompareOp::Ge), ("<", CompareOp::Lt), (">", CompareOp::Gt)] {
            if self.eat(sign) {
                self.space();
                let value = self.literal()?;
                return Some(Node::Range { field, op, value });
            }
        }
        if !self.eat(":") {
            self.at = after;
            self.looks_like_equality(&field);
            return Some(Node::Text(field));
        }
        self.space();
        match self.peek() {
            Some('{') => {
                let open = self.at;
                self.at += 1;
                if self.too_deep(open, depth) {
                    return None;
                }
                self.space();
                let inner = self.or(Level::Clauses, depth + 1);
                self.close(open, '}', Level::Clauses, depth)?;
                Some(Node::Nested { field, inner: Box::new(inner?) })
            }
            Some('(') => self.parenthesis(Level::Values(&field), depth),
            _ => {
                let value = self.literal()?;
                Some(Node::Is { field, value })
            }
        }
    }

    /// `a == b` is one literal without a field; say what was meant, as a warning that does not change the tree.
    fn looks_like_equality(&mut self, literal: &Literal) {
        let text = literal.text();
        if let Some((field, _)) = text.split_once("==").or_else(|| text.split_once("!="))
            && !field.trim().is_empty()
            && !literal.quoted
        {
            let message = format!("`{text}` is a text without a field: KQL has no `==` and no `!=`");
            let hint = "write `field: value` or `not field: value`";
            self.found.push(Diagnostic::warning("kqlNoEquality", literal.at.0, message).hint(hint));
        }
    }

    fn literal(&mut self) -> Option<Literal> {
        match self.peek() {
            Some('"') => self.quoted(),
            _ => self.unquoted(),
        }
    }

    fn quoted(&mut self) -> Option<Literal> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else {
                return self.fail(Span::new(start, self.at), "the quote is not closed", "add the missing `\"`");
            };
            self.bump(c);
            match c {
                '"' => break,
                '\\' => match self.escape(&['"', '\\']) {
                    Some(escaped) => out.push(escaped),
                    None => out.push('\\'),
                },
                other => out.push(other),
            }
        }
        let parts = if out.is_empty() { Vec::new() } else { vec![Part::Text(out)] };
        Some(Literal { parts, quoted: true, at: At(Span::new(start, self.at)) })
    }

    /// What follows a backslash: white space letters, `\uXXXX`, one of `plain`. Nothing is taken when it is no escape.
    fn escape(&mut self, plain: &[char]) -> Option<char> {
        let c = self.peek()?;
        let (found, len) = match c {
            't' => ('\t', 1),
            'r' => ('\r', 1),
            'n' => ('\n', 1),
            'u' => {
                let digits = self.rest().get(1..5).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                (char::from_u32(u32::from_str_radix(digits, 16).ok()?).unwrap_or('\u{fffd}'), 5)
            }
            c if plain.contains(&c) => (c, c.len_utf8()),
            _ => return None,
        };
        self.at += len;
        Some(found)
    }

    fn unquoted(&mut self) -> Option<Literal> {
        let start = self.at;
        let mut parts: Vec<Part> = Vec::new();
        // How many characters at the end of the last text are blanks that were not escaped.
        let mut blanks = 0_usize;
        let mut end = start;
        while let Some(c) = self.peek() {
            match c {
                '*' => {
                    self.bump(c);
                    parts.push(Part::Any);
                    blanks = 0;
                }
                '\\' => {
                    let before = self.at;
                    self.bump(c);
                    if let Some(word) = ["and", "or", "not"].into_iter().find(|w| strip_word(self.rest(), w).is_some())
                    {
                        let text = &self.rest()[..word.len()];
                        self.at += word.len();
                        text.chars().for_each(|c| push_text(&mut parts, c));
                    } else if let Some(escaped) = self.escape(&['\\', '(', ')', ':', '<', '>', '"', '*', '{', '}']) {
                        push_text(&mut parts, escaped);
                    } else {
                        self.at = before;
                        break;
                    }
                    blanks = 0;
                }
                c if is_special(c) => break,
                _ if self.operator_ahead("and") || self.operator_ahead("or") => break,
                _ if strip_word(self.rest(), "not").is_some_and(|t| t.starts_with(is_space)) => break,
                other => {
                    self.bump(other);
                    push_text(&mut parts, other);
                    blanks = if is_space(other) { blanks + 1 } else { 0 };
                }
            }
            if blanks == 0 {
                end = self.at;
            }
        }
        if let Some(Part::Text(text)) = parts.last_mut() {
            let keep = text.char_indices().rev().take(blanks).last().map_or(text.len(), |(i, _)| i);
            text.truncate(keep);
            if text.is_empty() {
                parts.pop();
            }
        }
        // The blanks stay in front of the operator that they belong to.
        self.at = end;
        if !parts.is_empty() {
            return Some(Literal { parts, quoted: false, at: At(Span::new(start, end)) });
        }
        self.expected(start)
    }

    fn expected(&mut self, start: usize) -> Option<Literal> {
        self.at = start;
        let span = self.here();
        let word = ["and", "or", "not"].into_iter().find(|w| strip_word(self.rest(), w).is_some());
        match (self.peek(), word) {
            (None, _) => self.fail(span, "a value was expected, found the end", "write a value, or `*` for any"),
            (Some(_), Some(word)) => {
                self.skip();
                self.fail(
                    span,
                    format!("a value was expected, found `{word}`"),
                    format!("write `\\{word}` or quote the word to search for it"),
                )
            }
            (Some('\\'), _) => {
                self.skip();
                self.fail(span, "a backslash before an ordinary character", "write `\\\\` for a backslash")
            }
            (Some(c), _) => {
                if !matches!(c, ')' | '}') {
                    self.skip();
                }
                self.fail(
                    span,
                    format!("a value was expected, found `{c}`"),
                    "quote values that hold special characters",
                )
            }
        }
    }
}

/// `text` behind `word` in any case; nothing is required behind it.
fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}
