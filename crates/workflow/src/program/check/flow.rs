//! Flow that does not do what it looks like: loops that stop early or run once too often, an approval nobody looks at, policies that count
//! differently than they read.
//!
//! Source: `reference/workflow-language.md` §3.4, §4.3, §4.4, §9.1.

use super::Check;
use super::names::reads;
use super::walk::{Role, StepAt, ancestors, is_loop};
use crate::core::Class;
use crate::program::ITERATIONS_MAX;
use crate::template::Seg;
use crate::yaml::{Node, Yaml};
use stdx::Diagnostic;

/// Looks at every step.
pub(super) fn run(cx: &mut Check<'_>, steps: &[StepAt<'_>]) {
    for (ix, step) in steps.iter().enumerate() {
        if is_loop(step) {
            limit(cx, steps, step);
            if let Some(e) = step.node.entry("timeout").filter(|_| matches!(&*step.kind, "foreach" | "while")) {
                let d = Diagnostic::info(
                    "loopTimeout",
                    e.key_span,
                    "this timeout counts for the whole loop, not for one iteration",
                );
                cx.found
                    .push(d.hint("`iteration-timeout` counts for one iteration").at(format!("{}.timeout", step.path)));
            }
        }
        match &*step.kind {
            "while" => repeat(cx, steps, ix),
            "waitForApproval" => approval(cx, steps, ix),
            _ => {}
        }
        retry(cx, step);
    }
}

fn limit_of(step: &StepAt<'_>) -> u64 {
    let node = step.node.get("max-iterations");
    let node = node.and_then(|n| if n.map().is_some() { n.get("limit") } else { Some(n) });
    node.and_then(|n| n.to_value().as_i64()).and_then(|n| u64::try_from(n).ok()).unwrap_or(ITERATIONS_MAX)
}

fn fails_at_limit(step: &StepAt<'_>) -> bool {
    let on_limit = step.node.get("max-iterations").and_then(|n| n.get("on-limit")).and_then(Node::str);
    on_limit.is_some_and(|s| &**s == "fail")
}

fn limit(cx: &mut Check<'_>, steps: &[StepAt<'_>], step: &StepAt<'_>) {
    let Some(list) = step.node.get("foreach") else { return };
    let limit = limit_of(step);
    let count = match &list.value {
        Yaml::Seq(items) => Some((items.len() as u64, "the list has")),
        Yaml::Str(s) => range(&s.text).map(|n| (n, "the range has")).or_else(|| {
            let json = stdx::json::parse(s.text.trim()).ok()?;
            Some((json.as_array()?.len() as u64, "the list has"))
        }),
        _ => None,
    };
    let count = count.or_else(|| hits(cx, steps, step).map(|n| (n, "the search may return")));
    if let Some((n, what)) = count
        && n > limit
        && !fails_at_limit(step)
    {
        let message = format!("{what} {n} items, and the loop stops without an error after {limit}");
        cx.found.push(
            Diagnostic::warning("loopLimit", list.span, message)
                .hint("split the list into chunks, or set `max-iterations: { limit: …, on-limit: fail }`")
                .at(format!("{}.foreach", step.path)),
        );
    }
}

/// Items of `(1..n)` in a typed expression.
fn range(text: &str) -> Option<u64> {
    let inner = &text[text.find('(')? + 1..];
    let (low, high) = inner.split_once(')')?.0.split_once("..")?;
    let (low, high) = (low.trim().parse::<i64>().ok()?, high.trim().parse::<i64>().ok()?);
    u64::try_from(high.checked_sub(low)?.checked_add(1)?).ok()
}

/// `size` of the search whose hits are looped over.
fn hits(cx: &Check<'_>, steps: &[StepAt<'_>], step: &StepAt<'_>) -> Option<u64> {
    let text = step.texts.iter().find(|t| t.role == Role::List)?;
    let read = reads(cx, text).into_iter().next()?;
    let keys: Vec<&str> = read.path.iter().map_while(|s| if let Seg::Key(k) = s { Some(&**k) } else { None }).collect();
    let ["steps", name, "output", "hits", "hits"] = keys[..] else { return None };
    let search = steps.iter().find(|s| &*s.name == name)?;
    let with = search.node.get("with")?;
    let size = with.get("size").or_else(|| with.get("body").and_then(|b| b.get("size")))?;
    size.to_value().as_i64().and_then(|n| u64::try_from(n).ok())
}

