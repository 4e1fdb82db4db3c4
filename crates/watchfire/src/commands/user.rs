//! `watchfire user`: users of the server.
//!
//! Invariants: a password is read from the environment or standard input, never from an argument.

use crate::Exit;
use crate::client::{Client, Server, segment};
use crate::output;
use clap::Subcommand;
use std::io::BufRead as _;
use stdx::{Object, Value};

/// Arguments of `user`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List users.
    List,
    /// Create a user, or change one; the password comes from `WATCHFIRE_NEW_PASSWORD` or the first line of standard input.
    Create {
        /// Name.
        name: String,
        /// Roles: superuser, analyst, viewer.
        #[arg(long, required = true)]
        role: Vec<String>,
        /// Full name.
        #[arg(long)]
        full_name: Option<String>,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    let client = Client::new(server)?;
    match args.verb {
        Verb::List => {
            let list = client.call("GET", "/internal/security/users", None).await?;
            if json {
                output::json(&list);
                return Ok(Exit::Fine);
            }
            let rows = list.as_array().unwrap_or_default();
            let row = |u: &Value| ["username", "full_name", "roles", "enabled"].map(|k| output::text(u, k)).to_vec();
            output::table(&["name", "full name", "roles", "enabled"], rows.iter().map(row).collect());
        }
        Verb::Create { name, role, full_name } => {
            let password = match std::env::var("WATCHFIRE_NEW_PASSWORD") {
                Ok(password) => password,
                Err(_) => {
                    eprintln!("password for `{name}` (one line on standard input):");
                    let mut line = String::new();
                    std::io::stdin().lock().read_line(&mut line)?;
                    line.trim_end_matches(['\n', '\r']).to_owned()
                }
            };
            let mut body = Object::new();
            body.insert("password", password);
            body.insert("roles", Value::array(role.into_iter().map(Value::from)));
            body.insert("full_name", full_name);
            let answer = client
                .call("PUT", &format!("/internal/security/users/{}", segment(&name)), Some(&Value::from(body)))
                .await?;
            if json {
                output::json(&answer);
            } else {
                println!("user `{name}` is set up");
            }
        }
    }
    Ok(Exit::Fine)
}
