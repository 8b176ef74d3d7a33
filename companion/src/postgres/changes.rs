//! What changes an account: each with its event, its mail and the end of sessions in one transaction, the end as its last statement.

use async_trait::async_trait;
use token::{SessionId, Subject};

use super::audit::{self, Event};
use super::columns::{get, list_text};
use super::ending::Ending;
use super::work::{Commit, Done, Working, Write, change, transaction};
use super::{Postgres, codes, mails, outbox};
use crate::code::Purpose;
use crate::errand;
use crate::store::{
    Cause, Changed, Changes, Client, EmailChange, Outcome, PasswordChange, Recovery,
};

#[async_trait]
impl Changes for Postgres {
    async fn recover(&self, recovery: Recovery) -> Outcome<Option<Changed>> {
        self.change(move |write| Box::pin(async move { recover(write, &recovery).await }))
            .await
    }

    async fn change_email(&self, change: EmailChange) -> Outcome<bool> {
        change!(self, OnDisk, |write| change_email(write, &change))
    }

    async fn change_password(&self, change: PasswordChange) -> Outcome<Option<Changed>> {
        self.change(move |write| Box::pin(async move { change_password(write, &change).await }))
            .await
    }

    async fn delete_account(
        &self,
        account: Subject,
        session: SessionId,
        by: Client,
    ) -> Outcome<Option<Changed>> {
        self.change(move |write| {
            Box::pin(async move { delete(write, account, session, &by).await })
        })
        .await
    }

    async fn disable_account(&self, account: Subject, by: Client) -> Outcome<Option<Changed>> {
        self.change(move |write| Box::pin(async move { disable(write, account, &by).await }))
            .await
    }

    async fn enable_account(&self, account: Subject, by: Client) -> Outcome<bool> {
        change!(self, OnDisk, |write| enable(write, account, &by))
    }

    async fn set_roles(
        &self,
        account: Subject,
        roles: Vec<String>,
        ends_sessions: bool,
        by: Client,
    ) -> Outcome<Option<Changed>> {
        self.change(move |write| {
            Box::pin(async move { set_roles(write, account, &roles, ends_sessions, &by).await })
        })
        .await
    }
}

type Change = Done<Option<Changed>>;

impl Postgres {
    async fn change(
        &self,
        work: impl for<'a> FnOnce(&'a Write<'a>) -> Working<'a, Change> + Send,
    ) -> Outcome<Option<Changed>> {
        let lost = self.witness.lost();
        let changed =
            transaction(&self.pool, self.set_moment(), lost, Commit::OnDisk, work).await?;
        Ok(changed.map(|changed| Changed {
            revocation: changed
                .revocation
                .map(|revocation| self.committed(revocation)),
            ..changed
        }))
    }
}

async fn recover(write: &Write<'_>, recovery: &Recovery) -> Outcome<Change> {
    const SET: &str =
        "UPDATE accounts SET password_hash = $2 WHERE id = $1 AND email = $3 AND is_active";
    let Some(used) = codes::use_up(write, &recovery.code, Purpose::Recovery).await? else {
        return Ok(Done::Commit(None));
    };
    let Some(account) = used.account else {
        return Ok(Done::Commit(None));
    };
    let id = account.as_bytes().as_slice();
    let changed = write
        .db
        .execute(SET, &[&id, &recovery.password_hash, &used.email])
        .await?;
    if changed == 0 {
        return Ok(Done::Commit(None));
    }
    note(write, account, None, "account_recovered", &recovery.by).await?;
    outbox::add_notice(write, errand::RECOVERED, Some(account), None).await?;
    close_challenges(write, account).await?;
    end(write, account, None, Cause::Recovered, &recovery.by).await
}

async fn change_email(write: &Write<'_>, change: &EmailChange) -> Outcome<bool> {
    const SET: &str = "
        UPDATE accounts SET email = $2 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM accounts WHERE email = $2)";
    let Some(used) = codes::use_up(write, &change.code, Purpose::EmailChange).await? else {
        return Ok(false);
    };
    let (account, session) = (Some(change.account), Some(change.session));
    if used.account != account || used.session != session {
        return Ok(false);
    }
    // Whoever opens an account of that address, or takes it for another, holds this too.
    codes::hold(write, Purpose::Activation, None, &used.email).await?;
    let Some(before) = mails::of_session(write, account, session).await? else {
        return Ok(false);
    };
    let id = change.account.as_bytes().as_slice();
    if write.db.execute(SET, &[&id, &used.email]).await? == 0 {
        return Ok(false);
    }
    note(write, change.account, session, "email_changed", &change.by).await?;
    for to in [before.email, used.email] {
        outbox::add_notice(write, errand::EMAIL_CHANGED, account, Some(&to)).await?;
    }
    close_challenges(write, change.account).await?;
    Ok(true)
}

async fn change_password(write: &Write<'_>, change: &PasswordChange) -> Outcome<Change> {
    const SET: &str = "
        UPDATE accounts SET password_hash = $2 WHERE id = $1 AND ($3::text IS NULL OR password_hash = $3)";
    let (account, session) = (change.account, change.session);
    if !is_theirs(write, account, session).await? {
        return Ok(Done::Commit(None));
    }
    let id = account.as_bytes().as_slice();
    let changed = write
        .db
        .execute(SET, &[&id, &change.password_hash, &change.known_hash])
        .await?;
    if changed == 0 {
        return Ok(Done::Commit(None));
    }
    note(
        write,
        account,
        Some(session),
        "password_changed",
        &change.by,
    )
    .await?;
    outbox::add_notice(write, errand::PASSWORD_CHANGED, Some(account), None).await?;
    close_challenges(write, account).await?;
    end(
        write,
        account,
        Some(session),
        Cause::PasswordChanged,
        &change.by,
    )
    .await
}

