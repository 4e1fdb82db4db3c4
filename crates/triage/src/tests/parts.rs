//! Changes of parts of a case: one field at a time, many cases, observables, events, templates, push.

use super::{World, body, json};
use crate::command::{Command, RefusalKind};
use stdx::{Id, Value};

fn c1() -> Id {
    Id::from("c1")
}

fn strings(v: &Value, key: &str) -> Vec<String> {
    let list = v.get(key).and_then(Value::as_array).unwrap_or_default();
    list.iter().map(|x| x.as_str().map_or_else(|| stdx::json::text(x), str::to_owned)).collect()
}

#[test]
fn tags_and_assignees_are_taken_away_one_by_one() {
    let mut w = World::default();
    w.run(Command::CaseCreate { id: c1(), body: body(&[("assignees", r#"[{"uid":"u1"},{"uid":"u2"}]"#)]) }).unwrap();
    let case = w.run(Command::CaseUntag { case: c1(), remove: vec!["a".into(), "none".into()] }).unwrap();
    assert_eq!(strings(&case, "tags"), ["b"]);
    let again = w.run(Command::CaseUntag { case: c1(), remove: vec!["a".into()] }).unwrap();
    assert_eq!(again.get("version"), case.get("version"), "nothing to do changes nothing");
    let one = Command::CaseUnassign { case: c1(), remove: Some(vec!["u1".into()]), version: None };
    assert_eq!(strings(&w.run(one).unwrap(), "assignees"), [r#"{"uid":"u2"}"#]);
    let stale = Command::CaseUnassign { case: c1(), remove: None, version: Some(crate::version_text(1).into()) };
    assert_eq!(w.run(stale).unwrap_err().kind, RefusalKind::Conflict);
    let all = Command::CaseUnassign { case: c1(), remove: None, version: None };
    assert!(strings(&w.run(all).unwrap(), "assignees").is_empty());
}

#[test]
fn one_custom_field_keeps_the_others() {
    let mut w = World {
        config: Some(json(
            r#"{"customFields":[{"key":"k1","label":"K1","type":"text","required":false},{"key":"k2","label":"K2","type":"toggle","required":false}]}"#,
        )),
        ..World::default()
    };
    w.run(Command::CaseCreate {
        id: c1(),
        body: body(&[("customFields", r#"[{"key":"k2","type":"toggle","value":true}]"#)]),
    })
    .unwrap();
    let set = |field: &str, value: Value| Command::CaseField { case: c1(), field: field.into(), value, version: None };
    let case = w.run(set("k1", Value::from("x"))).unwrap();
    let fields = stdx::json::text(case.get("customFields").unwrap());
    assert_eq!(fields, r#"[{"key":"k1","type":"text","value":"x"},{"key":"k2","type":"toggle","value":true}]"#);
    assert_eq!(
        w.run(set("nope", Value::Null)).unwrap_err().message,
        "Custom field \"nope\" on case \"c1\" could not be updated."
    );
    assert!(w.run(set("k2", Value::from("text"))).is_err(), "a toggle holds a boolean");
}

#[test]
fn extended_fields_are_merged_and_checked() {
    let mut w = World::default();
    w.case("c1");
    let set = |fields: &str| Command::CaseExtendedFields { case: c1(), fields: json(fields), version: None };
    w.run(set(r#"{"impact_as_keyword":"high"}"#)).unwrap();
    let case = w.run(set(r#"{"sites_as_keyword":"[\"a\",\"b\"]"}"#)).unwrap();
    assert_eq!(
        stdx::json::text(case.get("extended_fields").unwrap()),
        r#"{"impact_as_keyword":"high","sites_as_keyword":"[\"a\",\"b\"]"}"#
    );
    for wrong in [r#"{"impact":"x"}"#, r#"{"impact_as_keyword":1}"#] {
        let e = w.run(set(wrong)).unwrap_err();
        assert!(
            e.message.starts_with("Extended fields on case \"c1\" could not be updated. Reason: "),
            "{}",
            e.message
        );
    }
}

#[test]
fn many_cases_change_all_or_none() {
    let mut w = World::default();
    for id in ["c1", "c2"] {
        w.case(id);
    }
    let both = Command::CasesPatch {
        cases: vec![json(r#"{"id":"c1","severity":"high"}"#), json(r#"{"id":"c2","status":"closed"}"#)],
    };
    let out = w.run(both).unwrap();
    let cases = out.get("cases").and_then(Value::as_array).unwrap();
    assert_eq!(cases[0].get("severity"), Some(&Value::from("high")));
    assert_eq!(cases[1].get("status"), Some(&Value::from("closed")));
    let broken = Command::CasesPatch {
        cases: vec![json(r#"{"id":"c1","severity":"low"}"#), json(r#"{"id":"gone","severity":"low"}"#)],
    };
    let e = w.run(broken).unwrap_err();
    assert!(
        e.kind == RefusalKind::NotFound && e.message.starts_with("Some cases could not be updated: gone. Reason: ")
    );
    let key = ("default".into(), c1());
    assert_eq!(&*w.rows.cases.get(&key).unwrap().severity, "high", "the first change is taken back");
}

#[test]
fn events_and_newer_attachments() {
    let mut w = World::default();
    w.case("c1");
    w.alert("a1");
    let items = vec![
        json(r#"{"type":"comment","data":{"content":"note"}}"#),
        json(r#"{"type":"stack.alert","attachmentId":"a1","metadata":{"index":"i","rule":{"id":"r","name":"R"}}}"#),
        json(r#"{"type":"event","eventId":["e1","e2","e1"],"index":["l","l","l"]}"#),
    ];
    let case = w.run(Command::AttachmentsAdd { case: c1(), id: Id::from("s"), items }).unwrap();
    let count = |v: &Value, key: &str| v.get(key).and_then(Value::as_i64);
    assert_eq!(
        (count(&case, "totalComment"), count(&case, "totalAlerts"), count(&case, "totalEvents")),
        (Some(1), Some(1), Some(2))
    );
    let again = vec![json(r#"{"type":"event","eventId":["e2"],"index":["l"]}"#)];
    let same = w.run(Command::AttachmentsAdd { case: c1(), id: Id::from("t"), items: again }).unwrap();
    assert_eq!(same.get("version"), case.get("version"), "an event is attached once");
    let uneven = vec![json(r#"{"type":"event","eventId":["e3"],"index":[]}"#)];
    assert!(w.run(Command::AttachmentsAdd { case: c1(), id: Id::from("u"), items: uneven }).is_err());
    let partly = vec![json(r#"{"type":"comment","data":{"content":"x"}}"#), json(r#"{"type":"comment","data":{}}"#)];
    assert!(w.run(Command::AttachmentsAdd { case: c1(), id: Id::from("v"), items: partly }).is_err());
    assert_eq!(w.rows.attachments_of_case(&c1()).count(), 3, "all or none");
    let third = w.rows.attachments_of_case(&c1()).nth(2).unwrap().id.clone();
    let case = w.run(Command::CommentDelete { case: c1(), comment: third }).unwrap();
    assert_eq!(count(&case, "totalEvents"), Some(0));
}

#[test]
fn observables_change_and_go() {
    let mut w = World::default();
    w.case("c1");
    let observables = vec![
        json(r#"{"typeKey":"observable-type-ipv4","value":"203.0.113.7"}"#),
        json(r#"{"typeKey":"observable-type-ipv4","value":"203.0.113.8"}"#),
    ];
    let case = w.run(Command::ObservablesAdd { case: c1(), id: Id::from("s"), observables }).unwrap();
    let ids: Vec<Id> = case
        .get("observables")
        .and_then(Value::as_array)
        .unwrap()
        .iter()
        .map(|o| Id::from(o.get("id").and_then(Value::as_str).unwrap()))
        .collect();
    let update =
        |id: &Id, text: &str| Command::ObservableUpdate { case: c1(), observable: id.clone(), body: json(text) };
    let case = w.run(update(&ids[0], r#"{"value":"203.0.113.9","description":"seen","typeKey":"x"}"#)).unwrap();
    let first = &case.get("observables").and_then(Value::as_array).unwrap()[0];
    assert_eq!(first.get("typeKey"), Some(&Value::from("observable-type-ipv4")), "the type stays");
    assert_eq!(first.get("value"), Some(&Value::from("203.0.113.9")));
    assert!(w.run(update(&ids[0], r#"{"value":"203.0.113.8"}"#)).unwrap_err().message.contains("duplicated"));
    assert!(w.run(update(&ids[0], r#"{"value":""}"#)).is_err());
    assert_eq!(w.run(update(&Id::from("gone"), "{}")).unwrap_err().kind, RefusalKind::NotFound);
    let delete = |ids: Vec<Id>| Command::ObservablesDelete { case: c1(), observables: ids };
    assert_eq!(w.run(delete(vec![ids[0].clone(), Id::from("gone")])).unwrap_err().kind, RefusalKind::NotFound);
    let case = w.run(delete(ids)).unwrap();
    assert_eq!(case.get("total_observables").and_then(Value::as_i64), Some(0));
}

#[test]
fn templates_fill_what_is_not_given() {
    let mut w = World {
        config: Some(json(
            r#"{"templates":[{"key":"phish","name":"Phishing","description":"d","caseFields":{"title":"Phishing report","severity":"high","tags":["mail"]}}]}"#,
        )),
        ..World::default()
    };
    let make = |id: &str, template: &str, overwrites: &str| Command::CaseFromTemplate {
        id: Id::from(id),
        template: template.into(),
        owner: "securitySolution".into(),
        overwrites: json(overwrites),
    };
    let case = w.run(make("c1", "phish", r#"{"severity":"critical"}"#)).unwrap();
    assert_eq!(
        ["title", "severity", "description"].map(|k| case.get(k).and_then(Value::as_str).unwrap().to_owned()),
        ["Phishing report", "critical", "d"]
    );
    assert_eq!(strings(&case, "tags"), ["mail"]);
    let e = w.run(make("c2", "none", "{}")).unwrap_err();
    assert_eq!(e.message, "Case template not found for owner \"securitySolution\": none");
}

#[test]
fn a_push_is_recorded_and_may_close() {
    let mut w = World { config: Some(json(r#"{"closure_type":"close-by-pushing"}"#)), ..World::default() };
    let jira = r#"{"id":"j","name":"Jira","type":".jira","fields":{"issueType":"1","priority":"High","parent":null}}"#;
    w.run(Command::CaseCreate { id: c1(), body: body(&[("connector", jira), ("tags", r#"["a b"]"#)]) }).unwrap();
    w.alert("a1");
    w.run(Command::AlertsAttach {
        case: c1(),
        id: Id::from("x"),
        alerts: vec![json(r#"{"alertId":"a1","index":"i"}"#)],
    })
    .unwrap();
    let comment = json(r#"{"type":"user","comment":"look"}"#);
    let case = w.run(Command::CommentAdd { case: c1(), id: Id::from("n1"), body: comment }).unwrap();
    let push = crate::push::push(&case).unwrap();
    assert_eq!(&*push.operation, "jira.pushToService");
    assert_eq!(
        stdx::json::text(push.params.get("incident").unwrap()),
        r#"{"summary":"T","description":"D","labels":["a_b"],"issueType":"1","priority":"High","externalId":null}"#
    );
    assert_eq!(push.comments.len(), 2);
    let record = |comments: Vec<Id>| Command::CasePushed {
        case: c1(),
        connector: json(r#"{"id":"j","name":"Jira"}"#),
        result: json(r#"{"id":"10","title":"SOC-1","url":"u"}"#),
        comments,
    };
    let case = w.run(record(push.comments)).unwrap();
    assert_eq!(case.path(&["external_service", "external_title"]), Some(&Value::from("SOC-1")));
    assert_eq!(case.get("status"), Some(&Value::from("closed")));
    assert!(w.alert_line("a1").contains(" closed "), "{}", w.alert_line("a1"));
    let again = crate::push::push(&case).unwrap();
    assert!(again.comments.is_empty(), "what went is not sent again");
    assert_eq!(again.params.path(&["incident", "externalId"]), Some(&Value::from("10")));
    let nothing = Command::CasePushed { case: c1(), connector: Value::Null, result: json("{}"), comments: vec![] };
    assert!(w.run(nothing).is_err());
    assert!(crate::push::push(&json(r#"{"connector":{"id":"none","type":".none"}}"#)).is_none());
}
