//! Windows event logs (EVTX): each record as `{"Event": {"System": …, "EventData": …}}`, attributes under `#attributes`.
//!
//! Invariants: a damaged record is an error for that record; the file is read as a whole, up to `WHOLE_BYTES_MAX`.
//! Source: the EVTX format as the `evtx` crate reads it.

use super::{Decoder, Error, Input, Record, Records, WHOLE_BYTES_MAX};
use ::evtx::{EvtxParser, ParserSettings};
use bytes::Bytes;
use std::io::{Cursor, Read};

pub(super) const EVTX: Decoder = Decoder { name: "evtx", extensions: &["evtx"], open };

fn failed(error: Error) -> Records {
    Box::new(std::iter::once(Record { number: 1, result: Err(error) }))
}

fn open(input: Input) -> Records {
    let mut bytes = Vec::new();
    match input.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut bytes) {
        Err(e) => return failed(Error::Read(e)),
        Ok(_) if bytes.len() as u64 > WHOLE_BYTES_MAX => {
            return failed(Error::Malformed(format!("the log is larger than {WHOLE_BYTES_MAX} bytes")));
        }
        Ok(_) => {}
    }
    let settings = ParserSettings::new().num_threads(1).indent(false);
    let parser = match EvtxParser::from_read_seek(Cursor::new(bytes)) {
        Ok(parser) => parser.with_configuration(settings.clone()),
        Err(e) => return failed(Error::Malformed(e.to_string())),
    };
    let settings = std::sync::Arc::new(settings);
    let mut number = 0;
    let records = parser.into_chunks().flat_map(move |chunk| {
        let mut chunk = match chunk {
            Ok(chunk) => chunk,
            Err(e) => return vec![Err(e.to_string())],
        };
        match chunk.parse(std::sync::Arc::clone(&settings)) {
            Err(e) => vec![Err(e.to_string())],
            Ok(mut chunk) => chunk
                .iter()
                .map(|r| r.and_then(|r| r.into_json()).map(|r| Bytes::from(r.data)).map_err(|e| e.to_string()))
                .collect(),
        }
    });
    Box::new(records.map(move |result| {
        number += 1;
        Record { number, result: result.map_err(Error::Malformed) }
    }))
}
