//! Sealed bodies: one SOAP message in a `multipart/encrypted` frame.
//!
//! Invariants: the length that a frame names is the length that comes out of it, else the message is refused; nothing unsealed passes for
//! sealed.
//! Source: MS-WSMV 2.2.9.1.

use super::ntlm::{SIGNATURE_BYTES, Session};

/// Content type of a sealed body.
pub const CONTENT_TYPE: &str =
    "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";
const PROTOCOL: &str = "application/HTTP-SPNEGO-session-encrypted";
const BOUNDARY: &[u8] = b"--Encrypted Boundary";

/// Why a body cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is not sealed.
    #[error("the host answered with a message that is not sealed")]
    NotSealed,
    /// It is no frame.
    #[error("a sealed message of the host cannot be read: {0}")]
    Frame(&'static str),
    /// It is not the host's.
    #[error(transparent)]
    Ntlm(#[from] super::ntlm::NtlmError),
}

/// True where a content type names a sealed body.
pub fn is_sealed(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    lower.trim_start().starts_with("multipart/encrypted") && lower.contains(&PROTOCOL.to_ascii_lowercase())
}

/// The frame of the next message to the host.
pub fn seal(session: &mut Session, message: &[u8]) -> Vec<u8> {
    let (signature, sealed) = session.seal(message);
    let mut out = Vec::with_capacity(sealed.len() + 400);
    out.extend_from_slice(BOUNDARY);
    out.extend_from_slice(
        format!(
            "\r\n\tContent-Type: {PROTOCOL}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={}\r\n",
            message.len()
        )
        .as_bytes(),
    );
    out.extend_from_slice(BOUNDARY);
    out.extend_from_slice(b"\r\n\tContent-Type: application/octet-stream\r\n");
    out.extend_from_slice(&(SIGNATURE_BYTES as u32).to_le_bytes());
    out.extend_from_slice(&signature);
    out.extend_from_slice(&sealed);
    out.extend_from_slice(BOUNDARY);
    out.extend_from_slice(b"--\r\n");
    out
}

/// The message in the frame that came next from the host.
pub fn unseal(session: &mut Session, content_type: &str, body: &[u8]) -> Result<Vec<u8>, SealError> {
    if !is_sealed(content_type) {
        return Err(SealError::NotSealed);
    }
    let frame = SealError::Frame;
    let rest = line(body, BOUNDARY).ok_or(frame("no boundary at its beginning"))?;
    let (head, rest) = split(rest, BOUNDARY).ok_or(frame("no second boundary"))?;
    let length = length(head).ok_or(frame("no length"))?;
    let rest = rest.strip_prefix(b"\r\n").ok_or(frame("no line end behind a boundary"))?;
    // The part's own header is one line; the bytes behind it may hold anything.
    let (_, rest) = split(rest, b"octet-stream\r\n").ok_or(frame("no octet stream"))?;
    let signed = rest.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    if signed != Some(SIGNATURE_BYTES as u32) {
        return Err(frame("its signature has another length"));
    }
    let signature = rest.get(4..4 + SIGNATURE_BYTES).ok_or(frame("no signature"))?;
    let end = length.checked_add(4 + SIGNATURE_BYTES).ok_or(frame("its length is too large"))?;
    let sealed = rest.get(4 + SIGNATURE_BYTES..end).ok_or(frame("it is shorter than it says"))?;
    if !rest[end..].starts_with(BOUNDARY) || !rest[end + BOUNDARY.len()..].starts_with(b"--") {
        return Err(frame("it is longer than it says, or has several parts"));
    }
    Ok(session.unseal(signature, sealed)?)
}

/// What follows a line that is `text`, after empty lines.
fn line<'a>(body: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    let start = body.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    body[start..].strip_prefix(text)?.strip_prefix(b"\r\n")
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = bytes.windows(at.len()).position(|w| w == at)?;
    Some((&bytes[..found], &bytes[found + at.len()..]))
}

fn length(head: &[u8]) -> Option<usize> {
    let (_, rest) = split(head, b"Length=")?;
    let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).take(10).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "tests/sealed.rs"]
mod tests;
