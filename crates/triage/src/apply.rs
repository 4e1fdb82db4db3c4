//! What a command reads, and its dispatch to the transition of its noun.
//!
//! Invariants: `reads` names everything that `apply` looks at, in at most `ROUNDS` rounds; a refused command leaves the rows as
//! they were (the caller rolls back to its mark).
//! Source: `design/engine.md` §3.

use crate::command::{Command, Refusal, Request};
use crate::question::Saying;
use crate::rows::{Key, Rows, SpaceId};
use crate::{alert, case, comment, observable, push, question};
use stdx::{Id, Time, Value};

/// Rounds of reads.
pub const ROUNDS: usize = 2;

fn of_case(space: &std::sync::Arc<str>, id: &Id) -> [Key; 2] {
    [Key::Case((space.clone(), id.clone())), Key::Attachments(id.clone())]
}

/// The keys of round `round` (0, 1), given what the earlier rounds loaded.
pub fn reads(request: &Request, loaded: &Rows, round: usize) -> Vec<Key> {
    let space = &request.space;
    let key = |id: &Id| -> SpaceId { (space.clone(), id.clone()) };
    let alerts_of =
        |case: &Id| -> Vec<Key> { case::alert_ids(loaded, case).iter().map(|a| Key::Alert(key(a))).collect() };
    if round == 0 {
        return match &request.command {
            Command::AlertRaise { id, .. } => vec![Key::AlertExists(key(id))],
            Command::AlertDecide { id, .. } => vec![Key::Alert(key(id))],
            Command::AlertStatus { ids, .. } | Command::AlertTags { ids, .. } | Command::AlertAssignees { ids, .. } => {
                ids.iter().map(|id| Key::Alert(key(id))).collect()
            }
            Command::CaseCreate { id, body } => {
                let mut keys = vec![Key::Case(key(id)), Key::CaseNumber(space.clone())];
                keys.extend(case::create::owner_of(body).map(|owner| Key::CasesConfig(space.clone(), owner)));
                keys
            }
            Command::CasePatch { body } => match case::patch::id_of(body) {
                Some(id) if case::patch::may_sync(body) => of_case(space, &id).into(),
                Some(id) => vec![Key::Case(key(&id))],
                None => Vec::new(),
            },
            Command::CaseTags { case, .. }
            | Command::CaseUntag { case, .. }
            | Command::CaseUnassign { case, .. }
            | Command::CaseField { case, .. }
            | Command::CaseExtendedFields { case, .. }
            | Command::ObservablesAdd { case, .. }
            | Command::ObservableUpdate { case, .. }
            | Command::ObservablesDelete { case, .. } => vec![Key::Case(key(case))],
            Command::CasesPatch { cases } => {
                cases.iter().filter_map(case::patch::id_of).flat_map(|id| of_case(space, &id)).collect()
            }
            Command::CaseFromTemplate { id, owner, .. } => {
                vec![Key::Case(key(id)), Key::CaseNumber(space.clone()), Key::CasesConfig(space.clone(), owner.clone())]
            }
            Command::AttachmentsAdd { case, items, .. } => {
                let mut keys = Vec::from(of_case(space, case));
                keys.extend(items.iter().flat_map(comment::alerts_named).map(|a| Key::Alert(key(&a))));
                keys
            }
            Command::CasePushed { case, .. } => of_case(space, case).into(),
            Command::CaseDelete { ids } => ids.iter().flat_map(|id| of_case(space, id)).collect(),
            Command::CommentAdd { case, body, .. } => {
                let mut keys = Vec::from(of_case(space, case));
                keys.extend(comment::alerts_named(body).iter().map(|a| Key::Alert(key(a))));
                keys
            }
            Command::CommentPatch { case, .. } | Command::CommentDelete { case, .. } => of_case(space, case).into(),
            Command::AlertsAttach { case, alerts, .. } => {
                let mut keys = Vec::from(of_case(space, case));
                keys.extend(alerts.iter().flat_map(comment::alerts_named).map(|a| Key::Alert(key(&a))));
                keys
            }
            Command::QuestionAsk(q) => vec![Key::Question(q.id.clone()), Key::Envelope(space.clone())],
            Command::QuestionDecide { id, .. }
            | Command::QuestionClose { id, .. }
            | Command::QuestionRemark { id, .. }
            | Command::QuestionChange { id, .. } => {
                vec![Key::Question(id.clone())]
            }
            Command::Note { .. } => Vec::new(),
        };
    }
    match &request.command {
        Command::CasePatch { body } => {
            let Some(id) = case::patch::id_of(body) else { return Vec::new() };
            let mut keys = if case::patch::may_sync(body) { alerts_of(&id) } else { Vec::new() };
            if let Some(case) = loaded.cases.get(&key(&id))
                && body.get("customFields").is_some()
            {
                keys.push(Key::CasesConfig(space.clone(), case.owner.clone()));
            }
            keys
        }
        Command::CasesPatch { cases } => {
            let ids: Vec<Id> = cases.iter().filter_map(case::patch::id_of).collect();
            let owners = ids.iter().filter_map(|id| loaded.cases.get(&key(id)).map(|c| c.owner.clone()));
            let mut keys: Vec<Key> = owners.map(|owner| Key::CasesConfig(space.clone(), owner)).collect();
            keys.extend(ids.iter().flat_map(alerts_of));
            keys
        }
        Command::CasePushed { case, .. } | Command::CaseField { case, .. } => {
            let mut keys: Vec<Key> = match loaded.cases.get(&key(case)) {
                Some(case) => vec![Key::CasesConfig(space.clone(), case.owner.clone())],
                None => Vec::new(),
            };
            if matches!(&request.command, Command::CasePushed { .. }) {
                keys.extend(alerts_of(case));
            }
            keys
        }
        Command::QuestionDecide { id, .. } => {
            let row = loaded.questions.get(id);
            let answered = row.iter().flat_map(|r| &r.answers).map(|a| Key::Person(a.by.user.clone()));
            let envelope = row.map(|r| Key::Envelope(r.question.space.clone()));
            answered.chain([Key::Person(request.by.user.clone())]).chain(envelope).collect()
        }
        Command::QuestionRemark { to, .. } => {
            to.iter().cloned().chain([request.by.user.clone()]).map(Key::Person).collect()
        }
        Command::QuestionChange { .. } => vec![Key::Person(request.by.user.clone())],
        Command::CaseDelete { ids } => ids.iter().flat_map(alerts_of).collect(),
        Command::CommentDelete { case, .. } => alerts_of(case),
        _ => Vec::new(),
    }
}

