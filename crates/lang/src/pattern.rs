//! Text patterns: wildcards and Lucene regular expressions, compiled once.
//!
//! Invariants: matching is linear in the text times the pattern's segments and allocates nothing for ASCII text; a pattern matches the whole
//! value; case folding is Unicode lower case, with an ASCII fast path.
//! Not here: escapes of the single languages (their parsers give parts).

mod regex;
mod wildcard;

pub use regex::{Pattern, REGEX_BYTES_MAX};
pub use wildcard::{Part, Shape, Wildcard};
pub(crate) use wildcard::{escape_parts, parts, push_text};

use std::borrow::Cow;
use std::cmp::Ordering;

/// Whether upper and lower case differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// `A` is not `a`.
    Sensitive,
    /// `A` is `a`; the pattern's side is stored folded.
    Insensitive,
}

impl Case {
    /// The form in which a pattern's text is kept.
    pub fn fold(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Sensitive => Cow::Borrowed(text),
            Self::Insensitive => fold(text),
        }
    }

    /// Compares a value with a pattern's text that [`Case::fold`] has gone over.
    pub fn equal(self, value: &str, folded: &str) -> bool {
        match self {
            Self::Sensitive => value == folded,
            Self::Insensitive if value.is_ascii() => value.eq_ignore_ascii_case(folded),
            Self::Insensitive => fold(value) == folded,
        }
    }

    /// Orders a value against a pattern's text that [`Case::fold`] has gone over.
    pub fn order(self, value: &str, folded: &str) -> Ordering {
        match self {
            Self::Sensitive => value.cmp(folded),
            Self::Insensitive if value.is_ascii() => value.bytes().map(|b| b.to_ascii_lowercase()).cmp(folded.bytes()),
            Self::Insensitive => fold(value).as_ref().cmp(folded),
        }
    }
}

/// Lower case; borrows when nothing changes.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
    }
}
