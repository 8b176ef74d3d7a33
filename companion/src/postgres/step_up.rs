//! What a second factor or a mailed code opens. The account is held first, so that of many at once each finds what the one before has
//! left, and so that no factor changes meanwhile.

use std::time::Duration;

use async_trait::async_trait;
use token::{ChallengeId, SessionId, Subject};
use tokio_postgres::Row;

use super::audit::{self, Event};
use super::columns::{bytes, delivery, get, int, list_text, millis, uint};
use super::sessions::{minted, open};
use super::work::{Commit, Db, Done, Write, ask, change, transaction};
use super::{Postgres, codes, factors};
use crate::clock::Millis;
use crate::code::Purpose;
use crate::level::{Acr, FACTOR_CHALLENGE};
use crate::store::{
    Client, Factor, FactorChallenge, Login, Minted, Opens, Outcome, Proof, Reauthentication,
    StepUp, StepUps,
};

#[async_trait]
impl StepUps for Postgres {
    async fn open_factor_challenge(&self, challenge: FactorChallenge) -> Outcome<Option<Millis>> {
        change!(self, OnDisk, |write| add_challenge(write, &challenge))
    }

    async fn factor_challenge(&self, challenge: ChallengeId) -> Outcome<Option<FactorChallenge>> {
        ask!(self, |db, now| find(db, now, challenge))
    }

    async fn pass_login(
        &self,
        challenge: ChallengeId,
        factor: Factor,
        login: Login,
    ) -> Outcome<Option<Minted>> {
        transaction(
            &self.pool,
            self.set_moment(),
            self.witness.lost(),
            Commit::OnDisk,
            move |write| {
                Box::pin(async move { pass_login(write, challenge, &factor, &login).await })
            },
        )
        .await
    }

    async fn step_up(&self, step_up: StepUp) -> Outcome<Option<Minted>> {
        change!(self, OnDisk, |write| lift(write, &step_up))
    }

    async fn reauthenticate(&self, again: Reauthentication) -> Outcome<Option<Minted>> {
        change!(self, OnDisk, |write| reauthenticate(write, &again))
    }
}

/// The words of [`Opens`] in the store. They are those of no mailed code: such a challenge is none of these.
const LOGIN: &str = "login";
const STEP_UP: &str = "step_up_totp";

/// The same for both kinds: only while the account has an app, and is what it was when the challenge was earned.
async fn add_challenge(write: &Write<'_>, challenge: &FactorChallenge) -> Outcome<Option<Millis>> {
    const ADD_LOGIN: &str = "
        INSERT INTO challenges (id, purpose, email, account, login_epoch, delivery, label, expires_at, created_at)
        SELECT $1, $2, email, id, login_epoch, $3, $4, $5, $6 FROM accounts
        WHERE id = $7 AND is_active AND login_epoch = $8
            AND EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed)";
    const ADD_STEP_UP: &str = "
        INSERT INTO challenges (id, purpose, email, account, session, expires_at, created_at)
        SELECT $1, $2, email, accounts.id, sessions.id, $3, $4
        FROM accounts JOIN sessions ON sessions.account = accounts.id
        WHERE accounts.id = $5 AND sessions.id = $6 AND is_active AND ended_at IS NULL
            AND EXISTS (SELECT 1 FROM totp WHERE totp.account = accounts.id AND is_confirmed)";
    let (db, id) = (write.db, challenge.id.as_bytes().as_slice());
    let account = challenge.account.as_bytes().as_slice();
    let expires_at = write.now.plus(FACTOR_CHALLENGE);
    if !factors::hold(write, challenge.account).await? {
        return Ok(None);
    }
    let added = match &challenge.opens {
        Opens::Login {
            login_epoch,
            delivery,
            label,
        } => {
            db.execute(
                ADD_LOGIN,
                &[
                    &id,
                    &LOGIN,
                    &delivery.name(),
                    label,
                    &expires_at.0,
                    &write.now.0,
                    &account,
                    &int(*login_epoch),
                ],
            )
            .await?
        }
        Opens::StepUp(session) => {
            // One for each session: a new one makes those before useless, and asking again and again fills nothing.
            let drop_old =
                "DELETE FROM challenges WHERE account = $1 AND purpose = $2 AND session = $3";
            let session = session.as_bytes().as_slice();
            db.execute(drop_old, &[&account, &STEP_UP, &session])
                .await?;
            db.execute(
                ADD_STEP_UP,
                &[
                    &id,
                    &STEP_UP,
                    &expires_at.0,
                    &write.now.0,
                    &account,
                    &session,
                ],
            )
            .await?
        }
    };
    Ok((added > 0).then_some(expires_at))
}

