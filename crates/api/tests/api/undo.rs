//! Taking effects back over the API: what is listed, a person's word on it, what the approval shows, what the case's timeline says.

use crate::api::approvals::{asked, by, ended, service, user};
use crate::api::support::{Server, server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A workflow that blocks at the service and unblocks there, `keys` between them; with a question before it where `ask`.
fn blocking(port: u16, keys: &str, ask: bool) -> String {
    let question =
        if ask { "  - name: ask\n    type: waitForApproval\n    with: { message: \"Block?\" }\n" } else { "" };
    format!(
        "name: ask\nenabled: true\ntriggers: [{{ type: manual }}]\nsteps:\n{question}  - name: block\n    type: http\n    effect: destructive\n    \
         with: {{ method: POST, url: \"http://127.0.0.1:{port}/block/7\" }}\n{keys}    undo:\n      type: http\n      with: {{ method: DELETE, \
         url: \"http://127.0.0.1:{port}/block/7\" }}\n"
    )
}

async fn run(s: &Server) -> (String, String) {
    let run = s.post("/api/workflows/workflow/ask/run", json!({"inputs": {}})).await.expect(200);
    let id = run["workflowExecutionId"].as_str().unwrap().to_owned();
    (id.clone(), format!("/api/watchfire/executions/{id}/undo"))
}

/// The one undo of a run, once it stands so.
async fn stands(s: &Server, path: &str, state: &str) -> Value {
    let began = Instant::now();
    loop {
        let all = s.get(path).await.expect(200);
        if all["undos"][0]["state"] == state {
            return all["undos"][0].clone();
        }
        assert!(began.elapsed().as_secs() < 20, "wanted {state}: {all}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_undo_is_listed_prolonged_and_carried_out_early() {
    let s = server().await;
    let (port, seen) = service().await;
    s.post("/api/workflows/workflow", json!({"yaml": blocking(port, "    undo-after: 4h\n", false), "id": "ask"}))
        .await
        .expect(200);
    let (id, path) = run(&s).await;
    assert_eq!(ended(&s, &id).await["status"], "completed");
    let undo = stands(&s, &path, "scheduled").await;
    assert_eq!((&undo["step"], &undo["after"], &undo["type"]), (&json!("block"), &json!("4h"), &json!("http")));
    assert!(undo["request"].as_str().unwrap().contains("DELETE") && undo["due"].is_string(), "{undo}");
    let child = undo["execution"].as_str().unwrap().to_owned();
    let of = s.get(&format!("/api/watchfire/executions/{child}/undo")).await.expect(200);
    assert_eq!((&of["undo_of"]["execution"], &of["undos"]), (&json!(id), &json!([])));
    // Wrong words change nothing.
    s.post(&path, json!({"action": "at"})).await.expect(400);
    s.post(&path, json!({"action": "at", "at": "2001-01-01T00:00:00Z"})).await.expect(400);
    s.post(&path, json!({"action": "later"})).await.expect(400);
    s.post(&path, json!({"step": "nothing"})).await.expect(404);
    user(&s, "dora").await;
    let late = "2027-06-01T00:00:00.000Z";
    by(&s, "dora", &path, json!({"action": "at", "at": late, "reason": "still needed"})).await.expect(200);
    let began = Instant::now();
    while s.get(&path).await.expect(200)["undos"][0]["due"] != late {
        assert!(began.elapsed().as_secs() < 20, "the time is prolonged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    s.post(&path, json!({"action": "now"})).await.expect(200);
    stands(&s, &path, "undone").await;
    assert_eq!(*seen.lock().unwrap(), ["POST /block/7 HTTP/1.1", "DELETE /block/7 HTTP/1.1"]);
    s.post(&path, json!({"action": "now"})).await.expect(409);
    s.post(&path, json!({"action": "keep"})).await.expect(409);
    let words: Vec<_> =
        s.audited().into_iter().filter(|a| &*a.action == "effect.undo").map(|a| a.by.user.to_string()).collect();
    assert_eq!(words, ["elastic", "dora"], "newest first");
}

#[tokio::test]
async fn what_is_kept_can_still_be_undone_and_what_has_no_time_waits_for_a_word() {
    let s = server().await;
    let (port, seen) = service().await;
    s.post("/api/workflows/workflow", json!({"yaml": blocking(port, "    undo-after: 4h\n", false), "id": "ask"}))
        .await
        .expect(200);
    let (_, path) = run(&s).await;
    stands(&s, &path, "scheduled").await;
    s.post(&path, json!({"action": "keep", "reason": "confirmed evil"})).await.expect(200);
    stands(&s, &path, "kept").await;
    s.post(&path, json!({"action": "keep"})).await.expect(409);
    s.post(&path, json!({"action": "now"})).await.expect(200);
    stands(&s, &path, "undone").await;
    assert_eq!(seen.lock().unwrap().len(), 2);
    s.put("/api/workflows/workflow/ask", json!({"yaml": blocking(port, "", false)})).await.expect(200);
    let (_, path) = run(&s).await;
    let undo = stands(&s, &path, "on_request").await;
    assert_eq!((&undo["after"], &undo["execution"]), (&Value::Null, &Value::Null));
    s.post(&path, json!({})).await.expect(200);
    stands(&s, &path, "undone").await;
    assert_eq!(seen.lock().unwrap().last().unwrap(), "DELETE /block/7 HTTP/1.1");
}

#[tokio::test]
async fn the_approval_shows_how_and_when_it_is_undone_and_covers_that() {
    let s = server().await;
    let (port, seen) = service().await;
    s.post("/api/workflows/workflow", json!({"yaml": blocking(port, "    undo-after: 1s\n", true), "id": "ask"}))
        .await
        .expect(200);
    let (id, question) = asked(&s).await;
    let shown = s.get(&question).await.expect(200);
    let undo = &shown["actions"][0]["undo"];
    assert_eq!(
        (&undo["after"], &undo["bound"], &undo["changed"]),
        (&json!("1s"), &json!(true), &json!(false)),
        "{shown}"
    );
    assert!(undo["request"].as_str().unwrap().contains("DELETE"), "{undo}");
    s.post(&format!("{question}/decide"), json!({"verdict": "approve", "hash": shown["hash"], "comment": null}))
        .await
        .expect(200);
    assert_eq!(ended(&s, &id).await["status"], "completed");
    let undo = stands(&s, &format!("/api/watchfire/executions/{id}/undo"), "undone").await;
    assert_eq!((&undo["approved"], &undo["asks"]), (&json!(true), &json!(false)));
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_timeline_of_the_case_says_when_and_by_whose_word() {
    let s = server().await;
    let (port, _) = service().await;
    let open = "  - { name: open, type: cases.createCase, with: { title: c, description: d, owner: securitySolution } }\n  - name: block";
    let yaml = blocking(port, "    undo-after: 4h\n", false).replace("  - name: block", open);
    s.post("/api/workflows/workflow", json!({"yaml": yaml, "id": "ask"})).await.expect(200);
    let (id, path) = run(&s).await;
    stands(&s, &path, "scheduled").await;
    s.post(&path, json!({"action": "now", "reason": "false alarm"})).await.expect(200);
    stands(&s, &path, "undone").await;
    let run = s.get(&format!("/api/workflows/executions/{id}")).await.expect(200);
    let case = run["watchfire"]["case"]["id"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned();
    let timeline = s.get(&format!("/api/watchfire/cases/{case}/timeline?order=oldest")).await.expect(200);
    let entries = timeline["entries"].as_array().unwrap();
    let said: Vec<&str> = entries.iter().filter(|e| e["field"] == "undo").filter_map(|e| e["to"].as_str()).collect();
    assert!(
        said.len() == 2 && said[0].contains("undone by itself") && said[1].contains("now: false alarm"),
        "{said:?}"
    );
    assert!(entries.iter().any(|e| e["name"] == "block.undo" && e["status"] == "completed"), "{timeline}");
}
