//! What the gateways ask the internal listener for: the next page of the feed, and the keys.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use token::{Cursor, GatewayId};

use crate::app::App;
use crate::error::ApiError;
use crate::feed::NoPage;
use crate::gateways::Full;
use crate::request::bearer;

/// The longest hold: Envoy and the kernel keep a silent connection for longer.
const LONGEST_HOLD: u64 = 30;
const LONGEST_STALENESS: u64 = 3_600;

/// `GET /gateway/v1/revocations`.
///
/// # Errors
/// [`ApiError`].
pub async fn revocations(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    authenticate(&app, &headers)?;
    let asked = Asked::parse(query.as_deref().unwrap_or_default())?;
    let now = app.store.now().await?;
    let registration = app
        .gateways
        .arrive(asked.gateway, asked.staleness, now)
        .map_err(|Full| {
            tracing::error!("there are too many gateways; a new one is refused");
            ApiError::Unavailable
        })?;
    // Section 4 (a): on disk before the read for its page begins.
    if let Some(registration) = registration {
        app.store.register_gateway(registration.gateway).await?;
        app.gateways.committed(registration);
    }
    let page = app
        .feed
        .poll(asked.gateway, asked.after, asked.hold)
        .await
        .map_err(|NoPage| ApiError::Unavailable)?;
    Ok(([(CONTENT_TYPE, "application/jwt")], page.to_string()).into_response())
}

/// `GET /gateway/v1/keys`.
///
/// # Errors
/// [`ApiError`].
pub async fn keys(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    authenticate(&app, &headers)?;
    let stored = app.store.keys().await?;
    let keys = app
        .keys
        .as_of(stored.version, app.store.as_ref())
        .await
        .map_err(|error| {
            tracing::error!(%error, "the signing keys cannot be read");
            ApiError::Unavailable
        })?;
    Ok((
        [(CONTENT_TYPE, "application/json")],
        keys.public().to_json(),
    )
        .into_response())
}

fn authenticate(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let presented: [u8; 32] =
        Sha256::digest(bearer(headers)?.ok_or(ApiError::NoCredential)?).into();
    // Digests of equal length, compared in constant time, all of them.
    let known = app
        .gateway_tokens
        .iter()
        .fold(0, |known, token| known | presented.ct_eq(token).unwrap_u8());
    if known == 1 {
        Ok(())
    } else {
        Err(ApiError::InvalidToken)
    }
}

/// What a poll says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    gateway: GatewayId,
    after: Cursor,
    hold: Duration,
    /// `None`: it never gets stale.
    staleness: Option<Duration>,
}

impl Asked {
    /// Each parameter once, and no other.
    fn parse(query: &str) -> Result<Self, ApiError> {
        let (mut version, mut gateway, mut after, mut hold, mut staleness) =
            (None, None, None, None, None);
        for parameter in query.split('&') {
            let (name, value) = parameter
                .split_once('=')
                .ok_or(ApiError::Invalid("The query is malformed."))?;
            let slot = match name {
                "v" => &mut version,
                "gateway" => &mut gateway,
                "after" => &mut after,
                "hold" => &mut hold,
                "staleness" => &mut staleness,
                _ => return Err(ApiError::Invalid("The query has an unknown parameter.")),
            };
            if slot.replace(value).is_some() {
                return Err(ApiError::Invalid("The query has a parameter twice."));
            }
        }
        if version != Some("1") {
            return Err(ApiError::Invalid("`v` must be 1."));
        }
        let number = |text: Option<&str>, most: u64| {
            text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .filter(|number| *number <= most)
        };
        Ok(Self {
            gateway: gateway
                .and_then(|id| id.parse().ok())
                .ok_or(ApiError::Invalid("`gateway` must be an id."))?,
            after: after
                .and_then(|after| after.parse().ok())
                .ok_or(ApiError::Invalid("`after` must be a cursor."))?,
            hold: number(hold, LONGEST_HOLD)
                .map(Duration::from_secs)
                .ok_or(ApiError::Invalid(
                    "`hold` must be between 0 and 30 seconds.",
                ))?,
            staleness: match staleness {
                Some("none") => None,
                text => Some(
                    number(text, LONGEST_STALENESS)
                        .map(Duration::from_secs)
                        .ok_or(ApiError::Invalid(
                            "`staleness` must be `none`, or between 0 and 3600 seconds.",
                        ))?,
                ),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn a_poll_says_everything_once() {
        let query = format!("v=1&gateway={GATEWAY}&after=7.0011223344556677&hold=10&staleness=60");
        let asked = Asked::parse(&query).unwrap();
        assert_eq!(asked.after.number, 7);
        assert_eq!(
            (asked.hold, asked.staleness),
            (Duration::from_secs(10), Some(Duration::from_secs(60)))
        );
        let start = Asked::parse(&format!(
            "v=1&gateway={GATEWAY}&after=0&hold=0&staleness=none"
        ))
        .unwrap();
        assert_eq!((start.after, start.staleness), (Cursor::START, None));
        for (part, other) in [
            ("v=1", "v=2"),
            ("v=1", "v=1&v=1"),
            ("v=1&", ""),
            ("hold=10", "hold=31"),
            ("hold=10", "hold=-1"),
            ("hold=10", "hold="),
            ("hold=10", "hold=10&x=1"),
            ("after=7.", "after=07."),
            ("staleness=60", "staleness=3601"),
            ("staleness=60", "staleness=None"),
            ("gateway=00", "gateway=A0"),
        ] {
            assert!(
                Asked::parse(&query.replace(part, other)).is_err(),
                "{other}"
            );
        }
    }
}
