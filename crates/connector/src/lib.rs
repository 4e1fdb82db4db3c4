//! Connectors as data and their interpreter; requests and responses as pure functions.
