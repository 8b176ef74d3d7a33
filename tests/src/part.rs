//! One program of the stack while it runs: its log, its end, and how it is ended. Knows no HTTP.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::fault::Fault;
use crate::watch::wait_for;

/// How long a part may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(3);

/// A running program; dropping it kills it.
pub struct Part {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Part {
    /// Starts `command` with its output appended to `log`, in a process group of its own: Ctrl-C reaches the launcher alone.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(name: &str, mut command: Command, log: PathBuf) -> Result<Self, Fault> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Fault::while_doing(log.display()))?;
        let errors = output.try_clone().map_err(Fault::while_doing(name))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Fault::while_doing(format!("starting {name}")))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the signal of that name, without waiting for what comes of it.
    pub fn signal(&self, signal: &str) {
        signal_process(signal, self.child.id());
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; SIGKILL when that does not end it in time.
    pub fn terminate(&mut self) {
        self.end_by("TERM", PATIENCE);
    }

    /// The signal of that name; SIGKILL when that does not end it within `patience`. Whether it ended by itself.
    pub fn end_by(&mut self, signal: &str, patience: Duration) -> bool {
        self.signal(signal);
        let end = wait_for("its end", patience, || {
            Ok(self.child.try_wait().ok().flatten())
        });
        self.kill();
        end.is_ok()
    }

    /// How it ended, if it has.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// A fault that tells how it ended and what it said last, if it has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn must_run(&mut self) -> Result<(), Fault> {
        let Some(status) = self.end() else {
            return Ok(());
        };
        let name = &self.name;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        Err(Fault::new(format!("{name} ended ({status}):\n{last}")))
    }

    /// Memory in MiB: what it has now, and the most that it ever had.
    ///
    /// # Errors
    /// When it does not run.
    pub fn memory(&self) -> Result<(f64, f64), Fault> {
        let path = format!("/proc/{}/status", self.id());
        let text = fs::read_to_string(&path).map_err(Fault::while_doing(path))?;
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            number.unwrap_or_default() / 1024.0
        };
        Ok((figure("VmRSS:"), figure("VmHWM:")))
    }

    /// All that it has written.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `kill` is a builtin of every shell; the standard library sends SIGKILL alone.
fn signal_process(signal: &str, id: u32) {
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &id.to_string()])
        .stderr(Stdio::null())
        .status();
}
