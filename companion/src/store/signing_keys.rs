//! Signing keys as they lie in the store, and the master key that they lie under.

use async_trait::async_trait;
use token::Algorithm;

use super::{Outcome, StoreError};

/// The signing keys and what tells the master key. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// Whether the store belongs to a master key already.
    async fn has_master_key(&self) -> Outcome<bool>;

    /// Whether the store was made under the master key with this check value; an empty store takes it.
    async fn is_master_key(&self, check_value: [u8; 32]) -> Outcome<bool>;

    /// Adds the first signing keys, as one change of the key set, unless there are keys already.
    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()>;

    /// Puts these signing keys in the place of all that there are, as one change of the key set. Gives its number.
    async fn replace_keys(&self, keys: Vec<SealedKey>) -> Outcome<u64>;

    /// All signing keys, oldest first.
    async fn keys(&self) -> Outcome<SealedKeys>;
}

/// What a signing key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Access tokens.
    Access,
    /// Feed pages, and nothing else (KR-07).
    Feed,
}

impl KeyUse {
    /// The word for it in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Feed => "feed",
        }
    }
}

/// What the words of a stored key mean.
///
/// # Errors
/// A word that is not known: the key of a later version signs nothing here.
pub fn key_words(usage: &str, algorithm: &str) -> Outcome<(KeyUse, Algorithm)> {
    let usage = [KeyUse::Access, KeyUse::Feed]
        .into_iter()
        .find(|known| known.name() == usage);
    let algorithm = [Algorithm::Es256, Algorithm::EdDsa]
        .into_iter()
        .find(|known| known.name() == algorithm);
    usage
        .zip(algorithm)
        .ok_or_else(|| StoreError::new("a signing key is of an unknown use or algorithm"))
}

/// A signing key as it lies in the store.
#[derive(Clone)]
pub struct SealedKey {
    /// Its name.
    pub kid: String,
    /// What it signs.
    pub usage: KeyUse,
    /// With what.
    pub algorithm: Algorithm,
    /// The secret, sealed by the vault.
    pub sealed: Vec<u8>,
}

/// The signing keys, as of one change of the key set.
pub struct SealedKeys {
    /// The feed number of that change; 0 when there are none yet.
    pub version: u64,
    /// Oldest first.
    pub keys: Vec<SealedKey>,
}
