//! `watchfire approval`: the inbox of questions and settlements.
//!
//! Invariants: `approve` sends the hash of exactly what it printed; an answer that comes too late is refused by the server.

use crate::Exit;
use crate::client::{Client, Server, segment};
use crate::output;
use clap::Subcommand;
use stdx::{Object, Value};

/// Arguments of `approval`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List what waits for an answer.
    List {
        /// Also what was answered.
        #[arg(long)]
        all: bool,
    },
    /// Show exactly what would run.
    Show {
        /// Id.
        id: String,
    },
    /// Approve exactly what `show` prints.
    Approve {
        /// Id.
        id: String,
        /// Comment for the record.
        #[arg(long)]
        comment: Option<String>,
        /// Approve only if the hash is this one.
        #[arg(long)]
        hash: Option<String>,
    },
    /// Reject: nothing runs.
    Reject {
        /// Id.
        id: String,
        /// Comment for the record.
        #[arg(long)]
        comment: Option<String>,
    },
    /// Ask back, or with `--reply` answer that; the question stays open.
    Ask {
        /// Id.
        id: String,
        /// Text.
        text: String,
        /// This is the answer to what was asked.
        #[arg(long)]
        reply: bool,
    },
    /// Hand the question to somebody else, who may answer it from then on.
    Delegate {
        /// Id.
        id: String,
        /// User.
        to: String,
        /// Comment for the record.
        #[arg(long)]
        comment: Option<String>,
    },
    /// Say what became of a command whose end nobody saw.
    Settle {
        /// Id.
        id: String,
        /// What is the case: it happened, run it again, or leave it.
        #[arg(value_parser = ["happened", "again", "skip"])]
        verdict: String,
        /// Comment for the record.
        #[arg(long)]
        comment: Option<String>,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    let client = Client::new(server)?;
    let path = |id: &str| format!("/api/watchfire/approvals/{}", segment(id));
    let answer = match args.verb {
        Verb::List { all } => {
            let state = if all { "all" } else { "waiting" };
            let list = client.call("GET", &format!("/api/watchfire/approvals?state={state}&size=200"), None).await?;
            if json {
                output::json(&list);
                return Ok(Exit::Fine);
            }
            let rows = list.get("approvals").and_then(Value::as_array).unwrap_or_default();
            let row = |a: &Value| {
                ["id", "kind", "state", "effect", "question", "workflow.name", "asked_at", "expires_at"]
                    .map(|k| output::text(a, k))
                    .to_vec()
            };
            output::table(
                &["id", "kind", "state", "effect", "question", "workflow", "asked", "expires"],
                rows.iter().map(row).collect(),
            );
            return Ok(Exit::Fine);
        }
        Verb::Show { id } => {
            let approval = client.call("GET", &path(&id), None).await?;
            if json {
                output::json(&approval);
            } else {
                show(&approval);
            }
            return Ok(Exit::Fine);
        }
        Verb::Approve { id, comment, hash } => {
            let approval = client.call("GET", &path(&id), None).await?;
            if !json {
                show(&approval);
            }
            let hash = hash.map(Value::from).or_else(|| approval.get("hash").cloned()).unwrap_or_default();
            decide(&client, &path(&id), "approve", comment, Some(hash)).await?
        }
        Verb::Reject { id, comment } => {
            let approval = client.call("GET", &path(&id), None).await?;
            let hash = approval.get("hash").cloned();
            decide(&client, &path(&id), "reject", comment, hash).await?
        }
        Verb::Ask { id, text, reply } => {
            let mut body = Object::new();
            body.insert("kind", if reply { "reply" } else { "ask" });
            body.insert("text", text);
            client.call("POST", &format!("{}/remark", path(&id)), Some(&Value::from(body))).await?
        }
        Verb::Delegate { id, to, comment } => {
            let mut body = Object::new();
            body.insert("kind", "delegate");
            body.insert("to", to);
            body.insert("text", comment);
            client.call("POST", &format!("{}/remark", path(&id)), Some(&Value::from(body))).await?
        }
        Verb::Settle { id, verdict, comment } => {
            let mut body = Object::new();
            body.insert("verdict", verdict);
            body.insert("comment", comment);
            client.call("POST", &format!("{}/settle", path(&id)), Some(&Value::from(body))).await?
        }
    };
    if json {
        output::json(&answer);
    } else {
        println!("{}: {}", output::text(&answer, "id"), output::text(&answer, "state"));
    }
    Ok(Exit::Fine)
}

async fn decide(
    client: &Client,
    path: &str,
    verdict: &str,
    comment: Option<String>,
    hash: Option<Value>,
) -> anyhow::Result<Value> {
    let mut body = Object::new();
    body.insert("verdict", verdict);
    body.insert("hash", hash.unwrap_or_default());
    body.insert("comment", comment);
    Ok(client.call("POST", &format!("{path}/decide"), Some(&Value::from(body))).await?)
}

fn show(approval: &Value) {
    println!("{}", output::visible(output::text(approval, "question")));
    println!(
        "asked {} by workflow {}, hash {}",
        output::text(approval, "asked_at"),
        output::text(approval, "workflow.name"),
        output::text(approval, "hash")
    );
    let actions = approval.get("actions").and_then(Value::as_array).unwrap_or_default();
    for (n, action) in actions.iter().enumerate() {
        let target = ["target.host", "target.url"]
            .iter()
            .map(|k| output::text(action, k))
            .find(|t| t != "–")
            .unwrap_or_default();
        println!(
            "  {}. [{}] {} {} {target}",
            n + 1,
            output::text(action, "class"),
            output::text(action, "step"),
            output::text(action, "type")
        );
        println!("     {}", output::visible(output::text(action, "request")));
    }
    for unbound in approval.get("unbound").and_then(Value::as_array).unwrap_or_default() {
        println!("  not bound, asks on its own: {}", output::text(unbound, "step"));
    }
}
