//! Finding cases: filters, search, sort, pages, counts by status.
//!
//! Invariants: OR inside one parameter, AND between parameters; the counts use every filter but status and search.
//! Source: `reference/kibana-apis.md` §2.6, §8.

use crate::alert::Where;
use crate::error::Error;
use crate::reader::Reader;
use crate::words;
use rusqlite::ToSql;
use std::sync::Arc;
use stdx::Time;
use triage::Case;

/// Most rows of one page.
pub const CASES_LISTED_MAX: u64 = 10_000;
/// Most search words.
const SEARCH_WORDS_MAX: usize = 16;

/// Which cases, in which order.
#[derive(Clone, Debug, Default)]
pub struct CaseFilter {
    /// Space.
    pub space: Arc<str>,
    /// Status words; empty is all.
    pub statuses: Vec<Arc<str>>,
    /// Severity words; empty is all.
    pub severities: Vec<Arc<str>>,
    /// Owners; empty is all.
    pub owners: Vec<Arc<str>>,
    /// Tags; empty is all.
    pub tags: Vec<Arc<str>>,
    /// Categories; empty is all.
    pub categories: Vec<Arc<str>>,
    /// Assignee uids, and the word `none` for cases without; empty is all.
    pub assignees: Vec<Arc<str>>,
    /// User names or profile uids; empty is all.
    pub reporters: Vec<Arc<str>>,
    /// Words to search, in title and description; a case's id or number is found too.
    pub search: Option<Arc<str>>,
    /// Search in the title, in the description; both when empty.
    pub search_fields: Vec<Arc<str>>,
    /// All words must be found; else one is enough.
    pub search_all: bool,
    /// Created at or after.
    pub from: Option<Time>,
    /// Created at or before.
    pub to: Option<Time>,
    /// Order.
    pub sort: CaseSort,
    /// Custom fields: key and the values of which one must be there.
    pub custom_fields: Vec<(Arc<str>, Vec<stdx::Value>)>,
    /// Smallest first.
    pub ascending: bool,
    /// Rows to skip.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
}

/// Order of a list of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseSort {
    /// `createdAt`
    #[default]
    Created,
    /// `updatedAt`
    Updated,
    /// `closedAt`
    Closed,
    /// `title`
    Title,
    /// `category`
    Category,
    /// `status`, by rank
    Status,
    /// `severity`, by rank
    Severity,
}

impl CaseSort {
    /// The order that a `sortField` names.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "createdAt" | "created_at" => Self::Created,
            "updatedAt" | "updated_at" => Self::Updated,
            "closedAt" | "closed_at" => Self::Closed,
            "title" => Self::Title,
            "category" => Self::Category,
            "status" => Self::Status,
            "severity" => Self::Severity,
            _ => return None,
        })
    }
    const fn column(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Closed => "closed",
            Self::Title => "title",
            Self::Category => "category",
            Self::Status => "status",
            Self::Severity => "severity",
        }
    }
}

/// Numbers of cases by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseCounts {
    /// `open`
    pub open: u64,
    /// `in-progress`
    pub in_progress: u64,
    /// `closed`
    pub closed: u64,
}

/// A page of cases.
#[derive(Clone, Debug)]
pub struct CasePage {
    /// The page.
    pub cases: Vec<Case>,
    /// How many match in all.
    pub total: u64,
    /// By status.
    pub counts: CaseCounts,
}

fn boxed(v: impl ToSql + 'static) -> Box<dyn ToSql> {
    Box::new(v)
}

