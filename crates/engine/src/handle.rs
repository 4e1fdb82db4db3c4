//! What API, command line and demo hold of a running engine.
//!
//! Invariants: every write goes through one commit; what a commit wakes is told to the core, what it changed to the stream.
//! Not here: routes and wire types (`api`), the loop itself (`pump`).

use crate::clock;
use crate::core::Input;
use crate::listeners::Listeners;
use crate::own::OwnRouter;
use crate::programs::Programs;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use stdx::{Id, Value};
use store::{Commit, Committed, FeedRecord, Store};
use tokio::sync::{broadcast, oneshot};
use triage::command::{Refusal, RefusalKind};
use workflow::{Body, Cause, Command, ExecutionId, Fault, Mode, Start};

/// Feed records that a slow page may lag behind before it must refetch.
pub const STREAM_LAG_MAX: usize = 4096;

/// A running engine; cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

/// What the engine's threads and tasks share.
pub(crate) struct Shared {
    pub store: Store,
    pub index: Arc<index::Index>,
    pub programs: Programs,
    pub to_core: std::sync::mpsc::Sender<Input>,
    pub replies: Mutex<HashMap<u64, oneshot::Sender<Result<ExecutionId, Fault>>>>,
    pub next_reply: AtomicU64,
    pub stream: broadcast::Sender<Arc<FeedRecord>>,
    pub own: OnceLock<OwnRouter>,
    pub feed_bell: crate::bell::Bell,
    /// Number of the newest feed record of an alert: what the event log must hold before a search of alerts is answered.
    pub alerts_head: AtomicU64,
    pub transport: crate::transport::Transports,
    pub figures: crate::figures::Figures,
    pub runtime: tokio::runtime::Handle,
    pub closing: std::sync::atomic::AtomicBool,
    pub poison: crate::poison::Poison,
    /// Rung when the feed has grown, for the follower of triggers.
    pub trigger_bell: crate::bell::Bell,
    /// True while some workflow listens to events.
    pub events_heard: std::sync::atomic::AtomicBool,
    /// Counts changes of workflows.
    pub generation: AtomicU64,
    /// What listens, as of a generation.
    pub listening: Mutex<Option<(u64, Arc<str>, Arc<Listeners>)>>,
}

/// A run as a person or client asks for it.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Space.
    pub space: Arc<str>,
    /// Workflow id.
    pub workflow: Id,
    /// Inputs before defaults; an object.
    pub inputs: Value,
    /// `event` of the context; `Null` for none.
    pub event: Value,
    /// Caller's metadata.
    pub metadata: Value,
    /// Who.
    pub by: Arc<str>,
    /// Marked as a test run; a disabled workflow may be tested.
    pub test: bool,
    /// Its id, where the caller's idempotency key has chosen one.
    pub execution: Option<ExecutionId>,
}

/// Problems of given inputs against the workflow's schema.
fn check_inputs(program: &workflow::Program, inputs: &Value) -> Result<(), Vec<String>> {
    let problems = program.inputs.check(inputs);
    if problems.is_empty() { Ok(()) } else { Err(problems.into_iter().map(|p| p.message).collect()) }
}

/// A run as a refusal: validation, missing, disabled.
fn refuse(kind: RefusalKind, message: impl Into<String>) -> Refusal {
    Refusal::new(kind, message)
}

impl Handle {
    /// Reads of the state store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Feed position that the event store must have reached for a search of alerts to see every committed one.
    pub fn alerts_head(&self) -> u64 {
        self.0.alerts_head.load(Ordering::Acquire)
    }

    /// The event store.
    pub fn index(&self) -> &Arc<index::Index> {
        &self.0.index
    }

    /// The catalogue of a space: operations and stored connectors without secrets.
    pub fn catalogue(&self, space: &Arc<str>) -> Arc<workflow::Catalogue> {
        self.0.programs.catalogue(&self.0.store, space)
    }

    /// Seals bytes for a noun and id; only the same noun and id open them again.
    pub fn seal(&self, of: (&str, &str), bytes: &[u8]) -> Result<String, store::Error> {
        self.0.store.seal(of.0, of.1, bytes)
    }

    /// Calls an operation of a stored connector once, outside any run: `_execute` and the test button.
    ///
    /// - errors: what the connector or its answer said, scrubbed of secrets.
    pub async fn execute(
        &self,
        space: &Arc<str>,
        connector: &str,
        operation: &str,
        params: &Value,
    ) -> Result<Value, Fault> {
        crate::perform::execute(&self.0, space, connector, operation, params).await
    }

