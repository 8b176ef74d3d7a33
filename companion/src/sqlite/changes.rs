//! What changes an account: each with its event, its mail and the end of sessions in one transaction.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};
use token::{SessionId, Subject};

use super::audit::{self, Event};
use super::columns::list_text;
use super::writer::Write;
use super::{Sqlite, codes, ending, mails, outbox};
use crate::code::Purpose;
use crate::errand;
use crate::store::{
    Cause, Changed, Changes, Client, EmailChange, Outcome, PasswordChange, Recovery,
};

#[async_trait]
impl Changes for Sqlite {
    async fn recover(&self, recovery: Recovery) -> Outcome<Option<Changed>> {
        self.change(move |write| recover(write, &recovery)).await
    }

    async fn change_email(&self, change: EmailChange) -> Outcome<bool> {
        self.writer
            .write(move |write| change_email(write, &change))
            .await
    }

    async fn change_password(&self, change: PasswordChange) -> Outcome<Option<Changed>> {
        self.change(move |write| change_password(write, &change))
            .await
    }

    async fn delete_account(
        &self,
        account: Subject,
        session: SessionId,
        by: Client,
    ) -> Outcome<Option<Changed>> {
        self.change(move |write| delete(write, account, session, &by))
            .await
    }

    async fn disable_account(&self, account: Subject, by: Client) -> Outcome<Option<Changed>> {
        self.change(move |write| disable(write, account, &by)).await
    }

    async fn enable_account(&self, account: Subject, by: Client) -> Outcome<bool> {
        self.writer
            .write(move |write| enable(write, account, &by))
            .await
    }

    async fn set_roles(
        &self,
        account: Subject,
        roles: Vec<String>,
        ends_sessions: bool,
        by: Client,
    ) -> Outcome<Option<Changed>> {
        self.change(move |write| set_roles(write, account, &roles, ends_sessions, &by))
            .await
    }
}

