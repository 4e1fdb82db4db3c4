//! `cases.getCases`, `findCases`, `findSimilarCases`, `getCasesByAlertId`, `getAllAttachments`: reads of cases.
//!
//! Invariants: each is one request to our own API; lists inside a filter mean *any of*, filters *all of*; limits are refused here, before
//! anything is asked.
//! Not here: `cases.getCase` and the changes (`cases`).
//! Source: `reference/workflow-steps.md` §3.4, §3.5.

use super::cases::CASE_OBJECT;
use super::{Next, StepCx, StepMeta, StepType, Wake, endpoint};
use crate::core::{Class, Fault};
use std::sync::LazyLock;
use stdx::{Object, Value};

/// Cases of one read by ids.
const IDS_MAX: usize = 1000;
/// Values of one filter.
const VALUES_MAX: usize = 100;
/// Cases of one page.
const PAGE_MAX: i64 = 100;

type Make = fn(&Value, &str) -> Result<Value, Fault>;
type Shape = fn(&Value, Value) -> Value;

/// The step types.
#[derive(Debug)]
pub(super) struct Read {
    meta: &'static StepMeta,
    make: Make,
    shape: Shape,
}
pub(super) static GET_CASES: Read = Read { meta: &GET_CASES_META, make: get_cases, shape: |_, v| v };
pub(super) static FIND_CASES: Read = Read { meta: &FIND_META, make: find, shape: |_, v| v };
pub(super) static FIND_SIMILAR: Read = Read { meta: &SIMILAR_META, make: similar, shape: |_, v| v };
pub(super) static BY_ALERT: Read =
    Read { meta: &BY_ALERT_META, make: by_alert, shape: |_, v| Value::object([("cases", v)]) };
pub(super) static ATTACHMENTS: Read =
    Read { meta: &ATTACHMENTS_META, make: attachments, shape: |_, v| Value::object([("attachments", v)]) };

const EMPTY: &str = "{}";

macro_rules! read_step {
    ($static:ident, $name:literal, $title:literal, $description:literal, $schema:literal, $example:literal) => {
        static $static: StepMeta = StepMeta {
            name: $name,
            title: $title,
            description: $description,
            group: "cases",
            class: Class::Read,
            schema: $schema,
            output: EMPTY,
            connectors: &[],
            config: &[],
            example: $example,
        };
    };
}

read_step!(
    GET_CASES_META,
    "cases.getCases",
    "Read cases",
    "reads cases by ids; those that are missing are listed as errors",
    r#"{"type":"object","required":["case_ids"],"additionalProperties":false,"properties":{"case_ids":{"type":"array","items":{"type":"string"},"description":"at most 1000 ids"}}}"#,
    "- name: all\n  type: cases.getCases\n  with: { case_ids: [\"{{ inputs.case }}\"] }\n"
);
read_step!(
    FIND_META,
    "cases.findCases",
    "Find cases",
    "finds cases by text, status, severity, tags, people and time",
    r#"{"type":"object","additionalProperties":false,"properties":{"search":{"type":"string"},"searchFields":{},"defaultSearchOperator":{"type":"string"},"status":{},"severity":{},"tags":{},"category":{},"owner":{},"assignees":{},"reporters":{},"customFields":{"type":"object"},"from":{"type":"string"},"to":{"type":"string"},"page":{"type":"integer"},"perPage":{"type":"integer","description":"at most 100"},"sortField":{"type":"string"},"sortOrder":{"type":"string"}}}"#,
    "- name: open\n  type: cases.findCases\n  with: { status: open, tags: [phishing], perPage: 10 }\n"
);
read_step!(
    SIMILAR_META,
    "cases.findSimilarCases",
    "Find similar cases",
    "finds cases that share an observable with a case",
    r#"{"type":"object","required":["case_id"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"page":{"type":"integer"},"perPage":{"type":"integer","description":"at most 100"}}}"#,
    "- name: related\n  type: cases.findSimilarCases\n  with: { case_id: \"{{ inputs.case }}\" }\n"
);
read_step!(
    BY_ALERT_META,
    "cases.getCasesByAlertId",
    "Cases of an alert",
    "lists the cases that an alert is attached to",
    r#"{"type":"object","required":["alert_id"],"additionalProperties":false,"properties":{"alert_id":{"type":"string"},"owner":{}}}"#,
    "- name: existing\n  type: cases.getCasesByAlertId\n  with: { alert_id: \"{{ event.alerts[0]._id }}\", owner: securitySolution }\n"
);
read_step!(
    ATTACHMENTS_META,
    "cases.getAllAttachments",
    "Read attachments",
    "reads all comments, alerts, events and files of a case",
    r#"{"type":"object","required":["case_id"],"additionalProperties":false,"properties":{"case_id":{"type":"string"}}}"#,
    "- name: evidence\n  type: cases.getAllAttachments\n  with: { case_id: \"{{ inputs.case }}\" }\n"
);

