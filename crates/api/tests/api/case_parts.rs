//! Parts of a case: observables, similar cases, files, push (`reference/kibana-apis.md` §2.10, §2.12, §2.15).

use super::support::{PASSWORD, Server, basic, new_case, send, server};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn observables_are_changed_and_removed() {
    let s = server().await;
    let (id, _) = s.case("a", false).await;
    let add = json!({"observables": [
        {"typeKey": "observable-type-ipv4", "value": "203.0.113.7", "description": null},
        {"typeKey": "observable-type-domain", "value": "bad.example", "description": "c2"},
    ]});
    let case = s.post(&format!("/internal/cases/{id}/observables/_bulk_create"), add).await.expect(200);
    assert_eq!(case["total_observables"], 2);
    let (first, second) =
        (case["observables"][0]["id"].as_str().unwrap(), case["observables"][1]["id"].as_str().unwrap());

    let path = format!("/api/cases/{id}/observables/{first}");
    let case = s.patch(&path, json!({"observable": {"value": "203.0.113.8", "description": "seen"}})).await.expect(200);
    let changed = &case["observables"][0];
    assert_eq!((changed["value"].as_str(), changed["description"].as_str()), (Some("203.0.113.8"), Some("seen")));
    assert_eq!(changed["typeKey"], "observable-type-ipv4");
    assert!(changed["updatedAt"].is_string());
    let gone = s.patch(&format!("/api/cases/{id}/observables/nope"), json!({"observable": {"value": "x"}})).await;
    assert_eq!(gone.message(404), format!("Failed to find observable nope in case {id}"));
    let same =
        json!({"observable": {"typeKey": "observable-type-domain", "value": "other.example", "description": null}});
    let case = s.post(&format!("/api/cases/{id}/observables"), same).await.expect(200);
    let third = case["observables"][2]["id"].as_str().unwrap();
    let twice =
        s.patch(&format!("/api/cases/{id}/observables/{third}"), json!({"observable": {"value": "bad.example"}})).await;
    assert_eq!(twice.message(400), "Invalid duplicated observables in request.");

    s.delete(&format!("/internal/cases/{id}/observables/{second}")).await.expect(204);
    s.delete(&format!("/internal/cases/{id}/observables/{second}")).await.expect(404);
    let actions = s.get(&format!("/api/cases/{id}/user_actions/_find?types=observables&perPage=100")).await.expect(200);
    let kinds: Vec<&str> =
        actions["userActions"].as_array().unwrap().iter().map(|a| a["action"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["add", "update", "add", "delete"]);
}

#[tokio::test]
async fn similar_cases_share_an_observable_of_the_same_owner() {
    let s = server().await;
    let mut ids = Vec::new();
    for (title, value) in [("a", "203.0.113.7"), ("b", "203.0.113.7"), ("c", "198.51.100.1")] {
        let (id, _) = s.case(title, false).await;
        let body = json!({"observable": {"typeKey": "observable-type-ipv4", "value": value, "description": null}});
        s.post(&format!("/api/cases/{id}/observables"), body).await.expect(200);
        ids.push(id);
    }
    let mut other = new_case("d", false);
    other["owner"] = json!("observability");
    let foreign = s.post("/api/cases", other).await.expect(200)["id"].as_str().unwrap().to_owned();
    let body = json!({"observable": {"typeKey": "observable-type-ipv4", "value": "203.0.113.7", "description": null}});
    s.post(&format!("/api/cases/{foreign}/observables"), body).await.expect(200);

    let found =
        s.post(&format!("/internal/cases/{}/_similar", ids[0]), json!({"page": 1, "perPage": 10})).await.expect(200);
    assert_eq!((found["total"].as_u64(), found["cases"].as_array().unwrap().len()), (Some(1), 1));
    assert_eq!(found["cases"][0]["id"].as_str(), Some(ids[1].as_str()));
    assert_eq!(
        found["cases"][0]["similarities"]["observables"][0],
        json!({"typeKey": "observable-type-ipv4", "typeLabel": "IPv4", "value": "203.0.113.7"})
    );
    let (empty, _) = s.case("e", false).await;
    assert_eq!(s.post(&format!("/internal/cases/{empty}/_similar"), json!({})).await.expect(200)["total"], 0);
    s.post(&format!("/internal/cases/{}/_similar", ids[0]), json!({"perPage": 101})).await.expect(400);
}

async fn upload(s: &Server, id: &str, name: &str, content: &[u8]) -> super::support::Answer {
    let mut body = format!(
        "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--xx--\r\n");
    let request = Request::builder()
        .method("POST")
        .uri(format!("/api/cases/{id}/files"))
        .header("authorization", basic("elastic", PASSWORD))
        .header("kbn-xsrf", "true")
        .header("content-type", "multipart/form-data; boundary=xx")
        .body(Body::from(body))
        .unwrap();
    send(&s.kibana, request).await
}

#[tokio::test]
async fn files_are_attachments_and_leave_as_downloads() {
    let s = server().await;
    let (id, _) = s.case("a", false).await;
    let case = upload(&s, &id, "../notes.txt", b"hello \x00 world").await.expect(200);
    let file = &case["comments"][0];
    assert_eq!(
        (file["type"].as_str(), file["externalReferenceAttachmentTypeId"].as_str()),
        (Some("externalReference"), Some(".files"))
    );
    let meta = &file["externalReferenceMetadata"]["files"][0];
    assert_eq!(
        (meta["name"].as_str(), meta["extension"].as_str(), meta["mimeType"].as_str()),
        (Some("notes"), Some("txt"), Some("text/plain"))
    );
    assert!(file.get("_content").is_none() && file.get("content").is_none(), "the content stays inside");
    let got = s.get(&format!("/api/cases/{id}/files/{}", file["id"].as_str().unwrap())).await;
    assert_eq!((got.status, got.text.as_str()), (200, "hello \x00 world"));
    assert_eq!(got.header("content-disposition"), "attachment; filename=\"notes.txt\"");
    assert_eq!(got.header("content-type"), "application/octet-stream");
    assert!(!s.audited().iter().any(|a| a.body.as_ref().is_some_and(|b| stdx::json::text(b).contains("_content"))));

    assert_eq!(upload(&s, &id, "evil.exe", b"MZ").await.message(400), "The mime type field value exe is not allowed.");
    upload(&s, &id, "big.txt", &vec![b'x'; (1 << 20) + 1]).await.expect(413);
    upload(&s, "nope", "a.txt", b"x").await.expect(404);
    s.post(&format!("/api/cases/{id}/files"), json!({})).await.expect(415);
    s.delete(&format!("/api/cases/{id}/comments/{}", file["id"].as_str().unwrap())).await.expect(204);
    s.get(&format!("/api/cases/{id}/files/{}", file["id"].as_str().unwrap())).await.expect(404);
}

/// A ticketing system: notes what it gets, answers as told, one answer per request.
async fn tickets(answers: Vec<(u16, &'static str)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = Vec::new();
            let mut chunk = [0; 8192];
            loop {
                let n = socket.read(&mut chunk).await.unwrap();
                buffer.extend_from_slice(&chunk[..n]);
                let text = String::from_utf8_lossy(&buffer).into_owned();
                let length = text
                    .to_lowercase()
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|l| l.split("\r\n").next().and_then(|l| l.parse::<usize>().ok()));
                let head = text.find("\r\n\r\n");
                if n == 0 || head.zip(length).is_some_and(|(h, l)| buffer.len() >= h + 4 + l) {
                    notes.lock().unwrap().push(text);
                    break;
                }
            }
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (format!("http://{address}"), seen)
}

async fn with_tickets(s: &Server, base: &str) {
    let config = json!({
        "createIncidentUrl": format!("{base}/tickets"), "updateIncidentUrl": format!("{base}/tickets/{{id}}"),
        "viewIncidentUrl": "https://tickets.example/{id}", "hasAuth": false,
    });
    let connector = json!({"name": "tickets", "connector_type_id": ".cases-webhook", "config": config, "secrets": {}});
    s.post("/api/actions/connector/tickets", connector).await.expect(200);
}

async fn case_with_tickets(s: &Server) -> String {
    let mut body = new_case("pushed", true);
    body["connector"] = json!({"id": "tickets", "name": "tickets", "type": ".cases-webhook", "fields": null});
    s.post("/api/cases", body).await.expect(200)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_push_makes_then_changes_the_incident() {
    let s = server().await;
    let answers = vec![(201, r#"{"id":"T-1"}"#), (200, r#"{"id":"T-1"}"#), (500, r#"{"message":"out of order"}"#)];
    let (base, seen) = tickets(answers).await;
    with_tickets(&s, &base).await;
    let id = case_with_tickets(&s).await;
    s.post(
        &format!("/api/cases/{id}/comments"),
        json!({"type": "user", "owner": "securitySolution", "comment": "first"}),
    )
    .await
    .expect(200);
    let push = format!("/api/cases/{id}/connector/tickets/_push");
    let case = s.post(&push, json!({})).await.expect(200);
    let service = &case["external_service"];
    assert_eq!(
        (service["external_id"].as_str(), service["external_url"].as_str(), service["connector_id"].as_str()),
        (Some("T-1"), Some("https://tickets.example/T-1"), Some("tickets"))
    );
    assert!(case["comments"][0]["pushed_at"].is_string());
    s.post(
        &format!("/api/cases/{id}/comments"),
        json!({"type": "user", "owner": "securitySolution", "comment": "second"}),
    )
    .await
    .expect(200);
    let case = s.post(&push, Value::Null).await.expect(200);
    assert_eq!(case["status"], "open");
    {
        let seen = seen.lock().unwrap();
        assert!(seen[0].starts_with("POST /tickets HTTP") && seen[0].contains("first"), "{}", seen[0]);
        assert!(seen[1].starts_with("PUT /tickets/T-1 HTTP"), "{}", seen[1]);
        assert!(seen[1].contains("second") && !seen[1].contains("first"), "what went is not sent again: {}", seen[1]);
    }
    let version = s.get(&format!("/api/cases/{id}")).await.expect(200)["version"].clone();
    assert!(s.post(&push, json!({})).await.message(424).contains("out of order"));
    assert_eq!(
        s.get(&format!("/api/cases/{id}")).await.expect(200)["version"],
        version,
        "a refused push changes nothing"
    );
    let pushed = s.get(&format!("/api/cases/{id}/user_actions/_find?types=pushed")).await.expect(200);
    assert_eq!(
        (pushed["total"].as_u64(), pushed["userActions"][0]["action"].as_str()),
        (Some(2), Some("push_to_service"))
    );
    s.post(&format!("/api/cases/{id}/connector/nope/_push"), json!({})).await.expect(404);
    assert_eq!(s.get("/api/cases/configure/connectors/_find").await.expect(200)[0]["actionTypeId"], ".cases-webhook");
}

#[tokio::test]
async fn close_by_pushing_closes() {
    let s = server().await;
    let (base, _) = tickets(vec![(201, r#"{"id":7}"#)]).await;
    with_tickets(&s, &base).await;
    let none = json!({"id": "none", "name": "none", "type": ".none", "fields": null});
    s.post(
        "/api/cases/configure",
        json!({"connector": none, "closure_type": "close-by-pushing", "owner": "securitySolution"}),
    )
    .await
    .expect(200);
    let id = case_with_tickets(&s).await;
    let case = s.post(&format!("/api/cases/{id}/connector/tickets/_push"), json!({})).await.expect(200);
    assert_eq!(
        (case["status"].as_str(), case["external_service"]["external_id"].as_str()),
        (Some("closed"), Some("7"))
    );
}

#[tokio::test]
async fn cases_are_found_by_custom_field() {
    let s = server().await;
    let none = json!({"id": "none", "name": "none", "type": ".none", "fields": null});
    let fields = json!([{"key": "ticket", "label": "Ticket", "type": "text", "required": false}]);
    s.post("/api/cases/configure", json!({"connector": none, "closure_type": "close-by-user", "owner": "securitySolution", "customFields": fields})).await.expect(200);
    for value in ["INC-1", "INC-2"] {
        let mut body = new_case(value, false);
        body["customFields"] = json!([{"key": "ticket", "type": "text", "value": value}]);
        s.post("/api/cases", body).await.expect(200);
    }
    let found = s.get("/api/cases/_find?customFields=%7B%22ticket%22%3A%5B%22INC-2%22%5D%7D").await.expect(200);
    assert_eq!((found["total"].as_u64(), found["cases"][0]["title"].as_str()), (Some(1), Some("INC-2")));
    s.get("/api/cases/_find?customFields=x").await.expect(400);
}
