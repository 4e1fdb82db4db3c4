//! Decoders: from the bytes of a file or a connection to events as JSON objects, one result per record.
//!
//! Invariants: a broken record is an error for that record alone and names its number; memory is bounded by the limits here.
//! Not here: opening files (callers hand in readers), times (`timestamp`).

mod cef;
mod csv;
mod evtx;
mod json;
mod leef;
mod lines;
mod syslog;

use ::bytes::Bytes;
use std::io::Read;

/// Longest record in bytes; a longer one is an error and is skipped without being held.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Largest binary log that is read as a whole.
pub const WHOLE_BYTES_MAX: u64 = 1 << 30;

/// Why a record could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not what the format asks for.
    #[error("{0}")]
    Malformed(String),
    /// The record is longer than `RECORD_BYTES_MAX`.
    #[error("the record is longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    /// The source could not be read; nothing follows.
    #[error("cannot read: {0}")]
    Read(#[from] std::io::Error),
}

/// One record of a source.
#[derive(Debug)]
pub struct Record {
    /// Line number or record number, from 1.
    pub number: u64,
    /// The event as a JSON object, or why there is none.
    pub result: Result<Bytes, Error>,
}

/// A source of bytes.
pub type Input = Box<dyn Read + Send>;
/// What a decoder gives.
pub type Records = Box<dyn Iterator<Item = Record> + Send>;

/// A format that can be decoded.
pub struct Decoder {
    /// Its name, for example `json`.
    pub name: &'static str,
    /// File extensions without the dot.
    pub extensions: &'static [&'static str],
    /// Starts decoding.
    pub open: fn(Input) -> Records,
}

/// Every decoder, by name.
pub const DECODERS: &[Decoder] = &[cef::CEF, csv::CSV, evtx::EVTX, json::JSON, leef::LEEF, syslog::SYSLOG];

/// The decoder named `name`.
pub fn by_name(name: &str) -> Option<&'static Decoder> {
    DECODERS.iter().find(|d| d.name == name)
}

/// The decoder for a file of this name, and whether the file is gzipped; by its extension, with or without `.gz`.
pub fn by_file_name(file: &str) -> Option<(&'static Decoder, bool)> {
    let lower = file.to_ascii_lowercase();
    let (stem, gzip) = match lower.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (lower.as_str(), false),
    };
    let (_, extension) = stem.rsplit_once('.')?;
    DECODERS.iter().find(|d| d.extensions.contains(&extension)).map(|d| (d, gzip))
}

/// Starts decoding a file by its name; `None` where no decoder takes that name.
pub fn open(file: &str, input: Input) -> Option<Records> {
    let (decoder, gzip) = by_file_name(file)?;
    Some((decoder.open)(if gzip { gunzip(input) } else { input }))
}

/// Unpacks gzip, all members.
pub fn gunzip(input: Input) -> Input {
    Box::new(flate2::read::MultiGzDecoder::new(std::io::BufReader::with_capacity(64 << 10, input)))
}

/// A JSON object of text fields; later ones of the same name win.
fn object(fields: impl IntoIterator<Item = (String, serde_json::Value)>) -> Bytes {
    let map: serde_json::Map<_, _> = fields.into_iter().collect();
    Bytes::from(serde_json::Value::Object(map).to_string())
}

#[cfg(test)]
mod tests;
