//! `watchfire alert`: alerts over the server's API.

use crate::Exit;
use crate::client::{Client, Server};
use crate::output;
use clap::Subcommand;
use stdx::Value;

/// Arguments of `alert`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List alerts, newest first.
    List {
        /// Only this state.
        #[arg(long, value_parser = ["open", "acknowledged", "closed"])]
        status: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 20)]
        size: u32,
    },
    /// Show an alert's document.
    Get {
        /// Alert id.
        id: String,
    },
    /// Change the state of alerts.
    Status {
        /// New state.
        #[arg(value_parser = ["open", "acknowledged", "closed"])]
        status: String,
        /// Alert ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Closing reason.
        #[arg(long, value_parser = ["true_positive", "benign_positive", "false_positive", "duplicate", "other"])]
        reason: Option<String>,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    let client = Client::new(server)?;
    match args.verb {
        Verb::List { status, size } => {
            let filter = status.map_or_else(
                || r#"{"match_all":{}}"#.to_owned(),
                |s| format!(r#"{{"term":{{"kibana.alert.workflow_status":"{s}"}}}}"#),
            );
            let body = format!(r#"{{"size":{size},"sort":[{{"@timestamp":"desc"}}],"query":{filter}}}"#);
            let found = search(&client, &body).await?;
            if json {
                output::json(&Value::array(found));
                return Ok(Exit::Fine);
            }
            let row = |a: &Value| {
                let s = a.get("_source").unwrap_or(a);
                [
                    "kibana.alert.uuid",
                    "@timestamp",
                    "kibana.alert.severity",
                    "kibana.alert.workflow_status",
                    "kibana.alert.rule.name",
                    "host.name",
                    "user.name",
                ]
                .map(|k| output::text(s, k))
                .to_vec()
            };
            output::table(
                &["id", "time", "severity", "status", "rule", "host", "user"],
                found.iter().map(row).collect(),
            );
        }
        Verb::Get { id } => {
            let query = Value::object([("term", Value::object([("kibana.alert.uuid", Value::from(&id))]))]);
            let body = stdx::json::text(&Value::object([("query", query), ("size", Value::Int(1))]));
            let found = search(&client, &body).await?;
            let Some(hit) = found.first() else { anyhow::bail!("there is no alert `{id}`") };
            output::json(hit.get("_source").unwrap_or(hit));
        }
        Verb::Status { status, ids, reason } => {
            let mut body =
                vec![("signal_ids", Value::array(ids.iter().map(Value::from))), ("status", Value::from(status))];
            if let Some(reason) = reason {
                body.push(("reason", Value::from(reason)));
            }
            let done = client.call("POST", "/api/detection_engine/signals/status", Some(&Value::object(body))).await?;
            if json {
                output::json(&done);
            } else {
                println!("{} of {} alerts changed", output::text(&done, "updated"), ids.len());
            }
        }
    }
    Ok(Exit::Fine)
}

async fn search(client: &Client, body: &str) -> anyhow::Result<Vec<Value>> {
    let body = stdx::json::parse(body)?;
    let answer = client.call("POST", "/api/detection_engine/signals/search", Some(&body)).await?;
    Ok(answer.path(&["hits", "hits"]).and_then(Value::as_array).unwrap_or_default().to_vec())
}
