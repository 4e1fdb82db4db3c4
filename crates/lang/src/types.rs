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

impl FieldType {
    /// For messages.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Keyword | Self::Lowercase => "keyword",
            Self::Text => "text",
            Self::Long => "long",
            Self::Double => "double",
            Self::Date => "date",
            Self::Ip => "ip",
            Self::Boolean => "boolean",
            Self::Dynamic => "unknown",
        }
    }
}

/// Says which type a field has.
pub trait FieldTypes {
    /// The type of exactly this dotted name; `None` when nothing is known.
    fn field_type(&self, field: &str) -> Option<FieldType>;

    /// Calls `visit` with the fields whose type is known by name, for name patterns.
    fn each_known(&self, visit: &mut dyn FnMut(&str, FieldType)) {
        let _ = visit;
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
    fn each_known(&self, visit: &mut dyn FnMut(&str, FieldType)) {
        for (name, kind) in event::ecs::fields() {
            visit(name, of_schema(*kind));
        }
        for (name, kind) in VENDOR {
            visit(name, *kind);
        }
    }

    fn field_type(&self, field: &str) -> Option<FieldType> {
        if let Some(kind) = event::ecs::field_type(field) {
            return Some(of_schema(kind));
        }
        if let Ok(at) = VENDOR.binary_search_by(|(name, _)| (*name).cmp(field)) {
            return Some(VENDOR[at].1);
        }
        match field.rsplit_once('.').map_or(field, |(_, last)| last) {
            "ip" => Some(FieldType::Ip),
            "created" | "ingested" | "accessed" | "ctime" | "mtime" | "not_after" | "not_before" | "installed"
            | "creation_date" | "timestamp" => Some(FieldType::Date),
            "name" | "executable" | "title" | "working_directory" | "full_name" | "command_line" => {
                Some(FieldType::Keyword)
            }
            last if last.ends_with("_ip") => Some(FieldType::Ip),
            last if last.ends_with("_timestamp") => Some(FieldType::Date),
            _ => None,
        }
    }
}

const fn of_schema(kind: event::ecs::FieldType) -> FieldType {
    use event::ecs::FieldType as Schema;
    match kind {
        Schema::Keyword | Schema::Wildcard | Schema::Flattened => FieldType::Keyword,
        Schema::Text | Schema::MatchOnlyText => FieldType::Text,
        Schema::Ip => FieldType::Ip,
        Schema::Date => FieldType::Date,
        Schema::Long => FieldType::Long,
        Schema::Float => FieldType::Double,
        Schema::Boolean => FieldType::Boolean,
        Schema::Object | Schema::Nested | Schema::GeoPoint => FieldType::Dynamic,
    }
}

/// Fields outside of the schema that are not plain keywords, sorted by name.
const VENDOR: &[(&str, FieldType)] = &[
    ("kibana.alert.last_detected", FieldType::Date),
    ("kibana.alert.original_time", FieldType::Date),
    ("kibana.alert.risk_score", FieldType::Double),
    ("kibana.alert.rule.risk_score", FieldType::Double),
    ("kibana.alert.start", FieldType::Date),
    ("powershell.file.script_block_text", FieldType::Text),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(VENDOR.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn names_resolve_to_path_and_type() {
        assert_eq!(Ecs.resolve("process.pid"), ("process.pid", FieldType::Long));
        assert_eq!(Ecs.resolve("process.name.text"), ("process.name", FieldType::Text));
        assert_eq!(Ecs.resolve("host.os.name.caseless"), ("host.os.name", FieldType::Lowercase));
        assert_eq!(Ecs.resolve("source.ip"), ("source.ip", FieldType::Ip));
        assert_eq!(Ecs.resolve("some.vendor.thing"), ("some.vendor.thing", FieldType::Dynamic));
        assert_eq!(Ecs.resolve("io.text"), ("io.text", FieldType::Dynamic));
    }
}
