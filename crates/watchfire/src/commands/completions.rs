//! `watchfire completions`: completions for shells, from the table of commands.

use super::Cli;
use crate::Exit;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(clap::Args)]
pub struct Args {
    /// Shell.
    shell: Shell,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    clap_complete::generate(args.shell, &mut Cli::command(), "watchfire", &mut std::io::stdout());
    Ok(Exit::Fine)
}
