//! `watchfire demo`: an own server, a scenario of a small invented company, every stage shown.
//!
//! Invariants: everything it drives goes through the public APIs; doubles are named as such; nothing but its own ports is reached.
//! Not here: the events (`demo::scenario`), the doubles (`doubles`).

use crate::Exit;
use crate::demo::{scenario, story};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Arguments of `demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Answer the approval with yes.
    #[arg(long)]
    pub yes: bool,
    /// End after the story instead of leaving the server running.
    #[arg(long)]
    pub exit: bool,
    /// Do not wait for an answer on the terminal; leave approvals to page and command line.
    #[arg(long)]
    pub no_wait: bool,
    /// Print the scenario's events as JSON lines with `_index`, and end.
    #[arg(long)]
    pub print_events: bool,
    /// Data folder; a fresh one under the system's temporary folder when absent.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Address of the page and the Kibana-compatible API.
    #[arg(long, default_value = "127.0.0.1:5601")]
    pub listen: SocketAddr,
    /// Address of the Elasticsearch-compatible API.
    #[arg(long, default_value = "127.0.0.1:9200")]
    pub es_listen: SocketAddr,
    /// Seed of the scenario.
    #[arg(long, default_value_t = 2026)]
    pub seed: u64,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Exit> {
    if args.print_events {
        let mut out = std::io::stdout().lock();
        for (index, line) in scenario::lines(args.seed, engine::clock::now()) {
            writeln!(out, "{{\"_index\":\"{index}\",{}", line.trim_start_matches('{'))?;
        }
        return Ok(Exit::Fine);
    }
    story::run(args).await
}
