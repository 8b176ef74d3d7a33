//! Signing keys: listed, rotated, removed, replaced.

use axum::extract::State;
use axum::response::{Json as Answer, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Operator;
use crate::api::schemas;
use crate::app::App;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::event::Event;
use crate::key_upkeep::{KeyChangeError, ShownKey};
use crate::receipts::{self, Patience};
use crate::request::{Query, Segment};
use crate::store::KeyUse;
use crate::tokens::rfc3339;

/// `GET /admin/v1/keys`: oldest first.
pub(crate) async fn list(State(app): State<App>, _: Operator) -> Result<Answer<Keys>, ApiError> {
    let keys = app.keeper.list().await?;
    let now = app.store.now().await?.wall;
    let keys = keys.into_iter().map(|key| shown(key, now)).collect();
    Ok(Answer(Keys { keys }))
}

/// `POST /admin/v1/keys/rotate`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    #[serde(rename = "use")]
    usage: Option<String>,
}

/// Publishes a new key, of access tokens where nothing else is said.
pub(crate) async fn rotate(
    State(app): State<App>,
    Operator { by }: Operator,
    Query(which): Query<Which>,
) -> Result<Answer<Rotated>, ApiError> {
    let usage = match which.usage.as_deref() {
        None | Some("access") => KeyUse::Access,
        Some("feed") => KeyUse::Feed,
        Some(_) => return Err(ApiError::Invalid("`use` must be `access` or `feed`.")),
    };
    let kid = app.keeper.rotate(usage, &by).await?;
    app.tell(&by, Event::done("signing_key_added").because(usage.name()));
    Ok(Answer(Rotated { kid }))
}

/// `DELETE /admin/v1/keys/{kid}`.
pub(crate) async fn remove(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(kid): Segment,
    patience: Patience,
) -> Result<Response, ApiError> {
    let removed = app.keeper.remove(&kid, &by).await?;
    let revocation = removed.ok_or(ApiError::NotFound)?;
    app.tell(&by, Event::done("signing_key_removed"));
    receipts::answer(&app, revocation, patience).await
}

/// `POST /admin/v1/keys/replace`.
pub(crate) async fn replace(
    State(app): State<App>,
    Operator { by }: Operator,
) -> Result<Answer<Replaced>, ApiError> {
    let number = app.keeper.replace(&by).await?;
    app.tell(&by, Event::done("signing_keys_replaced"));
    Ok(Answer(Replaced { number }))
}

/// Why no key is published.
pub(crate) const TOO_MANY: &str = "Too many keys are published; wait until older ones are retired.";
/// Why the set was not changed.
pub(crate) const BUSY: &str = "Another companion changes the keys at this moment; try again.";

impl From<KeyChangeError> for ApiError {
    fn from(error: KeyChangeError) -> Self {
        match error {
            KeyChangeError::TooMany => Self::Conflict(TOO_MANY),
            KeyChangeError::Busy => Self::Conflict(BUSY),
            KeyChangeError::Store(error) => error.into(),
            KeyChangeError::Keys(error) => {
                tracing::error!(%error, "the signing keys cannot be read");
                Self::Unavailable
            }
        }
    }
}

/// The signing keys.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKeys)]
pub(crate) struct Keys {
    keys: Vec<Key>,
}

/// A signing key; nothing secret of it.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub(crate) struct Key {
    kid: String,
    /// `access` or `feed`.
    #[serde(rename = "use")]
    usage: &'static str,
    algorithm: &'static str,
    /// `published` (it does not sign yet), `signing`, or `retiring` (it signs no more).
    state: &'static str,
    #[schema(schema_with = schemas::moment)]
    published_at: String,
    #[schema(schema_with = schemas::moment)]
    signs_from: String,
}

fn shown(key: ShownKey, now: Millis) -> Key {
    let state = if key.signs {
        "signing"
    } else if key.life.signs_from > now {
        "published"
    } else {
        "retiring"
    };
    Key {
        kid: key.kid,
        usage: key.life.usage.name(),
        algorithm: key.algorithm.name(),
        state,
        published_at: rfc3339(key.life.published_at),
        signs_from: rfc3339(key.life.signs_from),
    }
}

/// The new key.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedKey)]
pub(crate) struct Rotated {
    kid: String,
}

/// The change.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplacedKeys)]
pub(crate) struct Replaced {
    /// Its number in the feed.
    number: u64,
}
