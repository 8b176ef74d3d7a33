//! Files that hold one secret: private, whole or not there at all, and made only where none was named.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::entropy;

/// The file cannot be used; the text names it and never its content.
#[derive(Debug)]
pub struct SecretFileError(String);

impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SecretFileError {}

pub(crate) fn problem<E: fmt::Display>(file: &Path) -> impl Fn(E) -> SecretFileError {
    move |error| SecretFileError(format!("{}: {error}", file.display()))
}

/// Reads a secret. A file that others can read is refused (ST-02).
///
/// # Errors
/// [`SecretFileError`].
pub fn read(file: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let mode = fs::metadata(file)
        .map_err(problem(file))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(problem(file)("can be read by others; set its mode to 0600"));
    }
    fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(problem(file))
}

/// Reads the secret that a setting refers to: the file, or else the environment variable of that name (ST-02).
///
/// # Errors
/// [`SecretFileError`].
pub fn referred(
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<Zeroizing<String>, SecretFileError> {
    match (file, variable) {
        (Some(file), _) => read(file),
        (None, Some(name)) => std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| SecretFileError(format!("the variable {name} is not set"))),
        (None, None) => Err(SecretFileError(
            "neither a file nor a variable is named".to_owned(),
        )),
    }
}

/// Reads a secret, or makes one of 256 random bits as base64url where there is none.
///
/// # Errors
/// [`SecretFileError`].
pub fn read_or_make(file: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    if !file.exists() {
        make(file).map_err(problem(file))?;
    }
    read(file)
}

/// Whole, private and on disk, folder included: after a crash the file holds its secret or is not there.
fn make(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let unfinished =
        file.with_extension(format!("new-{:016x}", u64::from_be_bytes(entropy::bytes())));
    let secret =
        Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(entropy::bytes::<32>()).as_slice()));
    let mut made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let written = made
        .write_all(secret.as_bytes())
        .and_then(|()| made.sync_all());
    // A link never replaces: of two that make the file at once the first wins.
    let linked = written.and_then(|()| fs::hard_link(&unfinished, file));
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ST-02.
    #[test]
    fn a_secret_is_made_private_once_and_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.token");
        assert!(read(&file).is_err());
        let secret = read_or_make(&file).unwrap();
        assert_eq!(secret.len(), 43);
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(*read_or_make(&file).unwrap(), *secret);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_or_make(&file).unwrap_err().to_string();
        assert!(
            error.contains("0600") && !error.contains(secret.as_str()),
            "{error}"
        );
    }
}
