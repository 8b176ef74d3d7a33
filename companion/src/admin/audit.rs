//! The audit log, newest first, page by page.

use axum::extract::State;
use axum::response::Json as Answer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Operator;
use crate::api::schemas;
use crate::app::App;
use crate::error::ApiError;
use crate::request::Query;
use crate::store::{AuditEntry, AuditQuery};
use crate::tokens::rfc3339;

const USUAL: u32 = 100;
/// So many at a time.
pub(crate) const MOST: u64 = 1_000;

/// `GET /admin/v1/audit`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    account: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

/// One page. Where there are more, `next` is the `before` of the next one.
pub(crate) async fn page(
    State(app): State<App>,
    _: Operator,
    Query(which): Query<Which>,
) -> Result<Answer<Page>, ApiError> {
    let account = which
        .account
        .map(|id| id.parse())
        .transpose()
        .map_err(|_| ApiError::Invalid("`account` must be an id."))?;
    let most = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&u64::from(most)) {
        return Err(ApiError::Invalid("`limit` must lie between 1 and 1000."));
    }
    let wanted = AuditQuery {
        account,
        before: which.before,
        most,
    };
    let entries = app.store.audit(wanted).await?;
    let is_full = entries.len() == usize::try_from(most).unwrap_or(usize::MAX);
    let next = entries.last().filter(|_| is_full).map(|entry| entry.id);
    let events = entries.into_iter().map(Shown::from).collect();
    Ok(Answer(Page { events, next }))
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(crate) struct Page {
    events: Vec<Shown>,
    /// The `before` of the next page; null at the end.
    #[schema(required)]
    next: Option<u64>,
}

/// An event.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct Shown {
    id: u64,
    #[schema(schema_with = schemas::moment)]
    at: String,
    event: String,
    /// Why, where an event has several causes.
    #[schema(required)]
    cause: Option<String>,
    /// The operator who did it; null: no operator did.
    #[schema(required)]
    actor: Option<String>,
    #[schema(required)]
    account: Option<String>,
    #[schema(required)]
    session: Option<String>,
    #[schema(required)]
    ip: Option<String>,
    #[schema(required)]
    user_agent: Option<String>,
    #[schema(required)]
    request_id: Option<String>,
}

impl From<AuditEntry> for Shown {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: rfc3339(entry.at),
            event: entry.event,
            cause: entry.cause,
            actor: entry.by.actor,
            account: entry.account.map(|id| id.to_string()),
            session: entry.session.map(|id| id.to_string()),
            ip: entry.by.ip,
            user_agent: entry.by.user_agent,
            request_id: entry.by.request_id,
        }
    }
}
