//! Changed parameters of a frozen action: whether they fit what the action takes, and go where it goes.
//!
//! Invariants: method, path and host of a request stay, so that class and target stay what the question shows; what has a schema must
//! fit it; what has none keeps its members.
//! Not here: the row, its hash, who may change (`triage::question::change`).
//! Source: `design/engine.md` §8.

use crate::catalogue::Catalogue;
use crate::steps;
use stdx::Value;
use triage::FrozenAction;

/// Problems that one answer names at most.
pub const PROBLEMS_MAX: usize = 20;

/// What is wrong with a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer of the member; empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// The schema of the parameters of an action; `None` where its request is not made of parameters.
pub fn schema(catalogue: &Catalogue, action: &FrozenAction) -> Option<Value> {
    if let Some(operation) = catalogue.operation(&action.operation) {
        return operation.schema.as_object().is_some().then(|| operation.schema.clone());
    }
    let (code, operation, _) = steps::find(&action.operation, catalogue)?;
    let whole = operation.is_none() && &*action.operation == "http";
    whole.then(|| steps::schema(code.meta()))
}

/// The request that would run with these parameters.
pub fn changed(catalogue: &Catalogue, action: &FrozenAction, given: &Value) -> Result<Value, Vec<Problem>> {
    let problem = |pointer: &str, message: String| Problem { pointer: pointer.to_owned(), message };
    let (Some(old), Some(new)) = (action.request.as_object(), given.as_object()) else {
        return Err(vec![problem("", "the parameters are an object".into())]);
    };
    let mut problems = Vec::new();
    let schema = schema(catalogue, action);
    if let Some(validator) = schema.as_ref().and_then(|s| jsonschema::validator_for(&s.into()).ok()) {
        let json = given.into();
        let found = validator.iter_errors(&json).take(PROBLEMS_MAX);
        problems.extend(found.map(|e| problem(&e.instance_path().to_string(), e.to_string())));
    }
    for (name, value) in new.iter() {
        let pointer = format!("/{name}");
        match old.get(name) {
            None if schema.is_none() => problems.push(problem(&pointer, format!("there was no `{name}` before"))),
            Some(before) if schema.is_none() && before.type_name() != value.type_name() => {
                problems.push(problem(&pointer, format!("it is of type {}", before.type_name())));
            }
            _ => {}
        }
    }
    let own = action.connector.is_none();
    let fixed = if schema.is_none() { &["method", "path"][..] } else { &["method"][..] };
    for name in fixed.iter().filter(|n| own || old.contains_key(n)) {
        if old.get(name) != new.get(name) {
            problems.push(problem(&format!("/{name}"), "it decides what is done; reject instead".into()));
        }
    }
    if schema.is_none() {
        for name in old.iter().map(|(k, _)| k).filter(|k| !new.contains_key(k) && !fixed.contains(&&***k)) {
            problems.push(problem(&format!("/{name}"), format!("`{name}` is missing")));
        }
    }
    let url = |o: &Value| o.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (old_url, new_url) = (url(&action.request), url(given));
    if own && steps::origin(&old_url) != steps::origin(&new_url) {
        problems.push(problem("/url", "the host stays; reject instead".into()));
    }
    problems.truncate(PROBLEMS_MAX);
    if problems.is_empty() { Ok(given.clone()) } else { Err(problems) }
}

/// True where two lists of frozen actions are the same steps to the same targets, whatever their parameters.
pub(crate) fn same_steps(a: &[FrozenAction], b: &[FrozenAction]) -> bool {
    let bare = |x: &FrozenAction| FrozenAction { request: Value::Null, ..x.clone() };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| bare(a) == bare(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(operation: &str, request: &str) -> FrozenAction {
        FrozenAction {
            path: "s".into(),
            step: "s".into(),
            operation: operation.into(),
            class: "destructive".into(),
            connector: None,
            target: Value::Null,
            request: json(request),
            secrets: vec![],
            retries: 0,
            undo: None,
        }
    }
    fn json(text: &str) -> Value {
        stdx::json::parse(text).unwrap()
    }
    fn pointers(a: &FrozenAction, given: &str) -> Vec<String> {
        let catalogue = Catalogue::default();
        changed(&catalogue, a, &json(given)).map_or_else(|p| p.into_iter().map(|p| p.pointer).collect(), |_| vec![])
    }

    #[test]
    fn a_request_keeps_method_host_and_shape() {
        let a = action("http", r#"{"method":"DELETE","url":"https://fw.example/rules/7","timeout":5}"#);
        assert!(pointers(&a, r#"{"method":"DELETE","url":"https://fw.example/rules/8"}"#).is_empty());
        assert_eq!(pointers(&a, r#"{"method":"DELETE","url":"https://fw.example.evil/rules/7"}"#), ["/url"]);
        assert_eq!(pointers(&a, r#"{"method":"GET","url":"https://fw.example/rules/7"}"#), ["/method"]);
        assert_eq!(pointers(&a, r#"{"method":"DELETE","url":"https://fw.example/","headers":7}"#), ["/headers"]);
        assert_eq!(pointers(&a, "[]"), [""]);
    }

    #[test]
    fn a_request_of_our_own_keeps_its_path_and_its_members() {
        let a =
            action("elasticsearch.request", r#"{"method":"POST","path":"/x/_delete_by_query","body":{"query":{}}}"#);
        let same = r#"{"method":"POST","path":"/x/_delete_by_query","body":{"query":{"term":{"a":1}}}}"#;
        assert!(pointers(&a, same).is_empty());
        assert_eq!(pointers(&a, r#"{"method":"POST","path":"/*/_delete_by_query","body":{}}"#), ["/path"]);
        assert_eq!(pointers(&a, r#"{"method":"POST","path":"/x/_delete_by_query"}"#), ["/body"]);
        let more = r#"{"method":"POST","path":"/x/_delete_by_query","body":{},"form":1}"#;
        assert_eq!(pointers(&a, more), ["/form"]);
    }

    #[test]
    fn same_steps_may_differ_in_parameters_alone() {
        let a = action("http", "{}");
        let other = FrozenAction { request: json("[1]"), ..a.clone() };
        assert!(same_steps(std::slice::from_ref(&a), std::slice::from_ref(&other)));
        let elsewhere = FrozenAction { target: json("{}"), ..other };
        assert!(!same_steps(std::slice::from_ref(&a), &[elsewhere]));
        assert!(!same_steps(&[a], &[]));
    }
}
