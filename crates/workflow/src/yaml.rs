//! YAML text to a tree that keeps the place of every key and value.
//!
//! Invariants: never recurses over the input, never hangs: size, depth and node count (aliases expanded) are bounded; scalars follow the
//! YAML 1.2 core schema (`yes`, `on` and timestamps stay text).
//! Not here: what the keys mean (`program`).
//! Source: `reference/workflow-language.md` §1.1, §1.6.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{Diagnostic, Span, Value};

/// Characters of a document at most.
pub const CHARS_MAX: usize = 1_048_576;
/// Nesting of a document at most; beyond it the text is refused, so that no reader recurses deeper.
pub const DEPTH_MAX: usize = 64;
/// Nodes of a document at most, aliases counted as what they stand for.
pub const NODES_MAX: usize = 100_000;
/// Lines inside brackets that are mended before giving up; see `joined`.
const JOINS_MAX: usize = 64;
/// Findings about one document at most.
pub const FINDINGS_MAX: usize = 200;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Bytes of the text.
    pub span: Span,
    /// What it is.
    pub value: Yaml,
}

/// Kinds of values.
#[derive(Clone, Debug)]
pub enum Yaml {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Str(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A map in the order of the text.
    Map(Vec<Entry>),
}

/// Text with what is needed to find a place inside it again.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text.
    pub text: Arc<str>,
    /// True for `|` blocks, whose lines stand indented in the source.
    pub literal: bool,
}

/// A member of a map.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Key.
    pub key: Arc<str>,
    /// Where the key stands.
    pub key_span: Span,
    /// Value.
    pub value: Node,
}

impl Node {
    /// The text, if this is text.
    pub fn str(&self) -> Option<&Arc<str>> {
        match &self.value {
            Yaml::Str(s) => Some(&s.text),
            _ => None,
        }
    }
    /// The members, if this is a map.
    pub fn map(&self) -> Option<&[Entry]> {
        match &self.value {
            Yaml::Map(m) => Some(m),
            _ => None,
        }
    }
    /// The elements, if this is a list.
    pub fn seq(&self) -> Option<&[Node]> {
        match &self.value {
            Yaml::Seq(s) => Some(s),
            _ => None,
        }
    }
    /// The member `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.value)
    }
    /// The member `key` with its key's place.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.map()?.iter().find(|e| &*e.key == key)
    }
    /// Name of the kind, for messages.
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Yaml::Null => "null",
            Yaml::Bool(_) => "boolean",
            Yaml::Int(_) | Yaml::Float(_) => "number",
            Yaml::Str(_) => "text",
            Yaml::Seq(_) => "list",
            Yaml::Map(_) => "map",
        }
    }
    /// As a value without places.
    pub fn to_value(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(b) => Value::Bool(*b),
            Yaml::Int(i) => Value::Int(*i),
            Yaml::Float(f) => Value::Float(*f),
            Yaml::Str(s) => Value::Str(s.text.clone()),
            Yaml::Seq(s) => Value::array(s.iter().map(Self::to_value)),
            Yaml::Map(m) => Value::object(m.iter().map(|e| (e.key.clone(), e.value.to_value()))),
        }
    }
    /// The place in the document of bytes `[start, end)` of this text's decoded form; the whole scalar where escapes or
    /// folding make the two differ.
    pub fn inside(&self, source: &str, start: usize, end: usize) -> Span {
        let Yaml::Str(scalar) = &self.value else { return self.span };
        let raw = source.get(self.span.start..self.span.end).unwrap_or("");
        if scalar.literal {
            return literal_span(source, self.span, &scalar.text, start, end).unwrap_or(self.span);
        }
        let quote = usize::from(raw.starts_with(['"', '\'']));
        if raw.get(quote..).is_some_and(|r| r.starts_with(&*scalar.text)) {
            let at = self.span.start + quote;
            return Span::new(at + start, at + end.max(start)).clamp_to(self.span);
        }
        self.span
    }
}

