//! Cases and alerts of a run in memory, changed by the same transitions as in the store.
//!
//! Invariants: every row that a command reads is loaded first, as absent where it was never made; a refusal changes nothing.
//! Not here: questions, which the run itself keeps.

use crate::core::Fault;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::actor::Actor;
use triage::alert::Alert;
use triage::command::Request;
use triage::{Command, Key, Rows};

pub(super) struct Records {
    space: Arc<str>,
    rows: Rows,
    opened: Vec<Id>,
}

impl Records {
    pub(super) fn new(space: &Arc<str>, alerts: &[Value], now: Time) -> Self {
        let mut rows = Rows::default();
        rows.numbers.load(space.clone(), Some(1));
        for document in alerts {
            let field = |path: &str| document.field(path).and_then(Value::as_str);
            let Some(id) = field("_id").or_else(|| field("kibana.alert.uuid")).map(Id::from) else { continue };
            let index = field("_index").unwrap_or(".alerts-security.alerts-default").into();
            let alert = Alert {
                id: id.clone(),
                space: space.clone(),
                index,
                version: 1,
                created: now,
                updated: now,
                document: document.clone(),
            };
            rows.alerts.load((space.clone(), id.clone()), Some(alert));
            rows.alerts_present.insert((space.clone(), id));
        }
        Self { space: space.clone(), rows, opened: vec![] }
    }

    pub(super) fn apply(
        &mut self,
        now: Time,
        execution: &Id,
        step: &Arc<str>,
        command: &Command,
    ) -> Result<Value, Fault> {
        let by = Actor {
            user: "tester".into(),
            channel: "workflow".into(),
            execution: Some(execution.clone()),
            step: Some(step.clone()),
        };
        let request = Request { space: self.space.clone(), by, key: None, command: command.clone() };
        for round in 0..triage::ROUNDS {
            for key in triage::reads(&request, &self.rows, round) {
                self.load(key);
            }
        }
        let mark = self.rows.mark();
        match triage::apply(&mut self.rows, now, &request) {
            Ok(result) => {
                if let Command::CaseCreate { id, .. } = command {
                    self.opened.push(id.clone());
                }
                Ok(result)
            }
            Err(refusal) => {
                self.rows.rollback(mark);
                let status = i64::from(refusal.kind.status());
                let details = Value::object([("status", Value::Int(status))]);
                // As the store says it.
                Err(Fault::new("ApiError", refusal.message).details(details))
            }
        }
    }

    fn load(&mut self, key: Key) {
        if self.rows.known(&key) {
            return;
        }
        match key {
            Key::AlertExists(k) | Key::Alert(k) => self.rows.alerts.load(k, None),
            Key::Case(k) => self.rows.cases.load(k, None),
            Key::Attachments(k) => drop(self.rows.attachments_of.insert(k)),
            Key::CaseNumber(k) => self.rows.numbers.load(k, Some(1)),
            Key::CasesConfig(space, owner) => drop(self.rows.configs.insert((space, owner), None)),
            Key::Question(k) => self.rows.questions.load(k, None),
            Key::Person(k) => drop(self.rows.people.insert(k, None)),
            Key::Envelope(k) => drop(self.rows.envelopes.insert(k, None)),
        }
    }

    pub(super) fn cases(&self) -> Vec<Value> {
        let mut out = vec![];
        for id in &self.opened {
            let key = (self.space.clone(), id.clone());
            let Some(case) = self.rows.cases.get(&key) else { continue };
            let comments: Vec<&Arc<triage::Attachment>> = if self.rows.attachments_of.contains(id) {
                self.rows.attachments_of_case(id).collect()
            } else {
                vec![]
            };
            out.push(case.to_api(Some(comments.iter().map(|a| a.to_api()).collect())));
        }
        out
    }

    pub(super) fn alert(&self, id: &str) -> Option<Value> {
        let key = (self.space.clone(), Id::from(id));
        if !self.rows.alerts.known(&key) {
            return None;
        }
        self.rows.alerts.get(&key).map(|a| a.document.clone())
    }
}
