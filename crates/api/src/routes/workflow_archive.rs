//! Workflows out and in: ZIP as Kibana exports it, NDJSON for scripts.
//!
//! Invariants: at most `BULK_MAX` workflows and `zip::UNPACKED_BYTES_MAX` bytes; each workflow of an import stands for itself.
//! Source: `reference/workflow-language.md` §8.1.

use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, IMPORT_BYTES_MAX, Reply};
use crate::records::Record;
use crate::routes::workflow::{BULK_MAX, detail, store_one, stored, text};
use crate::table::{Access, Method, Route, h};
use crate::zip;
use serde_json::{Value as Json, json};
use store::Noun;

const READ: Access = Access::Needs("workflows:read");
const WRITE: Access = Access::Needs("workflows:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Post, "/api/workflows/export", READ, "Writes workflows to an archive", h!(export)).versioned(),
    Route::change(
        Method::Post,
        "/api/workflows/import",
        WRITE,
        "Reads workflows from an archive or NDJSON",
        h!(import),
    )
    .versioned()
    .body(IMPORT_BYTES_MAX),
];

async fn export(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let ids = body.get("ids").and_then(Json::as_array).filter(|i| !i.is_empty() && i.len() <= BULK_MAX);
    let ids =
        ids.ok_or_else(|| ApiError::invalid(format!("[request body.ids]: expected an array of 1 to {BULK_MAX} ids")))?;
    let mut found: Vec<Record> = Vec::new();
    for id in ids.iter().filter_map(Json::as_str) {
        found.extend(cx.state.records.find(Noun::Workflow, &cx.space, id)?);
    }
    if found.is_empty() {
        return Err(ApiError::not_found("None of the requested workflows were found"));
    }
    if cx.query.get("format") == Some("ndjson") {
        let line = |r: &Record| json!({"id": r.id, "yaml": text(r, "yaml")}).to_string() + "\n";
        let all: String = found.iter().map(line).collect();
        return Ok(Reply::raw("application/x-ndjson", all.into()));
    }
    let mut files: Vec<(String, Vec<u8>)> =
        found.iter().map(|r| (format!("{}.yaml", r.id), text(r, "yaml").as_bytes().to_vec())).collect();
    let manifest = json!({"exportedCount": found.len(), "exportedAt": cx.now.iso(), "version": "1"});
    files.push(("manifest.json".into(), manifest.to_string().into_bytes()));
    let name: String = cx.now.iso().chars().filter(char::is_ascii_digit).take(14).collect();
    let disposition = format!("attachment; filename=\"workflows_export_{name}.zip\"");
    Ok(Reply::raw("application/zip", zip::write(&files)?.into()).header("content-disposition", &disposition))
}

/// The workflows of a body: an archive, NDJSON of `{id?, yaml}`, or one YAML document.
fn items(cx: &Ctx) -> Result<Vec<Json>> {
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| ApiError::invalid("the file is not UTF-8"));
    if cx.body.starts_with(b"PK") {
        let files = zip::read(&cx.body)?;
        let mut out = Vec::new();
        for (name, data) in files {
            let file = name.rsplit('/').next().unwrap_or(&name);
            let Some(id) = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")) else { continue };
            out.push(json!({"id": id, "yaml": utf8(&data)?}));
        }
        return Ok(out);
    }
    let kind = cx.header("content-type").unwrap_or_default();
    let body = utf8(&cx.body)?;
    if kind.contains("ndjson") || body.trim_start().starts_with('{') {
        let line = |(n, l): (usize, &str)| {
            serde_json::from_str::<Json>(l).map_err(|e| ApiError::invalid(format!("line {}: {e}", n + 1)))
        };
        return body.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(line).collect();
    }
    if kind.contains("yaml") || body.contains("triggers:") {
        return Ok(vec![json!({"yaml": body})]);
    }
    Err(ApiError::new(ErrorCode::Unsupported, "send application/zip, application/x-ndjson or application/yaml"))
}

async fn import(cx: Ctx) -> Result<Reply> {
    let items = items(&cx)?;
    if items.is_empty() || items.len() > BULK_MAX {
        return Err(ApiError::invalid(format!("an import holds 1 to {BULK_MAX} workflows, this one {}", items.len())));
    }
    let overwrite = cx.query.flag("overwrite")? == Some(true);
    let (mut created, mut failed) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match store_one(&cx, item, overwrite).await {
            Ok(id) => created.push(detail(&cx, &stored(&cx, &id)?)?),
            Err(error) => failed.push(json!({"index": index, "id": item.get("id"), "error": error.message})),
        }
    }
    Ok(Reply::ok(json!({"created": created, "failed": failed})))
}
