//! Configuration: a TOML file, its twins in the environment, and flags; flags win, then environment, then file.
//!
//! Invariants: loopback by default; an unknown key is an error with its name; no secret stands in the file.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The file `watchfire.toml`.
#[derive(Deserialize, Debug, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct File {
    /// Data folder.
    pub data: Option<PathBuf>,
    /// Address of the Kibana-compatible API and the page.
    pub listen: Option<SocketAddr>,
    /// Address of the Elasticsearch-compatible API.
    pub es_listen: Option<SocketAddr>,
    /// Public base URL, used in links.
    pub public_url: Option<String>,
    /// Egress.
    pub egress: Egress,
    /// Approvals.
    pub approval: Approval,
}

/// `[egress]`
#[derive(Deserialize, Debug, Default, Clone)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Allowed private targets, `host:port`.
    pub allow: Vec<String>,
}

/// `[approval]`
#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// What a destructive step does that an approval could not freeze: `ask` (default) or `allow`.
    pub unbound: String,
}

impl Default for Approval {
    fn default() -> Self {
        Self { unbound: "ask".into() }
    }
}

impl File {
    /// Reads the file, if one is named.
    pub fn read(path: Option<&PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("`{}`: {e}", path.display()))?;
        toml::from_str(&text).map_err(|e| anyhow::anyhow!("`{}`: {e}", path.display()))
    }
}

/// The allow-list of the environment, comma-separated.
pub fn egress_of_environment() -> Vec<String> {
    std::env::var("WATCHFIRE_EGRESS_ALLOW")
        .map(|list| list.split(',').map(str::trim).filter(|s| !s.is_empty()).map(ToOwned::to_owned).collect())
        .unwrap_or_default()
}
