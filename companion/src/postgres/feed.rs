//! The feed: pages' reads, the head. Numbers are given by the schema's `append_feed` alone.

use std::sync::Arc;

use async_trait::async_trait;
use token::{Cursor, Mark, Page, SessionId};
use tokio::sync::watch;
use tokio_postgres::Row;

use super::columns::{bytes, get, int, mark, maybe_bytes, maybe_mark, millis, seconds, uint};
use super::work::{Db, ask};
use super::{Postgres, follow};
use crate::clock::Millis;
use crate::store::{CursorFound, FeedRead, FeedRows, History, Outcome, StoreError};
use crate::witness::{Testimony, Witness, is_known};

#[async_trait]
impl FeedRows for Postgres {
    async fn read_feed(&self, after: Cursor) -> Outcome<FeedRead> {
        let asked = self.clock.steady();
        let witness = Arc::clone(&self.witness);
        let read = ask!(self.feed_pool, |db, now| read(db, now, &witness, after))?;
        follow::heard(&self.clock, &self.witness, read.at, asked);
        Ok(read)
    }

    fn feed_moved(&self) -> watch::Receiver<u64> {
        self.moved.feed.subscribe()
    }
}

/// The newest number, as one look found it.
pub(super) struct Head {
    pub(super) at: Millis,
    pub(super) cursor: Cursor,
    pub(super) history: History,
}

/// The time is that of the statement's arrival: before the snapshot that it reads.
pub(super) async fn head(db: Db<'_>, now: Option<Millis>, witness: &Witness) -> Outcome<Head> {
    const HEAD: &str = "
        SELECT coalesce($1, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS at, number, mark,
            (SELECT mark FROM feed WHERE feed.number = $2) AS witness_mark
        FROM feed_head";
    let asked = witness.ask();
    let now = now.map(|now| now.0);
    let row = db
        .only_row(HEAD, &[&now, &int(asked.newest.number)])
        .await?;
    let cursor = head_of(&row, "number", "mark")?;
    Ok(Head {
        at: millis(&row, "at")?,
        cursor,
        history: testified(&row, witness, asked, cursor)?,
    })
}

fn head_of(row: &Row, number: &str, mark: &str) -> Outcome<Cursor> {
    Ok(Cursor {
        number: uint(row, number)?,
        mark: maybe_mark(row, mark)?,
    })
}

pub(super) fn testified(
    row: &Row,
    witness: &Witness,
    asked: Testimony,
    head: Cursor,
) -> Outcome<History> {
    let is_known = is_known(asked.newest, maybe_mark(row, "witness_mark")?, head);
    Ok(witness.tell(asked, is_known, head))
}

/// One SELECT, so one snapshot: head, cursor, witness and rows belong together.
pub(super) async fn read(
    db: Db<'_>,
    now: Option<Millis>,
    witness: &Witness,
    after: Cursor,
) -> Outcome<FeedRead> {
    const READ: &str = "
        SELECT known.*, entry.number, entry.mark, entry.session, entry.exp
        FROM (
            SELECT coalesce($1, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS at,
                number AS head_number, mark AS head_mark, keys,
                (SELECT mark FROM feed WHERE feed.number = $2) AS witness_mark,
                (SELECT mark FROM feed WHERE feed.number = $3) AS cursor_mark
            FROM feed_head
        ) AS known LEFT JOIN LATERAL (
            SELECT number, mark, session, exp FROM feed
            WHERE number > CASE
                WHEN coalesce(known.cursor_mark, CASE WHEN head_number = $3 THEN head_mark END) = $4 THEN $3 ELSE 0 END
            ORDER BY number LIMIT $5
        ) AS entry ON true";
    let asked = witness.ask();
    let limit = Page::MAX_ENTRIES + 1;
    let rows = db
        .rows(
            READ,
            &[
                &now.map(|now| now.0),
                &int(asked.newest.number),
                &int(after.number),
                &after.mark.as_ref().map(|mark| mark.as_bytes().as_slice()),
                &i64::try_from(limit).unwrap_or(i64::MAX),
            ],
        )
        .await?;
    let Some(first) = rows.first() else {
        return Err(StoreError::new("PostgreSQL: the feed has no head"));
    };
    let head = head_of(first, "head_number", "head_mark")?;
    let keys = uint(first, "keys")?;
    if keys == 0 {
        // Nothing can be signed either.
        return Err(StoreError::new("no signing keys have been made yet"));
    }
    let cursor = found(after, maybe_mark(first, "cursor_mark")?, head);
    let start = if cursor == CursorFound::Known {
        after
    } else {
        Cursor::START
    };
    let mut page = FeedRead {
        at: millis(first, "at")?,
        cursor,
        seq: start.number,
        mark: start.mark,
        more: rows.len() == limit,
        keys,
        history: testified(first, witness, asked, head)?,
        has_rows: false,
        revoked: Vec::new(),
    };
    for row in rows.iter().take(Page::MAX_ENTRIES) {
        // Without rows beyond the cursor the join has one, and it is empty.
        let Some(number) = get::<Option<i64>>(row, "number")? else {
            break;
        };
        (page.seq, page.mark, page.has_rows) = (
            u64::try_from(number).unwrap_or(0),
            Some(mark(row, "mark")?),
            true,
        );
        if let Some(session) = maybe_bytes(row, "session")? {
            page.revoked
                .push((SessionId::from_bytes(session), seconds(row, "exp")?));
        }
    }
    Ok(page)
}

fn found(cursor: Cursor, row: Option<Mark>, head: Cursor) -> CursorFound {
    if is_known(cursor, row, head) {
        CursorFound::Known
    } else if row.is_some() || cursor.number >= head.number {
        CursorFound::RolledBack
    } else {
        CursorFound::Pruned
    }
}

/// A receipt's mark and number, as the schema's functions give them.
pub(super) fn numbered(row: &Row) -> Outcome<(u64, Mark)> {
    Ok((uint(row, "number")?, Mark::from_bytes(bytes(row, "mark")?)))
}
