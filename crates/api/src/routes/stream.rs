//! The stream of changes to the page: server-sent events over the store's numbered feed.
//!
//! Invariants: `seq` is the feed's number, so a page resumes over restarts; what is no longer kept is a `gap`; a topic sends at most
//! `PER_SECOND` messages a second; a stream ends when its credentials do.
//! Not here: the feed (`store`), who subscribes to the engine (`engine`).
//! Source: `docs/reference/ui-api.md` §9.

use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply, ReplyBody};
use crate::state::State;
use crate::table::{Access, Method, Route, h};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use store::{AlertFilter, CaseFilter, FeedKind, FeedRecord, QuestionFilter};
use tokio::sync::{broadcast, mpsc};

/// Streams open at once.
pub const STREAMS_MAX: usize = 256;
/// Time between heartbeats.
pub const BEAT: Duration = Duration::from_secs(2);
/// Messages of one topic in a second; more are merged.
pub const PER_SECOND: f64 = 10.0;
/// Feed records that a resuming page gets one by one; with more it is told of a gap.
pub const RESUMED_MAX: u64 = 1_000;
/// Messages waiting for a slow page; when they do not fit, the stream ends and the page resumes.
const QUEUE_MAX: usize = 256;
/// Pause between looks at what was held back.
const TICK: Duration = Duration::from_millis(100);
/// How often the credentials are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Topics of the page, the feed's word for each, and the privilege to see them.
const TOPICS: &[(&str, &str, &str)] = &[
    ("alerts", "alert", "alerts:read"),
    ("executions", "execution", "executions:read"),
    ("approvals", "question", "approvals:read"),
    ("cases", "case", "cases:read"),
    ("rules", "rule", "rules:read"),
    ("workflows", "workflow", "workflows:read"),
    ("connectors", "connector", "connectors:read"),
];

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(
        Method::Get,
        "/api/watchfire/stream",
        Access::SignedIn,
        "Streams changes as server-sent events",
        h!(stream),
    ),
    Route::read(Method::Get, "/api/watchfire/counts", Access::SignedIn, "Numbers of the navigation", h!(counts)),
];

/// Streams that are open.
#[derive(Default)]
pub struct Streams {
    open: Arc<AtomicUsize>,
}

/// One open stream; gives its place back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Streams {
    fn enter(&self) -> Result<Place> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= STREAMS_MAX {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(ApiError::new(ErrorCode::TooMany, "too many open streams").retry_after(10));
        }
        Ok(Place(self.open.clone()))
    }
}

/// The numbers of the navigation for the caller.
pub(crate) fn counted(cx: &Ctx) -> Result<Json> {
    let zero = |may: &str, n: &dyn Fn() -> Result<u64>| if cx.principal.may(may) { n() } else { Ok(0) };
    let alerts = AlertFilter { space: cx.space.clone(), statuses: vec!["open".into()], ..AlertFilter::default() };
    let cases = CaseFilter { space: cx.space.clone(), ..CaseFilter::default() };
    let questions = QuestionFilter { space: cx.space.clone(), open: Some(true), ..QuestionFilter::default() };
    Ok(json!({
        "alerts": zero("alerts:read", &|| cx.read(|r| r.alert_count(&alerts)))?,
        "cases": zero("cases:read", &|| cx.read(|r| r.case_status_counts(&cases)).map(|c| c.open + c.in_progress))?,
        "approvals": zero("approvals:decide", &|| cx.read(|r| r.question_count(&questions)))?,
        "connectors_failing": cx.state.engine.figures().connectors.failing().len(),
    }))
}

async fn counts(cx: Ctx) -> Result<Reply> {
    Ok(Reply::ok(counted(&cx)?))
}

