//! Paths that lead nowhere: unknown roots, undeclared inputs and constants, steps that do not exist, members that a step never has, and
//! steps that are read before they ran.
//!
//! Invariants: says nothing about what is known only when the workflow runs.
//! Source: `reference/workflow-language.md` §6, §9.1.

use super::walk::{Role, StepAt, TextAt, ancestors, is_loop};
use super::{Check, nearest};
use crate::template::{ROOTS, Seg, is_template, is_typed, uses};
use stdx::{Diagnostic, Span, Value};

/// Roots that authors of other engines expect, and what stands in their place.
const ELSEWHERE: [(&str, &str); 8] = [
    ("env", "there is no environment: use `consts`, or a connector for secrets"),
    ("secrets", "secrets stand in connectors and are added when a request is sent"),
    ("trigger", "what triggered the run stands in `event` and `execution.triggeredBy`"),
    ("alert", "alerts stand in `event.alerts`"),
    ("alerts", "alerts stand in `event.alerts`"),
    ("rule", "the rule stands in `event.rule`"),
    ("vars", "`data.set` fills `variables`"),
    ("params", "the rule's parameters stand in `event.params`"),
];
/// Members of roots whose members are fixed.
const MEMBERS: [(&str, &[&str]); 4] = [
    ("foreach", &["item", "index", "total", "items"]),
    ("while", &["iteration"]),
    ("workflow", &["id", "name", "enabled", "spaceId", "version", "description", "tags"]),
    (
        "execution",
        &[
            "id",
            "isTestRun",
            "url",
            "executedBy",
            "triggeredBy",
            "startedAt",
            "usage",
            "compositionDepth",
            "parentWorkflowId",
            "parentWorkflowExecutionId",
        ],
    ),
];
/// Members of every step that ran.
const STEP_MEMBERS: [&str; 3] = ["output", "error", "input"];
/// Members of containers besides.
const CONTAINER_MEMBERS: [&str; 9] =
    ["item", "index", "total", "items", "iteration", "matchedValue", "matchedIndex", "conditionResult", "state"];

/// One read of the context.
pub(super) struct Read {
    pub path: Vec<Seg>,
    pub span: Span,
}

/// Everything that `text` reads.
pub(super) fn reads(cx: &Check<'_>, text: &TextAt<'_>) -> Vec<Read> {
    let Some(source) = text.node.str() else { return vec![] };
    let place = |s: Span| text.node.inside(cx.source, s.start, s.end);
    let mut out: Vec<Read> = vec![];
    if is_template(source) && text.role != Role::Literal {
        out.extend(uses(source, cx.limits).into_iter().map(|(path, s)| Read { path, span: place(s) }));
    }
    if text.role == Role::Condition && !is_typed(source) {
        let bare = matches!(source.trim(), "true" | "false" | "");
        let fields = if bare { vec![] } else { crate::condition::fields(source) };
        out.extend(fields.into_iter().map(|(field, s)| Read { path: segments(&field), span: place(s) }));
    }
    if text.role == Role::List && !is_template(source) && !source.trim().starts_with('[') {
        let start = source.len() - source.trim_start().len();
        let typed = format!("${{{{{}}}}}", source.trim());
        out.extend(uses(&typed, cx.limits).into_iter().map(|(path, s)| Read {
            path,
            span: place(Span::new(s.start.saturating_sub(3) + start, s.end.saturating_sub(3) + start)),
        }));
    }
    out
}

/// `a.b[0].c` as steps.
fn segments(field: &str) -> Vec<Seg> {
    let mut out = vec![];
    for part in field.split('.') {
        let (name, indexes) = part.split_once('[').map_or((part, ""), |(n, i)| (n, i));
        let name = name.trim_matches(['"', '\'']);
        out.push(if name.contains('*') { Seg::Dynamic } else { Seg::Key(name.into()) });
        out.extend(indexes.split('[').filter(|i| !i.is_empty()).map(|_| Seg::Index));
    }
    out
}

/// Looks at every read of every step.
pub(super) fn run(cx: &mut Check<'_>, steps: &[StepAt<'_>]) {
    for (ix, step) in steps.iter().enumerate() {
        for text in &step.texts {
            for read in reads(cx, text) {
                let path = format!("{}.{}", step.path, text.path);
                if let Some(d) = one(cx, steps, ix, text, &read) {
                    cx.found.push(d.at(path));
                }
            }
        }
    }
}

fn key(path: &[Seg], i: usize) -> Option<&str> {
    match path.get(i) {
        Some(Seg::Key(k)) => Some(k),
        _ => None,
    }
}

