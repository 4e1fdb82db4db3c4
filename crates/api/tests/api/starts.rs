//! What starts workflows besides people: webhooks, events of the feed; and the halt over its routes.

use super::support::{Server, new_case, server};
use serde_json::{Value, json};

const TOKEN: &str = "xoxb-long-enough";

async fn connector(s: &Server) {
    let body = json!({"name": "s", "connector_type_id": ".slack_api", "config": {}, "secrets": {"token": TOKEN}});
    s.post("/api/actions/connector/edr", body).await.expect(200);
}

fn hook(dedupe: &str) -> String {
    format!(
        "name: hooked\nenabled: true\ntriggers:\n  - type: webhook\n    with:\n      path: edr/alerts\n      auth: {{ type: token, \
         connector-id: edr, secret: token, header: X-Token }}\n{dedupe}steps:\n  - name: say\n    type: console\n    with:\n      \
         message: \"{{{{ event.body.host }}}}\"\n"
    )
}

async fn deliver(s: &Server, token: &str, body: Value) -> super::support::Answer {
    s.with("POST", "/api/watchfire/hooks/edr/alerts", &[("x-token", token), ("cookie", "sid=x")], body).await
}

async fn status(s: &Server, run: &str) -> Value {
    let began = std::time::Instant::now();
    loop {
        let answer = s.get(&format!("/api/workflows/executions/{run}")).await;
        if answer.status == 200 {
            let body = answer.json();
            if body["status"] == "completed" || body["status"] == "failed" {
                return body;
            }
        }
        assert!(began.elapsed().as_secs() < 20, "the run does not end");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_delivery_starts_its_workflow_once_and_only_for_who_has_the_token() {
    let s = server().await;
    connector(&s).await;
    let dedupe = "      dedupe: \"{{ event.body.id }}\"\n";
    s.post("/api/workflows/workflow", json!({"yaml": hook(dedupe), "id": "hooked"})).await.expect(200);
    deliver(&s, "wrong-token-here", json!({"id": 1})).await.expect(401);
    let nobody = s.with("POST", "/api/watchfire/hooks/other", &[("x-token", TOKEN)], json!({})).await;
    nobody.expect(404);
    let first = deliver(&s, TOKEN, json!({"id": 1, "host": "h1"})).await.expect(202);
    let run = first["executionId"].as_str().unwrap();
    assert_eq!(status(&s, run).await["status"], "completed");
    let again = deliver(&s, TOKEN, json!({"id": 1, "host": "h1"})).await.expect(200);
    assert_eq!((again["executionId"].as_str(), again["duplicate"].as_bool()), (Some(run), Some(true)));
    let other = deliver(&s, TOKEN, json!({"id": 2, "host": "h2"})).await.expect(202);
    assert_ne!(other["executionId"].as_str(), Some(run));
    assert!(s.audited().iter().filter(|a| &*a.action == "hook.deliver").count() == 2);
    s.put("/api/workflows/workflow/hooked", json!({"enabled": false})).await.expect(200);
    deliver(&s, TOKEN, json!({"id": 3})).await.expect(404);
}

fn listener(name: &str, event: &str, on: &str, steps: &str) -> Value {
    let yaml = format!("name: {name}\nenabled: true\ntriggers:\n  - type: {event}\n{on}steps:\n{steps}");
    json!({"yaml": yaml, "id": name})
}

async fn runs(s: &Server, workflow: &str, n: usize) -> Vec<Value> {
    let began = std::time::Instant::now();
    loop {
        let list = s.get(&format!("/api/workflows/workflow/{workflow}/executions")).await.expect(200);
        let results = list["results"].as_array().cloned().unwrap_or_default();
        let ended = results.iter().all(|r| r["status"] == "completed" || r["status"] == "failed");
        if results.len() >= n && ended {
            return results;
        }
        assert!(began.elapsed().as_secs() < 20, "{results:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn events_of_cases_and_failures_start_who_listens_and_no_loop_goes_on() {
    let s = server().await;
    let say =
        "  - name: say\n    type: console\n    with: { message: \"{{ event.caseId }}{{ event.error.message }}\" }\n";
    // The first listens to cases and opens another case: the guard against loops ends that.
    let open = "  - name: open\n    type: cases.createCase\n    with: { title: again, description: d, owner: securitySolution }\n";
    s.post("/api/workflows/workflow", listener("opens", "cases.caseCreated", "", open)).await.expect(200);
    let on = "    on: { condition: 'event.status: closed' }\n";
    s.post("/api/workflows/workflow", listener("closed", "cases.caseStatusUpdated", on, say)).await.expect(200);
    s.post("/api/workflows/workflow", listener("fails", "workflows.failed", "", say)).await.expect(200);
    let broken = "  - name: no\n    type: http\n    with: { url: \"http://127.0.0.1:1/x\" }\n";
    let yaml = format!("name: broken\nenabled: true\ntriggers: [{{ type: manual }}]\nsteps:\n{broken}");
    s.post("/api/workflows/workflow", json!({"yaml": yaml, "id": "broken"})).await.expect(200);

    let case = s.post("/api/cases", new_case("one", false)).await.expect(200);
    assert_eq!(runs(&s, "opens", 1).await.len(), 1);
    let change = json!({"cases": [{"id": case["id"], "version": case["version"], "status": "in-progress"}]});
    let changed = s.patch("/api/cases", change).await.expect(200);
    let change = json!({"cases": [{"id": case["id"], "version": changed[0]["version"], "status": "closed"}]});
    s.patch("/api/cases", change).await.expect(200);
    assert_eq!(runs(&s, "closed", 1).await.len(), 1);
    s.post("/api/workflows/workflow/broken/run", json!({"inputs": {}})).await.expect(200);
    assert_eq!(runs(&s, "fails", 1).await.len(), 1);
    assert_eq!(runs(&s, "opens", 1).await.len(), 1, "a workflow is not started by what it caused itself");
    assert_eq!(runs(&s, "closed", 1).await.len(), 1, "`in-progress` is not what it asked for");
}

#[tokio::test]
async fn a_halt_is_set_by_who_may_answer_and_lifted_by_who_may_more() {
    let s = server().await;
    let user = json!({"password": "long-enough", "roles": ["analyst"]});
    s.put("/internal/security/users/ann", user).await.expect(200);
    let auth = super::support::basic("ann", "long-enough");
    let headers = [("authorization", auth.as_str()), ("kbn-xsrf", "x")];
    let halted = s.with("POST", "/api/watchfire/halt", &headers, json!({"reason": "incident 7"})).await.expect(200);
    assert_eq!((halted["halted"].as_bool(), halted["halts"][0]["by"].as_str()), (Some(true), Some("ann")));
    s.with("DELETE", "/api/watchfire/halt", &headers, Value::Null).await.expect(403);
    assert_eq!(s.get("/api/watchfire/envelope").await.expect(200)["halts"][0]["reason"], "incident 7");
    assert_eq!(s.delete("/api/watchfire/halt").await.expect(200)["halted"], false);
    s.put("/api/watchfire/envelope", json!({"caps": [{"action": "ssh.run", "per_minute": 1}]})).await.expect(400);
    let limits = json!({"levels": {"w": "shadow"}, "caps": [{"action": "ssh.run", "scope": "target", "per_hour": 1}]});
    let shown = s.put("/api/watchfire/envelope", limits).await.expect(200);
    assert_eq!(shown["limits"]["levels"]["w"], "shadow");
    s.post("/api/watchfire/never-touch", json!({"kind": "host"})).await.expect(400);
    let shown = s.post("/api/watchfire/never-touch", json!({"kind": "host", "value": "dc*"})).await.expect(200);
    assert_eq!(shown["never_touch"][0]["value"], "dc*");
    s.delete("/api/watchfire/never-touch?kind=host&value=other").await.expect(404);
    assert_eq!(s.get("/api/watchfire/envelope/shadow").await.expect(200)["records"], json!([]));
}
