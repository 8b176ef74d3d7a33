//! Authenticator apps and recovery codes. One writer: between two statements of a write nothing changes.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};
use token::Subject;

use super::audit::{self, Event};
use super::columns::{id, int};
use super::readers::Read;
use super::writer::Write;
use super::{Sqlite, ending, outbox};
use crate::clock::Millis;
use crate::code::{DAY, MAX_WRONG_PER_DAY};
use crate::errand;
use crate::store::{
    AppSecret, Cause, Client, Factor, FactorChange, FactorChanged, Factors, Outcome, TotpAttempt,
    TotpCode, Which,
};
use crate::totp::{ATTEMPT, ENROLMENT};

#[async_trait]
impl Factors for Sqlite {
    async fn begin_totp(&self, by: FactorChange, sealed: Vec<u8>) -> Outcome<bool> {
        self.writer
            .write(move |write| begin(write, &by, &sealed))
            .await
    }

    async fn attempt_totp(&self, account: Subject, which: Which) -> Outcome<TotpAttempt> {
        self.writer
            .write(move |write| attempt(write, account, which))
            .await
    }

    async fn confirm_totp(
        &self,
        by: FactorChange,
        code: TotpCode,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Outcome<Option<FactorChanged>> {
        let changed = self
            .writer
            .write(move |write| confirm(write, &by, &code, &recovery_codes))
            .await?;
        Ok(changed.map(|changed| self.committed_change(changed)))
    }

    async fn remove_totp(&self, by: FactorChange) -> Outcome<Option<FactorChanged>> {
        let changed = self.writer.write(move |write| remove(write, &by)).await?;
        Ok(changed.map(|changed| self.committed_change(changed)))
    }

    async fn secrets_not_under(
        &self,
        head: [u8; 5],
        after: Option<(Subject, Which)>,
        most: u32,
    ) -> Outcome<Vec<AppSecret>> {
        self.readers
            .read(move |read| secrets(read, head, after, most))
            .await
    }

    async fn reseal_totp(&self, of: AppSecret, sealed: Vec<u8>) -> Outcome<()> {
        self.writer
            .write(move |write| {
                write.db.execute(
                    "UPDATE totp SET sealed = ?4 WHERE account = ?1 AND is_confirmed = ?2 AND sealed = ?3",
                    params![of.account.as_bytes(), of.which == Which::Confirmed, of.sealed, sealed],
                )?;
                Ok(())
            })
            .await
    }

    async fn replace_recovery_codes(
        &self,
        by: FactorChange,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Outcome<bool> {
        self.writer
            .write(move |write| replace_codes(write, &by, &recovery_codes))
            .await
    }
}

impl Sqlite {
    fn committed_change(&self, changed: FactorChanged) -> FactorChanged {
        let revocation = changed.revocation;
        FactorChanged {
            revocation: revocation.map(|revocation| self.committed(revocation)),
        }
    }
}

fn secrets(
    read: &Read<'_>,
    head: [u8; 5],
    after: Option<(Subject, Which)>,
    most: u32,
) -> rusqlite::Result<Vec<AppSecret>> {
    // Nothing is before the empty name.
    let (name, which) = match &after {
        Some((account, which)) => (account.as_bytes().as_slice(), *which),
        None => (&[][..], Which::Pending),
    };
    let mut found = read.db.prepare_cached(
        "SELECT account, is_confirmed, sealed FROM totp
         WHERE substr(sealed, 1, 5) <> ?1 AND (account, is_confirmed) > (?2, ?3)
         ORDER BY account, is_confirmed LIMIT ?4",
    )?;
    found
        .query_map(
            params![head, name, which == Which::Confirmed, most],
            |row| {
                Ok(AppSecret {
                    account: Subject::from_bytes(id(row, "account")?),
                    which: Which::of(row.get("is_confirmed")?),
                    sealed: row.get("sealed")?,
                })
            },
        )?
        .collect()
}

fn begin(write: &Write<'_>, by: &FactorChange, sealed: &[u8]) -> rusqlite::Result<bool> {
    if !is_alive(write, by)? {
        return Ok(false);
    }
    write.db.execute(
        "INSERT INTO totp (account, is_confirmed, sealed, created_at) VALUES (?1, 0, ?2, ?3)
         ON CONFLICT (account, is_confirmed) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at",
        params![by.account.as_bytes(), sealed, write.now.0],
    )?;
    note(write, by, "totp_enrolment_begun")?;
    Ok(true)
}

fn attempt(write: &Write<'_>, account: Subject, which: Which) -> rusqlite::Result<TotpAttempt> {
    let id = account.as_bytes();
    let sealed: Option<Vec<u8>> = write
        .db
        .query_row(
            "SELECT sealed FROM totp WHERE account = ?1 AND is_confirmed = ?2 AND (is_confirmed = 1 OR created_at > ?3)",
            params![id, which == Which::Confirmed, write.now.minus(ENROLMENT).0],
            |row| row.get(0),
        )
        .optional()?;
    let Some(sealed) = sealed else {
        return Ok(TotpAttempt::NoApp);
    };
    let (before, first): (u32, Option<i64>) = write.db.query_row(
        "SELECT COUNT(*), MIN(at) FROM attempts WHERE account = ?1 AND purpose = ?2 AND at > ?3",
        params![id, ATTEMPT, write.now.minus(DAY).0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if let Some(first) = first.filter(|_| before >= MAX_WRONG_PER_DAY) {
        return Ok(TotpAttempt::Closed(
            Millis(first).plus(DAY).since(write.now),
        ));
    }
    write.db.execute(
        "INSERT INTO attempts (email, purpose, at, account) SELECT email, ?2, ?3, id FROM accounts WHERE id = ?1",
        params![id, ATTEMPT, write.now.0],
    )?;
    let counted = u64::try_from(write.db.last_insert_rowid()).unwrap_or(0);
    if before + 1 == MAX_WRONG_PER_DAY {
        outbox::add_notice(write, errand::TOTP_CLOSED, Some(account), None)?;
    }
    Ok(TotpAttempt::Counted {
        id: counted,
        sealed,
        at: write.now,
    })
}

/// Right, if perhaps too late: it counts as no attempt (design section 10).
pub(super) fn count_as_none(
    write: &Write<'_>,
    account: Subject,
    factor: &Factor,
) -> rusqlite::Result<()> {
    match factor {
        Factor::Totp(code) => take_back(write, account, code.attempt),
        Factor::RecoveryCode(_) => Ok(()),
    }
}

/// If it was the last one allowed, nobody need be told.
fn take_back(write: &Write<'_>, account: Subject, attempt: u64) -> rusqlite::Result<()> {
    write
        .db
        .execute("DELETE FROM attempts WHERE id = ?1", [int(attempt)])?;
    write
        .db
        .execute(
            "DELETE FROM outbox WHERE account = ?1 AND errand = ?2",
            params![account.as_bytes(), errand::TOTP_CLOSED],
        )
        .map(drop)
}

/// Uses a factor up, if it is still good. TO-03 and TO-08: one conditional statement lets one of many win.
pub(super) fn use_up(
    write: &Write<'_>,
    account: Subject,
    factor: &Factor,
    by: &Client,
) -> rusqlite::Result<bool> {
    let id = account.as_bytes();
    match factor {
        Factor::Totp(code) => {
            let used = write.db.execute(
                "UPDATE totp SET last_step = ?3
                 WHERE account = ?1 AND is_confirmed = 1 AND sealed = ?2 AND last_step < ?3",
                params![id, code.sealed, int(code.step)],
            )?;
            Ok(used > 0)
        }
        Factor::RecoveryCode(macs) => {
            let mut used = 0;
            for mac in macs {
                used += write.db.execute(
                    "UPDATE recovery_codes SET used_at = ?3 WHERE account = ?1 AND mac = ?2 AND used_at IS NULL",
                    params![id, mac, write.now.0],
                )?;
            }
            if used > 0 {
                let event = Event {
                    name: "recovery_code_used",
                    cause: None,
                    account: Some(account),
                    session: None,
                };
                audit::append(write, &event, by)?;
                outbox::add_notice(write, errand::RECOVERY_CODE_USED, Some(account), None)?;
            }
            Ok(used > 0)
        }
    }
}

fn confirm(
    write: &Write<'_>,
    by: &FactorChange,
    code: &TotpCode,
    recovery_codes: &[[u8; 32]],
) -> rusqlite::Result<Option<FactorChanged>> {
    let id = by.account.as_bytes();
    take_back(write, by.account, code.attempt)?;
    let is_pending: bool = write.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM totp WHERE account = ?1 AND is_confirmed = 0 AND sealed = ?2 AND created_at > ?3)",
        params![id, code.sealed, write.now.minus(ENROLMENT).0],
        |row| row.get(0),
    )?;
    if !is_pending || !is_alive(write, by)? {
        return Ok(None);
    }
    write.db.execute(
        "DELETE FROM totp WHERE account = ?1 AND is_confirmed = 1",
        [id],
    )?;
    // The step of the code that confirmed it opens nothing more (TO-03).
    write.db.execute(
        "UPDATE totp SET is_confirmed = 1, last_step = ?2 WHERE account = ?1",
        params![id, int(code.step)],
    )?;
    set_codes(write, by.account, recovery_codes)?;
    note(write, by, "totp_confirmed")?;
    outbox::add_notice(write, errand::TOTP_ADDED, Some(by.account), None)?;
    end_others(write, by).map(Some)
}

fn remove(write: &Write<'_>, by: &FactorChange) -> rusqlite::Result<Option<FactorChanged>> {
    let id = by.account.as_bytes();
    if !is_alive(write, by)? {
        return Ok(None);
    }
    let removed = write.db.execute(
        "DELETE FROM totp WHERE account = ?1 AND is_confirmed = 1",
        [id],
    )?;
    if removed == 0 {
        return Ok(None);
    }
    write
        .db
        .execute("DELETE FROM totp WHERE account = ?1", [id])?;
    set_codes(write, by.account, &[])?;
    note(write, by, "totp_removed")?;
    outbox::add_notice(write, errand::TOTP_REMOVED, Some(by.account), None)?;
    end_others(write, by).map(Some)
}

fn replace_codes(
    write: &Write<'_>,
    by: &FactorChange,
    recovery_codes: &[[u8; 32]],
) -> rusqlite::Result<bool> {
    if !has_totp(write, by.account)? || !is_alive(write, by)? {
        return Ok(false);
    }
    set_codes(write, by.account, recovery_codes)?;
    note(write, by, "recovery_codes_replaced")?;
    outbox::add_notice(
        write,
        errand::RECOVERY_CODES_REPLACED,
        Some(by.account),
        None,
    )?;
    Ok(true)
}

fn set_codes(
    write: &Write<'_>,
    account: Subject,
    recovery_codes: &[[u8; 32]],
) -> rusqlite::Result<()> {
    write.db.execute(
        "DELETE FROM recovery_codes WHERE account = ?1",
        [account.as_bytes()],
    )?;
    for mac in recovery_codes {
        write.db.execute(
            "INSERT INTO recovery_codes (account, mac) VALUES (?1, ?2)",
            params![account.as_bytes(), mac],
        )?;
    }
    Ok(())
}

/// Whether login asks the account for its app.
pub(super) fn has_totp(write: &Write<'_>, account: Subject) -> rusqlite::Result<bool> {
    write.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM totp WHERE account = ?1 AND is_confirmed = 1)",
        [account.as_bytes()],
        |row| row.get(0),
    )
}

fn end_others(write: &Write<'_>, by: &FactorChange) -> rusqlite::Result<FactorChanged> {
    let revocation = ending::end_of_account(
        write,
        by.account,
        Some(by.session),
        &by.by,
        Cause::FactorChanged,
    )?;
    Ok(FactorChanged { revocation })
}

/// Whether the session from which a factor is changed can still be used.
fn is_alive(write: &Write<'_>, by: &FactorChange) -> rusqlite::Result<bool> {
    write.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM sessions JOIN accounts ON accounts.id = sessions.account
             WHERE sessions.id = ?1 AND account = ?2 AND ended_at IS NULL AND is_active = 1)",
        params![by.session.as_bytes(), by.account.as_bytes()],
        |row| row.get(0),
    )
}

fn note(write: &Write<'_>, by: &FactorChange, name: &'static str) -> rusqlite::Result<()> {
    let event = Event {
        name,
        cause: None,
        account: Some(by.account),
        session: Some(by.session),
    };
    audit::append(write, &event, &by.by)
}
