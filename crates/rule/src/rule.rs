//! `Rule`: a detection rule as Elastic's rule JSON describes it, decoded once.
//!
//! Invariants: `body` is the whole rule in the form the API answers, defaults filled in; the typed fields are read from it and never differ.
//! Not here: whether its query compiles (`compile`), who may change it (`api`).
//! Source: Kibana detection engine API, rule JSON of 9.x; the TOML rule files of Elastic's rule repository.

mod load;
mod threat;

use crate::action::Action;
use std::sync::Arc;
use stdx::{Diagnostic, Duration, Id, Object, Span, Time, Value};

pub(crate) use load::duration as load_duration;
pub use load::{NAME_BYTES_MAX, load};

/// Index patterns of a rule that names none.
pub const INDEX_DEFAULT: &[&str] = &[
    "apm-*-transaction*",
    "auditbeat-*",
    "endgame-*",
    "filebeat-*",
    "logs-*",
    "packetbeat-*",
    "traces-apm*",
    "winlogbeat-*",
    "-*elastic-cloud-logs-*",
];

/// Where a rule's JSON came from: an API insists on what a file may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The rules API: `type`, `name`, `description`, `risk_score` and `severity` are required.
    Api,
    /// A file: only `type` and `name` are required.
    File,
    /// Our own store, which holds what `Api` or `File` let in; read as leniently as a file.
    Stored,
}

/// How bad an alert of the rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
    /// `critical`
    Critical,
}

impl Severity {
    /// All, from low to critical.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.text() == text)
    }
    /// The risk score that goes with it by custom.
    pub const fn risk_score(self) -> i64 {
        match self {
            Self::Low => 21,
            Self::Medium => 47,
            Self::High => 73,
            Self::Critical => 99,
        }
    }
}

/// The kind of rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleType {
    /// A KQL or Lucene query.
    Query,
    /// A stored query.
    SavedQuery,
    /// An EQL query.
    Eql,
    /// An ES|QL query.
    Esql,
    /// Counts over a query.
    Threshold,
    /// Indicator match.
    ThreatMatch,
    /// Anomalies of a job.
    MachineLearning,
    /// Values never seen before.
    NewTerms,
}

impl RuleType {
    /// All types with name, rule type id and category as Kibana writes them.
    pub const ALL: [(Self, &'static str, &'static str, &'static str); 8] = [
        (Self::Query, "query", "siem.queryRule", "Custom Query Rule"),
        (Self::SavedQuery, "saved_query", "siem.savedQueryRule", "Saved Query Rule"),
        (Self::Eql, "eql", "siem.eqlRule", "Event Correlation Rule"),
        (Self::Esql, "esql", "siem.esqlRule", "ES|QL Rule"),
        (Self::Threshold, "threshold", "siem.thresholdRule", "Threshold Rule"),
        (Self::ThreatMatch, "threat_match", "siem.indicatorRule", "Indicator Match Rule"),
        (Self::MachineLearning, "machine_learning", "siem.mlRule", "Machine Learning Rule"),
        (Self::NewTerms, "new_terms", "siem.newTermsRule", "New Terms Rule"),
    ];

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        const ROWS: &[(RuleType, &str, &str, &str)] = &RuleType::ALL;
        &ROWS[self as usize]
    }
    /// As rule JSON writes it.
    pub fn text(self) -> &'static str {
        self.row().1
    }
    /// For example `siem.queryRule`.
    pub fn rule_type_id(self) -> &'static str {
        self.row().2
    }
    /// For example `Custom Query Rule`.
    pub fn category(self) -> &'static str {
        self.row().3
    }
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.1 == text).map(|r| r.0)
    }
    /// True when this version can run it (EQL sequences are refused later, by `compile`).
    pub const fn is_supported(self) -> bool {
        matches!(self, Self::Query | Self::Eql)
    }
}

/// The language of a rule's query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// `kuery`
    Kuery,
    /// `lucene`
    Lucene,
    /// `eql`
    Eql,
    /// `esql`
    Esql,
}

impl Language {
    /// As rule JSON writes it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Kuery => "kuery",
            Self::Lucene => "lucene",
            Self::Eql => "eql",
            Self::Esql => "esql",
        }
    }
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Kuery, Self::Lucene, Self::Eql, Self::Esql].into_iter().find(|l| l.text() == text)
    }
}

