//! Challenges: a code is asked for, asked for again, entered. No answer and no time depends on whether an address is known; what does
//! depend on it happens in the outbox.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json as Answer, Response};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use token::{ChallengeId, Subject};
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::{App, Draw};
use crate::clock::Millis;
use crate::code::Purpose;
use crate::credentials::Credentials;
use crate::email::Email;
use crate::email_change;
use crate::entropy;
use crate::error::ApiError;
use crate::event::Event;
use crate::outbox;
use crate::owner::{MaybeOwner, Owner};
use crate::password::Password;
use crate::receipts::{self, Patience};
use crate::recovery;
use crate::request::{Caller, Json, Segment};
use crate::second_factor;
use crate::store::{Activation, Challenge, CodeRequest, Proof, RightCode, Wish};
use crate::tokens::{Tokens, rfc3339};

/// `POST /challenges`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChallenge {
    #[schema(pattern = "^(activation|recovery|step_up)$")]
    purpose: String,
    email: Option<String>,
}

/// Where the code that goes by mail is to be entered.
#[derive(Serialize, ToSchema)]
pub struct Challenged {
    #[schema(schema_with = schemas::id)]
    challenge_id: ChallengeId,
    #[schema(schema_with = schemas::moment)]
    expires_at: String,
    /// Before that no other code can be had. Missing where none is mailed.
    #[schema(schema_with = schemas::moment, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_after: Option<String>,
    /// Where nothing is mailed: `app`, the authenticator app, or a recovery code in its place.
    #[schema(pattern = "^app$", required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    code_from: Option<&'static str>,
}

impl Challenged {
    /// A challenge that the second factor opens, until then.
    pub fn for_app(challenge_id: ChallengeId, expires_at: Millis) -> Self {
        Self {
            challenge_id,
            expires_at: rfc3339(expires_at),
            resend_after: None,
            code_from: Some("app"),
        }
    }
}

/// A new code under a new challenge. Activation and recovery name an address; a step-up is for the session of the access token.
///
/// # Errors
/// [`ApiError`].
pub async fn new_challenge(
    State(app): State<App>,
    caller: Caller,
    owner: MaybeOwner,
    Json(body): Json<NewChallenge>,
) -> Result<(StatusCode, Answer<Challenged>), ApiError> {
    let purpose = Purpose::from_name(&body.purpose);
    let purpose = purpose.ok_or(ApiError::Invalid("`purpose` is unknown."))?;
    let limits = &app.settings.limits;
    let mut taken = Vec::new();
    let (account, email, wish) = match purpose {
        Purpose::Activation | Purpose::Recovery => {
            let email = body
                .email
                .as_deref()
                .ok_or(ApiError::Invalid("`email` is missing."))?;
            let email = Email::parse(email).ok_or(ApiError::InvalidEmail)?;
            let wish = if purpose == Purpose::Recovery {
                let (name, prefix) = ("recovery_per_address", caller.prefix());
                taken.push(app.limit(name, &prefix, limits.recovery_per_address));
                Wish::Recovery(email.clone())
            } else {
                Wish::Activation(email.clone())
            };
            (None, Some(email), wish)
        }
        Purpose::StepUp => {
            if body.email.is_some() {
                return Err(ApiError::Invalid(
                    "A step-up takes no `email`: its code goes to the address of the account.",
                ));
            }
            let owner = owner.required()?;
            if let Some(challenged) = second_factor::ask_to_step_up(&app, &owner).await? {
                return Ok((StatusCode::ACCEPTED, Answer(challenged)));
            }
            let (account, session) = (owner.account, owner.session);
            (Some(account), None, Wish::StepUp { account, session })
        }
        Purpose::EmailChange => {
            return Err(ApiError::Invalid(
                "A change of address begins with PUT /account/email.",
            ));
        }
        Purpose::Login => {
            return Err(ApiError::Invalid("A login begins with POST /sessions."));
        }
    };
    taken.push(mail_per_address(&app, &caller));
    let email = email.as_ref().map_or("", Email::as_str);
    taken.extend(outbox::mail_limits(
        &app.vault, limits, purpose, account, email,
    ));
    let challenge = entropy::challenge_id();
    taken.push(per_challenge(&app, challenge));
    if account.is_some() {
        app.take_from_owner(taken).await?;
    } else {
        app.take(taken).await?;
    }
    request_code(&app, challenge, wish).await
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
    let challenge: ChallengeId = challenge.parse().map_err(|_| ApiError::NotFound)?;
    // A challenge that was never given out is limited as one that was.
    let taken = vec![
        mail_per_address(&app, &caller),
        per_challenge(&app, challenge),
    ];
    app.take(taken).await?;
    request_code(&app, challenge, Wish::Resend).await
}

/// Codes of one challenge, its first included.
pub fn per_challenge(app: &App, challenge: ChallengeId) -> Draw {
    let limit = app.settings.limits.resend_per_challenge;
    app.limit("resend_per_challenge", &challenge.to_string(), limit)
}

/// Mail that is asked for from one address. Outer limits first: a refused one never draws on an inner budget.
pub fn mail_per_address(app: &App, caller: &Caller) -> Draw {
    let limit = app.settings.limits.mail_per_address;
    app.limit("mail_per_address", &caller.prefix(), limit)
}

/// Puts the wish into the outbox, and says what was asked for: the same for every wish.
///
/// # Errors
/// [`ApiError::Unavailable`].
pub async fn request_code(
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
        resend_after: Some(rfc3339(
            requested.at.plus(app.settings.limits.mail_cooldown.get()),
        )),
        code_from: None,
    };
    Ok((StatusCode::ACCEPTED, Answer(body)))
}

