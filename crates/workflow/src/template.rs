//! Templated text and parameters, compiled once: `{{ }}` gives text, a string that is exactly `${{ }}` keeps its type.
//!
//! Invariants: one pass only, what a render gives is not rendered again; a template is compiled when the workflow loads, never at run time;
//! each knows which parts of the context it can read, so that nothing else is built or loaded for it.
//! Not here: the language itself (`liquid`), the context (`decide::context`).
//! Source: `reference/workflow-language.md` §5.1–5.3.

use crate::yaml::{Node, Yaml};
use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{Diagnostic, Object, Span, Time, Value};

/// Names at the root of the context.
pub const ROOTS: [&str; 16] = [
    "inputs",
    "consts",
    "event",
    "steps",
    "variables",
    "foreach",
    "while",
    "item",
    "error",
    "execution",
    "workflow",
    "now",
    "kibanaUrl",
    "parent",
    "metadata",
    "context",
];

/// What a template or condition is evaluated against.
#[derive(Clone, Debug, Default)]
pub struct Root {
    /// The root variables.
    pub value: Value,
    /// Now.
    pub now: Time,
    /// Zone of dates, where `settings.timezone` sets one.
    pub timezone: Option<Arc<str>>,
}

/// Limits of `settings.liquid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Characters of one template.
    pub parse: usize,
    /// Milliseconds of one render, counted in operations.
    pub render_ms: u64,
    /// Memory units of one render.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parse: 150_000, render_ms: 1000, memory: 15_000_000 }
    }
}

/// Which parts of the context a text can read; may name too much, never too little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs {
    roots: u32,
    /// Step names read as `steps.name` or `steps["name"]`.
    pub steps: BTreeSet<Arc<str>>,
    /// `steps` is read in a way that may reach any step.
    pub all_steps: bool,
}

impl Refs {
    /// True when root `name` may be read.
    pub fn reads(&self, name: &str) -> bool {
        ROOTS.iter().position(|r| *r == name).is_some_and(|i| self.roots & (1 << i) != 0)
    }
    /// True when nothing is read.
    pub const fn is_empty(&self) -> bool {
        self.roots == 0
    }
    /// Adds what `other` reads.
    pub fn merge(&mut self, other: &Self) {
        self.roots |= other.roots;
        self.steps.extend(other.steps.iter().cloned());
        self.all_steps |= other.all_steps;
    }
    /// Adds root `name`.
    pub fn add(&mut self, name: &str) {
        if let Some(i) = ROOTS.iter().position(|r| *r == name) {
            self.roots |= 1 << i;
        }
    }
    /// Finds root names as words of `code`.
    pub fn scan(code: &str) -> Self {
        let mut refs = Self::default();
        let bytes = code.as_bytes();
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let mut at = 0;
        while at < bytes.len() {
            if !word(bytes[at]) {
                at += 1;
                continue;
            }
            let end = at + bytes[at..].iter().take_while(|b| word(**b)).count();
            let preceded = at > 0 && bytes[at - 1] == b'.';
            let name = &code[at..end];
            if !preceded && let Some(i) = ROOTS.iter().position(|r| *r == name) {
                refs.roots |= 1 << i;
                if name == "steps" {
                    match step_after(&code[end..]) {
                        Some(step) => drop(refs.steps.insert(step.into())),
                        None => refs.all_steps = true,
                    }
                }
            }
            at = end;
        }
        refs
    }
}

/// The step name in `.name…` or `["name"]…`.
fn step_after(rest: &str) -> Option<&str> {
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        return (end > 0).then(|| &rest[..end]);
    }
    let rest = rest.strip_prefix('[')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].find(quote).map(|end| &rest[1..=end])
}

/// A step of a path that a text reads, for checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seg {
    /// `.name` or `["name"]`.
    Key(Arc<str>),
    /// `[n]`.
    Index,
    /// Known only when it is rendered.
    Dynamic,
}

/// Every path that `text` reads, with its place in it.
pub(crate) fn uses(text: &str, limits: Limits) -> Vec<(Vec<Seg>, Span)> {
    engine::uses(text, limits)
}

/// Names of all filters.
pub(crate) fn filter_names() -> Vec<&'static str> {
    engine::filter_names()
}

/// A text that may hold a template.
#[derive(Clone, Debug)]
pub struct Text {
    /// As the author wrote it.
    pub source: Arc<str>,
    /// What it may read.
    pub refs: Refs,
    limits: Limits,
    code: Code,
}

