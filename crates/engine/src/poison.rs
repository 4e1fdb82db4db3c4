//! The poison file: what each worker computes right now, so that what kills the process again and again is found and left alone.
//!
//! Invariants: a note outlives the process (it is written into the file's pages, unsynced) and costs no sync; only pure units are noted
//! (deciding a run, rules on a frame), never a call; a unit found at `STARTS_MAX` starts in a row is in quarantine until a person lifts it.
//! Not here: panics that unwind (they are their component's error at once).
//! Source: `design/engine.md` §11.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// Starts in a row after which a unit is in quarantine.
pub const STARTS_MAX: u32 = 3;
/// Bytes of one worker's note.
const NOTE_BYTES: usize = 192;
/// Name of the file of notes in the data folder.
pub const NOTES: &str = "poison.notes";
/// Name of the file with what was found at earlier starts.
pub const FOUND: &str = "poison.json";

/// Who notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// The core, which decides runs.
    Core,
    /// The detector, which matches rules.
    Detector,
}

impl Worker {
    const ALL: [Self; 2] = [Self::Core, Self::Detector];

    const fn place(self) -> u64 {
        match self {
            Self::Core => 0,
            Self::Detector => NOTE_BYTES as u64,
        }
    }
}

/// The unit of deciding a run.
pub fn unit_of_run(execution: &str) -> String {
    format!("run {execution}")
}

/// The unit of matching all rules against a frame.
pub fn unit_of_frame(number: u64) -> String {
    format!("frame {number}")
}

/// The unit of matching one rule against a frame.
pub fn unit_of_rule(rule: &str, number: u64) -> String {
    format!("rule {rule} × frame {number}")
}

/// What was found at starts: unit and how many in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Units with the number of starts in a row that found them.
    pub units: BTreeMap<String, u32>,
}

impl Found {
    /// Reads what earlier starts found; nothing where there is no file.
    ///
    /// - errors: the file is there and cannot be read.
    pub fn read(dir: &Path) -> std::io::Result<Self> {
        match std::fs::read(dir.join(FOUND)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e),
        }
    }

    fn write(&self, dir: &Path) -> std::io::Result<()> {
        let half = dir.join("poison.json.part");
        let text = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        std::fs::write(&half, text)?;
        File::open(&half)?.sync_all()?;
        std::fs::rename(&half, dir.join(FOUND))
    }

    /// What is in quarantine.
    pub fn quarantined(&self) -> impl Iterator<Item = &str> {
        self.units.iter().filter(|(_, n)| **n >= STARTS_MAX).map(|(u, _)| &**u)
    }

    /// A start found these notes: units noted again count one more, others begin anew; quarantine stays.
    fn start(&mut self, noted: &[String]) {
        self.units.retain(|unit, n| *n >= STARTS_MAX || noted.contains(unit));
        for unit in noted {
            let n = self.units.entry(unit.clone()).or_default();
            *n = (*n + 1).min(STARTS_MAX);
        }
    }
}

/// Lifts a quarantine, of a server that does not run; false when there is none of this unit.
///
/// - errors: the file cannot be read or written.
pub fn lift(dir: &Path, unit: &str) -> std::io::Result<bool> {
    let mut found = Found::read(dir)?;
    let there = found.units.remove(unit).is_some();
    if there {
        found.write(dir)?;
    }
    Ok(there)
}

#[derive(Debug)]
struct Shared {
    file: File,
    found: RwLock<Found>,
}

/// Where a worker notes; without a file (tests, simulation) it notes nothing.
#[derive(Clone, Debug, Default)]
pub struct Poison {
    shared: Option<Arc<Shared>>,
    place: u64,
}

