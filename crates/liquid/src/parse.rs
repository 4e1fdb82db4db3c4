//! Turns tokens into the tree of a template: every tag's grammar.
//!
//! Invariants: unknown tags and filters are errors where the engine would see them, also in branches that never run; nesting of tags
//! never passes `DEPTH_MAX`.
//! Not here: rendering (`render`).
//! Source: LiquidJS 10.30, measured, its tolerance included (a second `else` of `unless` and `case` is dropped).

use crate::ast::{Case, Cycle, Filtered, For, If, Kind, Modifier, Node};
use crate::chars::{is_space, quote};
use crate::scan::{DEPTH_MAX, Scanner};
use crate::token::{self, Tag, Token};
use crate::{Error, ErrorKind};
use std::collections::VecDeque;
use std::sync::Arc;

/// Parses a whole template.
pub(crate) fn template(src: &str) -> Result<Vec<Node>, Error> {
    let mut parser = Parser { src, tokens: token::tokens(src)?.into(), depth: 0 };
    let mut nodes = Vec::new();
    while let Some(token) = parser.tokens.pop_front() {
        parser.node(token, &mut nodes)?;
    }
    Ok(nodes)
}

/// Parses one value expression; what follows it is ignored, as in LiquidJS.
pub(crate) fn expression(src: &str) -> Result<Filtered, Error> {
    resolved(Scanner::whole(src).filtered()?)
}

fn resolved(value: Filtered) -> Result<Filtered, Error> {
    match value.filters.iter().find(|f| f.run.is_none()) {
        Some(f) => Err(unknown_filter(f)),
        None => Ok(value),
    }
}

/// The error of a filter that does not exist.
pub(crate) fn unknown_filter(filter: &crate::ast::FilterCall) -> Error {
    Error::at(ErrorKind::UndefinedFilter, format!("undefined filter: {}", filter.name), filter.span)
}

struct Parser<'a> {
    src: &'a str,
    tokens: VecDeque<Token>,
    depth: usize,
}

/// Where the body of a block ended.
struct Stop<'t> {
    tag: Tag,
    name: &'t str,
}

