//! Rules, workflows, connectors, alerts of the queue: the ways people use them.

use super::support::{rule, server, yaml};
use serde_json::{Value, json};

#[tokio::test]
async fn rules_live_and_their_actions_name_enabled_workflows() {
    let s = server().await;
    let made = s.post("/api/detection_engine/rules", rule("one")).await.expect(200);
    assert_eq!(
        (made["enabled"].as_bool(), made["revision"].as_i64(), made["interval"].as_str()),
        (Some(true), Some(0), Some("5m"))
    );
    let id = made["id"].as_str().unwrap();
    let path = format!("/api/detection_engine/rules?id={id}");
    assert_eq!(s.get(&path).await.expect(200)["name"], "one");
    let again = s.post("/api/detection_engine/rules", json!({"rule_id": made["rule_id"], "type": "query", "name": "n", "description": "d", "risk_score": 1, "severity": "low", "query": "*"})).await;
    assert_eq!(
        again.expect(409),
        json!({"message": format!("rule_id: \"{}\" already exists", made["rule_id"].as_str().unwrap()), "status_code": 409})
    );
    let changed = s
        .patch("/api/detection_engine/rules", json!({"id": id, "enabled": false, "tags": ["key: value"]}))
        .await
        .expect(200);
    assert_eq!((changed["enabled"].as_bool(), changed["revision"].as_i64()), (Some(false), Some(1)));
    let found = s.get("/api/detection_engine/rules/_find?filter=alert.attributes.enabled:%20false%20AND%20alert.attributes.tags:(%22key:%20value%22)&page=1&per_page=1").await.expect(200);
    assert_eq!((found["total"].as_i64(), found["perPage"].as_i64()), (Some(1), Some(1)));
    let enabled = s
        .post(
            "/api/detection_engine/rules/_bulk_action",
            json!({"action": "enable", "query": "alert.attributes.tags:(\"key: value\")"}),
        )
        .await
        .expect(200);
    assert_eq!(enabled["attributes"]["summary"]["succeeded"], 1);

    let action = |workflow: &str| json!([{"action_type_id": ".workflows", "id": "system-connector-.workflows", "params": {"subAction": "run", "subActionParams": {"workflowId": workflow, "summaryMode": false}}}]);
    let mut with = rule("two");
    with["actions"] = action("nope");
    assert!(
        s.post("/api/detection_engine/rules", with.clone())
            .await
            .message(400)
            .contains("workflow `nope` does not exist")
    );
    let workflow = s.post("/api/workflows/workflow", json!({"yaml": yaml("contain")})).await.expect(200);
    with["actions"] = action(workflow["id"].as_str().unwrap());
    let made = s.post("/api/detection_engine/rules", with.clone()).await.expect(200);
    let uuid = made["actions"][0]["uuid"].as_str().unwrap().to_owned();
    let mut put = made.clone();
    put["name"] = json!("three");
    let put = s.put("/api/detection_engine/rules", put).await.expect(200);
    assert_eq!(put["actions"][0]["uuid"], uuid.as_str(), "an action keeps its uuid");
    assert!(
        s.delete(&format!("/api/workflows/workflow/{}", workflow["id"].as_str().unwrap()))
            .await
            .message(409)
            .contains("three")
    );
    s.put(&format!("/api/workflows/workflow/{}", workflow["id"].as_str().unwrap()), json!({"enabled": false}))
        .await
        .expect(200);
    assert!(s.post("/api/detection_engine/rules", with).await.message(400).contains("disabled"));

    let exported = s.post("/api/detection_engine/rules/_export", Value::Null).await;
    assert_eq!(exported.header("content-type"), "application/ndjson");
    assert_eq!(exported.text.lines().count(), 3);
    let gone = s.delete(&path).await.expect(200);
    assert_eq!(gone["id"], id, "deleting answers with the rule");
    assert_eq!(
        s.get(&path).await.expect(404),
        json!({"message": format!("id: \"{id}\" not found"), "status_code": 404})
    );
}

#[tokio::test]
async fn imported_rules_count_and_collide() {
    let s = server().await;
    let line = |id: &str| {
        let mut r = rule(id);
        r["rule_id"] = json!(id);
        r.to_string()
    };
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"r.ndjson\"\r\n\r\n{}\n{}\nnot json\n\r\n--b--\r\n",
        line("a"),
        line("b")
    );
    let import = |body: String, query: &str| {
        let request = axum::http::Request::post(format!("/api/detection_engine/rules/_import{query}"))
            .header("authorization", super::support::basic("elastic", super::support::PASSWORD))
            .header("kbn-xsrf", "x")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(axum::body::Body::from(body))
            .unwrap();
        super::support::send(&s.kibana, request)
    };
    let first = import(body.clone(), "").await.expect(200);
    assert_eq!(
        (first["success_count"].as_i64(), first["rules_count"].as_i64(), first["errors"].as_array().unwrap().len()),
        (Some(2), Some(3), 1)
    );
    let second = import(body.clone(), "").await.expect(200);
    assert_eq!(second["errors"][0]["error"]["status_code"], 409);
    let third = import(body, "?overwrite=true").await.expect(200);
    assert_eq!(third["success_count"], 2);
}

