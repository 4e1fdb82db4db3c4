//! Tests of the decoders.

use super::*;
use std::io::{Cursor, Write as _};

fn all(file: &str, bytes: &[u8]) -> Vec<(u64, Result<String, String>)> {
    open(file, Box::new(Cursor::new(bytes.to_vec())))
        .unwrap()
        .map(|r| (r.number, r.result.map(|b| String::from_utf8(b.to_vec()).unwrap()).map_err(|e| e.to_string())))
        .collect()
}

fn field(record: &(u64, Result<String, String>), path: &str) -> String {
    let value = stdx::json::parse(record.1.as_ref().unwrap()).unwrap();
    value.field(path).map_or_else(|| "-".into(), stdx::json::text)
}

#[test]
fn the_table_is_sorted_and_extensions_are_unique() {
    assert!(DECODERS.windows(2).all(|p| p[0].name < p[1].name));
    let mut seen: Vec<_> = DECODERS.iter().flat_map(|d| d.extensions).collect();
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
    assert!(cef::FIELDS.windows(2).all(|p| p[0].0 < p[1].0));
    assert_eq!(by_file_name("A.JSONL.GZ").map(|(d, gzip)| (d.name, gzip)), Some(("json", true)));
    assert!(by_file_name("noextension").is_none() && by_name("evtx").is_some());
}

#[test]
fn json_lines_pass_unchanged_with_their_numbers() {
    let records = all("x.jsonl", b"\xef\xbb\xbf{\"a\":1}\r\n\n  \n{broken\n{\"b\":2}");
    let lines: Vec<_> = records.into_iter().map(|(n, r)| (n, r.unwrap())).collect();
    assert_eq!(lines, [(1, "{\"a\":1}".into()), (4, "{broken".into()), (5, "{\"b\":2}".to_owned())]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(b"{\"a\":1}\n{\"a\":2}\n").unwrap();
    let packed = gz.finish().unwrap();
    assert_eq!(all("x.ndjson.gz", &packed).len(), 2);
    let torn = all("x.ndjson.gz", &packed[..packed.len() - 12]);
    assert!(torn.last().unwrap().1.as_ref().unwrap_err().starts_with("cannot read: "));
}

#[test]
fn a_line_beyond_the_limit_fails_alone() {
    let mut bytes = vec![b'x'; RECORD_BYTES_MAX + 1];
    bytes.extend_from_slice(b"\n{}\n");
    let records = all("x.jsonl", &bytes);
    assert_eq!(records[0], (1, Err(format!("the record is longer than {RECORD_BYTES_MAX} bytes"))));
    assert_eq!(records[1], (2, Ok("{}".into())));
}

#[test]
fn csv_rows_become_objects() {
    let records = all("x.csv", b"a,b\n1,\"x, \"\"y\"\"\nz\"\n1,2,3\n,4\n\"open");
    assert_eq!(records[0], (2, Ok(r#"{"a":"1","b":"x, \"y\"\nz"}"#.into())));
    assert_eq!(records[1].1, Err("3 cells, the header has 2".into()));
    assert_eq!(records[2].1, Ok(r#"{"b":"4"}"#.into()));
    assert_eq!(records[3].1, Err("a quoted cell is not closed".into()));
}

#[test]
fn syslog_both_forms() {
    let records = all(
        "x.log",
        b"<34>1 2025-01-15T12:00:00.003Z host1 su 77 ID47 [a@1 k=\"v\\\"]\"] 'su root' failed\n<13>Oct  1 02:03:04 host2 sshd[12]: Failed password\nplain text\n<999>x\n",
    );
    let fields = |r, paths: &[&str]| paths.iter().map(|p| field(r, p)).collect::<Vec<_>>().join(" ");
    let paths = ["@timestamp", "host.name", "process.name", "process.pid", "message", "log.syslog.severity.code"];
    assert_eq!(fields(&records[0], &paths), r#""2025-01-15T12:00:00.003Z" "host1" "su" 77 "'su root' failed" 2"#);
    assert_eq!(fields(&records[1], &paths), r#"- "host2" "sshd" 12 "Failed password" 5"#);
    assert_eq!(fields(&records[2], &paths), r#"- - - - "plain text" -"#);
    assert_eq!(fields(&records[3], &["message"]), r#""<999>x""#);
}

#[test]
fn cef_and_leef_become_ecs() {
    let records = all(
        "x.cef",
        b"<5>host CEF:0|Acme\\|Co|Wall|1.0|100|Port scan|7|src=10.0.0.1 spt=1232 msg=two words \\= x dst=2.1.2.2 custom=y rt=1736942400123\nnothing\n",
    );
    let r = &records[0];
    assert_eq!(field(r, "observer.vendor"), r#""Acme|Co""#);
    assert_eq!(field(r, "source.port"), "1232");
    assert_eq!(field(r, "message"), r#""two words = x""#);
    assert_eq!(field(r, "destination.ip"), r#""2.1.2.2""#);
    assert_eq!(field(r, "cef.extensions.custom"), r#""y""#);
    assert_eq!(field(r, "@timestamp"), "1736942400123");
    assert!(records[1].1.is_err());
    let records = all(
        "x.leef",
        b"LEEF:2.0|Acme|Box|1|42|^|src=10.0.0.1^usrName=eve^x=y\nLEEF:1.0|A|B|1|7|src=1.1.1.1\tdstPort=80\n-\n",
    );
    assert_eq!(field(&records[0], "user.name"), r#""eve""#);
    assert_eq!(field(&records[0], "leef.attributes.x"), r#""y""#);
    assert_eq!(field(&records[1], "destination.port"), "80");
    assert!(records[2].1.is_err());
}

#[test]
fn a_damaged_evtx_is_an_error_and_not_a_panic() {
    let records = all("x.evtx", b"ElfFile\0 but then nothing of the kind");
    assert_eq!(records.len(), 1);
    assert!(records[0].1.is_err());
    assert!(all("x.evtx", b"")[0].1.is_err());
}

/// Records of the three binary logs of the corpus equal the same records as JSON lines.
#[test]
fn evtx_files_of_the_corpus_decode_whole() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/events/evtx/");
    for (file, count) in [("sysmon.evtx", 14), ("security.evtx", 30), ("larger.evtx", 1023)] {
        let Ok(bytes) = std::fs::read(format!("{dir}{file}")) else {
            println!("skipped: corpus absent");
            return;
        };
        let records = all(file, &bytes);
        assert_eq!(records.iter().filter(|r| r.1.is_ok()).count(), count, "{file}");
        assert_eq!(records.len(), count, "{file}");
        assert_ne!(field(&records[0], "Event.System.EventID"), "-");
        // Cut anywhere, the rest still decodes or fails record by record.
        for cut in [5000, 70_000, bytes.len() - 3] {
            all(file, &bytes[..cut.min(bytes.len())]);
        }
    }
}

/// No bytes make a decoder panic, and every record is text or an error.
#[test]
fn decoders_never_panic() {
    let mut rng = stdx::Rng::new(11);
    let alphabet = b"{}[]\",:\\|=<>1 \nCEFLEEF:0aT-^\xff\xc3\xa9Oct  1 02:03:04 h ";
    for _ in 0..400 {
        let bytes: Vec<u8> = (0..rng.below(200)).map(|_| alphabet[rng.below(alphabet.len() as u64) as usize]).collect();
        for d in DECODERS {
            for record in (d.open)(Box::new(Cursor::new(bytes.clone()))) {
                assert!(record.number > 0);
            }
        }
    }
}
