//! What columns hold: ids and marks as their bytes, numbers as SQLite's one integer, lists as JSON.

use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Error, Row};
use token::{Mark, SessionId, Subject, UnixTime};

use crate::clock::Millis;
use crate::store::{Client, Session};

/// Numbers of the companion stay below 2^53, so this never saturates.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn uint(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|number| u64::try_from(number).unwrap_or(0))
}

pub(super) fn millis(row: &Row<'_>, column: &str) -> rusqlite::Result<Millis> {
    row.get(column).map(Millis)
}

pub(super) fn seconds(row: &Row<'_>, column: &str) -> rusqlite::Result<UnixTime> {
    row.get(column).map(UnixTime::from_seconds)
}

pub(super) fn id(row: &Row<'_>, column: &str) -> rusqlite::Result<[u8; 16]> {
    row.get(column)
}

pub(super) fn mark(row: &Row<'_>, column: &str) -> rusqlite::Result<Mark> {
    row.get(column).map(Mark::from_bytes)
}

pub(super) fn list(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// A list of words as its column.
pub(super) fn list_text(words: &[&str]) -> String {
    serde_json::json!(words).to_string()
}

pub(super) fn span_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A row of `sessions`.
pub(super) fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: SessionId::from_bytes(id(row, "id")?),
        account: Subject::from_bytes(id(row, "account")?),
        generation: uint(row, "generation")?,
        mac_key_version: row.get("mac_key_version")?,
        auth_time: seconds(row, "auth_time")?,
        acr: row.get("acr")?,
        amr: list(row, "amr")?,
        created_at: millis(row, "created_at")?,
        last_seen_at: millis(row, "last_seen_at")?,
        idle_deadline: millis(row, "idle_deadline")?,
        absolute_deadline: millis(row, "absolute_deadline")?,
        client: Client {
            ip: row.get("ip")?,
            user_agent: row.get("user_agent")?,
        },
        label: row.get("label")?,
    })
}
