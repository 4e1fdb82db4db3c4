//! Questions: what they guard, what is frozen, what an answer permits.
//!
//! Invariants: the hash covers exactly the frozen actions; an approved action runs those bytes, at its path, until it succeeded once; what
//! could not be frozen asks on its own when it is reached; a rejected, expired or void question permits nothing.
//! Not here: the row and who may answer it (`triage`, `store`, `api`).
//! Source: `design/engine.md` §8.

use super::context::Extra;
use super::flow::{push, resolve_list};
use super::leaf::Ready;
use super::{Stop, Unbound, Work, Work_, iteration};
use crate::core::{
    Body, Call, Class, Decision, DecisionVerdict, Effect, EffectKey, FactKind, Fault, Hop, Mode as StartMode, Role,
    StepPath, TimerId, Wait,
};
use crate::program::{self, Block, Leaf, List, Step, StepIx};
use crate::state::{QuestionState, normal};
use crate::steps::{Ask, Next};
use crate::template::Refs;
use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{Duration, Value};
use triage::question::{FrozenAction, Question, QuestionKind, frozen_hash};

/// Frozen actions of one question at most.
pub(super) const ACTIONS_MAX: usize = 100;
/// Alerts and cases a question links to at most.
const SUBJECTS_MAX: usize = 50;
/// Time for a question that a step asks on its own.
const ALONE_TIMEOUT: Duration = Duration::from_secs(86_400);

/// Whether a destructive step may run.
pub(super) enum Permit {
    /// No question guards it: it runs as the YAML says, and is marked.
    Unguarded,
    /// An approved question froze it: this question, that action.
    Frozen(QuestionState, usize),
    /// It must ask on its own.
    Ask,
}

/// What a question has gathered.
struct Gather {
    actions: Vec<FrozenAction>,
    unbound: Vec<(Arc<str>, Arc<str>)>,
    /// Steps that run after the question was asked: their results are not known yet.
    later: BTreeSet<Arc<str>>,
    sets_later: bool,
    /// `guards:`; `None` = every destructive step up to the next question.
    names: Option<BTreeSet<Arc<str>>>,
    stopped: bool,
}

/// Where the walk stands.
struct Spot {
    path: StepPath,
    loops: Vec<(Arc<str>, Value, usize)>,
    /// Inside a loop whose list is not known.
    unknown_loop: bool,
}

