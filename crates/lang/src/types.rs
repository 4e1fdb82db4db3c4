//! Field types: what a comparison with a field means.
//!
//! Invariants: names are resolved without knowing a document; a sub-field (`process.name.text`) resolves to its parent's path.
//! Not here: index mappings (`index` implements [`FieldTypes`] over them).
//! Source: the Elastic Common Schema and the `ecs@mappings` templates.

/// How values of a field are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// Exact text, case-sensitive; also `wildcard`, `constant_keyword` and `flattened`.
    Keyword,
    /// Exact text behind a lower-case normalizer.
    Lowercase,
    /// Analysed text.
    Text,
    /// Whole number.
    Long,
    /// Any number.
    Double,
    /// Point in time.
    Date,
    /// IP address.
    Ip,
    /// `true` or `false`.
    Boolean,
    /// Not known: text is compared as a keyword, numbers as numbers.
    Dynamic,
}

/// Says which type a field has.
pub trait FieldTypes {
    /// The type of exactly this dotted name; `None` when nothing is known.
    fn field_type(&self, field: &str) -> Option<FieldType>;

    /// Fields whose type is known by name, for name patterns; may be empty.
    fn known(&self) -> &[(&str, FieldType)] {
        &[]
    }

    /// The path to read and the type to compare with; follows sub-fields (`.text`, `.caseless`, `.keyword`).
    fn resolve<'a>(&self, field: &'a str) -> (&'a str, FieldType) {
        if let Some(known) = self.field_type(field) {
            return (field, known);
        }
        if let Some((parent, sub)) = field.rsplit_once('.') {
            match sub {
                "caseless" => return (parent, FieldType::Lowercase),
                "keyword" => return (parent, FieldType::Keyword),
                "text" if self.field_type(parent) == Some(FieldType::Keyword) => return (parent, FieldType::Text),
                _ => {}
            }
        }
        (field, FieldType::Dynamic)
    }
}

/// The Elastic Common Schema, as far as a field is not a plain keyword, and its naming rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ecs;

impl FieldTypes for Ecs {
    fn known(&self) -> &[(&str, FieldType)] {
        FIELDS
    }

    fn field_type(&self, field: &str) -> Option<FieldType> {
        if let Ok(at) = FIELDS.binary_search_by(|(name, _)| (*name).cmp(field)) {
            return Some(FIELDS[at].1);
        }
        let last = field.rsplit_once('.').map_or(field, |(_, last)| last);
        match last {
            "ip" => Some(FieldType::Ip),
            "created" | "ingested" | "accessed" | "ctime" | "mtime" | "not_after" | "not_before" | "installed"
            | "creation_date" | "timestamp" => Some(FieldType::Date),
            "name" | "executable" | "title" | "working_directory" | "full_name" | "command_line" | "original"
            | "full" | "type" | "category" | "action" | "outcome" | "dataset" | "module" | "provider" | "domain"
            | "id" | "entity_id" | "args" | "path" | "hash" | "md5" | "sha1" | "sha256" | "extension" | "directory" => {
                Some(FieldType::Keyword)
            }
            _ if last.ends_with("_ip") => Some(FieldType::Ip),
            _ if last.ends_with("_timestamp") => Some(FieldType::Date),
            _ => None,
        }
    }
}

use FieldType::{Boolean, Date, Double, Ip, Keyword, Long, Text};

