//! What keeps the key set in order: scheduled rotation, retirement, and the operator's own changes of it. The rule is `key_life`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use token::Algorithm;
use tokio::sync::watch;

use crate::app::{KeyRing, KeyRingError};
use crate::clock::Millis;
use crate::config::Settings;
use crate::key_life::{self, Life};
use crate::keys;
use crate::receipt::Revocation;
use crate::store::{Client, KeyChange, KeyUse, SealedKey, SealedKeys, Store, StoreError};
use crate::vault::Vault;

/// How often the set is looked at.
const BETWEEN: Duration = Duration::from_secs(5);
/// How often a change is tried again that another companion was first with.
const TRIES: usize = 5;

/// All that a change of the key set needs.
#[derive(Clone)]
pub struct KeyKeeper {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    ring: Arc<KeyRing>,
    algorithm: Algorithm,
    rotate_every: Duration,
    publish_ahead: Duration,
}

/// A key of the set as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    /// Its name.
    pub kid: String,
    /// With what it signs.
    pub algorithm: Algorithm,
    /// How far its life has gone.
    pub life: Life,
    /// Whether it is the one that signs now.
    pub signs: bool,
}

/// The key set was not changed.
#[derive(Debug)]
pub enum KeyChangeError {
    /// There are so many keys of that use that one more would be too many for gateways.
    TooMany,
    /// Other companions change it at this moment.
    Busy,
    /// The store failed.
    Store(StoreError),
    /// The keys cannot be used.
    Keys(KeyRingError),
}

impl fmt::Display for KeyChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => {
                f.write_str("too many keys are published; wait until older ones are retired")
            }
            Self::Busy => {
                f.write_str("another companion changes the keys at this moment; try again")
            }
            Self::Store(error) => error.fmt(f),
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyChangeError {}

impl From<StoreError> for KeyChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl KeyKeeper {
    /// Opens the keys of the store, which has some from then on.
    ///
    /// # Errors
    /// [`KeyChangeError`].
    pub async fn open(
        settings: &Settings,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
    ) -> Result<Self, KeyChangeError> {
        let algorithm = settings.tokens.algorithm.into();
        store.add_first_keys(keys::first(&vault, algorithm)).await?;
        let ring = KeyRing::open(store.as_ref(), Arc::clone(&vault)).await;
        Ok(Self {
            ring: Arc::new(ring.map_err(KeyChangeError::Keys)?),
            store,
            vault,
            algorithm,
            rotate_every: settings.keys.rotate_every.get(),
            publish_ahead: settings.keys.publish_ahead.get(),
        })
    }

