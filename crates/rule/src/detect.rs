//! Batch detection: feed records, get counts; the pure half of `watchfire detect`.
//!
//! Invariants: every record is counted once, as read or as failed; index patterns count only for events that name their index.
//! Not here: files, threads, tables (the binary).

use crate::dispatch::{Dispatcher, RuleIdx};
use bytes::Bytes;
use event::{Event, FieldPath, Meta, timestamp};
use std::sync::Arc;
use stdx::{Id, Time};

/// Counts of one batch; batches add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that are events.
    pub read: u64,
    /// Records that are not.
    pub failed: u64,
    /// Events without a readable time.
    pub untimed: u64,
    /// Events that matched at least one rule.
    pub matched: u64,
    /// Matches by rule.
    pub by_rule: Vec<u64>,
    /// Panics by rule: bugs, reported with the rule.
    pub panicked: Vec<u64>,
}

impl Counts {
    /// Adds another batch of the same detector.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.failed += other.failed;
        self.untimed += other.untimed;
        self.matched += other.matched;
        for (mine, theirs) in [(&mut self.by_rule, &other.by_rule), (&mut self.panicked, &other.panicked)] {
            mine.resize(mine.len().max(theirs.len()), 0);
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }

    /// All matches.
    pub fn matches(&self) -> u64 {
        self.by_rule.iter().sum()
    }
}

/// Runs records through a dispatcher.
#[derive(Debug)]
pub struct Detector {
    dispatcher: Dispatcher,
    index: FieldPath,
    unnamed: Arc<str>,
    id: Id,
}

impl Detector {
    /// Over these rules.
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher, index: FieldPath::new("_index"), unnamed: "".into(), id: Id::from("") }
    }

    /// The rules.
    pub const fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// Zero counts for these rules.
    pub fn counts(&self) -> Counts {
        let none = vec![0; self.dispatcher.rules().len()];
        Counts { by_rule: none.clone(), panicked: none, ..Counts::default() }
    }

    /// Feeds one event.
    ///
    /// - `arrival`: the event's time where it has none.
    /// - `hits`: cleared, then the rules that match.
    /// - errors: why the bytes are not an event.
    pub fn feed(
        &self,
        raw: Bytes,
        arrival: Time,
        counts: &mut Counts,
        hits: &mut Vec<RuleIdx>,
    ) -> Result<Event, event::event::Error> {
        hits.clear();
        let meta = Meta { index: Arc::clone(&self.unnamed), id: self.id.clone(), version: 1, seq: 0, arrival };
        let mut event = Event::new(meta, raw);
        if let Err(e) = event.check() {
            counts.failed += 1;
            return Err(e.clone());
        }
        counts.read += 1;
        counts.untimed += u64::from(timestamp::of(&event).1 == timestamp::Source::Arrival);
        if let Some(index) = event.text(&self.index) {
            event.meta.index = index.into();
        }
        let mut panicked = Vec::new();
        self.dispatcher.matches_caught(&event, hits, &mut panicked);
        counts.matched += u64::from(!hits.is_empty());
        hits.iter().for_each(|idx| counts.by_rule[*idx as usize] += 1);
        panicked.iter().for_each(|idx| counts.panicked[*idx as usize] += 1);
        Ok(event)
    }
}

#[cfg(test)]
mod tests;
