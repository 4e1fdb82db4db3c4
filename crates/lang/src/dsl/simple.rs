//! `simple_query_string`: a query string that never fails.
//!
//! Invariants: total; operators join from left to right; what makes no sense is text or is dropped; depth is bounded.
//! Not here: `query_string` (`lucene`).
//! Source: `simple_query_string` of Elasticsearch.

use super::{BoolQuery, MatchKind, Query};
use crate::DEPTH_MAX;
use crate::pattern::Case;
use stdx::Value;

/// The query for `text` over `fields`; `all` makes blanks mean *and*.
pub(super) fn parse(text: &str, fields: &[String], all: bool) -> Query {
    let mut parser = Parser { text, at: 0, fields, all };
    parser.group(0).unwrap_or(Query::MatchNone)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    fields: &'a [String],
    all: bool,
}

/// Clauses so far, joined by one operator.
struct Chain {
    all: bool,
    clauses: Vec<Query>,
}

impl Chain {
    fn query(mut self) -> Option<Query> {
        match self.clauses.len() {
            0 | 1 => self.clauses.pop(),
            _ if self.all => Some(Query::Bool(BoolQuery { must: self.clauses, ..BoolQuery::default() })),
            _ => Some(Query::any(self.clauses)),
        }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    fn group(&mut self, depth: usize) -> Option<Query> {
        let mut chain = Chain { all: self.all, clauses: Vec::new() };
        let mut joint = None;
        let mut negated = false;
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' => self.bump(c),
                '+' | '|' => {
                    self.bump(c);
                    if !chain.clauses.is_empty() {
                        joint = Some(c == '+');
                    }
                }
                '-' => {
                    self.bump(c);
                    negated = !negated;
                }
                ')' => {
                    self.bump(c);
                    if depth > 0 {
                        break;
                    }
                }
                _ => {
                    let Some(clause) = self.clause(c, depth) else { continue };
                    let clause = if std::mem::take(&mut negated) { clause.negate() } else { clause };
                    let all = joint.take().unwrap_or(self.all);
                    if chain.clauses.len() > 1 && chain.all != all {
                        chain = Chain { all, clauses: chain.query().into_iter().collect() };
                    }
                    chain.all = all;
                    chain.clauses.push(clause);
                }
            }
        }
        chain.query()
    }

    fn clause(&mut self, c: char, depth: usize) -> Option<Query> {
        match c {
            '(' => {
                self.bump(c);
                if depth < DEPTH_MAX { self.group(depth + 1) } else { None }
            }
            '"' => {
                self.bump(c);
                let (text, _) = self.until(&['"']);
                self.at = (self.at + 1).min(self.text.len());
                let near = self.number();
                let kind = if near == 0 { MatchKind::Phrase } else { MatchKind::All };
                (!text.trim().is_empty()).then(|| self.matches(&text, kind))
            }
            _ => {
                let (text, star) = self.until(&[' ', '\t', '\n', '\r', '+', '|', '(', ')', '"']);
                let text = text.split_once('~').map_or(text.as_str(), |(t, _)| t).to_owned();
                match star {
                    true if text == "*" => Some(Query::MatchAll),
                    true => {
                        let value = text.trim_end_matches('*').to_owned();
                        let each = self.fields.iter().map(|f| Query::Wildcard {
                            field: f.clone(),
                            pattern: format!(
                                "{}*",
                                crate::pattern::escape_parts(&[crate::pattern::Part::Text(value.clone())])
                            ),
                            case: Case::Sensitive,
                        });
                        Some(Query::any(each.collect()))
                    }
                    false if text.is_empty() => None,
                    false => {
                        let kind = if self.all { MatchKind::All } else { MatchKind::Any };
                        Some(self.matches(&text, kind))
                    }
                }
            }
        }
    }

    fn matches(&self, text: &str, kind: MatchKind) -> Query {
        Query::Match { fields: self.fields.to_vec(), value: Value::from(text), kind }
    }

    /// Text up to one of `ends`, escapes resolved; true when it ends in a star that is not escaped.
    fn until(&mut self, ends: &[char]) -> (String, bool) {
        let (mut out, mut star) = (String::new(), false);
        while let Some(c) = self.peek().filter(|c| !ends.contains(c)) {
            self.bump(c);
            star = c == '*';
            match (c, self.peek()) {
                ('\\', Some(escaped)) => {
                    self.bump(escaped);
                    out.push(escaped);
                }
                _ => out.push(c),
            }
        }
        (out, star)
    }

    /// `~2` behind a phrase.
    fn number(&mut self) -> u32 {
        let Some(rest) = self.text[self.at..].strip_prefix('~') else { return 0 };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += 1 + digits;
        rest[..digits].parse().unwrap_or(0)
    }
}
