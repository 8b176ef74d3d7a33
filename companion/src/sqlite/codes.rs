//! Codes: asked for, attempted, used.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use token::{ChallengeId, SessionId, Subject};

use super::columns::{int, maybe_id};
use super::writer::Write;
use super::{Sqlite, accounts, outbox};
use crate::clock::Millis;
use crate::code::{DAY, LIFETIME, MAX_ATTEMPTS, MAX_WRONG_PER_DAY, Purpose};
use crate::errand;
use crate::store::{
    Activation, Attempt, Challenge, CodeRequest, Codes, Outcome, Requested, RightCode, Wish,
};

#[async_trait]
impl Codes for Sqlite {
    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested> {
        self.writer
            .write(move |write| add_request(write, &request))
            .await
    }

    async fn challenge(&self, challenge: ChallengeId) -> Outcome<Option<Challenge>> {
        self.readers
            .read(move |read| {
                let found = find(read.db, challenge, read.now)?;
                Ok(found.map(|found| found.challenge))
            })
            .await
    }

    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>> {
        self.writer
            .write(move |write| attempt(write, challenge))
            .await
    }

    async fn take_back_code(&self, challenge: ChallengeId, attempt: u64) -> Outcome<()> {
        self.writer
            .write(move |write| take_back(write, challenge, attempt))
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
            whose = Some((account.as_bytes(), session.as_bytes()));
            errand::STEP_UP
        }
        Wish::EmailChange {
            account,
            session,
            new_email: to,
        } => {
            (new_email, whose) = (
                Some(to.as_str()),
                Some((account.as_bytes(), session.as_bytes())),
            );
            errand::EMAIL_CHANGE
        }
        Wish::Resend => errand::RESEND,
    };
    let (account, session) = whose.unzip();
    write.db.execute(
        "INSERT INTO outbox (errand, email, challenge, password_hash, account, session, new_email, expires_at, due_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        params![
            errand,
            email,
            request.challenge.as_bytes(),
            password_hash,
            account,
            session,
            new_email,
            requested.expires_at.0,
            write.now.0
        ],
    )?;
    Ok(requested)
}

/// One row of `challenges` that is neither used nor expired.
struct Found {
    challenge: Challenge,
    code_mac: Option<[u8; 32]>,
    attempts: u32,
}

fn find(db: &Connection, challenge: ChallengeId, now: Millis) -> rusqlite::Result<Option<Found>> {
    // A code that was used already counts as no attempt: nothing can be learned from it.
    let found = db
        .prepare_cached(
            "SELECT purpose, COALESCE(new_email, email) AS email, account, session, code_mac, long_code_mac, attempts
             FROM challenges WHERE id = ?1 AND used_at IS NULL AND expires_at > ?2",
        )?
        .query_row(params![challenge.as_bytes(), now.0], |row| {
            // The purpose of a later version is none that this one may take for another.
            let Some(purpose) = Purpose::from_name(&row.get::<_, String>("purpose")?) else {
                return Ok(None);
            };
            Ok(Some(Found {
                challenge: Challenge {
                    purpose,
                    account: maybe_id(row, "account")?.map(Subject::from_bytes),
                    session: maybe_id(row, "session")?.map(SessionId::from_bytes),
                    email: row.get("email")?,
                    long_code_mac: row.get("long_code_mac")?,
                },
                code_mac: row.get("code_mac")?,
                attempts: row.get("attempts")?,
            }))
        })
        .optional()?;
    Ok(found.flatten())
}

