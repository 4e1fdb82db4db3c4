//! `threat[]`: MITRE ATT&CK entries in the full form.
//!
//! Invariants: the short form (`tactic: TA0005`, `techniques: [T1055.001]`) becomes the full one; a full entry stays as it is.
//! Source: MITRE ATT&CK Enterprise tactics.

use stdx::{Object, Value};

const TACTICS: &[(&str, &str)] = &[
    ("TA0001", "Initial Access"),
    ("TA0002", "Execution"),
    ("TA0003", "Persistence"),
    ("TA0004", "Privilege Escalation"),
    ("TA0005", "Defense Evasion"),
    ("TA0006", "Credential Access"),
    ("TA0007", "Discovery"),
    ("TA0008", "Lateral Movement"),
    ("TA0009", "Collection"),
    ("TA0010", "Exfiltration"),
    ("TA0011", "Command and Control"),
    ("TA0040", "Impact"),
    ("TA0042", "Resource Development"),
    ("TA0043", "Reconnaissance"),
];

fn entry(id: &str, name: &str, kind: &str) -> Object {
    let mut o = Object::new();
    o.insert("id", id);
    o.insert("name", name);
    o.insert("reference", format!("https://attack.mitre.org/{kind}/{}/", id.replace('.', "/")));
    o
}

/// The list in the full form; an absent list is empty.
pub(super) fn normalised(threat: Option<&Value>) -> Value {
    let items = threat.and_then(Value::as_array).unwrap_or_default();
    Value::array(items.iter().map(|item| {
        let Some(id) = item.get("tactic").and_then(Value::as_str) else { return item.clone() };
        let name = TACTICS.iter().find(|t| t.0 == id).map_or(id, |t| t.1);
        let mut out = Object::new();
        out.insert("framework", item.get("framework").cloned().unwrap_or_else(|| "MITRE ATT&CK".into()));
        out.insert("tactic", entry(id, name, "tactics"));
        out.insert("technique", techniques(item.get("techniques").and_then(Value::as_array).unwrap_or_default()));
        out.into()
    }))
}

/// Techniques with their sub-techniques below them.
fn techniques(ids: &[Value]) -> Value {
    let mut out: Vec<(String, Vec<Value>)> = Vec::new();
    for id in ids.iter().filter_map(Value::as_str) {
        let parent = id.split('.').next().unwrap_or(id);
        let at = out.iter().position(|(p, _)| p == parent).unwrap_or_else(|| {
            out.push((parent.to_owned(), Vec::new()));
            out.len() - 1
        });
        if parent != id {
            out[at].1.push(entry(id, id, "techniques").into());
        }
    }
    Value::array(out.into_iter().map(|(id, sub)| {
        let mut o = entry(&id, &id, "techniques");
        if !sub.is_empty() {
            o.insert("subtechnique", Value::from(sub));
        }
        o.into()
    }))
}
