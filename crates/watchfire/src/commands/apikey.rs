//! `watchfire apikey`: API keys of the signed-in user.
//!
//! Invariants: the secret is printed once, at creation.

use crate::Exit;
use crate::client::{Client, Failure, Server};
use crate::output;
use clap::Subcommand;
use stdx::{Object, Value};

/// Arguments of `apikey`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List keys.
    List,
    /// Create a key; its secret is shown once.
    Create {
        /// Name.
        name: String,
        /// Lifetime, for example `30d`.
        #[arg(long)]
        expiration: Option<String>,
    },
    /// Invalidate a key.
    Delete {
        /// Key id.
        id: String,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    let client = Client::new(server)?;
    let (method, body) = match &args.verb {
        Verb::List => ("GET", None),
        Verb::Create { name, expiration } => {
            let mut body = Object::new();
            body.insert("name", name);
            if let Some(expiration) = expiration {
                body.insert("expiration", expiration);
            }
            ("POST", Some(Value::from(body)))
        }
        Verb::Delete { id } => ("DELETE", Some(Value::object([("ids", Value::array([Value::from(id)]))]))),
    };
    let body = body.map(|b| ("application/json", stdx::json::text(&b).into_bytes()));
    let (status, text) = client.es(method, "/_security/api_key", body).await?;
    let answer = stdx::json::parse(&text).unwrap_or_default();
    if !(200..300).contains(&status) {
        let message = answer.path(&["error", "reason"]).and_then(Value::as_str).unwrap_or(&text).to_owned();
        return Err(Failure::Refused { status, message }.into());
    }
    if let (Verb::List, false) = (&args.verb, json) {
        let rows = answer.get("api_keys").and_then(Value::as_array).unwrap_or_default();
        let row = |k: &Value| {
            ["id", "name", "username", "creation", "expiration", "invalidated"].map(|f| output::text(k, f)).to_vec()
        };
        output::table(&["id", "name", "user", "created", "expires", "invalidated"], rows.iter().map(row).collect());
    } else {
        output::json(&answer);
    }
    Ok(Exit::Fine)
}
