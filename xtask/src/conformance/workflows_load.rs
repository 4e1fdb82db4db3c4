//! Suite `workflows-load`: every public workflow document must parse.
//!
//! Invariants: a step type that is not there yet is listed, not failed; anything else that is an error fails the document.

use super::Tally;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use workflow::{Catalogue, Program};

/// Runs the suite.
pub(super) fn run(path: &Path) -> anyhow::Result<Tally> {
    let exceptions = super::exceptions("workflows-load")?;
    let mut tally = Tally::default();
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    let mut table = comfy_table::Table::new();
    table.set_header(["document", "steps", "triggers", "not there yet"]);
    let mut files = super::files(path, ".yaml")?;
    files.extend(super::files(path, ".yml")?);
    files.sort();
    files.dedup();
    for file in files {
        let id = file.strip_prefix(path).unwrap_or(&file).display().to_string();
        let text = super::read_text(&file)?;
        let (program, found) = Program::load(&text, &Catalogue::default());
        let Some(program) = program else {
            let why =
                found.iter().find(|d| d.is_error()).map_or_else(String::new, |d| format!("{}: {}", d.code, d.message));
            tally.failed += 1;
            tally.failures.push(format!("{id}: does not parse: {why}"));
            continue;
        };
        let absent: BTreeSet<&str> = program
            .steps
            .iter()
            .filter(|s| matches!(s.body, workflow::program::Body::Unsupported { .. }))
            .map(|s| &*s.kind)
            .collect();
        for kind in &absent {
            *missing.entry((*kind).to_owned()).or_insert(0) += 1;
        }
        let triggers = program.triggers.iter().map(|t| &*t.kind).collect::<Vec<_>>().join(", ");
        table.add_row([
            id.clone(),
            program.steps.len().to_string(),
            triggers,
            absent.iter().copied().collect::<Vec<_>>().join(", "),
        ]);
        let errors: Vec<_> = found.iter().filter(|d| d.is_error() && d.code != "unsupportedStepType").collect();
        if errors.is_empty() {
            tally.passed += 1;
        } else if exceptions.contains_key(&id) {
            tally.skipped += 1;
        } else {
            tally.failed += 1;
            for d in errors {
                let at = program.lines().position(&text, d.span.start);
                tally.failures.push(format!("{id}:{}:{}: {}: {}", at.line, at.column, d.code, d.message));
            }
        }
    }
    tally.notes.push(table.to_string());
    let mut rows: Vec<_> = missing.into_iter().collect();
    rows.sort_by_key(|(kind, n)| (std::cmp::Reverse(*n), kind.clone()));
    let list = rows.iter().map(|(kind, n)| format!("{kind} ({n})")).collect::<Vec<_>>().join(", ");
    tally.notes.push(format!("step types that are not there yet, by number of documents: {list}"));
    Ok(tally)
}