impl<'a> Parser<'a> {
    fn node(&mut self, token: Token, out: &mut Vec<Node>) -> Result<(), Error> {
        match token {
            Token::Text(piece) => {
                if piece.content.start < piece.content.end {
                    out.push(Node { span: piece.span, kind: Kind::Text(piece.content) });
                }
                Ok(())
            }
            Token::Output(piece) => {
                let value = Scanner::new(self.src, piece.content.start, piece.content.end).filtered();
                let value = value.and_then(resolved).map_err(|e| e.or_at(piece.span))?;
                out.push(Node { span: piece.span, kind: Kind::Output(value) });
                Ok(())
            }
            Token::Tag(tag) => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(Error::at(ErrorKind::Syntax, "tags nested too deeply", tag.piece.span));
                }
                let kind = self.tag(&tag).map_err(|e| e.or_at(tag.piece.span))?;
                self.depth -= 1;
                out.extend(kind.map(|kind| Node { span: tag.piece.span, kind }));
                Ok(())
            }
        }
    }

    fn tag(&mut self, tag: &Tag) -> Result<Option<Kind>, Error> {
        let name = tag.name(self.src);
        let mut args = tag.scanner(self.src);
        Ok(Some(match name {
            "assign" => {
                let name = args.identifier();
                if name.is_empty() {
                    return Err(args.error("expected variable name"));
                }
                args.skip_blank();
                if args.peek(0) != b'=' {
                    return Err(args.error("expected \"=\""));
                }
                args.p += 1;
                Kind::Assign(name.into(), resolved(args.filtered()?)?)
            }
            "if" => self.if_tag(tag)?,
            "unless" => self.unless_tag(tag)?,
            "case" => self.case_tag(tag)?,
            "for" => self.for_tag(tag)?,
            "capture" => self.capture_tag(tag)?,
            "comment" => {
                self.skip_until("endcomment").ok_or_else(|| self.not_closed(tag))?;
                return Ok(None);
            }
            "raw" => self.raw_tag(tag)?,
            "cycle" => self.cycle_tag(tag)?,
            "increment" | "decrement" => Kind::Count { name: args.identifier().into(), up: name == "increment" },
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "echo" => {
                args.skip_blank();
                if args.at_end() {
                    return Ok(None);
                }
                Kind::Output(resolved(args.filtered()?)?)
            }
            "liquid" => self.liquid_tag(tag)?,
            "#" => {
                if !comment_lines_marked(tag.args_text(self.src)) {
                    return Err(self.plain("every line of an inline comment must start with a '#' character"));
                }
                return Ok(None);
            }
            _ => {
                return Err(Error::at(ErrorKind::UnknownTag, format!("tag \"{name}\" not found"), tag.piece.span));
            }
        }))
    }

    fn plain(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Syntax, message)
    }
    fn text_of(&self, tag: &Tag) -> &'a str {
        &self.src[tag.piece.span.start..tag.piece.span.end]
    }
    fn not_closed(&self, tag: &Tag) -> Error {
        Error::at(ErrorKind::Syntax, format!("tag {} not closed", self.text_of(tag)), tag.piece.span)
    }
    fn no_args(&self, tag: &Tag) -> Result<(), Error> {
        let args = tag.args_text(self.src);
        if args.is_empty() {
            Ok(())
        } else {
            Err(Error::at(ErrorKind::Syntax, format!("unexpected {}", quote(args)), tag.piece.span))
        }
    }

    /// Reads nodes into `out` until a tag of one of the names.
    fn body(&mut self, stops: &[&'static str], out: &mut Vec<Node>) -> Result<Option<Stop<'static>>, Error> {
        while let Some(token) = self.tokens.pop_front() {
            if let Token::Tag(tag) = &token
                && let Some(name) = stops.iter().find(|n| **n == tag.name(self.src))
            {
                return Ok(Some(Stop { tag: *tag, name }));
            }
            self.node(token, out)?;
        }
        Ok(None)
    }
    fn skip_until(&mut self, name: &str) -> Option<()> {
        loop {
            if let Token::Tag(tag) = self.tokens.pop_front()?
                && tag.name(self.src) == name
            {
                return Some(());
            }
        }
    }

    fn if_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let mut parsed = If { unless: false, branches: Vec::new(), otherwise: Vec::new() };
        let mut condition = Some(resolved(tag.scanner(self.src).filtered()?)?);
        let mut has_else = false;
        loop {
            let mut body = Vec::new();
            let stop = self.body(&["elsif", "else", "endif"], &mut body)?.ok_or_else(|| self.not_closed(tag))?;
            match condition.take() {
                Some(condition) => parsed.branches.push((condition, body)),
                None => parsed.otherwise = body,
            }
            match stop.name {
                "elsif" => {
                    if has_else {
                        return Err(self.plain("unexpected elsif after else").or_at(stop.tag.piece.span));
                    }
                    condition = Some(resolved(stop.tag.scanner(self.src).filtered()?)?);
                }
                "else" => {
                    self.no_args(&stop.tag)?;
                    if has_else {
                        return Err(self.plain("duplicated else").or_at(stop.tag.piece.span));
                    }
                    has_else = true;
                }
                _ => {
                    self.no_args(&stop.tag)?;
                    return Ok(Kind::If(Box::new(parsed)));
                }
            }
        }
    }

    fn unless_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let mut parsed = If { unless: true, branches: Vec::new(), otherwise: Vec::new() };
        let mut condition = Some(resolved(tag.scanner(self.src).filtered()?)?);
        let mut else_count = 0;
        let mut dropped = false;
        loop {
            let mut body = Vec::new();
            let stop = self.body(&["elsif", "else", "endunless"], &mut body)?.ok_or_else(|| self.not_closed(tag))?;
            match condition.take() {
                Some(condition) => parsed.branches.push((condition, body)),
                None if else_count == 1 && !dropped => parsed.otherwise.extend(body),
                None => {}
            }
            match stop.name {
                "elsif" if else_count > 0 => dropped = true,
                "elsif" => condition = Some(resolved(stop.tag.scanner(self.src).filtered()?)?),
                "else" => {
                    else_count += 1;
                    dropped = false;
                }
                _ => return Ok(Kind::If(Box::new(parsed))),
            }
        }
    }

    fn case_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let value = resolved(tag.scanner(self.src).filtered()?)?;
        let mut parsed = Case { value, branches: Vec::new(), otherwise: Vec::new() };
        let mut values = None;
        let mut else_count = 0;
        loop {
            let mut body = Vec::new();
            let stop = self.body(&["when", "else", "endcase"], &mut body)?.ok_or_else(|| self.not_closed(tag))?;
            match (values.take(), else_count) {
                (Some(values), _) => parsed.branches.push((values, body)),
                (None, 1) => parsed.otherwise.extend(body),
                (None, _) => {}
            }
            match stop.name {
                "when" if else_count > 0 => {}
                "when" => values = Some(when_values(&mut stop.tag.scanner(self.src))?),
                "else" => else_count += 1,
                _ => return Ok(Kind::Case(Box::new(parsed))),
            }
        }
    }

    fn for_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let mut args = tag.scanner(self.src);
        let variable = args.identifier();
        let keyword = args.identifier();
        args.skip_blank();
        let start = args.p;
        let collection = args.value()?;
        let (false, "in", Some(collection)) = (variable.is_empty(), keyword, collection) else {
            return Err(self.plain(format!("illegal tag: {}", self.text_of(tag))));
        };
        let collection_text = self.src[start..args.p].into();
        let mut parsed = For {
            variable: variable.into(),
            collection,
            collection_text,
            offset: Modifier::Absent,
            limit: Modifier::Absent,
            reversed: false,
            body: Vec::new(),
            otherwise: Vec::new(),
        };
        for (name, value) in args.hash()? {
            let modifier = value.map_or(Modifier::Flag, Modifier::Value);
            match &*name {
                "offset" => parsed.offset = modifier,
                "limit" => parsed.limit = modifier,
                "reversed" => parsed.reversed = true,
                _ => {}
            }
        }
        let mut in_else = false;
        loop {
            let body = if in_else { &mut parsed.otherwise } else { &mut parsed.body };
            let stop = self.body(&["else", "endfor"], body)?.ok_or_else(|| self.not_closed(tag))?;
            self.no_args(&stop.tag)?;
            if stop.name == "endfor" {
                return Ok(Kind::For(Box::new(parsed)));
            }
            in_else = true;
        }
    }

    fn capture_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let mut args = tag.scanner(self.src);
        let mut name = args.identifier().to_string();
        if name.is_empty() {
            name = args.quoted().ok_or_else(|| args.error("invalid capture name"))?;
        }
        let mut body = Vec::new();
        self.body(&["endcapture"], &mut body)?.ok_or_else(|| self.not_closed(tag))?;
        Ok(Kind::Capture(name.into(), body))
    }

    fn raw_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let mut text = String::new();
        while let Some(token) = self.tokens.pop_front() {
            let span = match &token {
                Token::Tag(end) if end.name(self.src) == "endraw" => return Ok(Kind::Raw(text.into())),
                Token::Text(p) => p.span,
                Token::Output(p) => p.span,
                Token::Tag(t) => t.piece.span,
            };
            text.push_str(&self.src[span.start..span.end]);
        }
        Err(self.not_closed(tag))
    }

    fn cycle_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let mut args = tag.scanner(self.src);
        let start = args.p;
        let mut group = args.value()?;
        args.skip_blank();
        if group.is_some() && args.peek(0) == b':' {
            args.p += 1;
        } else if group.take().is_some() {
            args.p = start;
        }
        let mut candidates = Vec::new();
        let mut texts: Vec<&str> = Vec::new();
        while !args.at_end() {
            let candidate = args.filtered()?;
            texts.push(&self.src[candidate.span.start..candidate.span.end]);
            candidates.push(candidate);
            args.skip_to(",");
        }
        if candidates.is_empty() {
            return Err(args.error(format!("empty candidates: \"{}\"", self.text_of(tag))));
        }
        Ok(Kind::Cycle(Box::new(Cycle { group, candidates, text: texts.join(",").into() })))
    }

    fn liquid_tag(&mut self, tag: &Tag) -> Result<Kind, Error> {
        let lines = token::lines(self.src, tag.args, tag.piece.content.end)?;
        let outer = std::mem::replace(&mut self.tokens, lines.into());
        let mut nodes = Vec::new();
        let result = loop {
            match self.tokens.pop_front() {
                Some(token) => {
                    if let Err(e) = self.node(token, &mut nodes) {
                        break Err(e);
                    }
                }
                None => break Ok(()),
            }
        };
        self.tokens = outer;
        result.map(|()| Kind::Block(nodes))
    }
}

