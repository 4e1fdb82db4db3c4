//! What happens to a run from outside: the script's lines, a person who answers, the clock.
//!
//! Invariants: a line is done when what it says is durable, so a crash repeats it or does not; what a crash left unknown is settled from
//! the ledger alone: ran means happened, else again.
//! Not here: the order of commits and effects (`world`).

use crate::golden::Line;
use crate::world::{Flight, SPACE, World, connector_record, host_config};
use anyhow::Context as _;
use engine::core::Input;
use stdx::{Time, Value};
use store::{Commit, Committed, QuestionFilter};
use triage::{QuestionKind, QuestionRow, Verdict};
use workflow::{Body, Class, Command, EffectKey, Fault, Outcome, TimerChange};

/// Moves in a row that change nothing before the world is called stuck.
const IDLE_MOVES_MAX: u32 = 6;

impl World {
    /// Open rows of the run, oldest first.
    pub(crate) fn open_questions(&self) -> anyhow::Result<Vec<QuestionRow>> {
        let filter = QuestionFilter {
            space: SPACE.into(),
            open: Some(true),
            execution: Some(self.run_id().clone()),
            limit: 1000,
            ..QuestionFilter::default()
        };
        let mut rows = self.store.read(|r| r.question_list(&filter))?;
        rows.sort_by(|a, b| (a.question.asked_at, &a.question.id).cmp(&(b.question.asked_at, &b.question.id)));
        Ok(rows)
    }

    /// All rows of the run, and of those that started it.
    pub(crate) fn questions(&self) -> anyhow::Result<Vec<QuestionRow>> {
        let mut rows = Vec::new();
        for run in &self.runs {
            let filter = QuestionFilter {
                space: SPACE.into(),
                execution: Some(run.clone()),
                limit: 1000,
                ..QuestionFilter::default()
            };
            rows.extend(self.store.read(|r| r.question_list(&filter))?);
        }
        Ok(rows)
    }

    /// A commit of somebody outside the core, with a crash point on both sides. `None`: the process died before it.
    fn outside(&mut self, commit: Commit) -> anyhow::Result<Option<Result<Committed, store::Error>>> {
        if self.point("before a person's commit") {
            self.restart()?;
            return Ok(None);
        }
        let result = self.store.commit_blocking(commit);
        self.idle_moves = 0;
        if self.point("after a person's commit") {
            self.restart()?;
            return Ok(Some(result));
        }
        if let Ok(committed) = &result {
            for execution in committed.woken.clone() {
                self.input(Input::Wake(execution));
            }
        }
        Ok(Some(result))
    }

    /// One triage command of a person, at once and without a crash point.
    pub(crate) fn request(&mut self, user: &str, command: triage::Command) -> anyhow::Result<()> {
        let commit = Commit { now: self.now, commands: vec![said(user, command)], ..Commit::default() };
        self.store.commit_blocking(commit)?;
        Ok(())
    }

    /// Answers a row; false when the process died before the answer was stored.
    fn decide(
        &mut self,
        row: &QuestionRow,
        verdict: Verdict,
        comment: &str,
        output: Option<Value>,
    ) -> anyhow::Result<bool> {
        let command = triage::Command::QuestionDecide {
            id: row.question.id.clone(),
            verdict,
            hash: Some(row.question.hash.clone()),
            comment: (!comment.is_empty()).then(|| comment.into()),
            output,
            signature: None,
        };
        let commit = Commit { now: self.now, commands: vec![said("bob", command)], ..Commit::default() };
        match self.outside(commit)? {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            // The clock may have passed the end of the question while the person answered.
            Some(Err(_)) if self.weather.is_some() => Ok(true),
            Some(Err(error)) => Err(error).context("a decision was refused"),
        }
    }

