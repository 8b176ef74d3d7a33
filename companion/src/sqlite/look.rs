//! A look at the embedded store that makes nothing, migrates nothing and disturbs nobody.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY, OpenError, because, departure, schema};
use crate::doctor::Looked;

/// What is in `folder`; `None`: no store has been made there yet.
///
/// # Errors
/// When there is one that cannot be read.
pub fn look(folder: &Path) -> Result<Option<Looked>, OpenError> {
    let path = folder.join("latchkey.db");
    if !path.exists() {
        return Ok(None);
    }
    let lock = File::open(folder.join("latchkey.lock"));
    let is_in_use = lock.is_ok_and(|lock| lock.try_lock_shared().is_err());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&path, flags).map_err(because(&path))?;
    let looked = read(&db, is_in_use).map_err(because(&path))?;
    if departure::is_closed(&db).map_err(because(&path))? {
        return Err(because(&path)("this store was moved to PostgreSQL"));
    }
    Ok(Some(looked))
}

fn read(db: &Connection, is_in_use: bool) -> rusqlite::Result<Looked> {
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "query_only", true)?;
    let schema = "SELECT COALESCE(MAX(version), 0) FROM refinery_schema_history";
    let mut check_values =
        db.prepare("SELECT value FROM meta WHERE name = 'master_key' OR name LIKE 'master_key/%'")?;
    let check_values = check_values.query_map([], |row| row.get(0))?;
    Ok(Looked {
        schema: db.query_row(schema, [], |row| row.get(0))?,
        known: crate::doctor::newest(&schema::migrations::runner()),
        check_values: check_values.collect::<rusqlite::Result<_>>()?,
        time: None,
        is_in_use,
    })
}
