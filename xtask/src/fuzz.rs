//! `fuzz`: runs the targets of the `fuzz/` workspace.
//!
//! Not here: the targets.

use std::path::Path;
use std::process::Command;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// CPU seconds of each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Targets; all of them where none is named.
    targets: Vec<String>,
}

/// Runs the command; true when nothing was found.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(folder)
        .args(["run", "--quiet", "--"])
        .args(["--seconds", &args.seconds.to_string(), "--seed", &args.seed.to_string()])
        .args(&args.targets)
        .status()?;
    Ok(status.success())
}
