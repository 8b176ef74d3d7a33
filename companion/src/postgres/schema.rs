//! The schema: brought up to date under a lock.

use std::time::Duration;

use tokio_postgres::{Client, Error};

use super::connect::{Address, OpenError};
use super::work::because;
use crate::clock::Millis;

pub(super) mod migrations {
    refinery::embed_migrations!("migrations/postgres");
}

/// Of all companions that start at once one migrates, and the others wait for it.
const LOCK: &str = "SELECT pg_advisory_lock(hashtextextended('latchkey migrations', 0))";
/// A migration over large tables takes its time.
const PATIENCE: Duration = Duration::from_secs(600);

/// Applies what is missing; refuses a database that knows more than this binary.
pub(super) async fn bring_up_to_date(address: &Address) -> Result<(), OpenError> {
    let failed = |error: Error| OpenError::new(because(&error));
    let mut client = connect(address).await.map_err(failed)?;
    let migrated = async {
        client
            .batch_execute("SET lock_timeout = 0; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            .await
            .map_err(failed)?;
        client.batch_execute(LOCK).await.map_err(failed)?;
        migrations::migrations::runner()
            .run_async(&mut client)
            .await
            .map(drop)
            .map_err(|error| refused(&error))
    };
    tokio::time::timeout(PATIENCE, migrated)
        .await
        .map_err(|_| OpenError::new("the migration, or the lock for it, takes too long"))?
}

/// With what the database said, which the tool keeps to itself.
fn refused(error: &refinery::Error) -> OpenError {
    let said = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<Error>())
        .map(because);
    match said {
        Some(said) => OpenError::new(format_args!("{error}: {said}")),
        None => OpenError::new(error),
    }
}

/// The database's time.
pub(super) async fn time(address: &Address) -> Result<Millis, OpenError> {
    let client = connect(address)
        .await
        .map_err(|error| OpenError::new(because(&error)))?;
    client
        .query_one("SELECT latchkey_now()", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map(Millis)
        .map_err(|error| OpenError::new(because(&error)))
}

/// One connection outside of the pool; it ends with its client.
pub(super) async fn connect(address: &Address) -> Result<Client, Error> {
    let (client, connection) = address.config.connect(address.tls.clone()).await?;
    tokio::spawn(async move {
        // What breaks it the client is told too.
        let _ = connection.await;
    });
    Ok(client)
}
