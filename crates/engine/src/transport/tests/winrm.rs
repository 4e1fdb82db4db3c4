//! WinRM against the double of `tests/doubles/winrm`, whose NTLM is somebody else's and which pywinrm drives too.

use super::super::winrm::send;
use super::super::{Bounds, open};
use super::{MIB, Sent, answered, bounds, closed, egress, not_sent, unknown};
use connector::winrm::ntlm::Credentials;
use connector::winrm::{WinrmAnswer, WinrmAuth, WinrmRequest, powershell};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use stdx::{Value, json};
use workflow::Retry;

const PASSWORD: &str = "canary correct horse";

/// The Python with the double's packages; `None` where they cannot be installed.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        // target/debug/deps/engine-…
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("doubles");
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/doubles/winrm/run");
        let out = Command::new("bash").arg(run).arg("--install").env("WATCHFIRE_DOUBLES_DIR", target).output().ok()?;
        if !out.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&out.stderr));
            return None;
        }
        Some(PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()))
    });
    found.as_deref()
}

/// A running double, ended with the value.
struct Double {
    child: Child,
    folder: tempfile::TempDir,
    at: Value,
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Double {
    fn start(script: &str, more: &[&str]) -> Option<Self> {
        let Some(python) = python() else {
            println!("skipped: the Python packages of tests/doubles/winrm cannot be installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let script_file = folder.path().join("script.json");
        std::fs::write(&script_file, script).unwrap();
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/doubles/winrm/server.py");
        let mut child = Command::new(python)
            .arg(server)
            .args(["--user", &format!("CORP\\ir:{PASSWORD}"), "--receive-seconds", "1"])
            .arg("--dir")
            .arg(folder.path())
            .arg("--script")
            .arg(script_file)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { child, folder, at: json::parse(&line).expect("the double says where it listens") })
    }
    fn port(&self, name: &str) -> u16 {
        self.at.get(name).and_then(Value::as_i64).and_then(|n| u16::try_from(n).ok()).unwrap()
    }
    fn pem(&self, name: &str) -> String {
        std::fs::read_to_string(self.at.get(name).and_then(Value::as_str).unwrap()).unwrap()
    }
    fn lines(&self, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(file)).unwrap();
        text.lines().map(|l| json::parse(l).unwrap()).collect()
    }
    /// Command lines that were started, in order.
    fn ledger(&self) -> Vec<String> {
        let line = |v: &Value| v.get("line").and_then(Value::as_str).unwrap().to_string();
        self.lines("ledger.jsonl").iter().map(line).collect()
    }
    fn events(&self, name: &str) -> Vec<Value> {
        let mut all = self.lines("trace.jsonl");
        all.retain(|v| v.get("event").and_then(Value::as_str) == Some(name));
        all
    }
    fn ntlm(&self, line: &str) -> WinrmRequest {
        WinrmRequest {
            host: "127.0.0.1".into(),
            port: self.port("http"),
            auth: WinrmAuth::Ntlm(Credentials::new("CORP\\ir", PASSWORD)),
            ca: None,
            insecure: false,
            line: Some(line.into()),
            stdin: Vec::new(),
            output_bytes_max: 1 << 20,
        }
    }
    fn https(&self, line: &str, auth: WinrmAuth) -> WinrmRequest {
        WinrmRequest { port: self.port("https"), auth, ca: Some(self.pem("ca")), ..self.ntlm(line) }
    }
}

async fn attempt_in(request: &WinrmRequest, bounds: Bounds<'_>) -> Sent<WinrmAnswer> {
    let egress = Arc::new(egress(&[format!("127.0.0.1:{}", request.port), format!("localhost:{}", request.port)]));
    send(&egress, request, bounds).await
}
async fn attempt(request: &WinrmRequest) -> Sent<WinrmAnswer> {
    attempt_in(request, bounds(&open)).await
}
fn basic() -> WinrmAuth {
    WinrmAuth::Basic { user: "ir".into(), password: PASSWORD.into() }
}

#[tokio::test]
async fn commands_run_over_sealed_ntlm() {
    let Some(double) = Double::start("[]", &[]) else { return };
    let mut r = double.ntlm("cat; echo to-err >&2; exit 7");
    r.stdin = vec![b'x'; 150_000];
    let answer = answered(attempt(&r).await).unwrap();
    assert_eq!((answer.exit_code, answer.stdout.len(), answer.stderr.as_slice()), (Some(7), 150_000, &b"to-err\n"[..]));
    assert!(!answer.truncated && !answer.gap);
    // A script with what command lines cannot carry; its error records are text again once they are read.
    let script = "echo \"grüße & <'>\"\necho wrong >&2";
    let answer = answered(attempt(&double.ntlm(&powershell::command_line(script))).await).unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), "grüße & <'>\n");
    assert_eq!(powershell::readable(&String::from_utf8(answer.stderr).unwrap()), "wrong\r\n");
    // Later than one Receive waits, and a command that reads no input.
    let mut r = double.ntlm("sleep 2.5; echo late");
    r.stdin = b"unread".to_vec();
    assert_eq!(answered(attempt(&r).await).unwrap().stdout, b"late\n");
    let mut r = double.ntlm("head -c 300000 /dev/zero; head -c 70 /dev/zero >&2");
    r.output_bytes_max = 100_000;
    let answer = answered(attempt(&r).await).unwrap();
    assert_eq!(
        (answer.stdout.len(), answer.stderr.len(), answer.truncated, answer.exit_code),
        (100_000, 70, true, Some(0))
    );
    let ledger = double.lines("ledger.jsonl");
    assert_eq!(ledger.len(), 4);
    assert_eq!(ledger[1].get("line").and_then(Value::as_str), Some(script));
    assert!(ledger.iter().all(|l| l.get("sealed") == Some(&Value::Bool(true))));
    let shells = |event| {
        let mut all: Vec<_> = double.events(event).iter().map(|e| e.get("shell").cloned().unwrap()).collect();
        all.sort_by_key(json::text);
        all
    };
    assert_eq!(shells("create"), shells("delete"), "every shell is removed");
    assert_eq!(double.events("create")[0].get("code_page").and_then(Value::as_str), Some("65001"));
    let mut r = double.ntlm("");
    r.line = None;
    assert_eq!(answered(attempt(&r).await).unwrap().product.as_deref(), Some("Watchfire test double 1"));
    assert_eq!(double.ledger().len(), 4);
}

