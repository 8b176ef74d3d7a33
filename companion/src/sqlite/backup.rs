//! A copy of the embedded store while a companion works on it: one moment of it, whole, and private.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{BUSY, OpenError, because, private_file};
use crate::entropy;

/// Between two attempts while the store is being written to in a way that a reader has to wait for.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Copies `latchkey.db` of `folder` to `to`, which must not exist. The master key is not in it.
///
/// # Errors
/// When there is no store, when `to` exists, or when the disk refuses; then `to` does not exist.
pub fn backup(folder: &Path, to: &Path) -> Result<(), OpenError> {
    let from = folder.join("latchkey.db");
    if to.exists() {
        return Err(because(to)("exists already"));
    }
    // Not made where it is missing: a backup of nothing would look like one.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(&from, flags).map_err(because(&from))?;
    source.busy_timeout(BUSY).map_err(because(&from))?;

    let unfinished =
        to.with_extension(format!("new-{:016x}", u64::from_be_bytes(entropy::bytes())));
    let file = private_file(&unfinished)?;
    let copied = copy(&source, &unfinished)
        .map_err(because(to))
        .and_then(|()| file.sync_all().map_err(because(to)))
        // A link never replaces what somebody else has put there meanwhile.
        .and_then(|()| fs::hard_link(&unfinished, to).map_err(because(to)));
    fs::remove_file(&unfinished).map_err(because(&unfinished))?;
    copied?;
    let folder = to
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(because(folder))
}

fn copy(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(to)?;
    {
        let backup = Backup::new(source, &mut copy)?;
        // All pages in one step, so in one read transaction: one moment of the store.
        while backup.step(-1)? != StepResult::Done {
            std::thread::sleep(PAUSE);
        }
    }
    // One file, without a log beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    let verdict: String = copy.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(rusqlite::Error::InvalidColumnName(verdict))
    }
}
