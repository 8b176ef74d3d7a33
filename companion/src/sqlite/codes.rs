//! Codes: asked for, attempted, used.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};
use token::ChallengeId;

use super::columns::{int, millis};
use super::writer::Write;
use super::{Sqlite, accounts, outbox};
use crate::clock::Millis;
use crate::code::{DAY, LIFETIME, MAX_ATTEMPTS, MAX_WRONG_PER_DAY, Purpose};
use crate::errand;
use crate::store::{Activation, Attempt, CodeRequest, Codes, Outcome, Requested, Wish};

#[async_trait]
impl Codes for Sqlite {
    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested> {
        self.writer
            .write(move |write| add_request(write, &request))
            .await
    }

    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
        self.writer
            .write(move |write| attempt(write, challenge))
            .await
    }

    async fn activate(&self, activation: Activation) -> Outcome<bool> {
        self.writer
            .write(move |write| activate(write, &activation))
            .await
    }
}

pub(super) fn add_request(write: &Write<'_>, request: &CodeRequest) -> rusqlite::Result<Requested> {
    let requested = Requested {
        at: write.now,
        expires_at: write.now.plus(LIFETIME),
    };
    let (errand, email, password_hash) = match &request.wish {
        Wish::SignUp {
            email,
            password_hash,
        } => (errand::SIGN_UP, Some(email.as_str()), Some(password_hash)),
        Wish::Activation(email) => (errand::ACTIVATION, Some(email.as_str()), None),
        Wish::Resend => (errand::RESEND, None, None),
    };
    write.db.execute(
        "INSERT INTO outbox (errand, email, challenge, password_hash, expires_at, due_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        params![errand, email, request.challenge.as_bytes(), password_hash, requested.expires_at.0, write.now.0],
    )?;
    Ok(requested)
}

/// One row of `challenges`, as an attempt needs it.
struct Challenge {
    purpose: String,
    email: String,
    code_mac: Option<[u8; 32]>,
    attempts: u32,
    expires_at: Millis,
    is_used: bool,
}

/// Does the same writes for a challenge that no code opens: how long it takes tells nothing about the address.
pub(super) fn attempt(
    write: &Write<'_>,
    challenge: ChallengeId,
) -> rusqlite::Result<Option<Attempt>> {
    let found = write
        .db
        .query_row(
            "SELECT purpose, email, code_mac, attempts, expires_at, used_at FROM challenges WHERE id = ?1",
            [challenge.as_bytes()],
            |row| {
                Ok(Challenge {
                    purpose: row.get("purpose")?,
                    email: row.get("email")?,
                    code_mac: row.get("code_mac")?,
                    attempts: row.get("attempts")?,
                    expires_at: millis(row, "expires_at")?,
                    is_used: row.get::<_, Option<i64>>("used_at")?.is_some(),
                })
            },
        )
        .optional()?;
    // A code that was used already counts as no attempt: nothing can be learned from it.
    let Some(found) = found.filter(|found| !found.is_used && found.expires_at > write.now) else {
        return Ok(None);
    };
    let Some(purpose) = Purpose::from_name(&found.purpose) else {
        return Ok(None);
    };
    let before = attempts_today(write, &found.email, purpose)?;
    if found.attempts >= MAX_ATTEMPTS || before >= MAX_WRONG_PER_DAY {
        return Ok(None);
    }
    write.db.execute(
        "UPDATE challenges SET attempts = attempts + 1 WHERE id = ?1",
        [challenge.as_bytes()],
    )?;
    write.db.execute(
        "INSERT INTO attempts (email, purpose, at) VALUES (?1, ?2, ?3)",
        params![found.email, purpose.name(), write.now.0],
    )?;
    let id = u64::try_from(write.db.last_insert_rowid()).unwrap_or(0);
    if before + 1 == MAX_WRONG_PER_DAY {
        outbox::add_notice(write, errand::CODES_CLOSED, None, Some(&found.email))?;
    }
    let Some(code_mac) = found.code_mac else {
        return Ok(None);
    };
    Ok(Some(Attempt {
        id,
        purpose,
        email: found.email,
        code_mac,
    }))
}

/// How many attempts of the last day were wrong, or are under way.
pub(super) fn attempts_today(
    write: &Write<'_>,
    email: &str,
    purpose: Purpose,
) -> rusqlite::Result<u32> {
    write.db.query_row(
        "SELECT COUNT(*) FROM attempts WHERE email = ?1 AND purpose = ?2 AND at > ?3",
        params![email, purpose.name(), write.now.minus(DAY).0],
        |row| row.get(0),
    )
}

/// OT-03: the conditional statement lets one of many right codes win. PW-18: that sign-up, and no other of the address.
pub(super) fn activate(write: &Write<'_>, activation: &Activation) -> rusqlite::Result<bool> {
    // Right, if too late: nobody guesses so.
    write.db.execute(
        "DELETE FROM attempts WHERE id = ?1",
        [int(activation.attempt)],
    )?;
    let used: Option<(String, Option<String>)> = write
        .db
        .query_row(
            "UPDATE challenges SET used_at = ?3
             WHERE id = ?1 AND code_mac = ?2 AND used_at IS NULL AND expires_at > ?3
             RETURNING email, password_hash",
            params![
                activation.challenge.as_bytes(),
                activation.code_mac,
                write.now.0
            ],
            |row| Ok((row.get("email")?, row.get("password_hash")?)),
        )
        .optional()?;
    let Some((email, Some(password_hash))) = used else {
        return Ok(false);
    };
    close_others(write, activation.challenge, &email, Purpose::Activation)?;
    accounts::open_account(
        write,
        activation.account,
        &email,
        &password_hash,
        &activation.by,
    )
}

/// OT-07: from now on the codes of other challenges of that address and purpose open nothing.
pub(super) fn close_others(
    write: &Write<'_>,
    challenge: ChallengeId,
    email: &str,
    purpose: Purpose,
) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "UPDATE challenges SET code_mac = NULL WHERE email = ?1 AND purpose = ?2 AND id <> ?3",
            params![email, purpose.name(), challenge.as_bytes()],
        )
        .map(drop)
}
