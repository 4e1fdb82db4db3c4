//! A principal: a person with roles, as a key, a session or a run acts for it.
//!
//! Invariants: a key never has more privileges than its owner; a role without a definition gives nothing.
//! Not here: how credentials are verified (`auth`).

use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// Every privilege, in the order in which the page lists them.
pub const PRIVILEGES: &[&str] = &[
    "alerts:read",
    "alerts:write",
    "cases:read",
    "cases:write",
    "approvals:read",
    "approvals:decide",
    "workflows:read",
    "workflows:write",
    "workflows:execute",
    "executions:read",
    "executions:cancel",
    "rules:read",
    "rules:write",
    "connectors:read",
    "connectors:write",
    "connectors:execute",
    "audit:read",
    "metrics:read",
    "envelope:write",
    "users:write",
    "events:read",
    "events:write",
];

/// Roles that exist without a definition, and their privileges.
pub const ROLES: &[(&str, &[&str])] = &[
    ("superuser", &["*"]),
    (
        "editor",
        &[
            "alerts:read",
            "alerts:write",
            "cases:read",
            "cases:write",
            "approvals:read",
            "approvals:decide",
            "workflows:read",
            "workflows:write",
            "workflows:execute",
            "executions:read",
            "executions:cancel",
            "rules:read",
            "rules:write",
            "connectors:read",
            "audit:read",
            "metrics:read",
            "events:read",
            "events:write",
        ],
    ),
    (
        "analyst",
        &[
            "alerts:read",
            "alerts:write",
            "cases:read",
            "cases:write",
            "approvals:read",
            "approvals:decide",
            "workflows:read",
            "workflows:execute",
            "executions:read",
            "executions:cancel",
            "rules:read",
            "connectors:read",
            "events:read",
        ],
    ),
    (
        "viewer",
        &[
            "alerts:read",
            "cases:read",
            "approvals:read",
            "workflows:read",
            "executions:read",
            "rules:read",
            "connectors:read",
            "events:read",
        ],
    ),
    ("ingest", &["events:write"]),
];

/// How somebody came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// Nobody; only open routes see this one.
    Nobody,
    /// Name and password in each request.
    Basic,
    /// An API key.
    ApiKey {
        /// Id of the key.
        id: Arc<str>,
        /// Name of the key.
        name: Arc<str>,
    },
    /// The page's cookie.
    Session {
        /// Id of the session's record.
        id: Arc<str>,
    },
    /// A run in process, on its principal's behalf.
    Run {
        /// The run.
        execution: Id,
        /// The step.
        step: Arc<str>,
    },
}

/// Who asks, and what that one may do.
#[derive(Clone, Debug)]
pub struct Principal {
    /// User name.
    pub user: Arc<str>,
    /// `u_…_0`, by which cases and alerts name people.
    pub uid: Arc<str>,
    /// Full name.
    pub full_name: Option<Arc<str>>,
    /// Mail address.
    pub email: Option<Arc<str>>,
    /// Roles.
    pub roles: Arc<[Arc<str>]>,
    /// How it came in.
    pub via: Via,
    /// When key or session end.
    pub expires_at: Option<Time>,
    privileges: Arc<BTreeSet<Arc<str>>>,
}

impl Principal {
    /// Nobody, without any privilege.
    pub fn nobody() -> Self {
        Self {
            user: "".into(),
            uid: "".into(),
            full_name: None,
            email: None,
            roles: Arc::default(),
            via: Via::Nobody,
            expires_at: None,
            privileges: Arc::default(),
        }
    }
    /// True when `privilege` is held.
    pub fn may(&self, privilege: &str) -> bool {
        self.privileges.contains("*") || self.privileges.contains(privilege)
    }
    /// Privileges as the page shows them; `*` alone for all.
    pub fn privileges(&self) -> Vec<Arc<str>> {
        if self.privileges.contains("*") {
            return vec!["*".into()];
        }
        self.privileges.iter().cloned().collect()
    }
    /// The same one, who may also read events: for our own search over alerts.
    #[must_use]
    pub(crate) fn reading_events(&self) -> Self {
        let mut privileges = BTreeSet::clone(&self.privileges);
        privileges.insert("events:read".into());
        Self { privileges: Arc::new(privileges), ..self.clone() }
    }
    /// Who does it, for triage, audit and timeline.
    pub fn actor(&self) -> triage::Actor {
        let channel = match self.via {
            Via::Nobody | Via::Basic | Via::ApiKey { .. } => "api",
            Via::Session { .. } => "ui",
            Via::Run { .. } => "workflow",
        };
        let mut actor = triage::Actor::person(&self.user, channel);
        if let Via::Run { execution, step } = &self.via {
            actor.execution = Some(execution.clone());
            actor.step = Some(step.clone());
        }
        actor
    }
    /// Takes away what a key's role descriptors do not name; without descriptors the key is worth its owner.
    pub(crate) fn limit(&mut self, descriptors: Option<&Value>) {
        let Some(descriptors) = descriptors.and_then(Value::as_object).filter(|d| !d.is_empty()) else { return };
        let named: BTreeSet<&str> = descriptors.iter().flat_map(|(_, d)| named(d)).collect();
        let held = PRIVILEGES.iter().filter(|p| named.contains(*p) && self.may(p));
        let held = held.map(|p| Arc::from(*p)).collect();
        self.privileges = Arc::new(held);
    }
}

