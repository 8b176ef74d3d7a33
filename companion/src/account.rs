//! The owner's account: shown, and deleted.

use axum::extract::State;
use axum::response::{Json as Answer, Response};
use serde::Serialize;
use token::Subject;
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::App;
use crate::cookies;
use crate::error::ApiError;
use crate::event::Event;
use crate::owner::Owner;
use crate::receipts::{self, Patience};
use crate::request::Caller;
use crate::tokens::rfc3339;

/// An account as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub struct ShownAccount {
    #[schema(schema_with = schemas::id)]
    id: Subject,
    email: String,
    #[schema(schema_with = schemas::moment)]
    created_at: String,
    roles: Vec<String>,
    /// Whether login asks for an authenticator app.
    totp: bool,
    /// Recovery codes that were not used yet.
    recovery_codes_left: u64,
}

/// `GET /account`.
///
/// # Errors
/// [`ApiError`].
pub async fn show(State(app): State<App>, owner: Owner) -> Result<Answer<ShownAccount>, ApiError> {
    let profile = app.store.profile(owner.account).await?;
    let profile = profile.ok_or(ApiError::InvalidToken)?;
    Ok(Answer(ShownAccount {
        id: owner.account,
        email: profile.email,
        created_at: rfc3339(profile.created_at),
        roles: profile.roles,
        totp: profile.has_totp,
        recovery_codes_left: profile.recovery_codes_left,
    }))
}

/// `DELETE /account`: all sessions end, and the address is free.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(
    State(app): State<App>,
    owner: Owner,
    caller: Caller,
    patience: Patience,
) -> Result<Response, ApiError> {
    owner.must_be_stepped_up()?;
    let deleted = app
        .store
        .delete_account(owner.account, owner.session, caller.client())
        .await?;
    let deleted = deleted.ok_or(ApiError::InvalidToken)?;
    app.outbox.notify_one();
    let event = Event::done("account_deleted").of(owner.account);
    app.tell(&caller.client(), event.session(owner.session));
    let answer = receipts::of(&app, deleted.revocation, patience).await?;
    Ok(cookies::logged_out(owner.delivery, answer))
}
