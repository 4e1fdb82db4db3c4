//! What a literal means for a field of a given type: the one place where all languages meet the type table.
//!
//! Invariants: a literal that the type cannot hold gives [`Predicate::False`]; a field name with `*` is tested as a field of unknown type.
//! Not here: grammar.
//! Source: field types of Elasticsearch; the table is in the documentation of the query languages.

use crate::date::DateMath;
use crate::net::{Cidr, parse_ip};
use crate::pattern::{Case, Part, Shape, Wildcard};
use crate::predicate::{Leaf, Limits, Number, Predicate, Range, Test, WordSet};
use crate::types::{FieldType, FieldTypes};
use event::FieldPath;

/// A field of a query with its type, or a pattern of names.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// One field; of a sub-field the parent, and the name as written for documents that carry it.
    Field(FieldPath, FieldType, Option<FieldPath>),
    /// Every field whose name matches, and those among the known ones that do and whose type is not compared as plain text.
    Names(Wildcard, Vec<(FieldPath, FieldType)>),
}

/// How a text is compared with analysed fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// One word of it.
    Any,
    /// Every word of it, in any place.
    All,
    /// As a phrase.
    Phrase,
    /// As a phrase whose last word is open.
    PhrasePrefix,
    /// It is one word already.
    Term,
}

impl Target {
    /// The field `name`, resolved.
    pub(crate) fn field(name: &str, types: &dyn FieldTypes) -> Self {
        let (path, field_type) = types.resolve(name);
        let written = (path != name).then(|| FieldPath::new(name));
        Self::Field(FieldPath::new(path), field_type, written)
    }

    /// A field name in which `*` stands for any run, as `exists` and `multi_match` take it.
    pub(crate) fn name(name: &str, types: &dyn FieldTypes) -> Self {
        if !name.contains('*') {
            return Self::field(name, types);
        }
        let parts: Vec<Part> = crate::pattern::parts(name, false)
            .into_iter()
            .map(|p| if p == Part::One { Part::Text("?".into()) } else { p })
            .collect();
        let names = Wildcard::new(&parts, Case::Sensitive);
        if matches!(names.shape, Shape::All) {
            return Self::Names(names, Vec::new());
        }
        let mut known = Vec::new();
        types.each_known(&mut |name, kind| {
            if matches!(kind, FieldType::Text | FieldType::Ip | FieldType::Date) && names.matches(name) {
                known.push((FieldPath::new(name), kind));
            }
        });
        Self::Names(names, known)
    }

    fn kind(&self) -> FieldType {
        match self {
            Self::Field(_, kind, _) => *kind,
            Self::Names(..) => FieldType::Dynamic,
        }
    }

    pub(crate) fn test(self, test: Test) -> Predicate {
        match self {
            Self::Field(field, _, None) => Predicate::Leaf(Leaf { field, test }),
            Self::Field(field, _, Some(written)) => Predicate::Or(vec![
                Predicate::Leaf(Leaf { field, test: test.clone() }),
                Predicate::Leaf(Leaf { field: written, test }),
            ]),
            Self::Names(fields, _) => match (&fields.shape, &test) {
                (Shape::All, Test::Exists) => Predicate::True,
                _ => Predicate::AnyField { fields, test },
            },
        }
    }

    fn maybe(self, test: Option<Test>) -> Predicate {
        test.map_or(Predicate::False, |t| self.test(t))
    }

    /// The field has a value.
    pub(crate) fn exists(self) -> Predicate {
        self.test(Test::Exists)
    }

