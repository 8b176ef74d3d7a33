//! Login and refresh.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json as Answer;
use serde::Deserialize;
use token::RefreshToken;
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::App;
use crate::delivery::Delivery;
use crate::email::Email;
use crate::entropy;
use crate::error::ApiError;
use crate::event::Event;
use crate::hashing::Verdict;
use crate::level::Acr;
use crate::password::Password;
use crate::request::{Caller, Json};
use crate::second_factor;
use crate::store::{Account, Login, Minted, Refresh, Rotation};
use crate::tokens::{self, Tokens};

const MAX_LABEL: usize = 64;

/// `POST /sessions`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    email: String,
    password: String,
    #[schema(pattern = "^body$")]
    delivery: Option<String>,
    #[schema(schema_with = schemas::label, required = false)]
    label: Option<String>,
}

/// Checks a password and opens a session.
///
/// # Errors
/// [`ApiError`]; whatever is wrong with address, password or account is [`ApiError::InvalidCredentials`].
pub async fn log_in(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Credentials>,
) -> Result<(StatusCode, Answer<Tokens>), ApiError> {
    let password = Password::new(body.password);
    if body.delivery.is_some_and(|delivery| delivery != "body") {
        return Err(ApiError::Invalid(
            "`delivery` must be `body`; cookies are not offered yet.",
        ));
    }
    let is_label =
        |label: &String| label.chars().count() <= MAX_LABEL && !label.chars().any(char::is_control);
    if !body.label.iter().all(is_label) {
        return Err(ApiError::Invalid(
            "`label` must have 64 printable characters at most.",
        ));
    }
    app.take(vec![app.limit(
        "login_per_address",
        &caller.prefix(),
        app.settings.limits.login_per_address,
    )])
    .await?;
    // What is no address has no account; it costs as much as one that has none.
    let email = Email::parse(&body.email);
    let name = app
        .vault
        .limiter_name("login failures", email.as_ref().map_or("", Email::as_str));
    if let Some(wait) = app.store.reserve_attempt(name).await? {
        return Err(ApiError::RateLimited(wait));
    }
    let account = match &email {
        Some(email) => app.store.account(email).await?,
        None => None,
    };
    let known = account.as_ref().map(|account| account.id);
    let account = account.filter(|account| account.is_active);
    let stored = account
        .as_ref()
        .map(|account| account.password_hash.clone());
    let verdict = match app.hasher.judge(password, stored).await {
        Ok(verdict) => verdict,
        Err(overloaded) => {
            // Else who retries while others flood the gate would close his own account.
            app.store.take_back_attempt(name).await?;
            return Err(overloaded.into());
        }
    };
    let Some(account) = account.filter(|_| verdict.is_right()) else {
        let known = known.map_or(Event::failed("login_failed"), |id| {
            Event::failed("login_failed").of(id)
        });
        app.tell(&caller.client(), known);
        return Err(ApiError::InvalidCredentials);
    };
    if let Verdict::Outdated(hash) = verdict {
        raise(&app, &account, hash).await;
    }
    if account.has_totp {
        // Neither a failure nor a success yet.
        app.store.take_back_attempt(name).await?;
        let waiting = second_factor::Waiting {
            delivery: Delivery::Body,
            label: body.label,
        };
        return Err(second_factor::ask(&app, &account, waiting).await?);
    }
    let login = Login {
        session: entropy::session_id(),
        account: account.id,
        login_epoch: account.login_epoch,
        mac_key_version: app.vault.newest_refresh_key().version(),
        acr: Acr::Password,
        delivery: Delivery::Body,
        label: body.label,
        by: caller.client(),
        lifetimes: tokens::lifetimes(&app),
        most: app.settings.sessions.most_per_account,
    };
    let minted = app
        .store
        .open_session(login)
        .await?
        .ok_or(ApiError::InvalidCredentials)?;
    if let Err(error) = app.store.forget_failures(name).await {
        // The session stands; the next success forgets them.
        tracing::error!(%error, "failed attempts were not forgotten");
    }
    let opened = Event::done("session_opened").of(minted.session.account);
    app.tell(&caller.client(), opened.session(minted.session.id));
    let answer = tokens::answer(&app, &minted).await?;
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// PW-07: what is stored of the password becomes as strong as new hashes are. The login does not depend on it.
async fn raise(app: &App, account: &Account, hash: String) {
    let raised = app
        .store
        .raise_password_hash(account.id, account.password_hash.clone(), hash)
        .await;
    match raised {
        Ok(true) => tracing::info!(account = %account.id, "password hash raised"),
        // Somebody has changed the password, or raised it, meanwhile.
        Ok(false) => {}
        Err(error) => tracing::error!(%error, "a password hash was not raised"),
    }
}

/// `POST /sessions/refresh`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Presented {
    refresh_token: String,
}

/// Rotates a refresh token.
///
/// # Errors
/// [`ApiError`]; all that is wrong with the token or its session is [`ApiError::InvalidRefreshToken`].
pub async fn refresh(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Presented>,
) -> Result<Answer<Tokens>, ApiError> {
    let minted = rotate(&app, &body.refresh_token, &caller).await?;
    tokens::answer(&app, &minted).await.map(Answer)
}

/// Moves a session by its refresh token, whichever call it came with; reuse ends the session.
///
/// # Errors
/// As [`refresh`].
pub async fn rotate(app: &App, raw: &str, caller: &Caller) -> Result<Minted, ApiError> {
    // The MAC first: junk never reaches the store (RR-15).
    let token = RefreshToken::verify(raw, &app.vault.refresh_keys())
        .map_err(|_| ApiError::InvalidRefreshToken)?;
    let refresh = Refresh {
        session: token.session(),
        generation: token.generation(),
        mac_key_version: app.vault.newest_refresh_key().version(),
        grace: app.settings.sessions.refresh_grace.get(),
        lifetimes: tokens::lifetimes(app),
        by: caller.client(),
    };
    match app.store.rotate(refresh).await? {
        Rotation::Rotated(minted) | Rotation::Repeated(minted) => {
            let refreshed = Event::done("session_refreshed").of(minted.session.account);
            app.tell(&caller.client(), refreshed.session(minted.session.id));
            Ok(minted)
        }
        Rotation::Reused { is_ahead } => {
            app.outbox.notify_one();
            let session = token.session();
            let event = if is_ahead {
                tracing::error!(%session, "a refresh token is ahead of the store: a restored backup, or a leaked key; session ended");
                "refresh_token_ahead"
            } else {
                "refresh_token_reused"
            };
            app.tell(&caller.client(), Event::failed(event).session(session));
            Err(ApiError::InvalidRefreshToken)
        }
        Rotation::Over => {
            let failed = Event::failed("refresh_failed").session(token.session());
            app.tell(&caller.client(), failed);
            Err(ApiError::InvalidRefreshToken)
        }
    }
}
