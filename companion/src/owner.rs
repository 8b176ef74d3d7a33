//! The account's owner, known by an access token whose session the store still knows: the companion trusts no identity header.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use token::{AccessToken, Expected, Rejection, SessionId, SoftwareCheck, Subject, UnixTime};

use crate::app::App;
use crate::credentials::Credentials;
use crate::delivery::Delivery;
use crate::error::{ApiError, RECENT, STEPPED_UP};
use crate::level::Acr;

/// Who sent a good access token of a session that lives.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// `sub`.
    pub account: Subject,
    /// `sid`.
    pub session: SessionId,
    acr: Option<Acr>,
    /// How the session's tokens are handed out: what ends it takes its cookies back ([`crate::cookies::taken_back`]).
    pub delivery: Delivery,
    auth_time: Option<UnixTime>,
    now: UnixTime,
}

impl Owner {
    /// Refuses an authentication that was too long ago (SE-08).
    ///
    /// # Errors
    /// [`ApiError::NotRecent`].
    pub fn must_be_recent(&self) -> Result<(), ApiError> {
        if self.is_recent() {
            Ok(())
        } else {
            Err(ApiError::NotRecent)
        }
    }

    /// Refuses an authentication that was too long ago, or by password alone.
    ///
    /// # Errors
    /// [`ApiError::NotSteppedUp`].
    pub fn must_be_stepped_up(&self) -> Result<(), ApiError> {
        if self.is_recent() && self.acr >= Some(STEPPED_UP) {
            Ok(())
        } else {
            Err(ApiError::NotSteppedUp)
        }
    }

    fn is_recent(&self) -> bool {
        self.auth_time
            .is_some_and(|auth_time| self.now < auth_time.plus(RECENT))
    }
}

impl FromRequestParts<App> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let presented = Credentials::of(parts, app).access()?;
        let raw = presented.ok_or(ApiError::NoCredential)?.token;
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
            // The token's own claims, not the session's: an older token keeps its weaker level (SE-06).
            acr: token.acr().and_then(Acr::from_name),
            delivery: session.delivery,
            auth_time: token.auth_time(),
            now,
        })
    }
}

/// The owner, in calls that need one for some purposes alone.
pub struct MaybeOwner(Result<Owner, ApiError>);

impl MaybeOwner {
    /// The owner, who is needed.
    ///
    /// # Errors
    /// As [`Owner`]: [`ApiError::NoCredential`], [`ApiError::InvalidToken`] and what is wrong with the store.
    pub fn required(self) -> Result<Owner, ApiError> {
        self.0
    }
}

impl FromRequestParts<App> for MaybeOwner {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self(Owner::from_request_parts(parts, app).await))
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

/// An access token that is good at this moment, as far as it says so itself.
///
/// # Errors
/// Why it is not.
pub fn verify_now(app: &App, raw: &str, now: UnixTime) -> Result<AccessToken, Rejection> {
    // The companion's own clock made the times: no skew.
    verify(app, raw, now, Duration::ZERO)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(acr: Option<Acr>, auth_time: Option<i64>) -> Owner {
        Owner {
            account: Subject::from_bytes([1; 16]),
            delivery: Delivery::Body,
            session: SessionId::from_bytes([2; 16]),
            acr,
            auth_time: auth_time.map(UnixTime::from_seconds),
            now: UnixTime::from_seconds(1_000),
        }
    }

    /// SE-08, RFC 9470: an `acr` that is missing or unknown is none, and so is a missing `auth_time`.
    #[test]
    fn recent_is_ten_minutes_and_stepped_up_is_more_than_a_password() {
        let judged = |acr, auth_time| {
            let owner = owner(acr, auth_time);
            (
                owner.must_be_recent().is_ok(),
                owner.must_be_stepped_up().is_ok(),
            )
        };
        let password = Some(Acr::Password);
        for acr in [Some(Acr::Otp), Some(Acr::Mfa)] {
            assert_eq!(judged(acr, Some(401)), (true, true));
            assert_eq!(judged(acr, Some(400)), (false, false));
            assert_eq!(judged(acr, None), (false, false));
        }
        for acr in [password, None] {
            assert_eq!(judged(acr, Some(1_000)), (true, false));
        }
    }
}
