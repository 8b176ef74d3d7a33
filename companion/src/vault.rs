//! The master key and what is derived from it: one key for each use, by HKDF with a label of its own (RFC 5869, ST-09).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use token::{MacKey, Mark, Subject};
use zeroize::Zeroizing;

use crate::code::Binding;
use crate::entropy;

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    RefreshMac,
    CodeMac,
    RecoveryCodeMac,
    ReceiptMac,
    LimiterName,
    DeviceMac,
    Sealing,
    CheckValue,
}

impl Use {
    #[cfg(test)]
    const ALL: [Self; 8] = [
        Self::RefreshMac,
        Self::CodeMac,
        Self::RecoveryCodeMac,
        Self::ReceiptMac,
        Self::LimiterName,
        Self::DeviceMac,
        Self::Sealing,
        Self::CheckValue,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::RefreshMac => "latchkey/1/refresh-mac",
            Self::CodeMac => "latchkey/1/code-mac",
            Self::RecoveryCodeMac => "latchkey/1/recovery-code-mac",
            Self::ReceiptMac => "latchkey/1/receipt-mac",
            Self::LimiterName => "latchkey/1/limiter-name",
            Self::DeviceMac => "latchkey/1/device-mac",
            Self::Sealing => "latchkey/1/sealing",
            Self::CheckValue => "latchkey/1/check-value",
        }
    }
}

/// A master key of 256 bits. Wiped when dropped; has no `Debug`.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// The live versions of the master key, newest first. What is new is made with the newest; what an older one has made still holds (RR-16).
pub struct Vault {
    newest: Version,
    older: Vec<Version>,
}

struct Version {
    number: u32,
    key: MasterKey,
}

/// The text is no 256-bit key as base64url, or one that all would guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMasterKey;

impl std::fmt::Display for InvalidMasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("holds no 256-bit key as base64url")
    }
}

impl std::error::Error for InvalidMasterKey {}

impl MasterKey {
    /// A key as its file holds it: 43 base64url characters.
    ///
    /// # Errors
    /// [`InvalidMasterKey`].
    pub fn of_text(text: &str) -> Result<Self, InvalidMasterKey> {
        let master = URL_SAFE_NO_PAD.decode(text.trim()).ok().map(Zeroizing::new);
        let master = master.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        let master = master.map(Zeroizing::new).ok_or(InvalidMasterKey)?;
        // A key that anybody would try first is none.
        if master.iter().all(|byte| Some(byte) == master.first()) {
            return Err(InvalidMasterKey);
        }
        Ok(Self(master))
    }

    /// Kept in the store: another master key has another one.
    pub fn check_value(&self) -> [u8; 32] {
        self.mac(Use::CheckValue, &[])
            .finalize()
            .into_bytes()
            .into()
    }

    fn derive(&self, usage: Use) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        #[expect(
            clippy::expect_used,
            reason = "HKDF-SHA256 gives up to 8160 bytes (RFC 5869 section 2.3)"
        )]
        Hkdf::<Sha256>::new(None, self.0.as_slice())
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

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.derive(Use::Sealing).as_slice().into())
    }
}

impl Version {
    fn refresh_key(&self) -> MacKey {
        MacKey::new(self.number, *self.key.derive(Use::RefreshMac))
    }

    fn recovery_code_mac(&self, account: Subject, code: &str) -> [u8; 32] {
        let parts = [account.as_bytes().as_slice(), code.as_bytes()];
        let mac = self.key.mac(Use::RecoveryCodeMac, &parts);
        mac.finalize().into_bytes().into()
    }

    /// What stands before everything that this version has sealed.
    fn seal_head(&self) -> [u8; 5] {
        let [a, b, c, d] = self.number.to_be_bytes();
        [SEALED, a, b, c, d]
    }
}

/// The first byte of what is sealed; the number of the version follows.
const SEALED: u8 = 1;

impl Vault {
    /// A vault over the first version of a master key that the caller holds.
    pub fn new(master: [u8; 32]) -> Self {
        Self {
            newest: Version {
                number: 1,
                key: MasterKey(Zeroizing::new(master)),
            },
            older: Vec::new(),
        }
    }

    /// A vault over these versions, the newest first; `None` when there is none, or one stands there twice.
    pub fn of_versions(versions: Vec<(u32, MasterKey)>) -> Option<Self> {
        let versions = versions.into_iter();
        let mut versions: Vec<_> = versions
            .map(|(number, key)| Version { number, key })
            .collect();
        let is_repeated = |(at, version): (usize, &Version)| {
            let mut before = versions.iter().take(at);
            before.any(|other| other.number == version.number)
        };
        if versions.is_empty() || versions.iter().enumerate().any(is_repeated) {
            return None;
        }
        let newest = versions.remove(0);
        Some(Self {
            newest,
            older: versions,
        })
    }

