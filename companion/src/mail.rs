//! Mail: put into words once, and handed over the one way that the settings name: into a folder, over SMTP, or to a webhook.

mod folder;
mod message;
mod smtp;
mod template;
mod templates;
mod webhook;

use std::fmt;
use std::sync::Arc;

use lettre::message::Mailbox;

use self::folder::Folder;
use self::message::Composer;
use self::smtp::Smtp;
use self::webhook::Webhook;
use crate::clock::Millis;
use crate::code::Purpose;
use crate::config::{Settings, authority};
use crate::store::Mail;

pub use self::templates::{Secrets, TemplateError, Templates};

/// One mail to one person.
pub struct Letter {
    /// To whom.
    pub to: String,
    /// What.
    pub mail: Mail,
    /// What its code is good for, where it has one.
    pub purpose: Option<Purpose>,
    /// Its codes.
    pub secrets: Secrets,
    /// When it is sent, by the store's clock.
    pub now: Millis,
}

/// A mail was not handed over. The text is ours: it holds no address, no code, and nothing that the other side made up.
#[derive(Debug)]
pub struct Failure {
    /// Whether the other side has refused this mail for good: trying again is of no use.
    pub is_lasting: bool,
    /// Why.
    pub why: String,
}

impl Failure {
    fn passing(why: impl fmt::Display) -> Self {
        Self {
            is_lasting: false,
            why: why.to_string(),
        }
    }

    fn lasting(why: impl fmt::Display) -> Self {
        Self {
            is_lasting: true,
            why: why.to_string(),
        }
    }
}

/// No mail can leave as the settings want it; holds no secret.
#[derive(Debug)]
pub struct MailError(String);

impl MailError {
    fn at<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MailError {}

/// Hands mail over; clones share it.
#[derive(Clone)]
pub struct Mailer(Arc<Parts>);

struct Parts {
    templates: Templates,
    composer: Composer,
    way: Way,
}

enum Way {
    Folder(Folder),
    Smtp(Smtp),
    Webhook(Webhook),
}

impl Mailer {
    /// Calls the mail server, where there is one, and sends nothing. A webhook cannot be called so: it would take the call for a mail.
    ///
    /// # Errors
    /// [`Failure`]: mail would not leave.
    pub async fn greet(&self) -> Result<(), Failure> {
        match &self.0.way {
            Way::Smtp(smtp) => smtp.greet().await,
            Way::Webhook(_) | Way::Folder(_) => Ok(()),
        }
    }

    /// Reads the templates and what the way needs; the folder is made where it is missing. No server is called.
    ///
    /// # Errors
    /// [`MailError`].
    pub fn open(settings: &Settings) -> Result<Self, MailError> {
        let templates = templates(settings).map_err(|error| MailError(error.to_string()))?;
        let composer = Composer::new(sender(settings)?);
        let way = match (&settings.smtp.host, &settings.webhook.url) {
            (Some(host), _) => Way::Smtp(Smtp::open(host, &settings.smtp, composer.domain())?),
            (None, Some(url)) => Way::Webhook(Webhook::open(url, &settings.webhook)?),
            (None, None) => {
                let folder = settings.state.join("mail");
                let opened = Folder::open(folder.clone());
                Way::Folder(opened.map_err(MailError::at(folder.display()))?)
            }
        };
        Ok(Self(Arc::new(Parts {
            templates,
            composer,
            way,
        })))
    }

    /// Hands the mail over. A mail that has failed may have arrived all the same.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn deliver(&self, letter: Letter) -> Result<(), Failure> {
        let parts = &self.0;
        let written = parts
            .templates
            .write(letter.mail, &letter.secrets)
            .ok_or_else(|| Failure::lasting("there are no words for this mail"))?;
        match &parts.way {
            Way::Webhook(webhook) => webhook.post(&letter, &written).await,
            Way::Folder(folder) => {
                let message = parts.composer.compose(&letter, written)?;
                folder.put(message, letter.now).await
            }
            Way::Smtp(smtp) => smtp.send(parts.composer.compose(&letter, written)?).await,
        }
    }
}

/// The texts that the settings name.
///
/// # Errors
/// [`TemplateError`].
pub fn templates(settings: &Settings) -> Result<Templates, TemplateError> {
    Templates::read(
        settings.mail.templates.as_deref(),
        &settings.mail.product,
        &settings.base_url,
    )
}

/// Whom mails come from: `smtp.from`, by the product's name where it has none, or `latchkey@` the host of `base_url`.
fn sender(settings: &Settings) -> Result<Mailbox, MailError> {
    let named = |mailbox: Mailbox| {
        let name = mailbox.name.or_else(|| Some(settings.mail.product.clone()));
        Mailbox::new(name, mailbox.email)
    };
    if let Some(from) = &settings.smtp.from {
        return from.parse().map(named).map_err(MailError::at("smtp.from"));
    }
    let host = authority::host(&settings.base_url).unwrap_or_default();
    // An address is no domain (RFC 5321 section 4.1.3 would want it in brackets, which few readers take).
    let host = if host.starts_with('[') || host.is_empty() {
        "localhost"
    } else {
        host
    };
    format!("latchkey@{host}")
        .parse()
        .map(|address| named(Mailbox::new(None, address)))
        .map_err(MailError::at("base_url"))
}

/// The words of an error of this machine, in one line of the log (AU-03).
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_ascii_graphic() || *character == ' ')
        .take(200)
        .collect()
}
