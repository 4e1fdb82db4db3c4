//! Golden runs of `workflow`, read as scripts: a workflow, its start, and what happens to it line by line.
//!
//! Invariants: every file of the folder is read; an unknown verb is an error, never skipped.
//! Not here: the journal that must come out (`workflow`'s own test), acting a line (`person`).

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use stdx::Value;

/// Verbs of a script's line.
const VERBS: &[&str] = &[
    "answer",
    "answer-bytes",
    "fail",
    "notsent",
    "refused",
    "unknown",
    "begin",
    "refuse",
    "retarget",
    "approve",
    "reject",
    "settle",
    "cancel",
    "wake",
    "wake-timer",
    "late-approve",
    "change",
    "sleep",
    "spurious",
    "input",
    "child-completes",
    "child-fails",
    "grant",
    "follow",
    "undo",
];

/// One line of a script: `verb step argument`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Verb.
    pub verb: String,
    /// First word behind the verb: a step, or the beginning of a text.
    pub step: String,
    /// What follows the step.
    pub arg: String,
    /// All that follows the verb.
    pub rest: String,
}

impl Line {
    /// True for lines that say how an attempt of `step` ended.
    pub fn ends_call_of(&self, step: &str) -> bool {
        self.step == step && self.ends_call()
    }
    /// True for lines that say how an attempt ended.
    pub fn ends_call(&self) -> bool {
        matches!(self.verb.as_str(), "answer" | "answer-bytes" | "fail" | "notsent" | "refused" | "unknown")
    }
}

/// A golden run.
#[derive(Clone, Debug)]
pub struct Golden {
    /// File name without extension.
    pub name: String,
    /// Workflow.
    pub yaml: String,
    /// Setup: `model`, `unbound`.
    pub setup: Value,
    /// `{inputs, event}`.
    pub start: Value,
    /// Script.
    pub lines: Vec<Line>,
}

/// Where the golden runs are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflow/testdata")
}

/// The first line of a golden run: what it shows, and in brackets the rows of the language reference that it covers (`§3.4/3`).
pub fn header(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// The body of the first fence whose info string is `name`.
pub fn block<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let fence = format!("```{name}\n");
    let rest = &text[text.find(&fence)? + fence.len()..];
    let end = if rest.starts_with("```") { 0 } else { rest.find("\n```")? + 1 };
    Some(&rest[..end])
}

fn line(text: &str) -> anyhow::Result<Line> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !VERBS.contains(&verb) {
        bail!("unknown verb `{verb}`");
    }
    let (step, arg) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(Line { verb: verb.into(), step: step.into(), arg: arg.trim().into(), rest: rest.into() })
}

/// Reads one golden run.
///
/// - errors: no workflow in it, broken JSON, an unknown verb.
pub fn parse(name: &str, text: &str) -> anyhow::Result<Golden> {
    let json = |block: Option<&str>| match block {
        Some(text) => stdx::json::parse(text).map_err(|e| anyhow::anyhow!("{name}: not JSON: {e}")),
        None => Ok(Value::object::<&str>([])),
    };
    let lines = block(text, "script")
        .unwrap_or_default()
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(line)
        .collect::<anyhow::Result<Vec<_>>>()
        .with_context(|| name.to_owned())?;
    Ok(Golden {
        name: name.into(),
        yaml: block(text, "yaml").with_context(|| format!("{name}: no workflow"))?.into(),
        setup: json(block(text, "setup"))?,
        start: json(block(text, "start"))?,
        lines,
    })
}

/// Reads all golden runs of a folder that one real core can play, by name.
///
/// - errors: the folder or a file cannot be read or understood.
pub fn read_all(folder: &Path) -> anyhow::Result<Vec<Golden>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "md") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let golden = parse(&name, &std::fs::read_to_string(&path)?)?;
            // Children and other runs of a group are played by the script: there is one run in a world.
            if golden.setup.get("alone").is_none() {
                found.push(golden);
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_and_an_unknown_verb_is_refused() {
        let text = "```yaml\nname: w\n```\n\n```script\n# why\nanswer a {\"x\":1}\nsleep 10m\n```\n";
        let golden = parse("g", text).unwrap();
        assert_eq!(golden.yaml, "name: w\n");
        assert_eq!(golden.lines.len(), 2);
        assert!(golden.lines[0].ends_call_of("a"));
        assert_eq!(golden.lines[0].arg, "{\"x\":1}");
        assert!(parse("g", &text.replace("sleep", "fly")).is_err());
    }
}
