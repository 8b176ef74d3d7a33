//! The feed: numbers, marks, pages' reads.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use token::{Cursor, Mark, Page, SessionId, UnixTime};
use tokio::sync::watch;

use super::Sqlite;
use super::columns::{int, mark, seconds, uint};
use super::readers::Read;
use super::writer::Write;
use crate::entropy;
use crate::store::{CursorFound, FeedRead, FeedRows, History, Outcome};

#[async_trait]
impl FeedRows for Sqlite {
    async fn read_feed(&self, after: Cursor) -> Outcome<FeedRead> {
        self.readers.read(move |read| behind(read, after)).await
    }

    fn feed_moved(&self) -> watch::Receiver<u64> {
        self.moved.clone()
    }
}

struct Head {
    number: u64,
    mark: Mark,
    keys: u64,
}

/// The number of the last change of the key set; 0 before the first.
pub(super) fn keys_version(db: &Connection) -> rusqlite::Result<u64> {
    Ok(head(db)?.map_or(0, |head| head.keys))
}

fn head(db: &Connection) -> rusqlite::Result<Option<Head>> {
    db.query_row("SELECT number, mark, keys FROM feed_head", [], |row| {
        Ok(Head {
            number: uint(row, "number")?,
            mark: mark(row, "mark")?,
            keys: uint(row, "keys")?,
        })
    })
    .optional()
}

/// Gives the next number to an ended session.
pub(super) fn publish(
    write: &Write<'_>,
    session: SessionId,
    exp: UnixTime,
) -> rusqlite::Result<u64> {
    append(write, Some((session, exp)))
}

/// Gives the next number to a change of the key set.
pub(super) fn publish_keys(write: &Write<'_>) -> rusqlite::Result<u64> {
    let number = append(write, None)?;
    write
        .db
        .execute("UPDATE feed_head SET keys = ?1", [int(number)])?;
    Ok(number)
}

fn append(write: &Write<'_>, entry: Option<(SessionId, UnixTime)>) -> rusqlite::Result<u64> {
    let mark = entropy::mark();
    let number: i64 = write.db.query_row(
        "INSERT INTO feed_head (only, number, mark, keys) VALUES (1, 1, ?1, 1)
         ON CONFLICT (only) DO UPDATE SET number = number + 1, mark = excluded.mark RETURNING number",
        [mark.as_bytes()],
        |row| row.get(0),
    )?;
    let (session, exp) = entry.unzip();
    write.db.execute(
        "INSERT INTO feed (number, mark, session, exp, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            number,
            mark.as_bytes(),
            session.as_ref().map(SessionId::as_bytes),
            exp.map(UnixTime::seconds),
            write.now.0
        ],
    )?;
    let number = u64::try_from(number).unwrap_or(0);
    write.feed_moved_to(number);
    Ok(number)
}

/// The number under which a session was published until `exp` at least, while its row is kept.
pub(super) fn number_of(
    db: &Connection,
    session: SessionId,
    exp: UnixTime,
) -> rusqlite::Result<Option<u64>> {
    db.query_row(
        "SELECT number FROM feed WHERE session = ?1 AND exp >= ?2 ORDER BY number LIMIT 1",
        params![session.as_bytes(), exp.seconds()],
        |row| uint(row, "number"),
    )
    .optional()
}

/// The mark of a number whose row is kept.
pub(super) fn mark_of(db: &Connection, number: u64) -> rusqlite::Result<Mark> {
    db.query_row(
        "SELECT mark FROM feed WHERE number = ?1",
        [int(number)],
        |row| mark(row, "mark"),
    )
}

pub(super) fn behind(read: &Read<'_>, after: Cursor) -> rusqlite::Result<FeedRead> {
    let Some(head) = head(read.db)? else {
        // No keys have been made yet; nothing can be signed either.
        return Err(rusqlite::Error::QueryReturnedNoRows);
    };
    let cursor = find(read.db, &head, after)?;
    let start = if cursor == CursorFound::Known {
        after
    } else {
        Cursor::START
    };
    let mut statement = read.db.prepare_cached(
        "SELECT number, mark, session, exp FROM feed WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    let limit = Page::MAX_ENTRIES + 1;
    let mut rows =
        statement.query([int(start.number), i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut page = FeedRead {
        at: read.now,
        cursor,
        seq: start.number,
        mark: start.mark,
        more: false,
        keys: head.keys,
        // Putting back a file takes a restart.
        history: History::default(),
        has_rows: false,
        revoked: Vec::new(),
    };
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count == limit {
            page.more = true;
            break;
        }
        (page.seq, page.mark, page.has_rows) =
            (uint(row, "number")?, Some(mark(row, "mark")?), true);
        if let Some(session) = row.get::<_, Option<[u8; 16]>>("session")? {
            page.revoked
                .push((SessionId::from_bytes(session), seconds(row, "exp")?));
        }
    }
    Ok(page)
}

fn find(db: &Connection, head: &Head, cursor: Cursor) -> rusqlite::Result<CursorFound> {
    let Some(wanted) = cursor.mark else {
        return Ok(CursorFound::Known);
    };
    let kept = db
        .query_row(
            "SELECT mark FROM feed WHERE number = ?1",
            [int(cursor.number)],
            |row| mark(row, "mark"),
        )
        .optional()?
        .or_else(|| (cursor.number == head.number).then_some(head.mark));
    Ok(match kept {
        Some(mark) if mark == wanted => CursorFound::Known,
        Some(_) => CursorFound::RolledBack,
        None if cursor.number > head.number => CursorFound::RolledBack,
        None => CursorFound::Pruned,
    })
}
