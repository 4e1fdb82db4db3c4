//! JSON lines: each line is an event as it stands.
//!
//! Invariants: bytes pass unchanged; whether they are a JSON object is checked by `Event::check`, once.

use super::lines::Lines;
use super::{Decoder, Input, Records};

pub(super) const JSON: Decoder = Decoder { name: "json", extensions: &["jsonl", "ndjson", "json"], open };

fn open(input: Input) -> Records {
    Box::new(Lines::new(input, |line| Ok(Some(line.into()))))
}
