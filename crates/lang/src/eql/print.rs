//! Tree to text.
//!
//! Invariants: the text parses to the same tree; expressions are written with all parentheses.

use super::{Arithmetic, Body, Constant, EventQuery, Expr, Key, Kind, MatchOp, Query, Step};
use crate::pattern::Case;
use std::fmt::{self, Display, Formatter, Write};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Event(event) => event.fmt(f)?,
            Body::Sequence(s) => {
                f.write_str("sequence")?;
                by(f, &s.by)?;
                if let Some(span) = s.maxspan {
                    write!(f, " with maxspan={}ms", span.ms())?;
                }
                s.steps.iter().try_for_each(|step| write!(f, " {step}"))?;
                if let Some(until) = &s.until {
                    write!(f, " until {until}")?;
                }
            }
            Body::Sample(s) => {
                f.write_str("sample")?;
                by(f, &s.by)?;
                s.steps.iter().try_for_each(|step| write!(f, " {step}"))?;
            }
        }
        for pipe in &self.pipes {
            write!(f, " | {}", pipe.name)?;
            if let Some(n) = pipe.count {
                write!(f, " {n}")?;
            }
        }
        Ok(())
    }
}

fn by(f: &mut Formatter<'_>, keys: &[Key]) -> fmt::Result {
    for (i, key) in keys.iter().enumerate() {
        f.write_str(if i == 0 { " by " } else { ", " })?;
        f.write_str(if key.optional { "?" } else { "" })?;
        name(f, &key.field)?;
    }
    Ok(())
}

/// A field: parts that are no plain words stand in backticks.
fn name(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let plain = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '@'))
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@'))
            && !super::parse::is_keyword(p)
    };
    if text.split('.').all(plain) {
        return f.write_str(text);
    }
    write!(f, "`{}`", text.replace('`', "``"))
}

impl Display for EventQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.category {
            None => f.write_str("any")?,
            Some(category) => text(f, category)?,
        }
        write!(f, " where {}", self.condition)
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", if self.missing { "!" } else { "" }, self.event)?;
        by(f, &self.by)?;
        if self.runs > 1 {
            write!(f, " with runs={}", self.runs)?;
        }
        Ok(())
    }
}

fn tilde(case: Case) -> &'static str {
    match case {
        Case::Sensitive => "",
        Case::Insensitive => "~",
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let list = |f: &mut Formatter<'_>, parts: &[Self], between: &str| {
            f.write_char('(')?;
            for (i, part) in parts.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { between })?;
                part.fmt(f)?;
            }
            f.write_char(')')
        };
        match &self.kind {
            // A sign binds weaker than `like` and its kin.
            Kind::Constant(c @ (Constant::Int(i64::MIN..0) | Constant::Float(f64::MIN..0.0))) => write!(f, "({c})"),
            Kind::Constant(c) => c.fmt(f),
            Kind::Field { name: text, optional } => {
                f.write_str(if *optional { "?" } else { "" })?;
                name(f, text)
            }
            Kind::And(parts) => list(f, parts, " and "),
            Kind::Or(parts) => list(f, parts, " or "),
            Kind::Not(inner) => write!(f, "(not {inner})"),
            Kind::Compare(op, a, b) => write!(f, "({a} {} {b})", op.text()),
            Kind::Arithmetic(op, a, b) => write!(f, "({a} {} {b})", op.text()),
            Kind::Negative(inner) => write!(f, "(-({inner}))"),
            Kind::In { value, list: members, case } => {
                write!(f, "({value} in{} ", tilde(*case))?;
                list(f, members, ", ")?;
                f.write_char(')')
            }
            Kind::Match { value, op, list: members } => {
                let (word, case) = match op {
                    MatchOp::Seq => (":", Case::Sensitive),
                    MatchOp::Like(case) => ("like", *case),
                    MatchOp::Regex(case) => ("regex", *case),
                };
                write!(f, "({value} {word}{} (", tilde(case))?;
                for (i, member) in members.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    match &member.kind {
                        Kind::Constant(c) => c.fmt(f)?,
                        _ => member.fmt(f)?,
                    }
                }
                f.write_str("))")
            }
            Kind::Call { name, case, arguments } => {
                write!(f, "{name}{}", tilde(*case))?;
                list(f, arguments, ", ")
            }
        }
    }
}

impl Arithmetic {
    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(i) => write!(f, "{i}"),
            Self::Float(x) => write!(f, "{x:e}"),
            Self::Text(t) => text(f, t),
        }
    }
}

fn text(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
