//! A turn: the run's head, one journal row, the internal effect, outbox, timers, questions, audit entries.
//!
//! Invariants: facts are contiguous and chained; the internal effect's answer stands in the same row; after `Ended` only answers
//! and settlements are taken; a run that started names its principal, and its changes are done in that name.
//! Source: `design/engine.md` §2, §3, §4, §12.

use super::{ANSWER_PAYLOAD_BASE, Prepared, Writer, load};
use crate::audit::{journal_digest, journal_seed};
use crate::batch::{Batch, Entry, Load, Out, Row, Run};
use crate::commit::Committed;
use crate::error::{Error, damaged};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::command::{Refusal, Request};
use triage::{Actor, Key, QuestionKind, QuestionState};
use workflow::{
    Body, Cause, Class, Command, Effect, EffectKey, Fact, FactKind, Fault, Outcome, PAYLOAD_BYTES_MIN, PayloadRef,
    Start, Status, TimerChange, Turn,
};

/// Partition of a run: a hash of its root.
pub fn partition_of(root: &str) -> u8 {
    stdx::id::hash_parts(&["partition", root])[0]
}

/// The fault that a refused internal effect gives its step.
pub fn fault_of(refusal: &Refusal) -> Fault {
    Fault::new("ApiError", refusal.message.as_str())
        .details(Value::object([("status", Value::from(u32::from(refusal.kind.status())))]))
}

pub(super) fn new_run(start: &Start) -> Run {
    Run {
        space: start.space.clone(),
        principal: start.principal.clone(),
        partition: partition_of(&start.root),
        root: start.root.clone(),
        name: None,
        status: Status::Pending,
        class: Class::None,
        current: Vec::new(),
        started: None,
        finished: None,
        error: None,
        facts: 0,
        last: 0,
        digest: journal_seed(&start.execution),
        mail: 0,
        stored: Status::Pending,
        new: Some(Arc::new(start.clone())),
    }
}

/// Registers the alerts that started a run.
pub(super) fn link_alerts(b: &mut Batch, start: &Start) {
    if let Cause::Alert { alerts, .. } = &start.cause {
        b.run_alerts.extend(alerts.iter().map(|a| (a.clone(), start.execution.clone(), start.space.clone())));
    }
}

