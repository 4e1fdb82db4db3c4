//! Findings about the words of a document: unknown keys with the nearest right name, references to steps that do not exist.
//!
//! Invariants: advice only; nothing here changes what is compiled.
//! Source: `reference/workflow-language.md` §1.7, §9.1.

use super::{Body, Program};
use crate::template::Refs;
use crate::yaml::{Entry, FINDINGS_MAX};
use std::sync::Arc;
use stdx::{Diagnostic, Value};

/// The known word nearest to `word`, if it is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.chars().count() / 4;
    known.into_iter().map(|k| (distance(word, k, limit + 1), k)).filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// Edit distance without case, hyphens and underscores; at most `max` is told apart.
fn distance(a: &str, b: &str, max: usize) -> usize {
    let plain = |s: &str| {
        s.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).take(64).collect::<Vec<_>>()
    };
    let (a, b) = (plain(a), plain(b));
    if a.len().abs_diff(b.len()) > max {
        return max + 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = (diagonal + usize::from(ca != cb)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

/// A finding about a key that is not known, naming the nearest known one.
pub(super) fn unknown_key(code: &'static str, entry: &Entry, place: &str, known: &[&str], path: &str) -> Diagnostic {
    let d = Diagnostic::warning(code, entry.key_span, format!("`{}` is not a key of {place}", entry.key))
        .at(format!("{path}.{}", entry.key));
    match nearest(&entry.key, known.iter().copied()) {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None if known.len() <= 12 => d.hint(format!("known keys: {}", known.join(", "))),
        None => d,
    }
}

/// References to steps that do not exist, over the whole program.
pub(super) fn references(program: &Program, found: &mut Vec<Diagnostic>) {
    for (ix, step) in program.steps.iter().enumerate() {
        let mut refs = Refs::default();
        match &step.body {
            Body::Leaf(l) => {
                refs.merge(&l.params.refs());
                refs.merge(&l.config.refs());
            }
            Body::If { condition, .. } | Body::While { condition, .. } => refs.merge(&condition.refs),
            Body::Switch { expression, .. } => refs.merge(&expression.refs),
            Body::Foreach { list, .. } => refs.merge(&list.refs()),
            _ => {}
        }
        if let Some(g) = &step.guard {
            refs.merge(&g.refs);
        }
        if let Some(l) = &step.each {
            refs.merge(&l.refs());
        }
        for name in &refs.steps {
            if found.len() >= FINDINGS_MAX {
                return;
            }
            if &**name != "self" && program.step(name).is_none() {
                let mut d = Diagnostic::warning(
                    "invalidVariableReference",
                    place(program, ix, name),
                    format!("no step is called `{name}`"),
                );
                if let Some(near) = nearest(name, program.steps.iter().map(|s| &*s.name)) {
                    d = d.hint(format!("did you mean `steps.{near}`?"));
                }
                found.push(d.at(format!("steps.{}", step.name)));
            }
        }
        status_read(program, ix, found);
    }
}

fn place(program: &Program, ix: usize, name: &str) -> stdx::Span {
    let span = program.steps[ix].span;
    let text = program.source.get(span.start..span.end).unwrap_or("");
    [format!("steps.{name}"), format!("steps['{name}"), format!("steps[\"{name}")]
        .iter()
        .find_map(|p| text.find(p.as_str()).map(|i| stdx::Span::new(span.start + i, span.start + i + p.len())))
        .unwrap_or(span)
}

/// `steps.x.status` does not exist; authors write it often.
fn status_read(program: &Program, ix: usize, found: &mut Vec<Diagnostic>) {
    let step = &program.steps[ix];
    if step.blocks().is_empty() {
        let text = program.source.get(step.span.start..step.span.end).unwrap_or("");
        for other in &program.steps {
            let wanted = format!("steps.{}.status", other.name);
            if let Some(i) = text.find(&wanted)
                && !text[i + wanted.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
            {
                let span = stdx::Span::new(step.span.start + i, step.span.start + i + wanted.len());
                found.push(
                    Diagnostic::warning("invalidVariablePath", span, format!("`{wanted}` does not exist"))
                        .hint(format!("test `steps.{0}.error: *`, or look at `steps.{0}.output`", other.name)),
                );
                return;
            }
        }
    }
}

/// Checks written parameters against a step's schema: required members and unknown ones.
pub(super) fn parameters(
    schema: &Value,
    params: &Value,
    entries: &[Entry],
    span: stdx::Span,
    kind: &str,
    path: &str,
) -> Vec<Diagnostic> {
    let mut found = vec![];
    if params.get("request").is_some() {
        return found;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for name in schema.get("required").and_then(Value::as_array).unwrap_or_default().iter().filter_map(Value::as_str) {
        if params.get(name).is_none() {
            let mut d = Diagnostic::error("invalidStepProperty", span, format!("`{kind}` needs `with.{name}`"))
                .at(format!("{path}.with"));
            if let Some(description) =
                properties.and_then(|p| p.get(name)).and_then(|p| p.get("description")).and_then(Value::as_str)
            {
                d = d.hint(description.to_owned());
            }
            found.push(d);
        }
    }
    if schema.get("additionalProperties").and_then(Value::as_bool) == Some(false)
        && let Some(properties) = properties
    {
        let known: Vec<&str> = properties.iter().map(|(k, _)| &**k).collect();
        for e in entries.iter().filter(|e| !properties.contains_key(&e.key)) {
            found.push(unknown_key(
                "invalidStepProperty",
                e,
                &format!("`with` of `{kind}`"),
                &known,
                &format!("{path}.with"),
            ));
        }
    }
    found
}

/// A literal text for a name that may be `None`.
pub(super) fn text(value: Option<&Arc<str>>) -> Arc<str> {
    value.cloned().unwrap_or_else(|| "".into())
}
