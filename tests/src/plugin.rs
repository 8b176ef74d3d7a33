//! Small plugins that stand in for others, compiled by the test that uses them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fault::Fault;

/// The plugin of that name below `tests/stand_in`, compiled into `folder`.
///
/// # Errors
/// When the compiler is missing, or refuses.
pub fn compile(name: &str, folder: &Path) -> Result<PathBuf, Fault> {
    let module = folder.join(format!("{name}.wasm"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("stand_in/{name}.rs"));
    let compiled = Command::new("rustc")
        .args(["--edition", "2024", "--target", "wasm32-wasip1"])
        .args(["--crate-type", "cdylib", "-O", "-C", "panic=abort", "-o"])
        .args([&module, &source])
        .status()
        .map_err(Fault::while_doing("rustc"))?;
    if !compiled.success() {
        return Err(Fault::new(format!("{name} does not compile")));
    }
    Ok(module)
}
