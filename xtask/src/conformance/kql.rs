//! Suite `kql`: every KQL query of the rule files parses; documents made to match a rule match it through the dispatcher.
//!
//! Invariants: a query that does not parse always fails the suite; of the confirmed documents at least 99 % match.
//! Not here: EQL (`eql`).
//! Source: `elastic-rules*.jsonl` and `events/geneve-elastic-positives.jsonl.gz` of the corpus; shapes in its README files.

use super::{Tally, files, read_text};
use anyhow::{Context as _, ensure};
use event::{Event, Meta};
use rule::{Compiled, Dispatcher, IndexMode, Rule};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stdx::{Diagnostic, Id, LineIndex, Time};

/// One in this many confirmed documents may miss its rule.
const MISSES_ONE_IN: usize = 100;

/// Runs the suite over a folder.
pub fn run(path: &Path) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let rules = rules(path)?;
    let mut compiled = Vec::new();
    let mut places = BTreeMap::new();
    let mut queries = 0_usize;
    for (id, row) in &rules {
        for (key, language) in [("query", "language"), ("threat_query", "threat_language")] {
            if row[language] != "kuery" {
                continue;
            }
            let Some(text) = row[key].as_str() else { continue };
            queries += 1;
            let (ast, found) = lang::kql::parse(text);
            judge(&mut tally, ast.is_some(), || format!("{id} {key}: {}", first(text, &found)));
        }
        if row["language"] == "kuery" {
            let (rule, found) = compile(id, "query", &row["query"]);
            match rule {
                Some(rule) => {
                    places.insert(id.clone(), compiled.len());
                    compiled.push(Arc::new(rule));
                }
                None => judge(&mut tally, false, || format!("{id} does not compile: {found}")),
            }
        }
    }
    ensure!(queries > 0, "no KQL query in {}", path.display());
    let unparsed = tally.failed;
    let dispatcher = Dispatcher::new(compiled);
    let (cases, missed) = positives(path, "kuery", &mut tally, |id, docs| {
        let place = places.get(id)?;
        let mut out = Vec::new();
        Some(docs.iter().any(|doc| {
            dispatcher.matches_in(doc, IndexMode::Ignore, &mut out);
            out.iter().any(|idx| *idx as usize == *place)
        }))
    })?;
    tally.notes.push(format!("{queries} queries, {} parsed", queries - unparsed.min(queries)));
    tally.notes.push(format!("{cases} confirmed documents, {} matched through the dispatcher", cases - missed));
    tally.failures_allowed = if unparsed == 0 { cases / MISSES_ONE_IN } else { 0 };
    Ok(tally)
}

/// Counts a case; `line` tells what failed.
pub(super) fn judge(tally: &mut Tally, holds: bool, line: impl FnOnce() -> String) {
    if holds {
        tally.passed += 1;
    } else {
        tally.failed += 1;
        tally.failures.push(line());
    }
}

/// All rules of all rule files, by id.
pub(super) fn rules(path: &Path) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut out = BTreeMap::new();
    for file in files(path, ".jsonl")? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with("elastic-rules") {
            continue;
        }
        for (n, line) in read_text(&file)?.lines().enumerate() {
            let row: Value = serde_json::from_str(line).with_context(|| format!("{}:{}", file.display(), n + 1))?;
            let id = row["rule_id"].as_str().with_context(|| format!("{}:{}: no rule_id", file.display(), n + 1))?;
            out.insert(id.to_owned(), row);
        }
    }
    ensure!(!out.is_empty(), "no `elastic-rules*.jsonl` in {}", path.display());
    Ok(out)
}

/// Loads the text as a rule of type `kind`.
pub(super) fn compile(id: &str, kind: &str, query: &Value) -> (Option<Compiled>, String) {
    let language = if kind == "eql" { "eql" } else { "kuery" };
    let body = json!({
        "rule_id": id, "name": id, "description": "", "type": kind, "language": language, "query": query,
        "severity": "low", "risk_score": 21,
    });
    let (rule, mut found) = Rule::from_json(&body.to_string());
    let compiled = rule.and_then(|rule| {
        let (compiled, more) = rule::compile(&Arc::new(rule));
        found.extend(more);
        compiled
    });
    (compiled, first(query.as_str().unwrap_or_default(), &found))
}

/// The first error with its position.
pub(super) fn first(text: &str, found: &[Diagnostic]) -> String {
    let Some(d) = found.iter().find(|d| d.is_error()) else { return String::new() };
    let at = LineIndex::new(text).position(text, d.span.start);
    format!("{}:{}: {} {}", at.line, at.column, d.code, d.message)
}

/// Feeds the confirmed cases of a language to `matches` (rule id, documents; `None` where the rule is not known).
///
/// - returns: how many cases there were, and how many did not match.
pub(super) fn positives(
    path: &Path,
    language: &str,
    tally: &mut Tally,
    mut matches: impl FnMut(&str, &[Event]) -> Option<bool>,
) -> anyhow::Result<(usize, usize)> {
    let (mut cases, mut missed) = (0, 0);
    for file in files(path, ".jsonl")? {
        if !file.file_name().unwrap_or_default().to_string_lossy().starts_with("geneve-elastic-positives") {
            continue;
        }
        for (n, line) in read_text(&file)?.lines().enumerate() {
            let row: Value = serde_json::from_str(line).with_context(|| format!("{}:{}", file.display(), n + 1))?;
            if row["language"] != language {
                continue;
            }
            let id = row["rule_id"].as_str().unwrap_or_default();
            for (i, case) in row["cases"].as_array().into_iter().flatten().enumerate() {
                if case["oracle_match"] != true {
                    continue;
                }
                let docs: Vec<Event> = case["docs"].as_array().into_iter().flatten().map(event).collect();
                match matches(id, &docs) {
                    None => tally.skipped += 1,
                    Some(hit) => {
                        cases += 1;
                        missed += usize::from(!hit);
                        judge(tally, hit, || format!("{id} case {i} does not match: {}", case["docs"]));
                    }
                }
            }
        }
    }
    ensure!(cases > 0, "no confirmed case of `{language}` in {}", path.display());
    Ok((cases, missed))
}

/// A document as an event of no index, which every rule reads.
pub(super) fn event(doc: &Value) -> Event {
    let meta = Meta { index: "".into(), id: Id::new("case"), version: 1, seq: 0, arrival: Time::default() };
    Event::new(meta, doc.to_string().into_bytes().into())
}
