//! The outbox: errands that wait. What mail each comes to is said in `mails`.

use std::time::Duration;

use async_trait::async_trait;
use token::{ChallengeId, Subject};
use tokio_postgres::Row;

use super::columns::{get, int, maybe_bytes, millis, span_millis, uint};
use super::work::{Db, Write, ask, change};
use super::{Postgres, mails};
use crate::clock::Millis;
use crate::code::{Binding, DAY, Purpose};
use crate::errand::{self, RECOVERY, RESEND};
use crate::store::{DrawnCode, Errand, NextErrand, Outbox, Outcome, Prepared, TAKEN};

#[async_trait]
impl Outbox for Postgres {
    async fn next_errand(&self) -> Outcome<NextErrand> {
        ask!(self, |db, now| next(db, now))
    }

    async fn prepare_mail(&self, errand: u64, code: Option<DrawnCode>) -> Outcome<Prepared> {
        let cooldown = self.cooldown;
        change!(self, OnDisk, |write| mails::prepare(
            write,
            errand,
            code.as_ref(),
            cooldown
        ))
    }

    async fn finish_errand(&self, errand: u64) -> Outcome<()> {
        ask!(self, |db, _now| finish(db, errand))
    }

    async fn retry_errand(&self, errand: u64, wait: Duration) -> Outcome<()> {
        ask!(self, |db, now| retry(db, now, errand, wait))
    }
}

/// To that address, or else to the one that the account has when the mail is sent.
pub(super) async fn add_notice(
    write: &Write<'_>,
    errand: &str,
    account: Option<Subject>,
    email: Option<&str>,
) -> Outcome<()> {
    const ADD: &str = "
        INSERT INTO outbox (errand, account, email, expires_at, due_at, created_at) VALUES ($1, $2, $3, $4, $5, $5)";
    let expires_at = write.now.plus(DAY).0;
    let account = account.as_ref().map(|id| id.as_bytes().as_slice());
    write
        .db
        .execute(ADD, &[&errand, &account, &email, &expires_at, &write.now.0])
        .await
        .map(drop)
}

/// Takes the first that is due and that no other companion is taking.
pub(super) async fn next(db: Db<'_>, now: Option<Millis>) -> Outcome<NextErrand> {
    const TAKE: &str = "
        UPDATE outbox SET due_at = now.ms + $1
        FROM (SELECT coalesce($2, latchkey_now()) AS ms) AS now
        WHERE id = (
            SELECT id FROM outbox WHERE dead_at IS NULL AND due_at <= coalesce($2, latchkey_now())
            ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING id, errand, tries, expires_at, challenge";
    const BOUND_TO: &str = "
        SELECT challenges.purpose,
            coalesce(outbox.account, challenges.account,
                (SELECT id FROM accounts WHERE accounts.email = outbox.email AND errand = $2)) AS account,
            coalesce(outbox.new_email, outbox.email, challenges.new_email, challenges.email,
                (SELECT email FROM accounts WHERE accounts.id = outbox.account)) AS email
        FROM outbox LEFT JOIN challenges ON challenges.id = outbox.challenge WHERE outbox.id = $1";
    const FIRST: &str = "
        SELECT greatest(min(due_at) - coalesce($1, latchkey_now()), 0) AS wait FROM outbox WHERE dead_at IS NULL
        HAVING count(*) > 0";
    let now = now.map(|now| now.0);
    if let Some(row) = db.row(TAKE, &[&span_millis(TAKEN), &now]).await? {
        let id = uint(&row, "id")?;
        let bound_to = db.row(BOUND_TO, &[&int(id), &RECOVERY]).await?;
        let kind: &str = get(&row, "errand")?;
        return Ok(NextErrand::Due(Errand {
            id,
            tries: u32::try_from(uint(&row, "tries")?).unwrap_or(u32::MAX),
            expires_at: millis(&row, "expires_at")?,
            is_resend: kind == RESEND,
            code: match (maybe_bytes(&row, "challenge")?, bound_to) {
                (Some(challenge), Some(bound_to)) => {
                    binding(kind, ChallengeId::from_bytes(challenge), &bound_to)?
                }
                _ => None,
            },
        }));
    }
    Ok(match db.row(FIRST, &[&now]).await? {
        None => NextErrand::Nothing,
        Some(row) => NextErrand::In(Duration::from_millis(uint(&row, "wait")?)),
    })
}

fn binding(kind: &str, challenge: ChallengeId, row: &Row) -> Outcome<Option<Binding>> {
    let of_challenge: Option<&str> = get(row, "purpose")?;
    let purpose = errand::purpose(kind).or_else(|| of_challenge.and_then(Purpose::from_name));
    let (Some(purpose), Some(email)) = (purpose, get(row, "email")?) else {
        return Ok(None);
    };
    Ok(Some(Binding {
        purpose,
        challenge,
        account: maybe_bytes(row, "account")?.map(Subject::from_bytes),
        email,
    }))
}

pub(super) async fn finish(db: Db<'_>, errand: u64) -> Outcome<()> {
    db.execute("DELETE FROM outbox WHERE id = $1", &[&int(errand)])
        .await
        .map(drop)
}

/// A failed mail counts as one for the minute between two: errors lift no limit (OT-08).
pub(super) async fn retry(
    db: Db<'_>,
    now: Option<Millis>,
    errand: u64,
    wait: Duration,
) -> Outcome<()> {
    const RETRY: &str = "
        UPDATE outbox SET tries = tries + 1, due_at = coalesce($2, latchkey_now()) + $3
        WHERE id = $1 AND dead_at IS NULL";
    db.execute(
        RETRY,
        &[&int(errand), &now.map(|now| now.0), &span_millis(wait)],
    )
    .await
    .map(drop)
}
