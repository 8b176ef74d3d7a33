//! The host that a request is for, in one reading, and the patterns that rules name.

/// The host of a request, in lower case, and its port where one was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    name: String,
    port: Option<u16>,
    /// Whether the port is the one at which the request came in, so that naming it says nothing.
    is_own_port: bool,
}

/// Hosts that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPattern {
    name: Name,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Exactly(String),
    /// All that end with this, which begins with a dot: `*.example.com`.
    Below(String),
}

impl HostPattern {
    /// Reads a host, or `*.` and a host, in lower case; a port may follow.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let below = text.strip_prefix("*.");
        let host = Host::parse(below.unwrap_or(text).as_bytes())?;
        let is_plain = host.to_string() == below.unwrap_or(text);
        let name = match below {
            Some(_) => Name::Below(format!(".{}", host.name)),
            None => Name::Exactly(host.name),
        };
        is_plain.then_some(Self {
            name,
            port: host.port,
        })
    }

    /// Whether `host` is one of these by its name, and by its port where the pattern names one.
    pub(crate) fn matches(&self, host: &Host) -> bool {
        self.has_name(host) && self.port.is_none_or(|port| host.port == Some(port))
    }

    /// Whether `host` is one of these, at the port that is named here or at which the request came in. Envoy compares the port too when
    /// it chooses a virtual host: any other one can lead to another app than the pattern means.
    pub(crate) fn matches_with_port(&self, host: &Host) -> bool {
        let has_port = self.port == host.port || self.port.is_none() && host.is_own_port;
        self.has_name(host) && has_port
    }

    fn has_name(&self, host: &Host) -> bool {
        match &self.name {
            Name::Exactly(exact) => host.name == *exact,
            // No host begins with a dot, so something stands before it.
            Name::Below(suffix) => host.name.ends_with(suffix),
        }
    }
}

impl Host {
    /// Reads `:authority` (RFC 3986 section 3.2), or finds that two readers could read it differently: user information, a final dot,
    /// encodings, a port that is not one.
    pub(crate) fn parse(authority: &[u8]) -> Option<Self> {
        let authority = std::str::from_utf8(authority).ok()?;
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, digits)) if !digits.ends_with(']') => {
                let port = digits.parse::<u16>().ok()?;
                (name, (port.to_string() == digits).then_some(port)?.into())
            }
            Some(_) | None => (authority, None),
        };
        let is_address = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        (is_address || name.split('.').all(is_label)).then(|| Self {
            name: name.to_ascii_lowercase(),
            port,
            is_own_port: false,
        })
    }

    /// The host of a request that came in at this port of the gateway.
    #[must_use]
    pub(crate) fn at(mut self, port: Option<u16>) -> Self {
        self.is_own_port = port.is_some() && port == self.port;
        self
    }

    /// Whether a port was sent with it.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authority: &str) -> Option<String> {
        Host::parse(authority.as_bytes()).map(|host| host.to_string())
    }

    #[test]
    fn one_host_has_one_name() {
        for (authority, host) in [
            ("www.example.com", "www.example.com"),
            ("WWW.Example.COM:8443", "www.example.com:8443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(read(authority).as_deref(), Some(host), "{authority}");
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
            "www.example.com.",
            "www.example.com.:80",
            "a@b.example.com",
            "a b",
            "a%2eb",
            "a/b",
            "a\\b",
            "a,b",
            "a:80:80",
            "a:8o",
            "a:",
            "a:080",
            "a:+80",
            "a:65536",
            "::1",
            "[::1",
            "[a]",
            "\u{e9}.example.com",
        ] {
            assert_eq!(read(authority), None, "{authority}");
        }
        assert_eq!(Host::parse(b"\xff"), None);
    }

    #[test]
    fn a_pattern_covers_one_host_or_all_below_one() {
        let host = |text: &str| Host::parse(text.as_bytes()).unwrap();
        let below = HostPattern::parse("*.example.com").unwrap();
        for name in ["www.example.com", "a.b.example.com", "WWW.example.com:80"] {
            assert!(below.matches(&host(name)), "{name}");
        }
        for name in ["example.com", "wwwexample.com", "example.com.evil.com"] {
            assert!(!below.matches(&host(name)), "{name}");
        }
        for pattern in [
            "", "*", "*.", "**.a", "a.*", "*a.com", "A.com", "a.com:x", "a.com.", "http://a",
            "*.*.a",
        ] {
            assert_eq!(HostPattern::parse(pattern), None, "{pattern}");
        }
    }

    /// Where a port decides the virtual host, it decides here.
    #[test]
    fn a_port_that_nobody_named_does_not_open_anything() {
        let host = |text: &str| Host::parse(text.as_bytes()).unwrap();
        let without = HostPattern::parse("a.com").unwrap();
        let with = HostPattern::parse("a.com:8443").unwrap();
        assert!(without.matches(&host("a.com:1")) && without.matches_with_port(&host("a.com")));
        assert!(!without.matches_with_port(&host("a.com:1")));
        assert!(with.matches_with_port(&host("a.com:8443")));
        assert!(!with.matches(&host("a.com")) && !with.matches(&host("a.com:1")));
        assert!(without.matches_with_port(&host("a.com:8000").at(Some(8000))));
        for other in [host("a.com:8000").at(Some(1)), host("a.com:8000").at(None)] {
            assert!(!without.matches_with_port(&other));
        }
        assert!(!with.matches_with_port(&host("a.com:8000").at(Some(8000))));
    }
}
