//! `watchfire detect`: runs rules over files of events, without a server.
//!
//! Invariants: every record of every file is counted once, as read or as failed; at most `FAILURES_MAX` failures are kept with their text;
//! memory is bounded by the batches in flight.
//! Not here: matching and counting (`rule::detect`), decoding (`event::decoders`).

use crate::Exit;
use anyhow::Context as _;
use bytes::Bytes;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use rule::detect::Counts;
use rule::{Compiled, Detector, Dispatcher, Rule};
use std::io::{BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Records handed to a worker at a time.
const BATCH: usize = 512;
/// Batches waiting for a worker.
const BATCHES_MAX: usize = 8;
/// Failures that are reported with their text.
const FAILURES_MAX: usize = 100;
/// Deepest folder that `--rules` goes into.
const FOLDERS_MAX: usize = 16;

/// Runs detection rules over event files, without a server.
///
/// Exit status: 0 when every record and every rule could be read, 1 when some could not, 2 for wrong usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rules: files (`.jsonl`, `.ndjson`, `.json`, `.toml`) or folders of them.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Events: `.jsonl`, `.ndjson`, `.json`, `.evtx`, `.csv`, `.log`, `.cef`, `.leef`, each also as `.gz`.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub events: Vec<PathBuf>,
    /// Worker threads; as many as there are cores when absent.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// A rule that does not run, and why.
struct Skipped {
    place: String,
    name: String,
    reason: String,
    /// True where the rule is of a kind that this version does not run; false where it is wrong.
    unsupported: bool,
}

struct RuleSet {
    rules: Vec<Arc<Compiled>>,
    skipped: Vec<Skipped>,
}

#[derive(Clone, Debug, Default, serde::Serialize)]
struct FileCount {
    file: String,
    read: u64,
    failed: u64,
}

#[derive(Clone, Debug, serde::Serialize)]
struct Failure {
    file: String,
    record: u64,
    error: String,
}

/// What the workers add up.
#[derive(Default)]
struct Total {
    counts: Counts,
    files: Vec<FileCount>,
    failures: Vec<Failure>,
}

struct Batch {
    file: usize,
    records: Vec<(u64, Bytes)>,
}

/// Runs the command.
pub fn run(args: Args, json: bool) -> anyhow::Result<Exit> {
    let set = load_rules(&args.rules)?;
    for file in &args.events {
        let name = file.to_string_lossy();
        anyhow::ensure!(event::decoders::by_file_name(&name).is_some(), "no decoder for the file name `{name}`");
        std::fs::metadata(file).with_context(|| format!("cannot read `{name}`"))?;
    }
    let detector = Detector::new(Dispatcher::new(set.rules));
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get())).max(1);
    let arrival = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64);
    let arrival = stdx::Time(arrival);

    let (started, cpu_before) = (Instant::now(), cpu_seconds());
    let bar = progress(&args.events, json);
    let total = Mutex::new(Total {
        counts: detector.counts(),
        files: args
            .events
            .iter()
            .map(|f| FileCount { file: f.display().to_string(), ..FileCount::default() })
            .collect(),
        failures: Vec::new(),
    });
    let (send, receive) = sync_channel::<Batch>(BATCHES_MAX);
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&detector, &receive, &total, arrival));
        }
        for (i, file) in args.events.iter().enumerate() {
            read_file(i, file, &bar, &send, &total);
        }
        drop(send);
    });
    bar.finish_and_clear();
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let report = Report {
        detector: &detector,
        skipped: &set.skipped,
        total: &total,
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds().zip(cpu_before).map(|(after, before)| after - before),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        report.print();
    }
    let wrong = total.counts.failed > 0
        || set.skipped.iter().any(|s| !s.unsupported)
        || total.counts.panicked.iter().any(|n| *n > 0);
    Ok(if wrong { Exit::Findings } else { Exit::Fine })
}

