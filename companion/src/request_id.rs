//! The id of a request: what its lines in the log, its events in the audit log and its answer have in common.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::address::Trust;
use crate::entropy;

/// The field that Envoy writes it into, and that the answer has.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Of the ids that are taken over: a UUID has 36 characters, a random number of 64 bits has 16.
const LEAST: usize = 16;
const MOST: usize = 64;

/// Hexadecimal digits and `-`: safe in any log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The one that a trusted proxy has sent, where it is one; else a new one. Whoever else sends one could make his requests look
    /// like another's.
    pub fn choose(peer: Option<IpAddr>, headers: &HeaderMap, trust: &Trust) -> Self {
        let is_trusted = peer.is_some_and(|peer| trust.trusts(peer));
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(id), None) if is_trusted => Self::taken(id),
            _ => None,
        }
        .unwrap_or_else(Self::new)
    }

    fn taken(sent: &HeaderValue) -> Option<Self> {
        let text = sent.to_str().ok()?;
        let is_sane = (LEAST..=MOST).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        is_sane.then(|| Self(text.into()))
    }

    fn new() -> Self {
        let drawn = u128::from_be_bytes(entropy::bytes());
        Self(format!("{drawn:032x}").into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the answer has it.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn chosen(peer: Option<IpAddr>, sent: &[&str]) -> RequestId {
        let trust = Trust {
            proxies: vec![PROXY],
            hops: 1,
        };
        let mut headers = HeaderMap::new();
        for id in sent {
            headers.append(
                X_REQUEST_ID,
                HeaderValue::from_bytes(id.as_bytes()).unwrap(),
            );
        }
        RequestId::choose(peer, &headers, &trust)
    }

    #[test]
    fn a_sane_id_is_taken_from_a_trusted_proxy_alone() {
        let sent = "0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f";
        assert_eq!(chosen(Some(PROXY), &[sent]).as_str(), sent);
        assert_eq!(
            chosen(Some(PROXY), &["0123456789ABCDEF"]).as_str(),
            "0123456789ABCDEF"
        );
        for (peer, sent) in [
            (Some(OTHER), vec![sent]),
            (None, vec![sent]),
            (Some(PROXY), vec![sent, sent]),
            (Some(PROXY), vec![""]),
            (Some(PROXY), vec!["0123456789abcde"]),
            (Some(PROXY), vec!["0123456789abcdeg"]),
            (Some(PROXY), vec!["0123456789abcdef\u{e9}"]),
            (Some(PROXY), vec![]),
        ] {
            let id = chosen(peer, &sent);
            assert!(
                id.as_str().len() == 32 && !sent.contains(&id.as_str()),
                "{sent:?}"
            );
            assert_ne!(id, chosen(peer, &sent));
        }
        assert_ne!(chosen(Some(PROXY), &[&"a".repeat(65)]).as_str().len(), 65);
    }
}
