//! Commands on Windows hosts over WinRM: what to run where, and what an exit code means.
//!
//! Invariants: a host is always one that the connector names; a password goes over plain HTTP never, over NTLM never as itself; a command
//! that cannot arrive as it was written is refused before anything is sent.
//! Not here: connections and their order (`engine::transport`).

pub mod ntlm;
pub mod powershell;
pub mod sealed;
pub mod soap;
mod xml;

use super::ssh::OUTPUT_BYTES_MAX;
use crate::Fault;
use crate::registry::Bound;
use ntlm::Credentials;
use std::fmt;
use stdx::Value;

/// Characters of a command line at most; what `cmd` takes.
pub const COMMAND_LINE_CHARS_MAX: usize = 8_191;
/// Bytes of a command's input at most.
pub const STDIN_BYTES_MAX: usize = 1 << 20;
/// Bytes of an answer's body at most: the envelope, sealed, with room for hosts that count differently.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Header that names a sign-in by certificate.
pub const CERTIFICATE_SCHEME: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
/// Content type of a message that is not sealed.
pub const CONTENT_TYPE: &str = "application/soap+xml;charset=UTF-8";

/// How to sign in; the way also says whether HTTP or HTTPS is spoken.
#[derive(Clone, PartialEq, Eq)]
pub enum WinrmAuth {
    /// NTLM, all messages sealed, over HTTP.
    Ntlm(Credentials),
    /// User and password over HTTPS.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// A certificate and its key over HTTPS.
    Certificate {
        /// PEM of certificate and key.
        pem: String,
    },
}

impl fmt::Debug for WinrmAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ntlm(_) => "Ntlm",
            Self::Basic { .. } => "Basic",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

/// A command for a Windows host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WinrmRequest {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Credentials.
    pub auth: WinrmAuth,
    /// Certificates that may sign the host's, instead of those of the machine (HTTPS).
    pub ca: Option<String>,
    /// True where the host's certificate is not checked (HTTPS).
    pub insecure: bool,
    /// Command line as `cmd` reads it; absent to sign in only.
    pub line: Option<String>,
    /// Input of the command.
    pub stdin: Vec<u8>,
    /// Bytes of each output that are kept.
    pub output_bytes_max: usize,
}

impl WinrmRequest {
    /// Address of the service.
    pub fn url(&self) -> String {
        let scheme = if matches!(self.auth, WinrmAuth::Ntlm(_)) { "http" } else { "https" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}/wsman", self.port)
    }
}

/// What a command gave.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WinrmAnswer {
    /// Exit code; absent when only a sign-in was asked for.
    pub exit_code: Option<i64>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// True when something was cut off at the cap.
    pub truncated: bool,
    /// True when the connection broke while output was under way: some of it may be missing.
    pub gap: bool,
    /// What the host says it is, where only a sign-in was asked for.
    pub product: Option<String>,
}

/// True where the command is a PowerShell script.
fn is_powershell(bound: &Bound<'_>) -> bool {
    bound.param_text("shell") != Some("cmd")
}

/// The command of the step's parameters.
pub(crate) fn request(bound: &Bound<'_>) -> Result<WinrmRequest, Fault> {
    let auth = sign_in(bound)?;
    let config = &bound.config;
    let port_of = |v: &Value| v.path(&["port"]).and_then(Value::as_i64).and_then(|n| u16::try_from(n).ok());
    let home = bound.config_text("host").ok_or_else(|| Fault::connector("`host` is missing"))?;
    let (host, other_port) = match bound.param_text("host") {
        None => (home, None),
        Some(wanted) if wanted == home => (home, None),
        Some(wanted) => {
            let others = config.path(&["hosts"]).and_then(Value::as_array).unwrap_or_default();
            let text = |v: &'_ Value, name: &str| v.path(&[name]).and_then(Value::as_str).map(str::to_string);
            let names = |v: &&Value| ["name", "host"].iter().any(|n| text(v, n).as_deref() == Some(wanted));
            let other = others.iter().find(names);
            let other = other
                .ok_or_else(|| Fault::connector(format!("host `{wanted}` is not one of the connector's hosts")))?;
            let host = other.path(&["host"]).and_then(Value::as_str);
            (host.ok_or_else(|| Fault::connector("`host` is missing"))?, port_of(other))
        }
    };
    if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\?#@[]".contains(c)) {
        return Err(Fault::connector(format!("host `{host}` is neither a name nor an address")));
    }
    let default_port = if matches!(auth, WinrmAuth::Ntlm(_)) { 5985 } else { 5986 };
    let stdin = bound.param_text("stdin").unwrap_or_default().as_bytes().to_vec();
    if stdin.len() > STDIN_BYTES_MAX {
        return Err(Fault::connector(format!("`stdin` has more than {STDIN_BYTES_MAX} bytes")));
    }
    Ok(WinrmRequest {
        host: host.to_string(),
        port: other_port.or(port_of(config)).unwrap_or(default_port),
        auth,
        ca: bound.config_text("ca").map(str::to_string),
        insecure: bound.config_text("verificationMode") == Some("none"),
        line: bound.param_text("command").map(|c| command_line(c, is_powershell(bound))).transpose()?,
        stdin,
        output_bytes_max: OUTPUT_BYTES_MAX,
    })
}

