//! What starts a workflow, as declared: each kind read once into its own form.
//!
//! Invariants: a trigger that cannot be read stays in the program as [`Spec::Broken`] and starts nothing; secrets are named, never written.
//! Not here: firing (`engine`), payloads of events (whoever raises them).
//! Source: `reference/workflow-language.md` §2, Appendix B; `product.md` A2.

use super::Trigger;
use super::check::{nearest, unknown_key};
use super::load::Loader;
use crate::condition::Condition;
use crate::schedule::{EVERY_MIN, Frequency, Rule, Schedule, is_zone, weekday};
use crate::template::{Root, Text, compile_at, is_template};
use crate::yaml::{Node, Yaml};
use crate::{Program, duration};
use std::sync::Arc;
use stdx::{Duration, Id, Time, Value};

/// Characters of a webhook's path at most.
pub const PATH_CHARS_MAX: usize = 128;
/// Replay window of a signed webhook where none is written.
pub const REPLAY_WINDOW_DEFAULT: Duration = Duration::from_secs(300);
/// Longest replay window.
pub const REPLAY_WINDOW_MAX: Duration = Duration::from_secs(86_400);
/// Depth of a chain of events beyond which nothing starts.
pub const CHAIN_DEPTH_MAX: u32 = 10;

/// A kind of event that a workflow can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// Trigger id.
    pub id: &'static str,
    /// Members of `event` besides `timestamp`, `spaceId`, `eventChainDepth`, `eventChainVisitedWorkflowIds`.
    pub payload: &'static [&'static str],
    /// One sentence.
    pub description: &'static str,
}

const fn kind(id: &'static str, payload: &'static [&'static str], description: &'static str) -> EventKind {
    EventKind { id, payload, description }
}

const ALERT: &[&str] = &["alertId", "ruleId", "spaceId"];
const RULE: &[&str] = &["rule"];

/// Events by id, sorted.
pub const EVENTS: &[EventKind] = &[
    kind("alerting.actions.alertAcked", ALERT, "an alert was acknowledged"),
    kind("alerting.actions.alertActivated", ALERT, "an alert became active"),
    kind("alerting.actions.alertAssigned", ALERT, "somebody was assigned to an alert"),
    kind("alerting.actions.alertDeactivated", ALERT, "an alert is no longer active"),
    kind("alerting.actions.alertSnoozed", ALERT, "an alert was snoozed"),
    kind("alerting.actions.alertTagged", ALERT, "an alert got a tag"),
    kind("alerting.actions.alertUnacked", ALERT, "an alert is no longer acknowledged"),
    kind("alerting.actions.alertUnassigned", ALERT, "somebody is no longer assigned to an alert"),
    kind("alerting.actions.alertUnsnoozed", ALERT, "an alert is no longer snoozed"),
    kind("alerting.ruleCreated", RULE, "a rule was created"),
    kind("alerting.ruleDeleted", RULE, "a rule was deleted"),
    kind("alerting.ruleDisabled", RULE, "a rule was disabled"),
    kind("alerting.ruleEnabled", RULE, "a rule was enabled"),
    kind("alerting.ruleUpdated", RULE, "a rule was changed"),
    kind("alerts.stateChanged", &["alerts", "rule", "state", "previousState"], "alerts are new, ongoing or recovered"),
    kind(
        "approvals.decided",
        &["approvalId", "workflow", "execution", "step", "verdict", "by"],
        "a person decided an approval",
    ),
    kind(
        "cases.attachmentsAdded",
        &["caseId", "owner", "attachmentIds", "attachmentType"],
        "something was attached to a case",
    ),
    kind("cases.caseCreated", &["caseId", "owner"], "a case was opened"),
    kind("cases.caseStatusUpdated", &["caseId", "owner", "previousStatus", "status"], "a case got another status"),
    kind("cases.caseUpdated", &["caseId", "owner", "updatedFields"], "a case was changed"),
    kind("cases.commentsAdded", &["caseId", "owner", "commentIds"], "somebody commented on a case"),
    kind(
        "entityStore.entityAssetCriticalityUpdated",
        &["entityId", "entityType", "criticalityLevel"],
        "an entity got another criticality",
    ),
    kind(
        "entityStore.entityRiskScoreChanged",
        &["entityId", "entityType", "score", "previousScore", "delta", "direction"],
        "an entity's risk score changed",
    ),
    kind("workflows.failed", &["workflow", "execution", "error"], "a run of a workflow failed"),
];

/// A trigger by its kind.
#[derive(Clone, Debug)]
pub enum Spec {
    /// By hand or by the API.
    Manual,
    /// By a rule's action.
    Alert,
    /// By the clock.
    Scheduled(Schedule),
    /// By an event of the feed.
    Event(EventTrigger),
    /// By an HTTP request.
    Webhook(Box<Webhook>),
    /// Could not be read, or its kind is not known: starts nothing.
    Broken,
}

/// `on` of an event-driven trigger.
#[derive(Clone, Debug)]
pub struct EventTrigger {
    /// Trigger id.
    pub id: Arc<str>,
    /// KQL over `{event}`; none = always.
    pub condition: Option<Condition>,
    /// Events that workflows caused.
    pub workflow_events: WorkflowEvents,
    /// `alerts.stateChanged`: states it wants; empty = all.
    pub states: Vec<AlertState>,
    /// `connector-id`.
    pub connector: Option<Arc<str>>,
}

/// `on.workflowEvents`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkflowEvents {
    /// Not where this workflow is in the chain already.
    #[default]
    AvoidLoop,
    /// Never.
    Ignore,
    /// Always.
    AllowAll,
}

