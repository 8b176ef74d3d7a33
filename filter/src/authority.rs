//! The host that a request is for, in one reading, and the patterns that rules name.

/// The host of a request, in lower case, and its port where one was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    name: String,
    port: Option<u16>,
    /// The port of the gateway at which the request came in, where that is known.
    own_port: Option<u16>,
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

    /// Whether `host` is one of these for a reader to whom a port that was not named says nothing.
    pub(crate) fn matches_by_name(&self, host: &Host) -> bool {
        let has_port = |port| host.port.is_none_or(|sent| sent == port);
        self.has_name(host) && self.port.is_none_or(has_port)
    }

    /// Whether `host` is one of these, at the port that is named here or else at the one at which requests come in. So Envoy chooses a
    /// virtual host: at any other port the request can be for another app.
    pub(crate) fn matches_with_port(&self, host: &Host) -> bool {
        let port = host.port.or(host.own_port);
        let has_port = match self.port {
            Some(named) => port == Some(named),
            None => host.port.is_none() || host.port == host.own_port,
        };
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
        // RFC 5952: an address has many spellings, and one of them is the name here.
        let address = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(|address| address.parse::<std::net::Ipv6Addr>().ok());
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let name = match address {
            Some(address) => format!("[{address}]"),
            None if name.split('.').all(is_label) => name.to_ascii_lowercase(),
            None => return None,
        };
        Some(Self {
            name,
            port,
            own_port: None,
        })
    }

    /// The host of a request that came in at this port of the gateway.
    #[must_use]
    pub(crate) fn at(mut self, port: Option<u16>) -> Self {
        self.own_port = port;
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
            ("[2001:DB8:0::1]:80", "[2001:db8::1]:80"),
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
            assert!(below.matches_by_name(&host(name)), "{name}");
        }
        for name in ["example.com", "wwwexample.com", "example.com.evil.com"] {
            assert!(!below.matches_by_name(&host(name)), "{name}");
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
    fn a_port_counts_for_one_reader_and_not_for_the_other() {
        let host = |text: &str, own: u16| Host::parse(text.as_bytes()).unwrap().at(Some(own));
        let without = HostPattern::parse("a.com").unwrap();
        let with = HostPattern::parse("a.com:8443").unwrap();
        for (pattern, host, by_name, with_port) in [
            (&without, host("a.com", 8000), true, true),
            (&without, host("a.com:8000", 8000), true, true),
            (&without, host("a.com:1", 8000), true, false),
            (&with, host("a.com:8443", 8000), true, true),
            (&with, host("a.com", 8443), true, true),
            (&with, host("a.com", 8000), true, false),
            (&with, host("a.com:1", 8443), false, false),
        ] {
            assert_eq!(
                pattern.matches_by_name(&host),
                by_name,
                "{pattern:?} {host:?}"
            );
            assert_eq!(
                pattern.matches_with_port(&host),
                with_port,
                "{pattern:?} {host:?}"
            );
        }
        let unknown = Host::parse(b"a.com:8000").unwrap();
        assert!(!without.matches_with_port(&unknown));
    }
}
