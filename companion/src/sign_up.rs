//! Sign-up. Every address gets the same work and the same answer; what depends on the account happens in the outbox.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json as Answer;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{App, Draw};
use crate::challenges::{Challenged, mail_per_address, per_challenge, request_code};
use crate::code::Purpose;
use crate::email::Email;
use crate::entropy;
use crate::error::ApiError;
use crate::outbox;
use crate::password::Password;
use crate::request::{Caller, Json};
use crate::store::Wish;

/// `POST /accounts`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    email: String,
    password: String,
}

/// Takes a sign-up; a code, or a notice to the owner of a known address, goes by mail.
///
/// # Errors
/// [`ApiError`].
pub async fn sign_up(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<SignUp>,
) -> Result<(StatusCode, Answer<Challenged>), ApiError> {
    app.hasher.must_have_room()?;
    let password = Password::new(body.password);
    let email = Email::parse(&body.email).ok_or(ApiError::InvalidEmail)?;
    app.take(vec![password_per_address(&app, &caller)]).await?;
    let password = meets_policy(&app, password, &email).await?;
    let (prefix, limits) = (caller.prefix(), &app.settings.limits);
    let mut taken = vec![
        app.limit("signup_per_address", &prefix, limits.signup_per_address),
        mail_per_address(&app, &caller),
    ];
    let purpose = Purpose::Activation;
    taken.extend(outbox::mail_limits(
        &app.vault,
        limits,
        purpose,
        None,
        email.as_str(),
    ));
    let challenge = entropy::challenge_id();
    taken.push(per_challenge(&app, challenge));
    app.take(taken).await?;
    // Hashed for a known address too: the same work, the same time (PW-10).
    let password_hash = app.hasher.hash(password).await?;
    let wish = Wish::SignUp {
        email,
        password_hash,
    };
    request_code(&app, challenge, wish).await
}

/// New passwords that are looked at, good or bad.
pub fn password_per_address(app: &App, caller: &Caller) -> Draw {
    let limit = app.settings.limits.password_per_address;
    app.limit("password_per_address", &caller.prefix(), limit)
}

/// A new password for the account of that address, once it meets the policy (PW-01, PW-04).
///
/// # Errors
/// [`ApiError::WeakPassword`], and what the gate refuses.
pub async fn meets_policy(
    app: &App,
    password: Password,
    email: &Email,
) -> Result<Password, ApiError> {
    let least = app.settings.passwords.least_characters;
    app.hasher
        .check(password, email, least)
        .await?
        .map_err(ApiError::WeakPassword)
}
