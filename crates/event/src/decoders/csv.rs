//! CSV with a header line: each row an object of texts, empty cells left out.
//!
//! Invariants: quoted cells may hold commas, doubled quotes and line ends; a row with more cells than the header is an error for that row.
//! Source: RFC 4180.

use super::lines::{Lines, text};
use super::{Decoder, Error, Input, RECORD_BYTES_MAX, Record, Records, object};
use serde_json::Value;

pub(super) const CSV: Decoder = Decoder { name: "csv", extensions: &["csv"], open };

fn open(input: Input) -> Records {
    Box::new(Rows { lines: Box::new(Lines::new(input, |line| Ok(Some(line.into())))), header: None })
}

struct Rows {
    lines: Records,
    header: Option<Vec<String>>,
}

impl Rows {
    /// The next row, which may span lines.
    fn row(&mut self) -> Option<(u64, Result<Vec<String>, Error>)> {
        let first = self.lines.next()?;
        let number = first.number;
        let mut whole = match first.result.and_then(|b| text(b.to_vec())) {
            Ok(line) => line,
            Err(e) => return Some((number, Err(e))),
        };
        while whole.matches('"').count() % 2 == 1 {
            let malformed = |what: &str| Some((number, Err(Error::Malformed(what.into()))));
            match self.lines.next().map(|r| r.result.and_then(|b| text(b.to_vec()))) {
                None => return malformed("a quoted cell is not closed"),
                Some(Err(e)) => return Some((number, Err(e))),
                Some(Ok(more)) if whole.len() + more.len() > RECORD_BYTES_MAX => {
                    let _ = more;
                    return Some((number, Err(Error::TooLong)));
                }
                Some(Ok(more)) => {
                    whole.push('\n');
                    whole.push_str(&more);
                }
            }
        }
        Some((number, Ok(cells(&whole))))
    }
}

fn cells(row: &str) -> Vec<String> {
    let (mut out, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    out.push(cell);
    out
}

impl Iterator for Rows {
    type Item = Record;
    fn next(&mut self) -> Option<Record> {
        loop {
            let (number, row) = self.row()?;
            let row = match row {
                Ok(row) => row,
                Err(e) => return Some(Record { number, result: Err(e) }),
            };
            let Some(header) = &self.header else {
                self.header = Some(row);
                continue;
            };
            let result = if row.len() > header.len() {
                Err(Error::Malformed(format!("{} cells, the header has {}", row.len(), header.len())))
            } else {
                let pairs = header.iter().cloned().zip(row).filter(|(_, v)| !v.is_empty());
                Ok(object(pairs.map(|(k, v)| (k, Value::String(v)))))
            };
            return Some(Record { number, result });
        }
    }
}
