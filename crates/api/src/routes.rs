//! The route table of the Kibana-compatible API and of our own routes; one file per noun.
//!
//! Invariants: a row per route, in its noun's file; tests walk the whole table.
//! Not here: serving (`serve`), events (`es`).

pub mod apikey;
pub mod approval;
pub mod audit;
pub mod case;
pub mod case_parts;
pub mod catalogue;
pub mod comment;
pub mod configure;
pub mod connector;
pub mod envelope;
pub mod execution;
pub mod execution_start;
pub mod find;
pub mod hook;
pub mod metrics;
pub mod passkey;
pub mod profile;
pub mod queue;
pub mod retention;
pub mod rule;
pub mod session;
pub mod signal;
pub mod status;
pub mod stream;
pub mod timeline;
pub mod undo;
pub mod user;
pub mod workflow;
pub mod workflow_archive;
pub mod workflow_versions;

use crate::table::Route;

const KIBANA: &[&[Route]] = &[
    apikey::ROUTES,
    approval::ROUTES,
    audit::ROUTES,
    case::ROUTES,
    case_parts::ROUTES,
    catalogue::ROUTES,
    comment::ROUTES,
    configure::ROUTES,
    connector::ROUTES,
    envelope::ROUTES,
    execution::ROUTES,
    execution_start::ROUTES,
    find::ROUTES,
    hook::ROUTES,
    metrics::ROUTES,
    passkey::ROUTES,
    profile::ROUTES,
    queue::ROUTES,
    retention::ROUTES,
    rule::ROUTES,
    session::ROUTES,
    signal::ROUTES,
    status::ROUTES,
    stream::ROUTES,
    timeline::ROUTES,
    undo::ROUTES,
    user::ROUTES,
    workflow::ROUTES,
    workflow_archive::ROUTES,
    workflow_versions::ROUTES,
];
const ELASTICSEARCH: &[&[Route]] = &[apikey::ELASTICSEARCH, profile::ELASTICSEARCH, user::ELASTICSEARCH];

/// Every row of the Kibana port.
pub fn all() -> impl Iterator<Item = &'static Route> {
    KIBANA.iter().copied().flatten()
}

/// Rows of the Elasticsearch port that are not about events.
pub fn elasticsearch() -> impl Iterator<Item = &'static Route> {
    ELASTICSEARCH.iter().copied().flatten()
}
