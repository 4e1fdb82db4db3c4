//! Alerts: rows with lifted columns for the queue, documents beside them.
//!
//! Invariants: lifted columns follow the document in the same commit; a list never reads documents.
//! Not here: what may change (`triage::alert`).

use crate::error::{Error, damaged};
use crate::reader::Reader;
use crate::words;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::Alert;
use triage::alert::{ASSIGNEES, CASE_IDS, REASON, STATUS_AT, TAGS, USER};

/// Longest reason sentence kept in the row, in bytes.
const REASON_BYTES_MAX: usize = 900;
/// Most rows of one list.
pub const ALERTS_LISTED_MAX: u64 = 100_000;

/// An alert of a list: the lifted columns, no document.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRow {
    /// Number of the row in order of insertion; a cursor.
    pub n: i64,
    /// Id.
    pub id: Id,
    /// Concrete index.
    pub index: Arc<str>,
    /// Version.
    pub version: u64,
    /// `open`, `acknowledged`, `closed`.
    pub status: Arc<str>,
    /// `low` to `critical`.
    pub severity: &'static str,
    /// Risk score.
    pub risk: f64,
    /// Rule uuid.
    pub rule: Option<Arc<str>>,
    /// Rule name.
    pub rule_name: Option<Arc<str>>,
    /// Reason sentence, cut.
    pub reason: Option<Arc<str>>,
    /// `host.name`.
    pub host: Option<Arc<str>>,
    /// `user.name`.
    pub user: Option<Arc<str>>,
    /// `source.ip`.
    pub source: Option<Arc<str>>,
    /// `@timestamp`.
    pub time: Time,
    /// `kibana.alert.start`, else `@timestamp`.
    pub start: Time,
    /// When it was stored.
    pub created: Time,
    /// Last change.
    pub updated: Time,
    /// When its status changed last.
    pub status_at: Option<Time>,
    /// Closing reason.
    pub close_reason: Option<Arc<str>>,
    /// Who set the status; a run's principal where a run did.
    pub workflow_user: Option<Arc<str>>,
    /// Assignee uids.
    pub assignees: Vec<Arc<str>>,
    /// Workflow tags.
    pub tags: Vec<Arc<str>>,
    /// Case ids.
    pub cases: Vec<Arc<str>>,
}

/// Which alerts, in which order.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Space.
    pub space: Arc<str>,
    /// Statuses; empty is all.
    pub statuses: Vec<Arc<str>>,
    /// Severity words; empty is all.
    pub severities: Vec<Arc<str>>,
    /// Assigned to this uid.
    pub assignee: Option<Arc<str>>,
    /// Of this rule.
    pub rule: Option<Arc<str>>,
    /// These ids; empty is all.
    pub ids: Vec<Id>,
    /// Of this host, user, source address.
    pub entity: Option<(AlertEntity, Arc<str>)>,
    /// Stored at or after.
    pub since: Option<Time>,
    /// Order.
    pub sort: AlertSort,
    /// Rows to skip.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
}

/// A lifted entity column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertEntity {
    /// `host.name`
    Host,
    /// `user.name`
    User,
    /// `source.ip`
    Source,
}

/// Order of a list of alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertSort {
    /// Severity, then oldest first.
    #[default]
    Severity,
    /// Oldest first.
    Age,
    /// Newest first.
    Newest,
}

const COLUMNS: &str = "n, id, \"index\", version, status, severity, risk, rule, rule_name, reason, host, user, source, time, start, \
     created, updated, status_at, close_reason, workflow_user, assignees, tags, cases";

fn words_of(text: &str) -> Vec<Arc<str>> {
    if text == "[]" { Vec::new() } else { serde_json::from_str(text).unwrap_or_default() }
}

fn from_row(r: &Row<'_>) -> rusqlite::Result<AlertRow> {
    Ok(AlertRow {
        n: r.get(0)?,
        id: Id(r.get(1)?),
        index: r.get(2)?,
        version: r.get(3)?,
        status: r.get(4)?,
        severity: words::severity(r.get(5)?),
        risk: r.get(6)?,
        rule: r.get(7)?,
        rule_name: r.get(8)?,
        reason: r.get(9)?,
        host: r.get(10)?,
        user: r.get(11)?,
        source: r.get(12)?,
        time: Time(r.get(13)?),
        start: Time(r.get(14)?),
        created: Time(r.get(15)?),
        updated: Time(r.get(16)?),
        status_at: r.get::<_, Option<i64>>(17)?.map(Time),
        close_reason: r.get(18)?,
        workflow_user: r.get(19)?,
        assignees: words_of(r.get_ref(20)?.as_str()?),
        tags: words_of(r.get_ref(21)?.as_str()?),
        cases: words_of(r.get_ref(22)?.as_str()?),
    })
}

