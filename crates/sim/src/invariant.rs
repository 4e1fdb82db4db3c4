//! The invariants by name, how often each was checked, and where it broke.
//!
//! Invariants: a check counts whether it holds or not; at most [`BROKEN_MAX`] breaks are kept.
//! Source: `design/engine.md` §13.

use std::collections::BTreeMap;

/// Breaks kept at most.
pub const BROKEN_MAX: usize = 32;

/// The promises of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// An accepted execution ends, or shows what it waits for.
    Ends,
    /// An internal effect happened exactly once.
    InternalOnce,
    /// No acknowledged event's alert is lost.
    AlertsKept,
    /// No alert exists twice.
    AlertsOnce,
    /// A destructive effect never starts twice unless a person said so.
    DestructiveOnce,
    /// Folding the journal gives the live state.
    FoldIsLive,
    /// Every change has its audit entry, and the chain holds.
    Audited,
    /// Whatever waits has a row that will wake it.
    WaitsByRow,
    /// A concurrency group never grants beyond its maximum.
    SlotsBounded,
    /// No secret in any table, log, answer or prompt.
    NoSecret,
    /// An acknowledged event is found and seen by every rule.
    EventsSeen,
    /// What ran is byte for byte what was frozen and approved.
    AsFrozen,
    /// An old epoch wrote nothing.
    EpochHolds,
    /// Counts are the same with and without a restart.
    CountsSurvive,
}

impl Invariant {
    /// All of them, in order.
    pub const ALL: [Self; 14] = [
        Self::Ends,
        Self::InternalOnce,
        Self::AlertsKept,
        Self::AlertsOnce,
        Self::DestructiveOnce,
        Self::FoldIsLive,
        Self::Audited,
        Self::WaitsByRow,
        Self::SlotsBounded,
        Self::NoSecret,
        Self::EventsSeen,
        Self::AsFrozen,
        Self::EpochHolds,
        Self::CountsSurvive,
    ];
    /// Those that a world of one run can show.
    pub const APPLY: [Self; 9] = [
        Self::Ends,
        Self::InternalOnce,
        Self::AlertsOnce,
        Self::DestructiveOnce,
        Self::FoldIsLive,
        Self::Audited,
        Self::WaitsByRow,
        Self::AsFrozen,
        Self::EpochHolds,
    ];
    /// `INV-01` to `INV-14`.
    pub fn code(self) -> String {
        format!("INV-{:02}", self as u8 + 1)
    }
    /// The promise in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ends => "an accepted execution ends, or shows what it waits for",
            Self::InternalOnce => "an internal effect happened exactly once",
            Self::AlertsKept => "no acknowledged event's alert is lost",
            Self::AlertsOnce => "no alert exists twice",
            Self::DestructiveOnce => "a destructive effect never starts twice unless a person said so",
            Self::FoldIsLive => "folding the journal gives the live state",
            Self::Audited => "every change has its audit entry, and the chain holds",
            Self::WaitsByRow => "whatever waits has a row that will wake it",
            Self::SlotsBounded => "a concurrency group never grants beyond its maximum",
            Self::NoSecret => "no secret in any table, log, answer or prompt",
            Self::EventsSeen => "an acknowledged event is found and seen by every rule",
            Self::AsFrozen => "what ran is byte for byte what was frozen and approved",
            Self::EpochHolds => "an old epoch wrote nothing",
            Self::CountsSurvive => "counts are the same with and without a restart",
        }
    }
}

/// Checks done, and those that failed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Checks by invariant.
    pub counts: BTreeMap<Invariant, u64>,
    /// What broke, first first.
    pub broken: Vec<(Invariant, String)>,
}

impl Tally {
    /// Counts a check; where it does not hold, `why` is kept.
    pub fn check(&mut self, invariant: Invariant, holds: bool, why: impl FnOnce() -> String) {
        *self.counts.entry(invariant).or_default() += 1;
        if !holds && self.broken.len() < BROKEN_MAX {
            self.broken.push((invariant, why()));
        }
    }
    /// Adds the counts and breaks of another world.
    pub fn merge(&mut self, other: &Self) {
        for (invariant, n) in &other.counts {
            *self.counts.entry(*invariant).or_default() += n;
        }
        let room = BROKEN_MAX - self.broken.len().min(BROKEN_MAX);
        self.broken.extend(other.broken.iter().take(room).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_order() {
        let codes: Vec<String> = Invariant::ALL.iter().map(|i| i.code()).collect();
        assert_eq!(codes[0], "INV-01");
        assert_eq!(codes[13], "INV-14");
        assert!(codes.is_sorted());
    }
}
