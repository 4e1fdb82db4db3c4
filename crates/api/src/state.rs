//! What every handler can reach.
//!
//! Not here: anything that decides; the handles are the engine's.

use crate::auth::Auth;
use crate::records::Records;
use std::sync::Arc;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this server, in `kbn-name` and `/api/status`.
    pub name: Arc<str>,
    /// True when made-up data is in this server; the page says so.
    pub demo: bool,
    /// Where the Elasticsearch-compatible API is reached, for the first-run page.
    pub es_url: Option<Arc<str>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: "watchfire".into(), demo: false, es_url: None }
    }
}

/// Handles of one server; cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Inner>);

/// What [`State`] points at.
pub struct Inner {
    /// Name of this server.
    pub name: Arc<str>,
    /// Settings.
    pub config: Config,
    /// Credentials.
    pub auth: Auth,
    /// Documents.
    pub records: Records,
}

impl State {
    /// The state of a server.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Inner { name: config.name.clone(), config, auth: Auth::default(), records: Records::default() }))
    }
}

impl std::ops::Deref for State {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
