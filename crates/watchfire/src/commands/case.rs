//! `watchfire case`: cases over the server's API.

use crate::Exit;
use crate::client::{Client, Server, segment};
use crate::output;
use clap::Subcommand;
use stdx::{Object, Value};

/// Arguments of `case`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List cases, newest first.
    List {
        /// Only these states.
        #[arg(long, value_parser = ["open", "in-progress", "closed"])]
        status: Option<String>,
        /// Words in title and description.
        #[arg(long)]
        search: Option<String>,
        /// Page size.
        #[arg(long, default_value_t = 20)]
        size: u32,
    },
    /// Show a case.
    Get {
        /// Case id.
        id: String,
    },
    /// Show a case's timeline, oldest first.
    Timeline {
        /// Case id.
        id: String,
    },
    /// Open a case.
    Create {
        /// Title.
        #[arg(long)]
        title: String,
        /// Description.
        #[arg(long, default_value = "")]
        description: String,
        /// Severity.
        #[arg(long, default_value = "low", value_parser = ["low", "medium", "high", "critical"])]
        severity: String,
        /// Tags.
        #[arg(long)]
        tag: Vec<String>,
    },
    /// Add a comment.
    Comment {
        /// Case id.
        id: String,
        /// Text.
        text: String,
    },
    /// Close a case.
    Close {
        /// Case id.
        id: String,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    let client = Client::new(server)?;
    match args.verb {
        Verb::List { status, search, size } => {
            let mut path = format!("/api/cases/_find?perPage={size}&sortField=createdAt&sortOrder=desc");
            if let Some(status) = status {
                path.push_str(&format!("&status={status}"));
            }
            if let Some(search) = search {
                path.push_str(&format!("&search={}", segment(&search)));
            }
            let found = client.call("GET", &path, None).await?;
            if json {
                output::json(&found);
                return Ok(Exit::Fine);
            }
            let cases = found.get("cases").and_then(Value::as_array).unwrap_or_default();
            let row = |c: &Value| {
                ["id", "status", "severity", "title", "totalAlerts", "totalComment", "created_at"]
                    .map(|k| output::text(c, k))
                    .to_vec()
            };
            output::table(
                &["id", "status", "severity", "title", "alerts", "comments", "created"],
                cases.iter().map(row).collect(),
            );
        }
        Verb::Get { id } => {
            let case = client.call("GET", &format!("/api/cases/{}", segment(&id)), None).await?;
            show(&case, json);
        }
        Verb::Timeline { id } => {
            let path = format!("/api/watchfire/cases/{}/timeline?order=oldest&size=500", segment(&id));
            let timeline = client.call("GET", &path, None).await?;
            if json {
                output::json(&timeline);
                return Ok(Exit::Fine);
            }
            let entries = timeline.get("entries").and_then(Value::as_array).unwrap_or_default();
            output::table(&["at", "kind", "by", "what"], entries.iter().map(entry).collect());
        }
        Verb::Create { title, description, severity, tag } => {
            let body = Value::object([
                ("title", Value::from(title)),
                ("description", Value::from(description)),
                ("severity", Value::from(severity)),
                ("tags", Value::array(tag.into_iter().map(Value::from))),
                ("owner", Value::from("securitySolution")),
                ("settings", Value::object([("syncAlerts", Value::Bool(true))])),
                (
                    "connector",
                    Value::object([
                        ("id", Value::from("none")),
                        ("name", Value::from("none")),
                        ("type", Value::from(".none")),
                        ("fields", Value::Null),
                    ]),
                ),
            ]);
            let case = client.call("POST", "/api/cases", Some(&body)).await?;
            show(&case, json);
        }
        Verb::Comment { id, text } => {
            let body = Value::object([
                ("type", Value::from("user")),
                ("comment", Value::from(text)),
                ("owner", Value::from("securitySolution")),
            ]);
            let case = client.call("POST", &format!("/api/cases/{}/comments", segment(&id)), Some(&body)).await?;
            show(&case, json);
        }
        Verb::Close { id } => {
            let case = client.call("GET", &format!("/api/cases/{}", segment(&id)), None).await?;
            let mut change = Object::new();
            change.insert("id", id);
            change.insert("version", case.get("version").cloned().unwrap_or_default());
            change.insert("status", "closed");
            let body = Value::object([("cases", Value::array([Value::from(change)]))]);
            let changed = client.call("PATCH", "/api/cases", Some(&body)).await?;
            show(changed.as_array().and_then(<[Value]>::first).unwrap_or(&changed), json);
        }
    }
    Ok(Exit::Fine)
}

fn entry(e: &Value) -> Vec<String> {
    let what = ["text", "question", "command", "name", "field"].iter().find_map(|k| e.get(k).and_then(Value::as_str));
    let what = what.map_or_else(
        || {
            let alerts = e.get("alerts").and_then(Value::as_array).unwrap_or_default();
            alerts.iter().map(|a| output::text(a, "rule")).collect::<Vec<_>>().join(", ")
        },
        ToOwned::to_owned,
    );
    vec![output::text(e, "at"), output::text(e, "kind"), output::text(e, "by.name"), what]
}

fn show(case: &Value, json: bool) {
    if json {
        output::json(case);
        return;
    }
    let rows = [
        "id",
        "title",
        "status",
        "severity",
        "tags",
        "description",
        "totalAlerts",
        "totalComment",
        "created_at",
        "updated_at",
        "version",
    ];
    output::table(&["field", "value"], rows.iter().map(|k| vec![(*k).to_owned(), output::text(case, k)]).collect());
}
