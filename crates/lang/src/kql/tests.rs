//! Tests of KQL: grammar, both evaluators, printing.

use super::*;
use crate::predicate::tests::event;
use crate::types::Ecs;
use stdx::{Rng, Time, Value};

fn ast(text: &str) -> Ast {
    let (ast, found) = parse(text);
    ast.unwrap_or_else(|| panic!("{text}: {found:?}"))
}

#[test]
fn trees_are_as_the_reference_gives_them() {
    for (text, printed) in [
        ("a: x or b: y and not c: z", "a: x or (b: y and not c: z)"),
        ("a: (x or y*) and b >= 3", "(a: x or a: y*) and b >= 3"),
        ("a: (x and not y)", "a: x and not a: y"),
        ("cloud.*.id: *", "cloud.*.id: *"),
        ("k: { n: 1 and m: 2 }", "k: { n: 1 and m: 2 }"),
        ("k:{n:1}", "k: { n: 1 }"),
        ("a: \"C:\\\\Temp\\\\*\"", "a: \"C:\\\\Temp\\\\*\""),
        ("a: C\\:\\\\Temp\\\\*", "a: C\\:\\\\Temp\\\\*"),
        ("process.name : foo bar ", "process.name: foo\\u0020bar"),
        ("(a:x)OR b:y", ""),
        ("NOT a:x AND (b:y OR c:z)", "not a: x and (b: y or c: z)"),
        ("a: x\\and y", "a: x\\and\\u0020y"),
        ("a: (x or (y and not z))", "a: x or (a: y and not a: z)"),
        ("a: \"\\u0041\\t\"", "a: \"A\\t\""),
        ("\"a b\": x", "\"a b\": x"),
        ("android: x", "\\android: x"),
        ("a: sandor", "a: s\\and\\or"),
        ("  ", ""),
        ("a:\"\"", "a: \"\""),
        ("a: \u{a0}x\u{a0}and\u{a0}b: y", "a: x and b: y"),
        ("not (not a: x)", "not (not a: x)"),
    ] {
        let (tree, found) = parse(text);
        match printed {
            "" if !text.trim().is_empty() => assert!(tree.is_none() && !found.is_empty(), "{text}"),
            printed => assert_eq!(ast(text).to_string(), printed, "{text}"),
        }
    }
}

#[test]
fn mistakes_have_code_place_and_hint() {
    for (text, start, part) in [
        ("a: ", 3, "a value was expected"),
        ("a: (x or", 3, "not closed"),
        ("a: x)", 4, "without `(`"),
        ("(a: x", 0, "not closed"),
        ("a: \"x", 3, "quote is not closed"),
        ("a: x and", 4, ""),
        ("a: b: c", 4, "`:` is not expected"),
        ("a: knot x", 4, ""),
        ("a: c\\d", 4, "backslash"),
        ("a: {b: 1", 3, "not closed"),
        ("and a: x", 0, ""),
        ("a > ", 4, "a value was expected"),
        ("a: (x y) z", 9, "not expected"),
    ] {
        let (tree, found) = parse(text);
        if part.is_empty() {
            continue;
        }
        assert!(tree.is_none(), "{text}");
        let first = &found[0];
        assert_eq!((first.code, first.span.start), ("kqlSyntax", start), "{text}: {found:?}");
        assert!(first.message.contains(part) && first.hint.is_some(), "{text}: {found:?}");
    }
    let (tree, found) = parse("a == b");
    assert!(tree.is_some() && found[0].code == "kqlNoEquality" && !found[0].is_error());
    // One pass finds every mistake.
    assert_eq!(
        parse("a: ) and b: \\d and c: x) or d: ").1.len(),
        4,
        "{:?}",
        parse("a: ) and b: \\d and c: x) or d: ").1
    );
    assert_eq!(parse(&"(".repeat(100_000)).1[0].code, "kqlLimit");
    assert_eq!(parse(&"a: {".repeat(100_000)).1[0].code, "kqlLimit");
    assert_eq!(parse(&"x".repeat(2 << 20)).1[0].code, "kqlLimit");
}

