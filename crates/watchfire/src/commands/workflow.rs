//! `watchfire workflow`: workflows over the server's API; `validate` and `graph` work without a server.

mod manage;
mod test;
mod undo;

use crate::Exit;
use crate::client::{Client, Server, segment};
use crate::output;
use clap::Subcommand;
use std::path::PathBuf;
use std::time::Duration;
use stdx::{LineIndex, Object, Value};

/// Arguments of `workflow`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List workflows.
    List,
    /// Show a workflow; its YAML without `--json`.
    Get {
        /// Id.
        id: String,
    },
    /// Create workflows from YAML files.
    Import {
        /// Files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Id (one file only).
        #[arg(long)]
        id: Option<String>,
    },
    /// Print a workflow's YAML.
    Export {
        /// Id.
        id: String,
    },
    /// Enable a workflow.
    Enable {
        /// Id.
        id: String,
    },
    /// Disable a workflow.
    Disable {
        /// Id.
        id: String,
    },
    /// Delete a workflow.
    Delete {
        /// Id.
        id: String,
    },
    /// Check YAML files without a server.
    Validate {
        /// Files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Also print what is only worth knowing.
        #[arg(long)]
        hints: bool,
    },
    /// Put right what is safe to put right; prints what would change, or changes the file.
    Fix {
        /// File.
        file: PathBuf,
        /// Change the file.
        #[arg(long)]
        write: bool,
    },
    /// Print the graph of a YAML file.
    Graph {
        /// File.
        file: PathBuf,
    },
    /// Run the cases beside workflows (`NAME.test.yaml`) in memory; nothing is sent.
    Test {
        /// Files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Only cases whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Write a JUnit report.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Make a case of an execution that happened, with its answers as mocks.
    Record {
        /// Execution id.
        execution: String,
        /// Name of the case.
        #[arg(long, default_value = "recorded")]
        name: String,
    },
    /// Print the JSON Schema of the language, for editors.
    Schema,
    /// List the versions of a workflow.
    Versions {
        /// Id.
        id: String,
    },
    /// Show what changed between two versions.
    Diff {
        /// Id.
        id: String,
        /// Older version.
        from: u64,
        /// Newer version; the present one where it is left out.
        to: Option<u64>,
    },
    /// Make an old version the present one.
    Restore {
        /// Id.
        id: String,
        /// Version.
        version: u64,
    },
    /// Write workflows to an archive, or read one.
    Archive {
        /// Archive file.
        file: PathBuf,
        /// Ids to write; without any the archive is read.
        ids: Vec<String>,
        /// Replace workflows that are there (reading).
        #[arg(long)]
        overwrite: bool,
    },
    /// Print the log of an execution.
    Logs {
        /// Execution id.
        id: String,
    },
    /// Answer the open question of an execution.
    Resume {
        /// Execution id.
        id: String,
        /// Members of the answer, `name=value`.
        #[arg(long, value_name = "K=V")]
        input: Vec<String>,
    },
    /// Run a workflow.
    Run {
        /// Id; with `--dry-run` also a file.
        id: String,
        /// Render everything, send nothing.
        #[arg(long)]
        dry_run: bool,
        /// Dry run: answer every question with yes.
        #[arg(long, requires = "dry_run")]
        approve: bool,
        /// Inputs, `name=value`; a value that is JSON keeps its type.
        #[arg(long, value_name = "K=V")]
        input: Vec<String>,
        /// File with the trigger's event object.
        #[arg(long)]
        event: Option<PathBuf>,
        /// Wait until it ends or waits for a person.
        #[arg(long)]
        wait: bool,
    },
    /// List executions.
    Executions {
        /// Workflow id.
        id: String,
    },
    /// Show an execution with its steps.
    Execution {
        /// Execution id.
        id: String,
    },
    /// Cancel an execution.
    Cancel {
        /// Execution id.
        id: String,
    },
    /// Show what of an execution can be undone; undo it now, later, or keep it.
    Undo(undo::Args),
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Validate { files, hints } => return validate(files, *hints, json),
        Verb::Graph { file } => return graph(file),
        Verb::Fix { file, write } => return fix(file, *write, json),
        Verb::Test { paths, only, junit } => return test::run(paths, only.as_deref(), junit.as_deref(), json),
        Verb::Run { id, dry_run: true, approve, input, event, .. } if std::path::Path::new(id).is_file() => {
            let (inputs, event) = given(input, event.as_ref())?;
            let yaml = read(&PathBuf::from(id))?;
            return test::dry(&yaml, &crate::server::offline_catalogue(), inputs.into(), event, *approve, json);
        }
        _ => {}
    }
    let client = Client::new(server)?;
    let one = |id: &str| format!("/api/workflows/workflow/{}", segment(id));
    let answer = match args.verb {
        Verb::List => {
            let list = client.call("GET", "/api/workflows?size=1000", None).await?;
            if !json {
                let rows = list.get("results").and_then(Value::as_array).unwrap_or_default();
                let row = |w: &Value| {
                    ["id", "name", "enabled", "valid", "lastUpdatedAt"].map(|k| output::text(w, k)).to_vec()
                };
                output::table(&["id", "name", "enabled", "valid", "changed"], rows.iter().map(row).collect());
                return Ok(Exit::Fine);
            }
            list
        }
        Verb::Get { id } | Verb::Export { id } => {
            let workflow = client.call("GET", &one(&id), None).await?;
            if !json {
                print!("{}", output::text(&workflow, "yaml"));
                return Ok(Exit::Fine);
            }
            workflow
        }
        Verb::Import { files, id } => return import(&client, &files, id, json).await,
        Verb::Enable { id } => {
            client.call("PUT", &one(&id), Some(&Value::object([("enabled", Value::Bool(true))]))).await?
        }
        Verb::Disable { id } => {
            client.call("PUT", &one(&id), Some(&Value::object([("enabled", Value::Bool(false))]))).await?
        }
        Verb::Delete { id } => client.call("DELETE", &one(&id), None).await?,
        Verb::Run { id, input, event, wait, dry_run, approve } => {
            let (mut inputs, event) = given(&input, event.as_ref())?;
            if dry_run {
                let workflow = client.call("GET", &one(&id), None).await?;
                let catalogue = manage::catalogue(&client).await?;
                let yaml = output::text(&workflow, "yaml");
                return test::dry(&yaml, &catalogue, inputs.into(), event, approve, json);
            }
            if !event.is_null() {
                inputs.insert("event", event);
            }
            let body = Value::object([("inputs", Value::from(inputs))]);
            let started = client.call("POST", &format!("{}/run", one(&id)), Some(&body)).await?;
            if !wait {
                output::json(&started);
                return Ok(Exit::Fine);
            }
            let execution = output::text(&started, "workflowExecutionId");
            return follow(&client, &execution, json).await;
        }
        Verb::Executions { id } => {
            let list = client.call("GET", &format!("{}/executions?size=100", one(&id)), None).await?;
            if !json {
                let rows = list.get("results").and_then(Value::as_array).unwrap_or_default();
                let row = |e: &Value| {
                    ["id", "status", "startedAt", "duration", "executedBy", "triggeredBy"]
                        .map(|k| output::text(e, k))
                        .to_vec()
                };
                output::table(&["id", "status", "started", "ms", "by", "trigger"], rows.iter().map(row).collect());
                return Ok(Exit::Fine);
            }
            list
        }
        Verb::Execution { id } => {
            let path = format!("/api/workflows/executions/{}?includeInput=true&includeOutput=true", segment(&id));
            let execution = client.call("GET", &path, None).await?;
            if !json {
                steps(&execution);
                return Ok(Exit::Fine);
            }
            execution
        }
        Verb::Cancel { id } => {
            client.call("POST", &format!("/api/workflows/executions/{}/cancel", segment(&id)), None).await?
        }
        Verb::Undo(args) => return undo::run(&client, args, json).await,
        Verb::Record { execution, name } => {
            let path =
                format!("/api/workflows/executions/{}?includeInput=true&includeOutput=true", segment(&execution));
            print!("{}", test::recorded(&client.call("GET", &path, None).await?, &name));
            return Ok(Exit::Fine);
        }
        Verb::Schema => client.call("GET", "/api/workflows/schema", None).await?,
        Verb::Versions { id } => return manage::versions(&client, &id, json).await,
        Verb::Diff { id, from, to } => return manage::diff(&client, &id, from, to, json).await,
        Verb::Restore { id, version } => {
            client.call("POST", &format!("{}/versions/{version}/restore", one(&id)), None).await?
        }
        Verb::Archive { file, ids, overwrite } => return manage::archive(&client, &file, ids, overwrite).await,
        Verb::Logs { id } => return manage::logs(&client, &id, json).await,
        Verb::Resume { id, input } => {
            let (input, _) = given(&input, None)?;
            let body = Value::object([("input", Value::from(input))]);
            client.call("POST", &format!("/api/workflows/executions/{}/resume", segment(&id)), Some(&body)).await?
        }
        Verb::Validate { .. } | Verb::Graph { .. } | Verb::Fix { .. } | Verb::Test { .. } => {
            unreachable!("handled above")
        }
    };
    if !answer.is_null() {
        output::json(&answer);
    }
    Ok(Exit::Fine)
}

