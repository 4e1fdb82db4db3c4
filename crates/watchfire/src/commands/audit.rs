//! `watchfire audit`: verifies a data folder's audit trail and journals; lists entries of a running server.

use crate::Exit;
use crate::client::{Client, Server};
use crate::output;
use clap::Subcommand;
use std::path::PathBuf;
use stdx::Value;

/// Arguments of `audit`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check every link; names the first broken one.
    Verify {
        /// Data folder.
        #[arg(long)]
        data: PathBuf,
    },
    /// List the newest entries.
    List {
        /// How many.
        #[arg(long, default_value_t = 50)]
        size: u32,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    match args.verb {
        Verb::Verify { data } => {
            let report = store::verify(&crate::server::state_dir(&data))?;
            if json {
                let broken = report.broken.as_ref().map(|b| serde_json::json!({"at": b.at, "why": b.why}));
                println!(
                    "{}",
                    serde_json::json!({"links": report.links, "entries": report.entries, "erased": report.erased, "journals": report.journals,
                        "rows": report.rows, "checkpoints": report.checkpoints, "signatures": report.signatures, "broken": broken})
                );
            } else {
                println!("{report}");
            }
            Ok(if report.broken.is_none() { Exit::Fine } else { Exit::Findings })
        }
        Verb::List { size } => {
            let client = Client::new(server)?;
            let list = client.call("GET", &format!("/api/watchfire/audit?size={size}"), None).await?;
            if json {
                output::json(&list);
                return Ok(Exit::Fine);
            }
            let rows = list.get("entries").and_then(Value::as_array).unwrap_or_default();
            let row = |e: &Value| ["seq", "at", "actor", "action", "of"].map(|k| output::text(e, k)).to_vec();
            output::table(&["seq", "at", "who", "what", "of"], rows.iter().map(row).collect());
            Ok(Exit::Fine)
        }
    }
}
