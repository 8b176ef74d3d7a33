//! The outbox: errands that wait, and what mail each comes to. Here, and not in any answer, it shows whether an account exists.

use std::time::Duration;

use async_trait::async_trait;
use token::{ChallengeId, Subject};
use tokio_postgres::Row;

use super::columns::{get, int, maybe_bytes, millis, span_millis, uint};
use super::work::{Db, Write, ask, change};
use super::{Postgres, codes};
use crate::clock::Millis;
use crate::code::{COOLDOWN, DAY, MAX_WRONG_PER_DAY, Purpose};
use crate::errand::{ACTIVATION, CODES_CLOSED, RESEND, REUSE, SIGN_UP};
use crate::store::{CodeBinding, Errand, Mail, NextErrand, Outbox, Outcome, Prepared, TAKEN};

#[async_trait]
impl Outbox for Postgres {
    async fn next_errand(&self) -> Outcome<NextErrand> {
        ask!(self, |db, now| next(db, now))
    }

    async fn prepare_mail(&self, errand: u64, code_mac: Option<[u8; 32]>) -> Outcome<Prepared> {
        change!(self, OnDisk, |write| prepare(write, errand, code_mac))
    }

    async fn finish_errand(&self, errand: u64) -> Outcome<()> {
        ask!(self, |db, _now| finish(db, errand))
    }

    async fn retry_errand(&self, errand: u64, wait: Duration) -> Outcome<()> {
        ask!(self, |db, now| retry(db, now, errand, wait))
    }
}

pub(super) async fn add_notice(write: &Write<'_>, errand: &str, email: &str) -> Outcome<()> {
    const ADD: &str = "
        INSERT INTO outbox (errand, email, expires_at, due_at, created_at) VALUES ($1, $2, $3, $4, $4)";
    let expires_at = write.now.plus(DAY).0;
    write
        .db
        .execute(ADD, &[&errand, &email, &expires_at, &write.now.0])
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
        RETURNING id, errand, tries, expires_at, challenge,
            coalesce(email, (SELECT email FROM challenges WHERE challenges.id = outbox.challenge)) AS email";
    const FIRST: &str = "
        SELECT greatest(min(due_at) - coalesce($1, latchkey_now()), 0) AS wait FROM outbox WHERE dead_at IS NULL
        HAVING count(*) > 0";
    let now = now.map(|now| now.0);
    if let Some(row) = db.row(TAKE, &[&span_millis(TAKEN), &now]).await? {
        return errand(&row).map(NextErrand::Due);
    }
    Ok(match db.row(FIRST, &[&now]).await? {
        None => NextErrand::Nothing,
        Some(row) => NextErrand::In(Duration::from_millis(uint(&row, "wait")?)),
    })
}

fn errand(row: &Row) -> Outcome<Errand> {
    let challenge = maybe_bytes(row, "challenge")?.map(ChallengeId::from_bytes);
    let email: Option<String> = get(row, "email")?;
    Ok(Errand {
        id: uint(row, "id")?,
        tries: u32::try_from(uint(row, "tries")?).unwrap_or(u32::MAX),
        expires_at: millis(row, "expires_at")?,
        is_resend: get::<&str>(row, "errand")? == RESEND,
        code: challenge.zip(email).map(|(challenge, email)| CodeBinding {
            purpose: Purpose::Activation,
            challenge,
            email,
        }),
    })
}

/// A row of `outbox`.
struct Wanted {
    id: i64,
    email: Option<String>,
    account: Option<Subject>,
    challenge: Option<ChallengeId>,
    password_hash: Option<String>,
    expires_at: Millis,
    created_at: Millis,
    tries: u64,
}

