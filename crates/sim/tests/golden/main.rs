//! Golden literate runs: prose, a workflow, a script of what happens to it, and the journal that must come out.
//!
//! Invariants: every file of `testdata/` is run; `UPDATE_EXPECT=1` rewrites the journals; each run is repeated with the state thrown away
//! and folded again from serialised facts after every turn, and must give the same journal (INV-06).

mod world;

use std::fmt::Write as _;
use std::path::PathBuf;
use world::World;

/// Runs that must at least be there.
const RUNS_MIN: usize = 25;

struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    fn block(&self, name: &str) -> Option<&str> {
        sim::golden::block(&self.text, name)
    }

    fn with_block(&self, name: &str, body: &str) -> String {
        let fence = format!("```{name}\n");
        match self.block(name) {
            Some(old) => {
                let at = old.as_ptr() as usize - self.text.as_ptr() as usize;
                format!("{}{body}{}", &self.text[..at], &self.text[at + old.len()..])
            }
            None => format!("{}\n\n{fence}{body}```\n", self.text.trim_end()),
        }
    }
}

fn documents() -> Vec<Document> {
    let folder = sim::golden::folder();
    let mut found: Vec<Document> = std::fs::read_dir(&folder)
        .expect("testdata is there")
        .map(|e| e.expect("readable").path())
        .filter(|p| {
            assert_eq!(p.extension().and_then(|e| e.to_str()), Some("md"), "nobody opens {}", p.display());
            true
        })
        .map(|path| Document { text: std::fs::read_to_string(&path).expect("readable"), path })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn run(doc: &Document, refold: bool) -> String {
    let name = doc.path.file_name().unwrap().to_string_lossy().into_owned();
    let yaml = doc.block("yaml").unwrap_or_else(|| panic!("{name}: no ```yaml block"));
    let setup = doc.block("setup").unwrap_or("{}");
    let start = doc.block("start").unwrap_or("{}");
    let script = doc.block("script").unwrap_or("");
    let mut world = World::new(&name, yaml, setup, start, refold);
    world.run(script);
    let steps = world.all_steps();
    format!("{}--\n{steps}", world.log)
}

#[test]
fn golden_runs() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let documents = documents();
    let mut wrong = String::new();
    for doc in &documents {
        let name = doc.path.file_name().unwrap().to_string_lossy().into_owned();
        let journal = run(doc, false);
        let again = run(doc, true);
        assert_eq!(journal, again, "{name}: folding from the serialised journal after each turn changes the run");
        if update {
            std::fs::write(&doc.path, doc.with_block("journal", &journal)).expect("writable");
        } else if doc.block("journal") != Some(&journal) {
            let _ = writeln!(wrong, "== {name}\n{journal}");
        }
    }
    assert!(wrong.is_empty(), "journals differ (UPDATE_EXPECT=1 rewrites them):\n{wrong}");
    assert!(documents.len() >= RUNS_MIN, "only {} golden runs", documents.len());
}

#[test]
fn every_step_type_has_a_golden_run() {
    let all: String = documents().iter().filter_map(|d| d.block("yaml").map(str::to_owned)).collect();
    let missing: Vec<&str> = workflow::steps::TABLE
        .iter()
        .map(|t| t.meta().name)
        .chain(workflow::steps::FLOW.iter().map(|f| f.0))
        .filter(|name| {
            let wanted = format!("type: {name}");
            !all.match_indices(&wanted)
                .any(|(i, _)| !all[i + wanted.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '.'))
        })
        .collect();
    assert!(missing.is_empty(), "no golden run for {missing:?}");
}
