//! What columns hold: ids and marks as their bytes, all numbers as `bigint`, lists as JSON.

use std::time::Duration;

use token::{Mark, SessionId, Subject, UnixTime};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::clock::Millis;
use crate::delivery::Delivery;
use crate::level::{Acr, Level};
use crate::store::{Client, Outcome, Session, StoreError};

/// Numbers of the companion stay below 2^53, so this never saturates.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Outcome<T> {
    row.try_get(column).map_err(|_| {
        StoreError::new(format_args!(
            "PostgreSQL: the column {column} is not as it must be"
        ))
    })
}

pub(super) fn uint(row: &Row, column: &str) -> Outcome<u64> {
    get::<i64>(row, column).map(|number| u64::try_from(number).unwrap_or(0))
}

pub(super) fn millis(row: &Row, column: &str) -> Outcome<Millis> {
    get(row, column).map(Millis)
}

pub(super) fn seconds(row: &Row, column: &str) -> Outcome<UnixTime> {
    get(row, column).map(UnixTime::from_seconds)
}

/// Exactly so many bytes.
pub(super) fn bytes<const N: usize>(row: &Row, column: &str) -> Outcome<[u8; N]> {
    maybe_bytes(row, column)?
        .ok_or_else(|| StoreError::new(format_args!("PostgreSQL: the column {column} is empty")))
}

pub(super) fn maybe_bytes<const N: usize>(row: &Row, column: &str) -> Outcome<Option<[u8; N]>> {
    get::<Option<&[u8]>>(row, column)?
        .map(|bytes| {
            bytes.try_into().map_err(|_| {
                StoreError::new(format_args!(
                    "PostgreSQL: the column {column} has another length"
                ))
            })
        })
        .transpose()
}

pub(super) fn maybe_mark(row: &Row, column: &str) -> Outcome<Option<Mark>> {
    Ok(maybe_bytes(row, column)?.map(Mark::from_bytes))
}

pub(super) fn mark(row: &Row, column: &str) -> Outcome<Mark> {
    bytes(row, column).map(Mark::from_bytes)
}

pub(super) fn list(row: &Row, column: &str) -> Outcome<Vec<String>> {
    serde_json::from_str(get(row, column)?)
        .map_err(|_| StoreError::new(format_args!("PostgreSQL: the column {column} is no list")))
}

pub(super) fn list_text(words: &[&str]) -> String {
    serde_json::json!(words).to_string()
}

pub(super) fn span_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A row of `sessions`.
pub(super) fn session(row: &Row) -> Outcome<Session> {
    Ok(Session {
        id: SessionId::from_bytes(bytes(row, "id")?),
        account: Subject::from_bytes(bytes(row, "account")?),
        generation: uint(row, "generation")?,
        mac_key_version: u32::try_from(uint(row, "mac_key_version")?).unwrap_or(u32::MAX),
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
            ip: get(row, "ip")?,
            user_agent: get(row, "user_agent")?,
            ..Client::default()
        },
        label: get(row, "label")?,
    })
}

/// A word that a later version has written is none that this one may weaken or strengthen.
fn word<T>(row: &Row, column: &str, known: fn(&str) -> Option<T>) -> Outcome<Option<T>> {
    get::<Option<&str>>(row, column)?
        .map(|text| {
            known(text)
                .ok_or_else(|| StoreError::new(format_args!("PostgreSQL: an unknown {column}")))
        })
        .transpose()
}

fn acr(row: &Row, column: &str) -> Outcome<Option<Acr>> {
    word(row, column, Acr::from_name)
}

pub(super) fn delivery(row: &Row, column: &str) -> Outcome<Delivery> {
    word(row, column, Delivery::from_name).map(Option::unwrap_or_default)
}

fn step_up(row: &Row) -> Outcome<Option<Level>> {
    let auth_time: Option<i64> = get(row, "step_auth_time")?;
    Ok(acr(row, "step_acr")?
        .zip(auth_time)
        .map(|(acr, auth_time)| Level {
            acr,
            auth_time: UnixTime::from_seconds(auth_time),
        }))
}
