//! `undo` and `undo-after`: the step that takes an effect back, as written or as the connector knows it.
//!
//! Invariants: an undo is one step that does something and stands in no block; what is written wins over the connector's inverse; an
//! undo has no undo.
//! Not here: when it is frozen and when it runs (`decide::undo`).
//! Source: `design/engine.md` §9; `docs/reference/containment.md`.

use super::{Loader, Place};
use crate::catalogue::Inverse;
use crate::core::Class;
use crate::duration::undo_after;
use crate::program::{Body, StepIx, UNDO_LANE, Undo};
use crate::template::{self, Refs, Text, is_template};
use crate::yaml::{Entry, Node, Scalar, Yaml};
use std::sync::Arc;
use stdx::{Span, Value};

/// Keys of an undo besides those of its type.
const KEYS: [&str; 8] =
    ["type", "with", "connector-id", "timeout", "on-failure", "max-step-size", "effect", "description"];
/// Families whose steps make several calls, or none that could be frozen.
const SEVERAL_CALLS: [&str; 2] = ["ai.", "cases."];

impl Loader<'_> {
    pub(super) fn undo(
        &mut self,
        node: &Node,
        (name, ix): (&Arc<str>, StepIx),
        body: &Body,
        effect: Class,
        inner: &Place,
        in_undo: bool,
    ) -> Option<Undo> {
        let path = &inner.path;
        let (after, written) = (node.entry("undo-after"), node.entry("undo"));
        let inverse = match body {
            Body::Leaf(leaf) => leaf.operation.as_ref().and_then(|o| o.inverse.clone()),
            _ => None,
        };
        if in_undo || (after.is_none() && written.is_none() && inverse.is_none()) {
            return None;
        }
        if !undoable(body, effect) {
            let e = written.or(after)?;
            let message = format!("`{name}` has no single effect outside that could be taken back");
            let hint = "`undo` belongs at a step that writes or destroys by one call";
            self.error("undoWithoutEffect", e.key_span, path, message, hint);
            return None;
        }
        let step = match (written, inverse) {
            (Some(e), _) => self.written(e, name, ix, inner)?,
            (None, Some(inverse)) => {
                let Some(step) = self.inverse(node, &inverse, name, ix, inner) else {
                    let e = after?;
                    let message =
                        format!("the connector names `{}` as the inverse, which is not there", inverse.operation);
                    self.error("undoMissing", e.key_span, path, message, "write an `undo:` of your own");
                    return None;
                };
                step
            }
            (None, None) => {
                let e = after?;
                let message = "`undo-after` without `undo`: nothing says how the effect is taken back";
                let hint = "add `undo:` with the step that takes it back; the connector of this step knows none";
                self.error("undoMissing", e.key_span, path, message, hint);
                return None;
            }
        };
        let after = match after {
            Some(e) => Some(self.after(&e.value, path)?),
            None => None,
        };
        let needs_output = match (&self.steps.get(step)?.as_ref()?.body, written) {
            (Body::Leaf(leaf), Some(_)) => {
                let mut refs: Refs = leaf.params.refs();
                refs.merge(&leaf.config.refs());
                if let Some(c) = &leaf.connector {
                    refs.merge(&c.refs);
                }
                refs.all_steps || refs.steps.contains(name)
            }
            (Body::Leaf(leaf), None) => stdx::json::text(&leaf.params.source()).contains("output"),
            _ => return None,
        };
        Some(Undo { step, after, needs_output })
    }

    fn after(&mut self, node: &Node, path: &str) -> Option<Text> {
        let path = format!("{path}.undo-after");
        let text = match &node.value {
            Yaml::Str(s) => s.text.clone(),
            _ => crate::json::scalar_text(&node.to_value()).into(),
        };
        if is_template(&text) {
            return Some(template::compile_at(node, self.source, self.limits, &path, &mut self.found));
        }
        match undo_after(&text) {
            Ok(_) => Some(Text::literal(&text)),
            Err(message) => {
                self.error("undoAfter", node.span, &path, message, "for example 30m, 4h or 7d");
                None
            }
        }
    }

    /// The undo as the author wrote it.
    fn written(&mut self, e: &Entry, name: &Arc<str>, ix: StepIx, inner: &Place) -> Option<StepIx> {
        let path = format!("{}.undo", inner.path);
        let hint = "write `undo: { type: …, with: { … } }`";
        let Some(entries) = e.value.map() else {
            self.error(
                "undoStep",
                e.value.span,
                &path,
                format!("`undo` is one step, found a {}", e.value.kind()),
                hint,
            );
            return None;
        };
        let Some(kind) = e.value.get("type").and_then(Node::str).cloned() else {
            self.error("undoStep", e.value.span, &path, "an `undo` needs a `type`", hint);
            return None;
        };
        if crate::steps::FLOW.iter().any(|f| f.0 == &*kind) {
            let message = format!("`{kind}` only leads to other steps: an undo is one step that does something");
            self.error("undoStep", e.value.get("type").map_or(e.value.span, |n| n.span), &path, message, hint);
            return None;
        }
        let own = crate::steps::find(&kind, self.catalogue).map_or(&[][..], |(code, ..)| code.meta().config);
        for e in entries {
            if !KEYS.contains(&&*e.key) && !own.contains(&&*e.key) {
                let message = format!("`{}` has no place in an `undo`", e.key);
                self.error(
                    "undoStep",
                    e.key_span,
                    &path,
                    message,
                    "its keys are type, with, connector-id, timeout and on-failure",
                );
                return None;
            }
        }
        let step = self.undo_step(entries.to_vec(), e.value.span, name, ix, inner)?;
        let built = self.steps.get(step)?.as_ref()?;
        if matches!(built.body, Body::Leaf(_)) && !undoable(&built.body, built.effect) {
            let message = format!("`{kind}` changes nothing outside by one call, so it takes nothing back");
            self.error("undoStep", e.value.span, &path, message, "name the step that does the opposite");
            return None;
        }
        Some(step)
    }

    /// The undo as the connector knows it; what is wrong with that file is said where the file is read.
    fn inverse(
        &mut self,
        node: &Node,
        inverse: &Inverse,
        name: &Arc<str>,
        ix: StepIx,
        inner: &Place,
    ) -> Option<StepIx> {
        self.catalogue.operation(&inverse.operation)?;
        let span = node.get("type").map_or(node.span, |n| n.span);
        let entry = |key: &str, value: Node| Entry { key: key.into(), key_span: span, value };
        let mut entries = vec![entry("type", text(&inverse.operation, span)), entry("with", tree(&inverse.with, span))];
        entries.extend(node.entry("connector-id").cloned());
        let mark = self.found.len();
        let step = self.undo_step(entries, span, name, ix, inner);
        self.found.truncate(mark);
        let step = step?;
        let built = self.steps.get(step)?.as_ref()?;
        undoable(&built.body, built.effect).then_some(step)
    }

    fn undo_step(
        &mut self,
        mut entries: Vec<Entry>,
        span: Span,
        name: &Arc<str>,
        ix: StepIx,
        inner: &Place,
    ) -> Option<StepIx> {
        let called = text(&format!("{name}.undo"), span);
        entries.insert(0, Entry { key: "name".into(), key_span: span, value: called });
        // The workflow's own `on-failure` is about its steps, not about taking them back.
        let place = Place {
            parent: Some((ix, UNDO_LANE.into())),
            in_loop: false,
            in_fallback: true,
            path: format!("{}.undo", inner.path),
        };
        let path = place.path.clone();
        self.step_at(&Node { span, value: Yaml::Map(entries) }, path, &place)
    }
}

/// True for a step with one effect outside.
fn undoable(body: &Body, effect: Class) -> bool {
    let Body::Leaf(leaf) = body else { return false };
    let name = leaf.code.meta().name;
    let class = leaf.code.class_written(&leaf.params, leaf.operation.as_deref()).max(effect);
    class >= Class::Write && !SEVERAL_CALLS.iter().any(|family| name.starts_with(family))
}

fn text(text: &str, span: Span) -> Node {
    Node { span, value: Yaml::Str(Scalar { text: text.into(), literal: false }) }
}

/// A value as if it had been written at `span`.
fn tree(value: &Value, span: Span) -> Node {
    let value = match value {
        Value::Bool(b) => Yaml::Bool(*b),
        Value::Int(n) => Yaml::Int(*n),
        Value::Str(s) => return text(s, span),
        Value::Array(list) => Yaml::Seq(list.iter().map(|v| tree(v, span)).collect()),
        Value::Object(o) => {
            Yaml::Map(o.iter().map(|(k, v)| Entry { key: k.clone(), key_span: span, value: tree(v, span) }).collect())
        }
        other => other.as_f64().map_or(Yaml::Null, Yaml::Float),
    };
    Node { span, value }
}
