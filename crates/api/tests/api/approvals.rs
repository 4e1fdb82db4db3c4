//! Answers with conditions and with signatures, over a server without sockets and a service that counts what reaches it.

use crate::api::support::{self, PASSWORD, Server, basic, server};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[path = "../../../triage/src/question/passkey/soft.rs"]
mod soft;
use soft::SoftKey;

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

pub async fn by(s: &Server, name: &str, path: &str, body: Value) -> support::Answer {
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

/// Adds a passkey of a person, as a browser would.
async fn add_key(s: &Server, user: &str, key: &SoftKey) -> support::Answer {
    let asked = by(s, user, "/api/watchfire/passkeys/challenge", json!({"password": PASSWORD})).await.expect(200);
    assert_eq!(asked["rp_id"], "localhost");
    let (client_data, attestation_object) = key.register(asked["challenge"].as_str().unwrap());
    let body = json!({"name": "Laptop", "credential_id": key.id(), "client_data": client_data, "attestation_object": attestation_object});
    by(s, user, "/api/watchfire/passkeys", body).await
}

/// What a browser sends for a signature over a challenge.
fn assertion(key: &mut SoftKey, challenge: &Value) -> Value {
    let [authenticator_data, client_data, signature] = key.sign(challenge.as_str().unwrap());
    json!({"credential_id": key.id(), "authenticator_data": authenticator_data, "client_data": client_data, "signature": signature})
}

async fn challenge(s: &Server, user: &str, path: &str, hash: &Value) -> Value {
    let body = json!({"hash": hash, "verdict": "approve"});
    by(s, user, &format!("{path}/challenge"), body).await.expect(200)["challenge"].clone()
}

fn approve(hash: &Value, passkey: Value) -> Value {
    json!({"verdict": "approve", "hash": hash, "passkey": passkey})
}

#[tokio::test]
async fn an_approval_that_demands_a_passkey_takes_nothing_less() {
    let s = server().await;
    let (port, seen) = service().await;
    let yaml = workflow(port, "    passkey: true\n");
    s.post("/api/workflows/workflow", json!({"yaml": yaml, "id": "ask"})).await.expect(200);
    user(&s, "ann").await;
    user(&s, "bob").await;
    let (mut ann, mut bob) = (SoftKey::es256(1), SoftKey::ed25519(2));
    // Without the password again a session adds no key.
    by(&s, "ann", "/api/watchfire/passkeys/challenge", json!({})).await.expect(400);
    by(&s, "ann", "/api/watchfire/passkeys/challenge", json!({"password": "wrong-wrong"})).await.expect(403);
    add_key(&s, "ann", &ann).await.expect(200);
    add_key(&s, "bob", &bob).await.expect(200);
    assert_eq!(add_key(&s, "bob", &ann).await.status, 409, "a key is one person's");
    let mut elsewhere = SoftKey::es256(9);
    elsewhere.origin = "https://evil.example".into();
    add_key(&s, "ann", &elsewhere).await.expect(403);

    let (run, path) = asked(&s).await;
    let (other_run, other) = asked(&s).await;
    let shown = s.get(&path).await.expect(200);
    let hash = &shown["hash"];
    assert_eq!((&shown["passkey_needed"], hash), (&json!(true), &s.get(&other).await.expect(200)["hash"]));
    let decide = format!("{path}/decide");
    let refused = |answer: support::Answer| {
        let body = answer.expect(403);
        assert_eq!(body["attributes"]["code"], "passkey", "{body}");
        body["message"].as_str().unwrap().to_owned()
    };
    // A session alone, Kibana's resume, and an API key approve nothing.
    refused(by(&s, "ann", &decide, json!({"verdict": "approve", "hash": hash})).await);
    refused(
        by(&s, "ann", &format!("/api/workflows/executions/{run}/resume"), json!({"input": {"approved": true}})).await,
    );
    // A challenge that nobody made.
    let own = assertion(&mut ann, &json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    refused(by(&s, "ann", &decide, approve(hash, own)).await);
    // Another question with the very same bytes.
    let c = challenge(&s, "ann", &other, hash).await;
    let moved = assertion(&mut ann, &c);
    refused(by(&s, "ann", &decide, approve(hash, moved.clone())).await);
    refused(by(&s, "ann", &format!("{other}/decide"), approve(hash, moved)).await);
    // Another person's challenge, another person's key.
    let c = challenge(&s, "bob", &path, hash).await;
    let foreign = assertion(&mut ann, &c);
    refused(by(&s, "ann", &decide, approve(hash, foreign)).await);
    let c = challenge(&s, "ann", &path, hash).await;
    let lent = assertion(&mut bob, &c);
    assert!(refused(by(&s, "ann", &decide, approve(hash, lent)).await).contains("no such passkey"));
    // Another page, a person who was not verified, a signature over something else, a count that went back.
    let with = |change: fn(&mut SoftKey), key: &SoftKey| {
        let mut other = SoftKey::es256(1);
        other.counter = key.counter;
        change(&mut other);
        other
    };
    for change in [
        (|k: &mut SoftKey| k.origin = "http://localhost:1".into()) as fn(&mut SoftKey),
        |k| k.rp_id = "evil.example".into(),
        |k| k.flags = 0x01,
    ] {
        let c = challenge(&s, "ann", &path, hash).await;
        let bad = assertion(&mut with(change, &ann), &c);
        refused(by(&s, "ann", &decide, approve(hash, bad)).await);
    }
    let c = challenge(&s, "ann", &path, hash).await;
    let mut forged = assertion(&mut ann, &c);
    forged["signature"] = assertion(&mut ann, &c)["signature"].clone();
    refused(by(&s, "ann", &decide, approve(hash, forged)).await);
    let state = s.get(&path).await.expect(200)["state"].clone();
    assert_eq!((state, seen.lock().unwrap().len()), (json!("waiting"), 0));

    // The bytes are changed after signing.
    let c = challenge(&s, "ann", &path, hash).await;
    let early = assertion(&mut ann, &c);
    let mut new = shown["actions"][0]["parameters"].clone();
    new["url"] = format!("http://127.0.0.1:{port}/rules/8").into();
    let body = json!({"hash": hash, "actions": [{"index": 1, "parameters": new}], "comment": "eight"});
    let now = by(&s, "bob", &format!("{path}/change"), body).await.expect(200);
    by(&s, "ann", &decide, approve(hash, early.clone())).await.expect(409);
    refused(by(&s, "ann", &decide, approve(&now["hash"], early)).await);

    // Signed over what is shown: it runs once, and the signature is used up.
    let hash = &now["hash"];
    let c = challenge(&s, "ann", &path, hash).await;
    let good = assertion(&mut ann, &c);
    let done = by(&s, "ann", &decide, approve(hash, good.clone())).await.expect(200);
    assert_eq!((&done["state"], &done["decisions"][0]["passkey"]), (&json!("approved"), &json!(ann.id())));
    assert_eq!(ended(&s, &run).await["status"], "completed");
    by(&s, "ann", &decide, approve(hash, good.clone())).await.expect(409);
    let first = &s.get(&other).await.expect(200)["hash"].clone();
    refused(by(&s, "ann", &format!("{other}/decide"), approve(first, good)).await);
    assert_eq!(*seen.lock().unwrap(), ["DELETE /rules/8 HTTP/1.1"]);

    // A copy of the key lags behind.
    let c = challenge(&s, "ann", &other, first).await;
    let mut copy = SoftKey::es256(1);
    let lagging = assertion(&mut copy, &c);
    assert!(refused(by(&s, "ann", &format!("{other}/decide"), approve(first, lagging)).await).contains("count"));
    // Ed25519 signs as well; rejecting takes no key.
    let c = challenge(&s, "bob", &other, first).await;
    let eddsa = assertion(&mut bob, &c);
    by(&s, "bob", &format!("{other}/decide"), approve(first, eddsa)).await.expect(200);
    assert_eq!(ended(&s, &other_run).await["status"], "completed");
    let (_, third) = asked(&s).await;
    by(&s, "ann", &format!("{third}/decide"), json!({"verdict": "reject", "comment": "no"})).await.expect(200);

    // The folder alone proves both signatures, and notices when one is exchanged or a key was never registered.
    let dir = s.state_dir();
    let report = store::verify(&dir).unwrap();
    assert_eq!((report.broken, report.signatures), (None, 2));
    // Whoever leaves takes the keys along.
    s.delete("/internal/security/users/bob").await.expect(204);
    user(&s, "bob").await;
    let headers = [("authorization", &*basic("bob", PASSWORD))];
    let keys = s.with("GET", "/api/watchfire/passkeys", &headers, Value::Null).await.expect(200);
    assert_eq!(keys["passkeys"], json!([]));
}

#[tokio::test]
async fn the_envelope_demands_passkeys_by_class_and_a_person_removes_their_own() {
    let s = server().await;
    let (port, _) = service().await;
    s.post("/api/workflows/workflow", json!({"yaml": workflow(port, ""), "id": "ask"})).await.expect(200);
    let (_, path) = asked(&s).await;
    assert_eq!(s.get(&path).await.expect(200)["passkey_needed"], false);
    s.put("/api/watchfire/envelope", json!({"passkey": ["ssh.run"]})).await.expect(200);
    assert_eq!(s.get(&path).await.expect(200)["passkey_needed"], false, "of another action");
    s.put("/api/watchfire/envelope", json!({"passkey": ["destructive"]})).await.expect(200);
    let shown = s.get(&path).await.expect(200);
    assert_eq!(shown["passkey_needed"], true);
    s.post(&format!("{path}/decide"), json!({"verdict": "approve", "hash": shown["hash"]})).await.expect(403);
    let key = SoftKey::es256(5);
    let id = add_key(&s, "elastic", &key).await.expect(200)["id"].as_str().unwrap().to_owned();
    user(&s, "ann").await;
    let ann = basic("ann", PASSWORD);
    let headers = [("authorization", &*ann), ("kbn-xsrf", "true")];
    s.with("DELETE", &format!("/api/watchfire/passkeys/{id}"), &headers, Value::Null).await.expect(404);
    s.delete(&format!("/api/watchfire/passkeys/{id}")).await.expect(204);
    assert!(s.audited().iter().any(|a| &*a.action == "passkey.register"));
}

#[tokio::test]
async fn what_was_asked_under_a_demand_keeps_it_in_the_row_on_every_channel() {
    let s = server().await;
    let (port, seen) = service().await;
    s.put("/api/watchfire/envelope", json!({"passkey": ["destructive"]})).await.expect(200);
    s.post("/api/workflows/workflow", json!({"yaml": workflow(port, ""), "id": "ask"})).await.expect(200);
    let (run, path) = asked(&s).await;
    let shown = s.get(&path).await.expect(200);
    let (hash, id) = (shown["hash"].as_str().unwrap().to_owned(), shown["id"].as_str().unwrap().to_owned());
    assert_eq!(shown["passkey_needed"], true);
    // The envelope forgets; the question does not.
    s.put("/api/watchfire/envelope", json!({})).await.expect(200);
    assert_eq!(s.get(&path).await.expect(200)["passkey_needed"], true);
    s.post(&format!("{path}/decide"), json!({"verdict": "approve", "hash": hash})).await.expect(403);
    let resume = format!("/api/workflows/executions/{run}/resume");
    s.post(&resume, json!({"input": {"approved": true}})).await.expect(403);
    // Even what does not come through the API: the row is the judge.
    let decide = triage::Command::QuestionDecide {
        id: stdx::Id::from(id.as_str()),
        verdict: triage::Verdict::Approve,
        hash: Some(hash.as_str().into()),
        comment: None,
        output: None,
        signature: None,
    };
    let by = triage::Actor::person("elastic", "cli");
    let request = triage::command::Request { space: "default".into(), by, key: None, command: decide };
    let now = stdx::Time::parse(shown["asked_at"].as_str().unwrap()).unwrap();
    let commit = store::Commit { now, commands: vec![request], ..store::Commit::default() };
    let refused = s.state.engine.commit(commit).await;
    assert!(format!("{refused:?}").contains("takes a passkey's signature"), "{refused:?}");
    assert!(seen.lock().unwrap().is_empty(), "nothing went out");
    let key = SoftKey::es256(7);
    add_key(&s, "elastic", &key).await.expect(200);
    assert_eq!(s.get(&path).await.expect(200)["state"], "waiting");
    s.post(&format!("{path}/decide"), json!({"verdict": "reject", "hash": hash, "comment": "no"})).await.expect(200);
    // What is asked now is asked without.
    let (_, path) = asked(&s).await;
    assert_eq!(s.get(&path).await.expect(200)["passkey_needed"], false);
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_refused_by_field() {
    let s = server().await;
    let yaml = "name: form\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: ask\n    type: waitForInput\n    with:\n      message: now?\n      schema:\n        \
                type: object\n        required: [decision, minutes]\n        properties:\n          decision: { type: string, enum: [block, ignore] }\n          \
                minutes: { type: integer, minimum: 1 }\n          \"a/b\": { type: object, properties: { c: { type: string } } }\n";
    s.post("/api/workflows/workflow", json!({"yaml": yaml, "id": "ask"})).await.expect(200);
    let (run, path) = asked(&s).await;
    let resume = format!("/api/workflows/executions/{run}/resume");
    let pointers = |body: &Value| -> Vec<String> {
        let errors = body["attributes"]["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.iter().all(|e| e["message"].as_str().is_some_and(|m| !m.is_empty())), "{body}");
        let mut all: Vec<String> = errors.iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect();
        all.sort();
        all
    };
    let bad = s.post(&resume, json!({"input": {"decision": "wait", "a/b": {"c": 7}}})).await.expect(400);
    assert_eq!((&bad["statusCode"], &bad["error"]), (&json!(400), &json!("Bad Request")));
    assert!(bad["message"].as_str().unwrap().starts_with("the answer does not fit the schema: "), "{bad}");
    assert_eq!(pointers(&bad), ["/a~1b/c", "/decision", "/minutes"]);
    let bad = s.post(&resume, json!({"input": {"decision": "block", "minutes": 0}})).await.expect(400);
    assert_eq!(pointers(&bad), ["/minutes"]);
    let bad = s.post(&resume, json!({"input": "block"})).await.expect(400);
    assert_eq!((pointers(&bad), bad["message"].as_str()), (vec![String::new()], Some("the answer must be an object")));
    assert_eq!(s.get(&path).await.expect(200)["state"], "waiting", "the wait goes on");
    s.post(&resume, json!({"input": {"decision": "block", "minutes": 5}})).await.expect(200);
    assert_eq!(ended(&s, &run).await["status"], "completed");
}
