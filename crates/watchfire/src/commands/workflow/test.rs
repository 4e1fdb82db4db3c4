//! `watchfire workflow test`, `run --dry-run` and `record`: cases beside a workflow, run in memory; nothing is sent.
//!
//! Invariants: a run here is `workflow::trial`, which has no transport; a file without cases, or whose workflow does not load, fails.
//! Not here: how a case is judged (`workflow::trial::case`).
//! Source: `docs/reference/workflow-tests.md`.

use crate::Exit;
use crate::output;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use stdx::{LineIndex, Value};
use workflow::trial::case::{Case, Suite, Verdict, with_connectors};
use workflow::{Catalogue, Program};

/// Files of one command at most.
const FILES_MAX: usize = 2_000;

/// What became of one file of cases.
struct Outcome {
    file: PathBuf,
    /// Why no case could run.
    broken: Vec<String>,
    cases: Vec<(Verdict, usize, f64)>,
}

/// Runs the cases of files and folders.
pub fn run(paths: &[PathBuf], only: Option<&str>, junit: Option<&Path>, json: bool) -> anyhow::Result<Exit> {
    let mut files = vec![];
    for path in paths {
        collect(path, &mut files)?;
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        anyhow::bail!("no test files: name files that end in .test.yaml, or folders that hold some");
    }
    let catalogue = crate::server::offline_catalogue();
    let (mut passed, mut failed, mut outcomes) = (0usize, 0usize, vec![]);
    for file in files {
        let outcome = one(&file, only, &catalogue)?;
        for line in &outcome.broken {
            failed += 1;
            println!("FAIL {}: {line}", file.display());
        }
        for (verdict, line, seconds) in &outcome.cases {
            let good = verdict.failures.is_empty();
            passed += usize::from(good);
            failed += usize::from(!good);
            if json {
                println!(
                    "{}",
                    serde_json::json!({
                        "file": file, "line": line, "case": verdict.name, "passed": good, "failures": verdict.failures,
                        "path": verdict.path, "calls": verdict.calls, "cases": verdict.cases, "output": verdict.output,
                        "seconds": seconds,
                    })
                );
            } else {
                println!("{} {}:{line} {}", if good { "ok  " } else { "FAIL" }, file.display(), verdict.name);
                verdict.failures.iter().for_each(|f| println!("       {}", output::visible(f)));
            }
        }
        outcomes.push(outcome);
    }
    if let Some(path) = junit {
        std::fs::write(path, report(&outcomes)).map_err(|e| anyhow::anyhow!("`{}`: {e}", path.display()))?;
    }
    if !json {
        println!("{passed} passed, {failed} failed");
    }
    Ok(if failed == 0 && passed > 0 { Exit::Fine } else { Exit::Findings })
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let wrong = |e: std::io::Error| anyhow::anyhow!("`{}`: {e}", path.display());
    if !path.is_dir() {
        let name = path.to_string_lossy();
        // A workflow stands for the cases beside it.
        let beside = if name.ends_with(".test.yaml") { path.to_owned() } else { path.with_extension("test.yaml") };
        if !beside.is_file() {
            anyhow::bail!("`{}` is not there", beside.display());
        }
        files.push(beside);
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if files.len() >= FILES_MAX {
            anyhow::bail!("more than {FILES_MAX} test files");
        }
        if path.is_dir() || path.to_string_lossy().ends_with(".test.yaml") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

/// The cases of one file.
fn one(file: &Path, only: Option<&str>, catalogue: &Catalogue) -> anyhow::Result<Outcome> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("`{}`: {e}", path.display()));
    let text = read(file)?;
    let mut outcome = Outcome { file: file.to_owned(), broken: vec![], cases: vec![] };
    let (suite, found) = Suite::read(&text);
    let lines = LineIndex::new(&text);
    for d in found.iter().filter(|d| d.is_error()) {
        let at = lines.position(&text, d.span.start);
        let hint = d.hint.as_ref().map_or(String::new(), |h| format!(" ({h})"));
        outcome.broken.push(format!("{}:{}: {}{hint}", at.line, at.column, d.message));
    }
    let Some(suite) = suite.filter(|_| outcome.broken.is_empty()) else { return Ok(outcome) };
    let beside = file.to_string_lossy().replace(".test.yaml", ".yaml");
    let workflow = match &suite.workflow {
        Some(name) => file.with_file_name(&**name),
        None => PathBuf::from(beside),
    };
    let yaml = read(&workflow)?;
    let catalogue = with_connectors(&yaml, catalogue, &suite.connectors);
    let (program, found) = Program::load(&yaml, &catalogue);
    let lines = LineIndex::new(&yaml);
    for d in found.iter().filter(|d| d.is_error()) {
        let at = lines.position(&yaml, d.span.start);
        outcome.broken.push(format!("{}:{}:{}: {}: {}", workflow.display(), at.line, at.column, d.code, d.message));
    }
    let Some(program) = program.filter(|_| outcome.broken.is_empty()) else { return Ok(outcome) };
    for case in suite.cases.iter().filter(|c| only.is_none_or(|o| c.name.contains(o))) {
        let start = Instant::now();
        let verdict = case.run(&program, &catalogue);
        outcome.cases.push((verdict, case.line, start.elapsed().as_secs_f64()));
    }
    Ok(outcome)
}

