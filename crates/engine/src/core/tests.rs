//! The core with a store and nobody else: each test says what calls answer, when time passes, when the process dies.
//!
//! Invariants: no threads, no sleeps; commits are applied in the order in which the core hands them over.

mod admission;
mod detached;
mod envelope;
mod groups;
mod late;
mod undo;

use super::{Core, Input, Output};
use crate::programs::Programs;
use std::collections::VecDeque;
use stdx::{Duration, Id, Time, Value};
use store::{Commit, Noun, RecordChange, Store};
use workflow::{Body, Call, EffectKey, Env, ExecutionId, Outcome, Start, Status};

pub const SPACE: &str = "default";

/// A call that left.
#[derive(Clone, Debug)]
pub struct Sent {
    pub key: EffectKey,
    pub attempt: u32,
    pub call: std::sync::Arc<Call>,
    pub attach: Option<Value>,
}

/// A core, its store and the clock.
pub struct Rig {
    pub store: Store,
    pub core: Core,
    pub now: Time,
    pub sent: Vec<Sent>,
    pub replies: Vec<(u64, Result<ExecutionId, workflow::Fault>)>,
    pub commits: u64,
}

fn programs() -> Programs {
    Programs::new(connector::Registry::built_in(), Env { kibana_url: "http://wf.example".into(), ..Env::default() })
}

pub fn record(noun: Noun, id: &str, body: Value) -> RecordChange {
    RecordChange {
        noun,
        space: SPACE.into(),
        id: Id::from(id),
        expect: None,
        body: Some(body),
        by: triage::Actor::person("ann", "api"),
        action: "test".into(),
    }
}

impl Rig {
    pub fn new() -> Self {
        let store = Store::open_memory().unwrap();
        let core = Core::new(store.clone(), programs());
        // The store's own upkeep goes by the clock of the wall: what is old there goes.
        let now = crate::clock::now();
        let mut rig = Self { store, core, now, sent: Vec::new(), replies: Vec::new(), commits: 0 };
        rig.commit(Commit { records: vec![rig.ssh("hosts")], ..Commit::default() });
        rig
    }

    fn ssh(&self, id: &str) -> RecordChange {
        let config = Value::object([
            ("host", Value::from("h1")),
            ("port", Value::Int(22)),
            ("user", Value::from("ir")),
            ("host_key", Value::from("SHA256:c2ltdWxhdGVkLWhvc3Qta2V5LW9mLW5vLWhvc3Q")),
        ]);
        let body = [("name", Value::from(id)), ("connector_type_id", Value::from(".ssh")), ("config", config)];
        record(Noun::Connector, id, Value::object(body))
    }

    /// A commit by somebody else; whom it wakes is told to the core.
    pub fn commit(&mut self, commit: Commit) -> store::Committed {
        let committed = self.store.commit_blocking(Commit { now: self.now, ..commit }).unwrap();
        for record in &committed.feed {
            match &*record.topic {
                "workflow" | "connector" => self.input(Input::Reload { space: record.space.clone() }),
                "envelope" | "setting" => {
                    self.core.programs.reload_limits(&record.space);
                    self.input(Input::Envelope { space: record.space.clone() });
                }
                _ => {}
            }
        }
        for execution in committed.woken.clone() {
            self.input(Input::Wake(execution));
        }
        committed
    }

    pub fn workflow(&mut self, id: &str, steps: &str) {
        self.yaml(id, &format!("name: {id}\ntriggers: [{{ type: manual }}]\n{steps}"));
    }

    pub fn yaml(&mut self, id: &str, yaml: &str) {
        let body = [("yaml", Value::from(yaml)), ("enabled", Value::Bool(true)), ("valid", Value::Bool(true))];
        self.commit(Commit { records: vec![record(Noun::Workflow, id, Value::object(body))], ..Commit::default() });
    }

    pub fn start_of(&self, workflow: &str, execution: &str) -> Start {
        Start {
            execution: execution.into(),
            root: execution.into(),
            space: SPACE.into(),
            workflow: workflow.into(),
            version: 1,
            principal: "ann".into(),
            visited: vec![workflow.into()],
            at: self.now,
            ..Start::default()
        }
    }

    pub fn start(&mut self, workflow: &str, execution: &str) {
        let start = Box::new(self.start_of(workflow, execution));
        self.input(Input::Start { start, reply: 1 });
    }

    /// Gives the core an input and works off everything that needs nobody.
    pub fn input(&mut self, input: Input) {
        let outputs = self.core.handle(input, self.now);
        self.work(outputs);
    }

    fn work(&mut self, outputs: Vec<Output>) {
        let mut queue = VecDeque::from(outputs);
        while let Some(output) = queue.pop_front() {
            match output {
                Output::Commit { ticket, commit } => {
                    self.commits += 1;
                    let result = self.store.commit_blocking(*commit).map(Box::new);
                    queue.extend(self.core.handle(Input::Committed { ticket, result }, self.now));
                }
                Output::Perform { key, attempt, call, attach, .. } => {
                    self.sent.push(Sent { key, attempt, call, attach });
                }
                Output::Abort { key } => self.sent.retain(|s| s.key != key),
                Output::Reply { reply, result } => self.replies.push((reply, result)),
                Output::Ended { .. } => {}
            }
            if queue.is_empty() && self.core.next_due().is_some_and(|due| due <= self.now) {
                queue.extend(self.core.handle(Input::Tick, self.now));
            }
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.input(Input::Tick);
    }

    /// The process dies and starts again; what was sent stays sent and is never answered.
    pub fn restart(&mut self) {
        self.sent.clear();
        self.core = Core::new(self.store.clone(), programs());
        let outputs = self.core.recover(self.now).unwrap();
        self.work(outputs);
    }

    /// Answers the oldest call that left.
    pub fn answer(&mut self, outcome: Outcome) {
        let sent = self.sent.remove(0);
        self.input(Input::Outcome { key: sent.key, attempt: sent.attempt, outcome });
    }

    pub fn ok(&mut self) {
        self.answer(Outcome::Answered(Ok(Body::from(Value::object([("exit_code", Value::Int(0))])))));
    }

    pub fn status(&self, execution: &str) -> Status {
        self.store.read(|r| r.execution_get(execution)).unwrap().expect("the run exists").status
    }

    pub fn facts(&self, execution: &str) -> Vec<workflow::FactKind> {
        let rows = self.store.read(|r| r.journal_read(execution, 0)).unwrap();
        rows.into_iter().flat_map(|r| r.facts).map(|f| f.what).collect()
    }
}

/// A step that runs a command on the host.
pub fn ssh_step(name: &str) -> String {
    format!(
        "  - name: {name}\n    type: ssh.run\n    connector-id: hosts\n    with: {{ command: \"isolate {name}\" }}\n"
    )
}