#[derive(Clone, Debug)]
enum Code {
    Literal,
    Template(Arc<engine::Template>),
    Typed(Arc<engine::Expression>),
    /// Did not parse: fails when it is reached, with the parser's message.
    Broken(Arc<str>),
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// In the engine's words.
    pub message: String,
    /// Bytes of the text.
    pub span: Span,
}

/// True for a string that is evaluated as one typed expression.
pub fn is_typed(text: &str) -> bool {
    text.starts_with("${{") && text.ends_with("}}")
}

/// True where anything would be rendered.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

impl Text {
    /// Compiles `source`; with an error the text is kept and fails when it is reached.
    pub fn compile(source: &Arc<str>, limits: Limits) -> (Self, Option<TextError>) {
        let text = |code, refs| Self { source: source.clone(), refs, limits, code };
        if !is_template(source) {
            return (text(Code::Literal, Refs::default()), None);
        }
        let parsed = if is_typed(source) {
            let inner = &source[3..source.len() - 2];
            engine::expression(inner, 3, limits).map(|(e, refs)| (Code::Typed(Arc::new(e)), refs))
        } else {
            engine::template(source, limits).map(|(t, refs)| (Code::Template(Arc::new(t)), refs))
        };
        match parsed {
            Ok((code, refs)) => (text(code, refs), None),
            Err(e) => (text(Code::Broken(e.message.as_str().into()), Refs::default()), Some(e)),
        }
    }
    /// A text without a template.
    pub fn literal(source: &str) -> Self {
        Self { source: source.into(), refs: Refs::default(), limits: Limits::default(), code: Code::Literal }
    }
    /// True when it is the same text whatever the context.
    pub const fn is_literal(&self) -> bool {
        matches!(self.code, Code::Literal)
    }
    /// True for `${{ }}`.
    pub const fn is_typed(&self) -> bool {
        matches!(self.code, Code::Typed(_))
    }
    /// Evaluates against the context; `None` is undefined.
    ///
    /// - errors: the template engine's message.
    pub fn eval(&self, root: &Root) -> Result<Option<Value>, String> {
        match &self.code {
            Code::Literal => Ok(Some(Value::Str(self.source.clone()))),
            Code::Template(t) => engine::render(t, root, self.limits).map(|s| Some(Value::from(s))),
            Code::Typed(e) => engine::eval(e, root, self.limits).map_err(|e| {
                format!("The provided expression is invalid. Got: {}. {e}", self.source.trim_start_matches('$'))
            }),
            Code::Broken(message) => Err(message.to_string()),
        }
    }
    /// Evaluates to text as a template prints it.
    pub fn render(&self, root: &Root) -> Result<Arc<str>, String> {
        Ok(match self.eval(root)? {
            None | Some(Value::Null) => "".into(),
            Some(Value::Str(s)) => s,
            Some(other) => engine::print(&other).into(),
        })
    }
}

/// Parameters: a tree whose text may hold templates.
#[derive(Clone, Debug)]
pub enum Params {
    /// Nothing to render.
    Const(Value),
    /// A text.
    Text(Text),
    /// A list.
    Array(Vec<Params>),
    /// A map; a member that evaluates to undefined disappears.
    Object(Vec<(Arc<str>, Params)>),
}

