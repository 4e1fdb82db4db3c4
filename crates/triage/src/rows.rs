//! The rows that transitions read and change: loaded beforehand, changed in memory, taken back on refusal.
//!
//! Invariants: a row is read only after it was loaded, absence included (asserted); `rollback` restores exactly the state of
//! its mark; iteration follows the keys' order, never a hash.
//! Not here: SQL (`store`), what the changes mean (one file per noun).

use crate::alert::Alert;
use crate::case::Case;
use crate::comment::Attachment;
use crate::question::QuestionRow;
use crate::user_action::UserAction;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stdx::{Id, Value};

/// Space and id of a row.
pub type SpaceId = (Arc<str>, Id);

#[derive(Clone, Debug)]
struct Slot<V> {
    value: Option<Arc<V>>,
    stored: bool,
    dirty: bool,
}

/// Rows of one kind by key, with a log of what was there before each change.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    rows: BTreeMap<K, Slot<V>>,
    log: Vec<(K, Option<Slot<V>>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), log: Vec::new() }
    }
}

impl<K: Ord + Clone + std::fmt::Debug, V> Table<K, V> {
    /// True when the row or its absence was loaded.
    pub fn known(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }
    /// Takes what the database holds; keeps what is already known.
    pub fn load(&mut self, key: K, value: Option<V>) {
        self.rows.entry(key).or_insert_with(|| Slot {
            stored: value.is_some(),
            value: value.map(Arc::new),
            dirty: false,
        });
    }
    /// The row; `None` when there is none.
    ///
    /// # Panics
    /// When nobody loaded it: a transition read what it did not declare.
    pub fn get(&self, key: &K) -> Option<&Arc<V>> {
        self.rows.get(key).unwrap_or_else(|| panic!("row {key:?} was read without being loaded")).value.as_ref()
    }
    /// Changes or, with `None`, removes a row.
    pub fn set(&mut self, key: K, value: Option<V>) {
        let stored = self.rows.get(&key).is_some_and(|s| s.stored);
        let before = self.rows.insert(key.clone(), Slot { value: value.map(Arc::new), stored, dirty: true });
        self.log.push((key, before));
    }
    /// Changes a row without having loaded it: whatever the database holds is overwritten or removed.
    pub fn set_blind(&mut self, key: K, value: Option<V>) {
        let stored = self.rows.get(&key).is_none_or(|s| s.stored);
        let before = self.rows.insert(key.clone(), Slot { value: value.map(Arc::new), stored, dirty: true });
        self.log.push((key, before));
    }
    /// A point to go back to.
    pub fn mark(&self) -> usize {
        self.log.len()
    }
    /// Takes back everything since `mark`.
    pub fn rollback(&mut self, mark: usize) {
        while self.log.len() > mark {
            if let Some((key, before)) = self.log.pop() {
                match before {
                    Some(slot) => self.rows.insert(key, slot),
                    None => self.rows.remove(&key),
                };
            }
        }
    }
    /// Keys changed since `mark`, each once, in the order of their first change, with whether the row was there before and
    /// what it is now.
    pub fn changed(&self, mark: usize) -> Vec<(&K, Option<&Arc<V>>, Option<&Arc<V>>)> {
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for (key, before) in &self.log[mark..] {
            if seen.insert(key) {
                out.push((
                    key,
                    before.as_ref().and_then(|s| s.value.as_ref()),
                    self.rows.get(key).and_then(|s| s.value.as_ref()),
                ));
            }
        }
        out
    }
    /// The net changes in key order: key, new value, whether the database holds the row.
    pub fn dirty(&self) -> impl Iterator<Item = (&K, Option<&Arc<V>>, bool)> {
        self.rows
            .iter()
            .filter(|(_, s)| s.dirty && (s.stored || s.value.is_some()))
            .map(|(k, s)| (k, s.value.as_ref(), s.stored))
    }
    /// Rows that exist, of a range of keys, in order.
    pub fn range<R: std::ops::RangeBounds<K>>(&self, range: R) -> impl Iterator<Item = (&K, &Arc<V>)> {
        self.rows.range(range).filter_map(|(k, s)| s.value.as_ref().map(|v| (k, v)))
    }
}

