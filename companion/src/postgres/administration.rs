//! An operator's questions and deeds.

use async_trait::async_trait;
use token::{GatewayId, SessionId, Subject};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::audit::{self, Event};
use super::columns::{bytes, get, int, list, maybe_bytes, millis, uint};
use super::work::{Db, Write, ask, change};
use crate::clock::Millis;
use crate::store::{
    Administration, AuditEntry, AuditQuery, Backlog, Client, FoundAccount, Outcome, RENEWED, Sought,
};

#[async_trait]
impl Administration for Postgres {
    async fn find_account(&self, sought: Sought) -> Outcome<Option<FoundAccount>> {
        ask!(self, |db, _now| find(db, &sought))
    }

    async fn audit(&self, wanted: AuditQuery) -> Outcome<Vec<AuditEntry>> {
        ask!(self, |db, _now| entries(db, wanted))
    }

    async fn renew_marks(&self, behind: u64, by: Client) -> Outcome<Option<u64>> {
        ask!(self, |db, now| renew_marks(db, now, behind, &by))
    }

    async fn forget_gateway(&self, gateway: GatewayId, by: Client) -> Outcome<bool> {
        change!(self, OnDisk, |write| forget(write, gateway, &by))
    }

    async fn backlog(&self) -> Outcome<Backlog> {
        ask!(self, |db, _now| backlog(db))
    }
}

async fn find(db: Db<'_>, sought: &Sought) -> Outcome<Option<FoundAccount>> {
    const FOUND: &str = "
        SELECT id, email, is_active, roles, created_at, deleted_at,
            EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed) AS has_totp
        FROM accounts WHERE ";
    let row = match sought {
        Sought::Id(id) => {
            let query = format!("{FOUND} id = $1");
            db.row(&query, &[&id.as_bytes().as_slice()]).await?
        }
        Sought::Email(email) => {
            let query = format!("{FOUND} email = $1 AND deleted_at IS NULL");
            db.row(&query, &[&email.as_str()]).await?
        }
    };
    let found = |row: &Row| {
        Ok(FoundAccount {
            id: Subject::from_bytes(bytes(row, "id")?),
            email: get(row, "email")?,
            is_active: get(row, "is_active")?,
            roles: list(row, "roles")?,
            has_totp: get(row, "has_totp")?,
            created_at: millis(row, "created_at")?,
            deleted_at: get::<Option<i64>>(row, "deleted_at")?.map(Millis),
        })
    };
    row.as_ref().map(found).transpose()
}

async fn entries(db: Db<'_>, wanted: AuditQuery) -> Outcome<Vec<AuditEntry>> {
    let before = wanted.before.map_or(i64::MAX, int);
    let most = i64::from(wanted.most);
    let account = wanted.account.as_ref().map(|id| id.as_bytes().as_slice());
    let arguments: [&(dyn ToSql + Sync); 3] = [&before, &most, &account];
    let rows = if wanted.account.is_some() {
        let query = "SELECT * FROM audit WHERE account = $3 AND id < $1 ORDER BY id DESC LIMIT $2";
        db.rows(query, &arguments).await?
    } else {
        let query = "SELECT * FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2";
        db.rows(query, &[&before, &most]).await?
    };
    let entry = |row: &Row| {
        Ok(AuditEntry {
            id: uint(row, "id")?,
            at: millis(row, "at")?,
            event: get(row, "event")?,
            cause: get(row, "cause")?,
            account: maybe_bytes(row, "account")?.map(Subject::from_bytes),
            session: maybe_bytes(row, "session")?.map(SessionId::from_bytes),
            by: Client {
                ip: get(row, "ip")?,
                user_agent: get(row, "user_agent")?,
                actor: get(row, "actor")?,
                request_id: get(row, "request_id")?,
            },
        })
    };
    rows.iter().map(entry).collect()
}

async fn renew_marks(
    db: Db<'_>,
    now: Option<Millis>,
    behind: u64,
    by: &Client,
) -> Outcome<Option<u64>> {
    const RENEW: &str = "SELECT last FROM renew_marks($1, $2, $3, ROW($4::text, $5::text, $6::text, $7::text)::client)";
    let row = db
        .only_row(
            RENEW,
            &[
                &now.map(|now| now.0),
                &int(behind),
                &i64::from(RENEWED),
                &by.ip,
                &by.user_agent,
                &by.actor,
                &by.request_id,
            ],
        )
        .await?;
    let last: Option<i64> = get(&row, "last")?;
    Ok(last.map(|last| u64::try_from(last).unwrap_or(0)))
}

/// The row stays for a day, so that all companions hear of it.
async fn forget(write: &Write<'_>, gateway: GatewayId, by: &Client) -> Outcome<bool> {
    const FORGET: &str = "
        UPDATE gateways SET is_forgotten = true, live_until = least(live_until, $2), acknowledged = 0, written_at = $2
        WHERE id = $1 AND NOT is_forgotten";
    let id = gateway.as_bytes().as_slice();
    let forgotten = write.db.execute(FORGET, &[&id, &write.now.0]).await?;
    if forgotten == 0 {
        return Ok(false);
    }
    let event = Event {
        name: "gateway_forgotten",
        account: None,
        session: None,
    };
    audit::append(write, &event, by).await?;
    let tell = "SELECT pg_notify('latchkey_gateways', '')";
    write.db.only_row(tell, &[]).await?;
    Ok(true)
}

async fn backlog(db: Db<'_>) -> Outcome<Backlog> {
    const COUNT: &str =
        "SELECT count(*) - count(dead_at) AS waiting, count(dead_at) AS dead FROM outbox";
    let row = db.only_row(COUNT, &[]).await?;
    Ok(Backlog {
        waiting: uint(&row, "waiting")?,
        dead: uint(&row, "dead")?,
    })
}
