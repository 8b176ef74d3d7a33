//! `GET /account/events`: what has happened to the owner's account, newest first.

use axum::extract::State;
use axum::response::Json as Answer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::App;
use crate::error::ApiError;
use crate::owner::Owner;
use crate::request::Query;
use crate::store::{AuditEntry, AuditQuery};
use crate::tokens::rfc3339;

const USUAL: u32 = 50;
/// So many at a time.
pub const MOST: u64 = 100;
/// The longest `before` that is looked at.
const LONGEST: usize = 128;

/// The query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    before: Option<String>,
    limit: Option<u32>,
}

/// A page of the owner's security log.
#[derive(Serialize, ToSchema)]
#[schema(as = EventPage)]
pub struct Page {
    events: Vec<Shown>,
    /// The `before` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Something that has happened to the account.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountEvent)]
pub struct Shown {
    #[schema(schema_with = schemas::moment)]
    at: String,
    event: String,
    /// Why, where an event has several causes.
    #[schema(required)]
    cause: Option<String>,
    /// The session that it was about.
    #[schema(required)]
    session: Option<String>,
    #[schema(required)]
    ip: Option<String>,
    #[schema(required)]
    user_agent: Option<String>,
    /// Whether those who run the service did it.
    by_operator: bool,
}

/// One page of the events of the owner's account.
///
/// # Errors
/// [`ApiError`].
pub async fn page(
    State(app): State<App>,
    owner: Owner,
    Query(which): Query<Which>,
) -> Result<Answer<Page>, ApiError> {
    let most = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&u64::from(most)) {
        return Err(ApiError::Invalid("`limit` must lie between 1 and 100."));
    }
    // The numbers of entries tell how much happens to all accounts: what an owner gets of them is sealed.
    let context = format!("security log of {}", owner.account);
    let before = match which.before {
        Some(before) => Some(
            unsealed(&app, &context, &before)
                .ok_or(ApiError::Invalid("`before` is not the `next` of a page."))?,
        ),
        None => None,
    };
    let wanted = AuditQuery {
        account: Some(owner.account),
        before,
        most,
    };
    let entries = app.store.audit(wanted).await?;
    let is_full = entries.len() == usize::try_from(most).unwrap_or(usize::MAX);
    let last = entries.last().filter(|_| is_full).map(|entry| entry.id);
    let next = last.map(|id| URL_SAFE_NO_PAD.encode(app.vault.seal(&context, &id.to_be_bytes())));
    let events = entries.into_iter().map(Shown::from).collect();
    Ok(Answer(Page { events, next }))
}

fn unsealed(app: &App, context: &str, before: &str) -> Option<u64> {
    if before.len() > LONGEST {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(before).ok()?;
    let id = app.vault.unseal(context, &sealed)?;
    id.as_slice().try_into().ok().map(u64::from_be_bytes)
}

impl From<AuditEntry> for Shown {
    fn from(entry: AuditEntry) -> Self {
        let by_operator = entry.by.actor.is_some();
        // Where the operator sits is not the owner's affair.
        let by = Some(entry.by).filter(|_| !by_operator).unwrap_or_default();
        Self {
            at: rfc3339(entry.at),
            event: entry.event,
            cause: entry.cause,
            session: entry.session.map(|id| id.to_string()),
            ip: by.ip,
            user_agent: by.user_agent,
            by_operator,
        }
    }
}
