//! Tests of alert documents.

use super::*;
use bytes::Bytes;
use event::Meta;
use expect_test::expect;
use stdx::json;

fn event(index: &str, version: u64, text: &str) -> Event {
    let meta =
        Meta { index: index.into(), id: "doc1".into(), version, seq: 9, arrival: Time::from_ms(1_736_942_400_000) };
    Event::new(meta, Bytes::copy_from_slice(text.as_bytes()))
}

fn rule(extra: &str) -> Rule {
    let text = format!(
        r#"{{"id":"r-uuid","rule_id":"r-sig","type":"query","name":"Odd DLL start","query":"a: 1","severity":"high","risk_score":73,"tags":["x"],"index":["logs-*"]{extra}}}"#
    );
    let (rule, findings) = Rule::from_json(&text);
    rule.unwrap_or_else(|| panic!("{findings:?}"))
}

fn made(rule: &Rule, event: &Event) -> Option<Alert> {
    let run = Run { uuid: "run-1".into(), timestamp: Time::from_ms(1_736_942_405_000), manual: false };
    let ctx = Context {
        now: Time::from_ms(1_736_942_406_000),
        run: &run,
        space: "default",
        version: "9.4.0",
        base_url: Some("http://localhost:5601/"),
    };
    build(rule, event, &ctx)
}

const EVENT: &str = r#"{"@timestamp":"2025-01-15T11:59:59.000Z","event":{"category":["process"],"action":"start","kind":"event","type":["start"]},
  "process":{"name":"rundll32.exe","pid":77,"parent":{"name":"cmd.exe"}},"user":{"name":"eve"},"host":{"name":"ws-7"},
  "data_stream":{"type":"logs"},"kibana.alert.fake":1,"signal":{"x":1},"threshold_result":2}"#;

