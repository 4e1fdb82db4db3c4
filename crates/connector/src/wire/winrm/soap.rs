//! WinRS over WS-Management: the envelopes of a remote shell, and what the host answers.
//!
//! Invariants: pure: message ids are given; whatever stands in a command line or an id is escaped; an answer that cannot be read is a fault
//! with words, never a panic.
//! Not here: sealing (`sealed`), connections and repeats (`engine::transport`).
//! Source: MS-WSMV 3.1.4 (Create, Command, Send, Receive, Signal, Delete), DSP0226 (faults, time-outs, envelope sizes).

use super::xml::{self, Element, escape};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// Bytes of an answer that the host is asked to keep to (`MaxEnvelopeSize`); what every version allows.
pub const ENVELOPE_BYTES_MAX: usize = 153_600;
/// Bytes of standard input in one message; in base64 they stay below the envelope.
pub const INPUT_CHUNK_BYTES: usize = 64 * 1024;
/// Seconds that a host waits for output before it answers that there is none.
pub const RECEIVE_S: u32 = 20;
/// Seconds that a host has for everything else.
pub const OPERATION_S: u32 = 60;
/// Milliseconds without a request after which a host removes a shell that nobody deleted; its own default.
const IDLE_MS: u32 = 7_200_000;
/// UTF-8.
const CODE_PAGE: u32 = 65001;
/// Bytes of a host's own words in a message.
const REASON_BYTES_MAX: usize = 500;

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";

/// How a command is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The process ends; also frees what the host keeps of a command that is done.
    Terminate,
    /// As a person would press it.
    CtrlC,
}

/// What is asked of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// Who are you; shows that the sign-in works.
    Identify,
    /// A shell.
    Create,
    /// A command in a shell; the one thing here that changes the world.
    Command {
        /// Shell.
        shell: &'a str,
        /// Command line as `cmd` reads it.
        line: &'a str,
        /// True when input will be sent.
        input: bool,
    },
    /// Input of a command.
    Send {
        /// Shell.
        shell: &'a str,
        /// Command.
        command: &'a str,
        /// Bytes.
        input: &'a [u8],
        /// True for the last of them.
        last: bool,
    },
    /// Output of a command, once there is some.
    Receive {
        /// Shell.
        shell: &'a str,
        /// Command.
        command: &'a str,
    },
    /// Stop a command.
    Signal {
        /// Shell.
        shell: &'a str,
        /// Command.
        command: &'a str,
        /// How.
        signal: Signal,
    },
    /// Remove a shell and what runs in it.
    Delete {
        /// Shell.
        shell: &'a str,
    },
}

impl Ask<'_> {
    fn action(&self) -> String {
        match self {
            Self::Identify => String::new(),
            Self::Create => format!("{TRANSFER}/Create"),
            Self::Command { .. } => format!("{SHELL}/Command"),
            Self::Send { .. } => format!("{SHELL}/Send"),
            Self::Receive { .. } => format!("{SHELL}/Receive"),
            Self::Signal { .. } => format!("{SHELL}/Signal"),
            Self::Delete { .. } => format!("{TRANSFER}/Delete"),
        }
    }
    fn shell(&self) -> Option<&str> {
        match self {
            Self::Identify | Self::Create => None,
            Self::Command { shell, .. }
            | Self::Send { shell, .. }
            | Self::Receive { shell, .. }
            | Self::Signal { shell, .. }
            | Self::Delete { shell } => Some(shell),
        }
    }
    fn seconds(&self) -> u32 {
        if matches!(self, Self::Receive { .. }) { RECEIVE_S } else { OPERATION_S }
    }
    fn options(&self) -> String {
        let option = |name: &str, value: &str| format!("<w:Option Name=\"{name}\">{value}</w:Option>");
        let options = match self {
            Self::Create => option("WINRS_NOPROFILE", "FALSE") + &option("WINRS_CODEPAGE", &CODE_PAGE.to_string()),
            // Without input the command has a console, which is what programs expect; input comes through a pipe.
            Self::Command { input, .. } => {
                option("WINRS_CONSOLEMODE_STDIN", if *input { "FALSE" } else { "TRUE" })
                    + &option("WINRS_SKIP_CMD_SHELL", "FALSE")
            }
            _ => return String::new(),
        };
        format!("<w:OptionSet>{options}</w:OptionSet>")
    }
    fn body(&self) -> String {
        match self {
            Self::Identify | Self::Delete { .. } => String::new(),
            Self::Create => format!(
                "<rsp:Shell><rsp:IdleTimeOut>PT{}.000S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>\
                 <rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>",
                IDLE_MS / 1000
            ),
            Self::Command { line, .. } => {
                format!("<rsp:CommandLine><rsp:Command>{}</rsp:Command></rsp:CommandLine>", escape(line))
            }
            Self::Send { command, input, last, .. } => format!(
                "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{}\"{}>{}</rsp:Stream></rsp:Send>",
                escape(command),
                if *last { " End=\"true\"" } else { "" },
                STANDARD.encode(input)
            ),
            Self::Receive { command, .. } => format!(
                "<rsp:Receive><rsp:DesiredStream CommandId=\"{}\">stdout stderr</rsp:DesiredStream></rsp:Receive>",
                escape(command)
            ),
            Self::Signal { command, signal, .. } => format!(
                "<rsp:Signal CommandId=\"{}\"><rsp:Code>{SHELL}/signal/{}</rsp:Code></rsp:Signal>",
                escape(command),
                match signal {
                    Signal::Terminate => "terminate",
                    Signal::CtrlC => "ctrl_c",
                }
            ),
        }
    }
}

