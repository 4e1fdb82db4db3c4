//! SSH: one command on one host whose key is pinned.
//!
//! Invariants: the host key is compared before anything is signed or sent to the host; no terminal, no forwarding, no agent; until the request
//! to run the command goes out nothing was sent, from then on no answer means unknown.
//! Not here: which host and key (`connector`).

use super::egress::Egress;
use super::{Bounds, Sent};
use connector::{SshAnswer, SshAuth, SshRequest};
use russh::client::{self, AuthResult, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, decode_secret_key};
use russh::{Channel, ChannelMsg, Disconnect, Preferred, Sig};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stdx::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;
use workflow::{Fault, Retry};

/// Longest wait for a connection, key exchange and sign-in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// A silent host is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The keys a host may show.
#[derive(Clone, Debug, Default)]
struct Pinned {
    keys: Vec<PublicKey>,
    fingerprints: Vec<String>,
}

impl Pinned {
    /// From lines of `ssh-keyscan` or of a public key file, or `SHA256:` fingerprints.
    fn parse(text: &str) -> Result<Self, Fault> {
        let mut pinned = Self::default();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            if line.starts_with("SHA256:") {
                pinned.fingerprints.push(line.trim_end_matches('=').to_string());
                continue;
            }
            let words: Vec<_> = line.split_whitespace().collect();
            let key = words.windows(2).find_map(|pair| PublicKey::from_openssh(&pair.join(" ")).ok());
            pinned.keys.push(key.ok_or_else(|| fault("`host_key` is neither a public key nor a SHA256 fingerprint"))?);
        }
        if pinned.keys.is_empty() && pinned.fingerprints.is_empty() {
            return Err(fault("`host_key` is empty; hosts without a pinned key are not reached"));
        }
        Ok(pinned)
    }
    fn holds(&self, key: &PublicKey) -> bool {
        self.keys.iter().any(|k| k.key_data() == key.key_data())
            || self
                .fingerprints
                .contains(&key.fingerprint(HashAlg::Sha256).to_string().trim_end_matches('=').to_string())
    }
    /// Algorithms to offer: with whole keys pinned only theirs, so that the host shows the key that is known.
    fn algorithms(&self) -> Option<Vec<Algorithm>> {
        if self.keys.is_empty() || !self.fingerprints.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        for key in &self.keys {
            match key.algorithm() {
                Algorithm::Rsa { .. } => out.extend([
                    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
                    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
                ]),
                other => out.push(other),
            }
        }
        Some(out)
    }
}

/// Compares the host's key and remembers one that is not the pinned one.
struct KeyCheck {
    pinned: Pinned,
    shown: Arc<Mutex<Option<String>>>,
}

impl client::Handler for KeyCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        if self.pinned.holds(key) {
            return Ok(true);
        }
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        Ok(false)
    }
}

/// Makes one attempt.
pub async fn send(egress: &Egress, request: &SshRequest, bounds: Bounds<'_>) -> Sent<SshAnswer> {
    let deadline = Instant::now() + bounds.timeout;
    let connect_deadline = deadline.min(Instant::now() + CONNECT_TIMEOUT);
    let place = format!("{}:{}", request.host, request.port);
    let opened = tokio::time::timeout_at(connect_deadline, open(egress, request, &place)).await;
    let session = match opened {
        Ok(Ok(session)) => session,
        Ok(Err(fault)) => return Sent::NotSent(fault),
        Err(_) => return Sent::NotSent(timeout(format!("no SSH session with {place} in time"))),
    };
    let Some(command) = &request.command else {
        let _ = session.disconnect(Disconnect::ByApplication, "", "").await;
        return Sent::Answered(Ok(SshAnswer::default()));
    };
    let channel = match tokio::time::timeout_at(connect_deadline, session.channel_open_session()).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(e)) => return Sent::NotSent(fault(&format!("{place} opens no channel: {e}"))),
        Err(_) => return Sent::NotSent(timeout(format!("{place} opens no channel in time"))),
    };
    match tokio::time::timeout_at(deadline, (bounds.gate)()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => return Sent::NotSent(fault),
        Err(_) => return Sent::NotSent(timeout(format!("not allowed to begin on {place} in time"))),
    }
    let kept = request.output_bytes_max.min(usize::try_from(bounds.bytes_max).unwrap_or(usize::MAX));
    let run = run(channel, command, &request.stdin, kept, deadline, &place).await;
    let _ = session.disconnect(Disconnect::ByApplication, "", "").await;
    run
}