/// What a command reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Whether an alert exists; its document is not needed.
    AlertExists(SpaceId),
    /// An alert.
    Alert(SpaceId),
    /// A case.
    Case(SpaceId),
    /// All attachments of a case.
    Attachments(Id),
    /// The next case number of a space.
    CaseNumber(Arc<str>),
    /// The cases configuration of (space, owner): record `setting` with the id of [`config_id`].
    CasesConfig(Arc<str>, Arc<str>),
    /// A row of the approvals inbox.
    Question(Id),
    /// A user, as stored.
    Person(Arc<str>),
    /// The envelope of a space: record `setting` with the id [`ENVELOPE`](crate::question::demand::ENVELOPE).
    Envelope(Arc<str>),
}

/// Id of the `setting` record that holds the cases configuration of an owner.
pub fn config_id(owner: &str) -> Id {
    Id::from(format!("cases-configure-{owner}"))
}

/// Everything loaded and changed so far.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Alerts; an alert known only to exist has an empty document.
    pub alerts: Table<SpaceId, Alert>,
    /// Alerts whose existence alone is known.
    pub alerts_present: BTreeSet<SpaceId>,
    /// Cases.
    pub cases: Table<SpaceId, Case>,
    /// Attachments by case and number.
    pub attachments: Table<(Id, u64), Attachment>,
    /// Cases whose attachments are loaded.
    pub attachments_of: BTreeSet<Id>,
    /// Rows of the approvals inbox.
    pub questions: Table<Id, QuestionRow>,
    /// Next case number by space.
    pub numbers: Table<Arc<str>, u64>,
    /// Cases configuration by (space, owner).
    pub configs: BTreeMap<(Arc<str>, Arc<str>), Option<Value>>,
    /// People by name; absence included.
    pub people: BTreeMap<Arc<str>, Option<crate::question::Person>>,
    /// Envelopes by space; absence included.
    pub envelopes: BTreeMap<Arc<str>, Option<Value>>,
    /// User actions that were added.
    pub actions: Vec<UserAction>,
    /// Cases that were deleted, whose attachments and user actions go with them, and how many user actions had been added then:
    /// a case may be made again under the same id afterwards.
    pub erased: Vec<(SpaceId, usize)>,
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Marks of the tables: alerts, cases, attachments, questions, numbers.
    pub tables: [usize; 5],
    /// Lengths of the lists: actions, erased.
    pub lists: [usize; 2],
}

impl Rows {
    /// True when `key` was loaded.
    pub fn known(&self, key: &Key) -> bool {
        match key {
            Key::AlertExists(k) => self.alerts_present.contains(k) || self.alerts.known(k),
            Key::Alert(k) => self.alerts.known(k),
            Key::Case(k) => self.cases.known(k),
            Key::Attachments(k) => self.attachments_of.contains(k),
            Key::CaseNumber(k) => self.numbers.known(k),
            Key::CasesConfig(s, o) => self.configs.contains_key(&(s.clone(), o.clone())),
            Key::Question(k) => self.questions.known(k),
            Key::Person(k) => self.people.contains_key(k),
            Key::Envelope(k) => self.envelopes.contains_key(k),
        }
    }
    /// A person, where they were loaded and are there.
    pub fn person(&self, user: &str) -> Option<&crate::question::Person> {
        self.people.get(user).and_then(Option::as_ref)
    }
    /// The envelope of a space, where it was loaded and is there.
    pub fn envelope(&self, space: &str) -> Option<&Value> {
        self.envelopes.get(space).and_then(Option::as_ref)
    }
    /// A point to go back to.
    pub fn mark(&self) -> Mark {
        Mark {
            tables: [
                self.alerts.mark(),
                self.cases.mark(),
                self.attachments.mark(),
                self.questions.mark(),
                self.numbers.mark(),
            ],
            lists: [self.actions.len(), self.erased.len()],
        }
    }
    /// Takes back everything since `mark`.
    pub fn rollback(&mut self, mark: Mark) {
        self.alerts.rollback(mark.tables[0]);
        self.cases.rollback(mark.tables[1]);
        self.attachments.rollback(mark.tables[2]);
        self.questions.rollback(mark.tables[3]);
        self.numbers.rollback(mark.tables[4]);
        self.actions.truncate(mark.lists[0]);
        self.erased.truncate(mark.lists[1]);
    }
    /// The attachments of a case, oldest first.
    pub fn attachments_of_case(&self, case: &Id) -> impl Iterator<Item = &Arc<Attachment>> {
        assert!(self.attachments_of.contains(case), "attachments of {case} were read without being loaded");
        self.attachments.range((case.clone(), 0)..=(case.clone(), u64::MAX)).map(|(_, a)| a)
    }
}
