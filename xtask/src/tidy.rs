//! `tidy`: what the compiler does not check about how the repository looks.
//!
//! Invariants: arrows between crates are those of the table; every source file has a header; no file outgrows its room.
//! Source: `docs/architecture.md`, layers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arrows that are allowed: crate, and what it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("stdx", &[]),
    ("event", &["stdx"]),
    ("liquid", &["stdx"]),
    ("lang", &["event", "stdx"]),
    ("rule", &["lang", "event", "stdx"]),
    ("triage", &["event", "stdx"]),
    ("workflow", &["lang", "liquid", "event", "triage", "stdx"]),
    ("connector", &["liquid", "stdx"]),
    ("index", &["lang", "event", "stdx"]),
    ("store", &["triage", "workflow", "rule", "event", "stdx"]),
    ("engine", &["store", "index", "connector", "workflow", "triage", "rule", "lang", "liquid", "event", "stdx"]),
    (
        "api",
        &["engine", "store", "index", "connector", "workflow", "triage", "rule", "lang", "liquid", "event", "stdx"],
    ),
    (
        "watchfire",
        &[
            "api",
            "engine",
            "store",
            "index",
            "connector",
            "workflow",
            "triage",
            "rule",
            "lang",
            "liquid",
            "event",
            "stdx",
        ],
    ),
    ("sim", &["engine", "store", "index", "connector", "workflow", "triage", "rule", "event", "stdx"]),
];
/// Crates that may not name clocks, files, the environment or tokio.
const PURE: &[&str] = &["stdx", "event", "liquid", "lang", "rule", "triage", "workflow", "connector"];
/// What a pure crate may not say.
const IMPURE: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "std::fs::",
    "std::env::var",
    "tokio::",
    "getrandom::",
    "rand::",
    "std::net::Tcp",
    "std::process::",
];
/// Lines of a source file at most, tests not counted.
const LINES_MAX: usize = 1_000;
/// Lines from which a file is named.
const LINES_WARN: usize = 600;
/// Flat catalogues that may be longer, with the reason.
const LONG: &[(&str, &str)] =
    &[("crates/workflow/src/program/load.rs", "one function per key of the document, in the order of the reference")];

/// Runs all checks; true when nothing is wrong.
pub fn run() -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let mut wrong = Vec::new();
    arrows(&root, &mut wrong)?;
    let mut files = Vec::new();
    for top in ["crates", "xtask", "fuzz", "ui/src", "bench"] {
        collect(&root.join(top), &mut files)?;
    }
    for file in &files {
        let name = file.strip_prefix(&root)?.display().to_string();
        let text = std::fs::read_to_string(file)?;
        if name.ends_with(".rs") {
            source(&name, &text, &mut wrong);
        }
    }
    for line in &wrong {
        println!("{line}");
    }
    println!("tidy: {} files, {} findings", files.len(), wrong.len());
    Ok(wrong.is_empty())
}

/// Compares the manifests with the table.
fn arrows(root: &Path, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let dir = entry?.path();
        let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let Some(may) = allowed.get(name.as_str()) else {
            wrong.push(format!("crates/{name}: not in the table of layers"));
            continue;
        };
        let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(dir.join("Cargo.toml"))?)?;
        let uses = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(|t| t.keys());
        for other in uses.filter(|k| allowed.contains_key(k.as_str())) {
            if !may.contains(&other.as_str()) {
                wrong.push(format!("crates/{name}/Cargo.toml: `{name}` may not use `{other}`"));
            }
        }
    }
    Ok(())
}

fn source(name: &str, text: &str, wrong: &mut Vec<String>) {
    if !text.starts_with("//!") {
        wrong.push(format!("{name}:1: no module header (`//!`)"));
    }
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = code.lines().count();
    let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
    if lines > LINES_MAX && !is_test && !LONG.iter().any(|(n, _)| *n == name) {
        wrong.push(format!("{name}: {lines} lines, at most {LINES_MAX}"));
    } else if lines > LINES_WARN && !is_test {
        println!("note: {name} has {lines} lines");
    }
    let pure = PURE.iter().any(|c| name.starts_with(&format!("crates/{c}/src/")));
    for (n, line) in code.lines().enumerate() {
        let bare = line.trim_start();
        if pure && !is_test && !bare.starts_with("//") {
            for word in IMPURE.iter().filter(|w| names(bare, w)) {
                wrong.push(format!("{name}:{}: `{word}` in a pure crate", n + 1));
            }
        }
        for mark in ["todo!(", "unimplemented!(", "#[ignore]", "dbg!("] {
            if bare.contains(mark) && !name.starts_with("xtask/src/tidy") {
                wrong.push(format!("{name}:{}: `{mark}`", n + 1));
            }
        }
    }
}

/// True where `word` stands on its own, not as the end of a longer name.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn collect(dir: &Path, out: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name, "target" | "node_modules" | "dist") {
                collect(&path, out)?;
            }
        } else if name.ends_with(".rs") {
            out.push(path);
        }
    }
    out.sort();
    Ok(())
}
