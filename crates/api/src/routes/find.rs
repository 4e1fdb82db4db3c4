//! First run and search over everything.
//!
//! Invariants: a search shows only what the caller may read.
//! Source: `docs/reference/ui-api.md` §8.

use crate::error::Result;
use crate::http::{Ctx, Reply};
use crate::records::Record;
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::sync::atomic::Ordering;
use stdx::{Id, Value};
use store::{AlertEntity, AlertFilter, AlertSort, CaseFilter, ExecutionFilter, Noun};

/// Results of one search.
pub const SIZE_MAX: usize = 50;
/// Longest search text.
pub const TEXT_CHARS_MAX: usize = 200;
/// Newest runs that a search by the end of an id looks at.
const RUNS_LOOKED_AT: u64 = 500;

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/api/watchfire/setup", Access::SignedIn, "What is left to set up", h!(setup)),
    Route::read(Method::Get, "/api/watchfire/search", Access::SignedIn, "Searches everything", h!(search)),
];

fn on(record: &Record) -> bool {
    record.body.get("enabled").and_then(Value::as_bool).unwrap_or(false)
}

async fn setup(cx: Ctx) -> Result<Reply> {
    let rules = cx.state.records.list(Noun::Rule, &cx.space)?.iter().filter(|r| on(r)).count();
    let workflows = cx.state.records.list(Noun::Workflow, &cx.space)?.iter().filter(|r| on(r)).count();
    let connectors = cx.state.records.list(Noun::Connector, &cx.space)?.len();
    let users = cx.state.records.list(Noun::User, crate::auth::EVERYWHERE)?.len();
    let received = crate::alerts::events_stored(&cx).await?;
    let alerts = cx.read(|r| r.alert_status_counts(&cx.space))?.iter().sum::<u64>();
    let figures = cx.state.engine.figures();
    let plural = |n: usize, none: &str, one: &str, many: &str| match n {
        0 => none.to_owned(),
        1 => one.to_owned(),
        n => many.replace("{n}", &n.to_string()),
    };
    let step = |id: &str, done: bool, detail: String| json!({"id": id, "done": done, "detail": detail});
    let steps = vec![
        step("server", true, "embedded store, this machine only".into()),
        step(
            "events",
            received > 0,
            if received > 0 { format!("{received} events have arrived") } else { "nothing has arrived yet".into() },
        ),
        step("rules", rules > 0, plural(rules, "none is on", "1 rule is on", "{n} rules are on")),
        step("connector", connectors > 0, plural(connectors, "none yet", "1 connector", "{n} connectors")),
        step("workflow", workflows > 0, plural(workflows, "none is enabled", "1 is enabled", "{n} are enabled")),
        step("team", users > 1, plural(users, "no account", "one account", "{n} accounts")),
    ];
    let done = steps.iter().all(|s| s["done"] == true);
    Ok(Reply::ok(json!({
        "done": done, "dismissed": false, "es_url": cx.state.config.es_url, "steps": steps, "received": received,
        "refused": figures.events_unreadable.load(Ordering::Relaxed), "alerts_ever": alerts,
    })))
}

struct Hits {
    text: String,
    results: Vec<Json>,
    max: usize,
}

impl Hits {
    fn add(&mut self, kind: &str, id: &str, title: &str, detail: &str) {
        let there = self.results.iter().any(|r| r["kind"] == kind && r["id"] == id);
        if self.results.len() < self.max && !there {
            self.results.push(json!({"kind": kind, "id": id, "title": title, "detail": detail}));
        }
    }
    /// The whole id, or its last six characters or more.
    fn names(&self, id: &str) -> bool {
        let id = id.to_lowercase();
        id == self.text || (self.text.len() >= 6 && id.ends_with(&self.text))
    }
    fn in_words(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.text)
    }
}

