//! Dead letters of the outbox.

use std::time::Duration;

use async_trait::async_trait;
use token::Subject;
use tokio_postgres::Row;

use super::Postgres;
use super::columns::{get, int, maybe_bytes, millis, span_millis, uint};
use super::work::{Db, ask};
use crate::clock::Millis;
use crate::code::DAY;
use crate::retention::STEP;
use crate::store::{DeadLetter, DeadLetters, Graveyard, Outcome};

#[async_trait]
impl DeadLetters for Postgres {
    async fn bury_errand(&self, errand: u64, why: &str) -> Outcome<()> {
        let why = why.to_owned();
        ask!(self, |db, now| bury(db, now, errand, &why))
    }

    async fn dead_letters(&self, most: u32) -> Outcome<Graveyard> {
        ask!(self, |db, _now| graveyard(db, most))
    }

    async fn retry_dead(&self, errand: Option<u64>) -> Outcome<u64> {
        ask!(self, |db, now| retry(db, now, errand))
    }

    async fn drop_dead(&self, errand: Option<u64>) -> Outcome<u64> {
        ask!(self, |db, _now| drop_all(db, errand))
    }

    async fn forget_dead(&self, age: Duration) -> Outcome<()> {
        while ask!(self, |db, now| forget(db, now, age))? {}
        Ok(())
    }
}

async fn bury(db: Db<'_>, now: Option<Millis>, errand: u64, why: &str) -> Outcome<()> {
    const BURY: &str = "
        UPDATE outbox SET dead_at = coalesce($2, latchkey_now()), last_error = $3, tries = tries + 1, password_hash = NULL
        WHERE id = $1 AND dead_at IS NULL";
    db.execute(BURY, &[&int(errand), &now.map(|now| now.0), &why])
        .await
        .map(drop)
}

async fn graveyard(db: Db<'_>, most: u32) -> Outcome<Graveyard> {
    const COUNT: &str = "SELECT count(*) AS count FROM outbox WHERE dead_at IS NOT NULL";
    const NEWEST: &str = "
        SELECT id, errand, account, tries, created_at, dead_at, coalesce(last_error, '') AS last_error FROM outbox
        WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, id DESC LIMIT $1";
    let count = uint(&db.only_row(COUNT, &[]).await?, "count")?;
    let rows = db.rows(NEWEST, &[&i64::from(most)]).await?;
    Ok(Graveyard {
        count,
        newest: rows.iter().map(letter).collect::<Outcome<_>>()?,
    })
}

fn letter(row: &Row) -> Outcome<DeadLetter> {
    Ok(DeadLetter {
        id: uint(row, "id")?,
        errand: get(row, "errand")?,
        account: maybe_bytes(row, "account")?.map(Subject::from_bytes),
        tries: u32::try_from(uint(row, "tries")?).unwrap_or(u32::MAX),
        created_at: millis(row, "created_at")?,
        dead_at: millis(row, "dead_at")?,
        last_error: get(row, "last_error")?,
    })
}

async fn retry(db: Db<'_>, now: Option<Millis>, errand: Option<u64>) -> Outcome<u64> {
    const RETRY: &str = "
        UPDATE outbox SET dead_at = NULL, last_error = NULL, tries = 0, due_at = now.ms, created_at = now.ms,
            expires_at = now.ms + $3
        FROM (SELECT coalesce($2, latchkey_now()) AS ms) AS now
        WHERE dead_at IS NOT NULL AND challenge IS NULL AND ($1::bigint IS NULL OR id = $1)";
    let (errand, now) = (errand.map(int), now.map(|now| now.0));
    db.execute(RETRY, &[&errand, &now, &span_millis(DAY)]).await
}

async fn drop_all(db: Db<'_>, errand: Option<u64>) -> Outcome<u64> {
    const DROP: &str = "
        DELETE FROM outbox WHERE dead_at IS NOT NULL AND ($1::bigint IS NULL OR id = $1)";
    db.execute(DROP, &[&errand.map(int)]).await
}

/// Whether there may be more.
async fn forget(db: Db<'_>, now: Option<Millis>, age: Duration) -> Outcome<bool> {
    const FORGET: &str = "
        DELETE FROM outbox WHERE id = ANY (ARRAY(
            SELECT id FROM outbox WHERE dead_at < coalesce($1, latchkey_now()) - $2 LIMIT $3 FOR UPDATE SKIP LOCKED))";
    let step = i64::from(STEP);
    let removed = db
        .execute(FORGET, &[&now.map(|now| now.0), &span_millis(age), &step])
        .await?;
    Ok(removed == u64::from(STEP))
}