/// State of an alert over the runs of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// Raised now.
    New,
    /// Seen again.
    Ongoing,
    /// No longer.
    Recovered,
}

/// A webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Path below the webhook route, without slashes at its ends.
    pub path: Arc<str>,
    /// How a sender shows who it is.
    pub auth: WebhookAuth,
    /// How old a signed delivery may be, and how long its signature is remembered.
    pub replay_window: Duration,
    /// Template over `{event}`; deliveries with the same text start one run.
    pub dedupe: Option<Text>,
}

/// How a sender shows who it is. The secret is the secret `secret` of the connector `connector`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAuth {
    /// A signature over the raw body, with the time before it where `timestamp` names a header: `<timestamp>.<body>`.
    Hmac {
        /// Connector id or name.
        connector: Arc<str>,
        /// Name of its secret.
        secret: Arc<str>,
        /// Header with the signature.
        header: Arc<str>,
        /// `sha256`, `sha512` or `sha1`.
        algorithm: HmacAlgorithm,
        /// Text before the signature, for example `sha256=`.
        prefix: Arc<str>,
        /// Base64 instead of hex.
        base64: bool,
        /// Header with seconds since 1970 or an ISO time.
        timestamp: Option<Arc<str>>,
    },
    /// A shared word in a header (`Authorization` takes `Bearer <token>` too).
    Token {
        /// Connector id or name.
        connector: Arc<str>,
        /// Name of its secret.
        secret: Arc<str>,
        /// Header.
        header: Arc<str>,
    },
}

/// Hash of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
    /// SHA-1, for senders that know nothing else.
    Sha1,
}

impl EventTrigger {
    /// True where the workflow `own` starts on this event: condition, states and the guard against loops.
    pub fn wants(&self, event: &Value, own: &Id, depth: u32, visited: &[Id]) -> bool {
        let by_workflow = depth > 1 || !visited.is_empty();
        let guarded = match self.workflow_events {
            WorkflowEvents::AllowAll => false,
            WorkflowEvents::Ignore => by_workflow,
            WorkflowEvents::AvoidLoop => visited.contains(own),
        };
        let state = event.get("state").and_then(Value::as_str);
        let in_state = self.states.is_empty() || state.is_some_and(|s| self.states.iter().any(|w| w.as_str() == s));
        let root = Root { value: Value::object([("event", event.clone())]), ..Root::default() };
        depth <= CHAIN_DEPTH_MAX
            && !guarded
            && in_state
            && self.condition.as_ref().is_none_or(|c| c.eval(&root).unwrap_or(false))
    }
}

impl AlertState {
    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ongoing => "ongoing",
            Self::Recovered => "recovered",
        }
    }
}

