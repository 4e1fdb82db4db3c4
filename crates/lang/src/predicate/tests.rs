//! Tests of predicates over events.

use super::*;
use crate::analysis;
use bytes::Bytes;
use event::Meta;
use stdx::{Id, Rng, Time};

/// An event of JSON text.
pub(crate) fn event(json: &str) -> Event {
    let meta = Meta {
        index: "logs-test-default".into(),
        id: Id("e".into()),
        version: 1,
        seq: 1,
        arrival: Time::parse("2025-01-15T12:00:00Z").unwrap(),
    };
    let event = Event::new(meta, Bytes::copy_from_slice(json.as_bytes()));
    event.check().unwrap();
    event
}

#[test]
fn values_of_every_json_type_compare_as_text() {
    let e = event(r#"{"a":{"n":4688,"f":1.5,"g":2.0,"b":true,"z":null,"l":["x",7]}}"#);
    for (field, value, expected) in [
        ("a.n", "4688", true),
        ("a.f", "1.5", true),
        ("a.g", "2.0", true),
        ("a.b", "true", true),
        ("a.z", "null", false),
        ("a.l", "x", true),
        ("a.l", "7", true),
        ("a.l", "8", false),
        ("a", "x", false),
        ("missing", "", false),
    ] {
        assert_eq!(
            Predicate::leaf(field, Test::equals(value, Case::Sensitive)).matches(&e),
            expected,
            "{field} {value}"
        );
    }
    assert!(Predicate::leaf("missing", Test::Exists).negate().matches(&e));
    assert!(!Predicate::leaf("a.z", Test::Exists).matches(&e));
}

#[test]
fn or_merges_equalities_and_sets_find_every_member() {
    let words = ["b", "A", "c", "ä", "B"];
    let set = Predicate::or(words.iter().map(|w| Predicate::leaf("f", Test::equals(w, Case::Insensitive))));
    assert!(matches!(&set, Predicate::Leaf(Leaf { test: Test::AnyOf(s), .. }) if s.values.len() == 4), "{set:?}");
    for (value, expected) in [("b", true), ("a", true), ("C", true), ("Ä", true), ("d", false), ("", false)] {
        assert_eq!(set.matches(&event(&format!(r#"{{"f":"{value}"}}"#))), expected, "{value}");
    }
}

#[test]
fn nested_needs_one_object_for_all_tests() {
    let e = event(r#"{"k":[{"n":1,"m":2},{"n":3,"m":4}]}"#);
    let nested = |n: i64, m: i64| Predicate::Nested {
        path: "k".into(),
        inner: Box::new(Predicate::and([
            Predicate::leaf("n", Test::Number(Number::Int(n))),
            Predicate::leaf("m", Test::Number(Number::Int(m))),
        ])),
    };
    assert!(nested(1, 2).matches(&e));
    assert!(!nested(1, 4).matches(&e));
}

#[test]
fn wildcard_names_enumerate_the_fields() {
    let e = event(r#"{"cloud":{"account":{"id":"42"}},"cloud.project.id":"p","other":{"id":"x"}}"#);
    let any = |value: &str| Predicate::AnyField {
        fields: Wildcard::unescaped("cloud.*.id", Case::Sensitive),
        test: Test::equals(value, Case::Sensitive),
    };
    assert!(any("42").matches(&e) && any("p").matches(&e) && !any("x").matches(&e));
}

#[test]
fn phrases_follow_each_other() {
    let e = event(r#"{"t":"Invoke-Expression (New-Object Net.WebClient)"}"#);
    let phrase = |text: &str| Predicate::leaf("t", Test::phrase(text, false).unwrap()).matches(&e);
    assert!(
        phrase("new-object net.webclient") && phrase("Expression New") && !phrase("New Net") && !phrase("invoke new")
    );
    assert_eq!(analysis::words("a b").count(), 2);
}

/// Random predicates over few fields and values, so that hits are frequent.
fn random(rng: &mut Rng, depth: u32) -> Predicate {
    let fields = ["a", "b.c", "d"];
    let texts = ["x", "y", "xy", "z*", "*y", "X"];
    let pick = |rng: &mut Rng, n: usize| usize::try_from(rng.below(n as u64)).unwrap();
    if depth == 0 || rng.chance(0.3) {
        let (field, text) = (fields[pick(rng, 3)], texts[pick(rng, 6)]);
        let case = if rng.chance(0.5) { Case::Sensitive } else { Case::Insensitive };
        let test = match rng.below(4) {
            0 => Test::Wildcard(Wildcard::unescaped(text, case)),
            1 => Test::Exists,
            2 => Test::any_of(texts[..1 + pick(rng, 5)].iter().map(|t| (*t).into()).collect(), case),
            _ => Test::equals(text, case),
        };
        return Predicate::leaf(field, test);
    }
    let parts: Vec<_> = (0..=rng.below(3)).map(|_| random(rng, depth - 1)).collect();
    match rng.below(3) {
        0 => Predicate::and(parts),
        1 => Predicate::or(parts),
        _ => Predicate::and(parts).negate(),
    }
}

/// The same condition without flattening, merging and reordering.
fn naive(p: &Predicate, e: &Event) -> bool {
    match p {
        Predicate::And(parts) => !parts.iter().any(|p| !naive(p, e)),
        Predicate::Or(parts) => parts.iter().fold(false, |hit, p| naive(p, e) | hit),
        Predicate::Not(inner) => !naive(inner, e),
        Predicate::Leaf(Leaf { field, test: Test::OneOf(tests) }) => {
            tests.iter().any(|t| naive(&Predicate::Leaf(Leaf { field: field.clone(), test: t.clone() }), e))
        }
        Predicate::Leaf(Leaf { field, test: Test::AnyOf(set) }) => {
            set.values.iter().any(|v| Predicate::leaf(&field.text, Test::equals(v, set.case)).matches(e))
        }
        other => other.matches(e),
    }
}

#[test]
fn required_anchors_hold_in_every_match() {
    let mut rng = Rng::new(11);
    let values = ["x", "y", "xy", "zz", "X", "ay"];
    let (mut hits, mut clauses) = (0, 0);
    for _ in 0..5_000 {
        let p = random(&mut rng, 3);
        let required = p.required();
        let mut pick = || values[usize::try_from(rng.below(6)).unwrap()];
        let e = event(&format!(
            r#"{{"a":"{}","b":{{"c":["{}","{}"]}}{}}}"#,
            pick(),
            pick(),
            pick(),
            ["", r#","d":"y""#][usize::from(pick() == "x")]
        ));
        assert_eq!(p.matches(&e), naive(&p, &e), "{p:?}");
        if !p.matches(&e) {
            continue;
        }
        hits += 1;
        assert!(!required.never, "{p:?}");
        for clause in &required.clauses {
            clauses += 1;
            let holds = clause.0.iter().any(|a| {
                e.any(&a.field, |s| {
                    test::text(s, |v| match a.kind {
                        AnchorKind::Equals => a.case.equal(v, &a.text),
                        AnchorKind::Contains => a.case.fold(v).contains(&*a.text),
                        AnchorKind::Exists => true,
                    })
                })
            });
            assert!(holds, "{p:?} requires {clause:?}");
        }
    }
    assert!(hits > 500 && clauses > 500, "{hits} {clauses}");
}
