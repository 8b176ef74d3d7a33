//! Ends the parts of a stack whose launcher was killed: a shell on the other end of a pipe, which the kernel closes for the dead.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::fault::Fault;

/// Reads `add <id>` and `drop <id>`; at the end of its input kills what is left and removes the folder, if one was named.
const SCRIPT: &str = r#"
ids=
while read -r word id; do
    others=
    for known in $ids; do [ "$known" = "$id" ] || others="$others $known"; done
    ids=$others
    [ "$word" = drop ] || ids="$ids $id"
done
for id in $ids; do kill -s KILL "$id"; done
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
        self.tell("add", id);
    }

    /// From now on it does not: the process has ended.
    pub fn release(&mut self, id: u32) {
        self.tell("drop", id);
    }

    fn tell(&mut self, word: &str, id: u32) {
        if let Some(pipe) = self.0.stdin.as_mut() {
            // It fails only when the shell was killed; then there is nobody to tell.
            let _ = writeln!(pipe, "{word} {id}");
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        std::mem::drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
