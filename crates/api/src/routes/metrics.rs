//! `/metrics`: figures of the running server in the text form of Prometheus.
//!
//! Invariants: reading blocks nothing; no name of a host, user or workflow is in a label, so that the number of series is bounded.
//! Not here: the figures (`engine::figures`, `store::Gauges`).

use crate::error::Result;
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use store::QuestionFilter;

/// Questions counted at most.
const QUESTIONS_MAX: u64 = 10_000;

/// Rows.
pub const ROUTES: &[Route] = &[Route::read(
    Method::Get,
    "/metrics",
    Access::Needs("metrics:read"),
    "Figures in the text form of Prometheus",
    h!(metrics),
)];

async fn metrics(cx: Ctx) -> Result<Reply> {
    let (f, g) = (cx.state.engine.figures(), cx.state.engine.store().gauges());
    let mut out = String::with_capacity(4096);
    let mut put = |name: &str, kind: &str, help: &str, value: f64| {
        let _ =
            writeln!(out, "# HELP watchfire_{name} {help}\n# TYPE watchfire_{name} {kind}\nwatchfire_{name} {value}");
    };
    let counter = "counter";
    let gauge = "gauge";
    put("runs_live", gauge, "Runs in memory", f.runs_live.load(Relaxed) as f64);
    put("runs_ended_total", counter, "Runs ended since start", f.runs_ended.load(Relaxed) as f64);
    put("calls_waiting", gauge, "Calls waiting for room in their lane", f.calls_waiting.load(Relaxed) as f64);
    put("calls_sent_total", counter, "Calls sent since start", f.calls_sent.load(Relaxed) as f64);
    put("events_seen_total", counter, "Events the detector has seen since start", f.events_seen.load(Relaxed) as f64);
    put(
        "events_unreadable_total",
        counter,
        "Events the detector could not read",
        f.events_unreadable.load(Relaxed) as f64,
    );
    put("alerts_raised_total", counter, "Alerts raised since start", f.alerts_raised.load(Relaxed) as f64);
    put(
        "alerts_over_budget_total",
        counter,
        "Alerts dropped by a rule's budget",
        f.alerts_over_budget.load(Relaxed) as f64,
    );
    put(
        "detector_lag_frames",
        gauge,
        "Frames between the log's end and the detector",
        f.detector_lag.load(Relaxed) as f64,
    );
    put(
        "alert_latency_seconds",
        gauge,
        "Arrival to commit of the newest alert",
        f.alert_latency_us.load(Relaxed) as f64 / 1e6,
    );
    put("rules_enabled", gauge, "Rules that compile and are enabled", f.rules_enabled.load(Relaxed) as f64);
    put("store_commits_total", counter, "Commits written", g.commits.load(Relaxed) as f64);
    put("store_syncs_total", counter, "Groups of commits, each one sync", g.groups.load(Relaxed) as f64);
    put("store_commits_waiting", gauge, "Commits that wait", g.waiting.load(Relaxed) as f64);
    put(
        "store_full",
        gauge,
        "1 while the last group failed for want of space",
        f64::from(u8::from(g.full.load(Relaxed))),
    );
    let [open, acknowledged, closed] = cx.read(|r| r.alert_status_counts(&cx.space))?;
    let filter =
        QuestionFilter { space: cx.space.clone(), open: Some(true), limit: QUESTIONS_MAX, ..QuestionFilter::default() };
    let questions = cx.read(|r| r.question_list(&filter))?.len();
    put("approvals_open", gauge, "Questions that wait for a person", questions as f64);
    let _ = writeln!(out, "# HELP watchfire_alerts Alerts by status\n# TYPE watchfire_alerts gauge");
    for (status, n) in [("open", open), ("acknowledged", acknowledged), ("closed", closed)] {
        let _ = writeln!(out, "watchfire_alerts{{status=\"{status}\"}} {n}");
    }
    Ok(Reply::raw("text/plain; version=0.0.4; charset=utf-8", out.into()))
}
