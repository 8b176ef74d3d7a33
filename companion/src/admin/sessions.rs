//! Sessions: listed, ended one by one, all of an account, or all that there are (SE-07).

use axum::extract::State;
use axum::response::{Json as Answer, Response};
use serde::Deserialize;
use token::SessionId;

use super::{Operator, accounts};
use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;
use crate::operation;
use crate::receipts::{self, Patience};
use crate::request::{Query, Segment};
use crate::sessions::List;
use crate::store::{Cause, Ended};
use crate::tokens;

/// `GET /admin/v1/accounts/{id}/sessions`: those that can be used.
pub(crate) async fn of_account(
    State(app): State<App>,
    _: Operator,
    Segment(id): Segment,
) -> Result<Answer<List>, ApiError> {
    let account = accounts::existing(&app, &id).await?.id;
    let sessions = app.store.sessions_of(account).await?;
    let now = app.store.now().await?.wall.seconds();
    let shown = sessions
        .iter()
        .map(|session| tokens::shown(session, None, now))
        .collect();
    Ok(Answer(List::new(shown)))
}

/// `DELETE /admin/v1/accounts/{id}/sessions`: all of the account.
pub(crate) async fn end_of_account(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(id): Segment,
    patience: Patience,
) -> Result<Response, ApiError> {
    let account = accounts::existing(&app, &id).await?.id;
    let Some(revocation) = app.store.end_sessions(account, None, by.clone()).await? else {
        return Ok(receipts::nothing());
    };
    app.tell(&by, ended("sessions_ended").of(account));
    receipts::answer(&app, revocation, patience).await
}

/// `DELETE /admin/v1/sessions/{id}`.
pub(crate) async fn end_one(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(id): Segment,
    patience: Patience,
) -> Result<Response, ApiError> {
    let session: SessionId = id.parse().map_err(|_| ApiError::NotFound)?;
    match app.store.end_session(session, None, by.clone()).await? {
        Ended::Unknown => Err(ApiError::NotFound),
        Ended::LongAgo => Ok(receipts::nothing()),
        Ended::By(revocation) => {
            app.tell(&by, ended("session_ended").session(session));
            receipts::answer(&app, revocation, patience).await
        }
    }
}

/// `DELETE /admin/v1/sessions?scope=all`: nobody ends all of them by leaving something out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    scope: String,
}

/// All sessions of all accounts.
pub(crate) async fn end_all(
    State(app): State<App>,
    Operator { by }: Operator,
    Query(which): Query<Which>,
    patience: Patience,
) -> Result<Response, ApiError> {
    if which.scope != "all" {
        return Err(ApiError::Invalid("`scope` must be `all`."));
    }
    let Some(revocation) = operation::end_all(app.store.as_ref(), &by).await? else {
        return Ok(receipts::nothing());
    };
    app.tell(&by, ended("all_sessions_ended"));
    receipts::answer(&app, revocation, patience).await
}

const fn ended(event: &'static str) -> Event {
    Event::done(event).because(Cause::EndedByOperator.name())
}