/// Works a command off on rows that hold everything it reads. On a refusal the caller rolls the rows back.
pub fn apply(rows: &mut Rows, now: Time, request: &Request) -> Result<Value, Refusal> {
    let (space, by) = (&request.space, &request.by);
    let key = |id: &Id| -> SpaceId { (space.clone(), id.clone()) };
    match &request.command {
        Command::AlertRaise { id, index, document } => alert::raise(rows, now, key(id), index, document),
        Command::AlertDecide { id, version, commands } => {
            alert::decide(rows, now, space, &by.user, id, *version, commands)
        }
        c @ (Command::AlertStatus { .. } | Command::AlertTags { .. } | Command::AlertAssignees { .. }) => {
            alert::apply(rows, now, space, &by.user, c)
        }
        Command::CaseCreate { id, body } => case::create::create(rows, now, by, key(id), body),
        Command::CasePatch { body } => case::patch::patch(rows, now, by, space, body),
        Command::CaseTags { case, add } => case::add_tags(rows, now, by, &key(case), add),
        Command::CaseDelete { ids } => case::delete(rows, now, space, ids),
        Command::CommentAdd { case, id, body } => comment::add(rows, now, by, &key(case), id, body),
        Command::CommentPatch { case, body } => comment::patch(rows, now, by, &key(case), body),
        Command::CommentDelete { case, comment } => comment::delete(rows, now, by, &key(case), comment),
        Command::AlertsAttach { case, id, alerts } => comment::attach(rows, now, by, &key(case), id, alerts),
        Command::ObservablesAdd { case, id, observables } => {
            observable::add(rows, now, by, &key(case), id, observables)
        }
        Command::CasesPatch { cases } => case::patch::many(rows, now, by, space, cases),
        Command::CaseFromTemplate { id, template, owner, overwrites } => {
            case::template::create(rows, now, by, key(id), template, owner, overwrites)
        }
        Command::CaseUntag { case, remove } => case::single::untag(rows, now, by, &key(case), remove),
        Command::CaseUnassign { case, remove, version } => {
            case::single::unassign(rows, now, by, &key(case), remove.as_deref(), version.as_deref())
        }
        Command::CaseField { case, field, value, version } => {
            case::single::field(rows, now, by, &key(case), (field, value), version.as_deref())
        }
        Command::CaseExtendedFields { case, fields, version } => {
            case::single::extended(rows, now, by, &key(case), fields, version.as_deref())
        }
        Command::AttachmentsAdd { case, id, items } => comment::add_many(rows, now, by, &key(case), id, items),
        Command::ObservableUpdate { case, observable, body } => {
            observable::update(rows, now, by, &key(case), observable, body)
        }
        Command::ObservablesDelete { case, observables } => observable::delete(rows, now, by, &key(case), observables),
        Command::CasePushed { case, connector, result, comments } => {
            push::pushed(rows, now, by, &key(case), connector, result, comments)
        }
        Command::QuestionAsk(q) => question::ask(rows, space, q),
        Command::QuestionDecide { id, verdict, hash, comment, output, signature } => {
            let saying = Saying {
                verdict: *verdict,
                hash: hash.as_deref(),
                comment: comment.as_ref(),
                output: output.as_ref(),
                signature: signature.as_deref(),
            };
            question::decide(rows, now, by, id, saying)
        }
        Command::QuestionRemark { id, kind, to, text } => {
            let (by, to, text) = (by.clone(), to.clone(), text.clone());
            let remark = question::Remark { by, at: now, kind: *kind, to, text, before: None };
            question::policy::remark(rows, now, id, remark)
        }
        Command::QuestionChange { id, hash, actions, comment } => {
            question::change::change(rows, now, by, id, &question::change::Wanted { hash, actions, comment })
        }
        Command::QuestionClose { id, state } => question::close(rows, now, id, *state),
        // A request with a key gets the details of its first attempt back.
        Command::Note { details, .. } => Ok(details.clone()),
    }
}

