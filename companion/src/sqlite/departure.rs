//! The embedded store as `latchkey migrate` leaves it: read as a whole, and closed for good once it has arrived elsewhere.

use std::fs::File;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row};
use tokio::sync::mpsc;

use super::{OpenError, because, lock, open_main, open_throttle};
use crate::entropy;
use crate::moving::{CHUNK, Chunk, MOVE, TABLES, Table, Value};

/// The name under which the store notes that it is not the one any more.
const CLOSED: &str = "closed";

/// Both files, and the lock that keeps a companion away.
pub struct Departure {
    main: Connection,
    throttle: Connection,
    _lock: File,
}

impl Departure {
    /// Brings the schema up to date first: only the newest is known elsewhere.
    ///
    /// # Errors
    /// When there is no store, when a companion runs on it, or when the disk refuses.
    pub fn begin(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join("latchkey.db");
        if !path.exists() {
            return Err(because(&path)("there is no store"));
        }
        let lock = lock(folder)?;
        Ok(Self {
            main: open_main(folder)?,
            throttle: open_throttle(folder)?,
            _lock: lock,
        })
    }

    /// What both stores call this move; drawn at the first attempt, and kept.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn id(&self) -> rusqlite::Result<Vec<u8>> {
        self.main.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
            (MOVE, entropy::bytes::<16>()),
        )?;
        self.main
            .query_row("SELECT value FROM meta WHERE name = ?1", [MOVE], |row| {
                row.get(0)
            })
    }

    /// Sends all rows of all tables, and ends when nobody receives them.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn read(&self, to: &mpsc::Sender<Chunk>) -> rusqlite::Result<()> {
        for table in &TABLES {
            let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
            let query = format!(
                "SELECT {} FROM {}{}",
                names.join(", "),
                table.name,
                kept(table)
            );
            let mut statement = self.file(table).prepare(&query)?;
            let mut rows = statement.query([])?;
            let mut chunk = Vec::new();
            loop {
                let row = rows.next()?;
                if let Some(row) = row {
                    chunk.push(values(row, table)?);
                }
                let is_last = row.is_none();
                if (is_last || chunk.len() == CHUNK) && !chunk.is_empty() {
                    let rows = std::mem::take(&mut chunk);
                    if to.blocking_send(Chunk { table, rows }).is_err() {
                        return Ok(());
                    }
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// How many rows each table has.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn counts(&self) -> rusqlite::Result<Vec<(&'static str, u64)>> {
        TABLES
            .iter()
            .map(|table| {
                let query = format!("SELECT count(*) FROM {}{}", table.name, kept(table));
                let count: i64 = self.file(table).query_row(&query, [], |row| row.get(0))?;
                Ok((table.name, u64::try_from(count).unwrap_or(0)))
            })
            .collect()
    }

    /// From now on no companion opens it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn close(&self, id: &[u8]) -> rusqlite::Result<()> {
        self.main
            .execute(
                "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                (CLOSED, id),
            )
            .map(drop)
    }

    fn file(&self, table: &Table) -> &Connection {
        if table.is_throttle {
            &self.throttle
        } else {
            &self.main
        }
    }
}

/// What concerns the move alone stays behind.
fn kept(table: &Table) -> &'static str {
    if table.name == "meta" {
        " WHERE name = 'master_key'"
    } else {
        ""
    }
}

fn values(row: &Row<'_>, table: &Table) -> rusqlite::Result<Vec<Value>> {
    (0..table.columns.len())
        .map(|at| {
            Ok(match row.get_ref(at)? {
                ValueRef::Null => Value::Nothing,
                ValueRef::Integer(number) => Value::Int(number),
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                // No column is REAL: the tables are STRICT.
                ValueRef::Real(_) => {
                    return Err(rusqlite::Error::InvalidColumnName(table.name.to_owned()));
                }
            })
        })
        .collect()
}

/// Whether the store has been moved elsewhere.
pub(super) fn is_closed(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT 1 FROM meta WHERE name = ?1", [CLOSED], |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}
