//! An empty database as `latchkey migrate` fills it: one transaction, counted before its commit.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error};

use super::columns::int;
use super::connect::{Options, address};
use super::schema::{bring_up_to_date, connect};
use super::work::because;
use crate::clock::Millis;
use crate::moving::{Chunk, Kind, MOVE, MoveError, TABLES, Table, Value};

/// The transaction that takes a store in.
pub struct Arrival {
    client: Client,
}

fn failed(error: &Error) -> MoveError {
    MoveError::new(format_args!("PostgreSQL: {}", because(error)))
}

impl Arrival {
    /// Brings the schema up to date, and keeps everybody else away: a companion that starts meanwhile waits.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn begin(options: &Options) -> Result<Self, MoveError> {
        let address = address(options).map_err(MoveError::new)?;
        bring_up_to_date(&address).await.map_err(MoveError::new)?;
        let client = connect(&address).await.map_err(|error| failed(&error))?;
        super::connect::look_at(&client)
            .await
            .map_err(MoveError::new)?;
        let begin = "
            SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
            BEGIN; LOCK TABLE meta, feed_head IN ACCESS EXCLUSIVE MODE";
        client
            .batch_execute(begin)
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self { client })
    }

    /// Whether this very move was committed before.
    ///
    /// # Errors
    /// Also when the database holds another store.
    pub async fn is_complete(&mut self, id: &[u8]) -> Result<bool, MoveError> {
        let found = self
            .client
            .query_opt("SELECT value = $2 FROM meta WHERE name = $1", &[&MOVE, &id])
            .await
            .map_err(|error| failed(&error))?;
        if found.is_some_and(|row| row.get(0)) {
            return Ok(true);
        }
        let is_empty = "
            SELECT NOT EXISTS (SELECT 1 FROM meta) AND NOT EXISTS (SELECT 1 FROM accounts) AND number = 0 FROM feed_head";
        let row = self
            .client
            .query_one(is_empty, &[])
            .await
            .map_err(|error| failed(&error))?;
        if row.get(0) {
            Ok(false)
        } else {
            Err(MoveError::new(
                "the database holds another store already; nothing was changed",
            ))
        }
    }

    /// Writes some rows; `now` for what only this store has.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn add(&mut self, chunk: &Chunk, now: Millis) -> Result<(), MoveError> {
        let columns: Vec<_> = (0..chunk.table.columns.len())
            .map(|at| column(chunk, at))
            .collect();
        let mut arguments: Vec<&(dyn ToSql + Sync)> = columns
            .iter()
            .map(|column| &**column as &(dyn ToSql + Sync))
            .collect();
        if chunk.table.name == "gateways" {
            arguments.push(&now.0);
        }
        self.client
            .execute(&statement(chunk.table), &arguments)
            .await
            .map(drop)
            .map_err(|error| failed(&error))
    }

    /// Whether each table has as many rows as where they came from. The gateways of both files are one table here, and none is missing.
    ///
    /// # Errors
    /// Names the table.
    pub async fn verify(&mut self, counts: &[(&'static str, u64)]) -> Result<(), MoveError> {
        for (name, wanted) in counts {
            let query = format!("SELECT count(*) FROM {name}");
            let row = self
                .client
                .query_one(&query, &[])
                .await
                .map_err(|error| failed(&error))?;
            let (found, wanted): (i64, i64) = (row.get(0), int(*wanted));
            let is_right = if *name == "gateways" {
                found >= wanted
            } else {
                found == wanted
            };
            if !is_right {
                return Err(MoveError::new(format_args!(
                    "{name}: {found} rows of {wanted} have arrived; nothing was changed"
                )));
            }
        }
        Ok(())
    }

    /// Notes the move, sets the sequences behind what has arrived, and commits.
    ///
    /// # Errors
    /// Whether it was committed is not known then.
    pub async fn commit(self, id: &[u8]) -> Result<(), MoveError> {
        let note = "INSERT INTO meta (name, value) VALUES ($1, $2)";
        self.client
            .execute(note, &[&MOVE, &id])
            .await
            .map_err(|error| failed(&error))?;
        for table in TABLES.iter().filter(|table| table.is_numbered) {
            let name = table.name;
            let advance = format!(
                "SELECT setval(pg_get_serial_sequence('{name}', 'id'), greatest((SELECT max(id) FROM {name}), 1))"
            );
            self.client
                .query_one(&advance, &[])
                .await
                .map_err(|error| failed(&error))?;
        }
        self.client
            .batch_execute("COMMIT")
            .await
            .map_err(|error| failed(&error))
    }
}

/// One insert for all rows of a chunk: a column is one array.
fn statement(table: &Table) -> String {
    let name = table.name;
    let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    let arrays: Vec<_> = table
        .columns
        .iter()
        .zip(1..)
        .map(|((_, kind), at)| {
            let kind = match kind {
                Kind::Int => "bigint",
                Kind::Bool => "boolean",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${at}::{kind}[]")
        })
        .collect();
    let (names, rows) = (names.join(", "), format!("unnest({})", arrays.join(", ")));
    match name {
        // The row is there from the start.
        "feed_head" => format!(
            "UPDATE feed_head SET (number, mark, keys) = (arrived.number, arrived.mark, arrived.keys)
             FROM {rows} AS arrived ({names})"
        ),
        "gateways" => format!(
            "INSERT INTO gateways ({names}, written_at) SELECT *, $4::bigint FROM {rows}
             ON CONFLICT (id) DO UPDATE SET live_until = greatest(gateways.live_until, excluded.live_until)"
        ),
        _ => format!("INSERT INTO {name} ({names}) SELECT * FROM {rows}"),
    }
}

fn column(chunk: &Chunk, at: usize) -> Box<dyn ToSql + Sync + Send> {
    let values = chunk.rows.iter().map(|row| row.get(at));
    let number = |value: Option<&Value>| match value {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let kind = chunk.table.columns.get(at).map(|(_, kind)| *kind);
    match kind {
        Some(Kind::Bool) => Box::new(
            values
                .map(|value| number(value).map(|number| number != 0))
                .collect::<Vec<Option<bool>>>(),
        ),
        Some(Kind::Text) => Box::new(
            values
                .map(|value| match value {
                    Some(Value::Text(text)) => Some(text.clone()),
                    _ => None,
                })
                .collect::<Vec<Option<String>>>(),
        ),
        Some(Kind::Bytes) => Box::new(
            values
                .map(|value| match value {
                    Some(Value::Bytes(bytes)) => Some(bytes.clone()),
                    _ => None,
                })
                .collect::<Vec<Option<Vec<u8>>>>(),
        ),
        Some(Kind::Int) | None => Box::new(values.map(number).collect::<Vec<Option<i64>>>()),
    }
}