#[tokio::test]
async fn basic_and_certificates_go_over_https_with_a_host_that_is_known() {
    let Some(double) = Double::start("[]", &[]) else { return };
    let pem = format!("{}\n{}", double.pem("client_certificate"), double.pem("client_key"));
    let certificate = || WinrmAuth::Certificate { pem: pem.clone() };
    for (auth, name) in [(basic(), "basic"), (certificate(), "certificate")] {
        let mut r = double.https(&format!("cat; echo {name}"), auth);
        r.stdin = b"in ".to_vec();
        assert_eq!(answered(attempt(&r).await).unwrap().stdout, format!("in {name}\n").into_bytes());
        r.host = "localhost".into();
        assert_eq!(answered(attempt(&r).await).unwrap().exit_code, Some(0));
    }
    let auths: Vec<_> = double.lines("ledger.jsonl").iter().map(|l| l.get("auth").cloned().unwrap()).collect();
    assert_eq!(auths, ["basic", "basic", "certificate", "certificate"].map(Value::from));
    // Nothing runs where the host or the account is not the right one.
    let mut machine = double.https("no", basic());
    machine.ca = None;
    not_sent(attempt(&machine).await);
    let mut other = double.https("no", basic());
    other.ca = Some(double.pem("client_certificate"));
    not_sent(attempt(&other).await);
    let wrong = double.https("no", WinrmAuth::Basic { user: "ir".into(), password: "canary wrong".into() });
    let fault = not_sent(attempt(&wrong).await);
    assert!(fault.message.contains("does not accept the credentials"), "{fault:?}");
    let broken = double.https("no", WinrmAuth::Certificate { pem: "canary".into() });
    let fault = not_sent(attempt(&broken).await);
    assert!(fault.message.contains("must be PEM") && !format!("{fault:?}").contains("canary"), "{fault:?}");
    assert_eq!(double.ledger().len(), 4);
    machine.insecure = true;
    machine.line = Some("echo unchecked".into());
    assert_eq!(answered(attempt(&machine).await).unwrap().stdout, b"unchecked\n");
}

