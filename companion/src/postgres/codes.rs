//! Codes: asked for, attempted, used. What concerns one address and purpose goes one after the other, whichever companion does it.

use async_trait::async_trait;
use token::ChallengeId;

use super::columns::{get, int, maybe_bytes, millis, span_millis, uint};
use super::work::{Db, Write, ask, change};
use super::{Postgres, accounts, outbox};
use crate::clock::Millis;
use crate::code::{DAY, LIFETIME, MAX_ATTEMPTS, MAX_WRONG_PER_DAY, Purpose};
use crate::errand;
use crate::store::{Activation, Attempt, CodeRequest, Codes, Outcome, Requested, Wish};

#[async_trait]
impl Codes for Postgres {
    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested> {
        ask!(self, |db, now| add_request(db, now, &request))
    }

    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
        change!(self, OnDisk, |write| attempt(write, challenge))
    }

    async fn activate(&self, activation: Activation) -> Outcome<bool> {
        change!(self, OnDisk, |write| activate(write, &activation))
    }
}

pub(super) async fn add_request(
    db: Db<'_>,
    now: Option<Millis>,
    request: &CodeRequest,
) -> Outcome<Requested> {
    const ASK: &str = "
        INSERT INTO outbox (errand, email, challenge, password_hash, expires_at, due_at, created_at)
        SELECT $1, $2, $3, $4, now.ms + $5, now.ms, now.ms FROM (SELECT coalesce($6, latchkey_now()) AS ms) AS now
        RETURNING created_at, expires_at";
    let (errand, email, password_hash) = match &request.wish {
        Wish::SignUp {
            email,
            password_hash,
        } => (errand::SIGN_UP, Some(email.as_str()), Some(password_hash)),
        Wish::Activation(email) => (errand::ACTIVATION, Some(email.as_str()), None),
        Wish::Resend => (errand::RESEND, None, None),
    };
    let row = db
        .only_row(
            ASK,
            &[
                &errand,
                &email,
                &request.challenge.as_bytes().as_slice(),
                &password_hash,
                &span_millis(LIFETIME),
                &now.map(|now| now.0),
            ],
        )
        .await?;
    Ok(Requested {
        at: millis(&row, "created_at")?,
        expires_at: millis(&row, "expires_at")?,
    })
}

/// Until the commit nobody else works on the codes of that address and purpose.
pub(super) async fn hold(write: &Write<'_>, email: &str, purpose: Purpose) -> Outcome<()> {
    let name = format!("codes {} {email}", purpose.name());
    let hold = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    write.db.only_row(hold, &[&name]).await.map(drop)
}

/// Does the same writes for a challenge that no code opens: how long it takes tells nothing about the address.
pub(super) async fn attempt(write: &Write<'_>, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
    const FIND: &str = "
        SELECT purpose, email, code_mac, attempts, expires_at, used_at IS NOT NULL AS is_used FROM challenges WHERE id = $1";
    let (db, id) = (write.db, challenge.as_bytes().as_slice());
    let Some(row) = db.row(FIND, &[&id]).await? else {
        return Ok(None);
    };
    let email: String = get(&row, "email")?;
    let Some(purpose) = Purpose::from_name(get(&row, "purpose")?) else {
        return Ok(None);
    };
    hold(write, &email, purpose).await?;
    // Once more: now nobody changes it any more.
    let row = db.only_row(FIND, &[&id]).await?;
    // A code that was used already counts as no attempt: nothing can be learned from it.
    if get::<bool>(&row, "is_used")? || millis(&row, "expires_at")? <= write.now {
        return Ok(None);
    }
    let before = attempts_today(write, &email, purpose).await?;
    if uint(&row, "attempts")? >= u64::from(MAX_ATTEMPTS) || before >= MAX_WRONG_PER_DAY {
        return Ok(None);
    }
    db.execute(
        "UPDATE challenges SET attempts = attempts + 1 WHERE id = $1",
        &[&id],
    )
    .await?;
    let count = "INSERT INTO attempts (email, purpose, at) VALUES ($1, $2, $3) RETURNING id";
    let counted = db
        .only_row(count, &[&email, &purpose.name(), &write.now.0])
        .await?;
    if before + 1 == MAX_WRONG_PER_DAY {
        outbox::add_notice(write, errand::CODES_CLOSED, &email).await?;
    }
    let Some(code_mac) = maybe_bytes(&row, "code_mac")? else {
        return Ok(None);
    };
    Ok(Some(Attempt {
        id: uint(&counted, "id")?,
        purpose,
        email,
        code_mac,
    }))
}

/// How many attempts of the last day were wrong, or are under way.
pub(super) async fn attempts_today(
    write: &Write<'_>,
    email: &str,
    purpose: Purpose,
) -> Outcome<u32> {
    const COUNT: &str =
        "SELECT count(*) AS count FROM attempts WHERE email = $1 AND purpose = $2 AND at > $3";
    let since = write.now.minus(DAY).0;
    let row = write
        .db
        .only_row(COUNT, &[&email, &purpose.name(), &since])
        .await?;
    Ok(u32::try_from(uint(&row, "count")?).unwrap_or(u32::MAX))
}

/// OT-03: the conditional statement lets one of many right codes win. PW-18: that sign-up, and no other of the address.
pub(super) async fn activate(write: &Write<'_>, activation: &Activation) -> Outcome<bool> {
    const USE: &str = "
        UPDATE challenges SET used_at = $3 WHERE id = $1 AND code_mac = $2 AND used_at IS NULL AND expires_at > $3
        RETURNING email, password_hash";
    let (db, id) = (write.db, activation.challenge.as_bytes().as_slice());
    // Right, if too late: nobody guesses so.
    let attempt = "DELETE FROM attempts WHERE id = $1 RETURNING email";
    let attempt = db.row(attempt, &[&int(activation.attempt)]).await?;
    if let Some(attempt) = attempt {
        hold(write, get(&attempt, "email")?, Purpose::Activation).await?;
    }
    let used = db
        .row(USE, &[&id, &activation.code_mac.as_slice(), &write.now.0])
        .await?;
    let Some(used) = used else { return Ok(false) };
    let Some(password_hash) = get::<Option<&str>>(&used, "password_hash")? else {
        return Ok(false);
    };
    let email = get(&used, "email")?;
    close_others(write, activation.challenge, email, Purpose::Activation).await?;
    accounts::open_account(
        write,
        activation.account,
        email,
        password_hash,
        &activation.by,
    )
    .await
}

/// OT-07: from now on the codes of other challenges of that address and purpose open nothing.
pub(super) async fn close_others(
    write: &Write<'_>,
    challenge: ChallengeId,
    email: &str,
    purpose: Purpose,
) -> Outcome<()> {
    const CLOSE: &str =
        "UPDATE challenges SET code_mac = NULL WHERE email = $1 AND purpose = $2 AND id <> $3";
    let id = challenge.as_bytes().as_slice();
    write
        .db
        .execute(CLOSE, &[&email, &purpose.name(), &id])
        .await
        .map(drop)
}
