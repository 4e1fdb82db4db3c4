//! Query string to tree.
//!
//! Invariants: total over any text; every finding has a span; depth and length are bounded.
//! Not here: marking (`group`).

use super::{Clause, Joint, Mark, Node};
use crate::pattern::{Case, Part, Pattern, push_text};
use crate::predicate::{Bound, Limits};
use crate::{DEPTH_MAX, DIAGNOSTICS_MAX, QUERY_BYTES_MAX};
use stdx::{Diagnostic, Span};

/// Parses a query string.
///
/// - returns: the tree unless there is an error, and every finding; codes `luceneSyntax`, `luceneFuzzy`, `luceneRegex`, `luceneLimit`.
pub fn parse(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    if text.len() > QUERY_BYTES_MAX {
        let d = Diagnostic::error(
            "luceneLimit",
            Span::new(0, text.len()),
            format!("the query is longer than {QUERY_BYTES_MAX} bytes"),
        );
        return (None, vec![d]);
    }
    let mut parser = Parser { text, at: 0, found: Vec::new() };
    let clauses = parser.clauses(None, 0);
    let failed = parser.found.iter().any(Diagnostic::is_error);
    ((!failed).then_some(Node::Group(clauses)), parser.found)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Diagnostic>,
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{3000}')
}

/// Characters that end a term.
const fn ends_term(c: char) -> bool {
    is_space(c) || matches!(c, '!' | '(' | ')' | ':' | '^' | '[' | ']' | '"' | '{' | '}' | '~' | '/')
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }
    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += self.peek().map_or(0, char::len_utf8);
        }
    }
    /// A word operator, which needs a boundary behind it.
    fn word(&mut self, word: &str) -> bool {
        let Some(tail) = self.rest().strip_prefix(word) else { return false };
        let boundary = tail.chars().next().is_none_or(|c| is_space(c) || matches!(c, '(' | '"' | ')'));
        if boundary {
            self.at += word.len();
        }
        boundary
    }
    fn fail(&mut self, code: &'static str, from: usize, message: impl Into<String>, hint: &str) {
        if self.found.len() < DIAGNOSTICS_MAX {
            let end = self.at.max(from);
            self.found.push(Diagnostic::error(code, Span::new(from, end), message).hint(hint));
        }
    }

    fn clauses(&mut self, field: Option<&str>, depth: usize) -> Vec<Clause> {
        let mut out = Vec::new();
        let mut joint = Joint::None;
        loop {
            self.space();
            let from = self.at;
            match self.peek() {
                None => break,
                Some(')') if depth > 0 => break,
                Some(')') => {
                    self.at += 1;
                    self.fail("luceneSyntax", from, "`)` without `(`", "remove it, or write `\\)` for the character");
                    continue;
                }
                _ => {}
            }
            if self.word("AND") || self.eat("&&") {
                joint = self.joint(joint, Joint::And, &out, from);
                continue;
            }
            if self.word("OR") || self.eat("||") {
                joint = self.joint(joint, Joint::Or, &out, from);
                continue;
            }
            let mark = if self.word("NOT") || self.eat("-") || self.eat("!") {
                Mark::Not
            } else if self.eat("+") {
                Mark::Must
            } else {
                Mark::None
            };
            self.space();
            if let Some(node) = self.clause(field, depth) {
                out.push(Clause { joint, mark, node });
            }
            joint = Joint::None;
            if self.at == from {
                self.at += self.peek().map_or(1, char::len_utf8);
            }
        }
        if joint != Joint::None {
            self.fail(
                "luceneSyntax",
                self.at,
                "the query ends after an operator",
                "add the clause that follows the operator",
            );
        }
        out
    }

    fn joint(&mut self, before: Joint, now: Joint, out: &[Clause], from: usize) -> Joint {
        if before != Joint::None || out.is_empty() {
            self.fail(
                "luceneSyntax",
                from,
                "an operator without a clause before it",
                "quote the word to search for it",
            );
        }
        now
    }

    fn clause(&mut self, field: Option<&str>, depth: usize) -> Option<Node> {
        let from = self.at;
        if self.peek() == Some('(') {
            return self.group(field, depth);
        }
        if let Some(name) = self.field_name() {
            return self.field_clause(&name, depth);
        }
        self.at = from;
        self.leaf(field)
    }

    fn group(&mut self, field: Option<&str>, depth: usize) -> Option<Node> {
        let from = self.at;
        self.at += 1;
        if depth >= DEPTH_MAX {
            self.at = self.text.len();
            self.fail("luceneLimit", from, format!("nested deeper than {DEPTH_MAX}"), "split the query");
            return None;
        }
        let clauses = self.clauses(field, depth + 1);
        if !self.eat(")") {
            self.fail("luceneSyntax", from, "`(` is not closed", "add the missing `)`");
        }
        self.boost();
        Some(Node::Group(clauses))
    }

    /// A name directly followed by `:`; `None` when there is none.
    fn field_name(&mut self) -> Option<String> {
        let parts = self.term_parts();
        self.space();
        if parts.is_empty() || !self.eat(":") {
            return None;
        }
        self.space();
        Some(
            parts
                .iter()
                .map(|p| match p {
                    Part::Text(t) => t.as_str(),
                    Part::Any => "*",
                    Part::One => "?",
                })
                .collect(),
        )
    }

    fn field_clause(&mut self, name: &str, depth: usize) -> Option<Node> {
        let from = self.at;
        if name == "_exists_" {
            let field: String = match self.leaf(None)? {
                Node::Term { parts, .. } => parts
                    .iter()
                    .map(|p| match p {
                        Part::Text(t) => t.as_str(),
                        Part::Any => "*",
                        Part::One => "?",
                    })
                    .collect(),
                Node::Phrase { text, .. } => text,
                _ => {
                    self.fail(
                        "luceneSyntax",
                        from,
                        "`_exists_` takes the name of a field",
                        "write `_exists_:user.name`",
                    );
                    return None;
                }
            };
            return Some(Node::Exists { field });
        }
        if self.peek() == Some('(') {
            return self.group(Some(name), depth);
        }
        for (sign, inclusive, lower) in
            [(">=", true, true), ("<=", true, false), (">", false, true), ("<", false, false)]
        {
            if self.eat(sign) {
                self.space();
                let Some(value) = self.bound() else {
                    self.fail(
                        "luceneSyntax",
                        from,
                        format!("a value is missing after `{sign}`"),
                        "write for example `f:>=5`",
                    );
                    return None;
                };
                let bound = Some(Bound { value: value.into(), inclusive });
                let limits =
                    if lower { Limits { lower: bound, upper: None } } else { Limits { lower: None, upper: bound } };
                self.boost();
                return Some(Node::Range { field: Some(name.into()), limits });
            }
        }
        match self.leaf(Some(name))? {
            Node::Term { field: Some(field), parts } if parts == [Part::Any] => Some(Node::Exists { field }),
            other => Some(other),
        }
    }

    fn leaf(&mut self, field: Option<&str>) -> Option<Node> {
        let from = self.at;
        let field = field.map(str::to_owned);
        match self.peek() {
            Some('"') => {
                let text = self.quoted()?;
                let slop = if self.eat("~") { self.digits().parse().unwrap_or(0) } else { 0 };
                self.boost();
                Some(Node::Phrase { field, text, slop })
            }
            Some('/') => {
                let pattern = self.regex()?;
                if let Err(reason) = Pattern::lucene(&pattern, Case::Sensitive) {
                    self.fail(
                        "luceneRegex",
                        from,
                        reason,
                        "Lucene expressions match the whole value; quote a path to search for it",
                    );
                    return None;
                }
                self.boost();
                Some(Node::Regex { field, pattern })
            }
            Some('[' | '{') => self.range(field),
            _ => {
                let parts = self.term_parts();
                if parts.is_empty() {
                    let c = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"));
                    self.at = (self.at + self.peek().map_or(0, char::len_utf8)).min(self.text.len());
                    self.fail(
                        "luceneSyntax",
                        from,
                        format!("a term was expected, found {c}"),
                        "write a backslash before a special character",
                    );
                    return None;
                }
                if self.eat("~") {
                    self.digits();
                    self.fail(
                        "luceneFuzzy",
                        from,
                        "fuzzy terms are not supported",
                        "use a wildcard or a regular expression",
                    );
                }
                self.boost();
                Some(Node::Term { field, parts })
            }
        }
    }

    fn term_parts(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        while let Some(c) = self.peek() {
            if ends_term(c)
                || (parts.is_empty() && matches!(c, '+' | '-'))
                || self.rest().starts_with("&&")
                || self.rest().starts_with("||")
            {
                break;
            }
            self.at += c.len_utf8();
            match c {
                '*' => parts.push(Part::Any),
                '?' => parts.push(Part::One),
                '\\' => {
                    let escaped = self.peek().unwrap_or('\\');
                    self.at = (self.at + escaped.len_utf8()).min(self.text.len());
                    push_text(&mut parts, escaped);
                }
                other => push_text(&mut parts, other),
            }
        }
        parts
    }

    fn quoted(&mut self) -> Option<String> {
        let from = self.at;
        self.at += 1;
        let mut out = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '"' => return Some(out),
                '\\' => {
                    if let Some(escaped) = self.peek() {
                        self.at += escaped.len_utf8();
                        out.push(escaped);
                    }
                }
                other => out.push(other),
            }
        }
        self.fail("luceneSyntax", from, "the quote is not closed", "add the missing `\"`");
        None
    }

    fn regex(&mut self) -> Option<String> {
        let from = self.at;
        self.at += 1;
        let mut out = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '/' => return Some(out),
                '\\' if self.peek() == Some('/') => {
                    self.at += 1;
                    out.push('/');
                }
                '\\' => {
                    out.push(c);
                    if let Some(escaped) = self.peek() {
                        self.at += escaped.len_utf8();
                        out.push(escaped);
                    }
                }
                other => out.push(other),
            }
        }
        self.fail(
            "luceneSyntax",
            from,
            "`/` starts a regular expression that is not closed",
            "quote the text, or write `\\/` for the character",
        );
        None
    }

    /// One end of a range.
    fn bound(&mut self) -> Option<String> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let from = self.at;
        let mut out = String::new();
        while let Some(c) = self.peek().filter(|c| !is_space(*c) && !matches!(c, ']' | '}' | ')')) {
            self.at += c.len_utf8();
            if c == '\\'
                && let Some(escaped) = self.peek()
            {
                self.at += escaped.len_utf8();
                out.push(escaped);
            } else {
                out.push(c);
            }
        }
        (self.at > from).then_some(out)
    }

    fn range(&mut self, field: Option<String>) -> Option<Node> {
        let from = self.at;
        let lower_inclusive = self.eat("[") || !self.eat("{");
        self.space();
        let lower = self.bound();
        self.space();
        let to = self.word("TO") || self.eat("to");
        self.space();
        let upper = self.bound();
        self.space();
        let upper_inclusive = self.eat("]");
        let closed = upper_inclusive || self.eat("}");
        let (Some(lower), Some(upper), true, true) = (lower, upper, to, closed) else {
            self.fail("luceneSyntax", from, "malformed range", "write `[1 TO 5]`, `{a TO b}`, or `*` for an open end");
            return None;
        };
        self.boost();
        let end = |value: String, inclusive| (value != "*").then(|| Bound { value: value.into(), inclusive });
        Some(Node::Range {
            field,
            limits: Limits { lower: end(lower, lower_inclusive), upper: end(upper, upper_inclusive) },
        })
    }

    fn digits(&mut self) -> String {
        let digits: String = self.rest().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        self.at += digits.len();
        digits
    }

    fn boost(&mut self) {
        if self.eat("^") {
            self.digits();
        }
    }
}
