//! WinRM against the double of `tests/doubles/winrm`: the process is killed while a command runs, the next one hears how it ends.

use crate::stage::{Ended, Stage, WAIT_MAX, output};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "canary-winrm-31d9f0";

/// The double and the folder of its ledger.
struct Double {
    _child: Ended,
    folder: tempfile::TempDir,
    port: u64,
}

impl Double {
    fn start() -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/doubles/winrm");
        let installed = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("doubles");
        let run = Command::new("bash")
            .arg(here.join("run"))
            .arg("--install")
            .env("WATCHFIRE_DOUBLES_DIR", installed)
            .output()
            .ok()?;
        if !run.status.success() {
            println!("skipped: the Python packages of tests/doubles/winrm cannot be installed");
            eprintln!("{}", String::from_utf8_lossy(&run.stderr));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(String::from_utf8_lossy(&run.stdout).trim())
            .arg(here.join("server.py"))
            .args(["--user", &format!("CORP\\ir:{PASSWORD}"), "--receive-seconds", "1", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at: Value = serde_json::from_str(&line).expect("the double says where it listens");
        Some(Self { _child: Ended(child), folder, port: at["http"].as_u64().unwrap() })
    }

    fn ledger(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("ledger.jsonl")).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    async fn until_started(&self, commands: usize) {
        let begun = Instant::now();
        while self.ledger().len() < commands {
            assert!(begun.elapsed() < WAIT_MAX, "the command was not started");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_on_its_way_outlives_the_process_and_runs_once() {
    let Some(double) = Double::start() else { return };
    let mut stage = Stage::open().await;
    stage.allow(&format!("127.0.0.1:{}", double.port)).await;
    let body = json!({"connector_type_id": ".winrm", "name": "windows", "secrets": {"password": PASSWORD},
        "config": {"host": "127.0.0.1", "port": double.port, "user": "CORP\\ir"}});
    stage.good("POST", "/api/actions/connector/windows", Some(body)).await;
    let yaml = format!(
        r#"
version: "1"
name: isolate
triggers: [{{ type: manual }}]
steps:
  - name: isolate
    type: winrm.run
    connector-id: windows
    timeout: "60s"
    with: {{ command: "echo early; sleep 6; echo late {PASSWORD}" }}
  - name: after
    type: winrm.run
    connector-id: windows
    timeout: "60s"
    with: {{ command: "echo after", shell: cmd }}
"#
    );
    let run = stage.run("isolate", &yaml).await;
    double.until_started(1).await;
    for _ in 0..2 {
        // The handle is committed right after the host has named the command.
        tokio::time::sleep(Duration::from_millis(700)).await;
        stage.kill();
        stage.start().await;
    }
    let done = stage.until(&run, &["completed", "failed", "waiting_for_input"]).await;
    assert_eq!(done["status"], json!("completed"), "{done}");
    let isolate = output(&done, "isolate");
    assert!(isolate["stdout"].as_str().unwrap().ends_with("late [secret:password]\n"), "{isolate}");
    assert_eq!(
        (&isolate["exit_code"], &isolate["gap"]),
        (&json!(0), &json!(true)),
        "what was heard before the kill is lost"
    );
    let after = output(&done, "after");
    assert_eq!((&after["stdout"], &after["gap"]), (&json!("after\n"), &json!(false)));
    let ledger = double.ledger();
    println!("two kills while a command ran: started {} of 2 commands, asked 0 people", ledger.len());
    assert_eq!(ledger.len(), 2, "{ledger:?}");
    assert!(ledger.iter().all(|l| l["sealed"] == json!(true)));
    let list = stage.good("GET", "/api/watchfire/approvals?state=waiting", None).await;
    assert_eq!(list["approvals"], json!([]), "nobody is asked");
    stage.kill();
    let (holds, words) = stage.verified();
    assert!(holds, "{words}");
}
