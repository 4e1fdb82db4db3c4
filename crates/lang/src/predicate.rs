//! `Predicate`: the one form that every rule language compiles to, and its evaluation over an event.
//!
//! Invariants: a test on a field holds when any of its values passes; a missing field passes no test, so `Not` of it holds; evaluation neither
//! fails nor allocates for leaf tests on ASCII text; the depth is bounded by the parsers.
//! Not here: the literals a prefilter can use (`required`), texts (`kql`, `eql`, `lucene`, `dsl`).

mod required;
mod source;
mod test;

pub use required::{Anchor, AnchorKind, AnyAnchor, Requirements};
pub use source::{Document, Source};
pub use test::text as scalar_text;
pub use test::{Bound, CompareOp, Limits, Number, Phrase, Range, Test, TextEquals, TextSet, WordSet};

use crate::eql::Script;
use crate::pattern::{Case, Wildcard};
use event::{Event, FieldPath};

/// A condition over one event.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// Holds always.
    True,
    /// Holds never.
    False,
    /// All hold; holds when empty.
    And(Vec<Predicate>),
    /// One holds; fails when empty.
    Or(Vec<Predicate>),
    /// At least `count` of the parts hold.
    AtLeast {
        /// How many; from 2 to one less than there are parts.
        count: usize,
        /// The parts.
        parts: Vec<Predicate>,
    },
    /// The inner one does not hold.
    Not(Box<Predicate>),
    /// A test on one field.
    Leaf(Leaf),
    /// A test on every field whose dotted name matches; holds when one passes.
    AnyField {
        /// Which names; [`crate::pattern::Shape::All`] is every field.
        fields: Wildcard,
        /// The test.
        test: Test,
    },
    /// One object in the array `path` satisfies `inner`, whose field names count from that object.
    Nested {
        /// The array of objects.
        path: FieldPath,
        /// The condition on one of them.
        inner: Box<Predicate>,
    },
    /// An EQL expression that needs three-valued logic: functions, arithmetic.
    Script(Box<Script>),
}

/// A test on one field.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The field, sub-fields resolved to the path that documents carry.
    pub field: FieldPath,
    /// What its values must pass.
    pub test: Test,
}

impl Predicate {
    /// A test on one field.
    pub fn leaf(field: &str, test: Test) -> Self {
        Self::Leaf(Leaf { field: FieldPath::new(field), test })
    }

    /// The negation; double negation and constants vanish.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// All of `parts`: flattened, constants folded, cheap tests first.
    pub fn and(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut out = Vec::new();
        for part in parts {
            match part {
                Self::True => {}
                Self::False => return Self::False,
                Self::And(inner) => out.extend(inner),
                other => out.push(other),
            }
        }
        match out.len() {
            0 => Self::True,
            1 => out.swap_remove(0),
            _ => {
                out.sort_by_key(Self::cost);
                Self::And(out)
            }
        }
    }

    /// One of `parts`: flattened, constants folded, text tests on one field merged into one, cheap tests first.
    pub fn or(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::False => {}
                Self::True => return Self::True,
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        let mut out: Vec<Self> = merge_texts(flat);
        match out.len() {
            0 => Self::False,
            1 => out.swap_remove(0),
            _ => {
                out.sort_by_key(Self::cost);
                Self::Or(out)
            }
        }
    }

    /// How expensive a test is, in rough steps: the order inside `And` and `Or`.
    fn cost(&self) -> u32 {
        match self {
            Self::True | Self::False => 0,
            Self::Leaf(leaf) => leaf.test.cost(),
            Self::Not(inner) => inner.cost(),
            Self::And(parts) | Self::Or(parts) | Self::AtLeast { parts, .. } => {
                parts.iter().map(Self::cost).fold(5, u32::saturating_add)
            }
            Self::Script(_) => 200,
            Self::AnyField { .. } => 500,
            Self::Nested { .. } => 300,
        }
    }

    /// True when the event satisfies the condition; *now* is its arrival.
    pub fn matches(&self, event: &Event) -> bool {
        self.eval(event)
    }

