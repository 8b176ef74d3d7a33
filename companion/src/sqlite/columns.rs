//! What columns hold: ids and marks as their bytes, numbers as SQLite's one integer, lists as JSON.

use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Error, Row};
use token::{Mark, SessionId, Subject, UnixTime};

use crate::clock::Millis;
use crate::delivery::Delivery;
use crate::level::{Acr, Level};
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

pub(super) fn maybe_id(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<[u8; 16]>> {
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
        login: Level {
            acr: acr(row, "acr")?.unwrap_or(Acr::Password),
            auth_time: seconds(row, "auth_time")?,
        },
        step_up: step_up(row)?,
        delivery: delivery(row, "delivery")?,
        created_at: millis(row, "created_at")?,
        last_seen_at: millis(row, "last_seen_at")?,
        idle_deadline: millis(row, "idle_deadline")?,
        absolute_deadline: millis(row, "absolute_deadline")?,
        client: Client {
            ip: row.get("ip")?,
            user_agent: row.get("user_agent")?,
            ..Client::default()
        },
        label: row.get("label")?,
    })
}

/// A word that a later version has written is none that this one may weaken or strengthen.
fn word<T>(
    row: &Row<'_>,
    column: &str,
    known: fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| {
        known(&text).ok_or_else(|| {
            Error::FromSqlConversionFailure(0, Type::Text, format!("an unknown {column}").into())
        })
    })
    .transpose()
}

fn acr(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Acr>> {
    word(row, column, Acr::from_name)
}

pub(super) fn delivery(row: &Row<'_>, column: &str) -> rusqlite::Result<Delivery> {
    word(row, column, Delivery::from_name).map(Option::unwrap_or_default)
}

fn step_up(row: &Row<'_>) -> rusqlite::Result<Option<Level>> {
    let auth_time: Option<i64> = row.get("step_auth_time")?;
    Ok(acr(row, "step_acr")?
        .zip(auth_time)
        .map(|(acr, auth_time)| Level {
            acr,
            auth_time: UnixTime::from_seconds(auth_time),
        }))
}
