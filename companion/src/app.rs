//! What all requests share.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Notify, watch};

use crate::address::Trust;
use crate::admin::AdminToken;
use crate::clock::Millis;
use crate::config::Settings;
use crate::error::ApiError;
use crate::event::Event;
use crate::feed::Feed;
use crate::gateways::Gateways;
use crate::hasher::Hasher;
use crate::key_upkeep::KeyKeeper;
use crate::keys::{Keys, KeysError};
use crate::metrics::Metrics;
use crate::oauth_client::Confidential;
use crate::outbox;
use crate::store::{Client, Name, Store, StoreError};
use crate::throttle::{Limit, Micros, UsedUp};
use crate::vault::Vault;

/// The companion's state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    /// Checked settings.
    pub settings: Settings,
    /// Whose X-Forwarded-For is believed.
    pub trust: Trust,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The master key.
    pub vault: Arc<Vault>,
    /// The signing keys.
    pub keys: Arc<KeyRing>,
    /// What changes them.
    pub keeper: KeyKeeper,
    /// The gate before argon2.
    pub hasher: Hasher,
    /// The reader of the feed.
    pub feed: Feed,
    /// Who polls.
    pub gateways: Arc<Gateways>,
    /// SHA-256 of each gateway token that is taken.
    pub gateway_tokens: Vec<[u8; 32]>,
    /// The admin tokens that are taken.
    pub admin_tokens: Vec<AdminToken>,
    /// Who may call the OAuth endpoints with a secret.
    pub clients: Vec<Confidential>,
    /// Wakes the outbox's worker.
    pub outbox: Arc<Notify>,
    /// What became of mail.
    pub mails: Arc<outbox::Figures>,
    /// Becomes true when the service is about to end: no new work should come.
    pub draining: watch::Receiver<bool>,
    /// Becomes true when the service ends.
    pub stop: watch::Receiver<bool>,
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// When the bucket of all unauthenticated requests is full again.
    pub unauthenticated: Mutex<Option<Micros>>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// The state that the handlers share.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// One of the limit of that name, which counts for `subject`.
    pub fn limit(&self, name: &'static str, subject: &str, limit: Limit) -> Draw {
        Draw::of(&self.vault, name, subject, limit)
    }

    /// Takes one of each limit (RL-06: before any work is done), and one of the limit of all together. That one is looked at first
    /// and taken last: whom an inner limit refuses takes nothing from the others.
    ///
    /// # Errors
    /// [`ApiError::LimitReached`], [`ApiError::Unavailable`].
    pub async fn take(&self, draws: Vec<Draw>) -> Result<(), ApiError> {
        let now = self.store.now().await?.wall;
        self.total(&mut self.lock_total(), now)?;
        self.take_from_owner(draws).await?;
        let mut full_at = self.lock_total();
        *full_at = Some(self.total(&mut full_at, now)?);
        Ok(())
    }

    /// The same for somebody whose token or MAC holds: he is none of those who count together.
    ///
    /// # Errors
    /// [`ApiError::LimitReached`], [`ApiError::Unavailable`].
    pub async fn take_from_owner(&self, draws: Vec<Draw>) -> Result<(), ApiError> {
        let buckets = draws.iter().map(|draw| draw.bucket).collect();
        let Some(used_up) = self.store.take(buckets).await? else {
            return Ok(());
        };
        let limit = draws.get(used_up.at).map_or("", |draw| draw.limit);
        Err(self.limit_reached(limit, used_up))
    }

    fn limit_reached(&self, limit: &'static str, used_up: UsedUp) -> ApiError {
        self.metrics.count_limit(limit);
        self.tell(
            &Client::default(),
            Event::failed("rate_limited").because(limit),
        );
        ApiError::LimitReached(used_up)
    }

    fn total(&self, full_at: &mut Option<Micros>, now: Millis) -> Result<Micros, ApiError> {
        let limit = self.settings.limits.unauthenticated_total;
        limit.take(*full_at, now).map_err(|wait| {
            *full_at = (*full_at).min(Some(limit.latest(now)));
            let used_up = UsedUp { limit, at: 0, wait };
            self.limit_reached("unauthenticated_total", used_up)
        })
    }

    fn lock_total(&self) -> MutexGuard<'_, Option<Micros>> {
        self.unauthenticated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One to be taken from a limit.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// The name of the limit in the configuration.
    pub limit: &'static str,
    /// Where it is counted.
    pub bucket: (Name, Limit),
}

impl Draw {
    /// One of the limit of that name, which counts for `subject`.
    pub fn of(vault: &Vault, name: &'static str, subject: &str, limit: Limit) -> Self {
        Self {
            limit: name,
            bucket: (vault.limiter_name(name, subject), limit),
        }
    }
}

/// The signing keys in memory, as of the last look into the store.
pub struct KeyRing {
    keys: RwLock<Arc<Keys>>,
    vault: Arc<Vault>,
}

/// The keys cannot be had.
#[derive(Debug)]
pub enum KeyRingError {
    /// The store failed.
    Store(StoreError),
    /// They cannot be used.
    Keys(KeysError),
}

impl std::fmt::Display for KeyRingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyRingError {}

impl KeyRing {
    /// Opens the keys of the store.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub async fn open(store: &dyn Store, vault: Arc<Vault>) -> Result<Self, KeyRingError> {
        let keys = RwLock::new(Arc::new(load(store, &vault).await?));
        Ok(Self { keys, vault })
    }

    /// The keys.
    pub fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys as of the change `version` at least, which a read of the feed has named: a removed key signs nothing after it.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub async fn as_of(&self, version: u64, store: &dyn Store) -> Result<Arc<Keys>, KeyRingError> {
        let current = self.current();
        if current.version() == version {
            return Ok(current);
        }
        let fresh = Arc::new(load(store, &self.vault).await?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }
}

async fn load(store: &dyn Store, vault: &Vault) -> Result<Keys, KeyRingError> {
    let stored = store.keys().await.map_err(KeyRingError::Store)?;
    Keys::open(&stored, vault).map_err(KeyRingError::Keys)
}
