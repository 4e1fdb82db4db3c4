//! From the YAML tree to a program, collecting findings on the way.
//!
//! Invariants: never stops at the first mistake; recursion is bounded by the depth of the tree (`yaml::DEPTH_MAX`).
//! Not here: advice about words (`check`), inputs (`inputs`).
//! Source: `reference/workflow-language.md` §1, §3.1, §4, Appendices B and D.

mod policy;
mod settings;
mod undo;

use super::check::{self, unknown_key};
use super::{Block, Body, Inputs, Iterations, Leaf, List, Parallel, Program, Step, StepIx, Timeout, Trigger};
use crate::catalogue::Catalogue;
use crate::condition::Condition;
use crate::core::Class;
use crate::template::{self, Limits, Params, Text, is_template, is_typed};
use crate::yaml::{self, Entry, FINDINGS_MAX, Node, Yaml};
use crate::{duration, steps};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Diagnostic, LineIndex, Span, Value};

/// Steps of a workflow at most.
pub const STEPS_MAX: usize = 5000;

pub(super) const TOP: [&str; 11] = [
    "version",
    "name",
    "description",
    "enabled",
    "tags",
    "triggers",
    "inputs",
    "consts",
    "outputs",
    "settings",
    "steps",
];
pub(super) const ENVELOPE: [&str; 17] = [
    "name",
    "type",
    "with",
    "if",
    "foreach",
    "timeout",
    "max-step-size",
    "on-failure",
    "connector-id",
    "max-iterations",
    "iteration-timeout",
    "iteration-on-failure",
    "effect",
    "description",
    "push-case",
    "undo",
    "undo-after",
];

pub(super) fn load(text: &str, catalogue: &Catalogue) -> (Option<Program>, Vec<Diagnostic>) {
    let (root, mut found) = yaml::parse(text);
    let Some(root) = root else {
        if found.is_empty() {
            let empty =
                Diagnostic::error("schemaViolation", Span::new(0, 0), "a workflow is a map, the document is empty");
            found.push(empty.hint("start with `name:`, `triggers:` and `steps:`"));
        }
        return (None, found);
    };
    if root.map().is_none() {
        found.push(
            Diagnostic::error("schemaViolation", root.span, format!("a workflow is a map, found a {}", root.kind()))
                .hint("start with `name:`, `triggers:` and `steps:`"),
        );
        return (None, found);
    }
    let mut loader =
        Loader { source: text, catalogue, found, steps: vec![], names: BTreeMap::new(), limits: Limits::default() };
    let program = loader.document(&root);
    let mut found = loader.found;
    check::all(text, &root, &program, catalogue, &mut found);
    found.sort_by_key(|d| (d.span.start, d.span.end));
    found.dedup();
    found.truncate(FINDINGS_MAX);
    (Some(program), found)
}

pub(super) struct Loader<'a> {
    pub(super) source: &'a str,
    catalogue: &'a Catalogue,
    pub(super) found: Vec<Diagnostic>,
    steps: Vec<Option<Step>>,
    names: BTreeMap<Arc<str>, StepIx>,
    pub(super) limits: Limits,
}

/// Where a block of steps stands.
#[derive(Clone)]
struct Place {
    parent: Option<(StepIx, Arc<str>)>,
    in_loop: bool,
    in_fallback: bool,
    path: String,
}

