//! Lines of a byte stream, each at most `RECORD_BYTES_MAX` long.
//!
//! Invariants: line ends, a byte order mark and blank lines never reach a decoder; a line that is too long is skipped, not held.

use super::{Error, Input, RECORD_BYTES_MAX, Record};
use bytes::Bytes;
use std::io::{BufRead, BufReader};

/// Iterates over lines and applies a decoder to each.
pub(super) struct Lines<F> {
    input: BufReader<Input>,
    number: u64,
    ended: bool,
    decode: F,
}

impl<F: FnMut(Vec<u8>) -> Result<Option<Bytes>, Error>> Lines<F> {
    /// `decode` gives `None` for a line that holds no event (a header).
    pub(super) fn new(input: Input, decode: F) -> Self {
        Self { input: BufReader::with_capacity(256 << 10, input), number: 0, ended: false, decode }
    }

    /// The next line without its end; `None` at the end of the input.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let (mut line, mut long, mut any) = (Vec::new(), false, false);
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.ended = true;
                    return Err(Error::Read(e));
                }
            };
            if chunk.is_empty() {
                self.ended = true;
                break;
            }
            any = true;
            let (end, used) = match memchr::memchr(b'\n', chunk) {
                Some(at) => (at, at + 1),
                None => (chunk.len(), chunk.len()),
            };
            if line.len() + end > RECORD_BYTES_MAX {
                long = true;
                line = Vec::new();
            } else if !long {
                line.extend_from_slice(&chunk[..end]);
            }
            self.input.consume(used);
            if end < used {
                break;
            }
        }
        if long {
            return Err(Error::TooLong);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(any.then_some(line))
    }
}

impl<F: FnMut(Vec<u8>) -> Result<Option<Bytes>, Error>> Iterator for Lines<F> {
    type Item = Record;
    fn next(&mut self) -> Option<Record> {
        while !self.ended {
            self.number += 1;
            let number = self.number;
            let mut line = match self.line() {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(e) => return Some(Record { number, result: Err(e) }),
            };
            if number == 1 && line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match (self.decode)(line) {
                Ok(None) => {}
                Ok(Some(bytes)) => return Some(Record { number, result: Ok(bytes) }),
                Err(e) => return Some(Record { number, result: Err(e) }),
            }
        }
        None
    }
}

/// The line as text.
pub(super) fn text(line: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(line)
        .map_err(|e| Error::Malformed(format!("invalid UTF-8 after byte {}", e.utf8_error().valid_up_to())))
}
