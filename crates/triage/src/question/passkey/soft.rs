//! An authenticator in software, for tests: what a browser and its authenticator would give.
//!
//! Invariants: keys come from the seed alone, so that tests are the same at each run.
//! Not here: anything that verifies (`passkey`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

enum Key {
    Es256(p256::ecdsa::SigningKey),
    EdDsa(ed25519_dalek::SigningKey),
}

/// A passkey.
pub struct SoftKey {
    key: Key,
    id: Vec<u8>,
    /// Where the page stands.
    pub origin: String,
    /// Relying party.
    pub rp_id: String,
    /// Flags of the authenticator data.
    pub flags: u8,
    /// Signatures made.
    pub counter: u32,
}

fn der(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for half in raw.chunks(32) {
        let start = half.iter().position(|b| *b != 0).unwrap_or(31);
        let mut number = half[start..].to_vec();
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        out.extend([0x02, number.len() as u8]);
        out.extend(number);
    }
    [vec![0x30, out.len() as u8], out].concat()
}

impl SoftKey {
    fn of(key: Key, seed: u8) -> Self {
        let (origin, rp_id) = ("http://localhost".to_owned(), "localhost".to_owned());
        Self { key, id: vec![seed; 16], origin, rp_id, flags: 0x05, counter: 0 }
    }
    /// One that signs with P-256.
    pub fn es256(seed: u8) -> Self {
        Self::of(Key::Es256(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()), seed)
    }
    /// One that signs with Ed25519.
    pub fn ed25519(seed: u8) -> Self {
        Self::of(Key::EdDsa(ed25519_dalek::SigningKey::from_bytes(&[seed; 32])), seed)
    }
    /// Id of the credential.
    pub fn id(&self) -> String {
        B64.encode(&self.id)
    }
    fn client(&self, purpose: &str, challenge: &str) -> Vec<u8> {
        let (origin, cross) = (&self.origin, false);
        format!(r#"{{"type":"{purpose}","challenge":"{challenge}","origin":"{origin}","crossOrigin":{cross}}}"#).into()
    }
    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp_id.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }
    fn cose(&self) -> Vec<u8> {
        match &self.key {
            Key::Es256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let point = point.as_bytes();
                let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
                [&head[..], &point[1..33], &[0x22, 0x58, 0x20], &point[33..]].concat()
            }
            Key::EdDsa(key) => {
                let head = [0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];
                [&head[..], key.verifying_key().as_bytes()].concat()
            }
        }
    }
    /// Client data and attestation object of a registration.
    pub fn register(&self, challenge: &str) -> (String, String) {
        let mut data = self.data(self.flags | 0x40);
        data.extend([0u8; 16]);
        data.extend((self.id.len() as u16).to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose());
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt\x64none\x67attStmt\xa0\x68authData\x59");
        object.extend((data.len() as u16).to_be_bytes());
        object.extend(data);
        (B64.encode(self.client("webauthn.create", challenge)), B64.encode(object))
    }
    /// Authenticator data, client data and signature of an assertion.
    pub fn sign(&mut self, challenge: &str) -> [String; 3] {
        self.counter += 1;
        let (data, client) = (self.data(self.flags), self.client("webauthn.get", challenge));
        let signed = [data.clone(), Sha256::digest(&client).to_vec()].concat();
        let signature = match &self.key {
            Key::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(&signed);
                der(&signature.to_bytes())
            }
            Key::EdDsa(key) => key.sign(&signed).to_bytes().to_vec(),
        };
        [data, client, signature].map(|b| B64.encode(b))
    }
}
