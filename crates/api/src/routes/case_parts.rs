//! Parts of a case: observables, similar cases, files, push to an outside service.
//!
//! Invariants: every change is one commit; a push that the service refuses is a 424 and leaves the case as it is; a file's content leaves
//! through its own route alone, as a download.
//! Not here: validation and transitions (`triage::observable`, `triage::push`), connectors (`connector`).
//! Source: `reference/kibana-apis.md` §2.10, §2.12, §2.15.

use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use crate::ids;
use crate::routes::case::{PAGE_MAX, comments, load};
use crate::table::{Access, Method, Route, h};
use base64::Engine as _;
use serde_json::{Value as Json, json};
use stdx::{Id, Value};
use store::Noun;
use triage::Command;

/// Bytes of one file.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Bytes of one multipart body.
const UPLOAD_BYTES_MAX: usize = FILE_BYTES_MAX + (64 << 10);
/// Bytes of all files of a case, as they are stored.
const FILES_BYTES_MAX: usize = 16 << 20;
/// Longest name of a file in characters.
const NAME_CHARS_MAX: usize = 160;
/// Observables of one request.
const OBSERVABLES_MAX: usize = 50;

/// Types of files by the end of their name; anything else is refused.
const TYPES: [(&str, &str); 22] = [
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("ndjson", "application/x-ndjson"),
    ("xml", "application/xml"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("bmp", "image/bmp"),
    ("tiff", "image/tiff"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("tar", "application/x-tar"),
    ("7z", "application/x-7z-compressed"),
    ("bz2", "application/x-bzip2"),
    ("eml", "message/rfc822"),
    ("pcap", "application/vnd.tcpdump.pcap"),
];

const READ: Access = Access::Needs("cases:read");
const WRITE: Access = Access::Needs("cases:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::change(Method::Post, "/internal/cases/{id}/observables", WRITE, "Adds an observable", h!(add)),
    Route::change(Method::Post, "/api/cases/{id}/observables", WRITE, "Adds an observable", h!(add)),
    Route::change(
        Method::Post,
        "/internal/cases/{id}/observables/_bulk_create",
        WRITE,
        "Adds many observables",
        h!(add),
    ),
    Route::change(
        Method::Patch,
        "/internal/cases/{id}/observables/{observable}",
        WRITE,
        "Changes an observable",
        h!(change),
    ),
    Route::change(
        Method::Patch,
        "/api/cases/{id}/observables/{observable}",
        WRITE,
        "Changes an observable",
        h!(change),
    ),
    Route::change(
        Method::Delete,
        "/internal/cases/{id}/observables/{observable}",
        WRITE,
        "Removes an observable",
        h!(remove),
    ),
    Route::change(
        Method::Delete,
        "/api/cases/{id}/observables/{observable}",
        WRITE,
        "Removes an observable",
        h!(remove),
    ),
    Route::read(Method::Post, "/internal/cases/{id}/_similar", READ, "Finds cases that share observables", h!(similar)),
    Route::change(Method::Post, "/api/cases/{id}/files", WRITE, "Adds a file to a case", h!(upload))
        .body(UPLOAD_BYTES_MAX),
    Route::read(Method::Get, "/api/cases/{id}/files/{file}", READ, "Gets the content of a file", h!(download)),
    Route::change(Method::Post, "/api/cases/{id}/connector/{connector}/_push", WRITE, "Pushes a case", h!(push)),
];

async fn add(cx: Ctx) -> Result<Reply> {
    let body = Value::from(cx.json()?);
    let one = body.get("observable").cloned().into_iter();
    let observables: Vec<Value> =
        one.chain(body.get("observables").and_then(Value::as_array).unwrap_or_default().iter().cloned()).collect();
    if observables.is_empty() {
        return Err(ApiError::invalid(
            "[request body.observable]: expected at least one defined value but got [undefined]",
        ));
    }
    if observables.len() > OBSERVABLES_MAX {
        return Err(ApiError::invalid(format!("Max {OBSERVABLES_MAX} observables per case is allowed.")));
    }
    let case = Id::from(cx.param("id"));
    let case = cx.command(Command::ObservablesAdd { case, id: ids::uuid(), observables }).await?;
    Ok(Reply::value(&case))
}

async fn change(cx: Ctx) -> Result<Reply> {
    let body = Value::from(cx.json()?);
    let body = body.get("observable").filter(|o| o.as_object().is_some()).cloned().unwrap_or(body);
    let (case, observable) = (Id::from(cx.param("id")), Id::from(cx.param("observable")));
    let case = cx.command(Command::ObservableUpdate { case, observable, body }).await?;
    Ok(Reply::value(&case))
}

async fn remove(cx: Ctx) -> Result<Reply> {
    let observables = vec![Id::from(cx.param("observable"))];
    cx.command(Command::ObservablesDelete { case: Id::from(cx.param("id")), observables }).await?;
    Ok(Reply::no_content())
}

/// The words of a built-in type of observables.
fn label(key: &str) -> &str {
    match key.strip_prefix("observable-type-").unwrap_or(key) {
        "ipv4" => "IPv4",
        "ipv6" => "IPv6",
        "url" => "URL",
        "hostname" => "Host name",
        "file-hash" => "File hash",
        "file-path" => "File path",
        "email" => "Email",
        "domain" => "Domain",
        other => other,
    }
}

async fn similar(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let number = |key: &str, default: u64, max: u64| -> Result<u64> {
        match body.get(key) {
            None | Some(Json::Null) => Ok(default),
            Some(v) => v
                .as_u64()
                .filter(|n| (1..=max).contains(n))
                .ok_or_else(|| ApiError::invalid(format!("Invalid value \"{v}\" supplied to \"{key}\": 1 to {max}"))),
        }
    };
    let (page, size) = (number("page", 1, 1_000_000)?, number("perPage", 20, PAGE_MAX as u64)?);
    let case = load(&cx, cx.param("id"))?;
    let (found, total) = cx.read(|r| r.cases_similar(&case, (page - 1).saturating_mul(size), size))?;
    let pair = |o: &Value| (o.get("typeKey").cloned(), o.get("value").cloned());
    let mine: Vec<_> = case.observables.iter().map(pair).collect();
    let wire = |other: &triage::Case| {
        let mut api = Json::from(&other.to_api(None));
        let shared: Vec<Json> = other
            .observables
            .iter()
            .filter(|o| mine.contains(&pair(o)))
            .map(|o| {
                let key = o.get("typeKey").and_then(Value::as_str).unwrap_or_default();
                json!({"typeKey": key, "typeLabel": label(key), "value": o.get("value").map(Json::from)})
            })
            .collect();
        if let Some(o) = api.as_object_mut() {
            o.insert("similarities".into(), json!({"observables": shared}));
        }
        api
    };
    Ok(Reply::ok(json!({
        "cases": found.iter().map(wire).collect::<Vec<_>>(), "page": page, "per_page": size, "total": total,
    })))
}

/// A part of a multipart body: its name, the name of its file, its bytes.
struct Part<'a> {
    name: String,
    filename: Option<String>,
    bytes: &'a [u8],
}

/// The parts of a multipart body.
fn parts(cx: &Ctx) -> Result<Vec<Part<'_>>> {
    let kind = cx.header("content-type").unwrap_or_default();
    let boundary =
        kind.split("boundary=").nth(1).map(|b| b.split(';').next().unwrap_or_default().trim().trim_matches('"'));
    let boundary = boundary
        .filter(|b| !b.is_empty() && kind.starts_with("multipart/form-data"))
        .ok_or_else(|| ApiError::new(ErrorCode::Unsupported, "the request must be multipart/form-data"))?;
    let wrong = || ApiError::invalid("the multipart body is not well formed");
    let find = |from: usize, what: &[u8]| {
        cx.body.get(from..)?.windows(what.len().max(1)).position(|w| w == what).map(|i| from + i)
    };
    let mark = format!("--{boundary}");
    let mut at = find(0, mark.as_bytes()).ok_or_else(wrong)? + mark.len();
    let mut out = Vec::new();
    while !cx.body.get(at..).is_some_and(|rest| rest.starts_with(b"--")) {
        let head_end = find(at, b"\r\n\r\n").ok_or_else(wrong)?;
        let end = find(head_end, format!("\r\n{mark}").as_bytes()).ok_or_else(wrong)?;
        let head = String::from_utf8_lossy(&cx.body[at..head_end]).into_owned();
        let word = |key: &str| {
            let from = head.find(&format!(" {key}=\""))? + key.len() + 3;
            Some(head.get(from..)?.split('"').next()?.to_owned())
        };
        let bytes = cx.body.get(head_end + 4..end).unwrap_or_default();
        out.push(Part { name: word("name").unwrap_or_default(), filename: word("filename"), bytes });
        at = end + 2 + mark.len();
        if out.len() > 16 {
            return Err(wrong());
        }
    }
    Ok(out)
}