#[tokio::test]
async fn refusals_before_the_command_are_not_sent() {
    let script = r#"[{"match":"quota","fault":[2150859173,"w:QuotaLimit"]},{"match":"internal","fault":[995,"w:InternalError"]}]"#;
    let Some(double) = Double::start(script, &["--max-shells", "1"]) else { return };
    let mut wrong = double.ntlm("no");
    wrong.auth = WinrmAuth::Ntlm(Credentials::new("CORP\\ir", "canary wrong"));
    let fault = not_sent(attempt(&wrong).await);
    assert!(fault.message.contains("does not accept the credentials of `CORP\\ir`"), "{fault:?}");
    assert!(!format!("{fault:?}").contains("canary") && fault.retry == Retry::Never);
    let fault = not_sent(attempt_in(&double.ntlm("no"), bounds(&closed)).await);
    assert_eq!(&*fault.kind, "Held");
    assert_eq!(double.events("delete").len(), 1, "the shell of a call that was held back is removed");
    let refused = send(&Arc::new(super::egress(&[])), &double.ntlm("no"), bounds(&open)).await;
    assert_eq!(&*not_sent(refused).kind, "EgressRefused");
    let mut nobody = double.ntlm("no");
    nobody.port = 1;
    assert_eq!(not_sent(attempt(&nobody).await).retry, Retry::Backoff);
    // The host says that it began nothing; then what it says leaves that open.
    let fault = not_sent(attempt(&double.ntlm("quota")).await);
    assert!(fault.message.contains("2150859173") && fault.message.contains("MaxShellsPerUser"), "{fault:?}");
    assert_eq!(fault.retry, Retry::Backoff);
    let fault = unknown(attempt(&double.ntlm("internal")).await);
    assert_eq!((&*fault.kind, fault.message.contains("code 995")), ("WinrmFault", true), "{fault:?}");
    // That shell stayed, and the account may have one.
    let fault = not_sent(attempt(&double.ntlm("echo one too many")).await);
    assert!(fault.message.contains("MaxShellsPerUser"), "{fault:?}");
    assert!(double.ledger().is_empty());
}

#[tokio::test]
async fn lost_answers_are_unknown_or_a_gap_and_nothing_is_sent_twice() {
    let script = r#"[{"match":"start lost","drop":"command"},{"match":"output lost","drop":"receive"},{"match":"clear","unsealed":true}]"#;
    let Some(double) = Double::start(script, &[]) else { return };
    unknown(attempt(&double.ntlm("echo start lost")).await);
    let answer = answered(attempt(&double.ntlm("echo output lost; sleep 1; echo rest; exit 3")).await).unwrap();
    assert_eq!((answer.stdout.as_slice(), answer.exit_code, answer.gap), (&b"rest\n"[..], Some(3), true));
    // Over HTTPS as well.
    let answer = answered(attempt(&double.https("echo output lost; sleep 1; echo rest", basic())).await).unwrap();
    assert_eq!((answer.stdout.as_slice(), answer.gap), (&b"rest\n"[..], true));
    // An answer in the clear within a sealed session is none, whatever it says.
    let short = Bounds { timeout: Duration::from_millis(2500), ..bounds(&open) };
    let fault = unknown(attempt_in(&double.ntlm("echo clear"), short).await);
    assert_eq!(&*fault.kind, "TimeoutError");
    assert_eq!(
        double.ledger(),
        [
            "echo start lost",
            "echo output lost; sleep 1; echo rest; exit 3",
            "echo output lost; sleep 1; echo rest",
            "echo clear"
        ]
    );
}

#[tokio::test]
async fn a_command_that_is_late_is_told_to_end() {
    let Some(double) = Double::start("[]", &[]) else { return };
    let marker = double.folder.path().join("marker");
    let line = format!("sleep 4; touch {}", marker.display());
    let short = Bounds { timeout: Duration::from_millis(1500), ..bounds(&open) };
    let fault = unknown(attempt_in(&double.ntlm(&line), short).await);
    assert_eq!(&*fault.kind, "TimeoutError");
    assert!(fault.message.ends_with("has not ended in time; it was told to end"), "{fault:?}");
    let signals = double.events("signal");
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].get("code").and_then(Value::as_str), Some("terminate"));
    assert_eq!(signals[0].get("ended"), Some(&Value::Bool(false)));
    assert_eq!(double.events("delete").len(), 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!marker.exists(), "the command went on");
}

