//! How much memory reading takes.

/// The most that may be held at one moment while at most 8 KiB are read (security.md D4).
const MOST_BYTES: u64 = 64 * 1024;

/// Runs `read` and demands that it stayed within [`MOST_BYTES`]; its result counts too.
pub(crate) fn light<T>(read: impl FnOnce() -> T) -> T {
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(read()));
    assert!(
        held.bytes_max <= MOST_BYTES,
        "{} bytes were held at once",
        held.bytes_max
    );
    result.unwrap()
}
