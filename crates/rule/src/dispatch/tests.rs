//! The dispatcher against evaluating every rule on its own: made-up rules, and other people's rules where the corpus is there.

use super::*;
use crate::compile::compile;
use crate::rule::{Origin, Rule, load};
use bytes::Bytes;
use event::Meta;
use std::io::{BufRead as _, BufReader};
use stdx::{Rng, Time, Value};

fn event(index: &str, text: &str) -> Event {
    let meta = Meta { index: index.into(), id: "1".into(), version: 1, seq: 0, arrival: Time(0) };
    Event::new(meta, Bytes::copy_from_slice(text.as_bytes()))
}

fn rule(kind: &str, query: &str, index: &[&str]) -> Arc<Compiled> {
    let body = Value::object([
        ("name", Value::from(query)),
        ("type", kind.into()),
        ("query", query.into()),
        ("index", Value::array(index.iter().map(|i| (*i).into()))),
    ]);
    let (rule, findings) = load(&body, Origin::File);
    let (compiled, more) = compile(&Arc::new(rule.unwrap_or_else(|| panic!("{query}: {findings:?}"))));
    Arc::new(compiled.unwrap_or_else(|| panic!("{query}: {more:?}")))
}

fn agree(dispatcher: &Dispatcher, event: &Event) -> usize {
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    for mode in [IndexMode::Match, IndexMode::Ignore] {
        dispatcher.matches_in(event, mode, &mut fast);
        dispatcher.matches_slowly(event, mode, &mut slow);
        assert_eq!(fast, slow, "{mode:?} {:?}", event.raw);
    }
    dispatcher.matches_caught(event, &mut slow, &mut Vec::new());
    dispatcher.matches(event, &mut fast);
    assert_eq!(fast, slow);
    fast.len()
}

#[test]
fn index_patterns_decide_who_sees_an_event() {
    let d =
        Dispatcher::new(vec![rule("query", "a: 1", &["logs-a-*"]), rule("query", "a: 1", &["logs-*", "-logs-b-*"])]);
    let hits = |index: &str| {
        let mut out = Vec::new();
        d.matches(&event(index, r#"{"a":1}"#), &mut out);
        out
    };
    assert_eq!(hits("logs-a-x"), [0, 1]);
    assert_eq!(hits("logs-b-x"), [0; 0]);
    assert_eq!(hits("logs-c-x"), [1]);
    assert_eq!(hits(""), [0, 1]);
    assert_eq!(hits("logs-c-x"), [1]);
}

#[test]
fn a_broken_event_matches_nothing() {
    let d = Dispatcher::new(vec![rule("query", "not a: 1", &["*"])]);
    assert_eq!(agree(&d, &event("x", "{}")), 1);
    assert_eq!(agree(&d, &event("x", "{")), 0);
}

/// Random queries over few fields and values, random events over the same: fast equals slow.
#[test]
fn no_match_is_lost_or_invented() {
    let fields = ["a", "a.b", "process.name", "event.category", "message", "n", "ü"];
    let values = ["x", "X", "xy", "\"Foo bar\"", "foo*", "*BAR*", "K\u{212a}", "É*", "1", "true", "*", "ß"];
    fn query(rng: &mut Rng, depth: u32, fields: &[&str], values: &[&str]) -> String {
        match rng.below(if depth > 2 { 2 } else { 6 }) {
            0 | 1 => {
                let field = fields[rng.below(fields.len() as u64) as usize];
                match rng.below(4) {
                    0 => format!("{field}: ({} or {})", value(rng, values), value(rng, values)),
                    1 if field == "n" => "n >= 1".into(),
                    _ => format!("{field}: {}", value(rng, values)),
                }
            }
            2 => format!("not ({})", query(rng, depth + 1, fields, values)),
            n => {
                let word = if n == 3 { "or" } else { "and" };
                format!(
                    "({}) {word} ({})",
                    query(rng, depth + 1, fields, values),
                    query(rng, depth + 1, fields, values)
                )
            }
        }
    }
    fn value<'a>(rng: &mut Rng, values: &[&'a str]) -> &'a str {
        values[rng.below(values.len() as u64) as usize]
    }
    let leaves = [
        r#""x""#,
        r#""X""#,
        r#""xy""#,
        r#""foo bar""#,
        r#""Foo bar""#,
        r#""a FOO BAR z""#,
        r#""k\u212a""#,
        r#""éa""#,
        r#""Éa""#,
        "1",
        "2",
        "1.5",
        "true",
        "null",
        r#""""#,
        r#"["x","foo"]"#,
        r#"{"b":"x"}"#,
        r#""ß""#,
        r#""SS""#,
    ];
    let mut rng = Rng::new(5);
    let mut found = 0;
    for _ in 0..40 {
        let rules = (0..40).map(|_| rule("query", &query(&mut rng, 0, &fields, &values), &["logs-*"])).collect();
        let d = Dispatcher::new(rules);
        for _ in 0..60 {
            let mut text = String::from("{");
            for field in fields {
                if rng.chance(0.5) {
                    let leaf = leaves[rng.below(leaves.len() as u64) as usize];
                    text +=
                        &format!("{}{}:{leaf}", if text.len() > 1 { "," } else { "" }, stdx::json::text(&field.into()));
                }
            }
            text.push('}');
            found += agree(&d, &event(["logs-x", "other"][rng.below(2) as usize], &text));
        }
    }
    assert!(found > 1000, "{found}");
}

fn corpus(path: &str) -> Option<Box<dyn std::io::BufRead>> {
    let path = format!("{}/../../../shared/corpus/{path}", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).ok()?;
    Some(match path.ends_with(".gz") {
        true => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file))),
        false => Box::new(BufReader::new(file)),
    })
}

/// Other people's rules over their generated positives: fast equals slow, and hardly a rule goes unfiltered.
#[test]
fn rules_of_the_corpus_lose_no_match() {
    let (Some(rules), Some(cases)) =
        (corpus("elastic-rules.jsonl"), corpus("events/geneve-elastic-positives.jsonl.gz"))
    else {
        println!("skipped: corpus absent");
        return;
    };
    let compiled: Vec<Arc<Compiled>> = rules
        .lines()
        .filter_map(|line| Rule::from_json(&line.unwrap()).0)
        .filter_map(|rule| compile(&Arc::new(rule)).0.map(Arc::new))
        .collect();
    assert!(compiled.len() > 250, "{}", compiled.len());
    let d = Dispatcher::new(compiled);
    assert!(d.unfiltered() * 20 < d.rules().len(), "{} of {}", d.unfiltered(), d.rules().len());
    let mut found = 0;
    for line in cases.lines() {
        let value = stdx::json::parse(&line.unwrap()).unwrap();
        for case in value.get("cases").and_then(Value::as_array).unwrap_or_default() {
            for doc in case.get("docs").and_then(Value::as_array).unwrap_or_default() {
                found += agree(&d, &event("logs-system.auth-default", &stdx::json::text(doc)));
                found += agree(&d, &event("", &stdx::json::text(doc)));
            }
        }
    }
    println!("{} rules, {} unfiltered, {found} matches", d.rules().len(), d.unfiltered());
    assert!(found > 300, "{found}");
}
