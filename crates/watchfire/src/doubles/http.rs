//! The HTTP doubles: chat (`/api/chat.postMessage`), model (`/v1/chat/completions`), reputation (`/ip/{address}`), and a sink (`/sink/…`).
//!
//! Invariants: the model restates what it was asked and never executes it; every answer says `double`.
//! Not here: behaviour switches' meaning (`doubles`).

use super::Doubles;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// Request bytes at most.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Starts the server; its address.
pub async fn start(doubles: Doubles, at: SocketAddr) -> anyhow::Result<SocketAddr> {
    let router = Router::new()
        .route("/api/chat.postMessage", post(chat))
        .route("/v1/chat/completions", post(model))
        .route("/ip/{address}", get(reputation))
        .route("/sink/{*path}", post(sink).put(sink).get(sink).delete(sink))
        .route("/control", post(control))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(doubles);
    let listener = tokio::net::TcpListener::bind(at).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            eprintln!("the HTTP doubles ended: {error}");
        }
    });
    Ok(address)
}

fn key(headers: &HeaderMap) -> Value {
    headers.get("idempotency-key").and_then(|v| v.to_str().ok()).map_or(Value::Null, Value::from)
}

async fn delay(doubles: &Doubles) {
    let ms = doubles.behave().http_delay_ms;
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn chat(State(doubles): State<Doubles>, headers: HeaderMap, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    let sent: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({ "form": text }));
    delay(&doubles).await;
    if doubles.behave().chat_down {
        doubles.note(json!({"at": "chat.refused", "key": key(&headers)}));
        return (StatusCode::SERVICE_UNAVAILABLE, "down").into_response();
    }
    doubles.note(json!({"at": "chat", "key": key(&headers), "channel": sent["channel"], "text": sent["text"]}));
    Json(json!({"ok": true, "channel": sent["channel"], "ts": "1700000000.000100", "message": {"text": sent["text"]}, "double": true})).into_response()
}

async fn model(State(doubles): State<Doubles>, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    delay(&doubles).await;
    let prompt =
        asked["messages"].as_array().and_then(|m| m.last()).and_then(|m| m["content"].as_str()).unwrap_or_default();
    doubles.note(json!({"at": "model", "key": key(&headers), "prompt_bytes": prompt.len()}));
    if doubles.behave().model_nonsense {
        return Json(json!({"weather": ["sunny", {"choices": null}]})).into_response();
    }
    let words = prompt.split_whitespace().count();
    let answer = format!(
        "[model double] I was given {words} words of evidence. Check the host and the account named in the alert before you act."
    );
    Json(json!({
        "id": "double", "object": "chat.completion", "model": "double",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}],
        "usage": {"prompt_tokens": words, "completion_tokens": 24, "total_tokens": words + 24}
    }))
    .into_response()
}

async fn reputation(State(doubles): State<Doubles>, Path(address): Path<String>) -> Response {
    delay(&doubles).await;
    doubles.note(json!({"at": "reputation", "address": address}));
    let bad = address.starts_with("203.0.113.") || address.starts_with("198.51.100.");
    Json(json!({"address": address, "verdict": if bad { "known bad" } else { "unknown" }, "source": "reputation double"})).into_response()
}

async fn sink(
    State(doubles): State<Doubles>,
    method: axum::http::Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let came = doubles.ms();
    delay(&doubles).await;
    let text = String::from_utf8_lossy(&body).into_owned();
    doubles.note(json!({"at": "sink", "path": path, "method": method.as_str(), "key": key(&headers), "body": text, "came_ms": came}));
    Json(json!({"ok": true, "path": path, "double": true})).into_response()
}

async fn control(State(doubles): State<Doubles>, Json(wanted): Json<Value>) -> Response {
    let mut behaviour = doubles.behaviour.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(v) = wanted["chat_down"].as_bool() {
        behaviour.chat_down = v;
    }
    if let Some(v) = wanted["model_nonsense"].as_bool() {
        behaviour.model_nonsense = v;
    }
    if let Some(v) = wanted["http_delay_ms"].as_u64() {
        behaviour.http_delay_ms = v;
    }
    if let Some(v) = wanted["command_ms"].as_u64() {
        behaviour.command_ms = v;
    }
    Json(json!({"ok": true})).into_response()
}
