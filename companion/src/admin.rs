//! The operator's calls, on the internal listener: each needs an admin token, whose name is the actor in the audit log.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod feed;
pub(crate) mod gateways;
pub(crate) mod keys;
pub(crate) mod outbox;
pub(crate) mod sessions;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;
use crate::request::{Caller, bearer};
use crate::store::Client;

/// A token that is taken.
pub struct AdminToken {
    /// The actor.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
}

/// Who has sent a token that is taken.
#[derive(Clone, Debug)]
pub struct Operator {
    /// From where and by what name.
    pub by: Client,
}

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Ok(caller) = Caller::from_request_parts(parts, app).await;
        let mut by = caller.client();
        let token = bearer(&parts.headers)?.ok_or(ApiError::NoCredential)?;
        let Some(name) = name_of(&app.admin_tokens, &token) else {
            app.tell(&by, Event::failed("admin_refused"));
            return Err(ApiError::InvalidToken);
        };
        by.actor = Some(name);
        Ok(Self { by })
    }
}

/// Digests of equal length, compared in constant time, all of them.
fn name_of(known: &[AdminToken], presented: &str) -> Option<String> {
    let presented: [u8; 32] = Sha256::digest(presented).into();
    let mut name = None;
    for token in known {
        if bool::from(presented.ct_eq(&token.digest)) {
            name = Some(token.name.clone());
        }
    }
    name
}
