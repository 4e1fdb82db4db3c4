//! INV-10: a canary secret is found in no table, log, journal, prompt or answer.

use crate::stage::Stage;
use base64::Engine as _;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_secret_is_found_in_no_file_log_ledger_line_or_answer() {
    let stage = Stage::open().await;
    let yaml = r##"
version: "1"
name: canary
triggers: [{ type: manual }]
steps:
  - name: tell
    type: slack_api.postMessage
    connector-id: soc-chat
    with: { channels: ["#soc"], text: "hello" }
  - name: ask
    type: ai.prompt
    connector-id: model
    with: { prompt: "say something" }
  - name: act
    type: ssh.run
    connector-id: response-host
    timeout: "30s"
    with: { command: "processes" }
  - name: open_case
    type: cases.createCase
    with: { owner: securitySolution, title: "canary", description: "{{ steps.tell.output | json }} {{ steps.ask.output | json }} {{ steps.act.output | json }}" }
"##;
    let run = stage.run("canary", yaml).await;
    let done = stage.until(&run, &["completed", "failed"]).await;
    assert_eq!(done["status"], json!("completed"), "{done}");
    let mut places = vec![("log".to_owned(), stage.log().into_bytes())];
    places.push(("execution".into(), done.to_string().into_bytes()));
    for path in [
        "/api/actions/connectors",
        "/api/actions/connector/soc-chat",
        "/api/cases/_find",
        "/api/watchfire/audit?size=1000",
        "/api/workflows",
    ] {
        places.push((path.into(), stage.text(path).await.into_bytes()));
    }
    places.extend(stage.files().into_iter().map(|(p, b)| (p.display().to_string(), b)));
    assert!(places.len() > 10, "the data folder was read");
    for secret in &stage.secrets {
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        for form in [secret.as_bytes(), encoded.as_bytes(), hex::encode(secret).as_bytes()] {
            for (place, bytes) in &places {
                assert!(!bytes.windows(form.len()).any(|w| w == form), "a secret stands in {place}");
            }
        }
    }
}
