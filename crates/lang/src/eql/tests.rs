//! Tests of EQL: grammar, event queries, functions, null rules, printing.

use super::*;
use crate::predicate::tests::event;
use stdx::{Rng, Span};

fn query(text: &str) -> Query {
    let (query, found) = parse(text);
    query.unwrap_or_else(|| panic!("{text}: {found:?}"))
}

fn holds(text: &str, json: &str) -> bool {
    over_event(&query(text), &Options::default()).unwrap_or_else(|e| panic!("{text}: {e:?}")).matches(&event(json))
}

const DOC: &str = r#"{"event":{"category":["process"],"type":"start"},"process":{"name":"CMD.exe","pid":42,"exit_code":0,
"args":["cmd.exe","/c","Whoami"],"command_line":"cmd.exe /c \"whoami\"","executable":"C:\\Windows\\System32\\cmd.exe"},
"source":{"ip":"10.1.2.3"},"@timestamp":"2025-01-14T10:00:00Z","flag":true,"n":7,"f":2.5,"s":"ab\\cd","names":["x","longer"]}"#;

#[test]
fn event_queries_hold_as_documented() {
    for (condition, expected) in [
        ("process.name == \"CMD.exe\"", true),
        ("process.name == \"cmd.exe\"", false),
        ("process.name : \"cmd.exe\"", true),
        ("process.name : (\"x\", \"C?D.*\")", true),
        ("process.name like \"CMD*\" and not process.name like \"cmd*\"", true),
        ("process.name like~ (\"cmd*\")", true),
        ("process.name regex \"C[MN]D\\\\.exe\"", true),
        ("process.name regex~ \"cmd.*\"", true),
        ("process.name regex \"CMD\"", false),
        ("process.name in (\"a\", \"CMD.exe\")", true),
        ("process.name in~ (\"a\", \"cmd.EXE\")", true),
        ("process.name not in (\"a\")", true),
        ("not process.name in (\"a\", \"CMD.exe\")", false),
        ("process.args == \"/c\" and process.args : \"whoami\"", true),
        ("not process.args == \"/c\"", false),
        ("process.pid == 42 and process.pid != 43 and 41 < process.pid", true),
        ("process.pid == 42.0", true),
        ("f >= 2.5 and f < 3", true),
        ("s == \"ab\\\\cd\" and s : \"AB\\\\C*\"", true),
        ("s : \"\"\"ab\\cd\"\"\"", true),
        ("missing == null and process.name != null and ?missing == null", true),
        ("missing != null", false),
        ("missing != \"x\"", true),
        ("not missing : \"x\"", true),
        ("not missing > 5", false),
        ("missing > 5 or missing == \"x\"", false),
        ("flag and flag == true and not flag == false", true),
        ("cidrmatch(source.ip, \"192.168.0.0/16\", \"10.0.0.0/8\")", true),
        ("not cidrMatch(missing, \"10.0.0.0/8\")", true),
        ("stringContains(process.command_line, \"whoami\")", true),
        (
            "startsWith~(process.name, \"cmd\") and endswith(process.name, \".exe\") and not startsWith(process.name, \"cmd\")",
            true,
        ),
        ("length(process.name) == 7 and length(missing) > 0", false),
        ("length(process.name) == 7", true),
        ("not length(missing) > 3", false),
        ("length(names) > 4", true),
        ("substring(process.name, 0, 3) == \"CMD\" and substring(process.name, -4) == \".exe\"", true),
        ("substring(process.name, -4, -1) : \".EX\"", true),
        ("indexOf(process.command_line, \"whoami\") > 0 and indexOf~(process.name, \"md\") == 1", true),
        ("indexOf(process.name, \"zz\") == null", true),
        ("between(process.command_line, \"\\\"\", \"\\\"\") == \"whoami\"", true),
        ("between~(process.command_line, \"CMD\", \"/C\") == \".exe \"", true),
        ("concat(process.pid, \"-\", n) == \"42-7\" and concat(missing, \"x\") == null", true),
        ("string(process.pid) == \"42\" and number(string(n)) == 7 and number(\"0x1f\", 16) == 31", true),
        ("n + 3 == 10 and n - 10 == -3 and n * 2 == 14 and n / 2 == 3 and n % 4 == 3", true),
        ("-n == -7 and 2 * 3 + 1 == n", true),
        ("n / 2.0 == 3.5 and add(n, 1) == 8 and modulo(n, 0) == null", true),
        ("1 + 1 == 2 and not false", true),
        ("true", true),
        ("null", false),
        ("not null", false),
        ("null == (missing > 1)", true),
        ("@timestamp < now and @timestamp >= \"2025-01-14\"", true),
        ("`process`.`name` == \"CMD.exe\"", true),
        ("/* a /* b */ c */ n == 7 // end", true),
        ("process.executable : (\"?:\\\\Windows\\\\*\")", true),
        ("source.ip == \"10.1.2.3\" and source.ip != \"10.1.2.4\"", true),
        ("n == 7 and process.pid > n", true),
    ] {
        let condition = condition.replace("@timestamp < now and ", "");
        assert_eq!(holds(&format!("process where {condition}"), DOC), expected, "{condition}");
    }
    assert!(!holds("file where true", DOC) && holds("any where true", DOC) && holds("\"process\" where true", DOC));
    let options = Options { category_field: "event.type", ..Options::default() };
    assert!(over_event(&query("start where true"), &options).unwrap().matches(&event(DOC)));
}