impl Loader<'_> {
    pub(super) fn error(&mut self, code: &'static str, span: Span, path: &str, message: impl Into<String>, hint: &str) {
        let d = Diagnostic::error(code, span, message).at(path);
        self.found.push(if hint.is_empty() { d } else { d.hint(hint) });
    }
    pub(super) fn warn(&mut self, code: &'static str, span: Span, path: &str, message: impl Into<String>, hint: &str) {
        let d = Diagnostic::warning(code, span, message).at(path);
        self.found.push(if hint.is_empty() { d } else { d.hint(hint) });
    }

    fn document(&mut self, root: &Node) -> Program {
        let entries = root.map().unwrap_or_default();
        for e in entries.iter().filter(|e| !TOP.contains(&&*e.key) && &*e.key != "template-metadata") {
            self.found.push(unknown_key("unknownKey", e, "a workflow", &TOP, ""));
        }
        if let Some(v) = root.entry("version")
            && v.value.str().is_none_or(|s| &**s != "1")
        {
            let message = "`version` should be the text \"1\"";
            self.warn("schemaViolation", v.value.span, "version", message, "write version: \"1\"");
        }
        let settings = self.settings(root.get("settings"));
        self.limits = settings.liquid;
        let name = self.text(root, "name", true);
        let description = self.text(root, "description", false);
        let enabled = match root.get("enabled").map(|n| (&n.value, n.span)) {
            None | Some((Yaml::Bool(true), _)) => true,
            Some((Yaml::Bool(false), _)) => false,
            Some((_, span)) => {
                self.error("schemaViolation", span, "enabled", "`enabled` must be true or false", "");
                false
            }
        };
        let tags = self.tags(root.get("tags"));
        let consts = root.get("consts").map(Node::to_value).unwrap_or_default();
        if let Some(n) = root.get("consts") {
            self.consts(n);
        }
        let (triggers, inputs) = self.triggers(root, settings.timezone.as_ref());
        let outputs =
            root.get("outputs").map(|n| Inputs::read(n, self.source, self.limits, "outputs", &mut self.found).schema);
        let place = Place { parent: None, in_loop: false, in_fallback: false, path: "steps".into() };
        let block = match root.get("steps") {
            Some(n) => self.block(n, &place),
            None => {
                self.error(
                    "schemaViolation",
                    Span::new(0, 0),
                    "steps",
                    "a workflow needs `steps`",
                    "add at least one step",
                );
                Block::default()
            }
        };
        let settings = self.settings_policy(root.get("settings"), settings);
        Program {
            name,
            description,
            tags,
            enabled,
            triggers,
            inputs,
            consts,
            outputs: outputs.unwrap_or_default(),
            settings,
            steps: std::mem::take(&mut self.steps).into_iter().flatten().collect(),
            root: block,
            by_name: std::mem::take(&mut self.names),
            lines: LineIndex::new(self.source),
            source: self.source.into(),
        }
    }

    fn text(&mut self, root: &Node, key: &str, required: bool) -> Arc<str> {
        match root.get(key) {
            Some(n) => match (&n.value, n.str()) {
                (_, Some(s)) if !required || !s.is_empty() => s.clone(),
                (Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_), _) => crate::json::scalar_text(&n.to_value()).into(),
                (Yaml::Null, _) if !required => "".into(),
                _ => {
                    self.error("schemaViolation", n.span, key, format!("`{key}` must be text"), "");
                    "".into()
                }
            },
            None => {
                if required {
                    self.error(
                        "schemaViolation",
                        Span::new(0, 0),
                        key,
                        format!("a workflow needs a `{key}`"),
                        "add it at the top",
                    );
                }
                check::text(None)
            }
        }
    }

    fn tags(&mut self, node: Option<&Node>) -> Vec<Arc<str>> {
        let Some(node) = node else { return vec![] };
        match node.seq() {
            Some(items) => items.iter().map(|n| crate::json::scalar_text(&n.to_value()).into()).collect(),
            None if matches!(node.value, Yaml::Null) => vec![],
            None => {
                self.error("schemaViolation", node.span, "tags", "`tags` must be a list", "write [one, two]");
                vec![]
            }
        }
    }

    fn consts(&mut self, node: &Node) {
        let Some(entries) = node.map() else {
            if !matches!(node.value, Yaml::Null) {
                self.error("schemaViolation", node.span, "consts", "`consts` must be a map", "");
            }
            return;
        };
        for e in entries {
            if e.value.str().is_some_and(|s| is_template(s)) {
                let hint = "build the value with a `data.set` step";
                self.warn(
                    "templateInConst",
                    e.value.span,
                    &format!("consts.{}", e.key),
                    "templates in `consts` are not rendered",
                    hint,
                );
            }
        }
    }

    fn triggers(&mut self, root: &Node, zone: Option<&Arc<str>>) -> (Vec<Trigger>, Inputs) {
        let mut triggers = vec![];
        let mut inputs = None;
        match root.get("triggers").map(|n| (n, n.seq())) {
            Some((n, Some(items))) => {
                if items.is_empty() {
                    self.error(
                        "schemaViolation",
                        n.span,
                        "triggers",
                        "a workflow needs a trigger",
                        "add `- type: manual`",
                    );
                }
                for (i, item) in items.iter().enumerate() {
                    let path = format!("triggers[{i}]");
                    let Some(kind) = item.get("type").and_then(Node::str) else {
                        self.error(
                            "schemaViolation",
                            item.span,
                            &path,
                            "a trigger needs a `type`",
                            "for example manual, alert, scheduled",
                        );
                        continue;
                    };
                    let trigger = self.trigger(item, kind, &path, zone);
                    if &**kind == "manual"
                        && let Some(n) = item.get("inputs")
                    {
                        inputs =
                            Some(Inputs::read(n, self.source, self.limits, &format!("{path}.inputs"), &mut self.found));
                    }
                    triggers.push(trigger);
                }
            }
            Some((n, None)) => {
                self.error("schemaViolation", n.span, "triggers", "`triggers` must be a list", "write `- type: manual`")
            }
            None => {
                self.error(
                    "schemaViolation",
                    Span::new(0, 0),
                    "triggers",
                    "a workflow needs `triggers`",
                    "add `triggers: [{ type: manual }]`",
                );
            }
        }
        if let Some(n) = root.get("inputs") {
            if inputs.is_some() {
                self.warn(
                    "inputsTwice",
                    n.span,
                    "inputs",
                    "`inputs` stands here and at the manual trigger",
                    "the trigger's inputs are used",
                );
            } else {
                inputs = Some(Inputs::read(n, self.source, self.limits, "inputs", &mut self.found));
            }
        }
        (triggers, inputs.unwrap_or_default())
    }

    pub(super) fn timeout(&mut self, node: &Node, path: &str) -> Option<Timeout> {
        let text = node.str()?.clone();
        match duration::duration(&text) {
            Some(length) => Some(Timeout { length, text }),
            None => {
                self.error("schemaViolation", node.span, path, duration::duration_error(&text), "");
                None
            }
        }
    }

    fn bytes(&mut self, node: &Node, path: &str) -> Option<u64> {
        let text = crate::json::scalar_text(&node.to_value());
        let size = duration::bytes(&text);
        if size.is_none() {
            self.error(
                "schemaViolation",
                node.span,
                path,
                format!("invalid byte size `{text}`"),
                "for example \"10mb\" or \"1gb\"",
            );
        }
        size
    }

    fn block(&mut self, node: &Node, place: &Place) -> Block {
        let Some(items) = node.seq() else {
            self.error(
                "schemaViolation",
                node.span,
                &place.path,
                "steps must be a list",
                "start each step with `- name:`",
            );
            return Block::default();
        };
        if items.is_empty() {
            self.error("schemaViolation", node.span, &place.path, "at least one step must stand here", "");
        }
        Block(items.iter().enumerate().filter_map(|(i, n)| self.step(n, i, place)).collect())
    }

    fn step(&mut self, node: &Node, i: usize, place: &Place) -> Option<StepIx> {
        self.step_at(node, format!("{}[{i}]", place.path), place)
    }

    fn step_at(&mut self, node: &Node, path: String, place: &Place) -> Option<StepIx> {
        if node.map().is_none() {
            self.error(
                "schemaViolation",
                node.span,
                &path,
                format!("a step is a map, found a {}", node.kind()),
                "start with `name:` and `type:`",
            );
            return None;
        }
        if self.steps.len() >= STEPS_MAX {
            self.error("documentTooLarge", node.span, &path, format!("a workflow has at most {STEPS_MAX} steps"), "");
            return None;
        }
        let kind: Arc<str> = match node.get("type").map(|n| (n, n.str())) {
            Some((_, Some(s))) => s.clone(),
            Some((n, None)) => {
                self.error("schemaViolation", n.span, &path, "`type` must be text", "");
                return None;
            }
            None => {
                self.error(
                    "schemaViolation",
                    node.span,
                    &path,
                    "a step needs a `type`",
                    "for example console, if, http",
                );
                return None;
            }
        };
        let name: Arc<str> = match node.get("name").map(|n| (n, &n.value)) {
            Some((n, Yaml::Str(_))) if n.str().is_some_and(|s| !s.is_empty()) => n.str().cloned().unwrap_or_default(),
            Some((n, Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_))) => crate::json::scalar_text(&n.to_value()).into(),
            _ => {
                self.error(
                    "schemaViolation",
                    node.span,
                    &path,
                    "a step needs a `name`",
                    "names are how `steps.<name>.output` is read",
                );
                format!("{path}:{kind}").into()
            }
        };
        if self.names.contains_key(&name) {
            let span = node.get("name").map_or(node.span, |n| n.span);
            self.error(
                "duplicateStepName",
                span,
                &path,
                format!("another step is called `{name}`"),
                "names are unique in the whole workflow",
            );
            return None;
        }
        let ix = self.steps.len();
        self.steps.push(None);
        self.names.insert(name.clone(), ix);
        let inner = Place { parent: Some((ix, "".into())), path: path.clone(), ..place.clone() };
        let body = self.body(node, &kind, &name, &inner);
        let on_failure = node.get("on-failure").map(|n| Arc::new(self.policy(n, &inner, Some(ix))));
        let takes_timeout = !matches!(&*kind, "if" | "switch" | "loop.break" | "loop.continue");
        let timeout = node.get("timeout").and_then(|n| self.timeout(n, &format!("{path}.timeout")));
        if let Some(n) = node.get("timeout").filter(|_| !takes_timeout) {
            self.warn(
                "invalidStepProperty",
                n.span,
                &path,
                format!("`timeout` has no effect on `{kind}`"),
                "put it on a step inside",
            );
        }
        let guard = node
            .get("if")
            .map(|n| Condition::compile(n, self.source, self.limits, &format!("{path}.if"), &mut self.found));
        let each = node
            .get("foreach")
            .filter(|_| !matches!(&*kind, "foreach" | "parallel"))
            .map(|n| self.list(n, &format!("{path}.foreach")));
        if each.is_some() && guard.as_ref().is_some_and(|g| g.refs.reads("foreach") || g.refs.reads("item")) {
            let span = node.get("if").map_or(node.span, |n| n.span);
            let hint = "put the step into a `foreach` step and the condition on it";
            self.warn(
                "guardReadsItem",
                span,
                &path,
                "a step's `if` is looked at before its `foreach`: there is no `foreach.item` in it",
                hint,
            );
        }
        let (iteration_timeout, iteration_policy) = self.iteration(node, &kind, &inner, ix);
        let effect = self.effect(node.get("effect"), &path);
        let in_undo = place.parent.as_ref().is_some_and(|(_, lane)| &**lane == super::UNDO_LANE);
        let undo = self.undo(node, (&name, ix), &body, effect, &inner, in_undo);
        self.steps[ix] = Some(Step {
            name,
            span: node.span,
            parent: place.parent.clone(),
            in_fallback: place.in_fallback,
            guard,
            each,
            iterations: self.iterations(node.get("max-iterations"), &path),
            iteration_timeout,
            iteration_policy,
            timeout: timeout.filter(|_| takes_timeout),
            max_step_size: node.get("max-step-size").and_then(|n| self.bytes(n, &format!("{path}.max-step-size"))),
            on_failure,
            effect,
            undo,
            body,
            kind,
        });
        Some(ix)
    }

    /// `iteration-timeout` and `iteration-on-failure` of `foreach` and `while`.
    fn iteration(
        &mut self,
        node: &Node,
        kind: &str,
        inner: &Place,
        ix: StepIx,
    ) -> (Option<Timeout>, Option<Arc<super::OnFailure>>) {
        if !matches!(kind, "foreach" | "while") {
            for e in ["iteration-timeout", "iteration-on-failure"].iter().filter_map(|k| node.entry(k)) {
                let message = format!("`{}` has no effect on `{kind}`", e.key);
                self.warn("invalidStepProperty", e.key_span, &inner.path, message, "it belongs on foreach or while");
            }
            return (None, None);
        }
        // `decide` does not carry them out: who writes them must learn that here.
        for e in ["iteration-timeout", "iteration-on-failure"].iter().filter_map(|k| node.entry(k)) {
            let message = format!("`{}` is read but not enforced yet", e.key);
            let hint = "use `timeout` and `on-failure` of the steps inside";
            self.warn("notThereYet", e.key_span, &inner.path, message, hint);
        }
        let path = format!("{}.iteration-timeout", inner.path);
        let timeout = node.get("iteration-timeout").and_then(|n| self.timeout(n, &path));
        let place = Place { in_loop: true, ..inner.clone() };
        let policy = node
            .get("iteration-on-failure")
            .map(|n| Arc::new(self.policy_named(n, &place, Some(ix), "iteration-on-failure", "iteration-fallback")));
        (timeout, policy)
    }

    fn effect(&mut self, node: Option<&Node>, path: &str) -> Class {
        let Some(node) = node else { return Class::None };
        match node.str().map(|s| &**s) {
            Some("read") => Class::Read,
            Some("write") => Class::Write,
            Some("destructive") => Class::Destructive,
            _ => {
                self.error(
                    "invalidStepProperty",
                    node.span,
                    path,
                    "`effect` must be read, write or destructive",
                    "it raises a class, it never lowers one",
                );
                Class::None
            }
        }
    }

    fn iterations(&mut self, node: Option<&Node>, path: &str) -> Iterations {
        let Some(node) = node else { return Iterations::default() };
        let limit = match &node.value {
            Yaml::Map(_) => node.get("limit"),
            _ => Some(node),
        };
        let limit =
            limit.map(Node::to_value).and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok())).filter(|n| *n >= 1);
        if limit.is_none() {
            self.error("invalidStepProperty", node.span, path, "`max-iterations` must be a number of at least 1", "");
        }
        let fail = node.get("on-limit").and_then(Node::str).is_some_and(|s| &**s == "fail");
        Iterations { limit: limit.map_or(super::ITERATIONS_MAX, |n| n as u64), fail }
    }

    fn list(&mut self, node: &Node, path: &str) -> List {
        let Yaml::Str(scalar) = &node.value else {
            if node.seq().is_none() {
                self.error(
                    "invalidForeachParameter",
                    node.span,
                    path,
                    format!("`foreach` needs a list, found a {}", node.kind()),
                    "use `${{ … }}`",
                );
            }
            return List::Items(Params::compile(node, self.source, self.limits, path, &mut self.found));
        };
        let text = &scalar.text;
        let trimmed = text.trim();
        if is_typed(text) {
            return List::Expression(template::compile_at(node, self.source, self.limits, path, &mut self.found));
        }
        // A whole-string `{{ x }}` is evaluated as a value too.
        if trimmed.starts_with("{{") && trimmed.ends_with("}}") && trimmed.matches("{{").count() == 1 {
            let typed: Arc<str> = format!("${trimmed}").into();
            let (compiled, error) = Text::compile(&typed, self.limits);
            if let Some(e) = error {
                self.error("liquidSyntaxError", node.span, path, e.message, "");
            }
            return List::Expression(compiled);
        }
        if is_template(text) {
            return List::Json(template::compile_at(node, self.source, self.limits, path, &mut self.found));
        }
        if trimmed.starts_with('[') {
            return match stdx::json::parse(trimmed) {
                Ok(v) => List::Items(Params::Const(v)),
                Err(e) => {
                    self.error("invalidForeachParameter", node.span, path, format!("the list is not JSON: {e}"), "");
                    List::Items(Params::Const(Value::Null))
                }
            };
        }
        let typed: Arc<str> = format!("${{{{ {trimmed} }}}}").into();
        let (compiled, error) = Text::compile(&typed, self.limits);
        if error.is_some() {
            self.error(
                "invalidForeachParameter",
                node.span,
                path,
                format!("`{trimmed}` is neither a list nor a path"),
                "use `${{ … }}`",
            );
        }
        List::Path(compiled, text.clone())
    }

    fn lane(&mut self, node: Option<&Node>, place: &Place, lane: &str, key: &str) -> Block {
        let Some(node) = node else { return Block::default() };
        let parent = place.parent.as_ref().map(|(ix, _)| (*ix, Arc::from(lane)));
        self.block(node, &Place { parent, path: format!("{}.{key}", place.path), ..place.clone() })
    }

    fn required_block(&mut self, node: &Node, place: &Place, lane: &str) -> Block {
        if node.get("steps").is_none() {
            self.error("schemaViolation", node.span, &place.path, "`steps` is missing", "");
        }
        self.lane(node.get("steps"), place, lane, "steps")
    }

    fn condition(&mut self, node: &Node, place: &Place) -> Condition {
        let path = format!("{}.condition", place.path);
        match node.get("condition") {
            Some(n) => Condition::compile(n, self.source, self.limits, &path, &mut self.found),
            None => {
                self.error(
                    "schemaViolation",
                    node.span,
                    &path,
                    "`condition` is missing",
                    "KQL, or a `${{ }}` expression",
                );
                let missing = Node { span: node.span, value: Yaml::Bool(false) };
                Condition::compile(&missing, self.source, self.limits, &path, &mut self.found)
            }
        }
    }

    fn body(&mut self, node: &Node, kind: &Arc<str>, name: &Arc<str>, place: &Place) -> Body {
        let flow: &[&str] = match &**kind {
            "if" => &["condition", "steps", "else"],
            "switch" => &["expression", "cases", "default"],
            "foreach" => &["steps"],
            "while" => &["condition", "steps"],
            "parallel" => &["branches", "steps", "concurrency", "mode", "branch-timeout"],
            "loop.break" | "loop.continue" => &[],
            _ => return self.leaf(node, kind, name, place),
        };
        self.keys(node, kind, flow, &place.path);
        match &**kind {
            "if" => {
                let condition = self.condition(node, place);
                let then = self.required_block(node, place, "then");
                let otherwise = self.lane(node.get("else"), place, "else", "else");
                Body::If { condition, then, otherwise }
            }
            "switch" => self.switch(node, place),
            "foreach" => {
                let inner = Place { in_loop: true, ..place.clone() };
                let list = match node.get("foreach") {
                    Some(n) => self.list(n, &format!("{}.foreach", place.path)),
                    None => {
                        self.error(
                            "invalidForeachParameter",
                            node.span,
                            &place.path,
                            "Foreach configuration is required",
                            "add `foreach: \"${{ … }}\"`",
                        );
                        List::Items(Params::Const(Value::Null))
                    }
                };
                Body::Foreach { list, body: self.required_block(node, &inner, "body") }
            }
            "while" => {
                let inner = Place { in_loop: true, ..place.clone() };
                Body::While { condition: self.condition(node, place), body: self.required_block(node, &inner, "body") }
            }
            "parallel" => self.parallel(node, place),
            _ => {
                if !place.in_loop {
                    let message = "loop.break and loop.continue are only valid inside a loop body (foreach or while)";
                    self.error(
                        "graphBuildError",
                        node.span,
                        &place.path,
                        message,
                        "move the step inside a loop, or remove it",
                    );
                }
                if &**kind == "loop.break" { Body::Break } else { Body::Continue }
            }
        }
    }

    fn switch(&mut self, node: &Node, place: &Place) -> Body {
        let expression = match node.get("expression") {
            Some(n) => template::compile_at(
                n,
                self.source,
                self.limits,
                &format!("{}.expression", place.path),
                &mut self.found,
            ),
            None => {
                self.error("schemaViolation", node.span, &place.path, "`expression` is missing", "");
                Text::literal("")
            }
        };
        let mut cases = vec![];
        for (i, case) in node.get("cases").and_then(Node::seq).unwrap_or_default().iter().enumerate() {
            let path = format!("{}.cases[{i}]", place.path);
            let value = case.get("match").or_else(|| {
                let n = case.get("case")?;
                self.warn("switchCase", n.span, &path, "the key is `match`, not `case`", "rename it");
                Some(n)
            });
            let Some(value) = value else {
                self.error("schemaViolation", case.span, &path, "a case needs `match`", "");
                continue;
            };
            let params = Params::compile(value, self.source, self.limits, &path, &mut self.found);
            let lane = format!("case:{}", crate::json::scalar_text(&value.to_value()));
            let inner = Place { path, ..place.clone() };
            cases.push((params, self.required_block(case, &inner, &lane)));
        }
        if cases.is_empty() {
            self.error("schemaViolation", node.span, &place.path, "`cases` needs at least one case", "");
        }
        let default = self.lane(node.get("default"), place, "default", "default");
        Body::Switch { expression, cases, default }
    }

    fn parallel(&mut self, node: &Node, place: &Place) -> Body {
        let mut branches: Vec<(Arc<str>, Block)> = vec![];
        let list = node.get("foreach").map(|n| self.list(n, &format!("{}.foreach", place.path)));
        if list.is_some() {
            let block = self.required_block(node, place, "body");
            branches.push(("body".into(), block));
        } else {
            for (i, b) in node.get("branches").and_then(Node::seq).unwrap_or_default().iter().enumerate() {
                let path = format!("{}.branches[{i}]", place.path);
                let name: Arc<str> =
                    b.get("name").and_then(Node::str).cloned().unwrap_or_else(|| format!("branch-{i}").into());
                let inner = Place { path, ..place.clone() };
                let block = self.required_block(b, &inner, &name);
                branches.push((name, block));
            }
            if branches.is_empty() {
                self.error(
                    "schemaViolation",
                    node.span,
                    &place.path,
                    "`parallel` needs `branches`, or `foreach` and `steps`",
                    "",
                );
            }
        }
        let concurrency =
            node.get("concurrency").map(|n| n.get("max").unwrap_or(n).to_value()).and_then(|v| v.as_i64());
        let count_waiting = node.get("concurrency").and_then(|n| n.get("count-waiting"));
        let settled = match node.get("mode").map(|n| (n.span, n.str().map(|s| &**s))) {
            None | Some((_, Some("fail-fast"))) => false,
            Some((_, Some("settled"))) => true,
            Some((span, _)) => {
                self.error("invalidParallelMode", span, &place.path, "`mode` must be fail-fast or settled", "");
                false
            }
        };
        let branch_timeout =
            node.get("branch-timeout").and_then(|n| self.timeout(n, &format!("{}.branch-timeout", place.path)));
        Body::Parallel(Parallel {
            list,
            branches,
            concurrency: concurrency.unwrap_or(5).clamp(1, 20) as u32,
            count_waiting: !count_waiting.is_some_and(|n| matches!(n.value, Yaml::Bool(false))),
            settled,
            branch_timeout,
        })
    }

    fn keys(&mut self, node: &Node, kind: &str, own: &[&str], path: &str) {
        let known: Vec<&str> = ENVELOPE.iter().chain(own).copied().collect();
        for e in node.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("invalidStepProperty", e, &format!("`{kind}`"), &known, path));
        }
    }

    fn leaf(&mut self, node: &Node, kind: &Arc<str>, name: &Arc<str>, place: &Place) -> Body {
        let path = &place.path;
        let Some((code, operation, canonical)) = steps::find(kind, self.catalogue) else {
            return self.unsupported(node, kind, name, place);
        };
        if canonical != &**kind && !canonical.is_empty() {
            let span = node.get("type").map_or(node.span, |n| n.span);
            self.warn(
                "deprecatedStepType",
                span,
                path,
                format!("`{kind}` is an old name"),
                &format!("use `{canonical}`"),
            );
        }
        if steps::unknown_action(kind, self.catalogue) {
            let span = node.get("type").map_or(node.span, |n| n.span);
            let (family, action) = kind.split_once('.').unwrap_or((kind, ""));
            let hint = match check::nearest(kind, steps::names(self.catalogue)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the step fails when it is reached unless a connector provides it".into(),
            };
            self.warn("unknownStepAction", span, path, format!("`{family}` has no action `{action}`"), &hint);
        }
        let meta = code.meta();
        let mut own: Vec<&str> = meta.config.to_vec();
        if operation.is_some() {
            own.extend(["inference-id", "agent-id"]);
        }
        self.keys(node, kind, &own, path);
        if let Some(e) = node.get("with").and_then(|w| w.entry("channels")).filter(|_| meta.name == "waitForApproval") {
            let hint = "tell people with a step before the question, for example `slack_api.postMessage`";
            self.warn("notThereYet", e.key_span, path, "`channels` is read but nothing is sent yet", hint);
        }
        let empty = Node { span: node.span, value: Yaml::Map(vec![]) };
        let with = node.get("with").filter(|n| !matches!(n.value, Yaml::Null)).unwrap_or(&empty);
        let params = Params::compile(with, self.source, self.limits, &format!("{path}.with"), &mut self.found);
        let schema = operation.as_ref().map_or_else(|| steps::schema(meta), |o| o.schema.clone());
        if let Params::Const(_) | Params::Object(_) = params {
            self.found.extend(check::parameters(
                &schema,
                &params.source(),
                with.map().unwrap_or_default(),
                node.span,
                kind,
                path,
            ));
        }
        let config_entries: Vec<Entry> = node
            .map()
            .unwrap_or_default()
            .iter()
            .filter(|e| own.contains(&&*e.key) || &*e.key == "push-case")
            .cloned()
            .collect();
        let config_node = Node { span: node.span, value: Yaml::Map(config_entries) };
        let config = Params::compile(&config_node, self.source, self.limits, path, &mut self.found);
        let connector = node.get("connector-id").map(|n| {
            let text =
                template::compile_at(n, self.source, self.limits, &format!("{path}.connector-id"), &mut self.found);
            self.known_connector(&text, n.span, path);
            text
        });
        let needs = operation.as_ref().and_then(|o| o.connector.clone());
        if let (Some(kind_of), None) = (&needs, &connector)
            && params.member("connectorId").is_none()
            && !steps::connector_optional(meta)
        {
            self.error(
                "invalidStepProperty",
                node.span,
                path,
                "Connector ID is required",
                &format!("add `connector-id:` with a connector of type `{kind_of}`"),
            );
        }
        Body::Leaf(Leaf { code, operation, params, config, connector })
    }

    fn known_connector(&mut self, text: &Text, span: Span, path: &str) {
        if text.is_literal()
            && !text.source.contains("__install__.")
            && self.catalogue.connector(&text.source).is_none()
        {
            let hint =
                match check::nearest(&text.source, self.catalogue.connectors.values().flat_map(|c| [&*c.name, &*c.id]))
                {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "create it under Connectors, or use the id of one that exists".into(),
                };
            self.warn("connectorNotFound", span, path, format!("Connector {} not found", text.source), &hint);
        }
    }

    fn unsupported(&mut self, node: &Node, kind: &str, name: &str, place: &Place) -> Body {
        let span = node.get("type").map_or(node.span, |n| n.span);
        let hint = match check::nearest(kind, steps::names(self.catalogue)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the step fails when it is reached; `watchfire workflow validate` lists what is there".into(),
        };
        let message = format!("the step type `{kind}` is not there yet");
        self.found.push(
            Diagnostic::error("unsupportedStepType", span, message)
                .hint(hint)
                .at(format!("{}.type ({name})", place.path)),
        );
        if let Some(with) = node.get("with") {
            // Compiled for its findings only.
            Params::compile(with, self.source, self.limits, &format!("{}.with", place.path), &mut self.found);
        }
        let blocks = match node.get("steps") {
            Some(n) => vec![("body".into(), self.lane(Some(n), place, "body", "steps"))],
            None => vec![],
        };
        Body::Unsupported { blocks }
    }
}
