//! JSON to query tree.
//!
//! Invariants: total over any JSON; depth and number of clauses are bounded; every finding names its path in the document.
//! Not here: meaning (`predicate`).

use super::{BoolQuery, MatchKind, Query, RangeQuery, scalar_text};
use crate::pattern::{Case, Pattern};
use crate::predicate::{Bound, Limits};
use crate::{DEPTH_MAX, DIAGNOSTICS_MAX, lucene};
use stdx::{Diagnostic, Object, Span, Value};

/// Most clauses in one query, as `indices.query.bool.max_clause_count`.
pub const CLAUSES_MAX: usize = 4096;
/// Most values in one `terms` query.
pub const TERMS_MAX: usize = 65_536;

/// Parses a query as `serde_json` holds it.
///
/// - errors: every finding, with its path; codes `dslUnknownQuery`, `dslSyntax`, `dslLimit`, `dslRegex` and those of query strings.
pub fn parse(json: &serde_json::Value) -> Result<Query, Vec<Diagnostic>> {
    parse_value(&Value::from(json.clone()))
}

/// Parses a query as a [`Value`].
pub fn parse_value(value: &Value) -> Result<Query, Vec<Diagnostic>> {
    let mut parser = Parser::default();
    let query = parser.query(value, "", 0);
    match query {
        Some(query) if parser.found.is_empty() => Ok(query),
        _ => Err(parser.found),
    }
}

#[derive(Default)]
struct Parser {
    found: Vec<Diagnostic>,
    clauses: usize,
}

impl Parser {
    fn fail<T>(&mut self, code: &'static str, path: &str, message: impl Into<String>) -> Option<T> {
        if self.found.len() < DIAGNOSTICS_MAX {
            self.found.push(Diagnostic::error(code, Span::default(), message).at(path));
        }
        None
    }

    fn syntax<T>(&mut self, path: &str, message: impl Into<String>) -> Option<T> {
        self.fail("dslSyntax", path, message)
    }

