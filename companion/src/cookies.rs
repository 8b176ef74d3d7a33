//! Answers that hand tokens out, in the body or in cookies as the session was opened, and answers that take the cookies back.
//!
//! Only an answer that is final sets or deletes a cookie (RR-14): whoever is told to come again still has what he came with.

use axum::http::header::SET_COOKIE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Json as Answer, Response};

use crate::app::App;
use crate::cookie::Kind;
use crate::delivery::Delivery;
use crate::device::Device;
use crate::error::ApiError;
use crate::store::Minted;
use crate::tokens::{self, Tokens};

/// The access token: to every path of the host, from links of other sites too.
pub const ACCESS: Kind = Kind {
    name: "__Host-access",
    path: "/",
    same_site: "Lax",
};
/// The refresh token: to the companion alone, which refreshes and logs out below this path.
pub const REFRESH: Kind = Kind {
    name: "__Secure-refresh",
    path: "/auth",
    same_site: "Strict",
};

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// 201: a session has been opened. The device is known from now on, however the tokens are handed out; who keeps no cookies loses nothing.
///
/// # Errors
/// [`ApiError::Internal`]: the access token is larger than a cookie can be. [`ApiError::Unavailable`]: the signing keys cannot be read; the
/// session stands all the same.
pub async fn logged_in(app: &App, minted: &Minted) -> Result<Response, ApiError> {
    let mut response = handed_out(app, minted, StatusCode::CREATED, true).await?;
    let device = Device::of(minted.session.account, minted.iat);
    add(&mut response, &device.cookie(app));
    Ok(response)
}

/// 200: a session has moved to its next generation.
///
/// # Errors
/// As [`logged_in`].
pub async fn refreshed(app: &App, minted: &Minted) -> Result<Response, ApiError> {
    handed_out(app, minted, StatusCode::OK, true).await
}

/// 200: another access token of a session, whose refresh token stays as it is: step-up, re-authentication.
///
/// # Errors
/// As [`logged_in`].
pub async fn lifted(app: &App, minted: &Minted) -> Result<Response, ApiError> {
    handed_out(app, minted, StatusCode::OK, false).await
}

async fn handed_out(
    app: &App,
    minted: &Minted,
    status: StatusCode,
    with_refresh_token: bool,
) -> Result<Response, ApiError> {
    let session = &minted.session;
    let access = tokens::access_token(app, minted).await?;
    let refresh = with_refresh_token
        .then(|| tokens::refresh_token(app, session))
        .flatten();
    let lifetime = minted.exp.since(minted.iat);
    let bare = Tokens {
        access_token: None,
        token_type: None,
        expires_in: lifetime.as_secs(),
        refresh_token: None,
        session: tokens::shown(session, Some(session.id), minted.iat),
    };
    if session.delivery == Delivery::Body {
        let body = Tokens {
            access_token: Some(access),
            token_type: Some("Bearer"),
            refresh_token: refresh,
            ..bare
        };
        return Ok((status, Answer(body)).into_response());
    }
    if !ACCESS.takes(&access) {
        // Browsers would drop it in silence (CK-03).
        tracing::error!(account = %session.account, "its access token is larger than a cookie can be: give it fewer roles");
        return Err(ApiError::Internal);
    }
    let mut response = (status, Answer(bare)).into_response();
    add(&mut response, &ACCESS.set(&access, lifetime));
    if let Some(refresh) = refresh {
        // Rounded down: never beyond the session (CK-04).
        let end = session.idle_deadline.min(session.absolute_deadline);
        let left = end.seconds().since(minted.iat);
        add(&mut response, &REFRESH.set(&refresh, left));
    }
    Ok(response)
}

/// A final answer to somebody whose session is over: the cookies go, if the tokens were in some.
pub fn taken_back(delivery: Delivery, mut response: Response) -> Response {
    if delivery == Delivery::Cookie {
        add(&mut response, &ACCESS.delete());
        add(&mut response, &REFRESH.delete());
    }
    response
}

/// The same after a logout: the browser also forgets what it keeps of pages, so that the next one at this screen cannot go back to
/// them. Not its `cookies`, which would log out of every app of the domain, and not its `storage`, which is the app's own.
pub fn logged_out(delivery: Delivery, response: Response) -> Response {
    let mut response = taken_back(delivery, response);
    if delivery == Delivery::Cookie {
        let cache = HeaderValue::from_static("\"cache\"");
        response.headers_mut().insert(CLEAR_SITE_DATA, cache);
    }
    response
}

/// One more cookie for an answer.
fn add(response: &mut Response, cookie: &str) {
    // Ids, numbers and base64url: nothing in a cookie of ours is not a header value.
    if let Ok(value) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}
