//! EQL tree to predicate.
//!
//! Invariants: a plain test on a field becomes a leaf with must-not semantics under `not`; anything else becomes a script in three-valued logic;
//! `not` is pushed down to the tests, and a negated order comparison becomes the opposite one, as Elasticsearch's optimiser does.
//! Not here: grammar; sequences and samples, which are reported.
//! Source: EQL in Elasticsearch 9; null rules as in its query translation.

use super::function::{self, Function, Row};
use super::script::{Owned, Script, Term, Val};
use super::{Body, Constant, EventQuery, Expr, Kind, MatchOp, Query};
use crate::DIAGNOSTICS_MAX;
use crate::date::DateMath;
use crate::net::Cidr;
use crate::pattern::{Case, Part, Pattern, Wildcard, parts};
use crate::predicate::{CompareOp, Limits, Predicate, Test};
use crate::typed::{Target, Words};
use crate::types::{Ecs, FieldType, FieldTypes};
use event::FieldPath;
use std::borrow::Cow;
use stdx::{Diagnostic, Span, Time};

/// What a query is compiled against.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Types of fields.
    pub types: &'a dyn FieldTypes,
    /// The field that holds the event category (`event_category_override` of a rule).
    pub category_field: &'a str,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { types: &Ecs, category_field: "event.category" }
    }
}

/// The predicate of an event query.
///
/// - errors: every finding; codes `eqlNotEvaluated` (sequences, samples, pipes), `eqlUnknownFunction`, `eqlArguments`, `eqlRegex`, `eqlType`.
pub fn over_event(query: &Query, options: &Options<'_>) -> Result<Predicate, Vec<Diagnostic>> {
    let refused = |span: Span, what: &str| {
        Diagnostic::error("eqlNotEvaluated", span, format!("{what} are not evaluated yet"))
            .hint("use an event query: `category where condition`")
    };
    match &query.body {
        Body::Sequence(s) => Err(vec![refused(s.at.0, "sequences")]),
        Body::Sample(s) => Err(vec![refused(s.at.0, "samples")]),
        Body::Event(event) => match query.pipes.first() {
            // `head` and `tail` cut a list of results; a stream has none.
            Some(pipe) => Err(vec![refused(pipe.at.0, "pipes")]),
            None => event_predicate(event, options),
        },
    }
}

/// The predicate of `category where condition`, also that of one step.
pub fn event_predicate(query: &EventQuery, options: &Options<'_>) -> Result<Predicate, Vec<Diagnostic>> {
    let mut compiler = Compiler { types: options.types, found: Vec::new() };
    let condition = compiler.condition(&query.condition, false);
    if !compiler.found.is_empty() {
        return Err(compiler.found);
    }
    let category = match &query.category {
        Some(category) => Predicate::leaf(options.category_field, Test::equals(category, Case::Sensitive)),
        None => Predicate::True,
    };
    Ok(Predicate::and([category, condition]))
}

