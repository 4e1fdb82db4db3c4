//! `security.createRuleException` and `security.createExceptionListItem`: what rules shall not alert on.
//!
//! Invariants: an item that exists is looked at before anything is written; without `overwrite` it is left as it is.
//! Not here: the exceptions API, which is not there yet: until then its 404 is the step's error.
//! Source: `reference/workflow-steps.md` §6.3; `reference/kibana-apis.md` §4.7.

use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use stdx::{Object, Value};

/// Entries, comments, tags of one item at most.
const LIST_MAX: usize = 500;

/// The step types.
#[derive(Debug)]
pub(super) struct Exceptions {
    meta: &'static StepMeta,
    of_rule: bool,
}
pub(super) static OF_RULE: Exceptions = Exceptions { meta: &OF_RULE_META, of_rule: true };
pub(super) static OF_LIST: Exceptions = Exceptions { meta: &OF_LIST_META, of_rule: false };

const OUTPUT: &str = r#"{"type":"object","required":["id","item_id","list_id","namespace_type","name","outcome"],"properties":{"id":{"type":"string"},"item_id":{"type":"string"},"list_id":{"type":"string"},"namespace_type":{"type":"string"},"name":{"type":"string"},"created_at":{"type":"string"},"created_by":{"type":"string"},"expire_time":{"type":"string"},"outcome":{"enum":["created","skipped","overwritten"]}}}"#;

static OF_RULE_META: StepMeta = StepMeta {
    name: "security.createRuleException",
    title: "Add a rule exception",
    description: "adds an exception to a rule's own list",
    group: "security",
    class: Class::Write,
    schema: r#"{"type":"object","required":["rule_id","name","description","entries"],"additionalProperties":false,"properties":{"rule_id":{"type":"string","description":"id of the rule object"},"item_id":{"type":"string"},"overwrite":{"type":"boolean"},"name":{"type":"string"},"description":{"type":"string"},"entries":{"type":"array","description":"[{field, operator: is|is_not|matches|…, value}]"},"os_types":{"type":"array"},"tags":{"type":"array"},"expire_time":{"type":"string"},"comments":{"type":"array"}}}"#,
    output: OUTPUT,
    connectors: &[],
    config: &[],
    example: "- name: except\n  type: security.createRuleException\n  with:\n    rule_id: \"{{ inputs.rule }}\"\n    name: backup host\n    description: known\n    entries: [{ field: host.name, operator: is, value: backup-1 }]\n",
};
static OF_LIST_META: StepMeta = StepMeta {
    name: "security.createExceptionListItem",
    title: "Add to an exception list",
    description: "adds an item to an exception list",
    group: "security",
    class: Class::Write,
    schema: r#"{"type":"object","required":["list_id","name","description","entries"],"additionalProperties":false,"properties":{"list_id":{"type":"string"},"namespace_type":{"type":"string","enum":["single","agnostic"]},"item_id":{"type":"string"},"overwrite":{"type":"boolean"},"name":{"type":"string"},"description":{"type":"string"},"entries":{"type":"array"},"os_types":{"type":"array"},"tags":{"type":"array"},"expire_time":{"type":"string"},"comments":{"type":"array"}}}"#,
    output: OUTPUT,
    connectors: &[],
    config: &[],
    example: "- name: except\n  type: security.createExceptionListItem\n  with:\n    list_id: known-good\n    name: backup host\n    description: known\n    entries: [{ field: host.name, operator: is, value: backup-1 }]\n",
};