    fn versions(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    fn mac(&self, usage: Use, parts: &[&[u8]]) -> Hmac<Sha256> {
        self.newest.key.mac(usage, parts)
    }

    /// The live versions of the refresh MAC key, newest first.
    pub fn refresh_keys(&self) -> Vec<MacKey> {
        self.versions().map(Version::refresh_key).collect()
    }

    /// The version that makes new refresh tokens.
    pub fn newest_refresh_key(&self) -> MacKey {
        self.newest.refresh_key()
    }

    /// What is stored of a mailed code.
    pub fn code_mac(&self, binding: &Binding, code: &str) -> [u8; 32] {
        let account = binding.account.as_ref().map(Subject::as_bytes);
        let parts = [
            binding.purpose.name().as_bytes(),
            binding.challenge.as_bytes(),
            account.map_or(&[][..], |id| id.as_slice()),
            binding.email.as_bytes(),
            code.as_bytes(),
        ];
        self.mac(Use::CodeMac, &parts)
            .finalize()
            .into_bytes()
            .into()
    }

    /// What is stored of a recovery code: it has 128 random bits, so a keyed digest is enough (TO-08).
    pub fn recovery_code_mac(&self, account: Subject, code: &str) -> [u8; 32] {
        self.newest.recovery_code_mac(account, code)
    }

    /// The same by every live version of the key, for a code that was typed.
    pub fn recovery_code_macs(&self, account: Subject, code: &str) -> Vec<[u8; 32]> {
        self.versions()
            .map(|version| version.recovery_code_mac(account, code))
            .collect()
    }

    /// The unguessable half of a receipt's id: 22 base64url characters.
    pub fn receipt_mac(&self, number: u64, mark: Mark) -> String {
        let mac = self.mac(Use::ReceiptMac, &[&number.to_be_bytes(), mark.as_bytes()]);
        let mac = mac.finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(mac.get(..16).unwrap_or_default())
    }

    /// Whether `text` is the MAC of receipt `number` with that mark; compared in constant time.
    pub fn is_receipt_mac(&self, number: u64, mark: Mark, text: &str) -> bool {
        let presented = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let number = number.to_be_bytes();
        let is_made_by = |version: &Version| {
            let mac = version
                .key
                .mac(Use::ReceiptMac, &[&number, mark.as_bytes()]);
            mac.verify_truncated_left(&presented).is_ok()
        };
        presented.len() == 16 && self.versions().any(is_made_by)
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

    /// What makes the cookie of a device: 43 base64url characters.
    pub fn device_mac(&self, name: &str) -> String {
        let mac = self.mac(Use::DeviceMac, &[name.as_bytes()]).finalize();
        URL_SAFE_NO_PAD.encode(mac.into_bytes())
    }

    /// Whether `text` is that MAC, of any live version; compared in constant time.
    pub fn is_device_mac(&self, name: &str, text: &str) -> bool {
        let presented = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let is_made_by = |version: &Version| {
            let mac = version.key.mac(Use::DeviceMac, &[name.as_bytes()]);
            mac.verify_slice(&presented).is_ok()
        };
        self.versions().any(is_made_by)
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
            .newest
            .key
            .cipher()
            .encrypt(&nonce.into(), payload)
            .expect("a short secret");
        [&self.newest.seal_head(), nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Vault::seal`] made in the same context, by any live version; `None` when anything has been changed.
    pub fn unseal(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let by_head = self.versions().find_map(|version| {
            let sealed = sealed.strip_prefix(&version.seal_head())?;
            open(&version.key, context, sealed)
        });
        // What an earlier release has sealed names no version; there was one then.
        by_head.or_else(|| {
            let first = self.versions().find(|version| version.number == 1)?;
            open(&first.key, context, sealed)
        })
    }

    /// The same secret under the newest version; `None` when it lies under that one already, or does not open.
    pub fn reseal(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        if self.is_newest(sealed) {
            return None;
        }
        let secret = self.unseal(context, sealed)?;
        Some(self.seal(context, &secret))
    }

    /// What everything begins with that the newest version has sealed.
    pub fn seal_head(&self) -> [u8; 5] {
        self.newest.seal_head()
    }

    fn is_newest(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.seal_head())
    }
}

fn open(key: &MasterKey, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
    let payload = Payload {
        msg: sealed,
        aad: context.as_bytes(),
    };
    let opened = key.cipher().decrypt(nonce.into(), payload).ok();
    opened.map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use token::ChallengeId;

    use super::*;
    use crate::code::Purpose;

    fn vault() -> Vault {
        Vault::new([7; 32])
    }

    /// ST-09.
    #[test]
    fn each_use_has_a_key_of_its_own() {
        let keys: std::collections::BTreeSet<_> = Use::ALL
            .iter()
            .map(|usage| *vault().newest.key.derive(*usage))
            .collect();
        assert_eq!(keys.len(), Use::ALL.len());
    }

    /// OT-04, OT-09: another purpose, challenge, account or address makes another MAC, and no two splits of the fields make one.
    #[test]
    fn no_two_bindings_give_one_mac() {
        let binding = Binding {
            purpose: Purpose::Recovery,
            challenge: ChallengeId::from_bytes([1; 16]),
            account: Some(Subject::from_bytes([2; 16])),
            email: "a@b".to_owned(),
        };
        let others = [
            Binding {
                purpose: Purpose::StepUp,
                ..binding.clone()
            },
            Binding {
                challenge: ChallengeId::from_bytes([2; 16]),
                ..binding.clone()
            },
            Binding {
                account: Some(Subject::from_bytes([1; 16])),
                ..binding.clone()
            },
            Binding {
                account: None,
                ..binding.clone()
            },
            Binding {
                email: "a@c".to_owned(),
                ..binding.clone()
            },
        ];
        let mac = vault().code_mac(&binding, "123456");
        for other in others {
            assert_ne!(mac, vault().code_mac(&other, "123456"), "{other:?}");
        }
        let shifted = Binding {
            email: "a@b1".to_owned(),
            ..binding
        };
        assert_ne!(mac, vault().code_mac(&shifted, "23456"));
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

    /// CF-02.
    #[test]
    fn a_master_key_has_256_bits_that_are_not_all_alike() {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = [7; 32];
        assert!(MasterKey::of_text(&text(&key)).is_err());
        key[0] = 1;
        let read = MasterKey::of_text(&format!("{}\n", text(&key))).unwrap();
        assert_eq!(*read.0, key);
        for text in [
            text(&key[1..]),
            text(&[&key[..], &[0]].concat()),
            String::new(),
            "changeme".to_owned(),
        ] {
            assert!(MasterKey::of_text(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_receipt_mac_holds_for_its_number_and_mark_only() {
        let (mark, other) = (Mark::from_bytes([1; 8]), Mark::from_bytes([2; 8]));
        let mac = vault().receipt_mac(5, mark);
        assert!(vault().is_receipt_mac(5, mark, &mac));
        assert!(!vault().is_receipt_mac(6, mark, &mac) && !vault().is_receipt_mac(5, other, &mac));
        assert!(
            !vault().is_receipt_mac(5, mark, "") && !vault().is_receipt_mac(5, mark, &mac[1..])
        );
    }

    fn versions(numbers: &[u32]) -> Vault {
        let key = |number: u32| {
            let byte = u8::try_from(number).unwrap();
            (number, MasterKey(Zeroizing::new([byte; 32])))
        };
        Vault::of_versions(numbers.iter().map(|number| key(*number)).collect()).unwrap()
    }

    /// RR-16: what an older version has made holds as long as the version lives, and the newest makes what is new.
    #[test]
    fn what_an_older_version_has_made_holds_until_it_is_removed() {
        let (old, both, new) = (versions(&[1]), versions(&[2, 1]), versions(&[2]));
        let session = token::SessionId::from_bytes([3; 16]);
        let token = token::RefreshToken::issue(session, 4, &old.newest_refresh_key());
        let holds = |vault: &Vault, token: &str| {
            token::RefreshToken::verify(token, &vault.refresh_keys()).is_ok()
        };
        assert!(holds(&old, &token) && holds(&both, &token) && !holds(&new, &token));
        let token = token::RefreshToken::issue(session, 4, &both.newest_refresh_key());
        assert!(!holds(&old, &token) && holds(&both, &token) && holds(&new, &token));

        let mark = Mark::from_bytes([1; 8]);
        let mac = old.receipt_mac(5, mark);
        assert!(both.is_receipt_mac(5, mark, &mac) && !new.is_receipt_mac(5, mark, &mac));

        let sealed = old.seal("a", b"secret");
        assert!(old.reseal("a", &sealed).is_none() && new.reseal("a", &sealed).is_none());
        assert!(new.unseal("a", &sealed).is_none());
        let resealed = both.reseal("a", &sealed).unwrap();
        assert!(both.is_newest(&resealed) && !both.is_newest(&sealed));
        assert_eq!(new.unseal("a", &resealed).unwrap().as_slice(), b"secret");
        assert!(both.reseal("b", &sealed).is_none());
    }

    /// Without the version in front, as before there were versions.
    #[test]
    fn what_was_sealed_before_there_were_versions_opens() {
        let sealed = versions(&[1]).seal("a", b"secret");
        let both = versions(&[2, 1]);
        assert_eq!(
            both.unseal("a", &sealed[5..]).unwrap().as_slice(),
            b"secret"
        );
        let resealed = both.reseal("a", &sealed[5..]).unwrap();
        assert!(both.is_newest(&resealed));
        assert!(versions(&[2]).unseal("a", &sealed[5..]).is_none());
    }

    #[test]
    fn a_version_stands_in_a_vault_once() {
        let key = |byte| MasterKey(Zeroizing::new([byte; 32]));
        assert!(Vault::of_versions(Vec::new()).is_none());
        assert!(Vault::of_versions(vec![(1, key(1)), (1, key(2))]).is_none());
    }
}