#[tokio::test]
async fn workflows_are_stored_enabled_changed_and_run() {
    let s = server().await;
    let made = s.post("/api/workflows/workflow", json!({"yaml": yaml("say hello")})).await.expect(200);
    assert_eq!(
        (made["id"].as_str(), made["valid"].as_bool(), made["enabled"].as_bool()),
        (Some("say-hello"), Some(true), Some(true))
    );
    assert_eq!(made["definition"]["name"], "say hello");
    let list = s.get("/api/workflows?query=hello").await.expect(200);
    assert_eq!((list["total"].as_i64(), list["results"][0]["watchfire"]["steps"].as_i64()), (Some(1), Some(1)));
    let off = s.put("/api/workflows/workflow/say-hello", json!({"enabled": false})).await.expect(200);
    assert_eq!(off["enabled"], false);
    assert_eq!(
        s.post("/api/workflows/workflow/say-hello/run", json!({"inputs": {}})).await.message(400),
        "Workflow is disabled. Enable it to run it."
    );
    s.put("/api/workflows/workflow/say-hello", json!({"enabled": true})).await.expect(200);
    let run = s.post("/api/workflows/workflow/say-hello/run", json!({"inputs": {}})).await.expect(200);
    let id = run["workflowExecutionId"].as_str().unwrap().to_owned();
    let done = until(
        || async { s.get(&format!("/api/workflows/executions/{id}")).await.expect(200) },
        |e| e["status"] == "completed",
    )
    .await;
    assert_eq!(done["stepExecutions"][0]["stepId"], "hello");
    assert_eq!(done["stepExecutions"][0]["status"], "completed");
    assert!(done["yaml"].as_str().unwrap().contains("say hello"));
    let step = done["stepExecutions"][0]["id"].as_str().unwrap();
    s.get(&format!("/api/workflows/executions/{id}/step/{step}")).await.expect(200);
    let logs = s.get(&format!("/api/workflows/executions/{id}/logs")).await.expect(200);
    assert_eq!(logs["logs"][0]["message"], "hi");
    let runs = s.get("/api/workflows/workflow/say-hello/executions").await.expect(200);
    assert_eq!((runs["total"].as_i64(), runs["results"][0]["triggeredBy"].as_str()), (Some(1), Some("manual")));
    assert_eq!(s.get("/api/workflows/executions?statuses=failed").await.expect(200)["total"], 0);
    s.post(&format!("/api/workflows/executions/{id}/cancel"), json!({})).await.expect(409);
    assert_eq!(
        s.get("/api/workflows/executions/nope").await.message(404),
        "Workflow execution with id \"nope\" not found"
    );

    let auth = super::support::basic("elastic", super::support::PASSWORD);
    let keyed = [("authorization", auth.as_str()), ("kbn-xsrf", "x"), ("idempotency-key", "run-1")];
    let first =
        s.with("POST", "/api/workflows/workflow/say-hello/run", &keyed, json!({"inputs": {}})).await.expect(200);
    let second =
        s.with("POST", "/api/workflows/workflow/say-hello/run", &keyed, json!({"inputs": {}})).await.expect(200);
    assert_eq!(first, second, "the same key is the same run");
    assert_eq!(s.get("/api/workflows/workflow/say-hello/executions").await.expect(200)["total"], 2);

    let test = s.post("/api/workflows/test", json!({"workflowYaml": yaml("tested"), "inputs": {}})).await.expect(200);
    assert!(test["workflowExecutionId"].is_string());
    assert_eq!(s.get("/api/workflows").await.expect(200)["total"], 1, "a tested text is no workflow of the list");
    assert_eq!(
        s.post("/api/workflows/test", json!({"inputs": {}})).await.message(400),
        "Either 'workflowId' or 'workflowYaml' or both must be provided"
    );
    let broken = s
        .post("/api/workflows/workflow", json!({"yaml": "name: broken\nenabled: true\nsteps: [", "id": "broken"}))
        .await
        .expect(200);
    assert_eq!((broken["valid"].as_bool(), broken["enabled"].as_bool()), (Some(false), Some(false)));
    assert_eq!(
        s.post("/api/workflows/workflow/broken/run", json!({"inputs": {}})).await.message(400),
        "Workflow is not valid."
    );
    s.put("/api/workflows/workflow/broken", json!({"enabled": true})).await.expect(400);
    assert_eq!(s.delete("/api/workflows/workflow/broken").await.status, 200);
    let many = s
        .post(
            "/api/workflows",
            json!({"workflows": [{"yaml": yaml("m1"), "id": "m1"}, {"yaml": yaml("m2"), "id": "m1"}]}),
        )
        .await
        .expect(200);
    assert_eq!((many["created"].as_array().unwrap().len(), many["failed"][0]["index"].as_i64()), (1, Some(1)));
}

