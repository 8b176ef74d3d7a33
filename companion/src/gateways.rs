//! Who polls: until when each gateway may accept tokens, and what it has acknowledged. The rules are in `registry`; here is their shared
//! form.
//!
//! Where several companions share a store, each knows the gateways of all: its own from their polls, the others' from the store.

mod registry;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use token::{Cursor, GatewayId};
use tokio::sync::{Notify, watch};

use crate::clock::{Millis, Moment};
use crate::receipt::Gateway;
use crate::store::{Acknowledged, Client, CursorFound, GatewaysRead, History, Outcome, Store};

pub use self::registry::{Forget, Full, MOST, Registration, Registry};

/// The registry that the handlers share; tells receipts when something has changed.
pub struct Gateways {
    registry: Mutex<Registry>,
    changed: watch::Sender<()>,
    /// What the other companions are to be told.
    untold: Mutex<HashMap<GatewayId, Acknowledged>>,
    telling: Notify,
    /// How many reads of the store have begun; behind the lock, the last of those that have ended.
    begun: AtomicU64,
    ended: tokio::sync::Mutex<u64>,
}

/// What has been acknowledged is told at most so often.
const BETWEEN: Duration = Duration::from_millis(20);
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

impl Gateways {
    /// See [`Registry::new`].
    pub fn new(stored: GatewaysRead, now: Moment) -> Self {
        Self {
            registry: Mutex::new(Registry::new(stored, now)),
            changed: watch::Sender::new(()),
            untold: Mutex::default(),
            telling: Notify::new(),
            begun: AtomicU64::new(0),
            ended: tokio::sync::Mutex::new(0),
        }
    }

    /// Learns what the store has of the gateways of all companions, by a read that begins after this call; one serves all who wait.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn refresh(&self, store: &dyn Store) -> Outcome<()> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut ended = self.ended.lock().await;
        if *ended > before {
            return Ok(());
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let since = self.lock().next_read();
        let read = store.gateways(since).await?;
        let now = store.now().await?;
        self.lock().merge(read, now);
        *ended = number;
        Ok(())
    }

    /// Registers those again that the store may have lost.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn register_the_lost(&self, store: &dyn Store) -> Outcome<()> {
        let now = store.now().await?;
        let lost = self.lock().lost(now);
        for registration in lost {
            store.register_gateway(registration.gateway).await?;
            self.committed(registration);
        }
        Ok(())
    }

    /// Tells the other companions what gateways acknowledge here, at once and then every few milliseconds, until `stop` becomes true.
    pub async fn tell(&self, store: &dyn Store, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.telling.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let untold: Vec<_> = lock(&self.untold).drain().map(|(_, told)| told).collect();
            let pause = match store.note_acknowledged(untold.clone()).await {
                Ok(()) => BETWEEN,
                Err(error) => {
                    tracing::warn!(%error, "what gateways have acknowledged was not told to the other companions; trying again");
                    self.tell_later(untold);
                    AFTER_A_FAILURE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// What is newer by then stays.
    fn tell_later(&self, untold: Vec<Acknowledged>) {
        let mut later = lock(&self.untold);
        for told in untold {
            later.entry(told.gateway).or_insert(told);
        }
        self.telling.notify_one();
    }

    /// See [`Registry::arrive`].
    ///
    /// # Errors
    /// [`Full`].
    pub fn arrive(
        &self,
        id: GatewayId,
        staleness: Option<Duration>,
        now: Moment,
    ) -> Result<Option<Registration>, Full> {
        self.lock().arrive(id, staleness, now)
    }

    /// See [`Registry::committed`].
    pub fn committed(&self, registration: Registration) {
        self.lock().committed(registration);
    }

    /// See [`Registry::read`].
    pub fn read(&self, id: GatewayId, cursor: Cursor, found: CursorFound, history: History) {
        let new = self.lock().read(id, cursor, found, history);
        if let Some(new) = new {
            lock(&self.untold).insert(id, new);
            self.telling.notify_one();
        }
        self.changed.send_replace(());
    }

    /// See [`Registry::list`].
    pub fn list(&self) -> Vec<Gateway> {
        self.lock().list()
    }

    /// Takes a gateway out of the count, here and, by way of the store, everywhere.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget(&self, id: GatewayId, store: &dyn Store, by: Client) -> Outcome<Forget> {
        if store.is_shared() {
            self.refresh(store).await?;
        }
        let now = store.now().await?;
        let may = self.lock().may_forget(id, now);
        if may != Forget::Yes {
            return Ok(may);
        }
        store.forget_gateway(id, by).await?;
        let now = store.now().await?;
        let done = self.lock().forget(id, now);
        if done == Forget::StillPolls {
            self.register_the_lost(store).await?;
        }
        self.changed.send_replace(());
        Ok(done)
    }

    /// See [`Registry::forget_the_silent`].
    pub fn forget_the_silent(&self, now: Millis) {
        self.lock().forget_the_silent(now);
    }

    /// Changes after this call.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
