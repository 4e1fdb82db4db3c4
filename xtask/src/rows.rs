//! Which rows of the language reference a golden run shows: the header of a run names them (`Rows: §3.4/3 B/6`).
//!
//! Invariants: a row is a data row of a table, counted from 1 through its section; a name that no row has is a mistake; what no run can
//! show is listed with its reason in `xtask/exceptions/rows.jsonl`.
//! Not here: whether the run is right (`sim`'s golden test).

use crate::conformance::exceptions;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where the reference is when the corpus is beside the repository.
const REFERENCE: &str = "../../shared/reference/workflow-language.md";
/// Characters of a row that are printed.
const SHOWN: usize = 110;

/// Prints the uncovered rows; true when there are none.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<bool> {
    let reference = match path {
        Some(path) => path.to_path_buf(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(REFERENCE),
    };
    if !reference.exists() {
        println!("skipped: reference absent ({})", reference.display());
        return Ok(true);
    }
    let rows = rows(&std::fs::read_to_string(&reference).context("the reference")?);
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(sim::golden::folder()).context("the golden runs")? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let head = text.split("```").next().unwrap_or_default();
        for row in head.lines().filter_map(|l| l.strip_prefix("Rows: ")).flat_map(str::split_whitespace) {
            shown.entry(row.to_owned()).or_default().push(name.clone());
        }
    }
    let listed = exceptions("rows")?;
    let names: BTreeSet<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    let wrong: Vec<&String> = shown.keys().chain(listed.keys()).filter(|n| !names.contains(n.as_str())).collect();
    for name in &wrong {
        println!("no row is called {name}");
    }
    let open = |name: &String| !shown.contains_key(name) && !listed.contains_key(name);
    let uncovered: Vec<_> = rows.iter().filter(|(name, _)| open(name)).collect();
    for (name, text) in &uncovered {
        println!("{name} {}", stdx::bounded::truncate(text, SHOWN));
    }
    let by_run = rows.iter().filter(|(name, _)| shown.contains_key(name)).count();
    println!(
        "{} rows: {by_run} by golden runs, {} by exceptions with a reason, {} uncovered",
        rows.len(),
        rows.iter().filter(|(name, _)| !shown.contains_key(name) && listed.contains_key(name)).count(),
        uncovered.len()
    );
    Ok(uncovered.is_empty() && wrong.is_empty())
}

/// Rows of §3, §4, §7, Appendices B and D: name and text.
fn rows(text: &str) -> Vec<(String, String)> {
    let mut out = vec![];
    let (mut section, mut n, mut in_table) = (String::new(), 0, false);
    for line in text.lines() {
        if line.starts_with("## ") || line.starts_with("### ") {
            let word = line.trim_start_matches('#').trim_start().trim_start_matches("Appendix ");
            section = word.split_whitespace().next().unwrap_or("").trim_end_matches('.').to_owned();
            (n, in_table) = (0, false);
        } else if !line.starts_with('|') {
            in_table = false;
        } else if line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
        } else if in_table {
            n += 1;
            let chapter = section.split('.').next().unwrap_or("");
            match chapter {
                "3" | "4" | "7" => out.push((format!("§{section}/{n}"), line.to_owned())),
                "B" | "D" => out.push((format!("{section}/{n}"), line.to_owned())),
                _ => {}
            }
        } else {
            in_table = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_are_counted_through_a_section() {
        let text = "### 3.4 `on`\n| a | b |\n|---|---|\n| 1 | x |\n\n| c |\n|---|\n| 2 |\n## Appendix B. C\n| t |\n|---|\n| r |\n## 5. N\n| t |\n|---|\n| r |\n";
        let names: Vec<_> = super::rows(text).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["§3.4/1", "§3.4/2", "B/1"]);
    }
}
