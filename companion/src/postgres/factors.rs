//! Authenticator apps and recovery codes. Whoever works on those of an account holds its row until the commit, and finds what the one
//! before has left.

use async_trait::async_trait;
use token::Subject;
use tokio_postgres::Row;

use super::Postgres;
use super::audit::{self, Event};
use super::columns::{bytes, get, int, uint};
use super::ending::Ending;
use super::outbox::add_notice;
use super::work::{Arguments, Commit, Db, Done, Write, ask, change, transaction};
use crate::clock::Millis;
use crate::code::{DAY, MAX_WRONG_PER_DAY};
use crate::errand;
use crate::store::{
    AppSecret, Cause, Client, Factor, FactorChange, FactorChanged, Factors, Outcome, TotpAttempt,
    TotpCode, Which,
};
use crate::totp::{ATTEMPT, ENROLMENT};

#[async_trait]
impl Factors for Postgres {
    async fn begin_totp(&self, by: FactorChange, sealed: Vec<u8>) -> Outcome<bool> {
        change!(self, OnDisk, |write| begin(write, &by, &sealed))
    }

    async fn attempt_totp(&self, account: Subject, which: Which) -> Outcome<TotpAttempt> {
        change!(self, OnDisk, |write| attempt(write, account, which))
    }

    async fn confirm_totp(
        &self,
        by: FactorChange,
        code: TotpCode,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Outcome<Option<FactorChanged>> {
        let changed = transaction(
            &self.pool,
            self.set_moment(),
            self.witness.lost(),
            Commit::OnDisk,
            move |write| Box::pin(async move { confirm(write, &by, &code, &recovery_codes).await }),
        )
        .await?;
        Ok(changed.map(|changed| self.committed_change(changed)))
    }

    async fn remove_totp(&self, by: FactorChange) -> Outcome<Option<FactorChanged>> {
        let changed = transaction(
            &self.pool,
            self.set_moment(),
            self.witness.lost(),
            Commit::OnDisk,
            move |write| Box::pin(async move { remove(write, &by).await }),
        )
        .await?;
        Ok(changed.map(|changed| self.committed_change(changed)))
    }

    async fn secrets_not_under(
        &self,
        head: [u8; 5],
        after: Option<(Subject, Which)>,
        most: u32,
    ) -> Outcome<Vec<AppSecret>> {
        ask!(self, |db, _now| secrets(db, head, after, most))
    }

    async fn reseal_totp(&self, of: AppSecret, sealed: Vec<u8>) -> Outcome<()> {
        ask!(self, |db, _now| reseal(db, &of, &sealed))
    }

    async fn replace_recovery_codes(
        &self,
        by: FactorChange,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Outcome<bool> {
        change!(self, OnDisk, |write| replace_codes(
            write,
            &by,
            &recovery_codes
        ))
    }
}

async fn secrets(
    db: Db<'_>,
    head: [u8; 5],
    after: Option<(Subject, Which)>,
    most: u32,
) -> Outcome<Vec<AppSecret>> {
    const FIND: &str = "
        SELECT account, is_confirmed, sealed FROM totp
        WHERE substring(sealed FROM 1 FOR 5) <> $1 AND (account, is_confirmed) > ($2, $3)
        ORDER BY account, is_confirmed LIMIT $4";
    // Nothing is before the empty name.
    let (name, which) = match &after {
        Some((account, which)) => (account.as_bytes().as_slice(), *which),
        None => (&[][..], Which::Pending),
    };
    let arguments: Arguments<'_> = &[
        &head.as_slice(),
        &name,
        &(which == Which::Confirmed),
        &i64::from(most),
    ];
    let rows = db.rows(FIND, arguments).await?;
    let secret = |row: &Row| {
        Ok(AppSecret {
            account: Subject::from_bytes(bytes(row, "account")?),
            which: Which::of(get(row, "is_confirmed")?),
            sealed: get(row, "sealed")?,
        })
    };
    rows.iter().map(secret).collect()
}

async fn reseal(db: Db<'_>, of: &AppSecret, sealed: &[u8]) -> Outcome<()> {
    const RESEAL: &str =
        "UPDATE totp SET sealed = $4 WHERE account = $1 AND is_confirmed = $2 AND sealed = $3";
    let which = of.which == Which::Confirmed;
    let arguments: Arguments<'_> = &[
        &of.account.as_bytes().as_slice(),
        &which,
        &of.sealed,
        &sealed,
    ];
    db.execute(RESEAL, arguments).await.map(drop)
}

impl Postgres {
    fn committed_change(&self, changed: FactorChanged) -> FactorChanged {
        let revocation = changed.revocation;
        FactorChanged {
            revocation: revocation.map(|revocation| self.committed(revocation)),
        }
    }
}

/// Until the commit nobody else works on the factors of the account, and no login of it opens a session. False: it is not active.
pub(super) async fn hold(write: &Write<'_>, account: Subject) -> Outcome<bool> {
    let find = "SELECT id FROM accounts WHERE id = $1 AND is_active FOR NO KEY UPDATE";
    let held = write
        .db
        .row(find, &[&account.as_bytes().as_slice()])
        .await?;
    Ok(held.is_some())
}

