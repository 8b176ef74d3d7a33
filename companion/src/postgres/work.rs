//! One piece of work on one connection: within a time, in a transaction or as one statement, and the connection goes back to the pool
//! only when all went well.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Pool};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, SimpleQueryMessage};

use super::connect::place;
use crate::clock::Millis;
use crate::store::{Outcome, StoreError};
use crate::witness::Lost;

/// For the whole of it: who asks is told 503 within two seconds, whatever is wrong with the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// The arguments of a statement.
pub(super) type Arguments<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A future that borrows what it works on.
pub(super) type Working<'a, T> = Pin<Box<dyn Future<Output = Outcome<T>> + Send + 'a>>;

/// A connection.
#[derive(Clone, Copy)]
pub(super) struct Db<'a>(&'a ClientWrapper);

impl Db<'_> {
    /// All rows.
    pub(super) async fn rows(self, statement: &str, arguments: Arguments<'_>) -> Outcome<Vec<Row>> {
        let statement = self.0.prepare_cached(statement).await.map_err(failed)?;
        self.0.query(&statement, arguments).await.map_err(failed)
    }

    /// The one row, if there is one.
    pub(super) async fn row(
        self,
        statement: &str,
        arguments: Arguments<'_>,
    ) -> Outcome<Option<Row>> {
        let statement = self.0.prepare_cached(statement).await.map_err(failed)?;
        self.0
            .query_opt(&statement, arguments)
            .await
            .map_err(failed)
    }

    /// The one row, of a statement that always has one.
    pub(super) async fn only_row(self, statement: &str, arguments: Arguments<'_>) -> Outcome<Row> {
        self.row(statement, arguments)
            .await?
            .ok_or_else(|| StoreError::new("PostgreSQL: a row is missing"))
    }

    /// How many rows were changed.
    pub(super) async fn execute(self, statement: &str, arguments: Arguments<'_>) -> Outcome<u64> {
        let statement = self.0.prepare_cached(statement).await.map_err(failed)?;
        self.0.execute(&statement, arguments).await.map_err(failed)
    }

    /// The one row, and the commit in the same round trip: no time passes between them in which a frozen companion holds a lock.
    pub(super) async fn last_row(
        self,
        statement: &str,
        arguments: Arguments<'_>,
    ) -> Outcome<Option<Row>> {
        let statement = self.0.prepare_cached(statement).await.map_err(failed)?;
        let (row, committed) = tokio::join!(
            biased;
            self.0.query_opt(&statement, arguments),
            self.0.batch_execute("COMMIT"),
        );
        // After an error the server takes the commit for a rollback; the error comes first.
        let row = row.map_err(failed)?;
        committed.map_err(failed)?;
        Ok(row)
    }
}

/// What a transaction has at hand.
pub(super) struct Write<'a> {
    /// The connection, inside the transaction.
    pub(super) db: Db<'a>,
    /// The store's time.
    pub(super) now: Millis,
    /// See [`Lost`].
    pub(super) lost: Lost,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy)]
pub(super) enum Commit {
    /// What is acknowledged lasts.
    OnDisk,
    /// Counters: after a crash of the database the last half second may be missing.
    Soon,
}

/// What the work ended with.
pub(super) enum Done<T> {
    /// To be committed.
    Commit(T),
    /// It has been, by [`Db::last_row`].
    Committed(T),
}

/// One statement, or a few that need no transaction.
pub(super) async fn statement<T: Send>(
    pool: &Pool,
    work: impl for<'a> FnOnce(Db<'a>) -> Working<'a, T> + Send,
) -> Outcome<T> {
    within(async {
        let connection = Connection::of(pool).await?;
        let result = work(Db(connection.client()?)).await?;
        connection.give_back();
        Ok(result)
    })
    .await
}

