//! strace on a running companion: it watches system calls, kills at one of them, or lets it fail.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::fault::Fault;
use crate::part::Part;
use crate::place;
use crate::watch::wait_for;

const PATIENCE: Duration = Duration::from_secs(10);

/// A tracer; dropping it lets the process go on without.
pub(super) struct Tracer(Part);

impl Tracer {
    /// Attaches to all threads of that process, and to those that come; the folder takes what it says of itself.
    pub(super) fn attach(process: u32, arguments: &[&str], folder: &Path) -> Result<Self, Fault> {
        let log = folder.join("strace.log");
        // What the one before has said.
        let _ = std::fs::remove_file(&log);
        let mut command = Command::new(place::strace()?);
        command.args(["-f", "-p", &process.to_string()]);
        command.args(arguments);
        let mut part = Part::start("strace", command, log)?;
        wait_for("strace to attach", PATIENCE, || {
            if part.log().contains(" attached") {
                return Ok(Some(()));
            }
            part.must_run().map(|()| None)
        })?;
        Ok(Self(part))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // A tracer that is killed leaves the process stopped.
        self.0.terminate();
    }
}
