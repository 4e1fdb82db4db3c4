//! Parameters of `winrm.run` to a command line and a host, and answers to outputs.

use super::*;
use crate::{Answer, Instance, Invocation, Prepared, Registry, Request, Secrets};
use stdx::json;

const NTLM: &str = r#"{"host":"ws-1.corp.example","user":"CORP\\ir","hosts":[{"name":"db","host":"10.0.0.9","port":15985},{"host":"fd00::9"}]}"#;
const PASSWORD: &[(&str, &str)] = &[("password", "canary-password")];

fn instance(config: &str, secrets: &[(&str, &str)]) -> Instance {
    let secrets = Secrets::new(secrets.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
    Instance { id: "w".into(), name: "W".into(), kind: ".winrm".into(), config: json::parse(config).unwrap(), secrets }
}

struct Case {
    registry: Registry,
    instance: Instance,
    operation: &'static str,
    params: Value,
}

impl Case {
    fn new(config: &str, secrets: &[(&str, &str)], params: &str) -> Self {
        let params = json::parse(params).unwrap();
        Self { registry: Registry::built_in(), instance: instance(config, secrets), operation: "winrm.run", params }
    }
    fn call(&self) -> Invocation<'_> {
        let (operation, instance) = (self.operation, Some(&self.instance));
        Invocation { operation, params: &self.params, instance, idempotency_key: "k" }
    }
    fn request(&self) -> Result<WinrmRequest, String> {
        match self.registry.request(&self.call()) {
            Ok(Prepared::Send(Request::Winrm(r))) => Ok(r),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => Err(fault.message),
        }
    }
    fn answer(&self, answer: WinrmAnswer) -> Result<Value, Fault> {
        self.registry.response(&self.call(), Answer::Winrm(answer))
    }
}

fn run(params: &str) -> Result<WinrmRequest, String> {
    Case::new(NTLM, PASSWORD, params).request()
}

