//! The one real clock of the tests: how long things take, and how long to wait for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::fault::Fault;

/// How often something is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Runs from its start.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "the one monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Since the start, in milliseconds with one decimal.
    pub fn milliseconds(self) -> String {
        format!("{:.1} ms", self.elapsed().as_secs_f64() * 1000.0)
    }
}

/// Says that something is over when it is dropped, by a panic too: or else those who go on until then would go on for ever.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one wall clock")]
pub fn unix_seconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What `look` finds, as soon as it finds something.
///
/// # Errors
/// When it has not within `limit`, or when `look` fails.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, Fault>,
) -> Result<T, Fault> {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if watch.elapsed() > limit {
            return Err(Fault::new(format!("waited {limit:?} for {what}")));
        }
        thread::sleep(LOOK);
    }
}
