//! The detector: follows the event log, matches rules, raises alerts, starts workflows, all in one commit with its position.
//!
//! Invariants: alerts and position move together, so a crash matches again and finds the same ids; a panic in a rule is that rule's
//! error; at most `ALERTS_MAX` alerts or `BYTES_MAX` per commit, ending at an event.
//! Not here: matching (`rule`), the log (`index`), what an alert starts (`actions`).
//! Source: `design/engine.md` §5, §6; `reference/detection.md` §1–2.

use crate::actions;
use crate::clock;
use crate::handle::Shared;
use crate::poison;
use event::Event;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stdx::{Id, Time, Value};
use store::{Commit, Guard, LogPosition, Noun};
use triage::Actor;
use triage::command::{Command, Request};

/// Alerts in one commit at most.
const ALERTS_MAX: usize = 256;
/// Bytes of alert documents in one commit at most.
const BYTES_MAX: usize = 1024 * 1024;
/// Frames read at once.
const FRAMES_MAX: usize = 256;
/// Bytes of frames read at once.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Stored events that a new or enabled rule looks at in one pass.
const BACKFILL_PAGE: usize = 500;
/// Stored events that a new or enabled rule looks at in all.
const BACKFILL_MAX: usize = 100_000;
/// `kibana.version` of alerts.
const PRODUCT_VERSION: &str = "9.4.0";
/// Name of this follower.
const FOLLOWER: &str = "detector";
/// Pause after a failure.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// Rules as loaded from the store, compiled.
struct Rules {
    dispatcher: rule::Dispatcher,
    rules: Vec<Arc<LoadedRule>>,
}

/// One enabled rule.
pub(crate) struct LoadedRule {
    pub id: Id,
    /// Version of its record, by which a reload knows what it has compiled already.
    version: u64,
    compiled: Arc<rule::compile::Compiled>,
    pub updated_by: Arc<str>,
}

impl LoadedRule {
    pub(crate) fn rule(&self) -> &Arc<rule::Rule> {
        &self.compiled.rule
    }
}

/// The detector of one space.
pub(crate) struct Detector {
    shared: Arc<Shared>,
    space: Arc<str>,
    index: Arc<str>,
    rules: Rules,
    position: LogPosition,
    /// What the store holds of the position.
    stood: LogPosition,
    budgets: HashMap<Id, Budget>,
    hits: Vec<rule::RuleIdx>,
    poison: poison::Poison,
}

/// Alerts a rule may still raise in its interval.
struct Budget {
    window: Time,
    left: u64,
}

impl Detector {
    /// Loads rules and position.
    pub fn open(shared: Arc<Shared>, space: Arc<str>) -> Result<Self, store::Error> {
        let rules = load(&shared, &space, &[])?;
        let lineage: Arc<str> = shared.index.end().lineage.to_string().into();
        let stood = shared.store.read(|r| r.follower_get(FOLLOWER))?;
        // A log of another lineage begins anew; the position that stands is the guard of the first commit.
        let position = if stood.lineage == lineage { stood.clone() } else { LogPosition { lineage, number: 0 } };
        let index = rule::alert::index(&space).into();
        let poison = shared.poison.of(poison::Worker::Detector);
        Ok(Self { shared, space, index, rules, position, stood, budgets: HashMap::new(), hits: Vec::new(), poison })
    }

