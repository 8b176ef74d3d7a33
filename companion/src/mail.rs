//! Mail: what each says, and the folder that it is put into as `.eml` files.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::clock::Millis;
use crate::code::LIFETIME;
use crate::entropy;
use crate::store::Mail;

/// Delivers mail into a folder.
#[derive(Clone, Debug)]
pub struct MailFolder {
    folder: PathBuf,
    sender_domain: String,
}

impl MailFolder {
    /// A folder, made where it is missing; mails come from `latchkey@` the host of `base_url`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: PathBuf, base_url: &str) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&folder)?;
        let host = base_url
            .split_once("://")
            .map_or(base_url, |(_, authority)| authority);
        // An address is no domain (RFC 5321 section 4.1.3 would want it in brackets, which few readers take).
        let host = if host.starts_with('[') {
            "localhost"
        } else {
            host.split(':').next().unwrap_or_default()
        };
        Ok(Self {
            folder,
            sender_domain: host.to_owned(),
        })
    }

    /// Writes one mail. It appears whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn deliver(&self, to: &str, mail: Mail, code: Option<&str>, now: Millis) -> io::Result<()> {
        let id = u64::from_be_bytes(entropy::bytes());
        let id = format!("{id:016x}");
        let text = self.text(to, mail, code, now, &id);
        let name = format!("{:015}-{id}", now.0);
        let (unfinished, finished) = (
            self.folder.join(format!("{name}.tmp")),
            self.folder.join(format!("{name}.eml")),
        );
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&unfinished, finished));
        if written.is_err() {
            // Its code would lie there for ever.
            let _ = fs::remove_file(unfinished);
        }
        written.and_then(|()| File::open(&self.folder)?.sync_all())
    }

    fn text(&self, to: &str, mail: Mail, code: Option<&str>, now: Millis, id: &str) -> String {
        let domain = &self.sender_domain;
        let date = OffsetDateTime::from_unix_timestamp(now.seconds().seconds())
            .ok()
            .and_then(|date| date.format(&Rfc2822).ok())
            .unwrap_or_default();
        let (subject, body) = words(mail, code);
        // RFC 5322; all that is variable here is printable ASCII.
        format!(
            "From: Latchkey <latchkey@{domain}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
             Message-ID: <{id}@{domain}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\
             Auto-Submitted: auto-generated\r\n\r\n{body}\r\n"
        )
    }
}

fn words(mail: Mail, code: Option<&str>) -> (&'static str, String) {
    let minutes = LIFETIME.as_secs() / 60;
    match mail {
        Mail::ActivationCode => (
            "Your code",
            format!(
                "Your code is {}\r\n\r\nEnter it within {minutes} minutes where you signed up. If you did not sign up, ignore this mail:\r\n\
                 without the code nothing happens. Tell the code to nobody.",
                code.unwrap_or_default()
            ),
        ),
        Mail::AlreadyRegistered => (
            "You have an account already",
            "Somebody signed up with your address. You have an account already, and nothing about it has changed.\r\n\r\n\
             If it was you: log in. If it was not, ignore this mail."
                .to_owned(),
        ),
        Mail::SignUpAgain => (
            "Please sign up again",
            "Somebody asked for a new code for your address, and there has been more than one sign-up with it.\r\n\r\n\
             If you want an account, sign up again and enter the code that comes then."
                .to_owned(),
        ),
        Mail::CodesClosed => (
            "Too many wrong codes",
            "Too many wrong codes were entered for your address. For a day no more codes are sent or taken.\r\n\r\n\
             If it was not you: nobody got in."
                .to_owned(),
        ),
        Mail::RefreshTokenReused => (
            "One of your sessions has ended",
            "An old token of one of your sessions was used again. Somebody may have stolen it, so the session has ended:\r\n\
             where you were logged in, log in again. Look at the list of your sessions too."
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_a_whole_private_file_with_the_code_in_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mails =
            MailFolder::open(folder.path().join("mail"), "https://www.example.com:8443").unwrap();
        mails
            .deliver(
                "alice@example.com",
                Mail::ActivationCode,
                Some("012345"),
                Millis(1_800_000_000_000),
            )
            .unwrap();
        let files: Vec<_> = fs::read_dir(folder.path().join("mail"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1);
        assert_eq!(
            fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = fs::read_to_string(&files[0]).unwrap();
        assert!(
            text.contains("To: <alice@example.com>\r\n")
                && text.contains("Your code is 012345\r\n")
        );
        assert!(text.contains("From: Latchkey <latchkey@www.example.com>\r\nTo:"));
    }
}
