//! Never-panics: every parser and everything behind it over mutated queries.
//!
//! Invariants checked: a tree is given exactly when there is no error; spans lie on characters of the text; printing a tree and parsing the
//! text gives the same tree; what parses compiles and evaluates.

use bytes::Bytes;
use event::{Event, Meta};
use lang::eql::Options;
use lang::{Case, Ecs, Pattern, dsl, eql, kql, lucene};
use stdx::{Diagnostic, Id, Rng, Time, Value};

/// Queries to start from, of all languages: each parser sees all of them.
const SEEDS: &[&str] = &[
    "process.name: (cmd.exe or \"power shell\") and not user.id: S-1-5-* and n >= 5",
    "k: { n: 1 and m: (a or b) } or message: \"foo \\\"bar\\\" \\u0041\"",
    "a: \\(x\\) and b: and\\ or c: \\* and *.ip: 10.0.0.0/8",
    "process where process.name : (\"cmd*\", \"?x\") and length(process.args) > 2 // comment",
    "sequence by host.id with maxspan=5m [process where a == 1] by b ![file where true] by c until [any where x] by d",
    "any where not (a in~ (\"x\", 1, 2.5e3) or b regex~ \"\"\"a.*[b-c]{1,2}\"\"\") and -(n + 1) * 2 % 3 <= number(\"0x1f\", 16)",
    "sample by ?a [any where b like~ \"*\"] [any where c != null] | head 5",
    "f:(a OR b*) AND NOT g:\"p q\"~2^3 +h:[1 TO 5} -i:/ab?c/ _exists_:j || k:>=5",
    "between~(s, \"a\", \"b\", true) == concat(\"x\", string(n), null) and substring(s, -3, -1) : \"*\"",
    "@timestamp >= now-1d/d and @timestamp < 2025-01-01||+1M/M",
];

const PIECES: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    "*",
    "?",
    "~",
    "^",
    " and ",
    " or ",
    " not ",
    "not ",
    "AND",
    "in",
    "!",
    "\u{0}",
    "ä",
    "\u{a0}",
    "\u{10ffff}",
    "||",
    "&&",
    "now",
    "/",
    "-",
    "1",
    "99999999999999999999",
    "\"\"\"",
    "'",
    "`",
    "\n",
    "//",
    "/*",
    "\\u00",
    "<",
    "=",
    ",",
    ".",
    "null",
    "e9",
    "#",
    "&",
    "@",
    "|",
];

fn event() -> Event {
    let meta =
        Meta { index: "i".into(), id: Id::new("e"), version: 1, seq: 1, arrival: Time::from_ms(1_736_942_400_000) };
    let doc = r#"{"a":["x",1,null],"b":{"c":2.5},"process":{"name":"cmd.exe","args":["a","b"]},"n":7,"s":"aäb","k":[{"n":1}],
        "@timestamp":"2025-01-14T10:00:00Z","message":"foo bar","source":{"ip":"10.0.0.1"},"x":true}"#;
    Event::new(meta, Bytes::from_static(doc.as_bytes()))
}

fn mutate(rng: &mut Rng, seeds: &[String]) -> String {
    let pick = |rng: &mut Rng, n: usize| usize::try_from(rng.below(n as u64)).unwrap_or(0);
    let mut text: Vec<char> = seeds[pick(rng, seeds.len())].chars().take(2_000).collect();
    for _ in 0..1 + rng.below(6) {
        let at = pick(rng, text.len() + 1);
        match rng.below(5) {
            0 if at < text.len() => drop(text.remove(at)),
            1 => text.truncate(at),
            2 => {
                let piece = PIECES[pick(rng, PIECES.len())];
                text.splice(at..at, piece.chars());
            }
            3 => {
                let other: Vec<char> = seeds[pick(rng, seeds.len())].chars().take(500).collect();
                let from = pick(rng, other.len() + 1);
                text.splice(at..at, other[from..].iter().copied());
            }
            _ if at < text.len() => {
                let to = (at + pick(rng, 20)).min(text.len());
                text.drain(at..to);
            }
            _ => {}
        }
    }
    text.into_iter().take(4_000).collect()
}

