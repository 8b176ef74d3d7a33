//! What one of several companions in this process logs: the lines of its own threads.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

thread_local! {
    /// Of the companion that this thread works for.
    static CURRENT: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

/// The lines so far. Clones are one list.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// From now on what this thread logs is written here, until the end of the thread.
    pub(super) fn listen(&self) {
        CURRENT.with_borrow_mut(|current| *current = Some(self.clone()));
    }

    /// The same as long as the guard lives.
    pub(super) fn listen_for_now(&self) -> Guard {
        self.listen();
        Guard
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Lines::listen_for_now`].
pub(super) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}

/// This thread has logged a line.
pub(crate) fn append(line: &[u8]) {
    CURRENT.with_borrow(|current| {
        if let Some(lines) = current {
            lines.lock().extend_from_slice(line);
        }
    });
}
