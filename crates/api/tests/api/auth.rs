//! Who may do what, and how they come in.

use super::support::{PASSWORD, basic, new_case, send, server};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

#[tokio::test]
async fn anonymous_sees_the_level_and_nothing_else() {
    let s = server().await;
    let anonymous = s.with("GET", "/api/status", &[], Value::Null).await.expect(200);
    assert_eq!(anonymous, json!({"status": {"overall": {"level": "available"}}}));
    let known = s.get("/api/status").await.expect(200);
    assert_eq!(known["version"]["number"], "9.4.0");
    assert_eq!(s.with("GET", "/healthz", &[], Value::Null).await.status, 200);
    let wrong =
        s.with("GET", "/api/cases/_find", &[("authorization", &basic("elastic", "wrong-one"))], Value::Null).await;
    assert_eq!(wrong.message(401), "unable to authenticate user [elastic]");
    let unknown =
        s.with("GET", "/api/cases/_find", &[("authorization", &basic("nobody", "wrong-one"))], Value::Null).await;
    assert_eq!(unknown.status, 401);
}

#[tokio::test]
async fn a_session_signs_in_and_out() {
    let s = server().await;
    let xsrf = [("kbn-xsrf", "x")];
    let wrong =
        s.with("POST", "/internal/security/login", &xsrf, json!({"username": "elastic", "password": "no-no-no"})).await;
    let body = wrong.expect(401);
    assert!(body["attributes"]["tries_left"].as_u64().is_some_and(|n| n < 10));
    let signed =
        s.with("POST", "/internal/security/login", &xsrf, json!({"username": "elastic", "password": PASSWORD})).await;
    assert_eq!(signed.status, 204);
    let cookie = signed.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"));
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let me = s.with("GET", "/api/watchfire/me", &[("cookie", &cookie)], Value::Null).await.expect(200);
    assert_eq!((me["user"]["username"].as_str(), me["privileges"].clone()), (Some("elastic"), json!(["*"])));
    let write = s.with("POST", "/api/cases", &[("cookie", &cookie)], new_case("t", false)).await;
    assert_eq!(write.message(400), "Request must contain a kbn-xsrf header.", "a cookie alone must not write");
    s.with("POST", "/api/cases", &[("cookie", &cookie), ("kbn-xsrf", "x")], new_case("t", false)).await.expect(200);
    let out = s.with("POST", "/internal/security/logout", &[("cookie", &cookie), ("kbn-xsrf", "x")], Value::Null).await;
    assert_eq!(out.status, 204);
    s.with("GET", "/api/watchfire/me", &[("cookie", &cookie)], Value::Null).await.expect(401);
    // An old cookie does not lock anybody out of the sign-in route.
    let again = [("cookie", cookie.as_str()), ("kbn-xsrf", "x")];
    let again =
        s.with("POST", "/internal/security/login", &again, json!({"username": "elastic", "password": PASSWORD})).await;
    assert_eq!(again.status, 204);
}

#[tokio::test]
async fn too_many_wrong_passwords_close_the_name() {
    let s = server().await;
    let wrong = json!({"username": "ada", "password": "no-no-no"});
    for _ in 0..api::auth::throttle::TRIES_MAX {
        s.with("POST", "/internal/security/login", &[("kbn-xsrf", "x")], wrong.clone()).await.expect(401);
    }
    let closed = s.with("POST", "/internal/security/login", &[("kbn-xsrf", "x")], wrong).await;
    assert!(closed.header("retry-after").parse::<u32>().is_ok());
    closed.expect(429);
}

#[tokio::test]
async fn roles_give_privileges_and_nothing_more() {
    let s = server().await;
    let user = json!({"password": "viewer-password", "roles": ["viewer"], "full_name": "V. Iewer"});
    s.put("/internal/security/users/vi", user).await.expect(200);
    let auth = basic("vi", "viewer-password");
    let headers = [("authorization", auth.as_str()), ("kbn-xsrf", "x")];
    s.with("GET", "/api/cases/_find", &headers, Value::Null).await.expect(200);
    let refused = s.with("POST", "/api/cases", &headers, new_case("t", false)).await.expect(403);
    assert_eq!(refused["attributes"]["privilege"], "cases:write");
    s.with("GET", "/internal/security/users", &headers, Value::Null).await.expect(403);
    let own = s.with("GET", "/internal/security/users/vi", &headers, Value::Null).await;
    assert!(!own.text.contains("password"), "{}", own.text);
    own.expect(200);
    // A changed role counts at once, though the password was verified a moment ago.
    s.put("/internal/security/users/vi", json!({"roles": ["analyst"]})).await.expect(200);
    s.with("POST", "/api/cases", &headers, new_case("t", false)).await.expect(200);
    s.put("/internal/security/users/vi", json!({"enabled": false})).await.expect(200);
    s.with("GET", "/api/cases/_find", &headers, Value::Null).await.expect(401);
    assert!(
        s.put("/internal/security/users/elastic", json!({"roles": ["viewer"]}))
            .await
            .message(400)
            .contains("last enabled superuser")
    );
    s.put("/internal/security/users/x", json!({"password": "long-enough", "roles": ["emperor"]})).await.expect(400);
    s.put("/internal/security/users/x", json!({"password": "short", "roles": []})).await.expect(400);
}

