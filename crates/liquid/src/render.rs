//! Renders templates and evaluates expressions.
//!
//! Invariants: every node, filter and element pays from the budgets of `limits`; the context is only read; nothing outlives a render.
//! Source: LiquidJS 10.30, measured.

use crate::ast::{Arg, Case, Cycle, FilterCall, Filtered, For, If, Kind, Modifier, Node, Op, Operand, Term};
use crate::limits::{Limits, memory_error};
use crate::number::Num;
use crate::value::{Items, LoopState, V};
use crate::{Context, Error, ErrorKind, Options, parse};
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use stdx::Value;

/// Deepest nesting of expressions that filters such as `where_exp` evaluate.
const EXPRESSION_DEPTH_MAX: usize = 16;

/// Units that one element of a list costs, so that lists of millions fail before memory does.
const UNITS_PER_ELEMENT: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// One render in progress.
pub(crate) struct Renderer<'a> {
    src: &'a str,
    ctx: &'a dyn Context,
    pub(crate) opts: &'a Options,
    pub(crate) limits: Limits,
    pub(crate) rng: stdx::Rng,
    /// What `assign` and `capture` set.
    assigned: BTreeMap<Arc<str>, V>,
    /// Loop variables and the like, innermost last.
    scopes: Vec<(Arc<str>, V)>,
    /// What `increment` and `decrement` set.
    counters: BTreeMap<Arc<str>, Num>,
    /// Where `offset: continue` goes on, by loop.
    continues: BTreeMap<String, V>,
    cycles: BTreeMap<String, usize>,
    flow: Flow,
    /// The element whose properties are roots at the moment.
    item: Option<V>,
    expression_depth: usize,
}

impl<'a> Renderer<'a> {
    pub(crate) fn new(src: &'a str, ctx: &'a dyn Context, opts: &'a Options) -> Self {
        Self {
            src,
            ctx,
            opts,
            limits: Limits::new(opts),
            rng: stdx::Rng::new(opts.seed),
            assigned: BTreeMap::new(),
            scopes: Vec::new(),
            counters: BTreeMap::new(),
            continues: BTreeMap::new(),
            cycles: BTreeMap::new(),
            flow: Flow::On,
            item: None,
            expression_depth: 0,
        }
    }

    /// A list, paid for.
    pub(crate) fn list(&mut self, items: Vec<V>) -> Result<V, Error> {
        self.limits.memory(items.len() * UNITS_PER_ELEMENT)?;
        V::list(items).ok_or_else(memory_error)
    }
    /// A map, paid for.
    pub(crate) fn map(&mut self, pairs: Vec<(Arc<str>, V)>) -> Result<V, Error> {
        self.limits.memory(pairs.len() * UNITS_PER_ELEMENT)?;
        V::map(pairs).ok_or_else(memory_error)
    }

    /// Renders nodes into `out` until one of them breaks or continues a loop.
    pub(crate) fn nodes(&mut self, nodes: &[Node], out: &mut String) -> Result<(), Error> {
        for node in nodes {
            self.limits.operations(1).and_then(|()| self.node(node, out)).map_err(|e| e.or_at(node.span))?;
            if self.flow != Flow::On {
                break;
            }
        }
        Ok(())
    }

    fn print(&mut self, text: &str, out: &mut String) -> Result<(), Error> {
        self.limits.output(text.len())?;
        out.push_str(text);
        Ok(())
    }
    fn print_value(&mut self, v: &V, out: &mut String) -> Result<(), Error> {
        let before = out.len();
        v.write_text(out, self.opts.date_text);
        self.limits.output(out.len() - before)
    }

    fn node(&mut self, node: &Node, out: &mut String) -> Result<(), Error> {
        match &node.kind {
            Kind::Text(span) => self.print(&self.src[span.start..span.end], out),
            Kind::Raw(text) => self.print(text, out),
            Kind::Output(value) => {
                let v = self.filtered(value)?;
                self.print_value(&v, out)
            }
            Kind::Assign(name, value) => {
                let v = self.filtered(value)?;
                self.assigned.insert(Arc::clone(name), v);
                Ok(())
            }
            Kind::Capture(name, body) => {
                let mut text = String::new();
                self.nodes(body, &mut text)?;
                self.assigned.insert(Arc::clone(name), V::str(text));
                Ok(())
            }
            Kind::If(parsed) => self.if_tag(parsed, out),
            Kind::Case(parsed) => self.case_tag(parsed, out),
            Kind::For(parsed) => self.for_tag(parsed, out),
            Kind::Break => {
                self.flow = Flow::Break;
                Ok(())
            }
            Kind::Continue => {
                self.flow = Flow::Continue;
                Ok(())
            }
            Kind::Count { name, up } => self.count(name, *up, out),
            Kind::Cycle(parsed) => self.cycle(parsed, out),
            Kind::Block(nodes) => self.nodes(nodes, out),
        }
    }

