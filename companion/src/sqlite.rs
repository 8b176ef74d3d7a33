//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer, readers beside it, one process at a time.

mod audit;
mod backup;
mod codes;
mod columns;
mod departure;
mod ending;
mod feed;
mod gateways;
mod limits;
mod outbox;
mod prune;
mod readers;
mod sessions;
mod writer;

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};
use token::{ChallengeId, Cursor, SessionId, Subject, UnixTime};
use tokio::sync::watch;

use self::readers::Readers;
use self::writer::{Lost, Writer};
use crate::clock::{Clock, Millis, Moment};
use crate::email::Email;
use crate::receipt::Revocation;
use crate::retention::PRUNED;
use crate::store::{
    Account, Acknowledged, Activation, Attempt, Client, CodeRequest, Ended, FeedRead, GatewaysRead,
    History, Login, Minted, Name, NextErrand, Outcome, Prepared, Refresh, RegisteredGateway,
    Requested, Rotation, SealedKey, SealedKeys, Session, Store,
};
use crate::throttle::Limit;

pub use self::backup::backup;
pub use self::departure::Departure;

mod schema {
    refinery::embed_migrations!("migrations/sqlite");
}

mod throttle_schema {
    refinery::embed_migrations!("migrations/throttle");
}

/// How many reads run side by side.
const READERS: usize = 2;
/// How long a statement waits for a lock that only a backup or a shell can hold.
const BUSY: Duration = Duration::from_secs(5);
/// A stored receipt knows when its transaction began; the commit came later, by no more than this.
const LONGEST_COMMIT: Duration = Duration::from_secs(30);

/// The store in a state directory: `latchkey.db`, `throttle.db`, and `latchkey.lock`.
pub struct Sqlite {
    /// Closed before the writer.
    readers: Readers,
    writer: Writer,
    throttle: Writer,
    clock: Clock,
    moved: watch::Receiver<u64>,
    /// Held until the last commit: declared after the writers.
    _lock: File,
}

/// The store cannot be opened; the text says which file and why.
#[derive(Debug)]
pub struct OpenError(String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

fn because<E: fmt::Display>(path: &Path) -> impl Fn(E) -> OpenError {
    move |error| OpenError(format!("{}: {error}", path.display()))
}

impl Sqlite {
    /// Opens the store in `folder`, makes what is missing, brings the schema up to date. No access token lives for longer than
    /// `longest_token`.
    ///
    /// # Errors
    /// When another process holds it, when the schema is of another version, or when the disk refuses.
    pub fn open(folder: &Path, clock: Clock, longest_token: Duration) -> Result<Self, OpenError> {
        let lock = lock(folder)?;
        let before = clock.now();
        let lost = Lost {
            before,
            last_exp: before.seconds().plus(longest_token),
        };
        let path = folder.join("latchkey.db");
        let db = open_main(folder)?;
        demand_full_durability(&db, &path)?;
        if departure::is_closed(&db).map_err(because(&path))? {
            return Err(because(&path)(
                "this store was moved to PostgreSQL; it is not the one any more (if the move was interrupted, run it again)",
            ));
        }
        let head = db
            .query_row("SELECT number FROM feed_head", [], |row| {
                columns::uint(row, "number")
            })
            .optional()
            .map_err(because(&path))?;
        let (tell, moved) = watch::channel(head.unwrap_or(0));
        let connections = (0..READERS)
            .map(|_| read_only(&path))
            .collect::<Result<_, _>>()?;
        let readers = Readers::start(connections, &clock).map_err(because(&path))?;
        let writer = Writer::start(db, clock.clone(), tell, lost).map_err(because(&path))?;

        let path = folder.join("throttle.db");
        let db = open_throttle(folder)?;
        let (nobody, _) = watch::channel(0);
        let throttle = Writer::start(db, clock.clone(), nobody, lost).map_err(because(&path))?;
        Ok(Self {
            readers,
            writer,
            throttle,
            clock,
            moved,
            _lock: lock,
        })
    }
}

/// Of all processes one at a time has the store.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let lock = private_file(&folder.join("latchkey.lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => Err(because(folder)(
            "another companion uses this state directory",
        )),
    }
}

/// What must last, with its schema up to date.
fn open_main(folder: &Path) -> Result<Connection, OpenError> {
    let path = folder.join("latchkey.db");
    let mut db = open_private(&path)?;
    set_up(&db, "FULL").map_err(because(&path))?;
    schema::migrations::runner()
        .run(&mut db)
        .map_err(because(&path))?;
    Ok(db)
}

