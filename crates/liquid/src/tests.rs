//! The measured vectors of LiquidJS 10.30 (`testdata/vectors.jsonl`) and the engine's own promises: limits, spans, paths.

use crate::{Context, ErrorKind, Expression, Options, PathSegment, Template, is_template, typed};
use stdx::{Time, Value, json};

fn value(text: &str) -> Value {
    json::parse(text).unwrap()
}
fn render(src: &str, ctx: &Value) -> Result<String, crate::Error> {
    let opts = Options::strict();
    Template::parse(src, &opts)?.render(ctx, &opts)
}
fn check(src: &str, ctx: &str, expected: &str) {
    assert_eq!(render(src, &value(ctx)).unwrap(), expected, "{src}");
}

#[test]
fn measured_vectors() {
    let mut lines = include_str!("../testdata/vectors.jsonl").lines();
    let head = value(lines.next().unwrap());
    let mut ctx = head.path(&["context"]).unwrap().clone();
    for (name, time) in head.path(&["times"]).unwrap().as_object().unwrap().iter() {
        let time = Time::parse(time.as_str().unwrap()).unwrap();
        ctx.object_mut().unwrap().insert(name.clone(), time);
    }
    let opts = Options::strict();
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in lines {
        count += 1;
        let case = value(line);
        let case = case.as_object().unwrap();
        let found = match (case.get("template"), case.get("expression")) {
            (Some(src), _) => render(src.as_str().unwrap(), &ctx).map(|text| Some(Value::from(text))),
            (None, Some(src)) => Expression::parse(src.as_str().unwrap()).and_then(|e| e.eval(&ctx, &opts)),
            (None, None) => panic!("case without source: {line}"),
        };
        let right = match &found {
            Err(e) => case.get("error").and_then(Value::as_str) == Some(&e.message),
            Ok(None) => case.contains_key("undefined"),
            Ok(Some(Value::Time(t))) => case.get("time").and_then(Value::as_str) == Some(&t.iso()),
            Ok(Some(v)) => case.get("text").or(case.get("value")) == Some(v),
        };
        if !right {
            wrong.push(format!("{line}\n    found {found:?}"));
        }
    }
    assert_eq!(count, 214);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_template_that_loops_ends_with_an_error() {
    let ctx = value("{}");
    let opts = Options { render_limit: 100_000, ..Options::default() };
    for src in [
        "{% for a in (1..1000) %}{% for b in (1..1000) %}{% for c in (1..1000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% assign e = \"x | where_exp: 'i', e | size\" %}{% assign x = (1..9) %}{{ x | where_exp: 'i', e }}",
        "{% assign a = (1..9) %}{% for i in (1..100000) %}{% assign a = a | push: a %}{% endfor %}",
    ] {
        let e = Template::parse(src, &opts).unwrap().render(&ctx, &opts).unwrap_err();
        assert!(matches!(e.kind, ErrorKind::RenderLimit | ErrorKind::MemoryLimit | ErrorKind::Render), "{src}: {e}");
    }
}

#[test]
fn memory_and_output_are_limited() {
    let ctx = value("{}");
    let opts = Options::default();
    for src in [
        "{% assign s = 'xxxxxxxx' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}",
        "{% capture s %}xxxxxxxx{% endcapture %}{% for i in (1..60) %}{% capture s %}{{ s }}{{ s }}{% endcapture %}{% endfor %}",
        "{{ (1..99999999999) | size }}",
        "{{ 'now' | date: '%999999999999d' }}",
        "{% assign g = (1..3) %}{% for i in (1..60) %}{% assign g = g | concat: g %}{% endfor %}",
        "{% assign g = (1..3) %}{% for i in (1..600) %}{% assign g = g | group_by: 'x' %}{% endfor %}{{ g | json }}",
    ] {
        let e = Template::parse(src, &opts).unwrap().render(&ctx, &opts).unwrap_err();
        assert_eq!(e.kind, ErrorKind::MemoryLimit, "{src}: {e}");
        assert_eq!(e.message, "memory alloc limit exceeded");
    }
    let long = "x".repeat(150_001);
    assert_eq!(Template::parse(&long, &opts).unwrap_err().message, "parse length limit exceeded");
    assert!(Template::parse(&long[1..], &opts).is_ok());
}

#[test]
fn deep_nesting_is_an_error() {
    let opts = Options::default();
    let brackets = format!("{{{{ {}x }}}}", "a[".repeat(10_000));
    let tags = "{% if a %}".repeat(10_000);
    let ranges = format!("{{{{ {} }}}}", "(".repeat(10_000));
    for src in [brackets, tags, ranges] {
        assert_eq!(Template::parse(&src, &opts).unwrap_err().kind, ErrorKind::Syntax);
    }
}

#[test]
fn a_contradictory_order_does_not_panic() {
    let mut items = String::new();
    for i in 0..300 {
        items.push_str(["3,", "\"a\",", "null,", "[1],", "{},", "\"10\",", "true,"][i * 7919 % 7]);
    }
    let ctx = value(&format!("{{\"a\":[{}0]}}", items));
    assert_eq!(render("{{ a | sort | size }}{{ a | sort_natural | size }}", &ctx).unwrap(), "301301");
}

#[test]
fn errors_have_their_place() {
    let opts = Options::default();
    let place = |src: &str| {
        let e = Template::parse(src, &opts).and_then(|t| t.render(&value("{}"), &opts)).unwrap_err();
        src[e.span.start..e.span.end].to_string()
    };
    assert_eq!(place("ab {{ x | nosuch: 1 }} c"), "nosuch: 1");
    assert_eq!(place("ab {% foo %} c"), "{% foo %}");
    assert_eq!(place("ab {% if x %} c"), "{% if x %}");
    assert_eq!(place("ä {{ 5 + 5 }}"), "+ 5");
    assert_eq!(place("ä {{ x | append }} b"), "append");
    assert_eq!(place("{% for i in (1..2) %}{{ '?' | base64_decode }}{% endfor %}"), "base64_decode");
    assert_eq!(place("{{ a | where_exp: 'i', 'i |' }}{{ a | where_exp: 'i', ')' }}"), "where_exp: 'i', ')'");
}

#[test]
fn paths_and_filters_for_static_checks() {
    use PathSegment::{Dynamic, Index, Key};
    let opts = Options::default();
    let src = "{% assign a = steps.q.output %}{% for i in event.alerts limit: inputs.n %}{{ i.x }}{{ a.b | default: consts['a b'][0][key] }}{{ forloop.index }}{% endfor %}";
    let template = Template::parse(src, &opts).unwrap();
    let key = |s: &str| Key(s.into());
    let paths: Vec<_> = template.paths().into_iter().map(|(path, span)| (path, &src[span.start..span.end])).collect();
    assert_eq!(
        paths,
        [
            (vec![key("steps"), key("q"), key("output")], "steps.q.output"),
            (vec![key("event"), key("alerts")], "event.alerts"),
            (vec![key("inputs"), key("n")], "inputs.n"),
            (vec![key("key")], "key"),
            (vec![key("consts"), key("a b"), Index(0), Dynamic], "consts['a b'][0][key]"),
        ]
    );
    let filters: Vec<_> = template.filters().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(filters, ["default"]);
    let expression = Expression::parse(" inputs.n | plus: x ").unwrap();
    assert_eq!(expression.paths().len(), 2);
}

#[test]
fn typed_strings_and_plain_ones() {
    assert_eq!(typed("${{ a }}").map(|s| (s.start, s.end)), Some((3, 6)));
    assert_eq!(typed("${{ a }}\n"), None);
    assert_eq!(typed("${{}"), None);
    assert!(is_template("{% x") && !is_template("{ x }"));
    assert!(Template::parse("a { b", &Options::default()).unwrap().is_plain());
}

#[test]
fn elastic_filters() {
    let opts = Options::default();
    let ctx = value(r#"{"o":{"k":1,"z":{"q":2,"r":3},"w":4}}"#);
    let eval = |src: &str| stdx::json::text(&Expression::parse(src).unwrap().eval(&ctx, &opts).unwrap().unwrap());
    assert_eq!(eval("o | pick: 'k', 'z.q', 'no.pe'"), r#"{"k":1,"z":{"q":2}}"#);
    assert_eq!(eval("'text' | pick: 'k'"), r#""text""#);
    assert_eq!(
        eval("o | entries | json"),
        r#""[{\"key\":\"k\",\"value\":1},{\"key\":\"z\",\"value\":{\"q\":2,\"r\":3}},{\"key\":\"w\",\"value\":4}]""#
    );
    // Elastic's documentation writes pairs; both spellings read the same.
    let t =
        Template::parse("{% assign e = o | entries %}{{ e[0][0] }}{{ e[0][1] }}{{ e[0].key }}{{ e[0].value }}", &opts)
            .unwrap();
    assert_eq!(t.render(&ctx, &opts).unwrap(), "k1k1");
    assert_eq!(eval("'{\"n\":9007199254740993}' | json_parse"), r#"{"n":9007199254740993}"#);
}

#[test]
fn times_print_as_iso_unless_asked_otherwise() {
    let mut ctx = value("{}");
    ctx.object_mut().unwrap().insert("now", Time::parse("2025-01-15T12:00:00Z").unwrap());
    let t = |src: &str, opts: &Options| Template::parse(src, opts).unwrap().render(&ctx, opts).unwrap();
    assert_eq!(t("{{ now }}", &Options::default()), "2025-01-15T12:00:00.000Z");
    assert!(t("{{ now }}", &Options::strict()).starts_with("Wed Jan 15 2025 12:00:00 GMT+0000"));
    let rome = Options { timezone: Some("Europe/Rome".into()), ..Options::default() };
    assert_eq!(t("{{ now | date: '%H %Z' }} {{ now | date: '%H', 'UTC' }}", &rome), "13 Europe/Rome 12");
    let at = Options::default().at(Time::parse("2024-02-29T00:00:00Z").unwrap());
    assert_eq!(t("{{ 'now' | date: '%F %Y-%m-%d %s' }}", &at), "%F 2024-02-29 1709164800");
}

#[test]
fn dates_are_read_as_javascript_reads_them() {
    for (text, expected) in [
        ("15 Jan 2025 10:00 GMT+0200", "2025-01-15 08:00:00"),
        ("Wed, 15 Jan 2025 12:00:00 +0100", "2025-01-15 11:00:00"),
        ("Jan 15, 2025 3:04:05 pm", "2025-01-15 15:04:05"),
        ("2025/01/15 1:02", "2025-01-15 01:02:00"),
        ("1/2/99", "1999-01-02 00:00:00"),
        ("2025-02-30", "2025-03-02 00:00:00"),
        ("2025-01-15T24:00", "2025-01-16 00:00:00"),
        ("+002025-01-15", "2025-01-15 00:00:00"),
        ("2025-13-01", "2025-13-01"),
        ("yesterday", "yesterday"),
        ("(comment) 1 (more) feb 2020", "2020-02-01 00:00:00"),
    ] {
        let ctx = Value::object([("d", Value::from(text))]);
        assert_eq!(render("{{ d | date: '%Y-%m-%d %H:%M:%S' }}", &ctx).unwrap(), expected, "{text}");
    }
}

#[test]
fn odd_input_is_read_as_liquidjs_reads_it() {
    check("{{ a b }}{{ a , c }}{{ .a }}{{ [k] }}", r#"{"a":1,"k":"a"}"#, "1111");
    check("{{ size }}{{ and }}{{ == }}", "{}", "0falsetrue");
    check("{% unless a %}x{% else %}y{% else %}z{% endunless %}", r#"{"a":1}"#, "y");
    check("{% case 1 %}lost{% when 2 %}a{% else %}b{% when 3 %}c{% endcase %}", "{}", "bc");
    check("{{ '\\u00e4\\x\\101\\n' }}", "{}", "äxA\n");
    check("{{ '\\ud83d\\udea8' }}", "{}", "🚨");
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = stdx::Rng::new(7);
    let words = [
        "{{",
        "}}",
        "{%",
        "%}",
        "-",
        " ",
        "if",
        "for i in",
        "a",
        "|",
        ":",
        "where",
        "'",
        "\"",
        "(",
        "..",
        ")",
        "[",
        "]",
        ".",
        "9",
        "ä",
        "🚨",
        "endif",
        "endfor",
        "raw",
        "endraw",
        "liquid\n",
        "case",
        "when",
        "%",
        "date",
        "\\",
        "\\u",
        ",",
        "assign x =",
        "cycle",
    ];
    let opts = Options { render_limit: 10_000, ..Options::default() };
    let ctx = value(r#"{"a":[1,"ä",{"b":null}]}"#);
    for _ in 0..20_000 {
        let src: String = (0..rng.below(14)).map(|_| words[rng.below(words.len() as u64) as usize]).collect();
        if let Ok(t) = Template::parse(&src, &opts) {
            let _ = t.render(&ctx, &opts);
            t.paths();
        }
        if let Ok(e) = Expression::parse(&src) {
            let _ = e.eval(&ctx as &dyn Context, &opts);
        }
    }
}
