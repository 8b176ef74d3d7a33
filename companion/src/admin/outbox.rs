//! The outbox: what waits, what was given up, and what becomes of that.

use axum::extract::State;
use axum::response::Json as Answer;
use serde::Serialize;
use utoipa::ToSchema;

use super::Operator;
use crate::api::schemas;
use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;
use crate::request::Segment;
use crate::store::{Client, DeadLetter};
use crate::tokens::rfc3339;

/// The newest dead letters are shown, so many at most.
const SHOWN: u32 = 200;

/// `GET /admin/v1/outbox`.
pub(crate) async fn show(State(app): State<App>, _: Operator) -> Result<Answer<Outbox>, ApiError> {
    let waiting = app.store.backlog().await?.waiting;
    let graveyard = app.store.dead_letters(SHOWN).await?;
    Ok(Answer(Outbox {
        waiting,
        dead: graveyard.count,
        dead_letters: graveyard.newest.into_iter().map(Letter::from).collect(),
    }))
}

/// `POST /admin/v1/outbox/dead/retry`: all notices that were given up are due again.
pub(crate) async fn retry_all(
    State(app): State<App>,
    Operator { by }: Operator,
) -> Result<Answer<Retried>, ApiError> {
    let retried = app.store.retry_dead(None).await?;
    Ok(retry(&app, &by, retried))
}

/// `POST /admin/v1/outbox/dead/{number}/retry`.
pub(crate) async fn retry_one(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(number): Segment,
) -> Result<Answer<Retried>, ApiError> {
    let retried = app.store.retry_dead(Some(errand(&number)?)).await?;
    found(retried).map(|retried| retry(&app, &by, retried))
}

fn retry(app: &App, by: &Client, retried: u64) -> Answer<Retried> {
    app.outbox.notify_one();
    app.tell(by, Event::done("mails_retried"));
    Answer(Retried { retried })
}

/// `DELETE /admin/v1/outbox/dead`: all that were given up.
pub(crate) async fn drop_all(
    State(app): State<App>,
    Operator { by }: Operator,
) -> Result<Answer<Dropped>, ApiError> {
    let dropped = app.store.drop_dead(None).await?;
    app.tell(&by, Event::done("mails_dropped"));
    Ok(Answer(Dropped { dropped }))
}

/// `DELETE /admin/v1/outbox/dead/{number}`.
pub(crate) async fn drop_one(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(number): Segment,
) -> Result<Answer<Dropped>, ApiError> {
    let dropped = app.store.drop_dead(Some(errand(&number)?)).await?;
    let dropped = found(dropped)?;
    app.tell(&by, Event::done("mails_dropped"));
    Ok(Answer(Dropped { dropped }))
}

fn errand(number: &str) -> Result<u64, ApiError> {
    number.parse().map_err(|_| ApiError::NotFound)
}

/// One that is named must be there.
const fn found(count: u64) -> Result<u64, ApiError> {
    if count == 0 {
        return Err(ApiError::NotFound);
    }
    Ok(count)
}

/// What the outbox has before it and behind it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Outbox {
    /// Mails that wait.
    waiting: u64,
    /// Mails that were given up.
    dead: u64,
    /// The newest of those.
    dead_letters: Vec<Letter>,
}

/// A mail that was given up.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct Letter {
    id: u64,
    /// What was to be done.
    errand: String,
    /// Whose, where that is known without an address.
    #[schema(required)]
    account: Option<String>,
    /// How often it was tried.
    tries: u32,
    #[schema(schema_with = schemas::moment)]
    created_at: String,
    #[schema(schema_with = schemas::moment)]
    dead_at: String,
    /// Why.
    last_error: String,
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            errand: letter.errand,
            account: letter.account.map(|id| id.to_string()),
            tries: letter.tries,
            created_at: rfc3339(letter.created_at),
            dead_at: rfc3339(letter.dead_at),
            last_error: letter.last_error,
        }
    }
}

/// How many are due again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Retried {
    retried: u64,
}

/// How many are gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct Dropped {
    dropped: u64,
}