fn check_spans(text: &str, found: &[Diagnostic], tree: bool) {
    assert_eq!(tree, !found.iter().any(Diagnostic::is_error), "{text:?}: {found:?}");
    for d in found {
        assert!(d.span.start <= d.span.end && d.span.end <= text.len(), "{text:?}: {d:?}");
        assert!(text.is_char_boundary(d.span.start) && text.is_char_boundary(d.span.end), "{text:?}: {d:?}");
        assert!(!d.message.is_empty() && d.hint.as_ref().is_some_and(|h| !h.is_empty()), "{d:?}");
    }
}

fn check(text: &str, event: &Event, context: &Value) -> [bool; 3] {
    let (tree, found) = kql::parse(text);
    check_spans(text, &found, tree.is_some());
    if let Some(tree) = &tree {
        let printed = tree.to_string();
        assert_eq!(kql::parse(&printed).0.as_ref(), Some(tree), "{text:?} printed {printed:?}");
        let predicate = kql::over_event(tree, &Ecs);
        predicate.matches(event);
        predicate.required();
        kql::over_context(tree, context, Time(0));
    }
    let (query, found) = eql::parse(text);
    check_spans(text, &found, query.is_some());
    if let Some(query) = &query {
        let printed = query.to_string();
        assert_eq!(eql::parse(&printed).0.as_ref(), Some(query), "{text:?} printed {printed:?}");
        match eql::over_event(query, &Options::default()) {
            Ok(predicate) => {
                predicate.matches(event);
            }
            Err(found) => check_spans(text, &found, false),
        }
    }
    let (node, found) = lucene::parse(text);
    check_spans(text, &found, node.is_some());
    if let Some(node) = &node {
        lucene::over_event(node, &Ecs).matches(event);
    }
    if let Ok(pattern) = Pattern::lucene(text, Case::Insensitive) {
        pattern.matches(text);
    }
    let simple = dsl::parse(&serde_json::json!({"simple_query_string": {"query": text}}));
    simple.expect("never fails").to_predicate(&Ecs).matches(event);
    lang::date::DateMath::parse(text);
    [tree.is_some(), query.is_some(), node.is_some()]
}

/// Own seeds, and queries of the corpus where it is there.
fn seeds() -> Vec<String> {
    let mut out: Vec<String> = SEEDS.iter().map(|s| (*s).to_owned()).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/elastic-rules.jsonl");
    match std::fs::read_to_string(path) {
        Ok(text) => out.extend(
            text.lines()
                .step_by(7)
                .filter_map(|l| stdx::json::parse(l).ok()?.get("query")?.as_str().map(str::to_owned)),
        ),
        Err(_) => println!("skipped: corpus absent"),
    }
    out
}

#[test]
fn parsers_and_evaluators_survive_mutated_queries() {
    let (event, context, seeds) = (event(), event().to_value(), seeds());
    let mut rng = Rng::new(2026);
    let mut parsed = [0; 3];
    for seed in &seeds {
        check(seed, &event, &context);
    }
    for _ in 0..6_000 {
        let text = mutate(&mut rng, &seeds);
        for (count, ok) in parsed.iter_mut().zip(check(&text, &event, &context)) {
            *count += usize::from(ok);
        }
    }
    assert!(parsed.iter().all(|n| *n > 300), "mutations should leave some queries whole: {parsed:?}");
}

