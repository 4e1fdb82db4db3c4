//! A server without sockets, and requests to it.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use serde_json::{Value, json};
use std::sync::Arc;
use stdx::Id;
use store::Commit;
use tower::ServiceExt;

pub const PASSWORD: &str = "changeme-please";

/// A server on a folder of its own.
pub struct Server {
    pub kibana: Router,
    pub elasticsearch: Router,
    pub state: api::State,
    dir: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
    /// The body, when the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
    /// `message`, when the status is the expected one.
    #[track_caller]
    pub fn message(self, status: u16) -> String {
        let body = self.expect(status);
        body["message"].as_str().unwrap_or_default().to_owned()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

pub async fn server() -> Server {
    let dir = tempfile::tempdir().unwrap();
    let store =
        store::Store::open(&dir.path().join("state"), &store::Options { ballast: false, pages_max: None }).unwrap();
    let index = Arc::new(index::Index::open(&dir.path().join("events"), index::Options::default()).unwrap());
    let options = engine::Options {
        env: workflow::Env::default(),
        registry: connector::Registry::built_in(),
        egress_allow: vec!["127.0.0.1:*".into()],
        space: "default".into(),
    };
    let engine = engine::open(store, index, options).unwrap();
    let state = api::State::new(api::Config::default(), engine.clone());
    assert_eq!(api::auth::seed(&state, Some(PASSWORD)).await.unwrap(), None);
    let (kibana, elasticsearch) = (api::kibana_router(state.clone()), api::es_router(state.clone()));
    engine.set_own_router(api::own_router(&state, kibana.clone(), elasticsearch.clone()));
    Server { kibana, elasticsearch, state, dir }
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

impl Server {
    /// Folder of the state store.
    pub fn state_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }
    /// A request of the superuser, with `kbn-xsrf`.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.with(method, path, &[("authorization", &basic("elastic", PASSWORD)), ("kbn-xsrf", "true")], body).await
    }
    /// A request with exactly these headers; `Null` sends no body.
    pub async fn with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        send(&self.kibana, request.body(body).unwrap()).await
    }
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, body).await
    }
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path, body).await
    }
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path, body).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, Value::Null).await
    }
    /// A request to the Elasticsearch port.
    pub async fn es(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("authorization", basic("elastic", PASSWORD));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        send(&self.elasticsearch, request.header("content-type", "application/json").body(body).unwrap()).await
    }
    /// A stored alert.
    pub async fn alert(&self, id: &str, host: &str, severity: &str) {
        let now = stdx::Time::parse("2026-11-24T10:00:00Z").unwrap();
        let document = json!({
            "@timestamp": now.iso(), "kibana.alert.uuid": id, "kibana.alert.severity": severity, "kibana.alert.risk_score": 73,
            "kibana.alert.rule.name": "Rule one", "kibana.alert.rule.uuid": "r1", "kibana.alert.workflow_status": "open",
            "kibana.alert.reason": "process event created an alert", "kibana.alert.start": now.iso(), "host": {"name": host},
        });
        let command = triage::Command::AlertRaise {
            id: Id::from(id),
            index: ".internal.alerts-security.alerts-default-000001".into(),
            document: stdx::Value::from(document),
        };
        let request =
            triage::command::Request { space: "default".into(), by: triage::Actor::system(), key: None, command };
        self.state.engine.commit(Commit { now, commands: vec![request], ..Commit::default() }).await.unwrap();
    }
    /// A case; its id and version.
    pub async fn case(&self, title: &str, sync: bool) -> (String, String) {
        let case = self.post("/api/cases", new_case(title, sync)).await.expect(200);
        (case["id"].as_str().unwrap().to_owned(), case["version"].as_str().unwrap().to_owned())
    }
    /// Entries of the audit trail.
    pub fn audited(&self) -> Vec<store::AuditRow> {
        let filter = store::AuditFilter { limit: 10_000, ..store::AuditFilter::default() };
        self.state.engine.store().read(|r| r.audit_list(&filter)).unwrap()
    }
}

pub fn new_case(title: &str, sync: bool) -> Value {
    json!({
        "title": title, "description": "Found on host-7", "tags": ["auto-generated", "investigation"], "owner": "securitySolution",
        "connector": {"id": "none", "name": "none", "type": ".none", "fields": null}, "settings": {"syncAlerts": sync}, "severity": "medium",
    })
}

/// A workflow that only logs.
pub fn yaml(name: &str) -> String {
    format!(
        "name: {name}\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: hello\n    type: console\n    with:\n      message: \"hi\"\n"
    )
}

pub fn rule(name: &str) -> Value {
    json!({"type": "query", "name": name, "description": "d", "risk_score": 47, "severity": "medium", "query": "process.name: \"evil.exe\"", "language": "kuery"})
}

/// True for 2xx.
pub fn fine(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|s| s.is_success())
}
