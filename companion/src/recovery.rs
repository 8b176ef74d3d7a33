//! Recovery: a new password by mailed code. It logs nobody in, takes away no second factor, and ends all sessions (OT-10).

use axum::response::Response;
use subtle::ConstantTimeEq as _;
use token::ChallengeId;

use crate::app::App;
use crate::attempts;
use crate::challenges::{code_failed, right_code};
use crate::code;
use crate::email::Email;
use crate::error::ApiError;
use crate::event::Event;
use crate::password::Password;
use crate::receipts::{self, Patience};
use crate::request::Caller;
use crate::sign_up::{meets_policy, password_per_address};
use crate::store::{Challenge, Recovery, RightCode};

/// What was entered.
pub struct Entered<'a> {
    /// Where.
    pub challenge: ChallengeId,
    /// Six digits, or the long code.
    pub code: &'a str,
    /// The password to be.
    pub password: Password,
}

/// Sets the new password. Whether it meets the policy is said before the code is counted: nobody loses a code to a weak password.
///
/// # Errors
/// [`ApiError`].
pub async fn recover(
    app: &App,
    caller: &Caller,
    patience: Patience,
    open: &Challenge,
    entered: Entered<'_>,
) -> Result<Response, ApiError> {
    let id = entered.challenge;
    let email = Email::parse(&open.email).ok_or(ApiError::InvalidCode)?;
    app.take(vec![password_per_address(app, caller)]).await?;
    let password = meets_policy(app, entered.password, &email).await?;
    let code = match code::as_long(entered.code) {
        Some(long) => right_long_code(app, caller, id, open, &long)?,
        None => right_code(app, caller, id, entered.code).await?,
    };
    let password_hash = match app.hasher.hash(password).await {
        Ok(password_hash) => password_hash,
        Err(overloaded) => {
            if let Some(attempt) = code.attempt {
                app.store.take_back_code(id, attempt).await?;
            }
            return Err(overloaded.into());
        }
    };
    let recovery = Recovery {
        code,
        password_hash,
        by: caller.client(),
    };
    let recovered = app.store.recover(recovery).await?;
    let recovered = recovered.ok_or(ApiError::InvalidCode)?;
    app.outbox.notify_one();
    // Who reads the mail of the address is no guesser (RL-01).
    if let Err(error) = attempts::recovered(app, &email).await {
        tracing::error!(%error, "failed attempts were not forgotten");
    }
    let event = Event::done("account_recovered").of(recovered.account);
    app.tell(&caller.client(), event);
    receipts::of(app, recovered.revocation, patience).await
}

/// Nobody guesses 130 bits: compared without a count, so that no guesser can use the way back up (RL-03).
fn right_long_code(
    app: &App,
    caller: &Caller,
    challenge: ChallengeId,
    open: &Challenge,
    code: &str,
) -> Result<RightCode, ApiError> {
    let code_mac = app.vault.code_mac(&open.binding(challenge), code);
    let is_right = |stored: [u8; 32]| bool::from(code_mac.ct_eq(&stored));
    if !open.long_code_mac.is_some_and(is_right) {
        app.tell(&caller.client(), code_failed(open.purpose, open.account));
        return Err(ApiError::InvalidCode);
    }
    Ok(RightCode {
        challenge,
        code_mac,
        attempt: None,
    })
}
