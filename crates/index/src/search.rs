//! Search: which documents, in what order, with what of them.
//!
//! Invariants: a search sees every write that was acknowledged before it began, and one consistent moment of each bucket; its outcome equals a
//! scan of all documents with the query's predicate.
//! Not here: the JSON of the Elasticsearch API (`api`).
//! Source: `reference/elasticsearch-apis.md` §6.1, §9.

pub mod aggs;
pub mod mapping;
pub mod select;

mod bits;
mod columns;
mod filter;
mod snapshot;
mod sort;

pub use aggs::{Agg, AggKind, AggResult, Bucket, MetricKind};
pub use mapping::MappedField;
pub use select::Select;
pub use sort::{Missing, SortBy, SortKey};

use crate::append::now;
use crate::error::Error;
use crate::index::Index;
use crate::names::Expand;
use bytes::Bytes;
use filter::Candidate;
use indexmap::IndexMap;
use lang::dsl::Query;
use snapshot::{Place, Snapshot};
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// Largest `from + size`, as in Elasticsearch.
pub const WINDOW_MAX: usize = 10_000;
/// Most sort fields.
pub const SORT_FIELDS_MAX: usize = 16;

/// What to search for.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Index expression; empty is everything that is not hidden.
    pub indices: String,
    /// How the expression is read.
    pub expand: Expand,
    /// The query.
    pub query: Query,
    /// Order; when empty in the order of writing.
    pub sort: Vec<SortBy>,
    /// Hits to leave out.
    pub from: usize,
    /// Hits to give.
    pub size: usize,
    /// Sort values of the last hit before these.
    pub search_after: Option<Vec<Value>>,
    /// Count beyond this is not exact (`None` counts all).
    pub track_total: Option<u64>,
    /// Which part of the source to give.
    pub source: Select,
    /// Fields to give as lists of values, patterns.
    pub fields: Vec<String>,
    /// Aggregations by name.
    pub aggs: IndexMap<String, Agg>,
    /// What `now` means; the clock when absent.
    pub now: Option<Time>,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            indices: String::new(),
            expand: Expand::default(),
            query: Query::MatchAll,
            sort: Vec::new(),
            from: 0,
            size: 10,
            search_after: None,
            track_total: Some(10_000),
            source: Select::All,
            fields: Vec::new(),
            aggs: IndexMap::new(),
            now: None,
        }
    }
}

/// One found document.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its index.
    pub index: Arc<str>,
    /// Its id.
    pub id: Id,
    /// Its version.
    pub version: u64,
    /// Number of its last write.
    pub seq_no: u64,
    /// Its bytes, whole.
    pub raw: Bytes,
    /// The part of it that was asked for.
    pub source: Option<Value>,
    /// Values of the asked fields.
    pub fields: Option<Value>,
    /// Fields whose value does not fit their type.
    pub ignored: Vec<String>,
    /// Sort values, one per sort field.
    pub sort: Vec<Value>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct SearchResponse {
    /// How many there are.
    pub total: u64,
    /// False when there are more than `total`.
    pub total_exact: bool,
    /// The asked window of them.
    pub hits: Vec<Hit>,
    /// Aggregations by name.
    pub aggs: IndexMap<String, AggResult>,
    /// Buckets that were looked at.
    pub buckets: usize,
}

impl Index {
    /// Searches.
    ///
    /// - errors: `NoSuchIndex`, `BadRequest`, `Unsupported`, `Tantivy`, `Damaged`.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        if request.from.saturating_add(request.size) > WINDOW_MAX {
            return Err(Error::BadRequest(format!(
                "Result window is too large, from + size must be less than or equal to: [{WINDOW_MAX}] but was [{}]",
                request.from.saturating_add(request.size)
            )));
        }
        if request.sort.len() > SORT_FIELDS_MAX {
            return Err(Error::BadRequest(format!("more than {SORT_FIELDS_MAX} sort fields")));
        }
        if request.search_after.as_ref().is_some_and(|a| a.len() != request.sort.len()) {
            return Err(Error::BadRequest("search_after has a different number of values than sort".into()));
        }
        let now = request.now.unwrap_or_else(now);
        let snapshot = Snapshot::take(self, &request.indices, request.expand, &request.query, now)?;
        let matched = snapshot.matched()?;
        let total = matched.iter().map(|m| m.count()).sum::<u64>();
        let mut out = SearchResponse { total, total_exact: true, buckets: snapshot.parts.len(), ..Default::default() };
        if let Some(limit) = request.track_total
            && total > limit
        {
            (out.total, out.total_exact) = (limit, false);
        }
        let picked = sort::pick(&snapshot, &matched, request)?;
        for (place, sort) in picked {
            out.hits.push(hit(&snapshot, place, sort, request)?);
        }
        if !request.aggs.is_empty() {
            out.aggs = aggs::run(&snapshot, &matched, &request.aggs)?;
        }
        Ok(out)
    }

    /// Counts what a query finds.
    pub fn count(&self, indices: &str, expand: Expand, query: &Query) -> Result<u64, Error> {
        let snapshot = Snapshot::take(self, indices, expand, query, now())?;
        Ok(snapshot.matched()?.iter().map(|m| m.count()).sum())
    }

    /// Names that an index expression means.
    pub fn resolve(&self, indices: &str, expand: Expand) -> Result<Vec<Arc<str>>, Error> {
        let all = self.names();
        let names: Vec<&str> = all.iter().map(|n| &**n).collect();
        Ok(crate::names::resolve(indices, &names, expand)?.into_iter().map(Arc::from).collect())
    }

    /// Fields with their types, by name.
    pub fn mapping(
        &self,
        indices: &str,
        expand: Expand,
    ) -> Result<std::collections::BTreeMap<String, MappedField>, Error> {
        let snapshot = Snapshot::take(self, indices, expand, &Query::MatchAll, now())?;
        mapping::of(&snapshot)
    }
}

fn hit(snapshot: &Snapshot, place: Place, sort: Vec<Value>, request: &SearchRequest) -> Result<Hit, Error> {
    let found = snapshot.read(place)?;
    let whole = matches!(request.source, Select::All);
    let need_value = !request.fields.is_empty() || !matches!(request.source, Select::All | Select::None);
    let value = if need_value || whole { found.event.to_value() } else { Value::Null };
    Ok(Hit {
        index: found.event.meta.index.clone(),
        id: found.event.meta.id.clone(),
        version: found.event.meta.version,
        seq_no: found.event.meta.seq,
        raw: found.event.raw.clone(),
        source: request.source.apply(&value),
        fields: (!request.fields.is_empty()).then(|| select::fields(&found.event, &request.fields)),
        ignored: mapping::ignored(&found.event, snapshot),
        sort,
    })
}

/// True when an event satisfies the predicate as a search would see it: `_id` and `_index` are fields.
pub fn matches(predicate: &lang::predicate::Predicate, event: &event::Event, now: Time) -> bool {
    predicate.eval(&Candidate { event, now })
}

#[cfg(test)]
pub(crate) fn predicate_for_tests(index: &Index, r: &SearchRequest) -> Result<lang::predicate::Predicate, Error> {
    Ok(Snapshot::take(index, &r.indices, r.expand, &r.query, r.now.unwrap_or_else(now))?.predicate)
}