async fn upload(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?;
    let parts = parts(&cx)?;
    let file = parts.iter().find(|p| p.name == "file").ok_or_else(|| ApiError::invalid("file is missing"))?;
    if file.bytes.len() > FILE_BYTES_MAX {
        return Err(ApiError::new(ErrorCode::TooLarge, format!("a file has at most {FILE_BYTES_MAX} bytes")));
    }
    // A path in a name is the client's, not ours.
    let given = file.filename.clone().unwrap_or_default();
    let given = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, extension) = given.rsplit_once('.').map_or((given, ""), |(s, e)| (s, e));
    let named = parts.iter().find(|p| p.name == "filename").map(|p| String::from_utf8_lossy(p.bytes).trim().to_owned());
    let name = named.unwrap_or_else(|| stem.to_owned());
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("the filename must have 1 to {NAME_CHARS_MAX} characters")));
    }
    let extension = extension.to_ascii_lowercase();
    let kind = TYPES.iter().find(|(e, _)| *e == extension).map(|(_, kind)| *kind);
    let kind =
        kind.ok_or_else(|| ApiError::invalid(format!("The mime type field value {extension} is not allowed.")))?;
    let stored: usize =
        cx.read(|r| r.comment_list(&case.id))?.iter().filter_map(|a| a.content.as_ref()).map(|c| c.len()).sum();
    let content = base64::engine::general_purpose::STANDARD.encode(file.bytes);
    if stored + content.len() > FILES_BYTES_MAX {
        return Err(ApiError::new(
            ErrorCode::TooLarge,
            format!("the files of a case have at most {FILES_BYTES_MAX} bytes"),
        ));
    }
    let id = ids::uuid();
    let metadata =
        json!({"files": [{"name": name, "extension": extension, "mimeType": kind, "created": cx.now.iso()}]});
    let mut body = json!({
        "type": "externalReference", "owner": case.owner, "externalReferenceId": id,
        "externalReferenceStorage": {"type": "savedObject", "soType": "file"},
        "externalReferenceAttachmentTypeId": ".files", "externalReferenceMetadata": metadata,
    });
    if let Some(o) = body.as_object_mut() {
        o.insert(triage::comment::CONTENT.into(), json!(content));
    }
    let case = cx.command(Command::CommentAdd { case: case.id, id, body: Value::from(body) }).await?;
    Ok(Reply::value(&case))
}