#[test]
fn the_dsl_survives_mutated_trees() {
    let seed = serde_json::json!({"bool": {"must": [{"term": {"a": {"value": "x", "case_insensitive": true}}}, {"range": {"@timestamp": {"gte": "now-1d", "time_zone": "+01:00"}}}],
        "should": [{"match": {"message": {"query": "foo bar", "operator": "and"}}}, {"query_string": {"query": "a:b OR c", "fields": ["x^2", "*"]}}],
        "must_not": {"nested": {"path": "k", "query": {"terms": {"k.n": [1, 2]}}}}, "minimum_should_match": "2<75%"}});
    let mut rng = Rng::new(7);
    let event = event();
    let mut whole = 0;
    for _ in 0..10_000 {
        let mut tree = seed.clone();
        for _ in 0..1 + rng.below(3) {
            scramble(&mut tree, &mut rng);
        }
        if let Ok(query) = dsl::parse(&tree) {
            whole += 1;
            query.to_predicate(&Ecs).matches(&event);
        }
    }
    assert!(whole > 300, "{whole}");
}

/// Replaces one value somewhere in the tree.
fn scramble(tree: &mut serde_json::Value, rng: &mut Rng) {
    let pick = |rng: &mut Rng, n: usize| usize::try_from(rng.below(n as u64)).unwrap_or(0);
    if rng.chance(0.7) {
        let inner = match tree {
            serde_json::Value::Array(a) if !a.is_empty() => {
                let i = pick(rng, a.len());
                a.get_mut(i)
            }
            serde_json::Value::Object(o) if !o.is_empty() => {
                let i = pick(rng, o.len());
                o.values_mut().nth(i)
            }
            _ => None,
        };
        if let Some(inner) = inner {
            return scramble(inner, rng);
        }
    }
    let values = [
        serde_json::json!(null),
        serde_json::json!([]),
        serde_json::json!({}),
        serde_json::json!("x*"),
        serde_json::json!(-7),
        serde_json::json!(1e300),
        serde_json::json!({"match_all": {}}),
        serde_json::json!({"wildcard": {"a": "?\\"}}),
        serde_json::json!({"regexp": {"a": "[a"}}),
        serde_json::json!("now/d"),
        serde_json::json!(true),
    ];
    *tree = values[pick(rng, values.len())].clone();
}

/// Nesting at the limit needs half of the smallest stack that the product gives a thread.
#[test]
fn the_deepest_queries_fit_half_a_megabyte_of_stack() {
    let run = || {
        let (event, n) = (event(), lang::DEPTH_MAX - 2);
        let (open, close) = ("(".repeat(n), ")".repeat(n));
        let nested = format!("{}n: 1{}", "k: {".repeat(n), "}".repeat(n));
        let nots = format!("{}a: x{}", "not (".repeat(n), ")".repeat(n));
        for text in [format!("{open}a: x{close}"), nested, nots, format!("a: {open}x{close}")] {
            let tree = kql::parse(&text).0.unwrap_or_else(|| panic!("{text}"));
            assert!(!tree.to_string().is_empty());
            kql::over_event(&tree, &Ecs).matches(&event);
            kql::over_context(&tree, &Value::Null, Time(0));
        }
        let sums = format!("{}length(s){} > 1", "1 + (".repeat(n - 2), ")".repeat(n - 2));
        let nots = format!("{}(x or length(s) > n)", "not ".repeat(n - 2));
        for text in [format!("{open}x{close}"), sums, nots, format!("{}n < 1", "-".repeat(n))] {
            let query = eql::parse(&format!("any where {text}")).0.unwrap_or_else(|| panic!("{text}"));
            assert!(!query.to_string().is_empty());
            eql::over_event(&query, &Options::default()).unwrap().matches(&event);
        }
        let tree = lucene::parse(&format!("{open}a:x{close}")).0.unwrap();
        lucene::over_event(&tree, &Ecs).matches(&event);
        let mut tree = serde_json::json!({"term": {"a": "x"}});
        for _ in 0..n / 2 {
            tree = serde_json::json!({"bool": {"must_not": {"nested": {"path": "k", "query": tree}}}});
        }
        dsl::parse(&tree).unwrap().to_predicate(&Ecs).matches(&event);
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}
