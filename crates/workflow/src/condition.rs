//! Conditions: a typed expression that gives a boolean, else KQL over the context.
//!
//! Invariants: KQL without a template is parsed when the workflow loads; what a template puts into it is parsed at run time.
//! Not here: the grammar and evaluation of KQL (`lang`).
//! Source: `reference/workflow-language.md` §5.6, §5.7, Appendix D.

use crate::template::{self, Limits, Refs, Root, Text, is_template, is_typed};
use crate::yaml::{Node, Yaml};
use std::sync::Arc;
use stdx::{Diagnostic, Value};

mod engine;

/// A condition, compiled once.
#[derive(Clone, Debug)]
pub struct Condition {
    /// As the author wrote it.
    pub source: Arc<str>,
    /// What it may read.
    pub refs: Refs,
    code: Code,
}

#[derive(Clone, Debug)]
enum Code {
    Bool(bool),
    Kql(Arc<engine::Query>),
    /// Did not parse.
    Broken(Arc<str>),
    /// Rendered first: a typed expression, or a text that becomes KQL.
    Text(Text),
}

impl Condition {
    /// Compiles the condition at `node`; mistakes are reported at their place.
    pub fn compile(node: &Node, source: &str, limits: Limits, path: &str, found: &mut Vec<Diagnostic>) -> Self {
        let text: Arc<str> = match &node.value {
            Yaml::Bool(b) => return Self { source: b.to_string().into(), refs: Refs::default(), code: Code::Bool(*b) },
            Yaml::Str(s) => s.text.clone(),
            _ => {
                found.push(
                    Diagnostic::error(
                        "schemaViolation",
                        node.span,
                        format!("a condition must be text, found a {}", node.kind()),
                    )
                    .hint("write KQL in quotes, or a `${{ }}` expression")
                    .at(path),
                );
                return Self {
                    source: "false".into(),
                    refs: Refs::default(),
                    code: Code::Broken("a condition must be text".into()),
                };
            }
        };
        lint(node, &text, path, found);
        if is_template(&text) {
            let compiled = template::compile_at(node, source, limits, path, found);
            let mut refs = compiled.refs.clone();
            if !is_typed(&text) {
                refs.merge(&Refs::scan(&text));
            }
            return Self { source: text, refs, code: Code::Text(compiled) };
        }
        let refs = Refs::scan(&text);
        let code = match text.trim() {
            "true" => Code::Bool(true),
            "false" => Code::Bool(false),
            _ => match engine::parse(&text) {
                Ok((query, warnings)) => {
                    for mut d in warnings {
                        d.span = node.inside(source, d.span.start, d.span.end);
                        found.push(d.at(path));
                    }
                    Code::Kql(Arc::new(query))
                }
                Err((message, span)) => {
                    // An operator that KQL does not have was already reported with better advice.
                    if !found.iter().any(|d| d.span == node.span && d.code.ends_with("Operator")) {
                        let place = node.inside(source, span.start, span.end);
                        found.push(
                            Diagnostic::error("invalidIfConditionSyntax", place, format!("the condition cannot be read: {message}"))
                                .hint("KQL is `field: value`, `field > 5`, `a: x and not b: *`; text with special characters stands in double quotes")
                                .at(path),
                        );
                    }
                    Code::Broken(message.into())
                }
            },
        };
        Self { source: text, refs, code }
    }

    /// Compiles a condition that is known at run time only; the mistake of a text that cannot be read.
    pub fn of_text(text: &Arc<str>, limits: Limits) -> Result<Self, String> {
        let (refs, code) = if is_template(text) {
            let (compiled, error) = Text::compile(text, limits);
            if let Some(error) = error {
                return Err(error.message);
            }
            (compiled.refs.clone(), Code::Text(compiled))
        } else {
            let code = match text.trim() {
                "true" => Code::Bool(true),
                "false" => Code::Bool(false),
                _ => Code::Kql(Arc::new(engine::parse(text).map_err(|(message, _)| message)?.0)),
            };
            (Refs::scan(text), code)
        };
        Ok(Self { source: text.clone(), refs, code })
    }

