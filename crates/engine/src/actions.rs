//! From an alert to the runs it starts: the rule's actions of the Workflows kind.
//!
//! Invariants: only an alert that was really inserted starts anything; a run's id derives from rule, action and alert, a summary's from rule,
//! action and opening; beyond depth 10, or where the workflow was visited, nothing is started.
//! Not here: inserting (`store`), running (`core`).
//! Source: `design/engine.md` §6; `reference/workflow-language.md` §2.3.

use crate::detect::LoadedRule;
use crate::handle::Shared;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use store::{Commit, NewStart, Noun, SummaryAdd};
use workflow::{Body, Mode, Start};

/// Longest chain of runs and alerts that start each other.
pub const CHAIN_DEPTH_MAX: u8 = 10;

/// What an alert's starts inherit.
pub(crate) struct Cause<'a> {
    pub space: &'a Arc<str>,
    pub index: &'a Arc<str>,
    pub now: Time,
    pub arrival: Time,
    pub depth: u8,
    pub visited: &'a [Id],
}

/// Adds to the commit what the alert at `commit.commands[raised]` starts if it is inserted.
pub(crate) fn plan(
    shared: &Arc<Shared>,
    loaded: &LoadedRule,
    alert: &rule::alert::Alert,
    cause: &Cause<'_>,
    raised: usize,
    commit: &mut Commit,
) {
    for action in &loaded.rule().actions {
        let workflow = Id::from(&*action.workflow_id);
        if cause.depth >= CHAIN_DEPTH_MAX || cause.visited.contains(&workflow) {
            tracing::warn!(rule = %loaded.id, %workflow, alert = %alert.id, "the alert starts nothing: its chain is too long or has been here");
            continue;
        }
        let record = match shared.store.read(|r| r.record_get(Noun::Workflow, cause.space, &workflow)) {
            Ok(Some(record)) => record,
            Ok(None) => continue,
            Err(error) => {
                tracing::error!(%workflow, %error, "a workflow could not be read; it is not started");
                continue;
            }
        };
        let flag = |key: &str| record.body.get(key).and_then(Value::as_bool).unwrap_or(false);
        if !flag("enabled") || !flag("valid") {
            continue;
        }
        let template = |execution: Id, alerts: Vec<Id>, event: Body| Start {
            execution: execution.clone(),
            root: execution,
            space: cause.space.clone(),
            workflow: workflow.clone(),
            version: record.version,
            mode: Mode::Whole,
            dry: false,
            test: false,
            principal: loaded.updated_by.clone(),
            cause: workflow::Cause::Alert { rule: loaded.id.clone(), action: action.uuid.0.clone(), alerts },
            depth: u32::from(cause.depth) + 1,
            visited: cause.visited.iter().cloned().chain([workflow.clone()]).collect(),
            inputs: Body::Null,
            event,
            metadata: Body::Null,
            at: cause.arrival,
            ..Start::default()
        };
        if action.summary {
            let due = cause.now + action.window();
            let execution =
                stdx::id::uuid_v8(cause.arrival, &["summary", &loaded.id, &action.uuid, &cause.now.0.to_string()]);
            commit.summaries.push(SummaryAdd {
                rule: loaded.id.clone(),
                action: action.uuid.0.clone(),
                due,
                template: Box::new(template(execution, Vec::new(), Body::Null)),
                alert: alert.id.clone(),
                if_inserted: raised,
            });
        } else {
            let execution = stdx::id::uuid_v8(cause.arrival, &["alert", &loaded.id, &action.uuid, &alert.id]);
            let stored = rule::alert::Stored { id: &alert.id, index: cause.index, document: &alert.document };
            let event = rule::alert::trigger_event(
                &[stored],
                loaded.rule(),
                cause.space,
                Some(&shared.programs.env.kibana_url),
            );
            commit.starts.push(NewStart {
                start: Box::new(template(execution, vec![alert.id.clone()], Body::from(event))),
                if_inserted: Some(raised),
            });
        }
    }
}
