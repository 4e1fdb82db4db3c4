//! HTTP against servers that answer with given bytes.

use super::super::http::Http;
use super::super::{Bounds, Transports, open};
use super::{MIB, answered, bounds, closed, egress, not_sent, unknown};
use connector::{HttpRequest, Instance, Invocation, Registry, Secrets};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdx::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use workflow::Outcome;

/// What a server does with a request.
#[derive(Clone)]
enum Then {
    /// Writes these bytes and closes.
    Answer(Vec<u8>),
    /// Closes without a byte.
    Close,
    /// Says nothing.
    Silence,
}

struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the n-th request with the n-th entry, the last one from then on.
    async fn start(then: Vec<Then>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for n in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let seen = Arc::clone(&seen);
                let then = then[n.min(then.len() - 1)].clone();
                tokio::spawn(async move {
                    let text = read_request(&mut stream).await;
                    seen.lock().unwrap().push(text);
                    match then {
                        Then::Answer(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            let _ = stream.shutdown().await;
                        }
                        Then::Close => {}
                        Then::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
                    }
                });
            }
        });
        Self { port, requests }
    }
    async fn saying(head: &str, body: &[u8]) -> Self {
        Self::start(vec![Then::Answer(answer(head, body))]).await
    }
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
    fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").into_bytes();
    out.extend_from_slice(body);
    out
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_string));
            if body.len() >= length.and_then(|l| l.trim().parse().ok()).unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

fn http(servers: &[&Server]) -> Http {
    Http::new(Arc::new(egress(&servers.iter().map(|s| s.place()).collect::<Vec<_>>())))
}
fn get(url: String) -> HttpRequest {
    HttpRequest::new("GET", url)
}

