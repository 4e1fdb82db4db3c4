//! The description of the Kibana-compatible API and of our own routes, made from the table.
//!
//! Invariants: every row of the table has its operation; ids are unique and stable.
//! Not here: shapes of single bodies beyond what the schemas below name.

use crate::routes;
use crate::serve::STACK_VERSION;
use crate::table::{Access, Method, Route};
use serde_json::{Map, Value as Json, json};

/// The document, OpenAPI 3.1.
pub fn openapi() -> Json {
    let mut paths = Map::new();
    for route in routes::all() {
        let entry = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(route.method.as_str().to_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Watchfire", "version": env!("CARGO_PKG_VERSION"),
            "description": format!("Kibana-compatible API (version {STACK_VERSION}) and Watchfire's own routes. Every path stands also under /s/default."),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:5601"}],
        "security": [{"basic": []}, {"apiKey": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "ApiKey base64(id:api_key)"},
                "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
            },
            "parameters": {
                "kbnXsrf": {"name": "kbn-xsrf", "in": "header", "required": false, "schema": {"type": "string"}, "description": "Any value; required on writes with Basic or the session cookie."},
                "idempotencyKey": {"name": "Idempotency-Key", "in": "header", "required": false, "schema": {"type": "string", "maxLength": 255}, "description": "The same key gets the first answer back."},
            },
            "schemas": schemas(),
        },
    })
}

/// `verbNounPart`, from method and path.
fn operation_id(route: &Route) -> String {
    let verb = match route.method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Patch => "patch",
        Method::Delete => "delete",
    };
    let mut id = verb.to_owned();
    for part in route.path.split(['/', '_', '-']).filter(|p| !p.is_empty()) {
        let part = part.trim_matches(['{', '}']);
        let mut chars = part.chars();
        if let Some(first) = chars.next() {
            id.extend(first.to_uppercase());
            id.push_str(chars.as_str());
        }
    }
    id
}

fn tag(route: &Route) -> &'static str {
    let path = route.path;
    let tags = [
        ("/api/cases", "cases"),
        ("/internal/cases", "cases"),
        ("/api/detection_engine/signals", "alerts"),
        ("/api/watchfire/alerts", "alerts"),
        ("/api/detection_engine", "rules"),
        ("/api/watchfire/rules", "rules"),
        ("/api/actions", "connectors"),
        ("/api/watchfire/connectors", "connectors"),
        ("/api/workflow", "workflows"),
        ("/api/watchfire/approvals", "approvals"),
        ("/internal/security", "security"),
    ];
    tags.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or("server", |(_, tag)| tag)
}