    fn if_tag(&mut self, parsed: &If, out: &mut String) -> Result<(), Error> {
        for (at, (condition, body)) in parsed.branches.iter().enumerate() {
            let truth = self.filtered(condition)?.plain().truthy();
            if truth != (parsed.unless && at == 0) {
                return self.nodes(body, out);
            }
        }
        self.nodes(&parsed.otherwise, out)
    }

    fn case_tag(&mut self, parsed: &Case, out: &mut String) -> Result<(), Error> {
        let target = self.filtered(&parsed.value)?.plain();
        let mut hit = false;
        for (values, body) in &parsed.branches {
            for value in values {
                let value = self.operand(value)?;
                if target.equals(&value) {
                    self.nodes(body, out)?;
                    hit = true;
                    break;
                }
            }
        }
        if hit { Ok(()) } else { self.nodes(&parsed.otherwise, out) }
    }

    fn count(&mut self, name: &Arc<str>, up: bool, out: &mut String) -> Result<(), Error> {
        let now = match self.counters.get(name) {
            Some(n) => *n,
            None => match self.ctx.get(name) {
                Some(v @ (Value::Int(_) | Value::Float(_))) => V::Val(v).number(),
                _ => Num::I(0),
            },
        };
        let next = if up { now.add(Num::I(1)) } else { now.sub(Num::I(1)) };
        self.counters.insert(Arc::clone(name), next);
        self.print(&if up { now } else { next }.text(), out)
    }

    fn cycle(&mut self, parsed: &Cycle, out: &mut String) -> Result<(), Error> {
        let group = match &parsed.group {
            Some(group) => self.operand(group)?,
            None => V::Undef,
        };
        let fingerprint = format!("{}:{}", group.js_text(self.opts.date_text), parsed.text);
        self.limits.memory(fingerprint.len())?;
        let place = self.cycles.entry(fingerprint).or_insert(0);
        let candidate = &parsed.candidates[*place % parsed.candidates.len()];
        *place = (*place + 1) % parsed.candidates.len();
        if let Some(unknown) = candidate.filters.iter().find(|f| f.run.is_none()) {
            return Err(parse::unknown_filter(unknown));
        }
        let v = self.filtered(candidate)?.plain();
        if v.js_truthy() { self.print_value(&v, out) } else { Ok(()) }
    }

    fn for_tag(&mut self, parsed: &For, out: &mut String) -> Result<(), Error> {
        let items = self.operand(&parsed.collection)?.to_enumerable();
        if items.len() == 0 {
            return self.nodes(&parsed.otherwise, out);
        }
        let continue_key = format!("{}-{}", parsed.variable, parsed.collection_text);
        let placeholder = V::map(Vec::new()).unwrap_or(V::Undef);
        let resume = self.continues.get(&continue_key).cloned().unwrap_or(placeholder);
        self.scopes.push(("continue".into(), resume));
        let offset = self.modifier(&parsed.offset);
        let limit = self.modifier(&parsed.limit);
        self.scopes.pop();
        let (offset, limit) = (offset?, limit?);
        let mut range = 0..items.len();
        if !matches!(offset, V::Undef) {
            range.start = slice_bound(&offset, items.len()).min(range.end);
        }
        if !matches!(limit, V::Undef) {
            range.end = range.start + slice_bound(&limit, range.len()).min(range.len());
        }
        let reached = if offset.js_truthy() {
            match offset.clone().plain() {
                n @ V::Val(Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
                    V::num(n.number().add(Num::I(range.len() as i64)))
                }
                other => V::str(format!("{}{}", other.js_text(self.opts.date_text), range.len())),
            }
        } else {
            V::int(range.len())
        };
        self.continues.insert(continue_key, reached);
        self.rounds(parsed, &items, range, out)
    }

