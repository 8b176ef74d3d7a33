//! What a caller is told when something is refused: RFC 9457 problems, each with a stable code. Inner layers know no status.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use token::ChallengeId;
use utoipa::ToSchema;

use crate::api::schemas;
use crate::clock::Millis;
use crate::hasher::Overloaded;
use crate::level::Acr;
use crate::password::Weakness;
use crate::store::StoreError;
use crate::throttle::{Limit, UsedUp};
use crate::tokens::rfc3339;

/// Why a request is refused.
#[derive(Debug)]
pub enum ApiError {
    /// The request is not what this call takes; the text says why, and repeats nothing that was sent.
    Invalid(&'static str),
    /// That is no name of a session.
    NoLabel,
    /// Wrong address or password, or no account that may log in: one answer for all of them (PW-08).
    InvalidCredentials,
    /// No access token was sent, or no refresh token where one is due.
    NoCredential,
    /// The access token is not good, or its session is not.
    InvalidToken,
    /// The refresh token is not good, or its session is not.
    InvalidRefreshToken,
    /// The last complete authentication was too long ago (RFC 9470).
    NotRecent,
    /// The same, or it was by password alone.
    NotSteppedUp,
    /// The password was right, and the account has an authenticator app. At login with the challenge that waits for its code, and
    /// until when.
    OtpRequired(Option<(ChallengeId, Millis)>),
    /// A page of somebody else sends it, or nobody knows whose (CK-05, CK-08).
    CrossOrigin,
    /// There is no such thing, or it is somebody else's.
    NotFound,
    /// It stands against something else; the text says what.
    Conflict(&'static str),
    /// There is no such method here.
    MethodNotAllowed,
    /// The body is larger than 16 KiB.
    TooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// Wrong, used, expired or dead: one answer.
    InvalidCode,
    /// The new password does not meet the policy.
    WeakPassword(Weakness),
    /// That is no e-mail address.
    InvalidEmail,
    /// Too often, or too often wrong; try again after that time.
    RateLimited(Duration),
    /// The same, and which limit it is.
    LimitReached(UsedUp),
    /// Too many logins at this moment.
    Overloaded,
    /// The store does not answer.
    Unavailable,
    /// The request took too long.
    TimedOut,
    /// A bug, which has been logged.
    Internal,
}

/// How long ago an authentication may be and still count as recent.
pub const RECENT: Duration = Duration::from_secs(600);
/// The least level that counts as stepped up.
pub const STEPPED_UP: Acr = Acr::Otp;

/// Some weakness, where the API document speaks of it.
pub const WEAK_PASSWORD: ApiError = ApiError::WeakPassword(Weakness::TooShort);
/// Some limit, where the API document speaks of it.
pub const LIMITED: ApiError = ApiError::RateLimited(Duration::from_secs(1));

/// A refusal (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what it is, and `code` more.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What a program goes by.
    code: &'static str,
    /// What a person reads.
    detail: &'static str,
    /// At a login, with `otp_required`: what the second factor opens.
    #[schema(schema_with = schemas::id, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_id: Option<ChallengeId>,
    /// Until then.
    #[schema(schema_with = schemas::moment, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl ApiError {
    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::NoLabel => StatusCode::BAD_REQUEST,
            Self::InvalidCredentials
            | Self::NoCredential
            | Self::InvalidToken
            | Self::InvalidRefreshToken
            | Self::NotRecent
            | Self::NotSteppedUp
            | Self::OtpRequired(_) => StatusCode::UNAUTHORIZED,
            Self::CrossOrigin => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidCode | Self::WeakPassword(_) | Self::InvalidEmail => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::RateLimited(_) | Self::LimitReached(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::NoLabel => "invalid_request",
            Self::InvalidCredentials => "invalid_credentials",
            Self::NoCredential => "credential_required",
            Self::InvalidToken => "invalid_token",
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::NotRecent | Self::NotSteppedUp => "insufficient_user_authentication",
            Self::OtpRequired(_) => "otp_required",
            Self::CrossOrigin => "cross_origin",
            Self::NotFound => "not_found",
            Self::Conflict(_) => "conflict",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidCode => "invalid_code",
            Self::WeakPassword(_) => "weak_password",
            Self::InvalidEmail => "invalid_email",
            Self::RateLimited(_) | Self::LimitReached(_) => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Internal => "internal",
        }
    }

