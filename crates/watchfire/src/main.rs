//! `watchfire`: open-source security automation in one binary.
//!
//! Invariants: exit codes are 0 fine, 1 findings, 2 usage, 3 the server refused, 4 unreachable.
//! Not here: anything but configuration and the command line.

mod client;
mod commands;
mod config;
mod content;
mod demo;
mod doubles;
mod output;
mod server;

use clap::Parser;
use std::process::ExitCode;

/// Commits and calls are made on one thread and freed on another, which costs glibc's allocator a tenth of the server's CPU. SQLite
/// allocates from it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to report.
    Fine = 0,
    /// Something was found (failed tests, matches that were asked about, broken links).
    Findings = 1,
    /// The command line, a file or the configuration is wrong.
    Usage = 2,
    /// The server refused.
    Refused = 3,
    /// The server cannot be reached.
    Unreachable = 4,
}

fn main() -> ExitCode {
    let cli = commands::Cli::parse();
    output::init_log(cli.command.logs());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: threads could not be started: {error}");
            return ExitCode::from(Exit::Usage as u8);
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("error: {error:#}");
            let exit = error.downcast_ref::<client::Failure>().map_or(Exit::Usage, client::Failure::exit);
            ExitCode::from(exit as u8)
        }
    }
}
