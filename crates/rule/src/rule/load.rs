//! Decoding of rule JSON: types checked, defaults filled in, every finding collected.
//!
//! Invariants: keys that are not known are kept in the body; a finding names the path of its key.
//! Not here: compiling the query (`compile`).

use super::threat::normalised;
use super::{INDEX_DEFAULT, Language, Origin, Rule, RuleType, Severity, SeverityMapping};
use crate::action;
use std::sync::Arc;
use stdx::{Diagnostic, Duration, Id, Object, Span, Time, Value};

/// Longest rule name in bytes.
pub const NAME_BYTES_MAX: usize = 1024;
/// Most index patterns, tags, filters, mappings or actions of one rule.
const ITEMS_MAX: usize = 1000;
/// Most alerts per interval that a rule may ask for.
const SIGNALS_MAX: i64 = 10_000;
const INTERVAL_DEFAULT: &str = "5m";
const FROM_DEFAULT: &str = "now-6m";

struct Loader<'a> {
    body: &'a Object,
    findings: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn error(&mut self, code: &'static str, path: &str, message: impl Into<String>) {
        self.findings.push(Diagnostic::error(code, Span::default(), message).at(path));
    }
    fn wrong(&mut self, key: &str, wanted: &str, found: &Value) {
        self.error("ruleField", key, format!("`{key}` must be {wanted}, found {}", found.type_name()));
    }
    /// The value of a key that is there and not null.
    fn get(&self, key: &str) -> Option<Value> {
        self.body.get(key).filter(|v| !v.is_null()).cloned()
    }
    fn text(&mut self, key: &str) -> Option<Arc<str>> {
        match self.get(key)? {
            Value::Str(s) => Some(s),
            other => {
                self.wrong(key, "a string", &other);
                None
            }
        }
    }
    fn required(&mut self, key: &str) -> Option<Arc<str>> {
        let found = self.text(key).filter(|s| !s.trim().is_empty());
        if found.is_none() && !self.findings.iter().any(|d| d.path.as_deref() == Some(key)) {
            self.error("ruleRequired", key, format!("`{key}` is required"));
        }
        found
    }
    fn bool(&mut self, key: &str, default: bool) -> bool {
        match self.get(key) {
            None => default,
            Some(Value::Bool(b)) => b,
            Some(other) => {
                self.wrong(key, "true or false", &other);
                default
            }
        }
    }
    fn list(&mut self, key: &str) -> Vec<Value> {
        match self.get(key) {
            None => Vec::new(),
            Some(Value::Array(a)) if a.len() <= ITEMS_MAX => a.to_vec(),
            Some(Value::Array(_)) => {
                self.error("ruleLimit", key, format!("`{key}` has more than {ITEMS_MAX} items"));
                Vec::new()
            }
            Some(other) => {
                self.wrong(key, "a list", &other);
                Vec::new()
            }
        }
    }
    fn texts(&mut self, key: &str) -> Vec<Arc<str>> {
        let mut out = Vec::new();
        for (i, item) in self.list(key).into_iter().enumerate() {
            match item {
                Value::Str(s) => out.push(s),
                other => self.wrong(&format!("{key}[{i}]"), "a string", &other),
            }
        }
        out
    }
    fn choice<T>(&mut self, key: &str, text: &str, parse: impl Fn(&str) -> Option<T>, words: &str) -> Option<T> {
        let found = parse(text);
        if found.is_none() {
            self.findings.push(
                Diagnostic::error("ruleField", Span::default(), format!("`{key}` cannot be `{text}`"))
                    .hint(format!("one of {words}"))
                    .at(key),
            );
        }
        found
    }
    fn severity(&mut self, text: &str) -> Option<Severity> {
        self.choice("severity", text, Severity::parse, "`low`, `medium`, `high`, `critical`")
    }
    fn score(&mut self, severity: Severity, origin: Origin) -> f64 {
        match self.get("risk_score") {
            None if origin == Origin::Api => self.error("ruleRequired", "risk_score", "`risk_score` is required"),
            None => {}
            Some(v) => match v.as_f64() {
                Some(score) if (0.0..=100.0).contains(&score) => return score,
                Some(score) => {
                    self.error("ruleField", "risk_score", format!("`risk_score` must be 0 to 100, found `{score}`"));
                }
                None => self.wrong("risk_score", "a number", &v),
            },
        }
        severity.risk_score() as f64
    }
    fn severity_mapping(&mut self) -> Vec<SeverityMapping> {
        let mut out = Vec::new();
        for (i, item) in self.list("severity_mapping").into_iter().enumerate() {
            let path = format!("severity_mapping[{i}]");
            let text = |key: &str| item.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
            let value = match item.get("value") {
                Some(Value::Str(s)) => Arc::clone(s),
                Some(v @ (Value::Int(_) | Value::Float(_) | Value::Bool(_))) => stdx::json::text(v).into(),
                _ => "".into(),
            };
            match (text("field"), text("severity").and_then(Severity::parse)) {
                (Some(field), Some(severity)) => {
                    out.push(SeverityMapping { field: field.into(), value, severity });
                }
                _ => self.error("ruleField", &path, "a severity mapping needs `field`, `value` and `severity`"),
            }
        }
        out.sort_by_key(|m| m.severity);
        out
    }
    fn duration(&mut self, key: &str, default: &str) -> Duration {
        let text = self.text(key).unwrap_or_else(|| default.into());
        let parsed = if key == "from" { lookback(&text) } else { duration(&text) };
        parsed.unwrap_or_else(|| {
            let form = if key == "from" { "`now-6m`" } else { "`5m`" };
            self.findings.push(
                Diagnostic::error("ruleField", Span::default(), format!("`{key}` cannot be `{text}`"))
                    .hint(format!("write it as {form}; units s, m, h, d, w"))
                    .at(key),
            );
            duration(default.trim_start_matches("now-")).unwrap_or_default()
        })
    }
    fn max_signals(&mut self) -> u32 {
        match self.get("max_signals") {
            None => 100,
            Some(v) => match v.as_i64() {
                Some(n) if (1..=SIGNALS_MAX).contains(&n) => n as u32,
                _ => {
                    self.error("ruleField", "max_signals", format!("`max_signals` must be 1 to {SIGNALS_MAX}"));
                    100
                }
            },
        }
    }
    fn language(&mut self, kind: RuleType) -> Option<Language> {
        let default = match kind {
            RuleType::Eql => Language::Eql,
            RuleType::Esql => Language::Esql,
            RuleType::MachineLearning => return None,
            _ => Language::Kuery,
        };
        let Some(text) = self.text("language") else { return Some(default) };
        let found = self.choice("language", &text, Language::parse, "`kuery`, `lucene`, `eql`, `esql`")?;
        let fits = match default {
            Language::Kuery => matches!(found, Language::Kuery | Language::Lucene),
            other => found == other,
        };
        if !fits {
            let message = format!("a rule of type `{}` cannot have language `{text}`", kind.text());
            self.error("ruleField", "language", message);
        }
        Some(found)
    }
}