fn when_values(args: &mut Scanner<'_>) -> Result<Vec<crate::ast::Operand>, Error> {
    let mut values = Vec::new();
    while !args.at_end() {
        values.push(args.required_value()?);
        args.skip_blank();
        args.skip_to(if args.peek(0) == b',' { "," } else { "or" });
    }
    Ok(values)
}

/// True when every further line of an inline comment begins with `#`.
fn comment_lines_marked(args: &str) -> bool {
    args.match_indices('\n')
        .all(|(at, _)| args[at..].trim_start_matches(is_space).chars().next().is_none_or(|c| c == '#'))
}

/// The names bound by a template's own tags, for static checks.
pub(crate) fn bound(nodes: &[Node], out: &mut Vec<Arc<str>>) {
    for node in nodes {
        match &node.kind {
            Kind::Assign(name, _) | Kind::Count { name, .. } => out.push(Arc::clone(name)),
            Kind::Capture(name, body) => {
                out.push(Arc::clone(name));
                bound(body, out);
            }
            Kind::If(i) => {
                i.branches.iter().for_each(|(_, body)| bound(body, out));
                bound(&i.otherwise, out);
            }
            Kind::Case(c) => {
                c.branches.iter().for_each(|(_, body)| bound(body, out));
                bound(&c.otherwise, out);
            }
            Kind::For(f) => {
                bound(&f.body, out);
                bound(&f.otherwise, out);
            }
            Kind::Block(body) => bound(body, out),
            _ => {}
        }
    }
}
