//! Bad days of S10 against the real server: the model answers nonsense, the chat is down, a command fails, a question is answered twice.

use crate::stage::{Stage, output};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_answers_nonsense_fails_the_step_and_the_run_goes_on() {
    let stage = Stage::open().await;
    stage.control(json!({"model_nonsense": true})).await;
    let yaml = r#"
version: "1"
name: nonsense
triggers: [{ type: manual }]
steps:
  - name: ask
    type: ai.summarize
    connector-id: model
    with: { input: "evidence" }
    on-failure: { continue: true }
  - name: open_case
    type: cases.createCase
    with: { owner: securitySolution, title: "nonsense", description: "{{ steps.ask.output.content | default: 'No summary: the model did not answer.' }}" }
"#;
    let run = stage.run("nonsense", yaml).await;
    let done = stage.until(&run, &["completed", "failed"]).await;
    assert_eq!(done["status"], json!("completed"), "{done}");
    assert_eq!(output(&done, "open_case")["case"]["description"], json!("No summary: the model did not answer."));
    let cases = stage.good("GET", "/api/cases/_find", None).await["total"].as_u64().unwrap_or(0);
    println!("a model that answers nonsense: lost {} of 1 case", 1 - cases.min(1));
    assert_eq!(cases, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_down_gets_its_message_once_when_it_is_back() {
    let stage = Stage::open().await;
    stage.control(json!({"chat_down": true})).await;
    let yaml = r##"
version: "1"
name: chat down
triggers: [{ type: manual }]
steps:
  - name: tell
    type: slack_api.postMessage
    connector-id: soc-chat
    with: { channels: ["#soc"], text: "are you there" }
"##;
    let run = stage.run("chat-down", yaml).await;
    // `accept main-job` lets it be down for five minutes.
    let down = std::env::var("WATCHFIRE_TEST_CHAT_DOWN_S").ok().and_then(|s| s.parse().ok()).unwrap_or(2);
    tokio::time::sleep(Duration::from_secs(down)).await;
    assert!(stage.ledger().iter().any(|l| l["at"] == "chat.refused"), "the message was tried");
    stage.control(json!({"chat_down": false})).await;
    let done = stage.until(&run, &["completed", "failed"]).await;
    assert_eq!(done["status"], json!("completed"), "{done}");
    let ledger = stage.ledger();
    let keys: std::collections::BTreeSet<_> = ledger
        .iter()
        .filter(|l| l["at"] == "chat" || l["at"] == "chat.refused")
        .map(|l| l["key"].to_string())
        .collect();
    assert_eq!(keys.len(), 1, "one key over all attempts");
    let said = ledger.iter().filter(|l| l["at"] == "chat").count();
    println!("chat down for {down} s: lost {} of 1 message, said {said} time(s)", 1 - said.min(1));
    assert_eq!(said, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_command_runs_once_and_a_second_answer_is_refused() {
    let stage = Stage::open().await;
    let yaml = r#"
version: "1"
name: approve once
triggers: [{ type: manual }]
steps:
  - name: decide
    type: waitForApproval
    timeout: "1h"
    with: { message: "Isolate h1?" }
  - name: yes
    type: if
    condition: "steps.decide.output.response.approved: true"
    steps:
      - name: isolate
        type: ssh.run
        connector-id: response-host
        timeout: "30s"
        with: { command: "isolate h1" }
"#;
    let run = stage.run("approve-once", yaml).await;
    stage.until(&run, &["waiting_for_input"]).await;
    let list = stage.good("GET", "/api/watchfire/approvals?state=waiting", None).await;
    let id = list["approvals"][0]["id"].as_str().expect("a question").to_owned();
    let whole = stage.good("GET", &format!("/api/watchfire/approvals/{id}"), None).await;
    assert!(stage.ledger().iter().all(|l| l["at"] != "command"), "nothing runs before the answer");
    let body = json!({"verdict": "approve", "hash": whole["hash"], "comment": "yes"});
    stage.good("POST", &format!("/api/watchfire/approvals/{id}/decide"), Some(body)).await;
    let done = stage.until(&run, &["completed", "failed"]).await;
    assert_eq!(output(&done, "isolate")["exit_code"], json!(0), "{done}");
    let commands: Vec<_> = stage.ledger().into_iter().filter(|l| l["at"] == "command").collect();
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0]["command"], json!("isolate h1"));
    let after = stage.good("GET", &format!("/api/watchfire/approvals/{id}"), None).await;
    assert_eq!(after["state"], json!("approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_says_so_with_its_output() {
    let stage = Stage::open().await;
    let yaml = r#"
version: "1"
name: command fails
triggers: [{ type: manual }]
steps:
  - name: act
    type: ssh.run
    connector-id: response-host
    timeout: "30s"
    with: { command: "fail" }
    on-failure: { continue: true }
  - name: note
    type: console
    with: { message: "{{ steps.act.error.details.exit_code }}" }
"#;
    let run = stage.run("command-fails", yaml).await;
    let done = stage.until(&run, &["completed", "failed"]).await;
    assert_eq!(done["status"], json!("completed"), "{done}");
    assert_eq!(output(&done, "note"), &json!("3"));
}
