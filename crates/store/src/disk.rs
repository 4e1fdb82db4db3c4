//! Free space, and the ballast that is given up when the disk is full.
//!
//! Invariants: the ballast is real bytes, not a hole; it is written again only when there is room for it twice over.

use crate::error::Error;
use std::io::Write as _;
use std::path::Path;

/// Size of the ballast.
pub const BALLAST_BYTES: u64 = 8 * 1024 * 1024;
/// Name of the ballast in the data folder.
pub const BALLAST: &str = "ballast";

/// Bytes an unprivileged process may still write to the file system of `path`.
pub fn free_bytes(path: &Path) -> Result<u64, Error> {
    use std::os::unix::ffi::OsStrExt as _;
    let text = std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|e| Error::io(path)(std::io::Error::new(std::io::ErrorKind::InvalidInput, e)))?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    #[allow(unsafe_code, reason = "std has no free space; the pointers are valid for the call")]
    let stat = unsafe {
        if libc::statvfs(text.as_ptr(), stat.as_mut_ptr()) != 0 {
            return Err(Error::io(path)(std::io::Error::last_os_error()));
        }
        stat.assume_init()
    };
    #[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
    Ok((stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
}

/// Writes the ballast where it is missing and there is room; returns whether it is there.
pub fn ballast_fill(dir: &Path) -> bool {
    let path = dir.join(BALLAST);
    if std::fs::metadata(&path).is_ok_and(|m| m.len() >= BALLAST_BYTES) {
        return true;
    }
    if free_bytes(dir).unwrap_or(0) < BALLAST_BYTES * 2 {
        return false;
    }
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&path)?;
        // Bytes that a compressing file system cannot shrink.
        let mut rng = stdx::Rng::new(BALLAST_BYTES);
        let mut block = vec![0u8; 64 * 1024];
        for _ in 0..BALLAST_BYTES / block.len() as u64 {
            for chunk in block.chunks_mut(8) {
                chunk.copy_from_slice(&rng.next_u64().to_le_bytes());
            }
            file.write_all(&block)?;
        }
        file.sync_all()
    };
    write().is_ok() || std::fs::remove_file(&path).is_err()
}

/// Gives the ballast up; returns whether there was one.
pub fn ballast_drop(dir: &Path) -> bool {
    std::fs::remove_file(dir.join(BALLAST)).is_ok()
}
