//! The steps of a document with their surroundings, and every text in them with its role.
//!
//! Invariants: steps stand in the order of the text; a text belongs to the innermost step around it; recursion is bounded by the depth of
//! the tree (`yaml::DEPTH_MAX`).
//! Not here: what is wrong with any of it (the other files of this folder).

use crate::yaml::{Entry, Node, Yaml};
use std::sync::Arc;

/// A step as written.
pub(super) struct StepAt<'a> {
    /// Its map.
    pub node: &'a Node,
    /// `name`, empty when there is none.
    pub name: Arc<str>,
    /// `type`, empty when there is none.
    pub kind: Arc<str>,
    /// Path in the document.
    pub path: String,
    /// The container and the lane in it.
    pub parent: Option<(usize, String)>,
    /// Number in its lane.
    pub nth: usize,
    /// Its texts, without those of inner steps.
    pub texts: Vec<TextAt<'a>>,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// KQL, or a typed expression.
    Condition,
    /// A list to loop over: a bare path is an expression too.
    List,
    /// Rendered.
    Template,
    /// Taken as it stands.
    Literal,
}

/// A text of a step.
pub(super) struct TextAt<'a> {
    /// The scalar.
    pub node: &'a Node,
    /// Path inside the step, for example `with.message`.
    pub path: String,
    /// What it is.
    pub role: Role,
    /// Looked at when the step (or its handler) has run: `continue`, `retry.condition`, a loop's `condition`.
    pub after: bool,
}

/// Step-level keys whose text is never rendered.
const LITERAL: [&str; 10] = [
    "name",
    "type",
    "timeout",
    "max-step-size",
    "effect",
    "description",
    "mode",
    "branch-timeout",
    "iteration-timeout",
    "max-iterations",
];

/// All steps of the document.
pub(super) fn steps(root: &Node) -> Vec<StepAt<'_>> {
    let mut out = vec![];
    if let Some(n) = root.get("steps") {
        block(n, None, "steps", &mut out);
    }
    if let Some(n) = root.get("settings").and_then(|s| s.get("on-failure")).and_then(|f| f.get("fallback")) {
        block(n, None, "settings.on-failure.fallback", &mut out);
    }
    out
}

fn block<'a>(node: &'a Node, parent: Option<(usize, &str)>, path: &str, out: &mut Vec<StepAt<'a>>) {
    for (nth, item) in node.seq().unwrap_or_default().iter().enumerate() {
        let Some(entries) = item.map() else { continue };
        let text = |key: &str| item.get(key).and_then(Node::str).cloned().unwrap_or_default();
        let ix = out.len();
        let path = format!("{path}[{nth}]");
        out.push(StepAt {
            node: item,
            name: text("name"),
            kind: text("type"),
            path: path.clone(),
            parent: parent.map(|(ix, lane)| (ix, lane.to_owned())),
            nth,
            texts: vec![],
        });
        let mut texts = vec![];
        for e in entries {
            inner(e, item, (ix, &path), &mut texts, out);
        }
        out[ix].texts = texts;
    }
}