#[tokio::test]
async fn an_answer_is_read_whole() {
    let server = Server::saying("200 OK\r\nContent-Length: 9\r\nX-A: b", b"{\"a\": 1} ").await;
    let mut request = HttpRequest::new("POST", server.url("/x?y=1"));
    request.set_header("X-Custom", "v");
    request.set_body(&json::parse(r#"{"k":1}"#).unwrap());
    let response = answered(http(&[&server]).send(&request, bounds(&open)).await).unwrap();
    assert_eq!((response.status, response.header("x-a")), (200, Some("b")));
    assert_eq!(response.data(), json::parse(r#"{"a":1}"#).unwrap());
    let seen = server.requests().remove(0);
    assert!(seen.starts_with("POST /x?y=1 HTTP/1.1\r\n") && seen.ends_with("\r\n\r\n{\"k\":1}"), "{seen}");
    assert!(seen.contains("x-custom: v\r\n") && seen.contains("content-type: application/json\r\n"), "{seen}");
    assert!(seen.contains("user-agent: watchfire/"), "{seen}");
}

#[tokio::test]
async fn what_is_not_allowed_gets_no_connection() {
    let server = Server::saying("200 OK\r\nContent-Length: 0", b"").await;
    let nothing = Http::new(Arc::new(egress(&[])));
    for url in [
        server.url("/"),
        format!("http://localhost:{}/", server.port),
        format!("http://[::ffff:127.0.0.1]:{}/", server.port),
        format!("http://2130706433:{}/", server.port),
        format!("http://0x7f.1:{}/", server.port),
        format!("http://0:{}/", server.port),
        "http://169.254.169.254/latest/meta-data".to_string(),
        "http://[64:ff9b::7f00:1]/".to_string(),
    ] {
        let fault = not_sent(nothing.send(&get(url.clone()), bounds(&open)).await);
        assert_eq!(&*fault.kind, "EgressRefused", "{url}: {fault:?}");
    }
    let other_port = Http::new(Arc::new(egress(&[format!("127.0.0.1:{}", server.port ^ 1)])));
    assert_eq!(&*not_sent(other_port.send(&get(server.url("/")), bounds(&open)).await).kind, "EgressRefused");
    assert_eq!(server.requests().len(), 0);
    let by_name = Http::new(Arc::new(egress(&[format!("localhost:{}", server.port)])));
    let url = format!("http://localhost:{}/", server.port);
    assert_eq!(answered(by_name.send(&get(url), bounds(&open)).await).unwrap().status, 200);
}

#[tokio::test]
async fn refused_connections_and_odd_addresses_are_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let http = Http::new(Arc::new(egress(&[format!("127.0.0.1:{port}")])));
    let fault = not_sent(http.send(&get(format!("http://127.0.0.1:{port}/secret?key=1")), bounds(&open)).await);
    assert_eq!(&*fault.kind, "ConnectionRefused");
    assert_eq!(&*fault.message, format!("Connection refused to http://127.0.0.1:{port}"));
    not_sent(http.send(&get("file:///etc/passwd".into()), bounds(&open)).await);
    not_sent(http.send(&get("http://[::1".into()), bounds(&open)).await);
    // TLS towards something that does not speak it fails before a byte of the request.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        }
    });
    let tls = Http::new(Arc::new(egress(&[format!("127.0.0.1:{port}")])));
    not_sent(tls.send(&get(format!("https://127.0.0.1:{port}/")), bounds(&open)).await);
}

#[tokio::test]
async fn a_closed_gate_holds_the_call_back() {
    let server = Server::saying("200 OK\r\nContent-Length: 0", b"").await;
    let fault = not_sent(http(&[&server]).send(&get(server.url("/")), bounds(&closed)).await);
    assert_eq!(&*fault.kind, "Held");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let inside = Server::saying("200 OK\r\nContent-Length: 2", b"in").await;
    let outside =
        Server::saying(&format!("302 Found\r\nLocation: {}\r\nContent-Length: 0", inside.url("/")), b"").await;
    let fault = answered(http(&[&outside]).send(&get(outside.url("/")), bounds(&open)).await).unwrap_err();
    assert_eq!(&*fault.kind, "EgressRefused");
    let metadata = Server::saying("307 x\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0", b"").await;
    let fault = answered(http(&[&metadata]).send(&get(metadata.url("/")), bounds(&open)).await).unwrap_err();
    assert_eq!(&*fault.kind, "EgressRefused");
    let scheme = Server::saying("302 x\r\nLocation: file:///etc/passwd\r\nContent-Length: 0", b"").await;
    answered(http(&[&scheme]).send(&get(scheme.url("/")), bounds(&open)).await).unwrap_err();
    assert_eq!(inside.requests().len(), 0);
}

#[tokio::test]
async fn redirects_change_methods_and_lose_credentials_elsewhere() {
    let target = Server::saying("200 OK\r\nContent-Length: 2", b"ok").await;
    let first = Server::start(vec![
        Then::Answer(answer("303 See Other\r\nLocation: /next\r\nContent-Length: 0", b"")),
        Then::Answer(answer(&format!("307 x\r\nLocation: {}\r\nContent-Length: 0", target.url("/there")), b"")),
    ])
    .await;
    let mut request = HttpRequest::new("POST", first.url("/start"));
    request.set_header("Authorization", "Bearer canary");
    request.set_header("X-API-Key", "canary");
    request.set_body(&Value::from("body"));
    let response = answered(http(&[&first, &target]).send(&request, bounds(&open)).await).unwrap();
    assert_eq!(response.body, b"ok");
    let seen = first.requests();
    assert!(seen[0].starts_with("POST /start") && seen[0].ends_with("body"));
    assert!(seen[1].starts_with("GET /next") && seen[1].contains("canary") && !seen[1].contains("body"));
    let there = target.requests().remove(0);
    assert!(there.starts_with("GET /there") && !there.contains("canary"), "{there}");
}

#[tokio::test]
async fn a_destructive_call_follows_no_redirect() {
    let target = Server::saying("200 OK\r\nContent-Length: 0", b"").await;
    let first = Server::saying(&format!("307 x\r\nLocation: {}\r\nContent-Length: 0", target.url("/")), b"").await;
    let mut request = HttpRequest::new("DELETE", first.url("/thing"));
    request.no_resend = true;
    let response = answered(http(&[&first, &target]).send(&request, bounds(&open)).await).unwrap();
    assert_eq!(response.status, 307);
    assert_eq!((first.requests().len(), target.requests().len()), (1, 0));
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::saying("302 x\r\nLocation: /again\r\nContent-Length: 0", b"").await;
    let response = answered(http(&[&server]).send(&get(server.url("/")), bounds(&open)).await).unwrap();
    assert_eq!((response.status, server.requests().len()), (302, 6));
}

#[tokio::test]
async fn an_oversized_body_is_cut_with_a_clear_error() {
    let declared = Server::saying("200 OK\r\nContent-Length: 209715200", b"x").await;
    let fault = answered(http(&[&declared]).send(&get(declared.url("/")), bounds(&open)).await).unwrap_err();
    assert_eq!((&*fault.kind, &*fault.message), ("StepSizeLimitExceeded", "the answer has more than 1048576 bytes"));
    assert_eq!(fault.details.path(&["contentLengthBytes"]), Some(&Value::Int(209_715_200)));
    let streamed = Server::saying("200 OK", &vec![b'x'; 3 << 20]).await;
    let fault = answered(http(&[&streamed]).send(&get(streamed.url("/")), bounds(&open)).await).unwrap_err();
    assert_eq!(&*fault.kind, "StepSizeLimitExceeded");
    assert!(fault.details.path(&["actualBytes"]).and_then(Value::as_i64).unwrap() < 2 << 20);
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(&vec![0; 64 << 20]).unwrap();
    let bomb = zip.finish().unwrap();
    assert!(bomb.len() < MIB as usize / 8);
    let head = format!("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}", bomb.len());
    let zipped = Server::saying(&head, &bomb).await;
    let fault = answered(http(&[&zipped]).send(&get(zipped.url("/")), bounds(&open)).await).unwrap_err();
    assert_eq!(&*fault.kind, "StepSizeLimitExceeded");
}

#[tokio::test]
async fn a_lying_content_length_is_noticed() {
    let short = Server::saying("200 OK\r\nContent-Length: 1000", b"0123456789").await;
    let fault = unknown(http(&[&short]).send(&get(short.url("/")), bounds(&open)).await);
    assert!(fault.message.starts_with("the answer was cut off after 10 of 1000 bytes"), "{}", fault.message);
    let long = Server::saying("200 OK\r\nContent-Length: 5", b"0123456789").await;
    assert_eq!(answered(http(&[&long]).send(&get(long.url("/")), bounds(&open)).await).unwrap().body, b"01234");
}

#[tokio::test]
async fn no_answer_is_unknown() {
    let closes = Server::start(vec![Then::Close]).await;
    let fault = unknown(http(&[&closes]).send(&HttpRequest::new("POST", closes.url("/")), bounds(&open)).await);
    assert!(
        fault.message.starts_with(&format!("no answer from http://127.0.0.1:{}", closes.port)),
        "{}",
        fault.message
    );
    assert_eq!(closes.requests().len(), 1);
    let silent = Server::start(vec![Then::Silence]).await;
    let short = Bounds { timeout: Duration::from_millis(300), ..bounds(&open) };
    let fault = unknown(http(&[&silent]).send(&HttpRequest::new("POST", silent.url("/")), short).await);
    assert_eq!(&*fault.kind, "TimeoutError");
    let garbage = Server::start(vec![Then::Answer(b"SSH-2.0-OpenSSH\r\n".to_vec())]).await;
    unknown(http(&[&garbage]).send(&get(garbage.url("/")), bounds(&open)).await);
}

#[tokio::test]
async fn a_request_says_how_long_and_how_much() {
    let silent = Server::start(vec![Then::Silence]).await;
    let mut request = get(silent.url("/"));
    request.timeout_ms = Some(200);
    assert_eq!(&*unknown(http(&[&silent]).send(&request, bounds(&open)).await).kind, "TimeoutError");
    let server = Server::saying("200 OK\r\nContent-Length: 10", b"0123456789").await;
    let mut request = get(server.url("/"));
    request.bytes_max = Some(9);
    assert_eq!(
        &*answered(http(&[&server]).send(&request, bounds(&open)).await).unwrap_err().kind,
        "StepSizeLimitExceeded"
    );
}

#[tokio::test]
async fn a_call_goes_from_parameters_to_output_without_its_secret() {
    let server =
        Server::saying("200 OK\r\nContent-Length: 46", br#"{"ok":true,"ts":"1","echo":"xoxb-canary-1234"}"#).await;
    let transports = Transports::new(Arc::new(Registry::built_in()), egress(&[server.place()]));
    let config = Value::object([("apiUrl", Value::from(server.url("/api")))]);
    let secrets = Secrets::new([("token".to_string(), "xoxb-canary-1234".to_string())].into());
    let instance = Instance { id: "1".into(), name: "s".into(), kind: ".slack_api".into(), config, secrets };
    let params = json::parse(r#"{"channelIds":["C1"],"text":"hi"}"#).unwrap();
    let call = Invocation {
        operation: "slack_api.postMessage",
        params: &params,
        instance: Some(&instance),
        idempotency_key: "k-1",
    };
    let Outcome::Answered(Ok(workflow::Body::Inline(output))) = transports.call(&call, bounds(&open)).await else {
        panic!("no answer")
    };
    assert_eq!(json::text(&output), r#"{"ok":true,"ts":"1","echo":"[secret:token]"}"#);
    let seen = server.requests().remove(0);
    assert!(seen.starts_with("POST /api/chat.postMessage") && seen.contains("authorization: Bearer xoxb-canary-1234"));
    assert!(seen.contains("idempotency-key: k-1"));
    let closed_port = Transports::new(Arc::new(Registry::built_in()), egress(&[]));
    assert!(matches!(closed_port.call(&call, bounds(&open)).await, Outcome::NotSent(_)));
    let bad = Invocation { params: &Value::Null, ..call };
    assert!(matches!(transports.call(&bad, bounds(&open)).await, Outcome::NotSent(_)));
    let none = Invocation {
        operation: "ai.summarize",
        instance: None,
        params: &json::parse(r#"{"input":"x"}"#).unwrap(),
        idempotency_key: "",
    };
    assert!(matches!(transports.call(&none, bounds(&open)).await, Outcome::Answered(Ok(_))));
}
