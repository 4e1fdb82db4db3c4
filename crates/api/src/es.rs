//! Routes of the Elasticsearch-compatible API over events.
//!
//! Invariants: every row is of shape `Elasticsearch`; rows that write events leave no audit entry each (the log is their record), rows that
//! make or remove an index do.
//! Not here: users and keys under `/_security` (`routes::apikey`).
//! Source: `reference/elasticsearch-apis.md`.

mod aggs;
mod alert;
mod bulk;
mod document;
mod indices;
mod info;
mod search;
mod wire;

use crate::table::{Access, Method, Route, h};

const READ: Access = Access::Needs("events:read");
const WRITE: Access = Access::Needs("events:write");
/// Elasticsearch's limit of a request body, after decompression.
const BODY: usize = info::CONTENT_BYTES_MAX;

macro_rules! get {
    ($path:literal, $access:expr, $what:literal, $f:path) => {
        Route::read(Method::Get, $path, $access, $what, h!($f)).elasticsearch()
    };
}
macro_rules! post {
    ($path:literal, $access:expr, $what:literal, $f:path) => {
        Route::read(Method::Post, $path, $access, $what, h!($f)).elasticsearch().body(BODY)
    };
}
macro_rules! put {
    ($path:literal, $what:literal, $f:path) => {
        Route::read(Method::Put, $path, WRITE, $what, h!($f)).elasticsearch().body(BODY)
    };
}

/// The rows.
pub const ROUTES: &[Route] = &[
    get!("/", Access::SignedIn, "Says what this server is", info::root),
    get!("/_license", Access::SignedIn, "Says which licence holds", info::license),
    get!("/_xpack", Access::SignedIn, "Lists features", info::xpack),
    get!("/_cluster/health", Access::SignedIn, "Says whether the store is well", info::health),
    get!("/_cluster/health/{index}", Access::SignedIn, "Says whether an index is well", info::health),
    get!("/_nodes", Access::SignedIn, "Lists nodes", info::nodes),
    get!("/_nodes/http", Access::SignedIn, "Lists nodes with their addresses", info::nodes),
    get!("/_nodes/_all/http", Access::SignedIn, "Lists nodes with their addresses", info::nodes),
    get!("/_cat/indices", READ, "Lists indices as text", info::cat_indices),
    get!("/_cat/indices/{index}", READ, "Lists indices as text", info::cat_indices),
    get!("/_cat/count", READ, "Counts documents as text", info::cat_count),
    get!("/_cat/count/{index}", READ, "Counts documents as text", info::cat_count),
    get!("/_cat/health", Access::SignedIn, "Says whether the store is well, as text", info::cat_health),
    post!("/_bulk", WRITE, "Writes many documents", bulk::bulk),
    put!("/_bulk", "Writes many documents", bulk::bulk),
    post!("/{index}/_bulk", WRITE, "Writes many documents", bulk::bulk),
    put!("/{index}/_bulk", "Writes many documents", bulk::bulk),
    get!("/_search", READ, "Searches", search::search),
    post!("/_search", READ, "Searches", search::search),
    get!("/{index}/_search", READ, "Searches", search::search),
    post!("/{index}/_search", READ, "Searches", search::search),
    post!("/_msearch", READ, "Runs many searches", search::msearch),
    post!("/{index}/_msearch", READ, "Runs many searches", search::msearch),
    get!("/_count", READ, "Counts documents", search::count_docs),
    post!("/_count", READ, "Counts documents", search::count_docs),
    get!("/{index}/_count", READ, "Counts documents", search::count_docs),
    post!("/{index}/_count", READ, "Counts documents", search::count_docs),
    get!("/_validate/query", READ, "Checks a query", search::validate),
    post!("/_validate/query", READ, "Checks a query", search::validate),
    get!("/{index}/_validate/query", READ, "Checks a query", search::validate),
    post!("/{index}/_validate/query", READ, "Checks a query", search::validate),
    get!("/_field_caps", READ, "Lists fields with their types", search::field_caps),
    post!("/_field_caps", READ, "Lists fields with their types", search::field_caps),
    get!("/{index}/_field_caps", READ, "Lists fields with their types", search::field_caps),
    post!("/{index}/_field_caps", READ, "Lists fields with their types", search::field_caps),
    post!("/{index}/_doc", WRITE, "Writes a document", document::put),
    get!("/{index}/_doc/{id}", READ, "Reads a document", document::get),
    post!("/{index}/_doc/{id}", WRITE, "Writes a document", document::put),
    put!("/{index}/_doc/{id}", "Writes a document", document::put),
    Route::read(Method::Delete, "/{index}/_doc/{id}", WRITE, "Removes a document", h!(document::delete))
        .elasticsearch(),
    post!("/{index}/_create/{id}", WRITE, "Writes a new document", document::create),
    put!("/{index}/_create/{id}", "Writes a new document", document::create),
    post!("/{index}/_update/{id}", Access::SignedIn, "Changes a document", document::change),
    get!("/{index}/_source/{id}", READ, "Reads a document's source", document::get_source),
    get!("/_mget", READ, "Reads many documents", document::mget),
    post!("/_mget", READ, "Reads many documents", document::mget),
    get!("/{index}/_mget", READ, "Reads many documents", document::mget),
    post!("/{index}/_mget", READ, "Reads many documents", document::mget),
    get!("/_refresh", READ, "Makes writes searchable", indices::refresh),
    post!("/_refresh", READ, "Makes writes searchable", indices::refresh),
    get!("/{index}/_refresh", READ, "Makes writes searchable", indices::refresh),
    post!("/{index}/_refresh", READ, "Makes writes searchable", indices::refresh),
    post!("/_flush", READ, "Commits writes", indices::refresh),
    post!("/{index}/_flush", READ, "Commits writes", indices::refresh),
    get!("/{index}", READ, "Describes indices", indices::get),
    Route::change(Method::Put, "/{index}", WRITE, "Makes an index", h!(indices::create)).elasticsearch(),
    Route::change(Method::Delete, "/{index}", WRITE, "Removes indices", h!(indices::delete)).elasticsearch(),
    get!("/_mapping", READ, "Lists fields of all indices", indices::mapping),
    get!("/{index}/_mapping", READ, "Lists fields", indices::mapping),
    get!("/_data_stream", READ, "Lists data streams", indices::streams),
    get!("/_data_stream/{index}", READ, "Describes data streams", indices::streams),
    Route::change(Method::Put, "/_data_stream/{index}", WRITE, "Makes a data stream", h!(indices::create_stream))
        .elasticsearch(),
    Route::change(Method::Delete, "/_data_stream/{index}", WRITE, "Removes data streams", h!(indices::delete))
        .elasticsearch(),
    get!("/_resolve/index/{index}", READ, "Resolves index expressions", indices::resolve),
];