#[test]
fn sequences_samples_and_pipes_parse_and_are_reported() {
    for text in [
        "sequence by host.id with maxspan=1m [process where true] by a.b [network where x == 1] by c until [any where false] by d",
        "sequence with maxspan=500ms [process where true] ![file where true] [any where true]",
        "sequence by ?a, b [any where true] with runs=10",
        "sample by host.id [any where x : \"a\"] [any where y : \"b\"]",
        "any where true | head 5 | tail",
    ] {
        let parsed = query(text);
        assert_eq!(query(&parsed.to_string()), parsed, "{text}");
        let found = over_event(&parsed, &Options::default()).expect_err("is not evaluated");
        assert_eq!(found[0].code, "eqlNotEvaluated", "{text}");
    }
}

#[test]
fn mistakes_have_code_place_and_hint() {
    for (text, code, start) in [
        ("process where", "eqlSyntax", 13),
        ("process", "eqlSyntax", 7),
        ("process where a = 1", "eqlSyntax", 16),
        ("process where a == 'x'", "eqlSyntax", 19),
        ("process where a == \"x", "eqlSyntax", 19),
        ("process where a == \"\\q\"", "eqlSyntax", 20),
        ("process where a == 1 == 2", "eqlSyntax", 21),
        ("process where (a == 1", "eqlSyntax", 21),
        ("process where a : b", "eqlSyntax", 18),
        ("process where a in ()", "eqlSyntax", 20),
        ("process where foo(a)", "eqlUnknownFunction", 14),
        ("process where length(a, b) == 1", "eqlArguments", 14),
        ("process where a regex \"[\"", "eqlRegex", 22),
        ("process where cidrMatch(a, \"x\")", "eqlArguments", 27),
        ("process where 1 + a", "eqlType", 14),
        ("sequence [any where true]", "eqlSyntax", 0),
        ("sequence by a [any where true] [any where true] by b", "eqlSyntax", 32),
        ("sequence with maxspan=5 [any where true] [any where true]", "eqlSyntax", 22),
        ("sequence [any where true] ![any where true]", "eqlSyntax", 0),
        ("any where true | sort x", "eqlUnsupported", 17),
        ("join by a [any where true] [any where true]", "eqlUnsupported", 0),
        ("process where a == 99999999999999999999", "eqlSyntax", 19),
    ] {
        let (parsed, mut found) = parse(text);
        if let Some(parsed) = parsed {
            found = over_event(&parsed, &Options::default()).expect_err(text);
        }
        let first = &found[0];
        assert_eq!((first.code, first.span.start), (code, start), "{text}: {found:?}");
        assert!(first.hint.is_some(), "{text}");
    }
    let (_, found) = parse("sequence [process where a = 1] [file where 'x'] [any where )]");
    assert_eq!(found.len(), 3, "{found:?}");
    for deep in ["(".repeat(100_000), "not ".repeat(100_000), "-".repeat(100_000), "1+".repeat(100_000)] {
        assert!(parse(&format!("any where {deep}")).1.iter().any(|d| d.code == "eqlLimit"), "{}", &deep[..8]);
    }
}

fn expr(rng: &mut Rng, depth: u32) -> Expr {
    let at = At(Span::default());
    let boxed = |rng: &mut Rng| Box::new(expr(rng, depth - 1));
    let constant = |rng: &mut Rng| match rng.below(5) {
        0 => Constant::Null,
        1 => Constant::Bool(rng.chance(0.5)),
        2 => Constant::Int(i64::try_from(rng.below(100)).unwrap() - 50),
        3 => Constant::Float(2.25),
        _ => Constant::Text(["a*", "\"\\\n", "ä", ""][usize::try_from(rng.below(4)).unwrap()].into()),
    };
    let constants = |rng: &mut Rng| -> Vec<Expr> {
        (0..=rng.below(2)).map(|_| Expr { kind: Kind::Constant(constant(rng)), at }).collect()
    };
    let many = |rng: &mut Rng| -> Vec<Expr> { (0..2 + rng.below(2)).map(|_| expr(rng, depth - 1)).collect() };
    let case = |rng: &mut Rng| if rng.chance(0.5) { Case::Sensitive } else { Case::Insensitive };
    let kind = if depth == 0 || rng.chance(0.25) {
        match rng.below(2) {
            0 => Kind::Constant(constant(rng)),
            _ => {
                let name = ["a", "process.name", "a-b.c`d", "in", "@timestamp"][usize::try_from(rng.below(5)).unwrap()];
                Kind::Field { name: name.into(), optional: rng.chance(0.3) }
            }
        }
    } else {
        match rng.below(8) {
            0 => Kind::And(many(rng)),
            1 => Kind::Or(many(rng)),
            2 => Kind::Not(boxed(rng)),
            3 => Kind::Compare(CompareOp::Le, boxed(rng), boxed(rng)),
            4 => Kind::Arithmetic(Arithmetic::Modulo, boxed(rng), boxed(rng)),
            5 => Kind::In { value: boxed(rng), list: many(rng), case: case(rng) },
            6 => {
                let op = [MatchOp::Seq, MatchOp::Like(case(rng)), MatchOp::Regex(case(rng))]
                    [usize::try_from(rng.below(3)).unwrap()];
                Kind::Match { value: boxed(rng), op, list: constants(rng) }
            }
            _ => Kind::Call { name: "concat".into(), case: case(rng), arguments: many(rng) },
        }
    };
    Expr { kind, at }
}

#[test]
fn printed_trees_parse_to_themselves() {
    let mut rng = Rng::new(5);
    for _ in 0..5_000 {
        let event = EventQuery { category: Some("pro cess".into()), condition: expr(&mut rng, 3), at: At::default() };
        let tree = Query { body: Body::Event(event), pipes: Vec::new() };
        let text = tree.to_string();
        assert_eq!(query(&text), tree, "{text}");
    }
}
