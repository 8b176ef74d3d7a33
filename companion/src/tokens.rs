//! What login and refresh hand out: the access token that the store has allowed, the refresh token, and the session as its owner sees it.

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use token::{AccessClaims, RefreshToken, SessionId, UnixTime};
use utoipa::ToSchema;

use crate::agent;
use crate::api::schemas;
use crate::app::App;
use crate::clock::Millis;
use crate::config::Settings;
use crate::error::ApiError;
use crate::store::{Lifetimes, Minted, Session};
use crate::{entropy, roles};

/// A moment as the API writes it: RFC 3339, UTC, whole seconds.
pub fn rfc3339(moment: Millis) -> String {
    OffsetDateTime::from_unix_timestamp(moment.seconds().seconds())
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// How long an access token and a session live from now on. The token up to 5 % less than the setting: those of one moment do not
/// all come back in one moment.
pub fn lifetimes(app: &App) -> Lifetimes {
    let full = app.settings.tokens.access_lifetime.get();
    let [drawn] = entropy::bytes::<1>();
    let less = full.as_secs() * u64::from(drawn) / 255 / 20;
    Lifetimes {
        access: full.saturating_sub(Duration::from_secs(less)),
        idle: app.settings.sessions.idle_lifetime.get(),
        absolute: app.settings.sessions.absolute_lifetime.get(),
    }
}

/// What login and refresh answer, and what lifts a session. With cookies no token is in it (CK-02).
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    /// With delivery `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// With delivery `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^Bearer$")]
    pub token_type: Option<&'static str>,
    /// Of the access token, in seconds.
    pub expires_in: u64,
    /// With delivery `body`, where it is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The session.
    pub session: ShownSession,
}

/// The refresh token of the session's live generation; `None` when the key that it was made with has been removed.
pub fn refresh_token(app: &App, session: &Session) -> Option<String> {
    let keys = app.vault.refresh_keys();
    let key = keys
        .iter()
        .find(|key| key.version() == session.mac_key_version)?;
    Some(RefreshToken::issue(session.id, session.generation, key))
}

/// Signs exactly the token that the store has allowed, by a key that was in the set when it did.
///
/// # Errors
/// [`ApiError::Unavailable`] when the signing keys cannot be read.
pub async fn access_token(app: &App, minted: &Minted) -> Result<String, ApiError> {
    let keys = app.keys.as_of(minted.keys, app.store.as_ref()).await;
    let keys = keys.map_err(|error| {
        tracing::error!(%error, "the signing keys cannot be read");
        ApiError::Unavailable
    })?;
    let key = keys.access(Millis::from_seconds(minted.iat));
    let key = key.ok_or(ApiError::Unavailable)?;
    Ok(token::issue(&claims(&app.settings, minted), key))
}

fn claims(settings: &Settings, minted: &Minted) -> AccessClaims {
    let session = &minted.session;
    let level = session.level(minted.iat);
    AccessClaims {
        iss: settings.issuer().to_owned(),
        aud: settings.audiences(),
        sub: session.account.to_string(),
        sid: session.id,
        jti: entropy::token_id(),
        iat: minted.iat,
        exp: minted.exp,
        auth_time: level.auth_time,
        acr: level.acr.name().to_owned(),
        amr: level
            .acr
            .amr()
            .iter()
            .map(|&word| word.to_owned())
            .collect(),
        client_id: settings.client_id.clone(),
        scope: roles::scope(&settings.roles, &minted.roles),
        roles: minted.roles.clone(),
        email: settings.tokens.email.then(|| minted.email.clone()),
    }
}

/// A session in a list: no token material (SE-01).
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct ShownSession {
    #[schema(schema_with = schemas::id)]
    id: SessionId,
    /// Whether the access token of the request is of it.
    current: bool,
    #[schema(schema_with = schemas::moment)]
    created_at: String,
    #[schema(schema_with = schemas::moment)]
    last_seen_at: String,
    /// It ends then, unless it is refreshed.
    #[schema(schema_with = schemas::moment)]
    idle_expires_at: String,
    /// It ends then, refreshed or not.
    #[schema(schema_with = schemas::moment)]
    expires_at: String,
    #[schema(required)]
    ip: Option<String>,
    #[schema(required)]
    user_agent: Option<String>,
    /// A few words, as far as the user agent tells.
    #[schema(required)]
    device: Option<String>,
    #[schema(required)]
    label: Option<String>,
    acr: &'static str,
}

/// The session as its owner sees it.
pub fn shown(session: &Session, current: Option<SessionId>, now: UnixTime) -> ShownSession {
    ShownSession {
        id: session.id,
        current: current == Some(session.id),
        created_at: rfc3339(session.created_at),
        last_seen_at: rfc3339(session.last_seen_at),
        idle_expires_at: rfc3339(session.idle_deadline),
        expires_at: rfc3339(session.absolute_deadline),
        ip: session.client.ip.clone(),
        user_agent: session.client.user_agent.clone(),
        device: session.client.user_agent.as_deref().and_then(agent::device),
        label: session.label.clone(),
        acr: session.level(now).acr.name(),
    }
}
