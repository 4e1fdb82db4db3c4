//! Tests of Lucene query strings.

use super::*;
use crate::predicate::tests::event;
use crate::types::Ecs;

fn holds(query: &str, json: &str) -> bool {
    let (ast, found) = parse(query);
    over_event(&ast.unwrap_or_else(|| panic!("{query}: {found:?}")), &Ecs).matches(&event(json))
}

const DOC: &str = r#"{"a":"x","b":"y z","n":5,"source":{"ip":"10.1.2.3"},"message":"Failed password for root","p":"C:\\Temp\\a.exe"}"#;

#[test]
fn clauses_terms_ranges() {
    for (query, expected) in [
        ("", true),
        ("*", true),
        ("a:x", true),
        ("a:X", false),
        ("a:(q OR x)", true),
        ("a:(q AND x)", false),
        ("a:x AND NOT n:5", false),
        ("a:x AND n:5", true),
        ("a:q n:5", true),
        ("a:q OR n:6", false),
        ("+a:x -n:5", false),
        ("NOT a:q", true),
        ("!missing:1", true),
        ("b:\"y z\"", true),
        ("b:y", false),
        ("b:y\\ z", true),
        ("a:?", true),
        ("b:y*", true),
        ("p:C\\:\\\\Temp\\\\*.exe", true),
        ("n:[1 TO 5]", true),
        ("n:{1 TO 5}", false),
        ("n:{* TO 5]", true),
        ("n:>4", true),
        ("n:>=6", false),
        ("a:/[xyz]/", true),
        ("_exists_:a", true),
        ("_exists_:zz", false),
        ("a:*", true),
        ("source.ip:\"10.0.0.0/8\"", true),
        ("message:password", true),
        ("message:\"password failed\"", false),
        ("root", true),
        ("nobody", false),
        ("a:q || n:5 && b:q", false),
        ("(a:x OR n:6) AND b:\"y z\"^2", true),
    ] {
        assert_eq!(holds(query, DOC), expected, "{query}");
    }
}

#[test]
fn mistakes_have_places() {
    for (query, code, start) in [
        ("a:(x", "luceneSyntax", 2),
        ("a:x)", "luceneSyntax", 3),
        ("a:\"x", "luceneSyntax", 2),
        ("a:[1 5]", "luceneSyntax", 2),
        ("AND a:x", "luceneSyntax", 0),
        ("a:x OR", "luceneSyntax", 6),
        ("a:/usr", "luceneSyntax", 2),
        ("a:x~2", "luceneFuzzy", 2),
        ("a:", "luceneSyntax", 2),
        ("a:/~x/", "luceneRegex", 2),
    ] {
        let (ast, found) = parse(query);
        assert!(ast.is_none(), "{query}");
        let first = &found[0];
        assert_eq!((first.code, first.span.start), (code, start), "{query}: {found:?}");
        assert!(first.hint.is_some());
    }
    assert_eq!(parse(&"(".repeat(100_000)).1[0].code, "luceneLimit");
}
