//! `search.rerank`: documents in the order of their relevance to a text.
//!
//! Invariants: nothing is lost: what is outside the window follows in its own order; lengths are cut as declared.
//! Not here: the inference endpoint, which is not there yet: until then its 404 is the step's error.
//! Source: `reference/workflow-steps.md` §8.7.

use super::{ITEMS_MAX, Next, StepCx, StepMeta, StepType, Wake};
use crate::core::Class;
use stdx::{Object, Value};

/// The step type.
#[derive(Debug)]
pub(super) struct Rerank;
pub(super) static RERANK: Rerank = Rerank;

static META: StepMeta = StepMeta {
    name: "search.rerank",
    title: "Rerank",
    description: "orders documents by how well they fit a text",
    group: "ai",
    class: Class::Read,
    schema: r#"{"type":"object","required":["rerank_text","data"],"additionalProperties":false,"properties":{"rerank_text":{"type":"string","description":"what to compare with"},"data":{"type":"array","description":"documents"},"fields":{"type":"array","description":"paths, for example [[title],[user,name]]"},"rank_window_size":{"type":"integer"},"max_input_field_length":{"type":"integer"},"max_input_total_length":{"type":"integer"}}}"#,
    output: r#"{"type":"array"}"#,
    connectors: &[],
    config: &["inference_id"],
    example: "- name: best\n  type: search.rerank\n  inference_id: rerank-1\n  with: { rerank_text: \"{{ inputs.q }}\", data: \"${{ inputs.docs }}\" }\n",
};

impl StepType for Rerank {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let text = match super::required(&params, "rerank_text", META.name) {
            Ok(t) => t,
            Err(fault) => return Next::Fail(fault),
        };
        let data = super::list_like(params.get("data").cloned().unwrap_or_default());
        let Some(documents) = data.as_array() else {
            return Next::Fail(super::invalid(format!("`{}` needs a list in `with.data`", META.name)));
        };
        if documents.len() > ITEMS_MAX {
            return Next::Fail(super::too_many(documents.len()));
        }
        if documents.is_empty() {
            return Next::Done(Value::from(vec![]));
        }
        let number = |key: &str, default: usize| {
            params
                .get(key)
                .and_then(Value::as_i64)
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > 0)
                .unwrap_or(default)
        };
        let window = number("rank_window_size", 100).min(documents.len());
        let (field_max, total_max) = (number("max_input_field_length", 1000), number("max_input_total_length", 2000));
        let paths: Vec<Vec<String>> = params
            .get("fields")
            .and_then(Value::as_array)
            .unwrap_or_default()
            .iter()
            .map(|p| match p {
                Value::Array(a) => a.iter().map(crate::json::scalar_text).collect(),
                v => crate::json::scalar_text(v).split('.').map(str::to_owned).collect(),
            })
            .collect();
        let input = documents[..window].iter().map(|d| Value::from(words(d, &paths, field_max, total_max)));
        let body = Value::object([("query", Value::Str(text)), ("input", Value::array(input))]);
        let mut memo = Object::new();
        memo.insert("data", data.clone());
        memo.insert("window", window);
        match super::text(cx.config, "inference_id").filter(|s| !s.is_empty()) {
            Some(id) => ask(&id, body, memo),
            None => {
                memo.insert("body", body);
                let request =
                    Value::object([("method", Value::from("GET")), ("path", Value::from("/_inference/rerank/_all"))]);
                super::own_call("elasticsearch.request", request, Class::Read, Value::from(memo), false)
            }
        }
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let answer = match wake {
            Wake::Answered(Ok(v)) => v,
            Wake::Answered(Err(fault)) => return Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => return Next::fail("Error", "a rerank step does not wait"),
        };
        if let Some(body) = memo.get("body") {
            let endpoints = answer.get("endpoints").and_then(Value::as_array).unwrap_or_default();
            let id = |e: &Value| e.get("inference_id").and_then(Value::as_str).map(str::to_owned);
            let hosted = endpoints.iter().find(|e| e.get("service").and_then(Value::as_str) == Some("elastic"));
            let Some(id) = hosted.or_else(|| endpoints.first()).and_then(id) else {
                return Next::fail("Error", "No rerank inference endpoint found");
            };
            let mut next = memo.as_object().cloned().unwrap_or_default();
            next.remove("body");
            return ask(&id, body.clone(), next);
        }
        Next::Done(ordered(memo, &answer))
    }
}

fn ask(id: &str, body: Value, memo: Object) -> Next {
    let request = Value::object([
        ("method", Value::from("POST")),
        ("path", Value::from(format!("/_inference/rerank/{}", super::endpoint::encode(id)))),
        ("body", body),
    ]);
    super::own_call("elasticsearch.request", request, Class::Read, Value::from(memo), false)
}

fn words(document: &Value, paths: &[Vec<String>], field_max: usize, total_max: usize) -> String {
    let cut = |s: String, max: usize| s.chars().take(max).collect::<String>();
    if paths.is_empty() {
        return cut(super::endpoint::joined(document), total_max);
    }
    let parts = paths.iter().filter_map(|path| {
        let found = document.path(&path.iter().map(String::as_str).collect::<Vec<_>>());
        found.or_else(|| document.field(&path.join("."))).filter(|v| !v.is_null())
    });
    let text = parts.map(|v| cut(super::endpoint::joined(v), field_max)).collect::<Vec<_>>().join("\n");
    cut(text, total_max)
}

/// The window in the order of the answer, then the rest.
fn ordered(memo: &Value, answer: &Value) -> Value {
    let data = memo.get("data").and_then(Value::as_array).unwrap_or_default();
    let window = memo.get("window").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut ranked: Vec<(usize, f64)> = answer
        .get("rerank")
        .and_then(Value::as_array)
        .or_else(|| answer.as_array())
        .unwrap_or_default()
        .iter()
        .filter_map(|r| {
            let index = r.get("index").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok())?;
            let score = ["relevance_score", "score"].iter().find_map(|k| r.get(k)).and_then(Value::as_f64)?;
            (index < window).then_some((index, score))
        })
        .collect();
    ranked.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(std::cmp::Ordering::Equal).then(a.0.cmp(&b.0)));
    let mut taken = vec![false; data.len()];
    let mut out = Vec::with_capacity(data.len());
    for i in ranked.into_iter().map(|(i, _)| i).chain(0..data.len()) {
        if let (Some(document), Some(false)) = (data.get(i), taken.get(i)) {
            taken[i] = true;
            out.push(document.clone());
        }
    }
    Value::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_by_score_then_the_rest() {
        let memo = stdx::json::parse(r#"{"data":["a","b","c","d"],"window":3}"#).unwrap();
        let answer = stdx::json::parse(
            r#"{"rerank":[{"index":2,"relevance_score":0.9},{"index":0,"relevance_score":0.1},{"index":7,"relevance_score":1}]}"#,
        )
        .unwrap();
        assert_eq!(stdx::json::text(&ordered(&memo, &answer)), r#"["c","a","b","d"]"#);
    }

    #[test]
    fn text_of_fields_is_cut() {
        let d = stdx::json::parse(r#"{"title":"abcdef","user":{"name":"ann"}}"#).unwrap();
        let paths = [vec!["title".to_owned()], vec!["user".to_owned(), "name".to_owned()]];
        assert_eq!(words(&d, &paths, 3, 100), "abc\nann");
        assert_eq!(words(&d, &paths, 3, 5), "abc\na");
    }
}
