//! The master key and what is derived from it: one key for each use, by HKDF with a label of its own (RFC 5869, ST-09).

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use token::{ChallengeId, MacKey};
use zeroize::Zeroizing;

use crate::entropy;

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    RefreshMac,
    CodeMac,
    ReceiptMac,
    LimiterName,
    Sealing,
    CheckValue,
}

impl Use {
    #[cfg(test)]
    const ALL: [Self; 6] = [
        Self::RefreshMac,
        Self::CodeMac,
        Self::ReceiptMac,
        Self::LimiterName,
        Self::Sealing,
        Self::CheckValue,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::RefreshMac => "latchkey/1/refresh-mac",
            Self::CodeMac => "latchkey/1/code-mac",
            Self::ReceiptMac => "latchkey/1/receipt-mac",
            Self::LimiterName => "latchkey/1/limiter-name",
            Self::Sealing => "latchkey/1/sealing",
            Self::CheckValue => "latchkey/1/check-value",
        }
    }
}

/// The master key of 256 bits. Wiped when dropped; has no `Debug`.
pub struct Vault {
    master: Zeroizing<[u8; 32]>,
}

/// The key file cannot be used; the text names the file and never its content.
#[derive(Debug)]
pub struct KeyFileError(String);

impl std::fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyFileError {}

impl Vault {
    /// A vault over a master key that the caller holds.
    pub fn new(master: [u8; 32]) -> Self {
        Self {
            master: Zeroizing::new(master),
        }
    }

    /// Reads the master key from a file of 43 base64url characters, or makes the file where there is none.
    ///
    /// # Errors
    /// When the file can be read by others (ST-02), holds no such key, or cannot be read or written.
    pub fn open(file: &Path) -> Result<Self, KeyFileError> {
        let text = secret_file(file, || URL_SAFE_NO_PAD.encode(entropy::bytes::<32>()))?;
        let master = URL_SAFE_NO_PAD.decode(text.trim()).ok().map(Zeroizing::new);
        let master = master.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        let master = master.ok_or_else(|| {
            KeyFileError(format!(
                "{}: holds no 256-bit key as base64url",
                file.display()
            ))
        })?;
        // RFC 4086 section 1: a key that anybody would try first is none.
        if master.iter().all(|byte| Some(byte) == master.first()) {
            return Err(KeyFileError(format!(
                "{}: the key is all of one byte",
                file.display()
            )));
        }
        Ok(Self::new(master))
    }

