//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer, readers beside it, one process at a time.

mod accounts;
mod administration;
mod audit;
mod backup;
mod changes;
mod codes;
mod columns;
mod dead_letters;
mod departure;
mod ending;
mod factors;
mod feed;
mod gateways;
mod keys;
mod limits;
mod look;
mod mails;
mod outbox;
mod prune;
mod readers;
mod sessions;
mod step_up;
mod writer;

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::watch;

use self::readers::Readers;
use self::writer::{Lost, Writer};
use crate::clock::{Clock, Moment};
use crate::code::COOLDOWN;
use crate::metrics::Latency;
use crate::receipt::Revocation;
use crate::retention::{self, PRUNED};
use crate::store::{Outcome, Store};

pub use self::backup::backup;
pub use self::departure::Departure;
pub use self::look::look;

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
    /// Between two mails of one kind to one owner.
    cooldown: Duration,
    latency: Arc<Latency>,
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
        let latency = Arc::new(Latency::default());
        let readers =
            Readers::start(connections, &clock, Arc::clone(&latency)).map_err(because(&path))?;
        let writer = Writer::start(db, clock.clone(), tell, lost, Arc::clone(&latency))
            .map_err(because(&path))?;

        let path = folder.join("throttle.db");
        let db = open_throttle(folder)?;
        let (nobody, _) = watch::channel(0);
        let throttle = Writer::start(db, clock.clone(), nobody, lost, Arc::clone(&latency))
            .map_err(because(&path))?;
        Ok(Self {
            readers,
            writer,
            throttle,
            clock,
            moved,
            cooldown: COOLDOWN,
            latency,
            _lock: lock,
        })
    }

    /// With another time between two mails of one kind to one owner.
    #[must_use]
    pub const fn with_cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
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
    // Temporary files would need another folder that can be written (CF-07).
    db.pragma_update(None, "temp_store", "MEMORY")?;
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

    fn is_shared(&self) -> bool {
        false
    }

    fn transactions(&self) -> u64 {
        let counts = [
            self.readers.count(),
            self.writer.count(),
            self.throttle.count(),
        ];
        counts.iter().sum()
    }

    fn latency(&self) -> &Latency {
        &self.latency
    }

    async fn prune(&self) -> Outcome<()> {
        self.throttle.write(limits::prune_gateways).await?;
        for table in retention::limits() {
            let mut after = Some(Vec::new());
            while let Some(behind) = after {
                let table = table.clone();
                let stretch = self
                    .throttle
                    .write(move |write| limits::prune(write, &table, &behind));
                after = stretch.await?;
            }
        }
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
