//! Tokens to tree, by recursive descent.
//!
//! Invariants: total over any text; after a mistake inside a step or a bracket parsing goes on behind it; depth and length are bounded; a tree
//! is given only when there is no error.
//! Source: the grammar of EQL in Elasticsearch 9.

use super::lexer::{Token, lex};
use super::{
    Arithmetic, At, Body, Constant, EventQuery, Expr, Key, Kind, MatchOp, Pipe, Query, Sample, Sequence, Step,
};
use crate::pattern::Case;
use crate::predicate::CompareOp;
use crate::{DEPTH_MAX, DIAGNOSTICS_MAX, QUERY_BYTES_MAX};
use stdx::{Diagnostic, Duration, Span};

/// Most repetitions of one step (`with runs`).
pub const RUNS_MAX: i64 = 100;
/// Most steps of a sequence, runs counted.
pub const STEPS_MAX: u32 = 256;

const KEYWORDS: &[&str] = &[
    "and", "any", "by", "false", "in", "join", "like", "maxspan", "not", "null", "or", "regex", "sample", "sequence",
    "true", "until", "where", "with",
];

/// True for words that need backticks as field names.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Parses a statement.
///
/// - returns: the tree unless there is an error, and every finding; codes `eqlSyntax`, `eqlLimit`, `eqlUnsupported`.
pub fn parse(text: &str) -> (Option<Query>, Vec<Diagnostic>) {
    if text.len() > QUERY_BYTES_MAX {
        let message = format!("the query is longer than {QUERY_BYTES_MAX} bytes");
        return (None, vec![Diagnostic::error("eqlLimit", Span::new(0, text.len()), message).hint("split the rule")]);
    }
    let (tokens, found) = lex(text);
    let mut parser = Parser { tokens, at: 0, found, depth: 0 };
    let query = parser.statement();
    parser.found.sort_by_key(|d| d.span.start);
    let failed = parser.found.iter().any(Diagnostic::is_error);
    (query.filter(|_| !failed), parser.found)
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    found: Vec<Diagnostic>,
    depth: usize,
}

