//! Calls to the outside: one front for HTTP, SSH and WinRM, behind one egress guard.
//!
//! Invariants: an attempt ends as not sent (no byte of the call left), answered, or unknown; nothing here tries again; every address that is
//! dialled was checked; no fault holds a secret.
//! Not here: requests and answers as data (`connector`), when to call and what to do with an outcome (the executor).

pub mod egress;
pub mod http;
pub mod ssh;
pub mod winrm;

#[cfg(test)]
mod tests;

use crate::transport::egress::Egress;
use connector::winrm::WinrmAnswer;
use connector::{Answer, HttpResponse, Invocation, Prepared, Registry, Request, Scrubber, SshAnswer};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use stdx::Value;
use workflow::{Class, Fault, Outcome, Retry};

/// Longest call where nothing says how long it may take.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// Asked just before the first byte of a call leaves; an error holds the call back.
pub type Gate<'a> = &'a (dyn Fn() -> BoxFuture<'a, Result<(), Fault>> + Send + Sync);

/// Told once of the handle that a job on another machine goes by.
pub type Detach<'a> = &'a (dyn Fn(Value) + Send + Sync);

/// How an attempt ended.
#[derive(Debug)]
pub enum Sent<T> {
    /// No byte of the call left.
    NotSent(Fault),
    /// A definite answer, usable or not.
    Answered(Result<T, Fault>),
    /// Bytes may have left and no answer came.
    Unknown(Fault),
}

/// What a call may take.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// Time for all of it.
    pub timeout: Duration,
    /// Bytes of the answer.
    pub bytes_max: u64,
    /// Last question before the first byte.
    pub gate: Gate<'a>,
    /// Takes the handle of a job that goes on without us.
    pub detach: Detach<'a>,
    /// Handle of a job that an earlier process began: the attempt goes on there and sends nothing anew.
    pub attach: Option<&'a Value>,
}

impl<'a> Bounds<'a> {
    /// Of a call that ends with its connection.
    pub fn new(timeout: Duration, bytes_max: u64, gate: Gate<'a>) -> Self {
        Self { timeout, bytes_max, gate, detach: &|_| {}, attach: None }
    }
}

impl std::fmt::Debug for Bounds<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bounds({:?}, {} bytes)", self.timeout, self.bytes_max)
    }
}

/// A gate that holds nothing back.
pub fn open<'a>() -> BoxFuture<'a, Result<(), Fault>> {
    Box::pin(std::future::ready(Ok(())))
}

/// All transports.
#[derive(Clone, Debug)]
pub struct Transports {
    registry: Arc<Registry>,
    egress: Arc<Egress>,
    http: http::Http,
}

impl Transports {
    /// Transports for the connector types of `registry`, which reach what `egress` allows.
    pub fn new(registry: Arc<Registry>, egress: Egress) -> Self {
        let egress = Arc::new(egress);
        Self { registry, http: http::Http::new(Arc::clone(&egress)), egress }
    }
    /// The connector types.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
    /// Makes one attempt of a call, from its parameters to its output.
    pub async fn call(&self, call: &Invocation<'_>, bounds: Bounds<'_>) -> Outcome {
        let scrubber = call.instance.map(|i| Scrubber::new(&i.secrets)).unwrap_or_default();
        let request = match self.registry.request(call) {
            Ok(Prepared::Done(value)) => return Outcome::Answered(Ok(value.into())),
            Ok(Prepared::Send(request)) => request,
            Err(fault) => return Outcome::NotSent(fault_of(fault)),
        };
        let clean = |fault: Fault| Fault {
            message: scrubber.text(&fault.message).into(),
            details: scrubber.value(fault.details),
            ..fault
        };
        match self.send(&request, bounds).await {
            Sent::NotSent(fault) => Outcome::NotSent(clean(fault)),
            Sent::Unknown(fault) => Outcome::Unknown(clean(fault)),
            Sent::Answered(Err(fault)) => Outcome::Answered(Err(clean(fault))),
            Sent::Answered(Ok(answer)) => {
                let output = self.registry.response(call, answer);
                Outcome::Answered(output.map(Into::into).map_err(fault_of))
            }
        }
    }
    /// Makes one attempt of a request.
    pub async fn send(&self, request: &Request, bounds: Bounds<'_>) -> Sent<Answer> {
        match request {
            Request::Http(request) => map(self.http.send(request, bounds).await, |a: HttpResponse| Answer::Http(a)),
            Request::Winrm(request) => {
                map(winrm::send(&self.egress, request, bounds).await, |a: WinrmAnswer| Answer::Winrm(a))
            }
            Request::Ssh(request) => map(ssh::send(&self.egress, request, bounds).await, |a: SshAnswer| Answer::Ssh(a)),
        }
    }
}

fn map<T, U>(sent: Sent<T>, f: impl FnOnce(T) -> U) -> Sent<U> {
    match sent {
        Sent::NotSent(fault) => Sent::NotSent(fault),
        Sent::Unknown(fault) => Sent::Unknown(fault),
        Sent::Answered(answer) => Sent::Answered(answer.map(f)),
    }
}

/// What the guard refused, as workflows see it.
fn refusal(refused: &egress::Refused) -> Fault {
    let details = Value::object([("place", Value::from(refused.place.as_str()))]);
    if refused.why == egress::UNRESOLVED {
        // Names may resolve again; a refused address stays refused.
        return Fault::new("ENOTFOUND", format!("{refused}")).details(details).retry(Retry::Backoff);
    }
    Fault::new("EgressRefused", format!("{refused}")).details(details)
}

/// A connector's fault as workflows see it.
pub fn fault_of(fault: connector::Fault) -> Fault {
    Fault {
        kind: fault.kind.into(),
        message: fault.message.into(),
        details: fault.details,
        retry: match fault.retry {
            connector::Retry::Never => Retry::Never,
            connector::Retry::Backoff => Retry::Backoff,
            connector::Retry::After(ms) => Retry::After(ms),
        },
    }
}

/// A connector's class as workflows see it.
pub const fn class_of(class: connector::Class) -> Class {
    match class {
        connector::Class::Read => Class::Read,
        connector::Class::Write => Class::Write,
        connector::Class::Destructive => Class::Destructive,
    }
}
