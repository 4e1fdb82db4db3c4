//! Vectors of the cases API (`reference/kibana-apis.md` §9).

use super::support::{PASSWORD, basic, new_case, server};
use base64::Engine as _;
use serde_json::{Value, json};

#[tokio::test]
async fn v01_a_write_without_kbn_xsrf_is_refused_with_basic() {
    let s = server().await;
    let answer =
        s.with("POST", "/api/cases", &[("authorization", &basic("elastic", PASSWORD))], new_case("t", false)).await;
    assert_eq!(answer.message(400), "Request must contain a kbn-xsrf header.");
}

#[tokio::test]
async fn v02_an_api_key_needs_no_kbn_xsrf() {
    let s = server().await;
    let key = s.es("POST", "/_security/api_key", json!({"name": "k"})).await.expect(200);
    let header = format!("ApiKey {}", key["encoded"].as_str().unwrap());
    s.with("POST", "/api/cases", &[("authorization", &header)], new_case("t", false)).await.expect(200);
}

#[tokio::test]
async fn v03_to_v07_create_and_get() {
    let s = server().await;
    let answer = s.post("/api/cases", new_case("Investigation for Alert", true)).await;
    assert_eq!(answer.header("elastic-api-version"), "2023-10-31");
    assert_eq!(answer.header("kbn-name"), "watchfire");
    let case = answer.expect(200);
    assert_eq!(case["status"], "open");
    assert_eq!(case["comments"], json!([]));
    let version = base64::engine::general_purpose::STANDARD.decode(case["version"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&version).unwrap().as_array().unwrap().len(), 2);

    let long = s.post("/api/cases", new_case(&"x".repeat(161), true)).await;
    assert_eq!(long.message(400), "The length of the title is too long. The maximum length is 160.");
    let mut body = new_case("t", true);
    body.as_object_mut().unwrap().remove("settings");
    s.post("/api/cases", body).await.expect(400);

    let id = case["id"].as_str().unwrap();
    assert!(s.get(&format!("/api/cases/{id}")).await.expect(200).get("comments").is_none());
    assert_eq!(s.get(&format!("/api/cases/{id}?includeComments=true")).await.expect(200)["comments"], json!([]));
    assert_eq!(s.get("/api/cases/x").await.message(404), "Saved object [cases/x] not found");
    assert_eq!(s.get(&format!("/s/default/api/cases/{id}")).await.expect(200)["id"], id);
    s.get(&format!("/s/other/api/cases/{id}")).await.expect(404);
}

