//! Who may answer a question and how many must: approvers, quorum, forbid-self, escalation; and what was said without deciding.
//!
//! Invariants: the row is the judge, over the people as they are at that moment: an answer of somebody who has lost the right does not
//! count; an escalation only adds people; nobody who is involved answers where that is forbidden.
//! Not here: privileges (`api`), the YAML (`workflow`).
//! Source: `design/engine.md` §8; `product.md` A7.

use super::{Answer, FrozenAction, QuestionRow, Verdict};
use crate::actor::Actor;
use crate::command::{Refusal, RefusalKind};
use crate::rows::Rows;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Duration, Time};

/// Names in one list of approvers at most.
pub const NAMES_MAX: usize = 100;
/// Steps of an escalation at most.
pub const TIERS_MAX: usize = 10;
/// Largest quorum.
pub const QUORUM_MAX: u32 = 20;
/// Remarks on one row at most.
pub const REMARKS_MAX: usize = 500;

/// Who may answer, and how many must.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Users who may answer; with `roles` empty too, everybody with the privilege.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<Arc<str>>,
    /// Roles whose members may answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Arc<str>>,
    /// People who must approve; 0 is 1.
    pub quorum: u32,
    /// Nobody of `involved` may answer.
    pub forbid_self: bool,
    /// What lets something run is signed with a passkey.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub passkey: bool,
    /// The answer lets go too what is shown as template only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unbound: bool,
    /// Who started the run, and who changed the workflow last; filled in by the writer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub involved: Vec<Arc<str>>,
    /// Who may answer too when time has passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

/// A step of an escalation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tier {
    /// Seconds after the question was asked.
    pub after_s: i64,
    /// Users.
    pub users: Vec<Arc<str>>,
    /// Roles.
    pub roles: Vec<Arc<str>>,
}

/// What a transition may know of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// May sign in.
    pub enabled: bool,
    /// Roles.
    pub roles: Vec<Arc<str>>,
}

/// Something said on a row that does not decide it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remark {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Time,
    /// What kind.
    pub kind: RemarkKind,
    /// Delegation: to whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Arc<str>>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
    /// Change: what stood there before, and what it made void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Before>>,
}

/// What a change of parameters replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// The hash until then.
    pub hash: Arc<str>,
    /// The changed actions as they were, by number from 1.
    pub actions: Vec<(u32, FrozenAction)>,
    /// The answers that it made void.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
}

/// Kinds of remarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemarkKind {
    /// Asks back: the question waits for more to be known.
    Ask,
    /// Answers that.
    Reply,
    /// Hands the question to somebody else, who may answer from then on.
    Delegate,
    /// Changed what will run; made by the change itself, never by a remark.
    Change,
}

fn forbidden(message: String) -> Refusal {
    Refusal::new(RefusalKind::Forbidden, message)
}

impl Policy {
    /// True where it says nothing.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
    /// People who must approve.
    pub fn needed(&self) -> u32 {
        self.quorum.clamp(1, QUORUM_MAX)
    }
    /// Everybody with the privilege may answer.
    fn is_open(&self) -> bool {
        self.users.is_empty() && self.roles.is_empty()
    }
}

impl QuestionRow {
    /// Why a person may not answer this row now; `None` when they may. `person` is as stored; `None` where there is no such user.
    pub fn may_not(&self, user: &str, person: Option<&Person>, now: Time) -> Option<String> {
        let policy = &self.question.policy;
        if person.is_some_and(|p| !p.enabled) {
            return Some(format!("the user `{user}` is disabled"));
        }
        let named = |list: &[Arc<str>]| list.iter().any(|n| **n == *user);
        if policy.forbid_self && named(&policy.involved) {
            return Some(format!("`{user}` started the run or changed the workflow last: somebody else must answer"));
        }
        let member = |roles: &[Arc<str>]| person.is_some_and(|p| p.roles.iter().any(|r| roles.contains(r)));
        let reached = |t: &&Tier| now.since(self.question.asked_at) >= Duration::from_secs(t.after_s);
        let may = policy.is_open()
            || named(&policy.users)
            || member(&policy.roles)
            || self.delegates().any(|d| *d == *user)
            || policy.tiers.iter().filter(reached).any(|t| named(&t.users) || member(&t.roles));
        (!may).then(|| format!("`{user}` is not among the approvers of this question"))
    }

