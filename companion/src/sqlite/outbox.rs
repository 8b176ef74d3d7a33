//! The outbox: errands that wait. What mail each comes to is said in `mails`.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Row, params};
use token::{ChallengeId, Subject};

use super::columns::{int, maybe_id, millis, span_millis, uint};
use super::readers::Read;
use super::writer::Write;
use super::{Sqlite, mails};
use crate::code::{Binding, DAY, Purpose};
use crate::errand;
use crate::store::{DrawnCode, Errand, NextErrand, Outbox, Outcome, Prepared, TAKEN};

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

    async fn prepare_mail(&self, errand: u64, code: Option<DrawnCode>) -> Outcome<Prepared> {
        let cooldown = self.cooldown;
        self.writer
            .write(move |write| mails::prepare(write, errand, code.as_ref(), cooldown))
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

/// To that address, or else to the one that the account has when the mail is sent.
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
             RETURNING id",
            params![write.now.0, write.now.plus(TAKEN).0],
            |row| uint(row, "id"),
        )
        .optional()?;
    match taken {
        Some(id) => found(write, id).map(NextErrand::Due),
        None => Ok(NextErrand::In(Duration::ZERO)),
    }
}

/// What the code is bound to: the account and the address as they are now.
fn found(write: &Write<'_>, id: u64) -> rusqlite::Result<Errand> {
    write.db.query_row(
        "SELECT errand, tries, outbox.expires_at AS expires_at, challenge, challenges.purpose AS purpose,
             COALESCE(outbox.account, challenges.account,
                 (SELECT id FROM accounts WHERE accounts.email = outbox.email AND errand = ?2)) AS account,
             COALESCE(outbox.new_email, outbox.email, challenges.new_email, challenges.email,
                 (SELECT email FROM accounts WHERE accounts.id = outbox.account)) AS email
         FROM outbox LEFT JOIN challenges ON challenges.id = outbox.challenge WHERE outbox.id = ?1",
        params![int(id), errand::RECOVERY],
        |row| {
            let kind: String = row.get("errand")?;
            Ok(Errand {
                id,
                is_resend: kind == errand::RESEND,
                tries: row.get("tries")?,
                expires_at: millis(row, "expires_at")?,
                code: binding(row, &kind)?,
            })
        },
    )
}

fn binding(row: &Row<'_>, kind: &str) -> rusqlite::Result<Option<Binding>> {
    let of_challenge: Option<String> = row.get("purpose")?;
    let purpose =
        errand::purpose(kind).or_else(|| of_challenge.as_deref().and_then(Purpose::from_name));
    let (challenge, email) = (maybe_id(row, "challenge")?, row.get("email")?);
    let (Some(purpose), Some(challenge), Some(email)) = (purpose, challenge, email) else {
        return Ok(None);
    };
    Ok(Some(Binding {
        purpose,
        challenge: ChallengeId::from_bytes(challenge),
        account: maybe_id(row, "account")?.map(Subject::from_bytes),
        email,
    }))
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
