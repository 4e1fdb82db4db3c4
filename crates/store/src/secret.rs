//! Keys of the data folder: secrets are sealed with one, checkpoints signed with the other.
//!
//! Invariants: key files are 0600 and made once; a sealed text opens only under its key and for the noun and id it was sealed
//! for; no key is ever written to the database.
//! Source: AES-256-GCM (NIST SP 800-38D), Ed25519 (RFC 8032).

use crate::error::Error;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use ed25519_dalek::SigningKey;
use std::path::Path;

/// Version byte of a sealed text.
const SEALED_VERSION: u8 = 1;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 12;
/// Bytes of a key's id.
const KEY_ID_BYTES: usize = 4;

/// The keys of a data folder.
#[derive(Clone)]
pub struct Keys {
    secret: [u8; 32],
    signing: SigningKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Keys").field("audit", &self.audit_key()).finish_non_exhaustive()
    }
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::io("random")(std::io::Error::other(e)))?;
    Ok(bytes)
}

impl Keys {
    /// Keys that live only as long as this process.
    pub fn ephemeral() -> Result<Self, Error> {
        Ok(Self { secret: random()?, signing: SigningKey::from_bytes(&random()?) })
    }
    /// The same keys every time, for simulation.
    pub fn fixed() -> Self {
        Self { secret: [7; 32], signing: SigningKey::from_bytes(&[9; 32]) }
    }
    /// Reads the keys of a data folder, making them where they are missing.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let folder = dir.join("keys");
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        Ok(Self {
            secret: key_file(&folder.join("secret.key"))?,
            signing: SigningKey::from_bytes(&key_file(&folder.join("audit.key"))?),
        })
    }
    /// Hex of the public key that checkpoints are verified with.
    pub fn audit_key(&self) -> String {
        hex::encode(self.signing.verifying_key().as_bytes())
    }
    /// Signs a checkpoint.
    pub(crate) fn sign(&self, text: &str) -> [u8; 64] {
        use ed25519_dalek::Signer as _;
        self.signing.sign(text.as_bytes()).to_bytes()
    }
    fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        let digest = stdx::id::hash_parts(&["wf1 key id", &hex::encode(self.secret)]);
        [digest[0], digest[1], digest[2], digest[3]]
    }
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.secret.into())
    }
    /// Seals `bytes` for noun and id `of`; the text is base64 of version, key id, nonce, ciphertext.
    pub fn seal(&self, of: (&str, &str), bytes: &[u8]) -> Result<String, Error> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let aad = format!("{}/{}", of.0, of.1);
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: bytes, aad: aad.as_bytes() })
            .map_err(|_| Error::Sealed { what: aad.clone() })?;
        let mut out = vec![SEALED_VERSION];
        out.extend(self.key_id());
        out.extend(nonce);
        out.extend(sealed);
        Ok(base64::engine::general_purpose::STANDARD.encode(out))
    }
    /// Opens what [`Keys::seal`] made for the same noun and id.
    ///
    /// - errors: `Sealed` under another key, for another noun or id, or when a byte differs.
    pub fn open_sealed(&self, of: (&str, &str), text: &str) -> Result<Vec<u8>, Error> {
        let aad = format!("{}/{}", of.0, of.1);
        let refuse = || Error::Sealed { what: aad.clone() };
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| refuse())?;
        let body =
            bytes.strip_prefix(&[SEALED_VERSION]).and_then(|b| b.strip_prefix(&self.key_id())).ok_or_else(refuse)?;
        let (nonce, sealed) = body.split_at_checked(NONCE_BYTES).ok_or_else(refuse)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| refuse())?;
        self.cipher().decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: aad.as_bytes() }).map_err(|_| refuse())
    }
}

fn key_file(path: &Path) -> Result<[u8; 32], Error> {
    use std::io::Write as _;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    match std::fs::read(path) {
        Ok(bytes) => {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(Error::io(path))?;
            bytes
                .try_into()
                .map_err(|_| Error::Damaged { what: path.display().to_string(), why: "a key has 32 bytes".into() })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let bytes: [u8; 32] = random()?;
            let half = path.with_extension("part");
            let _ = std::fs::remove_file(&half);
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&half)
                .map_err(Error::io(&half))?;
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(Error::io(&half))?;
            std::fs::rename(&half, path).map_err(Error::io(path))?;
            if let Some(folder) = path.parent() {
                std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(Error::io(folder))?;
            }
            Ok(bytes)
        }
        Err(e) => Err(Error::io(path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_opens_only_where_it_belongs() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let text = keys.seal(("connector", "c1"), b"hunter2hunter2").unwrap();
        assert!(!text.contains("hunter2"));
        assert_eq!(Keys::open(dir.path()).unwrap().open_sealed(("connector", "c1"), &text).unwrap(), b"hunter2hunter2");
        assert!(keys.open_sealed(("connector", "c2"), &text).is_err(), "bound to its id");
        assert!(Keys::fixed().open_sealed(("connector", "c1"), &text).is_err(), "bound to its key");
        let mut bytes = base64::engine::general_purpose::STANDARD.decode(&text).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let flipped = base64::engine::general_purpose::STANDARD.encode(bytes);
        assert!(keys.open_sealed(("connector", "c1"), &flipped).is_err());
        assert!(keys.open_sealed(("connector", "c1"), "AQ==").is_err());
    }

    #[test]
    fn key_files_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        Keys::open(dir.path()).unwrap();
        for name in ["secret.key", "audit.key"] {
            let mode = std::fs::metadata(dir.path().join("keys").join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
