//! Blobs: values over 1 MiB as files beside the database, named by the hash of their bytes.
//!
//! Invariants: a blob is written, synced and renamed before the commit that refers to it; the same bytes are one file; a file that no row
//! refers to is swept a day after it was written.
//! Not here: which values a run keeps (`workflow`).
//! Source: `design/engine.md` §3.

use crate::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Values of more bytes than this are blobs.
pub const BLOB_BYTES_MIN: usize = 1024 * 1024;
/// Name of the folder in the data folder.
pub const FOLDER: &str = "blobs";
/// How long an unreferenced blob stays.
pub const UNREFERENCED_KEPT: Duration = Duration::from_secs(24 * 3600);
/// What stands before the hash in a row.
const PREFIX: &str = "blob:";

/// The hash that a row's body names, if it names one.
pub(crate) fn of_body(body: &str) -> Option<&str> {
    body.strip_prefix(PREFIX).filter(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn path(dir: &Path, hash: &str) -> PathBuf {
    dir.join(FOLDER).join(hash)
}

/// Writes a blob; returns what its row holds.
///
/// - errors: the file cannot be written or synced.
pub(crate) fn write(dir: &Path, text: &str) -> Result<Arc<str>, Error> {
    let folder = dir.join(FOLDER);
    let hash = stdx::id::sha256_hex(text.as_bytes());
    let target = path(dir, &hash);
    let body: Arc<str> = format!("{PREFIX}{hash}").into();
    if target.exists() {
        // Young again, so that no sweep takes it before this commit refers to it.
        let file = File::options().write(true).open(&target).map_err(Error::io(&target))?;
        file.set_modified(SystemTime::now()).map_err(Error::io(&target))?;
        return Ok(body);
    }
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let half = folder.join(format!("{hash}.{:?}.part", std::thread::current().id()));
    let mut file = File::create(&half).map_err(Error::io(&half))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Error::io(&half))?;
    std::fs::rename(&half, &target).map_err(Error::io(&target))?;
    File::open(&folder).and_then(|f| f.sync_all()).map_err(Error::io(&folder))?;
    Ok(body)
}

/// Reads a blob and checks that it is what its name says.
pub(crate) fn read(dir: &Path, hash: &str) -> Result<String, Error> {
    let path = path(dir, hash);
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    if stdx::id::sha256_hex(text.as_bytes()) != *hash {
        return Err(Error::Damaged { what: format!("blob {hash}"), why: "its bytes are not those of its name".into() });
    }
    Ok(text)
}

/// Removes files that nobody refers to and that are old enough; how many.
pub(crate) fn sweep(
    dir: &Path,
    now: SystemTime,
    referenced: impl Fn(&str) -> Result<bool, Error>,
) -> Result<usize, Error> {
    let folder = dir.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::io(&folder)(e)),
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry.map_err(Error::io(&folder))?;
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| now.duration_since(t).ok());
        let name = entry.file_name().to_string_lossy().into_owned();
        if age.is_some_and(|a| a >= UNREFERENCED_KEPT) && !referenced(&format!("{PREFIX}{name}"))? {
            std::fs::remove_file(entry.path()).map_err(Error::io(entry.path()))?;
            swept += 1;
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_one_file_that_goes_when_nobody_refers_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let body = write(dir.path(), "\"large\"").unwrap();
        assert_eq!(write(dir.path(), "\"large\"").unwrap(), body);
        let hash = of_body(&body).unwrap();
        assert_eq!(read(dir.path(), hash).unwrap(), "\"large\"");
        let tomorrow = SystemTime::now() + UNREFERENCED_KEPT + Duration::from_secs(1);
        assert_eq!(sweep(dir.path(), SystemTime::now(), |_| Ok(false)).unwrap(), 0, "too young");
        assert_eq!(sweep(dir.path(), tomorrow, |b| Ok(*b == *body)).unwrap(), 0, "referred to");
        assert_eq!(sweep(dir.path(), tomorrow, |_| Ok(false)).unwrap(), 1);
        assert!(read(dir.path(), hash).is_err());
    }

    #[test]
    fn a_changed_blob_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let body = write(dir.path(), "\"large\"").unwrap();
        let hash = of_body(&body).unwrap();
        std::fs::write(dir.path().join(FOLDER).join(hash), "\"other\"").unwrap();
        assert!(matches!(read(dir.path(), hash), Err(Error::Damaged { .. })));
    }
}
