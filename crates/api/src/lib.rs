//! Kibana- and Elasticsearch-compatible REST, authentication, UI bundle.
