//! Buckets and failures, in a file of their own: they survive `kill -9`, and cost no sync.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, named_params, params};

use super::Sqlite;
use super::columns::millis;
use super::writer::Write;
use crate::retention::STRETCH;
use crate::store::{Counters, Name, Outcome};
use crate::throttle::{Closed, Failures, Limit, Micros, UsedUp};

#[async_trait]
impl Counters for Sqlite {
    async fn take(&self, limits: Vec<(Name, Limit)>) -> Outcome<Option<UsedUp>> {
        self.throttle.write(move |write| take(write, &limits)).await
    }

    async fn reserve_attempt(&self, name: Name, most: u32) -> Outcome<Option<Closed>> {
        self.throttle
            .write(move |write| reserve_attempt(write, &name, most))
            .await
    }

    async fn take_back_attempt(&self, name: Name) -> Outcome<()> {
        self.throttle
            .write(move |write| take_back_attempt(write, &name))
            .await
    }

    async fn forget_failures(&self, name: Name) -> Outcome<()> {
        self.throttle
            .write(move |write| forget_failures(write, &name))
            .await
    }
}

pub(super) fn take(
    write: &Write<'_>,
    limits: &[(Name, Limit)],
) -> rusqlite::Result<Option<UsedUp>> {
    for (at, &(name, limit)) in limits.iter().enumerate() {
        let full_at = write
            .db
            .prepare_cached("SELECT full_at FROM buckets WHERE name = ?1")?
            .query_row([name], |row| row.get(0).map(Micros))
            .optional()?;
        match limit.take(full_at, write.now) {
            Err(wait) => {
                let latest = limit.latest(write.now);
                if full_at > Some(latest) {
                    set_bucket(write, &name, latest)?;
                }
                return Ok(Some(UsedUp { limit, at, wait }));
            }
            Ok(full_at) => set_bucket(write, &name, full_at)?,
        }
    }
    Ok(None)
}

fn set_bucket(write: &Write<'_>, name: &Name, full_at: Micros) -> rusqlite::Result<()> {
    write
        .db
        .prepare_cached(
            "INSERT INTO buckets (name, full_at) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at",
        )?
        .execute(params![name, full_at.0])
        .map(drop)
}

pub(super) fn reserve_attempt(
    write: &Write<'_>,
    name: &Name,
    most: u32,
) -> rusqlite::Result<Option<Closed>> {
    let before = write
        .db
        .prepare_cached("SELECT count, last_at, in_a_row FROM failures WHERE name = ?1")?
        .query_row([name], |row| {
            Ok(Failures {
                count: row.get("count")?,
                last_at: millis(row, "last_at")?,
                in_a_row: row.get("in_a_row")?,
            })
        })
        .optional()?;
    match Failures::attempt(before, write.now, most) {
        Err(closed) => {
            let after = before.map(|failures| failures.as_of(write.now));
            if let Some(after) = after.filter(|after| before != Some(*after)) {
                set_failures(write, name, after)?;
            }
            Ok(Some(closed))
        }
        Ok(failures) => set_failures(write, name, failures).map(|()| None),
    }
}

fn set_failures(write: &Write<'_>, name: &Name, failures: Failures) -> rusqlite::Result<()> {
    let Failures {
        count,
        last_at,
        in_a_row,
    } = failures;
    write
        .db
        .prepare_cached(
            "INSERT INTO failures (name, count, last_at, in_a_row) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE
             SET count = excluded.count, last_at = excluded.last_at, in_a_row = excluded.in_a_row",
        )?
        .execute(params![name, count, last_at.0, in_a_row])
        .map(drop)
}

pub(super) fn take_back_attempt(write: &Write<'_>, name: &Name) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "UPDATE failures SET count = MAX(count - 1, 0), in_a_row = MAX(in_a_row - 1, 0) WHERE name = ?1",
            [name],
        )
        .map(drop)
}

pub(super) fn forget_failures(write: &Write<'_>, name: &Name) -> rusqlite::Result<()> {
    write
        .db
        .execute("DELETE FROM failures WHERE name = ?1", [name])
        .map(drop)
}

/// The copy in this file of gateways that are long gone.
pub(super) fn prune_gateways(write: &Write<'_>) -> rusqlite::Result<()> {
    let silent = write.now.minus(Duration::from_secs(86_400));
    let prune = "DELETE FROM gateways WHERE live_until < ?1";
    write.db.execute(prune, [silent.0]).map(drop)
}

/// Removes what has no effect any more from the stretch behind that name; the name that it ends with, if more lie behind it.
pub(super) fn prune(
    write: &Write<'_>,
    (table, which): &(&str, String),
    after: &[u8],
) -> rusqlite::Result<Option<Vec<u8>>> {
    let end =
        format!("SELECT name FROM {table} WHERE name > ?1 ORDER BY name LIMIT 1 OFFSET {STRETCH}");
    let end: Option<Vec<u8>> = write
        .db
        .query_row(&end, [after], |row| row.get(0))
        .optional()?;
    let up_to = match end {
        Some(_) => "name <= :end",
        None => ":end IS NULL",
    };
    write.db.execute(
        &format!("DELETE FROM {table} WHERE name > :after AND {up_to} AND {which}"),
        named_params! { ":after": after, ":end": end, ":now": write.now.0 },
    )?;
    Ok(end)
}
