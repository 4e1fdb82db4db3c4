//! Automation: tidy, conformance, benchmarks, crash campaigns, acceptance, code generation.
//!
//! Invariants: everything CI does is a command here or a line of the Makefile; no command needs a network.
//! Not here: anything the product needs at run time.

mod conformance;
mod tidy;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "xtask", about = "Automation of the Watchfire repository")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check layers, module headers, file sizes, machine paths and download addresses.
    Tidy,
    /// Run a corpus: one line per failing case and, last, `N passed, M failed, K skipped`.
    Conformance {
        /// Suite, or `all` for every suite that the corpus folder holds.
        suite: String,
        /// File or folder of the suite's form.
        path: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Tidy => tidy::run(),
        Command::Conformance { suite, path } => conformance::run(&suite, &path),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
