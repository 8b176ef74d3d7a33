//! What each mail says: bundled texts, each of which a file of the operator's folder may replace.
//!
//! `<mail>.txt` begins with its subject; `<mail>.html` goes into `layout.html`. Everything is read at the start, so that a mistake in a
//! file is found then and not when somebody waits for his mail.

use std::fmt;
use std::fs;
use std::path::Path;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::template::Placeholder::{self, BaseUrl, Body, Code, LongCode, Minutes, Product};
use super::template::{Form, Template};
use crate::code::LIFETIME;
use crate::store::Mail;

const LAYOUT: &str = "layout.html";
const SUBJECT: &str = "Subject: ";
/// For the line with the code as the template has it; the long code is 16 characters longer than its placeholder.
const WIDEST: usize = 58;
/// In every mail.
const COMMON: &[Placeholder] = &[Product, BaseUrl];

/// The templates cannot be used; the text names the file.
#[derive(Debug)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

/// All texts.
pub struct Templates {
    product: String,
    base_url: String,
    minutes: String,
    layout: Template,
    mails: Vec<(Mail, Words)>,
}

struct Words {
    subject: Template,
    text: Template,
    html: Template,
}

/// The secrets of a mail, where it has any; wiped after use.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Secrets {
    /// The six digits.
    pub code: Option<String>,
    /// The long code of a recovery.
    pub long_code: Option<String>,
}

/// A mail in words.
pub struct Written {
    /// One line.
    pub subject: String,
    /// The part that every reader can show; with lines ending in LF.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// The bundled texts of a mail.
const fn bundled(mail: Mail) -> (&'static str, &'static str) {
    macro_rules! texts {
        ($name:literal) => {
            (
                include_str!(concat!("../../mails/", $name, ".txt")),
                include_str!(concat!("../../mails/", $name, ".html")),
            )
        };
    }
    match mail {
        Mail::ActivationCode => texts!("activation_code"),
        Mail::AlreadyRegistered => texts!("already_registered"),
        Mail::SignUpAgain => texts!("sign_up_again"),
        Mail::RecoveryCode => texts!("recovery_code"),
        Mail::RecoveryLongCode => texts!("recovery_long_code"),
        Mail::StepUpCode => texts!("step_up_code"),
        Mail::EmailChangeCode => texts!("email_change_code"),
        Mail::AddressTaken => texts!("address_taken"),
        Mail::EmailChangeAsked => texts!("email_change_asked"),
        Mail::EmailChanged => texts!("email_changed"),
        Mail::PasswordChanged => texts!("password_changed"),
        Mail::Recovered => texts!("recovered"),
        Mail::AccountDeleted => texts!("account_deleted"),
        Mail::CodesClosed => texts!("codes_closed"),
        Mail::RefreshTokenReused => texts!("refresh_token_reused"),
        Mail::TotpAdded => texts!("totp_added"),
        Mail::TotpRemoved => texts!("totp_removed"),
        Mail::TotpClosed => texts!("totp_closed"),
        Mail::RecoveryCodesReplaced => texts!("recovery_codes_replaced"),
        Mail::RecoveryCodeUsed => texts!("recovery_code_used"),
    }
}

/// What a mail is of no use without; in its text and in its HTML.
const fn needed(mail: Mail) -> &'static [Placeholder] {
    match (mail.has_code(), mail.has_long_code()) {
        (true, true) => &[Code, LongCode],
        (true, false) => &[Code],
        (false, true) => &[LongCode],
        (false, false) => &[],
    }
}

impl Templates {
    /// The bundled texts, but for those of which there is a file in the folder.
    ///
    /// # Errors
    /// [`TemplateError`]: a file that cannot be read, whose name is no mail's, or whose placeholders are wrong.
    pub fn read(
        folder: Option<&Path>,
        product: &str,
        base_url: &str,
    ) -> Result<Self, TemplateError> {
        if let Some(folder) = folder {
            refuse_strangers(folder)?;
        }
        let layout = text_of(folder, LAYOUT, include_str!("../../mails/layout.html"))?;
        let layout = Template::read(&layout, &[Body], COMMON).map_err(problem(LAYOUT))?;
        let mails = Mail::ALL
            .into_iter()
            .map(|mail| Ok((mail, words(folder, mail)?)))
            .collect::<Result<_, TemplateError>>()?;
        Ok(Self {
            product: product.to_owned(),
            base_url: base_url.to_owned(),
            minutes: (LIFETIME.as_secs() / 60).to_string(),
            layout,
            mails,
        })
    }

