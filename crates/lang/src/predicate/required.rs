//! Required literals: what an event must hold for a predicate to have a chance, for prefilters.
//!
//! Invariants: sound, never complete: an event that satisfies the predicate satisfies every clause; an empty result says nothing is known.
//! Not here: the index over them (`rule`).

use super::{Leaf, Predicate, Test};
use crate::pattern::Case;
use event::FieldPath;
use std::collections::BTreeSet;

/// Most anchors in one clause; a longer one selects too little to be worth it.
pub const ANCHORS_MAX: usize = 4096;

/// How an anchor's text stands in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnchorKind {
    /// The value, shown as text, is exactly this.
    Equals,
    /// The value, shown as text, holds this.
    Contains,
    /// The field has a value as [`event::Event::exists`] sees it; the text is empty.
    Exists,
}

/// One thing that an event may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The field.
    pub field: FieldPath,
    /// How the text stands in the value.
    pub kind: AnchorKind,
    /// The literal, lower case when `case` is insensitive.
    pub text: Box<str>,
    /// Whether case counts.
    pub case: Case,
}

/// At least one of these holds in every matching event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnyAnchor(pub Vec<Anchor>);

/// All of these hold in every matching event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// True when nothing can match.
    pub never: bool,
    /// The clauses, each necessary.
    pub clauses: Vec<AnyAnchor>,
}

impl AnyAnchor {
    /// Lower is more selective: exact values before parts before existence, few before many, long before short.
    fn weight(&self) -> (AnchorKind, usize, usize) {
        let worst = self.0.iter().map(|a| a.kind).max().unwrap_or(AnchorKind::Exists);
        let shortest = self.0.iter().map(|a| a.text.len()).min().unwrap_or(0);
        (worst, self.0.len(), usize::MAX - shortest)
    }
}

pub(super) fn of(predicate: &Predicate) -> Requirements {
    match predicate {
        Predicate::False => Requirements { never: true, clauses: Vec::new() },
        Predicate::And(parts) => {
            let mut all = Requirements::default();
            for part in parts.iter().map(of) {
                all.never |= part.never;
                all.clauses.extend(part.clauses);
            }
            all
        }
        Predicate::Or(parts) => either(parts.iter().map(of)),
        Predicate::Leaf(leaf) => Requirements { never: false, clauses: leaf_clause(leaf).into_iter().collect() },
        Predicate::True
        | Predicate::AtLeast { .. }
        | Predicate::Not(_)
        | Predicate::AnyField { .. }
        | Predicate::Nested { .. }
        | Predicate::Script(_) => Requirements::default(),
    }
}

/// Clauses of an alternative: first, for every field that each branch has a clause on, the union of those; then the union of the branches' best.
fn either(branches: impl Iterator<Item = Requirements>) -> Requirements {
    let branches: Vec<Requirements> = branches.filter(|b| !b.never).collect();
    let Some((first, rest)) = branches.split_first() else { return Requirements { never: true, clauses: Vec::new() } };
    let mut clauses = Vec::new();
    for clause in &first.clauses {
        let Some(field) = single_field(clause) else { continue };
        let mut union = clause.clone();
        let shared = rest.iter().all(|branch| {
            let found = branch.clauses.iter().find(|c| single_field(c) == Some(field));
            found.inspect(|c| union.0.extend(c.0.iter().cloned())).is_some()
        });
        if shared {
            clauses.push(union);
        }
    }
    let best: Option<Vec<&AnyAnchor>> = branches.iter().map(|b| b.clauses.iter().min_by_key(|c| c.weight())).collect();
    if let Some(best) = best {
        clauses.push(AnyAnchor(best.into_iter().flat_map(|c| c.0.iter().cloned()).collect()));
    }
    for clause in &mut clauses {
        let mut seen = BTreeSet::new();
        clause.0.retain(|a| seen.insert((a.field.text.clone(), a.kind, a.text.clone(), a.case == Case::Sensitive)));
    }
    clauses.retain(|c| c.0.len() <= ANCHORS_MAX);
    clauses.dedup();
    Requirements { never: false, clauses }
}

fn single_field(clause: &AnyAnchor) -> Option<&FieldPath> {
    let (first, rest) = clause.0.split_first()?;
    rest.iter().all(|a| a.field == first.field).then_some(&first.field)
}

fn leaf_clause(leaf: &Leaf) -> Option<AnyAnchor> {
    let anchors = anchors(leaf, &leaf.test);
    (anchors.len() <= ANCHORS_MAX).then_some(AnyAnchor(anchors)).or_else(|| Some(AnyAnchor(vec![exists(leaf)])))
}

fn anchor(leaf: &Leaf, kind: AnchorKind, text: &str, case: Case) -> Anchor {
    Anchor { field: leaf.field.clone(), kind, text: text.into(), case }
}

fn exists(leaf: &Leaf) -> Anchor {
    anchor(leaf, AnchorKind::Exists, "", Case::Sensitive)
}

fn anchors(leaf: &Leaf, test: &Test) -> Vec<Anchor> {
    let part = |text: &str| anchor(leaf, AnchorKind::Contains, text, Case::Insensitive);
    match test {
        Test::Equals(t) => vec![anchor(leaf, AnchorKind::Equals, &t.value, t.case)],
        Test::AnyOf(set) if !set.values.is_empty() && set.values.len() <= ANCHORS_MAX => {
            set.values.iter().map(|v| anchor(leaf, AnchorKind::Equals, v, set.case)).collect()
        }
        Test::Wildcard(w) => match w.literals().into_iter().max_by_key(|l| l.len()) {
            Some(longest) if !longest.is_empty() => vec![anchor(leaf, AnchorKind::Contains, longest, w.case)],
            _ => vec![exists(leaf)],
        },
        Test::Phrase(p) => p.words.iter().max_by_key(|w| w.len()).map(|w| part(w)).into_iter().collect(),
        Test::Words(set) if !set.all && set.words.len() <= ANCHORS_MAX => set.words.iter().map(|w| part(w)).collect(),
        Test::OneOf(tests) => tests.iter().flat_map(|t| anchors(leaf, t)).collect(),
        _ => vec![exists(leaf)],
    }
}
