//! A full disk: commits fail whole, what was acknowledged stays, and with room again it goes on.

use super::{T0, case_body, command};
use crate::{CaseFilter, Error, Options, Store, verify};
use std::process::{Command, Stdio};
use stdx::Id;
use triage::Command as Triage;

const DIR: &str = "WATCHFIRE_STORE_FULL_DIR";

fn create(store: &Store, i: u64) -> Result<(), Error> {
    let mut body = case_body("full");
    body.object_mut().unwrap().insert("description", "x".repeat(8000));
    store.commit_blocking(command(T0, Triage::CaseCreate { id: Id::from(format!("c{i}")), body })).map(drop)
}

fn total(store: &Store) -> u64 {
    store.read(|r| r.case_find(&CaseFilter { space: "default".into(), limit: 1, ..Default::default() })).unwrap().total
}

/// Creates cases until one fails; returns how many were acknowledged.
fn fill(store: &Store, first: u64) -> (u64, Error) {
    for i in first.. {
        if let Err(e) = create(store, i) {
            return (i, e);
        }
        assert!(i < 100_000, "it never becomes full");
    }
    unreachable!()
}

#[test]
fn full_database_goes_on_with_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Options { ballast: false, pages_max: Some(300) }).unwrap();
    let (n, e) = fill(&store, 0);
    assert!(matches!(e, Error::Full(_)), "{e}");
    assert!(store.health().is_err());
    assert!(n > 5);
    assert_eq!(total(&store), n, "what was acknowledged is there, and nothing else");
    assert!(matches!(create(&store, n), Err(Error::Full(_))), "and again");
    assert_eq!(verify(dir.path()).unwrap().broken, None);
    store.with_writer(|w| w.reader().conn.pragma_update(None, "max_page_count", 100_000)).unwrap().unwrap();
    for i in n..n + 20 {
        create(&store, i).unwrap();
    }
    assert!(store.health().is_ok());
    assert_eq!(total(&store), n + 20);
    assert_eq!(verify(dir.path()).unwrap().broken, None);
}

#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = Store::open(dir.as_ref(), &Options { ballast: false, pages_max: None }).unwrap();
    let (n, e) = fill(&store, 0);
    println!("full {n} {}", e.code());
}

#[test]
fn full_disk_under_the_process_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A limit on the size of files stands in for a full disk: writes fail with an error, as they do there.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" tests::full::child --exact --nocapture";
    let out = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(DIR, dir.path())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find_map(|l| l.split_once("full ")).unwrap_or_else(|| panic!("the child said: {text}")).1;
    let (n, code) = line.split_once(' ').unwrap();
    let n: u64 = n.parse().unwrap();
    assert_eq!(code, "storeFull");
    assert!(n > 5);
    assert_eq!(verify(dir.path()).unwrap().broken, None);
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    assert_eq!(total(&store), n);
    create(&store, n).unwrap();
}

#[test]
fn the_ballast_is_given_up_and_written_again() {
    let dir = tempfile::tempdir().unwrap();
    assert!(crate::disk::ballast_fill(dir.path()));
    let path = dir.path().join(crate::disk::BALLAST);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), crate::disk::BALLAST_BYTES);
    assert!(crate::disk::ballast_drop(dir.path()));
    assert!(!crate::disk::ballast_drop(dir.path()));
    assert!(!path.exists());
    assert!(crate::disk::ballast_fill(dir.path()));
}
