//! The gateways that are registered: until when each may accept tokens, and what it has acknowledged, to whichever companion.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use token::{Cursor, GatewayId};
use tokio::sync::watch;

use super::Postgres;
use super::columns::{bytes, get, int, maybe_mark, millis, span_millis, uint};
use super::feed::testified;
use super::work::{Db, Write, ask, change};
use crate::clock::Millis;
use crate::store::{Acknowledged, GatewayRegister, GatewaysRead, Outcome, RegisteredGateway};
use crate::witness::Witness;

#[async_trait]
impl GatewayRegister for Postgres {
    async fn register_gateway(&self, gateway: RegisteredGateway) -> Outcome<()> {
        ask!(self.feed_pool, |db, now| register(db, now, &gateway))
    }

    async fn gateways(&self, since: Millis) -> Outcome<GatewaysRead> {
        let witness = Arc::clone(&self.witness);
        ask!(self.feed_pool, |db, now| changed(db, now, &witness, since))
    }

    async fn note_acknowledged(&self, acknowledged: Vec<Acknowledged>) -> Outcome<()> {
        change!(self.feed_pool, Soon, |write| note_acknowledged(
            write,
            &acknowledged
        ))
    }

    fn gateways_moved(&self) -> watch::Receiver<u64> {
        self.moved.gateways.subscribe()
    }
}

pub(super) async fn register(
    db: Db<'_>,
    now: Option<Millis>,
    gateway: &RegisteredGateway,
) -> Outcome<()> {
    const REGISTER: &str = "
        INSERT INTO gateways (id, staleness, live_until, written_at) VALUES ($1, $2, $3, coalesce($4, latchkey_now()))
        ON CONFLICT (id) DO UPDATE SET
            -- The longest that is still running: of two companions neither may count too few.
            staleness = CASE
                WHEN gateways.live_until < excluded.written_at THEN excluded.staleness
                WHEN gateways.staleness IS NULL OR excluded.staleness IS NULL THEN NULL
                ELSE greatest(gateways.staleness, excluded.staleness) END,
            live_until = greatest(gateways.live_until, excluded.live_until),
            is_forgotten = false,
            written_at = excluded.written_at";
    db.execute(
        REGISTER,
        &[
            &gateway.id.as_bytes().as_slice(),
            &gateway.staleness.map(span_millis),
            &gateway.live_until.0,
            &now.map(|now| now.0),
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn changed(
    db: Db<'_>,
    now: Option<Millis>,
    witness: &Witness,
    since: Millis,
) -> Outcome<GatewaysRead> {
    const CHANGED: &str = "
        SELECT known.*, gateways.id, staleness, live_until, acknowledged, is_forgotten
        FROM (
            SELECT coalesce($1, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS at,
                number AS head_number, mark AS head_mark, (SELECT mark FROM feed WHERE feed.number = $2) AS witness_mark
            FROM feed_head
        ) AS known LEFT JOIN gateways ON written_at >= $3";
    let asked = witness.ask();
    let rows = db
        .rows(
            CHANGED,
            &[&now.map(|now| now.0), &int(asked.newest.number), &since.0],
        )
        .await?;
    let mut read = GatewaysRead {
        at: Millis(0),
        history: asked.history(),
        gateways: Vec::new(),
        forgotten: Vec::new(),
    };
    if let Some(first) = rows.first() {
        let head = Cursor {
            number: uint(first, "head_number")?,
            mark: maybe_mark(first, "head_mark")?,
        };
        read.at = millis(first, "at")?;
        read.history = testified(first, witness, asked, head)?;
    }
    for row in &rows {
        // Where none has changed the join has one row, and it is empty.
        if get::<Option<&[u8]>>(row, "id")?.is_none() {
            break;
        }
        let id = GatewayId::from_bytes(bytes(row, "id")?);
        if get(row, "is_forgotten")? {
            read.forgotten.push(id);
            continue;
        }
        let staleness: Option<i64> = get(row, "staleness")?;
        let staleness = staleness.map(|span| u64::try_from(span).unwrap_or(u64::MAX));
        read.gateways.push(RegisteredGateway {
            id,
            staleness: staleness.map(Duration::from_millis),
            live_until: millis(row, "live_until")?,
            acknowledged: uint(row, "acknowledged")?,
        });
    }
    Ok(read)
}

pub(super) async fn note_acknowledged(
    write: &Write<'_>,
    acknowledged: &[Acknowledged],
) -> Outcome<()> {
    let ids: Vec<&[u8]> = acknowledged
        .iter()
        .map(|told| told.gateway.as_bytes().as_slice())
        .collect();
    let numbers: Vec<i64> = acknowledged
        .iter()
        .map(|told| told.cursor.map_or(0, |cursor| int(cursor.number)))
        .collect();
    // At the very start a cursor has no mark; it acknowledges nothing either.
    let marks: Vec<Option<&[u8]>> = acknowledged
        .iter()
        .map(|told| {
            let mark = told.cursor.as_ref()?.mark.as_ref()?;
            Some(mark.as_bytes().as_slice())
        })
        .collect();
    let note = "SELECT note_acknowledged($1, $2, $3, $4)";
    write
        .db
        .execute(note, &[&write.now.0, &ids, &numbers, &marks])
        .await
        .map(drop)
}