#[tokio::test]
async fn v08_to_v12_patch_and_versions() {
    let s = server().await;
    let (id, version) = s.case("a", false).await;
    let change = |id: &str, version: &str, more: Value| {
        let mut item = json!({"id": id, "version": version});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let one = |item: Value| json!({"cases": [item]});
    let changed = s.patch("/api/cases", one(change(&id, &version, json!({"status": "in-progress"})))).await.expect(200);
    assert_eq!(changed.as_array().unwrap().len(), 1);
    assert_ne!(changed[0]["version"], version.as_str());
    assert!(changed[0]["in_progress_at"].is_string());
    let stale = s.patch("/api/cases", one(change(&id, &version, json!({"status": "closed"})))).await;
    let body = stale.json();
    assert_eq!(
        stale.message(409),
        format!("These cases {id} have been updated. Please refresh before saving additional updates.")
    );
    assert_eq!(body["attributes"]["current"]["id"], id.as_str());
    let version = changed[0]["version"].as_str().unwrap();
    let same = s.patch("/api/cases", one(change(&id, version, json!({"status": "in-progress"})))).await;
    assert_eq!(same.message(406), "All update fields are identical to current version.");

    let (other, other_version) = s.case("b", false).await;
    let two = json!({"cases": [change(&other, &other_version, json!({"status": "closed"})), change(&id, "WzEsMV0=", json!({"status": "closed"}))]});
    s.patch("/api/cases", two).await.expect(409);
    assert_eq!(
        s.get(&format!("/api/cases/{other}")).await.expect(200)["status"],
        "open",
        "one stale version stops all"
    );

    s.patch("/api/cases", one(change(&id, version, json!({"owner": "cases"})))).await.expect(400);
    let kept =
        change(&id, version, json!({"owner": "securitySolution", "tags": ["auto-generated", "investigation", "new"]}));
    assert_eq!(s.patch("/api/cases", one(kept)).await.expect(200)[0]["tags"][2], "new");
    let gone = s.patch("/api/cases", one(change("nope", version, json!({"title": "x"})))).await;
    assert_eq!(gone.message(404), "These cases nope do not exist. Please check you have the correct ids.");
}

#[tokio::test]
async fn v13_a_comment_gives_the_case_a_new_version() {
    let s = server().await;
    let (id, version) = s.case("a", false).await;
    let comment = json!({"type": "user", "owner": "securitySolution", "comment": "seen"});
    let case = s.post(&format!("/api/cases/{id}/comments"), comment).await.expect(200);
    assert_eq!(case["comments"][0]["comment"], "seen");
    assert_eq!(case["totalComment"], 1);
    s.patch("/api/cases", json!({"cases": [{"id": id, "version": version, "title": "b"}]})).await.expect(409);
}

#[tokio::test]
async fn v14_to_v16_alerts_of_a_case_follow_its_status() {
    let s = server().await;
    s.alert("a1", "host-7", "high").await;
    let (id, _) = s.case("a", true).await;
    let attach = json!({
        "type": "alert", "owner": "securitySolution", "alertId": ["a1"], "index": [".internal.alerts-security.alerts-default-000001"],
        "rule": {"id": "r1", "name": "Rule one"},
    });
    for _ in 0..2 {
        let case = s.post(&format!("/api/cases/{id}/comments"), attach.clone()).await.expect(200);
        assert_eq!((case["totalAlerts"].as_i64(), case["comments"].as_array().unwrap().len()), (Some(1), 1));
    }
    for (status, alert) in [("closed", "closed"), ("open", "open"), ("in-progress", "acknowledged")] {
        let version = s.get(&format!("/api/cases/{id}")).await.expect(200)["version"].clone();
        s.patch("/api/cases", json!({"cases": [{"id": id, "version": version, "status": status}]})).await.expect(200);
        let found = s
            .post("/api/detection_engine/signals/search", json!({"query": {"term": {"kibana.alert.uuid": "a1"}}}))
            .await
            .expect(200);
        assert_eq!(found["hits"]["hits"][0]["_source"]["kibana.alert.workflow_status"], alert);
    }
    let version = s.get(&format!("/api/cases/{id}")).await.expect(200)["version"].clone();
    s.patch("/api/cases", json!({"cases": [{"id": id, "version": version, "status": "closed"}]})).await.expect(200);
    s.alert("a2", "host-7", "high").await;
    let late = json!({"type": "alert", "owner": "securitySolution", "alertId": ["a2"], "index": ["i"], "rule": {"id": null, "name": null}});
    assert_eq!(
        s.post(&format!("/api/cases/{id}/comments"), late).await.message(400),
        "Alert cannot be attached to a closed case"
    );
    let alerts = s.get(&format!("/api/cases/{id}/alerts")).await.expect(200);
    assert_eq!(alerts[0]["id"], "a1");
    assert_eq!(s.get("/api/cases/alerts/a1").await.expect(200)[0]["id"], id.as_str());
}

#[tokio::test]
async fn v17_delete() {
    let s = server().await;
    let (id, _) = s.case("a", false).await;
    let answer = s.delete(&format!("/api/cases?ids=%5B%22{id}%22%5D")).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    s.get(&format!("/api/cases/{id}")).await.expect(404);
    let (bare, _) = s.case("b", false).await;
    assert_eq!(s.delete(&format!("/api/cases?ids={bare}")).await.status, 204, "one bare id is taken too");
}

#[tokio::test]
async fn v18_to_v20_find() {
    let s = server().await;
    assert_eq!(
        s.get("/api/cases/_find?perPage=101").await.message(400),
        "The provided perPage value is too high. The maximum allowed perPage value is 100."
    );
    s.get("/api/cases/_find?page=101&perPage=100").await.expect(400);
    for i in 0..45 {
        s.case(&format!("case {i}"), false).await;
    }
    let (id, version) = s.case("last", false).await;
    s.patch("/api/cases", json!({"cases": [{"id": id, "version": version, "status": "closed"}]})).await.expect(200);
    let closed = s.get("/api/cases/_find?status=closed").await.expect(200);
    assert_eq!(
        (closed["total"].as_i64(), closed["count_open_cases"].as_i64(), closed["count_closed_cases"].as_i64()),
        (Some(1), Some(45), Some(1))
    );
    let all = s.get("/api/cases/_find?sortField=createdAt&sortOrder=asc").await.expect(200);
    assert_eq!(
        (all["cases"].as_array().unwrap().len(), all["total"].as_i64(), all["per_page"].as_i64()),
        (20, Some(46), Some(20))
    );
    assert_eq!(s.get("/api/cases/_find?search=last").await.expect(200)["total"], 1);
    assert_eq!(
        s.get("/api/cases/_find?tags=auto-generated,x").await.expect(200)["total"],
        46,
        "parts of a comma list count"
    );
    assert_eq!(s.get("/api/cases/_find?assignees=none&owner=securitySolution").await.expect(200)["total"], 46);
    assert_eq!(s.get("/api/cases/_find?from=now-1h&to=now").await.expect(200)["total"], 46);
    s.get("/api/cases/_find?from=yesterday-ish").await.expect(400);
    let status = s.get("/api/cases/status").await;
    assert!(status.header("warning").starts_with("299 "));
    assert_eq!(status.expect(200)["count_open_cases"], 45);
    assert_eq!(s.get("/api/cases/tags").await.expect(200), json!(["auto-generated", "investigation"]));
    assert_eq!(s.get("/api/cases/reporters").await.expect(200)[0]["username"], "elastic");
}

#[tokio::test]
async fn v21_comments_have_a_life_of_their_own() {
    let s = server().await;
    let (id, _) = s.case("a", false).await;
    let path = format!("/api/cases/{id}/comments");
    assert_eq!(s.delete(&path).await.message(404), format!("No comments found for {id}."));
    let add = |text: &str| json!({"type": "user", "owner": "securitySolution", "comment": text});
    let case = s.post(&path, add("one")).await.expect(200);
    let (comment, version) =
        (case["comments"][0]["id"].as_str().unwrap().to_owned(), case["comments"][0]["version"].clone());
    assert_eq!(s.get(&format!("{path}/{comment}")).await.expect(200)["comment"], "one");
    let change =
        json!({"id": comment, "version": version, "type": "user", "owner": "securitySolution", "comment": "two"});
    assert_eq!(s.patch(&path, change.clone()).await.expect(200)["comments"][0]["comment"], "two");
    s.patch(&path, change).await.expect(409);
    assert_eq!(s.get(&path).await.expect(200).as_array().unwrap().len(), 1, "the deprecated list is a bare array");
    assert_eq!(s.get(&format!("{path}/_find")).await.expect(200)["per_page"], 20);
    assert_eq!(s.delete(&format!("{path}/{comment}")).await.status, 204);
    assert_eq!(
        s.get(&format!("{path}/{comment}")).await.message(404),
        format!("This comment {comment} does not exist anymore.")
    );
    let actions = s.get(&format!("/api/cases/{id}/user_actions/_find?types=comment")).await.expect(200);
    assert_eq!((actions["total"].as_i64(), actions["perPage"].as_i64()), (Some(3), Some(20)));
    let line = s.get(&format!("/api/watchfire/cases/{id}/timeline?order=oldest")).await.expect(200);
    assert_eq!(line["entries"][0]["field"], "created");
    assert_eq!(line["entries"][0]["by"]["kind"], "person");
}

#[tokio::test]
async fn v28_to_v32_versions_and_envelopes() {
    let s = server().await;
    let with = |version: &'static str| {
        let auth = basic("elastic", PASSWORD);
        let s = &s;
        async move {
            let headers = [("authorization", auth.as_str()), ("kbn-xsrf", "x"), ("elastic-api-version", version)];
            (
                s.with("GET", "/api/detection_engine/rules/_find", &headers, Value::Null).await,
                s.with("GET", "/api/cases/_find", &headers, Value::Null).await,
            )
        }
    };
    let (detection, cases) = with("2020-01-01").await;
    assert_eq!(
        detection.message(400),
        "No version \"2020-01-01\" available for [get] [/api/detection_engine/rules/_find]. Available versions are: [2023-10-31]"
    );
    cases.expect(200);
    assert_eq!(
        with("now").await.0.message(400),
        "Invalid version. Received \"now\", expected a valid date string formatted as YYYY-MM-DD."
    );
    assert_eq!(s.es("GET", "/_security/_authenticate", Value::Null).await.header("x-elastic-product"), "Elasticsearch");
    assert_eq!(s.get("/api/cases/alerts/none").await.expect(200), json!([]));
    s.alert("a1", "h", "low").await;
    let changed = s
        .post(
            "/api/detection_engine/signals/status",
            json!({"signal_ids": ["a1"], "status": "closed", "reason": "false_positive"}),
        )
        .await
        .expect(200);
    assert_eq!(
        (changed["updated"].as_i64(), changed["version_conflicts"].as_i64(), changed["failures"].clone()),
        (Some(1), Some(0), json!([]))
    );
    let by_query = json!({"query": {"term": {"host.name": "h"}}, "status": "open", "conflicts": "proceed"});
    assert_eq!(s.post("/api/detection_engine/signals/status", by_query).await.expect(200)["updated"], 1);
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_back() {
    let s = server().await;
    let auth = basic("elastic", PASSWORD);
    let headers = [("authorization", auth.as_str()), ("kbn-xsrf", "x"), ("idempotency-key", "k-1")];
    let first = s.with("POST", "/api/cases", &headers, new_case("once", false)).await.expect(200);
    let second = s.with("POST", "/api/cases", &headers, new_case("once", false)).await.expect(200);
    assert_eq!(first["id"], second["id"]);
    assert_eq!(s.get("/api/cases/_find").await.expect(200)["total"], 1);
}

#[tokio::test]
async fn an_alert_is_found_through_the_event_index_too() {
    let s = server().await;
    s.alert("a1", "h1", "high").await;
    for name in [
        ".alerts-security.alerts-default",
        ".internal.alerts-security.alerts-default-000001",
        ".alerts-security.alerts-*",
    ] {
        let found = s
            .es("POST", &format!("/{name}/_search"), json!({"query": {"term": {"host.name": "h1"}}}))
            .await
            .expect(200);
        assert_eq!(found["hits"]["total"]["value"], 1, "{name}: {found}");
        assert_eq!(found["hits"]["hits"][0]["_index"], ".internal.alerts-security.alerts-default-000001");
    }
    // What aggregates is answered by the index, whatever their number.
    let body = json!({"aggs": {"hosts": {"terms": {"field": "host.name"}}}});
    let found = s.post("/api/detection_engine/signals/search", body).await.expect(200);
    assert_eq!(found["hits"]["total"]["value"], 1, "{found}");
    assert_eq!(found["aggregations"]["hosts"]["buckets"][0]["key"], "h1", "{found}");
}
