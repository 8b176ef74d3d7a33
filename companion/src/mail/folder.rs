//! Mail into a folder of `.eml` files, where no server is configured.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use lettre::Message;

use super::Failure;
use crate::clock::Millis;
use crate::entropy;

/// The folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Made where it is missing, for its owner alone.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&folder)?;
        Ok(Self(folder))
    }

    /// Writes one mail. It appears whole or not at all.
    pub(super) async fn put(&self, message: Message, now: Millis) -> Result<(), Failure> {
        let folder = self.0.clone();
        let written =
            tokio::task::spawn_blocking(move || write(&folder, &message.formatted(), now)).await;
        match written {
            Ok(written) => written.map_err(Failure::passing),
            Err(_) => Err(Failure::passing("writing the file failed")),
        }
    }
}

fn write(folder: &Path, mail: &[u8], now: Millis) -> io::Result<()> {
    let id = u64::from_be_bytes(entropy::bytes());
    let name = format!("{:015}-{id:016x}", now.0);
    let (unfinished, finished) = (
        folder.join(format!("{name}.tmp")),
        folder.join(format!("{name}.eml")),
    );
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let written = file
        .write_all(mail)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, finished));
    if written.is_err() {
        // Its code would lie there for ever.
        let _ = fs::remove_file(unfinished);
    }
    written.and_then(|()| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_mail_is_a_whole_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let mails = Folder::open(folder.path().join("mail")).unwrap();
        write(&mails.0, b"a mail", Millis(1_800_000_000_000)).unwrap();
        let files: Vec<_> = fs::read_dir(&mails.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1);
        assert_eq!(fs::read(&files[0]).unwrap(), b"a mail");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files[0]), mode(&mails.0)), (0o600, 0o700));
    }
}
