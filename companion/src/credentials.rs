//! What a request presents: an access token in its header field or its cookie, a refresh token in the body or its cookie, and the
//! cookie of a device. Nobody else reads cookies, so that none carries an unsafe request without a proof of where it comes from (CK-05).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::app::App;
use crate::cookie::{self, Kind};
use crate::cookies::{ACCESS, REFRESH};
use crate::delivery::Delivery;
use crate::device;
use crate::error::ApiError;
use crate::origin::{Source, is_safe, source};
use crate::request::bearer;

/// The credentials of one request.
pub struct Credentials {
    headers: HeaderMap,
    may_use_cookies: bool,
}

/// A token, not looked at yet. Has no `Debug`.
pub struct Presented {
    /// Its text.
    pub token: String,
    /// Where it was.
    pub by: Delivery,
}

impl FromRequestParts<App> for Credentials {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::of(parts, app))
    }
}

impl Credentials {
    /// Those of this request.
    pub fn of(parts: &Parts, app: &App) -> Self {
        let source = source(&parts.headers, |origin| app.settings.is_own_origin(origin));
        Self {
            headers: parts.headers.clone(),
            may_use_cookies: is_safe(&parts.method) || source == Source::Own,
        }
    }

    /// The access token.
    ///
    /// # Errors
    /// Two of them, in whatever places, select nothing (FR-02, FR-03, CK-11); a cookie needs its proof.
    pub fn access(&self) -> Result<Option<Presented>, ApiError> {
        let in_header = bearer(&self.headers)?;
        self.one(in_header, ACCESS, ApiError::InvalidToken)
    }

    /// The refresh token; `in_body` is that of the body, if it has one.
    ///
    /// # Errors
    /// As [`Credentials::access`].
    pub fn refresh(&self, in_body: Option<String>) -> Result<Option<Presented>, ApiError> {
        self.one(in_body, REFRESH, ApiError::InvalidRefreshToken)
    }

    /// The cookie of a device, which is no credential: it opens nothing. Two of them are none.
    pub fn device(&self) -> Option<&str> {
        let mut cookies = cookie::values(&self.headers, device::COOKIE.name);
        let (Some(value), None) = (cookies.next(), cookies.next()) else {
            return None;
        };
        std::str::from_utf8(value).ok()
    }

    fn one(
        &self,
        elsewhere: Option<String>,
        kind: Kind,
        unreadable: ApiError,
    ) -> Result<Option<Presented>, ApiError> {
        let mut cookies = cookie::values(&self.headers, kind.name);
        let in_cookie = cookies.next();
        if cookies.next().is_some() || (in_cookie.is_some() && elsewhere.is_some()) {
            return Err(ApiError::Invalid(
                "There is more than one credential of a kind.",
            ));
        }
        let Some(value) = in_cookie else {
            return Ok(elsewhere.map(|token| Presented {
                token,
                by: Delivery::Body,
            }));
        };
        if !self.may_use_cookies {
            return Err(ApiError::CrossOrigin);
        }
        let token = std::str::from_utf8(value).map_err(|_| unreadable)?;
        Ok(Some(Presented {
            token: token.to_owned(),
            by: Delivery::Cookie,
        }))
    }
}