impl Work<'_> {
    /// May the destructive step at `path` run?
    pub(super) fn permit(&self, path: &StepPath, ix: StepIx) -> Permit {
        let at = normal(&path.0);
        let name = &self.program.steps[ix].name;
        let mut guarded = false;
        for q in self.state.questions.iter().rev() {
            let approved = q.verdict == Some(DecisionVerdict::Approved);
            if approved
                && let Some(i) = q.question.actions.iter().position(|a| a.path == at)
                && !self.state.used.contains(&(q.question.id.clone(), at.clone()))
            {
                return Permit::Frozen(q.clone(), i);
            }
            let named = q.question.kind == QuestionKind::Question
                && (q.question.actions.iter().any(|a| a.step == *name)
                    || q.question.unbound.iter().any(|(s, _)| s == name));
            if named && !guarded {
                let only_shown = q.question.unbound.iter().any(|(s, _)| s == name);
                if approved && only_shown && self.cx.env.unbound == Unbound::Allow {
                    return Permit::Unguarded;
                }
                guarded = true;
            }
        }
        // A rerun has no answer of its own: what the earlier run was allowed says nothing about now.
        let rerun = matches!(self.start().mode, StartMode::From(..));
        if guarded || rerun || self.cx.env.unbound == Unbound::Always { Permit::Ask } else { Permit::Unguarded }
    }

    /// A call as it is shown and hashed.
    pub(super) fn action(&self, path: &StepPath, step: &Arc<str>, call: &Call) -> FrozenAction {
        let secrets = call.connector.as_ref().and_then(|c| self.cx.catalogue.connector(c));
        let ix = self.program.index_of(step);
        let retries = ix
            .and_then(|ix| self.program.policy(&self.program.steps[ix], false))
            .and_then(|p| p.retry.as_ref())
            .map_or(0, |r| r.max_attempts);
        FrozenAction {
            path: normal(&path.0),
            step: step.clone(),
            operation: call.operation.clone(),
            class: call.class.as_str().into(),
            connector: call.connector.clone(),
            target: call.target.clone(),
            request: call.params.value().cloned().unwrap_or_default(),
            secrets: secrets.map_or_else(Vec::new, |c| c.secrets.clone()),
            retries,
            undo: call.undo.clone(),
        }
    }

    /// `waitForApproval`: freezes what it guards and asks.
    pub(super) fn ask_person(&mut self, path: &StepPath, ix: StepIx, ask: Ask, config: &Value) -> Work_<()> {
        if let Some(schema) = ask.input {
            let question = Question {
                kind: QuestionKind::Input,
                message: ask.message,
                approve_label: ask.approve_label,
                reject_label: ask.reject_label,
                expires_at: Some(self.cx.now + ask.timeout.0),
                schema,
                ..self.question(path, ix, vec![])
            };
            self.emit_question(path, question);
            return Ok(());
        }
        let names = config.get("guards").map(|g| match g {
            Value::Array(a) => a.iter().map(|v| crate::json::scalar_text(v).into()).collect(),
            other => BTreeSet::from([Arc::from(crate::json::scalar_text(other))]),
        });
        let mut gather = Gather {
            actions: vec![],
            unbound: vec![],
            later: BTreeSet::new(),
            sets_later: false,
            names,
            stopped: false,
        };
        let base = self.body_of(path, ix);
        gather.later.insert(self.program.steps[ix].name.clone());
        let block = self.block_around(ix);
        let after = block.0.iter().position(|i| *i == ix).map_or(0, |i| i + 1);
        let rest = Block(block.0[after..].to_vec());
        let spot = Spot { path: base, loops: vec![], unknown_loop: false };
        // Steps named by `guards` may stand after other questions.
        self.later_steps(&rest, &mut gather);
        self.walk(&rest, &spot, &mut gather)?;
        let question = Question {
            message: ask.message,
            approve_label: ask.approve_label,
            reject_label: ask.reject_label,
            expires_at: Some(self.cx.now + ask.timeout.0),
            policy: triage::question::Policy {
                unbound: self.cx.env.unbound == Unbound::Allow && !gather.unbound.is_empty(),
                ..super::approvers::policy(config)
            },
            unbound: gather.unbound,
            ..self.question(path, ix, gather.actions)
        };
        self.emit_question(path, question);
        Ok(())
    }

    /// A question about `actions`, without its words.
    fn question(&self, path: &StepPath, ix: StepIx, actions: Vec<FrozenAction>) -> Question {
        let start = self.start();
        Question {
            id: self.id(&[&path.to_string(), "question"]),
            kind: QuestionKind::Question,
            execution: start.execution.clone(),
            workflow: start.workflow.clone(),
            workflow_name: self.program.name.clone(),
            space: start.space.clone(),
            path: path.to_string().into(),
            step: self.program.steps[ix].name.clone(),
            message: "".into(),
            approve_label: "".into(),
            reject_label: "".into(),
            hash: frozen_hash(&actions).into(),
            actions,
            unbound: vec![],
            asked_at: self.cx.now,
            expires_at: None,
            about: self.subjects(),
            running_until: None,
            schema: Value::Null,
            policy: triage::question::Policy::default(),
        }
    }

    fn emit_question(&mut self, path: &StepPath, question: Question) {
        let key = self.key(path);
        self.bytes += crate::json::size(&stdx::json::to_value(&question));
        let timer = Some(TimerId(format!("question:{}", question.id).into()));
        let command = triage::Command::QuestionAsk(Box::new(question.clone()));
        self.emit(FactKind::Waiting {
            path: path.clone(),
            wait: Box::new(Wait::Approval(Box::new(question))),
            timer,
            memo: Body::Null,
        });
        self.effects.push((EffectKey { ..key }, Effect::Internal(Box::new(command))));
        self.internal = true;
    }

    /// A destructive step that no answered question froze asks on its own.
    pub(super) fn ask_alone(&mut self, path: &StepPath, ix: StepIx, call: Call, input: Value) -> Work_<()> {
        let step = &self.program.steps[ix];
        let action = self.action(path, &step.name, &call);
        let to = self
            .cx
            .catalogue
            .connectors
            .get(action.connector.as_deref().unwrap_or(""))
            .map_or_else(String::new, |c| format!(" over `{}`", c.name));
        let message = match &self.start().undo {
            Some(undo) => {
                format!("Undo `{}` by `{}`{to}? No answered question covers exactly this.", undo.step, step.kind)
            }
            None => format!("Run `{}` ({}){to}? No answered question covers exactly this.", step.name, step.kind),
        };
        let actions = vec![action];
        self.enter_leaf(path, &step.kind, input);
        let question = Question {
            message: message.into(),
            approve_label: "Approve".into(),
            reject_label: "Decline".into(),
            expires_at: Some(self.cx.now + ALONE_TIMEOUT),
            policy: self.undo_policy(),
            ..self.question(path, ix, actions)
        };
        self.emit_question(path, question);
        Ok(())
    }

    pub(super) fn own_question_decided(&mut self, path: &StepPath, ix: StepIx, decision: &Decision) -> Work_<()> {
        let step = &self.program.steps[ix];
        match decision.verdict {
            DecisionVerdict::Approved => {
                let program::Body::Leaf(leaf) = &step.body else { return Ok(()) };
                self.start_leaf(path, ix, leaf)
            }
            DecisionVerdict::Expired => self.expired(path),
            DecisionVerdict::Rejected | DecisionVerdict::Void => {
                let fault = Fault::new("NotApproved", format!("{} declined `{}`", decision.by, step.name));
                self.leave_with(path, &step.kind, Err(fault), Value::Null);
                Ok(())
            }
        }
    }

    /// Clocks of enclosing timeouts stood still while the person thought.
    pub(super) fn restart_clocks(&mut self, path: &StepPath) {
        let scopes: Vec<StepPath> = self
            .state
            .frames
            .iter()
            .filter(|f| {
                f.deadline.is_some()
                    && path.0.starts_with(&f.path.0)
                    && f.last_hop().is_some_and(|h| h.role == Role::Timeout)
            })
            .map(|f| f.path.clone())
            .collect();
        for scope in scopes {
            let body = iteration::is_body(&scope.0);
            let step = scope.0.last().and_then(|h| self.program.step(&h.name));
            let timeout = step.and_then(|s| if body { s.iteration_timeout.as_ref() } else { s.timeout.as_ref() });
            if let Some(timeout) = timeout {
                let deadline = Some(self.cx.now + timeout.length);
                self.emit(FactKind::Entered {
                    path: scope,
                    kind: "timeout".into(),
                    input: Body::Null,
                    about: Body::Null,
                    deadline,
                });
            }
        }
    }

    /// Nobody answered in time, and the row says so.
    pub(super) fn question_expired(&mut self, path: &StepPath) -> Work_<()> {
        let question = self
            .state
            .questions
            .iter()
            .rev()
            .find(|q| q.path == *path && q.verdict.is_none())
            .map(|q| q.question.id.clone());
        if let Some(question) = question {
            let decision = Decision {
                question,
                verdict: DecisionVerdict::Expired,
                by: "system".into(),
                at: self.cx.now,
                channel: "system".into(),
                comment: None,
                input: None,
                actions: None,
            };
            self.emit(FactKind::Woke { path: path.clone(), by: "timer".into(), decision: Some(Box::new(decision)) });
        }
        Ok(())
    }

    pub(super) fn expired(&mut self, path: &StepPath) -> Work_<()> {
        let Some(step) = path.0.last().and_then(|h| self.program.step(&h.name)) else { return Ok(()) };
        let text = step.timeout.as_ref().filter(|_| crate::steps::asks(&step.kind)).map_or_else(
            || if &*step.kind == "waitForInput" { "72h".into() } else { "24h".into() },
            |t| t.text.clone(),
        );
        let fault = Fault::new("TimeoutError", format!("Input wait exceeded the configured timeout of {text}."));
        self.leave_with(path, &step.kind, Err(fault), Value::Null);
        Ok(())
    }

    /// True where a connector's target is no longer what was shown.
    pub(super) fn targets_differ(&self, question: &Question) -> bool {
        question.actions.iter().any(|a| match a.connector.as_ref() {
            Some(id) => self.cx.catalogue.connectors.get(id).is_none_or(|c| c.target != a.target),
            None => false,
        })
    }

    /// Alerts and cases the run is about.
    pub(super) fn subjects(&self) -> Value {
        let start = self.start();
        if let Some(undo) = &start.undo {
            return undo.about.clone();
        }
        let mut alerts: Vec<Value> = vec![];
        if let crate::core::Cause::Alert { alerts: ids, .. } = &start.cause {
            alerts.extend(ids.iter().take(SUBJECTS_MAX).map(|id| Value::from(id.clone())));
        } else if let Body::Inline(event) = &start.event {
            let given = event.get("alerts").and_then(Value::as_array).unwrap_or_default();
            alerts.extend(given.iter().take(SUBJECTS_MAX).filter_map(|a| a.get("_id").cloned()));
        }
        let mut cases: Vec<Value> = vec![];
        for memory in
            self.state.memory.steps.values().chain(self.state.branches.iter().flat_map(|(_, s)| s.steps.values()))
        {
            if let Body::Inline(output) = &memory.output
                && let Some(id) = output.path(&["case", "id"])
                && !cases.contains(id)
                && cases.len() < SUBJECTS_MAX
            {
                cases.push(id.clone());
            }
        }
        Value::object([("alerts", Value::from(alerts)), ("cases", Value::from(cases))])
    }

    /// The block a step stands in.
    pub(super) fn block_around(&self, ix: StepIx) -> Block {
        let parent = self.program.steps[ix].parent.as_ref().map(|(p, _)| &self.program.steps[*p]);
        let blocks = match parent {
            None => vec![&self.program.root],
            Some(p) => p.blocks().into_iter().map(|(_, b)| b).collect(),
        };
        let policy = self.program.settings.on_failure.as_ref().map(|p| &p.fallback);
        blocks.into_iter().chain(policy).find(|b| b.0.contains(&ix)).cloned().unwrap_or_default()
    }

    /// The path of the body that holds the step at `path`: without the step's own wrappers.
    fn body_of(&self, path: &StepPath, ix: StepIx) -> StepPath {
        let name = &self.program.steps[ix].name;
        let end = path.0.iter().position(|h| h.name == *name).unwrap_or(path.0.len());
        StepPath(path.0[..end].into())
    }

    fn later_steps(&self, block: &Block, gather: &mut Gather) {
        for ix in &block.0 {
            let step = &self.program.steps[*ix];
            gather.later.insert(step.name.clone());
            gather.sets_later |= &*step.kind == "data.set";
            for (_, inner) in step.blocks() {
                self.later_steps(inner, gather);
            }
        }
    }

    fn walk(&self, block: &Block, spot: &Spot, gather: &mut Gather) -> Work_<()> {
        for ix in &block.0 {
            if gather.stopped {
                return Ok(());
            }
            let step = &self.program.steps[*ix];
            if &*step.kind == "waitForApproval" && gather.names.is_none() {
                gather.stopped = true;
                return Ok(());
            }
            self.walk_step(*ix, step, spot, gather)?;
        }
        Ok(())
    }

    fn walk_step(&self, ix: StepIx, step: &Step, spot: &Spot, gather: &mut Gather) -> Work_<()> {
        let mut base = spot.path.clone();
        let in_fallback = base.0.iter().any(|h| h.role == Role::Fallback);
        if self.program.policy(step, in_fallback).is_some() {
            base = push(&base.0, &step.name, Role::Retry, 0);
        }
        let retry = base.clone();
        if step.timeout.is_some() && !crate::steps::asks(&step.kind) {
            base = push(&base.0, &step.name, Role::Timeout, 0);
        }
        let at =
            |path: StepPath, spot: &Spot| Spot { path, loops: spot.loops.clone(), unknown_loop: spot.unknown_loop };
        match &step.body {
            program::Body::Leaf(leaf) => {
                let wanted = gather.names.as_ref().is_none_or(|n| n.contains(&step.name));
                if wanted && step.class() == Class::Destructive {
                    match &step.each {
                        Some(list) => {
                            let each = push(&base.0, &step.name, Role::Each, 0);
                            for spot in self.each_item(list, &each, &step.name, spot, gather)? {
                                self.freeze(ix, step, leaf, &spot, gather)?;
                            }
                        }
                        None => self.freeze(ix, step, leaf, &at(base, spot), gather)?,
                    }
                }
            }
            program::Body::Foreach { list, body } => {
                let scope = push(&base.0, &step.name, Role::Step, 0);
                for inner in self.each_item(list, &scope, &step.name, spot, gather)? {
                    let path = iteration::base(inner.path.clone(), step);
                    self.walk(body, &Spot { path, ..inner }, gather)?;
                }
            }
            program::Body::While { body, .. } => {
                let scope = push(&base.0, &step.name, Role::Step, 0);
                let scope = iteration::base(push(&scope.0, &step.name, Role::Loop, 0), step);
                self.walk(body, &Spot { unknown_loop: true, ..at(scope, spot) }, gather)?;
            }
            program::Body::Parallel(p) => {
                let scope = push(&base.0, &step.name, Role::Step, 0);
                for (i, (_, block)) in p.branches.iter().enumerate() {
                    let branch = push(&scope.0, &step.name, Role::Branch, i as u32);
                    let unknown_loop = spot.unknown_loop || p.list.is_some();
                    self.walk(block, &Spot { unknown_loop, ..at(branch, spot) }, gather)?;
                }
            }
            program::Body::If { then, otherwise, .. } => {
                let scope = push(&base.0, &step.name, Role::Step, 0);
                for (i, block) in [then, otherwise].into_iter().enumerate() {
                    let branch = push(&scope.0, &step.name, Role::Branch, i as u32);
                    self.walk(block, &at(branch, spot), gather)?;
                }
            }
            program::Body::Switch { cases, default, .. } => {
                let scope = push(&base.0, &step.name, Role::Step, 0);
                for (i, block) in cases.iter().map(|(_, b)| b).chain([default]).enumerate() {
                    let branch = push(&scope.0, &step.name, Role::Branch, i as u32);
                    self.walk(block, &at(branch, spot), gather)?;
                }
            }
            program::Body::Break | program::Body::Continue | program::Body::Unsupported { .. } => {}
        }
        if let Some(policy) = self.program.policy(step, in_fallback).filter(|p| !p.fallback.0.is_empty()) {
            let fallback = push(&retry.0, &step.name, Role::Fallback, 0);
            self.walk(&policy.fallback, &at(fallback, spot), gather)?;
        }
        Ok(())
    }

    /// The iterations of a loop whose list is known now; else one spot whose loop is not known.
    fn each_item(
        &self,
        list: &List,
        scope: &StepPath,
        name: &Arc<str>,
        spot: &Spot,
        gather: &Gather,
    ) -> Work_<Vec<Spot>> {
        let unknown = || {
            let path = push(&scope.0, name, Role::Loop, 0);
            vec![Spot { path, loops: spot.loops.clone(), unknown_loop: true }]
        };
        let refs = list.refs();
        if spot.unknown_loop || self.not_known(&refs, &spot.loops, gather) {
            return Ok(unknown());
        }
        let extra = Extra { error: None, loops: spot.loops.clone(), ..Extra::default() };
        let root = self.context_with(&self.known_path(&spot.path), &refs, &extra)?;
        let Ok(items) = resolve_list(list, &root) else { return Ok(unknown()) };
        let total = items.as_array().map_or(0, <[Value]>::len);
        if total > ACTIONS_MAX {
            return Ok(unknown());
        }
        let limit =
            usize::try_from(self.program.step(name).map_or(u64::MAX, |s| s.iterations.limit)).unwrap_or(usize::MAX);
        Ok((0..total.min(limit))
            .map(|i| {
                let mut loops = spot.loops.clone();
                loops.push((name.clone(), items.clone(), i));
                Spot { path: push(&scope.0, name, Role::Loop, i as u32), loops, unknown_loop: false }
            })
            .collect())
    }

    /// The part of a path whose scopes are open now.
    fn known_path(&self, path: &StepPath) -> Vec<Hop> {
        let n = (0..=path.0.len()).rev().find(|n| self.state.frame(&path.0[..*n]).is_some()).unwrap_or(0);
        path.0[..n].to_vec()
    }

    /// True where something is read that is only known later.
    fn not_known(&self, refs: &Refs, loops: &[(Arc<str>, Value, usize)], gather: &Gather) -> bool {
        let later = refs.steps.iter().any(|s| gather.later.contains(s) && !loops.iter().any(|(n, ..)| n == s));
        refs.all_steps || later || (refs.reads("variables") && gather.sets_later)
    }

    fn freeze(&self, ix: StepIx, step: &Step, leaf: &Leaf, spot: &Spot, gather: &mut Gather) -> Work_<()> {
        let mut refs = leaf.params.refs();
        refs.merge(&leaf.config.refs());
        if let Some(c) = &leaf.connector {
            refs.merge(&c.refs);
        }
        let loose = self.loose(&refs, spot, gather) || gather.actions.len() >= ACTIONS_MAX;
        let frozen = if loose { None } else { self.frozen_call(ix, leaf, spot, gather)? };
        match frozen {
            Some(call) if call.class < Class::Destructive => {}
            Some(call) => {
                let path = push(&spot.path.0, &step.name, Role::Step, 0);
                gather.actions.push(self.action(&path, &step.name, &call));
            }
            None => {
                let text: Arc<str> = stdx::json::text(&leaf.params.source()).into();
                if !gather.unbound.iter().any(|(s, t)| *s == step.name && *t == text) {
                    gather.unbound.push((step.name.clone(), text));
                }
            }
        }
        Ok(())
    }

    /// True where something is read that is not known yet at this spot.
    fn loose(&self, refs: &Refs, spot: &Spot, gather: &Gather) -> bool {
        let in_new_fallback = spot.path.0.len() > self.known_path(&spot.path).len()
            && spot.path.0.iter().any(|h| h.role == Role::Fallback);
        spot.unknown_loop || self.not_known(refs, &spot.loops, gather) || (refs.reads("error") && in_new_fallback)
    }

    fn frozen_call(&self, ix: StepIx, leaf: &Leaf, spot: &Spot, gather: &Gather) -> Work_<Option<Call>> {
        let step = &self.program.steps[ix];
        let extra = Extra { error: None, loops: spot.loops.clone(), ..Extra::default() };
        let ready: Ready = match self.render(&self.known_path(&spot.path), ix, leaf, &extra) {
            Ok(Ok(r)) => r,
            Ok(Err(_)) => return Ok(None),
            Err(Stop(needed)) => return Err(Stop(needed)),
        };
        let path = push(&spot.path.0, &step.name, Role::Step, 0);
        let Next::Call { call, closes, .. } = self.start_code(&path, ix, leaf, &ready, 0) else { return Ok(None) };
        let class = call.class.max(step.effect);
        let mut frozen = Call {
            operation: call.operation,
            connector: call.connector,
            target: call.target,
            params: crate::core::Rendered::plain(call.params),
            class,
            lane: call.lane,
            deadline: None,
            bytes_max: self.program.bytes_max(step),
            approved_by: None,
            undo: None,
        };
        if closes {
            let loose = |refs: &Refs| self.loose(refs, spot, gather);
            match self.undo_plan(&self.known_path(&spot.path), ix, &frozen, &extra, &loose)? {
                Ok(undo) => frozen.undo = undo,
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(frozen))
    }
}

/// The lane of a frozen action: its connector's, else that of its host, else our own.
pub(super) fn lane(connector: Option<&Arc<str>>, target: &Value) -> Arc<str> {
    match (connector, target.get("base_url").and_then(Value::as_str)) {
        (Some(id), _) => id.clone(),
        (None, Some(url)) => format!("http:{}", url.split("://").nth(1).unwrap_or(url)).into(),
        (None, None) => "own".into(),
    }
}