/// Filters but status and search.
fn base(f: &CaseFilter) -> Where {
    let mut w = Where::new();
    w.and("space = ?", [boxed(f.space.clone())]);
    let ranks: Vec<u8> = f.severities.iter().map(|s| words::severity_rank(s)).collect();
    w.one_of("severity", &ranks);
    w.one_of("owner", &f.owners);
    w.one_of("category", &f.categories);
    if !f.reporters.is_empty() {
        let names: Vec<Arc<str>> =
            f.reporters.iter().flat_map(|r| [Some(r.clone()), r.strip_prefix("u_").map(Arc::from)]).flatten().collect();
        w.one_of("reporter", &names);
    }
    if !f.tags.is_empty() {
        let marks = vec!["?"; f.tags.len()].join(",");
        let clause = format!("id IN (SELECT \"case\" FROM case_tag WHERE space = ? AND tag IN ({marks}))");
        w.and(&clause, std::iter::once(boxed(f.space.clone())).chain(f.tags.iter().map(|t| boxed(t.clone()))));
    }
    if !f.assignees.is_empty() {
        let uids: Vec<_> = f.assignees.iter().filter(|a| &***a != "none").cloned().collect();
        let mut either = Vec::new();
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        if uids.len() < f.assignees.len() {
            either.push("assigned = 0".to_owned());
        }
        if !uids.is_empty() {
            let marks = vec!["?"; uids.len()].join(",");
            either.push(format!("id IN (SELECT \"case\" FROM case_assignee WHERE space = ? AND uid IN ({marks}))"));
            values.push(boxed(f.space.clone()));
            values.extend(uids.into_iter().map(boxed));
        }
        w.and(&format!("({})", either.join(" OR ")), values);
    }
    for (key, values) in &f.custom_fields {
        let marks = vec!["?"; values.len()].join(",");
        let clause = format!(
            "EXISTS (SELECT 1 FROM json_each(cases.body, '$.custom_fields') AS cf WHERE json_extract(cf.value, '$.key') = ? \
             AND json_extract(cf.value, '$.value') IN ({marks}))"
        );
        let value = |v: &stdx::Value| match v {
            stdx::Value::Bool(b) => boxed(i64::from(*b)),
            stdx::Value::Int(i) => boxed(*i),
            v => boxed(v.as_str().map_or_else(|| stdx::json::text(v), str::to_owned)),
        };
        w.and(&clause, std::iter::once(boxed(key.clone())).chain(values.iter().map(value)));
    }
    if let Some(from) = f.from {
        w.and("created >= ?", [boxed(from.0)]);
    }
    if let Some(to) = f.to {
        w.and("created <= ?", [boxed(to.0)]);
    }
    w
}

fn search(w: &mut Where, f: &CaseFilter) {
    let Some(text) = f.search.as_deref().map(str::trim).filter(|t| !t.is_empty() && *t != "*") else { return };
    let has = |name: &str| f.search_fields.is_empty() || f.search_fields.iter().any(|s| &**s == name);
    let columns: Vec<&str> = ["title", "description"].into_iter().filter(|c| has(c)).collect();
    let mut clauses = Vec::new();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    for word in text.split_whitespace().take(SEARCH_WORDS_MAX) {
        // Simple query strings mark words with +, quotes and a trailing *; a substring finds what they find.
        let word = word.trim_matches(|c: char| matches!(c, '"' | '*' | '+' | '|' | '(' | ')')).to_lowercase();
        if word.is_empty() {
            continue;
        }
        let mut either: Vec<String> = columns.iter().map(|c| format!("instr({c}, ?) > 0")).collect();
        values.extend(columns.iter().map(|_| boxed(word.clone())));
        if let Ok(number) = word.trim_start_matches('#').parse::<i64>() {
            either.push("number = ?".into());
            values.push(boxed(number));
        }
        if !either.is_empty() {
            clauses.push(format!("({})", either.join(" OR ")));
        }
    }
    let joined = clauses.join(if f.search_all { " AND " } else { " OR " });
    let joined = if joined.is_empty() { "0".into() } else { joined };
    values.push(boxed(text.to_owned()));
    w.and(&format!("({joined} OR id = ?)"), values);
}

