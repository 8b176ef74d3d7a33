//! Login and refresh.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use token::RefreshToken;
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::App;
use crate::attempts;
use crate::cookies;
use crate::credentials::Credentials;
use crate::delivery::Delivery;
use crate::email::Email;
use crate::entropy;
use crate::error::ApiError;
use crate::event::Event;
use crate::hashing::Verdict;
use crate::label::is_label;
use crate::level::Acr;
use crate::password::Password;
use crate::request::{Caller, Json, OptionalJson};
use crate::second_factor;
use crate::store::{Account, Login, Minted, Refresh, Rotation};
use crate::tokens;

/// `POST /sessions`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Credentials)]
pub struct Body {
    email: String,
    password: String,
    #[schema(pattern = "^(body|cookie)$")]
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
    credentials: Credentials,
    Json(body): Json<Body>,
) -> Result<Response, ApiError> {
    app.hasher.must_have_room()?;
    let password = Password::new(body.password);
    // Cookies are `Secure`: the settings allow no base URL but https and loopback, where browsers take them.
    let delivery = match body.delivery.as_deref() {
        None => Delivery::Body,
        Some(name) => Delivery::from_name(name)
            .ok_or(ApiError::Invalid("`delivery` must be `body` or `cookie`."))?,
    };
    if !body.label.iter().all(|label| is_label(label)) {
        return Err(ApiError::NoLabel);
    }
    app.take(vec![app.limit(
        "login_per_address",
        &caller.prefix(),
        app.settings.limits.login_per_address,
    )])
    .await?;
    // What is no address has no account; it costs as much as one that has none.
    let email = Email::parse(&body.email);
    let account = match &email {
        Some(email) => app.store.account(email).await?,
        None => None,
    };
    let attempt = attempts::reserve(
        &app,
        email.as_ref(),
        account.as_ref(),
        &credentials,
        &caller.client(),
    )
    .await?;
    let known = account.as_ref().map(|account| account.id);
    let account = account.filter(|account| account.is_active);
    let stored = account
        .as_ref()
        .map(|account| account.password_hash.clone());
    let verdict = match app.hasher.judge(password, stored).await {
        Ok(verdict) => verdict,
        Err(overloaded) => {
            attempt.take_back(&app).await?;
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
        attempt.take_back(&app).await?;
        let waiting = second_factor::Waiting {
            delivery,
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
        delivery,
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
    attempt.succeed(&app).await;
    let opened = Event::done("session_opened").of(minted.session.account);
    app.tell(&caller.client(), opened.session(minted.session.id));
    cookies::logged_in(&app, &minted).await
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

/// `POST /sessions/refresh`: the refresh token in the body, or in its cookie.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Presented {
    refresh_token: Option<String>,
}

/// Rotates a refresh token.
///
/// # Errors
/// [`ApiError`]; all that is wrong with the token or its session is [`ApiError::InvalidRefreshToken`].
pub async fn refresh(
    State(app): State<App>,
    caller: Caller,
    credentials: Credentials,
    OptionalJson(body): OptionalJson<Presented>,
) -> Result<Response, ApiError> {
    let presented = credentials
        .refresh(body.and_then(|body| body.refresh_token))?
        .ok_or(ApiError::NoCredential)?;
    let token = admitted(&app, &presented.token).await?;
    match advance(&app, &token, &caller).await? {
        Some(minted) => cookies::refreshed(&app, &minted).await,
        None => {
            // The session has ended, so this is final.
            let answer = ApiError::InvalidRefreshToken.into_response();
            Ok(cookies::taken_back(presented.by, answer))
        }
    }
}

/// The same for callers that get tokens in bodies alone. A session whose tokens are in cookies stays where it is: no script sees a token of
/// it, also not in exchange for another (CK-02). That an old one has come up ends it like any other.
///
/// # Errors
/// As [`refresh`].
pub async fn rotate_in_body(app: &App, raw: &str, caller: &Caller) -> Result<Minted, ApiError> {
    let token = admitted(app, raw).await?;
    let session = app.store.usable_session(token.session()).await?;
    let would_move = session.is_some_and(|session| {
        session.delivery == Delivery::Cookie && session.generation == token.generation()
    });
    if !would_move {
        let minted = advance(app, &token, caller).await?;
        let minted = minted.ok_or(ApiError::InvalidRefreshToken)?;
        // What is answered within the grace has moved nothing.
        if minted.session.delivery == Delivery::Body {
            return Ok(minted);
        }
    }
    tracing::warn!(session = %token.session(), "a refresh token that belongs in a cookie was refused");
    Err(ApiError::InvalidRefreshToken)
}

/// The MAC first: junk never reaches the store (RR-15). Then the limit of the session, before any other work (RL-06).
async fn admitted(app: &App, raw: &str) -> Result<RefreshToken, ApiError> {
    let token = RefreshToken::verify(raw, &app.vault.refresh_keys());
    let token = token.map_err(|_| ApiError::InvalidRefreshToken)?;
    let limit = app.settings.limits.refresh_per_session;
    let limit = app.limit("refresh_per_session", &token.session().to_string(), limit);
    app.take_from_owner(vec![limit]).await?;
    Ok(token)
}

/// `None`: the session is over.
async fn advance(
    app: &App,
    token: &RefreshToken,
    caller: &Caller,
) -> Result<Option<Minted>, ApiError> {
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
            Ok(Some(minted))
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
            Ok(None)
        }
        Rotation::Over => {
            let failed = Event::failed("refresh_failed").session(token.session());
            app.tell(&caller.client(), failed);
            Ok(None)
        }
    }
}
