//! The catalogue: step types and connector types with their schemas, for editors and forms.
//!
//! Source: `docs/reference/ui-api.md` §5.4.

use crate::error::Result;
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};

/// Rows.
pub const ROUTES: &[Route] = &[Route::read(
    Method::Get,
    "/api/watchfire/catalogue",
    Access::SignedIn,
    "Step types and connector types",
    h!(catalogue),
)];

async fn catalogue(cx: Ctx) -> Result<Reply> {
    let catalogue = cx.state.engine.catalogue(&cx.space);
    let steps = serde_json::to_value(workflow::step_catalogue(&catalogue)).unwrap_or_default();
    let connectors: Vec<Json> = cx.state.engine.programs().registry().types().map(|t| kind(&catalogue, t)).collect();
    Ok(Reply::ok(json!({"steps": steps, "connectors": connectors})))
}

fn kind(catalogue: &workflow::Catalogue, t: &connector::ConnectorType) -> Json {
    let uses = catalogue.operations.values().filter(|o| o.connector.as_deref() == Some(&*t.id));
    let uses: Vec<_> = uses.map(|o| o.name.clone()).collect();
    let required: Vec<_> = t.secrets.iter().filter(|(_, f)| f.required).map(|(name, _)| name).collect();
    let properties: serde_json::Map<_, _> =
        t.secrets.iter().map(|(name, f)| (name.to_string(), json!({"type": "string", "title": f.title}))).collect();
    json!({
        "id": t.id, "title": t.title, "description": t.group, "config": t.config,
        "secrets": {"type": "object", "required": required, "properties": properties}, "testable": t.test.is_some(), "steps": uses,
    })
}
