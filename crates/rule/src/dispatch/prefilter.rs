//! The index over rules' required literals: which rules an event's values give a chance.
//!
//! Invariants: a rule stands under every anchor of one clause of its requirements, so an event that matches the rule passes one of them;
//! texts are compared folded, which only adds candidates.
//! Not here: the requirements themselves (`lang`).

use super::RuleIdx;
use crate::compile::Compiled;
use aho_corasick::{AhoCorasick, MatchKind};
use event::path::hash_text;
use event::{Event, FieldPath, Scalar};
use lang::pattern::fold;
use lang::predicate::{Anchor, AnchorKind, AnyAnchor};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Longest text that an equality index folds on the stack.
const FOLD_BYTES: usize = 256;

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*b);
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

type ByHash<V> = HashMap<u64, V, BuildHasherDefault<Identity>>;

/// What rules look for in one field.
#[derive(Debug)]
struct Field {
    path: FieldPath,
    /// By the hash of the folded text.
    equals: ByHash<Vec<RuleIdx>>,
    /// Length of the longest text in `equals`.
    longest: usize,
    contains: Option<Contains>,
}

#[derive(Debug)]
struct Contains {
    automaton: AhoCorasick,
    /// By pattern of the automaton.
    rules: Vec<Vec<RuleIdx>>,
}

/// All rules by one necessary clause each.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// By the hash of the field's name.
    fields: ByHash<Vec<Field>>,
    exists: Vec<(FieldPath, Vec<RuleIdx>)>,
    always: Vec<RuleIdx>,
}

/// Fields with few values: finding one says little.
const COMMON: &[(&str, f64)] = &[
    ("Channel", 0.2),
    ("EventID", 0.1),
    ("Event.System.EventID", 0.1),
    ("agent.type", 0.5),
    ("data_stream.dataset", 0.1),
    ("data_stream.type", 0.9),
    ("event.action", 0.05),
    ("event.category", 0.5),
    ("event.code", 0.03),
    ("event.dataset", 0.1),
    ("event.kind", 0.9),
    ("event.module", 0.2),
    ("event.outcome", 0.5),
    ("event.provider", 0.05),
    ("event.type", 0.6),
    ("host.os.family", 0.5),
    ("host.os.type", 0.6),
    ("network.transport", 0.4),
];

/// Roughly how often an event passes an anchor.
fn chance(anchor: &Anchor) -> f64 {
    let common = COMMON.iter().find(|c| c.0 == &*anchor.field.text).map(|c| c.1);
    match anchor.kind {
        AnchorKind::Equals => common.unwrap_or(0.002),
        AnchorKind::Contains => match anchor.text.chars().count() {
            0..=2 => 0.5,
            3 => 0.1,
            4..=5 => 0.03,
            _ => 0.01,
        },
        AnchorKind::Exists => common.map_or(0.3, |_| 0.9),
    }
}