/// Inputs and event as flags give them.
fn given(input: &[String], event: Option<&PathBuf>) -> anyhow::Result<(Object, Value)> {
    let mut inputs = Object::new();
    for pair in input {
        let (k, v) = pair.split_once('=').ok_or_else(|| anyhow::anyhow!("`{pair}` is not name=value"))?;
        inputs.insert(k, stdx::json::parse(v).unwrap_or_else(|_| Value::from(v)));
    }
    let event = match event {
        Some(file) => stdx::json::parse(&read(file)?).map_err(|e| anyhow::anyhow!("`{}`: {e}", file.display()))?,
        None => Value::Null,
    };
    Ok((inputs, event))
}

fn read(file: &PathBuf) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|e| anyhow::anyhow!("`{}`: {e}", file.display()))
}

async fn import(client: &Client, files: &[PathBuf], id: Option<String>, json: bool) -> anyhow::Result<Exit> {
    if id.is_some() && files.len() != 1 {
        anyhow::bail!("--id goes with one file");
    }
    let mut invalid = 0;
    for file in files {
        let mut body = Object::new();
        body.insert("yaml", read(file)?);
        if let Some(id) = &id {
            body.insert("id", id);
        }
        let made = client.call("POST", "/api/workflows/workflow", Some(&Value::from(body))).await?;
        invalid += usize::from(made.get("valid").and_then(Value::as_bool) == Some(false));
        if json {
            println!("{}", stdx::json::text(&made));
        } else {
            println!(
                "{}  {}  valid: {}",
                output::text(&made, "id"),
                output::text(&made, "name"),
                output::text(&made, "valid")
            );
        }
    }
    Ok(if invalid == 0 { Exit::Fine } else { Exit::Findings })
}