pub(crate) fn read(conn: &Connection, space: &str, id: &str) -> Result<Option<Alert>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT a.\"index\", a.version, a.created, a.updated, d.document FROM alert a JOIN alert_document d ON d.n = a.n \
         WHERE a.id = ?1 AND a.space = ?2",
    )?;
    let row = statement
        .query_row([id, space], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get::<_, String>(4)?)))
        .optional()?;
    let Some((index, version, created, updated, document)) = row else { return Ok(None) };
    let document = stdx::json::parse(&document).map_err(damaged(format!("alert {id}")))?;
    Ok(Some(Alert {
        id: Id::from(id),
        space: space.into(),
        index,
        version,
        created: Time(created),
        updated: Time(updated),
        document,
    }))
}

fn text_of(document: &Value, field: &str) -> Option<Arc<str>> {
    match document.field(field)? {
        Value::Str(s) => Some(s.clone()),
        Value::Array(a) => a.first().and_then(|v| v.as_str().map(Arc::from)),
        _ => None,
    }
}

fn time_of(document: &Value, field: &str) -> Option<Time> {
    match document.field(field)? {
        Value::Str(s) => Time::parse(s),
        Value::Int(ms) => Some(Time::from_ms(*ms)),
        Value::Time(t) => Some(*t),
        _ => None,
    }
}

fn list_text(document: &Value, field: &str) -> String {
    match document.field(field) {
        Some(v @ Value::Array(_)) => stdx::json::text(v),
        Some(Value::Str(s)) => stdx::json::text(&Value::array([Value::from(s.clone())])),
        _ => "[]".into(),
    }
}

/// Writes a new or changed alert.
pub(crate) fn write(conn: &Connection, alert: &Alert, stored: bool) -> Result<(), Error> {
    let d = &alert.document;
    let document = stdx::json::text(d);
    let status_at = time_of(d, STATUS_AT).map(|t| t.0);
    if stored {
        let mut statement = conn.prepare_cached(
            "UPDATE alert SET version = ?3, status = ?4, updated = ?5, status_at = ?6, close_reason = ?7, workflow_user = ?8, \
             assignees = ?9, tags = ?10, cases = ?11 WHERE id = ?1 AND space = ?2",
        )?;
        statement.execute(params![
            alert.id.as_str(),
            &*alert.space,
            alert.version,
            alert.status(),
            alert.updated.0,
            status_at,
            text_of(d, REASON),
            text_of(d, USER),
            list_text(d, ASSIGNEES),
            list_text(d, TAGS),
            list_text(d, CASE_IDS),
        ])?;
        let mut statement = conn.prepare_cached(
            "UPDATE alert_document SET document = ?3 WHERE n = (SELECT n FROM alert WHERE id = ?1 AND space = ?2)",
        )?;
        statement.execute(params![alert.id.as_str(), &*alert.space, document])?;
        return Ok(());
    }
    let time = time_of(d, "@timestamp").unwrap_or(alert.created);
    let start = time_of(d, "kibana.alert.start").unwrap_or(time);
    let reason = text_of(d, "kibana.alert.reason").map(|r| stdx::bounded::truncate(&r, REASON_BYTES_MAX).into_owned());
    let mut statement = conn.prepare_cached(
        "INSERT INTO alert (space, id, \"index\", version, status, severity, risk, rule, rule_name, reason, host, user, source, time, \
         start, created, updated, status_at, close_reason, workflow_user, assignees, tags, cases) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23)",
    )?;
    statement.execute(params![
        &*alert.space,
        alert.id.as_str(),
        &*alert.index,
        alert.version,
        alert.status(),
        words::severity_rank(&text_of(d, "kibana.alert.severity").unwrap_or_default()),
        d.field("kibana.alert.risk_score").and_then(Value::as_f64).unwrap_or(0.0),
        text_of(d, "kibana.alert.rule.uuid"),
        text_of(d, "kibana.alert.rule.name"),
        reason,
        text_of(d, "host.name"),
        text_of(d, "user.name"),
        text_of(d, "source.ip"),
        time.0,
        start.0,
        alert.created.0,
        alert.updated.0,
        status_at,
        text_of(d, REASON),
        text_of(d, USER),
        list_text(d, ASSIGNEES),
        list_text(d, TAGS),
        list_text(d, CASE_IDS),
    ])?;
    let n = conn.last_insert_rowid();
    let mut statement = conn.prepare_cached("INSERT INTO alert_document (n, document) VALUES (?1, ?2)")?;
    statement.execute(params![n, document])?;
    Ok(())
}

/// `WHERE` text and its parameters.
pub(crate) struct Where {
    pub(crate) text: String,
    pub(crate) values: Vec<Box<dyn ToSql>>,
}

impl Where {
    pub(crate) fn new() -> Self {
        Self { text: String::from("1"), values: Vec::new() }
    }
    /// Adds `AND clause`, where each `?` takes one of `values`.
    pub(crate) fn and(&mut self, clause: &str, values: impl IntoIterator<Item = Box<dyn ToSql>>) {
        self.text.push_str(" AND ");
        self.text.push_str(clause);
        self.values.extend(values);
    }
    pub(crate) fn one_of<T: ToSql + Clone + 'static>(&mut self, column: &str, values: &[T]) {
        if values.is_empty() {
            return;
        }
        let marks = vec!["?"; values.len()].join(",");
        self.and(&format!("{column} IN ({marks})"), values.iter().map(|v| Box::new(v.clone()) as Box<dyn ToSql>));
    }
    pub(crate) fn params(&self) -> impl rusqlite::Params + '_ {
        rusqlite::params_from_iter(self.values.iter().map(|v| &**v))
    }
}

