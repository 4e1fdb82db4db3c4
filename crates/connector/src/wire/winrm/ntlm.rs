//! NTLMv2 as a client: three messages, then sealed and signed bytes in both directions.
//!
//! Invariants: pure: time and random bytes are given; a host that does not offer 128-bit sealing with extended session security is refused,
//! never spoken to unsealed; no `Debug` shows a password or a key.
//! Not here: the framing of sealed bodies (`sealed`), HTTP (`engine::transport`).
//! Source: MS-NLMP 2.2 (messages), 3.3.2 (NTLMv2), 3.4.4 and 3.4.5 (signing, sealing, keys); its vectors of 4.2.4 are the tests.

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use rc4::{Rc4, StreamCipher};
use std::fmt;

/// Bytes of a message at most; a challenge of Windows has a few hundred.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Pairs of a challenge's target information at most.
const PAIRS_MAX: usize = 64;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 16;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Windows 10 as the client's version, NTLM revision 15; nothing depends on it.
const VERSION: [u8; 8] = [10, 0, 0x63, 0x45, 0, 0, 0, 15];

const UNICODE: u32 = 0x1;
const REQUEST_TARGET: u32 = 0x4;
const SIGN: u32 = 0x10;
const SEAL: u32 = 0x20;
const NTLM: u32 = 0x200;
const ALWAYS_SIGN: u32 = 0x8000;
const EXTENDED: u32 = 0x8_0000;
const TARGET_INFO: u32 = 0x80_0000;
const WITH_VERSION: u32 = 0x200_0000;
const BITS_128: u32 = 0x2000_0000;
const KEY_EXCHANGE: u32 = 0x4000_0000;
const BITS_56: u32 = 0x8000_0000;
/// What is asked for.
const WANTED: u32 = UNICODE
    | REQUEST_TARGET
    | SIGN
    | SEAL
    | NTLM
    | ALWAYS_SIGN
    | EXTENDED
    | TARGET_INFO
    | WITH_VERSION
    | BITS_128
    | KEY_EXCHANGE
    | BITS_56;
/// Without these nothing is sent.
const NEEDED: u32 = UNICODE | SIGN | SEAL | EXTENDED | BITS_128 | KEY_EXCHANGE;

const AV_END: u16 = 0;
const AV_FLAGS: u16 = 6;
const AV_TIMESTAMP: u16 = 7;
/// Flag of the target information: the third message carries an integrity code.
const AV_FLAG_MIC: u32 = 0x2;
/// Where the integrity code stands in the third message, and where its payload begins.
const MIC_AT: usize = 72;
const PAYLOAD_AT: usize = 88;

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NtlmError {
    /// The host's message is none.
    #[error("the host's NTLM challenge cannot be read: {0}")]
    Challenge(&'static str),
    /// The host offers less than is needed.
    #[error("the host does not offer NTLM with 128-bit sealing")]
    Unsealed,
    /// Sealed bytes do not carry the signature that they should.
    #[error("a sealed message of the host has a wrong signature")]
    Signature,
}

/// Who signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User without domain.
    pub user: String,
    /// Domain; empty for an account of the host, or where the user is `name@domain`.
    pub domain: String,
    /// Password.
    pub password: String,
}

impl Credentials {
    /// From `DOMAIN\user`, `user@domain` or `user`.
    pub fn new(user: &str, password: &str) -> Self {
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        Self { user: user.into(), domain: domain.into(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}\\{})", self.domain, self.user)
    }
}

/// Random bytes of one sign-in.
#[derive(Clone, Copy)]
pub struct Draws {
    /// The client's challenge.
    pub challenge: [u8; 8],
    /// The key of the session.
    pub session_key: [u8; 16],
}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draws")
    }
}

/// The first message.
pub fn negotiate() -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    out.extend_from_slice(&1u32.to_le_bytes());
    out.extend_from_slice(&WANTED.to_le_bytes());
    // Neither domain nor workstation is named: empty fields behind the header.
    for _ in 0..2 {
        out.extend_from_slice(&[0, 0, 0, 0, 40, 0, 0, 0]);
    }
    out.extend_from_slice(&VERSION);
    out
}

/// What of the second message matters.
struct Challenge {
    flags: u32,
    nonce: [u8; 8],
    /// Pairs without the end.
    pairs: Vec<(u16, Vec<u8>)>,
}

