//! The dispatcher: from an event to the rules it matches, looking only at rules that have a chance.
//!
//! Invariants: gives exactly the rules whose index patterns and predicate hold; the prefilter may give too many candidates, never too few;
//! an event with an empty index name is offered to every rule.
//! Not here: what a match does (`alert`), which events are fed (`engine`).

mod prefilter;

use crate::compile::Compiled;
use event::Event;
use prefilter::Prefilter;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

/// Most index names whose rules are remembered.
const NAMES_MAX: usize = 4096;

/// The place of a rule in the dispatcher.
pub type RuleIdx = u32;

/// Whether a rule's index patterns count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexMode {
    /// They do.
    Match,
    /// They do not.
    Ignore,
}

/// A set of rules, one bit each.
type Bits = Arc<[u64]>;

/// Many rules, indexed.
#[derive(Debug)]
pub struct Dispatcher {
    rules: Vec<Arc<Compiled>>,
    prefilter: Prefilter,
    /// The rules that read an index, by its name.
    names: RwLock<HashMap<Arc<str>, Bits>>,
}

impl Dispatcher {
    /// Indexes the rules; their order is their [`RuleIdx`].
    pub fn new(rules: Vec<Arc<Compiled>>) -> Self {
        let prefilter = Prefilter::new(&rules);
        Self { rules, prefilter, names: RwLock::default() }
    }

    /// All rules, by [`RuleIdx`].
    pub fn rules(&self) -> &[Arc<Compiled>] {
        &self.rules
    }

    /// The rule at a place.
    pub fn rule(&self, idx: RuleIdx) -> &Arc<Compiled> {
        &self.rules[idx as usize]
    }

    /// Puts the rules that match into `out`, in order.
    pub fn matches(&self, event: &Event, out: &mut Vec<RuleIdx>) {
        self.matches_in(event, IndexMode::Match, out);
    }

    /// As [`Dispatcher::matches`], with the choice whether index patterns count.
    pub fn matches_in(&self, event: &Event, mode: IndexMode, out: &mut Vec<RuleIdx>) {
        self.candidates(event, mode, out);
        out.retain(|idx| self.rules[*idx as usize].predicate.matches(event));
    }

    /// As [`Dispatcher::matches`]; a rule that panics does not match and is put into `panicked`.
    pub fn matches_caught(&self, event: &Event, out: &mut Vec<RuleIdx>, panicked: &mut Vec<RuleIdx>) {
        panicked.clear();
        self.candidates(event, IndexMode::Match, out);
        out.retain(|idx| {
            let predicate = &self.rules[*idx as usize].predicate;
            catch_unwind(AssertUnwindSafe(|| predicate.matches(event))).unwrap_or_else(|_| {
                panicked.push(*idx);
                false
            })
        });
    }

    /// The slow definition of [`Dispatcher::matches`]: every rule on its own.
    pub fn matches_slowly(&self, event: &Event, mode: IndexMode, out: &mut Vec<RuleIdx>) {
        out.clear();
        let name = &event.meta.index;
        for (i, rule) in self.rules.iter().enumerate() {
            let reads = mode == IndexMode::Ignore || name.is_empty() || rule.indices.matches(name);
            if reads && event.check().is_ok() && rule.predicate.matches(event) {
                out.push(i as RuleIdx);
            }
        }
    }

    /// How many rules have no literal to look for and are tried on every event.
    pub fn unfiltered(&self) -> usize {
        self.prefilter.always()
    }

    /// The rules worth evaluating, sorted, each once.
    fn candidates(&self, event: &Event, mode: IndexMode, out: &mut Vec<RuleIdx>) {
        out.clear();
        if event.check().is_err() {
            return;
        }
        self.prefilter.candidates(event, out);
        if !out.is_empty() && mode == IndexMode::Match && !event.meta.index.is_empty() {
            let bits = self.readers(&event.meta.index);
            out.retain(|idx| bits[*idx as usize / 64] >> (idx % 64) & 1 == 1);
        }
        out.sort_unstable();
        out.dedup();
    }

    /// The rules that read this index.
    fn readers(&self, name: &Arc<str>) -> Bits {
        if let Some(bits) = self.names.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(bits);
        }
        let mut bits = vec![0_u64; self.rules.len().div_ceil(64)];
        for (i, rule) in self.rules.iter().enumerate() {
            bits[i / 64] |= u64::from(rule.indices.matches(name)) << (i % 64);
        }
        let bits: Bits = bits.into();
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.insert(Arc::clone(name), Arc::clone(&bits));
        bits
    }
}

#[cfg(test)]
mod tests;
