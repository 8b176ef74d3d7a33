//! How mail leaves: into files, over SMTP, or to a webhook; and how long it is tried.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use super::{ConfigError, authority, demand};
use crate::span::Span;

/// `[mail]`: what holds however it leaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// What the mails call the service.
    pub product: String,
    /// A folder with texts that take the place of the bundled ones.
    pub templates: Option<PathBuf>,
    /// How many mails are being sent at a time, at most: a slow server holds up no more than these.
    pub at_once: usize,
    /// How often a mail is tried, at most, where the failure may pass.
    pub most_tries: u32,
    /// For how long a mail that was given up stays to be seen.
    pub dead_letters_kept: Span,
}

/// `[smtp]`; in use where `host` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// The server.
    pub host: Option<String>,
    /// Its port; 0: the usual one, which is 465, 587 or 25 as `tls` is `required`, `starttls` or `none`.
    pub port: u16,
    /// TLS.
    pub tls: SmtpTls,
    /// Who logs in there; nobody where it is not given.
    pub username: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The environment variable with the password, in place of the file.
    pub password_env: Option<String>,
    /// Whom mails come from: an address, or a name and an address in angle brackets.
    pub from: Option<String>,
    /// The authorities that may have signed the server's certificate, as PEM; those of the system when it is not given.
    pub ca_file: Option<PathBuf>,
    /// How long handing over one mail may take.
    pub timeout: Span,
}

/// How the connection to the SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// TLS from the first byte (RFC 8314).
    Required,
    /// TLS by STARTTLS; without it no mail (RFC 3207).
    Starttls,
    /// None: on this machine alone.
    None,
}

/// `[webhook]`; in use where `url` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// Where each mail is posted to.
    pub url: Option<String>,
    /// The file with the secret that signs it.
    pub secret_file: Option<PathBuf>,
    /// The environment variable with that secret, in place of the file.
    pub secret_env: Option<String>,
    /// The authorities that may have signed the server's certificate, as PEM; those of the system when it is not given.
    pub ca_file: Option<PathBuf>,
    /// How long a call may take.
    pub timeout: Span,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            product: "Latchkey".to_owned(),
            templates: None,
            at_once: 8,
            most_tries: 20,
            dead_letters_kept: Span::seconds(7 * 86_400),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            host: None,
            port: 0,
            tls: SmtpTls::Required,
            username: None,
            password_file: None,
            password_env: None,
            from: None,
            ca_file: None,
            timeout: Span::seconds(20),
        }
    }
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            url: None,
            secret_file: None,
            secret_env: None,
            ca_file: None,
            timeout: Span::seconds(10),
        }
    }
}

/// An errand that was taken is another companion's after a minute: until then its mail must have been handed over or given up.
const LONGEST: Duration = Duration::from_secs(30);

fn timeout(span: Span, key: &str) -> Result<(), ConfigError> {
    let is_good = (Duration::from_secs(1)..=LONGEST).contains(&span.get());
    demand(is_good, key, "must lie between 1s and 30s")
}

fn one_reference(
    file: Option<&PathBuf>,
    variable: Option<&String>,
    key: &str,
    both: &str,
) -> Result<(), ConfigError> {
    demand(file.is_some() != variable.is_some(), key, both)
}

impl Mail {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let is_line = !self.product.trim().is_empty()
            && self.product.chars().count() <= 64
            && !self.product.chars().any(char::is_control);
        demand(
            is_line,
            "mail.product",
            "must be a name of 64 printable characters at most",
        )?;
        demand(
            (1..=256).contains(&self.at_once),
            "mail.at_once",
            "must lie between 1 and 256",
        )?;
        demand(
            (1..=100).contains(&self.most_tries),
            "mail.most_tries",
            "must lie between 1 and 100",
        )?;
        let kept = self.dead_letters_kept.get();
        let (least, most) = (
            Duration::from_secs(3_600),
            Duration::from_secs(366 * 86_400),
        );
        demand(
            (least..=most).contains(&kept),
            "mail.dead_letters_kept",
            "must lie between 1h and 366d",
        )
    }
}

impl Smtp {
    /// The port, usual or not.
    pub const fn port(&self) -> u16 {
        match (self.port, self.tls) {
            (0, SmtpTls::Required) => 465,
            (0, SmtpTls::Starttls) => 587,
            (0, SmtpTls::None) => 25,
            (port, _) => port,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some(host) = &self.host else {
            return demand(
                *self == Self::default(),
                "smtp.host",
                "is missing, and without it the section means nothing",
            );
        };
        let is_host = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
        demand(
            is_host,
            "smtp.host",
            "must be a host name or an address, without a port",
        )?;
        demand(
            self.tls != SmtpTls::None || authority::is_loopback(host),
            "smtp.tls",
            "\"none\" is for this machine alone: codes would cross the network in the clear",
        )?;
        let from = self
            .from
            .as_deref()
            .ok_or_else(|| ConfigError::at("smtp.from", "is missing"))?;
        let is_sender = !from.chars().any(char::is_control) && from.parse::<Mailbox>().is_ok();
        demand(
            is_sender,
            "smtp.from",
            "must be an address, or a name and an address in angle brackets",
        )?;
        let has_password = self.password_file.is_some() || self.password_env.is_some();
        if self.username.is_some() || has_password {
            demand(
                self.username.as_ref().is_some_and(|name| !name.is_empty()),
                "smtp.username",
                "is missing",
            )?;
            one_reference(
                self.password_file.as_ref(),
                self.password_env.as_ref(),
                "smtp.password_file",
                "give the password in this file or by password_env, not both",
            )?;
        }
        timeout(self.timeout, "smtp.timeout")
    }
}

impl Webhook {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some(url) = &self.url else {
            return demand(
                *self == Self::default(),
                "webhook.url",
                "is missing, and without it the section means nothing",
            );
        };
        authority::url(url).map_err(|what| ConfigError::at("webhook.url", what))?;
        one_reference(
            self.secret_file.as_ref(),
            self.secret_env.as_ref(),
            "webhook.secret_file",
            "give the secret in this file or by secret_env, one of them",
        )?;
        timeout(self.timeout, "webhook.timeout")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn refusal(text: &str) -> Option<String> {
        let settings: Settings = toml::from_str(text).unwrap();
        settings.check().err().map(|error| error.to_string())
    }

