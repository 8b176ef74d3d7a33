//! The store that several companions share: PostgreSQL, READ COMMITTED, no state of its own but what a read may confirm.
//!
//! Where one statement says it all it is sent alone; else the statements of a transaction follow `BEGIN` and the time. Time that decides
//! is the database's.

mod arrival;
mod audit;
mod codes;
mod columns;
mod connect;
mod ending;
mod feed;
mod follow;
mod gateways;
mod limits;
mod outbox;
mod prune;
mod schema;
mod sessions;
mod work;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use token::{ChallengeId, Cursor, SessionId, Subject, UnixTime};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::ending::Ending;
use self::follow::Moved;
use self::work::{Commit, Done, statement, transaction};
use crate::clock::{Clock, Millis, Moment};
use crate::email::Email;
use crate::receipt::Revocation;
use crate::retention::PRUNED;
use crate::store::{
    Account, Acknowledged, Activation, Attempt, Client, CodeRequest, Ended, FeedRead, GatewaysRead,
    Login, Minted, Name, NextErrand, Outcome, Prepared, Refresh, RegisteredGateway, Requested,
    Rotation, SealedKey, SealedKeys, Session, Store,
};
use crate::throttle::Limit;
use crate::witness::Witness;

pub use self::arrival::Arrival;
pub use self::connect::{OpenError, Options};

/// The store in a database.
pub struct Postgres {
    pool: Pool,
    clock: Clock,
    witness: Arc<Witness>,
    moved: Arc<Moved>,
    following: [AbortHandle; 2],
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
        let pool = connect::pool(&address, options.connections, Arc::clone(&witness))?;
        let head = follow::look(&pool, &clock, &witness)
            .await
            .map_err(|error| OpenError::of(&error))?;
        let moved = Arc::new(Moved {
            feed: watch::Sender::new(head.cursor.number),
            gateways: watch::Sender::new(0),
        });
        let looking = tokio::spawn(follow::look_every_second(
            pool.clone(),
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
            clock,
            witness,
            moved,
            following: [looking.abort_handle(), listening.abort_handle()],
        })
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

/// A stored receipt knows when its transaction began; the commit came later, by no more than this.
const LONGEST_COMMIT: Duration = Duration::from_secs(30);

/// One statement: `$db` is the connection, `$now` the settable moment; what the body names it owns.
macro_rules! ask {
    ($self:ident, |$db:ident, $now:ident| $body:expr) => {{
        let $now = $self.set_moment();
        statement(&$self.pool, move |$db| Box::pin(async move { $body.await })).await
    }};
}

/// An end of sessions, in one statement.
macro_rules! end {
    ($self:ident, |$ending:ident| $body:expr) => {{
        let (now, lost) = ($self.set_moment(), $self.witness.lost());
        statement(&$self.pool, move |db| {
            let $ending = Ending { db, now, lost };
            Box::pin(async move { $body.await })
        })
        .await
    }};
}

/// A transaction.
macro_rules! change {
    ($self:ident, $commit:ident, |$write:ident| $body:expr) => {
        transaction(
            &$self.pool,
            $self.set_moment(),
            $self.witness.lost(),
            Commit::$commit,
            move |$write| Box::pin(async move { $body.await.map(Done::Commit) }),
        )
        .await
    };
}

#[async_trait]
impl Store for Postgres {
    /// The database's time as it was last heard, carried on by the steady clock.
    async fn now(&self) -> Outcome<Moment> {
        Ok(Moment {
            wall: self.clock.now(),
            steady: self.clock.steady(),
        })
    }

    async fn has_master_key(&self) -> Outcome<bool> {
        ask!(self, |db, _now| schema::has_master_key(db))
    }

    async fn is_master_key(&self, check_value: [u8; 32]) -> Outcome<bool> {
        ask!(self, |db, _now| schema::is_master_key(db, check_value))
    }

    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()> {
        change!(self, OnDisk, |write| feed::add_first_keys(write, &keys))
    }

    async fn replace_keys(&self, keys: Vec<SealedKey>) -> Outcome<u64> {
        change!(self, OnDisk, |write| feed::replace_keys(write, &keys))
    }

    async fn keys(&self) -> Outcome<SealedKeys> {
        ask!(self, |db, _now| feed::keys(db))
    }

    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested> {
        ask!(self, |db, now| codes::request(db, now, &request))
    }

    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
        change!(self, OnDisk, |write| codes::attempt(write, challenge))
    }

    async fn activate(&self, activation: Activation) -> Outcome<bool> {
        change!(self, OnDisk, |write| codes::activate(write, &activation))
    }

    async fn next_errand(&self) -> Outcome<NextErrand> {
        ask!(self, |db, now| outbox::next(db, now))
    }

