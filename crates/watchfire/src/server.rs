//! Opens stores, engine and listeners, and closes them again.
//!
//! Invariants: loopback unless told otherwise; `elastic` is seeded once; nothing listens before the engine is up.
//! Not here: flags (`commands::serve`), routes (`api`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use workflow::{Catalogue, Env, Unbound};

/// How long connections may finish their requests at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// What a server is started with.
pub struct Settings {
    /// Data folder.
    pub data: PathBuf,
    /// Kibana-compatible API and page.
    pub listen: SocketAddr,
    /// Elasticsearch-compatible API.
    pub es_listen: SocketAddr,
    /// Public base URL.
    pub public_url: Option<String>,
    /// Allowed private targets of egress.
    pub egress_allow: Vec<String>,
    /// A destructive step that no approval froze asks on its own.
    pub unbound_ask: bool,
    /// Password of `elastic` at the first start.
    pub password: Option<String>,
    /// Made-up data is in this server.
    pub demo: bool,
}

/// A running server.
pub struct Running {
    /// Where the page is.
    pub listen: SocketAddr,
    /// Where the Elasticsearch API is.
    pub es_listen: SocketAddr,
    /// The password made at the first start, shown once.
    pub generated_password: Option<String>,
    /// The engine.
    pub engine: engine::Handle,
    stop: tokio::sync::watch::Sender<bool>,
}

/// The state store's folder below a data folder.
pub fn state_dir(data: &Path) -> PathBuf {
    data.join("state")
}

/// The catalogue without a server: all operations, no stored connectors.
pub fn offline_catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for operation in engine::operations(&connector::Registry::built_in()) {
        catalogue.operations.insert(operation.name.clone(), operation);
    }
    catalogue
}

/// Starts a server.
pub async fn start(settings: Settings) -> anyhow::Result<Running> {
    std::fs::create_dir_all(&settings.data).map_err(|e| anyhow::anyhow!("`{}`: {e}", settings.data.display()))?;
    let listener = bind(settings.listen).await?;
    let es_listener = bind(settings.es_listen).await?;
    let (listen, es_listen) = (listener.local_addr()?, es_listener.local_addr()?);
    let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{listen}"));

    let store = store::Store::open(&state_dir(&settings.data), &store::Options::default())?;
    let index = Arc::new(index::Index::open(&settings.data.join("events"), index::Options::default())?);
    let options = engine::Options {
        env: Env {
            kibana_url: url.as_str().into(),
            unbound: if settings.unbound_ask { Unbound::Ask } else { Unbound::Allow },
            limits: workflow::RunLimits::default(),
        },
        registry: connector::Registry::built_in(),
        egress_allow: settings.egress_allow,
        space: "default".into(),
    };
    let engine = engine::open(store, index, options)?;
    let config = api::Config {
        demo: settings.demo,
        es_url: Some(format!("http://{es_listen}").into()),
        url: url.as_str().into(),
        ..api::Config::default()
    };
    let state = api::State::new(config, engine.clone());
    let generated_password = api::auth::seed(&state, settings.password.as_deref()).await?;
    let kibana = api::kibana_router(state.clone());
    let elasticsearch = api::es_router(state.clone());
    engine.set_own_router(api::own_router(&state, kibana.clone(), elasticsearch.clone()));

    let (stop, stopped) = tokio::sync::watch::channel(false);
    for (listener, router) in [(listener, kibana), (es_listener, elasticsearch)] {
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let graceful = async move {
                let _ = stopped.wait_for(|s| *s).await;
            };
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(graceful).await {
                tracing::error!(%error, "a listener ended");
            }
        });
    }
    Ok(Running { listen, es_listen, generated_password, engine, stop })
}

async fn bind(at: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(at).await.map_err(|e| anyhow::anyhow!("cannot listen on {at}: {e}"))
}

impl Running {
    /// Runs until SIGINT or SIGTERM, then closes.
    pub async fn until_told(self) {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut term) => {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = term.recv() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be listened to");
                let _ = tokio::signal::ctrl_c().await;
            }
        }
        self.close().await;
    }

    /// Stops listening, then the engine; what is under way is taken up at the next start.
    pub async fn close(self) {
        let _ = self.stop.send(true);
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.engine.close();
        let engine = self.engine;
        let closing = tokio::task::spawn_blocking(move || engine.wait_closed(DRAIN));
        let _ = closing.await;
    }
}
