//! Accounts and sessions: login's insert, rotation's one conditional statement, look-ups.

use std::time::Duration;

use async_trait::async_trait;
use token::{SessionId, Subject, UnixTime};
use tokio_postgres::Row;

use super::audit::{self, Event};
use super::columns::{
    bytes, get, int, list, list_text, millis, seconds, session, span_millis, uint,
};
use super::ending::{Also, Ending};
use super::work::{Commit, Db, Done, Write, ask, change, end, transaction};
use super::{Postgres, ending};
use crate::clock::Millis;
use crate::errand;
use crate::receipt::Revocation;
use crate::rotation::{Judgement, Standing, judge};
use crate::store::{
    Cause, Client, Ended, Login, Minted, Outcome, Refresh, Rotation, Session, Sessions,
};

#[async_trait]
impl Sessions for Postgres {
    async fn open_session(&self, login: Login) -> Outcome<Option<Minted>> {
        transaction(
            &self.pool,
            self.set_moment(),
            self.witness.lost(),
            Commit::OnDisk,
            move |write| Box::pin(async move { open(write, &login).await }),
        )
        .await
    }

    async fn rotate(&self, refresh: Refresh) -> Outcome<Rotation> {
        end!(self, |ending| rotate(ending, &refresh))
    }

    async fn live_session(&self, session: SessionId, account: Subject) -> Outcome<Option<Session>> {
        ask!(self, |db, now| live(db, now, session, Some(account)))
    }

    async fn usable_session(&self, session: SessionId) -> Outcome<Option<Session>> {
        ask!(self, |db, now| live(db, now, session, None))
    }

    async fn sessions_of(&self, account: Subject) -> Outcome<Vec<Session>> {
        ask!(self, |db, now| of_account(db, now, account))
    }

    async fn rename_session(
        &self,
        session: SessionId,
        account: Subject,
        label: Option<String>,
    ) -> Outcome<Option<Session>> {
        change!(self, OnDisk, |write| rename(write, session, account, label))
    }

    async fn end_session(
        &self,
        session: SessionId,
        account: Option<Subject>,
        by: Client,
    ) -> Outcome<Ended> {
        let ended = end!(self, |ending| ending.one(session, account, &by))?;
        Ok(match ended {
            Ended::By(revocation) => Ended::By(self.committed(revocation)),
            other => other,
        })
    }

