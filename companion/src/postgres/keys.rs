//! Signing keys as they lie in the store, and the master keys that they lie under. The set is changed by functions of the schema alone.

use std::time::Duration;

use async_trait::async_trait;

use super::columns::{bytes, get, int, millis, span_millis, uint};
use super::work::{Db, ask, end};
use super::{Postgres, ending};
use crate::clock::Millis;
use crate::key_life::Life;
use crate::receipt::Revocation;
use crate::store::{
    Client, KeyChange, MasterKeyVersion, Outcome, REMOVED_KEY_LASTS, SealedKey, SealedKeys,
    SigningKeys, StoreError, StoredKey, key_words,
};

#[async_trait]
impl SigningKeys for Postgres {
    async fn master_keys(&self) -> Outcome<Vec<MasterKeyVersion>> {
        ask!(self, |db, _now| master_keys(db))
    }

    async fn add_master_key(&self, key: MasterKeyVersion) -> Outcome<bool> {
        ask!(self, |db, _now| add_master_key(db, key))
    }

    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()> {
        ask!(self, |db, now| add_first(db, now, keys))
    }

    async fn replace_keys(&self, keys: Vec<SealedKey>, by: Client) -> Outcome<u64> {
        let all = Change {
            events: vec!["signing_keys_replaced"],
            by,
            ..Change::to(keys)
        };
        ask!(self, |db, now| all.apply(db, now))?
            .ok_or_else(|| StoreError::new("the signing keys were not replaced"))
    }

    async fn change_keys(&self, change: KeyChange) -> Outcome<Option<u64>> {
        let retired = change.remove.iter().map(|_| "signing_key_retired");
        let added = change.add.iter().map(|_| "signing_key_added");
        let change = Change {
            of: Some(change.of),
            events: retired.chain(added).collect(),
            remove: Some(change.remove),
            ahead: change.ahead,
            by: change.by,
            add: change.add,
        };
        ask!(self, |db, now| change.apply(db, now))
    }

    async fn remove_key(
        &self,
        kid: String,
        spare: SealedKey,
        by: Client,
    ) -> Outcome<Option<Revocation>> {
        let removed = end!(self, |ending| remove(
            ending.db, ending.now, &kid, &spare, &by
        ))?;
        Ok(removed.map(|revocation| self.committed(revocation)))
    }

    async fn reseal_key(&self, kid: String, from: Vec<u8>, to: Vec<u8>) -> Outcome<()> {
        ask!(self, |db, _now| reseal(db, &kid, &from, &to))
    }

    async fn keys(&self) -> Outcome<SealedKeys> {
        ask!(self, |db, _now| all(db))
    }
}

async fn master_keys(db: Db<'_>) -> Outcome<Vec<MasterKeyVersion>> {
    const FIND: &str =
        "SELECT name, value FROM meta WHERE name = 'master_key' OR name LIKE 'master_key/%'";
    let mut known = Vec::new();
    for row in db.rows(FIND, &[]).await? {
        if let Some(version) = MasterKeyVersion::named(get(&row, "name")?) {
            let check_value = bytes(&row, "value")?;
            known.push(MasterKeyVersion {
                version,
                check_value,
            });
        }
    }
    Ok(known)
}

/// The first key that comes under that version stays.
async fn add_master_key(db: Db<'_>, key: MasterKeyVersion) -> Outcome<bool> {
    const KEEP: &str =
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    const COMPARE: &str = "SELECT value = $2 AS same FROM meta WHERE name = $1";
    let (name, check_value) = (key.name(), key.check_value.as_slice());
    db.execute(KEEP, &[&name, &check_value]).await?;
    get(&db.only_row(COMPARE, &[&name, &check_value]).await?, "same")
}

/// Of two companions that start at once the second finds another set by then.
async fn add_first(db: Db<'_>, now: Option<Millis>, keys: Vec<SealedKey>) -> Outcome<()> {
    const EMPTY: &str = "SELECT keys FROM feed_head WHERE NOT EXISTS (SELECT 1 FROM signing_keys)";
    let Some(row) = db.row(EMPTY, &[]).await? else {
        return Ok(());
    };
    let first = Change {
        of: Some(uint(&row, "keys")?),
        remove: Some(Vec::new()),
        ..Change::to(keys)
    };
    first.apply(db, now).await.map(drop)
}

