//! Accounts and sessions: login's insert, rotation's one conditional statement, look-ups.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, named_params, params};
use token::{SessionId, Subject, UnixTime};

use super::audit::{self, Event};
use super::columns::{id, int, list, list_text, millis, seconds, session, uint};
use super::readers::Read;
use super::writer::Write;
use super::{ending, outbox};
use crate::clock::Millis;
use crate::errand;
use crate::rotation::{Judgement, Standing, judge};
use crate::store::{Account, Cause, Client, Login, Minted, Refresh, Rotation, Session};

pub(super) fn account(read: &Read<'_>, email: &str) -> rusqlite::Result<Option<Account>> {
    let query = "SELECT id, password_hash, login_epoch, is_active FROM accounts WHERE email = ?1";
    let account = |row: &Row<'_>| {
        Ok(Account {
            id: Subject::from_bytes(id(row, "id")?),
            password_hash: row.get("password_hash")?,
            login_epoch: uint(row, "login_epoch")?,
            is_active: row.get("is_active")?,
        })
    };
    read.db.query_row(query, [email], account).optional()
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
                 created_at, last_seen_at, idle_deadline, absolute_deadline, ip, user_agent, label)
             SELECT :id, id, 0, :now, :mac_key, :exp, :auth_time, :acr, :amr,
                 :now, :now, :idle, :absolute, :ip, :user_agent, :label
             FROM accounts WHERE id = :account AND is_active = 1 AND login_epoch = :epoch
             RETURNING *",
            named_params! {
                ":id": login.session.as_bytes(), ":now": now.0, ":mac_key": login.mac_key_version,
                ":exp": exp.seconds(), ":auth_time": now.seconds().seconds(), ":acr": login.acr,
                ":amr": list_text(login.amr), ":idle": idle.0, ":absolute": absolute.0,
                ":ip": login.by.ip, ":user_agent": login.by.user_agent, ":label": login.label,
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

fn expiry(now: Millis, access: Duration, absolute_deadline: Millis) -> UnixTime {
    now.seconds().plus(access).min(absolute_deadline.seconds())
}

fn minted(write: &Write<'_>, session: Session, exp: UnixTime) -> rusqlite::Result<Minted> {
    let roles = write.db.query_row(
        "SELECT roles FROM accounts WHERE id = ?1",
        [session.account.as_bytes()],
        |row| list(row, "roles"),
    )?;
    Ok(Minted {
        iat: write.now.seconds(),
        exp,
        session,
        roles,
    })
}

pub(super) fn live(
    read: &Read<'_>,
    wanted: SessionId,
    account: Subject,
) -> rusqlite::Result<Option<Session>> {
    read.db
        .prepare_cached(
            "SELECT sessions.* FROM sessions JOIN accounts ON accounts.id = sessions.account
             WHERE sessions.id = ?1 AND account = ?2 AND ended_at IS NULL
                 AND idle_deadline > ?3 AND absolute_deadline > ?3 AND is_active = 1",
        )?
        .query_row(
            params![wanted.as_bytes(), account.as_bytes(), read.now.0],
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

/// Opens the account of a sign-up. False: there is one of that address already.
pub(super) fn open_account(
    write: &Write<'_>,
    account: Subject,
    email: &str,
    password_hash: &str,
    by: &Client,
) -> rusqlite::Result<bool> {
    let opened = write.db.execute(
        "INSERT INTO accounts (id, email, password_hash, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (email) DO NOTHING",
        params![account.as_bytes(), email, password_hash, write.now.0],
    )?;
    if opened > 0 {
        let event = Event {
            name: "account_activated",
            cause: None,
            account: Some(account),
            session: None,
        };
        audit::append(write, &event, by)?;
    }
    Ok(opened > 0)
}