/// Polls an execution until it ends or waits for a person.
async fn follow(client: &Client, id: &str, json: bool) -> anyhow::Result<Exit> {
    loop {
        let path = format!("/api/workflows/executions/{}?includeInput=true&includeOutput=true", segment(id));
        let execution = client.call("GET", &path, None).await?;
        let status = output::text(&execution, "status");
        if matches!(
            status.as_str(),
            "completed" | "failed" | "cancelled" | "timed_out" | "skipped" | "waiting_for_input"
        ) {
            if json {
                output::json(&execution);
            } else {
                steps(&execution);
            }
            return Ok(if matches!(status.as_str(), "completed" | "waiting_for_input") {
                Exit::Fine
            } else {
                Exit::Findings
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn steps(execution: &Value) {
    println!("{}  {}", output::text(execution, "id"), output::text(execution, "status"));
    let rows = execution.get("stepExecutions").and_then(Value::as_array).unwrap_or_default();
    let row = |s: &Value| {
        let result = match s.get("error") {
            Some(e) if !e.is_null() => output::text(e, "message"),
            _ => output::text(s, "output"),
        };
        vec![
            output::text(s, "stepId"),
            output::text(s, "stepType"),
            output::text(s, "status"),
            output::text(s, "executionTimeMs"),
            stdx::bounded::truncate(&result, 200).into_owned(),
        ]
    };
    output::table(&["step", "type", "status", "ms", "output or error"], rows.iter().map(row).collect());
}

fn validate(files: &[PathBuf], hints: bool, json: bool) -> anyhow::Result<Exit> {
    let catalogue = crate::server::offline_catalogue();
    let mut errors = 0;
    for file in files {
        let text = read(file)?;
        let (_, diagnostics) = workflow::Program::load(&text, &catalogue);
        let lines = LineIndex::new(&text);
        for d in diagnostics.iter().filter(|d| hints || d.severity != stdx::diagnostic::Severity::Info) {
            errors += usize::from(d.is_error());
            let at = lines.position(&text, d.span.start);
            if json {
                println!(
                    "{}",
                    serde_json::json!({"file": file, "line": at.line, "column": at.column, "diagnostic": d})
                );
            } else {
                let severity = format!("{:?}", d.severity).to_lowercase();
                println!("{}:{}:{}: {severity} {}: {}", file.display(), at.line, at.column, d.code, d.message);
                if let Some(hint) = &d.hint {
                    println!("    hint: {hint}");
                }
                if let Some(fix) = &d.fix {
                    println!("    fix: {} (watchfire workflow fix)", fix.title);
                }
            }
        }
    }
    if errors == 0 && !json {
        println!("no errors");
    }
    Ok(if errors == 0 { Exit::Fine } else { Exit::Findings })
}

fn fix(file: &PathBuf, write: bool, json: bool) -> anyhow::Result<Exit> {
    let text = read(file)?;
    let fixed = workflow::fix::fix(&text, &crate::server::offline_catalogue());
    for (code, line, title) in &fixed.applied {
        if json {
            println!("{}", serde_json::json!({"file": file, "line": line, "code": code, "fix": title}));
        } else {
            println!("{}:{line}: {code}: {title}", file.display());
        }
    }
    if write && fixed.text != text {
        std::fs::write(file, &fixed.text).map_err(|e| anyhow::anyhow!("`{}`: {e}", file.display()))?;
    } else if !json {
        for line in changed_lines(&text, &fixed.text) {
            println!("{line}");
        }
    }
    if !json {
        let done = if write { "put right" } else { "can be put right with --write" };
        println!("{} {done}", fixed.applied.len());
    }
    Ok(Exit::Fine)
}

/// Lines that differ, `-` and `+`, without those that stay.
pub(super) fn changed_lines(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let (mut a, mut b, mut out) = (0, 0, vec![]);
    while a < old.len() || b < new.len() {
        if old.get(a) == new.get(b) {
            (a, b) = (a + 1, b + 1);
            continue;
        }
        // The nearest line that both have again.
        let meet = (0..old.len() - a.min(old.len()) + new.len() - b.min(new.len()) + 1).find_map(|d| {
            (0..=d).find_map(|i| {
                let (x, y) = (a + i, b + d - i);
                let end = x >= old.len() && y >= new.len();
                (end || (x < old.len() && old.get(x) == new.get(y))).then_some((x, y))
            })
        });
        let (x, y) = meet.unwrap_or((old.len(), new.len()));
        out.extend(old[a..x.min(old.len())].iter().map(|l| format!("- {l}")));
        out.extend(new[b..y.min(new.len())].iter().map(|l| format!("+ {l}")));
        (a, b) = (x, y);
    }
    out
}

fn graph(file: &PathBuf) -> anyhow::Result<Exit> {
    let text = read(file)?;
    let (program, diagnostics) = workflow::Program::load(&text, &crate::server::offline_catalogue());
    let Some(program) = program else {
        let why = diagnostics.iter().find(|d| d.is_error()).map(|d| d.message.clone()).unwrap_or_default();
        anyhow::bail!("`{}` does not load: {why}", file.display());
    };
    output::json(&stdx::json::to_value(&program.graph()));
    Ok(Exit::Fine)
}
