//! The one thread that writes: waiting writes commit together, and nobody is answered before the commit is on disk.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode};
use token::UnixTime;
use tokio::sync::{oneshot, watch};

use crate::clock::{Clock, Millis};
use crate::metrics::Latency;
use crate::store::{Outcome, StoreError};

/// The most writes of one commit: the first of them waits for the last.
const MOST: usize = 256;

/// What a write has at hand.
pub(super) struct Write<'a> {
    /// The connection, inside a savepoint of its own.
    pub(super) db: &'a Connection,
    /// The store's time.
    pub(super) now: Millis,
    /// See [`Lost`].
    pub(super) lost: Lost,
    moved_to: &'a Cell<u64>,
}

impl Write<'_> {
    /// For a session that was opened then: no access token of it has a later `exp`, whatever its row says.
    pub(super) fn last_exp(&self, latest_exp: UnixTime, opened_at: Millis) -> UnixTime {
        if opened_at < self.lost.before {
            latest_exp.max(self.lost.last_exp)
        } else {
            latest_exp
        }
    }

    /// This write has given out a feed number; told after the commit.
    pub(super) fn feed_moved_to(&self, number: u64) {
        self.moved_to.set(number);
    }
}

/// What an earlier process may have done that this store does not know, because it was put back to an older copy since.
#[derive(Clone, Copy)]
pub(super) struct Lost {
    /// When this process opened the store: all that is lost happened before.
    pub(super) before: Millis,
    /// The last `exp` of the access tokens that were signed until then.
    pub(super) last_exp: UnixTime,
}

/// Runs in its savepoint; what it returns is to be done after the commit.
type Job = Box<dyn FnOnce(&Write<'_>) -> Reply + Send>;
type Reply = Box<dyn FnOnce()>;

/// The writing end. When it is dropped the thread finishes what is waiting, and ends.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    count: AtomicU64,
    latency: Arc<Latency>,
}

impl Writer {
    /// Starts the thread over a connection that nothing else writes through.
    pub(super) fn start(
        db: Connection,
        clock: Clock,
        moved: watch::Sender<u64>,
        lost: Lost,
        latency: Arc<Latency>,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let work = || run(&db, &clock, &waiting, &moved, lost);
                // Without its writer the service would look alive and log nobody out.
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    end_process("the writer panicked", &rusqlite::Error::InvalidQuery);
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            count: AtomicU64::new(0),
            latency,
        })
    }

    /// How much it was given to do.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Runs `work` in a transaction; returns after its commit is on disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Write<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<T> {
        let gone = || StoreError::new("the store has been closed");
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |write| {
            let result = in_savepoint(write, work);
            Box::new(move || drop(tell.send(result.map_err(StoreError::new))))
        });
        self.count.fetch_add(1, Ordering::Relaxed);
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        self.latency.write.time(told).await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by its hook.
            let _ = thread.join();
        }
    }
}

fn run(
    db: &Connection,
    clock: &Clock,
    waiting: &Receiver<Job>,
    moved: &watch::Sender<u64>,
    lost: Lost,
) {
    while let Ok(first) = waiting.recv() {
        let moved_to = Cell::new(0);
        if let Err(error) = db.execute_batch("BEGIN IMMEDIATE") {
            end_process("no transaction can be begun", &error);
        }
        let more = std::iter::from_fn(|| waiting.try_recv().ok());
        let replies: Vec<Reply> = std::iter::once(first)
            .chain(more)
            .take(MOST)
            .map(|job| {
                job(&Write {
                    db,
                    now: clock.now(),
                    lost,
                    moved_to: &moved_to,
                })
            })
            .collect();
        // After a failed commit nobody knows what is on disk, and a later success could not be trusted.
        if let Err(error) = db.execute_batch("COMMIT") {
            end_process("a commit failed", &error);
        }
        if moved_to.get() > 0 {
            moved.send_replace(moved_to.get());
        }
        for reply in replies {
            reply();
        }
    }
}

fn in_savepoint<T>(
    write: &Write<'_>,
    work: impl FnOnce(&Write<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    write.db.execute_batch("SAVEPOINT work")?;
    let result = work(write);
    let end = if result.is_ok() {
        "RELEASE work"
    } else {
        "ROLLBACK TO work; RELEASE work"
    };
    if let Err(error) = &result
        && is_broken(error)
    {
        end_process("a write failed", error);
    }
    if let Err(error) = write.db.execute_batch(end) {
        end_process("a savepoint cannot be ended", &error);
    }
    result
}

/// Whether the disk, not the statement, is to blame.
fn is_broken(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase, SystemIoFailure};
    let broken = [DatabaseCorrupt, DiskFull, NotADatabase, SystemIoFailure];
    error
        .sqlite_error_code()
        .is_some_and(|code| broken.contains(&code))
}

fn end_process(what: &str, error: &rusqlite::Error) -> ! {
    tracing::error!(%error, "{what}; ending, so that nothing is acknowledged that is not stored");
    std::process::exit(74) // EX_IOERR
}
