//! Ending sessions: each time one call of a function of the schema, so that number, rows and commit go in one round trip.

use token::{SessionId, Subject, UnixTime};
use tokio_postgres::Row;

use super::columns::{bytes, get, int, mark, millis, seconds, span_millis, uint};
use super::feed::numbered;
use super::work::{Arguments, Db};
use crate::clock::Millis;
use crate::code::DAY;
use crate::receipt::{Revocation, SERVED_AFTER_EXP};
use crate::store::{Cause, Client, Ended, Outcome};
use crate::witness::Lost;

/// What every end has at hand.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    pub(super) db: Db<'a>,
    /// `None`: now, by the database's clock.
    pub(super) now: Option<Millis>,
    pub(super) lost: Lost,
}

/// What is written with an end, beside the end itself.
pub(super) struct Also {
    /// An event in the audit log.
    pub(super) event: &'static str,
    /// An errand of the outbox.
    pub(super) notice: &'static str,
}

impl Ending<'_> {
    fn now(&self) -> Option<i64> {
        self.now.map(|now| now.0)
    }

    pub(super) async fn one(
        self,
        session: SessionId,
        account: Option<Subject>,
        by: &Client,
    ) -> Outcome<Ended> {
        let cause = if account.is_some() {
            Cause::EndedByOwner
        } else {
            Cause::LoggedOut
        };
        let cause = cause.or_operator(by);
        if let Some(revocation) = self.these(&[session], account, by, cause, None).await? {
            return Ok(Ended::By(revocation));
        }
        let find = "
            SELECT account, receipt.number, receipt.mark, receipt.sessions, receipt.latest_exp, receipt.at
            FROM sessions LEFT JOIN receipts AS receipt ON receipt.number = sessions.receipt
            WHERE sessions.id = $1";
        let Some(row) = self.db.row(find, &[&session.as_bytes().as_slice()]).await? else {
            return Ok(Ended::Unknown);
        };
        let owner = Subject::from_bytes(bytes(&row, "account")?);
        if account.is_some_and(|account| account != owner) {
            return Ok(Ended::Unknown);
        }
        if get::<Option<i64>>(&row, "number")?.is_none() {
            return Ok(Ended::LongAgo);
        }
        receipt(&row).map(Ended::By)
    }

    /// Those of these sessions that live; `None` when none did.
    pub(super) async fn these(
        self,
        sessions: &[SessionId],
        account: Option<Subject>,
        by: &Client,
        cause: Cause,
        also: Option<Also>,
    ) -> Outcome<Option<Revocation>> {
        let (event, notice) = also.map(|also| (also.event, also.notice)).unzip();
        let row = self
            .db
            .row(
                END,
                &[
                    &self.now(),
                    &ids(sessions),
                    &account.as_ref().map(|id| id.as_bytes().as_slice()),
                    &cause.name(),
                    &by.ip,
                    &by.user_agent,
                    &by.actor,
                    &by.request_id,
                    &self.lost.before.0,
                    &self.lost.last_exp.seconds(),
                    &event,
                    &notice,
                    &span_millis(DAY),
                ],
            )
            .await?;
        row.as_ref().map(fresh).transpose()
    }

    /// The same, as the last of a transaction: commits.
    pub(super) async fn these_at_last(
        self,
        sessions: &[SessionId],
        by: &Client,
        cause: Cause,
    ) -> Outcome<()> {
        let none: Option<&str> = None;
        let nobody: Option<&[u8]> = None;
        self.db
            .last_row(
                END,
                &[
                    &self.now(),
                    &ids(sessions),
                    &nobody,
                    &cause.name(),
                    &by.ip,
                    &by.user_agent,
                    &by.actor,
                    &by.request_id,
                    &self.lost.before.0,
                    &self.lost.last_exp.seconds(),
                    &none,
                    &none,
                    &span_millis(DAY),
                ],
            )
            .await
            .map(drop)
    }

    /// All of an account, or all but one, and the logins that are under way (PW-17).
    pub(super) async fn of_account(
        self,
        account: Subject,
        except: Option<SessionId>,
        by: &Client,
    ) -> Outcome<Option<Revocation>> {
        let cause = Cause::EndedByOwner.or_operator(by);
        self.account(account, except, by, cause, false).await
    }

    /// The same, as the last of a transaction: commits.
    pub(super) async fn of_account_at_last(
        self,
        account: Subject,
        except: Option<SessionId>,
        by: &Client,
        cause: Cause,
    ) -> Outcome<Option<Revocation>> {
        self.account(account, except, by, cause, true).await
    }

    async fn account(
        self,
        account: Subject,
        except: Option<SessionId>,
        by: &Client,
        cause: Cause,
        commits: bool,
    ) -> Outcome<Option<Revocation>> {
        const END: &str = "
            SELECT * FROM end_account_sessions(
                $1, $2, $3, $4, ROW($5::text, $6::text, $7::text, $8::text)::client, $9, $10)";
        let (now, id) = (self.now(), account.as_bytes().as_slice());
        let except = except.as_ref().map(|id| id.as_bytes().as_slice());
        let (lost_before, lost_last_exp) = (self.lost.before.0, self.lost.last_exp.seconds());
        let arguments: Arguments<'_> = &[
            &now,
            &id,
            &except,
            &cause.name(),
            &by.ip,
            &by.user_agent,
            &by.actor,
            &by.request_id,
            &lost_before,
            &lost_last_exp,
        ];
        let row = if commits {
            self.db.last_row(END, arguments).await?
        } else {
            self.db.row(END, arguments).await?
        };
        row.as_ref().map(fresh).transpose()
    }

    /// Whosever they are.
    pub(super) async fn some(self, most: u32, by: &Client) -> Outcome<Option<Revocation>> {
        let row = self
            .db
            .row(
                "SELECT * FROM end_some_sessions($1, $2, $3, ROW($4::text, $5::text, $6::text, $7::text)::client, $8, $9)",
                &[
                    &self.now(),
                    &i64::from(most),
                    &Cause::EndedByOperator.name(),
                    &by.ip,
                    &by.user_agent,
                    &by.actor,
                    &by.request_id,
                    &self.lost.before.0,
                    &self.lost.last_exp.seconds(),
                ],
            )
            .await?;
        row.as_ref().map(fresh).transpose()
    }

    /// `now` is that of the caller: whether all gateways have forgotten the tokens is no matter of milliseconds.
    pub(super) async fn unknown(
        self,
        session: SessionId,
        exp: Option<UnixTime>,
        by: &Client,
        now: Millis,
    ) -> Outcome<Option<Revocation>> {
        // An entry that ends before any token of the session does would let it live again; there may be others than the one presented.
        let exp = exp.map_or(self.lost.last_exp, |exp| exp.max(self.lost.last_exp));
        if exp.plus(SERVED_AFTER_EXP) <= now.seconds() {
            return Ok(None);
        }
        let id = session.as_bytes().as_slice();
        // Materialized: else a server without statistics walks through the feed in the order of numbers, and looks at all of it.
        let published = "
            WITH known AS MATERIALIZED (SELECT number FROM feed WHERE session = $1 AND exp >= $2)
            SELECT receipts.* FROM known JOIN receipts USING (number) ORDER BY number LIMIT 1";
        if let Some(row) = self.db.row(published, &[&id, &exp.seconds()]).await? {
            return receipt(&row).map(Some);
        }
        let publish = "
            SELECT * FROM publish_unknown($1, $2, $3, $4, ROW($5::text, $6::text, $7::text, $8::text)::client)";
        let arguments: Arguments<'_> = &[
            &self.now(),
            &id,
            &exp.seconds(),
            &Cause::LoggedOut.name(),
            &by.ip,
            &by.user_agent,
            &by.actor,
            &by.request_id,
        ];
        let row = self.db.only_row(publish, arguments).await?;
        let (number, mark) = numbered(&row)?;
        Ok(Some(Revocation {
            number,
            mark,
            sessions: 1,
            latest_exp: exp,
            committed_at: Millis::NOT_YET,
        }))
    }
}

