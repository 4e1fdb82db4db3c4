//! Commands over SSH: what to run where, and what an exit code means.
//!
//! Invariants: a host is always one that the connector names, with its own pinned key.
//! Not here: the protocol (`engine::transport`).

use crate::Fault;
use crate::registry::Bound;
use std::fmt;
use stdx::Value;

/// Bytes of each of standard output and standard error that are kept.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// How to sign in.
#[derive(Clone, PartialEq, Eq)]
pub enum SshAuth {
    /// A password.
    Password(String),
    /// A private key in OpenSSH form and its passphrase.
    Key {
        /// PEM text.
        pem: String,
        /// Passphrase, where the key has one.
        passphrase: Option<String>,
    },
}

impl fmt::Debug for SshAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::Key { .. } => "Key",
        })
    }
}

/// A command for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshRequest {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Pinned host key: a public key line, or `SHA256:` and its fingerprint.
    pub host_key: String,
    /// Credentials.
    pub auth: SshAuth,
    /// Command line; absent to sign in only.
    pub command: Option<String>,
    /// Input of the command.
    pub stdin: Vec<u8>,
    /// Bytes of each output that are kept.
    pub output_bytes_max: usize,
}

/// What a command gave.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SshAnswer {
    /// Exit code; absent when a signal ended it or only a sign-in was asked for.
    pub exit_code: Option<u32>,
    /// Signal that ended it.
    pub signal: Option<String>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// True when something was cut off.
    pub truncated: bool,
}

/// The command of the step's parameters.
pub(crate) fn request(bound: &Bound<'_>) -> Result<SshRequest, Fault> {
    let home = Host::of(&bound.config, None)?;
    let host = match bound.param_text("host") {
        None => home,
        Some(wanted) if wanted == home.host => home,
        Some(wanted) => {
            let others = bound.config.path(&["hosts"]).and_then(Value::as_array).unwrap_or_default();
            let names =
                |v: &&Value| ["name", "host"].iter().any(|n| v.path(&[n]).and_then(Value::as_str) == Some(wanted));
            match others.iter().find(names) {
                Some(other) => Host::of(other, Some(&home))?,
                None => return Err(Fault::connector(format!("host `{wanted}` is not one of the connector's hosts"))),
            }
        }
    };
    let auth = match (bound.secret("private_key"), bound.secret("password")) {
        (Some(pem), _) => SshAuth::Key { pem: pem.into(), passphrase: bound.secret("passphrase").map(str::to_string) },
        (None, Some(password)) => SshAuth::Password(password.into()),
        (None, None) => return Err(Fault::connector("one of the secrets `private_key`, `password` is required")),
    };
    Ok(SshRequest {
        host: host.host,
        port: host.port,
        user: host.user,
        host_key: host.host_key,
        auth,
        command: bound.param_text("command").map(str::to_string),
        stdin: bound.param_text("stdin").unwrap_or_default().as_bytes().to_vec(),
        output_bytes_max: OUTPUT_BYTES_MAX,
    })
}

struct Host {
    host: String,
    port: u16,
    user: String,
    host_key: String,
}

impl Host {
    fn of(config: &Value, default: Option<&Self>) -> Result<Self, Fault> {
        let text = |name: &str| config.path(&[name]).and_then(Value::as_str).map(str::to_string);
        let port = config.path(&["port"]).and_then(Value::as_i64).and_then(|n| u16::try_from(n).ok());
        Ok(Self {
            host: text("host").ok_or_else(|| Fault::connector("`host` is missing"))?,
            port: port.or(default.map(|d| d.port)).unwrap_or(22),
            user: text("user").or_else(|| default.map(|d| d.user.clone())).unwrap_or_default(),
            host_key: text("host_key").ok_or_else(|| Fault::connector("`host_key` is missing"))?,
        })
    }
}

/// `{exit_code, stdout, stderr, truncated}`; any exit code but 0 is a fault with the same in `details`.
pub(crate) fn response(bound: &Bound<'_>, answer: SshAnswer) -> Result<Value, Fault> {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let output = Value::object([
        ("exit_code", Value::from(answer.exit_code)),
        ("stdout", text(&answer.stdout)),
        ("stderr", text(&answer.stderr)),
        ("truncated", Value::from(answer.truncated)),
    ]);
    if bound.param_text("command").is_none() || answer.exit_code == Some(0) {
        return Ok(output);
    }
    let message = match (answer.exit_code, &answer.signal) {
        (Some(code), _) => format!("command exited with code {code}"),
        (None, Some(signal)) => format!("command was ended by signal {signal}"),
        (None, None) => "command ended without an exit code".into(),
    };
    Err(Fault::new("SshCommandError", message).details(output))
}
