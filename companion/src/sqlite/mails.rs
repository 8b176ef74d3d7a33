//! What mail an errand of the outbox comes to. Here, and not in any answer, it shows whether an account exists.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};
use token::{ChallengeId, SessionId, Subject};

use super::columns::{int, maybe_id, millis, uint};
use super::writer::Write;
use super::{codes, outbox};
use crate::clock::Millis;
use crate::code::{DAY, MAX_WRONG_PER_DAY, Purpose};
use crate::errand::{self, ACTIVATION, EMAIL_CHANGE, RECOVERY, RESEND, SIGN_UP, STEP_UP};
use crate::store::{DrawnCode, Mail, Prepared};

/// A row of `outbox`.
struct Row {
    id: u64,
    errand: String,
    email: Option<String>,
    account: Option<Subject>,
    session: Option<SessionId>,
    new_email: Option<String>,
    challenge: Option<ChallengeId>,
    password_hash: Option<String>,
    expires_at: Millis,
    created_at: Millis,
    tries: u32,
    /// Between two mails of one kind to one owner.
    cooldown: Duration,
}

/// Whose code it is, and where it goes.
pub(super) struct Addressee {
    account: Subject,
    /// The account's own address.
    pub(super) email: String,
    /// Whether an authenticator app is enrolled: then it is asked for, and no code is mailed.
    has_app: bool,
}

pub(super) fn prepare(
    write: &Write<'_>,
    errand: u64,
    code: Option<&DrawnCode>,
    cooldown: Duration,
) -> rusqlite::Result<Prepared> {
    let row = write
        .db
        .query_row(
            "SELECT * FROM outbox WHERE id = ?1 AND expires_at > ?2 AND dead_at IS NULL",
            params![int(errand), write.now.0],
            |row| {
                Ok(Row {
                    id: uint(row, "id")?,
                    errand: row.get("errand")?,
                    email: row.get("email")?,
                    account: maybe_id(row, "account")?.map(Subject::from_bytes),
                    session: maybe_id(row, "session")?.map(SessionId::from_bytes),
                    new_email: row.get("new_email")?,
                    challenge: maybe_id(row, "challenge")?.map(ChallengeId::from_bytes),
                    password_hash: row.get("password_hash")?,
                    expires_at: millis(row, "expires_at")?,
                    created_at: millis(row, "created_at")?,
                    tries: row.get("tries")?,
                    cooldown,
                })
            },
        )
        .optional()?;
    let Some(row) = row else {
        return Ok(Prepared::Nothing);
    };
    let (Some(challenge), Some(code)) = (row.challenge, code) else {
        return notice(write, &row);
    };
    match row.errand.as_str() {
        SIGN_UP | ACTIVATION => activation(write, &row, challenge, code),
        RECOVERY => recovery(write, &row, challenge, code),
        STEP_UP => step_up(write, &row, challenge, code),
        EMAIL_CHANGE => email_change(write, &row, challenge, code),
        RESEND => resend(write, &row, challenge, code),
        _ => Ok(Prepared::Nothing),
    }
}

fn notice(write: &Write<'_>, row: &Row) -> rusqlite::Result<Prepared> {
    let Some(mail) = errand::notice(&row.errand) else {
        return Ok(Prepared::Nothing);
    };
    let to = match (&row.email, row.account) {
        (Some(email), _) => Some(email.clone()),
        (None, Some(account)) => address(write, account)?,
        (None, None) => None,
    };
    match to {
        Some(to) => send(write, row, &to, mail, None),
        None => Ok(Prepared::Nothing),
    }
}

