//! Opens the engine and pumps it: the core's thread, commits, calls, replies.
//!
//! Invariants: the core runs on one thread; nothing it does blocks on the network; a panic while one run is worked off is that run's error.
//! Not here: what to do (`core`), how to call (`perform`).

use crate::clock;
use crate::core::{Core, Input, Output};
use crate::handle::{Handle, STREAM_LAG_MAX, Shared};
use crate::programs::Programs;
use futures::FutureExt as _;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Store;
use tokio::sync::broadcast;
use workflow::{EffectKey, Env, Fault, Outcome};

/// Longest sleep of the core between looks at its timers.
const CORE_SLEEP_MAX: Duration = Duration::from_secs(5);
/// How long the note of what was worked off last stays when nothing follows: one write for each pause instead of one for each turn.
const NOTE_STAYS: Duration = Duration::from_millis(5);

/// What an engine is opened with.
pub struct Options {
    /// What templates may know of the server.
    pub env: Env,
    /// Connector types.
    pub registry: connector::Registry,
    /// Allowed targets of egress, `host:port`.
    pub egress_allow: Vec<String>,
    /// Space of the detector.
    pub space: Arc<str>,
}

/// What goes wrong when an engine is opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The event store.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The files of what killed earlier processes.
    #[error("the poison files could not be read or written: {0}")]
    Poison(#[source] std::io::Error),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The outgoing client could not be set up.
    #[error("the outgoing client could not be set up: {0}")]
    Transport(String),
}

type Aborts = Arc<Mutex<HashMap<EffectKey, tokio::task::AbortHandle>>>;

/// Opens the engine over open stores: recovers runs, starts core, detector and alert writer.
///
/// Call from within a tokio runtime; `own` may be set right after.
pub fn open(store: Store, index: Arc<index::Index>, options: Options) -> Result<Handle, OpenError> {
    let programs = Programs::new(options.registry, options.env);
    let (to_core, inputs) = channel();
    let transport = {
        let egress = crate::transport::egress::Egress::new(&options.egress_allow)
            .map_err(|e| OpenError::Transport(e.to_string()))?;
        crate::transport::Transports::new(programs.registry().clone(), egress)
    };
    let (stream, _) = broadcast::channel(STREAM_LAG_MAX);
    let poison = crate::poison::Poison::open(store.dir()).map_err(OpenError::Poison)?;
    let shared = Arc::new(Shared {
        store: store.clone(),
        index,
        programs: programs.clone(),
        to_core,
        replies: Mutex::default(),
        next_reply: 1.into(),
        stream,
        own: std::sync::OnceLock::new(),
        feed_bell: crate::bell::Bell::default(),
        alerts_head: store.read(|r| r.feed_range())?.1.into(),
        transport,
        figures: crate::figures::Figures::default(),
        runtime: tokio::runtime::Handle::current(),
        closing: false.into(),
        poison: poison.clone(),
        trigger_bell: crate::bell::Bell::default(),
        events_heard: false.into(),
        generation: 1.into(),
        listening: Mutex::default(),
    });
    let mut core = Core::new(store, programs);
    core.set_poison(poison.of(crate::poison::Worker::Core));
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map(|_| ()).map_err(OpenError::Thread)
    };
    crate::alert_writer::check(&shared)?;
    let for_writer = shared.clone();
    spawn("alert-writer", Box::new(move || crate::alert_writer::run(&for_writer)))?;
    let for_summaries = shared.clone();
    spawn("summaries", Box::new(move || crate::summaries::run(&for_summaries)))?;
    let (for_schedules, space) = (shared.clone(), options.space.clone());
    spawn("schedules", Box::new(move || crate::schedules::run(&for_schedules, &space)))?;
    let (for_triggers, space) = (shared.clone(), options.space.clone());
    spawn("triggers", Box::new(move || crate::triggers::run(&for_triggers, &space)))?;
    let detector = crate::detect::Detector::open(shared.clone(), options.space)?;
    spawn("detector", Box::new(move || detector.run()))?;
    let for_core = shared.clone();
    spawn("core", Box::new(move || run(core, &for_core, &inputs)))?;
    Ok(Handle(shared))
}

