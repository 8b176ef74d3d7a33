//! The owner's sessions: listed, ended one by one, ended all at once; and logout.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Json as Answer, Response};
use serde::{Deserialize, Serialize};
use token::{AccessToken, RefreshToken, SessionId, UnixTime};
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::App;
use crate::cookies;
use crate::credentials::Credentials;
use crate::delivery::Delivery;
use crate::error::ApiError;
use crate::event::Event;
use crate::label::is_label;
use crate::owner::{self, Owner};
use crate::receipt::Revocation;
use crate::receipts::{self, Patience};
use crate::request::{Caller, Json, OptionalJson, Segment};
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

/// `PATCH /sessions/{id}`: another name, or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renaming {
    // With a function of its own a member that is missing is an error, and no `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(schema_with = schemas::label, required = true)]
    label: Option<String>,
}

/// Renames a session. Somebody else's is as unknown as one that never was (SE-02).
///
/// # Errors
/// [`ApiError`].
pub async fn rename(
    State(app): State<App>,
    Segment(id): Segment,
    owner: Owner,
    Json(body): Json<Renaming>,
) -> Result<Answer<ShownSession>, ApiError> {
    if !body.label.iter().all(|label| is_label(label)) {
        return Err(ApiError::NoLabel);
    }
    let session: SessionId = id.parse().map_err(|_| ApiError::NotFound)?;
    let renamed = app
        .store
        .rename_session(session, owner.account, body.label)
        .await?
        .ok_or(ApiError::NotFound)?;
    let now = app.store.now().await?.wall.seconds();
    Ok(Answer(shown(&renamed, Some(owner.session), now)))
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
    let answer = match app
        .store
        .end_session(session, Some(owner.account), caller.client())
        .await?
    {
        Ended::Unknown => return Err(ApiError::NotFound),
        Ended::LongAgo => receipts::nothing(),
        Ended::By(revocation) => {
            let ended = Event::done("session_ended").of(owner.account);
            app.tell(&caller.client(), ended.session(session));
            receipts::answer(&app, revocation, patience).await?
        }
    };
    if session == owner.session {
        return Ok(cookies::logged_out(owner.delivery, answer));
    }
    Ok(answer)
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
    let answer = match app
        .store
        .end_sessions(owner.account, except, caller.client())
        .await?
    {
        None => receipts::nothing(),
        Some(revocation) => {
            let ended = Event::done("sessions_ended").of(owner.account);
            app.tell(&caller.client(), ended.session(owner.session));
            receipts::answer(&app, revocation, patience).await?
        }
    };
    if except.is_none() {
        return Ok(cookies::logged_out(owner.delivery, answer));
    }
    Ok(answer)
}

/// The body of a logout.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PresentedAtLogout)]
pub struct Presented {
    refresh_token: Option<String>,
}

/// `DELETE /sessions/current`: by access token, by refresh token of any generation, or by both when they are of one session; each where
/// it belongs, in header field and body or in its cookie.
///
/// # Errors
/// [`ApiError`].
pub async fn log_out(
    State(app): State<App>,
    caller: Caller,
    credentials: Credentials,
    patience: Patience,
    OptionalJson(body): OptionalJson<Presented>,
) -> Result<Response, ApiError> {
    let access = credentials.access()?;
    let refresh = credentials.refresh(body.and_then(|body| body.refresh_token))?;
    let is_by_cookie = [&access, &refresh]
        .into_iter()
        .flatten()
        .any(|presented| presented.by == Delivery::Cookie);
    let refresh = refresh
        .map(|presented| {
            RefreshToken::verify(&presented.token, &app.vault.refresh_keys())
                .map_err(|_| ApiError::InvalidRefreshToken)
        })
        .transpose()?;
    let access = match access {
        Some(presented) => match owner::at_logout(&app, &presented.token).await {
            // A browser sends all that it has: of a cookie that proves nothing nobody wants anything, while the other one does.
            Err(ApiError::InvalidToken)
                if presented.by == Delivery::Cookie && refresh.is_some() =>
            {
                None
            }
            token => Some(token?),
        },
        None => None,
    };
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
    let answer = match end(&app, Named { session, exp }, caller.client()).await? {
        Some(revocation) => receipts::answer(&app, revocation, patience).await?,
        None => receipts::nothing(),
    };
    let by = if is_by_cookie {
        Delivery::Cookie
    } else {
        Delivery::Body
    };
    Ok(cookies::logged_out(by, answer))
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
        Ended::Unknown => Ok(app.store.revoke_unknown(session, exp, by).await?),
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