    /// The field equals `text`, as its type reads it; `case` matters for keywords only.
    pub(crate) fn equals(mut self, text: &str, words: Words, case: Case) -> Predicate {
        if let Self::Names(_, known) = &mut self
            && !known.is_empty()
        {
            let known =
                std::mem::take(known).into_iter().map(|(f, k)| Self::Field(f, k, None).equals(text, words, case));
            return Predicate::or(known.collect::<Vec<_>>().into_iter().chain([self.equals(text, words, case)]));
        }
        let test = match self.kind() {
            FieldType::Keyword => Some(Test::equals(text, case)),
            FieldType::Lowercase => Some(Test::equals(text, Case::Insensitive)),
            FieldType::Text => match words {
                Words::Any => Test::words(text, false),
                Words::All => Test::words(text, true),
                Words::Phrase => Test::phrase(text, false),
                Words::PhrasePrefix => Test::phrase(text, true),
                // The document's words are folded, so a term in upper case finds nothing unless case is to be ignored.
                Words::Term if case == Case::Sensitive && text.chars().any(char::is_uppercase) => None,
                Words::Term => {
                    let word = Case::Insensitive.fold(text).into_owned().into();
                    Some(Test::Words(WordSet { words: vec![word], all: true }))
                }
            },
            FieldType::Long | FieldType::Double => Number::parse(text).map(Test::Number),
            FieldType::Boolean => text.parse().ok().map(Test::Bool),
            FieldType::Ip => Cidr::parse(text).map(|c| Test::Cidr(vec![c])),
            FieldType::Date => {
                DateMath::parse(text).map(|d| Test::Range(Range::Date(Limits::of(crate::predicate::CompareOp::Eq, d))))
            }
            FieldType::Dynamic if self.is_everywhere() && words != Words::Term => return self.anywhere(text, words),
            FieldType::Dynamic => Some(match Number::parse(text) {
                Some(n) => Test::Literal(crate::predicate::TextEquals { value: case.fold(text).into(), case }, n),
                None => Test::equals(text, case),
            }),
        };
        self.maybe(test)
    }

    fn is_everywhere(&self) -> bool {
        matches!(self, Self::Names(w, _) if matches!(w.shape, Shape::All))
    }

    /// Free text over all fields: words inside of any value; text without a word must be a whole value.
    fn anywhere(self, text: &str, words: Words) -> Predicate {
        let test = match words {
            Words::Any => Test::words(text, false),
            Words::All => Test::words(text, true),
            Words::PhrasePrefix => Test::phrase(text, true),
            Words::Phrase | Words::Term => Test::phrase(text, false),
        };
        self.test(test.unwrap_or_else(|| Test::equals(text, Case::Sensitive)))
    }

    /// The field matches a wildcard pattern.
    pub(crate) fn glob(self, parts: &[Part], case: Case) -> Predicate {
        if !parts.is_empty() && parts.iter().all(|p| *p == Part::Any) {
            return self.exists();
        }
        let test = match self.kind() {
            // No word holds what separates words: such a pattern can only mean the whole value.
            FieldType::Text if parts.iter().any(|p| matches!(p, Part::Text(t) if t.contains(separates))) => {
                Test::Wildcard(Wildcard::new(parts, Case::Insensitive))
            }
            FieldType::Text => Test::WordWildcard(Wildcard::new(parts, Case::Insensitive)),
            FieldType::Lowercase => Test::Wildcard(Wildcard::new(parts, Case::Insensitive)),
            _ => Test::Wildcard(Wildcard::new(parts, case)),
        };
        self.test(test)
    }

    /// The field lies between two ends.
    pub(crate) fn range(self, limits: &Limits<Box<str>>, date: impl Fn(&str) -> Option<DateMath>) -> Predicate {
        let numbers = || limits.map(|t| Number::parse(t));
        let test = match self.kind() {
            FieldType::Long | FieldType::Double => numbers().map(Range::Number),
            FieldType::Date => limits.map(|t| date(t)).map(Range::Date),
            FieldType::Ip => limits.map(|t| parse_ip(t)).map(Range::Ip),
            FieldType::Boolean | FieldType::Keyword => Some(Range::Text(limits.clone())),
            FieldType::Lowercase | FieldType::Text => {
                limits.map(|t| Some(Case::Insensitive.fold(t).into())).map(Range::Text)
            }
            FieldType::Dynamic => Some(Range::Dynamic(limits.clone(), numbers())),
        };
        self.maybe(test.map(Test::Range))
    }
}

/// True for characters that never stand inside of a word.
fn separates(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '_' | '.' | ',' | ':' | ';' | '\'' | '\u{b7}' | '\u{2019}')
}