    /// To whom the question was handed.
    pub fn delegates(&self) -> impl Iterator<Item = &str> {
        self.remarks.iter().filter(|r| r.kind == RemarkKind::Delegate).filter_map(|r| r.to.as_deref())
    }

    /// Answers of that kind that count now: one per person, of people who still have the right.
    pub(crate) fn approvals<'a>(
        &'a self,
        rows: &'a Rows,
        verdict: Verdict,
        now: Time,
    ) -> impl Iterator<Item = &'a Answer> + 'a {
        self.answers
            .iter()
            .enumerate()
            .filter(move |(i, a)| {
                a.verdict == verdict
                    && !self.answers[..*i].iter().any(|b| b.verdict == verdict && b.by.user == a.by.user)
                    && self.may_not(&a.by.user, rows.person(&a.by.user), now).is_none()
            })
            .map(|(_, a)| a)
    }
}

/// Adds a remark to an open row.
pub(crate) fn remark(rows: &mut Rows, now: Time, id: &stdx::Id, remark: Remark) -> Result<stdx::Value, Refusal> {
    let row = super::get(rows, id)?;
    if row.state != super::QuestionState::Open {
        return Err(super::conflict(format!("approval `{id}` is already {}", row.state.as_str())));
    }
    if row.remarks.len() >= REMARKS_MAX {
        return Err(Refusal::new(RefusalKind::Invalid, format!("a question has at most {REMARKS_MAX} remarks")));
    }
    if remark.kind == RemarkKind::Change || remark.before.is_some() {
        return Err(Refusal::new(RefusalKind::Invalid, "a change is asked for as one, it is no remark"));
    }
    let text = remark.text.as_deref().map_or(0, |t| t.chars().count());
    if text > super::COMMENT_CHARS_MAX || text == 0 && remark.kind != RemarkKind::Delegate {
        let message = format!("a remark has 1 to {} characters", super::COMMENT_CHARS_MAX);
        return Err(Refusal::new(RefusalKind::Invalid, message));
    }
    let by = &remark.by.user;
    if remark.kind == RemarkKind::Delegate {
        if let Some(why) = row.may_not(by, rows.person(by), now) {
            return Err(forbidden(format!("{why}, so they cannot hand it on")));
        }
        let to = remark.to.as_deref().unwrap_or_default();
        match rows.person(to) {
            Some(person) if person.enabled => {}
            _ => return Err(Refusal::new(RefusalKind::Invalid, format!("there is no user `{to}` who could answer"))),
        }
        if row.question.policy.forbid_self && row.question.policy.involved.iter().any(|n| **n == *to) {
            return Err(Refusal::new(RefusalKind::Invalid, format!("`{to}` is involved and may not answer")));
        }
    }
    let mut next = QuestionRow::clone(&row);
    next.version += 1;
    next.remarks.push(remark);
    let value = next.to_value();
    rows.questions.set(id.clone(), Some(next));
    Ok(value)
}

/// What the answer of somebody does to the row: an error where they may not, or have answered already.
pub(crate) fn admit(rows: &Rows, row: &QuestionRow, user: &str, verdict: Verdict, now: Time) -> Result<(), Refusal> {
    let kind = row.question.kind;
    let person = rows.person(user);
    // What became of an attempt may say whoever saw it; sending it again needs what sending it first needed.
    let witness = kind == super::QuestionKind::Settlement && !kind.lets_go(verdict);
    if let Some(why) = row.may_not(user, person, now).filter(|_| !witness || person.is_some_and(|p| !p.enabled)) {
        return Err(forbidden(why));
    }
    if kind.lets_go(verdict) && row.approvals(rows, verdict, now).any(|a| *a.by.user == *user) {
        return Err(super::conflict(format!("`{user}` has approved already")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
