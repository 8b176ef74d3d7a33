//! `POST /sessions/current/reauthenticate`: all that a login asks for, once more, without a new session.

use axum::extract::State;
use axum::response::Json as Answer;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;
use crate::owner::Owner;
use crate::password::Password;
use crate::request::{Caller, Json};
use crate::second_factor;
use crate::store::Reauthentication;
use crate::tokens::{self, Tokens};

/// What a login asks for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    password: String,
    /// Of the authenticator app, or a recovery code, where there is an app.
    code: Option<String>,
}

/// Checks the password, and the second factor where the account has an app; the access token says so, the refresh token stays.
///
/// # Errors
/// [`ApiError::InvalidCredentials`] for a wrong password; [`ApiError::OtpRequired`] when the code is missing,
/// [`ApiError::InvalidCode`] when it is wrong.
pub async fn reauthenticate(
    State(app): State<App>,
    owner: Owner,
    caller: Caller,
    Json(body): Json<Again>,
) -> Result<Answer<Tokens>, ApiError> {
    let password = Password::new(body.password);
    app.take_from_owner(vec![app.limit(
        "login_per_address",
        &caller.prefix(),
        app.settings.limits.login_per_address,
    )])
    .await?;
    let account = app.store.account_by_id(owner.account).await?;
    let account = account.ok_or(ApiError::InvalidToken)?;
    // The same budget as at login: a stolen token buys no guesses at the password.
    let name = app.vault.limiter_name("login failures", &account.email);
    if let Some(wait) = app.store.reserve_attempt(name).await? {
        return Err(ApiError::RateLimited(wait));
    }
    let stored = Some(account.password_hash.clone());
    match app.hasher.judge(password, stored).await {
        Ok(verdict) if verdict.is_right() => {}
        Ok(_) => {
            let failed = Event::failed("reauthentication_failed").of(owner.account);
            app.tell(&caller.client(), failed.session(owner.session));
            return Err(ApiError::InvalidCredentials);
        }
        Err(overloaded) => {
            app.store.take_back_attempt(name).await?;
            return Err(overloaded.into());
        }
    }
    let factor = match (account.has_totp, &body.code) {
        (false, None) => None,
        (true, Some(typed)) => {
            match second_factor::shown(&app, &caller, owner.account, typed).await {
                Ok(factor) => Some(factor),
                Err(refused) => {
                    // The password was right; the code has a budget of its own.
                    app.store.take_back_attempt(name).await?;
                    return Err(refused);
                }
            }
        }
        (true, None) => {
            app.store.take_back_attempt(name).await?;
            return Err(ApiError::OtpRequired(None));
        }
        (false, Some(_)) => {
            app.store.take_back_attempt(name).await?;
            return Err(ApiError::Invalid(
                "`code` is for accounts with an authenticator app.",
            ));
        }
    };
    let again = Reauthentication {
        account: owner.account,
        session: owner.session,
        login_epoch: account.login_epoch,
        factor,
        lifetimes: tokens::lifetimes(&app),
        by: caller.client(),
    };
    let has_factor = again.factor.is_some();
    let Some(minted) = app.store.reauthenticate(again).await? else {
        app.store.take_back_attempt(name).await?;
        return Err(if has_factor {
            ApiError::InvalidCode
        } else {
            ApiError::InvalidCredentials
        });
    };
    if let Err(error) = app.store.forget_failures(name).await {
        // The next success forgets them.
        tracing::error!(%error, "failed attempts were not forgotten");
    }
    app.outbox.notify_one();
    let done = Event::done("session_reauthenticated").of(owner.account);
    app.tell(&caller.client(), done.session(owner.session));
    Ok(Answer(tokens::access_answer(&app, &minted).await?))
}
