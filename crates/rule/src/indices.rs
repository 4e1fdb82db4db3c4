//! Index patterns of a rule: which data streams it reads.
//!
//! Invariants: `*` is the only wildcard; a pattern that starts with `-` takes away; names that start with a dot need a pattern that does.
//! Source: multi-target syntax of Elasticsearch.

use std::sync::Arc;

/// Include and exclude patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexPatterns {
    include: Vec<Box<str>>,
    exclude: Vec<Box<str>>,
}

impl IndexPatterns {
    /// Reads patterns; one text may hold several, parted by commas. Patterns of remote clusters match nothing here.
    pub fn new(patterns: &[Arc<str>]) -> Self {
        let mut out = Self::default();
        for pattern in patterns.iter().flat_map(|p| p.split(',')).map(str::trim).filter(|p| !p.is_empty()) {
            match pattern.strip_prefix('-') {
                Some(rest) => out.exclude.push(rest.into()),
                None if pattern.contains(':') => {}
                None => out.include.push(pattern.into()),
            }
        }
        out
    }

    /// True when an index, data stream or backing index of this name is read.
    pub fn matches(&self, name: &str) -> bool {
        let name = stream_of(name);
        let alias = alias_of(name);
        let fits = |pattern: &str| fits(pattern, name) || alias.is_some_and(|alias| fits(pattern, alias));
        self.include.iter().any(|p| fits(p)) && !self.exclude.iter().any(|p| fits(p))
    }
}

/// The data stream that a backing index `.ds-NAME-2025.01.15-000001` belongs to; other names as they are.
fn stream_of(name: &str) -> &str {
    let Some(rest) = name.strip_prefix(".ds-") else { return name };
    let mut parts = rest.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(generation), Some(date), Some(stream)) if generation.len() == 6 && date.len() == 10 => stream,
        _ => name,
    }
}

/// The alias of an alert index: `.alerts-NAME` for `.internal.alerts-NAME-000001`.
fn alias_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(".internal").filter(|r| r.starts_with(".alerts-"))?;
    let (alias, generation) = rest.rsplit_once('-')?;
    (generation.len() == 6 && generation.bytes().all(|b| b.is_ascii_digit())).then_some(alias)
}

fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_data_streams() {
        let p = |text: &str| IndexPatterns::new(&[text.into()]);
        assert!(p("logs-*").matches("logs-endpoint.events.process-default"));
        assert!(
            p("logs-endpoint.events.process-*").matches(".ds-logs-endpoint.events.process-default-2025.01.15-000001")
        );
        assert!(!p("logs-*").matches("winlogbeat-8"));
        assert!(p("apm-*-transaction*").matches("apm-7-transaction-1") && !p("apm-*-transaction*").matches("apm-x"));
        assert!(p("logs-*,-logs-noise-*").matches("logs-a") && !p("logs-*,-logs-noise-*").matches("logs-noise-b"));
        assert!(!p("*").matches(".alerts-security.alerts-default"));
        assert!(p(".alerts-security.*").matches(".alerts-security.alerts-default"));
        assert!(p(".alerts-security.alerts-default").matches(".internal.alerts-security.alerts-default-000001"));
        assert!(!p(".alerts-security.alerts-other").matches(".internal.alerts-security.alerts-default-000001"));
        assert!(!p("remote:logs-*").matches("logs-a") && !p("").matches("x"));
        assert!(
            p("exact").matches("exact")
                && !p("exact").matches("exactly")
                && p("a*a").matches("aa")
                && !p("a*a").matches("a")
        );
    }
}
