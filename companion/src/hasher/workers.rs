//! The threads on which argon2id runs: as many as may run at a time, so that neither requests nor the store's writer wait for one of
//! theirs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::hashing::{Cost, Memory};

/// A thread that has had nothing to do for so long gives its memory back.
const QUIET: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// The sending end. When it is dropped the threads finish what waits, and end.
pub(super) struct Workers(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn start(count: usize, cost: Cost) -> std::io::Result<Self> {
        let workers = Self(Arc::default());
        for _ in 0..count {
            let queue = Arc::clone(&workers.0);
            thread::Builder::new()
                .name("hasher".to_owned())
                .spawn(move || work(&queue, cost))?;
        }
        Ok(workers)
    }

    pub(super) fn send(&self, job: Job) {
        self.0.lock().jobs.push_back(job);
        self.0.changed.notify_one();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

/// Behind everything else that wants the processor (RL-07): a flood of logins takes what is left by refreshes, the feed and health.
const NICENESS: i32 = 10;

fn work(queue: &Queue, cost: Cost) {
    // On Linux a thread has a priority of its own (`setpriority(2)`, "C library/kernel differences").
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "hashing runs before other work");
    }
    let mut memory = Memory::default();
    while let Some(job) = next(queue, &mut memory) {
        // Who waits for it learns that it never ended; the thread goes on.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            tracing::error!("hashing a password panicked");
            memory = Memory::default();
        }
        // A stored hash may have taken more.
        memory.shrink(Some(cost));
    }
}

/// `None`: there is nothing to do any more.
fn next(queue: &Queue, memory: &mut Memory) -> Option<Job> {
    let mut state = queue.lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        if state.is_closed {
            return None;
        }
        let (woken, wait) = queue
            .changed
            .wait_timeout(state, QUIET)
            .unwrap_or_else(PoisonError::into_inner);
        state = woken;
        if wait.timed_out() && state.jobs.is_empty() {
            memory.shrink(None);
        }
    }
}