impl Writer {
    pub(super) fn turn(
        &self,
        b: &mut Batch,
        p: &Prepared,
        execution: &Id,
        turn: &Turn,
        out: &mut Committed,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Error> {
        let now = p.commit.now;
        load::run(&self.db.conn, b, execution)?;
        let mut run = match b.runs.get(execution) {
            Some(run) => Run::clone(run),
            None => self.begin(b, execution, turn)?,
        };
        if run.facts != turn.base {
            return Err(Error::Guard { guard: "turn", found: run.facts.to_string() });
        }
        let ended = run.status.is_terminal();
        if ended {
            self.check_late(b, turn)?;
        }
        if let Some(FactKind::Started { name, .. }) = turn.facts.first().map(|f| &f.what) {
            run.name = Some(name.clone());
        }
        let answered = self.internal(b, p, execution, turn, &run, entries, out)?;
        let mut payloads = p.payloads.clone();
        if let Some((payload, value)) = &out.payload {
            payloads.push((payload.0, Arc::from(stdx::json::text(value))));
        }
        journal(b, p, execution, &mut run, payloads, answered.as_ref());
        out.answered = answered;
        let at_row = Some((run.last, run.digest));
        let principal = run.principal.clone();
        let by = |step: Option<Arc<str>>| Actor {
            user: principal.clone(),
            channel: "workflow".into(),
            execution: Some(execution.clone()),
            step,
        };
        for entry in entries.iter_mut() {
            entry.run = at_row;
        }
        for fact in &turn.facts {
            if let Some((action, body, step)) = audited(fact)
                && (action != "effect.answer" || self.was_destructive(b, &run, fact)?)
            {
                entries.push(Entry {
                    space: run.space.clone(),
                    at: fact.at,
                    by: by(step),
                    action: action.into(),
                    noun: "execution".into(),
                    id: execution.clone(),
                    body,
                    run: at_row,
                });
            }
        }
        if !ended {
            let s = &turn.summary;
            run.status = s.status;
            run.class = run.class.max(s.class);
            run.current.clone_from(&s.current);
            run.started = s.started_at.or(run.started);
            run.finished = s.finished_at.or(s.status.is_terminal().then_some(now));
            run.error.clone_from(&s.error);
        }
        let space = run.space.clone();
        let over = !ended && run.status.is_terminal();
        b.runs.set(execution.clone(), Some(run));
        self.effects(b, now, turn, &space, out)?;
        self.close_questions(b, now, turn)?;
        for (to, command) in &turn.mail {
            self.mail(b, now, to, command.clone(), &mut out.woken)?;
        }
        if let Some(key) = &turn.release {
            self.slot_release(b, now, &space, execution, key, &mut out.woken)?;
        }
        for change in &turn.timers {
            match change {
                TimerChange::Set { id, due, durable: true } => {
                    b.timers.set_blind((execution.clone(), id.0.clone()), Some((space.clone(), *due)));
                }
                TimerChange::Set { durable: false, .. } => {}
                TimerChange::Clear { id } => b.timers.set_blind((execution.clone(), id.0.clone()), None),
            }
        }
        if over {
            b.timers_cleared.push(execution.clone());
        }
        Ok(())
    }

    /// The head of a run that begins with this turn, without a row before.
    fn begin(&self, b: &mut Batch, execution: &Id, turn: &Turn) -> Result<Run, Error> {
        match turn.facts.first().map(|f| &f.what) {
            Some(FactKind::Started { start, .. }) if turn.base == 0 && start.execution == *execution => {
                link_alerts(b, start);
                Ok(new_run(start))
            }
            _ => Err(Error::Guard { guard: "run", found: "no such run".into() }),
        }
    }

    /// After its end a run takes answers and settlements of destructive effects only, and what a person's *again* brings: the attempt
    /// under the same key, or that it is held back.
    fn check_late(&self, b: &Batch, turn: &Turn) -> Result<(), Error> {
        let refuse = |found: &str| Err(Error::Guard { guard: "ended", found: found.into() });
        for fact in &turn.facts {
            let key = match &fact.what {
                FactKind::Answered { key, .. }
                | FactKind::Settled { key, .. }
                | FactKind::Attempting { key, .. }
                | FactKind::Held { key, .. }
                | FactKind::Abandoned { key } => key,
                // It happened after all, and is taken back.
                FactKind::Undoable { undo, .. } => &undo.of,
                // What a cancelled run's attempt did is asked after its end: the row lives on (§2.3).
                FactKind::Waiting { wait, .. } => match &**wait {
                    workflow::Wait::Settlement(key) => key,
                    _ => return refuse("the run has ended"),
                },
                _ => return refuse("the run has ended"),
            };
            match self.outbox_class(b, key)? {
                Some(Class::Destructive) => {}
                // An internal effect of this very turn has no row.
                None if matches!(
                    fact.what,
                    FactKind::Answered { .. }
                        | FactKind::Settled { .. }
                        | FactKind::Waiting { .. }
                        | FactKind::Undoable { .. }
                ) => {}
                _ => return refuse("the run has ended, and this effect is not destructive"),
            }
        }
        let again = |key: &EffectKey| {
            turn.facts.iter().any(|f| {
                matches!(&f.what, FactKind::Settled { key: k, verdict: workflow::Settlement::Again, .. } if k == key)
            })
        };
        if turn.effects.iter().any(|(key, e)| match e {
            Effect::Internal(_) => false,
            Effect::Call(_) => !again(key),
            Effect::Child(start) => start.undo.is_none(),
            Effect::Slot(_) => true,
        }) {
            return refuse("the run has ended");
        }
        Ok(())
    }

    /// Works the turn's internal effect off and gives the fact that answers it.
    #[allow(clippy::too_many_arguments, reason = "the turn's parts; a struct would be built for this one call")]
    fn internal(
        &self,
        b: &mut Batch,
        p: &Prepared,
        execution: &Id,
        turn: &Turn,
        run: &Run,
        entries: &mut Vec<Entry>,
        out: &mut Committed,
    ) -> Result<Option<Fact>, Error> {
        let now = p.commit.now;
        let (key, command) = match turn.effects.last() {
            Some((key, Effect::Internal(command))) => (key, command),
            Some((key, Effect::Slot(command))) => {
                let root = run.new.as_ref().map_or(&run.root, |s| &s.root);
                let taken = self.slot_take(b, now, (&run.space, execution, root), command, &mut out.woken)?;
                return Ok(Some(Fact {
                    at: now,
                    what: FactKind::Answered {
                        key: key.clone(),
                        attempt: 1,
                        outcome: Outcome::Answered(Ok(Body::from(taken))),
                    },
                }));
            }
            _ => return Ok(None),
        };
        let step = key.path.0.last().map(|h| h.name.clone());
        let by =
            Actor { user: run.principal.clone(), channel: "workflow".into(), execution: Some(execution.clone()), step };
        let mut command = (**command).clone();
        if let triage::Command::QuestionAsk(question) = &mut command {
            if question.policy.forbid_self {
                question.policy.involved = self.involved(b, run, &question.workflow)?;
            }
            if question.kind == triage::QuestionKind::Settlement {
                question.policy.passkey |= self.signed_before(execution, question)?;
            }
        }
        let request = Request { space: run.space.clone(), by, key: None, command };
        let audit = b.audit.len();
        let mut woken = Vec::new();
        let result = self.command(b, now, &request, None, &mut woken)?;
        // The entry waits for the digest of the journal row.
        entries.extend(b.audit.drain(audit..));
        out.woken.extend(woken);
        let result = match result {
            Ok(value) => {
                if stdx::json::text(&value).len() > PAYLOAD_BYTES_MIN {
                    let n = PayloadRef(ANSWER_PAYLOAD_BASE + turn.base + turn.facts.len() as u64);
                    out.payload = Some((n, Arc::new(value)));
                    Ok(Body::Payload(n))
                } else {
                    Ok(Body::from(value))
                }
            }
            Err(refusal) => Err(fault_of(&refusal)),
        };
        Ok(Some(Fact {
            at: now,
            what: FactKind::Answered { key: key.clone(), attempt: 1, outcome: Outcome::Answered(result) },
        }))
    }

    /// Who started the run, and who changed its workflow last: they do not approve their own doing.
    fn involved(&self, b: &mut Batch, run: &Run, workflow: &Id) -> Result<Vec<Arc<str>>, Error> {
        let noun = crate::commit::Noun::Workflow;
        load::record(&self.db.conn, b, noun, &run.space, workflow)?;
        let record = b.records.get(&(noun, run.space.clone(), workflow.clone()));
        let mut involved = vec![run.principal.clone()];
        involved.extend(record.map(|r| r.updated_by.clone()).filter(|by| *by != run.principal));
        Ok(involved)
    }

    /// True where what a settlement is about was asked for under the demand of a signature: sending it again is under it too. Rows of the
    /// batch need no look: an attempt begins after its question is stored, and what a question demands never changes.
    fn signed_before(&self, execution: &Id, settlement: &triage::Question) -> Result<bool, Error> {
        let mut statement = self.db.conn.prepare_cached("SELECT body FROM question WHERE execution = ?1")?;
        let mut rows = statement.query([execution.as_str()])?;
        while let Some(r) = rows.next()? {
            let row: triage::QuestionRow =
                serde_json::from_str(r.get_ref(0)?.as_str().unwrap_or_default()).map_err(damaged("question"))?;
            let of = |path: &Arc<str>| settlement.actions.iter().any(|a| a.path == *path);
            if row.question.policy.passkey && row.question.actions.iter().any(|a| of(&a.path)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True when an answered effect was destructive: then its end is audited too.
    fn was_destructive(&self, b: &Batch, run: &Run, fact: &Fact) -> Result<bool, Error> {
        if run.class < Class::Destructive {
            return Ok(false);
        }
        let FactKind::Answered { key, .. } = &fact.what else { return Ok(false) };
        Ok(self.outbox_class(b, key)? == Some(Class::Destructive))
    }

    /// Class of an effect that stands in the outbox, as the batch has it.
    fn outbox_class(&self, b: &Batch, key: &EffectKey) -> Result<Option<Class>, Error> {
        use rusqlite::OptionalExtension as _;
        let key = out_key(key);
        if b.outbox.known(&key) {
            return Ok(b.outbox.get(&key).map(|o| o.class));
        }
        let mut statement =
            self.db.conn.prepare_cached("SELECT class FROM outbox WHERE execution = ?1 AND path = ?2 AND call = ?3")?;
        let class = statement
            .query_row(rusqlite::params![key.0.as_str(), &*key.1, key.2], |r| {
                Ok(Class::of_word(r.get_ref(0)?.as_str()?))
            })
            .optional()?;
        Ok(class)
    }

    fn effects(
        &self,
        b: &mut Batch,
        now: Time,
        turn: &Turn,
        space: &Arc<str>,
        out: &mut Committed,
    ) -> Result<(), Error> {
        for key in &turn.done {
            b.outbox.set_blind(out_key(key), None);
        }
        for (key, effect) in &turn.effects {
            match effect {
                // Slots come with the rows of concurrency groups; `decide` asks for none before.
                Effect::Internal(_) | Effect::Slot(_) => {}
                Effect::Child(start) => self.start(b, now, start, out)?,
                Effect::Call(call) => {
                    let key = out_key(key);
                    let known = b.outbox.known(&key);
                    let before = if known { b.outbox.get(&key).cloned() } else { None };
                    let row = Out {
                        space: space.clone(),
                        lane: call.lane.clone(),
                        class: call.class,
                        due: now,
                        deadline: call.deadline,
                        base: before.as_ref().map_or(turn.base, |o| o.base),
                        fresh: before.as_ref().map_or(known, |o| o.fresh),
                        again: before.as_ref().map_or(0, |o| o.again + 1),
                    };
                    b.outbox.set_blind(key, Some(row));
                }
            }
        }
        Ok(())
    }

    /// Inserts a run that waits for its owner: a pending row and its `Start` in the mailbox. One that exists stays.
    pub(super) fn start(&self, b: &mut Batch, now: Time, start: &Start, out: &mut Committed) -> Result<(), Error> {
        load::run(&self.db.conn, b, &start.execution)?;
        if b.runs.get(&start.execution).is_some() {
            return Ok(());
        }
        let mut run = new_run(start);
        run.mail = 1;
        let mail = (run.space.clone(), now, Command::Start(Box::new(start.clone())));
        b.mailbox.set((start.execution.clone(), 1), Some(mail));
        b.runs.set(start.execution.clone(), Some(run));
        link_alerts(b, start);
        out.woken.push(start.execution.clone());
        Ok(())
    }

    fn close_questions(&self, b: &mut Batch, now: Time, turn: &Turn) -> Result<(), Error> {
        for (id, state) in &turn.close {
            load::keys(&self.db.conn, b, vec![Key::Question(id.clone())])?;
            let Some(row) = b.rows.questions.get(id).cloned() else { continue };
            let request = Request {
                space: row.question.space.clone(),
                by: Actor {
                    user: "system".into(),
                    channel: "workflow".into(),
                    execution: Some(row.question.execution.clone()),
                    step: Some(row.question.step.clone()),
                },
                key: None,
                command: triage::Command::QuestionClose { id: id.clone(), state: *state },
            };
            if row.question.kind == QuestionKind::Settlement && *state != QuestionState::Void {
                // The row outlives its run: somebody still has to say what happened.
                continue;
            }
            if row.state != QuestionState::Open {
                // A person was first. Withdrawing what is answered is nothing; expiring it would overrule the answer, whose
                // mail the run must work off first.
                if *state == QuestionState::Expired && row.state != QuestionState::Expired {
                    return Err(Error::Guard { guard: "question", found: row.state.as_str().into() });
                }
                continue;
            }
            let mark = b.rows.mark();
            match triage::apply(&mut b.rows, now, &request) {
                Ok(_) => {
                    let (action, (noun, id), body) = triage::audit(&request);
                    b.audit.push(Entry {
                        space: request.space.clone(),
                        at: now,
                        by: request.by.clone(),
                        action: action.into(),
                        noun: noun.into(),
                        id,
                        body,
                        run: None,
                    });
                }
                Err(refusal) => {
                    b.rows.rollback(mark);
                    return Err(Error::Guard { guard: "question", found: refusal.message });
                }
            }
        }
        Ok(())
    }
}

/// Appends the journal row: the turn's facts, and the answer of its internal effect behind them.
fn journal(
    b: &mut Batch,
    p: &Prepared,
    execution: &Id,
    run: &mut Run,
    payloads: Vec<(u64, Arc<str>)>,
    answered: Option<&Fact>,
) {
    let base = run.facts;
    let mut facts = p.facts.clone();
    let mut count = p.commit.turn.as_ref().map_or(0, |(_, t)| t.facts.len() as u64);
    if let Some(fact) = answered {
        if facts.is_empty() {
            facts.push(workflow::JOURNAL_VERSION);
            facts.push(b'[');
        } else {
            facts.pop();
            facts.push(b',');
        }
        serde_json::to_writer(&mut facts, fact).expect("facts are always JSON");
        facts.push(b']');
        count += 1;
    }
    if count == 0 {
        return;
    }
    run.digest = journal_digest(&run.digest, base, count, &facts, payloads.iter().map(|(n, t)| (*n, &**t)));
    run.last = base;
    run.facts = base + count;
    b.payloads.extend(payloads.into_iter().map(|(n, body)| Load { execution: execution.clone(), n, base, body }));
    b.journal.push(Row { execution: execution.clone(), base, count, at: p.commit.now, digest: run.digest, facts });
}

pub(super) fn out_key(key: &EffectKey) -> (Id, Arc<str>, u32) {
    (key.execution.clone(), key.path.to_string().into(), key.call)
}

/// Facts that the audit trail names: start, writes, attempts and their ends, settlements, the end.
fn audited(fact: &Fact) -> Option<(&'static str, Value, Option<Arc<str>>)> {
    let step = |key: &EffectKey| key.path.0.last().map(|h| h.name.clone());
    let text = |key: &EffectKey| Value::from(key.to_string());
    Some(match &fact.what {
        FactKind::Started { start, name, .. } => (
            "execution.start",
            Value::object([
                ("workflow", Value::from(start.workflow.clone())),
                ("version", Value::from(start.version)),
                ("name", Value::from(name.clone())),
                ("cause", stdx::json::to_value(&start.cause)),
                ("dry", Value::from(start.dry)),
            ]),
            None,
        ),
        FactKind::Asked { key, class, request, .. } if *class >= Class::Write => {
            let mut body = vec![("key", text(key)), ("class", Value::from(class.as_str()))];
            if let Effect::Call(call) = &**request {
                body.push(("operation", Value::from(call.operation.clone())));
                body.push(("connector", Value::from(call.connector.clone())));
                body.push(("target", call.target.clone()));
                body.push(("approval", Value::from(call.approved_by.clone())));
            }
            ("effect.ask", Value::object(body), step(key))
        }
        FactKind::Attempting { key, attempt, not_after } => (
            "effect.attempt",
            Value::object([
                ("key", text(key)),
                ("attempt", Value::from(*attempt)),
                ("notAfter", Value::from(not_after.iso())),
            ]),
            step(key),
        ),
        FactKind::Held { key, why } => {
            ("effect.held", Value::object([("key", text(key)), ("why", Value::from(why.clone()))]), step(key))
        }
        FactKind::Answered { key, attempt, outcome } => {
            let word = match outcome {
                Outcome::NotSent(_) => "not sent",
                Outcome::Answered(Ok(_)) => "answered",
                Outcome::Answered(Err(_)) => "failed",
                Outcome::Unknown(_) => "unknown",
                Outcome::Dry(_) => "dry",
            };
            (
                "effect.answer",
                Value::object([("key", text(key)), ("attempt", Value::from(*attempt)), ("outcome", Value::from(word))]),
                step(key),
            )
        }
        FactKind::Settled { key, verdict, by } => {
            let word = match verdict {
                workflow::Settlement::Happened { .. } => "happened",
                workflow::Settlement::Again => "again",
                workflow::Settlement::Skip => "skip",
            };
            (
                "effect.settle",
                Value::object([("key", text(key)), ("verdict", Value::from(word)), ("by", Value::from(by.clone()))]),
                step(key),
            )
        }
        FactKind::Undoable { undo, child, error } => (
            "effect.undoable",
            Value::object([
                ("key", text(&undo.of)),
                ("after", Value::from(undo.after.clone())),
                ("due", Value::from(undo.due.map(stdx::Time::iso))),
                ("execution", Value::from(child.clone())),
                ("asks", Value::from(undo.ask)),
                ("error", error.as_ref().map_or(Value::Null, |e| Value::from(e.message.clone()))),
            ]),
            step(&undo.of),
        ),
        FactKind::Ended { status, error, cancelled, .. } => (
            "execution.end",
            Value::object([
                ("status", Value::from(status.as_str())),
                ("error", error.as_ref().map_or(Value::Null, |e| Value::from(e.kind.clone()))),
                ("cancelledBy", cancelled.as_ref().map_or(Value::Null, |c| Value::from(c.0.clone()))),
            ]),
            None,
        ),
        _ => return None,
    })
}
