//! The measured vectors of LiquidJS 10.30 (`testdata/vectors.jsonl`) and the engine's own promises: limits, spans, paths.

use crate::{Context, DateText, ErrorKind, Expression, Options, PathSegment, Template, is_template, typed};
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
