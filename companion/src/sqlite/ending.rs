//! Ending sessions: the end, its feed numbers and its receipt in one transaction.

use rusqlite::{Connection, OptionalExtension as _, params};
use token::{SessionId, Subject, UnixTime};

use super::audit::{self, Event};
use super::columns::{id, int, mark, millis, seconds, uint};
use super::feed;
use super::writer::Write;
use crate::clock::Millis;
use crate::receipt::{Revocation, SERVED_AFTER_EXP};
use crate::store::{Cause, Client, Ended};

pub(super) fn end_one(
    write: &Write<'_>,
    session: SessionId,
    account: Option<Subject>,
    by: &Client,
) -> rusqlite::Result<Ended> {
    let found = write
        .db
        .query_row(
            "SELECT account, ended_at, receipt FROM sessions WHERE id = ?1",
            [session.as_bytes()],
            |row| {
                let receipt: Option<i64> = row.get("receipt")?;
                let ended_at: Option<i64> = row.get("ended_at")?;
                Ok((
                    Subject::from_bytes(id(row, "account")?),
                    ended_at,
                    receipt.and_then(|number| u64::try_from(number).ok()),
                ))
            },
        )
        .optional()?;
    let Some((owner, ended_at, receipt)) = found else {
        return Ok(Ended::Unknown);
    };
    if account.is_some_and(|account| account != owner) {
        return Ok(Ended::Unknown);
    }
    if ended_at.is_some() {
        let revocation = receipt
            .map(|number| revocation(write.db, number))
            .transpose()?
            .flatten();
        return Ok(revocation.map_or(Ended::LongAgo, Ended::By));
    }
    let cause = if account.is_some() {
        Cause::EndedByOwner
    } else {
        Cause::LoggedOut
    };
    Ok(end(write, &[session], by, cause.or_operator(by))?.map_or(Ended::Unknown, Ended::By))
}

pub(super) fn end_of_account(
    write: &Write<'_>,
    account: Subject,
    except: Option<SessionId>,
    by: &Client,
    cause: Cause,
) -> rusqlite::Result<Option<Revocation>> {
    let mut statement = write.db.prepare_cached(
        "SELECT id FROM sessions WHERE account = ?1 AND ended_at IS NULL AND id IS NOT ?2",
    )?;
    let except = except.as_ref().map(SessionId::as_bytes);
    let sessions: Vec<_> = statement
        .query_map(params![account.as_bytes(), except], |row| {
            Ok(SessionId::from_bytes(id(row, "id")?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    // PW-17: a login that began before this commits opens no session after it.
    write.db.execute(
        "UPDATE accounts SET login_epoch = login_epoch + 1 WHERE id = ?1",
        [account.as_bytes()],
    )?;
    end(write, &sessions, by, cause)
}

/// The oldest first. Logins under way come to nothing, as after [`end_of_account`].
pub(super) fn end_some(
    write: &Write<'_>,
    most: u32,
    by: &Client,
) -> rusqlite::Result<Option<Revocation>> {
    let mut statement = write.db.prepare_cached(
        "SELECT id FROM sessions WHERE ended_at IS NULL ORDER BY created_at, id LIMIT ?1",
    )?;
    let sessions: Vec<_> = statement
        .query_map([most], |row| Ok(SessionId::from_bytes(id(row, "id")?)))?
        .collect::<rusqlite::Result<_>>()?;
    for session in &sessions {
        write.db.execute(
            "UPDATE accounts SET login_epoch = login_epoch + 1 WHERE id = (SELECT account FROM sessions WHERE id = ?1)",
            [session.as_bytes()],
        )?;
    }
    end(write, &sessions, by, Cause::EndedByOperator)
}

/// Ends these sessions, those of them that live; `None` when none did.
pub(super) fn end(
    write: &Write<'_>,
    sessions: &[SessionId],
    by: &Client,
    cause: Cause,
) -> rusqlite::Result<Option<Revocation>> {
    let mut numbers = Vec::new();
    let mut latest_exp = UnixTime::from_seconds(0);
    for session in sessions {
        // `latest_exp` comes from the ending statement itself: a refresh that commits later finds the session ended.
        let ended = write
            .db
            .query_row(
                "UPDATE sessions SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL RETURNING account, latest_exp, created_at",
                params![session.as_bytes(), write.now.0],
                |row| Ok((Subject::from_bytes(id(row, "account")?), write.last_exp(seconds(row, "latest_exp")?, millis(row, "created_at")?))),
            )
            .optional()?;
        if let Some((account, exp)) = ended {
            latest_exp = latest_exp.max(exp);
            numbers.push((*session, feed::publish(write, *session, exp)?));
            let event = Event {
                name: "session_ended",
                cause: Some(cause),
                account: Some(account),
                session: Some(*session),
            };
            audit::append(write, &event, by)?;
        }
    }
    let Some((_, last)) = numbers.last().copied() else {
        return Ok(None);
    };
    for (session, _) in &numbers {
        write.db.execute(
            "UPDATE sessions SET receipt = ?2 WHERE id = ?1",
            params![session.as_bytes(), int(last)],
        )?;
    }
    note(write, last, numbers.len(), latest_exp).map(Some)
}

pub(super) fn revoke_unknown(
    write: &Write<'_>,
    session: SessionId,
    exp: Option<UnixTime>,
    by: &Client,
) -> rusqlite::Result<Option<Revocation>> {
    // An entry that ends before any token of the session does would let it live again; there may be others than the one presented.
    let exp = exp.map_or(write.lost.last_exp, |exp| exp.max(write.lost.last_exp));
    if exp.plus(SERVED_AFTER_EXP) <= write.now.seconds() {
        return Ok(None);
    }
    if let Some(number) = feed::number_of(write.db, session, exp)?
        && let Some(revocation) = revocation(write.db, number)?
    {
        return Ok(Some(revocation));
    }
    let event = Event {
        name: "session_ended",
        cause: Some(Cause::LoggedOut),
        account: None,
        session: Some(session),
    };
    audit::append(write, &event, by)?;
    let number = feed::publish(write, session, exp)?;
    note(write, number, 1, exp).map(Some)
}

pub(super) fn note(
    write: &Write<'_>,
    number: u64,
    sessions: usize,
    latest_exp: UnixTime,
) -> rusqlite::Result<Revocation> {
    let sessions = u64::try_from(sessions).unwrap_or(u64::MAX);
    write.db.execute(
        "INSERT INTO receipts (number, mark, sessions, latest_exp, at)
         SELECT number, mark, ?2, ?3, ?4 FROM feed WHERE number = ?1",
        params![
            int(number),
            int(sessions),
            latest_exp.seconds(),
            write.now.0
        ],
    )?;
    let mark = feed::mark_of(write.db, number)?;
    Ok(Revocation {
        number,
        mark,
        sessions,
        latest_exp,
        committed_at: Millis::NOT_YET,
    })
}

pub(super) fn revocation(db: &Connection, number: u64) -> rusqlite::Result<Option<Revocation>> {
    db.query_row(
        "SELECT number, mark, sessions, latest_exp, at FROM receipts WHERE number = ?1",
        [int(number)],
        |row| {
            Ok(Revocation {
                number: uint(row, "number")?,
                mark: mark(row, "mark")?,
                sessions: uint(row, "sessions")?,
                latest_exp: seconds(row, "latest_exp")?,
                committed_at: millis(row, "at")?,
            })
        },
    )
    .optional()
}
