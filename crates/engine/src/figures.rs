//! Counters and gauges of the engine, read by `/metrics`, `/api/status` and the page.
//!
//! Invariants: plain atomics; reading never blocks.

use std::sync::atomic::{AtomicI64, AtomicU64};

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
}