async fn until<F: Future<Output = Value>>(mut read: impl FnMut() -> F, done: impl Fn(&Value) -> bool) -> Value {
    let began = std::time::Instant::now();
    loop {
        let value = read().await;
        if done(&value) {
            return value;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{value}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn connectors_never_show_their_secrets() {
    let s = server().await;
    let canary = "canary-secret-0451";
    let body = json!({"name": "chat", "connector_type_id": ".slack_api", "config": {}, "secrets": {"token": canary}});
    let made = s.call("POST", "/s/default/api/actions/connector", body.clone()).await;
    assert!(!made.text.contains(canary));
    let made = made.expect(200);
    let id = made["id"].as_str().unwrap();
    assert!(s.get("/api/actions/connectors").await.expect(200).as_array().unwrap().iter().any(|c| c["id"] == id));
    for path in
        [format!("/api/actions/connector/{id}"), "/api/actions/connectors".into(), "/api/watchfire/catalogue".into()]
    {
        assert!(!s.get(&path).await.text.contains(canary), "{path}");
    }
    assert!(!format!("{:?}", s.audited()).contains(canary), "the audit trail must not hold it");
    let taken = s.post(&format!("/api/actions/connector/{id}"), body).await;
    taken.expect(409);
    let unknown =
        s.post("/api/actions/connector", json!({"name": "x", "connector_type_id": ".fly", "config": {}})).await;
    assert_eq!(unknown.message(400), "Action type \".fly\" is not registered.");
    let system = s.post("/api/actions/connector", json!({"name": "x", "connector_type_id": ".workflows"})).await;
    assert_eq!(system.message(400), "System action creation is forbidden. Action type: .workflows.");
    assert_eq!(s.get("/api/actions/connector/nope").await.message(404), "Saved object [action/nope] not found");
    assert_eq!(s.delete(&format!("/api/actions/connector/{id}")).await.status, 204);
}

#[tokio::test]
async fn v23_executing_against_a_dead_address_is_200_with_an_error() {
    let s = server().await;
    let made = s.post("/api/actions/connector", json!({"name": "hook", "connector_type_id": ".webhook", "config": {"url": "http://127.0.0.1:1/x"}, "secrets": {}})).await.expect(200);
    let id = made["id"].as_str().unwrap();
    let run =
        s.post(&format!("/api/actions/connector/{id}/_execute"), json!({"params": {"body": "{}"}})).await.expect(200);
    assert_eq!((run["status"].as_str(), run["connector_id"].as_str()), (Some("error"), Some(id)));
}

#[tokio::test]
async fn the_queue_groups_decides_and_takes_back() {
    let s = server().await;
    for (id, host, severity) in [("a1", "web-1", "low"), ("a2", "web-2", "critical"), ("a3", "web-1", "high")] {
        s.alert(id, host, severity).await;
    }
    let queue = s.get("/api/watchfire/alerts/queue").await.expect(200);
    assert_eq!((queue["total"].as_i64(), queue["counts"]["open"].as_i64()), (Some(3), Some(3)));
    let groups = queue["groups"].as_array().unwrap();
    assert_eq!(
        (groups[0]["key"].as_str(), groups[1]["key"].as_str(), groups[1]["count"].as_i64()),
        (Some("host:web-2"), Some("host:web-1"), Some(2))
    );
    assert_eq!(queue["ages"]["buckets"].as_array().unwrap().len(), 24);
    assert_eq!(
        s.get("/api/watchfire/alerts/queue?q=host.name:%20%22web-1%22&group=none").await.expect(200)["total"],
        2
    );
    assert_eq!(s.get("/api/watchfire/alerts/queue?severity=critical").await.expect(200)["total"], 1);
    assert_eq!(s.get("/api/watchfire/alerts/queue?size=1").await.expect(200)["cursor"], "1");
    assert_eq!(s.get("/api/watchfire/alerts/queue?in=host:web-1&size=1").await.expect(200)["groups"][0]["cursor"], "1");
    s.get("/api/watchfire/alerts/queue?q=host.name:%20(").await.expect(400);

    let version = groups[0]["members"][0]["version"].clone();
    let decide = json!({"items": [{"id": "a2", "version": version}, {"id": "nope"}, {"id": "a1", "version": "stale"}], "kind": "acknowledge", "assignee": "u_elastic"});
    let done = s.post("/api/watchfire/alerts/decide", decide).await.expect(200);
    assert_eq!((done["changed"].as_i64(), done["refused"].as_i64()), (Some(1), Some(2)));
    assert_eq!(
        (
            done["results"][0]["status"].as_str(),
            done["results"][1]["code"].as_str(),
            done["results"][2]["code"].as_str()
        ),
        (Some("acknowledged"), Some("not_found"), Some("conflict"))
    );
    assert_eq!(s.get("/api/watchfire/alerts/queue?view=mine").await.expect(200)["total"], 1);
    let token = done["undo"].clone();
    let back = s.post("/api/watchfire/alerts/undo", json!({"token": token})).await.expect(200);
    assert_eq!((back["changed"].as_i64(), back["results"][0]["status"].as_str()), (Some(1), Some("open")), "{back}");
    s.post("/api/watchfire/alerts/undo", json!({"token": token})).await.expect(404);
    assert_eq!(s.get("/api/watchfire/alerts/queue?view=mine").await.expect(200)["total"], 0);

    let close = json!({"items": [{"id": "a1"}], "kind": "close", "reason": "false_positive"});
    s.post("/api/watchfire/alerts/decide", close).await.expect(200);
    let closed = s.get("/api/watchfire/alerts/queue?view=closed").await.expect(200);
    assert_eq!((closed["total"].as_i64(), closed["decided_24h"]["by_people"].as_i64()), (Some(1), Some(1)));
    let one = s.get("/api/watchfire/alerts/a1").await.expect(200);
    assert_eq!(
        (one["row"]["close_reason"].as_str(), one["source"]["host"]["name"].as_str()),
        (Some("false_positive"), Some("web-1"))
    );
    let history = s.get("/api/watchfire/alerts/a1/history").await.expect(200);
    let kinds: Vec<_> =
        history["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect();
    assert!(kinds.contains(&"raised".to_owned()) && kinds.contains(&"status".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn search_setup_and_counts() {
    let s = server().await;
    s.alert("a1", "web-1", "low").await;
    s.case("Credential theft", false).await;
    let found = s.get("/api/watchfire/search?q=credential").await.expect(200);
    assert_eq!(
        (found["results"][0]["kind"].as_str(), found["results"][0]["title"].as_str()),
        (Some("case"), Some("#1 Credential theft"))
    );
    assert_eq!(s.get("/api/watchfire/search?q=web-1").await.expect(200)["results"][0]["kind"], "alert");
    assert_eq!(s.get("/api/watchfire/setup").await.expect(200)["done"], false);
    let counts = s.get("/api/watchfire/counts").await.expect(200);
    assert_eq!((counts["alerts"].as_i64(), counts["cases"].as_i64()), (Some(1), Some(1)));
}

#[tokio::test]
async fn the_stream_tells_changes_and_resumes() {
    use futures::StreamExt;
    let s = server().await;
    let request = |since: Option<&str>| {
        let mut r = axum::http::Request::get("/api/watchfire/stream?topics=cases")
            .header("authorization", super::support::basic("elastic", super::support::PASSWORD));
        if let Some(since) = since {
            r = r.header("last-event-id", since);
        }
        r.body(axum::body::Body::empty()).unwrap()
    };
    let open = |since: Option<&str>| tower::ServiceExt::oneshot(s.kibana.clone(), request(since));
    let response = open(None).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut seen = String::new();
    while !seen.contains("event: beat") {
        seen.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(seen.starts_with("retry: 2000"));
    let (id, _) = s.case("streamed", false).await;
    while !seen.contains(&id) {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(5), body.next()).await.unwrap();
        seen.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    assert!(seen.contains("\"topic\":\"cases\""));
    // A page that was away gets what it missed.
    let mut body = open(Some("1")).await.unwrap().into_body().into_data_stream();
    let mut seen = String::new();
    while !seen.contains("event: beat") {
        seen.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(seen.contains(&id) || seen.contains("event: gap"), "{seen}");
    let mut body = open(Some("999999")).await.unwrap().into_body().into_data_stream();
    let mut seen = String::new();
    while !seen.contains("event: beat") {
        seen.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(seen.contains("event: gap"));
}
