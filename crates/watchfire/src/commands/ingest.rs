//! `watchfire ingest`: sends files of events to a running server over its `_bulk` API.
//!
//! Invariants: every record of every file is counted once, as indexed or as failed; a request is sent again only when the server said that
//! nothing of it was written (413, 429, 503, 507); memory is bounded by the batches in flight.
//! Not here: decoding (`event::decoders`), the route (`api`).

use crate::Exit;
use crate::client::{Client, Failure, Server, segment};
use crate::output;
use anyhow::Context as _;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stdx::{Object, Value};
use tokio::sync::mpsc;

/// Records of one request.
const BATCH_RECORDS: usize = 2_000;
/// Bytes of one request, about.
const BATCH_BYTES: usize = 4 << 20;
/// Requests under way at once.
const IN_FLIGHT: usize = 2;
/// Failures that are reported with their text.
const FAILURES_MAX: usize = 100;
/// Longest pause before a refused request is sent again.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often a request is sent again before the command gives up.
const ATTEMPTS_MAX: u32 = 60;

/// Sends event files to a running server.
///
/// Exit status: 0 when every record was indexed, 1 when some could not be read or were refused, 3 when the server refused all, 4 when it
/// cannot be reached.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Index or data stream, for example `logs-corpus-default`.
    #[arg(long, value_name = "NAME")]
    pub index: String,
    /// Files: `.jsonl`, `.ndjson`, `.json`, `.evtx`, `.csv`, `.log`, `.cef`, `.leef`, each also as `.gz`.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Default)]
struct FileCount {
    read: u64,
    indexed: u64,
    failed: u64,
}

struct Total {
    names: Vec<String>,
    files: Vec<FileCount>,
    failures: Vec<(usize, u64, String)>,
}

impl Total {
    fn fail(&mut self, file: usize, record: u64, why: String) {
        self.files[file].failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push((file, record, why));
        }
    }
}

/// Records of one file on their way, each as JSON on one line.
struct Batch {
    file: usize,
    records: Vec<(u64, Bytes)>,
    bytes: usize,
}

/// Runs the command.
pub async fn run(args: Args, server: &Server, json: bool) -> anyhow::Result<Exit> {
    for file in &args.files {
        let name = file.to_string_lossy();
        anyhow::ensure!(event::decoders::by_file_name(&name).is_some(), "no decoder for the file name `{name}`");
        std::fs::metadata(file).with_context(|| format!("cannot read `{name}`"))?;
    }
    let client = Arc::new(Client::new(server)?);
    let path = Arc::new(format!("/{}/_bulk?filter_path=errors,items.*.error,items.*.status", segment(&args.index)));
    let bar = progress(&args.files, json);
    let names: Vec<String> = args.files.iter().map(|f| f.display().to_string()).collect();
    let files = names.iter().map(|_| FileCount::default()).collect();
    let total = Arc::new(Mutex::new(Total { names, files, failures: Vec::new() }));
    let began = Instant::now();
    let (send, receive) = mpsc::channel::<Batch>(IN_FLIGHT);
    let receive = Arc::new(tokio::sync::Mutex::new(receive));
    let reader = {
        let (files, bar, total) = (args.files.clone(), bar.clone(), total.clone());
        tokio::task::spawn_blocking(move || {
            for (i, file) in files.iter().enumerate() {
                if !read_file(i, file, &bar, &send, &total) {
                    return;
                }
            }
        })
    };
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, path, receive, total) = (client.clone(), path.clone(), receive.clone(), total.clone());
        senders.spawn(async move {
            loop {
                let next = receive.lock().await.recv().await;
                let Some(batch) = next else { return Ok(()) };
                deliver(&client, &path, batch, &total).await?;
            }
        });
    }
    // The first failure ends the command: the channel closes with its receivers, which stops the reader.
    let mut outcome: Result<(), Failure> = Ok(());
    while let Some(done) = senders.join_next().await {
        if let Err(e) = done.context("a sender ended unexpectedly")? {
            outcome = Err(e);
            senders.abort_all();
        }
    }
    drop(receive);
    reader.await.context("the reader ended unexpectedly")?;
    bar.finish_and_clear();
    let total = total.lock().unwrap_or_else(PoisonError::into_inner);
    report(&total, began.elapsed().as_secs_f64(), json);
    outcome?;
    Ok(if total.files.iter().any(|f| f.failed > 0) { Exit::Findings } else { Exit::Fine })
}