/// JUnit XML as CI servers read it.
fn report(outcomes: &[Outcome]) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"watchfire workflow test\">\n");
    for o in outcomes {
        let name = xml(&o.file.display().to_string());
        let failed = o.broken.len() + o.cases.iter().filter(|(v, ..)| !v.failures.is_empty()).count();
        let tests = o.broken.len() + o.cases.len();
        let time: f64 = o.cases.iter().map(|(_, _, s)| s).sum();
        let _ =
            writeln!(out, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" time=\"{time:.3}\">");
        for line in &o.broken {
            let text = xml(line);
            let _ = writeln!(
                out,
                "    <testcase classname=\"{name}\" name=\"load\"><failure message=\"{text}\"/></testcase>"
            );
        }
        for (verdict, line, seconds) in &o.cases {
            let case = xml(&verdict.name);
            let head = format!(
                "    <testcase classname=\"{name}\" name=\"{case}\" file=\"{name}\" line=\"{line}\" time=\"{seconds:.3}\""
            );
            if verdict.failures.is_empty() {
                let _ = writeln!(out, "{head}/>");
            } else {
                let first = xml(&verdict.failures[0]);
                let all = xml(&verdict.failures.join("\n"));
                let _ = writeln!(out, "{head}><failure message=\"{first}\">{all}</failure></testcase>");
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() && c != '\t' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// Renders a whole run and sends nothing: calls are answered by samples of their schemas.
pub fn dry(
    yaml: &str,
    known: &Catalogue,
    inputs: Value,
    event: Value,
    approve: bool,
    json: bool,
) -> anyhow::Result<Exit> {
    let catalogue = with_connectors(yaml, known, &[]);
    let (program, found) = Program::load(yaml, &catalogue);
    let errors: Vec<String> =
        found.iter().filter(|d| d.is_error()).map(|d| format!("{}: {}", d.code, d.message)).collect();
    let Some(program) = program.filter(|_| errors.is_empty()) else {
        anyhow::bail!("the workflow does not load: {}", errors.join("; "));
    };
    let now = stdx::Time::from_ms(std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis() as i64));
    let mut case = Case::dry(inputs, event, now);
    if approve {
        case = case.approving();
    }
    let verdict = case.run(&program, &catalogue);
    if json {
        output::json(&Value::object([
            ("sent", Value::Int(0)),
            ("rest", Value::from(format!("{:?}", verdict.rest))),
            ("path", Value::array(verdict.path.iter().cloned().map(Value::from))),
            ("calls", Value::from(verdict.calls.clone())),
            ("cases", Value::from(verdict.cases.clone())),
            ("output", verdict.output.clone()),
            ("problems", Value::array(verdict.failures.iter().map(|f| Value::from(f.as_str())))),
        ]));
    } else {
        println!("dry run: {:?}, nothing was sent", verdict.rest);
        println!("path: {}", verdict.path.join(" → "));
        let row = |c: &Value| ["step", "operation", "class", "target", "params"].map(|k| output::text(c, k)).to_vec();
        output::table(&["step", "would call", "class", "where", "with"], verdict.calls.iter().map(row).collect());
        for case in &verdict.cases {
            println!("would open a case: {}", output::visible(output::text(case, "title")));
        }
        verdict.failures.iter().for_each(|f| println!("problem: {}", output::visible(f)));
    }
    Ok(if verdict.failures.is_empty() { Exit::Fine } else { Exit::Findings })
}

/// A case made of a run that happened: its event and inputs, what each call answered, what people said, and the path it took.
pub fn recorded(execution: &Value, name: &str) -> String {
    let steps = execution.get("stepExecutions").and_then(Value::as_array).unwrap_or_default();
    let text = |v: &Value, key: &str| v.field(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mut mocks, mut answers, mut path) = (stdx::Object::new(), stdx::Object::new(), vec![]);
    for step in steps {
        let id = text(step, "stepId");
        let kind = text(step, "stepType");
        if !matches!(kind.as_str(), "if" | "switch" | "foreach" | "while" | "parallel")
            && text(step, "status") != "skipped"
        {
            path.push(Value::from(id.as_str()));
        }
        let output = step.get("output").cloned().unwrap_or_default();
        if matches!(kind.as_str(), "waitForApproval") {
            let yes = output.path(&["response", "approved"]).and_then(Value::as_bool);
            let word = match yes {
                Some(true) => "approve",
                Some(false) => "reject",
                None => "expire",
            };
            answers.insert(id.as_str(), word);
        } else if step.path(&["watchfire", "request"]).is_some_and(|r| !r.is_null()) {
            let answer = match step.get("error").filter(|e| !e.is_null()) {
                Some(error) => Value::object([("error", error.clone())]),
                None => Value::object([("output", output)]),
            };
            let mut all = mocks.get(&id).and_then(Value::as_array).unwrap_or_default().to_vec();
            all.push(answer);
            mocks.insert(id.as_str(), Value::from(all));
        }
    }
    let context = execution.get("context").cloned().unwrap_or_default();
    let case = Value::object([
        ("name", Value::from(name)),
        ("now", Value::from(text(execution, "startedAt"))),
        ("inputs", context.get("inputs").cloned().unwrap_or_default()),
        ("event", context.get("event").cloned().unwrap_or_default()),
        ("mocks", Value::object([("steps", Value::from(mocks))])),
        ("answers", Value::from(answers)),
        ("expect", Value::object([("status", Value::from(text(execution, "status"))), ("path", Value::from(path))])),
    ]);
    // JSON is YAML; a person shortens it.
    let json = serde_json::to_string_pretty(&serde_json::json!([serde_json::Value::from(&case)])).unwrap_or_default();
    format!(
        "# Recorded from execution {}. Take out what the case is not about.\ncases:\n{}\n",
        text(execution, "id"),
        indented(&json)
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workflow_of_ours_has_cases_and_they_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/workflows");
        let catalogue = crate::server::offline_catalogue();
        let mut wrong = vec![];
        let mut cases = 0;
        for (name, _) in crate::content::workflows() {
            let file = folder.join(name.replace(".yaml", ".test.yaml"));
            let outcome = one(&file, None, &catalogue).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(outcome.broken.is_empty(), "{name}: {:?}", outcome.broken);
            assert!(outcome.cases.len() >= 2, "{name}: {} cases", outcome.cases.len());
            cases += outcome.cases.len();
            for (v, line, _) in &outcome.cases {
                wrong.extend(v.failures.iter().map(|f| format!("{name}:{line} {}: {f}", v.name)));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(cases >= 8, "{cases}");
    }

    #[test]
    fn a_wrong_expectation_fails_and_junit_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.test.yaml");
        std::fs::write(dir.path().join("a.yaml"), "name: a\ntriggers: [{ type: manual }]\nsteps:\n  - name: get\n    type: http\n    with: { url: \"https://x.example/a\" }\n").unwrap();
        std::fs::write(&file, "cases:\n  - name: no <mock>\n    expect: { status: completed }\n  - name: wrong\n    mocks: { http: [{ url: \"https://x.example/*\", body: { n: 1 } }] }\n    expect: { steps: { get: { output: { data: { n: 2 } } } } }\n  - name: right\n    mocks: { http: [{ method: GET, url: \"https://x.example/*\", body: { n: 1 } }] }\n    expect: { path: [get], steps: { get: { output: { status: 200, data: { n: 1 } } } }, calls: [{ step: get, params: { url: \"https://x.example/a\" } }] }\n").unwrap();
        let outcome = one(&file, None, &Catalogue::default()).unwrap();
        let failures: Vec<usize> = outcome.cases.iter().map(|(v, ..)| v.failures.len()).collect();
        assert_eq!(failures[2], 0, "{:?}", outcome.cases[2].0.failures);
        assert!(
            outcome.cases[0].0.failures.iter().any(|f| f.contains("no mock answers")),
            "{:?}",
            outcome.cases[0].0.failures
        );
        assert_eq!(outcome.cases[1].0.failures, ["steps.get.output.data.n: wanted 2, got 1"]);
        let xml = report(&[outcome]);
        assert!(xml.contains("tests=\"3\" failures=\"2\"") && xml.contains("name=\"no &lt;mock&gt;\""), "{xml}");
    }
}
