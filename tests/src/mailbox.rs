//! The companion's mail folder, read as its owner would: the newest mail to an address, and the code in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fault::Fault;
use crate::watch::wait_for;

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A folder of `.eml` files.
#[derive(Clone, Debug)]
pub struct Mailbox(PathBuf);

impl Mailbox {
    /// The one in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// All mails to that address, oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<String> {
        let mut mails: Vec<_> = fs::read_dir(&self.0)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "eml"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .filter_map(|(at, path)| Some((at, path.clone(), fs::read_to_string(path).ok()?)))
            .filter(|(_, _, mail)| recipient(mail).is_some_and(|to| to == address))
            .collect();
        mails.sort();
        mails.into_iter().map(|(_, _, mail)| mail).collect()
    }

    /// The six digits in the newest mail to that address, once there is one.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn code_for(&self, address: &str) -> Result<String, Fault> {
        let what = format!("a mail with a code to {address}");
        wait_for(&what, PATIENCE, || {
            Ok(self.mails_to(address).last().and_then(|mail| code_in(mail)))
        })
    }

    /// The first `count` mails to that address, once there are so many.
    ///
    /// # Errors
    /// When they do not come in time.
    pub fn wait_for(&self, address: &str, count: usize) -> Result<Vec<String>, Fault> {
        let what = format!("{count} mails to {address}");
        wait_for(&what, PATIENCE, || {
            let mails = self.mails_to(address);
            Ok((mails.len() >= count).then_some(mails))
        })
    }
}

fn recipient(mail: &str) -> Option<&str> {
    let header = mail.lines().take_while(|line| !line.is_empty());
    let to = header
        .map(|line| line.strip_prefix("To: "))
        .find_map(|to| to)?;
    Some(to.trim().trim_start_matches('<').trim_end_matches('>'))
}

/// The first run of exactly six digits in the body.
pub fn code_in(mail: &str) -> Option<String> {
    let body = mail.lines().skip_while(|line| !line.is_empty());
    body.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
        .find(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()))
        .map(ToOwned::to_owned)
}

/// The first run of exactly 26 base32 characters in the body: the long code of a recovery.
pub fn long_code_in(mail: &str) -> Option<String> {
    let body = mail.lines().skip_while(|line| !line.is_empty());
    let is_base32 = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
    body.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
        .find(|word| word.len() == 26 && word.bytes().all(is_base32))
        .map(ToOwned::to_owned)
}
