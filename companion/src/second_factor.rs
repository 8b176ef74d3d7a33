//! The second factor, asked for after a right password and for a step-up, and what it opens. Attempts are counted before anything is
//! compared (TO-05); a right code is used up in the transaction of what it opens (TO-03).

use axum::response::Response;
use token::Subject;

use crate::app::App;
use crate::attempts;
use crate::challenges::Challenged;
use crate::cookies;
use crate::credentials::Credentials;
use crate::delivery::Delivery;
use crate::email::Email;
use crate::entropy;
use crate::error::ApiError;
use crate::event::Event;
use crate::level::Acr;
use crate::owner::{MaybeOwner, Owner};
use crate::recovery_code;
use crate::request::Caller;
use crate::store::{
    Account, Factor, FactorChallenge, Login, Opens, Proof, StepUp, TotpAttempt, TotpCode, Which,
};
use crate::tokens;
use crate::totp::Secret;

/// What a login whose password was right waits with, where the account has an app: it opens the second step alone, once (TO-07).
pub struct Waiting {
    /// How the tokens are to be handed out.
    pub delivery: Delivery,
    /// What the owner calls the session to be.
    pub label: Option<String>,
}

/// Asks for the second factor of a login: the refusal that names the challenge.
///
/// # Errors
/// [`ApiError::Unavailable`]; [`ApiError::InvalidCredentials`] when the account has changed since its password was read.
pub async fn ask(app: &App, account: &Account, waiting: Waiting) -> Result<ApiError, ApiError> {
    let challenge = FactorChallenge {
        id: entropy::challenge_id(),
        account: account.id,
        email: account.email.clone(),
        opens: Opens::Login {
            login_epoch: account.login_epoch,
            delivery: waiting.delivery,
            label: waiting.label,
        },
    };
    let id = challenge.id;
    let expires_at = app
        .store
        .open_factor_challenge(challenge)
        .await?
        .ok_or(ApiError::InvalidCredentials)?;
    Ok(ApiError::OtpRequired(Some((id, expires_at))))
}

/// `POST /challenges {"purpose":"step_up"}` of an account with an app: nothing is mailed, only the second factor lifts the session.
/// `None`: the account has no app, so a code is to be mailed.
///
/// # Errors
/// [`ApiError::Unavailable`].
pub async fn ask_to_step_up(app: &App, owner: &Owner) -> Result<Option<Challenged>, ApiError> {
    let challenge = FactorChallenge {
        id: entropy::challenge_id(),
        account: owner.account,
        // The store takes the address of the account.
        email: String::new(),
        opens: Opens::StepUp(owner.session),
    };
    let id = challenge.id;
    let expires_at = app.store.open_factor_challenge(challenge).await?;
    Ok(expires_at.map(|expires_at| Challenged::for_app(id, expires_at)))
}

/// Opens a challenge with what was typed: a code of the app, or a recovery code.
///
/// # Errors
/// [`ApiError::InvalidCode`] for all that is wrong with the code or the challenge; [`ApiError::RateLimited`] while codes of the app
/// are closed, the right one too.
pub async fn verify(
    app: &App,
    caller: &Caller,
    credentials: &Credentials,
    owner: MaybeOwner,
    challenge: FactorChallenge,
    typed: &str,
) -> Result<Response, ApiError> {
    match challenge.opens {
        Opens::Login {
            login_epoch,
            delivery,
            label,
        } => {
            let factor = shown(app, caller, challenge.account, typed).await?;
            let login = Login {
                session: entropy::session_id(),
                account: challenge.account,
                login_epoch,
                mac_key_version: app.vault.newest_refresh_key().version(),
                acr: Acr::Mfa,
                delivery,
                label,
                by: caller.client(),
                lifetimes: tokens::lifetimes(app),
                most: app.settings.sessions.most_per_account,
            };
            let opened = app.store.pass_login(challenge.id, factor, login).await?;
            let minted = opened.ok_or_else(|| failed(app, caller, challenge.account))?;
            app.outbox.notify_one();
            let email = Email::parse(&challenge.email);
            attempts::succeeded(app, email.as_ref(), challenge.account, credentials).await;
            let opened = Event::done("session_opened").of(minted.session.account);
            app.tell(&caller.client(), opened.session(minted.session.id));
            cookies::logged_in(app, &minted).await
        }
        Opens::StepUp(session) => {
            let owner = owner.required()?;
            // OT-13: of this session and no other, and before anything is counted.
            if owner.session != session || owner.account != challenge.account {
                return Err(ApiError::InvalidCode);
            }
            let factor = shown(app, caller, challenge.account, typed).await?;
            let proof = Proof::Factor(challenge.id, factor);
            step_up(app, caller, &owner, proof).await
        }
    }
}

