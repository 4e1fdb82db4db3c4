//! Counters and gauges of the engine, read by `/metrics`, `/api/status` and the page.
//!
//! Invariants: plain atomics and short locks that nothing is done under.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stdx::Time;
use workflow::Outcome;

/// Figures of a running engine.
#[derive(Debug, Default)]
pub struct Figures {
    /// Runs in memory.
    pub runs_live: AtomicU64,
    /// Runs ended since start.
    pub runs_ended: AtomicU64,
    /// Calls waiting for room in their lane.
    pub calls_waiting: AtomicU64,
    /// Calls sent since start.
    pub calls_sent: AtomicU64,
    /// Events the detector has seen since start.
    pub events_seen: AtomicU64,
    /// Events the detector could not read.
    pub events_unreadable: AtomicU64,
    /// Alerts raised since start.
    pub alerts_raised: AtomicU64,
    /// Alerts dropped by a rule's budget since start.
    pub alerts_over_budget: AtomicU64,
    /// Frames between the log's end and the detector.
    pub detector_lag: AtomicI64,
    /// Microseconds from arrival to commit of the newest alert.
    pub alert_latency_us: AtomicU64,
    /// Rules that compile and are enabled.
    pub rules_enabled: AtomicU64,
    /// Runs that wait for room in memory.
    pub runs_admission: AtomicU64,
    /// Runs whose commits fail again and again.
    pub runs_stuck: AtomicU64,
    /// Destructive calls that are held back.
    pub calls_held: AtomicU64,
    /// From the arrival of an event to its alert, over the last minutes.
    pub alert_latency: Latency,
    /// How the calls of each connector end.
    pub connectors: Connectors,
}

impl Figures {
    /// Takes over the core's figures.
    pub(crate) fn show(&self, load: crate::core::Load) {
        let set = |to: &AtomicU64, n: usize| to.store(n as u64, Ordering::Relaxed);
        set(&self.runs_live, load.runs);
        set(&self.calls_waiting, load.calls);
        set(&self.runs_admission, load.admission);
        set(&self.runs_stuck, load.stuck);
        set(&self.calls_held, load.held);
    }
}

/// Steps of the scale: each a quarter of a power of two above the one before, from 1 µs.
const STEPS: usize = 128;
/// Length of one window in seconds.
const WINDOW_S: i64 = 60;

/// A distribution over the current minute and the one before.
#[derive(Debug)]
pub struct Latency {
    windows: Mutex<[Window; 2]>,
}

#[derive(Clone, Debug)]
struct Window {
    minute: i64,
    counts: [u64; STEPS],
}

impl Default for Latency {
    fn default() -> Self {
        let empty = Window { minute: i64::MIN, counts: [0; STEPS] };
        Self { windows: Mutex::new([empty.clone(), empty]) }
    }
}

/// The step that holds a duration: its upper edge is within a quarter above it.
fn step_of(us: u64) -> usize {
    let us = us.max(1);
    let power = us.ilog2();
    let quarter = if power >= 2 { (us >> (power - 2)) & 3 } else { 0 };
    (power as usize * 4 + quarter as usize).min(STEPS - 1)
}

/// The upper edge of a step in microseconds.
fn edge_of(step: usize) -> u64 {
    let (power, quarter) = (step / 4, step as u64 % 4 + 1);
    (1u64 << power) + ((1u64 << power) * quarter) / 4
}

impl Latency {
    /// Counts `n` times `us` microseconds at `now`.
    pub fn record(&self, now: Time, us: u64, n: u64) {
        let minute = now.0.div_euclid(WINDOW_S * 1_000_000);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = &mut windows[(minute & 1) as usize];
        if window.minute != minute {
            *window = Window { minute, counts: [0; STEPS] };
        }
        window.counts[step_of(us)] += n;
    }

