//! The one place that calls the template engine.
//!
//! Invariants: nothing else in this crate names `liquid`; a template's zone and clock are the run's.

use super::{Limits, Refs, Root, Seg, TextError};
use stdx::{Span, Value};

/// A compiled template.
pub(super) type Template = liquid::Template;
/// A compiled expression.
pub(super) type Expression = liquid::Expression;

fn options(limits: Limits, root: &Root) -> liquid::Options {
    liquid::Options {
        parse_limit: limits.parse,
        render_limit: limits.render_ms.saturating_mul(liquid::OPERATIONS_PER_MS),
        memory_limit: limits.memory,
        timezone: root.timezone.clone(),
        now: root.now,
        ..liquid::Options::default()
    }
}

pub(super) fn template(source: &str, limits: Limits) -> Result<(Template, Refs), TextError> {
    let options = options(limits, &Root::default());
    let parsed =
        liquid::Template::parse(source, &options).map_err(|e| TextError { message: e.message, span: e.span })?;
    let refs = refs(&parsed.paths());
    Ok((parsed, refs))
}

pub(super) fn expression(source: &str, offset: usize, limits: Limits) -> Result<(Expression, Refs), TextError> {
    if source.len() > limits.parse {
        return Err(TextError { message: "parse length limit exceeded".into(), span: Span::new(0, source.len()) });
    }
    let parsed =
        liquid::Expression::parse(source).map_err(|e| TextError { message: e.message, span: e.span.shift(offset) })?;
    let refs = refs(&parsed.paths());
    Ok((parsed, refs))
}

fn refs(paths: &[(Vec<liquid::PathSegment>, Span)]) -> Refs {
    use liquid::PathSegment::Key;
    let mut refs = Refs::default();
    for (path, _) in paths {
        match path.first() {
            Some(Key(root)) => refs.add(root),
            // A variable as root (`[name]`): anything may be read.
            _ => {
                super::ROOTS.iter().for_each(|r| refs.add(r));
                refs.all_steps = true;
                continue;
            }
        }
        if matches!(&path[0], Key(root) if &**root == "steps") {
            match path.get(1) {
                Some(Key(step)) => drop(refs.steps.insert(step.clone())),
                _ => refs.all_steps = true,
            }
        }
    }
    refs
}

/// Every path that `source` reads with its place in it; empty where it does not parse.
pub(super) fn uses(source: &str, limits: Limits) -> Vec<(Vec<Seg>, Span)> {
    let paths = if super::is_typed(source) {
        match liquid::Expression::parse(&source[3..source.len() - 2]) {
            Ok(e) => e.paths().into_iter().map(|(p, s)| (p, s.shift(3))).collect(),
            Err(_) => vec![],
        }
    } else {
        liquid::Template::parse(source, &options(limits, &Root::default())).map_or_else(|_| vec![], |t| t.paths())
    };
    let segment = |s: liquid::PathSegment| match s {
        liquid::PathSegment::Key(k) => Seg::Key(k),
        liquid::PathSegment::Index(_) => Seg::Index,
        liquid::PathSegment::Dynamic => Seg::Dynamic,
    };
    paths.into_iter().map(|(p, s)| (p.into_iter().map(segment).collect(), s)).collect()
}

/// Names of all filters.
pub(super) fn filter_names() -> Vec<&'static str> {
    liquid::filter_names().collect()
}

pub(super) fn render(template: &Template, root: &Root, limits: Limits) -> Result<String, String> {
    template.render(&root.value, &options(limits, root)).map_err(|e| e.message)
}

pub(super) fn eval(expression: &Expression, root: &Root, limits: Limits) -> Result<Option<Value>, String> {
    expression.eval(&root.value, &options(limits, root)).map_err(|e| e.message)
}

/// Prints a value as a template prints it.
pub(super) fn print(value: &Value) -> String {
    match value {
        Value::Str(s) => s.to_string(),
        other => {
            let root = Root { value: Value::object([("x", other.clone())]), ..Root::default() };
            match liquid::Template::parse("{{ x }}", &liquid::Options::default()) {
                Ok(t) => render(&t, &root, Limits::default()).unwrap_or_default(),
                Err(_) => String::new(),
            }
        }
    }
}
