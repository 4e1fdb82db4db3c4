//! WinRM: one command on one Windows host, in a shell of its own.
//!
//! Invariants: until the request that starts the command goes out nothing was done; from then on no definite answer means unknown; a session by
//! NTLM speaks and hears sealed messages only, on its one connection; a command that began is known by shell and command id, so that another
//! connection, also of a later process, hears the rest of it.
//! Not here: messages and sealing as bytes (`connector::winrm`), which host and account (`connector`).

mod link;

use super::egress::Egress;
use super::{Bounds, Sent};
use connector::winrm::soap::{self, Ask, Received, Signal, SoapError};
use connector::winrm::{WinrmAnswer, WinrmRequest};
use link::{Failed, Link};
use std::sync::Arc;
use std::time::Duration;
use stdx::Value;
use tokio::time::Instant;
use workflow::{Fault, Retry};

/// Longest wait for a connection, the sign-in and a shell.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How much longer than the host an answer may take.
const NETWORK_SLACK: Duration = Duration::from_secs(10);
/// For stopping a command and removing its shell; it has what time it needs after the call's own is over.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(8);
/// Pause before a broken connection is made anew.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// What a command goes by on its host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    shell: String,
    command: String,
}

impl Job {
    fn handle(&self, request: &WinrmRequest) -> Value {
        Value::object([
            ("url", Value::from(request.url())),
            ("shell", Value::from(self.shell.as_str())),
            ("command", Value::from(self.command.as_str())),
        ])
    }
    fn of_handle(handle: &Value, request: &WinrmRequest) -> Option<Self> {
        let text = |name: &str| handle.get(name).and_then(Value::as_str).map(str::to_string);
        if text("url")? != request.url() {
            return None;
        }
        Some(Self { shell: text("shell")?, command: text("command")? })
    }
}

/// Makes one attempt, or goes on with one that an earlier process began.
pub async fn send(egress: &Arc<Egress>, request: &WinrmRequest, bounds: Bounds<'_>) -> Sent<WinrmAnswer> {
    let call = Call { egress, request, deadline: Instant::now() + bounds.timeout };
    let kept = request.output_bytes_max.min(usize::try_from(bounds.bytes_max).unwrap_or(usize::MAX));
    if let Some(handle) = bounds.attach {
        return match Job::of_handle(handle, request) {
            Some(job) => call.follow(None, &job, kept, true).await,
            None => Sent::Unknown(fault("the command runs on a host that the connector no longer names")),
        };
    }
    let connect_deadline = call.deadline.min(Instant::now() + CONNECT_TIMEOUT);
    let mut link = match call.open(connect_deadline).await {
        Ok(link) => link,
        Err(fault) => return Sent::NotSent(fault),
    };
    let Some(line) = &request.line else {
        let answer = link.ask(&Ask::Identify, connect_deadline).await;
        return match answer.and_then(|bytes| soap::identified(&bytes).map_err(Failed::Soap)) {
            Ok(product) => Sent::Answered(Ok(WinrmAnswer { product: Some(product), ..WinrmAnswer::default() })),
            Err(failed) => Sent::Answered(Err(failed.fault(call.place()))),
        };
    };
    let created = link.ask(&Ask::Create, connect_deadline).await;
    let shell = match created.and_then(|bytes| soap::created(&bytes).map_err(Failed::Soap)) {
        Ok(shell) => shell,
        // A shell that nobody heard of does nothing, and its host removes it.
        Err(failed) => return Sent::NotSent(failed.fault(call.place())),
    };
    let refused = match tokio::time::timeout_at(call.deadline, (bounds.gate)()).await {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(fault),
        Err(_) => Some(timeout(format!("not allowed to begin on {} in time", call.place()))),
    };
    if let Some(fault) = refused {
        link.remove(&shell).await;
        return Sent::NotSent(fault);
    }
    let input = !request.stdin.is_empty();
    let begun = link.ask(&Ask::Command { shell: &shell, line, input }, call.deadline).await;
    let command = match begun.and_then(|bytes| soap::started(&bytes).map_err(Failed::Soap)) {
        Ok(command) => command,
        Err(failed) => {
            let surely_not = match &failed {
                Failed::NotSent(_) | Failed::Refused(_) => true,
                Failed::Soap(error) => error.is_refusal(),
                Failed::Lost(_) => false,
            };
            let fault = failed.fault(call.place());
            if surely_not {
                link.remove(&shell).await;
                return Sent::NotSent(fault);
            }
            return Sent::Unknown(fault);
        }
    };
    let job = Job { shell, command };
    (bounds.detach)(job.handle(request));
    let link = call.give_input(link, &job).await;
    call.follow(link, &job, kept, false).await
}

/// One attempt: where, and until when.
struct Call<'a> {
    egress: &'a Arc<Egress>,
    request: &'a WinrmRequest,
    deadline: Instant,
}