/// Our privileges that one of Elasticsearch's role descriptors names.
fn named(descriptor: &Value) -> Vec<&'static str> {
    let words = |v: Option<&Value>| -> Vec<String> {
        let items = v.and_then(Value::as_array).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_lowercase).collect()
    };
    let list = |key: &str| descriptor.get(key).and_then(Value::as_array).unwrap_or_default().to_vec();
    let mut all = Vec::new();
    for index in list("indices").iter().chain(&list("index")) {
        for word in words(index.get("privileges")) {
            match word.as_str() {
                "all" | "*" => all.extend(["events:read", "events:write", "alerts:read"]),
                "read" | "view_index_metadata" | "monitor" => all.extend(["events:read", "alerts:read"]),
                "write" | "create" | "create_doc" | "index" | "create_index" | "auto_configure" => {
                    all.push("events:write")
                }
                _ => {}
            }
        }
    }
    for word in words(descriptor.get("cluster")) {
        if matches!(word.as_str(), "all" | "manage_security" | "manage_api_key") {
            all.push("users:write");
        }
    }
    for application in list("applications") {
        for word in words(application.get("privileges")) {
            let verb = word.rsplit(['.', '_']).next().unwrap_or_default();
            all.extend(PRIVILEGES.iter().filter(|p| match verb {
                "all" | "*" => !p.starts_with("events:"),
                "read" => p.ends_with(":read") && !p.starts_with("events:"),
                _ => **p == word,
            }));
        }
    }
    all
}

/// A user's record, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: Arc<str>,
    pub(crate) full_name: Option<Arc<str>>,
    pub(crate) email: Option<Arc<str>>,
    pub(crate) roles: Vec<Arc<str>>,
    pub(crate) enabled: bool,
    pub(crate) password_hash: String,
}

impl Account {
    /// Decodes a record; `None` when it has no password hash.
    pub(crate) fn read(user: &str, body: &Value) -> Option<Self> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(Arc::from);
        let roles = body.get("roles").and_then(Value::as_array).unwrap_or_default();
        Some(Self {
            user: user.into(),
            full_name: text("full_name"),
            email: text("email"),
            roles: roles.iter().filter_map(Value::as_str).map(Arc::from).collect(),
            enabled: body.get("enabled").and_then(Value::as_bool).unwrap_or(true),
            password_hash: body.get("password_hash").and_then(Value::as_str)?.to_owned(),
        })
    }
    /// Its principal.
    pub(crate) fn principal(&self, via: Via) -> Principal {
        let known = |role: &Arc<str>| ROLES.iter().find(|(name, _)| *name == &**role).map_or(&[][..], |(_, p)| *p);
        let privileges = self.roles.iter().flat_map(known).map(|p| Arc::from(*p)).collect();
        Principal {
            user: self.user.clone(),
            uid: triage::actor::profile_uid(&self.user).into(),
            full_name: self.full_name.clone(),
            email: self.email.clone(),
            roles: self.roles.clone().into(),
            via,
            expires_at: None,
            privileges: Arc::new(privileges),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(roles: &[&str]) -> Account {
        let roles = Value::array(roles.iter().map(|r| Value::from(*r)));
        Account::read("ada", &Value::object([("roles", roles), ("password_hash", "x".into())])).unwrap()
    }

    #[test]
    fn roles_give_what_they_name_and_nothing_else() {
        let viewer = account(&["viewer", "made-up"]).principal(Via::Basic);
        assert!(viewer.may("cases:read") && !viewer.may("cases:write"));
        let root = account(&["superuser"]).principal(Via::Basic);
        assert!(root.may("users:write"));
        assert_eq!(root.privileges(), [Arc::from("*")]);
        for (role, privileges) in ROLES {
            for p in *privileges {
                assert!(*p == "*" || PRIVILEGES.contains(p), "{role}: {p}");
            }
        }
    }

    #[test]
    fn a_key_is_the_intersection_with_its_owner() {
        let descriptors: Value =
            serde_json::from_str(r#"{"w":{"indices":[{"names":["logs-*"],"privileges":["create_doc","read"]}]}}"#)
                .unwrap();
        let mut shipper = account(&["ingest"]).principal(Via::Basic);
        shipper.limit(Some(&descriptors));
        assert_eq!(shipper.privileges(), [Arc::from("events:write")]);
        let mut root = account(&["superuser"]).principal(Via::Basic);
        root.limit(Some(&descriptors));
        assert!(root.may("events:write") && !root.may("cases:write"));
        root.limit(Some(&Value::object::<&str>([])));
        assert!(root.may("events:write"));
    }
}
