//! Tree to text.
//!
//! Invariants: the text parses to the same tree; value lists are written out as clauses.

use super::{Ast, Literal, Node};
use crate::pattern::Part;
use std::fmt::{self, Display, Formatter, Write};

impl Display for Ast {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let list = |f: &mut Formatter<'_>, parts: &[Node], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "({part})")?,
                    other => write!(f, "{other}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Everything => Ok(()),
            Self::And(parts) => list(f, parts, "and"),
            Self::Or(parts) => list(f, parts, "or"),
            Self::Not(inner) => match &**inner {
                Self::And(_) | Self::Or(_) | Self::Not(_) => write!(f, "not ({inner})"),
                other => write!(f, "not {other}"),
            },
            Self::Is { field, value } => write!(f, "{field}: {value}"),
            Self::Range { field, op, value } => write!(f, "{field} {} {value}", op.text()),
            Self::Nested { field, inner } => write!(f, "{field}: {{ {inner} }}"),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.quoted {
            f.write_char('"')?;
            for c in self.plain().unwrap_or_default().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    other => f.write_char(other)?,
                }
            }
            return f.write_char('"');
        }
        for part in &self.parts {
            match part {
                Part::Text(text) => unquoted(f, text)?,
                Part::Any | Part::One => f.write_char('*')?,
            }
        }
        Ok(())
    }
}

/// Escapes what would end an unquoted literal: special characters, blanks other than single inner ones, keywords at any place.
fn unquoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word =
            ["and", "or", "not"].into_iter().find(|w| rest.get(..w.len()).is_some_and(|h| h.eq_ignore_ascii_case(w)));
        if let Some(word) = word {
            write!(f, "\\{}", &rest[..word.len()])?;
            rest = &rest[word.len()..];
            continue;
        }
        match c {
            '\\' | '(' | ')' | ':' | '<' | '>' | '"' | '*' | '{' | '}' => write!(f, "\\{c}")?,
            // `\n` before `ot` would read as the escaped keyword `not`.
            '\n' => f.write_str("\\u000a")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            ' ' => f.write_str("\\u0020")?,
            '\u{a0}' => f.write_str("\\u00a0")?,
            other => f.write_char(other)?,
        }
        rest = &rest[c.len_utf8()..];
    }
    Ok(())
}