/// The envelope of a request.
///
/// - `to`: the address of the service.
/// - `message_id`: a UUID that no other message has.
pub fn envelope(ask: &Ask<'_>, to: &str, message_id: &str) -> String {
    if *ask == Ask::Identify {
        return "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
                xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><s:Header/><s:Body>\
                <wsmid:Identify/></s:Body></s:Envelope>"
            .into();
    }
    let mut out = String::from(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
         xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\" \
         xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\"><s:Header>",
    );
    let selectors = ask.shell().map_or(String::new(), |shell| {
        format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{}</w:Selector></w:SelectorSet>", escape(shell))
    });
    let _ = write!(
        out,
        "<a:To>{to}</a:To><a:ReplyTo><a:Address s:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous\
         </a:Address></a:ReplyTo><w:MaxEnvelopeSize s:mustUnderstand=\"true\">{ENVELOPE_BYTES_MAX}</w:MaxEnvelopeSize>\
         <a:MessageID>uuid:{id}</a:MessageID><w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
         <p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/><w:OperationTimeout>PT{seconds}.000S</w:OperationTimeout>\
         <w:ResourceURI s:mustUnderstand=\"true\">{RESOURCE}</w:ResourceURI>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action>{selectors}{options}</s:Header><s:Body>{body}</s:Body></s:Envelope>",
        to = escape(to),
        id = escape(message_id),
        seconds = ask.seconds(),
        action = ask.action(),
        options = ask.options(),
        body = ask.body(),
    );
    out
}

/// What a host says instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoapError {
    /// A fault.
    #[error("{reason}{}{}", code.map_or(String::new(), |c| format!(" (code {c})")), hint(*code).map_or(String::new(), |h| format!("; {h}")))]
    Fault {
        /// Number of the fault, where it has one.
        code: Option<u32>,
        /// The standard's name of it, for example `w:TimedOut`.
        subcode: String,
        /// The host's words.
        reason: String,
    },
    /// An answer that cannot be read.
    #[error("the host's answer cannot be read: {0}")]
    Unreadable(String),
}

/// No output within the operation's time.
const TIMED_OUT: u32 = 2_150_858_793;
/// No such shell.
const NO_SHELL: u32 = 2_150_858_843;
/// Too many shells of the user.
const TOO_MANY_SHELLS: u32 = 2_150_859_173;
/// Too many operations of the user.
const TOO_MANY_OPERATIONS: u32 = 2_150_859_174;
/// The operation was given up on the host.
const ABORTED: u32 = 995;
/// Windows' own `access denied`.
const DENIED: u32 = 5;

/// What a person can do about a fault.
fn hint(code: Option<u32>) -> Option<&'static str> {
    Some(match code? {
        TIMED_OUT => "the host gave no answer within the operation's time",
        NO_SHELL => "the shell is gone: the host restarted, or removed it after its idle time",
        TOO_MANY_SHELLS => "raise `MaxShellsPerUser` on the host, or remove shells that were left over",
        TOO_MANY_OPERATIONS => "raise `MaxConcurrentOperationsPerUser` on the host",
        DENIED => "the account must be an administrator or in `Remote Management Users`",
        ABORTED => "the host gave the operation up",
        _ => return None,
    })
}

impl SoapError {
    /// True where the host only says that there is no output yet.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Fault { code: Some(TIMED_OUT), .. })
            || matches!(self, Self::Fault { code: None, subcode, .. } if subcode.ends_with("TimedOut"))
    }
    /// True where the shell does not exist any more.
    pub fn is_shell_gone(&self) -> bool {
        matches!(self, Self::Fault { code: Some(NO_SHELL), .. })
    }
    /// True where the fault says that nothing was begun.
    pub fn is_refusal(&self) -> bool {
        /// Names of faults that come before the work.
        const REFUSALS: &[&str] = &[
            "AccessDenied",
            "ActionNotSupported",
            "DestinationUnreachable",
            "EncodingLimit",
            "InvalidOptions",
            "InvalidSelectors",
            "QuotaLimit",
            "SchemaValidationError",
            "UnsupportedFeature",
        ];
        let Self::Fault { code, subcode, .. } = self else { return false };
        let name = subcode.rsplit(':').next().unwrap_or_default();
        let begun = matches!(code, Some(TIMED_OUT | ABORTED));
        !begun && (REFUSALS.contains(&name) || matches!(code, Some(NO_SHELL | DENIED)) || self.is_busy())
    }
    /// True where the host may do it later.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Fault { code: Some(TOO_MANY_SHELLS | TOO_MANY_OPERATIONS), .. })
    }
}

