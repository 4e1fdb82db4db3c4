//! The columns of one field in one segment, whatever types its values have.
//!
//! Invariants: every value of the field is in one of the columns, except those of documents that `_rest` names.
//! Not here: `@timestamp`, which has a column of its own.

use crate::bucket::{ANY_PATH, column_path};
use crate::error::Error;
use event::Scalar;
use tantivy::SegmentReader;
use tantivy::columnar::{Column, DynamicColumn, StrColumn};

/// All columns of a field.
#[derive(Default)]
pub(crate) struct Columns {
    pub text: Option<StrColumn>,
    pub ints: Option<Column<i64>>,
    pub floats: Option<Column<f64>>,
    pub bools: Option<Column<bool>>,
}

fn add(into: &mut Columns, column: DynamicColumn) {
    match column {
        DynamicColumn::Str(c) => into.text = Some(c),
        DynamicColumn::I64(c) => into.ints = Some(c),
        DynamicColumn::F64(c) => into.floats = Some(c),
        DynamicColumn::Bool(c) => into.bools = Some(c),
        // The writer is given no other types.
        _ => {}
    }
}

impl Columns {
    /// Opens the columns of exactly this field.
    pub fn open(segment: &SegmentReader, path: &str) -> Result<Self, Error> {
        let mut out = Self::default();
        if !column_path(path) {
            return Ok(out);
        }
        for handle in segment.fast_fields().dynamic_column_handles(&format!("doc.{path}"))? {
            add(&mut out, handle.open().map_err(|e| Error::Tantivy(e.to_string()))?);
        }
        Ok(out)
    }

    /// The columns of this field and of all fields below it.
    pub fn open_below(segment: &SegmentReader, path: &str) -> Result<Vec<DynamicColumn>, Error> {
        if !column_path(path) {
            return Ok(Vec::new());
        }
        let name = format!("doc.{path}");
        let mut handles = segment.fast_fields().dynamic_column_handles(&name)?;
        handles.extend(segment.fast_fields().dynamic_subpath_column_handles(&name)?);
        handles.into_iter().map(|h| h.open().map_err(|e| Error::Tantivy(e.to_string()))).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.ints.is_none() && self.floats.is_none() && self.bools.is_none()
    }

    /// Calls `f` with each value of a document. Texts are looked up one by one: for many documents use ordinals.
    pub fn each(&self, doc: u32, buffer: &mut String, f: &mut dyn FnMut(Scalar<'_>)) {
        if let Some(c) = &self.ints {
            c.values_for_doc(doc).for_each(|v| f(Scalar::Int(v)));
        }
        if let Some(c) = &self.floats {
            c.values_for_doc(doc).for_each(|v| f(Scalar::Float(v)));
        }
        if let Some(c) = &self.bools {
            c.values_for_doc(doc).for_each(|v| f(Scalar::Bool(v)));
        }
        if let Some(c) = &self.text {
            for ord in c.term_ords(doc) {
                buffer.clear();
                if c.ord_to_str(ord, buffer).unwrap_or(false) {
                    f(Scalar::Str(buffer));
                }
            }
        }
    }
}

/// Names of the fields that have columns, sorted, without repetitions.
pub(crate) fn names(segment: &SegmentReader) -> Result<Vec<(String, tantivy::schema::Type)>, Error> {
    let mut out: Vec<(String, tantivy::schema::Type)> = segment
        .fields_metadata()?
        .into_iter()
        .filter(|m| m.is_fast())
        .filter_map(|m| m.field_name.strip_prefix("doc.").map(|n| (n.replace("\\.", "."), m.typ)))
        .collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

/// Documents that hold a value outside the columns.
pub(crate) struct Rest(Option<StrColumn>);

impl Rest {
    pub fn open(segment: &SegmentReader) -> Result<Self, Error> {
        Ok(Self(segment.fast_fields().str("_rest")?))
    }
    /// Calls `f` with every document for which one of its paths passes.
    pub fn each(&self, passes: impl Fn(&str) -> bool, mut f: impl FnMut(u32)) -> Result<(), Error> {
        let Some(column) = &self.0 else { return Ok(()) };
        let io = |e: std::io::Error| Error::Tantivy(e.to_string());
        let mut wanted = Vec::new();
        let mut stream = column.dictionary().stream().map_err(io)?;
        while stream.advance() {
            wanted.push(std::str::from_utf8(stream.key()).is_ok_and(&passes));
        }
        if !wanted.contains(&true) {
            return Ok(());
        }
        for doc in 0..column.num_rows() {
            if column.term_ords(doc).any(|o| wanted.get(o as usize).copied().unwrap_or(false)) {
                f(doc);
            }
        }
        Ok(())
    }
    /// Documents that may have a value of this field outside the columns.
    pub fn of_field(&self, path: &str, f: impl FnMut(u32)) -> Result<(), Error> {
        self.each(|p| p == path || p == ANY_PATH, f)
    }
}
