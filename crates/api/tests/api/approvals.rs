//! Answers with conditions and with signatures, over a server without sockets and a service that counts what reaches it.

use crate::support::{PASSWORD, Server, basic, server};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A service that answers everything with 200 and keeps the first line of each request.
pub async fn service() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut bytes = vec![0u8; 16 * 1024];
            let n = socket.read(&mut bytes).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
            kept.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
        }
    });
    (port, seen)
}

/// A workflow that asks and then deletes rule 7 at the service.
pub fn workflow(port: u16, keys: &str) -> String {
    format!(
        "name: ask\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: ask\n    type: waitForApproval\n{keys}    with:\n      message: \"Go on?\"\n  \
         - name: remove\n    type: http\n    with:\n      method: DELETE\n      url: http://127.0.0.1:{port}/rules/7\n"
    )
}

/// Starts the workflow; the run and the path of its question.
pub async fn asked(s: &Server) -> (String, String) {
    let run = s.post("/api/workflows/workflow/ask/run", json!({"inputs": {}})).await.expect(200);
    let id = run["workflowExecutionId"].as_str().unwrap().to_owned();
    let began = Instant::now();
    loop {
        let open = s.get(&format!("/api/watchfire/approvals?execution={id}")).await.expect(200);
        if let Some(row) = open["approvals"].as_array().and_then(|a| a.first()) {
            return (id, format!("/api/watchfire/approvals/{}", row["id"].as_str().unwrap()));
        }
        assert!(began.elapsed().as_secs() < 20, "{}", s.get(&format!("/api/workflows/executions/{id}")).await.text);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub async fn ended(s: &Server, run: &str) -> Value {
    let began = Instant::now();
    loop {
        let now = s.get(&format!("/api/workflows/executions/{run}")).await.expect(200);
        if ["completed", "failed", "cancelled"].contains(&now["status"].as_str().unwrap_or_default()) {
            return now;
        }
        assert!(began.elapsed().as_secs() < 20, "{now}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A user with a role, and a call of theirs.
pub async fn user(s: &Server, name: &str) {
    let body = json!({"password": PASSWORD, "roles": ["editor"], "full_name": name});
    s.put(&format!("/internal/security/users/{name}"), body).await.expect(200);
}

pub async fn by(s: &Server, name: &str, path: &str, body: Value) -> crate::support::Answer {
    s.with("POST", path, &[("authorization", &basic(name, PASSWORD)), ("kbn-xsrf", "true")], body).await
}

#[tokio::test]
async fn a_changed_parameter_is_shown_again_and_runs_only_after_a_new_answer() {
    let s = server().await;
    let (port, seen) = service().await;
    s.post("/api/workflows/workflow", json!({"yaml": workflow(port, ""), "id": "ask"})).await.expect(200);
    assert_eq!(s.get("/api/watchfire/me").await.expect(200)["features"]["conditions"], true);
    let (run, path) = asked(&s).await;
    let first = s.get(&path).await.expect(200);
    let parameters = first["actions"][0]["parameters"].clone();
    assert_eq!(parameters["url"], format!("http://127.0.0.1:{port}/rules/7"));
    assert!(first["actions"][0]["schema"]["properties"]["url"].is_object(), "{first}");
    let change = |url: String, comment: Value| {
        let mut new = parameters.clone();
        new["url"] = url.into();
        json!({"hash": first["hash"], "actions": [{"index": 1, "parameters": new}], "comment": comment})
    };
    // Another host is no parameter, and nothing is changed without a reason, or by what was not shown.
    let elsewhere = change("http://evil.example/rules/7".into(), json!("why not"));
    let refused = s.post(&format!("{path}/change"), elsewhere).await.expect(400);
    assert_eq!(refused["attributes"]["errors"][0]["pointer"], "/url");
    let silent = change(format!("http://127.0.0.1:{port}/rules/8"), Value::Null);
    s.post(&format!("{path}/change"), silent).await.expect(400);
    let mut unseen = change(format!("http://127.0.0.1:{port}/rules/8"), json!("x"));
    unseen["hash"] = "00".into();
    assert_eq!(s.post(&format!("{path}/change"), unseen).await.expect(409)["attributes"]["code"], "hash");
    // Two who asked back and answered; then the change.
    s.post(&format!("{path}/remark"), json!({"kind": "ask", "text": "which rule?"})).await.expect(200);
    s.post(&format!("{path}/remark"), json!({"kind": "reply", "text": "eight"})).await.expect(200);
    let good = change(format!("http://127.0.0.1:{port}/rules/8"), json!("it is rule 8"));
    let now = s.post(&format!("{path}/change"), good.clone()).await.expect(200);
    assert_ne!(now["hash"], first["hash"]);
    assert_eq!((now["state"].as_str(), now["decisions"].as_array().map(Vec::len)), (Some("waiting"), Some(0)));
    assert!(now["actions"][0]["request"].as_str().unwrap().contains("/rules/8"));
    let kinds: Vec<_> = now["remarks"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ask", "reply", "change"]);
    assert_eq!(now["remarks"][2]["before"]["hash"], first["hash"]);
    s.post(&format!("{path}/change"), good).await.expect(409);
    // The answer to what was shown first is no answer to this.
    let old = json!({"verdict": "approve", "hash": first["hash"]});
    assert_eq!(s.post(&format!("{path}/decide"), old).await.expect(409)["attributes"]["code"], "hash");
    assert!(seen.lock().unwrap().is_empty(), "a change approves nothing");
    s.post(&format!("{path}/decide"), json!({"verdict": "approve", "hash": now["hash"]})).await.expect(200);
    assert_eq!(ended(&s, &run).await["status"], "completed");
    assert_eq!(*seen.lock().unwrap(), ["DELETE /rules/8 HTTP/1.1"]);
    let entry = s.audited().into_iter().find(|a| &*a.action == "approval.change").expect("an audit entry");
    let body = Value::from(entry.body.as_ref().expect("a body"));
    assert_eq!((&body["was"], &body["hash"]), (&first["hash"], &now["hash"]));
}

#[tokio::test]
async fn who_changes_is_bound_by_quorum_and_cannot_answer_under_forbid_self() {
    let s = server().await;
    let (port, seen) = service().await;
    let yaml = workflow(port, "    quorum: 2\n    forbid-self: true\n");
    s.post("/api/workflows/workflow", json!({"yaml": yaml, "id": "ask"})).await.expect(200);
    for name in ["ann", "bob", "cid"] {
        user(&s, name).await;
    }
    let (run, path) = asked(&s).await;
    let first = s.get(&path).await.expect(200);
    let approve = |hash: &Value| json!({"verdict": "approve", "hash": hash});
    by(&s, "ann", &format!("{path}/decide"), approve(&first["hash"])).await.expect(200);
    let mut new = first["actions"][0]["parameters"].clone();
    new["url"] = format!("http://127.0.0.1:{port}/rules/9").into();
    let body = json!({"hash": first["hash"], "actions": [{"index": 1, "parameters": new}], "comment": "nine"});
    // The superuser started the run.
    s.post(&format!("{path}/change"), body.clone()).await.expect(403);
    let now = by(&s, "bob", &format!("{path}/change"), body).await.expect(200);
    assert_eq!(now["remarks"][0]["before"]["decisions"][0]["by"]["username"], "ann");
    by(&s, "bob", &format!("{path}/decide"), approve(&now["hash"])).await.expect(403);
    let one = by(&s, "ann", &format!("{path}/decide"), approve(&now["hash"])).await.expect(200);
    assert_eq!((one["state"].as_str(), one["quorum"]["given"].as_u64()), (Some("waiting"), Some(1)));
    let two = by(&s, "cid", &format!("{path}/decide"), approve(&now["hash"])).await.expect(200);
    assert_eq!(two["state"], "approved");
    assert_eq!(ended(&s, &run).await["status"], "completed");
    assert_eq!(*seen.lock().unwrap(), ["DELETE /rules/9 HTTP/1.1"]);
}