    /// The mail in words. `None`: there is no such mail, which cannot be.
    pub fn write(&self, mail: Mail, secrets: &Secrets) -> Option<Written> {
        let (_, words) = self.mails.iter().find(|(known, _)| *known == mail)?;
        let value = |name| match name {
            Product => self.product.as_str(),
            BaseUrl => &self.base_url,
            Minutes => &self.minutes,
            Code => secrets.code.as_deref().unwrap_or_default(),
            LongCode => secrets.long_code.as_deref().unwrap_or_default(),
            Body => "",
        };
        let body = words.html.fill(Form::Html, value);
        let html = self.layout.fill(Form::Html, |name| match name {
            Body => body.as_str(),
            _ => value(name),
        });
        Some(Written {
            subject: words.subject.fill(Form::Plain, value),
            text: words.text.fill(Form::Plain, value),
            html,
        })
    }
}

fn words(folder: Option<&Path>, mail: Mail) -> Result<Words, TemplateError> {
    let name = mail.name();
    let (text_name, html_name) = (format!("{name}.txt"), format!("{name}.html"));
    let (text, html) = bundled(mail);
    let text = text_of(folder, &text_name, text)?;
    let html = text_of(folder, &html_name, html)?;
    let is_secret = |placeholder: &&Placeholder| [Code, LongCode].contains(*placeholder);
    let needed = needed(mail);
    let with_code = [COMMON, &[Minutes]].concat();
    let allowed = if needed.iter().any(|name| is_secret(&name)) {
        with_code.as_slice()
    } else {
        COMMON
    };
    let (subject, text) = text
        .strip_prefix(SUBJECT)
        .and_then(|text| text.split_once("\n\n"))
        .filter(|(subject, _)| !subject.trim().is_empty() && !subject.contains('\n'))
        .ok_or_else(|| {
            problem(&text_name)(
                "must begin with a line \"Subject: …\" and an empty line".to_owned(),
            )
        })?;
    // A subject is shown on locked screens and kept in logs of mail servers: no code goes there.
    let subject = Template::read(subject, &[], COMMON).map_err(problem(&text_name))?;
    let widest = text
        .lines()
        .filter(|line| line.contains("code }}") || line.contains("code}}"))
        .map(encoded_length)
        .max();
    if widest.is_some_and(|length| length > WIDEST) {
        let what =
            "the line with the code is too long: some mail programs would break it inside the code";
        return Err(problem(&text_name)(what.to_owned()));
    }
    Ok(Words {
        subject,
        text: Template::read(text, needed, allowed).map_err(problem(&text_name))?,
        html: Template::read(&html, needed, allowed).map_err(problem(&html_name))?,
    })
}

/// As quoted-printable, which breaks lines of more than 76 characters anywhere (RFC 2045 section 6.7).
fn encoded_length(line: &str) -> usize {
    let length = |byte: u8| {
        if byte.is_ascii() && byte != b'=' {
            1
        } else {
            3
        }
    };
    line.bytes().map(length).sum()
}

/// Of the folder, if it has such a file; lines end in LF.
fn text_of(folder: Option<&Path>, name: &str, bundled: &str) -> Result<String, TemplateError> {
    let text = match folder.map(|folder| folder.join(name)) {
        Some(file) if file.exists() => {
            fs::read_to_string(&file).map_err(|error| problem(name)(error.to_string()))?
        }
        _ => bundled.to_owned(),
    };
    Ok(text.replace("\r\n", "\n"))
}

