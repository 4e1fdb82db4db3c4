//! The store as its callers see it: acknowledged writes, restarts, broken disks, searches against a scan.

use crate::search::matches;
use crate::*;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stdx::{Rng, Time, Value};

const STREAM: &str = "logs-test-default";

fn open(root: &Path) -> Index {
    Index::open(root, Options::default()).unwrap()
}

fn create(index: &str, text: &str) -> Op {
    Op::create(index, text.to_owned())
}

fn write(index: &Index, ops: Vec<Op>) -> Appended {
    index.append_wait(Batch { ops, ..Default::default() }).unwrap()
}

fn query(text: &str) -> lang::dsl::Query {
    lang::dsl::parse(&serde_json::from_str(text).unwrap()).unwrap()
}

fn find(index: &Index, indices: &str, text: &str) -> Vec<String> {
    let request = SearchRequest { indices: indices.into(), query: query(text), size: 10_000, ..Default::default() };
    let mut ids: Vec<String> = index.search(&request).unwrap().hits.iter().map(|h| h.id.to_string()).collect();
    ids.sort();
    ids
}

fn total(index: &Index, indices: &str) -> u64 {
    index.count(indices, Expand { ignore_unavailable: true, hidden: true }, &lang::dsl::Query::MatchAll).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for e in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(e.file_name());
        // Files come and go while a living store is copied, as they do under a crash.
        match e.file_type() {
            Ok(t) if t.is_dir() => copy(&e.path(), &target),
            _ => drop(std::fs::copy(e.path(), target)),
        }
    }
}

