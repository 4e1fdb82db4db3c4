//! What a template reads, without rendering it: for checks while it is written.
//!
//! Invariants: every path that the source names is listed, also in branches that never run; names bound by the template are not.

use crate::ast::{Filtered, Kind, Modifier, Node, Operand, Term};
use crate::parse;
use std::sync::Arc;
use stdx::{Span, Value};

/// One step of a variable path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSegment {
    /// `.name` or `["name"]`.
    Key(Arc<str>),
    /// `[n]`, from the end when negative.
    Index(i64),
    /// `[variable]`: known only when rendering.
    Dynamic,
}

type Paths = Vec<(Vec<PathSegment>, Span)>;

#[derive(Default)]
struct Collector {
    paths: Paths,
    filters: Vec<(Arc<str>, Span)>,
    loops: Vec<Arc<str>>,
}

/// The paths of a template.
pub(crate) fn of_template(nodes: &[Node]) -> Paths {
    let mut bound = Vec::new();
    parse::bound(nodes, &mut bound);
    let mut collector = Collector { loops: bound, ..Collector::default() };
    collector.nodes(nodes);
    collector.paths
}
/// The filters of a template.
pub(crate) fn filters_of_template(nodes: &[Node]) -> Vec<(Arc<str>, Span)> {
    let mut collector = Collector::default();
    collector.nodes(nodes);
    collector.filters
}
/// The paths of an expression.
pub(crate) fn of_expression(value: &Filtered) -> Paths {
    let mut collector = Collector::default();
    collector.filtered(value);
    collector.paths
}
/// The filters of an expression.
pub(crate) fn filters_of_expression(value: &Filtered) -> Vec<(Arc<str>, Span)> {
    let mut collector = Collector::default();
    collector.filtered(value);
    collector.filters
}

impl Collector {
    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match &node.kind {
                Kind::Output(value) | Kind::Assign(_, value) => self.filtered(value),
                Kind::Capture(_, body) | Kind::Block(body) => self.nodes(body),
                Kind::If(parsed) => {
                    for (condition, body) in &parsed.branches {
                        self.filtered(condition);
                        self.nodes(body);
                    }
                    self.nodes(&parsed.otherwise);
                }
                Kind::Case(parsed) => {
                    self.filtered(&parsed.value);
                    for (values, body) in &parsed.branches {
                        values.iter().for_each(|v| self.operand(v));
                        self.nodes(body);
                    }
                    self.nodes(&parsed.otherwise);
                }
                Kind::For(parsed) => {
                    self.operand(&parsed.collection);
                    let outer = self.loops.len();
                    self.loops.push("continue".into());
                    for modifier in [&parsed.offset, &parsed.limit] {
                        if let Modifier::Value(operand) = modifier {
                            self.operand(operand);
                        }
                    }
                    self.loops.extend(["forloop".into(), Arc::clone(&parsed.variable)]);
                    self.nodes(&parsed.body);
                    self.loops.truncate(outer);
                    self.nodes(&parsed.otherwise);
                }
                Kind::Cycle(parsed) => {
                    parsed.group.iter().for_each(|g| self.operand(g));
                    parsed.candidates.iter().for_each(|c| self.filtered(c));
                }
                Kind::Text(_) | Kind::Raw(_) | Kind::Break | Kind::Continue | Kind::Count { .. } => {}
            }
        }
    }

    fn filtered(&mut self, value: &Filtered) {
        for term in &value.terms {
            if let Term::Operand(operand) = term {
                self.operand(operand);
            }
        }
        for filter in &value.filters {
            self.filters.push((Arc::clone(&filter.name), filter.span));
            filter.args.iter().filter_map(|a| a.value.as_ref()).for_each(|v| self.operand(v));
        }
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Path { base, segments, span } => {
                if let Some(base) = base {
                    self.operand(base);
                }
                for segment in segments {
                    if matches!(segment, Operand::Path { .. } | Operand::Range(..)) {
                        self.operand(segment);
                    }
                }
                let bound = matches!(segments.first(), Some(Operand::Text(root)) if self.loops.contains(root));
                if base.is_none() && !bound {
                    self.paths.push((segments.iter().map(segment).collect(), *span));
                }
            }
            Operand::Range(low, high) => {
                self.operand(low);
                self.operand(high);
            }
            Operand::Literal(_) | Operand::Text(_) | Operand::Number(_) => {}
        }
    }
}

fn segment(operand: &Operand) -> PathSegment {
    match operand {
        Operand::Text(name) => PathSegment::Key(Arc::clone(name)),
        Operand::Number(Value::Int(i)) => PathSegment::Index(*i),
        _ => PathSegment::Dynamic,
    }
}
