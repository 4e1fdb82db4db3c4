//! Tests of rule loading.

use super::*;
use crate::compile::compile;
use stdx::json;

fn findings(text: &str, origin: Origin) -> Vec<String> {
    let (rule, findings) = load(&json::parse(text).unwrap(), origin);
    assert_eq!(rule.is_none(), findings.iter().any(Diagnostic::is_error));
    findings.iter().map(|d| format!("{} {}", d.path.as_deref().unwrap_or("-"), d.message)).collect()
}

const MINIMAL: &str =
    r#"{"type":"query","name":"n","description":"d","risk_score":47,"severity":"medium","query":"a: 1"}"#;

#[test]
fn a_create_body_gets_the_servers_defaults() {
    let body = json::parse(MINIMAL).unwrap();
    let made = Rule::created(&body, &"5b9e1c3e-8f65-4f3c-9df2-0a4f0d0c0b0a".into(), "elastic", Time::from_ms(0));
    let (rule, findings) = load(&made, Origin::Api);
    let rule = rule.unwrap();
    assert!(findings.is_empty());
    let get = |key: &str| rule.body.get(key).map_or_else(|| "-".into(), json::text);
    let keys =
        ["rule_id", "interval", "from", "to", "max_signals", "version", "revision", "enabled", "language", "actions"];
    assert_eq!(
        keys.map(get).join(" "),
        r#""5b9e1c3e-8f65-4f3c-9df2-0a4f0d0c0b0a" "5m" "now-6m" "now" 100 1 0 true "kuery" []"#
    );
    assert_eq!(rule.index.len(), INDEX_DEFAULT.len());
    assert_eq!(rule.lookback, Duration::from_secs(360));
    let next = rule.updated(
        &json::parse(r#"{"type":"query","name":"m","id":"other","created_by":"eve"}"#).unwrap(),
        "eve",
        Time(0),
    );
    assert_eq!(next.get("revision"), Some(&Value::Int(1)));
    assert_eq!(next.get("id").and_then(Value::as_str), Some("5b9e1c3e-8f65-4f3c-9df2-0a4f0d0c0b0a"));
    assert_eq!(next.get("created_by").and_then(Value::as_str), Some("elastic"));
}

#[test]
fn every_mistake_is_reported_at_once() {
    assert_eq!(
        findings(
            r#"{"type":"question","severity":"bad","risk_score":101,"tags":[1],"interval":"5x","enabled":"yes"}"#,
            Origin::Api
        )
        .join("\n"),
        "name `name` is required\n\
         type `type` cannot be `question`\n\
         description `description` is required\n\
         severity `severity` cannot be `bad`\n\
         risk_score `risk_score` must be 0 to 100, found `101`\n\
         interval `interval` cannot be `5x`\n\
         enabled `enabled` must be true or false, found string\n\
         tags[0] `tags[0]` must be a string, found number"
    );
    assert_eq!(findings(r#"{"type":"eql","name":"x"}"#, Origin::File), ["query `query` is required"]);
    assert_eq!(
        findings(r#"{"type":"query","name":"x","language":"eql"}"#, Origin::File),
        ["language a rule of type `query` cannot have language `eql`"]
    );
    assert!(Rule::from_json("{\"a\":\n x").1[0].message.starts_with("malformed JSON"));
    assert_eq!(Rule::from_json("[]").1[0].message, "a rule must be an object, found array");
}

#[test]
fn types_that_cannot_run_are_rules_with_a_finding() {
    for (_, name, ..) in RuleType::ALL {
        let text = format!(r#"{{"type":"{name}","name":"x","query":"FROM logs-*"}}"#);
        let rule = Rule::from_json(&text).0.unwrap();
        assert_eq!(rule.kind.text(), name);
        let (compiled, findings) = compile(&Arc::new(rule));
        if !matches!(name, "query" | "eql") {
            assert!(compiled.is_none());
            assert_eq!(findings[0].code, "ruleTypeUnsupported");
        }
    }
}

#[test]
fn a_rule_with_a_broken_query_says_where() {
    let rule = Rule::from_json(r#"{"type":"query","name":"x","query":"a: (1 or"}"#).0.unwrap();
    let (compiled, findings) = compile(&Arc::new(rule));
    assert!(compiled.is_none());
    assert_eq!(findings[0].path.as_deref(), Some("query"));
    assert!(findings[0].span.end <= 8 && findings[0].is_error());
}

#[test]
fn filters_are_part_of_the_condition() {
    let text = r#"{"type":"query","name":"x","query":"a: 1","filters":[
        {"meta":{"negate":true},"query":{"match_phrase":{"b":"no"}}},
        {"meta":{"disabled":true},"query":{"match_phrase":{"b":"never"}}},
        {"meta":{},"query":{"wildcard":{"c":{"value":"Ab*","case_insensitive":true}}}}]}"#;
    let (compiled, findings) = compile(&Arc::new(Rule::from_json(text).0.unwrap()));
    let compiled = compiled.unwrap_or_else(|| panic!("{findings:?}"));
    let matches = |doc: &str| {
        let meta = event::Meta { index: "x".into(), id: "1".into(), version: 1, seq: 0, arrival: Time(0) };
        compiled.predicate.matches(&event::Event::new(meta, bytes::Bytes::copy_from_slice(doc.as_bytes())))
    };
    assert!(matches(r#"{"a":1,"c":"aBc"}"#));
    assert!(!matches(r#"{"a":1,"b":"no","c":"abc"}"#));
    assert!(!matches(r#"{"a":1,"c":"xbc"}"#));
    let bad = r#"{"type":"query","name":"x","query":"a: 1","filters":[{"query":{"nonsense":{}}}]}"#;
    let (none, findings) = compile(&Arc::new(Rule::from_json(bad).0.unwrap()));
    assert!(none.is_none() && findings[0].path.as_deref().unwrap().starts_with("filters[0].query"), "{findings:?}");
}

#[test]
fn workflow_actions_are_typed_and_others_are_kept() {
    let text = r#"{"type":"query","name":"x","actions":[
        {"action_type_id":".workflows","id":"system-connector-.workflows","params":{"subAction":"run","subActionParams":{"workflowId":"w1"}}},
        {"action_type_id":".workflows","uuid":"u2","params":{"subAction":"run","subActionParams":{"workflowId":"w2","summaryMode":false}}},
        {"action_type_id":".slack","id":"c","params":{"message":"hi"}},
        {"id":"system-connector-.workflows","params":{"subActionParams":{"workflowId":"w1","summaryMode":true}},"frequency":{"summary":true,"notifyWhen":"onThrottleInterval","throttle":"1h"}}]}"#;
    let (rule, findings) = Rule::from_json(text);
    let rule = rule.unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, "ruleActionKind");
    let seen: Vec<_> = rule.actions.iter().map(|a| (&*a.workflow_id, a.summary, a.window())).collect();
    assert_eq!(
        seen,
        [
            ("w1", true, Duration::from_secs(1)),
            ("w2", false, Duration::from_secs(1)),
            ("w1", true, Duration::from_secs(3600))
        ]
    );
    assert_eq!(rule.actions[1].uuid.as_str(), "u2");
    let again = load(&rule.body, Origin::File).0.unwrap();
    assert_eq!(again.actions, rule.actions);
    assert_eq!(rule.body.get("actions").and_then(Value::as_array).map(<[Value]>::len), Some(4));
    assert!(rule.starts("w2") && !rule.starts("w3"));
    let bad = r#"{"type":"query","name":"x","actions":[{"action_type_id":".workflows","params":{}}]}"#;
    assert_eq!(Rule::from_json(bad).1[0].path.as_deref(), Some("actions[0]"));
}

#[test]
fn files_of_each_form() {
    let toml = "[metadata]\nmaturity = \"production\"\n[rule]\nname = \"T\"\ntype = \"query\"\nquery = 'a: \"b\"'\nrisk_score = 21\nseverity = \"low\"\n[[rule.threat]]\nframework = \"MITRE ATT&CK\"\n[rule.threat.tactic]\nid = \"TA0001\"\nname = \"Initial Access\"\nreference = \"r\"\n";
    let one = crate::text::load_file("x.toml", toml);
    assert_eq!(one[0].rule.as_ref().map(|r| &*r.name), Some("T"));
    assert!(crate::text::load_file("x.toml", "a = [")[0].findings[0].code == "ruleToml");
    let lines = crate::text::load_file("x.jsonl", &format!("{MINIMAL}\n\n{{broken\n{{\"exported_count\":1}}\n"));
    assert_eq!(lines.iter().map(|l| (l.line, l.rule.is_some())).collect::<Vec<_>>(), [(1, true), (3, false)]);
    assert_eq!(crate::text::load_file("x.json", &format!("[{MINIMAL},\n{MINIMAL}]")).len(), 2);
    assert!(crate::text::is_rule_file("A.TOML") && !crate::text::is_rule_file("readme.md"));
}

#[test]
fn the_short_form_of_threat_becomes_the_full_one() {
    let text = r#"{"type":"query","name":"x","threat":[{"framework":"MITRE ATT&CK","tactic":"TA0005","techniques":["T1484","T1562","T1562.007"]}]}"#;
    let rule = Rule::from_json(text).0.unwrap();
    let threat = rule.body.get("threat").unwrap().path(&["0"]).unwrap().clone();
    assert_eq!(threat.path(&["tactic", "name"]).and_then(Value::as_str), Some("Defense Evasion"));
    assert_eq!(threat.path(&["technique", "1", "subtechnique", "0", "id"]).and_then(Value::as_str), Some("T1562.007"));
    assert_eq!(load(&rule.body, Origin::File).0.unwrap().body, rule.body);
}

/// Every rule of the corpus loads; those that do not run say why.
#[test]
fn rules_of_the_corpus_load() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/elastic-rules.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: corpus absent");
        return;
    };
    let loaded = crate::text::load_file(path, &text);
    assert!(loaded.len() > 1000);
    let mut ran = 0;
    for l in loaded {
        let rule = Arc::new(l.rule.unwrap_or_else(|| panic!("line {}: {:?}", l.line, l.findings)));
        let (compiled, findings) = compile(&rule);
        let refused = findings.iter().any(|d| d.code == "ruleTypeUnsupported");
        assert!(compiled.is_some() || refused, "{}: {findings:?}", rule.name);
        ran += usize::from(compiled.is_some());
    }
    println!("{ran} rules run");
    assert!(ran > 850, "{ran}");
}

/// Every finding's code has its page, and every page of a rule code is used.
#[test]
fn every_code_has_a_page() {
    fn sources(folder: &std::path::Path, out: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, out),
                false if !path.ends_with("tests.rs") => *out += &std::fs::read_to_string(&path).unwrap(),
                false => {}
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    sources(&root.join("src"), &mut text);
    let used: std::collections::BTreeSet<String> = text
        .split('"')
        .filter(|s| {
            s.strip_prefix("rule")
                .is_some_and(|r| r.starts_with(char::is_uppercase) && r.chars().all(char::is_alphabetic))
        })
        .filter(|s| !matches!(*s, "ruleTypeId" | "ruleUrl"))
        .map(str::to_owned)
        .collect();
    assert!(used.len() >= 9, "{used:?}");
    for code in &used {
        assert!(root.join(format!("../../docs/errors/{code}.md")).exists(), "docs/errors/{code}.md is missing");
    }
    for entry in std::fs::read_dir(root.join("../../docs/errors")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().trim_end_matches(".md").to_owned();
        assert!(!name.starts_with("rule") || used.contains(&name), "{name} is not used");
    }
}
