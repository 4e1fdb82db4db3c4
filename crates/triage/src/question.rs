//! A row of the approvals inbox: a question that guards frozen actions, or a settlement of an unknown outcome.
//!
//! Invariants: the hash covers exactly the frozen actions that are shown; the first decision that completes the row wins; what
//! ran under a question is byte for byte what the hash covers.
//! Source: `design/engine.md` §2.2, §8.

pub mod change;
pub mod demand;
pub mod passkey;
pub mod policy;
#[cfg(test)]
mod sample;
pub mod undo;

pub use change::Changed;
pub use policy::{Before, Person, Policy, Remark, RemarkKind, Tier};
pub use undo::FrozenUndo;

use crate::actor::Actor;
use crate::command::{Refusal, RefusalKind};
use crate::rows::Rows;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// Longest comment of a decision in characters.
pub const COMMENT_CHARS_MAX: usize = 10_000;
/// Problems that a refused answer names at most.
const PROBLEMS_MAX: usize = 8;

/// What kind of row this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuestionKind {
    /// A workflow asks a person (`waitForApproval`), guarding destructive steps.
    Question,
    /// A destructive attempt ended with an unknown outcome: *happened / run again / skip*.
    Settlement,
    /// A workflow asks a person for an object (`waitForInput`); it guards nothing.
    Input,
}

/// State of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuestionState {
    /// Waits for a person.
    Open,
    /// Approved.
    Approved,
    /// Rejected.
    Rejected,
    /// Settled (settlements only).
    Settled,
    /// Answered with an object (inputs only).
    Answered,
    /// Nobody answered in time.
    Expired,
    /// The run ended or was cancelled before an answer.
    Withdrawn,
    /// The target changed; asked anew under another id.
    Void,
}

/// One action exactly as it will run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenAction {
    /// Step path as text (`workflow::StepPath`'s display form): the one place this may run.
    pub path: Arc<str>,
    /// Step name as in the YAML.
    pub step: Arc<str>,
    /// Step type, for example `ssh.run`.
    pub operation: Arc<str>,
    /// Effect class as text: `read write destructive internal`.
    pub class: Arc<str>,
    /// Connector id, if any.
    pub connector: Option<Arc<str>>,
    /// Where it goes: host, account, host key, base URL …; compared again at the decision and before the first byte.
    pub target: Value,
    /// The rendered request.
    pub request: Value,
    /// Names of secrets that the transport will add.
    pub secrets: Vec<Arc<str>>,
    /// Declared retries of this action.
    pub retries: u32,
    /// How it is undone, where the workflow or its connector says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<FrozenUndo>>,
}

/// A row of the approvals inbox as it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Id of the row.
    pub id: Id,
    /// What kind.
    pub kind: QuestionKind,
    /// The run that asks.
    pub execution: Id,
    /// Its workflow's id and name.
    pub workflow: Id,
    /// Workflow name.
    pub workflow_name: Arc<str>,
    /// Space.
    pub space: Arc<str>,
    /// Question: path of the asking step as text. Settlement: the text of the `EffectKey` whose outcome is unknown
    /// (`execution/path!call`), from which the writer makes `Command::Settled`.
    pub path: Arc<str>,
    /// Step name.
    pub step: Arc<str>,
    /// Rendered message of the step, or the sentence of the settlement.
    pub message: Arc<str>,
    /// Label of the yes button.
    pub approve_label: Arc<str>,
    /// Label of the no button.
    pub reject_label: Arc<str>,
    /// What will run, frozen.
    pub actions: Vec<FrozenAction>,
    /// What is shown as template only, *not bound*: (step, template text).
    pub unbound: Vec<(Arc<str>, Arc<str>)>,
    /// Lower-case hex SHA-256 over `frozen_hash(actions)`.
    pub hash: Arc<str>,
    /// When it was asked.
    pub asked_at: Time,
    /// When it expires; settlements never do.
    pub expires_at: Option<Time>,
    /// Alerts and cases it is about, for links.
    pub about: Value,
    /// Settlement only: attempt may still be running until then.
    pub running_until: Option<Time>,
    /// Input only: JSON Schema of the answer, for the form and the check; `Null` takes any object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub schema: Value,
    /// Who may answer, how many must.
    #[serde(default, skip_serializing_if = "Policy::is_plain")]
    pub policy: Policy,
}

/// A person's word on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Question: run it.
    Approve,
    /// Question: do not.
    Reject,
    /// Settlement: it did happen; the step completes.
    Happened,
    /// Settlement: send the same bytes again under the same key.
    Again,
    /// Settlement: the step fails as not run.
    Skip,
    /// Input: the object in `output` is the answer.
    Answer,
}

/// The hash a question carries: SHA-256 over the canonical JSON of its frozen actions.
pub fn frozen_hash(actions: &[FrozenAction]) -> String {
    stdx::id::sha256_hex(stdx::json::canonical(&stdx::json::to_value(actions)).as_bytes())
}

impl QuestionState {
    /// Word of the column and the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Settled => "settled",
            Self::Answered => "answered",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Void => "void",
        }
    }
}