    /// Runs until the engine closes.
    pub fn run(mut self) {
        while !self.shared.closing.load(Ordering::SeqCst) {
            match self.pass() {
                Ok(true) => {}
                Ok(false) => {
                    self.poison.clear();
                    self.shared.index.wait_beyond(self.position.number, std::time::Duration::from_secs(1));
                }
                Err(error) => {
                    tracing::warn!(error, "the detector stands still; tried again");
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Works off the next frames; false when there are none.
    fn pass(&mut self) -> Result<bool, String> {
        let frames =
            self.shared.index.read_from(self.position.number, FRAMES_MAX, READ_BYTES_MAX).map_err(|e| e.to_string())?;
        if frames.is_empty() {
            self.shared.figures.detector_lag.store(0, Ordering::Relaxed);
            return Ok(false);
        }
        let mut batch = Batch::default();
        let is_rules = |n: usize| frames.get(n).is_some_and(|f| matches!(f.kind, index::Kind::Rules { .. }));
        for (n, frame) in frames.iter().enumerate() {
            if is_rules(n) && is_rules(n + 1) {
                // Nothing to match between the two: the later one loads what both changed.
                batch.reached = frame.number;
                continue;
            }
            if is_rules(n) {
                self.commit(&mut batch, frame.number - 1)?;
                self.reload(frame.number)?;
                self.commit(&mut batch, frame.number)?;
                continue;
            }
            let unit = poison::unit_of_frame(frame.number);
            if self.poison.holds(&unit) {
                tracing::error!(unit, "the frame is in quarantine: its events are stored and no rule sees them");
                batch.reached = frame.number;
                continue;
            }
            self.poison.note(&unit);
            let careful = self.poison.suspects(frame.number).then_some(frame.number);
            for doc in frame.for_rules() {
                self.shared.figures.events_seen.fetch_add(1, Ordering::Relaxed);
                self.event(&doc.event, &frame.provenance, careful, &mut batch);
                if batch.full() {
                    // Within a frame the position stays before it: what was raised already is found again by its id.
                    self.commit(&mut batch, frame.number - 1)?;
                }
            }
            batch.reached = frame.number;
        }
        let reached = batch.reached;
        if reached > self.position.number {
            self.commit(&mut batch, reached)?;
        }
        let lag = self.shared.index.end().number.saturating_sub(self.position.number);
        self.shared.figures.detector_lag.store(i64::try_from(lag).unwrap_or(i64::MAX), Ordering::Relaxed);
        Ok(true)
    }

    /// `careful`: number of a frame at which a process has ended; its rules are tried, and noted, one by one.
    fn event(&mut self, event: &Event, from: &index::Provenance, careful: Option<u64>, batch: &mut Batch) {
        if event.check().is_err() {
            self.shared.figures.events_unreadable.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (mut hits, mut panicked) = (std::mem::take(&mut self.hits), Vec::new());
        match careful {
            None => self.rules.dispatcher.matches_caught(event, &mut hits, &mut panicked),
            Some(frame) => self.matches_one_by_one(event, frame, &mut hits, &mut panicked),
        }
        for n in panicked {
            let rule = &self.rules.rules[n as usize].id;
            tracing::error!(%rule, "the rule failed inside on an event; this is a bug of the product");
        }
        for n in &hits {
            let loaded = self.rules.rules[*n as usize].clone();
            self.raise(&loaded, event, from, batch);
        }
        self.hits = hits;
    }

    /// Every rule on its own, noted before it is tried; one that is in quarantine for this frame is left out.
    fn matches_one_by_one(
        &self,
        event: &Event,
        frame: u64,
        hits: &mut Vec<rule::RuleIdx>,
        panicked: &mut Vec<rule::RuleIdx>,
    ) {
        hits.clear();
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        for (n, loaded) in self.rules.rules.iter().enumerate() {
            let unit = poison::unit_of_rule(&loaded.id, frame);
            if self.poison.holds(&unit) {
                continue;
            }
            self.poison.note(&unit);
            let alone = rule::Dispatcher::new(vec![loaded.compiled.clone()]);
            alone.matches_caught(event, &mut found, &mut broken);
            let idx = rule::RuleIdx::try_from(n).unwrap_or(rule::RuleIdx::MAX);
            hits.extend(found.first().map(|_| idx));
            panicked.extend(broken.first().map(|_| idx));
        }
        self.poison.note(&poison::unit_of_frame(frame));
    }

    fn raise(&mut self, loaded: &Arc<LoadedRule>, event: &Event, from: &index::Provenance, batch: &mut Batch) {
        let now = clock::now();
        if !self.budget(loaded, event.meta.arrival) {
            self.shared.figures.alerts_over_budget.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let run = rule::alert::Run { uuid: clock::new_id(), timestamp: now, manual: false };
        let cx = rule::alert::Context {
            now,
            run: &run,
            space: &self.space,
            version: PRODUCT_VERSION,
            base_url: Some(&self.shared.programs.env.kibana_url),
        };
        let build = || rule::alert::build(loaded.rule(), event, &cx);
        let Ok(Some(alert)) = catch_unwind(AssertUnwindSafe(build)) else { return };
        batch.bytes += event.raw.len() + 2048;
        batch.arrival = Some(event.meta.arrival);
        let raised = batch.commit.commands.len();
        batch.commit.commands.push(Request {
            space: self.space.clone(),
            by: Actor::system(),
            key: None,
            command: Command::AlertRaise {
                id: alert.id.clone(),
                index: self.index.clone(),
                document: alert.document.clone(),
            },
        });
        let cause = actions::Cause {
            space: &self.space,
            index: &self.index,
            now,
            arrival: event.meta.arrival,
            depth: from.depth,
            visited: &from.visited,
        };
        actions::plan(&self.shared, loaded, &alert, &cause, raised, &mut batch.commit);
    }

    /// Takes one from the rule's budget of `max_signals` per interval, by arrival time.
    fn budget(&mut self, loaded: &LoadedRule, arrival: Time) -> bool {
        let interval = loaded.rule().interval.0.max(1_000_000);
        let budget = self.budgets.entry(loaded.id.clone()).or_insert(Budget { window: Time(i64::MIN), left: 0 });
        if budget.window == Time(i64::MIN) || arrival.0 - budget.window.0 >= interval {
            *budget = Budget { window: arrival, left: u64::from(loaded.rule().max_signals) };
        }
        if budget.left == 0 {
            return false;
        }
        budget.left -= 1;
        true
    }

    /// Commits what was raised, with the position.
    fn commit(&mut self, batch: &mut Batch, number: u64) -> Result<(), String> {
        let mut commit = std::mem::take(&mut batch.commit);
        batch.bytes = 0;
        if commit.commands.is_empty() && number == self.position.number {
            return Ok(());
        }
        let raised = commit.commands.len() as u64;
        commit.now = clock::now();
        commit.independent = true;
        commit.guards.push(Guard::Follower { id: FOLLOWER.into(), from: self.stood.clone() });
        let next = LogPosition { lineage: self.position.lineage.clone(), number };
        commit.position = Some((FOLLOWER.into(), next.clone()));
        let committed = self.shared.store.commit_blocking(commit).map_err(|e| e.to_string())?;
        self.position = next.clone();
        self.stood = next;
        self.shared.publish(&committed);
        self.shared.index.release(FOLLOWER, number);
        self.shared.figures.alerts_raised.fetch_add(raised, Ordering::Relaxed);
        if let Some(arrival) = batch.arrival.take() {
            let now = clock::now();
            let late = u64::try_from(now.since(arrival).0).unwrap_or(0);
            self.shared.figures.alert_latency_us.store(late, Ordering::Relaxed);
            self.shared.figures.alert_latency.record(now, late, raised);
        }
        Ok(())
    }

    /// New generation of rules from frame `number` on; rules that are new or newly enabled look at stored events first.
    fn reload(&mut self, number: u64) -> Result<(), String> {
        let before: std::collections::HashSet<Id> = self.rules.rules.iter().map(|r| r.id.clone()).collect();
        self.rules = load(&self.shared, &self.space, &self.rules.rules).map_err(|e| e.to_string())?;
        let fresh: Vec<_> = self.rules.rules.iter().filter(|r| !before.contains(&r.id)).cloned().collect();
        if !fresh.is_empty()
            && let Err(error) = self.backfill(&fresh, number)
        {
            tracing::warn!(rules = fresh.len(), error, "stored events could not be looked at for new rules");
        }
        Ok(())
    }

    /// Runs new rules once, together, over stored events of their `[from, now]` below frame `number`.
    fn backfill(&mut self, fresh: &[Arc<LoadedRule>], number: u64) -> Result<(), String> {
        let now = clock::now();
        let Some(longest) = fresh.iter().map(|r| r.rule().lookback).max() else { return Ok(()) };
        let below = index::seq_of(number, 0);
        let mut patterns: Vec<&str> = fresh.iter().flat_map(|r| &r.rule().index).map(|p| &**p).collect();
        patterns.sort_unstable();
        patterns.dedup();
        let patterns = patterns.join(",");
        let dispatcher = rule::Dispatcher::new(fresh.iter().map(|r| r.compiled.clone()).collect());
        let (mut hits, mut panicked) = (Vec::new(), Vec::new());
        let mut after: Option<Vec<Value>> = None;
        let mut seen = 0;
        loop {
            let request = index::SearchRequest {
                indices: patterns.clone(),
                query: range(now - longest, now),
                sort: vec![index::SortBy::seq()],
                size: BACKFILL_PAGE,
                search_after: after.take(),
                track_total: Some(0),
                ..index::SearchRequest::default()
            };
            let page = match self.shared.index.search(&request) {
                Ok(response) => response.hits,
                Err(index::Error::NoSuchIndex(_)) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.sort.clone());
            let (full, end) = (page.len() == BACKFILL_PAGE, last.seq_no >= below);
            let mut batch = Batch::default();
            for hit in page.iter().filter(|h| h.seq_no < below) {
                let meta = event::Meta {
                    index: hit.index.clone(),
                    id: hit.id.clone(),
                    version: hit.version,
                    seq: hit.seq_no,
                    arrival: now,
                };
                let event = Event::new(meta, hit.raw.clone());
                dispatcher.matches_caught(&event, &mut hits, &mut panicked);
                let at = event::timestamp::of(&event).0;
                for n in &hits {
                    let loaded = &fresh[*n as usize];
                    if at >= now - loaded.rule().lookback {
                        self.raise(loaded, &event, &index::Provenance::default(), &mut batch);
                    }
                }
                if batch.full() {
                    self.commit(&mut batch, self.position.number)?;
                }
            }
            self.commit(&mut batch, self.position.number)?;
            seen += page.len();
            if seen >= BACKFILL_MAX || !full || end {
                return Ok(());
            }
        }
    }
}

/// Documents whose `@timestamp` lies in `[from, to]`.
fn range(from: Time, to: Time) -> lang::dsl::Query {
    let text = format!(r#"{{"range":{{"@timestamp":{{"gte":"{}","lte":"{}"}}}}}}"#, from.iso(), to.iso());
    stdx::json::parse(&text).ok().and_then(|v| lang::dsl::parse_value(&v).ok()).unwrap_or(lang::dsl::Query::MatchAll)
}

/// What the next commit will hold.
#[derive(Default)]
struct Batch {
    commit: Commit,
    bytes: usize,
    reached: u64,
    arrival: Option<Time>,
}

impl Batch {
    fn full(&self) -> bool {
        self.commit.commands.len() >= ALERTS_MAX || self.bytes >= BYTES_MAX
    }
}

/// Loads and compiles the enabled rules of a space; what `known` holds in the same version is taken from there.
fn load(shared: &Arc<Shared>, space: &Arc<str>, known: &[Arc<LoadedRule>]) -> Result<Rules, store::Error> {
    let known: HashMap<&str, &Arc<LoadedRule>> = known.iter().map(|r| (&*r.id.0, r)).collect();
    let mut rules = Vec::new();
    for (id, version) in shared.store.read(|r| r.record_versions(Noun::Rule, space))? {
        if let Some(same) = known.get(&*id.0).filter(|k| k.version == version) {
            rules.push(Arc::clone(same));
            continue;
        }
        let Some(record) = shared.store.read(|r| r.record_get(Noun::Rule, space, &id.0))? else { continue };
        if record.body.get("enabled").and_then(Value::as_bool) != Some(true) {
            continue;
        }
        let (loaded, mut diagnostics) = rule::rule::load(&record.body, rule::rule::Origin::Stored);
        let loaded = loaded.map(Arc::new);
        let compiled = loaded.as_ref().and_then(|rule| {
            let (compiled, more) = rule::compile::compile(rule);
            diagnostics.extend(more);
            compiled
        });
        let Some(compiled) = compiled else {
            let why = diagnostics.iter().find(|d| d.is_error()).map(|d| d.message.clone()).unwrap_or_default();
            tracing::warn!(rule = %id, why, "an enabled rule does not run");
            continue;
        };
        let updated_by = record.body.get("updated_by").and_then(Value::as_str).unwrap_or("elastic").into();
        let (version, compiled) = (record.version, Arc::new(compiled));
        rules.push(Arc::new(LoadedRule { id, version, compiled, updated_by }));
    }
    shared.figures.rules_enabled.store(rules.len() as u64, Ordering::Relaxed);
    Ok(Rules { dispatcher: rule::Dispatcher::new(rules.iter().map(|r| r.compiled.clone()).collect()), rules })
}