async fn search(cx: Ctx) -> Result<Reply> {
    let text: String =
        cx.query.get("q").unwrap_or_default().trim().to_lowercase().chars().take(TEXT_CHARS_MAX).collect();
    let max = cx.query.number("size", 8, 1, SIZE_MAX)?;
    let mut hits = Hits { text, results: Vec::new(), max };
    if hits.text.is_empty() {
        return Ok(Reply::ok(json!({"results": []})));
    }
    if cx.principal.may("cases:read") {
        cases(&cx, &mut hits)?;
    }
    if cx.principal.may("alerts:read") {
        alerts(&cx, &mut hits)?;
    }
    for (noun, kind, may) in [
        (Noun::Workflow, "workflow", "workflows:read"),
        (Noun::Rule, "rule", "rules:read"),
        (Noun::Connector, "connector", "connectors:read"),
    ] {
        if cx.principal.may(may) && hits.results.len() < max {
            records(&cx, &mut hits, noun, kind)?;
        }
    }
    if cx.principal.may("executions:read") && hits.results.len() < max {
        executions(&cx, &mut hits)?;
    }
    if cx.principal.may("approvals:read") && hits.results.len() < max {
        let filter = store::QuestionFilter {
            space: cx.space.clone(),
            limit: RUNS_LOOKED_AT,
            ..store::QuestionFilter::default()
        };
        for row in cx.read(|r| r.question_list(&filter))? {
            let q = &row.question;
            if hits.names(&q.id) || hits.in_words(&q.message) {
                hits.add("approval", &q.id, &q.message, super::approval::state_word(row.state));
            }
        }
    }
    Ok(Reply::ok(json!({"results": hits.results})))
}

fn cases(cx: &Ctx, hits: &mut Hits) -> Result<()> {
    let filter = CaseFilter {
        space: cx.space.clone(),
        search: Some(hits.text.as_str().into()),
        search_all: true,
        limit: hits.max as u64,
        ..CaseFilter::default()
    };
    let found = cx.read(|r| r.case_find(&filter))?.cases;
    for case in found {
        hits.add("case", &case.id, &format!("#{} {}", case.number, case.title), &case.status.replace('-', " "));
    }
    Ok(())
}

fn alerts(cx: &Ctx, hits: &mut Hits) -> Result<()> {
    let q = cx.query.get("q").unwrap_or_default().trim();
    let base = AlertFilter { space: cx.space.clone(), sort: AlertSort::Newest, limit: 3, ..AlertFilter::default() };
    let mut filters = vec![AlertFilter { ids: vec![Id::from(q)], ..base.clone() }];
    for entity in [AlertEntity::Host, AlertEntity::User, AlertEntity::Source] {
        filters.push(AlertFilter { entity: Some((entity, q.into())), ..base.clone() });
    }
    for filter in filters {
        for row in cx.read(|r| r.alert_list(&filter))? {
            let place = row.host.as_deref().or(row.user.as_deref()).or(row.source.as_deref()).unwrap_or_default();
            hits.add("alert", &row.id, row.rule_name.as_deref().unwrap_or("alert"), place);
        }
    }
    Ok(())
}

fn records(cx: &Ctx, hits: &mut Hits, noun: Noun, kind: &str) -> Result<()> {
    for record in cx.state.records.list(noun, &cx.space)? {
        let name = record.body.get("name").and_then(Value::as_str).unwrap_or_default();
        if hits.names(&record.id) || hits.in_words(name) {
            let detail = match noun {
                Noun::Connector => record.body.get("connector_type_id").and_then(Value::as_str).unwrap_or_default(),
                _ if on(&record) => "on",
                _ => "off",
            };
            hits.add(kind, &record.id, name, detail);
        }
    }
    Ok(())
}

fn executions(cx: &Ctx, hits: &mut Hits) -> Result<()> {
    if let Some(row) = cx.read(|r| r.execution_get(&hits.text))?.filter(|r| r.space == cx.space) {
        hits.add("execution", &row.id, &row.name, row.status.as_str());
    }
    if hits.text.len() < 6 {
        return Ok(());
    }
    let filter = ExecutionFilter { space: cx.space.clone(), limit: RUNS_LOOKED_AT, ..ExecutionFilter::default() };
    for row in cx.read(|r| r.execution_list(&filter))? {
        if hits.names(&row.id) {
            hits.add("execution", &row.id, &row.name, row.status.as_str());
        }
    }
    Ok(())
}
