//! Suite `workflows-run`: every public workflow document runs to its end against generic stubs.
//!
//! Invariants: the executor is the real `decide` and `evolve`; whatever leaves the engine is answered from a schema, never from knowledge
//! of a document; a diagnostic or an end other than `completed` must be listed in `xtask/exceptions/workflows-run.jsonl`
//! (`{"id", "code", "line", "reason"}` for a diagnostic, `{"id", "end", "reason"}` for an end).
//! Not here: whether documents load (`workflows_load`), what the engine does with real transports.

mod stub;
mod world;

use super::Tally;
use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use stdx::Value;
use workflow::{Catalogue, ConnectorView, Program};

/// Documents of the public library that must complete, of 79.
const COMPLETED_MIN_PER_MILLE: usize = 75 * 1000 / 79;

/// What the file of exceptions allows.
#[derive(Default)]
struct Allowed {
    diagnostics: BTreeMap<(String, String, usize), String>,
    ends: BTreeMap<String, (String, String)>,
}

fn allowed() -> anyhow::Result<Allowed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("exceptions/workflows-run.jsonl");
    let mut out = Allowed::default();
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let row = stdx::json::parse(line).with_context(|| format!("{}:{}", path.display(), n + 1))?;
        let word = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(id), Some(reason)) = (word("id"), word("reason")) else {
            bail!("{}:{}: `id` and `reason` are needed", path.display(), n + 1);
        };
        match (word("code"), word("end")) {
            (Some(code), None) => {
                let line = row.get("line").and_then(Value::as_i64).and_then(|l| usize::try_from(l).ok());
                let line = line.with_context(|| format!("{}:{}: `line` is needed", path.display(), n + 1))?;
                out.diagnostics.insert((id, code, line), reason);
            }
            (None, Some(end)) => drop(out.ends.insert(id, (end, reason))),
            _ => bail!("{}:{}: either `code` and `line`, or `end`", path.display(), n + 1),
        }
    }
    Ok(out)
}

/// Runs the suite.
pub(super) fn run(path: &Path) -> anyhow::Result<Tally> {
    let allowed = allowed()?;
    let mut tally = Tally::default();
    let mut table = comfy_table::Table::new();
    table.set_header(["document", "end", "steps", "calls", "inside", "asked", "virtual", "what it did"]);
    let mut files = super::files(path, ".yaml")?;
    files.extend(super::files(path, ".yml")?);
    files.sort();
    files.dedup();
    let (mut completed, mut accepted, mut stale) = (0, 0, vec![]);
    let mut used: BTreeSet<(String, String, usize)> = BTreeSet::new();
    let documents = files.len();
    for file in files {
        let id = file.strip_prefix(path).unwrap_or(&file).display().to_string();
        let id = if id.is_empty() { file.file_name().unwrap_or_default().to_string_lossy().into_owned() } else { id };
        let text = distinct(&super::read_text(&file)?);
        let mut problems = vec![];
        let catalogue = catalogue(&text);
        let (program, found) = Program::load(&text, &catalogue);
        let lines = stdx::LineIndex::new(&text);
        for d in &found {
            let at = lines.position(&text, d.span.start);
            let key = (id.clone(), d.code.to_owned(), at.line);
            if allowed.diagnostics.contains_key(&key) {
                used.insert(key);
            } else {
                problems.push(format!("{id}:{}:{}: {}: {}", at.line, at.column, d.code, d.message));
            }
        }
        match program {
            None => {
                table.add_row([id.as_str(), "not loaded", "", "", "", "", "", ""]);
                problems.push(format!("{id}: does not load"));
            }
            Some(program) => {
                let report = world::run(program, catalogue);
                table.add_row(report.row(&id));
                match (&*report.end, allowed.ends.get(&id)) {
                    ("completed", None) => completed += 1,
                    ("completed", Some((end, _))) => {
                        completed += 1;
                        stale.push(format!("{id}: completed, although `{end}` is listed: the line can go"));
                    }
                    (end, Some((listed, _))) if end == listed => accepted += 1,
                    (end, _) => problems.push(format!("{id}: {end}: {}", report.error)),
                }
            }
        }
        if problems.is_empty() {
            tally.passed += 1;
        } else {
            tally.failed += 1;
            tally.failures.extend(problems);
        }
    }
    tally.notes.push(table.to_string());
    tally.notes.extend(stale);
    tally.notes.push(format!(
        "{documents} documents: {completed} completed, {accepted} ended otherwise for a listed reason; {} listed diagnostics",
        used.len()
    ));
    if documents > 0 && completed * 1000 / documents < COMPLETED_MIN_PER_MILLE {
        tally.failed += 1;
        tally.failures.push(format!("only {completed} of {documents} documents completed"));
    }
    Ok(tally)
}

/// Placeholders of connectors told apart: whoever installs a document puts another id into each.
fn distinct(text: &str) -> String {
    const PLACEHOLDER: &str = "REPLACE_WITH_CONNECTOR_ID";
    let mut parts = text.split(PLACEHOLDER);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for (n, part) in parts.enumerate() {
        out.push_str(&format!("{PLACEHOLDER}_{n}"));
        out.push_str(part);
    }
    out
}

/// A catalogue in which every connector that the document names exists, of the type its step takes.
fn catalogue(text: &str) -> Catalogue {
    let mut catalogue = Catalogue::default();
    let (Some(program), _) = Program::load(text, &Catalogue::default()) else { return catalogue };
    let inputs = stub::inputs(&program);
    let root = workflow::template::Root {
        value: Value::object([("consts", program.consts.clone()), ("inputs", inputs)]),
        ..workflow::template::Root::default()
    };
    let mut add = |id: &str, kind: &str| {
        let view = ConnectorView {
            id: id.into(),
            name: id.into(),
            kind: kind.into(),
            target: Value::object([("base_url", Value::from("https://stub.example"))]),
            secrets: vec![],
        };
        catalogue.connectors.entry(id.into()).or_insert(view);
    };
    for step in &program.steps {
        let workflow::program::Body::Leaf(leaf) = &step.body else { continue };
        let kind = leaf
            .operation
            .as_ref()
            .and_then(|o| o.connector.as_deref())
            .unwrap_or_else(|| leaf.code.meta().connectors.first().copied().unwrap_or(".jira"));
        if let Some(connector) = &leaf.connector
            && let Ok(id) = connector.render(&root)
            && !id.is_empty()
        {
            add(&id, kind);
        }
        if let Some(id) = leaf.params.source().get("connectorId").and_then(Value::as_str) {
            add(id, kind);
        }
    }
    // A space has a model by default.
    add("stub-model", ".gen-ai");
    catalogue
}
