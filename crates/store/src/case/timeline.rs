//! The timeline of a case: changes, attachments and approvals in one order of time.
//!
//! Invariants: each thing stands once; a comment that was deleted leaves its user action only.
//! Not here: the wire shape of the web page (`api`).

use crate::error::Error;
use crate::question::QuestionFilter;
use crate::reader::Reader;
use stdx::Time;
use triage::{Actor, Attachment, QuestionRow, UserAction};

/// What stands at one place of the timeline.
#[derive(Clone, Debug)]
pub enum TimelineItem {
    /// A change (every user action but the creation of an attachment that still exists).
    Change(UserAction),
    /// A comment, alerts, a reference.
    Attachment(Attachment),
    /// A question or settlement about this case, or of a run that changed it.
    Question(Box<QuestionRow>),
}

/// One entry, oldest first.
#[derive(Clone, Debug)]
pub struct TimelineEntry {
    /// When.
    pub at: Time,
    /// Who.
    pub by: Actor,
    /// What.
    pub item: TimelineItem,
}

/// Most questions shown in one timeline.
const QUESTIONS_MAX: u64 = 500;

impl Reader {
    /// The timeline of a case, oldest first.
    pub fn timeline(&self, space: &str, case: &str) -> Result<Vec<TimelineEntry>, Error> {
        let mut out = Vec::new();
        let attachments = self.comment_list(case)?;
        let present: std::collections::BTreeSet<_> = attachments.iter().map(|a| a.id.clone()).collect();
        let all = crate::case::ActionFilter { limit: u64::MAX, ..Default::default() };
        let mut seen = std::collections::BTreeSet::new();
        for a in self.user_action_list(case, &all)?.0 {
            if &*a.kind == "comment"
                && &*a.action == "create"
                && a.comment.as_ref().is_some_and(|c| present.contains(c))
            {
                continue;
            }
            out.push(TimelineEntry { at: a.at, by: a.by.clone(), item: TimelineItem::Change(a) });
        }
        for a in attachments {
            out.push(TimelineEntry { at: a.created.at, by: a.created.by.clone(), item: TimelineItem::Attachment(a) });
        }
        let mut filters = vec![QuestionFilter {
            space: space.into(),
            about: Some(case.into()),
            limit: QUESTIONS_MAX,
            ..Default::default()
        }];
        for execution in self.case_executions(case)? {
            filters.push(QuestionFilter {
                space: space.into(),
                execution: Some(execution),
                limit: QUESTIONS_MAX,
                ..Default::default()
            });
        }
        for f in &filters {
            for row in self.question_list(f)? {
                if !seen.insert(row.question.id.clone()) {
                    continue;
                }
                let by = Actor {
                    user: row.question.workflow_name.clone(),
                    channel: "workflow".into(),
                    execution: Some(row.question.execution.clone()),
                    step: Some(row.question.step.clone()),
                };
                out.push(TimelineEntry { at: row.question.asked_at, by, item: TimelineItem::Question(Box::new(row)) });
            }
        }
        out.sort_by_key(|e| e.at);
        Ok(out)
    }
}
