//! Bad input: each has a clear error and changes nothing.

use super::support::{PASSWORD, basic, send, server};
use axum::body::{Body, Bytes};
use axum::http::Request;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", basic("elastic", PASSWORD))
        .header("kbn-xsrf", "x")
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn a_200_mb_body_is_413() {
    let s = server().await;
    let chunk = Bytes::from(vec![b' '; 1024 * 1024]);
    let chunks = futures::stream::iter((0..200).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let answer = send(&s.kibana, request("POST", "/api/cases", Body::from_stream(chunks))).await;
    assert_eq!(answer.message(413), "Payload content length greater than maximum allowed: 1048576");
    assert_eq!(s.get("/api/cases/_find").await.expect(200)["total"], 0);
}

/// A server on a socket, for what only bytes can show.
async fn listening(s: &super::support::Server) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let router = s.kibana.clone();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    at
}

fn raw(at: std::net::SocketAddr, head: &str, body: &[u8]) -> String {
    let mut socket = std::net::TcpStream::connect(at).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    // A server that answered or closed already may refuse the rest: that is one of the outcomes the test allows.
    let _ = socket.write_all(body).and_then(|()| socket.shutdown(std::net::Shutdown::Write));
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_content_length_is_400_or_a_closed_connection() {
    let s = server().await;
    let at = listening(&s).await;
    let auth = basic("elastic", PASSWORD);
    let head = |length: &str| {
        format!(
            "POST /api/cases HTTP/1.1\r\nhost: x\r\nauthorization: {auth}\r\nkbn-xsrf: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let began = Instant::now();
    let (more, garbage) = (head("5000"), head("many"));
    let (too_long, not_a_number) =
        tokio::task::spawn_blocking(move || (raw(at, &more, b"{\"title\":\"x\"}"), raw(at, &garbage, b"{}")))
            .await
            .unwrap();
    assert!(too_long.is_empty() || too_long.starts_with("HTTP/1.1 400"), "{too_long}");
    assert!(not_a_number.is_empty() || not_a_number.starts_with("HTTP/1.1 400"), "{not_a_number}");
    assert!(began.elapsed() < Duration::from_secs(15), "nothing hangs: {:?}", began.elapsed());
    assert_eq!(s.get("/api/cases/_find").await.expect(200)["total"], 0);
}

#[tokio::test]
async fn invalid_utf8_is_400() {
    let s = server().await;
    let body = Body::from(&b"{\"title\":\"\xff\xfe\"}"[..]);
    let answer = send(&s.kibana, request("POST", "/api/cases", body)).await;
    assert_eq!(answer.message(400), "[request body]: the body is not valid UTF-8");
    s.get("/api/cases/_find?search=%FF").await.expect(400);
    assert!((400..500).contains(&s.get("/api/cases/%FF").await.status));
}

#[tokio::test]
async fn malformed_json_says_where() {
    let s = server().await;
    let answer = send(&s.kibana, request("POST", "/api/cases", Body::from("{\n \"title\": }"))).await;
    assert!(answer.message(400).starts_with("[request body]: invalid JSON at line 2 column"));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    send(&s.kibana, request("POST", "/api/cases", Body::from(deep))).await.expect(400);
    let form = Request::post("/api/cases").header("authorization", basic("elastic", PASSWORD)).header("kbn-xsrf", "x");
    let form = form.header("content-type", "application/x-www-form-urlencoded").body(Body::from("a=b")).unwrap();
    send(&s.kibana, form).await.expect(415);
}

#[tokio::test]
async fn a_yaml_bomb_is_stored_disabled_with_its_reason_or_refused() {
    let s = server().await;
    let mut bomb = String::from("name: bomb\na0: &a0 [\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\"]\n");
    for i in 1..12 {
        let uses = vec![format!("*a{}", i - 1); 9].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{uses}]\n"));
    }
    let began = Instant::now();
    let checked = s.post("/api/workflows/validate", json!({"yaml": bomb})).await.expect(200);
    assert_eq!(checked["valid"], false);
    assert!(!checked["diagnostics"].as_array().unwrap().is_empty());
    let stored = s.post("/api/workflows/workflow", json!({"yaml": bomb})).await.expect(200);
    assert_eq!((stored["enabled"].as_bool(), stored["valid"].as_bool()), (Some(false), Some(false)));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_rule_with_a_broken_query_is_refused_with_its_place() {
    let s = server().await;
    let mut rule = super::support::rule("broken");
    rule["query"] = json!("process.name: (\"a\" or");
    let body = s.post("/api/detection_engine/rules", rule).await.expect(400);
    assert!(body["attributes"]["diagnostics"][0]["line"].as_u64().is_some(), "{body}");
    assert_eq!(s.get("/api/detection_engine/rules/_find").await.expect(200)["total"], 0);
    let checked = s
        .post("/api/watchfire/rules/check", json!({"type": "query", "language": "kuery", "query": "a: (b or"}))
        .await
        .expect(200);
    assert_eq!(checked["valid"], false);
    let good = s
        .post(
            "/api/watchfire/rules/check",
            json!({"type": "query", "language": "kuery", "query": "process.name: x and host.name: y"}),
        )
        .await
        .expect(200);
    assert_eq!(good["fields"], json!(["host.name", "process.name"]));
}

#[tokio::test]
async fn unknown_routes_are_404_json_and_pages_are_html() {
    let s = server().await;
    assert_eq!(
        s.get("/api/nothing").await.expect(404),
        json!({"statusCode": 404, "error": "Not Found", "message": "Not Found"})
    );
    let page = s.with("GET", "/cases/5f0", &[], Value::Null).await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let link = s.with("GET", "/app/security/cases/5f0", &[], Value::Null).await;
    assert_eq!((link.status, link.header("location")), (302, "/cases/5f0"));
}