    fn derive(&self, usage: Use) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        #[expect(
            clippy::expect_used,
            reason = "HKDF-SHA256 gives up to 8160 bytes (RFC 5869 section 2.3)"
        )]
        Hkdf::<Sha256>::new(None, self.master.as_slice())
            .expand(usage.label().as_bytes(), key.as_mut_slice())
            .expect("32 bytes");
        key
    }

    fn mac(&self, usage: Use, parts: &[&[u8]]) -> Hmac<Sha256> {
        #[expect(
            clippy::expect_used,
            reason = "HMAC takes keys of any length (RFC 2104 section 3)"
        )]
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(self.derive(usage).as_slice())
            .expect("a key of 32 bytes");
        for part in parts {
            // Each part with its length, so that no two lists of parts give one input (OT-09).
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    /// The live versions of the refresh MAC key, newest first.
    pub fn refresh_keys(&self) -> Vec<MacKey> {
        vec![self.newest_refresh_key()]
    }

    /// The version that makes new refresh tokens.
    pub fn newest_refresh_key(&self) -> MacKey {
        MacKey::new(1, *self.derive(Use::RefreshMac))
    }

    /// What is stored of a mailed code.
    pub fn code_mac(
        &self,
        purpose: &str,
        challenge: ChallengeId,
        email: &str,
        code: &str,
    ) -> [u8; 32] {
        let parts = [
            purpose.as_bytes(),
            challenge.as_bytes(),
            email.as_bytes(),
            code.as_bytes(),
        ];
        self.mac(Use::CodeMac, &parts)
            .finalize()
            .into_bytes()
            .into()
    }

    /// The unguessable half of a receipt's id: 22 base64url characters.
    pub fn receipt_mac(&self, number: u64) -> String {
        let mac = self
            .mac(Use::ReceiptMac, &[&number.to_be_bytes()])
            .finalize()
            .into_bytes();
        URL_SAFE_NO_PAD.encode(mac.get(..16).unwrap_or_default())
    }

    /// Whether `text` is the MAC of receipt `number`; compared in constant time.
    pub fn is_receipt_mac(&self, number: u64, text: &str) -> bool {
        let mac = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        mac.len() == 16
            && self
                .mac(Use::ReceiptMac, &[&number.to_be_bytes()])
                .verify_truncated_left(&mac)
                .is_ok()
    }

    /// The name under which a limit counts; tells nothing about an address or account to who copies the file.
    pub fn limiter_name(&self, limit: &str, subject: &str) -> [u8; 16] {
        let mac = self
            .mac(Use::LimiterName, &[limit.as_bytes(), subject.as_bytes()])
            .finalize()
            .into_bytes();
        let mut name = [0; 16];
        name.copy_from_slice(mac.split_at(16).0);
        name
    }

    /// Kept in the store: another master key has another one.
    pub fn check_value(&self) -> [u8; 32] {
        self.mac(Use::CheckValue, &[])
            .finalize()
            .into_bytes()
            .into()
    }

    /// Encrypts a secret for the store (XChaCha20-Poly1305), bound to `context`.
    ///
    /// # Panics
    /// Never: a secret is shorter than 256 GiB.
    pub fn seal(&self, context: &str, secret: &[u8]) -> Vec<u8> {
        let nonce = entropy::bytes::<24>();
        let payload = Payload {
            msg: secret,
            aad: context.as_bytes(),
        };
        #[expect(
            clippy::expect_used,
            reason = "encryption fails only beyond 256 GiB (RFC 8439 section 2.8)"
        )]
        let sealed = self
            .cipher()
            .encrypt(&nonce.into(), payload)
            .expect("a short secret");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Vault::seal`] made in the same context; `None` when anything has been changed.
    pub fn unseal(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        self.cipher()
            .decrypt(nonce.into(), payload)
            .ok()
            .map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.derive(Use::Sealing).as_slice().into())
    }
}

/// Reads a file of mode 0600, or makes it with `content`.
///
/// # Errors
/// When others can read it, or it can be neither read nor made.
pub fn secret_file(
    file: &Path,
    content: impl FnOnce() -> String,
) -> Result<Zeroizing<String>, KeyFileError> {
    let problem = |error: std::io::Error| KeyFileError(format!("{}: {error}", file.display()));
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match made {
        Ok(mut made) => {
            let content = Zeroizing::new(content());
            made.write_all(content.as_bytes())
                .and_then(|()| made.sync_all())
                .map_err(problem)?;
            Ok(content)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            if fs::metadata(file).map_err(problem)?.permissions().mode() & 0o077 != 0 {
                return Err(KeyFileError(format!(
                    "{}: can be read by others; set its mode to 0600",
                    file.display()
                )));
            }
            fs::read_to_string(file)
                .map(Zeroizing::new)
                .map_err(problem)
        }
        Err(error) => Err(problem(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::new([7; 32])
    }

    /// ST-09.
    #[test]
    fn each_use_has_a_key_of_its_own() {
        let keys: std::collections::BTreeSet<_> = Use::ALL
            .iter()
            .map(|usage| *vault().derive(*usage))
            .collect();
        assert_eq!(keys.len(), Use::ALL.len());
    }

    /// OT-09.
    #[test]
    fn no_two_splits_of_the_fields_give_one_mac() {
        let id = ChallengeId::from_bytes([1; 16]);
        let mac =
            |purpose: &str, email: &str, code: &str| vault().code_mac(purpose, id, email, code);
        assert_ne!(
            mac("activation", "a@b", "123456"),
            mac("activation", "a@b1", "23456")
        );
        assert_ne!(mac("a", "bc", "d"), mac("ab", "c", "d"));
    }

    /// ST-06 for signing keys: another row, another byte, another master key.
    #[test]
    fn a_sealed_secret_opens_in_its_context_only() {
        let sealed = vault().seal("key a", b"secret");
        assert_eq!(
            vault()
                .unseal("key a", &sealed)
                .as_deref()
                .map(Vec::as_slice),
            Some(&b"secret"[..])
        );
        assert!(vault().unseal("key b", &sealed).is_none());
        assert!(Vault::new([8; 32]).unseal("key a", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault().unseal("key a", &changed).is_none());
        }
    }

    /// ST-02.
    #[test]
    fn a_key_file_is_made_private_and_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let check = Vault::open(&file).unwrap().check_value();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(Vault::open(&file).unwrap().check_value(), check);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Vault::open(&file).is_err());
    }

    #[test]
    fn a_receipt_mac_holds_for_its_number_only() {
        let mac = vault().receipt_mac(5);
        assert!(vault().is_receipt_mac(5, &mac));
        assert!(
            !vault().is_receipt_mac(6, &mac)
                && !vault().is_receipt_mac(5, "")
                && !vault().is_receipt_mac(5, &mac[1..])
        );
    }
}
