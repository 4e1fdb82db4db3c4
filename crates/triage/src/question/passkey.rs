//! Passkeys (WebAuthn): what an authenticator signed for one answer, verified from what is kept and nothing else.
//!
//! Invariants: a signature covers one question, one hash of frozen bytes, one verdict and one person, by a challenge that is made of them and of
//! a nonce; the person was verified by the authenticator (UV), not only present; what was signed elsewhere (origin, relying party) is none.
//! Not here: that a challenge is used once and in time, which key is whose (`api`).
//! Source: W3C Web Authentication Level 3, §6.1, §7.1, §7.2; RFC 9052 and 9053 (COSE keys); `design/engine.md` §8.

mod cbor;

use super::Verdict;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use cbor::Item;
use ed25519_dalek::Verifier as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use stdx::{Id, Value};

/// Bytes of one field of an assertion or a registration at most, as base64url text.
pub const FIELD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a credential's id at most.
pub const CREDENTIAL_BYTES_MAX: usize = 1_023;
/// Authenticator data without credential and extensions.
const AUTH_DATA_BYTES: usize = 37;
/// Flags of the authenticator data: user present, user verified, credential attached.
const UP: u8 = 0x01;
const UV: u8 = 0x04;
const AT: u8 = 0x40;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; the key is an uncompressed SEC1 point.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519; the key is its 32 bytes.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// A public key that a person registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Id, base64url.
    pub id: Arc<str>,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The key, base64url.
    pub public_key: Arc<str>,
    /// The authenticator's count of signatures; 0 where it keeps none.
    pub counter: u32,
}

/// Where the page stands.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Relying party: a host name.
    pub rp_id: &'a str,
    /// Origin of the page.
    pub origin: &'a str,
}

/// An answer's signature with everything that verifies it. All binary members are base64url without padding, as the browser gave them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Id of the credential.
    pub credential: Arc<str>,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Its public key.
    pub public_key: Arc<str>,
    /// Relying party.
    pub rp_id: Arc<str>,
    /// Origin of the page.
    pub origin: Arc<str>,
    /// What made the challenge unique.
    pub nonce: Arc<str>,
    /// Authenticator data.
    pub authenticator_data: Arc<str>,
    /// Client data, JSON.
    pub client_data: Arc<str>,
    /// Signature over authenticator data and the hash of the client data.
    pub signature: Arc<str>,
}

/// What is wrong with a signature or a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not what a browser sends.
    #[error("it is not what a browser sends")]
    Malformed,
    /// Made for another purpose.
    #[error("it was made for another purpose")]
    Purpose,
    /// Another challenge: another question, other bytes, another answer, another person, or an old one.
    #[error("it signs another challenge")]
    Challenge,
    /// Another page asked for it.
    #[error("another page asked for it")]
    Origin,
    /// Another relying party.
    #[error("it is for another site")]
    RelyingParty,
    /// The person was not verified.
    #[error("the authenticator did not verify the person")]
    Unverified,
    /// Unknown kind of key, or no point of the curve.
    #[error("the key is of a kind that is not supported")]
    Key,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
}

/// What is signed for an answer: SHA-256 over the length-prefixed (eight bytes, little-endian) parts `watchfire approval 1`, nonce, id of the
/// question, hash of its frozen actions, verdict, name of the person.
pub fn challenge(nonce: &str, question: &Id, hash: &str, verdict: Verdict, user: &str) -> [u8; 32] {
    let verdict = stdx::json::to_value(&verdict);
    let verdict = verdict.as_str().unwrap_or_default();
    stdx::id::hash_parts(&["watchfire approval 1", nonce, question.as_str(), hash, verdict, user])
}

/// What a registration signs: the same over `watchfire passkey 1`, nonce, name of the person.
pub fn registration_challenge(nonce: &str, user: &str) -> [u8; 32] {
    stdx::id::hash_parts(&["watchfire passkey 1", nonce, user])
}

