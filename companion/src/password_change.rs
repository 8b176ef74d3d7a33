//! `PUT /account/password`: a new password, by who knows the old one or was stepped up a moment ago (PW-05).

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::attempts;
use crate::credentials::Credentials;
use crate::email::Email;
use crate::error::ApiError;
use crate::event::Event;
use crate::owner::Owner;
use crate::password::Password;
use crate::receipts::{self, Patience};
use crate::request::{Caller, Json};
use crate::sign_up::{meets_policy, password_per_address};
use crate::store::{Account, PasswordChange};

/// `PUT /account/password`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// Without it, the owner must have stepped up.
    current_password: Option<String>,
    new_password: String,
}

/// Sets the password and ends all other sessions.
///
/// # Errors
/// [`ApiError`].
pub async fn change_password(
    State(app): State<App>,
    owner: Owner,
    credentials: Credentials,
    caller: Caller,
    patience: Patience,
    Json(body): Json<NewPassword>,
) -> Result<Response, ApiError> {
    let current = body.current_password.map(Password::new);
    let new = Password::new(body.new_password);
    if current.is_none() {
        owner.must_be_stepped_up()?;
    }
    let account = app.store.account_by_id(owner.account).await?;
    let account = account.ok_or(ApiError::InvalidToken)?;
    let email = Email::parse(&account.email).ok_or(ApiError::InvalidToken)?;
    app.take_from_owner(vec![password_per_address(&app, &caller)])
        .await?;
    let new = meets_policy(&app, new, &email).await?;
    let known_hash = match current {
        Some(current) => Some(shown(&app, &caller, &credentials, &email, current, account).await?),
        None => None,
    };
    let change = PasswordChange {
        account: owner.account,
        session: owner.session,
        known_hash,
        password_hash: app.hasher.hash(new).await?,
        by: caller.client(),
    };
    let Some(changed) = app.store.change_password(change).await? else {
        let session = app.store.live_session(owner.session, owner.account).await?;
        return Err(match session {
            // What is stored of the password has moved while it was looked at: it was changed, or a login has raised its hash.
            Some(_) => ApiError::Unavailable,
            None => ApiError::InvalidToken,
        });
    };
    app.outbox.notify_one();
    let event = Event::done("password_changed").of(owner.account);
    app.tell(&caller.client(), event.session(owner.session));
    receipts::of(&app, changed.revocation, patience).await
}

/// The hash of the password that was shown, which is the account's. A wrong one is a failure as at login: who has stolen a session
/// guesses no better here than there.
async fn shown(
    app: &App,
    caller: &Caller,
    credentials: &Credentials,
    email: &Email,
    current: Password,
    account: Account,
) -> Result<String, ApiError> {
    let attempt = attempts::reserve(
        app,
        Some(email),
        Some(&account),
        credentials,
        &caller.client(),
    )
    .await?;
    let stored = account.password_hash;
    let verdict = app.hasher.judge(current, Some(stored.clone())).await;
    match verdict.map(|verdict| verdict.is_right()) {
        Ok(true) => {
            attempt.succeed(app).await;
            Ok(stored)
        }
        Ok(false) => {
            let failed = Event::failed("password_failed").of(account.id);
            app.tell(&caller.client(), failed);
            Err(ApiError::InvalidCredentials)
        }
        Err(overloaded) => {
            attempt.take_back(app).await?;
            Err(overloaded.into())
        }
    }
}
