//! Signing keys as they lie in the store, and the master keys that they lie under.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, named_params, params};

use super::audit::{self, Event};
use super::columns::millis;
use super::readers::Read;
use super::writer::Write;
use super::{Sqlite, ending, feed};
use crate::key_life::Life;
use crate::receipt::Revocation;
use crate::store::{
    Client, KeyChange, MasterKeyVersion, Outcome, REMOVED_KEY_LASTS, SealedKey, SealedKeys,
    SigningKeys, StoredKey, key_words,
};

#[async_trait]
impl SigningKeys for Sqlite {
    async fn master_keys(&self) -> Outcome<Vec<MasterKeyVersion>> {
        self.readers
            .read(|read| {
                let mut statement = read.db.prepare_cached(
                    "SELECT name, value FROM meta WHERE name = 'master_key' OR name LIKE 'master_key/%'",
                )?;
                let rows = statement.query_map([], |row| {
                    let name: String = row.get("name")?;
                    Ok((MasterKeyVersion::named(&name), row.get("value")?))
                })?;
                let known = rows.filter_map(|row| {
                    row.map(|(version, check_value)| {
                        version.map(|version| MasterKeyVersion { version, check_value })
                    })
                    .transpose()
                });
                known.collect()
            })
            .await
    }

    async fn add_master_key(&self, key: MasterKeyVersion) -> Outcome<bool> {
        let name = key.name();
        self.writer
            .write(move |write| {
                write.db.execute(
                    "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                    params![name, key.check_value],
                )?;
                write.db.query_row(
                    "SELECT value = ?2 FROM meta WHERE name = ?1",
                    params![name, key.check_value],
                    |row| row.get(0),
                )
            })
            .await
    }

    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()> {
        self.writer
            .write(move |write| {
                if write
                    .db
                    .query_row("SELECT EXISTS (SELECT 1 FROM signing_keys)", [], |row| {
                        row.get(0)
                    })?
                {
                    return Ok(());
                }
                add(write, &keys, Duration::ZERO)?;
                feed::publish_keys(write).map(drop)
            })
            .await
    }

    async fn replace_keys(&self, keys: Vec<SealedKey>, by: Client) -> Outcome<u64> {
        self.writer
            .write(move |write| {
                // From this commit on nothing that the old keys have signed is good any more.
                write.db.execute("DELETE FROM signing_keys", [])?;
                add(write, &keys, Duration::ZERO)?;
                note(write, "signing_keys_replaced", &by)?;
                feed::publish_keys(write)
            })
            .await
    }

    async fn change_keys(&self, change: KeyChange) -> Outcome<Option<u64>> {
        self.writer.write(move |write| apply(write, &change)).await
    }

    async fn remove_key(
        &self,
        kid: String,
        spare: SealedKey,
        by: Client,
    ) -> Outcome<Option<Revocation>> {
        let removed = self
            .writer
            .write(move |write| remove(write, &kid, &spare, &by))
            .await?;
        Ok(removed.map(|revocation| self.committed(revocation)))
    }

    async fn reseal_key(&self, kid: String, from: Vec<u8>, to: Vec<u8>) -> Outcome<()> {
        self.writer
            .write(move |write| {
                write
                    .db
                    .execute(
                        "UPDATE signing_keys SET sealed = ?3 WHERE kid = ?1 AND sealed = ?2",
                        params![kid, from, to],
                    )
                    .map(drop)
            })
            .await
    }

    async fn keys(&self) -> Outcome<SealedKeys> {
        self.readers.read(all).await
    }
}