/// The counters, with their schema up to date.
fn open_throttle(folder: &Path) -> Result<Connection, OpenError> {
    let path = folder.join("throttle.db");
    let mut db = open_private(&path)?;
    set_up(&db, "NORMAL").map_err(because(&path))?;
    throttle_schema::migrations::runner()
        .run(&mut db)
        .map_err(because(&path))?;
    Ok(db)
}

/// Makes the file with mode 0600 before SQLite opens it; the WAL takes over its mode (ST-05).
fn private_file(path: &Path) -> Result<File, OpenError> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(because(path))
}

fn open_private(path: &Path) -> Result<Connection, OpenError> {
    drop(private_file(path)?);
    for name in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(name);
        let file = Path::new(&file);
        if file.exists() {
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(file, private).map_err(because(file))?;
        }
    }
    Connection::open(path).map_err(because(path))
}

fn set_up(db: &Connection, synchronous: &str) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)
}

/// CF-08: whatever set it otherwise, the companion does not acknowledge with less.
fn demand_full_durability(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let journal: String = db
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(because(path))?;
    let synchronous: i64 = db
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(because(path))?;
    if journal == "wal" && synchronous == 2 {
        return Ok(());
    }
    Err(OpenError(format!(
        "{}: not durable: journal_mode is {journal}, synchronous is {synchronous}",
        path.display()
    )))
}

fn read_only(path: &Path) -> Result<Connection, OpenError> {
    let db = Connection::open(path).map_err(because(path))?;
    db.busy_timeout(BUSY).map_err(because(path))?;
    db.pragma_update(None, "query_only", true)
        .map_err(because(path))?;
    Ok(db)
}

#[async_trait]
impl Store for Sqlite {
    async fn now(&self) -> Outcome<Moment> {
        Ok(Moment {
            wall: self.clock.now(),
            steady: self.clock.steady(),
        })
    }

    async fn has_master_key(&self) -> Outcome<bool> {
        self.readers
            .read(|read| {
                read.db.query_row(
                    "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'master_key')",
                    [],
                    |row| row.get(0),
                )
            })
            .await
    }

    async fn is_master_key(&self, check_value: [u8; 32]) -> Outcome<bool> {
        self.writer
            .write(move |write| {
                write.db.execute(
                    "INSERT INTO meta (name, value) VALUES ('master_key', ?1) ON CONFLICT (name) DO NOTHING",
                    [check_value],
                )?;
                write.db.query_row(
                    "SELECT value = ?1 FROM meta WHERE name = 'master_key'",
                    [check_value],
                    |row| row.get(0),
                )
            })
            .await
    }

    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()> {
        self.writer
            .write(move |write| feed::add_first_keys(write, &keys))
            .await
    }

    async fn replace_keys(&self, keys: Vec<SealedKey>) -> Outcome<u64> {
        self.writer
            .write(move |write| feed::replace_keys(write, &keys))
            .await
    }

