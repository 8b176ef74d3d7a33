//! The companion's signing keys: made once, sealed in the store, open in memory.

use std::fmt;

use token::{Algorithm, GatewayKeys, KeySet, KeySetError, SigningKey};

use crate::entropy;
use crate::store::{KeyUse, SealedKey, SealedKeys};
use crate::vault::Vault;

/// The key set as of one change of it.
pub struct Keys {
    version: u64,
    access: SigningKey,
    feed: SigningKey,
    public: GatewayKeys,
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

fn make(vault: &Vault, usage: KeyUse, algorithm: Algorithm) -> SealedKey {
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
    /// Opens what the store holds; the newest key of each use signs.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn open(stored: &SealedKeys, vault: &Vault) -> Result<Self, KeysError> {
        let (mut access, mut feed) = (Vec::new(), Vec::new());
        for key in &stored.keys {
            let opened = open(key, vault).ok_or_else(|| KeysError::Sealed(key.kid.clone()))?;
            match key.usage {
                KeyUse::Access => access.push(opened),
                KeyUse::Feed => feed.push(opened),
            }
        }
        let set = |keys: &[SigningKey]| {
            KeySet::new(keys.iter().map(|key| key.verifying_key().clone()).collect())
        };
        let public = GatewayKeys {
            version: stored.version,
            access: set(&access).map_err(KeysError::Set)?,
            feed: set(&feed).map_err(KeysError::Set)?,
        };
        let (Some(access), Some(feed)) = (access.pop(), feed.pop()) else {
            return Err(KeysError::Missing);
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

    /// Signs access tokens.
    pub const fn access(&self) -> &SigningKey {
        &self.access
    }

    /// Signs feed pages.
    pub const fn feed(&self) -> &SigningKey {
        &self.feed
    }

    /// The public halves.
    pub const fn public(&self) -> &GatewayKeys {
        &self.public
    }
}

fn open(key: &SealedKey, vault: &Vault) -> Option<SigningKey> {
    let secret = vault.unseal(&context(key.usage, &key.kid), &key.sealed)?;
    let secret: &[u8; 32] = secret.as_slice().try_into().ok()?;
    SigningKey::from_secret(key.algorithm, secret).filter(|opened| opened.kid() == key.kid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KR-07, ST-06: what is sealed for one use opens for no other, and under no other master key.
    #[test]
    fn a_stored_key_opens_for_its_own_use_and_under_its_own_master_key() {
        let vault = Vault::new([7; 32]);
        let stored = SealedKeys {
            version: 1,
            keys: first(&vault, Algorithm::Es256),
        };
        let keys = Keys::open(&stored, &vault).unwrap();
        assert_ne!(keys.access().kid(), keys.feed().kid());
        assert!(Keys::open(&stored, &Vault::new([8; 32])).is_err());

        let mut swapped = SealedKeys {
            version: 1,
            keys: stored.keys.clone(),
        };
        for key in &mut swapped.keys {
            key.usage = if key.usage == KeyUse::Access {
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