fn read_challenge(message: &[u8]) -> Result<Challenge, NtlmError> {
    let wrong = NtlmError::Challenge;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(wrong("it is too long"));
    }
    if message.get(..8) != Some(SIGNATURE.as_slice()) || u32_at(message, 8) != Some(2) {
        return Err(wrong("it is no challenge"));
    }
    let flags = u32_at(message, 20).ok_or(wrong("it is too short"))?;
    let nonce = message.get(24..32).and_then(|b| b.try_into().ok()).ok_or(wrong("it is too short"))?;
    let mut pairs = Vec::new();
    if flags & TARGET_INFO != 0 {
        let length = u16_at(message, 40).ok_or(wrong("it is too short"))?;
        let at = u32_at(message, 44).and_then(|n| usize::try_from(n).ok()).ok_or(wrong("it is too short"))?;
        let end = at.checked_add(usize::from(length)).ok_or(wrong("a field lies outside"))?;
        let mut rest = message.get(at..end).ok_or(wrong("a field lies outside"))?;
        while let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            if id == AV_END {
                break;
            }
            let end = 4 + usize::from(length);
            let value = rest.get(4..end).ok_or(wrong("a pair lies outside"))?;
            if pairs.len() >= PAIRS_MAX {
                return Err(wrong("it has too many pairs"));
            }
            pairs.push((id, value.to_vec()));
            rest = &rest[end..];
        }
    }
    Ok(Challenge { flags, nonce, pairs })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Hmac<Md5>>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn rc4(key: &[u8; 16]) -> Rc4 {
    Rc4::new_from_slice(key).expect("RC4 takes keys of 16 bytes")
}

/// The key of a password (NTOWFv2).
fn response_key(who: &Credentials) -> [u8; 16] {
    let hash = Md4::digest(utf16(&who.password));
    hmac_md5(&hash, &[&utf16(&upper(&who.user)), &utf16(&who.domain)])
}

/// Upper case as Windows has it: one character stays one, so `ß` stays itself.
fn upper(text: &str) -> String {
    let one = |c: char| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(upper), None) => upper,
            _ => c,
        }
    };
    text.chars().map(one).collect()
}

/// The answer to the challenge, and the key of the session before the exchange.
struct Response {
    nt: Vec<u8>,
    lm: [u8; 24],
    session_base: [u8; 16],
}

fn respond(who: &Credentials, nonce: &[u8; 8], mine: &[u8; 8], time: u64, pairs: &[u8], with_lm: bool) -> Response {
    let key = response_key(who);
    let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
    temp.extend_from_slice(&time.to_le_bytes());
    temp.extend_from_slice(mine);
    temp.extend_from_slice(&[0; 4]);
    temp.extend_from_slice(pairs);
    temp.extend_from_slice(&[0; 4]);
    let proof = hmac_md5(&key, &[nonce, &temp]);
    let mut lm = [0; 24];
    if with_lm {
        lm[..16].copy_from_slice(&hmac_md5(&key, &[nonce, mine]));
        lm[16..].copy_from_slice(mine);
    }
    Response { nt: [&proof[..], &temp].concat(), lm, session_base: hmac_md5(&key, &[&proof]) }
}

