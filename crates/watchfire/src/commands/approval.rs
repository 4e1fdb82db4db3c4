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
        /// Change a parameter first, as `name=value` or `a.b=value` (JSON, else text). Nothing is approved then: what would run
        /// is frozen and shown again, and wants an answer to its new hash. Needs `--comment`.
        #[arg(long, value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// Number of the action that `--set` changes.
        #[arg(long, default_value_t = 1, requires = "set")]
        action: usize,
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
        Verb::Approve { id, comment, hash, set, action } if !set.is_empty() => {
            let approval = client.call("GET", &path(&id), None).await?;
            let hash = hash.map(Value::from).or_else(|| approval.get("hash").cloned()).unwrap_or_default();
            let change = changed(&approval, action, &set)?;
            let mut body = Object::new();
            body.insert("hash", hash);
            body.insert("actions", Value::array([change]));
            body.insert("comment", comment);
            let changed = client.call("POST", &format!("{}/change", path(&id)), Some(&Value::from(body))).await?;
            if json {
                output::json(&changed);
            } else {
                show(&changed);
                let hash = output::text(&changed, "hash");
                println!("nothing is approved yet; to approve this: watchfire approval approve {id} --hash {hash}");
            }
            return Ok(Exit::Fine);
        }
        Verb::Approve { id, comment, hash, .. } => {
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

/// The parameters of an action with some of them set.
fn changed(approval: &Value, number: usize, set: &[String]) -> anyhow::Result<Value> {
    let actions = approval.get("actions").and_then(Value::as_array).unwrap_or_default();
    let action = number.checked_sub(1).and_then(|i| actions.get(i));
    let action = action.ok_or_else(|| anyhow::anyhow!("there is no action {number}, only {}", actions.len()))?;
    let parameters = action.get("parameters").filter(|p| p.as_object().is_some());
    let mut parameters =
        parameters.cloned().ok_or_else(|| anyhow::anyhow!("action {number} cannot be changed: a secret is inside"))?;
    for text in set {
        let (name, value) =
            text.split_once('=').ok_or_else(|| anyhow::anyhow!("`{text}` is not of the form name=value"))?;
        let value = stdx::json::parse(value).unwrap_or_else(|_| Value::from(value));
        let mut at = &mut parameters;
        let (parents, last) = name.rsplit_once('.').map_or((None, name), |(p, l)| (Some(p), l));
        for parent in parents.into_iter().flat_map(|p| p.split('.')) {
            let inside = at.object_mut().and_then(|o| o.0.get_mut(parent));
            at = inside.ok_or_else(|| anyhow::anyhow!("there is no object `{parent}` in `{name}`"))?;
        }
        let object = at.object_mut().ok_or_else(|| anyhow::anyhow!("`{name}` is inside no object"))?;
        object.insert(last, value);
    }
    let mut change = Object::new();
    change.insert("index", number as i64);
    change.insert("parameters", parameters);
    Ok(Value::from(change))
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
