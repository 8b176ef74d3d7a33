//! Buckets and failures, shared by all companions: they survive the end of any of them, and no commit waits for the disk.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::Postgres;
use super::columns::{bytes, get, millis, uint};
use super::work::{Db, Write, change};
use crate::clock::Millis;
use crate::retention::STRETCH;
use crate::store::{Counters, Name, Outcome};
use crate::throttle::{Closed, Failures, Limit, Micros, UsedUp};

#[async_trait]
impl Counters for Postgres {
    async fn take(&self, limits: Vec<(Name, Limit)>) -> Outcome<Option<UsedUp>> {
        change!(self, Soon, |write| take(write, &limits))
    }

    async fn reserve_attempt(&self, name: Name, most: u32) -> Outcome<Option<Closed>> {
        change!(self, Soon, |write| reserve_attempt(write, &name, most))
    }

    async fn take_back_attempt(&self, name: Name) -> Outcome<()> {
        change!(self, Soon, |write| take_back_attempt(write, &name))
    }

    async fn forget_failures(&self, name: Name) -> Outcome<()> {
        change!(self, Soon, |write| forget_failures(write, &name))
    }
}

/// All rows are locked first, in one order, whatever the order of the limits: two calls never wait for each other.
pub(super) async fn take(write: &Write<'_>, limits: &[(Name, Limit)]) -> Outcome<Option<UsedUp>> {
    // Makes a row where there is none, of a bucket that is full. Of many calls at once each sees what the one before has left.
    const LOCK: &str = "
        INSERT INTO buckets (name, full_at) SELECT name, 0 FROM unnest($1::bytea[]) AS name ORDER BY name
        ON CONFLICT (name) DO UPDATE SET full_at = buckets.full_at RETURNING name, full_at";
    const SET: &str = "
        UPDATE buckets SET full_at = taken.full_at FROM unnest($1::bytea[], $2::bigint[]) AS taken (name, full_at)
        WHERE buckets.name = taken.name";
    let names: BTreeSet<&[u8]> = limits.iter().map(|(name, _)| name.as_slice()).collect();
    let names: Vec<_> = names.into_iter().collect();
    let mut buckets: BTreeMap<Name, Micros> = BTreeMap::new();
    for row in write.db.rows(LOCK, &[&names]).await? {
        buckets.insert(bytes(&row, "name")?, Micros(get(&row, "full_at")?));
    }
    let mut used_up = None;
    for (at, &(name, limit)) in limits.iter().enumerate() {
        match limit.take(buckets.get(&name).copied(), write.now) {
            Ok(full_at) => drop(buckets.insert(name, full_at)),
            Err(wait) => {
                let latest = limit.latest(write.now);
                buckets
                    .entry(name)
                    .and_modify(|full_at| *full_at = latest.min(*full_at));
                used_up = Some(UsedUp { limit, at, wait });
                break;
            }
        }
    }
    let (names, moments): (Vec<&[u8]>, Vec<i64>) = buckets
        .iter()
        .map(|(name, full_at)| (name.as_slice(), full_at.0))
        .unzip();
    write.db.execute(SET, &[&names, &moments]).await?;
    Ok(used_up)
}

pub(super) async fn reserve_attempt(
    write: &Write<'_>,
    name: &Name,
    most: u32,
) -> Outcome<Option<Closed>> {
    const LOCK: &str = "
        INSERT INTO failures (name, count, last_at) VALUES ($1, 0, 0)
        ON CONFLICT (name) DO UPDATE SET count = failures.count RETURNING count, last_at, in_a_row";
    let name = name.as_slice();
    let row = write.db.only_row(LOCK, &[&name]).await?;
    let before = Failures {
        count: u32::try_from(uint(&row, "count")?).unwrap_or(u32::MAX),
        last_at: millis(&row, "last_at")?,
        in_a_row: u32::try_from(uint(&row, "in_a_row")?).unwrap_or(u32::MAX),
    };
    match Failures::attempt(Some(before), write.now, most) {
        Err(closed) => {
            let after = before.as_of(write.now);
            if after != before {
                set_failures(write, name, after).await?;
            }
            Ok(Some(closed))
        }
        Ok(failures) => set_failures(write, name, failures).await.map(|()| None),
    }
}

async fn set_failures(write: &Write<'_>, name: &[u8], failures: Failures) -> Outcome<()> {
    let set = "UPDATE failures SET count = $2, last_at = $3, in_a_row = $4 WHERE name = $1";
    let (count, in_a_row) = (i64::from(failures.count), i64::from(failures.in_a_row));
    write
        .db
        .execute(set, &[&name, &count, &failures.last_at.0, &in_a_row])
        .await
        .map(drop)
}

pub(super) async fn take_back_attempt(write: &Write<'_>, name: &Name) -> Outcome<()> {
    let take_back = "UPDATE failures SET count = greatest(count - 1, 0), in_a_row = greatest(in_a_row - 1, 0) WHERE name = $1";
    let name = name.as_slice();
    write.db.execute(take_back, &[&name]).await.map(drop)
}

pub(super) async fn forget_failures(write: &Write<'_>, name: &Name) -> Outcome<()> {
    let name = name.as_slice();
    write
        .db
        .execute("DELETE FROM failures WHERE name = $1", &[&name])
        .await
        .map(drop)
}

/// Removes what has no effect any more from the stretch behind that name; the name that it ends with, if more lie behind it. Rows are locked
/// in the order of [`take`]; what another companion is at is passed over.
pub(super) async fn prune(
    db: Db<'_>,
    now: Millis,
    (table, which): &(&str, String),
    after: &[u8],
) -> Outcome<Option<Vec<u8>>> {
    let end =
        format!("SELECT name FROM {table} WHERE name > $1 ORDER BY name LIMIT 1 OFFSET {STRETCH}");
    let end = match db.row(&end, &[&after]).await? {
        Some(row) => Some(get::<Vec<u8>>(&row, "name")?),
        None => None,
    };
    let up_to = match end {
        Some(_) => "name <= $2",
        None => "$2::bytea IS NULL",
    };
    let which = which.replace(":now", "$3::bigint");
    let prune = format!(
        "DELETE FROM {table} WHERE name IN (SELECT name FROM {table}
             WHERE name > $1 AND {up_to} AND {which} ORDER BY name FOR UPDATE SKIP LOCKED)"
    );
    db.execute(&prune, &[&after, &end, &now.0]).await?;
    Ok(end)
}