/// What the audit trail says of a command that was worked off: one entry, but for changes of alerts one under each alert that is there.
pub fn audits(request: &Request, rows: &Rows) -> Vec<(&'static str, (&'static str, Id), Value)> {
    let single = |id: &Id, command: &Command| {
        let list = || vec![id.clone()];
        match command {
            Command::AlertStatus { status, reason, .. } => {
                Command::AlertStatus { ids: list(), status: status.clone(), reason: reason.clone() }
            }
            Command::AlertTags { add, remove, .. } => {
                Command::AlertTags { ids: list(), add: add.clone(), remove: remove.clone() }
            }
            Command::AlertAssignees { add, remove, .. } => {
                Command::AlertAssignees { ids: list(), add: add.clone(), remove: remove.clone() }
            }
            other => other.clone(),
        }
    };
    let of = |command: Command| audit(&Request { command, ..request.clone() });
    match &request.command {
        c @ (Command::AlertStatus { ids, .. }
        | Command::AlertTags { ids, .. }
        | Command::AlertAssignees { ids, .. })
            if ids.len() > 1 =>
        {
            let mut seen = std::collections::BTreeSet::new();
            let there = |id: &&Id| rows.alerts.get(&(request.space.clone(), (*id).clone())).is_some();
            ids.iter().filter(there).filter(|id| seen.insert((*id).clone())).map(|id| of(single(id, c))).collect()
        }
        Command::AlertDecide { commands, .. } => commands.iter().map(|c| of(c.clone())).collect(),
        Command::QuestionChange { id, .. } => {
            let (action, of, mut body) = audit(request);
            if let (Some(o), Some(row)) = (body.object_mut(), rows.questions.get(id)) {
                o.insert("hash", row.question.hash.clone());
            }
            vec![(action, of, body)]
        }
        _ => vec![audit(request)],
    }
}