fn load_rules(paths: &[PathBuf]) -> anyhow::Result<RuleSet> {
    let mut set = RuleSet { rules: Vec::new(), skipped: Vec::new() };
    let mut files = Vec::new();
    for path in paths {
        gather(path, 0, &mut files).with_context(|| format!("cannot read `{}`", path.display()))?;
    }
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        for loaded in rule::text::load_file(&file.to_string_lossy(), &text) {
            let place = format!("{}:{}", file.display(), loaded.line);
            match loaded.rule {
                Some(rule) => set.add(place, rule),
                None => set.skip(place, String::new(), &loaded.findings),
            }
        }
    }
    Ok(set)
}

impl RuleSet {
    fn add(&mut self, place: String, rule: Rule) {
        let rule = Arc::new(rule);
        match rule::compile(&rule) {
            (Some(compiled), _) => self.rules.push(Arc::new(compiled)),
            (None, findings) => self.skip(place, rule.name.to_string(), &findings),
        }
    }
    fn skip(&mut self, place: String, name: String, findings: &[stdx::Diagnostic]) {
        let worst = findings.iter().find(|d| d.is_error());
        self.skipped.push(Skipped {
            place,
            name,
            reason: worst.map_or_else(|| "no rule".into(), |d| d.message.clone()),
            unsupported: worst.is_some_and(|d| d.code == "ruleTypeUnsupported"),
        });
    }
}

/// Rule files under `path`, sorted; a file that is named is taken whatever its ending.
fn gather(path: &Path, depth: usize, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        if depth == 0 || rule::text::is_rule_file(&path.to_string_lossy()) {
            out.push(path.to_owned());
        }
        return Ok(());
    }
    // A folder named `tests` below a rule folder holds events, not rules.
    if depth > FOLDERS_MAX || (depth > 0 && path.file_name().is_some_and(|n| n == "tests")) {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| gather(entry, depth + 1, out))
}

/// Decodes one file into batches.
fn read_file(index: usize, file: &Path, bar: &ProgressBar, send: &SyncSender<Batch>, total: &Mutex<Total>) {
    let fail = |record: u64, error: String| {
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        total.counts.failed += 1;
        total.fail(index, record, error);
    };
    let input = match std::fs::File::open(file) {
        Ok(file) => Counted { inner: BufReader::with_capacity(256 << 10, file), bar: bar.clone() },
        Err(e) => return fail(0, format!("cannot open: {e}")),
    };
    let Some(records) = event::decoders::open(&file.to_string_lossy(), Box::new(input)) else { return };
    let mut batch = Vec::with_capacity(BATCH);
    for record in records {
        match record.result {
            Ok(bytes) => batch.push((record.number, bytes)),
            Err(e) => fail(record.number, e.to_string()),
        }
        if batch.len() == BATCH {
            let records = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if send.send(Batch { file: index, records }).is_err() {
                return;
            }
        }
    }
    if !batch.is_empty() {
        // The receiving end lives as long as the workers do, which end after this sender.
        let _ = send.send(Batch { file: index, records: batch });
    }
}

/// Feeds batches until there are no more.
fn work(detector: &Detector, receive: &Mutex<Receiver<Batch>>, total: &Mutex<Total>, arrival: stdx::Time) {
    let mut hits = Vec::new();
    loop {
        let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return };
        let mut counts = detector.counts();
        let mut failures = Vec::new();
        for (number, raw) in batch.records {
            if let Err(e) = detector.feed(raw, arrival, &mut counts, &mut hits)
                && failures.len() < FAILURES_MAX
            {
                failures.push((number, e.to_string()));
            }
        }
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        total.files[batch.file].read += counts.read;
        total.files[batch.file].failed += counts.failed - failures.len() as u64;
        total.counts.add(&counts);
        for (number, error) in failures {
            total.fail(batch.file, number, error);
        }
    }
}

impl Total {
    /// Counts a failure for its file and keeps its text while there is room.
    fn fail(&mut self, file: usize, record: u64, error: String) {
        self.files[file].failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(Failure { file: self.files[file].file.clone(), record, error });
        }
    }
}

/// Moves the bar by the bytes that were read.
struct Counted {
    inner: BufReader<std::fs::File>,
    bar: ProgressBar,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(into)?;
        self.bar.inc(n as u64);
        Ok(n)
    }
}