impl Webhook {
    /// What tells deliveries apart for `dedupe`, rendered over the event; `None` without it or where it renders to nothing.
    ///
    /// - errors: the template's message.
    pub fn dedupe_key(&self, event: &Value, now: Time) -> Result<Option<Arc<str>>, String> {
        let Some(text) = &self.dedupe else { return Ok(None) };
        let root = Root { value: Value::object([("event", event.clone())]), now, timezone: None };
        Ok(Some(text.render(&root)?).filter(|t| !t.is_empty()))
    }
}

impl Program {
    /// Schedules, with the index of their trigger.
    pub fn schedules(&self) -> impl Iterator<Item = (usize, &Schedule)> {
        self.triggers.iter().enumerate().filter_map(|(i, t)| match &t.spec {
            Spec::Scheduled(s) => Some((i, s)),
            _ => None,
        })
    }
    /// The trigger that listens to events `id`: the first of that type, as in Kibana.
    pub fn listens(&self, id: &str) -> Option<&EventTrigger> {
        self.triggers.iter().find_map(|t| match &t.spec {
            Spec::Event(e) if *e.id == *id => Some(e),
            _ => None,
        })
    }
    /// Ids of all events it listens to.
    pub fn listens_to(&self) -> Vec<Arc<str>> {
        let mut ids: Vec<Arc<str>> = self
            .triggers
            .iter()
            .filter_map(|t| match &t.spec {
                Spec::Event(e) => Some(e.id.clone()),
                _ => None,
            })
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }
    /// Webhooks.
    pub fn webhooks(&self) -> impl Iterator<Item = &Webhook> {
        self.triggers.iter().filter_map(|t| match &t.spec {
            Spec::Webhook(w) => Some(&**w),
            _ => None,
        })
    }
}