#[test]
fn over_events_by_field_type() {
    let e = event(
        r#"{"a":"Open","n":5,"list":["x","y"],"process":{"pid":42,"name":"CMD.exe"},"source":{"ip":"10.1.2.3"},
        "@timestamp":"2025-01-14T10:00:00Z","message":"Failed password for root","cloud":{"acc":{"id":"7"}},"k":[{"n":1,"m":2},{"n":3,"m":4}],
        "dll":{"code_signature":{"trusted":true}},"host":{"os":{"name":"Ubuntu","kernel":{"caseless":"Linux"}}},"e":[],"z":null}"#,
    );
    for (query, expected) in [
        ("", true),
        ("*: *", true),
        ("a: Open", true),
        ("a: open", false),
        ("a: O*n", true),
        ("a: \"O*n\"", false),
        ("a: *", true),
        ("zz: *", false),
        ("e: * or z: *", false),
        ("not zz: x", true),
        ("n: 5 and n > 4 and n <= 5 and not n < 5", true),
        ("n: \"5\"", true),
        ("list: (x and y)", true),
        ("list: (x and z)", false),
        ("process.pid: 42 and process.pid >= 42", true),
        ("process.name: cmd.exe", false),
        ("process.name.text: cmd.exe", true),
        ("host.os.name.caseless: ubuntu", true),
        ("host.os.kernel.caseless: linux", true),
        ("not host.os.kernel.caseless: linux", false),
        ("source.ip: 10.0.0.0/8", true),
        ("source.ip: \"10.1.2.3\"", true),
        ("source.ip: 11.0.0.0/8", false),
        ("source.ip >= 10.0.0.0 and source.ip < 10.2.0.0", true),
        ("@timestamp: \"2025-01-14\"", true),
        ("@timestamp >= now-1d/d and @timestamp < now", true),
        ("@timestamp > 2025-01-14", false),
        ("message: password", true),
        ("message: (nothing or root)", true),
        ("message: nothing root", true),
        ("message: \"nothing root\"", false),
        ("message: \"Failed password\"", true),
        ("message: passw*", true),
        ("message: failed pass*root", true),
        ("message: *ailed*word*", false),
        ("cloud.*.id: 7", true),
        ("cloud.*.id: *", true),
        ("cloud.*.name: *", false),
        ("k: { n: 1 and m: 2 }", true),
        ("k: { n: 1 and m: 4 }", false),
        ("k.n: 1 and k.m: 4", true),
        ("dll.code_signature.trusted: true", true),
        ("dll.code_signature.trusted: false", false),
        ("a: null", false),
        ("process: *", true),
        ("root", true),
        ("nobody", false),
        ("*: Open", true),
    ] {
        assert_eq!(over_event(&ast(query), &Ecs).matches(&e), expected, "{query}");
    }
}

