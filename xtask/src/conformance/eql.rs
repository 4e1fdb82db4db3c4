//! Suite `eql`: every EQL rule parses; recorded single-event cases give their ids; documents made to match a rule match it.
//!
//! Invariants: sequences and samples are counted as skipped, never as passed; pipes of the recorded cases are applied here, since a stream has none.
//! Not here: KQL (`kql`).
//! Source: `elastic-rules*.jsonl`, `es-conformance/eql` and `events/geneve-elastic-positives.jsonl.gz` of the corpus.

use super::kql::{compile, event, first, judge, positives, rules};
use super::{Tally, files, read_text};
use anyhow::{Context as _, ensure};
use event::Event;
use lang::eql::{Body, Options, Query, event_predicate};
use lang::{FieldType, FieldTypes};
use rule::{Dispatcher, IndexMode};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// One in this many confirmed documents may miss its rule.
const MISSES_ONE_IN: usize = 100;

/// Runs the suite over a folder.
pub fn run(path: &Path) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let known = rules(path)?;
    let (mut compiled, mut places) = (Vec::new(), BTreeMap::new());
    let (mut parsed, mut total, mut waiting) = (0, 0, 0);
    for (id, row) in known.iter().filter(|(_, row)| row["language"] == "eql") {
        let text = row["query"].as_str().unwrap_or_default();
        let (query, found) = lang::eql::parse(text);
        total += 1;
        parsed += usize::from(query.is_some());
        judge(&mut tally, query.is_some(), || format!("{id}: {}", first(text, &found)));
        if !query.is_some_and(|q| matches!(q.body, Body::Event(_))) {
            waiting += 1;
            continue;
        }
        match compile(id, "eql", &row["query"]) {
            (Some(rule), _) => {
                places.insert(id.clone(), compiled.len());
                compiled.push(Arc::new(rule));
            }
            (None, found) => judge(&mut tally, false, || format!("{id} does not compile: {found}")),
        }
    }
    tally
        .notes
        .push(format!("{total} EQL rules, {parsed} parsed; {waiting} sequences and samples wait for their matcher"));
    recorded(path, &mut tally)?;
    let unmet = tally.failed;
    let dispatcher = Dispatcher::new(compiled);
    let (cases, missed) = positives(path, "eql", &mut tally, |id, docs| {
        let place = places.get(id)?;
        let mut out = Vec::new();
        Some(docs.iter().any(|doc| {
            dispatcher.matches_in(doc, IndexMode::Ignore, &mut out);
            out.iter().any(|idx| *idx as usize == *place)
        }))
    })?;
    tally.notes.push(format!("{cases} confirmed documents of event queries, {} matched", cases - missed));
    tally.notes.push(behaviours(path)?);
    tally.failures_allowed = if unmet == 0 { cases / MISSES_ONE_IN } else { 0 };
    Ok(tally)
}

/// How many queries of the endpoint's own dialect parse; it has constructs that EQL has not.
fn behaviours(path: &Path) -> anyhow::Result<String> {
    let (mut parsed, mut total) = (0, 0);
    for file in files(path, ".jsonl")? {
        if !file.file_name().unwrap_or_default().to_string_lossy().starts_with("elastic-endpoint-behavior-rules") {
            continue;
        }
        for line in read_text(&file)?.lines() {
            let row: Value = serde_json::from_str(line)?;
            total += 1;
            parsed += usize::from(lang::eql::parse(row["query"].as_str().unwrap_or_default()).0.is_some());
        }
    }
    Ok(format!("{total} rules of the endpoint's dialect, {parsed} parsed as EQL"))
}

/// Types of a mapping file.
struct Mapping(BTreeMap<String, FieldType>);

impl FieldTypes for Mapping {
    fn field_type(&self, field: &str) -> Option<FieldType> {
        self.0.get(field).copied()
    }
}

