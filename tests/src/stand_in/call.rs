//! What a gateway asks.

use std::time::Duration;

use token::Cursor;

use crate::watch::Stopwatch;

/// A call that arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request target.
    pub target: String,
    /// `Authorization`, if it was there.
    pub authorization: Option<String>,
    /// Runs since the call arrived.
    pub since: Stopwatch,
    /// What the target means.
    pub asked: Asked,
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `/readyz`: Envoy's health check.
    Ready,
    /// `/gateway/v1/keys`.
    Keys,
    /// `/gateway/v1/revocations` with all that belongs to it.
    Poll(Poll),
    /// Anything else.
    Other,
}

/// The parameters of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The gateway's id.
    pub gateway: String,
    /// What it has applied.
    pub after: Cursor,
    /// For how long the answer may be held.
    pub hold: Duration,
    /// For how long it accepts what it has not heard about; `None` says without end.
    pub staleness: Option<Duration>,
}

impl Call {
    pub(super) fn read(target: &str, authorization: Option<&str>) -> Self {
        let asked = match target.split_once('?') {
            None if target == "/readyz" => Asked::Ready,
            None if target == "/gateway/v1/keys" => Asked::Keys,
            Some(("/gateway/v1/revocations", query)) => {
                Poll::read(query).map_or(Asked::Other, Asked::Poll)
            }
            _ => Asked::Other,
        };
        Self {
            target: target.to_owned(),
            authorization: authorization.map(ToOwned::to_owned),
            since: Stopwatch::start(),
            asked,
        }
    }
}

impl Poll {
    /// Exactly the parameters of version 1, each once.
    fn read(query: &str) -> Option<Self> {
        let pairs: Vec<_> = query
            .split('&')
            .map(|pair| pair.split_once('='))
            .collect::<Option<_>>()?;
        let names = ["v", "gateway", "after", "hold", "staleness"];
        if pairs.len() != names.len() {
            return None;
        }
        let value = |wanted: &str| {
            let mut found = pairs.iter().filter(|(name, _)| *name == wanted);
            found.next().map(|(_, value)| *value)
        };
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        (value("v")? == "1").then_some(())?;
        Some(Self {
            gateway: value("gateway")?.to_owned(),
            after: value("after")?.parse().ok()?,
            hold: seconds(value("hold")?)?,
            staleness: match value("staleness")? {
                "none" => None,
                text => Some(seconds(text)?),
            },
        })
    }
}