impl Params {
    /// Compiles the tree; findings carry the place in `source`.
    pub fn compile(node: &Node, source: &str, limits: Limits, path: &str, found: &mut Vec<Diagnostic>) -> Self {
        match &node.value {
            Yaml::Str(s) if is_template(&s.text) => Self::Text(compile_at(node, source, limits, path, found)),
            Yaml::Seq(items) => {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(i, n)| Self::compile(n, source, limits, &format!("{path}[{i}]"), found))
                    .collect();
                if items.iter().all(|p| matches!(p, Self::Const(_))) {
                    Self::Const(node.to_value())
                } else {
                    Self::Array(items)
                }
            }
            Yaml::Map(entries) => {
                let members: Vec<_> = entries
                    .iter()
                    .map(|e| {
                        (e.key.clone(), Self::compile(&e.value, source, limits, &format!("{path}.{}", e.key), found))
                    })
                    .collect();
                if members.iter().all(|(_, p)| matches!(p, Self::Const(_))) {
                    Self::Const(node.to_value())
                } else {
                    Self::Object(members)
                }
            }
            _ => Self::Const(node.to_value()),
        }
    }
    /// What it may read.
    pub fn refs(&self) -> Refs {
        let mut refs = Refs::default();
        self.collect(&mut refs);
        refs
    }
    fn collect(&self, refs: &mut Refs) {
        match self {
            Self::Const(_) => {}
            Self::Text(t) => refs.merge(&t.refs),
            Self::Array(items) => items.iter().for_each(|p| p.collect(refs)),
            Self::Object(members) => members.iter().for_each(|(_, p)| p.collect(refs)),
        }
    }
    /// Renders the tree; `None` is undefined.
    pub fn eval(&self, root: &Root) -> Result<Option<Value>, String> {
        Ok(match self {
            Self::Const(v) => Some(v.clone()),
            Self::Text(t) => t.eval(root)?,
            Self::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(item.eval(root)?.unwrap_or_default());
                }
                Some(Value::from(out))
            }
            Self::Object(members) => {
                let mut out = Object::new();
                for (key, param) in members {
                    if let Some(v) = param.eval(root)? {
                        out.insert(key.clone(), v);
                    }
                }
                Some(Value::from(out))
            }
        })
    }
    /// Renders all members but those of `keep`, which stay as they were written.
    pub fn eval_except(&self, root: &Root, keep: &[&str]) -> Result<Option<Value>, String> {
        let Self::Object(members) = self else { return self.eval(root) };
        if keep.is_empty() {
            return self.eval(root);
        }
        let mut out = Object::new();
        for (key, param) in members {
            let value = if keep.contains(&&**key) { Some(param.source()) } else { param.eval(root)? };
            if let Some(value) = value {
                out.insert(key.clone(), value);
            }
        }
        Ok(Some(Value::from(out)))
    }
    /// The member `key`, if it is written as a map.
    pub fn member(&self, key: &str) -> Option<Member<'_>> {
        match self {
            Self::Const(v) => v.get(key).map(Member::Const),
            Self::Object(m) => m.iter().find(|(k, _)| &**k == key).map(|(_, p)| match p {
                Self::Const(v) => Member::Const(v),
                other => Member::Templated(other),
            }),
            Self::Text(_) | Self::Array(_) => None,
        }
    }
    /// The tree as the author wrote it, for *not bound* actions and the graph.
    pub fn source(&self) -> Value {
        match self {
            Self::Const(v) => v.clone(),
            Self::Text(t) => Value::Str(t.source.clone()),
            Self::Array(items) => Value::array(items.iter().map(Self::source)),
            Self::Object(m) => Value::object(m.iter().map(|(k, p)| (k.clone(), p.source()))),
        }
    }
}

/// A member of written parameters.
#[derive(Clone, Copy, Debug)]
pub enum Member<'a> {
    /// Known before the run.
    Const(&'a Value),
    /// Known when it is rendered.
    Templated(&'a Params),
}

/// Compiles the text of `node`; a mistake is reported at its place in the document.
pub fn compile_at(node: &Node, source: &str, limits: Limits, path: &str, found: &mut Vec<Diagnostic>) -> Text {
    let text: Arc<str> = node.str().cloned().unwrap_or_else(|| crate::json::scalar_text(&node.to_value()).into());
    let (compiled, error) = Text::compile(&text, limits);
    if let Some(e) = error {
        let span = node.inside(source, e.span.start, e.span.end);
        let mut d = Diagnostic::error("liquidSyntaxError", span, e.message.clone()).at(path);
        if let Some(hint) = liquid_hint(&text, &e.message) {
            d = d.hint(hint);
        }
        found.push(d);
    } else if text.starts_with("${{") && text.trim_end().ends_with("}}") && !is_typed(&text) {
        found.push(
            Diagnostic::warning(
                "typedExpressionTrailingText",
                node.span,
                "this renders as text: a line break follows the `}}`",
            )
            .hint("write the expression on one line, without a block scalar, or use `|-`")
            .at(path),
        );
    } else if !is_typed(&text) && text.contains("${{") {
        found.push(
            Diagnostic::warning(
                "typedExpressionInText",
                node.span,
                "`${{ }}` inside a longer text keeps the `$` and prints text",
            )
            .hint("use `{{ }}` inside text, or make the expression the whole value")
            .at(path),
        );
    }
    compiled
}

fn liquid_hint(text: &str, message: &str) -> Option<String> {
    if message.contains("to_json") {
        return Some("the filter is called `json`".into());
    }
    if is_typed(text) && text.matches("}}").count() > 1 {
        return Some("`${{ … }}` holds one expression: use `{{ }}` for text with several".into());
    }
    if message.contains("not closed") || message.contains("unclosed") {
        return Some("end it with `}}` or `%}`".into());
    }
    None
}

mod engine;

/// Prints a value as a template does.
pub fn print(value: &Value) -> String {
    engine::print(value)
}
