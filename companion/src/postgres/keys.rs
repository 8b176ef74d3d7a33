//! Signing keys as they lie in the store, and the master key that they lie under.

use async_trait::async_trait;

use super::work::{ask, change};
use super::{Postgres, feed, schema};
use crate::store::{Outcome, SealedKey, SealedKeys, SigningKeys};

#[async_trait]
impl SigningKeys for Postgres {
    async fn has_master_key(&self) -> Outcome<bool> {
        ask!(self, |db, _now| schema::has_master_key(db))
    }

    async fn is_master_key(&self, check_value: [u8; 32]) -> Outcome<bool> {
        ask!(self, |db, _now| schema::is_master_key(db, check_value))
    }

    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()> {
        change!(self, OnDisk, |write| feed::add_first_keys(write, &keys))
    }

    async fn replace_keys(&self, keys: Vec<SealedKey>) -> Outcome<u64> {
        change!(self, OnDisk, |write| feed::replace_keys(write, &keys))
    }

    async fn keys(&self) -> Outcome<SealedKeys> {
        ask!(self, |db, _now| feed::keys(db))
    }
}