fn sign_in(bound: &Bound<'_>) -> Result<WinrmAuth, Fault> {
    let secret = |name: &str| {
        bound.secret(name).map(str::to_string).ok_or_else(|| Fault::connector(format!("secret `{name}` is missing")))
    };
    let user = || bound.config_text("user").ok_or_else(|| Fault::connector("`user` is missing"));
    match bound.config_text("authType").unwrap_or("ntlm") {
        "ntlm" => Ok(WinrmAuth::Ntlm(Credentials::new(user()?, &secret("password")?))),
        "basic" => Ok(WinrmAuth::Basic { user: user()?.to_string(), password: secret("password")? }),
        "certificate" => {
            let pem = format!("{}\n{}\n", secret("certificate")?.trim(), secret("key")?.trim());
            Ok(WinrmAuth::Certificate { pem })
        }
        other => Err(Fault::connector(format!("sign-in `{other}` does not exist"))),
    }
}

/// The command line of a script or of a command for `cmd`.
fn command_line(command: &str, powershell: bool) -> Result<String, Fault> {
    let line = if powershell { powershell::command_line(command) } else { command.to_string() };
    // `cmd` ends at a line break, and XML cannot carry the rest: what would run is not what was written.
    if line.chars().any(|c| c.is_control() && c != '\t' || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(Fault::connector(
            "a command for `cmd` is one line without control characters; join several by `&&`, or use `shell: powershell`",
        ));
    }
    let chars = line.encode_utf16().count();
    if chars > COMMAND_LINE_CHARS_MAX {
        let more = if powershell { "; a script may have about 3,000 characters" } else { "" };
        return Err(Fault::connector(format!(
            "the command line has {chars} characters, a host takes {COMMAND_LINE_CHARS_MAX}{more}: put longer ones into a file on the host"
        )));
    }
    Ok(line)
}

/// `{exit_code, stdout, stderr, truncated, gap}`; any exit code but 0 is a fault with the same in `details`.
pub(crate) fn response(bound: &Bound<'_>, answer: WinrmAnswer) -> Result<Value, Fault> {
    if bound.param_text("command").is_none() {
        return Ok(Value::object([("product", Value::from(answer.product.as_deref()))]));
    }
    let stderr = String::from_utf8_lossy(&answer.stderr);
    let stderr = if is_powershell(bound) { powershell::readable(&stderr) } else { stderr.into_owned() };
    let output = Value::object([
        ("exit_code", Value::from(answer.exit_code)),
        ("stdout", Value::from(String::from_utf8_lossy(&answer.stdout).into_owned())),
        ("stderr", Value::from(stderr)),
        ("truncated", Value::from(answer.truncated)),
        ("gap", Value::from(answer.gap)),
    ]);
    match answer.exit_code {
        Some(0) => Ok(output),
        Some(code) => Err(Fault::new("WinrmCommandError", format!("command exited with code {code}")).details(output)),
        None => Err(Fault::new("WinrmCommandError", "command ended without an exit code").details(output)),
    }
}

#[cfg(test)]
#[path = "winrm/tests/request.rs"]
mod tests;
