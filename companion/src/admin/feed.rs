//! The feed: every row of it gets a new mark, so that every gateway reads it from the beginning (RV-17).

use axum::extract::State;
use axum::response::Json as Answer;
use serde::Serialize;
use utoipa::ToSchema;

use super::Operator;
use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;

/// What has been reset.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedReset)]
pub(crate) struct Reset {
    /// The last number that has a new mark.
    head: u64,
}

/// `POST /admin/v1/feed/reset`. When it was interrupted some gateways begin anew and others do not: it may be called again.
pub(crate) async fn reset(
    State(app): State<App>,
    Operator { by }: Operator,
) -> Result<Answer<Reset>, ApiError> {
    let mut last = 0;
    while let Some(number) = app.store.renew_marks(last, by.clone()).await? {
        last = number;
    }
    app.tell(&by, Event::done("feed_reset"));
    Ok(Answer(Reset { head: last }))
}
