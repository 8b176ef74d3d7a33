//! The versions of the master key: read from their files, and told apart by what the store has noted of each.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::secret;
use crate::store::{MasterKeyVersion, Store};
use crate::vault::{MasterKey, Vault};

/// The newest and two older ones: a refresh token is tried over these (design section 10).
pub const MOST: usize = 3;

/// The master key cannot be used; holds nothing of it.
#[derive(Debug)]
pub struct MasterKeyError(String);

impl fmt::Display for MasterKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MasterKeyError {}

fn doing<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> MasterKeyError {
    move |error| MasterKeyError(format!("{what}: {error}"))
}

/// Reads the files that the settings name, or the one in the state directory, which is made for a store that belongs to no key yet. One of
/// the keys at least must be one that the store knows; the others become its next versions (RR-16).
///
/// # Errors
/// [`MasterKeyError`].
pub async fn open(settings: &Settings, store: &dyn Store) -> Result<Vault, MasterKeyError> {
    const WHAT: &str = "the master key";
    let mut known = store.master_keys().await.map_err(doing(WHAT))?;
    let made = settings.state.join("master.key");
    let newest = settings.master_key_file.as_ref().unwrap_or(&made);
    let text = if settings.master_key_file.is_none() && known.is_empty() {
        secret::read_or_make(newest)
    } else {
        secret::read(newest)
    };
    let mut keys = vec![key(newest, text)?];
    for file in &settings.old_master_key_files {
        keys.push(key(file, secret::read(file))?);
    }
    let is_known = |known: &[MasterKeyVersion], key: &MasterKey| version(known, key).is_some();
    if !known.is_empty() && !keys.iter().any(|key| is_known(&known, key)) {
        return Err(MasterKeyError(format!(
            "{}: the store was made under another master key",
            newest.display()
        )));
    }
    // The oldest first, so that numbers grow with the keys.
    for key in keys.iter().rev() {
        if !is_known(&known, key) {
            known.push(note(store, &known, key).await?);
        }
    }
    let versions = keys.into_iter().map(|key| {
        let version = version(&known, &key);
        version.map(|version| (version, key))
    });
    let versions: Option<Vec<_>> = versions.collect();
    versions
        .and_then(Vault::of_versions)
        .ok_or_else(|| MasterKeyError(format!("{WHAT}: one key is named twice")))
}

fn key(
    file: &Path,
    text: Result<zeroize::Zeroizing<String>, secret::SecretFileError>,
) -> Result<MasterKey, MasterKeyError> {
    let text = text.map_err(doing("the master key"))?;
    MasterKey::of_text(&text).map_err(doing(file.display()))
}

fn version(known: &[MasterKeyVersion], key: &MasterKey) -> Option<u32> {
    let check_value = key.check_value();
    let known = known.iter().find(|known| known.check_value == check_value);
    known.map(|known| known.version)
}

/// Under the next number. Another companion that starts at the same time with the same key may have noted it.
async fn note(
    store: &dyn Store,
    known: &[MasterKeyVersion],
    key: &MasterKey,
) -> Result<MasterKeyVersion, MasterKeyError> {
    const WHAT: &str = "the master key";
    let newest = known.iter().map(|known| known.version).max().unwrap_or(0);
    let next = MasterKeyVersion {
        version: newest.saturating_add(1),
        check_value: key.check_value(),
    };
    if store.add_master_key(next).await.map_err(doing(WHAT))? {
        return Ok(next);
    }
    Err(MasterKeyError(
        "the master key: another companion starts with another new key at this moment".to_owned(),
    ))
}

/// Whether so many files may be named.
pub fn may_be(old_files: &[PathBuf]) -> bool {
    old_files.len() < MOST
}
