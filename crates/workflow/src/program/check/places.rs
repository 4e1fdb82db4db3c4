//! Right words in the wrong place: keys that belong elsewhere, templates where none are evaluated.
//!
//! Invariants: a move keeps the author's lines; where lines cannot be moved whole, there is a hint and no fix.
//! Source: `reference/workflow-language.md` §3.1, §9.1.

use super::walk::{Role, StepAt};
use super::{Check, edits};
use crate::template::is_template;
use crate::yaml::{Entry, Node};
use stdx::{Diagnostic, Value};

/// Keys of the envelope that authors put into `with`.
const STEP_LEVEL: [&str; 10] = [
    "connector-id",
    "on-failure",
    "if",
    "foreach",
    "timeout",
    "max-step-size",
    "max-iterations",
    "agent-id",
    "inference-id",
    "effect",
];
/// Step-level keys of other engines, and the key under which they belong.
const UNDER_ON_FAILURE: [&str; 3] = ["retry", "continue", "fallback"];
/// Keys of `settings` that authors put at the top.
const SETTINGS: [&str; 6] = ["timeout", "timezone", "concurrency", "max-step-size", "on-failure", "liquid"];

/// Looks at the whole document.
pub(super) fn run(cx: &mut Check<'_>, root: &Node, steps: &[StepAt<'_>]) {
    top(cx, root);
    triggers(cx, root);
    for step in steps {
        keys_of(cx, step);
        for text in step.texts.iter().filter(|t| t.role == Role::Literal && t.path != "description") {
            if text.node.str().is_some_and(|s| is_template(s)) {
                literal(cx, text.node, &text.path, format!("{}.{}", step.path, text.path));
            }
        }
    }
}

fn literal(cx: &mut Check<'_>, node: &Node, key: &str, path: String) {
    // An error at the same place (a length of time, a step type) says the same; this one says why.
    let same = |d: &Diagnostic| {
        d.span == node.span && matches!(d.code, "schemaViolation" | "unsupportedStepType" | "unknownStepAction")
    };
    let error = cx.found.iter().any(|d| same(d) && d.is_error());
    cx.found.retain(|d| !same(d));
    let message = format!("templates in `{key}` are not evaluated");
    let d = if error {
        Diagnostic::error("templateNotRendered", node.span, message)
    } else {
        Diagnostic::warning("templateNotRendered", node.span, message)
    };
    cx.found.push(d.hint("write the value out: it is read before the workflow runs").at(path));
}

fn top(cx: &mut Check<'_>, root: &Node) {
    for e in root.map().unwrap_or_default() {
        if SETTINGS.contains(&&*e.key) {
            wrong_place(cx, e, format!("`{}` stands under `settings`", e.key), "move it there", String::new(), None);
        }
        if matches!(&*e.key, "name" | "enabled" | "version") && e.value.str().is_some_and(|s| is_template(s)) {
            literal(cx, &e.value, &e.key, e.key.to_string());
        }
        if &*e.key == "tags" {
            for n in e.value.seq().unwrap_or_default() {
                if n.str().is_some_and(|s| is_template(s)) {
                    literal(cx, n, "tags", "tags".into());
                }
            }
        }
    }
    for e in root.get("settings").and_then(Node::map).unwrap_or_default() {
        if matches!(&*e.key, "timeout" | "timezone" | "max-step-size") && e.value.str().is_some_and(|s| is_template(s))
        {
            literal(cx, &e.value, &e.key, format!("settings.{}", e.key));
        }
    }
}

fn triggers(cx: &mut Check<'_>, root: &Node) {
    for (i, item) in root.get("triggers").and_then(Node::seq).unwrap_or_default().iter().enumerate() {
        let path = format!("triggers[{i}]");
        let kind = item.get("type").and_then(Node::str).map_or("", |s| &**s).to_owned();
        for e in item.map().unwrap_or_default() {
            match &*e.key {
                "every" | "rrule" if item.get("with").is_none() => {
                    let fix = edits::nest(cx.source, e, "with");
                    wrong_place(cx, e, format!("`{}` stands under `with`", e.key), "move it there", path.clone(), fix);
                }
                "condition" if kind.contains('.') => {
                    // Said already, without the place where it belongs.
                    let (from, to) = (e.key_span.start, e.value.span.end);
                    let same = |d: &Diagnostic| {
                        d.code == "invalidTriggerCondition" && d.span.start >= from && d.span.end <= to
                    };
                    cx.found.retain(|d| !same(d));
                    let fix = item.get("on").is_none().then(|| edits::nest(cx.source, e, "on")).flatten();
                    let message = "a trigger's `condition` stands under `on` and is ignored here".to_owned();
                    wrong_place(cx, e, message, "write `on: { condition: … }`", path.clone(), fix);
                }
                "inputs" if kind != "manual" => {
                    let message = format!("`inputs` belong to the manual trigger, a `{kind}` trigger has none");
                    wrong_place(cx, e, message, "add `- type: manual` with these inputs", path.clone(), None);
                }
                // A webhook's `dedupe` is a template over the event; nothing else in it is text of an author.
                "with" if kind == "webhook" => {}
                "with" => templated(cx, &e.value, &format!("{path}.with")),
                _ => {}
            }
        }
    }
}

