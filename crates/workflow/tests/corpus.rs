//! Documents of others must load: every public workflow, and the texts of the engine-conformance cases.

use std::path::{Path, PathBuf};
use workflow::{Catalogue, Program};

fn corpus(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus").join(below);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: corpus absent");
    None
}

fn yaml_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            out.push(path);
        }
    }
}

#[test]
fn every_public_workflow_loads() {
    let Some(folder) = corpus("workflows") else { return };
    let mut files = vec![];
    yaml_files(&folder, &mut files);
    files.sort();
    let mut wrong = vec![];
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let (program, found) = Program::load(&text, &Catalogue::default());
        let Some(program) = program else {
            wrong.push(format!("{}: no program: {found:?}", file.display()));
            continue;
        };
        for d in found.iter().filter(|d| d.is_error() && d.code != "unsupportedStepType") {
            let at = program.lines().position(&text, d.span.start);
            wrong.push(format!("{}:{}:{} {} {}", file.display(), at.line, at.column, d.code, d.message));
        }
        let graph = program.graph();
        assert_eq!(graph.nodes.len(), program.steps.len() + program.triggers.len());
        for edge in &graph.edges {
            assert!(
                graph.nodes.iter().any(|n| n.id == edge.from) && graph.nodes.iter().any(|n| n.id == edge.to),
                "{edge:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "{} of {} files:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    println!("{} documents loaded", files.len());
}

#[test]
fn no_conformance_case_hangs_or_panics() {
    let Some(folder) = corpus("engine-conformance") else { return };
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let mut loaded = 0;
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let case = stdx::json::parse(line).unwrap();
        if let Some(yaml) = case.get("workflow").and_then(stdx::Value::as_str) {
            loaded += usize::from(Program::load(yaml, &Catalogue::default()).0.is_some());
        }
    }
    assert!(loaded > 0);
}