static OUTPUTS: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(|| {
    let page = format!(
        r#"{{"type":"object","required":["cases","page","per_page","total"],"properties":{{"cases":{{"type":"array","items":{CASE_OBJECT}}},"page":{{"type":"integer"}},"per_page":{{"type":"integer"}},"total":{{"type":"integer"}},"count_open_cases":{{"type":"integer"}},"count_in_progress_cases":{{"type":"integer"}},"count_closed_cases":{{"type":"integer"}}}}}}"#
    );
    [
        (
            "cases.getCases",
            format!(
                r#"{{"type":"object","required":["cases","errors"],"properties":{{"cases":{{"type":"array","items":{CASE_OBJECT}}},"errors":{{"type":"array"}}}}}}"#
            ),
        ),
        ("cases.findCases", page.clone()),
        ("cases.findSimilarCases", page),
        (
            "cases.getCasesByAlertId",
            r#"{"type":"object","required":["cases"],"properties":{"cases":{"type":"array","items":{"type":"object","required":["id","title","status"],"properties":{"id":{"type":"string"},"title":{"type":"string"},"description":{"type":"string"},"status":{"enum":["open","in-progress","closed"]},"createdAt":{"type":"string","format":"date-time"},"totals":{"type":"object"}}}}}}"#.to_owned(),
        ),
        (
            "cases.getAllAttachments",
            r#"{"type":"object","required":["attachments"],"properties":{"attachments":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"type":{"enum":["user","alert","event","actions"]},"comment":{"type":"string"}}}}}}"#.to_owned(),
        ),
    ]
    .into_iter()
    .map(|(name, text)| (name, stdx::json::parse(&text).unwrap_or_default()))
    .collect()
});

/// The output of a read, where it is one of these.
pub(super) fn output_of(name: &str) -> Option<Value> {
    OUTPUTS.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone())
}

impl StepType for Read {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn output(&self) -> Option<Value> {
        output_of(self.meta.name)
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        match (self.make)(&params, self.meta.name) {
            Ok(mut request) => {
                in_space(cx, &mut request);
                super::own_call("kibana.request", request, Class::Read, Value::Null, false)
            }
            Err(fault) => Next::Fail(fault),
        }
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(v)) => Next::Done((self.shape)(memo, v)),
            Wake::Answered(Err(fault)) if self.meta.name == "cases.findSimilarCases" => {
                let message = format!("Similar cases could not be found. Reason: {}", fault.message);
                Next::Fail(Fault { message: message.into(), ..fault })
            }
            Wake::Answered(Err(fault)) => Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => Next::fail("Error", "a case step does not wait"),
        }
    }
}

/// Puts the run's space before the path.
pub(super) fn in_space(cx: &StepCx<'_>, request: &mut Value) {
    if &*cx.start.space == "default" {
        return;
    }
    let path = request.get("path").map(crate::json::scalar_text).unwrap_or_default();
    if let Some(o) = request.object_mut() {
        o.insert("path", format!("/s/{}{path}", endpoint::encode(&cx.start.space)));
    }
}

fn get(path: String, query: Object) -> Value {
    let mut out = Object::new();
    out.insert("method", "GET");
    out.insert("path", path);
    if !query.is_empty() {
        out.insert("query", Value::from(query));
    }
    out.into()
}

fn post(path: String, body: Value) -> Value {
    Value::object([("method", Value::from("POST")), ("path", Value::from(path)), ("body", body)])
}

fn get_cases(params: &Value, kind: &str) -> Result<Value, Fault> {
    let ids = super::list_like(params.get("case_ids").cloned().unwrap_or_default());
    let ids = ids.as_array().unwrap_or_default();
    if ids.is_empty() || ids.len() > IDS_MAX {
        return Err(super::invalid(format!("`{kind}` needs 1 to {IDS_MAX} ids in `with.case_ids`")));
    }
    Ok(post("/internal/cases/_bulk_get".into(), Value::object([("ids", Value::from(ids.to_vec()))])))
}

