//! The containment envelope: what a destructive call must pass before its first byte, in the engine and not in YAML.
//!
//! Invariants: caps count attempts that began, and those that are about to, over restarts; with rows that cannot be read nothing destructive
//! leaves; a level only ever takes away.
//! Not here: the rows (`store::envelope`), who may change them (`api`).
//! Source: `design/engine.md` §9; `product.md` A16.

use crate::lanes::LaneLimit;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stdx::{Duration, Id, Time, Value};
use store::{AttemptRow, Noun, Store};
use workflow::{Call, EffectKey, Fault};

/// Id of the setting that holds a space's limits.
pub const SETTING: &str = triage::question::demand::ENVELOPE;
/// Caps, and rules of *first one, then wait*, of one space at most.
pub const RULES_MAX: usize = 256;
/// Window of caps.
pub const WINDOW: Duration = Duration::from_secs(3600);
/// Longest pause of *first one, then wait*.
pub const WAIT_MAX_S: u32 = 24 * 3600;
/// Attempts remembered at most; beyond it nothing destructive leaves until some are older than the window.
const ATTEMPTS_MAX: usize = 100_000;

/// How much of a workflow's destructive side is let out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing destructive is sent: what would have been is recorded.
    Shadow,
    /// As shadow, and a person is asked for each: the answers are recorded beside it.
    Propose,
    /// Every destructive call asks a person before it is sent.
    Approval,
    /// As the workflow says.
    #[default]
    Act,
}

impl Level {
    /// The word of settings and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Propose => "propose",
            Self::Approval => "approval",
            Self::Act => "act",
        }
    }
}

/// What a cap counts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All of the space.
    #[default]
    Space,
    /// Of one workflow.
    Workflow,
    /// Of one target.
    Target,
}

/// At most so many attempts an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Step type, or `*`.
    pub action: Arc<str>,
    /// What is counted together.
    #[serde(default)]
    pub scope: Scope,
    /// Attempts in an hour.
    pub per_hour: u32,
}

/// After the first attempt of an action in a run the others wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstThenWait {
    /// Step type, or `*`.
    pub action: Arc<str>,
    /// How long, in seconds.
    pub wait_s: u32,
}

/// The limits of a space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Caps.
    pub caps: Vec<Cap>,
    /// *First one, then wait*.
    pub first_then_wait: Vec<FirstThenWait>,
    /// Level of workflows that have none of their own.
    pub level: Level,
    /// Levels by workflow id.
    pub levels: BTreeMap<Arc<str>, Level>,
    /// Classes (`write`, `destructive`) and step types whose approval takes a passkey's signature; none by default.
    pub passkey: Vec<Arc<str>>,
    /// Limits of lanes, by connector id (for `http` without a connector `http:host:port`).
    pub lanes: BTreeMap<Arc<str>, LaneLimit>,
}

impl Limits {
    /// Reads the body of the setting.
    ///
    /// - errors: what is wrong, for the person who wrote it.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        let limits: Self = stdx::json::from_value(value).map_err(|e| e.to_string())?;
        let most =
            limits.caps.len().max(limits.first_then_wait.len()).max(limits.lanes.len()).max(limits.passkey.len());
        if most > RULES_MAX {
            return Err(format!(
                "at most {RULES_MAX} caps, {RULES_MAX} waits, {RULES_MAX} lanes and {RULES_MAX} under `passkey`"
            ));
        }
        if let Some(long) = limits.first_then_wait.iter().find(|w| w.wait_s > WAIT_MAX_S) {
            return Err(format!("`wait_s` of `{}` is longer than {WAIT_MAX_S}", long.action));
        }
        Ok(limits)
    }

    /// True where a row may be approved only with a passkey's signature.
    pub fn demands_passkey(&self, question: &triage::Question) -> bool {
        triage::question::demand::named(&self.passkey, question)
    }

    /// The level of a workflow.
    pub fn level_of(&self, workflow: &str) -> Level {
        self.levels.get(workflow).copied().unwrap_or(self.level)
    }
}

/// The limits of a space as stored.
///
/// - errors: they cannot be read, or are not what this version understands: then nothing destructive may leave.
pub fn limits(store: &Store, space: &str) -> Result<Limits, String> {
    match store.read(|r| r.record_get(Noun::Setting, space, SETTING)).map_err(|e| e.to_string())? {
        Some(record) => Limits::from_value(&record.body),
        None => Ok(Limits::default()),
    }
}

