//! Pruning, one step at a time.

use rusqlite::{Connection, named_params};

use crate::clock::Millis;
use crate::receipt::SERVED_AFTER_EXP;
use crate::retention::{Pruned, STEP};

/// Removes some of these rows; false when none are left.
pub(super) fn step(pruned: &Pruned, db: &Connection, now: Millis) -> rusqlite::Result<bool> {
    let Pruned { table, which, age } = pruned;
    let forgotten = now.minus(SERVED_AFTER_EXP).seconds().seconds();
    // Both parameters in every statement, whatever the condition names.
    let statement = format!(
        "DELETE FROM {table} WHERE rowid IN
             (SELECT rowid FROM {table} WHERE {which} AND :before IS NOT NULL AND :forgotten IS NOT NULL LIMIT {STEP})"
    );
    let removed = db.execute(
        &statement,
        named_params! { ":before": now.minus(*age).0, ":forgotten": forgotten },
    )?;
    Ok(removed == usize::from(STEP))
}
