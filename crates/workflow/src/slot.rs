//! Slots of concurrency groups: what a run asks for when it starts, and what the writer answers.
//!
//! Invariants: a group never grants beyond the newcomer's `max`; a run holds or queues in at most one group; first in, first out.
//! Not here: the rows (`store`), rendering of keys (`decide`).
//! Source: `design/engine.md` §4, `reference/workflow-language.md` §7.5.

use crate::core::ExecutionId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Duration, Value};

/// The rendered key of a group, within the run's space and across its workflows.
pub type GroupKey = Arc<str>;

/// Characters of a rendered key at most; what is longer is cut.
pub const KEY_CHARS_MAX: usize = 1_024;
/// `queue-size` where none is written.
pub const QUEUE_SIZE_DEFAULT: u32 = 100;
/// `queue-ttl` where none is written.
pub const QUEUE_TTL_DEFAULT: Duration = Duration::from_secs(86_400);

/// What a newcomer does when its group is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The oldest runs over the limit are cancelled, then it starts.
    CancelInProgress,
    /// It does not run.
    Drop,
    /// It waits in line.
    Queue,
}

/// An order to the writer, worked off against the slot rows `slot(space, key, execution, held | queued, n)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotCommand {
    /// Take a slot of `key`, answered with a [`Taken`]:
    ///
    /// * fewer than `max` rows of the key are `held`, and nobody is queued: insert `held`, answer `held`;
    /// * `Drop`: insert nothing, answer `full`;
    /// * `Queue`: insert `queued` behind the others and answer `queued`; with `queue_size` rows queued already insert nothing, answer
    ///   `full`;
    /// * `CancelInProgress`: insert `queued` *before* all others, put `Command::Cancel { by: "system", reason: "Cancelled due to
    ///   concurrency limit (max: N)" }` into the mailboxes of the oldest held runs over the limit (so many that `max - 1` stay) and of
    ///   all others that are queued, answer `queued` and their ids: the newcomer starts when the last victim has ended. Runs whose
    ///   `root` is the newcomer's are no victims.
    Take {
        /// Group.
        key: GroupKey,
        /// When it is full.
        strategy: Strategy,
        /// Slots of the group, as this newcomer counts.
        max: u32,
        /// Rows that may queue.
        queue_size: u32,
    },
}

/// The answer to [`SlotCommand::Take`], as the value of its `Answered` fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// What became of it.
    pub state: SlotState,
    /// Runs that were told to cancel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<ExecutionId>,
}

/// What became of a request for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    /// The run goes on.
    Held,
    /// It waits for [`crate::Command::SlotGranted`].
    Queued,
    /// It does not run.
    Full,
}

impl Taken {
    /// As the fact carries it.
    pub fn to_value(&self) -> Value {
        stdx::json::to_value(self)
    }
    /// Reads it back; `None` for anything else.
    pub fn from_value(value: &Value) -> Option<Self> {
        stdx::json::from_value(value).ok()
    }
}

/// What the writer does with a request, decided over the rows of the group: shared by `store` and the world in memory of the tests.
///
/// `held` and `queued` are the executions of the group in the order of their arrival, without the runs of the newcomer's own tree.
pub fn take(command: &SlotCommand, held: &[ExecutionId], queued: &[ExecutionId]) -> Taken {
    let SlotCommand::Take { strategy, max, queue_size, .. } = command;
    let max = (*max).max(1) as usize;
    let answer = |state| Taken { state, cancelled: vec![] };
    if held.len() < max && queued.is_empty() {
        return answer(SlotState::Held);
    }
    match strategy {
        Strategy::Drop => answer(SlotState::Full),
        Strategy::Queue if queued.len() >= *queue_size as usize => answer(SlotState::Full),
        Strategy::Queue => answer(SlotState::Queued),
        Strategy::CancelInProgress => {
            let over = (held.len() + 1).saturating_sub(max);
            let cancelled = held[..over.min(held.len())].iter().chain(queued).cloned().collect();
            Taken { state: SlotState::Queued, cancelled }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<ExecutionId> {
        names.iter().map(|n| ExecutionId::from(*n)).collect()
    }

    #[test]
    fn a_full_group_drops_queues_or_cancels() {
        let ask = |strategy, max| SlotCommand::Take { key: "k".into(), strategy, max, queue_size: 1 };
        let state = |c: &SlotCommand, held: &[&str], queued: &[&str]| take(c, &ids(held), &ids(queued)).state;
        assert_eq!(state(&ask(Strategy::Drop, 1), &[], &[]), SlotState::Held);
        assert_eq!(state(&ask(Strategy::Drop, 1), &["a"], &[]), SlotState::Full);
        assert_eq!(state(&ask(Strategy::Queue, 2), &["a"], &[]), SlotState::Held);
        assert_eq!(state(&ask(Strategy::Queue, 1), &["a"], &[]), SlotState::Queued);
        assert_eq!(state(&ask(Strategy::Queue, 1), &["a"], &["b"]), SlotState::Full);
        assert_eq!(state(&ask(Strategy::Queue, 2), &["a"], &["b"]), SlotState::Full, "nobody overtakes");
        let taken = take(&ask(Strategy::CancelInProgress, 2), &ids(&["a", "b"]), &ids(&["c"]));
        assert_eq!(taken, Taken { state: SlotState::Queued, cancelled: ids(&["a", "c"]) });
        assert_eq!(Taken::from_value(&taken.to_value()), Some(taken));
    }
}