async fn begin(write: &Write<'_>, by: &FactorChange, sealed: &[u8]) -> Outcome<bool> {
    const KEEP: &str = "
        INSERT INTO totp (account, is_confirmed, sealed, created_at) VALUES ($1, false, $2, $3)
        ON CONFLICT (account, is_confirmed) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at";
    if !is_alive(write, by).await? {
        return Ok(false);
    }
    let id = by.account.as_bytes().as_slice();
    write
        .db
        .execute(KEEP, &[&id, &sealed, &write.now.0])
        .await?;
    note(write, by, "totp_enrolment_begun").await?;
    Ok(true)
}

async fn attempt(write: &Write<'_>, account: Subject, which: Which) -> Outcome<TotpAttempt> {
    const FIND: &str = "
        SELECT sealed FROM totp WHERE account = $1 AND is_confirmed = $2 AND (is_confirmed OR created_at > $3)";
    const COUNT: &str = "
        SELECT count(*) AS count, min(at) AS first FROM attempts WHERE account = $1 AND purpose = $2 AND at > $3";
    const ADD: &str = "
        INSERT INTO attempts (email, purpose, at, account) SELECT email, $2, $3, id FROM accounts WHERE id = $1 RETURNING id";
    let (db, id) = (write.db, account.as_bytes().as_slice());
    if !hold(write, account).await? {
        return Ok(TotpAttempt::NoApp);
    }
    let pending_since = write.now.minus(ENROLMENT).0;
    let is_confirmed = which == Which::Confirmed;
    let found = db.row(FIND, &[&id, &is_confirmed, &pending_since]).await?;
    let Some(found) = found else {
        return Ok(TotpAttempt::NoApp);
    };
    let day = write.now.minus(DAY).0;
    let counted = db.only_row(COUNT, &[&id, &ATTEMPT, &day]).await?;
    let before = u32::try_from(uint(&counted, "count")?).unwrap_or(u32::MAX);
    let first: Option<i64> = get(&counted, "first")?;
    if let Some(first) = first.filter(|_| before >= MAX_WRONG_PER_DAY) {
        return Ok(TotpAttempt::Closed(
            Millis(first).plus(DAY).since(write.now),
        ));
    }
    let added = db.only_row(ADD, &[&id, &ATTEMPT, &write.now.0]).await?;
    if before + 1 == MAX_WRONG_PER_DAY {
        add_notice(write, errand::TOTP_CLOSED, Some(account), None).await?;
    }
    Ok(TotpAttempt::Counted {
        id: uint(&added, "id")?,
        sealed: get(&found, "sealed")?,
        at: write.now,
    })
}

/// Right, if perhaps too late: it counts as no attempt (design section 10).
pub(super) async fn count_as_none(
    write: &Write<'_>,
    account: Subject,
    factor: &Factor,
) -> Outcome<()> {
    match factor {
        Factor::Totp(code) => take_back(write, account, code.attempt).await,
        Factor::RecoveryCode(_) => Ok(()),
    }
}

/// If it was the last one allowed, nobody need be told.
async fn take_back(write: &Write<'_>, account: Subject, attempt: u64) -> Outcome<()> {
    let take_back = "DELETE FROM attempts WHERE id = $1";
    write.db.execute(take_back, &[&int(attempt)]).await?;
    let untell = "DELETE FROM outbox WHERE account = $1 AND errand = $2";
    let id = account.as_bytes().as_slice();
    write
        .db
        .execute(untell, &[&id, &errand::TOTP_CLOSED])
        .await
        .map(drop)
}

/// Uses a factor up, if it is still good. TO-03 and TO-08: one conditional statement lets one of many win.
pub(super) async fn use_up(
    write: &Write<'_>,
    account: Subject,
    factor: &Factor,
    by: &Client,
) -> Outcome<bool> {
    const STEP: &str = "
        UPDATE totp SET last_step = $3 WHERE account = $1 AND is_confirmed AND sealed = $2 AND last_step < $3";
    const CODE: &str = "
        UPDATE recovery_codes SET used_at = $3 WHERE account = $1 AND mac = ANY ($2) AND used_at IS NULL";
    let (db, id) = (write.db, account.as_bytes().as_slice());
    match factor {
        Factor::Totp(code) => {
            let used = db
                .execute(STEP, &[&id, &code.sealed, &int(code.step)])
                .await?;
            Ok(used > 0)
        }
        Factor::RecoveryCode(macs) => {
            let macs: Vec<&[u8]> = macs.iter().map(<[u8; 32]>::as_slice).collect();
            let used = db.execute(CODE, &[&id, &macs, &write.now.0]).await?;
            if used > 0 {
                let event = Event {
                    name: "recovery_code_used",
                    account: Some(account),
                    session: None,
                };
                audit::append(write, &event, by).await?;
                add_notice(write, errand::RECOVERY_CODE_USED, Some(account), None).await?;
            }
            Ok(used > 0)
        }
    }
}

