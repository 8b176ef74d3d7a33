//! The companion's signing keys: sealed in the store, open in memory. Which of them signs is `key_life`'s rule.

use std::fmt;

use token::{Algorithm, GatewayKeys, KeySet, KeySetError, SigningKey};

use crate::clock::Millis;
use crate::entropy;
use crate::key_life::{self, Life};
use crate::store::{KeyUse, SealedKey, SealedKeys, StoredKey};
use crate::vault::Vault;

/// The key set as of one change of it.
pub struct Keys {
    version: u64,
    access: Signers,
    feed: Signers,
    public: GatewayKeys,
}

/// The keys of one use, oldest first; never empty.
struct Signers(Vec<(SigningKey, Life)>);

impl Signers {
    fn at(&self, now: Millis) -> Option<&SigningKey> {
        let lives = self.0.iter().map(|(_, life)| *life);
        let signer = key_life::signer(lives, now)?;
        self.0.get(signer).map(|(key, _)| key)
    }

    fn public(&self) -> Result<KeySet, KeySetError> {
        let keys = self.0.iter().map(|(key, _)| key.verifying_key().clone());
        KeySet::new(keys.collect())
    }
}

/// The stored keys cannot be used.
#[derive(Debug)]
pub enum KeysError {
    /// A key does not open under the master key, or is not the one that its name says.
    Sealed(String),
    /// A purpose has no key.
    Missing,
    /// The public set is not one.
    Set(KeySetError),
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(kid) => write!(
                f,
                "the signing key {kid} does not open under the master key"
            ),
            Self::Missing => {
                f.write_str("the store holds no signing key for access tokens or for the feed")
            }
            Self::Set(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for KeysError {}

/// A new key of each kind, for a store that has none.
pub fn first(vault: &Vault, access: Algorithm) -> Vec<SealedKey> {
    vec![
        make(vault, KeyUse::Access, access),
        make(vault, KeyUse::Feed, Algorithm::Es256),
    ]
}

/// A new key, as random as the operating system makes it (ST-08): no name of a key comes up twice (KR-04).
pub fn make(vault: &Vault, usage: KeyUse, algorithm: Algorithm) -> SealedKey {
    loop {
        let secret = zeroize::Zeroizing::new(entropy::bytes::<32>());
        if let Some(key) = SigningKey::from_secret(algorithm, &secret) {
            let kid = key.kid().to_owned();
            let sealed = vault.seal(&context(usage, &kid), secret.as_slice());
            return SealedKey {
                kid,
                usage,
                algorithm,
                sealed,
            };
        }
    }
}

/// A sealed key opens for its own use and name alone: rows cannot be swapped.
fn context(usage: KeyUse, kid: &str) -> String {
    format!("signing key {} {kid}", usage.name())
}

impl Keys {
    /// Opens what the store holds.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn open(stored: &SealedKeys, vault: &Vault) -> Result<Self, KeysError> {
        let (mut access, mut feed) = (Vec::new(), Vec::new());
        for StoredKey { key, life } in &stored.keys {
            let opened = open(key, vault).ok_or_else(|| KeysError::Sealed(key.kid.clone()))?;
            match key.usage {
                KeyUse::Access => access.push((opened, *life)),
                KeyUse::Feed => feed.push((opened, *life)),
            }
        }
        if access.is_empty() || feed.is_empty() {
            return Err(KeysError::Missing);
        }
        let (access, feed) = (Signers(access), Signers(feed));
        let public = GatewayKeys {
            version: stored.version,
            access: access.public().map_err(KeysError::Set)?,
            feed: feed.public().map_err(KeysError::Set)?,
        };
        Ok(Self {
            version: stored.version,
            access,
            feed,
            public,
        })
    }

    /// The feed number of the last change of the set.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Signs access tokens at that moment of the store's.
    pub fn access(&self, now: Millis) -> Option<&SigningKey> {
        self.access.at(now)
    }

    /// Signs feed pages at that moment of the store's.
    pub fn feed(&self, now: Millis) -> Option<&SigningKey> {
        self.feed.at(now)
    }

    /// The public halves.
    pub const fn public(&self) -> &GatewayKeys {
        &self.public
    }
}

/// The same secret under the newest version of the master key, where it lies under an older one.
pub fn resealed(key: &SealedKey, vault: &Vault) -> Option<Vec<u8>> {
    vault.reseal(&context(key.usage, &key.kid), &key.sealed)
}

fn open(key: &SealedKey, vault: &Vault) -> Option<SigningKey> {
    let secret = vault.unseal(&context(key.usage, &key.kid), &key.sealed)?;
    let secret: &[u8; 32] = secret.as_slice().try_into().ok()?;
    SigningKey::from_secret(key.algorithm, secret).filter(|opened| opened.kid() == key.kid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All published and signing since the beginning.
    fn set(keys: &[SealedKey]) -> SealedKeys {
        let stored = |key: &SealedKey| StoredKey {
            life: Life {
                usage: key.usage,
                published_at: Millis(0),
                signs_from: Millis(0),
            },
            key: key.clone(),
        };
        SealedKeys {
            version: 1,
            keys: keys.iter().map(stored).collect(),
        }
    }

    /// KR-07, ST-06: what is sealed for one use opens for no other, and under no other master key.
    #[test]
    fn a_stored_key_opens_for_its_own_use_and_under_its_own_master_key() {
        let vault = Vault::new([7; 32]);
        let stored = set(&first(&vault, Algorithm::Es256));
        let keys = Keys::open(&stored, &vault).unwrap();
        let now = Millis(0);
        assert_ne!(
            keys.access(now).unwrap().kid(),
            keys.feed(now).unwrap().kid()
        );
        assert!(Keys::open(&stored, &Vault::new([8; 32])).is_err());

        let mut swapped = set(&first(&vault, Algorithm::Es256));
        for stored in &mut swapped.keys {
            stored.key.usage = if stored.key.usage == KeyUse::Access {
                KeyUse::Feed
            } else {
                KeyUse::Access
            };
        }
        assert!(matches!(
            Keys::open(&swapped, &vault),
            Err(KeysError::Sealed(_))
        ));
        let empty = SealedKeys {
            version: 0,
            keys: Vec::new(),
        };
        assert!(Keys::open(&empty, &vault).is_err());
    }
}