trait Clamp {
    fn clamp_to(self, outer: Span) -> Span;
}
impl Clamp for Span {
    fn clamp_to(self, outer: Span) -> Span {
        Span::new(self.start.clamp(outer.start, outer.end), self.end.clamp(outer.start, outer.end))
    }
}

/// A place inside a `|` block: same line, shifted by the block's indentation. The span starts at the content's first character,
/// or at the `|`.
fn literal_span(source: &str, span: Span, text: &str, start: usize, end: usize) -> Option<Span> {
    let raw = source.get(span.start..span.end)?;
    let (content, indent) = if raw.starts_with('|') {
        let body = raw.find('\n')? + 1;
        let line = raw[body..].lines().find(|l| !l.trim().is_empty())?;
        (span.start + body, line.len() - line.trim_start_matches(' ').len())
    } else {
        let line_start = source[..span.start].rfind('\n').map_or(0, |i| i + 1);
        (line_start, span.start - line_start)
    };
    let place = |offset: usize| -> Option<usize> {
        let before = text.get(..offset)?;
        let line = before.matches('\n').count();
        let column = offset - before.rfind('\n').map_or(0, |i| i + 1);
        let mut at = content;
        for _ in 0..line {
            at += source.get(at..)?.find('\n')? + 1;
        }
        Some((at + indent + column).min(source.len()))
    };
    Some(Span::new(place(start)?, place(end.max(start))?))
}

/// Character index to byte offset; the identity for ASCII text.
struct Offsets(Option<Vec<u32>>);

impl Offsets {
    fn new(text: &str) -> Self {
        Self(
            (!text.is_ascii()).then(|| text.char_indices().map(|(i, _)| i as u32).chain([text.len() as u32]).collect()),
        )
    }
    fn byte(&self, chars: usize, len: usize) -> usize {
        match &self.0 {
            None => chars.min(len),
            Some(table) => table.get(chars).map_or(len, |b| *b as usize),
        }
    }
}

enum Open {
    Seq {
        start: usize,
        anchor: usize,
        items: Vec<Node>,
        nodes: usize,
    },
    Map {
        start: usize,
        anchor: usize,
        entries: Vec<Entry>,
        key: Option<(Arc<str>, Span)>,
        seen: BTreeSet<Arc<str>>,
        nodes: usize,
    },
}

/// Reads one document.
///
/// - returns: the tree unless the text cannot be read at all, and what is wrong with it.
pub fn parse(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    if text.len() > CHARS_MAX && text.chars().count() > CHARS_MAX {
        let d = Diagnostic::error(
            "documentTooLarge",
            Span::new(0, 0),
            format!("the document has more than {CHARS_MAX} characters"),
        )
        .hint("split the workflow, or move data out of it");
        return (None, vec![d]);
    }
    let mut text = std::borrow::Cow::Borrowed(text);
    for _ in 0..JOINS_MAX {
        let mut reader = Reader::new(&text);
        match reader.run() {
            Ok(()) => {
                let broken = reader.found.iter().any(|d| d.code != "duplicateKey" && d.is_error());
                return (reader.root.take().filter(|_| !broken), reader.found);
            }
            Err(Broken::Indentation(at)) => match joined(&text, at) {
                Some(better) => text = better.into(),
                None => {
                    let span = Span::new(at, (at + 1).min(text.len()));
                    return (None, vec![syntax(span, "invalid indentation")]);
                }
            },
            Err(Broken::Said(d)) => {
                reader.found.push(*d);
                return (None, reader.found);
            }
        }
    }
    (None, vec![syntax(Span::new(0, 0), "lists and maps in brackets are indented less than what they belong to")])
}

/// Why reading stopped.
enum Broken {
    /// Inside brackets a line is indented less than YAML wants; other readers take it.
    Indentation(usize),
    Said(Box<Diagnostic>),
}

impl From<Diagnostic> for Broken {
    fn from(d: Diagnostic) -> Self {
        Self::Said(Box::new(d))
    }
}