fn progress(files: &[PathBuf], quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = files.iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum();
    let style = ProgressStyle::with_template("{bar:40} {percent}% {bytes}/{total_bytes} {bytes_per_sec} eta {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// CPU time of this process so far, where the system tells.
fn cpu_seconds() -> Option<f64> {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

struct Report<'a> {
    detector: &'a Detector,
    skipped: &'a [Skipped],
    total: &'a Total,
    seconds: f64,
    cpu_seconds: Option<f64>,
}

impl Report<'_> {
    /// Rules with matches, most first.
    fn by_rule(&self) -> Vec<(&Rule, u64)> {
        let rules = self.detector.dispatcher().rules();
        let mut rows: Vec<(&Rule, u64)> = rules
            .iter()
            .zip(&self.total.counts.by_rule)
            .filter(|(_, n)| **n > 0)
            .map(|(r, n)| (&*r.rule, *n))
            .collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.name.cmp(&b.0.name)));
        rows
    }

    fn panicked(&self) -> Vec<&Rule> {
        let rules = self.detector.dispatcher().rules();
        rules.iter().zip(&self.total.counts.panicked).filter(|(_, n)| **n > 0).map(|(r, _)| &*r.rule).collect()
    }

    fn per_second(&self) -> f64 {
        self.total.counts.read as f64 / self.seconds.max(1e-9)
    }

    fn per_cpu_second(&self) -> Option<f64> {
        self.cpu_seconds.filter(|s| *s > 0.0).map(|s| self.total.counts.read as f64 / s)
    }

    fn json(&self) -> serde_json::Value {
        let counts = &self.total.counts;
        let rule = |r: &Rule| serde_json::json!({"rule_id": r.rule_id.as_str(), "name": &*r.name});
        serde_json::json!({
            "read": counts.read,
            "failed": counts.failed,
            "matched": counts.matched,
            "matches": counts.matches(),
            "without_time": counts.untimed,
            "files": self.total.files,
            "failures": self.total.failures,
            "rules": {
                "run": self.detector.dispatcher().rules().len(),
                "unsupported": self.skipped.iter().filter(|s| s.unsupported).count(),
                "broken": self.skipped.iter().filter(|s| !s.unsupported)
                    .map(|s| serde_json::json!({"place": s.place, "name": s.name, "error": s.reason})).collect::<Vec<_>>(),
                "panicked": self.panicked().into_iter().map(rule).collect::<Vec<_>>(),
            },
            "by_rule": self.by_rule().into_iter().map(|(r, n)| serde_json::json!({
                "rule_id": r.rule_id.as_str(), "name": &*r.name, "severity": r.severity.text(), "matches": n,
            })).collect::<Vec<_>>(),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "events_per_second": self.per_second(),
            "events_per_cpu_second": self.per_cpu_second(),
        })
    }

    fn print(&self) {
        let counts = &self.total.counts;
        let rows = self.by_rule();
        if !rows.is_empty() {
            let mut table = Table::new();
            table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["matches", "severity", "rule"]);
            for (rule, n) in rows {
                table.add_row([n.to_string(), rule.severity.text().into(), rule.name.to_string()]);
            }
            println!("{table}");
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["file", "read", "failed"]);
        for file in &self.total.files {
            table.add_row([file.file.clone(), file.read.to_string(), file.failed.to_string()]);
        }
        println!("{table}");
        for failure in &self.total.failures {
            eprintln!("{}:{}: {}", failure.file, failure.record, failure.error);
        }
        for skipped in self.skipped.iter().filter(|s| !s.unsupported) {
            eprintln!("{} {}: {}", skipped.place, skipped.name, skipped.reason);
        }
        for rule in self.panicked() {
            eprintln!("rule `{}` panicked; this is a bug, please report it", rule.name);
        }
        let unsupported = self.skipped.iter().filter(|s| s.unsupported).count();
        println!(
            "read {}, failed {}, matched {} ({} matches), {} rules run, {unsupported} of types that do not run yet",
            counts.read,
            counts.failed,
            counts.matched,
            counts.matches(),
            self.detector.dispatcher().rules().len(),
        );
        let cpu = self.per_cpu_second().map_or_else(String::new, |n| format!(", {n:.0} events per CPU-second"));
        println!("{:.1} s, {:.0} events/s{cpu}", self.seconds, self.per_second());
    }
}