async fn download(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?;
    let id = cx.param("file");
    let missing = || ApiError::not_found(format!("This file {id} does not exist anymore."));
    let found = cx.read(|r| r.comment_get(&case.id, id))?.ok_or_else(missing)?;
    let content = found.content.as_ref().ok_or_else(missing)?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(content.as_bytes()).map_err(ApiError::internal)?;
    let file = found.body.path(&["externalReferenceMetadata", "files", "0"]).cloned().unwrap_or_default();
    let text = |key: &str| file.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let plain: String = format!("{}.{}", text("name"), text("extension"))
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ';') { c } else { '_' })
        .collect();
    // What somebody uploaded is never shown in the page's origin.
    Ok(Reply::raw("application/octet-stream", bytes.into())
        .header("content-disposition", &format!("attachment; filename=\"{plain}\""))
        .header("x-content-type-options", "nosniff"))
}

async fn push(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?;
    let wanted = cx.param("connector").to_owned();
    let record = cx.state.records.find(Noun::Connector, &cx.space, &wanted)?;
    let record = record.ok_or_else(|| ApiError::not_found(format!("Saved object [action/{wanted}] not found")))?;
    let member = |key: &str| record.body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, kind) = (member("name"), member("connector_type_id"));
    let mut api = case.to_api(Some(comments(&cx, &case.id)?));
    let of_case = case.connector.get("id").and_then(Value::as_str) == Some(&wanted);
    if !of_case && let Some(o) = api.object_mut() {
        // Pushed to another connector than its own: without the fields that were meant for that one.
        let connector = Value::object([
            ("id", Value::from(wanted.as_str())),
            ("name", Value::from(name.as_str())),
            ("type", Value::from(kind.as_str())),
            ("fields", Value::Null),
        ]);
        o.insert("connector", connector);
    }
    let unable = || ApiError::invalid(format!("connectors of type `{kind}` cannot take cases"));
    let push = triage::push::push(&api).ok_or_else(unable)?;
    if cx.state.engine.programs().registry().operation(&push.operation).is_none() {
        return Err(unable());
    }
    let sent = cx.state.engine.execute(&cx.space, &wanted, &push.operation, &push.params).await;
    let result = sent.map_err(|fault| ApiError::new(ErrorCode::FailedDependency, fault.message.to_string()))?;
    let connector = Value::object([("id", Value::from(wanted)), ("name", Value::from(name))]);
    let case = cx.command(Command::CasePushed { case: case.id, connector, result, comments: push.comments }).await?;
    Ok(Reply::value(&case))
}
