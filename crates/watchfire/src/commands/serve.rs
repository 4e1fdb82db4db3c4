//! `watchfire serve`: runs the server until it is told to stop.

use crate::Exit;
use crate::config;
use crate::server::{self, Settings};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Arguments of `serve`.
#[derive(clap::Args)]
pub struct Args {
    /// Data folder.
    #[arg(long, env = "WATCHFIRE_DATA")]
    data: Option<PathBuf>,
    /// Address of the Kibana-compatible API and the page.
    #[arg(long, env = "WATCHFIRE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Address of the Elasticsearch-compatible API.
    #[arg(long, env = "WATCHFIRE_ES_LISTEN")]
    es_listen: Option<SocketAddr>,
    /// Configuration file.
    #[arg(long, env = "WATCHFIRE_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let file = config::File::read(args.config.as_ref())?;
    let mut allow = file.egress.allow.clone();
    allow.extend(config::egress_of_environment());
    let settings = Settings {
        data: args.data.or(file.data).unwrap_or_else(|| PathBuf::from("watchfire-data")),
        listen: args.listen.or(file.listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 5601))),
        es_listen: args.es_listen.or(file.es_listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9200))),
        public_url: file.public_url,
        egress_allow: allow,
        unbound_ask: match file.approval.unbound.as_str() {
            "ask" => true,
            "allow" => false,
            other => anyhow::bail!("[approval] unbound must be `ask` or `allow`, not `{other}`"),
        },
        password: std::env::var("ELASTIC_PASSWORD").ok(),
        demo: false,
    };
    let running = server::start(settings).await?;
    if let Some(password) = &running.generated_password {
        eprintln!(
            "user `elastic`, password `{password}` (shown once; ELASTIC_PASSWORD sets your own at the first start)"
        );
    }
    eprintln!("page and Kibana API  http://{}", running.listen);
    eprintln!("Elasticsearch API    http://{}", running.es_listen);
    running.until_told().await;
    Ok(Exit::Fine)
}
