//! Doubles of the outside: a chat, a model, a reputation service and an SSH host, with a ledger of everything they were asked.
//!
//! Invariants: they answer as the real thing would, say on screen that they are doubles, and write one JSON line per request into the
//! ledger before they answer; in campaigns they run as a process of their own, so the ledger outlives the server.
//! Not here: the demo's story (`demo`), campaigns (`xtask crash`).

pub mod http;
pub mod ssh;

use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How the doubles behave; changed while they run through `POST /control`.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The chat answers 503.
    pub chat_down: bool,
    /// The model answers what no schema fits.
    pub model_nonsense: bool,
    /// Milliseconds before any HTTP answer.
    pub http_delay_ms: u64,
    /// Milliseconds that a command takes.
    pub command_ms: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { chat_down: false, model_nonsense: false, http_delay_ms: 0, command_ms: 20 }
    }
}

/// What all doubles share.
#[derive(Clone)]
pub struct Doubles {
    ledger: Arc<Mutex<Ledger>>,
    /// How they behave.
    pub behaviour: Arc<Mutex<Behaviour>>,
    started: std::time::Instant,
    next: Arc<AtomicU64>,
}

#[derive(Default)]
struct Ledger {
    file: Option<std::fs::File>,
    lines: Vec<Value>,
}

/// Ledger lines kept in memory at most (the demo shows them; campaigns read the file).
const LINES_MAX: usize = 10_000;

impl Doubles {
    /// Doubles whose ledger goes to `file`, or stays in memory.
    pub fn new(file: Option<PathBuf>) -> std::io::Result<Self> {
        let file = file.map(|f| std::fs::OpenOptions::new().create(true).append(true).open(f)).transpose()?;
        Ok(Self {
            ledger: Arc::new(Mutex::new(Ledger { file, lines: Vec::new() })),
            behaviour: Arc::default(),
            started: std::time::Instant::now(),
            next: Arc::new(AtomicU64::new(1)),
        })
    }

    /// Writes a line, stamped with a number and the milliseconds since start.
    pub fn note(&self, mut line: Value) {
        if let Some(object) = line.as_object_mut() {
            object.insert("n".into(), json!(self.next.fetch_add(1, Ordering::SeqCst)));
            object.insert("ms".into(), json!(self.ms()));
        }
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut ledger.file {
            let written = writeln!(file, "{line}").and_then(|()| file.flush());
            if let Err(error) = written {
                eprintln!("the ledger cannot be written: {error}");
                std::process::exit(2);
            }
        }
        if ledger.lines.len() < LINES_MAX {
            ledger.lines.push(line);
        }
    }

    /// Milliseconds since start, the clock of the ledger.
    pub fn ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Lines so far.
    pub fn lines(&self) -> Vec<Value> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    /// Today's behaviour.
    pub fn behave(&self) -> Behaviour {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Running doubles.
pub struct Running {
    /// The doubles.
    pub doubles: Doubles,
    /// Where chat, model and reputation answer.
    pub http: SocketAddr,
    /// Where SSH answers.
    pub ssh: SocketAddr,
    /// Its host key in OpenSSH's form.
    pub host_key: String,
    /// Its user.
    pub user: &'static str,
    /// That user's password, drawn at start.
    pub password: String,
}

/// Starts all doubles on loopback; port 0 takes a free one. `seed` keeps the host key over restarts.
pub async fn start(
    doubles: Doubles,
    http: SocketAddr,
    ssh: SocketAddr,
    seed: [u8; 32],
    password: String,
) -> anyhow::Result<Running> {
    let http = http::start(doubles.clone(), http).await?;
    let (ssh, host_key) = ssh::start(doubles.clone(), ssh, seed, password.clone()).await?;
    Ok(Running { doubles, http, ssh, host_key, user: ssh::USER, password })
}