    fn rounds(
        &mut self,
        parsed: &For,
        items: &Items,
        range: std::ops::Range<usize>,
        out: &mut String,
    ) -> Result<(), Error> {
        let state = Rc::new(LoopState {
            at: Cell::new(0),
            length: range.len(),
            name: format!("{}-{}", parsed.variable, parsed.collection_text),
        });
        self.scopes.push(("forloop".into(), V::Loop(Rc::clone(&state))));
        let place = self.scopes.len();
        self.scopes.push((Arc::clone(&parsed.variable), V::Undef));
        let mut result = Ok(());
        for round in 0..range.len() {
            let at = if parsed.reversed { range.end - 1 - round } else { range.start + round };
            self.scopes[place].1 = items.get(at);
            state.at.set(round);
            self.flow = Flow::On;
            result = self.limits.operations(1).and_then(|()| self.nodes(&parsed.body, out));
            if result.is_err() || self.flow == Flow::Break {
                break;
            }
        }
        self.flow = Flow::On;
        self.scopes.truncate(place - 1);
        result
    }

    fn modifier(&mut self, modifier: &Modifier) -> Result<V, Error> {
        match modifier {
            Modifier::Absent => Ok(V::Undef),
            Modifier::Flag => Ok(V::bool(true)),
            Modifier::Value(operand) => self.operand(operand),
        }
    }

    /// Evaluates an expression with its filters.
    pub(crate) fn filtered(&mut self, value: &Filtered) -> Result<V, Error> {
        let mut v = self.expression(&value.terms)?;
        for filter in &value.filters {
            v = self.filter(filter, v).map_err(|e| e.or_at(filter.span))?;
        }
        Ok(v)
    }

    fn filter(&mut self, filter: &FilterCall, v: V) -> Result<V, Error> {
        self.limits.operations(1)?;
        let run = filter.run.ok_or_else(|| parse::unknown_filter(filter))?;
        let mut args: SmallVec<[V; 3]> = SmallVec::new();
        for Arg { name, value } in &filter.args {
            let value = match value {
                Some(operand) => self.operand(operand)?,
                None => V::Undef,
            };
            args.push(match name {
                Some(name) => self.list(vec![V::str(Arc::clone(name)), value])?,
                None => value,
            });
        }
        run(self, v, &args)
    }

    fn expression(&mut self, terms: &[Term]) -> Result<V, Error> {
        if let [Term::Operand(operand)] = terms {
            return self.operand(operand);
        }
        let mut stack: SmallVec<[V; 4]> = SmallVec::new();
        for term in terms {
            let v = match term {
                Term::Operand(operand) => self.operand(operand)?,
                Term::Op(op) => {
                    self.limits.operations(1)?;
                    let right = stack.pop().unwrap_or(V::Undef);
                    if *op == Op::Not {
                        V::bool(!right.plain().truthy())
                    } else {
                        let left = stack.pop().unwrap_or(V::Undef);
                        V::bool(self.operate(*op, &left, &right)?)
                    }
                }
            };
            stack.push(v);
        }
        Ok(stack.into_iter().next().unwrap_or(V::Undef))
    }