/// `5m` as a length of time.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let count: i64 = text[..text.len() - unit.len_utf8()].parse().ok().filter(|n| *n >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'M' => 30 * 86_400,
        'y' => 365 * 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(count.saturating_mul(seconds)))
}

/// `now-6m`, `now-30d/d` or `now` as a length of time before now.
fn lookback(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix("now")?;
    let rest = rest.split_once('/').map_or(rest, |(amount, _)| amount);
    if rest.is_empty() {
        return Some(Duration::default());
    }
    duration(rest.strip_prefix('-')?)
}

/// Decodes a rule.
///
/// - `value`: a create body, a stored rule, or a line of a rule file.
/// - returns: the rule unless a finding is an error; a rule of a type that cannot run yet is still a rule.
pub fn load(value: &Value, origin: Origin) -> (Option<Rule>, Vec<Diagnostic>) {
    let Some(body) = value.as_object() else {
        let message = format!("a rule must be an object, found {}", value.type_name());
        return (None, vec![Diagnostic::error("ruleJson", Span::default(), message)]);
    };
    let mut l = Loader { body, findings: Vec::new() };
    let name = l.required("name").unwrap_or_else(|| "".into());
    if name.len() > NAME_BYTES_MAX {
        l.error("ruleLimit", "name", format!("`name` is longer than {NAME_BYTES_MAX} bytes"));
    }
    let words = RuleType::ALL.map(|r| format!("`{}`", r.1)).join(", ");
    let kind = l.required("type").and_then(|t| l.choice("type", &t, RuleType::parse, &words));
    if origin == Origin::Api {
        l.required("description");
    }
    let severity = match origin {
        Origin::Api => l.required("severity"),
        Origin::File | Origin::Stored => l.text("severity"),
    };
    let severity = severity.and_then(|s| l.severity(&s)).unwrap_or(Severity::Low);
    let kind = kind.unwrap_or(RuleType::Query);
    let language = l.language(kind);
    let query = match kind {
        RuleType::Eql | RuleType::Esql | RuleType::Threshold | RuleType::NewTerms | RuleType::ThreatMatch => {
            l.required("query")
        }
        RuleType::Query | RuleType::SavedQuery => l.text("query"),
        RuleType::MachineLearning => None,
    };
    let mut index = l.texts("index");
    if index.is_empty() && !matches!(kind, RuleType::Esql | RuleType::MachineLearning) {
        index = INDEX_DEFAULT.iter().map(|s| Arc::from(*s)).collect();
    }
    let rule_id = l.text("rule_id").filter(|s| !s.is_empty());
    let id = l
        .text("id")
        .filter(|s| !s.is_empty())
        .map_or_else(|| stdx::id::uuid_v8(Time(0), &["rule", rule_id.as_deref().unwrap_or(&name)]), Id);
    let items = l.list("actions");
    let (actions, findings) = action::load(&items);
    l.findings.extend(findings);
    let risk_field = |m: &Value| m.get("field").and_then(Value::as_str).filter(|f| !f.is_empty()).map(Arc::from);
    let rule = Rule {
        rule_id: rule_id.map_or_else(|| id.clone(), Id),
        id,
        name,
        kind,
        language,
        query,
        index,
        filters: l.list("filters"),
        event_category_override: l.text("event_category_override"),
        timestamp_field: l.text("timestamp_field"),
        timestamp_override: l.text("timestamp_override"),
        severity,
        severity_mapping: l.severity_mapping(),
        risk_score: l.score(severity, origin),
        risk_score_field: l.list("risk_score_mapping").first().and_then(risk_field),
        rule_name_override: l.text("rule_name_override").filter(|f| !f.is_empty()),
        building_block_type: l.text("building_block_type"),
        max_signals: l.max_signals(),
        interval: l.duration("interval", INTERVAL_DEFAULT),
        lookback: l.duration("from", FROM_DEFAULT),
        enabled: l.bool("enabled", true),
        tags: l.texts("tags"),
        revision: l.get("revision").and_then(|v| v.as_i64()).and_then(|v| u64::try_from(v).ok()).unwrap_or(0),
        actions,
        body: Value::Null,
        alert_fields: Arc::default(),
    };
    let ok = !l.findings.iter().any(Diagnostic::is_error);
    let findings = l.findings;
    if !ok {
        return (None, findings);
    }
    let mut rule = Rule { body: completed(body, &rule), ..rule };
    rule.alert_fields = Arc::new(crate::alert::of_rule(&rule));
    (Some(rule), findings)
}

