//! Compiled workflow versions and the catalogue of each space, cached.
//!
//! Invariants: a stored version compiles once and is shared; the catalogue holds no secrets; a change of a connector drops the space's catalogue.
//! Not here: compiling (`workflow`), operations of connectors (`connector`).

use crate::envelope::{Level, Limits};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stdx::{Id, Value};
use store::{Noun, Store};
use workflow::{Catalogue, ConnectorView, Env, Fault, OperationMeta, Program, WorkflowView};

/// Compiled programs kept at most; beyond it the cache is emptied (runs keep theirs).
pub const PROGRAMS_MAX: usize = 2_000;

/// Workflows that the catalogue of a space names at most.
const WORKFLOWS_MAX: usize = 20_000;

/// Caches shared by core and API.
#[derive(Clone)]
pub struct Programs {
    /// Operations of all connectors and of the product itself, by step type.
    operations: Arc<Vec<OperationMeta>>,
    registry: Arc<connector::Registry>,
    cache: Arc<Mutex<Cache>>,
    /// What templates may know of the server.
    pub env: Env,
    /// The same for workflows whose every destructive step asks.
    asking: Arc<Env>,
}

#[derive(Default)]
struct Cache {
    programs: HashMap<(Arc<str>, Id, u64), Arc<Program>>,
    catalogues: HashMap<Arc<str>, Arc<Catalogue>>,
    limits: HashMap<Arc<str>, Arc<Limits>>,
    heads: HashMap<(Arc<str>, Id), Head>,
    /// Counts changes of workflows, so that a record read before one is not kept after it.
    changes: u64,
}

/// What a start needs of a workflow's record.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub version: u64,
    pub valid: bool,
    pub enabled: bool,
}

