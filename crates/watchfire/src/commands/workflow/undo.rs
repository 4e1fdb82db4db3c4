//! `watchfire workflow undo`: what of an execution can be undone, and a person's word on it.
//!
//! Invariants: without a word nothing changes; what is sent was frozen with the effect.
//! Not here: the routes (`api`).

use crate::Exit;
use crate::client::{Client, segment};
use crate::output;
use stdx::{Object, Value};

/// Arguments of `workflow undo`.
#[derive(clap::Args)]
pub struct Args {
    /// Execution id.
    id: String,
    /// Step whose effect is meant, or its `key` where the step had several; not needed where there is one effect.
    step: Option<String>,
    /// Undo it now.
    #[arg(long, conflicts_with_all = ["keep", "after"])]
    now: bool,
    /// Keep it: it is not undone by itself any more.
    #[arg(long, conflicts_with = "after")]
    keep: bool,
    /// Undo it after this time from now, for example 8h.
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,
}

/// Runs the command.
pub async fn run(client: &Client, args: Args, json: bool) -> anyhow::Result<Exit> {
    let path = format!("/api/watchfire/executions/{}/undo", segment(&args.id));
    let mut body = Object::new();
    let word = match (args.now, args.keep, &args.after) {
        (true, ..) => Some("now"),
        (_, true, _) => Some("keep"),
        (.., Some(after)) => {
            let length = workflow::duration::undo_after(after).map_err(|e| anyhow::anyhow!(e))?;
            body.insert("at", (engine::clock::now() + length).iso());
            Some("at")
        }
        _ => None,
    };
    let answer = match word {
        None => client.call("GET", &path, None).await?,
        Some(word) => {
            body.insert("action", word);
            if let Some(step) = &args.step {
                body.insert(if step.contains('/') { "key" } else { "step" }, step.as_str());
            }
            body.insert("reason", args.reason.map(Value::from));
            client.call("POST", &path, Some(&Value::from(body))).await?
        }
    };
    if json {
        output::json(&answer);
        return Ok(Exit::Fine);
    }
    let all = answer.get("undos").and_then(Value::as_array).unwrap_or_default();
    if all.is_empty() {
        println!("no effect of this execution can be undone");
        return Ok(Exit::Fine);
    }
    let row =
        |u: &Value| ["step", "state", "due", "type", "target", "execution", "key"].map(|k| output::text(u, k)).to_vec();
    output::table(&["step", "state", "due", "by", "target", "execution", "key"], all.iter().map(row).collect());
    Ok(Exit::Fine)
}
