//! Signing keys as they lie in the store, and the master keys that they lie under.

use std::time::Duration;

use async_trait::async_trait;
use token::Algorithm;

use super::{Client, Outcome, StoreError};
use crate::key_life::Life;
use crate::receipt::Revocation;

/// The signing keys and what tells the master keys. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// The versions of the master key that the store knows, by what tells each.
    async fn master_keys(&self) -> Outcome<Vec<MasterKeyVersion>>;

    /// Notes a version of the master key, unless that version is noted already. Whether it is this key now.
    async fn add_master_key(&self, key: MasterKeyVersion) -> Outcome<bool>;

    /// Adds the first signing keys, as one change of the key set, unless there are keys already. They sign at once.
    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()>;

    /// Puts these signing keys in the place of all that there are, as one change of the key set. They sign at once. Gives its number.
    async fn replace_keys(&self, keys: Vec<SealedKey>, by: Client) -> Outcome<u64>;

    /// Adds keys and takes others out, as one change of the key set, if the set is still the one that the caller has read. Of several
    /// companions that want the same one does it. Gives its number; `None`: the set is another by now, and nothing was done.
    async fn change_keys(&self, change: KeyChange) -> Outcome<Option<u64>>;

    /// Takes a key out at once, as one change of the key set with a receipt. When it was the one that signs, the newest that is left of
    /// its use signs from now on; the spare, when none is left. `None`: there is no such key.
    async fn remove_key(
        &self,
        kid: String,
        spare: SealedKey,
        by: Client,
    ) -> Outcome<Option<Revocation>>;

    /// Puts the same secret in the place of `from`, sealed under another version of the master key. No change of the key set.
    async fn reseal_key(&self, kid: String, from: Vec<u8>, to: Vec<u8>) -> Outcome<()>;

    /// All signing keys, oldest first.
    async fn keys(&self) -> Outcome<SealedKeys>;
}

/// The receipt of a removed key: its thief may sign whatever `exp` he likes, so it ends with the longest silence that a gateway may keep.
pub const REMOVED_KEY_LASTS: Duration = Duration::from_secs(86_400);

/// What a signing key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Access tokens.
    Access,
    /// Feed pages, and nothing else (KR-07).
    Feed,
}

impl KeyUse {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Access, Self::Feed];

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
    let usage = KeyUse::ALL.into_iter().find(|known| known.name() == usage);
    let algorithm = [Algorithm::Es256, Algorithm::EdDsa]
        .into_iter()
        .find(|known| known.name() == algorithm);
    usage
        .zip(algorithm)
        .ok_or_else(|| StoreError::new("a signing key is of an unknown use or algorithm"))
}

/// A version of the master key, without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MasterKeyVersion {
    /// From 1 on.
    pub version: u32,
    /// Tells the key from all others, and nothing about it.
    pub check_value: [u8; 32],
}

impl MasterKeyVersion {
    const FIRST: &str = "master_key";

    /// The name under which both stores note it.
    pub fn name(&self) -> String {
        match self.version {
            1 => Self::FIRST.to_owned(),
            version => format!("{}/{version}", Self::FIRST),
        }
    }

    /// The version that is noted under this name; `None` for a name of something else.
    pub fn named(name: &str) -> Option<u32> {
        let rest = name.strip_prefix(Self::FIRST)?;
        match rest.strip_prefix('/') {
            Some(version) => version.parse().ok(),
            None => rest.is_empty().then_some(1),
        }
    }
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

/// One of a set.
#[derive(Clone)]
pub struct StoredKey {
    /// What it is.
    pub key: SealedKey,
    /// How far its life has gone.
    pub life: Life,
}

/// The signing keys, as of one change of the key set.
pub struct SealedKeys {
    /// The feed number of that change; 0 when there are none yet.
    pub version: u64,
    /// Oldest first.
    pub keys: Vec<StoredKey>,
}

impl SealedKeys {
    /// How far the life of each has gone.
    pub fn lives(&self) -> Vec<Life> {
        self.keys.iter().map(|stored| stored.life).collect()
    }
}

/// A change of the key set.
pub struct KeyChange {
    /// The version of the set that it changes.
    pub of: u64,
    /// New keys.
    pub add: Vec<SealedKey>,
    /// How long they are published before they sign.
    pub ahead: Duration,
    /// The names of those that go.
    pub remove: Vec<String>,
    /// Who wants it.
    pub by: Client,
}
