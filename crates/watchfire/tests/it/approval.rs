//! Answers with conditions from the command line: `approval approve --set`.

use crate::stage::{Stage, output};
use serde_json::{Value, json};

const YAML: &str = r#"
version: "1"
name: approve changed
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

#[tokio::test(flavor = "multi_thread")]
async fn parameters_changed_on_the_command_line_are_asked_again_and_run_as_changed() {
    let stage = Stage::open().await;
    let run = stage.run("approve-changed", YAML).await;
    stage.until(&run, &["waiting_for_input"]).await;
    let list = stage.good("GET", "/api/watchfire/approvals?state=waiting", None).await;
    let id = list["approvals"][0]["id"].as_str().expect("a question").to_owned();
    let before = stage.good("GET", &format!("/api/watchfire/approvals/{id}"), None).await;
    let old = before["hash"].as_str().unwrap();

    let (code, said) = stage.cli(&["approval", "approve", &id, "--set", "command=isolate h2"]);
    assert!(code != Some(0) && said.contains("a change says why"), "{code:?} {said}");
    let (code, said) = stage.cli(&["approval", "approve", &id, "--set", "command", "--comment", "x"]);
    assert!(code != Some(0) && said.contains("is not of the form name=value"), "{code:?} {said}");
    let (code, said) =
        stage.cli(&["approval", "approve", &id, "--set", "command=isolate h2", "--comment", "the other host"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("isolate h2") && said.contains("nothing is approved yet"), "{said}");
    let after = stage.good("GET", &format!("/api/watchfire/approvals/{id}"), None).await;
    let new = after["hash"].as_str().unwrap();
    assert_eq!((&after["state"], &after["decisions"]), (&json!("waiting"), &json!([])));
    assert_ne!(old, new);
    assert_eq!(after["actions"][0]["request"], json!("isolate h2"));
    assert!(said.contains(new), "the next command is printed with the new hash: {said}");

    // Who still means the old bytes approves nothing.
    let (code, said) = stage.cli(&["approval", "approve", &id, "--hash", old]);
    assert!(code != Some(0) && said.contains("what would run has changed"), "{code:?} {said}");
    let commands = || -> Vec<Value> { stage.ledger().into_iter().filter(|l| l["at"] == "command").collect() };
    assert!(commands().is_empty(), "nothing ran so far");
    let (code, said) = stage.cli(&["approval", "approve", &id, "--hash", new, "--comment", "yes"]);
    assert!(code == Some(0) && said.contains("approved"), "{code:?} {said}");
    let done = stage.until(&run, &["completed", "failed"]).await;
    assert_eq!(output(&done, "isolate")["exit_code"], json!(0), "{done}");
    let ran = commands();
    assert_eq!((ran.len(), &ran[0]["command"]), (1, &json!("isolate h2")));
    let (whole, why) = stage.verified();
    assert!(whole, "{why}");
}