/// Counts bytes read for the progress bar.
struct Counted<R> {
    inner: R,
    bar: ProgressBar,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
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

/// Reads a file into batches; false when nobody takes them any more.
fn read_file(
    index: usize,
    file: &PathBuf,
    bar: &ProgressBar,
    send: &mpsc::Sender<Batch>,
    total: &Mutex<Total>,
) -> bool {
    let lock = || total.lock().unwrap_or_else(PoisonError::into_inner);
    let input = match std::fs::File::open(file) {
        Ok(f) => Counted { inner: std::io::BufReader::with_capacity(256 << 10, f), bar: bar.clone() },
        Err(e) => {
            lock().fail(index, 0, format!("cannot open: {e}"));
            return true;
        }
    };
    let Some(records) = event::decoders::open(&file.to_string_lossy(), Box::new(input)) else { return true };
    let empty = || Batch { file: index, records: Vec::with_capacity(BATCH_RECORDS), bytes: 0 };
    let mut batch = empty();
    for record in records {
        let n = record.number;
        let line = record.result.map_err(|e| e.to_string()).and_then(one_line);
        let mut t = lock();
        t.files[index].read += 1;
        match line {
            Ok(line) => {
                batch.bytes += line.len() + 16;
                batch.records.push((n, line));
            }
            Err(why) => t.fail(index, n, why),
        }
        drop(t);
        let full = batch.records.len() >= BATCH_RECORDS || batch.bytes >= BATCH_BYTES;
        if full && send.blocking_send(std::mem::replace(&mut batch, empty())).is_err() {
            return false;
        }
    }
    batch.records.is_empty() || send.blocking_send(batch).is_ok()
}

/// The document without line breaks: JSON keeps none inside of strings, so they are only layout.
fn one_line(raw: Bytes) -> Result<Bytes, String> {
    if !raw.contains(&b'\n') && !raw.contains(&b'\r') {
        return Ok(raw);
    }
    let value: serde_json::Value = serde_json::from_slice(&raw).map_err(|e| e.to_string())?;
    Ok(Bytes::from(value.to_string()))
}

/// Sends a batch until the server took it; a batch that is too large goes in halves.
async fn deliver(client: &Client, path: &str, batch: Batch, total: &Mutex<Total>) -> Result<(), Failure> {
    let mut waiting = vec![batch];
    while let Some(batch) = waiting.pop() {
        let mut pause = Duration::from_millis(200);
        let mut attempts = 0;
        loop {
            let mut body = Vec::with_capacity(batch.bytes + 32);
            for (_, line) in &batch.records {
                body.extend_from_slice(b"{\"create\":{}}\n");
                body.extend_from_slice(line);
                body.push(b'\n');
            }
            let (status, text) = client.es("POST", path, Some(("application/x-ndjson", body))).await?;
            match status {
                200 => {
                    count(&batch, &text, total);
                    break;
                }
                413 if batch.records.len() > 1 => {
                    let mut first = batch;
                    let second = first.records.split_off(first.records.len() / 2);
                    waiting.push(Batch { file: first.file, bytes: first.bytes / 2, records: second });
                    waiting.push(first);
                    break;
                }
                429 | 503 | 507 if attempts < ATTEMPTS_MAX => {
                    attempts += 1;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                status => {
                    let message = stdx::json::parse(&text)
                        .ok()
                        .and_then(|v| v.path(&["error", "reason"]).and_then(Value::as_str).map(str::to_owned))
                        .unwrap_or_else(|| stdx::bounded::truncate(&text, 400).into_owned());
                    return Err(Failure::Refused { status, message });
                }
            }
        }
    }
    Ok(())
}

/// Counts the items of an answer; the n-th item is the n-th record.
fn count(batch: &Batch, text: &str, total: &Mutex<Total>) {
    let mut t = total.lock().unwrap_or_else(PoisonError::into_inner);
    if text.starts_with("{\"errors\":false") {
        t.files[batch.file].indexed += batch.records.len() as u64;
        return;
    }
    let answer = stdx::json::parse(text).unwrap_or_default();
    let items = answer.get("items").and_then(Value::as_array).unwrap_or_default();
    for (i, (n, _)) in batch.records.iter().enumerate() {
        let item = items.get(i).and_then(|v| v.get("create"));
        let status = item.and_then(|v| v.get("status")).and_then(Value::as_i64).unwrap_or(0);
        if (200..300).contains(&status) {
            t.files[batch.file].indexed += 1;
        } else {
            let why = item
                .and_then(|v| v.path(&["error", "reason"]))
                .and_then(Value::as_str)
                .unwrap_or("no answer for this record");
            t.fail(batch.file, *n, why.to_owned());
        }
    }
}

fn report(total: &Total, seconds: f64, json: bool) {
    let sum = |f: fn(&FileCount) -> u64| total.files.iter().map(f).sum::<u64>();
    let (read, indexed, failed) = (sum(|f| f.read), sum(|f| f.indexed), sum(|f| f.failed));
    let rate = indexed as f64 / seconds.max(1e-9);
    if json {
        let file = |(name, f): (&String, &FileCount)| {
            let pairs = [
                ("file", Value::from(name)),
                ("read", f.read.into()),
                ("indexed", f.indexed.into()),
                ("failed", f.failed.into()),
            ];
            Value::from(pairs.into_iter().collect::<Object>())
        };
        let failure = |(file, record, why): &(usize, u64, String)| {
            let pairs =
                [("file", Value::from(&total.names[*file])), ("record", (*record).into()), ("error", why.into())];
            Value::from(pairs.into_iter().collect::<Object>())
        };
        let pairs = [
            ("read", Value::from(read)),
            ("indexed", indexed.into()),
            ("failed", failed.into()),
            ("seconds", seconds.into()),
            ("events_per_second", rate.into()),
            ("files", Value::array(total.names.iter().zip(&total.files).map(file))),
            ("failures", Value::array(total.failures.iter().map(failure))),
        ];
        output::json(&pairs.into_iter().collect::<Object>().into());
        return;
    }
    for (file, record, why) in &total.failures {
        eprintln!("{}:{record}: {}", total.names[*file], output::visible(why));
    }
    let row = |(name, f): (&String, &FileCount)| {
        vec![name.clone(), f.read.to_string(), f.indexed.to_string(), f.failed.to_string()]
    };
    output::table(&["file", "read", "indexed", "failed"], total.names.iter().zip(&total.files).map(row).collect());
    println!("{read} read, {indexed} indexed, {failed} failed in {seconds:.1} s, {rate:.0} events/s");
}