/// `POST /challenges/{id}/verify`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    code: String,
    /// Of a recovery, and of no other purpose.
    new_password: Option<String>,
}

/// What a right code is answered with.
#[derive(ToSchema)]
#[schema(as = Verified)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "says what there is in the document; no value of it is ever made"
)]
pub enum Opened {
    /// To an activation and a change of address.
    Done(Verified),
    /// To a recovery.
    Recovered(receipts::Receipt),
    /// To a step-up; the refresh token stays what it is.
    SteppedUp(Tokens),
}

/// What a right code has brought about.
#[derive(Serialize, ToSchema)]
#[schema(as = Done)]
pub struct Verified {
    /// `active`: the account of a sign-up; `changed`: the address of an account.
    #[schema(pattern = "^(active|changed)$")]
    pub(crate) status: &'static str,
}

const NOT_A_RECOVERY: ApiError = ApiError::Invalid("`new_password` is for a recovery alone.");

/// Enters a code.
///
/// # Errors
/// [`ApiError`]; a code that is wrong, used, expired or dead, and a challenge that never was, are all [`ApiError::InvalidCode`].
pub async fn verify(
    State(app): State<App>,
    Segment(challenge): Segment,
    caller: Caller,
    patience: Patience,
    credentials: Credentials,
    owner: MaybeOwner,
    Json(body): Json<Code>,
) -> Result<Response, ApiError> {
    let new_password = body.new_password.map(Password::new);
    let id: ChallengeId = challenge.parse().map_err(|_| ApiError::InvalidCode)?;
    app.take(vec![app.limit(
        "code_per_address",
        &caller.prefix(),
        app.settings.limits.code_per_address,
    )])
    .await?;
    if let Some(waiting) = app.store.factor_challenge(id).await? {
        if new_password.is_some() {
            return Err(NOT_A_RECOVERY);
        }
        return second_factor::verify(&app, &caller, &credentials, owner, waiting, &body.code)
            .await;
    }
    let open = app.store.challenge(id).await?;
    let open = open.ok_or(ApiError::InvalidCode)?;
    if new_password.is_some() && open.purpose != Purpose::Recovery {
        return Err(NOT_A_RECOVERY);
    }
    match open.purpose {
        Purpose::Activation => activate(&app, &caller, id, &body.code).await,
        Purpose::Recovery => {
            let password = new_password.ok_or(ApiError::Invalid("`new_password` is missing."))?;
            let entered = recovery::Entered {
                challenge: id,
                code: &body.code,
                password,
            };
            recovery::recover(&app, &caller, patience, &open, entered).await
        }
        Purpose::EmailChange => {
            let owner = owner.required()?;
            must_be_asked_for_by(&owner, &open)?;
            email_change::confirm(&app, &caller, &owner, id, &body.code).await
        }
        Purpose::StepUp => {
            let owner = owner.required()?;
            must_be_asked_for_by(&owner, &open)?;
            let code = right_code(&app, &caller, id, &body.code).await?;
            second_factor::step_up(&app, &caller, &owner, Proof::Mailed(code)).await
        }
        Purpose::Login => Err(ApiError::InvalidCode),
    }
}

/// OT-04, OT-13: a code for one session is none for another, and nothing is counted.
fn must_be_asked_for_by(owner: &Owner, open: &Challenge) -> Result<(), ApiError> {
    if open.account == Some(owner.account) && open.session == Some(owner.session) {
        Ok(())
    } else {
        Err(ApiError::InvalidCode)
    }
}

/// Counts an attempt, and only then compares (OT-05).
///
/// # Errors
/// [`ApiError::InvalidCode`].
pub async fn right_code(
    app: &App,
    caller: &Caller,
    challenge: ChallengeId,
    code: &str,
) -> Result<RightCode, ApiError> {
    let attempt = app.store.attempt_code(challenge).await?;
    let attempt = attempt.ok_or(ApiError::InvalidCode)?;
    let code_mac = app.vault.code_mac(&attempt.binding(challenge), code);
    let is_right = |stored: [u8; 32]| {
        app.metrics.count_code("mailed");
        bool::from(code_mac.ct_eq(&stored))
    };
    if !attempt.code_mac.is_some_and(is_right) {
        app.tell(
            &caller.client(),
            code_failed(attempt.purpose, attempt.account),
        );
        return Err(ApiError::InvalidCode);
    }
    Ok(RightCode {
        challenge,
        code_mac,
        attempt: Some(attempt.id),
    })
}

/// Somebody has entered a wrong code.
pub fn code_failed(purpose: Purpose, account: Option<Subject>) -> Event {
    let failed = Event::failed("code_failed").because(purpose.name());
    account.map_or(failed, |account| failed.of(account))
}

async fn activate(
    app: &App,
    caller: &Caller,
    challenge: ChallengeId,
    code: &str,
) -> Result<Response, ApiError> {
    let activation = Activation {
        code: right_code(app, caller, challenge, code).await?,
        account: entropy::subject(),
        by: caller.client(),
    };
    let account = activation.account;
    if app.store.activate(activation).await? {
        let activated = Event::done("account_activated").of(account);
        app.tell(&caller.client(), activated);
        Ok(Answer(Verified { status: "active" }).into_response())
    } else {
        Err(ApiError::InvalidCode)
    }
}
