//! What a stack's store says of sessions, read past the companions.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OpenFlags};

use crate::fault::Fault;
use crate::history::State;
use crate::stack::Stack;

/// Generation, whether it has ended, and how often a refresh token was noted that had been used before, or was ahead of the store.
const SESSIONS: &str = "
    SELECT HEX, CAST(generation AS text), CASE WHEN ended_at IS NULL THEN '0' ELSE '1' END,
        CAST((SELECT COUNT(*) FROM audit WHERE audit.session = sessions.id
            AND event IN ('refresh_token_reused', 'refresh_token_ahead')) AS text)
    FROM sessions";

/// All sessions by their ids.
///
/// # Errors
/// When the store cannot be read.
pub fn sessions(stack: &Stack) -> Result<BTreeMap<String, State>, Fault> {
    let rows = rows(stack, SESSIONS, "id")?;
    rows.iter().map(|row| session(row)).collect()
}

/// The sessions that the feed names.
///
/// # Errors
/// When the store cannot be read.
pub fn in_feed(stack: &Stack) -> Result<BTreeSet<String>, Fault> {
    let query = "SELECT HEX FROM feed WHERE session IS NOT NULL";
    let rows = rows(stack, query, "session")?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Rows of texts; `HEX` is each store's word for that column of bytes as a text.
fn rows(stack: &Stack, query: &str, column: &str) -> Result<Vec<Vec<Option<String>>>, Fault> {
    if let Some(server) = stack.postgres() {
        let query = query.replace("HEX", &format!("encode({column}, 'hex')"));
        return server.query_text(Stack::DATABASE, &query);
    }
    let query = query.replace("HEX", &format!("lower(hex({column}))"));
    let file = stack.folder().join("latchkey.db");
    // Beside its companion.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = || -> rusqlite::Result<_> {
        let db = Connection::open_with_flags(&file, flags)?;
        db.pragma_update(None, "query_only", true)?;
        let mut all = db.prepare(&query)?;
        let columns = all.column_count();
        let rows = all.query_map([], |row| (0..columns).map(|at| row.get(at)).collect())?;
        rows.collect()
    };
    read().map_err(Fault::while_doing(file.display()))
}

fn session(row: &[Option<String>]) -> Result<(String, State), Fault> {
    let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    let number = |at: usize| {
        let parsed = text(at).parse::<u64>();
        parsed.map_err(Fault::while_doing("a row of sessions"))
    };
    let state = State {
        generation: number(1)?,
        has_ended: number(2)? == 1,
        reuse_events: number(3)?.try_into().unwrap_or(u32::MAX),
    };
    Ok((text(0), state))
}
