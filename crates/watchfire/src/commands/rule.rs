//! `watchfire rule`: detection rules; `validate` works without a server.

use crate::Exit;
use crate::client::{Client, Server, segment};
use crate::output;
use clap::Subcommand;
use std::path::PathBuf;
use stdx::Value;

/// Arguments of `rule`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List rules.
    List,
    /// Show a rule.
    Get {
        /// Rule id (`id`).
        id: String,
    },
    /// Create rules from JSON or NDJSON files.
    Create {
        /// Files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Enable them.
        #[arg(long)]
        enable: bool,
    },
    /// Enable a rule.
    Enable {
        /// Rule id.
        id: String,
    },
    /// Disable a rule.
    Disable {
        /// Rule id.
        id: String,
    },
    /// Delete a rule.
    Delete {
        /// Rule id.
        id: String,
    },
    /// Check rule files without a server.
    Validate {
        /// Files: JSON, NDJSON.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    const RULES: &str = "/api/detection_engine/rules";
    if let Verb::Validate { files } = &args.verb {
        return validate(files, json);
    }
    let client = Client::new(server)?;
    let one = |id: &str| format!("{RULES}?id={}", segment(id));
    let answer = match args.verb {
        Verb::List => {
            let list = client
                .call("GET", &format!("{RULES}/_find?per_page=1000&sort_field=name&sort_order=asc"), None)
                .await?;
            if !json {
                let rows = list.get("data").and_then(Value::as_array).unwrap_or_default();
                let row =
                    |r: &Value| ["id", "name", "type", "severity", "enabled"].map(|k| output::text(r, k)).to_vec();
                output::table(&["id", "name", "type", "severity", "enabled"], rows.iter().map(row).collect());
                return Ok(Exit::Fine);
            }
            list
        }
        Verb::Get { id } => client.call("GET", &one(&id), None).await?,
        Verb::Create { files, enable } => {
            for (file, text) in texts(&files)? {
                for (line, mut rule) in
                    documents(&text).map_err(|(line, e)| anyhow::anyhow!("`{file}` line {line}: {e}"))?
                {
                    if enable && let Some(object) = rule.object_mut() {
                        object.insert("enabled", true);
                    }
                    let made = client.call("POST", RULES, Some(&rule)).await.map_err(anyhow::Error::from);
                    let made = made.map_err(|e| e.context(format!("`{file}` line {line}")))?;
                    if json {
                        println!("{}", stdx::json::text(&made));
                    } else {
                        println!("{}  {}", output::text(&made, "id"), output::text(&made, "name"));
                    }
                }
            }
            return Ok(Exit::Fine);
        }
        Verb::Enable { id } => client.call("PATCH", RULES, Some(&enabled(&id, true))).await?,
        Verb::Disable { id } => client.call("PATCH", RULES, Some(&enabled(&id, false))).await?,
        Verb::Delete { id } => client.call("DELETE", &one(&id), None).await?,
        Verb::Validate { .. } => unreachable!("handled above"),
    };
    output::json(&answer);
    Ok(Exit::Fine)
}

fn enabled(id: &str, on: bool) -> Value {
    Value::object([("id", Value::from(id)), ("enabled", Value::Bool(on))])
}

fn texts(files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    files
        .iter()
        .map(|f| {
            let name = f.display().to_string();
            let text = std::fs::read_to_string(f).map_err(|e| anyhow::anyhow!("`{name}`: {e}"))?;
            Ok((name, text))
        })
        .collect()
}

type Failed = (usize, serde_json::Error);

/// One JSON document, or one per line.
fn documents(text: &str) -> Result<Vec<(usize, Value)>, Failed> {
    if let Ok(one) = stdx::json::parse(text) {
        return Ok(match one {
            Value::Array(many) => many.iter().cloned().map(|v| (1, v)).collect(),
            one => vec![(1, one)],
        });
    }
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    lines.map(|(n, l)| stdx::json::parse(l).map(|v| (n + 1, v)).map_err(|e| (n + 1, e))).collect()
}

fn validate(files: &[PathBuf], json: bool) -> anyhow::Result<Exit> {
    let mut errors = 0;
    for (file, text) in texts(files)? {
        let documents = match documents(&text) {
            Ok(documents) => documents,
            Err((line, e)) => {
                println!("{file}:{line}: error malformedJson: {e}");
                errors += 1;
                continue;
            }
        };
        for (line, document) in documents {
            let (loaded, mut diagnostics) = rule::rule::load(&document, rule::rule::Origin::File);
            if let Some(loaded) = loaded {
                diagnostics.extend(rule::compile::compile(&std::sync::Arc::new(loaded)).1);
            }
            for d in &diagnostics {
                errors += usize::from(d.is_error());
                if json {
                    println!("{}", serde_json::json!({"file": file, "line": line, "diagnostic": d}));
                } else {
                    let hint = d.hint.as_deref().map(|h| format!(" (hint: {h})")).unwrap_or_default();
                    println!(
                        "{file}:{line}: {:?} {}: {} at {}..{}{hint}",
                        d.severity, d.code, d.message, d.span.start, d.span.end
                    );
                }
            }
        }
    }
    if errors == 0 && !json {
        println!("no errors");
    }
    Ok(if errors == 0 { Exit::Fine } else { Exit::Findings })
}
