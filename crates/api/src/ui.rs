//! The web page: built assets inside the binary, and what stands there when it was built without them.
//!
//! Invariants: assets with a hash in their name are cached for ever, the page itself never; a path of the page's own routes gives the page.
//! Not here: the page (`ui/`), its data (`routes`).
//! Source: `design/ui.md` §2.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Assets;

const UNBUILT: &str = include_str!("ui/unbuilt.html");

/// Answers a GET outside the APIs.
pub fn serve(path: &str) -> Response<Body> {
    let path = path.trim_start_matches('/');
    if let Some(to) = deep_link(path) {
        return redirect(&to);
    }
    if !path.is_empty()
        && path != "index.html"
        && let Some(file) = Assets::get(path)
    {
        return asset(path, file.data.into_owned());
    }
    if path.starts_with("assets/") {
        return page(StatusCode::NOT_FOUND, "not found".into());
    }
    match Assets::get("index.html") {
        Some(file) => page(StatusCode::OK, Body::from(file.data.into_owned())),
        None => page(StatusCode::OK, UNBUILT.into()),
    }
}

/// Kibana's links to the same thing here.
fn deep_link(path: &str) -> Option<String> {
    let rest = path.strip_prefix("app/")?;
    let id = |prefix: &str| {
        rest.strip_prefix(prefix).map(|id| id.split(['/', '?']).next().unwrap_or_default()).filter(|id| !id.is_empty())
    };
    if let Some(id) = id("security/alerts/redirect/") {
        return Some(format!("/alerts/{id}"));
    }
    if let Some(id) = id("security/cases/") {
        return Some(format!("/cases/{id}"));
    }
    if let Some(id) = id("security/rules/id/") {
        return Some(format!("/rules/{id}"));
    }
    if let Some(id) = id("workflows/") {
        return Some(format!("/workflows/{id}"));
    }
    let list = rest.trim_end_matches('/');
    ["alerts", "cases", "rules"]
        .iter()
        .find(|n| list == format!("security/{n}"))
        .map(|n| format!("/{n}"))
        .or_else(|| (list == "workflows").then(|| "/workflows".into()))
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn page(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn asset(path: &str, bytes: Vec<u8>) -> Response<Body> {
    let kind = match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    };
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibanas_deep_links_lead_to_our_pages() {
        for (from, to) in [
            ("app/security/alerts/redirect/a1?index=x", "/alerts/a1"),
            ("app/security/cases/5f0", "/cases/5f0"),
            ("app/security/rules/id/r1/edit", "/rules/r1"),
            ("app/workflows/w1", "/workflows/w1"),
            ("app/security/alerts", "/alerts"),
        ] {
            assert_eq!(deep_link(from).as_deref(), Some(to), "{from}");
        }
        assert_eq!(deep_link("app/maps/1"), None);
    }

    #[test]
    fn unknown_assets_are_404_and_pages_are_the_page() {
        assert_eq!(serve("/assets/none-0000.js").status(), StatusCode::NOT_FOUND);
        assert_eq!(serve("/cases/5f0").status(), StatusCode::OK);
    }
}
