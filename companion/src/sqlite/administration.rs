//! An operator's questions and deeds.

use async_trait::async_trait;
use rusqlite::types::ToSql;
use rusqlite::{OptionalExtension as _, Row, params};
use token::{GatewayId, SessionId, Subject};

use super::audit::{self, Event};
use super::columns::{id, int, list, millis, uint};
use super::readers::Read;
use super::writer::Write;
use super::{Sqlite, gateways};
use crate::clock::Millis;
use crate::store::{
    Administration, AuditEntry, AuditQuery, Backlog, Client, FoundAccount, Outcome, RENEWED, Sought,
};

#[async_trait]
impl Administration for Sqlite {
    async fn find_account(&self, sought: Sought) -> Outcome<Option<FoundAccount>> {
        self.readers.read(move |read| find(read, &sought)).await
    }

    async fn audit(&self, wanted: AuditQuery) -> Outcome<Vec<AuditEntry>> {
        self.readers.read(move |read| entries(read, wanted)).await
    }

    async fn renew_marks(&self, behind: u64, by: Client) -> Outcome<Option<u64>> {
        self.writer
            .write(move |write| renew_marks(write, behind, &by))
            .await
    }

    /// Out of both files: it is known as long as it is in one of them.
    async fn forget_gateway(&self, gateway: GatewayId, by: Client) -> Outcome<bool> {
        let was_in_one = self
            .throttle
            .write(move |write| gateways::remove(write, gateway))
            .await?;
        let was_in_other = self
            .writer
            .write(move |write| {
                let was_there = gateways::remove(write, gateway)?;
                if was_there || was_in_one {
                    audit::append(write, &happened("gateway_forgotten"), &by)?;
                }
                Ok(was_there)
            })
            .await?;
        Ok(was_in_one || was_in_other)
    }

    async fn backlog(&self) -> Outcome<Backlog> {
        self.readers
            .read(|read| {
                read.db.query_row(
                    "SELECT COUNT(*) - COUNT(dead_at) AS waiting, COUNT(dead_at) AS dead FROM outbox",
                    [],
                    |row| {
                        Ok(Backlog {
                            waiting: uint(row, "waiting")?,
                            dead: uint(row, "dead")?,
                        })
                    },
                )
            })
            .await
    }
}

const fn happened(name: &'static str) -> Event {
    Event {
        name,
        cause: None,
        account: None,
        session: None,
    }
}

fn find(read: &Read<'_>, sought: &Sought) -> rusqlite::Result<Option<FoundAccount>> {
    let (which, key): (_, &dyn ToSql) = match sought {
        Sought::Id(id) => ("id = ?1", id.as_bytes()),
        Sought::Email(email) => ("email = ?1 AND deleted_at IS NULL", &email.as_str()),
    };
    let query = format!(
        "SELECT id, email, is_active, roles, created_at, deleted_at,
             EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed = 1) AS has_totp
         FROM accounts WHERE {which}"
    );
    let found = |row: &Row<'_>| {
        let deleted_at: Option<i64> = row.get("deleted_at")?;
        Ok(FoundAccount {
            id: Subject::from_bytes(id(row, "id")?),
            email: row.get("email")?,
            is_active: row.get("is_active")?,
            roles: list(row, "roles")?,
            has_totp: row.get("has_totp")?,
            created_at: millis(row, "created_at")?,
            deleted_at: deleted_at.map(Millis),
        })
    };
    read.db.query_row(&query, [key], found).optional()
}

fn entries(read: &Read<'_>, wanted: AuditQuery) -> rusqlite::Result<Vec<AuditEntry>> {
    let whose = if wanted.account.is_some() {
        "account = ?1"
    } else {
        "?1 IS NULL"
    };
    let query = format!("SELECT * FROM audit WHERE {whose} AND id < ?2 ORDER BY id DESC LIMIT ?3");
    let entry = |row: &Row<'_>| {
        let account: Option<[u8; 16]> = row.get("account")?;
        let session: Option<[u8; 16]> = row.get("session")?;
        Ok(AuditEntry {
            id: uint(row, "id")?,
            at: millis(row, "at")?,
            event: row.get("event")?,
            cause: row.get("cause")?,
            account: account.map(Subject::from_bytes),
            session: session.map(SessionId::from_bytes),
            by: Client {
                ip: row.get("ip")?,
                user_agent: row.get("user_agent")?,
                actor: row.get("actor")?,
                request_id: row.get("request_id")?,
            },
        })
    };
    let mut statement = read.db.prepare_cached(&query)?;
    let account = wanted.account.as_ref().map(Subject::as_bytes);
    let before = wanted.before.map_or(i64::MAX, int);
    let rows = statement.query_map(params![account, before, wanted.most], entry)?;
    rows.collect()
}

/// The head has the mark of its row, and that row is always there.
fn renew_marks(write: &Write<'_>, behind: u64, by: &Client) -> rusqlite::Result<Option<u64>> {
    let last: Option<i64> = write.db.query_row(
        "SELECT MAX(number) FROM (SELECT number FROM feed WHERE number > ?1 ORDER BY number LIMIT ?2)",
        params![int(behind), RENEWED],
        |row| row.get(0),
    )?;
    let Some(last) = last else {
        audit::append(write, &happened("feed_reset"), by)?;
        let head: i64 = write
            .db
            .query_row("SELECT number FROM feed_head", [], |row| row.get(0))?;
        // Held polls are answered from the beginning.
        write.feed_moved_to(u64::try_from(head).unwrap_or(0));
        return Ok(None);
    };
    write.db.execute(
        "UPDATE feed SET mark = randomblob(8) WHERE number > ?1 AND number <= ?2",
        params![int(behind), last],
    )?;
    write.db.execute(
        "UPDATE feed_head SET mark = (SELECT mark FROM feed WHERE feed.number = feed_head.number) WHERE number <= ?1",
        [last],
    )?;
    Ok(Some(u64::try_from(last).unwrap_or(0)))
}
