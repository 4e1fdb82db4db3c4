//! Text where a list or an object is meant, and lists or objects where text is meant.
//!
//! Invariants: speaks only where the kind of the value is known from the document or from a schema.
//! Source: `reference/workflow-language.md` §5.2, §5.4, §9.1.

use super::Check;
use super::walk::{Role, StepAt, TextAt};
use crate::template::{Seg, is_template, is_typed, uses};
use stdx::{Diagnostic, Span, Value};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    List,
    Object,
}

impl Shape {
    const fn word(self) -> &'static str {
        match self {
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// Looks at every rendered text.
pub(super) fn run(cx: &mut Check<'_>, steps: &[StepAt<'_>]) {
    for step in steps {
        let words = cx.words(&step.kind);
        for text in step.texts.iter().filter(|t| t.role == Role::Template) {
            let Some(source) = text.node.str().filter(|s| is_template(s) && !is_typed(s)) else { continue };
            let wanted = text.path.strip_prefix("with.").and_then(|p| {
                let schema = words.as_ref()?.schema_at(p)?;
                shape_of(&schema)
            });
            let path = format!("{}.{}", step.path, text.path);
            match wanted {
                Some(shape) => meant(cx, text, source, shape, path),
                None => printed(cx, steps, text, source, &path),
            }
        }
    }
}

/// The one expression of a text that is nothing else.
fn whole(source: &str) -> Option<&str> {
    let inner = source.strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then_some(inner)
}

fn meant(cx: &mut Check<'_>, text: &TextAt<'_>, source: &str, shape: Shape, path: String) {
    let Some(inner) = whole(source) else { return };
    // A rendered JSON text is read as what it says.
    if inner.contains("| json") || inner.contains("|json") {
        return;
    }
    let message = format!("`{{{{ }}}}` renders text, and {} is wanted here", shape.word());
    let d = Diagnostic::warning("templateWhereValue", text.node.span, message)
        .hint("use `${{ }}`, which keeps the value")
        .at(path);
    let at = text.node.inside(cx.source, 0, source.len());
    let exact = cx.source.get(at.start..at.end) == Some(source);
    cx.found.push(if exact { d.replace("use `${{ }}`", Span::new(at.start, at.start), "$") } else { d });
}

fn printed(cx: &mut Check<'_>, steps: &[StepAt<'_>], text: &TextAt<'_>, source: &str, path: &str) {
    for (read, span) in uses(source, cx.limits) {
        let before = source[..span.start].trim_end().trim_end_matches('-');
        let after = source[span.end..].trim_start();
        if !before.ends_with("{{") || !(after.starts_with("}}") || after.starts_with("-}}")) {
            continue;
        }
        let Some(shape) = shape(cx, steps, &read) else { continue };
        let at = text.node.inside(cx.source, span.start, span.end);
        let exact = cx.source.get(at.start..at.end) == source.get(span.start..span.end);
        let said = match shape {
            Shape::List => "the elements of a list are printed without anything between them",
            Shape::Object => "an object is printed as `[object Object]`",
        };
        let mut d = Diagnostic::warning("valuePrinted", at, said).at(path);
        if whole(source).is_some() {
            d = d.hint("`${{ }}` keeps the value; `| json` prints it");
        } else {
            d = d.hint(if shape == Shape::List {
                "use `| json`, or `| join: \", \"`"
            } else {
                "use `| json`, or name a member"
            });
            if exact {
                d = d.replace("print it as JSON", Span::new(at.end, at.end), " | json");
            }
        }
        cx.found.push(d);
    }
}

/// What stands at a path, where that is known.
fn shape(cx: &Check<'_>, steps: &[StepAt<'_>], path: &[Seg]) -> Option<Shape> {
    let key = |i: usize| match path.get(i) {
        Some(Seg::Key(k)) => Some(&**k),
        _ => None,
    };
    match (key(0)?, key(1)) {
        ("event", Some("alerts")) if cx.program.has_trigger("alert") => match path.len() {
            2 => Some(Shape::List),
            3 if path[2] == Seg::Index => Some(Shape::Object),
            _ => None,
        },
        ("event", Some("rule")) if cx.program.has_trigger("alert") && path.len() == 2 => Some(Shape::Object),
        ("foreach", Some("items")) if path.len() == 2 => Some(Shape::List),
        ("inputs", Some(_)) => shape_of(&walk_schema(&cx.program.inputs.schema, &path[1..])?),
        ("consts", Some(_)) => {
            let mut at = &cx.program.consts;
            for segment in &path[1..] {
                match segment {
                    Seg::Key(k) => at = at.get(k)?,
                    _ => return None,
                }
            }
            value_shape(at)
        }
        ("steps", Some(name)) if key(2) == Some("output") => {
            let step = steps.iter().find(|s| &*s.name == name)?;
            shape_of(&walk_schema(&cx.output_schema(&step.kind)?, &path[3..])?)
        }
        _ => None,
    }
}

fn walk_schema(schema: &Value, path: &[Seg]) -> Option<Value> {
    let mut at = schema.clone();
    for segment in path {
        at = match segment {
            Seg::Key(k) => at.get("properties")?.get(k)?.clone(),
            Seg::Index => at.get("items")?.clone(),
            Seg::Dynamic => return None,
        };
    }
    Some(at)
}

fn shape_of(schema: &Value) -> Option<Shape> {
    if ["anyOf", "oneOf", "allOf", "$ref"].iter().any(|k| schema.get(k).is_some()) {
        return None;
    }
    match schema.get("type").and_then(Value::as_str)? {
        "array" => Some(Shape::List),
        "object" => Some(Shape::Object),
        _ => None,
    }
}

const fn value_shape(value: &Value) -> Option<Shape> {
    match value {
        Value::Array(_) => Some(Shape::List),
        Value::Object(_) => Some(Shape::Object),
        _ => None,
    }
}