pub(super) async fn prepare(
    write: &Write<'_>,
    errand: u64,
    code_mac: Option<[u8; 32]>,
) -> Outcome<Prepared> {
    let find = "SELECT * FROM outbox WHERE id = $1 AND expires_at > $2 AND dead_at IS NULL";
    let row = write.db.row(find, &[&int(errand), &write.now.0]).await?;
    let Some(row) = row else {
        return Ok(Prepared::Nothing);
    };
    let wanted = Wanted {
        id: int(errand),
        email: get(&row, "email")?,
        account: maybe_bytes(&row, "account")?.map(Subject::from_bytes),
        challenge: maybe_bytes(&row, "challenge")?.map(ChallengeId::from_bytes),
        password_hash: get(&row, "password_hash")?,
        expires_at: millis(&row, "expires_at")?,
        created_at: millis(&row, "created_at")?,
        tries: uint(&row, "tries")?,
    };
    match get(&row, "errand")? {
        SIGN_UP | ACTIVATION => activation(write, &wanted, code_mac).await,
        RESEND => resend(write, &wanted, code_mac).await,
        REUSE => {
            let Some(account) = wanted.account else {
                return Ok(Prepared::Nothing);
            };
            let find = "SELECT email FROM accounts WHERE id = $1";
            let found = write
                .db
                .row(find, &[&account.as_bytes().as_slice()])
                .await?;
            match found {
                Some(row) => {
                    send(
                        write,
                        &wanted,
                        get(&row, "email")?,
                        Mail::RefreshTokenReused,
                    )
                    .await
                }
                None => Ok(Prepared::Nothing),
            }
        }
        CODES_CLOSED => match &wanted.email {
            Some(to) => send(write, &wanted, to, Mail::CodesClosed).await,
            None => Ok(Prepared::Nothing),
        },
        _ => Ok(Prepared::Nothing),
    }
}

/// A sign-up, or a new code for the one that is pending.
async fn activation(
    write: &Write<'_>,
    wanted: &Wanted,
    code_mac: Option<[u8; 32]>,
) -> Outcome<Prepared> {
    let (Some(email), Some(challenge), Some(code_mac)) =
        (&wanted.email, wanted.challenge, code_mac)
    else {
        return Ok(Prepared::Nothing);
    };
    codes::hold(write, email, Purpose::Activation).await?;
    if is_registered(write, email).await? {
        open(write, wanted, challenge, email, None, None).await?;
        return send(write, wanted, email, Mail::AlreadyRegistered).await;
    }
    let pending = match &wanted.password_hash {
        Some(own) => vec![own.clone()],
        None => pending(write, email).await?,
    };
    match pending.as_slice() {
        [] => {
            open(write, wanted, challenge, email, None, None).await?;
            Ok(Prepared::Nothing)
        }
        [password_hash] => {
            let prepared = send_code(write, wanted, email, challenge).await?;
            if matches!(prepared, Prepared::Send { .. }) {
                let (hash, mac) = (Some(password_hash.as_str()), Some(code_mac));
                open(write, wanted, challenge, email, hash, mac).await?;
            } else {
                pend(write, wanted, challenge, email, password_hash).await?;
            }
            Ok(prepared)
        }
        // PW-18: a code that activated a stranger's sign-up would open the account to the stranger's password.
        [_, _, ..] => {
            open(write, wanted, challenge, email, None, None).await?;
            send(write, wanted, email, Mail::SignUpAgain).await
        }
    }
}

