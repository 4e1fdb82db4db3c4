//! Lanes: the bounded ways to each connector (for `http`: to each host and port).
//!
//! Invariants: at most `IN_FLIGHT_MAX` calls of a lane are under way; lanes take turns, so a slow one holds up nobody else.
//! Not here: performing a call (`perform`). What waits is bounded by the runs in memory; the outbox is the queue of record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use workflow::{EffectKey, ExecutionId};

/// Calls of one lane under way at most.
pub const IN_FLIGHT_MAX: usize = 64;

#[derive(Debug, Default)]
struct Lane {
    in_flight: usize,
    waiting: VecDeque<EffectKey>,
}

/// All lanes of a node.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<Arc<str>, Lane>,
    /// Lanes that may have something to send, in turn.
    ready: VecDeque<Arc<str>>,
}

impl Lanes {
    /// Queues a call.
    pub fn offer(&mut self, lane: &Arc<str>, key: EffectKey) {
        self.lanes.entry(lane.clone()).or_default().waiting.push_back(key);
        self.mark(lane);
    }

    /// Takes the next call that has room, counting it as under way.
    pub fn next(&mut self) -> Option<EffectKey> {
        while let Some(name) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            if lane.in_flight >= IN_FLIGHT_MAX {
                continue;
            }
            let Some(key) = lane.waiting.pop_front() else { continue };
            lane.in_flight += 1;
            if !lane.waiting.is_empty() {
                self.ready.push_back(name);
            }
            return Some(key);
        }
        None
    }

    /// A call is under way that was not offered here (found after a restart).
    pub fn take(&mut self, lane: &Arc<str>) {
        self.lanes.entry(lane.clone()).or_default().in_flight += 1;
    }

    /// A call of the lane ended.
    pub fn release(&mut self, lane: &Arc<str>) {
        if let Some(l) = self.lanes.get_mut(lane) {
            l.in_flight = l.in_flight.saturating_sub(1);
            if l.in_flight == 0 && l.waiting.is_empty() {
                self.lanes.remove(lane);
            } else {
                self.mark(lane);
            }
        }
    }

    /// A waiting call is not wanted any more.
    pub fn forget(&mut self, lane: &Arc<str>, key: &EffectKey) {
        if let Some(l) = self.lanes.get_mut(lane) {
            l.waiting.retain(|k| k != key);
        }
    }

    /// All waiting calls of a run are not wanted any more.
    pub fn forget_run(&mut self, lane: &Arc<str>, execution: &ExecutionId) {
        if let Some(l) = self.lanes.get_mut(lane) {
            l.waiting.retain(|k| k.execution != *execution);
        }
    }

    /// Calls that wait for room.
    pub fn waiting(&self) -> usize {
        self.lanes.values().map(|l| l.waiting.len()).sum()
    }

    fn mark(&mut self, lane: &Arc<str>) {
        if !self.ready.contains(lane) {
            self.ready.push_back(lane.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workflow::StepPath;

    fn key(n: u32) -> EffectKey {
        EffectKey { execution: "e".into(), path: StepPath(Arc::from([])), call: n }
    }

    #[test]
    fn a_full_lane_does_not_hold_up_another() {
        let mut lanes = Lanes::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        for n in 0..IN_FLIGHT_MAX as u32 + 1 {
            lanes.offer(&a, key(n));
        }
        lanes.offer(&b, key(1000));
        let mut seen = Vec::new();
        while let Some(k) = lanes.next() {
            seen.push(k.call);
        }
        assert_eq!(seen.len(), IN_FLIGHT_MAX + 1);
        assert!(seen.contains(&1000));
        lanes.release(&a);
        assert_eq!(lanes.next().map(|k| k.call), Some(IN_FLIGHT_MAX as u32));
        assert_eq!(lanes.next(), None);
    }
}
