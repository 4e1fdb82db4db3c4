//! Schedules over a store: missed occurrences, overlap, a clock that jumps back.

use super::*;
use workflow::{Catalogue, Command, Program};

/// A minute of today: the store's own upkeep goes by the clock of the wall, and what is old there goes.
static START: std::sync::LazyLock<Time> = std::sync::LazyLock::new(crate::clock::now);

fn minute(n: i64) -> Time {
    Time(START.0 + n * 60_000_000)
}

fn listener() -> Listener {
    let yaml = "name: nightly\ntriggers:\n  - type: scheduled\n    with: { every: 15m }\nsteps:\n  - name: say\n    type: console\n    \
                with: { message: hello }\n";
    let (program, found) = Program::load(yaml, &Catalogue::default());
    let program = Arc::new(program.unwrap_or_else(|| panic!("{found:?}")));
    Listener { workflow: Id::from("w"), version: 1, updated_by: "ann".into(), since: minute(0), program }
}

fn look(store: &Store, at: i64) -> Passed {
    pass(store, &"default".into(), &listener(), minute(at)).unwrap()
}

fn runs(store: &Store) -> Vec<(Status, Time)> {
    let filter = ExecutionFilter { space: "default".into(), ascending: true, limit: 100, ..ExecutionFilter::default() };
    store.read(|r| r.execution_list(&filter)).unwrap().into_iter().map(|e| (e.status, e.arrived)).collect()
}

#[test]
fn of_missed_occurrences_only_the_latest_runs_and_says_for_how_many() {
    let store = Store::open_memory().unwrap();
    assert!(look(&store, 14).committed.is_empty());
    assert_eq!(look(&store, 14).next, Some(minute(15)));
    assert_eq!(look(&store, 62).committed.len(), 1);
    assert_eq!(runs(&store), [(Status::Pending, minute(60))]);
    let id = store.read(|r| r.mailbox_waiting("", 10)).unwrap().remove(0);
    let mail = store.read(|r| r.mailbox_read(&id)).unwrap().remove(0);
    let Command::Start(start) = mail.command else { panic!("a start") };
    assert_eq!(start.cause, Cause::Schedule { due: minute(60), missed: 3 });
    assert_eq!(&*start.principal, "ann");
    assert!(look(&store, 62).committed.is_empty(), "an occurrence runs once");
    assert!(look(&store, 30).committed.is_empty(), "a clock that jumps back repeats nothing");
}

#[test]
fn an_occurrence_while_the_last_run_is_open_is_skipped() {
    let store = Store::open_memory().unwrap();
    look(&store, 15);
    assert_eq!(look(&store, 30).committed.len(), 1);
    assert_eq!(runs(&store), [(Status::Pending, minute(15)), (Status::Skipped, minute(30))]);
    assert!(store::verify(store.dir()).unwrap().broken.is_none());
}