/// What `change_keys` of the schema is told.
struct Change {
    /// `None`: whichever set there is.
    of: Option<u64>,
    /// `None`: all.
    remove: Option<Vec<String>>,
    add: Vec<SealedKey>,
    ahead: Duration,
    events: Vec<&'static str>,
    by: Client,
}

impl Change {
    /// These in the place of all, signing at once.
    fn to(keys: Vec<SealedKey>) -> Self {
        Self {
            of: None,
            remove: None,
            add: keys,
            ahead: Duration::ZERO,
            events: Vec::new(),
            by: Client::default(),
        }
    }

    async fn apply(self, db: Db<'_>, now: Option<Millis>) -> Outcome<Option<u64>> {
        const CHANGE: &str = "SELECT change_keys($1, $2, $3, $4, $5, $6, $7, $8, $9,
                ROW($10::text, $11::text, $12::text, $13::text)::client) AS number";
        let keys = self.add.iter();
        let kids: Vec<_> = keys.clone().map(|key| key.kid.as_str()).collect();
        let purposes: Vec<_> = keys.clone().map(|key| key.usage.name()).collect();
        let algorithms: Vec<_> = keys.clone().map(|key| key.algorithm.name()).collect();
        let secrets: Vec<_> = keys.map(|key| key.sealed.as_slice()).collect();
        let row = db
            .only_row(
                CHANGE,
                &[
                    &now.map(|now| now.0),
                    &self.of.map(int),
                    &self.remove,
                    &kids,
                    &purposes,
                    &algorithms,
                    &secrets,
                    &span_millis(self.ahead),
                    &self.events,
                    &self.by.ip,
                    &self.by.user_agent,
                    &self.by.actor,
                    &self.by.request_id,
                ],
            )
            .await?;
        let number = get::<Option<i64>>(&row, "number")?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    }
}

async fn remove(
    db: Db<'_>,
    now: Option<Millis>,
    kid: &str,
    spare: &SealedKey,
    by: &Client,
) -> Outcome<Option<Revocation>> {
    const REMOVE: &str = "
        SELECT * FROM remove_key($1, $2, $3, $4, $5, $6, ROW($7::text, $8::text, $9::text, $10::text)::client)";
    let lasts = i64::try_from(REMOVED_KEY_LASTS.as_secs()).unwrap_or(i64::MAX);
    let row = db
        .row(
            REMOVE,
            &[
                &now.map(|now| now.0),
                &kid,
                &spare.kid,
                &spare.algorithm.name(),
                &spare.sealed,
                &lasts,
                &by.ip,
                &by.user_agent,
                &by.actor,
                &by.request_id,
            ],
        )
        .await?;
    row.as_ref().map(ending::fresh).transpose()
}

async fn reseal(db: Db<'_>, kid: &str, from: &[u8], to: &[u8]) -> Outcome<()> {
    const RESEAL: &str = "UPDATE signing_keys SET sealed = $3 WHERE kid = $1 AND sealed = $2";
    db.execute(RESEAL, &[&kid, &from, &to]).await.map(drop)
}

/// One statement, so one snapshot: the version is that of these keys. Names are compared byte by byte, as in the embedded store.
async fn all(db: Db<'_>) -> Outcome<SealedKeys> {
    const KEYS: &str = r#"
        SELECT keys, kid, purpose, algorithm, sealed, created_at, signs_from
        FROM feed_head LEFT JOIN signing_keys ON true ORDER BY created_at, kid COLLATE "C""#;
    let rows = db.rows(KEYS, &[]).await?;
    let mut stored = SealedKeys {
        version: 0,
        keys: Vec::new(),
    };
    for row in &rows {
        stored.version = uint(row, "keys")?;
        let Some(kid) = get::<Option<String>>(row, "kid")? else {
            continue;
        };
        let (usage, algorithm) = key_words(get(row, "purpose")?, get(row, "algorithm")?)?;
        stored.keys.push(StoredKey {
            key: SealedKey {
                kid,
                usage,
                algorithm,
                sealed: get(row, "sealed")?,
            },
            life: Life {
                usage,
                published_at: millis(row, "created_at")?,
                signs_from: millis(row, "signs_from")?,
            },
        });
    }
    Ok(stored)
}
