//! What starts workflows besides people and rules: schedules, events of the feed, webhooks, as the enabled workflows of a space declare them.
//!
//! Invariants: read anew when a workflow changed; a workflow that is disabled, broken or does not compile listens to nothing.
//! Not here: when a schedule is due (`workflow::schedule`), firing (`schedules`, `triggers`, `hooks`).

use crate::programs::Programs;
use std::collections::HashMap;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use store::{Noun, Store};
use workflow::Program;

/// Workflows of one space that may listen at most.
pub const LISTENERS_MAX: usize = 10_000;

/// A workflow that listens to something.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Workflow.
    pub workflow: Id,
    /// Version that runs.
    pub version: u64,
    /// On whose behalf a schedule or a webhook runs: who saved it last.
    pub updated_by: Arc<str>,
    /// When that version was saved or switched on: what schedules count from.
    pub since: Time,
    /// Compiled.
    pub program: Arc<Program>,
}

/// All of a space.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    all: Vec<Arc<Listener>>,
    by_event: HashMap<Arc<str>, Vec<Arc<Listener>>>,
    by_path: HashMap<Arc<str>, Arc<Listener>>,
}

impl Listeners {
    /// Reads the enabled workflows of a space.
    ///
    /// - errors: the store's.
    pub fn read(store: &Store, programs: &Programs, space: &Arc<str>) -> Result<Self, store::Error> {
        let mut listeners = Self::default();
        for (workflow, record) in store.read(|r| r.record_list(Noun::Workflow, space))? {
            let flag = |key: &str| record.body.get(key).and_then(Value::as_bool).unwrap_or(false);
            if !flag("enabled") || !flag("valid") {
                continue;
            }
            let program = match programs.get(store, space, &workflow, record.version) {
                Ok(program) => program,
                Err(fault) => {
                    tracing::warn!(%workflow, message = %fault.message, "an enabled workflow does not compile; it listens to nothing");
                    continue;
                }
            };
            let listener = Arc::new(Listener {
                workflow,
                version: record.version,
                updated_by: record.updated_by.clone(),
                since: record.updated,
                program,
            });
            if listeners.all.len() >= LISTENERS_MAX {
                tracing::error!(
                    limit = LISTENERS_MAX,
                    "too many enabled workflows: those beyond the limit listen to nothing"
                );
                break;
            }
            listeners.add(listener);
        }
        Ok(listeners)
    }

    fn add(&mut self, listener: Arc<Listener>) {
        for event in listener.program.listens_to() {
            self.by_event.entry(event).or_default().push(listener.clone());
        }
        for hook in listener.program.webhooks() {
            if let Some(other) = self.by_path.get(&hook.path) {
                tracing::warn!(path = %hook.path, workflow = %listener.workflow, first = %other.workflow,
                    "two workflows declare the same webhook path; the first keeps it");
                continue;
            }
            self.by_path.insert(hook.path.clone(), listener.clone());
        }
        self.all.push(listener);
    }

    /// Workflows with schedules.
    pub fn scheduled(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.all.iter().filter(|l| l.program.schedules().next().is_some())
    }

    /// Workflows that listen to an event.
    pub fn of_event(&self, event: &str) -> &[Arc<Listener>] {
        self.by_event.get(event).map_or(&[], Vec::as_slice)
    }

    /// True where somebody listens to an event with this beginning.
    pub fn any_event(&self, prefix: &str) -> bool {
        self.by_event.keys().any(|k| k.starts_with(prefix))
    }

    /// True where nobody listens to any event.
    pub fn no_events(&self) -> bool {
        self.by_event.is_empty()
    }

    /// The workflow with a webhook of this path.
    pub fn of_path(&self, path: &str) -> Option<&Arc<Listener>> {
        self.by_path.get(path)
    }
}