/// The clause that fewest events pass; `None` when there is none.
fn best(clauses: Vec<AnyAnchor>) -> Option<AnyAnchor> {
    let cost = |c: &AnyAnchor| c.0.iter().map(chance).sum::<f64>();
    clauses.into_iter().filter(|c| !c.0.is_empty()).min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

impl Prefilter {
    pub(super) fn new(rules: &[Arc<Compiled>]) -> Self {
        let mut always = Vec::new();
        let mut exists: BTreeMap<Arc<str>, Vec<RuleIdx>> = BTreeMap::new();
        // Field, then literal, then rules; sorted, so that the same rules always give the same index.
        type Literals = BTreeMap<Box<str>, Vec<RuleIdx>>;
        let mut found: BTreeMap<Arc<str>, (Literals, Literals)> = BTreeMap::new();
        for (i, rule) in rules.iter().enumerate() {
            let idx = i as RuleIdx;
            let needs = rule.predicate.required();
            if needs.never {
                continue;
            }
            let Some(clause) = best(needs.clauses) else {
                always.push(idx);
                continue;
            };
            for anchor in clause.0 {
                let name = Arc::clone(&anchor.field.text);
                let text: Box<str> = fold(&anchor.text).into();
                let rules = match anchor.kind {
                    AnchorKind::Exists => exists.entry(name).or_default(),
                    AnchorKind::Equals => found.entry(name).or_default().0.entry(text).or_default(),
                    AnchorKind::Contains if text.is_empty() => exists.entry(name).or_default(),
                    AnchorKind::Contains => {
                        // Case-sensitive literals of other scripts are looked for in the value as it is written.
                        let contains = &mut found.entry(name).or_default().1;
                        if !anchor.text.is_ascii() && *anchor.text != *text {
                            contains.entry(anchor.text).or_default().push(idx);
                        }
                        contains.entry(text).or_default()
                    }
                };
                if rules.last() != Some(&idx) {
                    rules.push(idx);
                }
            }
        }
        let mut fields: ByHash<Vec<Field>> = HashMap::default();
        for (name, (equal, part)) in found {
            let path = FieldPath::new(&name);
            let longest = equal.keys().map(|k| k.len()).max().unwrap_or(0);
            let mut equals: ByHash<Vec<RuleIdx>> = HashMap::default();
            for (text, rules) in equal {
                equals.entry(hash_text(&text)).or_default().extend(rules);
            }
            let mut contains = None;
            if !part.is_empty() {
                let (texts, rules): (Vec<_>, Vec<_>) = part.into_iter().unzip();
                let built = AhoCorasick::builder()
                    .ascii_case_insensitive(true)
                    .match_kind(MatchKind::Standard)
                    .build(texts.iter().map(|t| t.as_bytes()));
                match built {
                    Ok(automaton) => contains = Some(Contains { automaton, rules }),
                    // Too many literals for one automaton: those rules are tried on every event.
                    Err(_) => always.extend(rules.into_iter().flatten()),
                }
            }
            fields.entry(path.hash()).or_default().push(Field { path, equals, longest, contains });
        }
        always.sort_unstable();
        always.dedup();
        let exists = exists.into_iter().map(|(name, rules)| (FieldPath::new(&name), rules)).collect();
        Self { fields, exists, always }
    }

    pub(super) const fn always(&self) -> usize {
        self.always.len()
    }

    /// Appends every rule with a chance, possibly more than once.
    pub(super) fn candidates(&self, event: &Event, out: &mut Vec<RuleIdx>) {
        out.extend_from_slice(&self.always);
        for (path, rules) in &self.exists {
            if event.exists(path) {
                out.extend_from_slice(rules);
            }
        }
        for (hash, name, value) in event.hashed_leaves() {
            let Some(fields) = self.fields.get(&hash) else { continue };
            for field in fields {
                if &*field.path.text == name {
                    field.look(value, out);
                }
            }
        }
    }
}

impl Field {
    fn look(&self, value: Scalar<'_>, out: &mut Vec<RuleIdx>) {
        let Scalar::Str(text) = value else {
            lang::predicate::scalar_text(value, |text| {
                self.look_text(text, out);
                true
            });
            return;
        };
        self.look_text(text, out);
    }

    fn look_text(&self, text: &str, out: &mut Vec<RuleIdx>) {
        if text.is_ascii() {
            if text.len() <= self.longest {
                self.look_equal(text, out);
            }
            if let Some(contains) = &self.contains {
                contains.look(text, out);
            }
        } else {
            let folded = fold(text);
            if !self.equals.is_empty() {
                self.hit(hash_text(&folded), out);
            }
            if let Some(contains) = &self.contains {
                contains.look(text, out);
                contains.look(&folded, out);
            }
        }
    }

    /// `text` is ASCII.
    fn look_equal(&self, text: &str, out: &mut Vec<RuleIdx>) {
        let mut stack = [0_u8; FOLD_BYTES];
        match stack.get_mut(..text.len()) {
            Some(copy) => {
                copy.copy_from_slice(text.as_bytes());
                copy.make_ascii_lowercase();
                if let Ok(lower) = std::str::from_utf8(copy) {
                    self.hit(hash_text(lower), out);
                }
            }
            None => self.hit(hash_text(&text.to_ascii_lowercase()), out),
        }
    }

    fn hit(&self, hash: u64, out: &mut Vec<RuleIdx>) {
        if let Some(rules) = self.equals.get(&hash) {
            out.extend_from_slice(rules);
        }
    }
}

impl Contains {
    fn look(&self, text: &str, out: &mut Vec<RuleIdx>) {
        for found in self.automaton.find_overlapping_iter(text) {
            out.extend_from_slice(&self.rules[found.pattern().as_usize()]);
        }
    }
}