impl Loader<'_> {
    pub(super) fn trigger(&mut self, item: &Node, kind: &Arc<str>, path: &str, zone: Option<&Arc<str>>) -> Trigger {
        let spec = match &**kind {
            "manual" => {
                self.trigger_keys(item, kind, &["type", "inputs"], path);
                Spec::Manual
            }
            "alert" => {
                self.trigger_keys(item, kind, &["type", "with"], path);
                Spec::Alert
            }
            "scheduled" => {
                self.trigger_keys(item, kind, &["type", "with"], path);
                self.scheduled(item, path, zone).map_or(Spec::Broken, Spec::Scheduled)
            }
            "webhook" => {
                self.trigger_keys(item, kind, &["type", "with"], path);
                self.webhook(item, path).map_or(Spec::Broken, |w| Spec::Webhook(Box::new(w)))
            }
            other if other.contains('.') => self.event_trigger(item, kind, path),
            other => {
                let known = ["manual", "alert", "scheduled", "webhook"];
                let hint = nearest(other, known.into_iter().chain(EVENTS.iter().map(|e| e.id))).map_or_else(
                    || format!("known: {}, or an event such as `workflows.failed`", known.join(", ")),
                    |n| format!("did you mean `{n}`?"),
                );
                self.error("schemaViolation", item.span, path, format!("`{other}` is not a trigger"), &hint);
                Spec::Broken
            }
        };
        Trigger { kind: kind.clone(), config: item.to_value(), span: item.span, spec }
    }

    fn trigger_keys(&mut self, item: &Node, kind: &str, known: &[&str], path: &str) {
        for e in item.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("unknownKey", e, &format!("the trigger `{kind}`"), known, path));
        }
    }

    fn scheduled(&mut self, item: &Node, path: &str, zone: Option<&Arc<str>>) -> Option<Schedule> {
        let with = item.get("with");
        let (every, rule) = (with.and_then(|w| w.get("every")), with.and_then(|w| w.get("rrule")));
        match (every, rule) {
            (Some(n), None) => {
                let Some(length) = n.str().and_then(|s| duration::duration(s)) else {
                    let message =
                        "Scheduled interval must be at least 1 minute. Use format like \"1m\", \"90s\", \"2h\", \"1d\"";
                    self.error("schemaViolation", n.span, path, message, "write a duration in quotes");
                    return None;
                };
                if length < EVERY_MIN {
                    let hint = "use a format like \"1m\", \"90s\", \"2h\", \"1d\"; it runs every minute";
                    self.warn("schemaViolation", n.span, path, "a scheduled interval must be at least 1 minute", hint);
                }
                Some(Schedule::Every(length.max(EVERY_MIN)))
            }
            (None, Some(n)) => self.rule(n, &format!("{path}.with.rrule"), zone).map(|r| Schedule::Rule(Box::new(r))),
            _ => {
                let message = "a scheduled trigger needs either `with.every` or `with.rrule`";
                self.error("schemaViolation", item.span, path, message, "for example `with: { every: \"15m\" }`");
                None
            }
        }
    }

    fn rule(&mut self, node: &Node, path: &str, zone: Option<&Arc<str>>) -> Option<Rule> {
        let known = ["freq", "interval", "tzid", "dtstart", "byhour", "byminute", "byweekday", "bymonthday"];
        for e in node.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("unknownKey", e, "`rrule`", &known, path));
        }
        let word = node.get("freq").and_then(Node::str).map(|s| s.to_ascii_uppercase());
        let frequency = match word.as_deref() {
            Some("DAILY") => Frequency::Daily,
            Some("WEEKLY") => Frequency::Weekly,
            Some("MONTHLY") => Frequency::Monthly,
            _ => {
                let span = node.get("freq").map_or(node.span, |n| n.span);
                self.error("schemaViolation", span, path, "`rrule.freq` must be DAILY, WEEKLY or MONTHLY", "");
                return None;
            }
        };
        let interval = node.get("interval").map(|n| (n.to_value().as_i64(), n.span));
        let interval = match interval {
            Some((Some(n), _)) if n > 0 => u32::try_from(n).unwrap_or(u32::MAX),
            Some((_, span)) => {
                self.error("schemaViolation", span, path, "`rrule.interval` must be a number of at least 1", "");
                return None;
            }
            None => {
                self.warn("schemaViolation", node.span, path, "`rrule.interval` is missing", "1 is taken");
                1
            }
        };
        let zone: Arc<str> = match node.get("tzid").map(|n| (n.str().cloned(), n.span)) {
            Some((Some(name), _)) if is_zone(&name) => name,
            Some((name, span)) => {
                let message = format!("`{}` is not a time zone", name.as_deref().unwrap_or(""));
                self.error("schemaViolation", span, path, message, "an IANA name, for example Europe/Berlin");
                return None;
            }
            None => zone.filter(|z| is_zone(z)).cloned().unwrap_or_else(|| "UTC".into()),
        };
        let start = match node.get("dtstart").map(|n| (n.str().and_then(|s| Time::parse(s)), n.span)) {
            Some((None, span)) => {
                self.error(
                    "schemaViolation",
                    span,
                    path,
                    "`rrule.dtstart` is not an ISO 8601 time",
                    "for example 2026-01-15T06:00:00Z",
                );
                return None;
            }
            Some((at, _)) => at,
            None => None,
        };
        let hours = self.numbers(node, "byhour", path, |n| (0..24).contains(&n));
        let minutes = self.numbers(node, "byminute", path, |n| (0..60).contains(&n));
        let month_days = self.numbers(node, "bymonthday", path, |n| (-31..=31).contains(&n) && n != 0);
        let mut weekdays = vec![];
        for n in list(node.get("byweekday")) {
            match n.str().and_then(|s| weekday(s)) {
                Some(day) => weekdays.push(day),
                None => self.error("schemaViolation", n.span, path, "`rrule.byweekday` takes MO TU WE TH FR SA SU", ""),
            }
        }
        Some(Rule { frequency, interval, zone, start, hours, minutes, weekdays, month_days })
    }

    fn numbers(&mut self, node: &Node, key: &str, path: &str, fits: fn(i64) -> bool) -> Vec<i8> {
        let mut out = vec![];
        for n in list(node.get(key)) {
            match n.to_value().as_i64().filter(|n| fits(*n)).and_then(|n| i8::try_from(n).ok()) {
                Some(number) => out.push(number),
                None => {
                    self.error("schemaViolation", n.span, path, format!("`rrule.{key}` has a number out of range"), "")
                }
            }
        }
        out
    }

    fn event_trigger(&mut self, item: &Node, kind: &Arc<str>, path: &str) -> Spec {
        if !EVENTS.iter().any(|e| e.id == &**kind) {
            let span = item.get("type").map_or(item.span, |n| n.span);
            let hint = match nearest(kind, EVENTS.iter().map(|e| e.id)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "nothing raises such an event, so it never starts the workflow".into(),
            };
            self.warn("unknownTrigger", span, path, format!("no event is called `{kind}`"), &hint);
        }
        // A condition beside `on` is explained by `check`.
        self.trigger_keys(item, kind, &["type", "on", "connector-id", "condition"], path);
        let on = item.get("on");
        for e in on.and_then(Node::map).unwrap_or_default() {
            let known = ["condition", "workflowEvents", "states"];
            if !known.contains(&&*e.key) {
                self.found.push(unknown_key("unknownKey", e, "`on`", &known, path));
            }
        }
        let before = self.found.len();
        let condition = on
            .and_then(|o| o.get("condition"))
            .filter(|n| !blank(n))
            .map(|n| Condition::compile(n, self.source, self.limits, &format!("{path}.on.condition"), &mut self.found));
        for d in self.found[before..].iter_mut().filter(|d| d.is_error()) {
            d.code = "invalidTriggerCondition";
        }
        if let (Some(c), Some(n)) = (&condition, on.and_then(|o| o.get("condition")))
            && is_template(&c.source)
        {
            let hint = "write KQL over `event`, for example `event.status: closed`";
            self.warn("invalidTriggerCondition", n.span, path, "only `event` is known in a trigger's condition", hint);
        }
        let workflow_events = match on.and_then(|o| o.get("workflowEvents")).map(|n| (n.str().map(|s| &**s), n.span)) {
            None | Some((Some("avoid-loop"), _)) => WorkflowEvents::AvoidLoop,
            Some((Some("ignore"), _)) => WorkflowEvents::Ignore,
            Some((Some("allow-all"), _)) => WorkflowEvents::AllowAll,
            Some((_, span)) => {
                let message = "`workflowEvents` is avoid-loop, ignore or allow-all";
                self.warn("schemaViolation", span, path, message, "avoid-loop is taken");
                WorkflowEvents::AvoidLoop
            }
        };
        let mut states = vec![];
        if let Some(n) = on.and_then(|o| o.get("states")) {
            if &**kind != "alerts.stateChanged" {
                self.warn("invalidStepProperty", n.span, path, format!("`states` has no effect on `{kind}`"), "");
            }
            for s in list(Some(n)) {
                match s.str().map(|s| &**s) {
                    Some("new") => states.push(AlertState::New),
                    Some("ongoing") => states.push(AlertState::Ongoing),
                    Some("recovered") => states.push(AlertState::Recovered),
                    _ => self.error("schemaViolation", s.span, path, "`states` takes new, ongoing, recovered", ""),
                }
            }
        }
        let connector = item.get("connector-id").map(|n| (n.str().cloned(), n.span));
        if let Some((name, span)) = &connector
            && name.as_ref().is_none_or(|s| s.is_empty())
        {
            self.error("schemaViolation", *span, path, "connector-id is required and must not be empty", "");
            return Spec::Broken;
        }
        Spec::Event(EventTrigger {
            id: kind.clone(),
            condition,
            workflow_events,
            states,
            connector: connector.and_then(|(c, _)| c),
        })
    }

    fn webhook(&mut self, item: &Node, path: &str) -> Option<Webhook> {
        let example =
            "with: { path: forms, auth: { type: hmac, connector-id: my-hook, secret: secret, header: X-Signature } }";
        let Some(with) = item.get("with").filter(|w| w.map().is_some()) else {
            self.error("schemaViolation", item.span, path, "a webhook trigger needs `with`", example);
            return None;
        };
        for e in with.map().unwrap_or_default() {
            let known = ["path", "auth", "replay-window", "dedupe"];
            if !known.contains(&&*e.key) {
                self.found.push(unknown_key("unknownKey", e, "a webhook", &known, path));
            }
        }
        let (text, span) = match with.get("path") {
            Some(n) => (n.str().cloned().unwrap_or_else(|| "".into()), n.span),
            None => ("".into(), with.span),
        };
        let at = text.trim_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        if at.is_empty()
            || at.chars().count() > PATH_CHARS_MAX
            || !at.chars().all(plain)
            || at.split('/').any(|p| matches!(p, "" | "." | ".."))
        {
            let message = format!("`path` needs 1 to {PATH_CHARS_MAX} letters, digits, `-`, `_`, `.` or `/`");
            self.error("schemaViolation", span, path, message, "for example form-submissions");
            return None;
        }
        let replay_window = match with.get("replay-window") {
            Some(n) => self.timeout(n, &format!("{path}.with.replay-window"))?.length.min(REPLAY_WINDOW_MAX),
            None => REPLAY_WINDOW_DEFAULT,
        };
        let dedupe = with
            .get("dedupe")
            .map(|n| compile_at(n, self.source, self.limits, &format!("{path}.with.dedupe"), &mut self.found));
        let Some(auth) = with.get("auth").filter(|a| a.map().is_some()) else {
            self.error("schemaViolation", with.span, path, "a webhook needs `auth`: a signature or a token", example);
            return None;
        };
        let auth = self.webhook_auth(auth, &format!("{path}.with.auth"))?;
        Some(Webhook { path: at.into(), auth, replay_window, dedupe })
    }

    fn webhook_auth(&mut self, auth: &Node, path: &str) -> Option<WebhookAuth> {
        let text = |key: &str| auth.get(key).and_then(Node::str).filter(|s| !s.is_empty()).cloned();
        let known = ["type", "connector-id", "secret", "header", "algorithm", "prefix", "encoding", "timestamp-header"];
        for e in auth.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("unknownKey", e, "`auth`", &known, path));
        }
        let Some(connector) = text("connector-id") else {
            let hint = "secrets sit in connectors: name the one that holds this secret";
            self.error("schemaViolation", auth.span, path, "connector-id is required and must not be empty", hint);
            return None;
        };
        let secret = text("secret").unwrap_or_else(|| "secret".into());
        match text("type").as_deref() {
            Some("token") => {
                let header = text("header").unwrap_or_else(|| "Authorization".into());
                Some(WebhookAuth::Token { connector, secret, header })
            }
            Some("hmac") => {
                let algorithm = match text("algorithm").as_deref() {
                    None | Some("sha256") => HmacAlgorithm::Sha256,
                    Some("sha512") => HmacAlgorithm::Sha512,
                    Some("sha1") => HmacAlgorithm::Sha1,
                    Some(_) => {
                        self.error("schemaViolation", auth.span, path, "`algorithm` is sha256, sha512 or sha1", "");
                        return None;
                    }
                };
                let base64 = match text("encoding").as_deref() {
                    None | Some("hex") => false,
                    Some("base64") => true,
                    Some(_) => {
                        self.error("schemaViolation", auth.span, path, "`encoding` is hex or base64", "");
                        return None;
                    }
                };
                Some(WebhookAuth::Hmac {
                    connector,
                    secret,
                    header: text("header").unwrap_or_else(|| "X-Signature".into()),
                    algorithm,
                    prefix: text("prefix").unwrap_or_else(|| "".into()),
                    base64,
                    timestamp: text("timestamp-header"),
                })
            }
            _ => {
                self.error("schemaViolation", auth.span, path, "`auth.type` must be hmac or token", "");
                None
            }
        }
    }
}