/// The body with every default that the server fills in.
fn completed(body: &Object, rule: &Rule) -> Value {
    let mut out = body.clone();
    out.insert("id", rule.id.clone());
    out.insert("rule_id", rule.rule_id.clone());
    out.insert("threat", normalised(body.get("threat")));
    out.insert("actions", action::completed(body.get("actions"), &rule.actions));
    let mut default = |key: &str, value: Value| {
        if out.get(key).is_none_or(Value::is_null) {
            out.insert(key, value);
        }
    };
    let score = match rule.risk_score {
        s if s.fract() == 0.0 => Value::Int(s as i64),
        s => Value::Float(s),
    };
    default("risk_score", score);
    default("severity", rule.severity.text().into());
    default("description", "".into());
    default("enabled", rule.enabled.into());
    default("interval", INTERVAL_DEFAULT.into());
    default("from", FROM_DEFAULT.into());
    default("to", "now".into());
    default("max_signals", rule.max_signals.into());
    default("version", 1_i64.into());
    default("revision", rule.revision.into());
    default("immutable", false.into());
    default("rule_source", Value::object([("type", Value::from("internal"))]));
    default("setup", "".into());
    default("output_index", "".into());
    for key in [
        "tags",
        "author",
        "references",
        "false_positives",
        "exceptions_list",
        "risk_score_mapping",
        "severity_mapping",
        "related_integrations",
        "required_fields",
    ] {
        default(key, Value::array([]));
    }
    if let Some(language) = rule.language {
        default("language", language.text().into());
    }
    if matches!(rule.kind, RuleType::Query | RuleType::SavedQuery) {
        default("query", "".into());
    }
    Value::from(out)
}