#[test]
fn a_script_goes_to_the_connectors_host_by_ntlm_over_http() {
    let r = run(r#"{"command":"Get-Process","stdin":"in"}"#).unwrap();
    assert_eq!((r.url().as_str(), r.stdin.as_slice()), ("http://ws-1.corp.example:5985/wsman", &b"in"[..]));
    assert_eq!(r.line.as_deref(), Some(powershell::command_line("Get-Process").as_str()));
    assert_eq!(r.auth, WinrmAuth::Ntlm(Credentials::new("CORP\\ir", "canary-password")));
    assert!(!format!("{r:?}").contains("canary"));
    let r = run(r#"{"command":"ipconfig /all","shell":"cmd"}"#).unwrap();
    assert_eq!(r.line.as_deref(), Some("ipconfig /all"));
}

#[test]
fn further_hosts_by_name_or_address_and_no_others() {
    let url = |host: &str| run(&format!(r#"{{"command":"x","host":"{host}"}}"#)).map(|r| r.url());
    assert_eq!(url("db").unwrap(), "http://10.0.0.9:15985/wsman");
    assert_eq!(url("10.0.0.9").unwrap(), "http://10.0.0.9:15985/wsman");
    assert_eq!(url("fd00::9").unwrap(), "http://[fd00::9]:5985/wsman");
    assert_eq!(url("ws-1.corp.example").unwrap(), "http://ws-1.corp.example:5985/wsman");
    assert_eq!(url("evil").unwrap_err(), "host `evil` is not one of the connector's hosts");
    let config = r#"{"host":"a/b","user":"u"}"#;
    let odd = Case::new(config, PASSWORD, r#"{"command":"x"}"#).request().unwrap_err();
    assert_eq!(odd, "host `a/b` is neither a name nor an address");
}

#[test]
fn passwords_in_the_clear_and_certificates_go_over_https_only() {
    let basic = r#"{"host":"h","user":"u","authType":"basic","verificationMode":"none"}"#;
    let r = Case::new(basic, PASSWORD, r#"{"command":"x"}"#).request().unwrap();
    assert_eq!((r.url().as_str(), r.insecure), ("https://h:5986/wsman", true));
    let pem = [("certificate", "-----BEGIN CERTIFICATE-----x"), ("key", "-----BEGIN PRIVATE KEY-----y")];
    let config = r#"{"host":"h","authType":"certificate","ca":"-----BEGIN CERTIFICATE-----ca","port":443}"#;
    let r = Case::new(config, &pem, r#"{"command":"x"}"#).request().unwrap();
    assert_eq!(r.url(), "https://h:443/wsman");
    assert!(r.ca.is_some() && matches!(&r.auth, WinrmAuth::Certificate { pem } if pem.contains("KEY-----y")));
    let missing = |config: &str| Case::new(config, &[], r#"{"command":"x"}"#).request().unwrap_err();
    assert_eq!(missing(r#"{"host":"h","user":"u"}"#), "secret `password` is missing");
    assert_eq!(missing(r#"{"host":"h"}"#), "`user` is missing");
    assert_eq!(missing(r#"{"host":"h","authType":"certificate"}"#), "secret `certificate` is missing");
}

#[test]
fn what_cannot_arrive_as_written_is_refused() {
    let cmd = |command: &str| {
        let params = Value::object([("command", Value::from(command)), ("shell", Value::from("cmd"))]);
        run(&json::text(&params))
    };
    for bad in ["a\nb", "a\r\nb", "a\u{0}b", "a\u{1b}b", "a\u{7f}", "a\u{ffff}"] {
        assert!(cmd(bad).unwrap_err().starts_with("a command for `cmd` is one line"), "{bad:?}");
    }
    assert_eq!(cmd("a\tb").unwrap().line.as_deref(), Some("a\tb"));
    assert!(cmd(&"x".repeat(COMMAND_LINE_CHARS_MAX)).is_ok());
    assert!(cmd(&"x".repeat(COMMAND_LINE_CHARS_MAX + 1)).unwrap_err().contains("8192 characters"));
    let script = |n: usize| run(&format!(r#"{{"command":"{}\n"}}"#, "x".repeat(n)));
    assert!(script(3_000).is_ok());
    assert!(script(4_000).unwrap_err().contains("a script may have about 3,000 characters"));
    let long = format!(r#"{{"command":"x","stdin":"{}"}}"#, "x".repeat(STDIN_BYTES_MAX + 1));
    assert!(run(&long).unwrap_err().starts_with("`stdin` has more than"));
    assert!(run("{}").unwrap_err().contains("[command]: is required"));
    assert!(run(r#"{"command":"x","shell":"bash"}"#).unwrap_err().contains("[shell]"));
}

#[test]
fn exit_codes_text_and_secrets_in_outputs() {
    let case = Case::new(NTLM, PASSWORD, r#"{"command":"x"}"#);
    let answer = |code: Option<i64>, stdout: &str, stderr: &str| WinrmAnswer {
        exit_code: code,
        stdout: stdout.into(),
        stderr: stderr.into(),
        ..WinrmAnswer::default()
    };
    let out =
        case.answer(answer(Some(0), "ü canary-password", "#< CLIXML\r\n<Objs><S S=\"Error\">bad_x000A_</S></Objs>"));
    assert_eq!(
        json::text(&out.unwrap()),
        r#"{"exit_code":0,"stdout":"ü [secret:password]","stderr":"bad\n","truncated":false,"gap":false}"#
    );
    let fault = case.answer(answer(Some(-1_073_741_510), "", "no")).unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), ("WinrmCommandError", "command exited with code -1073741510"));
    assert_eq!(fault.details.get("stderr").and_then(Value::as_str), Some("no"));
    assert!(case.answer(answer(None, "", "")).unwrap_err().message.contains("without an exit code"));
    let mut connect = Case::new(NTLM, PASSWORD, "{}");
    connect.operation = "winrm.connect";
    assert_eq!(connect.request().unwrap().line, None);
    let out = connect.answer(WinrmAnswer { product: Some("Windows".into()), ..WinrmAnswer::default() }).unwrap();
    assert_eq!(json::text(&out), r#"{"product":"Windows"}"#);
}

#[test]
fn running_is_destructive_connecting_is_a_read_and_the_target_names_account_and_host() {
    let registry = Registry::built_in();
    assert_eq!(registry.operation("winrm.run").unwrap().1.class, crate::Class::Destructive);
    assert_eq!(registry.operation("winrm.connect").unwrap().1.class, crate::Class::Read);
    let target = registry.target(".winrm", &json::parse(NTLM).unwrap()).unwrap();
    assert_eq!(target.get("user").and_then(Value::as_str), Some("CORP\\ir"));
    assert_eq!(target.get("host").and_then(Value::as_str), Some("ws-1.corp.example"));
}