    const SMTP: &str = "[smtp]\nhost = \"mail.example.com\"\nfrom = \"a@example.com\"\n";
    const HOOK: &str = "[webhook]\nurl = \"https://h.example/x?y=1\"\nsecret_file = \"s\"\n";

    #[test]
    fn what_cannot_be_meant_is_refused_by_the_name_of_its_key() {
        let with = |section: &str, line: &str| format!("{section}{line}\n");
        for (text, key) in [
            ("[smtp]\nport = 25\n".to_owned(), "smtp.host"),
            (
                "[smtp]\nhost = \"h:25\"\ntls = \"none\"".to_owned(),
                "smtp.tls",
            ),
            ("[smtp]\nhost = \"mail/x\"".to_owned(), "smtp.host"),
            ("[smtp]\nhost = \"h\"".to_owned(), "smtp.from"),
            (
                "[smtp]\nhost = \"h\"\nfrom = \"nobody\"".to_owned(),
                "smtp.from",
            ),
            (
                "[smtp]\nhost = \"h\"\nfrom = \"a <a@b.example>\\r\\nBcc: c@d.example\"".to_owned(),
                "smtp.from",
            ),
            (with(SMTP, "tls = \"none\""), "smtp.tls"),
            (with(SMTP, "username = \"u\""), "smtp.password_file"),
            (with(SMTP, "password_file = \"p\""), "smtp.username"),
            (
                with(
                    SMTP,
                    "username = \"u\"\npassword_file = \"p\"\npassword_env = \"P\"",
                ),
                "smtp.password_file",
            ),
            (with(SMTP, "timeout = \"31s\""), "smtp.timeout"),
            (with(SMTP, "timeout = \"0s\""), "smtp.timeout"),
            (format!("{SMTP}{HOOK}"), "webhook.url"),
            ("[webhook]\nsecret_file = \"s\"\n".to_owned(), "webhook.url"),
            (
                "[webhook]\nurl = \"http://h.example/\"\nsecret_file = \"s\"\n".to_owned(),
                "webhook.url",
            ),
            (
                "[webhook]\nurl = \"https://u:p@h.example/\"\nsecret_file = \"s\"\n".to_owned(),
                "webhook.url",
            ),
            (
                "[webhook]\nurl = \"https://h.example/#x\"\nsecret_file = \"s\"\n".to_owned(),
                "webhook.url",
            ),
            (
                "[webhook]\nurl = \"https://h.example/\"\n".to_owned(),
                "webhook.secret_file",
            ),
            (with(HOOK, "secret_env = \"S\""), "webhook.secret_file"),
            (with(HOOK, "timeout = \"1m\""), "webhook.timeout"),
            ("[mail]\nproduct = \"\"".to_owned(), "mail.product"),
            ("[mail]\nproduct = \"a\\nb\"".to_owned(), "mail.product"),
            ("[mail]\nat_once = 0".to_owned(), "mail.at_once"),
            ("[mail]\nmost_tries = 0".to_owned(), "mail.most_tries"),
            (
                "[mail]\ndead_letters_kept = \"1m\"".to_owned(),
                "mail.dead_letters_kept",
            ),
        ] {
            let why = refusal(&text).unwrap_or_default();
            let names_it = why.starts_with(&format!("configuration refused: {key}: "));
            assert!(names_it, "{text}: {why}");
        }
    }

    #[test]
    fn what_is_enough_is_taken_and_has_the_usual_port() {
        for text in [
            SMTP.to_owned(),
            HOOK.to_owned(),
            format!(
                "{SMTP}username = \"u\"\npassword_env = \"P\"\ntls = \"starttls\"\nport = 2525\n"
            ),
            "[smtp]\nhost = \"127.0.0.1\"\nfrom = \"a@b.example\"\ntls = \"none\"\n".to_owned(),
            "[webhook]\nurl = \"http://localhost:9/x\"\nsecret_env = \"S\"\n".to_owned(),
        ] {
            assert_eq!(refusal(&text), None, "{text}");
        }
        let port = |tls| {
            Smtp {
                tls,
                ..Smtp::default()
            }
            .port()
        };
        let usual = [SmtpTls::Required, SmtpTls::Starttls, SmtpTls::None].map(port);
        assert_eq!(usual, [465, 587, 25]);
    }
}
