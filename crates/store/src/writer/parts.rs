//! The parts of a commit beside turn and triage commands: documents, starts, summary windows, mail, positions, kept answers.
//!
//! Invariants: a start or summary that hangs on an alert happens only if that alert was inserted by this commit; mail for an ended
//! run is dropped unless it settles.

use super::{SUMMARY_ALERTS_MAX, Writer, load, turn::out_key};
use crate::batch::{Batch, Entry, Kept, KeptVersion, Record, Run, Window};
use crate::commit::{Commit, Committed, Noun, RecordChange};
use crate::error::{Error, damaged};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::command::{Refusal, RefusalKind, Request};
use triage::{Key, QuestionKind, QuestionState, Verdict};
use workflow::{Body, Command, Decision, DecisionVerdict, EffectKey, Settlement};

/// Form of a kept answer.
#[derive(Serialize, Deserialize)]
struct Answer {
    results: Vec<Result<Value, Refusal>>,
    records: Vec<Result<u64, Refusal>>,
}

pub(super) fn answer_read(kept: &Kept) -> Result<Committed, Error> {
    let answer: Answer = serde_json::from_str(&kept.body).map_err(damaged("answer"))?;
    Ok(Committed { results: answer.results, records: answer.records, replayed: true, ..Committed::default() })
}

pub(super) fn answer_keep(b: &mut Batch, now: Time, key: (Arc<str>, Arc<str>), execution: Option<Id>, out: &Committed) {
    let answer = Answer { results: out.results.clone(), records: out.records.clone() };
    let body = serde_json::to_string(&answer).expect("values are always JSON").into();
    b.answers.set(key, Some(Kept { execution, at: now, body }));
}

impl Writer {
    pub(super) fn parts(&self, b: &mut Batch, commit: &Commit, out: &mut Committed) -> Result<(), Error> {
        let conn = &self.db.conn;
        let now = commit.now;
        for (i, change) in commit.records.iter().enumerate() {
            let result = self.record(b, now, change)?;
            if let Err(refusal) = &result
                && !commit.independent
            {
                return Err(Error::Refused { index: commit.commands.len() + i, refusal: refusal.clone() });
            }
            out.records.push(result);
        }
        let inserted = |out: &Committed, i: Option<usize>| match i {
            None => true,
            Some(i) => out
                .results
                .get(i)
                .and_then(|r| r.as_ref().ok())
                .is_some_and(|v| v.get("inserted").and_then(Value::as_bool) == Some(true)),
        };
        for new in &commit.starts {
            if inserted(out, new.if_inserted) {
                self.start(b, now, &new.start, out)?;
            }
        }
        for (rule, action) in &commit.summaries_done {
            load::window(conn, b, rule, action)?;
            b.windows.set((rule.clone(), action.clone()), None);
        }
        for add in &commit.summaries {
            if !inserted(out, Some(add.if_inserted)) {
                continue;
            }
            load::window(conn, b, &add.rule, &add.action)?;
            let key = (add.rule.clone(), add.action.clone());
            let mut window = b.windows.get(&key).map_or_else(
                || Window {
                    space: add.template.space.clone(),
                    opened: now,
                    due: add.due,
                    count: 0,
                    alerts: Vec::new(),
                    template: Arc::new((*add.template).clone()),
                },
                |w| Window::clone(w),
            );
            window.count += 1;
            if window.alerts.len() < SUMMARY_ALERTS_MAX {
                window.alerts.push(add.alert.clone());
            }
            b.windows.set(key, Some(window));
        }
        for (execution, command) in &commit.mailbox_add {
            self.mail(b, now, execution, command.clone(), &mut out.woken)?;
        }
        for (execution, n) in &commit.mailbox_done {
            b.mailbox.set_blind((execution.clone(), *n), None);
        }
        for key in &commit.outbox_done {
            b.outbox.set_blind(out_key(key), None);
        }
        if let Some((id, position)) = &commit.position {
            load::follower(conn, b, id)?;
            b.followers.set(id.clone(), Some(position.clone()));
        }
        Ok(())
    }

    /// Puts a command into a run's mailbox. False when there is no such run, or it has ended and this is no settlement.
    pub(super) fn mail(
        &self,
        b: &mut Batch,
        now: Time,
        execution: &Id,
        command: Command,
        woken: &mut Vec<Id>,
    ) -> Result<bool, Error> {
        load::run(&self.db.conn, b, execution)?;
        let Some(run) = b.runs.get(execution) else { return Ok(false) };
        if run.status.is_terminal() && !matches!(command, Command::Settled { .. } | Command::Outcome { .. }) {
            return Ok(false);
        }
        let mut run = Run::clone(run);
        run.mail += 1;
        b.mailbox.set((execution.clone(), run.mail), Some((run.space.clone(), now, command)));
        b.runs.set(execution.clone(), Some(run));
        if !woken.contains(execution) {
            woken.push(execution.clone());
        }
        Ok(true)
    }

