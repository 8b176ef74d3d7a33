//! What the OAuth endpoints answer when something is refused, in the words of RFC 6749 section 5.2.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::ApiError;
use crate::store::StoreError;

/// Why a request of a client is refused.
#[derive(Debug)]
pub enum OauthError {
    /// The request is not what this call takes; the text says why, and repeats nothing that was sent.
    Invalid(&'static str),
    /// No client was named, none of that name is known, or its secret is another.
    InvalidClient,
    /// The refresh token is not good, or its session is not.
    InvalidGrant,
    /// This client may not do that.
    UnauthorizedClient,
    /// Only `refresh_token` is offered.
    UnsupportedGrantType,
    /// What the other calls refuse too.
    Api(ApiError),
}

impl OauthError {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::Invalid(_)
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType => StatusCode::BAD_REQUEST,
            Self::Api(error) => error.status(),
        }
    }

    /// The word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            // RFC 6749 has no words for these but in section 4.1.2.1.
            Self::Api(error) => match error.status().as_u16() {
                429 | 503 => "temporarily_unavailable",
                500.. => "server_error",
                _ => "invalid_request",
            },
        }
    }

    /// What a person reads.
    pub fn description(&self) -> &'static str {
        match self {
            Self::Invalid(description) => description,
            Self::InvalidClient => "The client is unknown, or has not shown its secret.",
            Self::InvalidGrant => "The refresh token is not valid, or its session has ended.",
            Self::UnauthorizedClient => "This client may not do that.",
            Self::UnsupportedGrantType => "Only `refresh_token` is offered.",
            Self::Api(ApiError::UnsupportedMediaType) => {
                "The body must be application/x-www-form-urlencoded."
            }
            Self::Api(error) => error.detail(),
        }
    }
}

impl From<ApiError> for OauthError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::InvalidRefreshToken => Self::InvalidGrant,
            error => Self::Api(error),
        }
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code(), "error_description": self.description() });
        let mut response = (self.status(), body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if matches!(self, Self::InvalidClient) {
            let challenge = HeaderValue::from_static("Basic realm=\"oauth\", charset=\"UTF-8\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Self::Api(error) = &self
            && let Some(seconds) = error.retry_after()
        {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
