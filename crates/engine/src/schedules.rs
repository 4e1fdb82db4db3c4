//! Schedules: starts what is due.
//!
//! Invariants: an occurrence has one run, whose id derives from workflow, trigger and due time; of missed occurrences only the latest
//! runs and says how many it stands for; while an earlier scheduled run of the workflow is open the occurrence is recorded as skipped; a
//! clock that jumps back repeats nothing.
//! Not here: when a schedule is due (`workflow::schedule`).
//! Source: `design/engine.md` §7; `reference/workflow-language.md` §2.2.

use crate::clock;
use crate::handle::Shared;
use crate::listeners::{Listener, Listeners};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stdx::{Id, Time};
use store::{Commit, ExecutionFilter, Guard, LogPosition, NewStart, Store};
use workflow::{Cause, Fact, FactKind, Start, Status, Summary, Turn};

/// Longest sleep between looks.
const SLEEP_MAX: std::time::Duration = std::time::Duration::from_secs(1);
/// Shortest sleep.
const SLEEP_MIN: std::time::Duration = std::time::Duration::from_millis(20);
/// Lineage of the positions of schedules: none of a log.
const LINEAGE: &str = "schedule";

/// Runs until the engine closes.
pub(crate) fn run(shared: &Arc<Shared>, space: &Arc<str>) {
    let mut listeners = Arc::new(Listeners::default());
    let mut seen = None;
    while !shared.closing.load(Ordering::SeqCst) {
        let generation = shared.generation.load(Ordering::SeqCst);
        if seen != Some(generation) {
            match shared.listeners(space) {
                Ok(found) => (listeners, seen) = (found, Some(generation)),
                Err(error) => tracing::error!(%error, "workflows could not be read; schedules stay as they were"),
            }
        }
        let now = clock::now();
        let mut next: Option<Time> = None;
        for listener in listeners.scheduled() {
            match pass(&shared.store, space, listener, now) {
                Ok(Passed { next: due, committed }) => {
                    next = next.into_iter().chain(due).min();
                    for committed in &committed {
                        shared.publish(committed);
                    }
                }
                Err(error) => {
                    tracing::error!(workflow = %listener.workflow, %error, "a due workflow could not be started; tried again");
                }
            }
        }
        let sleep = next.map_or(SLEEP_MAX, |due| due.since(clock::now()).std());
        std::thread::sleep(sleep.clamp(SLEEP_MIN, SLEEP_MAX));
    }
}

/// What came of a look at one workflow.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// When it is due next.
    pub next: Option<Time>,
    /// What was committed.
    pub committed: Vec<store::Committed>,
}

/// Starts what is due of one workflow.
///
/// - errors: the store's; what was not committed is due again.
pub(crate) fn pass(store: &Store, space: &Arc<str>, listener: &Listener, now: Time) -> Result<Passed, store::Error> {
    let mut passed = Passed::default();
    for (n, schedule) in listener.program.schedules() {
        let follower: Arc<str> = format!("schedule:{space}:{}:{n}", listener.workflow).into();
        let stood = store.read(|r| r.follower_get(&follower))?;
        let last = Time(i64::try_from(stood.number).unwrap_or(i64::MAX));
        // What was due before this version came into force belongs to the version before.
        let from = last.max(listener.since);
        if let Some((due, missed)) = schedule.due(from, now, listener.since) {
            let execution =
                stdx::id::uuid_v8(due, &["schedule", space, &listener.workflow, &n.to_string(), &due.0.to_string()]);
            let start = Start {
                execution: execution.clone(),
                root: execution,
                space: space.clone(),
                workflow: listener.workflow.clone(),
                version: listener.version,
                principal: listener.updated_by.clone(),
                cause: Cause::Schedule { due, missed },
                visited: vec![listener.workflow.clone()],
                at: due,
                ..Start::default()
            };
            let mut commit = Commit {
                now,
                guards: [Guard::Follower { id: follower.clone(), from: stood.clone() }].into_iter().collect(),
                ..Commit::default()
            };
            let number = u64::try_from(due.0).unwrap_or(0);
            commit.position = Some((follower.clone(), LogPosition { lineage: LINEAGE.into(), number }));
            if overlaps(store, space, &listener.workflow)? {
                skip(&mut commit, start, listener, now);
            } else {
                commit.starts.push(NewStart { start: Box::new(start), if_inserted: None });
            }
            if missed > 0 {
                tracing::warn!(workflow = %listener.workflow, missed, "scheduled runs were missed; the latest runs for them");
            }
            passed.committed.push(store.commit_blocking(commit)?);
        }
        let anchor = listener.since;
        passed.next = passed.next.into_iter().chain(schedule.next(now.max(anchor), anchor)).min();
    }
    Ok(passed)
}

/// True while an earlier scheduled run of the workflow is open.
fn overlaps(store: &Store, space: &Arc<str>, workflow: &Id) -> Result<bool, store::Error> {
    let open = [
        Status::Queued,
        Status::Pending,
        Status::Running,
        Status::Waiting,
        Status::WaitingForInput,
        Status::WaitingForChild,
    ];
    let filter = ExecutionFilter {
        space: space.clone(),
        workflow: Some(workflow.clone()),
        statuses: open.into(),
        triggered: vec!["scheduled".into()],
        limit: 1,
        ..ExecutionFilter::default()
    };
    Ok(!store.read(|r| r.execution_list(&filter))?.is_empty())
}

/// The occurrence is recorded as a run that was skipped.
fn skip(commit: &mut Commit, start: Start, listener: &Listener, now: Time) {
    let execution = start.execution.clone();
    let fact = |what| Fact { at: now, what };
    let started = FactKind::Started {
        start: Box::new(start),
        name: listener.program.name.clone(),
        inputs: workflow::Body::Null,
        deadline: None,
    };
    let reason: Arc<str> = "an earlier scheduled run has not ended".into();
    let ended = FactKind::Ended {
        status: Status::Skipped,
        output: workflow::Body::Null,
        error: None,
        cancelled: Some(("system".into(), Some(reason))),
    };
    let turn = Turn {
        facts: vec![fact(started), fact(ended)],
        summary: Summary {
            status: Status::Skipped,
            started_at: Some(now),
            finished_at: Some(now),
            ..Summary::default()
        },
        ..Turn::default()
    };
    commit.turn = Some((execution, Arc::new(turn)));
}

#[cfg(test)]
mod tests;