fn operation(route: &'static Route) -> Json {
    let mut parameters: Vec<Json> = route
        .path
        .split('/')
        .filter_map(|p| p.strip_prefix('{').and_then(|p| p.strip_suffix('}')))
        .map(|name| json!({"name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if route.changes {
        parameters.push(json!({"$ref": "#/components/parameters/kbnXsrf"}));
        parameters.push(json!({"$ref": "#/components/parameters/idempotencyKey"}));
    }
    let error = || json!({"description": "refused", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
    let ok = match response(route) {
        Some(name) => {
            json!({"description": "done", "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}}})
        }
        None => json!({"description": "done"}),
    };
    let mut operation = json!({
        "operationId": operation_id(route), "summary": route.summary, "tags": [tag(route)], "parameters": parameters,
        "responses": {"200": ok, "400": error(), "401": error(), "403": error(), "404": error()},
    });
    if let Some(o) = operation.as_object_mut() {
        match route.access {
            Access::Open | Access::Signed => drop(o.insert("security".into(), json!([]))),
            Access::SignedIn => {}
            Access::Needs(privilege) => drop(o.insert("x-privilege".into(), json!(privilege))),
        }
        if matches!(route.method, Method::Post | Method::Put | Method::Patch) {
            let schema = request(route).map_or_else(
                || json!({"type": "object"}),
                |name| json!({"$ref": format!("#/components/schemas/{name}")}),
            );
            o.insert("requestBody".into(), json!({"content": {"application/json": {"schema": schema}}}));
        }
    }
    operation
}

/// Name of the schema of a route's body.
fn request(route: &Route) -> Option<&'static str> {
    Some(match (route.method, route.path) {
        (Method::Post, "/api/cases") => "CaseCreate",
        (Method::Patch, "/api/cases") => "CasesPatch",
        (Method::Post, "/api/cases/{id}/comments") => "CommentCreate",
        (Method::Post, "/api/watchfire/alerts/decide") => "Decide",
        (Method::Post, "/api/watchfire/approvals/{id}/decide") => "ApprovalDecide",
        (Method::Post, "/api/watchfire/approvals/{id}/settle") => "ApprovalSettle",
        (Method::Post, "/api/workflows/workflow") => "WorkflowCreate",
        (Method::Post, "/api/workflows/workflow/{id}/run") => "WorkflowRun",
        (Method::Post, "/api/actions/connector" | "/api/actions/connector/{id}") => "ConnectorCreate",
        (Method::Post, "/internal/security/login") => "Login",
        _ => return None,
    })
}

/// Name of the schema of a route's answer.
fn response(route: &Route) -> Option<&'static str> {
    Some(match (route.method, route.path) {
        (Method::Post, "/api/cases") | (Method::Get, "/api/cases/{id}") => "Case",
        (Method::Post, "/api/workflows/workflow/{id}/run") => "WorkflowStarted",
        _ => return None,
    })
}

fn object(required: &[&str], properties: Json) -> Json {
    json!({"type": "object", "required": required, "properties": properties})
}

fn schemas() -> Json {
    let text = || json!({"type": "string"});
    let nullable = || json!({"type": ["string", "null"]});
    let strings = || json!({"type": "array", "items": {"type": "string"}});
    let connector = || {
        object(&["id", "name", "type", "fields"], json!({"id": text(), "name": text(), "type": text(), "fields": {}}))
    };
    let severity = || json!({"enum": triage::case::SEVERITIES});
    json!({
        "Error": object(&["statusCode", "error", "message"], json!({"statusCode": {"type": "integer"}, "error": text(), "message": text(), "attributes": {"type": "object"}})),
        "CaseCreate": object(
            &["title", "description", "tags", "connector", "settings", "owner"],
            json!({
                "title": {"type": "string", "maxLength": triage::case::TITLE_CHARS_MAX}, "description": {"type": "string", "maxLength": triage::case::DESCRIPTION_CHARS_MAX},
                "tags": strings(), "connector": connector(), "settings": {"type": "object"}, "owner": text(), "severity": severity(),
                "category": nullable(), "assignees": {"type": "array"}, "customFields": {"type": "array"},
            }),
        ),
        "CasesPatch": object(&["cases"], json!({"cases": {"type": "array", "items": object(&["id", "version"], json!({"id": text(), "version": text()}))}})),
        "CommentCreate": object(&["type"], json!({"type": text(), "owner": text(), "comment": text()})),
        "Case": object(
            &["id", "version", "title", "status", "severity", "owner"],
            json!({
                "id": text(), "version": text(), "incremental_id": {"type": "integer"}, "title": text(), "description": text(), "tags": strings(),
                "status": {"enum": triage::case::STATUSES}, "severity": severity(), "owner": text(), "totalComment": {"type": "integer"},
                "totalAlerts": {"type": "integer"}, "created_at": text(), "updated_at": nullable(), "closed_at": nullable(),
            }),
        ),
        "Decide": object(
            &["items", "kind"],
            json!({
                "items": {"type": "array", "items": object(&["id"], json!({"id": text(), "version": text()}))},
                "kind": {"enum": ["acknowledge", "close", "reopen", "assign", "unassign"]}, "reason": text(), "comment": text(), "assignee": text(),
            }),
        ),
        "ApprovalDecide": object(&["verdict", "hash"], json!({"verdict": {"enum": ["approve", "reject"]}, "hash": nullable(), "comment": nullable()})),
        "ApprovalSettle": object(&["verdict"], json!({"verdict": {"enum": ["happened", "again", "skip"]}, "comment": nullable(), "output": {}})),
        "WorkflowCreate": object(&["yaml"], json!({"yaml": text(), "id": text()})),
        "WorkflowRun": object(&[], json!({"inputs": {"type": "object"}, "metadata": {"type": "object"}})),
        "WorkflowStarted": object(&["workflowExecutionId"], json!({"workflowExecutionId": text()})),
        "ConnectorCreate": object(&["name", "connector_type_id"], json!({"name": text(), "connector_type_id": text(), "config": {"type": "object"}, "secrets": {"type": "object"}})),
        "Login": object(&["username", "password"], json!({"username": text(), "password": text()})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_an_operation_of_its_own_name() {
        let document = openapi();
        let mut ids = BTreeSet::new();
        for route in routes::all() {
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
            assert!(!id.is_empty(), "{} {}", route.method.as_str(), route.path);
            assert!(ids.insert(id), "{} {} has the id of another", route.method.as_str(), route.path);
        }
    }
}
