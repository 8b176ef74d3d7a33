//! Dead letters of the outbox.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Row, params};
use token::Subject;

use super::Sqlite;
use super::columns::{int, millis, uint};
use super::readers::Read;
use super::writer::Write;
use crate::code::DAY;
use crate::retention::STEP;
use crate::store::{DeadLetter, DeadLetters, Graveyard, Outcome};

#[async_trait]
impl DeadLetters for Sqlite {
    async fn bury_errand(&self, errand: u64, why: &str) -> Outcome<()> {
        let why = why.to_owned();
        self.writer
            .write(move |write| bury(write, errand, &why))
            .await
    }

    async fn dead_letters(&self, most: u32) -> Outcome<Graveyard> {
        self.readers.read(move |read| graveyard(read, most)).await
    }

    async fn retry_dead(&self, errand: Option<u64>) -> Outcome<u64> {
        self.writer.write(move |write| retry(write, errand)).await
    }

    async fn drop_dead(&self, errand: Option<u64>) -> Outcome<u64> {
        self.writer
            .write(move |write| {
                let removed = write.db.execute(
                    "DELETE FROM outbox WHERE dead_at IS NOT NULL AND (?1 IS NULL OR id = ?1)",
                    [errand.map(int)],
                )?;
                Ok(removed as u64)
            })
            .await
    }

    async fn forget_dead(&self, age: Duration) -> Outcome<()> {
        while self
            .writer
            .write(move |write| {
                let removed = write.db.execute(
                    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE dead_at < ?1 LIMIT ?2)",
                    params![write.now.minus(age).0, STEP],
                )?;
                Ok(removed == usize::from(STEP))
            })
            .await?
        {}
        Ok(())
    }
}

fn bury(write: &Write<'_>, errand: u64, why: &str) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "UPDATE outbox SET dead_at = ?2, last_error = ?3, tries = tries + 1, password_hash = NULL
             WHERE id = ?1 AND dead_at IS NULL",
            params![int(errand), write.now.0, why],
        )
        .map(drop)
}

fn graveyard(read: &Read<'_>, most: u32) -> rusqlite::Result<Graveyard> {
    let count = read.db.query_row(
        "SELECT COUNT(*) AS count FROM outbox WHERE dead_at IS NOT NULL",
        [],
        |row| uint(row, "count"),
    )?;
    let mut statement = read.db.prepare_cached(
        "SELECT id, errand, account, tries, created_at, dead_at, last_error FROM outbox
         WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, id DESC LIMIT ?1",
    )?;
    let newest = statement.query_map([most], letter)?;
    Ok(Graveyard {
        count,
        newest: newest.collect::<Result<_, _>>()?,
    })
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: uint(row, "id")?,
        errand: row.get("errand")?,
        account: row
            .get::<_, Option<[u8; 16]>>("account")?
            .map(Subject::from_bytes),
        tries: row.get("tries")?,
        created_at: millis(row, "created_at")?,
        dead_at: millis(row, "dead_at")?,
        last_error: row
            .get::<_, Option<String>>("last_error")?
            .unwrap_or_default(),
    })
}

fn retry(write: &Write<'_>, errand: Option<u64>) -> rusqlite::Result<u64> {
    let revived = write.db.execute(
        "UPDATE outbox SET dead_at = NULL, last_error = NULL, tries = 0, due_at = ?2, created_at = ?2, expires_at = ?3
         WHERE dead_at IS NOT NULL AND challenge IS NULL AND (?1 IS NULL OR id = ?1)",
        params![errand.map(int), write.now.0, write.now.plus(DAY).0],
    )?;
    Ok(revived as u64)
}
