//! Buckets and failures, shared by all companions: they survive the end of any of them, and no commit waits for the disk.

use std::time::Duration;

use super::columns::{get, millis, uint};
use super::work::{Db, Write};
use crate::clock::Millis;
use crate::store::{Name, Outcome};
use crate::throttle::{Failures, Limit, Micros};

/// Every call names its buckets in the order of their kinds, so that two calls never wait for each other.
pub(super) async fn take(write: &Write<'_>, limits: &[(Name, Limit)]) -> Outcome<Option<Duration>> {
    // Makes the row where there is none, and locks it: of many at once each sees what the one before has left.
    const LOCK: &str = "
        INSERT INTO buckets (name, full_at) VALUES ($1, 0)
        ON CONFLICT (name) DO UPDATE SET full_at = buckets.full_at RETURNING full_at";
    for (name, limit) in limits {
        let name = name.as_slice();
        let row = write.db.only_row(LOCK, &[&name]).await?;
        let full_at = get(&row, "full_at").map(Micros)?;
        match limit.take(Some(full_at), write.now) {
            Err(wait) => return Ok(Some(wait)),
            Ok(full_at) => {
                let set = "UPDATE buckets SET full_at = $2 WHERE name = $1";
                write.db.execute(set, &[&name, &full_at.0]).await?;
            }
        }
    }
    Ok(None)
}

pub(super) async fn reserve_attempt(write: &Write<'_>, name: &Name) -> Outcome<Option<Duration>> {
    const LOCK: &str = "
        INSERT INTO failures (name, count, last_at) VALUES ($1, 0, 0)
        ON CONFLICT (name) DO UPDATE SET count = failures.count RETURNING count, last_at";
    let name = name.as_slice();
    let row = write.db.only_row(LOCK, &[&name]).await?;
    let before = Failures {
        count: u32::try_from(uint(&row, "count")?).unwrap_or(u32::MAX),
        last_at: millis(&row, "last_at")?,
    };
    match Failures::attempt(Some(before), write.now) {
        Err(wait) => Ok(Some(wait)),
        Ok(Failures { count, last_at }) => {
            let set = "UPDATE failures SET count = $2, last_at = $3 WHERE name = $1";
            write
                .db
                .execute(set, &[&name, &i64::from(count), &last_at.0])
                .await?;
            Ok(None)
        }
    }
}

pub(super) async fn take_back_attempt(write: &Write<'_>, name: &Name) -> Outcome<()> {
    let take_back = "UPDATE failures SET count = count - 1 WHERE name = $1 AND count > 0";
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

/// RL-09: removes only what has no effect any more, so that nobody frees himself by filling the tables.
pub(super) async fn prune(db: Db<'_>, now: Millis) -> Outcome<()> {
    db.execute(
        "DELETE FROM buckets WHERE full_at <= $1",
        &[&Micros::from(now).0],
    )
    .await?;
    let forgotten = now.minus(Failures::FORGOTTEN_AFTER);
    db.execute("DELETE FROM failures WHERE last_at <= $1", &[&forgotten.0])
        .await
        .map(drop)
}
