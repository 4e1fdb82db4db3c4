//! Expressions of EQL, from `or` down to fields and constants.
//!
//! Invariants: precedence is `or`, `and`, `not`, one comparison, sums, products, signs, then `in`, `like` and their kin; every level of brackets,
//! `not` and signs counts against the depth.
//! Not here: statements (`parse`).

use super::super::lexer::Token;
use super::super::{Arithmetic, At, Constant, Expr, Kind, MatchOp};
use super::{KEYWORDS, Parser};
use crate::DEPTH_MAX;
use crate::pattern::Case;
use crate::predicate::CompareOp;

impl Parser {
    /// A `~` glued to the word before it.
    fn tilde(&mut self) -> Case {
        let glued = self.is_sign("~") && self.span().start == self.before().end;
        if glued {
            self.bump();
            return Case::Insensitive;
        }
        Case::Sensitive
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

    pub(super) fn or(&mut self) -> Option<Expr> {
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

    pub(super) fn field(&mut self) -> Option<String> {
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