fn all(read: &Read<'_>) -> rusqlite::Result<SealedKeys> {
    let version = feed::keys_version(read.db)?;
    let mut statement = read.db.prepare_cached(
        "SELECT kid, purpose, algorithm, sealed, created_at, signs_from FROM signing_keys ORDER BY created_at, kid",
    )?;
    let rows = statement.query_map([], |row| {
        let (usage, algorithm): (String, String) = (row.get("purpose")?, row.get("algorithm")?);
        let (usage, algorithm) = key_words(&usage, &algorithm).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
        })?;
        Ok(StoredKey {
            key: SealedKey {
                kid: row.get("kid")?,
                usage,
                algorithm,
                sealed: row.get("sealed")?,
            },
            life: Life {
                usage,
                published_at: millis(row, "created_at")?,
                signs_from: millis(row, "signs_from")?,
            },
        })
    })?;
    Ok(SealedKeys {
        version,
        keys: rows.collect::<rusqlite::Result<_>>()?,
    })
}

fn apply(write: &Write<'_>, change: &KeyChange) -> rusqlite::Result<Option<u64>> {
    if feed::keys_version(write.db)? != change.of {
        return Ok(None);
    }
    for kid in &change.remove {
        write
            .db
            .execute("DELETE FROM signing_keys WHERE kid = ?1", [kid])?;
        note(write, "signing_key_retired", &change.by)?;
    }
    for _ in &change.add {
        note(write, "signing_key_added", &change.by)?;
    }
    add(write, &change.add, change.ahead)?;
    feed::publish_keys(write).map(Some)
}

fn remove(
    write: &Write<'_>,
    kid: &str,
    spare: &SealedKey,
    by: &Client,
) -> rusqlite::Result<Option<Revocation>> {
    let removed = write
        .db
        .query_row(
            "DELETE FROM signing_keys WHERE kid = ?1 RETURNING purpose, created_at, signs_from",
            [kid],
            |row| {
                let usage: String = row.get("purpose")?;
                Ok((
                    usage,
                    millis(row, "created_at")?,
                    millis(row, "signs_from")?,
                ))
            },
        )
        .optional()?;
    let Some((usage, created_at, signs_from)) = removed else {
        return Ok(None);
    };
    let newest: Option<String> = write
        .db
        .query_row(
            "SELECT kid FROM signing_keys WHERE purpose = ?1 ORDER BY created_at DESC, kid DESC LIMIT 1",
            [&usage],
            |row| row.get(0),
        )
        .optional()?;
    let was_signer = signs_from <= write.now
        && !write.db.query_row(
            "SELECT EXISTS (SELECT 1 FROM signing_keys
             WHERE purpose = ?1 AND signs_from <= ?2 AND (created_at > ?3 OR (created_at = ?3 AND kid > ?4)))",
            params![usage, write.now.0, created_at.0, kid],
            |row| row.get(0),
        )?;
    match newest {
        Some(newest) if was_signer => {
            write.db.execute(
                "UPDATE signing_keys SET signs_from = MIN(signs_from, ?2) WHERE kid = ?1",
                params![newest, write.now.0],
            )?;
        }
        Some(_) => {}
        None => add(write, std::slice::from_ref(spare), Duration::ZERO)?,
    }
    note(write, "signing_key_removed", by)?;
    let number = feed::publish_keys(write)?;
    let last = write.now.plus(REMOVED_KEY_LASTS).seconds();
    ending::note(write, number, 0, last).map(Some)
}

fn add(write: &Write<'_>, keys: &[SealedKey], ahead: Duration) -> rusqlite::Result<()> {
    for key in keys {
        write.db.execute(
            "INSERT INTO signing_keys (kid, purpose, algorithm, sealed, created_at, signs_from)
             VALUES (:kid, :purpose, :algorithm, :sealed, :now, :signs_from)",
            named_params! {
                ":kid": key.kid, ":purpose": key.usage.name(), ":algorithm": key.algorithm.name(),
                ":sealed": key.sealed, ":now": write.now.0, ":signs_from": write.now.plus(ahead).0,
            },
        )?;
    }
    Ok(())
}

fn note(write: &Write<'_>, name: &'static str, by: &Client) -> rusqlite::Result<()> {
    let event = Event {
        name,
        cause: None,
        account: None,
        session: None,
    };
    audit::append(write, &event, by)
}
