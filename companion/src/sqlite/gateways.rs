//! The gateways that are registered: until when each may accept tokens.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use token::GatewayId;
use tokio::sync::watch;

use super::Sqlite;
use super::columns::{id, millis, span_millis};
use super::writer::Write;
use crate::clock::Millis;
use crate::store::{
    Acknowledged, GatewayRegister, GatewaysRead, History, Outcome, RegisteredGateway,
};

#[async_trait]
impl GatewayRegister for Sqlite {
    /// Into both files. `latchkey.db` is what lasts; but where it alone is put back from a backup, the other still knows the
    /// gateways that have come since, and no receipt counts too few.
    async fn register_gateway(&self, gateway: RegisteredGateway) -> Outcome<()> {
        self.throttle
            .write(move |write| register(write, &gateway))
            .await?;
        self.writer
            .write(move |write| register(write, &gateway))
            .await
    }

    async fn gateways(&self, _: Millis) -> Outcome<GatewaysRead> {
        let at = self.clock.now();
        let mut gateways = self.readers.read(|read| all(read.db)).await?;
        gateways.extend(self.throttle.write(|write| all(write.db)).await?);
        Ok(GatewaysRead {
            at,
            history: History::default(),
            gateways,
            forgotten: Vec::new(),
        })
    }

    async fn note_acknowledged(&self, _: Vec<Acknowledged>) -> Outcome<()> {
        Ok(())
    }

    fn gateways_moved(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

pub(super) fn register(write: &Write<'_>, gateway: &RegisteredGateway) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "INSERT INTO gateways (id, staleness, live_until) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE
             SET staleness = excluded.staleness, live_until = MAX(live_until, excluded.live_until)",
            params![
                gateway.id.as_bytes(),
                gateway.staleness.map(span_millis),
                gateway.live_until.0
            ],
        )
        .map(drop)
}

/// False: it was not there.
pub(super) fn remove(write: &Write<'_>, gateway: GatewayId) -> rusqlite::Result<bool> {
    let removed = write
        .db
        .execute("DELETE FROM gateways WHERE id = ?1", [gateway.as_bytes()])?;
    Ok(removed > 0)
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<RegisteredGateway>> {
    let mut statement = db.prepare_cached("SELECT id, staleness, live_until FROM gateways")?;
    let rows = statement.query_map([], |row| {
        let staleness: Option<i64> = row.get("staleness")?;
        let staleness = staleness.map(|span| u64::try_from(span).unwrap_or(u64::MAX));
        Ok(RegisteredGateway {
            id: GatewayId::from_bytes(id(row, "id")?),
            staleness: staleness.map(Duration::from_millis),
            live_until: millis(row, "live_until")?,
            // In memory alone: there is no other companion to tell.
            acknowledged: 0,
        })
    })?;
    rows.collect()
}
