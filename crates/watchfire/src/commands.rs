//! The table of commands.
//!
//! Invariants: one file per command, one line here; help and completions read this table.

pub mod alert;
pub mod apikey;
pub mod approval;
pub mod audit;
pub mod case;
pub mod completions;
pub mod connector;
pub mod demo;
pub mod detect;
pub mod doctor;
pub mod doubles;
pub mod halt;
pub mod ingest;
pub mod rule;
pub mod serve;
pub mod user;
pub mod workflow;

use crate::Exit;
use crate::client::Server;
use crate::output::Logs;
use clap::{Parser, Subcommand};

/// Security automation in one binary: events in, alerts, workflows, approved response, and a record of all of it.
#[derive(Parser)]
#[command(name = "watchfire", version, about, max_term_width = 110)]
pub struct Cli {
    /// Where the server is, for commands that talk to one.
    #[command(flatten)]
    pub server: Server,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(serve::Args),
    /// Replay a scenario on an own server, show each stage, leave it running.
    Demo(demo::Args),
    /// Run rules over files of events without a server.
    Detect(detect::Args),
    /// Send files of events to a running server.
    Ingest(ingest::Args),
    /// Workflows: list, get, create, validate, run, graph, executions, cancel.
    Workflow(workflow::Args),
    /// Detection rules: list, get, create, enable, disable, delete, validate.
    Rule(rule::Args),
    /// Cases: list, get, create, comment, close.
    Case(case::Args),
    /// Alerts: list, get, status.
    Alert(alert::Args),
    /// Approvals: list, show, approve, reject, settle.
    Approval(approval::Args),
    /// Stop every unsent destructive effect; `--lift` ends that, `--status` shows the envelope.
    Halt(halt::Args),
    /// Connectors: list, get, create, test, delete.
    Connector(connector::Args),
    /// Users: list, create.
    User(user::Args),
    /// API keys: list, create, delete.
    Apikey(apikey::Args),
    /// The audit trail: verify a data folder, list entries.
    Audit(audit::Args),
    /// Check a data folder and the machine.
    Doctor(doctor::Args),
    /// Run the demo's doubles alone, with a ledger.
    #[command(hide = true)]
    Doubles(doubles::Args),
    /// Print completions for a shell.
    Completions(completions::Args),
    /// Print the version.
    Version,
}

impl Command {
    /// How the command logs.
    pub const fn logs(&self) -> Logs {
        match self {
            Self::Serve(_) => Logs::Server,
            _ => Logs::Quiet,
        }
    }
}

/// Runs a command.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let (server, json) = (cli.server, cli.json);
    match cli.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Detect(args) => detect::run(args, json),
        Command::Ingest(args) => ingest::run(args, &server, json).await,
        Command::Workflow(args) => workflow::run(args, &server, json).await,
        Command::Rule(args) => rule::run(args, &server, json).await,
        Command::Case(args) => case::run(args, &server, json).await,
        Command::Alert(args) => alert::run(args, &server, json).await,
        Command::Approval(args) => approval::run(args, &server, json).await,
        Command::Halt(args) => halt::run(args, &server, json).await,
        Command::Connector(args) => connector::run(args, &server, json).await,
        Command::User(args) => user::run(args, &server, json).await,
        Command::Apikey(args) => apikey::run(args, &server, json).await,
        Command::Audit(args) => audit::run(args, &server, json).await,
        Command::Doctor(args) => doctor::run(&args, json),
        Command::Doubles(args) => doubles::run(args).await,
        Command::Completions(args) => completions::run(&args),
        Command::Version => {
            println!("watchfire {}", env!("CARGO_PKG_VERSION"));
            Ok(Exit::Fine)
        }
    }
}
