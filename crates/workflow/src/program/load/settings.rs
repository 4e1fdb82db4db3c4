//! `settings`: timeout, zone, size cap, concurrency, template limits; the policy comes last, after all steps.
//!
//! Not here: what they do (`decide`).
//! Source: `reference/workflow-language.md` §1.5, §7.5.

use super::{Loader, Place};
use crate::program::check::unknown_key;
use crate::program::{Concurrency, Settings};
use crate::schedule::is_zone;
use crate::slot::{QUEUE_SIZE_DEFAULT, QUEUE_TTL_DEFAULT, Strategy};
use crate::template::{Limits, compile_at};
use crate::yaml::{Node, Yaml};
use std::sync::Arc;

/// Most that `settings.liquid` may ask for.
const LIQUID_MAX: Limits = Limits { parse: 600_000, render_ms: 2_000, memory: 60_000_000 };

impl Loader<'_> {
    pub(super) fn settings(&mut self, node: Option<&Node>) -> Settings {
        let mut settings = Settings::default();
        let Some(node) = node else { return settings };
        if node.map().is_none() && !matches!(node.value, Yaml::Null) {
            self.error(
                "schemaViolation",
                node.span,
                "settings",
                format!("`settings` must be a map, found a {}", node.kind()),
                "",
            );
        }
        let known = ["timeout", "timezone", "max-step-size", "on-failure", "concurrency", "liquid"];
        if let Some(n) = node.get("liquid") {
            settings.liquid = self.liquid_limits(n);
            self.limits = settings.liquid;
        }
        for e in node.map().unwrap_or_default() {
            match &*e.key {
                "timeout" => settings.timeout = self.timeout(&e.value, "settings.timeout"),
                "timezone" => match e.value.str().filter(|z| is_zone(z)) {
                    Some(zone) => settings.timezone = Some(zone.clone()),
                    None => {
                        let name = crate::json::scalar_text(&e.value.to_value());
                        let message = format!("`{name}` is not a time zone");
                        let hint = "an IANA name, for example Europe/Berlin";
                        self.error("schemaViolation", e.value.span, "settings.timezone", message, hint);
                    }
                },
                "max-step-size" => settings.max_step_size = self.bytes(&e.value, "settings.max-step-size"),
                "concurrency" => settings.concurrency = self.concurrency(&e.value),
                "on-failure" | "liquid" => {}
                _ => self.found.push(unknown_key("unknownKey", e, "`settings`", &known, "settings")),
            }
        }
        settings
    }

    /// The workflow's policy comes last, because its fallback steps join the arena after the others.
    pub(super) fn settings_policy(&mut self, node: Option<&Node>, mut settings: Settings) -> Settings {
        if let Some(n) = node.and_then(|n| n.get("on-failure")) {
            let place = Place { parent: None, in_loop: false, in_fallback: true, path: "settings".into() };
            settings.on_failure = Some(Arc::new(self.policy(n, &place, None)));
        }
        settings
    }

    fn liquid_limits(&mut self, node: &Node) -> Limits {
        let path = "settings.liquid";
        let known = ["parseLimit", "renderLimit", "memoryLimit"];
        for e in node.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("unknownKey", e, "`liquid`", &known, path));
        }
        let standard = Limits::default();
        let mut number = |key: &str, standard: u64, max: u64| {
            let Some(n) = node.get(key) else { return standard };
            match n.to_value().as_i64().and_then(|i| u64::try_from(i).ok()).filter(|i| *i > 0) {
                Some(i) if i <= max => i,
                Some(_) => {
                    self.error("schemaViolation", n.span, path, format!("`{key}` is at most {max}"), "");
                    max
                }
                None => {
                    self.error("schemaViolation", n.span, path, format!("`{key}` must be a number of at least 1"), "");
                    standard
                }
            }
        };
        Limits {
            parse: number("parseLimit", standard.parse as u64, LIQUID_MAX.parse as u64) as usize,
            render_ms: number("renderLimit", standard.render_ms, LIQUID_MAX.render_ms),
            memory: number("memoryLimit", standard.memory, LIQUID_MAX.memory),
        }
    }

    fn concurrency(&mut self, node: &Node) -> Option<Concurrency> {
        let path = "settings.concurrency";
        let known = ["key", "strategy", "max", "queue-size", "queue-ttl"];
        for e in node.map().unwrap_or_default().iter().filter(|e| !known.contains(&&*e.key)) {
            self.found.push(unknown_key("unknownKey", e, "`concurrency`", &known, path));
        }
        let key = node.get("key").filter(|n| !matches!(n.value, Yaml::Null));
        let strategy = match node.get("strategy").map(|n| (n.str().map(|s| &**s), n.span)) {
            None => None,
            Some((Some("cancel-in-progress"), _)) => Some(Strategy::CancelInProgress),
            Some((Some("drop"), _)) => Some(Strategy::Drop),
            Some((Some("queue"), _)) => Some(Strategy::Queue),
            Some((_, span)) => {
                self.error("schemaViolation", span, path, "`strategy` must be cancel-in-progress, drop or queue", "");
                None
            }
        };
        let mut count = |name: &str, standard: u32| {
            let Some(n) = node.get(name) else { return standard };
            match n.to_value().as_i64().filter(|i| *i >= 1) {
                Some(i) => u32::try_from(i).unwrap_or(u32::MAX),
                None => {
                    self.error("schemaViolation", n.span, path, format!("`{name}` must be a number of at least 1"), "");
                    standard
                }
            }
        };
        let (max, queue_size) = (count("max", 1), count("queue-size", QUEUE_SIZE_DEFAULT));
        let queue_ttl = node.get("queue-ttl").and_then(|n| self.timeout(n, &format!("{path}.queue-ttl")));
        if strategy.is_some_and(|s| s != Strategy::Queue) {
            for e in ["queue-size", "queue-ttl"].iter().filter_map(|k| node.entry(k)) {
                let message = format!("`{}` has an effect only with `strategy: queue`", e.key);
                self.warn("invalidStepProperty", e.key_span, path, message, "");
            }
        }
        let (Some(key), Some(strategy)) = (key, strategy) else {
            let message = "without `key` and `strategy` nothing is limited";
            self.warn("concurrencyWithoutKey", node.span, path, message, "add both");
            return None;
        };
        let key = compile_at(key, self.source, self.limits, &format!("{path}.key"), &mut self.found);
        let queue_ttl = queue_ttl.map_or(QUEUE_TTL_DEFAULT, |t| t.length);
        Some(Concurrency { key, strategy, max, queue_size, queue_ttl })
    }
}
