//! Templates inside connector files: values whose strings are Liquid, compiled once.
//!
//! Invariants: a string that starts with `${{` and ends with `}}` keeps its type; a member that renders to undefined is left out;
//! secrets are never in the context.

use crate::Fault;
use liquid::{Context, Expression, Options, Template};
use std::sync::Arc;
use stdx::{Object, Value};

/// A compiled value.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Fixed(Value),
    Text(Template),
    Typed(Expression),
    Array(Vec<Tree>),
    Object(Vec<(Arc<str>, Tree)>),
}

impl Tree {
    /// Compiles every string of `value`; the message of the first mistake, with its path.
    pub(crate) fn compile(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::Str(s) if !liquid::is_template(s) => Self::Fixed(value.clone()),
            Value::Str(s) => match liquid::typed(s) {
                Some(inner) => Self::Typed(Expression::parse(&s[inner.start..inner.end]).map_err(|e| e.message)?),
                None => Self::Text(Template::parse(s, &options()).map_err(|e| e.message)?),
            },
            Value::Array(a) => Self::Array(a.iter().map(Self::compile).collect::<Result<_, _>>()?),
            Value::Object(o) => Self::Object(
                o.iter()
                    .map(|(k, v)| Ok((Arc::clone(k), Self::compile(v).map_err(|e| format!("{k}: {e}"))?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => Self::Fixed(other.clone()),
        })
    }

    /// The rendered value; `None` for undefined.
    pub(crate) fn render(&self, ctx: &dyn Context) -> Result<Option<Value>, Fault> {
        let fault = |e: liquid::Error| Fault::connector(format!("template of the connector: {e}"));
        Ok(match self {
            Self::Fixed(v) => Some(v.clone()),
            Self::Text(t) => Some(t.render(ctx, &options()).map_err(fault)?.into()),
            Self::Typed(e) => e.eval(ctx, &options()).map_err(fault)?,
            Self::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(item.render(ctx)?.unwrap_or_default());
                }
                Some(out.into())
            }
            Self::Object(members) => {
                let mut out = Object::new();
                for (key, member) in members {
                    if let Some(value) = member.render(ctx)? {
                        out.insert(Arc::clone(key), value);
                    }
                }
                Some(out.into())
            }
        })
    }
    /// [`Tree::render`] as text; empty for undefined.
    pub(crate) fn text(&self, ctx: &dyn Context) -> Result<String, Fault> {
        Ok(match self.render(ctx)? {
            None | Some(Value::Null) => String::new(),
            Some(Value::Str(s)) => s.to_string(),
            Some(other) => stdx::json::text(&other),
        })
    }
}

fn options() -> Options {
    Options::default()
}

/// Percent-encodes a query component.
pub(crate) fn component(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}