/// What the audit trail says of a command: the action, what it is about, and the body that may be erased.
pub fn audit(request: &Request) -> (&'static str, (&'static str, Id), Value) {
    let ids = |ids: &[Id]| ids.first().cloned().unwrap_or_else(|| Id::from(""));
    let strings = |list: &[std::sync::Arc<str>]| Value::array(list.iter().cloned().map(Value::from));
    let id_list = |list: &[Id]| Value::array(list.iter().cloned().map(Value::from));
    match &request.command {
        Command::AlertRaise { id, index, document } => {
            let rule = document.field("kibana.alert.rule.uuid").cloned().unwrap_or_default();
            (
                "alert.raise",
                ("alert", id.clone()),
                Value::object([("index", Value::from(index.clone())), ("rule", rule)]),
            )
        }
        Command::AlertDecide { id, version, .. } => {
            ("alert.decide", ("alert", id.clone()), Value::object([("version", Value::from(*version))]))
        }
        Command::AlertStatus { ids: list, status, reason } => (
            "alert.status",
            ("alert", ids(list)),
            Value::object([
                ("ids", id_list(list)),
                ("status", Value::from(status.clone())),
                ("reason", Value::from(reason.clone())),
            ]),
        ),
        Command::AlertTags { ids: list, add, remove } => (
            "alert.tags",
            ("alert", ids(list)),
            Value::object([("ids", id_list(list)), ("add", strings(add)), ("remove", strings(remove))]),
        ),
        Command::AlertAssignees { ids: list, add, remove } => (
            "alert.assignees",
            ("alert", ids(list)),
            Value::object([("ids", id_list(list)), ("add", strings(add)), ("remove", strings(remove))]),
        ),
        Command::CaseCreate { id, body } => ("case.create", ("case", id.clone()), body.clone()),
        Command::CasePatch { body } => {
            ("case.update", ("case", case::patch::id_of(body).unwrap_or_else(|| Id::from(""))), body.clone())
        }
        Command::CaseTags { case, add } => {
            ("case.tags", ("case", case.clone()), Value::object([("add", strings(add))]))
        }
        Command::CaseDelete { ids: list } => {
            ("case.delete", ("case", ids(list)), Value::object([("ids", id_list(list))]))
        }
        Command::CommentAdd { case, body, .. } => {
            // The content of a file is not the audit's.
            let mut body = body.clone();
            if body.get(comment::CONTENT).is_some()
                && let Some(o) = body.object_mut()
            {
                o.remove(comment::CONTENT);
            }
            ("case.comment.add", ("case", case.clone()), body)
        }
        Command::CommentPatch { case, body } => ("case.comment.update", ("case", case.clone()), body.clone()),
        Command::CommentDelete { case, comment } => {
            ("case.comment.delete", ("case", case.clone()), Value::object([("comment", Value::from(comment.clone()))]))
        }
        Command::AlertsAttach { case, alerts, .. } => {
            ("case.alerts.attach", ("case", case.clone()), Value::object([("alerts", Value::from(alerts.clone()))]))
        }
        Command::ObservablesAdd { case, observables, .. } => (
            "case.observables.add",
            ("case", case.clone()),
            Value::object([("observables", Value::from(observables.clone()))]),
        ),
        Command::CasesPatch { cases } => (
            "case.update",
            ("case", cases.first().and_then(case::patch::id_of).unwrap_or_else(|| Id::from(""))),
            Value::object([("cases", Value::from(cases.clone()))]),
        ),
        Command::CaseFromTemplate { id, template, owner, overwrites } => (
            "case.create",
            ("case", id.clone()),
            Value::object([
                ("template", Value::from(template.clone())),
                ("owner", Value::from(owner.clone())),
                ("overwrites", overwrites.clone()),
            ]),
        ),
        Command::CaseUntag { case, remove } => {
            ("case.tags", ("case", case.clone()), Value::object([("remove", strings(remove))]))
        }
        Command::CaseUnassign { case, remove, .. } => (
            "case.update",
            ("case", case.clone()),
            Value::object([("unassign", remove.as_deref().map_or(Value::Null, strings))]),
        ),
        Command::CaseField { case, field, value, .. } => (
            "case.update",
            ("case", case.clone()),
            Value::object([("field", Value::from(field.clone())), ("value", value.clone())]),
        ),
        Command::CaseExtendedFields { case, fields, .. } => {
            ("case.update", ("case", case.clone()), Value::object([("extended_fields", fields.clone())]))
        }
        Command::AttachmentsAdd { case, items, .. } => {
            ("case.comment.add", ("case", case.clone()), Value::object([("items", Value::from(items.clone()))]))
        }
        Command::ObservableUpdate { case, observable, body } => (
            "case.observables.update",
            ("case", case.clone()),
            Value::object([("observable", Value::from(observable.clone())), ("body", body.clone())]),
        ),
        Command::ObservablesDelete { case, observables } => {
            ("case.observables.delete", ("case", case.clone()), Value::object([("observables", id_list(observables))]))
        }
        Command::CasePushed { case, connector, result, .. } => (
            "case.push",
            ("case", case.clone()),
            Value::object([("connector", connector.clone()), ("result", result.clone())]),
        ),
        Command::QuestionAsk(q) => (
            "approval.ask",
            ("approval", q.id.clone()),
            Value::object([
                ("execution", Value::from(q.execution.clone())),
                ("path", Value::from(q.path.clone())),
                ("hash", Value::from(q.hash.clone())),
                ("message", Value::from(q.message.clone())),
            ]),
        ),
        Command::QuestionDecide { id, verdict, hash, comment, signature, .. } => {
            let mut body = vec![
                ("verdict", stdx::json::to_value(verdict)),
                ("hash", Value::from(hash.clone())),
                ("comment", Value::from(comment.clone())),
            ];
            // Whole, so that the trail alone proves who signed what.
            body.extend(signature.as_ref().map(|s| ("signature", stdx::json::to_value(s))));
            ("approval.decide", ("approval", id.clone()), Value::object(body))
        }
        Command::QuestionRemark { id, kind, to, text } => (
            "approval.remark",
            ("approval", id.clone()),
            Value::object([
                ("kind", stdx::json::to_value(kind)),
                ("to", Value::from(to.clone())),
                ("text", Value::from(text.clone())),
            ]),
        ),
        Command::QuestionChange { id, hash, actions, comment } => (
            "approval.change",
            ("approval", id.clone()),
            Value::object([
                ("was", Value::from(hash.clone())),
                ("actions", stdx::json::to_value(actions)),
                ("comment", Value::from(comment.clone())),
            ]),
        ),
        Command::QuestionClose { id, state } => {
            ("approval.close", ("approval", id.clone()), Value::object([("state", Value::from(state.as_str()))]))
        }
        Command::Note { of, details, .. } => ("note", ("note", of.1.clone()), details.clone()),
    }
}