/// A sign-up, or a new code for the one that is pending.
fn activation(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> rusqlite::Result<Prepared> {
    let Some(email) = &row.email else {
        return Ok(Prepared::Nothing);
    };
    if is_registered(write, email)? {
        add_sign_up(write, row, challenge, email, None)?;
        return instead_of_code(
            write,
            row,
            challenge,
            email,
            Told::By(Mail::AlreadyRegistered),
        );
    }
    let pending = match &row.password_hash {
        Some(own) => vec![own.clone()],
        None => pending(write, email)?,
    };
    match pending.as_slice() {
        [] => {
            add_sign_up(write, row, challenge, email, None)?;
            instead_of_code(
                write,
                row,
                challenge,
                email,
                Told::Nothing(Purpose::Activation),
            )
        }
        // One that an earlier try has mailed still opens while this one waits: its owner has no other.
        [password_hash] => {
            add_sign_up(write, row, challenge, email, Some(password_hash))?;
            send_code(
                write,
                row,
                challenge,
                Purpose::Activation,
                None,
                email,
                code,
            )
        }
        // PW-18: a code that activated a stranger's sign-up would open the account to the stranger's password.
        [_, _, ..] => {
            add_sign_up(write, row, challenge, email, None)?;
            instead_of_code(write, row, challenge, email, Told::By(Mail::SignUpAgain))
        }
    }
}

/// The challenge of a sign-up, which no code opens yet.
fn add_sign_up(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    email: &str,
    password_hash: Option<&str>,
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

/// An unknown address, and that of an account that cannot be used, gets a challenge that no code opens, and no mail.
fn recovery(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> rusqlite::Result<Prepared> {
    let Some(email) = &row.email else {
        return Ok(Prepared::Nothing);
    };
    let account = of_address(write, email)?;
    add_challenge(write, row, challenge, Purpose::Recovery, account, email)?;
    match account {
        Some(account) => {
            let purpose = Purpose::Recovery;
            send_code(write, row, challenge, purpose, Some(account), email, code)
        }
        None => instead_of_code(
            write,
            row,
            challenge,
            email,
            Told::Nothing(Purpose::Recovery),
        ),
    }
}

fn step_up(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> rusqlite::Result<Prepared> {
    let Some(Addressee {
        account,
        email,
        has_app,
    }) = of_session(write, row.account, row.session)?
    else {
        return Ok(Prepared::Nothing);
    };
    let purpose = Purpose::StepUp;
    add_challenge(write, row, challenge, purpose, Some(account), &email)?;
    if has_app {
        return Ok(Prepared::Nothing);
    }
    send_code(write, row, challenge, purpose, Some(account), &email, code)
}

/// PW-16: the address that the account has is told at once. An address that another account has looks the same to the caller.
fn email_change(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> rusqlite::Result<Prepared> {
    let (Some(new_email), Some(Addressee { account, email, .. })) =
        (&row.new_email, of_session(write, row.account, row.session)?)
    else {
        return Ok(Prepared::Nothing);
    };
    let purpose = Purpose::EmailChange;
    if add_challenge(write, row, challenge, purpose, Some(account), &email)? {
        let asked = errand::EMAIL_CHANGE_ASKED;
        outbox::add_notice(write, asked, Some(account), Some(&email))?;
    }
    if is_registered(write, new_email)? {
        return send(write, row, new_email, Mail::AddressTaken, None);
    }
    send_code(
        write,
        row,
        challenge,
        purpose,
        Some(account),
        new_email,
        code,
    )
}

/// A challenge that no code opens yet. False: it is there already, from an earlier try.
fn add_challenge(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> rusqlite::Result<bool> {
    let added = write.db.execute(
        "INSERT INTO challenges (id, purpose, email, new_email, account, session, expires_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
        params![
            challenge.as_bytes(),
            purpose.name(),
            email,
            row.new_email,
            account.as_ref().map(Subject::as_bytes),
            row.session.as_ref().map(SessionId::as_bytes),
            row.expires_at.0,
            write.now.0
        ],
    )?;
    Ok(added > 0)
}

/// A row of `challenges`, as a resend needs it.
struct Resent {
    purpose: Option<Purpose>,
    email: String,
    new_email: Option<String>,
    account: Option<Subject>,
    session: Option<SessionId>,
    is_sign_up: bool,
}

/// A new code, unless one of the challenge has been mailed since it was asked for: the newer would only kill the older.
fn resend(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> rusqlite::Result<Prepared> {
    let found = write
        .db
        .query_row(
            "SELECT purpose, email, new_email, account, session, password_hash IS NOT NULL AS is_sign_up FROM challenges
             WHERE id = ?1 AND used_at IS NULL AND created_at > ?2
                 AND ((code_mac IS NULL AND long_code_mac IS NULL) OR mailed_at < ?3 OR ?4 > 0)",
            params![
                challenge.as_bytes(),
                write.now.minus(DAY).0,
                row.created_at.0,
                row.tries
            ],
            |row| {
                Ok(Resent {
                    purpose: Purpose::from_name(&row.get::<_, String>("purpose")?),
                    email: row.get("email")?,
                    new_email: row.get("new_email")?,
                    account: maybe_id(row, "account")?.map(Subject::from_bytes),
                    session: maybe_id(row, "session")?.map(SessionId::from_bytes),
                    is_sign_up: row.get("is_sign_up")?,
                })
            },
        )
        .optional()?;
    let Some(found) = found else {
        return Ok(Prepared::Nothing);
    };
    let (account, to) = match found.purpose {
        Some(Purpose::Activation) if found.is_sign_up => {
            if is_registered(write, &found.email)? {
                let told = Told::By(Mail::AlreadyRegistered);
                return instead_of_code(write, row, challenge, &found.email, told);
            }
            (None, found.email)
        }
        Some(Purpose::Recovery)
            if found.account.is_some() && found.account == of_address(write, &found.email)? =>
        {
            (found.account, found.email)
        }
        Some(Purpose::StepUp) => match of_session(write, found.account, found.session)? {
            Some(addressee) if !addressee.has_app => (found.account, addressee.email),
            _ => return Ok(Prepared::Nothing),
        },
        Some(Purpose::EmailChange) => {
            let is_live = of_session(write, found.account, found.session)?.is_some();
            let Some(new_email) = found.new_email.filter(|_| is_live) else {
                return Ok(Prepared::Nothing);
            };
            if is_registered(write, &new_email)? {
                let told = Told::By(Mail::AddressTaken);
                return instead_of_code(write, row, challenge, &new_email, told);
            }
            (found.account, new_email)
        }
        Some(purpose @ (Purpose::Activation | Purpose::Recovery)) => {
            let told = Told::Nothing(purpose);
            return instead_of_code(write, row, challenge, &found.email, told);
        }
        _ => return Ok(Prepared::Nothing),
    };
    let purpose = found.purpose.unwrap_or(Purpose::Activation);
    send_code(write, row, challenge, purpose, account, &to, code)
}

/// A mail with a code, unless codes of that purpose are closed for today; from then on the code opens the challenge, and older ones of
/// that purpose open nothing. A recovery still gets its long code when short ones are closed (RL-03).
fn send_code(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    purpose: Purpose,
    account: Option<Subject>,
    to: &str,
    code: &DrawnCode,
) -> rusqlite::Result<Prepared> {
    let is_closed = codes::attempts_today(write, purpose, account, to)? >= MAX_WRONG_PER_DAY;
    let Some(mail) = purpose.mail(is_closed) else {
        return Ok(Prepared::Nothing);
    };
    if code.binding.account != account || code.binding.email != to {
        return again(write, row, write.now);
    }
    let prepared = send(write, row, to, mail, account)?;
    if matches!(prepared, Prepared::Send { .. }) {
        codes::close_others(write, challenge, purpose, account, to)?;
        write.db.execute(
            "UPDATE challenges SET code_mac = ?2, long_code_mac = ?3, expires_at = ?4, mailed_at = ?5 WHERE id = ?1",
            params![
                challenge.as_bytes(),
                (!is_closed).then_some(code.mac),
                (purpose == Purpose::Recovery).then_some(code.long_mac),
                row.expires_at.0,
                write.now.0
            ],
        )?;
    }
    Ok(prepared)
}

/// What happens where no code may go out.
#[derive(Clone, Copy)]
enum Told {
    /// Another mail.
    By(Mail),
    /// No mail, at the pace of those with a code for that purpose.
    Nothing(Purpose),
}

/// ER-02: the challenge lives on as if a code had gone out. Else an answer, or the time of one, would tell that none has.
fn instead_of_code(
    write: &Write<'_>,
    row: &Row,
    challenge: ChallengeId,
    to: &str,
    told: Told,
) -> rusqlite::Result<Prepared> {
    let mail = match told {
        Told::By(mail) => mail,
        Told::Nothing(purpose) => match purpose.mail(false) {
            Some(mail) => mail,
            None => return Ok(Prepared::Nothing),
        },
    };
    let prepared = send(write, row, to, mail, None)?;
    if !matches!(prepared, Prepared::Send { .. }) {
        return Ok(prepared);
    }
    write.db.execute(
        "UPDATE challenges SET expires_at = ?2, mailed_at = ?3 WHERE id = ?1",
        params![challenge.as_bytes(), row.expires_at.0, write.now.0],
    )?;
    match told {
        Told::By(_) => Ok(prepared),
        Told::Nothing(_) => Ok(Prepared::Nothing),
    }
}

/// The mail, unless one like it went to that account (without one: to that address) less than a minute ago: then the errand waits.
fn send(
    write: &Write<'_>,
    row: &Row,
    to: &str,
    mail: Mail,
    account: Option<Subject>,
) -> rusqlite::Result<Prepared> {
    let whose = account.map_or_else(|| to.to_owned(), |account| account.to_string());
    let last = write
        .db
        .query_row(
            "SELECT at FROM mails_sent WHERE email = ?1 AND mail = ?2",
            params![whose, mail.kind().name()],
            |row| millis(row, "at"),
        )
        .optional()?;
    let free_at = last
        .map(|last| last.plus(row.cooldown))
        .filter(|free_at| *free_at > write.now);
    if let Some(free_at) = free_at {
        return again(write, row, free_at);
    }
    write.db.execute(
        "INSERT INTO mails_sent (email, mail, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (email, mail) DO UPDATE SET at = excluded.at",
        params![whose, mail.kind().name(), write.now.0],
    )?;
    Ok(Prepared::Send {
        to: to.to_owned(),
        mail,
    })
}

fn again(write: &Write<'_>, row: &Row, at: Millis) -> rusqlite::Result<Prepared> {
    write.db.execute(
        "UPDATE outbox SET due_at = ?2 WHERE id = ?1",
        params![int(row.id), at.0],
    )?;
    Ok(Prepared::Later)
}

fn is_registered(write: &Write<'_>, email: &str) -> rusqlite::Result<bool> {
    write.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM accounts WHERE email = ?1)",
        [email],
        |row| row.get(0),
    )
}

/// The account of that address, if it can be used.
fn of_address(write: &Write<'_>, email: &str) -> rusqlite::Result<Option<Subject>> {
    write
        .db
        .query_row(
            "SELECT id FROM accounts WHERE email = ?1 AND is_active = 1",
            [email],
            |row| row.get(0).map(Subject::from_bytes),
        )
        .optional()
}

/// The account of a session that can be used.
pub(super) fn of_session(
    write: &Write<'_>,
    account: Option<Subject>,
    session: Option<SessionId>,
) -> rusqlite::Result<Option<Addressee>> {
    let Some((account, session)) = account.zip(session) else {
        return Ok(None);
    };
    write
        .db
        .query_row(
            "SELECT email, EXISTS (SELECT 1 FROM totp WHERE totp.account = accounts.id AND is_confirmed = 1) AS has_app
             FROM sessions JOIN accounts ON accounts.id = sessions.account
             WHERE sessions.id = ?1 AND sessions.account = ?2 AND ended_at IS NULL
                 AND idle_deadline > ?3 AND absolute_deadline > ?3 AND is_active = 1",
            params![session.as_bytes(), account.as_bytes(), write.now.0],
            |row| {
                Ok(Addressee {
                    account,
                    email: row.get("email")?,
                    has_app: row.get("has_app")?,
                })
            },
        )
        .optional()
}

fn address(write: &Write<'_>, account: Subject) -> rusqlite::Result<Option<String>> {
    write
        .db
        .query_row(
            "SELECT email FROM accounts WHERE id = ?1 AND deleted_at IS NULL",
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
