//! The owner's sessions: listed, ended one by one, ended all at once; and logout.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Json as Answer, Response};
use serde::{Deserialize, Serialize};
use token::{AccessToken, RefreshToken, SessionId, UnixTime};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;
use crate::owner::{self, Owner};
use crate::receipt::Revocation;
use crate::receipts::{self, Patience};
use crate::request::{Caller, OptionalJson, Segment, bearer};
use crate::store::{Cause, Client, Ended};
use crate::tokens::{ShownSession, shown};

/// The answer to `GET /sessions`.
#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
pub struct List {
    sessions: Vec<ShownSession>,
}

impl List {
    /// Of these.
    pub const fn new(sessions: Vec<ShownSession>) -> Self {
        Self { sessions }
    }
}

/// `GET /sessions`.
///
/// # Errors
/// [`ApiError`].
pub async fn list(State(app): State<App>, owner: Owner) -> Result<Answer<List>, ApiError> {
    let sessions = app.store.sessions_of(owner.account).await?;
    let now = app.store.now().await?.wall.seconds();
    let sessions = sessions
        .iter()
        .map(|session| shown(session, Some(owner.session), now))
        .collect();
    Ok(Answer(List { sessions }))
}

/// `DELETE /sessions/{id}`. Somebody else's session is as unknown as one that never was (SE-02).
///
/// # Errors
/// [`ApiError`].
pub async fn end_one(
    State(app): State<App>,
    Segment(id): Segment,
    owner: Owner,
    caller: Caller,
    patience: Patience,
) -> Result<Response, ApiError> {
    owner.must_be_recent()?;
    let session: SessionId = id.parse().map_err(|_| ApiError::NotFound)?;
    match app
        .store
        .end_session(session, Some(owner.account), caller.client())
        .await?
    {
        Ended::Unknown => Err(ApiError::NotFound),
        Ended::LongAgo => Ok(receipts::nothing()),
        Ended::By(revocation) => {
            let ended = Event::done("session_ended").of(owner.account);
            app.tell(&caller.client(), ended.session(session));
            receipts::answer(&app, revocation, patience).await
        }
    }
}

/// `DELETE /sessions?scope=others` and `?scope=all`.
///
/// # Errors
/// [`ApiError`].
pub async fn end_many(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    owner: Owner,
    caller: Caller,
    patience: Patience,
) -> Result<Response, ApiError> {
    let except = match query.as_deref() {
        Some("scope=others") => Some(owner.session),
        Some("scope=all") => None,
        _ => {
            return Err(ApiError::Invalid(
                "The query must be `scope=others` or `scope=all`.",
            ));
        }
    };
    owner.must_be_recent()?;
    match app
        .store
        .end_sessions(owner.account, except, caller.client())
        .await?
    {
        None => Ok(receipts::nothing()),
        Some(revocation) => {
            let ended = Event::done("sessions_ended").of(owner.account);
            app.tell(&caller.client(), ended.session(owner.session));
            receipts::answer(&app, revocation, patience).await
        }
    }
}

/// The body of a logout.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PresentedAtLogout)]
pub struct Presented {
    refresh_token: Option<String>,
}

/// `DELETE /sessions/current`: by access token, by refresh token of any generation, or by both when they are of one session.
///
/// # Errors
/// [`ApiError`].
pub async fn log_out(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    patience: Patience,
    OptionalJson(body): OptionalJson<Presented>,
) -> Result<Response, ApiError> {
    let access = match bearer(&headers)? {
        Some(raw) => Some(owner::at_logout(&app, &raw).await?),
        None => None,
    };
    let refresh = body
        .and_then(|body| body.refresh_token)
        .map(|raw| {
            RefreshToken::verify(&raw, &app.vault.refresh_keys())
                .map_err(|_| ApiError::InvalidRefreshToken)
        })
        .transpose()?;
    let session = match (&access, &refresh) {
        (Some(access), Some(refresh)) if access.session() != refresh.session() => {
            return Err(ApiError::Invalid(
                "The access token and the refresh token are of two sessions.",
            ));
        }
        (Some(access), _) => access.session(),
        (None, Some(refresh)) => refresh.session(),
        (None, None) => return Err(ApiError::NoCredential),
    };
    let exp = access.as_ref().map(AccessToken::expires_at);
    match end(&app, Named { session, exp }, caller.client()).await? {
        Some(revocation) => receipts::answer(&app, revocation, patience).await,
        None => Ok(receipts::nothing()),
    }
}

/// The session that a token names.
pub struct Named {
    session: SessionId,
    /// Of the access token, if it is one.
    exp: Option<UnixTime>,
}

impl Named {
    /// By an access token whose signature holds.
    pub fn by_access(token: &AccessToken) -> Self {
        Self {
            session: token.session(),
            exp: Some(token.expires_at()),
        }
    }

    /// By a refresh token whose MAC holds, of any generation.
    pub fn by_refresh(token: &RefreshToken) -> Self {
        Self {
            session: token.session(),
            exp: None,
        }
    }
}

/// Ends the session, on disk. `None`: nothing was or is known of it.
///
/// # Errors
/// [`ApiError::Unavailable`].
pub async fn end(app: &App, named: Named, by: Client) -> Result<Option<Revocation>, ApiError> {
    let Named { session, exp } = named;
    match app.store.end_session(session, None, by.clone()).await? {
        Ended::By(revocation) => {
            let ended = Event::done("session_ended").because(Cause::LoggedOut.name());
            app.tell(&by, ended.session(session));
            Ok(Some(revocation))
        }
        Ended::LongAgo => Ok(None),
        // A restored store may not know the session, but its tokens are out there.
        Ended::Unknown => Ok(app.store.revoke_unknown(session, exp).await?),
    }
}

/// `GET /revocations/{id}`: how far a revocation has come.
///
/// # Errors
/// [`ApiError::NotFound`] for an id that was never given out.
pub async fn revocation(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let (number, mac) = id.split_once('.').ok_or(ApiError::NotFound)?;
    // One spelling: no leading zero, no sign.
    let number = number
        .parse()
        .ok()
        .filter(|parsed: &u64| parsed.to_string() == number)
        .ok_or(ApiError::NotFound)?;
    let revocation = app.store.revocation(number).await?;
    let revocation = revocation
        .filter(|found| app.vault.is_receipt_mac(number, found.mark, mac))
        .ok_or(ApiError::NotFound)?;
    let progress = receipts::look(&app, &revocation).await?;
    Ok(Answer(receipts::body(&app, &revocation, &progress)).into_response())
}
