//! Transitions by table: what is asked, in order, and what comes of it.
//!
//! Not here: what is stored (`store`).

use crate::command::{Command, Refusal, RefusalKind, Request};
use crate::question::{FrozenAction, Question, QuestionKind, QuestionState, Verdict, frozen_hash};
use crate::rows::{Key, Rows};
use crate::{Actor, apply, reads};
use expect_test::{Expect, expect};
use std::sync::Arc;
use stdx::{Id, Time, Value};

mod parts;

/// Rows as an empty database would give them: whatever is read is loaded as absent first.
#[derive(Default)]
struct World {
    rows: Rows,
    now: i64,
    config: Option<Value>,
}

impl World {
    fn run(&mut self, command: Command) -> Result<Value, Refusal> {
        self.now += 1;
        let request = Request { space: "default".into(), by: Actor::person("ana", "api"), key: None, command };
        for round in 0..crate::ROUNDS {
            for key in reads(&request, &self.rows, round) {
                if self.rows.known(&key) {
                    continue;
                }
                match key {
                    Key::AlertExists(k) | Key::Alert(k) => self.rows.alerts.load(k, None),
                    Key::Case(k) => self.rows.cases.load(k, None),
                    Key::Attachments(k) => drop(self.rows.attachments_of.insert(k)),
                    Key::CaseNumber(k) => self.rows.numbers.load(k, Some(1)),
                    Key::CasesConfig(s, o) => drop(self.rows.configs.insert((s, o), self.config.clone())),
                    Key::Question(k) => self.rows.questions.load(k, None),
                    Key::Person(k) => drop(self.rows.people.insert(k, None)),
                    Key::Envelope(k) => drop(self.rows.envelopes.insert(k, None)),
                }
            }
        }
        let mark = self.rows.mark();
        let result = apply(&mut self.rows, Time(self.now * 1_000_000), &request);
        if result.is_err() {
            self.rows.rollback(mark);
        }
        result
    }
    fn case(&mut self, id: &str) -> Value {
        self.run(Command::CaseCreate { id: Id::from(id), body: body(&[]) }).unwrap()
    }
    fn alert(&mut self, id: &str) {
        let document = json(r#"{"kibana.alert.workflow_status":"open","host":{"name":"h"}}"#);
        self.run(Command::AlertRaise { id: Id::from(id), index: "i".into(), document }).unwrap();
    }
    fn alert_line(&self, id: &str) -> String {
        let alert = self.rows.alerts.get(&("default".into(), Id::from(id))).unwrap();
        let field = |f: &str| alert.document.field(f).map_or("-".into(), stdx::json::text);
        format!(
            "v{} {} reason={} tags={} assignees={} cases={}",
            alert.version,
            alert.status(),
            field(crate::alert::REASON),
            field(crate::alert::TAGS),
            field(crate::alert::ASSIGNEES),
            field(crate::alert::CASE_IDS)
        )
    }
}

fn json(text: &str) -> Value {
    stdx::json::parse(text).unwrap()
}

/// A creation body with some members set, or removed by an empty text.
fn body(changes: &[(&str, &str)]) -> Value {
    let mut v = json(
        r#"{"title":"T","description":"D","tags":["a","b"],"owner":"securitySolution","settings":{"syncAlerts":true},
            "connector":{"id":"none","name":"none","type":".none","fields":null}}"#,
    );
    let o = v.object_mut().unwrap();
    for (k, text) in changes {
        if text.is_empty() {
            o.remove(k);
        } else {
            o.insert(*k, json(text));
        }
    }
    v
}

fn said(result: &Result<Value, Refusal>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(r) => format!("{} {}", r.kind.status(), r.message),
    }
}

fn check(lines: impl IntoIterator<Item = String>, expected: &Expect) {
    expected.assert_eq(&(lines.into_iter().collect::<Vec<_>>().join("\n") + "\n"));
}