impl StepType for Exceptions {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        let item = match item(&params, self.meta.name) {
            Ok(item) => item,
            Err(fault) => return Next::Fail(fault),
        };
        let target = if self.of_rule { "rule_id" } else { "list_id" };
        let target = match super::required(&params, target, self.meta.name) {
            Ok(t) => t,
            Err(fault) => return Next::Fail(fault),
        };
        if self.of_rule && target.chars().count() > 36 {
            return Next::Fail(super::invalid(
                "`with.rule_id` is the id of the rule object, at most 36 characters".into(),
            ));
        }
        let namespace = super::text(&params, "namespace_type").unwrap_or_else(|| "single".into());
        if !["single", "agnostic"].contains(&&*namespace) {
            return Next::Fail(super::invalid(format!("`{namespace}` is not a namespace: single or agnostic")));
        }
        let item_id = super::text(&params, "item_id").filter(|s| !s.is_empty());
        let overwrite = params.get("overwrite").and_then(Value::as_bool) == Some(true);
        if overwrite && item_id.is_none() {
            return Next::Fail(super::invalid("`with.overwrite` needs `with.item_id`".into()));
        }
        let mut memo = Object::new();
        memo.insert("target", target);
        memo.insert("item", item);
        memo.insert("namespace", namespace.clone());
        memo.insert("overwrite", overwrite);
        match item_id {
            Some(id) => {
                memo.insert("phase", "look");
                memo.insert("item_id", id.clone());
                let query = Value::object([("item_id", Value::Str(id)), ("namespace_type", Value::Str(namespace))]);
                let request = Value::object([
                    ("method", Value::from("GET")),
                    ("path", Value::from("/api/exception_lists/items")),
                    ("query", query),
                ]);
                super::own_call("kibana.request", request, Class::Read, Value::from(memo), false)
            }
            None => self.create(memo),
        }
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let phase = memo.get("phase").and_then(Value::as_str).unwrap_or("");
        let mut next = memo.as_object().cloned().unwrap_or_default();
        let answer = match wake {
            Wake::Answered(Ok(v)) => v,
            Wake::Answered(Err(f))
                if phase == "look" && f.details.get("status").and_then(Value::as_i64) == Some(404) =>
            {
                return self.create(next);
            }
            Wake::Answered(Err(fault)) => return Next::Fail(Fault { kind: "ApiError".into(), ..fault }),
            Wake::Timer | Wake::Decided(_) => return Next::fail("Error", "an exception step does not wait"),
        };
        match phase {
            "look" if self.of_rule => {
                // Only the rule knows which list is its own.
                next.insert("phase", "rule");
                next.insert("found", answer);
                let id = memo.get("target").cloned().unwrap_or_default();
                let request = Value::object([
                    ("method", Value::from("GET")),
                    ("path", Value::from("/api/detection_engine/rules")),
                    ("query", Value::object([("id", id)])),
                ]);
                super::own_call("kibana.request", request, Class::Read, Value::from(next), false)
            }
            "look" => {
                let list = memo.get("target").map(crate::json::scalar_text).unwrap_or_default();
                self.existing(next, &answer, &[list])
            }
            "rule" => {
                let lists = answer.get("exceptions_list").and_then(Value::as_array).unwrap_or_default();
                let lists: Vec<String> =
                    lists.iter().filter_map(|l| l.get("list_id")).map(crate::json::scalar_text).collect();
                let found = memo.get("found").cloned().unwrap_or_default();
                self.existing(next, &found, &lists)
            }
            "overwrite" => Next::Done(output(&answer, "overwritten")),
            _ => {
                // A rule answers with the list of what was made.
                let item = answer.as_array().and_then(<[Value]>::first).unwrap_or(&answer);
                Next::Done(output(item, "created"))
            }
        }
    }
}

impl Exceptions {
    fn create(&self, mut memo: Object) -> Next {
        let text = |key: &str| memo.get(key).map(crate::json::scalar_text).unwrap_or_default();
        let (target, namespace, item_id) = (text("target"), text("namespace"), text("item_id"));
        let mut item = memo.get("item").and_then(Value::as_object).cloned().unwrap_or_default();
        if !item_id.is_empty() {
            item.insert("item_id", item_id);
        }
        let (path, body) = if self.of_rule {
            let path = format!("/api/detection_engine/rules/{}/exceptions", super::endpoint::encode(&target));
            (path, Value::object([("items", Value::array([Value::from(item)]))]))
        } else {
            item.insert("list_id", target);
            item.insert("namespace_type", namespace);
            ("/api/exception_lists/items".to_owned(), Value::from(item))
        };
        memo.insert("phase", "create");
        let request = Value::object([("method", Value::from("POST")), ("path", Value::from(path)), ("body", body)]);
        super::own_call("kibana.request", request, Class::Write, Value::from(memo), false)
    }

    fn existing(&self, mut memo: Object, found: &Value, lists: &[String]) -> Next {
        let list = found.get("list_id").map(crate::json::scalar_text).unwrap_or_default();
        let id = memo.get("item_id").map(crate::json::scalar_text).unwrap_or_default();
        if !lists.contains(&list) {
            return Next::fail("ApiError", format!("exception item `{id}` already exists on the list `{list}`"));
        }
        if memo.get("overwrite").and_then(Value::as_bool) != Some(true) {
            return Next::Done(output(found, "skipped"));
        }
        let mut item = memo.get("item").and_then(Value::as_object).cloned().unwrap_or_default();
        item.remove("comments");
        item.insert("item_id", id);
        item.insert("namespace_type", memo.get("namespace").cloned().unwrap_or_default());
        if let Some(version) = found.get("_version").filter(|v| !v.is_null()) {
            item.insert("_version", version.clone());
        }
        memo.insert("phase", "overwrite");
        let request = Value::object([
            ("method", Value::from("PUT")),
            ("path", Value::from("/api/exception_lists/items")),
            ("body", Value::from(item)),
        ]);
        super::own_call("kibana.request", request, Class::Write, Value::from(memo), false)
    }
}

fn output(item: &Value, outcome: &str) -> Value {
    let mut out = Object::new();
    for key in ["id", "item_id", "list_id", "namespace_type", "name", "created_at", "created_by", "expire_time"] {
        if let Some(v) = item.get(key).filter(|v| !v.is_null() || key != "expire_time") {
            out.insert(key, v.clone());
        }
    }
    out.insert("outcome", outcome);
    out.into()
}

