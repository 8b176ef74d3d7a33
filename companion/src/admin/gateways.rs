//! Gateways: which there are, how far behind each is; and one that is gone for good.

use axum::extract::State;
use axum::response::Json as Answer;
use serde::Serialize;
use token::GatewayId;
use utoipa::ToSchema;

use super::Operator;
use crate::api::schemas;
use crate::app::App;
use crate::clock::Moment;
use crate::error::ApiError;
use crate::event::Event;
use crate::gateways::Forget;
use crate::receipt::Gateway;
use crate::request::Segment;
use crate::tokens::rfc3339;

/// `GET /admin/v1/gateways`.
pub(crate) async fn list(
    State(app): State<App>,
    _: Operator,
) -> Result<Answer<Gateways>, ApiError> {
    if app.store.is_shared() {
        app.gateways.refresh(app.store.as_ref()).await?;
    }
    let now = app.store.now().await?;
    let head = *app.store.feed_moved().borrow();
    let mut gateways = app.gateways.list();
    gateways.sort_unstable_by_key(|gateway| gateway.id.to_string());
    let gateways = gateways
        .iter()
        .map(|gateway| shown(gateway, head, now))
        .collect();
    Ok(Answer(Gateways { head, gateways }))
}

/// The gateways.
#[derive(Serialize, ToSchema)]
pub(crate) struct Gateways {
    /// The last number of the feed.
    head: u64,
    gateways: Vec<ShownGateway>,
}

/// A gateway.
#[derive(Serialize, ToSchema)]
#[schema(as = Gateway)]
pub(crate) struct ShownGateway {
    #[schema(schema_with = schemas::id)]
    id: String,
    /// Whether receipts count it: it could accept a token.
    live: bool,
    /// From then on it denies, unless it polls again.
    #[schema(schema_with = schemas::moment)]
    live_until: String,
    /// After how many seconds without a page it denies; null for one that never does.
    #[schema(required)]
    staleness: Option<u64>,
    /// The last number that it has acknowledged.
    acknowledged: u64,
    /// By how many numbers it is behind.
    lag: u64,
}

fn shown(gateway: &Gateway, head: u64, now: Moment) -> ShownGateway {
    let left = gateway.live_until.since(now.steady);
    ShownGateway {
        id: gateway.id.to_string(),
        live: gateway.live_until >= now.steady,
        // By the store's clock: what counts is counted by a steady one.
        live_until: rfc3339(now.wall.plus(left)),
        staleness: gateway.staleness.map(|staleness| staleness.as_secs()),
        acknowledged: gateway.acknowledged,
        lag: head.saturating_sub(gateway.acknowledged),
    }
}

/// Which one.
#[derive(Serialize, ToSchema)]
#[schema(as = ForgottenGateway)]
pub(crate) struct Forgotten {
    #[schema(schema_with = schemas::id)]
    forgotten: String,
}

/// Why one is not forgotten.
pub(crate) const STILL_POLLS: &str =
    "This gateway has polled within the last two minutes: it is still there.";

/// `DELETE /admin/v1/gateways/{id}`: it counts no more, until it polls again.
pub(crate) async fn forget(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(id): Segment,
) -> Result<Answer<Forgotten>, ApiError> {
    let id: GatewayId = id.parse().map_err(|_| ApiError::NotFound)?;
    let done = app
        .gateways
        .forget(id, app.store.as_ref(), by.clone())
        .await?;
    match done {
        Forget::Unknown => Err(ApiError::NotFound),
        Forget::StillPolls => Err(ApiError::Conflict(STILL_POLLS)),
        Forget::Yes => {
            app.tell(&by, Event::done("gateway_forgotten"));
            let forgotten = id.to_string();
            Ok(Answer(Forgotten { forgotten }))
        }
    }
}