    async fn keys(&self) -> Outcome<SealedKeys> {
        self.readers.read(feed::keys).await
    }

    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested> {
        self.writer
            .write(move |write| codes::request(write, &request))
            .await
    }

    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
        self.writer
            .write(move |write| codes::attempt(write, challenge))
            .await
    }

    async fn activate(&self, activation: Activation) -> Outcome<bool> {
        self.writer
            .write(move |write| codes::activate(write, &activation))
            .await
    }

    async fn next_errand(&self) -> Outcome<NextErrand> {
        self.readers.read(outbox::next).await
    }

    async fn prepare_mail(&self, errand: u64, code_mac: Option<[u8; 32]>) -> Outcome<Prepared> {
        self.writer
            .write(move |write| outbox::prepare(write, errand, code_mac))
            .await
    }

    async fn finish_errand(&self, errand: u64) -> Outcome<()> {
        self.writer
            .write(move |write| outbox::finish(write, errand))
            .await
    }

    async fn retry_errand(&self, errand: u64, wait: Duration) -> Outcome<()> {
        self.writer
            .write(move |write| outbox::retry(write, errand, wait))
            .await
    }

    async fn account(&self, email: &Email) -> Outcome<Option<Account>> {
        let email = email.clone();
        self.readers
            .read(move |read| sessions::account(read, email.as_str()))
            .await
    }

    async fn open_session(&self, login: Login) -> Outcome<Option<Minted>> {
        self.writer
            .write(move |write| sessions::open(write, &login))
            .await
    }

    async fn rotate(&self, refresh: Refresh) -> Outcome<Rotation> {
        self.writer
            .write(move |write| sessions::rotate(write, &refresh))
            .await
    }

    async fn live_session(&self, session: SessionId, account: Subject) -> Outcome<Option<Session>> {
        self.readers
            .read(move |read| sessions::live(read, session, account))
            .await
    }

    async fn sessions_of(&self, account: Subject) -> Outcome<Vec<Session>> {
        self.readers
            .read(move |read| sessions::of_account(read, account))
            .await
    }

    async fn end_session(
        &self,
        session: SessionId,
        account: Option<Subject>,
        by: Client,
    ) -> Outcome<Ended> {
        let ended = self
            .writer
            .write(move |write| ending::end_one(write, session, account, &by))
            .await?;
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
        let ended = self
            .writer
            .write(move |write| ending::end_of_account(write, account, except, &by))
            .await?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn end_some(&self, most: u32) -> Outcome<Option<Revocation>> {
        let ended = self
            .writer
            .write(move |write| ending::end_some(write, most))
            .await?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revoke_unknown(
        &self,
        session: SessionId,
        exp: Option<UnixTime>,
    ) -> Outcome<Option<Revocation>> {
        let ended = self
            .writer
            .write(move |write| ending::revoke_unknown(write, session, exp))
            .await?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revocation(&self, number: u64) -> Outcome<Option<Revocation>> {
        let found = self
            .readers
            .read(move |read| ending::revocation(read.db, number))
            .await?;
        Ok(found.map(|revocation| self.committed(revocation)))
    }

    async fn read_feed(&self, after: Cursor) -> Outcome<FeedRead> {
        self.readers.read(move |read| feed::read(read, after)).await
    }

    fn feed_moved(&self) -> watch::Receiver<u64> {
        self.moved.clone()
    }

    /// Into both files. `latchkey.db` is what lasts; but where it alone is put back from a backup, the other still knows the
    /// gateways that have come since, and no receipt counts too few.
    async fn register_gateway(&self, gateway: RegisteredGateway) -> Outcome<()> {
        self.throttle
            .write(move |write| gateways::register(write, &gateway))
            .await?;
        self.writer
            .write(move |write| gateways::register(write, &gateway))
            .await
    }

    async fn gateways(&self, _: Millis) -> Outcome<GatewaysRead> {
        let at = self.clock.now();
        let mut gateways = self.readers.read(|read| gateways::all(read.db)).await?;
        gateways.extend(self.throttle.write(|write| gateways::all(write.db)).await?);
        Ok(GatewaysRead {
            at,
            history: History::default(),
            gateways,
        })
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn note_acknowledged(&self, _: Vec<Acknowledged>) -> Outcome<()> {
        Ok(())
    }

    fn gateways_moved(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn take(&self, limits: Vec<(Name, Limit)>) -> Outcome<Option<Duration>> {
        self.throttle
            .write(move |write| limits::take(write, &limits))
            .await
    }

    async fn reserve_attempt(&self, name: Name) -> Outcome<Option<Duration>> {
        self.throttle
            .write(move |write| limits::reserve_attempt(write, &name))
            .await
    }

    async fn take_back_attempt(&self, name: Name) -> Outcome<()> {
        self.throttle
            .write(move |write| limits::take_back_attempt(write, &name))
            .await
    }

    async fn forget_failures(&self, name: Name) -> Outcome<()> {
        self.throttle
            .write(move |write| limits::forget_failures(write, &name))
            .await
    }

    async fn prune(&self) -> Outcome<()> {
        self.throttle.write(limits::prune).await?;
        for pruned in &PRUNED {
            while self
                .writer
                .write(|write| prune::step(pruned, write.db, write.now))
                .await?
            {}
        }
        Ok(())
    }
}

impl Sqlite {
    /// A revocation whose commit has ended: a fresh one just now, one that was read no later than [`LONGEST_COMMIT`] after it began.
    fn committed(&self, revocation: Revocation) -> Revocation {
        let latest = revocation.committed_at.plus(LONGEST_COMMIT);
        Revocation {
            committed_at: latest.min(self.clock.now()),
            ..revocation
        }
    }
}
