//! `watchfire halt`: stops every unsent destructive effect, lifts that, shows the envelope.
//!
//! Invariants: halting needs one command and no confirmation; lifting names who did it in the audit trail.

use crate::Exit;
use crate::client::{Client, Server};
use crate::output;
use stdx::{Object, Value};

/// Arguments of `halt`.
#[derive(clap::Args)]
pub struct Args {
    /// Why, for the record and for whoever finds an effect held back.
    #[arg(long, conflicts_with_all = ["lift", "status"])]
    reason: Option<String>,
    /// In all spaces.
    #[arg(long)]
    everywhere: bool,
    /// Lift the halt: what was held back goes on.
    #[arg(long, conflicts_with = "status")]
    lift: bool,
    /// Change nothing; show halts, the never-touch list, caps and what is held back.
    #[arg(long)]
    status: bool,
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    let client = Client::new(server)?;
    let envelope = if args.status {
        client.call("GET", "/api/watchfire/envelope", None).await?
    } else if args.lift {
        client.call("DELETE", &format!("/api/watchfire/halt?everywhere={}", args.everywhere), None).await?
    } else {
        let mut body = Object::new();
        body.insert("everywhere", args.everywhere);
        body.insert("reason", args.reason.map(Value::from));
        client.call("POST", "/api/watchfire/halt", Some(&Value::from(body))).await?
    };
    if json {
        output::json(&envelope);
        return Ok(Exit::Fine);
    }
    let list = |key: &str| envelope.get(key).and_then(Value::as_array).unwrap_or_default();
    let rows = |key: &str, columns: &[&str]| {
        list(key).iter().map(|r| columns.iter().map(|c| output::text(r, c)).collect()).collect::<Vec<Vec<String>>>()
    };
    if list("halts").is_empty() {
        println!("no halt is in force");
    } else {
        output::table(&["space", "since", "by", "reason"], rows("halts", &["space", "at", "by", "reason"]));
    }
    println!("{} destructive effects are held back", output::text(&envelope, "held"));
    if args.status {
        if !list("never_touch").is_empty() {
            output::table(&["never touch", "value", "reason"], rows("never_touch", &["kind", "value", "reason"]));
        }
        let attempts = rows("attempts_last_hour", &["at", "action", "target", "workflow", "execution"]);
        if !attempts.is_empty() {
            output::table(&["attempt", "action", "target", "workflow", "execution"], attempts);
        }
    }
    Ok(Exit::Fine)
}
