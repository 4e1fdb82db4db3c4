//! Tests of the flat parse against the plain value.

use super::*;
use stdx::Rng;

fn event(text: &str) -> Event {
    let meta = Meta { index: "logs-test-default".into(), id: "1".into(), version: 1, seq: 0, arrival: Time(0) };
    Event::new(meta, Bytes::copy_from_slice(text.as_bytes()))
}

/// All leaves under `path` by walking the value: the slow definition.
fn slow(value: &Value, rest: &str, out: &mut Vec<String>) {
    fn leaf(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Array(a) => a.iter().for_each(|v| leaf(v, out)),
            Value::Object(_) => {}
            other => out.push(stdx::json::text(other)),
        }
    }
    match value {
        Value::Array(a) => a.iter().for_each(|v| slow(v, rest, out)),
        Value::Object(o) => {
            if let Some(v) = o.get(rest) {
                leaf(v, out);
            }
            for (at, _) in rest.match_indices('.') {
                if let Some(v) = o.get(&rest[..at]) {
                    slow(v, &rest[at + 1..], out);
                }
            }
        }
        _ => {}
    }
}

fn fast(event: &Event, path: &str) -> Vec<String> {
    let mut out = Vec::new();
    event.any(&FieldPath::new(path), |s| {
        out.push(match s {
            Scalar::Null => "null".into(),
            Scalar::Bool(b) => b.to_string(),
            Scalar::Int(i) => i.to_string(),
            Scalar::Float(f) => stdx::json::text(&Value::Float(f)),
            Scalar::Str(t) => stdx::json::text(&Value::from(t)),
        });
        false
    });
    out
}

#[test]
fn nested_and_dotted_spelling_are_one_path() {
    let e = event(
        r#"{"a":{"b.c":1},"a.b":{"c":[2,[3,null]]},"a.b.c":"x","l":[{"k":1},{"k":"ü\n"}],"o":{"p":{"q":null}},"big":18446744073709551615}"#,
    );
    assert_eq!(fast(&e, "a.b.c"), ["1", "2", "3", "null", "\"x\""]);
    assert_eq!(fast(&e, "l.k"), ["1", "\"ü\\n\""]);
    assert_eq!(fast(&e, "l"), [""; 0]);
    assert!(e.exists(&"a".into()) && e.exists(&"l".into()) && !e.exists(&"o".into()) && !e.exists(&"a.b.c.d".into()));
    assert_eq!(e.leaves().count(), 9);
    assert_eq!(e.text(&"a.b.c".into()).as_deref(), Some("x"));
}

#[test]
fn bad_bytes_are_errors() {
    let error = |raw: &[u8]| {
        let e = event("");
        Event::new(e.meta, Bytes::copy_from_slice(raw)).check().unwrap_err().to_string()
    };
    assert_eq!(error(b"[1]"), "the document must be a JSON object, found array");
    assert_eq!(error(b"\"x\""), "the document must be a JSON object, found string");
    assert_eq!(error(b"1"), "the document must be a JSON object, found number");
    assert_eq!(error(b"null"), "the document must be a JSON object, found null");
    assert_eq!(error(b"{\"a\":\"\xff\"}"), "malformed JSON: invalid UTF-8 after byte 6");
    assert!(error(b"{\"a\":").starts_with("malformed JSON: "));
    assert!(error(b"{} x").starts_with("malformed JSON: "));
    assert!(error(b"").starts_with("malformed JSON: "));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(error(deep.as_bytes()).contains("nested too deeply"));
    let deep = "{\"a\":".repeat(100_000);
    assert!(error(deep.as_bytes()).contains("nested too deeply"));
    let wide = format!("{{\"a\":[{}0]}}", "0,".repeat(LEAVES));
    assert!(error(wide.as_bytes()).contains("too many fields"));
}

const LEAVES: usize = crate::LEAVES_MAX;