    async fn end_sessions(
        &self,
        account: Subject,
        except: Option<SessionId>,
        by: Client,
    ) -> Outcome<Option<Revocation>> {
        let ended = end!(self, |ending| ending.of_account(account, except, &by))?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn end_some(&self, most: u32, by: Client) -> Outcome<Option<Revocation>> {
        let ended = end!(self, |ending| ending.some(most, &by))?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revoke_unknown(
        &self,
        session: SessionId,
        exp: Option<UnixTime>,
        by: Client,
    ) -> Outcome<Option<Revocation>> {
        let about_now = self.clock.now();
        let ended = end!(self, |ending| ending.unknown(session, exp, &by, about_now))?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revocation(&self, number: u64) -> Outcome<Option<Revocation>> {
        let found = ask!(self, |db, _now| ending::revocation(db, number))?;
        Ok(found.map(|revocation| self.committed(revocation)))
    }
}

/// PW-17: the statement that inserts checks the account and its login epoch once more, and holds the account until the commit: who
/// ends all sessions waits for this one, or this one finds another epoch. Logins of one account go one after the other, so that each
/// counts the others.
pub(super) async fn open(write: &Write<'_>, login: &Login) -> Outcome<Done<Option<Minted>>> {
    const OPEN: &str = "
        INSERT INTO sessions (id, account, generation, rotated_at, mac_key_version, latest_exp, auth_time, acr, amr,
            created_at, last_seen_at, idle_deadline, absolute_deadline, ip, user_agent, label, delivery)
        SELECT $1, id, 0, $2, $3, $4, $5, $6, $7, $2, $2, $8, $9, $10, $11, $12, $15
        FROM accounts WHERE id = $13 AND is_active AND login_epoch = $14 FOR NO KEY UPDATE
        RETURNING *, (SELECT roles FROM accounts WHERE accounts.id = sessions.account) AS roles,
            (SELECT email FROM accounts WHERE accounts.id = sessions.account) AS email, (SELECT keys FROM feed_head) AS keys";
    let (db, now) = (write.db, write.now);
    let absolute = now.plus(login.lifetimes.absolute);
    let idle = now.plus(login.lifetimes.idle).min(absolute);
    let exp = now
        .seconds()
        .plus(login.lifetimes.access)
        .min(absolute.seconds());
    let account = login.account.as_bytes().as_slice();
    let opened = db
        .row(
            OPEN,
            &[
                &login.session.as_bytes().as_slice(),
                &now.0,
                &i64::from(login.mac_key_version),
                &exp.seconds(),
                &now.seconds().seconds(),
                &login.acr.name(),
                &list_text(login.acr.amr()),
                &idle.0,
                &absolute.0,
                &login.by.ip,
                &login.by.user_agent,
                &login.label,
                &account,
                &int(login.login_epoch),
                &login.delivery.name(),
            ],
        )
        .await?;
    let Some(row) = opened else {
        return Ok(Done::Commit(None));
    };
    let minted = Some(minted(&row, now, exp)?);
    let event = Event {
        name: "session_opened",
        account: Some(login.account),
        session: Some(login.session),
    };
    audit::append(write, &event, &login.by).await?;
    let beyond = "
        SELECT id FROM sessions WHERE account = $1 AND ended_at IS NULL AND id <> $2
        ORDER BY last_seen_at DESC, created_at DESC OFFSET $3";
    let most = i64::from(login.most.saturating_sub(1));
    let beyond = db
        .rows(
            beyond,
            &[&account, &login.session.as_bytes().as_slice(), &most],
        )
        .await?;
    if beyond.is_empty() {
        return Ok(Done::Commit(minted));
    }
    let beyond: Vec<_> = beyond
        .iter()
        .map(|row| Ok(SessionId::from_bytes(bytes(row, "id")?)))
        .collect::<Outcome<_>>()?;
    let ending = Ending {
        db,
        now: Some(now),
        lost: write.lost,
    };
    ending
        .these_at_last(&beyond, &login.by, Cause::TooMany)
        .await?;
    Ok(Done::Committed(minted))
}

/// RR-03: one conditional statement decides. What it refuses is judged by what is found afterwards: a generation that is too old, or
/// ahead, stays so, whoever else moves the session meanwhile.
pub(super) async fn rotate(ending: Ending<'_>, refresh: &Refresh) -> Outcome<Rotation> {
    const ROTATE: &str = "
        UPDATE sessions SET generation = generation + 1, rotated_at = now.ms, mac_key_version = $1,
            latest_exp = greatest(latest_exp, least(now.ms / 1000 + $2, absolute_deadline / 1000)),
            last_seen_at = now.ms, idle_deadline = least(now.ms + $3, absolute_deadline), ip = $4, user_agent = $5
        FROM (SELECT coalesce($6, latchkey_now()) AS ms) AS now
        WHERE id = $7 AND generation = $8 AND ended_at IS NULL AND idle_deadline > now.ms AND absolute_deadline > now.ms
            AND EXISTS (SELECT 1 FROM accounts WHERE accounts.id = sessions.account AND is_active)
        RETURNING sessions.*, now.ms, (SELECT roles FROM accounts WHERE accounts.id = sessions.account) AS roles,
            (SELECT email FROM accounts WHERE accounts.id = sessions.account) AS email, (SELECT keys FROM feed_head) AS keys";
    let access = i64::try_from(refresh.lifetimes.access.as_secs()).unwrap_or(i64::MAX);
    let rotated = ending
        .db
        .row(
            ROTATE,
            &[
                &i64::from(refresh.mac_key_version),
                &access,
                &span_millis(refresh.lifetimes.idle),
                &refresh.by.ip,
                &refresh.by.user_agent,
                &ending.now.map(|now| now.0),
                &refresh.session.as_bytes().as_slice(),
                &int(refresh.generation),
            ],
        )
        .await?;
    match rotated {
        Some(row) => {
            let (now, absolute) = (millis(&row, "ms")?, millis(&row, "absolute_deadline")?);
            let exp = now
                .seconds()
                .plus(Duration::from_secs(refresh.lifetimes.access.as_secs()))
                .min(absolute.seconds());
            minted(&row, now, exp).map(Rotation::Rotated)
        }
        None => refused(ending, refresh).await,
    }
}

async fn refused(ending: Ending<'_>, refresh: &Refresh) -> Outcome<Rotation> {
    const FIND: &str = "
        SELECT sessions.*, roles, email, now.ms, (SELECT keys FROM feed_head) AS keys
        FROM sessions JOIN accounts ON accounts.id = sessions.account,
            (SELECT coalesce($2, latchkey_now()) AS ms) AS now
        WHERE sessions.id = $1 AND ended_at IS NULL AND idle_deadline > now.ms AND absolute_deadline > now.ms AND is_active";
    let id = refresh.session.as_bytes().as_slice();
    let now = ending.now.map(|now| now.0);
    let Some(row) = ending.db.row(FIND, &[&id, &now]).await? else {
        return Ok(Rotation::Over);
    };
    let now = millis(&row, "ms")?;
    let standing = Standing {
        generation: uint(&row, "generation")?,
        rotated_at: millis(&row, "rotated_at")?,
    };
    let is_ahead = match judge(standing, refresh.generation, now, refresh.grace) {
        Judgement::Parent => {
            return minted(&row, now, seconds(&row, "latest_exp")?).map(Rotation::Repeated);
        }
        // The statement would have moved it.
        Judgement::Current => return Ok(Rotation::Over),
        Judgement::Reused => false,
        Judgement::Ahead => true,
    };
    let (event, cause) = if is_ahead {
        ("refresh_token_ahead", Cause::RefreshTokenAhead)
    } else {
        ("refresh_token_reused", Cause::RefreshTokenReused)
    };
    let also = Also {
        event,
        notice: errand::REUSE,
    };
    // RFC 9700 section 4.14.2: nobody can tell thief and owner apart, so the session ends for both.
    let ended = ending
        .these(&[refresh.session], None, &refresh.by, cause, Some(also))
        .await?;
    Ok(ended.map_or(Rotation::Over, |_| Rotation::Reused { is_ahead }))
}

pub(super) fn minted(row: &Row, now: Millis, exp: UnixTime) -> Outcome<Minted> {
    Ok(Minted {
        iat: now.seconds(),
        exp,
        session: session(row)?,
        roles: list(row, "roles")?,
        email: get(row, "email")?,
        keys: uint(row, "keys")?,
    })
}

async fn rename(
    write: &Write<'_>,
    renamed: SessionId,
    account: Subject,
    label: Option<String>,
) -> Outcome<Option<Session>> {
    const RENAME: &str = "
        UPDATE sessions SET label = $3 WHERE id = $1 AND account = $2
            AND ended_at IS NULL AND idle_deadline > $4 AND absolute_deadline > $4 RETURNING *";
    let (id, account) = (renamed.as_bytes().as_slice(), account.as_bytes().as_slice());
    let row = write
        .db
        .row(RENAME, &[&id, &account, &label, &write.now.0])
        .await?;
    row.as_ref().map(session).transpose()
}

pub(super) async fn live(
    db: Db<'_>,
    now: Option<Millis>,
    wanted: SessionId,
    account: Option<Subject>,
) -> Outcome<Option<Session>> {
    const LIVE: &str = "
        SELECT sessions.* FROM sessions JOIN accounts ON accounts.id = sessions.account,
            (SELECT coalesce($3, latchkey_now()) AS ms) AS now
        WHERE sessions.id = $1 AND ($2::bytea IS NULL OR account = $2) AND ended_at IS NULL
            AND idle_deadline > now.ms AND absolute_deadline > now.ms AND is_active";
    let row = db
        .row(
            LIVE,
            &[
                &wanted.as_bytes().as_slice(),
                &account.as_ref().map(|id| id.as_bytes().as_slice()),
                &now.map(|now| now.0),
            ],
        )
        .await?;
    row.as_ref().map(session).transpose()
}

pub(super) async fn of_account(
    db: Db<'_>,
    now: Option<Millis>,
    account: Subject,
) -> Outcome<Vec<Session>> {
    const OF_ACCOUNT: &str = "
        SELECT sessions.* FROM sessions, (SELECT coalesce($2, latchkey_now()) AS ms) AS now
        WHERE account = $1 AND ended_at IS NULL AND idle_deadline > now.ms AND absolute_deadline > now.ms
        ORDER BY created_at DESC, id";
    let rows = db
        .rows(
            OF_ACCOUNT,
            &[&account.as_bytes().as_slice(), &now.map(|now| now.0)],
        )
        .await?;
    rows.iter().map(session).collect()
}
