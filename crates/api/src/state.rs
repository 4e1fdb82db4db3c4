//! What every handler can reach.
//!
//! Not here: anything that decides; the handles are the engine's.

use crate::auth::Auth;
use crate::error::Result;
use crate::http::Ctx;
use crate::records::Records;
use crate::routes::queue::{Decided, Undo};
use crate::routes::stream::Streams;
use std::sync::Arc;
use store::Reader;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this server, in `kbn-name` and `/api/status`.
    pub name: Arc<str>,
    /// True when made-up data is in this server; the page says so.
    pub demo: bool,
    /// Where the Elasticsearch-compatible API is reached, for the first-run page.
    pub es_url: Option<Arc<str>>,
    /// Where people open the page, for passkeys: `https://…`, or `http://localhost:PORT`.
    pub url: Arc<str>,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: "watchfire".into(), demo: false, es_url: None, url: "http://localhost".into() }
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
    /// The running engine.
    pub engine: engine::Handle,
    /// Credentials.
    pub auth: Auth,
    /// Documents.
    pub records: Records,
    /// Decisions that can be taken back.
    pub undo: Undo,
    /// The queue's figure of the last day.
    pub decided: Decided,
    /// Streams that are open.
    pub streams: Streams,
    /// Challenges that wait for a passkey.
    pub challenges: crate::passkeys::Challenges,
    site: (String, String),
    es_router: std::sync::OnceLock<axum::Router>,
}

impl State {
    /// The state of a server over a running engine.
    pub fn new(config: Config, engine: engine::Handle) -> Self {
        let records = Records::new(engine.store().clone());
        Self(Arc::new(Inner {
            name: config.name.clone(),
            site: crate::passkeys::site(&config.url),
            challenges: crate::passkeys::Challenges::default(),
            config,
            auth: Auth::default(),
            records,
            undo: Undo::default(),
            decided: Decided::default(),
            streams: Streams::default(),
            es_router: std::sync::OnceLock::new(),
            engine,
        }))
    }
    /// The event store.
    pub fn index(&self) -> &Arc<index::Index> {
        self.engine.index()
    }
    /// Relying party and origin of the page, for passkeys.
    pub fn site(&self) -> (&str, &str) {
        (&self.site.0, &self.site.1)
    }
    /// The Elasticsearch-compatible routes, for our own searches.
    pub(crate) fn es_router(&self) -> &axum::Router {
        self.es_router.get_or_init(|| crate::es_router(self.clone()))
    }
    /// Number of the newest change in the feed.
    pub(crate) fn seq(&self) -> Result<u64> {
        Ok(self.engine.store().read(|r| r.feed_range())?.1)
    }
}

impl std::ops::Deref for State {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Ctx {
    /// Reads of the state store.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Reader) -> std::result::Result<T, store::Error>) -> Result<T> {
        Ok(self.state.engine.store().read(read)?)
    }
}
