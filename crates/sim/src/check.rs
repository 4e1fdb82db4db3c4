//! The checks: after each commit, before each effect, at each rest, at the end.
//!
//! Invariants: a check reads the store, the journal and the ledger, never the core's word alone.
//! Source: `design/engine.md` §13.

use crate::invariant::Invariant;
use crate::world::{Flight, SPACE, World};
use std::collections::{BTreeMap, BTreeSet};
use stdx::Id;
use store::{AuditFilter, Commit, Guard};
use triage::QuestionState;
use workflow::state::Phase;
use workflow::{Class, Effect, EffectKey, FactKind, Outcome, Settlement, State, Status, TimerChange};

/// Audit entries read of one run at most.
const ENTRIES_MAX: u64 = 10_000;

/// What the driver needs to know of two states to call them the same.
fn shape(state: &State) -> String {
    let calls: Vec<_> = state.calls().iter().map(|c| (&c.key, &c.phase, c.attempts, c.orphan)).collect();
    let questions: Vec<_> = state.questions().iter().map(|q| (&q.question.id, &q.path, &q.verdict)).collect();
    format!("{} {:?} {:?} {calls:?} {questions:?}", state.facts(), state.summary(), state.timers())
}

impl World {
    /// A commit of the core names the epoch that the store has.
    pub(crate) fn check_commit(&mut self, commit: &Commit) -> anyhow::Result<()> {
        for guard in &commit.guards {
            if let Guard::Turn { execution, epoch, .. } = guard {
                let partition = store::partition_of(execution);
                let held = self.store.read(|r| r.epoch_get(partition))?;
                self.tally.check(Invariant::EpochHolds, held == *epoch, || {
                    format!("a turn of epoch {epoch} while the store is at {held}")
                });
            }
        }
        Ok(())
    }

    /// The live state of the core is the fold of the journal, and so is that of fact by fact.
    pub(crate) fn check_fold(&mut self) -> anyhow::Result<()> {
        let mut whole = State::default();
        for fact in self.journal()? {
            workflow::evolve(&mut whole, &fact);
        }
        let (folded, step) = (shape(&whole), shape(&self.state));
        self.tally.check(Invariant::FoldIsLive, folded == step, || {
            format!("the journal folds to {folded}, fact by fact it was {step}")
        });
        if let Some(live) = self.core.state(self.run_id()).map(shape) {
            self.tally.check(Invariant::FoldIsLive, folded == live, || {
                format!("the journal folds to {folded}, the core holds {live}")
            });
        }
        Ok(())
    }

    /// An attempt begins: it was frozen and committed before, approved where it says so, and is no second one unasked.
    pub(crate) fn check_begin(&mut self, flight: &Flight) -> anyhow::Result<()> {
        let mut state = self.state.clone();
        if flight.key.execution != *self.run_id() {
            state = State::default();
            self.journal_of(&flight.key.execution)?.iter().for_each(|f| workflow::evolve(&mut state, f));
        }
        let open = state.calls().iter().find(|c| c.key == flight.key).cloned();
        let frozen = open.as_ref().and_then(|c| match &*c.effect {
            Effect::Call(call) => Some((**call).clone()),
            _ => None,
        });
        let row = self.store.read(|r| r.outbox_of(&flight.key.execution))?.iter().any(|o| o.key == flight.key);
        let same = frozen.as_ref() == Some(&*flight.call);
        self.tally.check(Invariant::AsFrozen, same && row, || {
            let why = match (&frozen, row) {
                (None, _) => "nothing was frozen for it in the journal",
                (Some(_), false) => "it has no row in the outbox",
                (Some(_), true) => "the journal holds other bytes",
            };
            format!("`{}` began, but {why}", flight.key)
        });
        if let Some(question) = &flight.call.approved_by {
            let asked = self.store.read(|r| r.question_get(question))?;
            let request = flight.call.params.value();
            let covered = asked.as_ref().is_some_and(|q| {
                q.state == QuestionState::Approved
                    && q.question.actions.iter().any(|a| {
                        let own = a.operation == flight.call.operation
                            && Some(&a.request) == request
                            && a.target == flight.call.target
                            && a.connector == flight.call.connector;
                        // The answer covers what takes the action back, too.
                        own || a.undo.as_ref().is_some_and(|u| {
                            u.bound
                                && u.operation == flight.call.operation
                                && Some(&u.request) == request
                                && u.target == flight.call.target
                                && u.connector == flight.call.connector
                        })
                    })
            });
            self.tally.check(Invariant::AsFrozen, covered, || {
                format!("`{}` ran under `{question}`, which does not cover it", flight.key)
            });
        }
        if flight.call.class == Class::Destructive {
            let attempting = open
                .as_ref()
                .is_some_and(|c| matches!(c.phase, Phase::Attempting { attempt, .. } if attempt == flight.attempt));
            self.tally.check(Invariant::DestructiveOnce, attempting, || {
                format!("`{}` #{} began before its attempt was committed", flight.key, flight.attempt)
            });
            let before = self.ledger.iter().filter(|b| b.key == flight.key).count();
            let (mut allowed, mut said) = (0, 0);
            for fact in self.journal_of(&flight.key.execution)? {
                match fact.what {
                    FactKind::Settled { key, verdict: Settlement::Again, .. } if key == flight.key => said += 1,
                    FactKind::Answered { key, outcome: Outcome::NotSent(_), .. } if key == flight.key => allowed += 1,
                    _ => {}
                }
            }
            self.tally.check(Invariant::DestructiveOnce, before <= allowed + said, || {
                format!("`{}` began {} times, a person said again {said} times", flight.key, before + 1)
            });
        }
        Ok(())
    }

