//! Who PostgreSQL runs as: whoever runs the tests, but never root, which it refuses; then `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::programs;
use crate::fault::Fault;

/// What `nobody` is called by number where /etc/passwd does not say.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// A user and a group to change to, if any.
#[derive(Clone, Copy)]
pub(super) struct Owner(Option<(u32, u32)>);

impl Owner {
    /// For a folder that this process has made: its owner is who we are.
    ///
    /// # Errors
    /// When `nobody` cannot reach the folder.
    pub(super) fn of(folder: &Path) -> Result<Self, Fault> {
        let metadata = fs::metadata(folder).map_err(Fault::while_doing(folder.display()))?;
        if metadata.uid() != 0 {
            return Ok(Self(None));
        }
        let owner = Self(Some(nobody()));
        if owner.succeeds(Command::new("true"), folder) {
            return Ok(owner);
        }
        Err(Fault::new(format!(
            "PostgreSQL refuses to run as root, and `nobody` cannot reach {}: choose another folder, or another user",
            folder.display()
        )))
    }

    /// The folder of the server programs, as this owner can read it.
    ///
    /// # Errors
    /// When there are none.
    pub(super) fn programs(self) -> Result<PathBuf, Fault> {
        programs::readable_by(self)
    }

    /// Makes the file or folder its own.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn give(self, path: &Path) -> Result<(), Fault> {
        let Some((user, group)) = self.0 else {
            return Ok(());
        };
        chown(path, Some(user), Some(group)).map_err(Fault::while_doing(path.display()))
    }

    /// Lets the command run as this owner, in `folder`: the present one may be out of its reach.
    pub(super) fn run(self, command: &mut Command, folder: &Path) {
        command.current_dir(folder);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        for (name, _) in std::env::vars_os() {
            // PGDATA, PGPORT and their like, of whoever runs the tests.
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
    }

    /// Whether the command ends well for this owner in that folder.
    pub(super) fn succeeds(self, mut command: Command, folder: &Path) -> bool {
        self.run(&mut command, folder);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

fn nobody() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find_map(|line| line.strip_prefix("nobody:"));
    let mut fields = line.unwrap_or_default().split(':').skip(1);
    let mut number = || fields.next().and_then(|field| field.parse().ok());
    match (number(), number()) {
        (Some(user), Some(group)) => (user, group),
        _ => NOBODY,
    }
}