async fn stream(cx: Ctx) -> Result<Reply> {
    let place = cx.state.streams.enter()?;
    let asked = cx.query.comma_list("topics");
    let known = |name: &str| name == "counts" || TOPICS.iter().any(|(t, ..)| *t == name);
    if let Some(other) = asked.iter().find(|t| !known(t)) {
        return Err(ApiError::invalid(format!("[request query.topics]: there is no topic `{other}`")));
    }
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|t| t == name);
    let topics: Vec<_> =
        TOPICS.iter().copied().filter(|(name, _, may)| wanted(name) && cx.principal.may(may)).collect();
    let since = cx.header("last-event-id").or_else(|| cx.query.get("since")).and_then(|s| s.parse::<u64>().ok());
    // Subscribed before the store is read: what is committed in between comes twice and is dropped by its number.
    let feed = cx.state.engine.subscribe();
    let (tx, rx) = mpsc::channel(QUEUE_MAX);
    let counts = wanted("counts");
    tokio::spawn(async move {
        let mut page =
            Page { tx, seq: 0, topics, counts, changed: true, pending: BTreeMap::new(), tokens: BTreeMap::new() };
        page.serve(cx, feed, since).await;
        drop(place);
    });
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(rx));
    let kind = HeaderValue::from_static("text/event-stream");
    let reply = Reply { status: StatusCode::OK, headers: Vec::new(), body: ReplyBody::Stream(kind, body) };
    Ok(reply.header("cache-control", "no-cache").header("x-accel-buffering", "no"))
}

/// The page went away.
struct Gone;

struct Page {
    tx: mpsc::Sender<std::result::Result<Bytes, std::convert::Infallible>>,
    seq: u64,
    topics: Vec<(&'static str, &'static str, &'static str)>,
    counts: bool,
    changed: bool,
    pending: BTreeMap<&'static str, Vec<Json>>,
    tokens: BTreeMap<&'static str, (f64, Instant)>,
}

/// Credentials of a stream, to look at again.
async fn still_valid(state: &State, headers: &HeaderMap) -> bool {
    matches!(state.auth.principal(headers, &state.records, crate::clock::now()).await, Ok(Some(_)))
}

impl Page {
    async fn serve(&mut self, cx: Ctx, feed: broadcast::Receiver<Arc<FeedRecord>>, since: Option<u64>) {
        if self.run(&cx, feed, since).await.is_err() {
            tracing::debug!(user = %cx.principal.user, "a page's stream ended");
        }
    }

    fn send(&self, text: String) -> std::result::Result<(), Gone> {
        self.tx.try_send(Ok(Bytes::from(text))).map_err(|_| Gone)
    }

    fn event(&self, name: &str, data: &Json) -> std::result::Result<(), Gone> {
        let id = if name == "change" { format!("id: {}\n", self.seq) } else { String::new() };
        self.send(format!("{id}event: {name}\ndata: {data}\n\n"))
    }

    async fn run(
        &mut self,
        cx: &Ctx,
        mut feed: broadcast::Receiver<Arc<FeedRecord>>,
        since: Option<u64>,
    ) -> std::result::Result<(), Gone> {
        self.send("retry: 2000\n\n".into())?;
        let (oldest, newest) = cx.read(|r| r.feed_range()).map_err(|_| Gone)?;
        self.seq = newest;
        if let Some(since) = since {
            self.resume(cx, since, oldest, newest)?;
        }
        self.beat(cx, 0)?;
        let (mut beat, mut tick) = (tokio::time::interval(BEAT), tokio::time::interval(TICK));
        beat.reset();
        let (mut looked, mut events, mut at) =
            (Instant::now(), cx.state.engine.figures().events_seen.load(Ordering::Relaxed), Instant::now());
        loop {
            tokio::select! {
                record = feed.recv() => match record {
                    Ok(record) => self.take(cx, &record)?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.seq = cx.read(|r| r.feed_range()).map_err(|_| Gone)?.1;
                        self.event("gap", &json!({"seq": self.seq}))?;
                    }
                    Err(broadcast::error::RecvError::Closed) => return Err(Gone),
                },
                _ = tick.tick() => self.flush(cx)?,
                _ = beat.tick() => {
                    if looked.elapsed() >= LOOK_AGAIN {
                        looked = Instant::now();
                        if !still_valid(&cx.state, &cx.headers).await {
                            return Err(Gone);
                        }
                    }
                    let now = cx.state.engine.figures().events_seen.load(Ordering::Relaxed);
                    let rate = (now.saturating_sub(events)) as f64 / at.elapsed().as_secs_f64().max(0.001);
                    (events, at) = (now, Instant::now());
                    self.beat(cx, rate.round() as u64)?;
                }
                () = self.tx.closed() => return Err(Gone),
            }
        }
    }