    /// Nothing is under way: whatever is open has a row that will wake it, and the list says so.
    pub(crate) fn check_rest(&mut self) -> anyhow::Result<()> {
        let run = self.run_id().clone();
        let Some(head) = self.store.read(|r| r.execution_get(&run))? else { return Ok(()) };
        let rows: BTreeSet<EffectKey> = self.store.read(|r| r.outbox_of(&run))?.into_iter().map(|o| o.key).collect();
        let timers: BTreeMap<_, _> =
            self.store.read(|r| r.timers_of(&run))?.into_iter().map(|t| (t.id, t.due)).collect();
        let questions = self.open_questions()?.len();
        let mail = self.store.read(|r| r.mailbox_read(&run))?.len();
        let status = self.state.summary().status;
        self.tally.check(Invariant::Ends, head.status == status, || {
            format!("the list says {}, the journal {}", head.status.as_str(), status.as_str())
        });
        self.tally
            .check(Invariant::WaitsByRow, mail == 0, || format!("{mail} messages of `{run}` were not worked off"));
        for call in self.state.calls() {
            if matches!(call.phase, Phase::Asked | Phase::Attempting { .. }) && matches!(*call.effect, Effect::Call(_))
            {
                let there = rows.contains(&call.key);
                self.tally.check(Invariant::WaitsByRow, there, || format!("`{}` has no row in the outbox", call.key));
                let flies = self.flying.iter().any(|f| f.key == call.key);
                self.tally.check(Invariant::WaitsByRow, flies, || {
                    format!("`{}` has a row in the outbox, and nobody sends it", call.key)
                });
            }
        }
        for key in &rows {
            let known = self.state.calls().iter().any(|c| c.key == *key);
            self.tally.check(Invariant::WaitsByRow, known, || format!("the outbox row of `{key}` is nobody's"));
        }
        for change in self.state.timers() {
            if let TimerChange::Set { id, due, durable: true } = change {
                self.tally.check(Invariant::WaitsByRow, timers.get(&id) == Some(&due), || {
                    format!("the timer `{}` has no row", id.0)
                });
            }
        }
        if status == Status::WaitingForInput {
            self.tally.check(Invariant::WaitsByRow, questions > 0, || "waits for a person, but no row asks one".into());
        }
        if !status.is_terminal() {
            let waits = questions > 0 || !rows.is_empty() || !self.state.timers().is_empty();
            self.tally.check(Invariant::Ends, waits, || format!("{} and nothing will move it", status.as_str()));
        }
        Ok(())
    }

    /// The run is over: internal effects, alerts, audit.
    pub(crate) fn check_end(&mut self) -> anyhow::Result<()> {
        if !self.tally.broken.is_empty() {
            return Ok(());
        }
        self.tally.check(Invariant::Ends, self.state.ended().is_some(), || "the run has not ended".into());
        self.check_internal()?;
        let alerts = self.store.read(|r| r.alert_scan(SPACE, 0, 1000))?;
        let ids: BTreeSet<_> = alerts.iter().map(|(_, a)| a.id.clone()).collect();
        self.tally.check(Invariant::AlertsOnce, ids.len() == alerts.len() && ids.len() == 4, || {
            format!("{} alerts with {} ids, 4 were raised", alerts.len(), ids.len())
        });
        let report = store::verify(self.store.dir())?;
        self.tally.check(Invariant::Audited, report.broken.is_none(), || report.to_string());
        for run in self.runs.clone() {
            self.check_audit(&run)?;
        }
        Ok(())
    }