#[tokio::test]
async fn another_process_goes_on_where_one_died() {
    let Some(double) = Double::start("[]", &[]) else { return };
    for r in
        [double.ntlm("echo early; sleep 3; echo late; exit 5"), double.https("sleep 3; echo late; exit 5", basic())]
    {
        let before = double.ledger().len();
        let told = Arc::new(Mutex::new(None));
        let task = {
            let (r, told) = (r.clone(), Arc::clone(&told));
            tokio::spawn(async move {
                let detach = move |handle: Value| *told.lock().unwrap() = Some(handle);
                let _ = attempt_in(&r, Bounds { detach: &detach, ..bounds(&open) }).await;
            })
        };
        let handle = loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let told = told.lock().unwrap().clone();
            if let Some(handle) = told {
                break handle;
            }
            assert!(!task.is_finished(), "the command ended without a handle");
        };
        // What a killed process leaves: the connection is gone, nobody said good-bye.
        tokio::time::sleep(Duration::from_millis(300)).await;
        task.abort();
        let _ = task.await;
        assert_eq!(double.ledger().len(), before + 1);
        // The gate is for what begins; this began long ago.
        let again = Bounds { attach: Some(&handle), ..bounds(&closed) };
        let answer = answered(attempt_in(&r, again).await).unwrap();
        assert!(answer.stdout.ends_with(b"late\n"), "{answer:?}");
        assert_eq!((answer.exit_code, answer.gap), (Some(5), true));
        assert_eq!(double.ledger().len(), before + 1, "nothing was started anew");
        // It is over and its shell removed: whoever asks again hears that nobody knows.
        let fault = unknown(attempt_in(&r, again).await);
        assert!(fault.message.contains("the shell is gone"), "{fault:?}");
        let mut elsewhere = r.clone();
        elsewhere.host = "localhost".into();
        unknown(attempt_in(&elsewhere, again).await);
    }
}

#[tokio::test]
async fn a_whole_call_ends_in_an_output_without_secrets() {
    let Some(double) = Double::start("[]", &[]) else { return };
    let port = double.port("http");
    let config = format!(r#"{{"host":"127.0.0.1","port":{port},"user":"CORP\\ir"}}"#);
    let instance = connector::Instance {
        id: "w".into(),
        name: "W".into(),
        kind: ".winrm".into(),
        config: json::parse(&config).unwrap(),
        secrets: connector::Secrets::new([("password".to_string(), PASSWORD.to_string())].into()),
    };
    let egress = egress(&[format!("127.0.0.1:{port}")]);
    let transports = super::super::Transports::new(Arc::new(connector::Registry::built_in()), egress);
    let run = async |operation: &str, params: &str| {
        let params = json::parse(params).unwrap();
        let call =
            connector::Invocation { operation, params: &params, instance: Some(&instance), idempotency_key: "k" };
        transports.call(&call, Bounds::new(Duration::from_secs(20), MIB, &open)).await
    };
    let shown = |outcome: workflow::Outcome| match outcome {
        workflow::Outcome::Answered(Ok(workflow::Body::Inline(v))) => json::text(&v),
        workflow::Outcome::Answered(Err(fault)) => format!("{} {}", fault.message, json::text(&fault.details)),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        shown(run("winrm.run", &format!(r#"{{"command":"echo {PASSWORD}; echo oops >&2"}}"#)).await),
        r#"{"exit_code":0,"stdout":"[secret:password]\n","stderr":"oops\r\n","truncated":false,"gap":false}"#
    );
    assert_eq!(
        shown(run("winrm.run", r#"{"command":"exit 4","shell":"cmd"}"#).await),
        r#"command exited with code 4 {"exit_code":4,"stdout":"","stderr":"","truncated":false,"gap":false}"#
    );
    assert_eq!(shown(run("winrm.connect", "{}").await), r#"{"product":"Watchfire test double 1"}"#);
}
