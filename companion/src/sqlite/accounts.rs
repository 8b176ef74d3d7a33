//! Accounts.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Row, params};
use token::Subject;

use super::Sqlite;
use super::audit::{self, Event};
use super::columns::{id, list, millis, uint};
use super::readers::Read;
use super::writer::Write;
use crate::email::Email;
use crate::store::{Account, Accounts, Client, Outcome, Profile};

#[async_trait]
impl Accounts for Sqlite {
    async fn account(&self, email: &Email) -> Outcome<Option<Account>> {
        let email = email.clone();
        self.readers
            .read(move |read| account(read, "email = ?1", email.as_str()))
            .await
    }

    async fn profile(&self, id: Subject) -> Outcome<Option<Profile>> {
        self.readers.read(move |read| profile(read, id)).await
    }

    async fn account_by_id(&self, id: Subject) -> Outcome<Option<Account>> {
        self.readers
            .read(move |read| account(read, "id = ?1", id.as_bytes()))
            .await
    }

    async fn raise_password_hash(
        &self,
        account: Subject,
        from: String,
        to: String,
    ) -> Outcome<bool> {
        self.writer
            .write(move |write| raise_password_hash(write, account, &from, &to))
            .await
    }
}

/// Sessions and the login epoch stay: the password is the same.
fn raise_password_hash(
    write: &Write<'_>,
    account: Subject,
    from: &str,
    to: &str,
) -> rusqlite::Result<bool> {
    let raise = "UPDATE accounts SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
    let raised = write
        .db
        .execute(raise, params![account.as_bytes(), from, to])?;
    Ok(raised > 0)
}

fn account(
    read: &Read<'_>,
    which: &str,
    key: impl rusqlite::ToSql,
) -> rusqlite::Result<Option<Account>> {
    let query = format!(
        "SELECT id, email, password_hash, login_epoch, is_active,
             EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed = 1) AS has_totp
         FROM accounts WHERE {which}"
    );
    let account = |row: &Row<'_>| {
        Ok(Account {
            id: Subject::from_bytes(id(row, "id")?),
            email: row.get("email")?,
            password_hash: row.get("password_hash")?,
            login_epoch: uint(row, "login_epoch")?,
            is_active: row.get("is_active")?,
            has_totp: row.get("has_totp")?,
        })
    };
    read.db.query_row(&query, [key], account).optional()
}

fn profile(read: &Read<'_>, id: Subject) -> rusqlite::Result<Option<Profile>> {
    read.db
        .prepare_cached(
            "SELECT email, created_at, roles,
             EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed = 1) AS has_totp,
             (SELECT COUNT(*) FROM recovery_codes WHERE account = accounts.id AND used_at IS NULL) AS codes
         FROM accounts WHERE id = ?1",
        )?
        .query_row([id.as_bytes()], |row| {
            Ok(Profile {
                email: row.get("email")?,
                created_at: millis(row, "created_at")?,
                roles: list(row, "roles")?,
                has_totp: row.get("has_totp")?,
                recovery_codes_left: uint(row, "codes")?,
            })
        })
        .optional()
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