struct Compiler<'a> {
    types: &'a dyn FieldTypes,
    found: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn fail(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        if self.found.len() < DIAGNOSTICS_MAX {
            self.found.push(Diagnostic::error(code, span, message).hint(hint));
        }
    }

    fn target(&self, name: &str) -> Target {
        match Target::field(name, self.types) {
            // EQL compares whole values, also of analysed fields.
            Target::Field(field, FieldType::Text, written) => Target::Field(field, FieldType::Keyword, written),
            other => other,
        }
    }

    fn condition(&mut self, expr: &Expr, negated: bool) -> Predicate {
        let signed = |p: Predicate| if negated { p.negate() } else { p };
        if let Some(value) = constant_value(expr) {
            return if (value == Val::Bool(true)) != negated && value != Val::Null {
                Predicate::True
            } else {
                Predicate::False
            };
        }
        match &expr.kind {
            Kind::And(parts) | Kind::Or(parts) => {
                let all = matches!(expr.kind, Kind::And(_)) != negated;
                let parts: Vec<_> = parts.iter().map(|p| self.condition(p, negated)).collect();
                if all { Predicate::and(parts) } else { Predicate::or(parts) }
            }
            Kind::Not(inner) => self.condition(inner, !negated),
            Kind::Field { name, .. } => signed(self.target(name).equals("true", Words::Term, Case::Sensitive)),
            Kind::Compare(op, a, b) => {
                self.comparison(*op, a, b, negated).unwrap_or_else(|| self.script(expr, negated))
            }
            Kind::In { value, list, case } => match self.plain_in(value, list, *case) {
                Some(p) => signed(p),
                None => self.script(expr, negated),
            },
            Kind::Match { value, op, list } => match field_name(value) {
                Some(name) => signed(self.matches(name, *op, list)),
                None => self.script(expr, negated),
            },
            Kind::Call { name, case, arguments } => {
                let Some(row) = self.function(name, *case, arguments, expr.at.0) else { return Predicate::False };
                match self.plain_call(row, *case, arguments) {
                    Some(p) => signed(p),
                    None => self.script(expr, negated),
                }
            }
            Kind::Constant(_) | Kind::Arithmetic(..) | Kind::Negative(_) => {
                self.fail(
                    "eqlType",
                    expr.at.0,
                    "a condition was expected, found a value",
                    "compare the value with something",
                );
                Predicate::False
            }
        }
    }

    /// A comparison of a field with a constant; `None` when it is something else.
    fn comparison(&mut self, op: CompareOp, a: &Expr, b: &Expr, negated: bool) -> Option<Predicate> {
        let (name, op, value) = match (field_name(a), constant_value(b), constant_value(a), field_name(b)) {
            (Some(name), Some(value), ..) => (name, op, value),
            (_, _, Some(value), Some(name)) => (name, op.flip(), value),
            _ => return None,
        };
        let op = if negated { op.negate() } else { op };
        let target = self.target(name);
        let Some(text) = value.shown() else {
            // Null: presence. An order with null is null.
            return Some(match op {
                CompareOp::Eq => target.exists().negate(),
                CompareOp::Ne => target.exists(),
                _ => Predicate::False,
            });
        };
        let text = match &value {
            Val::Float(f) => Cow::Owned(f.to_string()),
            _ => text,
        };
        Some(match op {
            CompareOp::Eq => target.equals(&text, Words::Term, Case::Sensitive),
            CompareOp::Ne => target.equals(&text, Words::Term, Case::Sensitive).negate(),
            _ => target.range(&Limits::of(op, text.as_ref().into()), DateMath::parse),
        })
    }

    fn plain_in(&mut self, value: &Expr, list: &[Expr], case: Case) -> Option<Predicate> {
        let name = field_name(value)?;
        let values: Vec<Owned> = list.iter().map(constant_value).collect::<Option<_>>()?;
        let target = self.target(name);
        let texts = values.iter().filter_map(|v| v.shown());
        Some(Predicate::or(texts.map(|t| target.clone().equals(&t, Words::Term, case)).collect::<Vec<_>>()))
    }

    fn matches(&mut self, name: &str, op: MatchOp, list: &[Expr]) -> Predicate {
        let target = self.target(name);
        let tests: Vec<Predicate> = list
            .iter()
            .filter_map(|member| {
                let text = constant_value(member)?.shown()?;
                let case = match op {
                    MatchOp::Seq => Case::Insensitive,
                    MatchOp::Like(case) => case,
                    MatchOp::Regex(case) => {
                        return self.regex(&text, case, member.at.0).map(|r| target.clone().test(Test::Regex(r)));
                    }
                };
                let parts = parts(&text, false);
                Some(match &parts[..] {
                    [] | [Part::Text(_)] => target.clone().equals(&text, Words::Term, case),
                    parts => target.clone().glob(parts, case),
                })
            })
            .collect();
        Predicate::or(tests)
    }

    fn regex(&mut self, text: &str, case: Case, span: Span) -> Option<Pattern> {
        match Pattern::lucene(text, case) {
            Ok(pattern) => Some(pattern),
            Err(reason) => {
                self.fail("eqlRegex", span, reason, "expressions follow Lucene's syntax and match the whole value");
                None
            }
        }
    }

    fn function(&mut self, name: &str, case: Case, arguments: &[Expr], span: Span) -> Option<&'static Row> {
        let Some(row) = function::find(name) else {
            let names: Vec<_> = function::FUNCTIONS.iter().map(|r| r.name).collect();
            self.fail(
                "eqlUnknownFunction",
                span,
                format!("there is no function `{name}`"),
                format!("there are {}", names.join(", ")),
            );
            return None;
        };
        let n = arguments.len();
        if n < row.min || n > row.max {
            let wanted = match (row.min, row.max) {
                (min, max) if min == max => format!("{min}"),
                (min, max) if max > 16 => format!("at least {min}"),
                (min, max) => format!("{min} or {max}"),
            };
            let hint = format!("see the reference of `{}`", row.name);
            self.fail(
                "eqlArguments",
                span,
                format!(
                    "`{}` takes {wanted} {}, found {n}",
                    row.name,
                    if wanted == "1" { "argument" } else { "arguments" }
                ),
                hint,
            );
            return None;
        }
        if case == Case::Insensitive && !row.folds {
            self.fail("eqlArguments", span, format!("`{}` has no form with `~`", row.name), "remove the `~`");
            return None;
        }
        Some(row)
    }

    /// A text function directly on a field with constants.
    fn plain_call(&mut self, row: &Row, case: Case, arguments: &[Expr]) -> Option<Predicate> {
        let (subject, rest) = arguments.split_first()?;
        let target = self.target(field_name(subject)?);
        let texts: Vec<String> =
            rest.iter().map(|a| constant_value(a)?.text().map(Cow::into_owned)).collect::<Option<_>>()?;
        let glob = |make: &dyn Fn(String) -> Vec<Part>| {
            Predicate::or(
                texts.iter().map(|t| target.clone().test(Test::Wildcard(Wildcard::new(&make(t.clone()), case)))),
            )
        };
        Some(match row.function {
            Function::StartsWith => glob(&|t| vec![Part::Text(t), Part::Any]),
            Function::EndsWith => glob(&|t| vec![Part::Any, Part::Text(t)]),
            Function::StringContains => glob(&|t| vec![Part::Any, Part::Text(t), Part::Any]),
            Function::CidrMatch => {
                let mut blocks = Vec::new();
                for (text, argument) in texts.iter().zip(rest) {
                    match Cidr::parse(text) {
                        Some(block) => blocks.push(block),
                        None => {
                            let hint = "write `10.0.0.0/8` or `fe80::/10`";
                            self.fail("eqlArguments", argument.at.0, format!("`{text}` is no address block"), hint);
                        }
                    }
                }
                target.test(Test::Cidr(blocks))
            }
            _ => return None,
        })
    }

    fn script(&mut self, expr: &Expr, negated: bool) -> Predicate {
        let mut fields = Vec::new();
        let Some(term) = self.term(expr, &mut fields) else { return Predicate::False };
        let term = if negated { Term::Not(Box::new(term)) } else { term };
        Predicate::Script(Box::new(Script { fields, term }))
    }

    fn term(&mut self, expr: &Expr, fields: &mut Vec<FieldPath>) -> Option<Term> {
        let mut boxed = |c: &mut Self, e: &Expr| c.term(e, fields).map(Box::new);
        Some(match &expr.kind {
            Kind::Constant(c) => Term::Constant(value_of(c)),
            Kind::Field { name, .. } => {
                let path = self.types.resolve(name).0;
                let at = fields.iter().position(|f| &*f.text == path).unwrap_or_else(|| {
                    fields.push(FieldPath::new(path));
                    fields.len() - 1
                });
                Term::Field(at)
            }
            Kind::And(parts) => Term::And(self.terms(parts, fields)?),
            Kind::Or(parts) => Term::Or(self.terms(parts, fields)?),
            Kind::Not(inner) => Term::Not(boxed(self, inner)?),
            Kind::Negative(inner) => Term::Negative(boxed(self, inner)?),
            Kind::Arithmetic(op, a, b) => Term::Arithmetic(*op, boxed(self, a)?, boxed(self, b)?),
            Kind::Compare(op @ (CompareOp::Eq | CompareOp::Ne), a, b)
                if constant_value(a) == Some(Val::Null) || constant_value(b) == Some(Val::Null) =>
            {
                let other = if constant_value(a) == Some(Val::Null) { b } else { a };
                let is_null = Term::IsNull(boxed(self, other)?);
                if *op == CompareOp::Eq { is_null } else { Term::Not(Box::new(is_null)) }
            }
            Kind::Compare(op, a, b) => Term::Compare(*op, boxed(self, a)?, boxed(self, b)?),
            Kind::In { value, list, case } => Term::In(boxed(self, value)?, self.terms(list, fields)?, *case),
            Kind::Match { value, op, list } => {
                let value = boxed(self, value)?;
                let mut tests = Vec::new();
                for member in list {
                    let Some(text) = constant_value(member).and_then(|v| v.shown().map(Cow::into_owned)) else {
                        continue;
                    };
                    tests.push(match op {
                        MatchOp::Seq => Test::Wildcard(Wildcard::unescaped(&text, Case::Insensitive)),
                        MatchOp::Like(case) => Test::Wildcard(Wildcard::unescaped(&text, *case)),
                        MatchOp::Regex(case) => Test::Regex(self.regex(&text, *case, member.at.0)?),
                    });
                }
                Term::Match(value, tests)
            }
            Kind::Call { name, case, arguments } => {
                let row = self.function(name, *case, arguments, expr.at.0)?;
                Term::Call(row.function, *case, self.terms(arguments, fields)?)
            }
        })
    }

    fn terms(&mut self, parts: &[Expr], fields: &mut Vec<FieldPath>) -> Option<Vec<Term>> {
        parts.iter().map(|p| self.term(p, fields)).collect()
    }
}