/// The third message, and the session that it opens.
///
/// - `challenge`: the host's message as it came.
/// - `now`: 100 ns since 1601, used where the host sends no time of its own.
/// - errors: a message that cannot be read, a host that does not seal.
pub fn authenticate(
    who: &Credentials,
    challenge: &[u8],
    draws: &Draws,
    now: u64,
) -> Result<(Vec<u8>, Session), NtlmError> {
    let read = read_challenge(challenge)?;
    if read.flags & NEEDED != NEEDED {
        return Err(NtlmError::Unsealed);
    }
    let flags = read.flags & WANTED;
    let theirs = read.pairs.iter().find(|(id, _)| *id == AV_TIMESTAMP);
    let theirs = theirs.and_then(|(_, v)| <[u8; 8]>::try_from(v.as_slice()).ok()).map(u64::from_le_bytes);
    let mut pairs = Vec::new();
    let mut put = |id: u16, value: &[u8]| {
        pairs.extend_from_slice(&id.to_le_bytes());
        pairs.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        pairs.extend_from_slice(value);
    };
    let mut marks = AV_FLAG_MIC;
    for (id, value) in &read.pairs {
        match *id {
            AV_FLAGS => marks |= u32_at(value, 0).unwrap_or(0),
            id => put(id, value),
        }
    }
    put(AV_FLAGS, &marks.to_le_bytes());
    put(AV_END, &[]);
    let response = respond(who, &read.nonce, &draws.challenge, theirs.unwrap_or(now), &pairs, theirs.is_none());
    let mut exchanged = draws.session_key;
    rc4(&response.session_base).apply_keystream(&mut exchanged);
    let payload = [
        response.lm.to_vec(),
        response.nt,
        utf16(&who.domain),
        utf16(&who.user),
        Vec::new(), // the workstation is nobody's business
        exchanged.to_vec(),
    ];
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&3u32.to_le_bytes());
    let mut at = PAYLOAD_AT;
    for field in &payload {
        let length = u16::try_from(field.len()).map_err(|_| NtlmError::Challenge("a field is too long"))?;
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(&u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes());
        at += field.len();
    }
    message.extend_from_slice(&flags.to_le_bytes());
    message.extend_from_slice(&VERSION);
    message.extend_from_slice(&[0; 16]);
    payload.iter().for_each(|field| message.extend_from_slice(field));
    let mic = hmac_md5(&draws.session_key, &[&negotiate(), challenge, &message]);
    message[MIC_AT..MIC_AT + 16].copy_from_slice(&mic);
    Ok((message, Session::new(&draws.session_key)))
}

/// One direction of a session.
struct Way {
    signing: [u8; 16],
    cipher: Rc4,
    number: u32,
}

impl Way {
    fn new(key: &[u8; 16], signing: &[u8], sealing: &[u8]) -> Self {
        let derived = |magic: &[u8]| -> [u8; 16] { Md5::new().chain_update(key).chain_update(magic).finalize().into() };
        Self { signing: derived(signing), cipher: rc4(&derived(sealing)), number: 0 }
    }
    /// The signature of the next message; its bytes must have gone through the cipher before.
    fn signature(&mut self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let number = self.number.to_le_bytes();
        let mut sum: [u8; 8] = hmac_md5(&self.signing, &[&number, message])[..8].try_into().expect("8 of 16 bytes");
        self.cipher.apply_keystream(&mut sum);
        self.number = self.number.wrapping_add(1);
        let mut out = [0; SIGNATURE_BYTES];
        out[0] = 1;
        out[4..12].copy_from_slice(&sum);
        out[12..].copy_from_slice(&number);
        out
    }
}

/// The keys of a connection that signed in.
pub struct Session {
    out: Way,
    back: Way,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} out, {} back)", self.out.number, self.back.number)
    }
}

impl Session {
    fn new(key: &[u8; 16]) -> Self {
        Self {
            out: Way::new(
                key,
                b"session key to client-to-server signing key magic constant\0",
                b"session key to client-to-server sealing key magic constant\0",
            ),
            back: Way::new(
                key,
                b"session key to server-to-client signing key magic constant\0",
                b"session key to server-to-client sealing key magic constant\0",
            ),
        }
    }
    /// Signature and sealed bytes of the next message to the host.
    pub fn seal(&mut self, message: &[u8]) -> ([u8; SIGNATURE_BYTES], Vec<u8>) {
        let mut sealed = message.to_vec();
        self.out.cipher.apply_keystream(&mut sealed);
        (self.out.signature(message), sealed)
    }
    /// The next message of the host.
    ///
    /// - errors: a signature that is not this message's; the session is of no use afterwards.
    pub fn unseal(&mut self, signature: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NtlmError> {
        let mut message = sealed.to_vec();
        self.back.cipher.apply_keystream(&mut message);
        let right = self.back.signature(&message);
        // All bytes are compared, whichever differ.
        let differ = right.iter().zip(signature).fold(0, |all, (a, b)| all | (a ^ b));
        if signature.len() == SIGNATURE_BYTES && differ == 0 { Ok(message) } else { Err(NtlmError::Signature) }
    }
}

#[cfg(test)]
pub(super) mod tests_support {
    use super::Session;

    /// Both sides of a session with the key of the published vectors.
    pub fn pair() -> (Session, Session) {
        let Session { out, back } = Session::new(&[0x55; 16]);
        (Session::new(&[0x55; 16]), Session { out: back, back: out })
    }
}

#[cfg(test)]
#[path = "tests/ntlm.rs"]
mod tests;
