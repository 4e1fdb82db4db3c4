//! Automation: tidy, conformance, benchmarks, crash campaigns, acceptance, code generation.
//!
//! Invariants: everything CI does is a command here or a line of the Makefile; no command needs a network.
//! Not here: anything the product needs at run time.

mod accept;
mod bench;
mod codegen;
mod conformance;
mod crash;
mod fuzz;
mod mutants;
mod product;
mod real_events;
mod rows;
mod simulate;
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
    /// Kill the server at random moments and count what was lost or doubled.
    Crash(crash::Args),
    /// Crash the synchronous core before and after every commit and effect of every golden run.
    Simulate,
    /// Seeded worlds with crashes, slow and failing effects, answers twice and a clock that jumps.
    Worlds {
        /// How many.
        #[arg(long, default_value_t = 2_000)]
        n: u64,
        /// Which.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Rows of the language reference that no golden run shows and no exception explains.
    Rows {
        /// The reference, where it is not beside the repository.
        path: Option<PathBuf>,
    },
    /// The corpus's real events through `detect` and through a running server.
    RealEvents {
        /// Folder of corpora.
        corpus: PathBuf,
        /// Use the development build.
        #[arg(long)]
        debug: bool,
    },
    /// Write what is made from the code: OpenAPI, JSON Schema of workflows.
    Codegen {
        /// Only compare.
        #[arg(long)]
        check: bool,
    },
    /// Put small mistakes into `decide` and `evolve` and count those that the tests see.
    Mutants(mutants::Args),
    /// Run the fuzz targets.
    Fuzz(fuzz::Args),
    /// Measure.
    Bench(bench::Args),
    /// Run an issue's acceptance lines and print their table.
    Accept {
        /// Issue, for example `main-job`.
        name: String,
        /// Only lines whose name contains this.
        #[arg(long)]
        only: Option<String>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Tidy => tidy::run(),
        Command::Conformance { suite, path } => conformance::run(&suite, &path),
        Command::Crash(args) => crash::run(&args),
        Command::Simulate => simulate::run(),
        Command::Worlds { n, seed } => simulate::worlds(n, seed),
        Command::Rows { path } => rows::run(path.as_deref()),
        Command::RealEvents { corpus, debug } => real_events::run(&corpus, debug),
        Command::Codegen { check } => codegen::run(check),
        Command::Mutants(args) => mutants::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Accept { name, only } => accept::run(&name, only.as_deref()),
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