    /// True when `source` satisfies the condition.
    pub fn eval<S: Source>(&self, source: &S) -> bool {
        match self {
            Self::True => true,
            Self::False => false,
            Self::And(parts) => parts.iter().all(|p| p.eval(source)),
            Self::Or(parts) => parts.iter().any(|p| p.eval(source)),
            Self::AtLeast { count, parts } => parts.iter().filter(|p| p.eval(source)).take(*count).count() == *count,
            Self::Not(inner) => !inner.eval(source),
            Self::Leaf(leaf) => leaf.eval(source),
            Self::AnyField { fields, test } => source::any_field(source, fields, test),
            Self::Nested { path, inner } => source::any_object(source, path, inner),
            Self::Script(script) => script.holds(source),
        }
    }

    /// Literals without one of which the condition cannot hold.
    pub fn required(&self) -> Requirements {
        required::of(self)
    }

    /// Calls `visit` with every field that the condition reads by name, in order, with repetitions.
    pub fn each_field(&self, visit: &mut dyn FnMut(&FieldPath)) {
        match self {
            Self::True | Self::False | Self::AnyField { .. } => {}
            Self::And(parts) | Self::Or(parts) | Self::AtLeast { parts, .. } => {
                parts.iter().for_each(|p| p.each_field(visit));
            }
            Self::Not(inner) => inner.each_field(visit),
            Self::Leaf(leaf) => {
                visit(&leaf.field);
                if let Test::Compare { other, .. } = &leaf.test {
                    visit(other);
                }
            }
            Self::Nested { path, .. } => visit(path),
            Self::Script(script) => script.each_field(visit),
        }
    }
}

impl Leaf {
    fn eval<S: Source>(&self, source: &S) -> bool {
        match &self.test {
            Test::Exists => source.exists(&self.field),
            Test::Compare { op, other, case } => {
                source.any(&self.field, &mut |a| source.any(other, &mut |b| test::compare(a, *op, b, *case)))
            }
            test => {
                let now = source.now();
                source.any(&self.field, &mut |value| test.passes(value, now))
            }
        }
    }
}

/// Merges the text tests of one `Or` per field: equalities into one set per case, those and patterns into one look at the field's values.
fn merge_texts(parts: Vec<Predicate>) -> Vec<Predicate> {
    let mut out: Vec<Predicate> = Vec::with_capacity(parts.len());
    let mut fields: Vec<(FieldPath, Texts)> = Vec::new();
    for part in parts {
        match part {
            Predicate::Leaf(Leaf { field, test }) if test.is_text() => {
                let at = fields.iter().position(|(f, _)| *f == field).unwrap_or_else(|| {
                    fields.push((field, Texts::default()));
                    fields.len() - 1
                });
                fields[at].1.add(test);
            }
            other => out.push(other),
        }
    }
    out.extend(fields.into_iter().map(|(field, texts)| Predicate::Leaf(Leaf { field, test: texts.test() })));
    out
}

/// Text tests of one field.
#[derive(Default)]
struct Texts {
    sets: Vec<(Case, Vec<Box<str>>)>,
    others: Vec<Test>,
}

impl Texts {
    fn add(&mut self, test: Test) {
        let (case, values) = match test {
            Test::Equals(t) => (t.case, vec![t.value]),
            Test::AnyOf(set) => (set.case, set.values),
            Test::OneOf(tests) => return tests.into_iter().for_each(|t| self.add(t)),
            other => return self.others.push(other),
        };
        match self.sets.iter_mut().find(|(c, _)| *c == case) {
            Some((_, all)) => all.extend(values),
            None => self.sets.push((case, values)),
        }
    }

    fn test(self) -> Test {
        let mut tests: Vec<Test> = self.sets.into_iter().map(|(case, values)| Test::any_of(values, case)).collect();
        tests.extend(self.others);
        if tests.len() == 1 {
            return tests.remove(0);
        }
        tests.sort_by_key(Test::cost);
        Test::OneOf(tests)
    }
}

#[cfg(test)]
pub(crate) mod tests;
