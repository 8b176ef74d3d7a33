//! What handlers take from a request: strict JSON, who calls from where, and the credential.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::address::{self, Trust};
use crate::app::App;
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::store::Client;

/// The largest body that is taken.
const MAX_BODY: usize = 16 * 1024;
/// Of a larger one so much is read before the answer.
const MOST_DISCARDED: usize = 1024 * 1024;
/// It must have arrived after so long (RL-08).
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_USER_AGENT: usize = 256;

/// A JSON body, in which nothing is unknown and nothing stands twice (ER-04).
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        parse(&read(request.into_body()).await?).map(Self)
    }
}

/// The same where the body may be missing.
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<App> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let is_json = is_json(request.headers());
        let body = read(request.into_body()).await?;
        match (body.is_empty(), is_json) {
            (true, _) => Ok(Self(None)),
            (false, false) => Err(ApiError::UnsupportedMediaType),
            (false, true) => parse(&body).map(|body| Self(Some(body))),
        }
    }
}

/// CK-07: `text/plain` and forms are what another origin can send without asking.
fn is_json(headers: &HeaderMap) -> bool {
    is_of_type(headers, b"application/json")
}

/// Whether the body is said to be of that media type, once.
pub(crate) fn is_of_type(headers: &HeaderMap, media_type: &[u8]) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value
        .as_bytes()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(media_type)
}

/// The whole body, of 16 KiB at most.
pub(crate) async fn read(body: Body) -> Result<Vec<u8>, ApiError> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, collect(body));
    collected.await.map_err(|_| ApiError::TimedOut)?
}

async fn collect(mut body: Body) -> Result<Vec<u8>, ApiError> {
    let (mut kept, mut length) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::Invalid("The body did not arrive whole."))?;
        let data = frame.into_data().unwrap_or_default();
        length = length.saturating_add(data.len());
        if length <= MAX_BODY {
            kept.extend_from_slice(&data);
        }
        // Read on for a while, and forget it: closing on unread bytes resets the connection, and the answer is lost.
        if length > MOST_DISCARDED {
            break;
        }
    }
    if length > MAX_BODY {
        return Err(ApiError::TooLarge);
    }
    Ok(kept)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value =
        token::strict_json(body).map_err(|_| ApiError::Invalid("The body is not strict JSON."))?;
    // Else an array of the members' values, in their order, would be taken for the object.
    if !value.is_object() {
        return Err(ApiError::Invalid("The body must be a JSON object."));
    }
    serde_json::from_value(value).map_err(|_| {
        ApiError::Invalid(
            "The body lacks a member, has one of the wrong type, or one that is unknown.",
        )
    })
}

/// The one variable segment of a path.
pub struct Segment(pub String);

impl FromRequestParts<App> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let segment = Path::<String>::from_request_parts(parts, app).await;
        segment
            .map(|Path(segment)| Self(segment))
            .map_err(|_| ApiError::NotFound)
    }
}

/// The query, in which nothing is unknown and nothing stands twice (ER-04).
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|_| {
                ApiError::Invalid(
                    "The query lacks a parameter, has one of the wrong form, one twice, or one that is unknown.",
                )
            })
    }
}

/// Who calls: the address that counts, and how the user agent calls itself.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `None` when the last trusted hop wrote no address.
    pub address: Option<IpAddr>,
    user_agent: Option<String>,
    request_id: Option<RequestId>,
}

impl Caller {
    /// As sessions and the audit log show it.
    pub fn client(&self) -> Client {
        Client {
            ip: self.address.map(|address| address.to_string()),
            user_agent: self.user_agent.clone(),
            request_id: self.request_id.as_ref().map(ToString::to_string),
            actor: None,
        }
    }

    /// What limits count by.
    pub fn prefix(&self) -> String {
        address::prefix(self.address)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let user_agent = parts
            .headers
            .get(USER_AGENT)
            .map(|value| shown(value.as_bytes()));
        Ok(Self {
            address: client_address(&parts.extensions, &parts.headers, &app.trust),
            user_agent,
            request_id: parts.extensions.get().cloned(),
        })
    }
}

/// The peer of the connection.
pub fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip())
}

/// The address that counts; `None` when the last trusted hop wrote none.
pub fn client_address(
    extensions: &Extensions,
    headers: &HeaderMap,
    trust: &Trust,
) -> Option<IpAddr> {
    let forwarded: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(axum::http::HeaderValue::as_bytes)
        .collect();
    address::client(peer(extensions)?, &forwarded, trust)
}

/// Printable characters only, and not too many: it is shown on pages and in logs.
fn shown(user_agent: &[u8]) -> String {
    let text = String::from_utf8_lossy(user_agent);
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_USER_AGENT)
        .collect()
}

/// The Bearer credential of a request; `None` when there is none.
///
/// # Errors
/// More than one `Authorization` field is refused (FR-02); a malformed Bearer value is a bad token.
pub fn bearer(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ApiError::Invalid(
            "There is more than one Authorization field.",
        ));
    }
    let value = value.to_str().map_err(|_| ApiError::InvalidToken)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    // RFC 6750 section 2.1 (token68).
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_token) {
        return Err(ApiError::InvalidToken);
    }
    Ok(Some(token.to_owned()))
}
