//! The whole table: default deny, and an audit entry for every change.

use super::support::{PASSWORD, Server, fine, new_case, rule, server, yaml};
use api::table::{Access, Method, Route};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn concrete(route: &Route) -> String {
    route.path.split('/').map(|p| if p.starts_with('{') { "x" } else { p }).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn without_credentials_every_row_but_the_open_ones_is_401() {
    let s = server().await;
    let mut open = Vec::new();
    for route in api::routes::all() {
        let answer = s.with(route.method.as_str(), &concrete(route), &[("kbn-xsrf", "x")], Value::Null).await;
        match route.access {
            Access::Open => open.push(route.path),
            // No webhook has this path, and whoever is signed in makes no difference.
            Access::Signed => assert_eq!(answer.status, 404, "{}", route.path),
            _ => assert_eq!(answer.status, 401, "{} {}: {}", route.method.as_str(), route.path, answer.text),
        }
    }
    open.sort_unstable();
    assert_eq!(open, ["/api/status", "/healthz", "/internal/security/login", "/internal/security/logout"]);
    for route in api::routes::elasticsearch().chain(api::es::ROUTES) {
        let request = axum::http::Request::builder().method(route.method.as_str()).uri(concrete(route));
        let answer = super::support::send(&s.elasticsearch, request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 401, "{} {}", route.method.as_str(), route.path);
        assert!(answer.header("www-authenticate").contains("ApiKey"));
        assert_eq!(answer.json()["error"]["type"], "security_exception");
    }
    assert_eq!(
        super::support::send(
            &s.elasticsearch,
            axum::http::Request::get("/_nothing").body(axum::body::Body::empty()).unwrap()
        )
        .await
        .status,
        401
    );
}

#[tokio::test]
async fn a_role_without_the_privilege_gets_403_from_every_row() {
    let s = server().await;
    s.put("/internal/security/users/none", json!({"password": "nothing-at-all", "roles": []})).await.expect(200);
    let auth = super::support::basic("none", "nothing-at-all");
    for route in api::routes::all() {
        if let Access::Needs(privilege) = route.access {
            let answer = s
                .with(
                    route.method.as_str(),
                    &concrete(route),
                    &[("kbn-xsrf", "x"), ("authorization", &auth)],
                    Value::Null,
                )
                .await;
            let body = answer.expect(403);
            assert_eq!(body["attributes"]["privilege"], privilege, "{} {}", route.method.as_str(), route.path);
        }
    }
}

/// What a changing row is called with, and the action its audit entry begins with.
struct Sample {
    path: String,
    body: Value,
    action: &'static str,
}

async fn samples(s: &Server) -> BTreeMap<(&'static str, &'static str), Sample> {
    let mut all = BTreeMap::new();
    let mut add = |method: Method, route: &'static str, path: &str, body: Value, action: &'static str| {
        all.insert((method.as_str(), route), Sample { path: path.to_owned(), body, action });
    };
    for id in ["a1", "a2", "a3", "a4"] {
        s.alert(id, "h", "low").await;
    }
    // Cases.
    let (case, version) = s.case("one", false).await;
    let (doomed, _) = s.case("two", false).await;
    let (emptied, _) = s.case("three", false).await;
    let comment = json!({"type": "user", "owner": "securitySolution", "comment": "c"});
    let path = |case: &str| format!("/api/cases/{case}/comments");
    let with = s.post(&path(&emptied), comment.clone()).await.expect(200);
    let (edited, _) = s.case("four", false).await;
    let own = s.post(&path(&edited), comment.clone()).await.expect(200);
    let mut change = comment.clone();
    change["id"] = own["comments"][0]["id"].clone();
    change["version"] = own["comments"][0]["version"].clone();
    change["comment"] = json!("d");
    let (single, _) = s.case("five", false).await;
    let single_comment =
        s.post(&path(&single), comment.clone()).await.expect(200)["comments"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(with["totalComment"], 1);
    add(Method::Post, "/api/cases", "/api/cases", new_case("n", false), "case.create");
    add(
        Method::Patch,
        "/api/cases",
        "/api/cases",
        json!({"cases": [{"id": case, "version": version, "title": "x"}]}),
        "case.update",
    );
    add(Method::Delete, "/api/cases", &format!("/api/cases?ids={doomed}"), Value::Null, "case.delete");
    add(Method::Post, "/api/cases/{id}/comments", &path(&single), comment.clone(), "case.comment.add");
    add(Method::Patch, "/api/cases/{id}/comments", &path(&edited), change, "case.comment.update");
    add(Method::Delete, "/api/cases/{id}/comments", &path(&emptied), Value::Null, "case.comment.delete");
    add(
        Method::Delete,
        "/api/cases/{id}/comments/{comment}",
        &format!("{}/{single_comment}", path(&single)),
        Value::Null,
        "case.comment.delete",
    );
    add(
        Method::Post,
        "/internal/cases/{id}/attachments/_bulk_create",
        &format!("/internal/cases/{edited}/attachments/_bulk_create"),
        json!([comment]),
        "case.comment.add",
    );
    let observable =
        |value: &str| json!({"observable": {"typeKey": "observable-type-ipv4", "value": value, "description": null}});
    add(
        Method::Post,
        "/internal/cases/{id}/observables",
        &format!("/internal/cases/{edited}/observables"),
        observable("192.0.2.1"),
        "case.observables.add",
    );
    add(
        Method::Post,
        "/api/cases/{id}/observables",
        &format!("/api/cases/{edited}/observables"),
        observable("192.0.2.2"),
        "case.observables.add",
    );
    add(
        Method::Post,
        "/internal/cases/{id}/observables/_bulk_create",
        &format!("/internal/cases/{edited}/observables/_bulk_create"),
        json!({"observables": [{"typeKey": "observable-type-domain", "value": "a.example", "description": null}]}),
        "case.observables.add",
    );
    let mut of_old = Vec::new();
    for value in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"] {
        let case = s.post(&format!("/api/cases/{edited}/observables"), observable(value)).await.expect(200);
        let last = case["observables"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
        of_old.push(last);
    }
    let prefixes = ["/internal/cases", "/api/cases"];
    for (i, prefix) in prefixes.into_iter().enumerate() {
        let pattern = match i {
            0 => "/internal/cases/{id}/observables/{observable}",
            _ => "/api/cases/{id}/observables/{observable}",
        };
        add(
            Method::Patch,
            pattern,
            &format!("{prefix}/{edited}/observables/{}", of_old[i]),
            json!({"observable": {"value": format!("198.51.100.{}", 50 + i)}}),
            "case.observables.update",
        );
        add(
            Method::Delete,
            pattern,
            &format!("{prefix}/{edited}/observables/{}", of_old[i + 2]),
            Value::Null,
            "case.observables.delete",
        );
    }
    let configure = json!({"connector": {"id": "none", "name": "none", "type": ".none", "fields": null}, "closure_type": "close-by-user", "owner": "cases"});
    let configured = s.post("/api/cases/configure", configure.clone()).await.expect(200);
    add(
        Method::Patch,
        "/api/cases/configure/{id}",
        &format!("/api/cases/configure/{}", configured["id"].as_str().unwrap()),
        json!({"version": configured["version"], "closure_type": "close-by-pushing"}),
        "cases.configure",
    );
    let mut other = configure;
    other["owner"] = json!("observability");
    add(Method::Post, "/api/cases/configure", "/api/cases/configure", other, "cases.configure");
    // Alerts.
    add(
        Method::Post,
        "/api/detection_engine/signals/status",
        "/api/detection_engine/signals/status",
        json!({"signal_ids": ["a1"], "status": "closed"}),
        "alert.status",
    );
    add(
        Method::Post,
        "/api/detection_engine/signals/tags",
        "/api/detection_engine/signals/tags",
        json!({"ids": ["a1"], "tags": {"tags_to_add": ["t"], "tags_to_remove": []}}),
        "alert.tags",
    );
    add(
        Method::Post,
        "/api/detection_engine/signals/assignees",
        "/api/detection_engine/signals/assignees",
        json!({"ids": ["a1"], "assignees": {"add": ["u_elastic"], "remove": []}}),
        "alert.assignees",
    );
    add(
        Method::Post,
        "/api/watchfire/alerts/decide",
        "/api/watchfire/alerts/decide",
        json!({"items": [{"id": "a2"}], "kind": "acknowledge"}),
        "alert.status",
    );
    let undo = s
        .post("/api/watchfire/alerts/decide", json!({"items": [{"id": "a3"}], "kind": "acknowledge"}))
        .await
        .expect(200)["undo"]
        .clone();
    add(
        Method::Post,
        "/api/watchfire/alerts/undo",
        "/api/watchfire/alerts/undo",
        json!({"token": undo}),
        "alert.status",
    );
    // Rules.
    let made = s.post("/api/detection_engine/rules", rule("r")).await.expect(200);
    let second = s.post("/api/detection_engine/rules", rule("s")).await.expect(200);
    let id = made["id"].as_str().unwrap();
    let rules = "/api/detection_engine/rules";
    add(Method::Post, rules, rules, rule("t"), "rule.create");
    let mut put = made.clone();
    put["name"] = json!("renamed");
    add(Method::Put, rules, rules, put, "rule.update");
    add(Method::Patch, rules, rules, json!({"id": id, "note": "n"}), "rule.update");
    add(Method::Delete, rules, &format!("{rules}?id={}", second["id"].as_str().unwrap()), Value::Null, "rule.delete");
    add(
        Method::Post,
        "/api/detection_engine/rules/_bulk_action",
        "/api/detection_engine/rules/_bulk_action",
        json!({"action": "disable", "ids": [id]}),
        "rule.disable",
    );
    add(
        Method::Post,
        "/api/detection_engine/rules/_import",
        "/api/detection_engine/rules/_import",
        rule("imported"),
        "rule.create",
    );
    // Workflows.
    for id in ["w1", "w2", "w3", "w4", "w5"] {
        s.post("/api/workflows/workflow", json!({"yaml": yaml(id), "id": id})).await.expect(200);
    }
    let yaml_body = |name: &str| json!({"yaml": yaml(name)});
    add(Method::Post, "/api/workflows", "/api/workflows", json!({"workflows": [yaml_body("b1")]}), "workflow.create");
    add(Method::Delete, "/api/workflows", "/api/workflows", json!({"ids": ["w2"]}), "workflow.delete");
    add(Method::Post, "/api/workflows/workflow", "/api/workflows/workflow", yaml_body("b2"), "workflow.create");
    add(
        Method::Put,
        "/api/workflows/workflow/{id}",
        "/api/workflows/workflow/w1",
        json!({"tags": ["t"]}),
        "workflow.update",
    );
    add(Method::Delete, "/api/workflows/workflow/{id}", "/api/workflows/workflow/w3", Value::Null, "workflow.delete");
    add(
        Method::Post,
        "/api/workflows/workflow/{id}/clone",
        "/api/workflows/workflow/w1/clone",
        Value::Null,
        "workflow.create",
    );
    add(Method::Put, "/api/workflows/{id}", "/api/workflows/w1", json!({"tags": ["u"]}), "workflow.update");
    add(Method::Delete, "/api/workflows/{id}", "/api/workflows/w4", Value::Null, "workflow.delete");
    add(
        Method::Post,
        "/api/workflows/workflow/{id}/run",
        "/api/workflows/workflow/w5/run",
        json!({"inputs": {}}),
        "execution.start",
    );
    add(Method::Post, "/api/workflows/{id}/run", "/api/workflows/w5/run", json!({"inputs": {}}), "execution.start");
    add(
        Method::Post,
        "/api/workflows/test",
        "/api/workflows/test",
        json!({"workflowYaml": yaml("tt"), "inputs": {}}),
        "workflow.test",
    );
    add(
        Method::Post,
        "/api/workflows/import",
        "/api/workflows/import",
        json!({"id": "imported", "yaml": yaml("imported")}),
        "workflow.create",
    );
    add(
        Method::Post,
        "/api/workflows/workflow/{id}/versions/{n}/restore",
        "/api/workflows/workflow/w1/versions/1/restore",
        Value::Null,
        "workflow.restore",
    );
    let step = json!({"workflowYaml": yaml("st"), "stepId": "hello", "contextOverride": {}});
    add(Method::Post, "/api/workflows/step/test", "/api/workflows/step/test", step.clone(), "workflow.test");
    add(Method::Post, "/api/workflows/testStep", "/api/workflows/testStep", step, "workflow.test");
    // Connectors.
    let connector = |name: &str| json!({"name": name, "connector_type_id": ".webhook", "config": {"url": "http://127.0.0.1:1/x"}, "secrets": {}});
    for id in ["c1", "c2"] {
        s.post(&format!("/api/actions/connector/{id}"), connector(id)).await.expect(200);
    }
    add(Method::Post, "/api/actions/connector", "/api/actions/connector", connector("n"), "connector.create");
    add(Method::Post, "/api/actions/connector/{id}", "/api/actions/connector/c9", connector("n"), "connector.create");
    let mut put = connector("renamed");
    put.as_object_mut().unwrap().remove("connector_type_id");
    add(Method::Put, "/api/actions/connector/{id}", "/api/actions/connector/c1", put, "connector.update");
    add(Method::Delete, "/api/actions/connector/{id}", "/api/actions/connector/c2", Value::Null, "connector.delete");
    add(
        Method::Post,
        "/api/actions/connector/{id}/_execute",
        "/api/actions/connector/c1/_execute",
        json!({"params": {"body": "{}"}}),
        "connector.execute",
    );
    s.post(
        "/api/actions/connector/c3",
        json!({"name": "s", "connector_type_id": ".slack_api", "config": {}, "secrets": {"token": "xoxb-long-enough"}}),
    )
    .await
    .expect(200);
    add(
        Method::Post,
        "/api/watchfire/connectors/{id}/test",
        "/api/watchfire/connectors/c3/test",
        Value::Null,
        "connector.test",
    );
    // The envelope.
    let envelope = "/api/watchfire/envelope";
    add(Method::Put, envelope, envelope, json!({"caps": [{"action": "ssh.run", "per_hour": 5}]}), "envelope.update");
    let halt = "/api/watchfire/halt";
    add(Method::Post, halt, halt, json!({"reason": "drill"}), "halt.set");
    add(Method::Delete, halt, halt, Value::Null, "halt.lift");
    let never = "/api/watchfire/never-touch";
    s.post(never, json!({"kind": "host", "value": "dc01"})).await.expect(200);
    add(Method::Post, never, never, json!({"kind": "host", "value": "dc02"}), "never_touch.set");
    add(Method::Delete, never, "/api/watchfire/never-touch?kind=host&value=dc01", Value::Null, "never_touch.remove");
    let retention = "/api/watchfire/retention";
    add(Method::Put, retention, retention, json!({"executions_days": 30}), "retention.update");
    // People.
    let user = json!({"password": "long-enough", "roles": ["viewer"]});
    s.put("/internal/security/users/u1", user.clone()).await.expect(200);
    s.put("/internal/security/users/u2", user.clone()).await.expect(200);
    add(Method::Put, "/internal/security/users/{name}", "/internal/security/users/u3", user.clone(), "user.create");
    add(Method::Post, "/internal/security/users/{name}", "/internal/security/users/u4", user, "user.create");
    add(Method::Delete, "/internal/security/users/{name}", "/internal/security/users/u2", Value::Null, "user.delete");
    add(
        Method::Post,
        "/internal/security/users/{name}/password",
        "/internal/security/users/u1/password",
        json!({"password": "another-one"}),
        "user.password",
    );
    let key = s.post("/internal/security/api_key", json!({"name": "k"})).await.expect(200);
    add(
        Method::Post,
        "/internal/security/api_key",
        "/internal/security/api_key",
        json!({"name": "l"}),
        "api_key.create",
    );
    add(
        Method::Delete,
        "/internal/security/api_key",
        "/internal/security/api_key",
        json!({"ids": [key["id"]]}),
        "api_key.invalidate",
    );
    add(
        Method::Post,
        "/internal/security/login",
        "/internal/security/login",
        json!({"username": "elastic", "password": PASSWORD}),
        "session.create",
    );
    all
}

/// Rows whose change needs a run in a certain state, a multipart body or a service outside; they have tests of their own.
const NEED_A_RUN: [&str; 17] = [
    "/api/watchfire/executions/{id}/undo",
    "/api/cases/{id}/connector/{connector}/_push",
    "/api/cases/{id}/files",
    "/api/watchfire/approvals/{id}/change",
    "/api/watchfire/approvals/{id}/remark",
    "/api/watchfire/hooks/{*path}",
    "/api/watchfire/passkeys",
    "/api/watchfire/passkeys/{id}",
    "/api/workflows/executions/{id}/rerun",
    "/api/watchfire/approvals/{id}/decide",
    "/api/watchfire/approvals/{id}/settle",
    "/api/workflows/executions/{id}/cancel",
    "/api/workflows/executions/{id}/resume",
    "/api/workflows/workflow/{id}/executions/cancel",
    "/api/workflowExecutions/{id}/cancel",
    "/api/workflowExecutions/{id}/resume",
    "/internal/security/logout",
];

#[tokio::test]
async fn each_changing_row_leaves_an_audit_entry() {
    let s = server().await;
    let samples = samples(&s).await;
    let mut left = Vec::new();
    for route in api::routes::all().filter(|r| r.changes && !NEED_A_RUN.contains(&r.path)) {
        let Some(sample) = samples.get(&(route.method.as_str(), route.path)) else {
            left.push(format!("{} {}", route.method.as_str(), route.path));
            continue;
        };
        let before = s.audited().first().map_or(0, |a| a.seq);
        let answer = s.call(route.method.as_str(), &sample.path, sample.body.clone()).await;
        assert!(fine(answer.status), "{} {}: {} {}", route.method.as_str(), route.path, answer.status, answer.text);
        let began = std::time::Instant::now();
        loop {
            let entries: Vec<_> = s.audited().into_iter().filter(|a| a.seq > before).collect();
            if entries.iter().any(|a| a.action.starts_with(sample.action)) {
                break;
            }
            let actions: Vec<_> = entries.iter().map(|a| a.action.to_string()).collect();
            assert!(
                began.elapsed().as_secs() < 3,
                "{} {}: wanted {}, found {actions:?}",
                route.method.as_str(),
                route.path,
                sample.action
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    assert!(left.is_empty(), "without a sample: {left:#?}");
}

const APPROVAL: &str = "name: ask\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: ask\n    type: waitForApproval\n    with:\n      message: \"Go on?\"\n";

async fn waiting(s: &Server) -> (String, Value) {
    let run = s.post("/api/workflows/workflow/ask/run", json!({"inputs": {}})).await.expect(200);
    let id = run["workflowExecutionId"].as_str().unwrap().to_owned();
    let began = std::time::Instant::now();
    loop {
        let open = s.get(&format!("/api/watchfire/approvals?execution={id}")).await.expect(200);
        if let Some(row) = open["approvals"].as_array().and_then(|a| a.first()) {
            return (id, row.clone());
        }
        assert!(began.elapsed().as_secs() < 10, "{}", s.get(&format!("/api/workflows/executions/{id}")).await.text);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

fn audited(s: &Server, action: &str) -> usize {
    s.audited().iter().filter(|a| &*a.action == action).count()
}

#[tokio::test]
async fn questions_are_decided_once_and_runs_resume_or_are_cancelled() {
    let s = server().await;
    s.post("/api/workflows/workflow", json!({"yaml": APPROVAL, "id": "ask"})).await.expect(200);
    let (run, row) = waiting(&s).await;
    let path = format!("/api/watchfire/approvals/{}", row["id"].as_str().unwrap());
    let whole = s.get(&path).await.expect(200);
    assert_eq!(
        (whole["state"].as_str(), whole["may_decide"].as_bool(), whole["question"].as_str()),
        (Some("waiting"), Some(true), Some("Go on?"))
    );
    let other = s
        .post(&format!("{path}/decide"), json!({"verdict": "approve", "hash": "00", "comment": null}))
        .await
        .expect(409);
    assert_eq!(
        (other["attributes"]["code"].as_str(), other["attributes"]["current"]["id"].clone()),
        (Some("hash"), row["id"].clone())
    );
    let done = s
        .post(&format!("{path}/decide"), json!({"verdict": "approve", "hash": whole["hash"], "comment": "fine"}))
        .await
        .expect(200);
    assert_eq!(
        (done["state"].as_str(), done["decisions"][0]["by"]["username"].as_str()),
        (Some("approved"), Some("elastic"))
    );
    assert_eq!(audited(&s, "approval.decide"), 1);
    let late = s
        .post(&format!("{path}/decide"), json!({"verdict": "reject", "hash": null, "comment": null}))
        .await
        .expect(409);
    assert_eq!(late["attributes"]["code"], "decided");
    s.post(&format!("{path}/settle"), json!({"verdict": "happened"})).await.expect(409);
    let began = std::time::Instant::now();
    while s.get(&format!("/api/workflows/executions/{run}")).await.expect(200)["status"] != "completed" {
        assert!(began.elapsed().as_secs() < 10);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let (run, _) = waiting(&s).await;
    let resumed = s
        .post(&format!("/api/workflows/executions/{run}/resume"), json!({"input": {"approved": true}}))
        .await
        .expect(200);
    assert_eq!(resumed, json!({"success": true, "executionId": run, "message": "Workflow resume scheduled"}));
    assert_eq!(audited(&s, "approval.decide"), 2);
    s.post("/api/workflows/executions/nope/resume", json!({"input": {}})).await.expect(404);
    let (run, row) = waiting(&s).await;
    s.post(&format!("/api/workflows/executions/{run}/cancel"), json!({})).await.expect(200);
    let began = std::time::Instant::now();
    while s.get(&format!("/api/watchfire/approvals/{}", row["id"].as_str().unwrap())).await.expect(200)["state"]
        != "withdrawn"
    {
        assert!(began.elapsed().as_secs() < 10);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(s.audited().iter().any(|a| a.action.starts_with("execution.") && a.of.1.as_str() == run));
    let (run, _) = waiting(&s).await;
    let all = s.post("/api/workflows/workflow/ask/executions/cancel", Value::Null).await.expect(200);
    assert_eq!(all["cancelled"], 1);
    assert!(!run.is_empty());
}