const END: &str = "
    SELECT * FROM end_sessions(
        $1, $2, $3, $4, ROW($5::text, $6::text, $7::text, $8::text)::client, $9, $10, $11, $12, $13)";

fn ids(sessions: &[SessionId]) -> Vec<&[u8]> {
    sessions.iter().map(|id| id.as_bytes().as_slice()).collect()
}

/// What has just been committed.
pub(super) fn fresh(row: &Row) -> Outcome<Revocation> {
    let (number, mark) = numbered(row)?;
    Ok(Revocation {
        number,
        mark,
        sessions: uint(row, "sessions")?,
        latest_exp: seconds(row, "latest_exp")?,
        committed_at: Millis::NOT_YET,
    })
}

/// A row of `receipts`.
fn receipt(row: &Row) -> Outcome<Revocation> {
    Ok(Revocation {
        number: uint(row, "number")?,
        mark: mark(row, "mark")?,
        sessions: uint(row, "sessions")?,
        latest_exp: seconds(row, "latest_exp")?,
        committed_at: millis(row, "at")?,
    })
}

pub(super) async fn revocation(db: Db<'_>, number: u64) -> Outcome<Option<Revocation>> {
    let row = db
        .row("SELECT * FROM receipts WHERE number = $1", &[&int(number)])
        .await?;
    row.as_ref().map(receipt).transpose()
}
