//! Our own rules: each loads, runs, and does what its lines under `content/rules/tests` say.

use crate::compile::compile;
use crate::dispatch::{Dispatcher, IndexMode};
use crate::rule::{Origin, Rule, load};
use bytes::Bytes;
use event::{Event, Meta};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use stdx::{Diagnostic, Time, Value};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../content/rules");

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut out: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == ending))
        .collect();
    out.sort();
    out
}

fn own() -> Vec<(String, Rule)> {
    files(FOLDER, "json")
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let value = stdx::json::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let (rule, findings) = load(&value, Origin::Api);
            assert!(findings.is_empty(), "{name}: {findings:?}");
            (name, rule.unwrap())
        })
        .collect()
}

#[test]
fn every_rule_fires_on_its_positive_lines_and_on_no_negative_one() {
    let rules = own();
    assert!(rules.len() >= 15, "{}", rules.len());
    let names: BTreeSet<_> = rules.iter().map(|r| r.0.clone()).collect();
    let tested: BTreeSet<_> = files(&format!("{FOLDER}/tests"), "jsonl")
        .iter()
        .map(|p| p.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, tested);
    for (name, rule) in rules {
        let (compiled, findings) = compile(&Arc::new(rule));
        let compiled = compiled.unwrap_or_else(|| panic!("{name}: {findings:?}"));
        let dispatcher = Dispatcher::new(vec![Arc::new(compiled)]);
        let (mut positive, mut negative) = (0, 0);
        for line in std::fs::read_to_string(format!("{FOLDER}/tests/{name}.jsonl")).unwrap().lines() {
            let case = stdx::json::parse(line).unwrap();
            let wanted = case.get("match").and_then(Value::as_bool).unwrap();
            let raw = Bytes::from(stdx::json::text(case.get("event").unwrap()));
            let meta = Meta { index: "".into(), id: "1".into(), version: 1, seq: 0, arrival: Time(0) };
            let (mut hits, event) = (Vec::new(), Event::new(meta, raw));
            dispatcher.matches_in(&event, IndexMode::Ignore, &mut hits);
            assert_eq!(!hits.is_empty(), wanted, "{name}: {}", stdx::json::text(case.get("note").unwrap()));
            *(if wanted { &mut positive } else { &mut negative }) += 1;
        }
        assert!(positive > 0 && negative > 0, "{name}: {positive} positive and {negative} negative lines");
    }
}

#[test]
fn every_rule_says_what_an_analyst_needs() {
    let mut ids = BTreeSet::new();
    let manual = std::fs::read_to_string(format!("{FOLDER}/../../docs/reference/detection-rules.md")).unwrap();
    for (name, rule) in own() {
        assert!(manual.contains(&format!("| `{name}` | {} |", rule.name)), "{name} is not in the manual");
        assert!(ids.insert(rule.rule_id.clone()), "{name}: the rule id is used twice");
        assert_eq!(rule.rule_id.len(), 36, "{name}");
        assert_eq!(rule.risk_score, rule.severity.risk_score() as f64, "{name}");
        let text = |key: &str| rule.body.get(key).and_then(Value::as_str).unwrap_or_default().len();
        assert!(text("description") > 60 && text("note") > 60, "{name}");
        let technique = rule.body.get("threat").and_then(|t| t.path(&["0", "technique", "0", "id"]).cloned());
        assert!(technique.is_some_and(|t| t.as_str().is_some_and(|t| t.starts_with('T'))), "{name}");
        let (_, findings) = compile(&Arc::new(rule));
        assert!(!findings.iter().any(Diagnostic::is_error), "{name}: {findings:?}");
    }
}