/// The challenge of an errand, whether or not a code opens it.
async fn open(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    email: &str,
    password_hash: Option<&str>,
    code_mac: Option<[u8; 32]>,
) -> Outcome<()> {
    const OPEN: &str = "
        INSERT INTO challenges (id, purpose, email, password_hash, code_mac, expires_at, created_at, mailed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
        ON CONFLICT (id) DO UPDATE SET code_mac = excluded.code_mac, expires_at = excluded.expires_at,
            mailed_at = excluded.mailed_at";
    write
        .db
        .execute(
            OPEN,
            &[
                &challenge.as_bytes().as_slice(),
                &Purpose::Activation.name(),
                &email,
                &password_hash,
                &code_mac.as_ref().map(<[u8; 32]>::as_slice),
                &wanted.expires_at.0,
                &write.now.0,
            ],
        )
        .await
        .map(drop)
}

/// The sign-up is pending, if without a code that opens it. One that an earlier try has mailed still does: its owner has no other.
async fn pend(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    email: &str,
    password_hash: &str,
) -> Outcome<()> {
    const PEND: &str = "
        INSERT INTO challenges (id, purpose, email, password_hash, expires_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    let id = challenge.as_bytes().as_slice();
    let (expires_at, now) = (wanted.expires_at.0, write.now.0);
    write
        .db
        .execute(
            PEND,
            &[
                &id,
                &Purpose::Activation.name(),
                &email,
                &password_hash,
                &expires_at,
                &now,
            ],
        )
        .await
        .map(drop)
}

/// A new code, unless one of the challenge has been mailed since it was asked for: the newer would only kill the older.
async fn resend(
    write: &Write<'_>,
    wanted: &Wanted,
    code_mac: Option<[u8; 32]>,
) -> Outcome<Prepared> {
    const FIND: &str = "
        SELECT email FROM challenges
        WHERE id = $1 AND used_at IS NULL AND password_hash IS NOT NULL AND created_at > $2
            AND (code_mac IS NULL OR mailed_at < $3 OR $4)";
    const REPLACE: &str =
        "UPDATE challenges SET code_mac = $2, expires_at = $3, mailed_at = $4 WHERE id = $1";
    let (Some(challenge), Some(code_mac)) = (wanted.challenge, code_mac) else {
        return Ok(Prepared::Nothing);
    };
    let id = challenge.as_bytes().as_slice();
    let since = write.now.minus(DAY).0;
    let conditions: super::work::Arguments<'_> =
        &[&id, &since, &wanted.created_at.0, &(wanted.tries > 0)];
    let Some(row) = write.db.row(FIND, conditions).await? else {
        return Ok(Prepared::Nothing);
    };
    let email: String = get(&row, "email")?;
    codes::hold(write, &email, Purpose::Activation).await?;
    // Once more: now nobody changes it any more.
    if write.db.row(FIND, conditions).await?.is_none() {
        return Ok(Prepared::Nothing);
    }
    if is_registered(write, &email).await? {
        return send(write, wanted, &email, Mail::AlreadyRegistered).await;
    }
    let prepared = send_code(write, wanted, &email, challenge).await?;
    if matches!(prepared, Prepared::Send { .. }) {
        let mac = code_mac.as_slice();
        write
            .db
            .execute(REPLACE, &[&id, &mac, &wanted.expires_at.0, &write.now.0])
            .await?;
    }
    Ok(prepared)
}

/// A mail with a code, unless codes are closed for today.
async fn send_code(
    write: &Write<'_>,
    wanted: &Wanted,
    email: &str,
    challenge: ChallengeId,
) -> Outcome<Prepared> {
    if codes::attempts_today(write, email, Purpose::Activation).await? >= MAX_WRONG_PER_DAY {
        return Ok(Prepared::Nothing);
    }
    let prepared = send(write, wanted, email, Mail::ActivationCode).await?;
    if matches!(prepared, Prepared::Send { .. }) {
        codes::close_others(write, challenge, email, Purpose::Activation).await?;
    }
    Ok(prepared)
}

/// The mail, unless one like it went to that address less than a minute ago: then the errand waits.
async fn send(write: &Write<'_>, wanted: &Wanted, to: &str, mail: Mail) -> Outcome<Prepared> {
    // Of two companions with a mail of one kind to one address the second waits here, and then finds it too early.
    const SEND: &str = "
        INSERT INTO mails_sent (email, mail, at) VALUES ($1, $2, $3)
        ON CONFLICT (email, mail) DO UPDATE SET at = excluded.at WHERE mails_sent.at <= $4
        RETURNING at";
    let cold = write.now.minus(COOLDOWN).0;
    let sent = write
        .db
        .row(SEND, &[&to, &mail.name(), &write.now.0, &cold])
        .await?;
    if sent.is_some() {
        return Ok(Prepared::Send {
            to: to.to_owned(),
            mail,
        });
    }
    let later = "
        UPDATE outbox SET due_at = $3 + (SELECT at FROM mails_sent WHERE email = $1 AND mail = $2) WHERE id = $4";
    write
        .db
        .execute(
            later,
            &[&to, &mail.name(), &span_millis(COOLDOWN), &wanted.id],
        )
        .await?;
    Ok(Prepared::Later)
}

async fn is_registered(write: &Write<'_>, email: &str) -> Outcome<bool> {
    let find = "SELECT EXISTS (SELECT 1 FROM accounts WHERE email = $1) AS found";
    get(&write.db.only_row(find, &[&email]).await?, "found")
}

/// The different sign-ups of that address that were not activated; two are enough to know that there are several.
async fn pending(write: &Write<'_>, email: &str) -> Outcome<Vec<String>> {
    const PENDING: &str = "
        SELECT DISTINCT password_hash FROM challenges
        WHERE email = $1 AND purpose = $2 AND used_at IS NULL AND password_hash IS NOT NULL AND created_at > $3
        LIMIT 2";
    let since = write.now.minus(DAY).0;
    let rows = write
        .db
        .rows(PENDING, &[&email, &Purpose::Activation.name(), &since])
        .await?;
    rows.iter().map(|row| get(row, "password_hash")).collect()
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