impl Call<'_> {
    fn place(&self) -> String {
        format!("{}:{}", self.request.host, self.request.port)
    }

    async fn open(&self, deadline: Instant) -> Result<Link, Fault> {
        match tokio::time::timeout_at(deadline, Link::open(self.egress, self.request)).await {
            Ok(opened) => opened,
            Err(_) => Err(timeout(format!("no WinRM session with {} in time", self.place())).retry(Retry::Backoff)),
        }
    }

    /// Sends the command's input; `None` when the connection broke.
    async fn give_input(&self, mut link: Link, job: &Job) -> Option<Link> {
        let stdin = &self.request.stdin;
        let mut at = 0;
        while at < stdin.len() {
            let end = stdin.len().min(at + soap::INPUT_CHUNK_BYTES);
            let (shell, command) = (job.shell.as_str(), job.command.as_str());
            let ask = Ask::Send { shell, command, input: &stdin[at..end], last: end == stdin.len() };
            let sent = link.ask(&ask, self.deadline).await;
            match sent.and_then(|bytes| soap::acknowledged(&bytes).map_err(Failed::Soap)) {
                Ok(()) => at = end,
                // A command that reads nothing may be gone before its input comes; its exit code says what came of it.
                Err(Failed::Soap(_)) => return Some(link),
                Err(_) => return None,
            }
        }
        Some(link)
    }

    /// Hears of the command until it has ended.
    ///
    /// - `gap`: output may have been lost before.
    async fn follow(&self, link: Option<Link>, job: &Job, kept: usize, gap: bool) -> Sent<WinrmAnswer> {
        let mut answer = WinrmAnswer { gap, ..WinrmAnswer::default() };
        let mut link = link;
        loop {
            if Instant::now() >= self.deadline {
                return self.give_up(job).await;
            }
            let Some(open) = &mut link else {
                match self.open(self.deadline.min(Instant::now() + CONNECT_TIMEOUT)).await {
                    Ok(opened) => link = Some(opened),
                    // Whether the host is back before the deadline shows.
                    Err(fault) if fault.retry == Retry::Backoff => self.pause().await,
                    Err(fault) => return Sent::Unknown(fault),
                }
                continue;
            };
            let ask = Ask::Receive { shell: &job.shell, command: &job.command };
            let limit = Duration::from_secs(soap::RECEIVE_S.into()) + NETWORK_SLACK;
            let heard = open.ask(&ask, self.deadline.min(Instant::now() + limit)).await;
            match heard.and_then(|bytes| soap::received(&bytes).map_err(Failed::Soap)) {
                Ok(Received { stdout, stderr, done, exit_code }) => {
                    keep(&mut answer.stdout, &stdout, kept, &mut answer.truncated);
                    keep(&mut answer.stderr, &stderr, kept, &mut answer.truncated);
                    if done {
                        answer.exit_code = exit_code;
                        open.stop(job).await;
                        return Sent::Answered(Ok(answer));
                    }
                }
                Err(Failed::Soap(error)) if error.is_timeout() => {}
                Err(Failed::Soap(error)) => return Sent::Unknown(self.lost_track(&error)),
                Err(Failed::Lost(_)) => {
                    // The answer that did not come may have held output.
                    answer.gap = true;
                    link = None;
                    self.pause().await;
                }
                Err(Failed::NotSent(_) | Failed::Refused(_)) => {
                    link = None;
                    self.pause().await;
                }
            }
        }
    }

    async fn pause(&self) {
        tokio::time::sleep_until(self.deadline.min(Instant::now() + RECONNECT_PAUSE)).await;
    }

    /// The time is over: the command is told to end, on a connection of its own, since the other may be waiting for output.
    async fn give_up(&self, job: &Job) -> Sent<WinrmAnswer> {
        let told = async {
            let mut link = self.open(Instant::now() + CLEAN_UP_TIMEOUT).await.ok()?;
            link.stop(job).await.then_some(())
        };
        let told = tokio::time::timeout(CLEAN_UP_TIMEOUT, told).await.ok().flatten();
        let then = match told {
            Some(()) => "it was told to end",
            None => "it could not be told to end and may still be running",
        };
        Sent::Unknown(timeout(format!("the command on {} has not ended in time; {then}", self.place())))
    }

    fn lost_track(&self, error: &SoapError) -> Fault {
        fault(&format!("{} says nothing more of the command: {error}", self.place()))
    }
}

impl Link {
    /// Ends a command and removes its shell; true when the host agreed to both.
    async fn stop(&mut self, job: &Job) -> bool {
        let (shell, command) = (job.shell.as_str(), job.command.as_str());
        let deadline = Instant::now() + CLEAN_UP_TIMEOUT;
        let ended = self.ask(&Ask::Signal { shell, command, signal: Signal::Terminate }, deadline).await;
        let ended = ended.is_ok_and(|bytes| soap::acknowledged(&bytes).is_ok());
        self.remove(shell).await && ended
    }
    /// Removes a shell.
    async fn remove(&mut self, shell: &str) -> bool {
        let removed = self.ask(&Ask::Delete { shell }, Instant::now() + CLEAN_UP_TIMEOUT).await;
        removed.is_ok_and(|bytes| soap::acknowledged(&bytes).is_ok())
    }
}

fn keep(kept: &mut Vec<u8>, data: &[u8], max: usize, truncated: &mut bool) {
    let room = max.saturating_sub(kept.len());
    kept.extend_from_slice(&data[..data.len().min(room)]);
    *truncated |= data.len() > room;
}

fn fault(message: &str) -> Fault {
    Fault::new("ConnectorExecutionError", message)
}
fn timeout(message: String) -> Fault {
    Fault::new("TimeoutError", message)
}