impl Parser {
    fn token(&self) -> &Token {
        &self.tokens[self.at].0
    }
    fn span(&self) -> Span {
        self.tokens[self.at].1
    }
    fn before(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1
    }
    fn ahead(&self, n: usize) -> &Token {
        &self.tokens[(self.at + n).min(self.tokens.len() - 1)].0
    }
    fn bump(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }
    fn is_word(&self, word: &str) -> bool {
        matches!(self.token(), Token::Word(w) if w == word)
    }
    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.bump();
        }
        found
    }
    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token(), Token::Sign(s) if *s == sign)
    }
    fn sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.bump();
        }
        found
    }
    /// A `~` glued to the word before it.
    fn tilde(&mut self) -> Case {
        let glued = self.is_sign("~") && self.span().start == self.before().end;
        if glued {
            self.bump();
            return Case::Insensitive;
        }
        Case::Sensitive
    }

    fn report(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let told = self.found.last().is_some_and(|d| d.span.start == span.start);
        if self.found.len() < DIAGNOSTICS_MAX && !told {
            self.found.push(Diagnostic::error(code, span, message).hint(hint));
        }
    }
    fn expected<T>(&mut self, what: &str, hint: &str) -> Option<T> {
        let message = format!("{what} was expected, found {}", self.token().shown());
        self.report("eqlSyntax", self.span(), message, hint);
        None
    }
    fn require(&mut self, sign: &str, hint: &str) -> Option<()> {
        if self.sign(sign) { Some(()) } else { self.expected(&format!("`{sign}`"), hint) }
    }

    fn statement(&mut self) -> Option<Query> {
        let body = match self.token() {
            Token::Word(w) if w == "sequence" && !matches!(self.ahead(1), Token::Word(w) if w == "where") => {
                self.sequence().map(Body::Sequence)
            }
            Token::Word(w) if w == "sample" && !matches!(self.ahead(1), Token::Word(w) if w == "where") => {
                self.sample().map(Body::Sample)
            }
            Token::Word(w) if w == "join" && !matches!(self.ahead(1), Token::Word(w) if w == "where") => {
                self.report("eqlUnsupported", self.span(), "`join` is not supported", "use `sequence` or `sample`");
                None
            }
            _ => self.event().map(Body::Event),
        };
        let mut pipes = Vec::new();
        while self.sign("|") {
            pipes.extend(self.pipe());
        }
        if *self.token() != Token::End && body.is_some() {
            let hint = match self.token() {
                Token::Sign("=") => "equality is written `==`",
                Token::Sign("[") => "several steps need `sequence` or `sample` in front",
                _ => "join conditions with `and` or `or`",
            };
            self.expected::<()>("the end", hint);
        }
        Some(Query { body: body?, pipes })
    }

    fn pipe(&mut self) -> Option<Pipe> {
        let at = At(self.span());
        let Token::Word(name) = self.token().clone() else {
            return self.expected("the name of a pipe", "there are `head` and `tail`");
        };
        self.bump();
        let count = match *self.token() {
            Token::Int(n) => {
                self.bump();
                u64::try_from(n).ok()
            }
            _ => None,
        };
        if !matches!(name.as_str(), "head" | "tail") {
            self.report(
                "eqlUnsupported",
                at.0,
                format!("the pipe `{name}` is not supported"),
                "there are `head` and `tail`",
            );
            while !matches!(self.token(), Token::End | Token::Sign("|")) {
                self.bump();
            }
        }
        Some(Pipe { name, count, at })
    }

    fn event(&mut self) -> Option<EventQuery> {
        let start = self.span();
        let hint =
            "an event query is written `category where condition`, for example `process where process.name == \"x\"`";
        let category = match self.token().clone() {
            Token::Word(w) if w == "any" => None,
            Token::Word(w) | Token::Text(w) | Token::Quoted(w) => Some(w),
            _ => return self.expected("an event category", hint),
        };
        self.bump();
        if !self.word("where") {
            return self.expected("`where`", hint);
        }
        let condition = self.or()?;
        let at = At(start.to(self.before()));
        Some(EventQuery { category, condition, at })
    }

    fn sequence(&mut self) -> Option<Sequence> {
        let start = self.span();
        self.bump();
        let mut by = self.by()?;
        let mut maxspan = None;
        if self.is_word("with") {
            maxspan = Some(self.maxspan()?);
            if self.is_word("by") {
                self.report(
                    "eqlSyntax",
                    self.span(),
                    "`by` must stand before `with`",
                    "write `sequence by key with maxspan=1m`",
                );
                by = self.by()?;
            }
        }
        let mut steps = Vec::new();
        let mut sound = true;
        while self.is_sign("[") || self.is_sign("!") {
            match self.step(true) {
                Some(step) => steps.push(step),
                None => sound = false,
            }
        }
        let until = if self.word("until") { Some(self.step(false)?) } else { None };
        let at = At(start.to(self.before()));
        if !sound {
            return None;
        }
        self.check_steps(&steps, &by, until.as_ref(), at)?;
        if maxspan.is_none() && steps.iter().any(|s| s.missing) {
            self.report(
                "eqlSyntax",
                at.0,
                "a sequence with a missing event needs `maxspan`",
                "write `sequence with maxspan=1m`",
            );
        }
        Some(Sequence { by, maxspan, steps, until, at })
    }

    fn sample(&mut self) -> Option<Sample> {
        let start = self.span();
        self.bump();
        let by = self.by()?;
        let mut steps = Vec::new();
        while self.is_sign("[") {
            steps.push(self.step(false)?);
        }
        let at = At(start.to(self.before()));
        self.check_steps(&steps, &by, None, at)?;
        if steps.first().is_some_and(|s| by.is_empty() && s.by.is_empty()) {
            self.report("eqlSyntax", at.0, "a sample needs join keys", "write `sample by host.id`");
        }
        Some(Sample { by, steps, at })
    }

    fn check_steps(&mut self, steps: &[Step], by: &[Key], until: Option<&Step>, at: At) -> Option<()> {
        let runs: u32 = steps.iter().map(|s| s.runs).fold(0, u32::saturating_add);
        if runs < 2 {
            self.report(
                "eqlSyntax",
                at.0,
                "at least two steps are needed",
                "write `[…] […]`, or one step `with runs=2`",
            );
            return None;
        }
        if runs > STEPS_MAX {
            self.report("eqlLimit", at.0, format!("more than {STEPS_MAX} steps"), "use fewer steps or runs");
            return None;
        }
        if steps.iter().all(|s| s.missing) {
            self.report("eqlSyntax", at.0, "a sequence needs a step that is not missing", "remove a `!`");
        }
        let keys = |s: &Step| by.len() + s.by.len();
        let first = steps.first().map_or(0, keys);
        if let Some(other) = steps.iter().chain(until).find(|s| keys(s) != first) {
            let message = format!("every step needs the same number of keys, found {first} and {}", keys(other));
            self.report("eqlSyntax", other.event.at.0, message, "add or remove keys behind `by`");
        }
        Some(())
    }

    fn by(&mut self) -> Option<Vec<Key>> {
        let mut keys = Vec::new();
        if !self.word("by") {
            return Some(keys);
        }
        loop {
            let start = self.span();
            let optional = self.sign("?");
            let field = self.field()?;
            keys.push(Key { optional, field, at: At(start.to(self.before())) });
            if !self.sign(",") {
                return Some(keys);
            }
        }
    }

    /// `with maxspan = 5m`.
    fn maxspan(&mut self) -> Option<Duration> {
        self.bump();
        let hint = "write `with maxspan=30s`; units are ms, s, m, h and d";
        if !self.word("maxspan") {
            return self.expected("`maxspan`", hint);
        }
        self.require("=", hint)?;
        let (Token::Int(n), start) = (self.token().clone(), self.span()) else {
            return self.expected("a whole number", hint);
        };
        self.bump();
        let unit = match self.token() {
            Token::Word(w) if self.span().start == start.end => w.clone(),
            _ => String::new(),
        };
        let us: i64 = match unit.as_str() {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => {
                self.report("eqlSyntax", start, "a time needs a unit", hint);
                0
            }
        };
        if !unit.is_empty() {
            self.bump();
        }
        Some(Duration(n.saturating_mul(us)))
    }

    fn step(&mut self, may_miss: bool) -> Option<Step> {
        let from = self.span();
        let missing = self.sign("!");
        if missing && !may_miss {
            self.report("eqlSyntax", from, "a missing event is not expected here", "remove the `!`");
        }
        let step = self.step_body(missing);
        if step.is_none() {
            // Go on with the next step.
            let mut depth = 1_usize;
            while depth > 0 && *self.token() != Token::End {
                match self.token() {
                    Token::Sign("[") => depth += 1,
                    Token::Sign("]") => depth -= 1,
                    _ => {}
                }
                self.bump();
            }
        }
        step
    }

    fn step_body(&mut self, missing: bool) -> Option<Step> {
        self.require("[", "a step is written `[category where condition]`")?;
        let event = self.event()?;
        self.require("]", "close the step, or join conditions with `and` or `or`")?;
        let by = self.by()?;
        let mut runs = 1;
        if self.is_word("with") && matches!(self.ahead(1), Token::Word(w) if w == "runs") {
            self.bump();
            self.bump();
            let hint = "write `with runs=3`";
            self.require("=", hint)?;
            match *self.token() {
                Token::Int(n) if (1..=RUNS_MAX).contains(&n) => runs = u32::try_from(n).unwrap_or(1),
                Token::Int(_) => {
                    self.report("eqlLimit", self.span(), format!("`runs` lies between 1 and {RUNS_MAX}"), hint);
                }
                _ => return self.expected("a whole number", hint),
            }
            self.bump();
        }
        Some(Step { event, by, runs, missing })
    }

    fn deeper(&mut self) -> Option<()> {
        self.depth += 1;
        if self.depth <= DEPTH_MAX {
            return Some(());
        }
        self.report("eqlLimit", self.span(), format!("nested deeper than {DEPTH_MAX}"), "split the rule");
        self.at = self.tokens.len() - 1;
        None
    }

    fn joined(
        &mut self,
        word: &str,
        inner: fn(&mut Self) -> Option<Expr>,
        join: fn(Vec<Expr>) -> Kind,
    ) -> Option<Expr> {
        let first = inner(self)?;
        if !self.is_word(word) {
            return Some(first);
        }
        let start = first.at.0;
        let mut parts = vec![first];
        while self.word(word) {
            parts.push(inner(self)?);
        }
        Some(Expr { kind: join(parts), at: At(start.to(self.before())) })
    }

    fn or(&mut self) -> Option<Expr> {
        self.deeper()?;
        let found = self.joined("or", Self::and, Kind::Or);
        self.depth -= 1;
        found
    }
    fn and(&mut self) -> Option<Expr> {
        self.joined("and", Self::not, Kind::And)
    }
    fn not(&mut self) -> Option<Expr> {
        let start = self.span();
        if !self.word("not") {
            return self.comparison();
        }
        self.deeper()?;
        let inner = self.not();
        self.depth -= 1;
        Some(Expr { kind: Kind::Not(Box::new(inner?)), at: At(start.to(self.before())) })
    }

    fn comparison(&mut self) -> Option<Expr> {
        let left = self.sum()?;
        let op = match self.token() {
            Token::Sign("==") => CompareOp::Eq,
            Token::Sign("!=") => CompareOp::Ne,
            Token::Sign("<") => CompareOp::Lt,
            Token::Sign("<=") => CompareOp::Le,
            Token::Sign(">") => CompareOp::Gt,
            Token::Sign(">=") => CompareOp::Ge,
            Token::Sign("=") => {
                self.report(
                    "eqlSyntax",
                    self.span(),
                    "`=` compares nothing",
                    "equality is written `==`, or `:` without regard to case",
                );
                CompareOp::Eq
            }
            _ => return Some(left),
        };
        self.bump();
        let right = self.sum()?;
        let at = At(left.at.0.to(right.at.0));
        Some(Expr { kind: Kind::Compare(op, Box::new(left), Box::new(right)), at })
    }

    fn arithmetic(&mut self, ops: &[(&str, Arithmetic)], inner: fn(&mut Self) -> Option<Expr>) -> Option<Expr> {
        let mut left = inner(self)?;
        let mut count = 0;
        while let Some((_, op)) = ops.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.bump();
            count += 1;
            if count > DEPTH_MAX {
                self.report(
                    "eqlLimit",
                    self.span(),
                    format!("more than {DEPTH_MAX} operators in a row"),
                    "shorten the sum",
                );
                return None;
            }
            let right = inner(self)?;
            let at = At(left.at.0.to(right.at.0));
            left = Expr { kind: Kind::Arithmetic(*op, Box::new(left), Box::new(right)), at };
        }
        Some(left)
    }
    fn sum(&mut self) -> Option<Expr> {
        self.arithmetic(&[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)], Self::product)
    }
    fn product(&mut self) -> Option<Expr> {
        self.arithmetic(
            &[("*", Arithmetic::Multiply), ("/", Arithmetic::Divide), ("%", Arithmetic::Modulo)],
            Self::unary,
        )
    }
    fn unary(&mut self) -> Option<Expr> {
        let start = self.span();
        let negative = self.is_sign("-");
        if !negative && !self.is_sign("+") {
            return self.postfix();
        }
        self.bump();
        self.deeper()?;
        let inner = self.unary();
        self.depth -= 1;
        let inner = inner?;
        let at = At(start.to(self.before()));
        Some(match inner.kind {
            _ if !negative => inner,
            Kind::Constant(Constant::Int(i)) => Expr { kind: Kind::Constant(Constant::Int(i.wrapping_neg())), at },
            Kind::Constant(Constant::Float(f)) => Expr { kind: Kind::Constant(Constant::Float(-f)), at },
            _ => Expr { kind: Kind::Negative(Box::new(inner)), at },
        })
    }

    fn postfix(&mut self) -> Option<Expr> {
        let value = self.primary()?;
        let start = value.at.0;
        let negated = self.is_word("not") && matches!(self.ahead(1), Token::Word(w) if w == "in");
        if negated {
            self.bump();
        }
        let kind = if self.word("in") {
            let case = self.tilde();
            let list = self.list("(", Self::or)?;
            Kind::In { value: Box::new(value), list, case }
        } else {
            let op = match self.token() {
                Token::Sign(":") => {
                    self.bump();
                    MatchOp::Seq
                }
                Token::Word(w) if w == "like" => {
                    self.bump();
                    MatchOp::Like(self.tilde())
                }
                Token::Word(w) if w == "regex" => {
                    self.bump();
                    MatchOp::Regex(self.tilde())
                }
                _ => return Some(value),
            };
            let list = match self.is_sign("(") {
                true => self.list("(", Self::constant)?,
                false => vec![self.constant()?],
            };
            Kind::Match { value: Box::new(value), op, list }
        };
        let expr = Expr { kind, at: At(start.to(self.before())) };
        Some(match negated {
            true => Expr { at: expr.at, kind: Kind::Not(Box::new(expr)) },
            false => expr,
        })
    }

    fn list(&mut self, open: &str, inner: fn(&mut Self) -> Option<Expr>) -> Option<Vec<Expr>> {
        self.require(open, "write a list in parentheses")?;
        let mut out = Vec::new();
        loop {
            out.push(inner(self)?);
            if self.sign(")") {
                return Some(out);
            }
            if !self.sign(",") {
                return self.expected("`,` or `)`", "separate the members of a list with commas");
            }
        }
    }

    fn constant(&mut self) -> Option<Expr> {
        let negative = self.sign("-");
        let at = At(self.span());
        let constant = match self.token().clone() {
            Token::Text(t) if !negative => Constant::Text(t),
            Token::Int(i) => Constant::Int(if negative { i.wrapping_neg() } else { i }),
            Token::Float(f) => Constant::Float(if negative { -f } else { f }),
            Token::Word(w) if !negative && matches!(w.as_str(), "true" | "false") => Constant::Bool(w == "true"),
            Token::Word(w) if !negative && w == "null" => Constant::Null,
            _ => return self.expected("a constant", "quote texts; fields cannot stand here"),
        };
        self.bump();
        Some(Expr { kind: Kind::Constant(constant), at })
    }

    fn primary(&mut self) -> Option<Expr> {
        let start = self.span();
        match self.token().clone() {
            Token::Text(_) | Token::Int(_) | Token::Float(_) => self.constant(),
            Token::Word(w) if matches!(w.as_str(), "true" | "false" | "null") => self.constant(),
            Token::Sign("(") => {
                self.bump();
                let inner = self.or()?;
                self.require(")", "close the parenthesis, or join conditions with `and` or `or`")?;
                Some(Expr { kind: inner.kind, at: At(start.to(self.before())) })
            }
            Token::Sign("?") => {
                self.bump();
                if matches!(self.token(), Token::Text(_)) {
                    return self.expected("a field", "a raw text is written in three quotes");
                }
                let name = self.field()?;
                Some(Expr { kind: Kind::Field { name, optional: true }, at: At(start.to(self.before())) })
            }
            Token::Word(w) if !KEYWORDS.contains(&w.as_str()) => self.call_or_field(w),
            Token::Quoted(_) => {
                let name = self.field()?;
                Some(Expr { kind: Kind::Field { name, optional: false }, at: At(start.to(self.before())) })
            }
            Token::Word(w) => {
                self.expected("a value", &format!("`{w}` is a keyword; a field of that name needs backticks"))
            }
            _ => self.expected("a value", "write a field, a constant or a function"),
        }
    }

    fn call_or_field(&mut self, name: String) -> Option<Expr> {
        let start = self.span();
        let tilde = matches!(self.ahead(1), Token::Sign("~")) && matches!(self.ahead(2), Token::Sign("("));
        if !tilde && !matches!(self.ahead(1), Token::Sign("(")) {
            let name = self.field()?;
            return Some(Expr { kind: Kind::Field { name, optional: false }, at: At(start.to(self.before())) });
        }
        self.bump();
        let case = self.tilde();
        let arguments = if matches!(self.ahead(1), Token::Sign(")")) {
            self.bump();
            self.bump();
            Vec::new()
        } else {
            self.list("(", Self::or)?
        };
        Some(Expr { kind: Kind::Call { name, case, arguments }, at: At(start.to(self.before())) })
    }

    fn field(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            match self.token().clone() {
                Token::Word(w) if !out.is_empty() || !KEYWORDS.contains(&w.as_str()) => out.push_str(&w),
                Token::Quoted(w) => out.push_str(&w),
                _ => return self.expected("the name of a field", "names of other characters need backticks"),
            }
            self.bump();
            if self.is_sign("[") && matches!((self.ahead(1), self.ahead(2)), (Token::Int(_), Token::Sign("]"))) {
                let span = self.span();
                self.report(
                    "eqlUnsupported",
                    span,
                    "array positions are not supported",
                    "a test on an array holds when any element passes",
                );
                (0..3).for_each(|_| self.bump());
            }
            if !self.sign(".") {
                return Some(out);
            }
            out.push('.');
        }
    }
}
