//! The suite `liquid`: templates and expressions with the results of LiquidJS.
//!
//! Invariants: a first line with only `context` is the context of every later line of that file without its own; where an error is
//! expected, failing is enough.

use super::{Tally, exceptions, files, read_text};
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use stdx::{Object, Value, json};

/// Most cases that may be listed as believed wrong.
const EXCEPTIONS_MAX: usize = 10;

/// Runs every case under `path`.
pub fn run(path: &Path) -> Result<Tally> {
    let excepted = exceptions("liquid")?;
    ensure!(excepted.len() <= EXCEPTIONS_MAX, "{} exceptions, at most {EXCEPTIONS_MAX}", excepted.len());
    let mut tally = Tally::default();
    for file in files(path, ".jsonl")? {
        let mut shared = Value::object::<&str>([]);
        for (number, line) in read_text(&file)?.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let place = || format!("{}:{}", file.display(), number + 1);
            let case: Object = serde_json::from_str(line).with_context(place)?;
            let Some(template) = case.get("template").and_then(Value::as_str) else {
                shared = case.get("context").cloned().with_context(place)?;
                continue;
            };
            let id = case.get("id").and_then(Value::as_str).map_or_else(place, str::to_string);
            if excepted.contains_key(&id) {
                tally.skipped += 1;
                continue;
            }
            let context = case.get("context").unwrap_or(&shared);
            match verdict(template, context, &case) {
                None => tally.passed += 1,
                Some(why) => {
                    tally.failed += 1;
                    tally.failures.push(format!("{id}: {why}"));
                }
            }
        }
    }
    ensure!(tally.passed + tally.failed > 0, "no case in {}", path.display());
    Ok(tally)
}

/// Why the case fails, if it does.
fn verdict(template: &str, context: &Value, case: &Object) -> Option<String> {
    let opts = liquid::Options::strict();
    let found = match liquid::typed(template) {
        Some(inner) => {
            liquid::Expression::parse(&template[inner.start..inner.end]).and_then(|e| e.eval(context, &opts))
        }
        None => liquid::Template::parse(template, &opts).and_then(|t| t.render(context, &opts)).map(|t| Some(t.into())),
    };
    let expected = expectation(case);
    let right = match (&found, &expected) {
        (Err(_), Expected::Error) => true,
        (Ok(None), Expected::Undefined) => true,
        (Ok(Some(found)), Expected::Value(expected)) => same(found, expected),
        _ => false,
    };
    (!right).then(|| {
        let found = match &found {
            Ok(Some(v)) => json::text(v),
            Ok(None) => "undefined".into(),
            Err(e) => format!("error `{e}`"),
        };
        format!("{} gave {found}, expected {expected}", json::text(&Value::from(template)))
    })
}

enum Expected {
    Error,
    Undefined,
    Value(Value),
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error => f.write_str("an error"),
            Self::Undefined => f.write_str("undefined"),
            Self::Value(v) => f.write_str(&json::text(v)),
        }
    }
}

fn expectation(case: &Object) -> Expected {
    if let Some(text) = case.get("expected") {
        return Expected::Value(text.clone());
    }
    match case.get("value").and_then(Value::as_object) {
        Some(value) if value.contains_key("undefined") => Expected::Undefined,
        Some(value) => Expected::Value(value.get("json").cloned().unwrap_or_default()),
        None => Expected::Error,
    }
}

/// Equality as JSON text has it: NaN and infinities are null there.
fn same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Float(f), Value::Null) => !f.is_finite(),
        (Value::Time(t), Value::Str(s)) => t.iso() == **s,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|((k, a), (l, b))| k == l && same(a, b))
        }
        _ => found == expected,
    }
}
