//! Codes: asked for, attempted, used. What concerns one account, or one address and purpose, goes one after the other, whichever
//! companion does it.

use async_trait::async_trait;
use token::{ChallengeId, SessionId, Subject};
use tokio_postgres::Row;

use super::columns::{get, int, maybe_bytes, millis, span_millis, uint};
use super::work::{Db, Write, ask, change};
use super::{Postgres, accounts, outbox};
use crate::clock::Millis;
use crate::code::{DAY, LIFETIME, MAX_ATTEMPTS, MAX_WRONG_PER_DAY, Purpose};
use crate::errand;
use crate::store::{
    Activation, Attempt, Challenge, CodeRequest, Codes, Outcome, Requested, RightCode, Wish,
};

#[async_trait]
impl Codes for Postgres {
    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested> {
        ask!(self, |db, now| add_request(db, now, &request))
    }

    async fn challenge(&self, challenge: ChallengeId) -> Outcome<Option<Challenge>> {
        let found = ask!(self, |db, now| find(db, challenge, now))?;
        Ok(found.map(|found| found.challenge))
    }

    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
        change!(self, OnDisk, |write| attempt(write, challenge))
    }

    async fn take_back_code(&self, challenge: ChallengeId, attempt: u64) -> Outcome<()> {
        ask!(self, |db, _now| take_back(db, challenge, attempt))
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
        INSERT INTO outbox
            (errand, email, challenge, password_hash, account, session, new_email, expires_at, due_at, created_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, now.ms + $8, now.ms, now.ms FROM (SELECT coalesce($9, latchkey_now()) AS ms) AS now
        RETURNING created_at, expires_at";
    let (mut email, mut password_hash, mut new_email, mut whose) = (None, None, None, None);
    let errand = match &request.wish {
        Wish::SignUp {
            email: to,
            password_hash: hash,
        } => {
            (email, password_hash) = (Some(to.as_str()), Some(hash));
            errand::SIGN_UP
        }
        Wish::Activation(to) => {
            email = Some(to.as_str());
            errand::ACTIVATION
        }
        Wish::Recovery(to) => {
            email = Some(to.as_str());
            errand::RECOVERY
        }
        Wish::StepUp { account, session } => {
            whose = Some((account.as_bytes().as_slice(), session.as_bytes().as_slice()));
            errand::STEP_UP
        }
        Wish::EmailChange {
            account,
            session,
            new_email: to,
        } => {
            new_email = Some(to.as_str());
            whose = Some((account.as_bytes().as_slice(), session.as_bytes().as_slice()));
            errand::EMAIL_CHANGE
        }
        Wish::Resend => errand::RESEND,
    };
    let (account, session) = whose.unzip();
    let row = db
        .only_row(
            ASK,
            &[
                &errand,
                &email,
                &request.challenge.as_bytes().as_slice(),
                &password_hash,
                &account,
                &session,
                &new_email,
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

/// Until the commit nobody else works on the codes of that account, and on those of that address and purpose. Always in this order,
/// and before any row is locked.
pub(super) async fn hold(
    write: &Write<'_>,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> Outcome<()> {
    if let Some(account) = account {
        hold_account(write, account).await?;
    }
    lock(write, &format!("codes {} {email}", purpose.name())).await
}

/// Until the commit nobody else works on the codes of that account.
pub(super) async fn hold_account(write: &Write<'_>, account: Subject) -> Outcome<()> {
    lock(write, &format!("codes of {account}")).await
}

async fn lock(write: &Write<'_>, name: &str) -> Outcome<()> {
    let hold = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    write.db.only_row(hold, &[&name]).await.map(drop)
}

/// One row of `challenges` that is neither used nor expired.
struct Found {
    challenge: Challenge,
    code_mac: Option<[u8; 32]>,
    attempts: u64,
}

/// A code that was used already counts as no attempt: nothing can be learned from it.
async fn find(db: Db<'_>, challenge: ChallengeId, now: Option<Millis>) -> Outcome<Option<Found>> {
    const FIND: &str = "
        SELECT purpose, coalesce(new_email, email) AS email, account, session, code_mac, long_code_mac, attempts
        FROM challenges WHERE id = $1 AND used_at IS NULL AND expires_at > coalesce($2, latchkey_now())";
    let (id, now) = (challenge.as_bytes().as_slice(), now.map(|now| now.0));
    match db.row(FIND, &[&id, &now]).await? {
        Some(row) => found(&row),
        None => Ok(None),
    }
}

fn found(row: &Row) -> Outcome<Option<Found>> {
    // The purpose of a later version is none that this one may take for another.
    let Some(purpose) = Purpose::from_name(get(row, "purpose")?) else {
        return Ok(None);
    };
    Ok(Some(Found {
        challenge: Challenge {
            purpose,
            account: maybe_bytes(row, "account")?.map(Subject::from_bytes),
            session: maybe_bytes(row, "session")?.map(SessionId::from_bytes),
            email: get(row, "email")?,
            long_code_mac: maybe_bytes(row, "long_code_mac")?,
        },
        code_mac: maybe_bytes(row, "code_mac")?,
        attempts: uint(row, "attempts")?,
    }))
}

/// Does the same writes for a challenge that no code opens: how long it takes tells nothing about the address.
pub(super) async fn attempt(write: &Write<'_>, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
    const COUNT: &str =
        "INSERT INTO attempts (email, account, purpose, at) VALUES ($1, $2, $3, $4) RETURNING id";
    let (db, id) = (write.db, challenge.as_bytes().as_slice());
    let Some(seen) = find(db, challenge, Some(write.now)).await? else {
        return Ok(None);
    };
    let seen = seen.challenge;
    hold(write, seen.purpose, seen.account, &seen.email).await?;
    // Once more: now nobody changes it any more.
    let Some(Found {
        challenge: found,
        code_mac,
        attempts,
    }) = find(db, challenge, Some(write.now)).await?
    else {
        return Ok(None);
    };
    let before = attempts_today(write, found.purpose, found.account, &found.email).await?;
    if attempts >= u64::from(MAX_ATTEMPTS) || before >= MAX_WRONG_PER_DAY {
        return Ok(None);
    }
    db.execute(
        "UPDATE challenges SET attempts = attempts + 1 WHERE id = $1",
        &[&id],
    )
    .await?;
    let account = found.account.as_ref().map(|id| id.as_bytes().as_slice());
    let purpose = found.purpose.name();
    let counted = db
        .only_row(COUNT, &[&found.email, &account, &purpose, &write.now.0])
        .await?;
    if before + 1 == MAX_WRONG_PER_DAY {
        // A sign-up has no account yet, but its owner has asked for mail. Where neither is there, the errand comes to nothing.
        let email = (found.purpose == Purpose::Activation).then_some(found.email.as_str());
        outbox::add_notice(write, errand::CODES_CLOSED, found.account, email).await?;
    }
    if code_mac.is_none() && found.purpose.is_by_mail_alone() {
        return Ok(None);
    }
    Ok(Some(Attempt {
        id: uint(&counted, "id")?,
        purpose: found.purpose,
        account: found.account,
        session: found.session,
        email: found.email,
        code_mac,
    }))
}

/// How many attempts of the last day were wrong, or are under way: at that account, or at that address.
pub(super) async fn attempts_today(
    write: &Write<'_>,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> Outcome<u32> {
    const COUNT: &str = "
        SELECT count(*) AS count FROM attempts WHERE purpose = $1 AND at > $2 AND (email = $3 OR account = $4)";
    let since = write.now.minus(DAY).0;
    let account = account.as_ref().map(|id| id.as_bytes().as_slice());
    let row = write
        .db
        .only_row(COUNT, &[&purpose.name(), &since, &email, &account])
        .await?;
    Ok(u32::try_from(uint(&row, "count")?).unwrap_or(u32::MAX))
}

async fn take_back(db: Db<'_>, challenge: ChallengeId, attempt: u64) -> Outcome<()> {
    const TAKE_BACK: &str = "
        WITH taken AS (DELETE FROM attempts WHERE id = $1 RETURNING id)
        UPDATE challenges SET attempts = attempts - 1 FROM taken WHERE challenges.id = $2";
    let id = challenge.as_bytes().as_slice();
    db.execute(TAKE_BACK, &[&int(attempt), &id]).await.map(drop)
}

/// What a code that has just been used up was for.
pub(super) struct Used {
    pub(super) account: Option<Subject>,
    pub(super) session: Option<SessionId>,
    /// The address that it was mailed to.
    pub(super) email: String,
    pub(super) password_hash: Option<String>,
}

/// OT-03: the conditional statement lets one of many right codes win. OT-07: the others of that purpose are closed.
pub(super) async fn use_up(
    write: &Write<'_>,
    code: &RightCode,
    purpose: Purpose,
) -> Outcome<Option<Used>> {
    const WHOSE: &str =
        "SELECT account, coalesce(new_email, email) AS email FROM challenges WHERE id = $1";
    const USE: &str = "
        UPDATE challenges SET used_at = $4
        WHERE id = $1 AND purpose = $2 AND (code_mac = $3 OR long_code_mac = $3) AND used_at IS NULL AND expires_at > $4
        RETURNING account, session, coalesce(new_email, email) AS email, password_hash";
    let (db, id) = (write.db, code.challenge.as_bytes().as_slice());
    let Some(whose) = db.row(WHOSE, &[&id]).await? else {
        return Ok(None);
    };
    let account = maybe_bytes(&whose, "account")?.map(Subject::from_bytes);
    hold(write, purpose, account, get(&whose, "email")?).await?;
    if let Some(attempt) = code.attempt {
        // Right, if too late: nobody guesses so.
        let take_back = "DELETE FROM attempts WHERE id = $1";
        db.execute(take_back, &[&int(attempt)]).await?;
    }
    let mac = code.code_mac.as_slice();
    let used = db
        .row(USE, &[&id, &purpose.name(), &mac, &write.now.0])
        .await?;
    let Some(row) = used else { return Ok(None) };
    let used = Used {
        account,
        session: maybe_bytes(&row, "session")?.map(SessionId::from_bytes),
        email: get(&row, "email")?,
        password_hash: get(&row, "password_hash")?,
    };
    close_others(write, code.challenge, purpose, account, &used.email).await?;
    Ok(Some(used))
}

/// PW-18: that sign-up, and no other of the address.
pub(super) async fn activate(write: &Write<'_>, activation: &Activation) -> Outcome<bool> {
    let used = use_up(write, &activation.code, Purpose::Activation).await?;
    let Some(Used {
        email,
        password_hash: Some(password_hash),
        ..
    }) = used
    else {
        return Ok(false);
    };
    accounts::open_account(
        write,
        activation.account,
        &email,
        &password_hash,
        &activation.by,
    )
    .await
}

/// OT-07: from now on the codes of other challenges of that account (without one: of that address) and purpose open nothing.
pub(super) async fn close_others(
    write: &Write<'_>,
    challenge: ChallengeId,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> Outcome<()> {
    const CLOSE: &str = "
        UPDATE challenges SET code_mac = NULL, long_code_mac = NULL
        WHERE id <> $1 AND purpose = $2 AND (account = $3 OR ($3 IS NULL AND account IS NULL AND email = $4))";
    let id = challenge.as_bytes().as_slice();
    let account = account.as_ref().map(|id| id.as_bytes().as_slice());
    write
        .db
        .execute(CLOSE, &[&id, &purpose.name(), &account, &email])
        .await
        .map(drop)
}