fn inside(steps: &[StepAt<'_>], container: usize) -> impl Iterator<Item = usize> {
    (0..steps.len()).filter(move |i| ancestors(steps, *i).any(|(a, _)| a == container))
}

fn repeat(cx: &mut Check<'_>, steps: &[StepAt<'_>], ix: usize) {
    let step = &steps[ix];
    let Some(condition) = step.node.entry("condition") else { return };
    let body: Vec<usize> = inside(steps, ix).collect();
    let leaves = body.iter().any(|i| matches!(&*steps[*i].kind, "loop.break" | "workflow.output" | "workflow.fail"));
    let source = condition.value.str().map_or("", |s| s.trim());
    let always = matches!(condition.value.value, Yaml::Bool(true))
        || matches!(source.trim_start_matches("${{").trim_end_matches("}}").trim(), "true");
    let path = format!("{}.condition", step.path);
    if always {
        if !leaves && !fails_at_limit(step) {
            let message =
                format!("nothing ends this loop: it stops without an error after {} iterations", limit_of(step));
            cx.found.push(
                Diagnostic::warning("loopLimit", condition.value.span, message)
                    .hint("add `loop.break`, or a condition that its steps change")
                    .at(path),
            );
        }
        return;
    }
    let Some(text) = step.texts.iter().find(|t| t.path == "condition") else { return };
    let sets = body.iter().any(|i| steps[*i].kind.starts_with("data."));
    let from_body = |p: &[Seg]| match (p.first(), p.get(1)) {
        (Some(Seg::Key(root)), _) if &**root == "while" || &**root == "now" => true,
        (Some(Seg::Key(root)), _) if &**root == "variables" => sets,
        (Some(Seg::Key(root)), Some(Seg::Key(name))) if &**root == "steps" => {
            **name == *step.name || body.iter().any(|i| steps[*i].name == *name)
        }
        (Some(Seg::Key(root)), None) if &**root == "steps" => true,
        _ => false,
    };
    let all = reads(cx, text);
    if !all.is_empty() && !all.iter().any(|r| from_body(&r.path)) {
        let message = "the condition is looked at after each iteration and reads nothing that the loop changes";
        cx.found.push(
            Diagnostic::warning("whileTestsAfter", condition.value.span, message)
                .hint("for a test before the first iteration, put an `if` around the loop; to end it, read a step of the loop")
                .at(path),
        );
    }
}

fn approval(cx: &mut Check<'_>, steps: &[StepAt<'_>], ix: usize) {
    let step = &steps[ix];
    if step.name.is_empty() {
        return;
    }
    let looked_at = steps.iter().flat_map(|s| &s.texts).any(|text| {
        let decides = text.role == Role::Condition || matches!(&*text.path, "expression");
        // A condition with a template, or a typed value, may carry the answer on.
        let typed = text.node.str().is_some_and(|s| crate::template::is_typed(s) || s.contains("{%"));
        (decides || typed)
            && reads(cx, text).iter().any(|r| {
                let key = |i: usize| match r.path.get(i) {
                    Some(Seg::Key(k)) => Some(&**k),
                    _ => None,
                };
                key(0) == Some("steps") && key(1) == Some(&*step.name)
            })
    });
    if looked_at {
        return;
    }
    let after = steps[ix + 1..].iter().find(|s| {
        let class = cx.program.step(&s.name).map(crate::program::Step::class);
        class.is_some_and(|c| c >= Class::Write) && !s.path.contains(".fallback")
    });
    if let Some(after) = after {
        let span = step.node.get("type").map_or(step.node.span, |n| n.span);
        let message = format!("a rejection is not an error: `{}` runs whatever the answer is", after.name);
        let hint = format!(
            "put it into an `if` step with `condition: \"steps.{}.output.response.approved: true\"`",
            step.name
        );
        cx.found.push(Diagnostic::warning("approvalNotChecked", span, message).hint(hint).at(step.path.clone()));
    }
}

fn retry(cx: &mut Check<'_>, step: &StepAt<'_>) {
    let Some(retry) = step.node.get("on-failure").and_then(|f| f.get("retry")) else { return };
    if let Some(e) = retry.entry("max-attempts")
        && let Some(n) = e.value.to_value().as_i64().filter(|n| *n >= 1)
    {
        let message = format!("up to {} executions: `max-attempts` counts those after the first", n.saturating_add(1));
        cx.found
            .push(Diagnostic::info("retryCount", e.value.span, message).at(format!("{}.on-failure.retry", step.path)));
    }
}