/// Does the same writes for a challenge that no code opens: how long it takes tells nothing about the address.
pub(super) fn attempt(
    write: &Write<'_>,
    challenge: ChallengeId,
) -> rusqlite::Result<Option<Attempt>> {
    let Some(Found {
        challenge: found,
        code_mac,
        attempts,
    }) = find(write.db, challenge, write.now)?
    else {
        return Ok(None);
    };
    let before = attempts_today(write, found.purpose, found.account, &found.email)?;
    if attempts >= MAX_ATTEMPTS || before >= MAX_WRONG_PER_DAY {
        return Ok(None);
    }
    write.db.execute(
        "UPDATE challenges SET attempts = attempts + 1 WHERE id = ?1",
        [challenge.as_bytes()],
    )?;
    write.db.execute(
        "INSERT INTO attempts (email, account, purpose, at) VALUES (?1, ?2, ?3, ?4)",
        params![
            found.email,
            found.account.as_ref().map(Subject::as_bytes),
            found.purpose.name(),
            write.now.0
        ],
    )?;
    let id = u64::try_from(write.db.last_insert_rowid()).unwrap_or(0);
    if before + 1 == MAX_WRONG_PER_DAY {
        // A sign-up has no account yet, but its owner has asked for mail. Where neither is there, the errand comes to nothing.
        let email = (found.purpose == Purpose::Activation).then_some(found.email.as_str());
        outbox::add_notice(write, errand::CODES_CLOSED, found.account, email)?;
    }
    if code_mac.is_none() && found.purpose.is_by_mail_alone() {
        return Ok(None);
    }
    Ok(Some(Attempt {
        id,
        purpose: found.purpose,
        account: found.account,
        session: found.session,
        email: found.email,
        code_mac,
    }))
}

/// How many attempts of the last day were wrong, or are under way: at that account, or at that address.
pub(super) fn attempts_today(
    write: &Write<'_>,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> rusqlite::Result<u32> {
    write.db.query_row(
        "SELECT COUNT(*) FROM attempts WHERE purpose = ?1 AND at > ?2 AND (email = ?3 OR account = ?4)",
        params![
            purpose.name(),
            write.now.minus(DAY).0,
            email,
            account.as_ref().map(Subject::as_bytes)
        ],
        |row| row.get(0),
    )
}

fn take_back(write: &Write<'_>, challenge: ChallengeId, attempt: u64) -> rusqlite::Result<()> {
    let taken = write
        .db
        .execute("DELETE FROM attempts WHERE id = ?1", [int(attempt)])?;
    if taken > 0 {
        write.db.execute(
            "UPDATE challenges SET attempts = attempts - 1 WHERE id = ?1",
            [challenge.as_bytes()],
        )?;
    }
    Ok(())
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
pub(super) fn use_up(
    write: &Write<'_>,
    code: &RightCode,
    purpose: Purpose,
) -> rusqlite::Result<Option<Used>> {
    if let Some(attempt) = code.attempt {
        // Right, if too late: nobody guesses so.
        write
            .db
            .execute("DELETE FROM attempts WHERE id = ?1", [int(attempt)])?;
    }
    let used = write
        .db
        .query_row(
            "UPDATE challenges SET used_at = ?4
             WHERE id = ?1 AND purpose = ?2 AND (code_mac = ?3 OR long_code_mac = ?3) AND used_at IS NULL AND expires_at > ?4
             RETURNING account, session, COALESCE(new_email, email) AS email, password_hash",
            params![code.challenge.as_bytes(), purpose.name(), code.code_mac, write.now.0],
            |row| {
                Ok(Used {
                    account: maybe_id(row, "account")?.map(Subject::from_bytes),
                    session: maybe_id(row, "session")?.map(SessionId::from_bytes),
                    email: row.get("email")?,
                    password_hash: row.get("password_hash")?,
                })
            },
        )
        .optional()?;
    if let Some(used) = &used {
        close_others(write, code.challenge, purpose, used.account, &used.email)?;
    }
    Ok(used)
}

/// PW-18: that sign-up, and no other of the address.
pub(super) fn activate(write: &Write<'_>, activation: &Activation) -> rusqlite::Result<bool> {
    let used = use_up(write, &activation.code, Purpose::Activation)?;
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
}

/// OT-07: from now on the codes of other challenges of that account (without one: of that address) and purpose open nothing.
pub(super) fn close_others(
    write: &Write<'_>,
    challenge: ChallengeId,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "UPDATE challenges SET code_mac = NULL, long_code_mac = NULL
             WHERE id <> ?1 AND purpose = ?2 AND (account = ?3 OR (?3 IS NULL AND account IS NULL AND email = ?4))",
            params![
                challenge.as_bytes(),
                purpose.name(),
                account.as_ref().map(Subject::as_bytes),
                email
            ],
        )
        .map(drop)
}