fn field_name(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        Kind::Field { name, .. } => Some(name),
        _ => None,
    }
}

fn value_of(constant: &Constant) -> Owned {
    match constant {
        Constant::Null => Val::Null,
        Constant::Bool(b) => Val::Bool(*b),
        Constant::Int(i) => Val::Int(*i),
        Constant::Float(f) => Val::Float(*f),
        Constant::Text(t) => Val::Str(Cow::Owned(t.clone())),
    }
}

/// The value of an expression without fields; `None` when it has fields or does not compile.
fn constant_value(expr: &Expr) -> Option<Owned> {
    if let Kind::Constant(c) = &expr.kind {
        return Some(value_of(c));
    }
    if has_field(expr) {
        return None;
    }
    let mut compiler = Compiler { types: &Ecs, found: Vec::new() };
    let term = compiler.term(expr, &mut Vec::new())?;
    Some(match term.eval(&[], Time(0)) {
        Val::Null => Val::Null,
        Val::Bool(b) => Val::Bool(b),
        Val::Int(i) => Val::Int(i),
        Val::Float(f) => Val::Float(f),
        Val::Str(s) => Val::Str(Cow::Owned(s.into_owned())),
    })
}

fn has_field(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Constant(_) => false,
        Kind::Field { .. } => true,
        Kind::And(parts) | Kind::Or(parts) => parts.iter().any(has_field),
        Kind::Call { arguments, .. } => arguments.iter().any(has_field),
        Kind::Not(inner) | Kind::Negative(inner) => has_field(inner),
        Kind::Compare(_, a, b) | Kind::Arithmetic(_, a, b) => has_field(a) || has_field(b),
        Kind::In { value, list, .. } | Kind::Match { value, list, .. } => {
            has_field(value) || list.iter().any(has_field)
        }
    }
}