    fn resume(&mut self, cx: &Ctx, since: u64, oldest: u64, newest: u64) -> std::result::Result<(), Gone> {
        if since == newest {
            return Ok(());
        }
        if since > newest || since + 1 < oldest || newest - since > RESUMED_MAX {
            return self.event("gap", &json!({"seq": newest}));
        }
        let records = cx.read(|r| r.feed_after(since, RESUMED_MAX)).map_err(|_| Gone)?;
        for record in records {
            if let Some((topic, data)) = self.message(cx, &record) {
                self.seq = record.n;
                let data = with_seq(data, record.n, topic);
                self.event("change", &data)?;
            }
        }
        self.seq = self.seq.max(newest);
        Ok(())
    }

    fn message(&self, cx: &Ctx, record: &FeedRecord) -> Option<(&'static str, Json)> {
        if record.space != cx.space && &*record.space != crate::auth::EVERYWHERE {
            return None;
        }
        let (topic, ..) = self.topics.iter().find(|(_, word, _)| *word == &*record.topic)?;
        let kind = match record.kind {
            FeedKind::Created => "created",
            FeedKind::Updated => "updated",
            FeedKind::Deleted => "deleted",
        };
        let mut changed = json!({"kind": kind});
        if let (Some(o), Some(members)) = (changed.as_object_mut(), record.changed.as_object()) {
            for (key, value) in members.iter().filter(|(k, _)| &***k != "was") {
                o.insert(key.to_string(), Json::from(value));
            }
        }
        if let Some(state) = changed.get_mut("state").filter(|s| **s == "open") {
            *state = json!("waiting");
        }
        Some((topic, json!({"id": record.id, "changed": changed})))
    }

    fn take(&mut self, cx: &Ctx, record: &FeedRecord) -> std::result::Result<(), Gone> {
        if record.n != 0 && record.n <= self.seq {
            return Ok(());
        }
        self.changed = true;
        if record.n != 0 {
            self.seq = record.n;
        }
        let Some((topic, data)) = self.message(cx, record) else { return Ok(()) };
        let waiting = self.pending.get(topic).is_some_and(|p| !p.is_empty());
        if !waiting && self.token(topic) {
            return self.event("change", &with_seq(data, self.seq, topic));
        }
        self.pending.entry(topic).or_default().push(data);
        Ok(())
    }

    fn token(&mut self, topic: &'static str) -> bool {
        let (left, at) = self.tokens.entry(topic).or_insert((PER_SECOND, Instant::now()));
        *left = (*left + at.elapsed().as_secs_f64() * PER_SECOND).min(PER_SECOND);
        *at = Instant::now();
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }

    /// Sends what was held back: one message as it is, several as one about all.
    fn flush(&mut self, cx: &Ctx) -> std::result::Result<(), Gone> {
        let topics: Vec<_> = self.pending.iter().filter(|(_, p)| !p.is_empty()).map(|(t, _)| *t).collect();
        for topic in topics {
            if !self.token(topic) {
                continue;
            }
            let mut waiting = self.pending.remove(topic).unwrap_or_default();
            let data = match (waiting.pop(), waiting.is_empty()) {
                (Some(one), true) => one,
                _ => json!({"id": "*", "changed": {"kind": "updated"}}),
            };
            self.event("change", &with_seq(data, self.seq, topic))?;
        }
        if self.counts && self.changed && self.token("counts") {
            self.changed = false;
            if let Ok(counts) = counted(cx) {
                let data = json!({"seq": self.seq, "topic": "counts", "id": "*", "changed": counts});
                self.event("change", &data)?;
            }
        }
        Ok(())
    }

    fn beat(&self, cx: &Ctx, events_per_second: u64) -> std::result::Result<(), Gone> {
        let now = crate::clock::now();
        let p99 = cx.state.engine.figures().alert_latency.p99_ms(now);
        let beat = json!({
            "seq": self.seq, "at": now.iso(), "events_per_second": events_per_second, "event_to_alert_p99_ms": p99
        });
        self.event("beat", &beat)
    }
}

fn with_seq(mut data: Json, seq: u64, topic: &str) -> Json {
    if let Some(o) = data.as_object_mut() {
        o.insert("seq".into(), json!(seq));
        o.insert("topic".into(), json!(topic));
    }
    data
}