/// The text with the line of `at` joined to the line before; same length, so that places stay. `None` where a comment stands between.
fn joined(text: &str, at: usize) -> Option<String> {
    let newline = text[..at].rfind('\n')?;
    if !text[newline + 1..at].trim().is_empty()
        || text[text[..newline].rfind('\n').map_or(0, |i| i + 1)..newline].contains('#')
    {
        return None;
    }
    let carriage = text[..newline].ends_with('\r');
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..newline - usize::from(carriage)]);
    out.push_str(if carriage { "  " } else { " " });
    out.push_str(&text[newline + 1..]);
    Some(out)
}

struct Reader<'a> {
    text: &'a str,
    offsets: Offsets,
    open: Vec<Open>,
    anchors: Vec<(usize, Node, usize)>,
    nodes: usize,
    root: Option<Node>,
    found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Reader { text, offsets: Offsets::new(text), open: vec![], anchors: vec![], nodes: 0, root: None, found: vec![] }
    }

    fn run(&mut self) -> Result<(), Broken> {
        let mut parser = Parser::new_from_str(self.text);
        loop {
            let (event, span) = match parser.next_event() {
                None => return Ok(()),
                Some(Ok(e)) => e,
                Some(Err(e)) => {
                    let at = self.offsets.byte(e.marker().index(), self.text.len());
                    if e.info().contains("invalid indentation") {
                        return Err(Broken::Indentation(at));
                    }
                    return Err(syntax(Span::new(at, (at + 1).min(self.text.len())), e.info()).into());
                }
            };
            let start = self.offsets.byte(span.start.index(), self.text.len());
            let end = self.offsets.byte(span.end.index(), self.text.len()).max(start);
            let span = Span::new(start, end);
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(_) if self.root.is_some() => {
                    return Err(Diagnostic::error("yamlSyntaxError", span, "a second document follows")
                        .hint("one workflow is one document: remove the `---`")
                        .into());
                }
                Event::Alias(id) => {
                    let Some((_, node, size)) = self.anchors.iter().find(|a| a.0 == id) else {
                        return Err(syntax(span, "the alias refers to an anchor that is not complete").into());
                    };
                    let (node, size) = (Node { span, value: node.value.clone() }, *size);
                    self.count(size, span)?;
                    self.put(node, size)?;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, span)?;
                    let as_text = style != ScalarStyle::Plain
                        || tag.as_ref().is_some_and(|t| t.is_yaml_core_schema() && t.suffix == "str");
                    let value = if as_text {
                        Yaml::Str(Scalar { text: text.into(), literal: style == ScalarStyle::Literal })
                    } else {
                        plain(&text)
                    };
                    let node = Node { span, value };
                    self.remember(anchor, &node, 1);
                    self.put(node, 1)?;
                }
                Event::SequenceStart(anchor, _) => {
                    self.enter(span)?;
                    self.open.push(Open::Seq { start, anchor, items: vec![], nodes: 1 });
                }
                Event::MappingStart(anchor, _) => {
                    self.enter(span)?;
                    self.open.push(Open::Map {
                        start,
                        anchor,
                        entries: vec![],
                        key: None,
                        seen: BTreeSet::new(),
                        nodes: 1,
                    });
                }
                Event::SequenceEnd | Event::MappingEnd => self.leave(end)?,
                _ => {}
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(Diagnostic::error(
                "documentTooLarge",
                span,
                format!("the document expands to more than {NODES_MAX} values"),
            )
            .hint("aliases multiply what they refer to: write the values out, or use `consts`"));
        }
        Ok(())
    }

    fn enter(&mut self, span: Span) -> Result<(), Diagnostic> {
        self.count(1, span)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(Diagnostic::error(
                "documentTooDeep",
                span,
                format!("the document is nested deeper than {DEPTH_MAX} levels"),
            )
            .hint("flatten it, or move inner steps into a workflow of their own"));
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node, size: usize) {
        if anchor > 0 {
            self.anchors.push((anchor, node.clone(), size));
        }
    }

    fn leave(&mut self, end: usize) -> Result<(), Diagnostic> {
        let (node, anchor, size) = match self.open.pop() {
            Some(Open::Seq { start, anchor, items, nodes }) => {
                let end =
                    if self.text[start..].starts_with('[') { end } else { items.last().map_or(end, |n| n.span.end) };
                (Node { span: Span::new(start, end.max(start)), value: Yaml::Seq(items) }, anchor, nodes)
            }
            Some(Open::Map { start, anchor, entries, nodes, .. }) => {
                let end = if self.text[start..].starts_with('{') {
                    end
                } else {
                    entries.last().map_or(end, |e| e.value.span.end.max(e.key_span.end))
                };
                (Node { span: Span::new(start, end.max(start)), value: Yaml::Map(entries) }, anchor, nodes)
            }
            None => return Ok(()),
        };
        self.remember(anchor, &node, size);
        self.put(node, size)
    }

    fn put(&mut self, node: Node, size: usize) -> Result<(), Diagnostic> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Seq { items, nodes, .. }) => {
                *nodes += size;
                items.push(node);
            }
            Some(Open::Map { entries, key, seen, nodes, .. }) => {
                *nodes += size;
                match key.take() {
                    None => {
                        let text: Arc<str> = match &node.value {
                            Yaml::Str(s) => s.text.clone(),
                            Yaml::Null => self.text.get(node.span.start..node.span.end).unwrap_or("").into(),
                            Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) => {
                                self.text[node.span.start..node.span.end].into()
                            }
                            Yaml::Seq(_) | Yaml::Map(_) => {
                                return Err(Diagnostic::error("yamlSyntaxError", node.span, "a key must be text")
                                    .hint("a value that starts with `{{` must stand in quotes: \"{{ … }}\""));
                            }
                        };
                        *key = Some((text, node.span));
                    }
                    Some((text, key_span)) => {
                        if !seen.insert(text.clone()) {
                            if self.found.len() < FINDINGS_MAX {
                                self.found.push(
                                    Diagnostic::error(
                                        "duplicateKey",
                                        key_span,
                                        format!("the key `{text}` stands twice in this map"),
                                    )
                                    .hint("keep one of them; the first one is used"),
                                );
                            }
                            return Ok(());
                        }
                        entries.push(Entry { key: text, key_span, value: node });
                    }
                }
            }
        }
        Ok(())
    }
}

