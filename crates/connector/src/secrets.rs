//! Secrets of a connector, and keeping them out of whatever comes back.
//!
//! Invariants: a secret's value appears in no `Debug`, no error and no answer; a secret is at least `SECRET_BYTES_MIN` bytes long, since
//! shorter ones would turn up by chance.
//! Source: `design/engine.md` §10.

use crate::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::fmt;
use stdx::{Object, Value, json};

/// Shortest secret.
pub const SECRET_BYTES_MIN: usize = 8;

/// What `encodeURIComponent` leaves.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// What RFC 3986 leaves.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Names and values of a connector's secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Wraps decrypted secrets; [`crate::Registry::check`] judges them before they are stored.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self(values.into_iter().filter(|(_, v)| !v.is_empty()).collect())
    }
    /// The value of a secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    /// Names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// Replaces secrets and their encodings by `[secret:NAME]`.
#[derive(Clone, Default)]
pub struct Scrubber {
    /// Pattern and replacement, longest first.
    patterns: Vec<(String, String)>,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scrubber({} patterns)", self.patterns.len())
    }
}

impl Scrubber {
    /// For all of `secrets`.
    pub fn new(secrets: &Secrets) -> Self {
        let mut patterns = Vec::new();
        for (name, value) in secrets.iter().filter(|(_, v)| v.len() >= SECRET_BYTES_MIN) {
            let inert = format!("[secret:{name}]");
            for pattern in encodings(value) {
                patterns.push((pattern, inert.clone()));
            }
        }
        patterns.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        Self { patterns }
    }
    /// The text without secrets; `None` when it has none.
    fn changed(&self, text: &str) -> Option<String> {
        let mut out: Option<String> = None;
        for (pattern, inert) in &self.patterns {
            let at = out.as_deref().unwrap_or(text);
            if at.contains(pattern.as_str()) {
                out = Some(at.replace(pattern.as_str(), inert));
            }
        }
        out
    }
    /// The text without secrets.
    pub fn text(&self, text: &str) -> String {
        self.changed(text).unwrap_or_else(|| text.to_string())
    }
    /// The value without secrets, in strings and in keys.
    pub fn value(&self, value: Value) -> Value {
        if self.patterns.is_empty() {
            return value;
        }
        match value {
            Value::Str(s) => self.changed(&s).map_or(Value::Str(s), Value::from),
            Value::Array(a) => Value::array(a.iter().map(|v| self.value(v.clone()))),
            Value::Object(o) => Value::Object(std::sync::Arc::new(
                o.iter()
                    .map(|(k, v)| (self.changed(k).map_or_else(|| k.clone(), Into::into), self.value(v.clone())))
                    .collect::<Object>(),
            )),
            other => other,
        }
    }
    /// The fault without secrets.
    pub fn fault(&self, mut fault: Fault) -> Fault {
        fault.message = self.text(&fault.message);
        fault.details = self.value(fault.details);
        fault
    }
}

/// A secret as it may come back: as it is, in JSON, percent-encoded, in hex, and in base64 at each of its three alignments.
fn encodings(secret: &str) -> Vec<String> {
    let quoted = json::text(&Value::from(secret));
    let twice = json::text(&Value::from(&quoted[1..quoted.len() - 1]));
    let mut out = vec![
        secret.to_string(),
        quoted[1..quoted.len() - 1].to_string(),
        twice[1..twice.len() - 1].to_string(),
        hex::encode(secret),
        hex::encode_upper(secret),
    ];
    for set in [COMPONENT, UNRESERVED, NON_ALPHANUMERIC] {
        let upper = utf8_percent_encode(secret, set).to_string();
        let lower: String = utf8_percent_encode(secret, set)
            .map(|part| if part.starts_with('%') { part.to_ascii_lowercase() } else { part.to_string() })
            .collect();
        out.extend([upper.replace("%20", "+"), lower.replace("%20", "+"), upper, lower]);
    }
    for shift in 0..3 {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(secret.as_bytes());
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            // The characters at either end also carry bits of what stands next to the secret.
            let start = (shift * 8).div_ceil(6);
            let end = bytes.len() * 8 / 6;
            if end.saturating_sub(start) >= SECRET_BYTES_MIN {
                out.push(text[start..end].to_string());
            }
        }
    }
    out.sort();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber(pairs: &[(&str, &str)]) -> Scrubber {
        Scrubber::new(&Secrets::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()))
    }

    #[test]
    fn every_encoding_of_a_secret_becomes_inert() {
        use base64::Engine as _;
        let secret = "p\"ss/w+rd ü&1";
        let s = scrubber(&[("token", secret)]);
        let in_json = json::text(&Value::from(secret));
        let mut seen = vec![
            secret.to_string(),
            in_json.clone(),
            json::text(&Value::from(in_json.as_str())),
            hex::encode(secret),
            hex::encode(secret).to_uppercase(),
            utf8_percent_encode(secret, COMPONENT).to_string(),
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        ];
        for prefix in ["", "u:", "us:", "use:"] {
            seen.push(base64::engine::general_purpose::STANDARD.encode(format!("{prefix}{secret}{prefix}")));
            seen.push(base64::engine::general_purpose::URL_SAFE.encode(format!("{prefix}{secret}")));
        }
        for text in seen {
            let out = s.text(&format!("a {text} b"));
            assert!(out.contains("[secret:token]"), "{text} stayed: {out}");
        }
        assert_eq!(s.text("nothing here"), "nothing here");
    }

    #[test]
    fn values_keys_and_faults_are_scrubbed() {
        let s = scrubber(&[("token", "xoxb-canary-1"), ("short", "abc")]);
        let v = json::parse(r#"{"xoxb-canary-1":["a xoxb-canary-1",5,{"k":"abc"}]}"#).unwrap();
        assert_eq!(json::text(&s.value(v.clone())), r#"{"[secret:token]":["a [secret:token]",5,{"k":"abc"}]}"#);
        let f = s.fault(Fault::connector("no xoxb-canary-1").details(v));
        assert!(!format!("{f:?}").contains("canary"));
    }

    #[test]
    fn debug_shows_names_only() {
        let secrets = Secrets::new([("token".to_string(), "xoxb-canary-1".to_string())].into());
        assert_eq!(format!("{secrets:?}"), r#"{"token"}"#);
        assert!(!format!("{:?}", Scrubber::new(&secrets)).contains("canary"));
    }
}