async fn confirm(
    write: &Write<'_>,
    by: &FactorChange,
    code: &TotpCode,
    recovery_codes: &[[u8; 32]],
) -> Outcome<Done<Option<FactorChanged>>> {
    const PENDING: &str = "
        SELECT account FROM totp WHERE account = $1 AND NOT is_confirmed AND sealed = $2 AND created_at > $3";
    let (db, id) = (write.db, by.account.as_bytes().as_slice());
    let is_alive = is_alive(write, by).await?;
    take_back(write, by.account, code.attempt).await?;
    let since = write.now.minus(ENROLMENT).0;
    let pending = db.row(PENDING, &[&id, &code.sealed, &since]).await?;
    if pending.is_none() || !is_alive {
        return Ok(Done::Commit(None));
    }
    let drop_old = "DELETE FROM totp WHERE account = $1 AND is_confirmed";
    db.execute(drop_old, &[&id]).await?;
    // The step of the code that confirmed it opens nothing more (TO-03).
    let confirm = "UPDATE totp SET is_confirmed = true, last_step = $2 WHERE account = $1";
    db.execute(confirm, &[&id, &int(code.step)]).await?;
    set_codes(write, by.account, recovery_codes).await?;
    note(write, by, "totp_confirmed").await?;
    add_notice(write, errand::TOTP_ADDED, Some(by.account), None).await?;
    end_others(write, by).await
}

async fn remove(write: &Write<'_>, by: &FactorChange) -> Outcome<Done<Option<FactorChanged>>> {
    let (db, id) = (write.db, by.account.as_bytes().as_slice());
    if !is_alive(write, by).await? {
        return Ok(Done::Commit(None));
    }
    let remove = "DELETE FROM totp WHERE account = $1 AND is_confirmed";
    if db.execute(remove, &[&id]).await? == 0 {
        return Ok(Done::Commit(None));
    }
    db.execute("DELETE FROM totp WHERE account = $1", &[&id])
        .await?;
    set_codes(write, by.account, &[]).await?;
    note(write, by, "totp_removed").await?;
    add_notice(write, errand::TOTP_REMOVED, Some(by.account), None).await?;
    end_others(write, by).await
}

async fn replace_codes(
    write: &Write<'_>,
    by: &FactorChange,
    recovery_codes: &[[u8; 32]],
) -> Outcome<bool> {
    if !is_alive(write, by).await? || !has_totp(write, by.account).await? {
        return Ok(false);
    }
    set_codes(write, by.account, recovery_codes).await?;
    note(write, by, "recovery_codes_replaced").await?;
    add_notice(
        write,
        errand::RECOVERY_CODES_REPLACED,
        Some(by.account),
        None,
    )
    .await?;
    Ok(true)
}

async fn set_codes(
    write: &Write<'_>,
    account: Subject,
    recovery_codes: &[[u8; 32]],
) -> Outcome<()> {
    const ADD: &str =
        "INSERT INTO recovery_codes (account, mac) SELECT $1, mac FROM unnest($2::bytea[]) AS mac";
    let (db, id) = (write.db, account.as_bytes().as_slice());
    db.execute("DELETE FROM recovery_codes WHERE account = $1", &[&id])
        .await?;
    let macs: Vec<&[u8]> = recovery_codes.iter().map(<[u8; 32]>::as_slice).collect();
    db.execute(ADD, &[&id, &macs]).await.map(drop)
}

/// Whether login asks the account for its app.
pub(super) async fn has_totp(write: &Write<'_>, account: Subject) -> Outcome<bool> {
    let find = "SELECT account FROM totp WHERE account = $1 AND is_confirmed";
    let id = account.as_bytes().as_slice();
    Ok(write.db.row(find, &[&id]).await?.is_some())
}

/// The last of the transaction: commits.
async fn end_others(write: &Write<'_>, by: &FactorChange) -> Outcome<Done<Option<FactorChanged>>> {
    let ending = Ending {
        db: write.db,
        now: Some(write.now),
        lost: write.lost,
    };
    let revocation = ending
        .of_account_at_last(by.account, Some(by.session), &by.by, Cause::FactorChanged)
        .await?;
    Ok(Done::Committed(Some(FactorChanged { revocation })))
}

/// Whether the session from which a factor is changed can still be used. Holds the account: who ends its sessions waits for this one,
/// or has ended them before.
async fn is_alive(write: &Write<'_>, by: &FactorChange) -> Outcome<bool> {
    let find = "SELECT id FROM sessions WHERE id = $1 AND account = $2 AND ended_at IS NULL";
    if !hold(write, by.account).await? {
        return Ok(false);
    }
    let (session, account) = (
        by.session.as_bytes().as_slice(),
        by.account.as_bytes().as_slice(),
    );
    Ok(write.db.row(find, &[&session, &account]).await?.is_some())
}

async fn note(write: &Write<'_>, by: &FactorChange, name: &'static str) -> Outcome<()> {
    let event = Event {
        name,
        account: Some(by.account),
        session: Some(by.session),
    };
    audit::append(write, &event, &by.by).await
}