async fn open(egress: &Egress, request: &SshRequest, place: &str) -> Result<Handle<KeyCheck>, Fault> {
    let pinned = Pinned::parse(&request.host_key)?;
    let addresses = egress.resolve(&request.host, request.port).await.map_err(|refused| super::refusal(&refused))?;
    let stream = TcpStream::connect(&addresses[..])
        .await
        .map_err(|e| fault(&format!("no connection to {place}: {e}")).retry(Retry::Backoff))?;
    let mut config = client::Config { keepalive_interval: Some(KEEPALIVE), nodelay: true, ..client::Config::default() };
    if let Some(algorithms) = pinned.algorithms() {
        config.preferred = Preferred { key: Cow::Owned(algorithms), ..Preferred::default() };
    }
    let shown = Arc::new(Mutex::new(None));
    let check = KeyCheck { pinned, shown: Arc::clone(&shown) };
    let mut session = client::connect_stream(Arc::new(config), stream, check).await.map_err(|e| {
        match shown.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(fingerprint) => changed(place, &fingerprint),
            // A host that no longer has the pinned kind of key shares no algorithm with us.
            None if matches!(e, russh::Error::NoCommonAlgo { .. }) => changed(place, "none of the pinned kind"),
            None => fault(&format!("no SSH session with {place}: {e}")).retry(Retry::Backoff),
        }
    })?;
    sign_in(&mut session, request, place).await?;
    Ok(session)
}

fn changed(place: &str, shown: &str) -> Fault {
    let details = Value::object([("place", Value::from(place)), ("shown", Value::from(shown))]);
    Fault::new("HostKeyChanged", format!("the host key of {place} is not the pinned one (it shows {shown})"))
        .details(details)
}

async fn sign_in(session: &mut Handle<KeyCheck>, request: &SshRequest, place: &str) -> Result<(), Fault> {
    let failed = |e: russh::Error| fault(&format!("sign-in at {place} failed: {e}"));
    let result = match &request.auth {
        SshAuth::Password(password) => {
            session.authenticate_password(request.user.as_str(), password.as_str()).await.map_err(failed)?
        }
        SshAuth::Key { pem, passphrase } => {
            // The library's words may quote the key, so they are not repeated.
            let key = decode_secret_key(pem, passphrase.as_deref())
                .map_err(|_| fault("the private key cannot be read; is the passphrase right?"))?;
            let hash = session.best_supported_rsa_hash().await.map_err(failed)?.flatten();
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            session.authenticate_publickey(request.user.as_str(), key).await.map_err(failed)?
        }
    };
    match result {
        AuthResult::Success => Ok(()),
        AuthResult::Failure { .. } => {
            Err(fault(&format!("{place} does not accept the credentials of `{}`", request.user)))
        }
    }
}

async fn run(
    mut channel: Channel<client::Msg>,
    command: &str,
    stdin: &[u8],
    kept: usize,
    deadline: Instant,
    place: &str,
) -> Sent<SshAnswer> {
    if channel.exec(true, command).await.is_err() {
        return Sent::Unknown(lost(place));
    }
    let mut answer = SshAnswer::default();
    let mut accepted = false;
    loop {
        let message = match tokio::time::timeout_at(deadline, channel.wait()).await {
            Ok(message) => message,
            Err(_) => {
                let _ = channel.signal(Sig::TERM).await;
                return Sent::Unknown(timeout(format!(
                    "the command on {place} has not ended in time; it may still be running"
                )));
            }
        };
        match message {
            Some(ChannelMsg::Success) if !accepted => {
                accepted = true;
                let sent = match stdin {
                    [] => Ok(()),
                    bytes => channel.data_bytes(bytes.to_vec()).await,
                };
                // A command that reads nothing may be gone before its input is written; its exit code says what came of it.
                if sent.is_ok() {
                    let _ = channel.eof().await;
                }
            }
            Some(ChannelMsg::Failure) if !accepted => {
                return Sent::NotSent(fault(&format!("{place} does not run commands for this user")));
            }
            Some(ChannelMsg::Data { data }) => keep(&mut answer.stdout, &data, kept, &mut answer.truncated),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                keep(&mut answer.stderr, &data, kept, &mut answer.truncated)
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => answer.exit_code = Some(exit_status),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => answer.signal = Some(signal_text(&signal_name)),
            Some(ChannelMsg::Close) => return Sent::Answered(Ok(answer)),
            Some(_) => {}
            None if answer.exit_code.is_some() || answer.signal.is_some() => return Sent::Answered(Ok(answer)),
            None => return Sent::Unknown(lost(place)),
        }
    }
}

fn keep(kept: &mut Vec<u8>, data: &[u8], max: usize, truncated: &mut bool) {
    let room = max.saturating_sub(kept.len());
    kept.extend_from_slice(&data[..data.len().min(room)]);
    *truncated |= data.len() > room;
}

fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        other => format!("{other:?}"),
    }
}

fn lost(place: &str) -> Fault {
    fault(&format!("the connection to {place} broke while the command ran; it may still be running"))
}
fn fault(message: &str) -> Fault {
    Fault::new("ConnectorExecutionError", message)
}
fn timeout(message: String) -> Fault {
    Fault::new("TimeoutError", message)
}
