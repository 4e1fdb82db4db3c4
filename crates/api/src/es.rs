//! Routes of the Elasticsearch-compatible API over events.
//!
//! Invariants: every row is of shape `Elasticsearch`.
//! Not here: users and keys under `/_security` (`routes::security`).

use crate::table::Route;

/// The rows.
pub const ROUTES: &[Route] = &[];
