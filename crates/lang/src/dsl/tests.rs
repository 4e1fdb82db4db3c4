//! Tests of the query DSL.

use super::*;
use crate::predicate::tests::event;
use crate::types::Ecs;
use serde_json::json;

const DOC: &str = r#"{"a":"x","n":5,"@timestamp":"2025-01-14T10:00:00Z","source":{"ip":"10.1.2.3"},"message":"Failed password for root","k":[{"n":1,"m":2},{"n":3,"m":4}]}"#;

fn holds(query: serde_json::Value) -> bool {
    let text = query.to_string();
    parse(&query).unwrap_or_else(|e| panic!("{text}: {e:?}")).to_predicate(&Ecs).matches(&event(DOC))
}

#[test]
fn queries_hold_as_documented() {
    for (query, expected) in [
        (json!({"match_all": {}}), true),
        (json!({"match_none": {}}), false),
        (json!({"term": {"a": "x"}}), true),
        (json!({"term": {"a": {"value": "X"}}}), false),
        (json!({"term": {"a": {"value": "X", "case_insensitive": true}}}), true),
        (json!({"term": {"n": 5}}), true),
        (json!({"term": {"source.ip": "10.0.0.0/8"}}), true),
        (json!({"term": {"_id": "e"}}), true),
        (json!({"terms": {"a": ["q", "x"], "boost": 2}}), true),
        (json!({"terms": {"a": []}}), false),
        (json!({"range": {"n": {"gte": 5, "lt": 6}}}), true),
        (json!({"range": {"n": {"gt": 5}}}), false),
        (json!({"range": {"@timestamp": {"gte": "now-1d/d", "lt": "now/d"}}}), true),
        (json!({"range": {"@timestamp": {"lte": "2025-01-14"}}}), true),
        (json!({"range": {"@timestamp": {"gt": "2025-01-14"}}}), false),
        (json!({"range": {"@timestamp": {"lt": 1_736_848_800_001_i64}}}), true),
        (json!({"range": {"@timestamp": {"gte": 1_736_848_800, "format": "epoch_second"}}}), true),
        (json!({"exists": {"field": "source"}}), true),
        (json!({"exists": {"field": "sourc*.ip"}}), true),
        (json!({"exists": {"field": "zz"}}), false),
        (json!({"match": {"message": "password missing"}}), true),
        (json!({"match": {"message": {"query": "password missing", "operator": "AND"}}}), false),
        (json!({"match_phrase": {"message": "failed PASSWORD"}}), true),
        (json!({"match_phrase_prefix": {"message": "failed pass"}}), true),
        (json!({"multi_match": {"query": "root", "fields": ["a^3", "mess*"]}}), true),
        (json!({"wildcard": {"a": {"value": "?"}}}), true),
        (json!({"prefix": {"message": "password"}}), true),
        (json!({"regexp": {"a": "[x-z]"}}), true),
        (json!({"ids": {"values": ["e"]}}), true),
        (json!({"bool": {}}), true),
        (json!({"bool": {"must": {"term": {"a": "x"}}, "must_not": [{"term": {"n": 5}}]}}), false),
        (json!({"bool": {"should": [{"term": {"a": "q"}}]}}), false),
        (json!({"bool": {"should": [{"term": {"a": "q"}}], "filter": []}}), false),
        (json!({"bool": {"should": [{"term": {"a": "q"}}], "filter": [{"match_all": {}}]}}), true),
        (
            json!({"bool": {"should": [{"term": {"a": "x"}}, {"term": {"n": 5}}, {"term": {"n": 6}}], "minimum_should_match": 2}}),
            true,
        ),
        (
            json!({"bool": {"should": [{"term": {"a": "x"}}, {"term": {"n": 7}}, {"term": {"n": 6}}], "minimum_should_match": "67%"}}),
            false,
        ),
        (json!({"constant_score": {"filter": {"term": {"a": "x"}}}}), true),
        (
            json!({"nested": {"path": "k", "query": {"bool": {"filter": [{"term": {"k.n": 1}}, {"term": {"k.m": 2}}]}}}}),
            true,
        ),
        (
            json!({"nested": {"path": "k", "query": {"bool": {"filter": [{"term": {"k.n": 1}}, {"term": {"k.m": 4}}]}}}}),
            false,
        ),
        (json!({"query_string": {"query": "a:x AND n:5"}}), true),
        (json!({"query_string": {"query": "x root", "fields": ["a", "message"], "default_operator": "and"}}), true),
        (json!({"dis_max": {"queries": [{"term": {"a": "q"}}, {"term": {"n": 5}}], "tie_breaker": 0.7}}), true),
        (
            json!({"boosting": {"positive": {"term": {"a": "x"}}, "negative": {"match_all": {}}, "negative_boost": 0.5}}),
            true,
        ),
        (json!({"function_score": {"query": {"term": {"a": "q"}}}}), false),
        (json!({"simple_query_string": {"query": "nobody | \"failed password\" + root"}}), true),
        (json!({"simple_query_string": {"query": "passw*", "fields": ["message"]}}), true),
        (json!({"simple_query_string": {"query": "failed + -root", "fields": ["message"]}}), false),
        (json!({"simple_query_string": {"query": "failed nobody", "fields": ["message"]}}), true),
        (
            json!({"simple_query_string": {"query": "failed nobody", "fields": ["message"], "default_operator": "AND"}}),
            false,
        ),
        (json!({"simple_query_string": {"query": "((\"x ) +| - *", "fields": ["message"]}}), false),
        (json!({"simple_query_string": {"query": "*"}}), true),
        (json!({"simple_query_string": {"query": ""}}), false),
    ] {
        assert_eq!(holds(query.clone()), expected, "{query}");
    }
}

#[test]
fn mistakes_name_their_path() {
    for (query, code, path) in [
        (json!({"foo": {}}), "dslUnknownQuery", ""),
        (json!({"bool": {"must": [{"match_all": {}}, {"foo": {}}]}}), "dslUnknownQuery", "bool.must[1]"),
        (json!({}), "dslSyntax", ""),
        (json!([]), "dslSyntax", ""),
        (json!({"term": {"a": [1]}}), "dslSyntax", "term.a"),
        (json!({"term": {"a": 1, "b": 2}}), "dslSyntax", "term"),
        (json!({"range": {"a": {"gte": 1, "x": 2}}}), "dslSyntax", "range.a"),
        (json!({"regexp": {"a": "["}}), "dslRegex", "regexp"),
        (json!({"query_string": {"query": "a:("}}), "luceneSyntax", "query_string.query"),
        (json!({"bool": {"minimum_should_match": "x"}}), "dslSyntax", "bool"),
    ] {
        let found = parse(&query).expect_err("is wrong");
        assert_eq!((found[0].code, found[0].path.as_deref()), (code, Some(path)), "{query}: {found:?}");
    }
    let mut deep = json!({"match_all": {}});
    for _ in 0..200 {
        deep = json!({"bool": {"must": deep}});
    }
    assert_eq!(parse(&deep).expect_err("is too deep")[0].code, "dslLimit");
    // Choices within choices stay as large as they are written.
    let mut choices = json!({"term": {"a": "x"}});
    for _ in 0..3 {
        choices = json!({"bool": {"should": vec![choices; 12], "minimum_should_match": 6}});
    }
    assert!(parse(&choices).expect("is within the limits").to_predicate(&Ecs).matches(&event(DOC)));
    let wide = json!({"bool": {"should": vec![json!({"match_all": {}}); 5000]}});
    assert_eq!(parse(&wide).expect_err("is too wide")[0].code, "dslLimit");
}
