//! The event store: write-ahead log, tantivy buckets, search.
