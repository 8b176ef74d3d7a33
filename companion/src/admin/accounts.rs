//! Accounts: found by their address or their id.

use axum::extract::State;
use axum::response::Json as Answer;
use serde::{Deserialize, Serialize};
use token::Subject;
use utoipa::ToSchema;

use super::Operator;
use crate::api::schemas;
use crate::app::App;
use crate::email::Email;
use crate::error::ApiError;
use crate::request::{Query, Segment};
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