    /// Compiled programs and catalogues.
    pub fn programs(&self) -> &Programs {
        &self.0.programs
    }

    /// The stream of changes, for pages.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<FeedRecord>> {
        self.0.stream.subscribe()
    }

    /// Counters and gauges.
    pub fn figures(&self) -> &crate::figures::Figures {
        &self.0.figures
    }

    /// Units that killed the process at several starts and are left alone.
    pub fn quarantined(&self) -> Vec<String> {
        self.0.poison.quarantined()
    }

    /// The ways to the outside, for a connector's test.
    pub fn transport(&self) -> &crate::transport::Transports {
        &self.0.transport
    }

    /// Hands the engine our own API as a service, for `kibana.request` and `elasticsearch.*`.
    pub fn set_own_router(&self, router: OwnRouter) {
        let _ = self.0.own.set(router);
    }

    /// Commits, tells the core whom it woke and the stream what it changed.
    ///
    /// - errors: the store's; nothing was written then.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, store::Error> {
        let (tx, rx) = oneshot::channel();
        self.0.store.submit(
            commit,
            Box::new(move |result| {
                let _ = tx.send(result);
            }),
        );
        let committed = rx.await.unwrap_or(Err(store::Error::Closed))?;
        self.0.notify(&committed).await;
        Ok(committed)
    }

    /// One triage command as an API request: its result or refusal.
    pub async fn request(&self, request: triage::command::Request) -> Result<Result<Value, Refusal>, store::Error> {
        let guard = |key: Arc<str>| store::Guard::Request {
            space: request.space.clone(),
            key,
            execution: request.by.execution.clone(),
        };
        let guards = request.key.clone().map(guard).into_iter().collect();
        let commit = Commit { now: clock::now(), guards, commands: vec![request], ..Commit::default() };
        let mut committed = self.commit(commit).await?;
        Ok(committed.results.pop().unwrap_or_else(|| Err(refuse(RefusalKind::Conflict, "the request gave no result"))))
    }

    /// Starts a run; the answer comes after the commit of `Started`.
    ///
    /// - errors: `NotFound`, `Invalid` (disabled, not valid, inputs).
    pub async fn run(&self, request: RunRequest) -> Result<ExecutionId, Refusal> {
        let head = self.0.programs.head(&self.0.store, &request.space, &request.workflow);
        let head = head.map_err(|e| refuse(RefusalKind::Conflict, e.to_string()))?.ok_or_else(|| {
            refuse(RefusalKind::NotFound, format!("Workflow with id \"{}\" not found", request.workflow))
        })?;
        if !head.valid {
            return Err(refuse(RefusalKind::Invalid, "Workflow is not valid."));
        }
        if !head.enabled && !request.test {
            return Err(refuse(RefusalKind::Invalid, "Workflow is disabled. Enable it to run it."));
        }
        let program = self
            .0
            .programs
            .get(&self.0.store, &request.space, &request.workflow, head.version)
            .map_err(|f| refuse(RefusalKind::Invalid, f.message.to_string()))?;
        if let Err(problems) = check_inputs(&program, &request.inputs) {
            return Err(refuse(RefusalKind::Invalid, problems.join(", ")));
        }
        let execution = request.execution.unwrap_or_else(clock::new_id);
        let start = Start {
            execution: execution.clone(),
            root: execution,
            space: request.space,
            workflow: request.workflow.clone(),
            version: head.version,
            mode: Mode::Whole,
            dry: false,
            test: request.test,
            principal: request.by,
            cause: Cause::Manual,
            depth: 0,
            visited: vec![request.workflow],
            inputs: Body::from(request.inputs),
            event: Body::from(request.event),
            metadata: Body::from(request.metadata),
            at: clock::now(),
            ..Start::default()
        };
        self.start(start).await
    }

    /// Starts a prepared run (validated by the caller).
    pub async fn start(&self, start: Start) -> Result<ExecutionId, Refusal> {
        let (tx, rx) = oneshot::channel();
        let reply = self.0.next_reply.fetch_add(1, Ordering::Relaxed);
        self.0.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(reply, tx);
        if self.0.to_core.send(Input::Start { start: Box::new(start), reply }).is_err() {
            return Err(refuse(RefusalKind::Conflict, "the engine is closing"));
        }
        match rx.await {
            Ok(Ok(execution)) => Ok(execution),
            Ok(Err(fault)) => Err(refuse(RefusalKind::Invalid, fault.message.to_string())),
            Err(_) => Err(refuse(RefusalKind::Conflict, "the engine is closing")),
        }
    }

    /// Asks a run to end. The run's own turn withdraws what is open.
    ///
    /// - errors: `NotFound`; `Conflict` when it has ended.
    pub async fn cancel(&self, execution: &ExecutionId, by: &str, reason: Option<&str>) -> Result<(), Refusal> {
        let head = self
            .0
            .store
            .read(|r| r.execution_get(execution))
            .map_err(|e| refuse(RefusalKind::Conflict, e.to_string()))?
            .ok_or_else(|| {
                refuse(RefusalKind::NotFound, format!("Workflow execution with id \"{execution}\" not found"))
            })?;
        if head.status.is_terminal() {
            return Err(refuse(
                RefusalKind::Conflict,
                format!("execution `{execution}` is already {}", head.status.as_str()),
            ));
        }
        let command = Command::Cancel { by: by.into(), reason: reason.map(Into::into) };
        let commit = Commit { now: clock::now(), mailbox_add: vec![(execution.clone(), command)], ..Commit::default() };
        self.commit(commit).await.map_err(|e| refuse(RefusalKind::Conflict, e.to_string()))?;
        Ok(())
    }

    /// Asks the engine's threads to end; what is under way is taken up again at the next start.
    pub fn close(&self) {
        self.0.closing.store(true, Ordering::SeqCst);
        let _ = self.0.to_core.send(Input::Tick);
        self.0.feed_bell.ring();
        self.0.trigger_bell.ring();
        self.0.index.close();
    }
}

