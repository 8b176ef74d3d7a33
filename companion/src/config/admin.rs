//! `[[admin_tokens]]`: who may call the admin API.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// One token. Without any, `admin.token` in the state directory is the token of `admin`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminToken {
    /// The actor in the audit log.
    pub name: String,
    /// The file with the token.
    pub token_file: PathBuf,
}

const MOST: usize = 32;
const LONGEST_NAME: usize = 64;

/// Refuses what cannot be meant.
///
/// # Errors
/// Names the key.
pub(super) fn check(tokens: &[AdminToken]) -> Result<(), ConfigError> {
    if tokens.len() > MOST {
        return Err(ConfigError::at("admin_tokens", "must be 32 at most"));
    }
    let mut names = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_name = (1..=LONGEST_NAME).contains(&token.name.len())
            && token
                .name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte));
        let key = || format!("admin_tokens[{at}].name");
        if !is_name {
            return Err(ConfigError::at(
                &key(),
                "must have 1 to 64 letters, digits, or any of ._@-",
            ));
        }
        // Two tokens of one name would be one actor; rotation gives the new one a name of its own.
        if !names.insert(&token.name) {
            return Err(ConfigError::at(
                &key(),
                "must be a name that no other token has",
            ));
        }
    }
    Ok(())
}
