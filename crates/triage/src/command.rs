//! What may be asked of alerts, cases and questions.
//!
//! Invariants: a command carries everything it needs but the rows it reads; ids that it creates are given by the caller.
//! Not here: the transitions (one file per noun beside this one), the order of commits (`store`).

use crate::actor::Actor;
use crate::question::{Question, Verdict};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Value};

/// A command with its space, its actor and its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Space.
    pub space: Arc<str>,
    /// Who asks.
    pub by: Actor,
    /// Idempotency key; the same key gives the first answer back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// What is asked.
    pub command: Command,
}

/// A change of alerts, cases or questions. Bodies follow the shapes of Kibana's API (`reference/kibana-apis.md` §2, §4.6);
/// `triage` decodes and validates them, so that API, workflow steps and importers share one validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub enum Command {
    /// Changes of one alert that hold only while it has this version: all of them or none.
    AlertDecide {
        /// The alert.
        id: Id,
        /// Its version when the person looked.
        version: u64,
        /// What is asked: `AlertStatus`, `AlertTags`, `AlertAssignees` of this alert alone.
        commands: Vec<Command>,
    },
    /// Inserts an alert unless its id exists. Result `{inserted: bool}`.
    AlertRaise {
        /// `kibana.alert.uuid`.
        id: Id,
        /// Concrete alert index.
        index: Arc<str>,
        /// The whole alert document.
        document: Value,
    },
    /// `signals/status` by ids; at most `ALERTS_MAX` ids, more is sliced by the caller. Result `{updated, missing[]}`.
    AlertStatus {
        /// Alert ids.
        ids: Vec<Id>,
        /// `open`, `acknowledged` (also `in-progress`), `closed`.
        status: Arc<str>,
        /// Closing reason.
        reason: Option<Arc<str>>,
    },
    /// `signals/tags`.
    AlertTags {
        /// Alert ids.
        ids: Vec<Id>,
        /// Tags to add.
        add: Vec<Arc<str>>,
        /// Tags to remove.
        remove: Vec<Arc<str>>,
    },
    /// `signals/assignees`.
    AlertAssignees {
        /// Alert ids.
        ids: Vec<Id>,
        /// User ids to add.
        add: Vec<Arc<str>>,
        /// User ids to remove.
        remove: Vec<Arc<str>>,
    },
    /// `POST /api/cases`. Result: the case object.
    CaseCreate {
        /// Id of the new case.
        id: Id,
        /// Body of `POST /api/cases`.
        body: Value,
    },
    /// One element of `PATCH /api/cases`; `version` inside, stale gives `Conflict`. Result: the case object.
    CasePatch {
        /// `{id, version?, …changed fields}`; without `version` the change is unconditional (workflow steps).
        body: Value,
    },
    /// Adds tags to a case, keeping those it has.
    CaseTags {
        /// Case.
        case: Id,
        /// Tags to add.
        add: Vec<Arc<str>>,
    },
    /// Deletes cases.
    CaseDelete {
        /// Cases.
        ids: Vec<Id>,
    },
    /// Adds a comment. Result: the case object.
    CommentAdd {
        /// Case.
        case: Id,
        /// Id of the comment.
        id: Id,
        /// Body of `POST /api/cases/{id}/comments` (type `user`), or `{text, …}` plus the optional member `watchfire`
        /// (links to execution and step shown in the timeline).
        body: Value,
    },
    /// Changes a comment's text; version inside.
    CommentPatch {
        /// Case.
        case: Id,
        /// `{id, version, comment}`.
        body: Value,
    },
    /// Deletes a comment.
    CommentDelete {
        /// Case.
        case: Id,
        /// Comment.
        comment: Id,
    },
    /// Attaches alerts to a case and writes `kibana.alert.case_ids`. Result: the case object.
    AlertsAttach {
        /// Case.
        case: Id,
        /// Id of the attachment.
        id: Id,
        /// `[{alertId, index, rule: {id, name}}]`.
        alerts: Vec<Value>,
    },
    /// Adds observables. Result: the case object.
    ObservablesAdd {
        /// Case.
        case: Id,
        /// Seed for ids.
        id: Id,
        /// `[{typeKey, value, description}]`.
        observables: Vec<Value>,
    },
    /// Changes cases, all or none: elements as in [`Command::CasePatch`]. Result: the case objects in order.
    CasesPatch {
        /// Elements.
        cases: Vec<Value>,
    },
    /// Creates a case from a template of the owner's configuration. Result: the case object.
    CaseFromTemplate {
        /// Id of the new case.
        id: Id,
        /// Key of the template.
        template: Arc<str>,
        /// Owner.
        owner: Arc<str>,
        /// Fields that win over the template's.
        overwrites: Value,
    },
    /// Removes tags from a case. Result: the case object.
    CaseUntag {
        /// Case.
        case: Id,
        /// Tags to remove.
        remove: Vec<Arc<str>>,
    },
    /// Removes assignees, all of them where none is named. Result: the case object.
    CaseUnassign {
        /// Case.
        case: Id,
        /// Uids to remove.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remove: Option<Vec<Arc<str>>>,
        /// Version that the caller saw.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Arc<str>>,
    },
    /// Sets one custom field and keeps the others. Result: the case object.
    CaseField {
        /// Case.
        case: Id,
        /// Key of the field.
        field: Arc<str>,
        /// Value; null empties it.
        value: Value,
        /// Version that the caller saw.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Arc<str>>,
    },
    /// Merges extended fields. Result: the case object.
    CaseExtendedFields {
        /// Case.
        case: Id,
        /// `{<name>_as_<type>: text}`.
        fields: Value,
        /// Version that the caller saw.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Arc<str>>,
    },
    /// Adds attachments of any kinds, all or none. Result: the case object with its attachments.
    AttachmentsAdd {
        /// Case.
        case: Id,
        /// Seed for ids.
        id: Id,
        /// Bodies as in [`Command::CommentAdd`].
        items: Vec<Value>,
    },
    /// Changes an observable. Result: the case object.
    ObservableUpdate {
        /// Case.
        case: Id,
        /// Observable.
        observable: Id,
        /// `{value?, description?}`.
        body: Value,
    },
    /// Removes observables. Result: the case object.
    ObservablesDelete {
        /// Case.
        case: Id,
        /// Observables.
        observables: Vec<Id>,
    },
    /// Records that an outside service took the case. Result: the case object with its attachments.
    CasePushed {
        /// Case.
        case: Id,
        /// Connector: `{id, name}`.
        connector: Value,
        /// What the service answered: `{id, title, url, pushedDate}`.
        result: Value,
        /// Attachments that went with it.
        comments: Vec<Id>,
    },
    /// Asks a question or a settlement.
    QuestionAsk(Box<Question>),
    /// A person's decision; `hash` must be the row's. Result: the row.
    QuestionDecide {
        /// Row.
        id: Id,
        /// What the person says.
        verdict: Verdict,
        /// Hash that the person saw; required for `Approve`.
        hash: Option<Arc<str>>,
        /// Comment.
        comment: Option<Arc<str>>,
        /// Settlement `happened`: the output the step gets.
        output: Option<Value>,
        /// A passkey's signature.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<Box<crate::question::passkey::Signed>>,
    },
    /// Says something on an open row without deciding it: asks back, replies, hands it on. Result: the row.
    QuestionRemark {
        /// Row.
        id: Id,
        /// What kind.
        kind: crate::question::RemarkKind,
        /// Delegation: to whom.
        to: Option<Arc<str>>,
        /// Text.
        text: Option<Arc<str>>,
    },
    /// Changes parameters of what will run: a new hash without answers. Result: the row.
    QuestionChange {
        /// Row.
        id: Id,
        /// Hash that the person saw.
        hash: Arc<str>,
        /// New requests.
        actions: Vec<crate::question::Changed>,
        /// Why.
        comment: Arc<str>,
    },
    /// Closes an open row without an answer.
    QuestionClose {
        /// Row.
        id: Id,
        /// `expired`, `withdrawn` or `void`.
        state: crate::question::QuestionState,
    },
    /// A line for the audit trail alone (attempt started, attempt ended, run started, run ended, sign-in …).
    Note {
        /// What happened, for example `effect.attempt`.
        action: Arc<str>,
        /// Of what: (noun, id).
        of: (Arc<str>, Id),
        /// Details; never a secret.
        details: Value,
    },
}

/// Why a command was refused; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Kind, from which the API makes a status.
    pub kind: RefusalKind,
    /// What the caller is told.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusalKind {
    /// 400
    Invalid,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 409
    Conflict,
    /// 406: all given values are identical to the current ones.
    Unchanged,
}

impl RefusalKind {
    /// The HTTP status it becomes.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Unchanged => 406,
            Self::Conflict => 409,
        }
    }
}

impl Refusal {
    /// A refusal of `kind`.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Most rows that one command names; more is worked off in slices.
pub const ROWS_MAX: usize = 256;
