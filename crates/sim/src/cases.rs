//! The engine-conformance cases of others, run against one workflow in memory: statuses, executions, calls, children, slots, outputs.
//!
//! Invariants: a key of `expect` that this does not know fails the case; what cannot be run is skipped with its reason.
//! Not here: the corpus itself and exceptions (`xtask conformance engine`).
//! Source: the README beside the cases.

mod check;
mod poll;
mod run;

use anyhow::{Context as _, bail};
use run::Run;
use stdx::{Duration, Value};

/// Wake-ups of one `…-until-terminal` at most.
const WAKES_MAX: usize = 100;

/// How a case ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything asserted holds.
    Passed,
    /// What does not hold.
    Failed(Vec<String>),
    /// Why it was not run.
    Skipped(String),
}

/// Runs one case.
pub fn run_case(case: &Value) -> Verdict {
    if let Some(reason) = unseen(case) {
        return Verdict::Skipped(reason);
    }
    match attempt(case) {
        Ok(wrong) if wrong.is_empty() => Verdict::Passed,
        Ok(wrong) => Verdict::Failed(wrong),
        Err(error) => Verdict::Failed(vec![format!("{error:#}")]),
    }
}

/// Why this cannot be run from outside.
fn unseen(case: &Value) -> Option<String> {
    let faults = case.get("faults").and_then(Value::as_array).unwrap_or_default();
    faults.first().map(|f| {
        let op = f.get("op").and_then(Value::as_str).unwrap_or("");
        format!(
            "needs the fault `{op}`, which cannot happen here: timers and cancels are rows of the turn's own commit"
        )
    })
}

fn attempt(case: &Value) -> anyhow::Result<Vec<String>> {
    let mut wrong = vec![];
    let nothing = Value::Null;
    let expect = case.get("expect").unwrap_or(&nothing);
    let mut run = match Run::load(case) {
        Ok(run) => run,
        Err(_) if expect.get("rejected").is_some() => return Ok(wrong),
        Err(error) => return Err(error),
    };
    if expect.get("rejected").is_some() {
        let errors = run.errors;
        return Ok(if errors > 0 { wrong } else { vec!["it loads without an error".into()] });
    }
    run.start(case)?;
    check::check(&run, expect, &mut wrong);
    for then in case.get("then").and_then(Value::as_array).unwrap_or_default() {
        step(&mut run, then)?;
        let before = wrong.len();
        check::check(&run, then.get("expect").unwrap_or(&nothing), &mut wrong);
        let what = then.get("do").and_then(Value::as_str).unwrap_or("");
        wrong[before..].iter_mut().for_each(|w| *w = format!("after {what}: {w}"));
    }
    Ok(wrong)
}

fn step(run: &mut Run, then: &Value) -> anyhow::Result<()> {
    let ms = Duration::from_ms(then.get("ms").and_then(Value::as_i64).unwrap_or(0));
    let text = |key: &str| then.get(key).and_then(Value::as_str);
    match text("do").context("a step without `do`")? {
        "wake" => run.wake(),
        "wake-until-terminal" => {
            for _ in 0..WAKES_MAX {
                if run.memory.state.ended().is_some() {
                    break;
                }
                run.wake()?;
            }
            Ok(())
        }
        "advance" => {
            run.memory.now = run.memory.now + ms;
            run.fire_due()?;
            for _ in 0..WAKES_MAX {
                if then.get("untilTerminal").is_none() || run.memory.state.ended().is_some() {
                    break;
                }
                run.memory.now = run.memory.now + ms;
                run.fire_due()?;
            }
            Ok(())
        }
        "advance-to-wake" => {
            let of = text("of").context("`of` is missing")?;
            let due = run.timer_of(of).with_context(|| format!("no timer of `{of}`"))?;
            let plus = Duration::from_ms(then.get("plusMs").and_then(Value::as_i64).unwrap_or(0));
            run.memory.now = run.memory.now.max(due + plus);
            run.fire_due()
        }
        "sleep" => {
            run.memory.now = run.memory.now + ms;
            Ok(())
        }
        "spurious-wake" => {
            let times = then.get("times").and_then(Value::as_i64).unwrap_or(1);
            (0..times.clamp(1, 100)).try_for_each(|_| run.spurious())
        }
        "answer" => run.answer(then.get("input").cloned().unwrap_or_default()),
        "cancel" => run.cancel(None),
        "abort-task" => run.cancel(Some("Task aborted")),
        "children-finish" => run.children_finish(),
        other => bail!("`{other}` is not known"),
    }
}