    /// What a person reads.
    pub const fn detail(&self) -> &'static str {
        match self {
            Self::Invalid(detail) | Self::Conflict(detail) => detail,
            Self::NoLabel => {
                "`label` must have 64 characters at most, all of them printable, and one that can be seen."
            }
            Self::InvalidCredentials => {
                "The address or the password is wrong, or the account cannot be used."
            }
            Self::NoCredential => "A token is required.",
            Self::InvalidToken => "The access token is not valid.",
            Self::InvalidRefreshToken => {
                "The refresh token is not valid, or its session has ended."
            }
            Self::NotRecent => "This needs a login within the last 10 minutes.",
            Self::NotSteppedUp => {
                "This needs a code, by mail or from the authenticator app, within the last 10 minutes."
            }
            Self::OtpRequired(_) => {
                "A code of the authenticator app, or a recovery code, is required too."
            }
            Self::CrossOrigin => "Cookies, and pages, are taken from the site's own origin alone.",
            Self::NotFound => "There is nothing here.",
            Self::MethodNotAllowed => "This method is not offered here.",
            Self::TooLarge => "The body must not exceed 16 KiB.",
            Self::UnsupportedMediaType => "The body must be application/json.",
            Self::InvalidCode => "The code is wrong, used or expired.",
            Self::WeakPassword(Weakness::TooShort) => "The password has too few characters.",
            Self::WeakPassword(Weakness::TooLong) => "The password is longer than 1024 bytes.",
            Self::WeakPassword(Weakness::EasyToGuess) => "The password is easy to guess.",
            Self::InvalidEmail => "This is not an e-mail address that mail can be sent to.",
            Self::RateLimited(_) | Self::LimitReached(_) => "Too many requests; try again later.",
            Self::Overloaded => "Too many logins at this moment; try again.",
            Self::Unavailable => "The service is not available at this moment; try again.",
            Self::TimedOut => "The request took too long.",
            Self::Internal => "Something went wrong here.",
        }
    }

    /// `WWW-Authenticate`: RFC 6750 section 3, RFC 9470 section 3.
    pub fn challenge(&self) -> Option<String> {
        match self {
            Self::NoCredential => Some("Bearer".to_owned()),
            Self::InvalidToken => Some("Bearer error=\"invalid_token\"".to_owned()),
            Self::NotRecent => Some(format!(
                "Bearer error=\"insufficient_user_authentication\", max_age={}",
                RECENT.as_secs()
            )),
            Self::NotSteppedUp => Some(format!(
                "Bearer error=\"insufficient_user_authentication\", acr_values=\"{}\", max_age={}",
                STEPPED_UP.name(),
                RECENT.as_secs()
            )),
            _ => None,
        }
    }

    /// `Retry-After` in whole seconds, rounded up: at that moment a request passes.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited(wait) | Self::LimitReached(UsedUp { wait, .. }) => {
                Some(rounded_up(*wait))
            }
            Self::Overloaded => Some(2),
            Self::Unavailable => Some(1),
            _ => None,
        }
    }
}

/// In whole seconds, one at least.
fn rounded_up(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(1_000))
        .unwrap_or(u64::MAX)
        .max(1)
}

/// draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4: a policy is named as the settings write it, such as `10+10/60s`. Nothing
/// is left of it, until the moment that `Retry-After` names too.
fn limit_fields(headers: &mut HeaderMap, limit: Option<Limit>, wait: u64) {
    let name = limit.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
    let mut set = |field, text: String| {
        if let Ok(text) = HeaderValue::try_from(text) {
            headers.insert(field, text);
        }
    };
    if let Some(limit) = limit {
        let (quota, window) = (limit.burst(), rounded_up(limit.window()));
        set(
            RATE_LIMIT_POLICY,
            format!("\"{name}\";q={quota};w={window}"),
        );
    }
    set(RATE_LIMIT, format!("\"{name}\";r=0;t={wait}"));
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let waiting = match &self {
            Self::OtpRequired(waiting) => *waiting,
            _ => None,
        };
        let (challenge_id, expires_at) = waiting.unzip();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code(),
            detail: self.detail(),
            challenge_id,
            expires_at: expires_at.map(rfc3339),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(challenge) = self
            .challenge()
            .and_then(|text| HeaderValue::try_from(text).ok())
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
            match &self {
                Self::RateLimited(_) => limit_fields(headers, None, seconds),
                Self::LimitReached(used_up) => limit_fields(headers, Some(used_up.limit), seconds),
                _ => {}
            }
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // The one place where a failure of the store becomes an answer, and so the one where it is logged.
        tracing::error!(%error, "the store failed");
        Self::Unavailable
    }
}

impl From<Overloaded> for ApiError {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded
    }
}