fn one(cx: &Check<'_>, steps: &[StepAt<'_>], ix: usize, text: &TextAt<'_>, read: &Read) -> Option<Diagnostic> {
    let root = key(&read.path, 0)?;
    match root {
        "steps" => step_read(cx, steps, ix, text, read),
        "inputs" => input_read(cx, read),
        "consts" => {
            let name = key(&read.path, 1)?;
            let declared: Vec<&str> =
                cx.program.consts.as_object().map_or_else(Vec::new, |o| o.iter().map(|(k, _)| &**k).collect());
            if declared.contains(&name) {
                return None;
            }
            Some(missing(
                "invalidVariableReference",
                read.span,
                format!("`consts.{name}` is not declared"),
                "consts.",
                name,
                &declared,
            ))
        }
        "foreach" | "while" | "workflow" | "execution" => {
            let (_, members) = MEMBERS.iter().find(|(r, _)| *r == root)?;
            let name = key(&read.path, 1)?;
            if root == "foreach" || root == "while" {
                let looped = ancestors(steps, ix).any(|(a, _)| is_loop(&steps[a]) || &*steps[a].kind == "parallel")
                    || is_loop(&steps[ix]);
                if !looped {
                    let message = format!("`{root}.{name}` is read outside a loop");
                    return Some(Diagnostic::warning("invalidVariableReference", read.span, message).hint(
                        if root == "foreach" {
                            "it is set inside `foreach` steps only"
                        } else {
                            "it is set inside `while` steps only"
                        },
                    ));
                }
            }
            if members.contains(&name) {
                return None;
            }
            let d = missing(
                "invalidVariablePath",
                read.span,
                format!("`{root}.{name}` does not exist"),
                &format!("{root}."),
                name,
                members,
            );
            Some(if root == "foreach" && matches!(name, "parent" | "outer" | "parentItem") {
                d.hint("the item of an outer loop is `steps.<name of the outer loop>.item`")
            } else {
                d
            })
        }
        _ if ROOTS.contains(&root) || root == "output" => None,
        _ => {
            let elsewhere = ELSEWHERE.iter().find(|(r, _)| *r == root);
            let near = nearest(root, ROOTS);
            // `data.*` steps bind names of their own while they work a list off.
            if steps[ix].kind.starts_with("data.")
                || (text.role == Role::Template && elsewhere.is_none() && near.is_none())
            {
                return None;
            }
            let d = Diagnostic::warning("invalidVariableReference", read.span, format!("`{root}` is not a variable"));
            Some(match (elsewhere, near) {
                (Some((_, hint)), _) => d.hint(*hint),
                (None, Some(near)) => d.hint(format!("did you mean `{near}`?")),
                (None, None) => d.hint(
                    "paths begin with inputs, consts, event, steps, variables, foreach, error, execution, workflow or now",
                ),
            })
        }
    }
}

fn missing(code: &'static str, span: Span, message: String, prefix: &str, name: &str, known: &[&str]) -> Diagnostic {
    let d = Diagnostic::warning(code, span, message);
    match nearest(name, known.iter().copied()) {
        Some(near) => d.hint(format!("did you mean `{prefix}{near}`?")),
        None if known.is_empty() => d.hint("nothing is declared there"),
        None if known.len() <= 12 => d.hint(format!("there are {}", known.join(", "))),
        None => d,
    }
}

fn input_read(cx: &Check<'_>, read: &Read) -> Option<Diagnostic> {
    let name = key(&read.path, 1)?;
    let schema = &cx.program.inputs.schema;
    let open = schema.get("patternProperties").is_some()
        || schema.get("$ref").is_some()
        || ["allOf", "anyOf", "oneOf"].iter().any(|k| schema.get(k).is_some())
        || schema.get("additionalProperties").is_some_and(|v| v.as_bool() != Some(false));
    let declared: Vec<&str> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map_or_else(Vec::new, |o| o.iter().map(|(k, _)| &**k).collect());
    if open || declared.contains(&name) || name == "event" {
        return None;
    }
    let message = format!("the input `{name}` is not declared");
    let d = missing("invalidVariableReference", read.span, message, "inputs.", name, &declared);
    Some(if declared.is_empty() { d.hint("declare it under `inputs` of the manual trigger") } else { d })
}

fn step_read(cx: &Check<'_>, steps: &[StepAt<'_>], ix: usize, text: &TextAt<'_>, read: &Read) -> Option<Diagnostic> {
    let name = key(&read.path, 1)?;
    if name == "self" {
        return None;
    }
    let Some(target) = steps.iter().position(|s| &*s.name == name) else {
        let names = steps.iter().map(|s| &*s.name).filter(|n| !n.is_empty());
        let d = Diagnostic::warning("invalidVariableReference", read.span, format!("no step is called `{name}`"));
        return Some(match nearest(name, names) {
            Some(near) => d.hint(format!("did you mean `steps.{near}`?")),
            None => d,
        });
    };
    let step = &steps[target];
    let leaf = !is_loop(step) && !matches!(&*step.kind, "if" | "switch" | "parallel");
    let known = |m: &str| STEP_MEMBERS.contains(&m) || CONTAINER_MEMBERS.contains(&m);
    match key(&read.path, 2) {
        Some("status") => {
            let wanted = format!("steps.{name}.status");
            let d = Diagnostic::warning("invalidVariablePath", read.span, format!("`{wanted}` does not exist"));
            return Some(d.hint(format!("test `steps.{name}.error: *`, or look at `steps.{name}.output`")));
        }
        Some(member) if !known(member) || (leaf && !STEP_MEMBERS.contains(&member)) => {
            let message = format!("`steps.{name}.{member}` does not exist");
            let mut all = STEP_MEMBERS.to_vec();
            if !leaf {
                all.extend(CONTAINER_MEMBERS);
            }
            return Some(missing("invalidVariablePath", read.span, message, &format!("steps.{name}."), member, &all));
        }
        _ => {}
    }
    before(steps, ix, target, text, read)
        .map(|(message, hint)| Diagnostic::warning("stepUsedBeforeRun", read.span, message).hint(hint))
        .or_else(|| output_path(cx, step, read))
}

