//! `watchfire doubles`: the demo's doubles as a process of their own, for campaigns that kill the server.
//!
//! Invariants: prints one JSON line with addresses and credentials when everything answers; the ledger file outlives it.

use crate::Exit;
use crate::doubles::{self, Doubles};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Arguments of `doubles`.
#[derive(clap::Args)]
pub struct Args {
    /// Ledger file, appended to.
    #[arg(long)]
    ledger: PathBuf,
    /// Address of the HTTP doubles.
    #[arg(long, default_value = "127.0.0.1:0")]
    http: SocketAddr,
    /// Address of the SSH double.
    #[arg(long, default_value = "127.0.0.1:0")]
    ssh: SocketAddr,
}

/// Runs the command until it is killed.
pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let password = hex::encode(engine::clock::random::<9>());
    let doubles = Doubles::new(Some(args.ledger))?;
    let running = doubles::start(doubles, args.http, args.ssh, engine::clock::random(), password).await?;
    println!(
        "{}",
        serde_json::json!({
            "http": running.http.to_string(), "ssh": running.ssh.to_string(), "host_key": running.host_key,
            "user": running.user, "password": running.password,
        })
    );
    tokio::signal::ctrl_c().await?;
    Ok(Exit::Fine)
}