    async fn prepare_mail(&self, errand: u64, code_mac: Option<[u8; 32]>) -> Outcome<Prepared> {
        change!(self, OnDisk, |write| outbox::prepare(
            write, errand, code_mac
        ))
    }

    async fn finish_errand(&self, errand: u64) -> Outcome<()> {
        ask!(self, |db, _now| outbox::finish(db, errand))
    }

    async fn retry_errand(&self, errand: u64, wait: Duration) -> Outcome<()> {
        ask!(self, |db, now| outbox::retry(db, now, errand, wait))
    }

    async fn account(&self, email: &Email) -> Outcome<Option<Account>> {
        let email = email.clone();
        ask!(self, |db, _now| sessions::account(db, email.as_str()))
    }

    async fn open_session(&self, login: Login) -> Outcome<Option<Minted>> {
        transaction(
            &self.pool,
            self.set_moment(),
            self.witness.lost(),
            Commit::OnDisk,
            move |write| Box::pin(async move { sessions::open(write, &login).await }),
        )
        .await
    }

    async fn rotate(&self, refresh: Refresh) -> Outcome<Rotation> {
        end!(self, |ending| sessions::rotate(ending, &refresh))
    }

    async fn live_session(&self, session: SessionId, account: Subject) -> Outcome<Option<Session>> {
        ask!(self, |db, now| sessions::live(db, now, session, account))
    }

    async fn sessions_of(&self, account: Subject) -> Outcome<Vec<Session>> {
        ask!(self, |db, now| sessions::of_account(db, now, account))
    }

    async fn end_session(
        &self,
        session: SessionId,
        account: Option<Subject>,
        by: Client,
    ) -> Outcome<Ended> {
        let ended = end!(self, |ending| ending.one(session, account, &by))?;
        Ok(match ended {
            Ended::By(revocation) => Ended::By(self.committed(revocation)),
            other => other,
        })
    }

    async fn end_sessions(
        &self,
        account: Subject,
        except: Option<SessionId>,
        by: Client,
    ) -> Outcome<Option<Revocation>> {
        let ended = end!(self, |ending| ending.of_account(account, except, &by))?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn end_some(&self, most: u32) -> Outcome<Option<Revocation>> {
        let ended = end!(self, |ending| ending.some(most))?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revoke_unknown(
        &self,
        session: SessionId,
        exp: Option<UnixTime>,
    ) -> Outcome<Option<Revocation>> {
        let about_now = self.clock.now();
        let ended = end!(self, |ending| ending.unknown(session, exp, about_now))?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revocation(&self, number: u64) -> Outcome<Option<Revocation>> {
        let found = ask!(self, |db, _now| ending::revocation(db, number))?;
        Ok(found.map(|revocation| self.committed(revocation)))
    }

    async fn read_feed(&self, after: Cursor) -> Outcome<FeedRead> {
        let asked = self.clock.steady();
        let witness = Arc::clone(&self.witness);
        let read = ask!(self, |db, now| feed::read(db, now, &witness, after))?;
        follow::heard(&self.clock, &self.witness, read.at, asked);
        Ok(read)
    }

    fn feed_moved(&self) -> watch::Receiver<u64> {
        self.moved.feed.subscribe()
    }

    async fn register_gateway(&self, gateway: RegisteredGateway) -> Outcome<()> {
        ask!(self, |db, now| gateways::register(db, now, &gateway))
    }

    async fn gateways(&self, since: Millis) -> Outcome<GatewaysRead> {
        let witness = Arc::clone(&self.witness);
        ask!(self, |db, now| gateways::changed(db, now, &witness, since))
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn note_acknowledged(&self, acknowledged: Vec<Acknowledged>) -> Outcome<()> {
        change!(self, Soon, |write| gateways::note_acknowledged(
            write,
            &acknowledged
        ))
    }

    fn gateways_moved(&self) -> watch::Receiver<u64> {
        self.moved.gateways.subscribe()
    }

    async fn take(&self, limits: Vec<(Name, Limit)>) -> Outcome<Option<Duration>> {
        change!(self, Soon, |write| limits::take(write, &limits))
    }

    async fn reserve_attempt(&self, name: Name) -> Outcome<Option<Duration>> {
        change!(self, Soon, |write| limits::reserve_attempt(write, &name))
    }

    async fn take_back_attempt(&self, name: Name) -> Outcome<()> {
        change!(self, Soon, |write| limits::take_back_attempt(write, &name))
    }

    async fn forget_failures(&self, name: Name) -> Outcome<()> {
        change!(self, Soon, |write| limits::forget_failures(write, &name))
    }

    async fn prune(&self) -> Outcome<()> {
        let now = self.clock.now();
        ask!(self, |db, _now| limits::prune(db, now))?;
        for pruned in &PRUNED {
            while ask!(self, |db, _now| prune::step(db, pruned, now))? {}
        }
        Ok(())
    }
}
