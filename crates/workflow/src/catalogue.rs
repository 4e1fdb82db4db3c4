//! The action catalogue: step types that leave the state machine, as data filled by `engine` from `connector`.
//!
//! Invariants: each operation declares its class once; a connector file or a step may raise it, nothing lowers it.
//! Not here: the flow and data step types, which are code (`steps`).

use crate::core::Class;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::Value;

/// One operation of the outside, for example `slack_api.postMessage`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationMeta {
    /// Step type.
    pub name: Arc<str>,
    /// Title for people.
    pub title: Arc<str>,
    /// Group in the catalogue, for example `Chat`.
    pub group: Arc<str>,
    /// Worst class.
    pub class: Class,
    /// JSON Schema of `with`.
    pub schema: Value,
    /// JSON Schema of the output.
    pub output: Value,
    /// Connector type this needs, for example `.slack_api`; `None` where no connector is needed.
    pub connector: Option<Arc<str>>,
    /// True where the operation tells people and waits out an outage (`deliver-within`), in seconds.
    pub deliver_within_s: Option<u32>,
}

/// What `decide` may know of a stored connector: never its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorView {
    /// Id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Type, for example `.slack_api`, `.ssh`, `.gen-ai`, `.http`.
    pub kind: Arc<str>,
    /// Where its calls go: `{base_url}` or `{host, port, user, host_key}`; frozen with an approval and compared before the first byte.
    pub target: Value,
    /// Names of its secrets.
    pub secrets: Vec<Arc<str>>,
}

/// What `decide` may know of another workflow of the space.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowView {
    /// Id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// May be started.
    pub enabled: bool,
    /// Has a valid definition.
    pub valid: bool,
    /// Version that a start now runs.
    pub version: u64,
    /// JSON Schema of its inputs; `Null` where it is not known: then the child checks them itself.
    pub inputs: Value,
    /// JSON Schema of its outputs; `Null` where none is declared or known.
    pub outputs: Value,
}

/// All operations, all stored connectors and all workflows of a space, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Operations by step type.
    pub operations: BTreeMap<Arc<str>, OperationMeta>,
    /// Connectors by id.
    pub connectors: BTreeMap<Arc<str>, ConnectorView>,
    /// Workflows by id; `None` where they were not loaded (the validator then says nothing about them).
    pub workflows: Option<BTreeMap<Arc<str>, WorkflowView>>,
}

impl Catalogue {
    /// The operation of step type `name`.
    pub fn operation(&self, name: &str) -> Option<&OperationMeta> {
        self.operations.get(name)
    }
    /// A connector by id, else by exact name when just one has it.
    pub fn connector(&self, id_or_name: &str) -> Option<&ConnectorView> {
        self.connectors.get(id_or_name).or_else(|| {
            let mut named = self.connectors.values().filter(|c| &*c.name == id_or_name);
            named.next().filter(|_| named.next().is_none())
        })
    }
    /// A workflow by id, else by exact name when just one has it.
    pub fn workflow(&self, id_or_name: &str) -> Option<&WorkflowView> {
        let all = self.workflows.as_ref()?;
        all.get(id_or_name).or_else(|| {
            let mut named = all.values().filter(|w| &*w.name == id_or_name);
            named.next().filter(|_| named.next().is_none())
        })
    }
}
