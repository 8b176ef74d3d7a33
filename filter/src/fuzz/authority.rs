//! Hosts.

use crate::authority::{HostPattern, unambiguous};

/// A host that is accepted is a plain name, and is its own reading. The first line is the authority, the second a pattern.
#[test]
fn reading() {
    bolero::check!()
        .with_iterations(512)
        .for_each(|text: &[u8]| {
            let mut lines = text.splitn(2, |byte| *byte == b'\n');
            let authority = lines.next().unwrap_or_default();
            let Some(host) = unambiguous(authority) else {
                return;
            };
            assert_eq!(unambiguous(host.as_bytes()).as_deref(), Some(host.as_str()));
            assert!(authority.to_ascii_lowercase().starts_with(host.as_bytes()));
            assert!(
                !host.is_empty()
                    && host.bytes().all(|byte| byte.is_ascii_lowercase()
                        || byte.is_ascii_digit()
                        || b"-_.:[]".contains(&byte))
            );
            let pattern = lines
                .next()
                .and_then(|pattern| std::str::from_utf8(pattern).ok());
            let Some((pattern, text)) =
                pattern.and_then(|text| Some((HostPattern::parse(text)?, text)))
            else {
                return;
            };
            let is_matched = match text.strip_prefix('*') {
                Some(below) => host.len() > below.len() && host.ends_with(below),
                None => host == text,
            };
            assert_eq!(pattern.matches(&host), is_matched, "{host} {text}");
        });
}
