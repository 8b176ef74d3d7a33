//! A companion on SQLite is killed at the first, the second, … of each system call with which it writes, syncs and answers; its disk fails
//! or is full; and its calls are watched (D1). Nothing is acknowledged that is not on the disk, and what was acknowledged is still there.

mod bad_disk;
mod order;

use std::time::Duration;

use super::crew::Crew;
use super::table::Table;
use super::tracer::Tracer;
use crate::fault::Fault;
use crate::setup::Store;
use crate::stack::Stack;
use crate::watch::Stopwatch;

/// The calls with which SQLite writes and syncs, and the one with which an answer leaves.
const CALLS: [&str; 3] = ["pwrite64", "fsync", "writev"];
/// A call that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(3);

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
        if kills < points.div_ceil(2) {
            return Err(Fault::new(format!("{kills} kills at {points} of {call}")));
        }
        let what = format!("kills at the first {points} of {call} in a thread");
        table.add("crash-points", store, &what, kills);
    }
    bad_disk::run(&mut crew, store, table)?;
    crew.end("crash-points", store, table)
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
