//! What a companion has handed out, and where none of it may stand afterwards: its database with all that belongs to it, and its log.

use std::fs;
use std::path::Path;

use companion::config::Settings;
use companion::master_key;
use companion::store::{SealedKeys, StoredKey};
use companion::vault::Vault;

use super::Companion;
use crate::fault::Fault;
use crate::leaks::Secrets;
use crate::postgres::Postgres;
use crate::record::Record;

/// The embedded store's files; some are there only while the companion runs.
const FILES: [&str; 6] = [
    "latchkey.db",
    "latchkey.db-wal",
    "latchkey.db-shm",
    "throttle.db",
    "throttle.db-wal",
    "throttle.db-shm",
];

impl Companion {
    /// What it has logged, at the most talkative level.
    pub fn log(&self) -> Vec<u8> {
        self.lines.bytes()
    }

    /// What a thief of its database has: the files, or every value of every table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn dump(&self) -> Result<Vec<u8>, Fault> {
        dump(self.state(), self.database())
    }

    /// The secrets that it has handed out so far, and those in its files.
    pub fn record(&self) -> &Record {
        self.record
            .with(|secrets| add_files(secrets, &self.settings));
        &self.record
    }

    /// Adds the private keys that it has now, and says how many there are.
    ///
    /// # Errors
    /// When they do not open.
    pub fn record_keys(&self) -> Result<usize, Fault> {
        let Some(running) = &self.running else {
            return Ok(0);
        };
        let store = running.service.store();
        let store = store.ok_or_else(|| Fault::new("the store is closed"))?;
        let sealed = running.runtime.block_on(store.keys());
        let sealed = sealed.map_err(Fault::while_doing("the sealed keys"))?;
        let vault = master_key::open(&self.settings, store.as_ref());
        let vault = running.runtime.block_on(vault);
        let vault = vault.map_err(Fault::while_doing("the master key"))?;
        self.record
            .with(|secrets| add_private_keys(secrets, &vault, &sealed))
    }

    /// Which secrets stand in its database or in its log, by name: none, or it has leaked them. Looked for when it is dropped, too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn leaks(&self) -> Result<Vec<String>, Fault> {
        let places = [("the database", self.dump()?), ("the log", self.log())];
        let leaks = self.record().with(|secrets| {
            places.map(|(place, text)| {
                let found = secrets.found_in(&text).into_iter();
                found
                    .map(|found| format!("{found}, in {place}"))
                    .collect::<Vec<_>>()
            })
        });
        Ok(leaks.concat())
    }

    /// The test itself puts a secret where none may be: nobody looks for it afterwards.
    pub const fn taint(&mut self) {
        self.is_tainted = true;
    }
}

/// ST-01, AU-02: whatever a test has done with its companion, no secret stands in the database or in the log.
impl Drop for Companion {
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_tainted {
            return;
        }
        // That the database is gone, or a key does not open, is the business of the test that did so.
        let _ = self.record_keys();
        if let Ok(leaks) = self.leaks() {
            assert!(leaks.is_empty(), "the companion has leaked {leaks:#?}");
        }
    }
}

/// What a thief of the database has: its files, or every value of every table.
///
/// # Errors
/// When the database does not answer.
fn dump(state: &Path, database: Option<&str>) -> Result<Vec<u8>, Fault> {
    let Some(database) = database else {
        let read = |name: &&str| fs::read(state.join(name)).ok();
        return Ok(FILES.iter().filter_map(read).flatten().collect());
    };
    let rows = |sql: &str| Postgres::shared().query_text(database, sql);
    let mut dump = Vec::new();
    for table in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")? {
        let [Some(table)] = table.as_slice() else {
            continue;
        };
        for value in rows(&format!("SELECT * FROM {table}"))?
            .into_iter()
            .flatten()
        {
            dump.extend(value.map(bytes_of).unwrap_or_default());
            dump.push(b'\n');
        }
    }
    Ok(dump)
}

/// PostgreSQL writes bytes in hex.
fn bytes_of(value: String) -> Vec<u8> {
    let digits = value.strip_prefix("\\x").map(str::as_bytes);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).unwrap_or_default()
    };
    match digits {
        Some(digits) => digits.chunks(2).map(byte).collect(),
        None => value.into_bytes(),
    }
}

/// Adds what lies in files: keys and tokens that were made or given, the codes in its mails, and the database's password.
fn add_files(secrets: &mut Secrets, settings: &Settings) {
    let state = &settings.state;
    let made = ["master.key", "gateway.token", "admin.token"].map(|name| state.join(name));
    let given = settings.gateway_token_files.iter();
    let given = given
        .chain(&settings.master_key_file)
        .chain(&settings.old_master_key_files)
        .cloned();
    for file in made.into_iter().chain(given) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Ok(text) = fs::read_to_string(&file) {
            secrets.add(&name, text.trim());
        }
    }
    if let Some(url) = settings
        .store
        .url_file
        .as_ref()
        .and_then(|file| fs::read_to_string(file).ok())
        && let Some((before, _)) = url.split_once('@')
        && let Some((_, password)) = before.rsplit_once(':')
    {
        secrets.add("the database's password", password);
    }
    for mail in fs::read_dir(state.join("mail"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let mail = fs::read_to_string(mail.path()).unwrap_or_default();
        add_codes(secrets, &mail);
    }
}

/// The six digits and the long codes in the body of a mail.
fn add_codes(secrets: &mut Secrets, mail: &str) {
    let body = mail.lines().skip_while(|line| !line.is_empty());
    for word in body.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric())) {
        if word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()) {
            secrets.add_word("a mailed code", word);
        }
        let is_base32 = |byte: u8| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte);
        if word.len() == 26 && word.bytes().all(is_base32) {
            secrets.add("a long code", word);
            secrets.add("a long code", &word.to_ascii_lowercase());
            secrets.add("a long code", &word.to_ascii_uppercase());
        }
    }
}

/// Adds the private keys that lie sealed in the store, and says how many there are.
///
/// # Errors
/// When one does not open under the master key.
fn add_private_keys(
    secrets: &mut Secrets,
    vault: &Vault,
    sealed: &SealedKeys,
) -> Result<usize, Fault> {
    for StoredKey { key, .. } in &sealed.keys {
        let context = format!("signing key {} {}", key.usage.name(), key.kid);
        let opened = vault.unseal(&context, &key.sealed);
        let opened = opened.ok_or_else(|| Fault::new(format!("{context} does not open")))?;
        secrets.add_bytes("a private key", &opened);
    }
    Ok(sealed.keys.len())
}
