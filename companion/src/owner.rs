//! The account's owner, known by an access token whose session the store still knows: the companion trusts no identity header.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use token::{AccessToken, Expected, Rejection, SessionId, SoftwareCheck, Subject, UnixTime};

use crate::app::App;
use crate::error::{ApiError, RECENT};
use crate::request::bearer;

/// Who sent a good access token of a session that lives.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// `sub`.
    pub account: Subject,
    /// `sid`.
    pub session: SessionId,
    auth_time: Option<UnixTime>,
    now: UnixTime,
}

impl Owner {
    /// Refuses an authentication that was too long ago (SE-08).
    ///
    /// # Errors
    /// [`ApiError::NotRecent`].
    pub fn must_be_recent(&self) -> Result<(), ApiError> {
        let is_recent = self
            .auth_time
            .is_some_and(|auth_time| self.now < auth_time.plus(RECENT));
        if is_recent {
            Ok(())
        } else {
            Err(ApiError::NotRecent)
        }
    }
}

impl FromRequestParts<App> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let raw = bearer(&parts.headers)?.ok_or(ApiError::NoCredential)?;
        let now = app.store.now().await?.wall.seconds();
        // The companion's own clock made the times: no skew.
        let token = verify(app, &raw, now, Duration::ZERO).map_err(|_| ApiError::InvalidToken)?;
        let account = token
            .subject()
            .parse()
            .map_err(|_| ApiError::InvalidToken)?;
        let session = app
            .store
            .live_session(token.session(), account)
            .await?
            .ok_or(ApiError::InvalidToken)?;
        Ok(Self {
            account,
            session: session.id,
            auth_time: token.auth_time(),
            now,
        })
    }
}

/// The access token that a logout presents: one that has expired still says which session is to end (RV-04).
///
/// # Errors
/// [`ApiError::InvalidToken`].
pub async fn at_logout(app: &App, raw: &str) -> Result<AccessToken, ApiError> {
    let now = app.store.now().await?.wall.seconds();
    let longest = app.settings.sessions.absolute_lifetime.get();
    verify(app, raw, now, longest).map_err(|_| ApiError::InvalidToken)
}

fn verify(
    app: &App,
    raw: &str,
    now: UnixTime,
    clock_skew: Duration,
) -> Result<AccessToken, Rejection> {
    let expected = Expected {
        issuer: app.settings.issuer(),
        audiences: &app.settings.audiences(),
        clock_skew,
        max_lifetime: Duration::from_secs(900),
    };
    AccessToken::verify(
        raw.as_bytes(),
        &app.keys.current().public().access,
        &SoftwareCheck,
        &expected,
        now,
    )
}
