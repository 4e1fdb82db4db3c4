//! Lanes: the bounded ways to each connector (for `http`: to each host and port).
//!
//! Invariants: at most `IN_FLIGHT_MAX` calls of a lane are under way, and no more than its owner's limits allow at once and in a minute;
//! lanes take turns, so a slow one holds up nobody else; within a lane
//! the workflows take turns.
//! Not here: performing a call (`perform`). What waits is bounded by the runs in memory; the outbox is the queue of record.

use crate::turns::{Share, Turns};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stdx::{Duration, Time};
use workflow::EffectKey;

/// Calls of one lane under way at most.
pub const IN_FLIGHT_MAX: usize = 64;

/// Window of a rate.
pub const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Limits of a lane that its owner set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LaneLimit {
    /// Calls under way at most; never more than [`IN_FLIGHT_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Calls that begin within any minute at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
}

#[derive(Debug, Default)]
struct Lane {
    in_flight: usize,
    waiting: Turns<Share, EffectKey>,
    /// When the calls of the last minute began, where the lane has a rate.
    sent: VecDeque<Time>,
}

/// All lanes of a node.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<Arc<str>, Lane>,
    /// Lanes that may have something to send, in turn.
    ready: VecDeque<Arc<str>>,
    limits: BTreeMap<Arc<str>, LaneLimit>,
    /// Lanes that wait for their rate, by when they may go on.
    later: BTreeMap<Time, Vec<Arc<str>>>,
}

impl Lanes {
    /// Queues a call of a workflow.
    pub fn offer(&mut self, lane: &Arc<str>, share: Share, key: EffectKey) {
        self.lanes.entry(lane.clone()).or_default().waiting.push(share, key);
        self.mark(lane);
    }

    /// Takes over the limits that owners set; lanes that wait are looked at again.
    pub fn set_limits(&mut self, limits: BTreeMap<Arc<str>, LaneLimit>) {
        self.limits = limits;
        self.later.clear();
        let waiting: Vec<_> =
            self.lanes.iter().filter(|(_, l)| !l.waiting.is_empty()).map(|(n, _)| n.clone()).collect();
        waiting.iter().for_each(|name| self.mark(name));
    }

    /// When a lane that waits for its rate may go on.
    pub fn next_due(&self) -> Option<Time> {
        self.later.first_key_value().map(|(at, _)| *at)
    }

    /// Takes the next call that has room, counting it as under way.
    pub fn next(&mut self, now: Time) -> Option<EffectKey> {
        while self.next_due().is_some_and(|at| at <= now)
            && let Some((_, names)) = self.later.pop_first()
        {
            names.iter().for_each(|name| self.mark(name));
        }
        while let Some(name) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            let limit = self.limits.get(&name).copied().unwrap_or_default();
            let at_once = limit.in_flight.map_or(IN_FLIGHT_MAX, |n| (n as usize).clamp(1, IN_FLIGHT_MAX));
            if lane.in_flight >= at_once {
                continue;
            }
            if let Some(rate) = limit.per_minute {
                while lane.sent.front().is_some_and(|at| *at <= now - RATE_WINDOW) {
                    lane.sent.pop_front();
                }
                if lane.sent.len() >= rate.max(1) as usize {
                    if let Some(first) = lane.sent.front()
                        && !lane.waiting.is_empty()
                    {
                        self.later.entry(*first + RATE_WINDOW).or_default().push(name);
                    }
                    continue;
                }
            }
            let Some(key) = lane.waiting.pop() else { continue };
            lane.in_flight += 1;
            if limit.per_minute.is_some() {
                lane.sent.push_back(now);
            }
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
            if l.in_flight == 0 && l.waiting.is_empty() && l.sent.is_empty() {
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
            lanes.offer(&a, ("s".into(), "w".into()), key(n));
        }
        lanes.offer(&b, ("s".into(), "w".into()), key(1000));
        let mut seen = Vec::new();
        while let Some(k) = lanes.next(Time(0)) {
            seen.push(k.call);
        }
        assert_eq!(seen.len(), IN_FLIGHT_MAX + 1);
        assert!(seen.contains(&1000));
        lanes.release(&a);
        assert_eq!(lanes.next(Time(0)).map(|k| k.call), Some(IN_FLIGHT_MAX as u32));
        assert_eq!(lanes.next(Time(0)), None);
    }

    #[test]
    fn limits_hold_at_once_and_in_a_minute() {
        let mut lanes = Lanes::default();
        let a: Arc<str> = "a".into();
        lanes.set_limits([(a.clone(), LaneLimit { in_flight: Some(2), per_minute: Some(3) })].into());
        for n in 0..6 {
            lanes.offer(&a, ("s".into(), "w".into()), key(n));
        }
        let take = |lanes: &mut Lanes, at: i64| std::iter::from_fn(|| lanes.next(Time(at * 1_000_000))).count();
        assert_eq!(take(&mut lanes, 0), 2, "two at once");
        lanes.release(&a);
        lanes.release(&a);
        assert_eq!(take(&mut lanes, 10), 1, "three in a minute");
        lanes.release(&a);
        assert_eq!(take(&mut lanes, 59), 0);
        assert_eq!(lanes.next_due(), Some(Time(60_000_000)));
        assert_eq!(take(&mut lanes, 60), 2);
    }
}