async fn find(
    db: Db<'_>,
    now: Option<Millis>,
    wanted: ChallengeId,
) -> Outcome<Option<FactorChallenge>> {
    const FIND: &str = "
        SELECT * FROM challenges
        WHERE id = $1 AND purpose IN ($2, $3) AND used_at IS NULL AND expires_at > coalesce($4, latchkey_now())";
    let id = wanted.as_bytes().as_slice();
    let row = db
        .row(FIND, &[&id, &LOGIN, &STEP_UP, &now.map(|now| now.0)])
        .await?;
    let challenge = |row: &Row| {
        let opens = if get::<&str>(row, "purpose")? == LOGIN {
            Opens::Login {
                login_epoch: uint(row, "login_epoch")?,
                delivery: delivery(row, "delivery")?,
                label: get(row, "label")?,
            }
        } else {
            Opens::StepUp(SessionId::from_bytes(bytes(row, "session")?))
        };
        Ok(FactorChallenge {
            id: wanted,
            account: Subject::from_bytes(bytes(row, "account")?),
            email: get(row, "email")?,
            opens,
        })
    };
    row.as_ref().map(challenge).transpose()
}

/// Whether the challenge still waits for the factor of that account, and for that session where it lifts one.
async fn is_open(
    write: &Write<'_>,
    challenge: ChallengeId,
    account: Subject,
    session: Option<SessionId>,
) -> Outcome<bool> {
    const FIND: &str = "
        SELECT id FROM challenges
        WHERE id = $1 AND account = $2 AND session IS NOT DISTINCT FROM $3 AND purpose = $4
            AND used_at IS NULL AND expires_at > $5";
    let purpose = if session.is_some() { STEP_UP } else { LOGIN };
    let found = write
        .db
        .row(
            FIND,
            &[
                &challenge.as_bytes().as_slice(),
                &account.as_bytes().as_slice(),
                &session.as_ref().map(|id| id.as_bytes().as_slice()),
                &purpose,
                &write.now.0,
            ],
        )
        .await?;
    Ok(found.is_some())
}

async fn close(write: &Write<'_>, challenge: ChallengeId) -> Outcome<()> {
    let close = "UPDATE challenges SET used_at = $2 WHERE id = $1";
    let id = challenge.as_bytes().as_slice();
    write
        .db
        .execute(close, &[&id, &write.now.0])
        .await
        .map(drop)
}

/// Whether the account has the epoch that was read.
async fn is_as_read(write: &Write<'_>, account: Subject, login_epoch: u64) -> Outcome<bool> {
    let find = "SELECT id FROM accounts WHERE id = $1 AND login_epoch = $2";
    let id = account.as_bytes().as_slice();
    Ok(write
        .db
        .row(find, &[&id, &int(login_epoch)])
        .await?
        .is_some())
}

async fn pass_login(
    write: &Write<'_>,
    challenge: ChallengeId,
    factor: &Factor,
    login: &Login,
) -> Outcome<Done<Option<Minted>>> {
    let account = login.account;
    let is_active = factors::hold(write, account).await?;
    factors::count_as_none(write, account, factor).await?;
    if !is_active
        || !is_open(write, challenge, account, None).await?
        || !is_as_read(write, account, login.login_epoch).await?
        || !factors::use_up(write, account, factor, &login.by).await?
    {
        return Ok(Done::Commit(None));
    }
    close(write, challenge).await?;
    open(write, login).await
}

