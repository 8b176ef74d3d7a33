//! A disk that fails, or is full.

use std::time::Duration;

use super::{attach, is_running};
use crate::client::Client;
use crate::fault::Fault;
use crate::setup::Store;
use crate::soak::crew::{Crew, PEOPLE};
use crate::soak::table::Table;

/// What a disk says.
const DISK_FAULTS: [(&str, &str); 3] = [
    ("fsync", "EIO"),
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
];
/// For how long it says so.
const OUTAGE: Duration = Duration::from_secs(2);

/// People work on each.
pub(super) fn run(crew: &mut Crew, store: Store, table: &mut Table) -> Result<(), Fault> {
    for (call, error) in DISK_FAULTS {
        let what = format!("granted while {call} fails with {error}");
        let figure = fail(crew, call, error)?;
        table.add("crash-points", store, &what, figure);
    }
    Ok(())
}

/// Lets people work on a disk that fails with that error. Nobody is told that anything is done; the companion gives up, or says that it is
/// not ready; and once it is back on a good disk all is as it was acknowledged before.
fn fail(crew: &mut Crew, call: &str, error: &str) -> Result<String, Fault> {
    let inject = format!("inject={call}:error={error}:when=1+");
    let tracer = attach(&crew.stack, call, &inject)?;
    let (granted_before, unanswered_before) = crew.granted_and_unanswered();
    let internal = Client::new(crew.stack.ports().internal)?;
    let mut what_it_did = "it ended";
    crew.work_until(|stack| {
        std::thread::sleep(OUTAGE);
        if is_running(stack) {
            what_it_did = "it was not ready";
            let ready = internal.get("/readyz").send()?;
            ready.expect(503, "readiness on a bad disk")?;
        }
        Ok(())
    })?;
    let (granted, unanswered) = crew.granted_and_unanswered();
    let (granted, unanswered) = (granted - granted_before, unanswered - unanswered_before);
    if granted > 0 || unanswered < PEOPLE {
        return Err(Fault::new(format!(
            "while {call} failed with {error} {granted} calls were granted, {unanswered} were not"
        )));
    }
    crew.stack.kill_replica(0);
    drop(tracer);
    crew.recover()?;
    Ok(format!("0, {what_it_did}"))
}