    /// The 99th percentile of this minute and the one before, in milliseconds; `None` where nothing was counted.
    pub fn p99_ms(&self, now: Time) -> Option<u64> {
        let minute = now.0.div_euclid(WINDOW_S * 1_000_000);
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = windows.iter().filter(|w| minute - 1 <= w.minute && w.minute <= minute);
        let mut counts = [0u64; STEPS];
        for window in recent {
            for (sum, n) in counts.iter_mut().zip(window.counts) {
                *sum += n;
            }
        }
        drop(windows);
        let all: u64 = counts.iter().sum();
        let mut left = all.checked_sub(1)? - all / 100;
        for (step, n) in counts.iter().enumerate() {
            if left < *n {
                return Some(edge_of(step).div_ceil(1000));
            }
            left -= n;
        }
        None
    }
}

/// Failed calls in a row from which a connector counts as failing.
pub const FAILING_AFTER: u32 = 3;

/// How the calls of each connector end.
#[derive(Debug, Default)]
pub struct Connectors {
    /// Failures in a row; a connector that works is not there.
    failures: Mutex<HashMap<Arc<str>, u32>>,
}

impl Connectors {
    /// A call through the connector ended. An answer that says the request was wrong is the request's fault.
    pub fn ended(&self, connector: &Arc<str>, outcome: &Outcome) {
        let failed = match outcome {
            Outcome::NotSent(fault) => !matches!(&*fault.kind, "Halted" | "TooLate" | "Unsupported"),
            Outcome::Unknown(_) => true,
            Outcome::Answered(Err(fault)) => {
                let status = fault.details.get("status").and_then(stdx::Value::as_i64);
                status.is_none_or(|s| s >= 500 || matches!(s, 401 | 403 | 407 | 429))
            }
            Outcome::Answered(Ok(_)) | Outcome::Dry(_) => false,
        };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failed {
            *failures.entry(connector.clone()).or_default() += 1;
        } else {
            failures.remove(connector);
        }
    }

    /// The connector was changed: it is given a new chance.
    pub fn forget(&self, connector: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(connector);
    }

    /// Connectors whose last calls all failed.
    pub fn failing(&self) -> Vec<Arc<str>> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failing: Vec<_> =
            failures.iter().filter(|(_, n)| **n >= FAILING_AFTER).map(|(c, _)| c.clone()).collect();
        failing.sort_unstable();
        failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workflow::{Body, Fault};

    #[test]
    fn the_99th_percentile_is_within_a_quarter() {
        let latency = Latency::default();
        let now = Time(1_700_000_000_000_000);
        assert_eq!(latency.p99_ms(now), None);
        latency.record(now, 4_000, 980);
        latency.record(now, 80_000, 20);
        let p99 = latency.p99_ms(now).unwrap();
        assert!((80..=100).contains(&p99), "{p99}");
        let later = Time(now.0 + 61_000_000);
        latency.record(later, 2_000, 10_000);
        let p99 = latency.p99_ms(later).unwrap();
        assert!((4..=6).contains(&p99), "{p99}");
        assert_eq!(latency.p99_ms(Time(later.0 + 180_000_000)), None);
    }

    #[test]
    fn a_connector_fails_after_three_failures_in_a_row() {
        let connectors = Connectors::default();
        let soc: Arc<str> = "soc".into();
        let refused = || Outcome::NotSent(Fault::new("ConnectionRefused", "nobody listens"));
        connectors.ended(&soc, &refused());
        connectors.ended(&soc, &refused());
        assert!(connectors.failing().is_empty());
        connectors.ended(&soc, &refused());
        assert_eq!(connectors.failing(), std::slice::from_ref(&soc));
        connectors.ended(&soc, &Outcome::Answered(Ok(Body::Null)));
        assert!(connectors.failing().is_empty());
        let wrong = Fault::new("Error", "HTTP 400").details(stdx::Value::object([("status", stdx::Value::Int(400))]));
        for _ in 0..5 {
            connectors.ended(&soc, &Outcome::Answered(Err(wrong.clone())));
        }
        assert!(connectors.failing().is_empty(), "a wrong request is not the connector's failure");
    }
}
