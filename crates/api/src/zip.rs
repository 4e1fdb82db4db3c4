//! Archives of small text files: ZIP as every system writes and reads it.
//!
//! Invariants: entries and unpacked bytes are bounded before anything is unpacked; checksums are compared; names lead nowhere, they are data.
//! Not here: what the files mean (`routes::workflow_archive`).
//! Source: PKWARE APPNOTE 6.3, methods 0 and 8 without encryption.

use crate::error::{ApiError, Result};
use flate2::{Compression, Crc};
use std::io::{Read, Write};

/// Bytes of all files of an archive.
pub const UNPACKED_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Files of an archive.
pub const FILES_MAX: usize = 1_001;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
/// 1980-01-01, the first date that the format knows: archives of the same files are the same bytes.
const DATE: u16 = 0x21;

fn wrong(message: &str) -> ApiError {
    ApiError::invalid(format!("the archive cannot be read: {message}"))
}

/// An archive of the files, deflated.
pub fn write(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let mut crc = Crc::new();
        crc.update(data);
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
        let packed = encoder.write_all(data).and_then(|()| encoder.finish()).map_err(ApiError::internal)?;
        let size = |n: usize| u32::try_from(n).map_err(|_| wrong("a file is too large"));
        let at = size(out.len())?;
        let mut head = Vec::new();
        // Version 2.0, names in UTF-8, deflate.
        for n in [20u16, 0x800, 8, 0, DATE] {
            head.extend(n.to_le_bytes());
        }
        for n in [crc.sum(), size(packed.len())?, size(data.len())?] {
            head.extend(n.to_le_bytes());
        }
        head.extend((name.len() as u16).to_le_bytes());
        out.extend(LOCAL.to_le_bytes());
        out.extend(&head);
        out.extend(0u16.to_le_bytes());
        out.extend(name.as_bytes());
        out.extend(&packed);
        directory.extend(CENTRAL.to_le_bytes());
        directory.extend(20u16.to_le_bytes());
        directory.extend(&head);
        directory.extend([0u8; 12]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, length) = (out.len() as u32, directory.len() as u32);
    out.extend(&directory);
    out.extend(END.to_le_bytes());
    out.extend([0u8; 4]);
    for _ in 0..2 {
        out.extend((files.len() as u16).to_le_bytes());
    }
    out.extend(length.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    Ok(out)
}

/// The files of an archive; folders are left out.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let u16_at = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]) as usize);
    let u32_at = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let cut = || wrong("it ends early");
    let last = bytes.len().checked_sub(END_BYTES).ok_or_else(|| wrong("it is no ZIP file"))?;
    // The end record may be followed by a comment of up to 64 KiB.
    let end = (last.saturating_sub(65_535)..=last).rev().find(|at| u32_at(*at) == Some(END));
    let end = end.ok_or_else(|| wrong("it is no ZIP file"))?;
    let count = u16_at(end + 10).ok_or_else(cut)?;
    if count > FILES_MAX {
        return Err(wrong(&format!("it holds {count} files, at most {FILES_MAX} are allowed")));
    }
    let mut at = u32_at(end + 16).ok_or_else(cut)? as usize;
    let (mut files, mut total) = (Vec::with_capacity(count), 0u64);
    for _ in 0..count {
        if u32_at(at) != Some(CENTRAL) {
            return Err(wrong("its directory is damaged"));
        }
        let field = |n: usize| u32_at(at + n).ok_or_else(cut);
        let (flags, method) = (u16_at(at + 8).ok_or_else(cut)?, u16_at(at + 10).ok_or_else(cut)?);
        let (sum, packed, size, local) = (field(16)?, field(20)? as usize, u64::from(field(24)?), field(42)? as usize);
        let lengths = [28, 30, 32].map(|n| u16_at(at + n));
        let [Some(name), Some(extra), Some(comment)] = lengths else { return Err(cut()) };
        let raw = bytes.get(at + 46..at + 46 + name).ok_or_else(cut)?;
        let title = String::from_utf8(raw.to_vec()).map_err(|_| wrong("a name is not UTF-8"))?;
        at += 46 + name + extra + comment;
        if title.ends_with('/') {
            continue;
        }
        total = total.saturating_add(size);
        if total > UNPACKED_BYTES_MAX {
            return Err(wrong(&format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes")));
        }
        if flags & 1 != 0 {
            return Err(wrong("it is encrypted"));
        }
        let (n, x) = (u16_at(local + 26).ok_or_else(cut)?, u16_at(local + 28).ok_or_else(cut)?);
        let from = local + 30 + n + x;
        let data = bytes.get(from..from.saturating_add(packed)).ok_or_else(cut)?;
        let data = match method {
            0 => data.to_vec(),
            8 => {
                let mut out = Vec::new();
                let mut reader = flate2::read::DeflateDecoder::new(data).take(size + 1);
                reader.read_to_end(&mut out).map_err(|_| wrong("a file cannot be unpacked"))?;
                out
            }
            other => return Err(wrong(&format!("method {other} is not supported"))),
        };
        let mut crc = Crc::new();
        crc.update(&data);
        if data.len() as u64 != size || crc.sum() != sum {
            return Err(wrong(&format!("`{title}` is damaged")));
        }
        files.push((title, data));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_seen() {
        let files = vec![("a.yaml".to_owned(), b"name: a\n".repeat(500)), ("ä/b.yaml".to_owned(), vec![])];
        let bytes = write(&files).unwrap();
        assert_eq!(read(&bytes).unwrap(), files);
        assert!(bytes.len() < 500);
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut damaged = bytes.clone();
        damaged[45] ^= 1;
        assert!(read(&damaged).is_err());
        assert!(read(b"name: a").is_err());
    }
}