/// Output that came with one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// True when the command has ended and all its output has come.
    pub done: bool,
    /// Its exit code, where it has ended.
    pub exit_code: Option<i64>,
}

/// The body of an answer, or the fault in it.
fn body(answer: &[u8]) -> Result<Element, SoapError> {
    let unreadable =
        |words: String| SoapError::Unreadable(stdx::bounded::truncate(&words, REASON_BYTES_MAX).into_owned());
    let text = std::str::from_utf8(answer).map_err(|_| unreadable("it is not UTF-8".into()))?;
    let mut root = xml::parse(text.trim_start_matches('\u{feff}')).map_err(unreadable)?;
    let at = root.children.iter().position(|c| c.name == "Body");
    let Some(at) = at.filter(|_| root.name == "Envelope") else {
        return Err(unreadable("it is no SOAP envelope".into()));
    };
    let body = root.children.swap_remove(at);
    match body.child("Fault") {
        Some(fault) => Err(read_fault(fault)),
        None => Ok(body),
    }
}

fn read_fault(fault: &Element) -> SoapError {
    let detail = fault.path(&["Detail", "WSManFault"]);
    let code = detail.and_then(|d| d.attribute("Code")).and_then(|c| c.parse().ok());
    let text = |path: &[&str]| fault.path(path).map(|e| e.text.trim().to_string()).unwrap_or_default();
    let said = detail.and_then(|d| d.child("Message")).map(words).filter(|s| !s.is_empty());
    let mut reason = said.unwrap_or_else(|| text(&["Reason", "Text"]));
    if reason.is_empty() {
        reason = "the host answered with a fault without words".into();
    }
    let reason = stdx::bounded::truncate(reason.trim_end_matches('.'), REASON_BYTES_MAX).into_owned();
    SoapError::Fault { code, subcode: text(&["Code", "Subcode", "Value"]), reason }
}

/// All text of an element, its provider's included, in one line.
fn words(element: &Element) -> String {
    let mut all = vec![element.text.clone()];
    all.extend(element.children.iter().map(words));
    all.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn id(text: Option<&str>, what: &str) -> Result<String, SoapError> {
    /// Characters of an id; a UUID has 36.
    const ID_BYTES_MAX: usize = 256;
    match text.map(str::trim).filter(|t| !t.is_empty() && t.len() <= ID_BYTES_MAX) {
        Some(id) => Ok(id.to_string()),
        None => Err(SoapError::Unreadable(format!("it names no {what}"))),
    }
}

/// What the host says it is.
pub fn identified(answer: &[u8]) -> Result<String, SoapError> {
    let body = body(answer)?;
    let of = body.child("IdentifyResponse").ok_or_else(|| SoapError::Unreadable("it is no IdentifyResponse".into()))?;
    let text = |name: &str| of.child(name).map(|e| e.text.trim().to_string()).unwrap_or_default();
    Ok(stdx::bounded::truncate(
        format!("{} {}", text("ProductVendor"), text("ProductVersion")).trim(),
        REASON_BYTES_MAX,
    )
    .into_owned())
}

/// The id of a shell that was created.
pub fn created(answer: &[u8]) -> Result<String, SoapError> {
    fn selector(element: &Element) -> Option<&Element> {
        let here = |e: &&Element| e.name == "Selector" && e.attribute("Name") == Some("ShellId");
        element.children.iter().find(here).or_else(|| element.children.iter().find_map(selector))
    }
    let body = body(answer)?;
    let found = selector(&body).or_else(|| body.find("ShellId"));
    id(found.map(|e| e.text.as_str()), "shell")
}

/// The id of a command that was started.
pub fn started(answer: &[u8]) -> Result<String, SoapError> {
    let body = body(answer)?;
    id(body.path(&["CommandResponse", "CommandId"]).map(|e| e.text.as_str()), "command")
}

/// An answer that says no more than yes.
pub fn acknowledged(answer: &[u8]) -> Result<(), SoapError> {
    body(answer).map(|_| ())
}

/// The output in an answer to `Receive`.
pub fn received(answer: &[u8]) -> Result<Received, SoapError> {
    let unreadable = |words: &str| SoapError::Unreadable(words.into());
    let body = body(answer)?;
    let of = body.child("ReceiveResponse").ok_or_else(|| unreadable("it is no ReceiveResponse"))?;
    let mut out = Received::default();
    for element in &of.children {
        match element.name.as_str() {
            "Stream" => {
                let text: String = element.text.split_whitespace().collect();
                let bytes = STANDARD.decode(text).map_err(|_| unreadable("a stream is not base64"))?;
                match element.attribute("Name") {
                    Some("stdout") => out.stdout.extend(bytes),
                    Some("stderr") => out.stderr.extend(bytes),
                    _ => {}
                }
            }
            "CommandState" => {
                out.done = element.attribute("State").is_some_and(|s| s.ends_with("/Done"));
                let code = element.child("ExitCode").map(|c| c.text.trim());
                out.exit_code = code.and_then(|c| c.parse().ok());
            }
            _ => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
#[path = "tests/soap.rs"]
mod tests;