fn templated(cx: &mut Check<'_>, node: &Node, path: &str) {
    for e in node.map().unwrap_or_default() {
        if e.value.str().is_some_and(|s| is_template(s)) {
            literal(cx, &e.value, &e.key, format!("{path}.{}", e.key));
        }
    }
}

fn keys_of(cx: &mut Check<'_>, step: &StepAt<'_>) {
    let Some(words) = cx.words(&step.kind) else { return };
    let in_schema = |key: &str| words.with.get(key).is_some();
    for e in step.node.get("with").and_then(Node::map).unwrap_or_default() {
        let key = &*e.key;
        let dashed = key.replace('_', "-");
        let known = STEP_LEVEL.contains(&dashed.as_str()) || words.config.contains(&key);
        // Where `with` takes any member (`data.set`), nothing in it is wrong for sure.
        let of_http = &*step.kind == "http" && key == "timeout";
        if !of_http && (!known || in_schema(key) || !(words.closed || words.config.contains(&key))) {
            continue;
        }
        let right = if STEP_LEVEL.contains(&dashed.as_str()) { dashed.as_str() } else { key };
        let free = step.node.get(right).is_none();
        let fix = free.then(|| edits::out_of_with(cx.source, step.node, e, right)).flatten();
        let path = format!("{}.with.{key}", step.path);
        wrong_place(cx, e, format!("`{right}` stands at the step, not in `with`"), "move it one level up", path, fix);
    }
    for e in step.node.map().unwrap_or_default() {
        let key = &*e.key;
        let path = format!("{}.{key}", step.path);
        if UNDER_ON_FAILURE.contains(&key) {
            let fix = step.node.get("on-failure").is_none().then(|| edits::nest(cx.source, e, "on-failure")).flatten();
            wrong_place(cx, e, format!("`{key}` stands under `on-failure`"), "move it there", path, fix);
        } else if key == "condition" && !matches!(&*step.kind, "if" | "while") && !words.config.contains(&key) {
            let free = step.node.get("if").is_none();
            let message = format!("`condition` is a key of `if` and `while` steps; a `{}` has `if`", step.kind);
            wrong_place(cx, e, message, "rename it to `if`", path, free.then(|| edits::rename(e, "if")).flatten());
        } else if in_schema(key) && !words.config.contains(&key) && !super::super::load::ENVELOPE.contains(&key) {
            let fix = edits::into_with(cx.source, step.node, e);
            wrong_place(cx, e, format!("`{key}` stands in `with`"), "move it there", path, fix);
        }
    }
}

fn wrong_place(
    cx: &mut Check<'_>,
    e: &Entry,
    message: String,
    hint: &str,
    path: String,
    fix: Option<Vec<stdx::diagnostic::Edit>>,
) {
    // What was said of the key without knowing where it belongs.
    cx.found.retain(|d| !(d.span == e.key_span && matches!(d.code, "invalidStepProperty" | "unknownKey")));
    let mut d = Diagnostic::warning("keyInWrongPlace", e.key_span, message).hint(hint).at(path);
    if let Some(edits) = fix {
        d = d.fix(hint, edits);
    }
    cx.found.push(d);
}

/// What a step type says of its keys.
pub(super) struct Words {
    /// Members of `with`.
    pub with: Value,
    /// No other members are taken.
    pub closed: bool,
    /// Step-level keys of the type.
    pub config: Vec<&'static str>,
}

impl Words {
    /// The schema of the member at `path` below `with`.
    pub(super) fn schema_at(&self, path: &str) -> Option<Value> {
        let mut parts = path.split('.');
        let mut at = self.with.get(parts.next()?)?.clone();
        for part in parts {
            if part.contains('[') {
                return None;
            }
            at = at.get("properties")?.get(part)?.clone();
        }
        Some(at)
    }
}
