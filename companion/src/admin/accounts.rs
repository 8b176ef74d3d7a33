//! Accounts: found by their address or their id.

use axum::extract::State;
use axum::response::{Json as Answer, Response};
use serde::{Deserialize, Serialize};
use token::Subject;
use utoipa::ToSchema;

use super::Operator;
use crate::api::schemas;
use crate::app::App;
use crate::email::Email;
use crate::error::ApiError;
use crate::event::Event;
use crate::receipt::Revocation;
use crate::receipts::{self, Patience};
use crate::request::{Json, Query, Segment};
use crate::roles;
use crate::store::{FoundAccount, Sought};
use crate::tokens::rfc3339;

/// `GET /admin/v1/accounts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    email: String,
}

/// The account of an address: one or none.
pub(crate) async fn find(
    State(app): State<App>,
    _: Operator,
    Query(which): Query<Which>,
) -> Result<Answer<Accounts>, ApiError> {
    let email = Email::parse(&which.email).ok_or(ApiError::InvalidEmail)?;
    let found = app.store.find_account(Sought::Email(email)).await?;
    let accounts = found.into_iter().map(Account::from).collect();
    Ok(Answer(Accounts { accounts }))
}

/// `GET /admin/v1/accounts/{id}`.
pub(crate) async fn one(
    State(app): State<App>,
    _: Operator,
    Segment(id): Segment,
) -> Result<Answer<Account>, ApiError> {
    let found = existing(&app, &id).await?;
    Ok(Answer(found.into()))
}

/// `POST /admin/v1/accounts/{id}/disable`.
pub(crate) async fn disable(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(id): Segment,
    patience: Patience,
) -> Result<Response, ApiError> {
    let id: Subject = id.parse().map_err(|_| ApiError::NotFound)?;
    let changed = app.store.disable_account(id, by.clone()).await?;
    let changed = changed.ok_or(ApiError::NotFound)?;
    app.tell(&by, Event::done("account_disabled").of(id));
    answer(&app, changed.revocation, patience).await
}

/// `POST /admin/v1/accounts/{id}/enable`.
pub(crate) async fn enable(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(id): Segment,
) -> Result<Answer<Account>, ApiError> {
    let account: Subject = id.parse().map_err(|_| ApiError::NotFound)?;
    if !app.store.enable_account(account, by.clone()).await? {
        return Err(ApiError::NotFound);
    }
    app.tell(&by, Event::done("account_enabled").of(account));
    existing(&app, &id).await.map(|found| Answer(found.into()))
}

/// `PUT /admin/v1/accounts/{id}/roles`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roles {
    /// All that it is to have.
    #[schema(schema_with = schemas::roles)]
    roles: Vec<String>,
    /// Its sessions go on; their tokens have the old roles until the next refresh.
    #[serde(default)]
    keep_sessions: bool,
}

/// Sets the roles of an account, and ends its sessions unless told otherwise (SE-06).
pub(crate) async fn set_roles(
    State(app): State<App>,
    Operator { by }: Operator,
    Segment(id): Segment,
    patience: Patience,
    Json(body): Json<Roles>,
) -> Result<Response, ApiError> {
    let id: Subject = id.parse().map_err(|_| ApiError::NotFound)?;
    roles::check(&body.roles).map_err(|_| ApiError::Invalid(BAD_ROLES))?;
    let changed = app
        .store
        .set_roles(id, body.roles, !body.keep_sessions, by.clone())
        .await?;
    let changed = changed.ok_or(ApiError::NotFound)?;
    app.tell(&by, Event::done("roles_changed").of(id));
    answer(&app, changed.revocation, patience).await
}

/// What is wrong with roles.
pub(crate) const BAD_ROLES: &str =
    "A role must have 1 to 64 of A-Z a-z 0-9 . _ : / -, once; at most 64 of them, and 1024 bytes.";

async fn answer(
    app: &App,
    revocation: Option<Revocation>,
    patience: Patience,
) -> Result<Response, ApiError> {
    match revocation {
        Some(revocation) => receipts::answer(app, revocation, patience).await,
        None => Ok(receipts::nothing()),
    }
}

/// The account of that id.
pub(crate) async fn existing(app: &App, id: &str) -> Result<FoundAccount, ApiError> {
    let id: Subject = id.parse().map_err(|_| ApiError::NotFound)?;
    let found = app.store.find_account(Sought::Id(id)).await?;
    found.ok_or(ApiError::NotFound)
}

/// What was found.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundAccounts)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
}

/// An account as an operator sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundAccount)]
pub(crate) struct Account {
    #[schema(schema_with = schemas::id)]
    id: String,
    email: String,
    /// Whether it may log in.
    active: bool,
    roles: Vec<String>,
    /// Whether login asks for an authenticator app.
    totp: bool,
    #[schema(schema_with = schemas::moment)]
    created_at: String,
    /// When its owner deleted it.
    #[schema(required)]
    deleted_at: Option<String>,
}

impl From<FoundAccount> for Account {
    fn from(found: FoundAccount) -> Self {
        Self {
            id: found.id.to_string(),
            email: found.email,
            active: found.is_active,
            roles: found.roles,
            totp: found.has_totp,
            created_at: rfc3339(found.created_at),
            deleted_at: found.deleted_at.map(rfc3339),
        }
    }
}