    /// Settles what the crash left unknown, from the ledger and what the script says the attempt did.
    pub(crate) fn settle_lost(&mut self) -> anyhow::Result<bool> {
        for row in self.open_questions()? {
            if row.question.kind != QuestionKind::Settlement {
                continue;
            }
            let Some(key) = EffectKey::parse(&row.question.path) else { continue };
            if !self.lost.contains(&key) {
                continue;
            }
            let step = key.path.0.last().map_or("", |h| &*h.name).to_owned();
            let asked = self.state.calls().iter().find(|c| c.key == key).map_or(0, |c| c.attempts);
            let began = self.ledger.iter().any(|b| b.key == key && b.attempt == asked.max(1));
            let line = (0..self.golden.lines.len())
                .find(|i| !self.used.contains(i) && self.golden.lines[*i].ends_call_of(&step));
            let what = line.map(|i| self.golden.lines[i].clone());
            self.settled = true;
            let verb = what.as_ref().map_or("answer", |l| l.verb.as_str());
            let (verdict, output) = match verb {
                "notsent" | "refused" => (Verdict::Again, None),
                _ if !began => (Verdict::Again, None),
                "fail" => (Verdict::Skip, None),
                "unknown" => {
                    // Nobody knows what it did, as without the crash; the script's own settlement follows.
                    self.lost.remove(&key);
                    self.used.extend(line);
                    return Ok(true);
                }
                _ => (Verdict::Happened, Some(output_of(what.as_ref())?)),
            };
            // Word of what it did comes when the answer would have come; what did not begin is sent again at once.
            let first = (0..self.golden.lines.len()).find(|i| !self.used.contains(i));
            if verdict != Verdict::Again && first < line {
                continue;
            }
            if self.decide(&row, verdict, "from the ledger", output)? {
                self.lost.remove(&key);
                if verdict != Verdict::Again {
                    self.used.extend(line);
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Acts the next line of the script; false when there is none left.
    pub(crate) fn next_line(&mut self) -> anyhow::Result<bool> {
        let Some(i) = (0..self.golden.lines.len()).find(|i| !self.used.contains(i)) else { return Ok(false) };
        let line = self.golden.lines[i].clone();
        match line.verb.as_str() {
            verb if line.ends_call() => {
                let Some(at) = self.flying.iter().position(|f| f.step() == line.step) else {
                    self.idle_line(i);
                    return Ok(true);
                };
                let flight = self.flying.remove(at);
                let outcome = self.outcome_of(verb, &line, &flight)?;
                let (key, attempt) = (flight.key.clone(), flight.attempt);
                let before = self.crashes;
                self.deliver(flight, outcome)?;
                if self.crashes == before || self.answered.contains(&(key, attempt)) {
                    self.used.insert(i);
                }
            }
            "input" => {
                let open = self.open_questions()?;
                let Some(row) = open.iter().rfind(|q| q.question.kind == QuestionKind::Input) else {
                    self.idle_line(i);
                    return Ok(true);
                };
                let given = stdx::json::parse(&line.rest)?;
                if self.decide(row, Verdict::Answer, "", Some(given))? {
                    self.used.insert(i);
                }
            }
            "approve" | "reject" => {
                let open = self.open_questions()?;
                let Some(row) = open.iter().rfind(|q| q.question.kind == QuestionKind::Question) else {
                    self.idle_line(i);
                    return Ok(true);
                };
                let verdict = if line.verb == "approve" { Verdict::Approve } else { Verdict::Reject };
                if self.decide(row, verdict, &line.rest, None)? {
                    self.used.insert(i);
                }
            }
            // New parameters for the first action: the next answer covers them.
            "change" => {
                let open = self.open_questions()?;
                let Some(row) = open.iter().rfind(|q| q.question.kind == QuestionKind::Question) else {
                    self.idle_line(i);
                    return Ok(true);
                };
                let command = triage::Command::QuestionChange {
                    id: row.question.id.clone(),
                    hash: row.question.hash.clone(),
                    actions: vec![triage::question::Changed { index: 1, request: stdx::json::parse(&line.rest)? }],
                    comment: "as the script says".into(),
                };
                let commit = Commit { now: self.now, commands: vec![said("bob", command)], ..Commit::default() };
                match self.outside(commit)? {
                    None => {}
                    Some(Ok(_)) => drop(self.used.insert(i)),
                    Some(Err(error)) => return Err(error).context("a change was refused"),
                }
            }
            "late-approve" => {
                let open = self.open_questions()?;
                let Some(row) = open.last() else {
                    self.idle_line(i);
                    return Ok(true);
                };
                // The answer is stored, its mail not read yet; the clock then passes the end of the question.
                let expires = row.question.expires_at;
                let before = self.crashes;
                if self.decide_unread(row)? {
                    self.used.insert(i);
                    if self.crashes != before {
                        // A start reads the mail before any clock can pass.
                        return Ok(true);
                    }
                    self.now = expires.unwrap_or(self.now).max(self.now);
                    self.input(Input::Tick);
                    self.rest()?;
                    let run = self.run_id().clone();
                    self.input(Input::Wake(run));
                }
            }
            "settle" => {
                let open = self.open_questions()?;
                let of_step =
                    |q: &&QuestionRow| q.question.kind == QuestionKind::Settlement && *q.question.step == *line.step;
                let Some(row) = open.iter().find(of_step) else {
                    self.idle_line(i);
                    return Ok(true);
                };
                let (verdict, output) = match line.arg.as_str() {
                    "happened" => (Verdict::Happened, Some(Value::from("seen in the log"))),
                    "again" => (Verdict::Again, None),
                    _ => (Verdict::Skip, None),
                };
                if self.decide(row, verdict, "checked", output)? {
                    self.used.insert(i);
                }
            }
            "cancel" => {
                let reason = (!line.rest.is_empty()).then(|| line.rest.as_str().into());
                let command = Command::Cancel { by: "bob".into(), reason };
                let mailbox_add = vec![(self.run_id().clone(), command)];
                if self.outside(Commit { now: self.now, mailbox_add, ..Commit::default() })?.is_some() {
                    self.used.insert(i);
                }
            }
            "follow" => {
                self.used.insert(i);
                if !self.follow()? {
                    self.idle_lines += 1;
                }
            }
            "undo" => {
                let at = match line.rest.as_str() {
                    "now" => self.now,
                    later => self.now + workflow::duration::duration(later).context("a duration")?,
                };
                let mailbox_add = vec![(self.run_id().clone(), Command::Undo { at, by: "bob".into() })];
                if self.outside(Commit { now: self.now, mailbox_add, ..Commit::default() })?.is_some() {
                    self.used.insert(i);
                }
            }
            "retarget" => {
                let config = host_config(&stdx::json::parse(&line.arg)?);
                let records = vec![connector_record(&line.step, ".ssh", config)];
                if self.outside(Commit { now: self.now, records, ..Commit::default() })?.is_some() {
                    self.used.insert(i);
                    self.input(Input::Reload { space: SPACE.into() });
                }
            }
            "wake" | "wake-timer" => {
                self.used.insert(i);
                // After a crash a settlement may have stopped a scope's clock; the script's time passes all the same.
                let stopped = |w: &Self| {
                    let due = w.seen_timers.iter().filter(|(id, due)| id.starts_with(&line.rest) && **due > w.now);
                    if w.crashes > 0 { due.map(|(_, due)| *due).min() } else { None }
                };
                match self.next_timer(&line.rest).or_else(|| stopped(self)) {
                    Some(due) => self.now = self.now.max(due),
                    None => self.idle_lines += 1,
                }
            }
            "sleep" => {
                self.used.insert(i);
                self.now = self.now + workflow::duration::duration(&line.rest).context("a duration")?;
            }
            "spurious" => {
                self.used.insert(i);
                self.input(Input::Tick);
                let run = self.run_id().clone();
                self.input(Input::Wake(run));
            }
            // `begin` happens by itself here; what a case refuses is up to the real one.
            _ => {
                self.used.insert(i);
            }
        }
        Ok(true)
    }

    fn idle_line(&mut self, i: usize) {
        self.used.insert(i);
        self.idle_lines += 1;
    }

    fn decide_unread(&mut self, row: &QuestionRow) -> anyhow::Result<bool> {
        let command = triage::Command::QuestionDecide {
            id: row.question.id.clone(),
            verdict: Verdict::Approve,
            hash: Some(row.question.hash.clone()),
            comment: None,
            output: None,
            signature: None,
        };
        if self.point("before a person's commit") {
            self.restart()?;
            return Ok(false);
        }
        match self.request("bob", command) {
            Err(_) if self.weather.is_some() => return Ok(true),
            answer => answer?,
        }
        if self.point("after a person's commit") {
            self.restart()?;
        }
        Ok(true)
    }

    /// When the run's next timer is due, of those whose name begins so.
    fn next_timer(&self, prefix: &str) -> Option<Time> {
        let due = |t: TimerChange| match t {
            TimerChange::Set { id, due, .. } if id.0.starts_with(prefix) => Some(due),
            _ => None,
        };
        self.state.timers().into_iter().filter_map(due).min()
    }

    /// Gives an outcome to the core, twice where the plan says so.
    fn deliver(&mut self, flight: Flight, outcome: Outcome) -> anyhow::Result<()> {
        let mut outcome = outcome;
        let mut twice = self.plan.duplicate && matches!(flight.call.class, Class::Read | Class::Write);
        if let Some(weather) = &mut self.weather {
            let (slow, fail) = (weather.slow(), weather.fail(&flight));
            twice = weather.twice();
            outcome = fail.unwrap_or(outcome);
            if let Some(by) = slow {
                let crashes = self.crashes;
                self.now = Time(self.now.0 + by);
                self.flying.push(flight.clone());
                self.rest()?;
                self.flying.retain(|f| (&f.key, f.attempt) != (&flight.key, flight.attempt));
                if self.crashes != crashes {
                    // The process that waited for the answer is gone, and the answer with it.
                    return Ok(());
                }
            }
        }
        let crashes = self.crashes;
        let input = |outcome| Input::Outcome { key: flight.key.clone(), attempt: flight.attempt, outcome };
        if twice {
            self.input(input(outcome.clone()));
            self.input(input(outcome.clone()));
            self.rest()?;
        }
        if self.weather.is_some() && self.crashes != crashes {
            return Ok(());
        }
        self.input(input(outcome));
        self.rest()
    }

    /// How the attempt ended, as the script says.
    fn outcome_of(&self, verb: &str, line: &Line, flight: &Flight) -> anyhow::Result<Outcome> {
        Ok(match verb {
            "answer" if &*flight.call.operation == "cases.getCase" => self.stub(flight)?,
            "answer" | "answer-bytes" => Outcome::Answered(Ok(Body::from(output_of(Some(line))?))),
            "fail" => {
                let mut fault = Fault::new("ConnectorExecutionError", line.arg.as_str());
                let status = line.arg.strip_prefix('[').and_then(|a| a.get(..3)).and_then(|a| a.parse::<i64>().ok());
                if let Some(status) = status {
                    fault = fault.details(Value::object([("status", Value::Int(status))]));
                }
                Outcome::Answered(Err(fault))
            }
            "notsent" => Outcome::NotSent(Fault::new("ConnectionRefused", line.arg.as_str())),
            "refused" => Outcome::NotSent(Fault::new("EgressRefused", line.arg.as_str())),
            // A read without an answer has failed (`engine::perform`).
            _ if flight.call.class == Class::Read => {
                Outcome::Answered(Err(Fault::new("ConnectionLost", line.arg.as_str())))
            }
            _ => Outcome::Unknown(Fault::new("ConnectionLost", line.arg.as_str())),
        })
    }

    /// The answer of a call that the script does not speak of.
    fn stub(&self, flight: &Flight) -> anyhow::Result<Outcome> {
        if &*flight.call.operation == "cases.getCase" {
            let id = flight.call.params.value().and_then(|p| p.get("case_id")).and_then(Value::as_str);
            let case = self.store.read(|r| r.case_get(SPACE, id.unwrap_or_default()))?;
            let Some(case) = case else {
                let fault = Fault::new("Error", "HTTP 404: no such case");
                return Ok(Outcome::Answered(Err(fault)));
            };
            let body = [("id", Value::from(case.id.clone())), ("title", Value::from(case.title.clone()))];
            return Ok(Outcome::Answered(Ok(Body::from(Value::object(body)))));
        }
        let body = [("status", Value::Int(200)), ("exit_code", Value::Int(0)), ("data", Value::object::<&str>([]))];
        Ok(Outcome::Answered(Ok(Body::from(Value::object(body)))))
    }

    /// What happens when the script is over: calls are answered, people say yes, time passes. False when nothing is left.
    pub(crate) fn free_move(&mut self) -> anyhow::Result<bool> {
        if !self.flying.is_empty() {
            let flight = self.flying.remove(0);
            let outcome = self.stub(&flight)?;
            self.idle_moves = 0;
            self.deliver(flight, outcome)?;
            return Ok(true);
        }
        if let Some(row) = self.open_questions()?.first().cloned() {
            let (verdict, output) = match row.question.kind {
                QuestionKind::Settlement => (Verdict::Happened, Some(Value::from("ran"))),
                QuestionKind::Question => (Verdict::Approve, None),
                QuestionKind::Input => (Verdict::Answer, Some(workflow::sample::sample(&row.question.schema))),
            };
            self.decide(&row, verdict, "", output)?;
            return Ok(true);
        }
        self.idle_moves += 1;
        if self.idle_moves > IDLE_MOVES_MAX {
            return Ok(false);
        }
        match self.next_timer("").or_else(|| self.core.next_due()) {
            Some(due) => self.now = self.now.max(due),
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// The body that an `answer` line gives.
fn output_of(line: Option<&Line>) -> anyhow::Result<Value> {
    Ok(match line {
        None => Value::object([("exit_code", Value::Int(0))]),
        Some(l) if l.verb == "answer-bytes" => {
            Value::object([("data", Value::from("x".repeat(l.arg.parse().context("a number of bytes")?)))])
        }
        Some(l) if l.arg.is_empty() => Value::Null,
        Some(l) => stdx::json::parse(&l.arg)?,
    })
}

fn said(user: &str, command: triage::Command) -> triage::command::Request {
    triage::command::Request { space: SPACE.into(), by: triage::Actor::person(user, "web"), key: None, command }
}
