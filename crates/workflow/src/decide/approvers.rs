//! Who may answer a question, as a step's YAML says it.
//!
//! Invariants: what cannot be read as a list of names names nobody, so that a mistake never widens who may answer.
//! Not here: who they are and whether they may (`triage::question::policy`).
//! Source: `product.md` A7.

use std::sync::Arc;
use stdx::Value;
use triage::question::policy::{NAMES_MAX, TIERS_MAX};
use triage::question::{Policy, Tier};

/// Nobody has this name: it stands for a list that cannot be read.
const NOBODY: &str = "\u{0}";

/// Names of a list, or of one name.
fn names(value: Option<&Value>) -> Vec<Arc<str>> {
    match value {
        None | Some(Value::Null) => vec![],
        Some(Value::Str(name)) => vec![name.clone()],
        Some(Value::Array(list)) => {
            list.iter().take(NAMES_MAX).map(|v| v.as_str().map_or_else(|| NOBODY.into(), Arc::from)).collect()
        }
        Some(_) => vec![NOBODY.into()],
    }
}

/// `approvers`, `quorum`, `forbid-self`, `passkey`, `escalation` of a step; whatever `passkey` says but `false` demands one.
pub(super) fn policy(config: &Value) -> Policy {
    let approvers = config.get("approvers");
    let (mut users, roles) = match approvers {
        None | Some(Value::Null) => (vec![], vec![]),
        Some(Value::Object(o)) => (names(o.get("users")), names(o.get("roles"))),
        list => (names(list), vec![]),
    };
    if approvers.is_some_and(|a| !a.is_null()) && users.is_empty() && roles.is_empty() {
        users.push(NOBODY.into());
    }
    let whole = |key: &str| config.get(key).and_then(Value::as_i64);
    let tier = |t: &Value| Tier {
        after_s: t
            .get("after")
            .and_then(Value::as_str)
            .and_then(crate::duration::duration)
            .map_or(i64::MAX, |d| d.0 / 1_000_000),
        users: names(t.get("users")),
        roles: names(t.get("roles")),
    };
    let tiers = config.get("escalation").and_then(Value::as_array).unwrap_or_default();
    Policy {
        users,
        roles,
        quorum: whole("quorum").map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        forbid_self: config.get("forbid-self").and_then(Value::as_bool).unwrap_or(false),
        passkey: config.get("passkey").is_some_and(|v| !matches!(v, Value::Null | Value::Bool(false))),
        unbound: false,
        involved: vec![],
        tiers: tiers.iter().take(TIERS_MAX).map(tier).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Policy {
        policy(&stdx::json::parse(text).unwrap())
    }

    #[test]
    fn without_keys_everybody_may_and_a_mistake_names_nobody() {
        assert!(of("{}").is_plain());
        let p = of(r#"{"approvers":{"roles":["lead"],"users":"ann"},"quorum":2,"forbid-self":true,
            "escalation":[{"after":"1h","roles":["ciso"]}]}"#);
        assert_eq!((&*p.users[0], &*p.roles[0], p.quorum, p.forbid_self), ("ann", "lead", 2, true));
        assert_eq!((p.tiers[0].after_s, &*p.tiers[0].roles[0]), (3600, "ciso"));
        assert!(!p.passkey && of(r#"{"passkey":true}"#).passkey && of(r#"{"passkey":"yes"}"#).passkey);
        assert!(of(r#"{"passkey":false}"#).is_plain());
        assert_eq!(of(r#"{"approvers":{}}"#).users, [Arc::from(NOBODY)]);
        assert_eq!(of(r#"{"approvers":7}"#).users, [Arc::from(NOBODY)]);
        assert_eq!(of(r#"{"approvers":["ann"]}"#).users, [Arc::from("ann")]);
        assert_eq!(of(r#"{"escalation":[{"after":"soon","users":["bob"]}]}"#).tiers[0].after_s, i64::MAX);
    }
}
