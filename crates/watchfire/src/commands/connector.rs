//! `watchfire connector`: connectors over the server's API.
//!
//! Invariants: secrets are read from a file or standard input, never from the command line's arguments.

use crate::Exit;
use crate::client::{Client, Server, segment};
use crate::output;
use clap::Subcommand;
use std::io::Read as _;
use stdx::{Object, Value};

/// Arguments of `connector`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List connectors.
    List,
    /// List the types that can be created.
    Types,
    /// Show a connector, without its secrets.
    Get {
        /// Id.
        id: String,
    },
    /// Create a connector.
    Create {
        /// Type, for example `.slack_api`, `.ssh`, `.gen-ai`, `.http`.
        #[arg(long = "type")]
        kind: String,
        /// Name.
        #[arg(long)]
        name: String,
        /// Id; made by the server when absent.
        #[arg(long)]
        id: Option<String>,
        /// Configuration as JSON.
        #[arg(long, default_value = "{}")]
        config: String,
        /// File with the secrets as JSON; `-` reads standard input.
        #[arg(long)]
        secrets: Option<String>,
    },
    /// Call the connector's test.
    Test {
        /// Id.
        id: String,
        /// Parameters as JSON.
        #[arg(long)]
        params: Option<String>,
    },
    /// Delete a connector.
    Delete {
        /// Id.
        id: String,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    let client = Client::new(server)?;
    let one = |id: &str| format!("/api/actions/connector/{}", segment(id));
    let answer = match args.verb {
        Verb::List => {
            let list = client.call("GET", "/api/actions/connectors", None).await?;
            if !json {
                let rows = list.as_array().unwrap_or_default();
                let row = |c: &Value| {
                    ["id", "connector_type_id", "name", "is_missing_secrets"].map(|k| output::text(c, k)).to_vec()
                };
                output::table(&["id", "type", "name", "secrets missing"], rows.iter().map(row).collect());
                return Ok(Exit::Fine);
            }
            list
        }
        Verb::Types => {
            let list = client.call("GET", "/api/actions/connector_types", None).await?;
            if !json {
                let rows = list.as_array().unwrap_or_default();
                output::table(
                    &["id", "name"],
                    rows.iter().map(|c| ["id", "name"].map(|k| output::text(c, k)).to_vec()).collect(),
                );
                return Ok(Exit::Fine);
            }
            list
        }
        Verb::Get { id } => client.call("GET", &one(&id), None).await?,
        Verb::Create { kind, name, id, config, secrets } => {
            let mut body = Object::new();
            body.insert("connector_type_id", kind);
            body.insert("name", name);
            body.insert(
                "config",
                stdx::json::parse(&config).map_err(|e| anyhow::anyhow!("--config is not JSON: {e}"))?,
            );
            if let Some(from) = secrets {
                let mut text = String::new();
                if from == "-" {
                    std::io::stdin().read_to_string(&mut text)?;
                } else {
                    text = std::fs::read_to_string(&from).map_err(|e| anyhow::anyhow!("`{from}`: {e}"))?;
                }
                body.insert(
                    "secrets",
                    stdx::json::parse(&text).map_err(|_| anyhow::anyhow!("`{from}` does not hold JSON"))?,
                );
            }
            let path = id.map_or_else(|| "/api/actions/connector".to_owned(), |id| one(&id));
            client.call("POST", &path, Some(&Value::from(body))).await?
        }
        Verb::Test { id, params } => {
            let params = match params {
                Some(text) => stdx::json::parse(&text).map_err(|e| anyhow::anyhow!("--params is not JSON: {e}"))?,
                None => Value::object::<&str>([]),
            };
            let body = Value::object([("params", params)]);
            let answer = client.call("POST", &format!("{}/_execute", one(&id)), Some(&body)).await?;
            let fine = answer.get("status").and_then(Value::as_str) == Some("ok");
            output::json(&answer);
            return Ok(if fine { Exit::Fine } else { Exit::Findings });
        }
        Verb::Delete { id } => client.call("DELETE", &one(&id), None).await?,
    };
    if !answer.is_null() {
        output::json(&answer);
    }
    Ok(Exit::Fine)
}
