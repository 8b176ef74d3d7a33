//! The client's address: what the last trusted hop wrote, and nothing left of it.

use std::net::{IpAddr, Ipv6Addr};

/// Who may speak for a client.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Peers whose X-Forwarded-For counts.
    pub proxies: Vec<IpAddr>,
    /// Which value from the right is the client's; at least 1.
    pub hops: usize,
}

impl Trust {
    /// Whether that peer may speak for a client.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = canonical(peer);
        self.proxies.iter().any(|proxy| canonical(*proxy) == peer)
    }
}

/// The client's address. `None` when a trusted peer says something that is no address: such clients share one bucket.
pub fn client(peer: IpAddr, forwarded: &[&[u8]], trust: &Trust) -> Option<IpAddr> {
    let is_trusted = trust.trusts(peer);
    let peer = canonical(peer);
    if !is_trusted {
        return Some(peer);
    }
    if forwarded.is_empty() {
        return Some(peer);
    }
    let values: Vec<&[u8]> = forwarded
        .iter()
        .flat_map(|line| line.split(|byte| *byte == b','))
        .collect();
    let value = values
        .len()
        .checked_sub(trust.hops)
        .and_then(|at| values.get(at))?;
    let text = std::str::from_utf8(value).ok()?.trim();
    text.parse().ok().map(canonical)
}

/// What limits count by: an IPv4 address, or the /64 of an IPv6 one (RL-02).
pub fn prefix(address: Option<IpAddr>) -> String {
    match address {
        None => "malformed".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Mapped IPv4 counts as IPv4.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(hops: usize) -> Trust {
        Trust {
            proxies: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            hops,
        }
    }

    fn of(peer: &str, forwarded: &[&str], hops: usize) -> Option<String> {
        let forwarded: Vec<&[u8]> = forwarded.iter().map(|line| line.as_bytes()).collect();
        client(peer.parse().unwrap(), &forwarded, &trust(hops)).map(|address| address.to_string())
    }

    /// RL-02.
    #[test]
    fn only_the_value_of_the_last_trusted_hop_counts() {
        assert_eq!(of("10.0.0.9", &["1.2.3.4"], 1).as_deref(), Some("10.0.0.9"));
        assert_eq!(
            of("127.0.0.1", &["6.6.6.6, 1.2.3.4"], 1).as_deref(),
            Some("1.2.3.4")
        );
        assert_eq!(
            of("127.0.0.1", &["6.6.6.6", "1.2.3.4"], 1).as_deref(),
            Some("1.2.3.4")
        );
        assert_eq!(
            of("127.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.1"], 2).as_deref(),
            Some("1.2.3.4")
        );
        assert_eq!(
            of("::ffff:127.0.0.1", &["::ffff:1.2.3.4"], 1).as_deref(),
            Some("1.2.3.4")
        );
        assert_eq!(of("127.0.0.1", &[], 1).as_deref(), Some("127.0.0.1"));
        for malformed in ["", "unknown", "1.2.3.4:80", "1.2.3.4,"] {
            assert_eq!(of("127.0.0.1", &[malformed], 1), None, "{malformed}");
        }
        assert_eq!(of("127.0.0.1", &["1.2.3.4"], 2), None);
    }

    #[test]
    fn limits_count_by_address_or_by_64() {
        assert_eq!(prefix("1.2.3.4".parse().ok()), "1.2.3.4");
        assert_eq!(
            prefix("2001:db8:1:2:3:4:5:6".parse().ok()),
            "2001:db8:1:2::/64"
        );
        assert_eq!(prefix(None), "malformed");
    }
}