/// A transaction. `set_moment` takes the place of the database's clock.
pub(super) async fn transaction<T: Send>(
    pool: &Pool,
    set_moment: Option<Millis>,
    lost: Lost,
    commit: Commit,
    work: impl for<'a> FnOnce(&'a Write<'a>) -> Working<'a, Done<T>> + Send,
) -> Outcome<T> {
    within(async {
        let connection = Connection::of(pool).await?;
        let client = connection.client()?;
        let begin = match commit {
            Commit::OnDisk => "BEGIN; SELECT latchkey_now()",
            Commit::Soon => "BEGIN; SET LOCAL synchronous_commit = off; SELECT latchkey_now()",
        };
        let answers = client.simple_query(begin).await.map_err(failed)?;
        let now = set_moment
            .or_else(|| answers.iter().find_map(moment))
            .ok_or_else(|| StoreError::new("PostgreSQL: the time is missing"))?;
        let write = Write {
            db: Db(client),
            now,
            lost,
        };
        let result = match work(&write).await? {
            Done::Committed(result) => result,
            Done::Commit(result) => {
                client.batch_execute("COMMIT").await.map_err(failed)?;
                result
            }
        };
        connection.give_back();
        Ok(result)
    })
    .await
}

fn moment(message: &SimpleQueryMessage) -> Option<Millis> {
    let SimpleQueryMessage::Row(row) = message else {
        return None;
    };
    row.get(0)?.parse().ok().map(Millis)
}

async fn within<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .map_err(|_| StoreError::new("PostgreSQL: no answer in time"))?
}

/// One from the pool. Unless it is given back it is closed, and with it whatever was under way in it.
struct Connection(Option<deadpool_postgres::Object>);

impl Connection {
    async fn of(pool: &Pool) -> Outcome<Self> {
        place(pool)
            .await
            .map(|object| Self(Some(object)))
            .map_err(|reason| StoreError::new(format_args!("PostgreSQL: {reason}")))
    }

    fn client(&self) -> Outcome<&ClientWrapper> {
        self.0
            .as_deref()
            .ok_or_else(|| StoreError::new("PostgreSQL: the connection was given back"))
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(deadpool_postgres::Object::take(object));
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: Error) -> StoreError {
    StoreError::new(format_args!("PostgreSQL: {}", because(&error)))
}

/// Without what the server adds in detail, which may repeat what a client sent.
pub(super) fn because(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// One statement: `$db` is the connection, `$now` the settable moment; what the body names it owns.
macro_rules! ask {
    ($self:ident, |$db:ident, $now:ident| $body:expr) => {
        $crate::postgres::work::ask!($self.pool, |$db, $now| $body)
    };
    ($self:ident.$pool:ident, |$db:ident, $now:ident| $body:expr) => {{
        let $now = $self.set_moment();
        let asked = $crate::postgres::work::statement(&$self.$pool, move |$db| {
            Box::pin(async move { $body.await })
        });
        $self.latency.read.time(asked).await
    }};
}

/// An end of sessions, in one statement.
macro_rules! end {
    ($self:ident, |$ending:ident| $body:expr) => {{
        let (now, lost) = ($self.set_moment(), $self.witness.lost());
        let ended = $crate::postgres::work::statement(&$self.pool, move |db| {
            let $ending = $crate::postgres::ending::Ending { db, now, lost };
            Box::pin(async move { $body.await })
        });
        $self.latency.write.time(ended).await
    }};
}

/// A transaction.
macro_rules! change {
    ($self:ident, $commit:ident, |$write:ident| $body:expr) => {
        $crate::postgres::work::change!($self.pool, $commit, |$write| $body)
    };
    ($self:ident.$pool:ident, $commit:ident, |$write:ident| $body:expr) => {{
        let changed = $crate::postgres::work::transaction(
            &$self.$pool,
            $self.set_moment(),
            $self.witness.lost(),
            $crate::postgres::work::Commit::$commit,
            move |$write| {
                Box::pin(async move { $body.await.map($crate::postgres::work::Done::Commit) })
            },
        );
        $self.latency.write.time(changed).await
    }};
}

pub(super) use {ask, change, end};
