//! The gateways that are registered: until when each may accept tokens.

use std::time::Duration;

use rusqlite::{Connection, params};
use token::GatewayId;

use super::columns::{id, millis, span_millis};
use super::writer::Write;
use crate::store::RegisteredGateway;

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
