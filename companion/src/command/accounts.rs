//! `latchkey accounts …`.

use serde_json::{Value, json};

use super::show::{Shown, table};
use super::{Companion, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum Accounts {
    /// Shows an account.
    Find {
        /// Its address or its id.
        account: String,
    },
    /// Ends its sessions, and lets it log in no more.
    Disable {
        /// Its address or its id.
        account: String,
    },
    /// Lets it log in again.
    Enable {
        /// Its address or its id.
        account: String,
    },
    /// Sets its roles, those and no other, and ends its sessions, so that no token has the old ones.
    Roles {
        /// Its address or its id.
        account: String,
        /// All that it is to have; none takes all away.
        roles: Vec<String>,
        /// Its sessions go on. Their tokens have the old roles until the next refresh.
        #[arg(long)]
        keep_sessions: bool,
    },
    /// Ends its sessions.
    EndSessions {
        /// Its address or its id.
        account: String,
    },
}

pub(super) async fn run(companion: &Companion, command: Accounts) -> Result<Shown, Failure> {
    match command {
        Accounts::Find { account } => {
            let found = find(companion, &account).await?;
            let text = shown(&found);
            Ok(Shown::new(found, text))
        }
        Accounts::Disable { account } => {
            let path = format!("{}/disable", path(companion, &account).await?);
            let answer = companion.post(&path).await?;
            Ok(Shown::receipt(answer, "disabled"))
        }
        Accounts::Enable { account } => {
            let path = format!("{}/enable", path(companion, &account).await?);
            let answer = companion.post(&path).await?;
            let text = shown(&answer);
            Ok(Shown::new(answer, text))
        }
        Accounts::Roles {
            account,
            roles,
            keep_sessions,
        } => {
            let path = format!("{}/roles", path(companion, &account).await?);
            let body = json!({ "roles": roles, "keep_sessions": keep_sessions });
            let answer = companion.put(&path, &body).await?;
            if keep_sessions {
                return Ok(Shown::new(answer, "roles set; the sessions go on"));
            }
            Ok(Shown::receipt(answer, "roles set"))
        }
        Accounts::EndSessions { account } => {
            let path = format!("{}/sessions", path(companion, &account).await?);
            let answer = companion.delete(&path).await?;
            Ok(Shown::receipt(answer, "done"))
        }
    }
}

/// By its address or its id.
async fn find(companion: &Companion, account: &str) -> Result<Value, Failure> {
    if !account.contains('@') {
        return companion
            .get(&format!("/accounts/{}", encoded(account)))
            .await;
    }
    let path = format!("/accounts?email={}", encoded(account));
    let found = companion.get(&path).await?;
    match found["accounts"].get(0) {
        Some(account) => Ok(account.clone()),
        None => Err(Failure::refused("there is no account of that address")),
    }
}

/// Where the account is.
pub(super) async fn path(companion: &Companion, account: &str) -> Result<String, Failure> {
    let found = find(companion, account).await?;
    let id = found["id"].as_str().unwrap_or_default();
    Ok(format!("/accounts/{id}"))
}

/// RFC 3986: all but the unreserved characters.
pub(super) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn shown(account: &Value) -> String {
    let columns = [
        ("id", "ID"),
        ("email", "E-MAIL"),
        ("active", "ACTIVE"),
        ("roles", "ROLES"),
        ("totp", "APP"),
        ("created_at", "CREATED"),
        ("deleted_at", "DELETED"),
    ];
    table(&columns, &json!([account]))
}
