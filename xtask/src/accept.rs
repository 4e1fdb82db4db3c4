//! `accept`: runs an issue's acceptance lines and prints the table for its closing note.
//!
//! Invariants: each line is a command that anybody can run; its verdict is the command's exit code; the figure shown is what the command printed.
//! Not here: the checks themselves.

use anyhow::bail;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

/// One line of an issue: what it says, how it is checked, which printed lines are its figure.
struct Line {
    name: &'static str,
    command: &'static str,
    figure: &'static [&'static str],
}

const MAIN_JOB: &[Line] = &[
    Line {
        name: "demo on a bare clone prints a case id",
        command: "make demo DEMO_ARGS='--yes --exit --listen 127.0.0.1:0 --es-listen 127.0.0.1:0'",
        figure: &["case "],
    },
    Line { name: "unit and integration tests", command: "make unit", figure: &["test result:"] },
    Line {
        name: "bad day: malformed bulk lines",
        command: "cargo test -q -p watchfire --test it bad_input::malformed_bulk_lines_fail_alone -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a YAML bomb",
        command: "cargo test -q -p watchfire --test it bad_input::a_yaml_bomb_is_refused_with_its_reason -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a template that loops",
        command: "cargo test -q -p watchfire --test it bad_input::a_template_that_loops_ends_the_step_with_a_code -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a 200 MB body",
        command: "cargo test -q -p watchfire --test it bad_input::a_200_mb_body_is_413 -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a rule with a broken query",
        command: "cargo test -q -p watchfire --test it bad_input::a_rule_with_a_broken_query_is_refused_with_its_place -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a lying Content-Length",
        command: "cargo test -q -p watchfire --test it bad_input::a_lying_content_length_ends_the_connection -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: invalid UTF-8",
        command: "cargo test -q -p watchfire --test it bad_input::invalid_utf8_is_named_and_in_bulk_fails_alone -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a full disk",
        command: "cargo test -q -p watchfire --test it bad_input::a_full_disk_refuses_intake_and_goes_on_with_room -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a database from a newer version",
        command: "cargo test -q -p watchfire --test it bad_input::a_database_from_a_newer_version_is_refused_and_left_alone -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: a model that answers nonsense",
        command: "cargo test -q -p watchfire --test it bad_days::a_model_that_answers_nonsense_fails_the_step_and_the_run_goes_on -- --exact --nocapture",
        figure: &["lost", "skipped"],
    },
    Line {
        name: "bad day: Slack is down for five minutes",
        command: "WATCHFIRE_TEST_CHAT_DOWN_S=300 cargo test -q -p watchfire --test it bad_days::a_chat_that_is_down_gets_its_message_once_when_it_is_back -- --exact --nocapture",
        figure: &["lost"],
    },
    Line { name: "official clients and curl", command: "make clients", figure: &["ok "] },
    Line { name: "browser tests, axe", command: "make browser", figure: &["# pass", "# fail"] },
    Line { name: "liquid", command: "cargo xtask conformance liquid ../shared/corpus/liquid", figure: &["passed,"] },
    Line {
        name: "kql",
        command: "cargo xtask conformance kql ../shared/corpus",
        figure: &["parse", "match", "passed,"],
    },
    Line {
        name: "workflows-load",
        command: "cargo xtask conformance workflows-load ../shared/corpus/workflows",
        figure: &["passed,"],
    },
    Line {
        name: "detect over the real events",
        command: "cargo xtask real-events ../shared/corpus",
        figure: &["read", "fired"],
    },
    Line {
        name: "crash loop in sim over every golden run",
        command: "cargo xtask simulate",
        figure: &["points", "INV-"],
    },
    Line {
        name: "200 kills",
        command: "cargo xtask crash --kills 200 --seed 1",
        figure: &["accepted", "asked", "lost", "doubled", "audit verify", "  "],
    },
    Line { name: "planted bugs", command: "cargo xtask crash --planted", figure: &["planted"] },
    Line { name: "bench start", command: "cargo xtask bench start", figure: &["start:"] },
    Line { name: "bench workflow", command: "cargo xtask bench workflow", figure: &["workflow:"] },
    Line { name: "bench latency", command: "cargo xtask bench latency", figure: &["latency:"] },
    Line { name: "check", command: "make check", figure: &["tidy:"] },
];

