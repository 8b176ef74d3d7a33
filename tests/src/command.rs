//! The companion's command line, run as an operator runs it.

use std::path::Path;
use std::process::Command;

use crate::fault::Fault;
use crate::place;

/// What a command printed.
pub struct Printed {
    /// Whether it succeeded.
    pub is_success: bool,
    /// With which code it ended.
    pub code: Option<i32>,
    /// Both streams.
    pub text: String,
}

/// `latchkey` with these arguments and variables, on that state directory.
///
/// # Errors
/// When it was not built.
pub fn latchkey(
    state: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<Printed, Fault> {
    let output = Command::new(place::program("latchkey")?)
        .args(arguments)
        .env_clear()
        .env("LATCHKEY_STATE", state)
        .envs(variables.iter().copied())
        .output()
        .map_err(Fault::while_doing("latchkey"))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Printed {
        is_success: output.status.success(),
        code: output.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

impl Printed {
    /// The text of a command that succeeded.
    ///
    /// # Errors
    /// When it did not.
    pub fn expect(self) -> Result<String, Fault> {
        if self.is_success {
            Ok(self.text)
        } else {
            Err(Fault::new(self.text))
        }
    }
}
