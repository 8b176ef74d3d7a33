//! The outbox: errands that wait, and what mail each comes to. Here, and not in any answer, it shows whether an account exists.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};
use token::{ChallengeId, Subject};

use super::columns::{int, millis, span_millis, uint};
use super::readers::Read;
use super::writer::Write;
use super::{Sqlite, codes};
use crate::clock::Millis;
use crate::code::{COOLDOWN, DAY, MAX_WRONG_PER_DAY, Purpose};
use crate::errand::{ACTIVATION, CODES_CLOSED, RESEND, REUSE, SIGN_UP};
use crate::store::{CodeBinding, Errand, Mail, NextErrand, Outbox, Outcome, Prepared, TAKEN};

#[async_trait]
impl Outbox for Sqlite {
    async fn next_errand(&self) -> Outcome<NextErrand> {
        // Nothing is written while there is nothing to take.
        match self.readers.read(wait).await? {
            Some(wait) if wait.is_zero() => self.writer.write(take).await,
            Some(wait) => Ok(NextErrand::In(wait)),
            None => Ok(NextErrand::Nothing),
        }
    }

    async fn prepare_mail(&self, errand: u64, code_mac: Option<[u8; 32]>) -> Outcome<Prepared> {
        self.writer
            .write(move |write| prepare(write, errand, code_mac))
            .await
    }

    async fn finish_errand(&self, errand: u64) -> Outcome<()> {
        self.writer.write(move |write| finish(write, errand)).await
    }

    async fn retry_errand(&self, errand: u64, wait: Duration) -> Outcome<()> {
        self.writer
            .write(move |write| retry(write, errand, wait))
            .await
    }
}

pub(super) fn add_notice(
    write: &Write<'_>,
    errand: &str,
    account: Option<Subject>,
    email: Option<&str>,
) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "INSERT INTO outbox (errand, email, account, expires_at, due_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            params![
                errand,
                email,
                account.as_ref().map(Subject::as_bytes),
                write.now.plus(DAY).0,
                write.now.0
            ],
        )
        .map(drop)
}

/// How long until an errand is due.
fn wait(read: &Read<'_>) -> rusqlite::Result<Option<Duration>> {
    let due_at = read
        .db
        .query_row(
            "SELECT due_at FROM outbox WHERE dead_at IS NULL ORDER BY due_at LIMIT 1",
            [],
            |row| millis(row, "due_at"),
        )
        .optional()?;
    Ok(due_at.map(|due_at| due_at.since(read.now)))
}

/// Takes the first that is due; somebody else may have been faster.
fn take(write: &Write<'_>) -> rusqlite::Result<NextErrand> {
    let taken = write
        .db
        .query_row(
            "UPDATE outbox SET due_at = ?2
             WHERE id = (SELECT id FROM outbox WHERE dead_at IS NULL AND due_at <= ?1 ORDER BY due_at, id LIMIT 1)
             RETURNING id, errand, tries, expires_at, challenge,
                 COALESCE(email, (SELECT email FROM challenges WHERE challenges.id = outbox.challenge)) AS email",
            params![write.now.0, write.now.plus(TAKEN).0],
            |row| {
                let challenge: Option<[u8; 16]> = row.get("challenge")?;
                let email: Option<String> = row.get("email")?;
                let code = challenge.zip(email).map(|(challenge, email)| CodeBinding {
                    purpose: Purpose::Activation,
                    challenge: ChallengeId::from_bytes(challenge),
                    email,
                });
                Ok(Errand {
                    id: uint(row, "id")?,
                    is_resend: row.get::<_, String>("errand")? == RESEND,
                    tries: row.get("tries")?,
                    expires_at: millis(row, "expires_at")?,
                    code,
                })
            },
        )
        .optional()?;
    Ok(taken.map_or(NextErrand::In(Duration::ZERO), NextErrand::Due))
}

/// A row of `outbox`.
struct Row {
    id: u64,
    errand: String,
    email: Option<String>,
    account: Option<Subject>,
    challenge: Option<ChallengeId>,
    password_hash: Option<String>,
    expires_at: Millis,
    created_at: Millis,
    tries: u32,
}