/// One person's answer on a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Who.
    pub by: Actor,
    /// What.
    pub verdict: Verdict,
    /// When.
    pub at: Time,
    /// Comment.
    pub comment: Option<Arc<str>>,
    /// Settlement `happened`: the output given. Input: the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The passkey's signature over question, hash and answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Box<passkey::Signed>>,
}

/// A row of the approvals inbox as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuestionRow {
    /// As it was asked.
    pub question: Question,
    /// Where it stands.
    pub state: QuestionState,
    /// Version, 1 at creation.
    pub version: u64,
    /// Answers in order.
    pub answers: Vec<Answer>,
    /// When it was closed, by an answer or without.
    pub closed_at: Option<Time>,
    /// What was said without deciding, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

impl QuestionRow {
    /// The row as a value: the question's members, then `state`, `version`, `answers`, `closed_at`.
    pub fn to_value(&self) -> Value {
        let mut v = stdx::json::to_value(&self.question);
        if let Some(o) = v.object_mut() {
            o.insert("state", self.state.as_str());
            o.insert("version", crate::version_text(self.version));
            o.insert("answers", stdx::json::to_value(&self.answers));
            o.insert("closed_at", stdx::json::to_value(&self.closed_at));
            o.insert("remarks", stdx::json::to_value(&self.remarks));
        }
        v
    }
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Conflict, message)
}

fn get(rows: &Rows, id: &Id) -> Result<Arc<QuestionRow>, Refusal> {
    let row = rows.questions.get(id).cloned();
    row.ok_or_else(|| Refusal::new(RefusalKind::NotFound, format!("approval `{id}` not found")))
}

/// Inserts a row; the same row asked again is given back. What the envelope demands now stays with it.
pub(crate) fn ask(rows: &mut Rows, space: &str, question: &Question) -> Result<Value, Refusal> {
    let mut question = question.clone();
    question.policy.passkey |= demand::demands(rows.envelope(space), &question);
    let question = &question;
    if let Some(row) = rows.questions.get(&question.id) {
        let mut same = question.clone();
        same.policy.passkey = row.question.policy.passkey;
        if row.question == same {
            return Ok(row.to_value());
        }
        return Err(conflict(format!("approval `{}` exists already", question.id)));
    }
    if question.kind == QuestionKind::Question && *question.hash != *frozen_hash(&question.actions) {
        return Err(Refusal::new(RefusalKind::Invalid, "the hash does not cover the frozen actions"));
    }
    let row = QuestionRow {
        question: question.clone(),
        state: QuestionState::Open,
        version: 1,
        answers: Vec::new(),
        closed_at: None,
        remarks: Vec::new(),
    };
    let value = row.to_value();
    rows.questions.set(question.id.clone(), Some(row));
    Ok(value)
}

/// What a person says on a row.
pub(crate) struct Saying<'a> {
    /// What.
    pub verdict: Verdict,
    /// Hash that the person saw.
    pub hash: Option<&'a str>,
    /// Comment.
    pub comment: Option<&'a Arc<str>>,
    /// Output of `happened`, object of `answer`.
    pub output: Option<&'a Value>,
    /// Signature.
    pub signature: Option<&'a passkey::Signed>,
}

impl QuestionKind {
    /// True where an answer lets destructive bytes go out.
    pub const fn lets_go(self, verdict: Verdict) -> bool {
        matches!((self, verdict), (Self::Question, Verdict::Approve) | (Self::Settlement, Verdict::Again))
    }
}