#[test]
fn the_flat_table_agrees_with_a_walk_over_the_value() {
    fn make(rng: &mut Rng, depth: u64) -> Value {
        match rng.below(if depth > 3 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => Value::Int(rng.next_u64() as i64),
            3 => Value::Float(1.5),
            4 | 5 => Value::from(["", "x", "é\"\\", "long text of more than eight bytes"][rng.below(4) as usize]),
            6 => Value::array((0..rng.below(4)).map(|_| make(rng, depth + 1)).collect::<Vec<_>>()),
            _ => object(rng, depth + 1),
        }
    }
    fn object(rng: &mut Rng, depth: u64) -> Value {
        let keys = ["a", "b", "a.b", "b.a", "a.b.a", "c"];
        Value::object((0..rng.below(5)).map(|_| (keys[rng.below(6) as usize], make(rng, depth))).collect::<Vec<_>>())
    }
    let mut rng = Rng::new(7);
    for _ in 0..3000 {
        let value = object(&mut rng, 0);
        let e = event(&stdx::json::text(&value));
        e.check().unwrap();
        assert_eq!(e.to_value(), value);
        for path in ["a", "b", "c", "a.b", "a.b.a", "a.b.a.b", "b.a", "a.a", "c.c", "a.b.c"] {
            let mut expected = Vec::new();
            slow(&value, path, &mut expected);
            let mut got = fast(&e, path);
            expected.sort();
            got.sort();
            assert_eq!(got, expected, "{path} of {}", stdx::json::text(&value));
        }
    }
}

/// What `check` lets in, `to_value` can read too: both parsers agree on what JSON is.
#[test]
fn whatever_is_let_in_can_become_a_value() {
    let tricky = [
        r#"{"a":1e999}"#,
        r#"{"a":-1e999}"#,
        r#"{"a":1e400,"b":2}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        r#"{"a":"\ud83d\ude00"}"#,
        r#"{"\ud800":1}"#,
        r#"{"a":01}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":+1}"#,
        r#"{"a":-}"#,
        r#"{"a":-0}"#,
        r#"{"a":-0.0}"#,
        r#"{"a":NaN}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":tru}"#,
        r#"{"a":"\x"}"#,
        "{\"a\":\"\t\"}",
        "{\"a\":\"\u{7f}\"}",
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{,}"#,
        r#"{a:1}"#,
        r#"{'a':1}"#,
        r#"{"a":99999999999999999999999999999999}"#,
        r#"{"a":18446744073709551615}"#,
        r#"{"a":-9223372036854775809}"#,
        r#"{"a":123456789012345678901234567890.5}"#,
        r#"{"a":1}}"#,
        r#"{"a":1}{}"#,
        "\u{feff}{\"a\":1}",
        r#"{"a" 1}"#,
        r#"{"a"::1}"#,
        r#"{"a":"#,
        r#"{"a":"b"#,
        "{\"a\":1}\0",
        "{\"\":1,\"\":2}",
        r#"{"a":{"":{"":1}}}"#,
        r#"{"a.":1,".a":2,"..":3}"#,
        r#"{"a":1e-400}"#,
        r#"{"a":0e5}"#,
        r#"{"a":1E+2}"#,
    ];
    for text in tricky {
        let e = event(text);
        let serde = stdx::json::parse(text).is_ok_and(|v| v.as_object().is_some());
        assert_eq!(e.check().is_ok(), serde, "{text}: {:?}", e.check());
        assert_eq!(e.to_value() != Value::Null, serde, "{text}");
    }
    const WITH: &[u8] = b"{}[]\",:\\eE+-.0159tfnu \x01\xff\xc3";
    let mut rng = Rng::new(3);
    let seeds = [
        r#"{"a":{"b":[1,2.5,-3e2,"x\n\u00e9"],"c.d":null},"e":true,"f":[{"g":"h"},{"g":[]}]}"#,
        r#"{"@timestamp":"2025-01-15","n":123,"s":"é"}"#,
    ];
    for _ in 0..20_000 {
        let mut bytes = seeds[rng.below(2) as usize].as_bytes().to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[at] = WITH[rng.below(WITH.len() as u64) as usize],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, WITH[rng.below(WITH.len() as u64) as usize]),
            }
        }
        let e = Event::new(event("").meta, Bytes::from(bytes.clone()));
        let serde = stdx::json::parse_slice(&bytes).is_ok_and(|v| v.as_object().is_some());
        assert_eq!(e.check().is_ok(), serde, "{:?} {:?}", String::from_utf8_lossy(&bytes), e.check());
    }
}
