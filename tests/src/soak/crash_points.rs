//! A companion on SQLite is killed at the first, the second, … of each system call with which it writes, syncs and answers, and its disk
//! fails or is full (D1). Nothing is acknowledged that is not on the disk, and what was acknowledged is still there.

mod order;

use std::time::Duration;

use super::crew::Crew;
use super::table::Table;
use super::tracer::Tracer;
use crate::client::Client;
use crate::fault::Fault;
use crate::setup::Store;
use crate::stack::Stack;
use crate::watch::Stopwatch;

/// The calls with which SQLite writes and syncs, and the one with which an answer leaves.
const CALLS: [&str; 3] = ["pwrite64", "fsync", "writev"];
/// A call that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a disk says.
const DISK_FAULTS: [(&str, &str); 3] = [
    ("fsync", "EIO"),
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
];
/// For how long it says so.
const OUTAGE: Duration = Duration::from_secs(2);

pub(super) fn run(store: Store, points: usize, table: &mut Table) -> Result<(), Fault> {
    order::run(store, table)?;
    let mut crew = Crew::start(store)?;
    for call in CALLS {
        let mut kills = 0;
        for number in 1..=points {
            let inject = format!("inject={call}:signal=SIGKILL:when={number}");
            crew.work_until(|stack| {
                let tracer = attach(stack, call, &inject)?;
                let watch = Stopwatch::start();
                while is_running(stack) && watch.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_millis(5));
                }
                kills += usize::from(!is_running(stack));
                drop(tracer);
                stack.kill_replica(0);
                Ok(())
            })?;
            crew.recover()?;
        }
        if kills == 0 {
            return Err(Fault::new(format!("no {call} was seen")));
        }
        let what = format!("kills at the first {points} of {call} in a thread");
        table.add("crash-points", store, &what, kills);
    }
    for (call, error) in DISK_FAULTS {
        let what = format!("acknowledged while {call} fails with {error}");
        let figure = fail(&mut crew, call, error)?;
        table.add("crash-points", store, &what, figure);
    }
    crew.end("crash-points", store, table)
}

/// Lets people work on a disk that fails with that error. Nobody is told that anything is done; the companion gives up, or says that it is
/// not ready; and once it is back on a good disk all is as it was acknowledged before.
fn fail(crew: &mut Crew, call: &str, error: &str) -> Result<String, Fault> {
    let inject = format!("inject={call}:error={error}:when=1+");
    let tracer = attach(&crew.stack, call, &inject)?;
    let before = crew.acknowledged();
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
    let acknowledged = crew.acknowledged() - before;
    if acknowledged > 0 {
        return Err(Fault::new(format!(
            "{acknowledged} calls were acknowledged while {call} failed with {error}"
        )));
    }
    crew.stack.kill_replica(0);
    drop(tracer);
    crew.recover()?;
    Ok(format!("0, {what_it_did}"))
}

fn attach(stack: &Stack, call: &str, inject: &str) -> Result<Tracer, Fault> {
    let companion = stack.companion();
    let companion = companion.ok_or_else(|| Fault::new("the companion does not run"))?;
    let trace = format!("trace={call}");
    Tracer::attach(
        companion.id(),
        &["-e", &trace, "-e", inject, "-o", "/dev/null"],
        stack.folder(),
    )
}

fn is_running(stack: &mut Stack) -> bool {
    stack.must_run().is_ok()
}
