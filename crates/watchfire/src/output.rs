//! What commands print: tables for people, JSON for scripts, logs on standard error.
//!
//! Invariants: `--json` prints one JSON document (or one per line where it says so) on standard output and nothing else there.

use comfy_table::{ContentArrangement, Table, presets};
use stdx::Value;

/// Whether the command logs like a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Warnings only.
    Quiet,
    /// As `WATCHFIRE_LOG` says, else `info`.
    Server,
}

/// Sets logging up once; JSON lines when `WATCHFIRE_LOG_FORMAT=json`.
pub fn init_log(logs: Logs) {
    use tracing_subscriber::EnvFilter;
    let default = if logs == Logs::Server { "info,tantivy=warn" } else { "error" };
    let filter = EnvFilter::try_from_env("WATCHFIRE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::env::var("WATCHFIRE_LOG_FORMAT").is_ok_and(|f| f == "json") {
        builder.json().init();
    } else {
        builder.init();
    }
}

/// Prints JSON, indented.
pub fn json(value: &Value) {
    let json = serde_json::Value::from(value);
    println!("{}", serde_json::to_string_pretty(&json).unwrap_or_default());
}

/// Prints a table of rows.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    for row in rows {
        table.add_row(row.into_iter().map(visible));
    }
    println!("{table}");
}

/// Text from outside with control characters made visible.
pub fn visible(text: impl AsRef<str>) -> String {
    text.as_ref()
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// The text of a member, `–` where there is none.
pub fn text(value: &Value, path: &str) -> String {
    match value.field(path) {
        None | Some(Value::Null) => "–".into(),
        Some(Value::Str(s)) => s.to_string(),
        Some(Value::Array(a)) if a.iter().all(|v| v.as_str().is_some()) => {
            a.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Some(other) => stdx::json::text(other),
    }
}
