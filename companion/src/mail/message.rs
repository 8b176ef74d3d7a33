//! A mail as RFC 5322 and MIME want it: the text first, then the HTML.

use std::time::{Duration, SystemTime};

use lettre::message::header::{
    ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue,
};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};

use super::templates::Written;
use super::{Failure, Letter};
use crate::entropy;

/// Puts mails together.
pub(super) struct Composer {
    sender: Mailbox,
}

impl Composer {
    pub(super) const fn new(sender: Mailbox) -> Self {
        Self { sender }
    }

    /// The domain of the sender.
    pub(super) fn domain(&self) -> &str {
        self.sender.email.domain()
    }

    pub(super) fn compose(&self, letter: &Letter, written: Written) -> Result<Message, Failure> {
        let to = letter
            .to
            .parse()
            .map_err(|_| Failure::lasting("the address cannot be mailed to"))?;
        let since = u64::try_from(letter.now.0).unwrap_or_default();
        let parts = MultiPart::alternative()
            .boundary(word())
            .singlepart(part(ContentType::TEXT_PLAIN, written.text))
            .singlepart(part(ContentType::TEXT_HTML, written.html));
        Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, to))
            .subject(written.subject)
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(since))
            .message_id(Some(format!("<{}@{}>", word(), self.domain())))
            .header(AutoSubmitted)
            .multipart(parts)
            .map_err(|_| Failure::lasting("the mail cannot be put together"))
    }
}

/// Readable in the source as far as that goes: ASCII as it is, the rest as quoted-printable, never base64.
fn part(kind: ContentType, text: String) -> SinglePart {
    let body = if text.is_ascii() {
        Body::new(text)
    } else {
        Body::new_with_encoding(text.clone(), ContentTransferEncoding::QuotedPrintable)
            .unwrap_or_else(|_| Body::new(text))
    };
    SinglePart::builder().header(kind).body(body)
}

/// 128 random bits in letters: no six digits that somebody could take for a code.
fn word() -> String {
    let letters = |byte: u8| [byte >> 4, byte & 15].map(|half| char::from(b'a' + half));
    entropy::bytes::<16>()
        .into_iter()
        .flat_map(letters)
        .collect()
}

/// RFC 3834: no out-of-office reply comes back.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;
    use crate::mail::{Secrets, Templates};
    use crate::store::Mail;

    fn composed(to: &str, text: Option<&str>) -> Result<String, String> {
        let secrets = Secrets {
            code: Some("012345".to_owned()),
            long_code: None,
        };
        let templates = Templates::read(None, "Latchkey", "https://www.example.com").unwrap();
        let mut written = templates.write(Mail::ActivationCode, &secrets).unwrap();
        if let Some(text) = text {
            text.clone_into(&mut written.text);
        }
        let letter = Letter {
            to: to.to_owned(),
            mail: Mail::ActivationCode,
            purpose: None,
            secrets,
            now: Millis(1_800_000_000_000),
        };
        let sender = "Latchkey <latchkey@www.example.com>".parse().unwrap();
        Composer::new(sender)
            .compose(&letter, written)
            .map(|message| String::from_utf8(message.formatted()).unwrap())
            .map_err(|failure| failure.why)
    }

    #[test]
    fn the_text_comes_first_and_its_lines_are_as_they_are() {
        let mail = composed("alice@example.com", None).unwrap();
        for line in [
            "From: Latchkey <latchkey@www.example.com>\r\n",
            "To: alice@example.com\r\n",
            "Subject: Your code\r\n",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "\r\nYour code is 012345\r\n",
        ] {
            assert!(mail.contains(line), "{line}: {mail}");
        }
        let text = mail.find("text/plain").unwrap();
        assert!(text < mail.find("text/html").unwrap());
        let at = mail.find("012345").unwrap();
        assert!(
            !mail.as_bytes()[..at]
                .windows(6)
                .any(|six| six.iter().all(u8::is_ascii_digit))
        );
    }

    #[test]
    fn text_in_other_letters_leaves_the_code_readable() {
        let mail = composed(
            "alice@example.com",
            Some("Ваш код: 012345\n\nЭто код для вас\n"),
        )
        .unwrap();
        assert!(mail.contains("quoted-printable") && !mail.contains("base64"));
        assert!(mail.contains(": 012345\r\n"), "{mail}");
    }

    /// Nothing that could be a header, or an address, comes out of an address.
    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for to in [
            "",
            "alice",
            "a@b.example\r\nBcc: c@d.example",
            "a@b.example, c@d.example",
        ] {
            let why = composed(to, None).unwrap_err();
            assert_eq!(why, "the address cannot be mailed to");
        }
    }
}
