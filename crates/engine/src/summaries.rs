//! Summary windows of rule actions: when one closes, its run starts with the alerts that came in.
//!
//! Invariants: the window's end and its run are one commit; a run holds at most `ALERTS_MAX` alerts and the count of the rest.
//! Not here: opening windows (`actions`, `store`).
//! Source: `design/engine.md` §6.

use crate::clock;
use crate::handle::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stdx::{Id, Value};
use store::{Commit, NewStart, Noun};
use workflow::Body;

/// Alerts that one run is given.
pub const ALERTS_MAX: usize = 1_000;
/// Windows closed at once.
const WINDOWS_MAX: u64 = 64;
/// Longest sleep between looks.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Runs until the engine closes.
pub(crate) fn run(shared: &Arc<Shared>) {
    while !shared.closing.load(Ordering::SeqCst) {
        let next = match pass(shared) {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(error, "summary windows could not be closed; tried again");
                None
            }
        };
        let sleep = next.map_or(SLEEP_MAX, |due| due.since(clock::now()).std());
        std::thread::sleep(sleep.clamp(Duration::from_millis(20), SLEEP_MAX));
    }
}

/// Closes what is due; when the next one is.
fn pass(shared: &Arc<Shared>) -> Result<Option<stdx::Time>, String> {
    let now = clock::now();
    let due = shared.store.read(|r| r.summary_due(now, WINDOWS_MAX)).map_err(|e| e.to_string())?;
    for row in due {
        let space = row.window.space.clone();
        let mut start = (*row.window.template).clone();
        let ids: Vec<Id> = row.window.alerts.iter().take(ALERTS_MAX).cloned().collect();
        let alerts = shared.store.read(|r| r.alert_documents(&space, &ids)).map_err(|e| e.to_string())?;
        let record = shared.store.read(|r| r.record_get(Noun::Rule, &space, &row.rule)).map_err(|e| e.to_string())?;
        let loaded = record.and_then(|r| rule::rule::load(&r.body, rule::rule::Origin::Stored).0);
        let mut commit =
            Commit { now, summaries_done: vec![(row.rule.clone(), row.action.clone())], ..Commit::default() };
        if let Some(rule) = loaded {
            let stored: Vec<_> = alerts
                .iter()
                .map(|a| rule::alert::Stored { id: &a.id, index: &a.index, document: &a.document })
                .collect();
            let mut event = rule::alert::trigger_event(&stored, &rule, &space, Some(&shared.programs.env.kibana_url));
            let more = row.window.count.saturating_sub(stored.len() as u64);
            if more > 0
                && let Some(object) = event.object_mut()
            {
                object.insert("alertsNotShown", Value::from(more));
            }
            if let workflow::Cause::Alert { alerts, .. } = &mut start.cause {
                *alerts = ids;
            }
            start.event = Body::from(event);
            commit.starts.push(NewStart { start: Box::new(start), if_inserted: None });
        } else {
            tracing::warn!(rule = %row.rule, "the rule of a summary window is gone; its run does not start");
        }
        let committed = shared.store.commit_blocking(commit).map_err(|e| e.to_string())?;
        shared.publish(&committed);
    }
    shared.store.read(|r| r.summary_next()).map_err(|e| e.to_string())
}
