//! The operator's commands that work on the store itself, beside or without a running companion.

use std::path::Path;

use crate::clock::Clock;
use crate::config::{Settings, StoreKind};
use crate::keys;
use crate::master_key;
use crate::moving::{self, Moved};
use crate::postgres::Options;
use crate::receipt::Revocation;
use crate::service::open_store;
use crate::sqlite;
use crate::store::{Client, Outcome, Store};

/// How many sessions end in one transaction (design section 4).
const BATCH: u32 = 1_000;

/// Copies the embedded store. Gives what to tell the operator.
///
/// # Errors
/// What to tell him.
pub fn backup(settings: &Settings, file: &Path) -> Result<String, String> {
    if settings.store.kind != StoreKind::Sqlite {
        return Err(
            "the store is PostgreSQL: back it up with its own tools (docs/OPERATIONS.md)"
                .to_owned(),
        );
    }
    sqlite::backup(&settings.state, file).map_err(|error| error.to_string())?;
    Ok(format!(
        "{}: the store, without the master key, which must be kept elsewhere",
        file.display()
    ))
}

/// Moves the embedded store into a database.
///
/// # Errors
/// What to tell the operator.
pub async fn migrate(settings: &Settings, to: Options) -> Result<String, String> {
    if settings.store.kind != StoreKind::Sqlite {
        return Err("the settings name PostgreSQL already; name the embedded store".to_owned());
    }
    match moving::to_postgres(&settings.state, to, Clock::system()).await {
        Err(error) => Err(error.to_string()),
        Ok(Moved::Before) => {
            Ok("everything had been moved before; the embedded store is closed".to_owned())
        }
        Ok(Moved::Now(counts)) => {
            let counts: Vec<_> = counts
                .iter()
                .map(|(name, count)| format!("{name}: {count}"))
                .collect();
            Ok(format!(
                "moved and counted:\n  {}\nThe embedded store is closed. Set store.kind = \"postgres\", keep the master key.",
                counts.join("\n  ")
            ))
        }
    }
}

/// Makes new signing keys in the place of all that there are: for keys that have leaked.
///
/// # Errors
/// What to tell the operator.
pub async fn replace_keys(settings: &Settings) -> Result<String, String> {
    let store = open_store(settings, Clock::system())
        .await
        .map_err(|error| error.to_string())?;
    let vault = master_key::open(settings, store.as_ref())
        .await
        .map_err(|error| error.to_string())?;
    let number = store
        .replace_keys(keys::first(&vault, settings.tokens.algorithm.into()), by())
        .await
        .map_err(|error| error.to_string())?;
    Ok(format!(
        "new signing keys, with the number {number} in the feed: access tokens that the old ones have signed are refused at each gateway \
         from its next page on; sessions and refresh tokens stay"
    ))
}

/// Who works on the store itself.
fn by() -> Client {
    Client {
        actor: Some("command line".to_owned()),
        ..Client::default()
    }
}

/// Ends all sessions of all accounts, a thousand at a time.
///
/// # Errors
/// What to tell the operator; what has ended before stays ended.
pub async fn end_all_sessions(settings: &Settings) -> Result<String, String> {
    let store = open_store(settings, Clock::system())
        .await
        .map_err(|error| error.to_string())?;
    let ended = end_all(store.as_ref(), &by())
        .await
        .map_err(|error| error.to_string())?;
    Ok(ended.map_or_else(
        || "there was no session to end".to_owned(),
        |Revocation {
             sessions, number, ..
         }| {
            format!("{sessions} sessions ended; the last revocation has the number {number}")
        },
    ))
}

/// Ends all sessions of all accounts, as one revocation: that of the last of them, with all that there were.
///
/// # Errors
/// Those of the store; what has ended before stays ended.
pub async fn end_all(store: &dyn Store, by: &Client) -> Outcome<Option<Revocation>> {
    let mut all: Option<Revocation> = None;
    // Until there is none: a batch that is not full says nothing, because others end sessions too.
    while let Some(some) = store.end_some(BATCH, by.clone()).await? {
        all = Some(Revocation {
            sessions: some.sessions + all.map_or(0, |before| before.sessions),
            latest_exp: all.map_or(some.latest_exp, |before| {
                before.latest_exp.max(some.latest_exp)
            }),
            ..some
        });
    }
    Ok(all)
}
