//! Tests of batch detection.

use super::*;
use crate::compile::compile;
use crate::rule::Rule;

fn detector() -> Detector {
    let rule = |query: &str| {
        let text = format!(
            r#"{{"type":"query","name":"x","index":["logs-a-*"],"query":{}}}"#,
            stdx::json::text(&query.into())
        );
        Arc::new(compile(&Arc::new(Rule::from_json(&text).0.unwrap())).0.unwrap())
    };
    Detector::new(Dispatcher::new(vec![rule("a: 1"), rule("not a: 1")]))
}

#[test]
fn counts_add_up_and_index_counts_only_when_named() {
    let d = detector();
    let (mut counts, mut hits) = (d.counts(), Vec::new());
    let mut feed =
        |text: &str| d.feed(Bytes::copy_from_slice(text.as_bytes()), Time(0), &mut counts, &mut hits).is_ok();
    assert!(feed(r#"{"a":1,"@timestamp":"2025-01-15"}"#));
    assert!(feed(r#"{"a":2}"#));
    assert!(feed(r#"{"a":1,"_index":"logs-b-x"}"#));
    assert!(feed(r#"{"a":1,"_index":"logs-a-x"}"#));
    assert!(!feed("{a") && !feed("[1]") && !feed("{\"a\":\"\u{1}\"}"));
    assert_eq!((counts.read, counts.failed, counts.untimed, counts.matched), (4, 3, 3, 3));
    assert_eq!(counts.by_rule, [2, 1]);
    let mut sum = d.counts();
    sum.add(&counts);
    sum.add(&counts);
    assert_eq!((sum.read, sum.matches()), (8, 6));
}
