//! Ids of what the API makes.
//!
//! Not here: ids that derive from their cause (`stdx::id::uuid_v8`).

use crate::auth::random;
use stdx::Id;

/// A random UUID (version 4).
pub fn uuid() -> Id {
    stdx::id::uuid_v4(random())
}

/// A random id of 20 characters, as Elasticsearch makes them.
pub fn document() -> Id {
    stdx::id::document_id(random())
}