/// Bytes of base64url text, padding allowed.
fn bytes(text: &str) -> Result<Vec<u8>, Flaw> {
    if text.len() > FIELD_BYTES_MAX {
        return Err(Flaw::Malformed);
    }
    B64.decode(text.trim_end_matches('=')).map_err(|_| Flaw::Malformed)
}

/// The text of bytes as it is kept.
pub fn text(bytes: &[u8]) -> String {
    B64.encode(bytes)
}

/// The challenge that client data say was signed.
pub fn challenge_of(client_data: &str) -> Result<Arc<str>, Flaw> {
    client(&bytes(client_data)?)?.get("challenge").and_then(Value::as_str).map(Arc::from).ok_or(Flaw::Malformed)
}

/// The origin that client data name.
pub fn origin_of(client_data: &str) -> Result<Arc<str>, Flaw> {
    client(&bytes(client_data)?)?.get("origin").and_then(Value::as_str).map(Arc::from).ok_or(Flaw::Malformed)
}

fn client(bytes: &[u8]) -> Result<Value, Flaw> {
    let text = std::str::from_utf8(bytes).map_err(|_| Flaw::Malformed)?;
    let value = stdx::json::parse(text).map_err(|_| Flaw::Malformed)?;
    value.as_object().is_some().then_some(value).ok_or(Flaw::Malformed)
}

fn check_client(bytes: &[u8], purpose: &str, challenge: &[u8; 32], origin: &str) -> Result<(), Flaw> {
    let data = client(bytes)?;
    let member = |key: &str| data.get(key).and_then(Value::as_str);
    if member("type") != Some(purpose) {
        return Err(Flaw::Purpose);
    }
    if member("challenge") != Some(&*B64.encode(challenge)) {
        return Err(Flaw::Challenge);
    }
    if member("origin") != Some(origin) || data.get("crossOrigin").and_then(Value::as_bool) == Some(true) {
        return Err(Flaw::Origin);
    }
    Ok(())
}

/// The counter of authenticator data that are for this site, of a person who was verified.
fn check_authenticator(data: &[u8], rp_id: &str) -> Result<u32, Flaw> {
    if data.len() < AUTH_DATA_BYTES {
        return Err(Flaw::Malformed);
    }
    if data[..32] != Sha256::digest(rp_id.as_bytes())[..] {
        return Err(Flaw::RelyingParty);
    }
    if data[32] & UP == 0 || data[32] & UV == 0 {
        return Err(Flaw::Unverified);
    }
    Ok(u32::from_be_bytes([data[33], data[34], data[35], data[36]]))
}

impl Signed {
    /// Verifies the signature of a person's answer to a question; the authenticator's count of signatures.
    pub fn verify(&self, question: &Id, hash: &str, verdict: Verdict, user: &str) -> Result<u32, Flaw> {
        let client = bytes(&self.client_data)?;
        let challenge = challenge(&self.nonce, question, hash, verdict, user);
        check_client(&client, "webauthn.get", &challenge, &self.origin)?;
        let mut signed = bytes(&self.authenticator_data)?;
        let counter = check_authenticator(&signed, &self.rp_id)?;
        signed.extend_from_slice(&Sha256::digest(&client));
        let (key, signature) = (bytes(&self.public_key)?, bytes(&self.signature)?);
        match self.algorithm {
            Algorithm::Es256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key).map_err(|_| Flaw::Key)?;
                let raw = raw_signature(&signature).ok_or(Flaw::Signature)?;
                let signature = p256::ecdsa::Signature::from_slice(&raw).map_err(|_| Flaw::Signature)?;
                key.verify(&signed, &signature).map_err(|_| Flaw::Signature)?;
            }
            Algorithm::EdDsa => {
                let key = ed25519_key(&key).ok_or(Flaw::Key)?;
                let signature = ed25519_dalek::Signature::from_slice(&signature).map_err(|_| Flaw::Signature)?;
                key.verify_strict(&signed, &signature).map_err(|_| Flaw::Signature)?;
            }
        }
        Ok(counter)
    }
}

