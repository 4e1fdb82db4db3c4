//! Follower of the feed: writes each version of an alert into the event log, for the index and for rules over alerts.
//!
//! Invariants: its position stands in the log itself (each frame carries its feed position); a version is written at most once per
//! position; only a creation is a frame that rules see.
//! Not here: alerts themselves (`store`), indexing (`index`).
//! Source: `design/engine.md` §5.

use crate::handle::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Feed records read at once.
const BATCH_MAX: u64 = 256;
/// Feed topic that it follows.
pub(crate) const TOPIC: &str = "alert";
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Checks at start that the feed can be read.
pub(crate) fn check(shared: &Arc<Shared>) -> Result<(), store::Error> {
    shared.store.read(|r| r.feed_after(shared.index.feed_position(), 1)).map(|_| ())
}

/// Runs until the engine closes.
pub(crate) fn run(shared: &Arc<Shared>) {
    let mut at = shared.index.feed_position();
    while !shared.closing.load(Ordering::SeqCst) {
        match pass(shared, at) {
            Ok((reached, wrote)) => {
                at = reached;
                // Only alerts ring; what else was committed is passed over when time is up.
                if !wrote {
                    shared.feed_bell.wait(Duration::from_secs(2));
                }
            }
            Err(error) => {
                tracing::warn!(error, "alerts could not be written to the event log; tried again");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// Writes the next batch; the feed position reached, and whether there was an alert.
fn pass(shared: &Arc<Shared>, at: u64) -> Result<(u64, bool), String> {
    let (records, reached) = shared.store.read(|r| r.feed_of(TOPIC, at, BATCH_MAX)).map_err(|e| e.to_string())?;
    if reached <= at {
        return Ok((at, false));
    }
    let mut versions = Vec::new();
    for record in &records {
        let Some(alert) = shared.store.read(|r| r.alert_get(&record.space, &record.id)).map_err(|e| e.to_string())?
        else {
            continue;
        };
        versions.push(index::AlertVersion {
            index: rule::alert::alias_of(&alert.index).into(),
            id: alert.id.clone(),
            version: alert.version,
            created: record.kind == store::FeedKind::Created,
            created_at: alert.created,
            source: stdx::json::text(&alert.document).into(),
        });
    }
    if !versions.is_empty() {
        let (tx, rx) = std::sync::mpsc::channel();
        let done: index::Done = Box::new(move |result| drop(tx.send(result)));
        shared.index.append_alerts(reached, versions, index::Provenance::default(), done).map_err(|e| e.to_string())?;
        rx.recv().map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    } else {
        shared.index.note_feed(reached);
    }
    Ok((reached, !records.is_empty()))
}
