//! The second delivery of a request.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::framing;
use super::link::{self, PIECE};
use super::shared::Shared;

/// How often the wait for the answer looks whether the end has come.
const LOOK: Duration = Duration::from_millis(50);

/// On a connection and a thread of its own; the client need not stay for it.
pub(super) fn deliver(shared: &Arc<Shared>, request: Vec<u8>) {
    let of_thread = Arc::clone(shared);
    shared.spawn(move || {
        // A server that has gone gets it once.
        if matches!(is_answered(&of_thread, &request), Ok(true)) {
            of_thread.lock().tally.duplicates += 1;
        }
    });
}

/// Reads the answer to its end, or to that of the connection: false when there was none.
fn is_answered(shared: &Shared, request: &[u8]) -> io::Result<bool> {
    let port = shared.lock().target;
    let mut server = link::call(port)?;
    server.set_read_timeout(Some(LOOK))?;
    server.write_all(request)?;
    let mut answer = Vec::new();
    let mut piece = vec![0; PIECE];
    while framing::answer_length(&answer).is_none_or(|length| answer.len() < length) {
        match server.read(&mut piece) {
            Ok(0) => return Ok(!answer.is_empty()),
            Ok(size) => answer.extend_from_slice(&piece[..size]),
            Err(error) if error.kind() == ErrorKind::WouldBlock && !shared.lock().has_ended => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