impl Poison {
    /// Opens the file of a data folder, counts what the last process left there, and empties it.
    ///
    /// - errors: the files cannot be read or written.
    pub fn open(dir: &Path) -> std::io::Result<Self> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(dir.join(NOTES))?;
        let mut noted = Vec::new();
        for worker in Worker::ALL {
            let mut note = [0; NOTE_BYTES];
            let n = file.read_at(&mut note, worker.place())?;
            let end = note[..n].iter().position(|b| *b == 0).unwrap_or(n);
            if end > 0 {
                noted.push(String::from_utf8_lossy(&note[..end]).into_owned());
            }
        }
        let mut found = Found::read(dir)?;
        let before = found.clone();
        found.start(&noted);
        if found != before {
            found.write(dir)?;
        }
        for unit in found.quarantined() {
            tracing::error!(
                unit,
                "in quarantine: the process ended while working on it at {STARTS_MAX} starts in a row"
            );
        }
        file.set_len(0)?;
        file.set_len(NOTE_BYTES as u64 * Worker::ALL.len() as u64)?;
        Ok(Self { shared: Some(Arc::new(Shared { file, found: RwLock::new(found) })), place: 0 })
    }

    /// The same file, for a worker.
    #[must_use]
    pub fn of(&self, worker: Worker) -> Self {
        Self { shared: self.shared.clone(), place: worker.place() }
    }

    /// Notes a unit before it is computed.
    pub fn note(&self, unit: &str) {
        let Some(shared) = &self.shared else { return };
        let mut note = [0; NOTE_BYTES];
        let text = stdx::bounded::truncate(unit, NOTE_BYTES - 4);
        note[..text.len()].copy_from_slice(text.as_bytes());
        // A note that cannot be written only means that poison is found later.
        let _ = shared.file.write_all_at(&note, self.place);
    }

    /// Nothing is computed any more.
    pub fn clear(&self) {
        let Some(shared) = &self.shared else { return };
        let _ = shared.file.write_all_at(&[0; 1], self.place);
    }

    /// True when the unit is in quarantine.
    pub fn holds(&self, unit: &str) -> bool {
        self.seen(unit) >= STARTS_MAX
    }

    /// How many starts in a row found the unit.
    pub fn seen(&self, unit: &str) -> u32 {
        let Some(shared) = &self.shared else { return 0 };
        shared.found.read().unwrap_or_else(PoisonError::into_inner).units.get(unit).copied().unwrap_or(0)
    }

    /// True when a start found this frame, or a rule on it: then its rules are tried one by one.
    pub fn suspects(&self, frame: u64) -> bool {
        let Some(shared) = &self.shared else { return false };
        let found = shared.found.read().unwrap_or_else(PoisonError::into_inner);
        let unit = unit_of_frame(frame);
        found
            .units
            .keys()
            .any(|u| u.strip_suffix(&*unit).is_some_and(|before| before.is_empty() || before.ends_with("× ")))
    }

    /// What is in quarantine, for status pages.
    pub fn quarantined(&self) -> Vec<String> {
        let Some(shared) = &self.shared else { return Vec::new() };
        shared.found.read().unwrap_or_else(PoisonError::into_inner).quarantined().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A start that leaves the note behind, as a process that is killed does.
    fn start_and_die(dir: &Path, unit: &str) -> Poison {
        let poison = Poison::open(dir).unwrap();
        poison.of(Worker::Core).note(unit);
        poison
    }

    #[test]
    fn three_starts_in_a_row_quarantine_a_unit() {
        let dir = tempfile::tempdir().unwrap();
        let unit = unit_of_run("e1");
        for _ in 0..3 {
            assert!(!start_and_die(dir.path(), &unit).holds(&unit));
        }
        let poison = Poison::open(dir.path()).unwrap();
        assert!(poison.holds(&unit));
        assert_eq!(Found::read(dir.path()).unwrap().quarantined().collect::<Vec<_>>(), [unit.as_str()]);
        // It stays although the unit is not worked on any more.
        drop(poison);
        assert!(Poison::open(dir.path()).unwrap().holds(&unit));
        assert!(lift(dir.path(), &unit).unwrap());
        assert!(!Poison::open(dir.path()).unwrap().holds(&unit));
    }

    #[test]
    fn a_start_that_ends_elsewhere_breaks_the_row() {
        let dir = tempfile::tempdir().unwrap();
        let unit = unit_of_run("e1");
        start_and_die(dir.path(), &unit);
        start_and_die(dir.path(), &unit);
        let poison = Poison::open(dir.path()).unwrap();
        poison.of(Worker::Core).note(&unit);
        poison.of(Worker::Core).clear();
        drop(poison);
        start_and_die(dir.path(), &unit);
        assert!(!Poison::open(dir.path()).unwrap().holds(&unit));
    }
}
