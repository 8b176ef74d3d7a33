//! `PUT /account/email`: a code goes to the new address, and whoever enters it in the same session has moved the account there.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json as Answer, Response};
use serde::Deserialize;
use token::ChallengeId;
use utoipa::ToSchema;

use crate::app::App;
use crate::challenges::{
    Challenged, Verified, mail_per_address, per_challenge, request_code, right_code,
};
use crate::code::Purpose;
use crate::email::Email;
use crate::entropy;
use crate::error::ApiError;
use crate::event::Event;
use crate::outbox;
use crate::owner::Owner;
use crate::request::{Caller, Json};
use crate::store::{EmailChange, Wish};

/// `PUT /account/email`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEmail {
    email: String,
}

/// Asks for the change. An address that another account has gets the same answer.
///
/// # Errors
/// [`ApiError`].
pub async fn change_email(
    State(app): State<App>,
    owner: Owner,
    caller: Caller,
    Json(body): Json<NewEmail>,
) -> Result<(StatusCode, Answer<Challenged>), ApiError> {
    owner.must_be_stepped_up()?;
    let new_email = Email::parse(&body.email).ok_or(ApiError::InvalidEmail)?;
    let account = app.store.account_by_id(owner.account).await?;
    let account = account.ok_or(ApiError::InvalidToken)?;
    if account.email == new_email.as_str() {
        return Err(ApiError::Invalid("The account has that address already."));
    }
    let mut taken = vec![mail_per_address(&app, &caller)];
    taken.extend(outbox::mail_limits(
        &app.vault,
        &app.settings.limits,
        Purpose::EmailChange,
        Some(owner.account),
        new_email.as_str(),
    ));
    let challenge = entropy::challenge_id();
    taken.push(per_challenge(&app, challenge));
    app.take_from_owner(taken).await?;
    let wish = Wish::EmailChange {
        account: owner.account,
        session: owner.session,
        new_email,
    };
    request_code(&app, challenge, wish).await
}

/// Enters the code, in the session that asked for it.
///
/// # Errors
/// [`ApiError`]; an address that another account has taken meanwhile is [`ApiError::InvalidCode`] too.
pub async fn confirm(
    app: &App,
    caller: &Caller,
    owner: &Owner,
    challenge: ChallengeId,
    code: &str,
) -> Result<Response, ApiError> {
    let change = EmailChange {
        code: right_code(app, caller, challenge, code).await?,
        account: owner.account,
        session: owner.session,
        by: caller.client(),
    };
    if !app.store.change_email(change).await? {
        return Err(ApiError::InvalidCode);
    }
    app.outbox.notify_one();
    let event = Event::done("email_changed").of(owner.account);
    app.tell(&caller.client(), event.session(owner.session));
    Ok(Answer(Verified { status: "changed" }).into_response())
}
