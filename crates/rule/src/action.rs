//! Rule actions of the Workflows kind: which workflow runs for new alerts, once for all of them or once each.
//!
//! Invariants: each action has a uuid, given or derived from its place and parameters; actions of other kinds are kept in the rule's body
//! and reported, never run.
//! Not here: starting executions (`engine`).
//! Source: Kibana system action `.workflows`.

use crate::rule::load_duration;
use std::sync::Arc;
use stdx::{Diagnostic, Duration, Id, Span, Time, Value};

/// The action type of workflows.
pub const WORKFLOWS: &str = ".workflows";
/// The connector id that Kibana gives that action.
pub const WORKFLOWS_CONNECTOR: &str = "system-connector-.workflows";
/// How long a summary gathers alerts when nothing else is said.
pub const SUMMARY_WINDOW_DEFAULT: Duration = Duration::from_secs(1);

/// Runs a workflow for new alerts of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Identifies the action inside its rule; executions derive their id from it.
    pub uuid: Id,
    /// The workflow.
    pub workflow_id: Arc<str>,
    /// True: one run with all new alerts of the window; false: one run per alert.
    pub summary: bool,
    /// How long a summary gathers alerts; `None` is [`SUMMARY_WINDOW_DEFAULT`].
    pub throttle: Option<Duration>,
}

impl Action {
    /// The time between a summary's first alert and its run.
    pub fn window(&self) -> Duration {
        self.throttle.unwrap_or(SUMMARY_WINDOW_DEFAULT)
    }
}

/// Decodes `actions[]`.
pub(crate) fn load(items: &[Value]) -> (Vec<Action>, Vec<Diagnostic>) {
    let (mut out, mut findings) = (Vec::<Action>::new(), Vec::new());
    for (i, item) in items.iter().enumerate() {
        let path = format!("actions[{i}]");
        let error = |message: String| Diagnostic::error("ruleAction", Span::default(), message).at(path.clone());
        let kind = item.get("action_type_id").and_then(Value::as_str);
        // Terraform and some clients name only the connector.
        let by_connector = item.get("id").and_then(Value::as_str) == Some(WORKFLOWS_CONNECTOR);
        match kind {
            Some(WORKFLOWS) => {}
            None if by_connector => {}
            Some(other) => {
                findings.push(
                    Diagnostic::warning(
                        "ruleActionKind",
                        Span::default(),
                        format!("actions of kind `{other}` are kept and not run"),
                    )
                    .hint("attach a workflow that calls the connector")
                    .at(path.clone()),
                );
                continue;
            }
            None => {
                findings.push(error("an action needs `action_type_id`".into()));
                continue;
            }
        }
        let params = item.path(&["params", "subActionParams"]);
        let Some(workflow_id) =
            params.and_then(|p| p.get("workflowId")).and_then(Value::as_str).filter(|w| !w.is_empty())
        else {
            findings.push(error("a workflow action needs `params.subActionParams.workflowId`".into()));
            continue;
        };
        let summary = match params.and_then(|p| p.get("summaryMode")).or_else(|| item.path(&["frequency", "summary"])) {
            None | Some(Value::Null) => true,
            Some(Value::Bool(b)) => *b,
            Some(_) => {
                findings.push(error("`summaryMode` must be true or false".into()));
                continue;
            }
        };
        let throttle = match item.path(&["frequency", "throttle"]) {
            None | Some(Value::Null) => None,
            Some(v) => match v.as_str().and_then(load_duration).filter(|d| d.0 > 0) {
                Some(d) => Some(d),
                None => {
                    findings.push(error("`frequency.throttle` must be a length of time such as `1h`".into()));
                    continue;
                }
            },
        };
        let uuid = item.get("uuid").and_then(Value::as_str).filter(|u| !u.is_empty()).map_or_else(
            || stdx::id::uuid_v8(Time(0), &["action", &i.to_string(), workflow_id, if summary { "s" } else { "a" }]),
            Id::from,
        );
        if out.iter().any(|a| a.uuid == uuid) {
            findings.push(error(format!("the uuid `{uuid}` is used by two actions")));
            continue;
        }
        out.push(Action { uuid, workflow_id: workflow_id.into(), summary, throttle });
    }
    (out, findings)
}

/// The list as the API answers it: each workflow action with its uuid and connector id.
pub(crate) fn completed(items: Option<&Value>, actions: &[Action]) -> Value {
    let mut known = actions.iter();
    Value::array(items.and_then(Value::as_array).unwrap_or_default().iter().map(|item| {
        let kind = item.get("action_type_id").and_then(Value::as_str).unwrap_or(WORKFLOWS);
        let mut item = item.clone();
        if let (WORKFLOWS, Some(action), Some(o)) =
            (kind, if kind == WORKFLOWS { known.next() } else { None }, item.object_mut())
        {
            o.insert("action_type_id", WORKFLOWS);
            o.insert("id", WORKFLOWS_CONNECTOR);
            o.insert("uuid", action.uuid.clone());
        }
        item
    }))
}
