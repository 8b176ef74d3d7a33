//! `[roles.<name>]`: what the roles of accounts stand for.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Settings, demand};
use crate::roles::{is_name, largest_token};

/// `[roles.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// Go into the `scope` of whoever has the role.
    pub scopes: Vec<String>,
}

/// The roles by themselves, and that every token that can come of them fits into a cookie (CK-03).
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    for (name, role) in &settings.roles {
        demand(
            is_name(name),
            &format!("roles.{name}"),
            "must have 1 to 64 of A-Z a-z 0-9 . _ : / -",
        )?;
        demand(
            role.scopes.iter().all(|scope| is_name(scope)),
            &format!("roles.{name}.scopes"),
            "must each have 1 to 64 of A-Z a-z 0-9 . _ : / -",
        )?;
    }
    demand(
        largest_token(settings) <= crate::roles::MAX_TOKEN,
        "roles",
        "must leave room in an access token of 4 KiB: issuer, audiences, client_id and all scopes together are too long",
    )
}
