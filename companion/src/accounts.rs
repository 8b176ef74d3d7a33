//! Sign-up and codes. Every address gets the same work and the same answer; what depends on the account happens in the outbox.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json as Answer;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use token::ChallengeId;
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::App;
use crate::code::{COOLDOWN, Purpose};
use crate::email::Email;
use crate::entropy;
use crate::error::ApiError;
use crate::event::Event;
use crate::outbox;
use crate::password::Password;
use crate::request::{Caller, Json, Segment};
use crate::store::{Activation, CodeRequest, Name, Wish};
use crate::throttle::Limit;
use crate::tokens::rfc3339;

/// `POST /accounts`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    email: String,
    password: String,
}

/// Where the code that goes by mail is to be entered.
#[derive(Serialize, ToSchema)]
pub struct Challenged {
    #[schema(schema_with = schemas::id)]
    challenge_id: ChallengeId,
    #[schema(schema_with = schemas::moment)]
    expires_at: String,
    /// Before that no other code can be had.
    #[schema(schema_with = schemas::moment)]
    resend_after: String,
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
    let password = Password::new(body.password);
    let email = Email::parse(&body.email).ok_or(ApiError::InvalidEmail)?;
    let (prefix, limits) = (caller.prefix(), &app.settings.limits);
    app.take(vec![app.limit(
        "password_per_address",
        &prefix,
        limits.password_per_address,
    )])
    .await?;
    let least = app.settings.passwords.least_characters;
    let password = app
        .hasher
        .check(password, &email, least)
        .await?
        .map_err(ApiError::WeakPassword)?;
    let challenge = entropy::challenge_id();
    let mut taken = vec![app.limit("signup_per_address", &prefix, limits.signup_per_address)];
    taken.extend(mail_limits(&app, &caller, Some(&email), challenge));
    app.take(taken).await?;
    // Hashed for a known address too: the same work, the same time (PW-10).
    let password_hash = app.hasher.hash(password).await?;
    request_code(
        &app,
        challenge,
        Wish::SignUp {
            email,
            password_hash,
        },
    )
    .await
}

/// `POST /challenges`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChallenge {
    #[schema(pattern = "^activation$")]
    purpose: String,
    email: Option<String>,
}

/// A new code under a new challenge.
///
/// # Errors
/// [`ApiError`].
pub async fn new_challenge(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewChallenge>,
) -> Result<(StatusCode, Answer<Challenged>), ApiError> {
    let Some(Purpose::Activation) = Purpose::from_name(&body.purpose) else {
        return Err(ApiError::Invalid(
            "`purpose` must be `activation`; others are not offered yet.",
        ));
    };
    let email = body
        .email
        .as_deref()
        .ok_or(ApiError::Invalid("`email` is missing."))?;
    let email = Email::parse(email).ok_or(ApiError::InvalidEmail)?;
    let challenge = entropy::challenge_id();
    app.take(mail_limits(&app, &caller, Some(&email), challenge))
        .await?;
    request_code(&app, challenge, Wish::Activation(email)).await
}

/// A new code under the same challenge.
///
/// # Errors
/// [`ApiError`].
pub async fn resend(
    State(app): State<App>,
    Segment(challenge): Segment,
    caller: Caller,
) -> Result<(StatusCode, Answer<Challenged>), ApiError> {
    let challenge = challenge.parse().map_err(|_| ApiError::NotFound)?;
    app.take(mail_limits(&app, &caller, None, challenge))
        .await?;
    request_code(&app, challenge, Wish::Resend).await
}

/// Outer limits first: a refused one never draws on an inner budget.
fn mail_limits(
    app: &App,
    caller: &Caller,
    email: Option<&Email>,
    challenge: ChallengeId,
) -> Vec<(Name, Limit)> {
    let limits = &app.settings.limits;
    let mut taken = vec![app.limit(
        "mail_per_address",
        &caller.prefix(),
        limits.mail_per_address,
    )];
    if let Some(email) = email {
        taken.extend(outbox::mail_limits(&app.vault, limits, email.as_str()));
    }
    // A challenge that was never given out is limited as one that was.
    taken.push(app.limit(
        "resend_per_challenge",
        &challenge.to_string(),
        limits.resend_per_challenge,
    ));
    taken
}

async fn request_code(
    app: &App,
    challenge: ChallengeId,
    wish: Wish,
) -> Result<(StatusCode, Answer<Challenged>), ApiError> {
    let requested = app
        .store
        .request_code(CodeRequest { challenge, wish })
        .await?;
    app.outbox.notify_one();
    let body = Challenged {
        challenge_id: challenge,
        expires_at: rfc3339(requested.expires_at),
        resend_after: rfc3339(requested.at.plus(COOLDOWN)),
    };
    Ok((StatusCode::ACCEPTED, Answer(body)))
}

/// `POST /challenges/{id}/verify`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    code: String,
}

/// What a right code has brought about.
#[derive(Serialize, ToSchema)]
pub struct Verified {
    #[schema(pattern = "^active$")]
    status: &'static str,
}

/// Enters a code.
///
/// # Errors
/// [`ApiError`].
pub async fn verify(
    State(app): State<App>,
    Segment(challenge): Segment,
    caller: Caller,
    Json(body): Json<Code>,
) -> Result<Answer<Verified>, ApiError> {
    let challenge: ChallengeId = challenge.parse().map_err(|_| ApiError::InvalidCode)?;
    app.take(vec![app.limit(
        "code_per_address",
        &caller.prefix(),
        app.settings.limits.code_per_address,
    )])
    .await?;
    // Counted before it is compared (OT-05).
    let attempt = app
        .store
        .attempt_code(challenge)
        .await?
        .ok_or(ApiError::InvalidCode)?;
    let code_mac = app.vault.code_mac(
        attempt.purpose.name(),
        challenge,
        &attempt.email,
        &body.code,
    );
    if !bool::from(code_mac.ct_eq(&attempt.code_mac)) {
        let failed = Event::failed("code_failed").because(attempt.purpose.name());
        app.tell(&caller.client(), failed);
        return Err(ApiError::InvalidCode);
    }
    let activation = Activation {
        challenge,
        code_mac,
        attempt: attempt.id,
        account: entropy::subject(),
        by: caller.client(),
    };
    let account = activation.account;
    if app.store.activate(activation).await? {
        let activated = Event::done("account_activated").of(account);
        app.tell(&caller.client(), activated);
        Ok(Answer(Verified { status: "active" }))
    } else {
        Err(ApiError::InvalidCode)
    }
}
