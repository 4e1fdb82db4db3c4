//! Corpora of others, run against us: one file per suite, one line in the table.
//!
//! Invariants: a case listed with its reason in `xtask/exceptions/<suite>.jsonl` (`{"id", "reason"}`) counts as skipped; nothing of a corpus
//! is copied; an absent corpus is said, not failed.
//! Not here: our own unit tests.

mod engine;
mod eql;
mod kql;
mod liquid;
mod workflows_load;
mod workflows_run;

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a suite gave.
#[derive(Debug, Default)]
pub struct Tally {
    /// Cases that hold.
    pub passed: usize,
    /// Cases that do not.
    pub failed: usize,
    /// Cases that were not run, or are listed as exceptions.
    pub skipped: usize,
    /// One line per failing case.
    pub failures: Vec<String>,
    /// Lines printed before the tally (tables, figures).
    pub notes: Vec<String>,
    /// Most failures with which the suite's own bar still holds.
    pub failures_allowed: usize,
}

/// Runs a suite over a file or folder.
type Run = fn(&Path) -> anyhow::Result<Tally>;

/// Suites: name, where `all` finds it below the corpus folder, runner.
const SUITES: &[(&str, &str, Run)] = &[
    ("engine", "engine-conformance", engine::run),
    ("eql", "", eql::run),
    ("kql", "", kql::run),
    ("liquid", "liquid", liquid::run),
    ("workflows-load", "workflows", workflows_load::run),
    ("workflows-run", "workflows", workflows_run::run),
];

/// Runs one suite, or all; true when its bar holds.
pub fn run(suite: &str, path: &Path) -> anyhow::Result<bool> {
    if !path.exists() {
        println!("skipped: corpus absent ({})", path.display());
        println!("0 passed, 0 failed, 1 skipped");
        return Ok(true);
    }
    if suite == "all" {
        let mut good = true;
        for (name, below, run) in SUITES {
            println!("== {name}");
            good &= report(&run(&path.join(below)).with_context(|| (*name).to_owned())?);
        }
        return Ok(good);
    }
    let Some((_, _, run)) = SUITES.iter().find(|(name, _, _)| *name == suite) else {
        let names: Vec<_> = SUITES.iter().map(|(name, _, _)| *name).collect();
        bail!("there is no suite `{suite}`; there are {}", names.join(", "));
    };
    Ok(report(&run(path)?))
}

fn report(tally: &Tally) -> bool {
    for line in tally.notes.iter().chain(&tally.failures) {
        println!("{line}");
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    tally.failed <= tally.failures_allowed
}

/// The exceptions of a suite: id to reason.
pub fn exceptions(suite: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("exceptions").join(format!("{suite}.jsonl"));
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read_to_string(&path)?;
    let mut out = BTreeMap::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let row: serde_json::Value =
            serde_json::from_str(line).with_context(|| format!("{}:{}", path.display(), n + 1))?;
        let get = |key: &str| row.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        let (Some(id), Some(reason)) = (get("id"), get("reason")) else {
            bail!("{}:{}: `id` and `reason` are needed", path.display(), n + 1);
        };
        out.insert(id, reason);
    }
    Ok(out)
}

/// The files below `path` (or `path` itself) whose name, without `.gz`, ends with `ending`, sorted.
pub fn files(path: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut waiting = vec![path.to_path_buf()];
    while let Some(at) = waiting.pop() {
        if at.is_dir() {
            for entry in std::fs::read_dir(&at).with_context(|| at.display().to_string())? {
                waiting.push(entry?.path());
            }
            continue;
        }
        let name = at.to_string_lossy();
        if at == path || name.strip_suffix(".gz").unwrap_or(&name).ends_with(ending) {
            out.push(at);
        }
    }
    out.sort();
    Ok(out)
}

/// The text of a file, gunzipped when its name ends in `.gz`.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    if path.extension().is_some_and(|e| e == "gz") {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text)
            .with_context(|| path.display().to_string())?;
        return Ok(text);
    }
    String::from_utf8(bytes).with_context(|| path.display().to_string())
}