async fn lift(write: &Write<'_>, step_up: &StepUp) -> Outcome<Option<Minted>> {
    let StepUp {
        account, session, ..
    } = *step_up;
    if let Proof::Mailed(_) = &step_up.proof {
        // First, as whoever works on codes does: two that wait for each other would be one too many.
        codes::hold_account(write, account).await?;
    }
    let is_active = factors::hold(write, account).await?;
    if let Proof::Factor(_, factor) = &step_up.proof {
        factors::count_as_none(write, account, factor).await?;
    }
    if !is_active || !is_usable(write, session, account).await? {
        return Ok(None);
    }
    let acr = match &step_up.proof {
        Proof::Factor(challenge, factor) => {
            if !is_open(write, *challenge, account, Some(session)).await?
                || !factors::use_up(write, account, factor, &step_up.by).await?
            {
                return Ok(None);
            }
            close(write, *challenge).await?;
            Acr::Mfa
        }
        Proof::Mailed(code) => {
            let used = codes::use_up(write, code, Purpose::StepUp).await?;
            let is_its = used
                .is_some_and(|used| (used.account, used.session) == (Some(account), Some(session)));
            // Where an app is enrolled, it is the app that is asked for.
            if !is_its || factors::has_totp(write, account).await? {
                return Ok(None);
            }
            Acr::Otp
        }
    };
    let level = Raised {
        acr,
        set: "step_acr = $1, step_auth_time = $3",
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
    .await
}

async fn reauthenticate(write: &Write<'_>, again: &Reauthentication) -> Outcome<Option<Minted>> {
    let Reauthentication {
        account, session, ..
    } = *again;
    let is_active = factors::hold(write, account).await?;
    if let Some(factor) = &again.factor {
        factors::count_as_none(write, account, factor).await?;
    }
    // An app that was added or removed since the password was read has moved the epoch.
    if !is_active
        || !is_usable(write, session, account).await?
        || !is_as_read(write, account, again.login_epoch).await?
    {
        return Ok(None);
    }
    let acr = match &again.factor {
        None if factors::has_totp(write, account).await? => return Ok(None),
        None => Acr::Password,
        Some(factor) => {
            if !factors::use_up(write, account, factor, &again.by).await? {
                return Ok(None);
            }
            Acr::Mfa
        }
    };
    let level = Raised {
        acr,
        set: "acr = $1, amr = $2, auth_time = $3, step_acr = NULL, step_auth_time = NULL",
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
    .await
}

async fn is_usable(write: &Write<'_>, session: SessionId, account: Subject) -> Outcome<bool> {
    let live = super::sessions::live(write.db, Some(write.now), session, Some(account)).await?;
    Ok(live.is_some())
}

/// What a session is raised to.
struct Raised {
    acr: Acr,
    /// The columns that say so.
    set: &'static str,
    event: &'static str,
}

/// The statement that allows the access token: the generation stays, `latest_exp` moves, and only of a session that lives.
async fn raise(
    write: &Write<'_>,
    to: &Raised,
    session: SessionId,
    account: Subject,
    access: Duration,
    by: &Client,
) -> Outcome<Option<Minted>> {
    // All parameters in every statement, whatever the columns name.
    let statement = format!(
        "UPDATE sessions SET {}, latest_exp = greatest(latest_exp, least($4, absolute_deadline / 1000))
         WHERE id = $5 AND account = $6 AND ended_at IS NULL AND idle_deadline > $7 AND absolute_deadline > $7
             AND EXISTS (SELECT 1 FROM accounts WHERE accounts.id = sessions.account AND is_active)
             AND $2::text IS NOT NULL
         RETURNING *, (SELECT roles FROM accounts WHERE accounts.id = sessions.account) AS roles,
             (SELECT email FROM accounts WHERE accounts.id = sessions.account) AS email, (SELECT keys FROM feed_head) AS keys",
        to.set
    );
    let now = write.now.seconds();
    let raised = write
        .db
        .row(
            &statement,
            &[
                &to.acr.name(),
                &list_text(to.acr.amr()),
                &now.seconds(),
                &now.plus(access).seconds(),
                &session.as_bytes().as_slice(),
                &account.as_bytes().as_slice(),
                &write.now.0,
            ],
        )
        .await?;
    let Some(row) = raised else {
        return Ok(None);
    };
    let event = Event {
        name: to.event,
        account: Some(account),
        session: Some(session),
    };
    audit::append(write, &event, by).await?;
    let absolute = millis(&row, "absolute_deadline")?;
    let exp = now.plus(access).min(absolute.seconds());
    minted(&row, write.now, exp).map(Some)
}
