//! Signing keys as they lie in the store, and the master key that they lie under.

use async_trait::async_trait;

use super::{Sqlite, feed};
use crate::store::{Outcome, SealedKey, SealedKeys, SigningKeys};

#[async_trait]
impl SigningKeys for Sqlite {
    async fn has_master_key(&self) -> Outcome<bool> {
        self.readers
            .read(|read| {
                read.db.query_row(
                    "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'master_key')",
                    [],
                    |row| row.get(0),
                )
            })
            .await
    }

    async fn is_master_key(&self, check_value: [u8; 32]) -> Outcome<bool> {
        self.writer
            .write(move |write| {
                write.db.execute(
                    "INSERT INTO meta (name, value) VALUES ('master_key', ?1) ON CONFLICT (name) DO NOTHING",
                    [check_value],
                )?;
                write.db.query_row(
                    "SELECT value = ?1 FROM meta WHERE name = 'master_key'",
                    [check_value],
                    |row| row.get(0),
                )
            })
            .await
    }

    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()> {
        self.writer
            .write(move |write| feed::add_first_keys(write, &keys))
            .await
    }

    async fn replace_keys(&self, keys: Vec<SealedKey>) -> Outcome<u64> {
        self.writer
            .write(move |write| feed::replace_keys(write, &keys))
            .await
    }

    async fn keys(&self) -> Outcome<SealedKeys> {
        self.readers.read(feed::keys).await
    }
}