    /// The keys in memory.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring)
    }

    /// Looks at the set until `stop` becomes true. Every companion of a shared store does; of those that want the same change one makes
    /// it, and one that stands still holds nothing.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            match self.tend().await {
                Ok(()) | Err(KeyChangeError::Busy) => {}
                Err(error) => tracing::error!(%error, "the signing keys were not looked after"),
            }
            let ended = tokio::time::timeout(BETWEEN, stop.wait_for(|stop| *stop)).await;
            if ended.is_ok() {
                return;
            }
        }
    }

    /// Publishes what is due, takes out what is retired, and seals under the newest master key what lies under an older one.
    ///
    /// # Errors
    /// [`KeyChangeError`].
    pub async fn tend(&self) -> Result<(), KeyChangeError> {
        let (stored, now) = self.look().await?;
        for stored in &stored.keys {
            if let Some(sealed) = keys::resealed(&stored.key, &self.vault) {
                let (kid, from) = (stored.key.kid.clone(), stored.key.sealed.clone());
                self.store.reseal_key(kid, from, sealed).await?;
            }
        }
        let lives = stored.lives();
        let due = key_life::due(&lives, self.rotate_every, now);
        let due = due
            .into_iter()
            .filter(|usage| key_life::has_room(&lives, *usage));
        let add: Vec<_> = due.map(|usage| self.make(usage)).collect();
        let gone = key_life::retired(&lives, now);
        let gone = gone.into_iter().filter_map(|at| stored.keys.get(at));
        let remove: Vec<_> = gone.map(|stored| stored.key.kid.clone()).collect();
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        self.change(&stored, add, remove, Client::default()).await
    }

    /// The key set, oldest first.
    ///
    /// # Errors
    /// [`KeyChangeError`].
    pub async fn list(&self) -> Result<Vec<ShownKey>, KeyChangeError> {
        let (stored, now) = self.look().await?;
        let signers = KeyUse::ALL.map(|usage| signer(&stored, usage, now));
        let shown = |(at, stored): (usize, &crate::store::StoredKey)| ShownKey {
            kid: stored.key.kid.clone(),
            algorithm: stored.key.algorithm,
            life: stored.life,
            signs: signers.contains(&Some(at)),
        };
        Ok(stored.keys.iter().enumerate().map(shown).collect())
    }

    /// Publishes a new key of that use now; it signs when all verifiers have had the time to fetch it.
    ///
    /// # Errors
    /// [`KeyChangeError`].
    pub async fn rotate(&self, usage: KeyUse, by: &Client) -> Result<String, KeyChangeError> {
        let key = self.make(usage);
        for _ in 0..TRIES {
            let (stored, _) = self.look().await?;
            if !key_life::has_room(&stored.lives(), usage) {
                return Err(KeyChangeError::TooMany);
            }
            match self
                .change(&stored, vec![key.clone()], Vec::new(), by.clone())
                .await
            {
                Err(KeyChangeError::Busy) => {}
                outcome => return outcome.map(|()| key.kid),
            }
        }
        Err(KeyChangeError::Busy)
    }

    /// Takes a key out at once, for one that has leaked: nothing that it has signed is good any more, at each gateway from its next page
    /// on. The next key signs at once. `None`: there is no such key.
    ///
    /// # Errors
    /// [`KeyChangeError`].
    pub async fn remove(
        &self,
        kid: &str,
        by: &Client,
    ) -> Result<Option<Revocation>, KeyChangeError> {
        let (stored, _) = self.look().await?;
        let Some(found) = stored.keys.iter().find(|stored| stored.key.kid == kid) else {
            return Ok(None);
        };
        let spare = self.make(found.key.usage);
        let removed = self
            .store
            .remove_key(kid.to_owned(), spare, by.clone())
            .await?;
        if let Some(revocation) = &removed {
            tracing::warn!(kid, number = revocation.number, "a signing key was removed");
            self.follow(revocation.number).await?;
        }
        Ok(removed)
    }

    /// Puts new keys in the place of all, at once: for a store, or a master key, that has leaked. Gives the number of the change.
    ///
    /// # Errors
    /// [`KeyChangeError`].
    pub async fn replace(&self, by: &Client) -> Result<u64, KeyChangeError> {
        let number = self
            .store
            .replace_keys(keys::first(&self.vault, self.algorithm), by.clone())
            .await?;
        tracing::warn!(number, "all signing keys were replaced");
        self.follow(number).await?;
        Ok(number)
    }

    async fn look(&self) -> Result<(SealedKeys, Millis), KeyChangeError> {
        let stored = self.store.keys().await?;
        let now = self.store.now().await?.wall;
        Ok((stored, now))
    }

    async fn change(
        &self,
        stored: &SealedKeys,
        add: Vec<SealedKey>,
        remove: Vec<String>,
        by: Client,
    ) -> Result<(), KeyChangeError> {
        let added: Vec<_> = add.iter().map(|key| key.kid.clone()).collect();
        let change = KeyChange {
            of: stored.version,
            add,
            ahead: self.publish_ahead,
            remove: remove.clone(),
            by,
        };
        let number = self.store.change_keys(change).await?;
        let number = number.ok_or(KeyChangeError::Busy)?;
        tracing::info!(number, ?added, retired = ?remove, "the signing keys have changed");
        self.follow(number).await
    }

    /// Before anything else is signed here.
    async fn follow(&self, number: u64) -> Result<(), KeyChangeError> {
        let followed = self.ring.as_of(number, self.store.as_ref()).await;
        followed.map(drop).map_err(KeyChangeError::Keys)
    }

    fn make(&self, usage: KeyUse) -> SealedKey {
        let algorithm = match usage {
            KeyUse::Access => self.algorithm,
            // What every gateway can check (`keys::first` makes the same).
            KeyUse::Feed => Algorithm::Es256,
        };
        keys::make(&self.vault, usage, algorithm)
    }
}

/// The place of the key of that use that signs.
fn signer(stored: &SealedKeys, usage: KeyUse, now: Millis) -> Option<usize> {
    let of_use = stored.keys.iter().enumerate();
    let of_use: Vec<_> = of_use
        .filter(|(_, stored)| stored.life.usage == usage)
        .collect();
    let signer = key_life::signer(of_use.iter().map(|(_, stored)| stored.life), now)?;
    of_use.get(signer).map(|(at, _)| *at)
}
