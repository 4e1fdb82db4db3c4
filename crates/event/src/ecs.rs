//! ECS field types, as data: what a field holds when no mapping says so.
//!
//! Invariants: `FIELDS` is sorted by name, without doubles; a name not listed is unknown (callers treat it as keyword).
//! Not here: mappings of indices (`index`).
//! Source: Elastic Common Schema 9.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Exact text.
    Keyword,
    /// Exact text that is long; matches as keyword.
    Wildcard,
    /// Analysed text.
    Text,
    /// Analysed text without scores; matches as text.
    MatchOnlyText,
    /// Address of version 4 or 6.
    Ip,
    /// Point in time.
    Date,
    /// Whole number.
    Long,
    /// Number.
    Float,
    /// True or false.
    Boolean,
    /// Members of their own.
    Object,
    /// A list of objects searched one by one.
    Nested,
    /// Members of any name, all keywords.
    Flattened,
    /// Latitude and longitude.
    GeoPoint,
}

impl FieldType {
    /// True when values are objects.
    pub const fn is_object(self) -> bool {
        matches!(self, Self::Object | Self::Nested | Self::Flattened | Self::GeoPoint)
    }
}

include!("ecs/fields.in");

/// Every field with its type, sorted by name.
pub const fn fields() -> &'static [(&'static str, FieldType)] {
    FIELDS
}

/// The type of `name`, or `None` where ECS has no such field.
pub fn field_type(name: &str) -> Option<FieldType> {
    FIELDS.binary_search_by(|(n, _)| (*n).cmp(name)).ok().map(|i| FIELDS[i].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_and_parents_are_objects() {
        for pair in FIELDS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
        }
        assert_eq!(field_type("source.ip"), Some(FieldType::Ip));
        assert_eq!(field_type("process.pid"), Some(FieldType::Long));
        assert_eq!(field_type("message"), Some(FieldType::MatchOnlyText));
        assert_eq!(field_type("process.parent.name"), Some(FieldType::Keyword));
        assert_eq!(field_type("process"), Some(FieldType::Object));
        assert_eq!(field_type("EventID"), None);
        for (name, _) in FIELDS {
            if let Some((parent, _)) = name.rsplit_once('.') {
                assert!(field_type(parent).is_some_and(FieldType::is_object), "{parent} of {name}");
            }
        }
    }
}
