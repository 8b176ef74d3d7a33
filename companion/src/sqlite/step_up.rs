//! What a second factor or a mailed code opens. One writer: between two statements of a write nothing changes.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Row, named_params, params};
use token::{ChallengeId, SessionId, Subject};

use super::audit::{self, Event};
use super::columns::{delivery, id, int, list_text, session, uint};
use super::readers::Read;
use super::sessions::{expiry, minted, open};
use super::writer::Write;
use super::{Sqlite, codes, factors};
use crate::clock::Millis;
use crate::code::Purpose;
use crate::level::{Acr, FACTOR_CHALLENGE};
use crate::store::{
    Client, Factor, FactorChallenge, Login, Minted, Opens, Outcome, Proof, Reauthentication,
    Session, StepUp, StepUps,
};

#[async_trait]
impl StepUps for Sqlite {
    async fn open_factor_challenge(&self, challenge: FactorChallenge) -> Outcome<Option<Millis>> {
        self.writer
            .write(move |write| add_challenge(write, &challenge))
            .await
    }

    async fn factor_challenge(&self, challenge: ChallengeId) -> Outcome<Option<FactorChallenge>> {
        self.readers.read(move |read| find(read, challenge)).await
    }

    async fn pass_login(
        &self,
        challenge: ChallengeId,
        factor: Factor,
        login: Login,
    ) -> Outcome<Option<Minted>> {
        self.writer
            .write(move |write| pass_login(write, challenge, &factor, &login))
            .await
    }

    async fn step_up(&self, step_up: StepUp) -> Outcome<Option<Minted>> {
        self.writer.write(move |write| lift(write, &step_up)).await
    }

    async fn reauthenticate(&self, again: Reauthentication) -> Outcome<Option<Minted>> {
        self.writer
            .write(move |write| reauthenticate(write, &again))
            .await
    }
}

/// The words of [`Opens`] in the store. They are those of no mailed code: such a challenge is none of these.
const LOGIN: &str = "login";
const STEP_UP: &str = "step_up_totp";

/// The same for both kinds: only while the account has an app, and is what it was when the challenge was earned.
fn add_challenge(
    write: &Write<'_>,
    challenge: &FactorChallenge,
) -> rusqlite::Result<Option<Millis>> {
    let expires_at = write.now.plus(FACTOR_CHALLENGE);
    let added = match &challenge.opens {
        Opens::Login {
            login_epoch,
            delivery,
            label,
        } => write.db.execute(
            "INSERT INTO challenges (id, purpose, email, account, login_epoch, delivery, label, expires_at, created_at)
             SELECT :id, :purpose, email, id, login_epoch, :delivery, :label, :expires_at, :now FROM accounts
             WHERE id = :account AND is_active = 1 AND login_epoch = :epoch
                 AND EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed = 1)",
            named_params! {
                ":id": challenge.id.as_bytes(), ":purpose": LOGIN, ":delivery": delivery.name(), ":label": label,
                ":expires_at": expires_at.0, ":now": write.now.0, ":account": challenge.account.as_bytes(),
                ":epoch": int(*login_epoch),
            },
        )?,
        Opens::StepUp(session) => {
            // One for each session: a new one makes those before useless, and asking again and again fills nothing.
            write.db.execute(
                "DELETE FROM challenges WHERE account = ?1 AND purpose = ?2 AND session = ?3",
                params![challenge.account.as_bytes(), STEP_UP, session.as_bytes()],
            )?;
            write.db.execute(
                "INSERT INTO challenges (id, purpose, email, account, session, expires_at, created_at)
                 SELECT :id, :purpose, email, accounts.id, sessions.id, :expires_at, :now
                 FROM accounts JOIN sessions ON sessions.account = accounts.id
                 WHERE accounts.id = :account AND sessions.id = :session AND is_active = 1 AND ended_at IS NULL
                     AND EXISTS (SELECT 1 FROM totp WHERE totp.account = accounts.id AND is_confirmed = 1)",
                named_params! {
                    ":id": challenge.id.as_bytes(), ":purpose": STEP_UP, ":expires_at": expires_at.0,
                    ":now": write.now.0, ":account": challenge.account.as_bytes(), ":session": session.as_bytes(),
                },
            )?
        }
    };
    Ok((added > 0).then_some(expires_at))
}

fn find(read: &Read<'_>, wanted: ChallengeId) -> rusqlite::Result<Option<FactorChallenge>> {
    let challenge = |row: &Row<'_>| {
        let opens = if row.get::<_, String>("purpose")? == LOGIN {
            Opens::Login {
                login_epoch: uint(row, "login_epoch")?,
                delivery: delivery(row, "delivery")?,
                label: row.get("label")?,
            }
        } else {
            Opens::StepUp(SessionId::from_bytes(id(row, "session")?))
        };
        Ok(FactorChallenge {
            id: wanted,
            account: Subject::from_bytes(id(row, "account")?),
            email: row.get("email")?,
            opens,
        })
    };
    read.db
        .query_row(
            "SELECT * FROM challenges WHERE id = ?1 AND purpose IN (?2, ?3) AND used_at IS NULL AND expires_at > ?4",
            params![wanted.as_bytes(), LOGIN, STEP_UP, read.now.0],
            challenge,
        )
        .optional()
}

/// Whether the challenge still waits for the factor of that account, and for that session where it lifts one.
fn is_open(
    write: &Write<'_>,
    challenge: ChallengeId,
    account: Subject,
    session: Option<SessionId>,
) -> rusqlite::Result<bool> {
    write.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM challenges WHERE id = ?1 AND account = ?2 AND session IS ?3 AND purpose = ?4
             AND used_at IS NULL AND expires_at > ?5)",
        params![
            challenge.as_bytes(),
            account.as_bytes(),
            session.as_ref().map(SessionId::as_bytes),
            if session.is_some() { STEP_UP } else { LOGIN },
            write.now.0
        ],
        |row| row.get(0),
    )
}

