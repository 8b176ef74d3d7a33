//! The host that a request is for, in one reading, and the patterns that rules name.

/// Hosts that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// Exactly this one.
    Exactly(String),
    /// All that end with this, which begins with a dot: `*.example.com`.
    Below(String),
}

impl HostPattern {
    /// Reads a host, or `*.` and a host; lower case, without port.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_plain = |host: &str| unambiguous(host.as_bytes()).as_deref() == Some(host);
        match text.strip_prefix('*') {
            Some(suffix) => {
                let is_host = suffix.strip_prefix('.').is_some_and(is_plain);
                is_host.then(|| Self::Below(suffix.to_owned()))
            }
            None => is_plain(text).then(|| Self::Exactly(text.to_owned())),
        }
    }

    /// Whether `host`, as [`unambiguous`] gives it, is one of these.
    pub(crate) fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exactly(exact) => host == exact,
            // No host begins with a dot, so something stands before it.
            Self::Below(suffix) => host.ends_with(suffix),
        }
    }
}

/// The host of `:authority` in lower case, without port and final dot, or `None` where two readers could read it differently.
///
/// Envoy chooses its virtual host without regard to case; a name with a final dot is the same host (RFC 3986 section 3.2.2).
pub(crate) fn unambiguous(authority: &[u8]) -> Option<String> {
    let authority = std::str::from_utf8(authority).ok()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (is_address || host.split('.').all(is_label)).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_name() {
        for (authority, host) in [
            ("www.example.com", "www.example.com"),
            ("WWW.Example.COM:8443", "www.example.com"),
            ("www.example.com.", "www.example.com"),
            ("www.example.com.:80", "www.example.com"),
            ("localhost:", "localhost"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            let read = unambiguous(authority.as_bytes());
            assert_eq!(read.as_deref(), Some(host), "{authority}");
        }
    }

    /// A host that another part could read differently must not choose a rule.
    #[test]
    fn a_host_with_two_readings_has_none() {
        for authority in [
            "",
            ":80",
            ".",
            "a..b",
            ".example.com",
            "www.example.com..",
            "a@b.example.com",
            "a b",
            "a%2eb",
            "a/b",
            "a\\b",
            "a,b",
            "a:80:80",
            "a:8o",
            "::1",
            "[::1",
            "[a]",
            "\u{e9}.example.com",
        ] {
            assert_eq!(unambiguous(authority.as_bytes()), None, "{authority}");
        }
        assert_eq!(unambiguous(b"\xff"), None);
    }

    #[test]
    fn a_pattern_covers_one_host_or_all_below_one() {
        let below = HostPattern::parse("*.example.com").unwrap();
        for host in ["www.example.com", "a.b.example.com"] {
            assert!(below.matches(host), "{host}");
        }
        for host in [
            "example.com",
            "wwwexample.com",
            "example.com.evil.com",
            ".example.com",
        ] {
            let is_host = unambiguous(host.as_bytes()).is_some();
            assert!(!is_host || !below.matches(host), "{host}");
        }
        for pattern in [
            "", "*", "*.", "**.a", "a.*", "*a.com", "A.com", "a.com:80", "a.com.", "http://a",
            "*.*.a",
        ] {
            assert_eq!(HostPattern::parse(pattern), None, "{pattern}");
        }
    }
}
