//! `on-failure` of a step or of the workflow: retry, fallback, continue.
//!
//! Not here: what a policy does (`decide::policy`).
//! Source: `reference/workflow-language.md` §3.4, §3.5, Appendix D.

use super::{Loader, Place};
use crate::condition::Condition;
use crate::program::check::unknown_key;
use crate::program::{GoOn, OnFailure, Retry, StepIx};
use crate::template::is_template;
use crate::yaml::{Node, Yaml};
use stdx::{Diagnostic, Duration};

/// Retries of one step at most.
const RETRIES_MAX: u32 = 1000;

impl Loader<'_> {
    pub(super) fn policy(&mut self, node: &Node, place: &Place, owner: Option<StepIx>) -> OnFailure {
        self.policy_named(node, place, owner, "on-failure", "fallback")
    }

    /// A policy under another key, whose fallback steps stand in another lane.
    pub(super) fn policy_named(
        &mut self,
        node: &Node,
        place: &Place,
        owner: Option<StepIx>,
        key: &str,
        lane: &str,
    ) -> OnFailure {
        let path = format!("{}.{key}", place.path);
        let known = ["retry", "fallback", "continue"];
        for e in node.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("invalidStepProperty", e, &format!("`{key}`"), &known, &path));
        }
        let inner =
            Place { parent: owner.map(|ix| (ix, lane.into())), in_fallback: true, path: path.clone(), ..place.clone() };
        let fallback = self.lane(node.get("fallback"), &inner, lane, "fallback");
        let go_on = match node.get("continue").map(|n| (&n.value, n)) {
            None | Some((Yaml::Bool(false), _)) => GoOn::No,
            Some((Yaml::Bool(true), _)) => GoOn::Yes,
            Some((_, n)) => GoOn::When(Condition::compile(
                n,
                self.source,
                self.limits,
                &format!("{path}.continue"),
                &mut self.found,
            )),
        };
        if let (false, GoOn::No, Some(e)) = (fallback.0.is_empty(), &go_on, node.entry("fallback")) {
            let hint = "add `continue: true` where the workflow should go on";
            self.warn(
                "fallbackWithoutContinue",
                e.key_span,
                &path,
                "after the fallback the workflow still fails",
                hint,
            );
        }
        OnFailure { retry: node.get("retry").and_then(|n| self.retry(n, &path)), fallback, go_on }
    }

    fn retry(&mut self, node: &Node, path: &str) -> Option<Retry> {
        let path = format!("{path}.retry");
        let known =
            ["max-attempts", "delay", "strategy", "multiplier", "max-delay", "jitter", "condition", "on-status"];
        for e in node.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("invalidStepProperty", e, "`retry`", &known, &path));
        }
        let max = node.get("max-attempts").map(|n| (n.to_value().as_i64(), n.span));
        let max_attempts = match max {
            Some((Some(n), _)) if n >= 1 => u32::try_from(n).unwrap_or(u32::MAX).min(RETRIES_MAX),
            Some((_, span)) => {
                self.error("schemaViolation", span, &path, "`max-attempts` must be a number of at least 1", "");
                return None;
            }
            None => {
                self.error(
                    "schemaViolation",
                    node.span,
                    &path,
                    "`retry` needs `max-attempts`",
                    "it counts runs after the first one",
                );
                return None;
            }
        };
        let mut time = |key: &str| {
            let n = node.get(key)?;
            if n.str().is_some_and(|s| is_template(s)) {
                self.found.push(
                    Diagnostic::error(
                        "schemaViolation",
                        n.span,
                        format!("`{key}` is a literal, templates are not rendered here"),
                    )
                    .at(&path),
                );
                return None;
            }
            self.timeout(n, &format!("{path}.{key}")).map(|t| t.length)
        };
        let (delay, max_delay) = (time("delay"), time("max-delay"));
        let exponential = node.get("strategy").and_then(Node::str).is_some_and(|s| &**s == "exponential");
        if let Some(n) =
            node.get("strategy").filter(|n| n.str().is_none_or(|s| !matches!(&**s, "fixed" | "exponential")))
        {
            self.error("schemaViolation", n.span, &path, "`strategy` must be fixed or exponential", "");
        }
        let on_status = node.get("on-status").map(|n| match n.seq() {
            Some(items) => items.iter().filter_map(|i| i.to_value().as_i64()).collect(),
            None => n.to_value().as_i64().into_iter().collect(),
        });
        Some(Retry {
            max_attempts,
            delay: delay.unwrap_or(Duration::from_secs(i64::from(exponential))),
            exponential,
            multiplier: node.get("multiplier").and_then(|n| n.to_value().as_f64()).unwrap_or(2.0).max(1.0),
            max_delay,
            jitter: node.get("jitter").is_some_and(|n| matches!(n.value, Yaml::Bool(true))),
            condition: node.get("condition").map(|n| {
                Condition::compile(n, self.source, self.limits, &format!("{path}.condition"), &mut self.found)
            }),
            on_status: on_status.unwrap_or_default(),
        })
    }
}
