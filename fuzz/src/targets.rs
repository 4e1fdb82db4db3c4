//! The targets: each takes bytes and must neither panic nor take long, and what it makes must hold what it promises.
//!
//! Invariants: a target is a plain function over bytes, so that any driver (the one here, libFuzzer) can call it.
//! Not here: making of inputs (`main`).

use stdx::{Time, Value};
use workflow::{Catalogue, Program};

/// A target.
pub type Target = fn(&str);

/// All targets: name, function, seeds.
pub const TARGETS: &[(&str, Target, &[&str])] = &[
    ("yaml", yaml, YAML),
    ("liquid", liquid, LIQUID),
    ("kql", kql, KQL),
    ("duration", duration, DURATION),
    ("rrule", rrule, RRULE),
];

const YAML: &[&str] = &[
    "name: w\ntriggers: [{ type: manual }]\nsteps:\n  - name: a\n    type: console\n    with: { message: \"{{ inputs.x | json }}\" }\n",
    "name: w\nconsts: &c { a: [1, 2] }\ntriggers:\n  - type: alert\nsettings: { timeout: 5m, concurrency: { key: \"{{ event.rule.id }}\", strategy: queue } }\nsteps:\n  - name: each\n    type: foreach\n    foreach: \"${{ consts.a }}\"\n    steps:\n      - name: b\n        type: if\n        condition: 'foreach.item: 1 and not steps.b.error: *'\n        steps: [{ name: c, type: wait, with: { duration: 1s } }]\n        else:\n          - name: d\n            type: http\n            connector-id: x\n            on-failure: { retry: { max-attempts: 2, delay: 1s, strategy: exponential }, continue: true }\n            with:\n              url: https://x.example/{{ foreach.item }}\n              body: |\n                {% if event.a %}x{% endif %}\n",
    "a: &a [*b, ? {x: y}, !!str 1, 0x1f, ~]\n---\nb: |-\n  text\n",
    "name: w\ntriggers: [{ type: manual, inputs: { required: [h], properties: { h: { type: string, default: \"{{ now }}\" } } } }]\nsteps:\n  - { name: p, type: parallel, mode: settled, branches: [{ name: x, steps: [{ name: q, type: loop.break }] }] }\n  - { name: s, type: switch, expression: \"{{ inputs.h }}\", cases: [{ case: 1, steps: [{ name: r, type: data.set, with: { k: v } }] }] }\n",
];
const LIQUID: &[&str] = &[
    "{{ a.b[0]['c'] | default: 'x' | upcase | split: ',' | join: ' ' }}",
    "{% for i in (1..5) reversed limit: 2 offset: continue %}{{ forloop.index }}{% if i == 3 and x contains 'a' or y %}{% break %}{% else %}-{% endif %}{% endfor %}",
    "{%- assign x = 'a,b' | split: ',' -%}{% case x[0] %}{% when 'a', 'b' %}1{% else %}2{% endcase %}{% capture z %}{{ x | json }}{% endcapture %}{{ z | size | plus: 1.5 | round: 2 }}",
    "{{ '2026-01-15T12:00:00Z' | date: '%Y-%m-%d %H:%M:%S %z', 'Europe/Zurich' }}{% raw %}{{ x }}{% endraw %}{% comment %}{% if %}{% endcomment %}",
    "{% unless a %}{% cycle 'a', 'b' %}{% increment n %}{% decrement n %}{% tablerow i in list cols:2 %}{{ i }}{% endtablerow %}{% endunless %}",
    "{% liquid\nassign q = list | where: 'a', 1 | map: 'b' | uniq | sort | reverse\necho q | first\n%}{{ list | group_by: 'a' | entries | pick: 'x' }}",
];
const KQL: &[&str] = &[
    "a.b: \"x y\" and not (c: 1 or d > 5) and e: *",
    "user.name: (a or b and not c) or host.ip: 10.0.0.0/8 and n <= -1.5e3",
    "items: { id: 1 and name: \\*x\\* } or msg: \"a \\\" b\" or *: x",
    "AND: or OR: and not: NOT x: null and y: 'z'",
];
const DURATION: &[&str] = &["1w2d3h4m5s6ms", "5m", "0s", "90s", "1h30m", "10mb", "1.5gb", "99999999999999999999d", " 5 m "];
const RRULE: &[&str] = &[
    "freq: DAILY\ninterval: 1\ntzid: Europe/Zurich\nbyhour: [2, 14]\nbyminute: [30]\n",
    "freq: WEEKLY\ninterval: 2\nbyweekday: [MO, TU]\ndtstart: 2026-01-15T12:00:00Z\n",
    "freq: MONTHLY\ninterval: 1\nbymonthday: [31, -1, 29]\ntzid: America/New_York\nbyhour: 2\n",
];

