//! Accounts and sessions: login's insert, rotation's one conditional statement, look-ups.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, named_params, params};
use token::{SessionId, Subject, UnixTime};

use super::audit::{self, Event};
use super::columns::{id, int, list, list_text, millis, seconds, session};
use super::readers::Read;
use super::writer::Write;
use super::{Sqlite, ending, feed, outbox};
use crate::clock::Millis;
use crate::errand;
use crate::receipt::Revocation;
use crate::rotation::{Judgement, Standing, judge};
use crate::store::{
    Cause, Client, Ended, Login, Minted, Outcome, Refresh, Rotation, Session, Sessions,
};

#[async_trait]
impl Sessions for Sqlite {
    async fn open_session(&self, login: Login) -> Outcome<Option<Minted>> {
        self.writer.write(move |write| open(write, &login)).await
    }

    async fn rotate(&self, refresh: Refresh) -> Outcome<Rotation> {
        self.writer
            .write(move |write| rotate(write, &refresh))
            .await
    }

    async fn live_session(&self, session: SessionId, account: Subject) -> Outcome<Option<Session>> {
        self.readers
            .read(move |read| live(read, session, Some(account)))
            .await
    }

    async fn usable_session(&self, session: SessionId) -> Outcome<Option<Session>> {
        self.readers
            .read(move |read| live(read, session, None))
            .await
    }

    async fn sessions_of(&self, account: Subject) -> Outcome<Vec<Session>> {
        self.readers
            .read(move |read| of_account(read, account))
            .await
    }

    async fn rename_session(
        &self,
        session: SessionId,
        account: Subject,
        label: Option<String>,
    ) -> Outcome<Option<Session>> {
        self.writer
            .write(move |write| rename(write, session, account, label.as_deref()))
            .await
    }

