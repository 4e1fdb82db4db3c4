//! Index names and the expressions that pick several.
//!
//! Invariants: a name that passes `check` is a safe folder name; an expression is read left to right; `-x` excludes only behind something.
//! Not here: aliases of alerts (the caller maps them).
//! Source: `reference/elasticsearch-apis.md` §3.1, §11.2.

use crate::error::Error;

/// Longest index name in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Most parts of a comma list.
pub const PARTS_MAX: usize = 1024;

/// Says why `name` cannot be an index name.
pub fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("must not be empty");
    }
    if name == "." || name == ".." {
        return Err("must not be '.' or '..'");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("must not be longer than 255 bytes");
    }
    if name.starts_with(['-', '_', '+']) {
        return Err("must not start with '_', '-', or '+'");
    }
    if name.chars().any(char::is_uppercase) {
        return Err("must be lowercase");
    }
    if name.chars().any(|c| "\\/*?\"<>| ,#:".contains(c) || c.is_control()) {
        return Err("must not contain the following characters [' ','\"','*','\\','<','|',',','>','/','?','#',':']");
    }
    Ok(())
}

/// True for names that are filed by time.
pub fn is_stream(name: &str) -> bool {
    if name.starts_with(".alerts-") || name.starts_with(".internal.alerts-") || name.starts_with(".ds-") {
        return true;
    }
    let mut parts = name.splitn(3, '-');
    matches!(parts.next(), Some("logs" | "metrics" | "traces" | "synthetics"))
        && parts.next().is_some_and(|p| !p.is_empty())
        && parts.next().is_some_and(|p| !p.is_empty())
}

/// True for names that only a pattern beginning with a dot finds.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// True when `*` stands in the text.
pub fn is_pattern(text: &str) -> bool {
    text.contains('*') || text == "_all"
}

/// Matches a name with a pattern of `*`.
pub fn matches(pattern: &str, name: &str) -> bool {
    if pattern == "_all" {
        return true;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Options of an index expression.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expand {
    /// Leave out names that do not exist.
    pub ignore_unavailable: bool,
    /// Wildcards find hidden names too.
    pub hidden: bool,
}

/// Picks the names that an expression means, in order of the given list.
///
/// - `expression`: comma list; empty, `_all` and `*` mean everything that is not hidden.
/// - `exists`: all names, sorted.
/// - errors: `NoSuchIndex` for a concrete name that is not there; `BadRequest` for too many parts.
pub fn resolve<'a>(expression: &str, exists: &[&'a str], expand: Expand) -> Result<Vec<&'a str>, Error> {
    let expression = if expression.is_empty() { "*" } else { expression };
    let mut picked = vec![false; exists.len()];
    let mut any = false;
    for (i, part) in expression.split(',').map(str::trim).filter(|p| !p.is_empty()).enumerate() {
        if i >= PARTS_MAX {
            return Err(Error::BadRequest("too many names in the index expression".into()));
        }
        let (part, keep) = match part.strip_prefix('-') {
            Some(rest) if any => (rest, false),
            _ => (part, true),
        };
        any = true;
        if is_pattern(part) {
            let hidden = expand.hidden || part.starts_with('.') || !keep;
            for (name, p) in exists.iter().zip(&mut picked) {
                if matches(part, name) && (hidden || !is_hidden(name)) {
                    *p = keep;
                }
            }
        } else if let Ok(at) = exists.binary_search(&part) {
            picked[at] = keep;
        } else if keep && !expand.ignore_unavailable {
            return Err(Error::NoSuchIndex(part.to_owned()));
        }
    }
    Ok(exists.iter().zip(picked).filter(|(_, p)| *p).map(|(n, _)| *n).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &[".alerts-security.alerts-default", "logs-a-default", "logs-b-default", "plain", "plain-2"];

    fn pick(expression: &str) -> String {
        resolve(expression, NAMES, Expand::default()).map_or_else(|e| e.to_string(), |v| v.join(" "))
    }

    #[test]
    fn expressions_pick_names() {
        assert_eq!(pick(""), "logs-a-default logs-b-default plain plain-2");
        assert_eq!(pick("_all"), pick("*"));
        assert_eq!(pick("logs-*,-logs-b*"), "logs-a-default");
        assert_eq!(pick("-logs-b*"), "");
        assert_eq!(pick("plain*"), "plain plain-2");
        assert_eq!(pick("plain"), "plain");
        assert_eq!(pick("nope"), "no such index `nope`");
        assert_eq!(pick("nope*"), "");
        assert_eq!(pick(".alerts-security.alerts-*"), ".alerts-security.alerts-default");
        assert_eq!(pick("*,-*default"), "plain plain-2");
        assert_eq!(
            resolve("nope,plain", NAMES, Expand { ignore_unavailable: true, hidden: false }).unwrap(),
            ["plain"]
        );
    }

    #[test]
    fn names_are_checked() {
        for bad in ["", ".", "..", "_x", "-x", "A", "a/b", "a b", "a*", "a\0b", &"x".repeat(256)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["logs-system.auth-default", ".alerts-security.alerts-default", "a.b_c-1", "ä"] {
            assert!(check(good).is_ok(), "{good}");
        }
        assert!(is_stream("logs-corpus-default"));
        assert!(!is_stream("logs-corpus"));
        assert!(!is_stream("filebeat-9"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*b", "a"));
        assert!(!matches("ab*b", "ab"));
    }
}