    fn record(&self, b: &mut Batch, now: Time, change: &RecordChange) -> Result<Result<u64, Refusal>, Error> {
        load::record(&self.db.conn, b, change.noun, &change.space, &change.id)?;
        let key = (change.noun, change.space.clone(), change.id.clone());
        let current = b.records.get(&key).cloned();
        let version = current.as_ref().map_or(0, |r| r.version);
        let noun = change.noun.as_str();
        if let Some(expect) = change.expect
            && expect != version
        {
            let (kind, text) = match (expect, version) {
                (0, _) => (RefusalKind::Conflict, format!("{noun} `{}` exists already", change.id)),
                (_, 0) => (RefusalKind::NotFound, format!("{noun} `{}` not found", change.id)),
                _ => (RefusalKind::Conflict, format!("{noun} `{}` has version {version}, not {expect}", change.id)),
            };
            return Ok(Err(Refusal::new(kind, text)));
        }
        if change.body.is_none() && current.is_none() {
            return Ok(Err(Refusal::new(RefusalKind::NotFound, format!("{noun} `{}` not found", change.id))));
        }
        let next = change.body.as_ref().map(|body| Record {
            version: version + 1,
            created: current.as_ref().map_or(now, |r| r.created),
            created_by: current.as_ref().map_or_else(|| change.by.user.clone(), |r| r.created_by.clone()),
            updated: now,
            updated_by: change.by.user.clone(),
            body: body.clone(),
        });
        // The audit names what changed, never the values: a record may hold sealed secrets and password hashes.
        let details = Value::object([
            ("version", Value::from(next.as_ref().map_or(0, |r| r.version))),
            ("changed", changed_keys(current.as_ref().map(|r| &r.body), change.body.as_ref())),
        ]);
        b.audit.push(Entry {
            space: change.space.clone(),
            at: now,
            by: change.by.clone(),
            action: change.action.clone(),
            noun: noun.into(),
            id: change.id.clone(),
            body: details,
            run: None,
        });
        if let (Noun::Workflow, Some(record)) = (change.noun, &next) {
            b.versions.push(KeptVersion { key: key.clone(), record: Arc::new(record.clone()) });
        }
        let version = next.as_ref().map_or(version + 1, |r| r.version);
        if change.noun == Noun::User {
            // Who may answer is judged by the user as this change leaves them, which the next batch reads.
            let (enabled, roles) = (
                next.as_ref().is_some_and(|r| r.body.get("enabled").and_then(Value::as_bool).unwrap_or(true)),
                next.as_ref().and_then(|r| r.body.get("roles").and_then(Value::as_array)).unwrap_or_default(),
            );
            let roles = roles.iter().filter_map(|v| v.as_str().map(Arc::from)).collect();
            b.rows.people.insert(change.id.0.clone(), Some(triage::question::Person { enabled, roles }));
        }
        if change.noun == Noun::Setting {
            b.rows
                .configs
                .retain(|(space, owner), _| *space != change.space || triage::rows::config_id(owner) != change.id);
            if *change.id == *triage::question::demand::ENVELOPE {
                b.rows.envelopes.insert(change.space.clone(), change.body.clone());
            }
        }
        b.records.set(key, next);
        Ok(Ok(version))
    }

    /// Sends the run what a person decided on its row.
    pub(super) fn decided(
        &self,
        b: &mut Batch,
        now: Time,
        request: &Request,
        woken: &mut Vec<Id>,
    ) -> Result<Result<(), Refusal>, Error> {
        let id = match &request.command {
            triage::Command::QuestionDecide { id, .. } | triage::Command::QuestionClose { id, .. } => id.clone(),
            _ => return Ok(Ok(())),
        };
        load::keys(&self.db.conn, b, vec![Key::Question(id.clone())])?;
        let Some(row) = b.rows.questions.get(&id).cloned() else { return Ok(Ok(())) };
        let q = &row.question;
        let comment = row.answers.last().and_then(|a| a.comment.clone());
        let decision = |verdict| {
            Command::Decided(Decision {
                question: id.clone(),
                verdict,
                by: request.by.user.clone(),
                at: now,
                channel: request.by.channel.clone(),
                comment: comment.clone(),
                input: row.answers.last().filter(|_| q.kind == QuestionKind::Input).and_then(|a| a.output.clone()),
                actions: (verdict == DecisionVerdict::Approved && row.changes() > 0).then(|| q.actions.clone()),
            })
        };
        let command = match row.state {
            QuestionState::Open | QuestionState::Withdrawn => return Ok(Ok(())),
            QuestionState::Approved | QuestionState::Answered => decision(DecisionVerdict::Approved),
            QuestionState::Rejected => decision(DecisionVerdict::Rejected),
            QuestionState::Expired => decision(DecisionVerdict::Expired),
            QuestionState::Void => decision(DecisionVerdict::Void),
            QuestionState::Settled => {
                let Some(answer) = row.answers.last().filter(|_| q.kind == QuestionKind::Settlement) else {
                    return Ok(Ok(()));
                };
                let Some(key) = EffectKey::parse(&q.path) else {
                    let text = format!("settlement `{id}` names no effect: `{}`", q.path);
                    return Ok(Err(Refusal::new(RefusalKind::Invalid, text)));
                };
                let verdict = match answer.verdict {
                    Verdict::Happened => Settlement::Happened {
                        output: answer.output.clone().map_or(Body::Null, Body::from),
                        note: answer.comment.clone(),
                    },
                    Verdict::Again => Settlement::Again,
                    Verdict::Skip | Verdict::Approve | Verdict::Reject | Verdict::Answer => Settlement::Skip,
                };
                Command::Settled { key, verdict, by: request.by.user.clone() }
            }
        };
        self.mail(b, now, &q.execution, command, woken)?;
        Ok(Ok(()))
    }
}

/// Names of the members that differ.
fn changed_keys(before: Option<&Value>, after: Option<&Value>) -> Value {
    let empty = stdx::Object::new();
    let of = |v: Option<&Value>| v.and_then(Value::as_object).cloned().unwrap_or_else(|| empty.clone());
    let (before, after) = (of(before), of(after));
    let mut keys: Vec<Arc<str>> = Vec::new();
    for (k, v) in after.iter() {
        if before.get(k) != Some(v) {
            keys.push(k.clone());
        }
    }
    keys.extend(before.iter().filter(|(k, _)| !after.contains_key(k)).map(|(k, _)| k.clone()));
    Value::array(keys.into_iter().map(Value::from))
}
