//! What can be seen in a document without running it: one validator for editor, API, command line and run.
//!
//! Invariants: advice only; nothing here changes what is compiled; only what is certain from the text is said.
//! Not here: applying fixes (`fix`), what needs other records, such as rules (`api`).
//! Source: `reference/workflow-language.md` §1.7, §9.1.

mod edits;
mod flow;
mod names;
mod places;
mod values;
mod walk;
mod words;

use super::Program;
use crate::catalogue::Catalogue;
use crate::steps;
use crate::template::Limits;
use crate::yaml::{Entry, Node};
use std::sync::Arc;
use stdx::{Diagnostic, Value};

/// The known word nearest to `word`, if it is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.chars().count() / 5;
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
        // Case, `-` and `_` are all that differs: certain enough to be put right.
        Some(near) if distance(&entry.key, near, 1) == 0 => {
            d.hint(format!("did you mean `{near}`?")).replace(format!("rename it to `{near}`"), entry.key_span, near)
        }
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None if known.len() <= 12 => d.hint(format!("known keys: {}", known.join(", "))),
        None => d,
    }
}

/// What every check may look at.
struct Check<'a> {
    source: &'a str,
    program: &'a Program,
    catalogue: &'a Catalogue,
    limits: Limits,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    /// What a step type says of its keys; `None` for flow and for types that are not there.
    fn words(&self, kind: &str) -> Option<places::Words> {
        let (code, operation, _) = steps::find(kind, self.catalogue)?;
        let mut config = code.meta().config.to_vec();
        let schema = match operation {
            Some(o) => {
                config.extend(["inference-id", "agent-id"]);
                o.schema.clone()
            }
            None => steps::schema(code.meta()),
        };
        let closed = schema.get("additionalProperties").and_then(Value::as_bool) == Some(false);
        Some(places::Words { closed, with: schema.get("properties").cloned().unwrap_or_default(), config })
    }
    /// JSON Schema of a step type's output.
    fn output_schema(&self, kind: &str) -> Option<Value> {
        let (code, operation, _) = steps::find(kind, self.catalogue)?;
        match operation {
            Some(o) => Some(o.output.clone()),
            None => Some(steps::output(code.meta())),
        }
    }
}

/// Findings over the whole document; each file of `check` looks at one thing.
pub(super) fn all(source: &str, root: &Node, program: &Program, catalogue: &Catalogue, found: &mut Vec<Diagnostic>) {
    let steps = walk::steps(root);
    let mut cx = Check { source, program, catalogue, limits: program.settings.liquid, found: std::mem::take(found) };
    names::run(&mut cx, &steps);
    places::run(&mut cx, root, &steps);
    flow::run(&mut cx, &steps);
    values::run(&mut cx, &steps);
    words::run(&mut cx, root, &steps);
    *found = cx.found;
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
