//! Query tree to predicate.
//!
//! Invariants: an unreadable pattern cannot occur: the parser refused it; inside `nested`, field names lose the array's path.
//! Not here: JSON.

use super::{BoolQuery, MatchKind, Query, RangeQuery, scalar_text};
use crate::pattern::{Case, Part, Pattern, parts};
use crate::predicate::{Predicate, Test};
use crate::typed::{Target, Words};
use crate::types::{FieldType, FieldTypes};
use event::FieldPath;

/// Types below an array of objects: names are relative, types are looked up by the full path.
struct Below<'a> {
    types: &'a dyn FieldTypes,
    path: &'a str,
}

impl FieldTypes for Below<'_> {
    fn field_type(&self, field: &str) -> Option<FieldType> {
        self.types.field_type(&format!("{}.{field}", self.path))
    }
}

/// `base` is the path of the arrays around, empty outside of `nested`.
pub(super) fn of(query: &Query, types: &dyn FieldTypes, base: &str) -> Predicate {
    let relative = |field: &str| -> String {
        field
            .strip_prefix(base)
            .and_then(|f| f.strip_prefix('.'))
            .filter(|_| !base.is_empty())
            .unwrap_or(field)
            .to_owned()
    };
    let target = |field: &str| Target::name(&relative(field), types);
    match query {
        Query::MatchAll => Predicate::True,
        Query::MatchNone => Predicate::False,
        Query::Term { field, value, case } => match scalar_text(value) {
            Some(text) => target(field).equals(&text, Words::Term, *case),
            None => Predicate::False,
        },
        Query::Terms { field, values } => Predicate::or(
            values.iter().filter_map(scalar_text).map(|t| target(field).equals(&t, Words::Term, Case::Sensitive)),
        ),
        Query::Range(range) => of_range(range, target(&range.field)),
        Query::Exists { field } => target(field).exists(),
        Query::Match { fields, value, kind } => {
            let words = match kind {
                MatchKind::Any => Words::Any,
                MatchKind::All => Words::All,
                MatchKind::Phrase => Words::Phrase,
                MatchKind::PhrasePrefix => Words::PhrasePrefix,
            };
            let Some(text) = scalar_text(value) else { return Predicate::False };
            Predicate::or(fields.iter().map(|f| target(f).equals(&text, words, Case::Sensitive)))
        }
        Query::Wildcard { field, pattern, case } => target(field).glob(&parts(pattern, true), *case),
        Query::Prefix { field, value, case } => target(field).glob(&[Part::Text(value.clone()), Part::Any], *case),
        Query::Regexp { field, pattern, case } => match Pattern::lucene(pattern, *case) {
            Ok(regex) => target(field).test(Test::Regex(regex)),
            Err(_) => Predicate::False,
        },
        Query::Ids(ids) => {
            let values = ids.iter().map(|i| i.as_str().into()).collect();
            Predicate::leaf("_id", Test::any_of(values, Case::Sensitive))
        }
        Query::Bool(clauses) => of_bool(clauses, &|q| of(q, types, base)),
        Query::Nested { path, query } => Predicate::Nested {
            path: FieldPath::new(&relative(path)),
            inner: Box::new(of(query, &Below { types, path: &relative(path) }, path)),
        },
    }
}

fn of_range(range: &RangeQuery, target: Target) -> Predicate {
    match range.limits.map(|v| scalar_text(v).map(Into::into)) {
        Some(limits) => target.range(&limits, |text| range.date(text)),
        None => Predicate::False,
    }
}

fn of_bool(clauses: &BoolQuery, of: &dyn Fn(&Query) -> Predicate) -> Predicate {
    let BoolQuery { must, filter, should, must_not, should_min } = clauses;
    let mut parts: Vec<Predicate> = must.iter().chain(filter).map(of).collect();
    parts.extend(must_not.iter().map(|q| of(q).negate()));
    match *should_min {
        0 => {}
        1 => parts.push(Predicate::or(should.iter().map(of))),
        n if n > should.len() => return Predicate::False,
        n if n == should.len() => parts.extend(should.iter().map(of)),
        count => parts.push(Predicate::AtLeast { count, parts: should.iter().map(of).collect() }),
    }
    Predicate::and(parts)
}