/// The row stays until its sessions are pruned, and says nothing of its owner.
async fn delete(
    write: &Write<'_>,
    account: Subject,
    session: SessionId,
    by: &Client,
) -> Outcome<Change> {
    const DELETE: &str = "
        UPDATE accounts SET is_active = false, deleted_at = $2, email = $3, password_hash = '', roles = '[]' WHERE id = $1";
    if !is_theirs(write, account, session).await? {
        return Ok(Done::Commit(None));
    }
    let Some(before) = mails::address(write, account).await? else {
        return Ok(Done::Commit(None));
    };
    // With a blank in it: no address that anybody could sign up with.
    let (id, gone) = (account.as_bytes().as_slice(), format!("deleted {account}"));
    write
        .db
        .execute(DELETE, &[&id, &write.now.0, &gone])
        .await?;
    for table in ["totp", "recovery_codes"] {
        let remove = format!("DELETE FROM {table} WHERE account = $1");
        write.db.execute(&remove, &[&id]).await?;
    }
    note(write, account, Some(session), "account_deleted", by).await?;
    outbox::add_notice(write, errand::DELETED, Some(account), Some(&before)).await?;
    close_challenges(write, account).await?;
    end(write, account, None, Cause::AccountDeleted, by).await
}

async fn disable(write: &Write<'_>, account: Subject, by: &Client) -> Outcome<Change> {
    const DISABLE: &str = "UPDATE accounts SET is_active = false WHERE id = $1";
    let Some(was_active) = is_active(write, account).await? else {
        return Ok(Done::Commit(None));
    };
    if was_active {
        let id = account.as_bytes().as_slice();
        write.db.execute(DISABLE, &[&id]).await?;
        note(write, account, None, "account_disabled", by).await?;
        close_challenges(write, account).await?;
    }
    end(write, account, None, Cause::AccountDisabled, by).await
}

async fn enable(write: &Write<'_>, account: Subject, by: &Client) -> Outcome<bool> {
    const ENABLE: &str = "UPDATE accounts SET is_active = true WHERE id = $1";
    let Some(was_active) = is_active(write, account).await? else {
        return Ok(false);
    };
    if !was_active {
        let id = account.as_bytes().as_slice();
        write.db.execute(ENABLE, &[&id]).await?;
        note(write, account, None, "account_enabled", by).await?;
    }
    Ok(true)
}

/// RR-10: without an end, the next refresh brings the roles into the token.
async fn set_roles(
    write: &Write<'_>,
    account: Subject,
    roles: &[String],
    ends_sessions: bool,
    by: &Client,
) -> Outcome<Change> {
    const SET: &str = "UPDATE accounts SET roles = $2 WHERE id = $1";
    if is_active(write, account).await?.is_none() {
        return Ok(Done::Commit(None));
    }
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let id = account.as_bytes().as_slice();
    write.db.execute(SET, &[&id, &list_text(&roles)]).await?;
    note(write, account, None, "roles_changed", by).await?;
    if ends_sessions {
        return end(write, account, None, Cause::RolesChanged, by).await;
    }
    Ok(Done::Commit(Some(Changed {
        account,
        revocation: None,
    })))
}

/// Holds the account until the commit. `None`: there is no such account, or not any more.
async fn is_active(write: &Write<'_>, account: Subject) -> Outcome<Option<bool>> {
    const LOCK: &str = "
        SELECT is_active FROM accounts WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE";
    codes::hold_account(write, account).await?;
    let id = account.as_bytes().as_slice();
    let row = write.db.row(LOCK, &[&id]).await?;
    row.as_ref().map(|row| get(row, "is_active")).transpose()
}

/// Whether the session can be used, and is of that account. Held until the commit, with the account: what ends it waits, or was first.
async fn is_theirs(write: &Write<'_>, account: Subject, session: SessionId) -> Outcome<bool> {
    const LOCK: &str = "SELECT 1 FROM sessions WHERE id = $1 AND ended_at IS NULL FOR UPDATE";
    if is_active(write, account).await? != Some(true) {
        return Ok(false);
    }
    let id = session.as_bytes().as_slice();
    if write.db.row(LOCK, &[&id]).await?.is_none() {
        return Ok(false);
    }
    let found = mails::of_session(write, Some(account), Some(session)).await?;
    Ok(found.is_some())
}

async fn note(
    write: &Write<'_>,
    account: Subject,
    session: Option<SessionId>,
    event: &'static str,
    by: &Client,
) -> Outcome<()> {
    let event = Event {
        name: event,
        account: Some(account),
        session,
    };
    audit::append(write, &event, by).await
}

/// Nothing opens them any more, and no resend brings them back.
async fn close_challenges(write: &Write<'_>, account: Subject) -> Outcome<()> {
    const CLOSE: &str = "
        UPDATE challenges SET code_mac = NULL, long_code_mac = NULL, used_at = coalesce(used_at, $2) WHERE account = $1";
    let id = account.as_bytes().as_slice();
    write
        .db
        .execute(CLOSE, &[&id, &write.now.0])
        .await
        .map(drop)
}

async fn end(
    write: &Write<'_>,
    account: Subject,
    except: Option<SessionId>,
    cause: Cause,
    by: &Client,
) -> Outcome<Change> {
    let ending = Ending {
        db: write.db,
        now: Some(write.now),
        lost: write.lost,
    };
    let revocation = ending
        .of_account_at_last(account, except, by, cause)
        .await?;
    Ok(Done::Committed(Some(Changed {
        account,
        revocation,
    })))
}
