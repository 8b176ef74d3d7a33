//! Reading beside the writer: a few connections, each read in one snapshot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::clock::{Clock, Millis};
use crate::metrics::Latency;
use crate::store::{Outcome, StoreError};

/// What a read has at hand.
pub(super) struct Read<'a> {
    /// The connection, inside a transaction.
    pub(super) db: &'a Connection,
    /// The store's time, taken before the transaction began.
    pub(super) now: Millis,
}

type Job = Box<dyn FnOnce(&mut Connection, &Clock) + Send>;

/// The reading end. When it is dropped its threads end, and their connections are closed: the writer's is the last one, and takes
/// the WAL into the database file.
pub(super) struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    count: AtomicU64,
    latency: Arc<Latency>,
}

impl Readers {
    /// Starts a thread for each connection.
    pub(super) fn start(
        connections: Vec<Connection>,
        clock: &Clock,
        latency: Arc<Latency>,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut readers = Self {
            jobs: Some(jobs),
            threads: Vec::new(),
            count: AtomicU64::new(0),
            latency,
        };
        for mut db in connections {
            let (waiting, clock) = (Arc::clone(&waiting), clock.clone());
            let thread = thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || {
                    while let Some(job) = next(&waiting) {
                        job(&mut db, &clock);
                    }
                })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// How much they were given to do.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Runs `work` on one snapshot, which was taken after this call.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Read<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<T> {
        let gone = || StoreError::new("the store has been closed");
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |db, clock| {
            let now = clock.now();
            let result = db
                .transaction_with_behavior(TransactionBehavior::Deferred)
                .and_then(|transaction| {
                    work(&Read {
                        db: &transaction,
                        now,
                    })
                });
            drop(tell.send(result.map_err(StoreError::new)));
        });
        self.count.fetch_add(1, Ordering::Relaxed);
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        self.latency.read.time(told).await.map_err(|_| gone())?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            // A panic of the thread has been reported by its hook.
            let _ = thread.join();
        }
    }
}

fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}