impl Handle {
    /// Waits until what is written is on disk and the engine's threads have seen that it closes, at most `at_most`.
    pub fn wait_closed(&self, at_most: std::time::Duration) {
        let until = std::time::Instant::now() + at_most;
        while self.0.store.gauges().waiting.load(Ordering::Relaxed) > 0 && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Shared {
    /// After any commit: wakes runs, feeds the stream, drops caches, and tells the detector of changed rules.
    pub async fn notify(&self, committed: &Committed) {
        let rules = self.publish(committed);
        if rules && let Err(error) = self.rules_frame(committed.number).await {
            tracing::error!(%error, "the detector could not be told of changed rules; it reads them at the next start");
        }
    }

    /// Writes the frame from which on the detector uses the changed rules, and waits until it is synced.
    async fn rules_frame(&self, generation: u64) -> Result<(), index::Error> {
        let (tx, rx) = oneshot::channel();
        self.index.append_rules(generation, Box::new(move |result| drop(tx.send(result))))?;
        rx.await.unwrap_or(Err(index::Error::Closed)).map(|_| ())
    }

    /// The synchronous part of [`Shared::notify`]; true when rules changed.
    pub fn publish(&self, committed: &Committed) -> bool {
        let (mut rules, mut alerts) = (false, false);
        for record in &committed.feed {
            match &*record.topic {
                "connector" => {
                    let _ = self.to_core.send(Input::Reload { space: record.space.clone() });
                    self.programs.reload_space(&record.space);
                    self.figures.connectors.forget(&record.id);
                }
                "rule" => rules = true,
                "workflow" => {
                    self.programs.reload_workflow(&record.space, &record.id);
                    self.programs.reload_space(&record.space);
                    self.generation.fetch_add(1, Ordering::SeqCst);
                }
                "envelope" => {
                    let _ = self.to_core.send(Input::Envelope { space: record.space.clone() });
                }
                "setting" if *record.id == *crate::envelope::SETTING => {
                    self.programs.reload_limits(&record.space);
                    let _ = self.to_core.send(Input::Envelope { space: record.space.clone() });
                }
                crate::alert_writer::TOPIC => {
                    self.alerts_head.fetch_max(record.n, Ordering::AcqRel);
                    alerts = true;
                }
                _ => {}
            }
            let _ = self.stream.send(Arc::new(record.clone()));
        }
        for execution in &committed.woken {
            let _ = self.to_core.send(Input::Wake(execution.clone()));
        }
        if alerts {
            self.feed_bell.ring();
        }
        if !committed.feed.is_empty() && self.events_heard.load(Ordering::Relaxed) {
            self.trigger_bell.ring();
        }
        rules
    }

    /// What the workflows of a space listen to, read anew where one changed.
    pub fn listeners(&self, space: &Arc<str>) -> Result<Arc<Listeners>, store::Error> {
        let generation = self.generation.load(Ordering::SeqCst);
        let known = self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((of, known_space, listeners)) = known
            && of == generation
            && known_space == *space
        {
            return Ok(listeners);
        }
        let listeners = Arc::new(Listeners::read(&self.store, &self.programs, space)?);
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((generation, space.clone(), listeners.clone()));
        Ok(listeners)
    }
}
