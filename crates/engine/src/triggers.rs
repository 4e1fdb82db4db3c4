//! Event-driven workflows: a follower of the feed that turns changes into events and starts who listens to them.
//!
//! Invariants: starts and position are one commit, so an event starts a workflow once; a chain ends after `CHAIN_DEPTH_MAX` links, and
//! where it comes back to a workflow, unless that asks for it; what a dry run did is no event.
//! Not here: what a trigger wants (`workflow::program::trigger`), the feed (`store`).
//! Source: `design/engine.md` §5, §6; `reference/workflow-language.md` §2.4.

use crate::handle::Shared;
use crate::listeners::Listeners;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stdx::{Id, Time, Value};
use store::{Commit, FeedKind, FeedRecord, Guard, LogPosition, NewStart, Reader};
use workflow::{Body, Cause, Start};

/// Name of this follower.
const FOLLOWER: &str = "triggers";
/// Feed records worked off in one commit.
const RECORDS_MAX: u64 = 64;
/// Starts of one commit at most: beyond it the commit ends at a record.
const STARTS_MAX: usize = 256;
/// Records that started nothing and lie behind the stored position at most.
const LAG_MAX: u64 = 512;
/// Longest sleep between looks.
const SLEEP_MAX: std::time::Duration = std::time::Duration::from_secs(1);
/// Pause after a failure.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// Runs until the engine closes.
pub(crate) fn run(shared: &Arc<Shared>, space: &Arc<str>) {
    let mut follower = Follower { shared: shared.clone(), space: space.clone(), at: None, stored: 0 };
    while !shared.closing.load(Ordering::SeqCst) {
        match follower.pass() {
            Ok(true) => {}
            Ok(false) => shared.trigger_bell.wait(SLEEP_MAX),
            Err(error) => {
                tracing::warn!(%error, "the follower of triggers stands still; tried again");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// The chain an event stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// 1 for an event that no workflow caused.
    pub depth: u32,
    /// Workflows visited.
    pub visited: Vec<Id>,
}

/// An event that workflows may listen to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Trigger id.
    pub id: &'static str,
    /// Members besides the common ones.
    pub payload: Value,
    /// On whose behalf what it starts runs.
    pub principal: Arc<str>,
}

struct Follower {
    shared: Arc<Shared>,
    space: Arc<str>,
    /// Position, once read.
    at: Option<LogPosition>,
    /// Number of the stored position.
    stored: u64,
}

impl Follower {
    fn position(&mut self) -> Result<LogPosition, store::Error> {
        if let Some(at) = &self.at {
            return Ok(at.clone());
        }
        let stood = self.shared.store.read(|r| r.follower_get(FOLLOWER))?;
        let lineage = self.shared.store.read(|r| r.lineage())?;
        if stood.lineage != lineage {
            // What happened before anybody could listen starts nothing.
            let number = self.shared.store.read(|r| r.feed_range())?.1;
            let commit = Commit {
                now: crate::clock::now(),
                guards: [Guard::Follower { id: FOLLOWER.into(), from: stood }].into_iter().collect(),
                position: Some((FOLLOWER.into(), LogPosition { lineage: lineage.clone(), number })),
                ..Commit::default()
            };
            self.shared.store.commit_blocking(commit)?;
            self.at = Some(LogPosition { lineage, number });
            self.stored = number;
        } else {
            self.stored = stood.number;
            self.at = Some(stood);
        }
        Ok(self.at.clone().unwrap_or_default())
    }

    /// Works off the next records; false when there are none.
    fn pass(&mut self) -> Result<bool, store::Error> {
        let from = self.position()?;
        // First what happened, then who listens: whoever was there when it happened is heard of.
        let head = self.shared.store.read(|r| r.feed_range())?.1;
        let quiet = !self.shared.events_heard.load(Ordering::Relaxed);
        let records = match quiet {
            true => Vec::new(),
            false => self.shared.store.read(|r| r.feed_after(from.number, RECORDS_MAX))?,
        };
        let listeners = self.shared.listeners(&self.space)?;
        self.shared.events_heard.store(!listeners.no_events(), Ordering::Relaxed);
        if listeners.no_events() {
            // Nothing is read that nobody listens to.
            self.go_to(&from, head.max(from.number), Vec::new())?;
            return Ok(false);
        }
        if quiet {
            return Ok(true);
        }
        let Some(last) = records.last() else { return Ok(false) };
        let mut reached = last.n;
        let mut starts = Vec::new();
        for record in records.iter().filter(|r| r.space == self.space) {
            self.shared.store.read(|r| self.starts(r, &listeners, record, &mut starts))?;
            if starts.len() >= STARTS_MAX {
                reached = record.n;
                break;
            }
        }
        self.go_to(&from, reached, starts)?;
        Ok(true)
    }

    /// Commits starts with the position; a position alone is written now and then, for what is read again without starts costs nothing.
    fn go_to(&mut self, from: &LogPosition, reached: u64, starts: Vec<NewStart>) -> Result<(), store::Error> {
        let next = LogPosition { lineage: from.lineage.clone(), number: reached };
        if starts.is_empty() && reached.saturating_sub(self.stored) < LAG_MAX {
            self.at = Some(next);
            return Ok(());
        }
        let stood = LogPosition { lineage: from.lineage.clone(), number: self.stored };
        let commit = Commit {
            now: crate::clock::now(),
            guards: [Guard::Follower { id: FOLLOWER.into(), from: stood }].into_iter().collect(),
            starts,
            position: Some((FOLLOWER.into(), next.clone())),
            ..Commit::default()
        };
        let committed = self.shared.store.commit_blocking(commit)?;
        self.at = Some(next);
        self.stored = reached;
        self.shared.publish(&committed);
        Ok(())
    }

    fn starts(
        &self,
        r: &Reader,
        listeners: &Listeners,
        record: &FeedRecord,
        out: &mut Vec<NewStart>,
    ) -> Result<(), store::Error> {
        if !heard(listeners, &record.topic) {
            return Ok(());
        }
        let events = events(r, listeners, record)?;
        if events.is_empty() {
            return Ok(());
        }
        let Some(chain) = chain(r, record)? else { return Ok(()) };
        for (i, event) in events.iter().enumerate() {
            let value = whole(event, record, &chain);
            for listener in listeners.of_event(event.id) {
                let Some(trigger) = listener.program.listens(event.id) else { continue };
                // A workflow hears what happens after it was saved or switched on.
                if record.at < listener.since {
                    continue;
                }
                if !trigger.wants(&value, &listener.workflow, chain.depth, &chain.visited) {
                    continue;
                }
                let number = record.n.to_string();
                let id = stdx::id::uuid_v8(record.at, &["event", event.id, &number, &i.to_string()]);
                let execution = stdx::id::uuid_v8(
                    record.at,
                    &["event start", event.id, &number, &i.to_string(), &listener.workflow],
                );
                let start = Start {
                    execution: execution.clone(),
                    root: execution,
                    space: record.space.clone(),
                    workflow: listener.workflow.clone(),
                    version: listener.version,
                    principal: event.principal.clone(),
                    cause: Cause::Event { trigger: event.id.into(), event: id.clone() },
                    depth: chain.depth,
                    visited: chain.visited.iter().cloned().chain([listener.workflow.clone()]).collect(),
                    event: Body::from(value.clone()),
                    metadata: Body::from(Value::object([
                        ("triggerId", Value::from(event.id)),
                        ("eventId", Value::from(id)),
                        ("dispatchedAt", Value::from(crate::clock::now().iso())),
                    ])),
                    at: record.at,
                    ..Start::default()
                };
                out.push(NewStart { start: Box::new(start), if_inserted: None });
            }
        }
        Ok(())
    }
}

/// Whether a topic can become an event that somebody listens to: looked at before anything is read.
fn heard(listeners: &Listeners, topic: &str) -> bool {
    match topic {
        "execution" => listeners.any_event("workflows."),
        "case" => listeners.any_event("cases."),
        "alert" => listeners.any_event("alerts.") || listeners.any_event("alerting.actions."),
        "rule" => listeners.any_event("alerting.rule"),
        "question" => listeners.any_event("approvals."),
        _ => false,
    }
}

/// The event as the workflow sees it.
pub(crate) fn whole(event: &Event, record: &FeedRecord, chain: &Chain) -> Value {
    let mut object = event.payload.as_object().cloned().unwrap_or_default();
    object.insert("timestamp", record.at.iso());
    object.insert("spaceId", record.space.clone());
    object.insert("eventChainDepth", i64::from(chain.depth));
    object.insert("eventChainVisitedWorkflowIds", Value::array(chain.visited.iter().map(|id| Value::from(id.clone()))));
    Value::from(object)
}

/// The chain of a change: that of the run that made it, or failed; `None` for what a dry run did.
fn chain(r: &Reader, record: &FeedRecord) -> Result<Option<Chain>, store::Error> {
    let run = if &*record.topic == "execution" { Some(&record.id) } else { record.execution.as_ref() };
    let Some(run) = run else { return Ok(Some(Chain { depth: 1, visited: Vec::new() })) };
    if r.execution_get(run)?.is_some_and(|head| head.dry) {
        return Ok(None);
    }
    let (depth, visited) = r.execution_chain(run)?.unwrap_or_default();
    Ok(Some(Chain { depth: depth.saturating_add(1), visited }))
}

/// The events of a change.
pub(crate) fn events(r: &Reader, listeners: &Listeners, record: &FeedRecord) -> Result<Vec<Event>, store::Error> {
    let event = |id, payload| Event { id, payload, principal: record.by.clone() };
    let word = |key: &str| record.changed.get(key).and_then(Value::as_str);
    Ok(match &*record.topic {
        "execution" => match word("status") {
            Some("failed" | "timed_out") => failed(r, listeners, record)?.into_iter().collect(),
            _ => Vec::new(),
        },
        "case" => case_events(r, record)?,
        "alert" => alert_events(r, record)?,
        "rule" => {
            let rule = Value::object([(
                "rule",
                Value::object([
                    ("ruleId", Value::from(record.id.clone())),
                    ("spaceId", Value::from(record.space.clone())),
                ]),
            )]);
            let ids: &[&'static str] = match (record.kind, record.changed.get("enabled").and_then(Value::as_bool)) {
                (FeedKind::Created, _) => &["alerting.ruleCreated"],
                (FeedKind::Deleted, _) => &["alerting.ruleDeleted"],
                (FeedKind::Updated, Some(true)) => &["alerting.ruleEnabled"],
                (FeedKind::Updated, Some(false)) => &["alerting.ruleDisabled"],
                (FeedKind::Updated, None) => &["alerting.ruleUpdated"],
            };
            ids.iter().map(|id| event(*id, rule.clone())).collect()
        }
        "question" => decided(r, record)?.into_iter().collect(),
        _ => Vec::new(),
    })
}

/// `workflows.failed`.
fn failed(r: &Reader, listeners: &Listeners, record: &FeedRecord) -> Result<Option<Event>, store::Error> {
    let Some(head) = r.execution_get(&record.id)? else { return Ok(None) };
    let handles = listeners.of_event("workflows.failed").iter().any(|l| l.workflow == head.workflow);
    let error = head.error.as_ref();
    let step = head
        .current
        .first()
        .cloned()
        .or_else(|| error.and_then(|e| e.details.get("step")).and_then(Value::as_str).map(Arc::from));
    let message = error.map_or_else(
        || Arc::from(if head.status == workflow::Status::TimedOut { "Failed due to workflow timeout" } else { "" }),
        |e| e.message.clone(),
    );
    let payload = Value::object([
        (
            "workflow",
            Value::object([
                ("id", Value::from(head.workflow.clone())),
                ("name", Value::from(head.name.clone())),
                ("spaceId", Value::from(head.space.clone())),
                ("isErrorHandler", Value::Bool(handles)),
            ]),
        ),
        (
            "execution",
            Value::object([
                ("id", Value::from(head.id.clone())),
                ("startedAt", Value::from(head.started.map(Time::iso))),
                ("failedAt", Value::from(head.finished.map(Time::iso))),
            ]),
        ),
        (
            "error",
            Value::object([
                ("message", Value::from(message)),
                ("stepId", Value::from(step.clone())),
                ("stepName", Value::from(step)),
            ]),
        ),
    ]);
    // The identity of the failed run.
    Ok(Some(Event { id: "workflows.failed", payload, principal: head.principal }))
}

/// `cases.*`.
fn case_events(r: &Reader, record: &FeedRecord) -> Result<Vec<Event>, store::Error> {
    if record.kind == FeedKind::Deleted {
        return Ok(Vec::new());
    }
    let changed = &record.changed;
    let owner = match changed.get("owner").and_then(Value::as_str) {
        Some(owner) => Arc::from(owner),
        None => match r.case_get(&record.space, &record.id)? {
            Some(case) => case.owner.clone(),
            None => return Ok(Vec::new()),
        },
    };
    let event = |id, more: Vec<(&str, Value)>| {
        let mut payload = vec![("caseId", Value::from(record.id.clone())), ("owner", Value::from(owner.clone()))];
        payload.extend(more);
        Event { id, payload: Value::object(payload), principal: record.by.clone() }
    };
    let list = |key: &str| changed.get(key).and_then(Value::as_array).map(<[Value]>::to_vec).unwrap_or_default();
    let mut events = Vec::new();
    if record.kind == FeedKind::Created {
        events.push(event("cases.caseCreated", vec![]));
    }
    let fields = list("fields");
    if !fields.is_empty() && record.kind == FeedKind::Updated {
        events.push(event("cases.caseUpdated", vec![("updatedFields", Value::array(fields))]));
    }
    if let (Some(status), Some(was)) = (changed.get("status"), changed.get("was")) {
        events
            .push(event("cases.caseStatusUpdated", vec![("previousStatus", was.clone()), ("status", status.clone())]));
    }
    for attached in list("attached") {
        let member = |key: &str| attached.get(key).cloned().unwrap_or_default();
        events.push(event(
            "cases.attachmentsAdded",
            vec![("attachmentIds", member("ids")), ("attachmentType", member("type"))],
        ));
    }
    let comments = list("comments");
    if !comments.is_empty() {
        events.push(event("cases.commentsAdded", vec![("commentIds", Value::array(comments))]));
    }
    Ok(events)
}

/// What an alert's status says of its state: `closed` is recovered, whatever else it had before is ongoing.
fn state_of(status: &str) -> &'static str {
    if status == "closed" { "recovered" } else { "ongoing" }
}

/// `alerts.stateChanged` and `alerting.actions.*`.
fn alert_events(r: &Reader, record: &FeedRecord) -> Result<Vec<Event>, store::Error> {
    let Some(alert) = r.alert_get(&record.space, &record.id)? else { return Ok(Vec::new()) };
    let field = |name: &str| alert.document.field(name).cloned().unwrap_or_default();
    let rule_id = field("kibana.alert.rule.uuid");
    let word = |key: &str| record.changed.get(key).and_then(Value::as_str);
    let created = record.kind == FeedKind::Created;
    let mut events = Vec::new();
    let event = |id, payload| Event { id, payload, principal: record.by.clone() };
    if created || word("status").is_some() {
        let state = if created { "new" } else { state_of(word("status").unwrap_or("open")) };
        let before = word("was").map(state_of);
        let mut shown = expanded(&alert.document);
        if let Some(object) = shown.object_mut() {
            object.insert("_id", alert.id.clone());
            object.insert("_index", alert.index.clone());
        }
        let rule = Value::object([
            ("id", rule_id.clone()),
            ("name", field("kibana.alert.rule.name")),
            ("tags", field("kibana.alert.rule.tags")),
        ]);
        events.push(event(
            "alerts.stateChanged",
            Value::object([
                ("alerts", Value::array([shown])),
                ("rule", rule),
                ("state", Value::from(state)),
                ("previousState", Value::from(before)),
            ]),
        ));
    }
    let mut act = |id| {
        let payload = Value::object([
            ("alertId", Value::from(alert.id.clone())),
            ("ruleId", rule_id.clone()),
            ("spaceId", Value::from(record.space.clone())),
        ]);
        events.push(event(id, payload));
    };
    match (created, word("status"), word("was")) {
        (true, ..) => act("alerting.actions.alertActivated"),
        (_, Some("acknowledged"), _) => act("alerting.actions.alertAcked"),
        (_, Some("closed"), _) => act("alerting.actions.alertDeactivated"),
        (_, Some(_), Some("acknowledged")) => act("alerting.actions.alertUnacked"),
        (_, Some(_), _) => act("alerting.actions.alertActivated"),
        _ => {}
    }
    if let Some(assignees) = record.changed.get("assignees").and_then(Value::as_array) {
        let none = assignees.is_empty();
        act(if none { "alerting.actions.alertUnassigned" } else { "alerting.actions.alertAssigned" });
    }
    if record.changed.get("tags").is_some() {
        act("alerting.actions.alertTagged");
    }
    Ok(events)
}

/// A document with flat dotted keys as nested objects, so that `alerts[0].kibana.alert.rule.name` is there.
fn expanded(document: &Value) -> Value {
    rule::alert::expanded(document)
}

/// `approvals.decided`.
fn decided(r: &Reader, record: &FeedRecord) -> Result<Option<Event>, store::Error> {
    let verdict = record.changed.get("state").and_then(Value::as_str);
    let Some(verdict) = verdict.filter(|v| !matches!(*v, "open" | "void" | "withdrawn")) else { return Ok(None) };
    let Some(row) = r.question_get(&record.id)? else { return Ok(None) };
    let q = &row.question;
    let answer = row.answers.last();
    let payload = Value::object([
        ("approvalId", Value::from(q.id.clone())),
        (
            "workflow",
            Value::object([("id", Value::from(q.workflow.clone())), ("name", Value::from(q.workflow_name.clone()))]),
        ),
        ("execution", Value::object([("id", Value::from(q.execution.clone()))])),
        ("step", Value::from(q.step.clone())),
        ("verdict", Value::from(verdict)),
        ("by", Value::from(answer.map(|a| a.by.user.clone()))),
        ("comment", Value::from(answer.and_then(|a| a.comment.clone()))),
    ]);
    Ok(Some(Event { id: "approvals.decided", payload, principal: record.by.clone() }))
}