#[test]
fn over_context_vectors() {
    let context = stdx::json::parse(
        r#"{"s":"Open","n":5,"b":false,"z":null,"e":"","a":["x","y"],"o":{"k":1},"list":[{"id":1},{"id":2}],"t":"2025-01-15T12:00:00Z"}"#,
    )
    .unwrap();
    let now = Time::parse("2025-01-16T12:00:00Z").unwrap();
    for (query, expected) in [
        ("s: Open", true),
        ("s: open", false),
        ("s: \"Op*\"", false),
        ("s: Op*", true),
        ("s: 'Open'", false),
        ("n: 5", true),
        ("n: \"5\"", true),
        ("n > 4 and n <= 5", true),
        ("b: false", true),
        ("b: *", true),
        ("z: *", false),
        ("z: null", false),
        ("e: \"\"", true),
        ("NOT s: Closed AND n: 5", true),
        ("Open", false),
        ("a: y", true),
        ("a: *", true),
        ("list.id: 2", true),
        ("a.length: 2", true),
        ("o.k >= 1", true),
        ("o: *", true),
        ("missing: *", false),
        ("not missing: *", true),
        ("missing < 3", false),
        ("t > \"2025-01-01\"", true),
        ("s: (Open or Closed)", true),
        ("not (s: Open and n: 6)", true),
        ("a: (x and z)", false),
        // The rules behind the vectors.
        ("a[1]: y", true),
        ("a.0: x", true),
        ("list[1].id: 2", true),
        ("list[1].id: 1", false),
        ("missing.length: 0", false),
        ("s.length: 4", true),
        ("t >= now-2d and t < now", true),
        ("t >= now/d", false),
        ("t < 2025-01-14||+2d", true),
        ("o: x", false),
        ("o: { k: 1 }", false),
        ("n: 5*", true),
        ("s > \"Na\"", true),
        ("n: 5x", true),
        ("n > x", false),
        ("b: x", false),
        ("list.length > 1", true),
        ("", true),
    ] {
        assert_eq!(over_context(&ast(query), &context, now), expected, "{query}");
    }
    let alert =
        stdx::json::parse(r#"{"event":{"alerts":[{"kibana.alert.severity":"high","my-step":{"v":1}}]}}"#).unwrap();
    let lookup = |name: &str| alert.get(name).cloned();
    assert!(over_context(&ast("event.alerts.kibana.alert.severity: high"), &lookup, now));
    assert!(over_context(&ast("event.alerts[0].my-step.v > 0"), &alert, now));
    assert!(!over_context(&ast("event.alerts.kibana.alert.severity: \"\""), &Value::Null, now));
}

#[test]
fn what_cannot_be_meant_gives_warnings() {
    let codes =
        |text: &str, ground| lint(&ast(text), ground).into_iter().map(|d| (d.code, d.span.start)).collect::<Vec<_>>();
    for (text, expected) in [
        ("source.ip: 10.0.0.0/8 and process.pid: 5 and a: b", vec![]),
        ("source.ip: ten", vec![("kqlType", 11)]),
        ("process.pid >= abc or process.pid: x*", vec![("kqlType", 15)]),
        ("@timestamp >= yesterday", vec![("kqlType", 14)]),
        ("dll.code_signature.trusted: yes", vec![("kqlType", 28)]),
        ("a: null", vec![("kqlNull", 3)]),
        ("a: 'open'", vec![("kqlSingleQuotes", 3)]),
        ("free text", vec![]),
    ] {
        assert_eq!(codes(text, Ground::Events(&Ecs)), expected, "{text}");
    }
    for (text, expected) in [
        ("a.b: c and n > 5", vec![]),
        ("free text", vec![("kqlBareValue", 0)]),
        ("k: { a: null }", vec![("kqlNested", 0), ("kqlNull", 8)]),
        ("a: 'open'", vec![("kqlSingleQuotes", 3)]),
    ] {
        assert_eq!(codes(text, Ground::Context), expected, "{text}");
    }
}

fn literal(rng: &mut Rng) -> Literal {
    let pieces = [
        "a", "b.c", " ", "and", "OR", "not ", "\\", "\"", "*", ":", "x y", "(", "}", "ä", "\u{a0}", "\n", "<", "u0041",
        "null", "?",
    ];
    let quoted = rng.chance(0.4);
    let mut parts: Vec<Part> = Vec::new();
    for _ in 0..=rng.below(3) {
        if !quoted && rng.chance(0.3) {
            parts.push(Part::Any);
            continue;
        }
        let piece = pieces[usize::try_from(rng.below(pieces.len() as u64)).unwrap()];
        piece.chars().for_each(|c| crate::pattern::push_text(&mut parts, c));
    }
    Literal { parts, quoted, at: At::default() }
}

fn node(rng: &mut Rng, depth: u32) -> Node {
    let many = |rng: &mut Rng| (0..2 + rng.below(2)).map(|_| node(rng, depth - 1)).collect::<Vec<_>>();
    if depth == 0 || rng.chance(0.3) {
        return match rng.below(4) {
            0 => Node::Text(literal(rng)),
            1 => Node::Range { field: literal(rng), op: CompareOp::Ge, value: literal(rng) },
            _ => Node::Is { field: literal(rng), value: literal(rng) },
        };
    }
    match rng.below(4) {
        0 => Node::And(many(rng)),
        1 => Node::Or(many(rng)),
        2 => Node::Not(Box::new(node(rng, depth - 1))),
        _ => Node::Nested { field: literal(rng), inner: Box::new(node(rng, depth - 1)) },
    }
}

#[test]
fn printed_trees_parse_to_themselves() {
    let mut rng = Rng::new(3);
    for _ in 0..5_000 {
        let tree = Ast { root: node(&mut rng, 3) };
        let text = tree.to_string();
        assert_eq!(ast(&text), tree, "{text}");
    }
}