#[tokio::test]
async fn api_keys_are_shown_once_limited_and_revoked() {
    let s = server().await;
    let made = s
        .es("POST", "/_security/api_key", json!({"name": "shipper", "expiration": "30d", "role_descriptors": {"w": {"indices": [{"names": ["logs-*"], "privileges": ["create_doc"]}]}}}))
        .await
        .expect(200);
    let header = format!("ApiKey {}", made["encoded"].as_str().unwrap());
    let request = |path: &str| Request::get(path).header("authorization", &header).body(Body::empty()).unwrap();
    let who = send(&s.elasticsearch, request("/_security/_authenticate")).await.expect(200);
    assert_eq!(
        (who["authentication_type"].as_str(), who["api_key"]["name"].as_str()),
        (Some("api_key"), Some("shipper"))
    );
    s.with("GET", "/api/cases/_find", &[("authorization", &header)], Value::Null).await.expect(403);
    let listed = s.es("GET", "/_security/api_key?name=ship*", Value::Null).await;
    assert!(!listed.text.contains(made["api_key"].as_str().unwrap()));
    assert_eq!(listed.expect(200)["api_keys"][0]["id"], made["id"]);
    let gone = s.es("DELETE", "/_security/api_key", json!({"ids": [made["id"]]})).await.expect(200);
    assert_eq!(gone["invalidated_api_keys"], json!([made["id"]]));
    send(&s.elasticsearch, request("/_security/_authenticate")).await.expect(401);
    let none = s.es("DELETE", "/_security/api_key", json!({"ids": ["nope"]})).await;
    assert_eq!(none.status, 404);
    let unknown = s.es("GET", "/_nothing/here", Value::Null).await.expect(400);
    assert!(unknown["error"].as_str().unwrap_or_default().contains("no handler found") || unknown["error"].is_object());
}

#[tokio::test]
async fn a_verified_password_is_not_hashed_again() {
    let s = server().await;
    s.get("/api/watchfire/me").await.expect(200);
    let began = std::time::Instant::now();
    for _ in 0..200 {
        s.get("/api/watchfire/people").await.expect(200);
    }
    // Two hundred argon2 computations take several seconds on any machine.
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_run_acts_for_its_principal_and_cannot_pose_as_another() {
    use engine::own::{OwnApi, OwnRequest};
    let s = server().await;
    s.put("/internal/security/users/vi", json!({"password": "viewer-password", "roles": ["viewer"]})).await.expect(200);
    let service = api::in_process(s.state.clone(), s.kibana.clone(), s.elasticsearch.clone());
    let ask = |principal: &str, method: &str, path: &str, body: Value, headers: Vec<(String, String)>| OwnRequest {
        api: OwnApi::Kibana,
        method: method.into(),
        path: path.to_owned(),
        headers,
        body: (!body.is_null()).then(|| body.to_string()),
        principal: principal.into(),
        space: "default".into(),
        execution: ("e-1".into(), "step".into()),
        key: "k-1".into(),
    };
    let made = service.call(ask("elastic", "POST", "/api/cases", new_case("by a run", false), Vec::new())).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let entry = s.audited().into_iter().find(|a| &*a.action == "case.create").unwrap();
    assert_eq!(
        (&*entry.by.user, &*entry.by.channel, entry.by.execution.as_deref()),
        ("elastic", "workflow", Some("e-1"))
    );
    // The same key of the same run gives the first answer back.
    let again = service.call(ask("elastic", "POST", "/api/cases", new_case("by a run", false), Vec::new())).await;
    assert_eq!(again.body, made.body);
    let posing =
        vec![("Authorization".to_owned(), basic("elastic", PASSWORD)), ("cookie".to_owned(), "sid=x".to_owned())];
    let refused = service.call(ask("vi", "POST", "/api/cases", new_case("t", false), posing)).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let answer = json!({"verdict": "approve", "hash": "00"});
    let own = service.call(ask("elastic", "POST", "/api/watchfire/approvals/x/decide", answer, Vec::new())).await;
    assert_eq!(own.status, 403, "{}", own.body);
    s.put("/internal/security/users/vi", json!({"enabled": false})).await.expect(200);
    assert_eq!(service.call(ask("vi", "GET", "/api/cases/_find", Value::Null, Vec::new())).await.status, 401);
}