fn ed25519_key(bytes: &[u8]) -> Option<ed25519_dalek::VerifyingKey> {
    ed25519_dalek::VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()
}

/// The two numbers of an ECDSA signature in DER, as 64 bytes.
fn raw_signature(der: &[u8]) -> Option<[u8; 64]> {
    let rest = der.strip_prefix(&[0x30])?;
    let (len, mut rest) = rest.split_first()?;
    if usize::from(*len) != rest.len() || *len > 0x7f {
        return None;
    }
    let mut out = [0u8; 64];
    for half in out.chunks_exact_mut(32) {
        let (len, after) = rest.strip_prefix(&[0x02])?.split_first()?;
        let number = after.get(..usize::from(*len))?;
        rest = &after[number.len()..];
        let plain = match number {
            [0, first, ..] if *first >= 0x80 => &number[1..],
            [first, ..] if *first < 0x80 && (*first != 0 || number.len() == 1) => number,
            _ => return None,
        };
        half.get_mut(32usize.checked_sub(plain.len())?..)?.copy_from_slice(plain);
    }
    rest.is_empty().then_some(out)
}

/// Reads what a browser gives for a new passkey. Attestation is not asked for: whose authenticator it is says the password that was given
/// with the request.
pub fn register(
    client_data: &str,
    attestation_object: &str,
    challenge: &[u8; 32],
    site: Site<'_>,
) -> Result<Credential, Flaw> {
    check_client(&bytes(client_data)?, "webauthn.create", challenge, site.origin)?;
    let object = bytes(attestation_object)?;
    let (object, rest) = cbor::read(&object).ok_or(Flaw::Malformed)?;
    let data = match object.member("authData") {
        Some(Item::Bytes(data)) if rest.is_empty() => data,
        _ => return Err(Flaw::Malformed),
    };
    let counter = check_authenticator(data, site.rp_id)?;
    if data[32] & AT == 0 {
        return Err(Flaw::Malformed);
    }
    // AAGUID, length of the id, id, key, extensions.
    let attached = data.get(AUTH_DATA_BYTES + 16..).ok_or(Flaw::Malformed)?;
    let (len, attached) = attached.split_first_chunk::<2>().ok_or(Flaw::Malformed)?;
    let len = usize::from(u16::from_be_bytes(*len));
    let (id, key) = attached.split_at_checked(len).ok_or(Flaw::Malformed)?;
    if !(1..=CREDENTIAL_BYTES_MAX).contains(&len) {
        return Err(Flaw::Malformed);
    }
    let (key, _) = cbor::read(key).ok_or(Flaw::Malformed)?;
    let (algorithm, public_key) = cose(&key).ok_or(Flaw::Key)?;
    Ok(Credential { id: B64.encode(id).into(), algorithm, public_key: B64.encode(public_key).into(), counter })
}

/// Kind and bytes of a COSE key.
fn cose(key: &Item<'_>) -> Option<(Algorithm, Vec<u8>)> {
    let number = |label: i64| match key.labelled(label) {
        Some(Item::Int(n)) => Some(*n),
        _ => None,
    };
    let coordinate = |label: i64| match key.labelled(label) {
        Some(Item::Bytes(b)) if b.len() == 32 => Some(*b),
        _ => None,
    };
    match (number(1)?, number(3)?, number(-1)?) {
        (2, -7, 1) => {
            let point = [&[4u8][..], coordinate(-2)?, coordinate(-3)?].concat();
            p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?;
            Some((Algorithm::Es256, point))
        }
        (1, -8, 6) => {
            let bytes = coordinate(-2)?.to_vec();
            let key = ed25519_key(&bytes)?;
            (!key.is_weak()).then_some((Algorithm::EdDsa, bytes))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
