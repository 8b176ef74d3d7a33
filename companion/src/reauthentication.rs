//! `POST /sessions/current/reauthenticate`: all that a login asks for, once more, without a new session.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::attempts;
use crate::cookies;
use crate::credentials::Credentials;
use crate::email::Email;
use crate::error::ApiError;
use crate::event::Event;
use crate::owner::Owner;
use crate::password::Password;
use crate::request::{Caller, Json};
use crate::second_factor;
use crate::store::Reauthentication;
use crate::tokens;

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
    credentials: Credentials,
    caller: Caller,
    Json(body): Json<Again>,
) -> Result<Response, ApiError> {
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
    let email = Email::parse(&account.email);
    let attempt = attempts::reserve(
        &app,
        email.as_ref(),
        Some(&account),
        &credentials,
        &caller.client(),
    )
    .await?;
    let stored = Some(account.password_hash.clone());
    match app.hasher.judge(password, stored).await {
        Ok(verdict) if verdict.is_right() => {}
        Ok(_) => {
            let failed = Event::failed("reauthentication_failed").of(owner.account);
            app.tell(&caller.client(), failed.session(owner.session));
            return Err(ApiError::InvalidCredentials);
        }
        Err(overloaded) => {
            attempt.take_back(&app).await?;
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
                    attempt.take_back(&app).await?;
                    return Err(refused);
                }
            }
        }
        (true, None) => {
            attempt.take_back(&app).await?;
            return Err(ApiError::OtpRequired(None));
        }
        (false, Some(_)) => {
            attempt.take_back(&app).await?;
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
        attempt.take_back(&app).await?;
        return Err(if has_factor {
            ApiError::InvalidCode
        } else {
            ApiError::InvalidCredentials
        });
    };
    attempt.succeed(&app).await;
    app.outbox.notify_one();
    let done = Event::done("session_reauthenticated").of(owner.account);
    app.tell(&caller.client(), done.session(owner.session));
    cookies::lifted(&app, &minted).await
}