impl Reader {
    /// Cases that match, one page, with totals and counts.
    pub fn case_find(&self, f: &CaseFilter) -> Result<CasePage, Error> {
        let counts = self.case_status_counts(f)?;
        let mut w = base(f);
        let ranks: Vec<u8> = f.statuses.iter().map(|s| words::case_status_rank(s)).collect();
        w.one_of("status", &ranks);
        let searched = f.search.is_some();
        search(&mut w, f);
        // Texts are in the rows alone; everything else is in one narrow index, named so that no statistics talk SQLite out of it.
        let from = if searched || f.sort == CaseSort::Title { "cases" } else { "cases INDEXED BY case_list" };
        let total: u64 = if searched {
            let mut statement = self.conn.prepare_cached(&format!("SELECT count(*) FROM cases WHERE {}", w.text))?;
            statement.query_row(w.params(), |r| r.get(0))?
        } else {
            let by_rank = [counts.open, counts.in_progress, counts.closed];
            (0..3u8).filter(|r| ranks.is_empty() || ranks.contains(r)).map(|r| by_rank[usize::from(r)]).sum()
        };
        let direction = if f.ascending { "ASC" } else { "DESC" };
        let column = f.sort.column();
        let then = if f.sort == CaseSort::Created { String::new() } else { format!("created {direction}, ") };
        let order = format!("{column} {direction}, {then}id {direction}");
        let sql = format!("SELECT id FROM {from} WHERE {} ORDER BY {order} LIMIT ? OFFSET ?", w.text);
        w.values.push(boxed(f.limit.min(CASES_LISTED_MAX)));
        w.values.push(boxed(f.offset));
        let ids: Vec<String> = {
            let mut statement = self.conn.prepare_cached(&sql)?;
            let rows = statement.query_map(w.params(), |r| r.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut cases = Vec::with_capacity(ids.len());
        for id in ids {
            cases.extend(crate::case::read(&self.conn, &f.space, &id)?);
        }
        Ok(CasePage { cases, total, counts })
    }
    /// Other cases of the same owner that share an observable (type and value) with `case`, newest first, and how many there are.
    pub fn cases_similar(&self, case: &Case, offset: u64, limit: u64) -> Result<(Vec<Case>, u64), Error> {
        if case.observables.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let text = |o: &stdx::Value, key: &str| o.get(key).and_then(stdx::Value::as_str).unwrap_or_default().to_owned();
        let pairs: Vec<String> =
            case.observables.iter().map(|o| format!("{}\n{}", text(o, "typeKey"), text(o, "value"))).collect();
        let mut w = Where::new();
        w.and("space = ?", [boxed(case.space.clone())]);
        w.and("owner = ?", [boxed(case.owner.clone())]);
        w.and("id <> ?", [boxed(case.id.to_string())]);
        let marks = vec!["?"; pairs.len()].join(",");
        let clause = format!(
            "EXISTS (SELECT 1 FROM json_each(cases.body, '$.observables') AS o WHERE json_extract(o.value, '$.typeKey') || char(10) || \
             json_extract(o.value, '$.value') IN ({marks}))"
        );
        w.and(&clause, pairs.into_iter().map(boxed));
        let total: u64 = {
            let mut statement = self.conn.prepare_cached(&format!("SELECT count(*) FROM cases WHERE {}", w.text))?;
            statement.query_row(w.params(), |r| r.get(0))?
        };
        let sql = format!("SELECT id FROM cases WHERE {} ORDER BY created DESC, id LIMIT ? OFFSET ?", w.text);
        w.values.push(boxed(limit.min(CASES_LISTED_MAX)));
        w.values.push(boxed(offset));
        let ids: Vec<String> = {
            let mut statement = self.conn.prepare_cached(&sql)?;
            let rows = statement.query_map(w.params(), |r| r.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut cases = Vec::with_capacity(ids.len());
        for id in ids {
            cases.extend(crate::case::read(&self.conn, &case.space, &id)?);
        }
        Ok((cases, total))
    }
    /// Numbers of cases by status; status, search and page of the filter do not count.
    pub fn case_status_counts(&self, f: &CaseFilter) -> Result<CaseCounts, Error> {
        let w = base(f);
        let sql = format!(
            "SELECT count(*) FILTER (WHERE status = 0), count(*) FILTER (WHERE status = 1), count(*) FILTER (WHERE status = 2) \
             FROM cases INDEXED BY case_list WHERE {}",
            w.text
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement
            .query_row(w.params(), |r| Ok(CaseCounts { open: r.get(0)?, in_progress: r.get(1)?, closed: r.get(2)? }))?)
    }
    /// All tags of cases, sorted.
    pub fn case_tags(&self, space: &str, owners: &[Arc<str>]) -> Result<Vec<String>, Error> {
        let mut w = Where::new();
        w.and("t.space = ?", [boxed(space.to_owned())]);
        w.one_of("c.owner", owners);
        let sql = format!(
            "SELECT DISTINCT t.tag FROM case_tag t JOIN cases c ON c.space = t.space AND c.id = t.\"case\" WHERE {} ORDER BY 1",
            w.text
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(w.params(), |r| r.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// User names of all who created cases, sorted.
    pub fn case_reporters(&self, space: &str, owners: &[Arc<str>]) -> Result<Vec<String>, Error> {
        let mut w = Where::new();
        w.and("space = ?", [boxed(space.to_owned())]);
        w.one_of("owner", owners);
        let sql = format!("SELECT DISTINCT reporter FROM cases WHERE {} ORDER BY 1", w.text);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(w.params(), |r| r.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
