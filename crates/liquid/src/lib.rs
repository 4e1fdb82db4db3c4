//! A template engine that agrees with LiquidJS 10.30 and has Elastic's filters `json_parse`, `entries` and `pick`.
//!
//! Invariants: pure: no clock, files, environment or randomness of its own; parse length, operations, memory, output and nesting are
//! limited; a context is only read, its values are shared and never copied.
//! Not here: what the variables mean, when `${{ }}` is typed (the `workflow` crate).
//! Source: LiquidJS 10.30 (measured) with strict filters, lax variables and own properties only.

mod ast;
mod chars;
mod date;
mod date_parse;
mod filters;
mod json;
mod limits;
mod number;
mod parse;
mod paths;
mod render;
mod scan;
mod token;
mod value;

#[cfg(test)]
mod tests;

pub use filters::names as filter_names;
pub use paths::PathSegment;

use std::fmt;
use std::sync::Arc;
use stdx::{Object, Span, Time, Value};

/// Operations that stand for one millisecond of LiquidJS' `renderLimit`.
///
/// Measured on two cores, quiet: LiquidJS works off the like of 1,800 to 2,200 operations (nodes, filters, elements) per millisecond, a
/// release build of this crate 16,000 to 29,000. Twice LiquidJS' figure lets every template pass that Elastic lets pass, and stops the others
/// after a quarter of the time.
pub const OPERATIONS_PER_MS: u64 = 4_000;

/// How a time prints where no filter formats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DateText {
    /// `Wed Jan 15 2025 12:00:00 GMT+0000 (Coordinated Universal Time)`, as JavaScript does.
    Js,
    /// `2025-01-15T12:00:00.000Z`, as authors expect.
    #[default]
    Iso,
}

/// Limits and surroundings of parsing and rendering.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest template, in UTF-16 units.
    pub parse_limit: usize,
    /// Operations of one render; see [`OPERATIONS_PER_MS`].
    pub render_limit: u64,
    /// Memory units (about characters) that filters of one render may make.
    pub memory_limit: u64,
    /// How times print.
    pub date_text: DateText,
    /// Zone of `date` without a zone argument, by IANA name; UTC when absent.
    pub timezone: Option<Arc<str>>,
    /// What `now` and `today` are for the `date` filter.
    pub now: Time,
    /// Seed of `sample`.
    pub seed: u64,
    /// Exactly LiquidJS, also where authors expect something else: `[0]` and `[1]` of what `entries` makes are undefined (else the key
    /// and the value), a typed `nil`, `empty` or `blank` is `{}` (else null and empty text).
    pub strict: bool,
}

impl Default for Options {
    /// Elastic's limits, times as ISO text.
    fn default() -> Self {
        Self {
            parse_limit: 150_000,
            render_limit: 1000 * OPERATIONS_PER_MS,
            memory_limit: 15_000_000,
            date_text: DateText::Iso,
            timezone: None,
            now: Time::default(),
            seed: 0,
            strict: false,
        }
    }
}

impl Options {
    /// Exactly LiquidJS, times as JavaScript prints them; the limits of [`Options::default`].
    pub fn strict() -> Self {
        Self { date_text: DateText::Js, strict: true, ..Self::default() }
    }
    /// At the time `now`.
    #[must_use]
    pub fn at(mut self, now: Time) -> Self {
        self.now = now;
        self
    }
}

/// The root variables of a render.
pub trait Context {
    /// The value of a root variable; `None` when there is none. Cloning a value is O(1).
    fn get(&self, name: &str) -> Option<Value>;
}

impl Context for Object {
    fn get(&self, name: &str) -> Option<Value> {
        Object::get(self, name).cloned()
    }
}

impl Context for Value {
    /// Members of an object; anything else has no variables.
    fn get(&self, name: &str) -> Option<Value> {
        self.as_object().and_then(|o| o.get(name)).cloned()
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no template or expression.
    Syntax,
    /// There is no such tag.
    UnknownTag,
    /// There is no such filter.
    UndefinedFilter,
    /// A filter could not use its input.
    Render,
    /// The template is too long.
    ParseLimit,
    /// The render took too many operations.
    RenderLimit,
    /// The render made too much.
    MemoryLimit,
}

/// A template that cannot be parsed or rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// LiquidJS' words, without its position.
    pub message: String,
    /// Where in the source.
    pub span: Span,
    /// What kind of mistake.
    pub kind: ErrorKind,
    placed: bool,
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Span::default(), kind, placed: false }
    }
    fn at(kind: ErrorKind, message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span, kind, placed: true }
    }
    /// At `span`, unless a narrower place is known.
    fn or_at(mut self, span: Span) -> Self {
        if !self.placed {
            self.span = span;
            self.placed = true;
        }
        self
    }
    /// Forgets the place, for text that is not part of the source.
    fn without_span(mut self) -> Self {
        self.placed = false;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Error {}

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    src: Arc<str>,
    nodes: Vec<ast::Node>,
}

