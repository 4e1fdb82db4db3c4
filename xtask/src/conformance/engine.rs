//! The engine-conformance cases of others: one workflow each, what it is given, what must come of it.
//!
//! Invariants: a case that is listed as an exception is not run; one that cannot be run here is skipped, and the reason is printed.
//! Not here: running a case (`sim::cases`).

use super::{Tally, exceptions, files, read_text};
use anyhow::Context as _;
use sim::cases::{Verdict, run_case};
use std::path::Path;
use stdx::Value;

pub(super) fn run(path: &Path) -> anyhow::Result<Tally> {
    let listed = exceptions("engine")?;
    let mut tally = Tally::default();
    for file in files(path, "cases.jsonl")? {
        let text = read_text(&file)?;
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let case = stdx::json::parse(line)
                .map_err(|e| anyhow::anyhow!("{e}"))
                .with_context(|| format!("{}:{}", file.display(), n + 1))?;
            let id = case.get("id").and_then(Value::as_str).unwrap_or("").to_owned();
            if let Some(reason) = listed.get(&id) {
                tally.skipped += 1;
                tally.notes.push(format!("skipped {id}: {reason}"));
                continue;
            }
            match run_case(&case) {
                Verdict::Passed => tally.passed += 1,
                Verdict::Skipped(reason) => {
                    tally.skipped += 1;
                    tally.notes.push(format!("skipped {id}: {reason}"));
                }
                Verdict::Failed(wrong) => {
                    tally.failed += 1;
                    tally.failures.push(format!("{id}: {}", wrong.join("; ")));
                }
            }
        }
    }
    Ok(tally)
}