    /// What the journal of a run says that is audited stands in the audit trail.
    fn check_audit(&mut self, run: &Id) -> anyhow::Result<()> {
        let of = Some(("execution".into(), run.clone()));
        let entries =
            self.store.read(|r| r.audit_list(&AuditFilter { of, limit: ENTRIES_MAX, ..AuditFilter::default() }))?;
        let count = |action: &str| entries.iter().filter(|e| &*e.action == action).count();
        let mut facts = [("execution.start", 0), ("execution.end", 0), ("effect.attempt", 0), ("effect.settle", 0)];
        for fact in self.journal_of(run)? {
            let at = match fact.what {
                FactKind::Started { .. } => 0,
                FactKind::Ended { .. } => 1,
                FactKind::Attempting { .. } => 2,
                FactKind::Settled { .. } => 3,
                _ => continue,
            };
            facts[at].1 += 1;
        }
        for (action, n) in facts {
            let found = count(action);
            self.tally.check(Invariant::Audited, found == n, || format!("{n} facts, {found} audit entries `{action}`"));
        }
        Ok(())
    }

    /// Rows of cases and comments are exactly those of the internal effects that were answered.
    fn check_internal(&mut self) -> anyhow::Result<()> {
        let mut asked: BTreeMap<EffectKey, (Box<triage::Command>, u32, bool)> = BTreeMap::new();
        let dry = self.state.start().is_some_and(|s| s.dry);
        let (mut journal, mut found) = (vec![], vec![]);
        for run in &self.runs {
            journal.extend(self.journal_of(run)?);
            found.extend(self.store.read(|r| r.execution_cases(run))?);
        }
        for fact in journal.clone() {
            match fact.what {
                FactKind::Asked { key, request, .. } => {
                    // A dry run commits none: `decide` answers for it.
                    if let (Effect::Internal(command), false) = (*request, dry) {
                        asked.insert(key, (command, 0, false));
                    }
                }
                FactKind::Answered { key, outcome, .. } => {
                    if let Some(entry) = asked.get_mut(&key) {
                        entry.1 += 1;
                        entry.2 = matches!(outcome, Outcome::Answered(Ok(_)));
                    }
                }
                _ => {}
            }
        }
        let (mut cases, mut attachments) = (BTreeSet::new(), BTreeMap::<Id, u64>::new());
        for (key, (command, answers, good)) in &asked {
            self.tally
                .check(Invariant::InternalOnce, *answers == 1, || format!("`{key}` was answered {answers} times"));
            match &**command {
                triage::Command::CaseCreate { id, .. } if *good => drop(cases.insert(id.clone())),
                triage::Command::CommentAdd { case, .. } | triage::Command::AlertsAttach { case, .. } if *good => {
                    *attachments.entry(case.clone()).or_default() += 1;
                }
                _ => {}
            }
        }
        let stored: BTreeSet<Id> = found.iter().map(|id| Id::from(id.as_str())).collect();
        self.tally.check(Invariant::InternalOnce, cases.is_subset(&stored), || {
            format!("{} cases were created, {} are there", cases.len(), stored.len())
        });
        for case in stored {
            let there = self.store.read(|r| r.comment_list(&case))?.len() as u64;
            let wanted = attachments.get(&case).copied().unwrap_or_default();
            self.tally.check(Invariant::InternalOnce, there == wanted, || {
                format!("{wanted} attachments were added to `{case}`, {there} are there")
            });
        }
        let mut answers: BTreeMap<EffectKey, u32> = BTreeMap::new();
        for fact in journal {
            if let FactKind::Answered { key, .. } = fact.what {
                *answers.entry(key).or_default() += 1;
            }
        }
        // Questions are internal effects too, asked for by the fact that waits for them.
        for key in self.internal.keys().chain(asked.keys()) {
            let n = answers.get(key).copied().unwrap_or_default();
            let committed = self.internal.get(key).copied().unwrap_or_default();
            self.tally.check(Invariant::InternalOnce, n == 1 && committed == 1, || {
                format!("`{key}` was committed {committed} times and answered {n} times")
            });
        }
        Ok(())
    }
}