/// The item in the API's words.
fn item(params: &Value, kind: &str) -> Result<Object, Fault> {
    let mut out = Object::new();
    out.insert("type", "simple");
    for key in ["name", "description"] {
        out.insert(key, super::required(params, key, kind)?);
    }
    let given = params.get("entries").and_then(Value::as_array).unwrap_or_default();
    if given.is_empty() || given.len() > LIST_MAX {
        return Err(super::invalid(format!("`{kind}` needs 1 to {LIST_MAX} entries in `with.entries`")));
    }
    let entries = given.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let lists = entries.iter().filter(|e| e.get("type").and_then(Value::as_str) == Some("list")).count();
    if lists > 0 && lists < entries.len() {
        return Err(super::invalid("entries of value lists cannot be mixed with others in one item".into()));
    }
    out.insert("entries", Value::from(entries));
    for key in ["os_types", "tags"] {
        if let Some(list) = params.get(key).and_then(Value::as_array) {
            out.insert(key, list.to_vec());
        }
    }
    if let Some(os) = params
        .get("os_types")
        .and_then(Value::as_array)
        .and_then(|l| l.iter().find(|v| !matches!(v.as_str(), Some("linux" | "macos" | "windows"))))
    {
        return Err(super::invalid(format!("`{}` is not an os_type", crate::json::scalar_text(os))));
    }
    if let Some(at) = super::text(params, "expire_time") {
        if stdx::Time::parse(&at).is_none() {
            return Err(super::invalid(format!("`{at}` is not an ISO 8601 time")));
        }
        out.insert("expire_time", at);
    }
    if let Some(comments) = params.get("comments").and_then(Value::as_array) {
        let comments = comments.iter().map(|c| Value::object([("comment", Value::from(crate::json::scalar_text(c)))]));
        out.insert("comments", Value::array(comments));
    }
    Ok(out)
}

fn entry(given: &Value) -> Result<Value, Fault> {
    let field =
        super::required(given, "field", "an entry").map_err(|_| super::invalid("an entry needs `field`".into()))?;
    let operator = super::text(given, "operator").unwrap_or_else(|| "is".into());
    let (kind, included, operand) = match &*operator {
        "is" => ("match", true, "value"),
        "is_not" => ("match", false, "value"),
        "matches" => ("wildcard", true, "value"),
        "does_not_match" => ("wildcard", false, "value"),
        "is_one_of" => ("match_any", true, "values"),
        "is_not_one_of" => ("match_any", false, "values"),
        "exists" => ("exists", true, ""),
        "does_not_exist" => ("exists", false, ""),
        "is_in_list" => ("list", true, "list"),
        "is_not_in_list" => ("list", false, "list"),
        other => return Err(super::invalid(format!("`{other}` is not an operator of an exception"))),
    };
    let mut out = Object::new();
    out.insert("type", kind);
    out.insert("operator", if included { "included" } else { "excluded" });
    out.insert("field", field.clone());
    let missing = || super::invalid(format!("the entry of `{field}` with `{operator}` needs `{operand}`"));
    match operand {
        "" => {}
        "value" => drop(out.insert("value", super::text(given, "value").ok_or_else(missing)?)),
        "values" => {
            let list = given.get("values").and_then(Value::as_array).filter(|l| !l.is_empty()).ok_or_else(missing)?;
            out.insert("value", Value::array(list.iter().map(|v| Value::from(crate::json::scalar_text(v)))));
        }
        _ => {
            let list = given.get("list").filter(|l| l.get("id").is_some() && l.get("type").is_some());
            out.insert("list", list.cloned().ok_or_else(missing)?);
        }
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_in_the_words_of_the_api() {
        for (given, want) in [
            (
                r#"{"field":"a","operator":"is","value":1}"#,
                r#"{"type":"match","operator":"included","field":"a","value":"1"}"#,
            ),
            (
                r#"{"field":"a","operator":"does_not_match","value":"x*"}"#,
                r#"{"type":"wildcard","operator":"excluded","field":"a","value":"x*"}"#,
            ),
            (
                r#"{"field":"a","operator":"is_one_of","values":["x"]}"#,
                r#"{"type":"match_any","operator":"included","field":"a","value":["x"]}"#,
            ),
            (r#"{"field":"a","operator":"does_not_exist"}"#, r#"{"type":"exists","operator":"excluded","field":"a"}"#),
            (
                r#"{"field":"a","operator":"is_in_list","list":{"id":"l","type":"ip"}}"#,
                r#"{"type":"list","operator":"included","field":"a","list":{"id":"l","type":"ip"}}"#,
            ),
        ] {
            assert_eq!(stdx::json::text(&entry(&stdx::json::parse(given).unwrap()).unwrap()), want);
        }
        for (wrong, says) in [
            (r#"{"operator":"is","value":1}"#, "needs `field`"),
            (r#"{"field":"a","operator":"is"}"#, "needs `value`"),
            (r#"{"field":"a","operator":"nested"}"#, "not an operator"),
        ] {
            assert!(entry(&stdx::json::parse(wrong).unwrap()).unwrap_err().message.contains(says), "{wrong}");
        }
        let mixed = r#"{"name":"n","description":"d","entries":[{"field":"a","operator":"exists"},{"field":"b","operator":"is_in_list","list":{"id":"l","type":"ip"}}]}"#;
        assert!(item(&stdx::json::parse(mixed).unwrap(), "x").unwrap_err().message.contains("mixed"));
    }
}