/// A member that the output's schema rules out.
fn output_path(cx: &Check<'_>, step: &StepAt<'_>, read: &Read) -> Option<Diagnostic> {
    if key(&read.path, 2) != Some("output") || is_loop(step) {
        return None;
    }
    let output = cx.output_schema(&step.kind)?;
    let mut schema = &output;
    let mut walked = format!("steps.{}.output", step.name);
    for segment in read.path.get(3..)? {
        let Seg::Key(name) = segment else { return None };
        let properties = schema.get("properties").and_then(Value::as_object)?;
        match properties.get(name) {
            Some(inner) => {
                schema = inner;
                walked = format!("{walked}.{name}");
            }
            None if schema.get("additionalProperties").and_then(Value::as_bool) == Some(false) => {
                let known: Vec<&str> = properties.iter().map(|(k, _)| &**k).collect();
                let message = format!("`{walked}` has no `{name}`");
                return Some(missing("invalidVariablePath", read.span, message, &format!("{walked}."), name, &known));
            }
            None => return None,
        }
    }
    None
}

/// Why step `target` cannot have run when a text of step `ix` is looked at.
fn before(steps: &[StepAt<'_>], ix: usize, target: usize, text: &TextAt<'_>, read: &Read) -> Option<(String, String)> {
    let name = &steps[target].name;
    let own: Vec<(usize, &str)> = std::iter::once((ix, "")).chain(ancestors(steps, ix)).collect();
    let other: Vec<(usize, &str)> = std::iter::once((target, "")).chain(ancestors(steps, target)).collect();
    let looped = |from: usize| is_loop(&steps[from]) || ancestors(steps, from).any(|(a, _)| is_loop(&steps[a]));
    if target == ix {
        let loop_member = key(&read.path, 2).is_some_and(|m| !STEP_MEMBERS.contains(&m));
        return (!text.after && !loop_member && !looped(ix)).then(|| {
            (
                format!("the step `{name}` reads its own result"),
                "read an earlier step, or use `on-failure` for its error".into(),
            )
        });
    }
    // Around this step: loop members, and in a fallback the error and output of the step that failed.
    if let Some((_, lane)) = own.iter().find(|(a, _)| *a == target) {
        let inside_fallback = *lane == "fallback";
        let loop_member = key(&read.path, 2).is_none_or(|m| CONTAINER_MEMBERS.contains(&m));
        return (!inside_fallback && !loop_member && !looped(target))
            .then(|| (format!("`{name}` has not ended yet: this step stands in it"), "read a step before it".into()));
    }
    // Inside this step: a loop's condition sees its body, a handler sees what ran; nothing else does.
    if other.iter().any(|(a, _)| *a == ix) {
        let again = ancestors(steps, ix).any(|(a, _)| is_loop(&steps[a]));
        return (!text.after && !again).then(|| {
            (format!("`{name}` stands inside this step and has not run yet"), "read a step before it".into())
        });
    }
    let common = own.iter().find(|(a, _)| other.iter().any(|(b, _)| a == b)).map(|(a, _)| *a);
    if common.is_some_and(looped) {
        return None;
    }
    // The steps right under the common container that lead to each.
    let child = |chain: &[(usize, &str)]| chain.iter().take_while(|(a, _)| Some(*a) != common).last().map(|(a, _)| *a);
    let (a, b) = (child(&own)?, child(&other)?);
    let lane = |i: usize| steps[i].parent.as_ref().map_or("", |(_, lane)| lane.as_str());
    if lane(a) == lane(b) {
        let settings = |i: usize| steps[i].path.starts_with("settings.");
        if settings(a) != settings(b) {
            return settings(b)
                .then(|| (format!("`{name}` runs only when a step failed"), "read a step of `steps`".into()));
        }
        return (steps[b].nth > steps[a].nth)
            .then(|| (format!("`{name}` runs after this step"), "move it before this step".into()));
    }
    let container = common.map_or("", |c| &*steps[c].name);
    match (lane(a), lane(b)) {
        ("fallback", _) => None,
        (_, "fallback") => Some((
            format!("`{name}` runs only when `{container}` failed"),
            "read it in the fallback, or after the step".into(),
        )),
        (_, other) if other.starts_with("branches") => Some((
            format!("`{name}` stands in another branch of `{container}`, which may not have run yet"),
            "read it after the parallel step".into(),
        )),
        _ => Some((
            format!("`{name}` stands in another branch of `{container}`, which did not run"),
            "read it after both branches, or move it before them".into(),
        )),
    }
}