fn mapping(path: &Path) -> anyhow::Result<Mapping> {
    let body: Value = serde_json::from_str(&read_text(path)?)?;
    let mut types = BTreeMap::new();
    for (name, field) in body["mappings"]["properties"].as_object().into_iter().flatten() {
        let kind = match field["type"].as_str() {
            Some("long" | "integer") => FieldType::Long,
            Some("date" | "date_nanos") => FieldType::Date,
            Some("ip") => FieldType::Ip,
            Some("boolean") => FieldType::Boolean,
            _ => FieldType::Keyword,
        };
        types.insert(name.clone(), kind);
    }
    types.insert("@timestamp".into(), FieldType::Date);
    Ok(Mapping(types))
}

/// The recorded cases over the 102 endpoint events.
fn recorded(path: &Path, tally: &mut Tally) -> anyhow::Result<()> {
    let folder = path.join("es-conformance/eql");
    if !folder.exists() {
        tally.notes.push("skipped: recorded cases absent".into());
        return Ok(());
    }
    let types = mapping(&folder.join("data/endgame-140.mapping.json"))?;
    let mut events = Vec::new();
    for line in read_text(&folder.join("data/endgame-140.ndjson"))?.lines() {
        let doc: Value = serde_json::from_str(line)?;
        events.push((doc["serial_event_id"].as_i64().context("an event without id")?, event(&doc)));
    }
    let (mut cases, mut failed) = (0, 0);
    for name in ["test_queries.toml", "test_queries_date.toml"] {
        let file: toml::Table = toml::from_str(&read_text(&folder.join(name))?)?;
        for case in file["queries"].as_array().into_iter().flatten() {
            let text = case["query"].as_str().context("a case without query")?;
            let id = case["name"].as_str().unwrap_or(text);
            let (query, found) = lang::eql::parse(text);
            let Some(query) = query else {
                judge(tally, false, || format!("{id}: {}", first(text, &found)));
                continue;
            };
            let Body::Event(_) = query.body else {
                tally.skipped += 1;
                continue;
            };
            cases += 1;
            let expected = expected(&case["expected_event_ids"]);
            let given = answer(&query, &types, &events);
            let holds = given.as_ref().is_ok_and(|ids| expected.contains(ids));
            failed += usize::from(!holds);
            judge(tally, holds, || format!("{id}: {text}: expected {expected:?}, found {given:?}"));
        }
    }
    ensure!(cases > 0, "no recorded case in {}", folder.display());
    tally.notes.push(format!("{cases} recorded event queries, {} as expected", cases - failed));
    Ok(())
}

/// The right answers: one, or several of which each will do.
fn expected(value: &toml::Value) -> BTreeSet<Vec<i64>> {
    let ids =
        |v: &toml::Value| v.as_array().into_iter().flatten().filter_map(toml::Value::as_integer).collect::<Vec<_>>();
    match value.as_array().and_then(|a| a.first()) {
        Some(toml::Value::Array(_)) => value.as_array().into_iter().flatten().map(ids).collect(),
        _ => BTreeSet::from([ids(value)]),
    }
}

fn answer(query: &Query, types: &Mapping, events: &[(i64, Event)]) -> Result<Vec<i64>, String> {
    let Body::Event(body) = &query.body else { return Err("not an event query".into()) };
    let options = Options { types, category_field: "event_type" };
    let predicate = event_predicate(body, &options).map_err(|found| format!("{found:?}"))?;
    let mut ids: Vec<i64> = events.iter().filter(|(_, e)| predicate.matches(e)).map(|(id, _)| *id).collect();
    ids.sort_unstable();
    for pipe in &query.pipes {
        let n = usize::try_from(pipe.count.unwrap_or(1)).unwrap_or(usize::MAX).min(ids.len());
        if pipe.name == "head" {
            ids.truncate(n);
        } else {
            ids.drain(..ids.len() - n);
        }
    }
    Ok(ids)
}