/// Why a call is held back, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub why: Arc<str>,
    /// When it may be over; `None`: when somebody lifts it.
    pub until: Option<Time>,
}

/// What becomes of a destructive call that has room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It may begin.
    Go,
    /// It is held back.
    Hold(Hold),
    /// It is not sent: its workflow is in the shadow.
    Shadow(Level),
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Space.
    pub space: &'a Arc<str>,
    /// Workflow.
    pub workflow: &'a Id,
}

/// Where a call goes, as one text: connector, then host, account or URL.
pub fn target_text(call: &Call) -> Arc<str> {
    let member = |key: &str| {
        call.target
            .get(key)
            .or_else(|| call.params.value().and_then(|p| p.get(key)))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let mut parts: Vec<String> = call.connector.iter().map(|c| c.to_string()).collect();
    parts.extend(["host", "user", "account", "base_url", "url"].iter().filter_map(|k| member(k)));
    if parts.is_empty() { call.lane.clone() } else { parts.join(" ").into() }
}

/// Attempts of the last hour, those about to begin included.
#[derive(Debug, Default)]
pub struct Ledger {
    attempts: VecDeque<(Option<EffectKey>, AttemptRow)>,
}

impl Ledger {
    /// Reads the attempts of the last hour.
    ///
    /// - errors: the store's.
    pub fn read(store: &Store, now: Time) -> Result<Self, store::Error> {
        let rows = store.read(|r| r.attempts_since(now - WINDOW, ATTEMPTS_MAX as u64))?;
        Ok(Self { attempts: rows.into_iter().map(|row| (None, row)).collect() })
    }

    /// An attempt is about to begin; the row is what its commit carries.
    pub fn reserve(&mut self, key: &EffectKey, asker: Asker<'_>, call: &Call, now: Time) -> AttemptRow {
        let row = AttemptRow {
            space: asker.space.clone(),
            at: now,
            operation: call.operation.clone(),
            target: target_text(call),
            workflow: asker.workflow.clone(),
            execution: key.execution.clone(),
            step: key.path.0.last().map_or_else(|| "".into(), |h| h.name.clone()),
        };
        self.attempts.push_back((Some(key.clone()), row.clone()));
        row
    }

    /// The attempt began, or did not.
    pub fn settle(&mut self, key: &EffectKey, began: bool) {
        if let Some(at) = self.attempts.iter().rposition(|(k, _)| k.as_ref() == Some(key)) {
            if began {
                self.attempts[at].0 = None;
            } else {
                self.attempts.remove(at);
            }
        }
    }

    fn forget_old(&mut self, now: Time) {
        while self.attempts.front().is_some_and(|(_, a)| a.at <= now - WINDOW) {
            self.attempts.pop_front();
        }
    }

    /// Whether a destructive call may begin now.
    pub fn judge(&mut self, store: &Store, asker: Asker<'_>, key: &EffectKey, call: &Call, now: Time) -> Passage {
        self.forget_old(now);
        let hold = |why: String, until| Passage::Hold(Hold { why: why.into(), until });
        let limits = match limits(store, asker.space) {
            Ok(limits) => limits,
            Err(error) => return hold(format!("the limits of the envelope could not be read: {error}"), None),
        };
        let level = limits.level_of(asker.workflow);
        if level <= Level::Propose {
            return Passage::Shadow(level);
        }
        match store.read(|r| row_reason(r, asker.space, call)) {
            Ok(None) => {}
            Ok(Some(why)) => return hold(why.to_string(), None),
            Err(error) => return hold(format!("the rows of halt and never-touch could not be read: {error}"), None),
        }
        if self.attempts.len() >= ATTEMPTS_MAX {
            let until = self.attempts.front().map(|(_, a)| a.at + WINDOW);
            return hold(format!("{ATTEMPTS_MAX} destructive attempts began within an hour"), until);
        }
        let target = target_text(call);
        let names = |action: &str| action == "*" || action == &*call.operation;
        for cap in limits.caps.iter().filter(|c| names(&c.action)) {
            let counted = |a: &AttemptRow| {
                *a.space == **asker.space
                    && (&*cap.action == "*" || a.operation == call.operation)
                    && match cap.scope {
                        Scope::Space => true,
                        Scope::Workflow => a.workflow == *asker.workflow,
                        Scope::Target => a.target == target,
                    }
            };
            let times: Vec<Time> = self.attempts.iter().map(|(_, a)| a).filter(|a| counted(a)).map(|a| a.at).collect();
            if times.len() >= cap.per_hour as usize {
                // Room comes when so many are older than the window that one less than the cap is left.
                let until = times.get(times.len() - (cap.per_hour as usize).max(1)).map(|at| *at + WINDOW);
                let scope = match cap.scope {
                    Scope::Space => "this space",
                    Scope::Workflow => "this workflow",
                    Scope::Target => "this target",
                };
                let why = format!("the cap of {} `{}` an hour in {scope} is reached", cap.per_hour, cap.action);
                return hold(why, until.filter(|_| cap.per_hour > 0));
            }
        }
        for rule in limits.first_then_wait.iter().filter(|w| names(&w.action)) {
            let first = self
                .attempts
                .iter()
                .find(|(k, a)| a.execution == key.execution && a.operation == call.operation && k.as_ref() != Some(key))
                .map(|(_, a)| a.at);
            if let Some(first) = first {
                let until = first + Duration::from_secs(i64::from(rule.wait_s));
                if now < until {
                    return hold(format!("first one, then wait: the next may go at {}", until.iso()), Some(until));
                }
            }
        }
        Passage::Go
    }
}

/// Why a call must be held: a halt, or a never-touch row that names what it goes to.
pub fn row_reason(r: &store::Reader, space: &str, call: &Call) -> Result<Option<Arc<str>>, store::Error> {
    if let Some(reason) = r.halt_get(space)? {
        return Ok(Some(format!("effects are halted: {reason}").into()));
    }
    for (kind, value, reason) in r.never_touch_list(space)? {
        let named = |given: &str| matches_entry(&value, given);
        let hit =
            [call.target.get(&kind), call.params.value().and_then(|p| p.get(&kind))].into_iter().flatten().any(|v| {
                match v {
                    Value::Str(text) => named(text),
                    Value::Array(list) => list.iter().filter_map(Value::as_str).any(named),
                    _ => false,
                }
            });
        if hit {
            let why = reason.map(|r| format!(": {r}")).unwrap_or_default();
            return Ok(Some(format!("`{value}` is on the never-touch list{why}").into()));
        }
    }
    Ok(None)
}

/// True where an entry of the never-touch list names a value: the same text but for case, `*` at either end for any text.
fn matches_entry(entry: &str, given: &str) -> bool {
    let (entry, given) = (entry.to_lowercase(), given.to_lowercase());
    match (entry.strip_prefix('*'), entry.strip_suffix('*')) {
        (Some(_), Some(_)) if entry.len() > 1 => given.contains(entry.trim_matches('*')),
        (Some(end), _) => given.ends_with(end),
        (_, Some(start)) => given.starts_with(start),
        _ => entry == given,
    }
}

/// The last look before the first byte: a halt or a never-touch entry that came after `Attempting` was committed.
pub(crate) fn first_byte(store: &Store, space: &str, call: &Call) -> Result<(), Fault> {
    match store.read(|r| row_reason(r, space, call)) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(Fault::new("Halted", why)),
        Err(error) => Err(Fault::new("Halted", format!("the rows of halt and never-touch could not be read: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_a_host_whatever_its_case_and_by_its_ends() {
        assert!(matches_entry("DC01", "dc01"));
        assert!(matches_entry("*.corp.example", "dc01.corp.example"));
        assert!(matches_entry("dc*", "DC01"));
        assert!(matches_entry("*sql*", "eu-sql-7"));
        assert!(matches_entry("*", "anything"));
        assert!(!matches_entry("dc01", "dc011"));
    }

    #[test]
    fn limits_with_an_unknown_member_are_refused() {
        let read = |text: &str| Limits::from_value(&stdx::json::parse(text).unwrap());
        let good = read(r#"{"caps":[{"action":"ssh.run","per_hour":3}],"levels":{"w":"shadow"}}"#).unwrap();
        assert_eq!(
            (good.caps[0].scope, good.level_of("w"), good.level_of("x")),
            (Scope::Space, Level::Shadow, Level::Act)
        );
        assert!(read(r#"{"cap":[]}"#).unwrap_err().contains("cap"));
        assert!(read(r#"{"level":"loud"}"#).is_err());
        assert!(read(r#"{"first_then_wait":[{"action":"*","wait_s":999999}]}"#).unwrap_err().contains("wait_s"));
    }
}