pub(super) fn prepare(
    write: &Write<'_>,
    errand: u64,
    code_mac: Option<[u8; 32]>,
) -> rusqlite::Result<Prepared> {
    let row = write
        .db
        .query_row(
            "SELECT id, errand, email, account, challenge, password_hash, expires_at, created_at, tries FROM outbox
             WHERE id = ?1 AND dead_at IS NULL",
            [int(errand)],
            |row| {
                Ok(Row {
                    id: uint(row, "id")?,
                    errand: row.get("errand")?,
                    email: row.get("email")?,
                    account: row.get::<_, Option<[u8; 16]>>("account")?.map(Subject::from_bytes),
                    challenge: row.get::<_, Option<[u8; 16]>>("challenge")?.map(ChallengeId::from_bytes),
                    password_hash: row.get("password_hash")?,
                    expires_at: millis(row, "expires_at")?,
                    created_at: millis(row, "created_at")?,
                    tries: row.get("tries")?,
                })
            },
        )
        .optional()?;
    let Some(row) = row.filter(|row| row.expires_at > write.now) else {
        return Ok(Prepared::Nothing);
    };
    match row.errand.as_str() {
        SIGN_UP | ACTIVATION => activation(write, &row, code_mac),
        RESEND => resend(write, &row, code_mac),
        REUSE => match row
            .account
            .map(|account| address(write, account))
            .transpose()?
            .flatten()
        {
            Some(to) => send(write, &row, &to, Mail::RefreshTokenReused),
            None => Ok(Prepared::Nothing),
        },
        CODES_CLOSED => match &row.email {
            Some(to) => send(write, &row, to, Mail::CodesClosed),
            None => Ok(Prepared::Nothing),
        },
        _ => Ok(Prepared::Nothing),
    }
}

/// A sign-up, or a new code for the one that is pending.
fn activation(
    write: &Write<'_>,
    row: &Row,
    code_mac: Option<[u8; 32]>,
) -> rusqlite::Result<Prepared> {
    let (Some(email), Some(challenge), Some(code_mac)) = (&row.email, row.challenge, code_mac)
    else {
        return Ok(Prepared::Nothing);
    };
    let opens = |password_hash: Option<&str>, code_mac: Option<[u8; 32]>| {
        write
            .db
            .execute(
                "INSERT INTO challenges (id, purpose, email, password_hash, code_mac, expires_at, created_at, mailed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
                 ON CONFLICT (id) DO UPDATE SET code_mac = excluded.code_mac, expires_at = excluded.expires_at,
                     mailed_at = excluded.mailed_at",
                params![
                    challenge.as_bytes(),
                    Purpose::Activation.name(),
                    email,
                    password_hash,
                    code_mac,
                    row.expires_at.0,
                    write.now.0
                ],
            )
            .map(drop)
    };
    if is_registered(write, email)? {
        opens(None, None)?;
        return send(write, row, email, Mail::AlreadyRegistered);
    }
    let pending = match &row.password_hash {
        Some(own) => vec![own.clone()],
        None => pending(write, email)?,
    };
    match pending.as_slice() {
        [] => {
            opens(None, None)?;
            Ok(Prepared::Nothing)
        }
        [password_hash] => {
            let prepared = send_code(write, row, email, challenge)?;
            if matches!(prepared, Prepared::Send { .. }) {
                opens(Some(password_hash), Some(code_mac))?;
            } else {
                pends(write, row, email, challenge, password_hash)?;
            }
            Ok(prepared)
        }
        // PW-18: a code that activated a stranger's sign-up would open the account to the stranger's password.
        [_, _, ..] => {
            opens(None, None)?;
            send(write, row, email, Mail::SignUpAgain)
        }
    }
}

/// The sign-up is pending, if without a code that opens it. One that an earlier try has mailed still does: its owner has no other.
fn pends(
    write: &Write<'_>,
    row: &Row,
    email: &str,
    challenge: ChallengeId,
    password_hash: &str,
) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "INSERT INTO challenges (id, purpose, email, password_hash, expires_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
            params![
                challenge.as_bytes(),
                Purpose::Activation.name(),
                email,
                password_hash,
                row.expires_at.0,
                write.now.0
            ],
        )
        .map(drop)
}