fn close(write: &Write<'_>, challenge: ChallengeId) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "UPDATE challenges SET used_at = ?2 WHERE id = ?1",
            params![challenge.as_bytes(), write.now.0],
        )
        .map(drop)
}

/// Whether the account may log in, and has the epoch that was read.
fn is_as_read(write: &Write<'_>, account: Subject, login_epoch: u64) -> rusqlite::Result<bool> {
    write.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM accounts WHERE id = ?1 AND is_active = 1 AND login_epoch = ?2)",
        params![account.as_bytes(), int(login_epoch)],
        |row| row.get(0),
    )
}

fn pass_login(
    write: &Write<'_>,
    challenge: ChallengeId,
    factor: &Factor,
    login: &Login,
) -> rusqlite::Result<Option<Minted>> {
    let account = login.account;
    factors::count_as_none(write, account, factor)?;
    if !is_open(write, challenge, account, None)?
        || !is_as_read(write, account, login.login_epoch)?
        || !factors::use_up(write, account, factor, &login.by)?
    {
        return Ok(None);
    }
    close(write, challenge)?;
    open(write, login)
}

fn lift(write: &Write<'_>, step_up: &StepUp) -> rusqlite::Result<Option<Minted>> {
    let StepUp {
        account, session, ..
    } = *step_up;
    if let Proof::Factor(_, factor) = &step_up.proof {
        factors::count_as_none(write, account, factor)?;
    }
    if !is_usable(write, session, account)? {
        return Ok(None);
    }
    let acr = match &step_up.proof {
        Proof::Factor(challenge, factor) => {
            if !is_open(write, *challenge, account, Some(session))?
                || !factors::use_up(write, account, factor, &step_up.by)?
            {
                return Ok(None);
            }
            close(write, *challenge)?;
            Acr::Mfa
        }
        Proof::Mailed(code) => {
            let used = codes::use_up(write, code, Purpose::StepUp)?;
            let is_its = used
                .is_some_and(|used| (used.account, used.session) == (Some(account), Some(session)));
            // Where an app is enrolled, it is the app that is asked for.
            if !is_its || factors::has_totp(write, account)? {
                return Ok(None);
            }
            Acr::Otp
        }
    };
    let set = "step_acr = :acr, step_auth_time = :auth_time";
    let level = Raised {
        acr,
        set,
        event: "session_stepped_up",
    };
    raise(
        write,
        &level,
        session,
        account,
        step_up.lifetimes.access,
        &step_up.by,
    )
}

fn reauthenticate(write: &Write<'_>, again: &Reauthentication) -> rusqlite::Result<Option<Minted>> {
    let Reauthentication {
        account, session, ..
    } = *again;
    if let Some(factor) = &again.factor {
        factors::count_as_none(write, account, factor)?;
    }
    // An app that was added or removed since the password was read has moved the epoch.
    if !is_usable(write, session, account)? || !is_as_read(write, account, again.login_epoch)? {
        return Ok(None);
    }
    let acr = match &again.factor {
        None if factors::has_totp(write, account)? => return Ok(None),
        None => Acr::Password,
        Some(factor) => {
            if !factors::use_up(write, account, factor, &again.by)? {
                return Ok(None);
            }
            Acr::Mfa
        }
    };
    let set =
        "acr = :acr, amr = :amr, auth_time = :auth_time, step_acr = NULL, step_auth_time = NULL";
    let level = Raised {
        acr,
        set,
        event: "session_reauthenticated",
    };
    raise(
        write,
        &level,
        session,
        account,
        again.lifetimes.access,
        &again.by,
    )
}

fn is_usable(write: &Write<'_>, session: SessionId, account: Subject) -> rusqlite::Result<bool> {
    let read = Read {
        db: write.db,
        now: write.now,
    };
    Ok(super::sessions::live(&read, session, Some(account))?.is_some())
}

/// What a session is raised to.
struct Raised {
    acr: Acr,
    /// The columns that say so.
    set: &'static str,
    event: &'static str,
}

/// The statement that allows the access token: the generation stays, `latest_exp` moves, and only of a session that lives.
fn raise(
    write: &Write<'_>,
    to: &Raised,
    wanted: SessionId,
    account: Subject,
    access: Duration,
    by: &Client,
) -> rusqlite::Result<Option<Minted>> {
    // All parameters in every statement, whatever the columns name.
    let statement = format!(
        "UPDATE sessions SET {}, latest_exp = MAX(latest_exp, MIN(:exp, absolute_deadline / 1000))
         WHERE id = :id AND account = :account AND ended_at IS NULL AND idle_deadline > :now AND absolute_deadline > :now
             AND EXISTS (SELECT 1 FROM accounts WHERE accounts.id = sessions.account AND is_active = 1)
             AND :amr IS NOT NULL
         RETURNING *",
        to.set
    );
    let now = write.now.seconds();
    let raised: Option<Session> = write
        .db
        .prepare_cached(&statement)?
        .query_row(
            named_params! {
                ":acr": to.acr.name(), ":amr": list_text(to.acr.amr()), ":auth_time": now.seconds(),
                ":exp": now.plus(access).seconds(), ":id": wanted.as_bytes(), ":account": account.as_bytes(),
                ":now": write.now.0,
            },
            session,
        )
        .optional()?;
    let Some(session) = raised else {
        return Ok(None);
    };
    let event = Event {
        name: to.event,
        cause: None,
        account: Some(account),
        session: Some(session.id),
    };
    audit::append(write, &event, by)?;
    let exp = expiry(write.now, access, session.absolute_deadline);
    minted(write, session, exp).map(Some)
}