/// Sorted by name.
const FIELDS: &[(&str, FieldType)] = &[
    ("@timestamp", Date),
    ("agent.id", Keyword),
    ("client.bytes", Long),
    ("client.ip", Ip),
    ("client.nat.ip", Ip),
    ("client.nat.port", Long),
    ("client.packets", Long),
    ("client.port", Long),
    ("container.cpu.usage", Double),
    ("container.memory.usage", Double),
    ("container.security_context.privileged", Boolean),
    ("data_stream.dataset", Keyword),
    ("data_stream.namespace", Keyword),
    ("data_stream.type", Keyword),
    ("destination.as.number", Long),
    ("destination.bytes", Long),
    ("destination.ip", Ip),
    ("destination.nat.ip", Ip),
    ("destination.nat.port", Long),
    ("destination.packets", Long),
    ("destination.port", Long),
    ("dll.code_signature.exists", Boolean),
    ("dll.code_signature.trusted", Boolean),
    ("dll.code_signature.valid", Boolean),
    ("dns.answers.ttl", Long),
    ("dns.resolved_ip", Ip),
    ("email.delivery_timestamp", Date),
    ("email.origination_timestamp", Date),
    ("error.message", Text),
    ("event.code", Keyword),
    ("event.created", Date),
    ("event.duration", Long),
    ("event.end", Date),
    ("event.ingested", Date),
    ("event.original", Keyword),
    ("event.risk_score", Double),
    ("event.risk_score_norm", Double),
    ("event.sequence", Long),
    ("event.severity", Long),
    ("event.start", Date),
    ("file.code_signature.exists", Boolean),
    ("file.code_signature.trusted", Boolean),
    ("file.code_signature.valid", Boolean),
    ("file.elf.sections.entropy", Long),
    ("file.size", Long),
    ("host.boot.id", Keyword),
    ("host.cpu.usage", Double),
    ("host.disk.read.bytes", Long),
    ("host.disk.write.bytes", Long),
    ("host.ip", Ip),
    ("host.network.egress.bytes", Long),
    ("host.network.egress.packets", Long),
    ("host.network.ingress.bytes", Long),
    ("host.network.ingress.packets", Long),
    ("host.os.type", Keyword),
    ("host.uptime", Long),
    ("http.request.body.bytes", Long),
    ("http.request.bytes", Long),
    ("http.response.body.bytes", Long),
    ("http.response.bytes", Long),
    ("http.response.status_code", Long),
    ("kibana.alert.last_detected", Date),
    ("kibana.alert.original_time", Date),
    ("kibana.alert.risk_score", Double),
    ("kibana.alert.rule.risk_score", Double),
    ("kibana.alert.start", Date),
    ("log.origin.file.line", Long),
    ("log.syslog.facility.code", Long),
    ("log.syslog.priority", Long),
    ("log.syslog.severity.code", Long),
    ("message", Text),
    ("network.bytes", Long),
    ("network.forwarded_ip", Ip),
    ("network.packets", Long),
    ("observer.ip", Ip),
    ("package.installed", Date),
    ("package.size", Long),
    ("powershell.file.script_block_text", Text),
    ("process.args_count", Long),
    ("process.code_signature.exists", Boolean),
    ("process.code_signature.trusted", Boolean),
    ("process.code_signature.valid", Boolean),
    ("process.end", Date),
    ("process.exit_code", Long),
    ("process.interactive", Boolean),
    ("process.parent.args_count", Long),
    ("process.parent.code_signature.exists", Boolean),
    ("process.parent.code_signature.trusted", Boolean),
    ("process.parent.code_signature.valid", Boolean),
    ("process.parent.exit_code", Long),
    ("process.parent.pgid", Long),
    ("process.parent.pid", Long),
    ("process.parent.ppid", Long),
    ("process.parent.start", Date),
    ("process.parent.thread.id", Long),
    ("process.parent.uptime", Long),
    ("process.pgid", Long),
    ("process.pid", Long),
    ("process.ppid", Long),
    ("process.start", Date),
    ("process.thread.id", Long),
    ("process.tty.columns", Long),
    ("process.tty.rows", Long),
    ("process.uptime", Long),
    ("related.ip", Ip),
    ("server.bytes", Long),
    ("server.ip", Ip),
    ("server.nat.ip", Ip),
    ("server.nat.port", Long),
    ("server.packets", Long),
    ("server.port", Long),
    ("source.as.number", Long),
    ("source.bytes", Long),
    ("source.ip", Ip),
    ("source.nat.ip", Ip),
    ("source.nat.port", Long),
    ("source.packets", Long),
    ("source.port", Long),
    ("threat.indicator.first_seen", Date),
    ("threat.indicator.ip", Ip),
    ("threat.indicator.last_seen", Date),
    ("threat.indicator.modified_at", Date),
    ("threat.indicator.port", Long),
    ("tls.client.not_after", Date),
    ("tls.client.not_before", Date),
    ("tls.established", Boolean),
    ("tls.resumed", Boolean),
    ("tls.server.not_after", Date),
    ("tls.server.not_before", Date),
    ("url.port", Long),
    ("vulnerability.score.base", Double),
    ("vulnerability.score.environmental", Double),
    ("vulnerability.score.temporal", Double),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(FIELDS.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn names_resolve_to_path_and_type() {
        assert_eq!(Ecs.resolve("process.pid"), ("process.pid", Long));
        assert_eq!(Ecs.resolve("process.name.text"), ("process.name", Text));
        assert_eq!(Ecs.resolve("host.os.name.caseless"), ("host.os.name", FieldType::Lowercase));
        assert_eq!(Ecs.resolve("source.ip"), ("source.ip", Ip));
        assert_eq!(Ecs.resolve("some.vendor.thing"), ("some.vendor.thing", FieldType::Dynamic));
        assert_eq!(Ecs.resolve("io.text"), ("io.text", FieldType::Dynamic));
    }
}