/// One entry of `severity_mapping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeverityMapping {
    /// The field that is read.
    pub field: Arc<str>,
    /// The value it must have.
    pub value: Arc<str>,
    /// The severity then.
    pub severity: Severity,
}

/// A detection rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The rule object's own id, a UUID; changes when the rule is made again.
    pub id: Id,
    /// The stable signature id.
    pub rule_id: Id,
    /// Its name.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: RuleType,
    /// The language of `query`, where there is one.
    pub language: Option<Language>,
    /// The query text.
    pub query: Option<Arc<str>>,
    /// Index patterns; the default list when the rule names none.
    pub index: Vec<Arc<str>>,
    /// Kibana filters beside the query.
    pub filters: Vec<Value>,
    /// EQL: the field that holds the category, `event.category` when absent.
    pub event_category_override: Option<Arc<str>>,
    /// EQL: the field that holds the time.
    pub timestamp_field: Option<Arc<str>>,
    /// The field whose time decides which run sees an event.
    pub timestamp_override: Option<Arc<str>>,
    /// Static severity.
    pub severity: Severity,
    /// Severities by field value, from low to critical.
    pub severity_mapping: Vec<SeverityMapping>,
    /// Static risk score, 0 to 100.
    pub risk_score: f64,
    /// The field whose number replaces the risk score.
    pub risk_score_field: Option<Arc<str>>,
    /// The field whose text replaces the name.
    pub rule_name_override: Option<Arc<str>>,
    /// `default` when the rule's alerts are building blocks.
    pub building_block_type: Option<Arc<str>>,
    /// Most alerts per interval.
    pub max_signals: u32,
    /// How often it would run on a schedule; the refill time of `max_signals`.
    pub interval: Duration,
    /// How far back a run looks (`from`, positive).
    pub lookback: Duration,
    /// True when it runs.
    pub enabled: bool,
    /// Its tags.
    pub tags: Vec<Arc<str>>,
    /// Changes on every update.
    pub revision: u64,
    /// What happens with new alerts.
    pub actions: Vec<Action>,
    /// The whole rule as the API answers it.
    pub body: Value,
    /// `kibana.alert.rule.*` of its alerts.
    pub(crate) alert_fields: Arc<Object>,
}

impl Rule {
    /// Loads rule JSON text from a file.
    pub fn from_json(text: &str) -> (Option<Self>, Vec<Diagnostic>) {
        match stdx::json::parse(text) {
            Ok(value) => load(&value, Origin::File),
            Err(e) => {
                let at = stdx::LineIndex::new(text)
                    .line_start(e.line())
                    .map_or(0, |start| (start + e.column().saturating_sub(1)).min(text.len()));
                (None, vec![Diagnostic::error("ruleJson", Span::new(at, at), format!("malformed JSON: {e}"))])
            }
        }
    }

    /// The body with what the server adds when a rule is made: `id`, `rule_id`, times, users, `revision` 0.
    pub fn created(body: &Value, id: &Id, user: &str, now: Time) -> Value {
        let mut body = body.clone();
        if let Some(o) = body.object_mut() {
            o.insert("id", id.clone());
            if o.get("rule_id").is_none_or(|v| v.as_str().is_none()) {
                o.insert("rule_id", id.clone());
            }
            for key in ["created_at", "updated_at"] {
                o.insert(key, now.iso());
            }
            for key in ["created_by", "updated_by"] {
                o.insert(key, user);
            }
            o.insert("revision", 0_i64);
        }
        body
    }

    /// The body after an update: what identifies the rule and its making is kept, `revision` rises by one.
    ///
    /// - `body`: the whole new body (PUT) or the stored one with the changed keys laid over it (PATCH).
    pub fn updated(&self, body: &Value, user: &str, now: Time) -> Value {
        let mut body = body.clone();
        if let Some(o) = body.object_mut() {
            for key in ["id", "rule_id", "created_at", "created_by", "immutable", "rule_source"] {
                if let Some(kept) = self.body.get(key) {
                    o.insert(key, kept.clone());
                }
            }
            o.insert("updated_at", now.iso());
            o.insert("updated_by", user);
            o.insert("revision", self.revision + 1);
        }
        body
    }

    /// True when an action asks for one run per alert or per summary of this workflow.
    pub fn starts(&self, workflow_id: &str) -> bool {
        self.actions.iter().any(|a| &*a.workflow_id == workflow_id)
    }
}

#[cfg(test)]
mod tests;