impl Template {
    /// Parses `src`.
    ///
    /// - errors: the first mistake, with its place.
    pub fn parse(src: &str, opts: &Options) -> Result<Self, Error> {
        if src.len() > opts.parse_limit && chars::utf16_len(src) > opts.parse_limit {
            let end = Span::new(0, src.len());
            return Err(Error::at(ErrorKind::ParseLimit, "parse length limit exceeded", end));
        }
        Ok(Self { src: src.into(), nodes: parse::template(src)? })
    }
    /// Renders to text.
    ///
    /// - errors: what a filter refuses, or a spent limit, with the place of the part that was rendered.
    pub fn render(&self, ctx: &dyn Context, opts: &Options) -> Result<String, Error> {
        self.render_counted(ctx, opts).map(|(text, _)| text)
    }
    /// Renders to text and says how many operations it took.
    pub fn render_counted(&self, ctx: &dyn Context, opts: &Options) -> Result<(String, u64), Error> {
        let mut renderer = render::Renderer::new(&self.src, ctx, opts);
        let mut out = String::new();
        renderer.nodes(&self.nodes, &mut out)?;
        Ok((out, opts.render_limit - renderer.limits.operations_left()))
    }
    /// The variable paths that the template reads from its context, with their places, in order of appearance; paths whose root the
    /// template itself binds are left out.
    pub fn paths(&self) -> Vec<(Vec<PathSegment>, Span)> {
        paths::of_template(&self.nodes)
    }
    /// The filters used, with their places.
    pub fn filters(&self) -> Vec<(Arc<str>, Span)> {
        paths::filters_of_template(&self.nodes)
    }
    /// True when the template is text only.
    pub fn is_plain(&self) -> bool {
        self.nodes.iter().all(|n| matches!(n.kind, ast::Kind::Text(_)))
    }
    /// The source.
    pub fn source(&self) -> &str {
        &self.src
    }
}

/// A parsed value expression: the inside of `${{ … }}`.
#[derive(Clone, Debug)]
pub struct Expression {
    src: Arc<str>,
    value: ast::Filtered,
}

impl Expression {
    /// Parses `src`, the text between `{{` and `}}`.
    pub fn parse(src: &str) -> Result<Self, Error> {
        Ok(Self { src: src.into(), value: parse::expression(src)? })
    }
    /// Evaluates to a value of its own type; `None` is undefined.
    pub fn eval(&self, ctx: &dyn Context, opts: &Options) -> Result<Option<Value>, Error> {
        self.eval_counted(ctx, opts).map(|(value, _)| value)
    }
    /// Evaluates and says how many operations it took.
    pub fn eval_counted(&self, ctx: &dyn Context, opts: &Options) -> Result<(Option<Value>, u64), Error> {
        let mut renderer = render::Renderer::new(&self.src, ctx, opts);
        let value = renderer.filtered(&self.value).map_err(|e| e.or_at(self.value.span))?;
        Ok((value.into_value(opts.strict), opts.render_limit - renderer.limits.operations_left()))
    }
    /// The variable paths that the expression reads, with their places.
    pub fn paths(&self) -> Vec<(Vec<PathSegment>, Span)> {
        paths::of_expression(&self.value)
    }
    /// The filters used, with their places.
    pub fn filters(&self) -> Vec<(Arc<str>, Span)> {
        paths::filters_of_expression(&self.value)
    }
    /// The source.
    pub fn source(&self) -> &str {
        &self.src
    }
}

/// The range of the value expression in a typed string: one that starts with `${{` and ends with `}}` exactly.
pub fn typed(src: &str) -> Option<Span> {
    (src.len() >= 5 && src.starts_with("${{") && src.ends_with("}}")).then(|| Span::new(3, src.len() - 2))
}

/// True when `src` holds something that a render would change or check.
pub fn is_template(src: &str) -> bool {
    src.contains("{{") || src.contains("{%")
}
