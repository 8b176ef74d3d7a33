//! E-mail addresses: one normalisation, everywhere (PW-14).

/// A normalised address: trimmed, lower case, ASCII in the local part, domain in its ASCII form. Nothing else is changed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Normalises `text`; `None` when it is no address that can be mailed to.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.trim().rsplit_once('@')?;
        let is_local =
            |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
        let dots_are_inside =
            !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        if local.is_empty() || local.len() > 64 || !local.bytes().all(is_local) || !dots_are_inside
        {
            return None;
        }
        let domain = idna::domain_to_ascii_strict(domain).ok()?;
        let is_host =
            |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        if domain.is_empty() || domain.len() > 190 || !domain.split('.').all(is_host) {
            return None;
        }
        Some(Self(format!("{local}@{domain}").to_ascii_lowercase()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Option<String> {
        Email::parse(text).map(|email| email.0)
    }

    /// PW-14: what is alike is one, what only looks alike is not.
    #[test]
    fn there_is_one_normalisation() {
        assert_eq!(
            normal("  Alice@Example.COM ").as_deref(),
            Some("alice@example.com")
        );
        assert_eq!(
            normal("alice@bücher.example").as_deref(),
            Some("alice@xn--bcher-kva.example")
        );
        assert_eq!(
            normal("a.l+tag@example.com").as_deref(),
            Some("a.l+tag@example.com")
        );
        assert_eq!(
            normal("alice@localhost").as_deref(),
            Some("alice@localhost")
        );
        for bad in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "a b@example.com",
            "аlice@example.com",
            "alice@exa mple.com",
            "a\r\nb@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a@-x.com",
            "a@x..com",
            "\"a b\"@example.com",
        ] {
            assert_eq!(normal(bad), None, "{bad:?}");
        }
    }
}
