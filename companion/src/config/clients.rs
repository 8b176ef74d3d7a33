//! `[[clients]]`: who may call the OAuth endpoints with a secret.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Settings, demand};

/// `[[clients]]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OauthClient {
    /// `client_id`.
    pub id: String,
    /// The file with its secret.
    pub secret_file: PathBuf,
    /// Whether it may ask what a token is (RFC 7662).
    #[serde(default)]
    pub introspect: bool,
}

pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    for (at, client) in settings.clients.iter().enumerate() {
        let key = format!("clients[{at}].id");
        // RFC 6749 appendix A.1; a colon would end it in HTTP Basic.
        let is_id = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        demand(
            (1..=128).contains(&client.id.len()) && client.id.bytes().all(is_id),
            &key,
            "must have 1 to 128 printable characters and no colon",
        )?;
        let mut others = settings.clients.iter().take(at);
        demand(
            client.id != settings.client_id && others.all(|other| other.id != client.id),
            &key,
            "must be another one than client_id and those of all other clients",
        )?;
    }
    Ok(())
}
