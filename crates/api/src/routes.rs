//! The route table of the Kibana-compatible API and of our own routes; one file per noun.
//!
//! Invariants: a row per route, sorted into its noun's file; tests walk the whole table.
//! Not here: serving (`serve`), events (`es`).

pub mod status;

use crate::table::Route;

const KIBANA: &[&[Route]] = &[status::ROUTES];
const ELASTICSEARCH: &[&[Route]] = &[];

/// Every row of the Kibana port.
pub fn all() -> impl Iterator<Item = &'static Route> {
    KIBANA.iter().copied().flatten()
}

/// Rows of the Elasticsearch port that are not about events.
pub fn elasticsearch() -> impl Iterator<Item = &'static Route> {
    ELASTICSEARCH.iter().copied().flatten()
}
