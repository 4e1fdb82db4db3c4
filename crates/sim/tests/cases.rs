//! The engine-conformance cases, where the corpus is there: all hold, but for those that cannot be run.

use sim::cases::{Verdict, run_case};
use std::path::Path;
use stdx::Value;

#[test]
fn engine_conformance_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/engine-conformance/cases.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: corpus absent");
        return;
    };
    let (mut passed, mut skipped, mut failed) = (0, 0, vec![]);
    for line in text.lines() {
        let case = stdx::json::parse(line).unwrap();
        let id = case.get("id").and_then(Value::as_str).unwrap_or("");
        match run_case(&case) {
            Verdict::Passed => passed += 1,
            Verdict::Skipped(_) => skipped += 1,
            Verdict::Failed(wrong) => failed.push(format!("{id}:\n    {}", wrong.join("\n    "))),
        }
    }
    println!("{passed} passed, {} failed, {skipped} skipped", failed.len());
    assert!(failed.is_empty(), "{passed} passed, {} failed, {skipped} skipped\n{}", failed.len(), failed.join("\n"));
}