fn list(node: Option<&Node>) -> Vec<&Node> {
    match node {
        None => vec![],
        Some(n) => match n.seq() {
            Some(items) => items.iter().collect(),
            None => vec![n],
        },
    }
}

fn blank(node: &Node) -> bool {
    matches!(node.value, Yaml::Null) || node.str().is_some_and(|s| s.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    fn load(triggers: &str) -> (Program, Vec<stdx::Diagnostic>) {
        let text = format!("name: w\ntriggers:\n{triggers}\nsteps: [{{ name: a, type: console }}]\n");
        let (program, found) = Program::load(&text, &Catalogue::default());
        (program.unwrap(), found)
    }

    #[test]
    fn every_kind_is_read_into_its_own_form() {
        let (program, found) = load(concat!(
            "  - type: manual\n",
            "  - type: alert\n",
            "  - { type: scheduled, with: { every: 15m } }\n",
            "  - { type: scheduled, with: { rrule: { freq: WEEKLY, interval: 1, tzid: Europe/Berlin, byweekday: [MO, WE], byhour: [6] } } }\n",
            "  - { type: workflows.failed, on: { condition: 'event.workflow.name: Nightly*', workflowEvents: ignore } }\n",
            "  - { type: alerts.stateChanged, on: { states: [recovered] } }\n",
            "  - { type: webhook, with: { path: /forms/new, dedupe: '{{ event.body.id }}', auth: { type: hmac, connector-id: hook, header: X-Hub-Signature-256, prefix: 'sha256=' } } }\n",
        ));
        assert!(found.is_empty(), "{found:#?}");
        assert_eq!(program.schedules().map(|(i, _)| i).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(program.listens_to(), ["alerts.stateChanged".into(), Arc::from("workflows.failed")]);
        assert_eq!(program.listens("workflows.failed").unwrap().workflow_events, WorkflowEvents::Ignore);
        let hook = program.webhooks().next().unwrap();
        assert_eq!((&*hook.path, hook.replay_window), ("forms/new", REPLAY_WINDOW_DEFAULT));
        let event = stdx::json::parse(r#"{"body":{"id":"d7"}}"#).unwrap();
        assert_eq!(hook.dedupe_key(&event, Time(0)).unwrap().as_deref(), Some("d7"));
        assert_eq!(hook.dedupe_key(&Value::Null, Time(0)).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_starts_nothing_and_is_explained() {
        for (text, code) in [
            ("  - { type: scheduled, with: { every: often } }", "schemaViolation"),
            ("  - { type: scheduled, with: { rrule: { freq: HOURLY, interval: 1 } } }", "schemaViolation"),
            ("  - { type: scheduled, with: { rrule: { freq: DAILY, interval: 1, tzid: Berlin } } }", "schemaViolation"),
            (
                "  - { type: scheduled, with: { rrule: { freq: MONTHLY, interval: 1, bymonthday: [0] } } }",
                "schemaViolation",
            ),
            ("  - { type: webhook, with: { path: 'a b', auth: { type: token, connector-id: c } } }", "schemaViolation"),
            ("  - { type: webhook, with: { path: a } }", "schemaViolation"),
            ("  - { type: webhook, with: { path: a, auth: { type: token } } }", "schemaViolation"),
            ("  - { type: cases.created }", "unknownTrigger"),
            ("  - { type: alrt }", "schemaViolation"),
            ("  - { type: cases.caseCreated, on: { condition: 'event.owner: (' } }", "invalidTriggerCondition"),
        ] {
            let (_, found) = load(text);
            assert!(found.iter().any(|d| d.code == code), "{text}: {found:#?}");
        }
    }

    #[test]
    fn a_chain_of_events_does_not_go_round() {
        let (program, _) = load("  - { type: cases.caseUpdated, on: { condition: 'event.owner: cases' } }");
        let trigger = program.listens("cases.caseUpdated").unwrap();
        let event = stdx::json::parse(r#"{"owner":"cases"}"#).unwrap();
        let ids = |names: &[&str]| names.iter().map(|n| Id::from(*n)).collect::<Vec<_>>();
        let own = Id::from("w");
        assert!(trigger.wants(&event, &own, 1, &[]));
        assert!(trigger.wants(&event, &own, 2, &ids(&["other"])));
        assert!(!trigger.wants(&event, &own, 2, &ids(&["w"])), "avoid-loop");
        assert!(!trigger.wants(&event, &own, CHAIN_DEPTH_MAX + 1, &ids(&["other"])), "too deep");
        assert!(!trigger.wants(&Value::Null, &own, 1, &[]), "the condition");
        let all = EventTrigger { workflow_events: WorkflowEvents::AllowAll, ..trigger.clone() };
        assert!(all.wants(&event, &own, 2, &ids(&["w"])));
        let none = EventTrigger { workflow_events: WorkflowEvents::Ignore, ..trigger.clone() };
        assert!(!none.wants(&event, &own, 2, &ids(&["other"])));
    }
}
