//! `elasticsearch.search`: searches the event store.
//!
//! Invariants: reads only; the parameters go out as they were rendered.
//! Not here: the query language (`lang`), the search (`index`).
//! Source: `reference/workflow-steps.md` §4.3, Appendix D of the language reference.

use super::{CallSpec, Next, StepCx, StepMeta, StepType};
use crate::core::Class;
use stdx::Value;

/// The step type.
#[derive(Debug)]
pub(super) struct Search;
pub(super) static SEARCH: Search = Search;

static META: StepMeta = StepMeta {
    name: "elasticsearch.search",
    title: "Search events",
    description: "searches the event store with the Elasticsearch query language",
    group: "elastic",
    class: Class::Read,
    schema: r#"{"type":"object","properties":{"index":{"description":"index name or pattern"},"query":{"type":"object"},"size":{"type":"integer"},"from":{"type":"integer"},"sort":{},"aggs":{"type":"object"},"_source":{},"fields":{"type":"array"},"track_total_hits":{},"search_after":{"type":"array"},"body":{"type":"object"},"request":{"type":"object"}}}"#,
    output: r#"{"type":"object","properties":{"took":{"type":"integer"},"timed_out":{"type":"boolean"},"hits":{"type":"object"},"aggregations":{"type":"object"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: context\n  type: elasticsearch.search\n  with:\n    index: logs-*\n    size: 20\n    query:\n      term: { host.name: \"{{ inputs.host }}\" }\n",
};

impl StepType for Search {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        let call = CallSpec {
            operation: META.name.into(),
            connector: None,
            target: Value::Null,
            params,
            class: Class::Read,
            lane: "own".into(),
        };
        Next::Call { call: Box::new(call), memo: Value::Null, closes: true }
    }
}
