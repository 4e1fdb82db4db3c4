//! The picture of a workflow: nodes with their places in the text, edges in the order of running.
//!
//! Invariants: nodes stand in the order of the text; every edge joins two nodes.
//! Not here: layout (`ui`).
//! Source: `docs/reference/ui-api.md` §5.1.

use super::{Block, Body, Program, Step, StepIx};
use crate::core::Class;
use serde::Serialize;
use std::sync::Arc;
use stdx::Span;

/// Characters of a node's detail at most.
const DETAIL_MAX: usize = 120;

/// Nodes and edges.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Graph {
    /// In the order of the text.
    pub nodes: Vec<GraphNode>,
    /// In the order of running.
    pub edges: Vec<GraphEdge>,
}

/// Lines from 1, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// First.
    pub start_line: usize,
    /// Last.
    pub end_line: usize,
}

/// A trigger or a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphNode {
    /// Step name; `trigger:0` for triggers.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Type.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// Worst class.
    pub effect: Class,
    /// Lines.
    pub range: Range,
    /// Node it stands in.
    pub container: Option<Arc<str>>,
    /// Branch inside the container.
    pub lane: Option<Arc<str>>,
    /// One line: condition, list, duration, connector.
    pub detail: Option<Arc<str>>,
}

/// What follows what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphEdge {
    /// Node id.
    pub from: Arc<str>,
    /// Node id.
    pub to: Arc<str>,
    /// Branch name.
    pub label: Option<Arc<str>>,
    /// `next`, `branch`, `fallback`.
    pub kind: &'static str,
}

impl Program {
    /// The picture of this workflow.
    pub fn graph(&self) -> Graph {
        let mut graph = Graph { nodes: vec![], edges: vec![] };
        for (i, t) in self.triggers.iter().enumerate() {
            let id: Arc<str> = format!("trigger:{i}").into();
            let detail = t.config.path(&["with", "every"]).map(|v| crate::json::scalar_text(v).into());
            graph.nodes.push(GraphNode {
                name: t.kind.clone(),
                kind: t.kind.clone(),
                effect: Class::None,
                range: self.range(t.span),
                container: None,
                lane: None,
                detail,
                id: id.clone(),
            });
            if let Some(first) = self.root.0.first() {
                graph.edges.push(GraphEdge {
                    from: id,
                    to: self.steps[*first].name.clone(),
                    label: None,
                    kind: "next",
                });
            }
        }
        for (_, step) in self.steps.iter().enumerate().filter(|(ix, _)| !self.in_undo(*ix)) {
            graph.nodes.push(GraphNode {
                id: step.name.clone(),
                name: step.name.clone(),
                kind: step.kind.clone(),
                effect: step.class(),
                range: self.range(step.span),
                container: step.parent.as_ref().map(|(ix, _)| self.steps[*ix].name.clone()),
                lane: step.parent.as_ref().map(|(_, lane)| lane.clone()),
                detail: detail(step),
            });
        }
        self.chain(&self.root, &mut graph);
        for (ix, step) in self.steps.iter().enumerate().filter(|(ix, _)| !self.in_undo(*ix)) {
            self.branches(ix, step, &mut graph);
        }
        graph
    }

    fn chain(&self, block: &Block, graph: &mut Graph) {
        for pair in block.0.windows(2) {
            let name = |ix: StepIx| self.steps[ix].name.clone();
            graph.edges.push(GraphEdge { from: name(pair[0]), to: name(pair[1]), label: None, kind: "next" });
        }
    }

    fn branches(&self, _ix: StepIx, step: &Step, graph: &mut Graph) {
        for (lane, block) in step.blocks() {
            let kind = if &*lane == "fallback" { "fallback" } else { "branch" };
            graph.edges.push(GraphEdge {
                from: step.name.clone(),
                to: self.steps[block.0[0]].name.clone(),
                label: Some(lane),
                kind,
            });
            self.chain(block, graph);
        }
    }

    /// The lines of a span.
    pub fn range(&self, span: Span) -> Range {
        let start_line = self.lines.position(&self.source, span.start).line;
        let end_line = self.lines.position(&self.source, span.end.saturating_sub(1).max(span.start)).line;
        Range { start_line, end_line }
    }
}

fn detail(step: &Step) -> Option<Arc<str>> {
    let text: Arc<str> = match &step.body {
        Body::If { condition, .. } | Body::While { condition, .. } => condition.source.clone(),
        Body::Switch { expression, .. } => expression.source.clone(),
        Body::Foreach { list, .. } => list.source(),
        Body::Parallel(p) => match &p.list {
            Some(list) => list.source(),
            None => format!("{} branches", p.branches.len()).into(),
        },
        Body::Leaf(l) => match (&l.connector, l.params.source()) {
            (Some(c), _) => c.source.clone(),
            (None, params) => {
                let member = ["duration", "path", "url", "message"].iter().find_map(|k| params.get(k));
                crate::json::scalar_text(member?).into()
            }
        },
        Body::Break | Body::Continue | Body::Unsupported { .. } => step.guard.as_ref()?.source.clone(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| stdx::bounded::truncate(&line, DETAIL_MAX).into())
}
