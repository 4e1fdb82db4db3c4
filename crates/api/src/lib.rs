//! Kibana- and Elasticsearch-compatible REST, authentication, UI bundle.
//!
//! Invariants: everything is refused unless a row of the table allows it; only this crate knows HTTP and wire types.
//! Not here: decisions (`triage`, `workflow`), SQL (`store`), effects (`engine`).

pub mod auth;
mod clock;
pub mod error;
pub mod es;
pub mod http;
mod records;
pub mod routes;
pub mod serve;
mod state;
pub mod table;
mod ui;

pub use error::{ApiError, ErrorCode};
pub use records::Records;
pub use serve::{InProcess, es_router, in_process, kibana_router};
pub use state::{Config, State};