fn syntax(span: Span, info: &str) -> Diagnostic {
    let d = Diagnostic::error("yamlSyntaxError", span, format!("the YAML cannot be read: {info}"));
    if info.contains("mapping values are not allowed") || info.contains("while parsing") {
        d.hint("text that holds `: `, `#`, `{` or `[` must stand in quotes")
    } else {
        d.hint("check indentation and quotes near this place")
    }
}

/// A plain scalar by the core schema.
fn plain(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "true" | "True" | "TRUE" => return Yaml::Bool(true),
        "false" | "False" | "FALSE" => return Yaml::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN" => {
            return Yaml::Str(Scalar { text: text.into(), literal: false });
        }
        _ => {}
    }
    let bytes = text.as_bytes();
    if matches!(bytes[0], b'0'..=b'9' | b'-' | b'+' | b'.') {
        if let Some(hex) = text.strip_prefix("0x")
            && let Ok(i) = i64::from_str_radix(hex, 16)
        {
            return Yaml::Int(i);
        }
        if let Some(octal) = text.strip_prefix("0o")
            && let Ok(i) = i64::from_str_radix(octal, 8)
        {
            return Yaml::Int(i);
        }
        if bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            && bytes.iter().any(u8::is_ascii_digit)
        {
            if let Ok(i) = text.parse::<i64>() {
                return Yaml::Int(i);
            }
            if let Ok(f) = text.parse::<f64>()
                && f.is_finite()
            {
                return Yaml::Float(f);
            }
        }
    }
    Yaml::Str(Scalar { text: text.into(), literal: false })
}