fn run(mut core: Core, shared: &Arc<Shared>, inputs: &Receiver<Input>) {
    let aborts = Aborts::default();
    let poison = shared.poison.of(crate::poison::Worker::Core);
    // Our own API is handed in right after opening; calls that recovery sends may need it.
    let waited = std::time::Instant::now();
    while shared.own.get().is_none()
        && waited.elapsed() < Duration::from_secs(10)
        && !shared.closing.load(Ordering::SeqCst)
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    loop {
        match core.recover(clock::now()) {
            Ok(outputs) => {
                outputs.into_iter().for_each(|o| perform(shared, &aborts, o));
                break;
            }
            Err(error) => {
                tracing::error!(%error, "runs could not be recovered; tried again");
                std::thread::sleep(Duration::from_secs(1));
                if shared.closing.load(Ordering::SeqCst) {
                    return;
                }
            }
        }
    }
    loop {
        let sleep = core.next_due().map_or(CORE_SLEEP_MAX, |due| due.since(clock::now()).std().min(CORE_SLEEP_MAX));
        let mut next = inputs.recv_timeout(sleep.min(NOTE_STAYS));
        if matches!(next, Err(RecvTimeoutError::Timeout)) {
            // With nothing to do nothing is to blame, should the process be killed now.
            poison.clear();
            next = inputs.recv_timeout(sleep.saturating_sub(NOTE_STAYS));
        }
        let input = match next {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => Input::Tick,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let due = core.next_due().is_some_and(|due| due <= clock::now());
        for input in std::iter::once(input).chain(due.then_some(Input::Tick)) {
            for output in core.handle(input, clock::now()) {
                perform(shared, &aborts, output);
            }
        }
        shared.figures.show(core.load_figures());
    }
}

fn perform(shared: &Arc<Shared>, aborts: &Aborts, output: Output) {
    match output {
        Output::Commit { ticket, commit } => {
            let back = shared.clone();
            shared.store.submit(
                *commit,
                Box::new(move |result| {
                    let result = result.map(|mut committed| {
                        back.publish_from_core(&mut committed);
                        Box::new(committed)
                    });
                    let _ = back.to_core.send(Input::Committed { ticket, result });
                }),
            );
        }
        Output::Perform { key, attempt, call, space, principal, not_after, attach } => {
            let task = {
                let shared = shared.clone();
                let aborts = aborts.clone();
                let key = key.clone();
                async move {
                    let class = call.class;
                    let connector = call.connector.clone();
                    let sending = crate::perform::Sending {
                        shared: shared.clone(),
                        key: key.clone(),
                        call,
                        space,
                        principal,
                        not_after,
                        attempt,
                        attach,
                    };
                    // A panic in a connector is that call's error (§11), not the process's.
                    let work = std::panic::AssertUnwindSafe(crate::perform::perform(sending)).catch_unwind();
                    let outcome = work.await.unwrap_or_else(|_| {
                        let fault =
                            Fault::new("InternalError", "the connector failed inside; this is a bug of the product");
                        if class == workflow::Class::Destructive {
                            Outcome::Unknown(fault)
                        } else {
                            Outcome::Answered(Err(fault))
                        }
                    });
                    if let Some(connector) = connector {
                        shared.figures.connectors.ended(&connector, &outcome);
                    }
                    aborts.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                    let _ = shared.to_core.send(Input::Outcome { key, attempt, outcome });
                }
            };
            // The map is locked while spawning so that the task cannot remove its entry before it is there.
            let mut map = aborts.lock().unwrap_or_else(PoisonError::into_inner);
            let handle = shared.runtime.spawn(task).abort_handle();
            map.insert(key, handle);
        }
        Output::Abort { key } => {
            if let Some(handle) = aborts.lock().unwrap_or_else(PoisonError::into_inner).remove(&key) {
                handle.abort();
            }
        }
        Output::Reply { reply, result } => {
            if let Some(tx) = shared.replies.lock().unwrap_or_else(PoisonError::into_inner).remove(&reply) {
                let _ = tx.send(result);
            }
        }
        Output::Ended { .. } => {
            shared.figures.runs_ended.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Publishes what a commit of the core changed; runs that it woke come to the core with the commit itself.
    fn publish_from_core(&self, committed: &mut store::Committed) {
        let woken = std::mem::take(&mut committed.woken);
        self.publish(committed);
        committed.woken = woken;
    }
}
