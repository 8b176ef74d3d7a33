//! Accounts.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Row, params};
use token::Subject;

use super::Sqlite;
use super::audit::{self, Event};
use super::columns::{id, uint};
use super::readers::Read;
use super::writer::Write;
use crate::email::Email;
use crate::store::{Account, Accounts, Client, Outcome};

#[async_trait]
impl Accounts for Sqlite {
    async fn account(&self, email: &Email) -> Outcome<Option<Account>> {
        let email = email.clone();
        self.readers
            .read(move |read| account(read, email.as_str()))
            .await
    }
}

fn account(read: &Read<'_>, email: &str) -> rusqlite::Result<Option<Account>> {
    let query = "SELECT id, password_hash, login_epoch, is_active FROM accounts WHERE email = ?1";
    let account = |row: &Row<'_>| {
        Ok(Account {
            id: Subject::from_bytes(id(row, "id")?),
            password_hash: row.get("password_hash")?,
            login_epoch: uint(row, "login_epoch")?,
            is_active: row.get("is_active")?,
        })
    };
    read.db.query_row(query, [email], account).optional()
}

/// Opens the account of a sign-up. False: there is one of that address already.
pub(super) fn open_account(
    write: &Write<'_>,
    account: Subject,
    email: &str,
    password_hash: &str,
    by: &Client,
) -> rusqlite::Result<bool> {
    let opened = write.db.execute(
        "INSERT INTO accounts (id, email, password_hash, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (email) DO NOTHING",
        params![account.as_bytes(), email, password_hash, write.now.0],
    )?;
    if opened > 0 {
        let event = Event {
            name: "account_activated",
            cause: None,
            account: Some(account),
            session: None,
        };
        audit::append(write, &event, by)?;
    }
    Ok(opened > 0)
}