    fn operate(&mut self, op: Op, left: &V, right: &V) -> Result<bool, Error> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        // A comparison looks at every element of both sides.
        let weight = |v: &V| v.array().map_or(0, |items| items.len());
        self.limits.operations(weight(left).min(weight(right)))?;
        let literal = |v: &V| matches!(v, V::Nil | V::Empty | V::Blank);
        let order = |wanted: &[std::cmp::Ordering]| {
            !literal(left)
                && !literal(right)
                && left
                    .clone()
                    .plain()
                    .compare(&right.clone().plain(), self.opts.date_text)
                    .is_some_and(|o| wanted.contains(&o))
        };
        Ok(match op {
            Op::Eq => left.equals(right),
            Op::Ne => !left.equals(right),
            Op::Gt => order(&[Greater]),
            Op::Lt => order(&[Less]),
            Op::Ge => order(&[Greater, Equal]),
            Op::Le => order(&[Less, Equal]),
            Op::And => left.clone().plain().truthy() && right.clone().plain().truthy(),
            Op::Or => left.clone().plain().truthy() || right.clone().plain().truthy(),
            Op::Contains => return self.contains(left, right),
            Op::Not => false,
        })
    }

    fn contains(&mut self, left: &V, right: &V) -> Result<bool, Error> {
        let left = left.clone().plain();
        if let Some(items) = left.array() {
            self.limits.operations(items.len())?;
            return Ok(items.iter().any(|item| item.equals(right)));
        }
        let Some(text) = left.as_str() else { return Ok(false) };
        let needle = right.clone().plain().js_text(self.opts.date_text);
        self.limits.operations(text.len() / 64)?;
        Ok(text.contains(&*needle))
    }

    /// Evaluates one operand.
    pub(crate) fn operand(&mut self, operand: &Operand) -> Result<V, Error> {
        match operand {
            Operand::Literal(literal) => Ok(literal.value()),
            Operand::Text(text) => Ok(V::Val(Value::Str(Arc::clone(text)))),
            Operand::Number(n) => Ok(V::Val(n.clone())),
            Operand::Range(low, high) => self.range(low, high),
            Operand::Path { base, segments, .. } => {
                self.limits.operations(1)?;
                let mut segments = segments.iter();
                let mut at = match (base, segments.len()) {
                    (Some(base), _) => self.operand(base)?,
                    (None, 0) => return Ok(V::Undef),
                    (None, _) => match segments.next() {
                        Some(Operand::Text(name)) => self.root(name),
                        Some(other) => {
                            let name = self.operand(other)?.plain().js_text(self.opts.date_text);
                            self.root(&name)
                        }
                        None => V::Undef,
                    },
                };
                for segment in segments {
                    at = match segment {
                        Operand::Text(name) => at.member(name),
                        other => {
                            let key = self.operand(other)?;
                            self.property(&at, &key)
                        }
                    };
                }
                Ok(at)
            }
        }
    }

    fn property(&self, at: &V, key: &V) -> V {
        if !self.opts.strict
            && let (V::Map(pair), V::Val(Value::Int(n @ (0 | 1)))) = (at, key)
            && pair.pairs.len() == 2
            && &*pair.pairs[0].0 == "key"
            && &*pair.pairs[1].0 == "value"
        {
            return pair.pairs[*n as usize].1.clone();
        }
        at.property(key)
    }

    /// A root variable.
    fn root(&mut self, name: &str) -> V {
        let found = match &self.item {
            Some(item) => item.own(name),
            None => self.variable(name),
        };
        match found {
            Some(v) => v,
            // LiquidJS then asks its empty object of globals for its size.
            None if name == "size" => V::Val(Value::Int(0)),
            None => V::Undef,
        }
    }
    fn variable(&self, name: &str) -> Option<V> {
        if let Some((_, v)) = self.scopes.iter().rev().find(|(n, _)| &**n == name) {
            return Some(v.clone());
        }
        if let Some(v) = self.assigned.get(name) {
            return Some(v.clone());
        }
        if let Some(n) = self.counters.get(name) {
            return Some(V::num(*n));
        }
        self.ctx.get(name).map(V::Val)
    }

    fn range(&mut self, low: &Operand, high: &Operand) -> Result<V, Error> {
        let low = self.operand(low)?.number();
        let high = self.operand(high)?.number();
        let count = high.f64() - low.f64() + 1.0;
        if count.is_nan() || count <= 0.0 {
            return self.list(Vec::new());
        }
        let count = count.ceil() as usize;
        self.limits.memory(count.saturating_mul(UNITS_PER_ELEMENT))?;
        let items = (0..count).map(|at| V::num(low.add(Num::I(at as i64)))).collect();
        self.list(items)
    }

    /// Evaluates `path` with the properties of `item` as the only roots.
    pub(crate) fn within(&mut self, item: V, path: &Operand) -> Result<V, Error> {
        let outer = self.item.replace(item);
        let result = self.operand(path);
        self.item = outer;
        result
    }

    /// Evaluates `expression` with `name` bound to `item`.
    pub(crate) fn with_item(
        &mut self,
        name: &Arc<str>,
        item: V,
        text: &str,
        expression: &Filtered,
    ) -> Result<V, Error> {
        if self.expression_depth >= EXPRESSION_DEPTH_MAX {
            return Err(Error::new(ErrorKind::Render, format!("expression `{text}` nested too deeply")));
        }
        self.expression_depth += 1;
        self.scopes.push((Arc::clone(name), item));
        let result = self.filtered(expression);
        self.scopes.pop();
        self.expression_depth -= 1;
        result.map_err(Error::without_span)
    }
}

/// A bound of JavaScript's `slice`: whole, from the end when negative.
fn slice_bound(v: &V, len: usize) -> usize {
    let n = v.number().whole();
    if n < 0 { (len as i64).saturating_add(n).max(0) as usize } else { usize::try_from(n).unwrap_or(len).min(len) }
}