/// Lifts the session of `owner`, and answers with an access token that says so; the refresh token stays (SE-06).
///
/// # Errors
/// [`ApiError::InvalidCode`] when what was shown is not good any more.
pub async fn step_up(
    app: &App,
    caller: &Caller,
    owner: &Owner,
    proof: Proof,
) -> Result<Response, ApiError> {
    let step_up = StepUp {
        account: owner.account,
        session: owner.session,
        proof,
        lifetimes: tokens::lifetimes(app),
        by: caller.client(),
    };
    let lifted = app.store.step_up(step_up).await?;
    let minted = lifted.ok_or_else(|| failed(app, caller, owner.account))?;
    app.outbox.notify_one();
    let lifted = Event::done("session_stepped_up").of(owner.account);
    app.tell(&caller.client(), lifted.session(owner.session));
    cookies::lifted(app, &minted).await
}

/// The factor that was typed, not used up yet. Recovery codes have 128 bits and draw on no budget: nobody uses that one up for their
/// owner (RL-03).
///
/// # Errors
/// [`ApiError::InvalidCode`], [`ApiError::RateLimited`].
pub async fn shown(
    app: &App,
    caller: &Caller,
    account: Subject,
    typed: &str,
) -> Result<Factor, ApiError> {
    match recovery_code::typed(typed) {
        Some(code) => {
            let macs = app.vault.recovery_code_macs(account, &code);
            Ok(Factor::RecoveryCode(macs))
        }
        None => totp_code(app, caller, account, Which::Confirmed, typed)
            .await
            .map(Factor::Totp),
    }
}

/// The code of the app that was typed.
///
/// # Errors
/// [`ApiError::InvalidCode`], [`ApiError::RateLimited`]; [`ApiError::Internal`] when the stored secret is not that of this account.
pub async fn totp_code(
    app: &App,
    caller: &Caller,
    account: Subject,
    which: Which,
    typed: &str,
) -> Result<TotpCode, ApiError> {
    let (attempt, sealed, at) = match app.store.attempt_totp(account, which).await? {
        TotpAttempt::NoApp => return Err(ApiError::InvalidCode),
        TotpAttempt::Closed(wait) => {
            let closed = Event::failed("second_factor_closed").of(account);
            app.tell(&caller.client(), closed);
            return Err(ApiError::RateLimited(wait));
        }
        TotpAttempt::Counted { id, sealed, at } => (id, sealed, at),
    };
    let secret = unseal(app, account, &sealed).ok_or_else(|| {
        tracing::error!(%account, "the secret of an authenticator app does not open: another account's, or changed");
        ApiError::Internal
    })?;
    app.metrics.count_code("app");
    let step = secret.step_of(typed, at);
    // The last one allowed has put a notice into the outbox.
    app.outbox.notify_one();
    let step = step.ok_or_else(|| failed(app, caller, account))?;
    Ok(TotpCode {
        step,
        sealed,
        attempt,
    })
}

/// AU-01: who gets here knows the password, or holds a token.
fn failed(app: &App, caller: &Caller, account: Subject) -> ApiError {
    let failed = Event::failed("second_factor_failed").of(account);
    app.tell(&caller.client(), failed);
    ApiError::InvalidCode
}

/// The secret of an app, as the store keeps it: it opens for this account alone (ST-06).
pub fn seal(app: &App, account: Subject, secret: &Secret) -> Vec<u8> {
    app.vault.seal(&context(account), secret.as_bytes())
}

fn unseal(app: &App, account: Subject, sealed: &[u8]) -> Option<Secret> {
    let secret = app.vault.unseal(&context(account), sealed)?;
    Secret::from_bytes(&secret)
}

/// What the secret of an app of that account is bound to.
pub fn context(account: Subject) -> String {
    format!("totp {account}")
}
