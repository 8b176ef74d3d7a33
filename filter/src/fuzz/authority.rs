//! Hosts.

use crate::authority::{Host, HostPattern};

/// A host that is accepted is a plain name, and is its own reading. The first line is the authority, the second a pattern.
#[test]
fn reading() {
    bolero::check!()
        .with_iterations(512)
        .for_each(|text: &[u8]| {
            let mut lines = text.splitn(2, |byte| *byte == b'\n');
            let authority = lines.next().unwrap_or_default();
            let Some(host) = Host::parse(authority) else {
                return;
            };
            let plain = host.to_string();
            assert!(
                plain.contains('[') || plain.as_bytes() == authority.to_ascii_lowercase(),
                "{plain}"
            );
            assert_eq!(Host::parse(plain.as_bytes()).as_ref(), Some(&host));
            assert!(plain.bytes().all(|byte| byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || b"-_.:[]".contains(&byte)));
            let pattern = lines
                .next()
                .and_then(|pattern| std::str::from_utf8(pattern).ok());
            let Some((pattern, text)) =
                pattern.and_then(|text| Some((HostPattern::parse(text)?, text)))
            else {
                return;
            };
            // No port of its own is known here, so a name without port stands for itself alone.
            let to_the_letter = match text.strip_prefix('*') {
                Some(below) => plain.len() > below.len() && plain.ends_with(below),
                None => plain == text,
            };
            assert_eq!(
                pattern.matches_with_port(&host),
                to_the_letter,
                "{plain} {text}"
            );
            assert!(!to_the_letter || pattern.matches_by_name(&host));
        });
}
