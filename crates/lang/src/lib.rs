//! Query languages: KQL, Lucene, EQL and the Elasticsearch query DSL; text to tree to evaluator.
