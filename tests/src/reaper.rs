//! Ends the parts of a stack whose launcher was killed: a shell on the other end of a pipe, which the kernel closes for the dead.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::fault::Fault;

/// Reads `add <id> <signal>` and `drop <id>`; at the end of its input sends what is left its signal, SIGKILL to what that does not end
/// soon, and removes the folder, if one was named.
const SCRIPT: &str = r#"
# Not so for the dead whom nobody has buried yet.
lives() { kill -s 0 "$1" && ! grep -q '^State:.*Z' "/proc/$1/status"; }
known=
while read -r word id signal; do
    others=
    for one in $known; do [ "${one%:*}" = "$id" ] || others="$others $one"; done
    known=$others
    [ "$word" = drop ] || known="$known $id:$signal"
done
for one in $known; do kill -s "${one#*:}" "${one%:*}"; done
for one in $known; do
    [ "${one#*:}" != KILL ] || continue
    looks=0
    while lives "${one%:*}" && [ $looks -lt 60 ]; do sleep 0.1; looks=$((looks + 1)); done
    kill -s KILL "${one%:*}"
done
[ -z "$1" ] || rm -rf -- "$1"
"#;

/// The shell; dropping it ends it, and with it what it still knows.
pub struct Reaper(Child);

impl Reaper {
    /// Starts one that also removes the folder `temporary`.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn start(temporary: Option<&Path>) -> Result<Self, Fault> {
        Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(temporary.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Self)
            .map_err(Fault::while_doing("starting a shell"))
    }

    /// From now on it kills that process.
    pub fn add(&mut self, id: u32) {
        self.tell(&format!("add {id} KILL"));
    }

    /// From now on it ends that process with the signal of that name, and with SIGKILL when it is slow.
    pub fn add_with(&mut self, id: u32, signal: &str) {
        self.tell(&format!("add {id} {signal}"));
    }

    /// From now on it does not: the process has ended.
    pub fn release(&mut self, id: u32) {
        self.tell(&format!("drop {id}"));
    }

    fn tell(&mut self, line: &str) {
        if let Some(pipe) = self.0.stdin.as_mut() {
            // It fails only when the shell was killed; then there is nobody to tell.
            let _ = writeln!(pipe, "{line}");
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        std::mem::drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
