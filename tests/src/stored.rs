//! What a stack's store says of sessions, read past the companions.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OpenFlags};

use crate::fault::Fault;
use crate::history::State;
use crate::stack::Stack;

/// Id, generation, whether it has ended, and how often a reused refresh token was noted of it; `HEX` is the store's word for a text of
/// bytes.
const SESSIONS: &str = "
    SELECT HEX, generation, CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END,
        (SELECT COUNT(*) FROM audit WHERE audit.session = sessions.id
            AND event IN ('refresh_token_reused', 'refresh_token_ahead'))
    FROM sessions";

/// All sessions by their ids.
///
/// # Errors
/// When the store cannot be read.
pub fn sessions(stack: &Stack) -> Result<BTreeMap<String, State>, Fault> {
    match stack.postgres() {
        Some(server) => {
            let query = SESSIONS.replace("HEX", "encode(id, 'hex')");
            let rows = server.query_text(Stack::DATABASE, &query)?;
            rows.into_iter().map(|row| of_texts(&row)).collect()
        }
        None => in_file(stack),
    }
}

/// The sessions that the feed names.
///
/// # Errors
/// When the store cannot be read.
pub fn in_feed(stack: &Stack) -> Result<BTreeSet<String>, Fault> {
    let query = "SELECT HEX FROM feed WHERE session IS NOT NULL";
    match stack.postgres() {
        Some(server) => {
            let query = query.replace("HEX", "encode(session, 'hex')");
            let rows = server.query_text(Stack::DATABASE, &query)?;
            Ok(rows.into_iter().flatten().flatten().collect())
        }
        None => {
            let query = query.replace("HEX", "lower(hex(session))");
            let read = |db: &Connection| {
                let mut all = db.prepare(&query)?;
                let rows = all.query_map([], |row| row.get(0))?;
                rows.collect()
            };
            read_file(stack, read)
        }
    }
}

fn in_file(stack: &Stack) -> Result<BTreeMap<String, State>, Fault> {
    read_file(stack, |db| {
        let mut all = db.prepare(&SESSIONS.replace("HEX", "lower(hex(id))"))?;
        let rows = all.query_map([], |row| {
            let state = State {
                generation: row.get::<_, i64>(1)?.unsigned_abs(),
                has_ended: row.get(2)?,
                reuse_events: row.get(3)?,
            };
            Ok((row.get(0)?, state))
        })?;
        rows.collect()
    })
}

/// Reads the file beside its companion.
fn read_file<T>(
    stack: &Stack,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, Fault> {
    let file = stack.folder().join("latchkey.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = || {
        let db = Connection::open_with_flags(&file, flags)?;
        db.pragma_update(None, "query_only", true)?;
        read(&db)
    };
    read().map_err(Fault::while_doing(file.display()))
}

fn of_texts(row: &[Option<String>]) -> Result<(String, State), Fault> {
    let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    let number = |at: usize| {
        let parsed = text(at).parse::<u64>();
        parsed.map_err(Fault::while_doing("a row of sessions"))
    };
    let state = State {
        generation: number(1)?,
        has_ended: number(2)? == 1,
        reuse_events: number(3)?.try_into().unwrap_or_default(),
    };
    Ok((text(0), state))
}