impl Programs {
    /// Empty caches over the given connector types.
    pub fn new(registry: connector::Registry, env: Env) -> Self {
        let asking = Arc::new(Env { unbound: workflow::Unbound::Always, ..env.clone() });
        let operations = Arc::new(operations(&registry));
        Self { operations, registry: Arc::new(registry), cache: Arc::default(), env, asking }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Version and flags of a workflow as committed; `None` when there is none.
    pub(crate) fn head(&self, store: &Store, space: &Arc<str>, workflow: &Id) -> Result<Option<Head>, store::Error> {
        let key = (space.clone(), workflow.clone());
        let changes = {
            let cache = self.cache();
            if let Some(head) = cache.heads.get(&key) {
                return Ok(Some(*head));
            }
            cache.changes
        };
        let Some(record) = store.read(|r| r.record_get(Noun::Workflow, space, workflow))? else { return Ok(None) };
        let flag = |key: &str| record.body.get(key).and_then(Value::as_bool).unwrap_or(false);
        let head = Head { version: record.version, valid: flag("valid"), enabled: flag("enabled") };
        let mut cache = self.cache();
        if cache.changes == changes {
            if cache.heads.len() >= PROGRAMS_MAX {
                cache.heads.clear();
            }
            cache.heads.insert(key, head);
        }
        Ok(Some(head))
    }

    /// Forgets what was read of a workflow that changed.
    pub(crate) fn reload_workflow(&self, space: &Arc<str>, workflow: &Id) {
        let mut cache = self.cache();
        cache.changes += 1;
        cache.heads.remove(&(space.clone(), workflow.clone()));
    }

    /// The program of a workflow's version.
    ///
    /// - errors: `NotFound` when there is no such version, `InvalidWorkflow` when it has no valid definition.
    pub fn get(&self, store: &Store, space: &Arc<str>, workflow: &Id, version: u64) -> Result<Arc<Program>, Fault> {
        let key = (space.clone(), workflow.clone(), version);
        if let Some(program) = self.cache().programs.get(&key) {
            return Ok(program.clone());
        }
        let record = store
            .read(|r| r.record_version(Noun::Workflow, space, workflow, version))
            .map_err(|e| Fault::new("StoreUnavailable", e.to_string()))?
            .ok_or_else(|| Fault::new("NotFound", format!("workflow `{workflow}` version {version} not found")))?;
        let yaml = record.body.get("yaml").and_then(Value::as_str).unwrap_or_default();
        let catalogue = self.catalogue(store, space);
        let (program, diagnostics) = Program::load(yaml, &catalogue);
        let program = program.ok_or_else(|| {
            let why = diagnostics.iter().find(|d| d.is_error()).map_or_else(String::new, |d| d.message.clone());
            Fault::new("InvalidWorkflow", format!("workflow `{workflow}` is not valid: {why}"))
        })?;
        let program = Arc::new(program);
        let mut cache = self.cache();
        if cache.programs.len() >= PROGRAMS_MAX {
            cache.programs.clear();
        }
        cache.programs.insert(key, program.clone());
        Ok(program)
    }

    /// The catalogue of a space: all operations, and the stored connectors without their secrets.
    pub fn catalogue(&self, store: &Store, space: &Arc<str>) -> Arc<Catalogue> {
        if let Some(catalogue) = self.cache().catalogues.get(space) {
            return catalogue.clone();
        }
        let mut catalogue = Catalogue::default();
        for operation in self.operations.iter() {
            catalogue.operations.insert(operation.name.clone(), operation.clone());
        }
        match store.read(|r| r.record_list(Noun::Connector, space)) {
            Ok(records) => {
                for (id, record) in records {
                    let view = self.connector_view(&id, &record.body);
                    catalogue.connectors.insert(view.id.clone(), view);
                }
            }
            Err(error) => {
                tracing::error!(%error, "connectors could not be read");
                return Arc::new(catalogue);
            }
        }
        match store.read(|r| r.record_list(Noun::Workflow, space)) {
            Ok(records) => {
                let views = records.iter().take(WORKFLOWS_MAX).map(|(id, r)| (id.0.clone(), workflow_view(id, r)));
                catalogue.workflows = Some(views.collect());
            }
            Err(error) => {
                tracing::error!(%error, "workflows could not be read");
                return Arc::new(catalogue);
            }
        }
        let catalogue = Arc::new(catalogue);
        self.cache().catalogues.insert(space.clone(), catalogue.clone());
        catalogue
    }

    /// What `decide` may know of a stored connector.
    fn connector_view(&self, id: &Id, body: &Value) -> ConnectorView {
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind: Arc<str> = text("connector_type_id").into();
        let config = body.get("config").cloned().unwrap_or_default();
        let secrets = body.get("secret_names").and_then(Value::as_array).unwrap_or_default();
        ConnectorView {
            id: id.0.clone(),
            name: text("name").into(),
            // A type that is gone has no target: whatever was frozen for it differs, so nothing runs.
            target: self.registry.target(&kind, &config).unwrap_or_default(),
            kind,
            secrets: secrets.iter().filter_map(Value::as_str).map(Arc::from).collect(),
        }
    }

    /// The connector types.
    pub const fn registry(&self) -> &Arc<connector::Registry> {
        &self.registry
    }

    /// Drops what depends on the space's connectors and workflows.
    pub fn reload_space(&self, space: &Arc<str>) {
        self.cache().catalogues.remove(space);
    }

    /// Drops what depends on the space's limits.
    pub fn reload_limits(&self, space: &Arc<str>) {
        self.cache().limits.remove(space);
    }

    /// What the server says to a run of the workflow: whether every destructive step asks, by its level. Limits that cannot be read
    /// let every one ask.
    pub fn env_of(&self, store: &Store, space: &Arc<str>, workflow: &str) -> &Env {
        let known = self.cache().limits.get(space).cloned();
        let limits = match known {
            Some(limits) => limits,
            None => match crate::envelope::limits(store, space) {
                Ok(limits) => {
                    let limits = Arc::new(limits);
                    self.cache().limits.insert(space.clone(), limits.clone());
                    limits
                }
                Err(error) => {
                    tracing::error!(%error, "the limits of the envelope could not be read: every destructive step asks");
                    return &self.asking;
                }
            },
        };
        match limits.level_of(workflow) {
            Level::Propose | Level::Approval => &self.asking,
            Level::Shadow | Level::Act => &self.env,
        }
    }
}

/// What `decide` may know of a workflow. A record of an older version says nothing of its inputs: then the child checks them when it starts.
fn workflow_view(id: &Id, record: &store::Record) -> WorkflowView {
    let flag = |key: &str| record.body.get(key).and_then(Value::as_bool).unwrap_or(false);
    let schema = |key: &str| record.body.path(&["summary", key]).cloned().unwrap_or_default();
    WorkflowView {
        id: id.0.clone(),
        name: record.body.get("name").and_then(Value::as_str).unwrap_or_default().into(),
        enabled: flag("enabled"),
        valid: flag("valid"),
        version: record.version,
        inputs: schema("inputs"),
        outputs: schema("outputs"),
    }
}

/// All operations that leave the state machine: those of connector types, and our own API in process.
pub fn operations(registry: &connector::Registry) -> Vec<OperationMeta> {
    let mut all = Vec::new();
    for kind in registry.types() {
        for operation in kind.operations.values().filter(|o| !o.hidden) {
            all.push(OperationMeta {
                name: operation.name.clone(),
                title: operation.title.clone(),
                group: kind.group.clone(),
                class: crate::transport::class_of(operation.class),
                schema: operation.schema.clone(),
                output: operation.output.clone(),
                connector: (operation.need == connector::Need::Required).then(|| kind.id.clone()),
                deliver_within_s: operation.deliver_within_s,
                inverse: operation.undo.as_ref().map(|u| workflow::catalogue::Inverse {
                    operation: u.operation.as_str().into(),
                    with: u.with.clone(),
                }),
            });
        }
    }
    all
}
