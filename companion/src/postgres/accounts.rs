//! Accounts.

use async_trait::async_trait;
use token::Subject;
use tokio_postgres::Row;

use super::Postgres;
use super::audit::{self, Event};
use super::columns::{bytes, get, list, millis, uint};
use super::work::{Arguments, Db, Write, ask};
use crate::email::Email;
use crate::store::{Account, Accounts, Client, Outcome, Profile};

#[async_trait]
impl Accounts for Postgres {
    async fn account(&self, email: &Email) -> Outcome<Option<Account>> {
        let email = email.clone();
        ask!(self, |db, _now| account(
            db,
            "email = $1",
            &[&email.as_str()]
        ))
    }

    async fn profile(&self, id: Subject) -> Outcome<Option<Profile>> {
        ask!(self, |db, _now| profile(db, id))
    }

    async fn account_by_id(&self, id: Subject) -> Outcome<Option<Account>> {
        ask!(self, |db, _now| account(
            db,
            "id = $1",
            &[&id.as_bytes().as_slice()]
        ))
    }

    async fn raise_password_hash(
        &self,
        account: Subject,
        from: String,
        to: String,
    ) -> Outcome<bool> {
        ask!(self, |db, _now| raise_password_hash(
            db, account, &from, &to
        ))
    }
}

/// Sessions and the login epoch stay: the password is the same.
async fn raise_password_hash(db: Db<'_>, account: Subject, from: &str, to: &str) -> Outcome<bool> {
    let raise = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
    let id = account.as_bytes().as_slice();
    db.execute(raise, &[&id, &from, &to])
        .await
        .map(|raised| raised > 0)
}

async fn account(db: Db<'_>, which: &str, key: Arguments<'_>) -> Outcome<Option<Account>> {
    let query = format!(
        "SELECT id, email, password_hash, login_epoch, is_active,
             EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed) AS has_totp
         FROM accounts WHERE {which}"
    );
    let account = |row: &Row| {
        Ok(Account {
            id: Subject::from_bytes(bytes(row, "id")?),
            email: get(row, "email")?,
            password_hash: get(row, "password_hash")?,
            login_epoch: uint(row, "login_epoch")?,
            is_active: get(row, "is_active")?,
            has_totp: get(row, "has_totp")?,
        })
    };
    db.row(&query, key).await?.as_ref().map(account).transpose()
}

async fn profile(db: Db<'_>, id: Subject) -> Outcome<Option<Profile>> {
    const PROFILE: &str = "
        SELECT email, created_at, roles,
             EXISTS (SELECT 1 FROM totp WHERE account = accounts.id AND is_confirmed) AS has_totp,
             (SELECT count(*) FROM recovery_codes WHERE account = accounts.id AND used_at IS NULL) AS codes
         FROM accounts WHERE id = $1";
    let Some(row) = db.row(PROFILE, &[&id.as_bytes().as_slice()]).await? else {
        return Ok(None);
    };
    Ok(Some(Profile {
        email: get(&row, "email")?,
        created_at: millis(&row, "created_at")?,
        roles: list(&row, "roles")?,
        has_totp: get(&row, "has_totp")?,
        recovery_codes_left: uint(&row, "codes")?,
    }))
}

/// Opens the account of a sign-up. False: there is one of that address already.
pub(super) async fn open_account(
    write: &Write<'_>,
    account: Subject,
    email: &str,
    password_hash: &str,
    by: &Client,
) -> Outcome<bool> {
    const OPEN: &str = "
        INSERT INTO accounts (id, email, password_hash, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (email) DO NOTHING";
    let id = account.as_bytes().as_slice();
    let opened = write
        .db
        .execute(OPEN, &[&id, &email, &password_hash, &write.now.0])
        .await?;
    if opened > 0 {
        let event = Event {
            name: "account_activated",
            account: Some(account),
            session: None,
        };
        audit::append(write, &event, by).await?;
    }
    Ok(opened > 0)
}
