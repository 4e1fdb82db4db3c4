//! Kibana- and Elasticsearch-compatible REST, authentication, UI bundle.
//!
//! Invariants: everything is refused unless a row of the table allows it; only this crate knows HTTP and wire types.
//! Not here: decisions (`triage`, `workflow`), SQL (`store`), effects (`engine`).

mod alerts;
pub mod auth;
mod clock;
mod commit;
mod diagnostics;
pub mod error;
pub mod es;
mod extras;
pub mod http;
mod ids;
mod kql;
mod openapi;
pub mod passkeys;
mod records;
pub mod routes;
pub mod run;
pub mod serve;
mod state;
pub mod table;
mod ui;
mod zip;

pub use error::{ApiError, ErrorCode};
pub use openapi::openapi;
pub use records::{Record, Records};
pub use serve::{InProcess, es_router, in_process, kibana_router, own_router};
pub use state::{Config, State};

/// Index name by which clients reach the alerts of the default space.
pub const ALERTS_ALIAS: &str = ".alerts-security.alerts-default";
