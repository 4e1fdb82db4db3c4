//! What people see of a run that is over, in a form that two worlds can be compared by.
//!
//! Invariants: ids that hold fact numbers are left out; what remains must be the same with and without a crash.
//! Not here: whether it is right (`check`).

use crate::world::{SPACE, World};
use std::collections::BTreeMap;
use stdx::Value;
use store::CaseFilter;
use triage::QuestionKind;
use workflow::{Body, FactKind};

/// What a run left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Status.
    pub status: String,
    /// Output and error of the run; not compared where an outcome was settled.
    pub output: String,
    /// Cases: title, status, severity, tags, comments, alerts, observables.
    pub cases: Vec<String>,
    /// Kinds of attachments and how many.
    pub attachments: BTreeMap<String, u64>,
    /// Alerts and their status.
    pub alerts: Vec<(String, String)>,
    /// Questions by state.
    pub questions: BTreeMap<String, u64>,
    /// Settlements by state; not compared where the crash made one.
    pub settlements: BTreeMap<String, u64>,
    /// Internal effects done, settlements not counted.
    pub internal: u64,
    /// Keys of effects that began.
    pub effects: u64,
}

impl Outcome {
    /// The outcome without what a settlement may change.
    #[must_use]
    pub fn without_settled(&self) -> Self {
        Self { output: String::new(), settlements: BTreeMap::new(), ..self.clone() }
    }
}

impl World {
    /// What the run left behind.
    pub(crate) fn outcome(&self) -> anyhow::Result<Outcome> {
        let mut out = Outcome { status: self.state.summary().status.as_str().into(), ..Outcome::default() };
        let end = self.journal()?.into_iter().find_map(|f| match f.what {
            FactKind::Ended { output, error, .. } => Some((output, error)),
            _ => None,
        });
        if let Some((output, error)) = end {
            let value = match output {
                Body::Inline(value) => (*value).clone(),
                Body::Payload(n) => self.store.read(|r| r.payload_get(self.run_id(), n))?.unwrap_or_default(),
                Body::Null | Body::Blob(_) => Value::Null,
            };
            let error = error.map(|f| format!(" {}: {}", f.kind, f.message)).unwrap_or_default();
            out.output = format!("{}{error}", stdx::json::canonical(&value));
        }
        let filter = CaseFilter { space: SPACE.into(), limit: 1000, ..CaseFilter::default() };
        for case in self.store.read(|r| r.case_find(&filter))?.cases {
            out.cases.push(format!(
                "{} {} {} {:?} {:?} comments {} alerts {} observables {}",
                case.title,
                case.status,
                case.severity,
                case.tags,
                case.assignees,
                case.comments,
                case.alerts,
                case.observables.len()
            ));
            for attachment in self.store.read(|r| r.comment_list(&case.id))? {
                *out.attachments.entry(attachment.kind.to_string()).or_default() += 1;
            }
        }
        out.cases.sort();
        for (_, alert) in self.store.read(|r| r.alert_scan(SPACE, 0, 1000))? {
            out.alerts.push((alert.id.to_string(), format!("{} cases {}", alert.status(), alert.case_ids().len())));
        }
        for row in self.questions()? {
            let map = match row.question.kind {
                QuestionKind::Question | QuestionKind::Input => &mut out.questions,
                QuestionKind::Settlement => &mut out.settlements,
            };
            *map.entry(row.state.as_str().to_owned()).or_default() += 1;
        }
        // Asking for a settlement is an internal effect of its own; a crash may add one.
        out.internal = (self.internal.len() as u64).saturating_sub(out.settlements.values().sum());
        let keys: std::collections::BTreeSet<_> = self.ledger.iter().map(|b| &b.key).collect();
        out.effects = keys.len() as u64;
        Ok(out)
    }
}
