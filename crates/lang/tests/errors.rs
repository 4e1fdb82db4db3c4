//! Every code that this crate reports has a page under `docs/errors/`, and every page of its prefixes a code.

use lang::kql::Ground;
use std::collections::BTreeSet;
use std::path::Path;

const PREFIXES: &[&str] = &["kql", "eql", "lucene", "dsl"];

fn is_code(word: &str) -> bool {
    PREFIXES.iter().any(|p| {
        word.strip_prefix(p).is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_uppercase()) && rest.chars().all(|c| c.is_ascii_alphanumeric())
        })
    })
}

/// Quoted words of the sources that have the form of a code.
fn codes(folder: &Path, out: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            out.extend(text.split('"').filter(|w| is_code(w)).map(str::to_owned));
        }
    }
}

/// What the example of a page gives.
fn report(page: &str) -> Vec<(&'static str, String)> {
    let (language, rest) = page.split_once("```").and_then(|(_, t)| t.split_once('\n')).unwrap();
    let example = rest.split_once("\n```").unwrap().0;
    let found = match language {
        "kql" | "kql-context" => {
            let (tree, mut found) = lang::kql::parse(example);
            let ground = if language == "kql" { Ground::Events(&lang::Ecs) } else { Ground::Context };
            found.extend(tree.iter().flat_map(|t| lang::kql::lint(t, ground)));
            found
        }
        "lucene" => lang::lucene::parse(example).1,
        "json" => lang::dsl::parse(&serde_json::from_str(example).unwrap()).expect_err("is wrong"),
        "eql" => {
            let (query, mut found) = lang::eql::parse(example);
            let compiled = query.map(|q| lang::eql::over_event(&q, &lang::eql::Options::default()));
            found.extend(compiled.and_then(Result::err).into_iter().flatten());
            found
        }
        other => panic!("unknown language `{other}`"),
    };
    found.into_iter().map(|d| (d.code, d.message)).collect()
}

#[test]
fn codes_and_pages_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut reported = BTreeSet::new();
    codes(&root.join("src"), &mut reported);
    let mut documented = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("../../docs/errors")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if is_code(&name) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(&format!("# {name}\n")), "{name}");
            for part in ["## Example", "## What to do"] {
                assert!(text.contains(part), "{name} lacks `{part}`");
            }
            if !name.ends_with("Limit") {
                let found = report(&text);
                assert!(found.iter().any(|(code, _)| *code == name), "{name}: its example gives {found:?}");
                let shown = text.split_once("\nMessage: ").and_then(|(_, t)| t.lines().next()).unwrap_or_default();
                assert!(found.iter().any(|(_, message)| shown.contains(message.as_str())), "{name}: {found:?}");
            }
            documented.insert(name);
        }
    }
    assert!(reported.len() > 10);
    assert_eq!(reported, documented);
}
