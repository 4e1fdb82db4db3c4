//! Versions, archives, logs: the management API of workflows from the command line.
//!
//! Not here: the routes (`api`).

use super::changed_lines;
use crate::Exit;
use crate::client::{Client, segment};
use crate::output;
use std::path::Path;
use stdx::Value;
use workflow::{Catalogue, ConnectorView};

fn one(id: &str) -> String {
    format!("/api/workflows/workflow/{}", segment(id))
}

/// The catalogue of this build with the connectors that the server has; their secrets stay there.
pub async fn catalogue(client: &Client) -> anyhow::Result<Catalogue> {
    let mut catalogue = crate::server::offline_catalogue();
    let all = client.call("GET", "/api/actions/connectors", None).await?;
    for c in all.as_array().unwrap_or_default() {
        let text = |k: &str| c.get(k).and_then(Value::as_str).unwrap_or_default();
        let view = ConnectorView {
            id: text("id").into(),
            name: text("name").into(),
            kind: text("connector_type_id").into(),
            target: c.get("config").cloned().unwrap_or_default(),
            secrets: vec![],
        };
        catalogue.connectors.insert(view.id.clone(), view);
    }
    Ok(catalogue)
}

/// Lists versions.
pub async fn versions(client: &Client, id: &str, json: bool) -> anyhow::Result<Exit> {
    let all = client.call("GET", &format!("{}/versions", one(id)), None).await?;
    if json {
        output::json(&all);
        return Ok(Exit::Fine);
    }
    let rows = all.get("versions").and_then(Value::as_array).unwrap_or_default();
    let row = |v: &Value| ["version", "at", "by", "valid", "steps"].map(|k| output::text(v, k)).to_vec();
    output::table(&["version", "at", "by", "valid", "steps"], rows.iter().map(row).collect());
    Ok(Exit::Fine)
}

async fn text_of(client: &Client, id: &str, version: Option<u64>) -> anyhow::Result<String> {
    let path = version.map_or_else(|| one(id), |v| format!("{}/versions/{v}", one(id)));
    Ok(output::text(&client.call("GET", &path, None).await?, "yaml"))
}

/// Shows what changed.
pub async fn diff(client: &Client, id: &str, from: u64, to: Option<u64>, json: bool) -> anyhow::Result<Exit> {
    if json {
        let to = to.map_or(String::new(), |t| format!("&to={t}"));
        output::json(&client.call("GET", &format!("{}/diff?from={from}{to}", one(id)), None).await?);
        return Ok(Exit::Fine);
    }
    let (old, new) = (text_of(client, id, Some(from)).await?, text_of(client, id, to).await?);
    changed_lines(&old, &new).iter().for_each(|l| println!("{l}"));
    Ok(Exit::Fine)
}

/// Writes workflows to an archive, or reads one.
pub async fn archive(client: &Client, file: &Path, ids: Vec<String>, overwrite: bool) -> anyhow::Result<Exit> {
    let wrong = |e: std::io::Error| anyhow::anyhow!("`{}`: {e}", file.display());
    if !ids.is_empty() {
        let body = Value::object([("ids", Value::array(ids.iter().map(|i| Value::from(i.as_str()))))]);
        let bytes = client
            .bytes("POST", "/api/workflows/export", Some(("application/json", stdx::json::text(&body).into())))
            .await?;
        std::fs::write(file, &bytes).map_err(wrong)?;
        println!("{} bytes", bytes.len());
        return Ok(Exit::Fine);
    }
    let bytes = std::fs::read(file).map_err(wrong)?;
    let path = format!("/api/workflows/import?overwrite={overwrite}");
    let answer = client.bytes("POST", &path, Some(("application/zip", bytes))).await?;
    let answer = stdx::json::parse(&String::from_utf8_lossy(&answer)).map_err(|e| anyhow::anyhow!("{e}"))?;
    output::json(&answer);
    let failed = answer.get("failed").and_then(Value::as_array).is_some_and(|f| !f.is_empty());
    Ok(if failed { Exit::Findings } else { Exit::Fine })
}

/// Prints the log of a run.
pub async fn logs(client: &Client, id: &str, json: bool) -> anyhow::Result<Exit> {
    let path = format!("/api/workflows/executions/{}/logs?size=1000", segment(id));
    let answer = client.call("GET", &path, None).await?;
    if json {
        output::json(&answer);
        return Ok(Exit::Fine);
    }
    for line in answer.get("logs").and_then(Value::as_array).unwrap_or_default() {
        let text = |k: &str| output::text(line, k);
        println!("{} {:5} {}: {}", text("timestamp"), text("level"), text("stepId"), output::visible(text("message")));
    }
    Ok(Exit::Fine)
}
