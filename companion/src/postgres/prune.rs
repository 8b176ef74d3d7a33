//! Pruning, one step at a time.

use super::work::Db;
use crate::clock::Millis;
use crate::receipt::SERVED_AFTER_EXP;
use crate::retention::{Pruned, STEP};
use crate::store::Outcome;

/// Removes some of these rows; false when none are left. What another companion is removing is passed over.
pub(super) async fn step(db: Db<'_>, pruned: &Pruned, now: Millis) -> Outcome<bool> {
    let Pruned { table, which, age } = pruned;
    let which = which.replace(":before", "$1").replace(":forgotten", "$2");
    // Both parameters in every statement, whatever the condition names.
    let statement = format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table}
             WHERE {which} AND $1::bigint IS NOT NULL AND $2::bigint IS NOT NULL LIMIT {STEP} FOR UPDATE SKIP LOCKED))"
    );
    let forgotten = now.minus(SERVED_AFTER_EXP).seconds().seconds();
    let removed = db
        .execute(&statement, &[&now.minus(*age).0, &forgotten])
        .await?;
    Ok(removed == u64::from(STEP))
}