    /// Evaluates.
    ///
    /// - errors: the sentence the step fails with, without the step's name.
    pub fn eval(&self, root: &Root) -> Result<bool, String> {
        match &self.code {
            Code::Bool(b) => Ok(*b),
            Code::Broken(message) => Err(self.syntax(&self.source, message)),
            Code::Kql(query) => Ok(engine::eval(query, root)),
            Code::Text(text) => match text.eval(root)? {
                None => Ok(false),
                Some(Value::Bool(b)) => Ok(b),
                Some(Value::Str(s)) => match s.trim() {
                    "true" => Ok(true),
                    "false" => Ok(false),
                    // What stood on the left rendered to nothing (Appendix D).
                    t if t.starts_with("==") || t.starts_with("!=") => Err(self.syntax(&s, "the left side is empty")),
                    _ => {
                        let (query, _) = engine::parse(&s).map_err(|(e, _)| self.syntax(&s, &e))?;
                        Ok(engine::eval(&query, root))
                    }
                },
                Some(other) => Err(format!(
                    "Invalid condition type `{}` in `{}`: a condition must give true, false or text",
                    other.type_name(),
                    self.source
                )),
            },
        }
    }

    /// The condition with its templates rendered, for the record of an `if`.
    pub fn rendered(&self, root: &Root) -> Value {
        match &self.code {
            Code::Text(text) => text.eval(root).ok().flatten().unwrap_or_default(),
            _ => Value::Str(self.source.clone()),
        }
    }

    #[allow(clippy::unused_self, reason = "keeps the call sites alike")]
    fn syntax(&self, text: &str, message: &str) -> String {
        format!("Syntax error in condition \"{text}\": {message}")
    }
}

/// Every field that the KQL `text` names, with its place in it; templates count as values.
pub(crate) fn fields(text: &str) -> Vec<(String, stdx::Span)> {
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut holes) = (text, vec![]);
    while let Some(open) = rest.find("{{") {
        let start = plain.len() + open;
        plain.push_str(&rest[..open]);
        let end = rest[open..].find("}}").map_or(rest.len(), |i| open + i + 2);
        plain.extend(std::iter::repeat_n('x', end - open));
        holes.push(start..plain.len());
        rest = &rest[end..];
    }
    plain.push_str(rest);
    let mut found = engine::fields(&plain);
    found.retain(|(_, s)| !holes.iter().any(|h| s.start < h.end && h.start < s.end));
    found
}

/// Gotchas of §9.1 that can be seen in the text of a condition.
fn lint(node: &Node, text: &str, path: &str, found: &mut Vec<Diagnostic>) {
    if is_typed(text) {
        return;
    }
    let bare = unquoted(text);
    for (operator, code, message) in [
        ("==", "invalidEqualityOperator", "Invalid condition syntax: \"==\" is not a valid KQL operator"),
        ("!=", "invalidInequalityOperator", "Invalid condition syntax: \"!=\" is not a valid KQL operator"),
    ] {
        if bare.contains(operator) {
            let hint = if operator == "==" {
                "use \":\" for equality, for example `field: value`"
            } else {
                "use `not field: value`"
            };
            // Stored by Kibana as valid all the same (Appendix D), so a warning.
            found.push(Diagnostic::warning(code, node.span, message).hint(hint).at(path));
        }
    }
    let single = bare.char_indices().any(|(i, c)| {
        c == '='
            && !matches!(bare[..i].chars().next_back(), Some('=' | '!' | '<' | '>' | '|' | '$'))
            && !bare[i + 1..].starts_with('=')
    });
    if single {
        found.push(
            Diagnostic::warning(
                "invalidAssignmentOperator",
                node.span,
                "Invalid condition syntax: \"=\" is not a valid KQL operator",
            )
            .hint("use \":\" for equality, for example `field: value`")
            .at(path),
        );
    }
}

/// The text with what stands in quotes or in a template blanked out, same length.
fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut depth = 0usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if !quoted && c == '{' && matches!(chars.peek(), Some('{' | '%')) {
            depth += 1;
        }
        let hide = quoted || depth > 0;
        if c == '"' && depth == 0 {
            quoted = !quoted;
        }
        if depth > 0 && c == '}' && !matches!(chars.peek(), Some('}')) {
            depth -= 1;
        }
        out.extend(std::iter::repeat_n(if hide { ' ' } else { c }, if hide { c.len_utf8() } else { 1 }));
    }
    out
}
