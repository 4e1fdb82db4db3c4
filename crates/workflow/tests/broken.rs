//! A corpus of broken documents of our own: each must give exactly the findings of its header, at their places; what can be put right
//! without asking must give the text beside it, with comments and order kept.
//!
//! A header line is `# expect CODE LINE:COLUMN`; the code ends in `?` for a warning and in `!` for a hint. `NAME.fixed.yaml` is what
//! `watchfire workflow fix` makes of `NAME.yaml`; set `UPDATE_FIXED=1` to write those files anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stdx::LineIndex;
use stdx::diagnostic::Severity;
use workflow::{Catalogue, Program};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn documents() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| !f.to_string_lossy().ends_with(".fixed.yaml"));
    files.sort();
    files
}

fn findings(text: &str) -> BTreeSet<String> {
    let (_, found) = Program::load(text, &Catalogue::default());
    let lines = LineIndex::new(text);
    let show = |d: &stdx::Diagnostic| {
        let at = lines.position(text, d.span.start);
        let mark = match d.severity {
            Severity::Error => "",
            Severity::Warning => "?",
            Severity::Info => "!",
        };
        format!("{}{mark} {}:{}", d.code, at.line, at.column)
    };
    // A connector that only a server knows is no mistake here.
    found.iter().filter(|d| d.code != "connectorNotFound").map(show).collect()
}

#[test]
fn every_broken_document_gives_its_findings_and_nothing_else() {
    let mut wrong = vec![];
    let files = documents();
    assert!(files.len() >= 60, "{} documents", files.len());
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let expected: BTreeSet<String> =
            text.lines().filter_map(|l| l.strip_prefix("# expect ")).map(|l| l.trim().to_owned()).collect();
        assert!(!expected.is_empty(), "{}: no `# expect` line", file.display());
        let found = findings(&text);
        if found != expected {
            wrong.push(format!("{}\n   wanted {expected:?}\n   found  {found:?}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

#[test]
fn every_code_has_a_page_and_a_hint_or_says_all() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let mut missing = BTreeSet::new();
    for file in documents() {
        let text = std::fs::read_to_string(&file).unwrap();
        for d in Program::load(&text, &Catalogue::default()).1 {
            if !pages.join(format!("{}.md", d.code)).exists() {
                missing.insert(d.code);
            }
            let head = d.message.chars().next().unwrap_or(' ');
            assert!(!d.message.ends_with('.') && !head.is_whitespace(), "{}: {}", d.code, d.message);
        }
    }
    assert!(missing.is_empty(), "no page under docs/errors: {missing:?}");
}

#[test]
fn what_is_safe_is_put_right_and_the_rest_of_the_text_stays() {
    let update = std::env::var_os("UPDATE_FIXED").is_some();
    let mut fixed_documents = 0;
    for file in documents() {
        let text = std::fs::read_to_string(&file).unwrap();
        let fixed = workflow::fix::fix(&text, &Catalogue::default());
        let beside = file.with_extension("fixed.yaml");
        if update {
            if fixed.applied.is_empty() {
                let _ = std::fs::remove_file(&beside);
            } else {
                std::fs::write(&beside, &fixed.text).unwrap();
            }
        }
        if !beside.exists() {
            assert_eq!(fixed.text, text, "{}: {:?}", file.display(), fixed.applied);
            continue;
        }
        fixed_documents += 1;
        assert_eq!(fixed.text, std::fs::read_to_string(&beside).unwrap(), "{}", file.display());
        let comments =
            |t: &str| t.matches(" # ").count() + t.lines().filter(|l| l.trim_start().starts_with("# ")).count();
        assert_eq!(comments(&fixed.text), comments(&text), "{}: a comment was lost", file.display());
        let again = workflow::fix::fix(&fixed.text, &Catalogue::default());
        assert!(again.applied.is_empty(), "{}: {:?}", file.display(), again.applied);
        let count = |t: &str| findings(t).iter().filter(|f| !f.contains('!')).count();
        let (before, after) = (count(&text), count(&fixed.text));
        assert!(after < before, "{}: {before} findings before, {after} after", file.display());
    }
    assert!(fixed_documents >= 20, "{fixed_documents} documents with a fix");
}
