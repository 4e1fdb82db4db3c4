//! The management API of workflows: versions, archives, test runs, filters, what only a server sees.

use super::support::{PASSWORD, Server, basic, send, server, yaml};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::time::Duration;

async fn ended(s: &Server, id: &str) -> Value {
    for _ in 0..200 {
        let run = s.get(&format!("/api/workflows/executions/{id}?includeOutput=true")).await.expect(200);
        if matches!(run["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{id} does not end");
}

#[tokio::test]
async fn versions_are_listed_compared_and_restored() {
    let s = server().await;
    s.post("/api/workflows/workflow", json!({"yaml": yaml("one"), "id": "w"})).await.expect(200);
    let two = yaml("one").replace("\"hi\"", "\"ho\"") + "  - name: more\n    type: console\n    with: { message: m }\n";
    s.put("/api/workflows/workflow/w", json!({"yaml": two})).await.expect(200);
    let run = s.post("/api/workflows/workflow/w/run", json!({"inputs": {}})).await.expect(200);
    ended(&s, run["workflowExecutionId"].as_str().unwrap()).await;
    let all = s.get("/api/workflows/workflow/w/versions").await.expect(200);
    let rows = all["versions"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[0]["version"].as_u64(), &rows[0]["current"], &rows[0]["executions"]),
        (Some(2), &json!(true), &json!(1))
    );
    assert_eq!((&rows[1]["current"], &rows[1]["executions"], &rows[1]["steps"]), (&json!(false), &json!(0), &json!(1)));
    let diff = s.get("/api/workflows/workflow/w/diff?from=1").await.expect(200);
    assert_eq!((diff["added"].as_u64(), diff["removed"].as_u64()), (Some(4), Some(1)));
    assert_eq!(diff["steps"], json!({"added": ["more"], "removed": [], "changed": ["hello"]}));
    let restored = s.post("/api/workflows/workflow/w/versions/1/restore", Value::Null).await.expect(200);
    assert_eq!((restored["yaml"].as_str(), restored["version"].as_u64()), (Some(&*yaml("one")), Some(3)));
    assert_eq!(s.get("/api/workflows/workflow/w/versions/2").await.expect(200)["yaml"], two);
    assert!(s.get("/api/workflows/workflow/w/versions/9").await.message(404).contains("no version 9"));
    assert!(s.get("/api/workflows/workflow/w/versions/x").await.message(400).contains("is not a version"));
}

async fn import(s: &Server, kind: &str, body: Vec<u8>, query: &str) -> Value {
    let request = Request::post(format!("/api/workflows/import{query}"))
        .header("authorization", basic("elastic", PASSWORD))
        .header("kbn-xsrf", "x")
        .header("content-type", kind)
        .body(Body::from(body))
        .unwrap();
    let answer = send(&s.kibana, request).await;
    assert!(answer.status < 500, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn an_archive_goes_out_and_comes_in_again() {
    let s = server().await;
    for id in ["a", "b"] {
        s.post("/api/workflows/workflow", json!({"yaml": yaml(id), "id": id})).await.expect(200);
    }
    let request = Request::post("/api/workflows/export")
        .header("authorization", basic("elastic", PASSWORD))
        .header("kbn-xsrf", "x")
        .header("content-type", "application/json")
        .body(Body::from(json!({"ids": ["a", "b", "missing"]}).to_string()))
        .unwrap();
    let response = tower::ServiceExt::oneshot(s.kibana.clone(), request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/zip");
    assert!(response.headers()["content-disposition"].to_str().unwrap().contains("workflows_export_"));
    let zip = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
    assert!(zip.starts_with(b"PK"));
    let taken = import(&s, "application/zip", zip.clone(), "").await;
    assert_eq!((taken["created"].as_array().unwrap().len(), taken["failed"].as_array().unwrap().len()), (0, 2));
    s.delete("/api/workflows/workflow/a").await.expect(200);
    let again = import(&s, "application/zip", zip.clone(), "?overwrite=true").await;
    assert_eq!((again["created"].as_array().unwrap().len(), again["failed"].as_array().unwrap().len()), (2, 0));
    assert_eq!(s.get("/api/workflows/workflow/a").await.expect(200)["yaml"], yaml("a"));
    assert_eq!(s.get("/api/workflows/workflow/b").await.expect(200)["version"], 2);
    let cut = import(&s, "application/zip", zip[..zip.len() / 2].to_vec(), "").await;
    assert!(cut["message"].as_str().unwrap().contains("archive cannot be read"), "{cut}");
    let lines = format!("{}\n{}\n", json!({"id": "c", "yaml": yaml("c")}), json!({"id": "d", "yaml": "- no workflow"}));
    let lines = import(&s, "application/x-ndjson", lines.into_bytes(), "").await;
    let valid: Vec<&Value> = lines["created"].as_array().unwrap().iter().map(|w| &w["valid"]).collect();
    assert_eq!(valid, [true, false], "an invalid document is stored disabled");
    assert!(
        s.post("/api/workflows/export", json!({"ids": ["zzz"]})).await.message(404).contains("None of the requested")
    );
}

#[tokio::test]
async fn a_test_of_unsaved_text_leaves_no_workflow_behind() {
    let s = server().await;
    let run = s.post("/api/workflows/test", json!({"workflowYaml": yaml("unsaved"), "inputs": {}})).await.expect(200);
    let run = ended(&s, run["workflowExecutionId"].as_str().unwrap()).await;
    assert_eq!((run["status"].as_str(), &run["isTestRun"]), (Some("completed"), &json!(true)));
    assert_eq!(run["yaml"], yaml("unsaved"));
    let records = s.state.engine.store().read(|r| r.record_list(store::Noun::Workflow, "default")).unwrap();
    assert!(records.is_empty(), "{records:?}");
    assert_eq!(s.get("/api/workflows").await.expect(200)["total"], 0);
    let tests = s.get("/api/workflows/executions?executionTypes=test").await.expect(200);
    let others = s.get("/api/workflows/executions?executionTypes=production").await.expect(200);
    assert_eq!((tests["total"].as_u64(), others["total"].as_u64()), (Some(1), Some(0)));
    // Its own id is of nothing; what it was a test of stands beside it.
    assert!(run["workflowId"].as_str().unwrap().starts_with("test-"));
    assert_eq!(run["watchfire"]["test_of"], Value::Null);
    s.post("/api/workflows/workflow", json!({"yaml": yaml("kept"), "id": "kept"})).await.expect(200);
    let body = json!({"workflowId": "kept", "workflowYaml": yaml("kept, changed"), "inputs": {}});
    let of = s.post("/api/workflows/test", body).await.expect(200);
    let of = ended(&s, of["workflowExecutionId"].as_str().unwrap()).await;
    assert_eq!((&of["watchfire"]["test_of"], of["workflowId"] == "kept"), (&json!("kept"), false));
    let tests = s.get("/api/workflows/executions?executionTypes=test").await.expect(200);
    assert_eq!(tests["results"][0]["watchfire"]["test_of"], "kept");
    s.delete("/api/workflows/workflow/kept").await;
    let missing = s.post("/api/workflows/test", json!({"inputs": {}})).await.message(400);
    assert_eq!(missing, "Either 'workflowId' or 'workflowYaml' or both must be provided");
    assert_eq!(
        s.post("/api/workflows/test", json!({"workflowYaml": "- x", "inputs": {}})).await.message(400),
        "Workflow is not valid."
    );
}

#[tokio::test]
async fn a_rerun_is_linked_both_ways_and_a_dry_run_stays_one() {
    let s = server().await;
    s.post("/api/workflows/workflow", json!({"yaml": yaml("again"), "id": "again"})).await.expect(200);
    let first = s.post("/api/workflows/workflow/again/run", json!({"inputs": {}})).await.expect(200);
    let first = ended(&s, first["workflowExecutionId"].as_str().unwrap()).await;
    assert_eq!((&first["watchfire"]["rerun_of"], &first["watchfire"]["reruns"]), (&Value::Null, &json!([])));
    let rerun = format!("/api/workflows/executions/{}/rerun", first["id"].as_str().unwrap());
    let step = first["stepExecutions"][0]["id"].clone();
    let mut reruns = Vec::new();
    for body in [json!({}), json!({"from": step})] {
        let again = s.post(&rerun, body).await.expect(200);
        let again = ended(&s, again["workflowExecutionId"].as_str().unwrap()).await;
        assert_eq!((again["status"].as_str(), &again["watchfire"]["rerun_of"]), (Some("completed"), &first["id"]));
        assert_eq!(again["stepExecutions"].as_array().map(Vec::len), first["stepExecutions"].as_array().map(Vec::len));
        reruns.push(again["id"].clone());
    }
    let after = ended(&s, first["id"].as_str().unwrap()).await;
    assert_eq!(after["watchfire"]["reruns"], Value::Array(reruns));
    s.post(&rerun, json!({"from": "nobody"})).await.expect(404);

    let body = json!({"workflowId": "again", "inputs": {}, "dryRun": true});
    let tried = s.post("/api/workflows/test", body).await.expect(200);
    let tried = ended(&s, tried["workflowExecutionId"].as_str().unwrap()).await;
    let again = s.post(&format!("/api/workflows/executions/{}/rerun", tried["id"].as_str().unwrap()), json!({})).await;
    let again = ended(&s, again.expect(200)["workflowExecutionId"].as_str().unwrap()).await;
    assert_eq!((&again["watchfire"]["dry_run"], &again["isTestRun"]), (&json!(true), &json!(true)));

    let name = first["stepExecutions"][0]["stepId"].clone();
    let body = json!({"workflowId": "again", "stepId": name, "contextOverride": {}});
    let one = s.post("/api/workflows/step/test", body).await.expect(200);
    let one = one["workflowExecutionId"].as_str().unwrap();
    ended(&s, one).await;
    let refused = s.post(&format!("/api/workflows/executions/{one}/rerun"), json!({})).await.message(400);
    assert!(refused.contains("test the step again"), "{refused}");
}

#[tokio::test]
async fn a_form_shows_its_schema_and_its_answer_and_a_caller_knows_what_the_child_needs() {
    let s = server().await;
    let ask = "name: asks\nenabled: true\ntriggers: [{ type: manual }]\ninputs:\n  required: [host]\n  properties:\n    host: { type: string }\n\
               steps:\n  - name: ask\n    type: waitForInput\n    with:\n      message: what now\n      schema:\n        required: [yes]\n        \
               properties:\n          yes: { type: boolean }\n";
    s.post("/api/workflows/workflow", json!({"yaml": ask, "id": "asks"})).await.expect(200);
    let run = s.post("/api/workflows/workflow/asks/run", json!({"inputs": {"host": "h"}})).await.expect(200);
    let run = run["workflowExecutionId"].as_str().unwrap().to_owned();
    let began = std::time::Instant::now();
    let row = loop {
        let list = s.get(&format!("/api/watchfire/approvals?execution={run}")).await.expect(200);
        if let Some(row) = list["approvals"].get(0) {
            break row.clone();
        }
        assert!(began.elapsed().as_secs() < 20, "nobody is asked");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!((row["kind"].as_str(), &row["response"]), (Some("input"), &Value::Null));
    assert_eq!(row["schema"]["properties"]["yes"]["type"], "boolean");
    let resume = format!("/api/workflows/executions/{run}/resume");
    let body = |yes: Value| json!({"input": {"yes": yes}, "stepExecutionId": row["step_execution"]});
    s.post(&resume, body(json!("perhaps"))).await.expect(400);
    s.post(&resume, body(json!(true))).await.expect(200);
    let row = s.get(&format!("/api/watchfire/approvals/{}", row["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((row["state"].as_str(), &row["response"]), (Some("answered"), &json!({"yes": true})));

    let call = "name: calls\nenabled: true\ntriggers: [{ type: manual }]\nsteps:\n  - name: call\n    type: workflow.execute\n    with: { \
                workflow-id: asks, inputs: {} }\n";
    s.post("/api/workflows/workflow", json!({"yaml": call, "id": "calls"})).await.expect(200);
    let run = s.post("/api/workflows/workflow/calls/run", json!({"inputs": {}})).await.expect(200);
    let run = ended(&s, run["workflowExecutionId"].as_str().unwrap()).await;
    assert_eq!(run["status"], "failed");
    assert!(run["error"]["message"].as_str().is_some_and(|m| m.contains("host")), "{run}");
    let children = s.get(&format!("/api/workflows/executions/{}/children", run["id"].as_str().unwrap())).await;
    assert_eq!(children.expect(200)["total"], 0);
}

#[tokio::test]
async fn executions_are_filtered_by_time_and_kind() {
    let s = server().await;
    s.post("/api/workflows/workflow", json!({"yaml": yaml("w"), "id": "w"})).await.expect(200);
    let run = s.post("/api/workflows/workflow/w/run", json!({"inputs": {}})).await.expect(200);
    let run = ended(&s, run["workflowExecutionId"].as_str().unwrap()).await;
    let total = |q: &str| {
        let path = format!("/api/workflows/workflow/w/executions?{q}");
        let s = &s;
        async move { s.get(&path).await.expect(200)["total"].as_u64().unwrap() }
    };
    let started = run["startedAt"].as_str().unwrap();
    assert_eq!(total(&format!("startedAfter={started}&sortField=finishedAt")).await, 1);
    assert_eq!(total(&format!("startedBefore={started}")).await, 0);
    assert_eq!(total("finishedAfter=2020-01-01T00:00:00Z&statuses=completed&executedBy=elastic").await, 1);
    assert_eq!(total("executionTypes=test").await, 0);
    let children =
        s.get(&format!("/api/workflows/executions/{}/children", run["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(children["total"], 0);
    assert!(s.get("/api/workflows/executions?startedAfter=yesterday").await.message(400).contains("is not a time"));
    assert!(s.get("/api/workflows/executions?executionTypes=dry").await.message(400).contains("production or test"));
}

#[tokio::test]
async fn what_only_a_server_sees_is_said() {
    let s = server().await;
    let alert = yaml("a").replace("type: manual", "type: alert");
    let made = s.post("/api/workflows/workflow", json!({"yaml": alert, "id": "a"})).await.expect(200);
    let codes = |v: &Value| -> Vec<String> {
        v.as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&made["validationErrors"]), ["alertTriggerUnused"]);
    assert_eq!(made["valid"], true);
    let mut rule = super::support::rule("r");
    rule["actions"] = json!([{
        "action_type_id": ".workflows", "id": "system-connector-.workflows",
        "params": {"subAction": "run", "subActionParams": {"workflowId": "a"}}, "uuid": "u",
    }]);
    s.post("/api/detection_engine/rules", rule).await.expect(200);
    assert_eq!(codes(&s.get("/api/workflows/workflow/a").await.expect(200)["validationErrors"]), Vec::<String>::new());
    let limited =
        |name: &str| yaml(name) + "settings:\n  concurrency: { key: \"{{ event.rule.id }}\", strategy: drop }\n";
    s.post("/api/workflows/workflow", json!({"yaml": limited("x"), "id": "x"})).await.expect(200);
    let second = s.post("/api/workflows/validate", json!({"yaml": limited("y"), "workflowId": "y"})).await.expect(200);
    assert!(codes(&second["diagnostics"]).contains(&"sharedConcurrencyKey".to_owned()), "{second}");
    let fixed = s
        .post("/api/workflows/validate", json!({"yaml": yaml("z").replace("name: z", "name: z\nversion: 1")}))
        .await
        .expect(200);
    assert_eq!(fixed["diagnostics"][0]["fix"]["edits"][0]["text"], "\"1\"", "{fixed}");
}

#[tokio::test]
async fn figures_need_their_privilege() {
    let s = server().await;
    let text = s.get("/metrics").await;
    assert_eq!(text.status, 200);
    assert!(text.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in ["watchfire_runs_live ", "# TYPE watchfire_alerts gauge", "watchfire_alerts{status=\"open\"} 0"] {
        assert!(text.text.contains(line), "{line}: {}", text.text);
    }
    s.put("/internal/security/users/v", json!({"password": "long-enough", "roles": ["viewer"]})).await.expect(200);
    let refused = s.with("GET", "/metrics", &[("authorization", &basic("v", "long-enough"))], Value::Null).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn a_decision_holds_only_for_the_version_that_was_seen_and_each_alert_is_audited() {
    use stdx::Id;
    let s = server().await;
    for id in ["a1", "a2"] {
        s.alert(id, "h", "low").await;
    }
    let status = |ids: &[&str], status: &str| triage::Command::AlertStatus {
        ids: ids.iter().map(|i| Id::from(*i)).collect(),
        status: status.into(),
        reason: None,
    };
    let decide = |version: u64, to: &str| triage::Command::AlertDecide {
        id: Id::from("a1"),
        version,
        commands: vec![status(&["a1"], to)],
    };
    let request = |command| triage::command::Request {
        space: "default".into(),
        by: triage::Actor::person("ann", "api"),
        key: None,
        command,
    };
    // Two people decide what they both saw: both commits are made of version 1.
    let commit = store::Commit {
        now: stdx::Time::parse("2026-11-24T10:00:01Z").unwrap(),
        commands: vec![request(decide(1, "closed")), request(decide(1, "acknowledged"))],
        independent: true,
        ..store::Commit::default()
    };
    let done = s.state.engine.commit(commit).await.unwrap();
    assert!(done.results[0].is_ok(), "{:?}", done.results);
    assert_eq!(done.results[1].as_ref().unwrap_err().kind, triage::RefusalKind::Conflict);
    s.post("/api/detection_engine/signals/status", json!({"signal_ids": ["a1", "a2", "gone"], "status": "open"}))
        .await
        .expect(200);
    let audited = s.audited();
    let of = |id: &str| audited.iter().filter(|a| &*a.action == "alert.status" && &*a.of.1 == id).count();
    assert_eq!((of("a1"), of("a2"), of("gone")), (2, 1, 0));
}
