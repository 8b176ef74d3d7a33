//! The store that several companions share: PostgreSQL, READ COMMITTED, no state of its own but what a read may confirm.
//!
//! Where one statement says it all it is sent alone; else the statements of a transaction follow `BEGIN` and the time. Time that decides
//! is the database's.

mod accounts;
mod administration;
mod arrival;
mod audit;
mod changes;
mod codes;
mod columns;
mod connect;
mod dead_letters;
mod ending;
mod factors;
mod feed;
mod follow;
mod gateways;
mod keys;
mod limits;
mod look;
mod mails;
mod outbox;
mod prune;
mod schema;
mod sessions;
mod step_up;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::follow::Moved;
use self::work::ask;
use crate::clock::{Clock, Millis, Moment};
use crate::code::COOLDOWN;
use crate::metrics::Latency;
use crate::receipt::Revocation;
use crate::retention::{self, PRUNED};
use crate::store::{Outcome, Store};
use crate::witness::Witness;

pub use self::arrival::Arrival;
pub use self::connect::{OpenError, Options, names_a_password};
pub use self::look::look;

/// The store in a database.
pub struct Postgres {
    pool: Pool,
    /// Of the feed and of gateways alone: they wait in no queue behind a flood of logins (RL-07).
    feed_pool: Pool,
    clock: Clock,
    witness: Arc<Witness>,
    moved: Arc<Moved>,
    /// How often a connection was taken out of the pool; but for the first use of each.
    taken: Arc<AtomicU64>,
    /// Between two mails of one kind to one owner.
    cooldown: Duration,
    following: [AbortHandle; 2],
    latency: Latency,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        for task in &self.following {
            task.abort();
        }
    }
}

impl Postgres {
    /// Reaches the database, brings its schema up to date, and begins to follow it. No access token lives for longer than
    /// `longest_token`.
    ///
    /// # Errors
    /// When it cannot be reached, when it is not durable (CF-08), when the schema is of another version.
    pub async fn open(
        options: Options,
        clock: Clock,
        longest_token: Duration,
    ) -> Result<Self, OpenError> {
        let clock = clock.followed();
        let address = connect::address(&options)?;
        schema::bring_up_to_date(&address).await?;
        let asked = clock.steady();
        clock.heard(schema::time(&address).await?, asked);
        let witness = Arc::new(Witness::new(clock.clone(), longest_token));
        let taken = Arc::default();
        let pool = |connections, taken: &Arc<AtomicU64>| {
            connect::pool(
                &address,
                connections,
                Arc::clone(&witness),
                Arc::clone(taken),
            )
        };
        let feed_pool = pool(FEED_CONNECTIONS, &Arc::default())?;
        let pool = pool(options.connections, &taken)?;
        let head = follow::look(&feed_pool, &clock, &witness)
            .await
            .map_err(|error| OpenError::of(&error))?;
        let moved = Arc::new(Moved {
            feed: watch::Sender::new(head.cursor.number),
            gateways: watch::Sender::new(0),
        });
        let looking = tokio::spawn(follow::look_every_second(
            feed_pool.clone(),
            clock.clone(),
            Arc::clone(&witness),
            Arc::clone(&moved),
        ));
        let listening = tokio::spawn(follow::listen(
            address.config,
            address.tls,
            Arc::clone(&moved),
        ));
        Ok(Self {
            pool,
            feed_pool,
            clock,
            witness,
            moved,
            taken,
            cooldown: COOLDOWN,
            following: [looking.abort_handle(), listening.abort_handle()],
            latency: Latency::default(),
        })
    }

    /// With another time between two mails of one kind to one owner.
    #[must_use]
    pub const fn with_cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// The moment that takes the place of the database's own time; in tests alone.
    fn set_moment(&self) -> Option<Millis> {
        self.clock.set_moment()
    }

    /// A revocation whose commit has ended by now.
    fn committed(&self, revocation: Revocation) -> Revocation {
        let latest = revocation.committed_at.plus(LONGEST_COMMIT);
        Revocation {
            committed_at: latest.min(self.clock.now()),
            ..revocation
        }
    }
}

/// One that reads, one that writes what was acknowledged, one that registers.
const FEED_CONNECTIONS: usize = 3;
/// A stored receipt knows when its transaction began; the commit came later, by no more than this.
const LONGEST_COMMIT: Duration = Duration::from_secs(30);

#[async_trait]
impl Store for Postgres {
    /// The database's time as it was last heard, carried on by the steady clock.
    async fn now(&self) -> Outcome<Moment> {
        Ok(Moment {
            wall: self.clock.now(),
            steady: self.clock.steady(),
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn transactions(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn latency(&self) -> &Latency {
        &self.latency
    }

    async fn prune(&self) -> Outcome<()> {
        let now = self.clock.now();
        for table in retention::limits() {
            let mut after = Some(Vec::new());
            while let Some(behind) = after {
                let table = table.clone();
                after = ask!(self, |db, _now| limits::prune(db, now, &table, &behind))?;
            }
        }
        for pruned in &PRUNED {
            while ask!(self, |db, _now| prune::step(db, pruned, now))? {}
        }
        Ok(())
    }
}