fn yaml(text: &str) {
    let catalogue = Catalogue::default();
    let (program, found) = Program::load(text, &catalogue);
    for d in &found {
        assert!(d.span.start <= d.span.end && d.span.end <= text.len(), "{d:?}");
        assert!(!d.message.is_empty());
        if let Some(fix) = &d.fix {
            assert!(fix.edits.iter().all(|e| text.get(e.span.start..e.span.end).is_some()), "{d:?}");
        }
    }
    if let Some(program) = program {
        let graph = program.graph();
        assert_eq!(graph.nodes.len(), program.steps.len() + program.triggers.len());
    }
    if text.len() < 4096 && found.iter().any(|d| d.fix.is_some()) {
        let fixed = workflow::fix::fix(text, &catalogue);
        assert!(fixed.applied.is_empty() || fixed.text != text);
        let errors = |f: &[stdx::Diagnostic]| f.iter().filter(|d| d.is_error()).count();
        let (_, after) = Program::load(&fixed.text, &catalogue);
        assert!(errors(&after) <= errors(&found), "a fix made it worse");
    }
}

fn context() -> Value {
    stdx::json::parse(
        r#"{"a":{"b":[{"c":1,"d":null}]},"x":"a,b","y":true,"n":3,"list":[{"a":1,"b":"x"},{"a":2,"b":"y"}],"t":"2026-01-15T12:00:00Z","inputs":{"h":"é😀"}}"#,
    )
    .unwrap_or_default()
}

fn liquid(text: &str) {
    let options = liquid::Options { render_limit: 200_000, memory_limit: 2_000_000, ..liquid::Options::default() };
    let context = context();
    if let Ok(template) = liquid::Template::parse(text, &options) {
        for (_, span) in template.paths() {
            assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
        }
        let first = template.render(&context, &options).map_err(|e| e.message);
        assert_eq!(first, template.render(&context, &options).map_err(|e| e.message), "not the same twice");
    }
    if let Ok(expression) = liquid::Expression::parse(text) {
        let _ = expression.eval(&context, &options);
    }
}

fn kql(text: &str) {
    let (ast, found) = lang::kql::parse(text);
    for d in &found {
        assert!(d.span.end <= text.len(), "{d:?}");
    }
    if let Some(ast) = ast {
        let printed = ast.to_string();
        let (again, _) = lang::kql::parse(&printed);
        assert_eq!(again.as_ref(), Some(&ast), "`{printed}` reads differently");
        let context = context();
        let _ = lang::kql::over_context(&ast, &context, Time(0));
        let _ = lang::kql::lint(&ast, lang::kql::Ground::Context);
    }
}

fn duration(text: &str) {
    if let Some(d) = workflow::duration::duration(text) {
        assert!(d.0 >= 0, "{d:?}");
    }
    let _ = workflow::duration::bytes(text);
    let _ = Time::parse(text);
}

fn rrule(text: &str) {
    let indented: String = text.lines().map(|l| format!("        {l}\n")).collect();
    let document = format!("name: w\ntriggers:\n  - type: scheduled\n    with:\n      rrule:\n{indented}steps: [{{ name: a, type: console }}]\n");
    let (Some(program), _) = Program::load(&document, &Catalogue::default()) else { return };
    for (_, schedule) in program.schedules() {
        let anchor = Time::from_ms(1_768_478_400_000);
        let mut at = anchor;
        for _ in 0..3 {
            let Some(next) = schedule.next(at, anchor) else { break };
            assert!(next > at, "{next} after {at}");
            let latest = schedule.latest(next, anchor);
            assert_eq!(latest, Some(next), "the latest occurrence at one is it");
            at = next;
        }
    }
}