fn filter(f: &AlertFilter) -> Where {
    let mut w = Where::new();
    w.and("space = ?", [Box::new(f.space.clone()) as Box<dyn ToSql>]);
    w.one_of("status", &f.statuses);
    let ranks: Vec<u8> = f.severities.iter().map(|s| words::severity_rank(s)).collect();
    w.one_of("severity", &ranks);
    w.one_of("id", &f.ids.iter().map(|i| i.0.clone()).collect::<Vec<_>>());
    if let Some(uid) = &f.assignee {
        w.and("EXISTS (SELECT 1 FROM json_each(assignees) WHERE value = ?)", [Box::new(uid.clone()) as Box<dyn ToSql>]);
    }
    if let Some(rule) = &f.rule {
        w.and("rule = ?", [Box::new(rule.clone()) as Box<dyn ToSql>]);
    }
    if let Some((entity, value)) = &f.entity {
        let column = match entity {
            AlertEntity::Host => "host",
            AlertEntity::User => "user",
            AlertEntity::Source => "source",
        };
        w.and(&format!("{column} = ?"), [Box::new(value.clone()) as Box<dyn ToSql>]);
    }
    if let Some(since) = f.since {
        w.and("created >= ?", [Box::new(since.0) as Box<dyn ToSql>]);
    }
    w
}

impl Reader {
    /// An alert with its document.
    pub fn alert_get(&self, space: &str, id: &str) -> Result<Option<Alert>, Error> {
        read(&self.conn, space, id)
    }
    /// Alerts as rows, without documents; at most `ALERTS_LISTED_MAX`.
    pub fn alert_list(&self, f: &AlertFilter) -> Result<Vec<AlertRow>, Error> {
        let mut w = filter(f);
        let order = match f.sort {
            AlertSort::Severity => "severity DESC, time, n",
            AlertSort::Age => "time, n",
            AlertSort::Newest => "time DESC, n DESC",
        };
        let sql = format!("SELECT {COLUMNS} FROM alert WHERE {} ORDER BY {order} LIMIT ? OFFSET ?", w.text);
        w.values.push(Box::new(f.limit.min(ALERTS_LISTED_MAX)));
        w.values.push(Box::new(f.offset));
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(w.params(), from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Number of alerts that match; limit, offset and order do not count.
    pub fn alert_count(&self, f: &AlertFilter) -> Result<u64, Error> {
        let w = filter(f);
        let mut statement = self.conn.prepare_cached(&format!("SELECT count(*) FROM alert WHERE {}", w.text))?;
        Ok(statement.query_row(w.params(), |r| r.get(0))?)
    }
    /// Numbers of alerts by status: open, acknowledged, closed.
    pub fn alert_status_counts(&self, space: &str) -> Result<[u64; 3], Error> {
        let mut statement =
            self.conn.prepare_cached("SELECT status, count(*) FROM alert WHERE space = ?1 GROUP BY status")?;
        let mut counts = [0; 3];
        let mut rows = statement.query([space])?;
        while let Some(r) = rows.next()? {
            let at = match r.get_ref(0)?.as_str().unwrap_or_default() {
                "open" => 0,
                "acknowledged" => 1,
                _ => 2,
            };
            counts[at] += r.get::<_, u64>(1)?;
        }
        Ok(counts)
    }
    /// Documents of alerts by id, in the order of the ids; missing ones are left out.
    pub fn alert_documents(&self, space: &str, ids: &[Id]) -> Result<Vec<Alert>, Error> {
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.extend(read(&self.conn, space, id)?);
        }
        Ok(out)
    }
    /// Alerts with documents after row number `n`, in order of insertion; for scans over documents.
    pub fn alert_scan(&self, space: &str, after: i64, limit: u64) -> Result<Vec<(i64, Alert)>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT a.n, a.id, a.\"index\", a.version, a.created, a.updated, d.document FROM alert a \
             JOIN alert_document d ON d.n = a.n WHERE a.n > ?1 AND a.space = ?2 ORDER BY a.n LIMIT ?3",
        )?;
        let mut rows = statement.query(params![after, space, limit])?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let id: Arc<str> = r.get(1)?;
            let document = stdx::json::parse(r.get_ref(6)?.as_str().unwrap_or_default())
                .map_err(damaged(format!("alert {id}")))?;
            out.push((
                r.get(0)?,
                Alert {
                    id: Id(id),
                    space: space.into(),
                    index: r.get(2)?,
                    version: r.get(3)?,
                    created: Time(r.get(4)?),
                    updated: Time(r.get(5)?),
                    document,
                },
            ));
        }
        Ok(out)
    }
    /// Runs that an alert started, newest first: ids.
    pub fn alert_executions(&self, alert: &str) -> Result<Vec<Id>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT execution FROM execution_alert WHERE alert = ?1 ORDER BY execution DESC LIMIT 100",
        )?;
        let rows = statement.query_map([alert], |r| r.get(0).map(Id))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