const LANGUAGE: &[Line] = &[
    Line {
        name: "every public document runs against stubs",
        command: "cargo xtask conformance workflows-run ../shared/corpus/workflows",
        figure: &["documents:", "passed,"],
    },
    Line {
        name: "the real engine's own cases",
        command: "cargo xtask conformance engine ../shared/corpus/engine-conformance",
        figure: &["skipped "],
    },
    Line {
        name: "rows of the language reference",
        command: "cargo xtask rows ../shared/reference/workflow-language.md",
        figure: &["rows:"],
    },
    Line {
        name: "golden runs and the engine's cases as tests",
        command: "cargo test -q -p sim",
        figure: &["test result:"],
    },
    Line {
        name: "150 mutants of decide and evolve",
        command: "cargo xtask mutants --n 150 --seed 1",
        figure: &["killed"],
    },
    Line {
        name: "broken documents, each with code and span",
        command: "cargo test -q -p workflow --test broken -- --nocapture",
        figure: &["documents", "test result:"],
    },
    Line {
        name: "crash loop in sim over every golden run",
        command: "cargo xtask simulate",
        figure: &["golden runs,"],
    },
    Line {
        name: "2,000 seeded worlds, planted bugs",
        command: "cargo xtask worlds --n 2000 --seed 1",
        figure: &["worlds:", "planted"],
    },
    Line { name: "halt", command: "cargo test -q -p engine halt -- --nocapture", figure: &["halt", "test result:"] },
    Line { name: "fuzz, 10 CPU-minutes each", command: "cargo xtask fuzz --seconds 600", figure: &["/s", "found"] },
    Line {
        name: "dry run sends nothing, workflow test",
        command: "cargo run -q -p watchfire -- workflow test content/workflows",
        figure: &["passed", "cases"],
    },
    Line { name: "in Chromium, against the real server", command: "make browser", figure: &["# pass", "# fail"] },
    Line { name: "bench workflow", command: "cargo xtask bench workflow --strict", figure: &["workflow:"] },
    Line { name: "bench waiting", command: "cargo xtask bench waiting", figure: &["waiting:"] },
    Line { name: "bench child", command: "cargo xtask bench child", figure: &["child:"] },
];

/// Issues by name.
const ISSUES: &[(&str, &[Line])] = &[("main-job", MAIN_JOB), ("language", LANGUAGE)];

/// Runs the lines of an issue, or the one that is named; true when all hold.
pub fn run(name: &str, only: Option<&str>) -> anyhow::Result<bool> {
    let Some((_, lines)) = ISSUES.iter().find(|(n, _)| *n == name) else {
        let names: Vec<_> = ISSUES.iter().map(|(n, _)| *n).collect();
        bail!("there is no issue `{name}`; there are {}", names.join(", "));
    };
    let mut rows = Vec::new();
    for line in lines.iter().filter(|l| only.is_none_or(|o| l.name.contains(o))) {
        println!("\n=== {}\n$ {}", line.name, line.command);
        std::io::stdout().flush()?;
        let begun = Instant::now();
        let out = Command::new("bash").args(["-c", line.command]).stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        print!("{text}");
        let shown = |l: &&str| line.figure.iter().any(|f| l.contains(f));
        let figure: Vec<&str> = text.lines().filter(shown).collect();
        let figure = figure[figure.len().saturating_sub(3)..].join("; ");
        rows.push((line, out.status.success(), figure, begun.elapsed().as_secs()));
    }
    println!("\n| line | command | holds | figure | s |\n|---|---|---|---|---|");
    for (line, good, figure, seconds) in &rows {
        let figure = stdx::bounded::truncate(figure.trim(), 300).replace('|', "/");
        println!(
            "| {} | `{}` | {} | {figure} | {seconds} |",
            line.name,
            line.command,
            if *good { "yes" } else { "NO" }
        );
    }
    Ok(!rows.is_empty() && rows.iter().all(|r| r.1))
}