    fn object<'a>(&mut self, value: &'a Value, path: &str) -> Option<&'a Object> {
        match value.as_object() {
            Some(object) => Some(object),
            None => self.syntax(path, format!("expected an object, found {}", value.type_name())),
        }
    }

    fn query(&mut self, value: &Value, path: &str, depth: usize) -> Option<Query> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            if self.clauses == CLAUSES_MAX + 1 {
                return self.fail("dslLimit", path, format!("more than {CLAUSES_MAX} clauses"));
            }
            return None;
        }
        if depth > DEPTH_MAX {
            return self.fail("dslLimit", path, format!("nested deeper than {DEPTH_MAX}"));
        }
        let object = self.object(value, path)?;
        let mut entries = object.iter();
        let Some((kind, body)) = entries.next() else {
            return self.syntax(path, "query malformed, empty clause found");
        };
        if let Some((extra, _)) = entries.next() {
            return self.syntax(path, format!("[{kind}] malformed query, expected one query, found `{extra}` too"));
        }
        let at = join(path, kind);
        match &**kind {
            "match_all" => Some(Query::MatchAll),
            "match_none" => Some(Query::MatchNone),
            "term" => self.term(body, &at),
            "terms" => self.terms(body, &at),
            "range" => self.range(body, &at),
            "exists" => {
                let object = self.object(body, &at)?;
                Some(Query::Exists { field: self.text(object, "field", &at)? })
            }
            "match" => self.matches(body, &at, None),
            "match_phrase" => self.matches(body, &at, Some(MatchKind::Phrase)),
            "match_phrase_prefix" | "match_bool_prefix" => self.matches(body, &at, Some(MatchKind::PhrasePrefix)),
            "multi_match" => self.multi_match(body, &at),
            "wildcard" => {
                let (field, pattern, case) = self.pattern(body, &at, &["value", "wildcard"])?;
                Some(Query::Wildcard { field, pattern, case })
            }
            "prefix" => {
                let (field, value, case) = self.pattern(body, &at, &["value", "prefix"])?;
                Some(Query::Prefix { field, value, case })
            }
            "regexp" => {
                let (field, pattern, case) = self.pattern(body, &at, &["value"])?;
                match Pattern::lucene(&pattern, case) {
                    Ok(_) => Some(Query::Regexp { field, pattern, case }),
                    Err(reason) => self.fail("dslRegex", &at, reason),
                }
            }
            "ids" => self.ids(body, &at),
            "bool" => self.bool(body, &at, depth),
            "constant_score" => {
                let object = self.object(body, &at)?;
                match object.get("filter") {
                    Some(filter) => self.query(filter, &join(&at, "filter"), depth + 1),
                    None => self.syntax(&at, "[constant_score] requires a `filter` element"),
                }
            }
            "nested" => {
                let object = self.object(body, &at)?;
                let path = self.text(object, "path", &at);
                let inner = match object.get("query") {
                    Some(query) => self.query(query, &join(&at, "query"), depth + 1),
                    None => self.syntax(&at, "[nested] requires a `query` element"),
                };
                Some(Query::Nested { path: path?, query: Box::new(inner?) })
            }
            "dis_max" => {
                let queries = self.object(body, &at)?.get("queries").cloned();
                match queries.as_ref().and_then(Value::as_array) {
                    Some(list) => self.list(list, &join(&at, "queries"), depth).map(Query::any),
                    None => self.syntax(&at, "`queries` must be a list"),
                }
            }
            "boosting" | "function_score" | "script_score" => {
                let key = if &**kind == "boosting" { "positive" } else { "query" };
                match self.object(body, &at)?.get(key) {
                    Some(query) => self.query(query, &join(&at, key), depth + 1),
                    None if &**kind == "function_score" => Some(Query::MatchAll),
                    None => self.syntax(&at, format!("[{kind}] requires a `{key}` element")),
                }
            }
            "query_string" => self.query_string(body, &at),
            "simple_query_string" => {
                let options = self.object(body, &at)?;
                let text = self.text(options, "query", &at)?;
                let fields = self.fields(options, &at)?;
                let all = self.operator(options.get("default_operator"), &at)? == MatchKind::All;
                Some(super::simple::parse(&text, &fields, all))
            }
            other => self.fail("dslUnknownQuery", path, format!("unknown query [{other}]")),
        }
    }

    fn list(&mut self, list: &[Value], path: &str, depth: usize) -> Option<Vec<Query>> {
        let parsed: Vec<_> =
            list.iter().enumerate().map(|(i, q)| self.query(q, &format!("{path}[{i}]"), depth + 1)).collect();
        parsed.into_iter().collect()
    }

    fn text(&mut self, object: &Object, key: &str, path: &str) -> Option<String> {
        match object.get(key).and_then(Value::as_str) {
            Some(text) => Some(text.to_owned()),
            None => self.syntax(path, format!("`{key}` must be given as text")),
        }
    }

    /// `{"field": body}` with nothing else but `boost` and `_name`.
    fn one_field<'a>(&mut self, body: &'a Value, path: &str) -> Option<(&'a str, &'a Value)> {
        let object = self.object(body, path)?;
        let mut fields = object.iter().filter(|(k, _)| !matches!(&***k, "boost" | "_name"));
        let Some((field, value)) = fields.next() else { return self.syntax(path, "no field is named") };
        if let Some((other, _)) = fields.next() {
            return self.syntax(path, format!("the query takes one field, found `{field}` and `{other}`"));
        }
        Some((field, value))
    }

    fn case(&mut self, options: &Object, path: &str) -> Case {
        match options.get("case_insensitive") {
            None | Some(Value::Bool(false)) => Case::Sensitive,
            Some(Value::Bool(true)) => Case::Insensitive,
            Some(_) => {
                self.syntax::<()>(path, "`case_insensitive` must be true or false");
                Case::Sensitive
            }
        }
    }

    fn scalar(&mut self, value: &Value, path: &str) -> Option<Value> {
        match value {
            Value::Null | Value::Array(_) | Value::Object(_) => {
                self.syntax(path, format!("expected a single value, found {}", value.type_name()))
            }
            other => Some(other.clone()),
        }
    }

    fn term(&mut self, body: &Value, path: &str) -> Option<Query> {
        let (field, value) = self.one_field(body, path)?;
        let at = join(path, field);
        let (value, case) = match value {
            Value::Object(options) => {
                let case = self.case(options, &at);
                match options.get("value").or_else(|| options.get("term")) {
                    Some(value) => (value.clone(), case),
                    None => return self.syntax(&at, "`value` is missing"),
                }
            }
            other => (other.clone(), Case::Sensitive),
        };
        Some(Query::Term { field: field.into(), value: self.scalar(&value, &at)?, case })
    }

    fn terms(&mut self, body: &Value, path: &str) -> Option<Query> {
        let (field, values) = self.one_field(body, path)?;
        let at = join(path, field);
        let Some(values) = values.as_array() else {
            return self.syntax(&at, "[terms] takes a list of values; a lookup in another index is not supported");
        };
        if values.len() > TERMS_MAX {
            return self.fail("dslLimit", &at, format!("more than {TERMS_MAX} terms"));
        }
        let values = values.iter().map(|v| self.scalar(v, &at)).collect::<Option<Vec<_>>>()?;
        Some(Query::Terms { field: field.into(), values })
    }

    fn range(&mut self, body: &Value, path: &str) -> Option<Query> {
        let (field, options) = self.one_field(body, path)?;
        let at = join(path, field);
        let options = self.object(options, &at)?;
        let mut limits = Limits { lower: None, upper: None };
        let (mut format, mut time_zone) = (None, None);
        let (mut open_lower, mut open_upper) = (None, None);
        for (key, value) in options.iter() {
            let bound = |inclusive| (!value.is_null()).then(|| Bound { value: value.clone(), inclusive });
            match &**key {
                "gt" => limits.lower = bound(false),
                "gte" => limits.lower = bound(true),
                "lt" => limits.upper = bound(false),
                "lte" => limits.upper = bound(true),
                "from" => limits.lower = bound(true),
                "to" => limits.upper = bound(true),
                "include_lower" => open_lower = value.as_bool(),
                "include_upper" => open_upper = value.as_bool(),
                "format" => format = Some(self.text(options, "format", &at)?),
                "time_zone" => {
                    let zone = self.text(options, "time_zone", &at)?;
                    if crate::date::time_zone(&zone).is_none() {
                        return self.syntax(&at, format!("unknown time zone `{zone}`"));
                    }
                    time_zone = Some(zone);
                }
                "boost" | "_name" | "relation" => {}
                other => return self.syntax(&at, format!("[range] query does not support [{other}]")),
            }
        }
        for (bound, inclusive) in [(&mut limits.lower, open_lower), (&mut limits.upper, open_upper)] {
            if let (Some(bound), Some(inclusive)) = (bound, inclusive) {
                bound.inclusive = inclusive;
            }
        }
        for bound in [&limits.lower, &limits.upper].into_iter().flatten() {
            self.scalar(&bound.value, &at)?;
        }
        Some(Query::Range(RangeQuery { field: field.into(), limits, format, time_zone }))
    }

    fn matches(&mut self, body: &Value, path: &str, kind: Option<MatchKind>) -> Option<Query> {
        let (field, value) = self.one_field(body, path)?;
        let at = join(path, field);
        let (value, operator) = match value {
            Value::Object(options) => match options.get("query") {
                Some(query) => (query.clone(), options.get("operator").cloned()),
                None => return self.syntax(&at, "`query` is missing"),
            },
            other => (other.clone(), None),
        };
        let kind = match kind {
            Some(kind) => kind,
            None => self.operator(operator.as_ref(), &at)?,
        };
        Some(Query::Match { fields: vec![field.into()], value: self.scalar(&value, &at)?, kind })
    }

    fn operator(&mut self, value: Option<&Value>, path: &str) -> Option<MatchKind> {
        match value.map(|v| v.as_str().unwrap_or_default().to_ascii_lowercase()).as_deref() {
            None | Some("or") => Some(MatchKind::Any),
            Some("and") => Some(MatchKind::All),
            Some(_) => self.syntax(path, "`operator` must be `and` or `or`"),
        }
    }

    fn multi_match(&mut self, body: &Value, path: &str) -> Option<Query> {
        let options = self.object(body, path)?;
        let Some(value) = options.get("query") else { return self.syntax(path, "`query` is missing") };
        let value = self.scalar(value, path)?;
        let kind = match options.get("type").and_then(Value::as_str) {
            None | Some("best_fields" | "most_fields" | "cross_fields") => {
                self.operator(options.get("operator"), path)?
            }
            Some("phrase") => MatchKind::Phrase,
            Some("phrase_prefix" | "bool_prefix") => MatchKind::PhrasePrefix,
            Some(other) => return self.syntax(path, format!("unknown type `{other}` of multi_match")),
        };
        let fields = self.fields(options, path)?;
        Some(Query::Match { fields, value, kind })
    }

    /// `fields` (or `default_field`), boosts cut off; every field when absent.
    fn fields(&mut self, options: &Object, path: &str) -> Option<Vec<String>> {
        let plain = |f: &str| f.split_once('^').map_or(f, |(f, _)| f).to_owned();
        match options.get("fields").or_else(|| options.get("default_field")) {
            None => Some(vec!["*".into()]),
            Some(Value::Str(field)) => Some(vec![plain(field)]),
            Some(Value::Array(list)) if list.is_empty() => Some(vec!["*".into()]),
            Some(Value::Array(list)) => {
                let fields: Option<Vec<String>> = list.iter().map(|f| f.as_str().map(plain)).collect();
                fields.or_else(|| self.syntax(path, "`fields` must be a list of names"))
            }
            Some(_) => self.syntax(path, "`fields` must be a list of names"),
        }
    }

    fn pattern(&mut self, body: &Value, path: &str, keys: &[&str]) -> Option<(String, String, Case)> {
        let (field, value) = self.one_field(body, path)?;
        let at = join(path, field);
        let (value, case) = match value {
            Value::Object(options) => {
                let case = self.case(options, &at);
                (keys.iter().find_map(|k| options.get(k)).cloned().unwrap_or_default(), case)
            }
            other => (other.clone(), Case::Sensitive),
        };
        match scalar_text(&value) {
            Some(text) => Some((field.into(), text, case)),
            None => self.syntax(&at, "`value` must be text"),
        }
    }

    fn ids(&mut self, body: &Value, path: &str) -> Option<Query> {
        let options = self.object(body, path)?;
        let values: Option<Vec<String>> =
            options.get("values").and_then(Value::as_array).and_then(|v| v.iter().map(scalar_text).collect());
        match values {
            Some(ids) if ids.len() <= TERMS_MAX => Some(Query::Ids(ids)),
            Some(_) => self.fail("dslLimit", path, format!("more than {TERMS_MAX} ids")),
            None => self.syntax(path, "`values` must be a list of ids"),
        }
    }

    fn bool(&mut self, body: &Value, path: &str, depth: usize) -> Option<Query> {
        let options = self.object(body, path)?;
        let mut out = BoolQuery::default();
        let mut minimum = None;
        let mut sound = true;
        for (key, value) in options.iter() {
            let clauses = match &**key {
                "must" => &mut out.must,
                "filter" => &mut out.filter,
                "should" => &mut out.should,
                "must_not" | "mustNot" => &mut out.must_not,
                "minimum_should_match" => {
                    minimum = Some(value.clone());
                    continue;
                }
                "boost" | "_name" | "adjust_pure_negative" => continue,
                other => {
                    self.syntax::<()>(path, format!("[bool] query does not support [{other}]"));
                    sound = false;
                    continue;
                }
            };
            let at = join(path, key);
            match value {
                Value::Array(list) => match self.list(list, &at, depth) {
                    Some(parsed) => clauses.extend(parsed),
                    None => sound = false,
                },
                single => {
                    let parsed = self.query(single, &at, depth + 1);
                    sound &= parsed.is_some();
                    clauses.extend(parsed);
                }
            }
        }
        let default = usize::from(out.must.is_empty() && out.filter.is_empty() && !out.should.is_empty());
        out.should_min = match minimum {
            None => default,
            Some(m) => match minimum_should_match(&m, out.should.len()) {
                Some(n) => n,
                None => return self.syntax(path, "`minimum_should_match` must be a number or a percentage"),
            },
        };
        sound.then_some(Query::Bool(out))
    }

    fn query_string(&mut self, body: &Value, path: &str) -> Option<Query> {
        let options = self.object(body, path)?;
        let text = self.text(options, "query", path)?;
        let fields = self.fields(options, path)?;
        let all = self.operator(options.get("default_operator"), path)? == MatchKind::All;
        let (ast, found) = lucene::parse(&text);
        let errors = found.into_iter().filter(Diagnostic::is_error).map(|d| d.at(join(path, "query")));
        self.found.extend(errors);
        ast.map(|ast| lucene::to_dsl(&ast, &fields, if all { lucene::Operator::And } else { lucene::Operator::Or }))
    }
}

/// `2`, `-1`, `75%`, `-25%`, `2<75%` (several of the last by blanks) for `n` clauses.
fn minimum_should_match(value: &Value, n: usize) -> Option<usize> {
    let simple = |text: &str| -> Option<i64> {
        let total = i64::try_from(n).ok()?;
        let found = match text.strip_suffix('%') {
            Some(percent) => {
                let p: i64 = percent.parse().ok().filter(|p: &i64| p.abs() <= 100)?;
                let part = total * p.abs() / 100;
                if p < 0 { total - part } else { part }
            }
            None => {
                let count: i64 = text.parse().ok()?;
                if count < 0 { total.saturating_add(count) } else { count }
            }
        };
        Some(found.max(0))
    };
    let text = scalar_text(value)?;
    let mut result = None;
    if !text.contains('<') {
        result = simple(text.trim());
    } else {
        for part in text.split_whitespace() {
            let (above, then) = part.split_once('<')?;
            if n > above.parse::<usize>().ok()? {
                result = Some(simple(then)?);
            }
        }
        result = result.or_else(|| i64::try_from(n).ok());
    }
    usize::try_from(result?).ok()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