/// The first decision that completes the row wins; everything later is a conflict. A rejection completes it at once, an approval when so
/// many have approved who still have the right.
pub(crate) fn decide(rows: &mut Rows, now: Time, by: &Actor, id: &Id, saying: Saying<'_>) -> Result<Value, Refusal> {
    let row = get(rows, id)?;
    let q = &row.question;
    match row.state {
        QuestionState::Open => {}
        QuestionState::Expired => return Err(conflict(format!("approval `{id}` is expired"))),
        state => return Err(conflict(format!("approval `{id}` is already {}", state.as_str()))),
    }
    let state = match (q.kind, saying.verdict) {
        (QuestionKind::Question, Verdict::Approve) => QuestionState::Approved,
        (QuestionKind::Question, Verdict::Reject) => QuestionState::Rejected,
        (QuestionKind::Settlement, Verdict::Happened | Verdict::Again | Verdict::Skip) => QuestionState::Settled,
        (QuestionKind::Question, _) => {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                format!("approval `{id}` is a question: answer `approve` or `reject`"),
            ));
        }
        (QuestionKind::Settlement, _) => {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                format!("approval `{id}` is a settlement: answer `happened`, `again` or `skip`"),
            ));
        }
        (QuestionKind::Input, Verdict::Answer) => {
            if let Some(problem) = input_problem(&input_problems(&q.schema, saying.output)) {
                return Err(Refusal::new(RefusalKind::Invalid, problem));
            }
            QuestionState::Answered
        }
        (QuestionKind::Input, _) => {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                format!("approval `{id}` asks for an input: answer with the object"),
            ));
        }
    };
    if q.expires_at.is_some_and(|at| now >= at) {
        return Err(conflict(format!("approval `{id}` is expired")));
    }
    match saying.hash {
        Some(hash) if *hash != *q.hash => {
            return Err(conflict(format!("the hash of approval `{id}` is another one: what would run has changed")));
        }
        None if saying.verdict == Verdict::Approve => {
            return Err(Refusal::new(RefusalKind::Invalid, "an approval needs the hash of what was shown"));
        }
        _ => {}
    }
    policy::admit(rows, &row, &by.user, saying.verdict, now)?;
    if q.kind.lets_go(saying.verdict) {
        match saying.signature {
            None if q.policy.passkey || demand::demands(rows.envelope(&q.space), q) => {
                let why = format!("approval `{id}` takes a passkey's signature over what will run");
                return Err(Refusal::new(RefusalKind::Forbidden, why));
            }
            None => {}
            Some(signed) => {
                signed.verify(id, &q.hash, saying.verdict, &by.user).map_err(|flaw| {
                    Refusal::new(RefusalKind::Forbidden, format!("the passkey's signature is refused: {flaw}"))
                })?;
            }
        }
    } else if saying.signature.is_some() {
        return Err(Refusal::new(RefusalKind::Invalid, "only what lets something run is signed"));
    }
    if saying.comment.is_some_and(|c| c.chars().count() > COMMENT_CHARS_MAX) {
        return Err(Refusal::new(
            RefusalKind::Invalid,
            format!("a comment has at most {COMMENT_CHARS_MAX} characters"),
        ));
    }
    let mut next = QuestionRow::clone(&row);
    next.version += 1;
    next.answers.push(Answer {
        by: by.clone(),
        verdict: saying.verdict,
        at: now,
        comment: saying.comment.cloned(),
        output: saying.output.cloned(),
        signature: saying.signature.cloned().map(Box::new),
    });
    let enough = next.approvals(rows, saying.verdict, now).count() >= q.policy.needed() as usize;
    if !q.kind.lets_go(saying.verdict) || enough {
        next.state = state;
        next.closed_at = Some(now);
    }
    let value = next.to_value();
    rows.questions.set(id.clone(), Some(next));
    Ok(value)
}

/// One thing that is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON pointer into the answer; a member that is missing under its own name.
    pub pointer: String,
    /// What.
    pub message: String,
}

/// What is wrong with an answer to an input, by place: nothing where it fits, and where the schema says nothing.
pub fn input_problems(schema: &Value, given: Option<&Value>) -> Vec<Problem> {
    let Some(given @ Value::Object(_)) = given else {
        return vec![Problem { pointer: String::new(), message: "the answer must be an object".into() }];
    };
    if schema.as_object().is_none() {
        return vec![];
    }
    // A schema that cannot be compiled checks nothing: the author saw that when the workflow was saved.
    let Ok(validator) = jsonschema::validator_for(&schema.into()) else { return vec![] };
    let problem = |e: jsonschema::ValidationError<'_>| {
        let mut pointer = e.instance_path().to_string();
        if let jsonschema::error::ValidationErrorKind::Required { property } = e.kind()
            && let Some(name) = property.as_str()
        {
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        Problem { pointer, message: e.to_string() }
    };
    validator.iter_errors(&given.into()).take(PROBLEMS_MAX).map(problem).collect()
}

/// The same in one sentence; the wait goes on.
pub fn input_problem(problems: &[Problem]) -> Option<String> {
    match problems {
        [] => None,
        [Problem { pointer, message }] if pointer.is_empty() && message == "the answer must be an object" => {
            Some(message.clone())
        }
        all => {
            let said = |p: &Problem| {
                let field = p.pointer.trim_start_matches('/').replace('/', ".");
                if field.is_empty() { p.message.clone() } else { format!("{field}: {}", p.message) }
            };
            let said: Vec<String> = all.iter().map(said).collect();
            Some(format!("the answer does not fit the schema: {}", said.join(", ")))
        }
    }
}

/// Closes an open row without an answer; a row that is closed already is a conflict.
pub(crate) fn close(rows: &mut Rows, now: Time, id: &Id, state: QuestionState) -> Result<Value, Refusal> {
    let row = get(rows, id)?;
    if !matches!(state, QuestionState::Expired | QuestionState::Withdrawn | QuestionState::Void) {
        return Err(Refusal::new(RefusalKind::Invalid, "a row closes without an answer as expired, withdrawn or void"));
    }
    if row.state != QuestionState::Open {
        return Err(conflict(format!("approval `{id}` is already {}", row.state.as_str())));
    }
    if state != QuestionState::Void && row.question.kind == QuestionKind::Settlement {
        return Err(Refusal::new(
            RefusalKind::Invalid,
            "a settlement neither expires nor is withdrawn: it outlives its run",
        ));
    }
    let mut next = QuestionRow::clone(&row);
    next.state = state;
    next.version += 1;
    next.closed_at = Some(now);
    let value = next.to_value();
    rows.questions.set(id.clone(), Some(next));
    Ok(value)
}