/// A file whose name is misspelt would never be used, and nobody would notice. What is no `.txt` or `.html` is not looked at.
fn refuse_strangers(folder: &Path) -> Result<(), TemplateError> {
    let shown = folder.display().to_string();
    let entries = fs::read_dir(folder).map_err(|error| problem(&shown)(error.to_string()))?;
    for entry in entries {
        let entry = entry.map_err(|error| problem(&shown)(error.to_string()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = match name.rsplit_once('.') {
            Some((stem, "txt")) => Mail::ALL.iter().any(|mail| mail.name() == stem),
            Some((stem, "html")) => {
                name == LAYOUT || Mail::ALL.iter().any(|mail| mail.name() == stem)
            }
            _ => true,
        };
        if !known {
            return Err(problem(&name)("is no mail's".to_owned()));
        }
    }
    Ok(())
}

fn problem(file: &str) -> impl Fn(String) -> TemplateError {
    move |what| TemplateError(format!("mail.templates: {file}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Templates, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Templates::read(Some(folder.path()), "Acme <3", "https://a.example")
            .map_err(|error| error.to_string())
    }

    fn secrets() -> Secrets {
        Secrets {
            code: Some("012345".to_owned()),
            long_code: Some("abcdefghijklmnopqrstuvwxyz".to_owned()),
        }
    }

    /// Every mail, as bundled: its secrets stand in both parts, the names are escaped in one, and no six digits stand anywhere else.
    #[test]
    fn the_bundled_texts_say_what_they_must() {
        let templates = read(&[]).unwrap();
        for mail in Mail::ALL {
            let written = templates.write(mail, &secrets()).unwrap();
            for part in [&written.text, &written.html] {
                for (placeholder, secret) in
                    [(Code, "012345"), (LongCode, "abcdefghijklmnopqrstuvwxyz")]
                {
                    assert_eq!(
                        part.contains(secret),
                        needed(mail).contains(&placeholder),
                        "{mail:?}"
                    );
                }
                let digits = part.replace("012345", "");
                assert!(
                    !digits
                        .as_bytes()
                        .windows(6)
                        .any(|six| six.iter().all(u8::is_ascii_digit))
                );
                assert!(!part.contains("{{") && !part.contains("}}"), "{mail:?}");
            }
            assert!(written.html.contains("Acme &#60;3") && !written.html.contains("Acme <3"));
            assert!(
                written.text.lines().all(|line| line.len() <= 76),
                "{mail:?}"
            );
            assert!(!written.subject.is_empty());
        }
    }

    #[test]
    fn a_file_of_the_operator_takes_the_place_of_a_bundled_text() {
        let templates = read(&[
            (
                "activation_code.txt",
                "Subject: Willkommen bei {{ product }}\r\n\r\nCode: {{ code }}\r\n",
            ),
            ("layout.html", "<i>{{ body }}</i>"),
            ("..data", "of the mount"),
        ])
        .unwrap();
        let written = templates.write(Mail::ActivationCode, &secrets()).unwrap();
        assert_eq!(written.subject, "Willkommen bei Acme <3");
        assert_eq!(written.text, "Code: 012345\n");
        assert!(written.html.starts_with("<i><p>Your code is</p>"));
        let other = templates.write(Mail::CodesClosed, &secrets()).unwrap();
        assert_eq!(other.subject, "Too many wrong codes");
    }

    #[test]
    fn a_mistake_in_a_file_is_found_at_the_start() {
        for (name, text, what) in [
            (
                "activation_code.txt",
                "Subject: Hello\n\nno code",
                "lacks the placeholder {{ code }}",
            ),
            (
                "activation_code.html",
                "<p>no code</p>",
                "lacks the placeholder {{ code }}",
            ),
            (
                "activation_code.txt",
                "Subject: {{ code }}\n\n{{ code }}",
                "{{ code }}",
            ),
            ("activation_code.txt", "{{ code }}", "Subject"),
            ("activation_code.txt", "Subject: \n\n{{ code }}", "Subject"),
            (
                "activation_code.txt",
                "Subject: Hello\n\nЭто код, который нужно ввести: {{ code }}",
                "too long",
            ),
            ("codes_closed.html", "{{ code }}", "{{ code }}"),
            ("codes_closed.html", "{{ prodct }}", "{{ prodct }}"),
            ("layout.html", "<p>nothing</p>", "{{ body }}"),
            (
                "activation-code.txt",
                "Subject: x\n\n{{ code }}",
                "is no mail's",
            ),
            ("layout.txt", "x", "is no mail's"),
        ] {
            let error = read(&[(name, text)]).map(drop).unwrap_err();
            assert!(
                error.contains(name) && error.contains(what),
                "{name}: {error}"
            );
        }
        let missing = Templates::read(Some(Path::new("/nowhere/at/all")), "x", "x");
        assert!(
            missing
                .map(drop)
                .unwrap_err()
                .to_string()
                .contains("/nowhere/at/all")
        );
    }
}