impl Sqlite {
    async fn change(
        &self,
        work: impl FnOnce(&Write<'_>) -> rusqlite::Result<Option<Changed>> + Send + 'static,
    ) -> Outcome<Option<Changed>> {
        let changed = self.writer.write(work).await?;
        Ok(changed.map(|changed| Changed {
            revocation: changed
                .revocation
                .map(|revocation| self.committed(revocation)),
            ..changed
        }))
    }
}

fn recover(write: &Write<'_>, recovery: &Recovery) -> rusqlite::Result<Option<Changed>> {
    let Some(used) = codes::use_up(write, &recovery.code, Purpose::Recovery)? else {
        return Ok(None);
    };
    let Some(account) = used.account else {
        return Ok(None);
    };
    let changed = write.db.execute(
        "UPDATE accounts SET password_hash = ?2 WHERE id = ?1 AND email = ?3 AND is_active = 1",
        params![account.as_bytes(), recovery.password_hash, used.email],
    )?;
    if changed == 0 {
        return Ok(None);
    }
    note(write, account, None, "account_recovered", &recovery.by)?;
    outbox::add_notice(write, errand::RECOVERED, Some(account), None)?;
    close_challenges(write, account)?;
    end(write, account, None, Cause::Recovered, &recovery.by)
}

fn change_email(write: &Write<'_>, change: &EmailChange) -> rusqlite::Result<bool> {
    let Some(used) = codes::use_up(write, &change.code, Purpose::EmailChange)? else {
        return Ok(false);
    };
    let (account, session) = (Some(change.account), Some(change.session));
    if used.account != account || used.session != session {
        return Ok(false);
    }
    let Some(before) = mails::of_session(write, account, session)? else {
        return Ok(false);
    };
    let changed = write.db.execute(
        "UPDATE OR IGNORE accounts SET email = ?2 WHERE id = ?1",
        params![change.account.as_bytes(), used.email],
    )?;
    if changed == 0 {
        return Ok(false);
    }
    note(write, change.account, session, "email_changed", &change.by)?;
    for to in [before.email, used.email] {
        outbox::add_notice(write, errand::EMAIL_CHANGED, account, Some(&to))?;
    }
    close_challenges(write, change.account)?;
    Ok(true)
}

fn change_password(
    write: &Write<'_>,
    change: &PasswordChange,
) -> rusqlite::Result<Option<Changed>> {
    let (account, session) = (change.account, change.session);
    if mails::of_session(write, Some(account), Some(session))?.is_none() {
        return Ok(None);
    }
    let changed = write.db.execute(
        "UPDATE accounts SET password_hash = ?2 WHERE id = ?1 AND (?3 IS NULL OR password_hash = ?3)",
        params![account.as_bytes(), change.password_hash, change.known_hash],
    )?;
    if changed == 0 {
        return Ok(None);
    }
    note(
        write,
        account,
        Some(session),
        "password_changed",
        &change.by,
    )?;
    outbox::add_notice(write, errand::PASSWORD_CHANGED, Some(account), None)?;
    close_challenges(write, account)?;
    end(
        write,
        account,
        Some(session),
        Cause::PasswordChanged,
        &change.by,
    )
}

/// The row stays until its sessions are pruned, and says nothing of its owner.
fn delete(
    write: &Write<'_>,
    account: Subject,
    session: SessionId,
    by: &Client,
) -> rusqlite::Result<Option<Changed>> {
    let Some(before) = mails::of_session(write, Some(account), Some(session))? else {
        return Ok(None);
    };
    // With a blank in it: no address that anybody could sign up with.
    let gone = format!("deleted {account}");
    write.db.execute(
        "UPDATE accounts SET is_active = 0, deleted_at = ?2, email = ?3, password_hash = '', roles = '[]' WHERE id = ?1",
        params![account.as_bytes(), write.now.0, gone],
    )?;
    for table in ["totp", "recovery_codes"] {
        let remove = format!("DELETE FROM {table} WHERE account = ?1");
        write.db.execute(&remove, [account.as_bytes()])?;
    }
    note(write, account, Some(session), "account_deleted", by)?;
    outbox::add_notice(write, errand::DELETED, Some(account), Some(&before.email))?;
    close_challenges(write, account)?;
    end(write, account, None, Cause::AccountDeleted, by)
}

fn disable(write: &Write<'_>, account: Subject, by: &Client) -> rusqlite::Result<Option<Changed>> {
    let Some(was_active) = is_active(write, account)? else {
        return Ok(None);
    };
    if was_active {
        write.db.execute(
            "UPDATE accounts SET is_active = 0 WHERE id = ?1",
            [account.as_bytes()],
        )?;
        note(write, account, None, "account_disabled", by)?;
        close_challenges(write, account)?;
    }
    end(write, account, None, Cause::AccountDisabled, by)
}

fn enable(write: &Write<'_>, account: Subject, by: &Client) -> rusqlite::Result<bool> {
    let Some(was_active) = is_active(write, account)? else {
        return Ok(false);
    };
    if !was_active {
        write.db.execute(
            "UPDATE accounts SET is_active = 1 WHERE id = ?1",
            [account.as_bytes()],
        )?;
        note(write, account, None, "account_enabled", by)?;
    }
    Ok(true)
}

/// RR-10: without an end, the next refresh brings the roles into the token.
fn set_roles(
    write: &Write<'_>,
    account: Subject,
    roles: &[String],
    ends_sessions: bool,
    by: &Client,
) -> rusqlite::Result<Option<Changed>> {
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let changed = write.db.execute(
        "UPDATE accounts SET roles = ?2 WHERE id = ?1 AND deleted_at IS NULL",
        params![account.as_bytes(), list_text(&roles)],
    )?;
    if changed == 0 {
        return Ok(None);
    }
    note(write, account, None, "roles_changed", by)?;
    if ends_sessions {
        return end(write, account, None, Cause::RolesChanged, by);
    }
    Ok(Some(Changed {
        account,
        revocation: None,
    }))
}

/// `None`: there is no such account, or not any more.
fn is_active(write: &Write<'_>, account: Subject) -> rusqlite::Result<Option<bool>> {
    write
        .db
        .query_row(
            "SELECT is_active FROM accounts WHERE id = ?1 AND deleted_at IS NULL",
            [account.as_bytes()],
            |row| row.get(0),
        )
        .optional()
}

fn note(
    write: &Write<'_>,
    account: Subject,
    session: Option<SessionId>,
    event: &'static str,
    by: &Client,
) -> rusqlite::Result<()> {
    let event = Event {
        name: event,
        cause: None,
        account: Some(account),
        session,
    };
    audit::append(write, &event, by)
}

/// Nothing opens them any more, and no resend brings them back.
fn close_challenges(write: &Write<'_>, account: Subject) -> rusqlite::Result<()> {
    write
        .db
        .execute(
            "UPDATE challenges SET code_mac = NULL, long_code_mac = NULL, used_at = COALESCE(used_at, ?2) WHERE account = ?1",
            params![account.as_bytes(), write.now.0],
        )
        .map(drop)
}

fn end(
    write: &Write<'_>,
    account: Subject,
    except: Option<SessionId>,
    cause: Cause,
    by: &Client,
) -> rusqlite::Result<Option<Changed>> {
    let revocation = ending::end_of_account(write, account, except, by, cause)?;
    Ok(Some(Changed {
        account,
        revocation,
    }))
}