#[test]
fn what_was_acknowledged_is_found_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let done = write(
        &index,
        vec![
            create(STREAM, r#"{"@timestamp":"2026-01-02T03:04:05Z","a":1}"#),
            create(STREAM, "{}"),
            create("plain", "[1]"),
        ],
    );
    assert!(matches!(done.items[2], Err(ItemError::BadDocument(_))));
    let id = done.items[0].as_ref().unwrap().id.clone();
    assert_eq!(find(&index, STREAM, r#"{"term":{"a":1}}"#), [id.to_string()]);
    assert_eq!(index.get(STREAM, &id).unwrap().unwrap().version, 1);
    assert!(matches!(index.get("plain", &id), Err(Error::NoSuchIndex(_))));
    assert_eq!(index.counts().time_from_arrival, 1);
    let end = index.end();
    drop(index);
    let index = open(dir.path());
    assert_eq!(index.end(), end);
    assert_eq!(find(&index, STREAM, r#"{"term":{"a":1}}"#), [id.to_string()]);
    assert_eq!(total(&index, "*"), 2);
    assert!(index.refresh(&[], Duration::from_secs(10)));
    assert_eq!(total(&index, "*"), 2);
}

#[test]
fn versions_and_conflicts_are_decided_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let op = |kind, id: &str| Op { index: "plain".into(), id: Some(id.into()), kind, if_seq_no: None };
    let doc = |t: &str| Bytes::copy_from_slice(t.as_bytes());
    let update = |t: &str| {
        OpKind::Update(Box::new(Update {
            doc: Some(stdx::json::parse(t).unwrap()),
            detect_noop: true,
            ..Default::default()
        }))
    };
    for round in 0..3 {
        let done = write(
            &index,
            vec![
                op(OpKind::Create(doc(r#"{"a":{"b":1}}"#)), "x"),
                op(OpKind::Create(doc(r#"{"a":2}"#)), "x"),
                op(update(r#"{"a":{"c":2}}"#), "x"),
                op(update(r#"{"a":{"c":2}}"#), "x"),
                op(OpKind::Index(doc(r#"{"z":1}"#)), "x"),
                op(update("{}"), "y"),
                op(OpKind::Delete, "x"),
                op(OpKind::Delete, "x"),
            ],
        );
        let text: Vec<String> = done
            .items
            .iter()
            .map(|r| match r {
                Ok(w) => format!("{} {}", w.outcome.as_str(), w.version),
                Err(e) => e.to_string(),
            })
            .collect();
        // In the first two rounds versions go on from the deletion; once that is committed the id is new again.
        let base = if round == 1 { 4 } else { 0 };
        assert_eq!(
            text,
            [
                format!("created {}", base + 1),
                format!("[x]: version conflict, document already exists (current version [{}])", base + 1),
                format!("updated {}", base + 2),
                format!("noop {}", base + 2),
                format!("updated {}", base + 3),
                "[y]: document missing".into(),
                format!("deleted {}", base + 4),
                format!("not_found {}", base + 5),
            ]
        );
        if round == 1 {
            assert!(index.refresh(&[], Duration::from_secs(10)));
        }
        assert_eq!(total(&index, "plain"), 0);
    }
    write(&index, vec![op(OpKind::Index(doc(r#"{"a":{"b":1},"l":[1]}"#)), "u")]);
    assert!(index.refresh(&[], Duration::from_secs(10)));
    write(&index, vec![op(update(r#"{"a":{"c":2},"l":[2,3]}"#), "u")]);
    let got = index.get("plain", &"u".into()).unwrap().unwrap();
    assert_eq!((got.source, got.version), (doc(r#"{"a":{"b":1,"c":2},"l":[2,3]}"#), 2));
    assert_eq!(find(&index, "plain", r#"{"term":{"a.b":1}}"#), ["u"]);
    assert_eq!(find(&index, "plain", r#"{"term":{"l":1}}"#), Vec::<String>::new());
    let conflict = Op { if_seq_no: Some(1), ..op(OpKind::Delete, "u") };
    assert!(matches!(write(&index, vec![conflict]).items[0], Err(ItemError::SeqConflict { required: 1, .. })));
    let right = Op { if_seq_no: Some(got.seq_no), ..op(OpKind::Delete, "u") };
    assert!(write(&index, vec![right]).items[0].is_ok());
    assert!(index.get("plain", &"u".into()).unwrap().is_none());
}

#[test]
fn malformed_documents_fail_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut ops = vec![
        create(STREAM, "{"),
        Op::create(STREAM, Bytes::from_static(b"{\"a\":\"\xff\"}")),
        create(STREAM, r#"{"@timestamp":"yesterday"}"#),
        create(STREAM, r#"{"@timestamp":["2026-01-01T00:00:00Z","2026-01-02T00:00:00Z"]}"#),
        create("Bad", "{}"),
        create(STREAM, &format!("{}1{}", "[".repeat(500), "]".repeat(500))),
        create(STREAM, "{}").with_id(""),
        create(STREAM, "{}").with_id("x".repeat(513)),
        create(STREAM, r#"{"ok":true}"#),
    ];
    ops.push(Op::create(STREAM, vec![b' '; crate::op::DOC_BYTES_MAX + 1]));
    let done = write(&index, ops);
    let ok: Vec<bool> = done.items.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [false, false, false, false, false, false, false, false, true, false]);
    assert_eq!(total(&index, "*"), 1);
}

#[test]
fn a_search_equals_a_scan() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut rng = Rng::new(7);
    let mut docs: BTreeMap<String, event::Event> = BTreeMap::new();
    let now = Time::parse("2026-11-24T00:00:00Z").unwrap();
    for round in 0..12 {
        let mut ops = Vec::new();
        for _ in 0..40 {
            let id = format!("d{}", rng.below(300));
            let raw = random_doc(&mut rng);
            if rng.chance(0.1) {
                docs.remove(&id);
                ops.push(Op {
                    index: "plain".into(),
                    id: Some(id.as_str().into()),
                    kind: OpKind::Delete,
                    if_seq_no: None,
                });
                continue;
            }
            let meta = event::Meta { index: "plain".into(), id: id.as_str().into(), version: 1, seq: 0, arrival: now };
            docs.insert(id.clone(), event::Event::new(meta, raw.clone()));
            ops.push(Op {
                index: "plain".into(),
                id: Some(id.as_str().into()),
                kind: OpKind::Index(raw),
                if_seq_no: None,
            });
        }
        write(&index, ops);
        if round % 3 == 1 {
            assert!(index.refresh(&[], Duration::from_secs(10)));
        }
        for _ in 0..60 {
            let q = random_query(&mut rng, 3);
            let q = lang::dsl::parse(&q).unwrap_or_else(|d| panic!("{q}: {d:?}"));
            let request = SearchRequest {
                indices: "plain".into(),
                query: q.clone(),
                size: 10_000,
                now: Some(now),
                ..Default::default()
            };
            let found = index.search(&request).unwrap();
            let mut ids: Vec<String> = found.hits.iter().map(|h| h.id.to_string()).collect();
            ids.sort();
            let snapshot = crate::search::predicate_for_tests(&index, &request).unwrap();
            let scan: Vec<String> =
                docs.iter().filter(|(_, e)| matches(&snapshot, e, now)).map(|(id, _)| id.clone()).collect();
            assert_eq!(ids, scan, "round {round}, query {q:?}, predicate {snapshot:?}");
            assert_eq!(found.total, ids.len() as u64);
        }
    }
}

const FIELDS: &[&str] =
    &["a", "b.c", "process.pid", "process.name", "source.ip", "@timestamp", "t", "weird.#x", "deep.x.y", "flag"];

fn random_value(rng: &mut Rng) -> serde_json::Value {
    use serde_json::json;
    match rng.below(14) {
        0 => json!(null),
        1 => json!(rng.below(5)),
        2 => json!(5.0),
        3 => json!(2.5),
        4 => json!(rng.chance(0.5)),
        5 => json!(["x", "Y", 3]),
        6 => json!("10.0.0.7"),
        7 => json!("2026-11-20T01:02:03.004Z"),
        8 => json!("2026-11-20"),
        9 => json!(9_007_199_254_740_993i64),
        10 => json!("The quick brown Fox"),
        11 => json!("long".repeat(3_000)),
        12 => json!([]),
        _ => json!(["x", "y", "Z", "cmd.exe", "5"][rng.below(5) as usize]),
    }
}

fn random_doc(rng: &mut Rng) -> Bytes {
    let mut doc = serde_json::Map::new();
    for _ in 0..1 + rng.below(6) {
        let field = FIELDS[rng.below(FIELDS.len() as u64) as usize];
        let value = random_value(rng);
        match field.split_once('.') {
            Some((a, b)) if rng.chance(0.5) => {
                doc.insert(a.into(), serde_json::json!({ b: value }));
            }
            _ => {
                doc.insert(field.into(), value);
            }
        }
    }
    if rng.chance(0.05) {
        doc.insert("back\\slash".into(), serde_json::json!("x"));
        doc.insert("a".into(), serde_json::json!([{"n": 1}, {"n": [2, {"m": "x"}]}]));
    }
    Bytes::from(serde_json::to_vec(&doc).unwrap())
}

fn random_query(rng: &mut Rng, depth: u32) -> serde_json::Value {
    use serde_json::json;
    let field = FIELDS[rng.below(FIELDS.len() as u64) as usize];
    let scalar = |rng: &mut Rng| loop {
        let v = random_value(rng);
        if !v.is_null() && !v.is_array() {
            return v;
        }
    };
    match rng.below(if depth == 0 { 9 } else { 12 }) {
        0 => json!({"term": {field: scalar(rng)}}),
        1 => json!({"terms": {field: [scalar(rng), scalar(rng)]}}),
        2 => json!({"match": {field: "quick x 5"}}),
        3 => json!({"exists": {"field": (if rng.chance(0.3) { "deep" } else { field })}}),
        4 => {
            json!({"wildcard": {field: {"value": (["*x*", "C*", "?", "2026*"][rng.below(4) as usize]), "case_insensitive": (rng.chance(0.5))}}})
        }
        5 => json!({"prefix": {field: (["x", "2", "cmd", "The"][rng.below(4) as usize])}}),
        6 => json!({"range": {field: {"gte": (["1", "2026-11-20", "2.5", "a", "now-10d"][rng.below(5) as usize])}}}),
        7 => json!({"ids": {"values": [format!("d{}", rng.below(300)), "nope"]}}),
        8 => {
            json!({"query_string": {"query": (["x", "*:Fox", "a:x OR t:5", "process.pid:>2"][rng.below(4) as usize])}})
        }
        9 => json!({"bool": {"must_not": [random_query(rng, depth - 1)]}}),
        10 => json!({"bool": {"filter": [random_query(rng, depth - 1), random_query(rng, depth - 1)]}}),
        _ => {
            json!({"bool": {"should": [random_query(rng, depth - 1), random_query(rng, depth - 1), random_query(rng, depth - 1)],
                             "minimum_should_match": (1 + rng.below(3))}})
        }
    }
}

#[test]
fn sorted_pages_by_search_after_give_every_document_once() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut rng = Rng::new(3);
    let ops = (0..500).map(|i| {
        let day = 1 + rng.below(28);
        let n = rng.below(20);
        let host = if rng.chance(0.1) { String::new() } else { format!(r#","host":{{"name":"h{n}"}}"#) };
        create(STREAM, &format!(r#"{{"@timestamp":"2026-10-{day:02}T00:00:00Z","n":{i}{host}}}"#))
    });
    let ops: Vec<Op> = ops.collect();
    for chunk in ops.chunks(100) {
        write(&index, chunk.to_vec());
        index.refresh(&[], Duration::from_secs(10));
    }
    write(&index, vec![create(STREAM, r#"{"@timestamp":"2026-10-05T00:00:00Z","n":500}"#)]);
    for (field, descending, first) in
        [("host.name", false, false), ("host.name", true, true), ("@timestamp", true, false), ("n", false, false)]
    {
        let missing = if first { crate::search::Missing::First } else { crate::search::Missing::Last };
        let mut request = SearchRequest {
            indices: STREAM.into(),
            sort: vec![
                SortBy { key: SortKey::Field(field.into()), descending, missing },
                SortBy { key: SortKey::Seq, descending: false, missing: crate::search::Missing::Last },
            ],
            size: 37,
            ..Default::default()
        };
        let mut seen = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        loop {
            let page = index.search(&request).unwrap();
            let Some(last) = page.hits.last() else { break };
            request.search_after = Some(last.sort.clone());
            assert_eq!(page.total, 501);
            for h in page.hits {
                seen.push(h.id.to_string());
                values.push(h.sort[0].clone());
            }
        }
        assert_eq!(seen.len(), 501, "{field}");
        let gaps = values.iter().filter(|v| v.is_null()).count();
        let missing_at = if first { &values[..gaps] } else { &values[values.len() - gaps..] };
        assert!(missing_at.iter().all(Value::is_null), "{field}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 501, "{field}");
    }
    let whole = SearchRequest { indices: STREAM.into(), size: 10_000, from: 1, ..Default::default() };
    assert!(matches!(index.search(&whole), Err(Error::BadRequest(_))));
}

const CHILD: &str = "WATCHFIRE_INDEX_CHILD";

/// Not a test of its own: the process that `a_killed_process_loses_and_doubles_nothing` starts and kills.
#[test]
fn child_that_is_killed() {
    use std::io::Write;
    let Ok(dir) = std::env::var(CHILD) else { return };
    let options = Options {
        commit_docs: 40,
        commit_after: Duration::from_millis(30),
        idle_after: Duration::from_millis(40),
        segment_bytes: 8 << 10,
        ..Default::default()
    };
    let index = Index::open(Path::new(&dir), options).unwrap();
    let first = total(&index, "*") as usize;
    for i in 0..100_000 {
        let ops = (0..5).map(|k| {
            let n = first + i * 5 + k;
            let (name, day) = if n.is_multiple_of(3) { ("plain", 1) } else { (STREAM, 1 + n % 20) };
            create(name, &format!(r#"{{"@timestamp":"2026-11-{day:02}T00:00:00Z","n":{n}}}"#)).with_id(format!("id{n}"))
        });
        write(&index, ops.collect());
        // Some are changed once more, so that deletions of older versions are replayed too.
        let n = first + i * 5;
        if i % 2 == 0 {
            let kind = OpKind::Index(format!(r#"{{"@timestamp":"2026-11-01T00:00:00Z","n":{n},"again":true}}"#).into());
            let name = if n.is_multiple_of(3) { "plain" } else { STREAM };
            write(&index, vec![Op { index: name.into(), id: Some(format!("id{n}").into()), kind, if_seq_no: None }]);
        }
        println!("\nack {}", n + 5);
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_and_doubles_nothing() {
    use std::io::{BufRead, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(11);
    let mut acknowledged = 0;
    for _ in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::child_that_is_killed", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let wanted = acknowledged + 5 + 5 * rng.below(60) as usize;
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("ack ") {
                acknowledged = n.parse().unwrap();
                if acknowledged >= wanted {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let index = open(dir.path());
        check_copy(&index, acknowledged);
        assert!(index.refresh(&[], Duration::from_secs(20)));
        check_copy(&index, acknowledged);
        // The child writes on where the store ends.
        assert!(acknowledged >= wanted && acknowledged < 8_000);
    }
}

fn check_copy(index: &Index, at_least: usize) {
    let request = SearchRequest { size: 10_000, track_total: None, ..Default::default() };
    let found = index.search(&request).unwrap();
    let mut ids: Vec<usize> = found.hits.iter().map(|h| h.id.as_str()[2..].parse().unwrap()).collect();
    ids.sort_unstable();
    let n = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), n, "a document was found twice");
    assert!(
        ids.iter().take(at_least).copied().eq(0..at_least),
        "of {at_least} acknowledged documents only {n} are there"
    );
}

#[test]
fn a_torn_tail_is_moved_aside_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for i in 0..10 {
        write(&index, vec![create("plain", &format!(r#"{{"n":{i}}}"#)).with_id(format!("{i}"))]);
    }
    let crash = tempfile::tempdir().unwrap();
    copy(&dir.path().join("wal"), &crash.path().join("wal"));
    drop(index);
    let log = crash.path().join("wal").join(format!("{:020}.wal", 1));
    let whole = std::fs::read(&log).unwrap();
    let mut rng = Rng::new(1);
    for _ in 0..60 {
        let at = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(at.path().join("wal")).unwrap();
        let cut = 44 + rng.below(whole.len() as u64 - 44) as usize;
        let mut bytes = whole[..cut].to_vec();
        if rng.chance(0.5) {
            bytes.extend(std::iter::repeat_n(0u8, rng.below(100) as usize));
        }
        std::fs::write(at.path().join("wal").join(log.file_name().unwrap()), &bytes).unwrap();
        let index = open(at.path());
        let n = index.end().number;
        assert!(n <= 10 && total(&index, "*") == n);
        // What follows is numbered on, and the store goes on working.
        write(&index, vec![create("plain", r#"{"n":"after"}"#)]);
        let kept = bytes.len() as u64 - index.counts().torn_bytes;
        drop(index);
        let index = open(at.path());
        assert_eq!((total(&index, "*"), index.counts().torn_bytes), (n + 1, 0));
        assert!(kept >= 44);
    }
}

struct Full {
    room: AtomicUsize,
}

impl Faults for Full {
    fn write(&self, bytes: usize) -> (usize, Option<std::io::Error>) {
        let room = self.room.load(Ordering::Acquire);
        let n = bytes.min(room);
        self.room.fetch_sub(n, Ordering::AcqRel);
        (n, (n < bytes).then(|| std::io::Error::from_raw_os_error(libc::ENOSPC)))
    }
}

#[test]
fn a_full_disk_refuses_the_whole_group_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Full { room: AtomicUsize::new(3_000) });
    let options = Options { faults: Some(faults.clone()), segment_bytes: 1_000, ..Default::default() };
    let index = Index::open(dir.path(), options).unwrap();
    let mut kept = 0;
    let mut refused = 0;
    for i in 0..60 {
        let ops =
            (0..3).map(|k| create("plain", &format!(r#"{{"n":{}}}"#, i * 3 + k)).with_id(format!("{}", i * 3 + k)));
        match index.append_wait(Batch { ops: ops.collect(), ..Default::default() }) {
            Ok(_) => kept += 3,
            Err(Error::DiskFull) => refused += 1,
            Err(e) => panic!("{e}"),
        }
        if i == 40 {
            faults.room.store(1 << 20, Ordering::Release);
        }
    }
    assert!(refused > 5 && kept > 30, "{refused} {kept}");
    assert_eq!(total(&index, "plain"), kept);
    drop(index);
    let index = open(dir.path());
    assert_eq!((total(&index, "plain"), index.counts().torn_bytes), (kept, 0));
}

#[test]
fn a_follower_reads_every_frame_once_and_keeps_the_log_from_being_cut() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { followers: vec!["detector".into()], segment_bytes: 2_000, ..Default::default() };
    let index = Index::open(dir.path(), options.clone()).unwrap();
    for i in 0..100 {
        write(&index, vec![create(STREAM, &format!(r#"{{"n":{i}}}"#))]);
    }
    index.refresh(&[], Duration::from_secs(10));
    drop(index);
    let index = Index::open(dir.path(), options.clone()).unwrap();
    let (mut at, mut seen) = (0, 0);
    loop {
        let frames = index.read_from(at, 7, 1 << 20).unwrap();
        let Some(last) = frames.last() else { break };
        for (f, n) in frames.iter().zip(at + 1..) {
            assert_eq!(f.number, n);
            seen += f.for_rules().count();
        }
        at = last.number;
    }
    assert_eq!((at, seen), (100, 100));
    assert_eq!(index.wait_beyond(99, Duration::from_millis(1)), 100);
    index.release("detector", 100);
    drop(index);
    let files = || std::fs::read_dir(dir.path().join("wal")).unwrap().count();
    assert_eq!(files(), 1, "segments that everyone has passed are gone");
    let index = Index::open(dir.path(), options).unwrap();
    assert_eq!(total(&index, "*"), 100);
    assert!(index.read_from(100, 10, 10).unwrap().is_empty());
}

#[test]
fn too_much_before_a_follower_is_refused_and_alerts_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        followers: vec!["detector".into()],
        segment_bytes: 1_000,
        backlog_bytes_max: 3_000,
        ..Default::default()
    };
    let index = Index::open(dir.path(), options).unwrap();
    let mut busy = false;
    for i in 0..100 {
        match index.append_wait(Batch { ops: vec![create(STREAM, &format!(r#"{{"n":{i}}}"#))], ..Default::default() }) {
            Ok(_) => {}
            Err(Error::Busy { retry_after_ms, .. }) => {
                busy = retry_after_ms > 0;
                break;
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(busy);
    let (tx, rx) = std::sync::mpsc::channel();
    let alert = |version, created| AlertVersion {
        index: ".alerts-security.alerts-default".into(),
        id: "al".into(),
        version,
        created,
        created_at: Time::parse("2026-11-24T00:00:00Z").unwrap(),
        source: format!(r#"{{"@timestamp":"2026-11-24T00:00:00Z","v":{version}}}"#).into(),
    };
    index
        .append_alerts(41, vec![alert(1, true)], Provenance::default(), Box::new(move |r| tx.send(r.is_ok()).unwrap()))
        .unwrap();
    assert!(rx.recv().unwrap());
    let (tx, rx) = std::sync::mpsc::channel();
    index
        .append_alerts(42, vec![alert(2, false)], Provenance::default(), Box::new(move |r| tx.send(r.is_ok()).unwrap()))
        .unwrap();
    assert!(rx.recv().unwrap());
    assert_eq!(index.feed_position(), 42);
    assert_eq!(find(&index, ".alerts-*", r#"{"term":{"v":2}}"#), ["al"]);
    assert_eq!(total(&index, ".alerts-*"), 1);
    assert_eq!(total(&index, "logs-*") > 0, find(&index, "*", r#"{"term":{"v":2}}"#).is_empty());
    index.refresh(&[], Duration::from_secs(10));
    assert_eq!(find(&index, ".alerts-*", r#"{"term":{"v":2}}"#), ["al"]);
    let seen: usize = index
        .read_from(0, 1_000, 1 << 20)
        .unwrap()
        .iter()
        .filter(|f| matches!(f.kind, Kind::Alerts { .. }))
        .map(|f| f.for_rules().count())
        .sum();
    assert_eq!(seen, 1, "rules see an alert's creation only");
    drop(index);
    assert_eq!(Index::open(dir.path(), Options::default()).unwrap().feed_position(), 42);
}

#[test]
fn a_dropped_index_stays_dropped_and_can_be_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for round in 0..3 {
        write(&index, vec![create("plain", r#"{"n":1}"#).with_id(format!("r{round}"))]);
        if round == 1 {
            index.refresh(&[], Duration::from_secs(10));
        }
        index.drop_index("plain").unwrap();
        assert!(!index.exists("plain"));
    }
    assert!(matches!(index.drop_index("plain"), Err(Error::NoSuchIndex(_))));
    assert!(index.create_index("plain", r#"{"mappings":{"properties":{"t":{"type":"text"}}}}"#.into()).unwrap());
    assert!(!index.create_index("plain", Bytes::new()).unwrap());
    write(&index, vec![create("plain", r#"{"t":"The quick fox"}"#).with_id("last")]);
    drop(index);
    let index = open(dir.path());
    assert_eq!(find(&index, "plain", r#"{"match":{"t":"QUICK"}}"#), ["last"]);
    let info = index.list().unwrap();
    assert_eq!((info.len(), info[0].docs, info[0].stream), (1, 1, false));
}

#[test]
fn one_process_holds_the_folder_and_a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    write(&index, vec![create("plain", "{}")]);
    assert!(matches!(Index::open(dir.path(), Options::default()), Err(Error::Locked(_))));
    drop(index);
    let log = std::fs::read_dir(dir.path().join("wal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[7] = 99;
    std::fs::write(&log, &bytes).unwrap();
    assert!(matches!(Index::open(dir.path(), Options::default()), Err(Error::Newer { found: 99, .. })));
    assert_eq!(std::fs::read(&log).unwrap(), bytes, "nothing was touched");
}

#[test]
fn aggregations_count() {
    use crate::search::{Agg, AggKind, AggResult, MetricKind};
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for (i, host) in ["a", "b", "a", "c", "a"].iter().enumerate() {
        write(
            &index,
            vec![create(
                STREAM,
                &format!(r#"{{"@timestamp":"2026-11-2{i}T00:00:00Z","host":{{"name":"{host}"}},"n":{i}}}"#),
            )],
        );
        if i == 2 {
            index.refresh(&[], Duration::from_secs(10));
        }
    }
    let metric = |kind| Agg { kind: AggKind::Metric { kind, field: "n".into() }, aggs: Default::default() };
    let terms = AggKind::Terms {
        field: "host.name".into(),
        size: 2,
        min_doc_count: 1,
        by_key: false,
        ascending: false,
        missing: None,
    };
    let days =
        AggKind::DateHistogram { field: "@timestamp".into(), interval_ms: 86_400_000, months: None, min_doc_count: 0 };
    let mut aggs = indexmap::IndexMap::new();
    aggs.insert(
        "hosts".into(),
        Agg { kind: terms, aggs: [("most".to_owned(), metric(MetricKind::Max))].into_iter().collect() },
    );
    aggs.insert("days".into(), Agg { kind: days, aggs: Default::default() });
    aggs.insert("sum".into(), metric(MetricKind::Sum));
    aggs.insert(
        "kinds".into(),
        Agg {
            kind: AggKind::Metric { kind: MetricKind::Cardinality, field: "host.name".into() },
            aggs: Default::default(),
        },
    );
    let out = index.search(&SearchRequest { indices: STREAM.into(), size: 0, aggs, ..Default::default() }).unwrap();
    let AggResult::Buckets { buckets, other, .. } = &out.aggs["hosts"] else { panic!() };
    assert_eq!((buckets[0].key.as_str(), buckets[0].count, buckets.len(), *other), (Some("a"), 3, 2, 1));
    assert!(matches!(buckets[0].aggs["most"], AggResult::Metric { value: Some(4.0), .. }));
    let AggResult::Buckets { buckets, .. } = &out.aggs["days"] else { panic!() };
    assert_eq!(buckets.iter().map(|b| b.count).collect::<Vec<_>>(), [1; 5]);
    assert!(matches!(out.aggs["sum"], AggResult::Metric { value: Some(10.0), .. }));
    assert!(matches!(out.aggs["kinds"], AggResult::Metric { value: Some(3.0), .. }));
    let mapping = index.mapping(STREAM, Expand::default()).unwrap();
    let kinds: Vec<String> = mapping.iter().map(|(n, f)| format!("{n}:{}", f.kind)).collect();
    assert_eq!(kinds, ["@timestamp:date", "host.name:keyword", "n:long"]);
}

#[test]
fn events_of_many_years_do_not_open_a_bucket_per_day() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut ops = Vec::new();
    for year in 1990..2040 {
        for day in 1..=20 {
            ops.push(create(STREAM, &format!(r#"{{"@timestamp":"{year}-03-{day:02}T00:00:00Z","TimeCreated":"x"}}"#)));
        }
    }
    write(&index, ops);
    assert!(index.refresh(&[], Duration::from_secs(60)));
    let info = index.list().unwrap();
    assert_eq!(info[0].docs, 1_000);
    assert!(info[0].periods.len() < 60, "{:?}", info[0].periods);
    let q = r#"{"range":{"@timestamp":{"gte":"2019-01-01","lt":"2021-01-01"}}}"#;
    let out = index.search(&SearchRequest { indices: STREAM.into(), query: query(q), ..Default::default() }).unwrap();
    // 2019, 2020 and the bucket of what claims to come from the future, which says nothing about time.
    assert_eq!((out.total, out.buckets), (40, 3));
}