    async fn end_session(
        &self,
        session: SessionId,
        account: Option<Subject>,
        by: Client,
    ) -> Outcome<Ended> {
        let ended = self
            .writer
            .write(move |write| ending::end_one(write, session, account, &by))
            .await?;
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
        let ended = self
            .writer
            .write(move |write| {
                ending::end_of_account(
                    write,
                    account,
                    except,
                    &by,
                    Cause::EndedByOwner.or_operator(&by),
                )
            })
            .await?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn end_some(&self, most: u32, by: Client) -> Outcome<Option<Revocation>> {
        let ended = self
            .writer
            .write(move |write| ending::end_some(write, most, &by))
            .await?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revoke_unknown(
        &self,
        session: SessionId,
        exp: Option<UnixTime>,
        by: Client,
    ) -> Outcome<Option<Revocation>> {
        let ended = self
            .writer
            .write(move |write| ending::revoke_unknown(write, session, exp, &by))
            .await?;
        Ok(ended.map(|revocation| self.committed(revocation)))
    }

    async fn revocation(&self, number: u64) -> Outcome<Option<Revocation>> {
        let found = self
            .readers
            .read(move |read| ending::revocation(read.db, number))
            .await?;
        Ok(found.map(|revocation| self.committed(revocation)))
    }
}

/// PW-17: the statement that inserts checks the account and its login epoch once more.
pub(super) fn open(write: &Write<'_>, login: &Login) -> rusqlite::Result<Option<Minted>> {
    let now = write.now;
    let absolute = now.plus(login.lifetimes.absolute);
    let idle = now.plus(login.lifetimes.idle).min(absolute);
    let exp = expiry(now, login.lifetimes.access, absolute);
    let inserted = write
        .db
        .query_row(
            "INSERT INTO sessions (id, account, generation, rotated_at, mac_key_version, latest_exp, auth_time, acr, amr,
                 created_at, last_seen_at, idle_deadline, absolute_deadline, ip, user_agent, label, delivery)
             SELECT :id, id, 0, :now, :mac_key, :exp, :auth_time, :acr, :amr,
                 :now, :now, :idle, :absolute, :ip, :user_agent, :label, :delivery
             FROM accounts WHERE id = :account AND is_active = 1 AND login_epoch = :epoch
             RETURNING *",
            named_params! {
                ":id": login.session.as_bytes(), ":now": now.0, ":mac_key": login.mac_key_version,
                ":exp": exp.seconds(), ":auth_time": now.seconds().seconds(), ":acr": login.acr.name(),
                ":amr": list_text(login.acr.amr()), ":idle": idle.0, ":absolute": absolute.0,
                ":ip": login.by.ip, ":user_agent": login.by.user_agent, ":label": login.label, ":delivery": login.delivery.name(),
                ":account": login.account.as_bytes(), ":epoch": int(login.login_epoch),
            },
            session,
        )
        .optional()?;
    let Some(session) = inserted else {
        return Ok(None);
    };
    let event = Event {
        name: "session_opened",
        cause: None,
        account: Some(session.account),
        session: Some(session.id),
    };
    audit::append(write, &event, &login.by)?;
    let mut statement = write.db.prepare_cached(
        "SELECT id FROM sessions WHERE account = ?1 AND ended_at IS NULL AND id <> ?2
         ORDER BY last_seen_at DESC, created_at DESC LIMIT -1 OFFSET ?3",
    )?;
    let beyond = params![
        session.account.as_bytes(),
        session.id.as_bytes(),
        login.most.saturating_sub(1)
    ];
    let beyond: Vec<_> = statement
        .query_map(beyond, |row| Ok(SessionId::from_bytes(id(row, "id")?)))?
        .collect::<rusqlite::Result<_>>()?;
    ending::end(write, &beyond, &login.by, Cause::TooMany)?;
    minted(write, session, exp).map(Some)
}

/// RR-03: one conditional statement decides.
pub(super) fn rotate(write: &Write<'_>, refresh: &Refresh) -> rusqlite::Result<Rotation> {
    let now = write.now;
    let exp = now.seconds().plus(refresh.lifetimes.access);
    let rotated = write
        .db
        .prepare_cached(
            "UPDATE sessions SET generation = generation + 1, rotated_at = :now, mac_key_version = :mac_key,
                 latest_exp = MAX(latest_exp, MIN(:exp, absolute_deadline / 1000)),
                 last_seen_at = :now, idle_deadline = MIN(:idle, absolute_deadline),
                 ip = :ip, user_agent = :user_agent
             WHERE id = :id AND generation = :generation AND ended_at IS NULL
                 AND idle_deadline > :now AND absolute_deadline > :now
                 AND EXISTS (SELECT 1 FROM accounts WHERE accounts.id = sessions.account AND is_active = 1)
             RETURNING *",
        )?
        .query_row(
            named_params! {
                ":now": now.0, ":mac_key": refresh.mac_key_version, ":exp": exp.seconds(),
                ":idle": now.plus(refresh.lifetimes.idle).0, ":ip": refresh.by.ip,
                ":user_agent": refresh.by.user_agent, ":id": refresh.session.as_bytes(),
                ":generation": int(refresh.generation),
            },
            session,
        )
        .optional()?;
    match rotated {
        Some(session) => {
            let exp = expiry(now, refresh.lifetimes.access, session.absolute_deadline);
            minted(write, session, exp).map(Rotation::Rotated)
        }
        None => refused(write, refresh),
    }
}

/// Why the conditional statement moved nothing.
fn refused(write: &Write<'_>, refresh: &Refresh) -> rusqlite::Result<Rotation> {
    let Some((found, rotated_at, latest_exp)) = usable(write, refresh.session)? else {
        return Ok(Rotation::Over);
    };
    let standing = Standing {
        generation: found.generation,
        rotated_at,
    };
    let is_ahead = match judge(standing, refresh.generation, write.now, refresh.grace) {
        Judgement::Parent => return minted(write, found, latest_exp).map(Rotation::Repeated),
        // The statement would have moved it.
        Judgement::Current => return Ok(Rotation::Over),
        Judgement::Reused => false,
        Judgement::Ahead => true,
    };
    let (name, cause) = if is_ahead {
        ("refresh_token_ahead", Cause::RefreshTokenAhead)
    } else {
        ("refresh_token_reused", Cause::RefreshTokenReused)
    };
    let event = Event {
        name,
        cause: None,
        account: Some(found.account),
        session: Some(found.id),
    };
    audit::append(write, &event, &refresh.by)?;
    // RFC 9700 section 4.14.2: nobody can tell thief and owner apart, so the session ends for both.
    ending::end(write, &[found.id], &refresh.by, cause)?;
    outbox::add_notice(write, errand::REUSE, Some(found.account), None)?;
    Ok(Rotation::Reused { is_ahead })
}

fn rename(
    write: &Write<'_>,
    renamed: SessionId,
    account: Subject,
    label: Option<&str>,
) -> rusqlite::Result<Option<Session>> {
    write
        .db
        .query_row(
            "UPDATE sessions SET label = ?3 WHERE id = ?1 AND account = ?2
                 AND ended_at IS NULL AND idle_deadline > ?4 AND absolute_deadline > ?4 RETURNING *",
            params![renamed.as_bytes(), account.as_bytes(), label, write.now.0],
            session,
        )
        .optional()
}

/// The session, if it lives and may be used, with the moment of its last rotation and its latest `exp`.
fn usable(
    write: &Write<'_>,
    wanted: SessionId,
) -> rusqlite::Result<Option<(Session, Millis, UnixTime)>> {
    write
        .db
        .query_row(
            "SELECT sessions.* FROM sessions JOIN accounts ON accounts.id = sessions.account
             WHERE sessions.id = ?1 AND ended_at IS NULL AND idle_deadline > ?2 AND absolute_deadline > ?2
                 AND is_active = 1",
            params![wanted.as_bytes(), write.now.0],
            |row| Ok((session(row)?, millis(row, "rotated_at")?, seconds(row, "latest_exp")?)),
        )
        .optional()
}

pub(super) fn expiry(now: Millis, access: Duration, absolute_deadline: Millis) -> UnixTime {
    now.seconds().plus(access).min(absolute_deadline.seconds())
}

pub(super) fn minted(
    write: &Write<'_>,
    session: Session,
    exp: UnixTime,
) -> rusqlite::Result<Minted> {
    let (roles, email) = write.db.query_row(
        "SELECT roles, email FROM accounts WHERE id = ?1",
        [session.account.as_bytes()],
        |row| Ok((list(row, "roles")?, row.get("email")?)),
    )?;
    Ok(Minted {
        iat: write.now.seconds(),
        exp,
        session,
        roles,
        email,
        keys: feed::keys_version(write.db)?,
    })
}

pub(super) fn live(
    read: &Read<'_>,
    wanted: SessionId,
    account: Option<Subject>,
) -> rusqlite::Result<Option<Session>> {
    read.db
        .prepare_cached(
            "SELECT sessions.* FROM sessions JOIN accounts ON accounts.id = sessions.account
             WHERE sessions.id = ?1 AND (?2 IS NULL OR account = ?2) AND ended_at IS NULL
                 AND idle_deadline > ?3 AND absolute_deadline > ?3 AND is_active = 1",
        )?
        .query_row(
            params![
                wanted.as_bytes(),
                account.as_ref().map(Subject::as_bytes),
                read.now.0
            ],
            session,
        )
        .optional()
}

pub(super) fn of_account(read: &Read<'_>, account: Subject) -> rusqlite::Result<Vec<Session>> {
    let mut statement = read.db.prepare_cached(
        "SELECT * FROM sessions WHERE account = ?1 AND ended_at IS NULL
             AND idle_deadline > ?2 AND absolute_deadline > ?2 ORDER BY created_at DESC, id",
    )?;
    let rows = statement.query_map(params![account.as_bytes(), read.now.0], session)?;
    rows.collect()
}