fn page(params: &Value, query: &mut Object) -> Result<(), Fault> {
    for key in ["page", "perPage"] {
        let Some(v) = params.get(key).filter(|v| !v.is_null()) else { continue };
        let n = v.as_i64().filter(|n| *n > 0 && (key == "page" || *n <= PAGE_MAX));
        let n = n.ok_or_else(|| {
            super::invalid(format!("`with.{key}` is a whole number above 0 (perPage at most {PAGE_MAX})"))
        })?;
        query.insert(key, n);
    }
    Ok(())
}

fn find(params: &Value, _kind: &str) -> Result<Value, Fault> {
    let mut query = Object::new();
    for key in ["searchFields", "status", "severity", "tags", "category", "owner", "assignees", "reporters"] {
        let values = match params.get(key) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(a)) => a.to_vec(),
            Some(v) => vec![v.clone()],
        };
        if values.len() > VALUES_MAX {
            return Err(super::invalid(format!("`with.{key}` holds more than {VALUES_MAX} values")));
        }
        // A person may be written as `{uid}` too.
        let values = values.into_iter().map(|v| v.get("uid").cloned().unwrap_or(v)).filter(|v| !v.is_null());
        query.insert(key, Value::array(values));
    }
    for key in ["search", "defaultSearchOperator", "from", "to", "sortField", "sortOrder"] {
        if let Some(text) = super::text(params, key).filter(|t| !t.is_empty()) {
            query.insert(key, text);
        }
    }
    if let Some(custom) = params.get("customFields").filter(|v| !v.is_null()) {
        query.insert("customFields", stdx::json::text(custom));
    }
    page(params, &mut query)?;
    Ok(get("/api/cases/_find".into(), query))
}

fn similar(params: &Value, kind: &str) -> Result<Value, Fault> {
    let id = super::required(params, "case_id", kind)?;
    let mut body = Object::new();
    page(params, &mut body)?;
    for (key, default) in [("page", 1i64), ("perPage", 20)] {
        if !body.contains_key(key) {
            body.insert(key, default);
        }
    }
    Ok(post(format!("/internal/cases/{}/_similar", endpoint::encode(&id)), Value::from(body)))
}

fn by_alert(params: &Value, kind: &str) -> Result<Value, Fault> {
    let id = super::required(params, "alert_id", kind)?;
    let mut query = Object::new();
    if let Some(owner) = params.get("owner").filter(|v| !v.is_null()) {
        query.insert("owner", owner.clone());
    }
    Ok(get(format!("/api/cases/alerts/{}", endpoint::encode(&id)), query))
}

fn attachments(params: &Value, kind: &str) -> Result<Value, Fault> {
    let id = super::required(params, "case_id", kind)?;
    Ok(get(format!("/api/cases/{}/comments", endpoint::encode(&id)), Object::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(make: Make, text: &str) -> Result<String, String> {
        let made = make(&stdx::json::parse(text).unwrap(), "cases.x");
        made.map(|v| stdx::json::text(&v)).map_err(|f| f.message.to_string())
    }

    #[test]
    fn reads_are_requests() {
        assert_eq!(
            of(find, r#"{"status":["open","closed"],"tags":"a","assignees":[{"uid":"u"}],"perPage":5,"search":"x","customFields":{"k":["v"]}}"#).unwrap(),
            r#"{"method":"GET","path":"/api/cases/_find","query":{"status":["open","closed"],"tags":["a"],"assignees":["u"],"search":"x","customFields":"{\"k\":[\"v\"]}","perPage":5}}"#
        );
        assert_eq!(
            of(similar, r#"{"case_id":"c 1"}"#).unwrap(),
            r#"{"method":"POST","path":"/internal/cases/c%201/_similar","body":{"page":1,"perPage":20}}"#
        );
        assert_eq!(
            of(by_alert, r#"{"alert_id":"a","owner":"cases"}"#).unwrap(),
            r#"{"method":"GET","path":"/api/cases/alerts/a","query":{"owner":"cases"}}"#
        );
        assert!(of(find, r#"{"perPage":101}"#).unwrap_err().contains("at most 100"));
        assert!(of(get_cases, r#"{"case_ids":[]}"#).unwrap_err().contains("1 to 1000"));
    }
}