/// One entry of a step: an inner block, or texts of the step itself.
fn inner<'a>(e: &'a Entry, step: &'a Node, at: (usize, &str), texts: &mut Vec<TextAt<'a>>, out: &mut Vec<StepAt<'a>>) {
    let (ix, path) = at;
    let kind = step.get("type").and_then(Node::str).map_or("", |s| &**s);
    match &*e.key {
        "steps" => block(&e.value, Some((ix, "body")), &format!("{path}.steps"), out),
        "else" | "default" => block(&e.value, Some((ix, &e.key)), &format!("{path}.{}", e.key), out),
        "cases" | "branches" => {
            for (i, case) in e.value.seq().unwrap_or_default().iter().enumerate() {
                for c in case.map().unwrap_or_default() {
                    let path = format!("{path}.{}[{i}].{}", e.key, c.key);
                    match &*c.key {
                        "steps" => block(&c.value, Some((ix, &format!("{}{i}", e.key))), &path, out),
                        "match" | "case" => {
                            collect(&c.value, &format!("{}[{i}].{}", e.key, c.key), Role::Template, texts)
                        }
                        _ => {}
                    }
                }
            }
        }
        "on-failure" | "iteration-on-failure" => {
            for c in e.value.map().unwrap_or_default() {
                let inner = format!("{}.{}", e.key, c.key);
                match &*c.key {
                    "fallback" => block(&c.value, Some((ix, "fallback")), &format!("{path}.{inner}"), out),
                    "continue" => push(&c.value, inner, Role::Condition, true, texts),
                    "retry" => {
                        for r in c.value.map().unwrap_or_default() {
                            let role = if &*r.key == "condition" { Role::Condition } else { Role::Literal };
                            push(&r.value, format!("{inner}.{}", r.key), role, true, texts);
                        }
                    }
                    _ => {}
                }
            }
        }
        "condition" => push(&e.value, "condition".into(), Role::Condition, kind == "while", texts),
        "if" => push(&e.value, "if".into(), Role::Condition, false, texts),
        "foreach" if matches!(e.value.value, Yaml::Str(_)) => {
            push(&e.value, "foreach".into(), Role::List, false, texts);
        }
        "undo" => undo(&e.value, ix, path, texts, out),
        key if LITERAL.contains(&key) => push(&e.value, key.to_owned(), Role::Literal, false, texts),
        key => collect(&e.value, key, Role::Template, texts),
    }
}

/// The step that takes this one back: its texts are looked at when this one has run.
fn undo<'a>(node: &'a Node, ix: usize, path: &str, texts: &mut Vec<TextAt<'a>>, out: &mut Vec<StepAt<'a>>) {
    for e in node.map().unwrap_or_default() {
        let inner = format!("undo.{}", e.key);
        match &*e.key {
            "on-failure" => {
                if let Some(n) = e.value.get("fallback") {
                    block(n, Some((ix, "fallback")), &format!("{path}.{inner}.fallback"), out);
                }
            }
            key if LITERAL.contains(&key) => push(&e.value, inner, Role::Literal, true, texts),
            _ => {
                let from = texts.len();
                collect(&e.value, &inner, Role::Template, texts);
                texts[from..].iter_mut().for_each(|t| t.after = true);
            }
        }
    }
}

fn push<'a>(node: &'a Node, path: String, role: Role, after: bool, texts: &mut Vec<TextAt<'a>>) {
    if node.str().is_some() {
        texts.push(TextAt { node, path, role, after });
    }
}

fn collect<'a>(node: &'a Node, path: &str, role: Role, texts: &mut Vec<TextAt<'a>>) {
    match &node.value {
        Yaml::Str(_) => push(node, path.to_owned(), role, false, texts),
        Yaml::Seq(items) => {
            items.iter().enumerate().for_each(|(i, n)| collect(n, &format!("{path}[{i}]"), role, texts));
        }
        Yaml::Map(entries) => {
            entries.iter().for_each(|e| collect(&e.value, &format!("{path}.{}", e.key), role, texts));
        }
        _ => {}
    }
}

/// Steps around step `ix`, innermost first.
pub(super) fn ancestors<'s, 'a>(steps: &'s [StepAt<'a>], ix: usize) -> impl Iterator<Item = (usize, &'s str)> {
    let mut at = ix;
    std::iter::from_fn(move || {
        let (parent, lane) = steps[at].parent.as_ref()?;
        at = *parent;
        Some((at, lane.as_str()))
    })
}

/// True for a step that runs its body more than once.
pub(super) fn is_loop(step: &StepAt<'_>) -> bool {
    matches!(&*step.kind, "foreach" | "while") || (step.node.get("foreach").is_some() && &*step.kind != "parallel")
}