#[test]
fn an_alert_is_the_event_and_what_the_rule_says() {
    let alert = made(&rule(""), &event("logs-a-default", 1, EVENT)).unwrap();
    assert_eq!(alert.id.as_str(), stdx::id::sha256_hex(b"logs-a-defaultdoc11default:r-uuid"));
    let mut document = alert.document.clone();
    let o = document.object_mut().unwrap();
    let parameters = o.remove("kibana.alert.rule.parameters").unwrap();
    assert_eq!(parameters.get("query").and_then(Value::as_str), Some("a: 1"));
    let lines: Vec<String> = o.iter().map(|(k, v)| format!("{k}: {}", json::text(v))).collect();
    expect![[r#"
        @timestamp: "2025-01-15T12:00:06.000Z"
        event: {"category":["process"],"action":"start","kind":"signal","type":["start"]}
        process: {"name":"rundll32.exe","pid":77,"parent":{"name":"cmd.exe"}}
        user: {"name":"eve"}
        host: {"name":"ws-7"}
        data_stream: {"type":"logs"}
        kibana.version: "9.4.0"
        kibana.space_ids: ["default"]
        kibana.alert.uuid: "d62c7b55fb961e09020f478f7b4ef1eb39576ad1c8abfca80b3230159368bee8"
        kibana.alert.start: "2025-01-15T12:00:06.000Z"
        kibana.alert.last_detected: "2025-01-15T12:00:06.000Z"
        kibana.alert.intended_timestamp: "2025-01-15T12:00:06.000Z"
        kibana.alert.original_time: "2025-01-15T11:59:59.000Z"
        kibana.alert.status: "active"
        kibana.alert.workflow_status: "open"
        kibana.alert.workflow_tags: []
        kibana.alert.workflow_assignee_ids: []
        kibana.alert.severity: "high"
        kibana.alert.risk_score: 73
        kibana.alert.reason: "process event with process rundll32.exe, parent process cmd.exe, by eve on ws-7 created high alert Odd DLL start."
        kibana.alert.depth: 1
        kibana.alert.ancestors: [{"id":"doc1","type":"event","index":"logs-a-default","depth":0}]
        kibana.alert.url: "http://localhost:5601/app/security/alerts/redirect/d62c7b55fb961e09020f478f7b4ef1eb39576ad1c8abfca80b3230159368bee8"
        kibana.alert.original_event.category: ["process"]
        kibana.alert.original_event.action: "start"
        kibana.alert.original_event.kind: "event"
        kibana.alert.original_event.type: ["start"]
        kibana.alert.original_data_stream.type: "logs"
        kibana.alert.rule.uuid: "r-uuid"
        kibana.alert.rule.rule_id: "r-sig"
        kibana.alert.rule.type: "query"
        kibana.alert.rule.rule_type_id: "siem.queryRule"
        kibana.alert.rule.category: "Custom Query Rule"
        kibana.alert.rule.producer: "siem"
        kibana.alert.rule.consumer: "siem"
        kibana.alert.rule.indices: ["logs-*"]
        kibana.alert.rule.description: ""
        kibana.alert.rule.author: []
        kibana.alert.rule.references: []
        kibana.alert.rule.false_positives: []
        kibana.alert.rule.tags: ["x"]
        kibana.alert.rule.version: 1
        kibana.alert.rule.revision: 0
        kibana.alert.rule.from: "now-6m"
        kibana.alert.rule.to: "now"
        kibana.alert.rule.interval: "5m"
        kibana.alert.rule.enabled: true
        kibana.alert.rule.immutable: false
        kibana.alert.rule.max_signals: 100
        kibana.alert.rule.severity_mapping: []
        kibana.alert.rule.risk_score_mapping: []
        kibana.alert.rule.threat: []
        kibana.alert.rule.exceptions_list: []
        kibana.alert.rule.actions: []
        kibana.alert.rule.severity: "high"
        kibana.alert.rule.risk_score: 73
        kibana.alert.rule.name: "Odd DLL start"
        kibana.alert.rule.execution.uuid: "run-1"
        kibana.alert.rule.execution.timestamp: "2025-01-15T12:00:05.000Z"
        kibana.alert.rule.execution.type: "scheduled"
    "#]]
    .assert_eq(&format!("{}\n", lines.join("\n")));
}

#[test]
fn the_sentence_names_what_is_there() {
    let reason = |text: &str| reason::sentence(&event("x", 1, text), "high", "Odd DLL start");
    assert_eq!(
        reason(EVENT),
        "process event with process rundll32.exe, parent process cmd.exe, by eve on ws-7 created high alert Odd DLL start."
    );
    assert_eq!(
        reason(
            r#"{"event":{"category":["network","file"]},"source":{"ip":"1.2.3.4","port":5},"destination":{"ip":"5.6.7.8"},"file":{"name":"a"},"user":{"name":"-"},"host":{"name":""}}"#
        ),
        "network, file event with file a, source 1.2.3.4:5, destination 5.6.7.8, created high alert Odd DLL start."
    );
    assert_eq!(reason("{}"), "event created high alert Odd DLL start.");
}

#[test]
fn overrides_take_the_highest_and_the_largest() {
    let rule = rule(
        r#","severity_mapping":[{"field":"event.severity","operator":"equals","value":"90","severity":"critical"},{"field":"vendor.level","operator":"equals","value":"warn","severity":"medium"},{"field":"vendor.level","operator":"equals","value":"info","severity":"low"}],
           "risk_score_mapping":[{"field":"vendor.score","operator":"equals","value":""},{"field":"other","operator":"equals"}],"rule_name_override":"message""#,
    );
    let of = |text: &str| {
        let e = event("x", 1, text);
        (severity_of(&rule, &e).text(), risk_score_of(&rule, &e), name_of(&rule, &e).to_string())
    };
    assert_eq!(of("{}"), ("high", 73.0, "Odd DLL start".into()));
    assert_eq!(
        of(r#"{"vendor":{"level":["info","warn"],"score":[5,"60",900]},"message":"m"}"#),
        ("medium", 60.0, "m".into())
    );
    assert_eq!(
        of(r#"{"event":{"severity":90},"vendor.level":"info","vendor.score":12.5}"#),
        ("critical", 12.5, "Odd DLL start".into())
    );
    assert_eq!(of(r#"{"event":{"severity":"090"}}"#).0, "critical");
}

#[test]
fn values_that_break_ecs_types_go_alone() {
    let kept = |text: &str| json::text(&prepared(&json::parse(text).unwrap()));
    assert_eq!(
        kept(r#"{"source":{"ip":["1.2.3.4","nonsense"],"port":"x","bytes":"12"}}"#),
        r#"{"source":{"ip":["1.2.3.4"],"bytes":"12"}}"#
    );
    assert_eq!(kept(r#"{"process":{"name":{"a":1},"pid":5}}"#), r#"{"process":{"pid":5}}"#);
    assert_eq!(kept(r#"{"process":"x","a":1}"#), r#"{"a":1}"#);
    assert_eq!(kept(r#"{"process.name.first":"x","process.name":"y"}"#), r#"{"process.name":"y"}"#);
    assert_eq!(
        kept(r#"{"event":{"created":"yesterday","ingested":"2025-01-15"},"e":{},"l":[]}"#),
        r#"{"event":{"ingested":"2025-01-15"}}"#
    );
    assert_eq!(
        kept(r#"{"dns":{"answers":[{"data":"a"},"flat"]},"process":{"interactive":"maybe"}}"#),
        r#"{"dns":{"answers":[{"data":"a"}]}}"#
    );
    assert_eq!(kept(r#"{"kibana":{"alert":{}},"kibana.alert.x":1,"signal":1,"kibanax":1}"#), r#"{"kibanax":1}"#);
    assert_eq!(kept(r#"{"EventData":{"a":[{"b":1}]}}"#), r#"{"EventData":{"a":[{"b":1}]}}"#);
}

#[test]
fn alerts_on_alerts_carry_ancestors_and_never_loop() {
    let base = rule("");
    let first = made(&base, &event("logs-a", 1, EVENT)).unwrap();
    let stored = json::text(&first.document);
    let as_event = |version| event(".alerts-security.alerts-default", version, &stored);
    assert!(made(&base, &as_event(1)).is_none());
    let mut other = rule(r#","building_block_type":"default""#);
    other.id = "r2".into();
    let second = made(&other, &as_event(1)).unwrap();
    let get = |key: &str| second.document.get(key).map(json::text).unwrap_or_default();
    assert_eq!(get("kibana.alert.depth"), "2");
    assert_eq!(get("kibana.alert.building_block_type"), "\"default\"");
    assert_eq!(
        get("kibana.alert.ancestors"),
        r#"[{"id":"doc1","type":"event","index":"logs-a","depth":0},{"id":"doc1","type":"signal","index":".alerts-security.alerts-default","depth":1,"rule":"r-uuid"}]"#
    );
    assert_eq!(second.document.field("kibana.alert.original_event.kind").and_then(Value::as_str), Some("signal"));
    // A later version of the alert is the same source.
    assert_eq!(made(&other, &as_event(5)).unwrap().id, second.id);
    assert_ne!(made(&base, &event("logs-a", 2, EVENT)).unwrap().id, first.id);
    let mut third = rule("");
    third.id = "r-uuid".into();
    let chained = event(".alerts-security.alerts-default", 1, &json::text(&second.document));
    assert!(made(&third, &chained).is_none());
    assert!(made(&base, &event("logs-a", 1, "{broken")).is_none());
}

#[test]
fn a_dotted_event_keeps_its_spelling_and_becomes_a_signal() {
    let alert =
        made(&rule(""), &event("logs-a", 1, r#"{"event.kind":"event","event.code":"4625","event.category":["a"]}"#))
            .unwrap();
    let get = |key: &str| alert.document.get(key).map(json::text).unwrap_or_default();
    assert_eq!(get("event"), r#"{"kind":"signal"}"#);
    assert_eq!(get("kibana.alert.original_event.code"), r#""4625""#);
    assert_eq!(get("event.code"), r#""4625""#);
    assert_eq!(get("event.kind"), "");
    assert_eq!(get("kibana.alert.original_time"), r#""2025-01-15T12:00:00.000Z""#);
}

#[test]
fn workflows_get_alerts_with_names_expanded() {
    let rule = rule("");
    let alert = made(&rule, &event("logs-a", 1, r#"{"a.b":1,"a":{"c":2},"x":1,"x.y":2}"#)).unwrap();
    let stored = Stored { id: &alert.id, index: &index("default"), document: &alert.document };
    let event = trigger_event(&[stored], &rule, "default", Some("http://h"));
    let get = |keys: &[&str]| event.path(keys).map(json::text).unwrap_or_default();
    assert_eq!(get(&["alerts", "0", "kibana", "alert", "rule", "name"]), r#""Odd DLL start""#);
    assert_eq!(get(&["alerts", "0", "_id"]), json::text(&alert.id.clone().into()));
    assert_eq!(get(&["alerts", "0", "_index"]), r#"".internal.alerts-security.alerts-default-000001""#);
    assert_eq!(get(&["alerts", "0", "a"]), r#"{"b":1,"c":2}"#);
    assert_eq!(get(&["alerts", "0", "x.y"]), "2");
    assert_eq!(
        get(&["rule"]),
        r#"{"id":"r-uuid","name":"Odd DLL start","tags":["x"],"consumer":"siem","producer":"siem","ruleTypeId":"siem.queryRule"}"#
    );
    assert_eq!(get(&["ruleUrl"]), r#""http://h/app/security/rules/id/r-uuid""#);
    assert_eq!(get(&["spaceId"]), r#""default""#);
}
