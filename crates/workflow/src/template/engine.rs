//! The one place that calls the template engine.
//!
//! Invariants: nothing else in this crate names `liquid`.

use super::{Limits, TextError};
use stdx::{Span, Value};

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);
/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expression(Vec<String>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Path(Expression),
}

pub(super) fn template(source: &str, limits: Limits) -> Result<Template, TextError> {
    if source.len() > limits.parse {
        return Err(TextError { message: "parse length limit exceeded".into(), span: Span::new(0, source.len()) });
    }
    let mut pieces = vec![];
    let mut at = 0;
    while let Some(i) = source[at..].find("{{") {
        pieces.push(Piece::Text(source[at..at + i].into()));
        let start = at + i + 2;
        let Some(len) = source[start..].find("}}") else {
            return Err(TextError { message: "output is not closed".into(), span: Span::new(at + i, source.len()) });
        };
        pieces.push(Piece::Path(expression(&source[start..start + len], start, limits)?));
        at = start + len + 2;
    }
    pieces.push(Piece::Text(source[at..].into()));
    Ok(Template(pieces))
}

pub(super) fn expression(source: &str, _offset: usize, _limits: Limits) -> Result<Expression, TextError> {
    let path = source.split('|').next().unwrap_or("").trim().replace('[', ".").replace([']', '"', '\''], "");
    Ok(Expression(path.split('.').map(str::to_owned).collect()))
}

pub(super) fn render(t: &Template, root: &Value) -> Result<String, String> {
    let mut out = String::new();
    for p in &t.0 {
        match p {
            Piece::Text(s) => out.push_str(s),
            Piece::Path(e) => out.push_str(&eval(e, root)?.map(|v| print(&v)).unwrap_or_default()),
        }
    }
    Ok(out)
}

pub(super) fn eval(e: &Expression, root: &Value) -> Result<Option<Value>, String> {
    let keys: Vec<&str> = e.0.iter().map(String::as_str).collect();
    Ok(root.path(&keys).cloned())
}

pub(super) fn print(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Str(s) => s.to_string(),
        Value::Array(a) => a.iter().map(print).collect(),
        Value::Object(_) => "[object Object]".into(),
        other => stdx::json::text(other).trim_matches('"').to_owned(),
    }
}