#[test]
fn creation_checks_its_body() {
    let long = |n: usize| format!("\"{}\"", "ä".repeat(n));
    let many = |n: usize| format!("[{}]", (0..n).map(|i| format!("\"t{i}\"")).collect::<Vec<_>>().join(","));
    let uids =
        |n: usize| format!("[{}]", (0..n).map(|i| format!("{{\"uid\":\"u{i}\"}}")).collect::<Vec<_>>().join(","));
    let cases: Vec<(&str, String)> = vec![
        ("title", long(160)),
        ("title", long(161)),
        ("title", "\"  \"".into()),
        ("title", "7".into()),
        ("title", String::new()),
        ("description", "\"\"".into()),
        ("description", long(30_001)),
        ("tags", many(200)),
        ("tags", many(201)),
        ("tags", format!("[{}]", long(257))),
        ("tags", "[\"\"]".into()),
        ("tags", String::new()),
        ("category", long(51)),
        ("category", "null".into()),
        ("severity", "\"bad\"".into()),
        ("assignees", uids(10)),
        ("assignees", uids(11)),
        ("assignees", "[{}]".into()),
        ("settings", String::new()),
        ("settings", "{}".into()),
        ("connector", "{\"id\":\"none\",\"name\":\"none\",\"type\":\".none\",\"fields\":{}}".into()),
        ("connector", "{\"id\":\"x\",\"name\":\"x\",\"type\":\".other\",\"fields\":null}".into()),
        ("owner", String::new()),
        ("customFields", "[{\"key\":\"k\",\"type\":\"text\",\"value\":\"v\"}]".into()),
    ];
    let lines = cases.iter().map(|(key, text)| {
        let shown: String = text.chars().take(24).collect();
        let result = World::default().run(Command::CaseCreate { id: Id::from("c"), body: body(&[(key, text)]) });
        format!("{key} {shown} -> {}", said(&result))
    });
    check(
        lines,
        &expect![[r#"
        title "äääääääääääääääääääääää -> ok
        title "äääääääääääääääääääääää -> 400 The length of the title is too long. The maximum length is 160.
        title "  " -> 400 The title field cannot be an empty string.
        title 7 -> 400 Invalid value "7" supplied to "title"
        title  -> 400 Invalid value "undefined" supplied to "title"
        description "" -> ok
        description "äääääääääääääääääääääää -> 400 The length of the description is too long. The maximum length is 30000.
        tags ["t0","t1","t2","t3","t4 -> ok
        tags ["t0","t1","t2","t3","t4 -> 400 The length of the field tags is too long. Array must be of length <= 200.
        tags ["ääääääääääääääääääääää -> 400 The length of the tag is too long. The maximum length is 256.
        tags [""] -> 400 The tag field cannot be an empty string.
        tags  -> 400 Invalid value "undefined" supplied to "tags"
        category "äääääääääääääääääääääää -> 400 The length of the category is too long. The maximum length is 50.
        category null -> ok
        severity "bad" -> 400 Invalid value "bad" supplied to "severity"
        assignees [{"uid":"u0"},{"uid":"u1 -> ok
        assignees [{"uid":"u0"},{"uid":"u1 -> 400 The length of the field assignees is too long. Array must be of length <= 10.
        assignees [{}] -> 400 Invalid value "undefined" supplied to "assignees.uid"
        settings  -> 400 Invalid value "undefined" supplied to "settings"
        settings {} -> 400 Invalid value "undefined" supplied to "syncAlerts"
        connector {"id":"none","name":"non -> ok
        connector {"id":"x","name":"x","ty -> 400 Invalid value ".other" supplied to "connector.type"
        owner  -> 400 Invalid value "undefined" supplied to "owner"
        customFields [{"key":"k","type":"text -> 400 No custom fields configured.
    "#]],
    );
}

#[test]
fn a_new_case_has_kibanas_shape() {
    let case = World::default().case("c1");
    expect![[r#"
        {
          "id": "c1",
          "version": "WzEsMV0=",
          "incremental_id": 1,
          "title": "T",
          "description": "D",
          "tags": [
            "a",
            "b"
          ],
          "category": null,
          "severity": "low",
          "status": "open",
          "owner": "securitySolution",
          "assignees": [],
          "settings": {
            "syncAlerts": true
          },
          "connector": {
            "id": "none",
            "name": "none",
            "type": ".none",
            "fields": null
          },
          "customFields": [],
          "observables": [],
          "total_observables": 0,
          "created_at": "1970-01-01T00:00:01.000Z",
          "created_by": {
            "username": "ana",
            "full_name": null,
            "email": null,
            "profile_uid": "u_ana"
          },
          "updated_at": null,
          "updated_by": null,
          "closed_at": null,
          "closed_by": null,
          "duration": null,
          "external_service": null,
          "totalComment": 0,
          "totalAlerts": 0,
          "totalEvents": 0,
          "comments": []
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&case).unwrap());
}

#[test]
fn patches_are_checked_in_order() {
    let mut w = World::default();
    let v1 = "WzEsMV0=";
    let v2 = "WzIsMV0=";
    assert_eq!((crate::version_text(1), crate::version_number(v2)), (v1.into(), Some(2)));
    w.case("c1");
    let steps = [
        r#"{"id":"nope","version":"WzEsMV0=","title":"x"}"#,
        r#"{"id":"c1","version":"WzksMV0=","title":"x"}"#,
        r#"{"id":"c1","version":"WzEsMV0=","title":"T"}"#,
        r#"{"id":"c1","version":"WzEsMV0=","tags":["b","a"]}"#,
        r#"{"id":"c1","title":"T"}"#,
        r#"{"id":"c1","version":"WzEsMV0=","owner":"cases","title":"x"}"#,
        r#"{"id":"c1","version":"WzEsMV0=","owner":"cases"}"#,
        r#"{"id":"c1","version":"WzEsMV0=","owner":"securitySolution","tags":["a","c"]}"#,
        r#"{"id":"c1","version":"WzEsMV0=","title":"x"}"#,
        r#"{"id":"c1","version":"WzIsMV0=","status":"in-progress","severity":"critical","assignees":[{"uid":"u1"}]}"#,
        r#"{"id":"c1","settings":{"syncAlerts":false}}"#,
        r#"{"id":"c1","status":"closed","closeReason":"duplicate"}"#,
        r#"{"id":"c1","status":"closed","category":"cat"}"#,
        r#"{"id":"c1","status":"open","category":null}"#,
        r#"{"id":"c1","status":"done"}"#,
        r#"{"id":"c1","customFields":[{"key":"k","type":"text","value":"v"}]}"#,
    ];
    let mut lines = Vec::new();
    for step in steps {
        let result = w.run(Command::CasePatch { body: json(step) });
        let after = match &result {
            Ok(v) => ["version", "status", "closed_at", "duration", "in_progress_at", "time_to_acknowledge"]
                .iter()
                .filter_map(|k| v.get(k).map(|x| format!(" {k}={}", stdx::json::text(x))))
                .collect::<String>(),
            Err(_) => String::new(),
        };
        lines.push(format!("{step} -> {}{after}", said(&result)));
    }
    check(
        lines,
        &expect![[r#"
        {"id":"nope","version":"WzEsMV0=","title":"x"} -> 404 These cases nope do not exist. Please check you have the correct ids.
        {"id":"c1","version":"WzksMV0=","title":"x"} -> 409 These cases c1 have been updated. Please refresh before saving additional updates.
        {"id":"c1","version":"WzEsMV0=","title":"T"} -> 406 All update fields are identical to current version.
        {"id":"c1","version":"WzEsMV0=","tags":["b","a"]} -> 406 All update fields are identical to current version.
        {"id":"c1","title":"T"} -> ok version="WzEsMV0=" status="open" closed_at=null duration=null
        {"id":"c1","version":"WzEsMV0=","owner":"cases","title":"x"} -> 400 Updating the owner of a case is not allowed ids: [c1]
        {"id":"c1","version":"WzEsMV0=","owner":"cases"} -> 400 Updating the owner of a case is not allowed ids: [c1]
        {"id":"c1","version":"WzEsMV0=","owner":"securitySolution","tags":["a","c"]} -> ok version="WzIsMV0=" status="open" closed_at=null duration=null
        {"id":"c1","version":"WzEsMV0=","title":"x"} -> 409 These cases c1 have been updated. Please refresh before saving additional updates.
        {"id":"c1","version":"WzIsMV0=","status":"in-progress","severity":"critical","assignees":[{"uid":"u1"}]} -> ok version="WzMsMV0=" status="in-progress" closed_at=null duration=null in_progress_at="1970-01-01T00:00:11.000Z" time_to_acknowledge=10
        {"id":"c1","settings":{"syncAlerts":false}} -> ok version="WzQsMV0=" status="in-progress" closed_at=null duration=null in_progress_at="1970-01-01T00:00:11.000Z" time_to_acknowledge=10
        {"id":"c1","status":"closed","closeReason":"duplicate"} -> 400 Cannot provide a close reason for case c1 when sync alerts is disabled.
        {"id":"c1","status":"closed","category":"cat"} -> ok version="WzUsMV0=" status="closed" closed_at="1970-01-01T00:00:14.000Z" duration=13 in_progress_at="1970-01-01T00:00:11.000Z" time_to_acknowledge=10
        {"id":"c1","status":"open","category":null} -> ok version="WzYsMV0=" status="open" closed_at=null duration=null
        {"id":"c1","status":"done"} -> 400 Invalid value "done" supplied to "status"
        {"id":"c1","customFields":[{"key":"k","type":"text","value":"v"}]} -> 400 No custom fields configured.
    "#]],
    );
    let actions =
        w.rows.actions.iter().map(|a| format!("{} {} {} {}", a.n, a.kind, a.action, stdx::json::text(&a.payload)));
    check(
        actions.skip(1),
        &expect![[r#"
        2 tags add {"tags":["c"]}
        3 tags delete {"tags":["b"]}
        4 severity update {"severity":"critical"}
        5 assignees add {"assignees":[{"uid":"u1"}]}
        6 status update {"status":"in-progress"}
        7 settings update {"settings":{"syncAlerts":false}}
        8 category update {"category":"cat"}
        9 status update {"status":"closed"}
        10 category update {"category":null}
        11 status update {"status":"open"}
    "#]],
    );
}

#[test]
fn alerts_follow_their_case() {
    let mut w = World::default();
    for id in ["a1", "a2"] {
        w.alert(id);
    }
    w.case("c1");
    let mut lines = Vec::new();
    let mut step = |w: &mut World, what: &str, command: Command| {
        let result = w.run(command);
        lines.push(format!("{what} -> {}; a1 {}; a2 {}", said(&result), w.alert_line("a1"), w.alert_line("a2")));
    };
    let attach = |id: &str, alerts: &[&str]| Command::AlertsAttach {
        case: Id::from("c1"),
        id: Id::from(id),
        alerts: alerts
            .iter()
            .map(|a| json(&format!(r#"{{"alertId":"{a}","index":"i","rule":{{"id":"r","name":"R"}}}}"#)))
            .collect(),
    };
    let patch = |text: &str| Command::CasePatch { body: json(text) };
    let acknowledged = Command::AlertStatus { ids: vec![Id::from("a1")], status: "in-progress".into(), reason: None };
    step(&mut w, "acknowledge a1", acknowledged);
    step(&mut w, "attach both", attach("x1", &["a1", "a2", "gone"]));
    step(&mut w, "in progress", patch(r#"{"id":"c1","status":"in-progress"}"#));
    step(&mut w, "close with reason", patch(r#"{"id":"c1","status":"closed","closeReason":"duplicate"}"#));
    step(&mut w, "attach to closed", attach("x2", &["a3"]));
    step(&mut w, "sync off", patch(r#"{"id":"c1","settings":{"syncAlerts":false}}"#));
    step(&mut w, "reopen without sync", patch(r#"{"id":"c1","status":"open"}"#));
    step(&mut w, "sync on", patch(r#"{"id":"c1","settings":{"syncAlerts":true}}"#));
    step(&mut w, "detach", Command::CommentDelete { case: Id::from("c1"), comment: Id::from("x1") });
    step(&mut w, "delete", Command::CaseDelete { ids: vec![Id::from("c1")] });
    check(
        lines,
        &expect![[r#"
        acknowledge a1 -> ok; a1 v2 acknowledged reason=- tags=- assignees=- cases=-; a2 v1 open reason=- tags=- assignees=- cases=-
        attach both -> ok; a1 v3 open reason=- tags=- assignees=- cases=["c1"]; a2 v2 open reason=- tags=- assignees=- cases=["c1"]
        in progress -> ok; a1 v4 acknowledged reason=- tags=- assignees=- cases=["c1"]; a2 v3 acknowledged reason=- tags=- assignees=- cases=["c1"]
        close with reason -> ok; a1 v5 closed reason="duplicate" tags=- assignees=- cases=["c1"]; a2 v4 closed reason="duplicate" tags=- assignees=- cases=["c1"]
        attach to closed -> 400 Alert cannot be attached to a closed case; a1 v5 closed reason="duplicate" tags=- assignees=- cases=["c1"]; a2 v4 closed reason="duplicate" tags=- assignees=- cases=["c1"]
        sync off -> ok; a1 v5 closed reason="duplicate" tags=- assignees=- cases=["c1"]; a2 v4 closed reason="duplicate" tags=- assignees=- cases=["c1"]
        reopen without sync -> ok; a1 v5 closed reason="duplicate" tags=- assignees=- cases=["c1"]; a2 v4 closed reason="duplicate" tags=- assignees=- cases=["c1"]
        sync on -> ok; a1 v6 open reason=- tags=- assignees=- cases=["c1"]; a2 v5 open reason=- tags=- assignees=- cases=["c1"]
        detach -> ok; a1 v7 open reason=- tags=- assignees=- cases=[]; a2 v6 open reason=- tags=- assignees=- cases=[]
        delete -> ok; a1 v7 open reason=- tags=- assignees=- cases=[]; a2 v6 open reason=- tags=- assignees=- cases=[]
    "#]],
    );
}

#[test]
fn alert_commands() {
    let mut w = World::default();
    w.alert("a1");
    let ids = || vec![Id::from("a1"), Id::from("gone"), Id::from("a1")];
    let status =
        |s: &str, r: Option<&str>| Command::AlertStatus { ids: ids(), status: s.into(), reason: r.map(Arc::from) };
    let tags = |add: &[&str], remove: &[&str]| Command::AlertTags {
        ids: ids(),
        add: add.iter().map(|t| Arc::from(*t)).collect(),
        remove: remove.iter().map(|t| Arc::from(*t)).collect(),
    };
    let people = |add: &[&str], remove: &[&str]| Command::AlertAssignees {
        ids: ids(),
        add: add.iter().map(|t| Arc::from(*t)).collect(),
        remove: remove.iter().map(|t| Arc::from(*t)).collect(),
    };
    let mut lines = Vec::new();
    for (what, command) in [
        ("again", Command::AlertRaise { id: Id::from("a1"), index: "i".into(), document: json("{}") }),
        ("no document", Command::AlertRaise { id: Id::from("a9"), index: "i".into(), document: Value::Null }),
        ("bad word", status("solved", None)),
        ("reason without closing", status("open", Some("duplicate"))),
        ("close", status("closed", Some("duplicate"))),
        ("close again", status("closed", Some("duplicate"))),
        ("other reason", status("closed", Some("other"))),
        ("reopen", status("open", None)),
        ("tags", tags(&["x", "y"], &[])),
        ("tags", tags(&["z"], &["x"])),
        ("both", tags(&["x"], &["x"])),
        ("assign", people(&["u1"], &[])),
        ("both", people(&["u1"], &["u1"])),
        ("none", Command::AlertTags { ids: vec![], add: vec![], remove: vec![] }),
        (
            "many",
            Command::AlertTags {
                ids: (0..257).map(|i| Id::from(i.to_string())).collect(),
                add: vec![],
                remove: vec![],
            },
        ),
    ] {
        let result = w.run(command);
        let value = result.as_ref().map_or(String::new(), stdx::json::text);
        lines.push(format!("{what} -> {} {value} | {}", said(&result), w.alert_line("a1")));
    }
    check(
        lines,
        &expect![[r#"
        again -> ok {"inserted":false} | v1 open reason=- tags=- assignees=- cases=-
        no document -> 400 an alert's document must be an object  | v1 open reason=- tags=- assignees=- cases=-
        bad word -> 400 [request body]: status: Invalid alert status `solved`  | v1 open reason=- tags=- assignees=- cases=-
        reason without closing -> 400 a reason is only possible with the status `closed`  | v1 open reason=- tags=- assignees=- cases=-
        close -> ok {"updated":1,"missing":["gone"],"alerts":[{"id":"a1","version":2}]} | v2 closed reason="duplicate" tags=- assignees=- cases=-
        close again -> ok {"updated":1,"missing":["gone"],"alerts":[{"id":"a1","version":2}]} | v2 closed reason="duplicate" tags=- assignees=- cases=-
        other reason -> ok {"updated":1,"missing":["gone"],"alerts":[{"id":"a1","version":3}]} | v3 closed reason="other" tags=- assignees=- cases=-
        reopen -> ok {"updated":1,"missing":["gone"],"alerts":[{"id":"a1","version":4}]} | v4 open reason=- tags=- assignees=- cases=-
        tags -> ok {"updated":1,"missing":["gone"],"alerts":[{"id":"a1","version":5}]} | v5 open reason=- tags=["x","y"] assignees=- cases=-
        tags -> ok {"updated":1,"missing":["gone"],"alerts":[{"id":"a1","version":6}]} | v6 open reason=- tags=["y","z"] assignees=- cases=-
        both -> 400 Duplicate tags ["x"] were found in the tags_to_add and tags_to_remove parameters.  | v6 open reason=- tags=["y","z"] assignees=- cases=-
        assign -> ok {"updated":1,"missing":["gone"],"alerts":[{"id":"a1","version":7}]} | v7 open reason=- tags=["y","z"] assignees=["u1"] cases=-
        both -> 400 Duplicate assignees ["u1"] were found in the add and remove parameters.  | v7 open reason=- tags=["y","z"] assignees=["u1"] cases=-
        none -> 400 the number of alert ids must be 1 to 256  | v7 open reason=- tags=["y","z"] assignees=["u1"] cases=-
        many -> 400 the number of alert ids must be 1 to 256  | v7 open reason=- tags=["y","z"] assignees=["u1"] cases=-
    "#]],
    );
}

#[test]
fn comments() {
    let mut w = World::default();
    w.case("c1");
    let add = |id: &str, text: &str| Command::CommentAdd { case: Id::from("c1"), id: Id::from(id), body: json(text) };
    let patch = |text: &str| Command::CommentPatch { case: Id::from("c1"), body: json(text) };
    let delete = |id: &str| Command::CommentDelete { case: Id::from("c1"), comment: Id::from(id) };
    let long = format!(r#"{{"type":"user","comment":"{}"}}"#, "x".repeat(30_001));
    let mut lines = Vec::new();
    for (what, command) in [
        (
            "to nothing",
            Command::CommentAdd { case: Id::from("c9"), id: Id::from("m"), body: json(r#"{"comment":"x"}"#) },
        ),
        ("a comment", add("m1", r#"{"type":"user","owner":"securitySolution","comment":" hello "}"#)),
        ("the same id", add("m1", r#"{"type":"user","comment":"x"}"#)),
        ("from a step", add("m2", r#"{"text":"from a step","watchfire":{"kind":"command","host":"h1"}}"#)),
        ("other owner", add("m3", r#"{"type":"user","owner":"cases","comment":"x"}"#)),
        ("unknown type", add("m3", r#"{"type":"video","comment":"x"}"#)),
        ("empty", add("m3", r#"{"type":"user","comment":" "}"#)),
        ("too long", add("m3", &long)),
        (
            "reference",
            add("m3", r#"{"type":"externalReference","externalReferenceId":"f","externalReferenceMetadata":null}"#),
        ),
        ("lengths", add("m4", r#"{"type":"alert","alertId":["a1"],"index":[],"rule":{"id":null,"name":null}}"#)),
        ("remote", add("m4", r#"{"type":"alert","alertId":["a1"],"index":["far:i"]}"#)),
        ("alert", add("m4", r#"{"type":"alert","alertId":"a1","index":"i"}"#)),
        ("same alert", add("m5", r#"{"type":"alert","alertId":["a1"],"index":["i"]}"#)),
        ("gone", patch(r#"{"id":"m9","version":"WzEsMV0=","comment":"x"}"#)),
        ("type", patch(r#"{"id":"m1","version":"WzEsMV0=","type":"alert","comment":"x"}"#)),
        ("owner", patch(r#"{"id":"m1","version":"WzEsMV0=","owner":"cases","comment":"x"}"#)),
        ("stale", patch(r#"{"id":"m1","version":"WzksMV0=","comment":"x"}"#)),
        ("change", patch(r#"{"id":"m1","version":"WzEsMV0=","type":"user","comment":"bye"}"#)),
        ("delete", delete("m1")),
        ("delete again", delete("m1")),
        ("delete alert", delete("m4")),
    ] {
        let result = w.run(command);
        let value = result.as_ref().map_or(String::new(), |v| {
            let n = v.get("comments").and_then(Value::as_array).map_or(0, <[Value]>::len);
            format!(
                " v={} comments={} alerts={} shown={n}",
                crate::version_number(v.get("version").and_then(Value::as_str).unwrap()).unwrap(),
                stdx::json::text(v.get("totalComment").unwrap()),
                stdx::json::text(v.get("totalAlerts").unwrap())
            )
        });
        lines.push(format!("{what} -> {}{value}", said(&result)));
    }
    check(
        lines,
        &expect![[r#"
        to nothing -> 404 Saved object [cases/c9] not found
        a comment -> ok v=2 comments=1 alerts=0 shown=1
        the same id -> 409 Saved object [cases-comments/m1] conflict
        from a step -> ok v=3 comments=2 alerts=0 shown=2
        other owner -> 400 The owner field of the comment must match the case
        unknown type -> 400 Attachment type video is not registered.
        empty -> 400 The comment field cannot be an empty string.
        too long -> 400 The length of the comment is too long. The maximum length is 30000.
        reference -> ok v=4 comments=2 alerts=0 shown=3
        lengths -> 400 Received an alert comment with ids and indices arrays of different lengths ids: ["a1"] indices: []
        remote -> 400 Cannot attach an alert from a linked project or remote cluster index: far:i
        alert -> ok v=5 comments=2 alerts=1 shown=4
        same alert -> ok v=5 comments=2 alerts=1 shown=4
        gone -> 404 This comment m9 does not exist anymore.
        type -> 400 You cannot change the type of the comment.
        owner -> 400 You cannot change the owner of the comment.
        stale -> 409 This case has been updated. Please refresh before saving additional updates.
        change -> ok v=6 comments=2 alerts=1 shown=4
        delete -> ok v=7 comments=1 alerts=1 shown=0
        delete again -> 404 This comment m1 does not exist anymore.
        delete alert -> ok v=8 comments=1 alerts=0 shown=0
    "#]],
    );
    let case = Id::from("c1");
    let shown = w.rows.attachments_of_case(&case).map(|a| stdx::json::text(&a.to_api()));
    check(
        shown,
        &expect![[r#"
        {"id":"m2","version":"WzEsMV0=","type":"user","owner":"securitySolution","comment":"from a step","created_at":"1970-01-01T00:00:05.000Z","created_by":{"username":"ana","full_name":null,"email":null,"profile_uid":"u_ana"},"pushed_at":null,"pushed_by":null,"updated_at":null,"updated_by":null,"watchfire":{"kind":"command","host":"h1"}}
        {"id":"m3","version":"WzEsMV0=","type":"externalReference","owner":"securitySolution","externalReferenceId":"f","externalReferenceMetadata":null,"created_at":"1970-01-01T00:00:10.000Z","created_by":{"username":"ana","full_name":null,"email":null,"profile_uid":"u_ana"},"pushed_at":null,"pushed_by":null,"updated_at":null,"updated_by":null}
    "#]],
    );
}

#[test]
fn observables() {
    let mut w = World::default();
    w.case("c1");
    let add = |list: &[(&str, &str)]| Command::ObservablesAdd {
        case: Id::from("c1"),
        id: Id::from("o"),
        observables: list.iter().map(|(k, v)| json(&format!(r#"{{"typeKey":"{k}","value":"{v}"}}"#))).collect(),
    };
    let many: Vec<(String, String)> =
        (0..51).map(|i| ("observable-type-ipv4".to_owned(), format!("10.0.0.{i}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut lines = Vec::new();
    for (what, command) in [
        ("two", add(&[("observable-type-ipv4", "10.0.0.1"), ("observable-type-hostname", "h1")])),
        ("again", add(&[("observable-type-ipv4", "10.0.0.1")])),
        ("empty", add(&[("observable-type-ipv4", "  ")])),
        ("no type", add(&[("", "x")])),
        ("too many", add(&many)),
        ("up to the limit", add(&many[..50])),
    ] {
        let result = w.run(command);
        let n = result.as_ref().map_or(String::new(), |v| stdx::json::text(v.get("total_observables").unwrap()));
        lines.push(format!("{what} -> {} {n}", said(&result)));
    }
    check(
        lines,
        &expect![[r#"
        two -> ok 2
        again -> ok 2
        empty -> 400 The value of an observable must have 1 to 2048 characters. 
        no type -> 400 Invalid observable type, key does not exist in configuration:  
        too many -> 400 Max 50 observables per case is allowed. 
        up to the limit -> 400 Max 50 observables per case is allowed. 
    "#]],
    );
}

#[test]
fn custom_fields_follow_the_configuration() {
    let config = r#"{"customFields":[
        {"key":"ticket","label":"Ticket","type":"text","required":true,"defaultValue":null},
        {"key":"sure","label":"Sure","type":"toggle","required":false,"defaultValue":true},
        {"key":"n","label":"Count","type":"number","required":false}]}"#;
    let mut lines = Vec::new();
    for given in [
        "",
        r#"[{"key":"ticket","type":"text","value":"X-1"}]"#,
        r#"[{"key":"ticket","type":"text","value":null}]"#,
        r#"[{"key":"ticket","type":"toggle","value":true}]"#,
        r#"[{"key":"a","type":"text","value":"x"},{"key":"b","type":"text","value":"x"}]"#,
        r#"[{"key":"ticket","type":"text","value":"x"},{"key":"ticket","type":"text","value":"y"}]"#,
        r#"[{"key":"ticket","type":"text","value":"x"},{"key":"n","type":"number","value":1.5}]"#,
        r#"[{"key":"ticket","type":"text","value":"x"},{"key":"n","type":"number","value":3}]"#,
    ] {
        let mut w = World { config: Some(json(config)), ..World::default() };
        let result = w.run(Command::CaseCreate { id: Id::from("c"), body: body(&[("customFields", given)]) });
        let value = result.as_ref().map_or(String::new(), |v| stdx::json::text(v.get("customFields").unwrap()));
        lines.push(format!("{given} -> {} {value}", said(&result)));
    }
    check(
        lines,
        &expect![[r#"
         -> 400 Missing required custom fields without default value configured: "Ticket" 
        [{"key":"ticket","type":"text","value":"X-1"}] -> ok [{"key":"ticket","type":"text","value":"X-1"},{"key":"sure","type":"toggle","value":true},{"key":"n","type":"number","value":null}]
        [{"key":"ticket","type":"text","value":null}] -> 400 Invalid value "null" supplied for the following required custom fields: "Ticket" 
        [{"key":"ticket","type":"toggle","value":true}] -> 400 The following custom fields have the wrong type in the request: "Ticket" 
        [{"key":"a","type":"text","value":"x"},{"key":"b","type":"text","value":"x"}] -> 400 Invalid custom field keys: a,b 
        [{"key":"ticket","type":"text","value":"x"},{"key":"ticket","type":"text","value":"y"}] -> 400 Invalid duplicated customFields keys in request: ticket 
        [{"key":"ticket","type":"text","value":"x"},{"key":"n","type":"number","value":1.5}] -> 400 The value field should be an integer between -(2^53 - 1) and 2^53 - 1, inclusive. 
        [{"key":"ticket","type":"text","value":"x"},{"key":"n","type":"number","value":3}] -> ok [{"key":"ticket","type":"text","value":"x"},{"key":"sure","type":"toggle","value":true},{"key":"n","type":"number","value":3}]
    "#]],
    );
}

fn question(kind: QuestionKind) -> Question {
    let actions = vec![FrozenAction {
        path: "isolate".into(),
        step: "isolate".into(),
        operation: "ssh.run".into(),
        class: "destructive".into(),
        connector: Some("c-ssh".into()),
        target: json(r#"{"host":"h1"}"#),
        request: json(r#"{"command":"nft -f /etc/isolate.nft"}"#),
        secrets: vec!["c-ssh.privateKey".into()],
        retries: 0,
        undo: None,
    }];
    Question {
        id: Id::from("q1"),
        kind,
        execution: Id::from("e1"),
        workflow: Id::from("w1"),
        workflow_name: "contain".into(),
        space: "default".into(),
        path: "ask".into(),
        step: "ask".into(),
        message: "Isolate?".into(),
        approve_label: "Yes".into(),
        reject_label: "No".into(),
        hash: frozen_hash(&actions).into(),
        actions,
        unbound: vec![],
        asked_at: Time(0),
        expires_at: (kind == QuestionKind::Question).then_some(Time(50_000_000)),
        about: Value::Null,
        running_until: None,
        schema: Value::Null,
        policy: crate::question::Policy::default(),
    }
}

#[test]
fn questions_and_settlements() {
    let mut lines = Vec::new();
    for kind in [QuestionKind::Question, QuestionKind::Settlement] {
        let asked = question(kind);
        let hash = asked.hash.clone();
        let decide = |verdict, hash: Option<&str>| Command::QuestionDecide {
            id: Id::from("q1"),
            verdict,
            hash: hash.map(Arc::from),
            comment: None,
            output: None,
            signature: None,
        };
        let close = |state| Command::QuestionClose { id: Id::from("q1"), state };
        let mut tampered = asked.clone();
        tampered.actions[0].request = json(r#"{"command":"rm -rf /"}"#);
        let ask = |q: &Question| Command::QuestionAsk(Box::new(q.clone()));
        for (what, before, command) in [
            ("decide unknown", vec![], decide(Verdict::Approve, Some(&hash))),
            ("hash of other actions", vec![], ask(&tampered)),
            ("ask again", vec![ask(&asked)], ask(&asked)),
            ("approve", vec![ask(&asked)], decide(Verdict::Approve, Some(&hash))),
            ("approve without hash", vec![ask(&asked)], decide(Verdict::Approve, None)),
            ("approve with another", vec![ask(&asked)], decide(Verdict::Approve, Some("00"))),
            ("reject without hash", vec![ask(&asked)], decide(Verdict::Reject, None)),
            ("happened", vec![ask(&asked)], decide(Verdict::Happened, None)),
            ("again", vec![ask(&asked)], decide(Verdict::Again, None)),
            ("skip", vec![ask(&asked)], decide(Verdict::Skip, None)),
            ("expire", vec![ask(&asked)], close(QuestionState::Expired)),
            ("withdraw", vec![ask(&asked)], close(QuestionState::Withdrawn)),
            ("close as approved", vec![ask(&asked)], close(QuestionState::Approved)),
            ("decide a void one", vec![ask(&asked), close(QuestionState::Void)], decide(Verdict::Reject, None)),
            ("decide an expired one", vec![ask(&asked), close(QuestionState::Expired)], decide(Verdict::Reject, None)),
            ("second answer", vec![ask(&asked), decide(Verdict::Reject, None)], decide(Verdict::Approve, Some(&hash))),
        ] {
            let mut w = World::default();
            for c in before {
                let _ = w.run(c);
            }
            let result = w.run(command);
            let state = result.as_ref().ok().and_then(|v| v.get("state")).map_or(String::new(), stdx::json::text);
            lines.push(format!("{kind:?}: {what} -> {} {state}", said(&result)));
        }
        let mut w = World { now: 60, ..World::default() };
        w.run(ask(&asked)).unwrap();
        lines.push(format!("{kind:?}: after its end -> {}", said(&w.run(decide(Verdict::Reject, None)))));
    }
    check(
        lines,
        &expect![[r#"
        Question: decide unknown -> 404 approval `q1` not found 
        Question: hash of other actions -> 400 the hash does not cover the frozen actions 
        Question: ask again -> ok "open"
        Question: approve -> ok "approved"
        Question: approve without hash -> 400 an approval needs the hash of what was shown 
        Question: approve with another -> 409 the hash of approval `q1` is another one: what would run has changed 
        Question: reject without hash -> ok "rejected"
        Question: happened -> 400 approval `q1` is a question: answer `approve` or `reject` 
        Question: again -> 400 approval `q1` is a question: answer `approve` or `reject` 
        Question: skip -> 400 approval `q1` is a question: answer `approve` or `reject` 
        Question: expire -> ok "expired"
        Question: withdraw -> ok "withdrawn"
        Question: close as approved -> 400 a row closes without an answer as expired, withdrawn or void 
        Question: decide a void one -> 409 approval `q1` is already void 
        Question: decide an expired one -> 409 approval `q1` is expired 
        Question: second answer -> 409 approval `q1` is already rejected 
        Question: after its end -> 409 approval `q1` is expired
        Settlement: decide unknown -> 404 approval `q1` not found 
        Settlement: hash of other actions -> ok "open"
        Settlement: ask again -> ok "open"
        Settlement: approve -> 400 approval `q1` is a settlement: answer `happened`, `again` or `skip` 
        Settlement: approve without hash -> 400 approval `q1` is a settlement: answer `happened`, `again` or `skip` 
        Settlement: approve with another -> 400 approval `q1` is a settlement: answer `happened`, `again` or `skip` 
        Settlement: reject without hash -> 400 approval `q1` is a settlement: answer `happened`, `again` or `skip` 
        Settlement: happened -> ok "settled"
        Settlement: again -> ok "settled"
        Settlement: skip -> ok "settled"
        Settlement: expire -> 400 a settlement neither expires nor is withdrawn: it outlives its run 
        Settlement: withdraw -> 400 a settlement neither expires nor is withdrawn: it outlives its run 
        Settlement: close as approved -> 400 a row closes without an answer as expired, withdrawn or void 
        Settlement: decide a void one -> 409 approval `q1` is already void 
        Settlement: decide an expired one -> 400 approval `q1` is a settlement: answer `happened`, `again` or `skip` 
        Settlement: second answer -> 400 approval `q1` is a settlement: answer `happened`, `again` or `skip` 
        Settlement: after its end -> 400 approval `q1` is a settlement: answer `happened`, `again` or `skip`
    "#]],
    );
}

#[test]
fn rollback_restores_everything() {
    let mut w = World::default();
    w.alert("a1");
    w.case("c1");
    let before = format!("{:?}", w.rows);
    let mark = w.rows.mark();
    w.run(Command::CommentAdd { case: Id::from("c1"), id: Id::from("m1"), body: json(r#"{"comment":"x"}"#) }).unwrap();
    w.run(Command::AlertTags { ids: vec![Id::from("a1")], add: vec!["t".into()], remove: vec![] }).unwrap();
    w.run(Command::CaseDelete { ids: vec![Id::from("c1")] }).unwrap();
    w.rows.rollback(mark);
    w.rows.attachments_of.clear();
    assert_eq!(format!("{:?}", w.rows), before);
}

#[test]
fn the_limit_of_user_actions_is_told() {
    let mut w = World::default();
    w.case("c1");
    let key = ("default".into(), Id::from("c1"));
    let mut case = crate::Case::clone(w.rows.cases.get(&key).unwrap());
    case.action_n = crate::user_action::ACTIONS_MAX;
    w.rows.cases.set(key, Some(case));
    let refused = w.run(Command::CaseTags { case: Id::from("c1"), add: vec!["new".into()] }).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Invalid);
    assert_eq!(refused.message, "The case with case id c1 has reached the limit of 10000 user actions.");
}

#[test]
fn an_input_is_checked_against_its_schema_and_the_first_that_fits_wins() {
    let mut rows = Rows::default();
    rows.questions.load(Id::from("q1"), None);
    let schema =
        json(r#"{"type":"object","required":["decision"],"properties":{"decision":{"enum":["block","ignore"]}}}"#);
    let asked = Question { actions: vec![], hash: frozen_hash(&[]).into(), schema, ..question(QuestionKind::Input) };
    let mut apply = |command| {
        let by = Actor::person("ann", "web");
        crate::apply(&mut rows, Time(1), &Request { space: "default".into(), by, key: None, command })
    };
    apply(Command::QuestionAsk(Box::new(asked))).unwrap();
    let answer = |verdict, output: Option<&str>| Command::QuestionDecide {
        id: Id::from("q1"),
        verdict,
        hash: None,
        comment: None,
        output: output.map(json),
        signature: None,
    };
    for (verdict, output) in [
        (Verdict::Approve, None),
        (Verdict::Answer, None),
        (Verdict::Answer, Some(r#""block""#)),
        (Verdict::Answer, Some("{}")),
        (Verdict::Answer, Some(r#"{"decision":"burn"}"#)),
    ] {
        let refusal = apply(answer(verdict, output)).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Invalid, "{verdict:?} {output:?}: {}", refusal.message);
    }
    let row = apply(answer(Verdict::Answer, Some(r#"{"decision":"block"}"#))).unwrap();
    assert_eq!(row.get("state"), Some(&Value::from("answered")));
    assert_eq!(
        apply(answer(Verdict::Answer, Some(r#"{"decision":"ignore"}"#))).unwrap_err().kind,
        RefusalKind::Conflict
    );
}