/// A new code, unless one of the challenge has been mailed since it was asked for: the newer would only kill the older.
fn resend(write: &Write<'_>, row: &Row, code_mac: Option<[u8; 32]>) -> rusqlite::Result<Prepared> {
    let (Some(challenge), Some(code_mac)) = (row.challenge, code_mac) else {
        return Ok(Prepared::Nothing);
    };
    let email: Option<String> = write
        .db
        .query_row(
            "SELECT email FROM challenges
             WHERE id = ?1 AND used_at IS NULL AND password_hash IS NOT NULL AND created_at > ?2
                 AND (code_mac IS NULL OR mailed_at < ?3 OR ?4 > 0)",
            params![
                challenge.as_bytes(),
                write.now.minus(DAY).0,
                row.created_at.0,
                row.tries
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(email) = email else {
        return Ok(Prepared::Nothing);
    };
    if is_registered(write, &email)? {
        return send(write, row, &email, Mail::AlreadyRegistered);
    }
    let prepared = send_code(write, row, &email, challenge)?;
    if matches!(prepared, Prepared::Send { .. }) {
        write.db.execute(
            "UPDATE challenges SET code_mac = ?2, expires_at = ?3, mailed_at = ?4 WHERE id = ?1",
            params![
                challenge.as_bytes(),
                code_mac,
                row.expires_at.0,
                write.now.0
            ],
        )?;
    }
    Ok(prepared)
}

/// A mail with a code, unless codes are closed for today.
fn send_code(
    write: &Write<'_>,
    row: &Row,
    email: &str,
    challenge: ChallengeId,
) -> rusqlite::Result<Prepared> {
    if codes::attempts_today(write, email, Purpose::Activation)? >= MAX_WRONG_PER_DAY {
        return Ok(Prepared::Nothing);
    }
    let prepared = send(write, row, email, Mail::ActivationCode)?;
    if matches!(prepared, Prepared::Send { .. }) {
        codes::close_others(write, challenge, email, Purpose::Activation)?;
    }
    Ok(prepared)
}

/// The mail, unless one like it went to that address less than a minute ago: then the errand waits.
fn send(write: &Write<'_>, row: &Row, to: &str, mail: Mail) -> rusqlite::Result<Prepared> {
    let last = write
        .db
        .query_row(
            "SELECT at FROM mails_sent WHERE email = ?1 AND mail = ?2",
            params![to, mail.name()],
            |row| millis(row, "at"),
        )
        .optional()?;
    let free_at = last
        .map(|last| last.plus(COOLDOWN))
        .filter(|free_at| *free_at > write.now);
    if let Some(free_at) = free_at {
        write.db.execute(
            "UPDATE outbox SET due_at = ?2 WHERE id = ?1",
            params![int(row.id), free_at.0],
        )?;
        return Ok(Prepared::Later);
    }
    write.db.execute(
        "INSERT INTO mails_sent (email, mail, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (email, mail) DO UPDATE SET at = excluded.at",
        params![to, mail.name(), write.now.0],
    )?;
    Ok(Prepared::Send {
        to: to.to_owned(),
        mail,
    })
}

fn is_registered(write: &Write<'_>, email: &str) -> rusqlite::Result<bool> {
    write.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM accounts WHERE email = ?1)",
        [email],
        |row| row.get(0),
    )
}

fn address(write: &Write<'_>, account: Subject) -> rusqlite::Result<Option<String>> {
    write
        .db
        .query_row(
            "SELECT email FROM accounts WHERE id = ?1",
            [account.as_bytes()],
            |row| row.get(0),
        )
        .optional()
}

/// The different sign-ups of that address that were not activated; two are enough to know that there are several.
fn pending(write: &Write<'_>, email: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = write.db.prepare_cached(
        "SELECT DISTINCT password_hash FROM challenges
         WHERE email = ?1 AND purpose = ?2 AND used_at IS NULL AND password_hash IS NOT NULL AND created_at > ?3
         LIMIT 2",
    )?;
    let rows = statement.query_map(
        params![email, Purpose::Activation.name(), write.now.minus(DAY).0],
        |row| row.get(0),
    )?;
    rows.collect()
}

pub(super) fn finish(write: &Write<'_>, errand: u64) -> rusqlite::Result<()> {
    write
        .db
        .execute("DELETE FROM outbox WHERE id = ?1", [int(errand)])
        .map(drop)
}

/// A failed mail counts as one for the minute between two: errors lift no limit (OT-08).
pub(super) fn retry(write: &Write<'_>, errand: u64, wait: Duration) -> rusqlite::Result<()> {
    write.db.execute(
        "UPDATE outbox SET tries = tries + 1, due_at = ?2 WHERE id = ?1 AND dead_at IS NULL",
        params![int(errand), write.now.0.saturating_add(span_millis(wait))],
    )?;
    Ok(())
}
