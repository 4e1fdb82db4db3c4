//! Liveness, `/api/status`, the space.
//!
//! Invariants: an anonymous caller learns the level and nothing else.
//! Source: `reference/kibana-apis.md` §6.1, §6.2.

use crate::auth::Via;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::serve::STACK_VERSION;
use crate::table::{Access, Method, Route, h};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/healthz", Access::Open, "Answers while the process serves", h!(healthz)),
    Route::read(Method::Get, "/api/status", Access::Open, "State of the server", h!(status)),
    Route::read(Method::Get, "/api/openapi.json", Access::SignedIn, "This description", h!(openapi)),
    Route::read(Method::Get, "/api/spaces/space", Access::SignedIn, "Lists the spaces", h!(spaces)),
    Route::read(Method::Get, "/api/spaces/space/{id}", Access::SignedIn, "Gets a space", h!(space)),
];

async fn healthz(_: Ctx) -> Result<Reply> {
    Ok(Reply::raw("text/plain; charset=utf-8", Bytes::from_static(b"ok\n")))
}

async fn openapi(_: Ctx) -> Result<Reply> {
    Ok(Reply::ok(crate::openapi()))
}

async fn status(cx: Ctx) -> Result<Reply> {
    // Reads go on while the disk is full; what fails says so itself.
    let (level, summary) = match cx.state.engine.store().health() {
        Ok(()) => ("available", "All services are available".to_owned()),
        Err(why) => ("degraded", why.to_string()),
    };
    if cx.principal.via == Via::Nobody {
        return Ok(Reply::ok(json!({"status": {"overall": {"level": level}}})));
    }
    let gauges = cx.state.engine.store().gauges();
    let ok = || json!({"level": "available", "summary": "ok", "meta": {}});
    Ok(Reply::ok(json!({
        "name": cx.state.name,
        "uuid": stdx::id::uuid_v8(stdx::Time(0), &["server", &cx.state.name]),
        "version": {
            "number": STACK_VERSION, "build_hash": "0", "build_number": 1, "build_snapshot": false,
            "build_flavor": "traditional", "build_date": "2026-01-01T00:00:00.000Z",
        },
        "status": {
            "overall": {"level": level, "summary": summary, "meta": {}},
            "core": {"elasticsearch": ok(), "savedObjects": ok()},
            "plugins": {},
        },
        "metrics": {
            "last_updated": cx.now.iso(), "collection_interval_in_millis": 5000,
            "elasticsearch_client": {"totalActiveSockets": 0, "totalIdleSockets": 0, "totalQueuedRequests": 0},
        },
        "watchfire": {
            "version": env!("CARGO_PKG_VERSION"),
            "store": {
                "synchronous": gauges.synchronous.load(Ordering::Relaxed), "commits": gauges.commits.load(Ordering::Relaxed),
                "syncs": gauges.groups.load(Ordering::Relaxed),
            },
            "rules_enabled": cx.state.engine.figures().rules_enabled.load(Ordering::Relaxed),
            "alerts_raised": cx.state.engine.figures().alerts_raised.load(Ordering::Relaxed),
        },
    })))
}

fn default_space() -> Value {
    json!({"id": "default", "name": "Default", "description": "This is your default space!", "color": "#00bfb3", "disabledFeatures": [], "_reserved": true})
}

async fn spaces(_: Ctx) -> Result<Reply> {
    Ok(Reply::ok(json!([default_space()])))
}

async fn space(cx: Ctx) -> Result<Reply> {
    match cx.param("id") {
        crate::serve::DEFAULT_SPACE => Ok(Reply::ok(default_space())),
        other => Err(ApiError::not_found(format!("Saved object [space/{other}] not found"))),
    }
}
