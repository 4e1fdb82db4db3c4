//! The demo's events: a night at Northwind Clinics, a small invented company, with three attacks in it.
//!
//! Invariants: pure; the same seed and time give the same lines; every person, host and address is invented or reserved for documentation;
//! events are in order of time and end before `now`.
//! Not here: sending them (`story`), the rules they meet (`content/rules`).

mod attacks;
mod office;

use stdx::{Duration, Rng, Time};

/// How far back the first event lies.
pub const SPAN: Duration = Duration::from_secs(50 * 60);
/// Events of ordinary work.
const OFFICE_EVENTS: u64 = 2600;

/// People with their workstation's number and address.
const PEOPLE: &[(&str, &str)] = &[
    ("a.okafor", "reception"),
    ("b.lindqvist", "radiology"),
    ("c.moreau", "billing"),
    ("d.tanaka", "pharmacy"),
    ("e.silva", "ward 1"),
    ("f.novak", "ward 2"),
    ("g.haddad", "laboratory"),
    ("h.jansen", "ward 1"),
    ("i.petrov", "it"),
    ("j.castillo", "reception"),
    ("k.wagner", "surgery"),
    ("l.brandt", "it"),
    ("m.keller", "billing"),
    ("n.osei", "ward 2"),
    ("o.dubois", "radiology"),
    ("p.kim", "laboratory"),
];

/// Where an event goes and its JSON.
pub type Line = (&'static str, String);

/// Data streams of the scenario.
mod stream {
    pub const AUTH: &str = "logs-system.auth-default";
    pub const DNS: &str = "logs-network.dns-default";
    pub const FILES: &str = "logs-fileshare.audit-default";
    pub const IDP: &str = "logs-idp.sign_in-default";
    pub const NGINX: &str = "logs-nginx.access-default";
    pub const PROCESS: &str = "logs-endpoint.events.process-default";
    pub const SECURITY: &str = "logs-system.security-default";
    pub const SYSMON: &str = "logs-windows.sysmon_operational-default";
}

/// Collects events with their times.
struct Script {
    rng: Rng,
    start: Time,
    events: Vec<(Time, Line)>,
}

impl Script {
    /// Adds an event; `body` is JSON without its time.
    fn add(&mut self, at: Time, stream: &'static str, mut body: serde_json::Value) {
        let dataset = stream.trim_start_matches("logs-").trim_end_matches("-default");
        body["@timestamp"] = at.iso().into();
        body["event"]["kind"] = "event".into();
        body["event"]["dataset"] = dataset.into();
        body["ecs"] = serde_json::json!({"version": "9.1.0"});
        body["data_stream"] = serde_json::json!({"type": "logs", "dataset": dataset, "namespace": "default"});
        self.events.push((at, (stream, body.to_string())));
    }
    /// A time `minutes` and `seconds` after the first event.
    fn at(&self, minutes: i64, seconds: i64) -> Time {
        self.start + Duration::from_secs(minutes * 60 + seconds)
    }
    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.rng.below(from.len() as u64) as usize]
    }
}

/// A workstation's name.
fn workstation(person: usize) -> String {
    format!("nwc-ws-{:03}", person + 1)
}

/// A workstation's address.
fn address(person: usize) -> String {
    format!("10.20.4.{}", person + 11)
}

/// The lines of the scenario, in order of time.
///
/// - `now`: the end of the night; the first event lies [`SPAN`] before it.
pub fn lines(seed: u64, now: Time) -> Vec<Line> {
    let mut script = Script { rng: Rng::new(seed), start: now - SPAN, events: Vec::new() };
    for _ in 0..OFFICE_EVENTS {
        let into = script.rng.below(SPAN.0.unsigned_abs() - 30_000_000) as i64;
        let at = script.start + Duration(into);
        office::event(&mut script, at);
    }
    attacks::password_guessing(&mut script);
    attacks::web_shell(&mut script);
    attacks::wmi_persistence(&mut script);
    let mut events = script.events;
    events.sort_by_key(|e| e.0);
    events.into_iter().map(|e| e.1).collect()
}

#[cfg(test)]
mod tests;
